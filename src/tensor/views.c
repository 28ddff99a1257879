/* Views: other dims and strides over the same memory. */
#include "base/error.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"
#include "tensor/walk.h"

#include <inttypes.h>
#include <string.h>

/* Finishes a view; rejects a packed one that is no longer dense. */
static sib_code end_view(sib_tensor *view, const char *what, sib_tensor **out, sib_error *err)
{
    tensor_finish(view);
    if (dtype_is_packed(view->dtype) && !view->dense) {
        sib_code code = err_set(err, SIB_ERR_UNSUPPORTED, "%s of packed %s is not dense, convert it first",
                                what, sib_dtype_name(view->dtype));
        sib_tensor_free(&view);
        return code;
    }
    *out = view;
    return SIB_OK;
}

/* True where begin, begin + step, ... (count of them) are all in [0, dim - 1]. */
static bool slice_fits(int64_t dim, int64_t begin, int64_t count, int64_t step)
{
    int64_t last;
    if (count == 0)
        return begin >= 0 && begin <= dim;
    return count > 0 && begin >= 0 && begin < dim && i64_mul(count - 1, step, &last) &&
           i64_add(begin, last, &last) && last >= 0 && last < dim;
}

sib_code sib_tensor_slice(const sib_tensor *t, int64_t axis, int64_t begin, int64_t count, int64_t step,
                          sib_tensor **out, sib_error *err)
{
    sib_code code = tensor_check(t, out, err);
    if (code != SIB_OK)
        return code;
    int64_t rank = (int64_t)t->rank, a = axis < 0 ? axis + rank : axis;
    if (a < 0 || a >= rank)
        return err_set(err, SIB_ERR_ARGUMENT, "axis %" PRId64 " is out of range for rank %" PRId64, axis,
                       rank);
    if (!slice_fits(t->dims[a], begin, count, step))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%" PRId64 " elements from %" PRId64 " by steps of %" PRId64
                       " are out of range on axis %" PRId64 " of %" PRId64,
                       count, begin, step, axis, t->dims[a]);
    if (dtype_is_packed(t->dtype))
        return err_set(err, SIB_ERR_UNSUPPORTED, "packed %s cannot be sliced, convert it first",
                       sib_dtype_name(t->dtype));
    sib_tensor *view = NULL;
    code = tensor_view(t, t->rank, &view, err);
    if (code != SIB_OK)
        return code;
    view->dims[a] = count;
    code = shape_count(view->rank, view->dims, &view->count, err);
    if (code != SIB_OK) { /* a step of 0 repeats an element more often than 64 bits can count */
        sib_tensor_free(&view);
        return code;
    }
    if (view->count > 0)
        view->data += begin * t->strides[a] * (int64_t)dtype_stride(t->dtype);
    if (count > 1)
        view->strides[a] *= step;
    return end_view(view, "a slice", out, err);
}

sib_code sib_tensor_transpose(const sib_tensor *t, const int64_t *permutation, sib_tensor **out,
                              sib_error *err)
{
    sib_code code = tensor_check(t, out, err);
    if (code != SIB_OK)
        return code;
    if (t->rank > 0 && !permutation)
        return err_set(err, SIB_ERR_ARGUMENT, "the permutation is NULL");
    bool seen[SIB_MAX_RANK] = {false};
    for (size_t i = 0; i < t->rank; i++) {
        int64_t p = permutation[i];
        if (p < 0 || p >= (int64_t)t->rank || seen[p])
            return err_set(err, SIB_ERR_ARGUMENT,
                           "axis %" PRId64 " of the permutation is %s, expected each of 0 to %zu once", p,
                           p >= 0 && p < (int64_t)t->rank ? "given twice" : "out of range", t->rank - 1);
        seen[p] = true;
    }
    sib_tensor *view = NULL;
    code = tensor_view(t, t->rank, &view, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < t->rank; i++) {
        view->dims[i] = t->dims[permutation[i]];
        view->strides[i] = t->strides[permutation[i]];
    }
    return end_view(view, "a transposition", out, err);
}

sib_code sib_tensor_reshape(const sib_tensor *t, size_t rank, const int64_t *dims, sib_tensor **out,
                            sib_error *err)
{
    uint64_t count = 0;
    char from[SHAPE_TEXT], to[SHAPE_TEXT];
    sib_code code = tensor_check(t, out, err);
    if (code == SIB_OK)
        code = shape_count(rank, dims, &count, err);
    if (code != SIB_OK)
        return code;
    if (count != t->count)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "shape %s has %" PRIu64 " elements, expected the %" PRIu64 " of %s",
                       shape_text(rank, dims, to), count, t->count, shape_text(t->rank, t->dims, from));
    if (!t->dense)
        return err_set(err, SIB_ERR_ARGUMENT, "the tensor %s is not dense, copy it before reshaping",
                       shape_text(t->rank, t->dims, from));
    sib_tensor *view = NULL;
    code = tensor_view(t, rank, &view, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < rank; i++)
        view->dims[i] = dims[i];
    shape_dense_strides(rank, dims, view->strides);
    return end_view(view, "a reshape", out, err);
}

sib_code sib_tensor_broadcast(const sib_tensor *t, size_t rank, const int64_t *dims, sib_tensor **out,
                              sib_error *err)
{
    uint64_t count = 0;
    char from[SHAPE_TEXT], to[SHAPE_TEXT];
    sib_code code = tensor_check(t, out, err);
    if (code == SIB_OK)
        code = shape_count(rank, dims, &count, err);
    if (code != SIB_OK)
        return code;
    bool fits = rank >= t->rank;
    size_t missing = fits ? rank - t->rank : 0;
    for (size_t i = 0; fits && i < t->rank; i++)
        fits = t->dims[i] == dims[missing + i] || t->dims[i] == 1;
    if (!fits)
        return err_set(err, SIB_ERR_ARGUMENT, "shape %s does not broadcast to %s",
                       shape_text(t->rank, t->dims, from), shape_text(rank, dims, to));
    sib_tensor *view = NULL;
    code = tensor_view(t, rank, &view, err);
    if (code != SIB_OK)
        return code;
    view->count = count;
    for (size_t i = 0; i < rank; i++) {
        bool repeated = i < missing || t->dims[i - missing] != dims[i];
        view->dims[i] = dims[i];
        view->strides[i] = repeated ? 0 : t->strides[i - missing];
    }
    return end_view(view, "a broadcast", out, err);
}

sib_code sib_tensor_copy(const sib_tensor *t, sib_tensor **out, sib_error *err)
{
    sib_code code = tensor_check(t, out, err);
    sib_tensor *copy = NULL;
    if (code == SIB_OK)
        code = tensor_create_raw(t->dtype, t->rank, t->dims, &copy, err);
    if (code != SIB_OK)
        return code;
    tensor_walk walk;
    walk_begin_bytes(&walk, t);
    if (t->dtype != SIB_STRING) {
        walk_copy(&walk, copy->data, (size_t)t->count);
    } else {
        for (size_t i = 0; i < t->count && code == SIB_OK; i++) {
            sib_str s;
            walk_copy(&walk, &s, 1);
            code = tensor_put_string((sib_str *)copy->data + i, s, err);
        }
    }
    if (code != SIB_OK)
        sib_tensor_free(&copy);
    *out = copy;
    return code;
}
