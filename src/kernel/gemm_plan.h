/* What the files of gemm share: how B stands packed, and one piece of a product. */
#ifndef KERNEL_GEMM_PLAN_H
#define KERNEL_GEMM_PLAN_H

#include "base/size.h"
#include "kernel/gemm.h"
#include "kernel/kernel.h"

typedef enum gemm_form {
    GEMM_PANELS, /* panels of nr columns one after another, each (k, width): width is nr, and in the last one that many
                    whole vectors as hold what is left, with zeros at the end */
    GEMM_COLUMNS /* B transposed, (n, k): for so few columns that a vector of them would be mostly empty */
} gemm_form;

struct gemm_packed {
    size_t k, n, stride; /* stride: floats of one matrix */
    gemm_form form;
    _Alignas(64) float data[];
};

/* B, or a block of it, as tiles read it: the panel of column j begins at at + (j - column) / nr * step with the row of
   term `term`, its rows ldb apart (0: the width of the panel). */
typedef struct gemm_panels {
    const float *at;
    size_t step, ldb, column, term;
} gemm_panels;

/* A rectangle of C. */
typedef struct gemm_part {
    size_t row, rows, column, columns; /* column: a multiple of nr */
} gemm_part;

/* Whether so few columns are packed as GEMM_COLUMNS. */
static inline bool gemm_is_narrow(const gemm_kernels *t, size_t n)
{
    return n * 4 <= t->lanes;
}

/* Width of the panel that begins at column j of n. */
static inline size_t gemm_width(const gemm_kernels *t, size_t n, size_t j)
{
    size_t left = n - j;
    return left >= t->nr ? t->nr : size_ceil_div(left, t->lanes) * t->lanes;
}

/* Packs panels first .. first + count - 1 of B (k, n), which begin at dst. */
void gemm_pack_panels(const gemm_kernels *t, const float *b, size_t row, size_t column, size_t k, size_t n,
                      size_t first, size_t count, float *dst);

#endif
