#include "graph/graph.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"

#include <stdio.h>
#include <string.h>

const char *node_text(const graph *g, const node *n, char *text, size_t size)
{
    const char *type = n->type.data ? n->type.data : "";
    if (n->name.length)
        snprintf(text, size, "'%.*s' (%.*s)", (int)n->name.length, n->name.data, (int)n->type.length, type);
    else
        snprintf(text, size, "%lld (%.*s)", (long long)(n - g->nodes), (int)n->type.length, type);
    return text;
}

/* ---- Construction ------------------------------------------------------------------------------------- */

sib_code graph_create(graph_arena *arena, dim_table *dims, graph **out, sib_error *err)
{
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a graph");
    SIB_ASSERT(arena && dims);
    (*out)->arena = arena;
    (*out)->dims = dims;
    return SIB_OK;
}

static void free_arrays(graph *g)
{
    mem_free(g->values);
    mem_free(g->nodes);
    mem_free(g->inputs.ids);
    mem_free(g->outputs.ids);
    mem_free(g->captures);
    mem_free(g);
}

/* Puts a subgraph that g owns at the front of the list of graphs to free. The graph of a plan may refer to
   subgraphs of its model. */
static void put_off(const graph *g, graph *inside, graph **pending)
{
    if (!inside || inside->outer != g)
        return;
    SIB_ASSERT(inside->arena == g->arena);
    inside->outer = *pending;
    *pending = inside;
}

void graph_free(graph **gp)
{
    graph *pending = *gp; /* a list linked by `outer`, which avoids recursion as deep as the file nests */
    if (pending)
        pending->outer = NULL;
    while (pending) {
        graph *g = pending;
        pending = g->outer;
        for (uint32_t i = 0; i < g->n_nodes; i++)
            for (size_t k = 0; k < g->nodes[i].n_attributes; k++) {
                const attribute *a = &g->nodes[i].attributes[k];
                if (a->kind == ATTR_GRAPH)
                    put_off(g, a->graph, &pending);
                for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++)
                    put_off(g, a->graphs[j], &pending);
            }
        free_arrays(g);
    }
    *gp = NULL;
}

/* Makes room for one more item in an array. */
static sib_code grow(void *items, uint32_t n, size_t *capacity, size_t size, const char *what, sib_error *err)
{
    if (n < *capacity)
        return SIB_OK;
    if (n >= UINT32_MAX / 2)
        return err_set(err, SIB_ERR_SIZE, "a graph has too many %s", what);
    return array_grow(items, capacity, (size_t)n + 1, size, what, err);
}

sib_code graph_add_value(graph *g, sib_str name, const value_type *type, value_id *out, sib_error *err)
{
    bool ok = true;
    sib_code code = grow(&g->values, g->n_values, &g->value_capacity, sizeof *g->values, "values", err);
    if (code != SIB_OK)
        return code;
    if (!arena_charge(g->arena, sizeof *g->values))
        return err_memory(err, sizeof *g->values, "a value");
    value v = {.type = type ? *type : (value_type){0}, .producer = NO_NODE};
    v.name = name.length ? arena_string(g->arena, name, &ok) : (sib_str){"", 0};
    if (!ok)
        return err_memory(err, name.length, "a name");
    SIB_ASSERT(v.type.depth <= TYPE_MAX_DEPTH && v.type.shape.rank <= SIB_MAX_RANK);
    SIB_ASSERT(g->n_values < g->value_capacity && g->n_values < NO_VALUE);
    g->values[g->n_values] = v;
    *out = g->n_values++;
    return SIB_OK;
}

static bool copy_ids(graph_arena *arena, const id_list *from, id_list *to)
{
    *to = (id_list){from->n, NULL};
    if (!from->n)
        return true;
    to->ids = arena_alloc(arena, from->n, sizeof *to->ids);
    if (to->ids)
        memcpy(to->ids, from->ids, from->n * sizeof *to->ids);
    return to->ids != NULL;
}

static bool copy_list(graph_arena *arena, const void **list, size_t n, size_t size)
{
    void *copy = arena_alloc(arena, n ? n : 1, size);
    if (copy && n)
        memcpy(copy, *list, n * size);
    *list = copy;
    return copy != NULL;
}

/* Copies the lists of an attribute. Names of milli-ops are static; those from files are in the arena
   already. */
static bool copy_attribute(graph_arena *arena, attribute *a)
{
    switch (a->kind) {
    case ATTR_INTS:
        return copy_list(arena, (const void **)&a->ints, a->n, sizeof *a->ints);
    case ATTR_FLOATS:
        return copy_list(arena, (const void **)&a->floats, a->n, sizeof *a->floats);
    case ATTR_STRINGS:
        return copy_list(arena, (const void **)&a->strings, a->n, sizeof *a->strings);
    case ATTR_TENSORS:
    case ATTR_SPARSE:
        return copy_list(arena, (const void **)&a->tensors, a->n, sizeof *a->tensors);
    case ATTR_GRAPHS:
        return copy_list(arena, (const void **)&a->graphs, a->n, sizeof *a->graphs);
    case ATTR_TYPE:
        return copy_list(arena, (const void **)&a->type, 1, sizeof *a->type);
    default:
        return true;
    }
}

