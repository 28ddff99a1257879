/* Small operators of com.microsoft, and its causal convolution. */
#include "ops/attention/attention_ms.h"

#include <math.h>

/* ---- Elementwise --------------------------------------------------------------------------------------- */

/* X + bias + skip. com.microsoft BiasAdd-1. */
void lower_MS_BiasAdd(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_add(l, m_add(l, l_in(l, 0), l_in(l, 1)), l_in(l, 2)));
}

/* a * gelu(b), where a, b are the halves of X + bias and gelu(x) = x / 2 (1 + erf(x / sqrt(2))).
   com.microsoft BiasSplitGelu-1. */
void lower_MS_BiasSplitGelu(lowering *l, const node *n)
{
    (void)n;
    mval x = m_add(l, l_in(l, 0), l_in(l, 1));
    dim half = d_floor_div(l, m_dim(l, x, -1), d_const(l, 2));
    mval a = m_slice(l, x, -1, d_const(l, 0), half, 1), b = m_slice(l, x, -1, half, half, 1);
    mval gate = m_add_number(l, m_erf(l, m_mul_number(l, b, M_SQRT1_2)), 1);
    l_out(l, 0, m_mul(l, a, m_mul(l, m_mul_number(l, b, 0.5), gate)));
}

/* Part i (0 real, 1 imaginary) of complex numbers in the last axis. */
static mval complex_part(lowering *l, mval x, int64_t i)
{
    return m_slice_numbers(l, x, -1, i, 1);
}

/* (a + ib)(c + id); with `conjugate` d is negated. */
static void complex_product(lowering *l, bool conjugate)
{
    mval x = l_in(l, 0), y = l_in(l, 1);
    mval a = complex_part(l, x, 0), b = complex_part(l, x, 1), c = complex_part(l, y, 0),
         d = complex_part(l, y, 1);
    if (conjugate)
        d = m_neg(l, d);
    mval parts[2] = {m_sub(l, m_mul(l, a, c), m_mul(l, b, d)), m_add(l, m_mul(l, a, d), m_mul(l, b, c))};
    l_out(l, 0, m_concat(l, 2, parts, -1));
}

/* A B for complex numbers in the last axis. com.microsoft ComplexMul-1. */
void lower_MS_ComplexMul(lowering *l, const node *n)
{
    (void)n;
    complex_product(l, false);
}

/* A times the conjugate of B. com.microsoft ComplexMulConj-1. */
void lower_MS_ComplexMulConj(lowering *l, const node *n)
{
    (void)n;
    complex_product(l, true);
}

/* softmax(data + bias) over all axes from `axis` on, taken as one. bias lacks the leading axes; with
   is_inner_broadcast it has them, and is repeated for the axes in between. com.microsoft BiasSoftmax-1. */
void lower_MS_BiasSoftmax(lowering *l, const node *n)
{
    bias_softmax_spec spec = spec_bias_softmax(n);
    dim dims[SIB_MAX_RANK], to[SIB_MAX_RANK];
    mval x = l_in(l, 0), bias = l_in(l, 1);
    int rank = m_dims(l, x, dims), axis = m_axis(l, spec.axis, rank, "axis"), small = m_rank(l, bias);
    if (l_ok(l) && spec.is_inner_broadcast && small < rank) {
        m_dims(l, bias, to); /* [lead..., tail...], to get ones in between */
        dim wide[SIB_MAX_RANK];
        int tail = rank - axis, lead = small - tail;
        for (int i = 0; i < rank; i++)
            wide[i] = i < lead ? to[i] : i >= axis ? to[small - (rank - i)] : d_const(l, 1);
        bias = lead < 0 ? l_fail(l, SIB_ERR_ARGUMENT, "bias has rank %d, expected at least %d", small, tail)
                        : m_reshape(l, bias, (size_t)rank, wide);
    }
    mval sum = m_flatten(l, m_add(l, x, bias), axis, rank);
    l_out(l, 0, m_reshape(l, m_softmax(l, sum, -1), (size_t)rank, dims));
}

/* ---- Layout -------------------------------------------------------------------------------------------- */

/* Inserts a dim of 1 before `axis`, which may count from the end. com.microsoft ExpandDims-1. */
void lower_MS_ExpandDims(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    l_declare(l, 0, m_dtype(l, x), 0, NULL);
    int64_t axis = m_int(l, l_in(l, 1));
    int rank = m_rank(l, x);
    if (l_ok(l) && (axis < -rank - 1 || axis > rank))
        l_fail(l, SIB_ERR_ARGUMENT, "axis %lld is out of range, expected %d to %d", (long long)axis,
               -rank - 1, rank);
    l_out(l, 0, m_unsqueeze(l, x, (int)axis));
}

