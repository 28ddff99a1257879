/* Maps: makes them of rows and splits them again. */
#include "backend/ref/kernel.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static sib_code map_in(const ref_call *c, const sib_tensor **keys, const sib_tensor **values)
{
    const sib_value *v = ref_value(c, 0);
    *keys = v ? sib_value_keys(v) : NULL;
    *values = v ? sib_value_values(v) : NULL;
    return *keys && *values ? SIB_OK : ref_fail(c, SIB_ERR_VALUE, "input 0 is not a map");
}

/* A dense copy. Freed by the caller. */
static sib_code dense_of(const sib_tensor *t, sib_tensor **out, sib_error *err)
{
    return t->dense ? tensor_view(t, t->rank, out, err) : sib_tensor_copy(t, out, err);
}

/* Copies element `from` of a tensor to element `to` of another of the same dtype. */
static sib_code move_one(sib_tensor *out, size_t to, const sib_tensor *in, size_t from, sib_error *err)
{
    size_t width = dtype_stride(in->dtype);
    if (in->dtype == SIB_STRING)
        return tensor_put_string((sib_str *)out->data + to, ((const sib_str *)in->data)[from], err);
    memcpy(out->data + to * width, in->data + from * width, width);
    return SIB_OK;
}

/* ---- Making maps -------------------------------------------------------------------------------------- */

