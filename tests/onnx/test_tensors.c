/* Initializers of every element type in every encoding that a file may use. */
#include "bytes.h"
#include "onnx/onnx.h"
#include "tensor/dtype.h"

/* The typed field of the elements, the items of it that 6 elements take, and the bytes of these elements for
   items 1, 2, 3, ... */
typedef struct row {
    sib_dtype dtype;
    unsigned field;
    int n_items;
    int item_bytes;
} row;

static const row rows[] = {
    {SIB_F32, TENSOR_FLOAT_DATA, 6, 4},      {SIB_U8, TENSOR_INT32_DATA, 6, 1},
    {SIB_I8, TENSOR_INT32_DATA, 6, 1},       {SIB_U16, TENSOR_INT32_DATA, 6, 2},
    {SIB_I16, TENSOR_INT32_DATA, 6, 2},      {SIB_I32, TENSOR_INT32_DATA, 6, 4},
    {SIB_I64, TENSOR_INT64_DATA, 6, 8},      {SIB_F16, TENSOR_INT32_DATA, 6, 2},
    {SIB_F64, TENSOR_DOUBLE_DATA, 6, 8},     {SIB_U32, TENSOR_UINT64_DATA, 6, 4},
    {SIB_U64, TENSOR_UINT64_DATA, 6, 8},     {SIB_C64, TENSOR_FLOAT_DATA, 12, 4},
    {SIB_C128, TENSOR_DOUBLE_DATA, 12, 8},   {SIB_BF16, TENSOR_INT32_DATA, 6, 2},
    {SIB_F8E4M3FN, TENSOR_INT32_DATA, 6, 1}, {SIB_F8E4M3FNUZ, TENSOR_INT32_DATA, 6, 1},
    {SIB_F8E5M2, TENSOR_INT32_DATA, 6, 1},   {SIB_F8E5M2FNUZ, TENSOR_INT32_DATA, 6, 1},
    {SIB_F8E8M0, TENSOR_INT32_DATA, 6, 1},   {SIB_U4, TENSOR_INT32_DATA, 3, 1},
    {SIB_I4, TENSOR_INT32_DATA, 3, 1},       {SIB_F4E2M1, TENSOR_INT32_DATA, 3, 1},
    {SIB_U2, TENSOR_INT32_DATA, 2, 1},       {SIB_I2, TENSOR_INT32_DATA, 2, 1},
};

static bool is_float_field(unsigned field)
{
    return field == TENSOR_FLOAT_DATA || field == TENSOR_DOUBLE_DATA;
}

static void put_item(bytes *b, const row *r, int i, bool tagged)
{
    float f = (float)i + 0.25f;
    double d = i + 0.25;
    int64_t n = r->field == TENSOR_INT32_DATA && r->item_bytes > 1 ? -i : i * 3;
    if (r->field == TENSOR_FLOAT_DATA && tagged)
        b_float(b, r->field, f);
    else if (r->field == TENSOR_FLOAT_DATA)
        b_append(b, &f, 4);
    else if (r->field == TENSOR_DOUBLE_DATA && tagged)
        b_double(b, r->field, d);
    else if (r->field == TENSOR_DOUBLE_DATA)
        b_append(b, &d, 8);
    else if (tagged)
        b_int(b, r->field, n);
    else
        b_varint(b, (uint64_t)n);
}

/* The same as in memory. */
static void put_memory(bytes *b, const row *r, int i)
{
    int64_t n = r->field == TENSOR_INT32_DATA && r->item_bytes > 1 ? -i : i * 3;
    if (is_float_field(r->field))
        put_item(b, r, i, false);
    else
        b_append(b, &n, (size_t)r->item_bytes);
}

static bytes head(int dtype, const char *name)
{
    bytes b = {0};
    b_raw(&b, TENSOR_DIMS, "\x02\x03", 2); /* packed dims are accepted too */
    b_int(&b, TENSOR_DATA_TYPE, dtype);
    b_str(&b, TENSOR_NAME, name);
    return b;
}

static onnx_model *read_one(bytes tensor)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    bytes g = {0};
    b_message(&g, GRAPH_INITIALIZER, tensor);
    bytes file = b_model(8, g);
    CHECK_OK(onnx_read_bytes(file.data, file.n, NULL, &m, &err), err);
    b_free(&file);
    assert_int_equal(m->graph->n_values, 1);
    return m;
}

static void check_refused(bytes tensor, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    bytes g = {0};
    b_message(&g, GRAPH_INITIALIZER, tensor);
    bytes file = b_model(8, g);
    CHECK_FAILS(onnx_read_bytes(file.data, file.n, NULL, &m, &err), code, err, words);
    assert_null(m);
    b_free(&file);
}

