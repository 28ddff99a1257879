/* Operators of onnxruntime-extensions on rows of several lengths, and other small ones: domain
   ai.onnx.contrib. */
#include "ops/lower/elem.h"

/* Input i, of rank 1. */
static mval list_in(lowering *l, size_t i, const char *what)
{
    mval v = l_in(l, i);
    if (l_ok(l) && m_rank(l, v) != 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has rank %d, expected 1", what, m_rank(l, v));
    return v;
}

/* The strings where mask is true. ai.onnx.contrib MaskedFill-1. */
void lower_CONTRIB_MaskedFill(lowering *l, const node *n)
{
    (void)n;
    mval x = list_in(l, 0, "value"), mask = list_in(l, 1, "mask");
    if (!elem_takes(l, x, "value", ELEM(SIB_STRING)) || !elem_takes(l, mask, "mask", ELEM(SIB_BOOL)))
        return;
    elem_declare(l, SIB_STRING);
    if (!elem_same_dims(l, x, mask))
        l_fail(l, SIB_ERR_ARGUMENT, "value and mask have different dims");
    l_out(l, 0, m_gather(l, x, m_squeeze(l, m_nonzero(l, mask), 0), 0));
}

/* min(X, 0) and max(X, 0); NaN goes to the first. ai.onnx.contrib NegPos-1. */
void lower_CONTRIB_NegPos(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    mval zero = m_scalar_like(l, x, 0), above = m_less(l, zero, x);
    l_out(l, 0, m_where(l, above, zero, x));
    l_out(l, 1, m_where(l, above, x, zero));
}

/* out[s] = the sum of the rows data[i] with segment_ids[i] = s, which ascend from row to row by 0 or 1, for s
   up to the last. ai.onnx.contrib SegmentSum-1. */
void lower_CONTRIB_SegmentSum(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0), ids = list_in(l, 1, "segment_ids");
    dim dims[SIB_MAX_RANK];
    if (!elem_takes(l, x, "data", ELEM_FLOATS) || !elem_takes(l, ids, "segment_ids", ELEM(SIB_I64)))
        return;
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && rank < 1)
        l_fail(l, SIB_ERR_ARGUMENT, "data is a scalar");
    if (!l_ok(l))
        return;
    dim count = m_dim(l, ids, 0), rows = DIM_NONE;
    int64_t given, wanted;
    if (dim_is_const(l->graph->dims, count, &given) && dim_is_const(l->graph->dims, dims[0], &wanted) &&
        (given != wanted || !given)) {
        l_fail(l, SIB_ERR_ARGUMENT, "%lld segment_ids for %lld rows", (long long)given, (long long)wanted);
        return;
    }
    dims[0] = DIM_NONE;
    l_declare(l, 0, m_dtype(l, x), rank, dims);
    mval last = m_slice(l, ids, 0, d_sub(l, count, d_const(l, 1)), d_const(l, 1), 1);
    m_elements(l, m_add(l, last, m_scalar_int(l, SIB_I64, 1)), &rows, 1);
    if (l_ok(l) && dim_is_const(l->graph->dims, rows, &given) && given < 1)
        l_fail(l, SIB_ERR_ARGUMENT, "the last of segment_ids is %lld", (long long)given - 1);
    if (!l_ok(l))
        return;
    dims[0] = rows;
    mval none = m_filled(l, m_scalar_like(l, x, 0), (size_t)rank, dims);
    l_out(l, 0, m_scatter_nd(l, none, m_unsqueeze(l, ids, 1), x, "add"));
}

/* Row splits [n + 1] as what a dense form needs: lengths [n], and the largest of them. */
typedef struct row_splits {
    dim rows, columns;
    mval first, filled; /* [n, 1] the index of each row's first element; bool [n, columns] */
} row_splits;

static row_splits read_splits(lowering *l, mval splits, sib_dtype dtype)
{
    row_splits r = {DIM_NONE, DIM_NONE, MVAL_NONE, MVAL_NONE};
    if (!elem_takes(l, splits, "row splits", ELEM(SIB_I64)))
        return r;
    int64_t count;
    dim given = m_dim(l, splits, 0), one = d_const(l, 1);
    if (dim_is_const(l->graph->dims, given, &count) && count < 1)
        l_fail(l, SIB_ERR_ARGUMENT, "there are no row splits, expected one more than rows");
    if (!l_ok(l))
        return r;
    r.rows = d_sub(l, given, one);
    l_declare(l, 0, dtype, 2, (dim[]){dtype == SIB_I64 && !l_has(l, 1) ? DIM_NONE : r.rows, DIM_NONE});
    mval begin = m_slice(l, splits, 0, d_const(l, 0), r.rows, 1);
    mval length = m_sub(l, m_slice(l, splits, 0, one, r.rows, 1), begin);
    mval none = m_int64s(l, 1, (int64_t[]){0});
    mval low = m_reduce(l, MILLI_reduce_min, m_concat(l, 2, (mval[]){length, none}, 0), 0, NULL, DROP_DIMS);
    mval most = m_reduce(l, MILLI_reduce_max, m_concat(l, 2, (mval[]){length, none}, 0), 0, NULL, DROP_DIMS);
    int64_t lowest = m_int(l, low);
    if (l_ok(l) && lowest < 0)
        l_fail(l, SIB_ERR_ARGUMENT, "row splits descend");
    m_elements(l, most, &r.columns, 1);
    if (!l_ok(l))
        return r;
    r.first = m_unsqueeze(l, begin, 1);
    r.filled = m_less(l, m_iota(l, SIB_I64, r.columns), m_unsqueeze(l, length, 1));
    return r;
}

