/* The order of nodes in which every value is made before it is used, and the names that a graph takes from outside. */
#include "onnx/reader.h"

#include "base/alloc.h"

#include <string.h>

/* Names that a node uses: its inputs, then what the graphs inside it take from outside. */
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

/* Kahn's algorithm; of the nodes that are ready the first in the file comes first. */
typedef struct sorter {
    const raw_body *body;
    name_map makers; /* name to the node that makes it */
    uint32_t *begin; /* (n + 1) where each node's users begin in users */
    uint32_t *users; /* (n edges) nodes that use what a node makes */
    uint32_t *waits; /* (n) values that a node still waits for */
    uint32_t *heap;  /* (n) ready nodes, the lowest first */
    size_t n_heap;
} sorter;

static bool maker_of(const sorter *s, sib_str name, uint32_t *maker)
{
    return name.length && name_map_find(&s->makers, name, maker);
}

/* True where no node uses what a later one makes. */
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

static void heap_push(sorter *s, uint32_t index)
{
    size_t i = s->n_heap++;
    for (; i > 0 && s->heap[(i - 1) / 2] > index; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = index;
}

static uint32_t heap_pop(sorter *s)
{
    uint32_t first = s->heap[0], last = s->heap[--s->n_heap];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < s->n_heap) {
        if (child + 1 < s->n_heap && s->heap[child + 1] < s->heap[child])
            child++;
        if (s->heap[child] >= last)
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return first;
}

/* Counts, or with fill set writes down, who uses what each node makes. */
static void walk_edges(sorter *s, bool fill, uint32_t *next)
{
    for (size_t i = 0; i < s->body->n; i++) {
        use_walk u = {.node = &s->body->nodes[i]};
        sib_str name;
        uint32_t maker;
        while (next_use(&u, &name)) {
            if (!maker_of(s, name, &maker))
                continue;
            if (fill)
                s->users[next[maker]++] = (uint32_t)i;
            else {
                s->begin[maker + 1]++;
                s->waits[i]++;
            }
        }
    }
}

static sib_code sort(reader *r, sorter *s, uint32_t *order)
{
    size_t n = s->body->n, done = 0;
    s->begin = mem_calloc(n + 1, sizeof *s->begin);
    s->waits = mem_calloc(n, sizeof *s->waits);
    s->heap = mem_alloc(n, sizeof *s->heap);
    if (!s->begin || !s->waits || !s->heap)
        return reader_memory(r, n * sizeof *s->heap, "the order of nodes");
    walk_edges(s, false, NULL);
    for (size_t i = 0; i < n; i++)
        s->begin[i + 1] += s->begin[i];
    s->users = mem_alloc(s->begin[n], sizeof *s->users);
    if (!s->users)
        return reader_memory(r, s->begin[n] * sizeof *s->users, "the order of nodes");
    memcpy(order, s->begin, n * sizeof *order); /* borrowed as cursors */
    walk_edges(s, true, order);
    for (size_t i = 0; i < n; i++)
        if (s->waits[i] == 0)
            heap_push(s, (uint32_t)i);
    while (s->n_heap) {
        uint32_t first = heap_pop(s);
        order[done++] = first;
        for (uint32_t k = s->begin[first]; k < s->begin[first + 1]; k++)
            if (--s->waits[s->users[k]] == 0)
                heap_push(s, s->users[k]);
    }
    for (size_t i = 0; done < n && i < n; i++)
        if (s->waits[i]) {
            const raw_node *stuck = &s->body->nodes[i];
            return reader_fail(
                r, SIB_ERR_FORMAT, stuck->at,
                "node '%.*s' (%.*s) waits for values of nodes that need one another in a cycle",
                STR_ARGS(stuck->name), STR_ARGS(stuck->type));
        }
    return SIB_OK;
}

sib_code raw_order(reader *r, raw_body *body)
{
    sorter s = {.body = body};
    bool ok = true;
    sib_code code = SIB_OK;
    for (size_t i = 0; ok && i < body->n; i++)
        for (size_t k = 0; ok && k < body->nodes[i].n_outputs; k++)
            ok = body->nodes[i].outputs[k].length == 0 ||
                 name_map_put(&s.makers, body->nodes[i].outputs[k], (uint32_t)i);
    if (ok && !in_order(&s)) {
        body->order = arena_alloc(r->scratch, body->n, sizeof *body->order);
        ok = body->order != NULL;
        if (ok)
            code = sort(r, &s, body->order);
    }
    if (!ok)
        code = reader_memory(r, 0, "the order of nodes");
    name_map_clear(&s.makers);
    mem_free(s.begin);
    mem_free(s.users);
    mem_free(s.waits);
    mem_free(s.heap);
    return code;
}
