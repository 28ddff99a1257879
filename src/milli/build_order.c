/* Contraction, order and lookup. */
#include "milli/build_internal.h"

mval m_matmul(lowering *l, mval a, mval b)
{
    dim x[SIB_MAX_RANK], y[SIB_MAX_RANK], out[SIB_MAX_RANK], one = d_const(l, 1);
    int n = m_dims(l, a, x), k = m_dims(l, b, y), rank = n > k ? n : k;
    int64_t inner_a, inner_b;
    if (!l_ok(l) || a.id == NO_VALUE || b.id == NO_VALUE)
        return MVAL_NONE;
    if (n < 2 || k < 2)
        return l_fail(l, SIB_ERR_ARGUMENT, "matmul of ranks %d and %d: expected at least 2", n, k);
    if (build_dtypes_differ(l, a, b))
        return l_fail(l, SIB_ERR_ARGUMENT, "matmul of %s and %s: expected one dtype",
                      sib_dtype_name(m_dtype(l, a)), sib_dtype_name(m_dtype(l, b)));
    if (dim_is_const(l->graph->dims, x[n - 1], &inner_a) &&
        dim_is_const(l->graph->dims, y[k - 2], &inner_b) && inner_a != inner_b)
        return l_fail(l, SIB_ERR_ARGUMENT, "matmul of %lld columns with %lld rows", (long long)inner_a,
                      (long long)inner_b);
    for (int i = 0; i < rank - 2 && l_ok(l); i++) {
        int at_a = i - (rank - n), at_b = i - (rank - k);
        dim p = at_a < 0 ? one : x[at_a], q = at_b < 0 ? one : y[at_b];
        int64_t u, v;
        if (dim_is_const(l->graph->dims, p, &u) && dim_is_const(l->graph->dims, q, &v) && u != v && u != 1 &&
            v != 1)
            return l_fail(l, SIB_ERR_ARGUMENT, "matmul of batches %lld and %lld", (long long)u, (long long)v);
        out[i] = d_broadcast(l, p, q);
    }
    out[rank - 2] = x[n - 2];
    out[rank - 1] = y[k - 1];
    value_type type = m_tensor_type(l, m_dtype(l, a), (size_t)rank, out);
    return build_one(l, MILLI_matmul, 2, (mval[]){a, b}, 0, NULL, &type);
}

mval m_sort(lowering *l, mval a, int axis, bool descending, mval *indices)
{
    int rank = m_rank(l, a), at = m_axis(l, axis, rank, "axis");
    mval out[2] = {MVAL_NONE, MVAL_NONE};
    if (l_ok(l) && a.id != NO_VALUE) {
        attribute attributes[] = {attribute_int("axis", at), attribute_int("descending", descending)};
        value_type types[2] = {*m_type(l, a), *m_type(l, a)};
        types[1].dtype = SIB_I64;
        m_emit(l, MILLI_sort, 1, &a, 2, attributes, 2, types, out);
    }
    if (indices)
        *indices = out[1];
    return out[0];
}

mval m_lookup(lowering *l, mval a, mval list)
{
    if (!l_ok(l) || a.id == NO_VALUE || list.id == NO_VALUE)
        return MVAL_NONE;
    if (build_dtypes_differ(l, a, list) || m_rank(l, list) != 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "a lookup of %s needs a list of the same dtype, not %s",
                      sib_dtype_name(m_dtype(l, a)), sib_dtype_name(m_dtype(l, list)));
    value_type type = *m_type(l, a);
    type.dtype = SIB_I64;
    return build_one(l, MILLI_lookup, 2, (mval[]){a, list}, 0, NULL, &type);
}

mval m_nonzero(lowering *l, mval a)
{
    const int rank = m_rank(l, a);
    if (!l_ok(l) || a.id == NO_VALUE)
        return MVAL_NONE;
    value_type type = m_tensor_type(l, SIB_I64, 2, (dim[]){d_const(l, rank), DIM_NONE});
    return build_one(l, MILLI_nonzero, 1, &a, 0, NULL, &type);
}

void m_unique(lowering *l, mval a, int axis, bool flat, bool sorted, mval out[4])
{
    dim dims[SIB_MAX_RANK], count, all;
    int rank = m_dims(l, a, dims), at = flat ? 0 : m_axis(l, axis, rank, "axis");
    for (int i = 0; i < 4; i++)
        out[i] = MVAL_NONE;
    if (!l_ok(l) || a.id == NO_VALUE)
        return;
    count = dim_fresh(l->graph->dims);
    if (flat) {
        all = d_product(l, (size_t)rank, dims);
        dims[0] = count;
        rank = 1;
    } else {
        all = dims[at];
        dims[at] = count;
    }
    value_type types[4] = {m_tensor_type(l, m_dtype(l, a), (size_t)rank, dims),
                           m_tensor_type(l, SIB_I64, 1, &count), m_tensor_type(l, SIB_I64, 1, &all),
                           m_tensor_type(l, SIB_I64, 1, &count)};
    attribute attributes[] = {attribute_int("axis", at), attribute_int("flat", flat),
                              attribute_int("sorted", sorted)};
    m_emit(l, MILLI_unique, 1, &a, 3, attributes, 4, types, out);
}
