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

/* The fraction of v, in [1, 2). */
FN f32 running_fraction(f32 v)
{
    return bits_to_f32((f32_to_bits(v) & 0x7fffffu) | 0x3f800000u);
}

/* Whether v is neither zero, denormal, infinite nor NaN. */
FN bool running_normal(f32 v)
{
    u32 exponent = f32_to_bits(v) & 0x7f800000u;
    return exponent != 0u && exponent != 0x7f800000u;
}

/* What x y is short of the product of both, as a share of it: of halves of their fractions, whose products are exact, since
   what is missing of a small product would be denormal, which a device may not have. */
FN f32 running_short(f32 x, f32 y)
{
    f32 a = running_fraction(x), b = running_fraction(y);
    f32 a_high = bits_to_f32(f32_to_bits(a) & 0xfffff000u),
        b_high = bits_to_f32(f32_to_bits(b) & 0xfffff000u);
    EXACT f32 a_low = a - a_high;
    EXACT f32 b_low = b - b_high;
    EXACT f32 product = a * b;
    EXACT f32 high = a_high * b_high - product;
    EXACT f32 middle = high + a_high * b_low;
    EXACT f32 lower = middle + a_low * b_high;
    EXACT f32 lost = lower + a_low * b_low;
    return lost / product;
}

/* What pair(op, type, sum, x) is short of the exact one, where sum is short of its own by `rest` and x by `more`: of
   products as shares of them. */
FN f32 running_rest_of(u32 op, u32 type, u32 sum, f32 rest, u32 x, f32 more)
{
    f32 a = bits_to_f32(x), b = bits_to_f32(sum), made = rest + more;
    if (!type_is_float(type))
        return 0.0f;
    if (op == PAIR_SUM)
        made = made + running_lost(b, a);
    else if (running_normal(a) && running_normal(b) && running_normal(a * b))
        made = made + running_short(b, a);
    return is_nan(made) || is_inf(made) ? 0.0f : made;
}

/* The sum, or product, with what it is short of. */
FN f32 running_full(u32 op, f32 made, f32 rest)
{
    if (op == PAIR_SUM)
        return made + rest;
    return rest == 0.0f ? made : made + made * rest; /* infinity times 0 is NaN */
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
                    SET_WORD(1, begin + i * args.inner,
                             f32_to_bits(running_full(args.op, bits_to_f32(sum), rest)));
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
