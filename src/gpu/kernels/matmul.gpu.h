/* out[b, i, j] = sum over k of a[b, i, k] b[b, k, j], by tiles: of floats in float32, of integers of up to 32
   bits modulo 2^32, each less its zero point. b may be of few bits, packed from the lowest on, in rows of k: (q - zero)
   scale, with a scale and a zero point for each block of a row.

   Buffers: 0 a, 1 b, 2 out; 3 scales of b, or zero points of a; 4 zero points of b; 5 what is added to
   the result, c_row and c_column apart. Strides are in elements. Results narrower than a word have an even n. What
   follows: finish.h. */
#ifndef GPU_KERNELS_MATMUL_H
#define GPU_KERNELS_MATMUL_H

#define MATMUL_A_ZERO    1u /* a has zero points, a_zero apart */
#define MATMUL_B_ZERO    2u /* b has, b_zero apart; of few bits they are packed like b */
#define MATMUL_REAL_ZERO 4u /* those of few bits are floats of the scales' type */
#define MATMUL_BIAS      8u
#define MATMUL_SCALED    16u /* the product is times alpha, what is added times beta */

#include "gpu/dialect/args.h"
#include "gpu/kernels/finish.h"
#include "gpu/kernels/tile.h"
/* Batch z is batch (z / inner, z % inner), for two levels of leading dims that either operand may repeat. bits: of
   an element of b, 0 where it has b_type; b_row is then bytes of a row, blocks the blocks in it, and zero_row
   the bytes of its zero points. */
KERNEL_ARGS(matmul, u32 type; u32 m; u32 n; u32 k; u32 inner; u32 a_outer; u32 a_inner; u32 a_row;
            u32 a_column; u32 b_outer; u32 b_inner; u32 b_row; u32 b_column; u32 a_type; u32 b_type;
            u32 flags; u32 a_zero; u32 b_zero; u32 bits; u32 block; u32 blocks; u32 zero_row; u32 c_row;
            u32 c_column; f32 alpha; f32 beta; u32 finish;)

#ifdef GPU_DIALECT
#define THREADS          TILE_THREADS
#define RUN              4u
#define FINISH_SET(i, w) SET_WORD(2, i, w)

/* `bits` bits of the word of byte `at`, from bit `i` behind that byte's first on. */
FN u32 matmul_bits(u32 word, u32 at, u32 i, u32 bits)
{
    return (word >> (8u * (at & 3u) + i)) & ((1u << bits) - 1u);
}

/* The thread's run i of b, along k where its columns lie in memory (deep_b): its place in the tile and in memory, and how
   many elements exist. */
#define MATMUL_B_RUN(i)                                                                                      \
    u32 run = thread + (i)*THREADS, bk = deep_b ? run % (TILE_DEEP / 4u) * 4u : run / (TILE_SIDE / 4u);      \
    u32 bx = deep_b ? run / (TILE_DEEP / 4u) : run % (TILE_SIDE / 4u) * 4u;                                  \
    bool b_inside = deep_b ? column + bx < args.n : from + bk < args.k;                                      \
    u32 b_first = deep_b ? from + bk : column + bx;                                                          \
    u32 bn = b_inside ? run_within(b_first, deep_b ? args.k : args.n) : 0u;
#define MATMUL_B_AT (b_begin + (from + bk) * args.b_row + (column + bx) * args.b_column)
/* Of few bits it is in one word and one block: the bytes of its first number and of its zero point, and its scale. */
#define MATMUL_BITS_RUN                                                                                      \
    u32 block = (from + bk) / args.block, scale_at = (column + bx) * args.blocks + block;                    \
    u32 bits_at = (column + bx) * args.b_row + (from + bk) * args.bits / 8u;                                 \
    u32 zero_at = (column + bx) * args.zero_row + block * args.bits / 8u;

