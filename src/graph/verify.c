/* The invariants of graph.h, checked. */
#include "base/error.h"
#include "graph/graph.h"

static sib_code broken(const graph *g, const node *n, value_id v, const char *what, sib_error *err)
{
    char text[120];
    if (n)
        return err_set(err, SIB_ERR_FORMAT, "node %s: value %u %s", node_text(g, n, text, sizeof text), v,
                       what);
    return err_set(err, SIB_ERR_FORMAT, "value %u %s", v, what);
}

static sib_code verify_node(const graph *g, node_id id, sib_error *err)
{
    const node *n = &g->nodes[id];
    for (uint32_t i = 0; i < n->inputs.n; i++) {
        value_id v = n->inputs.ids[i];
        if (v == NO_VALUE)
            continue;
        if (v >= g->n_values)
            return broken(g, n, v, "is read and does not exist", err);
        if (g->values[v].producer != NO_NODE && g->values[v].producer >= id)
            return broken(g, n, v, "is read before it is made", err);
    }
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        value_id v = n->outputs.ids[i];
        if (v == NO_VALUE)
            continue;
        if (v >= g->n_values)
            return broken(g, n, v, "is made and does not exist", err);
        if (g->values[v].producer != id)
            return broken(g, n, v, "is made by a node that is not its producer", err);
        if (g->values[v].constant && !g->values[v].from_file && n->milli)
            return broken(g, n, v, "is a constant and made by a node", err);
    }
    return SIB_OK;
}

static sib_code verify_ends(const graph *g, sib_error *err)
{
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        value_id v = g->inputs.ids[i];
        if (v >= g->n_values)
            return broken(g, NULL, v, "is an input and does not exist", err);
        if (g->values[v].producer != NO_NODE)
            return broken(g, NULL, v, "is an input and made by a node", err);
    }
    for (uint32_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.ids[i] >= g->n_values)
            return broken(g, NULL, g->outputs.ids[i], "is an output and does not exist", err);
    for (uint32_t i = 0; i < g->n_captures; i++) {
        if (!g->outer || g->captures[i].outer >= g->outer->n_values)
            return broken(g, NULL, g->captures[i].outer, "is captured and does not exist around the graph",
                          err);
        if (g->captures[i].inner >= g->n_values || g->values[g->captures[i].inner].producer != NO_NODE)
            return broken(g, NULL, g->captures[i].inner, "stands for a captured value and is made by a node",
                          err);
    }
    return SIB_OK;
}

/* Every producer lists what it makes. */
static sib_code verify_producers(const graph *g, sib_error *err)
{
    for (uint32_t v = 0; v < g->n_values; v++) {
        node_id p = g->values[v].producer;
        bool listed = p == NO_NODE;
        if (!listed && p >= g->n_nodes)
            return broken(g, NULL, v, "is made by a node that does not exist", err);
        for (uint32_t i = 0; !listed && i < g->nodes[p].outputs.n; i++)
            listed = g->nodes[p].outputs.ids[i] == v;
        if (!listed)
            return broken(g, &g->nodes[p], v, "is not among its outputs", err);
    }
    return SIB_OK;
}

static sib_code verify_at(const graph *g, unsigned depth, sib_error *err)
{
    if (depth > 64)
        return err_set(err, SIB_ERR_SIZE, "subgraphs stand more than 64 deep");
    sib_code code = verify_ends(g, err);
    if (code == SIB_OK)
        code = verify_producers(g, err);
    for (uint32_t i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        code = verify_node(g, i, err);
        for (size_t k = 0; k < n->n_attributes && code == SIB_OK; k++) {
            const attribute *a = &n->attributes[k];
            size_t inside = a->kind == ATTR_GRAPH ? 1 : a->kind == ATTR_GRAPHS ? a->n : 0;
            for (size_t j = 0; j < inside && code == SIB_OK; j++) {
                const graph *sub = a->kind == ATTR_GRAPH ? a->graph : a->graphs[j];
                if (sub->outer == g) /* a plan's nodes name graphs of their model */
                    code = verify_at(sub, depth + 1, err);
            }
        }
    }
    return code;
}

sib_code graph_verify(const graph *g, sib_error *err)
{
    return verify_at(g, 0, err);
}
