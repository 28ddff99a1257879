/* Sequences and optionals: values that hold values. Items are shared; only splitting and joining copy
   elements. */
#include "backend/ref/kernel.h"

#include <string.h>

/* ---- Inputs ------------------------------------------------------------------------------------------- */

/* Input i as a sequence. */
static sib_code sequence_in(const ref_call *c, size_t i, const sib_value **out)
{
    *out = ref_value(c, i);
    if (*out && sib_value_get_kind(*out) == SIB_VALUE_SEQUENCE)
        return SIB_OK;
    return ref_fail(c, SIB_ERR_VALUE, "input %zu is not a sequence", i);
}

/* The int64 of input i, counted from the end where negative, in [0, n + extra). */
static sib_code position_in(const ref_call *c, size_t i, size_t n, size_t extra, size_t *out)
{
    const sib_tensor *t = ref_in(c, i);
    if (!t || t->dtype != SIB_I64 || t->count != 1)
        return ref_fail(c, SIB_ERR_VALUE, "the position is not one int64");
    int64_t given = *(const int64_t *)t->data, at = given < 0 ? given + (int64_t)n : given;
    if (at < 0 || (uint64_t)at >= (uint64_t)n + extra)
        return ref_fail(c, SIB_ERR_VALUE,
                        "position %lld is out of range for a sequence of %zu, expected [-%zu, %zu)",
                        (long long)given, n, n, n + extra);
    *out = (size_t)at;
    return SIB_OK;
}

/* ---- Making and changing ------------------------------------------------------------------------------ */

/* An item for a sequence: the value itself, or a copy where it does not own its memory, such as that of a
   plan, which the next run overwrites. */
static sib_code kept(const ref_call *c, const sib_value *v, sib_value **out)
{
    const sib_tensor *t = sib_value_tensor(v);
    sib_tensor *own = NULL;
    if (!t || t->storage->owned) {
        *out = value_share(v);
        return SIB_OK;
    }
    sib_code code = sib_tensor_copy(t, &own, c->err);
    return code == SIB_OK ? value_take_tensor(own, out, c->err) : code;
}

/* Sets item i of `made` to v. */
static sib_code put_item(const ref_call *c, sib_value *made, size_t i, const sib_value *v)
{
    sib_value *item = NULL;
    if (v->depth >= VALUE_MAX_DEPTH)
        return ref_fail(c, SIB_ERR_SIZE, "item %zu is %u values deep, expected at most %d", i, v->depth,
                        VALUE_MAX_DEPTH);
    sib_code code = kept(c, v, &item);
    if (code == SIB_OK)
        value_put(made, i, item);
    return code;
}

/* Sets output 0 to `made`, or frees it after a failure. */
static sib_code give_or_free(const ref_call *c, sib_code code, sib_value *made)
{
    if (code == SIB_OK)
        return ref_give(c, 0, made);
    sib_value_free(&made);
    return code;
}

