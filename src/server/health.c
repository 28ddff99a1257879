/* Whether the server lives, and whether it takes work. */
#include "server/handlers.h"
#include "server/http/state.h"

void handle_health(exchange *x)
{
    answer_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

void handle_ready(exchange *x)
{
    struct server *s = exchange_server(x);
    unsigned waiting, running;
    work_load(s->work, &waiting, &running);
    bool ready = server_ready(s);
    answer_json(x, ready ? 200 : 503,
                json_pack("{s:b, s:i, s:i, s:i}", "ready", ready, "models", (int)atomic_load(&s->n_models),
                          "waiting", (int)waiting, "running", (int)running));
}
