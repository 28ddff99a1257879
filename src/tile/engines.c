/* DMA engines, which move data between host memory, memory tiles and compute tiles. */
#include "tile/machine.h"

#include <string.h>

/* ---- Connections ---- */

static tile_engine *add(tile_machine *m, tile_engine_kind kind, uint32_t channel)
{
    tile_engine *e = &m->engines[m->n_engines++];
    *e = (tile_engine){.kind = kind, .channel = channel};
    return e;
}

static void add_link(tile_machine *m, uint32_t channel, tile_fifo *from, tile_fifo *to)
{
    tile_engine *e = add(m, TILE_ENGINE_LINK, channel);
    e->ends[0] = from;
    e->ends[1] = to;
    e->n_ends = 2;
}

void tile_engines_connect(tile_machine *m)
{
    for (uint32_t c = 0; c < m->program.n_channels; c++) {
        const tile_channel *channel = &m->program.channels[c];
        tile_engine *in = add(m, TILE_ENGINE_IN, c), *out = add(m, TILE_ENGINE_OUT, c);
        in->n_ends = out->n_ends = channel->n_tiles;
        for (uint32_t i = 0; i < channel->n_tiles; i++) {
            tile_core *core = &m->cores[channel->first_tile + i];
            in->ends[i] = channel->linked ? &core->link_in : &core->in;
            out->ends[i] = channel->linked ? &core->link_out : &core->out;
            if (!channel->linked)
                continue;
            add_link(m, c, &core->link_in, &core->in);
            add_link(m, c, &core->out, &core->link_out);
        }
    }
}

/* ---- Walks ---- */

static uint64_t walk_elements(const tile_walk *w)
{
    return (uint64_t)w->sizes[0] * w->sizes[1] * w->sizes[2] * w->sizes[3];
}

/* One more than the last element of the walk. */
static uint64_t walk_end(const tile_walk *w)
{
    uint64_t last = w->offset;
    for (int d = 0; d < 4; d++)
        last += (uint64_t)(w->sizes[d] - 1) * w->strides[d];
    return last + 1;
}

/* The address of offset `at` in the stream of a channel, the concatenation of its FIFOs' current elements. */
static unsigned char *stream_at(const tile_engine *e, size_t slot, size_t at)
{
    const size_t size = e->ends[0]->size;
    return e->ends[at / size]->elements[slot].bytes + at % size;
}

/* Moves the elements of a walk, in runs of its innermost dimension, between host memory and the FIFOs. host:
   the beginning of the call's part; unit: bytes per element. */
static void walk_move(const tile_engine *e, const tile_walk *w, unsigned char *host, size_t unit, size_t slot)
{
    const size_t run = w->sizes[3] * unit;
    size_t at = 0;
    for (uint32_t i = 0; i < w->sizes[0]; i++)
        for (uint32_t j = 0; j < w->sizes[1]; j++)
            for (uint32_t k = 0; k < w->sizes[2]; k++, at += run) {
                unsigned char *there = host + (w->offset + (uint64_t)i * w->strides[0] +
                                               (uint64_t)j * w->strides[1] + (uint64_t)k * w->strides[2]) *
                                                  unit;
                unsigned char *here = stream_at(e, slot, at);
                memcpy(e->kind == TILE_ENGINE_IN ? here : there, e->kind == TILE_ENGINE_IN ? there : here,
                       run);
            }
}

/* ---- Steps ---- */

/* Checks that a transfer ends with the elements that it fills or empties. */
static bool check_length(tile_machine *m, const tile_engine *e, const tile_walk *w, size_t unit)
{
    const uint64_t bytes = walk_elements(w) * unit, wanted = (uint64_t)e->n_ends * e->ends[0]->size;
    char name[32];
    if (bytes == wanted)
        return true;
    tile_machine_fail(m,
                      "tile %s, call %llu: batches differ: the host moves %u frames per call, but the "
                      "program's elements hold %u",
                      tile_name(m, e->ends[0]->tile, name), (unsigned long long)e->call,
                      (unsigned)w->sizes[2], (unsigned)(e->n_ends * m->program.rows));
    return false;
}

static bool check_bounds(tile_machine *m, const tile_engine *e, uint64_t end, uint64_t length)
{
    if (end <= length)
        return true;
    tile_machine_fail(m, "channel %u, call %llu: a DMA is out of its buffer: element %llu of %llu",
                      (unsigned)e->channel, (unsigned long long)e->call, (unsigned long long)end,
                      (unsigned long long)length);
    return false;
}

static bool take_all(tile_engine *e, bool full)
{
    for (uint32_t i = 0; i < e->n_ends; i++)
        if (!(full ? e->ends[i]->full : e->ends[i]->empty).value)
            return false;
    for (uint32_t i = 0; i < e->n_ends; i++)
        tile_lock_take(full ? &e->ends[i]->full : &e->ends[i]->empty);
    return true;
}

