/* Milli-ops on constants, computed while a graph is lowered. */
#ifndef RUN_PLAN_FOLD_H
#define RUN_PLAN_FOLD_H

#include "milli/build.h"

/* Computes milli-op `id` of l->graph with the reference backend and makes its outputs constants, kept in
   the graph's arena; the node is left without inputs and outputs. For lowering.fold. */
sib_code fold_milli(lowering *l, node_id id, sib_error *err);

#endif
