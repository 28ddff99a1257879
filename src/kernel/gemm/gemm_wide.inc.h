/* The panels of gemm_wide.h; WIDE_BYTES of kernel/levels: the bytes of a vector.

   Uses the compiler's vector types; a product and a sum of doubles are rounded separately. */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/gemm/gemm_wide.h"
#include "kernel/kernel.h"

#include <string.h>

#define WIDE_ROWS 4 /* rows of a tile, of two vectors each */

/* Defines NAME: the columns of a panel for elements of `type`. */
#define WIDE_PANEL(name, type)                                                                               \
    typedef type name##_vector __attribute__((vector_size(WIDE_BYTES), aligned(sizeof(type)), may_alias));   \
    static inline __attribute__((always_inline)) void name##_rows(const gemm_wide *g, size_t row, int m,     \
                                                                  const type *b, type *c, size_t n)          \
    {                                                                                                        \
        enum { LANES = WIDE_BYTES / sizeof(type), WIDTH = 2 * LANES };                                       \
        name##_vector sum[WIDE_ROWS][2] = {{{0}}};                                                           \
        const type *a = (const type *)g->a + row * g->a_row;                                                 \
        for (size_t p = 0; p < g->k; p++, b += WIDTH, a += g->a_column) {                                    \
            name##_vector left = *(const name##_vector *)b, right = *(const name##_vector *)(b + LANES);     \
            for (int i = 0; i < m; i++) {                                                                    \
                sum[i][0] += a[(size_t)i * g->a_row] * left;                                                 \
                sum[i][1] += a[(size_t)i * g->a_row] * right;                                                \
            }                                                                                                \
        }                                                                                                    \
        for (int i = 0; i < m; i++)                                                                          \
            memcpy(c + (size_t)i * g->n, sum[i], n * sizeof(type));                                          \
    }                                                                                                        \
    static void name(const gemm_wide *g, size_t panel, void *scratch)                                        \
    {                                                                                                        \
        enum { WIDTH = 2 * WIDE_BYTES / sizeof(type) };                                                      \
        type *packed = scratch, *c = (type *)g->c + panel * WIDTH;                                           \
        size_t n = size_min(WIDTH, g->n - panel * WIDTH), row = 0;                                           \
        const type *b = (const type *)g->b + panel * WIDTH * g->b_column;                                    \
        for (size_t p = 0; p < g->k; p++)                                                                    \
            for (size_t j = 0; j < WIDTH; j++)                                                               \
                packed[p * WIDTH + j] = j < n ? b[p * g->b_row + j * g->b_column] : 0;                       \
        for (; row + WIDE_ROWS <= g->m; row += WIDE_ROWS)                                                    \
            name##_rows(g, row, WIDE_ROWS, packed, c + row * g->n, n);                                       \
        for (; row < g->m; row++)                                                                            \
            name##_rows(g, row, 1, packed, c + row * g->n, n);                                               \
    }

WIDE_PANEL(panel_f64, double)
WIDE_PANEL(panel_u64, uint64_t)
WIDE_PANEL(panel_u32, uint32_t)

void SIMD_NAME(gemm_wide_init)(gemm_wide_kernels *k)
{
    *k = (gemm_wide_kernels){.bytes = 2 * WIDE_BYTES, .f64 = panel_f64, .u64 = panel_u64, .u32 = panel_u32};
}
