#include "tensor/value.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <inttypes.h>

/* ---- Creation and references ----------------------------------------------------------------------- */

static sib_code value_new(sib_value_kind kind, sib_value **out, sib_error *err)
{
    sib_value *v = mem_calloc(1, sizeof *v);
    *out = v;
    if (!v)
        return err_memory(err, sizeof *v, "a value");
    atomic_init(&v->references, 1);
    v->kind = kind;
    v->depth = 1;
    return SIB_OK;
}

sib_value *value_share(const sib_value *v)
{
    sib_value *shared = (sib_value *)v; /* only the reference count changes */
    SIB_ASSERT(atomic_load_explicit(&v->references, memory_order_relaxed) > 0);
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

void sib_value_free(sib_value **v)
{
    sib_value *gone = v ? *v : NULL;
    if (!gone)
        return;
    *v = NULL;
    SIB_ASSERT(atomic_load_explicit(&gone->references, memory_order_relaxed) > 0);
    SIB_ASSERT(gone->depth <= VALUE_MAX_DEPTH);
    if (atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) != 1)
        return;
    /* recursion is bounded by VALUE_MAX_DEPTH */
    for (size_t i = 0; i < gone->n; i++)
        sib_value_free(&gone->items[i]);
    mem_free(gone->items);
    sib_tensor_free(&gone->tensor);
    sib_tensor_free(&gone->values);
    mem_free(gone);
}

sib_code value_take_tensor(sib_tensor *t, sib_value **out, sib_error *err)
{
    SIB_ASSERT(t);
    sib_code code = value_new(SIB_VALUE_TENSOR, out, err);
    if (code == SIB_OK)
        (*out)->tensor = t;
    else
        sib_tensor_free(&t);
    return code;
}

sib_code value_room(sib_value_kind kind, size_t n, sib_value **out, sib_error *err)
{
    SIB_ASSERT(kind == SIB_VALUE_SEQUENCE || (kind == SIB_VALUE_OPTIONAL && n <= 1));
    sib_code code = value_new(kind, out, err);
    if (code != SIB_OK)
        return code;
    (*out)->items = mem_calloc(n, sizeof *(*out)->items);
    if (!(*out)->items) {
        sib_value_free(out);
        return err_set(err, SIB_ERR_MEMORY, "out of memory: a value of %zu items", n);
    }
    (*out)->n = n;
    return SIB_OK;
}

/* ---- Construction from tensors and values ----------------------------------------------------------- */

static sib_code check_out(sib_value **out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL, expected where to put a value");
    *out = NULL;
    return SIB_OK;
}

sib_code sib_value_from_tensor(const sib_tensor *tensor, sib_value **out, sib_error *err)
{
    sib_tensor *view = NULL;
    sib_code code = check_out(out, err);
    if (code == SIB_OK && !tensor)
        code = err_set(err, SIB_ERR_ARGUMENT, "the tensor is NULL");
    if (code == SIB_OK)
        code = tensor_fetch(tensor, err);
    if (code == SIB_OK) {
        tensor_ready(tensor); /* users of a value read its elements */
        code = tensor_view(tensor, tensor->rank, &view, err);
    }
    return code == SIB_OK ? value_take_tensor(view, out, err) : code;
}

/* Makes a sequence or optional that references items (n). */
static sib_code value_around(sib_value_kind kind, size_t n, const sib_value *const *items, sib_value **out,
                             sib_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!items || !items[i])
            return err_set(err, SIB_ERR_ARGUMENT, "item %zu of %zu is NULL, expected a value", i, n);
        if (items[i]->depth >= VALUE_MAX_DEPTH)
            return err_set(err, SIB_ERR_ARGUMENT, "item %zu is %u values deep, expected fewer than %d", i,
                           items[i]->depth, VALUE_MAX_DEPTH);
    }
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) /* readers of items do not ask where they are */
        code = sib_value_fetch(items[i], err);
    if (code == SIB_OK)
        code = value_room(kind, n, out, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        value_put(*out, i, value_share(items[i]));
    return code;
}

sib_code sib_value_sequence(size_t n, const sib_value *const *items, sib_value **out, sib_error *err)
{
    sib_code code = check_out(out, err);
    return code == SIB_OK ? value_around(SIB_VALUE_SEQUENCE, n, items, out, err) : code;
}

sib_code sib_value_optional(const sib_value *item, sib_value **out, sib_error *err)
{
    sib_code code = check_out(out, err);
    return code == SIB_OK ? value_around(SIB_VALUE_OPTIONAL, item ? 1 : 0, &item, out, err) : code;
}

static sib_code check_map(const sib_tensor *keys, const sib_tensor *values, sib_error *err)
{
    if (!keys || !values)
        return err_set(err, SIB_ERR_ARGUMENT, "the tensor of %s is NULL", keys ? "values" : "keys");
    sib_dtype_kind kind = dtype_info(keys->dtype)->kind;
    if (kind != SIB_KIND_INT && kind != SIB_KIND_UINT && kind != SIB_KIND_STRING)
        return err_set(err, SIB_ERR_ARGUMENT, "keys of a map are of %s, expected integers or strings",
                       sib_dtype_name(keys->dtype));
    if (keys->rank != 1 || values->rank != 1)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "keys and values of a map have rank %zu and %zu, expected 1 each", keys->rank,
                       values->rank);
    if (keys->count != values->count)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "a map has %" PRIu64 " keys and %" PRIu64 " values, expected as many", keys->count,
                       values->count);
    return SIB_OK;
}

