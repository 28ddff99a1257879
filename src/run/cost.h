/* What a node costs, as expressions over the model's symbols. */
#ifndef RUN_COST_H
#define RUN_COST_H

#include "graph/graph.h"

/* Operations of a graph of milli-ops: a multiplication and an addition are two, moving elements is none. DIM_NONE where
   dims are not known or the expression grows too long. */
dim cost_flops(const graph *lowered);
/* Bytes that it reads and writes. */
dim cost_bytes(const graph *g, const node *n);

#endif
