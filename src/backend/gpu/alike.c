#include "backend/gpu/alike.h"

#include "base/hash.h"
#include "tensor/tensor.h"

#include <pthread.h>
#include <string.h>

#define BUCKETS 256

struct gpu_alike {
    gpu_device *device;
    pthread_mutex_t lock;
    gpu_same *buckets[BUCKETS];
};

sib_code gpu_alike_create(gpu_device *d, gpu_alike **out, sib_error *err)
{
    gpu_alike *a = mem_calloc(1, sizeof *a);
    if (a && pthread_mutex_init(&a->lock, NULL) != 0) {
        mem_free(a);
        a = NULL;
    }
    *out = a;
    if (!a)
        return err_memory(err, sizeof *a, "a backend");
    a->device = d;
    return SIB_OK;
}

void gpu_alike_free(gpu_alike **a)
{
    if (!*a)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        SIB_ASSERT(!(*a)->buckets[i]);
    pthread_mutex_destroy(&(*a)->lock);
    mem_free(*a);
    *a = NULL;
}

static sib_code add(gpu_alike *a, const void *words, size_t bytes, uint64_t hash, gpu_same **out,
                    sib_error *err)
{
    gpu_same **first = &a->buckets[hash % BUCKETS], *made = mem_alloc(sizeof *made + bytes, 1);
    *out = NULL;
    if (!made)
        return err_memory(err, bytes, "a step");
    *made = (gpu_same){.bytes = bytes, .hash = hash, .next = *first};
    memcpy(made->words, words, bytes);
    sib_code code = gpu_alloc(a->device, bytes, &made->buffer, err);
    if (code == SIB_OK)
        code = gpu_upload(a->device, (gpu_range){made->buffer, 0, bytes}, words, err);
    if (code == SIB_OK) {
        *first = *out = made;
        return SIB_OK;
    }
    gpu_free(a->device, &made->buffer);
    mem_free(made);
    return code;
}

sib_code gpu_alike_get(gpu_alike *a, const void *words, size_t bytes, gpu_same **out, sib_error *err)
{
    const uint64_t hash = hash_bytes(words, bytes);
    sib_code code = SIB_OK;
    pthread_mutex_lock(&a->lock);
    gpu_same *at = a->buckets[hash % BUCKETS];
    while (at && (at->hash != hash || at->bytes != bytes || memcmp(at->words, words, bytes) != 0))
        at = at->next;
    if (!at)
        code = add(a, words, bytes, hash, &at, err);
    if (at)
        at->holders++;
    pthread_mutex_unlock(&a->lock);
    *out = at;
    return code;
}

sib_code gpu_alike_tensor(gpu_alike *a, const sib_tensor *t, gpu_same **out, sib_error *err)
{
    void *temporary;
    const size_t count = (size_t)t->count;
    const void *elements = tensor_peek(t, &temporary);
    float *narrow = t->dtype == SIB_F64 ? mem_alloc(count, sizeof *narrow) : NULL;
    sib_code code =
        elements && (narrow || t->dtype != SIB_F64) ? SIB_OK : err_memory(err, count, "a constant");
    for (size_t i = 0; i < count && narrow && code == SIB_OK; i++)
        narrow[i] = (float)((const double *)elements)[i];
    if (code == SIB_OK)
        code = narrow ? gpu_alike_get(a, narrow, count * sizeof *narrow, out, err)
                      : gpu_alike_get(a, elements, count * (sib_dtype_bits(t->dtype) / 8), out, err);
    mem_free(narrow);
    mem_free(temporary);
    return code;
}

void gpu_alike_put(gpu_alike *a, gpu_same **same)
{
    gpu_same *gone = *same;
    *same = NULL;
    if (!gone)
        return;
    pthread_mutex_lock(&a->lock);
    gpu_same **at = &a->buckets[gone->hash % BUCKETS];
    if (--gone->holders)
        gone = NULL;
    while (gone && *at != gone)
        at = &(*at)->next;
    if (gone)
        *at = gone->next;
    pthread_mutex_unlock(&a->lock);
    if (gone)
        gpu_free(a->device, &gone->buffer);
    mem_free(gone);
}
