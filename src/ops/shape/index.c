/* Elements by index: Gather, Scatter and related operators, OneHot, NonZero. Negative indices count from the
   end; one that is out of range is an error at run time. */
#include "ops/lower/elem.h"

#include <string.h>

/* out[i..., j..., k...] = data[i..., indices[j...], k...]. ONNX Gather-13. */
void lower_ONNX_Gather(lowering *l, const node *n)
{
    mval x = l_in(l, 0), indices = l_in(l, 1);
    int at = m_axis(l, spec_gather(n).axis, m_rank(l, x), "axis");
    l_out(l, 0, m_gather(l, x, m_wrap_index(l, indices, m_dim(l, x, at)), at));
}

/* out[i..., j, k...] = data[i..., indices[i..., j, k...], k...]. ONNX GatherElements-13. */
void lower_ONNX_GatherElements(lowering *l, const node *n)
{
    mval x = l_in(l, 0), indices = l_in(l, 1);
    int at = m_axis(l, spec_gather(n).axis, m_rank(l, x), "axis");
    l_out(l, 0, m_gather_elements(l, x, m_wrap_index(l, indices, m_dim(l, x, at)), at));
}

/* Makes negative coordinates [..., depth] into the axes of x from `first` on count from the start. */
static mval wrap_coordinates(lowering *l, mval indices, mval x, int first)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    int64_t depth = m_size(l, indices, -1);
    if (!l_ok(l))
        return MVAL_NONE;
    if (depth < 0 || depth > rank - first)
        return l_fail(l, SIB_ERR_ARGUMENT, "indices of depth %lld into %d axes", (long long)depth,
                      rank - first);
    indices = m_cast(l, indices, SIB_I64);
    mval sizes = m_dim_vector(l, (size_t)depth, dims + first), zero = m_scalar_int(l, SIB_I64, 0);
    return m_where(l, m_less(l, indices, zero), m_add(l, indices, sizes), indices);
}

/* out[b..., i..., k...] = data[b..., indices[b..., i..., :], k...] with batch_dims axes b. ONNX
   GatherND-13. */
void lower_ONNX_GatherND(lowering *l, const node *n)
{
    mval x = l_in(l, 0), indices = l_in(l, 1);
    int rank = m_rank(l, x), other = m_rank(l, indices);
    int64_t batch = spec_gather(n).batch_dims;
    if (l->symbolic)
        l_declare(l, 0, m_dtype(l, x), 0, NULL);
    if (l_ok(l) && (batch < 0 || batch >= rank || batch >= other)) {
        l_fail(l, SIB_ERR_ARGUMENT, "batch_dims %lld with data of rank %d and indices of rank %d",
               (long long)batch, rank, other);
        return;
    }
    l_out(l, 0, m_gather_nd(l, x, wrap_coordinates(l, indices, x, (int)batch), (int)batch));
}

/* ---- Scatter --------------------------------------------------------------------------------- */

/* The names that the milli-op has for the reductions. */
static const char *const reduction_names[] = {"none", "add", "mul", "max", "min"};

/* Full coordinates [i..., j, k..., rank] for indices that replace the coordinate of axis `at`. */
static mval coordinates(lowering *l, mval indices, int at)
{
    dim dims[SIB_MAX_RANK], column[SIB_MAX_RANK];
    mval parts[SIB_MAX_RANK];
    int rank = m_dims(l, indices, dims);
    for (int i = 0; i < rank && l_ok(l); i++) {
        for (int k = 0; k < rank; k++)
            column[k] = k == i ? dims[k] : d_const(l, 1);
        mval line = m_reshape(l, m_iota(l, SIB_I64, dims[i]), (size_t)rank, column);
        parts[i] = i == at ? indices : m_expand(l, line, (size_t)rank, dims);
    }
    return l_ok(l) ? m_stack(l, (size_t)rank, parts, rank) : MVAL_NONE;
}

/* data, then in order data[i..., indices[i..., j, k...], k...] = (or += *= min= max=) updates[i..., j, k...].
   ONNX ScatterElements-18. */
void lower_ONNX_ScatterElements(lowering *l, const node *n)
{
    mval x = l_in(l, 0), indices = l_in(l, 1), updates = l_in(l, 2);
    int rank = m_rank(l, x), at = m_axis(l, spec_scatter(n).axis, rank, "axis");
    const char *reduction = reduction_names[spec_scatter(n).reduction];
    if (l_ok(l) && (m_rank(l, indices) != rank || m_rank(l, updates) != rank)) {
        l_fail(l, SIB_ERR_ARGUMENT, "indices of rank %d and updates of rank %d into a tensor of rank %d",
               m_rank(l, indices), m_rank(l, updates), rank);
        return;
    }
    indices = m_wrap_index(l, indices, m_dim(l, x, at));
    l_out(l, 0, m_scatter_nd(l, x, coordinates(l, indices, at), updates, reduction));
}

/* The former name of ScatterElements. ONNX Scatter-9. */
void lower_ONNX_Scatter(lowering *l, const node *n)
{
    lower_ONNX_ScatterElements(l, n);
}

/* data, then in order data[indices[i..., :], k...] = (or += *= min= max=) updates[i..., k...]. ONNX
   ScatterND-18. */
void lower_ONNX_ScatterND(lowering *l, const node *n)
{
    mval x = l_in(l, 0), indices = l_in(l, 1), updates = l_in(l, 2);
    dim dims[SIB_MAX_RANK];
    const char *reduction = reduction_names[spec_scatter(n).reduction];
    m_dims(l, x, dims);
    if (l->symbolic)
        elem_declare_like(l, x, dims);
    l_out(l, 0, m_scatter_nd(l, x, wrap_coordinates(l, indices, x, 0), updates, reduction));
}