sib_code sib_value_map(const sib_tensor *keys, const sib_tensor *values, sib_value **out, sib_error *err)
{
    sib_value *map = NULL;
    sib_code code = check_out(out, err);
    if (code == SIB_OK)
        code = check_map(keys, values, err);
    if (code == SIB_OK)
        code = tensor_fetch(keys, err);
    if (code == SIB_OK)
        code = tensor_fetch(values, err);
    if (code == SIB_OK)
        code = value_new(SIB_VALUE_MAP, &map, err);
    if (code == SIB_OK)
        code = tensor_view(keys, keys->rank, &map->tensor, err);
    if (code == SIB_OK)
        code = tensor_view(values, values->rank, &map->values, err);
    if (code != SIB_OK)
        sib_value_free(&map);
    if (out)
        *out = map;
    return code;
}

sib_code sib_value_copy(const sib_value *v, sib_value **out, sib_error *err)
{
    sib_code code = check_out(out, err);
    if (code == SIB_OK && !v)
        code = err_set(err, SIB_ERR_ARGUMENT, "the value is NULL");
    if (code == SIB_OK)
        *out = value_share(v);
    return code;
}

static sib_code clone_tensor(const sib_tensor *t, sib_value **out, sib_error *err)
{
    sib_tensor *copy = NULL;
    sib_code code = tensor_fetch(t, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(t, &copy, err);
    return code == SIB_OK ? value_take_tensor(copy, out, err) : code;
}

static sib_code clone_map(const sib_value *v, sib_value **out, sib_error *err)
{
    sib_tensor *keys = NULL, *values = NULL;
    sib_code code = sib_tensor_copy(v->tensor, &keys, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(v->values, &values, err);
    if (code == SIB_OK)
        code = sib_value_map(keys, values, out, err);
    sib_tensor_free(&keys);
    sib_tensor_free(&values);
    return code;
}

/* Recursion is bounded by VALUE_MAX_DEPTH. */
static sib_code clone_value(const sib_value *v, sib_value **out, sib_error *err)
{
    if (v->kind == SIB_VALUE_TENSOR)
        return clone_tensor(v->tensor, out, err);
    if (v->kind == SIB_VALUE_MAP)
        return clone_map(v, out, err);
    sib_value *made = NULL;
    sib_code code = value_room(v->kind, v->n, &made, err);
    for (size_t i = 0; i < v->n && code == SIB_OK; i++) {
        sib_value *item = NULL;
        code = clone_value(v->items[i], &item, err);
        if (code == SIB_OK)
            value_put(made, i, item);
    }
    if (code != SIB_OK)
        sib_value_free(&made);
    *out = made;
    return code;
}

sib_code sib_value_clone(const sib_value *v, sib_value **out, sib_error *err)
{
    sib_code code = check_out(out, err);
    if (code == SIB_OK && !v)
        code = err_set(err, SIB_ERR_ARGUMENT, "the value is NULL");
    return code == SIB_OK ? clone_value(v, out, err) : code;
}

static bool tensor_is_sole(const sib_tensor *t)
{
    return !t || (t->dense && t->storage->owned && !t->storage->away &&
                  atomic_load_explicit(&t->storage->references, memory_order_acquire) == 1);
}

bool sib_value_is_sole(const sib_value *v)
{
    bool sole = v && atomic_load_explicit(&v->references, memory_order_acquire) == 1 &&
                tensor_is_sole(v->tensor) && tensor_is_sole(v->values);
    for (size_t i = 0; sole && i < v->n; i++)
        sole = sib_value_is_sole(v->items[i]);
    return sole;
}

/* ---- Elements on devices ------------------------------------------------------------------------------ */

bool sib_value_is_away(const sib_value *v)
{
    return v && v->kind == SIB_VALUE_TENSOR && v->tensor->storage->away &&
           atomic_load_explicit(&v->tensor->storage->waits, memory_order_acquire);
}

sib_code sib_value_fetch(const sib_value *v, sib_error *err)
{
    if (!v)
        return err_set(err, SIB_ERR_ARGUMENT, "the value is NULL");
    return v->kind == SIB_VALUE_TENSOR ? tensor_fetch(v->tensor, err)
                                       : SIB_OK; /* items are fetched already */
}

/* ---- Queries ---------------------------------------------------------------------------------------- */

sib_value_kind sib_value_get_kind(const sib_value *v)
{
    return v->kind;
}

const sib_tensor *sib_value_tensor(const sib_value *v)
{
    return v->kind == SIB_VALUE_TENSOR ? v->tensor : NULL;
}

size_t sib_value_count(const sib_value *v)
{
    return v->n;
}

const sib_value *sib_value_item(const sib_value *v, size_t i)
{
    return i < v->n ? v->items[i] : NULL;
}

const sib_tensor *sib_value_keys(const sib_value *v)
{
    return v->kind == SIB_VALUE_MAP ? v->tensor : NULL;
}

const sib_tensor *sib_value_values(const sib_value *v)
{
    return v->values;
}
