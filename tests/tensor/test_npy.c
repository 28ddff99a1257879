#include "folder.h"

#include <sibyl/npy_file.h>
#include <unistd.h>

/* ---- Round trips --------------------------------------------------------------------------------- */

static void check_round_trip(const sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *back;
    const char *path = in_folder("t.npy");
    CHECK_OK(sib_npy_save(path, t, &err), err);
    CHECK_OK(sib_npy_load(path, &back, &err), err);
    assert_true(sib_tensor_is_dense(back));
    if (!same_bits(t, back))
        fail_msg("%s came back different", sib_dtype_name(sib_tensor_dtype(t)));
    sib_tensor_free(&back);
    assert_int_equal(files_in_folder(), 1);
}

TEST(every_type_comes_back)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {31};
    static const int64_t shapes[][4] = {{0}, {1, 7}, {3, 2, 3, 5}, {2, 0, 4}, {2, 33, 20}};
    for (size_t k = 0; k < N_DTYPES; k++) {
        for (size_t s = 0; s < 5; s++) {
            sib_tensor *t = random_tensor(all_dtypes[k], (size_t)shapes[s][0], shapes[s] + 1, &random), *view;
            check_round_trip(t);
            if (s == 4 && sib_dtype_bits(all_dtypes[k]) >= 8) {
                CHECK_OK(sib_tensor_transpose(t, (int64_t[]){1, 0}, &view, &err), err);
                check_round_trip(view);
                sib_tensor_free(&view);
                CHECK_OK(sib_tensor_slice(t, 0, 32, 11, -3, &view, &err), err);
                check_round_trip(view);
                sib_tensor_free(&view);
            }
            sib_tensor_free(&t);
        }
    }
}

/* The bytes of a file without one: views of what is dense, copies of what is not. */
TEST(images_are_what_files_hold)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {37};
    for (size_t k = 0; k < N_DTYPES; k++) {
        sib_tensor *t = random_tensor(all_dtypes[k], 2, (int64_t[]){33, 20}, &random), *part = NULL;
        bool packed = sib_dtype_bits(all_dtypes[k]) < 8;
        if (!packed)
            CHECK_OK(sib_tensor_slice(t, 0, 32, 11, -3, &part, &err), err);
        for (int i = 0; i < (packed ? 1 : 2); i++) {
            const sib_tensor *of = i ? part : t;
            sib_npy_image *image = NULL;
            size_t n, header, data;
            CHECK_OK(sib_npy_save(in_folder("t.npy"), of, &err), err);
            unsigned char *bytes = read_whole(in_folder("t.npy"), &n);
            CHECK_OK(sib_npy_image_create(of, &image, &err), err);
            const void *begin = sib_npy_image_header(image, &header),
                       *rest = sib_npy_image_data(image, &data);
            assert_int_equal(header + data, n);
            assert_memory_equal(begin, bytes, header);
            assert_memory_equal(rest, bytes + header, data);
            assert_int_equal(rest == sib_tensor_data(of), !i && !packed && all_dtypes[k] != SIB_STRING);
            sib_npy_image_free(&image);
            assert_null(image);
            free(bytes);
        }
        sib_tensor_free(&part);
        sib_tensor_free(&t);
    }
    sib_npy_image *image = NULL;
    CHECK_FAILS(sib_npy_image_create(NULL, &image, &err), SIB_ERR_ARGUMENT, err, "NULL");
    sib_npy_image_free(&image);
}

/* The header as NumPy writes it, byte for byte. */
static void check_header(sib_dtype d, size_t rank, const int64_t *dims, const char *text)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    size_t n, length = strlen(text);
    CHECK_OK(sib_tensor_create(d, rank, dims, &t, &err), err);
    const char *path = in_folder("t.npy");
    CHECK_OK(sib_npy_save(path, t, &err), err);
    unsigned char *bytes = read_whole(path, &n);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00", 8);
    size_t text_bytes = bytes[8] + 256u * bytes[9];
    assert_int_equal((10 + text_bytes) % 64, 0);
    assert_memory_equal(bytes + 10, text, length);
    for (size_t i = length; i + 1 < text_bytes; i++)
        assert_int_equal(bytes[10 + i], ' ');
    assert_int_equal(bytes[9 + text_bytes], '\n');
    free(bytes);
    sib_tensor_free(&t);
}