/* Writes new entries into a cache: out[b, ..., write_indices[b] + s, ...] = update[b, ..., s, ...] along an
   axis, the position modulo the size of the axis in mode circular. write_indices are 0 where omitted. ONNX
   TensorScatter-24. */
void lower_ONNX_TensorScatter(lowering *l, const node *n)
{
    mval cache = l_in(l, 0), update = l_in(l, 1), parts[2];
    tensor_scatter_spec spec = spec_tensor_scatter(n);
    int rank = m_rank(l, cache), axis = m_axis(l, spec.axis, rank, "axis");
    if (l_ok(l) && !axis) {
        l_fail(l, SIB_ERR_ARGUMENT, "axis 0 is the batch axis, expected another one");
        return;
    }
    if (l_ok(l) && m_rank(l, update) != rank) {
        l_fail(l, SIB_ERR_ARGUMENT, "an update of rank %d for a cache of rank %d", m_rank(l, update), rank);
        return;
    }
    cache = m_move(l, cache, axis, 1); /* [B, S, ...] */
    update = m_move(l, update, axis, 1);
    dim batch = m_dim(l, cache, 0), length = m_dim(l, cache, 1), pair[2] = {batch, m_dim(l, update, 1)};
    mval step = m_iota(l, SIB_I64, pair[1]), row = m_unsqueeze(l, m_iota(l, SIB_I64, batch), 1);
    mval at = l_has(l, 2) ? m_unsqueeze(l, m_cast(l, l_in(l, 2), SIB_I64), 1) /* [B, 1] */
                          : m_scalar_int(l, SIB_I64, 0);
    at = m_expand(l, m_add(l, at, step), 2, pair); /* [B, s] */
    if (spec.mode == CACHE_CIRCULAR)
        at = m_mod(l, at, m_dim_scalar(l, length));
    parts[0] = m_expand(l, row, 2, pair);
    parts[1] = at;
    cache = m_scatter_nd(l, cache, m_stack(l, 2, parts, 2), update, "none");
    l_out(l, 0, m_move(l, cache, 1, axis));
}

/* ---- Where something is ---------------------------------------------------------------------- */

/* The number of classes, which may be a float or a list of one element. */
static dim depth_of(lowering *l, mval depth)
{
    dim d[1] = {DIM_NONE};
    if (m_is(l, depth, SIB_KIND_INT) || m_is(l, depth, SIB_KIND_UINT)) {
        if (m_elements(l, depth, d, 1) != 1 && l_ok(l))
            l_fail(l, SIB_ERR_ARGUMENT, "depth is empty");
    } else {
        double number = m_float(l, depth);
        if (l_ok(l) && !(number >= 0 && number < 1e15))
            l_fail(l, SIB_ERR_ARGUMENT, "depth is %g", number);
        d[0] = d_const(l, l_ok(l) ? (int64_t)number : 0);
    }
    int64_t classes;
    if (l_ok(l) && dim_is_const(l->graph->dims, d[0], &classes) && classes < 0)
        l_fail(l, SIB_ERR_ARGUMENT, "depth is %lld", (long long)classes);
    return l_ok(l) ? d[0] : DIM_NONE;
}

/* values[1] where the position along a new axis of size depth equals the index, else values[0]; an index
   out of range gives values[0] everywhere. From opset 11 on negative indices count from the end. ONNX
   OneHot-11. */
void lower_ONNX_OneHot(lowering *l, const node *n)
{
    mval indices = l_in(l, 0), values = l_in(l, 2);
    dim dims[SIB_MAX_RANK], column[SIB_MAX_RANK], wide[SIB_MAX_RANK];
    int rank = m_dims(l, indices, dims), at = m_axis(l, spec_one_hot(n).axis, rank + 1, "axis"), from = 0;
    if (l_ok(l) && rank == SIB_MAX_RANK)
        l_fail(l, SIB_ERR_SIZE, "indices of rank %d", rank);
    for (int i = 0; i <= rank && l_ok(l); i++) {
        column[i] = d_const(l, 1);
        wide[i] = i == at ? DIM_NONE : dims[from++];
    }
    if (!l_ok(l))
        return;
    if (l->symbolic)
        l_declare(l, 0, m_dtype(l, values), rank + 1, wide);
    dim depth = depth_of(l, l_in(l, 1));
    column[at] = depth;
    if (m_dtype(l, indices) == SIB_U64) /* values beyond int64 are no class, and must not become negative */
        indices = m_min(l, indices, m_scalar_int(l, SIB_U64, INT64_MAX));
    indices = m_cast(l, indices, SIB_I64);
    if (n->version >= 11)
        indices = m_wrap_index(l, indices, depth);
    mval classes = m_reshape(l, m_iota(l, SIB_I64, depth), (size_t)rank + 1, column);
    mval hot = m_equal(l, m_unsqueeze(l, indices, at), classes);
    mval off_value = m_squeeze(l, m_slice_numbers(l, values, 0, 0, 1), 0);
    mval on_value = m_squeeze(l, m_slice_numbers(l, values, 0, 1, 1), 0);
    l_out(l, 0, m_where(l, hot, on_value, off_value));
}

/* The coordinates of elements that are not 0, row-major, as [rank, count]. ONNX NonZero-13. */
void lower_ONNX_NonZero(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_nonzero(l, l_in(l, 0)));
}
