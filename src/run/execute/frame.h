/* One run of a graph: its live values, and the memory that counts against the run's limit. */
#ifndef RUN_EXECUTE_FRAME_H
#define RUN_EXECUTE_FRAME_H

#include "base/buffer.h"
#include "base/names.h"
#include "run/execute/instance.h"
#include "run/execute/observe.h"
#include "run/execute/one_node.h"
#include "run/plan/plan.h"
#include <sibyl/session.h>

#include <pthread.h>
#include <stdatomic.h>

/* What one run shares with the runs of its subgraphs. */
typedef struct run_state {
    observer observer;
    plan_view view;                /* of its plans */
    uint64_t memory_limit, memory; /* in bytes; limit: 0 for none; memory: of live values */
    uint64_t text_limit;           /* max bytes of the strings of one segment; 0: that of memory alone */
    const graph *graph;            /* of the session: the main one */
    run_ends ends;                 /* of that graph */
} run_state;

static inline const sib_cancel *run_cancel(const run_state *r)
{
    return r->observer.options ? r->observer.options->cancel : NULL;
}

/* A graph that runs inside a node. */
typedef struct run_place {
    const struct run_place *outer; /* of the node's graph; NULL: the main graph */
    const graph *g;                /* the node's */
    const node *holder;
    int64_t iteration; /* < 0: no number */
} run_place;

/* Appends "loop[4]". */
void place_text(byte_buffer *b, const run_place *p);
/* The node's name, or "node12" for a nameless one by its number in g, which `number` then holds. */
#define NODE_LABEL 16
const char *node_label(const graph *g, const node *n, char number[NODE_LABEL]);

/* What the graphs of a session share. */
typedef struct executor_shared {
    plan_options plan;
    pthread_mutex_t lock;  /* of the executors' segments, users and spares; not held while planning */
    uint64_t clock;        /* number of times that segments were taken */
    uint64_t plan_bytes;   /* of all kept plans */
    uint64_t plan_limit;   /* max of plan_bytes; 0: PLANS_BYTES */
    name_map fallbacks;    /* types of operators that the first backend leaves to others; for the log */
    atomic_bool unsettled; /* there are spares that instance_settle should release */
} executor_shared;

/* A graph of a session, the main graph or a subgraph, with its plans. */
typedef struct executor {
    executor_shared *shared;
    const struct executor_set *set; /* the set that holds this executor */
    const graph *g;
    const node *chunks; /* the recurrent node whose steps g runs; NULL for graphs of the model */
    one_node *own;      /* owns g, where `chunks` is set; else NULL */
    graph_uses uses;
    segment **segments; /* (n_segments) */
    size_t n_segments, capacity;
    known_nodes *known; /* what planning found out about nodes, from the second plan on; or NULL */
    _Atomic(sib_value *) *constants; /* (g->n_values) of constants, each made when first needed as a value */
    _Atomic(void *) spare_frame;     /* memory of an unused frame, cleared; NULL: none */
} executor;

/* A main graph and its subgraphs. */
typedef struct executor_set {
    size_t n;
    executor *items; /* (n): the main graph first */
} executor_set;

/* The executor of a graph of the set. */
executor *executor_of(const executor_set *set, const graph *g);

/* The executor that runs chunks of a recurrent node. */
executor *executor_of_chunks(const executor_set *set, const node *n);

/* execute_graph as a function type, for files that execute.c depends on. */
typedef sib_code execute_fn(executor *ex, run_state *run, const run_place *place, const sib_value *const *in,
                            const sib_value *const *captured, sib_value **out, sib_error *err);

typedef struct frame {
    executor *ex;
    run_state *run;
    execute_fn *execute;    /* runs subgraphs */
    sib_value **live;       /* (g->n_values) owned */
    uint64_t *charged;      /* (g->n_values) bytes charged for live values that own memory; follows `live` */
    const run_place *place; /* NULL: the main graph */
} frame;

/* Allocates the tables of f, whose other fields are set, or reuses those of an earlier run. Errors:
   SIB_ERR_MEMORY. */
sib_code frame_open(frame *f, sib_error *err);
/* Frees the values and keeps the tables for the next run. done: all nodes ran, so that the values that the
   last of them read are gone. */
void frame_close(frame *f, bool done);
/* Value v of the frame's graph, live or constant; borrowed. */
sib_code frame_value(const frame *f, value_id v, const sib_value **out, sib_error *err);
/* Sets value v to `made`, which it takes over. */
void frame_set(frame *f, value_id v, sib_value *made);
/* Frees value v if it is live. */
static inline void frame_drop(frame *f, value_id v)
{
    if (f->live[v])
        frame_set(f, v, NULL);
}

/* Limits of a run for which the session sets none. A few nodes can ask for any size, and touching the memory
   takes the longer part of the time that such a run costs. Bytes of live values: RUN_MIN_LIMIT, or RUN_GROWTH
   times the bytes of the model's weights and the run's inputs if that is more. */
#define RUN_MIN_LIMIT (UINT64_C(4) << 30)
#define RUN_GROWTH    1024
/* Bytes of the strings that nodes without a control-flow node between them make: a loop that doubles a string
   copies it each time. */
#define RUN_MAX_TEXT (UINT64_C(512) << 20)
/* Bytes of a value's bookkeeping, which counts where there are many. */
#define RUN_ITEM_BYTES 128
/* Bytes of the elements of v, and of the bookkeeping of its items. */
uint64_t run_bytes(const sib_value *v);
/* Charges `bytes` to the run. Errors: SIB_ERR_MEMORY (over the limit); the bytes are charged even then. */
sib_code run_charge(run_state *run, uint64_t bytes, const char *what, sib_error *err);

#endif
