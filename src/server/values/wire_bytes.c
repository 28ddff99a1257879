/* Types of the protocol, and tensors as bytes. */
#include "server/http/state.h"
#include "server/values/wire.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 4 /* before each string */

static const struct {
    sib_dtype dtype;
    const char *name;
} types[] = {{SIB_BOOL, "BOOL"},  {SIB_U8, "UINT8"},    {SIB_U16, "UINT16"}, {SIB_U32, "UINT32"},
             {SIB_U64, "UINT64"}, {SIB_I8, "INT8"},     {SIB_I16, "INT16"},  {SIB_I32, "INT32"},
             {SIB_I64, "INT64"},  {SIB_F16, "FP16"},    {SIB_BF16, "BF16"},  {SIB_F32, "FP32"},
             {SIB_F64, "FP64"},   {SIB_STRING, "BYTES"}};

const char *wire_type_name(sib_dtype dtype)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == dtype)
            return types[i].name;
    return NULL;
}

sib_dtype wire_type(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, name))
            return types[i].dtype;
    return SIB_DTYPE_UNKNOWN;
}

bool wire_has_json(sib_dtype dtype)
{
    return dtype != SIB_F16 && dtype != SIB_BF16;
}

sib_code wire_too_large(const char *name, size_t max, sib_error *err)
{
    return server_fail(err, SIB_ERR_SIZE,
                       "the outputs up to '%.80s' have more than the %zu bytes that an answer may have "
                       "(--max-upload)",
                       name, max);
}

sib_code wire_strings(const wire_shape *s, sib_str *items, sib_tensor **out, sib_error *err)
{
    if (!items)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for the inputs");
    sib_code code = sib_tensor_wrap(SIB_STRING, s->rank, s->dims, NULL, items, free, items, out, err);
    if (code != SIB_OK)
        free(items);
    return code;
}

/* ---- Read ---- */

static size_t read_length(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    return (size_t)byte[0] | (size_t)byte[1] << 8 | (size_t)byte[2] << 16 | (size_t)byte[3] << 24;
}

static sib_code strings_from_bytes(const wire_shape *s, const char *bytes, size_t size, sib_tensor **out,
                                   sib_error *err)
{
    size_t at = 0;
    bool fits = s->count <= size / LENGTH_BYTES;
    sib_str *items = fits ? malloc((size_t)(s->count + 1) * sizeof *items) : NULL;
    for (uint64_t i = 0; fits && items && i < s->count; i++) {
        fits = size - at >= LENGTH_BYTES;
        size_t length = fits ? read_length(bytes + at) : 0;
        at += fits ? LENGTH_BYTES : 0;
        fits = fits && length <= size - at;
        items[i] = (sib_str){bytes + at, length};
        at += fits ? length : 0;
    }
    if (fits && (!items || at == size))
        return wire_strings(s, items, out, err);
    free(items);
    return server_fail(err, SIB_ERR_ARGUMENT,
                       "the %zu bytes of the input '%.80s' are not %llu strings, each after its length in %d "
                       "bytes",
                       size, s->name, (unsigned long long)s->count, LENGTH_BYTES);
}

/* Any other byte would be no value of C's bool. */
static bool are_bools(const char *bytes, size_t size)
{
    bool good = true;
    for (size_t i = 0; i < size; i++)
        good = good && (unsigned char)bytes[i] <= 1;
    return good;
}

sib_code wire_from_bytes(const wire_shape *s, const char *bytes, size_t size, sib_tensor **out,
                         sib_error *err)
{
    if (s->dtype == SIB_STRING)
        return strings_from_bytes(s, bytes, size, out, err);
    size_t width = sib_dtype_bits(s->dtype) / 8;
    if (size % width || size / width != s->count)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the input '%.80s' has %zu bytes, not %llu elements of %zu bytes", s->name, size,
                           (unsigned long long)s->count, width);
    if (s->dtype == SIB_BOOL && !are_bools(bytes, size))
        return server_fail(err, SIB_ERR_ARGUMENT, "a byte of the input '%.80s' (BOOL) is neither 0 nor 1",
                           s->name);
    if (size && (uintptr_t)bytes % width == 0) /* runs never write to inputs */
        return sib_tensor_wrap(s->dtype, s->rank, s->dims, NULL, (char *)(uintptr_t)bytes, NULL, NULL, out,
                               err);
    sib_code code = sib_tensor_create(s->dtype, s->rank, s->dims, out, err);
    if (code == SIB_OK && size)
        memcpy(sib_tensor_data(*out), bytes, size);
    return code;
}

/* ---- Written ---- */

static bool add_string(sib_str string, buffer *b)
{
    size_t n = string.length;
    const char length[LENGTH_BYTES] = {(char)n, (char)(n >> 8), (char)(n >> 16), (char)(n >> 24)};
    return buffer_add(b, length, sizeof length) && buffer_add(b, string.data, n);
}

sib_code wire_to_bytes(const sib_tensor *t, const wire_sink *to)
{
    const sib_str *strings = sib_tensor_data(t);
    const bool is_text = sib_tensor_dtype(t) == SIB_STRING;
    uint64_t size = is_text ? 0 : sib_tensor_count(t) * (sib_dtype_bits(sib_tensor_dtype(t)) / 8);
    for (uint64_t i = 0; is_text && i < sib_tensor_count(t); i++)
        size += LENGTH_BYTES + strings[i].length;
    if (to->to->size > to->max || size > to->max - to->to->size)
        return wire_too_large(to->name, to->max, to->err);
    for (uint64_t i = 0; is_text && i < sib_tensor_count(t); i++)
        add_string(strings[i], to->to);
    if (!is_text)
        buffer_add(to->to, sib_tensor_data(t), (size_t)size);
    return to->to->failed
               ? server_fail(to->err, SIB_ERR_MEMORY, "the server has too little memory for this answer")
               : SIB_OK;
}
