/* TypeProto to value_type. */
#include "onnx/reader.h"

#include "tensor/dtype.h"

#include <string.h>

static sib_dtype dtype_of(reader *r, uint64_t number)
{
    if (number < 256 && dtype_info((sib_dtype)number)->bits)
        return (sib_dtype)number;
    if (number)
        reader_notice(r, "element type %llu is not one of ONNX's", (unsigned long long)number);
    return SIB_DTYPE_UNKNOWN;
}

static dim named_dim(reader *r, sib_str name)
{
    if (!name.length || name.data[0] == '?')
        return DIM_NONE;
    if (!r->dim_prefix.length)
        return dim_symbol(r->dims, name);
    char *joined = arena_alloc(r->scratch, r->dim_prefix.length + name.length, 1);
    if (!joined)
        return DIM_NONE;
    memcpy(joined, r->dim_prefix.data, r->dim_prefix.length);
    memcpy(joined + r->dim_prefix.length, name.data, name.length);
    return dim_symbol(r->dims, (sib_str){joined, r->dim_prefix.length + name.length});
}

/* A dim without a value or name gets a fresh symbol, and so does a name that begins with '?'. */
static sib_code read_dimension(reader *r, wire_span bytes, dim *out)
{
    wire_reader w;
    wire_field f;
    *out = DIM_NONE;
    wire_open(&w, bytes, &proto_dimension);
    while (wire_next(&w, &f)) {
        if (f.number == DIMENSION_VALUE)
            *out = (int64_t)f.bits >= 0 ? dim_const(r->dims, (int64_t)f.bits) : DIM_NONE;
        else if (f.number == DIMENSION_PARAM)
            *out = named_dim(r, wire_str(f.bytes));
    }
    sib_code code = reader_end(r, &w);
    if (code == SIB_OK && dim_same(*out, DIM_NONE))
        *out = dim_fresh(r->dims);
    if (code == SIB_OK && dim_same(*out, DIM_NONE))
        code = reader_memory(r, sizeof *out, "a dim");
    return code;
}

static sib_code read_shape(reader *r, wire_span bytes, dim_shape *out)
{
    wire_reader w;
    wire_field f;
    sib_code code = SIB_OK;
    out->ranked = true;
    out->rank = 0;
    wire_open(&w, bytes, &proto_shape);
    while (code == SIB_OK && wire_next(&w, &f)) {
        if (out->rank == SIB_MAX_RANK) {
            reader_notice(r, "a type has more than %d dims and is read without its shape", SIB_MAX_RANK);
            *out = (dim_shape){0};
            return SIB_OK;
        }
        code = read_dimension(r, f.bytes, &out->dims[out->rank]);
        out->rank++;
    }
    return code == SIB_OK ? reader_end(r, &w) : code;
}

/* TypeProto.Tensor or TypeProto.SparseTensor. */
static sib_code read_tensor_type(reader *r, wire_span bytes, value_type *out)
{
    wire_reader w;
    wire_field f;
    sib_code code = SIB_OK;
    wire_open(&w, bytes, &proto_tensor_type);
    while (code == SIB_OK && wire_next(&w, &f)) {
        if (f.number == TENSOR_TYPE_ELEM)
            out->dtype = dtype_of(r, f.bits);
        else
            code = read_shape(r, f.bytes, &out->shape);
    }
    return code == SIB_OK ? reader_end(r, &w) : code;
}

/* Finds the type inside a sequence, optional or map; empty where the file omits it. */
static sib_code read_wrap(reader *r, const wire_field *outer, value_type *out, wire_span *inner)
{
    wire_reader w;
    wire_field f;
    bool map = outer->number == TYPE_PROTO_MAP;
    *inner = (wire_span){0};
    wire_open(&w, outer->bytes, map ? &proto_map_type : &proto_wrap_type);
    while (wire_next(&w, &f)) {
        if (map && f.number == MAP_TYPE_KEY)
            out->key = dtype_of(r, f.bits);
        else
            *inner = f.bytes;
    }
    return reader_end(r, &w);
}

static type_kind kind_of(uint32_t number)
{
    switch (number) {
    case TYPE_PROTO_SEQUENCE:
        return TYPE_SEQUENCE;
    case TYPE_PROTO_OPTIONAL:
        return TYPE_OPTIONAL;
    case TYPE_PROTO_MAP:
        return TYPE_MAP;
    default:
        return TYPE_UNKNOWN;
    }
}

sib_code type_read(reader *r, wire_span bytes, value_type *out)
{
    *out = (value_type){0};
    while (bytes.data) {
        wire_reader w;
        wire_field f, last = {0};
        wire_open(&w, bytes, &proto_type);
        while (wire_next(&w, &f))
            if (f.number != TYPE_PROTO_DENOTATION)
                last = f; /* the last one counts */
        sib_code code = reader_end(r, &w);
        if (code != SIB_OK || !last.number)
            return code;
        if (last.number == TYPE_PROTO_TENSOR || last.number == TYPE_PROTO_SPARSE) {
            out->leaf = last.number == TYPE_PROTO_TENSOR ? TYPE_TENSOR : TYPE_SPARSE;
            return read_tensor_type(r, last.bytes, out);
        }
        if (out->depth == TYPE_MAX_DEPTH) {
            reader_notice(r, "a type nests deeper than %d and is read as unknown", TYPE_MAX_DEPTH);
            *out = (value_type){0};
            return SIB_OK;
        }
        out->wrap[out->depth++] = (uint8_t)kind_of(last.number);
        code = read_wrap(r, &last, out, &bytes);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}
