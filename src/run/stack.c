#include "run/stack.h"

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

#include <string.h>

static sib_code into_value(sib_tensor *t, sib_value **out, sib_error *err)
{
    sib_code code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

/* Packed types have no strided views: they are widened to bytes where that is needed, and narrowed again. */
static sib_code widen(const sib_tensor *t, sib_tensor **out, sib_error *err)
{
    if (!dtype_is_packed(t->dtype))
        return tensor_view(t, out, err);
    bool fractions = sib_dtype_get_kind(t->dtype) == SIB_KIND_FLOAT;
    bool whole = sib_dtype_get_kind(t->dtype) == SIB_KIND_INT;
    return sib_tensor_convert(t, fractions ? SIB_F32 : whole ? SIB_I8 : SIB_U8, SIB_OVERFLOW_IEEE, out, err);
}

static sib_code narrow(sib_tensor **t, sib_dtype dtype, sib_error *err)
{
    sib_tensor *made = NULL;
    if ((*t)->dtype == dtype)
        return SIB_OK;
    sib_code code = sib_tensor_convert(*t, dtype, SIB_OVERFLOW_IEEE, &made, err);
    if (code == SIB_OK) {
        sib_tensor_free(t);
        *t = made;
    }
    return code;
}

sib_code stack_part(const sib_tensor *t, int64_t axis, int64_t index, sib_value **out, sib_error *err)
{
    sib_tensor *wide = NULL, *slice = NULL, *dense = NULL, *part = NULL;
    int64_t dims[SIB_MAX_RANK];
    if (t->rank == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "a scalar has no axis to take parts along");
    size_t at = (size_t)(axis < 0 ? axis + (int64_t)t->rank : axis), n = 0;
    sib_code code = widen(t, &wide, err);
    if (code == SIB_OK)
        code = sib_tensor_slice(wide, axis, index, 1, 1, &slice, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(slice, &dense, err);
    for (size_t i = 0; i < t->rank; i++)
        if (i != at)
            dims[n++] = t->dims[i];
    if (code == SIB_OK)
        code = sib_tensor_reshape(dense, n, dims, &part, err);
    if (code == SIB_OK)
        code = narrow(&part, t->dtype, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(part, out, err);
    sib_tensor_free(&wide);
    sib_tensor_free(&slice);
    sib_tensor_free(&dense);
    sib_tensor_free(&part);
    return code;
}

/* Copies the elements of a part to a strided place in `to`. */
static sib_code copy_into(const sib_tensor *part, sib_tensor *to, size_t axis, size_t index, size_t n,
                          sib_error *err)
{
    size_t inner = 1, outer = 1, bytes = dtype_stride(part->dtype);
    for (size_t i = 0; i < part->rank; i++)
        *(i < axis ? &outer : &inner) *= (size_t)part->dims[i];
    for (size_t o = 0; o < outer; o++) {
        const char *from = part->data + o * inner * bytes;
        char *place = to->data + (o * n + index) * inner * bytes;
        if (part->dtype != SIB_STRING) {
            memcpy(place, from, inner * bytes);
            continue;
        }
        for (size_t i = 0; i < inner; i++) {
            sib_code code = tensor_put_string((sib_str *)place + i, ((const sib_str *)from)[i], err);
            if (code != SIB_OK)
                return code;
        }
    }
    return SIB_OK;
}

static sib_code check_part(const sib_value *v, const sib_tensor *first, size_t i, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(v);
    char here[SHAPE_TEXT], there[SHAPE_TEXT];
    if (!t)
        return err_set(err, SIB_ERR_ARGUMENT, "part %zu is no tensor", i);
    if (t->dtype == first->dtype && t->rank == first->rank &&
        !memcmp(t->dims, first->dims, t->rank * sizeof *t->dims))
        return SIB_OK;
    return err_set(err, SIB_ERR_ARGUMENT, "part %zu is %s %s, the first %s %s", i, sib_dtype_name(t->dtype),
                   shape_text(t->rank, t->dims, here), sib_dtype_name(first->dtype),
                   shape_text(first->rank, first->dims, there));
}

sib_code stack_join(size_t n, sib_value *const *parts, int64_t axis, sib_value **out, sib_error *err)
{
    const sib_tensor *first = sib_value_tensor(parts[0]);
    sib_tensor *made = NULL;
    int64_t dims[SIB_MAX_RANK];
    if (!first)
        return err_set(err, SIB_ERR_ARGUMENT, "part 0 is no tensor");
    int64_t at = axis < 0 ? axis + (int64_t)first->rank + 1 : axis;
    if (at < 0 || at > (int64_t)first->rank || first->rank >= SIB_MAX_RANK)
        return err_set(err, SIB_ERR_ARGUMENT, "parts of rank %zu cannot be put together along axis %lld",
                       first->rank, (long long)axis);
    for (size_t i = 0; i <= first->rank; i++)
        dims[i] = i < (size_t)at ? first->dims[i] : i == (size_t)at ? (int64_t)n : first->dims[i - 1];
    sib_tensor *shape_of = NULL;
    sib_code code = widen(first, &shape_of, err);
    if (code == SIB_OK)
        code = sib_tensor_create(shape_of->dtype, first->rank + 1, dims, &made, err);
    sib_tensor_free(&shape_of);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        sib_tensor *wide = NULL, *dense = NULL;
        code = check_part(parts[i], first, i, err);
        if (code == SIB_OK)
            code = widen(sib_value_tensor(parts[i]), &wide, err);
        if (code == SIB_OK)
            code = sib_tensor_copy(wide, &dense, err);
        if (code == SIB_OK)
            code = copy_into(dense, made, (size_t)at, i, n, err);
        sib_tensor_free(&wide);
        sib_tensor_free(&dense);
    }
    if (code == SIB_OK)
        code = narrow(&made, first->dtype, err);
    if (code == SIB_OK)
        return into_value(made, out, err);
    sib_tensor_free(&made);
    return code;
}
