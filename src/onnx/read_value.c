/* Values as files: TensorProto, SequenceProto, OptionalProto, MapProto. */
#include "onnx/reader.h"

#include "base/alloc.h"
#include "base/path.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

/* Max nesting of sequences and optionals. */
#define VALUE_MAX_DEPTH 16

static sib_code read_sequence(reader *r, wire_span bytes, sib_value **out);
static sib_code read_optional(reader *r, wire_span bytes, sib_value **out);
static sib_code read_map(reader *r, wire_span bytes, sib_value **out);

/* Wraps a tensor in a value; takes ownership of t. */
static sib_code wrap_tensor(reader *r, sib_code code, sib_tensor *t, sib_value **out)
{
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, r->err);
    sib_tensor_free(&t);
    return code;
}

static sib_code read_tensor_value(reader *r, wire_span bytes, sib_value **out)
{
    sib_tensor *t = NULL;
    sib_code code = tensor_read(r, bytes, NULL, &t);
    return wrap_tensor(r, code, t, out);
}

static sib_code read_sparse_value(reader *r, wire_span bytes, sib_value **out)
{
    sib_tensor *t = NULL;
    sib_code code = sparse_read(r, bytes, &t);
    return wrap_tensor(r, code, t, out);
}

typedef sib_code (*value_read)(reader *r, wire_span bytes, sib_value **out);

/* Readers by SequenceProto.DataType, which is the field number minus 2, in OptionalProto too. */
static const value_read readers[] = {
    [PROTO_ELEM_TENSOR] = read_tensor_value, [PROTO_ELEM_SPARSE] = read_sparse_value,
    [PROTO_ELEM_SEQUENCE] = read_sequence,   [PROTO_ELEM_MAP] = read_map,
    [PROTO_ELEM_OPTIONAL] = read_optional,
};

static sib_code read_elem(reader *r, uint32_t elem, wire_span bytes, sib_value **out)
{
    if (r->depth >= VALUE_MAX_DEPTH)
        return reader_fail(r, SIB_ERR_SIZE, bytes.data, "values are nested deeper than %d", VALUE_MAX_DEPTH);
    r->depth++;
    sib_code code = readers[elem](r, bytes, out);
    r->depth--;
    return code;
}

static bool is_elem(const wire_field *f)
{
    return f->number >= SEQUENCE_TENSORS && f->number <= SEQUENCE_OPTIONALS;
}

static void free_items(sib_value **items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sib_value_free(&items[i]);
    mem_free(items);
}

/* Reads the items of a sequence; the caller releases *items with free_items. */
static sib_code read_items(reader *r, wire_span bytes, sib_value ***items, size_t *n)
{
    wire_reader w;
    wire_field f;
    size_t count = 0;
    *n = 0;
    *items = NULL;
    wire_open(&w, bytes, &proto_sequence);
    while (wire_next(&w, &f))
        count += is_elem(&f);
    sib_code code = reader_end(r, &w);
    if (code != SIB_OK)
        return code;
    *items = mem_calloc(count, sizeof **items);
    if (!*items)
        return reader_memory(r, count * sizeof **items, "a sequence");
    wire_open(&w, bytes, &proto_sequence);
    while (code == SIB_OK && wire_next(&w, &f)) {
        if (!is_elem(&f))
            continue;
        code = read_elem(r, f.number - 2, f.bytes, &(*items)[*n]);
        *n += code == SIB_OK;
    }
    return code;
}

static sib_code read_sequence(reader *r, wire_span bytes, sib_value **out)
{
    sib_value **items;
    size_t n;
    sib_code code = read_items(r, bytes, &items, &n);
    if (code == SIB_OK)
        code = sib_value_sequence(n, (const sib_value *const *)items, out, r->err);
    free_items(items, n);
    return code;
}

