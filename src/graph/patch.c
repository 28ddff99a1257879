#include "graph/patch.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"

#include <string.h>

typedef struct added_node {
    node node; /* lists and attributes are in the graph's arena */
    node_id before;
} added_node;

typedef struct rewiring {
    value_id from, to;
} rewiring;

typedef struct new_output {
    uint32_t index;
    value_id value;
} new_output;

typedef struct list {
    void *items;
    uint32_t n;
    size_t capacity;
} list;

/* Lengths of the lists where an edit begins. */
typedef struct edit_begin {
    uint32_t nodes, dropped, rewirings;
} edit_begin;

/* A changed capture, for undoing. */
typedef struct changed_capture {
    capture *at;
    value_id before;
} changed_capture;

struct patch {
    const graph *g;
    uint32_t base_values, base_nodes; /* of g when the patch was created */
    list values;                      /* of value */
    list nodes;                       /* of added_node */
    list rewirings, dropped, outputs; /* of rewiring, node_id, new_output */
    list captures;                    /* of changed_capture, while applying */
    list edits;                       /* of edit_begin */
    bool failed;                      /* an edit could not be begun */
    node_id *moved;                   /* (base_nodes) after applying, else NULL */
};

static sib_code push(list *l, const void *item, size_t size, sib_error *err)
{
    if (l->n == l->capacity) {
        if (l->n >= UINT32_MAX / 2)
            return err_set(err, SIB_ERR_SIZE, "a patch has too many parts");
        sib_code code = array_grow(&l->items, &l->capacity, (size_t)l->n + 1, size, "a patch", err);
        if (code != SIB_OK)
            return code;
    }
    memcpy((char *)l->items + l->n++ * size, item, size);
    return SIB_OK;
}

/* ---- Recording edits ---------------------------------------------------------------------------------- */

sib_code patch_create(const graph *g, patch **out, sib_error *err)
{
    patch *p = mem_calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return err_memory(err, sizeof *p, "a patch");
    p->g = g;
    p->base_values = g->n_values;
    p->base_nodes = g->n_nodes;
    return SIB_OK;
}

void patch_free(patch **pp)
{
    patch *p = *pp;
    if (!p)
        return;
    list *lists[] = {&p->values, &p->nodes, &p->rewirings, &p->dropped, &p->outputs, &p->captures, &p->edits};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        mem_free(lists[i]->items);
    mem_free(p->moved);
    mem_free(p);
    *pp = NULL;
}

bool patch_is_empty(const patch *p)
{
    return !p->values.n && !p->nodes.n && !p->rewirings.n && !p->dropped.n && !p->outputs.n;
}

static uint32_t n_values(const patch *p)
{
    return p->base_values + p->values.n;
}

static const value *value_at(const patch *p, value_id v)
{
    SIB_ASSERT(v < n_values(p));
    SIB_ASSERT(p->g->n_values >= p->base_values); /* nobody else changed the graph */
    return v < p->base_values ? &p->g->values[v] : (const value *)p->values.items + (v - p->base_values);
}

static sib_code check_value(const patch *p, value_id v, sib_error *err)
{
    return v < n_values(p) ? SIB_OK
                           : err_set(err, SIB_ERR_ARGUMENT, "a patch names value %u of %u", v, n_values(p));
}

static sib_code check_node(const patch *p, node_id n, sib_error *err)
{
    return n < p->base_nodes
               ? SIB_OK
               : err_set(err, SIB_ERR_ARGUMENT, "a patch names node %u of %u", n, p->base_nodes);
}

sib_code patch_value(patch *p, sib_str name, const value_type *type, value_id *out, sib_error *err)
{
    bool ok = true;
    value v = {.name = {"", 0}, .producer = NO_NODE};
    if (n_values(p) >= UINT32_MAX - 1)
        return err_set(err, SIB_ERR_SIZE, "a graph has too many values");
    if (type)
        v.type = *type;
    if (name.length)
        v.name = arena_string(p->g->arena, name, &ok);
    if (!ok)
        return err_memory(err, name.length, "a name");
    *out = n_values(p);
    return push(&p->values, &v, sizeof v, err);
}

sib_code patch_constant(patch *p, sib_str name, const sib_tensor *constant, value_id *out, sib_error *err)
{
    value_type type = type_of_dims(p->g->dims, sib_tensor_dtype(constant), sib_tensor_rank(constant),
                                   sib_tensor_dims(constant));
    sib_code code = patch_value(p, name, &type, out, err);
    if (code == SIB_OK)
        ((value *)p->values.items)[*out - p->base_values].constant = constant;
    return code;
}

