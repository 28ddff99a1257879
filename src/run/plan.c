/* Building a segment: nodes are lowered one by one until something must be seen first. */
#include "run/plan.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "run/fold.h"
#include "run/fuse.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

/* Constants of up to so many elements are computed while planning. */
#define FOLD_LIMIT 4096

/* Most milli-ops of a plan, those of nodes that are lowered again counted again, and most that folding may do. */
#define PLAN_OPS  (UINT64_C(1) << 22)
#define PLAN_WORK (UINT64_C(1) << 26)
/* Milli-ops after which a node is offered to backends before more of them are made. */
#define PROBE_OPS 256

typedef struct planner {
    const graph *g;
    const graph_uses *uses;
    sib_value *const *live;
    const plan_options *options;
    const struct sib_cancel *cancel;
    segment *s;
    value_id
        *map; /* (g->n_values) the plan's value for each of the source's, NO_VALUE where there is none yet */
    bool *wants_content; /* (g->n_values) */
    bool *given;         /* (g->n_values) an input, which may be left out or not */
    const sib_tensor *
        *captured;   /* (g->n_values) constants of the graphs around that the value stands for, else NULL */
    size_t *fact_at; /* (g->n_values) number of the fact of each, from 1; 0 where there is none */
    value_id *
        source; /* (source_capacity) by value of the plan: the source value it was imported for, else NO_VALUE */
    size_t source_capacity;
    crossing *made;
    size_t n_made, made_capacity;
    size_t *made_at;     /* (g->n_nodes - begin + 1) */
    node_id *first_node; /* likewise: the first node of the plan for each node of the source */
    uint8_t *chosen; /* (chosen_capacity) by node of the plan: the backend that claimed it whole, plus 1 */
    size_t chosen_capacity;
} planner;

/* ---- Facts ------------------------------------------------------------------------------------------- */

static fact *fact_for(planner *p, value_id source, sib_error *err)
{
    segment *s = p->s;
    if (p->fact_at[source])
        return &s->facts[p->fact_at[source] - 1];
    if (s->n_facts == s->fact_capacity) {
        size_t more = s->fact_capacity ? 2 * s->fact_capacity : 8;
        fact *grown = mem_realloc(s->facts, more, sizeof *grown);
        if (!grown) {
            err_memory(err, more * sizeof *grown, "a plan");
            return NULL;
        }
        s->facts = grown;
        s->fact_capacity = more;
    }
    fact *f = &s->facts[s->n_facts++];
    p->fact_at[source] = s->n_facts;
    *f = (fact){.source = source};
    return f;
}

/* What v is to be when the plan is taken again. */
static void describe(fact *f, const sib_value *v)
{
    f->absent = !v;
    if (!v)
        return;
    f->kind = sib_value_get_kind(v);
    const sib_tensor *t = sib_value_tensor(v);
    if (t) {
        f->dtype = t->dtype;
        f->rank = t->rank;
        memcpy(f->dims, t->dims, sizeof *f->dims * t->rank);
    }
}

static bool same_content(const sib_tensor *a, const sib_tensor *b)
{
    static const sib_tolerance exact;
    sib_comparison c;
    return sib_tensor_compare(a, b, &exact, &c, NULL) == SIB_OK && c.equal;
}

static bool fact_holds(const fact *f, const sib_value *v)
{
    if (!v || f->absent)
        return !v && f->absent;
    const sib_tensor *t = sib_value_tensor(v);
    if (sib_value_get_kind(v) != f->kind)
        return false;
    return !t || (t->dtype == f->dtype && t->rank == f->rank &&
                  memcmp(t->dims, f->dims, sizeof *f->dims * f->rank) == 0 &&
                  (!f->content || same_content(t, f->content)));
}

bool segment_fits(const segment *s, sib_value *const *live)
{
    for (size_t i = 0; i < s->n_facts; i++)
        if (!fact_holds(&s->facts[i], live[s->facts[i].source]))
            return false;
    return true;
}

/* ---- Imports ----------------------------------------------------------------------------------------- */

static mval import_failed(lowering *l, const sib_error *err)
{
    return l_fail(l, err->code, "%s", err->message);
}

