/* Edits of a graph, made whole or not at all. A pass reads the graph and writes what is to change; applying checks the
   seams, keeps the order of nodes and verifies the result. */
#ifndef GRAPH_PATCH_H
#define GRAPH_PATCH_H

#include "graph/graph.h"

typedef struct patch patch;

/* An empty patch of g, which must stay as it is until the patch is applied. */
sib_code patch_create(const graph *g, patch **out, sib_error *err);
void patch_free(patch **p);
/* True where nothing is to change. */
bool patch_is_empty(const patch *p);

/* A new value; its id holds once the patch is applied, and in the patch before. type: may be NULL. name is copied.
   Errors of all of these: SIB_ERR_MEMORY, SIB_ERR_ARGUMENT (an id that does not exist), SIB_ERR_SIZE. */
sib_code patch_value(patch *p, sib_str name, const value_type *type, value_id *out, sib_error *err);
/* The same with elements, borrowed from the graph's keeper. */
sib_code patch_constant(patch *p, sib_str name, const sib_tensor *constant, value_id *out, sib_error *err);
/* A new node before a node of the graph, or NO_NODE: at the end; several before one stand in the order in which they
   were given. Copied as graph_add_node does. Its outputs are new values, or those of nodes that are dropped; its inputs
   are read as they stand: rewiring does not change them. */
sib_code patch_node(patch *p, node_id before, const node *n, sib_error *err);
/* All of the graph's nodes, and the captures of graphs inside it, use `to` instead of `from`. The graph's outputs stay.
   Where `to` is itself rewired, that is followed. */
sib_code patch_rewire(patch *p, value_id from, value_id to, sib_error *err);
/* The node goes, with the graphs inside it; its values stay, made by nobody or by a new node. */
sib_code patch_drop(patch *p, node_id n, sib_error *err);
/* Output `index` of the graph is v. */
sib_code patch_output(patch *p, uint32_t index, value_id v, sib_error *err);

/* Applies p to g, its graph, and verifies; after a failure g is as it was. Ids of values stay; nodes are numbered anew.
   Errors: SIB_ERR_ARGUMENT (another graph, or one that changed; a value rewired twice or in a circle; types that do not
   agree, with both), SIB_ERR_FORMAT (a value made twice, or what graph_verify finds), SIB_ERR_MEMORY. */
sib_code patch_apply(graph *g, patch *p, sib_error *err);
/* Where a node stands after patch_apply; NO_NODE for a dropped one. */
node_id patch_moved(const patch *p, node_id n);

#endif
