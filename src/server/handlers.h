/* What answers clients: listed in calls.c, defined in the rooms. */
#ifndef SIB_SERVER_HANDLERS_H
#define SIB_SERVER_HANDLERS_H

#include "server/http/exchange.h"
#include "server/http/peer.h"

/* The handlers of the routes: each answers its exchange. */
#define ROUTE(method, path, handle, lane, open) void handle(exchange *x);
#include "server/routes.def"
#undef ROUTE

extern const peer_kind live_peers;     /* /api/ws */
extern const peer_kind realtime_peers; /* /v1/realtime */

extern const struct loop_calls server_calls;

#endif