/* Remembers which source value a value of the plan stands for. */
static bool note_source(planner *p, value_id planned, value_id source)
{
    if (planned >= p->source_capacity) {
        size_t more = size_max(2 * p->source_capacity, (size_t)planned + 64);
        value_id *grown = mem_realloc(p->source, more, sizeof *grown);
        if (!grown)
            return false;
        for (size_t i = p->source_capacity; i < more; i++)
            grown[i] = NO_VALUE;
        p->source = grown;
        p->source_capacity = more;
    }
    p->source[planned] = source;
    return true;
}

static value_id source_of(const planner *p, value_id planned)
{
    return planned < p->source_capacity ? p->source[planned] : NO_VALUE;
}

/* The type of a value that is there. */
static value_type live_type(planner *p, const sib_value *v)
{
    value_type inner = {0};
    size_t n = sib_value_count(v);
    switch (sib_value_get_kind(v)) {
    case SIB_VALUE_TENSOR: {
        const sib_tensor *t = sib_value_tensor(v);
        return type_of_dims(p->s->dims, t->dtype, t->rank, t->dims);
    }
    case SIB_VALUE_SEQUENCE:
        if (n && sib_value_get_kind(sib_value_item(v, 0)) == SIB_VALUE_TENSOR)
            inner = type_tensor(sib_tensor_dtype(sib_value_tensor(sib_value_item(v, 0))));
        return type_wrap(TYPE_SEQUENCE, inner);
    case SIB_VALUE_OPTIONAL:
        if (n)
            inner = live_type(p, sib_value_item(v, 0));
        return type_wrap(TYPE_OPTIONAL, inner);
    default:
        inner = type_wrap(TYPE_MAP, type_tensor(sib_tensor_dtype(sib_value_values(v))));
        inner.key = sib_tensor_dtype(sib_value_keys(v));
        return inner;
    }
}

/* Makes the elements of an imported value known to the plan, and a fact of it. */
static sib_code learn_content(planner *p, value_id planned, value_id source, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(p->live[source]);
    sib_tensor *kept = NULL;
    fact *f = fact_for(p, source, err);
    /* a copy, since the caller may change the memory behind an input before the next run */
    sib_code code = f ? sib_tensor_copy(t, &kept, err) : SIB_ERR_MEMORY;
    if (code == SIB_OK)
        code = arena_keep(p->s->memory, kept, err);
    if (code == SIB_OK) {
        f->content = kept;
        p->s->graph->values[planned].constant = kept;
    }
    return code;
}

static mval import_live(planner *p, lowering *l, value_id source)
{
    sib_error err = SIB_ERROR_INIT;
    value_type type = live_type(p, p->live[source]);
    value_id made;
    fact *f = fact_for(p, source, &err);
    if (!f || graph_add_value(l->graph, (sib_str){"", 0}, &type, &made, &err) != SIB_OK)
        return import_failed(l, &err);
    describe(f, p->live[source]);
    if (!note_source(p, made, source))
        return l_fail(l, SIB_ERR_MEMORY, "no memory for a plan");
    if (p->wants_content[source] && sib_value_tensor(p->live[source]) &&
        learn_content(p, made, source, &err) != SIB_OK)
        return import_failed(l, &err);
    mval v = {made};
    if (!type.depth && sib_dtype_get_kind(type.dtype) == SIB_KIND_FLOAT) {
        mval wide = m_cast(l, v, type.dtype); /* itself, or in oracle mode in double */
        if (l_ok(l) && wide.id != v.id && !note_source(p, wide.id, source))
            return l_fail(l, SIB_ERR_MEMORY, "no memory for a plan");
        v = wide;
    }
    return v;
}

static mval import_planned(lowering *l, const graph *source, value_id v)
{
    planner *p = l->driver;
    const value *x = &source->values[v];
    if (p->map[v] != NO_VALUE)
        return (mval){p->map[v]};
    mval made;
    const sib_tensor *constant = p->captured[v] ? p->captured[v] : x->constant;
    if (p->live[v] && !p->captured[v])
        made = import_live(p, l, v);
    else if (constant) {
        sib_error err = SIB_ERROR_INIT;
        fact *f = p->given[v] ? fact_for(p, v, &err) : NULL;
        if (f)
            f->absent = true;
        made = m_constant_ref(l, constant);
        if (l_ok(l)) /* in oracle mode it is a widened copy */
            l->graph->values[made.id].lasting = l->graph->values[made.id].constant == constant;
    } else
        return l_fail(l, SIB_ERR_FORMAT, "value '%.*s' is used before it is there", (int)x->name.length,
                      x->name.data);
    if (l_ok(l))
        p->map[v] = made.id;
    return made;
}

