#include "run/execute/stack.h"

#include "base/assert.h"
#include "base/error.h"
#include "tensor/convert.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

#include <string.h>

/* Copies n elements from index from_first to index to_first. */
static sib_code copy_elements(sib_dtype dtype, void *to, size_t to_first, const void *from, size_t from_first,
                              size_t n, sib_error *err)
{
    size_t bytes = dtype_stride(dtype);
    if (dtype == SIB_STRING) {
        sib_code code = SIB_OK;
        for (size_t i = 0; i < n && code == SIB_OK; i++)
            code =
                tensor_put_string((sib_str *)to + to_first + i, ((const sib_str *)from)[from_first + i], err);
        return code;
    }
    if (bytes) {
        memcpy((char *)to + to_first * bytes, (const char *)from + from_first * bytes, n * bytes);
        return SIB_OK;
    }
    for (size_t i = 0; i < n; i += CONVERT_BLOCK)
        convert_block(dtype, from, from_first + i, dtype, to, to_first + i,
                      n - i < CONVERT_BLOCK ? n - i : CONVERT_BLOCK, SIB_OVERFLOW_IEEE);
    return SIB_OK;
}

/* Fills with zeros; strings stay. */
static void clear(sib_tensor *t)
{
    size_t bytes = 0;
    if (t->dtype != SIB_STRING && dtype_bytes(t->dtype, t->count, &bytes))
        memset(t->data, 0, bytes);
}

/* Numbers of elements before and after axis `at` of dims (rank). */
static void around(size_t rank, const int64_t *dims, size_t at, size_t *outer, size_t *inner)
{
    *outer = *inner = 1;
    for (size_t i = 0; i < rank; i++)
        if (i != at)
            *(i < at ? outer : inner) *= (size_t)dims[i];
}

/* ---- Slices -------------------------------------------------------------------------------------------- */

sib_code slice_cut(slice *s, const sib_tensor *t, int64_t axis, int64_t index, sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    size_t n = 0, outer, inner;
    sib_value_free(&s->value);
    if (t->rank == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "a scalar has no axis to slice along");
    size_t at = (size_t)(axis < 0 ? axis + (int64_t)t->rank : axis);
    if (at >= t->rank || index < 0 || index >= t->dims[at])
        return err_set(err, SIB_ERR_ARGUMENT, "index %lld is out of range along axis %lld", (long long)index,
                       (long long)axis);
    for (size_t i = 0; i < t->rank; i++)
        if (i != at)
            dims[n++] = t->dims[i];
    sib_code code = spares_take(&s->kept, SPARES_MAX, t->dtype, n, dims, &s->value, err);
    if (code == SIB_OK && dtype_is_packed(t->dtype))
        clear(s->value->tensor); /* packed elements may fill the last byte only in part */
    around(t->rank, t->dims, at, &outer, &inner);
    for (size_t o = 0; o < outer && code == SIB_OK; o++)
        code = copy_elements(t->dtype, s->value->tensor->data, o * inner, t->data,
                             (o * (size_t)t->dims[at] + (size_t)index) * inner, inner, err);
    return code;
}

void slice_free(slice *s)
{
    sib_value_free(&s->value);
    spares_clear(&s->kept);
}

/* ---- Stacks -------------------------------------------------------------------------------------------- */

void stack_begin(stack *s, run_state *run, unsigned max, int64_t axis, bool backward, int64_t room)
{
    stack_drop(s);
    s->run = run;
    s->max = max;
    s->axis = axis;
    s->backward = backward;
    s->room = room;
}

static size_t axis_of(const stack *s, size_t rank)
{
    return (size_t)(s->axis < 0 ? s->axis + (int64_t)rank : s->axis);
}

/* Allocates s->value for `room` parts of dims (rank). keep: as a spare. */
static sib_code make_room(stack *s, bool keep, int64_t room, sib_dtype dtype, size_t rank,
                          const int64_t *dims, sib_error *err)
{
    int64_t all[SIB_MAX_RANK];
    size_t at = axis_of(s, rank + 1);
    if (rank >= SIB_MAX_RANK || at > rank)
        return err_set(err, SIB_ERR_ARGUMENT, "parts of rank %zu cannot be stacked along axis %lld", rank,
                       (long long)s->axis);
    for (size_t i = 0; i <= rank; i++)
        all[i] = i < at ? dims[i] : i == at ? room : dims[i - 1];
    uint64_t count;
    size_t bytes = 0;
    sib_code code = shape_count(rank + 1, all, &count, err);
    if (code == SIB_OK && !dtype_bytes(dtype, count, &bytes))
        code = err_set(err, SIB_ERR_SIZE, "the outputs of its iterations do not fit in the address space");
    if (code != SIB_OK)
        return code;
    s->room = room;
    s->charged += bytes;
    code = run_charge(s->run, bytes, "the outputs of its iterations", err);
    if (code == SIB_OK && keep)
        return spares_take(&s->kept, s->max, dtype, rank + 1, all, &s->value, err);
    sib_tensor *t = NULL;
    if (code == SIB_OK)
        code = tensor_create_raw(dtype, rank + 1, all, &t, err);
    return code == SIB_OK ? value_take_tensor(t, &s->value, err) : code;
}

