/* A graph of one node, in memory of its own. */
#ifndef RUN_EXECUTE_ONE_NODE_H
#define RUN_EXECUTE_ONE_NODE_H

#include "graph/graph.h"

typedef struct one_node {
    graph_arena *arena;
    dim_table *dims;
    graph *g;
} one_node;

/* Makes a graph of node n with n_in inputs and n_out outputs, at least as many as n has. The graph's
   inputs and outputs are those that `in` and `out` mark, in order. What n's attributes point to must
   outlive it. Errors: SIB_ERR_MEMORY. */
sib_code one_node_make(const node *n, size_t n_in, const bool *in, size_t n_out, const bool *out,
                       one_node **made, sib_error *err);
void one_node_free(one_node **o);

#endif
