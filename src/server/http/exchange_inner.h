/* What the event loop sees of an exchange. */
#ifndef SIB_SERVER_EXCHANGE_INNER_H
#define SIB_SERVER_EXCHANGE_INNER_H

#include "server/http/chunked.h"
#include "server/http/exchange.h"
#include "server/http/outlet.h"

#include <pthread.h>
#include <stdatomic.h>

#define MAX_PARAMS  4
#define MAX_PARTS   64
#define MAX_QUERIES 32

typedef struct field {
    char *name, *value;
} field;

struct exchange {
    outlet out; /* first: its place in the list of what has something to send */
    struct server *server;
    uint64_t id, began; /* sib_time_ns */

    /* The request, which does not change once it is complete. */
    char *method, *path;
    const route *route;
    char *params[MAX_PARAMS]; /* in the order of the route's braces */
    field queries[MAX_QUERIES];
    size_t n_queries;
    char *headers[N_HEADERS];
    buffer body;
    part parts[MAX_PARTS];
    size_t n_parts;
    bool head;          /* HEAD: the body is not sent */
    bool http2;         /* no chunks */
    uint64_t held;      /* bytes counted in the server's total of bodies */
    uint64_t body_size; /* that the client has announced */
    uint64_t granted;   /* bytes of it that a client of HTTP/2 may send, or has sent */

    sib_cancel *cancel;
    atomic_bool cancelled, timed_out;

    /* The answer, under `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t sent; /* the loop has taken bytes, or the client has gone */
    unsigned status;
    char *type;
    buffer header_lines; /* "Name: value\n" */
    bool begun, ended, streaming, gone;
    buffer pending;   /* bytes for the loop */
    size_t written;   /* of pending, by the loop */
    const char *rest; /* bytes of somebody else's that follow, until released */
    size_t rest_size;
    sib_release release;
    void *release_context;
    uint64_t n_bytes; /* of the body, for the log */

    /* Of the loop alone. */
    bool dispatched, headers_sent, close_after;
    bool in_chunks; /* the body, which reader takes apart */
    chunked reader;
    struct exchange *previous, *next; /* all exchanges of the server */
};

exchange *exchange_create(struct server *s);
exchange *exchange_hold(exchange *x);
void exchange_release(exchange *x);
/* The client has gone, or the time is over: writers fail from now on. Thread-safe. */
void exchange_cancel_set(exchange *x);
/* Replaces a string of the exchange by a copy of (size) bytes. Returns false where memory fails. */
bool exchange_set(char **text, const char *from, size_t size);
/* An error in OpenAI's form; param may be NULL. Takes message. */
json_t *error_json(unsigned status, const char *param, json_t *message);

#endif
