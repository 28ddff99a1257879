/* Packs a segment's values into one arena: offsets are allocated and freed in the order of the steps. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"
#include "run/plan/plan.h"

#include <string.h>

/* Free ranges of the arena, in order of offset, no two adjacent. The last one has no end. */
typedef struct stretch {
    size_t offset, bytes;
} stretch;

typedef struct packing {
    stretch *free; /* (n) */
    size_t n, capacity, top;
} packing;

static sib_code insert(packing *p, size_t at, stretch s, sib_error *err)
{
    sib_code code = ARRAY_RESERVE(p->free, p->capacity, p->n + 1, "planning memory", err);
    if (code != SIB_OK)
        return code;
    SIB_ASSERT(at <= p->n && p->n < p->capacity);
    memmove(p->free + at + 1, p->free + at, (p->n - at) * sizeof *p->free);
    p->free[at] = s;
    p->n++;
    return SIB_OK;
}

/* Allocates the smallest free stretch that fits, else extends the arena. */
static sib_code take(packing *p, size_t bytes, size_t *offset, sib_error *err)
{
    size_t best = p->n;
    for (size_t i = 0; i < p->n; i++)
        if (p->free[i].bytes >= bytes && (best == p->n || p->free[i].bytes < p->free[best].bytes))
            best = i;
    if (best < p->n) {
        SIB_ASSERT(p->free[best].offset + p->free[best].bytes <= p->top);
        *offset = p->free[best].offset;
        p->free[best].offset += bytes;
        p->free[best].bytes -= bytes;
        if (!p->free[best].bytes) {
            p->n--;
            memmove(p->free + best, p->free + best + 1, (p->n - best) * sizeof *p->free);
        }
        return SIB_OK;
    }
    bool ends_free = p->n && p->free[p->n - 1].offset + p->free[p->n - 1].bytes == p->top;
    *offset = ends_free ? p->free[p->n - 1].offset : p->top;
    if (!size_add(*offset, bytes, &p->top))
        return err_set(err, SIB_ERR_SIZE, "the values of a run overflow the address space");
    p->n -= ends_free;
    return SIB_OK;
}

static sib_code give_back(packing *p, size_t offset, size_t bytes, sib_error *err)
{
    size_t at = 0, high = p->n;
    while (at < high) { /* finds the first stretch after `offset` */
        size_t middle = (at + high) / 2;
        if (p->free[middle].offset < offset)
            at = middle + 1;
        else
            high = middle;
    }
    SIB_ASSERT(offset + bytes <= p->top);
    /* it must not be free yet; a value of no bytes may have any offset */
    SIB_ASSERT(!bytes || at == 0 || p->free[at - 1].offset + p->free[at - 1].bytes <= offset);
    SIB_ASSERT(!bytes || at == p->n || offset + bytes <= p->free[at].offset);
    bool joins_before = at > 0 && p->free[at - 1].offset + p->free[at - 1].bytes == offset;
    bool joins_after = at < p->n && offset + bytes == p->free[at].offset;
    if (joins_before && joins_after) {
        p->free[at - 1].bytes += bytes + p->free[at].bytes;
        p->n--;
        memmove(p->free + at, p->free + at + 1, (p->n - at) * sizeof *p->free);
    } else if (joins_before)
        p->free[at - 1].bytes += bytes;
    else if (joins_after) {
        p->free[at].offset = offset;
        p->free[at].bytes += bytes;
    } else if (bytes)
        return insert(p, at, (stretch){offset, bytes}, err);
    return SIB_OK;
}

static value_id root_of(const segment *s, value_id v)
{
    SIB_ASSERT(v < s->graph->n_values);
    SIB_ASSERT(s->slots[v].kind != SLOT_ALIAS || s->slots[s->slots[v].root].kind != SLOT_ALIAS);
    return s->slots[v].kind == SLOT_ALIAS ? s->slots[v].root : v;
}

/* The last step that needs each value's memory; SIZE_MAX where it stays to the end of the segment. */
static size_t *last_steps(const segment *s, sib_error *err)
{
    size_t *last = mem_calloc(s->graph->n_values ? s->graph->n_values : 1, sizeof *last);
    if (!last) {
        err_memory(err, s->graph->n_values * sizeof *last, "planning memory");
        return NULL;
    }
    for (size_t i = 0; i < s->n_steps; i++) {
        SIB_ASSERT(s->step_nodes[i] < s->graph->n_nodes);
        SIB_ASSERT(i == 0 || s->step_nodes[i - 1] < s->step_nodes[i]); /* steps keep the order of nodes */
        const node *n = &s->graph->nodes[s->step_nodes[i]];
        for (uint32_t k = 0; k < n->inputs.n + n->outputs.n; k++) {
            value_id v = k < n->inputs.n ? n->inputs.ids[k] : n->outputs.ids[k - n->inputs.n];
            if (v != NO_VALUE)
                last[root_of(s, v)] = i;
        }
    }
    /* observers see a source value when its node is done */
    for (node_id n = 0; n < s->end - s->begin && s->view != PLAN_CLOSED; n++)
        for (size_t k = s->first_made[n]; k < s->first_made[n + 1]; k++) {
            value_id root = root_of(s, s->made[k].planned);
            size_t done = s->first_step[n + 1];
            if (done && last[root] < done - 1)
                last[root] = done - 1;
        }
    return last;
}

