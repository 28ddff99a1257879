/* Sequences, optionals and maps. Items are shared tensors, so nothing here copies an element. */
#include "milli/build_values.h"

#include "milli/types.h"

/* The type of v, which must be of the kind or unknown. */
static value_type type_of(lowering *l, mval v, milli_kind milli, type_kind kind, const char *what)
{
    value_type t = *m_type(l, v);
    char text[120];
    if (l_ok(l) && !types_unknown(&t) && type_outer(&t) != kind)
        l_fail(l, SIB_ERR_ARGUMENT, "%s of %s, expected a %s", milli_row(milli)->name,
               type_text(l->graph->dims, &t, text, sizeof text), what);
    return t;
}

static value_type sequence_type(lowering *l, mval s, milli_kind milli)
{
    return type_of(l, s, milli, TYPE_SEQUENCE, "sequence");
}

/* The type of an item. Symbolic dims of the sequence's type may differ from item to item. */
static value_type item_type(lowering *l, const value_type *sequence)
{
    value_type t = type_inner(sequence);
    int64_t ignored;
    for (int i = 0; i < t.shape.rank && l_ok(l); i++)
        if (!dim_is_const(l->graph->dims, t.shape.dims[i], &ignored))
            t.shape.dims[i] = dim_fresh(l->graph->dims);
    return t;
}

/* Integers as int64. */
static mval position(lowering *l, mval at, milli_kind milli)
{
    sib_dtype_kind kind = sib_dtype_get_kind(m_dtype(l, at));
    if (l_ok(l) && m_dtype(l, at) && kind != SIB_KIND_INT && kind != SIB_KIND_UINT)
        return l_fail(l, SIB_ERR_ARGUMENT, "%s with a position or size of %s, expected integers",
                      milli_row(milli)->name, sib_dtype_name(m_dtype(l, at)));
    return m_cast(l, at, SIB_I64);
}

/* ---- Sequences -------------------------------------------------------------------------------------------- */

mval m_sequence_make(lowering *l, size_t n, const mval *items)
{
    value_type type = {0};
    for (size_t i = 0; i < n && l_ok(l); i++)
        type = types_merge(l, &type, m_type(l, items[i]));
    return types_emit(l, MILLI_sequence_make, n, items, 0, NULL, type_wrap(TYPE_SEQUENCE, type));
}

/* A sequence or optional without content; the milli-op does not read its input. */
static mval without_items(lowering *l, milli_kind milli, type_kind kind, value_type item)
{
    attribute empty = attribute_int("empty", 1);
    mval nothing = m_scalar_int(l, SIB_I64, 0);
    return types_emit(l, milli, 1, &nothing, 1, &empty, types_widen(l, type_wrap(kind, item)));
}

mval m_sequence_empty(lowering *l, value_type item)
{
    return without_items(l, MILLI_sequence_make, TYPE_SEQUENCE, item);
}

mval m_sequence_at(lowering *l, mval s, mval at)
{
    value_type type = sequence_type(l, s, MILLI_sequence_at);
    mval in[2] = {s, position(l, at, MILLI_sequence_at)};
    return types_emit(l, MILLI_sequence_at, 2, in, 0, NULL, item_type(l, &type));
}

mval m_sequence_length(lowering *l, mval s)
{
    sequence_type(l, s, MILLI_sequence_length);
    return types_emit(l, MILLI_sequence_length, 1, &s, 0, NULL, m_tensor_type(l, SIB_I64, 0, NULL));
}

mval m_sequence_insert(lowering *l, mval s, mval x, mval at)
{
    value_type type = sequence_type(l, s, MILLI_sequence_insert), item = type_inner(&type);
    type = type_wrap(TYPE_SEQUENCE, types_merge(l, &item, m_type(l, x)));
    at = at.id == NO_VALUE ? m_sequence_length(l, s) : position(l, at, MILLI_sequence_insert);
    return types_emit(l, MILLI_sequence_insert, 3, (mval[]){s, x, at}, 0, NULL, type);
}

mval m_sequence_erase(lowering *l, mval s, mval at)
{
    value_type type = sequence_type(l, s, MILLI_sequence_erase);
    at = at.id == NO_VALUE ? m_scalar_int(l, SIB_I64, -1) : position(l, at, MILLI_sequence_erase);
    return types_emit(l, MILLI_sequence_erase, 2, (mval[]){s, at}, 0, NULL, type);
}

mval m_sequence_split(lowering *l, mval x, mval sizes, int64_t axis, bool keep)
{
    dim dims[SIB_MAX_RANK];
    bool sized = sizes.id != NO_VALUE;
    int rank = m_dims(l, x, dims), at = m_axis(l, axis, rank, "axis");
    mval split = sized ? position(l, sizes, MILLI_sequence_split) : m_scalar_int(l, SIB_I64, 1);
    if (!l_ok(l))
        return MVAL_NONE;
    keep = keep || sized;
    if (sized)
        dims[at] = DIM_NONE;
    else if (keep)
        dims[at] = d_const(l, 1);
    else {
        for (int i = at; i + 1 < rank; i++)
            dims[i] = dims[i + 1];
        rank--;
    }
    value_type type = type_wrap(TYPE_SEQUENCE, m_tensor_type(l, m_dtype(l, x), (size_t)rank, dims));
    attribute attributes[] = {attribute_int("axis", at), attribute_int("keep", keep)};
    return types_emit(l, MILLI_sequence_split, 2, (mval[]){x, split}, 2, attributes, type);
}