/* Makes a map of row r of b [n, k]. */
static sib_code row_map(const sib_tensor *keys, const sib_tensor *b, int64_t r, sib_value **out,
                        sib_error *err)
{
    sib_tensor *view = NULL, *row = NULL, *flat = NULL;
    sib_code code = sib_tensor_slice(b, 0, r, 1, 1, &view, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(view, &row, err);
    if (code == SIB_OK)
        code = sib_tensor_reshape(row, 1, &b->dims[1], &flat, err);
    if (code == SIB_OK)
        code = sib_value_map(keys, flat, out, err);
    sib_tensor_free(&view);
    sib_tensor_free(&row);
    sib_tensor_free(&flat);
    return code;
}

sib_code ref_map_make(const ref_call *c)
{
    const sib_tensor *keys = ref_in(c, 0), *b = ref_in(c, 1);
    sib_value *made = NULL;
    if (keys->rank != 1 || b->rank != 2 || keys->dims[0] != b->dims[1])
        return ref_fail(c, SIB_ERR_VALUE, "%" PRIu64 " keys for rows of %lld values", keys->count,
                        b->rank == 2 ? (long long)b->dims[1] : -1);
    sib_code code = value_room(SIB_VALUE_SEQUENCE, (size_t)b->dims[0], &made, c->err);
    for (int64_t r = 0; r < b->dims[0] && code == SIB_OK; r++) {
        sib_value *map = NULL;
        code = row_map(keys, b, r, &map, c->err);
        if (code == SIB_OK)
            value_put(made, (size_t)r, map);
    }
    if (code == SIB_OK)
        return ref_give(c, 0, made);
    sib_value_free(&made);
    return code;
}

/* ---- Splitting maps ----------------------------------------------------------------------------------- */

static bool same_key(const sib_tensor *a, size_t i, const sib_tensor *b, size_t k)
{
    if (a->dtype != SIB_STRING)
        return ((const int64_t *)a->data)[i] == ((const int64_t *)b->data)[k];
    sib_str x = ((const sib_str *)a->data)[i], y = ((const sib_str *)b->data)[k];
    return str_same(x, y);
}

/* Converts keys of any integer type to int64. */
static sib_code keys_of(const sib_tensor *keys, sib_tensor **out, sib_error *err)
{
    if (keys->dtype == SIB_STRING || keys->dtype == SIB_I64)
        return dense_of(keys, out, err);
    return sib_tensor_convert(keys, SIB_I64, SIB_OVERFLOW_IEEE, out, err);
}

sib_code ref_map_get(const ref_call *c)
{
    const sib_tensor *given, *values, *wanted = ref_in(c, 1);
    sib_tensor *keys = NULL, *from = NULL, *out = NULL;
    sib_code code = map_in(c, &given, &values);
    if (code == SIB_OK && (!wanted || wanted->rank != 1))
        code = ref_fail(c, SIB_ERR_VALUE, "the keys to look up are not a list");
    if (code == SIB_OK)
        code = keys_of(given, &keys, c->err);
    if (code == SIB_OK && keys->dtype != wanted->dtype)
        code = ref_fail(c, SIB_ERR_VALUE, "keys of %s are looked up in a map with keys of %s",
                        sib_dtype_name(wanted->dtype), sib_dtype_name(keys->dtype));
    if (code == SIB_OK)
        code = dense_of(values, &from, c->err);
    if (code == SIB_OK)
        code = ref_make(c, 0, values->dtype, 2, (int64_t[]){1, (int64_t)wanted->count}, &out);
    if (code == SIB_OK && out && values->dtype != SIB_STRING)
        memset(out->data, 0, (size_t)out->count * dtype_stride(out->dtype));
    for (size_t i = 0; out && i < wanted->count && code == SIB_OK; i++)
        for (size_t k = 0; k < keys->count; k++)
            if (same_key(wanted, i, keys, k)) {
                code = move_one(out, i, from, k, c->err);
                break;
            }
    sib_tensor_free(&keys);
    sib_tensor_free(&from);
    return code;
}

/* A key and its position. */
typedef struct placed_key {
    int64_t key;
    size_t at;
} placed_key;

static int compare_placed(const void *a, const void *b)
{
    const placed_key *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static sib_code in_key_order(const ref_call *c, const sib_tensor *keys, const sib_tensor *from)
{
    size_t n = (size_t)keys->count;
    sib_tensor *out = NULL;
    placed_key *order = mem_alloc(n, sizeof *order);
    if (!order)
        return ref_no_memory(c, n * sizeof *order);
    for (size_t i = 0; i < n; i++)
        order[i] = (placed_key){((const int64_t *)keys->data)[i], i};
    if (n)
        qsort(order, n, sizeof *order, compare_placed);
    sib_code code = ref_make(c, 0, from->dtype, 2, (int64_t[]){1, (int64_t)n}, &out);
    for (size_t i = 0; out && i < n && code == SIB_OK; i++)
        code = move_one(out, i, from, order[i].at, c->err);
    mem_free(order);
    return code;
}

static sib_code at_their_keys(const ref_call *c, const sib_tensor *keys, const sib_tensor *from,
                              const sib_tensor *fill, int64_t size)
{
    sib_tensor *out = NULL;
    sib_code code = ref_make(c, 0, from->dtype, 2, (int64_t[]){1, size}, &out);
    for (int64_t i = 0; out && i < size && code == SIB_OK; i++)
        code = move_one(out, (size_t)i, fill, 0, c->err);
    for (size_t i = 0; out && i < keys->count && code == SIB_OK; i++) {
        int64_t key = ((const int64_t *)keys->data)[i];
        if (key < 0 || key >= size)
            code = ref_fail(c, SIB_ERR_VALUE, "key %lld is out of range, expected 0 to below %lld",
                            (long long)key, (long long)size);
        else
            code = move_one(out, (size_t)key, from, i, c->err);
    }
    return code;
}

sib_code ref_map_dense(const ref_call *c)
{
    const sib_tensor *given, *values, *fill = ref_in(c, 1);
    sib_tensor *keys = NULL, *from = NULL;
    int64_t size = spec_map(c->node).size;
    sib_code code = map_in(c, &given, &values);
    if (code == SIB_OK && (given->dtype == SIB_STRING || !fill || fill->count != 1))
        code = ref_fail(c, SIB_ERR_VALUE, "expected a map with int64 keys and a scalar");
    if (code == SIB_OK)
        code = keys_of(given, &keys, c->err);
    if (code == SIB_OK)
        code = sib_tensor_convert(values, fill->dtype, SIB_OVERFLOW_IEEE, &from, c->err);
    if (code == SIB_OK)
        code = size < 0 ? in_key_order(c, keys, from) : at_their_keys(c, keys, from, fill, size);
    sib_tensor_free(&keys);
    sib_tensor_free(&from);
    return code;
}
