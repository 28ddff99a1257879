/* Literals of a document as values. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/document/doc.h"

#include <jansson.h>
#include <string.h>

/* ---- Tensors ------------------------------------------------------------------------------------------- */

#define MAX_ELEMENTS (1 << 22)

/* {"dtype": "int64", "dims": [2, 3], "data": [1, 2, 3, 4, 5, 6]}, or one number for all: reads dims; without them all elements of data stand along one axis. */
static bool read_dims(const json_t *dims, const json_t *data, size_t *rank, int64_t *out, uint64_t *n)
{
    *n = 1;
    *rank = dims ? json_array_size(dims) : (size_t)json_is_array(data);
    if ((dims && !json_is_array(dims)) || *rank > SIB_MAX_RANK)
        return false;
    for (size_t i = 0; i < *rank; i++) {
        const json_t *item = json_array_get(dims, i);
        out[i] = dims ? (int64_t)json_integer_value(item) : (int64_t)json_array_size(data);
        if ((dims && !json_is_integer(item)) || out[i] < 0 || out[i] > MAX_ELEMENTS)
            return false;
        *n *= (uint64_t)out[i];
        if (*n > MAX_ELEMENTS)
            return false;
    }
    return true;
}

static sib_code put_element(const json_t *number, sib_dtype dtype, void *to, sib_error *err)
{
    const double real = json_number_value(number);
    const int64_t integer = (int64_t)json_integer_value(number);
    return json_is_integer(number) ? sib_convert(SIB_I64, &integer, dtype, to, 1, SIB_OVERFLOW_IEEE, err)
                                   : sib_convert(SIB_F64, &real, dtype, to, 1, SIB_OVERFLOW_IEEE, err);
}

static sib_code fill_tensor(sib_tensor *t, const json_t *data, sib_error *err)
{
    const sib_dtype dtype = sib_tensor_dtype(t);
    const size_t size = sib_dtype_bits(dtype) / 8, n = (size_t)sib_tensor_count(t);
    sib_code code = SIB_OK;
    char *at = sib_tensor_data(t);
    for (size_t i = 0; i < n && code == SIB_OK; i++, at += size)
        code = put_element(json_is_array(data) ? json_array_get(data, i) : data, dtype, at, err);
    return code;
}

/* Whether data is one number, or as many as there are elements. */
static bool data_fit(const json_t *data, uint64_t n)
{
    bool fits = json_is_number(data) || (json_is_array(data) && json_array_size(data) == n);
    for (size_t i = 0; i < json_array_size(data); i++)
        fits = fits && json_is_number(json_array_get(data, i));
    return fits;
}

static sib_code literal_tensor(const job_doc *d, const json_t *j, const char *path, job_value **out,
                               sib_error *err)
{
    static const char *const members[] = {"dtype", "dims", "data", NULL};
    const json_t *data = json_object_get(j, "data");
    const char *name = NULL;
    int64_t dims[SIB_MAX_RANK];
    size_t rank;
    uint64_t n;
    sib_tensor *t;
    sib_value *v = NULL;
    sib_code code = doc_only(d, j, path, members, err);
    if (code == SIB_OK)
        code = doc_text(d, j, path, "dtype", &name, err);
    if (code != SIB_OK)
        return code;
    const sib_dtype dtype = name ? sib_dtype_from_name(name) : SIB_F32;
    if (dtype == SIB_DTYPE_UNKNOWN || dtype == SIB_STRING || sib_dtype_bits(dtype) < 8)
        return doc_fault(d, err, SIB_ERR_FORMAT, path,
                         "'dtype' is '%s', expected one of numbers of 8 bits or more", name);
    if (!read_dims(json_object_get(j, "dims"), data, &rank, dims, &n))
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "'dims' are no dims of at most %d elements",
                         MAX_ELEMENTS);
    if (!data_fit(data, n))
        return doc_fault(d, err, SIB_ERR_FORMAT, path,
                         "'data' is neither a number nor a list of %llu numbers", (unsigned long long)n);
    if ((code = sib_tensor_create(dtype, rank, dims, &t, err)) != SIB_OK)
        return code;
    code = fill_tensor(t, data, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, &v, err);
    sib_tensor_free(&t);
    if (code == SIB_OK && !(*out = job_value_tensor(v, SIB_PORT_TENSOR)))
        code = err_memory(err, (size_t)n, "a job's tensor");
    return code;
}

