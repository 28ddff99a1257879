/* Normalizations of com.microsoft over groups of channels and branches. */
#include "ops/nn/nn.h"

static mval silu(lowering *l, mval x)
{
    return m_mul(l, x, m_sigmoid(l, x));
}

/* x, float64, standardized over each of `groups` groups of channels, scaled, shifted and perhaps activated. */
static mval group_norm(lowering *l, const group_norm_spec *spec, mval x, mval gamma, mval beta)
{
    dim dims[SIB_MAX_RANK];
    int64_t channels;
    if (spec->channels_last)
        x = m_move(l, x, -1, 1);
    int rank = m_dims(l, x, dims);
    if (l_ok(l) &&
        (rank < 2 || (dim_is_const(l->graph->dims, dims[1], &channels) && channels % spec->groups)))
        return l_fail(l, SIB_ERR_ARGUMENT, "groups is %lld, which does not divide the channels of X",
                      (long long)spec->groups);
    if (!l_ok(l))
        return MVAL_NONE;
    dim g = d_const(l, spec->groups);
    dim grouped[3] = {dims[0], g,
                      d_mul(l, d_floor_div(l, dims[1], g), d_product(l, (size_t)rank - 2, dims + 2))};
    const int64_t last = 2;
    mval y = nn_standardize(l, m_reshape(l, x, 3, grouped), 1, &last, spec->epsilon, true, NULL, NULL);
    y = m_reshape(l, y, (size_t)rank, dims);
    y = m_mul(l, y, nn_channels(l, elem_wide(l, gamma), rank));
    y = m_add(l, y, nn_channels(l, elem_wide(l, beta), rank));
    if (spec->activation)
        y = silu(l, y);
    return spec->channels_last ? m_move(l, y, 1, -1) : y;
}

static mval group_norm_in(lowering *l)
{
    dim dims[SIB_MAX_RANK];
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return MVAL_NONE;
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && rank < 2)
        return l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected at least 2", rank);
    l_declare(l, 0, m_dtype(l, x), rank, dims);
    return x;
}

/* Y = activation(gamma * (X - mean) / sqrt(var + epsilon) + beta), statistics over a group of channels and
   all positions. X is [N, H, W, C], or [N, C, H, W] with channels_last 0. com.microsoft GroupNorm-1. */
void lower_MS_GroupNorm(lowering *l, const node *n)
{
    group_norm_spec spec = spec_group_norm(n);
    mval x = group_norm_in(l);
    elem_out(l, group_norm(l, &spec, elem_wide(l, x), l_in(l, 1), l_in(l, 2)), x);
}

/* skip [N, C] as [N, 1..., C] or [N, C, 1...]; of other ranks unchanged. */
static mval skip_like(lowering *l, mval skip, int rank, bool channels_last)
{
    for (int i = 2; i < rank && m_rank(l, skip) < rank && l_ok(l); i++)
        skip = m_unsqueeze(l, skip, channels_last ? 1 : -1);
    return skip;
}

/* GroupNorm of S = X + skip + bias; S is output 1. skip has the dims of X, [N, 1, 1, C] or [N, C].
   com.microsoft SkipGroupNorm-1. */
void lower_MS_SkipGroupNorm(lowering *l, const node *n)
{
    group_norm_spec spec = spec_group_norm(n);
    mval x = group_norm_in(l), skip = l_in(l, 3), s = elem_wide(l, x);
    int rank = m_rank(l, x);
    if (l_ok(l) && m_rank(l, skip) < 2)
        l_fail(l, SIB_ERR_ARGUMENT, "skip has rank %d, expected at least 2", m_rank(l, skip));
    s = m_add(l, s, m_broadcast_like(l, skip_like(l, elem_wide(l, skip), rank, spec.channels_last), s));
    if (l_has(l, 4)) {
        mval bias = elem_wide(l, l_in(l, 4));
        s = m_add(l, s, spec.channels_last ? bias : nn_channels(l, bias, rank));
    }
    elem_out(l, group_norm(l, &spec, s, l_in(l, 1), l_in(l, 2)), x);
    l_out(l, 1, m_cast_like(l, s, x));
}

/* X / sqrt(mean of X^2 + epsilon) over the last axis, in float64. */
static mval rms(lowering *l, mval x, double epsilon)
{
    const int64_t last = -1;
    return nn_standardize(l, x, 1, &last, epsilon, false, NULL, NULL);
}

/* Y = X / sqrt(mean of X^2 + epsilon) * scale * activation(gate), the mean over each `scale`-long part of the
   last axis. com.microsoft GatedRMSNorm-1. */
void lower_MS_GatedRMSNorm(lowering *l, const node *n)
{
    branch_spec spec = spec_branch(n);
    mval x = l_in(l, 0), scale = l_in(l, 1), gate = elem_wide(l, l_in(l, 2));
    dim dims[SIB_MAX_RANK + 1], parts[SIB_MAX_RANK + 1];
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && (rank < 1 || rank >= SIB_MAX_RANK || m_rank(l, scale) != 1))
        l_fail(l, SIB_ERR_ARGUMENT, "X and scale have ranks %d and %d, expected 1 or more, and 1", rank,
               m_rank(l, scale));
    if (!l_ok(l))
        return;
    dim width = m_dim(l, scale, 0);
    int64_t all, one;
    if (dim_is_const(l->graph->dims, dims[rank - 1], &all) && dim_is_const(l->graph->dims, width, &one) &&
        (one < 1 || all % one)) {
        l_fail(l, SIB_ERR_ARGUMENT, "scale has %lld elements, which do not divide %lld", (long long)one,
               (long long)all);
        return;
    }
    for (int i = 0; i < rank - 1; i++)
        parts[i] = dims[i];
    parts[rank - 1] = d_floor_div(l, dims[rank - 1], width);
    parts[rank] = width;
    mval y = rms(l, m_reshape(l, elem_wide(l, x), (size_t)rank + 1, parts), spec.epsilon);
    y = m_reshape(l, m_mul(l, y, elem_wide(l, scale)), (size_t)rank, dims);
    elem_out(l, m_mul(l, y, spec.activation == GATE_SIGMOID ? m_sigmoid(l, gate) : silu(l, gate)), x);
}

/* Each branch of X [..., C, H], or [..., C * H] with num_branches C, divided by the root of its mean square,
   times scale [C * H], [C, H] or [H]. com.microsoft BranchwiseRMSNorm-1. */
void lower_MS_BranchwiseRMSNorm(lowering *l, const node *n)
{
    branch_spec spec = spec_branch(n);
    mval x = l_in(l, 0), wide = elem_wide(l, x);
    dim dims[SIB_MAX_RANK];
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    wide = nn_branches(l, wide, spec.num_branches);
    mval y = rms(l, wide, spec.epsilon);
    if (l_has(l, 1)) {
        mval scale = elem_wide(l, l_in(l, 1));
        dim both[2] = {m_dim(l, wide, -2), m_dim(l, wide, -1)};
        int64_t given, width;
        bool each = m_rank(l, scale) == 1 && dim_is_const(l->graph->dims, m_dim(l, scale, 0), &given) &&
                    dim_is_const(l->graph->dims, both[1], &width) && given != width;
        y = m_mul(l, y, each ? m_reshape(l, scale, 2, both) : scale);
    }
    if (l_ok(l))
        elem_out(l, m_reshape(l, y, (size_t)rank, dims), x);
}
