/* A plan under construction; see plan.h for the result.

   The files in the order in which they work: facts.c (what the segment assumes), import.c (values of the
   source become values of the plan), node.c (lowers one node, or gives it to a backend), types.c and
   known.c (nodes that need not be lowered again), mark.c (which nodes run, and which are fused), slots.c
   (where values are stored), steps.c (what runs). */
#ifndef RUN_PLAN_PLANNER_H
#define RUN_PLAN_PLANNER_H

#include "run/plan/plan.h"

/* Whether symbols in the dims of the source are bound to numbers. */
typedef enum binding_state { BINDING_OPEN, BINDING_DONE, BINDING_FAILED } binding_state;

typedef struct planner {
    const plan_request *request; /* source of the copies below, up to `known` */
    const graph *g;
    const graph_uses *uses;
    sib_value *const *live;
    const plan_options *options;
    const struct sib_cancel *cancel;
    known_nodes *known; /* may be NULL */
    segment *s;
    value_id *map;       /* (g->n_values) the plan's value for each of the source's, NO_VALUE: none yet */
    bool *wants_content; /* (g->n_values) */
    bool *given;         /* (g->n_values) a graph input, given or omitted */
    const sib_tensor *
        *captured;    /* (g->n_values) the constant of an outer graph that the value captures, else NULL */
    size_t *fact_at;  /* (g->n_values) 1 + index of its fact; 0 where there is none */
    value_id *source; /* (source_capacity) by value of the plan: the source value imported, else NO_VALUE */
    size_t source_capacity;
    crossing *made;
    size_t n_made, made_capacity;
    size_t *made_at;     /* (g->n_nodes - begin + 1) */
    node_id *first_node; /* (likewise) the first node of the plan for each node of the source */
    uint8_t *chosen;     /* (chosen_capacity) by node of the plan: 1 + the backend that claimed it */
    size_t chosen_capacity;
    binding_state binding;
    dim_binding bound; /* where binding is done */
} planner;

/* ---- facts.c ------------------------------------------------------------------------------------------- */

/* The fact of a source value, added if missing. NULL where memory fails. */
fact *planner_fact(planner *p, value_id source, sib_error *err);
/* Records the kind, dtype and dims of v, which a later run must match. */
void fact_describe(fact *f, const sib_value *v);

/* ---- import.c ------------------------------------------------------------------------------------------ */

/* The plan's value for a value of the source; for lowering.import. */
mval planner_import(lowering *l, const graph *source, value_id v);
/* The source value that a value of the plan was imported for, NO_VALUE where it was computed. */
value_id planner_source(const planner *p, value_id planned);
/* Makes the elements of an imported value known to the plan and records them as a fact. */
sib_code planner_learn_content(planner *p, value_id planned, value_id source, sib_error *err);
/* Fills the fields given and captured. */
void planner_find_givens(planner *p);

/* ---- node.c -------------------------------------------------------------------------------------------- */

typedef enum verdict {
    PLANNED,      /* continue with the next node */
    PLANNED_LAST, /* its outputs must be computed before the next node is planned */
    AGAIN,        /* the content that it needed is known now: add it again */
    WAITS,        /* needs a value that this segment computes */
    RUNS_ALONE    /* in chunks of steps, in a separate segment */
} verdict;

/* Adds node `index` of the source to the plan. outs, declared: room for its outputs. */
sib_code planner_add_node(planner *p, lowering *l, node_id index, mval *outs, value_type *declared,
                          verdict *out, sib_error *err);

/* ---- narrow.c ------------------------------------------------------------------------------------------ */

/* Marks the float64 values that the plan's nodes from `first` on, those of one operator, make and read, but
   its outputs (n_outs), where float32 may take their place: see value.narrow. */
void planner_mark_narrow(planner *p, node_id first, const mval *outs, size_t n_outs);

/* ---- known.c ------------------------------------------------------------------------------------------- */

/* Whether an earlier plan left an entry for node `index`. */
bool planner_knows(const planner *p, node_id index);
/* Returns the backend that claimed node `index` for such inputs before, else -1. Sets the types of its
   outputs, and in outs an id other than NO_VALUE for each that is not omitted. Requires p->known. */
int planner_known(planner *p, node_id index, const mval *ins, value_type *types, mval *outs);
/* Records a claimed node, if memory allows. */
void planner_keep_known(planner *p, node_id index, const mval *ins, const mval *outs, int backend);

/* ---- types.c ------------------------------------------------------------------------------------------- */

/* The types of a node's outputs by inference, for the inputs' present dims. types: (n->outputs.n), not set
   where an output is omitted. Returns false where they are not all known by inference alone. */
bool planner_inferred(planner *p, const node *n, value_type *types);

/* ---- mark.c -------------------------------------------------------------------------------------------- */

/* Fuses nodes of the plan and marks those that must run. node_needed: (n_nodes), cleared. */
sib_code planner_mark(planner *p, bool *node_needed, sib_error *err);

/* ---- slots.c ------------------------------------------------------------------------------------------- */

/* Decides where each value is stored, and which leave the segment. */
sib_code planner_place(planner *p, const bool *node_needed, sib_error *err);

/* ---- steps.c ------------------------------------------------------------------------------------------- */

/* Prepares a step for each node that runs. */
sib_code planner_make_steps(planner *p, const bool *node_needed, sib_error *err);

#endif
