#include "graph/part.h"

#include "base/alloc.h"
#include "base/error.h"
#include "graph/copy.h"
#include "graph/pass.h"

typedef struct parting {
    graph *g;         /* the copy, reduced in place */
    bool *used;       /* (n_values) what the outputs depend on */
    bool *needed;     /* (n_nodes) */
    value_id *values; /* (n_values) new ids */
    node_id *nodes;   /* (n_nodes) new ids */
    graph_arena *arena;
    sib_error *err;
} parting;

/* Visits nodes from last to first: a node's inputs are produced before it. */
static void mark(parting *p)
{
    const graph *g = p->g;
    for (node_id i = g->n_nodes; i-- > 0;) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->outputs.n; k++)
            p->needed[i] |= n->outputs.ids[k] != NO_VALUE && p->used[n->outputs.ids[k]];
        if (!p->needed[i])
            continue;
        for (uint32_t k = 0; k < n->inputs.n; k++)
            if (n->inputs.ids[k] != NO_VALUE)
                p->used[n->inputs.ids[k]] = true;
        for (uint32_t k = 0; k < n->outputs.n; k++) /* also unused outputs: the node produces them */
            if (n->outputs.ids[k] != NO_VALUE)
                p->used[n->outputs.ids[k]] = true;
        pass_mark_captures(g, n, p->used);
    }
}

/* Renumbers the list into the arena: another graph may share the old one. */
static sib_code renumber(const parting *p, id_list *list)
{
    uint32_t *ids = arena_alloc(p->arena, list->n ? list->n : 1, sizeof *ids);
    if (!ids)
        return err_memory(p->err, list->n * sizeof *ids, "a part of a graph");
    for (uint32_t i = 0; i < list->n; i++)
        ids[i] = list->ids[i] == NO_VALUE ? NO_VALUE : p->values[list->ids[i]];
    list->ids = ids;
    return SIB_OK;
}

static void move_captures(const parting *p, const node *n)
{
    for (size_t k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        size_t count = a->kind == ATTR_GRAPH ? 1 : a->kind == ATTR_GRAPHS ? a->n : 0;
        for (size_t j = 0; j < count; j++) {
            graph *inside = a->kind == ATTR_GRAPH ? a->graph : a->graphs[j];
            for (uint32_t i = 0; inside && inside->outer == p->g && i < inside->n_captures; i++)
                inside->captures[i].outer = p->values[inside->captures[i].outer];
        }
    }
}

/* Frees the subgraphs of a node that is removed. */
static void drop_inside(const parting *p, const node *n)
{
    for (size_t k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        size_t count = a->kind == ATTR_GRAPH ? 1 : a->kind == ATTR_GRAPHS ? a->n : 0;
        for (size_t j = 0; j < count; j++) {
            graph *inside = a->kind == ATTR_GRAPH ? a->graph : a->graphs[j];
            if (inside && inside->outer == p->g)
                graph_free(&inside);
        }
    }
}

static sib_code shrink_nodes(parting *p)
{
    graph *g = p->g;
    sib_code code = SIB_OK;
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++)
        if (p->needed[i]) {
            code = renumber(p, &g->nodes[i].inputs);
            if (code == SIB_OK)
                code = renumber(p, &g->nodes[i].outputs);
        }
    if (code != SIB_OK)
        return code;
    node_id n = 0;
    for (node_id i = 0; i < g->n_nodes; i++) {
        p->nodes[i] = p->needed[i] ? n : NO_NODE;
        if (!p->needed[i]) {
            drop_inside(p, &g->nodes[i]);
            continue;
        }
        move_captures(p, &g->nodes[i]);
        g->nodes[n++] = g->nodes[i];
    }
    g->n_nodes = n;
    return SIB_OK;
}

static void shrink_values(const parting *p)
{
    graph *g = p->g;
    uint32_t n = 0, inputs = 0;
    for (value_id v = 0; v < g->n_values; v++)
        if (p->used[v]) {
            g->values[n] = g->values[v];
            if (g->values[n].producer != NO_NODE)
                g->values[n].producer = p->nodes[g->values[n].producer];
            n++;
        }
    g->n_values = n;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (p->used[g->inputs.ids[i]])
            g->inputs.ids[inputs++] = p->values[g->inputs.ids[i]];
    g->inputs.n = inputs;
}

/* Keeps the quantization annotations, by name, of the values that stay. */
static sib_code shrink_quant(const parting *p)
{
    graph *g = p->g;
    size_t n = 0;
    quant_annotation *kept = arena_alloc(p->arena, g->n_quant ? g->n_quant : 1, sizeof *kept);
    if (!kept)
        return err_memory(p->err, g->n_quant * sizeof *kept, "a part of a graph");
    for (size_t i = 0; i < g->n_quant; i++)
        for (value_id v = 0; v < g->n_values; v++)
            if (str_same(g->values[v].name, g->quant[i].tensor)) {
                kept[n++] = g->quant[i];
                break;
            }
    g->quant = kept;
    g->n_quant = n;
    return SIB_OK;
}

/* Reduces the copy to `outputs`; on failure it is still a graph that can be freed. */
static sib_code shrink(parting *p, const value_id *outputs, size_t n)
{
    graph *g = p->g;
    uint32_t count = 0;
    g->outputs.n = 0;
    for (size_t i = 0; i < n; i++) {
        if (outputs[i] >= g->n_values)
            return err_set(p->err, SIB_ERR_ARGUMENT, "value %u of %u cannot be an output", outputs[i],
                           g->n_values);
        p->used[outputs[i]] = true;
    }
    mark(p);
    for (value_id v = 0; v < g->n_values; v++)
        p->values[v] = p->used[v] ? count++ : NO_VALUE;
    sib_code code = SIB_OK;
    mem_free(g->outputs.ids);
    g->outputs = (id_list){0};
    for (size_t i = 0; i < n && code == SIB_OK; i++)
        code = graph_add_output(g, p->values[outputs[i]], p->err);
    if (code == SIB_OK)
        code = shrink_nodes(p);
    if (code == SIB_OK)
        shrink_values(p);
    return code == SIB_OK ? shrink_quant(p) : code;
}

sib_code graph_part(const graph *g, const value_id *outputs, size_t n, graph_arena *arena, dim_table *dims,
                    value_id *moved_values, node_id *moved_nodes, graph **out, sib_error *err)
{
    parting p = {.arena = arena, .err = err};
    sib_code code = graph_copy(g, arena, dims, out, err);
    if (code != SIB_OK)
        return code;
    p.g = *out;
    p.used = mem_calloc((size_t)g->n_values + 1, sizeof *p.used);
    p.needed = mem_calloc((size_t)g->n_nodes + 1, sizeof *p.needed);
    p.values = mem_calloc((size_t)g->n_values + 1, sizeof *p.values);
    p.nodes = mem_calloc((size_t)g->n_nodes + 1, sizeof *p.nodes);
    if (!p.used || !p.needed || !p.values || !p.nodes)
        code = err_memory(err, g->n_values * sizeof *p.values, "a part of a graph");
    if (code == SIB_OK)
        code = shrink(&p, outputs, n);
    for (value_id v = 0; code == SIB_OK && moved_values && v < g->n_values; v++)
        moved_values[v] = p.values[v];
    for (node_id i = 0; code == SIB_OK && moved_nodes && i < g->n_nodes; i++)
        moved_nodes[i] = p.nodes[i];
    mem_free(p.used);
    mem_free(p.needed);
    mem_free(p.values);
    mem_free(p.nodes);
    if (code != SIB_OK)
        graph_free(out);
    return code;
}
