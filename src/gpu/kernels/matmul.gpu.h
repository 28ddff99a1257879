/* out[b, i, j] = sum over k of a[b, i, k] b[b, k, j], in float32. A group makes MATMUL_TILE x MATMUL_TILE
   elements, each thread MATMUL_OWN x MATMUL_OWN of them in registers; MATMUL_DEEP columns of a and rows of b
   at a time are shared.

   Buffers: 0 a, 1 b, 2 out, of one type; strides are in elements. Results narrower than a word have an even
   n. */
#ifndef GPU_KERNELS_MATMUL_H
#define GPU_KERNELS_MATMUL_H

#define MATMUL_TILE    32u
#define MATMUL_OWN     4u
#define MATMUL_DEEP    16u
#define MATMUL_THREADS 64u

#include "gpu/dialect/args.h"
/* Batch z is batch (z / inner, z % inner), for two levels of leading dims that either operand may repeat. */
KERNEL_ARGS(matmul, u32 type; u32 m; u32 n; u32 k; u32 inner; u32 a_outer; u32 a_inner; u32 a_row;
            u32 a_column; u32 b_outer; u32 b_inner; u32 b_row; u32 b_column;)

#ifdef GPU_DIALECT
#define THREADS MATMUL_THREADS

SHARED(f32, matmul_a, MATMUL_TILE *MATMUL_DEEP)
SHARED(f32, matmul_b, MATMUL_TILE *MATMUL_DEEP)

KERNEL(matmul)
{
    PRIVATE(f32, sums, MATMUL_OWN * MATMUL_OWN);
    u32 row = GROUP_Y * MATMUL_TILE, column = GROUP_X * MATMUL_TILE, side = MATMUL_TILE / MATMUL_OWN;
    u32 outer = GROUP_Z / args.inner, inner = GROUP_Z % args.inner;
    u32 a_begin = outer * args.a_outer + inner * args.a_inner;
    u32 b_begin = outer * args.b_outer + inner * args.b_inner;
    EACH_THREAD
    {
        for (u32 i = 0u; i < MATMUL_OWN * MATMUL_OWN; i++)
            MINE(sums, i) = 0.0f;
    }
    BARRIER;
    for (u32 from = 0u; from < args.k; from += MATMUL_DEEP) {
        EACH_THREAD
        {
            for (u32 i = thread; i < MATMUL_TILE * MATMUL_DEEP; i += THREADS) {
                u32 ak = i % MATMUL_DEEP, ai = i / MATMUL_DEEP, bj = i % MATMUL_TILE, bk = i / MATMUL_TILE;
                bool has_a = row + ai < args.m && from + ak < args.k;
                bool has_b = from + bk < args.k && column + bj < args.n;
                u32 a = a_begin + (row + ai) * args.a_row + (from + ak) * args.a_column;
                u32 b = b_begin + (from + bk) * args.b_row + (column + bj) * args.b_column;
                SHARED_SET(matmul_a, ak * MATMUL_TILE + ai, has_a ? LOAD_F32(0, args.type, a) : 0.0f);
                SHARED_SET(matmul_b, i, has_b ? LOAD_F32(1, args.type, b) : 0.0f);
            }
        }
        BARRIER;
        EACH_THREAD
        {
            u32 y = thread / side * MATMUL_OWN, x = thread % side * MATMUL_OWN;
            for (u32 k = 0u; k < MATMUL_DEEP; k++)
                for (u32 i = 0u; i < MATMUL_OWN; i++)
                    for (u32 j = 0u; j < MATMUL_OWN; j++)
                        MINE(sums, i * MATMUL_OWN + j) = MADD(SHARED_GET(matmul_a, k * MATMUL_TILE + y + i),
                                                              SHARED_GET(matmul_b, k * MATMUL_TILE + x + j),
                                                              MINE(sums, i * MATMUL_OWN + j));
        }
        BARRIER;
    }
    EACH_THREAD
    {
        u32 y = row + thread / side * MATMUL_OWN, x = column + thread % side * MATMUL_OWN, word = 0u;
        u32 last = (1u << type_shift(args.type)) - 1u;
        for (u32 i = 0u; i < MATMUL_OWN && y + i < args.m; i++)
            for (u32 j = 0u; j < MATMUL_OWN && x + j < args.n; j++) {
                u32 to = (GROUP_Z * args.m + y + i) * args.n + x + j;
                word = encode(args.type, f32_to_bits(MINE(sums, i * MATMUL_OWN + j)), to) |
                       ((to & last) == 0u ? 0u : word);
                if ((to & last) == last)
                    SET_WORD(2, to >> type_shift(args.type), word);
            }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