mval m_sequence_concat(lowering *l, mval s, int64_t axis, bool stack)
{
    value_type type = sequence_type(l, s, MILLI_sequence_concat), item = type_inner(&type);
    if (l_ok(l) && item.shape.ranked) {
        int rank = item.shape.rank + stack, at = m_axis(l, axis, rank, "axis");
        dim dims[SIB_MAX_RANK + 1];
        for (int i = 0, from = 0; i < rank; i++)
            dims[i] = i == at && stack ? DIM_NONE : item.shape.dims[from++];
        if (!l_ok(l))
            return MVAL_NONE;
        dims[at] = DIM_NONE;
        item = m_tensor_type(l, item.dtype, (size_t)rank, dims);
    }
    attribute attributes[] = {attribute_int("axis", axis), attribute_int("new_axis", stack)};
    return types_emit(l, MILLI_sequence_concat, 1, &s, 2, attributes, item);
}

/* ---- Optionals -------------------------------------------------------------------------------------------- */

mval m_optional_make(lowering *l, mval x)
{
    return types_emit(l, MILLI_optional_make, 1, &x, 0, NULL, type_wrap(TYPE_OPTIONAL, *m_type(l, x)));
}

mval m_optional_empty(lowering *l, value_type held)
{
    return without_items(l, MILLI_optional_make, TYPE_OPTIONAL, held);
}

/* A tensor or sequence, which counts as an optional that holds it. */
static bool plain(const lowering *l, mval x)
{
    type_kind outer = type_outer(m_type(l, x));
    return outer == TYPE_TENSOR || outer == TYPE_SEQUENCE;
}

mval m_optional_has(lowering *l, mval x)
{
    if (plain(l, x))
        return m_scalar_int(l, SIB_BOOL, 1);
    type_of(l, x, MILLI_optional_has, TYPE_OPTIONAL, "optional");
    return types_emit(l, MILLI_optional_has, 1, &x, 0, NULL, m_tensor_type(l, SIB_BOOL, 0, NULL));
}

mval m_optional_get(lowering *l, mval x)
{
    if (plain(l, x))
        return x;
    value_type type = type_of(l, x, MILLI_optional_get, TYPE_OPTIONAL, "optional");
    return types_emit(l, MILLI_optional_get, 1, &x, 0, NULL, type_inner(&type));
}

/* ---- Maps ------------------------------------------------------------------------------------------------- */

/* The number of keys, which must be a list of int64 or strings. */
static dim keys_count(lowering *l, mval keys, milli_kind milli)
{
    sib_dtype dtype = m_dtype(l, keys);
    int rank = m_rank(l, keys);
    if (l_ok(l) && (rank != 1 || (dtype && dtype != SIB_I64 && dtype != SIB_STRING)))
        l_fail(l, SIB_ERR_ARGUMENT, "%s with keys of %s and rank %d, expected a list of int64 or strings",
               milli_row(milli)->name, sib_dtype_name(dtype), rank);
    return l_ok(l) ? m_dim(l, keys, 0) : DIM_NONE;
}

mval m_map_make(lowering *l, mval keys, mval rows)
{
    dim count = keys_count(l, keys, MILLI_map_make);
    int rank = m_rank(l, rows);
    int64_t n, width;
    if (l_ok(l) && rank != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "map_make of rows of rank %d, expected 2", rank);
    if (l_ok(l) && dim_is_const(l->graph->dims, count, &n) &&
        dim_is_const(l->graph->dims, m_dim(l, rows, 1), &width) && n != width)
        l_fail(l, SIB_ERR_ARGUMENT, "map_make of %lld keys for rows of %lld", (long long)n, (long long)width);
    return types_emit(l, MILLI_map_make, 2, (mval[]){keys, rows}, 0, NULL,
                      types_maps(l, m_dtype(l, keys), m_dtype(l, rows)));
}

mval m_map_get(lowering *l, mval map, mval keys)
{
    value_type type = type_of(l, map, MILLI_map_get, TYPE_MAP, "map");
    dim dims[2] = {d_const(l, 1), keys_count(l, keys, MILLI_map_get)};
    if (!l_ok(l))
        return MVAL_NONE;
    if (type.key && m_dtype(l, keys) && type.key != m_dtype(l, keys))
        return l_fail(l, SIB_ERR_ARGUMENT, "map_get of keys of %s in a map with keys of %s",
                      sib_dtype_name(m_dtype(l, keys)), sib_dtype_name(type.key));
    return types_emit(l, MILLI_map_get, 2, (mval[]){map, keys}, 0, NULL,
                      m_tensor_type(l, type.dtype, 2, dims));
}

mval m_map_dense(lowering *l, mval map, mval fill, int64_t size)
{
    type_of(l, map, MILLI_map_dense, TYPE_MAP, "map");
    int rank = m_rank(l, fill);
    if (l_ok(l) && rank != 0)
        l_fail(l, SIB_ERR_ARGUMENT, "map_dense with a filling of rank %d, expected a scalar", rank);
    if (l_ok(l) && size < -1)
        l_fail(l, SIB_ERR_ARGUMENT, "map_dense of size %lld, expected -1 or more", (long long)size);
    dim dims[2] = {d_const(l, 1), size < 0 || !l_ok(l) ? DIM_NONE : d_const(l, size)};
    attribute a = attribute_int("size", size);
    return l_ok(l) ? types_emit(l, MILLI_map_dense, 2, (mval[]){map, fill}, 1, &a,
                                m_tensor_type(l, m_dtype(l, fill), 2, dims))
                   : MVAL_NONE;
}