TEST(headers_as_numpy_writes_them)
{
    const int64_t dims[] = {2, 3};
    check_header(SIB_F32, 2, dims, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    check_header(SIB_F64, 1, dims, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }");
    check_header(SIB_F16, 0, dims, "{'descr': '<f2', 'fortran_order': False, 'shape': (), }");
    check_header(SIB_U8, 1, dims, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }");
    check_header(SIB_BOOL, 1, dims, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }");
    check_header(SIB_C64, 1, dims, "{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }");
    check_header(SIB_C128, 1, dims, "{'descr': '<c16', 'fortran_order': False, 'shape': (2,), }");
    check_header(SIB_STRING, 1, dims, "{'descr': '<U1', 'fortran_order': False, 'shape': (2,), }");
    check_header(SIB_BF16, 1, dims, "{'descr': '<V2', 'fortran_order': False, 'shape': (2,), } # bfloat16");
    check_header(SIB_F8E5M2, 1, dims,
                 "{'descr': '|V1', 'fortran_order': False, 'shape': (2,), } # float8e5m2");
    check_header(SIB_I4, 1, dims, "{'descr': '|V1', 'fortran_order': False, 'shape': (2,), } # int4");
    int64_t max[16];
    for (size_t i = 0; i < 16; i++)
        max[i] = i ? 1 : 0;
    check_header(SIB_F32, 16, max,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
                 "1, 1, 1, 1, 1), }");
}

TEST(packed_elements_take_a_byte)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    size_t n;
    unsigned char nibbles[] = {0x8F, 0x07};
    CHECK_OK(sib_tensor_wrap(SIB_I4, 1, (int64_t[]){3}, NULL, nibbles, NULL, NULL, &t, &err), err);
    const char *path = in_folder("t.npy");
    CHECK_OK(sib_npy_save(path, t, &err), err);
    unsigned char *bytes = read_whole(path, &n);
    assert_int_equal(n, 128 + 3);
    assert_memory_equal(bytes + 128, "\x0F\x08\x07", 3);
    free(bytes);
    sib_tensor_free(&t);
}

/* ---- Files of other programs --------------------------------------------------------------------- */

/* Concatenates a header of format 1.0 and data. Returns the number of bytes. */
static size_t make_npy(unsigned char *out, const char *text, const void *data, size_t data_bytes)
{
    size_t length = strlen(text);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (unsigned char)(length & 0xFF);
    out[9] = (unsigned char)(length >> 8);
    memcpy(out + 10, text, length);
    if (data_bytes)
        memcpy(out + 10 + length, data, data_bytes);
    return 10 + length + data_bytes;
}

static sib_code load_text(const char *text, const void *data, size_t data_bytes, sib_tensor **out,
                          sib_error *err)
{
    static unsigned char bytes[70000];
    size_t n = make_npy(bytes, text, data, data_bytes);
    return sib_npy_load(write_file("in.npy", bytes, n), out, err);
}

/* The bytes of a file give what the file gives, under the name of the file the same error too. */
static void check_bytes(const unsigned char *bytes, size_t n)
{
    const char *path = write_file("in.npy", bytes, n);
    sib_error err = SIB_ERROR_INIT, again = SIB_ERROR_INIT;
    sib_tensor *t, *u;
    sib_code code = sib_npy_load(path, &t, &err);
    unsigned char *exact = malloc(n + !n); /* so that a sanitizer sees what is read beyond them */
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    assert_int_equal(sib_npy_load_bytes(path, exact, n, 0, &u, &again), code);
    free(exact);
    assert_string_equal(err.message, again.message);
    assert_true(code == SIB_OK ? same_bits(t, u) : !u);
    sib_tensor_free(&t);
    sib_tensor_free(&u);
}

