/* Quantization, and products of quantized matrices. */
#include "ops/quantize/quant.h"

/* ---- Scale and zero point ----------------------------------------------------------------------------- */

/* True where v is known to have one element and rank 0 or 1. */
static bool quant_is_single(lowering *l, mval v)
{
    int rank = m_rank(l, v);
    return rank == 0 || (rank == 1 && dim_same(m_dim(l, v, 0), d_const(l, 1)));
}

/* A parameter of one element as a scalar, others unchanged; MVAL_NONE stays. */
static mval parameter(lowering *l, mval v)
{
    if (v.id == NO_VALUE || !quant_is_single(l, v))
        return v;
    return m_reshape(l, v, 0, NULL);
}

mval quant_from(lowering *l, mval q, mval scale, mval zero)
{
    mval x = elem_wide(l, q);
    if (zero.id != NO_VALUE)
        x = m_sub(l, x, elem_wide(l, parameter(l, zero)));
    return m_mul(l, x, elem_wide(l, parameter(l, scale)));
}

/* saturate(x + zero) as dtype. x: float64, integral where dtype is of integers. */
static mval saturated(lowering *l, mval x, mval zero, sib_dtype dtype, bool saturate)
{
    if (zero.id != NO_VALUE)
        x = m_add(l, x, elem_wide(l, zero));
    return saturate ? m_cast_saturating(l, x, dtype) : m_cast(l, x, dtype);
}

mval quant_to(lowering *l, mval x, mval scale, mval zero, sib_dtype dtype)
{
    mval ratio = m_div(l, x, elem_wide(l, parameter(l, scale)));
    if (sib_dtype_get_kind(dtype) != SIB_KIND_FLOAT)
        ratio = m_round(l, ratio);
    return saturated(l, ratio, parameter(l, zero), dtype, true);
}

/* How the parameters of QuantizeLinear map to its input: dims of x, the axis if any, the block size or 0. */
typedef struct grain {
    int rank, axis;
    dim dims[SIB_MAX_RANK];
    int64_t block;
} grain;

static grain read_grain(lowering *l, const node *n, mval x, mval scale)
{
    quantize_spec spec = spec_quantize(n);
    grain g = {.block = spec.block_size};
    g.rank = m_dims(l, x, g.dims);
    bool single = quant_is_single(l, scale);
    if (l_ok(l) && g.block == 0 && m_rank(l, scale) > 1)
        l_fail(l, SIB_ERR_ARGUMENT, "scale has rank %d, expected at most 1 without block_size",
               m_rank(l, scale));
    if (l_ok(l) && (g.block > 0 || !single))
        g.axis = g.rank == 1 ? 0 : m_axis(l, spec.axis, g.rank, "axis");
    return g;
}

/* Repeats a parameter per block to one per element of the axis, cropped to the dim of x. */
static mval repeat_blocks(lowering *l, mval v, const grain *g, const char *what)
{
    dim dims[SIB_MAX_RANK + 1], block = d_const(l, g->block);
    int rank = m_dims(l, v, dims);
    int64_t have, want;
    if (!l_ok(l))
        return MVAL_NONE;
    if (rank != g->rank || rank + 1 > SIB_MAX_RANK)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has rank %d, expected %d as x", what, rank, g->rank);
    dim count = dims[g->axis];
    if (dim_is_const(l->graph->dims, count, &have) &&
        dim_is_const(l->graph->dims, d_ceil_div(l, g->dims[g->axis], block), &want) && have != want)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has %lld blocks along axis %d, expected %lld", what,
                      (long long)have, g->axis, (long long)want);
    for (int i = rank; i > g->axis + 1; i--)
        dims[i] = dims[i - 1];
    dims[g->axis + 1] = d_min(l, block, g->dims[g->axis]);
    v = m_expand(l, m_unsqueeze(l, v, g->axis + 1), (size_t)rank + 1, dims);
    v = m_flatten(l, v, g->axis, g->axis + 2);
    return m_slice(l, v, g->axis, d_const(l, 0), g->dims[g->axis], 1);
}

