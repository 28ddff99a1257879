/* Tensors as lists of JSON. */
#include "server/http/state.h"
#include "server/values/wire.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Read ---- */

sib_code wire_read_shape(const json_t *shape, wire_shape *s, sib_error *err)
{
    size_t rank = json_array_size(shape);
    bool good = json_is_array(shape) && rank <= SIB_MAX_RANK, fits = true, none = false;
    s->rank = good ? rank : 0;
    s->count = 1;
    for (size_t k = 0; good && k < rank; k++) {
        const json_t *dim = json_array_get(shape, k);
        s->dims[k] = json_integer_value(dim);
        good = json_is_integer(dim) && s->dims[k] >= 0;
        none = none || !s->dims[k];
        fits = good && !__builtin_mul_overflow(s->count, (uint64_t)s->dims[k], &s->count) && fits;
    }
    if (!good)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the 'shape' of the input '%.80s' must be a list of at most %d integers from 0",
                           s->name, SIB_MAX_RANK);
    if (none)
        s->count = 0;
    else if (!fits)
        return server_fail(err, SIB_ERR_ARGUMENT, "the input '%.80s' has more elements than can be counted",
                           s->name);
    return SIB_OK;
}

/* Whether data are lists within lists as dims say. Recursion: at most SIB_MAX_RANK. */
static bool has_dims(const json_t *data, size_t rank, const int64_t *dims)
{
    if (!rank)
        return data && !json_is_array(data);
    bool good = json_is_array(data) && (int64_t)json_array_size(data) == dims[0];
    for (size_t i = 0; good && i < json_array_size(data); i++)
        good = has_dims(json_array_get(data, i), rank - 1, dims + 1);
    return good;
}

static const char *expected_integer(sib_dtype dtype, const json_t *element)
{
    unsigned bits = sib_dtype_bits(dtype);
    bool is_signed = sib_dtype_get_kind(dtype) == SIB_KIND_INT;
    int64_t value = json_integer_value(element), max = INT64_MAX >> (bits == 64 ? 0 : 64 - bits - !is_signed),
            min = is_signed ? -max - 1 : 0;
    if (json_is_integer(element) && value >= min && value <= max)
        return NULL;
    return bits == 64 && !is_signed ? "an integer from 0 to 2^63 - 1 (larger: as bytes)"
                                    : "an integer that the type has";
}

/* Whether a number does not become infinite in a float of 16 or 32 bits. */
static bool float_has(sib_dtype dtype, double number)
{
    static const double half = 65520; /* from here on the nearest float16 is infinity */
    return dtype == SIB_F32 ? !isinf((float)number) : dtype != SIB_F16 || fabs(number) < half;
}

const char *wire_expected(sib_dtype dtype, const json_t *element)
{
    switch (sib_dtype_get_kind(dtype)) {
    case SIB_KIND_STRING:
        return json_is_string(element) ? NULL : "a string";
    case SIB_KIND_BOOL:
        return json_is_boolean(element) ||
                       (json_is_integer(element) && (uint64_t)json_integer_value(element) <= 1)
                   ? NULL
                   : "true, false, 1 or 0";
    case SIB_KIND_FLOAT:
    case SIB_KIND_COMPLEX:
        return json_is_number(element) && float_has(dtype, json_number_value(element))
                   ? NULL
                   : "a number that the type has";
    default:
        return expected_integer(dtype, element);
    }
}

/* Where elements are put. */
typedef struct filler {
    const wire_shape *shape;
    void *to;
    uint64_t at;
    sib_error *err;
} filler;

static sib_code wrong_element(const filler *f, const char *expected)
{
    return server_fail(f->err, SIB_ERR_ARGUMENT, "element %llu of the input '%.80s' must be %s (%s)",
                       (unsigned long long)f->at, f->shape->name, expected, wire_type_name(f->shape->dtype));
}

static void put_integer(filler *f, int64_t value)
{
    unsigned bits = sib_dtype_bits(f->shape->dtype);
    if (bits == 8)
        ((uint8_t *)f->to)[f->at] = (uint8_t)value;
    else if (bits == 16)
        ((uint16_t *)f->to)[f->at] = (uint16_t)value;
    else if (bits == 32)
        ((uint32_t *)f->to)[f->at] = (uint32_t)value;
    else
        ((uint64_t *)f->to)[f->at] = (uint64_t)value;
}

static sib_code put_element(filler *f, const json_t *element)
{
    const char *expected = wire_expected(f->shape->dtype, element);
    if (expected)
        return wrong_element(f, expected);
    switch (sib_dtype_get_kind(f->shape->dtype)) {
    case SIB_KIND_STRING:
        ((sib_str *)f->to)[f->at] = (sib_str){json_string_value(element), json_string_length(element)};
        return SIB_OK;
    case SIB_KIND_BOOL:
        ((uint8_t *)f->to)[f->at] = json_is_true(element) || json_integer_value(element) == 1;
        return SIB_OK;
    case SIB_KIND_FLOAT:
        if (f->shape->dtype == SIB_F32)
            ((float *)f->to)[f->at] = (float)json_number_value(element);
        else
            ((double *)f->to)[f->at] = json_number_value(element);
        return SIB_OK;
    default:
        put_integer(f, json_integer_value(element));
        return SIB_OK;
    }
}

/* Recursion: at most SIB_MAX_RANK, as has_dims found. */
static sib_code put(filler *f, const json_t *data, size_t rank)
{
    sib_code code = SIB_OK;
    if (!rank) {
        code = put_element(f, data);
        f->at++;
    }
    for (size_t i = 0; rank && code == SIB_OK && i < json_array_size(data); i++)
        code = put(f, json_array_get(data, i), rank - 1);
    return code;
}

