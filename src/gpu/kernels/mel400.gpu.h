/* Log-mel values by transforms of 400 samples, 16 frames at once.

   Good's prime factors (1958): with n = 25 a + 16 b and k1 = k mod 16, k2 = k mod 25 a transform is one of 16 for
   each b and one of 25 for each k1, and nothing between them is turned. Samples are real, so k1 is 0 to 8, and the real
   results of 0 and 8 are one complex number. Exponents are positive: powers are the same.

   Shared memory holds in turn: windowed samples [frame, b, a]; what goes into the transforms of 25, [k1, frame, b,
   2]; the powers in their places. Lanes are frames, whose rows lie in different banks.

   Buffers: 0 the tables, 1 the samples of the recordings, 2 their values [recordings, bands, frames], 3 and 4 extremes.
   The tables: where the weights of each band begin, and the last ones end; from `window` on the window; the weights,
   each with the place of its power before it, and one more that is 0. */
#ifndef GPU_KERNELS_MEL400_H
#define GPU_KERNELS_MEL400_H

#define MEL400_SIZE   400u
#define MEL400_HOP    160u
#define MEL400_FRAMES 16u

#include "gpu/kernels/mel_parts.h"
/* count: groups, `parts` for a recording. A frame begins `before` samples before a multiple of 160; `total` samples
   count, those from `samples` on are 0. */
KERNEL_ARGS(mel400, u32 flags; u32 count; u32 parts; u32 width; u32 samples; u32 total; u32 frames;
            u32 before; u32 bands; u32 window; f32 log_floor; f32 scale; f32 shift;)

#define MEL400_ROW    404u /* samples of a frame */
#define MEL400_COLUMN 50u  /* numbers of a transform of 25 */

/* The place of the power of bin 0 to 200 in frame 0, a column before that in the next one, and what it is to be
   multiplied by. */
#define MEL400_FOLDED(bin)                                                                                   \
    ((bin) % 16u > 8u || ((bin) % 8u == 0u && (bin) % 25u > 12u) ? 400u - (bin) : (bin))
#define MEL400_AT(k1, k2)                                                                                    \
    ((k1) % 8u == 0u ? (k1) / 8u * 13u + (k2)                                                                \
                     : (k1)*MEL400_FRAMES * MEL400_COLUMN + (k1) % 2u * 25u + (k2) / 5u + (k2) % 5u * 5u)
#define MEL400_PART(bin)  ((bin) % 8u == 0u && (bin) % 25u != 0u ? 0.25 : 1.0)
#define MEL400_PLACE(bin) MEL400_AT(MEL400_FOLDED(bin) % 16u, MEL400_FOLDED(bin) % 25u)

#ifdef GPU_DIALECT
#undef GROUPS_AT_ONCE
#define GROUPS_AT_ONCE 6
#define THREADS        MEL_THREADS
#define MEL_VALUE(e)   mel_value(e, true, args.log_floor, args.scale, args.shift)

/* Cosine and sine of parts of a turn. */
#define MEL400_ROOT  0.707106781f
#define MEL400_COS16 0.923879533f
#define MEL400_SIN16 0.382683432f
#define MEL400_COS5  0.309016994f
#define MEL400_SIN5  0.951056516f
#define MEL400_COS10 (-0.809016994f)
#define MEL400_SIN10 0.587785252f

SHARED(f32, mel400_data, MEL400_FRAMES *MEL400_ROW)

