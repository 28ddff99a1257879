/* Plans as data: what a session made of its graph to run it for given dims. */
#ifndef SIBYL_PLAN_H
#define SIBYL_PLAN_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The graph that runs --------------------------------------------------------------------------- */

/* The graphs that a session runs, numbered as by sib_model_graphs: those of the file, or a copy that passes have
   edited. Borrowed from the session's model. */
SIB_API size_t sib_session_graphs(const sib_session *s);
/* Returns NULL where i is out of range. */
SIB_API const sib_graph *sib_session_graph(const sib_session *s, size_t i);

typedef struct sib_edit_node {
    const char *type, *name; /* of the node; name may be "" */
} sib_edit_node;
typedef struct sib_edit_rewiring {
    const char *from, *to; /* names of values: readers of `from` read `to` instead */
} sib_edit_rewiring;
/* One edit of a pass: it removes and adds nodes, or changes what nodes read. */
typedef struct sib_edit {
    const char *pass; /* of sib_pass_name */
    uint32_t graph;   /* of sib_session_graph; SIB_NONE for one that a later edit removed */
    size_t n_removed, n_added, n_rewired;
    const sib_edit_node *removed, *added;
    const sib_edit_rewiring *rewired;
} sib_edit;
/* Edit i, in the order in which passes made them; sib_session_edits counts also those that were undone since their
   pass failed, which are not here. Lists and strings live as long as the session's model. Returns false where i is out
   of range. */
SIB_API bool sib_session_edit(const sib_session *s, uint64_t i, sib_edit *out);

/* ---- Plans ----------------------------------------------------------------------------------------- */

/* A copy of the plans that a session keeps. A run makes plans for its dims and keeps them, so a session has some after
   its first run. */
typedef struct sib_plan sib_plan;

/* out: owned by the caller, sib_plan_free(&p); it does not change with later runs and keeps what it needs of the session's
   model alive. Thread-safe. Errors: SIB_ERR_MEMORY. */
SIB_API sib_code sib_session_plan(sib_session *s, sib_plan **out, sib_error *err);
SIB_API void sib_plan_free(sib_plan **p);

/* Nodes of one graph planned together: up to where the plan depends on elements that the nodes before it make. */
typedef struct sib_plan_segment {
    uint32_t graph;      /* of sib_session_graph; SIB_NONE for the chunks of a long recurrent node */
    bool of_file;        /* of sib_model_graph instead: for runs with a tap, where passes edited the other */
    uint32_t begin, end; /* nodes [begin, end) of it */
    bool runs_graphs;    /* one node whose graphs have segments of their own; it has no steps */
    bool tapped;         /* made for a run with a tap: nothing is fused */
    const char *facts;   /* what it was planned for: "x float32 [2, 3], axes int64 [1] with its elements" */
    size_t n_steps, n_places;
    uint64_t arena_bytes; /* memory that the values within it share */
    uint64_t own_bytes;   /* values with memory of their own: outputs, and what later segments read */
    uint64_t plan_bytes;  /* of the plan itself, estimated */
} sib_plan_segment;
/* Segment i, in order of graphs and of their nodes, with of_file last. Returns false where i is out of range. */
SIB_API bool sib_plan_get_segment(const sib_plan *p, size_t i, sib_plan_segment *out);

typedef struct sib_plan_step {
    uint32_t node;       /* of the segment's graph */
    const char *op_type; /* operator or milli-op that runs: "Conv", "reduce_sum", "fused" */
    bool milli;
    const char *backend,
        *kernel; /* a name of the backend's own, "conv winograd"; of a fused step that of its first member;
                    NULL where the backend has none */
    size_t n_inputs, n_outputs;
    const uint32_t *inputs, *outputs; /* places; SIB_NONE for an omitted one */
    size_t n_packed;
    const uint32_t *packed; /* places of constants that the step has packed and no longer reads */
    size_t n_members;
    const char *const *members;   /* of a fused step: its milli-ops in order */
    uint64_t bytes_in, bytes_out; /* of values that it copies to its device first, and to the host at last */
} sib_plan_step;
/* Step k of segment i, in order of execution. Returns false where out of range. */
SIB_API bool sib_plan_get_step(const sib_plan *p, size_t i, size_t k, sib_plan_step *out);

typedef enum sib_place_kind {
    SIB_PLACE_NONE,     /* not made */
    SIB_PLACE_CONSTANT, /* known before the run */
    SIB_PLACE_LIVE,     /* existed before the segment: an input, or made by an earlier one */
    SIB_PLACE_ARENA,    /* in the segment's arena */
    SIB_PLACE_OWN,      /* memory of its own */
    SIB_PLACE_VIEW      /* the elements of another place with other dims */
} sib_place_kind;
/* "none", "constant", "live", "arena", "own" or "view". */
SIB_API const char *sib_place_kind_name(sib_place_kind kind);

/* Where a value is stored while a segment runs. */
typedef struct sib_plan_place {
    const char *name; /* of the value in the graph; "" for one inside an operator */
    const char *type; /* "float32 [1, 80]" */
    sib_place_kind kind;
    uint32_t viewed;                /* SIB_PLACE_VIEW: the place that it views; otherwise SIB_NONE */
    uint64_t offset, bytes;         /* offset: in the arena */
    uint32_t first_step, last_step; /* that write and read it, through views too; SIB_NONE where none does */
} sib_plan_place;
/* Place k of segment i. Returns false where out of range. */
SIB_API bool sib_plan_get_place(const sib_plan *p, size_t i, size_t k, sib_plan_place *out);

#ifdef __cplusplus
}
#endif
#endif
