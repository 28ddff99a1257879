/* y = saturate(round(x factor / divisor) + zero): bytes from integer sums as the definition computes them in float64.

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
#include "gpu/kernels/real64.h"
/* at: words before a parameter's first; size: 0 where there is none. */
KERNEL_ARGS(requantize, u32 count; u32 to; u32 at[4]; u32 size[4]; u32 inner[4];)

#ifdef GPU_DIALECT
#define THREADS REQUANTIZE_THREADS

KERNEL(requantize)
{
    EACH_THREAD
    {
        u32 first = (GROUP * THREADS + thread) * 4u, word = 0u;
        for (u32 e = first; e < first + 4u && e < args.count; e++) {
            u32 sum = WORD(0, e);
            bool negative = sum >= 0x80000000u;
            real64 x = real64_of_u32(negative ? 0u - sum : sum);
            for (u32 p = REQUANTIZE_FACTOR; p <= REQUANTIZE_DIVISOR; p++) {
                if (args.size[p] == 0u || x.high == 0u)
                    continue;
                u32 at = args.at[p] + e / args.inner[p] % args.size[p] * 2u;
                real64 by = real64_of_bits(WORD(1, at), WORD(1, at + 1u));
                if (p == REQUANTIZE_DIVISOR)
                    x = real64_quotient(x, by);
                else
                    x = real64_product(x, by);
            }
            i32 step = real64_round(x);
            step = negative ? -step : step;
            if (args.size[REQUANTIZE_ZERO] != 0u)
                step = step + I32(WORD(1, args.at[REQUANTIZE_ZERO] +
                                              e / args.inner[REQUANTIZE_ZERO] % args.size[REQUANTIZE_ZERO]));
            i32 lowest = args.to == T_U8 ? 0 : -128, highest = lowest + 255;
            step = step < lowest ? lowest : step > highest ? highest : step;
            PUT_WITHIN(2, args.to, args.count, word, e, U32(step));
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
