/* What observers show of a segment. */
#include "base/alloc.h"
#include "base/assert.h"
#include "run/plan/cost.h"
#include "run/plan/plan.h"

/* ---- When values can be shown -------------------------------------------------------------------------- */

/* Number of steps after which each value of the plan exists and its memory is not reused yet: (n_values),
   0 for those that no step makes. */
static void find_makers(const segment *s, size_t *after)
{
    for (size_t i = 0; i < s->n_steps; i++) {
        const id_list *out = &s->graph->nodes[s->step_nodes[i]].outputs;
        for (uint32_t k = 0; k < out->n; k++)
            if (out->ids[k] != NO_VALUE)
                after[out->ids[k]] = i + 1;
    }
}

/* Outputs of a node are shown when all its steps have run, unless their memory may be reused by then. */
static size_t shown_after(const segment *s, const size_t *after, size_t at_node, value_id planned)
{
    const slot *at = &s->slots[planned];
    const size_t made = after[at->kind == SLOT_ALIAS ? at->root : planned];
    return made && s->view == PLAN_CLOSED ? made : s->first_step[at_node + 1];
}

static void sort_shown(const segment *s, const size_t *after, segment_sights *out)
{
    const size_t nodes = s->end - s->begin;
    size_t *first = out->first_shown;
    for (int round = 0; round < 2; round++) {
        for (size_t n = 0; n < nodes; n++)
            for (size_t k = s->first_made[n]; k < s->first_made[n + 1]; k++) {
                const size_t at = shown_after(s, after, n, s->made[k].planned);
                SIB_ASSERT(at <= s->n_steps);
                if (round)
                    out->shown[first[at]++] = k;
                else
                    first[at + 1]++;
            }
        /* first[i]: where those of i begin; after the second round, where those of i + 1 do */
        for (size_t i = 0; i <= s->n_steps && !round; i++)
            first[i + 1] += first[i];
        for (size_t i = s->n_steps + 1; i > 0 && round; i--)
            first[i] = first[i - 1];
    }
    first[0] = 0;
}

/* ---- Costs ------------------------------------------------------------------------------------------- */

/* Binds the symbols of the source graph by the dims that the plan was made for. Where one has several sizes
   the first counts. */
static void bind_facts(const segment *s, dim_binding *sizes)
{
    const graph *g = s->source;
    sib_str symbol;
    int64_t number;
    for (size_t i = 0; i < s->n_facts; i++) {
        const fact *f = &s->facts[i];
        const value_type *t = &g->values[f->source].type;
        if (f->absent || f->kind != SIB_VALUE_TENSOR || t->depth || !t->shape.ranked ||
            t->shape.rank != f->rank)
            continue;
        for (size_t k = 0; k < f->rank; k++)
            if (dim_is_symbol(g->dims, t->shape.dims[k], &symbol) &&
                !dim_bound(sizes, t->shape.dims[k], &number))
                dim_bind(g->dims, sizes, t->shape.dims[k], f->dims[k], NULL);
    }
}

static double operator_flops(const segment *s, node_id origin, const dim_binding *sizes)
{
    const graph *g = s->source;
    const dim d = g->nodes[origin].flops;
    int64_t flops = 0;
    if (dim_same(d, DIM_NONE) || dim_eval(g->dims, d, sizes, &flops, NULL) != SIB_OK)
        return 0;
    return (double)flops;
}

static double step_flops(const segment *s, const node *n, const dim_binding *sizes)
{
    if (!n->milli)
        return operator_flops(s, n->origin, sizes);
    if (n->milli->kind != MILLI_fused)
        return cost_number(s->graph, n);
    const graph *body = n->attributes[0].graph;
    double sum = 0;
    for (uint32_t i = 0; i < body->n_nodes; i++)
        sum += body->nodes[i].milli ? cost_number(body, &body->nodes[i])
                                    : operator_flops(s, body->nodes[i].origin, sizes);
    return sum;
}

/* Adds the bytes of arena values to the steps from their first to their last use, through views too. */
static void add_memory(const segment *s, size_t *first, size_t *last, uint64_t *memory)
{
    for (size_t i = 0; i < s->n_steps; i++) {
        const node *n = &s->graph->nodes[s->step_nodes[i]];
        for (uint32_t k = 0; k < n->inputs.n + n->outputs.n; k++) {
            value_id v = k < n->inputs.n ? n->inputs.ids[k] : n->outputs.ids[k - n->inputs.n];
            if (v == NO_VALUE)
                continue;
            v = s->slots[v].kind == SLOT_ALIAS ? s->slots[v].root : v;
            if (!last[v])
                first[v] = i;
            last[v] = i + 1;
        }
    }
    for (uint32_t v = 0; v < s->graph->n_values; v++)
        if (s->slots[v].kind == SLOT_ARENA && last[v]) {
            memory[first[v]] += s->slots[v].bytes;
            memory[last[v]] -= s->slots[v].bytes;
        }
    for (size_t i = 1; i < s->n_steps; i++)
        memory[i] += memory[i - 1];
}

/* ---- Looking ----------------------------------------------------------------------------------------- */

/* One block of memory, so that it is freed as one. */
static segment_sights *make_sights(const segment *s)
{
    const size_t steps = s->n_steps, values = s->graph->n_values;
    size_t *room = mem_calloc(2 * values + 1, sizeof *room);
    segment_sights *out = mem_calloc(1, sizeof *out + (steps + 2 + s->n_made + 1) * sizeof(size_t) +
                                            (steps + 1) * (sizeof(double) + sizeof(uint64_t)));
    dim_binding sizes = {0};
    if (!room || !out) {
        mem_free(room);
        mem_free(out);
        return NULL;
    }
    out->flops = (double *)(out + 1);
    out->memory = (uint64_t *)(out->flops + steps + 1);
    out->first_shown = (size_t *)(out->memory + steps + 1);
    out->shown = out->first_shown + steps + 2;
    find_makers(s, room);
    sort_shown(s, room, out);
    for (size_t i = 0; i < 2 * values; i++)
        room[i] = 0;
    add_memory(s, room, room + values, out->memory);
    bind_facts(s, &sizes);
    for (size_t i = 0; i < steps; i++)
        out->flops[i] = step_flops(s, &s->graph->nodes[s->step_nodes[i]], &sizes);
    dim_binding_clear(&sizes);
    mem_free(room);
    return out;
}

const segment_sights *segment_look(segment *s)
{
    segment_sights *there = atomic_load_explicit(&s->sights, memory_order_acquire), *made;
    if (there || !(made = make_sights(s)))
        return there;
    if (atomic_compare_exchange_strong(&s->sights, &there, made))
        return made;
    mem_free(made);
    return there;
}
