/* Builds a segment: adds nodes until one depends on a computed value, then assigns memory and backends. */
#include "run/plan/plan.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "run/plan/fold.h"
#include "run/plan/planner.h"

/* Max elements of constants that are computed while planning. */
#define FOLD_LIMIT 4096

/* Max milli-ops of a plan, counting every lowering of a node, and max work of folding. */
#define PLAN_OPS  (UINT64_C(1) << 22)
#define PLAN_WORK (UINT64_C(1) << 26)

/* Milli-ops that a plan may have whatever the memory limit. */
#define PLAN_OPS_FREE 4096

/* Estimated bytes per milli-op of a plan: the node, its output and slot, its step and memory of a run. */
#define PLAN_OP_BYTES (sizeof(node) + sizeof(value) + sizeof(slot) + sizeof(step) + sizeof(buffer) + 1024)

static sib_code plan_nodes(planner *p, node_id begin, sib_error *err)
{
    const graph *g = p->g;
    segment *s = p->s;
    const uint64_t allowed = size_max(p->request->memory_limit / PLAN_OP_BYTES, PLAN_OPS_FREE);
    const bool limited = p->request->memory_limit && allowed < PLAN_OPS;
    lower_budget budget = {limited ? allowed : PLAN_OPS, PLAN_WORK};
    lowering l = {.graph = s->graph,
                  .cancel = p->cancel,
                  .budget = &budget,
                  .oracle = p->options->oracle,
                  .seed = p->options->seed,
                  .fold_limit = FOLD_LIMIT,
                  .driver = p,
                  .owner = p,
                  .import = planner_import,
                  .fold = fold_milli};
    size_t max = 1;
    for (node_id i = begin; i < g->n_nodes; i++)
        max = size_max(max, g->nodes[i].outputs.n);
    mval *outs = mem_alloc(max, sizeof *outs);
    value_type *declared = mem_alloc(max, sizeof *declared);
    sib_code code = outs && declared ? SIB_OK : err_memory(err, max * sizeof *declared, "a plan");
    verdict v = PLANNED;
    node_id i = begin;
    while (i < g->n_nodes && code == SIB_OK && v != PLANNED_LAST) {
        const node *n = &g->nodes[i];
        if (cancel_is_set(p->cancel))
            code = err_set(err, SIB_ERR_CANCELLED, "the run was cancelled");
        if (code != SIB_OK)
            break;
        if (n->op && n->op->control != CONTROL_NONE) {
            v = RUNS_ALONE;
            break;
        }
        SIB_ASSERT(i == begin || p->first_node[i - 1 - begin] <= s->graph->n_nodes);
        p->first_node[i - begin] = s->graph->n_nodes;
        p->made_at[i - begin] = p->n_made;
        code = planner_add_node(p, &l, i, outs, declared, &v, err);
        if (code == SIB_ERR_SIZE && limited && !budget.ops) {
            if (err)
                *err = (sib_error)SIB_ERROR_INIT;
            code = err_set(err, SIB_ERR_MEMORY,
                           "planning needs more than the %llu bytes that the memory limit leaves",
                           (unsigned long long)p->request->memory_limit);
        }
        if (v == RUNS_ALONE)
            break;
        if (code == SIB_OK && v == WAITS) {
            if (i > begin)
                break;
            char name[120];
            code = err_set(err, SIB_ERR_UNSUPPORTED, "node %s: elements that it needs are not known",
                           node_text(g, n, name, sizeof name));
        }
        i += v != AGAIN;
    }
    s->control = v == RUNS_ALONE && i == begin;
    s->end = i + s->control;
    SIB_ASSERT(code != SIB_OK || (s->begin < s->end && s->end <= g->n_nodes));
    SIB_ASSERT(!s->control || s->end == s->begin + 1);
    if (code == SIB_OK && !s->control) {
        p->first_node[i - begin] = s->graph->n_nodes;
        p->made_at[i - begin] = p->n_made;
    }
    mem_free(outs);
    mem_free(declared);
    return code;
}

