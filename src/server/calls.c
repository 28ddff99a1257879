/* What the event loop calls of the rooms. */
#include "server/handlers.h"
#include "server/http/listener_inner.h"
#include "server/http/state.h"
#include "server/runs/live.h"
#include "server/runs/runs.h"
#include "server/speech/wyoming.h"

static const route rows[] = {
#define ROUTE(method, path, handle, lane, open) {method, path, handle, lane, open},
#include "server/routes.def"
#undef ROUTE
};

static const route_table routes = {rows, sizeof rows / sizeof *rows};

static const peer_kind *const peers[] = {&live_peers, &realtime_peers, NULL};

static void tick(struct server *s)
{
    runs_tick(s->runs, false);
    live_tick(s->live);
}

static void cancel(struct server *s)
{
    runs_tick(s->runs, true);
}

const loop_calls server_calls = {&routes, peers, wyoming_callback, tick, cancel};
