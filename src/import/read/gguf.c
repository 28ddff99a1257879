/* GGUF, versions 2 and 3: "GGUF", version, number of tensors and of keys; keys with typed values; for each
   tensor its name, dims (innermost first), type and offset; and, aligned, the elements. */
#include "import/read/reader.h"

/* ggml's limit. */
#define MAX_DIMS 4

/* Types of values by number. */
typedef enum value_type { VALUE_STRING = 8, VALUE_ARRAY = 9 } value_type;
typedef struct value_row {
    const char *name;
    unsigned bytes; /* 0 for types of variable length */
    fact_kind kind;
    sib_dtype dtype; /* of numbers, in the file */
} value_row;

static const value_row values[] = {
    {"uint8", 1, FACT_INT, SIB_U8},         {"int8", 1, FACT_INT, SIB_I8},
    {"uint16", 2, FACT_INT, SIB_U16},       {"int16", 2, FACT_INT, SIB_I16},
    {"uint32", 4, FACT_INT, SIB_U32},       {"int32", 4, FACT_INT, SIB_I32},
    {"float32", 4, FACT_FLOAT, SIB_F32},    {"bool", 1, FACT_BOOL, SIB_BOOL},
    {"string", 0, FACT_STRING, SIB_STRING}, {"array", 0, FACT_INT, SIB_DTYPE_UNKNOWN},
    {"uint64", 8, FACT_INT, SIB_U64},       {"int64", 8, FACT_INT, SIB_I64},
    {"float64", 8, FACT_FLOAT, SIB_F64},
};

static bool recognises(byte_span b)
{
    return b.size >= 4 && memcmp(b.data, "GGUF", 4) == 0;
}

/* A length of 8 bytes, followed by that many bytes. */
static sib_code read_string(ckpt_file *s, uint64_t *at, const char *what, sib_str *out)
{
    uint64_t length = 0;
    byte_span b = {0};
    sib_code code = ckpt_u64(s, at, what, &length);
    if (code == SIB_OK)
        code = ckpt_take(s, at, length, what, &b);
    *out = str_of_span(b);
    return code;
}

/* Reads n strings, which stay in the file. Each takes 8 bytes or more, so the list cannot be longer than the
   file. */
static sib_code read_strings(ckpt_file *s, sib_str key, bool list, uint64_t n, uint64_t *at)
{
    void *items = NULL;
    uint64_t begin = *at;
    if (n > (s->bytes.size - *at) / 8)
        return ckpt_fail(s, SIB_ERR_FORMAT, begin, "key '%.*s': %llu strings are larger than the file",
                         READER_STR(key), (unsigned long long)n);
    sib_code code = ckpt_fact(s, key, FACT_STRING, list, (size_t)n, begin, &items);
    for (uint64_t i = 0; i < n && code == SIB_OK; i++)
        code = read_string(s, at, "a string", &((sib_str *)items)[i]);
    return code;
}

/* alignment: set where the key is general.alignment. */
static sib_code read_numbers(ckpt_file *s, sib_str key, const value_row *row, bool list, uint64_t n,
                             uint64_t *at, int64_t *alignment)
{
    byte_span b = {0};
    void *items = NULL;
    uint64_t begin = *at;
    if (n > (s->bytes.size - *at) / row->bytes)
        return ckpt_fail(s, SIB_ERR_FORMAT, begin, "key '%.*s': %llu numbers are larger than the file",
                         READER_STR(key), (unsigned long long)n);
    sib_code code = ckpt_take(s, at, n * row->bytes, "a value", &b);
    if (code == SIB_OK)
        code = ckpt_fact(s, key, row->kind, list, (size_t)n, begin, &items);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < n; i++) {
        if (row->dtype == SIB_BOOL && b.data[i] > 1)
            return ckpt_fail(s, SIB_ERR_FORMAT, begin + i, "key '%.*s' is %u, expected a bool (0 or 1)",
                             READER_STR(key), b.data[i]);
        if (row->dtype == SIB_U64 && b.data[8 * i + 7] > 127)
            return ckpt_fail(s, SIB_ERR_UNSUPPORTED, begin + 8 * i,
                             "key '%.*s': numbers above 2^63 are not supported", READER_STR(key));
    }
    sib_dtype to = row->kind == FACT_INT ? SIB_I64 : row->kind == FACT_FLOAT ? SIB_F64 : SIB_BOOL;
    code = sib_convert(row->dtype, b.data, to, items, (size_t)n, SIB_OVERFLOW_IEEE, s->err);
    if (key.length == 17 && memcmp(key.data, "general.alignment", 17) == 0 && to == SIB_I64 && !list)
        *alignment = *(int64_t *)items;
    return code;
}

static sib_code read_type(ckpt_file *s, sib_str key, uint64_t *at, uint32_t *type)
{
    uint64_t begin = *at;
    sib_code code = ckpt_u32(s, at, "a value's type", type);
    if (code == SIB_OK && *type >= sizeof values / sizeof *values)
        code = ckpt_fail(s, SIB_ERR_UNSUPPORTED, begin, "key '%.*s': values of type %u are not known",
                         READER_STR(key), *type);
    return code;
}