static void check_elements(bytes tensor, const row *r)
{
    bytes expected = {0};
    onnx_model *m = read_one(tensor);
    const sib_tensor *t = m->graph->values[0].constant;
    for (int i = 0; i < r->n_items; i++)
        put_memory(&expected, r, i + 1);
    assert_int_equal(sib_tensor_dtype(t), r->dtype);
    assert_int_equal(sib_tensor_rank(t), 2);
    assert_int_equal(sib_tensor_dims(t)[1], 3);
    assert_int_equal(m->parameters, 6);
    assert_true(m->graph->values[0].from_file);
    assert_int_equal(m->graph->values[0].type.dtype, r->dtype);
    assert_memory_equal(sib_tensor_data(t), expected.data, expected.n);
    b_free(&expected);
    onnx_free(&m);
}

TEST(test_every_type)
{
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const row *r = &rows[k];
        bytes packed = head(r->dtype, "w"), inside = {0}, single = head(r->dtype, "w"),
              parts = head(r->dtype, "w");
        bytes raw = head(r->dtype, "w"), memory = {0};
        for (int i = 0; i < r->n_items; i++) {
            bytes part = {0};
            put_item(&inside, r, i + 1, false);
            put_item(&single, r, i + 1, true);
            put_item(&part, r, i + 1, false);
            b_message(&parts, r->field, part);
            put_memory(&memory, r, i + 1);
        }
        b_message(&packed, r->field, inside);
        b_message(&raw, TENSOR_RAW_DATA, memory);
        check_elements(packed, r);
        check_elements(single, r);
        check_elements(parts, r);
        check_elements(raw, r);
    }
}

/* raw_data at each alignment in a file: in place or copied, the elements are the same. */
TEST(test_alignment)
{
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        for (int pad = 0; pad < 17; pad++) {
            bytes b = head(rows[k].dtype, "w"), memory = {0};
            b_raw(&b, TENSOR_DOC, "01234567890123456789", (size_t)pad);
            for (int i = 0; i < rows[k].n_items; i++)
                put_memory(&memory, &rows[k], i + 1);
            b_message(&b, TENSOR_RAW_DATA, memory);
            check_elements(b, &rows[k]);
        }
}

TEST(test_bools)
{
    bytes raw = head(SIB_BOOL, "w"), typed = head(SIB_BOOL, "w");
    b_raw(&raw, TENSOR_RAW_DATA, "\0\1\2\xFF\0\1", 6);
    b_raw(&typed, TENSOR_INT32_DATA, "\0\1\2\x7F\0\1", 6);
    bytes both[] = {raw, typed};
    for (int i = 0; i < 2; i++) {
        onnx_model *m = read_one(both[i]);
        assert_memory_equal(sib_tensor_data(m->graph->values[0].constant), "\0\1\1\1\0\1", 6);
        onnx_free(&m);
    }
}

TEST(test_strings)
{
    bytes b = head(SIB_STRING, "w");
    for (int i = 0; i < 6; i++)
        b_raw(&b, TENSOR_STRING_DATA, "abcdef\0h", (size_t)i + 2);
    onnx_model *m = read_one(b);
    const sib_str *s = sib_tensor_data(m->graph->values[0].constant);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(s[i].length, i + 2);
        assert_memory_equal(s[i].data, "abcdef\0h", i + 2);
    }
    onnx_free(&m);
}

TEST(test_scalars_and_empty)
{
    bytes scalar = {0}, empty = {0};
    b_int(&scalar, TENSOR_DATA_TYPE, SIB_I64);
    b_str(&scalar, TENSOR_NAME, "s");
    b_int(&scalar, TENSOR_INT64_DATA, -9);
    onnx_model *m = read_one(scalar);
    assert_int_equal(sib_tensor_rank(m->graph->values[0].constant), 0);
    assert_int_equal(*(int64_t *)sib_tensor_data(m->graph->values[0].constant), -9);
    onnx_free(&m);
    b_int(&empty, TENSOR_DIMS, 0);
    b_int(&empty, TENSOR_DIMS, 7);
    b_int(&empty, TENSOR_DATA_TYPE, SIB_F32);
    b_str(&empty, TENSOR_NAME, "e");
    m = read_one(empty);
    assert_int_equal(sib_tensor_count(m->graph->values[0].constant), 0);
    onnx_free(&m);
    /* Writers that always set raw_data leave it empty next to a typed field. */
    bytes both = head(SIB_F32, "b");
    b_raw(&both, TENSOR_RAW_DATA, "", 0);
    b_raw(&both, TENSOR_FLOAT_DATA, (float[]){1, 2, 3, 4, 5, 6}, 24);
    m = read_one(both);
    assert_int_equal(sib_tensor_count(m->graph->values[0].constant), 6);
    onnx_free(&m);
}

