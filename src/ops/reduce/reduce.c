/* Reductions, softmax, and losses. */
#include "ops/nn/nn.h"

#define REDUCE_DTYPES  (ELEM_FLOATS | ELEM(SIB_U32) | ELEM(SIB_U64) | ELEM(SIB_I32) | ELEM(SIB_I64))
#define EXTREME_DTYPES (ELEM_NUMBERS | ELEM(SIB_BOOL))

/* The axes that a node reduces. */
typedef struct reduction {
    mval x;
    size_t n;
    int64_t axes[SIB_MAX_RANK]; /* (n) */
    bool every;                 /* all axes, whatever the rank */
    keep_dims keep;
} reduction;

/* Reads data, axes, keepdims and noop_with_empty_axes. Returns false where the lowering stopped. */
static bool read_reduction(lowering *l, const node *n, elem_set dtypes, reduction *r)
{
    reduce_spec spec = spec_reduce(n);
    dim unknown[SIB_MAX_RANK] = {DIM_NONE};
    *r = (reduction){.x = l_in(l, 0), .keep = spec.keepdims ? KEEP_DIMS : DROP_DIMS};
    elem_takes(l, r->x, "data", dtypes);
    elem_declare(l, m_dtype(l, r->x));
    int rank = m_rank(l, r->x);
    if (r->keep == KEEP_DIMS && l_ok(l))
        l_declare(l, 0, m_dtype(l, r->x), rank, unknown);
    if (spec.axes_in_input) {
        if (l_has(l, 1))
            r->n = m_ints(l, l_in(l, 1), r->axes, SIB_MAX_RANK);
    } else if (l_ok(l)) {
        r->n = spec.axes.n;
        for (size_t i = 0; i < r->n; i++)
            r->axes[i] = spec.axes.v[i];
    }
    r->every = !r->n && !(spec.axes_in_input && spec.noop_with_empty_axes);
    return l_ok(l);
}

/* Applies one milli-op over the axes; v unchanged where there are none. */
static mval over_axes(lowering *l, milli_kind kind, mval v, const reduction *r)
{
    if (!r->every && !r->n)
        return v;
    return m_reduce(l, kind, v, r->n, r->every ? NULL : r->axes, r->keep);
}

/* A reduction that is one milli-op. */
static void plain_reduction(lowering *l, const node *n, elem_set dtypes, milli_kind kind)
{
    reduction r;
    if (read_reduction(l, n, dtypes, &r))
        l_out(l, 0, over_axes(l, kind, r.x, &r));
}

/* Sum. ONNX ReduceSum-1, 11, 13. */
void lower_ONNX_ReduceSum(lowering *l, const node *n)
{
    plain_reduction(l, n, REDUCE_DTYPES, MILLI_reduce_sum);
}

/* Product. ONNX ReduceProd-1, 11, 13, 18. */
void lower_ONNX_ReduceProd(lowering *l, const node *n)
{
    plain_reduction(l, n, REDUCE_DTYPES, MILLI_reduce_prod);
}

/* Max; of bool: or. ONNX ReduceMax-1, 11, 12, 13, 18, 20. */
void lower_ONNX_ReduceMax(lowering *l, const node *n)
{
    plain_reduction(l, n, EXTREME_DTYPES, MILLI_reduce_max);
}

/* Min; of bool: and. ONNX ReduceMin-1, 11, 12, 13, 18, 20. */
void lower_ONNX_ReduceMin(lowering *l, const node *n)
{
    plain_reduction(l, n, EXTREME_DTYPES, MILLI_reduce_min);
}

/* Sum / count; integers are summed in 64 bits and truncated. ONNX ReduceMean-1, 11, 13, 18. */
void lower_ONNX_ReduceMean(lowering *l, const node *n)
{
    reduction r;
    if (!read_reduction(l, n, REDUCE_DTYPES, &r))
        return;
    sib_dtype wide = m_is(l, r.x, SIB_KIND_FLOAT) ? SIB_F64 : m_is(l, r.x, SIB_KIND_INT) ? SIB_I64 : SIB_U64;
    if (!r.every && !r.n)
        l_out(l, 0, r.x);
    else
        elem_out(l, m_reduce_mean(l, m_cast(l, r.x, wide), r.n, r.every ? NULL : r.axes, r.keep), r.x);
}

