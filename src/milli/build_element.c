/* Elementwise milli-ops and reductions. */
#include "milli/build_internal.h"

#include <string.h>

/* ---- Elementwise ----------------------------------------------------------------------------------- */

/* Broadcasts two dims as NumPy does. */
static dim broadcast_dim(lowering *l, dim a, dim b)
{
    int64_t x, y;
    if (dim_is_const(l->graph->dims, a, &x) && dim_is_const(l->graph->dims, b, &y) && x != y && x != 1 &&
        y != 1) {
        l_fail(l, SIB_ERR_ARGUMENT, "dims %lld and %lld do not broadcast", (long long)x, (long long)y);
        return DIM_NONE;
    }
    return d_broadcast(l, a, b);
}

/* Broadcasts dims b (b_rank) into out (*rank). */
static void broadcast_into(lowering *l, dim *out, int *rank, const dim *b, int b_rank)
{
    for (; *rank < b_rank; ++*rank) {
        memmove(out + 1, out, sizeof *out * (size_t)*rank);
        out[0] = d_const(l, 1);
    }
    out += *rank - b_rank;
    for (int i = 0; i < b_rank && l_ok(l); i++)
        out[i] = broadcast_dim(l, out[i], b[i]);
}

/* Broadcasts the dims of two tensors into out and returns the rank; fails where they do not broadcast. */
static int m_broadcast_dims(lowering *l, mval a, mval b, dim out[SIB_MAX_RANK])
{
    dim other[SIB_MAX_RANK];
    int rank = m_dims(l, a, out), n = m_dims(l, b, other);
    if (l_ok(l))
        broadcast_into(l, out, &rank, other, n);
    return l_ok(l) ? rank : 0;
}

mval m_unary(lowering *l, milli_kind kind, mval a)
{
    if (!l_ok(l) || a.id == NO_VALUE)
        return MVAL_NONE;
    value_type type = *m_type(l, a);
    if (kind == MILLI_is_nan || kind == MILLI_is_inf)
        type.dtype = SIB_BOOL;
    return build_one(l, kind, 1, &a, 0, NULL, &type);
}

mval m_binary(lowering *l, milli_kind kind, mval a, mval b)
{
    dim dims[SIB_MAX_RANK];
    if (!l_ok(l) || a.id == NO_VALUE || b.id == NO_VALUE)
        return MVAL_NONE;
    sib_dtype dtype = m_dtype(l, a);
    if (build_dtypes_differ(l, a, b))
        return l_fail(l, SIB_ERR_ARGUMENT, "%s of %s and %s: expected one dtype", milli_row(kind)->name,
                      sib_dtype_name(dtype), sib_dtype_name(m_dtype(l, b)));
    int rank = m_broadcast_dims(l, a, b, dims);
    if (kind == MILLI_equal || kind == MILLI_less || kind == MILLI_less_equal)
        dtype = SIB_BOOL;
    if (!l_ok(l))
        return MVAL_NONE;
    value_type type = m_tensor_type(l, dtype, (size_t)rank, dims);
    return build_one(l, kind, 2, (mval[]){a, b}, 0, NULL, &type);
}

mval m_where(lowering *l, mval condition, mval a, mval b)
{
    dim dims[SIB_MAX_RANK], third[SIB_MAX_RANK];
    if (!l_ok(l) || condition.id == NO_VALUE || a.id == NO_VALUE || b.id == NO_VALUE)
        return MVAL_NONE;
    if (m_dtype(l, condition) != SIB_BOOL && m_dtype(l, condition))
        return l_fail(l, SIB_ERR_ARGUMENT, "the condition is of %s, expected bool",
                      sib_dtype_name(m_dtype(l, condition)));
    if (build_dtypes_differ(l, a, b))
        return l_fail(l, SIB_ERR_ARGUMENT, "where of %s and %s: expected one dtype",
                      sib_dtype_name(m_dtype(l, a)), sib_dtype_name(m_dtype(l, b)));
    int rank = m_broadcast_dims(l, a, b, dims), n = m_dims(l, condition, third);
    if (!l_ok(l))
        return MVAL_NONE;
    broadcast_into(l, dims, &rank, third, n);
    if (!l_ok(l))
        return MVAL_NONE;
    value_type type = m_tensor_type(l, m_dtype(l, a), (size_t)rank, dims);
    return build_one(l, MILLI_where, 3, (mval[]){condition, a, b}, 0, NULL, &type);
}