static sib_code gather_inputs(const ref_call *c, sib_value_kind kind)
{
    size_t n = spec_sequence(c->node).empty ? 0 : c->view->n_in;
    sib_value *made = NULL;
    for (size_t i = 0; i < n; i++)
        if (!ref_value(c, i))
            return ref_fail(c, SIB_ERR_VALUE, "input %zu is missing", i);
    sib_code code = value_room(kind, n, &made, c->err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = put_item(c, made, i, ref_value(c, i));
    return give_or_free(c, code, made);
}

sib_code ref_sequence_make(const ref_call *c)
{
    return gather_inputs(c, SIB_VALUE_SEQUENCE);
}

sib_code ref_sequence_at(const ref_call *c)
{
    const sib_value *s;
    size_t at = 0;
    sib_code code = sequence_in(c, 0, &s);
    if (code == SIB_OK)
        code = position_in(c, 1, sib_value_count(s), 0, &at);
    return code == SIB_OK ? ref_give_shared(c, 0, s->items[at]) : code;
}

sib_code ref_sequence_insert(const ref_call *c)
{
    const sib_value *s, *item = ref_value(c, 1);
    sib_value *made = NULL;
    size_t at = 0, n;
    sib_code code = sequence_in(c, 0, &s);
    if (code == SIB_OK && !item)
        code = ref_fail(c, SIB_ERR_VALUE, "the item is missing");
    if (code == SIB_OK)
        code = position_in(c, 2, sib_value_count(s), 1, &at);
    if (code != SIB_OK)
        return code;
    n = sib_value_count(s);
    const sib_tensor *t = sib_value_tensor(item), *first = n ? sib_value_tensor(s->items[0]) : NULL;
    if (t && first && t->dtype != first->dtype)
        return ref_fail(c, SIB_ERR_VALUE, "an item of %s cannot be in a sequence of %s",
                        sib_dtype_name(t->dtype), sib_dtype_name(first->dtype));
    code = value_room(SIB_VALUE_SEQUENCE, n + 1, &made, c->err);
    for (size_t i = 0; i <= n && code == SIB_OK; i++)
        code = put_item(c, made, i, i == at ? item : s->items[i < at ? i : i - 1]);
    return give_or_free(c, code, made);
}

sib_code ref_sequence_erase(const ref_call *c)
{
    const sib_value *s;
    sib_value *made = NULL;
    size_t at = 0;
    sib_code code = sequence_in(c, 0, &s);
    if (code == SIB_OK)
        code = position_in(c, 1, sib_value_count(s), 0, &at);
    if (code != SIB_OK)
        return code;
    size_t n = sib_value_count(s) - 1;
    code = value_room(SIB_VALUE_SEQUENCE, n, &made, c->err);
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        value_put(made, i, value_share(s->items[i < at ? i : i + 1]));
    return code == SIB_OK ? ref_give(c, 0, made) : code;
}

sib_code ref_sequence_length(const ref_call *c)
{
    const sib_value *s;
    sib_tensor *out = NULL;
    sib_code code = sequence_in(c, 0, &s);
    if (code == SIB_OK)
        code = ref_make(c, 0, SIB_I64, 0, NULL, &out);
    if (code == SIB_OK && out)
        *(int64_t *)out->data = (int64_t)sib_value_count(s);
    return code;
}

/* ---- Joining ------------------------------------------------------------------------------------------- */

/* Items seen as [before, own size, after] around the joined axis. */
typedef struct join {
    bool stack;
    size_t axis, rank; /* of the result */
    sib_dtype dtype;
    int64_t dims[SIB_MAX_RANK]; /* of the result */
    size_t before, after;       /* elements */
} join;

/* Checks item i against the first and adds its size. */
static sib_code join_item(const ref_call *c, join *j, const sib_tensor *t, size_t i)
{
    size_t rank = j->rank - j->stack;
    if (!t)
        return ref_fail(c, SIB_ERR_VALUE, "item %zu is not a tensor", i);
    if (t->dtype != j->dtype || t->rank != rank)
        return ref_fail(c, SIB_ERR_VALUE, "item %zu is %s of rank %zu, the first %s of rank %zu", i,
                        sib_dtype_name(t->dtype), t->rank, sib_dtype_name(j->dtype), rank);
    for (size_t k = 0, at = 0; k < j->rank; k++) {
        if (k == j->axis) {
            int64_t more = j->stack ? 1 : t->dims[at];
            if (!i64_add(j->dims[k], more, &j->dims[k]))
                return ref_fail(c, SIB_ERR_SIZE, "the sizes of the items add up beyond 64 bits");
            at += !j->stack;
        } else if (t->dims[at++] != j->dims[k])
            return ref_fail(c, SIB_ERR_VALUE, "item %zu has size %lld at axis %zu, the first %lld", i,
                            (long long)t->dims[at - 1], at - 1, (long long)j->dims[k]);
    }
    return SIB_OK;
}

static sib_code join_plan(const ref_call *c, join *j, const sib_value *s)
{
    size_t n = sib_value_count(s);
    const sib_tensor *first = n ? sib_value_tensor(s->items[0]) : NULL;
    sequence_spec spec = spec_sequence(c->node);
    int64_t axis = spec.axis;
    *j = (join){.stack = spec.new_axis, .before = 1, .after = 1};
    if (!first)
        return ref_fail(c, SIB_ERR_VALUE, "%s", n ? "item 0 is not a tensor" : "the sequence is empty");
    j->rank = first->rank + j->stack;
    j->dtype = first->dtype;
    if (axis < -(int64_t)j->rank || axis >= (int64_t)j->rank || j->rank > SIB_MAX_RANK)
        return ref_fail(c, SIB_ERR_VALUE, "axis %lld is out of range, expected [-%zu, %zu)", (long long)axis,
                        j->rank, j->rank);
    if (sib_dtype_bits(j->dtype) < 8)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "sequences of %s cannot be concatenated",
                        sib_dtype_name(j->dtype));
    j->axis = (size_t)(axis < 0 ? axis + (int64_t)j->rank : axis);
    for (size_t k = 0, at = 0; k < j->rank; k++)
        j->dims[k] = k == j->axis ? (at += !j->stack, 0) : first->dims[at++];
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = join_item(c, j, sib_value_tensor(s->items[i]), i);
    for (size_t k = 0; k < j->rank && code == SIB_OK; k++)
        if (k != j->axis) /* cannot overflow: the tensors exist */
            *(k < j->axis ? &j->before : &j->after) *= (size_t)j->dims[k];
    return code;
}

