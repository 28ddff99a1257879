/* Adds a node of the source to the plan: lowered to milli-ops, or as one node where a backend claims it. */
#include "run/plan/planner.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"
#include "run/plan/fold.h"

#include <string.h>

/* Milli-ops after which a node is first offered to backends, before more are made. */
#define PROBE_OPS 256

/* Removes what was added since a mark. */
static void truncate_plan(planner *p, uint32_t n_values, uint32_t n_nodes)
{
    graph *g = p->s->graph;
    g->n_values = n_values;
    g->n_nodes = n_nodes;
    for (uint32_t i = 0; i < p->g->n_values; i++)
        if (p->map[i] != NO_VALUE && p->map[i] >= n_values)
            p->map[i] = NO_VALUE;
}

static bool is_dynamic(const dim_table *t, const value_type *type)
{
    int64_t dims[SIB_MAX_RANK];
    return type->depth || type->leaf != TYPE_TENSOR || !dim_shape_const(t, &type->shape, dims);
}

/* Inputs and outputs, each, of a node that is offered entirely. */
enum { OFFER_MAX = 64 };

static bool may_be_offered(const node *n)
{
    return n->inputs.n <= OFFER_MAX && n->outputs.n <= OFFER_MAX;
}

/* Offers the entire node to the backends. Returns the index of the one that claims it, or -1. */
static int offer_node(planner *p, const node *n, const mval *ins, const mval *outs)
{
    const graph *g = p->s->graph;
    const value *in[OFFER_MAX], *out[OFFER_MAX];
    if (!may_be_offered(n))
        return -1;
    for (uint32_t i = 0; i < n->inputs.n; i++)
        in[i] = ins[i].id == NO_VALUE ? NULL : &g->values[ins[i].id];
    for (uint32_t i = 0; i < n->outputs.n; i++)
        out[i] = outs[i].id == NO_VALUE ? NULL : &g->values[outs[i].id];
    node_view view = {g, n, n->inputs.n, n->outputs.n, in, out};
    if (p->s->view == PLAN_INSIDE)
        return -1;
    /* Sibyl's own backends know operators by name, and a registered one may have such a name */
    bool own = !n->op || n->op->origin == OP_BUILT_IN;
    for (size_t b = 0; b < p->options->n_backends; b++) {
        const opened_backend *o = &p->options->backends[b];
        if ((own || o->backend->registered) && o->backend->claims(o->self, &view))
            return (int)b;
    }
    return -1;
}

/* The inputs of a node as values of the plan: (n->inputs.n). */
static void import_inputs(planner *p, lowering *l, const node *n, mval *ins)
{
    for (uint32_t i = 0; i < n->inputs.n; i++)
        ins[i] = n->inputs.ids[i] == NO_VALUE ? MVAL_NONE : planner_import(l, p->g, n->inputs.ids[i]);
}

/* Adds the node itself, with outputs of these types where outs[i] is not NO_VALUE. */
static sib_code add_claimed(planner *p, node_id index, int backend, const mval *from, const value_type *types,
                            mval *outs, sib_error *err)
{
    const node *n = &p->g->nodes[index];
    graph *g = p->s->graph;
    value_id ins[OFFER_MAX], made[OFFER_MAX];
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n->inputs.n; i++)
        ins[i] = from[i].id;
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        made[i] = NO_VALUE;
        if (outs[i].id != NO_VALUE)
            code = graph_add_value(g, (sib_str){"", 0}, &types[i], &made[i], err);
        outs[i] = (mval){made[i]};
    }
    node whole = *n;
    node_id id;
    whole.inputs = (id_list){n->inputs.n, ins};
    whole.outputs = (id_list){n->outputs.n, made};
    whole.origin = index;
    if (code == SIB_OK)
        code = graph_add_node(g, &whole, &id, err);
    if (code == SIB_OK && id >= p->chosen_capacity) {
        size_t before = p->chosen_capacity;
        code = ARRAY_RESERVE(p->chosen, p->chosen_capacity, (size_t)id + 64, "a plan", err);
        if (code == SIB_OK)
            memset(p->chosen + before, 0, p->chosen_capacity - before);
    }
    if (code == SIB_OK) {
        p->chosen[id] = (uint8_t)(backend + 1);
        planner_keep_known(p, index, from, outs, backend);
    }
    return code;
}

/* Replaces the milli-ops of a node, everything after the mark, by the node itself. */
static sib_code replace_by_claimed(planner *p, lowering *l, node_id index, uint32_t n_values,
                                   uint32_t n_nodes, int backend, mval *outs, sib_error *err)
{
    const node *n = &p->g->nodes[index];
    const graph *g = p->s->graph;
    value_type types[OFFER_MAX];
    mval ins[OFFER_MAX];
    for (uint32_t i = 0; i < n->outputs.n; i++)
        types[i] = outs[i].id == NO_VALUE ? (value_type){0} : g->values[outs[i].id].type;
    truncate_plan(p, n_values, n_nodes);
    import_inputs(p, l, n, ins);
    return l_ok(l) ? add_claimed(p, index, backend, ins, types, outs, err)
                   : err_set(err, l->error.code, "%s", l->error.message);
}

