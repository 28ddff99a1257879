/* The middle axis of [outer, n, inner] in order, stable, NaN after all numbers or, descending, before them. Each
   thread counts the elements that come before its own, which is where that belongs.

   Buffers: 0 the operand, 1 the values, both of words; 2 their indices, integers of 64 bits. */
#ifndef GPU_KERNELS_SORT_H
#define GPU_KERNELS_SORT_H

#define SORT_THREADS 64u
#define SORT_VALUES  1u
#define SORT_INDICES 2u

#include "gpu/dialect/args.h"
KERNEL_ARGS(sort, u32 type; u32 count; u32 n; u32 inner; u32 descending; u32 wanted;) /* count: of elements */

#ifdef GPU_DIALECT
#define THREADS SORT_THREADS

/* A number that compares as the element does: of float32 both zeros have one, and NaN the largest. */
FN u32 sort_code(u32 type, u32 word)
{
    if (type == T_I32)
        return word ^ 0x80000000u;
    if (is_nan(bits_to_f32(word)))
        return 0xffffffffu;
    if (bits_to_f32(word) == 0.0f)
        return 0x80000000u;
    return (word & 0x80000000u) != 0u ? word ^ 0xffffffffu : word | 0x80000000u;
}

KERNEL(sort)
{
    EACH_THREAD
    {
        u32 e = GROUP * THREADS + thread, plane = args.n * args.inner;
        if (e < args.count) {
            u32 own = e / args.inner % args.n, begin = e / plane * plane + e % args.inner, rank = 0u;
            u32 word = WORD(0, e), code = sort_code(args.type, word);
            for (u32 i = 0u; i < args.n; i++) {
                u32 other = sort_code(args.type, WORD(0, begin + i * args.inner));
                bool before = args.descending != 0u ? other > code : other < code;
                rank = rank + (before || (other == code && i < own) ? 1u : 0u);
            }
            u32 to = begin + rank * args.inner;
            if ((args.wanted & SORT_VALUES) != 0u)
                SET_WORD(1, to, word);
            if ((args.wanted & SORT_INDICES) != 0u) {
                SET_WORD(2, 2u * to, own);
                SET_WORD(2, 2u * to + 1u, 0u);
            }
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
