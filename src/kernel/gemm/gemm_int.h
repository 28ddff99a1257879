/* Products of matrices of bytes, exact in int32 (overflow wraps).

   Whatever the bytes' signedness, tiles take A as 0 .. 255 and B as -128 .. 127: where needed, elements and
   zero points are shifted by 128. Then

       sum (a - za) (b - zb) = sum a b - zb * sum a - za * sum b + k za zb. */
#ifndef KERNEL_GEMM_INT_H
#define KERNEL_GEMM_INT_H

#include "base/cancel.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Entries of a level ------------------------------------------------------------------------------- */

#define GEMM_INT_MAX_MR 12
#define GEMM_INT_MAX_NR 32

/* c[i][j] = sum over p of a[i][p] * b[p][j] */
typedef struct gemm_int_tile {
    size_t groups; /* of terms */
    const void *a; /* (m, groups * group), rows lda elements apart */
    size_t lda;
    const int8_t *b; /* (groups, nr, group) */
    int32_t *c;      /* (m, n), rows ldc apart */
    size_t ldc;
} gemm_int_tile;

typedef struct gemm_int_kernels {
    size_t mr, nr;  /* rows and columns of a tile */
    size_t group;   /* terms that one instruction multiplies and adds, a power of 2 */
    size_t element; /* bytes of an element of A: 1: uint8, 2: int16 */
    size_t block;   /* bytes of B that stay in the L2 cache */

    /* tile[m]: m rows, 1 <= m <= mr, and n columns, 1 <= n <= nr; no other element of c is written. */
    void (*tile[GEMM_INT_MAX_MR + 1])(const gemm_int_tile *t, size_t n);
} gemm_int_kernels;

/* ---- Products ----------------------------------------------------------------------------------------- */

/* One or several B (k, n) in the order in which tiles read them, with the sums of the columns: one block
   of memory, aligned to MEM_ALIGN. */
typedef struct gemm_int_packed gemm_int_packed;

/* Bytes of `count` of them; returns false where that exceeds memory. */
bool gemm_int_packed_bytes(size_t k, size_t n, size_t count, size_t *bytes);
/* Packs `count` matrices B[i] (k, n) at b + i * apart. */
void gemm_int_pack(const void *b, bool is_signed, size_t row, size_t column, size_t k, size_t n, size_t count,
                   size_t apart, void *out);

/* C (m, n) = (A - a_zero) (B - b_zero) */
typedef struct gemm_int {
    size_t m, n, k;
    const void *a; /* bytes */
    size_t a_row, a_column;
    bool a_signed;
    const int32_t *a_zero; /* one, or one per row with a_zero_each */
    bool a_zero_each;
    const void *b; /* ignored where packed is set */
    size_t b_row, b_column;
    bool b_signed;
    const int32_t *b_zero; /* one, or one per column with b_zero_each */
    bool b_zero_each;
    const gemm_int_packed *packed;
    size_t which;
    int32_t *c;
    size_t c_row;
    /* As gemm.done: rows x columns elements at c are complete. */
    void (*done)(void *context, int32_t *c, size_t rows, size_t columns);
    void *context;
    const struct sib_cancel *cancel; /* may be NULL */
} gemm_int;

/* Offsets of matrix i of many, in elements; b: in matrices, where B is packed. */
typedef struct gemm_int_place {
    size_t a, b, c;
} gemm_int_place;

/* Bytes that gemm_int_run_all needs. */
size_t gemm_int_scratch(const gemm_int *g, size_t count, const sib_pool *pool);
/* `count` products that differ only in their places (NULL with count 1), over the threads of a pool where
   that pays; with pool NULL it may be part of another task. scratch: (gemm_int_scratch) bytes, aligned as
   mem_alloc does. */
void gemm_int_run_all(const gemm_int *g, size_t count, const gemm_int_place *places, sib_pool *pool,
                      void *scratch);

#endif
