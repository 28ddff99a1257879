/* Elementwise functions one after another, on elements that stay in registers: a program of instructions that
   all threads read, so that no branch diverges. Each thread has ELEMENTS elements of the result, which are
   complete words, and does each instruction for all of them.

   Buffers: 0 the program, 1 to 7 operands and results.
   The program: from CHAIN_DIMS on the result's dims, the slowest first; from CHAIN_STRIDES on RANK strides
   per buffer, in elements, 0 where it is broadcast; from CHAIN_CODE on instructions of CHAIN_WORDS words: the
   operation, the type of its operands (of memory for load and store), the type of its result, then its
   result's and operands' registers; for load and store the first operand is the buffer. */
#ifndef GPU_KERNELS_CHAIN_H
#define GPU_KERNELS_CHAIN_H

#define CHAIN_RANK        6
#define CHAIN_REGISTERS   24
#define CHAIN_DIMS        0u
#define CHAIN_STRIDES     8u
#define CHAIN_CODE        64u
#define CHAIN_WORDS       8u
#define CHAIN_ELEMENTS    4u
#define CHAIN_THREADS     64u
#define CHAIN_PROGRAM_MAX 1700u

#define CHAIN_LOAD       0u
#define CHAIN_STORE      1u
#define CHAIN_NEG        2u
#define CHAIN_ABS        3u
#define CHAIN_SIGN       4u
#define CHAIN_FLOOR      5u
#define CHAIN_CEIL       6u
#define CHAIN_ROUND      7u
#define CHAIN_SQRT       8u
#define CHAIN_EXP        9u
#define CHAIN_LOG        10u
#define CHAIN_SIN        11u
#define CHAIN_COS        12u
#define CHAIN_TAN        13u
#define CHAIN_ASIN       14u
#define CHAIN_ACOS       15u
#define CHAIN_ATAN       16u
#define CHAIN_SINH       17u
#define CHAIN_COSH       18u
#define CHAIN_TANH       19u
#define CHAIN_ASINH      20u
#define CHAIN_ACOSH      21u
#define CHAIN_ATANH      22u
#define CHAIN_ERF        23u
#define CHAIN_LOG1P      24u
#define CHAIN_EXPM1      25u
#define CHAIN_NOT        26u
#define CHAIN_IS_NAN     27u
#define CHAIN_IS_INF     28u
#define CHAIN_ADD        29u
#define CHAIN_SUB        30u
#define CHAIN_MUL        31u
#define CHAIN_DIV        32u
#define CHAIN_POW        33u
#define CHAIN_MIN        34u
#define CHAIN_MAX        35u
#define CHAIN_AND        36u
#define CHAIN_OR         37u
#define CHAIN_XOR        38u
#define CHAIN_EQUAL      39u
#define CHAIN_LESS       40u
#define CHAIN_LESS_EQUAL 41u
#define CHAIN_WHERE      42u
#define CHAIN_CAST       43u
#define CHAIN_TANH_1     44u /* 1 + tanh */
#define CHAIN_ERF_1      45u /* 1 + erf */
#define CHAIN_VALUE      46u /* the first operand's number is the value's bits in a register */

#include "gpu/dialect/args.h"
KERNEL_ARGS(chain, u32 count; u32 rank; u32 instructions;
            u32 broadcasts;) /* broadcasts: bit b for buffer b */

#ifdef GPU_DIALECT
#define THREADS CHAIN_THREADS

/* 1 + erf x, also where erf is nearly -1: the tail of simd/fits.h. */
FN f32 chain_erf_1(f32 x)
{
    f32 t = 1.0f / (1.0f + 0.480832611f * ABS(x)), p;
    if (is_nan(x) || x > -0.5f)
        return 1.0f + erf_f32(x);
    p = -2.642098814e-02f;
    p = p * t + 1.409106255e-01f;
    p = p * t - 2.759370804e-01f;
    p = p * t + 2.052536607e-01f;
    p = p * t - 4.673868790e-02f;
    p = p * t + 1.161740050e-01f;
    p = p * t + 1.150014848e-01f;
    p = p * t + 1.361379027e-01f;
    p = p * t + 1.356191039e-01f;
    return x < -9.1f ? 0.0f : 2.0f * exp_f32(-x * x) * t * p;
}

