/* Running sums or products along the middle axis of [outer, n, inner]. `lanes` threads share a line, a power of two:
   each takes neighbouring elements, once for their result and once more, behind those of the lanes before it.
   Sums of float32 carry what rounding took away, and so do products, so that the result is rounded once.

   Buffers: 0 the operand, 1 the result, of float32 or int32. */
#ifndef GPU_KERNELS_RUNNING_H
#define GPU_KERNELS_RUNNING_H

#define RUNNING_THREADS 64u

#include "gpu/dialect/args.h"
#include "gpu/kernels/pair.h"
KERNEL_ARGS(running, u32 op; u32 type; u32 lines; u32 n; u32 inner;
            u32 lanes;) /* op: PAIR_SUM or PAIR_PROD */

#ifdef GPU_DIALECT
#define THREADS RUNNING_THREADS

SHARED(u32, running_part, RUNNING_THREADS)
SHARED(f32, running_rest, RUNNING_THREADS)

/* What x + y is short of the sum of both. */
FN f32 running_lost(f32 x, f32 y)
{
    EXACT f32 sum = x + y;
    EXACT f32 second = sum - x;
    EXACT f32 first = sum - second;
    EXACT f32 lost = (x - first) + (y - second);
    return lost;
}

/* a (b + rest) as a product of halves of a and b, which are exact. Returns what a b is short of it. */
FN f32 running_short(f32 a, f32 b, f32 rest)
{
    f32 a_high = bits_to_f32(f32_to_bits(a) & 0xfffff000u),
        b_high = bits_to_f32(f32_to_bits(b) & 0xfffff000u);
    EXACT f32 a_low = a - a_high;
    EXACT f32 b_low = b - b_high;
    EXACT f32 product = a * b;
    EXACT f32 high = a_high * b_high - product;
    EXACT f32 middle = high + a_high * b_low;
    EXACT f32 lower = middle + a_low * b_high;
    EXACT f32 lost = (lower + a_low * b_low) + a * rest;
    return lost;
}

/* What pair(op, type, sum, x) is short of the exact one, where sum is short of its own by `rest` and x by `more`. */
FN f32 running_rest_of(u32 op, u32 type, u32 sum, f32 rest, u32 x, f32 more)
{
    f32 a = bits_to_f32(x), b = bits_to_f32(sum), made;
    if (!type_is_float(type))
        return 0.0f;
    made = op == PAIR_SUM ? rest + more + running_lost(b, a) : running_short(a, b, rest) + b * more;
    return is_nan(made) || is_inf(made) ? 0.0f : made;
}

KERNEL(running)
{
    u32 at_once = THREADS / args.lanes, each = (args.n + args.lanes - 1u) / args.lanes;
    u32 neutral = args.op == PAIR_SUM ? 0u : type_is_float(args.type) ? f32_to_bits(1.0f) : 1u;
    for (u32 pass = 0u; pass < 2u; pass++) {
        EACH_THREAD
        {
            u32 line = GROUP * at_once + thread / args.lanes, own = thread % args.lanes, sum = neutral;
            u32 begin = line / args.inner * args.n * args.inner + line % args.inner;
            f32 rest = 0.0f;
            for (u32 i = 0u; pass == 1u && i < own; i++) {
                u32 part = SHARED_GET(running_part, thread - own + i);
                f32 more = SHARED_GET(running_rest, thread - own + i);
                rest = running_rest_of(args.op, args.type, sum, rest, part, more);
                sum = pair(args.op, args.type, sum, part);
            }
            for (u32 i = own * each; i < (own + 1u) * each && i < args.n && line < args.lines; i++) {
                u32 x = WORD(0, begin + i * args.inner);
                rest = running_rest_of(args.op, args.type, sum, rest, x, 0.0f);
                sum = pair(args.op, args.type, sum, x);
                if (pass == 1u && type_is_float(args.type))
                    SET_WORD(1, begin + i * args.inner, f32_to_bits(bits_to_f32(sum) + rest));
                else if (pass == 1u)
                    SET_WORD(1, begin + i * args.inner, sum);
            }
            if (pass == 0u) {
                SHARED_SET(running_part, thread, sum);
                SHARED_SET(running_rest, thread, rest);
            }
        }
        BARRIER;
    }
}

#undef THREADS
#endif
#endif
