/* /api/models: what is open, opening and closing. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/models/describe.h"
#include "server/models/exchange_model.h"
#include "server/models/model_files.h"
#include "server/models/open_checkpoint.h"

#include <stdlib.h>
#include <string.h>

/* How a model generates texts; null where it generates none. */
static json_t *batch_json(const served *v)
{
    sib_batch_info info = {.max_sequences = 1};
    if (v->batch)
        sib_batch_get_info(v->batch, &info);
    return v->batch || v->alone
               ? json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s?}", "max_sequences",
                           (json_int_t)info.max_sequences, "steps", (json_int_t)info.steps, "tokens",
                           (json_int_t)info.tokens, "largest", (json_int_t)info.largest, "kept",
                           (json_int_t)info.kept, "kept_bytes", (json_int_t)info.kept_bytes, "reused",
                           (json_int_t)info.reused, "alone", v->alone)
               : json_null();
}

json_t *model_json(served *v)
{
    const sib_model *m = served_model(v, NULL);
    sib_model_info info = {0};
    if (m)
        sib_model_get_info(m, &info);
    return json_pack("{s:s, s:s, s:o, s:s?, s:I, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "id", v->id,
                     "name", v->id, "file", text_json(v->file, MAX_NAME), "hash", file_hash_known(v->hash),
                     "bytes", (json_int_t)v->bytes, "kind", v->kind, "job", v->job != NULL, "n_nodes",
                     (json_int_t)info.n_nodes, "n_graphs", (json_int_t)(m ? sib_model_graphs(m) : 0),
                     "parameters", (json_int_t)info.parameters, "parameter_bytes",
                     (json_int_t)info.parameter_bytes, "opened", (json_int_t)v->opened, "batch",
                     batch_json(v));
}

void handle_models(exchange *x)
{
    struct server *s = exchange_server(x);
    json_t *list = json_array();
    served *v;
    for (size_t i = 0; (v = catalog_hold_at(s->catalog, i)); i++) {
        json_array_append_new(list, model_json(v));
        catalog_release(v);
    }
    answer_json(x, 200, json_pack("{s:o, s:o}", "models", list, "available", model_files(s->options.models)));
}

/* ---- Ways of opening ---- */

void handle_loaders(exchange *x)
{
    json_t *list = json_array();
    if (exchange_server(x)->options.models) {
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s, s:b}]}", "id", "file",
                                        "label", "File on the server", "doc",
                                        "A model or a job below the server's folder of models.", "fields",
                                        "name", "file", "label", "File", "doc", "Its path below that folder.",
                                        "type", "file", "required", true));
        json_array_append_new(list, open_checkpoint_loader());
    }
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s, s:b}]}", "id", "upload", "label",
                        "File of this computer", "doc", "An ONNX model whose weights are in the file itself.",
                        "fields", "name", "file", "label", "File", "doc",
                        "A file whose name ends with .onnx.", "type", "upload", "required", true));
    answer_json(x, 200, json_pack("{s:o}", "loaders", list));
}

/* ---- One model in full ---- */

/* Names of dims of the inputs, each once. */
static json_t *describe_symbols(const sib_model *m)
{
    json_t *list = json_array(), *seen = json_object();
    sib_value_info v;
    for (size_t i = 0; sib_model_input(m, i, &v); i++)
        for (size_t k = 0; v.ranked && k < v.rank; k++) {
            json_t *name = v.dims[k] < 0 && v.dim_names[k] ? text_json(v.dim_names[k], MAX_NAME) : NULL;
            if (name && !json_object_get(seen, json_string_value(name))) {
                json_object_set_new(seen, json_string_value(name), json_true());
                json_array_append(list, name);
            }
            json_decref(name);
        }
    json_decref(seen);
    return list;
}

static json_t *describe_opsets(const sib_model *m)
{
    json_t *list = json_array();
    const char *domain;
    int64_t version;
    for (size_t i = 0; sib_model_opset(m, i, &domain, &version); i++)
        json_array_append_new(list, json_pack("{s:o, s:I}", "domain", text_json(domain, MAX_NAME), "version",
                                              (json_int_t)version));
    return list;
}

static json_t *describe_metadata(const sib_model *m)
{
    json_t *object = json_object();
    const char *key, *value;
    for (size_t i = 0; sib_model_metadata(m, i, &key, &value); i++) {
        json_t *name = text_json(key, MAX_NAME);
        if (name)
            json_object_set_new(object, json_string_value(name), text_json(value, MAX_DOC));
        json_decref(name);
    }
    return object;
}

