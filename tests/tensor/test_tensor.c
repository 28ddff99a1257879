/* Element types, tensors, elements. */
#include "support.h"

#include "tensor/mapped.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

#include <sys/mman.h>
#include <sys/resource.h>

TEST(types_are_as_listed)
{
    static const struct {
        sib_dtype dtype;
        int number;
        const char *name;
        unsigned bits;
        sib_dtype_kind kind;
    } rows[] = {
#define ROW(constant, number, name, bits, kind) {constant, number, name, bits, kind},
        SIB_DTYPES(ROW)
#undef ROW
    };
    assert_int_equal(N_DTYPES, 26);
    for (size_t i = 0; i < N_DTYPES; i++) {
        assert_int_equal(rows[i].dtype, i + 1);
        assert_int_equal(rows[i].number, i + 1);
        assert_string_equal(sib_dtype_name(rows[i].dtype), rows[i].name);
        assert_int_equal(sib_dtype_from_name(rows[i].name), rows[i].dtype);
        assert_int_equal(sib_dtype_bits(rows[i].dtype), rows[i].bits);
        assert_int_equal(sib_dtype_get_kind(rows[i].dtype), rows[i].kind);
    }
    static const int unknown[] = {0, 27, -1, 1000000};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(sib_dtype_name((sib_dtype)unknown[i]), "unknown");
        assert_int_equal(sib_dtype_bits((sib_dtype)unknown[i]), 0);
        assert_int_equal(sib_dtype_get_kind((sib_dtype)unknown[i]), SIB_KIND_NONE);
    }
    assert_int_equal(sib_dtype_from_name("unknown"), SIB_DTYPE_UNKNOWN);
    assert_int_equal(sib_dtype_from_name("Float32"), SIB_DTYPE_UNKNOWN);
    assert_int_equal(sib_dtype_from_name(""), SIB_DTYPE_UNKNOWN);
    assert_int_equal(sib_dtype_from_name(NULL), SIB_DTYPE_UNKNOWN);
}

TEST(created_tensors_are_dense_zeros)
{
    sib_error err = SIB_ERROR_INIT;
    const int64_t dims[] = {2, 3, 5};
    for (size_t k = 0; k < N_DTYPES; k++) {
        for (size_t rank = 0; rank <= 3; rank++) {
            sib_tensor *t;
            CHECK_OK(sib_tensor_create(all_dtypes[k], rank, dims, &t, &err), err);
            assert_int_equal(sib_tensor_dtype(t), all_dtypes[k]);
            assert_int_equal(sib_tensor_rank(t), rank);
            assert_int_equal(sib_tensor_count(t), rank == 0 ? 1 : rank == 1 ? 2 : rank == 2 ? 6 : 30);
            assert_true(sib_tensor_is_dense(t));
            for (size_t i = 0; i < rank; i++)
                assert_int_equal(sib_tensor_dims(t)[i], dims[i]);
            if (rank == 3) {
                assert_int_equal(sib_tensor_strides(t)[0], 15);
                assert_int_equal(sib_tensor_strides(t)[1], 5);
                assert_int_equal(sib_tensor_strides(t)[2], 1);
            }
            int64_t index[3] = {0};
            for (index[0] = 0; rank == 3 && index[0] < 2; index[0]++)
                for (index[2] = 0; index[2] < 5; index[2]++) {
                    double x;
                    CHECK_OK(sib_tensor_get(t, index, &x, &err), err);
                    if (all_dtypes[k] == SIB_STRING) {
                        sib_str s = {NULL, 9};
                        CHECK_OK(sib_tensor_get_string(t, index, &s, &err), err);
                        assert_true(isnan(x) && s.length == 0 && s.data);
                    } else {
                        assert_true(x == (all_dtypes[k] == SIB_F8E8M0 ? 0x1p-127 : 0));
                    }
                }
            sib_tensor_free(&t);
            assert_null(t);
        }
    }
    sib_tensor_free(NULL);
}