sib_code stack_open(stack *s, sib_dtype dtype, size_t rank, const int64_t *dims, sib_error *err)
{
    sib_code code = make_room(s, true, s->room, dtype, rank, dims, err);
    if (code == SIB_OK)
        clear(s->value->tensor);
    s->n = s->room;
    return code;
}

/* The dims of a part: those of the stack without its axis. */
static size_t part_dims(const stack *s, int64_t *dims)
{
    const sib_tensor *t = s->value->tensor;
    size_t n = 0, at = axis_of(s, t->rank);
    for (size_t i = 0; i < t->rank; i++)
        if (i != at)
            dims[n++] = t->dims[i];
    return n;
}

static sib_code check_part(const stack *s, int64_t index, const sib_tensor *t, sib_error *err)
{
    int64_t dims[SIB_MAX_RANK];
    char here[SHAPE_TEXT], there[SHAPE_TEXT];
    size_t rank = part_dims(s, dims);
    sib_dtype dtype = s->value->tensor->dtype;
    if (t->dtype == dtype && t->rank == rank && !memcmp(t->dims, dims, rank * sizeof *dims))
        return SIB_OK;
    return err_set(err, SIB_ERR_ARGUMENT, "part %lld is of %s %s, the first of %s %s", (long long)index,
                   sib_dtype_name(t->dtype), shape_text(t->rank, t->dims, here), sib_dtype_name(dtype),
                   shape_text(rank, dims, there));
}

void stack_fill(stack *s)
{
    const sib_tensor *t = s->value->tensor;
    SIB_ASSERT(s->n <= s->room);
    size_t part = s->room ? (size_t)t->count / (size_t)s->room * dtype_stride(t->dtype) : 0;
    if (t->dtype != SIB_STRING) /* strings are empty, and packed elements are zeroed when allocated */
        memset(t->data + (size_t)s->n * part, 0, (size_t)(s->room - s->n) * part);
    s->n = s->room;
}

/* Moves the parts into memory for `room` parts, along axis 0. last: the final size of the stack. */
static sib_code change_room(stack *s, int64_t room, bool last, sib_error *err)
{
    sib_value *before = s->value;
    const sib_tensor *t = before->tensor;
    uint64_t charged = s->charged;
    int64_t kept = s->room < room ? s->room : room;
    size_t part = s->room ? (size_t)t->count / (size_t)s->room : 0;
    s->value = NULL;
    sib_code code = make_room(s, last, room, t->dtype, t->rank - 1, t->dims + 1, err);
    if (code == SIB_OK && dtype_is_packed(t->dtype))
        clear(s->value->tensor);
    if (code == SIB_OK)
        code = copy_elements(t->dtype, s->value->tensor->data, 0, t->data, 0, (size_t)kept * part, err);
    sib_value_free(&before);
    SIB_ASSERT(s->run->memory >= charged && s->charged >= charged);
    s->run->memory -= charged;
    s->charged -= charged;
    return code;
}

static sib_code put_dense(stack *s, int64_t index, const sib_tensor *t, sib_error *err)
{
    size_t outer, inner;
    int64_t at = s->backward ? s->room - 1 - index : index;
    sib_code code = SIB_OK;
    if (!s->value) {
        code = make_room(s, true, at < s->room ? s->room : at + 1, t->dtype, t->rank, t->dims, err);
        if (code == SIB_OK && dtype_is_packed(t->dtype))
            clear(s->value->tensor);
    } else
        code = check_part(s, index, t, err);
    if (code == SIB_OK && at >= s->room)
        code = change_room(s, at < INT64_MAX / 2 ? 2 * at : at + 1, false, err);
    if (code != SIB_OK)
        return code;
    const sib_tensor *all = s->value->tensor;
    SIB_ASSERT(at >= 0 && at < s->room);
    size_t axis = axis_of(s, all->rank);
    around(all->rank, all->dims, axis, &outer, &inner);
    for (size_t o = 0; o < outer && code == SIB_OK; o++)
        code = copy_elements(t->dtype, all->data, (o * (size_t)s->room + (size_t)at) * inner, t->data,
                             o * inner, inner, err);
    if (at >= s->n)
        s->n = at + 1;
    return code;
}

sib_code stack_put(stack *s, int64_t index, const sib_value *part, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(part);
    sib_tensor *dense = NULL;
    if (!t)
        return err_set(err, SIB_ERR_ARGUMENT, "part %lld is not a tensor", (long long)index);
    if (t->dense)
        return put_dense(s, index, t, err);
    sib_code code = sib_tensor_copy(t, &dense, err);
    if (code == SIB_OK)
        code = put_dense(s, index, dense, err);
    sib_tensor_free(&dense);
    return code;
}

sib_code stack_end(stack *s, sib_value **out, sib_error *err)
{
    sib_code code = s->n < s->room ? change_room(s, s->n, true, err) : SIB_OK;
    s->before = s->n;
    if (code == SIB_OK) {
        *out = s->value;
        s->value = NULL;
    }
    stack_drop(s);
    return code;
}

void stack_drop(stack *s)
{
    sib_value_free(&s->value);
    SIB_ASSERT(!s->run || s->run->memory >= s->charged);
    if (s->run)
        s->run->memory -= s->charged;
    s->run = NULL;
    s->charged = 0;
    s->n = 0;
}

void stack_free(stack *s)
{
    stack_drop(s);
    spares_clear(&s->kept);
}
