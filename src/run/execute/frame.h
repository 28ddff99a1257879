/* One run of a graph: the values that are there now, and what they count against the limit of memory. */
#ifndef RUN_EXECUTE_FRAME_H
#define RUN_EXECUTE_FRAME_H

#include "run/execute/instance.h"
#include "run/execute/one_node.h"
#include "run/plan/plan.h"
#include <sibyl/session.h>

#include <pthread.h>
#include <stdatomic.h>

/* What one run shares, subgraphs included. */
typedef struct run_state {
    const sib_run_options *options; /* may be NULL */
    uint64_t memory_limit, memory;  /* bytes; 0 for no limit; bytes of values that live now */
} run_state;

/* What the graphs of a session share. */
typedef struct executor_shared {
    plan_options plan;
    pthread_mutex_t
        lock;       /* of the executors' segments with their users and spare memory; nobody plans under it */
    uint64_t clock; /* counts takings of segments */
    uint64_t plan_bytes;   /* of all plans kept */
    uint64_t plan_limit;   /* max of those; 0: PLANS_BYTES */
    atomic_bool unsettled; /* there is spare memory that instance_settle has something to do with */
} executor_shared;

/* A graph of a session, main or inside, with the plans made for it. */
typedef struct executor {
    executor_shared *shared;
    const struct executor_set *set; /* that it is of */
    const graph *g;
    const node *chunks; /* the recurrent node that g runs some steps of; NULL for graphs of the model */
    one_node *own;      /* g's memory, of `chunks`; else NULL */
    graph_uses uses;
    segment **segments; /* (n_segments) */
    size_t n_segments, capacity;
    known_nodes *known; /* what planning found of nodes, once there was a second plan; or NULL */
    _Atomic(sib_value *)
        *constants;              /* (g->n_values) of constants, made when one is first wanted as a value */
    _Atomic(void *) spare_frame; /* memory of a frame that no run uses, all cleared; NULL: none */
} executor;

/* A main graph and those inside it. */
typedef struct executor_set {
    size_t n;
    executor *items; /* (n): the main graph first */
} executor_set;

/* The executor of a graph of the set. */
executor *executor_of(const executor_set *set, const graph *g);

/* The executor of chunks of a recurrent node. */
executor *executor_of_chunks(const executor_set *set, const node *n);

/* Runs a graph: execute_graph, for files below execute.c. */
typedef sib_code execute_fn(executor *ex, run_state *run, const char *path, const sib_value *const *in,
                            const sib_value *const *captured, sib_value **out, sib_error *err);

typedef struct frame {
    executor *ex;
    run_state *run;
    execute_fn *execute; /* runs the graphs inside a node */
    sib_value **live;    /* (g->n_values) owned */
    uint64_t
        *charged; /* (g->n_values) bytes counted for live values that have memory of their own; behind live */
    const char *path; /* before names of values in taps: "" or "loop[4]/" */
} frame;

/* Memory for the values of f, whose other fields are set: that of an earlier run where there is one. Errors: SIB_ERR_MEMORY. */
sib_code frame_open(frame *f, sib_error *err);
/* Frees the values and keeps the memory for the next run. */
void frame_close(frame *f);
/* The value of the frame's graph, that of its constant where that is what there is; borrowed. */
sib_code frame_value(const frame *f, value_id v, const sib_value **out, sib_error *err);
/* Puts a value in its place, taking it over. */
void frame_set(frame *f, value_id v, sib_value *made);
/* Frees the value where there is one. */
void frame_drop(frame *f, value_id v);

/* A value's record beside its elements, which counts where there are many. */
#define RUN_ITEM_BYTES 128
/* Bytes that the elements of v take, and its items' records. */
uint64_t run_bytes(const sib_value *v);
/* Counts `bytes` more of values that stay for a while. Errors: SIB_ERR_MEMORY (the limit); they are counted all the
   same. */
sib_code run_charge(run_state *run, uint64_t bytes, const char *what, sib_error *err);

#endif
