/* The quantizers of QONNX, which Brevitas and FINN exchange: floats that are rounded to a grid and stay
   floats. Every step is rounded to the dtype of X, since that decides ties. */
#include "ops/lower/elem.h"

#include <float.h>
#include <math.h>

/* Input 0; output 0 has its dtype and dims. */
static mval floats_in(lowering *l)
{
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return MVAL_NONE;
    elem_declare(l, m_dtype(l, x));
    return x;
}

/* Input i, a number or one for each element, in the dtype of x. */
static mval parameter(lowering *l, size_t i, mval x)
{
    return m_cast_like(l, l_in(l, i), x);
}

static mval rounded(lowering *l, quant_rounding mode, mval x)
{
    mval size = m_abs(l, x);
    switch (mode) {
    case QUANT_CEIL:
        return m_ceil(l, x);
    case QUANT_FLOOR:
        return m_floor(l, x);
    case QUANT_UP:
        return m_mul(l, m_sign(l, x), m_ceil(l, size));
    case QUANT_DOWN:
        return m_mul(l, m_sign(l, x), m_floor(l, size));
    case QUANT_HALF_UP:
        return m_mul(l, m_sign(l, x), m_floor(l, m_add_number(l, size, 0.5)));
    case QUANT_HALF_DOWN:
        return m_mul(l, m_sign(l, x), m_ceil(l, m_add_number(l, size, -0.5)));
    default:
        return m_round(l, x);
    }
}

/* 2^e, exact for the integers that matter. */
static mval power_of_two(lowering *l, mval e)
{
    return m_cast_like(l, m_pow(l, elem_number(l, 2), elem_wide(l, e)), e);
}

/* y clamped to the integers of `bits` bits. */
static mval clamped(lowering *l, const qonnx_spec *spec, mval y, mval bits)
{
    mval half = power_of_two(l, m_add_number(l, bits, -1)), all = power_of_two(l, bits);
    mval low = spec->with_sign ? m_add_number(l, m_neg(l, half), spec->narrow) : m_mul_number(l, bits, 0);
    mval high = spec->with_sign ? m_add_number(l, half, -1) : m_add_number(l, all, spec->narrow ? -2 : -1);
    y = m_where(l, m_less(l, high, y), high, y);
    return m_where(l, m_less(l, y, low), low, y);
}

/* -1 below 0, else 1; NaN is below. */
static mval bipolar(lowering *l, mval x)
{
    return m_where(l, m_less_equal(l, m_scalar_like(l, x, 0), x), m_scalar_like(l, x, 1),
                   m_scalar_like(l, x, -1));
}

/* Y = (round(clamp(X / scale + zero_point)) - zero_point) * scale, clamped to integers of bit_width bits; of
   one bit with a sign, to -1 and 1. */
static void int_quant(lowering *l, const node *n)
{
    qonnx_spec spec = spec_qonnx(n);
    mval x = floats_in(l), scale = parameter(l, 1, x), zero = parameter(l, 2, x), bits = parameter(l, 3, x);
    mval y = m_add(l, m_div(l, x, scale), zero);
    mval q = rounded(l, spec.rounding_mode, clamped(l, &spec, y, bits));
    if (spec.with_sign)
        q = m_where(l, m_equal(l, bits, m_scalar_like(l, x, 1)), bipolar(l, y), q);
    l_out(l, 0, m_mul(l, m_sub(l, q, zero), scale));
}

/* QONNX Quant-1. */
void lower_QONNX_Quant(lowering *l, const node *n)
{
    int_quant(l, n);
}

/* Quant by its newer name. QONNX IntQuant-1. */
void lower_QONNX_IntQuant(lowering *l, const node *n)
{
    int_quant(l, n);
}

/* Y = X >= 0 ? scale : -scale. QONNX BipolarQuant-1. */
void lower_QONNX_BipolarQuant(lowering *l, const node *n)
{
    (void)n;
    mval x = floats_in(l);
    l_out(l, 0, m_mul(l, bipolar(l, x), parameter(l, 1, x)));
}

/* q = round(X / scale + zero_point), an integer of in_bits bits. With five inputs its in_bits - out_bits low
   bits are cut off, and Y = (q' - zero_point) * scale. With six, q is divided by the power of two nearest to
   out_scale / scale, clamped to out_bits bits and rounded by rounding_mode, and Y is (q' - zero_point / that
   power) * out_scale. QONNX Trunc-1, 2. */