static sib_code finish(planner *p, sib_error *err)
{
    segment *s = p->s;
    const graph *g = s->graph;
    bool *node_needed = mem_calloc((size_t)g->n_nodes + 1, 1);
    s->bytes = g->n_nodes * (uint64_t)PLAN_OP_BYTES;
    sib_code code = node_needed ? planner_mark(p, node_needed, err) : err_memory(err, g->n_nodes, "a plan");
    if (code == SIB_OK)
        code = planner_place(p, node_needed, err);
    if (code == SIB_OK)
        code = planner_make_steps(p, node_needed, err);
    for (size_t i = 0; i < p->options->n_backends; i++)
        if (p->options->backends[i].backend->alloc)
            s->device = &p->options->backends[i];
    if (code == SIB_OK)
        code = plan_pack(s, err);
    if (code == SIB_OK && s->device)
        plan_borders(s);
#if defined(SIBYL_ASSERTIONS)
    if (code == SIB_OK)
        code = graph_verify(g, err);
#endif
    mem_free(node_needed);
    return code;
}

sib_code plan_segment(const plan_request *r, segment **out, sib_error *err)
{
    const graph *g = r->g;
    SIB_ASSERT(r->begin < g->n_nodes);
    planner p = {.request = r,
                 .g = g,
                 .uses = r->uses,
                 .live = r->live,
                 .options = r->options,
                 .known = r->known,
                 .cancel = r->cancel};
    size_t n = g->n_nodes - r->begin;
    *out = NULL;
    p.s = mem_calloc(1, sizeof *p.s);
    p.map = mem_alloc(g->n_values ? g->n_values : 1, sizeof *p.map);
    p.wants_content = mem_calloc(g->n_values ? g->n_values : 1, sizeof *p.wants_content);
    p.fact_at = mem_calloc(g->n_values ? g->n_values : 1, sizeof *p.fact_at);
    p.given = mem_calloc(g->n_values ? g->n_values : 1, sizeof *p.given);
    p.captured = mem_calloc(g->n_values ? g->n_values : 1, sizeof *p.captured);
    p.made_at = mem_calloc(n + 1, sizeof *p.made_at);
    p.first_node = mem_calloc(n + 1, sizeof *p.first_node);
    sib_code code =
        p.s && p.map && p.wants_content && p.fact_at && p.given && p.captured && p.made_at && p.first_node
            ? SIB_OK
            : err_memory(err, g->n_values * sizeof *p.map, "a plan");
    for (uint32_t i = 0; i < g->n_values && code == SIB_OK; i++)
        p.map[i] = NO_VALUE;
    if (code == SIB_OK) {
        planner_find_givens(&p);
        p.s->source = g;
        p.s->view = r->view;
        p.s->begin = r->begin;
        code = arena_create(&p.s->memory, err);
    }
    if (code == SIB_OK)
        code = dim_table_create(&p.s->dims, err);
    if (code == SIB_OK)
        code = graph_create(p.s->memory, p.s->dims, &p.s->graph, err);
    if (code == SIB_OK)
        code = plan_nodes(&p, r->begin, err);
    if (code == SIB_OK && !p.s->control)
        code = finish(&p, err);
    mem_free(p.map);
    mem_free(p.wants_content);
    mem_free(p.fact_at);
    mem_free(p.given);
    mem_free(p.captured);
    mem_free(p.source);
    mem_free(p.made);
    mem_free(p.made_at);
    mem_free(p.first_node);
    mem_free(p.chosen);
    dim_binding_clear(&p.bound);
    if (code != SIB_OK)
        segment_free(&p.s);
    *out = p.s;
    return code;
}

void segment_free(segment **sp)
{
    segment *s = *sp;
    if (!s)
        return;
    SIB_ASSERT(s->users == 0);
    SIB_ASSERT(s->spare == NULL); /* freed earlier, since it needs the segment */
    for (size_t i = 0; i < s->n_steps; i++)
        if (s->steps[i].backend->release)
            s->steps[i].backend->release(&s->steps[i]);
    mem_free(s->sights);
    graph_free(&s->graph);
    dim_table_free(&s->dims);
    arena_free(&s->memory);
    mem_free(s->facts);
    mem_free(s->slots);
    mem_free(s->steps);
    mem_free(s->step_nodes);
    mem_free(s->begins);
    mem_free(s->first_step);
    mem_free(s->first_made);
    mem_free(s->made);
    mem_free(s->exports);
    mem_free(s->views);
    mem_free(s);
    *sp = NULL;
}
