/* A plan in the making; see plan.h for what comes of it.

   The files in the order in which they work: facts.c (what the segment takes for granted), import.c (values of the source
   become values of the plan), node.c (one node lowered, or given to a backend as it is), types.c and known.c (what need not
   be lowered again), mark.c (which nodes run, and which as one step), slots.c (where values stand), steps.c (what runs). */
#ifndef RUN_PLAN_PLANNER_H
#define RUN_PLAN_PLANNER_H

#include "run/plan/plan.h"

/* Whether symbols in the dims of the source have their numbers. */
typedef enum binding_state { BINDING_OPEN, BINDING_DONE, BINDING_FAILED } binding_state;

typedef struct planner {
    const plan_request *request; /* that the fields up to `known` are of */
    const graph *g;
    const graph_uses *uses;
    sib_value *const *live;
    const plan_options *options;
    const struct sib_cancel *cancel;
    known_nodes *known; /* or NULL */
    segment *s;
    value_id
        *map; /* (g->n_values) the plan's value for each of the source's, NO_VALUE where there is none yet */
    bool *wants_content; /* (g->n_values) */
    bool *given;         /* (g->n_values) an input, which may be left out or not */
    const sib_tensor *
        *captured;   /* (g->n_values) constants of the graphs around that the value stands for, else NULL */
    size_t *fact_at; /* (g->n_values) number of the fact of each, from 1; 0 where there is none */
    value_id *
        source; /* (source_capacity) by value of the plan: the source value it was imported for, else NO_VALUE */
    size_t source_capacity;
    crossing *made;
    size_t n_made, made_capacity;
    size_t *made_at;     /* (g->n_nodes - begin + 1) */
    node_id *first_node; /* likewise: the first node of the plan for each node of the source */
    uint8_t *chosen; /* (chosen_capacity) by node of the plan: the backend that claimed it whole, plus 1 */
    size_t chosen_capacity;
    binding_state binding;
    dim_binding bound; /* where binding is done */
} planner;

/* ---- facts.c -------------------------------------------------------------------------------------------- */

/* The fact of a source value, made where there is none. NULL where memory fails. */
fact *planner_fact(planner *p, value_id source, sib_error *err);
/* What v is to be when the plan is taken again. */
void fact_describe(fact *f, const sib_value *v);

/* ---- import.c ------------------------------------------------------------------------------------------- */

/* The plan's value for one of the source; for lowering.import. */
mval planner_import(lowering *l, const graph *source, value_id v);
/* The source value that a value of the plan was imported for, NO_VALUE where it was made. */
value_id planner_source(const planner *p, value_id planned);
/* Makes the elements of an imported value known to the plan, and a fact of it. */
sib_code planner_learn_content(planner *p, value_id planned, value_id source, sib_error *err);
/* Fills given and captured. */
void planner_find_givens(planner *p);

/* ---- node.c --------------------------------------------------------------------------------------------- */

typedef enum verdict {
    PLANNED,      /* go on with the next node */
    PLANNED_LAST, /* what it makes must be seen before the next */
    AGAIN,        /* the content that it needed is known now */
    WAITS,        /* for what this segment makes */
    RUNS_ALONE    /* in chunks of steps, in a segment of its own */
} verdict;

/* Adds node `index` of the source to the plan. outs, declared: room for its outputs. */
sib_code planner_add_node(planner *p, lowering *l, node_id index, mval *outs, value_type *declared,
                          verdict *out, sib_error *err);

/* ---- known.c -------------------------------------------------------------------------------------------- */

/* True where something is known of node `index`. */
bool planner_knows(const planner *p, node_id index);
/* The backend that took node `index` whole for such inputs before, with the types of its outputs and an id that is not
   NO_VALUE for each that is not omitted; -1 where that is not known. p->known is there. */
int planner_known(planner *p, node_id index, const mval *ins, value_type *types, mval *outs);
/* Keeps what a backend took, where there is room for it. */
void planner_keep_known(planner *p, node_id index, const mval *ins, const mval *outs, int backend);

/* ---- types.c -------------------------------------------------------------------------------------------- */

/* The types of a node's outputs as inference has them for what the inputs' dims are now. types: (n->outputs.n), not set where
   an output is omitted. False where they are not all known, or not by inference alone. */
bool planner_inferred(planner *p, const node *n, value_type *types);

/* ---- mark.c --------------------------------------------------------------------------------------------- */

/* Marks the nodes of the plan that must run, after fusing what can be. node_needed: (n_nodes), cleared. */
sib_code planner_mark(planner *p, bool *node_needed, sib_error *err);

/* ---- slots.c -------------------------------------------------------------------------------------------- */

/* Says where each value stands, and what leaves the segment. */
sib_code planner_place(planner *p, const bool *node_needed, sib_error *err);

/* ---- steps.c -------------------------------------------------------------------------------------------- */

/* Prepares a step for each node that runs. */
sib_code planner_make_steps(planner *p, const bool *node_needed, sib_error *err);

#endif