void lower_QONNX_Trunc(lowering *l, const node *n)
{
    qonnx_spec spec = spec_qonnx(n);
    bool rescales = l_has(l, 5);
    mval x = floats_in(l), scale = parameter(l, 1, x), zero = parameter(l, 2, x), bits = parameter(l, 3, x);
    mval y = m_round(l, m_add(l, m_div(l, x, scale), zero));
    if (!rescales) {
        mval by = power_of_two(l, m_sub(l, bits, parameter(l, 4, x)));
        y = rounded(l, spec.rounding_mode, m_div(l, y, by));
        l_out(l, 0, m_mul(l, m_sub(l, y, zero), scale));
        return;
    }
    mval out_scale = parameter(l, 4, x);
    mval ratio = m_mul_number(l, m_log(l, elem_wide(l, m_div(l, out_scale, scale))), M_LOG2E);
    mval by = power_of_two(l, m_cast_like(l, m_round(l, ratio), x));
    y = rounded(l, spec.rounding_mode, clamped(l, &spec, m_div(l, y, by), parameter(l, 5, x)));
    l_out(l, 0, m_mul(l, m_sub(l, y, m_div(l, zero, by)), out_scale));
}

/* X / scale rounded to a float of exponent_bits and mantissa_bits with that bias, of at most max_val, times
   scale. Above it: saturated, else an infinity or NaN. QONNX FloatQuant-1. */
void lower_QONNX_FloatQuant(lowering *l, const node *n)
{
    qonnx_spec spec = spec_qonnx(n);
    mval x = floats_in(l), scale = parameter(l, 1, x), exponent = elem_wide(l, l_in(l, 2)),
         mantissa = elem_wide(l, l_in(l, 3)), bias = elem_wide(l, l_in(l, 4)), two = elem_number(l, 2);
    if (l_ok(l) && !spec.saturation && !spec.has_inf && !spec.has_nan) {
        l_fail(l, SIB_ERR_ARGUMENT, "without saturation, has_inf or has_nan is needed");
        return;
    }
    mval y = elem_wide(l, m_div(l, x, scale)), size = m_add_number(l, m_abs(l, y), FLT_MIN);
    mval place = m_sub(l, m_floor(l, m_mul_number(l, m_log(l, size), M_LOG2E)), mantissa);
    mval lowest = m_sub(l, m_sub(l, elem_number(l, 1), bias), mantissa);
    mval unit = m_pow(l, two, m_max(l, place, lowest));
    mval q = m_mul(l, unit, rounded(l, spec.rounding_mode, m_div(l, y, unit)));
    mval top = m_sub(l, m_add_number(l, m_pow(l, two, exponent), -1), bias);
    mval fraction = m_sub(l, two, m_pow(l, two, m_neg(l, mantissa)));
    mval high = m_min(l, m_mul(l, fraction, m_pow(l, two, top)), elem_wide(l, l_in(l, 5))),
         low = m_neg(l, high);
    mval over = m_less(l, high, q), under = m_less(l, q, low), infinite = m_is_inf(l, q);
    q = m_clamp(l, q, low, high);
    if (!spec.saturation) {
        mval beyond = elem_number(l, spec.has_inf ? INFINITY : NAN);
        q = m_where(l, under, m_neg(l, beyond), m_where(l, over, beyond, q));
        if (!spec.has_inf)
            q = m_where(l, infinite, beyond, q);
    }
    l_out(l, 0, m_mul(l, m_cast_like(l, q, x), scale));
}

/* Y = out_scale * (how many thresholds of its channel X reaches) + out_bias; thresholds [C or 1, B].
   data_layout names the last axis C where the channels are last. QONNX MultiThreshold-1. */
void lower_QONNX_MultiThreshold(lowering *l, const node *n)
{
    qonnx_spec spec = spec_qonnx(n);
    mval x = floats_in(l), thresholds = parameter(l, 1, x);
    sib_str layout = spec.data_layout;
    bool last = layout.length && layout.data[layout.length - 1] == 'C';
    int rank = m_rank(l, x);
    if (l_ok(l) && (rank < 2 || m_rank(l, thresholds) != 2))
        l_fail(l, SIB_ERR_ARGUMENT, "X and thresholds have ranks %d and %d, expected 2 or more, and 2", rank,
               m_rank(l, thresholds));
    if (!l_ok(l))
        return;
    mval wide = m_unsqueeze(l, last ? x : m_move(l, x, 1, -1), -1); /* [N, ..., C, 1] */
    int64_t rows, channels;
    if (dim_is_const(l->graph->dims, m_dim(l, thresholds, 0), &rows) && rows != 1 &&
        dim_is_const(l->graph->dims, m_dim(l, wide, -2), &channels) && rows != channels) {
        l_fail(l, SIB_ERR_ARGUMENT, "thresholds for %lld channels, X has %lld", (long long)rows,
               (long long)channels);
        return;
    }
    mval reached = m_cast_like(l, m_less_equal(l, thresholds, wide), x);
    mval y = m_reduce_axis(l, MILLI_reduce_sum, reached, -1, DROP_DIMS);
    y = m_add_number(l, m_mul_number(l, y, spec.out_scale), spec.out_bias);
    l_out(l, 0, last ? y : m_move(l, y, -1, 1));
}
