/* Parts of graphs: what a set of values depends on. */
#ifndef GRAPH_PART_H
#define GRAPH_PART_H

#include "graph/graph.h"

/* Copies g as graph_copy does, but only the nodes that `outputs` (n of g's values) depend on, with the
   inputs, constants and captures that these read; the copy's outputs are `outputs` in their order. Values
   and nodes are renumbered in the order of g. moved_values, moved_nodes: new ids by old id, (g->n_values)
   and (g->n_nodes), NO_VALUE and NO_NODE where left out; either may be NULL. arena and dims: as for
   graph_copy. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE, SIB_ERR_ARGUMENT (a value that g does not have). */
sib_code graph_part(const graph *g, const value_id *outputs, size_t n, graph_arena *arena, dim_table *dims,
                    value_id *moved_values, node_id *moved_nodes, graph **out, sib_error *err);

#endif
