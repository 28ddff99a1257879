/* Windows of an image of up to three axes, an element of the result a thread: convolutions with few channels to a
   feature, transposed ones, the largest, the mean and the norm of windows. For pools `groups` is the number of planes, m and c
   are 1.

   Buffers: 0 x, 1 w, 2 bias, 3 z, 4 y, of one type; a thread makes the elements of a word. Arguments as those of
   `conv`; `after`, for WINDOW_MEAN_PADDED, is the border behind x. */
#ifndef GPU_KERNELS_WINDOW_H
#define GPU_KERNELS_WINDOW_H

#define WINDOW_PRODUCT     0u
#define WINDOW_TRANSPOSED  1u /* x element i is at i * stride - before of y */
#define WINDOW_LARGEST     2u
#define WINDOW_MEAN        3u
#define WINDOW_MEAN_PADDED 4u
#define WINDOW_NORM        5u /* (sum of |x|^slope)^(1 / slope), of shares of the largest |x| so far */

/* Flags, also those of `conv`. */
#define WINDOW_BIAS 1u
#define WINDOW_SUM  2u

#define WINDOW_THREADS 64u

#include "gpu/dialect/args.h"
KERNEL_ARGS(window, u32 op; u32 type; u32 count; u32 m; u32 c; u32 groups; u32 flags; f32 slope; f32 low;
            f32 high; u32 size[3]; u32 taps[3]; u32 stride[3]; u32 dilation[3]; u32 before[3]; u32 after[3];
            u32 made[3];)

#ifdef GPU_DIALECT
#define THREADS WINDOW_THREADS

/* share^p for a share in 0 .. 1. */
FN f32 window_power(f32 share, f32 p)
{
    return p == 2.0f ? share * share : pow_f32(share, p);
}

KERNEL(window)
{
    EACH_THREAD
    {
        u32 shift = type_shift(args.type), first = (GROUP * THREADS + thread) << shift, word = 0u;
        u32 taps = args.taps[0] * args.taps[1] * args.taps[2],
            plane = args.size[0] * args.size[1] * args.size[2];
        bool whole = !type_is_float(args.type), weighs = args.op <= WINDOW_TRANSPOSED;
        for (u32 e = first; e < first + (1u << shift) && e < args.count; e++) {
            u32 place[3], rest = e;
            for (u32 d = 3u; d > 0u; d--) {
                place[d - 1u] = rest % args.made[d - 1u];
                rest = rest / args.made[d - 1u];
            }
            u32 feature = rest % args.m, group = rest / args.m % args.groups,
                image = rest / args.m / args.groups;
            f32 sum = args.op != WINDOW_LARGEST ? 0.0f
                      : args.type == T_U8       ? 0.0f
                      : whole                   ? -128.0f
                                                : -INFINITE;
            f32 largest = 0.0f;
            u32 counted = 0u;
            for (u32 k = 0u; k < args.c * taps; k++) {
                u32 channel = k / taps, tap = k % taps, left = tap, within = 0u, step = 1u;
                bool inside = true, padded = true;
                for (u32 d = 3u; d > 0u; d--) {
                    u32 a = d - 1u, size = args.size[a];
                    i32 offset = I32(left % args.taps[a] * args.dilation[a]), at;
                    if (args.op == WINDOW_TRANSPOSED) {
                        at = I32(place[a] + args.before[a]) - offset;
                        inside = inside && at >= 0 && U32(at) % args.stride[a] == 0u;
                        at = at >= 0 ? I32(U32(at) / args.stride[a]) : at;
                    } else
                        at = I32(place[a] * args.stride[a]) + offset - I32(args.before[a]);
                    inside = inside && at >= 0 && at < I32(size);
                    padded = padded && at < I32(size + args.after[a]);
                    within = within + U32(at) * step;
                    step = step * size;
                    left = left / args.taps[a];
                }
                counted = counted + ((args.op == WINDOW_MEAN_PADDED ? padded : inside) ? 1u : 0u);
                if (!inside)
                    continue;
                u32 bits =
                    LOAD(0, args.type, ((image * args.groups + group) * args.c + channel) * plane + within);
                f32 x = whole ? F32(I32(bits)) : bits_to_f32(bits);
                if (args.op == WINDOW_LARGEST)
                    sum = is_nan(sum) || sum >= x ? sum : x;
                else if (args.op == WINDOW_NORM) {
                    f32 size = ABS(x), before = largest;
                    largest = size > before ? size : before;
                    f32 share = size < before ? size / before : before / size;
                    share = size == before ? 1.0f : window_power(share, args.slope);
                    sum = size > before ? sum * share + 1.0f : sum + share;
                } else if (weighs) {
                    u32 outer = args.op == WINDOW_PRODUCT ? (group * args.m + feature) * args.c + channel
                                                          : (group * args.c + channel) * args.m + feature;
                    sum = sum + x * LOAD_F32(1, args.type, outer * taps + tap);
                } else
                    sum = sum + x;
            }
            if ((args.flags & WINDOW_BIAS) != 0u)
                sum = sum + LOAD_F32(2, args.type, group * args.m + feature);
            if ((args.flags & WINDOW_SUM) != 0u)
                sum = sum + LOAD_F32(3, args.type, e);
            if (weighs)
                sum = clamped(sum < 0.0f ? sum * args.slope : sum, args.low, args.high);
            else if (args.op == WINDOW_NORM)
                sum = largest * (args.slope == 2.0f ? SQRT(sum) : pow_f32(sum, 1.0f / args.slope));
            else if (args.op != WINDOW_LARGEST)
                sum = sum / F32(counted);
            word = word | encode(args.type, whole ? U32(I32(sum)) : f32_to_bits(sum), e);
        }
        if (first < args.count)
            SET_WORD(4, first >> shift, word);
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
