/* Float operators on quantized tensors: the inputs are dequantized, the result is quantized, in float64
   between. Scales and zero points are scalars; an omitted zero point is 0. */
#include "ops/nn/nn.h"
#include "ops/quantize/quant.h"

/* Inputs i, i + 1 and i + 2: (q - zero) * scale in float64. */
static mval real_in(lowering *l, size_t i)
{
    mval q = l_in(l, i);
    if (!elem_takes(l, q, "a quantized input", QUANT_BYTES))
        return MVAL_NONE;
    elem_declare(l, m_dtype(l, q));
    return quant_from(l, q, elem_scalar(l, l_in(l, i + 1), "a scale"), l_in_or_none(l, i + 2));
}

/* Quantizes x, float64, by inputs i and i + 1 to the dtype of input 0, as output 0. */
static void quantized_out(lowering *l, mval x, size_t i)
{
    mval scale = elem_scalar(l, l_in(l, i), "the scale of the output");
    l_out(l, 0, quant_to(l, x, scale, l_in_or_none(l, i + 1), m_dtype(l, l_in(l, 0))));
}

/* C = quantized(A + B), A and B dequantized. com.microsoft QLinearAdd-1. */
void lower_MS_QLinearAdd(lowering *l, const node *n)
{
    (void)n;
    mval a = real_in(l, 0);
    quantized_out(l, m_add(l, a, real_in(l, 3)), 6);
}

/* C = quantized(A * B), A and B dequantized. com.microsoft QLinearMul-1. */
void lower_MS_QLinearMul(lowering *l, const node *n)
{
    (void)n;
    mval a = real_in(l, 0);
    quantized_out(l, m_mul(l, a, real_in(l, 3)), 6);
}

/* Y = quantized(1 / (1 + e^-X)), X dequantized. com.microsoft QLinearSigmoid-1. */
void lower_MS_QLinearSigmoid(lowering *l, const node *n)
{
    (void)n;
    quantized_out(l, m_sigmoid(l, real_in(l, 0)), 3);
}

/* Y = quantized(X < 0 ? alpha * X : X), X dequantized. com.microsoft QLinearLeakyRelu-1. */
void lower_MS_QLinearLeakyRelu(lowering *l, const node *n)
{
    mval x = real_in(l, 0), scaled = m_mul_number(l, x, spec_activation(n).alpha);
    quantized_out(l, m_where(l, m_less(l, x, elem_number(l, 0)), scaled, x), 3);
}

/* Y = the inputs from 2 on, three each (tensor, scale, zero point), dequantized, concatenated along the axis,
   quantized by inputs 0 and 1. com.microsoft QLinearConcat-1. */
void lower_MS_QLinearConcat(lowering *l, const node *n)
{
    size_t count = (n->inputs.n - 2) / 3;
    mval zero = l_in(l, 1), all = MVAL_NONE;
    if (n->inputs.n % 3 != 2 || !count)
        l_fail(l, SIB_ERR_ARGUMENT, "%u inputs, expected 2 and three for each tensor", n->inputs.n);
    if (!elem_takes(l, zero, "Y_zero_point", QUANT_BYTES))
        return;
    for (size_t i = 0; i < count && l_ok(l); i++) {
        mval item = real_in(l, 2 + 3 * i);
        int axis = m_axis(l, spec_compress(n).axis, m_rank(l, item), "axis");
        all = i ? m_concat(l, 2, (mval[]){all, item}, axis) : item;
    }
    elem_declare(l, m_dtype(l, zero));
    l_out(l, 0, quant_to(l, all, elem_scalar(l, l_in(l, 0), "Y_scale"), zero, m_dtype(l, zero)));
}

/* Y[n, c] = quantized(mean of X[n, c, ...]), X dequantized; with channels_last of X[n, ..., c]. com.microsoft
   QLinearGlobalAveragePool-1. */
void lower_MS_QLinearGlobalAveragePool(lowering *l, const node *n)
{
    int64_t axes[SIB_MAX_RANK];
    mval x = real_in(l, 0);
    int rank = m_rank(l, x), first = spec_pool(n).channels_last ? 1 : 2;
    if (l_ok(l) && rank < 3)
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected at least 3", rank);
    size_t count = l_ok(l) ? (size_t)rank - 2 : 0;
    for (size_t i = 0; i < count; i++)
        axes[i] = first + (int64_t)i;
    quantized_out(l, m_reduce_mean(l, x, count, axes, KEEP_DIMS), 3);
}

