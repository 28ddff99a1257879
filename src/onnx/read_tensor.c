/* TensorProto to sib_tensor: in place where the file has the layout of memory, else copied. */
#include "onnx/reader.h"

#include "base/error.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/mapped.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

#include <inttypes.h>
#include <string.h>

/* The field with the elements of a dtype where raw_data is not used, and the bytes of one item there.
   Items of int32_data are elements, or bytes of packed ones; a complex element takes two items. */
typedef struct typed_field {
    uint8_t number, item;
} typed_field;

static const typed_field typed_fields[] = {
    [SIB_F32] = {TENSOR_FLOAT_DATA, 4},        [SIB_C64] = {TENSOR_FLOAT_DATA, 4},
    [SIB_F64] = {TENSOR_DOUBLE_DATA, 8},       [SIB_C128] = {TENSOR_DOUBLE_DATA, 8},
    [SIB_I64] = {TENSOR_INT64_DATA, 8},        [SIB_U64] = {TENSOR_UINT64_DATA, 8},
    [SIB_U32] = {TENSOR_UINT64_DATA, 4},       [SIB_I32] = {TENSOR_INT32_DATA, 4},
    [SIB_I16] = {TENSOR_INT32_DATA, 2},        [SIB_U16] = {TENSOR_INT32_DATA, 2},
    [SIB_F16] = {TENSOR_INT32_DATA, 2},        [SIB_BF16] = {TENSOR_INT32_DATA, 2},
    [SIB_I8] = {TENSOR_INT32_DATA, 1},         [SIB_U8] = {TENSOR_INT32_DATA, 1},
    [SIB_BOOL] = {TENSOR_INT32_DATA, 1},       [SIB_F8E4M3FN] = {TENSOR_INT32_DATA, 1},
    [SIB_F8E4M3FNUZ] = {TENSOR_INT32_DATA, 1}, [SIB_F8E5M2] = {TENSOR_INT32_DATA, 1},
    [SIB_F8E5M2FNUZ] = {TENSOR_INT32_DATA, 1}, [SIB_F8E8M0] = {TENSOR_INT32_DATA, 1},
    [SIB_U4] = {TENSOR_INT32_DATA, 1},         [SIB_I4] = {TENSOR_INT32_DATA, 1},
    [SIB_F4E2M1] = {TENSOR_INT32_DATA, 1},     [SIB_U2] = {TENSOR_INT32_DATA, 1},
    [SIB_I2] = {TENSOR_INT32_DATA, 1},         [SIB_STRING] = {TENSOR_STRING_DATA, 0},
};

/* ---- Dtype, dims and name ----------------------------------------------------------------------------- */

static sib_code read_dims(reader *r, const wire_field *f, tensor_proto *p)
{
    wire_numbers n;
    uint64_t bits;
    wire_numbers_open(&n, &proto_tensor, f);
    if (wire_numbers_count(&n) == SIZE_MAX)
        return reader_fail(r, SIB_ERR_FORMAT, f->at, "tensor '%.*s': its dims are cut off",
                           STR_ARGS(p->name));
    while (wire_numbers_next(&n, &bits)) {
        if (p->rank == SIB_MAX_RANK)
            return reader_fail(r, SIB_ERR_UNSUPPORTED, f->at, "tensor '%.*s' has more than %d dims",
                               STR_ARGS(p->name), SIB_MAX_RANK);
        p->dims[p->rank++] = (int64_t)bits;
    }
    return SIB_OK;
}

static sib_code read_external_entry(reader *r, wire_span bytes, tensor_proto *p)
{
    string_pair pair;
    sib_code code = raw_read_pair(r, bytes, &pair);
    if (code != SIB_OK)
        return code;
    if (str_is(pair.key, "location"))
        p->location = pair.value;
    else if (str_is(pair.key, "offset"))
        p->offset = pair.value;
    else if (str_is(pair.key, "length"))
        p->length = pair.value;
    return SIB_OK;
}

static sib_code read_head_field(reader *r, const wire_field *f, tensor_proto *p)
{
    switch (f->number) {
    case TENSOR_DIMS:
        return read_dims(r, f, p);
    case TENSOR_DATA_TYPE:
        p->dtype = f->bits < 256 ? (sib_dtype)f->bits : (sib_dtype)255;
        return SIB_OK;
    case TENSOR_NAME:
        p->name = wire_str(f->bytes);
        return SIB_OK;
    case TENSOR_DOC:
        p->doc = wire_str(f->bytes);
        return SIB_OK;
    case TENSOR_RAW_DATA:
        p->has_raw = true;
        p->raw = f->bytes;
        return SIB_OK;
    case TENSOR_EXTERNAL:
        return read_external_entry(r, f->bytes, p);
    case TENSOR_LOCATION:
        p->external = f->bits == 1;
        return SIB_OK;
    case TENSOR_SEGMENT:
        return reader_fail(r, SIB_ERR_UNSUPPORTED, f->at, "tensor '%.*s' is stored in segments",
                           STR_ARGS(p->name));
    default:
        return SIB_OK;
    }
}