static mval cast(lowering *l, mval a, sib_dtype to, bool saturate)
{
    if (l->oracle && (to == SIB_F32 || to == SIB_F16 || to == SIB_BF16))
        to = SIB_F64;
    if (!l_ok(l) || a.id == NO_VALUE || m_dtype(l, a) == to)
        return l_ok(l) ? a : MVAL_NONE;
    attribute attributes[] = {attribute_int("to", to), attribute_int("saturate", saturate)};
    value_type type = *m_type(l, a);
    type.dtype = to;
    return build_one(l, MILLI_cast, 1, &a, 2, attributes, &type);
}

mval m_cast(lowering *l, mval a, sib_dtype to)
{
    return cast(l, a, to, false);
}

mval m_cast_saturating(lowering *l, mval a, sib_dtype to)
{
    return cast(l, a, to, true);
}

mval m_cast_like(lowering *l, mval a, mval like)
{
    return m_cast(l, a, m_dtype(l, like));
}

mval m_bitcast(lowering *l, mval a, sib_dtype to)
{
    if (!l_ok(l) || a.id == NO_VALUE)
        return MVAL_NONE;
    if (sib_dtype_bits(to) != sib_dtype_bits(m_dtype(l, a)))
        return l_fail(l, SIB_ERR_ARGUMENT, "%s and %s have different widths", sib_dtype_name(m_dtype(l, a)),
                      sib_dtype_name(to));
    attribute attributes[] = {attribute_int("to", to)};
    value_type type = *m_type(l, a);
    type.dtype = to;
    return build_one(l, MILLI_bitcast, 1, &a, 1, attributes, &type);
}

mval m_add_number(lowering *l, mval a, double b)
{
    return m_add(l, a, m_scalar_like(l, a, b));
}

mval m_mul_number(lowering *l, mval a, double b)
{
    return m_mul(l, a, m_scalar_like(l, a, b));
}

mval m_reciprocal(lowering *l, mval a)
{
    return m_div(l, m_scalar_like(l, a, 1), a);
}

mval m_square(lowering *l, mval a)
{
    return m_mul(l, a, a);
}

mval m_clamp(lowering *l, mval a, mval low, mval high)
{
    if (low.id != NO_VALUE)
        a = m_max(l, a, low);
    return high.id != NO_VALUE ? m_min(l, a, high) : a;
}

mval m_sigmoid(lowering *l, mval a)
{
    /* In double, since e^-a soon overflows float16; where it overflows double, 1 / inf gives the correct
       0. */
    mval e = m_exp(l, m_neg(l, m_cast(l, a, SIB_F64)));
    return m_cast_like(l, m_reciprocal(l, m_add_number(l, e, 1)), a);
}

mval m_relu(lowering *l, mval a)
{
    return m_max(l, a, m_scalar_like(l, a, 0));
}

/* ---- Reductions ------------------------------------------------------------------------------------ */

/* Marks the axes of a reduction; all axes where none are given. */
static void mark_axes(lowering *l, bool *marked, int rank, size_t n, const int64_t *axes)
{
    for (int i = 0; i < rank; i++)
        marked[i] = !axes;
    for (size_t i = 0; i < n && l_ok(l); i++) {
        int axis = m_axis(l, axes[i], rank, "axis");
        if (l_ok(l))
            marked[axis] = true;
    }
}

