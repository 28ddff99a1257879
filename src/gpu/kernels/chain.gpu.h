/* Elementwise functions one after another, on elements that stay in registers: a program of instructions that
   all threads read, so that no branch diverges. Each thread has ELEMENTS elements of the result, which are
   complete words.

   Buffers: 0 the program, 1 to 7 operands and results.
   The program: from CHAIN_DIMS on the result's dims, the slowest first; from CHAIN_STRIDES on RANK strides
   per buffer, in elements, 0 where it is broadcast; from CHAIN_CODE on instructions of CHAIN_WORDS words: the
   operation, the type of its operands (of memory for load and store), the type of its result, then its
   result's and operands' registers; for load and store the first operand is the buffer. */
#ifndef GPU_KERNELS_CHAIN_H
#define GPU_KERNELS_CHAIN_H

#define CHAIN_RANK      6
#define CHAIN_REGISTERS 24
#define CHAIN_DIMS      0u
#define CHAIN_STRIDES   8u
#define CHAIN_CODE      64u
#define CHAIN_WORDS     8u
#define CHAIN_ELEMENTS  4u
#define CHAIN_THREADS   64u

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
    w = WORD(buffer, place);                                                                                 \
    break;
#define CHAIN_WRITE(when, buffer)                                                                            \
    when:                                                                                                    \
    SET_WORD(buffer, place, word[a]);                                                                        \
    break;

KERNEL(chain)
{
    EACH_THREAD
    {
        u32 r[CHAIN_REGISTERS], index[CHAIN_RANK], word[8];
        u32 first = (GROUP * THREADS + thread) * CHAIN_ELEMENTS;
        for (u32 e = first; e < first + CHAIN_ELEMENTS && e < args.count; e++) {
            u32 rest = e;
            for (u32 d = args.rank; d > 0u && args.broadcasts != 0u; d--) {
                u32 size = WORD(0, CHAIN_DIMS + d - 1u);
                index[d - 1u] = rest % size;
                rest = rest / size;
            }
            for (u32 n = 0u; n < args.instructions; n++) {
                u32 at = CHAIN_CODE + n * CHAIN_WORDS, op = WORD(0, at), type = WORD(0, at + 1u);
                u32 to = WORD(0, at + 2u), result = WORD(0, at + 3u), a = WORD(0, at + 4u);
                if (op == CHAIN_LOAD) {
                    u32 i = e, w = 0u;
                    if (((args.broadcasts >> a) & 1u) != 0u) {
                        i = 0u;
                        for (u32 d = 0u; d < args.rank; d++)
                            i = i + index[d] * WORD(0, CHAIN_STRIDES + a * CHAIN_RANK + d);
                    }
                    u32 place = i >> type_shift(type);
                    switch (a) {
                        CHAIN_BUFFERS(CHAIN_READ)
                    }
                    r[result] = decode(type, w, i);
                } else if (op == CHAIN_VALUE)
                    r[result] = a;
                else if (op == CHAIN_STORE) {
                    u32 place = e >> type_shift(type);
                    word[a] = joined(type, word[a], r[result], e);
                    if (PLACE(type, e) != LAST_PLACE(type) && e + 1u < args.count)
                        continue;
                    switch (a) {
                        CHAIN_BUFFERS(CHAIN_WRITE)
                    }
                } else
                    r[result] = chain_apply(op, type, to, r[a], r[WORD(0, at + 5u)], r[WORD(0, at + 6u)]);
            }
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
