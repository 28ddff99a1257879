/* Copies of graphs, which passes change while the graph of the file is kept. */
#ifndef GRAPH_COPY_H
#define GRAPH_COPY_H

#include "graph/graph.h"

/* Copies g and its subgraphs. Values, nodes, captures, inputs and outputs belong to the copy; names, lists
   and attributes are shared with g, which never writes them in place, so g's arena must outlive the copy.
   Constants are borrowed as g's are. arena: where edits of the copy allocate. dims: g's table, or a
   dim_table_copy of it. Ids of values and nodes are those of g. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE
   (subgraphs nest more than 64 deep). */
sib_code graph_copy(const graph *g, graph_arena *arena, dim_table *dims, graph **out, sib_error *err);

#endif
