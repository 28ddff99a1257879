/* Features of log-mel energies: raised to the recording's largest less the dynamic range, averaged over the 3 x 3
   neighbours that exist, offset and gain.

   Buffers: 0 energies [recordings, bands, frames], 1 the largest of each recording, 2 the features. */
#ifndef GPU_KERNELS_MEL_FINISH_H
#define GPU_KERNELS_MEL_FINISH_H

#define MEL_FINISH_THREADS 64u

#include "gpu/dialect/args.h"
#include "gpu/kernels/pair.h"
/* The features are [count / (rows columns), rows, columns]; inset: of their first row and column in the energies.
   reach: 1 for averages, else 0. range: 0 for none. */
KERNEL_ARGS(mel_finish, u32 count; u32 rows; u32 columns; u32 bands; u32 frames; u32 inset; u32 reach;
            f32 range; f32 offset; f32 gain;)

#ifdef GPU_DIALECT
#define THREADS MEL_FINISH_THREADS

KERNEL(mel_finish)
{
    EACH_THREAD
    {
        u32 e = GROUP * THREADS + thread;
        if (e < args.count) {
            u32 recording = e / (args.rows * args.columns), begin = recording * args.bands * args.frames;
            i32 row = I32(e / args.columns % args.rows + args.inset),
                column = I32(e % args.columns + args.inset);
            i32 reach = I32(args.reach);
            f32 sum = 0.0f, n = 0.0f, low = bits_to_f32(WORD(1, recording)) - args.range;
            for (i32 y = row - reach; y <= row + reach; y++)
                for (i32 x = column - reach; x <= column + reach; x++) {
                    if (y < 0 || y >= I32(args.bands) || x < 0 || x >= I32(args.frames))
                        continue;
                    f32 z = bits_to_f32(WORD(0, begin + U32(y) * args.frames + U32(x)));
                    sum = sum + (args.range > 0.0f ? pair_real(PAIR_MAX, z, low) : z);
                    n = n + 1.0f;
                }
            SET_WORD(2, e, f32_to_bits((sum / n + args.offset) * args.gain));
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
