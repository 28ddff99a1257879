/* Normalizations along the middle axis of [outer, n, inner]: softmax and its logarithm, and norms of layers,
   of roots of mean squares, of groups. `lanes` threads share a line, a power of two; where the lines of a group fit
   into shared memory (ROWS_CACHED), x is read once.

   Element i of line l has scale and bias number l % groups * group_step + i / each.

   Buffers: 0 x, 1 scale, 2 bias, 3 y, all of one type; 4 mean and 5 1 / deviation of each line, float32; 6 skip, 7 shift.
   Narrower than a word, inner is 1 and n fills words. */
#ifndef GPU_KERNELS_ROWS_H
#define GPU_KERNELS_ROWS_H

#define ROWS_SOFTMAX     0u
#define ROWS_LOG_SOFTMAX 1u
#define ROWS_NORM        2u
#define ROWS_RMS         3u

#define ROWS_SCALE   1u
#define ROWS_BIAS    2u
#define ROWS_MEAN    4u
#define ROWS_INVERSE 8u
#define ROWS_CACHED  16u
#define ROWS_SKIP    32u  /* what is normalized is x + skip, each repeated to the end */
#define ROWS_SHIFT   64u  /* + shift, whose element i is for element i of a line */
#define ROWS_SUM     128u /* buffer 4 is that sum, not the means */

#define ROWS_THREADS 128u
#define ROWS_CACHE   2048u
#define ROWS_FEW     16u
#define ROWS_PARTS   (ROWS_THREADS / ROWS_FEW)

#include "gpu/dialect/args.h"
KERNEL_ARGS(rows, u32 op; u32 type; u32 lines; u32 n; u32 inner; u32 lanes; u32 flags; u32 groups;
            u32 group_step; u32 each; u32 x_count; u32 skip_count; f32 epsilon;)

#ifdef GPU_DIALECT
#define THREADS ROWS_THREADS

SHARED(f32, rows_cache, ROWS_CACHE)
/* Numbers of each thread, in three areas: first sums, second sums, and sums of what is apart from the mean; and behind
   them those of up to ROWS_FEW threads of a line, of which each is the sum of `parts`. */
SHARED(f32, rows_partial, 6u * ROWS_THREADS)

FN f32 rows_larger(f32 x, f32 y)
{
    if (is_nan(x) || is_nan(y))
        return is_nan(x) ? x : y;
    return x >= y ? x : y;
}

/* An element in the first sum (of maxima, where it is a softmax) or in the second, about the first's result. */
FN f32 rows_term(u32 op, u32 pass, f32 x, f32 centre)
{
    f32 apart = x - centre;
    if (op == ROWS_RMS)
        return x * x;
    if (pass == 0u)
        return x;
    return op == ROWS_NORM ? apart * apart : exp_f32(apart);
}

FN f32 rows_pair(u32 op, u32 pass, f32 x, f32 y)
{
    return pass == 0u && op <= ROWS_LOG_SOFTMAX ? rows_larger(x, y) : x + y;
}

/* What changes no sum, and no largest. */
FN f32 rows_nothing(u32 op, u32 pass)
{
    return pass == 0u && op <= ROWS_LOG_SOFTMAX ? -INFINITE : 0.0f;
}

/* `to` = the sum, or the largest, of n numbers of area `area` from `at` on, `step` apart, by halves. Two barriers for a
   line's sum (one of short lines) in place of one for each halving: each thread adds the last ROWS_FEW itself. */
#define ROWS_ADD(to, max, pass, area, at, step, n)                                                           \
    {                                                                                                        \
        f32 part[2u * max];                                                                                  \
        UNROLL                                                                                               \
        for (u32 i = 0u; i < max; i++)                                                                       \
            part[i] = i < (n) ? SHARED_GET(rows_partial, (area)*THREADS + (at) + i * (step))                 \
                              : rows_nothing(args.op, pass);                                                 \
        UNROLL                                                                                               \
        for (u32 i = 0u; i + 1u < max; i++)                                                                  \
            part[max + i] = rows_pair(args.op, pass, part[2u * i], part[2u * i + 1u]);                       \
        to = part[2u * max - 2u];                                                                            \
    }
/* What all threads of a line find in an area. */
#define ROWS_FOUND(to, pass, area)                                                                           \
    ROWS_ADD(to, ROWS_FEW, pass, (area) + apart_areas, own * args.lanes, 1u, few)

/* Element `at`, the line's k-th. */
#define ROWS_X(at, k)                                                                                        \
    ((args.flags & ROWS_SKIP) == 0u                                                                          \
         ? LOAD_F32(0, args.type, at)                                                                        \
         : LOAD_F32(0, args.type, (at) % args.x_count) + LOAD_F32(6, args.type, (at) % args.skip_count) +    \
               ((args.flags & ROWS_SHIFT) != 0u ? LOAD_F32(7, args.type, k) : 0.0f))