TEST(bytes_of_a_file)
{
    unsigned char bytes[256];
    static const char *const texts[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n",
        "{'descr': '<U6', 'fortran_order': True, 'shape': (1, 1), }\n",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4611686018427387904), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9, 3), }\n"};
    for (size_t k = 0; k < 5; k++) {
        size_t n = make_npy(bytes, texts[k], "a\0\0\0b\0\0\0c\0\0\0d\0\0\0e\0\0\0f\0\0", 24);
        for (size_t length = 0; length <= n; length++)
            check_bytes(bytes, length);
    }
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_FAILS(sib_npy_load_bytes(NULL, bytes, 1, 0, &t, &err), SIB_ERR_ARGUMENT, err, "name");
    CHECK_FAILS(sib_npy_load_bytes("a", NULL, 1, 0, &t, &err), SIB_ERR_ARGUMENT, err, "data");
    CHECK_FAILS(sib_npy_load_bytes("a", bytes, 1, 0, NULL, &err), SIB_ERR_ARGUMENT, err, "out");
}

TEST(bytes_have_a_limit)
{
    unsigned char bytes[256];
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    size_t n = make_npy(bytes, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", "", 0) + 24;
    memset(bytes + n - 24, 0, 24);
    CHECK_OK(sib_npy_load_bytes("a", bytes, n, 24, &t, &err), err);
    sib_tensor_free(&t);
    CHECK_FAILS(sib_npy_load_bytes("a", bytes, n, 23, &t, &err), SIB_ERR_SIZE, err, "more than 23 bytes");
    n = make_npy(bytes, "{'descr': '|S1', 'fortran_order': False, 'shape': (3,), }\n", "abc", 3);
    CHECK_OK(sib_npy_load_bytes("a", bytes, n, 3 + 3 * sizeof(sib_str), &t, &err), err);
    sib_tensor_free(&t);
    CHECK_FAILS(sib_npy_load_bytes("a", bytes, n, 2 + 3 * sizeof(sib_str), &t, &err), SIB_ERR_SIZE, err,
                "(3,)");
}

/* Loads and compares with dense elements of `dtype`, over one axis or two. */
static void check_loads(const char *text, const void *data, size_t data_bytes, sib_dtype dtype, int64_t rows,
                        int64_t columns, const void *want)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(load_text(text, data, data_bytes, &t, &err), err);
    assert_int_equal(sib_tensor_dtype(t), dtype);
    assert_int_equal(sib_tensor_rank(t), columns ? 2 : 1);
    assert_int_equal(sib_tensor_dims(t)[0], rows);
    if (columns)
        assert_int_equal(sib_tensor_dims(t)[1], columns);
    assert_true(sib_tensor_is_dense(t));
    size_t bytes = ((size_t)sib_tensor_count(t) * sib_dtype_bits(dtype) + 7) / 8;
    assert_memory_equal(sib_tensor_data(t), want, bytes);
    sib_tensor_free(&t);
}

