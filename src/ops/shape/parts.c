/* Slicing, cropping and padding: Split, Slice, Pad, CenterCropPad, Trilu, ReverseSequence, Compress. */
#include "ops/lower/elem.h"
#include "ops/lower/lists.h"

#include <string.h>

static bool number_of(const lowering *l, dim d, int64_t *out)
{
    return dim_is_const(l->graph->dims, d, out);
}

static bool at_least(const lowering *l, dim d, int64_t low)
{
    return dim_at_least(l->graph->dims, d, low);
}

/* max(d, 0), without the max where d is known to be at least 0. */
static dim not_negative(lowering *l, dim d)
{
    int64_t number;
    if (!l_ok(l) || (!number_of(l, d, &number) && at_least(l, d, 0)))
        return d;
    return d_max(l, d, d_const(l, 0));
}

/* ---- Split ----------------------------------------------------------------------------------- */

/* Sizes of n equal parts of d. Before opset 18 all must be equal, from then on the last may be smaller. */
static void equal_parts(lowering *l, dim d, size_t n, bool uneven, dim *sizes)
{
    int64_t total;
    dim parts = d_const(l, (int64_t)n), left = d;
    bool known = number_of(l, d, &total);
    if (!n)
        return;
    if (known && !uneven && total % (int64_t)n) {
        l_fail(l, SIB_ERR_ARGUMENT, "%lld elements cannot be split into %zu equal parts", (long long)total,
               n);
        return;
    }
    dim size = d_floor_div(l, d, parts), larger = uneven ? d_ceil_div(l, d, parts) : size;
    bool equal = dim_same(size, larger);
    for (size_t i = 0; i < n && l_ok(l); i++) {
        /* the last parts get what is left, perhaps nothing; of two the last is the half rounded down */
        if (equal || !i)
            sizes[i] = larger;
        else
            sizes[i] = n == 2 ? size : d_min(l, larger, not_negative(l, left));
        left = d_sub(l, left, sizes[i]);
    }
}

/* The sizes that an attribute or input 1 lists, at most `parts`; returns how many. Declares the outputs
   first, as the input may not be known yet. */
static size_t given_sizes(lowering *l, const node *n, spec_ints list, mval x, int at, dim *sizes,
                          size_t parts)
{
    dim unknown[SIB_MAX_RANK];
    int rank = m_dims(l, x, unknown);
    unknown[at] = DIM_NONE;
    for (size_t i = 0; i < parts && l->symbolic; i++)
        l_declare(l, i, m_dtype(l, x), rank, unknown);
    if (list.v) {
        for (size_t i = 0; i < list.n && i < parts; i++)
            sizes[i] = d_const(l, list.v[i]);
        return list.n;
    }
    if (n->version >= 2)
        return m_elements(l, l_in(l, 1), sizes, parts);
    dim_list early = list_dims(l, NO_ATTRIBUTE, 1);
    memcpy(sizes, early.items, sizeof *sizes * (early.n < parts ? early.n : parts));
    return early.n;
}

/* x split along an axis into parts of the given sizes, or into equal ones. Sizes are an attribute before
   opset 13 (in opset 1 also an input); num_outputs came with opset 18. ONNX Split-18. */