/* Removes the marked axes of a, which have size 1. */
static mval drop_axes(lowering *l, mval a, const bool *marked)
{
    dim dims[SIB_MAX_RANK], left[SIB_MAX_RANK];
    size_t n = 0;
    int rank = m_dims(l, a, dims);
    for (int i = 0; i < rank; i++)
        if (!marked[i])
            left[n++] = dims[i];
    return m_reshape(l, a, n, left);
}

mval m_reduce(lowering *l, milli_kind kind, mval a, size_t n, const int64_t *axes, keep_dims keep)
{
    bool marked[SIB_MAX_RANK] = {false};
    int64_t list[SIB_MAX_RANK];
    size_t listed = 0;
    int rank = m_rank(l, a);
    mark_axes(l, marked, rank, n, axes);
    if (!l_ok(l) || a.id == NO_VALUE)
        return MVAL_NONE;
    value_type type = *m_type(l, a);
    for (int i = 0; i < rank; i++)
        if (marked[i]) {
            list[listed++] = i;
            type.shape.dims[i] = d_const(l, 1);
        }
    attribute attributes[] = {attribute_ints("axes", listed, list)};
    mval out = build_one(l, kind, 1, &a, 1, attributes, &type);
    return keep == KEEP_DIMS ? out : drop_axes(l, out, marked);
}

mval m_reduce_axis(lowering *l, milli_kind kind, mval a, int64_t axis, keep_dims keep)
{
    return m_reduce(l, kind, a, 1, &axis, keep);
}

mval m_reduce_mean(lowering *l, mval a, size_t n, const int64_t *axes, keep_dims keep)
{
    bool marked[SIB_MAX_RANK] = {false};
    dim dims[SIB_MAX_RANK], count = d_const(l, 1);
    int rank = m_dims(l, a, dims);
    mark_axes(l, marked, rank, n, axes);
    for (int i = 0; i < rank && l_ok(l); i++)
        if (marked[i])
            count = d_mul(l, count, dims[i]);
    mval sum = m_reduce(l, MILLI_reduce_sum, a, n, axes, keep);
    return m_div(l, sum, m_cast_like(l, m_dim_scalar(l, count), a));
}

mval m_arg(lowering *l, milli_kind kind, mval a, int64_t axis, bool last, keep_dims keep)
{
    bool marked[SIB_MAX_RANK] = {false};
    int rank = m_rank(l, a), at = m_axis(l, axis, rank, "axis");
    if (!l_ok(l) || a.id == NO_VALUE)
        return MVAL_NONE;
    value_type type = *m_type(l, a);
    type.dtype = SIB_I64;
    type.shape.dims[at] = d_const(l, 1);
    marked[at] = true;
    attribute attributes[] = {attribute_int("axis", at), attribute_int("last", last)};
    mval out = build_one(l, kind, 1, &a, 2, attributes, &type);
    return keep == KEEP_DIMS ? out : drop_axes(l, out, marked);
}

mval m_cumulative(lowering *l, milli_kind kind, mval a, int64_t axis)
{
    int rank = m_rank(l, a), at = m_axis(l, axis, rank, "axis");
    if (!l_ok(l) || a.id == NO_VALUE)
        return MVAL_NONE;
    attribute attributes[] = {attribute_int("axis", at)};
    value_type type = *m_type(l, a);
    return build_one(l, kind, 1, &a, 1, attributes, &type);
}

mval m_softmax(lowering *l, mval a, int64_t axis)
{
    mval shifted = m_sub(l, a, m_reduce_axis(l, MILLI_reduce_max, a, axis, KEEP_DIMS));
    mval e = m_exp(l, shifted);
    return m_div(l, e, m_reduce_axis(l, MILLI_reduce_sum, e, axis, KEEP_DIMS));
}

mval m_log_softmax(lowering *l, mval a, int64_t axis)
{
    mval shifted = m_sub(l, a, m_reduce_axis(l, MILLI_reduce_max, a, axis, KEEP_DIMS));
    mval sum = m_reduce_axis(l, MILLI_reduce_sum, m_exp(l, shifted), axis, KEEP_DIMS);
    return m_sub(l, shifted, m_log(l, sum));
}
