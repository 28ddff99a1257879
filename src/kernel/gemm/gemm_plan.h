/* Shared by the files of gemm: how B is packed, and one piece of a product. */
#ifndef KERNEL_GEMM_PLAN_H
#define KERNEL_GEMM_PLAN_H

#include "base/size.h"
#include "kernel/gemm/gemm.h"
#include "kernel/kernel.h"

typedef enum gemm_form {
    GEMM_PANELS,  /* panels of nr columns one after another, each (k, width): width is nr; in the last panel
                    the remaining columns rounded up to full vectors, zero-padded */
    GEMM_COLUMNS, /* B transposed, (n, k): for so few columns that a vector of them would be mostly empty */
    GEMM_F16,     /* panels of 16-bit floats */
    GEMM_BF16,
    GEMM_S8,     /* panels of bytes, (q - zero) * scale */
    GEMM_S4,     /* panels of 4-bit numbers, two terms per byte */
    GEMM_BLOCKED /* blocks of a file, in place */
} gemm_form;

struct gemm_packed {
    size_t k, n, stride; /* stride: elements of one matrix, floats or 16-bit floats */
    gemm_form form;
    size_t block;          /* S8, S4: terms that share a scale and a zero point */
    bool centred;          /* all zero points are 0 */
    size_t scales, zeros;  /* their offsets in data: (panels, blocks, width) */
    block_kind kind;       /* GEMM_BLOCKED: the kind of its blocks, */
    const uint8_t *blocks; /* (n, row), and */
    size_t row;            /* the bytes of a column; `block` is a block's elements */
    _Alignas(64) float data[];
};

/* Whether the panels of B need no widening. */
static inline bool gemm_is_wide(const gemm_packed *p)
{
    return p->form == GEMM_PANELS || p->form == GEMM_COLUMNS;
}

/* B, or a block of it, as tiles read it: the panel of column j begins at at + (j - column) / nr * step, its
   first row is term `term`, and its rows are ldb apart (0: the width of the panel). */
typedef struct gemm_panels {
    const float *at;
    size_t step, ldb, column, term;
} gemm_panels;

/* A rectangle of C. */
typedef struct gemm_part {
    size_t row, rows, column, columns; /* column: a multiple of nr */
} gemm_part;

/* Whether n columns are so few that they are packed as GEMM_COLUMNS. */
static inline bool gemm_is_narrow(const gemm_kernels *t, size_t n)
{
    return n * 4 <= t->lanes;
}

/* A rectangle of a matrix to be packed. */
typedef struct gemm_pack_part {
    size_t term, terms, column, columns; /* column: a multiple of nr */
} gemm_pack_part;
/* The part of matrix *which that rows of memory (gemm_pack_rows) hold. */
gemm_pack_part gemm_pack_part_of(const gemm_packed *p, bool transposed, size_t first, size_t rows,
                                 size_t *which);

/* Bytes of a block for this many elements of B, followed by `extra` floats; returns false where that exceeds
   memory. */
bool gemm_packed_room(size_t k, size_t columns, size_t count, size_t element, size_t extra, size_t *bytes);

/* Widens terms k0 .. k0 + kc - 1 of narrow panels to floats; k0 is even, and so is kc except at the end. dst:
   panels of (kc, width), kc * nr apart. */
void gemm_widen_panels(const kernel_table *t, const gemm_packed *p, size_t which, size_t k0, size_t kc,
                       size_t first, size_t count, float *dst);

/* The tile that reads B in its packed form, or NULL; and the panel that begins at column j for it. */
gemm_thin_tile *gemm_thin_of(const gemm_kernels *t, const gemm_packed *p);
gemm_thin gemm_thin_panel(const gemm_packed *p, size_t which, size_t j);

#endif
