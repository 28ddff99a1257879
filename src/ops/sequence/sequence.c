/* Sequences and optionals. Items are shared tensors, so nothing here copies an element. */
#include "base/alloc.h"
#include "ops/lower/lower.h"
#include "ops/lower/types.h"

/* The type of input i. */
static value_type input_type(lowering *l, size_t i)
{
    return *m_type(l, l_in(l, i));
}

/* The type of input 0, which must be a sequence or unknown. */
static value_type sequence_type(lowering *l)
{
    value_type t = input_type(l, 0);
    char text[120];
    if (l_ok(l) && !types_unknown(&t) && type_outer(&t) != TYPE_SEQUENCE)
        l_fail(l, SIB_ERR_ARGUMENT, "input 0 is %s, expected a sequence",
               type_text(l->graph->dims, &t, text, sizeof text));
    return t;
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

static mval position(lowering *l, size_t i)
{
    return m_cast(l, l_in(l, i), SIB_I64);
}

/* S = [X0, X1, ...]. ONNX SequenceConstruct-11. */
void lower_ONNX_SequenceConstruct(lowering *l, const node *n)
{
    size_t count = n->inputs.n;
    mval *items = mem_alloc(count, sizeof *items);
    value_type type = {0};
    if (!items) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for the items of a sequence");
        return;
    }
    for (size_t i = 0; i < count && l_ok(l); i++) {
        items[i] = l_in(l, i);
        type = types_merge(l, &type, m_type(l, items[i]));
    }
    type = type_wrap(TYPE_SEQUENCE, type);
    l_declare_type(l, 0, type);
    l_out(l, 0, types_emit(l, MILLI_sequence_make, count, items, 0, NULL, type));
    mem_free(items);
}

/* S = [] of tensors of `dtype`. ONNX SequenceEmpty-11. */
void lower_ONNX_SequenceEmpty(lowering *l, const node *n)
{
    attribute empty = attribute_int("empty", 1);
    value_type type = types_widen(l, type_wrap(TYPE_SEQUENCE, type_tensor(spec_sequence(n).dtype)));
    mval nothing = m_scalar_int(l, SIB_I64, 0);
    l_out(l, 0, types_emit(l, MILLI_sequence_make, 1, &nothing, 1, &empty, type));
}

/* X = S[position]. ONNX SequenceAt-11. */
void lower_ONNX_SequenceAt(lowering *l, const node *n)
{
    (void)n;
    value_type type = sequence_type(l);
    value_type item = item_type(l, &type);
    l_declare_type(l, 0, item);
    l_out(l, 0, types_emit(l, MILLI_sequence_at, 2, (mval[]){l_in(l, 0), position(l, 1)}, 0, NULL, item));
}

/* S with X inserted before `position`; at the end if omitted. ONNX SequenceInsert-11. */
void lower_ONNX_SequenceInsert(lowering *l, const node *n)
{
    (void)n;
    value_type type = sequence_type(l), item = type_inner(&type), x = input_type(l, 1);
    mval s = l_in(l, 0);
    type = type_wrap(TYPE_SEQUENCE, types_merge(l, &item, &x));
    l_declare_type(l, 0, type);
    mval at = l_has(l, 2)
                  ? position(l, 2)
                  : types_emit(l, MILLI_sequence_length, 1, &s, 0, NULL, m_tensor_type(l, SIB_I64, 0, NULL));
    l_out(l, 0, types_emit(l, MILLI_sequence_insert, 3, (mval[]){s, l_in(l, 1), at}, 0, NULL, type));
}

/* S without the item at `position`; the last one if omitted. ONNX SequenceErase-11. */
void lower_ONNX_SequenceErase(lowering *l, const node *n)
{
    (void)n;
    value_type type = sequence_type(l);
    l_declare_type(l, 0, type);
    mval at = l_has(l, 1) ? position(l, 1) : m_scalar_int(l, SIB_I64, -1);
    l_out(l, 0, types_emit(l, MILLI_sequence_erase, 2, (mval[]){l_in(l, 0), at}, 0, NULL, type));
}

/* I = number of items. ONNX SequenceLength-11. */
void lower_ONNX_SequenceLength(lowering *l, const node *n)
{
    (void)n;
    sequence_type(l);
    mval s = l_in(l, 0);
    l_out(l, 0, types_emit(l, MILLI_sequence_length, 1, &s, 0, NULL, m_tensor_type(l, SIB_I64, 0, NULL)));
}

/* S = X split along `axis`: into pieces of `split` elements (the last may be smaller), into pieces of the
   sizes in `split`, or into single slices, whose axis is removed if keepdims is 0. ONNX SplitToSequence-11,
   -24. */