/* Y = quantized(AveragePool(X)), X dequantized, [N, C, D...] or with channels_last [N, D..., C].
   com.microsoft QLinearAveragePool-1. */
void lower_MS_QLinearAveragePool(lowering *l, const node *n)
{
    pool_spec spec = spec_pool(n);
    bool last = spec.channels_last;
    mval x = real_in(l, 0);
    if (last)
        x = m_move(l, x, -1, 1);
    mval y = nn_average_pool(l, &spec, x);
    quantized_out(l, last ? m_move(l, y, 1, -1) : y, 3);
}

/* Z = quantized(condition ? X : Y), X and Y dequantized. com.microsoft QLinearWhere-1. */
void lower_MS_QLinearWhere(lowering *l, const node *n)
{
    (void)n;
    mval condition = l_in(l, 0), zero = l_in(l, 8);
    if (!elem_takes(l, condition, "condition", ELEM(SIB_BOOL)) ||
        !elem_takes(l, zero, "z_zero_point", QUANT_BYTES))
        return;
    elem_declare(l, m_dtype(l, zero));
    mval x = real_in(l, 1), z = m_where(l, condition, x, real_in(l, 4));
    l_out(l, 0, quant_to(l, z, elem_scalar(l, l_in(l, 7), "z_scale"), zero, m_dtype(l, zero)));
}

/* Y = quantized(softmax(X)), X dequantized, along the axis; with attribute opset below 13 over all axes from
   it on. com.microsoft QLinearSoftmax-1. */
void lower_MS_QLinearSoftmax(lowering *l, const node *n)
{
    softmax_spec spec = spec_softmax(n);
    dim dims[SIB_MAX_RANK];
    mval x = real_in(l, 0);
    int rank = m_dims(l, x, dims), axis = m_axis(l, spec.axis, rank, "axis");
    if (spec.opset < 13)
        x = m_reshape(l, m_softmax(l, m_flatten(l, x, axis, rank), -1), (size_t)rank, dims);
    else
        x = m_softmax(l, x, axis);
    quantized_out(l, x, 3);
}

/* reduced = quantized(mean of data over the axes), data dequantized; all axes where none are given.
   com.microsoft QLinearReduceMean-1. */
void lower_MS_QLinearReduceMean(lowering *l, const node *n)
{
    reduce_spec spec = spec_reduce(n);
    spec_ints axes = spec.axes;
    keep_dims keep = spec.keepdims ? KEEP_DIMS : DROP_DIMS;
    quantized_out(l, m_reduce_mean(l, real_in(l, 0), axes.n, axes.n ? axes.v : NULL, keep), 3);
}

/* Y = quantized(alpha * a_scale * b_scale * ((A - a_zero_point) (B - b_zero_point) + C)), A and B transposed
   by transA and transB; float32 without y_scale. Scale and zero point of B: one element, or one per column.
   com.microsoft QGemm-1. */
void lower_MS_QGemm(lowering *l, const node *n)
{
    gemm_spec spec = spec_gemm(n);
    mval a = l_in(l, 0), b = l_in(l, 3), a_scale = l_in(l, 1), b_scale = l_in(l, 4);
    if (!elem_takes(l, a, "A", QUANT_BYTES) || !elem_takes(l, b, "B", QUANT_BYTES))
        return;
    elem_declare(l, l_has(l, 8) ? m_dtype(l, l_in(l, 8)) : SIB_F32);
    if (spec.transA)
        a = m_swap(l, a, 0, 1);
    if (spec.transB)
        b = m_swap(l, b, 0, 1);
    mval one = elem_number(l, 1), y;
    y = m_matmul(l, quant_from(l, a, one, l_in(l, 2)), quant_from(l, b, one, l_in_or_none(l, 5)));
    if (l_has(l, 6))
        y = m_add(l, y, elem_wide(l, l_in(l, 6)));
    y = quant_from(l, quant_from(l, y, a_scale, MVAL_NONE), b_scale, MVAL_NONE);
    y = m_mul_number(l, y, spec.alpha);
    if (l_has(l, 7))
        l_out(l, 0, quant_to(l, y, l_in(l, 7), l_in(l, 8), m_dtype(l, l_in(l, 8))));
    else
        l_out(l, 0, m_cast_like(l, y, a_scale));
}
