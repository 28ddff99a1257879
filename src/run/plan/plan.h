/* Plans: a range of a graph's nodes made ready to run for given dims.

   A graph is planned in segments. A segment ends where planning depends on a computed value:
   data-dependent dims (NonZero), a computed shape (Reshape), or an operator that runs graphs (Loop). Most
   models are one segment. The facts that a segment was planned for (dims of the values that it reads,
   elements of those that decide shapes) are kept with it, and a run takes the first segment whose facts
   hold. */
#ifndef RUN_PLAN_PLAN_H
#define RUN_PLAN_PLAN_H

#include "backend/backend.h"
#include "milli/build.h"
#include "ops/ops.h"

/* An open backend of a session. */
typedef struct opened_backend {
    const sib_backend *backend;
    void *self;
} opened_backend;

/* What planning needs from the session. */
typedef struct plan_options {
    size_t n_backends;
    const opened_backend *backends; /* (n_backends) in order of preference */
    bool oracle;
    uint64_t seed;
    uint64_t fuse_limit; /* max groups of nodes that a plan fuses; 0: none */
    sib_logger log;
    struct packs *packs[2]; /* where backends pack weights; for plan_request.packed */
} plan_options;

/* Which values of a plan can be observed. */
typedef enum plan_view {
    PLAN_CLOSED, /* only outputs: nodes may be fused */
    PLAN_OPEN,   /* every output of the source's nodes, for taps */
    PLAN_INSIDE  /* those inside operators too: every operator is lowered */
} plan_view;

/* How the values of a graph are used; computed once per graph. */
typedef struct graph_uses {
    node_id *last;      /* (n_values) last node that reads it; n_nodes for outputs, NO_NODE for none */
    uint32_t *dying;    /* (n_values) in order of their last node, then those that no node is the last of */
    uint32_t *dying_at; /* (n_nodes + 1) where those of a node begin in `dying` */
} graph_uses;
sib_code graph_uses_make(const graph *g, graph_uses *out, sib_error *err);
void graph_uses_free(graph_uses *u);

/* What a plan assumes of a value that existed before it. */
typedef struct fact {
    value_id source;
    bool absent; /* an omitted input: its default is used */
    sib_value_kind kind;
    sib_dtype dtype; /* of a tensor */
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* (rank) */
    sib_tensor *content;        /* where its elements decide shapes, else NULL. Owned by the arena */
} fact;

typedef enum slot_kind {
    SLOT_NONE,     /* never made */
    SLOT_CONSTANT, /* known before the run */
    SLOT_LIVE,     /* existed before this segment */
    SLOT_ARENA,    /* a place in the segment's arena */
    SLOT_OWN,      /* separate memory: outlives the segment, has unknown dims, or is not numeric */
    SLOT_ALIAS     /* a view of `root` with other dims */
} slot_kind;

/* Where a value of the plan's graph is stored. */
typedef struct slot {
    slot_kind kind;
    value_id source; /* SLOT_LIVE: in the source graph */
    value_id root;   /* SLOT_ALIAS: not an alias itself */
    bool read;       /* SLOT_CONSTANT: its elements are read while the plan runs */
    bool sized;      /* dtype and dims are known: a tensor can be made before the run */
    size_t rank;
    int64_t dims[SIB_MAX_RANK]; /* (rank) where sized */
    size_t offset, bytes;       /* in the arena; bytes where sized */
    bool on_device;             /* of a root: it has a place there too */
    bool on_host;               /* of a root on the device: the host has its elements too */
    bool read_on_host;          /* of a root: a step of the host reads it, or an observer */
    bool may_stay;              /* of a root: made by the device for the caller or later nodes alone */
    bool continues;             /* SLOT_OWN: it may take over the memory of `over`, which nobody else reads */
    value_id over;              /* SLOT_LIVE, given as `over_input` of the source */
    uint32_t over_input;
} slot;

/* A value of the source graph and its counterpart in the plan. */
typedef struct crossing {
    value_id source, planned;
} crossing;

