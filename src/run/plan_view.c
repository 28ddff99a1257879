/* Plans as data: copied from the session's under its lock, so that runs may go on. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "run/optimise.h"
#include "run/session.h"

#include <sibyl/plan.h>

typedef struct segment_copy {
    sib_plan_segment about;
    sib_plan_step *steps;   /* (about.n_steps) */
    sib_plan_place *places; /* (about.n_places) */
} segment_copy;

/* Everything but itself lies in the arena. */
struct sib_plan {
    sib_model *model; /* a reference */
    graph_arena *arena;
    size_t n;
    segment_copy *segments; /* (n) */
};

/* ---- The graph that runs --------------------------------------------------------------------------- */

static const graph_shelf *shelf_of(const sib_session *s)
{
    return s->optimised ? &s->optimised->graphs : &s->model->graphs;
}

size_t sib_session_graphs(const sib_session *s)
{
    return shelf_of(s)->n;
}

const sib_graph *sib_session_graph(const sib_session *s, size_t i)
{
    return i < shelf_of(s)->n ? shelf_of(s)->graphs[i] : NULL;
}

bool sib_session_edit(const sib_session *s, uint64_t i, sib_edit *out)
{
    const optimised *o = s->optimised;
    if (!o || i >= o->log.n)
        return false;
    const graph_edit *e = &o->log.items[i];
    *out = (sib_edit){.pass = e->pass,
                      .graph = shelf_number(&o->graphs, e->graph),
                      .n_removed = e->n_removed,
                      .n_added = e->n_added,
                      .n_rewired = e->n_rewired,
                      .removed = e->removed,
                      .added = e->added,
                      .rewired = e->rewired};
    return true;
}

/* ---- Copying --------------------------------------------------------------------------------------- */

/* Memory of the copy; ok is false once there was none. */
typedef struct copier {
    graph_arena *arena;
    bool ok;
} copier;

static void *take(copier *c, size_t n, size_t size)
{
    void *p = arena_alloc(c->arena, n ? n : 1, size);
    c->ok = c->ok && p;
    return p;
}

static const char *take_text(copier *c, sib_str text)
{
    bool ok = true;
    sib_str copy = arena_string(c->arena, text, &ok);
    c->ok = c->ok && ok;
    return copy.data ? copy.data : "";
}

static const uint32_t *take_ids(copier *c, const id_list *ids)
{
    uint32_t *copy = take(c, ids->n, sizeof *copy);
    for (uint32_t i = 0; copy && i < ids->n; i++)
        copy[i] = ids->ids[i];
    return copy;
}

static void copy_members(copier *c, const node *n, sib_plan_step *out)
{
    const graph *body =
        n->n_attributes && n->attributes[0].kind == ATTR_GRAPH ? n->attributes[0].graph : NULL;
    if (!n->milli || n->milli->kind != MILLI_fused || !body)
        return;
    const char **members = take(c, body->n_nodes, sizeof *members);
    for (uint32_t i = 0; members && i < body->n_nodes; i++)
        members[i] = body->nodes[i].milli ? body->nodes[i].milli->name : take_text(c, body->nodes[i].type);
    out->members = members;
    out->n_members = body->n_nodes;
}

static void copy_packed(copier *c, const step *s, const node *n, sib_plan_step *out)
{
    uint32_t *packed = take(c, s->unread ? 64 : 0, sizeof *packed);
    for (uint32_t i = 0; packed && i < n->inputs.n && i < 64; i++)
        if (s->unread >> i & 1)
            packed[out->n_packed++] = n->inputs.ids[i];
    out->packed = packed;
}

/* Bytes of the values that bits name. */
static uint64_t bytes_of(const segment *s, const id_list *ids, uint64_t bits)
{
    uint64_t sum = 0;
    for (uint32_t k = 0; k < ids->n && k < 64; k++)
        if (bits >> k & 1 && ids->ids[k] != NO_VALUE)
            sum += s->slots[ids->ids[k]].bytes;
    return sum;
}