TEST(orders_of_bytes_and_axes)
{
    const uint8_t big[] = {0, 0, 1, 2, 0xFF, 0xFF, 0xFF, 0xFE};
    check_loads("{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }\n", big, 8, SIB_I32, 2, 0,
                (int32_t[]){258, -2});
    const uint8_t big_complex[] = {0x3F, 0x80, 0, 0, 0x40, 0, 0, 0};
    check_loads("{'descr': '>c8', 'fortran_order': False, 'shape': (1,)}", big_complex, 8, SIB_C64, 1, 0,
                (float[]){1, 2});
    const uint8_t big_double[] = {0x40, 0x09, 0x21, 0xFB, 0x54, 0x44, 0x2D, 0x18};
    check_loads("{'descr':'>f8','fortran_order':False,'shape':(1,)}", big_double, 8, SIB_F64, 1, 0,
                (double[]){3.141592653589793});
    const int16_t columns[] = {1, 4, 2, 5, 3, 6};
    check_loads("{'shape': (2, 3), \"fortran_order\": True, 'descr': \"<i2\", }   \n", columns, 12, SIB_I16,
                2, 3, (int16_t[]){1, 2, 3, 4, 5, 6});
    check_loads("{'descr': '|i1', 'fortran_order': True, 'shape': (3L,)}", "\1\2\3", 3, SIB_I8, 3, 0,
                "\1\2\3");
    check_loads("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", "\1\0\7", 3, SIB_BOOL, 3, 0,
                "\1\0\1");
    check_loads("{'descr': '=u2', 'fortran_order': False, 'shape': (1,)}", "\1\2", 2, SIB_U16, 1, 0, "\1\2");
    check_loads("{'descr': '<V2', 'fortran_order': False, 'shape': (1,)}", "\x80\x3F", 2, SIB_BF16, 1, 0,
                "\x80\x3F");
    check_loads("{'descr': '>V2', 'fortran_order': False, 'shape': (1,)}", "\x3F\x80", 2, SIB_BF16, 1, 0,
                "\x80\x3F");
    check_loads("{'descr': '<V1', 'fortran_order': False, 'shape': (2,)}", "\x12\x34", 2, SIB_U8, 2, 0,
                "\x12\x34");
    check_loads("{'descr': '<f1', 'fortran_order': False, 'shape': (1,)}", "\x3C", 1, SIB_F8E5M2, 1, 0,
                "\x3C");
    check_loads("{'descr': '<V1', 'fortran_order': False, 'shape': (1,)} # float8e4m3fn\n", "\x38", 1,
                SIB_F8E4M3FN, 1, 0, "\x38");
    check_loads("{'descr': '<V1', 'fortran_order': False, 'shape': (1,)} # of nobody", "\x38", 1, SIB_U8, 1,
                0, "\x38");
    check_loads("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} # float8e4m3fn", "\x38", 1, SIB_U8,
                1, 0, "\x38");
    /* packed, in Fortran order */
    check_loads("{'descr': '|V1', 'fortran_order': True, 'shape': (2, 2)} # uint4", "\1\2\3\4", 4, SIB_U4, 2,
                2, "\x31\x42");
    /* bytes after the array are not read */
    check_loads("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", "\5more", 5, SIB_U8, 1, 0, "\5");
}

TEST(later_formats)
{
    sib_error err = SIB_ERROR_INIT;
    const char text[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (), }\n";
    for (unsigned char version = 2; version <= 3; version++) {
        unsigned char bytes[128] = "\x93NUMPY";
        sib_tensor *t;
        bytes[6] = version;
        bytes[8] = sizeof text - 1;
        memcpy(bytes + 12, text, sizeof text - 1);
        bytes[12 + sizeof text - 1] = 42;
        CHECK_OK(sib_npy_load(write_file("in.npy", bytes, 12 + sizeof text), &t, &err), err);
        assert_int_equal(sib_tensor_rank(t), 0);
        assert_int_equal(*(uint8_t *)sib_tensor_data(t), 42);
        sib_tensor_free(&t);
        bytes[11] = 0x7F; /* a header of 2 GiB */
        CHECK_FAILS(sib_npy_load(write_file("in.npy", bytes, 12 + sizeof text), &t, &err), SIB_ERR_FORMAT,
                    err, "header");
    }
}

static void check_strings(const char *text, const void *data, size_t n, const char *first, const char *second)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(load_text(text, data, n, &t, &err), err);
    assert_int_equal(sib_tensor_dtype(t), SIB_STRING);
    const char *want[] = {first, second};
    for (int64_t i = 0; i < 2; i++) {
        sib_str s;
        CHECK_OK(sib_tensor_get_string(t, &i, &s, &err), err);
        assert_int_equal(s.length, strlen(want[i]));
        assert_memory_equal(s.data, want[i], s.length);
    }
    sib_tensor_free(&t);
}

