/* Constants, and dims as values. */
#include "milli/build_internal.h"

#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

static mval fail_with(lowering *l, const sib_error *err)
{
    return l_fail(l, err->code, "%s", err->message);
}

/* In oracle mode the wide floats become float64. */
static sib_dtype widened(const lowering *l, sib_dtype dtype)
{
    return l->oracle && (dtype == SIB_F32 || dtype == SIB_F16 || dtype == SIB_BF16) ? SIB_F64 : dtype;
}

mval m_constant(lowering *l, sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    if (!t)
        return l_ok(l) ? l_fail(l, SIB_ERR_MEMORY, "no memory for a constant") : MVAL_NONE;
    if (l_ok(l) && widened(l, t->dtype) != t->dtype) {
        sib_tensor *wide = NULL;
        sib_code code = sib_tensor_convert(t, SIB_F64, SIB_OVERFLOW_IEEE, &wide, &err);
        sib_tensor_free(&t);
        if (code != SIB_OK)
            return fail_with(l, &err);
        t = wide;
    }
    if (!l_ok(l)) {
        sib_tensor_free(&t);
        return MVAL_NONE;
    }
    value_type type = type_of_dims(l->graph->dims, t->dtype, t->rank, t->dims);
    if (arena_keep(l->graph->arena, t, &err) != SIB_OK)
        return fail_with(l, &err);
    return build_leaf(l, &type, t);
}

mval m_constant_ref(lowering *l, const sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *copy = NULL;
    if (!l_ok(l) || !t)
        return t ? MVAL_NONE : l_fail(l, SIB_ERR_ARGUMENT, "a tensor attribute is missing");
    if (widened(l, t->dtype) != t->dtype) {
        if (tensor_view(t, t->rank, &copy, &err) != SIB_OK)
            return fail_with(l, &err);
        return m_constant(l, copy);
    }
    value_type type = type_of_dims(l->graph->dims, t->dtype, t->rank, t->dims);
    return build_leaf(l, &type, t);
}

/* Creates a tensor to be filled; NULL after a failure. */
static sib_tensor *fresh(lowering *l, sib_dtype dtype, size_t rank, const int64_t *dims)
{
    sib_tensor *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (l_ok(l) && sib_tensor_create(dtype, rank, dims, &t, &err) != SIB_OK)
        fail_with(l, &err);
    return t;
}

/* The scalar made earlier from the same number, if it is one of the last and still there. */
static mval find_scalar(const lowering *l, const made_scalar *like)
{
    for (size_t i = 0; i < SCALARS_KEPT; i++) {
        const made_scalar *s = &l->scalars[i];
        if (s->constant && s->bits == like->bits && s->from == like->from && s->to == like->to &&
            s->id < l->graph->n_values && l->graph->values[s->id].constant == s->constant)
            return (mval){s->id};
    }
    return MVAL_NONE;
}

/* Converts one element of dtype `from` (float64 or int64) to a constant of dtype `to`. */
static mval converted(lowering *l, sib_dtype from, const void *element, sib_dtype to)
{
    made_scalar s = {.from = from, .to = to};
    memcpy(&s.bits, element, sizeof s.bits);
    mval made = l_ok(l) ? find_scalar(l, &s) : MVAL_NONE;
    if (made.id != NO_VALUE)
        return made;
    sib_tensor *wide = fresh(l, from, 0, NULL), *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!wide)
        return MVAL_NONE;
    memcpy(wide->data, element, dtype_stride(from));
    sib_code code = sib_tensor_convert(wide, to, SIB_OVERFLOW_IEEE, &t, &err);
    sib_tensor_free(&wide);
    if (code != SIB_OK)
        return fail_with(l, &err);
    made = m_constant(l, t);
    if (made.id != NO_VALUE) {
        s.id = made.id;
        s.constant = l->graph->values[made.id].constant;
        l->scalars[l->n_scalars++ % SCALARS_KEPT] = s;
    }
    return made;
}