/* Places in the arena are places on a device too. */
static size_t rounded(const segment *s, size_t bytes)
{
    const size_t align = s->device ? DEVICE_ALIGN : MEM_ALIGN;
    return (bytes + align - 1) / align * align;
}

/* Sorts values by the last step that needs them: (n_values) in `dying`, where each step's begin in `from`. */
static void sort_by_end(const segment *s, const size_t *last, value_id *dying, size_t *from)
{
    uint32_t n = s->graph->n_values;
    for (uint32_t v = 0; v < n; v++)
        if (s->slots[v].kind == SLOT_ARENA)
            from[last[v] + 1]++;
    for (size_t i = 0; i < s->n_steps; i++)
        from[i + 1] += from[i];
    for (uint32_t v = 0; v < n; v++)
        if (s->slots[v].kind == SLOT_ARENA)
            dying[from[last[v]]++] = v;
    SIB_ASSERT(s->n_steps == 0 || from[s->n_steps - 1] == from[s->n_steps]); /* each value dies once */
    for (size_t i = s->n_steps; i > 0; i--)
        from[i] = from[i - 1];
    from[0] = 0;
}

#if defined(SIBYL_ASSERTIONS)
/* Plans of more values are not checked: the time is quadratic. */
#define CHECK_LIMIT 4096

/* Whether v is in the arena and in use at step i. */
static bool is_placed_at(const segment *s, const size_t *last, value_id v, size_t i)
{
    return s->slots[v].kind == SLOT_ARENA && s->graph->values[v].producer <= s->step_nodes[i] && last[v] >= i;
}

/* Asserts that values in use at the same step share no byte of the arena. */
static void check_places(const segment *s, const size_t *last)
{
    const graph *g = s->graph;
    for (size_t i = 0; i < s->n_steps && g->n_values <= CHECK_LIMIT; i++) {
        const node *n = &g->nodes[s->step_nodes[i]];
        for (uint32_t k = 0; k < n->inputs.n; k++)
            SIB_ASSERT(n->inputs.ids[k] == NO_VALUE || last[root_of(s, n->inputs.ids[k])] >= i);
        for (uint32_t k = 0; k < n->outputs.n; k++) {
            value_id v = n->outputs.ids[k];
            if (v == NO_VALUE || s->slots[v].kind != SLOT_ARENA)
                continue;
            const slot *at = &s->slots[v];
            SIB_ASSERT(last[v] >= i);
            SIB_ASSERT(at->offset % MEM_ALIGN == 0);
            SIB_ASSERT(at->offset + at->bytes <= s->arena_bytes);
            for (value_id other = 0; other < g->n_values; other++)
                if (other != v && at->bytes && s->slots[other].bytes && is_placed_at(s, last, other, i)) {
                    const slot *there = &s->slots[other];
                    SIB_ASSERT(at->offset + at->bytes <= there->offset ||
                               there->offset + there->bytes <= at->offset);
                }
        }
    }
}
#endif

sib_code plan_pack(segment *s, sib_error *err)
{
    packing p = {0};
    size_t *last = last_steps(s, err);
    value_id *dying = mem_alloc(s->graph->n_values ? s->graph->n_values : 1, sizeof *dying);
    size_t *from = mem_calloc(s->n_steps + 2, sizeof *from);
    sib_code code =
        last && dying && from ? SIB_OK : err_memory(err, s->n_steps * sizeof *from, "planning memory");
    if (code == SIB_OK)
        sort_by_end(s, last, dying, from);
    for (size_t i = 0; i < s->n_steps && code == SIB_OK; i++) {
        const node *n = &s->graph->nodes[s->step_nodes[i]];
        for (uint32_t k = 0; k < n->outputs.n && code == SIB_OK; k++) {
            const value_id v = n->outputs.ids[k];
            if (v != NO_VALUE && s->slots[v].kind == SLOT_ARENA)
                code = take(&p, rounded(s, s->slots[v].bytes), &s->slots[v].offset, err);
        }
        for (size_t k = from[i]; k < from[i + 1] && code == SIB_OK; k++)
            code = give_back(&p, s->slots[dying[k]].offset, rounded(s, s->slots[dying[k]].bytes), err);
    }
    s->arena_bytes = p.top;
#if defined(SIBYL_ASSERTIONS)
    if (code == SIB_OK)
        check_places(s, last);
#endif
    mem_free(p.free);
    mem_free(last);
    mem_free(dying);
    mem_free(from);
    return code;
}