TEST(strings_of_both_kinds)
{
    const uint32_t points[] = {'a', 0xE9, 0x20AC, 0x1F600, 0, 0};
    check_strings("{'descr': '<U3', 'fortran_order': False, 'shape': (2,)}", points, 24,
                  "a\xC3\xA9\xE2\x82\xAC", "\xF0\x9F\x98\x80");
    const uint8_t big[] = {0, 0, 0, 'x', 0, 0, 0x20, 0xAC};
    check_strings("{'descr': '>U1', 'fortran_order': False, 'shape': (2,)}", big, 8, "x", "\xE2\x82\xAC");
    check_strings("{'descr': '|S3', 'fortran_order': False, 'shape': (2,)}", "ab\0\xFF\0\0", 6, "ab", "\xFF");
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    const uint32_t surrogate[] = {0xD800}, beyond[] = {0x110000};
    CHECK_FAILS(load_text("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", surrogate, 4, &t, &err),
                SIB_ERR_FORMAT, err, "character");
    CHECK_FAILS(load_text("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", beyond, 4, &t, &err),
                SIB_ERR_FORMAT, err, "character");
    CHECK_FAILS(load_text("{'descr': '<U0', 'fortran_order': False, 'shape': (9,)}", "", 0, &t, &err),
                SIB_ERR_FORMAT, err, "elements have size 0");
    /* column after column */
    CHECK_OK(load_text("{'descr': '|S1', 'fortran_order': True, 'shape': (2, 2)}", "acbd", 4, &t, &err), err);
    for (int64_t i = 0; i < 4; i++) {
        sib_str s;
        CHECK_OK(sib_tensor_get_string(t, (int64_t[]){i / 2, i % 2}, &s, &err), err);
        assert_true(s.length == 1 && s.data[0] == "abcd"[i]);
    }
    sib_tensor_free(&t);
}

TEST(strings_that_are_not_utf8)
{
    sib_error err = SIB_ERROR_INIT;
    static const sib_str bad[] = {{"\xFF", 1},         {"\xC3", 1},         {"\xC0\x80", 2},
                                  {"\xED\xA0\x80", 3}, {"\xE0\x80\xAF", 3}, {"\xF4\x90\x80\x80", 4},
                                  {"a\x80", 2},        {"\xE2\x82", 2},     {"\xF8\x88\x80\x80\x80", 5}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sib_tensor *t;
        CHECK_OK(sib_tensor_create(SIB_STRING, 0, NULL, &t, &err), err);
        CHECK_OK(sib_tensor_set_string(t, NULL, bad[i], &err), err);
        CHECK_FAILS(sib_npy_save(in_folder("bad.npy"), t, &err), SIB_ERR_VALUE, err, "UTF-8");
        assert_int_not_equal(access(in_folder("bad.npy"), F_OK), 0);
        sib_tensor_free(&t);
    }
}

/* ---- Bad files ------------------------------------------------------------------------------------ */

#define SHAPE(text) "{'descr': '<f4', 'fortran_order': False, 'shape': " text "}"
#define DESCR(text) "{'descr': " text ", 'fortran_order': False, 'shape': (1,)}"

