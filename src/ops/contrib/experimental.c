/* Experimental operators of ai.onnx's first opsets, which onnxruntime still runs. */
#include "ops/lower/elem.h"
#include "ops/lower/lists.h"

#include <string.h>

/* Input 0 in float64; output 0 has its dtype and dims. */
static mval floats_in(lowering *l)
{
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return MVAL_NONE;
    elem_declare(l, m_dtype(l, x));
    return elem_wide(l, x);
}

/* Y = alpha * X + beta. ONNX Affine-1. */
void lower_ONNX_Affine(lowering *l, const node *n)
{
    activation_spec spec = spec_activation(n);
    mval x = floats_in(l);
    elem_out(l, m_add_number(l, m_mul_number(l, x, spec.alpha), spec.beta), l_in(l, 0));
}

/* Y = scale * X. ONNX Scale-1. */
void lower_ONNX_Scale(lowering *l, const node *n)
{
    elem_out(l, m_mul_number(l, floats_in(l), spec_image_scale(n).scale), l_in(l, 0));
}

/* Y = alpha * tanh(beta * X). ONNX ScaledTanh-1. */
void lower_ONNX_ScaledTanh(lowering *l, const node *n)
{
    activation_spec spec = spec_activation(n);
    mval x = m_mul_number(l, floats_in(l), spec.beta);
    elem_out(l, m_mul_number(l, m_tanh(l, x), spec.alpha), l_in(l, 0));
}

/* Y = alpha * log(1 + e^(beta * X)). ONNX ParametricSoftplus-1. */
void lower_ONNX_ParametricSoftplus(lowering *l, const node *n)
{
    activation_spec spec = spec_activation(n);
    mval x = m_mul_number(l, floats_in(l), spec.beta);
    mval y = m_add(l, m_relu(l, x), m_log1p(l, m_exp(l, m_neg(l, m_abs(l, x)))));
    elem_out(l, m_mul_number(l, y, spec.alpha), l_in(l, 0));
}

/* Y[n, c] = scale * X[n, c] + bias[c]. ONNX ImageScaler-1. */
void lower_ONNX_ImageScaler(lowering *l, const node *n)
{
    image_scale_spec spec = spec_image_scale(n);
    mval x = floats_in(l);
    int64_t channels;
    if (l_ok(l) && m_rank(l, x) != 4)
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected 4", m_rank(l, x));
    if (l_ok(l) && dim_is_const(l->graph->dims, m_dim(l, x, 1), &channels) &&
        (uint64_t)channels != spec.bias.n)
        l_fail(l, SIB_ERR_ARGUMENT, "bias has %zu numbers for %lld channels", spec.bias.n,
               (long long)channels);
    if (!l_ok(l))
        return;
    int64_t dims[3] = {(int64_t)spec.bias.n, 1, 1};
    mval bias = m_reshape_numbers(l, elem_wide(l, m_floats(l, spec.bias.n, spec.bias.v)), 3, dims);
    elem_out(l, m_add(l, m_mul_number(l, x, spec.scale), bias), l_in(l, 0));
}

/* An image of rank 4 without a border of left, top, right and bottom pixels; with scale the rectangle of that
   height and width behind the left and top border. ONNX Crop-1. */
void lower_ONNX_Crop(lowering *l, const node *n)
{
    crop_spec spec = spec_crop(n);
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "input", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    if (spec.border.n != 4 || (spec.scale.v && spec.scale.n != 2))
        l_fail(l, SIB_ERR_ARGUMENT, "border has %zu numbers and scale %zu, expected 4 and 2", spec.border.n,
               spec.scale.n);
    if (l_ok(l) && m_rank(l, x) != 4)
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected 4", m_rank(l, x));
    for (int i = 0; i < 2 && l_ok(l); i++) { /* rows, then columns */
        int64_t size, before = spec.border.v[1 - i], after = spec.border.v[3 - i];
        dim whole = m_dim(l, x, 2 + i), start = d_const(l, before), count = d_sub(l, whole, start);
        count = spec.scale.v ? d_const(l, spec.scale.v[i]) : d_sub(l, count, d_const(l, after));
        int64_t wanted = spec.scale.v ? spec.scale.v[i] : 0;
        if (dim_is_const(l->graph->dims, whole, &size) &&
            (before > size || (spec.scale.v ? wanted > size - before : after > size - before)))
            l_fail(l, SIB_ERR_ARGUMENT, "axis %d of size %lld is smaller than what is cropped", 2 + i,
                   (long long)size);
        x = m_slice(l, x, 2 + i, start, count, 1);
    }
    l_out(l, 0, x);
}

/* Slice-10 without steps. ONNX DynamicSlice-1. */
void lower_ONNX_DynamicSlice(lowering *l, const node *n)
{
    node as = *n;
    as.version = 10;
    lower_ONNX_Slice(l, &as);
}

/* A tensor of the given values, whose dims are attribute shape, or with input_as_shape the elements of the
   input and then extra_shape; or the dims of the input and then extra_shape. ONNX GivenTensorFill-1. */
void lower_ONNX_GivenTensorFill(lowering *l, const node *n)
{
    given_fill_spec spec = spec_given_fill(n);
    dim dims[2 * SIB_MAX_RANK];
    size_t rank = 0;
    elem_declare(l, SIB_F32);
    if (spec.shape.n)
        for (; rank < spec.shape.n; rank++)
            dims[rank] = d_const(l, spec.shape.v[rank]);
    else if (spec.input_as_shape)
        rank = m_elements(l, l_in(l, 0), dims, SIB_MAX_RANK);
    else if (l_has(l, 0))
        rank = (size_t)m_dims(l, l_in(l, 0), dims);
    for (size_t i = 0; i < spec.extra_shape.n && l_ok(l); i++)
        dims[rank++] = d_const(l, spec.extra_shape.v[i]);
    if (l_ok(l) && rank > SIB_MAX_RANK)
        l_fail(l, SIB_ERR_SIZE, "%zu dims, at most %d are supported", rank, SIB_MAX_RANK);
    if (l_ok(l))
        l_out(l, 0, m_reshape(l, m_floats(l, spec.values.n, spec.values.v), rank, dims));
}
