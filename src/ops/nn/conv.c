/* Convolutions: windows reshaped to columns, multiplied by the weights. */
#include "ops/lower/lists.h"
#include "ops/nn/nn.h"

/* y + b, b [M] broadcast along axis 1. */
static mval add_bias(lowering *l, mval y, mval b)
{
    if (b.id == NO_VALUE || !l_ok(l))
        return y;
    return m_add(l, y, nn_channels(l, m_cast_like(l, b, y), m_rank(l, y)));
}

/* Declares what is known of the output before the kernel is: [N, M, ?...]. */
static void declare_conv(lowering *l, sib_dtype dtype, mval x, mval w)
{
    dim dims[SIB_MAX_RANK] = {DIM_NONE};
    elem_declare(l, dtype);
    int rank = m_rank(l, x), weights = m_rank(l, w);
    if (!l_ok(l) || rank < 2 || weights != rank)
        return;
    dims[0] = m_dim(l, x, 0);
    dims[1] = m_dim(l, w, 0);
    l_declare(l, 0, dtype, rank, dims);
}

/* Conv of X and W without bias; computes in float32 where their dtype is narrower. */
static mval conv(lowering *l, const node *n, mval x, mval w)
{
    spatial s;
    conv_spec spec = spec_conv(n);
    if (!spatial_read(l, &spec.spatial, x, w, &s) || !spatial_place(l, &s, false))
        return MVAL_NONE;
    return nn_conv(l, nn_single(l, x), nn_single(l, w), &s, spec.group);
}

/* Y[n, m, p] = B[m] + sum over c, k of X[n, g * C/G + c, p * stride + k * dilation - before] * W[m, c, k],
   where g is the group of m and X is 0 out of range. ONNX Conv-1, 11, 22. */
void lower_ONNX_Conv(lowering *l, const node *n)
{
    mval x = l_in(l, 0), w = l_in(l, 1);
    elem_takes(l, x, "X", ELEM_FLOATS);
    declare_conv(l, m_dtype(l, x), x, w);
    elem_out(l, add_bias(l, conv(l, n, x, w), l_in_or_none(l, 2)), x);
}

/* ---- Transposed ---------------------------------------------------------------------------------------- */

/* Geometry of one axis of ConvTranspose. */
typedef struct transposed_axis {
    int64_t before; /* elements cropped at the start, from pads */
    dim out;
} transposed_axis;

/* The uncropped result has full = stride * (in - 1) + output_padding + extent elements, of which pads are
   cropped. With attribute output_shape, or SAME, the pads follow from the wanted size, and are at least 0. */
static transposed_axis transposed_place(lowering *l, const spatial *s, int i, int64_t more,
                                        const int64_t *wanted)
{
    transposed_axis a = {.before = s->pads[i]};
    dim stride = d_const(l, s->stride[i]), one = d_const(l, 1);
    dim full = d_add(l, d_add(l, d_mul(l, stride, d_sub(l, s->in[i], one)), d_const(l, more)), s->extent[i]);
    if (!wanted && !spec_pads_same(s->padding)) {
        a.out = d_sub(l, full, d_const(l, s->pads[i] + s->pads[s->n + i]));
        return a;
    }
    a.out = wanted ? d_const(l, wanted[i]) : d_mul(l, s->in[i], stride);
    a.before = spec_pads_before(s->padding, m_number(l, d_max(l, d_sub(l, full, a.out), d_const(l, 0))));
    return a;
}

/* Puts stride - 1 zeros between elements along an axis: [..., d, ...] → [..., (d - 1) * stride + 1, ...]. */
static mval insert_zeros(lowering *l, mval x, int axis, int64_t stride)
{
    dim dims[SIB_MAX_RANK];
    int64_t size = 1;
    int rank = m_dims(l, x, dims);
    if (stride == 1 || !l_ok(l))
        return x;
    mval apart = m_pad_axis(l, m_unsqueeze(l, x, axis + 1), axis + 1, d_const(l, 0), d_const(l, stride - 1),
                            MVAL_NONE);
    dims[axis] = d_mul(l, dims[axis], d_const(l, stride));
    mval joined = m_reshape(l, apart, (size_t)rank, dims);
    if (dim_is_const(l->graph->dims, dims[axis], &size) && !size)
        return joined;
    return m_slice(l, joined, axis, d_const(l, 0), d_sub(l, dims[axis], d_const(l, stride - 1)), 1);
}

