/* Passes over graphs: a table, run in order, each as a patch. To find a harmful one, each can be switched
   off and the number of edits limited. */
#ifndef GRAPH_PASS_H
#define GRAPH_PASS_H

#include "graph/patch.h"

/* The limit on edits, and how many were made. */
typedef struct pass_run {
    uint64_t limit, admitted;
    patch *patch; /* of the current pass over one graph, which marks where each edit begins; may be NULL */
} pass_run;

/* Asked before each self-contained edit, which must not be made where this returns false. The order of
   edits depends on the graph alone. */
bool pass_admit(pass_run *r);

typedef struct pass {
    const char *name, *meaning;
    /* Reads g and writes its edits to p. Errors: those of patch_ functions. NULL: a pass over each plan,
       which the planner runs once dims are known; the table then only gives its name and place. */
    sib_code (*run)(const graph *g, pass_run *r, patch *p, sib_error *err);
} pass;

/* ---- Passes independent of operators ------------------------------------------------------------------ */

/* Drops nodes whose outputs are unused. */
sib_code pass_dead(const graph *g, pass_run *r, patch *p, sib_error *err);
/* Replaces uses of each Identity's output by its input, and drops it. */
sib_code pass_identity(const graph *g, pass_run *r, patch *p, sib_error *err);

/* Set the marks of the graph's outputs, and of the values that subgraphs of node n capture. marks:
   (n_values). */
void pass_mark_outputs(const graph *g, bool *marks);
void pass_mark_captures(const graph *g, const node *n, bool *marks);

typedef struct pass_options {
    const char *passes; /* "-identity,-dead": all but those; "-all,dead": only that one; NULL: all */
    bool limited;
    uint64_t limit; /* max edits in total, where limited */
    bool verify;    /* verify the graph before the first pass too; debug builds always do */
    /* where a pass fails, except for lack of memory, leave the graph unchanged and run the next one */
    bool go_on;
    edit_log *log; /* receives the edits that were applied; NULL: none */
} pass_options;

/* Runs the n passes of a table over g and its subgraphs, innermost first. options, edits: may be NULL;
   *edits receives the number of edits. After a failure the graph is as the last successful pass left it.
   Errors: SIB_ERR_ARGUMENT (unknown pass name, with the known ones), those of patch_apply with the pass. */
sib_code pass_run_all(graph *g, const pass *table, size_t n, const pass_options *options, uint64_t *edits,
                      sib_error *err);

/* Sets *chosen to whether words, as pass_options.passes has them, leave the pass `name` of the table
   enabled. Errors: SIB_ERR_ARGUMENT (words with an unknown pass name), SIB_ERR_MEMORY. */
sib_code pass_chosen(const char *words, const pass *table, size_t n, const char *name, bool *chosen,
                     sib_error *err);

#endif
