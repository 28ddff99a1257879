/* Log-mel values of frames of any size, one after another: the frame less its mean, pre-emphasis, window, transform,
   power, bands, logarithm. The transform of n = n1 n2 samples is n2 transforms of every n2-th sample, turned, and n1 of
   those.

   Buffers: 0 the tables, 1 the samples of the recordings, 2 their values [recordings, bands, frames], 3 and 4 extremes.
   The tables: the first bin, the bins and the weights' place of each band; from `turns` on cosine and
   sine of 2 pi k / n; from `window` on the window; the weights. */
#ifndef GPU_KERNELS_MEL_H
#define GPU_KERNELS_MEL_H

#define MEL_SIZE 1024u /* samples of a transform at most */

#include "gpu/kernels/mel_parts.h"
/* As those of mel400. span: samples of the window. */
KERNEL_ARGS(mel, u32 flags; u32 count; u32 parts; u32 width; u32 samples; u32 total; u32 frames; u32 hop;
            u32 before; u32 span; u32 n; u32 n1; u32 bands; u32 turns; u32 window; f32 preemphasis;
            f32 log_floor; f32 scale; f32 shift;)

#ifdef GPU_DIALECT
#define THREADS MEL_THREADS

SHARED(f32, mel_frame, MEL_SIZE) /* samples, then the power of bins */
SHARED(f32, mel_re, MEL_SIZE)
SHARED(f32, mel_im, MEL_SIZE)
SHARED(f32, mel_partial, MEL_THREADS)

#define MEL_VALUE(e) mel_value(e, (args.flags & MEL_LOG) != 0u, args.log_floor, args.scale, args.shift)
#define MEL_TABLE(i) bits_to_f32(WORD(0, i))

KERNEL(mel)
{
    u32 recording = GROUP / args.parts, begin = GROUP % args.parts * args.width, n2 = args.n / args.n1;
    u32 end = GROUP >= args.count                ? begin
              : begin + args.width > args.frames ? args.frames
                                                 : begin + args.width;
    PRIVATE(u32, extremes, 2);
    MEL_NO_EXTREMES;
    for (u32 frame = begin; frame < end; frame++) {
        EACH_THREAD
        {
            f32 sum = 0.0f;
            for (u32 i = thread; i < args.span; i += THREADS) {
                f32 x = MEL_SAMPLE(1, recording * args.samples, I32(frame * args.hop + i) - I32(args.before));
                SHARED_SET(mel_im, i, x);
                sum = sum + x;
            }
            SHARED_SET(mel_partial, thread, sum);
        }
        BARRIER;
        EACH_THREAD
        {
            f32 mean = 0.0f;
            for (u32 i = 0u; i < THREADS && (args.flags & MEL_REMOVE_DC) != 0u; i++)
                mean = mean + SHARED_GET(mel_partial, i);
            mean = mean / F32(args.span);
            for (u32 i = thread; i < args.n; i += THREADS) {
                f32 x = 0.0f;
                if (i < args.span) {
                    x = SHARED_GET(mel_im, i) - mean;
                    if (args.preemphasis != 0.0f)
                        x = x - args.preemphasis * (SHARED_GET(mel_im, i == 0u ? 0u : i - 1u) - mean);
                    x = x * MEL_TABLE(args.window + i);
                }
                SHARED_SET(mel_frame, i, x);
            }
        }
        BARRIER;
        EACH_THREAD
        {
            for (u32 i = thread; i < args.n; i += THREADS) {
                u32 k = i / n2, own = i % n2, turn = 0u;
                f32 re = 0.0f, im = 0.0f;
                for (u32 j = own; j < args.n; j += n2) {
                    f32 x = SHARED_GET(mel_frame, j);
                    re = MADD(x, MEL_TABLE(args.turns + 2u * turn), re);
                    im = MADD(-x, MEL_TABLE(args.turns + 2u * turn + 1u), im);
                    turn = turn + k * n2;
                    turn = turn >= args.n ? turn - args.n : turn;
                }
                f32 c = MEL_TABLE(args.turns + 2u * own * k), s = MEL_TABLE(args.turns + 2u * own * k + 1u);
                SHARED_SET(mel_re, i, re * c + im * s);
                SHARED_SET(mel_im, i, im * c - re * s);
            }
        }
        BARRIER;
        EACH_THREAD
        {
            for (u32 bin = thread; bin <= args.n / 2u; bin += THREADS) {
                u32 from = bin % args.n1 * n2, step = bin / args.n1 * args.n1, turn = 0u;
                f32 re = 0.0f, im = 0.0f;
                for (u32 j = from; j < from + n2; j++) {
                    f32 x = SHARED_GET(mel_re, j), y = SHARED_GET(mel_im, j);
                    f32 c = MEL_TABLE(args.turns + 2u * turn), s = MEL_TABLE(args.turns + 2u * turn + 1u);
                    re = MADD(x, c, MADD(y, s, re));
                    im = MADD(y, c, MADD(-x, s, im));
                    turn = turn + step;
                    turn = turn >= args.n ? turn - args.n : turn;
                }
                f32 power = re * re + im * im;
                SHARED_SET(mel_frame, bin, (args.flags & MEL_MAGNITUDE) != 0u ? SQRT(power) : power);
            }
        }
        BARRIER;
        EACH_THREAD
        {
            for (u32 m = thread; m < args.bands; m += THREADS) {
                u32 first = WORD(0, 3u * m), count = WORD(0, 3u * m + 1u), weights = WORD(0, 3u * m + 2u);
                f32 e = 0.0f;
                for (u32 i = 0u; i < count; i++)
                    e = MADD(MEL_TABLE(weights + i), SHARED_GET(mel_frame, first + i), e);
                MEL_KEEP_EXTREMES(e);
                SET_WORD(2, (recording * args.bands + m) * args.frames + frame, f32_to_bits(MEL_VALUE(e)));
            }
        }
        BARRIER;
    }
    MEL_GIVE_EXTREMES;
}

#undef MEL_VALUE
#undef THREADS
#endif
#endif
