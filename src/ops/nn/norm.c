/* Normalizations over batches, instances, groups and channels. */
#include "ops/nn/nn.h"

/* v reshaped to broadcast with x [N, C, D...]: [C, 1...], or [C, D...] with attribute spatial 0. */
static mval per_channel(lowering *l, mval v, mval x, bool by_channel)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    mval wide = elem_wide(l, v);
    if (by_channel || !l_ok(l) || rank < 1)
        return nn_channels(l, wide, rank);
    return m_reshape(l, wide, (size_t)rank - 1, dims + 1);
}

/* Statistics of the batch, and the updated running ones: running * momentum + current * (1 - momentum). */
typedef struct batch_statistics {
    mval mean, var;                 /* broadcast with x */
    mval running_mean, running_var; /* in the dims of the inputs */
} batch_statistics;

static batch_statistics statistics_of(lowering *l, const node *n, mval x, bool by_channel)
{
    int64_t axes[SIB_MAX_RANK];
    size_t count = 1;
    int rank = m_rank(l, x);
    double momentum = spec_batch_norm(n).momentum;
    mval wide = elem_wide(l, x), old_mean = l_in(l, 3), old_var = l_in(l, 4);
    dim dims[SIB_MAX_RANK];
    axes[0] = 0;
    for (int i = 2; i < rank && by_channel; i++)
        axes[count++] = i;
    batch_statistics s;
    mval mean = m_reduce_mean(l, wide, count, axes, KEEP_DIMS); /* [1, C, 1...] */
    mval var = m_reduce_mean(l, m_square(l, m_sub(l, wide, mean)), count, axes, KEEP_DIMS);
    s.mean = m_squeeze(l, mean, 0);
    s.var = m_squeeze(l, var, 0);
    int given = m_dims(l, old_mean, dims);
    mval flat_mean = m_reshape(l, s.mean, (size_t)given, dims),
         flat_var = m_reshape(l, s.var, (size_t)given, dims);
    s.running_mean =
        m_add(l, m_mul_number(l, elem_wide(l, old_mean), momentum), m_mul_number(l, flat_mean, 1 - momentum));
    s.running_var =
        m_add(l, m_mul_number(l, elem_wide(l, old_var), momentum), m_mul_number(l, flat_var, 1 - momentum));
    return s;
}

/* True where statistics come from the batch: from opset 14 on by attribute, from 7 on where more than Y is
   wanted, before that unless is_test. */
static bool trains(const lowering *l, const node *n)
{
    batch_norm_spec spec = spec_batch_norm(n);
    if (n->version >= 14)
        return spec.training_mode;
    if (n->version < 7)
        return !spec.is_test;
    return l_wants(l, 1) || l_wants(l, 2) || l_wants(l, 3) || l_wants(l, 4);
}

/* Y = (X - mean) / sqrt(var + epsilon) * scale + B for each channel, with the given statistics, or in
   training with those of the batch, which are then averaged into the running ones. Up to opset 8, attribute
   spatial 0 takes separate statistics for each element of [C, D...]. ONNX BatchNormalization-1, 6, 7, 9, 14,
   15. */
void lower_ONNX_BatchNormalization(lowering *l, const node *n)
{
    batch_norm_spec spec = spec_batch_norm(n);
    mval x = l_in(l, 0), scale = l_in(l, 1), bias = l_in(l, 2), mean = l_in(l, 3), var = l_in(l, 4);
    bool by_channel = spec.spatial, training = trains(l, n);
    sib_dtype kept = m_dtype(l, mean);
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    for (size_t i = 1; i < 5; i++)
        l_declare(l, i, kept, 0, NULL);
    mval used_mean = per_channel(l, mean, x, by_channel), used_var = per_channel(l, var, x, by_channel);
    if (training) {
        batch_statistics s = statistics_of(l, n, x, by_channel);
        dim dims[SIB_MAX_RANK];
        size_t rank = (size_t)m_dims(l, mean, dims);
        used_mean = s.mean;
        used_var = s.var;
        l_out(l, 1, m_cast(l, s.running_mean, kept));
        l_out(l, 2, m_cast(l, s.running_var, kept));
        l_out(l, 3, m_cast(l, m_reshape(l, s.mean, rank, dims), kept));
        l_out(l, 4, m_cast(l, m_reshape(l, s.var, rank, dims), kept));
    } else { /* the running statistics stay unchanged */
        l_out(l, 1, mean);
        l_out(l, 2, var);
        l_out(l, 3, mean);
        l_out(l, 4, var);
    }
    mval deviation = m_sqrt(l, m_add_number(l, used_var, spec.epsilon));
    mval y = m_div(l, m_sub(l, elem_wide(l, x), used_mean), deviation);
    y = m_add(l, m_mul(l, y, per_channel(l, scale, x, by_channel)), per_channel(l, bias, x, by_channel));
    elem_out(l, y, x);
}

