/* The Wyoming protocol, which Home Assistant speaks, on sockets of its own in the event loop. */
#ifndef SIB_SERVER_WYOMING_H
#define SIB_SERVER_WYOMING_H

#include "listener_inner.h"

#define WYOMING_PROTOCOL "wyoming" /* its name in libwebsockets' table */

int wyoming_callback(listener *l, struct lws *wsi, enum lws_callback_reasons reason, connection *c, void *in,
                     size_t size);

#endif
