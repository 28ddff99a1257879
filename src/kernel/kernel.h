/* The kernels of this machine, behind one table. kernel_c.c fills every entry with plain C, which says what
   the entry means; a CPU level then overwrites what it has faster. tests/kernel/test_kernels.c takes the
   entries of every level that runs and holds them against the portable ones.

   Pointers need the alignment of their element only. Arrays of one call do not overlap, except that x and y
   of an elementwise entry may be the same array. No entry allocates or fails; n = 0 does nothing. */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/cpu.h"
#include "kernel/families.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest tile of any level. */
#define KERNEL_MAX_MR 16
#define KERNEL_MAX_NR 64

/* dst[i] = src[i] as float, exactly (NaN: quieted, sign and payload kept). src: (n) 16-bit values. */
typedef void (*kernel_widen)(const void *src, float *dst, size_t n);
/* dst[i] = src[i] to nearest, ties to even; overflow to infinity; NaN quieted, sign and high payload kept. */
typedef void (*kernel_narrow)(const float *src, void *dst, size_t n);

typedef struct kernel_table {
    cpu_level level;

    /* ---- Matrix product: C (M, N) += A (M, K) B (K, N) in tiles of mr x nr -------------------------- */

    size_t mr, nr; /* rows and columns of a tile */
    size_t kc;     /* rows of B in a block, chosen so that kc * nr floats stay in the first cache */

    /* dst[p * mr + i] = a[i * lda + p] for p < k, i < m; 0 for m <= i < mr.
       a: (m <= mr, k), rows lda apart; dst: (k, mr). */
    void (*gemm_pack_a)(const float *a, size_t lda, size_t m, size_t k, float *dst);

    /* One row of B into panels of nr columns, `panel` floats apart:
       dst[(j / nr) * panel + j % nr] = row[j * step] for j < n; 0 in the rest of the last panel.
       row: ((n - 1) * step + 1) readable; step >= 1. */
    void (*gemm_pack_b_row)(const float *row, size_t step, size_t n, float *dst, size_t panel);

    /* c[i * ldc + j] = (add ? c[i * ldc + j] : 0) + sum over p of a[p * mr + i] * b[p * nr + j], the sum in
       one float per element, p upward from +0, so that it does not depend on the place of the element.
       a: (k, mr), b: (k, nr), c: (mr, nr) rows ldc apart. */
    void (*gemm_tile)(size_t k, const float *a, const float *b, float *c, size_t ldc, bool add);

    /* ---- Elementwise; the value at i does not depend on i or n --------------------------------------- */

    kernel_widen widen_f16, widen_bf16;
    kernel_narrow narrow_f16, narrow_bf16;

    /* y[i] = erf(x[i]): relative error below 1.3e-7, exact at 0 (sign kept), +-infinity and from |x| 3.92 on. */
    void (*erf_f32)(const float *x, float *y, size_t n);
    /* y[i] = x[i] + bias; bias -0.0f changes nothing. */
    void (*bias_f32)(const float *x, float bias, float *y, size_t n);
    /* With v = x[i] + bias: y[i] = v (1 + erf(v / sqrt 2)) / 2, relative error below 6e-7 + 1e-7 v^2 (what
       half a unit of v makes); 0 below v = -13, NaN at -infinity, where the formula has 0 times infinity. */
    void (*bias_gelu_f32)(const float *x, float bias, float *y, size_t n);

    /* ---- What the machine can do ---------------------------------------------------------------------- */

    /* `rounds` rounds of fma_flops operations (an FMA counts two) in independent chains, none of which can
       be left out or folded where the caller uses what comes back. */
    float (*fma_rounds)(size_t rounds, float factor, float term);
    size_t fma_flops;
    /* Reads n floats once, in order; what comes back depends on each of them. */
    float (*read_f32)(const float *x, size_t n);

    /* ---- The families --------------------------------------------------------------------------------- */

#define SIB_KERNELS(name) name##_kernels name;
#include "kernel/families.def"
#undef SIB_KERNELS
} kernel_table;

/* Fills *t for `level`, which must run here. */
void kernel_table_init(kernel_table *t, cpu_level level);

/* The table of cpu_level_chosen(), filled at the first call. Thread-safe. */
const kernel_table *kernel_table_get(void);

/* One for each file that fills entries. */
void kernel_init_c(kernel_table *t);
void kernel_init_avx2(kernel_table *t);
void kernel_init_avx512(kernel_table *t);
void kernel_init_neon(kernel_table *t);
#define SIB_KERNELS(name)                                                                                    \
    void name##_init_c(name##_kernels *k);                                                                   \
    void name##_init_avx2(name##_kernels *k);                                                                \
    void name##_init_avx512(name##_kernels *k);                                                              \
    void name##_init_neon(name##_kernels *k);
#include "kernel/families.def"
#undef SIB_KERNELS

#endif