/* [n, longest row] of values, whose row i is from splits[i] to splits[i + 1], padded with missing. Inputs: one
   that is not read, values, missing, splits. ai.onnx.contrib RaggedTensorToDense-1. */
void lower_CONTRIB_RaggedTensorToDense(lowering *l, const node *n)
{
    (void)n;
    mval values = list_in(l, 1, "values"), missing = l_in(l, 2);
    if (!elem_takes(l, values, "values", ELEM(SIB_I64)))
        return;
    elem_declare(l, SIB_I64);
    row_splits r = read_splits(l, list_in(l, 3, "row splits"), SIB_I64);
    if (!l_ok(l))
        return;
    mval filler = m_reshape_numbers(l, elem_scalar(l, missing, "missing"), 1, (int64_t[]){1});
    mval at = m_add(l, r.first, m_iota(l, SIB_I64, r.columns));
    at = m_where(l, r.filled, at, m_dim_scalar(l, m_dim(l, values, 0)));
    l_out(l, 0, m_gather(l, m_concat(l, 2, (mval[]){values, filler}, 0), at, 0));
}

/* Row and column of each element of rows from splits[i] to splits[i + 1], and the dims of the dense form.
   ai.onnx.contrib RaggedTensorToSparse-1. */
void lower_CONTRIB_RaggedTensorToSparse(lowering *l, const node *n)
{
    (void)n;
    elem_declare(l, SIB_I64);
    l_declare(l, 1, SIB_I64, 1, (dim[]){d_const(l, 2)});
    row_splits r = read_splits(l, list_in(l, 0, "row splits"), SIB_I64);
    if (!l_ok(l))
        return;
    l_out(l, 0, m_swap(l, m_nonzero(l, r.filled), 0, 1));
    l_out(l, 1, m_dim_vector(l, 2, (dim[]){r.rows, r.columns}));
}

/* RaggedTensorToDense of strings, padded with "". Inputs: one that is not read, values, splits, of which as many count as the
   last has strings. ai.onnx.contrib StringRaggedTensorToDense-1, as onnxruntime-extensions computes it. */
void lower_CONTRIB_StringRaggedTensorToDense(lowering *l, const node *n)
{
    (void)n;
    mval values = list_in(l, 1, "values"), splits = list_in(l, 2, "row splits"), last = l_in(l, 3);
    dim dims[SIB_MAX_RANK];
    if (!elem_takes(l, values, "values", ELEM(SIB_STRING)))
        return;
    elem_declare(l, SIB_STRING);
    int rank = m_dims(l, last, dims);
    if (!l_ok(l))
        return;
    splits = m_slice(l, splits, 0, d_const(l, 0), d_product(l, (size_t)rank, dims), 1);
    row_splits r = read_splits(l, splits, SIB_STRING);
    if (!l_ok(l))
        return;
    mval at = m_add(l, r.first, m_iota(l, SIB_I64, r.columns));
    at = m_where(l, r.filled, at, m_dim_scalar(l, m_dim(l, values, 0)));
    mval padded = m_concat(l, 2, (mval[]){values, m_strings(l, 1, &(sib_str){"", 0})}, 0);
    l_out(l, 0, m_gather(l, padded, at, 0));
}

/* Runs of equal numbers other than 0 in a list or [1, n]: where each begins and ends, [runs, 2], and its number.
   ai.onnx.contrib SegmentExtraction-1. */
void lower_CONTRIB_SegmentExtraction(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0), zero = m_scalar_int(l, SIB_I64, 0);
    dim open = DIM_NONE, dims[SIB_MAX_RANK];
    if (!elem_takes(l, x, "input", ELEM(SIB_I64)))
        return;
    l_declare(l, 0, SIB_I64, 2, (dim[]){open, d_const(l, 2)});
    l_declare(l, 1, SIB_I64, 1, &open);
    int64_t rows = 1;
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && rank == 2)
        dim_is_const(l->graph->dims, dims[0], &rows);
    if (l_ok(l) && (rank < 1 || rank > 2 || rows != 1))
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected a list or one row", rank);
    if (!l_ok(l))
        return;
    dim one = d_const(l, 1), count = dims[rank - 1];
    mval list = m_reshape(l, x, 1, &count);
    mval before =
        m_slice(l, m_pad_axis(l, list, 0, one, one, MVAL_NONE), 0, d_const(l, 0), d_add(l, count, one), 1);
    mval after = m_pad_axis(l, list, 0, d_const(l, 0), one, MVAL_NONE); /* [n + 1]: i - 1 and i at i */
    mval differ = m_not(l, m_equal(l, before, after));
    mval begins = m_and(l, differ, m_not(l, m_equal(l, after, zero)));
    mval ends = m_and(l, differ, m_not(l, m_equal(l, before, zero)));
    mval first = m_squeeze(l, m_nonzero(l, begins), 0), last = m_squeeze(l, m_nonzero(l, ends), 0);
    l_out(l, 0, m_stack(l, 2, (mval[]){first, last}, 1));
    l_out(l, 1, m_gather(l, list, first, 0));
}

/* X^-1 of a matrix. ai.onnx.contrib Inverse-1. */
void lower_CONTRIB_Inverse(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    if (elem_takes(l, x, "X", ELEM_FLOATS) && m_rank(l, x) != 2 && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected 2", m_rank(l, x));
    lower_MS_Inverse(l, n);
}