/* Adds a node that a backend claimed before for the same inputs. *backend: -1 where there is none. */
static sib_code add_known(planner *p, lowering *l, node_id index, mval *outs, int *backend, sib_error *err)
{
    const node *n = &p->g->nodes[index];
    value_type types[OFFER_MAX];
    mval ins[OFFER_MAX] = {0};
    *backend = -1;
    if (p->s->view == PLAN_INSIDE || !planner_knows(p, index))
        return SIB_OK;
    import_inputs(p, l, n, ins);
    if (!l_ok(l)) { /* the lowering reports it when it reads that input */
        l->status = LOWER_OK;
        l->error = (sib_error)SIB_ERROR_INIT;
        return SIB_OK;
    }
    *backend = planner_known(p, index, ins, types, outs);
    return *backend < 0 ? SIB_OK : add_claimed(p, index, *backend, ins, types, outs, err);
}

/* Records the outputs of a node. */
static sib_code note_made(planner *p, const node *n, const mval *outs, sib_error *err)
{
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        value_id source = n->outputs.ids[i];
        if (source == NO_VALUE || outs[i].id == NO_VALUE)
            continue;
        sib_code code =
            ARRAY_PUSH(p->made, p->n_made, p->made_capacity, "a plan", err, (crossing){source, outs[i].id});
        if (code != SIB_OK)
            return code;
        p->map[source] = outs[i].id;
    }
    return SIB_OK;
}

/* Decides what to do about a node that needs the elements of value `planned`. */
static sib_code provide_elements(planner *p, lowering *l, value_id planned, uint32_t n_values, verdict *out,
                                 sib_error *err)
{
    value_id source = planner_source(p, planned);
    *out = WAITS;
    if (source == NO_VALUE || !p->live[source] || p->wants_content[source])
        return SIB_OK;
    if (!sib_value_tensor(p->live[source]))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "the elements of a tensor are needed, but the value is not a tensor");
    p->wants_content[source] = true;
    *out = AGAIN;
    value_id leaf = p->map[source];
    if (leaf == NO_VALUE || leaf >= n_values)
        return SIB_OK;                                     /* it will be imported again */
    node_id widening = p->s->graph->values[leaf].producer; /* the cast of oracle mode */
    if (widening == NO_NODE)
        return planner_learn_content(p, leaf, source, err);
    sib_code code = planner_learn_content(p, p->s->graph->nodes[widening].inputs.ids[0], source, err);
    return code == SIB_OK ? fold_milli(l, widening, err) : code;
}

/* Offers a node whose lowering takes many milli-ops (a recurrent one of many steps) by the types that it
   declared before these. *backend: the one that claims it, or -1 with nothing added. */
static sib_code offer_declared(planner *p, lowering *l, node_id index, mval *outs, const value_type *declared,
                               int *backend, sib_error *err)
{
    graph *g = p->s->graph;
    const node *n = &p->g->nodes[index];
    uint32_t n_values = g->n_values, n_nodes = g->n_nodes;
    mval ins[OFFER_MAX];
    *backend = -1;
    if (!may_be_offered(n))
        return SIB_OK;
    for (uint32_t i = 0; i < n->outputs.n; i++)
        if (n->outputs.ids[i] != NO_VALUE && is_dynamic(p->s->dims, &declared[i]))
            return SIB_OK;
    import_inputs(p, l, n, ins);
    sib_code code = l_ok(l) ? SIB_OK : err_set(err, l->error.code, "%s", l->error.message);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        outs[i] = MVAL_NONE;
        if (n->outputs.ids[i] != NO_VALUE)
            code = graph_add_value(g, (sib_str){"", 0}, &declared[i], &outs[i].id, err);
    }
    if (code == SIB_OK)
        *backend = offer_node(p, n, ins, outs);
    if (code == SIB_OK && *backend >= 0)
        return replace_by_claimed(p, l, index, n_values, n_nodes, *backend, outs, err);
    truncate_plan(p, n_values, n_nodes);
    return code;
}

bool plan_is_recurrent(const node *n)
{
    static const char *const types[] = {"LSTM", "GRU", "RNN"};
    bool is = false;
    for (size_t i = 0; i < 3 && n->domain.length == 0; i++)
        is |= str_is(n->type, types[i]);
    return is && n->op && n->op->origin == OP_BUILT_IN && n->inputs.n >= 3 && n->inputs.ids[0] != NO_VALUE &&
           n->inputs.ids[2] != NO_VALUE;
}

