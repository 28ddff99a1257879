#include "server/inference/inference_form.h"

#include "server/http/state.h"
#include "server/models/describe.h"
#include "server/values/wire.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TENSORS 4096 /* of a request */

/* A request that is read. */
typedef struct reader {
    const sib_model *model;
    const char *bytes; /* of inputs, those that are not read yet */
    size_t n_bytes;
    inference_form *form;
    sib_error *err;
} reader;

static sib_code no_memory(sib_error *err)
{
    return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for the inputs");
}

/* The member 'parameters' of the request or a tensor, whose only parameter is `known`; *out: its value or NULL. */
static sib_code read_parameter(const reader *r, const json_t *owner, const char *known, const json_t **out)
{
    const json_t *parameters = json_object_get(owner, "parameters");
    const char *name;
    json_t *value;
    *out = json_object_get(parameters, known);
    if (parameters && !json_is_object(parameters))
        return server_fail(r->err, SIB_ERR_ARGUMENT, "'parameters' must be an object");
    json_object_foreach((json_t *)(uintptr_t)parameters, name, value)
    {
        if (strcmp(name, known) != 0)
            return server_fail(r->err, SIB_ERR_UNSUPPORTED, "the parameter '%.60s' is not supported: '%s' is",
                               name, known);
    }
    return SIB_OK;
}

static sib_code read_flag(const reader *r, const json_t *owner, const char *known, bool otherwise, bool *out)
{
    const json_t *value;
    sib_code code = read_parameter(r, owner, known, &value);
    *out = value ? json_is_true(value) : otherwise;
    if (code == SIB_OK && value && !json_is_boolean(value))
        code = server_fail(r->err, SIB_ERR_ARGUMENT, "the parameter '%s' must be true or false", known);
    return code;
}

/* ---- Inputs ---- */

/* The name of v and its type, which `type` must be. */
static sib_code read_type(const sib_value_info *v, const json_t *type, wire_shape *s, sib_error *err)
{
    const char *given = json_string_value(type), *has = wire_type_name(v->dtype);
    s->name = v->name;
    s->dtype = given ? wire_type(given) : SIB_DTYPE_UNKNOWN;
    if (v->kind != SIB_VALUE_TENSOR || !has)
        return server_fail(err, SIB_ERR_UNSUPPORTED,
                           "the input '%.80s' is %.80s, which the protocol does not carry", v->name, v->type);
    if (s->dtype != v->dtype)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "the 'datatype' of the input '%.80s' must be %s, not '%.40s'", v->name, has,
                           given ? given : "");
    return SIB_OK;
}

/* Takes the next `size` of the bytes behind the JSON. */
static sib_code read_bytes(reader *r, const wire_shape *s, const json_t *size, sib_tensor **out)
{
    json_int_t n = json_integer_value(size);
    if (!json_is_integer(size) || n < 0)
        return server_fail(r->err, SIB_ERR_ARGUMENT,
                           "'binary_data_size' of the input '%.80s' must be an integer from 0", s->name);
    if ((uint64_t)n > r->n_bytes)
        return server_fail(
            r->err, SIB_ERR_ARGUMENT,
            "the input '%.80s' has %lld bytes, but the body has %zu left behind its JSON, whose "
            "size the header Inference-Header-Content-Length tells",
            s->name, (long long)n, r->n_bytes);
    const char *begin = r->bytes;
    r->bytes += n;
    r->n_bytes -= (size_t)n;
    return wire_from_bytes(s, begin, (size_t)n, out, r->err);
}

