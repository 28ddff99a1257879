/* Checks the invariants of graph.h. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/names.h"
#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

/* Max nesting of subgraphs. */
#define DEPTH_MAX 64

/* Roles of a value. */
typedef enum mark { MARK_INPUT = 1, MARK_CAPTURE = 2, MARK_OUTPUT = 4 } mark;

/* State of checking one graph. */
typedef struct check {
    const graph *g;
    uint8_t *marks; /* (n_values) */
    sib_error *err;
} check;

static sib_code broken(const check *c, const node *n, value_id v, const char *what)
{
    const graph *g = c->g;
    char by[160] = "", text[140], name[80] = "";
    if (n)
        snprintf(by, sizeof by, "node %s: ", node_text(g, n, text, sizeof text));
    if (v < g->n_values && g->values[v].name.length)
        snprintf(name, sizeof name, " ('%.60s')", g->values[v].name.data);
    return err_set(c->err, SIB_ERR_FORMAT, "%svalue %u%s %s", by, v, name, what);
}

static bool exists(const check *c, value_id v)
{
    return v < c->g->n_values;
}

/* ---- Values ------------------------------------------------------------------------------------------- */

/* Names are unique. */
static sib_code verify_names(const check *c)
{
    const graph *g = c->g;
    name_map seen = {0};
    sib_code code = SIB_OK;
    for (uint32_t v = 0; v < g->n_values && code == SIB_OK; v++) {
        sib_str name = g->values[v].name;
        uint32_t other;
        if (!name.length)
            continue;
        if (name_map_find(&seen, name, &other))
            code = broken(c, NULL, v, "has the name of another value");
        else if (!name_map_put(&seen, name, v))
            code = err_memory(c->err, name.length, "the names of a graph");
    }
    name_map_clear(&seen);
    return code;
}

static sib_code verify_type(const check *c, value_id v, const value_type *t)
{
    if (t->depth > TYPE_MAX_DEPTH)
        return broken(c, NULL, v, "has a type that nests too deep");
    if (t->shape.ranked && t->shape.rank > SIB_MAX_RANK)
        return broken(c, NULL, v, "has too high a rank");
    for (int i = 0; t->shape.ranked && i < t->shape.rank; i++)
        if (t->shape.dims[i].id && !dim_known(c->g->dims, t->shape.dims[i]))
            return broken(c, NULL, v, "has a dim that is not in the graph's table");
    return SIB_OK;
}

/* A producer lists the value among its outputs, a constant of the file has no producer, and types are
   consistent. */
static sib_code verify_value(const check *c, value_id v)
{
    const graph *g = c->g;
    const value *x = &g->values[v];
    sib_code code = verify_type(c, v, &x->type);
    if (code == SIB_OK)
        code = verify_type(c, v, &x->declared);
    if (code != SIB_OK || x->producer == NO_NODE)
        return code;
    if (x->producer >= g->n_nodes)
        return broken(c, NULL, v, "has a producer that does not exist");
    const node *n = &g->nodes[x->producer];
    bool listed = false;
    for (uint32_t i = 0; !listed && i < n->outputs.n; i++)
        listed = n->outputs.ids[i] == v;
    if (!listed)
        return broken(c, n, v, "is not among the outputs of its producer");
    if (x->from_file && x->constant)
        return broken(c, n, v, "is an initializer and also an output of a node");
    return SIB_OK;
}

/* ---- Inputs, captures, outputs
   -------------------------------------------------------------------------- */

/* Marks a value that the graph is given: an input or a capture. */
static sib_code enter(const check *c, value_id v, mark as, const char *what)
{
    if (!exists(c, v))
        return broken(c, NULL, v,
                      as == MARK_INPUT ? "is an input that does not exist"
                                       : "is the inner value of a capture and does not exist");
    if (c->g->values[v].producer != NO_NODE)
        return broken(c, NULL, v,
                      as == MARK_INPUT ? "is an input and also an output of a node"
                                       : "is the inner value of a capture and also an output of a node");
    if (c->marks[v] & (MARK_INPUT | MARK_CAPTURE))
        return broken(c, NULL, v, what);
    c->marks[v] |= (uint8_t)as;
    return SIB_OK;
}

static sib_code verify_captures(const check *c)
{
    const graph *g = c->g;
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < g->n_captures && code == SIB_OK; i++) {
        if (!g->outer || g->captures[i].outer >= g->outer->n_values)
            return broken(c, NULL, g->captures[i].outer, "is captured and does not exist in the outer graph");
        code = enter(c, g->captures[i].inner, MARK_CAPTURE,
                     "is the inner value of two captures, or of a capture and an input");
    }
    return code;
}

/* True where v has elements when the graph runs. Nameless values are given from outside by the owner of
   the graph, a plan. */
static bool is_there(const check *c, value_id v)
{
    const value *x = &c->g->values[v];
    return x->producer != NO_NODE || x->constant || !x->name.length ||
           c->marks[v] & (MARK_INPUT | MARK_CAPTURE);
}