/* The transform of 16 real numbers: of 0 and 8, then 1 to 7, real and imaginary. */
FN void mel400_of_16(INOUT f32 x[16])
{
    f32 s0 = x[0] + x[8], s1 = x[1] + x[9], s2 = x[2] + x[10], s3 = x[3] + x[11];
    f32 s4 = x[4] + x[12], s5 = x[5] + x[13], s6 = x[6] + x[14], s7 = x[7] + x[15];
    f32 d0 = x[0] - x[8], d1 = x[1] - x[9], d2 = x[2] - x[10], d3 = x[3] - x[11];
    f32 d4 = x[4] - x[12], d5 = x[5] - x[13], d6 = x[6] - x[14], d7 = x[7] - x[15];
    /* even ones: 8 real numbers */
    f32 t0 = s0 + s4, t1 = s1 + s5, t2 = s2 + s6, t3 = s3 + s7;
    f32 e0 = s0 - s4, e1 = s1 - s5, e2 = s2 - s6, e3 = s3 - s7;
    f32 u = e1 - e3, v = e1 + e3;
    x[0] = (t0 + t2) + (t1 + t3);
    x[1] = (t0 + t2) - (t1 + t3);
    x[8] = t0 - t2;
    x[9] = t1 - t3;
    x[4] = MADD(u, MEL400_ROOT, e0);
    x[5] = MADD(v, MEL400_ROOT, e2);
    x[12] = MADD(-u, MEL400_ROOT, e0);
    x[13] = MADD(v, MEL400_ROOT, -e2);
    /* odd ones, by d(i) and d(8 - i) */
    f32 a1 = d1 - d7, a2 = d2 - d6, a3 = d3 - d5, b1 = d1 + d7, b2 = d2 + d6, b3 = d3 + d5;
    f32 p = MADD(a2, MEL400_ROOT, d0), q = MADD(-a2, MEL400_ROOT, d0);
    f32 g = MADD(a1, MEL400_COS16, a3 * MEL400_SIN16), h = MADD(a1, MEL400_SIN16, -(a3 * MEL400_COS16));
    x[2] = p + g;
    x[14] = p - g;
    x[6] = q + h;
    x[10] = q - h;
    p = MADD(b2, MEL400_ROOT, d4);
    q = MADD(b2, MEL400_ROOT, -d4);
    g = MADD(b1, MEL400_SIN16, b3 * MEL400_COS16);
    h = MADD(b1, MEL400_COS16, -(b3 * MEL400_SIN16));
    x[3] = g + p;
    x[15] = g - p;
    x[7] = h + q;
    x[11] = h - q;
}

/* The transform of 5 numbers from i on, `step` apart, in place. */
FN void mel400_of_5(INOUT f32 re[25], INOUT f32 im[25], u32 i, u32 step)
{
    u32 j = i + step, k = j + step, l = k + step, m = l + step;
    f32 a = re[j] + re[m], b = re[k] + re[l], c = re[j] - re[m], d = re[k] - re[l], x = re[i];
    f32 e = im[j] + im[m], f = im[k] + im[l], g = im[j] - im[m], h = im[k] - im[l], y = im[i];
    f32 near_re = MADD(a, MEL400_COS5, MADD(b, MEL400_COS10, x));
    f32 near_im = MADD(e, MEL400_COS5, MADD(f, MEL400_COS10, y));
    f32 far_re = MADD(a, MEL400_COS10, MADD(b, MEL400_COS5, x));
    f32 far_im = MADD(e, MEL400_COS10, MADD(f, MEL400_COS5, y));
    f32 p = MADD(g, MEL400_SIN5, h * MEL400_SIN10), q = MADD(c, MEL400_SIN5, d * MEL400_SIN10);
    f32 r = MADD(g, MEL400_SIN10, -(h * MEL400_SIN5)), s = MADD(c, MEL400_SIN10, -(d * MEL400_SIN5));
    re[i] = x + (a + b);
    im[i] = y + (e + f);
    re[j] = near_re - p;
    im[j] = near_im + q;
    re[m] = near_re + p;
    im[m] = near_im - q;
    re[k] = far_re - r;
    im[k] = far_im + s;
    re[l] = far_re + r;
    im[l] = far_im - s;
}

FN void mel400_turn(INOUT f32 re[25], INOUT f32 im[25], u32 i, f32 c, f32 s)
{
    f32 x = re[i];
    re[i] = MADD(x, c, -(im[i] * s));
    im[i] = MADD(x, s, im[i] * c);
}