/* ONNX GatherND without batch_dims. com.microsoft GatherND-1. */
void lower_MS_GatherND(lowering *l, const node *n)
{
    (void)n;
    mval data = l_in(l, 0), indices = m_cast(l, l_in(l, 1), SIB_I64);
    l_declare(l, 0, m_dtype(l, data), 0, NULL);
    dim dims[SIB_MAX_RANK];
    m_dims(l, data, dims);
    int64_t depth = m_size(l, indices, -1);
    if (l_ok(l) && (depth < 1 || depth > m_rank(l, data))) {
        l_fail(l, SIB_ERR_ARGUMENT, "indices of depth %lld into a tensor of rank %d", (long long)depth,
               m_rank(l, data));
        return;
    }
    mval sizes = l_ok(l) ? m_dim_vector(l, (size_t)depth, dims) : MVAL_NONE;
    mval wrapped =
        m_where(l, m_less(l, indices, m_scalar_int(l, SIB_I64, 0)), m_add(l, indices, sizes), indices);
    l_out(l, 0, m_gather_nd(l, data, wrapped, 0));
}

/* Rows of weight at indices; the other inputs matter only in training. com.microsoft TorchEmbedding-1. */
void lower_MS_TorchEmbedding(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_gather(l, l_in(l, 0), l_in(l, 1), 0));
}

/* ---- Matrices ------------------------------------------------------------------------------------------ */

/* Exchanges row `from` of m [..., N, W] with row `to` [..., 1, 1] >= from. */
static mval swap_rows(lowering *l, mval m, mval row, int64_t from, mval to)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, m, dims);
    mval k = m_scalar_int(l, SIB_I64, from);
    mval index =
        m_where(l, m_equal(l, row, k), to, m_where(l, m_equal(l, row, to), k, row)); /* [..., N, 1] */
    return m_gather_elements(l, m, m_expand(l, index, (size_t)rank, dims), rank - 2);
}

/* One step of Gauss-Jordan elimination on m [..., N, 2 * N]: the element of largest magnitude in column k, at
   or below row k, becomes the pivot. */
static mval eliminate(lowering *l, mval m, mval row, int64_t k)
{
    mval column = m_slice_numbers(l, m, -1, k, 1); /* [..., N, 1] */
    mval above = m_less(l, row, m_scalar_int(l, SIB_I64, k));
    mval size = m_where(l, above, m_scalar_like(l, m, -1), m_abs(l, column));
    m = swap_rows(l, m, row, k, m_arg(l, MILLI_arg_max, size, -2, false, KEEP_DIMS));
    mval pivot = m_slice_numbers(l, m, -2, k, 1); /* [..., 1, 2 * N] */
    pivot = m_div(l, pivot, m_slice_numbers(l, pivot, -1, k, 1));
    mval rest = m_sub(l, m, m_mul(l, m_slice_numbers(l, m, -1, k, 1), pivot));
    return m_where(l, m_equal(l, row, m_scalar_int(l, SIB_I64, k)), pivot, rest);
}

/* Max N that shape inference eliminates */
#define INFERRED_SIZE 32

/* X^-1 of the last two axes, by Gauss-Jordan elimination with row exchange, in double. com.microsoft
   Inverse-1. */
void lower_MS_Inverse(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    l_declare(l, 0, m_dtype(l, x), rank, dims);
    if (l_ok(l) && rank < 2) {
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected at least 2", rank);
        return;
    }
    int64_t size = m_number(l, dims[rank > 1 ? rank - 1 : 0]);
    if (l_ok(l) && m_number(l, dims[rank - 2]) != size)
        l_fail(l, SIB_ERR_ARGUMENT, "a matrix of %lld rows and %lld columns has no inverse",
               (long long)m_number(l, dims[rank - 2]), (long long)size);
    int64_t count = 1;
    bool none = dim_is_const(l->graph->dims, d_product(l, (size_t)rank, dims), &count) && count == 0;
    if (l_ok(l) && l->symbolic && size > INFERRED_SIZE)
        l->status = LOWER_NEEDS_DIMS;
    if (none || !l_ok(l)) {
        l_out(l, 0, x);
        return;
    }
    mval at = m_iota(l, SIB_I64, dims[rank > 1 ? rank - 1 : 0]),
         row = m_unsqueeze(l, at, 1); /* [N], [N, 1] */
    mval unit = m_cast(l, m_equal(l, row, at), SIB_F64);
    mval wide = m_cast(l, x, SIB_F64);
    mval m = m_concat(l, 2, (mval[]){wide, m_broadcast_like(l, unit, wide)}, -1);
    for (int64_t k = 0; k < size && l_ok(l); k++)
        m = eliminate(l, m, row, k);
    l_out(l, 0, m_cast_like(l, m_slice_numbers(l, m, -1, size, size), x));
}

