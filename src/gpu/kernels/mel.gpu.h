/* Log-mel energies of frames, one a group: the frame less its mean, pre-emphasis, window, transform, power, bands,
   logarithm. The transform of n = n1 n2 samples is n2 transforms of every n2-th sample, turned, and n1 of those.

   Buffers: 0 the tables, 1 the samples of `count` recordings, 2 their energies [recordings, bands, frames], 3
   the largest of each frame.
   The tables: the first bin, the bins and the weights' place of each band; from `turns` on cosine and
   sine of 2 pi k / n; from `window` on the window; the weights. */
#ifndef GPU_KERNELS_MEL_H
#define GPU_KERNELS_MEL_H

#define MEL_SIZE    1024u /* samples of a transform at most */
#define MEL_THREADS 128u

#define MEL_REFLECT   1u /* beyond the ends; else zeros */
#define MEL_REMOVE_DC 2u
#define MEL_MAGNITUDE 4u
#define MEL_LOG       8u

#include "gpu/dialect/args.h"
#include "gpu/kernels/pair.h"
/* span: samples of the window. A frame begins `before` samples before a multiple of hop. z = scale log(max(e, log_floor)) + shift. */
KERNEL_ARGS(mel, u32 flags; u32 samples; u32 frames; u32 hop; u32 before; u32 span; u32 n; u32 n1; u32 bands;
            u32 turns; u32 window; f32 preemphasis; f32 log_floor; f32 scale; f32 shift;)

#ifdef GPU_DIALECT
#define THREADS MEL_THREADS

SHARED(f32, mel_frame, MEL_SIZE) /* samples, then the power of bins */
SHARED(f32, mel_re, MEL_SIZE)
SHARED(f32, mel_im, MEL_SIZE)
SHARED(f32, mel_partial, MEL_THREADS)

#define MEL_TABLE(i) bits_to_f32(WORD(0, i))

KERNEL(mel)
{
    u32 recording = GROUP / args.frames, frame = GROUP % args.frames, n2 = args.n / args.n1;
    EACH_THREAD
    {
        f32 sum = 0.0f;
        for (u32 i = thread; i < args.span; i += THREADS) {
            i32 at = I32(frame * args.hop + i) - I32(args.before), last = I32(args.samples) - 1;
            f32 x = 0.0f;
            if ((args.flags & MEL_REFLECT) != 0u)
                at = at < 0 ? 0 - at : at > last ? 2 * last - at : at;
            if (at >= 0 && at <= last)
                x = bits_to_f32(WORD(1, recording * args.samples + U32(at)));
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
        f32 largest = -INFINITE;
        for (u32 m = thread; m < args.bands; m += THREADS) {
            u32 first = WORD(0, 3u * m), count = WORD(0, 3u * m + 1u), weights = WORD(0, 3u * m + 2u);
            f32 e = 0.0f;
            for (u32 i = 0u; i < count; i++)
                e = MADD(MEL_TABLE(weights + i), SHARED_GET(mel_frame, first + i), e);
            if ((args.flags & MEL_LOG) != 0u)
                e = args.scale * log_f32(e < args.log_floor ? args.log_floor : e) + args.shift;
            SET_WORD(2, (recording * args.bands + m) * args.frames + frame, f32_to_bits(e));
            largest = pair_real(PAIR_MAX, largest, e);
        }
        SHARED_SET(mel_partial, thread, largest);
    }
    BARRIER;
    EACH_THREAD
    {
        f32 largest = -INFINITE;
        for (u32 i = 0u; i < THREADS && thread == 0u; i++)
            largest = pair_real(PAIR_MAX, largest, SHARED_GET(mel_partial, i));
        if (thread == 0u)
            SET_WORD(3, GROUP, f32_to_bits(largest));
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
