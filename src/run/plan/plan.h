/* Plans: a stretch of a graph's nodes made ready to run for given dims.

   A graph is planned in segments. A segment ends where something must be seen before planning can go on: dims that
   depend on data (NonZero), a shape that is computed (Reshape), or an operator that runs graphs (Loop). Most models are
   one segment. What a segment was planned for, its facts (dims of the values that it reads, elements of those that
   decide shapes), is kept with it, and a run takes the first one whose facts hold. */
#ifndef RUN_PLAN_PLAN_H
#define RUN_PLAN_PLAN_H

#include "backend/backend.h"
#include "milli/build.h"
#include "ops/ops.h"

/* A backend of a session, opened. */
typedef struct opened_backend {
    const sib_backend *backend;
    void *self;
} opened_backend;

/* What planning needs of the session. */
typedef struct plan_options {
    size_t n_backends;
    const opened_backend *backends; /* (n_backends) in order of choice */
    bool oracle;
    uint64_t seed;
    uint64_t fuse_limit; /* most groups of nodes that a plan makes one step; 0: none */
} plan_options;

/* How much of a plan can be seen. */
typedef enum plan_view {
    PLAN_CLOSED, /* outputs alone: nodes may be fused */
    PLAN_OPEN,   /* every value of the source's nodes is made, for taps */
    PLAN_INSIDE  /* those inside operators too: none is taken whole */
} plan_view;

/* How values of a graph are used: once a graph. */
typedef struct graph_uses {
    node_id *last;   /* (n_values) last node that reads it; n_nodes for outputs, NO_NODE where nobody does */
    uint32_t *dying; /* values in order of their last node */
    uint32_t *dying_at; /* (n_nodes + 1) where those of a node begin in `dying` */
} graph_uses;
sib_code graph_uses_make(const graph *g, graph_uses *out, sib_error *err);
void graph_uses_free(graph_uses *u);

/* What a plan takes for granted of a value that was there before it. */
typedef struct fact {
    value_id source;
    bool absent; /* an input left out: its default is used */
    sib_value_kind kind;
    sib_dtype dtype; /* of a tensor */
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* (rank) */
    sib_tensor *content;        /* its elements decide shapes; NULL where they do not. Kept by the arena */
} fact;

typedef enum slot_kind {
    SLOT_NONE,     /* never made */
    SLOT_CONSTANT, /* known before the run */
    SLOT_LIVE,     /* made before this segment */
    SLOT_ARENA,    /* a place in the segment's arena */
    SLOT_OWN, /* memory of its own: it outlives the segment, its dims are not known, or it holds no plain numbers */
    SLOT_ALIAS /* other dims over the elements of `root` */
} slot_kind;

/* Where a value of the plan's graph stands. */
typedef struct slot {
    slot_kind kind;
    value_id source; /* SLOT_LIVE: in the source graph */
    value_id root;   /* SLOT_ALIAS: no alias itself */
    bool read;       /* SLOT_CONSTANT: somebody reads the elements while the plan runs */
    bool sized;      /* dtype and dims are known: a tensor can be made before the run */
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* (rank) where sized */
    size_t offset, bytes;       /* in the arena; bytes where sized */
} slot;

/* A value of the source graph, and the plan's for it. */
typedef struct crossing {
    value_id source, planned;
} crossing;

typedef struct segment {
    const graph *source;
    node_id begin, end; /* nodes [begin, end) of the source graph */
    plan_view view;
    bool control;        /* one node that runs graphs or chunks; nothing below is set but facts */
    uint64_t bytes;      /* that the plan takes itself, about */
    graph_arena *memory; /* of the graph */
    dim_table *dims;
    graph *graph; /* nodes of operators that a backend claims whole, and milli-ops */
    size_t n_facts, fact_capacity;
    fact *facts; /* (n_facts) */
    slot *slots; /* (graph->n_values) */
    size_t n_steps;
    step *steps; /* (n_steps); step i runs node step_nodes[i] of `graph` */
    node_id *step_nodes;
    bool *begins;       /* (n_steps) the first step of its node of the source on that backend */
    size_t *first_step; /* (end - begin + 1): where the steps of each source node begin */
    size_t n_made;
    crossing *made;     /* (n_made) outputs of the source's nodes, in order of nodes */
    size_t *first_made; /* (end - begin + 1) */
    size_t n_exports;
    crossing *exports; /* (n_exports) what later nodes or the caller read */
    size_t arena_bytes, own_bytes;
    const value **views;    /* memory behind the steps' views */
    unsigned users;         /* runs that hold it; under the session's lock */
    struct instance *spare; /* ready memory of a run that is over; under the session's lock */
    uint64_t used;          /* when it was last taken */
    struct segment *next;   /* among those to be freed */
} segment;

/* What plans of a graph of n nodes found of those; known.c. Threads may plan with it at the same time. */
typedef struct known_nodes known_nodes;
/* NULL where memory fails: planning without it takes longer. */
known_nodes *known_nodes_make(size_t n);
void known_nodes_free(known_nodes **k);

/* What one planning is given. */
typedef struct plan_request {
    const graph *g;
    const graph_uses *uses;
    node_id begin;
    sib_value *const *live; /* (g->n_values) the values that are there, else NULL */
    const plan_options *options;
    plan_view view;
    known_nodes *known;              /* of g and the same backends; may be NULL */
    const struct sib_cancel *cancel; /* may be NULL */
    uint64_t memory_limit;           /* bytes that the plan may take, about; 0: no limit */
} plan_request;

/* Plans nodes of a graph from `begin` on. Errors: SIB_ERR_CANCELLED; SIB_ERR_MEMORY (the limit); SIB_ERR_ARGUMENT and
   others naming the node. */
sib_code plan_segment(const plan_request *request, segment **out, sib_error *err);
void segment_free(segment **s);

/* True where the facts of s hold. */
bool segment_fits(const segment *s, sib_value *const *live);

/* Gives every SLOT_ARENA value a place, values that are never needed together possibly the same, and sets
   arena_bytes. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code plan_pack(segment *s, sib_error *err);

/* Whether a run takes a node in chunks of steps: an RNN, GRU or LSTM of more than RECURRENT_UNROLLED, by the type of X.
   Steps of fewer are unrolled. */
bool plan_is_recurrent(const node *n);
#define RECURRENT_UNROLLED 256

#endif