/* Kernels of packed elements write halves of a byte: the last byte begins as zero, and nothing else does. */
TEST(only_the_last_byte_of_packed_elements_is_cleared)
{
    static const struct {
        sib_dtype dtype;
        int64_t n;
        uint8_t expected[3];
    } cases[] = {{SIB_U4, 5, {0xFF, 0xFF, 0}},
                 {SIB_I4, 3, {0xFF, 0, 0xFF}},
                 {SIB_U8, 3, {0xFF, 0xFF, 0xFF}},
                 {SIB_U4, 0, {0xFF, 0xFF, 0xFF}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t data[3] = {0xFF, 0xFF, 0xFF};
        sib_error err = SIB_ERROR_INIT;
        sib_tensor *t = NULL;
        CHECK_OK(sib_tensor_wrap(cases[i].dtype, 1, &cases[i].n, NULL, data, NULL, NULL, &t, &err), err);
        tensor_clear_tail(t);
        assert_memory_equal(data, cases[i].expected, sizeof data);
        sib_tensor_free(&t);
    }
}

TEST(refusals)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    const int64_t many[17] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    CHECK_FAILS(sib_tensor_create((sib_dtype)77, 1, many, &t, &err), SIB_ERR_ARGUMENT, err, "77");
    CHECK_FAILS(sib_tensor_create(SIB_F32, 17, many, &t, &err), SIB_ERR_ARGUMENT, err, "17");
    CHECK_FAILS(sib_tensor_create(SIB_F32, 2, (int64_t[]){3, -1}, &t, &err), SIB_ERR_ARGUMENT, err, "-1");
    CHECK_FAILS(sib_tensor_create(SIB_F32, 1, NULL, &t, &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_FAILS(sib_tensor_create(SIB_F32, 1, many, NULL, &err), SIB_ERR_ARGUMENT, err, "out");
    CHECK_FAILS(sib_tensor_create(SIB_F32, 2, (int64_t[]){INT64_MAX, 2}, &t, &err), SIB_ERR_SIZE, err,
                "9223372036854775807, 2");
    CHECK_FAILS(sib_tensor_create(SIB_F32, 3, (int64_t[]){INT64_MAX, 0, 2}, &t, &err), SIB_ERR_SIZE, err,
                "0");
    CHECK_FAILS(sib_tensor_create(SIB_F32, 1, (int64_t[]){INT64_MAX / 2}, &t, &err), SIB_ERR_SIZE, err,
                "float32");
    CHECK_FAILS(sib_tensor_create(SIB_C128, 1, (int64_t[]){INT64_MAX / 16 + 1}, &t, &err), SIB_ERR_SIZE, err,
                "complex128");
    assert_null(t);
    CHECK_OK(sib_tensor_create(SIB_F32, 16, many, &t, &err), err);
    sib_tensor_free(&t);
    CHECK_OK(sib_tensor_create(SIB_F64, 3, (int64_t[]){INT64_MAX, 0, 1}, &t, &err), err);
    assert_int_equal(sib_tensor_count(t), 0);
    assert_true(sib_tensor_is_dense(t));
    sib_tensor_free(&t);
    for (size_t k = 0; k < N_DTYPES; k++)
        CHECK_EVERY_ALLOCATION(sib_tensor_create(all_dtypes[k], 1, (int64_t[]){3}, &t, &err),
                               sib_tensor_free(&t));
}

TEST(shapes_as_text)
{
    char text[SHAPE_TEXT];
    assert_string_equal(shape_text(0, NULL, text), "()");
    assert_string_equal(shape_text(1, (int64_t[]){3}, text), "(3,)");
    assert_string_equal(shape_text(2, (int64_t[]){3, 4}, text), "(3, 4)");
    int64_t wide[16];
    for (size_t i = 0; i < 16; i++)
        wide[i] = INT64_MIN;
    assert_int_equal(strlen(shape_text(16, wide, text)), 2 + 16 * 20 + 15 * 2);
}

/* ---- Wrapped memory ------------------------------------------------------------------------------- */

static int released;

static void release(void *context)
{
    *(int *)context += 1;
}

TEST(wrapped_memory_lives_as_long_as_its_views)
{
    sib_error err = SIB_ERROR_INIT;
    float data[12];
    for (int i = 0; i < 12; i++)
        data[i] = (float)i;
    sib_tensor *t, *view, *turned;
    CHECK_OK(sib_tensor_wrap(SIB_F32, 2, (int64_t[]){3, 4}, NULL, data, release, &released, &t, &err), err);
    assert_ptr_equal(sib_tensor_data(t), data);
    CHECK_OK(sib_tensor_slice(t, -1, 3, 2, -2, &view, &err), err);
    CHECK_OK(sib_tensor_transpose(view, (int64_t[]){1, 0}, &turned, &err), err);
    sib_tensor_free(&t);
    sib_tensor_free(&view);
    assert_int_equal(released, 0);
    double x;
    CHECK_OK(sib_tensor_get(turned, (int64_t[]){1, 2}, &x, &err), err);
    assert_true(x == 9);
    CHECK_OK(sib_tensor_set(turned, (int64_t[]){0, 1}, 70, &err), err);
    assert_true(data[7] == 70);
    sib_tensor_free(&turned);
    assert_int_equal(released, 1);
}

TEST(wrapped_strides)
{
    sib_error err = SIB_ERROR_INIT;
    int16_t data[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    sib_tensor *t;
    double x;
    CHECK_OK(
        sib_tensor_wrap(SIB_I16, 2, (int64_t[]){2, 3}, (int64_t[]){-5, 2}, data + 5, NULL, NULL, &t, &err),
        err);
    assert_false(sib_tensor_is_dense(t));
    assert_int_equal(sib_tensor_strides(t)[0], -5);
    CHECK_OK(sib_tensor_get(t, (int64_t[]){1, 2}, &x, &err), err);
    assert_true(x == 4);
    sib_tensor_free(&t);
    CHECK_OK(
        sib_tensor_wrap(SIB_I16, 3, (int64_t[]){2, 1, 5}, (int64_t[]){5, 77, 1}, data, NULL, NULL, &t, &err),
        err);
    assert_true(sib_tensor_is_dense(t));
    sib_tensor_free(&t);
    released = 0;
    CHECK_FAILS(
        sib_tensor_wrap(SIB_I16, 1, (int64_t[]){2}, NULL, (char *)data + 1, release, &released, &t, &err),
        SIB_ERR_ARGUMENT, err, "aligned");
    CHECK_FAILS(sib_tensor_wrap(SIB_I16, 1, (int64_t[]){2}, NULL, NULL, NULL, NULL, &t, &err),
                SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_FAILS(sib_tensor_wrap(SIB_U4, 1, (int64_t[]){4}, (int64_t[]){2}, data, NULL, NULL, &t, &err),
                SIB_ERR_ARGUMENT, err, "dense");
    CHECK_FAILS(sib_tensor_wrap(SIB_I16, 2, (int64_t[]){3, 3}, (int64_t[]){INT64_MAX / 4, 1}, data, NULL,
                                NULL, &t, &err),
                SIB_ERR_SIZE, err, "address space");
    CHECK_FAILS(
        sib_tensor_wrap(SIB_I16, 1, (int64_t[]){2}, (int64_t[]){INT64_MIN}, data, NULL, NULL, &t, &err),
        SIB_ERR_SIZE, err, "address space");
    assert_null(t);
    assert_int_equal(released, 0);
    CHECK_OK(sib_tensor_wrap(SIB_I16, 1, (int64_t[]){0}, NULL, NULL, release, &released, &t, &err), err);
    sib_tensor_free(&t);
    assert_int_equal(released, 1);
    CHECK_EVERY_ALLOCATION(
        sib_tensor_wrap(SIB_I16, 1, (int64_t[]){5}, NULL, data, release, &released, &t, &err),
        sib_tensor_free(&t));
    assert_int_equal(released, check_quick() ? 2 : 3); /* it succeeds twice */
}

/* ---- Elements ------------------------------------------------------------------------------------- */

TEST(elements_of_every_type)
{
    sib_error err = SIB_ERROR_INIT;
    for (size_t k = 0; k < N_DTYPES; k++) {
        sib_dtype d = all_dtypes[k];
        bool has_sign = sib_dtype_get_kind(d) == SIB_KIND_INT || sib_dtype_get_kind(d) == SIB_KIND_COMPLEX ||
                        (sib_dtype_get_kind(d) == SIB_KIND_FLOAT && d != SIB_F8E8M0);
        sib_tensor *t;
        if (d == SIB_STRING)
            continue;
        CHECK_OK(sib_tensor_create(d, 2, (int64_t[]){3, 3}, &t, &err), err);
        for (int64_t i = 0; i < 9; i++)
            CHECK_OK(sib_tensor_set(t, (int64_t[]){i / 3, i % 3}, i % 2 ? 1 : has_sign ? -1 : 0, &err), err);
        for (int64_t i = 0; i < 9; i++) {
            double x, want = i % 2 ? 1 : has_sign ? -1 : d == SIB_F8E8M0 ? 0x1p-127 : 0;
            CHECK_OK(sib_tensor_get(t, (int64_t[]){i / 3, i % 3}, &x, &err), err);
            if (!(x == want))
                fail_msg("%s: %g, expected %g", sib_dtype_name(d), x, want);
        }
        sib_tensor_free(&t);
    }
}

TEST(elements_round_and_saturate)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    double x;
    static const struct {
        sib_dtype dtype;
        double in, out;
    } rows[] = {{SIB_U8, 300, 255},        {SIB_I4, -100, -8},       {SIB_U2, 2.9, 2},
                {SIB_I32, NAN, 0},         {SIB_F8E4M3FN, 1e9, 448}, {SIB_F16, 1e9, INFINITY},
                {SIB_F4E2M1, INFINITY, 6}, {SIB_BOOL, NAN, 1},       {SIB_C64, 0.1, (double)0.1f},
                {SIB_I64, 1e30, 0x1p63},   {SIB_U64, 1e30, 0x1p64},  {SIB_BF16, 1.001, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_OK(sib_tensor_create(rows[i].dtype, 0, NULL, &t, &err), err);
        CHECK_OK(sib_tensor_set(t, NULL, rows[i].in, &err), err);
        CHECK_OK(sib_tensor_get(t, NULL, &x, &err), err);
        if (!(x == rows[i].out))
            fail_msg("%s: %g became %g, expected %g", sib_dtype_name(rows[i].dtype), rows[i].in, x,
                     rows[i].out);
        sib_tensor_free(&t);
    }
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){2, 3}, &t, &err), err);
    CHECK_FAILS(sib_tensor_get(t, (int64_t[]){2, 0}, &x, &err), SIB_ERR_ARGUMENT, err, "axis 0");
    CHECK_FAILS(sib_tensor_set(t, (int64_t[]){0, -1}, 1, &err), SIB_ERR_ARGUMENT, err, "-1");
    CHECK_FAILS(sib_tensor_get(t, NULL, &x, &err), SIB_ERR_ARGUMENT, err, "index");
    CHECK_FAILS(sib_tensor_get(t, (int64_t[]){0, 0}, NULL, &err), SIB_ERR_ARGUMENT, err, "out");
    sib_tensor_free(&t);
}

TEST(strings_are_copied)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *view, *copy, *numbers;
    char text[] = "one\0two";
    sib_str s;
    CHECK_OK(sib_tensor_create(SIB_STRING, 2, (int64_t[]){2, 2}, &t, &err), err);
    CHECK_OK(sib_tensor_set_string(t, (int64_t[]){1, 0}, (sib_str){text, 7}, &err), err);
    memset(text, 'x', 7);
    CHECK_OK(sib_tensor_get_string(t, (int64_t[]){1, 0}, &s, &err), err);
    assert_int_equal(s.length, 7);
    assert_memory_equal(s.data, "one\0two", 7);
    CHECK_OK(sib_tensor_set_string(t, (int64_t[]){1, 0}, s, &err), err); /* copied by the tensor */
    CHECK_OK(sib_tensor_copy(t, &copy, &err), err);
    CHECK_OK(sib_tensor_transpose(t, (int64_t[]){1, 0}, &view, &err), err);
    sib_tensor_free(&t);
    CHECK_OK(sib_tensor_set_string(view, (int64_t[]){0, 1}, (sib_str){NULL, 0}, &err), err);
    CHECK_OK(sib_tensor_set_string(view, (int64_t[]){1, 1}, (sib_str){"end", 3}, &err), err);
    CHECK_OK(sib_tensor_get_string(view, (int64_t[]){0, 1}, &s, &err), err);
    assert_int_equal(s.length, 0);
    CHECK_OK(sib_tensor_get_string(copy, (int64_t[]){1, 0}, &s, &err), err);
    assert_int_equal(s.length, 7);
    CHECK_FAILS(sib_tensor_set_string(view, (int64_t[]){0, 0}, (sib_str){NULL, 3}, &err), SIB_ERR_ARGUMENT,
                err, "NULL");
    CHECK_FAILS(sib_tensor_get_string(view, (int64_t[]){0, 2}, &s, &err), SIB_ERR_ARGUMENT, err, "axis 1");
    CHECK_EVERY_ALLOCATION(sib_tensor_copy(view, &t, &err), sib_tensor_free(&t));
    mem_fail_after(0);
    sib_code code = sib_tensor_set_string(view, (int64_t[]){1, 1}, (sib_str){"more", 4}, NULL);
    mem_fail_never();
    assert_int_equal(code, SIB_ERR_MEMORY);
    CHECK_OK(sib_tensor_get_string(view, (int64_t[]){1, 1}, &s, &err), err);
    assert_memory_equal(s.data, "end", 3);
    sib_tensor_free(&view), sib_tensor_free(&copy);
    CHECK_OK(sib_tensor_create(SIB_F32, 0, NULL, &numbers, &err), err);
    CHECK_FAILS(sib_tensor_get_string(numbers, NULL, &s, &err), SIB_ERR_ARGUMENT, err, "float32");
    CHECK_FAILS(sib_tensor_set_string(numbers, NULL, (sib_str){"x", 1}, &err), SIB_ERR_ARGUMENT, err,
                "float32");
    sib_tensor_free(&numbers);
    sib_str own[] = {{"ab", 2}, {"c", 1}};
    CHECK_OK(sib_tensor_wrap(SIB_STRING, 1, (int64_t[]){2}, NULL, own, NULL, NULL, &t, &err), err);
    CHECK_OK(sib_tensor_get_string(t, (int64_t[]){1}, &s, &err), err);
    assert_ptr_equal(s.data, own[1].data);
    CHECK_FAILS(sib_tensor_set_string(t, (int64_t[]){1}, s, &err), SIB_ERR_UNSUPPORTED, err, "wrapped");
    sib_tensor_free(&t);
}

