/* The plans kept for a graph: which of them a run takes, and how long they stay. */
#ifndef RUN_EXECUTE_PLANS_H
#define RUN_EXECUTE_PLANS_H

#include "run/execute/frame.h"

/* The plan for the nodes from `begin` on, held for this run, and memory that is ready for it or NULL. Errors: those of
   plan_segment. */
sib_code plans_take(const frame *f, node_id begin, segment **out, instance **spare, sib_error *err);
/* Gives both back. */
void plans_give(const frame *f, segment *s, instance *in);

/* Frees the plans and all else that ex owns. No run holds one. */
void executor_clear(executor *ex);
/* instance_settle for spare memory of its plans. Under the lock. */
void executor_settle(executor *ex, const settling *how);

#endif
