/* What can have something to send: exchanges and peers. Threads mark an outlet, the loop then asks its socket to be
   called back when it can be written to. */
#ifndef SIB_SERVER_OUTLET_H
#define SIB_SERVER_OUTLET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct lws;
struct lws_context;

typedef struct outlet {
    struct lws *wsi; /* of the loop alone; NULL once the connection has gone */
    struct outlet *next;
    bool marked;
    atomic_uint refs;
    void (*destroy)(struct outlet *o); /* with the last reference */
} outlet;

typedef struct outlets {
    pthread_mutex_t lock;
    outlet *first, *last; /* marked, each held */
    struct lws_context *context;
} outlets;

outlet *outlet_hold(outlet *o);
void outlet_release(outlet *o);
/* Thread-safe. */
void outlet_mark(outlets *list, outlet *o);
/* In the loop: asks for a callback of each marked outlet that still has a connection. */
void outlets_flush(outlets *list);
/* Forgets those that are marked. After the loop, with its connections. */
void outlets_clear(outlets *list);

#endif
