/* Elementwise operators of one input. */
#include "ops/lower/elem.h"

static void lower_one(lowering *l, milli_kind kind, elem_set takes)
{
    mval x = l_in(l, 0);
    if (elem_takes(l, x, "X", takes))
        l_out(l, 0, m_unary(l, kind, x));
}

/* Y = f(X), f the milli-op of that name, rounded once. ONNX Abs-1/6/13, Neg-1/6/13, Sign-9/13,
   Floor-1/6/13, Ceil-1/6/13, Round-11/22 (ties to even), Sqrt-1/6/13, Exp-1/6/13, Log-1/6/13, Sin-7/22,
   Cos-7/22, Tan-7/22, Asin-7/22, Acos-7/22, Atan-7/22, Sinh-9/22, Cosh-9/22, Tanh-1/6/13, Asinh-9/22,
   Acosh-9/22, Atanh-9/22, Not-1, BitwiseNot-18. consumed_inputs of opset 1 has no meaning for results. */
#define UNARY(name, milli, takes)                                                                            \
    void lower_ONNX_##name(lowering *l, const node *n)                                                       \
    {                                                                                                        \
        (void)n;                                                                                             \
        lower_one(l, MILLI_##milli, takes);                                                                  \
    }
UNARY(Abs, abs, ELEM_NUMBERS)
UNARY(Neg, neg, ELEM_FLOATS | ELEM_SINTS)
UNARY(Sign, sign, ELEM_NUMBERS)
UNARY(Floor, floor, ELEM_FLOATS)
UNARY(Ceil, ceil, ELEM_FLOATS)
UNARY(Round, round, ELEM_FLOATS)
UNARY(Sqrt, sqrt, ELEM_FLOATS)
UNARY(Exp, exp, ELEM_FLOATS)
UNARY(Log, log, ELEM_FLOATS)
UNARY(Sin, sin, ELEM_FLOATS)
UNARY(Cos, cos, ELEM_FLOATS)
UNARY(Tan, tan, ELEM_FLOATS)
UNARY(Asin, asin, ELEM_FLOATS)
UNARY(Acos, acos, ELEM_FLOATS)
UNARY(Atan, atan, ELEM_FLOATS)
UNARY(Sinh, sinh, ELEM_FLOATS)
UNARY(Cosh, cosh, ELEM_FLOATS)
UNARY(Tanh, tanh, ELEM_FLOATS)
UNARY(Asinh, asinh, ELEM_FLOATS)
UNARY(Acosh, acosh, ELEM_FLOATS)
UNARY(Atanh, atanh, ELEM_FLOATS)
UNARY(Not, not, ELEM(SIB_BOOL))
UNARY(BitwiseNot, not, ELEM_INTS)
#undef UNARY

/* Y = 2 / sqrt(pi) * integral from 0 to X of e^(-t^2) dt; of integers, truncated. ONNX Erf-9/13. */
void lower_ONNX_Erf(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    if (elem_takes(l, x, "X", ELEM_NUMBERS))
        elem_out(l, m_erf(l, elem_wide(l, x)), x);
}

/* Y = 1 / X. ONNX Reciprocal-1/6/13. */
void lower_ONNX_Reciprocal(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    l_out(l, 0, m_reciprocal(l, x));
}

/* Y = X is NaN. ONNX IsNaN-9/13/20. */
void lower_ONNX_IsNaN(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    if (elem_takes(l, x, "X", ELEM_FLOATS | ELEM_FLOATS8))
        l_out(l, 0, m_is_nan(l, elem_wide(l, x)));
}

/* Y = X is an infinity of a sign that detect_positive or detect_negative selects. ONNX IsInf-10/20. */
void lower_ONNX_IsInf(lowering *l, const node *n)
{
    is_inf_spec spec = spec_is_inf(n);
    bool positive = spec.detect_positive, negative = spec.detect_negative;
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS | ELEM_FLOATS8))
        return;
    elem_declare(l, SIB_BOOL);
    x = elem_wide(l, x);
    mval y = m_is_inf(l, x), zero = elem_number(l, 0);
    if (!positive)
        y = m_and(l, y, m_less(l, x, zero));
    if (!negative)
        y = m_and(l, y, m_less(l, zero, x));
    l_out(l, 0, y);
}

/* Y = X, of any type. ONNX Identity-1/13/14/16/19/21/23/24/25. */
void lower_ONNX_Identity(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, l_in(l, 0));
}