/* The transform of 25 = 5 x 5 numbers; number k ends at k / 5 + k % 5 * 5. */
FN void mel400_of_25(INOUT f32 re[25], INOUT f32 im[25])
{
    UNROLL for (u32 i = 0u; i < 5u; i++) mel400_of_5(re, im, i, 5u);
    mel400_turn(re, im, 6u, 0.968583161f, 0.248689887f);
    mel400_turn(re, im, 7u, 0.876306680f, 0.481753674f);
    mel400_turn(re, im, 8u, 0.728968627f, 0.684547106f);
    mel400_turn(re, im, 9u, 0.535826795f, 0.844327926f);
    mel400_turn(re, im, 11u, 0.876306680f, 0.481753674f);
    mel400_turn(re, im, 12u, 0.535826795f, 0.844327926f);
    mel400_turn(re, im, 13u, 0.0627905195f, 0.998026728f);
    mel400_turn(re, im, 14u, -0.425779292f, 0.904827052f);
    mel400_turn(re, im, 16u, 0.728968627f, 0.684547106f);
    mel400_turn(re, im, 17u, 0.0627905195f, 0.998026728f);
    mel400_turn(re, im, 18u, -0.637423990f, 0.770513243f);
    mel400_turn(re, im, 19u, -0.992114701f, 0.125333234f);
    mel400_turn(re, im, 21u, 0.535826795f, 0.844327926f);
    mel400_turn(re, im, 22u, -0.425779292f, 0.904827052f);
    mel400_turn(re, im, 23u, -0.992114701f, 0.125333234f);
    mel400_turn(re, im, 24u, -0.637423990f, -0.770513243f);
    UNROLL for (u32 i = 0u; i < 5u; i++) mel400_of_5(re, im, 5u * i, 1u);
}

#define MEL400_TABLE(i)      bits_to_f32(WORD(0, i))
#define MEL400_GET(i)        SHARED_GET(mel400_data, i)
#define MEL400_SET(i, v)     SHARED_SET(mel400_data, i, v)
#define MEL400_POWER(re, im) MADD(re, re, (im) * (im))
/* Puts samples, which are `x` of n and f, times their window. */
#define MEL400_TAKE(unroll, x)                                                                               \
    ROLLED for (u32 n = thread; n < MEL400_SIZE; n += THREADS)                                               \
    {                                                                                                        \
        u32 place = 11u * n % 25u * 16u + 9u * n % 16u;                                                      \
        f32 w = MEL400_TABLE(args.window + n);                                                               \
        unroll for (u32 f = 0u; f < MEL400_FRAMES; f++) MEL400_SET(f *MEL400_ROW + place, (x)*w);            \
    }

