/* Windows of an image of up to three axes, an element of the result a thread: convolutions with few channels to a
   feature, transposed ones, the largest, the mean and the norm of windows. For pools `groups` is the number of planes, m and c
   are 1.

   Buffers: 0 x, 1 w, 2 bias, 3 z, 4 y, of one type; a thread makes the elements of a word. Arguments as those of
   `conv`; `after` is the border behind x, and of transposed ones what is between two taps that meet an element of x:
   stride / gcd(stride, dilation). */
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

/* Those of `taps` that are before element `left`, counted from the first tap's. */
FN u32 window_taps(i32 left, u32 dilation, u32 taps)
{
    u32 n = left > 0 ? U32(left - 1) / dilation + 1u : 0u;
    return n < taps ? n : taps;
}

KERNEL(window)
{
    EACH_THREAD
    {
        u32 shift = type_shift(args.type), first = (GROUP * THREADS + thread) << shift, word = 0u;
        u32 taps = args.taps[0] * args.taps[1] * args.taps[2],
            plane = args.size[0] * args.size[1] * args.size[2];
        bool integers = !type_is_float(args.type), weighs = args.op <= WINDOW_TRANSPOSED;
        for (u32 e = first; e < first + (1u << shift) && e < args.count; e++) {
            /* Of each axis, the taps that meet x: how many, the first and what is between two; where they are in x. */
            u32 n[3], tap[3], apart[3], at[3], hop[3], rest = e, padded = 1u;
            for (u32 d = 3u; d > 0u; d--) {
                u32 a = d - 1u, place = rest % args.made[a], size = args.size[a], end;
                rest = rest / args.made[a];
                if (args.op == WINDOW_TRANSPOSED) {
                    u32 top = place + args.before[a], far = (size - 1u) * args.stride[a];
                    end = top / args.dilation[a] + 1u;
                    end = end < args.taps[a] ? end : args.taps[a];
                    tap[a] = top > far ? (top - far + args.dilation[a] - 1u) / args.dilation[a] : 0u;
                    while (tap[a] < end && (top - tap[a] * args.dilation[a]) % args.stride[a] != 0u)
                        tap[a] = tap[a] + 1u;
                    apart[a] = args.after[a];
                    at[a] = (top - tap[a] * args.dilation[a]) / args.stride[a];
                    hop[a] = 0u - apart[a] * args.dilation[a] / args.stride[a];
                } else {
                    i32 begin = I32(place * args.stride[a]) - I32(args.before[a]), left = I32(size) - begin,
                        all = left + I32(args.after[a]);
                    padded = padded * window_taps(all, args.dilation[a], args.taps[a]);
                    end = window_taps(left, args.dilation[a], args.taps[a]);
                    tap[a] = begin < 0 ? (U32(-begin) + args.dilation[a] - 1u) / args.dilation[a] : 0u;
                    apart[a] = 1u;
                    at[a] = U32(begin) + tap[a] * args.dilation[a];
                    hop[a] = args.dilation[a];
                }
                n[a] = end > tap[a] ? (end - tap[a] - 1u) / apart[a] + 1u : 0u;
            }
            u32 feature = rest % args.m, group = rest / args.m % args.groups,
                image = rest / args.m / args.groups, counted = n[0] * n[1] * n[2];
            f32 sum = args.op != WINDOW_LARGEST ? 0.0f
                      : args.type == T_U8       ? 0.0f
                      : integers                ? -128.0f
                                                : -INFINITE;
            f32 largest = 0.0f;
            for (u32 k = 0u; k < args.c * counted; k++) {
                u32 channel = k / counted, left = k % counted, within = 0u, step = 1u, w = 0u, w_step = 1u;
                for (u32 d = 3u; d > 0u; d--) {
                    u32 a = d - 1u, i = left % n[a];
                    within = within + (at[a] + i * hop[a]) * step;
                    w = w + (tap[a] + i * apart[a]) * w_step;
                    step = step * args.size[a];
                    w_step = w_step * args.taps[a];
                    left = left / n[a];
                }
                u32 bits =
                    LOAD(0, args.type, ((image * args.groups + group) * args.c + channel) * plane + within);
                f32 x = integers ? F32(I32(bits)) : bits_to_f32(bits);
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
                    sum = sum + x * LOAD_F32(1, args.type, outer * taps + w);
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
                sum = sum / F32(args.op == WINDOW_MEAN_PADDED ? padded : counted);
            PUT_WITHIN(4, args.type, args.count, word, e, integers ? U32(I32(sum)) : f32_to_bits(sum));
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