FN f32 chain_real_1(u32 op, f32 x)
{
    switch (op) {
    case CHAIN_NEG:
        return -x;
    case CHAIN_ABS:
        return ABS(x);
    case CHAIN_SIGN:
        return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? 0.0f : x;
    case CHAIN_FLOOR:
        return FLOOR(x);
    case CHAIN_CEIL:
        return CEIL(x);
    case CHAIN_ROUND:
        return ROUND(x);
    case CHAIN_SQRT:
        return x < 0.0f ? NOT_A_VALUE : SQRT(x);
    case CHAIN_EXP:
        return exp_f32(x);
    case CHAIN_LOG:
        return log_f32(x);
    case CHAIN_SIN:
        return x == 0.0f ? x : sin_from(x, 0u);
    case CHAIN_COS:
        return sin_from(x, 1u);
    case CHAIN_TAN:
        return x == 0.0f ? x : sin_from(x, 0u) / sin_from(x, 1u);
    case CHAIN_ASIN:
        return asin_f32(x);
    case CHAIN_ACOS:
        return acos_f32(x);
    case CHAIN_ATAN:
        return atan_f32(x);
    case CHAIN_SINH:
        return sinh_f32(x);
    case CHAIN_COSH:
        return cosh_f32(x);
    case CHAIN_TANH:
        return tanh_f32(x);
    case CHAIN_ASINH:
        return asinh_f32(x);
    case CHAIN_ACOSH:
        return acosh_f32(x);
    case CHAIN_ATANH:
        return atanh_f32(x);
    case CHAIN_ERF:
        return erf_f32(x);
    case CHAIN_LOG1P:
        return log1p_f32(x);
    case CHAIN_TANH_1:
        return 2.0f / (1.0f + exp_f32(-2.0f * x));
    case CHAIN_ERF_1:
        return chain_erf_1(x);
    default:
        return expm1_f32(x);
    }
}

/* The smaller or larger of two; NaN where either is. */
FN f32 chain_least(f32 x, f32 y, bool larger)
{
    if (is_nan(x) || is_nan(y))
        return is_nan(x) ? x : y;
    return (larger ? x >= y : x <= y) ? x : y;
}

FN f32 chain_real_2(u32 op, f32 x, f32 y)
{
    switch (op) {
    case CHAIN_ADD:
        return x + y;
    case CHAIN_SUB:
        return x - y;
    case CHAIN_MUL:
        return x * y;
    case CHAIN_DIV:
        return QUOTIENT(x, y);
    case CHAIN_POW:
        return pow_f32(x, y);
    case CHAIN_MIN:
        return chain_least(x, y, false);
    default:
        return chain_least(x, y, true);
    }
}

/* Integers are in two's complement in 32 bits; bool is 0 or 1. */
FN u32 chain_integer(u32 op, u32 type, u32 x, u32 y)
{
    bool truth = type == T_BOOL;
    switch (op) {
    case CHAIN_NEG:
        return 0u - x;
    case CHAIN_ABS:
        return I32(x) < 0 ? 0u - x : x;
    case CHAIN_SIGN:
        return I32(x) < 0 ? 0xffffffffu : x != 0u ? 1u : 0u;
    case CHAIN_NOT:
        return truth ? 1u - x : x ^ 0xffffffffu;
    case CHAIN_ADD:
        return truth ? x | y : x + y;
    case CHAIN_SUB:
        return x - y;
    case CHAIN_MUL:
        return x * y;
    case CHAIN_MIN:
        return I32(x) < I32(y) ? x : y;
    case CHAIN_MAX:
        return I32(x) > I32(y) ? x : y;
    case CHAIN_AND:
        return x & y;
    case CHAIN_OR:
        return x | y;
    case CHAIN_XOR:
        return x ^ y;
    default:
        return x; /* floor, ceil, round */
    }
}

FN bool chain_true(u32 op, u32 type, u32 x, u32 y)
{
    bool real = type_is_float(type);
    f32 a = bits_to_f32(x), b = bits_to_f32(y);
    switch (op) {
    case CHAIN_IS_NAN:
        return is_nan(a);
    case CHAIN_IS_INF:
        return is_inf(a);
    case CHAIN_EQUAL:
        return real ? a == b : x == y;
    case CHAIN_LESS:
        return real ? a < b : I32(x) < I32(y);
    default:
        return real ? a <= b : I32(x) <= I32(y);
    }
}