static sib_code verify_ends(const check *c)
{
    const graph *g = c->g;
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < g->inputs.n && code == SIB_OK; i++)
        code = enter(c, g->inputs.ids[i], MARK_INPUT, "is an input twice");
    if (code == SIB_OK)
        code = verify_captures(c);
    for (uint32_t i = 0; i < g->outputs.n && code == SIB_OK; i++) {
        value_id v = g->outputs.ids[i];
        if (!exists(c, v))
            code = broken(c, NULL, v, "is an output that does not exist");
        else if (!is_there(c, v))
            code = broken(c, NULL, v, "is an output without a producer");
    }
    return code;
}

/* ---- Nodes -------------------------------------------------------------------------------------------- */

static sib_code verify_inputs(const check *c, node_id id)
{
    const graph *g = c->g;
    const node *n = &g->nodes[id];
    for (uint32_t i = 0; i < n->inputs.n; i++) {
        value_id v = n->inputs.ids[i];
        if (v == NO_VALUE)
            continue;
        if (!exists(c, v))
            return broken(c, n, v, "is read but does not exist");
        if (g->values[v].producer != NO_NODE && g->values[v].producer >= id)
            return broken(c, n, v, "is read before its producer");
        if (!is_there(c, v))
            return broken(c, n, v, "is read but has no producer");
    }
    return SIB_OK;
}

static sib_code verify_outputs(const check *c, node_id id)
{
    const graph *g = c->g;
    const node *n = &g->nodes[id];
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        value_id v = n->outputs.ids[i];
        if (v == NO_VALUE)
            continue;
        if (!exists(c, v))
            return broken(c, n, v, "is an output of a node but does not exist");
        if (g->values[v].producer != id)
            return broken(c, n, v, "is an output of a node that is not its producer");
        if (c->marks[v] & MARK_OUTPUT)
            return broken(c, n, v, "occurs twice among the outputs of its producer");
        if (g->values[v].constant && !g->values[v].from_file && n->milli)
            return broken(c, n, v, "is a constant and also an output of a node");
        c->marks[v] |= MARK_OUTPUT;
    }
    return SIB_OK;
}

static sib_code verify_at(const graph *g, unsigned depth, sib_error *err);

/* What a subgraph captures is produced before the node that holds it. */
static sib_code verify_inside(const check *c, node_id id, const graph *inside, unsigned depth)
{
    const node *n = &c->g->nodes[id];
    if (!inside)
        return SIB_OK;
    if (inside->outer != c->g) /* a plan's nodes refer to subgraphs of their model, which are checked there */
        return SIB_OK;
    for (uint32_t i = 0; i < inside->n_captures; i++) {
        value_id v = inside->captures[i].outer;
        if (!exists(c, v))
            return broken(c, n, v, "is captured and does not exist in the outer graph");
        if (c->g->values[v].producer != NO_NODE && c->g->values[v].producer >= id)
            return broken(c, n, v, "is captured before its producer");
        if (!is_there(c, v))
            return broken(c, n, v, "is captured but has no producer");
    }
    return verify_at(inside, depth + 1, c->err);
}

static sib_code verify_node(const check *c, node_id id, unsigned depth)
{
    const node *n = &c->g->nodes[id];
    sib_code code = verify_inputs(c, id);
    if (code == SIB_OK)
        code = verify_outputs(c, id);
    for (size_t k = 0; k < n->n_attributes && code == SIB_OK; k++) {
        const attribute *a = &n->attributes[k];
        if (a->kind == ATTR_GRAPH)
            code = verify_inside(c, id, a->graph, depth);
        for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n && code == SIB_OK; j++)
            code = verify_inside(c, id, a->graphs[j], depth);
    }
    return code;
}

static sib_code verify_all(const check *c, unsigned depth)
{
    sib_code code = verify_ends(c);
    for (value_id v = 0; v < c->g->n_values && code == SIB_OK; v++)
        code = verify_value(c, v);
    if (code == SIB_OK)
        code = verify_names(c);
    for (node_id i = 0; i < c->g->n_nodes && code == SIB_OK; i++)
        code = verify_node(c, i, depth);
    return code;
}

static sib_code verify_at(const graph *g, unsigned depth, sib_error *err)
{
    if (depth > DEPTH_MAX)
        return err_set(err, SIB_ERR_SIZE, "subgraphs are nested more than %d deep", DEPTH_MAX);
    check c = {g, mem_calloc((size_t)g->n_values + 1, sizeof *c.marks), err};
    if (!c.marks)
        return err_memory(err, g->n_values, "verifying a graph");
    sib_code code = verify_all(&c, depth);
    mem_free(c.marks);
    return code;
}

sib_code graph_verify(const graph *g, sib_error *err)
{
    return verify_at(g, 0, err);
}
