#include "backend/gpu/constants.h"
#include "backend/gpu/wide.h"

#include "base/array.h"
#include "tensor/tensor.h"

#include <pthread.h>

/* One of those of all devices in this process. The sessions that hold it keep its tensor alive, so no other one
   can have that address. */
typedef struct uploaded {
    gpu_device *device;
    const sib_tensor *tensor;
    gpu_range range;
    size_t holders;
    struct uploaded *next;
} uploaded;

#define BUCKETS 1024
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uploaded *buckets[BUCKETS]; /* guarded by the lock, as are sessions' lists */

struct gpu_constants {
    gpu_device *device;
    uploaded **held; /* (n) one may be there several times */
    size_t n, capacity;
};

static uploaded **bucket_of(const sib_tensor *t)
{
    return &buckets[((uintptr_t)t >> 4) * 2654435761u % BUCKETS];
}

sib_code gpu_constants_create(gpu_device *d, gpu_constants **out, sib_error *err)
{
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a backend");
    (*out)->device = d;
    return SIB_OK;
}

static void let_go(uploaded *u)
{
    uploaded **at = bucket_of(u->tensor);
    if (--u->holders)
        return;
    while (*at != u)
        at = &(*at)->next;
    *at = u->next;
    gpu_free(u->device, &u->range.buffer);
    mem_free(u);
}

void gpu_constants_free(gpu_constants **cp)
{
    gpu_constants *c = *cp;
    if (!c)
        return;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < c->n; i++)
        let_go(c->held[i]);
    pthread_mutex_unlock(&lock);
    mem_free(c->held);
    mem_free(c);
    *cp = NULL;
}

static sib_code upload(gpu_device *d, const sib_tensor *t, gpu_range *out, sib_error *err)
{
    void *temporary;
    const bool wide = t->dtype == SIB_F64;
    const size_t bytes = (size_t)t->count * sib_dtype_bits(t->dtype) / (wide ? 16 : 8);
    *out = (gpu_range){.bytes = bytes};
    const void *elements = tensor_peek(t, &temporary);
    sib_code code = elements ? gpu_alloc(d, bytes, &out->buffer, err) : err_memory(err, bytes, "a constant");
    if (code == SIB_OK)
        code = wide ? gpu_upload_wide(d, *out, elements, err) : gpu_upload(d, *out, elements, err);
    mem_free(temporary);
    tensor_leave_pages(t);
    if (code != SIB_OK)
        gpu_free(d, &out->buffer);
    return code;
}

static sib_code add(gpu_device *d, const sib_tensor *t, uploaded **out, sib_error *err)
{
    uploaded **first = bucket_of(t), *u = mem_calloc(1, sizeof *u);
    if (!u)
        return err_memory(err, sizeof *u, "a constant");
    const sib_code code = upload(d, t, &u->range, err);
    if (code != SIB_OK) {
        mem_free(u);
        return code;
    }
    u->device = d;
    u->tensor = t;
    u->next = *first;
    *first = u;
    *out = u;
    return SIB_OK;
}

static sib_code hold(gpu_constants *c, const sib_tensor *t, gpu_range *out, sib_error *err)
{
    uploaded *u = *bucket_of(t);
    sib_code code = ARRAY_RESERVE(c->held, c->capacity, c->n + 1, "constants", err);
    while (u && (u->tensor != t || u->device != c->device))
        u = u->next;
    if (code == SIB_OK && !u)
        code = add(c->device, t, &u, err);
    if (code != SIB_OK)
        return code;
    u->holders++;
    c->held[c->n++] = u;
    *out = u->range;
    return SIB_OK;
}

sib_code gpu_constants_get(gpu_constants *c, const value *v, gpu_range *out, sib_error *err)
{
    SIB_ASSERT(v->lasting);
    pthread_mutex_lock(&lock);
    const sib_code code = hold(c, v->constant, out, err);
    pthread_mutex_unlock(&lock);
    return code;
}