/* W [C, M/G, k...] as the kernel of the equivalent convolution: [M, C/G, k...], flipped along each k. */
static mval swap_channels(lowering *l, mval w, int64_t group)
{
    dim dims[SIB_MAX_RANK], apart[SIB_MAX_RANK + 1], joined[SIB_MAX_RANK];
    int rank = m_dims(l, w, dims);
    if (!l_ok(l) || rank < 2)
        return l_fail(l, SIB_ERR_ARGUMENT, "W has rank %d, expected at least 3", rank);
    apart[0] = d_const(l, group);
    apart[1] = d_floor_div(l, dims[0], apart[0]);
    joined[0] = d_mul(l, dims[1], apart[0]);
    joined[1] = apart[1];
    for (int i = 1; i < rank; i++)
        apart[i + 1] = dims[i];
    for (int i = 2; i < rank; i++) {
        w = m_reverse(l, w, i);
        joined[i] = dims[i];
    }
    mval grouped = m_swap(l, m_reshape(l, w, (size_t)rank + 1, apart), 1, 2); /* [G, M/G, C/G, k...] */
    return m_reshape(l, grouped, (size_t)rank, joined);
}

/* The spatial part of attribute output_shape, which may start with N and C; NULL where it is absent. */
static const int64_t *wanted_shape(lowering *l, spec_ints wanted, int axes)
{
    if (!wanted.n)
        return NULL;
    if (wanted.n != (size_t)axes && wanted.n != (size_t)axes + 2) {
        l_fail(l, SIB_ERR_ARGUMENT, "attribute output_shape has %zu numbers, expected %d", wanted.n, axes);
        return NULL;
    }
    return wanted.v + (wanted.n - (size_t)axes);
}

/* Places axis i of the result and prepares y for windows of stride 1 over it: zeros between its elements, and cut
   where pads ask for less than the kernel reaches. before + in + after - extent + 1 = out. */
static mval transposed_along(lowering *l, mval y, spatial *s, int i, int64_t more, const int64_t *wanted)
{
    transposed_axis a = transposed_place(l, s, i, more, wanted);
    dim reach = d_sub(l, s->extent[i], d_const(l, 1));
    int64_t ahead = m_number(l, reach) - a.before, out;
    if (l_ok(l) && dim_is_const(l->graph->dims, a.out, &out) && out < 0)
        l_fail(l, SIB_ERR_ARGUMENT, "axis %d of the output has size %lld", i + 2, (long long)out);
    y = insert_zeros(l, y, i + 2, s->stride[i]);
    dim after = d_sub(l, d_sub(l, d_add(l, a.out, reach), m_dim(l, y, i + 2)), d_const(l, ahead));
    if (ahead < 0) {
        dim cut = d_const(l, -ahead);
        y = m_slice(l, y, i + 2, cut, d_sub(l, m_dim(l, y, i + 2), cut), 1);
        ahead = 0;
    }
    int64_t end = m_number(l, after);
    if (end < 0) {
        y = m_slice(l, y, i + 2, d_const(l, 0), d_add(l, m_dim(l, y, i + 2), after), 1);
        end = 0;
    }
    s->stride[i] = 1;
    s->before[i] = d_const(l, ahead);
    s->after[i] = d_const(l, end);
    s->out[i] = a.out;
    return y;
}

/* The pads of a convolution from an input, where the file has it. */
static void read_pads(lowering *l, size_t input, spatial *s)
{
    if (!l_ok(l) || !l_has(l, input))
        return;
    size_t count = m_ints(l, l_in(l, input), s->pads, 2 * SIB_MAX_RANK);
    if (l_ok(l) && count != 2 * (size_t)s->n)
        l_fail(l, SIB_ERR_ARGUMENT, "Pads has %zu numbers, expected %d", count, 2 * s->n);
    for (size_t i = 0; i < count && l_ok(l); i++)
        if (s->pads[i] < 0 || s->pads[i] > INT32_MAX)
            l_fail(l, SIB_ERR_ARGUMENT, "Pads has %lld, expected 0 to %d", (long long)s->pads[i], INT32_MAX);
}

/* ConvTranspose with its bias in an input, and its pads in another, 0: in an attribute. */
static void conv_transpose(lowering *l, const node *n, size_t bias, size_t pads)
{
    mval x = l_in(l, 0), w = l_in(l, 1);
    conv_spec spec = spec_conv(n);
    int64_t group = spec.group, more[SIB_MAX_RANK];
    spatial s;
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    if (!spatial_read(l, &spec.spatial, x, w, &s))
        return;
    list_numbers(l, spec.output_padding, "output_padding", (size_t)s.n, 0, more);
    const int64_t *wanted = wanted_shape(l, spec.output_shape, s.n);
    dim dims[SIB_MAX_RANK] = {m_dim(l, x, 0), d_mul(l, m_dim(l, w, 1), d_const(l, group))};
    for (int i = 0; i < s.n; i++)
        dims[2 + i] = wanted ? d_const(l, wanted[i]) : DIM_NONE;
    l_declare(l, 0, m_dtype(l, x), s.n + 2, dims);
    if (pads)
        read_pads(l, pads, &s);
    mval y = nn_single(l, x);
    for (int i = 0; i < s.n && l_ok(l); i++)
        y = transposed_along(l, y, &s, i, more[i], wanted);
    y = nn_conv(l, y, swap_channels(l, nn_single(l, w), group), &s, group);
    elem_out(l, add_bias(l, y, l_in_or_none(l, bias)), x);
}

