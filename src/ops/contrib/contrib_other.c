/* Small operators of com.microsoft: of residual streams and gates, of tokens, and others. */
#include "milli/build_values.h"
#include "ops/lower/elem.h"
#include "ops/nn/nn.h"

/* Y = X. com.microsoft SampleOp-1. */
void lower_MS_SampleOp(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, l_in(l, 0));
}

/* X + Y * gate, the product rounded first. com.microsoft GatedAdd-1. */
void lower_MS_GatedAdd(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    l_out(l, 0, m_add(l, x, m_mul(l, l_in(l, 1), l_in(l, 2))));
}

/* X + bias + residual; nothing is dropped, and training_mode is refused. mask is true. com.microsoft
   BiasDropout-1. */
void lower_MS_BiasDropout(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK];
    if (!elem_takes(l, x, "data", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    l_declare(l, 1, SIB_BOOL, 0, NULL);
    if (l_has(l, 4) && m_float(l, elem_scalar(l, l_in(l, 4), "training_mode")) != 0 && l_ok(l))
        l_fail(l, SIB_ERR_UNSUPPORTED, "training_mode is not supported");
    mval y = m_add(l, elem_wide(l, x), elem_wide(l, l_in(l, 1)));
    if (l_has(l, 2))
        y = m_add(l, y, elem_wide(l, l_in(l, 2)));
    elem_out(l, y, x);
    int rank = m_dims(l, x, dims);
    if (l_wants(l, 1) && l_ok(l))
        l_out(l, 1, m_filled(l, m_scalar_int(l, SIB_BOOL, 1), (size_t)rank, dims));
}

/* Whether no element of any input is NaN or infinite; with an attribute, of one kind only. com.microsoft
   IsAllFinite-1. */
void lower_MS_IsAllFinite(lowering *l, const node *n)
{
    all_finite_spec spec = spec_all_finite(n);
    mval all = MVAL_NONE;
    l_declare(l, 0, SIB_BOOL, 0, (dim[]){DIM_NONE});
    if (spec.isnan_only && spec.isinf_only)
        l_fail(l, SIB_ERR_ARGUMENT, "isnan_only and isinf_only exclude each other");
    for (size_t i = 0; i < n->inputs.n && l_ok(l); i++) {
        mval x = l_in(l, i);
        if (!elem_takes(l, x, "an input", ELEM_FLOATS))
            return;
        mval bad = spec.isinf_only   ? m_is_inf(l, x)
                   : spec.isnan_only ? m_is_nan(l, x)
                                     : m_or(l, m_is_inf(l, x), m_is_nan(l, x));
        mval fine = m_reduce(l, MILLI_reduce_min, m_not(l, bad), 0, NULL, DROP_DIMS);
        all = i ? m_and(l, all, fine) : fine;
    }
    l_out(l, 0, all);
}

/* Every slice of `size` elements along an axis, `step` apart, as a new last axis. com.microsoft
   UnfoldTensor-1. */
void lower_MS_UnfoldTensor(lowering *l, const node *n)
{
    unfold_spec spec = spec_unfold(n);
    mval x = l_in(l, 0);
    elem_declare(l, m_dtype(l, x));
    int rank = m_rank(l, x), axis = m_axis(l, spec.dim, rank, "dim");
    int64_t size;
    if (l_ok(l) && rank >= SIB_MAX_RANK)
        l_fail(l, SIB_ERR_SIZE, "input has rank %d, expected at most %d", rank, SIB_MAX_RANK - 1);
    if (!l_ok(l))
        return;
    dim whole = m_dim(l, x, axis);
    if (dim_is_const(l->graph->dims, whole, &size) && size < spec.size) {
        l_fail(l, SIB_ERR_ARGUMENT, "size is %lld, but axis %d has %lld elements", (long long)spec.size, axis,
               (long long)size);
        return;
    }
    mval begin =
        m_mul(l,
              m_iota(l, SIB_I64,
                     d_add(l, d_floor_div(l, d_sub(l, whole, d_const(l, spec.size)), d_const(l, spec.step)),
                           d_const(l, 1))),
              m_scalar_int(l, SIB_I64, spec.step));
    mval at = m_add(l, m_unsqueeze(l, begin, 1), m_iota(l, SIB_I64, d_const(l, spec.size)));
    l_out(l, 0, m_move(l, m_gather(l, x, at, axis), axis + 1, rank));
}

/* scores, -inf at each token that followed the last ngram_size - 1 tokens of input_ids [B, S] before.
   com.microsoft NGramRepeatBlock-1. */
void lower_MS_NGramRepeatBlock(lowering *l, const node *n)
{
    int64_t size = spec_ngram(n).ngram_size, steps;
    mval ids = l_in(l, 0), scores = l_in(l, 1);
    if (!elem_takes(l, ids, "input_ids", ELEM(SIB_I64)) || !elem_takes(l, scores, "scores", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, scores));
    if (m_rank(l, ids) != 2 || m_rank(l, scores) != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "input_ids and scores have ranks %d and %d, expected 2", m_rank(l, ids),
               m_rank(l, scores));
    steps = m_size(l, ids, 1);
    if (!l_ok(l) || steps < size) {
        l_out(l, 0, scores);
        return;
    }
    int64_t places = steps - size + 1;
    mval same = MVAL_NONE; /* [B, places] */
    for (int64_t i = 0; i < size - 1; i++) {
        mval last = m_slice_numbers(l, ids, 1, steps - size + 1 + i, 1);
        mval equal = m_equal(l, m_slice_numbers(l, ids, 1, i, places), last);
        same = i ? m_and(l, same, equal) : equal;
    }
    mval next = m_slice_numbers(l, ids, 1, size - 1, places);
    mval blocked = m_equal(l, m_unsqueeze(l, next, 2), m_iota(l, SIB_I64, m_dim(l, scores, 1)));
    if (size > 1)
        blocked = m_and(l, blocked, m_unsqueeze(l, same, 2));
    blocked = m_reduce_axis(l, MILLI_reduce_max, blocked, 1, DROP_DIMS);
    l_out(l, 0, m_where(l, blocked, m_scalar_like(l, scores, -__builtin_inf()), scores));
}

/* decay_scale * log(1 + e^(a + dt_bias)), and sigmoid(b). com.microsoft LinearAttentionGate-1. */
void lower_MS_LinearAttentionGate(lowering *l, const node *n)
{
    (void)n;
    mval a = l_in(l, 0);
    if (!elem_takes(l, a, "a", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, a));
    l_declare(l, 1, m_dtype(l, a), 0, NULL);
    if (l_wants(l, 1) && !l_has(l, 3)) {
        l_fail(l, SIB_ERR_ARGUMENT, "the output beta needs input b");
        return;
    }
    mval x = m_add(l, elem_wide(l, a), elem_wide(l, l_in(l, 1)));
    mval y = m_add(l, m_relu(l, x), m_log1p(l, m_exp(l, m_neg(l, m_abs(l, x)))));
    elem_out(l, m_mul(l, y, elem_wide(l, l_in(l, 2))), a);
    if (l_has(l, 3))
        l_out(l, 1, m_cast_like(l, m_sigmoid(l, elem_wide(l, l_in(l, 3))), a));
}

/* Gates [..., C] or [..., C, 1 or H], or flattened [..., C * H], for streams x [..., C, H]. */
static mval stream_gates(lowering *l, mval gates, mval x)
{
    dim dims[SIB_MAX_RANK];
    mval wide = elem_wide(l, gates);
    int rank = m_dims(l, x, dims);
    if (!l_ok(l) || m_rank(l, wide) != rank - 1)
        return wide;
    int64_t given, branches;
    bool flat = dim_is_const(l->graph->dims, m_dim(l, wide, -1), &given) &&
                dim_is_const(l->graph->dims, dims[rank - 2], &branches) && given != branches;
    return flat ? m_reshape(l, wide, (size_t)rank, dims) : m_unsqueeze(l, wide, -1);
}

/* Y[..., h] = reduction_scale * sum over c of X[..., c, h] * pre_mix[..., c, h]. com.microsoft
   HyperConnectionPreMix-1; Zhu et al. 2024. */
void lower_MS_HyperConnectionPreMix(lowering *l, const node *n)
{
    branch_spec spec = spec_branch(n);
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "streams", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    mval wide = nn_branches(l, elem_wide(l, x), spec.num_branches);
    mval mixed = m_mul(l, wide, stream_gates(l, l_in(l, 1), wide));
    mval sum = m_reduce_axis(l, MILLI_reduce_sum, mixed, -2, DROP_DIMS);
    elem_out(l, m_mul_number(l, sum, spec.reduction_scale), x);
}

/* Y[..., k, h] = sum over c of stream_mix[..., c, k] * X[..., c, h] + post_mix[..., k, h] * block[..., h];
   without stream_mix the first term is X. com.microsoft HyperConnectionPostMix-1. */
void lower_MS_HyperConnectionPostMix(lowering *l, const node *n)
{
    branch_spec spec = spec_branch(n);
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK];
    if (!elem_takes(l, x, "streams", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    mval wide = nn_branches(l, elem_wide(l, x), spec.num_branches), kept = wide;
    if (l_has(l, 3))
        kept = m_matmul(l, m_swap(l, elem_wide(l, l_in(l, 3)), -2, -1), wide);
    mval block = m_unsqueeze(l, elem_wide(l, l_in(l, 1)), -2);
    mval y = m_add(l, kept, m_mul(l, stream_gates(l, l_in(l, 2), wide), block));
    if (l_ok(l))
        elem_out(l, m_reshape(l, y, (size_t)rank, dims), x);
}

/* ---- Regions --------------------------------------------------------------------------------------------- */

/* Positions [R, count] along an axis of `size`: from `low` to `high`, both fractions [R, 1] of size - 1; one
   position is their mean. */
static mval positions(lowering *l, mval low, mval high, int64_t count, dim size)
{
    mval last = m_add_number(l, elem_wide(l, m_dim_scalar(l, size)), -1);
    if (count == 1)
        return m_mul(l, m_mul_number(l, m_add(l, low, high), 0.5), last);
    mval step = m_div(l, m_mul(l, m_sub(l, high, low), last), elem_number(l, (double)(count - 1)));
    return m_add(l, m_mul(l, low, last), m_mul(l, m_iota(l, SIB_F64, d_const(l, count)), step));
}

/* x [N, C, H, W] at image b, rows y and columns x: [R, h, w, C]. */
static mval pixels(lowering *l, mval image, mval b, mval y, mval x)
{
    dim dims[3] = {m_dim(l, y, 0), m_dim(l, y, 1), m_dim(l, x, 1)};
    mval parts[3] = {m_unsqueeze(l, m_unsqueeze(l, b, 1), 2), m_unsqueeze(l, y, 2), m_unsqueeze(l, x, 1)};
    for (int i = 0; i < 3; i++)
        parts[i] = m_expand(l, m_cast(l, parts[i], SIB_I64), 3, dims);
    return m_gather_nd(l, image, m_stack(l, 3, parts, 3), 0);
}

/* The rectangle y1, x1, y2, x2 of an image for each of rois [R, 4], sampled at crop_size points, its corners
   included; points out of the image are extrapolation_value. com.microsoft CropAndResize-1. */
void lower_MS_CropAndResize(lowering *l, const node *n)
{
    crop_resize_spec spec = spec_crop_resize(n);
    mval x = l_in(l, 0), rois = l_in(l, 1), batch = l_in(l, 2), edge[4];
    int64_t size[2] = {1, 1};
    if (!elem_takes(l, x, "X", ELEM_FLOATS) || !elem_takes(l, rois, "rois", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    if (m_rank(l, x) != 4 || m_rank(l, rois) != 2 || m_rank(l, batch) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "X, rois and batch_indices have ranks %d, %d and %d, expected 4, 2 and 1",
               m_rank(l, x), m_rank(l, rois), m_rank(l, batch));
    dim boxes = m_dim(l, rois, 0), channels = m_dim(l, x, 1);
    l_declare(l, 0, m_dtype(l, x), 4, (dim[]){boxes, channels, DIM_NONE, DIM_NONE});
    if (l_ok(l) && m_size(l, rois, 1) != 4 && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "rois has %lld columns, expected 4", (long long)m_size(l, rois, 1));
    size_t given = l_ok(l) ? m_ints(l, l_in(l, 3), size, 2) : 0;
    if (l_ok(l) && (given != 2 || size[0] < 1 || size[1] < 1 || size[0] > INT32_MAX || size[1] > INT32_MAX))
        l_fail(l, SIB_ERR_ARGUMENT, "crop_size must be two numbers of at least 1");
    if (!l_ok(l))
        return;
    for (int i = 0; i < 4; i++)
        edge[i] = elem_wide(l, m_slice_numbers(l, rois, 1, i, 1));
    mval at[2], low[2], high[2], part[2], inside = MVAL_NONE;
    mval image = elem_wide(l, m_move(l, x, 1, 3)); /* [N, H, W, C] */
    for (int i = 0; i < 2; i++) {
        mval none = elem_number(l, 0),
             last = m_add_number(l, elem_wide(l, m_dim_scalar(l, m_dim(l, x, 2 + i))), -1);
        at[i] = positions(l, edge[i], edge[2 + i], size[i], m_dim(l, x, 2 + i));
        mval fits = m_and(l, m_less_equal(l, none, at[i]), m_less_equal(l, at[i], last));
        inside = i ? m_and(l, m_unsqueeze(l, inside, 2), m_unsqueeze(l, fits, 1)) : fits;
        at[i] = m_where(l, fits, at[i], none);
        low[i] = m_floor(l, spec.mode == SAMPLE_NEAREST ? m_add_number(l, at[i], 0.5) : at[i]);
        high[i] = m_ceil(l, at[i]);
        part[i] = m_unsqueeze(l, m_unsqueeze(l, m_sub(l, at[i], low[i]), i ? 1 : 2), 3);
    }
    mval y = pixels(l, image, batch, low[0], low[1]);
    if (spec.mode != SAMPLE_NEAREST) {
        mval rows[2] = {y, pixels(l, image, batch, high[0], low[1])};
        for (int i = 0; i < 2; i++) {
            mval next = pixels(l, image, batch, i ? high[0] : low[0], high[1]);
            rows[i] = m_add(l, rows[i], m_mul(l, m_sub(l, next, rows[i]), part[1]));
        }
        y = m_add(l, rows[0], m_mul(l, m_sub(l, rows[1], rows[0]), part[0]));
    }
    y = m_where(l, m_unsqueeze(l, inside, 3), y, elem_number(l, spec.extrapolation_value));
    elem_out(l, m_move(l, y, 3, 1), x);
}

/* MurmurHash3_x86_32 of the bytes of each element, a string or number; int32 unless positive. com.microsoft
   MurmurHash3-1; Appleby 2011. */
void lower_MS_MurmurHash3(lowering *l, const node *n)
{
    murmur_spec spec = spec_murmur(n);
    mval x = l_in(l, 0);
    sib_dtype dtype = spec.positive ? SIB_U32 : SIB_I32;
    if (!elem_takes(l, x, "X",
                    ELEM(SIB_I32) | ELEM(SIB_U32) | ELEM(SIB_I64) | ELEM(SIB_U64) | ELEM(SIB_F32) |
                        ELEM(SIB_F64) | ELEM(SIB_STRING)))
        return;
    elem_declare(l, dtype);
    l_out(l, 0, m_bitcast(l, m_murmur3(l, x, spec.seed), dtype));
}