static sib_code read_head(reader *r, wire_span bytes, tensor_proto *p)
{
    wire_reader w;
    wire_field f;
    sib_code code = SIB_OK;
    *p = (tensor_proto){.bytes = bytes};
    code = raw_read_name(r, bytes, &proto_tensor, TENSOR_NAME, &p->name); /* first, since messages use it */
    wire_open(&w, bytes, &proto_tensor);
    while (code == SIB_OK && wire_next(&w, &f))
        code = read_head_field(r, &f, p);
    if (code == SIB_OK)
        code = reader_end(r, &w);
    if (code != SIB_OK)
        return code;
    if (dtype_info(p->dtype)->bits == 0)
        return reader_fail(r, SIB_ERR_UNSUPPORTED, bytes.data,
                           "tensor '%.*s': element type %d is not one of ONNX's", STR_ARGS(p->name),
                           (int)p->dtype);
    sib_error why = SIB_ERROR_INIT;
    if (shape_count(p->rank, p->dims, &p->count, &why) != SIB_OK)
        return reader_fail(r, why.code == SIB_ERR_SIZE ? SIB_ERR_SIZE : SIB_ERR_FORMAT, bytes.data,
                           "tensor '%.*s': %s", STR_ARGS(p->name), why.message);
    if (!dtype_bytes(p->dtype, p->count, &p->n_bytes))
        return reader_fail(r, SIB_ERR_SIZE, bytes.data, "tensor '%.*s' does not fit in the address space",
                           STR_ARGS(p->name));
    return SIB_OK;
}

/* ---- Elements --------------------------------------------------------------------------------------- */

/* A byte other than 0 and 1 is not a valid C bool. */
static bool bools_are_clean(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] > 1)
            return false;
    return true;
}

static sib_code create(reader *r, const tensor_proto *p, sib_tensor **out)
{
    sib_code code = reader_charge(r, p->n_bytes, p->bytes.data);
    return code != SIB_OK ? code : tensor_create_raw(p->dtype, p->rank, p->dims, out, r->err);
}

/* Makes a tensor over `bytes` of file, which have the layout of memory. */
static sib_code placeholder(reader *r, const tensor_proto *p, mapping *file, wire_span bytes,
                            sib_tensor **out)
{
    bool aligned = (uintptr_t)bytes.data % dtype_align(p->dtype) == 0;
    bool clean = p->dtype != SIB_BOOL || bools_are_clean(bytes.data, bytes.size);
    if (aligned && clean && p->count > 0 && !r->copy_all)
        return tensor_wrap_mapped(p->dtype, p->rank, p->dims, file, bytes, out, r->err);
    sib_code code;
    if (!aligned && p->count > 0 && !r->copy_all && bytes.size >= READER_COPY_BELOW) {
        code = reader_charge(r, bytes.size, bytes.data);
        if (code != SIB_OK)
            return code;
        if (tensor_wrap_shifted(p->dtype, p->rank, p->dims, file, bytes, out, NULL) == SIB_OK)
            return SIB_OK;
        r->copied -= bytes.size;
    }
    code = create(r, p, out);
    if (code != SIB_OK || bytes.size == 0)
        return code;
    uint8_t *to = sib_tensor_data(*out);
    memcpy(to, bytes.data, bytes.size);
    for (size_t i = 0; !clean && i < bytes.size; i++)
        to[i] = to[i] != 0;
    return SIB_OK;
}

static sib_code wrong_count(reader *r, const tensor_proto *p, const char *field, uint64_t have, uint64_t want)
{
    char text[SHAPE_TEXT];
    return reader_fail(r, SIB_ERR_FORMAT, p->bytes.data,
                       "tensor '%.*s', %s %s: %s has %" PRIu64 ", expected %" PRIu64, STR_ARGS(p->name),
                       sib_dtype_name(p->dtype), shape_text(p->rank, p->dims, text), field, have, want);
}