/* Y[n, m, q] = B[m] + sum of X[n, c, p] * W[c, m, k] over all p, k with p * stride + k * dilation - before =
   q: zeros are put between the elements of X, which is then convolved with the flipped kernel. ONNX
   ConvTranspose-1, 11, 22. */
void lower_ONNX_ConvTranspose(lowering *l, const node *n)
{
    conv_transpose(l, n, 2, 0);
}

/* ConvTranspose with its pads as an input. com.microsoft ConvTransposeWithDynamicPads-1. */
void lower_MS_ConvTransposeWithDynamicPads(lowering *l, const node *n)
{
    conv_transpose(l, n, 3, 2);
}

/* ---- Of quantized numbers ------------------------------------------------------------------------------ */

#define BYTES (ELEM(SIB_I8) | ELEM(SIB_U8))

/* v - zero as int32. zero: omitted, one element, or one per entry of the axis. */
static mval centred(lowering *l, mval v, mval zero, int axis)
{
    mval integers = m_cast(l, v, SIB_I32);
    if (zero.id == NO_VALUE || !l_ok(l))
        return integers;
    int rank = m_rank(l, v), given = m_rank(l, zero);
    int64_t count;
    zero = m_cast(l, zero, SIB_I32);
    if (given == 1 && dim_is_const(l->graph->dims, m_dim(l, zero, 0), &count) && count == 1)
        zero = m_reshape(l, zero, 0, NULL);
    else if (given)
        zero = nn_channels(l, zero, rank - axis + 1);
    return m_sub(l, integers, zero);
}

/* Y = Conv(x - x_zero_point, w - w_zero_point) in int32; padding is x_zero_point. ONNX ConvInteger-10. */
void lower_ONNX_ConvInteger(lowering *l, const node *n)
{
    mval x = l_in(l, 0), w = l_in(l, 1);
    elem_takes(l, x, "x", BYTES);
    elem_takes(l, w, "w", BYTES);
    declare_conv(l, SIB_I32, x, w);
    mval centre_x = centred(l, x, elem_scalar(l, l_in_or_none(l, 2), "x_zero_point"), 1);
    l_out(l, 0, conv(l, n, centre_x, centred(l, w, l_in_or_none(l, 3), 0)));
}

/* A scale as float64: one element, or one per channel, along axis 1 of a tensor of this rank. */
static mval scale_of(lowering *l, mval v, int rank)
{
    int64_t count = 0;
    int given = m_rank(l, v);
    mval wide = elem_wide(l, v);
    if (!given || (dim_is_const(l->graph->dims, m_dim(l, v, 0), &count) && count == 1))
        return m_reshape(l, wide, 0, NULL);
    return nn_channels(l, wide, rank);
}

static mval channels_first(lowering *l, mval x)
{
    return m_move(l, x, -1, 1);
}

static void qlinear_conv(lowering *l, const node *n, bool channels_last)
{
    mval x = l_in(l, 0), w = l_in(l, 3), y_zero = elem_scalar(l, l_in(l, 7), "y_zero_point");
    elem_takes(l, x, "x", BYTES);
    elem_takes(l, w, "w", BYTES);
    elem_declare(l, m_dtype(l, y_zero));
    int rank = m_rank(l, x);
    if (channels_last)
        x = channels_first(l, x);
    spatial s;
    conv_spec spec = spec_conv(n);
    if (!spatial_read(l, &spec.spatial, x, w, &s) || !spatial_place(l, &s, false))
        return;
    mval centre_x = centred(l, x, elem_scalar(l, l_in(l, 2), "x_zero_point"), 1);
    mval sum = nn_conv(l, centre_x, centred(l, w, l_in(l, 5), 0), &s, spec.group);
    sum = elem_wide(l, add_bias(l, sum, l_in_or_none(l, 8)));
    mval scale = m_mul(l, scale_of(l, l_in(l, 1), rank), scale_of(l, l_in(l, 4), rank));
    scale = m_div(l, scale, scale_of(l, l_in(l, 6), rank));
    mval y = m_add(l, m_round(l, m_mul(l, sum, scale)), elem_wide(l, y_zero));
    if (channels_last)
        y = m_move(l, y, 1, -1);
    l_out(l, 0, m_cast_saturating(l, y, m_dtype(l, y_zero)));
}

