/* Running graphs: segment after segment, each taken from those planned or planned now. */
#ifndef RUN_EXECUTE_EXECUTE_H
#define RUN_EXECUTE_EXECUTE_H

#include "run/execute/instance.h"
#include "run/execute/observe.h"
#include "run/plan/plan.h"

#include <pthread.h>
#include <stdatomic.h>

/* What one run shares, subgraphs included. */
typedef struct run_state {
    const sib_run_options *options; /* may be NULL */
    uint64_t memory_limit, memory;  /* bytes; 0 for no limit; bytes of values that live now */
} run_state;

/* A graph of a session, main or inside, with the plans made for it. */
typedef struct executor {
    struct sib_session *session;
    const struct executor_set *set; /* that it is of */
    const graph *g;
    graph_uses uses;
    segment **segments; /* (n_segments) */
    size_t n_segments, capacity;
    known_node **known; /* (g->n_nodes) what planning found of nodes, once there was a second plan; or NULL */
    _Atomic(sib_value *)
        *constants; /* (g->n_values) values of constants, made when one is first wanted as it is */
    _Atomic(void *) spare_frame; /* memory of a frame that no run uses, all cleared; NULL: none */
} executor;

/* A main graph and those inside it. */
typedef struct executor_set {
    size_t n;
    executor *items; /* (n): the main graph first */
} executor_set;

struct sib_session {
    sib_model *model;
    plan_options plan;
    opened_backend *backends;  /* (plan.n_backends) */
    sib_pool *pool, *own_pool; /* own_pool: NULL where it is the caller's */
    uint64_t memory_limit;
    pthread_mutex_t
        lock;       /* of the executors' segments and their users and spare memory, and of making `whole` */
    uint64_t clock; /* counts takings of segments */
    atomic_bool unsettled; /* there is spare memory that instance_settle has something to do with */
    spares *copies;        /* (outputs of the main graph) of inputs that are outputs; under the lock */
    const struct optimised *optimised; /* the graph that runs take, of the model; NULL for that of the file */
    executor_set running;              /* of that graph */
    executor_set whole; /* of the file's, where `running` is not: made when a run wants to see its values */
};

/* One run of a graph. */
typedef struct frame {
    executor *ex;
    run_state *run;
    sib_value **live; /* (g->n_values) owned */
    uint64_t
        *charged; /* (g->n_values) bytes counted for live values that have memory of their own; behind live */
    const char *path; /* before names of values in taps: "" or "loop[4]/" */
} frame;

/* Frees its plans. No run holds one. */
void executor_clear(executor *ex);

/* The executor of a graph of the set. */
executor *executor_of(const executor_set *set, const graph *g);

/* Runs a graph. path: see frame. in: (g->inputs.n) and captured: (g->n_captures), borrowed; NULL entries have a default.
   out: (g->outputs.n) receives values owned by the caller. */
sib_code execute_graph(executor *ex, run_state *run, const char *path, const sib_value *const *in,
                       const sib_value *const *captured, sib_value **out, sib_error *err);

/* instance_settle for spare memory of its plans. Under the session's lock. */
void executor_settle(executor *ex, const settling *how);

/* Runs a node that runs graphs: its inputs are in f->live or constants; outputs go to f->live. in: of its
   segment. */
sib_code execute_control(frame *f, node_id id, instance *in, sib_error *err);

/* The value of the frame's graph, that of its constant where that is what there is; borrowed. */
sib_code frame_value(const frame *f, value_id v, const sib_value **out, sib_error *err);
/* A value's record beside its elements, which counts where there are many. */
#define RUN_ITEM_BYTES 128
/* Bytes that the elements of v take, and its items' records. */
uint64_t run_bytes(const sib_value *v);
/* Counts `bytes` more of values that stay for a while. Errors: SIB_ERR_MEMORY (the limit); they are counted all the
   same. */
sib_code run_charge(run_state *run, uint64_t bytes, const char *what, sib_error *err);
/* Puts a value in its place, taking it over. */
void frame_set(frame *f, value_id v, sib_value *made);

#endif
