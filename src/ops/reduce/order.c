/* Order and running values: Unique, TopK, ArgMax, ArgMin, Hardmax, CumSum, CumProd. */
#include "ops/lower/elem.h"

/* The distinct elements, or slices along an axis; the index where each first appears; for each element its
   index among them; and their counts. Ascending, or in order of appearance. ONNX Unique-11. */
void lower_ONNX_Unique(lowering *l, const node *n)
{
    unique_spec spec = spec_unique(n);
    const bool flat = spec.axis == SPEC_ABSENT;
    mval out[4];
    m_unique(l, l_in(l, 0), flat ? 0 : (int)spec.axis, flat, spec.sorted, out);
    for (size_t i = 0; i < 4; i++)
        l_out(l, i, out[i]);
}

/* The k largest or smallest elements along an axis in order, on ties the smaller index first, and their
   indices. k is an attribute before opset 10. With sorted 0 (from opset 11 on) any order is allowed, and they
   are sorted too. ONNX TopK-24. */
void lower_ONNX_TopK(lowering *l, const node *n)
{
    top_k_spec spec = spec_top_k(n);
    mval x = l_in(l, 0), indices;
    dim dims[SIB_MAX_RANK], k[1] = {DIM_NONE}, zero = d_const(l, 0);
    int rank = m_dims(l, x, dims), at = m_axis(l, spec.axis, rank, "axis");
    if (!l_ok(l))
        return;
    dim size = dims[at];
    dims[at] = DIM_NONE;
    if (l->symbolic) {
        l_declare(l, 0, m_dtype(l, x), rank, dims);
        l_declare(l, 1, SIB_I64, rank, dims);
    }
    if (n->version < 10)
        k[0] = d_const(l, spec.k);
    else if (m_elements(l, l_in(l, 1), k, 1) != 1 && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "K is empty");
    int64_t wanted, have;
    if (l_ok(l) && dim_is_const(l->graph->dims, k[0], &wanted) &&
        (wanted < 0 || (dim_is_const(l->graph->dims, size, &have) && wanted > have)))
        l_fail(l, SIB_ERR_ARGUMENT, "K is %lld, which is out of range on axis %d", (long long)wanted, at);
    mval values = m_sort(l, x, at, spec.largest, &indices);
    l_out(l, 0, m_slice(l, values, at, zero, k[0], 1));
    l_out(l, 1, m_slice(l, indices, at, zero, k[0], 1));
}

static void lower_arg(lowering *l, const node *n, milli_kind kind)
{
    arg_spec spec = spec_arg(n);
    keep_dims keep = spec.keepdims ? KEEP_DIMS : DROP_DIMS;
    mval x = l_in(l, 0);
    int64_t axis = spec.axis;
    l_out(l, 0, m_arg(l, kind, x, axis, spec.select_last_index, keep));
}

/* The index of the largest element along an axis; on ties the first or the last. ONNX ArgMax-13. */
void lower_ONNX_ArgMax(lowering *l, const node *n)
{
    lower_arg(l, n, MILLI_arg_max);
}

/* The index of the smallest element along an axis; on ties the first or the last. ONNX ArgMin-13. */
void lower_ONNX_ArgMin(lowering *l, const node *n)
{
    lower_arg(l, n, MILLI_arg_min);
}

/* 1 at the first maximum along an axis, 0 elsewhere. Before opset 13 all axes from `axis` on count as one.
   ONNX Hardmax-13. */
void lower_ONNX_Hardmax(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    softmax_spec spec = spec_softmax(n);
    bool flat = spec.to_end;
    int at = flat && spec.axis == rank ? rank : m_axis(l, spec.axis, rank, "axis");
    int64_t count;
    if (l_ok(l) && dim_is_const(l->graph->dims, d_product(l, (size_t)rank, dims), &count) && !count) {
        l_out(l, 0, x);
        return;
    }
    mval rows = flat ? m_flatten(l, x, at, rank) : x;
    mval best = m_arg(l, MILLI_arg_max, rows, at, false, KEEP_DIMS);
    mval place = m_iota(l, SIB_I64, m_dim(l, rows, at)); /* along `at`, with rank - 1 - at axes to follow */
    for (int i = at + 1; i < (flat ? at + 1 : rank) && l_ok(l); i++)
        place = m_unsqueeze(l, place, -1);
    mval hot = m_cast_like(l, m_equal(l, place, best), x);
    l_out(l, 0, flat ? m_reshape(l, hot, (size_t)rank, dims) : hot);
}

/* Running sums or products along an axis, including each element or without it (exclusive), from the end if
   reverse. start: 0 for sums, 1 for products. */
static void lower_running(lowering *l, const node *n, milli_kind kind, double start)
{
    running_spec spec = spec_running(n);
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK], zero = d_const(l, 0), one = d_const(l, 1);
    bool reverse = spec.reverse;
    int64_t size;
    int rank = m_dims(l, x, dims);
    if (l->symbolic)
        elem_declare_like(l, x, dims);
    int at = m_axis(l, m_int(l, l_in(l, 1)), rank, "axis");
    if (!l_ok(l))
        return;
    if (dim_is_const(l->graph->dims, dims[at], &size) && !size) {
        l_out(l, 0, x);
        return;
    }
    if (reverse)
        x = m_reverse(l, x, at);
    if (spec.exclusive) {
        x = m_slice(l, x, at, zero, d_sub(l, dims[at], one), 1);
        x = m_pad_axis(l, x, at, one, zero, m_scalar_like(l, x, start));
    }
    x = m_cumulative(l, kind, x, at);
    l_out(l, 0, reverse ? m_reverse(l, x, at) : x);
}

/* out[i] = x[0] + ... + x[i] along an axis. ONNX CumSum-14. */
void lower_ONNX_CumSum(lowering *l, const node *n)
{
    lower_running(l, n, MILLI_cumulative_sum, 0);
}

/* out[i] = x[0] * ... * x[i] along an axis. ONNX CumProd-26. */
void lower_ONNX_CumProd(lowering *l, const node *n)
{
    lower_running(l, n, MILLI_cumulative_prod, 1);
}