#define MANY 65536 /* floats: several entire pages */

typedef struct waiting {
    const float *source; /* (MANY) */
    float *place;        /* (MANY) */
} waiting;

static void bring(void *context)
{
    const waiting *w = context;
    memcpy(w->place, w->source, MANY * sizeof *w->place);
}

/* Elements that were fetched stay valid when the pages of their source are dropped. */
TEST(brought_elements_stay)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    float *source = malloc(MANY * sizeof *source),
          *place =
              mmap(NULL, MANY * sizeof *place, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FILE *file = tmpfile();
    assert_true(source && place != MAP_FAILED && file);
    for (size_t i = 0; i < MANY; i++)
        source[i] = (float)i + 1;
    assert_int_equal(fwrite(source, sizeof *source, MANY, file), MANY);
    assert_int_equal(fflush(file), 0);
    const float *mapped = mmap(NULL, MANY * sizeof *mapped, PROT_READ, MAP_PRIVATE, fileno(file), 0);
    assert_true(mapped != MAP_FAILED);
    waiting w = {mapped, place};
    CHECK_OK(tensor_wrap_waiting(SIB_F32, 1, (int64_t[]){MANY}, place, bring, NULL, &w, &t, &err), err);
    t->storage->source = mapped;
    t->storage->file_pages = true;
    tensor_leave_pages(t);
    assert_memory_equal(sib_tensor_data(t), source, MANY * sizeof *source);
    tensor_leave_pages(t);
    assert_memory_equal(sib_tensor_data(t), source, MANY * sizeof *source);
    assert_memory_equal(mapped, source, MANY * sizeof *source);
    sib_tensor_free(&t);
    munmap(place, MANY * sizeof *place);
    munmap((void *)mapped, MANY * sizeof *mapped);
    fclose(file);
    free(source);
}

