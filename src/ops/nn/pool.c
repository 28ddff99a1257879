/* Pools: max, mean or norm over windows. */
#include "ops/nn/nn.h"

#include <float.h>

#define POOL_DTYPES (ELEM_FLOATS | ELEM(SIB_I8) | ELEM(SIB_U8))

/* The lowest value of the dtype of x. */
static mval lowest(lowering *l, mval x)
{
    sib_dtype dtype = m_dtype(l, x);
    if (m_is(l, x, SIB_KIND_FLOAT))
        return m_scalar(l, dtype, -__builtin_inf());
    return m_is(l, x, SIB_KIND_INT) ? m_scalar_int(l, dtype, -(INT64_C(1) << (sib_dtype_bits(dtype) - 1)))
                                    : m_scalar_int(l, dtype, 0);
}

/* Reduces windows [N, C, kernel..., P...] over the kernel axes: [N, C, out...]. */
static mval over_kernel(lowering *l, milli_kind kind, mval windows, const spatial *s)
{
    int64_t axes[SIB_MAX_RANK];
    for (int i = 0; i < s->n; i++)
        axes[i] = 2 + i;
    return m_reduce(l, kind, windows, (size_t)s->n, axes, DROP_DIMS);
}

/* y with the dims that spatial_place found: the same sizes, but shorter expressions. */
static mval placed(lowering *l, mval y, mval x, const spatial *s)
{
    dim dims[SIB_MAX_RANK] = {m_dim(l, x, 0), m_dim(l, x, 1)};
    for (int i = 0; i < s->n; i++)
        dims[2 + i] = s->out[i];
    return l->symbolic ? m_reshape(l, y, (size_t)s->n + 2, dims) : y;
}

/* A row-major index of the spatial axes as column-major: index = c + i, i over dims → c + j. */
static mval column_major(lowering *l, mval index, const spatial *s)
{
    /* digits of the row-major index from the last axis on; in column-major the first axis is the fastest */
    mval rest = index, broadcast = m_scalar_int(l, SIB_I64, 0);
    for (int i = s->n - 1; i >= 0; i--) {
        mval size = m_dim_scalar(l, s->in[i]);
        mval digit = m_mod(l, rest, size);
        rest = m_div(l, m_sub(l, rest, digit), size);
        broadcast = m_add(l, broadcast, m_mul(l, digit, m_dim_scalar(l, d_product(l, (size_t)i, s->in))));
    }
    mval plane = m_dim_scalar(l, d_product(l, (size_t)s->n, s->in));
    return m_add(l, m_mul(l, rest, plane), broadcast);
}

