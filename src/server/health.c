/* Whether the server lives, and whether it takes work. */
#include "server_inner.h"

void handle_health(exchange *x)
{
    answer_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

bool server_ready(struct server *s)
{
    unsigned waiting, running;
    work_load(s->work, LANE_WRITE, &waiting, &running);
    return !atomic_load(&s->stopping) && waiting < s->options.queue;
}

void handle_ready(exchange *x)
{
    struct server *s = exchange_server(x);
    unsigned waiting, running;
    work_load(s->work, LANE_WRITE, &waiting, &running);
    bool ready = server_ready(s);
    answer_json(x, ready ? 200 : 503,
                json_pack("{s:b, s:i, s:i, s:i}", "ready", ready, "models", (int)catalog_count(s->catalog),
                          "waiting", (int)waiting, "running", (int)running));
}
