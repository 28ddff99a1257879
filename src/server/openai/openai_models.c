/* The models, as OpenAI's API lists them. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/models/exchange_model.h"

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
