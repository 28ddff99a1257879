/* Floats to small integers and back: q = saturate(round(x / scale) + zero), x = (q - zero) * scale. */
#ifndef KERNEL_QUANTIZE_H
#define KERNEL_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include <sibyl/tensor.h>

/* Scales and zero points: one for all, or one per element where step is 1. Zero points are integers. */
typedef struct quantize_by {
    const float *scale, *zero; /* (1) or (n) */
    size_t step;               /* 0 or 1 */
} quantize_by;

/* The quotient in float is rounded to nearest, ties to even; NaN gives 0. x, q: (n) */
typedef void (*quantize_to)(const float *x, size_t n, quantize_by by, void *q);
typedef void (*quantize_from)(const void *q, size_t n, quantize_by by, float *x);

typedef struct quantize_kernels {
    /* Indexed by sib_dtype: integers of 8 and 16 bits; NULL for others. */
    quantize_to to[SIB_I16 + 1];
    quantize_from from[SIB_I16 + 1];
    /* low = min(0, x...), high = max(0, x...) of n floats; NaN where any is. */
    void (*range)(const float *x, size_t n, float *low, float *high);
} quantize_kernels;

#endif
