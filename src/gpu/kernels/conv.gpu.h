/* Convolutions over up to three axes as products of w [m, k] and windows [k, pixels] of an image that are never in
   memory: k counts channels and taps. Tiles as those of `matmul`; a group of threads is for GROUP_Z = image * groups
   + group. y = clamp(w x + bias + z) where what is below 0 is times `slope` first.

   Buffers: 0 x, 1 w, 2 bias, 3 z, 4 y, of one type. Narrower than a word, pixels fill words. */
#ifndef GPU_KERNELS_CONV_H
#define GPU_KERNELS_CONV_H

/* Flags, those of `window`. */
#define CONV_BIAS 1u
#define CONV_SUM  2u

#define CONV_AXES    3u
#define CONV_TILE    32u
#define CONV_OWN     4u
#define CONV_DEEP    16u
#define CONV_THREADS 64u

#include "gpu/dialect/args.h"
/* m: features of a group; c: its channels. Of each axis, the slowest first: x has `size` elements, y `made`. */
KERNEL_ARGS(conv, u32 type; u32 m; u32 c; u32 groups; u32 pixels; u32 flags; f32 slope; f32 low; f32 high;
            u32 size[3]; u32 taps[3]; u32 stride[3]; u32 dilation[3]; u32 before[3]; u32 made[3];)

#ifdef GPU_DIALECT
#define THREADS CONV_THREADS

SHARED(f32, conv_w, CONV_TILE *CONV_DEEP)
SHARED(f32, conv_x, CONV_TILE *CONV_DEEP)

KERNEL(conv)
{
    PRIVATE(f32, sums, CONV_OWN * CONV_OWN);
    PRIVATE(i32, corner, CONV_AXES); /* of the thread's window */
    PRIVATE(u32, tap, CONV_AXES);    /* of the next element that the thread brings, and its channel */
    PRIVATE(u32, channel, 1);
    u32 row = GROUP_Y * CONV_TILE, column = GROUP_X * CONV_TILE, side = CONV_TILE / CONV_OWN;
    u32 plane = args.size[0] * args.size[1] * args.size[2];
    u32 deep = args.c * args.taps[0] * args.taps[1] * args.taps[2];
    u32 w_begin = GROUP_Z % args.groups * args.m * deep, x_begin = GROUP_Z * args.c * plane;
    EACH_THREAD
    {
        u32 rest = column + thread % CONV_TILE, k = thread / CONV_TILE;
        for (u32 i = 0u; i < CONV_OWN * CONV_OWN; i++)
            MINE(sums, i) = 0.0f;
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
    for (u32 from = 0u; from < deep; from += CONV_DEEP) {
        EACH_THREAD
        {
            u32 j = thread % CONV_TILE;
            for (u32 i = thread; i < CONV_TILE * CONV_DEEP; i += THREADS) {
                u32 wk = i % CONV_DEEP, wi = i / CONV_DEEP, xk = i / CONV_TILE;
                bool has_w = row + wi < args.m && from + wk < deep;
                bool has_x = column + j < args.pixels && from + xk < deep;
                u32 w = w_begin + (row + wi) * deep + from + wk, x = MINE(channel, 0);
                for (u32 d = 0u; d < CONV_AXES; d++) {
                    i32 place = MINE(corner, d) + I32(MINE(tap, d) * args.dilation[d]);
                    has_x = has_x && place >= 0 && place < I32(args.size[d]);
                    x = x * args.size[d] + U32(place);
                }
                SHARED_SET(conv_w, wk * CONV_TILE + wi, has_w ? LOAD_F32(1, args.type, w) : 0.0f);
                SHARED_SET(conv_x, i, has_x ? LOAD_F32(0, args.type, x_begin + x) : 0.0f);
                MINE(tap, 2) += THREADS / CONV_TILE;
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
            u32 y = thread / side * CONV_OWN, x = thread % side * CONV_OWN;
            for (u32 k = 0u; k < CONV_DEEP; k++)
                for (u32 i = 0u; i < CONV_OWN; i++)
                    for (u32 j = 0u; j < CONV_OWN; j++)
                        MINE(sums, i * CONV_OWN + j) =
                            MADD(SHARED_GET(conv_w, k * CONV_TILE + y + i),
                                 SHARED_GET(conv_x, k * CONV_TILE + x + j), MINE(sums, i * CONV_OWN + j));
        }
        BARRIER;
    }
    EACH_THREAD
    {
        u32 y = row + thread / side * CONV_OWN, x = column + thread % side * CONV_OWN, word = 0u;
        u32 last = (1u << type_shift(args.type)) - 1u;
        for (u32 i = 0u; i < CONV_OWN && y + i < args.m; i++)
            for (u32 j = 0u; j < CONV_OWN && x + j < args.pixels; j++) {
                u32 to = (GROUP_Z * args.m + y + i) * args.pixels + x + j;
                f32 sum = MINE(sums, i * CONV_OWN + j);
                if ((args.flags & CONV_BIAS) != 0u)
                    sum = sum + LOAD_F32(2, args.type, GROUP_Z % args.groups * args.m + y + i);
                if ((args.flags & CONV_SUM) != 0u)
                    sum = sum + LOAD_F32(3, args.type, to);
                sum = clamped(sum < 0.0f ? sum * args.slope : sum, args.low, args.high);
                word = encode(args.type, f32_to_bits(sum), to) | ((to & last) == 0u ? 0u : word);
                if ((to & last) == last)
                    SET_WORD(4, to >> type_shift(args.type), word);
            }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
