/* Elementwise activations, computed in float64 and rounded once. */
#include "ops/lower/elem.h"

#include <math.h>

/* The input of an activation in float64. Fails and returns MVAL_NONE where its dtype is not in `takes`. */
static mval wide_in(lowering *l, elem_set takes)
{
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", takes))
        return MVAL_NONE;
    elem_declare(l, m_dtype(l, x));
    return elem_wide(l, x);
}

static mval softplus(lowering *l, mval x) /* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
{
    return m_add(l, m_relu(l, x), m_log1p(l, m_exp(l, m_neg(l, m_abs(l, x)))));
}

/* x clamped to [low, high]; NaN stays NaN. */
static mval clamp_numbers(lowering *l, mval x, double low, double high)
{
    return m_clamp(l, x, elem_number(l, low), elem_number(l, high));
}

/* Y = max(X, 0). ONNX Relu-1/6/13/14. */
void lower_ONNX_Relu(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS | ELEM_SINTS))
        return;
    elem_declare(l, m_dtype(l, x));
    l_out(l, 0, m_relu(l, x));
}

/* Y = X < 0 ? alpha * X : X. ONNX LeakyRelu-1/6/16. */
void lower_ONNX_LeakyRelu(lowering *l, const node *n)
{
    mval x = wide_in(l, ELEM_FLOATS);
    mval scaled = m_mul_number(l, x, spec_activation(n).alpha);
    elem_out(l, m_where(l, m_less(l, x, elem_number(l, 0)), scaled, x), l_in(l, 0));
}

/* Before opset 7, slope has one element or one per channel (dim 1 of X). */
static mval legacy_slope(lowering *l, mval x, mval slope)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_rank(l, x), slope_rank = m_dims(l, slope, dims);
    if (!l_ok(l) || slope_rank != 1 || rank < 2 || dim_same(dims[0], d_const(l, 1)))
        return slope;
    for (int i = 1; i < rank - 1; i++)
        dims[i] = d_const(l, 1);
    return m_reshape(l, slope, (size_t)rank - 1, dims);
}

/* Y = X < 0 ? slope * X : X, slope broadcast to X. ONNX PRelu-1/6 (slope along dim 1), 7/9/16. */
void lower_ONNX_PRelu(lowering *l, const node *n)
{
    mval x = l_in(l, 0), slope = l_in(l, 1);
    if (!elem_takes(l, x, "X", ELEM_NUMBERS))
        return;
    elem_declare(l, m_dtype(l, x));
    if (n->version < 7)
        slope = legacy_slope(l, x, slope);
    slope = m_broadcast_like(l, slope, x);
    l_out(l, 0, m_where(l, m_less(l, x, m_scalar_like(l, x, 0)), m_mul(l, slope, x), x));
}

/* Y = X < 0 ? alpha * (e^X - 1) : X. ONNX Elu-1/6/22. */
void lower_ONNX_Elu(lowering *l, const node *n)
{
    mval x = wide_in(l, ELEM_FLOATS);
    mval below = m_mul_number(l, m_unary(l, MILLI_expm1, x), spec_activation(n).alpha);
    elem_out(l, m_where(l, m_less(l, x, elem_number(l, 0)), below, x), l_in(l, 0));
}

/* Y = max(0, X) + min(0, alpha * (e^(X / alpha) - 1)). ONNX Celu-12/28. */
void lower_ONNX_Celu(lowering *l, const node *n)
{
    mval x = wide_in(l, ELEM_FLOATS), zero = elem_number(l, 0);
    double alpha = spec_activation(n).alpha;
    mval power = m_unary(l, MILLI_expm1, m_div(l, x, elem_number(l, alpha)));
    elem_out(l, m_add(l, m_relu(l, x), m_min(l, zero, m_mul_number(l, power, alpha))), l_in(l, 0));
}

/* Y = gamma * (X > 0 ? X : alpha * (e^X - 1)). ONNX Selu-1 (shorter defaults), 6/22. */
void lower_ONNX_Selu(lowering *l, const node *n)
{
    activation_spec spec = spec_activation(n);
    mval x = wide_in(l, ELEM_FLOATS);
    mval below = m_mul_number(l, m_unary(l, MILLI_expm1, x), spec.alpha);
    mval y = m_where(l, m_less(l, elem_number(l, 0), x), x, below);
    elem_out(l, m_mul_number(l, y, spec.gamma), l_in(l, 0));
}