void lower_ONNX_SplitToSequence(lowering *l, const node *n)
{
    split_spec spec = spec_split(n);
    dim dims[SIB_MAX_RANK];
    mval x = l_in(l, 0);
    sib_dtype dtype = m_dtype(l, x);
    l_declare_type(l, 0, type_wrap(TYPE_SEQUENCE, type_tensor(dtype)));
    int rank = m_dims(l, x, dims), axis = m_axis(l, spec.axis, rank, "axis");
    bool keep = l_has(l, 1) || spec.keepdims;
    mval split = l_has(l, 1) ? position(l, 1) : m_scalar_int(l, SIB_I64, 1);
    if (!l_ok(l))
        return;
    if (l_has(l, 1))
        dims[axis] = DIM_NONE;
    else if (keep)
        dims[axis] = d_const(l, 1);
    else {
        for (int i = axis; i + 1 < rank; i++)
            dims[i] = dims[i + 1];
        rank--;
    }
    value_type type = type_wrap(TYPE_SEQUENCE, m_tensor_type(l, dtype, (size_t)rank, dims));
    attribute attributes[] = {attribute_int("axis", axis), attribute_int("keep", keep)};
    l_out(l, 0, types_emit(l, MILLI_sequence_split, 2, (mval[]){x, split}, 2, attributes, type));
}

/* X = the items concatenated along `axis`, or stacked along a new axis. ONNX ConcatFromSequence-11. */
void lower_ONNX_ConcatFromSequence(lowering *l, const node *n)
{
    sequence_spec spec = spec_sequence(n);
    value_type type = sequence_type(l), item = type_inner(&type);
    bool stack = spec.new_axis;
    int64_t axis = spec.axis;
    mval s = l_in(l, 0);
    if (l_ok(l) && item.shape.ranked) {
        int rank = item.shape.rank + stack, at = m_axis(l, axis, rank, "axis");
        dim dims[SIB_MAX_RANK + 1];
        for (int i = 0, from = 0; i < rank; i++)
            dims[i] = i == at && stack ? DIM_NONE : item.shape.dims[from++];
        dims[at] = DIM_NONE;
        item = m_tensor_type(l, item.dtype, (size_t)rank, dims);
    }
    l_declare_type(l, 0, item);
    attribute attributes[] = {attribute_int("axis", axis), attribute_int("new_axis", stack)};
    l_out(l, 0, types_emit(l, MILLI_sequence_concat, 1, &s, 2, attributes, item));
}

/* An optional that holds X, or an empty one of the type in attribute `type`. ONNX Optional-15. */
void lower_ONNX_Optional(lowering *l, const node *n)
{
    if (l_has(l, 0)) {
        mval x = l_in(l, 0);
        value_type held = type_wrap(TYPE_OPTIONAL, *m_type(l, x));
        l_declare_type(l, 0, held);
        l_out(l, 0, types_emit(l, MILLI_optional_make, 1, &x, 0, NULL, held));
        return;
    }
    const value_type *wanted = spec_optional(n).type;
    if (!wanted) {
        l_fail(l, SIB_ERR_ARGUMENT, "neither an input nor attribute type gives the type that it holds");
        return;
    }
    attribute empty = attribute_int("empty", 1);
    value_type type = types_widen(l, type_wrap(TYPE_OPTIONAL, *wanted));
    mval nothing = m_scalar_int(l, SIB_I64, 0);
    l_declare_type(l, 0, type);
    l_out(l, 0, types_emit(l, MILLI_optional_make, 1, &nothing, 1, &empty, type));
}

/* B = whether there is a value: an optional is checked at run time, a tensor or sequence counts as one, an
   omitted input as none. ONNX OptionalHasElement-15, -18. */
void lower_ONNX_OptionalHasElement(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in_or_none(l, 0);
    if (!l_has(l, 0)) {
        l_out(l, 0, m_scalar_int(l, SIB_BOOL, 0));
        return;
    }
    type_kind outer = type_outer(m_type(l, x));
    if (outer == TYPE_TENSOR || outer == TYPE_SEQUENCE)
        l_out(l, 0, m_scalar_int(l, SIB_BOOL, 1));
    else
        l_out(l, 0, types_emit(l, MILLI_optional_has, 1, &x, 0, NULL, m_tensor_type(l, SIB_BOOL, 0, NULL)));
}

/* What the optional holds; a tensor or sequence itself. ONNX OptionalGetElement-15, -18. */
void lower_ONNX_OptionalGetElement(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    value_type type = *m_type(l, x);
    type_kind outer = type_outer(&type);
    if (outer == TYPE_TENSOR || outer == TYPE_SEQUENCE) {
        l_out(l, 0, x);
        return;
    }
    type = type_inner(&type);
    l_declare_type(l, 0, type);
    l_out(l, 0, types_emit(l, MILLI_optional_get, 1, &x, 0, NULL, type));
}