KERNEL(rows)
{
    u32 at_once = THREADS / args.lanes, unit = 1u << type_shift(args.type);
    bool cached = (args.flags & ROWS_CACHED) != 0u, soft = args.op <= ROWS_LOG_SOFTMAX;
    u32 few = args.lanes < ROWS_FEW ? args.lanes : ROWS_FEW, parts = args.lanes / few;
    u32 apart_areas = parts > 1u ? 3u : 0u; /* where a line's last numbers are */
    PRIVATE(f32, found, 1);                 /* in the first pass */
    for (u32 pass = 0u; pass < (args.op == ROWS_RMS ? 1u : 2u); pass++) {
        EACH_THREAD
        {
            u32 own = thread / args.lanes, line = GROUP * at_once + own;
            u32 begin = line / args.inner * args.n * args.inner + line % args.inner;
            f32 sum = rows_nothing(args.op, pass), centre = 0.0f, apart = 0.0f;
            if (pass == 1u) {
                ROWS_FOUND(MINE(found, 0), 0u, 0u)
                centre = MINE(found, 0) / (soft ? 1.0f : F32(args.n));
            }
            for (u32 i = thread % args.lanes * unit; i < args.n && line < args.lines; i += args.lanes * unit)
                for (u32 k = i; k < i + unit; k++) {
                    f32 x;
                    if (pass == 1u && cached)
                        x = SHARED_GET(rows_cache, own * args.n + k);
                    else
                        x = ROWS_X(begin + k * args.inner, k);
                    if (pass == 0u && cached)
                        SHARED_SET(rows_cache, own * args.n + k, x);
                    sum = rows_pair(args.op, pass, sum, rows_term(args.op, pass, x, centre));
                    apart = apart + (x - centre);
                }
            SHARED_SET(rows_partial, pass * THREADS + thread, sum);
            if (pass == 1u)
                SHARED_SET(rows_partial, 2u * THREADS + thread, apart);
        }
        BARRIER;
        if (parts > 1u) {
            EACH_THREAD
            {
                if (thread % args.lanes < few) {
                    f32 sum, apart = 0.0f;
                    ROWS_ADD(sum, ROWS_PARTS, pass, pass, thread, few, parts)
                    SHARED_SET(rows_partial, (3u + pass) * THREADS + thread, sum);
                    if (pass == 1u) {
                        ROWS_ADD(apart, ROWS_PARTS, pass, 2u, thread, few, parts)
                        SHARED_SET(rows_partial, 5u * THREADS + thread, apart);
                    }
                }
            }
            BARRIER;
        }
    }
    EACH_THREAD
    {
        u32 own = thread / args.lanes, line = GROUP * at_once + own;
        u32 begin = line / args.inner * args.n * args.inner + line % args.inner;
        f32 first, second, rest = 0.0f, factor;
        if (args.op == ROWS_RMS) {
            ROWS_FOUND(first, 0u, 0u)
            second = first;
        } else {
            first = MINE(found, 0);
            ROWS_FOUND(second, 1u, 1u)
        }
        if (soft) {
            factor = args.op == ROWS_SOFTMAX ? second : log_f32(second);
        } else {
            /* the mean is first + rest: float32 rounds away much of that of large numbers close to one another */
            if (args.op == ROWS_NORM) {
                ROWS_FOUND(rest, 1u, 2u)
                rest = rest / F32(args.n);
            }
            first = args.op == ROWS_NORM ? first / F32(args.n) : 0.0f;
            factor = 1.0f / SQRT(second / F32(args.n) - rest * rest + args.epsilon);
        }
        for (u32 i = thread % args.lanes * unit; i < args.n && line < args.lines; i += args.lanes * unit) {
            u32 word = 0u;
            for (u32 k = i; k < i + unit; k++) {
                u32 at = begin + k * args.inner, scale = line % args.groups * args.group_step + k / args.each;
                f32 x;
                if (cached)
                    x = SHARED_GET(rows_cache, own * args.n + k);
                else
                    x = ROWS_X(at, k);
                if ((args.flags & ROWS_SUM) != 0u)
                    SET_WORD(4, at, f32_to_bits(x));
                x = x - first - rest;
                if (args.op == ROWS_SOFTMAX)
                    x = exp_f32(x) / factor;
                else
                    x = args.op == ROWS_LOG_SOFTMAX ? x - factor : x * factor;
                if ((args.flags & ROWS_SCALE) != 0u)
                    x = x * LOAD_F32(1, args.type, scale);
                if ((args.flags & ROWS_BIAS) != 0u)
                    x = x + LOAD_F32(2, args.type, scale);
                PUT_F32(3, args.type, word, at, x);
            }
        }
        if (thread % args.lanes == 0u && line < args.lines) {
            if ((args.flags & ROWS_MEAN) != 0u)
                SET_WORD(4, line, f32_to_bits(first + rest));
            if ((args.flags & ROWS_INVERSE) != 0u)
                SET_WORD(5, line, f32_to_bits(factor));
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