static sib_code read_key(ckpt_file *s, uint64_t *at, int64_t *alignment)
{
    sib_str key;
    uint32_t type = 0;
    uint64_t n = 1;
    bool list = false;
    sib_code code = read_string(s, at, "a key", &key);
    if (code == SIB_OK)
        code = read_type(s, key, at, &type);
    if (code == SIB_OK && type == VALUE_ARRAY) {
        list = true;
        code = read_type(s, key, at, &type);
        if (code == SIB_OK)
            code = ckpt_u64(s, at, "an array's length", &n);
        if (code == SIB_OK && type == VALUE_ARRAY)
            code = ckpt_fail(s, SIB_ERR_UNSUPPORTED, *at, "key '%.*s': arrays of arrays are not supported",
                             READER_STR(key));
    }
    if (code != SIB_OK)
        return code;
    return type == VALUE_STRING ? read_strings(s, key, list, n, at)
                                : read_numbers(s, key, &values[type], list, n, at, alignment);
}

typedef struct tensor_info {
    sib_str name;
    size_t rank;
    int64_t dims[MAX_DIMS]; /* outermost first */
    uint32_t type;
    uint64_t offset, at; /* from the beginning of the elements; of this description in the file */
} tensor_info;

static sib_code read_info(ckpt_file *s, uint64_t *at, tensor_info *t)
{
    uint32_t rank = 0;
    *t = (tensor_info){.at = *at};
    sib_code code = read_string(s, at, "a tensor's name", &t->name);
    if (code == SIB_OK)
        code = ckpt_u32(s, at, "a tensor's number of dims", &rank);
    if (code == SIB_OK && rank > MAX_DIMS)
        return ckpt_fail(s, SIB_ERR_FORMAT, t->at, "weight '%.*s': %u dims, at most %d are expected",
                         READER_STR(t->name), rank, MAX_DIMS);
    t->rank = rank;
    for (size_t i = rank; i-- > 0 && code == SIB_OK;) {
        uint64_t d = 0;
        code = ckpt_u64(s, at, "a dim", &d);
        t->dims[i] = d > INT64_MAX ? -1 : (int64_t)d;
    }
    if (code == SIB_OK)
        code = ckpt_u32(s, at, "a tensor's type", &t->type);
    return code == SIB_OK ? ckpt_u64(s, at, "a tensor's offset", &t->offset) : code;
}

/* begin: offset of the elements. */
static sib_code add_weight(ckpt_file *s, const tensor_info *t, uint64_t begin, uint64_t alignment)
{
    const char *name;
    uint64_t bytes;
    const weight_format *format = weight_format_of_ggml(t->type, &name);
    if (!format)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, t->at,
                         "weight '%.*s': elements of type %u (%s) are not supported", READER_STR(t->name),
                         t->type, name);
    if (t->offset % alignment != 0)
        return ckpt_fail(s, SIB_ERR_FORMAT, t->at,
                         "weight '%.*s' begins at %llu, which is not aligned to %llu", READER_STR(t->name),
                         (unsigned long long)t->offset, (unsigned long long)alignment);
    if (!weight_format_bytes(format, t->rank, t->dims, &bytes))
        return ckpt_fail(s, SIB_ERR_FORMAT, t->at,
                         "weight '%.*s': its dims are too large, or do not divide into blocks of %u",
                         READER_STR(t->name), format->block);
    if (begin > s->bytes.size || t->offset > s->bytes.size - begin)
        return ckpt_fail(s, SIB_ERR_FORMAT, t->at,
                         "weight '%.*s' begins %llu bytes after byte %llu, but the file has %zu bytes",
                         READER_STR(t->name), (unsigned long long)t->offset, (unsigned long long)begin,
                         s->bytes.size);
    return ckpt_weight(s, t->name, format, t->rank, t->dims, NULL, begin + t->offset, bytes, t->at);
}

static sib_code read_weights(ckpt_file *s, uint64_t n, uint64_t at, int64_t alignment)
{
    uint64_t infos = at;
    tensor_info t;
    sib_code code = SIB_OK;
    if (alignment < 1 || alignment > (1 << 20) || (alignment & (alignment - 1)) != 0)
        return ckpt_fail(s, SIB_ERR_FORMAT, SIB_NO_OFFSET,
                         "'general.alignment' is %lld, expected a power of two", (long long)alignment);
    for (uint64_t i = 0; i < n && code == SIB_OK; i++)
        code = read_info(s, &at, &t);
    uint64_t mask = (uint64_t)alignment - 1, begin = (at + mask) & ~mask;
    for (uint64_t i = 0; i < n && code == SIB_OK; i++) {
        code = read_info(s, &infos, &t);
        if (code == SIB_OK)
            code = add_weight(s, &t, begin, (uint64_t)alignment);
    }
    return code == SIB_OK && n ? ckpt_check_ranges(s, begin, false) : code;
}

static sib_code read_gguf(ckpt_file *s)
{
    uint64_t at = 4, n_tensors = 0, n_keys = 0;
    uint32_t version = 0;
    int64_t alignment = 32;
    sib_code code = ckpt_u32(s, &at, "the version", &version);
    if (code == SIB_OK && version && (version & 0xFFFFFF) == 0)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, 4, "big-endian GGUF files are not supported");
    if (code == SIB_OK && version != 2 && version != 3)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, 4, "version %u of GGUF, expected 2 or 3", version);
    if (code == SIB_OK)
        code = ckpt_u64(s, &at, "the number of tensors", &n_tensors);
    if (code == SIB_OK)
        code = ckpt_u64(s, &at, "the number of keys", &n_keys);
    for (uint64_t i = 0; i < n_keys && code == SIB_OK; i++)
        code = read_key(s, &at, &alignment);
    return code == SIB_OK ? read_weights(s, n_tensors, at, alignment) : code;
}

const checkpoint_format format_gguf = {"gguf", recognises, read_gguf, true};
