/* What the kernels of log-mel features share: energies become values, whose extremes are found group by group.

   Groups of `mel` and `mel400` make parts: `width` frames of a recording each, of which buffer 3 receives the largest
   value and buffer 4 the smallest, [recordings, parts]. A recording's largest is known when all are done; then
   `mel_clamp` or `mel_finish` raises to it less the dynamic range. */
#ifndef GPU_KERNELS_MEL_PARTS_H
#define GPU_KERNELS_MEL_PARTS_H

#define MEL_THREADS 128u

#define MEL_REFLECT   1u /* beyond the ends; else zeros */
#define MEL_REMOVE_DC 2u
#define MEL_MAGNITUDE 4u
#define MEL_LOG       8u

#include "gpu/dialect/args.h"
#include "gpu/kernels/pair.h"

#ifdef GPU_DIALECT
SHARED(f32, mel_high, MEL_THREADS)
SHARED(u32, mel_most, MEL_THREADS)
SHARED(u32, mel_least, MEL_THREADS)

/* The value of an energy; NaN and infinities stay. */
FN f32 mel_value(f32 e, bool log, f32 log_floor, f32 scale, f32 shift)
{
    return MADD(log ? LOG2(e < log_floor ? log_floor : e) : e, scale, shift);
}

/* Where sample `at` lies, which may be beyond the ends: after reflection, if any; not below `samples` where it is zero.
   total: samples and zeros after them. */
FN u32 mel_place(i32 at, bool reflect, u32 samples, u32 total)
{
    i32 last = I32(total) - 1;
    if (reflect)
        at = at < 0 ? 0 - at : at > last ? 2 * last - at : at;
    return at < 0 ? samples : U32(at);
}

/* A sample of those that begin at word `own` of a buffer. */
#define MEL_SAMPLE(buffer, own, at)                                                                          \
    mel_place(at, (args.flags & MEL_REFLECT) != 0u, args.samples, args.total) < args.samples                 \
        ? bits_to_f32(WORD(                                                                                  \
              buffer, (own) + mel_place(at, (args.flags & MEL_REFLECT) != 0u, args.samples, args.total)))    \
        : 0.0f

/* Energies are not negative, nor -0, so their bits are in their order, and those of NaN are the largest: extremes (2)
   of the bits of a thread's energies. */
#define MEL_NO_EXTREMES                                                                                      \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        MINE(extremes, 0) = 0u;                                                                              \
        MINE(extremes, 1) = 0x7f800000u;                                                                     \
    }                                                                                                        \
    BARRIER
#define MEL_KEEP_EXTREMES(e)                                                                                 \
    u32 size = f32_to_bits(e);                                                                               \
    MINE(extremes, 0) = size > MINE(extremes, 0) ? size : MINE(extremes, 0);                                 \
    MINE(extremes, 1) = size < MINE(extremes, 1) ? size : MINE(extremes, 1)

/* The values of extremes, by MEL_VALUE, to buffers 3 and 4. */
#define MEL_GIVE_EXTREMES                                                                                    \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        SHARED_SET(mel_most, thread, MINE(extremes, 0));                                                     \
        SHARED_SET(mel_least, thread, MINE(extremes, 1));                                                    \
    }                                                                                                        \
    BARRIER;                                                                                                 \
    ROLLED for (u32 left = MEL_THREADS / 2u; left > 0u; left = left / 2u)                                    \
    {                                                                                                        \
        EACH_THREAD                                                                                          \
        {                                                                                                    \
            if (thread < left) {                                                                             \
                u32 most = SHARED_GET(mel_most, thread + left),                                              \
                    least = SHARED_GET(mel_least, thread + left);                                            \
                if (most > SHARED_GET(mel_most, thread))                                                     \
                    SHARED_SET(mel_most, thread, most);                                                      \
                if (least < SHARED_GET(mel_least, thread))                                                   \
                    SHARED_SET(mel_least, thread, least);                                                    \
            }                                                                                                \
        }                                                                                                    \
        BARRIER;                                                                                             \
    }                                                                                                        \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        if (thread == 0u && GROUP < args.count) {                                                            \
            SET_WORD(3, GROUP, f32_to_bits(MEL_VALUE(bits_to_f32(SHARED_GET(mel_most, 0u)))));               \
            SET_WORD(4, GROUP, f32_to_bits(MEL_VALUE(bits_to_f32(SHARED_GET(mel_least, 0u)))));              \
        }                                                                                                    \
    }                                                                                                        \
    BARRIER

/* The largest of n values from `begin` on in buffer 0, into item 0 of mel_high. */
#define MEL_FIND_LARGEST(begin, n)                                                                           \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        f32 largest = -INFINITE;                                                                             \
        for (u32 i = thread; i < (n); i += MEL_THREADS)                                                      \
            largest = pair_real(PAIR_MAX, largest, bits_to_f32(WORD(0, (begin) + i)));                       \
        SHARED_SET(mel_high, thread, largest);                                                               \
    }                                                                                                        \
    BARRIER;                                                                                                 \
    ROLLED for (u32 left = MEL_THREADS / 2u; left > 0u; left = left / 2u)                                    \
    {                                                                                                        \
        EACH_THREAD                                                                                          \
        {                                                                                                    \
            if (thread < left)                                                                               \
                SHARED_SET(                                                                                  \
                    mel_high, thread,                                                                        \
                    pair_real(PAIR_MAX, SHARED_GET(mel_high, thread), SHARED_GET(mel_high, thread + left))); \
        }                                                                                                    \
        BARRIER;                                                                                             \
    }
#endif
#endif
