#include "text/constrain/machine.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

#define WORK_SLOTS  (2 * MACHINE_MAX_PLACES)
#define STATE_SLOTS (2 * MACHINE_MAX_STATES)
/* Max frames and places of all states. */
#define MAX_KEPT (1u << 20)

static uint32_t mix(uint32_t hash, uint32_t x)
{
    hash = (hash ^ x) * 0x9E3779B1u;
    return hash ^ (hash >> 15);
}

/* ---- Frames -------------------------------------------------------------------------------------------- */

static bool same_frame(const machine_frame *a, const machine_frame *b)
{
    return a->after == b->after && a->count == b->count && a->parent == b->parent;
}

static uint32_t hash_frame(const machine_frame *f)
{
    return mix(mix(mix(1, f->after), f->count), f->parent);
}

/* Doubles the table of frames. */
static sib_code grow_frames(machine *m, sib_error *err)
{
    size_t n = m->n_frame_slots ? 2 * m->n_frame_slots : 256;
    uint32_t *slots = mem_calloc(n, sizeof *slots);
    if (!slots)
        return err_memory(err, n * sizeof *slots, "states of a grammar");
    for (size_t i = 0; i < m->n_frames; i++) {
        size_t at = hash_frame(&m->frames[i]) & (n - 1);
        while (slots[at])
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(m->frame_slots);
    m->frame_slots = slots;
    m->n_frame_slots = n;
    return SIB_OK;
}

/* The index of a frame; equal ones have the same. */
static sib_code find_frame(machine *m, machine_frame f, uint32_t *out, sib_error *err)
{
    sib_code code = 2 * m->n_frames >= m->n_frame_slots ? grow_frames(m, err) : SIB_OK;
    if (code != SIB_OK)
        return code;
    size_t mask = m->n_frame_slots - 1, at = hash_frame(&f) & mask;
    for (; m->frame_slots[at]; at = (at + 1) & mask)
        if (same_frame(&m->frames[m->frame_slots[at] - 1], &f)) {
            *out = m->frame_slots[at] - 1;
            return SIB_OK;
        }
    if (m->n_frames == MAX_KEPT)
        return err_set(err, SIB_ERR_SIZE, "the grammar has too many states");
    f.depth = m->n_frames ? m->frames[f.parent].depth + 1 : 0;
    code = ARRAY_PUSH(m->frames, m->n_frames, m->frames_capacity, "states of a grammar", err, f);
    if (code == SIB_OK)
        m->frame_slots[at] = (uint32_t)m->n_frames;
    *out = (uint32_t)m->n_frames - 1;
    return code;
}

/* ---- Places without a byte between them ---------------------------------------------------------------- */

/* Places on the way to a state: (n) of m->work. */
typedef struct reach {
    machine *m;
    size_t n;
    sib_error *err;
} reach;

static sib_code meet(reach *r, machine_place p)
{
    machine *m = r->m;
    if (m->g->nodes[p.node].height + m->frames[p.frame].depth > GRAMMAR_MAX_DEPTH)
        return SIB_OK; /* could not come to its end */
    if (m->g->nodes[p.node].op == GRAMMAR_RETURN)
        p.count = 0; /* of no meaning any more */
    size_t at = mix(mix(mix(1, p.node), p.count), p.frame) % WORK_SLOTS;
    for (; m->work_slots[at]; at = (at + 1) % WORK_SLOTS)
        if (!memcmp(&m->work[m->work_slots[at] - 1], &p, sizeof p))
            return SIB_OK;
    if (r->n == MACHINE_MAX_PLACES)
        return err_set(r->err, SIB_ERR_SIZE, "the grammar has more than %u alternatives at once",
                       MACHINE_MAX_PLACES);
    m->work[r->n++] = p;
    m->work_slots[at] = (uint16_t)r->n;
    m->work_at[r->n - 1] = (uint16_t)at;
    return SIB_OK;
}

static sib_code meet_call(reach *r, machine_place p, const grammar_node *n)
{
    machine *m = r->m;
    uint32_t frame = p.frame;
    sib_code code = SIB_OK;
    if (m->g->nodes[n->b].op != GRAMMAR_RETURN)
        code = find_frame(m, (machine_frame){.after = n->b, .count = p.count, .parent = p.frame}, &frame,
                          r->err);
    return code == SIB_OK ? meet(r, (machine_place){n->a, 0, frame}) : code;
}

/* What is reached from a place without a byte. */
static sib_code meet_from(reach *r, machine_place p)
{
    const grammar_node *n = &r->m->g->nodes[p.node];
    const machine_frame *f = &r->m->frames[p.frame];
    sib_code code = SIB_OK;
    switch ((grammar_op)n->op) {
    case GRAMMAR_DEAD:
    case GRAMMAR_BYTES:
        return SIB_OK;
    case GRAMMAR_SPLIT:
        code = meet(r, (machine_place){n->a, p.count, p.frame});
        return code == SIB_OK ? meet(r, (machine_place){n->b, p.count, p.frame}) : code;
    case GRAMMAR_CALL:
        return meet_call(r, p, n);
    case GRAMMAR_RETURN:
        return p.frame ? meet(r, (machine_place){f->after, f->count, f->parent}) : SIB_OK;
    case GRAMMAR_COUNT:
        return meet(r, (machine_place){n->a, p.count < n->b ? p.count + 1 : p.count, p.frame});
    case GRAMMAR_MIN:
        return p.count >= n->b ? meet(r, (machine_place){n->a, p.count, p.frame}) : SIB_OK;
    case GRAMMAR_MAX:
        return p.count < n->b ? meet(r, (machine_place){n->a, p.count, p.frame}) : SIB_OK;
    }
    return code;
}

/* ---- States -------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const machine_place *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    if (x->frame != y->frame)
        return x->frame < y->frame ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count);
}

/* Adds a state of the first n places of m->work, which are sorted. */
static sib_code add_state(machine *m, size_t n, uint32_t hash, sib_error *err)
{
    if (m->n_states == MACHINE_MAX_STATES || m->n_places + n > MAX_KEPT)
        return err_set(err, SIB_ERR_SIZE, "the grammar has too many states");
    sib_code code = ARRAY_RESERVE(m->places, m->places_capacity, m->n_places + n, "states of a grammar", err);
    if (code == SIB_OK)
        code = ARRAY_RESERVE(m->states, m->states_capacity, m->n_states + 1, "states of a grammar", err);
    if (code != SIB_OK)
        return code;
    if (n)
        memcpy(m->places + m->n_places, m->work, n * sizeof *m->work);
    machine_state *s = &m->states[m->n_states++];
    *s = (machine_state){.first = m->n_places, .n = (uint32_t)n, .hash = hash};
    memset(s->next, 0xFF, sizeof s->next);
    m->n_places += n;
    for (size_t i = 0; i < n; i++)
        s->complete = s->complete || m->g->nodes[m->work[i].node].op == GRAMMAR_RETURN;
    s->closed = s->complete && n == 1;
    return SIB_OK;
}

/* The state of what is reached from the first n places of m->work. */
static sib_code close_state(machine *m, reach *r, uint32_t *out, sib_error *err)
{
    sib_code code = SIB_OK;
    size_t n = 0;
    for (size_t i = 0; i < r->n && code == SIB_OK; i++)
        code = meet_from(r, m->work[i]);
    for (size_t i = 0; i < r->n; i++)
        m->work_slots[m->work_at[i]] = 0;
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < r->n; i++) { /* those that wait for a byte, or end the text */
        uint8_t op = m->g->nodes[m->work[i].node].op;
        if (op == GRAMMAR_BYTES || (op == GRAMMAR_RETURN && !m->work[i].frame))
            m->work[n++] = m->work[i];
    }
    *out = MACHINE_DEAD;
    if (!n)
        return SIB_OK;
    qsort(m->work, n, sizeof *m->work, by_place);
    uint32_t hash = 1;
    for (size_t i = 0; i < n; i++)
        hash = mix(mix(mix(hash, m->work[i].node), m->work[i].count), m->work[i].frame);
    size_t at = hash % STATE_SLOTS;
    for (; m->state_slots[at]; at = (at + 1) % STATE_SLOTS) {
        const machine_state *s = &m->states[m->state_slots[at] - 1];
        *out = m->state_slots[at] - 1;
        if (s->hash == hash && s->n == n && !memcmp(m->places + s->first, m->work, n * sizeof *m->work))
            return SIB_OK;
    }
    *out = (uint32_t)m->n_states;
    code = add_state(m, n, hash, err);
    if (code == SIB_OK)
        m->state_slots[at] = *out + 1;
    return code;
}