/* Y = (X - mean) / sqrt(var + epsilon) * scale + B, statistics over the axes from 2 on.
   ONNX InstanceNormalization-1, 6, 22. */
void lower_ONNX_InstanceNormalization(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    int64_t axes[SIB_MAX_RANK];
    size_t count = 0;
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    int rank = m_rank(l, x);
    for (int i = 2; i < rank; i++)
        axes[count++] = i;
    mval y = nn_standardize(l, elem_wide(l, x), count, axes, spec_norm(n).epsilon, true, NULL, NULL);
    y = m_mul(l, y, per_channel(l, l_in(l, 1), x, true));
    elem_out(l, m_add(l, y, per_channel(l, l_in(l, 2), x, true)), x);
}

/* Y = (X - mean) / sqrt(var + epsilon) * scale + bias, statistics over a group of C / num_groups channels and
   the axes after them. In opset 18 scale and bias are [num_groups], from 21 on [C]. Computed in double,
   whatever stash_type asks for. ONNX GroupNormalization-18, 21. */
void lower_ONNX_GroupNormalization(lowering *l, const node *n)
{
    norm_spec spec = spec_norm(n);
    mval x = l_in(l, 0), scale = elem_wide(l, l_in(l, 1)), bias = elem_wide(l, l_in(l, 2));
    int64_t groups = spec.num_groups, channels;
    bool each_channel = n->version >= 21;
    dim dims[SIB_MAX_RANK];
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && (rank < 2 || (dim_is_const(l->graph->dims, dims[1], &channels) && channels % groups)))
        l_fail(l, SIB_ERR_ARGUMENT, "attribute num_groups is %lld, which does not divide the channels of X",
               (long long)groups);
    if (!l_ok(l))
        return;
    dim g = d_const(l, groups);
    dim grouped[3] = {dims[0], g,
                      d_mul(l, d_floor_div(l, dims[1], g), d_product(l, (size_t)rank - 2, dims + 2))};
    const int64_t last = 2;
    mval y = nn_standardize(l, m_reshape(l, elem_wide(l, x), 3, grouped), 1, &last, spec.epsilon, true, NULL,
                            NULL);
    if (each_channel)
        y = m_reshape(l, y, (size_t)rank, dims);
    int per_channel_rank = each_channel ? rank : 3;
    y = m_add(l, m_mul(l, y, nn_channels(l, scale, per_channel_rank)),
              nn_channels(l, bias, per_channel_rank));
    elem_out(l, m_reshape(l, y, (size_t)rank, dims), x);
}

/* ---- Over the last axes -------------------------------------------------------------------------------- */

/* The dtype of the statistics that a normalization outputs: attribute stash_type, default float32. It is also
   the least precision of the computation, which here is always double, rounded once at the outputs. */
static sib_dtype stash_type(lowering *l, const node *n)
{
    sib_dtype dtype = spec_norm(n).stash_type;
    if (!elem_in(ELEM_FLOATS, dtype))
        l_fail(l, SIB_ERR_ARGUMENT, "attribute stash_type is %s, expected a float", sib_dtype_name(dtype));
    return dtype;
}

/* The axes [axis, rank) of x, axis being the attribute. Returns how many. */
static size_t tail_axes(lowering *l, const node *n, mval x, int64_t axes[SIB_MAX_RANK])
{
    int rank = m_rank(l, x), first = m_axis(l, spec_norm(n).axis, rank, "axis");
    size_t count = 0;
    for (int i = first; i < rank; i++)
        axes[count++] = i;
    return count;
}

