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
    /* Reads g and writes what is to change. Errors: those of patch_ functions. */
    sib_code (*run)(const graph *g, pass_run *r, patch *p, sib_error *err);
} pass;

/* The passes there are, in the order in which they run: (*n). */
const pass *pass_table(size_t *n);

typedef struct pass_options {
    const char *passes; /* "-identity,-dead": those are left out; "-all,dead": that alone. NULL: every one */
    bool limited;
    uint64_t limit; /* most edits in all, where limited */
    bool verify;    /* look at the graph before the first pass too; debug builds always do */
} pass_options;

/* Runs passes (n) of a table over g and the graphs inside it, those inside first. options, edits: may be NULL; *edits
   receives how many were made. After a failure the graph is as the last pass that succeeded left it.
   Errors: SIB_ERR_ARGUMENT (a name that is no pass, with those there are), those of patch_apply with the pass. */
sib_code pass_run_all(graph *g, const pass *table, size_t n, const pass_options *options, uint64_t *edits,
                      sib_error *err);

#endif
