/* Runs of graphs in the background, and the values that they kept. */
#ifndef SIB_SERVER_RUNS_H
#define SIB_SERVER_RUNS_H

#include "catalog.h"

#include <pthread.h>
#include <stdatomic.h>

#define MAX_RUNS 64 /* that are kept */

typedef enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_DONE, RUN_FAILED, RUN_CANCELLED } run_state;

typedef struct run_value {
    char *name, *node, *op_type;
    bool milli;
    sib_value *value;
    sib_digest digest;
} run_value;

/* Names, each owned. */
typedef struct run_names {
    size_t n;
    char **items;
} run_names;

typedef struct run {
    uint64_t number;
    struct server *server;
    served *model;
    sib_cancel *cancel;
    double created; /* Unix time, seconds */

    /* What it does; does not change once it is started. */
    char *call, *backends; /* NULL: the first, the server's */
    bool oracle, inside;
    sib_profile *profile;    /* NULL: none */
    run_names outputs, keep; /* keep: names or globs of values */
    size_t n_inputs;
    sib_named_value *inputs; /* (n_inputs) names are the model's, values owned */
    uint64_t input_bytes;    /* counted in the server's held_bytes while the inputs are there */

    atomic_uint refs;
    atomic_bool timed_out, forgotten;
    pthread_mutex_t lock; /* of all that follows */
    run_state state;
    double started, ended; /* 0: not yet */
    sib_error error;
    size_t n_values, capacity;
    run_value *values; /* in the order in which they were there; outputs last */
    size_t n_outputs;
    uint64_t bytes, dropped;
} run;

typedef struct runs runs;

runs *runs_create(struct server *s);
void runs_free(runs **all);
/* Cancels the runs that take longer than the server's limit, or every run. */
void runs_tick(runs *all, bool every);

/* An empty run, held by the caller: run_release. Takes a reference of the model. NULL for want of memory. */
run *run_create(struct server *s, served *model);
void run_release(run *r);
/* Takes the value as an input of a run that is not started. Errors: SIB_ERR_MEMORY (the server holds as much as it may). */
sib_code run_add_input(run *r, const char *name, sib_value *value, sib_error *err);
/* Gives the run a number and a place, for which the oldest one that has ended goes, and queues it. Errors: SIB_ERR_SIZE (as
   many as may be go on, or the queue is full). */
sib_code runs_start(runs *all, run *r, sib_error *err);
/* Held; NULL where there is none. */
run *runs_hold(runs *all, const char *id);
/* The i-th, the latest first, held; NULL past the last. */
run *runs_hold_at(runs *all, size_t i);
/* Cancels the run where it goes on, and forgets its values once nobody reads them. */
void runs_forget(runs *all, run *r);

#endif