/* Declares the outputs of a normalization of x over axes (n): Y and the statistics. */
static void declare_tail(lowering *l, mval x, size_t n, const int64_t *axes, sib_dtype y,
                         sib_dtype statistics, size_t n_statistics)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    l_declare(l, 0, y, rank, dims);
    for (size_t i = 0; i < n; i++)
        dims[axes[i]] = d_const(l, 1);
    for (size_t i = 0; i < n_statistics; i++)
        l_declare(l, 1 + i, statistics, rank, dims);
}

/* Y = (X - mean) / sqrt(var + epsilon) * scale + bias, statistics over the axes [axis, rank); then the mean
   and 1 / sqrt(var + epsilon) in stash_type. Below opset 17 it is onnxruntime's own operator, whose Y has the
   dtype of scale. ONNX LayerNormalization-1, 17; Ba, Kiros & Hinton 2016. */
void lower_ONNX_LayerNormalization(lowering *l, const node *n)
{
    mval x = l_in(l, 0), mean, inverse;
    int64_t axes[SIB_MAX_RANK];
    elem_takes(l, x, "X", ELEM_FLOATS);
    size_t count = tail_axes(l, n, x, axes);
    sib_dtype stash = stash_type(l, n);
    mval scale = l_in(l, 1), like = n->version < 17 ? scale : x;
    declare_tail(l, x, count, axes, m_dtype(l, like), stash, 2);
    mval y = nn_standardize(l, elem_wide(l, x), count, axes, spec_norm(n).epsilon, true, &mean, &inverse);
    y = m_mul(l, y, elem_wide(l, scale));
    elem_out(l, l_has(l, 2) ? m_add(l, y, elem_wide(l, l_in(l, 2))) : y, like);
    l_out(l, 1, m_cast(l, mean, stash));
    l_out(l, 2, m_cast(l, inverse, stash));
}

/* Y = X / sqrt(mean of X^2 + epsilon) * scale over the axes [axis, rank); Y has the dtype of scale.
   ONNX RMSNormalization-23; Zhang & Sennrich 2019. */
static void rms_normalization(lowering *l, const node *n)
{
    mval x = l_in(l, 0), scale = l_in(l, 1), inverse;
    int64_t axes[SIB_MAX_RANK];
    elem_takes(l, x, "X", ELEM_FLOATS);
    size_t count = tail_axes(l, n, x, axes);
    sib_dtype stash = stash_type(l, n);
    declare_tail(l, x, count, axes, m_dtype(l, scale), stash, 1);
    mval y = nn_standardize(l, elem_wide(l, x), count, axes, spec_norm(n).epsilon, false, NULL, &inverse);
    l_out(l, 0, m_cast_like(l, m_mul(l, y, elem_wide(l, scale)), scale));
    l_out(l, 1, m_cast(l, inverse, stash));
}

/* ONNX RMSNormalization-23. */
void lower_ONNX_RMSNormalization(lowering *l, const node *n)
{
    rms_normalization(l, n);
}

/* RMSNormalization with 1 / sqrt(mean of X^2 + epsilon) as second output: SimplifiedLayerNormalization-1,
   which onnxruntime puts in the domain ai.onnx. */
void lower_ONNX_SimplifiedLayerNormalization(lowering *l, const node *n)
{
    rms_normalization(l, n);
}

/* com.microsoft SimplifiedLayerNormalization-1. */
void lower_MS_SimplifiedLayerNormalization(lowering *l, const node *n)
{
    rms_normalization(l, n);
}

/* Y = (X - mean) / (sqrt(var) + 1e-9) over axes, by default 0, 2 and 3. ONNX MeanVarianceNormalization-9,
   13. */
void lower_ONNX_MeanVarianceNormalization(lowering *l, const node *n)
{
    static const int64_t usual[] = {0, 2, 3};
    spec_ints given = spec_mean_variance(n).axes;
    const int64_t *axes = given.n ? given.v : usual;
    size_t count = given.n ? given.n : 3;
    mval x = l_in(l, 0);
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    mval wide = elem_wide(l, x), d = m_sub(l, wide, m_reduce_mean(l, wide, count, axes, KEEP_DIMS));
    mval deviation = m_sqrt(l, m_reduce_mean(l, m_square(l, d), count, axes, KEEP_DIMS));
    elem_out(l, m_div(l, d, m_add_number(l, deviation, 1e-9)), x);
}