FN u32 chain_cast(u32 from, u32 to, u32 x)
{
    f32 v = bits_to_f32(x);
    if (to == T_BOOL)
        return (type_is_float(from) ? v != 0.0f : x != 0u) ? 1u : 0u;
    if (type_is_float(to))
        return type_is_float(from) ? x : f32_to_bits(F32(I32(x)));
    return type_is_float(from) ? f32_wrapped(v) : x;
}

FN u32 chain_apply(u32 op, u32 type, u32 to, u32 x, u32 y, u32 z)
{
    if (op == CHAIN_WHERE)
        return x != 0u ? y : z;
    if (op == CHAIN_CAST)
        return rounded(to, chain_cast(type, to, x));
    if (op == CHAIN_IS_NAN || op == CHAIN_IS_INF || (op >= CHAIN_EQUAL && op <= CHAIN_LESS_EQUAL))
        return chain_true(op, type, x, y) ? 1u : 0u;
    if (!type_is_float(type))
        return rounded(type, chain_integer(op, type, x, y));
    f32 a = bits_to_f32(x);
    return rounded(type,
                   f32_to_bits(op < CHAIN_ADD || op > CHAIN_CAST ? chain_real_1(op, a)
                                                                 : chain_real_2(op, a, bits_to_f32(y))));
}

/* Buffers are named by numbers in the text, not by values. */
#define CHAIN_BUFFERS(DO)                                                                                    \
    DO(case 1u, 1) DO(case 2u, 2) DO(case 3u, 3) DO(case 4u, 4) DO(case 5u, 5) DO(case 6u, 6) DO(default, 7)
#define CHAIN_READ(when, buffer)                                                                             \
    when:                                                                                                    \
    if (whole) {                                                                                             \
        LOAD_4(x, 0u, buffer, first);                                                                        \
    } else {                                                                                                 \
        UNROLL                                                                                               \
        for (u32 e = 0u; e < CHAIN_ELEMENTS; e++)                                                            \
            if (e < count)                                                                                   \
                x[e] = WORD(buffer, place[e] >> shift);                                                      \
    }                                                                                                        \
    break;
#define CHAIN_WRITE(when, buffer)                                                                            \
    when:                                                                                                    \
    if (whole) {                                                                                             \
        STORE_4(buffer, first, x, 0u);                                                                       \
    } else {                                                                                                 \
        UNROLL                                                                                               \
        for (u32 e = 0u; e < CHAIN_ELEMENTS; e++)                                                            \
            if (e < count && (PLACE(type, e) == LAST_PLACE(type) || e + 1u == count))                        \
                SET_WORD(buffer, (first + e) >> shift, x[e]);                                                \
    }                                                                                                        \
    break;
/* Of float32: each element of x = expression. */
#define CHAIN_EACH(expression)                                                                               \
    UNROLL                                                                                                   \
    for (u32 e = 0u; e < CHAIN_ELEMENTS; e++) {                                                              \
        f32 left = bits_to_f32(x[e]), right = bits_to_f32(y[e]);                                             \
        x[e] = f32_to_bits(expression);                                                                      \
    }

/* The program, which a thread reads once for all of its elements. */
SHARED(u32, chain_program, CHAIN_PROGRAM_MAX)
#define CHAIN_AT(i) SHARED_GET(chain_program, i)