mval m_scalar(lowering *l, sib_dtype dtype, double number)
{
    return converted(l, SIB_F64, &number, dtype);
}

mval m_scalar_int(lowering *l, sib_dtype dtype, int64_t number)
{
    return converted(l, SIB_I64, &number, dtype);
}

mval m_scalar_like(lowering *l, mval x, double number)
{
    return m_scalar(l, m_dtype(l, x), number);
}

/* A constant [n]. */
static mval listed(lowering *l, sib_dtype dtype, size_t n, const void *values)
{
    int64_t count = (int64_t)n;
    sib_tensor *t = fresh(l, dtype, 1, &count);
    if (!t)
        return MVAL_NONE;
    if (n)
        memcpy(t->data, values, n * dtype_stride(dtype));
    return m_constant(l, t);
}

mval m_int64s(lowering *l, size_t n, const int64_t *values)
{
    return listed(l, SIB_I64, n, values);
}

mval m_floats(lowering *l, size_t n, const float *values)
{
    return listed(l, SIB_F32, n, values);
}

mval m_strings(lowering *l, size_t n, const sib_str *values)
{
    int64_t count = (int64_t)n;
    sib_tensor *t = fresh(l, SIB_STRING, 1, &count);
    sib_error err = SIB_ERROR_INIT;
    for (int64_t i = 0; t && i < count; i++)
        if (sib_tensor_set_string(t, &i, values[i], &err) != SIB_OK) {
            sib_tensor_free(&t);
            return fail_with(l, &err);
        }
    return t ? m_constant(l, t) : MVAL_NONE;
}

/* int64 of rank 0 or 1 from dims: a constant where all are constants. */
static mval from_dims(lowering *l, size_t rank, size_t n, const dim *dims)
{
    int64_t count = (int64_t)n;
    bool numbers = true;
    for (size_t i = 0; i < n; i++) {
        int64_t ignored;
        if (!l_ok(l) || dim_same(dims[i], DIM_NONE))
            return MVAL_NONE;
        numbers &= dim_is_const(l->graph->dims, dims[i], &ignored);
    }
    if (numbers) {
        sib_tensor *t = fresh(l, SIB_I64, rank, &count);
        for (size_t i = 0; t && i < n; i++)
            dim_is_const(l->graph->dims, dims[i], &((int64_t *)t->data)[i]);
        return t ? m_constant(l, t) : MVAL_NONE;
    }
    if (!l->symbolic)
        return l_fail(l, SIB_ERR_UNSUPPORTED,
                      "a dim that depends on data is needed before the data is there");
    value_type type = type_of_dims(l->graph->dims, SIB_I64, rank, &count);
    mval v = build_leaf(l, &type, NULL);
    elements_set(l, v, n, dims);
    return v;
}

mval m_dim_vector(lowering *l, size_t n, const dim *dims)
{
    return from_dims(l, 1, n, dims);
}

mval m_dim_scalar(lowering *l, dim d)
{
    return from_dims(l, 0, 1, &d);
}

mval m_filled(lowering *l, mval scalar, size_t rank, const dim *dims)
{
    return m_expand(l, scalar, rank, dims);
}

mval m_iota(lowering *l, sib_dtype dtype, dim n)
{
    if (!l_ok(l) || dim_same(n, DIM_NONE))
        return MVAL_NONE;
    value_type type = m_tensor_type(l, widened(l, dtype), 1, &n);
    return build_one(l, MILLI_iota, 0, NULL, 0, NULL, &type);
}

mval m_random(lowering *l, milli_kind kind, sib_dtype dtype, int64_t seed, size_t rank, const dim *dims)
{
    if (!l_ok(l))
        return MVAL_NONE;
    attribute a = attribute_int("seed", seed);
    value_type type = m_tensor_type(l, widened(l, dtype), rank, dims);
    return build_one(l, kind, 0, NULL, 1, &a, &type);
}