static sib_code read_value(reader *r, const json_t *item, const sib_value_info *v, sib_value **out)
{
    wire_shape s = {.name = v->name};
    const json_t *data = json_object_get(item, "data"), *size;
    sib_tensor *t = NULL;
    sib_code code = read_type(v, json_object_get(item, "datatype"), &s, r->err);
    if (code == SIB_OK)
        code = wire_read_shape(json_object_get(item, "shape"), &s, r->err);
    if (code == SIB_OK)
        code = read_parameter(r, item, "binary_data_size", &size);
    if (code != SIB_OK)
        return code;
    if (!data == !size)
        code = server_fail(r->err, SIB_ERR_ARGUMENT,
                           "the input '%.80s' must have either 'data' or the parameter 'binary_data_size'",
                           v->name);
    else
        code = data ? wire_from_json(&s, data, &t, r->err) : read_bytes(r, &s, size, &t);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, r->err);
    sib_tensor_free(&t); /* the value shares its elements */
    return code;
}

static sib_code read_input(reader *r, const json_t *item)
{
    inference_form *f = r->form;
    const char *name = json_string_value(json_object_get(item, "name"));
    sib_value_info v;
    size_t i = 0;
    if (!name)
        return server_fail(r->err, SIB_ERR_ARGUMENT, "each of 'inputs' must be an object with a 'name'");
    while (sib_model_input(r->model, i, &v) && strcmp(v.name, name) != 0)
        i++;
    if (!sib_model_input(r->model, i, &v))
        return server_fail(r->err, SIB_ERR_ARGUMENT, "the model has no input '%.80s'", name);
    for (size_t k = 0; k < f->n_inputs; k++) {
        SERVER_CHECK(f->inputs[k].name);
        if (!strcmp(f->inputs[k].name, name))
            return server_fail(r->err, SIB_ERR_ARGUMENT, "the input '%.80s' is there twice", name);
    }
    sib_value *value = NULL;
    sib_code code = read_value(r, item, &v, &value);
    if (code == SIB_OK)
        f->inputs[f->n_inputs++] = (sib_named_value){v.name, value};
    return code;
}

static sib_code read_inputs(reader *r, const json_t *list)
{
    sib_code code = SIB_OK;
    if (!json_is_array(list) || json_array_size(list) > MAX_TENSORS)
        return server_fail(r->err, SIB_ERR_ARGUMENT, "'inputs' must be a list of at most %d", MAX_TENSORS);
    r->form->inputs = calloc(json_array_size(list) + 1, sizeof *r->form->inputs);
    if (!r->form->inputs)
        return no_memory(r->err);
    for (size_t i = 0; i < json_array_size(list) && code == SIB_OK; i++)
        code = read_input(r, json_array_get(list, i));
    if (code == SIB_OK && r->n_bytes)
        code = server_fail(r->err, SIB_ERR_ARGUMENT, "%zu bytes of the body belong to no input", r->n_bytes);
    return code;
}

/* Each input of the model that has no default must be there. */
static sib_code check_missing(const reader *r)
{
    sib_value_info v;
    for (size_t i = 0; sib_model_input(r->model, i, &v); i++) {
        bool there = v.optional_input;
        for (size_t k = 0; k < r->form->n_inputs && !there; k++)
            there = !strcmp(r->form->inputs[k].name, v.name);
        if (!there)
            return server_fail(r->err, SIB_ERR_ARGUMENT, "the input '%.80s' is missing", v.name);
    }
    return SIB_OK;
}

/* ---- Outputs ---- */

sib_code inference_check_output(const char *name, sib_value_kind kind, sib_dtype dtype, bool binary,
                                sib_error *err)
{
    if (kind && kind != SIB_VALUE_TENSOR)
        return server_fail(err, SIB_ERR_UNSUPPORTED,
                           "the output '%.80s' is no tensor but a value of the kind '%s', which the protocol "
                           "does not carry: leave it out of 'outputs'",
                           name, value_kind_name(kind));
    if (dtype && !wire_type_name(dtype))
        return server_fail(err, SIB_ERR_UNSUPPORTED,
                           "the output '%.80s' is %s, which the protocol does not carry: leave it out of "
                           "'outputs'",
                           name, sib_dtype_name(dtype));
    if (!binary && !wire_has_json(dtype))
        return server_fail(err, SIB_ERR_UNSUPPORTED,
                           "the output '%.80s' is %s, which JSON does not carry: ask for it as bytes "
                           "(binary_data)",
                           name, wire_type_name(dtype));
    return SIB_OK;
}

