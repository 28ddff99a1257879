/* What the event loop calls of the rooms. */
#include "handlers.h"
#include "listener_inner.h"
#include "live.h"
#include "runs.h"
#include "server_inner.h"
#include "wyoming.h"

static const route rows[] = {
#define ROUTE(method, path, handle, lane, open) {method, path, handle, lane, open},
#include "routes.def"
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