/* Y = X / (sum of |X|^p over axis)^(1/p) for p 1 or 2; 0 where the norm is 0. ONNX LpNormalization-1, 22. */
void lower_ONNX_LpNormalization(lowering *l, const node *n)
{
    lp_norm_spec spec = spec_lp_norm(n);
    mval x = l_in(l, 0), wide = elem_wide(l, x), zero = elem_number(l, 0);
    int64_t p = spec.p, axis = spec.axis;
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    mval norm =
        m_reduce_axis(l, MILLI_reduce_sum, p == 1 ? m_abs(l, wide) : m_square(l, wide), axis, KEEP_DIMS);
    if (p == 2)
        norm = m_sqrt(l, norm);
    elem_out(l, m_where(l, m_equal(l, norm, zero), zero, m_div(l, wide, norm)), x);
}

/* Y[n, c, d] = X / (bias + alpha / size * sum of X[n, i, d]^2)^beta over the channels i from c - floor((size
   - 1) / 2) to c + ceil((size - 1) / 2). ONNX LRN-1, 13; Krizhevsky et al. 2012. */
void lower_ONNX_LRN(lowering *l, const node *n)
{
    lrn_spec spec = spec_lrn(n);
    mval x = l_in(l, 0), wide = elem_wide(l, x);
    int64_t size = spec.size, axis = 1;
    elem_takes(l, x, "X", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    int rank = m_rank(l, x), windowed = rank - 1;
    if (l_ok(l) && (rank < 2 || rank + windowed > SIB_MAX_RANK))
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected 2 to %d", rank, (SIB_MAX_RANK + 1) / 2);
    if (!l_ok(l))
        return;
    window_spec w = {.n = windowed};
    for (int i = 0; i < windowed; i++) {
        w.kernel[i] = i ? 1 : size;
        w.stride[i] = w.dilation[i] = 1;
        w.before[i] = d_const(l, i ? 0 : (size - 1) / 2);
        w.after[i] = d_const(l, i ? 0 : size / 2);
    }
    mval near = m_windows(l, m_square(l, wide), &w, MVAL_NONE); /* [N, size, 1..., C, D...] */
    mval sum = m_reduce_axis(l, MILLI_reduce_sum, near, axis, DROP_DIMS);
    for (int i = 1; i < windowed; i++)
        sum = m_squeeze(l, sum, 1);
    double alpha = spec.alpha, beta = spec.beta;
    mval base = m_add_number(l, m_mul_number(l, sum, alpha / (double)size), spec.bias);
    elem_out(l, m_div(l, wide, m_pow(l, base, elem_number(l, beta))), x);
}

/* ---- com.microsoft ------------------------------------------------------------------------------------- */

/* x + skip + bias in float64; bias may be MVAL_NONE. */
static mval sum_of(lowering *l, mval x, mval skip, mval bias)
{
    mval sum = m_add(l, elem_wide(l, x), elem_wide(l, skip));
    return bias.id == NO_VALUE ? sum : m_add(l, sum, elem_wide(l, bias));
}

/* Sets the outputs: `sum` standardized over its last axis, * gamma + beta; statistics in float32; the sum. */
static void skip_normalization(lowering *l, const node *n, mval sum, mval gamma, mval beta, bool is_centred,
                               mval like)
{
    const int64_t last = -1;
    mval mean = MVAL_NONE, inverse;
    mval y = nn_standardize(l, sum, 1, &last, spec_norm(n).epsilon, is_centred, &mean, &inverse);
    y = m_mul(l, y, elem_wide(l, gamma));
    if (beta.id != NO_VALUE)
        y = m_add(l, y, elem_wide(l, beta));
    elem_out(l, y, like);
    if (is_centred)
        l_out(l, 1, m_cast(l, mean, SIB_F32));
    else if (l_wants(l, 1))
        l_fail(l, SIB_ERR_UNSUPPORTED, "output 1, the mean, does not exist for this operator");
    l_out(l, 2, m_cast(l, inverse, SIB_F32));
    l_out(l, 3, m_cast_like(l, sum, like));
}

/* LayerNormalization of input + skip + bias over the last axis. com.microsoft SkipLayerNormalization-1. */
void lower_MS_SkipLayerNormalization(lowering *l, const node *n)
{
    mval x = l_in(l, 0), sum = sum_of(l, x, l_in(l, 1), l_in_or_none(l, 4));
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    skip_normalization(l, n, sum, l_in(l, 2), l_in_or_none(l, 3), true, x);
}

/* RMSNormalization of input + skip + bias over the last axis. com.microsoft
   SkipSimplifiedLayerNormalization-1. */
void lower_MS_SkipSimplifiedLayerNormalization(lowering *l, const node *n)
{
    mval x = l_in(l, 0), sum = sum_of(l, x, l_in(l, 1), l_in_or_none(l, 3));
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    skip_normalization(l, n, sum, l_in(l, 2), MVAL_NONE, false, x);
}

/* Input i of an embedding as float64, its rows at ids (negative ones counted from its end) where there are ids. Quantized:
   its scale is input i + 6, its zero point i + 11. */
static mval embedding_of(lowering *l, size_t i, mval ids, bool quantized)
{
    mval x = l_in(l, i);
    if (ids.id != NO_VALUE)
        x = m_gather(l, x, m_wrap_index(l, ids, m_dim(l, x, 0)), 0);
    if (!quantized)
        return elem_wide(l, x);
    mval zero = elem_wide(l, l_in(l, i + 11)), scale = elem_wide(l, l_in(l, i + 6));
    return m_mul(l, m_sub(l, elem_wide(l, x), zero), scale);
}

/* like: a value in the dtype of the outputs. position_ids: MVAL_NONE to count from 0. */
static void embed(lowering *l, const node *n, mval like, mval position_ids, bool quantized)
{
    const int64_t last = -1;
    mval ids = l_in(l, 0);
    dim dims[SIB_MAX_RANK];
    elem_declare(l, m_dtype(l, like));
    int rank = m_dims(l, ids, dims); /* [B, T] */
    if (l_ok(l) && rank != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "input_ids has rank %d, expected 2", rank);
    if (!l_ok(l))
        return;
    mval positions = position_ids.id != NO_VALUE ? position_ids : m_iota(l, SIB_I64, dims[1]);
    mval sum = m_add(l, embedding_of(l, 2, ids, quantized), embedding_of(l, 3, positions, quantized));
    if (l_has(l, 4) && l_has(l, 1))
        sum = m_add(l, sum, embedding_of(l, 4, l_in(l, 1), quantized));
    mval y = nn_standardize(l, sum, 1, &last, spec_norm(n).epsilon, true, NULL, NULL);
    y = m_mul(l, y, embedding_of(l, 5, MVAL_NONE, quantized));
    elem_out(l, m_add(l, y, embedding_of(l, 6, MVAL_NONE, quantized)), like);
    if (l_wants(l, 1)) {
        mval zero = m_scalar_int(l, SIB_I32, 0);
        mval mask = l_in_or_none(l, 7);
        if (mask.id == NO_VALUE)
            l_out(l, 1, m_filled(l, zero, 1, dims));
        else {
            mval ones = m_cast(l, m_equal(l, mask, m_scalar_int(l, m_dtype(l, mask), 1)), SIB_I32);
            l_out(l, 1, m_reduce_axis(l, MILLI_reduce_sum, ones, 1, DROP_DIMS));
        }
    }
    l_out(l, 2, m_cast_like(l, sum, like));
}

/* LayerNormalization of the sum of word, position and segment embeddings; mask_index counts the ones in each
   row of the mask; embedding_sum is the sum. Positions count from 0 where not given. com.microsoft
   EmbedLayerNormalization-1. */
void lower_MS_EmbedLayerNormalization(lowering *l, const node *n)
{
    embed(l, n, l_in(l, 2), l_in_or_none(l, 8), false);
}

/* The same of quantized embeddings, weights and biases. com.microsoft QEmbedLayerNormalization-1. */
void lower_MS_QEmbedLayerNormalization(lowering *l, const node *n)
{
    embed(l, n, l_in(l, 8), MVAL_NONE, true);
}
