/* SparseTensorProto: values at indices, zeros elsewhere. */
#include "onnx/reader.h"

#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

#include <string.h>

typedef struct sparse_parts {
    wire_span bytes, values, indices;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
} sparse_parts;

static sib_code read_dims(reader *r, const wire_field *f, sparse_parts *s)
{
    wire_numbers n;
    uint64_t bits;
    wire_numbers_open(&n, &proto_sparse, f);
    if (wire_numbers_count(&n) == SIZE_MAX)
        return reader_fail(r, SIB_ERR_FORMAT, f->at, "dims of a sparse tensor are cut off");
    while (wire_numbers_next(&n, &bits)) {
        if (s->rank == SIB_MAX_RANK)
            return reader_fail(r, SIB_ERR_UNSUPPORTED, f->at, "a sparse tensor has more than %d dims",
                               SIB_MAX_RANK);
        s->dims[s->rank++] = (int64_t)bits;
    }
    return SIB_OK;
}

static sib_code read_parts(reader *r, wire_span bytes, sparse_parts *s)
{
    wire_reader w;
    wire_field f;
    sib_code code = SIB_OK;
    *s = (sparse_parts){.bytes = bytes};
    wire_open(&w, bytes, &proto_sparse);
    while (code == SIB_OK && wire_next(&w, &f)) {
        if (f.number == SPARSE_VALUES)
            s->values = f.bytes;
        else if (f.number == SPARSE_INDICES)
            s->indices = f.bytes;
        else
            code = read_dims(r, &f, s);
    }
    if (code == SIB_OK)
        code = reader_end(r, &w);
    if (code == SIB_OK && (!s->values.data || !s->indices.data))
        code = reader_fail(r, SIB_ERR_FORMAT, bytes.data, "a sparse tensor has no %s",
                           s->values.data ? "indices" : "values");
    return code;
}

/* Copies element i of src to element j of dst. */
static sib_code put_element(reader *r, sib_dtype dtype, const void *src, size_t i, void *dst, size_t j)
{
    if (dtype == SIB_STRING)
        return tensor_put_string((sib_str *)dst + j, ((const sib_str *)src)[i], r->err);
    if (!dtype_is_packed(dtype)) {
        size_t n = dtype_stride(dtype);
        memcpy((char *)dst + j * n, (const char *)src + i * n, n);
        return SIB_OK;
    }
    unsigned bits = dtype_info(dtype)->bits, per = 8 / bits, mask = (1u << bits) - 1;
    unsigned element = (((const uint8_t *)src)[i / per] >> (i % per * bits)) & mask,
             shift = (unsigned)(j % per) * bits;
    uint8_t *to = (uint8_t *)dst + j / per;
    *to = (uint8_t)((*to & ~(mask << shift)) | element << shift);
    return SIB_OK;
}

/* Row-major index of value i; false where an index is out of range. */
static bool place_of(const sparse_parts *s, const int64_t *indices, bool linear, size_t i, uint64_t count,
                     uint64_t *out)
{
    if (linear) {
        *out = (uint64_t)indices[i];
        return *out < count;
    }
    *out = 0;
    for (size_t k = 0; k < s->rank; k++) {
        int64_t index = indices[i * s->rank + k];
        if (index < 0 || index >= s->dims[k])
            return false;
        *out = *out * (uint64_t)s->dims[k] + (uint64_t)index;
    }
    return true;
}

static sib_code check_parts(reader *r, const sparse_parts *s, const sib_tensor *values,
                            const sib_tensor *indices)
{
    const int64_t *have = sib_tensor_dims(indices);
    size_t rank = sib_tensor_rank(indices);
    bool fits = sib_tensor_dtype(indices) == SIB_I64 && sib_tensor_rank(values) == 1 &&
                (rank == 1 || rank == 2) && (uint64_t)have[0] == sib_tensor_count(values) &&
                (rank == 1 || (uint64_t)have[1] == s->rank);
    return fits ? SIB_OK
                : reader_fail(r, SIB_ERR_FORMAT, s->bytes.data,
                              "a sparse tensor: values must be [n], indices int64 [n] or [n, %zu]", s->rank);
}

static sib_code fill(reader *r, const sparse_parts *s, const sib_tensor *values, const sib_tensor *indices,
                     sib_tensor *dense)
{
    sib_dtype dtype = sib_tensor_dtype(values);
    bool linear = sib_tensor_rank(indices) == 1;
    const int64_t *at = sib_tensor_data(indices);
    sib_code code = SIB_OK;
    for (size_t i = 0; code == SIB_OK && i < sib_tensor_count(values); i++) {
        uint64_t place;
        if (!place_of(s, at, linear, i, sib_tensor_count(dense), &place))
            return reader_fail(r, SIB_ERR_FORMAT, s->bytes.data,
                               "a sparse tensor: the index of value %zu is out of range", i);
        code = put_element(r, dtype, sib_tensor_data(values), i, sib_tensor_data(dense), (size_t)place);
    }
    return code;
}

sib_code sparse_read(reader *r, wire_span bytes, sib_tensor **out)
{
    sparse_parts s;
    sib_tensor *values = NULL, *indices = NULL;
    uint64_t count = 0;
    size_t n_bytes = 0;
    *out = NULL;
    sib_code code = read_parts(r, bytes, &s);
    if (code == SIB_OK)
        code = tensor_read(r, s.values, NULL, &values);
    if (code == SIB_OK)
        code = tensor_read(r, s.indices, NULL, &indices);
    if (code == SIB_OK)
        code = check_parts(r, &s, values, indices);
    sib_error why = SIB_ERROR_INIT;
    if (code == SIB_OK && (shape_count(s.rank, s.dims, &count, &why) != SIB_OK ||
                           !dtype_bytes(sib_tensor_dtype(values), count, &n_bytes)))
        code = reader_fail(r, SIB_ERR_FORMAT, bytes.data, "a sparse tensor: %s",
                           why.code ? why.message : "its dims do not fit in the address space");
    if (code == SIB_OK)
        code = reader_charge(r, n_bytes, bytes.data);
    if (code == SIB_OK)
        code = sib_tensor_create(sib_tensor_dtype(values), s.rank, s.dims, out, r->err);
    if (code == SIB_OK)
        code = fill(r, &s, values, indices, *out);
    sib_tensor_free(&values);
    sib_tensor_free(&indices);
    if (code != SIB_OK)
        sib_tensor_free(out);
    return code;
}

sib_code sparse_read_parts(reader *r, wire_span bytes, sib_tensor *parts[3])
{
    sparse_parts s;
    parts[0] = parts[1] = parts[2] = NULL;
    sib_code code = read_parts(r, bytes, &s);
    if (code == SIB_OK)
        code = tensor_read(r, s.values, NULL, &parts[0]);
    if (code == SIB_OK)
        code = tensor_read(r, s.indices, NULL, &parts[1]);
    if (code == SIB_OK)
        code = check_parts(r, &s, parts[0], parts[1]);
    if (code == SIB_OK)
        code = sib_tensor_create(SIB_I64, 1, &(int64_t){(int64_t)s.rank}, &parts[2], r->err);
    if (code == SIB_OK && s.rank)
        memcpy(sib_tensor_data(parts[2]), s.dims, s.rank * sizeof *s.dims);
    for (int i = 0; code != SIB_OK && i < 3; i++)
        sib_tensor_free(&parts[i]);
    return code;
}
