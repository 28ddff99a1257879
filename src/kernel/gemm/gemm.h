/* Products of float matrices: the tiles of each CPU level, and the driver that cuts a product into tiles.

   Strides are in elements. Operands and results do not overlap unless stated. */
#ifndef KERNEL_GEMM_H
#define KERNEL_GEMM_H

#include "base/cancel.h"
#include "base/pool.h"
#include "kernel/gemm/gemm_int.h"
#include "tensor/blocks.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Entries of a level ------------------------------------------------------------------------------- */

/* Max tile of any level. */
#define GEMM_MAX_MR 16
#define GEMM_MAX_NR 64

/* Rows of A that a tile prefetches. */
#define GEMM_AHEAD 2

/* c[i][j] = alpha * (sum over p < k of a[i][p] * b[p][j]) + from[i][j] */
typedef struct gemm_tile {
    size_t k;
    const float *a; /* (m, k), rows lda apart */
    size_t lda;
    const float *b; /* (k, n), rows ldb apart */
    size_t ldb;
    const float *from; /* (m, n), rows ldfrom apart (0: one row for all); may equal c; NULL: none */
    size_t ldfrom;
    float *c; /* (m, n), rows ldc apart */
    size_t ldc;
    float alpha;
    const float *ahead[GEMM_AHEAD]; /* (k) each: rows of A to prefetch for the next tiles; NULL: none */
} gemm_tile;

/* A panel of weights that are narrow in memory: its columns rounded up to full vectors, one term after
   another. */
typedef struct gemm_thin {
    const void *q;             /* (k, width) 16-bit floats or bytes, or two terms per byte as in widen_4 */
    size_t block;              /* of bytes: terms that share a scale and a zero point; even */
    const float *scale, *zero; /* (blocks, width); zero may be NULL: all are 0 */
    size_t row;                /* of blocks of tensor/blocks.h: bytes of a column, one after another in q */
} gemm_thin;
typedef void gemm_thin_tile(const gemm_tile *t, const gemm_thin *w, size_t m, size_t n);

typedef struct gemm_kernels {
    size_t mr, nr, lanes; /* rows and columns of a tile, floats in a vector; nr is a multiple of lanes */
    size_t kc;            /* terms of a sum per pass */
    size_t block;         /* floats of B that stay in the L2 cache */
    size_t thin;          /* max rows of A that one tile of narrow weights multiplies */

    /* tile[m]: a tile of m rows, 1 <= m <= mr, and n columns, 1 <= n <= nr; nothing beyond is read or
       written. Each element is summed in one float or a few, which do not depend on the element's column. */
    void (*tile[GEMM_MAX_MR + 1])(const gemm_tile *t, size_t n);

    /* One row by any n, of B in place: rows of B are read in pieces longer than a panel's. */
    void (*row)(const gemm_tile *t, size_t n);

    /* The same with B transposed, b: (n, k), rows ldb apart; any m and n. */
    void (*dot)(const gemm_tile *t, size_t m, size_t n);

    /* dst[p * width + j] = b[p * row + j * column] for p < k, j < n; 0 for n <= j < width. */
    void (*pack)(const float *b, size_t row, size_t column, size_t k, size_t n, size_t width, float *dst);

    /* dst[p * width + j] = (q[p][j] - zero[j]) * scale[j] for p < k, j < width; width is a multiple of lanes.
       q: bytes (k, width), or with widen_4 (k / 2 rounded up, width) with q[p] in the low half of the byte
       for even p, in the high one for odd p. */
    void (*widen_8)(const int8_t *q, const float *zero, const float *scale, size_t k, size_t width,
                    float *dst);
    void (*widen_4)(const int8_t *q, const float *zero, const float *scale, size_t k, size_t width,
                    float *dst);

    /* tile[m] for m <= thin with a panel of narrow weights in place of b: (q - zero) * scale, or 16-bit
       floats. NULL where widening first is as fast. */
    gemm_thin_tile *thin_f16, *thin_bf16, *thin_s8, *thin_s4;
    /* The same with blocks of each kind, which q has as they are in the file, (n, k / elements of a block). */
    gemm_thin_tile *thin_blocks[N_BLOCK_KINDS];
} gemm_kernels;

/* ---- Packing of B ------------------------------------------------------------------------------------- */

/* One or several B (k, n) in the order in which tiles read them: one block of memory, aligned to MEM_ALIGN.
   Each form has a function that gives its size in bytes (false: exceeds memory) and one that fills it. */
typedef struct gemm_packed gemm_packed;

/* Packs `count` matrices B[i] (k, n) at b + i * apart. */
bool gemm_packed_bytes(size_t k, size_t n, size_t count, size_t *bytes);
void gemm_pack(const float *b, size_t row, size_t column, size_t k, size_t n, size_t count, size_t apart,
               void *out);

/* The same from the rows of the matrices in memory, (n, k) where `transposed`, else (k, n): gemm_pack_begin
   first, then every row once, in any order. first: index of the first row, counted over all matrices; one
   call takes rows of one matrix only. first (within its matrix) and rows are multiples of gemm_pack_multiple,
   except at a matrix's end. */
size_t gemm_pack_multiple(bool transposed);
void gemm_pack_begin(size_t k, size_t n, void *out);
void gemm_pack_rows(const float *b, bool transposed, size_t first, size_t rows, void *out);