sib_code machine_step(machine *m, uint32_t state, uint8_t byte, uint32_t *next, sib_error *err)
{
    *next = m->states[state].next[byte];
    if (*next != MACHINE_UNKNOWN)
        return SIB_OK;
    reach r = {.m = m, .err = err};
    sib_code code = SIB_OK;
    for (size_t i = 0; i < m->states[state].n && code == SIB_OK; i++) {
        machine_place p = m->places[m->states[state].first + i];
        const grammar_node *n = &m->g->nodes[p.node];
        if (n->op == GRAMMAR_BYTES && set_has(&m->g->sets[n->a], byte))
            code = meet(&r, (machine_place){n->b, p.count, p.frame});
    }
    *next = MACHINE_DEAD;
    if (code == SIB_OK)
        code = close_state(m, &r, next, err);
    if (code == SIB_OK)
        m->states[state].next[byte] = (uint16_t)*next;
    return code;
}

/* ---- The machine --------------------------------------------------------------------------------------- */

static void forget_states(machine *m)
{
    for (size_t i = 0; i < m->n_states; i++)
        mem_free(m->states[i].tokens);
    m->n_states = m->n_places = 0;
    memset(m->state_slots, 0, STATE_SLOTS * sizeof *m->state_slots);
}

/* Makes the dead state. */
static sib_code begin_states(machine *m, sib_error *err)
{
    sib_code code = add_state(m, 0, 0, err);
    if (code == SIB_OK)
        memset(m->states[0].next, 0, sizeof m->states[0].next);
    return code;
}

