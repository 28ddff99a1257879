#include "ops/nn/nn.h"

mval nn_single(lowering *l, mval v)
{
    sib_dtype dtype = m_dtype(l, v);
    return dtype == SIB_F16 || dtype == SIB_BF16 ? m_cast(l, v, SIB_F32) : v;
}

mval nn_channels(lowering *l, mval v, int rank)
{
    dim dims[SIB_MAX_RANK];
    int given = m_rank(l, v);
    if (l_ok(l) && given != 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "values for each channel have rank %d, expected 1", given);
    dims[0] = m_dim(l, v, 0);
    for (int i = 1; i < rank - 1; i++)
        dims[i] = d_const(l, 1);
    return m_reshape(l, v, rank > 1 ? (size_t)rank - 1 : 1, dims);
}

/* Fails where the channels of x do not match those of w. */
static void check_channels(lowering *l, dim channels, dim m, dim of_group, int64_t group)
{
    int64_t c, k, features;
    dim_table *t = l->graph->dims;
    dim expected = d_mul(l, of_group, d_const(l, group));
    if (!l_ok(l))
        return;
    if (dim_is_const(t, channels, &c) && dim_is_const(t, expected, &k) && c != k)
        l_fail(l, SIB_ERR_ARGUMENT, "X has %lld channels, but W with %lld groups needs %lld", (long long)c,
               (long long)group, (long long)k);
    else if (dim_is_const(t, m, &features) && features % group)
        l_fail(l, SIB_ERR_ARGUMENT, "W has %lld features, which %lld groups do not divide",
               (long long)features, (long long)group);
}

mval nn_conv(lowering *l, mval x, mval w, const spatial *s, int64_t group)
{
    dim xd[SIB_MAX_RANK], wd[SIB_MAX_RANK], out[SIB_MAX_RANK];
    m_dims(l, x, xd);
    int rank = m_dims(l, w, wd);
    if (l_ok(l) && rank != s->n + 2)
        return l_fail(l, SIB_ERR_ARGUMENT, "W has rank %d, expected %d as X", rank, s->n + 2);
    if (!l_ok(l))
        return MVAL_NONE;
    check_channels(l, xd[1], wd[0], wd[1], group);
    dim groups = d_const(l, group), inner = wd[1];
    for (int i = 0; i < s->n; i++) {
        inner = d_mul(l, inner, d_const(l, s->kernel[i]));
        out[2 + i] = s->out[i];
    }
    out[0] = xd[0];
    out[1] = wd[0];
    /* columns [N, G, C/G * kernel, P], rows [1, G, M/G, C/G * kernel], product [N, G, M/G, P] */
    dim columns[4] = {xd[0], groups, inner, d_product(l, (size_t)s->n, s->out)};
    dim rows[4] = {d_const(l, 1), groups, d_floor_div(l, wd[0], groups), inner};
    mval product =
        m_matmul(l, m_reshape(l, w, 4, rows), m_reshape(l, spatial_windows(l, x, s, MVAL_NONE), 4, columns));
    return m_reshape(l, product, (size_t)s->n + 2, out);
}

mval nn_standardize(lowering *l, mval x, size_t n, const int64_t *axes, double epsilon, bool centred,
                    mval *mean, mval *inverse)
{
    mval middle = centred ? m_reduce_mean(l, x, n, axes, KEEP_DIMS) : MVAL_NONE;
    mval d = centred ? m_sub(l, x, middle) : x;
    mval var = m_reduce_mean(l, m_square(l, d), n, axes, KEEP_DIMS);
    mval deviation = m_sqrt(l, m_add_number(l, var, epsilon));
    if (mean)
        *mean = middle;
    if (inverse)
        *inverse = m_reciprocal(l, deviation);
    return m_div(l, d, deviation);
}

mval nn_branches(lowering *l, mval x, int64_t branches)
{
    dim dims[SIB_MAX_RANK + 1];
    int64_t width;
    int rank = m_dims(l, x, dims), needed = branches ? 1 : 2;
    if (l_ok(l) && (rank < needed || rank >= SIB_MAX_RANK))
        return l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected %d to %d", rank, needed,
                      SIB_MAX_RANK - 1);
    if (!l_ok(l) || !branches)
        return x;
    dim c = d_const(l, branches);
    if (dim_is_const(l->graph->dims, dims[rank - 1], &width) && width % branches)
        return l_fail(l, SIB_ERR_ARGUMENT, "the last dim is %lld, which num_branches %lld does not divide",
                      (long long)width, (long long)branches);
    dims[rank] = d_floor_div(l, dims[rank - 1], c);
    dims[rank - 1] = c;
    return m_reshape(l, x, (size_t)rank + 1, dims);
}

mval nn_activation(lowering *l, fused_activation f, double alpha, double beta, mval x)
{
    switch (f) {
    case FUSED_RELU:
        return m_relu(l, x);
    case FUSED_TANH:
        return m_tanh(l, x);
    case FUSED_SIGMOID:
        return m_sigmoid(l, x);
    case FUSED_LEAKY_RELU:
        return m_where(l, m_less(l, x, m_scalar_like(l, x, 0)), m_mul_number(l, x, alpha), x);
    case FUSED_CLIP:
        return m_clamp(l, x, m_scalar_like(l, x, alpha), m_scalar_like(l, x, beta));
    case FUSED_HARD_SIGMOID:
        return m_clamp(l, m_add_number(l, m_mul_number(l, x, alpha), beta), m_scalar_like(l, x, 0),
                       m_scalar_like(l, x, 1));
    default:
        return x;
    }
}
