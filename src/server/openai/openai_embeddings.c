/* Texts as vectors by OpenAI's API: POST /v1/embeddings. */
#include "server/handlers.h"
#include "server/http/base64.h"
#include "server/http/state.h"
#include "server/models/exchange_model.h"
#include "server/openai/body_fields.h"
#include "server/values/json.h"

#include <stdlib.h>
#include <string.h>

#define MAX_INPUTS 2048
#define MAX_FLOATS ((size_t)4 << 20) /* of an answer */

/* The body, and what is answered of it so far. Strings are those of the JSON. */
typedef struct embeddings {
    exchange *x;
    served *model;
    const json_t *input, *dimensions; /* the second: NULL, or an integer */
    const char *model_id;             /* NULL: not given */
    bool base64;
    json_t *data; /* a list */
    size_t n_tokens, n_floats;
} embeddings;

/* ---- The body ---- */

static bool read_input(void *self, const json_t *value)
{
    embeddings *e = self;
    e->input = value;
    return json_is_string(value) || json_is_array(value);
}

static bool read_model(void *self, const json_t *value)
{
    embeddings *e = self;
    e->model_id = json_string_value(value);
    return e->model_id;
}

static bool read_format(void *self, const json_t *value)
{
    embeddings *e = self;
    const char *name = json_string_value(value);
    e->base64 = name && !strcmp(name, "base64");
    return name && (e->base64 || !strcmp(name, "float"));
}

static bool read_dimensions(void *self, const json_t *value)
{
    embeddings *e = self;
    e->dimensions = value;
    return json_is_integer(value);
}

static bool read_user(void *self, const json_t *value)
{
    (void)self;
    return json_is_string(value);
}

static const body_field fields[] = {
    {"input", read_input, "a text, a list of token ids, or a list of at most 2048 of these"},
    {"model", read_model, "a string"},
    {"encoding_format", read_format, "'float' or 'base64'"},
    {"dimensions", read_dimensions, "an integer"},
    {"user", read_user, "a string"}};

/* Answers 400 and returns false where the body is wrong. */
static bool read_body(embeddings *e, const json_t *body)
{
    if (!body_fields_read(e->x, body, sizeof fields / sizeof *fields, fields, e))
        return false;
    if (!e->input)
        answer_error(e->x, 400, "input", "there is no input");
    return e->input;
}

/* ---- One text ---- */

/* A text, or ids in *ids, which are the caller's (free); false: it is neither, or memory failed. */
static bool read_one(const json_t *value, sib_job_value *out, int32_t **ids)
{
    const size_t n = json_array_size(value);
    if (json_string_length(value)) {
        *out = (sib_job_value){
            "text", {.type = SIB_PORT_TEXT, .text = {json_string_value(value), json_string_length(value)}}};
        return true;
    }
    *ids = n ? malloc(n * sizeof **ids) : NULL;
    for (size_t i = 0; *ids && i < n; i++) {
        const json_t *id = json_array_get(value, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return false;
        (*ids)[i] = (int32_t)json_integer_value(id);
    }
    *out = (sib_job_value){"tokens", {.type = SIB_PORT_TOKENS, .tokens = {*ids, n}}};
    return *ids;
}

static json_t *vector_json(const embeddings *e, const float *vector, size_t n)
{
    if (e->base64) { /* float32, little-endian, as the processors that this runs on have them */
        char *text = base64_encode(vector, n * sizeof *vector);
        json_t *json = text ? json_string(text) : NULL;
        free(text);
        return json;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, float_json(vector[i]));
    return list;
}

/* Adds the vector of a result; false: it was answered with an error. */
static bool add_vector(embeddings *e, const sib_job_result *r)
{
    const sib_port_value *vector = sib_job_result_find(r, "embedding"),
                         *tokens = sib_job_result_find(r, "tokens");
    const sib_tensor *t = vector && vector->type == SIB_PORT_TENSOR ? vector->tensor : NULL;
    const size_t n = t ? (size_t)sib_tensor_count(t) : 0;
    if (!t || sib_tensor_dtype(t) != SIB_F32 || !sib_tensor_is_dense(t)) {
        answer_error(e->x, 400, "model", "the job of the model '%.80s' gives no 'embedding' of float32",
                     e->model->id);
        return false;
    }
    if (e->dimensions && json_integer_value(e->dimensions) != (json_int_t)n) {
        answer_error(e->x, 400, "dimensions", "dimensions may be %zu alone, those of the model", n);
        return false;
    }
    if ((e->n_floats += n) > MAX_FLOATS) {
        answer_error(e->x, 400, "input", "the vectors of one request may have %zu numbers together",
                     MAX_FLOATS);
        return false;
    }
    e->n_tokens += tokens && tokens->type == SIB_PORT_TOKENS ? tokens->tokens.n : 0;
    json_array_append_new(e->data, json_pack("{s:s, s:I, s:o}", "object", "embedding", "index",
                                             (json_int_t)json_array_size(e->data), "embedding",
                                             vector_json(e, sib_tensor_data(t), n)));
    return true;
}

/* ---- All ---- */

/* Text i, which may be the only one. */
static const json_t *text_at(const embeddings *e, size_t i)
{
    const json_t *first = json_array_get(e->input, 0);
    return json_is_string(first) || json_is_array(first) ? json_array_get(e->input, i) : e->input;
}

/* given, ids, results: (n) NULL. false: it was answered with an error. */
static bool embed(embeddings *e, size_t n, sib_job_value *given, int32_t **ids, sib_job_result **results)
{
    static const char *const outputs[] = {"embedding", "tokens"};
    const sib_job_run_options o = {.cancel = exchange_cancel(e->x)};
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < n; i++)
        if (!read_one(text_at(e, i), &given[i], &ids[i])) {
            answer_error(e->x, 400, "input", "input must be %s, none of them empty", fields[0].expected);
            return false;
        }
    if (sib_job_run_many(e->model->job, n, 1, given, 2, outputs, &o, results, &err) != SIB_OK) {
        answer_failure(e->x, &err);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!add_vector(e, results[i]))
            return false;
    return true;
}

static void answer_all(embeddings *e)
{
    const size_t n = text_at(e, 0) == e->input ? 1 : json_array_size(e->input);
    if (n > MAX_INPUTS) {
        answer_error(e->x, 400, "input", "input must be %s", fields[0].expected);
        return;
    }
    sib_job_value *given = calloc(n, sizeof *given);
    int32_t **ids = calloc(n, sizeof *ids);
    sib_job_result **results = calloc(n, sizeof *results);
    e->data = json_array();
    if (!given || !ids || !results)
        answer_error(e->x, 503, NULL, "the server has too little memory for these texts");
    else if (embed(e, n, given, ids, results))
        answer_json(e->x, 200,
                    json_pack("{s:s, s:O, s:s, s:{s:I, s:I}}", "object", "list", "data", e->data, "model",
                              e->model->id, "usage", "prompt_tokens", (json_int_t)e->n_tokens, "total_tokens",
                              (json_int_t)e->n_tokens));
    for (size_t i = 0; i < n; i++) {
        if (results)
            sib_job_result_free(&results[i]);
        if (ids)
            free(ids[i]);
    }
    free(given);
    free(ids);
    free(results);
}

void handle_embeddings(exchange *x)
{
    embeddings e = {.x = x};
    json_t *body = exchange_json(x);
    if (body && read_body(&e, body))
        e.model = exchange_model_of(x, e.model_id, "text-embedding", "gives embeddings", NULL);
    if (e.model)
        answer_all(&e);
    catalog_release(e.model);
    json_decref(e.data);
    json_decref(body);
}
