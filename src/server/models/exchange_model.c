#include "server/models/exchange_model.h"

#include "server/http/state.h"

served *exchange_model(exchange *x)
{
    const char *id = exchange_param(x, "id");
    served *v = catalog_hold(exchange_server(x)->catalog, id);
    if (!v)
        answer_error(x, 404, "model", "there is no model '%.80s'; /api/models lists those that are open", id);
    return v;
}

served *exchange_model_of(exchange *x, const char *id, const char *kind, const char *does, const char *alias)
{
    sib_error err = SIB_ERROR_INIT;
    served *v = catalog_find(exchange_server(x)->catalog, id, kind, does, alias, &err);
    if (!v)
        answer_error(x, err.code == SIB_ERR_ARGUMENT ? 404 : 400, "model", "%s", err.message);
    return v;
}
