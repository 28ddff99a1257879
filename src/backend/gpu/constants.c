#include "backend/gpu/constants.h"
#include "backend/gpu/wide.h"

#include "base/array.h"
#include "tensor/tensor.h"

#include <pthread.h>

typedef struct uploaded {
    const sib_tensor *tensor;
    gpu_range range;
} uploaded;

struct gpu_constants {
    gpu_device *device;
    pthread_mutex_t lock;
    uploaded *items; /* (n) */
    size_t n, capacity;
};

sib_code gpu_constants_create(gpu_device *d, gpu_constants **out, sib_error *err)
{
    gpu_constants *c = mem_calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return err_memory(err, sizeof *c, "a backend");
    c->device = d;
    if (!pthread_mutex_init(&c->lock, NULL))
        return SIB_OK;
    mem_free(c);
    *out = NULL;
    return err_memory(err, sizeof *c, "a backend");
}

void gpu_constants_free(gpu_constants **cp)
{
    gpu_constants *c = *cp;
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        gpu_free(c->device, &c->items[i].range.buffer);
    mem_free(c->items);
    pthread_mutex_destroy(&c->lock);
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

sib_code gpu_constants_get(gpu_constants *c, const value *v, gpu_range *out, bool *owned, sib_error *err)
{
    sib_code code = SIB_OK;
    *owned = !v->lasting;
    if (*owned)
        return upload(c->device, v->constant, out, err);
    pthread_mutex_lock(&c->lock);
    size_t i = 0;
    while (i < c->n && c->items[i].tensor != v->constant)
        i++;
    if (i < c->n)
        *out = c->items[i].range;
    else
        code = upload(c->device, v->constant, out, err);
    if (i == c->n && code == SIB_OK) {
        code = ARRAY_PUSH(c->items, c->n, c->capacity, "constants", err, (uploaded){v->constant, *out});
        if (code != SIB_OK)
            gpu_free(c->device, &out->buffer);
    }
    pthread_mutex_unlock(&c->lock);
    return code;
}
