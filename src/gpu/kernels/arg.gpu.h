/* Indices of the smallest or largest elements of the middle axis of [outer, n, inner], the first or last of equals;
   NaN counts as either. `lanes` threads share a result, a power of two: each takes every lanes-th element, then the
   candidates are compared in pairs.

   Buffers: 0 the operand, 1 the result, integers of 64 bits. */
#ifndef GPU_KERNELS_ARG_H
#define GPU_KERNELS_ARG_H

#define ARG_THREADS 64u

#include "gpu/dialect/args.h"
KERNEL_ARGS(arg, u32 type; u32 count; u32 n; u32 inner; u32 lanes; u32 largest;
            u32 last;) /* count: of results */

#ifdef GPU_DIALECT
#define THREADS ARG_THREADS

SHARED(u32, arg_best, ARG_THREADS)
SHARED(u32, arg_index, ARG_THREADS)

/* Whether candidate y at j takes the place of x at i. */
FN bool arg_takes(u32 type, bool largest, bool last, u32 x, u32 i, u32 y, u32 j)
{
    f32 a = bits_to_f32(x), b = bits_to_f32(y);
    bool real = type_is_float(type), equal = x == y;
    if (real && (is_nan(a) || is_nan(b))) {
        if (is_nan(a) != is_nan(b))
            return is_nan(b);
        equal = true;
    } else if (real)
        equal = a == b;
    if (equal)
        return (j > i) == last;
    if (real)
        return (b > a) == largest;
    return (I32(y) > I32(x)) == largest;
}

KERNEL(arg)
{
    u32 results = THREADS / args.lanes;
    EACH_THREAD
    {
        u32 result = GROUP * results + thread / args.lanes, own = thread % args.lanes, best = 0u, at = own;
        u32 begin = result / args.inner * args.n * args.inner + result % args.inner;
        if (own < args.n && result < args.count)
            best = LOAD(0, args.type, begin + own * args.inner);
        for (u32 i = own + args.lanes; i < args.n && result < args.count; i += args.lanes) {
            u32 x = LOAD(0, args.type, begin + i * args.inner);
            if (arg_takes(args.type, args.largest != 0u, args.last != 0u, best, at, x, i)) {
                best = x;
                at = i;
            }
        }
        SHARED_SET(arg_best, thread, best);
        SHARED_SET(arg_index, thread, at);
    }
    BARRIER;
    for (u32 left = args.lanes / 2u; left > 0u; left = left / 2u) {
        EACH_THREAD
        {
            if (thread % args.lanes < left) {
                u32 best = SHARED_GET(arg_best, thread), at = SHARED_GET(arg_index, thread);
                u32 x = SHARED_GET(arg_best, thread + left), i = SHARED_GET(arg_index, thread + left);
                if (arg_takes(args.type, args.largest != 0u, args.last != 0u, best, at, x, i)) {
                    SHARED_SET(arg_best, thread, x);
                    SHARED_SET(arg_index, thread, i);
                }
            }
        }
        BARRIER;
    }
    EACH_THREAD
    {
        u32 result = GROUP * results + thread / args.lanes;
        if (thread % args.lanes == 0u && result < args.count) {
            SET_WORD(1, 2u * result, SHARED_GET(arg_index, thread));
            SET_WORD(1, 2u * result + 1u, 0u);
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
