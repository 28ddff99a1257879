/* What the routes below /api/models/{id}/graphs share: the graph, node and value that a request names. */
#ifndef SIB_SERVER_GRAPH_ROUTE_H
#define SIB_SERVER_GRAPH_ROUTE_H

#include "server/http/state.h"
#include "server/models/catalog.h"
#include "server/models/describe.h"

#define MAX_DIMS 64 /* sizes in a query */

/* The graphs that ?call= and ?view= choose: those of the file, or those that a session runs (planned). */
typedef struct graph_set {
    served *model;
    const sib_model *file;
    sib_session *session; /* NULL: the file's */
} graph_set;

/* Each of these answers where it returns false: 404 for what is not there, 400 for queries that make no sense. Close
   the set in both cases. */
bool graphs_open(exchange *x, graph_set *set);
bool graphs_open_planned(exchange *x, graph_set *set); /* whatever ?view= says */
void graphs_close(graph_set *set);
size_t graphs_count(const graph_set *set);
const sib_graph *graphs_at(const graph_set *set, size_t i);

/* The part {name} of the path as a number below n. owner: what has them, "the model 'digits'". */
bool path_number(exchange *x, const char *name, const char *owner, size_t n, size_t *out);
/* Opens the set and the graph {graph} of it. described_clear(d) and graphs_close(set) in both cases. */
bool graph_open(exchange *x, graph_set *set, described *d);

/* Sizes of ?dims=T:100,N:1. */
typedef struct dims_query {
    char *text; /* what the names point into */
    size_t n;
    sib_dim dims[MAX_DIMS];
} dims_query;
bool dims_read(exchange *x, dims_query *out);
void dims_clear(dims_query *q);

/* Answers 304 and returns true where the client has the answer already: graphs of a model never change while it is
   open. */
bool graphs_unchanged(exchange *x, const graph_set *set);

#endif
