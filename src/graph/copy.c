#include "graph/copy.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

/* Max nesting of subgraphs. */
#define DEPTH_MAX 64

typedef struct copying {
    graph_arena *arena;
    dim_table *dims;
    sib_error *err;
} copying;

/* Returns a copy of n items with capacity `room`; NULL where memory fails. */
static void *copy_items(const void *items, size_t n, size_t room, size_t size)
{
    void *copy = mem_alloc(room ? room : 1, size);
    if (copy && n)
        memcpy(copy, items, n * size);
    return copy;
}

static bool copy_ends(const id_list *from, id_list *to)
{
    size_t room = 1; /* powers of two, as graph_add_output assumes */
    while (room < from->n)
        room *= 2;
    *to = (id_list){from->n, copy_items(from->ids, from->n, room, sizeof *from->ids)};
    return to->ids != NULL;
}

/* Copies the arrays of g; attributes still point to subgraphs of g. */
static sib_code copy_arrays(const copying *c, const graph *g, graph *to)
{
    *to = *g;
    to->arena = c->arena;
    to->dims = c->dims;
    to->outer = NULL;
    to->value_capacity = g->n_values ? g->n_values : 1;
    to->node_capacity = g->n_nodes ? g->n_nodes : 1;
    to->capture_capacity = g->n_captures ? g->n_captures : 1;
    to->values = copy_items(g->values, g->n_values, g->n_values, sizeof *g->values);
    to->captures = copy_items(g->captures, g->n_captures, g->n_captures, sizeof *g->captures);
    to->nodes = copy_items(g->nodes, g->n_nodes, g->n_nodes, sizeof *g->nodes);
    to->inputs.ids = to->outputs.ids = NULL;
    bool ok = copy_ends(&g->inputs, &to->inputs) && copy_ends(&g->outputs, &to->outputs);
    if (ok && to->values && to->captures && to->nodes)
        return SIB_OK;
    return err_memory(c->err, g->n_values * sizeof *g->values, "a copy of a graph");
}

static sib_code copy_graph(const copying *c, const graph *g, unsigned depth, graph **out);

/* Copies a subgraph of g for a node of the copy. A graph that another graph owns is shared. */
static sib_code copy_inside(const copying *c, const graph *g, graph *copy, graph **inside, unsigned depth)
{
    graph *made = NULL;
    if (!*inside || (*inside)->outer != g)
        return SIB_OK;
    sib_code code = copy_graph(c, *inside, depth + 1, &made);
    if (code == SIB_OK) {
        made->outer = copy;
        *inside = made;
    }
    return code;
}

/* Gives node `to`, which shares the attributes of g's node, its own attributes if they hold graphs. */
static sib_code copy_attributes(const copying *c, const graph *g, graph *copy, node *to, unsigned depth)
{
    const attribute *from = to->attributes;
    size_t i = 0;
    while (i < to->n_attributes && from[i].kind != ATTR_GRAPH && from[i].kind != ATTR_GRAPHS)
        i++;
    if (i == to->n_attributes)
        return SIB_OK;
    attribute *own = arena_alloc(c->arena, to->n_attributes, sizeof *own);
    if (!own)
        return err_memory(c->err, to->n_attributes * sizeof *own, "a copy of a graph");
    memcpy(own, from, to->n_attributes * sizeof *own);
    for (size_t k = 0; k < to->n_attributes;
         k++) { /* so that none is freed twice where copying fails halfway */
        graph **graphs = own[k].kind == ATTR_GRAPHS ? arena_alloc(c->arena, own[k].n, sizeof *graphs) : NULL;
        if (own[k].kind == ATTR_GRAPHS && !graphs)
            return err_memory(c->err, own[k].n * sizeof *graphs, "a copy of a graph");
        if (graphs && own[k].n) {
            memcpy(graphs, own[k].graphs, own[k].n * sizeof *graphs);
            own[k].graphs = graphs;
        }
    }
    to->attributes = own;
    sib_code code = SIB_OK;
    for (size_t k = 0; k < to->n_attributes && code == SIB_OK; k++) {
        if (own[k].kind == ATTR_GRAPH)
            code = copy_inside(c, g, copy, &own[k].graph, depth);
        for (size_t j = 0; own[k].kind == ATTR_GRAPHS && j < own[k].n && code == SIB_OK; j++)
            code = copy_inside(c, g, copy, &own[k].graphs[j], depth);
    }
    return code;
}

/* On failure *out is NULL and everything is freed; graph_free leaves alone graphs whose outer is another. */
static sib_code copy_graph(const copying *c, const graph *g, unsigned depth, graph **out)
{
    graph *copy = depth <= DEPTH_MAX ? mem_calloc(1, sizeof *copy) : NULL;
    *out = NULL;
    if (depth > DEPTH_MAX)
        return err_set(c->err, SIB_ERR_SIZE, "subgraphs are nested more than %d deep", DEPTH_MAX);
    if (!copy)
        return err_memory(c->err, sizeof *copy, "a copy of a graph");
    sib_code code = copy_arrays(c, g, copy);
    if (code != SIB_OK)
        copy->n_nodes = 0;
    for (node_id i = 0; i < copy->n_nodes && code == SIB_OK; i++)
        code = copy_attributes(c, g, copy, &copy->nodes[i], depth);
    if (code != SIB_OK)
        graph_free(&copy);
    *out = copy;
    return code;
}

sib_code graph_copy(const graph *g, graph_arena *arena, dim_table *dims, graph **out, sib_error *err)
{
    copying c = {arena, dims, err};
    return copy_graph(&c, g, 0, out);
}
