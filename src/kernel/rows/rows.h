/* Rows of floats: reductions, softmax, normalization. A row is n consecutive floats; rows follow each other
   without gaps unless an entry has a stride. "Columns" are the other axis: element i of column j is x[i *
   stride + j].

   Sums run in several chains, in blocks whose sums are added, so that errors grow with a small share of n. */
#ifndef KERNEL_ROWS_H
#define KERNEL_ROWS_H

#include "base/cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sibyl/tensor.h>

/* Reductions, and their result for n = 0. */
typedef enum rows_kind {
    ROWS_SUM,     /* 0 */
    ROWS_SIZES,   /* sum of |x|, 0 */
    ROWS_SQUARES, /* sum of x^2, 0 */
    ROWS_PRODUCT, /* 1 */
    ROWS_MIN,     /* +inf; NaN where any element is */
    ROWS_MAX,     /* -inf; NaN where any element is */
    ROWS_KINDS
} rows_kind;

/* y[i] = row i reduced, joined with the previous y[i] where `more` is set. x: (rows, n), y: (rows). */
typedef void (*rows_across)(const float *x, size_t rows, size_t n, float *y, bool more);

/* y[j] = column j reduced, joined with the previous y[j] where `more` is set. x: (n, columns), rows stride
   apart, y: (columns). */
typedef void (*rows_down)(const float *x, size_t n, size_t stride, size_t columns, float *y, bool more);

/* Lines of any element type: element i of line j is x[i * step + j * gap]. Either step or gap is 1. */
typedef struct rows_walk {
    size_t n, step;   /* elements of a line, > 0 */
    size_t many, gap; /* lines */
} rows_walk;

typedef struct rows_typed {
    /* y[j] = line j reduced, joined with the previous y[j] where `more` is set. Integers wrap. y has the type
       of x; for float x double, in which it is summed. */
    void (*reduce[ROWS_KINDS])(const void *x, rows_walk w, void *y, bool more);
    /* y[j] = the index of the largest (or smallest) element of line j, the first or last of equal ones; NaN
       is most extreme. */
    void (*arg)(const void *x, rows_walk w, int64_t *y, bool highest, bool last);
    /* y[i] = x[0] + ... + x[i] (or the product) along each line, laid out as x; floats are summed in
       double. */
    void (*running)(const void *x, rows_walk w, void *y, bool product);
} rows_typed;

/* Indexed by sib_dtype: float32, float64 and integers of 8 bits or more; NULL for others. */
typedef struct rows_types {
    const rows_typed *of[SIB_U64 + 1];
} rows_types;

/* Normalization of rows: y = (x - mean) / sqrt(mean of (x - mean)^2 + epsilon) * scale + bias. */
typedef struct rows_norm {
    size_t n;           /* elements of a row, > 0 */
    const float *scale; /* (n), NULL: all 1 */
    const float *bias;  /* (n), NULL: all 0; only with a scale */
    double epsilon;
    bool centred; /* else the mean is taken as 0 */
} rows_norm;

typedef struct rows_kernels {
    rows_across across[ROWS_KINDS];
    rows_down down[ROWS_KINDS];

    /* y = e^(x - max) / sum of e^(x - max) per row; a row with NaN or +inf, or all -inf, gives NaN. x, y:
       (rows, n), may be the same. */
    void (*softmax)(const float *x, size_t rows, size_t n, float *y);
    /* y = x - max - log(sum of e^(x - max)) */
    void (*log_softmax)(const float *x, size_t rows, size_t n, float *y);
    /* The same per column. x, y: (n, columns), rows stride apart. */
    void (*softmax_down)(const float *x, size_t n, size_t stride, size_t columns, float *y);
    void (*log_softmax_down)(const float *x, size_t n, size_t stride, size_t columns, float *y);

    /* x, y: (rows, n), may be the same; mean and inverse = 1 / sqrt(var + epsilon): (rows), may be NULL.
       Rows whose squares leave the range of a float are computed in double. */
    void (*norm)(const rows_norm *p, const float *x, size_t rows, float *y, float *mean, float *inverse);
    /* The mean of n > 0 floats in two parts, mean[0] + mean[1], and the mean of (x - mean)^2, which is not
       finite, or is 0, where it leaves the range of a float. */
    float (*moments)(const float *x, size_t n, float mean[2]);
    /* y[i] = ((x[i] - centre[0]) - centre[1]) * factor + offset */
    void (*shift_scale)(const float *x, size_t n, const float centre[2], float factor, float offset,
                        float *y);
    /* y[i] = (x[i] - centre[i]) * factor[i] + offset[i] for each of `rows` rows; centre, factor, offset:
       (n) */
    void (*shift_scale_each)(const float *x, size_t rows, size_t n, const float *centre, const float *factor,
                             const float *offset, float *y);
    /* y[i] = a[i] + b[i] + c[i]; c may be NULL: none */
    void (*add)(const float *a, const float *b, const float *c, size_t n, float *y);

    rows_types types;
} rows_kernels;

/* Returns false where a variance, or a variance plus epsilon, may have lost significant digits because it
   left the range of a float. */
static inline bool rows_in_range(float var, double with_epsilon)
{
    return var <= 1e30f && with_epsilon >= 1e-30;
}

/* The normalization of one row in double, for those whose squares leave the range of a float. */
void rows_norm_wide(const rows_norm *p, const float *x, float *y, float *mean, float *inverse);

/* One per file of typed kernels. */
#define ROWS_TYPES_OF(with, constant, level) void rows_types_##level(rows_types *t);
ROWS_TYPES_OF(, C, c)
CPU_ALL_SIMD_LEVELS(ROWS_TYPES_OF, )
#undef ROWS_TYPES_OF

#endif