/* Copies n elements of dense memory. */
static sib_code move_elements(sib_tensor *to, size_t to_first, const sib_tensor *from, size_t from_first,
                              size_t n, sib_error *err)
{
    size_t width = dtype_stride(to->dtype);
    sib_code code = SIB_OK;
    if (to->dtype != SIB_STRING && n)
        memcpy(to->data + to_first * width, from->data + from_first * width, n * width);
    for (size_t i = 0; to->dtype == SIB_STRING && i < n && code == SIB_OK; i++)
        code = tensor_put_string((sib_str *)to->data + to_first + i,
                                 ((const sib_str *)from->data)[from_first + i], err);
    return code;
}

/* Copies t into `out`; at: the sizes of the items before it along the axis. */
static sib_code join_move(const ref_call *c, const join *j, sib_tensor *out, const sib_tensor *t, size_t at)
{
    sib_tensor *dense = NULL;
    size_t own = (j->stack ? 1 : (size_t)t->dims[j->axis]) * j->after,
           row = (size_t)j->dims[j->axis] * j->after;
    sib_code code = SIB_OK;
    if (!t->dense) {
        code = sib_tensor_copy(t, &dense, c->err);
        t = dense;
    }
    for (size_t i = 0; i < j->before && code == SIB_OK; i++)
        code = move_elements(out, i * row + at * j->after, t, i * own, own, c->err);
    sib_tensor_free(&dense);
    return code;
}

sib_code ref_sequence_concat(const ref_call *c)
{
    const sib_value *s;
    sib_tensor *out = NULL;
    join j;
    size_t at = 0;
    sib_code code = sequence_in(c, 0, &s);
    if (code == SIB_OK)
        code = join_plan(c, &j, s);
    if (code == SIB_OK)
        code = ref_make(c, 0, j.dtype, j.rank, j.dims, &out);
    for (size_t i = 0; out && i < sib_value_count(s) && code == SIB_OK; i++) {
        const sib_tensor *t = sib_value_tensor(s->items[i]);
        code = join_move(c, &j, out, t, at);
        at += j.stack ? 1 : (size_t)t->dims[j.axis];
    }
    return code;
}

/* ---- Splitting ----------------------------------------------------------------------------------------- */

