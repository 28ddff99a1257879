/* Gradient: lowers the nodes between xs and y once more, and differentiates the result backwards. */
#include "ops/training/gradient.h"

#include "base/alloc.h"

#include <string.h>

/* Max order of derivatives. */
#define ORDER_LIMIT 3

/* The value of a graph with this name, or NO_VALUE. */
static value_id value_named(const graph *g, sib_str name)
{
    for (uint32_t i = 0; i < g->n_values; i++)
        if (str_same(g->values[i].name, name))
            return i;
    return NO_VALUE;
}

/* The node of g that makes v, or NO_NODE. Values count by the graph that they were read in. */
static node_id producer_of(const graph *g, value_id v)
{
    for (node_id i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].outputs.n; k++)
            if (g->nodes[i].outputs.ids[k] == v)
                return i;
    return NO_NODE;
}

/* The part of a graph between given values and y, as a separate graph over the same values. */
typedef struct stretch {
    const graph *source;
    uint32_t end; /* nodes that precede the Gradient; only these count */
    bool *wanted; /* (source->n_values) true for y and what it depends on */
    bool *given;  /* (source->n_values) true for xs and zs */
    graph part;   /* the nodes, inputs, outputs and captures of the part */
} stretch;

static bool any_wanted(const stretch *s, const node *n)
{
    for (uint32_t i = 0; i < n->outputs.n; i++)
        if (n->outputs.ids[i] != NO_VALUE && s->wanted[n->outputs.ids[i]] && !s->given[n->outputs.ids[i]])
            return true;
    return false;
}

/* Marks the inputs of node n as wanted. A Gradient also needs what its own y depends on. */
static void want_inputs(stretch *s, const node *n)
{
    for (uint32_t i = 0; i < n->inputs.n; i++)
        if (n->inputs.ids[i] != NO_VALUE)
            s->wanted[n->inputs.ids[i]] = true;
    if (str_is(n->type, "Gradient")) {
        value_id y = value_named(s->source, spec_gradient(n).y);
        if (y != NO_VALUE)
            s->wanted[y] = true;
    }
}

/* Sets s->part from s->given and y; its lists come from the arena. Returns false where memory is short. */
static bool cut_stretch(lowering *l, stretch *s, value_id y)
{
    const graph *g = s->source;
    graph *part = &s->part;
    *part = *g;
    part->n_nodes = part->n_captures = 0;
    part->nodes = arena_alloc(l->graph->arena, g->n_nodes + 1, sizeof *part->nodes);
    part->captures = arena_alloc(l->graph->arena, g->n_values + 1, sizeof *part->captures);
    part->outputs.ids = arena_alloc(l->graph->arena, 1, sizeof *part->outputs.ids);
    if (!part->nodes || !part->captures || !part->outputs.ids)
        return false;
    part->outputs.n = 1;
    part->outputs.ids[0] = y;
    s->wanted[y] = true;
    for (uint32_t i = s->end; i-- > 0;)
        if (any_wanted(s, &g->nodes[i])) {
            want_inputs(s, &g->nodes[i]);
            part->nodes[s->end - 1 - part->n_nodes++] = g->nodes[i];
        }
    memmove(part->nodes, part->nodes + s->end - part->n_nodes, part->n_nodes * sizeof *part->nodes);
    for (uint32_t i = 0; i < part->n_nodes; i++)
        for (uint32_t k = 0; k < part->nodes[i].outputs.n; k++)
            if (part->nodes[i].outputs.ids[k] != NO_VALUE)
                s->wanted[part->nodes[i].outputs.ids[k]] = false;
    for (uint32_t v = 0; v < g->n_values; v++) /* the remaining values come from the graph around it */
        if (s->wanted[v] && !s->given[v])
            part->captures[part->n_captures++] = (capture){v, v};
    return true;
}

/* Propagates dy/dy = 1 backwards over the milli-ops [first, end) that computed y. */
static void walk_back(lowering *l, gradient_pass *p, node_id first, node_id end, mval y)
{
    p->grads[y.id] = m_broadcast_like(l, m_scalar_like(l, y, 1), y);
    for (node_id i = end; i-- > first && l_ok(l);) {
        node n = l->graph->nodes[i]; /* a copy: the array moves while milli-ops are appended */
        mval g[8];
        bool flows = false;
        for (uint32_t k = 0; k < n.outputs.n && k < 8; k++) {
            g[k] = p->grads[n.outputs.ids[k]];
            flows |= g[k].id != NO_VALUE && p->depends[n.outputs.ids[k]];
        }
        if (flows)
            gradient_through(l, p, &n, g);
    }
}

/* Extends p->depends over the nodes [first, end). */
static void mark_dependent(const graph *g, gradient_pass *p, node_id first, node_id end)
{
    for (node_id i = first; i < end; i++) {
        const node *n = &g->nodes[i];
        bool depends = false;
        for (uint32_t k = 0; k < n->inputs.n; k++)
            depends |= n->inputs.ids[k] != NO_VALUE && p->depends[n->inputs.ids[k]];
        for (uint32_t k = 0; k < n->outputs.n; k++)
            p->depends[n->outputs.ids[k]] |= depends;
    }
}

