#include "graph/type.h"

#include <stdio.h>
#include <string.h>

value_type type_tensor(sib_dtype dtype)
{
    return (value_type){.leaf = TYPE_TENSOR, .dtype = dtype};
}

value_type type_of_dims(dim_table *t, sib_dtype dtype, size_t rank, const int64_t *dims)
{
    value_type type = type_tensor(dtype);
    type.shape.ranked = true;
    type.shape.rank = (uint8_t)rank;
    for (size_t i = 0; i < rank; i++)
        type.shape.dims[i] = dim_const(t, dims[i]);
    return type;
}

value_type type_wrap(type_kind kind, value_type t)
{
    if (t.depth == TYPE_MAX_DEPTH)
        return (value_type){0};
    memmove(t.wrap + 1, t.wrap, t.depth);
    t.wrap[0] = (uint8_t)kind;
    t.depth++;
    return t;
}

value_type type_inner(const value_type *t)
{
    value_type inner = *t;
    if (!t->depth)
        return (value_type){0};
    inner.depth--;
    memmove(inner.wrap, t->wrap + 1, inner.depth);
    return inner;
}

static bool is_unknown(const value_type *t)
{
    return !t->depth && t->leaf == TYPE_UNKNOWN;
}

static bool dtypes_agree(sib_dtype a, sib_dtype b)
{
    return a == b || a == SIB_DTYPE_UNKNOWN || b == SIB_DTYPE_UNKNOWN;
}

/* Dims certainly differ where their difference cannot be 0. */
static bool dims_agree(dim_table *dims, dim a, dim b)
{
    if (dim_same(a, b) || !a.id || !b.id)
        return true;
    return !dim_at_least(dims, dim_sub(dims, a, b), 1) && !dim_at_least(dims, dim_sub(dims, b, a), 1);
}

bool type_agrees(dim_table *dims, const value_type *a, const value_type *b)
{
    if (is_unknown(a) || is_unknown(b))
        return true;
    if (a->depth != b->depth || memcmp(a->wrap, b->wrap, a->depth) != 0)
        return false;
    if (a->leaf != b->leaf && a->leaf != TYPE_UNKNOWN && b->leaf != TYPE_UNKNOWN)
        return false;
    if (!dtypes_agree(a->dtype, b->dtype) || !dtypes_agree(a->key, b->key))
        return false;
    if (!a->shape.ranked || !b->shape.ranked)
        return true;
    if (a->shape.rank != b->shape.rank)
        return false;
    bool agree = true;
    for (int i = 0; i < a->shape.rank && agree; i++)
        agree = dims_agree(dims, a->shape.dims[i], b->shape.dims[i]);
    return agree;
}

static const char *wrap_name(type_kind kind)
{
    switch (kind) {
    case TYPE_SEQUENCE:
        return "seq(";
    case TYPE_OPTIONAL:
        return "optional(";
    case TYPE_MAP:
        return "map(";
    default:
        return "sparse(";
    }
}

const char *type_text(const dim_table *dims, const value_type *t, char *text, size_t size)
{
    size_t used = 0;
    bool sparse = t->leaf == TYPE_SPARSE;
    if (!size)
        return text;
    text[0] = 0;
    for (uint8_t i = 0; i <= t->depth && used < size; i++) {
        bool map = i < t->depth && t->wrap[i] == TYPE_MAP;
        if (i == t->depth && !sparse)
            break;
        int n =
            snprintf(text + used, size - used, "%s%s%s", wrap_name(i < t->depth ? t->wrap[i] : TYPE_SPARSE),
                     map ? sib_dtype_name(t->key) : "", map ? ", " : "");
        used += n > 0 ? (size_t)n : 0;
    }
    bool shaped = t->dtype && (t->shape.ranked || t->leaf == TYPE_TENSOR);
    if (used < size) {
        int n = snprintf(text + used, size - used, "%s%s", sib_dtype_name(t->dtype), shaped ? " " : "");
        used += n > 0 ? (size_t)n : 0;
    }
    if (shaped && used < size)
        used += strlen(dim_shape_text(dims, &t->shape, text + used, size - used));
    for (int i = 0; i < t->depth + sparse && used + 1 < size; i++) {
        text[used++] = ')';
        text[used] = 0;
    }
    return text;
}
