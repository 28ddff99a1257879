/* A run of a graph or a job, and the values that it kept. */
#ifndef SIB_SERVER_RUN_H
#define SIB_SERVER_RUN_H

#include "server/models/catalog.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

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
    const struct exchange *by; /* who waits for it, and ends it by going; NULL: nobody */
    double started, ended;     /* 0: not yet */
    sib_error error;
    size_t n_values, capacity;
    run_value *values; /* in the order in which they were there */
    size_t n_outputs;
    json_t *results; /* of a job that is done: {"name", "type", "value"} of each output; otherwise NULL */
    uint64_t bytes, dropped;
} run;

/* An empty run, held by the caller: run_release. Takes a reference of the model. NULL for want of memory. */
run *run_create(struct server *s, served *model);
void run_release(run *r);
/* Another with the same inputs, not started, but for the backends and the oracle. NULL for want of memory. */
run *run_like(const run *r, const char *backends, bool oracle);
/* r may be NULL, which it returns then. */
run *run_hold(run *r);
/* Gives up its inputs. In the run's thread, or before it is started. */
void run_free_inputs(run *r);
/* Takes the value as an input of a run that is not started. Errors: SIB_ERR_MEMORY (the server holds as much as it may). */
sib_code run_add_input(run *r, const char *name, sib_value *value, sib_error *err);
/* Counts bytes of its input `name` among those that the server holds. Errors: as above. */
sib_code run_count_input(run *r, const char *name, uint64_t bytes, sib_error *err);
/* Takes room for a result among what all runs keep. In the run's thread. Errors: SIB_ERR_SIZE. */
sib_code run_take_bytes(run *r, uint64_t bytes, sib_error *err);
/* Keeps a copy of the event's value, as the next output where `output` is true. What finds no room is counted. In the run's
   thread. */
void run_keep(run *r, const sib_tap_event *e, bool output);
/* Takes room for a profile, as much as there is, and returns it; the second gives back what was not used. In the run's
   thread. */
uint64_t run_begin_profile(run *r);
void run_end_profile(run *r, uint64_t taken);
/* Unix time, seconds. */
double run_clock(void);

#endif
