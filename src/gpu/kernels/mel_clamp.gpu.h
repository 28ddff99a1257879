/* Raises log-mel values, in place, to the recording's largest less the dynamic range. Parts that have none below it are
   not read.

   Buffers: 0 and 1 the largest and the smallest of the parts of `mel`, 2 the values [recordings, bands, frames]. */
#ifndef GPU_KERNELS_MEL_CLAMP_H
#define GPU_KERNELS_MEL_CLAMP_H

#include "gpu/kernels/mel_parts.h"
/* A group takes a part. joint: the largest is that of all recordings. */
KERNEL_ARGS(mel_clamp, u32 count; u32 parts; u32 width; u32 bands; u32 frames; u32 joint; f32 range;)

#ifdef GPU_DIALECT
#define THREADS MEL_THREADS

KERNEL(mel_clamp)
{
    u32 recording = GROUP / args.parts, begin = GROUP % args.parts * args.width;
    u32 end = begin + args.width > args.frames ? args.frames : begin + args.width;
    u32 of_all = args.joint != 0u ? 0u : recording * args.parts,
        n = args.joint != 0u ? args.count : args.parts;
    if (GROUP >= args.count)
        n = 0u;
    MEL_FIND_LARGEST(of_all, n)
    EACH_THREAD
    {
        f32 low = SHARED_GET(mel_high, 0u) - args.range;
        bool below = n != 0u && (is_nan(low) || bits_to_f32(WORD(1, GROUP)) < low);
        for (u32 m = thread / 32u; m < args.bands && below; m += THREADS / 32u)
            for (u32 x = begin + thread % 32u; x < end; x += 32u) {
                u32 at = (recording * args.bands + m) * args.frames + x;
                f32 value = bits_to_f32(WORD(2, at));
                if (is_nan(low) || value < low)
                    SET_WORD(2, at, f32_to_bits(low));
            }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