KERNEL(chain)
{
    EACH_THREAD
    {
        for (u32 i = thread; i < CHAIN_CODE + args.instructions * CHAIN_WORDS; i += THREADS)
            SHARED_SET(chain_program, i, WORD(0, i));
    }
    BARRIER;
    EACH_THREAD
    {
        u32 r[CHAIN_REGISTERS * CHAIN_ELEMENTS], index[CHAIN_RANK];
        u32 first = (GROUP * THREADS + thread) * CHAIN_ELEMENTS, rest = first, inner = 1u;
        u32 count = first >= args.count ? 0u : args.count - first;
        count = count < CHAIN_ELEMENTS ? count : CHAIN_ELEMENTS;
        /* of the first element; the others follow it along the last axis, or are found one by one */
        UNROLL
        for (u32 d = CHAIN_RANK; d > 0u; d--) {
            u32 size = d <= args.rank && args.broadcasts != 0u ? CHAIN_AT(CHAIN_DIMS + d - 1u) : 1u;
            index[d - 1u] = rest % size;
            rest = rest / size;
            inner = d == args.rank ? size : inner;
        }
        ROLLED
        for (u32 n = 0u; n < args.instructions && count != 0u; n++) {
            u32 at = CHAIN_CODE + n * CHAIN_WORDS, op = CHAIN_AT(at), type = CHAIN_AT(at + 1u);
            u32 to = CHAIN_AT(at + 2u), result = CHAIN_AT(at + 3u) * CHAIN_ELEMENTS, a = CHAIN_AT(at + 4u);
            u32 x[CHAIN_ELEMENTS], y[CHAIN_ELEMENTS], z[CHAIN_ELEMENTS], place[CHAIN_ELEMENTS];
            u32 shift = type_shift(type);
            bool broadcast = op == CHAIN_LOAD && ((args.broadcasts >> a) & 1u) != 0u;
            bool whole = shift == 0u && count == CHAIN_ELEMENTS && !broadcast;
            if (op == CHAIN_LOAD) {
                u32 base = 0u,
                    step = args.rank != 0u ? CHAIN_AT(CHAIN_STRIDES + a * CHAIN_RANK + args.rank - 1u) : 0u;
                UNROLL
                for (u32 d = 0u; d < CHAIN_RANK; d++)
                    if (broadcast && d < args.rank)
                        base = base + index[d] * CHAIN_AT(CHAIN_STRIDES + a * CHAIN_RANK + d);
                UNROLL
                for (u32 e = 0u; e < CHAIN_ELEMENTS; e++) {
                    x[e] = 0u;
                    place[e] = broadcast ? base + e * step : first + e;
                }
                if (broadcast && inner % CHAIN_ELEMENTS != 0u) {
                    UNROLL
                    for (u32 e = 1u; e < CHAIN_ELEMENTS; e++) {
                        u32 outer = first + e;
                        place[e] = 0u;
                        ROLLED
                        for (u32 d = args.rank; d > 0u && e < count; d--) {
                            u32 size = CHAIN_AT(CHAIN_DIMS + d - 1u);
                            place[e] =
                                place[e] + outer % size * CHAIN_AT(CHAIN_STRIDES + a * CHAIN_RANK + d - 1u);
                            outer = outer / size;
                        }
                    }
                }
                switch (a) {
                    CHAIN_BUFFERS(CHAIN_READ)
                }
                UNROLL
                for (u32 e = 0u; e < CHAIN_ELEMENTS; e++)
                    x[e] = decode(type, x[e], place[e]);
            } else if (op == CHAIN_VALUE) {
                UNROLL
                for (u32 e = 0u; e < CHAIN_ELEMENTS; e++)
                    x[e] = a;
            } else if (op == CHAIN_STORE) {
                u32 word = 0u;
                UNROLL
                for (u32 e = 0u; e < CHAIN_ELEMENTS; e++) {
                    word = joined(type, word, r[result + e], e);
                    x[e] = word;
                }
                switch (a) {
                    CHAIN_BUFFERS(CHAIN_WRITE)
                }
                continue;
            } else {
                u32 second = CHAIN_AT(at + 5u) * CHAIN_ELEMENTS, third = CHAIN_AT(at + 6u) * CHAIN_ELEMENTS;
                UNROLL
                for (u32 e = 0u; e < CHAIN_ELEMENTS; e++) {
                    x[e] = r[a * CHAIN_ELEMENTS + e];
                    y[e] = r[second + e];
                    z[e] = r[third + e];
                }
                if (type == T_F32 && op == CHAIN_ADD) {
                    CHAIN_EACH(left + right)
                } else if (type == T_F32 && op == CHAIN_SUB) {
                    CHAIN_EACH(left - right)
                } else if (type == T_F32 && op == CHAIN_MUL) {
                    CHAIN_EACH(left * right)
                } else {
                    /* the operands move on by one, and results follow them: so no index is a variable */
                    ROLLED
                    for (u32 e = 0u; e < CHAIN_ELEMENTS; e++) {
                        u32 made = chain_apply(op, type, to, x[0], y[0], z[0]);
                        UNROLL
                        for (u32 k = 0u; k + 1u < CHAIN_ELEMENTS; k++) {
                            x[k] = x[k + 1u];
                            y[k] = y[k + 1u];
                            z[k] = z[k + 1u];
                        }
                        x[CHAIN_ELEMENTS - 1u] = made;
                    }
                }
            }
            UNROLL
            for (u32 e = 0u; e < CHAIN_ELEMENTS; e++)
                r[result + e] = x[e];
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