static sib_code read_optional(reader *r, wire_span bytes, sib_value **out)
{
    wire_reader w;
    wire_field f, last = {0};
    uint64_t elem = 0;
    sib_value *item = NULL;
    wire_open(&w, bytes, &proto_optional);
    while (wire_next(&w, &f)) {
        if (f.number == OPTIONAL_ELEM)
            elem = f.bits;
        else if (is_elem(&f))
            last = f;
    }
    sib_code code = reader_end(r, &w);
    if (code == SIB_OK && last.number && elem && elem != last.number - 2)
        code = reader_fail(r, SIB_ERR_FORMAT, last.at, "an optional of element type %llu holds field %u",
                           (unsigned long long)elem, (unsigned)last.number);
    if (code == SIB_OK && last.number)
        code = read_elem(r, last.number - 2, last.bytes, &item);
    if (code == SIB_OK)
        code = sib_value_optional(item, out, r->err);
    sib_value_free(&item);
    return code;
}

/* ---- Maps ------------------------------------------------------------------------------------------- */

static sib_code read_integer_key(sib_tensor *keys, sib_dtype dtype, size_t i, uint64_t bits)
{
    size_t n = dtype_stride(dtype);
    memcpy((char *)sib_tensor_data(keys) + i * n, &bits, n);
    return SIB_OK;
}

static sib_code read_keys(reader *r, wire_span bytes, sib_dtype dtype, sib_tensor **out)
{
    wire_reader w;
    wire_field f;
    wire_numbers n;
    uint64_t bits;
    size_t count = 0, i = 0;
    bool strings = dtype == SIB_STRING;
    wire_open(&w, bytes, &proto_map);
    while (wire_next(&w, &f)) {
        size_t here = f.number == MAP_STRING_KEYS && strings;
        if (f.number == MAP_KEYS && !strings) {
            wire_numbers_open(&n, &proto_map, &f);
            here = wire_numbers_count(&n);
        }
        if (here == SIZE_MAX)
            return reader_fail(r, SIB_ERR_FORMAT, f.at, "the keys of a map are cut off");
        count += here;
    }
    sib_code code = sib_tensor_create(dtype, 1, &(int64_t){(int64_t)count}, out, r->err);
    wire_open(&w, bytes, &proto_map);
    while (code == SIB_OK && wire_next(&w, &f)) {
        if (f.number == MAP_STRING_KEYS && strings)
            code = tensor_put_string((sib_str *)sib_tensor_data(*out) + i++, wire_str(f.bytes), r->err);
        if (f.number != MAP_KEYS || strings)
            continue;
        wire_numbers_open(&n, &proto_map, &f);
        while (code == SIB_OK && wire_numbers_next(&n, &bits))
            code = read_integer_key(*out, dtype, i++, bits);
    }
    return code;
}

/* Joins the one-element tensors of a sequence into a tensor [n]. */
static sib_code join_items(reader *r, sib_value **items, size_t n, sib_tensor **out)
{
    const sib_tensor *first = n ? sib_value_tensor(items[0]) : NULL;
    sib_dtype dtype = first ? sib_tensor_dtype(first) : SIB_F32;
    if (dtype_is_packed(dtype))
        return reader_fail(r, SIB_ERR_UNSUPPORTED, NULL, "a map's values are of type %s",
                           sib_dtype_name(dtype));
    sib_code code = sib_tensor_create(dtype, 1, &(int64_t){(int64_t)n}, out, r->err);
    for (size_t i = 0; code == SIB_OK && i < n; i++) {
        const sib_tensor *t = sib_value_tensor(items[i]);
        size_t size = dtype_stride(dtype);
        if (!t || sib_tensor_dtype(t) != dtype || sib_tensor_count(t) != 1)
            code = reader_fail(r, SIB_ERR_UNSUPPORTED, NULL,
                               "value %zu of a map is not a single element of type %s", i,
                               sib_dtype_name(dtype));
        else if (dtype == SIB_STRING)
            code = tensor_put_string((sib_str *)sib_tensor_data(*out) + i,
                                     *(const sib_str *)sib_tensor_data(t), r->err);
        else
            memcpy((char *)sib_tensor_data(*out) + i * size, sib_tensor_data(t), size);
    }
    return code;
}