/* What observers of a run show of a segment; made when they first look. */
typedef struct segment_sights {
    /* made[shown[k]] for k from first_shown[i] on can be shown once i steps have run: (n_steps + 2), (n_made) */
    size_t *first_shown, *shown;
    double *flops;    /* (n_steps) 0 where unknown */
    uint64_t *memory; /* (n_steps) bytes of values in the arena that exist while the step runs */
} segment_sights;

typedef struct segment {
    const graph *source;
    node_id begin, end; /* nodes [begin, end) of the source graph */
    plan_view view;
    bool control;        /* one node that runs graphs or chunks; no field below is set but facts */
    uint64_t bytes;      /* estimated memory of the plan itself */
    graph_arena *memory; /* owns the graph */
    dim_table *dims;
    graph *graph; /* operators that a backend claimed, and milli-ops */
    size_t n_facts, fact_capacity;
    fact *facts; /* (n_facts) */
    slot *slots; /* (graph->n_values) */
    size_t n_steps;
    step *steps; /* (n_steps); step i runs node step_nodes[i] of `graph` */
    node_id *step_nodes;
    bool *begins;       /* (n_steps) the first step of its source node on that backend */
    size_t *first_step; /* (end - begin + 1): where the steps of each source node begin */
    size_t n_made;
    crossing *made;     /* (n_made) outputs of the source's nodes, in order of nodes */
    size_t *first_made; /* (end - begin + 1) */
    size_t n_exports;
    crossing *exports; /* (n_exports) values that later nodes or the caller read */
    size_t arena_bytes, own_bytes;
    const opened_backend *device;     /* whose steps keep values on a device; NULL: none */
    size_t device_bytes;              /* of the arena there; 0: no step is the device's */
    const value **views;              /* memory behind the steps' views */
    _Atomic(segment_sights *) sights; /* NULL before an observer looked */
    unsigned users;                   /* runs that hold it; under the session's lock */
    struct instance *spare;           /* memory of a finished run; under the session's lock */
    uint64_t used;                    /* when it was last taken */
    struct segment *next;             /* in the list of segments to be freed */
} segment;

/* The sights of s, which the segment owns. Thread-safe. NULL where memory fails. */
const segment_sights *segment_look(segment *s);

/* What earlier plans of a graph of n nodes found out about those; see known.c. Thread-safe. */
typedef struct known_nodes known_nodes;
/* NULL where memory fails: planning without it takes longer. */
known_nodes *known_nodes_make(size_t n);
void known_nodes_free(known_nodes **k);

/* The inputs of one planning. */
typedef struct plan_request {
    const graph *g;
    const graph_uses *uses;
    node_id begin;
    sib_value *const *live; /* (g->n_values) the values that exist, else NULL */
    const plan_options *options;
    plan_view view;
    known_nodes *known;              /* of g and the same backends; may be NULL */
    const struct sib_cancel *cancel; /* may be NULL */
    uint64_t memory_limit;           /* max bytes of the plan, estimated; 0: no limit */
    /* Called for each step of node `origin` for which weights were packed, with the times of sib_time_ns.
       NULL: none */
    void (*packed)(void *context, node_id origin, const step *s, uint64_t begin, uint64_t end,
                   uint64_t bytes);
    void *packed_context;
} plan_request;

/* Plans nodes of a graph from `begin` on. Errors: SIB_ERR_CANCELLED; SIB_ERR_MEMORY (the limit);
   SIB_ERR_ARGUMENT and others naming the node. */
sib_code plan_segment(const plan_request *request, segment **out, sib_error *err);
void segment_free(segment **s);

/* Whether the facts of s hold. */
bool segment_fits(const segment *s, sib_value *const *live);

/* Gives every SLOT_ARENA value an offset, possibly shared by values that are never needed at once, and
   sets arena_bytes. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code plan_pack(segment *s, sib_error *err);

/* Decides which values have places on the session's device, and which steps copy them to it and back. After
   plan_pack. */
void plan_borders(segment *s);

/* Whether a run executes a node in chunks of steps: an RNN, GRU or LSTM of more than RECURRENT_UNROLLED
   steps, by the type of X. Those of fewer steps are unrolled. */
bool plan_is_recurrent(const node *n);
#define RECURRENT_UNROLLED 256

#endif
