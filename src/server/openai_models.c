/* The models, as OpenAI's API lists them. */
#include "openai.h"

#include <string.h>

static json_t *describe(const served *v)
{
    return json_pack("{s:s, s:s, s:I, s:s}", "id", v->id, "object", "model", "created", (json_int_t)v->opened,
                     "owned_by", "sibyl");
}

void handle_openai_models(exchange *x)
{
    json_t *list = json_array();
    served *v;
    for (size_t i = 0; (v = catalog_hold_at(exchange_server(x)->catalog, i)); i++) {
        if (v->job)
            json_array_append_new(list, describe(v));
        catalog_release(v);
    }
    answer_json(x, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

void handle_openai_model(exchange *x)
{
    served *v = exchange_model(x);
    if (v)
        answer_json(x, 200, describe(v));
    catalog_release(v);
}

served *openai_find(struct server *s, const char *id, const char *kind, const char *does, const char *alias,
                    sib_error *err)
{
    served *v = id ? catalog_hold(s->catalog, id) : NULL;
    if (!v && (!id || (alias && !strcmp(id, alias))))
        v = catalog_hold_kind(s->catalog, kind);
    if (!v)
        server_fail(err, SIB_ERR_ARGUMENT,
                    "there is no model '%.80s' that %s; /v1/models lists those that are open", id ? id : "",
                    does);
    else if (strcmp(v->kind, kind) != 0) {
        server_fail(err, SIB_ERR_UNSUPPORTED, "the model '%.80s' is of the kind '%s': none that %s", v->id,
                    v->kind, does);
        catalog_release(v);
        v = NULL;
    }
    return v;
}

served *openai_model(exchange *x, const char *id, const char *kind, const char *does, const char *alias)
{
    sib_error err = SIB_ERROR_INIT;
    served *v = openai_find(exchange_server(x), id, kind, does, alias, &err);
    if (!v)
        answer_error(x, err.code == SIB_ERR_ARGUMENT ? 404 : 400, "model", "%s", err.message);
    return v;
}