/* Makes a parameter broadcast with x: one element, one per entry of the axis, or one per block. */
static mval broadcast_to_x(lowering *l, mval v, const grain *g, const char *what)
{
    dim dims[SIB_MAX_RANK];
    if (v.id == NO_VALUE || !l_ok(l))
        return MVAL_NONE;
    if (quant_is_single(l, v))
        return parameter(l, v);
    if (g->block)
        return repeat_blocks(l, v, g, what);
    int64_t have, want;
    if (m_rank(l, v) != 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has rank %d, expected at most 1", what, m_rank(l, v));
    if (dim_is_const(l->graph->dims, m_dim(l, v, 0), &have) &&
        dim_is_const(l->graph->dims, g->dims[g->axis], &want) && have != want)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has %lld elements for %lld along axis %d of x", what,
                      (long long)have, (long long)want, g->axis);
    int rank = 0;
    dims[rank++] = m_dim(l, v, 0);
    for (int i = g->axis + 1; i < g->rank; i++)
        dims[rank++] = d_const(l, 1);
    return m_reshape(l, v, (size_t)rank, dims);
}

/* ---- QuantizeLinear ----------------------------------------------------------------------------------- */

/* The dtype given by the zero point or attribute output_dtype; uint8 where both are absent. */
static sib_dtype quantized_dtype(lowering *l, const node *n, mval zero)
{
    sib_dtype asked = spec_quantize(n).output_dtype, dtype = asked ? asked : SIB_U8;
    if (zero.id != NO_VALUE) {
        if (asked && dtype != m_dtype(l, zero) && l_ok(l))
            l_fail(l, SIB_ERR_ARGUMENT, "output_dtype is %s, but y_zero_point %s", sib_dtype_name(dtype),
                   sib_dtype_name(m_dtype(l, zero)));
        dtype = m_dtype(l, zero);
    }
    if (l_ok(l) && !elem_in(QUANT_DTYPES, dtype))
        l_fail(l, SIB_ERR_ARGUMENT, "quantizing to %s is not supported", sib_dtype_name(dtype));
    return dtype;
}

/* The dtype in which x is divided by the scale: attribute precision, else that of the scale if it is a float
   that division supports. */
static sib_dtype quotient_dtype(lowering *l, const node *n, mval scale)
{
    sib_dtype dtype = spec_quantize(n).precision;
    if (dtype) {
        if (l_ok(l) && !elem_in(ELEM_FLOATS, dtype))
            l_fail(l, SIB_ERR_ARGUMENT, "precision is %s, expected a float", sib_dtype_name(dtype));
        return dtype;
    }
    return elem_in(ELEM_FLOATS, m_dtype(l, scale)) ? m_dtype(l, scale) : SIB_F64;
}

/* y = saturate(round(x / y_scale) + y_zero_point), the quotient first rounded to the dtype of the scale or
   `precision`; without round() for floats of 8 and 4 bits. y_scale: one element, one per entry of the axis,
   or one per block. */
static void quantize_linear(lowering *l, const node *n)
{
    mval x = l_in(l, 0), scale = l_in(l, 1), zero = l_in_or_none(l, 2);
    if (!elem_takes(l, x, "x", ELEM_FLOATS | ELEM(SIB_I32)) ||
        !elem_takes(l, scale, "y_scale", ELEM_FLOATS | ELEM(SIB_I32) | ELEM(SIB_F8E8M0)) ||
        (l_has(l, 2) && !elem_takes(l, zero, "y_zero_point", QUANT_DTYPES)))
        return;
    sib_dtype dtype = quantized_dtype(l, n, zero), wide = quotient_dtype(l, n, scale);
    elem_declare(l, dtype);
    grain g = read_grain(l, n, x, scale);
    scale = broadcast_to_x(l, scale, &g, "y_scale");
    if (l_has(l, 2))
        zero = broadcast_to_x(l, zero, &g, "y_zero_point");
    mval ratio = m_div(l, m_cast(l, x, wide), m_cast(l, scale, wide));
    bool integer = elem_in(QUANT_INTS, dtype);
    if (integer)
        ratio = m_round(l, ratio);
    l_out(l, 0, saturated(l, elem_wide(l, ratio), zero, dtype, integer || spec_quantize(n).saturate));
}

