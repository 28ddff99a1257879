/* The event loop: sockets, HTTP and WebSocket by libwebsockets, which stops here. */
#ifndef SIB_SERVER_LISTENER_H
#define SIB_SERVER_LISTENER_H

#include <sibyl/base.h>

struct server;
struct loop_calls;
typedef struct listener listener;

/* calls: kept, not copied. */
sib_code listener_create(struct server *s, const struct loop_calls *calls, listener **out, sib_error *err);
/* Runs until the server stops. */
sib_code listener_run(listener *l, sib_error *err);
/* Cancels every request under way. After listener_run. */
void listener_cancel(listener *l);
void listener_free(listener **l);

#endif