TEST(hostile_headers)
{
    static const struct {
        const char *text;
        sib_code code;
        const char *words;
    } rows[] = {
        {SHAPE("(2,)"), SIB_ERR_FORMAT, "expected 8"},
        {SHAPE("(-1,)"), SIB_ERR_FORMAT, "a dim"},
        {SHAPE("(1.5,)"), SIB_ERR_FORMAT, "','"},
        {SHAPE("(1"), SIB_ERR_FORMAT, "','"},
        {SHAPE("(1)"), SIB_ERR_FORMAT, "tuple"},
        {SHAPE("(,)"), SIB_ERR_FORMAT, "a dim"},
        {SHAPE("[1]"), SIB_ERR_FORMAT, "tuple"},
        {SHAPE("(1,,)"), SIB_ERR_FORMAT, "a dim"},
        {SHAPE("1"), SIB_ERR_FORMAT, "tuple"},
        {SHAPE("(99999999999999999999,)"), SIB_ERR_FORMAT, "a dim"},
        {SHAPE("(9223372036854775807,)"), SIB_ERR_FORMAT, "overflows"},
        {SHAPE("(9223372036854775807, 9223372036854775807)"), SIB_ERR_FORMAT, "overflows"},
        {SHAPE("(4294967296, 4294967296, 4)"), SIB_ERR_FORMAT, "overflows"},
        {SHAPE("(4611686018427387904,)"), SIB_ERR_FORMAT, "overflows"},
        {SHAPE("(1099511627776,)"), SIB_ERR_FORMAT, "expected 4398046511104"},
        {SHAPE("(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)"), SIB_ERR_UNSUPPORTED, "rank"},
        {DESCR("'|O'"), SIB_ERR_UNSUPPORTED, "|O"},
        {DESCR("[('a', '<f4')]"), SIB_ERR_UNSUPPORTED, "structured"},
        {DESCR("('<f4', (2,))"), SIB_ERR_UNSUPPORTED, "structured"},
        {DESCR("'<M8[ns]'"), SIB_ERR_UNSUPPORTED, "M8"},
        {DESCR("'<f16'"), SIB_ERR_UNSUPPORTED, "f16"},
        {DESCR("'<V7'"), SIB_ERR_UNSUPPORTED, "V7"},
        {DESCR("'<x4'"), SIB_ERR_FORMAT, "type"},
        {DESCR("'<f'"), SIB_ERR_FORMAT, "type"},
        {DESCR("''"), SIB_ERR_FORMAT, "type"},
        {DESCR("'<f4"), SIB_ERR_FORMAT, "type"},
        {DESCR("'<f4x'"), SIB_ERR_FORMAT, "type"},
        {DESCR("'<f99999999999999999999999'"), SIB_ERR_FORMAT, "type"},
        {DESCR("'<U99999999999'"), SIB_ERR_FORMAT, "2^32"},
        {DESCR("'<ffffffffffffffffffffffffffffffffffffffffffff4'"), SIB_ERR_FORMAT, "type"},
        {DESCR("'\\x3cf4'"), SIB_ERR_FORMAT, "type"},
        {DESCR("<f4"), SIB_ERR_FORMAT, "type"},
        {"", SIB_ERR_FORMAT, "dictionary"},
        {"{}", SIB_ERR_FORMAT, "'shape'"},
        {"{", SIB_ERR_FORMAT, "'descr'"},
        {"[]", SIB_ERR_FORMAT, "dictionary"},
        {"{'descr': '<f4', 'fortran_order': False}", SIB_ERR_FORMAT, "'shape'"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", SIB_ERR_FORMAT, "True or False"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", SIB_ERR_FORMAT, "once"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", SIB_ERR_FORMAT, "once"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", SIB_ERR_FORMAT, "','"},
        {"{'descr' '<f4', 'fortran_order': False, 'shape': (1,)}", SIB_ERR_FORMAT, "':'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", SIB_ERR_FORMAT, "nothing"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} # x\n y", SIB_ERR_FORMAT, "nothing"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", SIB_ERR_FORMAT, "','"},
        {"{,}", SIB_ERR_FORMAT, "'descr'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_tensor *t = NULL;
        sib_code code = load_text(rows[i].text, "\0\0\0\0", 4, &t, &err);
        if (code != rows[i].code || !strstr(err.message, rows[i].words) || !strstr(err.message, "in.npy") ||
            t || err.offset == SIB_NO_OFFSET)
            fail_msg("%s: %s, '%s'", rows[i].text, sib_code_name(code), err.message);
    }
}

/* Every prefix of a valid file, and every byte of its header changed. */
TEST(cut_and_damaged_files)
{
    unsigned char good[256], bytes[256];
    static const char *const texts[] = {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     \n",
                                        "{'descr': '<U6', 'fortran_order': True, 'shape': (1, 1), }\n"};
    for (size_t k = 0; k < 2; k++) {
        size_t n = make_npy(good, texts[k], "a\0\0\0b\0\0\0c\0\0\0d\0\0\0e\0\0\0f\0\0", 24);
        for (size_t length = 0; length < n; length++) {
            sib_error err = SIB_ERROR_INIT;
            sib_tensor *t;
            CHECK_FAILS(sib_npy_load(write_file("in.npy", good, length), &t, &err), SIB_ERR_FORMAT, err,
                        "in.npy");
        }
        for (size_t at = 0; at < n - 24; at++) {
            static const unsigned char changes[] = {0, 0xFF, '9', '\'', ')', ' '};
            for (size_t c = 0; c < sizeof changes; c++) {
                sib_error err = SIB_ERROR_INIT;
                sib_tensor *t;
                memcpy(bytes, good, n);
                bytes[at] = changes[c];
                sib_code code = sib_npy_load(write_file("in.npy", bytes, n), &t, &err);
                assert_true(code == SIB_OK ? t != NULL : t == NULL && err.message[0]);
                assert_true(code == SIB_OK || code == SIB_ERR_FORMAT || code == SIB_ERR_UNSUPPORTED);
                sib_tensor_free(&t);
            }
        }
    }
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    memcpy(bytes, "\x93NUMPX\x01\x00\x00\x00", 10);
    CHECK_FAILS(sib_npy_load(write_file("in.npy", bytes, 10), &t, &err), SIB_ERR_FORMAT, err, "NUMPY");
    memcpy(bytes, "\x93NUMPY\x04\x00\x00\x00", 10);
    CHECK_FAILS(sib_npy_load(write_file("in.npy", bytes, 10), &t, &err), SIB_ERR_FORMAT, err, "4.0");
}

TEST(paths_that_do_not_work)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *in = NULL;
    CHECK_OK(sib_tensor_create(SIB_F32, 1, (int64_t[]){100000}, &t, &err), err);
    CHECK_FAILS(sib_npy_load("/nonexistent/a.npy", &in, &err), SIB_ERR_IO, err, "/nonexistent/a.npy");
    CHECK_FAILS(sib_npy_load(folder, &in, &err), SIB_ERR_IO, err, folder);
    CHECK_FAILS(sib_npy_load(NULL, &in, &err), SIB_ERR_ARGUMENT, err, "path");
    assert_null(in);
    CHECK_FAILS(sib_npy_save("/nonexistent/a.npy", t, &err), SIB_ERR_IO, err, "/nonexistent/a.npy");
    CHECK_FAILS(sib_npy_save(folder, t, &err), SIB_ERR_IO, err, folder);
    CHECK_FAILS(sib_npy_save("/dev/full", t, &err), SIB_ERR_IO, err,
                "/dev/full: cannot be written: No space");
    sib_tensor_free(&t);
    CHECK_OK(sib_tensor_create(SIB_F32, 0, NULL, &t, &err), err);
    CHECK_FAILS(sib_npy_save("/dev/full", t, &err), SIB_ERR_IO, err, "/dev/full");
    CHECK_FAILS(sib_npy_save(in_folder("x"), NULL, &err), SIB_ERR_ARGUMENT, err, "NULL");
    sib_tensor_free(&t);
}