KERNEL(matmul)
{
    PRIVATE(u32, sums, TILE_SUMS); /* bits of float32, or integers */
    u32 row = GROUP_Y * TILE_SIDE, column = GROUP_X * TILE_SIDE;
    u32 outer = GROUP_Z / args.inner, inner = GROUP_Z % args.inner;
    u32 a_begin = outer * args.a_outer + inner * args.a_inner;
    u32 b_begin = outer * args.b_outer + inner * args.b_inner;
    u32 stretches = (args.k + TILE_DEEP - 1u) / TILE_DEEP;
    bool integers = args.type == T_I32, few_bits = args.bits != 0u;
    bool deep_b = few_bits || args.b_column != 1u;
    u32 b_step = deep_b ? args.b_row : args.b_column;
    u32 a_shift = type_shift(args.a_type), b_shift = type_shift(args.b_type);
    bool plain = integers, again = true;
    while (again) {
        TILE_BEGIN(sums)
        ROLLED
        for (u32 turn = 0u; turn <= stretches;
             turn++) { /* fetches stretch `turn` and multiplies the one before */
            EACH_THREAD
            {
                u32 from = turn * TILE_DEEP, a[TILE_RUNS][4], b[TILE_RUNS][4];
                UNROLL for (u32 i = 0u; i < TILE_RUNS; i++)
                {
                    TILE_A_RUN(i, args.m, args.k)
                    u32 a_at = a_begin + (row + ay) * args.a_row + (from + ak) * args.a_column;
                    MATMUL_B_RUN(i)
                    b[i][0] = b[i][1] = b[i][2] = b[i][3] = 0u;
                    RUN_FETCH(a[i], 0, a_shift, a_at, args.a_column, an)
                    if (!few_bits) {
                        RUN_FETCH(b[i], 1, b_shift, MATMUL_B_AT, b_step, bn)
                    } else if (bn != 0u) {
                        MATMUL_BITS_RUN
                        b[i][0] = WORD(1, bits_at >> 2);
                        b[i][1] = WORD(3, scale_at >> b_shift);
                        if ((args.flags & MATMUL_REAL_ZERO) != 0u)
                            b[i][2] = WORD(4, scale_at >> b_shift);
                        else if ((args.flags & MATMUL_B_ZERO) != 0u)
                            b[i][2] = WORD(4, zero_at >> 2);
                    }
                }
                if (turn != 0u && row + TILE_TOP < args.m && column + TILE_LEFT < args.n) {
                    u32 stage = (turn + 1u) % 2u;
                    if (integers)
                        TILE_ADD_WHOLE(sums)
                    else
                        TILE_ADD(sums, args.a_type != T_F32, args.b_type != T_F32 && !few_bits)
                }
                u32 stage = turn % 2u;
                UNROLL for (u32 i = 0u; i < TILE_RUNS; i++)
                {
                    TILE_A_RUN(i, args.m, args.k)
                    u32 a_at = a_begin + (row + ay) * args.a_row + (from + ak) * args.a_column;
                    u32 zero = 0u;
                    if ((args.flags & MATMUL_A_ZERO) != 0u && an != 0u)
                        zero = LOAD(3, args.a_type, (row + ay) * args.a_zero);
                    UNROLL for (u32 e = 0u; e < 4u; e++) SHARED_SET(
                        tile, TILE_A_AT(ay, ak + e),
                        decode(args.a_type, a[i][e], a_at + e * args.a_column) - (e < an ? zero : 0u));
                }
                UNROLL for (u32 i = 0u; i < TILE_RUNS; i++)
                {
                    MATMUL_B_RUN(i)
                    if (few_bits) {
                        MATMUL_BITS_RUN
                        f32 zero = F32(1u << (args.bits - 1u));
                        f32 scale = bits_to_f32(decode(args.b_type, b[i][1], scale_at));
                        if ((args.flags & MATMUL_REAL_ZERO) != 0u)
                            zero = bits_to_f32(decode(args.b_type, b[i][2], scale_at));
                        else if ((args.flags & MATMUL_B_ZERO) != 0u)
                            zero = F32(matmul_bits(b[i][2], zero_at, block % (8u / args.bits) * args.bits,
                                                   args.bits));
                        u32 first = b[i][0];
                        UNROLL for (u32 e = 0u; e < 4u; e++)
                        {
                            f32 number = F32(matmul_bits(first, bits_at, e * args.bits, args.bits));
                            b[i][e] = e < bn ? f32_to_bits((number - zero) * scale) : 0u;
                        }
                    } else {
                        UNROLL for (u32 e = 0u; e < 4u; e++)
                        {
                            u32 x = column + bx + (deep_b ? 0u : e);
                            b[i][e] = decode(args.b_type, b[i][e], MATMUL_B_AT + e * b_step);
                            if ((args.flags & MATMUL_B_ZERO) != 0u && e < bn)
                                b[i][e] = b[i][e] - LOAD(4, args.b_type, x * args.b_zero);
                        }
                    }
                    if (deep_b) {
                        UNROLL for (u32 e = 0u; e < 4u; e++) SHARED_SET(tile, TILE_B_AT(bk + e, bx), b[i][e]);
                    } else {
                        UNROLL for (u32 e = 0u; e < 4u; e++) SHARED_SET(tile, TILE_B_AT(bk, bx + e), b[i][e]);
                    }
                }
            }
            BARRIER;
        }
        TILE_END(sums)
    }
    FINISH_LOAD
    TILE_SHARE(sums)
    EACH_THREAD
    {
        ROLLED
        for (u32 i = RUN * thread; i < TILE_SIDE * TILE_SIDE; i += RUN * THREADS) {
            u32 y = row + i / TILE_SIDE, x = column + i % TILE_SIDE, made[RUN];
            u32 count = y < args.m ? run_within(x, args.n) : 0u, first = (GROUP_Z * args.m + y) * args.n + x;
            bool scaled = (args.flags & MATMUL_SCALED) != 0u;
            UNROLL
            for (u32 e = 0u; e < RUN; e++) {
                made[e] = TILE_SUM(i / TILE_SIDE, i % TILE_SIDE + e);
                if (scaled)
                    made[e] = f32_to_bits(args.alpha * bits_to_f32(made[e]));
                if ((args.flags & MATMUL_BIAS) != 0u && e < count)
                    made[e] =
                        f32_to_bits(bits_to_f32(made[e]) +
                                    (scaled ? args.beta : 1.0f) *
                                        LOAD_F32(5, args.type, y * args.c_row + (x + e) * args.c_column));
            }
#include "gpu/kernels/finish_run.h"
        }
    }
    BARRIER;
}

#undef RUN
#undef FINISH_SET
#undef THREADS
#endif
#endif