/* ---- Nodes ------------------------------------------------------------------------------------------- */

/* Takes back what was added after a mark. */
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

/* Offers the node whole. Returns the number of the backend that takes it, or -1. */
static int offer_whole(planner *p, const node *n, const mval *ins, const mval *outs)
{
    const graph *g = p->s->graph;
    const value *in[64], *out[64];
    if (n->inputs.n > 64 || n->outputs.n > 64)
        return -1;
    for (uint32_t i = 0; i < n->inputs.n; i++)
        in[i] = ins[i].id == NO_VALUE ? NULL : &g->values[ins[i].id];
    for (uint32_t i = 0; i < n->outputs.n; i++)
        out[i] = outs[i].id == NO_VALUE ? NULL : &g->values[outs[i].id];
    node_view view = {g, n, n->inputs.n, n->outputs.n, in, out};
    for (size_t b = 0; b < p->options->n_backends; b++)
        if (p->options->backends[b].backend->claims(p->options->backends[b].self, &view))
            return (int)b;
    return -1;
}

/* Replaces what a node was lowered to, everything behind the mark, by the node itself. */
static sib_code put_whole(planner *p, lowering *l, node_id index, uint32_t n_values, uint32_t n_nodes,
                          int backend, mval *outs, sib_error *err)
{
    const node *n = &p->g->nodes[index];
    graph *g = p->s->graph;
    value_type types[64];
    value_id ins[64], made[64];
    for (uint32_t i = 0; i < n->outputs.n; i++)
        types[i] = outs[i].id == NO_VALUE ? (value_type){0} : g->values[outs[i].id].type;
    truncate_plan(p, n_values, n_nodes);
    for (uint32_t i = 0; i < n->inputs.n; i++)
        ins[i] = n->inputs.ids[i] == NO_VALUE ? NO_VALUE : import_planned(l, p->g, n->inputs.ids[i]).id;
    sib_code code = l_ok(l) ? SIB_OK : err_set(err, l->error.code, "%s", l->error.message);
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
        size_t more = size_max(2 * p->chosen_capacity, (size_t)id + 64);
        uint8_t *grown = mem_realloc(p->chosen, more, 1);
        if (!grown)
            return err_memory(err, more, "a plan");
        memset(grown + p->chosen_capacity, 0, more - p->chosen_capacity);
        p->chosen = grown;
        p->chosen_capacity = more;
    }
    if (code == SIB_OK)
        p->chosen[id] = (uint8_t)(backend + 1);
    return code;
}

/* Remembers the outputs of a node. */
static sib_code note_made(planner *p, const node *n, const mval *outs, sib_error *err)
{
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        value_id source = n->outputs.ids[i];
        if (source == NO_VALUE || outs[i].id == NO_VALUE)
            continue;
        if (p->n_made == p->made_capacity) {
            size_t more = p->made_capacity ? 2 * p->made_capacity : 64;
            crossing *grown = mem_realloc(p->made, more, sizeof *grown);
            if (!grown)
                return err_memory(err, more * sizeof *grown, "a plan");
            p->made = grown;
            p->made_capacity = more;
        }
        p->made[p->n_made++] = (crossing){source, outs[i].id};
        p->map[source] = outs[i].id;
    }
    return SIB_OK;
}

typedef enum verdict {
    PLANNED,      /* go on with the next node */
    PLANNED_LAST, /* what it makes must be seen before the next */
    AGAIN,        /* the content that it needed is known now */
    WAITS         /* for what this segment makes */
} verdict;

