/* A compute tile's core: an endless loop that takes an input element, runs the kernel on each frame, and
   gives an output element. */
#include "base/size.h"
#include "tile/machine.h"
#include "tile/tile_kernel.h"

#include <sibyl/timing.h>

/* Waits for a lock; returns false where the machine stops. */
static bool acquire(tile_core *c, tile_lock *lock, uint64_t *stalls)
{
    tile_machine *m = c->machine;
    if (!m->stop && lock->value == 0) {
        const sib_timer timer = sib_timer_start();
        (*stalls)++;
        c->waits = lock;
        pthread_cond_signal(&m->wake); /* the host may find that nothing can proceed */
        while (!m->stop && lock->value == 0)
            pthread_cond_wait(&c->wake, &m->mutex);
        c->waits = NULL;
        c->stall_seconds += sib_timer_seconds(&timer);
    }
    return !m->stop && tile_lock_take(lock);
}

/* Checks what a lock promises: all samples of this call. */
static bool check_samples(tile_core *c, const tile_element *e)
{
    char name[32];
    if (e->call == c->done && e->filled == c->in.size)
        return true;
    tile_machine_fail(
        c->machine,
        "tile %s, call %llu: late DMA: its input element was released before its %zu bytes had arrived",
        tile_name(c->machine, c->tile, name), (unsigned long long)c->done, c->in.size);
    return false;
}

static bool check_guards(tile_core *c)
{
    static const char *const names[TILE_REGIONS] = {"its state", "element 0 of its input",
                                                    "element 1 of its input", "element 0 of its output",
                                                    "element 1 of its output"};
    const int broken = tile_memory_broken(&c->memory);
    char name[32];
    if (broken == TILE_REGIONS)
        return true;
    tile_machine_fail(c->machine, "tile %s, call %llu: overrun: guard words around %s were written to",
                      tile_name(c->machine, c->tile, name), (unsigned long long)c->done, names[broken]);
    return false;
}

static bool occurs(const tile_core *c, sib_tile_fault fault)
{
    const sib_tile_simulation *f = &c->machine->fault;
    return f->fault == fault && f->fault_call == c->done && f->fault_tile == c->tile;
}

/* pcm: (rows, 400) int16; out: (rows, bands). */
static void compute(tile_core *c, const tile_element *in, tile_element *out)
{
    const tile_program *p = &c->machine->program;
    tile_state *state = (tile_state *)(void *)c->memory.regions[TILE_STATE].bytes;
    const int16_t *pcm = (const int16_t *)(const void *)in->bytes;
    for (size_t f = 0; f < p->rows; f++) {
        const int16_t *frame = pcm + f * SIB_TILE_WINDOW;
        if (p->out_size == 1)
            tile_frames_int8(state, c->machine->bank, frame, SIB_TILE_WINDOW, 1,
                             (int8_t *)out->bytes + f * p->bands);
        else
            tile_frames_int16(state, c->machine->bank, frame, SIB_TILE_WINDOW, 1,
                              (int16_t *)(void *)out->bytes + f * p->bands);
    }
    if (occurs(c, SIB_TILE_OVERRUN))
        out->bytes[c->out.size] ^= 1;
}

/* One call. The mutex is held, except while the kernel runs. */
static bool step(tile_core *c)
{
    tile_machine *m = c->machine;
    const size_t slot = c->done % m->program.depth;
    tile_element *in = &c->in.elements[slot], *out = &c->out.elements[slot];
    if (!acquire(c, &c->in.full, &c->stalls_input) || !check_samples(c, in) ||
        !acquire(c, &c->out.empty, &c->stalls_output))
        return false;
    pthread_mutex_unlock(&m->mutex);
    const sib_timer timer = sib_timer_start();
    compute(c, in, out);
    c->kernel_seconds += sib_timer_seconds(&timer);
    pthread_mutex_lock(&m->mutex);
    if (!check_guards(c))
        return false;
    out->call = c->done;
    out->filled = c->out.size;
    tile_lock_raise(m, &c->in.empty, c->tile);
    if (!occurs(c, SIB_TILE_LOST_LOCK))
        tile_lock_raise(m, &c->out.full, c->tile);
    c->done++;
    return true;
}

void *tile_core_run(void *core)
{
    tile_core *c = core;
    tile_machine *m = c->machine;
    pthread_mutex_lock(&m->mutex);
    tile_reset((tile_state *)(void *)c->memory.regions[TILE_STATE].bytes);
    while (c->done < m->calls && step(c))
        continue;
    c->ended = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->mutex);
    return NULL;
}