sib_code wire_from_json(const wire_shape *s, const json_t *data, sib_tensor **out, sib_error *err)
{
    const int64_t count = (int64_t)s->count;
    bool nested = has_dims(data, s->rank, s->dims), flat = s->count <= INT64_MAX && has_dims(data, 1, &count);
    if (!wire_has_json(s->dtype))
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the input '%.80s' is %s, which JSON does not carry: send it as bytes "
                           "(binary_data_size)",
                           s->name, wire_type_name(s->dtype));
    if (!nested && !flat)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the 'data' of the input '%.80s' must be a list of the %llu elements that its "
                           "'shape' has, or lists within lists of its dims",
                           s->name, (unsigned long long)s->count);
    sib_str *items = s->dtype == SIB_STRING ? malloc((size_t)(s->count + 1) * sizeof *items) : NULL;
    sib_code code = s->dtype == SIB_STRING ? wire_strings(s, items, out, err)
                                           : sib_tensor_create(s->dtype, s->rank, s->dims, out, err);
    if (code != SIB_OK)
        return code;
    filler f = {.shape = s, .to = sib_tensor_data(*out), .err = err};
    code = put(&f, data, flat ? 1 : s->rank);
    if (code != SIB_OK)
        sib_tensor_free(out);
    return code;
}

/* ---- Written ---- */

static sib_code no_memory(const wire_sink *to)
{
    return server_fail(to->err, SIB_ERR_MEMORY, "the server has too little memory for this answer");
}

static sib_code write_string(const wire_sink *to, sib_str string, uint64_t i)
{
    json_t *value = json_stringn(string.length ? string.data : "", string.length);
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    sib_code code = SIB_OK;
    if (!value)
        code =
            server_fail(to->err, SIB_ERR_VALUE,
                        "element %llu of the output '%.80s' is no UTF-8: ask for it as bytes (binary_data)",
                        (unsigned long long)i, to->name);
    else if (!text || !buffer_add_text(to->to, text))
        code = no_memory(to);
    free(text);
    json_decref(value);
    return code;
}

/* number: a json_real to use. With so few digits as read back, where that can be had in a few trials. */
static sib_code write_real(const wire_sink *to, json_t *number, double x, bool single, uint64_t i)
{
    char text[40];
    size_t n = 0, digits = single ? FLT_DIG : DBL_DIG, most = single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    if (!isfinite(x))
        return server_fail(
            to->err, SIB_ERR_VALUE,
            "element %llu of the output '%.80s' is %g, which JSON does not have: ask for it as "
            "bytes (binary_data)",
            (unsigned long long)i, to->name, x);
    json_real_set(number, x);
    for (bool same = false; !same && digits <= most; digits++) {
        n = json_dumpb(number, text, sizeof text - 1, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        text[n] = 0;
        same = single ? strtof(text, NULL) == (float)x : strtod(text, NULL) == x;
    }
    return buffer_add(to->to, text, n) ? SIB_OK : no_memory(to);
}

static sib_code write_integer(const wire_sink *to, sib_dtype dtype, const void *data, uint64_t i)
{
    const unsigned bits = sib_dtype_bits(dtype);
    const bool is_signed = sib_dtype_get_kind(dtype) == SIB_KIND_INT;
    int64_t value = bits == 8    ? (is_signed ? ((const int8_t *)data)[i] : ((const uint8_t *)data)[i])
                    : bits == 16 ? (is_signed ? ((const int16_t *)data)[i] : ((const uint16_t *)data)[i])
                    : bits == 32
                        ? (is_signed ? ((const int32_t *)data)[i] : (int64_t)((const uint32_t *)data)[i])
                        : ((const int64_t *)data)[i];
    char text[24];
    int n = is_signed ? snprintf(text, sizeof text, "%lld", (long long)value)
                      : snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return buffer_add(to->to, text, (size_t)n) ? SIB_OK : no_memory(to);
}

static sib_code write_element(const wire_sink *to, json_t *number, const sib_tensor *t, uint64_t i)
{
    const void *data = sib_tensor_data(t);
    sib_dtype dtype = sib_tensor_dtype(t);
    if (dtype == SIB_STRING)
        return write_string(to, ((const sib_str *)data)[i], i);
    if (dtype == SIB_F32 || dtype == SIB_F64)
        return write_real(to, number,
                          dtype == SIB_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i],
                          dtype == SIB_F32, i);
    if (dtype == SIB_BOOL)
        return buffer_add_text(to->to, ((const uint8_t *)data)[i] ? "true" : "false") ? SIB_OK
                                                                                      : no_memory(to);
    return write_integer(to, dtype, data, i);
}

sib_code wire_to_json(const sib_tensor *t, const wire_sink *to)
{
    json_t *number = json_real(0);
    sib_code code = number ? SIB_OK : no_memory(to);
    buffer_add_text(to->to, "[");
    for (uint64_t i = 0; i < sib_tensor_count(t) && code == SIB_OK; i++) {
        if (i)
            buffer_add_text(to->to, ",");
        code = write_element(to, number, t, i);
        if (code == SIB_OK && to->to->size > to->max)
            code = wire_too_large(to->name, to->max, to->err);
        if (code == SIB_OK && exchange_cancelled(to->x))
            code = server_fail(to->err, SIB_ERR_CANCELLED, "the request was cancelled");
    }
    json_decref(number);
    if (code == SIB_OK && !buffer_add_text(to->to, "]"))
        code = no_memory(to);
    return code;
}
