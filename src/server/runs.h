/* Runs of graphs in the background, and the values that they kept. */
#ifndef SIB_SERVER_RUNS_H
#define SIB_SERVER_RUNS_H

#include "catalog.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

struct exchange;

#define MAX_RUNS 64 /* that are kept */

typedef enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_DONE, RUN_FAILED, RUN_CANCELLED } run_state;

typedef struct run_value {
    char *name, *node, *op_type;
    bool milli;
    size_t output; /* its place among the outputs from 1 on; 0: none of them */
    sib_value *value;
    sib_digest digest;
} run_value;

/* An input of a job, with what it points to. */
typedef struct run_port {
    sib_job_value given;
    sib_tensor *tensor; /* audio, tensor */
    void *memory;       /* tokens, numbers, texts; of malloc */
} run_port;

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

    /* Of a run of the model's job, whose inputs are these instead. */
    bool is_job;
    size_t n_ports;
    run_port *ports; /* (n_ports) names are the job's */
    json_t *request; /* in which texts stand */

    atomic_uint refs;
    atomic_bool timed_out, forgotten;
    pthread_mutex_t lock; /* of all that follows */
    run_state state;
    double started, ended; /* 0: not yet */
    sib_error error;
    size_t n_values, capacity;
    run_value *values; /* in the order in which they were there */
    size_t n_outputs;
    json_t *results; /* of a job that is done: {"name", "type", "value"} of each output; otherwise NULL */
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
/* Counts bytes of its input `name` among those that the server holds. Errors: as above. */
sib_code run_count_input(run *r, const char *name, uint64_t bytes, sib_error *err);
/* Takes room for a result among what all runs keep. In the run's thread. Errors: SIB_ERR_SIZE. */
sib_code run_take_bytes(run *r, uint64_t bytes, sib_error *err);
/* Keeps a copy of the event's value, as the next output where `output` is true. What finds no room is counted. In the run's
   thread. */
void run_keep(run *r, const sib_tap_event *e, bool output);
/* Gives the run a number and a place, for which the oldest one that has ended goes, and queues it. Errors: SIB_ERR_SIZE (as
   many as may be go on, or the queue is full). */
sib_code runs_start(runs *all, run *r, sib_error *err);
/* Held; NULL where there is none. */
run *runs_hold(runs *all, const char *id);
/* The i-th, the latest first, held; NULL past the last. */
run *runs_hold_at(runs *all, size_t i);
/* Cancels the run where it goes on, and forgets its values once nobody reads them. */
void runs_forget(runs *all, run *r);

/* The run of {run} in the path, held: run_release it. Answers 404 and returns NULL where there is none. */
run *exchange_run(struct exchange *x);

#endif
