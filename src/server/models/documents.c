#include "server/models/documents.h"

#include "server/http/state.h"

#include <stdio.h>
#include <string.h>

/* The model that `file` names, held, and in *inner what stands behind "ID/", NULL: nothing does. */
static served *find_served(catalog *m, const char *file, const char **inner, sib_error *err)
{
    char id[128];
    const char *slash = strchr(file, '/');
    size_t n = slash ? (size_t)(slash - file) : strlen(file);
    *inner = slash ? slash + 1 : NULL;
    snprintf(id, sizeof id, "%.*s", n < sizeof id ? (int)n : 0, file);
    served *v = catalog_hold(m, id);
    if (!v)
        server_fail(err, SIB_ERR_ARGUMENT, "there is no model '%.100s' that is open", file);
    return v;
}

/* Whether what has this name is meant: one that is named, or the first. */
static bool is_meant(const char *inner, const char *name)
{
    return !inner || !strcmp(inner, name);
}

static sib_code give_model(void *context, const char *file, sib_model **out, sib_error *err)
{
    const char *inner, *name;
    served *v = find_served(context, file, &inner, err);
    sib_model *m = v && !v->job && !inner ? v->model : NULL, *of_job;
    for (size_t i = 0; v && v->job && !m && (of_job = sib_job_model(v->job, i, &name)); i++)
        m = is_meant(inner, name) ? of_job : NULL;
    sib_code code = SIB_OK;
    if (m)
        *out = sib_model_keep(m);
    else
        code = server_fail(err, SIB_ERR_ARGUMENT, "the model '%.100s' has no graph of this name", file);
    catalog_release(v);
    return code;
}

static sib_code give_tokenizer(void *context, const char *file, sib_tokenizer **out, sib_error *err)
{
    const char *inner, *name;
    served *v = find_served(context, file, &inner, err);
    const sib_tokenizer *t = NULL;
    for (size_t i = 0; v && v->job && !t && (name = sib_job_tokenizer_name(v->job, i)); i++)
        t = is_meant(inner, name) ? sib_job_tokenizer(v->job, i) : NULL;
    sib_code code = SIB_OK;
    if (t)
        *out = sib_tokenizer_keep(t);
    else
        code = server_fail(err, SIB_ERR_ARGUMENT, "the model '%.100s' has no tokenizer of this name", file);
    catalog_release(v);
    return code;
}

sib_code document_open(catalog *m, const sib_server_options *o, const char *text, size_t size,
                       sib_job_fault *fault, sib_job **out, sib_error *err)
{
    const sib_job_resolver from = {m, give_model, give_tokenizer};
    const sib_job_options options = {.backends = o->backends, .threads = o->threads};
    return sib_job_open_from(text, size, &from, &options, fault, out, err);
}

/* ---- As JSON ---- */

/* Has member `key` name what stands under `name` in the job of the model `id`. */
static void put_name(json_t *around, const char *key, const char *id, const char *name)
{
    if (json_object_get(around, key))
        json_object_set_new(around, key, json_sprintf("%s/%s", id, name));
}

json_t *document_json(const served *v)
{
    json_t *document = json_loads(sib_job_document(v->job), 0, NULL), *item;
    json_t *models = json_object_get(document, "models"), *chat = json_object_get(document, "chat");
    const char *name, *file = json_string_value(json_object_get(chat, "file"));
    json_object_foreach(models, name, item)
    {
        put_name(models, name, v->id, name);
    }
    json_object_foreach(json_object_get(document, "tokenizers"), name, item)
    {
        put_name(item, "file", v->id, name);
    }
    if (file) /* its folder is the server's own */
        json_object_set_new(chat, "file", json_string(server_base_name(file)));
    return document;
}
