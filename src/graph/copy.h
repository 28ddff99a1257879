/* Copies of graphs, for passes to change while the graph of the file stays as it is. */
#ifndef GRAPH_COPY_H
#define GRAPH_COPY_H

#include "graph/graph.h"

/* A copy of g and the graphs inside it: values, nodes, captures and ends are its own. Names, lists and attributes are
   those of g, which are never written in place; so g's arena must outlive the copy. Constants are borrowed as g's are.
   arena: where edits of the copy put what they add. dims: g's table, or a dim_table_copy of it. Ids of values and nodes
   are those of g. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE (subgraphs stand more than 64 deep). */
sib_code graph_copy(const graph *g, graph_arena *arena, dim_table *dims, graph **out, sib_error *err);

#endif
