/* Values in separate files: written, read back, and read from the official data. */
#include "bytes.h"
#include "onnx/onnx.h"

#include <unistd.h>

static char path[] = "/tmp/sibyl-value-XXXXXX";

static int set_up(void)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int tear_down(void)
{
    return remove(path);
}

static value_type wrap(type_kind kind)
{
    value_type t = {.depth = 1, .leaf = TYPE_TENSOR};
    t.wrap[0] = (uint8_t)kind;
    return t;
}

static sib_value *tensor_value(sib_dtype dtype, int64_t n, double first)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    sib_value *v;
    CHECK_OK(sib_tensor_create(dtype, 1, &n, &t, &err), err);
    for (int64_t i = 0; i < n; i++) {
        char text[20];
        snprintf(text, sizeof text, "s%d", (int)i);
        if (dtype == SIB_STRING)
            CHECK_OK(sib_tensor_set_string(t, &i, (sib_str){text, strlen(text)}, &err), err);
        else
            CHECK_OK(sib_tensor_set(t, &i, first + (double)i, &err), err);
    }
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return v;
}

static void check_same(const sib_value *a, const sib_value *b)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tolerance exact = {0};
    sib_comparison c;
    assert_int_equal(sib_value_get_kind(a), sib_value_get_kind(b));
    assert_int_equal(sib_value_count(a), sib_value_count(b));
    const sib_tensor *x[] = {sib_value_tensor(a), sib_value_keys(a), sib_value_values(a)};
    const sib_tensor *y[] = {sib_value_tensor(b), sib_value_keys(b), sib_value_values(b)};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(x[i] == NULL, y[i] == NULL);
        if (!x[i])
            continue;
        CHECK_OK(sib_tensor_compare(x[i], y[i], &exact, &c, &err), err);
        assert_true(c.equal);
    }
    for (size_t i = 0; i < sib_value_count(a); i++)
        check_same(sib_value_item(a, i), sib_value_item(b, i));
}

/* Writes v, reads it as type, and frees v. */
static void check_round(sib_value *v, const value_type *type)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *again;
    char *name;
    CHECK_OK(onnx_write_value(path, v, "its name", &err), err);
    CHECK_OK(onnx_read_value(path, type, &again, &name, &err), err);
    assert_string_equal(name, "its name");
    check_same(v, again);
    sib_free(name);
    sib_value_free(&v);
    sib_value_free(&again);
}

TEST(test_tensors)
{
    for (int dtype = SIB_F32; dtype <= SIB_I2; dtype++)
        for (int64_t n = 0; n < 6; n++)
            check_round(tensor_value((sib_dtype)dtype, n, 0), NULL);
}

/* A view whose elements are not contiguous. */
TEST(test_strided)
{
    sib_error err = SIB_ERROR_INIT;
    for (int strings = 0; strings < 2; strings++) {
        sib_value *whole = tensor_value(strings ? SIB_STRING : SIB_F64, 9, 1), *v;
        sib_tensor *odd;
        CHECK_OK(sib_tensor_slice(sib_value_tensor(whole), 0, 1, 4, 2, &odd, &err), err);
        CHECK_OK(sib_value_from_tensor(odd, &v, &err), err);
        check_round(v, NULL);
        sib_tensor_free(&odd);
        sib_value_free(&whole);
    }
}

static sib_value *sequence(int n, sib_dtype dtype)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *items[4] = {0}, *v;
    for (int i = 0; i < n; i++)
        items[i] = tensor_value(dtype, i + 1, i);
    CHECK_OK(sib_value_sequence((size_t)n, (const sib_value *const *)items, &v, &err), err);
    for (int i = 0; i < n; i++)
        sib_value_free(&items[i]);
    return v;
}

TEST(test_sequences_and_optionals)
{
    sib_error err = SIB_ERROR_INIT;
    value_type of_sequence = wrap(TYPE_SEQUENCE), of_optional = wrap(TYPE_OPTIONAL);
    sib_value *v, *inner[2];
    for (int n = 0; n < 4; n++)
        check_round(sequence(n, n % 2 ? SIB_F32 : SIB_STRING), &of_sequence);
    inner[0] = sequence(2, SIB_I64);
    inner[1] = sequence(0, SIB_I64);
    CHECK_OK(sib_value_sequence(2, (const sib_value *const *)inner, &v, &err), err);
    check_round(v, &of_sequence);
    CHECK_OK(sib_value_optional(inner[0], &v, &err), err);
    check_round(v, &of_optional);
    CHECK_OK(sib_value_optional(NULL, &v, &err), err);
    check_round(v, &of_optional);
    sib_value_free(&inner[0]);
    sib_value_free(&inner[1]);
}

TEST(test_maps)
{
    sib_error err = SIB_ERROR_INIT;
    value_type type = wrap(TYPE_MAP);
    static const sib_dtype keys[] = {SIB_I64, SIB_STRING, SIB_I8, SIB_U32},
                           values[] = {SIB_F32, SIB_STRING, SIB_I64};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 3; k++)
            for (int n = 0; n < 3; n += 2) {
                sib_value *key = tensor_value(keys[i], n, 3),
                          *item = tensor_value(n ? values[k] : SIB_F32, n, 1), *v;
                CHECK_OK(sib_value_map(sib_value_tensor(key), sib_value_tensor(item), &v, &err), err);
                sib_value_free(&key);
                sib_value_free(&item);
                check_round(v, &type);
            }
}

static void write_bytes(bytes b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.n, f), b.n);
    fclose(f);
    b_free(&b);
}

static bytes nested(int depth)
{
    bytes b = {0};
    if (depth)
        b_message(&b, SEQUENCE_SEQUENCES, nested(depth - 1));
    return b;
}

TEST(test_refusals)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v;
    value_type type = wrap(TYPE_MAP), optional = wrap(TYPE_OPTIONAL), of_sequence = wrap(TYPE_SEQUENCE);
    bytes map = {0}, values = {0}, odd = {0};
    b_int(&map, MAP_KEY_TYPE, SIB_I64);
    b_int(&map, MAP_KEYS, 1);
    b_int(&map, MAP_KEYS, 2);
    b_message(&values, SEQUENCE_TENSORS, b_floats("", 1, (float[]){1}));
    b_message(&map, MAP_VALUES, values);
    write_bytes(map);
    CHECK_FAILS(onnx_read_value(path, &type, &v, NULL, &err), SIB_ERR_FORMAT, err, "2 keys and 1 values");
    map = (bytes){0};
    b_int(&map, MAP_KEY_TYPE, SIB_F32);
    write_bytes(map);
    CHECK_FAILS(onnx_read_value(path, &type, &v, NULL, &err), SIB_ERR_FORMAT, err, "type 1");
    b_int(&odd, OPTIONAL_ELEM, PROTO_ELEM_SEQUENCE);
    b_message(&odd, OPTIONAL_TENSOR, b_floats("", 1, (float[]){1}));
    write_bytes(odd);
    CHECK_FAILS(onnx_read_value(path, &optional, &v, NULL, &err), SIB_ERR_FORMAT, err, "element type 3");
    write_bytes(nested(40));
    CHECK_FAILS(onnx_read_value(path, &of_sequence, &v, NULL, &err), SIB_ERR_SIZE, err, "deeper than 16");
    CHECK_FAILS(onnx_read_value("/none", NULL, &v, NULL, &err), SIB_ERR_IO, err, "/none");
}

TEST_FIXTURE(set_up, tear_down)