sib_code patch_node(patch *p, node_id before, const node *n, sib_error *err)
{
    added_node made = {.before = before};
    sib_code code = before == NO_NODE ? SIB_OK : check_node(p, before, err);
    for (uint32_t i = 0; i < n->inputs.n && code == SIB_OK; i++)
        if (n->inputs.ids[i] != NO_VALUE)
            code = check_value(p, n->inputs.ids[i], err);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
        if (n->outputs.ids[i] != NO_VALUE)
            code = check_value(p, n->outputs.ids[i], err);
    if (code == SIB_OK)
        code = node_copy(p->g->arena, n, &made.node, err);
    return code == SIB_OK ? push(&p->nodes, &made, sizeof made, err) : code;
}

sib_code patch_rewire(patch *p, value_id from, value_id to, sib_error *err)
{
    rewiring r = {from, to};
    sib_code code = check_value(p, from, err);
    if (code == SIB_OK)
        code = check_value(p, to, err);
    return code == SIB_OK ? push(&p->rewirings, &r, sizeof r, err) : code;
}

sib_code patch_drop(patch *p, node_id n, sib_error *err)
{
    sib_code code = check_node(p, n, err);
    return code == SIB_OK ? push(&p->dropped, &n, sizeof n, err) : code;
}

sib_code patch_output(patch *p, uint32_t index, value_id v, sib_error *err)
{
    new_output o = {index, v};
    if (index >= p->g->outputs.n)
        return err_set(err, SIB_ERR_ARGUMENT, "a patch names output %u of %u", index, p->g->outputs.n);
    sib_code code = check_value(p, v, err);
    return code == SIB_OK ? push(&p->outputs, &o, sizeof o, err) : code;
}

/* ---- Describing edits ---------------------------------------------------------------------------------- */

void patch_begin_edit(patch *p)
{
    edit_begin here = {p->nodes.n, p->dropped.n, p->rewirings.n};
    p->failed |= push(&p->edits, &here, sizeof here, NULL) != SIB_OK;
}

/* Strings of graphs end with NUL. */
static const char *text_of(sib_str s)
{
    return s.length ? s.data : "";
}

static sib_code describe_edit(const patch *p, edit_begin from, edit_begin to, graph_arena *arena,
                              graph_edit *e, sib_error *err)
{
    const added_node *nodes = p->nodes.items;
    const node_id *dropped = p->dropped.items;
    const rewiring *rewirings = p->rewirings.items;
    e->n_removed = to.dropped - from.dropped;
    e->n_added = to.nodes - from.nodes;
    e->n_rewired = to.rewirings - from.rewirings;
    e->removed = arena_alloc(arena, e->n_removed + e->n_added + 1, sizeof *e->removed);
    e->rewired = arena_alloc(arena, e->n_rewired + 1, sizeof *e->rewired);
    if (!e->removed || !e->rewired)
        return err_memory(err, (e->n_removed + e->n_added) * sizeof *e->removed, "the edits of a pass");
    e->added = e->removed + e->n_removed;
    for (size_t i = 0; i < e->n_removed; i++) {
        const node *n = &p->g->nodes[dropped[from.dropped + i]];
        e->removed[i] = (sib_edit_node){text_of(n->type), text_of(n->name)};
    }
    for (size_t i = 0; i < e->n_added; i++) {
        const node *n = &nodes[from.nodes + i].node;
        e->added[i] = (sib_edit_node){text_of(n->type), text_of(n->name)};
    }
    for (size_t i = 0; i < e->n_rewired; i++) {
        const rewiring *r = &rewirings[from.rewirings + i];
        e->rewired[i] =
            (sib_edit_rewiring){text_of(value_at(p, r->from)->name), text_of(value_at(p, r->to)->name)};
    }
    return SIB_OK;
}

sib_code patch_describe(const patch *p, const char *pass, edit_log *log, sib_error *err)
{
    const edit_begin *begins = p->edits.items, end = {p->nodes.n, p->dropped.n, p->rewirings.n};
    size_t before = log->n;
    sib_code code = SIB_OK;
    for (uint32_t i = 0; code == SIB_OK && i < p->edits.n; i++) {
        graph_edit e = {.pass = pass, .graph = p->g};
        code = describe_edit(p, begins[i], i + 1 < p->edits.n ? begins[i + 1] : end, log->arena, &e, err);
        if (code == SIB_OK)
            code = ARRAY_PUSH(log->items, log->n, log->capacity, "the edits of passes", err, e);
    }
    if (code != SIB_OK)
        log->n = before;
    return code;
}