/* Distance of each row of A [M, N] from each row of B [K, N]: sum of squares, or its root. com.microsoft
   CDist-1. */
void lower_MS_CDist(lowering *l, const node *n)
{
    bool root = spec_cdist(n).metric == DISTANCE_EUCLIDEAN;
    mval a = l_in(l, 0), away = m_sub(l, m_unsqueeze(l, m_cast(l, a, SIB_F64), 1),
                                      m_cast(l, l_in(l, 1), SIB_F64)); /* [M, K, N] */
    mval sum = m_reduce_axis(l, MILLI_reduce_sum, m_square(l, away), 2, DROP_DIMS);
    l_out(l, 0, m_cast_like(l, root ? m_sqrt(l, sum) : sum, a));
}

/* ---- Linear attention and causal convolution ----------------------------------------------------------- */

/* ONNX LinearAttention without a window of states. com.microsoft LinearAttention-1. */
void lower_MS_LinearAttention(lowering *l, const node *n)
{
    if (spec_linear_attention(n).state_window != 0)
        l_fail(l, SIB_ERR_UNSUPPORTED, "state_window is not supported");
    else
        lower_ONNX_LinearAttention(l, n);
}

/* x * sigmoid(x) in float32, or x */
static mval activated(lowering *l, const node *n, mval x)
{
    if (spec_causal_conv(n).activation == SILU_NONE)
        return x;
    mval wide = m_cast(l, x, attention_wide(m_dtype(l, x)));
    return m_cast_like(l, m_mul(l, wide, m_sigmoid(l, wide)), x);
}

/* Each channel of X [B, C, L], with its past [B, C, (k - 1) dilation] prepended, convolved with its own
   kernel W [C, 1, k]; the end of that is the next past. com.microsoft CausalConvWithState-1, channels first,
   one dimension. */
void lower_MS_CausalConvWithState(lowering *l, const node *n)
{
    causal_conv_spec spec = spec_causal_conv(n);
    mval x = l_in(l, 0), w = l_in(l, 1);
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    l_declare(l, 0, m_dtype(l, x), rank, dims);
    l_declare(l, 1, m_dtype(l, x), 0, NULL);
    if (spec.state_window || spec.channels_last || spec.ndim != 1) {
        l_fail(l, SIB_ERR_UNSUPPORTED,
               "state_window, channels_last and more than one dimension are not supported");
        return;
    }
    if (l_ok(l) && (rank != 3 || m_rank(l, w) != 3)) {
        l_fail(l, SIB_ERR_ARGUMENT, "input and weight have ranks %d and %d, expected 3", rank, m_rank(l, w));
        return;
    }
    int64_t taps = m_size(l, w, 2), dilation = spec.dilation;
    if (l_ok(l) && (taps < 1 || taps > INT32_MAX)) {
        l_fail(l, SIB_ERR_ARGUMENT, "a kernel of %lld", (long long)taps);
        return;
    }
    dim state = d_const(l, (taps - 1) * dilation);
    dim before[3] = {dims[0], dims[1], state};
    mval past = l_has(l, 3) ? l_in(l, 3) : m_filled(l, m_scalar_like(l, x, 0), 3, before);
    mval all = m_concat(l, 2, (mval[]){past, x}, 2); /* [B, C, L + state] */
    window_spec window = {.n = 1,
                          .kernel = {taps},
                          .stride = {1},
                          .dilation = {dilation},
                          .before = {d_const(l, 0)},
                          .after = {d_const(l, 0)}};
    mval seen = m_windows(l, all, &window, MVAL_NONE); /* [B, C, k, L] */
    mval y = m_squeeze(l, m_matmul(l, w, seen), 2); /* [C, 1, k] [B, C, k, L] → [B, C, 1, L] → [B, C, L] */
    if (l_has(l, 2))
        y = m_add(l, y, m_unsqueeze(l, l_in(l, 2), 1));
    l_out(l, 0, activated(l, n, y));
    l_out(l, 1, m_slice(l, all, 2, dims[2], state, 1));
}