sib_code machine_begin(machine *m, const grammar *g, uint32_t *start, sib_error *err)
{
    uint32_t root = 0;
    *m = (machine){.g = g,
                   .work = mem_alloc(MACHINE_MAX_PLACES, sizeof *m->work),
                   .work_slots = mem_calloc(WORK_SLOTS, sizeof *m->work_slots),
                   .work_at = mem_alloc(MACHINE_MAX_PLACES, sizeof *m->work_at),
                   .state_slots = mem_calloc(STATE_SLOTS, sizeof *m->state_slots)};
    if (!m->work || !m->work_slots || !m->work_at || !m->state_slots)
        return err_memory(err, MACHINE_MAX_PLACES * sizeof *m->work, "states of a grammar");
    sib_code code = begin_states(m, err);
    if (code == SIB_OK)
        code = find_frame(m, (machine_frame){.after = 0}, &root, err);
    reach r = {.m = m, .err = err};
    if (code == SIB_OK)
        code = meet(&r, (machine_place){g->start, 0, root});
    return code == SIB_OK ? close_state(m, &r, start, err) : code;
}

void machine_end(machine *m)
{
    if (m->state_slots)
        forget_states(m);
    mem_free(m->frames);
    mem_free(m->places);
    mem_free(m->states);
    mem_free(m->frame_slots);
    mem_free(m->state_slots);
    mem_free(m->work);
    mem_free(m->work_slots);
    mem_free(m->work_at);
    *m = (machine){0};
}

/* The frame, which is number `frame` of `from`, among m's. */
static sib_code move_frame(machine *m, const machine_frame *from, uint32_t frame, uint32_t *out,
                           sib_error *err)
{
    machine_frame f = from[frame];
    sib_code code = f.depth ? move_frame(m, from, f.parent, &f.parent, err) : SIB_OK;
    return code == SIB_OK ? find_frame(m, f, out, err) : code;
}

sib_code machine_tidy(machine *m, uint32_t *state, sib_error *err)
{
    if (m->n_states < MACHINE_MAX_STATES / 2 && m->n_frames < MAX_KEPT / 2 && m->n_places < MAX_KEPT / 2)
        return SIB_OK;
    machine_frame *frames = m->frames;
    reach r = {.m = m, .err = err};
    size_t n = m->states[*state].n;
    machine_place *places = mem_alloc(n, sizeof *places);
    if (!places)
        return err_memory(err, n * sizeof *places, "states of a grammar");
    memcpy(places, m->places + m->states[*state].first, n * sizeof *places);
    m->frames = NULL;
    m->n_frames = m->frames_capacity = 0;
    memset(m->frame_slots, 0, m->n_frame_slots * sizeof *m->frame_slots);
    forget_states(m);
    sib_code code = begin_states(m, err);
    uint32_t root = 0;
    if (code == SIB_OK)
        code = find_frame(m, (machine_frame){.after = 0}, &root, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        code = move_frame(m, frames, places[i].frame, &places[i].frame, err);
        if (code == SIB_OK)
            code = meet(&r, places[i]);
    }
    if (code == SIB_OK)
        code = close_state(m, &r, state, err);
    mem_free(places);
    mem_free(frames);
    return code;
}