/* ---- Applying: substitution -------------------------------------------------------------------------- */

/* The edited graph, built next to the present one. */
typedef struct draft {
    patch *p;
    value_id *instead; /* (values) the substitute of each value, itself where there is none */
    uint8_t *dropped;  /* (base_nodes) */
    graph after;       /* nodes, values and outputs are new; the rest is shared */
    sib_error *err;
} draft;

static sib_code check_seam(const draft *d, value_id from, value_id to)
{
    const value *a = value_at(d->p, from), *b = value_at(d->p, to);
    char was[160], is[160];
    if (type_agrees(d->p->g->dims, &a->type, &b->type))
        return SIB_OK;
    return err_set(d->err, SIB_ERR_ARGUMENT,
                   "value %u ('%.60s') of type %s cannot be used for value %u ('%.60s') of type %s", to,
                   b->name.length ? b->name.data : "", type_text(d->p->g->dims, &b->type, is, sizeof is),
                   from, a->name.length ? a->name.data : "",
                   type_text(d->p->g->dims, &a->type, was, sizeof was));
}

static sib_code follow_rewirings(draft *d)
{
    const rewiring *r = d->p->rewirings.items;
    uint32_t n = d->p->rewirings.n, values = n_values(d->p);
    for (value_id v = 0; v < values; v++)
        d->instead[v] = v;
    for (uint32_t i = 0; i < n; i++) {
        if (d->instead[r[i].from] != r[i].from && d->instead[r[i].from] != r[i].to)
            return err_set(d->err, SIB_ERR_ARGUMENT, "value %u is rewired to value %u and to value %u",
                           r[i].from, d->instead[r[i].from], r[i].to);
        d->instead[r[i].from] = r[i].to;
    }
    for (uint32_t i = 0; i < n; i++) {
        value_id to = r[i].to, next;
        for (uint32_t steps = 0; d->instead[to] != to; to = d->instead[to])
            if (steps++ > n)
                return err_set(d->err, SIB_ERR_ARGUMENT, "value %u is rewired in a circle", r[i].from);
        for (value_id at = r[i].from; at != to;
             at = next) { /* path compression: later lookups take one step */
            next = d->instead[at];
            d->instead[at] = to;
        }
        sib_code code = check_seam(d, r[i].from, to);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* Substitutes the ids of a list, which stays shared where nothing changes. Returns false where memory
   fails. */
static bool rewire_list(const draft *d, id_list *l)
{
    bool changes = false;
    for (uint32_t i = 0; i < l->n && !changes; i++)
        changes = l->ids[i] < d->p->base_values && d->instead[l->ids[i]] != l->ids[i];
    if (!changes)
        return true;
    uint32_t *ids = arena_alloc(d->p->g->arena, l->n, sizeof *ids);
    for (uint32_t i = 0; ids && i < l->n; i++)
        ids[i] = l->ids[i] < d->p->base_values ? d->instead[l->ids[i]] : l->ids[i];
    l->ids = ids;
    return ids != NULL;
}

/* ---- Applying: nodes, values, outputs ----------------------------------------------------------------- */

/* Puts the new nodes that precede node `at` (base_nodes: the end) into the draft. next: (base_nodes + 1)
   heads of lists linked through links: (nodes). */
static void place(draft *d, uint32_t at, const uint32_t *next, const uint32_t *links)
{
    const added_node *added = d->p->nodes.items;
    SIB_ASSERT(at <= d->p->base_nodes);
    for (uint32_t i = next[at]; i != UINT32_MAX; i = links[i])
        d->after.nodes[d->after.n_nodes++] = added[i].node;
    SIB_ASSERT(d->after.n_nodes <= d->after.node_capacity);
}

static sib_code draft_nodes(draft *d)
{
    patch *p = d->p;
    const added_node *added = p->nodes.items;
    size_t max = (size_t)p->base_nodes + p->nodes.n;
    uint32_t *next = mem_alloc((size_t)p->base_nodes + 1, sizeof *next),
             *links = mem_alloc(p->nodes.n, sizeof *links);
    d->after.nodes = mem_alloc(max, sizeof *d->after.nodes);
    bool ok = next && links && d->after.nodes && max < UINT32_MAX;
    d->after.n_nodes = 0;
    d->after.node_capacity = (uint32_t)max;
    if (ok)
        memset(next, 0xff, ((size_t)p->base_nodes + 1) * sizeof *next);
    for (uint32_t i = p->nodes.n;
         ok && i-- > 0;) { /* from last to first, so that each list begins with its first */
        uint32_t at = added[i].before == NO_NODE ? p->base_nodes : added[i].before;
        links[i] = next[at];
        next[at] = i;
    }
    for (node_id n = 0; ok && n < p->base_nodes; n++) {
        place(d, n, next, links);
        p->moved[n] = d->dropped[n] ? NO_NODE : d->after.n_nodes;
        if (d->dropped[n])
            continue;
        d->after.nodes[d->after.n_nodes] = p->g->nodes[n];
        ok = rewire_list(d, &d->after.nodes[d->after.n_nodes++].inputs);
    }
    if (ok)
        place(d, p->base_nodes, next, links);
    mem_free(next);
    mem_free(links);
    return ok ? SIB_OK : err_memory(d->err, max * sizeof *d->after.nodes, "a patched graph");
}

static sib_code draft_values(draft *d)
{
    patch *p = d->p;
    uint32_t n = n_values(p);
    d->after.values = mem_alloc(n, sizeof *d->after.values);
    if (!d->after.values)
        return err_memory(d->err, n * sizeof *d->after.values, "a patched graph");
    if (p->base_values)
        memcpy(d->after.values, p->g->values, p->base_values * sizeof *d->after.values);
    if (p->values.n)
        memcpy(d->after.values + p->base_values, p->values.items, p->values.n * sizeof *d->after.values);
    d->after.n_values = d->after.value_capacity = n;
    for (value_id v = 0; v < n; v++)
        d->after.values[v].producer = NO_NODE;
    for (node_id i = 0; i < d->after.n_nodes; i++) {
        const node *made = &d->after.nodes[i];
        for (uint32_t k = 0; k < made->outputs.n; k++) {
            value_id v = made->outputs.ids[k];
            char here[140], there[140];
            if (v >= n)
                continue;
            if (d->after.values[v].producer != NO_NODE)
                return err_set(
                    d->err, SIB_ERR_FORMAT, "value %u is an output of node %s and of node %s", v,
                    node_text(&d->after, &d->after.nodes[d->after.values[v].producer], there, sizeof there),
                    node_text(&d->after, made, here, sizeof here));
            d->after.values[v].producer = i;
        }
    }
    return SIB_OK;
}

static sib_code draft_outputs(draft *d)
{
    const new_output *o = d->p->outputs.items;
    uint32_t n = d->p->g->outputs.n;
    sib_code code = SIB_OK;
    size_t room = 1; /* powers of two, as graph_add_output assumes */
    while (room < n)
        room *= 2;
    d->after.outputs.ids = mem_alloc(room, sizeof *d->after.outputs.ids);
    if (!d->after.outputs.ids)
        return err_memory(d->err, room * sizeof *d->after.outputs.ids, "a patched graph");
    if (n)
        memcpy(d->after.outputs.ids, d->p->g->outputs.ids, n * sizeof *d->after.outputs.ids);
    for (uint32_t i = 0; i < d->p->outputs.n && code == SIB_OK; i++) {
        code = check_seam(d, d->p->g->outputs.ids[o[i].index], o[i].value);
        d->after.outputs.ids[o[i].index] = o[i].value;
    }
    return code;
}

/* ---- Applying: subgraphs ----------------------------------------------------------------------------- */

/* Calls `what` for each subgraph of node n; stops and returns false where the call does. */
static bool each_inside(const graph *g, const node *n, bool (*what)(void *context, graph *inside),
                        void *context)
{
    for (size_t k = 0; k < n->n_attributes; k++) {
        const attribute *a = &n->attributes[k];
        size_t count = a->kind == ATTR_GRAPH ? 1 : a->kind == ATTR_GRAPHS ? a->n : 0;
        for (size_t j = 0; j < count; j++) {
            graph *inside = a->kind == ATTR_GRAPH ? a->graph : a->graphs[j];
            if (inside && inside->outer == g && !what(context, inside))
                return false;
        }
    }
    return true;
}

/* Substitutes the captures of a subgraph, and records the old ones. */
static bool rewire_captures(void *context, graph *inside)
{
    draft *d = context;
    for (uint32_t i = 0; i < inside->n_captures; i++) {
        capture *c = &inside->captures[i];
        changed_capture changed = {c, c->outer};
        if (c->outer >= d->p->base_values || d->instead[c->outer] == c->outer)
            continue;
        if (push(&d->p->captures, &changed, sizeof changed, d->err) != SIB_OK)
            return false;
        c->outer = d->instead[c->outer];
    }
    return true;
}

static void restore_captures(const draft *d)
{
    const changed_capture *c = d->p->captures.items;
    for (uint32_t i = d->p->captures.n; i-- > 0;)
        c[i].at->outer = c[i].before;
}

typedef struct inside_search {
    const graph *wanted;
} inside_search;

static bool is_another(void *context, graph *inside)
{
    return inside != ((const inside_search *)context)->wanted;
}

/* True where a new node holds the subgraph. */
static bool is_held(const draft *d, const graph *inside)
{
    const added_node *added = d->p->nodes.items;
    inside_search search = {inside};
    for (uint32_t i = 0; i < d->p->nodes.n; i++)
        if (!each_inside(d->p->g, &added[i].node, is_another, &search))
            return true;
    return false;
}

static bool free_unheld(void *context, graph *inside)
{
    if (!is_held(context, inside))
        graph_free(&inside);
    return true;
}

/* Frees what the edits made unreachable; g is already the draft, `before` the old graph. */
static void free_replaced(draft *d, const graph *before)
{
    for (node_id n = 0; n < d->p->base_nodes; n++)
        if (d->dropped[n])
            each_inside(d->p->g, &before->nodes[n], free_unheld, d);
    mem_free(before->nodes);
    mem_free(before->values);
    mem_free(before->outputs.ids);
}

/* ---- Applying ------------------------------------------------------------------------------------------ */

static sib_code make_draft(draft *d)
{
    patch *p = d->p;
    const node_id *dropped = p->dropped.items;
    d->instead = mem_alloc(n_values(p), sizeof *d->instead);
    d->dropped = mem_calloc(p->base_nodes, 1);
    mem_free(p->moved);
    p->moved = mem_alloc(p->base_nodes, sizeof *p->moved);
    if (!d->instead || !d->dropped || !p->moved)
        return err_memory(d->err, n_values(p) * sizeof *d->instead, "a patched graph");
    for (uint32_t i = 0; i < p->dropped.n; i++)
        d->dropped[dropped[i]] = 1;
    sib_code code = follow_rewirings(d);
    if (code == SIB_OK)
        code = draft_nodes(d);
    if (code == SIB_OK)
        code = draft_values(d);
    return code == SIB_OK ? draft_outputs(d) : code;
}

/* Replaces g by the draft if that passes verification. */
static sib_code install(graph *g, draft *d)
{
    graph before = *g;
    bool ok = true;
    for (node_id n = 0; n < d->p->base_nodes && ok; n++)
        ok = d->dropped[n] || each_inside(g, &before.nodes[n], rewire_captures, d);
    *g = d->after;
    sib_code code = ok ? graph_verify(g, d->err) : SIB_ERR_MEMORY;
    if (code == SIB_OK) {
        free_replaced(d, &before);
        return SIB_OK;
    }
    *g = before;
    restore_captures(d);
    return code;
}

sib_code patch_apply(graph *g, patch *p, sib_error *err)
{
    if (g != p->g || g->n_values != p->base_values || g->n_nodes != p->base_nodes)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "the patch was made for another graph, or the graph has changed since");
    if (p->failed)
        return err_memory(err, sizeof(edit_begin), "a patch");
    draft d = {.p = p, .after = *g, .err = err};
    d.after.nodes = NULL;
    d.after.values = NULL;
    d.after.outputs.ids = NULL;
    sib_code code = make_draft(&d);
    if (code == SIB_OK)
        code = install(g, &d);
    if (code != SIB_OK) {
        mem_free(d.after.nodes);
        mem_free(d.after.values);
        mem_free(d.after.outputs.ids);
        mem_free(p->moved);
        p->moved = NULL;
    }
    p->captures.n = 0;
    mem_free(d.instead);
    mem_free(d.dropped);
    return code;
}

node_id patch_moved(const patch *p, node_id n)
{
    return p->moved && n < p->base_nodes ? p->moved[n] : NO_NODE;
}
