/* Elements of weights: counted, converted, viewed in place. */
#include "import/read/reader.h"
#include "import/read/weight_delta.h"

#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/mapped.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

#include <string.h>

/* Elements that are decoded or gathered at once: a block of every format fits. */
#define PIECE 1024

bool weight_count(const weight *w, uint64_t *out)
{
    return shape_count(w->rank, w->dims, out, NULL) == SIB_OK;
}

static void decode_piece(const weight *w, uint64_t first, size_t n, float *out)
{
    blocks_decode(block_format_at(w->format->blocks), w->data, (size_t)first, n, out);
}

/* Gathers elements [first, first + n) by their strides, without conversion. */
static void gather_piece(const weight *w, uint64_t first, size_t n, uint8_t *out)
{
    int64_t index[SIB_MAX_RANK] = {0}, at = 0;
    for (size_t i = w->rank; i-- > 0; first /= (uint64_t)w->dims[i]) {
        index[i] = (int64_t)(first % (uint64_t)w->dims[i]);
        at += index[i] * w->strides[i];
    }
    size_t bytes = w->format->bytes;
    for (size_t k = 0; k < n; k++) {
        memcpy(out + k * bytes, w->data + (size_t)at * bytes, bytes);
        for (size_t i = w->rank; i-- > 0;) {
            at += w->strides[i];
            if (++index[i] < w->dims[i])
                break;
            at -= w->dims[i] * w->strides[i];
            index[i] = 0;
        }
    }
}

/* Bytes other than 0 and 1 are not valid as C's bool. */
static void clean_bools(uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = bytes[i] != 0;
}

/* Converts n elements, as in the file or decoded, to another type. */
static sib_code convert(sib_dtype from, const void *elements, sib_dtype to, void *out, size_t n,
                        sib_error *err)
{
    sib_code code = sib_convert(from, elements, to, out, n, SIB_OVERFLOW_IEEE, err);
    if (code == SIB_OK && from == SIB_BOOL && to == SIB_BOOL)
        clean_bools(out, n);
    return code;
}

/* With what an adapter adds. */
static sib_code read_merged(const weight *w, uint64_t first, size_t n, sib_dtype to, void *out,
                            sib_error *err)
{
    weight base = *w;
    float merged[PIECE];
    sib_code code = SIB_OK;
    base.delta = NULL;
    for (size_t m; n && code == SIB_OK; first += m, n -= m, out = (uint8_t *)out + m * dtype_stride(to)) {
        m = size_min(n, PIECE);
        code = weight_read(&base, first, m, SIB_F32, merged, err);
        if (code != SIB_OK)
            break;
        weight_delta_add(w->delta, first, m, merged);
        code = sib_convert(SIB_F32, merged, to, out, m, SIB_OVERFLOW_IEEE, err);
    }
    return code;
}

sib_code weight_read(const weight *w, uint64_t first, size_t n, sib_dtype to, void *out, sib_error *err)
{
    uint64_t count;
    size_t to_bytes = dtype_stride(to);
    if (!weight_count(w, &count) || first > count || n > count - first)
        return err_set(err, SIB_ERR_ARGUMENT, "weight '%.*s': elements %llu to %llu are out of range",
                       READER_STR(w->name), (unsigned long long)first, (unsigned long long)(first + n));
    if (to_bytes == 0 || to == SIB_STRING)
        return err_set(err, SIB_ERR_ARGUMENT, "weight '%.*s': cannot be read as %s", READER_STR(w->name),
                       sib_dtype_name(to));
    if (w->delta)
        return read_merged(w, first, n, to, out, err);
    if (w->codes && to == SIB_F32)
        return codes_read(w->codes, first, n, out, err);
    if (!w->codes && !w->strided && w->format->block == 1)
        return convert(w->format->dtype, w->data + first * w->format->bytes, to, out, n, err);
    if (w->format->block > 1 && to == SIB_F32) {
        decode_piece(w, first, n, out);
        return SIB_OK;
    }
    union {
        float decoded[PIECE];
        uint8_t gathered[PIECE * 16]; /* as wide as complex128 */
    } piece;
    for (size_t m; n; first += m, n -= m, out = (uint8_t *)out + m * to_bytes) {
        m = size_min(n, PIECE);
        sib_dtype from = SIB_F32;
        sib_code code = SIB_OK;
        if (w->codes) {
            code = codes_read(w->codes, first, m, piece.decoded, err);
        } else if (w->format->block > 1) {
            decode_piece(w, first, m, piece.decoded);
        } else {
            gather_piece(w, first, m, piece.gathered);
            from = w->format->dtype;
        }
        if (code == SIB_OK)
            code = convert(from, &piece, to, out, m, err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

sib_code weight_view(const checkpoint *c, const weight *w, sib_tensor **out, sib_error *err)
{
    *out = NULL;
    if (w->format->block > 1 || w->strided || w->delta || w->codes)
        return err_set(err, SIB_ERR_UNSUPPORTED, "weight '%.*s': %s elements%s cannot be used in place",
                       READER_STR(w->name), w->format->name,
                       w->strided ? " with gaps"
                       : w->delta ? " with an adapter"
                                  : "");
    sib_dtype dtype = w->format->dtype;
    mapping *map = c->files[w->file].map;
    byte_span bytes = {w->data, (size_t)w->size};
    bool clean = true;
    for (size_t i = 0; dtype == SIB_BOOL && clean && i < bytes.size; i++)
        clean = bytes.data[i] <= 1;
    if (clean && bytes.size && (uintptr_t)bytes.data % dtype_align(dtype) == 0)
        return tensor_wrap_mapped(dtype, w->rank, w->dims, map, bytes, out, err);
    if (clean && bytes.size)
        return tensor_wrap_shifted(dtype, w->rank, w->dims, map, bytes, out, err);
    sib_code code = tensor_create_raw(dtype, w->rank, w->dims, out, err);
    if (code == SIB_OK && bytes.size) {
        memcpy((*out)->data, bytes.data, bytes.size);
        clean_bools((uint8_t *)(*out)->data, bytes.size);
    }
    return code;
}