void lower_ONNX_Split(lowering *l, const node *n)
{
    split_spec spec = spec_split(n);
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK], start = d_const(l, 0);
    size_t parts = n->outputs.n;
    int rank = m_dims(l, x, dims), at = m_axis(l, spec.axis, rank, "axis");
    if (!l_ok(l))
        return;
    dim *sizes = arena_alloc(l->graph->arena, parts ? parts : 1, sizeof *sizes);
    if (!sizes) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for %zu sizes", parts);
        return;
    }
    size_t listed = parts;
    if (spec.split.v || l_has(l, 1))
        listed = given_sizes(l, n, spec.split, x, at, sizes, parts);
    else if (spec.num_outputs != SPEC_ABSENT && spec.num_outputs != (int64_t)parts)
        l_fail(l, SIB_ERR_ARGUMENT, "num_outputs is %lld, but there are %zu outputs",
               (long long)spec.num_outputs, parts);
    else
        equal_parts(l, dims[at], parts, n->version >= 18, sizes);
    if (l_ok(l) && listed != parts)
        l_fail(l, SIB_ERR_ARGUMENT, "%zu sizes for %zu outputs", listed, parts);
    for (size_t i = 0; i < parts && l_ok(l); i++) {
        int64_t size;
        if (number_of(l, sizes[i], &size) && size < 0)
            l_fail(l, SIB_ERR_ARGUMENT, "part %zu has the size %lld", i, (long long)size);
        l_out(l, i, m_slice(l, x, at, start, sizes[i], 1));
        start = d_add(l, start, sizes[i]);
    }
    int64_t total, used;
    if (l_ok(l) && number_of(l, start, &used) && number_of(l, dims[at], &total) && used != total)
        l_fail(l, SIB_ERR_ARGUMENT, "the parts have %lld elements together, expected %lld", (long long)used,
               (long long)total);
}

/* ---- Slice ----------------------------------------------------------------------------------- */

/* Larger indices count as the end of any axis; differences of such numbers cannot overflow. */
#define FAR ((int64_t)1 << 60)

/* A start or end along an axis of n elements, negative ones counted from the end. *beyond: -1 or 1 where it
   is out of range on that side for any n, else 0. Returns false where its sign is not known. */
static bool position(lowering *l, dim given, dim n, dim *out, int *beyond)
{
    int64_t i, size;
    *beyond = 0;
    if (number_of(l, given, &i)) {
        bool known = number_of(l, n, &size);
        if (!known && (i >= INT32_MAX || i <= -INT32_MAX))
            *beyond = i < 0 ? -1 : 1;
        i = i > FAR ? FAR : i < -FAR ? -FAR : i;
        *out = i < 0 ? d_add(l, n, d_const(l, i)) : d_const(l, i);
        return true;
    }
    if (at_least(l, given, 0)) {
        *out = given;
        return true;
    }
    *out = d_add(l, n, given);
    return at_least(l, d_sub(l, d_const(l, -1), given), 0);
}

/* max(d, bound) if `low`, else min(d, bound), without max or min where the result is known. */
static dim bounded(lowering *l, dim d, dim bound, bool low)
{
    dim over = d_sub(l, d, bound), under = d_sub(l, bound, d);
    if (!l_ok(l))
        return DIM_NONE;
    if (at_least(l, over, 0))
        return low ? d : bound;
    if (at_least(l, under, 0))
        return low ? bound : d;
    return low ? d_max(l, d, bound) : d_min(l, d, bound);
}

/* x[start:end:step] along one axis, bounds clamped as in NumPy. */
static mval slice_axis(lowering *l, mval x, int at, dim start, dim end, int64_t step)
{
    dim n = m_dim(l, x, at), first, last, count, zero = d_const(l, 0);
    int start_beyond, end_beyond;
    if (!l_ok(l))
        return MVAL_NONE;
    if (!step)
        return l_fail(l, SIB_ERR_ARGUMENT, "a step of 0 along axis %d", at);
    bool known = position(l, start, n, &first, &start_beyond) & position(l, end, n, &last, &end_beyond);
    dim lowest = step > 0 ? zero : d_const(l, -1), highest = step > 0 ? n : d_sub(l, n, d_const(l, 1));
    if (start_beyond)
        first = start_beyond < 0 ? lowest : highest;
    if (end_beyond)
        last = end_beyond < 0 ? lowest : highest;
    /* the start needs only the bound on the side where the step begins: past the other one nothing is left */
    first = bounded(l, first, step > 0 ? lowest : highest, step > 0);
    last = bounded(l, last, step > 0 ? highest : lowest, step < 0);
    dim span = step > 0 ? d_sub(l, last, first) : d_sub(l, first, last);
    if (step != 1 && step != -1) {
        int64_t stride = step < -FAR ? FAR : step < 0 ? -step : step > FAR ? FAR : step;
        span = d_ceil_div(l, span, d_const(l, stride));
        step = step < 0 ? -stride : stride;
    }
    count = not_negative(l, span);
    if (!known && l->symbolic)
        count = dim_fresh(l->graph->dims);
    int64_t items;
    if (l_ok(l) && number_of(l, count, &items) &&
        items <= 1) { /* a large step without a second item must not overflow */
        step = 1;
        first = items ? first : zero;
    }
    return m_slice(l, x, at, first, count, step);
}

