/* out[b, i, j] = sum over k of a[b, i, k] b[b, k, j], by tiles: of floats in float32, of integers of up to 32
   bits modulo 2^32, each less its zero point. b may be of few bits, packed from the lowest on, in rows of k: (q - zero)
   scale, with a scale and a zero point for each block of a row.

   Buffers: 0 a, 1 b, 2 out; 3 scales of b, or zero points of a; 4 zero points of b; 5 what is added to
   the result, c_row and c_column apart. Strides are in elements. Results narrower than a word have an even n. */
#ifndef GPU_KERNELS_MATMUL_H
#define GPU_KERNELS_MATMUL_H

#define MATMUL_A_ZERO    1u /* a has zero points, a_zero apart */
#define MATMUL_B_ZERO    2u /* b has, b_zero apart; of few bits they are packed like b */
#define MATMUL_REAL_ZERO 4u /* those of few bits are floats of the scales' type */
#define MATMUL_BIAS      8u
#define MATMUL_SCALED    16u /* the product is times alpha, what is added times beta */

#include "gpu/dialect/args.h"
#include "gpu/kernels/tile.h"
/* Batch z is batch (z / inner, z % inner), for two levels of leading dims that either operand may repeat. bits: of
   an element of b, 0 where it has b_type; b_row is then bytes of a row, blocks the blocks in it, and zero_row
   the bytes of its zero points. */
KERNEL_ARGS(matmul, u32 type; u32 m; u32 n; u32 k; u32 inner; u32 a_outer; u32 a_inner; u32 a_row;
            u32 a_column; u32 b_outer; u32 b_inner; u32 b_row; u32 b_column; u32 a_type; u32 b_type;
            u32 flags; u32 a_zero; u32 b_zero; u32 bits; u32 block; u32 blocks; u32 zero_row; u32 c_row;
            u32 c_column; f32 alpha; f32 beta;)

#ifdef GPU_DIALECT
#define THREADS TILE_THREADS

/* Number i of `bits` bits in the word of its byte `at`. */
FN u32 matmul_bits(u32 word, u32 at, u32 i, u32 bits)
{
    return (word >> (8u * (at & 3u) + i % (8u / bits) * bits)) & ((1u << bits) - 1u);
}

KERNEL(matmul)
{
    PRIVATE(u32, sums, TILE_OWN * TILE_OWN); /* bits of float32, or integers */
    u32 row = GROUP_Y * TILE_SIDE, column = GROUP_X * TILE_SIDE;
    u32 outer = GROUP_Z / args.inner, inner = GROUP_Z % args.inner;
    u32 a_begin = outer * args.a_outer + inner * args.a_inner;
    u32 b_begin = outer * args.b_outer + inner * args.b_inner;
    bool integers = args.type == T_I32;
    EACH_THREAD
    {
        for (u32 i = 0u; i < TILE_OWN * TILE_OWN; i++)
            MINE(sums, i) = 0u;
    }
    BARRIER;
    for (u32 from = 0u; from < args.k; from += TILE_DEEP) {
        EACH_THREAD
        {
            for (u32 i = thread; i < TILE_SIDE * TILE_DEEP; i += THREADS) {
                u32 ak = i % TILE_DEEP, ai = row + i / TILE_DEEP, a = 0u, b = 0u;
                /* rows of few bits are neighbours along k */
                u32 bk = args.bits != 0u ? i % TILE_DEEP : i / TILE_SIDE;
                u32 bj = args.bits != 0u ? i / TILE_DEEP : i % TILE_SIDE, j = column + bj, k = from + bk;
                if (ai < args.m && from + ak < args.k) {
                    a = LOAD(0, args.a_type, a_begin + ai * args.a_row + (from + ak) * args.a_column);
                    if ((args.flags & MATMUL_A_ZERO) != 0u)
                        a = a - LOAD(3, args.a_type, ai * args.a_zero);
                }
                if (j < args.n && k < args.k && args.bits == 0u) {
                    b = LOAD(1, args.b_type, b_begin + k * args.b_row + j * args.b_column);
                    if ((args.flags & MATMUL_B_ZERO) != 0u)
                        b = b - LOAD(4, args.b_type, j * args.b_zero);
                } else if (j < args.n && k < args.k) {
                    u32 at = j * args.b_row + k * args.bits / 8u, g = k / args.block;
                    u32 zero_at = j * args.zero_row + g * args.bits / 8u;
                    f32 zero = F32(1u << (args.bits - 1u));
                    if ((args.flags & MATMUL_REAL_ZERO) != 0u)
                        zero = LOAD_F32(4, args.b_type, j * args.blocks + g);
                    else if ((args.flags & MATMUL_B_ZERO) != 0u)
                        zero = F32(matmul_bits(WORD(4, zero_at >> 2), zero_at, g, args.bits));
                    b = f32_to_bits((F32(matmul_bits(WORD(1, at >> 2), at, k, args.bits)) - zero) *
                                    LOAD_F32(3, args.b_type, j * args.blocks + g));
                }
                SHARED_SET(tile_a, ak * TILE_SIDE + i / TILE_DEEP, a);
                SHARED_SET(tile_b, bk * TILE_SIDE + bj, b);
            }
        }
        BARRIER;
        EACH_THREAD
        {
            if (integers)
                TILE_WHOLE_PRODUCT(sums);
            else
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
                u32 sum = MINE(sums, i * TILE_OWN + j);
                bool scaled = (args.flags & MATMUL_SCALED) != 0u;
                if (scaled)
                    sum = f32_to_bits(args.alpha * bits_to_f32(sum));
                if ((args.flags & MATMUL_BIAS) != 0u)
                    sum = f32_to_bits(
                        bits_to_f32(sum) +
                        (scaled ? args.beta : 1.0f) *
                            LOAD_F32(5, args.type, (y + i) * args.c_row + (x + j) * args.c_column));
                PUT(2, args.type, word, to, sum);
            }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