/* Y = 1 / (1 + e^-X). ONNX Sigmoid-1/6/13. */
void lower_ONNX_Sigmoid(lowering *l, const node *n)
{
    (void)n;
    elem_out(l, m_sigmoid(l, wide_in(l, ELEM_FLOATS)), l_in(l, 0));
}

/* Y = max(0, min(1, alpha * X + beta)). ONNX HardSigmoid-1/6/22. */
void lower_ONNX_HardSigmoid(lowering *l, const node *n)
{
    activation_spec spec = spec_activation(n);
    mval x = m_mul_number(l, wide_in(l, ELEM_FLOATS), spec.alpha);
    x = m_add_number(l, x, spec.beta);
    elem_out(l, clamp_numbers(l, x, 0, 1), l_in(l, 0));
}

/* Y = X * max(0, min(1, X / 6 + 1 / 2)). ONNX HardSwish-14/22; Howard et al. 2019. */
void lower_ONNX_HardSwish(lowering *l, const node *n)
{
    (void)n;
    mval x = wide_in(l, ELEM_FLOATS);
    mval gate = m_add_number(l, m_div(l, x, elem_number(l, 6)), 0.5);
    elem_out(l, m_mul(l, x, clamp_numbers(l, gate, 0, 1)), l_in(l, 0));
}

/* Y = log(e^X + 1). ONNX Softplus-1/22. */
void lower_ONNX_Softplus(lowering *l, const node *n)
{
    (void)n;
    elem_out(l, softplus(l, wide_in(l, ELEM_FLOATS)), l_in(l, 0));
}

/* Y = X / (1 + |X|). ONNX Softsign-1/22. */
void lower_ONNX_Softsign(lowering *l, const node *n)
{
    (void)n;
    mval x = wide_in(l, ELEM_FLOATS);
    elem_out(l, m_div(l, x, m_add_number(l, m_abs(l, x), 1)), l_in(l, 0));
}

/* Y = X * tanh(log(e^X + 1)). ONNX Mish-18/22; Misra 2019. */
void lower_ONNX_Mish(lowering *l, const node *n)
{
    (void)n;
    mval x = wide_in(l, ELEM_FLOATS);
    elem_out(l, m_mul(l, x, m_tanh(l, softplus(l, x))), l_in(l, 0));
}

/* Y = Gelu(X), exact or by tanh. ONNX Gelu-20. */
void lower_ONNX_Gelu(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    l_out(l, 0, elem_gelu(l, x, spec_gelu(n).approximate == GELU_TANH));
}

/* X * sigmoid(alpha * X) in float64. Ramachandran et al. 2017. */
static mval swish(lowering *l, mval x, double alpha)
{
    return m_mul(l, x, m_sigmoid(l, m_mul_number(l, x, alpha)));
}

/* Y = X * sigmoid(alpha * X). ONNX Swish-24. */
void lower_ONNX_Swish(lowering *l, const node *n)
{
    elem_out(l, swish(l, wide_in(l, ELEM_FLOATS), spec_activation(n).alpha), l_in(l, 0));
}

/* Y = A * sigmoid(alpha * A) * B, A and B of the same dims. ONNX SwiGLU-28; Shazeer 2020. */
void lower_ONNX_SwiGLU(lowering *l, const node *n)
{
    mval a = l_in(l, 0), b = l_in(l, 1);
    if (!elem_takes(l, a, "A", ELEM_FLOATS) || !elem_takes(l, b, "B", ELEM_FLOATS))
        return;
    if (!elem_same_dims(l, a, b))
        l_fail(l, SIB_ERR_ARGUMENT, "A and B have different dims");
    elem_declare(l, m_dtype(l, a));
    if (l_ok(l) && m_dtype(l, a) != m_dtype(l, b))
        l_fail(l, SIB_ERR_ARGUMENT, "A is %s and B %s, expected one dtype", sib_dtype_name(m_dtype(l, a)),
               sib_dtype_name(m_dtype(l, b)));
    mval gate = swish(l, elem_wide(l, a), spec_activation(n).alpha);
    elem_out(l, m_mul(l, gate, elem_wide(l, m_broadcast_like(l, b, a))), a);
}

/* Y = X > alpha ? X : 0. ONNX ThresholdedRelu-10/22. */
void lower_ONNX_ThresholdedRelu(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    mval above = m_less(l, elem_number(l, spec_activation(n).alpha), elem_wide(l, x));
    l_out(l, 0, m_where(l, above, x, m_scalar_like(l, x, 0)));
}

