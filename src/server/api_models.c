/* /api/models: what is open, opening and closing. */
#include "server_inner.h"

#include <stdlib.h>
#include <string.h>

/* MODEL of the API, or NULL where memory fails. */
static json_t *describe(served *v)
{
    const sib_model *m = served_model(v, NULL);
    sib_model_info info = {0};
    if (m)
        sib_model_get_info(m, &info);
    return json_pack("{s:s, s:s, s:I, s:s, s:b, s:I, s:I, s:I, s:I, s:I}", "id", v->id, "file", v->file,
                     "bytes", (json_int_t)v->bytes, "kind", v->kind, "job", v->job != NULL, "n_nodes",
                     (json_int_t)info.n_nodes, "n_graphs", (json_int_t)(m ? sib_model_graphs(m) : 0),
                     "parameters", (json_int_t)info.parameters, "parameter_bytes",
                     (json_int_t)info.parameter_bytes, "opened", (json_int_t)v->opened);
}

void handle_models(exchange *x)
{
    json_t *list = json_array();
    served *v;
    for (size_t i = 0; (v = catalog_hold_at(exchange_server(x)->catalog, i)); i++) {
        json_array_append_new(list, describe(v));
        catalog_release(v);
    }
    answer_json(x, 200, json_pack("{s:o}", "models", list));
}

static json_t *describe_value(const sib_value_info *v)
{
    json_t *dims = json_array();
    for (size_t i = 0; v->ranked && i < v->rank; i++)
        json_array_append_new(dims, v->dims[i] >= 0   ? json_integer((json_int_t)v->dims[i])
                                    : v->dim_names[i] ? json_string(v->dim_names[i])
                                                      : json_null());
    return json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", v->name, "type", v->type, "dtype",
                     sib_dtype_name(v->dtype), "ranked", v->ranked, "dims", dims);
}

static json_t *describe_values(const sib_model *m,
                               bool (*get)(const sib_model *m, size_t i, sib_value_info *out))
{
    json_t *list = json_array();
    sib_value_info info;
    for (size_t i = 0; m && get(m, i, &info); i++)
        json_array_append_new(list, describe_value(&info));
    return list;
}

static json_t *describe_ports(const sib_job *j, bool (*get)(const sib_job *j, size_t i, sib_job_port *out))
{
    json_t *list = json_array();
    sib_job_port p;
    for (size_t i = 0; j && get(j, i, &p); i++)
        json_array_append_new(list, json_pack("{s:s, s:s?, s:s, s:b}", "name", p.name, "doc", p.doc, "type",
                                              sib_port_type_name(p.type), "optional", p.optional));
    return list;
}

void handle_model(exchange *x)
{
    served *v = exchange_model(x);
    if (!v)
        return;
    const sib_model *m = served_model(v, NULL);
    json_t *all = describe(v), *diagnostics = json_array();
    const char *line;
    for (size_t i = 0; m && (line = sib_model_diagnostic(m, i)); i++)
        json_array_append_new(diagnostics, json_string(line));
    json_t *more =
        json_pack("{s:o, s:o, s:o, s:{s:o, s:o}}", "inputs", describe_values(m, sib_model_input), "outputs",
                  describe_values(m, sib_model_output), "diagnostics", diagnostics, "ports", "inputs",
                  describe_ports(v->job, sib_job_input), "outputs", describe_ports(v->job, sib_job_output));
    if (all && more)
        json_object_update(all, more);
    json_decref(more);
    answer_json(x, 200, all);
    catalog_release(v);
}

static void answer_opened(exchange *x, sib_code code, served *v, const sib_error *err)
{
    if (code == SIB_OK)
        answer_json(x, 201, describe(v));
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
    if (!loader || strcmp(loader, "file") != 0)
        answer_error(x, 400, "loader",
                     "the loader must be 'file', or send the model as the part 'file' of a form");
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
