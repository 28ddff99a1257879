/* Runs nodes on the reference backend while a graph is rewritten. */
#ifndef RUN_PASSES_EVALUATE_H
#define RUN_PASSES_EVALUATE_H

#include "graph/graph.h"

/* Runs node n on the constants in (n->inputs.n; NULL for an omitted one). out: (n->outputs.n) receives
   tensors owned by the caller, NULL for omitted outputs. Errors: SIB_ERR_MEMORY; those of the operator;
   SIB_ERR_UNSUPPORTED (an output that is no tensor). */
sib_code evaluate_node(const node *n, const sib_tensor *const *in, sib_tensor **out, sib_error *err);

#endif
