/* Decides which nodes of a plan run, and which are fused. */
#include "run/plan/planner.h"

#include "base/alloc.h"
#include "base/error.h"
#include "run/plan/fuse.h"

#include <string.h>

/* Marks the plan's values with readers besides its nodes. */
static void mark_leaves(const planner *p, bool *leaves)
{
    for (size_t i = 0; i < p->n_made; i++) {
        node_id last = p->uses->last[p->made[i].source];
        if (p->s->view != PLAN_CLOSED || (last != NO_NODE && last >= p->s->end))
            leaves[p->made[i].planned] = true;
    }
}

/* Marks nodes whose outputs are leaves or are read by marked nodes. value_needed: the leaves; overwritten. */
static void mark_needed(const graph *g, bool *node_needed, bool *value_needed)
{
    for (uint32_t i = g->n_nodes; i-- > 0;) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->outputs.n; k++)
            node_needed[i] |= n->outputs.ids[k] != NO_VALUE && value_needed[n->outputs.ids[k]];
        for (uint32_t k = 0; k < n->inputs.n && node_needed[i]; k++)
            if (n->inputs.ids[k] != NO_VALUE)
                value_needed[n->inputs.ids[k]] = true;
    }
}

/* After fusion, recomputes which source node each node of the plan belongs to, counted from `begin`. */
static sib_code renumber(planner *p, const patch *made, uint32_t n_before, const fusions *f, sib_error *err)
{
    const graph *g = p->s->graph;
    size_t n_source = p->s->end - p->s->begin, at = 0;
    uint32_t *before = mem_alloc((size_t)n_before + 1, sizeof *before), /* of the nodes before fusion */
        *source = mem_calloc((size_t)g->n_nodes + 1, sizeof *source);
    uint8_t *chosen = mem_calloc((size_t)g->n_nodes + 1, 1);
    if (!before || !source || !chosen) {
        mem_free(before);
        mem_free(source);
        mem_free(chosen);
        return err_memory(err, g->n_nodes * sizeof *source, "a plan");
    }
    for (uint32_t i = 0; i < n_before; i++) {
        while (i >= p->first_node[at + 1])
            at++;
        before[i] = (uint32_t)at;
        node_id now = patch_moved(made, i);
        if (now == NO_NODE)
            continue;
        source[now] = before[i];
        chosen[now] = i < p->chosen_capacity ? p->chosen[i] : 0;
    }
    for (size_t i = 0; i < f->n; i++) {
        node_id it = g->values[f->items[i].output].producer;
        source[it] = before[f->items[i].last];
        chosen[it] = (uint8_t)(f->items[i].backend + 1);
    }
    for (size_t i = 0, k = 0; i <= n_source; i++) {
        while (k < g->n_nodes && source[k] < i)
            k++;
        p->first_node[i] = (node_id)k;
    }
    mem_free(before);
    mem_free(source);
    mem_free(p->chosen);
    p->chosen = chosen;
    p->chosen_capacity = (size_t)g->n_nodes + 1;
    return SIB_OK;
}

static sib_code fuse(planner *p, const bool *node_needed, const bool *leaves, sib_error *err)
{
    graph *g = p->s->graph;
    uint32_t n_before = g->n_nodes;
    patch *edits = NULL;
    fusions made = {0};
    pass_run run = {.limit = p->options->fuse_limit};
    sib_code code = patch_create(g, &edits, err);
    if (code == SIB_OK)
        code = fuse_elementwise(g, node_needed, leaves, p->options, &run, edits, &made, err);
    /* A fused node takes the place of its group's last member, possibly after unneeded nodes that read a
       member's result: those are dropped. */
    for (node_id i = 0; i < n_before && code == SIB_OK && made.n; i++)
        if (!node_needed[i])
            code = patch_drop(edits, i, err);
    if (code == SIB_OK && made.n)
        code = patch_apply(g, edits, err);
    bool applied = code == SIB_OK;
    if (code == SIB_OK && made.n)
        code = renumber(p, edits, n_before, &made, err);
    fusions_free(&made, applied);
    patch_free(&edits);
    return code;
}

sib_code planner_mark(planner *p, bool *node_needed, sib_error *err)
{
    const graph *g = p->s->graph;
    bool *leaves = mem_calloc((size_t)g->n_values + 1, 1),
         *value_needed = mem_calloc((size_t)g->n_values + 1, 1);
    sib_code code = leaves && value_needed ? SIB_OK : err_memory(err, g->n_values, "a plan");
    if (code == SIB_OK) {
        mark_leaves(p, leaves);
        memcpy(value_needed, leaves, g->n_values);
        mark_needed(g, node_needed, value_needed);
    }
    if (code == SIB_OK && p->s->view == PLAN_CLOSED && !p->options->oracle && p->options->fuse_limit) {
        code = fuse(p, node_needed, leaves, err);
        memcpy(value_needed, leaves, g->n_values);
        memset(node_needed, 0, g->n_nodes);
        mark_needed(g, node_needed, value_needed);
    }
    mem_free(leaves);
    mem_free(value_needed);
    return code;
}
