/* Resampling of image rows: sums of a few weighted elements. */
#ifndef KERNEL_RESIZE_ENTRIES_H
#define KERNEL_RESIZE_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Resampling of a row from `in` to `out` elements, in blocks of one vector. */
typedef struct resize_line {
    size_t in, out, taps, blocks;
    bool near;            /* each block reads only one vector of the source */
    const int32_t *base;  /* (blocks) where that vector begins; 0 where `near` is false */
    const int32_t *index; /* (blocks, taps, lanes), relative to base */
    const float *weight;  /* (blocks, taps, lanes) */
} resize_line;

typedef struct resize_kernels {
    size_t lanes;
    /* y[i] = sum over t of weight[t] * rows[t][i] for i < n, in the order of t. taps >= 1. */
    void (*blend)(float *y, const float *const *rows, const float *weight, size_t taps, size_t n);
    /* y[o] = sum over t of weight * x[base + index]; y: (out), x: (in). */
    void (*across)(const resize_line *line, const float *x, float *y);
    /* The same with one tap and no weight: the bits are copied. */
    void (*pick)(const resize_line *line, const float *x, float *y);
} resize_kernels;

#endif
