/* Shared by the files of live runs. */
#ifndef SIB_SERVER_LIVE_INNER_H
#define SIB_SERVER_LIVE_INNER_H

#include "server/http/buffer.h"
#include "server/http/mailbox.h"
#include "server/runs/live.h"
#include "server/runs/live_places.h"

#include <jansson.h>

#define MAX_LIVE_NAMES         64   /* of a subscription */
#define MAX_LIVE_NAME          256  /* bytes of a name or glob */
#define MAX_LIVE_SUBSCRIPTIONS 64   /* of a connection */
#define MAX_LIVE_ALL           1024 /* of all connections */
#define MAX_LIVE_TOLD          ((size_t)1 << 20)

typedef enum live_what { LIVE_DIGEST, LIVE_VALUE } live_what;

struct follower;

/* What a connection wants to see. Does not change, but for what says so. */
typedef struct subscription {
    atomic_uint refs;
    atomic_bool ended;
    peer *peer;         /* held */
    uint64_t id;        /* the client's */
    uint64_t run;       /* 0: any */
    char *model, *call; /* NULL: any */
    size_t n_names;
    char **names; /* (n_names) names or globs of values; none: the run's state and progress alone */
    bool inside, optimised;
    bool events;      /* wants to know what took time */
    bool values_only; /* does not want what jobs tell: tokens, text, segments */
    live_what what;
    char *slice;     /* NULL: the entire value */
    double share;    /* 0: every run */
    double interval; /* seconds between two messages of a value in iterations */
    atomic_ullong sent;
    double debt;         /* seconds of runs that are not looked at; under the lock of all */
    struct follower *by; /* while it is listed */
    struct subscription *next;
} subscription;

/* A connection. Under the lock of all. */
typedef struct follower {
    peer *peer;
    bool runs;              /* wants the states of all runs */
    bool models;            /* wants to know of models that are being opened */
    bool marked;            /* see live_mark */
    size_t n;               /* subscriptions */
    uint64_t loss_sent;     /* sib_time_ns of the last count of losses */
    uint64_t openings_sent; /* their version in the last message of models */
    struct follower *next;
} follower;

struct live {
    struct server *server;
    pthread_mutex_t lock;    /* of all below; locks of runs, peers and sessions are taken inside it */
    atomic_uint n_followers; /* changes under the lock */
    follower *followers;
    size_t n_subscriptions;
    subscription *subscriptions;
    live_run *runs;
    uint64_t openings_at; /* sib_time_ns of the last message of them */
};

#define LIVE_SENT 256 /* values whose last message is remembered */

/* A session that a run uses: that of its graph, or of a call of its job. */
typedef struct live_session {
    live_run *of;
    sib_session *session;
    const char *call;   /* of the job; NULL: of a graph */
    sib_watch *control; /* sees events; NULL until somebody follows. Under the lock of all */
} live_session;

/* A subscription's watch of a session. */
typedef struct watched {
    live_session *at;
    subscription *subscription; /* held */
    sib_watch *watch;
    uint64_t spent; /* nanoseconds in its callbacks */
    struct {
        uint64_t hash, at; /* of the name without iterations; sib_time_ns */
    } sent[LIVE_SENT];     /* where the subscription has an interval: the place of a value is its hash */
    struct watched *next;
} watched;

struct live_run {
    live *all;
    run *run;
    size_t n_sessions;
    live_session *sessions; /* (n_sessions) */
    pthread_t thread;       /* that of the run: watches also see other runs of the session */
    uint64_t began;
    atomic_bool changed;      /* subscriptions have come or gone */
    atomic_bool wants_events; /* one of them has */
    live_run *next;

    /* Of the run's thread alone. */
    watched *watched;
    live_places places;
    const sib_value *digested; /* what `digest` is of */
    uint64_t digested_at;
    sib_digest digest;

    /* What a job has told, for subscribers who come later. Under the lock of all. */
    uint64_t n_told;
    size_t told_bytes;
    json_t *told; /* the messages as texts, until they have MAX_LIVE_TOLD bytes; NULL: none yet */

    pthread_mutex_t lock; /* of what follows */
    const char *tier;     /* static: in what it progresses */
    double done, total;   /* of nodes, the place of the one that runs, and how many there are */
    char node[256], op_type[64];
    bool moved;
    uint64_t progress_sent; /* sib_time_ns */
    buffer events;          /* as texts of JSON, with commas, since they were sent last */
    uint64_t n_lost;        /* of them, that found no room */
};

/* ---- live.c ---- */

follower *live_follow(live *all, peer *p);
/* Ends its subscriptions too. */
void live_unfollow(live *all, follower **f);
/* From now on and, in order, for each run there is, its state. Returns false where it does so already. */
bool live_follow_runs(live *all, follower *f);
/* The same of models that are being opened, all of them in each message. */
bool live_follow_models(live *all, follower *f);
/* Takes the caller's reference. Errors: SIB_ERR_ARGUMENT (the id is in use), SIB_ERR_SIZE (too many). */
sib_code live_subscribe(live *all, follower *f, subscription *s, sib_error *err);
/* Returns false where there is no subscription of this id. */
bool live_unsubscribe(live *all, follower *f, uint64_t id);

/* ---- live_subscription.c ---- */

subscription *subscription_hold(subscription *s);
void subscription_release(subscription *s);
bool subscription_matches(const subscription *s, const run *r);
/* Marks those who follow the run, with those who follow all runs, or its subscribers alone; returns whether there are any.
   The caller holds the lock, also of the next. */
bool live_mark(live *all, const run *r, bool all_runs);
/* The same of those who subscribe to events. */
bool live_mark_events(live *all, const run *r);
/* Tells those who are marked, and frees the text, which may be NULL. */
void live_tell_marked(live *all, peer_class class, char *text);

/* ---- live_events.c ---- */

/* In the run's thread: notes the end of a span for those who want events. */
void live_note_event(live_session *at, const sib_time_span *span);
/* Tells them what was noted, as one message. The caller holds the lock of all. */
void live_tell_events(live_run *l);

/* ---- live_answer.c ---- */

/* Takes the message. Thread-safe while the peer is held. */
void live_answer(peer *p, json_t *message);
/* id: NULL where the message has none. */
void live_refuse(peer *p, const json_t *id, const char *why);

/* ---- live_listen.c ---- */

/* What follows the connection's messages of speech, and its binary ones. NULL: memory failed. */
mailbox *live_listen_create(peer *p);

/* ---- live_run.c, under the lock of all ---- */

/* Has the run look at the subscriptions again. */
void live_run_change(live_run *l);
/* The progress as a message, where it is time for one; else NULL. */
json_t *live_run_progress(live_run *l, uint64_t now);

#endif