typedef struct reading {
    const float *wanted;
    size_t row, block, multiple, next;
} reading;

static void check_rows(void *context, const void *elements, size_t first, size_t n)
{
    reading *r = context;
    assert_int_equal(first, r->next);
    assert_true(n > 0 && (n % r->multiple == 0 || (first + n) % r->block == 0));
    assert_int_equal(first / r->block, (first + n - 1) / r->block);
    assert_int_equal((uintptr_t)elements % _Alignof(float), 0);
    assert_memory_equal(elements, r->wanted + first * r->row, n * r->row * sizeof(float));
    r->next += n;
}

/* Unaligned elements of a file are loaded on first use, even if the process may map no more memory then. */
TEST(loading_needs_no_new_memory)
{
#if defined(SIBYL_ASSERTIONS)
    CHECK_SKIP("a build without assertions, which protect the memory until it is filled");
#endif
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    mapping *file = NULL;
    float wanted[64];
    uint8_t shifted[sizeof wanted + 1] = {0};
    for (size_t i = 0; i < 64; i++)
        wanted[i] = (float)i + 1;
    memcpy(shifted + 1, wanted, sizeof wanted);
    CHECK_OK(mapping_copy((byte_span){shifted, sizeof shifted}, &file, &err), err);
    byte_span elements = {file->bytes.data + 1, sizeof wanted};
    CHECK_OK(tensor_wrap_shifted(SIB_F32, 1, (int64_t[]){64}, file, elements, &t, &err), err);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
    /* 1: Linux takes a limit of 0 for none */
    assert_int_equal(setrlimit(RLIMIT_DATA, &(struct rlimit){1, before.rlim_max}), 0);
    const float *loaded = sib_tensor_data(t);
    assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
    assert_memory_equal(loaded, wanted, sizeof wanted);
    sib_tensor_free(&t);
    mapping_release(file);
}

