/* y = saturate(round(x / scale) + zero), ties to even, 0 for NaN: bytes that are those of the definition on every device,
   since the quotient is exact and what follows are integers. x, scale and quotient are rounded to `wide` first, as each
   milli-op is.

   Buffers: 0 x, 1 scales, 2 zero points, of y's type, 3 y. With QUANTIZE_RANGE, of float32: 1 the smallest and 2 the
   largest x, of which one scale and zero point of 8 bits are made: 4 and 5. */
#ifndef GPU_KERNELS_QUANTIZE_H
#define GPU_KERNELS_QUANTIZE_H

#define QUANTIZE_ZERO   1u
#define QUANTIZE_RANGE  2u
#define QUANTIZE_BLOCKS 4u /* a parameter for `block` elements of an axis, else for each */

#define QUANTIZE_THREADS 64u

#include "gpu/dialect/args.h"
/* x is [outer, size, inner], blocks: of `size`. scales and zeros: 0 for a single one, 1 for one by place. */
KERNEL_ARGS(quantize, u32 type; u32 wide; u32 scale_type; u32 to; u32 count; u32 flags; u32 size; u32 inner;
            u32 block; u32 blocks; u32 scales; u32 zeros;)

#ifdef GPU_DIALECT
#define THREADS QUANTIZE_THREADS

/* v as its bits say after it was rounded to a type. */
FN f32 quantize_rounded(u32 type, f32 v)
{
    return bits_to_f32(rounded(type, f32_to_bits(v)));
}

/* round(x / scale) within +-1000, NaN for NaN */
FN f32 quantize_step(u32 type, f32 x, f32 scale)
{
    return clamped(ROUND(quantize_rounded(type, quotient(x, scale))), -1000.0f, 1000.0f);
}

KERNEL(quantize)
{
    EACH_THREAD
    {
        u32 first = (GROUP * THREADS + thread) * 4u, word = 0u;
        f32 scale = 0.0f, zero = 0.0f;
        if ((args.flags & QUANTIZE_RANGE) != 0u) {
            f32 low = bits_to_f32(WORD(1, 0u)), high = bits_to_f32(WORD(2, 0u));
            low = is_nan(low) || low < 0.0f ? low : 0.0f;
            high = is_nan(high) || high > 0.0f ? high : 0.0f;
            EXACT f32 range = high - low;
            scale = quotient(range, 255.0f);
            zero = ROUND(clamped(0.0f - quotient(low, scale), 0.0f, 255.0f));
            zero = is_nan(zero) ? 0.0f : zero;
            if (first == 0u) {
                SET_WORD(4, 0u, f32_to_bits(scale));
                SET_WORD(5, 0u, U32(I32(zero)));
            }
        }
        for (u32 e = first; e < first + 4u && e < args.count; e++) {
            u32 along = e / args.inner % args.size, at = along;
            if ((args.flags & QUANTIZE_BLOCKS) != 0u)
                at = (e / args.inner / args.size * args.blocks + along / args.block) * args.inner +
                     e % args.inner;
            if ((args.flags & QUANTIZE_RANGE) == 0u)
                scale = quantize_rounded(args.wide, LOAD_F32(1, args.scale_type, at * args.scales));
            if ((args.flags & QUANTIZE_ZERO) != 0u)
                zero = F32(I32(LOAD(2, args.to, at * args.zeros)));
            f32 step =
                quantize_step(args.wide, quantize_rounded(args.wide, LOAD_F32(0, args.type, e)), scale) +
                zero;
            step = clamped(step, args.to == T_U8 ? 0.0f : -128.0f, args.to == T_U8 ? 255.0f : 127.0f);
            PUT_WITHIN(3, args.to, args.count, word, e, is_nan(step) ? 0u : U32(I32(step)));
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
