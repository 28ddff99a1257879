/* Graphs behind the public handle, and the texts of their descriptions. */
#ifndef RUN_GRAPHS_H
#define RUN_GRAPHS_H

#include "base/names.h"
#include "graph/graph.h"

#include <sibyl/graph.h>

#include <pthread.h>

/* What the graphs of one model share. Descriptions are made on request, so the state below is written while
   reading. */
typedef struct graph_shelf {
    struct sib_model *model; /* borrowed; NULL for milli-ops */
    pthread_mutex_t *lock;   /* of everything here, and of the dims of the graphs */
    graph_arena *arena;      /* of the texts */
    name_map texts;          /* each text once; the number is its place in the map */
    name_map numbers;        /* from the address of a graph to its number */
    size_t n, capacity;
    struct sib_graph **graphs; /* (n) in the order of sib_model_graph */
} graph_shelf;

typedef struct value_role value_role;

struct sib_graph {
    const graph *g;
    graph_shelf *shelf;
    uint32_t number, outer, holder; /* of sib_graph_info */
    sib_str attribute;
    value_role *roles;  /* (n_values) NULL until asked for, as the lists of users */
    uint32_t *users_at; /* (n_values + 1) where those of a value begin in users */
    uint32_t *users;
    struct milli_graph *owner; /* NULL for a graph of a model */
};

/* Adds a graph and those inside it. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE (2^32 graphs). */
sib_code shelf_add(graph_shelf *s, const graph *g, sib_error *err);
void shelf_clear(graph_shelf *s);

/* The number of a graph of the shelf; SIB_NONE for another one. */
uint32_t shelf_number(const graph_shelf *s, const graph *g);

/* Binds symbols of a table to sizes by name. b: dim_binding_clear it, also after a failure. Errors: SIB_ERR_ARGUMENT
   (a name that the table does not have, a size below 0), SIB_ERR_MEMORY. */
sib_code sizes_bind(dim_table *t, size_t n, const sib_dim *dims, dim_binding *b, sib_error *err);

#endif
