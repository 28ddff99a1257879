/* Passes over graphs: a table, run in order, each as a patch; any can be switched off, and the edits counted and
   stopped, to find the one that did harm. */
#ifndef GRAPH_PASS_H
#define GRAPH_PASS_H

#include "graph/patch.h"

/* How many edits there may be yet. */
typedef struct pass_run {
    uint64_t limit, admitted;
} pass_run;

/* Asked before each edit that makes sense by itself; false: it must not be made. Edits are admitted in an order that
   depends on the graph alone. */
bool pass_admit(pass_run *r);

typedef struct pass {
    const char *name, *meaning;
    /* Reads g and writes what is to change. Errors: those of patch_ functions. NULL: a pass over each plan, when dims are
       known, which whoever plans runs; here it has its name and its place alone. */
    sib_code (*run)(const graph *g, pass_run *r, patch *p, sib_error *err);
} pass;

/* ---- Passes that need not know operators ---------------------------------------------------------------- */

/* Drops nodes whose outputs nobody uses. */
sib_code pass_dead(const graph *g, pass_run *r, patch *p, sib_error *err);
/* Uses the input of each Identity in the place of its output, and drops it. */
sib_code pass_identity(const graph *g, pass_run *r, patch *p, sib_error *err);

/* Sets the marks of the graph's outputs, and of what graphs inside node n capture. marks: (n_values). */
void pass_mark_outputs(const graph *g, bool *marks);
void pass_mark_captures(const graph *g, const node *n, bool *marks);

typedef struct pass_options {
    const char *passes; /* "-identity,-dead": those are left out; "-all,dead": that alone. NULL: every one */
    bool limited;
    uint64_t limit; /* most edits in all, where limited */
    bool verify;    /* look at the graph before the first pass too; debug builds always do */
    bool
        go_on; /* a pass that fails for other reasons than memory leaves the graph as it was, and the next one runs */
} pass_options;

/* Runs passes (n) of a table over g and the graphs inside it, those inside first. options, edits: may be NULL; *edits
   receives how many were made. After a failure the graph is as the last pass that succeeded left it.
   Errors: SIB_ERR_ARGUMENT (a name that is no pass, with those there are), those of patch_apply with the pass. */
sib_code pass_run_all(graph *g, const pass *table, size_t n, const pass_options *options, uint64_t *edits,
                      sib_error *err);

/* *chosen: whether words, as in pass_options, leave on the pass called name, which is in the table.
   Errors: SIB_ERR_ARGUMENT (words with a name that is no pass), SIB_ERR_MEMORY. */
sib_code pass_chosen(const char *words, const pass *table, size_t n, const char *name, bool *chosen,
                     sib_error *err);

#endif