/* What a model's file says; NULL where memory fails. */
static json_t *describe_file(const sib_model *m)
{
    sib_model_info i;
    described d = {0};
    json_t *diagnostics = json_array(), *file = NULL;
    const char *line;
    sib_model_get_info(m, &i);
    for (size_t k = 0; (line = sib_model_diagnostic(m, k)); k++)
        json_array_append_new(diagnostics, text_json(line, MAX_DOC));
    if (described_make(sib_model_graph(m, 0), &d))
        file = json_pack(
            "{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:O, s:o, s:o, s:o}", "graph_name",
            text_json(i.graph_name, MAX_NAME), "doc", text_json(i.doc, MAX_DOC), "producer_name",
            text_json(i.producer_name, MAX_NAME), "producer_version", text_json(i.producer_version, MAX_NAME),
            "domain", text_json(i.domain, MAX_NAME), "ir_version", (json_int_t)i.ir_version, "model_version",
            (json_int_t)i.model_version, "opsets", describe_opsets(m), "metadata", describe_metadata(m),
            "diagnostics", diagnostics, "inputs", describe_values(&d, d.info.inputs, d.info.n_inputs),
            "outputs", describe_values(&d, d.info.outputs, d.info.n_outputs), "symbols", describe_symbols(m));
    described_clear(&d);
    json_decref(diagnostics);
    return file;
}

static json_t *describe_backends(void)
{
    json_t *list = json_array();
    const char *name;
    for (size_t i = 0; (name = sib_backend_name(i)); i++)
        json_array_append_new(list, json_string(name));
    return list;
}

static json_t *describe_calls(const sib_job *j)
{
    json_t *list = json_array();
    const char *call;
    for (size_t i = 0; j && sib_job_session(j, i, &call); i++)
        json_array_append_new(list, json_string(call));
    return list;
}

void handle_model(exchange *x)
{
    served *v = exchange_model(x);
    if (!v)
        return;
    const sib_model *m = served_model(v, NULL);
    json_t *all = model_json(v), *file = m ? describe_file(m) : json_object(),
           *more = json_pack("{s:o, s:o, s:{s:o, s:o}}", "backends", describe_backends(), "calls",
                             describe_calls(v->job), "ports", "inputs", describe_ports(v->job, sib_job_input),
                             "outputs", describe_ports(v->job, sib_job_output));
    if (!all || !file || !more || json_object_update(all, file) || json_object_update(all, more)) {
        json_decref(all);
        all = NULL;
    }
    json_decref(file);
    json_decref(more);
    answer_json(x, 200, all);
    catalog_release(v);
}

void handle_model_hash(exchange *x)
{
    sib_error err = SIB_ERROR_INIT;
    const char *hash;
    served *v = exchange_model(x);
    if (!v)
        return;
    sib_code code = file_hash_get(v->hash, x, &hash, &err);
    if (code == SIB_OK)
        answer_json(x, 200, json_pack("{s:s}", "hash", hash));
    else if (code == SIB_ERR_IO)
        answer_error(x, 409, "model", "%s", err.message);
    else
        answer_failure(x, &err);
    catalog_release(v);
}

/* ---- Opening and closing ---- */

static void answer_opened(exchange *x, sib_code code, served *v, const sib_error *err)
{
    if (code == SIB_OK)
        answer_json(x, 201, model_json(v));
    else
        answer_failure(x, err);
    catalog_release(v);
}

/* A multipart body with an .onnx file. */
static void open_upload(exchange *x, const part *file)
{
    sib_error err = SIB_ERROR_INIT;
    served *v = NULL;
    sib_code code =
        catalog_open_bytes(exchange_server(x)->catalog, file->file ? file->file : "model.onnx",
                           file->data.data ? file->data.data : "", file->data.size, NULL, &v, &err);
    answer_opened(x, code, v, &err);
}

void handle_model_open(exchange *x)
{
    const part *file = exchange_part(x, "file");
    if (file) {
        open_upload(x, file);
        return;
    }
    json_t *body = exchange_json(x);
    if (!body)
        return;
    const char *loader = json_string_value(json_object_get(body, "loader"));
    const char *name = json_string_value(json_object_get(json_object_get(body, "options"), "file"));
    sib_error err = SIB_ERROR_INIT;
    char *path = NULL;
    served *v = NULL;
    if (loader && !strcmp(loader, "checkpoint")) {
        sib_code code = open_checkpoint(x, json_object_get(body, "options"), &v, &err);
        answer_opened(x, code, v, &err);
    } else if (!loader || strcmp(loader, "file") != 0)
        answer_error(
            x, 400, "loader",
            "the loader must be 'file' or 'checkpoint', or send the model as the part 'file' of a form");
    else if (!name)
        answer_error(x, 400, "options", "the loader 'file' needs the option 'file', a name");
    else {
        sib_code code = catalog_resolve(exchange_server(x)->catalog, name, &path, &err);
        if (code == SIB_OK)
            code = catalog_open(exchange_server(x)->catalog, path, &v, &err);
        answer_opened(x, code, v, &err);
    }
    free(path);
    json_decref(body);
}

void handle_model_close(exchange *x)
{
    const char *id = exchange_param(x, "id");
    if (catalog_close(exchange_server(x)->catalog, id))
        answer_bytes(x, 204, "", NULL, 0);
    else
        answer_error(x, 404, "model", "there is no model '%.80s'; /api/models lists those that are open", id);
}
