/* Features of log-mel values: raised to the recording's largest less the dynamic range, then averaged over the 3 x 3
   neighbours that exist. A thread goes down a column of values and adds three of each; a group has the columns at both
   sides too.

   Buffers: 0 the largest of the parts of `mel`, 1 the values [recordings, bands, frames], 2 the features. */
#ifndef GPU_KERNELS_MEL_FINISH_H
#define GPU_KERNELS_MEL_FINISH_H

#define MEL_FINISH_COLUMNS 126u /* of a group */

#include "gpu/kernels/mel_parts.h"
/* count: groups, `across` for a recording. The features are [recordings, rows, columns]; inset: of their first row and
   column in the values. range: 0 for none. parts, joint: as those of mel_clamp, in all `all_parts`. */
KERNEL_ARGS(mel_finish, u32 count; u32 across; u32 rows; u32 columns; u32 bands; u32 frames; u32 inset;
            u32 parts; u32 all_parts; u32 joint; f32 range;)

#ifdef GPU_DIALECT
#define THREADS MEL_THREADS

SHARED(f32, mel_finish_sums, 2u * MEL_THREADS) /* of three rows, of this step and the one before */

KERNEL(mel_finish)
{
    u32 recording = GROUP / args.across, first = GROUP % args.across * MEL_FINISH_COLUMNS + args.inset;
    u32 of_all = args.joint != 0u ? 0u : recording * args.parts,
        n = args.joint != 0u ? args.all_parts : args.parts;
    u32 steps = args.bands + 1u;
    PRIVATE(f32, column, 3);
    if (GROUP >= args.count) {
        n = 0u;
        steps = 0u;
    }
    MEL_FIND_LARGEST(of_all, n)
    EACH_THREAD
    {
        MINE(column, 1) = 0.0f;
        MINE(column, 2) = 0.0f;
    }
    BARRIER;
    for (u32 row = 0u; row < steps; row++) {
        EACH_THREAD
        {
            u32 x = first + thread - 1u; /* wraps before column 0 */
            f32 value = 0.0f;
            if (x < args.frames && row < args.bands) {
                value = bits_to_f32(WORD(1, (recording * args.bands + row) * args.frames + x));
                if (args.range > 0.0f)
                    value = pair_real(PAIR_MAX, value, SHARED_GET(mel_high, 0u) - args.range);
            }
            MINE(column, 0) = MINE(column, 1);
            MINE(column, 1) = MINE(column, 2);
            MINE(column, 2) = value;
            SHARED_SET(mel_finish_sums, row % 2u * THREADS + thread,
                       MINE(column, 0) + MINE(column, 1) + value);
        }
        BARRIER; /* the only one of a step: the next writes the other sums */
        EACH_THREAD
        {
            u32 at = row % 2u * THREADS + thread, x = first + thread - 1u, y = row - 1u;
            if (thread > 0u && thread <= MEL_FINISH_COLUMNS && row > args.inset &&
                row <= args.rows + args.inset && x < args.columns + args.inset) {
                f32 sum = SHARED_GET(mel_finish_sums, at - 1u) + SHARED_GET(mel_finish_sums, at) +
                          SHARED_GET(mel_finish_sums, at + 1u);
                u32 tall = 1u + (y > 0u ? 1u : 0u) + (row < args.bands ? 1u : 0u);
                u32 wide = 1u + (x > 0u ? 1u : 0u) + (x + 1u < args.frames ? 1u : 0u);
                SET_WORD(2, (recording * args.rows + y - args.inset) * args.columns + x - args.inset,
                         f32_to_bits(sum / F32(tall * wide)));
            }
        }
    }
}

#undef THREADS
#endif
#endif
