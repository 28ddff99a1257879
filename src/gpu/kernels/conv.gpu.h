/* Convolutions over up to three axes as products of w [m, k] and windows [k, pixels] of an image that are never in
   memory: k counts channels and taps. Tiles as those of `matmul`; a group of threads is for GROUP_Z = image * groups
   + group. y = clamp(w x + bias + z) where what is below 0 is times `slope` first.

   Buffers: 0 x, 1 w, 2 bias, 3 z, 4 y, of one type. Narrower than a word, pixels fill words. */
#ifndef GPU_KERNELS_CONV_H
#define GPU_KERNELS_CONV_H

/* Flags, those of `window`. */
#define CONV_BIAS 1u
#define CONV_SUM  2u

#define CONV_AXES 3u

#include "gpu/dialect/args.h"
#include "gpu/kernels/tile.h"
/* m: features of a group; c: its channels. Of each axis, the slowest first: x has `size` elements, y `made`. */
KERNEL_ARGS(conv, u32 type; u32 m; u32 c; u32 groups; u32 pixels; u32 flags; f32 slope; f32 low; f32 high;
            u32 size[3]; u32 taps[3]; u32 stride[3]; u32 dilation[3]; u32 before[3]; u32 made[3];)

#ifdef GPU_DIALECT
#define THREADS TILE_THREADS

KERNEL(conv)
{
    PRIVATE(u32, sums, TILE_OWN * TILE_OWN);
    PRIVATE(i32, corner, CONV_AXES); /* of the thread's window */
    PRIVATE(u32, tap, CONV_AXES);    /* of the next element that the thread brings, and its channel */
    PRIVATE(u32, channel, 1);
    u32 row = GROUP_Y * TILE_SIDE, column = GROUP_X * TILE_SIDE;
    u32 plane = args.size[0] * args.size[1] * args.size[2];
    u32 deep = args.c * args.taps[0] * args.taps[1] * args.taps[2];
    u32 w_begin = GROUP_Z % args.groups * args.m * deep, x_begin = GROUP_Z * args.c * plane;
    EACH_THREAD
    {
        u32 rest = column + thread % TILE_SIDE, k = thread / TILE_SIDE;
        for (u32 i = 0u; i < TILE_OWN * TILE_OWN; i++)
            MINE(sums, i) = 0u;
        for (u32 d = CONV_AXES; d > 0u; d--) {
            MINE(corner, d - 1u) =
                I32(rest % args.made[d - 1u] * args.stride[d - 1u]) - I32(args.before[d - 1u]);
            rest = rest / args.made[d - 1u];
            MINE(tap, d - 1u) = k % args.taps[d - 1u];
            k = k / args.taps[d - 1u];
        }
        MINE(channel, 0) = k;
    }
    BARRIER;
    for (u32 from = 0u; from < deep; from += TILE_DEEP) {
        EACH_THREAD
        {
            u32 j = thread % TILE_SIDE;
            for (u32 i = thread; i < TILE_SIDE * TILE_DEEP; i += THREADS) {
                u32 wk = i % TILE_DEEP, wi = i / TILE_DEEP, xk = i / TILE_SIDE;
                bool has_w = row + wi < args.m && from + wk < deep;
                bool has_x = column + j < args.pixels && from + xk < deep;
                u32 w = w_begin + (row + wi) * deep + from + wk, x = MINE(channel, 0);
                for (u32 d = 0u; d < CONV_AXES; d++) {
                    i32 place = MINE(corner, d) + I32(MINE(tap, d) * args.dilation[d]);
                    has_x = has_x && place >= 0 && place < I32(args.size[d]);
                    x = x * args.size[d] + U32(place);
                }
                SHARED_SET(tile_a, wk * TILE_SIDE + wi, has_w ? LOAD(1, args.type, w) : 0u);
                SHARED_SET(tile_b, i, has_x ? LOAD(0, args.type, x_begin + x) : 0u);
                MINE(tap, 2) += THREADS / TILE_SIDE;
                for (u32 d = 2u; d > 0u; d--)
                    while (MINE(tap, d) >= args.taps[d]) {
                        MINE(tap, d) -= args.taps[d];
                        MINE(tap, d - 1u) += 1u;
                    }
                while (MINE(tap, 0) >= args.taps[0]) {
                    MINE(tap, 0) -= args.taps[0];
                    MINE(channel, 0) += 1u;
                }
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
            for (u32 j = 0u; j < TILE_OWN && x + j < args.pixels; j++) {
                u32 to = (GROUP_Z * args.m + y + i) * args.pixels + x + j;
                f32 sum = bits_to_f32(MINE(sums, i * TILE_OWN + j));
                if ((args.flags & CONV_BIAS) != 0u)
                    sum = sum + LOAD_F32(2, args.type, GROUP_Z % args.groups * args.m + y + i);
                if ((args.flags & CONV_SUM) != 0u)
                    sum = sum + LOAD_F32(3, args.type, to);
                sum = clamped(sum < 0.0f ? sum * args.slope : sum, args.low, args.high);
                PUT_F32(4, args.type, word, to, sum);
            }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
