/* Fuses steps of a plan: elementwise milli-ops become one step, together with the node before them whose
   result they work on (a product and its bias, activation and residual).

   A group is a set of needed nodes of the plan: elementwise milli-ops with the same dims, connected by
   what they read. All other readers of what a member makes come after the group's last member, so that the
   group can run there. */
#ifndef RUN_PLAN_FUSE_H
#define RUN_PLAN_FUSE_H

#include "graph/pass.h"
#include "run/plan/plan.h"

/* A group that became one node of the plan. */
typedef struct fusion {
    node_id last;    /* its last member, which the node replaces */
    value_id output; /* one output of the node */
    size_t backend;  /* that claimed it */
    graph *body;     /* of the node; owned by the plan's graph once the patch is applied */
} fusion;

typedef struct fusions {
    size_t n, capacity;
    fusion *items; /* (n) */
} fusions;

/* Writes into p the edits that fuse nodes of g, the graph of a plan. needed: (n_nodes) nodes that run.
   leaves: (n_values) values read by others than g's nodes. Each group is an edit, subject to pass_admit,
   and is made only where a backend of the session claims it. *out: to be freed with fusions_free. Errors:
   SIB_ERR_MEMORY and those of patches. */
sib_code fuse_elementwise(const graph *g, const bool *needed, const bool *leaves, const plan_options *options,
                          pass_run *r, patch *p, fusions *out, sib_error *err);
/* applied: the patch was applied, so the graph owns the bodies. */
void fusions_free(fusions *f, bool applied);

#endif