/* Sum of |x|. ONNX ReduceL1-1, 11, 13, 18. */
void lower_ONNX_ReduceL1(lowering *l, const node *n)
{
    reduction r;
    if (!read_reduction(l, n, REDUCE_DTYPES, &r))
        return;
    mval size = m_is(l, r.x, SIB_KIND_UINT) ? r.x : m_abs(l, r.x);
    l_out(l, 0, over_axes(l, MILLI_reduce_sum, size, &r));
}

/* Square root of the sum of x^2. ONNX ReduceL2-1, 11, 13, 18. */
void lower_ONNX_ReduceL2(lowering *l, const node *n)
{
    reduction r;
    if (read_reduction(l, n, REDUCE_DTYPES, &r))
        elem_out(l, m_sqrt(l, over_axes(l, MILLI_reduce_sum, m_square(l, elem_wide(l, r.x)), &r)), r.x);
}

/* Sum of 8 bit integers in int32 or uint32. com.microsoft ReduceSumInteger-1. */
void lower_MS_ReduceSumInteger(lowering *l, const node *n)
{
    reduction r;
    if (!read_reduction(l, n, ELEM(SIB_I8) | ELEM(SIB_U8), &r))
        return;
    sib_dtype wide = m_is(l, r.x, SIB_KIND_INT) ? SIB_I32 : SIB_U32;
    elem_declare(l, wide);
    l_out(l, 0, over_axes(l, MILLI_reduce_sum, m_cast(l, r.x, wide), &r));
}

/* Sum of x^2. ONNX ReduceSumSquare-1, 11, 13, 18. */
void lower_ONNX_ReduceSumSquare(lowering *l, const node *n)
{
    reduction r;
    if (!read_reduction(l, n, REDUCE_DTYPES, &r))
        return;
    mval x = m_is(l, r.x, SIB_KIND_FLOAT) ? elem_wide(l, r.x) : r.x;
    elem_out(l, over_axes(l, MILLI_reduce_sum, m_square(l, x), &r), r.x);
}

/* log of the sum. ONNX ReduceLogSum-1, 11, 13, 18. */
void lower_ONNX_ReduceLogSum(lowering *l, const node *n)
{
    reduction r;
    if (read_reduction(l, n, REDUCE_DTYPES, &r))
        elem_out(l, m_log(l, over_axes(l, MILLI_reduce_sum, elem_wide(l, r.x), &r)), r.x);
}

/* log of the sum of e^x, computed as max + log of the sum of e^(x - max); an infinite max is not subtracted.
   ONNX ReduceLogSumExp-1, 11, 13, 18. */
void lower_ONNX_ReduceLogSumExp(lowering *l, const node *n)
{
    reduction r;
    if (!read_reduction(l, n, REDUCE_DTYPES, &r))
        return;
    reduction kept = r;
    kept.keep = KEEP_DIMS;
    mval x = elem_wide(l, r.x), zero = elem_number(l, 0);
    mval top = over_axes(l, MILLI_reduce_max, x, &kept);
    mval shift = m_where(l, m_is_inf(l, top), zero, top);
    mval sum = over_axes(l, MILLI_reduce_sum, m_exp(l, m_sub(l, x, shift)), &r);
    /* the shift in the dims of the sum: each maximum is over one element */
    mval back = r.keep == KEEP_DIMS ? shift : over_axes(l, MILLI_reduce_max, shift, &r);
    elem_out(l, m_add(l, m_log(l, sum), back), r.x);
}

/* ---- Softmax ------------------------------------------------------------------------------------------- */

