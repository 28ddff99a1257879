/* Rows of images resampled: sums of few weighted elements. */
#ifndef KERNEL_RESIZE_ENTRIES_H
#define KERNEL_RESIZE_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row of `in` elements that becomes one of `out`, in blocks of as many elements as a vector has lanes. */
typedef struct resize_line {
    size_t in, out, taps, blocks;
    bool near;            /* what a block needs stands within one vector of the source */
    const int32_t *base;  /* (blocks) where that vector begins; 0 where not near */
    const int32_t *index; /* (blocks, taps, lanes) from there on */
    const float *weight;  /* (blocks, taps, lanes) */
} resize_line;

typedef struct resize_kernels {
    size_t lanes;
    /* y[i] = sum over t of weight[t] * rows[t][i], i < n, t upward. taps >= 1. */
    void (*blend)(float *y, const float *const *rows, const float *weight, size_t taps, size_t n);
    /* y[o] = sum over t of weight * x[base + index]; y: (out), x: (in). */
    void (*across)(const resize_line *line, const float *x, float *y);
    /* The same with one tap and no weight: the bits stay. */
    void (*pick)(const resize_line *line, const float *x, float *y);
} resize_kernels;

#endif
