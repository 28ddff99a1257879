/* Statistics of floats for digests (sibyl/watch.h). */
#ifndef KERNEL_DIGEST_H
#define KERNEL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Max elements of one call of `scan`, whose zeros are counted in floats. */
#define DIGEST_BLOCK 2048

typedef struct digest_scan {
    bool finite; /* all elements and their sum; where false the other fields are undefined */
    float min, max, sum;
    size_t zeros;
} digest_scan;

typedef struct digest_kernels {
    /* n in 1 .. DIGEST_BLOCK */
    void (*scan)(const float *x, size_t n, digest_scan *out);
    /* sum of (x - mean)^2 */
    float (*squares)(const float *x, size_t n, float mean);
    float (*sum)(const float *x, size_t n);
    /* to[i] += x[i] + x[n + i] + ...: rows of n, in order */
    void (*add)(const float *x, size_t rows, size_t n, float *to);
    /* counts[b] += number of elements with b = trunc((x - low) * scale), at least 0, at most 63. No element is
       NaN. counts: (64) */
    void (*bins)(const float *x, size_t n, float low, float scale, uint32_t *counts);
} digest_kernels;

#endif