/* x as a new value that is never folded as a constant, so that what depends on it stays in the graph. */
static mval fresh_copy(lowering *l, mval x)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    sib_code (*fold)(lowering *, node_id, sib_error *) = l->fold;
    l->fold = NULL;
    mval copy = m_reshape(l, x, (size_t)rank, dims);
    l->fold = fold;
    return copy;
}

/* Lowers the stretch for inputs in (n_in) and sets dy/dx for the first n_xs of them. */
static void differentiate(lowering *l, stretch *s, size_t n_in, size_t n_xs, mval *in)
{
    mval y;
    for (size_t i = 0; i < n_xs; i++)
        in[i] = fresh_copy(l, in[i]);
    node_id first = l->graph->n_nodes;
    l_inline(l, &s->part, n_in, in, 1, &y);
    if (!l_ok(l))
        return;
    node_id end = l->graph->n_nodes;
    gradient_pass p = {.n_values = l->graph->n_values};
    p.depends = arena_alloc(l->graph->arena, p.n_values, sizeof *p.depends);
    p.grads = arena_alloc(l->graph->arena, p.n_values, sizeof *p.grads);
    if (!p.depends || !p.grads) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for %u gradients", p.n_values);
        return;
    }
    for (uint32_t v = 0; v < p.n_values; v++)
        p.grads[v] = MVAL_NONE;
    for (size_t i = 0; i < n_xs; i++)
        p.depends[in[i].id] = true;
    mark_dependent(l->graph, &p, first, end);
    if (!m_is(l, y, SIB_KIND_FLOAT)) {
        l_fail(l, SIB_ERR_ARGUMENT, "y is %s, expected floats", sib_dtype_name(m_dtype(l, y)));
        return;
    }
    walk_back(l, &p, first, end, y);
    for (size_t i = 0; i < n_xs && l_ok(l); i++) {
        mval g = p.grads[in[i].id];
        l_out(l, i, g.id == NO_VALUE ? m_broadcast_like(l, m_scalar_like(l, in[i], 0), in[i]) : g);
    }
}

/* Reads the names of a list attribute as inputs of the stretch. */
static void name_inputs(lowering *l, stretch *s, const sib_str *names, size_t n)
{
    for (size_t i = 0; i < n && l_ok(l); i++) {
        value_id v = value_named(s->source, names[i]);
        if (v == NO_VALUE) {
            l_fail(l, SIB_ERR_ARGUMENT, "there is no value '%.*s'", (int)names[i].length, names[i].data);
            return;
        }
        s->given[v] = true;
        s->part.inputs.ids[s->part.inputs.n++] = v;
    }
}

/* dy/dx for each of xs at the given values, by reverse-mode differentiation of the nodes between; where y is
   not differentiable, one side's derivative. ai.onnx.preview.training Gradient-1. */
void lower_TRAINING_Gradient(lowering *l, const node *n)
{
    gradient_spec spec = spec_gradient(n);
    size_t n_xs = spec.xs.n, n_zs = spec.zs.n;
    stretch s = {.source = l->source, .end = (uint32_t)(n - l->source->nodes)};
    size_t n_in = n_xs + n_zs;
    if (l->depth >= ORDER_LIMIT) {
        l_fail(l, SIB_ERR_UNSUPPORTED, "derivatives of more than order %d are not supported", ORDER_LIMIT);
        return;
    }
    if (n_in != n->inputs.n) {
        l_fail(l, SIB_ERR_ARGUMENT, "%u inputs for %zu names in xs and zs", n->inputs.n, n_in);
        return;
    }
    for (size_t i = 0; i < n_xs; i++) {
        mval x = l_in(l, i);
        const value_type type = *m_type(l, x);
        l_declare_type(l, i, type);
    }
    mval *in = arena_alloc(l->graph->arena, n_in + 1, sizeof *in);
    s.wanted = arena_alloc(l->graph->arena, l->source->n_values + 1, sizeof *s.wanted);
    s.given = arena_alloc(l->graph->arena, l->source->n_values + 1, sizeof *s.given);
    uint32_t *ids = arena_alloc(l->graph->arena, n_in + 1, sizeof *ids);
    s.part.inputs.ids = ids;
    if (!in || !s.wanted || !s.given || !ids) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for the nodes between");
        return;
    }
    for (size_t i = 0; i < n_in; i++)
        in[i] = l_in(l, i);
    name_inputs(l, &s, spec.xs.v, n_xs);
    name_inputs(l, &s, spec.zs.v, n_zs);
    value_id y = value_named(l->source, spec.y);
    if (l_ok(l) && y == NO_VALUE)
        l_fail(l, SIB_ERR_ARGUMENT, "y does not name a value");
    node_id maker = l_ok(l) ? producer_of(l->source, y) : NO_NODE;
    if (maker != NO_NODE && maker >= s.end)
        l_fail(l, SIB_ERR_ARGUMENT, "y depends on the result of Gradient");
    id_list inputs = s.part.inputs;
    if (!l_ok(l))
        return;
    if (!cut_stretch(l, &s, y)) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for the nodes between");
        return;
    }
    s.part.inputs = inputs;
    differentiate(l, &s, n_in, n_xs, in);
}
