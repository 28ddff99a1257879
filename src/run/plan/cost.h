/* The cost of a node, as expressions over the model's symbols. */
#ifndef RUN_PLAN_COST_H
#define RUN_PLAN_COST_H

#include "milli/build.h"

/* Operations of a lowered node: a multiply-add counts as two, moving elements as none. DIM_NONE
   where dims are unknown or the expression grows too long. */
dim cost_flops(const lowering *l);
/* Those of one milli-op. */
dim cost_milli(const graph *g, const node *n);
/* The same as a number, 0 where a dim is none. Adds nothing to the table of dims, so it is thread-safe. */
double cost_number(const graph *g, const node *n);
/* Bytes that the node reads and writes. */
dim cost_bytes(const graph *g, const node *n);

#endif
