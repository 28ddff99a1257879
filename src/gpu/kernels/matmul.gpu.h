/* out[b, i, j] = sum over k of a[b, i, k] b[b, k, j], in float32, by tiles.

   Buffers: 0 a, 1 b, 2 out, of one type; strides are in elements. Results narrower than a word have an even
   n. */
#ifndef GPU_KERNELS_MATMUL_H
#define GPU_KERNELS_MATMUL_H

#include "gpu/dialect/args.h"
#include "gpu/kernels/tile.h"
/* Batch z is batch (z / inner, z % inner), for two levels of leading dims that either operand may repeat. */
KERNEL_ARGS(matmul, u32 type; u32 m; u32 n; u32 k; u32 inner; u32 a_outer; u32 a_inner; u32 a_row;
            u32 a_column; u32 b_outer; u32 b_inner; u32 b_row; u32 b_column;)

#ifdef GPU_DIALECT
#define THREADS TILE_THREADS

KERNEL(matmul)
{
    PRIVATE(f32, sums, TILE_OWN * TILE_OWN);
    u32 row = GROUP_Y * TILE_SIDE, column = GROUP_X * TILE_SIDE;
    u32 outer = GROUP_Z / args.inner, inner = GROUP_Z % args.inner;
    u32 a_begin = outer * args.a_outer + inner * args.a_inner;
    u32 b_begin = outer * args.b_outer + inner * args.b_inner;
    EACH_THREAD
    {
        for (u32 i = 0u; i < TILE_OWN * TILE_OWN; i++)
            MINE(sums, i) = 0.0f;
    }
    BARRIER;
    for (u32 from = 0u; from < args.k; from += TILE_DEEP) {
        EACH_THREAD
        {
            for (u32 i = thread; i < TILE_SIDE * TILE_DEEP; i += THREADS) {
                u32 ak = i % TILE_DEEP, ai = i / TILE_DEEP, bj = i % TILE_SIDE, bk = i / TILE_SIDE;
                bool has_a = row + ai < args.m && from + ak < args.k;
                bool has_b = from + bk < args.k && column + bj < args.n;
                u32 a = a_begin + (row + ai) * args.a_row + (from + ak) * args.a_column;
                u32 b = b_begin + (from + bk) * args.b_row + (column + bj) * args.b_column;
                SHARED_SET(tile_a, ak * TILE_SIDE + ai, has_a ? LOAD_F32(0, args.type, a) : 0.0f);
                SHARED_SET(tile_b, i, has_b ? LOAD_F32(1, args.type, b) : 0.0f);
            }
        }
        BARRIER;
        EACH_THREAD
        {
            TILE_PRODUCT(sums);
        }
        BARRIER;
    }
    EACH_THREAD
    {
        u32 y = row + TILE_Y, x = column + TILE_X, word = 0u;
        for (u32 i = 0u; i < TILE_OWN && y + i < args.m; i++)
            for (u32 j = 0u; j < TILE_OWN && x + j < args.n; j++) {
                u32 to = (GROUP_Z * args.m + y + i) * args.n + x + j;
                PUT_F32(2, args.type, word, to, MINE(sums, i * TILE_OWN + j));
            }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
