/* Sequences and optionals. */
#include "base/alloc.h"
#include "milli/build_values.h"
#include "ops/lower/lower.h"

static mval in_or_none(lowering *l, size_t i)
{
    return l_has(l, i) ? l_in(l, i) : MVAL_NONE;
}

/* S = [X0, X1, ...]. ONNX SequenceConstruct-11. */
void lower_ONNX_SequenceConstruct(lowering *l, const node *n)
{
    size_t count = n->inputs.n;
    mval *items = mem_alloc(count, sizeof *items);
    if (!items) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for the items of a sequence");
        return;
    }
    for (size_t i = 0; i < count; i++)
        items[i] = l_in(l, i);
    l_out(l, 0, m_sequence_make(l, count, items));
    mem_free(items);
}

/* S = [] of tensors of `dtype`. ONNX SequenceEmpty-11. */
void lower_ONNX_SequenceEmpty(lowering *l, const node *n)
{
    l_out(l, 0, m_sequence_empty(l, type_tensor(spec_sequence(n).dtype)));
}

/* X = S[position]. ONNX SequenceAt-11. */
void lower_ONNX_SequenceAt(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_sequence_at(l, l_in(l, 0), l_in(l, 1)));
}

/* S with X inserted before `position`; at the end if omitted. ONNX SequenceInsert-11. */
void lower_ONNX_SequenceInsert(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_sequence_insert(l, l_in(l, 0), l_in(l, 1), in_or_none(l, 2)));
}

/* S without the item at `position`; the last one if omitted. ONNX SequenceErase-11. */
void lower_ONNX_SequenceErase(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_sequence_erase(l, l_in(l, 0), in_or_none(l, 1)));
}

/* I = number of items. ONNX SequenceLength-11. */
void lower_ONNX_SequenceLength(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_sequence_length(l, l_in(l, 0)));
}

/* S = X split along `axis`: into pieces of `split` elements (the last may be smaller), into pieces of the
   sizes in `split`, or into single slices, whose axis is removed if keepdims is 0. ONNX SplitToSequence-11,
   -24. */
void lower_ONNX_SplitToSequence(lowering *l, const node *n)
{
    split_spec spec = spec_split(n);
    mval x = l_in(l, 0);
    l_declare_type(l, 0, type_wrap(TYPE_SEQUENCE, type_tensor(m_dtype(l, x))));
    l_out(l, 0, m_sequence_split(l, x, in_or_none(l, 1), spec.axis, spec.keepdims));
}

/* X = the items concatenated along `axis`, or stacked along a new axis. ONNX ConcatFromSequence-11. */
void lower_ONNX_ConcatFromSequence(lowering *l, const node *n)
{
    sequence_spec spec = spec_sequence(n);
    l_out(l, 0, m_sequence_concat(l, l_in(l, 0), spec.axis, spec.new_axis));
}

/* An optional that holds X, or an empty one of the type in attribute `type`. ONNX Optional-15. */
void lower_ONNX_Optional(lowering *l, const node *n)
{
    const value_type *wanted = spec_optional(n).type;
    if (l_has(l, 0))
        l_out(l, 0, m_optional_make(l, l_in(l, 0)));
    else if (wanted)
        l_out(l, 0, m_optional_empty(l, *wanted));
    else
        l_fail(l, SIB_ERR_ARGUMENT, "neither an input nor attribute type gives the type that it holds");
}

/* B = whether there is a value: an optional is checked at run time, a tensor or sequence counts as one, an
   omitted input as none. ONNX OptionalHasElement-15, -18. */
void lower_ONNX_OptionalHasElement(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, l_has(l, 0) ? m_optional_has(l, l_in(l, 0)) : m_scalar_int(l, SIB_BOOL, 0));
}

/* What the optional holds; a tensor or sequence itself. ONNX OptionalGetElement-15, -18. */
void lower_ONNX_OptionalGetElement(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_optional_get(l, l_in(l, 0)));
}
