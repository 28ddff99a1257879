/* The server's state, shared by its files. */
#ifndef SIB_SERVER_STATE_H
#define SIB_SERVER_STATE_H

#include "server/http/exchange.h"
#include "server/http/gate.h"
#include "server/http/mailbox.h"
#include "server/http/metrics.h"
#include "server/http/outlet.h"
#include "server/http/work.h"

#include <sibyl/server.h>

#include <stdatomic.h>

/* Ends the process where the server itself is wrong, in builds with assertions. */
#ifdef SIBYL_ASSERTIONS
#undef NDEBUG
#include <assert.h>
#define SERVER_CHECK(condition) assert(condition)
#else
#define SERVER_CHECK(condition) (void)(condition)
#endif

struct listener;

struct server {
    sib_server_options options; /* with defaults filled in; strings are owned */
    char address[300], wyoming_address[300];
    struct listener *listener;
    outlets outlets;
    work *work;
    struct catalog *catalog;
    atomic_uint n_models;    /* in the catalog */
    struct folders *folders; /* of the server's files */
    struct openings *openings;
    struct recordings *recordings;
    struct runs *runs;
    struct live *live;
    struct peaks *peaks;
    mailboxes mailboxes;
    atomic_uint n_speech_streams; /* see speech_stream.h */
    gate alone;                   /* of texts that are generated without a batch: as many as `jobs` */
    gate choices;                 /* of choices besides the first of their requests */
    metrics *metrics;
    atomic_ullong next_exchange;
    atomic_ullong held_bytes; /* of bodies */
    atomic_ullong kept_bytes; /* by runs */
    atomic_bool stopping;     /* no new work */
    uint64_t began;           /* sib_time_ns */
};

/* Whether it takes work: it is not stopping, and its queue has room. */
bool server_ready(struct server *s);

/* sib_error with a formatted message; returns its code. err may be NULL. */
__attribute__((format(printf, 3, 4))) sib_code server_fail(sib_error *err, sib_code code, const char *format,
                                                           ...);

/* The last part of a path. */
const char *server_base_name(const char *path);

#endif