/* What to do about a node that needs the elements of value `planned`. */
static sib_code meet_need(planner *p, lowering *l, value_id planned, uint32_t n_values, verdict *out,
                          sib_error *err)
{
    value_id source = source_of(p, planned);
    *out = WAITS;
    if (source == NO_VALUE || !p->live[source] || p->wants_content[source])
        return SIB_OK;
    if (!sib_value_tensor(p->live[source]))
        return err_set(err, SIB_ERR_ARGUMENT, "the elements of a tensor are wanted where there is none");
    p->wants_content[source] = true;
    *out = AGAIN;
    value_id leaf = p->map[source];
    if (leaf == NO_VALUE || leaf >= n_values)
        return SIB_OK;                                     /* it will be imported anew */
    node_id widening = p->s->graph->values[leaf].producer; /* the cast of oracle mode */
    if (widening == NO_NODE)
        return learn_content(p, leaf, source, err);
    sib_code code = learn_content(p, p->s->graph->nodes[widening].inputs.ids[0], source, err);
    return code == SIB_OK ? fold_milli(l, widening, err) : code;
}

/* Offers a node whose lowering takes many milli-ops (a recurrent one of many steps) by the types that it declared before
   those. *backend: that takes it, or -1; then nothing is left behind. */
static sib_code offer_declared(planner *p, lowering *l, node_id index, mval *outs, const value_type *declared,
                               int *backend, sib_error *err)
{
    graph *g = p->s->graph;
    const node *n = &p->g->nodes[index];
    uint32_t n_values = g->n_values, n_nodes = g->n_nodes;
    mval ins[64];
    *backend = -1;
    for (uint32_t i = 0; i < n->outputs.n; i++)
        if (n->inputs.n > 64 || (n->outputs.ids[i] != NO_VALUE && is_dynamic(p->s->dims, &declared[i])))
            return SIB_OK;
    for (uint32_t i = 0; i < n->inputs.n; i++)
        ins[i] = n->inputs.ids[i] == NO_VALUE ? MVAL_NONE : import_planned(l, p->g, n->inputs.ids[i]);
    sib_code code = l_ok(l) ? SIB_OK : err_set(err, l->error.code, "%s", l->error.message);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        outs[i] = MVAL_NONE;
        if (n->outputs.ids[i] != NO_VALUE)
            code = graph_add_value(g, (sib_str){"", 0}, &declared[i], &outs[i].id, err);
    }
    if (code == SIB_OK)
        *backend = offer_whole(p, n, ins, outs);
    if (code == SIB_OK && *backend >= 0)
        return put_whole(p, l, index, n_values, n_nodes, *backend, outs, err);
    truncate_plan(p, n_values, n_nodes);
    return code;
}

/* Lowers a node, unless that is long and a backend takes the node whole: *backend, else -1. */
static sib_code lower_or_offer(planner *p, lowering *l, node_id index, mval *outs, value_type *declared,
                               int *backend, sib_error *err)
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
    lower_node(l, p->g, index, outs, declared);
    return SIB_OK;
}

static sib_code plan_node(planner *p, lowering *l, node_id index, mval *outs, value_type *declared,
                          verdict *out, sib_error *err)
{
    graph *g = p->s->graph;
    const node *n = &p->g->nodes[index];
    uint32_t n_values = g->n_values, n_nodes = g->n_nodes;
    int backend;
    *out = PLANNED;
    sib_code code = lower_or_offer(p, l, index, outs, declared, &backend, err);
    if (code != SIB_OK || backend >= 0)
        return code == SIB_OK ? note_made(p, n, outs, err) : code;
    if (l->status == LOWER_FAILED)
        return err_set(err, l->error.code, "%s", l->error.message);
    if (l->status == LOWER_NEEDS_CONTENT) {
        value_id needed = l->needs;
        l->status = LOWER_OK;
        code = meet_need(p, l, needed, n_values, out, err);
        /* source numbers of values that go with the truncation are set anew when those ids are used again */
        for (size_t i = n_values; i < p->source_capacity; i++)
            p->source[i] = NO_VALUE;
        truncate_plan(p, n_values, n_nodes);
        return code;
    }
    if (l->status == LOWER_NEEDS_DIMS)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "a dim that depends on data is needed before the data is there");
    mval ins[64];
    for (uint32_t i = 0; i < n->inputs.n && i < 64; i++)
        ins[i] = n->inputs.ids[i] == NO_VALUE ? MVAL_NONE : (mval){p->map[n->inputs.ids[i]]};
    /* what lowering could compute already is there */
    bool known = true;
    for (uint32_t i = 0; i < n->outputs.n; i++)
        known &= outs[i].id == NO_VALUE || g->values[outs[i].id].constant;
    backend = n->inputs.n <= 64 && !known ? offer_whole(p, n, ins, outs) : -1;
    if (backend >= 0)
        code = put_whole(p, l, index, n_values, n_nodes, backend, outs, err);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
        if (outs[i].id != NO_VALUE && !g->values[outs[i].id].constant &&
            source_of(p, outs[i].id) == NO_VALUE && is_dynamic(p->s->dims, &g->values[outs[i].id].type))
            *out = PLANNED_LAST;
    return code == SIB_OK ? note_made(p, n, outs, err) : code;
}

