/* The tiles of gemm_int.h over these vector operations of simd/int_*.h:

       vi, VI_LANES            a vector of int32 and how many it holds
       VI_GROUP, VI_ELEMENT    terms that vi_dot adds up, bytes of an element of A
       vi_zero()
       vi_left(a)              VI_GROUP elements of A at a in every lane
       vi_right(b)             VI_GROUP bytes of B for each lane: (VI_LANES, VI_GROUP)
       vi_dot(sum, l, r)       sum + the products of a lane's terms, exactly
       vi_store(p, v)

   and GEMM_INT_MR, GEMM_INT_NV (vectors in a tile row) and GEMM_INT_BLOCK of kernel/levels. */
#include "kernel/gemm/gemm_int_fill.h"
#include "kernel/kernel.h"

#include <string.h>

#define GEMM_INT_NR (GEMM_INT_NV * VI_LANES)
#define UNROLL      _Pragma("GCC unroll 32")
#define INLINE      static inline __attribute__((always_inline))

_Static_assert(GEMM_INT_MR <= GEMM_INT_MAX_MR && GEMM_INT_NR <= GEMM_INT_MAX_NR,
               "the tile is within what callers hold");

/* m rows, nv vectors: constants where this is inlined. */
INLINE void int_tile_of(const gemm_int_tile *t, size_t n, const int m, const int nv)
{
    vi sum[GEMM_INT_MR][GEMM_INT_NV];
    const char *group[(GEMM_INT_MR + 2) / 3]; /* rows in threes: see gemm.inc.h */
    const size_t lda = t->lda * VI_ELEMENT;
    const int8_t *b = t->b;
    UNROLL for (int i = 0; i < m; i++) UNROLL for (int j = 0; j < nv; j++) sum[i][j] = vi_zero();
    UNROLL for (int g = 0; g < (m + 2) / 3; g++) group[g] = (const char *)t->a + (size_t)(3 * g) * lda;
    for (size_t p = t->groups; p; p--, b += GEMM_INT_NR * VI_GROUP) {
        vi right[GEMM_INT_NV];
        __builtin_prefetch(b + 16 * GEMM_INT_NR * VI_GROUP);
        UNROLL for (int j = 0; j < nv; j++) right[j] = vi_right(b + j * VI_LANES * VI_GROUP);
        UNROLL for (int i = 0; i < m; i++)
        {
            vi left = vi_left(group[i / 3] + (size_t)(i % 3) * lda);
            UNROLL for (int j = 0; j < nv; j++) sum[i][j] = vi_dot(sum[i][j], left, right[j]);
        }
        UNROLL for (int g = 0; g < (m + 2) / 3; g++) group[g] += VI_GROUP * VI_ELEMENT;
    }
    int32_t *c = t->c;
    UNROLL for (int i = 0; i < m; i++, c += t->ldc)
    {
        if (n == (size_t)nv * VI_LANES) {
            UNROLL for (int j = 0; j < nv; j++) vi_store(c + j * VI_LANES, sum[i][j]);
            continue;
        }
        int32_t row[GEMM_INT_NR];
        UNROLL for (int j = 0; j < nv; j++) vi_store(row + j * VI_LANES, sum[i][j]);
        memcpy(c, row, n * sizeof *c);
    }
}

INLINE void int_tile_any(const gemm_int_tile *t, size_t n, const int m)
{
    UNROLL for (int nv = 1; nv <= GEMM_INT_NV; nv++) if ((n + VI_LANES - 1) / VI_LANES == (size_t)nv)
        int_tile_of(t, n, m, nv);
}

#define TILE(m)                                                                                              \
    static void int_tile_##m(const gemm_int_tile *t, size_t n)                                               \
    {                                                                                                        \
        int_tile_any(t, n, m);                                                                               \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
#if GEMM_INT_MR >= 6
TILE(5)
TILE(6)
#endif
#if GEMM_INT_MR >= 12
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
#endif

#ifdef BYTES_BY_CPU
#define GEMM_INT_FILL SIMD_NAME(gemm_int_fill)
#else
#define GEMM_INT_FILL SIMD_NAME(gemm_int_init)
#endif

void GEMM_INT_FILL(gemm_int_kernels *k)
{
    *k = (gemm_int_kernels){
        .mr = GEMM_INT_MR,
        .nr = GEMM_INT_NR,
        .group = VI_GROUP,
        .element = VI_ELEMENT,
        .block = GEMM_INT_BLOCK,
        .tile =
            {
                NULL,
                int_tile_1,
                int_tile_2,
                int_tile_3,
                int_tile_4,
#if GEMM_INT_MR >= 6
                int_tile_5,
                int_tile_6,
#endif
#if GEMM_INT_MR >= 12
                int_tile_7,
                int_tile_8,
                int_tile_9,
                int_tile_10,
                int_tile_11,
                int_tile_12,
#endif
            },
    };
}
