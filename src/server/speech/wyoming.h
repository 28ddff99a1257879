/* The Wyoming protocol, which Home Assistant speaks, on sockets of its own in the event loop. */
#ifndef SIB_SERVER_WYOMING_H
#define SIB_SERVER_WYOMING_H

#include "server/http/listener_inner.h"

/* As loop_calls.raw. */
int wyoming_callback(listener *l, struct lws *wsi, enum lws_callback_reasons reason, connection *c, void *in,
                     size_t size);

#endif