/* Softmax or its logarithm in float64. */
static void softmax(lowering *l, const node *n, mval (*of)(lowering *, mval, int64_t))
{
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK];
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    l_declare(l, 0, m_dtype(l, x), rank, dims);
    softmax_spec s = spec_softmax(n);
    size_t begin, end;
    if (!l_ok(l))
        return;
    if (!spec_softmax_axes(&s, (size_t)rank, &begin, &end)) {
        m_axis(l, s.axis, rank, "axis"); /* fails */
        return;
    }
    mval y = elem_wide(l, x);
    if (end == begin + 1)
        y = of(l, y, (int64_t)begin);
    else
        y = m_reshape(l, of(l, m_flatten(l, y, (int)begin, (int)end), (int64_t)begin), (size_t)rank, dims);
    elem_out(l, y, x);
}

/* e^x / sum of e^x. ONNX Softmax-1, 11, 13. */
void lower_ONNX_Softmax(lowering *l, const node *n)
{
    softmax(l, n, m_softmax);
}

/* x - log of the sum of e^x. ONNX LogSoftmax-1, 11, 13. */
void lower_ONNX_LogSoftmax(lowering *l, const node *n)
{
    softmax(l, n, m_log_softmax);
}

/* ---- Losses -------------------------------------------------------------------------------------------- */

/* The loss of log-probabilities logp [N, C, D...] (float64) for the classes target [N, D...]: -logp[n,
   target[n, d], d] * weight[target[n, d]], 0 where the target is ignore_index. Summed, averaged by the sum of
   the weights, or not reduced. */
static mval nll(lowering *l, const node *n, mval logp, mval target, mval weight)
{
    loss_spec spec = spec_loss(n);
    bool ignores = spec.ignore_index != SPEC_ABSENT;
    mval zero = m_scalar_int(l, SIB_I64, 0), nothing = elem_number(l, 0);
    int rank = m_rank(l, logp), given = m_rank(l, target);
    if (l_ok(l) && (rank < 2 || given != rank - 1))
        return l_fail(l, SIB_ERR_ARGUMENT, "the target has rank %d, expected %d", given, rank - 1);
    mval classes = m_cast(l, target, SIB_I64);
    mval counted = ignores ? m_not(l, m_equal(l, classes, m_scalar_int(l, SIB_I64, spec.ignore_index)))
                           : m_equal(l, classes, classes);
    classes = m_where(l, counted, classes, zero);
    mval picked = m_squeeze(l, m_gather_elements(l, logp, m_unsqueeze(l, classes, 1), 1), 1); /* [N, D...] */
    mval share = m_cast(l, counted, SIB_F64);
    if (weight.id != NO_VALUE)
        share = m_where(l, counted, m_gather(l, elem_wide(l, weight), classes, 0), nothing);
    mval loss = m_where(l, counted, m_mul(l, m_neg(l, picked), share), nothing);
    if (spec.reduction == LOSS_NONE)
        return loss;
    mval sum = m_reduce(l, MILLI_reduce_sum, loss, 0, NULL, DROP_DIMS);
    if (spec.reduction == LOSS_SUM)
        return sum;
    return m_div(l, sum, m_reduce(l, MILLI_reduce_sum, share, 0, NULL, DROP_DIMS));
}

/* ONNX NegativeLogLikelihoodLoss-12, 13, 22. */
void lower_ONNX_NegativeLogLikelihoodLoss(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    elem_out(l, nll(l, n, elem_wide(l, x), l_in(l, 1), l_in_or_none(l, 2)), x);
}

/* The loss of the log-softmax of scores over axis 1; the log-softmax is the second output. ONNX
   SoftmaxCrossEntropyLoss-12, 13. */
void lower_ONNX_SoftmaxCrossEntropyLoss(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    elem_takes(l, x, "scores", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    l_declare(l, 1, m_dtype(l, x), 0, NULL);
    mval logp = m_log_softmax(l, elem_wide(l, x), 1);
    elem_out(l, nll(l, n, logp, l_in(l, 1), l_in_or_none(l, 2)), x);
    l_out(l, 1, m_cast_like(l, logp, x));
}