/* The row-major index in x of the maximum of each window, on ties the first. */
static mval max_indices(lowering *l, bool columns_first, mval x, mval windows, const spatial *s)
{
    dim dims[SIB_MAX_RANK], wide[SIB_MAX_RANK];
    int64_t axes[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    m_dims(l, windows, wide);
    for (int i = 0; i < s->n; i++)
        axes[i] = 2 + i;
    mval never = m_scalar_int(l, SIB_I64, INT64_MAX);
    mval places = m_reshape(l, m_iota(l, SIB_I64, d_product(l, (size_t)rank, dims)), (size_t)rank, dims);
    places = spatial_windows(l, places, s, never);
    mval top = m_reduce(l, MILLI_reduce_max, windows, (size_t)s->n, axes, KEEP_DIMS);
    mval found = m_equal(l, windows, top);
    if (m_is(l, x, SIB_KIND_FLOAT))
        found = m_or(l, found, m_is_nan(l, windows));
    mval index = over_kernel(l, MILLI_reduce_min, m_where(l, found, places, never), s);
    return columns_first ? column_major(l, index, s) : index;
}

/* With channels_last X and Y are [N, D..., C], and there are no indices. */
static void max_pool(lowering *l, const node *n, bool channels_last)
{
    mval x = l_in(l, 0);
    spatial s;
    elem_takes(l, x, "X", POOL_DTYPES);
    elem_declare(l, m_dtype(l, x));
    l_declare(l, 1, SIB_I64, 0, NULL);
    pool_spec spec = spec_pool(n);
    if (channels_last)
        x = m_move(l, x, -1, 1);
    if (!spatial_read(l, &spec.spatial, x, MVAL_NONE, &s) || !spatial_place(l, &s, spec.ceil_mode))
        return;
    mval windows = spatial_windows(l, x, &s, lowest(l, x));
    mval y = placed(l, over_kernel(l, MILLI_reduce_max, windows, &s), x, &s);
    l_out(l, 0, channels_last ? m_move(l, y, 1, -1) : y);
    if (l_wants(l, 1))
        l_out(l, 1, placed(l, max_indices(l, spec.storage_order, x, windows, &s), x, &s));
}

/* Y[n, c, p] = max over k of X[n, c, p * stride + k * dilation - before], padding excluded. Indices: where in
   X, as an index into all of it, the spatial axes row-major (storage_order 0) or column-major. ONNX
   MaxPool-1, 8, 10, 11, 12, 22. */
void lower_ONNX_MaxPool(lowering *l, const node *n)
{
    max_pool(l, n, false);
}

/* MaxPool of X [N, D..., C]. com.microsoft NhwcMaxPool-1. */
void lower_MS_NhwcMaxPool(lowering *l, const node *n)
{
    max_pool(l, n, true);
}

/* Which elements of x a mask [N', C', D...] leaves open, as int32 0 or 1. The mask of plane c of x begins at element
   c * D mod N' * C' of all: with one plane it is that of all planes. Of several axes the first element is open. */
static mval open_elements(lowering *l, mval x, mval mask, const spatial *s)
{
    dim dims[SIB_MAX_RANK], given[SIB_MAX_RANK], flat = DIM_NONE;
    int rank = m_dims(l, x, dims);
    m_dims(l, mask, given);
    dim planes = d_product(l, 2, dims), size = d_product(l, (size_t)s->n, s->in);
    flat = d_product(l, (size_t)rank, given);
    mval begin = m_mul(l, m_iota(l, SIB_I64, planes), m_dim_scalar(l, size));
    begin = m_mod(l, begin, m_dim_scalar(l, d_product(l, 2, given)));
    mval at = m_iota(l, SIB_I64, size), zero = m_scalar_int(l, SIB_I32, 0);
    mval each = m_gather(l, m_reshape(l, mask, 1, &flat), m_add(l, m_unsqueeze(l, begin, 1), at), 0);
    mval shut = m_equal(l, each, zero);
    if (s->n > 1)
        shut = m_and(l, shut, m_less(l, m_scalar_int(l, SIB_I64, 0), at));
    return m_reshape(l, m_cast(l, m_not(l, shut), SIB_I32), (size_t)rank, dims);
}

/* MaxPool of X that leaves out, of each row of a window along the last axis, what follows the first element whose M is
   0, that included; the lowest finite number where nothing is left, or NaN. com.microsoft MaxpoolWithMask-1, as
   onnxruntime computes it. */
void lower_MS_MaxpoolWithMask(lowering *l, const node *n)
{
    mval x = l_in(l, 0), mask = l_in(l, 1);
    pool_spec spec = spec_pool(n);
    spatial s;
    if (!elem_takes(l, x, "X", ELEM_FLOATS) || !elem_takes(l, mask, "M", ELEM(SIB_I32)))
        return;
    elem_declare(l, m_dtype(l, x));
    if (!spatial_read(l, &spec.spatial, x, MVAL_NONE, &s) || !spatial_place(l, &s, false))
        return;
    int rank = m_rank(l, mask);
    if (l_ok(l) && (rank != s.n + 2 || !s.n))
        l_fail(l, SIB_ERR_ARGUMENT, "M has rank %d, expected %d as X, and at least 3", rank, s.n + 2);
    for (int i = 0; i < s.n && l_ok(l); i++) {
        int64_t size, given;
        if (dim_is_const(l->graph->dims, s.in[i], &size) &&
            dim_is_const(l->graph->dims, m_dim(l, mask, i + 2), &given) && size != given)
            l_fail(l, SIB_ERR_ARGUMENT, "axis %d of M has size %lld, expected %lld", i + 2, (long long)given,
                   (long long)size);
    }
    mval low = m_scalar_like(l, x, -(double)FLT_MAX), one = m_scalar_int(l, SIB_I32, 1);
    mval numbers = m_where(l, m_is_nan(l, x), low, m_max(l, x, low));
    mval open = spatial_windows(l, open_elements(l, x, mask, &s), &s, one);
    open = m_cast(l, m_cumulative(l, MILLI_cumulative_prod, open, s.n + 1), SIB_BOOL);
    mval windows = m_where(l, open, spatial_windows(l, numbers, &s, low), low);
    l_out(l, 0, placed(l, over_kernel(l, MILLI_reduce_max, windows, &s), x, &s));
}

/* How many elements each window averages over, float64 [out...]: those of X; if with_padding those of the
   padding too, but not the ones that ceil_mode adds after it. */
static mval window_counts(lowering *l, const spatial *s, bool with_padding)
{
    spatial counted = *s;
    dim dims[SIB_MAX_RANK];
    int64_t axes[SIB_MAX_RANK];
    for (int i = 0; i < s->n; i++) {
        axes[i] = i;
        dims[i] = s->in[i];
        if (!with_padding)
            continue;
        dim end = s->after[i];
        if (s->padding == PAD_EXPLICIT)
            end = d_min(l, end, d_const(l, s->pads[s->n + i]));
        dims[i] = d_add(l, d_add(l, s->before[i], dims[i]), end);
        counted.before[i] = d_const(l, 0);
        counted.after[i] = d_sub(l, s->after[i], end);
    }
    mval ones = m_filled(l, elem_number(l, 1), (size_t)s->n, dims);
    return m_reduce(l, MILLI_reduce_sum, spatial_windows(l, ones, &counted, MVAL_NONE), (size_t)s->n, axes,
                    DROP_DIMS);
}

mval nn_average_pool(lowering *l, const pool_spec *spec, mval x)
{
    spatial s;
    if (!spatial_read(l, &spec->spatial, x, MVAL_NONE, &s) || !spatial_place(l, &s, spec->ceil_mode))
        return MVAL_NONE;
    mval sums = over_kernel(l, MILLI_reduce_sum, spatial_windows(l, x, &s, MVAL_NONE), &s);
    mval counts = window_counts(l, &s, spec->count_include_pad);
    return placed(l, m_div(l, sums, counts), x, &s);
}

/* Y[n, c, p] = mean over k of X[n, c, p * stride + k * dilation - before], padding excluded, or with
   count_include_pad counted as zeros. ONNX AveragePool-1, 7, 10, 11, 19, 22. */
void lower_ONNX_AveragePool(lowering *l, const node *n)
{
    pool_spec spec = spec_pool(n);
    mval x = l_in(l, 0);
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    elem_out(l, nn_average_pool(l, &spec, elem_wide(l, x)), x);
}

/* |x|^p, and x^(1/p). */
static mval power_of(lowering *l, mval x, double p)
{
    return p == 2 ? m_square(l, x) : p == 1 ? m_abs(l, x) : m_pow(l, m_abs(l, x), elem_number(l, p));
}

static mval root_of(lowering *l, mval sum, double p)
{
    return p == 2 ? m_sqrt(l, sum) : p == 1 ? sum : m_pow(l, sum, elem_number(l, 1 / p));
}

/* Y[n, c, p] = (sum over k of |X[n, c, p * stride + k * dilation - before]|^p)^(1/p). ONNX LpPool-1, 2,
   11, 18, 22. */
void lower_ONNX_LpPool(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    pool_spec spec = spec_pool(n);
    double p = spec.p;
    spatial s;
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    if (!spatial_read(l, &spec.spatial, x, MVAL_NONE, &s) || !spatial_place(l, &s, spec.ceil_mode))
        return;
    mval windows = spatial_windows(l, power_of(l, elem_wide(l, x), p), &s, MVAL_NONE);
    elem_out(l, placed(l, root_of(l, over_kernel(l, MILLI_reduce_sum, windows, &s), p), x, &s), x);
}

/* ---- Over entire planes ---------------------------------------------------------------------------- */

/* X [N, C, D...], floats, whose dtype Y has. axes: (*count) those from 2 on. Fails where X has no N and C. */
static mval plane_in(lowering *l, int64_t axes[SIB_MAX_RANK], size_t *count)
{
    mval x = l_in(l, 0);
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    int rank = m_rank(l, x);
    if (l_ok(l) && rank < 2)
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected at least 2", rank);
    for (int i = 2; i < rank; i++)
        axes[i - 2] = i;
    *count = l_ok(l) ? (size_t)rank - 2 : 0;
    return x;
}

/* Y[n, c] = mean of X[n, c, ...]. ONNX GlobalAveragePool-1, 22. */
void lower_ONNX_GlobalAveragePool(lowering *l, const node *n)
{
    (void)n;
    int64_t axes[SIB_MAX_RANK];
    size_t count;
    mval x = plane_in(l, axes, &count);
    elem_out(l, m_reduce_mean(l, elem_wide(l, x), count, axes, KEEP_DIMS), x);
}

/* Y[n, c] = max of X[n, c, ...]. ONNX GlobalMaxPool-1, 22. */
void lower_ONNX_GlobalMaxPool(lowering *l, const node *n)
{
    (void)n;
    int64_t axes[SIB_MAX_RANK];
    size_t count;
    mval x = plane_in(l, axes, &count);
    l_out(l, 0, m_reduce(l, MILLI_reduce_max, x, count, axes, KEEP_DIMS));
}

/* Y[n, c] = (sum of |X[n, c, ...]|^p)^(1/p). ONNX GlobalLpPool-1, 2, 22. */
void lower_ONNX_GlobalLpPool(lowering *l, const node *n)
{
    int64_t axes[SIB_MAX_RANK];
    size_t count;
    double p = spec_pool(n).p;
    mval x = plane_in(l, axes, &count);
    mval sums = m_reduce(l, MILLI_reduce_sum, power_of(l, elem_wide(l, x), p), count, axes, KEEP_DIMS);
    elem_out(l, root_of(l, sums, p), x);
}

/* ---- Smoothing ----------------------------------------------------------------------------------------- */

mval nn_smooth(lowering *l, mval x, sib_smooth mode)
{
    dim dims[SIB_MAX_RANK];
    const bool same = mode == SIB_SMOOTH_SAME;
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && (rank < 2 || rank + 2 > SIB_MAX_RANK))
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected 2 to %d", rank, SIB_MAX_RANK - 2);
    if (!l_ok(l) || mode == SIB_SMOOTH_NONE)
        return x;
    spatial s = {.n = 2, .padding = PAD_EXPLICIT};
    for (int i = 0; i < 2; i++) {
        int64_t size;
        s.kernel[i] = 3;
        s.stride[i] = s.dilation[i] = 1;
        s.in[i] = dims[rank - 2 + i];
        s.extent[i] = d_const(l, 3);
        s.pads[i] = s.pads[2 + i] = same;
        if (!same && dim_is_const(l->graph->dims, s.in[i], &size) && size < 3)
            l_fail(l, SIB_ERR_ARGUMENT, "axis %d of size %lld has no full neighbourhood of 3", rank - 2 + i,
                   (long long)size);
    }
    if (!spatial_place(l, &s, false))
        return MVAL_NONE;
    int64_t axes[2] = {rank - 2, rank - 1};
    mval windows = spatial_windows(l, elem_wide(l, x), &s, MVAL_NONE); /* [..., 3, 3, rows, columns] */
    mval sums = m_reduce(l, MILLI_reduce_sum, windows, 2, axes, DROP_DIMS);
    return m_div(l, sums, window_counts(l, &s, false));
}

/* The mean over the 3 x 3 neighbourhood in the last two axes (band, frame). Attribute mode: "same" keeps the
   dims and averages at the edges over what exists; "valid" uses full neighbourhoods only and loses two rows
   and columns; "none" leaves X unchanged. ai.sibyl AveragePool3x3-1. */
void lower_SIBYL_AveragePool3x3(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    elem_out(l, nn_smooth(l, x, spec_smooth(n).mode), x);
}
