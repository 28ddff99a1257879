/* Conversions between dtypes. */
#include "backend/ref/kernel.h"
#include "tensor/blocks.h"
#include "tensor/convert.h"
#include "tensor/text.h"

#include <string.h>

/* Elements that are converted between two looks at a run's cancel: entire bytes of any type. */
#define CAST_PART ((size_t)1 << 20)

/* ONNX Cast. With `saturate` narrow floats take their largest value instead of NaN or infinity, and
   integers are clamped; without it integers wrap. */
sib_code ref_cast(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    sib_overflow overflow = spec_milli_cast(c->node).saturate ? SIB_OVERFLOW_SATURATE : SIB_OVERFLOW_IEEE;
    if (!out)
        return SIB_OK;
    if (out->dtype == SIB_STRING && !out->storage->owned)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "strings cannot be written into wrapped memory");
    if (a->dtype != SIB_STRING && out->dtype != SIB_STRING) {
        sib_code code = SIB_OK;
        for (uint64_t done = 0; done < a->count && code == SIB_OK; done += CAST_PART) {
            const size_t n = a->count - done < CAST_PART ? (size_t)(a->count - done) : CAST_PART;
            convert_dense(a->dtype, a->data + done * sib_dtype_bits(a->dtype) / 8, out->dtype,
                          out->data + done * sib_dtype_bits(out->dtype) / 8, n, overflow);
            code = ref_cancelled(c);
        }
        return code;
    }
    if (a->dtype != out->dtype)
        return text_convert(a, out, overflow, c->cancel, c->err);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < a->count && code == SIB_OK && (code = ref_cancelled(c)) == SIB_OK; i++)
        code = tensor_put_string((sib_str *)out->data + i, ((const sib_str *)a->data)[i], c->err);
    return code;
}

sib_code ref_bitcast(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    size_t bytes = 0;
    if (!out)
        return SIB_OK;
    if (a->dtype == SIB_STRING || out->dtype == SIB_STRING ||
        sib_dtype_bits(a->dtype) != sib_dtype_bits(out->dtype))
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "%s and %s have different widths", sib_dtype_name(a->dtype),
                        sib_dtype_name(out->dtype));
    if (dtype_bytes(a->dtype, a->count, &bytes) && bytes > 0)
        memcpy(out->data, a->data, bytes);
    return SIB_OK;
}

/* Elements of quantised blocks, as floats or, where everything is computed in double, as doubles. */
sib_code ref_decode_blocks(const ref_call *c)
{
    enum { PIECE = 16 }; /* blocks */
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    block_kind kind;
    sib_str format = spec_blocks(c->node).format;
    float piece[PIECE * BLOCK_MAX];
    if (!out)
        return SIB_OK;
    if (!block_kind_named(format.data, format.length, &kind))
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "the format '%.*s' is not known", (int)format.length,
                        format.data);
    const block_format *f = block_format_at(kind);
    size_t count = (size_t)out->count / f->block, stride = dtype_stride(out->dtype);
    for (size_t i = 0, n; i < count; i += n) {
        n = size_min(PIECE, count - i);
        f->decode((const uint8_t *)a->data + i * f->bytes, n, piece);
        convert_dense(SIB_F32, piece, out->dtype, out->data + i * f->block * stride, n * f->block,
                      SIB_OVERFLOW_IEEE);
    }
    return SIB_OK;
}