/* Parts of t (n) are copied from where they stand. */
static void check_parts_unloaded(const sib_tensor *t, const float *wanted)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *view = NULL, *copy = NULL;
    int64_t n = (int64_t)sib_tensor_count(t), count = n < 12 ? n / 4 : 3;
    CHECK_OK(sib_tensor_slice(t, 0, n / 2, count, 2, &view, &err), err);
    CHECK_OK(sib_tensor_copy(view, &copy, &err), err);
    assert_true(!count || !memcmp(sib_tensor_bytes(view), &wanted[n / 2], sizeof *wanted));
    for (int64_t i = 0; i < count; i++)
        assert_true(((const float *)sib_tensor_data(copy))[i] == wanted[n / 2 + 2 * i]);
    sib_tensor_free(&copy);
    sib_tensor_free(&view);
}

/* Rows are read once, in order and aligned, and do not fetch the elements. */
TEST(rows_are_read_where_they_stand)
{
    /* elements of a row, rows of a block, multiple of rows read at once; elements of the tensor */
    static const size_t forms[][4] = {{96, 100, 7, 960000},   {96, 10000, 1, 960000}, {1, 960000, 32, 960000},
                                      {960000, 1, 1, 960000}, {3, 7, 2, 21},          {0, 4, 1, 0}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (size_t shift = 0; shift < 2; shift++) {
            sib_error err = SIB_ERROR_INIT;
            sib_tensor *t = NULL;
            size_t n = forms[i][3];
            FILE *file = tmpfile();
            float *wanted = malloc((n + 1) * sizeof *wanted);
            assert_true(file && wanted);
            for (size_t k = 0; k < n; k++)
                wanted[k] = (float)k + 1;
            assert_int_equal(fwrite("abcd", 1, shift ? 1 : 4, file), shift ? 1 : 4);
            assert_int_equal(fwrite(wanted, sizeof *wanted, n, file), n);
            assert_int_equal(fflush(file), 0);
            char *mapped = mmap(NULL, n * sizeof *wanted + 4, PROT_READ, MAP_PRIVATE, fileno(file), 0);
            assert_true(mapped != MAP_FAILED);
            waiting w = {NULL, NULL}; /* must not be fetched */
            CHECK_OK(
                tensor_wrap_waiting(SIB_F32, 1, (int64_t[]){(int64_t)n}, wanted, bring, NULL, &w, &t, &err),
                err);
            t->storage->source = mapped + (shift ? 1 : 4);
            t->storage->file_pages = true;
            assert_ptr_equal(tensor_address(t), t->storage->source);
            reading r = {wanted, forms[i][0], forms[i][1], forms[i][2], 0};
            assert_true(tensor_read_rows(t, r.row, r.block, r.multiple, check_rows, &r));
            assert_int_equal(r.next * r.row, n);
            if (shift && n) {
                mem_fail_after(0);
                bool read = tensor_read_rows(t, r.row, r.block, r.multiple, check_rows, &r);
                mem_fail_never();
                assert_false(read);
            }
            check_parts_unloaded(t, wanted);
            assert_true(atomic_load(&t->storage->waits));
            float *copy = malloc((n + 1) * sizeof *copy);
            assert_non_null(copy);
            tensor_copy_pages(copy, mapped + (shift ? 1 : 4), n * sizeof *copy);
            assert_memory_equal(copy, wanted, n * sizeof *copy);
            sib_tensor_free(&t);
            munmap(mapped, n * sizeof *wanted + 4);
            fclose(file);
            free(wanted), free(copy);
        }
}
