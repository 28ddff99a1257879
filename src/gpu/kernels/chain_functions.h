/* The functions of programs. Those under CHAIN_ALL are of the kernel `chain` alone, since each kernel that has them is
   longer and takes longer to compile. */
#ifndef GPU_KERNELS_CHAIN_FUNCTIONS_H
#define GPU_KERNELS_CHAIN_FUNCTIONS_H

#ifdef GPU_DIALECT_HOST_H /* all kernels are one text */
#define CHAIN_ALL
#endif

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
#ifdef CHAIN_ALL
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
    case CHAIN_ASINH:
        return asinh_f32(x);
    case CHAIN_ACOSH:
        return acosh_f32(x);
    case CHAIN_ATANH:
        return atanh_f32(x);
#endif
    case CHAIN_TANH:
        return tanh_f32(x);
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

#endif
