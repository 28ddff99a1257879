/* Shared by the files of the event loop. */
#ifndef SIB_SERVER_LISTENER_INNER_H
#define SIB_SERVER_LISTENER_INNER_H

#include "server/http/exchange_inner.h"
#include "server/http/listener.h"
#include "server/http/peer_inner.h"
#include "server/http/route.h"

#include <libwebsockets.h>

#define RAW_PROTOCOL "raw" /* in libwebsockets' table: what loop_calls.raw serves */

/* What libwebsockets keeps for a connection. */
typedef struct connection {
    exchange *x; /* held; the request under way */
    peer *p;     /* held; of a WebSocket */
} connection;

/* What the event loop calls of the rooms above it. */
typedef struct loop_calls {
    const route_table *routes;
    const peer_kind *const *peers; /* kinds of WebSocket; ends with NULL */
    /* Connections to the sockets of other protocols than HTTP. */
    int (*raw)(listener *l, struct lws *wsi, enum lws_callback_reasons reason, connection *c, void *in,
               size_t size);
    void (*tick)(struct server *s);   /* 20 times a second */
    void (*cancel)(struct server *s); /* what goes on in the background, when the time to end is over */
} loop_calls;

struct listener {
    struct server *server;
    const loop_calls *calls;
    struct lws_context *context;
    struct lws_vhost *vhost;
    int listening, timer, wyoming; /* descriptors; wyoming -1: none */
    unsigned n_connections;
    exchange *exchanges; /* those under way, of the loop alone */
    uint64_t stop_began; /* sib_time_ns when the server began to stop; 0: it has not */
    uint64_t worked;     /* while it stops: when work last went on, or had time left */
    atomic_bool ended;
};

int http_callback(listener *l, struct lws *wsi, enum lws_callback_reasons reason, connection *c, void *in,
                  size_t size);
/* Takes a peer's connection away from it. */
void peer_drop(connection *c);
int websocket_callback(listener *l, struct lws *wsi, enum lws_callback_reasons reason, connection *c,
                       void *in, size_t size);

/* Copies a header of libwebsockets. Owned by the caller; NULL where the client did not send it. */
char *header_copy(struct lws *wsi, enum lws_token_indexes token);
/* Copies the value of ?name= of the request's address, decoded. */
char *query_copy(struct lws *wsi, const char *name);
/* Whether the request may be answered at all; else its status and *why. writes: it may change something. */
unsigned request_refused(listener *l, struct lws *wsi, bool open, bool writes, const char **why);
/* Has the client of HTTP/2 send on, behind a piece of x's body. */
void window_open(exchange *x, size_t size);
/* Cancels an exchange whose client has gone, and forgets it. */
void http_drop(listener *l, connection *c);

#endif