static sib_code plan_nodes(planner *p, node_id begin, sib_error *err)
{
    const graph *g = p->g;
    segment *s = p->s;
    lower_budget budget = {PLAN_OPS, PLAN_WORK};
    lowering l = {.graph = s->graph,
                  .cancel = p->cancel,
                  .budget = &budget,
                  .oracle = p->options->oracle,
                  .seed = p->options->seed,
                  .fold_limit = FOLD_LIMIT,
                  .driver = p,
                  .owner = p,
                  .import = import_planned,
                  .fold = fold_milli};
    size_t most = 1;
    for (node_id i = begin; i < g->n_nodes; i++)
        most = size_max(most, g->nodes[i].outputs.n);
    mval *outs = mem_alloc(most, sizeof *outs);
    value_type *declared = mem_alloc(most, sizeof *declared);
    sib_code code = outs && declared ? SIB_OK : err_memory(err, most * sizeof *declared, "a plan");
    verdict v = PLANNED;
    node_id i = begin;
    while (i < g->n_nodes && code == SIB_OK && v != PLANNED_LAST) {
        const node *n = &g->nodes[i];
        if (cancel_is_set(p->cancel))
            code = err_set(err, SIB_ERR_CANCELLED, "the run was cancelled");
        if (code != SIB_OK)
            break;
        if (n->op && n->op->control != CONTROL_NONE) {
            s->control = i == begin;
            i += s->control;
            break;
        }
        p->first_node[i - begin] = s->graph->n_nodes;
        p->made_at[i - begin] = p->n_made;
        code = plan_node(p, &l, i, outs, declared, &v, err);
        if (code == SIB_OK && v == WAITS) {
            if (i > begin)
                break;
            char name[120];
            code = err_set(err, SIB_ERR_UNSUPPORTED, "node %s: elements that it needs are not known",
                           node_text(g, n, name, sizeof name));
        }
        i += v != AGAIN;
    }
    s->end = i;
    if (code == SIB_OK && !s->control) {
        p->first_node[i - begin] = s->graph->n_nodes;
        p->made_at[i - begin] = p->n_made;
    }
    mem_free(outs);
    mem_free(declared);
    return code;
}

/* ---- Slots ------------------------------------------------------------------------------------------- */

/* What is read of a plan's values by others than its nodes. */
static void mark_leaves(const planner *p, bool *leaves)
{
    for (size_t i = 0; i < p->n_made; i++) {
        node_id last = p->uses->last[p->made[i].source];
        if (p->s->open || (last != NO_NODE && last >= p->s->end))
            leaves[p->made[i].planned] = true;
    }
}

/* Marks nodes whose outputs are needed: leaves, or by such nodes. value_needed: the leaves, and scratch. */
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

/* Fills what a slot says of dims. */
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

/* True where a reshape can be a view: its input stands in memory that a tensor can be made of beforehand. */
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
        at->source = source_of(p, v);
        at->kind = g->values[v].constant                                        ? SLOT_CONSTANT
                   : at->source != NO_VALUE && g->values[v].producer == NO_NODE ? SLOT_LIVE
                                                                                : SLOT_NONE;
        at->read = s->open;
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
                s->slots[at->root].read = true;
            } else
                at->kind = at->sized && g->values[n->outputs.ids[k]].type.dtype != SIB_STRING ? SLOT_ARENA
                                                                                              : SLOT_OWN;
        }
    }
    return code;
}

