/* Convolutions over up to three axes as products of w [m, k] and windows [k, pixels] of an image that are never in
   memory: k counts channels and taps. Tiles as those of `matmul`; a group of threads is for GROUP_Z = image * groups
   + group. y = clamp(w x + bias + z) where what is below 0 is times `slope` first.

   Buffers: 0 x, 1 w, 2 bias, 3 z, 4 y, of one type. Narrower than a word, pixels fill words. What
   follows: finish.h. */
#ifndef GPU_KERNELS_CONV_H
#define GPU_KERNELS_CONV_H

/* Flags, those of `window`. */
#define CONV_BIAS 1u
#define CONV_SUM  2u

#define CONV_AXES 3u

#include "gpu/dialect/args.h"
#include "gpu/kernels/finish.h"
#include "gpu/kernels/tile.h"
/* m: features of a group; c: its channels. Of each axis, the slowest first: x has `size` elements, y `made`. */
KERNEL_ARGS(conv, u32 type; u32 m; u32 c; u32 groups; u32 pixels; u32 flags; f32 slope; f32 low; f32 high;
            u32 size[3]; u32 taps[3]; u32 stride[3]; u32 dilation[3]; u32 before[3]; u32 made[3]; u32 finish;)

#ifdef GPU_DIALECT
#define THREADS          TILE_THREADS
#define RUN              4u
#define FINISH_SET(i, w) SET_WORD(4, i, w)

/* A thread fetches CONV_DEEP elements of its window, which follow one another along k. */
#define CONV_DEEP (TILE_SIDE * TILE_DEEP / THREADS)

KERNEL(conv)
{
    PRIVATE(u32, sums, TILE_SUMS);
    PRIVATE(i32, corner, CONV_AXES); /* of the thread's window */
    u32 row = GROUP_Y * TILE_SIDE, column = GROUP_X * TILE_SIDE;
    u32 plane = args.size[0] * args.size[1] * args.size[2];
    u32 deep = args.c * args.taps[0] * args.taps[1] * args.taps[2];
    u32 w_begin = GROUP_Z % args.groups * args.m * deep, x_begin = GROUP_Z * args.c * plane;
    u32 shift = type_shift(args.type), stretches = (deep + TILE_DEEP - 1u) / TILE_DEEP;
    bool plain = false, again = true;
    EACH_THREAD
    {
        u32 rest = column + thread % TILE_SIDE;
        for (u32 d = CONV_AXES; d > 0u; d--) {
            MINE(corner, d - 1u) =
                I32(rest % args.made[d - 1u] * args.stride[d - 1u]) - I32(args.before[d - 1u]);
            rest = rest / args.made[d - 1u];
        }
    }
    BARRIER;
    while (again) {
        TILE_BEGIN(sums)
        ROLLED
        for (u32 turn = 0u; turn <= stretches;
             turn++) { /* fetches stretch `turn` and multiplies the one before */
            EACH_THREAD
            {
                u32 from = turn * TILE_DEEP, w[TILE_RUNS][4], x[CONV_DEEP],
                    places = 0u; /* a bit for each of x */
                u32 j = thread % TILE_SIDE, first = thread / TILE_SIDE * CONV_DEEP;
                UNROLL for (u32 i = 0u; i < TILE_RUNS; i++){TILE_A_RUN(i, args.m, deep) RUN_FETCH(
                    w[i], 1, shift, w_begin + (row + ay) * deep + from + ak, 1u, an)} u32 rest = from + first,
                                                                                          tap[CONV_AXES];
                for (u32 d = CONV_AXES; d > 0u; d--) {
                    tap[d - 1u] = rest % args.taps[d - 1u];
                    rest = rest / args.taps[d - 1u];
                }
                UNROLL for (u32 i = 0u; i < CONV_DEEP; i++)
                { /* rest: the channel */
                    u32 at = rest;
                    bool inside = column + j < args.pixels && from + first + i < deep;
                    for (u32 d = 0u; d < CONV_AXES; d++) {
                        u32 place = U32(MINE(corner, d)) + tap[d] * args.dilation[d];
                        inside = inside && place < args.size[d]; /* what is before 0 is far behind */
                        at = at * args.size[d] + place;
                    }
                    at = at + x_begin;
                    x[i] = inside ? WORD(0, at >> shift) : 0u;
                    places = places | (at & 1u) << i;
                    tap[2] = tap[2] + 1u;
                    for (u32 d = 2u; d > 0u; d--)
                        if (tap[d] == args.taps[d]) {
                            tap[d] = 0u;
                            tap[d - 1u] = tap[d - 1u] + 1u;
                        }
                    if (tap[0] == args.taps[0]) {
                        tap[0] = 0u;
                        rest = rest + 1u;
                    }
                }
                if (turn != 0u && row + TILE_TOP < args.m && column + TILE_LEFT < args.pixels) {
                    u32 stage = (turn + 1u) % 2u;
                    TILE_ADD(sums, args.type != T_F32, args.type != T_F32)
                }
                u32 stage = turn % 2u;
                UNROLL for (u32 i = 0u; i < TILE_RUNS; i++)
                {
                    TILE_A_PLACE(i)
                    UNROLL for (u32 e = 0u; e < 4u; e++)
                        SHARED_SET(tile, TILE_A_AT(ay, ak + e),
                                   decode(args.type, w[i][e], w_begin + (row + ay) * deep + from + ak + e));
                }
                UNROLL for (u32 i = 0u; i < CONV_DEEP; i++)
                    SHARED_SET(tile, TILE_B_AT(first + i, j), decode(args.type, x[i], places >> i));
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
            u32 count = y < args.m ? run_within(x, args.pixels) : 0u,
                first = (GROUP_Z * args.m + y) * args.pixels + x;
            UNROLL
            for (u32 e = 0u; e < RUN; e++) {
                f32 sum = bits_to_f32(TILE_SUM(i / TILE_SIDE, i % TILE_SIDE + e));
                if ((args.flags & CONV_BIAS) != 0u && e < count)
                    sum = sum + LOAD_F32(2, args.type, GROUP_Z % args.groups * args.m + y);
                if ((args.flags & CONV_SUM) != 0u && e < count)
                    sum = sum + LOAD_F32(3, args.type, first + e);
                made[e] = f32_to_bits(clamped(sum < 0.0f ? sum * args.slope : sum, args.low, args.high));
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