static void copy_steps(copier *c, const segment *s, segment_copy *out)
{
    out->steps = take(c, s->n_steps, sizeof *out->steps);
    for (size_t i = 0; out->steps && i < s->n_steps; i++) {
        const node *n = &s->graph->nodes[s->step_nodes[i]];
        const step *from = &s->steps[i];
        sib_plan_step *to = &out->steps[i];
        *to = (sib_plan_step){.node = n->origin,
                              .op_type = n->milli ? n->milli->name : take_text(c, n->type),
                              .milli = n->milli != NULL,
                              .backend = from->backend->name,
                              .kernel = from->backend->kernel ? from->backend->kernel(from) : NULL,
                              .n_inputs = n->inputs.n,
                              .n_outputs = n->outputs.n,
                              .inputs = take_ids(c, &n->inputs),
                              .outputs = take_ids(c, &n->outputs),
                              .bytes_in = bytes_of(s, &n->inputs, from->arrive),
                              .bytes_out = bytes_of(s, &n->outputs, from->leave)};
        copy_members(c, n, to);
        copy_packed(c, from, n, to);
    }
}

static void note_use(sib_plan_place *places, const slot *slots, const id_list *ids, uint32_t at)
{
    for (uint32_t k = 0; k < ids->n; k++) {
        if (ids->ids[k] == NO_VALUE)
            continue;
        sib_plan_place *p = &places[ids->ids[k]];
        for (int round = 0; round < 2; round++) { /* the value, and what it views */
            p->first_step = p->first_step == SIB_NONE ? at : p->first_step;
            p->last_step = at;
            if (slots[ids->ids[k]].kind != SLOT_ALIAS)
                break;
            p = &places[slots[ids->ids[k]].root];
        }
    }
}

static void copy_places(copier *c, const segment *s, segment_copy *out)
{
    static const sib_place_kind kinds[] = {
        [SLOT_NONE] = SIB_PLACE_NONE,   [SLOT_CONSTANT] = SIB_PLACE_CONSTANT, [SLOT_LIVE] = SIB_PLACE_LIVE,
        [SLOT_ARENA] = SIB_PLACE_ARENA, [SLOT_OWN] = SIB_PLACE_OWN,           [SLOT_ALIAS] = SIB_PLACE_VIEW};
    out->places = take(c, s->graph->n_values, sizeof *out->places);
    if (!out->places)
        return;
    for (uint32_t v = 0; v < s->graph->n_values; v++) {
        const slot *at = &s->slots[v];
        char type[400];
        out->places[v] = (sib_plan_place){
            .name = take_text(c, s->graph->values[v].name),
            .type = take_text(c, str_of(type_text(s->dims, &s->graph->values[v].type, type, sizeof type))),
            .kind = kinds[at->kind],
            .viewed = at->kind == SLOT_ALIAS ? at->root : SIB_NONE,
            .offset = at->kind == SLOT_ARENA ? at->offset : 0,
            .bytes = at->sized ? at->bytes : 0,
            .first_step = SIB_NONE,
            .last_step = SIB_NONE};
    }
    for (size_t i = 0; c->ok && i < s->n_steps; i++) {
        const node *n = &s->graph->nodes[s->step_nodes[i]];
        note_use(out->places, s->slots, &n->inputs, (uint32_t)i);
        note_use(out->places, s->slots, &n->outputs, (uint32_t)i);
    }
    for (size_t i = 0; c->ok && i < s->n_made; i++)
        out->places[s->made[i].planned].name = take_text(c, s->source->values[s->made[i].source].name);
    for (uint32_t v = 0; c->ok && v < s->graph->n_values; v++)
        if (s->slots[v].kind == SLOT_LIVE)
            out->places[v].name = take_text(c, s->source->values[s->slots[v].source].name);
}

static void add_fact(byte_buffer *b, const fact *f)
{
    if (f->absent)
        buf_add_text(b, " left out", NULL);
    if (f->absent || f->kind != SIB_VALUE_TENSOR)
        return;
    buf_printf(b, NULL, " %s [", sib_dtype_name(f->dtype));
    for (size_t i = 0; i < f->rank; i++)
        buf_printf(b, NULL, "%s%lld", i ? ", " : "", (long long)f->dims[i]);
    buf_add_text(b, f->content ? "] with its elements" : "]", NULL);
}

/* "x float32 [2, 3], axes int64 [1] with its elements" */
static const char *facts_text(copier *c, const segment *s)
{
    byte_buffer b = {0};
    for (size_t i = 0; i < s->n_facts; i++) {
        buf_add_text(&b, i ? ", " : "", NULL);
        buf_add_str(&b, s->source->values[s->facts[i].source].name, NULL);
        add_fact(&b, &s->facts[i]);
    }
    const char *text = take_text(c, buf_str(&b));
    c->ok = c->ok && b.code == SIB_OK;
    buf_free(&b);
    return text;
}