/* Declares the dims of the axes that are not sliced, while starts and ends are not known. */
static void declare_slice(lowering *l, mval x, const node *n)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims), length = list_length(l, l_in(l, 1));
    if (!l->symbolic || !l_ok(l))
        return;
    mval axes = n->version >= 10 && l_has(l, 3) ? l_in(l, 3) : MVAL_NONE;
    if (axes.id != NO_VALUE && m_is_known(l, axes)) {
        int64_t list[SIB_MAX_RANK];
        size_t count = m_ints(l, axes, list, SIB_MAX_RANK);
        for (size_t i = 0; i < count && l_ok(l); i++)
            dims[m_axis(l, list[i], rank, "axis")] = DIM_NONE;
    } else
        for (int i = 0; i < rank; i++)
            if (axes.id != NO_VALUE || length < 0 || i < length)
                dims[i] = DIM_NONE;
    l_declare(l, 0, m_dtype(l, x), rank, dims);
}

/* x[starts[i]:ends[i]:steps[i]] along axes[i]. Attributes in opset 1, inputs from opset 10 on. ONNX
   Slice-13. */
void lower_ONNX_Slice(lowering *l, const node *n)
{
    slice_spec spec = spec_slice(n);
    mval x = l_in(l, 0);
    int axes[SIB_MAX_RANK], rank = m_rank(l, x);
    bool inputs = n->version >= 10;
    if (inputs)
        declare_slice(l, x, n);
    dim_list starts = list_dims(l, spec.starts, inputs ? 1 : 0);
    dim_list ends = list_dims(l, spec.ends, inputs ? 2 : 0);
    dim_list listed = list_dims(l, spec.axes, inputs ? 3 : 0);
    dim_list steps = list_dims(l, spec.steps, inputs ? 4 : 0);
    if (!l_ok(l))
        return;
    if (!starts.given || starts.n != ends.n || (listed.given && listed.n != starts.n) ||
        (steps.given && steps.n != starts.n)) {
        l_fail(l, SIB_ERR_ARGUMENT,
               "there are %zu starts, %zu ends, %zu axes and %zu steps, expected as many of each", starts.n,
               ends.n, listed.given ? listed.n : starts.n, steps.given ? steps.n : starts.n);
        return;
    }
    int count = list_axes(l, &listed, rank, (int)starts.n, axes);
    for (int i = 0; i < count && l_ok(l); i++)
        x = slice_axis(l, x, axes[i], starts.items[i], ends.items[i],
                       steps.given ? m_number(l, steps.items[i]) : 1);
    l_out(l, 0, x);
}

/* ---- Pad ------------------------------------------------------------------------------------- */

/* An axis extended at both ends: out[i] = x[f(i - before)], f being the nearest index (edge), the index
   modulo n (wrap), or the index reflected at both ends (reflect: period 2 (n - 1), the ends not repeated). */
static mval continue_axis(lowering *l, mval x, int at, dim before, dim after, pad_mode mode)
{
    dim n = m_dim(l, x, at), one = d_const(l, 1);
    int64_t size;
    if (l_ok(l) && number_of(l, n, &size) && !size)
        return l_fail(l, SIB_ERR_ARGUMENT, "axis %d has no element for its border to repeat", at);
    mval i = m_iota(l, SIB_I64, d_add(l, d_add(l, before, n), after));
    i = m_sub(l, i, m_dim_scalar(l, before));
    mval last = m_dim_scalar(l, d_sub(l, n, one)), zero = m_scalar_int(l, SIB_I64, 0);
    if (mode == PAD_EDGE)
        i = m_clamp(l, i, zero, last);
    else if (mode == PAD_WRAP)
        i = m_mod(l, i, m_dim_scalar(l, n));
    else {
        mval period = m_dim_scalar(l, bounded(l, d_sub(l, d_add(l, n, n), d_const(l, 2)), one, true));
        i = m_mod(l, i, period);
        i = m_min(l, i, m_sub(l, period, i));
    }
    return m_gather(l, x, i, at);
}