TEST(test_refusals)
{
    bytes b = head(SIB_F32, "w");
    b_raw(&b, TENSOR_RAW_DATA, "12345678", 8);
    check_refused(b, SIB_ERR_FORMAT, "raw_data has 8, expected 24");
    b = head(SIB_F32, "w");
    check_refused(b, SIB_ERR_FORMAT, "'w'");
    b = head(SIB_F32, "w");
    b_raw(&b, TENSOR_FLOAT_DATA, "12345", 5);
    check_refused(b, SIB_ERR_FORMAT, "cut off");
    b = head(SIB_I64, "w");
    b_raw(&b, TENSOR_INT64_DATA, "\x80", 1);
    check_refused(b, SIB_ERR_FORMAT, "cut off");
    check_refused(head(0, "w"), SIB_ERR_UNSUPPORTED, "element type 0");
    check_refused(head(27, "w"), SIB_ERR_UNSUPPORTED, "element type 27");
    b = head(SIB_STRING, "w");
    b_raw(&b, TENSOR_RAW_DATA, "123456", 6);
    check_refused(b, SIB_ERR_FORMAT, "string_data");
    b = head(SIB_F32, "w");
    b_int(&b, TENSOR_DIMS, -1);
    check_refused(b, SIB_ERR_FORMAT, "-1");
    b = head(SIB_F32, "w");
    b_int(&b, TENSOR_DIMS, INT64_MAX);
    check_refused(b, SIB_ERR_SIZE, "'w'");
    b = head(SIB_F32, "w");
    for (int i = 0; i < 20; i++)
        b_int(&b, TENSOR_DIMS, 1);
    check_refused(b, SIB_ERR_UNSUPPORTED, "more than 16 dims");
    b = head(SIB_F32, "w");
    b_message(&b, TENSOR_SEGMENT, (bytes){0});
    check_refused(b, SIB_ERR_UNSUPPORTED, "segments");
    b = head(SIB_F32, "w");
    b_int(&b, TENSOR_LOCATION, 1);
    b_message(&b, TENSOR_EXTERNAL, b_pair("location", "w.bin"));
    check_refused(b, SIB_ERR_FORMAT, "no folder");
}

/* ---- Sparse ----------------------------------------------------------------------------------------- */

static bytes sparse(int rank_of_indices, const int64_t *indices, size_t n)
{
    bytes b = {0}, at = {0};
    b_message(&b, SPARSE_VALUES, b_floats("s", n, (float[]){5, 6, 7}));
    b_int(&at, TENSOR_DIMS, (int64_t)n);
    if (rank_of_indices == 2)
        b_int(&at, TENSOR_DIMS, 2);
    b_int(&at, TENSOR_DATA_TYPE, SIB_I64);
    b_raw(&at, TENSOR_RAW_DATA, indices, n * (size_t)rank_of_indices * 8);
    b_message(&b, SPARSE_INDICES, at);
    b_int(&b, SPARSE_DIMS, 2);
    b_int(&b, SPARSE_DIMS, 3);
    return b;
}

static void read_sparse(bytes b, sib_code expected, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *m;
    bytes g = {0};
    b_message(&g, GRAPH_SPARSE, b);
    bytes file = b_model(8, g);
    if (expected == SIB_OK) {
        CHECK_OK(onnx_read_bytes(file.data, file.n, NULL, &m, &err), err);
        const float *x = sib_tensor_data(m->graph->values[0].constant);
        const float dense[6] = {0, 5, 0, 6, 0, 7};
        assert_memory_equal(x, dense, sizeof dense);
        assert_string_equal(m->graph->values[0].name.data, "s");
        onnx_free(&m);
    } else {
        CHECK_FAILS(onnx_read_bytes(file.data, file.n, NULL, &m, &err), expected, err, words);
    }
    b_free(&file);
}

TEST(test_sparse)
{
    read_sparse(sparse(1, (int64_t[]){1, 3, 5}, 3), SIB_OK, NULL);
    read_sparse(sparse(2, (int64_t[]){0, 1, 1, 0, 1, 2}, 3), SIB_OK, NULL);
    read_sparse(sparse(1, (int64_t[]){1, 3, 6}, 3), SIB_ERR_FORMAT, "out of range");
    read_sparse(sparse(1, (int64_t[]){1, 3, -1}, 3), SIB_ERR_FORMAT, "out of range");
    read_sparse(sparse(2, (int64_t[]){0, 1, 2, 0, 1, 2}, 3), SIB_ERR_FORMAT, "out of range");
    bytes huge = sparse(1, (int64_t[]){1, 3, 5}, 3);
    b_int(&huge, SPARSE_DIMS, INT64_C(1) << 40);
    read_sparse(huge, SIB_ERR_SIZE, "limit");
}