/* y = saturate(round((Conv(x - x_zero_point, w - w_zero_point) + B) * x_scale * w_scale / y_scale) +
   y_zero_point), ties to even, the sum in int32. Weights may have a scale and a zero point per output
   channel. ONNX QLinearConv-10. */
void lower_ONNX_QLinearConv(lowering *l, const node *n)
{
    qlinear_conv(l, n, false);
}

/* QLinearConv-10; with channels_last x and y are [N, D..., C]. com.microsoft QLinearConv-1. */
void lower_MS_QLinearConv(lowering *l, const node *n)
{
    qlinear_conv(l, n, spec_conv(n).channels_last);
}

/* ---- Fused --------------------------------------------------------------------------------------------- */

/* Applies the activation of attributes `activation` and activation_params. */
static mval activate(lowering *l, const node *n, mval x)
{
    conv_spec spec = spec_conv(n);
    spec_floats given = spec.activation_params;
    double a = given.n > 0 ? (double)given.v[0] : 0, b = given.n > 1 ? (double)given.v[1] : 0;
    return nn_activation(l, spec.activation, a, b, x);
}

/* Y = activation(Conv(X, W) + B + Z); with channels_last X, Z and Y are [N, D..., C]. */
static void fused_conv(lowering *l, const node *n, bool channels_last)
{
    mval x = l_in(l, 0), w = l_in(l, 1), z = l_in_or_none(l, 3), y;
    elem_takes(l, x, "X", ELEM_FLOATS);
    if (channels_last) {
        elem_declare(l, m_dtype(l, x));
        y = conv(l, n, channels_first(l, x), w);
    } else {
        declare_conv(l, m_dtype(l, x), x, w);
        y = conv(l, n, x, w);
    }
    y = add_bias(l, y, l_in_or_none(l, 2));
    if (z.id != NO_VALUE)
        y = m_add(l, y, m_cast_like(l, channels_last ? channels_first(l, z) : z, y));
    y = activate(l, n, y);
    elem_out(l, channels_last ? m_move(l, y, 1, -1) : y, x);
}

/* com.microsoft FusedConv-1. */
void lower_MS_FusedConv(lowering *l, const node *n)
{
    fused_conv(l, n, false);
}

/* Conv of X [N, D..., C]; W is [M, C / group, kernel...] as there. com.microsoft NhwcConv-1. */
void lower_MS_NhwcConv(lowering *l, const node *n)
{
    fused_conv(l, n, true);
}

/* FusedConv of X and Z [N, D..., C]. com.microsoft NhwcFusedConv-1. */
void lower_MS_NhwcFusedConv(lowering *l, const node *n)
{
    fused_conv(l, n, true);
}

/* Each channel of [past_state, input] convolved with its own kernel of k elements, without padding: output[t]
   sees input[t - k + 1] to input[t]; present_state is the last k - 1 positions. past_state is 0 where
   omitted. ONNX CausalConvWithState-27. */
void lower_ONNX_CausalConvWithState(lowering *l, const node *n)
{
    mval x = l_in(l, 0), w = l_in(l, 1);
    bool silu = spec_causal_conv(n).activation == SILU;
    dim dims[SIB_MAX_RANK];
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    l_declare(l, 1, m_dtype(l, x), 0, NULL);
    int rank = m_dims(l, x, dims), weights = m_rank(l, w);
    if (l_ok(l) && (rank != 3 || weights != 3))
        l_fail(l, SIB_ERR_ARGUMENT, "input and weight have ranks %d and %d, expected 3", rank, weights);
    if (!l_ok(l))
        return;
    int64_t group = m_number(l, m_dim(l, w, 0));
    spatial s = {.n = 1, .kernel = {m_size(l, w, 2)}, .stride = {1}, .dilation = {1}};
    dim kept = d_const(l, s.kernel[0] - 1), zero = d_const(l, 0);
    mval integers =
        l_has(l, 3) ? m_concat(l, 2, (mval[]){l_in(l, 3), x}, 2) : m_pad_axis(l, x, 2, kept, zero, MVAL_NONE);
    s.in[0] = m_dim(l, integers, 2);
    s.before[0] = s.after[0] = zero;
    s.out[0] = d_sub(l, s.in[0], kept);
    mval y = nn_conv(l, nn_single(l, integers), nn_single(l, w), &s, group);
    y = add_bias(l, y, l_in_or_none(l, 2));
    l_out(l, 0, m_cast_like(l, silu ? m_mul(l, y, m_sigmoid(l, y)) : y, x));
    l_out(l, 1, m_slice(l, integers, 2, d_sub(l, s.in[0], kept), kept, 1));
}