/* ONNX QuantizeLinear-10, 13 (axis), 19 (floats of 8 bits), 21 (block_size, output_dtype), 23 (precision),
   24/25. */
void lower_ONNX_QuantizeLinear(lowering *l, const node *n)
{
    quantize_linear(l, n);
}

/* com.microsoft QuantizeLinear-1: the same. */
void lower_MS_QuantizeLinear(lowering *l, const node *n)
{
    quantize_linear(l, n);
}

/* y = (x - x_zero_point) * x_scale, rounded once to output_dtype or the dtype of the scale. */
static void dequantize_linear(lowering *l, const node *n)
{
    quantize_spec spec = spec_quantize(n);
    mval x = l_in(l, 0), scale = l_in(l, 1), zero = l_in_or_none(l, 2);
    if (!elem_takes(l, x, "x", QUANT_DTYPES | ELEM(SIB_I32)) ||
        !elem_takes(l, scale, "x_scale", ELEM_FLOATS | ELEM(SIB_F8E8M0)))
        return;
    if (l_has(l, 2) && m_dtype(l, zero) != m_dtype(l, x) && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "x_zero_point is %s, expected %s as x", sib_dtype_name(m_dtype(l, zero)),
               sib_dtype_name(m_dtype(l, x)));
    sib_dtype dtype = m_dtype(l, scale);
    if (spec.output_dtype)
        dtype = spec.output_dtype;
    if (l_ok(l) && !elem_in(ELEM_FLOATS, dtype))
        l_fail(l, SIB_ERR_ARGUMENT, "the output would be %s, expected output_dtype to name a wider float",
               sib_dtype_name(dtype));
    elem_declare(l, dtype);
    grain g = read_grain(l, n, x, scale);
    if (l_has(l, 2))
        zero = broadcast_to_x(l, zero, &g, "x_zero_point");
    l_out(l, 0, m_cast(l, quant_from(l, x, broadcast_to_x(l, scale, &g, "x_scale"), zero), dtype));
}

/* ONNX DequantizeLinear-10, 13 (axis), 19 (floats of 8 bits), 21 (block_size), 23 (output_dtype), 24/25. */
void lower_ONNX_DequantizeLinear(lowering *l, const node *n)
{
    dequantize_linear(l, n);
}

/* com.microsoft DequantizeLinear-1: the same. */
void lower_MS_DequantizeLinear(lowering *l, const node *n)
{
    dequantize_linear(l, n);
}

/* ---- DynamicQuantizeLinear ---------------------------------------------------------------------------- */

/* scale = (max(X, 0) - min(X, 0)) / 255 and zero = round(clamp(-min / scale, 0, 255)), each step in the dtype
   of X; then as QuantizeLinear. */
static mval quant_dynamic(lowering *l, mval x, mval *scale, mval *zero)
{
    mval none = m_scalar_like(l, x, 0), max = m_scalar_like(l, x, 255);
    mval low = m_min(l, m_reduce(l, MILLI_reduce_min, x, 0, NULL, DROP_DIMS), none);
    mval high = m_max(l, m_reduce(l, MILLI_reduce_max, x, 0, NULL, DROP_DIMS), none);
    *scale = m_div(l, m_sub(l, high, low), max);
    mval at = m_clamp(l, m_sub(l, none, m_div(l, low, *scale)), none, max);
    *zero = m_cast(l, m_round(l, at), SIB_U8);
    mval ratio = m_round(l, m_div(l, x, *scale));
    return saturated(l, elem_wide(l, ratio), *zero, SIB_U8, true);
}