/* The same for 16-bit floats, which stay 16 bits wide in memory. bf16: bfloat16, else IEEE half. */
bool gemm_packed_half_bytes(size_t k, size_t n, size_t count, size_t *bytes);
void gemm_pack_half(bool bf16, const uint16_t *b, size_t row, size_t column, size_t k, size_t n, size_t count,
                    size_t apart, void *out);
void gemm_pack_half_begin(bool bf16, size_t k, size_t n, void *out);
void gemm_pack_half_rows(const uint16_t *b, bool transposed, size_t first, size_t rows, void *out);

/* Weights of few bits: B[p][j] = (q[j][p] - zero[j][p / block]) * scale[j][p / block]. */
typedef struct gemm_bits {
    size_t k, n, block; /* block: even */
    unsigned bits;      /* 2, 4 or 8 */
    const uint8_t *q;   /* (n, blocks, block * bits / 8), the lowest bits first */
    const float *scale; /* (n, blocks) */
    const float *zero;  /* (n, blocks) */
} gemm_bits;
bool gemm_packed_bits_bytes(const gemm_bits *b, size_t *bytes);
void gemm_pack_bits(const gemm_bits *b, void *out);
/* The same for 8 bits from rows of bytes; q is not read. is_signed: the bytes are 128 less than q would
   hold. */
void gemm_pack_bytes_begin(const gemm_bits *b, void *out);
void gemm_pack_bytes_rows(const uint8_t *q, bool is_signed, bool transposed, size_t first, size_t rows,
                          void *out);

/* Blocks of tensor/blocks.h stay where they are, B transposed: (n, k / elements of a block). Nothing is packed; `blocks`
   must outlive out (gemm_blocks_bytes). k is a multiple of a block's elements. */
size_t gemm_blocks_bytes(void);
void gemm_blocks_in_place(block_kind kind, const uint8_t *blocks, size_t k, size_t n, void *out);

/* ---- Products ----------------------------------------------------------------------------------------- */

/* How B is read where it is not packed. Sums differ in their last bits. */
typedef enum gemm_choice {
    GEMM_BY_SIZE,
    GEMM_DIRECT, /* in place, its columns contiguous */
    GEMM_DOTS,   /* in place, its rows contiguous, as those of A */
    GEMM_BLOCKS, /* packed block by block */
    GEMM_CHOICES
} gemm_choice;

/* C (m, n) = alpha * A (m, k) B (k, n) + from */
typedef struct gemm {
    size_t m, n, k;
    const float *a;
    size_t a_row, a_column;
    const float *b; /* ignored where packed is set */
    size_t b_row, b_column;
    const gemm_packed *packed;
    size_t which;      /* index among the packed matrices */
    const float *from; /* NULL: none; c: accumulates; rows from_row apart, 0: one row for all (a bias) */
    size_t from_row;
    float *c;
    size_t c_row;
    float alpha;
    gemm_choice choice; /* used where it can be */
    /* Called, where not NULL, for parts of C that are complete and still in the cache: rows x columns
       elements at c, each element once, on the thread that computed them. */
    void (*done)(void *context, float *c, size_t rows, size_t columns);
    void *context;
    const struct sib_cancel *cancel; /* may be NULL; once it is set the result is unspecified */
} gemm;

/* Whether a product can be computed in this way; false for GEMM_BY_SIZE. */
bool gemm_can(const gemm *g, gemm_choice choice);

/* Floats that gemm_run needs for a product of these sizes and strides; often 0. */
size_t gemm_scratch(const gemm *g);
/* Runs on the calling thread alone, so it may be part of another task. scratch: (gemm_scratch) floats,
   aligned as mem_alloc does; may be NULL where that is 0. */
void gemm_run(const gemm *g, float *scratch);

/* Offsets of matrix i of many, in elements from those of the gemm. */
typedef struct gemm_place {
    size_t a, b, c; /* b: added to `which` where B is packed */
} gemm_place;

/* Floats that gemm_run_all needs. */
size_t gemm_scratch_all(const gemm *g, size_t count, const sib_pool *pool);
/* `count` products that differ only in their places (NULL with count 1: no offsets), over the threads of a
   pool (may be NULL) where that pays. scratch: (gemm_scratch_all) floats, aligned as mem_alloc does. */
void gemm_run_all(const gemm *g, size_t count, const gemm_place *places, sib_pool *pool, float *scratch);

/* ---- Panels, for products within other kernels --------------------------------------------------------- */

/* Width of the panel that begins at column j of n. */
static inline size_t gemm_width(const gemm_kernels *t, size_t n, size_t j)
{
    size_t left = n - j;
    return left >= t->nr ? t->nr : (left + t->lanes - 1) / t->lanes * t->lanes;
}

/* Columns of all panels together. */
static inline size_t gemm_columns(const gemm_kernels *t, size_t n)
{
    size_t last = n ? (n - 1) / t->nr * t->nr : 0;
    return n ? last + gemm_width(t, n, last) : 0;
}

/* Packs panels first .. first + count - 1 of B (k, n). dst: where the first of them begins. */
void gemm_pack_panels(const gemm_kernels *t, const float *b, size_t row, size_t column, size_t k, size_t n,
                      size_t first, size_t count, float *dst);

#endif
