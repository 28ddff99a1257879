/* The steps of a plan: chooses and prepares backends. */
#include "run/plan/planner.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/packs.h"

#include <sibyl/timing.h>

static uint64_t packed_bytes(const plan_options *o)
{
    return o->packs[0] == o->packs[1] ? packs_bytes(o->packs[0])
                                      : packs_bytes(o->packs[0]) + packs_bytes(o->packs[1]);
}

/* Prepares a step, and says so where weights were packed for it. Packs that other runs make at the same time
   are counted too. */
static sib_code prepare(const planner *p, const node_view *view, step *out, sib_error *err)
{
    const plan_request *r = p->request;
    if (!out->backend->prepare)
        return SIB_OK;
    if (!r->packed)
        return out->backend->prepare(out->self, view, out, err);
    const uint64_t before = packed_bytes(p->options), begin = sib_time_ns();
    sib_code code = out->backend->prepare(out->self, view, out, err);
    const uint64_t bytes = packed_bytes(p->options) - before;
    if (code == SIB_OK && bytes)
        r->packed(r->packed_context, view->node->origin, out, begin, sib_time_ns(), bytes);
    return code;
}

static sib_code choose_backend(const planner *p, node_id id, const node_view *view, step *out, sib_error *err)
{
    const plan_options *o = p->options;
    size_t whole = id < p->chosen_capacity ? p->chosen[id] : 0;
    SIB_ASSERT(whole <= o->n_backends);
    SIB_ASSERT(whole || view->node->milli); /* a node that no backend claims was lowered */
    size_t b = whole ? whole - 1 : 0;
    while (!whole && b < o->n_backends && !o->backends[b].backend->claims(o->backends[b].self, view))
        b++;
    if (b == o->n_backends)
        return err_set(err, SIB_ERR_UNSUPPORTED, "no backend of the session runs milli-op %s",
                       view->node->milli->name);
    out->backend = o->backends[b].backend;
    out->self = o->backends[b].self;
    out->view = *view;
    return prepare(p, view, out, err);
}

static sib_code add_step(planner *p, node_id id, size_t *used, sib_error *err)
{
    segment *s = p->s;
    const node *n = &s->graph->nodes[id];
    const value **in = s->views + *used, **out = in + n->inputs.n;
    sib_error why = SIB_ERROR_INIT;
    for (uint32_t k = 0; k < n->inputs.n; k++)
        in[k] = n->inputs.ids[k] == NO_VALUE ? NULL : &s->graph->values[n->inputs.ids[k]];
    for (uint32_t k = 0; k < n->outputs.n; k++)
        out[k] = n->outputs.ids[k] == NO_VALUE ? NULL : &s->graph->values[n->outputs.ids[k]];
    *used += n->inputs.n + n->outputs.n;
    node_view view = {s->graph, n, n->inputs.n, n->outputs.n, in, out};
    SIB_ASSERT(id < s->graph->n_nodes && s->n_steps <= id); /* at most one step per node */
    SIB_ASSERT(n->origin >= s->begin && n->origin < s->end);
    s->step_nodes[s->n_steps] = id;
    sib_code code = choose_backend(p, id, &view, &s->steps[s->n_steps], &why);
    if (code != SIB_OK) {
        char name[120];
        return err_set(err, code, "node %s: %s", node_text(p->g, &p->g->nodes[n->origin], name, sizeof name),
                       why.message);
    }
    for (uint32_t k = 0; k < n->inputs.n; k++)
        if (n->inputs.ids[k] != NO_VALUE && !(k < 64 && s->steps[s->n_steps].unread >> k & 1))
            s->slots[n->inputs.ids[k]].read = true;
    s->n_steps++;
    return SIB_OK;
}

/* Whether a node's output is a view of its input, so that it needs no step. Operators may lack a first
   output. */
static bool is_alias(const segment *s, const node *n)
{
    return n->outputs.ids[0] != NO_VALUE && s->slots[n->outputs.ids[0]].kind == SLOT_ALIAS;
}

static uint32_t backend_bit(const plan_options *o, const sib_backend *backend)
{
    size_t i = 0;
    while (i + 1 < o->n_backends && o->backends[i].backend != backend)
        i++;
    return 1u << i % 32;
}

sib_code planner_make_steps(planner *p, const bool *node_needed, sib_error *err)
{
    segment *s = p->s;
    const graph *g = s->graph;
    size_t operands = 0, used = 0, n = s->end - s->begin;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        operands += g->nodes[i].inputs.n + g->nodes[i].outputs.n;
    s->views = mem_alloc(operands ? operands : 1, sizeof *s->views);
    s->steps = mem_calloc((size_t)g->n_nodes + 1, sizeof *s->steps);
    s->step_nodes = mem_alloc((size_t)g->n_nodes + 1, sizeof *s->step_nodes);
    s->begins = mem_calloc((size_t)g->n_nodes + 1, sizeof *s->begins);
    uint32_t *seen =
        mem_calloc(n + 1, sizeof *seen); /* by source node: a bit per backend that has a step of it */
    s->first_step = mem_alloc(n + 1, sizeof *s->first_step);
    s->first_made = mem_alloc(n + 1, sizeof *s->first_made);
    if (!s->views || !s->steps || !s->step_nodes || !s->first_step || !s->first_made || !s->begins || !seen) {
        mem_free(seen);
        return err_memory(err, g->n_nodes * sizeof *s->steps, "a plan");
    }
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        s->first_step[i] = s->n_steps;
        s->first_made[i] = p->made_at[i];
        for (node_id k = p->first_node[i]; k < p->first_node[i + 1] && code == SIB_OK; k++)
            if (cancel_is_set(p->cancel))
                code = err_set(err, SIB_ERR_CANCELLED, "the run was cancelled");
            else if (node_needed[k] && !is_alias(s, &g->nodes[k]))
                code = add_step(p, k, &used, err);
    }
    SIB_ASSERT(code != SIB_OK || used <= operands);
    SIB_ASSERT(p->made_at[n] == p->n_made);
    for (size_t i = 0; i < s->n_steps; i++) {
        uint32_t *at = &seen[g->nodes[s->step_nodes[i]].origin - s->begin],
                 bit = backend_bit(p->options, s->steps[i].backend);
        s->begins[i] = !(*at & bit);
        *at |= bit;
    }
    mem_free(seen);
    s->first_step[n] = s->n_steps;
    s->first_made[n] = p->n_made;
    s->made = p->made;
    s->n_made = p->n_made;
    p->made = NULL;
    return code;
}
