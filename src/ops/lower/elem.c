#include "ops/lower/elem.h"

bool elem_takes(lowering *l, mval v, const char *what, elem_set set)
{
    if (!l_ok(l))
        return false;
    const value_type *type = m_type(l, v);
    sib_dtype dtype = type->dtype;
    if (type->depth || (type->leaf != TYPE_TENSOR && type->leaf != TYPE_UNKNOWN)) {
        char text[120];
        l_fail(l, SIB_ERR_ARGUMENT, "%s is %s, expected a tensor", what,
               type_text(l->graph->dims, type, text, sizeof text));
        return false;
    }
    if (dtype == SIB_DTYPE_UNKNOWN && l->symbolic) {
        l->status = LOWER_NEEDS_DIMS; /* the output of an unknown operator */
        return false;
    }
    if (elem_in(set & ~ELEM(SIB_DTYPE_UNKNOWN), dtype))
        return true;
    l_fail(l, SIB_ERR_ARGUMENT, "%s is %s, which this operator does not support", what,
           sib_dtype_name(dtype));
    return false;
}

mval elem_wide(lowering *l, mval v)
{
    return m_cast(l, v, SIB_F64);
}

mval elem_number(lowering *l, double x)
{
    return m_scalar(l, SIB_F64, x);
}

void elem_declare(lowering *l, sib_dtype dtype)
{
    l_declare(l, 0, dtype, 0, NULL);
}

void elem_out(lowering *l, mval wide, mval x)
{
    l_out(l, 0, m_cast_like(l, wide, x));
}

mval elem_scalar(lowering *l, mval v, const char *what)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, v, dims);
    if (!l_ok(l) || rank == 0)
        return v;
    int64_t count = m_number(l, d_product(l, (size_t)rank, dims));
    if (l_ok(l) && count != 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s has %lld elements, expected one", what, (long long)count);
    return m_reshape(l, v, 0, NULL);
}

dim elem_count(lowering *l, mval v, const char *what)
{
    dim count = DIM_NONE;
    int64_t number;
    m_elements(l, elem_scalar(l, v, what), &count, 1);
    if (l_ok(l) && dim_is_const(l->graph->dims, count, &number) && number < 0)
        l_fail(l, SIB_ERR_ARGUMENT, "%s is %lld, expected 0 or more", what, (long long)number);
    return l_ok(l) ? count : DIM_NONE;
}

/* Broadcasts b to a, with b's first dim at `axis` of a: appends dims of 1 to b up to the rank of a. */
static mval legacy_align(lowering *l, const node *n, mval a, mval b)
{
    dim a_dims[SIB_MAX_RANK], b_dims[SIB_MAX_RANK], dims[SIB_MAX_RANK];
    int a_rank = m_dims(l, a, a_dims), b_rank = m_dims(l, b, b_dims);
    if (!l_ok(l))
        return MVAL_NONE;
    bool single = true;
    for (int i = 0; i < b_rank; i++)
        single = single && dim_same(b_dims[i], d_const(l, 1));
    if (single)
        return m_reshape(l, b, 0, NULL);
    int axis = a_rank - b_rank;
    int64_t given = spec_broadcast(n).axis;
    if (given != SPEC_ABSENT)
        axis = m_axis(l, given, a_rank, "axis");
    if (!l_ok(l))
        return MVAL_NONE;
    /* b of a higher rank must have one element, which inference may not know yet */
    if (axis < 0 && m_number(l, d_product(l, (size_t)b_rank, b_dims)) == 1)
        return m_reshape(l, b, 0, NULL);
    if (axis < 0 || axis + b_rank > a_rank)
        return l_fail(l, SIB_ERR_ARGUMENT, "B of rank %d does not fit into A of rank %d from axis %d on",
                      b_rank, a_rank, axis);
    int rank = 0;
    for (int i = 0; i < b_rank; i++)
        dims[rank++] = b_dims[i];
    for (int i = axis + b_rank; i < a_rank; i++)
        dims[rank++] = d_const(l, 1);
    return m_broadcast_like(l, m_reshape(l, b, (size_t)rank, dims), a);
}

bool elem_same_dims(lowering *l, mval a, mval b)
{
    dim a_dims[SIB_MAX_RANK], b_dims[SIB_MAX_RANK];
    int a_rank = m_dims(l, a, a_dims), b_rank = m_dims(l, b, b_dims);
    bool same = a_rank == b_rank;
    for (int i = 0; same && l_ok(l) && i < a_rank; i++) {
        int64_t x, y;
        if (dim_is_const(l->graph->dims, a_dims[i], &x) && dim_is_const(l->graph->dims, b_dims[i], &y))
            same = x == y;
    }
    return same || !l_ok(l);
}

mval elem_legacy_broadcast(lowering *l, const node *n, mval a, mval b)
{
    if (spec_broadcast(n).broadcast)
        return legacy_align(l, n, a, b);
    if (!elem_same_dims(l, a, b))
        l_fail(l, SIB_ERR_ARGUMENT, "A and B have different dims, and attribute broadcast is not 1");
    return m_broadcast_like(l, b, a);
}

mval elem_zero(lowering *l, mval x)
{
    if (m_dtype(l, x) != SIB_STRING)
        return m_scalar_like(l, x, 0);
    return m_reshape(l, m_strings(l, 1, &(sib_str){"", 0}), 0, NULL);
}

mval elem_to_scalar(lowering *l, mval x)
{
    return m_rank(l, x) ? m_reshape(l, x, 0, NULL) : x;
}

void elem_declare_like(lowering *l, mval x, const dim *dims)
{
    int rank = m_rank(l, x);
    if (l_ok(l))
        l_declare(l, 0, m_dtype(l, x), rank, dims);
}

mval elem_round(lowering *l, mval wide, sib_dtype dtype)
{
    sib_dtype_kind kind = sib_dtype_get_kind(dtype);
    if (kind == SIB_KIND_INT || kind == SIB_KIND_UINT)
        return m_cast_saturating(l, m_round(l, wide), dtype);
    return m_cast(l, wide, dtype);
}

mval elem_gelu(lowering *l, mval x, bool by_tanh)
{
    mval wide = elem_wide(l, x), s;
    if (by_tanh) {
        mval cube = m_mul_number(l, m_mul(l, m_square(l, wide), wide), 0.044715);
        s = m_tanh(l, m_mul_number(l, m_add(l, wide, cube), 0.79788456080286535588));
    } else {
        s = m_erf(l, m_mul_number(l, wide, 0.70710678118654752440));
    }
    mval y = m_mul(l, m_mul_number(l, wide, 0.5), m_add_number(l, s, 1));
    return m_cast_like(l, y, x);
}

void elem_demand(lowering *l, mval flag, const char *what)
{
    int64_t holds = m_int(l, m_cast(l, flag, SIB_I64));
    if (l_ok(l) && !holds)
        l_fail(l, SIB_ERR_VALUE, "%s", what);
}
