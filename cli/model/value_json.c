#include "model/value_json.h"

#include "model/value_text.h"

#include <stdlib.h>

#define SHOWN 16

static json_t *numbers_json(const int64_t *x, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer((json_int_t)x[i]));
    return list;
}

static json_t *first_json(const sib_tensor *t)
{
    json_t *list = json_array();
    sib_tensor *dense = NULL, *flat = NULL;
    const int64_t count = (int64_t)sib_tensor_count(t);
    if (sib_tensor_copy(t, &dense, NULL) == SIB_OK &&
        sib_tensor_reshape(dense, 1, &count, &flat, NULL) == SIB_OK)
        for (int64_t i = 0; i < count && i < SHOWN; i++) {
            double x;
            sib_str s;
            if (sib_tensor_dtype(t) == SIB_STRING && sib_tensor_get_string(flat, &i, &s, NULL) == SIB_OK) {
                char *text = cli_format("%.*s", (int)s.length, s.data);
                json_array_append_new(list, cli_json_text(text));
                free(text);
            } else if (sib_tensor_get(flat, &i, &x, NULL) == SIB_OK)
                json_array_append_new(list, cli_json_value(x));
        }
    sib_tensor_free(&dense);
    sib_tensor_free(&flat);
    return list;
}

static json_t *digest_json(const sib_digest *d)
{
    json_t *histogram = json_array();
    for (size_t i = 0; i < SIB_DIGEST_BINS; i++)
        json_array_append_new(histogram, json_integer((json_int_t)d->histogram[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "count", (json_int_t)d->count,
                     "nan", (json_int_t)d->n_nan, "plus_infinity", (json_int_t)d->n_plus_inf,
                     "minus_infinity", (json_int_t)d->n_minus_inf, "zero", (json_int_t)d->n_zero, "min",
                     cli_json_value(d->min), "max", cli_json_value(d->max), "mean", cli_json_value(d->mean),
                     "std", cli_json_value(d->std), "histogram", histogram);
}

json_t *value_json(const char *name, const sib_value *v)
{
    char type[300];
    sib_digest digest;
    sib_error err = SIB_ERROR_INIT;
    const sib_tensor *t = sib_value_tensor(v);
    json_t *o = json_pack("{s:o, s:o}", "name", cli_json_text(name), "type",
                          cli_json_text(value_type_text(v, type, sizeof type)));
    if (t) {
        json_object_set_new(o, "dtype", json_string(sib_dtype_name(sib_tensor_dtype(t))));
        json_object_set_new(o, "dims", numbers_json(sib_tensor_dims(t), sib_tensor_rank(t)));
        json_object_set_new(o, "first", first_json(t));
    } else {
        json_t *items = json_array();
        for (size_t i = 0; i < sib_value_count(v); i++)
            json_array_append_new(items, value_json("", sib_value_item(v, i)));
        json_object_set_new(o, "items", items);
    }
    if (sib_digest_of(v, &(sib_digest_options){.exact = true}, &digest, &err) != SIB_OK)
        exit(cli_fail("%s", err.message));
    json_object_set_new(o, "digest", digest_json(&digest));
    return o;
}