static sib_code add_output(reader *r, const sib_value_info *v, bool binary)
{
    inference_form *f = r->form;
    for (size_t k = 0; k < f->n_outputs; k++) {
        SERVER_CHECK(f->outputs[k]);
        if (!strcmp(f->outputs[k], v->name))
            return server_fail(r->err, SIB_ERR_ARGUMENT, "the output '%.80s' is there twice", v->name);
    }
    f->outputs[f->n_outputs] = v->name;
    f->binary[f->n_outputs++] = binary;
    return inference_check_output(v->name, v->kind, v->dtype, binary, r->err);
}

static sib_code read_output(reader *r, const json_t *item, bool otherwise)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    sib_value_info v;
    bool binary;
    size_t i = 0;
    if (!name)
        return server_fail(r->err, SIB_ERR_ARGUMENT, "each of 'outputs' must be an object with a 'name'");
    while (sib_model_output(r->model, i, &v) && strcmp(v.name, name) != 0)
        i++;
    if (!sib_model_output(r->model, i, &v))
        return server_fail(r->err, SIB_ERR_ARGUMENT, "the model has no output '%.80s'", name);
    sib_code code = read_flag(r, item, "binary_data", otherwise, &binary);
    return code == SIB_OK ? add_output(r, &v, binary) : code;
}

/* list: NULL or empty for all. */
static sib_code read_outputs(reader *r, const json_t *list, bool binary)
{
    inference_form *f = r->form;
    size_t asked = json_array_size(list);
    sib_model_info info;
    sib_value_info v;
    sib_code code = SIB_OK;
    if ((list && !json_is_array(list)) || asked > MAX_TENSORS)
        return server_fail(r->err, SIB_ERR_ARGUMENT, "'outputs' must be a list of at most %d", MAX_TENSORS);
    sib_model_get_info(r->model, &info);
    size_t n = asked ? asked : info.n_outputs;
    f->outputs = calloc(n + 1, sizeof *f->outputs);
    f->binary = calloc(n + 1, sizeof *f->binary);
    if (!f->outputs || !f->binary)
        return no_memory(r->err);
    for (size_t i = 0; i < asked && code == SIB_OK; i++)
        code = read_output(r, json_array_get(list, i), binary);
    for (size_t i = 0; !asked && i < n && code == SIB_OK; i++)
        if (sib_model_output(r->model, i, &v))
            code = add_output(r, &v, binary);
    return code;
}

/* ---- The request ---- */

sib_code inference_form_read(const sib_model *m, const json_t *body, const char *bytes, size_t n_bytes,
                             inference_form *out, sib_error *err)
{
    *out = (inference_form){0};
    reader r = {.model = m, .bytes = bytes, .n_bytes = n_bytes, .form = out, .err = err};
    const json_t *id = json_object_get(body, "id");
    bool binary;
    out->id = json_string_value(id);
    if (id && !json_is_string(id))
        return server_fail(err, SIB_ERR_ARGUMENT, "'id' must be a string");
    sib_code code = read_flag(&r, body, "binary_data_output", false, &binary);
    if (code == SIB_OK)
        code = read_outputs(&r, json_object_get(body, "outputs"), binary);
    if (code == SIB_OK)
        code = read_inputs(&r, json_object_get(body, "inputs"));
    return code == SIB_OK ? check_missing(&r) : code;
}

void inference_form_clear(inference_form *f)
{
    for (size_t i = 0; i < f->n_inputs; i++)
        sib_value_free((sib_value **)(uintptr_t)&f->inputs[i].value);
    free(f->inputs);
    free(f->outputs);
    free(f->binary);
    *f = (inference_form){0};
}
