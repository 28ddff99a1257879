/* y = saturate(round(x factor / divisor) + zero): bytes from integer sums as the definition computes them in float64, in
   integers, for devices without it. Each product and the quotient are rounded to 53 bits, ties to even.

   Buffers: 0 x, int32; 1 the parameters; 2 y. A thread makes the elements of a word.
   Parameters are positive float64, the low word first, zero points int32. An element has place e / inner % size of one. */
#ifndef GPU_KERNELS_REQUANTIZE_H
#define GPU_KERNELS_REQUANTIZE_H

#define REQUANTIZE_FACTOR  0u
#define REQUANTIZE_SECOND  1u
#define REQUANTIZE_DIVISOR 2u /* of 24 bits */
#define REQUANTIZE_ZERO    3u

#define REQUANTIZE_THREADS 64u

#include "gpu/dialect/args.h"
/* at: words before a parameter's first; size: 0 where there is none. */
KERNEL_ARGS(requantize, u32 count; u32 to; u32 at[4]; u32 size[4]; u32 inner[4];)

#ifdef GPU_DIALECT
#define THREADS REQUANTIZE_THREADS

KERNEL(requantize)
{
    EACH_THREAD
    {
        u32 first = (GROUP * THREADS + thread) * 4u, made = 0u;
        for (u32 e = first; e < first + 4u && e < args.count; e++) {
            u32 x = WORD(0, e), size = x >= 0x80000000u ? 0u - x : x;
            /* size = (high 2^32 + low) 2^(exponent - 52), high of 21 bits */
            i32 exponent = 31;
            while (size != 0u && size < 0x80000000u) {
                size = size << 1;
                exponent = exponent - 1;
            }
            u32 high = size >> 11, low = size << 21;
            for (u32 p = REQUANTIZE_FACTOR; p <= REQUANTIZE_DIVISOR; p++) {
                if (args.size[p] == 0u || size == 0u)
                    continue;
                u32 word = args.at[p] + e / args.inner[p] % args.size[p] * 2u;
                u32 b_low = WORD(1, word), b_high = WORD(1, word + 1u), left, unit, rest;
                i32 b_exponent = I32(b_high >> 20) - 1023;
                b_high = (b_high & 0xfffffu) | 0x100000u;
                if (p == REQUANTIZE_DIVISOR) { /* digits of 8 bits: 25 in q_high, 32 in q_low */
                    u32 d = (b_high << 3) | (b_low >> 29), t = (high << 3) | (low >> 29), q_low = 0u;
                    u32 q_high = t >= d ? 1u : 0u, next = low << 3;
                    t = t - q_high * d;
                    for (u32 i = 0u; i < 7u; i++) {
                        t = (t << 8) | (next >> 24);
                        next = next << 8;
                        if (i < 3u)
                            q_high = (q_high << 8) | (t / d);
                        else
                            q_low = (q_low << 8) | (t / d);
                        t = t % d;
                    }
                    u32 drop = q_high >= 0x1000000u ? 4u : 3u;
                    exponent = exponent - b_exponent - (drop == 4u ? 0 : 1);
                    high = q_high >> drop;
                    low = (q_high << (32u - drop)) | (q_low >> drop);
                    unit = 1u << drop;
                    rest = q_low;
                    left = t;
                } else { /* four words of products */
                    u32 middle = low * b_high, one = upper_product(low, b_low) + middle,
                        carry = one < middle ? 1u : 0u;
                    middle = high * b_low;
                    one = one + middle;
                    carry = carry + (one < middle ? 1u : 0u);
                    u32 two = upper_product(low, b_high) + upper_product(high, b_low) + carry,
                        top = high * b_high;
                    two = two + top;
                    u32 three = upper_product(high, b_high) + (two < top ? 1u : 0u),
                        drop = three >= 512u ? 21u : 20u;
                    left = low * b_low;
                    exponent = exponent + b_exponent + (drop == 21u ? 1 : 0);
                    high = (three << (32u - drop)) | (two >> drop);
                    low = (two << (32u - drop)) | (one >> drop);
                    unit = 1u << drop;
                    rest = one;
                }
                rest = rest & (unit - 1u);
                if (rest > unit / 2u || (rest == unit / 2u && (left != 0u || (low & 1u) != 0u))) {
                    low = low + 1u;
                    high = high + (low == 0u ? 1u : 0u);
                }
                if (high == 0x200000u) {
                    high = 0x100000u;
                    exponent = exponent + 1;
                }
            }
            i32 step = size != 0u && exponent > 16 ? 0x10000 : 0;
            if (size != 0u && exponent >= -1 && exponent <= 16) {
                u32 shift = U32(20 - exponent), rest = high & ((1u << shift) - 1u),
                    half_unit = 1u << (shift - 1u);
                step = I32(high >> shift);
                if (rest > half_unit || (rest == half_unit && (low != 0u || (high >> shift & 1u) != 0u)))
                    step = step + 1;
            }
            step = x >= 0x80000000u ? -step : step;
            if (args.size[REQUANTIZE_ZERO] != 0u)
                step = step + I32(WORD(1, args.at[REQUANTIZE_ZERO] +
                                              e / args.inner[REQUANTIZE_ZERO] % args.size[REQUANTIZE_ZERO]));
            i32 lowest = args.to == T_U8 ? 0 : -128, highest = lowest + 255;
            step = step < lowest ? lowest : step > highest ? highest : step;
            made = made | encode(args.to, U32(step), e);
        }
        if (first < args.count)
            SET_WORD(2, first >> 2, made);
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