/* Records what the elements hold now, and releases them. */
static void hand_on(tile_machine *m, tile_engine *e, size_t slot, bool raise)
{
    for (uint32_t i = 0; i < e->n_ends; i++) {
        tile_fifo *f = e->ends[i];
        if (e->kind == TILE_ENGINE_IN) {
            f->elements[slot].call = e->call;
            f->elements[slot].filled = f->size;
        }
        if (raise)
            tile_lock_raise(m, e->kind == TILE_ENGINE_IN ? &f->full : &f->empty, f->tile);
    }
}

static bool step_in(tile_machine *m, tile_engine *e)
{
    const tile_walk *w = &m->host.channels[e->channel].in;
    const size_t slot = e->call % m->program.depth;
    const uint64_t begin = e->call * m->host.batch * SIB_TILE_HOP;
    if (e->call >= m->issued || !take_all(e, false))
        return false;
    if (!check_length(m, e, w, sizeof(int16_t)) || !check_bounds(m, e, begin + walk_end(w), m->n_samples))
        return false;
    pthread_mutex_unlock(&m->mutex);
    /* the walk only writes to FIFOs */
    walk_move(e, w, (unsigned char *)(uintptr_t)(m->samples + begin), sizeof(int16_t), slot);
    pthread_mutex_lock(&m->mutex);
    hand_on(m, e, slot, true);
    m->bytes_in += walk_elements(w) * sizeof(int16_t);
    return true;
}

static bool step_out(tile_machine *m, tile_engine *e)
{
    const tile_walk *w = &m->host.channels[e->channel].out;
    const size_t slot = e->call % m->program.depth, unit = m->program.out_size;
    char name[32];
    if (e->call >= m->issued || !take_all(e, true))
        return false;
    for (uint32_t i = 0; i < e->n_ends; i++)
        if (e->ends[i]->elements[slot].call != e->call) {
            tile_machine_fail(m, "tile %s, call %llu: its output element holds frames of another call",
                              tile_name(m, e->ends[i]->tile, name), (unsigned long long)e->call);
            return false;
        }
    if (!check_length(m, e, w, unit) || !check_bounds(m, e, walk_end(w), m->host.out_values))
        return false;
    pthread_mutex_unlock(&m->mutex);
    walk_move(e, w, m->results + slot * m->host.out_values * unit, unit, slot);
    pthread_mutex_lock(&m->mutex);
    hand_on(m, e, slot, true);
    m->finished[slot]++;
    m->bytes_out += walk_elements(w) * unit;
    return true;
}

static bool step_link(tile_machine *m, tile_engine *e)
{
    tile_fifo *from = e->ends[0], *to = e->ends[1];
    const size_t slot = e->call % m->program.depth;
    if (!from->full.value || !to->empty.value)
        return false;
    tile_lock_take(&from->full);
    tile_lock_take(&to->empty);
    pthread_mutex_unlock(&m->mutex);
    memcpy(to->elements[slot].bytes, from->elements[slot].bytes, to->size);
    pthread_mutex_lock(&m->mutex);
    to->elements[slot].call = from->elements[slot].call;
    to->elements[slot].filled = from->elements[slot].filled;
    tile_lock_raise(m, &from->empty, from->tile);
    tile_lock_raise(m, &to->full, to->tile);
    return true;
}

/* The fault: the tile's lock is raised at once, before the data arrives. */
static bool step_late(tile_machine *m, tile_engine *e, tile_fifo *to)
{
    if ((e->kind == TILE_ENGINE_IN && e->call >= m->issued) || !tile_lock_take(&to->empty))
        return false;
    e->late = true;
    tile_lock_raise(m, &to->full, to->tile);
    return true;
}

/* The FIFO of the faulty tile, where this engine fills it; else NULL. */
static tile_fifo *late_end(const tile_machine *m, const tile_engine *e)
{
    const sib_tile_simulation *f = &m->fault;
    if (f->fault != SIB_TILE_LATE_DMA || f->fault_call != e->call || e->kind == TILE_ENGINE_OUT)
        return NULL;
    for (uint32_t i = 0; i < e->n_ends; i++)
        if (e->ends[i] == &m->cores[f->fault_tile].in)
            return e->ends[i];
    return NULL;
}

bool tile_engine_step(tile_machine *m, tile_engine *e)
{
    static bool (*const steps[])(tile_machine *, tile_engine *) = {step_in, step_link, step_out};
    if (m->stop || e->late || e->call >= m->calls)
        return false;
    tile_fifo *late = late_end(m, e);
    const bool done = late ? step_late(m, e, late) : steps[e->kind](m, e);
    if (done && !e->late) {
        e->call++;
        m->transfers += e->kind != TILE_ENGINE_LINK;
    }
    m->stalls_dma += !done && !e->waiting && e->call < m->issued;
    e->waiting = !done;
    return done;
}
