/* Elements of a tensor one by one, as numbers and strings. */
#include "base/error.h"
#include "tensor/convert.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#include "tensor/text.h"

#include <inttypes.h>
#include <math.h>

/* Offset of an element from t->data, in elements. */
static sib_code find_element(const sib_tensor *t, const int64_t *index, int64_t *offset, sib_error *err)
{
    if (!t || (t->rank > 0 && !index))
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", t ? "the index" : "the tensor");
    *offset = 0;
    for (size_t i = 0; i < t->rank; i++) {
        if (index[i] < 0 || index[i] >= t->dims[i])
            return err_set(err, SIB_ERR_ARGUMENT,
                           "index %" PRId64 " on axis %zu is out of range, expected 0 to %" PRId64, index[i],
                           i, t->dims[i] - 1);
        *offset += index[i] * t->strides[i];
    }
    return SIB_OK;
}

/* Memory and position of the element at `offset`, as functions on dense memory take them: only packed
   types, which are dense, have a position. */
static char *element_at(const sib_tensor *t, int64_t offset, size_t *position)
{
    bool packed = dtype_is_packed(t->dtype);
    tensor_ready(t);
    *position = packed ? (size_t)offset : 0;
    return packed ? t->data : t->data + offset * (int64_t)dtype_stride(t->dtype);
}

sib_code sib_tensor_get(const sib_tensor *t, const int64_t *index, double *out, sib_error *err)
{
    int64_t offset = 0;
    size_t position;
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL, expected where to put a number");
    sib_code code = find_element(t, index, &offset, err);
    if (code != SIB_OK)
        return code;
    const char *at = element_at(t, offset, &position);
    if (t->dtype == SIB_STRING)
        *out = NAN;
    else
        convert_to_doubles(t->dtype, at, position, 1, CONVERT_REAL_PART, out);
    return SIB_OK;
}

sib_code sib_tensor_set(sib_tensor *t, const int64_t *index, double value, sib_error *err)
{
    int64_t offset = 0;
    size_t position;
    sib_code code = find_element(t, index, &offset, err);
    if (code != SIB_OK)
        return code;
    if (t->dtype == SIB_STRING) {
        char text[TEXT_MAX];
        size_t length;
        code = text_from_number(SIB_F64, &value, text, &length, err);
        return code == SIB_OK ? sib_tensor_set_string(t, index, (sib_str){text, length}, err) : code;
    }
    char *at = element_at(t, offset, &position);
    convert_block(SIB_F64, &value, 0, t->dtype, at, position, 1, SIB_OVERFLOW_SATURATE);
    return SIB_OK;
}

static sib_code find_string(const sib_tensor *t, const int64_t *index, sib_str **element, sib_error *err)
{
    int64_t offset = 0;
    sib_code code = find_element(t, index, &offset, err);
    if (code != SIB_OK)
        return code;
    if (t->dtype != SIB_STRING)
        return err_set(err, SIB_ERR_ARGUMENT, "the tensor is of %s, expected string",
                       sib_dtype_name(t->dtype));
    tensor_ready(t);
    *element = (sib_str *)t->data + offset;
    return SIB_OK;
}

sib_code sib_tensor_get_string(const sib_tensor *t, const int64_t *index, sib_str *out, sib_error *err)
{
    sib_str *element = NULL;
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "out is NULL, expected where to put a string");
    sib_code code = find_string(t, index, &element, err);
    if (code == SIB_OK)
        *out = *element;
    return code;
}

sib_code sib_tensor_set_string(sib_tensor *t, const int64_t *index, sib_str value, sib_error *err)
{
    sib_str *element = NULL;
    sib_code code = find_string(t, index, &element, err);
    if (code != SIB_OK)
        return code;
    if (!value.data && value.length > 0)
        return err_set(err, SIB_ERR_ARGUMENT, "the string is NULL, expected %zu bytes", value.length);
    if (!t->storage->owned)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "strings in wrapped memory belong to the caller and cannot be set");
    return tensor_put_string(element, value, err);
}
