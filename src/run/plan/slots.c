/* Decides where the values of a plan are stored. */
#include "run/plan/planner.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "tensor/dtype.h"

/* Sets the dims and bytes of a slot. */
static sib_code measure(const planner *p, value_id v, slot *s, sib_error *err)
{
    const value_type *t = &p->s->graph->values[v].type;
    s->sized =
        !t->depth && t->leaf == TYPE_TENSOR && t->dtype && dim_shape_const(p->s->dims, &t->shape, s->dims);
    s->rank = t->shape.rank;
    uint64_t count = 1;
    if (!s->sized)
        return SIB_OK;
    for (size_t i = 0; i < s->rank; i++)
        if (s->dims[i] < 0 || __builtin_mul_overflow(count, (uint64_t)s->dims[i], &count))
            return err_set(err, SIB_ERR_SIZE, "a value of a run overflows the address space");
    if (!dtype_bytes(t->dtype, count, &s->bytes))
        return err_set(err, SIB_ERR_SIZE, "a value of a run overflows the address space");
    return SIB_OK;
}

/* Whether a reshape can be a view: its input has storage, and a tensor of it can be made before the run. */
static bool is_view(const planner *p, const node *n)
{
    const slot *slots = p->s->slots;
    return n->milli && n->milli->kind == MILLI_reshape && slots[n->outputs.ids[0]].sized &&
           slots[n->inputs.ids[0]].kind != SLOT_NONE && slots[n->inputs.ids[0]].sized;
}

static sib_code place_values(planner *p, const bool *node_needed, sib_error *err)
{
    segment *s = p->s;
    graph *g = s->graph;
    sib_code code = SIB_OK;
    for (uint32_t v = 0; v < g->n_values && code == SIB_OK; v++) {
        slot *at = &s->slots[v];
        at->source = planner_source(p, v);
        at->kind = g->values[v].constant                                        ? SLOT_CONSTANT
                   : at->source != NO_VALUE && g->values[v].producer == NO_NODE ? SLOT_LIVE
                                                                                : SLOT_NONE;
        at->read = s->view != PLAN_CLOSED;
        code = measure(p, v, at, err);
    }
    for (uint32_t i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->outputs.n && node_needed[i]; k++) {
            if (n->outputs.ids[k] == NO_VALUE)
                continue;
            slot *at = &s->slots[n->outputs.ids[k]];
            if (is_view(p, n)) {
                const slot *in = &s->slots[n->inputs.ids[0]];
                at->kind = SLOT_ALIAS;
                at->root = in->kind == SLOT_ALIAS ? in->root : n->inputs.ids[0];
                SIB_ASSERT(s->slots[at->root].kind != SLOT_ALIAS && s->slots[at->root].kind != SLOT_NONE);
                SIB_ASSERT(at->bytes <= s->slots[at->root].bytes); /* same elements, other dims */
                s->slots[at->root].read = true;
            } else
                at->kind = at->sized && g->values[n->outputs.ids[k]].type.dtype != SIB_STRING ? SLOT_ARENA
                                                                                              : SLOT_OWN;
        }
    }
    return code;
}

/* Moves an arena value to memory of its own. */
static void take_out_of_arena(segment *s, value_id v)
{
    SIB_ASSERT(v < s->graph->n_values);
    slot *at = &s->slots[v];
    if (at->kind == SLOT_ALIAS)
        at = &s->slots[at->root];
    if (at->kind == SLOT_ARENA)
        at->kind = SLOT_OWN;
}

/* Sequences, optionals and outputs that kernels allocate may share memory with the inputs: takes those out
   of the arena. */
static void place_shared(planner *p, const bool *node_needed)
{
    const graph *g = p->s->graph;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        bool shares = false;
        for (uint32_t k = 0; k < n->outputs.n && node_needed[i]; k++)
            shares |= n->outputs.ids[k] != NO_VALUE && !p->s->slots[n->outputs.ids[k]].sized;
        for (uint32_t k = 0; k < n->inputs.n && shares; k++)
            if (n->inputs.ids[k] != NO_VALUE)
                take_out_of_arena(p->s, n->inputs.ids[k]);
    }
}

/* The one of the source's inputs that v is, which nobody reads but node `reader`; n_inputs where it is none. */
static uint32_t input_for_one(const planner *p, const bool *node_needed, value_id v, uint32_t reader)
{
    const graph *g = p->s->graph;
    const id_list *inputs = &p->g->inputs;
    const value_id source = p->s->slots[v].source;
    uint32_t at = 0;
    if (p->s->slots[v].kind != SLOT_LIVE || source == NO_VALUE || p->uses->last[source] >= p->s->end)
        return inputs->n;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        for (uint32_t k = 0; k < g->nodes[i].inputs.n && node_needed[i]; k++)
            if (g->nodes[i].inputs.ids[k] == v && (i != reader || k))
                return inputs->n;
    while (at < inputs->n && inputs->ids[at] != source)
        at++;
    return at;
}

/* Finds outputs that may be written where an input is: what TensorScatter makes of a cache. */
static void find_continued(planner *p, const bool *node_needed)
{
    const graph *g = p->s->graph;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        if (!node_needed[i] || n->milli || n->domain.length || !str_is(n->type, "TensorScatter"))
            continue;
        const slot *from = &p->s->slots[n->inputs.ids[0]];
        slot *to = &p->s->slots[n->outputs.ids[0]];
        const uint32_t at = input_for_one(p, node_needed, n->inputs.ids[0], i);
        to->continues = to->kind == SLOT_OWN && to->sized && from->sized && to->bytes == from->bytes &&
                        p->s->view == PLAN_CLOSED && at < p->g->inputs.n;
        to->over = n->inputs.ids[0];
        to->over_input = at;
    }
}

/* Gives values that later nodes or the caller read memory of their own. */
static sib_code place_exports(planner *p, sib_error *err)
{
    segment *s = p->s;
    s->exports = mem_alloc(p->n_made ? p->n_made : 1, sizeof *s->exports);
    if (!s->exports)
        return err_memory(err, p->n_made * sizeof *s->exports, "a plan");
    for (size_t i = 0; i < p->n_made; i++) {
        node_id last = p->uses->last[p->made[i].source];
        if (last == NO_NODE || last < s->end)
            continue;
        SIB_ASSERT(p->made[i].planned < s->graph->n_values);
        SIB_ASSERT(s->slots[p->made[i].planned].kind != SLOT_NONE);
        s->exports[s->n_exports++] = p->made[i];
        s->slots[p->made[i].planned].read = true;
        take_out_of_arena(s, p->made[i].planned);
    }
    for (uint32_t v = 0; v < s->graph->n_values; v++)
        if (s->slots[v].kind == SLOT_OWN && !size_add(s->own_bytes, s->slots[v].bytes, &s->own_bytes))
            return err_set(err, SIB_ERR_SIZE, "the values of a run overflow the address space");
    return SIB_OK;
}

sib_code planner_place(planner *p, const bool *node_needed, sib_error *err)
{
    p->s->slots = mem_calloc(p->s->graph->n_values + (size_t)1, sizeof *p->s->slots);
    if (!p->s->slots)
        return err_memory(err, p->s->graph->n_values * sizeof *p->s->slots, "a plan");
    sib_code code = place_values(p, node_needed, err);
    if (code != SIB_OK)
        return code;
    place_shared(p, node_needed);
    code = place_exports(p, err);
    find_continued(p, node_needed);
    return code;
}