/* Crops by the negative pads and replaces them by 0. */
static mval crop(lowering *l, mval x, int at, dim *before, dim *after)
{
    dim n = m_dim(l, x, at), zero = d_const(l, 0), start = zero, count = n;
    int64_t front, back, size;
    if (number_of(l, *before, &front) && front < 0) {
        start = d_sub(l, zero, *before);
        count = d_add(l, count, *before);
        *before = zero;
    }
    if (number_of(l, *after, &back) && back < 0) {
        count = d_add(l, count, *after);
        *after = zero;
    }
    if (l_ok(l) && number_of(l, count, &size) && size < 0)
        return l_fail(l, SIB_ERR_ARGUMENT, "negative pads remove %lld elements more than axis %d has",
                      (long long)-size, at);
    return dim_same(count, n) ? x : m_slice(l, x, at, start, count, 1);
}

/* x with each axis extended before its start and after its end; negative pads crop, before anything is added.
   The pads are an attribute before opset 11 ("paddings" in opset 1). ONNX Pad-25. */
void lower_ONNX_Pad(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK], before[SIB_MAX_RANK], after[SIB_MAX_RANK];
    int axes[SIB_MAX_RANK], rank = m_dims(l, x, dims);
    bool inputs = n->version >= 11;
    pad_spec spec = spec_pad(n);
    for (int i = 0; i < rank; i++) {
        before[i] = after[i] = d_const(l, 0);
        dims[i] = DIM_NONE;
    }
    if (l->symbolic)
        elem_declare_like(l, x, dims);
    dim_list pads = list_dims(l, spec.pads, inputs ? 1 : 0);
    dim_list listed = list_dims(l, NO_ATTRIBUTE, inputs ? 3 : 0);
    int count = list_axes(l, &listed, rank, rank, axes);
    if (!l_ok(l))
        return;
    if (pads.n != 2 * (size_t)count) {
        l_fail(l, SIB_ERR_ARGUMENT, "there are %zu pads for %d axes, expected two for each", pads.n, count);
        return;
    }
    for (int i = 0; i < count && l_ok(l); i++) {
        before[axes[i]] = pads.items[i];
        after[axes[i]] = pads.items[count + i];
        x = crop(l, x, axes[i], &before[axes[i]], &after[axes[i]]);
    }
    if (spec.mode == PAD_CONSTANT) {
        mval filling = inputs && l_has(l, 2) ? elem_to_scalar(l, l_in(l, 2))
                       : inputs              ? elem_zero(l, x)
                                             : m_scalar_like(l, x, spec.value);
        l_out(l, 0, m_pad(l, x, before, after, filling));
        return;
    }
    dim zero = d_const(l, 0);
    for (int i = 0; i < rank && l_ok(l); i++)
        if (!dim_same(before[i], zero) || !dim_same(after[i], zero))
            x = continue_axis(l, x, i, before[i], after[i], spec.mode);
    l_out(l, 0, x);
}

/* Each listed axis cropped or padded with 0 to a size, around its middle; of an odd number of elements one
   more goes at the end. ONNX CenterCropPad-18. */
void lower_ONNX_CenterCropPad(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    dim dims[SIB_MAX_RANK];
    int axes[SIB_MAX_RANK], rank = m_dims(l, x, dims);
    dim_list listed = list_dims(l, spec_axes(n).axes, 0);
    int count = list_axes(l, &listed, rank, rank, axes);
    for (int i = 0; i < count; i++)
        dims[axes[i]] = DIM_NONE;
    if (l->symbolic)
        elem_declare_like(l, x, dims);
    dim_list shape = list_dims(l, NO_ATTRIBUTE, 1);
    if (l_ok(l) && shape.n != (size_t)count)
        l_fail(l, SIB_ERR_ARGUMENT, "%zu sizes for %d axes", shape.n, count);
    for (int i = 0; i < count && l_ok(l); i++)
        dims[axes[i]] = shape.items[i];
    if (l->symbolic)
        elem_declare_like(l, x, dims);
    for (int i = 0; i < count && l_ok(l); i++) {
        int64_t have = m_size(l, x, axes[i]), want = m_number(l, shape.items[i]);
        if (want < 0)
            l_fail(l, SIB_ERR_ARGUMENT, "axis %d would have size %lld", axes[i], (long long)want);
        else if (want < have)
            x = m_slice_numbers(l, x, axes[i], (have - want) / 2, want);
        else if (want > have)
            x = m_pad_axis(l, x, axes[i], d_const(l, (want - have) / 2),
                           d_const(l, want - have - (want - have) / 2), elem_zero(l, x));
    }
    l_out(l, 0, x);
}

