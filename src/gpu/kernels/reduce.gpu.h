/* Reductions of the middle axis of [outer, n, inner]. `lanes` threads share a result, a power of two: each
   takes every lanes-th element in order, then the partial results are combined in pairs.

   Buffers: 0 the operand, 1 the result, both float32. */
#ifndef GPU_KERNELS_REDUCE_H
#define GPU_KERNELS_REDUCE_H

#define REDUCE_SUM     0u
#define REDUCE_PROD    1u
#define REDUCE_MIN     2u
#define REDUCE_MAX     3u
#define REDUCE_THREADS 64u

#include "gpu/dialect/args.h"
KERNEL_ARGS(reduce, u32 op; u32 count; u32 n; u32 inner; u32 lanes;) /* count: of results */

#ifdef GPU_DIALECT
#define THREADS REDUCE_THREADS

SHARED(f32, reduce_partial, REDUCE_THREADS)

FN f32 reduce_pair(u32 op, f32 x, f32 y)
{
    if (op == REDUCE_SUM)
        return x + y;
    if (op == REDUCE_PROD)
        return x * y;
    if (is_nan(x) || is_nan(y))
        return is_nan(x) ? x : y;
    return (op == REDUCE_MIN ? x <= y : x >= y) ? x : y;
}

KERNEL(reduce)
{
    u32 results = THREADS / args.lanes;
    EACH_THREAD
    {
        u32 result = GROUP * results + thread / args.lanes;
        f32 sum = args.op == REDUCE_SUM    ? 0.0f
                  : args.op == REDUCE_PROD ? 1.0f
                  : args.op == REDUCE_MIN  ? INFINITE
                                           : -INFINITE;
        u32 begin = result / args.inner * args.n * args.inner + result % args.inner;
        for (u32 i = thread % args.lanes; i < args.n && result < args.count; i += args.lanes)
            sum = reduce_pair(args.op, sum, bits_to_f32(WORD(0, begin + i * args.inner)));
        SHARED_SET(reduce_partial, thread, sum);
    }
    BARRIER;
    for (u32 left = args.lanes / 2u; left > 0u; left = left / 2u) {
        EACH_THREAD
        {
            if (thread % args.lanes < left)
                SHARED_SET(reduce_partial, thread,
                           reduce_pair(args.op, SHARED_GET(reduce_partial, thread),
                                       SHARED_GET(reduce_partial, thread + left)));
        }
        BARRIER;
    }
    EACH_THREAD
    {
        u32 result = GROUP * results + thread / args.lanes;
        if (thread % args.lanes == 0u && result < args.count)
            SET_WORD(1, result, f32_to_bits(SHARED_GET(reduce_partial, thread)));
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