sib_code node_copy(graph_arena *arena, const node *n, node *out, sib_error *err)
{
    *out = *n;
    out->attributes = NULL;
    bool ok = copy_ids(arena, &n->inputs, &out->inputs) && copy_ids(arena, &n->outputs, &out->outputs);
    if (ok && n->n_attributes) {
        out->attributes = arena_alloc(arena, n->n_attributes, sizeof *out->attributes);
        ok = out->attributes != NULL;
        if (ok)
            memcpy(out->attributes, n->attributes, n->n_attributes * sizeof *out->attributes);
        for (size_t i = 0; i < n->n_attributes && ok; i++)
            ok = copy_attribute(arena, &out->attributes[i]);
    }
    return ok ? SIB_OK : err_memory(err, sizeof *out, "a node");
}

sib_code graph_add_node(graph *g, const node *n, node_id *out, sib_error *err)
{
    sib_code code = grow(&g->nodes, g->n_nodes, &g->node_capacity, sizeof *g->nodes, "nodes", err);
    if (code != SIB_OK)
        return code;
    for (uint32_t i = 0; i < n->inputs.n + n->outputs.n; i++) {
        value_id v = i < n->inputs.n ? n->inputs.ids[i] : n->outputs.ids[i - n->inputs.n];
        if (v != NO_VALUE && v >= g->n_values)
            return err_set(err, SIB_ERR_ARGUMENT, "a node names value %u of %u", v, g->n_values);
    }
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        value_id v = n->outputs.ids[i];
        if (v != NO_VALUE && g->values[v].producer != NO_NODE) {
            char here[120], there[120];
            return err_set(err, SIB_ERR_FORMAT, "value '%.*s' is an output of node %s and of node %s",
                           (int)g->values[v].name.length, g->values[v].name.data,
                           node_text(g, &g->nodes[g->values[v].producer], there, sizeof there),
                           node_text(g, n, here, sizeof here));
        }
    }
    node copy;
    if (!arena_charge(g->arena, sizeof *g->nodes))
        return err_memory(err, sizeof *g->nodes, "a node");
    code = node_copy(g->arena, n, &copy, err);
    if (code != SIB_OK)
        return code;
    SIB_ASSERT(g->n_nodes < g->node_capacity && g->n_nodes < NO_NODE);
    SIB_ASSERT(!copy.op || !copy.milli); /* never both */
    g->nodes[g->n_nodes] = copy;
    for (uint32_t i = 0; i < n->outputs.n; i++)
        if (n->outputs.ids[i] != NO_VALUE)
            g->values[n->outputs.ids[i]].producer = g->n_nodes;
    *out = g->n_nodes++;
    return SIB_OK;
}

static sib_code append(id_list *list, value_id v, sib_error *err)
{
    if ((list->n & (list->n - 1)) == 0) { /* 0 or a power of two: the capacity is used up */
        size_t taken = 0;
        sib_code code = ARRAY_RESERVE(list->ids, taken, list->n ? 2 * (size_t)list->n : 1,
                                      "the inputs and outputs of a graph", err);
        if (code != SIB_OK)
            return code;
    }
    list->ids[list->n++] = v;
    return SIB_OK;
}

sib_code graph_add_input(graph *g, value_id v, sib_error *err)
{
    SIB_ASSERT(v < g->n_values);
    return append(&g->inputs, v, err);
}

sib_code graph_add_output(graph *g, value_id v, sib_error *err)
{
    SIB_ASSERT(v < g->n_values);
    return append(&g->outputs, v, err);
}

sib_code graph_capture(graph *g, value_id outer, value_id *inner, sib_error *err)
{
    for (uint32_t i = 0; i < g->n_captures; i++)
        if (g->captures[i].outer == outer) {
            *inner = g->captures[i].inner;
            return SIB_OK;
        }
    SIB_ASSERT(g->outer && outer < g->outer->n_values);
    const value *v = &g->outer->values[outer];
    sib_code code =
        grow(&g->captures, g->n_captures, &g->capture_capacity, sizeof *g->captures, "captures", err);
    if (code == SIB_OK)
        code = graph_add_value(g, v->name, &v->type, inner, err);
    if (code == SIB_OK)
        g->captures[g->n_captures++] = (capture){outer, *inner};
    return code;
}

/* The constant of a value of this graph, or the one that a Constant node holds. */
static const sib_tensor *constant_at(const graph *g, value_id v)
{
    SIB_ASSERT(v < g->n_values);
    const value *x = &g->values[v];
    if (x->constant || x->producer == NO_NODE)
        return x->constant;
    SIB_ASSERT(x->producer < g->n_nodes);
    const node *n = &g->nodes[x->producer];
    if (n->milli || n->domain.length || !str_is(n->type, "Constant"))
        return NULL;
    const attribute *a = node_attribute(n, "value");
    return a && a->kind == ATTR_TENSOR ? a->tensor : NULL;
}

const sib_tensor *graph_find_constant(const graph *g, value_id v)
{
    const sib_tensor *found = NULL;
    while (g && !(found = constant_at(g, v))) {
        uint32_t i = 0;
        while (i < g->n_captures && g->captures[i].inner != v)
            i++;
        if (i == g->n_captures)
            return NULL;
        v = g->captures[i].outer;
        g = g->outer;
    }
    for (uint32_t i = 0; g && i < g->inputs.n; i++)
        if (g->inputs.ids[i] == v)
            return NULL;
    return found;
}

/* ---- Attributes -------------------------------------------------------------------------------------- */

const attribute *node_attribute(const node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attributes; i++)
        if (str_is(n->attributes[i].name, name))
            return &n->attributes[i];
    return NULL;
}
