/* /v2: the Open Inference Protocol (KServe, Triton) over HTTP, with tensors as JSON or as bytes. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/inference/inference_form.h"
#include "server/models/exchange_model.h"
#include "server/values/json.h"
#include "server/values/slice.h"
#include "server/values/wire.h"

#include <stdlib.h>
#include <string.h>

#define VERSION "1" /* of every model: a model that changes is opened under a name of its own */

/* ---- The server ---- */

void handle_inference_server(exchange *x)
{
    answer_json(x, 200,
                json_pack("{s:s, s:s, s:[s]}", "name", "sibyl", "version", sib_version(), "extensions",
                          "binary_tensor_data"));
}

void handle_inference_live(exchange *x)
{
    answer_json(x, 200, json_pack("{s:b}", "live", true));
}

void handle_inference_ready(exchange *x)
{
    bool ready = server_ready(exchange_server(x));
    answer_json(x, ready ? 200 : 503, json_pack("{s:b}", "ready", ready));
}

/* ---- Models ---- */

/* The graph that a request names. */
typedef struct target {
    served *model;
    const char *call;       /* ?call=, of a job; NULL for its first */
    const sib_model *graph; /* lives as long as the model */
} target;

/* Answers 404 and returns false where there is none. catalog_release(out->model) in both cases. */
static bool find_target(exchange *x, target *out)
{
    const char *version = exchange_param(x, "version");
    *out = (target){.model = exchange_model(x), .call = exchange_query(x, "call")};
    if (!out->model)
        return false;
    out->graph = served_model(out->model, out->call);
    if (*version && strcmp(version, VERSION) != 0)
        answer_error(x, 404, NULL, "the model '%s' has the version " VERSION " alone, not '%.40s'",
                     out->model->id, version);
    else if (!out->graph)
        answer_error(x, 404, NULL, "the model '%s' has no graph%s%.80s", out->model->id,
                     out->call ? " of a call " : "", out->call ? out->call : "");
    else
        return true;
    return false;
}

static json_t *port_json(const sib_value_info *v)
{
    const char *type = wire_type_name(v->dtype);
    json_t *shape = json_array(), *datatype;
    for (size_t k = 0; v->ranked && k < v->rank; k++)
        json_array_append_new(shape, json_integer((json_int_t)v->dims[k]));
    if (!v->ranked)
        json_array_append_new(shape, json_integer(-1));
    /* what the protocol has no name for is listed under Sibyl's, and refused where it is used */
    datatype = v->kind == SIB_VALUE_TENSOR && type ? json_string(type) : text_json(v->type, MAX_NAME);
    return json_pack("{s:o, s:o, s:o}", "name", text_json(v->name, MAX_NAME), "datatype", datatype, "shape",
                     shape);
}

void handle_inference_model(exchange *x)
{
    target t;
    sib_value_info v;
    if (find_target(x, &t)) {
        json_t *inputs = json_array(), *outputs = json_array();
        for (size_t i = 0; sib_model_input(t.graph, i, &v); i++)
            json_array_append_new(inputs, port_json(&v));
        for (size_t i = 0; sib_model_output(t.graph, i, &v); i++)
            json_array_append_new(outputs, port_json(&v));
        answer_json(x, 200,
                    json_pack("{s:s, s:[s], s:s, s:o, s:o}", "name", t.model->id, "versions", VERSION,
                              "platform", "sibyl_onnx", "inputs", inputs, "outputs", outputs));
    }
    catalog_release(t.model);
}

void handle_inference_model_ready(exchange *x)
{
    target t;
    bool ready = server_ready(exchange_server(x));
    if (find_target(x, &t))
        answer_json(x, ready ? 200 : 503, json_pack("{s:s, s:b}", "name", t.model->id, "ready", ready));
    catalog_release(t.model);
}

/* ---- The answer ---- */

/* An answer that is written. */
typedef struct writer {
    const exchange *x;
    const inference_form *form;
    sib_tensor **tensors; /* (form->n_outputs) dense */
    size_t max;           /* bytes of all outputs */
    buffer json, bytes;
} writer;

/* Takes value. */
static void add_json(buffer *b, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (!text || !buffer_add_text(b, text))
        b->failed = true;
    free(text);
    json_decref(value);
}

static sib_code write_output(writer *w, size_t i, sib_error *err)
{
    const char *name = w->form->outputs[i];
    const sib_tensor *t = w->tensors[i];
    size_t before = w->bytes.size;
    buffer_add_text(&w->json, i ? ",{\"name\":" : "{\"name\":");
    add_json(&w->json, text_json(name, MAX_NAME));
    buffer_format(&w->json, ",\"datatype\":\"%s\",\"shape\":[", wire_type_name(sib_tensor_dtype(t)));
    for (size_t k = 0; k < sib_tensor_rank(t); k++)
        buffer_format(&w->json, "%s%lld", k ? "," : "", (long long)sib_tensor_dims(t)[k]);
    wire_sink to = {.to = &w->json, .max = w->max, .name = name, .x = w->x, .err = err};
    sib_code code;
    if (w->form->binary[i]) {
        to.to = &w->bytes;
        code = wire_to_bytes(t, &to);
        buffer_format(&w->json, "],\"parameters\":{\"binary_data_size\":%zu}}", w->bytes.size - before);
    } else {
        buffer_add_text(&w->json, "],\"data\":");
        code = wire_to_json(t, &to);
        buffer_add_text(&w->json, "}");
    }
    if (code == SIB_OK && w->json.size + w->bytes.size > w->max)
        code = wire_too_large(name, w->max, err);
    return code;
}