/* Whether the unrolled plan of a recurrent node would be too large: see execute/recurrent.c. */
static bool is_long(planner *p, lowering *l, const node *n)
{
    int64_t dims[SIB_MAX_RANK];
    if (!plan_is_recurrent(n) || p->s->view == PLAN_INSIDE)
        return false;
    mval x = planner_import(l, p->g, n->inputs.ids[0]);
    if (!l_ok(l)) { /* the lowering reports it */
        l->status = LOWER_OK;
        l->error = (sib_error)SIB_ERROR_INIT;
        return false;
    }
    const value_type *t = &p->s->graph->values[x.id].type;
    return !t->depth && t->leaf == TYPE_TENSOR && t->shape.ranked && t->shape.rank == 3 &&
           sib_dtype_get_kind(t->dtype) == SIB_KIND_FLOAT && dim_shape_const(p->s->dims, &t->shape, dims) &&
           dims[0] && dims[1] && dims[spec_recurrent(n).layout ? 1 : 0] > RECURRENT_UNROLLED;
}

/* Lowers a node; where that takes many milli-ops, offers the entire node first. *backend: the one that
   claims it, else -1. *alone: the node is not lowered and runs in chunks. */
static sib_code lower_or_offer(planner *p, lowering *l, node_id index, mval *outs, value_type *declared,
                               int *backend, bool *alone, sib_error *err)
{
    graph *g = p->s->graph;
    lower_budget *whole = l->budget, first = {PROBE_OPS, whole->work};
    uint32_t n_values = g->n_values, n_nodes = g->n_nodes;
    *backend = -1;
    if (p->options->n_backends > 1 && whole->ops > PROBE_OPS) {
        l->budget = &first;
        lower_node(l, p->g, index, outs, declared);
        l->budget = whole;
        if (first.ops || l->status != LOWER_FAILED) {
            *whole = (lower_budget){whole->ops - (PROBE_OPS - first.ops), first.work};
            return SIB_OK;
        }
        l->status = LOWER_OK;
        l->error = (sib_error)SIB_ERROR_INIT;
        truncate_plan(p, n_values, n_nodes);
        sib_code code = offer_declared(p, l, index, outs, declared, backend, err);
        if (code != SIB_OK || *backend >= 0)
            return code;
    }
    *alone = is_long(p, l, &p->g->nodes[index]);
    if (!*alone)
        lower_node(l, p->g, index, outs, declared);
    return SIB_OK;
}

/* Removes what was added for a node that is not planned now. */
static void undo_additions(planner *p, uint32_t n_values, uint32_t n_nodes)
{
    /* the ids of removed values are used again, with other source values */
    for (size_t i = n_values; i < p->source_capacity; i++)
        p->source[i] = NO_VALUE;
    truncate_plan(p, n_values, n_nodes);
}

sib_code planner_add_node(planner *p, lowering *l, node_id index, mval *outs, value_type *declared,
                          verdict *out, sib_error *err)
{
    graph *g = p->s->graph;
    const node *n = &p->g->nodes[index];
    uint32_t n_values = g->n_values, n_nodes = g->n_nodes;
    int backend;
    bool alone = false;
    *out = PLANNED;
    sib_code code = add_known(p, l, index, outs, &backend, err);
    if (code == SIB_OK && backend < 0 && planner_knows(p, index) && planner_inferred(p, n, declared))
        code = offer_declared(p, l, index, outs, declared, &backend, err);
    if (code == SIB_OK && backend < 0)
        code = lower_or_offer(p, l, index, outs, declared, &backend, &alone, err);
    if (code != SIB_OK || backend >= 0)
        return code == SIB_OK ? note_made(p, n, outs, err) : code;
    if (alone) {
        undo_additions(p, n_values, n_nodes);
        *out = RUNS_ALONE;
        return SIB_OK;
    }
    if (l->status == LOWER_FAILED)
        return err_set(err, l->error.code, "%s", l->error.message);
    if (l->status == LOWER_NEEDS_CONTENT) {
        value_id needed = l->needs;
        l->status = LOWER_OK;
        code = provide_elements(p, l, needed, n_values, out, err);
        undo_additions(p, n_values, n_nodes);
        return code;
    }
    if (l->status == LOWER_NEEDS_DIMS)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "a dim that depends on data is needed before the data is there");
    mval ins[OFFER_MAX];
    for (uint32_t i = 0; i < n->inputs.n && i < OFFER_MAX; i++)
        ins[i] = n->inputs.ids[i] == NO_VALUE ? MVAL_NONE : (mval){p->map[n->inputs.ids[i]]};
    /* outputs that lowering computed need no backend */
    bool known = true;
    for (uint32_t i = 0; i < n->outputs.n; i++)
        known &= outs[i].id == NO_VALUE || g->values[outs[i].id].constant;
    backend = !known ? offer_node(p, n, ins, outs) : -1;
    if (backend >= 0)
        code = replace_by_claimed(p, l, index, n_values, n_nodes, backend, outs, err);
    else
        planner_mark_narrow(p, n_nodes, outs, n->outputs.n);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
        if (outs[i].id != NO_VALUE && !g->values[outs[i].id].constant &&
            planner_source(p, outs[i].id) == NO_VALUE && is_dynamic(p->s->dims, &g->values[outs[i].id].type))
            *out = PLANNED_LAST;
    return code == SIB_OK ? note_made(p, n, outs, err) : code;
}
