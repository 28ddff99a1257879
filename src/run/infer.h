/* Types of values, as lowering with symbolic dims tells them. */
#ifndef RUN_INFER_H
#define RUN_INFER_H

#include "graph/graph.h"
#include "run/diagnostics.h"

/* Gives every value of g and its subgraphs a type as far as lowering each node with symbolic dims tells; notes where the
   file declares something else. Errors: SIB_ERR_MEMORY; what a node refuses is a note. */
sib_code infer_graph(graph *g, diagnostics *notes, sib_error *err);

#endif