/* Cuts a piece from `begin` on; without keep its axis, of size 1, is removed. */
static sib_code cut_piece(const sib_tensor *t, size_t axis, int64_t begin, int64_t size, bool keep,
                          sib_value **out, sib_error *err)
{
    sib_tensor *view = NULL, *piece = NULL, *less = NULL;
    int64_t dims[SIB_MAX_RANK];
    sib_code code = sib_tensor_slice(t, (int64_t)axis, begin, size, 1, &view, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(view, &piece, err);
    if (code == SIB_OK && !keep) {
        for (size_t i = 0, k = 0; i < t->rank; i++)
            if (i != axis)
                dims[k++] = t->dims[i];
        code = sib_tensor_reshape(piece, t->rank - 1, dims, &less, err);
        sib_tensor_free(&piece);
        piece = less;
    }
    sib_tensor_free(&view);
    if (code == SIB_OK)
        code = value_take_tensor(piece, out, err);
    return code;
}

/* The number of pieces. alike: sizes[0] is the size of every piece, else each has its own. */
static sib_code cut_sizes(const ref_call *c, const sib_tensor *sizes, int64_t whole, bool *alike, size_t *n)
{
    const int64_t *list = (const int64_t *)sizes->data;
    int64_t sum = 0;
    *alike = sizes->rank == 0;
    if (sizes->rank > 1)
        return ref_fail(c, SIB_ERR_VALUE, "the sizes have rank %zu, expected 0 or 1", sizes->rank);
    *n = (size_t)sizes->count;
    if (*alike) {
        if (list[0] <= 0)
            return ref_fail(c, SIB_ERR_VALUE, "pieces of size %lld, expected at least 1", (long long)list[0]);
        *n = (size_t)(whole / list[0] + (whole % list[0] != 0));
        return SIB_OK;
    }
    for (size_t i = 0; i < *n; i++)
        if (list[i] < 0 || !i64_add(sum, list[i], &sum))
            return ref_fail(c, SIB_ERR_VALUE, "size %zu is %lld, expected at least 0", i, (long long)list[i]);
    if (sum != whole)
        return ref_fail(c, SIB_ERR_VALUE, "the sizes add up to %lld, the axis has %lld", (long long)sum,
                        (long long)whole);
    return SIB_OK;
}

sib_code ref_sequence_split(const ref_call *c)
{
    const sib_tensor *t = ref_in(c, 0), *sizes = ref_in(c, 1);
    sequence_spec spec = spec_sequence(c->node);
    int64_t axis = spec.axis, begin = 0;
    bool keep = spec.keep, alike = false;
    size_t n = 0;
    sib_value *made = NULL;
    if (axis < 0 || axis >= (int64_t)t->rank || sizes->dtype != SIB_I64)
        return ref_fail(c, SIB_ERR_ARGUMENT, "axis %lld of rank %zu cannot be split by sizes of %s",
                        (long long)axis, t->rank, sib_dtype_name(sizes->dtype));
    int64_t whole = t->dims[axis];
    sib_code code = cut_sizes(c, sizes, whole, &alike, &n);
    if (code == SIB_OK)
        code = value_room(SIB_VALUE_SEQUENCE, n, &made, c->err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        int64_t size = ((const int64_t *)sizes->data)[alike ? 0 : i];
        sib_value *piece = NULL;
        size = size < whole - begin ? size : whole - begin;
        code = cut_piece(t, (size_t)axis, begin, size, keep, &piece, c->err);
        if (code == SIB_OK)
            value_put(made, i, piece);
        begin += size;
    }
    return give_or_free(c, code, made);
}

/* ---- Optionals ----------------------------------------------------------------------------------------- */

sib_code ref_optional_make(const ref_call *c)
{
    return gather_inputs(c, SIB_VALUE_OPTIONAL);
}

sib_code ref_optional_has(const ref_call *c)
{
    const sib_value *v = ref_value(c, 0);
    sib_tensor *out = NULL;
    sib_code code = ref_make(c, 0, SIB_BOOL, 0, NULL, &out);
    if (code == SIB_OK && out)
        *(uint8_t *)out->data = v && (sib_value_get_kind(v) != SIB_VALUE_OPTIONAL || sib_value_count(v) > 0);
    return code;
}

sib_code ref_optional_get(const ref_call *c)
{
    const sib_value *v = ref_value(c, 0);
    if (v && sib_value_get_kind(v) != SIB_VALUE_OPTIONAL)
        return ref_give_shared(c, 0, v);
    if (!v || !sib_value_count(v))
        return ref_fail(c, SIB_ERR_VALUE, "the optional is empty");
    return ref_give_shared(c, 0, v->items[0]);
}
