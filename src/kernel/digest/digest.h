/* Statistics of floats for digests (sibyl/watch.h). */
#ifndef KERNEL_DIGEST_H
#define KERNEL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Max elements of one call of `scan`, whose zeros are counted in floats. */
#define DIGEST_BLOCK 4096
/* Cells of a row. */
#define DIGEST_SIDE 32

typedef struct digest_scan {
    bool finite; /* all elements and their sum; where false the other fields are undefined */
    float min, max, sum;
    float squares; /* sum of x^2; inf where it overflows */
    size_t zeros;
} digest_scan;

typedef struct digest_kernels {
    /* One pass over rows of n elements, 1 .. DIGEST_BLOCK in total. to: (n) or NULL; the rows are added to it in order,
       also where they are not finite. */
    void (*scan)(const float *x, size_t rows, size_t n, float *to, digest_scan *out);
    /* sum of (x - mean)^2 */
    float (*squares)(const float *x, size_t n, float mean);
    float (*sum)(const float *x, size_t n);
    /* to[i] += x[i] + x[n + i] + ...: rows of n, in order */
    void (*add)(const float *x, size_t rows, size_t n, float *to);
    /* sums[r][j] += the sum of x[at[r] + i] over first[j] <= i < first[j + 1], for `rows` rows and n_cells of up to
       DIGEST_SIDE cells, of which the first begins at 0 */
    void (*fold)(const float *x, const size_t *at, size_t rows, const size_t *first, size_t n_cells,
                 double (*sums)[DIGEST_SIDE]);
    /* counts[b] += number of elements with b = trunc((x - low) * scale), at least 0, at most 63. No element is
       NaN. counts: (64) */
    void (*bins)(const float *x, size_t n, float low, float scale, uint32_t *counts);
} digest_kernels;

#endif
