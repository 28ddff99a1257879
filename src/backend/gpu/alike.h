/* Words on a device that plans have alike: those of a graph for other dims, as a growing cache makes them, differ in a few
   alone. */
#ifndef GPU_ALIKE_H
#define GPU_ALIKE_H

#include "backend/gpu/gpu.h"

typedef struct gpu_alike gpu_alike;

/* Words on the device, shared by all that have the same. */
typedef struct gpu_same {
    gpu_buffer *buffer;
    size_t bytes;
    /* of alike.c: */
    uint64_t hash;
    size_t holders;
    struct gpu_same *next;
    uint32_t words[]; /* what the buffer holds */
} gpu_same;

/* Errors: SIB_ERR_MEMORY. */
sib_code gpu_alike_create(gpu_device *d, gpu_alike **out, sib_error *err);
/* What was got must be put back. */
void gpu_alike_free(gpu_alike **a);
/* bytes > 0. Thread-safe. Errors: SIB_ERR_MEMORY, those of the device. */
sib_code gpu_alike_get(gpu_alike *a, const void *words, size_t bytes, gpu_same **out, sib_error *err);
/* The same for the elements of a dense tensor, float64 as float32. */
sib_code gpu_alike_tensor(gpu_alike *a, const sib_tensor *t, gpu_same **out, sib_error *err);
/* *same may be NULL. */
void gpu_alike_put(gpu_alike *a, gpu_same **same);

#endif