/* What an arena value stands in after all: memory of its own. */
static void take_out_of_arena(segment *s, value_id v)
{
    slot *at = &s->slots[v];
    if (at->kind == SLOT_ALIAS)
        at = &s->slots[at->root];
    if (at->kind == SLOT_ARENA)
        at->kind = SLOT_OWN;
}

/* Sequences and optionals, and outputs that a kernel makes itself, may share what the kernel was given. */
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

/* What later nodes or the caller read gets memory of its own. */
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
        s->exports[s->n_exports++] = p->made[i];
        s->slots[p->made[i].planned].read = true;
        take_out_of_arena(s, p->made[i].planned);
    }
    for (uint32_t v = 0; v < s->graph->n_values; v++)
        if (s->slots[v].kind == SLOT_OWN && !size_add(s->own_bytes, s->slots[v].bytes, &s->own_bytes))
            return err_set(err, SIB_ERR_SIZE, "the values of a run overflow the address space");
    return SIB_OK;
}

/* ---- Steps ------------------------------------------------------------------------------------------- */

static sib_code choose_backend(const planner *p, node_id id, const node_view *view, step *out, sib_error *err)
{
    const plan_options *o = p->options;
    size_t whole = id < p->chosen_capacity ? p->chosen[id] : 0;
    size_t b = whole ? whole - 1 : 0;
    while (!whole && b < o->n_backends && !o->backends[b].backend->claims(o->backends[b].self, view))
        b++;
    if (b == o->n_backends)
        return err_set(err, SIB_ERR_UNSUPPORTED, "no backend of the session runs milli-op %s",
                       view->node->milli->name);
    out->backend = o->backends[b].backend;
    out->self = o->backends[b].self;
    out->view = *view;
    return out->backend->prepare ? out->backend->prepare(out->self, view, out, err) : SIB_OK;
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

/* A node whose output is a view of its input is no step. Operators may have no first output. */
static bool is_alias(const segment *s, const node *n)
{
    return n->outputs.ids[0] != NO_VALUE && s->slots[n->outputs.ids[0]].kind == SLOT_ALIAS;
}

static sib_code make_steps(planner *p, const bool *node_needed, sib_error *err)
{
    segment *s = p->s;
    const graph *g = s->graph;
    size_t operands = 0, used = 0, n = s->end - s->begin;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        operands += g->nodes[i].inputs.n + g->nodes[i].outputs.n;
    s->views = mem_alloc(operands ? operands : 1, sizeof *s->views);
    s->steps = mem_calloc((size_t)g->n_nodes + 1, sizeof *s->steps);
    s->step_nodes = mem_alloc((size_t)g->n_nodes + 1, sizeof *s->step_nodes);
    s->first_step = mem_alloc(n + 1, sizeof *s->first_step);
    s->first_made = mem_alloc(n + 1, sizeof *s->first_made);
    if (!s->views || !s->steps || !s->step_nodes || !s->first_step || !s->first_made)
        return err_memory(err, g->n_nodes * sizeof *s->steps, "a plan");
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        s->first_step[i] = s->n_steps;
        s->first_made[i] = p->made_at[i];
        for (node_id k = p->first_node[i]; k < p->first_node[i + 1] && code == SIB_OK; k++)
            if (node_needed[k] && !is_alias(s, &g->nodes[k]))
                code = add_step(p, k, &used, err);
    }
    s->first_step[n] = s->n_steps;
    s->first_made[n] = p->n_made;
    s->made = p->made;
    s->n_made = p->n_made;
    p->made = NULL;
    return code;
}

/* ---- Fusing ------------------------------------------------------------------------------------------ */

/* Which node of the source each node of the plan belongs to, counted from `begin`, after nodes were fused. */
static sib_code renumber(planner *p, const patch *made, uint32_t n_before, const fusions *f, sib_error *err)
{
    const graph *g = p->s->graph;
    size_t n_source = p->s->end - p->s->begin, at = 0;
    uint32_t *before = mem_alloc((size_t)n_before + 1, sizeof *before), /* of the nodes as they were */
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
    if (code == SIB_OK && made.n) {
        code = patch_apply(g, edits, err);
        if (code == SIB_OK)
            code = renumber(p, edits, n_before, &made, err);
    }
    mem_free(made.items);
    patch_free(&edits);
    return code;
}

