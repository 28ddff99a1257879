/* Runs graphs: segment by segment, each from a kept plan or planned now. */
#ifndef RUN_EXECUTE_EXECUTE_H
#define RUN_EXECUTE_EXECUTE_H

#include "run/execute/frame.h"

/* Runs a graph. place: see frame. in: (g->inputs.n) and captured: (g->n_captures), borrowed; NULL entries
   have a default. out: (g->outputs.n) receives values owned by the caller. */
execute_fn execute_graph;

#endif