/* x + by in the dtype of x: exact for integers where `by` is an integer, else in float64. */
static mval shifted(lowering *l, mval x, double by)
{
    bool integer = by > -9e18 && by < 9e18 && by == (double)(int64_t)by;
    if (m_is(l, x, SIB_KIND_FLOAT) || !integer)
        return m_cast_like(l, m_add_number(l, elem_wide(l, x), by), x);
    return m_add(l, x, m_scalar_int(l, m_dtype(l, x), (int64_t)by));
}

/* Y = X < -lambd ? X + bias : X > lambd ? X - bias : 0. ONNX Shrink-9. */
void lower_ONNX_Shrink(lowering *l, const node *n)
{
    shrink_spec spec = spec_shrink(n);
    double bias = spec.bias, lambd = spec.lambd;
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "input", ELEM_NUMBERS))
        return;
    elem_declare(l, m_dtype(l, x));
    mval wide = elem_wide(l, x), zero = m_scalar_like(l, x, 0);
    mval y = m_where(l, m_less(l, elem_number(l, lambd), wide), shifted(l, x, -bias), zero);
    l_out(l, 0, m_where(l, m_less(l, wide, elem_number(l, -lambd)), shifted(l, x, bias), y));
}

/* Clip before opset 11: bounds are attributes. In float64, since they may be out of range of x's dtype. */
static void legacy_clip(lowering *l, const node *n, mval x)
{
    clip_spec spec = spec_clip(n);
    mval low = isnan(spec.min) ? MVAL_NONE : elem_number(l, spec.min);
    mval high = isnan(spec.max) ? MVAL_NONE : elem_number(l, spec.max);
    elem_out(l, m_clamp(l, elem_wide(l, x), low, high), x);
}

/* Y = min(max(X, low), high), without a bound that is absent. ONNX Clip-1/6 (attributes), 11/12/13
   (inputs). */
void lower_ONNX_Clip(lowering *l, const node *n)
{
    mval x = l_in(l, 0), low = MVAL_NONE, high = MVAL_NONE;
    if (!elem_takes(l, x, "input", ELEM_NUMBERS))
        return;
    elem_declare(l, m_dtype(l, x));
    if (n->version < 11) {
        legacy_clip(l, n, x);
        return;
    }
    if (l_has(l, 1))
        low = elem_scalar(l, l_in(l, 1), "min");
    if (l_has(l, 2))
        high = elem_scalar(l, l_in(l, 2), "max");
    l_out(l, 0, m_clamp(l, x, low, high));
}

/* Y = Gelu(X). com.microsoft Gelu-1. */
void lower_MS_Gelu(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    l_out(l, 0, elem_gelu(l, x, false));
}

/* Gelu of input 0 plus input 1, if present; the sum is not rounded. */
static void biased_gelu(lowering *l, bool by_tanh)
{
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    mval sum = elem_wide(l, x);
    if (l_has(l, 1))
        sum = m_add(l, sum, elem_wide(l, l_in(l, 1)));
    elem_out(l, elem_gelu(l, sum, by_tanh), x);
}

/* C = Gelu(A + B), B [k] broadcast along the last axis. com.microsoft BiasGelu-1. */
void lower_MS_BiasGelu(lowering *l, const node *n)
{
    (void)n;
    biased_gelu(l, false);
}

/* Y = Gelu by tanh of X + bias, bias [k] broadcast along the last axis. com.microsoft FastGelu-1. */
void lower_MS_FastGelu(lowering *l, const node *n)
{
    (void)n;
    biased_gelu(l, true);
}

/* Y = X * sigmoid(alpha * X). com.microsoft QuickGelu-1. */
void lower_MS_QuickGelu(lowering *l, const node *n)
{
    elem_out(l, swish(l, wide_in(l, ELEM_FLOATS), spec_activation(n).alpha), l_in(l, 0));
}

/* Y = Z * sigmoid(Z) with Z = scale * X, scale being input 1 or else alpha; Z and the sigmoid are rounded to
   the dtype of X. com.microsoft ScaledSiLU-1. */
void lower_MS_ScaledSiLU(lowering *l, const node *n)
{
    mval x = wide_in(l, ELEM_FLOATS), like = l_in(l, 0);
    mval factor = l_has(l, 1) ? elem_wide(l, elem_scalar(l, l_in(l, 1), "scale"))
                              : elem_number(l, spec_activation(n).alpha);
    mval z = m_cast_like(l, m_mul(l, x, factor), like);
    l_out(l, 0, m_mul(l, z, m_sigmoid(l, z)));
}
