#include "milli/types.h"

#include <string.h>

bool types_unknown(const value_type *t)
{
    return !t->depth && t->leaf == TYPE_UNKNOWN;
}

value_type types_widen(const lowering *l, value_type t)
{
    if (l->oracle && (t.dtype == SIB_F32 || t.dtype == SIB_F16 || t.dtype == SIB_BF16))
        t.dtype = SIB_F64;
    return t;
}

value_type types_maps(lowering *l, sib_dtype key, sib_dtype item)
{
    value_type map = type_wrap(TYPE_MAP, m_tensor_type(l, item, 0, NULL));
    map.key = key;
    return type_wrap(TYPE_SEQUENCE, map);
}

static void fail_merge(lowering *l, const value_type *a, const value_type *b)
{
    char x[100], y[100];
    l_fail(l, SIB_ERR_ARGUMENT, "%s and %s are not compatible", type_text(l->graph->dims, a, x, sizeof x),
           type_text(l->graph->dims, b, y, sizeof y));
}

value_type types_merge(lowering *l, const value_type *a, const value_type *b)
{
    if (!l_ok(l) || types_unknown(b))
        return *a;
    if (types_unknown(a))
        return *b;
    value_type t = *a;
    bool both = a->leaf != TYPE_UNKNOWN && b->leaf != TYPE_UNKNOWN;
    if (a->depth != b->depth || memcmp(a->wrap, b->wrap, a->depth) || (both && a->leaf != b->leaf) ||
        (a->dtype && b->dtype && a->dtype != b->dtype) || (a->key && b->key && a->key != b->key)) {
        fail_merge(l, a, b);
        return t;
    }
    if (!both)
        return a->leaf == TYPE_UNKNOWN ? *b : *a;
    t.dtype = a->dtype ? a->dtype : b->dtype;
    t.key = a->key ? a->key : b->key;
    if (!a->shape.ranked || !b->shape.ranked || a->shape.rank != b->shape.rank) {
        t.shape = (dim_shape){0};
        return t;
    }
    for (int i = 0; i < a->shape.rank; i++)
        if (!dim_same(a->shape.dims[i], b->shape.dims[i]))
            t.shape.dims[i] = dim_fresh(l->graph->dims);
    return t;
}

mval types_emit(lowering *l, milli_kind kind, size_t n_in, const mval *in, size_t n_attributes,
                const attribute *attributes, value_type type)
{
    mval out = MVAL_NONE;
    for (size_t i = 0; i < n_in; i++)
        if (in[i].id == NO_VALUE)
            return MVAL_NONE;
    m_emit(l, kind, n_in, in, n_attributes, attributes, 1, &type, &out);
    return out;
}
