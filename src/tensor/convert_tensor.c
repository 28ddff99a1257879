/* Conversions of arrays and tensors. */
#include "base/error.h"
#include "tensor/convert.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"
#include "tensor/text.h"
#include "tensor/walk.h"

_Static_assert(WALK_BLOCK <= CONVERT_BLOCK && WALK_BLOCK % 8 == 0, "walks give what blocks take");

static sib_code check_overflow(sib_overflow overflow, sib_error *err)
{
    if (overflow == SIB_OVERFLOW_SATURATE || overflow == SIB_OVERFLOW_IEEE)
        return SIB_OK;
    return err_set(err, SIB_ERR_ARGUMENT, "overflow is %d, expected SIB_OVERFLOW_SATURATE or _IEEE",
                   (int)overflow);
}

sib_code sib_convert(sib_dtype from, const void *src, sib_dtype to, void *dst, size_t n,
                     sib_overflow overflow, sib_error *err)
{
    size_t bytes;
    sib_code code = dtype_check(from, err);
    if (code == SIB_OK)
        code = dtype_check(to, err);
    if (code == SIB_OK)
        code = check_overflow(overflow, err);
    if (code != SIB_OK)
        return code;
    if (from == SIB_STRING || to == SIB_STRING)
        return err_set(err, SIB_ERR_ARGUMENT, "strings are converted by sib_tensor_convert only");
    if (n > 0 && (!src || !dst))
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL, expected %zu elements", src ? "dst" : "src", n);
    if (!dtype_bytes(from, n, &bytes) || !dtype_bytes(to, n, &bytes))
        return err_set(err, SIB_ERR_ARGUMENT, "%zu elements do not fit in the address space", n);
    convert_dense(from, src, to, dst, n, overflow);
    return SIB_OK;
}

/* Converts the elements of t, which is not dense, to dst in row-major order. */
static void convert_walk(const sib_tensor *t, sib_dtype to, void *dst, sib_overflow overflow)
{
    char scratch[WALK_SCRATCH];
    tensor_walk walk;
    size_t n, done = 0, stride = dtype_stride(to);
    walk_begin(&walk, t);
    for (const void *next = walk_next(&walk, scratch, &n); n > 0; next = walk_next(&walk, scratch, &n)) {
        /* Packed blocks begin at a byte, since all but the last have a multiple of 8 elements. */
        size_t at = stride ? done * stride : done / (8 / dtype_info(to)->bits);
        convert_dense(t->dtype, next, to, (char *)dst + at, n, overflow);
        done += n;
    }
}

sib_code sib_tensor_convert(const sib_tensor *t, sib_dtype dtype, sib_overflow overflow, sib_tensor **out,
                            sib_error *err)
{
    sib_tensor *converted = NULL;
    sib_code code = tensor_check(t, out, err);
    if (code == SIB_OK)
        code = check_overflow(overflow, err);
    if (code != SIB_OK)
        return code;
    if (t->dtype == dtype)
        return sib_tensor_copy(t, out, err);
    code = tensor_create_raw(dtype, t->rank, t->dims, &converted, err);
    if (code != SIB_OK)
        return code;
    tensor_ready(t);
    if (t->dtype == SIB_STRING || dtype == SIB_STRING)
        code = text_convert(t, converted, overflow, NULL, err);
    else if (t->dense)
        convert_dense(t->dtype, t->data, dtype, converted->data, (size_t)t->count, overflow);
    else
        convert_walk(t, dtype, converted->data, overflow);
    if (code != SIB_OK)
        sib_tensor_free(&converted);
    *out = converted;
    return code;
}