static sib_code read_map(reader *r, wire_span bytes, sib_value **out)
{
    wire_reader w;
    wire_field f;
    uint64_t key = SIB_I64;
    wire_span values = {0};
    wire_open(&w, bytes, &proto_map);
    while (wire_next(&w, &f)) {
        if (f.number == MAP_KEY_TYPE)
            key = f.bits;
        else if (f.number == MAP_VALUES)
            values = f.bytes;
    }
    sib_code code = reader_end(r, &w);
    sib_dtype_kind kind = key < 256 ? dtype_info((sib_dtype)key)->kind : SIB_KIND_NONE;
    bool integer = (kind == SIB_KIND_INT || kind == SIB_KIND_UINT) && !dtype_is_packed((sib_dtype)key);
    if (code == SIB_OK && !integer && kind != SIB_KIND_STRING)
        code = reader_fail(r, SIB_ERR_FORMAT, bytes.data,
                           "keys of a map are of type %llu, expected integers or strings",
                           (unsigned long long)key);
    sib_tensor *keys = NULL, *joined = NULL;
    sib_value **items = NULL;
    size_t n = 0;
    if (code == SIB_OK)
        code = read_keys(r, bytes, (sib_dtype)key, &keys);
    if (code == SIB_OK)
        code = read_items(r, values, &items, &n);
    if (code == SIB_OK)
        code = join_items(r, items, n, &joined);
    if (code == SIB_OK && sib_tensor_count(keys) != n)
        code = reader_fail(r, SIB_ERR_FORMAT, bytes.data, "a map has %llu keys and %zu values",
                           (unsigned long long)sib_tensor_count(keys), n);
    if (code == SIB_OK)
        code = sib_value_map(keys, joined, out, r->err);
    free_items(items, n);
    sib_tensor_free(&keys);
    sib_tensor_free(&joined);
    return code;
}

/* ---- Files ------------------------------------------------------------------------------------------ */

/* Maps a type to its DataType, message and the field with its name. */
static uint32_t elem_of(const value_type *type, const proto_message **message, uint32_t *name_field)
{
    *name_field = SEQUENCE_NAME; /* 1, as in OptionalProto and MapProto */
    switch (type ? type_outer(type) : TYPE_UNKNOWN) {
    case TYPE_SEQUENCE:
        *message = &proto_sequence;
        return PROTO_ELEM_SEQUENCE;
    case TYPE_OPTIONAL:
        *message = &proto_optional;
        return PROTO_ELEM_OPTIONAL;
    case TYPE_MAP:
        *message = &proto_map;
        return PROTO_ELEM_MAP;
    case TYPE_SPARSE:
        *message = NULL;
        return PROTO_ELEM_SPARSE;
    default:
        *message = &proto_tensor;
        *name_field = TENSOR_NAME;
        return PROTO_ELEM_TENSOR;
    }
}

static sib_code copy_name(reader *r, const proto_message *message, uint32_t field, char **name)
{
    sib_str s = {"", 0};
    sib_code code = message ? raw_read_name(r, r->file->bytes, message, field, &s) : SIB_OK;
    if (code != SIB_OK)
        return code;
    *name = mem_alloc(s.length + 1, 1);
    if (!*name)
        return reader_memory(r, s.length, "a name");
    if (s.length)
        memcpy(*name, s.data, s.length);
    (*name)[s.length] = '\0';
    return SIB_OK;
}

sib_code onnx_read_value(const char *path, const value_type *type, sib_value **out, char **name,
                         sib_error *err)
{
    reader r;
    const proto_message *message;
    uint32_t field;
    *out = NULL;
    if (name)
        *name = NULL;
    reader_init(&r, NULL, err);
    r.label = path;
    r.copy_all = true; /* a value outlives its file */
    sib_code code = mapping_open(path, &r.file, err);
    if (code == SIB_OK)
        code = arena_create(&r.scratch, err);
    if (code == SIB_OK && !(r.folder = path_folder(path)))
        code = reader_memory(&r, strlen(path), "a path");
    uint32_t elem = elem_of(type, &message, &field);
    if (code == SIB_OK)
        code = read_elem(&r, elem, r.file->bytes, out);
    if (code == SIB_OK && name)
        code = copy_name(&r, message, field, name);
    reader_clear(&r);
    if (code != SIB_OK)
        sib_value_free(out);
    return code;
}