/* ---- Choices --------------------------------------------------------------------------------- */

/* The last two axes where column - row >= k (upper) or <= k, 0 elsewhere. ONNX Trilu-14. */
void lower_ONNX_Trilu(lowering *l, const node *n)
{
    mval x = l_in(l, 0), k = l_has(l, 1) ? elem_to_scalar(l, l_in(l, 1)) : m_scalar_int(l, SIB_I64, 0);
    int rank = m_rank(l, x);
    if (l_ok(l) && rank < 2) {
        l_fail(l, SIB_ERR_ARGUMENT, "a tensor of rank %d has no matrices", rank);
        return;
    }
    mval row = m_unsqueeze(l, m_iota(l, SIB_I64, m_dim(l, x, -2)), 1); /* [h, 1] */
    mval above = m_sub(l, m_iota(l, SIB_I64, m_dim(l, x, -1)), row);   /* [h, w] */
    mval keep = spec_trilu(n).upper ? m_less_equal(l, k, above) : m_less_equal(l, above, k);
    l_out(l, 0, m_where(l, keep, x, elem_zero(l, x)));
}

/* The first len[b] steps of each row b reversed: out[b, t] = x[b, len[b] - 1 - t] for t < len[b]. ONNX
   ReverseSequence-10. */
void lower_ONNX_ReverseSequence(lowering *l, const node *n)
{
    reverse_sequence_spec spec = spec_reverse_sequence(n);
    mval x = l_in(l, 0), length = m_unsqueeze(l, m_cast(l, l_in(l, 1), SIB_I64), 1); /* [B, 1] */
    int rank = m_rank(l, x);
    int batch = m_axis(l, spec.batch_axis, rank, "batch_axis");
    int time = m_axis(l, spec.time_axis, rank, "time_axis");
    if (l_ok(l) && (batch == time || batch > 1 || time > 1)) {
        l_fail(l, SIB_ERR_ARGUMENT, "batch_axis is %d and time_axis %d, expected 0 and 1 or 1 and 0", batch,
               time);
        return;
    }
    x = m_swap(l, x, 0, batch); /* [B, T, ...] */
    mval t = m_iota(l, SIB_I64, m_dim(l, x, 1)), one = m_scalar_int(l, SIB_I64, 1);
    mval mirrored = m_sub(l, m_sub(l, length, one), t);
    mval from = m_where(l, m_less(l, t, length), mirrored, t); /* [B, T] */
    x = m_gather_nd(l, x, m_unsqueeze(l, from, 2), 1);
    l_out(l, 0, m_swap(l, x, 0, batch));
}

/* Slices of x along an axis, or elements of the flattened x, where the condition is true; it may be shorter
   than the axis. ONNX Compress-11. */
void lower_ONNX_Compress(lowering *l, const node *n)
{
    mval x = l_in(l, 0), condition = l_in(l, 1);
    int64_t axis = spec_compress(n).axis;
    bool flat = axis == SPEC_ABSENT;
    int rank = m_rank(l, x), at = flat ? 0 : m_axis(l, axis, rank, "axis");
    if (l_ok(l) && m_rank(l, condition) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "the condition has rank %d, expected 1", m_rank(l, condition));
    if (flat)
        x = m_flatten(l, x, 0, rank);
    l_out(l, 0, m_gather(l, x, m_squeeze(l, m_nonzero(l, condition), 0), at));
}