static sib_code mark(planner *p, bool *leaves, bool *value_needed, bool *node_needed, sib_error *err)
{
    const graph *g = p->s->graph;
    mark_leaves(p, leaves);
    memcpy(value_needed, leaves, g->n_values);
    mark_needed(g, node_needed, value_needed);
    if (p->s->open || p->options->oracle || !p->options->fuse_limit)
        return SIB_OK;
    sib_code code = fuse(p, node_needed, leaves, err);
    memcpy(value_needed, leaves, g->n_values);
    memset(node_needed, 0, g->n_nodes);
    mark_needed(g, node_needed, value_needed);
    return code;
}

static sib_code finish(planner *p, sib_error *err)
{
    segment *s = p->s;
    const graph *g = s->graph;
    bool *node_needed = mem_calloc((size_t)g->n_nodes + 1, 1),
         *value_needed = mem_calloc((size_t)g->n_values + 1, 1),
         *leaves = mem_calloc((size_t)g->n_values + 1, 1);
    s->slots = mem_calloc(g->n_values ? g->n_values : 1, sizeof *s->slots);
    sib_code code = node_needed && value_needed && leaves && s->slots
                        ? mark(p, leaves, value_needed, node_needed, err)
                        : err_memory(err, g->n_values * sizeof *s->slots, "a plan");
    if (code == SIB_OK)
        code = place_values(p, node_needed, err);
    if (code == SIB_OK) {
        place_shared(p, node_needed);
        code = place_exports(p, err);
    }
    if (code == SIB_OK)
        code = make_steps(p, node_needed, err);
    if (code == SIB_OK)
        code = plan_pack(s, err);
#ifndef NDEBUG
    if (code == SIB_OK)
        code = graph_verify(g, err);
#endif
    mem_free(node_needed);
    mem_free(value_needed);
    mem_free(leaves);
    return code;
}

/* The constant behind a value, by way of the graphs around; NULL where there is none, or a caller may give another. */
static const sib_tensor *constant_behind(const graph *g, value_id v)
{
    while (g && !g->values[v].constant) {
        uint32_t i = 0;
        while (i < g->n_captures && g->captures[i].inner != v)
            i++;
        if (i == g->n_captures)
            return NULL;
        v = g->captures[i].outer;
        g = g->outer;
    }
    for (uint32_t i = 0; g && i < g->inputs.n; i++)
        if (g->inputs.ids[i] == v)
            return NULL;
    return g ? g->values[v].constant : NULL;
}

static void find_givens(planner *p)
{
    for (uint32_t i = 0; i < p->g->inputs.n; i++)
        p->given[p->g->inputs.ids[i]] = true;
    for (uint32_t i = 0; i < p->g->n_captures; i++)
        p->captured[p->g->captures[i].inner] = constant_behind(p->g, p->g->captures[i].inner);
}

sib_code plan_segment(const graph *g, const graph_uses *uses, node_id begin, sib_value *const *live,
                      const plan_options *options, bool open, const struct sib_cancel *cancel, segment **out,
                      sib_error *err)
{
    planner p = {.g = g, .uses = uses, .live = live, .options = options, .cancel = cancel};
    size_t n = g->n_nodes - begin;
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
        find_givens(&p);
        p.s->source = g;
        p.s->open = open;
        p.s->begin = begin;
        code = arena_create(&p.s->memory, err);
    }
    if (code == SIB_OK)
        code = dim_table_create(&p.s->dims, err);
    if (code == SIB_OK)
        code = graph_create(p.s->memory, p.s->dims, &p.s->graph, err);
    if (code == SIB_OK)
        code = plan_nodes(&p, begin, err);
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
    for (size_t i = 0; i < s->n_steps; i++)
        if (s->steps[i].backend->release)
            s->steps[i].backend->release(&s->steps[i]);
    graph_free(&s->graph);
    dim_table_free(&s->dims);
    arena_free(&s->memory);
    mem_free(s->facts);
    mem_free(s->slots);
    mem_free(s->steps);
    mem_free(s->step_nodes);
    mem_free(s->first_step);
    mem_free(s->first_made);
    mem_free(s->made);
    mem_free(s->exports);
    mem_free(s->views);
    mem_free(s);
    *sp = NULL;
}