/* Quantizes x over its range of values: y, y_scale, y_zero_point. ONNX DynamicQuantizeLinear-11. */
void lower_ONNX_DynamicQuantizeLinear(lowering *l, const node *n)
{
    dim scalar[1] = {DIM_NONE};
    mval x = l_in(l, 0), scale, zero;
    (void)n;
    if (!elem_takes(l, x, "x", ELEM_FLOATS))
        return;
    l_declare(l, 0, SIB_U8, 0, NULL);
    l_declare(l, 1, m_dtype(l, x), 0, scalar);
    l_declare(l, 2, SIB_U8, 0, scalar);
    l_out(l, 0, quant_dynamic(l, x, &scale, &zero));
    l_out(l, 1, scale);
    l_out(l, 2, zero);
}

/* ---- Products of matrices ----------------------------------------------------------------------------- */

/* NumPy's matmul: rank 1 counts as a row on the left, a column on the right; that axis is then removed. */
static mval product(lowering *l, mval a, mval b)
{
    bool row = m_rank(l, a) == 1, column = m_rank(l, b) == 1;
    if (row)
        a = m_unsqueeze(l, a, 0);
    if (column)
        b = m_unsqueeze(l, b, -1);
    mval y = m_matmul(l, a, b);
    if (column)
        y = m_squeeze(l, y, -1);
    return row ? m_squeeze(l, y, column ? -1 : -2) : y;
}

/* A parameter of the left operand: one element, one per row [M], or already [D..., M, 1]. */
static mval by_row(lowering *l, mval v)
{
    if (v.id == NO_VALUE || quant_is_single(l, v))
        return parameter(l, v);
    return m_rank(l, v) == 1 ? m_unsqueeze(l, v, 1) : v;
}

/* The operand minus its zero point: int32, or float64 for floats. */
static mval centred(lowering *l, mval q, mval zero)
{
    sib_dtype wide = m_is(l, q, SIB_KIND_FLOAT) ? SIB_F64 : SIB_I32;
    q = m_cast(l, q, wide);
    return zero.id == NO_VALUE ? q : m_sub(l, q, m_cast(l, zero, wide));
}

/* Y = (A - a_zero_point) (B - b_zero_point) in int32. Zero points: one element, one per row of A [M], or one
   per column of B [N]. ONNX MatMulInteger-10. */
void lower_ONNX_MatMulInteger(lowering *l, const node *n)
{
    (void)n;
    mval a = l_in(l, 0), b = l_in(l, 1);
    if (!elem_takes(l, a, "A", QUANT_BYTES) || !elem_takes(l, b, "B", QUANT_BYTES))
        return;
    elem_declare(l, SIB_I32);
    a = centred(l, a, by_row(l, l_in_or_none(l, 2)));
    b = centred(l, b, parameter(l, l_in_or_none(l, 3)));
    l_out(l, 0, product(l, a, b));
}

/* Y = A B of 16 bit integers in int32 or uint32, which wrap. com.microsoft MatMulInteger16-1. */
void lower_MS_MatMulInteger16(lowering *l, const node *n)
{
    (void)n;
    mval a = l_in(l, 0), b = l_in(l, 1);
    elem_set words = ELEM(SIB_I16) | ELEM(SIB_U16);
    if (!elem_takes(l, a, "A", words) || !elem_takes(l, b, "B", words))
        return;
    sib_dtype wide = m_dtype(l, a) == SIB_U16 && m_dtype(l, b) == SIB_U16 ? SIB_U32 : SIB_I32;
    elem_declare(l, wide);
    l_out(l, 0, product(l, m_cast(l, a, wide), m_cast(l, b, wide)));
}

/* C = (A - A_zero_point) * (B - B_zero_point) in int32. com.microsoft MulInteger-1. */
void lower_MS_MulInteger(lowering *l, const node *n)
{
    (void)n;
    mval a = l_in(l, 0), b = l_in(l, 2);
    if (!elem_takes(l, a, "A", QUANT_BYTES) || !elem_takes(l, b, "B", QUANT_BYTES))
        return;
    elem_declare(l, SIB_I32);
    l_out(l, 0,
          m_mul(l, centred(l, a, parameter(l, l_in_or_none(l, 1))),
                centred(l, b, parameter(l, l_in_or_none(l, 3)))));
}

