/* Finds the last read of each value of a graph. */
#include "base/alloc.h"
#include "base/error.h"
#include "run/plan/plan.h"

static void use(graph_uses *u, value_id v, node_id at)
{
    if (v != NO_VALUE && (u->last[v] == NO_NODE || u->last[v] < at))
        u->last[v] = at;
}

static void use_captures(graph_uses *u, const graph *inner, node_id at)
{
    for (uint32_t i = 0; i < inner->n_captures; i++)
        use(u, inner->captures[i].outer, at);
}

sib_code graph_uses_make(const graph *g, graph_uses *out, sib_error *err)
{
    out->last = mem_alloc(g->n_values ? g->n_values : 1, sizeof *out->last);
    out->dying = mem_calloc(g->n_values ? g->n_values : 1, sizeof *out->dying);
    out->dying_at = mem_calloc((size_t)g->n_nodes + 2, sizeof *out->dying_at);
    if (!out->last || !out->dying || !out->dying_at) {
        graph_uses_free(out);
        return err_memory(err, g->n_values * sizeof *out->last, "the uses of values");
    }
    for (uint32_t i = 0; i < g->n_values; i++)
        out->last[i] = NO_NODE;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->inputs.n; k++)
            use(out, n->inputs.ids[k], i);
        for (size_t k = 0; k < n->n_attributes; k++) {
            const attribute *a = &n->attributes[k];
            if (a->kind == ATTR_GRAPH)
                use_captures(out, a->graph, i);
            for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n; j++)
                use_captures(out, a->graphs[j], i);
        }
        /* an unread value dies with the node that makes it */
        for (uint32_t k = 0; k < n->outputs.n; k++)
            use(out, n->outputs.ids[k], i);
    }
    for (uint32_t i = 0; i < g->outputs.n; i++)
        out->last[g->outputs.ids[i]] = g->n_nodes;
    /* counting sort by last node */
    for (uint32_t i = 0; i < g->n_values; i++)
        if (out->last[i] < g->n_nodes)
            out->dying_at[out->last[i] + 1]++;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        out->dying_at[i + 1] += out->dying_at[i];
    uint32_t rest = out->dying_at[g->n_nodes];
    for (uint32_t i = 0; i < g->n_values; i++)
        if (out->last[i] < g->n_nodes)
            out->dying[out->dying_at[out->last[i]]++] = i;
        else
            out->dying[rest++] = i;
    for (uint32_t i = g->n_nodes; i > 0; i--)
        out->dying_at[i] = out->dying_at[i - 1];
    out->dying_at[0] = 0;
    return SIB_OK;
}

void graph_uses_free(graph_uses *u)
{
    mem_free(u->last);
    mem_free(u->dying);
    mem_free(u->dying_at);
    *u = (graph_uses){0};
}
