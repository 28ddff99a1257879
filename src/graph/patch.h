/* Edits of a graph, applied all at once or not at all. A pass reads the graph and records its edits;
   applying them checks types, keeps the order of nodes and verifies the result. */
#ifndef GRAPH_PATCH_H
#define GRAPH_PATCH_H

#include "graph/graph.h"

#include <sibyl/plan.h>

typedef struct patch patch;

/* Creates an empty patch of g, which must not change until the patch is applied. */
sib_code patch_create(const graph *g, patch **out, sib_error *err);
void patch_free(patch **p);
/* True where the patch has no edits. */
bool patch_is_empty(const patch *p);

/* Adds a value. Its id is valid at once within the patch, and in the graph once the patch is applied.
   type: may be NULL. name is copied. Errors of all edits: SIB_ERR_MEMORY, SIB_ERR_ARGUMENT (an id that
   does not exist), SIB_ERR_SIZE. */
sib_code patch_value(patch *p, sib_str name, const value_type *type, value_id *out, sib_error *err);
/* Adds a value with a constant, borrowed from the graph's keeper. */
sib_code patch_constant(patch *p, sib_str name, const sib_tensor *constant, value_id *out, sib_error *err);
/* Adds a node before a node of the graph, or at the end (NO_NODE); several before the same node keep their
   order. Copied as by graph_add_node. Its outputs are new values, or outputs of dropped nodes; its inputs
   are not changed by rewiring. */
sib_code patch_node(patch *p, node_id before, const node *n, sib_error *err);
/* Makes all nodes of the graph, and the captures of its subgraphs, use `to` instead of `from`; the graph's
   outputs stay. If `to` is itself rewired, that is followed. */
sib_code patch_rewire(patch *p, value_id from, value_id to, sib_error *err);
/* Drops a node with its subgraphs; its values stay, without a producer or with a new node's. */
sib_code patch_drop(patch *p, node_id n, sib_error *err);
/* Makes v output `index` of the graph. */
sib_code patch_output(patch *p, uint32_t index, value_id v, sib_error *err);

/* Begins the next self-contained edit: what is recorded from here on belongs to it. Without a call all of a patch is
   one edit. A failure for want of memory is reported by patch_apply. */
void patch_begin_edit(patch *p);

/* What one edit does, in terms of the graph before it. */
typedef struct graph_edit {
    const char *pass; /* of pass.h */
    const graph *graph;
    size_t n_removed, n_added, n_rewired;
    sib_edit_node *removed, *added;
    sib_edit_rewiring *rewired;
} graph_edit;
typedef struct edit_log {
    graph_arena *arena; /* of the lists; names belong to the graphs' arena */
    graph_edit *items;  /* (n) to be freed with mem_free */
    size_t n, capacity;
} edit_log;
/* Appends the edits of a patch that is not applied yet. After a failure *log is unchanged. Errors: SIB_ERR_MEMORY. */
sib_code patch_describe(const patch *p, const char *pass, edit_log *log, sib_error *err);

/* Applies p to its graph g and verifies; after a failure g is unchanged. Value ids stay; nodes are
   renumbered. Errors: SIB_ERR_ARGUMENT (another graph, or one that changed; a value rewired twice or in a
   cycle; types that do not agree, with both), SIB_ERR_FORMAT (a value produced twice, or what graph_verify
   finds), SIB_ERR_MEMORY. */
sib_code patch_apply(graph *g, patch *p, sib_error *err);
/* Returns the id of a node after patch_apply; NO_NODE for a dropped one. */
node_id patch_moved(const patch *p, node_id n);

#endif