/* y = saturate(round((a - a_zero_point) (b - b_zero_point) * a_scale * b_scale / y_scale) + y_zero_point).
   Scales and zero points: one element, one per row of a and y, or one per column of b. ONNX QLinearMatMul-10,
   21 (floats). */
void lower_ONNX_QLinearMatMul(lowering *l, const node *n)
{
    (void)n;
    mval a = l_in(l, 0), b = l_in(l, 3), y_zero = l_in(l, 7);
    elem_set takes = QUANT_BYTES | ELEM_FLOATS8;
    if (!elem_takes(l, a, "a", takes) || !elem_takes(l, b, "b", takes) ||
        !elem_takes(l, y_zero, "y_zero_point", takes))
        return;
    elem_declare(l, m_dtype(l, y_zero));
    a = centred(l, a, by_row(l, l_in(l, 2)));
    b = centred(l, b, parameter(l, l_in(l, 5)));
    if (l_ok(l) && m_dtype(l, a) != m_dtype(l, b)) { /* floats times integers */
        a = elem_wide(l, a);
        b = elem_wide(l, b);
    }
    mval y = elem_wide(l, product(l, a, b));
    y = m_mul(l, y, elem_wide(l, by_row(l, l_in(l, 1))));
    y = m_mul(l, y, elem_wide(l, parameter(l, l_in(l, 4))));
    l_out(l, 0, quant_to(l, y, by_row(l, l_in(l, 6)), by_row(l, y_zero), m_dtype(l, y_zero)));
}

/* x + bias if input i is present; x float64. */
static mval biased(lowering *l, mval x, size_t i)
{
    return l_has(l, i) ? m_add(l, x, elem_wide(l, l_in(l, i))) : x;
}

mval quant_dynamic_product(lowering *l, mval a, mval b, mval b_scale, mval b_zero)
{
    mval scale, zero, q = quant_dynamic(l, a, &scale, &zero);
    mval y = product(l, centred(l, q, zero), centred(l, b, parameter(l, b_zero)));
    return m_mul(l, m_mul(l, elem_wide(l, y), elem_wide(l, scale)), elem_wide(l, parameter(l, b_scale)));
}

/* Y = dequantized(quantized(A)) ((B - b_zero_point) * b_scale) + bias, A quantized as by
   DynamicQuantizeLinear. Parameters of B: one element, or one per column. com.microsoft
   DynamicQuantizeMatMul-1. */
void lower_MS_DynamicQuantizeMatMul(lowering *l, const node *n)
{
    (void)n;
    mval a = l_in(l, 0), b = l_in(l, 1);
    if (!elem_takes(l, a, "A", ELEM_FLOATS) || !elem_takes(l, b, "B", QUANT_BYTES))
        return;
    elem_declare(l, m_dtype(l, a));
    mval y = quant_dynamic_product(l, a, b, l_in(l, 2), l_in_or_none(l, 3));
    elem_out(l, biased(l, y, 4), a);
}

/* Y = ((A - a_zero_point) * a_scale) ((B - b_zero_point) * b_scale) + bias. Parameters: one element, or one
   per column. com.microsoft MatMulIntegerToFloat-1. */
void lower_MS_MatMulIntegerToFloat(lowering *l, const node *n)
{
    (void)n;
    mval a = l_in(l, 0), b = l_in(l, 1), a_scale = l_in(l, 2);
    if (!elem_takes(l, a, "A", QUANT_BYTES) || !elem_takes(l, b, "B", QUANT_BYTES) ||
        !elem_takes(l, a_scale, "a_scale", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, a_scale));
    a = quant_from(l, a, a_scale, l_in_or_none(l, 4));
    b = quant_from(l, b, l_in(l, 3), l_in_or_none(l, 5));
    elem_out(l, biased(l, product(l, a, b), 6), a_scale);
}
