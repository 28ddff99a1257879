/* The plans kept for a graph: which one a run takes, and how long they are kept. */
#ifndef RUN_EXECUTE_PLANS_H
#define RUN_EXECUTE_PLANS_H

#include "run/execute/frame.h"

/* Returns the plan for the nodes from `begin` on, held for this run, and its spare instance or NULL.
   Errors: those of plan_segment. */
sib_code plans_take(const frame *f, node_id begin, segment **out, instance **spare, sib_error *err);
/* Returns both. */
void plans_give(const frame *f, segment *s, instance *in);

/* Frees the plans and everything else that ex owns. No run may hold a plan. */
void executor_clear(executor *ex);
/* Runs instance_settle on the spare instances of its plans. The lock must be held. */
void executor_settle(executor *ex, const settling *how);

#endif