static sib_code write_answer(writer *w, const served *model, sib_error *err)
{
    sib_code code = SIB_OK;
    buffer_format(&w->json, "{\"model_name\":\"%s\",\"model_version\":\"" VERSION "\",", model->id);
    if (w->form->id) {
        buffer_add_text(&w->json, "\"id\":");
        add_json(&w->json, json_string(w->form->id));
        buffer_add_text(&w->json, ",");
    }
    buffer_add_text(&w->json, "\"outputs\":[");
    for (size_t i = 0; i < w->form->n_outputs && code == SIB_OK; i++)
        code = write_output(w, i, err);
    buffer_add_text(&w->json, "]}");
    if (code == SIB_OK && (w->json.failed || w->bytes.failed))
        code = server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for this answer");
    return code;
}

static void send_answer(exchange *x, writer *w)
{
    char size[32];
    bool binary = false;
    for (size_t i = 0; i < w->form->n_outputs; i++)
        binary = binary || w->form->binary[i];
    if (binary) {
        snprintf(size, sizeof size, "%zu", w->json.size);
        answer_header(x, "Inference-Header-Content-Length", size);
        buffer_add(&w->json, w->bytes.data, w->bytes.size);
    }
    answer_buffer(x, binary ? "application/octet-stream" : "application/json", &w->json);
}

/* ---- Running ---- */

/* Bytes of a tensor once it is dense, those of its strings aside. */
static uint64_t dense_size(const sib_tensor *t)
{
    uint64_t size;
    return __builtin_mul_overflow(sib_tensor_count(t), sib_dtype_bits(sib_tensor_dtype(t)) / 8, &size)
               ? UINT64_MAX
               : size;
}

/* Makes of each output that was run a dense tensor: a view may have more elements than its memory has. */
static sib_code take_outputs(writer *w, sib_value *const *values, sib_error *err)
{
    sib_code code = SIB_OK;
    uint64_t left = w->max;
    SERVER_CHECK(values);
    for (size_t i = 0; i < w->form->n_outputs && code == SIB_OK; i++) {
        const sib_tensor *t = sib_value_tensor(values[i]);
        const char *name = w->form->outputs[i];
        code = inference_check_output(name, sib_value_get_kind(values[i]),
                                      t ? sib_tensor_dtype(t) : SIB_DTYPE_UNKNOWN, w->form->binary[i], err);
        if (code == SIB_OK && dense_size(t) > left)
            code = wire_too_large(name, w->max, err);
        if (code == SIB_OK)
            code = slice_take(t, NULL, true, left, &w->tensors[i], err);
        if (code == SIB_OK)
            left -= dense_size(t);
    }
    return code;
}

static sib_code run(exchange *x, const target *t, const inference_form *f, sib_value **values, sib_error *err)
{
    sib_session *session;
    sib_run_options o = {.cancel = exchange_cancel(x)};
    sib_code code = served_session(t->model, t->call, NULL, false, &session, err);
    return code == SIB_OK
               ? sib_session_run(session, f->n_inputs, f->inputs, f->n_outputs, f->outputs, values, &o, err)
               : code;
}

static void answer_inference(exchange *x, const target *t, const inference_form *f)
{
    sib_error err = SIB_ERROR_INIT;
    sib_code code = SIB_OK;
    sib_value **values = calloc(f->n_outputs + 1, sizeof(sib_value *));
    writer w = {.x = x,
                .form = f,
                .tensors = calloc(f->n_outputs + 1, sizeof(sib_tensor *)),
                .max = (size_t)exchange_server(x)->options.max_upload};
    if (!values || !w.tensors)
        code = server_fail(&err, SIB_ERR_MEMORY, "the server has too little memory");
    if (code == SIB_OK)
        code = run(x, t, f, values, &err);
    if (code == SIB_OK)
        code = take_outputs(&w, values, &err);
    if (code == SIB_OK)
        code = write_answer(&w, t->model, &err);
    for (size_t i = 0; i < f->n_outputs && values && w.tensors; i++) {
        sib_tensor_free(&w.tensors[i]);
        sib_value_free(&values[i]);
    }
    free(values);
    free(w.tensors);
    if (code == SIB_OK)
        send_answer(x, &w);
    else
        answer_failure(x, &err);
    buffer_free(&w.json);
    buffer_free(&w.bytes);
}

/* ---- The request ---- */

/* Bytes of the JSON that begins the body. Answers 400 and returns false where the header that tells them is wrong. */
static bool json_size(exchange *x, size_t *out)
{
    const char *text = exchange_header(x, HEADER_INFERENCE_LENGTH);
    *out = exchange_body(x)->size;
    if (!text)
        return true;
    bool good = *text && strlen(text) < 19 && strspn(text, "0123456789") == strlen(text) &&
                strtoull(text, NULL, 10) <= *out;
    if (good)
        *out = (size_t)strtoull(text, NULL, 10);
    else
        answer_error(
            x, 400, NULL,
            "the header Inference-Header-Content-Length must be the bytes of JSON in the body, which "
            "has %zu, not '%.40s'",
            *out, text);
    return good;
}

void handle_inference(exchange *x)
{
    target t;
    size_t size = 0;
    json_t *body = NULL;
    inference_form form = {0};
    sib_error err = SIB_ERROR_INIT;
    if (find_target(x, &t) && json_size(x, &size) && (body = exchange_json_head(x, size))) {
        const buffer *all = exchange_body(x);
        if (inference_form_read(t.graph, body, all->data + size, all->size - size, &form, &err) == SIB_OK)
            answer_inference(x, &t, &form);
        else
            answer_failure(x, &err);
    }
    inference_form_clear(&form);
    json_decref(body);
    catalog_release(t.model);
}