static void copy_segment(copier *c, const segment *s, uint32_t number, segment_copy *out)
{
    out->about = (sib_plan_segment){.graph = number,
                                    .begin = s->begin,
                                    .end = s->end,
                                    .runs_graphs = s->control,
                                    .tapped = s->view != PLAN_CLOSED,
                                    .facts = facts_text(c, s),
                                    .plan_bytes = s->bytes};
    if (s->control)
        return;
    out->about.n_steps = s->n_steps;
    out->about.n_places = s->graph->n_values;
    out->about.arena_bytes = s->arena_bytes;
    out->about.own_bytes = s->own_bytes;
    copy_steps(c, s, out);
    copy_places(c, s, out);
}

/* Counts the segments of a set, or copies them. shelf: has its graphs. The lock is held. */
static size_t set_segments(const executor_set *set, const graph_shelf *shelf, copier *c, segment_copy *out)
{
    size_t n = 0;
    for (size_t k = 0; k < set->n; k++) {
        const executor *ex = &set->items[k];
        for (node_id begin = 0; begin <= ex->g->n_nodes; begin++) {
            bool more = false;
            for (size_t i = 0; i < ex->n_segments; i++) {
                more |= ex->segments[i]->begin > begin;
                if (ex->segments[i]->begin == begin && out)
                    copy_segment(c, ex->segments[i], shelf_number(shelf, ex->g), &out[n]);
                n += ex->segments[i]->begin == begin;
            }
            if (!more)
                break;
        }
    }
    return n;
}

/* The same of a session. */
static size_t each_segment(const sib_session *s, copier *c, segment_copy *out)
{
    size_t n = set_segments(&s->running, shelf_of(s), c, out);
    size_t all = n + set_segments(&s->whole, &s->model->graphs, c, out ? out + n : NULL);
    for (size_t i = n; out && i < all; i++)
        out[i].about.of_file = true;
    return all;
}

sib_code sib_session_plan(sib_session *s, sib_plan **out, sib_error *err)
{
    if (!s || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", s ? "out" : "the session");
    *out = NULL;
    sib_plan *p = mem_calloc(1, sizeof *p);
    if (!p)
        return err_memory(err, sizeof *p, "a copy of plans");
    p->model = sib_model_keep(s->model);
    sib_code code = arena_create(&p->arena, err);
    if (code == SIB_OK) {
        copier c = {p->arena, true};
        pthread_mutex_lock(&s->shared.lock);
        p->n = each_segment(s, NULL, NULL);
        p->segments = take(&c, p->n, sizeof *p->segments);
        if (p->segments)
            each_segment(s, &c, p->segments);
        pthread_mutex_unlock(&s->shared.lock);
        if (!c.ok)
            code = err_memory(err, p->n * sizeof *p->segments, "a copy of plans");
    }
    if (code == SIB_OK)
        *out = p;
    else
        sib_plan_free(&p);
    return code;
}

void sib_plan_free(sib_plan **p)
{
    if (!p || !*p)
        return;
    arena_free(&(*p)->arena);
    sib_model_free(&(*p)->model);
    mem_free(*p);
    *p = NULL;
}

const char *sib_place_kind_name(sib_place_kind kind)
{
    static const char *const names[] = {"none", "constant", "live", "arena", "own", "view"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "none";
}

/* ---- Reading --------------------------------------------------------------------------------------- */

bool sib_plan_get_segment(const sib_plan *p, size_t i, sib_plan_segment *out)
{
    if (i >= p->n)
        return false;
    *out = p->segments[i].about;
    return true;
}

bool sib_plan_get_step(const sib_plan *p, size_t i, size_t k, sib_plan_step *out)
{
    if (i >= p->n || k >= p->segments[i].about.n_steps)
        return false;
    *out = p->segments[i].steps[k];
    return true;
}

bool sib_plan_get_place(const sib_plan *p, size_t i, size_t k, sib_plan_place *out)
{
    if (i >= p->n || k >= p->segments[i].about.n_places)
        return false;
    *out = p->segments[i].places[k];
    return true;
}
