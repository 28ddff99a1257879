/* Inference of types by lowering with symbolic dims. */
#ifndef RUN_INFER_H
#define RUN_INFER_H

#include "graph/graph.h"
#include "run/diagnostics.h"

/* Sets the type of every value of g and its subgraphs as far as lowering with symbolic dims determines it;
   notes where the file declares something else. Errors: SIB_ERR_MEMORY; what a node rejects becomes a
   note. */
sib_code infer_graph(graph *g, diagnostics *notes, sib_error *err);

#endif