static sib_code read_strings(reader *r, const tensor_proto *p, sib_tensor **out)
{
    wire_reader w;
    wire_field f;
    uint64_t n = 0, bytes = 0;
    wire_open(&w, p->bytes, &proto_tensor);
    while (wire_next(&w, &f))
        if (f.number == TENSOR_STRING_DATA) {
            n++;
            bytes += f.bytes.size;
        }
    if (n != p->count)
        return wrong_count(r, p, "string_data", n, p->count);
    sib_code code = reader_charge(r, bytes, p->bytes.data);
    if (code == SIB_OK)
        code = create(r, p, out);
    if (code != SIB_OK)
        return code;
    sib_str *element = sib_tensor_data(*out);
    wire_open(&w, p->bytes, &proto_tensor);
    while (code == SIB_OK && wire_next(&w, &f))
        if (f.number == TENSOR_STRING_DATA)
            code = tensor_put_string(element++, wire_str(f.bytes), r->err);
    return code;
}

/* Counts the items of a typed field; *single receives the field where one packed field holds all. */
static sib_code count_items(reader *r, const tensor_proto *p, uint32_t number, uint64_t *total,
                            wire_span *single)
{
    wire_reader w;
    wire_field f;
    wire_numbers n;
    size_t fields = 0;
    *total = 0;
    *single = (wire_span){0};
    wire_open(&w, p->bytes, &proto_tensor);
    while (wire_next(&w, &f)) {
        if (f.number != number)
            continue;
        wire_numbers_open(&n, &proto_tensor, &f);
        size_t count = wire_numbers_count(&n);
        if (count == SIZE_MAX)
            return reader_fail(r, SIB_ERR_FORMAT, f.at,
                               "tensor '%.*s': the last number of field %u is cut off", STR_ARGS(p->name),
                               (unsigned)number);
        *total += count;
        *single = fields++ == 0 ? f.bytes : (wire_span){0};
    }
    return SIB_OK;
}

static void store_items(const tensor_proto *p, typed_field t, uint8_t *to)
{
    wire_reader w;
    wire_field f;
    wire_numbers n;
    uint64_t bits;
    wire_open(&w, p->bytes, &proto_tensor);
    while (wire_next(&w, &f)) {
        if (f.number != t.number)
            continue;
        wire_numbers_open(&n, &proto_tensor, &f);
        while (wire_numbers_next(&n, &bits)) {
            if (p->dtype == SIB_BOOL)
                bits = bits != 0;
            memcpy(to, &bits, t.item); /* the low bytes, on a little-endian machine */
            to += t.item;
        }
    }
}

static sib_code read_typed(reader *r, const tensor_proto *p, sib_tensor **out)
{
    typed_field t = typed_fields[p->dtype];
    uint64_t have, want = p->n_bytes / t.item;
    wire_span single;
    sib_code code = count_items(r, p, t.number, &have, &single);
    if (code != SIB_OK)
        return code;
    if (have != want)
        return wrong_count(r, p, "its field of numbers", have, want);
    bool floats = t.number == TENSOR_FLOAT_DATA || t.number == TENSOR_DOUBLE_DATA;
    if (floats && single.data)
        return placeholder(r, p, r->file, single, out);
    code = create(r, p, out);
    if (code == SIB_OK)
        store_items(p, t, sib_tensor_data(*out));
    return code;
}

static sib_code read_elements(reader *r, const tensor_proto *p, sib_tensor **out)
{
    mapping *file = r->file;
    wire_span bytes = p->raw;
    sib_code code = SIB_OK;
    if (p->dtype == SIB_STRING && (p->external || (p->has_raw && p->raw.size)))
        return reader_fail(r, SIB_ERR_FORMAT, p->bytes.data, "tensor '%.*s': strings must be in string_data",
                           STR_ARGS(p->name));
    if (p->dtype == SIB_STRING)
        return read_strings(r, p, out);
    if (!p->external && !p->has_raw)
        return read_typed(r, p, out);
    if (p->external)
        code = external_find(r, p, &file, &bytes);
    if (code != SIB_OK)
        return code;
    if (bytes.size != p->n_bytes) {
        /* Some writers set an empty raw_data where they use a typed field. */
        if (!p->external && bytes.size == 0)
            return read_typed(r, p, out);
        return wrong_count(r, p, p->external ? "external data" : "raw_data", bytes.size, p->n_bytes);
    }
    return placeholder(r, p, file, bytes, out);
}

sib_code tensor_read(reader *r, wire_span bytes, tensor_proto *head, sib_tensor **out)
{
    tensor_proto p;
    *out = NULL;
    sib_code code = read_head(r, bytes, &p);
    if (head)
        *head = p;
    if (code == SIB_OK)
        code = read_elements(r, &p, out);
    if (code != SIB_OK)
        sib_tensor_free(out);
    return code;
}
