/* Topological order of nodes, and the free names of a graph. */
#include "onnx/reader.h"

#include "base/alloc.h"

#include <string.h>

/* Iterates over the names that a node uses: its inputs, then the free names of its subgraphs. */
typedef struct use_walk {
    const raw_node *node;
    size_t input, attribute, graph, free;
} use_walk;

static bool next_use(use_walk *u, sib_str *name)
{
    const raw_node *n = u->node;
    if (u->input < n->n_inputs) {
        *name = n->inputs[u->input++];
        return true;
    }
    for (; u->attribute < n->n_attributes; u->attribute++, u->graph = 0)
        for (; u->graph < n->attributes[u->attribute].n_graphs; u->graph++, u->free = 0) {
            const raw_graph *g = &n->attributes[u->attribute].graphs[u->graph];
            if (u->free < g->n_free) {
                *name = g->free[u->free++];
                return true;
            }
        }
    return false;
}

/* ---- Free names ------------------------------------------------------------------------------------- */

enum { NAME_INSIDE, NAME_FREE };

static bool put_all(name_map *m, size_t n, const raw_named *list)
{
    for (size_t i = 0; i < n; i++)
        if (!name_map_put(m, list[i].name, NAME_INSIDE))
            return false;
    return true;
}

static bool add_use(name_map *m, sib_str name, size_t *n_free)
{
    uint32_t where;
    if (name.length == 0 || name_map_find(m, name, &where))
        return true;
    ++*n_free;
    return name_map_put(m, name, NAME_FREE);
}

static bool collect(const raw_graph *g, name_map *m, size_t *n_free)
{
    bool ok = put_all(m, g->n_inputs, g->inputs) && put_all(m, g->n_initializers, g->initializers) &&
              put_all(m, g->n_sparse, g->sparse);
    for (size_t i = 0; ok && i < g->body.n; i++)
        for (size_t k = 0; ok && k < g->body.nodes[i].n_outputs; k++)
            ok = name_map_put(m, g->body.nodes[i].outputs[k], NAME_INSIDE);
    for (size_t i = 0; ok && i < g->body.n; i++) {
        use_walk u = {.node = &g->body.nodes[i]};
        sib_str name;
        while (ok && next_use(&u, &name))
            ok = add_use(m, name, n_free);
    }
    for (size_t i = 0; ok && i < g->n_outputs; i++)
        ok = add_use(m, g->outputs[i].name, n_free);
    return ok;
}

sib_code raw_find_free(reader *r, raw_graph *g)
{
    name_map m = {0};
    size_t n = 0;
    bool ok = collect(g, &m, &n);
    if (ok && n) {
        g->free = arena_alloc(r->scratch, n, sizeof *g->free);
        ok = g->free != NULL;
    }
    for (size_t i = 0; ok && i < m.n; i++)
        if (m.entries[i].number == NAME_FREE)
            g->free[g->n_free++] = m.entries[i].name;
    name_map_clear(&m);
    return ok ? SIB_OK : reader_memory(r, 0, "the names of a graph");
}

/* ---- Order ------------------------------------------------------------------------------------------ */

enum { NODE_NEW, NODE_WAITS, NODE_DONE };

/* Keeps the order of the file, but emits the producers of a node's inputs before it where needed. */
typedef struct sorter {
    const raw_body *body;
    name_map makers; /* from a name to the node that produces it */
    uint8_t *state;  /* (n) */
    use_walk *stack; /* (n) nodes that wait for the one above them */
    size_t n_stack;
} sorter;

static bool maker_of(const sorter *s, sib_str name, uint32_t *maker)
{
    return name.length && name_map_find(&s->makers, name, maker);
}

/* True where no node uses a value that a later one produces. */
static bool in_order(const sorter *s)
{
    for (size_t i = 0; i < s->body->n; i++) {
        use_walk u = {.node = &s->body->nodes[i]};
        sib_str name;
        uint32_t maker;
        while (next_use(&u, &name))
            if (maker_of(s, name, &maker) && maker >= i)
                return false;
    }
    return true;
}

static void push(sorter *s, size_t i)
{
    s->state[i] = NODE_WAITS;
    s->stack[s->n_stack++] = (use_walk){.node = &s->body->nodes[i]};
}

/* Gets the next missing producer for the top node; false where there is none. */
static bool next_unmet(sorter *s, uint32_t *maker)
{
    sib_str name;
    while (next_use(&s->stack[s->n_stack - 1], &name))
        if (maker_of(s, name, maker) && s->state[*maker] != NODE_DONE)
            return true;
    return false;
}

/* Emits node i after everything that it needs. */
static sib_code emit(reader *r, sorter *s, size_t i, uint32_t *order, size_t *done)
{
    uint32_t maker;
    push(s, i);
    while (s->n_stack) {
        const raw_node *top = s->stack[s->n_stack - 1].node;
        if (!next_unmet(s, &maker)) {
            size_t index = (size_t)(top - s->body->nodes);
            s->state[index] = NODE_DONE;
            order[(*done)++] = (uint32_t)index;
            s->n_stack--;
            continue;
        }
        if (s->state[maker] == NODE_WAITS)
            return reader_fail(r, SIB_ERR_FORMAT, top->at,
                               "node '%.*s' (%.*s) depends on its own output: the graph has a cycle",
                               STR_ARGS(top->name), STR_ARGS(top->type));
        push(s, maker);
    }
    return SIB_OK;
}

static sib_code sort(reader *r, sorter *s, uint32_t *order)
{
    size_t n = s->body->n, done = 0;
    s->state = mem_calloc(n, sizeof *s->state);
    s->stack = mem_alloc(n, sizeof *s->stack);
    if (!s->state || !s->stack)
        return reader_memory(r, n * sizeof *s->stack, "the order of nodes");
    sib_code code = SIB_OK;
    for (size_t i = 0; code == SIB_OK && i < n; i++)
        if (s->state[i] == NODE_NEW)
            code = emit(r, s, i, order, &done);
    return code;
}

/* Tools that patch a constant append a new one: of several Constants with one name, the last counts. */
static bool is_constant(const raw_node *n)
{
    return n->domain.length == 0 && str_is(n->type, "Constant") && n->n_inputs == 0 && n->n_outputs == 1;
}

static bool find_makers(reader *r, raw_body *body, name_map *makers)
{
    for (size_t i = 0; i < body->n; i++) {
        raw_node *n = &body->nodes[i];
        for (size_t k = 0; k < n->n_outputs; k++) {
            uint32_t before;
            if (n->outputs[k].length == 0)
                continue;
            if (is_constant(n) && name_map_find(makers, n->outputs[k], &before) &&
                is_constant(&body->nodes[before])) {
                body->nodes[before].replaced = true;
                reader_notice(r, "several Constant nodes have the output '%.*s': the last one is used",
                              STR_ARGS(n->outputs[k]));
            }
            if (!name_map_put(makers, n->outputs[k], (uint32_t)i))
                return false;
        }
    }
    return true;
}

sib_code raw_order(reader *r, raw_body *body)
{
    sorter s = {.body = body};
    sib_code code = SIB_OK;
    bool ok = find_makers(r, body, &s.makers);
    if (ok && !in_order(&s)) {
        body->order = arena_alloc(r->scratch, body->n, sizeof *body->order);
        ok = body->order != NULL;
        if (ok)
            code = sort(r, &s, body->order);
    }
    if (!ok)
        code = reader_memory(r, 0, "the order of nodes");
    name_map_clear(&s.makers);
    mem_free(s.state);
    mem_free(s.stack);
    return code;
}