/* ---- The others ---------------------------------------------------------------------------------------- */

static sib_code literal_texts(const json_t *j, job_value **out, sib_error *err)
{
    size_t n = json_array_size(j);
    const char **list = mem_alloc(n ? n : 1, sizeof *list);
    if (!list)
        return err_memory(err, n * sizeof *list, "texts of a job");
    for (size_t i = 0; i < n; i++)
        list[i] = json_string_value(json_array_get(j, i));
    *out = job_value_texts(list, n);
    mem_free(list);
    return *out ? SIB_OK : err_memory(err, n, "texts of a job");
}

static sib_code literal_numbers(const json_t *j, sib_port_type type, job_value **out, sib_error *err)
{
    size_t n = json_array_size(j);
    double *numbers = mem_alloc(n ? n : 1, sizeof *numbers);
    int32_t *ids = mem_alloc(n ? n : 1, sizeof *ids);
    if (numbers && ids) {
        for (size_t i = 0; i < n; i++)
            numbers[i] = json_number_value(json_array_get(j, i));
        for (size_t i = 0; i < n && type == SIB_PORT_TOKENS; i++)
            ids[i] = (int32_t)numbers[i];
        *out = type == SIB_PORT_TOKENS ? job_value_tokens(ids, n) : job_value_numbers(numbers, n);
    }
    mem_free(numbers);
    mem_free(ids);
    return *out ? SIB_OK : err_memory(err, n * sizeof *numbers, "numbers of a job");
}

/* True where all items of an array fit the type. */
static bool items_fit(const json_t *j, sib_port_type type)
{
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *item = json_array_get(j, i);
        bool fits = type == SIB_PORT_TEXTS ? json_is_string(item) &&
                                                 !memchr(json_string_value(item), 0, json_string_length(item))
                    : type == SIB_PORT_TOKENS ? json_is_integer(item) && json_integer_value(item) >= 0 &&
                                                    json_integer_value(item) <= INT32_MAX
                                              : json_is_number(item);
        if (!fits)
            return false;
    }
    return true;
}

/* A number as a value of the port's type; NULL where memory cannot be allocated. */
static job_value *literal_number(double x, sib_port_type type)
{
    job_value *number = job_value_number(x), *out = number ? job_value_as(number, type) : NULL;
    job_value_release(number);
    return out;
}

sib_code doc_literal(const job_doc *d, const json_t *j, sib_port_type type, const char *path, job_value **out,
                     sib_error *err)
{
    *out = NULL;
    bool list = type == SIB_PORT_TEXTS || type == SIB_PORT_NUMBERS || type == SIB_PORT_TOKENS;
    if (json_is_null(j))
        return SIB_OK;
    if (list && json_is_array(j) && items_fit(j, type))
        return type == SIB_PORT_TEXTS ? literal_texts(j, out, err) : literal_numbers(j, type, out, err);
    if (type == SIB_PORT_TENSOR && json_is_object(j))
        return literal_tensor(d, j, path, out, err);
    if (type == SIB_PORT_TEXT && json_is_string(j))
        *out = job_value_text(json_string_value(j), json_string_length(j));
    else if ((type == SIB_PORT_NUMBER || type == SIB_PORT_TENSOR) && json_is_number(j))
        *out = literal_number(json_number_value(j), type);
    else if (type == SIB_PORT_TEXTS && json_is_string(j))
        *out = job_value_texts((const char *const[]){json_string_value(j)}, 1);
    else if (type == SIB_PORT_NUMBERS && json_is_number(j))
        *out = job_value_numbers((const double[]){json_number_value(j)}, 1);
    else if (type == SIB_PORT_FLAG && json_is_boolean(j))
        *out = job_value_flag(json_is_true(j));
    else
        return doc_fault(d, err, SIB_ERR_FORMAT, path, "expected a literal of type %s", job_type_name(type));
    return *out ? SIB_OK : err_memory(err, sizeof **out, "a job's literal");
}