TEST(allocations)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {6};
    static const sib_dtype kinds[] = {SIB_F32, SIB_I4, SIB_STRING};
    for (size_t k = 0; k < 3; k++) {
        sib_tensor *t = random_tensor(kinds[k], 2, (int64_t[]){3, 4}, &random), *back;
        const char *path = in_folder("a.npy");
        CHECK_EVERY_ALLOCATION(sib_npy_save(path, t, &err), (void)0);
        CHECK_EVERY_ALLOCATION(sib_npy_load(path, &back, &err), sib_tensor_free(&back));
        sib_tensor_free(&t);
    }
    unsigned char bytes[128];
    size_t n =
        make_npy(bytes, "{'descr': '|V1', 'fortran_order': True, 'shape': (2, 2)} # uint4", "\1\2\3\4", 4);
    const char *path = write_file("in.npy", bytes, n);
    sib_tensor *back;
    CHECK_EVERY_ALLOCATION(sib_npy_load(path, &back, &err), sib_tensor_free(&back));
}

/* An array of blocks in any order, some of them not dense, equals the array written at once; a pipe gets it
   too. */
TEST(blocks)
{
    const int64_t dims[3] = {4, 5, 6};
    const struct {
        int64_t begin[3], count[3];
    } parts[] = {{{2, 0, 0}, {2, 5, 6}}, {{0, 3, 0}, {2, 2, 6}}, {{1, 0, 0}, {1, 3, 6}},
                 {{0, 0, 4}, {1, 3, 2}}, {{0, 0, 0}, {1, 3, 4}}, {{0, 0, 0}, {0, 5, 6}}};
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *loaded;
    CHECK_OK(sib_tensor_create(SIB_I16, 3, dims, &t, &err), err);
    for (int16_t i = 0; i < 120; i++)
        ((int16_t *)sib_tensor_data(t))[i] = (int16_t)(i + 1);
    for (size_t leave = 0; leave < 7; leave++) {
        const char *path = in_folder("blocks.npy");
        sib_npy_file *file;
        CHECK_OK(sib_npy_create(path, SIB_I16, 3, dims, &file, &err), err);
        for (size_t p = 0; p < 6; p++) {
            sib_tensor *view[4] = {t};
            for (int a = 0; a < 3; a++)
                CHECK_OK(
                    sib_tensor_slice(view[a], a, parts[p].begin[a], parts[p].count[a], 1, &view[a + 1], &err),
                    err);
            if (p != leave)
                CHECK_OK(sib_npy_put(file, view[3], parts[p].begin, &err), err);
            for (int a = 1; a < 4; a++)
                sib_tensor_free(&view[a]);
        }
        CHECK_OK(sib_npy_finish(&file, &err), err);
        assert_null(file);
        CHECK_OK(sib_npy_load(path, &loaded, &err), err);
        assert_true(sib_tensor_dtype(loaded) == SIB_I16 && sib_tensor_count(loaded) == 120);
        for (int64_t i = 0; i < 120; i++) {
            const int64_t at[3] = {i / 30, i / 6 % 5, i % 6};
            bool left = leave < 6;
            for (int a = 0; left && a < 3; a++)
                left =
                    at[a] >= parts[leave].begin[a] && at[a] < parts[leave].begin[a] + parts[leave].count[a];
            assert_int_equal(((const int16_t *)sib_tensor_data(loaded))[i], left ? 0 : i + 1);
        }
        sib_tensor_free(&loaded);
        unlink(path);
    }
    sib_tensor_free(&t);
}

