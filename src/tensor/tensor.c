#include "tensor/tensor.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

#include <inttypes.h>
#include <string.h>

static const char no_characters[] = "";

/* ---- Creation and release -------------------------------------------------------------------------- */

static void storage_release(tensor_storage *s)
{
    SIB_ASSERT(atomic_load_explicit(&s->references, memory_order_relaxed) > 0);
    if (atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
        return;
    SIB_ASSERT(!s->owned || !s->release); /* at most one of them frees the elements */
    sib_str *strings = s->owned;
    for (size_t i = 0; i < s->n_strings; i++)
        if (strings[i].data != no_characters)
            mem_free((char *)strings[i].data);
    mem_free(s->owned);
    if (s->release)
        s->release(s->context);
    if (s->away) {
        pthread_mutex_destroy(&s->away->lock);
        s->away->release(s->away);
    }
    mem_free(s);
}

/* Allocates a tensor, all zero but its rank and the places of dims and strides. */
static sib_tensor *tensor_of_rank(size_t rank)
{
    SIB_ASSERT(rank <= SIB_MAX_RANK);
    sib_tensor *t = mem_calloc(1, sizeof *t + 2 * rank * sizeof *t->axes);
    if (t) {
        t->rank = rank;
        t->dims = t->axes;
        t->strides = t->axes + rank;
    }
    return t;
}

/* Creates a tensor with a new storage, without data or strides. dims: (rank), checked. */
static sib_code tensor_new(sib_dtype dtype, size_t rank, const int64_t *dims, uint64_t count,
                           sib_tensor **out, sib_error *err)
{
    sib_tensor *t = tensor_of_rank(rank);
    tensor_storage *s = mem_calloc(1, sizeof *s);
    if (!t || !s) {
        mem_free(t);
        mem_free(s);
        return err_memory(err, sizeof *t + sizeof *s, "a tensor");
    }
    atomic_init(&s->references, 1);
    atomic_init(&s->waits, false);
    t->storage = s;
    t->dtype = dtype;
    t->count = count;
    for (size_t i = 0; i < rank; i++)
        t->dims[i] = dims[i];
    *out = t;
    return SIB_OK;
}

/* Checks what every new tensor needs. Sets *out to NULL. */
static sib_code begin(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out, uint64_t *count,
                      sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL, expected where to put a tensor");
    *out = NULL;
    sib_code code = dtype_check(dtype, err);
    return code == SIB_OK ? shape_count(rank, dims, count, err) : code;
}

static sib_code create(sib_dtype dtype, size_t rank, const int64_t *dims, bool clear, sib_tensor **out,
                       sib_error *err)
{
    uint64_t count = 0;
    size_t bytes;
    sib_code code = begin(dtype, rank, dims, out, &count, err);
    if (code != SIB_OK)
        return code;
    char text[SHAPE_TEXT];
    if (!dtype_bytes(dtype, count, &bytes))
        return err_set(err, SIB_ERR_SIZE, "a tensor %s of %s does not fit in the address space",
                       shape_text(rank, dims, text), sib_dtype_name(dtype));
    sib_tensor *t = NULL;
    code = tensor_new(dtype, rank, dims, count, &t, err);
    if (code != SIB_OK)
        return code;
    t->data = t->storage->owned = clear ? mem_calloc(bytes, 1) : mem_alloc(bytes, 1);
    if (!t->data) {
        sib_tensor_free(&t);
        return err_set(err, SIB_ERR_MEMORY, "out of memory: %zu bytes for a tensor %s of %s", bytes,
                       shape_text(rank, dims, text), sib_dtype_name(dtype));
    }
    shape_dense_strides(rank, dims, t->strides);
    tensor_finish(t);
    if (dtype == SIB_STRING) {
        t->storage->n_strings = (size_t)count;
        for (size_t i = 0; i < count; i++)
            ((sib_str *)t->data)[i] = (sib_str){no_characters, 0};
    }
    *out = t;
    return SIB_OK;
}

sib_code sib_tensor_create(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out,
                           sib_error *err)
{
    return create(dtype, rank, dims, true, out, err);
}

sib_code tensor_create_raw(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out,
                           sib_error *err)
{
    return create(dtype, rank, dims, false, out, err);
}

static sib_code check_wrap(sib_dtype dtype, size_t rank, const int64_t *dims, const int64_t *strides,
                           const void *data, uint64_t count, sib_error *err)
{
    size_t bytes, align = dtype_align(dtype);
    if (!data && count > 0)
        return err_set(err, SIB_ERR_ARGUMENT, "data is NULL, expected %" PRIu64 " elements", count);
    if ((uintptr_t)data % align != 0)
        return err_set(err, SIB_ERR_ARGUMENT, "data %p is not aligned to the %zu bytes that %s needs", data,
                       align, sib_dtype_name(dtype));
    if (dtype_is_packed(dtype) && !shape_is_dense(rank, dims, strides))
        return err_set(err, SIB_ERR_ARGUMENT, "strides of packed %s are not dense row-major",
                       sib_dtype_name(dtype));
    if (dtype_is_packed(dtype))
        return dtype_bytes(dtype, count, &bytes)
                   ? SIB_OK
                   : err_set(err, SIB_ERR_SIZE, "%" PRIu64 " elements leave the address space", count);
    return shape_check_reach(rank, dims, strides, dtype_stride(dtype), err);
}

sib_code sib_tensor_wrap(sib_dtype dtype, size_t rank, const int64_t *dims, const int64_t *strides,
                         void *data, sib_release release, void *context, sib_tensor **out, sib_error *err)
{
    uint64_t count = 0;
    int64_t dense[SIB_MAX_RANK];
    sib_code code = begin(dtype, rank, dims, out, &count, err);
    if (code != SIB_OK)
        return code;
    if (!strides) {
        shape_dense_strides(rank, dims, dense);
        strides = dense;
    }
    code = check_wrap(dtype, rank, dims, strides, data, count, err);
    sib_tensor *t = NULL;
    if (code == SIB_OK)
        code = tensor_new(dtype, rank, dims, count, &t, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < rank; i++)
        t->strides[i] = strides[i];
    t->data = data;
    t->storage->release = release;
    t->storage->context = context;
    tensor_finish(t);
    *out = t;
    return SIB_OK;
}

sib_code tensor_wrap_waiting(sib_dtype dtype, size_t rank, const int64_t *dims, void *data,
                             void (*fill)(void *context), sib_release release, void *context,
                             sib_tensor **out, sib_error *err)
{
    sib_code code = sib_tensor_wrap(dtype, rank, dims, NULL, data, release, context, out, err);
    SIB_ASSERT(fill);
    if (code == SIB_OK) {
        (*out)->storage->fill = fill;
        (*out)->storage->base = data;
        atomic_store_explicit(&(*out)->storage->waits, true, memory_order_relaxed);
    }
    return code;
}

void sib_tensor_free(sib_tensor **tensor)
{
    if (!tensor || !*tensor)
        return;
    if ((*tensor)->storage)
        storage_release((*tensor)->storage);
    mem_free(*tensor);
    *tensor = NULL;
}

void tensor_move_view(sib_tensor *view, const sib_tensor *onto)
{
    SIB_ASSERT(!onto || (onto->storage && onto->dtype == view->dtype));
    SIB_ASSERT(!onto || onto->count >= view->count);
    SIB_ASSERT(view->dense);
    tensor_storage *before = view->storage;
    view->storage = onto ? onto->storage : NULL;
    view->data = onto ? onto->data : NULL;
    if (onto)
        atomic_fetch_add_explicit(&onto->storage->references, 1, memory_order_relaxed);
    if (before)
        storage_release(before);
}

sib_code tensor_view(const sib_tensor *t, size_t rank, sib_tensor **out, sib_error *err)
{
    sib_tensor *view = tensor_of_rank(rank);
    if (!view)
        return err_memory(err, sizeof *view, "a view");
    SIB_ASSERT(t->storage && atomic_load_explicit(&t->storage->references, memory_order_relaxed) > 0);
    view->storage = t->storage;
    view->dtype = t->dtype;
    view->count = t->count;
    view->dense = t->dense;
    view->data = t->data;
    for (size_t i = 0; i < rank && i < t->rank; i++) {
        view->dims[i] = t->dims[i];
        view->strides[i] = t->strides[i];
    }
    atomic_fetch_add_explicit(&t->storage->references, 1, memory_order_relaxed);
    *out = view;
    return SIB_OK;
}

static bool count_is_product(const sib_tensor *t)
{
    uint64_t count = 1;
    for (size_t i = 0; i < t->rank; i++)
        count *= (uint64_t)t->dims[i];
    return count == t->count;
}

void tensor_finish(sib_tensor *t)
{
    SIB_ASSERT(t->rank <= SIB_MAX_RANK);
    SIB_ASSERT(count_is_product(t));
    SIB_ASSERT((uintptr_t)t->data % dtype_align(t->dtype) == 0);
    t->dense = shape_is_dense(t->rank, t->dims, t->strides);
}

sib_code tensor_check(const sib_tensor *t, sib_tensor **out, sib_error *err)
{
    if (out)
        *out = NULL;
    if (!t || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", t ? "out" : "the tensor");
    return SIB_OK;
}

/* ---- Queries ---------------------------------------------------------------------------------------- */

sib_dtype sib_tensor_dtype(const sib_tensor *t)
{
    return t->dtype;
}

size_t sib_tensor_rank(const sib_tensor *t)
{
    return t->rank;
}

const int64_t *sib_tensor_dims(const sib_tensor *t)
{
    return t->dims;
}

const int64_t *sib_tensor_strides(const sib_tensor *t)
{
    return t->strides;
}

uint64_t sib_tensor_count(const sib_tensor *t)
{
    return t->count;
}

bool sib_tensor_is_dense(const sib_tensor *t)
{
    return t->dense;
}

void *sib_tensor_data(const sib_tensor *t)
{
    tensor_ready(t);
    return t->data;
}

void tensor_take_string(sib_str *element, char *text, size_t n)
{
    if (element->data != no_characters)
        mem_free((char *)element->data);
    if (n == 0)
        mem_free(text);
    *element = (sib_str){n ? text : no_characters, n};
}

sib_code tensor_put_string(sib_str *element, sib_str value, sib_error *err)
{
    char *copy = NULL;
    if (value.length > 0) {
        copy = mem_alloc(value.length, 1);
        if (!copy)
            return err_memory(err, value.length, "a string");
        memcpy(copy, value.data, value.length);
    }
    tensor_take_string(element, copy, value.length);
    return SIB_OK;
}

void tensor_clear_tail(sib_tensor *t)
{
    size_t bytes;
    if (t->count > 0 && dtype_is_packed(t->dtype) && dtype_bytes(t->dtype, t->count, &bytes))
        t->data[bytes - 1] = 0;
}

sib_code tensor_fill(sib_tensor *to, const sib_tensor *from, sib_error *err)
{
    size_t bytes;
    sib_code code = SIB_OK;
    SIB_ASSERT(to->dtype == from->dtype && to->count == from->count && to->dense && from->dense);
    if (from->dtype != SIB_STRING) {
        if (dtype_bytes(from->dtype, from->count, &bytes) && bytes > 0)
            memcpy(to->data, sib_tensor_data(from), bytes);
        return SIB_OK;
    }
    for (size_t k = 0; k < from->count && code == SIB_OK; k++)
        code = tensor_put_string((sib_str *)to->data + k, ((const sib_str *)from->data)[k], err);
    return code;
}
