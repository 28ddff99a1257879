/* Helpers that build graphs for the tests of graph/. */
#ifndef TESTS_GRAPH_MAKE_H
#define TESTS_GRAPH_MAKE_H

#include "base/alloc.h"
#include "check.h"
#include "graph/graph.h"

typedef struct world {
    graph_arena *arena;
    dim_table *dims;
    graph *g;
    sib_error err;
} world;

static inline void world_begin(world *w)
{
    memset(w, 0, sizeof *w);
    CHECK_OK(arena_create(&w->arena, &w->err), w->err);
    CHECK_OK(dim_table_create(&w->dims, &w->err), w->err);
    CHECK_OK(graph_create(w->arena, w->dims, &w->g, &w->err), w->err);
}

static inline void world_end(world *w)
{
    graph_free(&w->g);
    dim_table_free(&w->dims);
    arena_free(&w->arena);
}

static inline value_type floats(world *w, int64_t n)
{
    return type_of_dims(w->dims, SIB_F32, 1, &n);
}

/* A value of g, float32 [3] by default. */
static inline value_id make_value(world *w, graph *g, const char *name, const value_type *type)
{
    value_type three = floats(w, 3);
    value_id v = NO_VALUE;
    CHECK_OK(graph_add_value(g, str_of(name), type ? type : &three, &v, &w->err), w->err);
    return v;
}

static inline value_id make_input(world *w, const char *name)
{
    value_id v = make_value(w, w->g, name, NULL);
    CHECK_OK(graph_add_input(w->g, v, &w->err), w->err);
    return v;
}

/* A node of an operator with one output, and attributes (n). */
static inline node make_node(const char *type, const char *name, id_list inputs, id_list outputs, size_t n,
                             attribute *attributes)
{
    return (node){.domain = {"", 0},
                  .type = str_of(type),
                  .name = str_of(name),
                  .version = 13,
                  .inputs = inputs,
                  .outputs = outputs,
                  .n_attributes = n,
                  .attributes = attributes,
                  .origin = NO_NODE};
}

#define IDS(...) ((id_list){sizeof((value_id[]){__VA_ARGS__}) / sizeof(value_id), (value_id[]){__VA_ARGS__}})

/* y = type(inputs); returns y. */
static inline value_id add_op(world *w, graph *g, const char *type, id_list inputs, const char *out)
{
    value_id y = make_value(w, g, out, NULL);
    node n = make_node(type, out, inputs, (id_list){1, &y}, 0, NULL);
    node_id id;
    CHECK_OK(graph_add_node(g, &n, &id, &w->err), w->err);
    return y;
}

/* A subgraph of w->g that captures `outer` and returns Neg of it; no node holds it yet. */
static inline graph *make_inside(world *w, value_id outer)
{
    graph *inside = NULL;
    value_id inner;
    CHECK_OK(graph_create(w->arena, w->dims, &inside, &w->err), w->err);
    inside->outer = w->g;
    CHECK_OK(graph_capture(inside, outer, &inner, &w->err), w->err);
    value_id y = add_op(w, inside, "Neg", IDS(inner), "inside");
    CHECK_OK(graph_add_output(inside, y, &w->err), w->err);
    return inside;
}

/* A node of w->g that holds a subgraph; returns its output. */
static inline value_id add_holder(world *w, graph *inside, const char *out)
{
    attribute body = {.name = str_of("body"), .kind = ATTR_GRAPH, .graph = inside};
    value_id y = make_value(w, w->g, out, NULL);
    node n = make_node("Hold", out, (id_list){0, NULL}, (id_list){1, &y}, 1, &body);
    node_id id;
    CHECK_OK(graph_add_node(w->g, &n, &id, &w->err), w->err);
    return y;
}

#endif