/* The lowest descriptor that is free: another one where a file was left open. */
static int free_descriptor(void)
{
    const int fd = dup(STDOUT_FILENO);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

TEST(blocks_that_fail)
{
    const int64_t dims[2] = {3, 4}, huge[2] = {INT64_MAX / 4, 2}, row[2] = {1, 4}, start[2] = {2, 0},
                  beyond[2] = {3, 0}, before[2] = {-1, 0};
    const char *path = in_folder("blocks.npy");
    const int files = files_in_folder();
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *other;
    sib_npy_file *file;
    CHECK_OK(sib_tensor_create(SIB_F32, 2, row, &t, &err), err);
    CHECK_OK(sib_tensor_create(SIB_F64, 2, row, &other, &err), err);
    CHECK_FAILS(sib_npy_create(path, SIB_STRING, 2, dims, &file, &err), SIB_ERR_UNSUPPORTED, err, "string");
    CHECK_FAILS(sib_npy_create(path, SIB_I4, 2, dims, &file, &err), SIB_ERR_UNSUPPORTED, err, "int4");
    CHECK_FAILS(sib_npy_create(path, SIB_F64, 2, huge, &file, &err), SIB_ERR_SIZE, err, "");
    CHECK_FAILS(sib_npy_create("/nowhere/x.npy", SIB_F32, 2, dims, &file, &err), SIB_ERR_IO, err,
                "/nowhere/x.npy");
    assert_null(file);
    CHECK_OK(sib_npy_create(path, SIB_F32, 2, dims, &file, &err), err);
    CHECK_FAILS(sib_npy_put(file, other, start, &err), SIB_ERR_ARGUMENT, err, "another type");
    CHECK_FAILS(sib_npy_put(file, t, beyond, &err), SIB_ERR_ARGUMENT, err, "exceeds");
    CHECK_FAILS(sib_npy_put(file, t, before, &err), SIB_ERR_ARGUMENT, err, "exceeds");
    CHECK_OK(sib_npy_put(file, t, start, &err), err);
    sib_npy_discard(&file);
    assert_null(file);
    sib_npy_discard(&file);
    assert_int_equal(files_in_folder(), files);
    const int lowest = free_descriptor();
    CHECK_OK(sib_npy_create("/dev/full", SIB_F32, 2, dims, &file, &err), err);
    CHECK_OK(sib_npy_put(file, t, start, &err), err);
    CHECK_FAILS(sib_npy_finish(&file, &err), SIB_ERR_IO, err, "/dev/full: cannot be written: No space left");
    assert_null(file);
    assert_int_equal(free_descriptor(), lowest);
    sib_tensor_free(&t);
    sib_tensor_free(&other);
}

TEST_FIXTURE(make_folder, drop_folder)
