/* Reductions of the middle axis of [outer, n, inner]. `lanes` threads share a result, a power of two: each
   takes every lanes-th element in order, then the partial results are combined in pairs.

   Buffers: 0 the operand, 1 the result, both float32. */
#ifndef GPU_KERNELS_REDUCE_H
#define GPU_KERNELS_REDUCE_H

#define REDUCE_THREADS 64u

#include "gpu/dialect/args.h"
#include "gpu/kernels/pair.h"
KERNEL_ARGS(reduce, u32 op; u32 count; u32 n; u32 inner; u32 lanes;) /* count: of results */

#ifdef GPU_DIALECT
#define THREADS REDUCE_THREADS

SHARED(f32, reduce_partial, REDUCE_THREADS)

KERNEL(reduce)
{
    u32 results = THREADS / args.lanes;
    EACH_THREAD
    {
        u32 result = GROUP * results + thread / args.lanes;
        f32 sum = args.op == PAIR_SUM    ? 0.0f
                  : args.op == PAIR_PROD ? 1.0f
                  : args.op == PAIR_MIN  ? INFINITE
                                         : -INFINITE;
        u32 begin = result / args.inner * args.n * args.inner + result % args.inner;
        for (u32 i = thread % args.lanes; i < args.n && result < args.count; i += args.lanes)
            sum = pair_real(args.op, sum, bits_to_f32(WORD(0, begin + i * args.inner)));
        SHARED_SET(reduce_partial, thread, sum);
    }
    BARRIER;
    for (u32 left = args.lanes / 2u; left > 0u; left = left / 2u) {
        EACH_THREAD
        {
            if (thread % args.lanes < left)
                SHARED_SET(reduce_partial, thread,
                           pair_real(args.op, SHARED_GET(reduce_partial, thread),
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
