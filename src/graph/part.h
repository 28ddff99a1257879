/* Parts of graphs: what some of their values need. */
#ifndef GRAPH_PART_H
#define GRAPH_PART_H

#include "graph/graph.h"

/* A copy of g, as graph_copy makes it, with the nodes alone that `outputs` (n of g's values) need, and the inputs,
   constants and captures that these read; the copy's outputs are `outputs` in their order. Values and nodes are numbered
   anew, in the order of g. moved_values, moved_nodes: the new ids by the old, (g->n_values) and (g->n_nodes), NO_VALUE and
   NO_NODE for what is left out; either may be NULL. arena and dims: as graph_copy takes them.
   Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE, SIB_ERR_ARGUMENT (a value that g does not have). */
sib_code graph_part(const graph *g, const value_id *outputs, size_t n, graph_arena *arena, dim_table *dims,
                    value_id *moved_values, node_id *moved_nodes, graph **out, sib_error *err);

#endif