KERNEL(mel400)
{
    u32 recording = GROUP / args.parts, begin = GROUP % args.parts * args.width;
    u32 end = GROUP >= args.count                ? begin
              : begin + args.width > args.frames ? args.frames
                                                 : begin + args.width;
    PRIVATE(u32, extremes, 2);
    MEL_NO_EXTREMES;
    for (u32 first = begin; first < end; first += MEL400_FRAMES) {
        PRIVATE(f32, small, 64); /* four transforms of 16 */
        EACH_THREAD
        {
            i32 from = I32(first * MEL400_HOP) - I32(args.before);
            u32 own = recording * args.samples;
            if (from >= 0 && U32(from) + (MEL400_FRAMES - 1u) * MEL400_HOP + MEL400_SIZE <= args.samples) {
                i32 begins = I32(own) + from; /* signed, so that a compiler adds the constants last */
                MEL400_TAKE(UNROLL, bits_to_f32(WORD(1, begins + I32(n) + I32(f * MEL400_HOP))))
            } else {
                MEL400_TAKE(ROLLED, MEL_SAMPLE(1, own, from + I32(n + f * MEL400_HOP)))
            }
        }
        BARRIER;
        EACH_THREAD
        {
            i32 row = I32(thread % 16u * MEL400_ROW + thread / 16u * 16u);
            UNROLL for (i32 r = 0; r < 4; r++)
            {
                f32 x[16];
                UNROLL for (i32 a = 0; a < 16; a++) x[a] = 0.0f;
                if (r < 3 || thread < 16u) {
                    UNROLL for (i32 a = 0; a < 16; a++) x[a] = MEL400_GET(row + 128 * r + a);
                    mel400_of_16(x);
                }
                UNROLL for (i32 a = 0; a < 16; a++) MINE(small, 16 * r + a) = x[a];
            }
        }
        BARRIER;
        EACH_THREAD
        {
            i32 at = I32(thread % 16u * MEL400_COLUMN + thread / 16u * 2u);
            UNROLL for (i32 r = 0; r < 4; r++) if (r < 3 || thread < 16u)
            {
                UNROLL for (i32 a = 0; a < 16; a++)
                    MEL400_SET(at + 16 * r + a / 2 * I32(MEL400_FRAMES * MEL400_COLUMN) + a % 2,
                               MINE(small, 16 * r + a));
            }
        }
        BARRIER;
        EACH_THREAD /* its own column alone, so nobody waits before the powers */
        {
            i32 at = I32(thread * MEL400_COLUMN);
            f32 re[25], im[25];
            UNROLL for (i32 b = 0; b < 25; b++)
            {
                re[b] = MEL400_GET(at + 2 * b);
                im[b] = MEL400_GET(at + 2 * b + 1);
            }
            mel400_of_25(re, im);
            if (thread >= MEL400_FRAMES) {
                at = at + I32(thread / MEL400_FRAMES % 2u * 25u);
                UNROLL for (i32 i = 0; i < 25; i++) MEL400_SET(at + i, MEL400_POWER(re[i], im[i]));
            } else { /* of two real transforms; but for number 0 four times as large */
                MEL400_SET(at, re[0] * re[0]);
                MEL400_SET(at + 13, im[0] * im[0]);
                UNROLL for (i32 k = 1; k < 13; k++)
                {
                    i32 i = k / 5 + k % 5 * 5, j = (25 - k) / 5 + (25 - k) % 5 * 5;
                    MEL400_SET(at + k, MEL400_POWER(re[i] + re[j], im[i] - im[j]));
                    MEL400_SET(at + 13 + k, MEL400_POWER(im[i] + im[j], re[i] - re[j]));
                }
            }
        }
        BARRIER;
        EACH_THREAD /* two frames, 8 apart: 8 threads write a sector of memory */
        {
            u32 frame = first + thread % 8u, m = thread / 8u;
            i32 own = I32(thread % 8u * MEL400_COLUMN),
                to = I32((recording * args.bands + m) * args.frames + frame);
            for (; m < args.bands; m += THREADS / 8u) {
                i32 at = I32(WORD(0, m)), next = I32(WORD(0, m + 1u));
                f32 e = 0.0f, f = 0.0f;
                i32 place = own + I32(WORD(0, at));
                f32 w = MEL400_TABLE(at + 1);
                ROLLED for (; at < next;) /* the next weight is on its way while one is used */
                {
                    i32 now = place;
                    f32 v = w;
                    at += 2;
                    place = own + I32(WORD(0, at));
                    w = MEL400_TABLE(at + 1);
                    e = MADD(v, MEL400_GET(now), e);
                    f = MADD(v, MEL400_GET(now + 8 * I32(MEL400_COLUMN)), f);
                }
                if (frame < end) {
                    MEL_KEEP_EXTREMES(e);
                    SET_WORD(2, to, f32_to_bits(MEL_VALUE(e)));
                }
                if (frame + 8u < end) {
                    MEL_KEEP_EXTREMES(f);
                    SET_WORD(2, to + 8, f32_to_bits(MEL_VALUE(f)));
                }
                to = to + I32(THREADS / 8u * args.frames);
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
