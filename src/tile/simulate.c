/* The host of the simulated machine: sets it up, issues calls, collects outputs, clamps and reports. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "tile/machine.h"
#include "tile/tile_kernel.h"

#include <sibyl/timing.h>
#include <string.h>

/* ---- The recording in host memory ---- */

/* Prepares the samples: 200 mirrored at each end, then zeros as far as the last call reads. */
static sib_code lay_samples(tile_machine *m, const int16_t *samples, size_t n, int16_t **out, sib_error *err)
{
    const size_t edge = SIB_TILE_WINDOW / 2;
    size_t length;
    if (!size_mul((size_t)(m->calls - 1) * SIB_TILE_HOP, m->program.batch, &length) ||
        !size_add(length, (size_t)m->program.in_samples, &length))
        return err_set(err, SIB_ERR_SIZE, "the samples of %llu calls overflow", (unsigned long long)m->calls);
    length = size_max(length, n + 2 * edge);
    int16_t *laid = mem_calloc(length, sizeof *laid);
    if (!laid)
        return err_memory(err, length * sizeof *laid, "the recording");
    memcpy(laid + edge, samples, n * sizeof *samples);
    for (size_t i = 1; i <= edge; i++) {
        laid[edge - i] = samples[i];
        laid[edge + n - 1 + i] = samples[n - 1 - i];
    }
    *out = laid;
    m->samples = laid;
    m->n_samples = length;
    return SIB_OK;
}

/* ---- Memories ---- */

static void lay_fifo(tile_fifo *f, const tile_machine *m, uint32_t tile, const tile_region *regions)
{
    *f = (tile_fifo){.size = regions[0].size, .empty = {.value = m->program.depth}, .tile = tile};
    for (uint32_t i = 0; i < m->program.depth; i++)
        f->elements[i] = (tile_element){.bytes = regions[i].bytes, .call = UINT64_MAX};
}

static sib_code lay_core(tile_machine *m, uint32_t t, sib_error *err)
{
    tile_core *c = &m->cores[t];
    const tile_program *p = &m->program;
    const bool linked = p->channels[p->tiles[t].channel].linked;
    size_t sizes[TILE_REGIONS] = {sizeof(tile_state)};
    for (uint32_t i = 0; i < p->depth; i++) {
        sizes[TILE_IN + i] = (size_t)p->rows * SIB_TILE_WINDOW * sizeof(int16_t);
        sizes[TILE_OUT + i] = (size_t)p->rows * p->bands * p->out_size;
    }
    const size_t bytes = tile_memory_bytes(sizes);
    unsigned char *block = mem_calloc(1 + linked, bytes);
    if (!block)
        return err_memory(err, (1 + linked) * bytes, "a tile's memory");
    c->machine = m;
    c->tile = t;
    tile_memory_lay_out(&c->memory, block, sizes);
    lay_fifo(&c->in, m, t, &c->memory.regions[TILE_IN]);
    lay_fifo(&c->out, m, t, &c->memory.regions[TILE_OUT]);
    if (linked) {
        tile_memory_lay_out(&c->link_memory, block + bytes, sizes);
        lay_fifo(&c->link_in, m, t, &c->link_memory.regions[TILE_IN]);
        lay_fifo(&c->link_out, m, t, &c->link_memory.regions[TILE_OUT]);
    }
    return SIB_OK;
}

/* ---- The run ---- */

/* Copies outputs of the oldest call to the caller, without padding. The mutex is held, except while bytes
   move. */
static bool collect(tile_machine *m)
{
    const tile_program *p = &m->program;
    const size_t slot = m->collected % p->depth, row = (size_t)p->bands * p->out_size;
    if (m->collected >= m->issued || m->finished[slot] < p->n_channels)
        return false;
    m->finished[slot] = 0;
    const uint64_t first = m->collected * p->batch;
    const size_t rows = size_min((size_t)(m->frames - first), p->batch);
    pthread_mutex_unlock(&m->mutex);
    memcpy(m->out + first * row, m->results + slot * (size_t)p->out_values * p->out_size, rows * row);
    pthread_mutex_lock(&m->mutex);
    m->collected++;
    return true;
}

static bool is_stuck(const tile_core *c)
{
    return c->ended || (c->waits && c->waits->value == 0);
}

/* A core raises both locks after each finished element. Names the lock that was raised less often. */
static bool find_lost(tile_machine *m)
{
    char name[32];
    for (uint32_t t = 0; t < m->program.n_tiles; t++) {
        const tile_core *c = &m->cores[t];
        const bool in = c->in.empty.released < c->done;
        if (!in && c->out.full.released >= c->done)
            continue;
        tile_machine_fail(
            m, "tile %s: lost lock: its core has finished %llu elements, its %s FIFO was released %llu times",
            tile_name(m, t, name), (unsigned long long)c->done, in ? "input" : "output",
            (unsigned long long)(in ? c->in.empty.released : c->out.full.released));
        return true;
    }
    return false;
}

static void fail_deadlock(tile_machine *m)
{
    char name[32];
    if (find_lost(m))
        return;
    for (uint32_t t = 0; t < m->program.n_tiles; t++)
        if (m->cores[t].waits) {
            tile_machine_fail(
                m, "tile %s, call %llu: deadlock: its core waits for its %s FIFO, and nothing else can run",
                tile_name(m, t, name), (unsigned long long)m->cores[t].done,
                m->cores[t].waits == &m->cores[t].in.full ? "input" : "output");
            return;
        }
    tile_machine_fail(m, "call %llu: deadlock: nothing can run", (unsigned long long)m->collected);
}

/* Host and engines alternate on this thread. The mutex is held. */
static void run_host(tile_machine *m)
{
    while (!m->stop && m->collected < m->calls) {
        bool moved = false, stuck = true;
        for (; m->issued < m->calls && m->issued - m->collected < m->program.depth; m->issued++)
            moved = true;
        for (uint32_t i = 0; i < m->n_engines; i++)
            moved |= tile_engine_step(m, &m->engines[i]);
        moved |= collect(m);
        if (moved || m->stop)
            continue;
        for (uint32_t t = 0; t < m->program.n_tiles; t++)
            stuck = stuck && is_stuck(&m->cores[t]);
        if (stuck)
            fail_deadlock(m);
        else
            pthread_cond_wait(&m->wake, &m->mutex);
    }
}

static void run_machine(tile_machine *m)
{
    pthread_mutex_lock(&m->mutex);
    for (uint32_t t = 0; t < m->program.n_tiles && !m->stop; t++) {
        m->cores[t].started = pthread_create(&m->cores[t].thread, NULL, tile_core_run, &m->cores[t]) == 0;
        if (!m->cores[t].started) {
            tile_machine_fail(m, "no thread could be started for tile %u", (unsigned)t);
            m->code = SIB_ERR_MEMORY;
        }
    }
    run_host(m);
    pthread_mutex_unlock(&m->mutex);
    for (uint32_t t = 0; t < m->program.n_tiles; t++)
        if (m->cores[t].started)
            pthread_join(m->cores[t].thread, NULL);
    find_lost(m);
}

/* ---- The end ---- */

/* The second pass: clamps all values to at least the recording's maximum - 2. */
static void clamp(const tile_machine *m)
{
    const size_t n = (size_t)m->frames * m->program.bands;
    tile_state state;
    int32_t maximum = INT16_MIN;
    int8_t *bytes = (int8_t *)m->out;
    int16_t *words = (int16_t *)(void *)m->out;
    if (m->program.out_size == 1) {
        for (size_t i = 0; i < n; i++)
            maximum = bytes[i] > maximum ? bytes[i] : maximum;
        state.maximum = maximum * (1 << (TILE_Q_INT16 - TILE_Q_INT8));
        tile_clamp_int8(&state, bytes, n);
    } else {
        for (size_t i = 0; i < n; i++)
            maximum = words[i] > maximum ? words[i] : maximum;
        state.maximum = maximum;
        tile_clamp_int16(&state, words, n);
    }
}

static void fill_report(const tile_machine *m, const sib_tile_plan *plan, double seconds, sib_tile_report *r)
{
    *r = (sib_tile_report){.calls = m->collected,
                           .transfers = m->transfers,
                           .bytes_in = m->bytes_in,
                           .bytes_out = m->bytes_out,
                           .stalls_dma = m->stalls_dma,
                           .predicted_seconds = plan->seconds,
                           .measured_seconds = seconds};
    for (uint32_t t = 0; t < m->program.n_tiles; t++) {
        r->stalls_input += m->cores[t].stalls_input;
        r->stalls_output += m->cores[t].stalls_output;
        r->stall_seconds += m->cores[t].stall_seconds;
        r->kernel_seconds += m->cores[t].kernel_seconds;
    }
}

static void set_fault(tile_machine *m, const sib_tile_simulation *options)
{
    m->fault = options ? *options : (sib_tile_simulation){0};
    m->fault.fault_call = m->fault.fault_call < m->calls ? m->fault.fault_call : m->calls - 1;
    if (m->fault.fault_tile >= m->program.n_tiles)
        m->fault.fault_tile = m->program.n_tiles - 1;
    if (m->fault.fault != SIB_TILE_BATCH)
        return;
    const uint32_t rows = m->program.rows > 1 ? m->program.rows - 1 : 2;
    for (uint32_t c = 0; c < m->host.n_channels; c++) {
        m->host.channels[c].in.sizes[2] = m->host.channels[c].n_tiles * rows;
        m->host.channels[c].out.sizes[2] = m->host.channels[c].n_tiles * rows;
    }
}

static sib_code check_plan(const sib_tile_plan *plan, size_t n, sib_error *err)
{
    sib_tile_plan again;
    uint64_t frames;
    sib_code code = sib_tile_frames(n, &frames, err);
    if (code == SIB_OK)
        code = sib_tile_plan_make(&plan->options, frames, &again, err);
    if (code != SIB_OK)
        return code;
    if (frames != plan->frames)
        return err_set(err, SIB_ERR_ARGUMENT, "the plan is for %llu frames, but the recording has %llu",
                       (unsigned long long)plan->frames, (unsigned long long)frames);
    if (!again.fits)
        return err_set(err, SIB_ERR_SIZE, "the plan needs %llu B, but a tile has %llu B",
                       (unsigned long long)again.total, (unsigned long long)plan->options.memory);
    return SIB_OK;
}

sib_code sib_tile_simulate(const sib_tile_plan *plan, const int16_t *samples, size_t n,
                           const sib_tile_simulation *options, void *out, sib_tile_report *report,
                           sib_error *err)
{
    const sib_timer timer = sib_timer_start();
    sib_code code = check_plan(plan, n, err);
    if (code != SIB_OK)
        return code;
    tile_machine *m = mem_calloc(1, sizeof *m);
    if (!m)
        return err_memory(err, sizeof *m, "the machine");
    int16_t *laid = NULL;
    tile_program_make(plan, &m->program);
    m->host = m->program;
    m->bank = m->program.bands == 80 ? &tile_bank_80 : &tile_bank_128;
    m->calls = plan->calls;
    m->frames = plan->frames;
    m->out = out;
    m->err = err;
    set_fault(m, options);
    m->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    m->wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    for (uint32_t t = 0; t < m->program.n_tiles; t++)
        m->cores[t].wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    code = lay_samples(m, samples, n, &laid, err);
    for (uint32_t t = 0; t < m->program.n_tiles && code == SIB_OK; t++)
        code = lay_core(m, t, err);
    m->results = mem_alloc((size_t)m->program.depth * m->program.out_values, m->program.out_size);
    if (code == SIB_OK && !m->results)
        code = err_memory(err, (size_t)m->program.out_values * m->program.depth, "the outputs of a call");
    if (code == SIB_OK) {
        tile_engines_connect(m);
        run_machine(m);
        code = m->code;
    }
    if (code == SIB_OK) {
        clamp(m);
        if (report)
            fill_report(m, plan, sib_timer_seconds(&timer), report);
    }
    for (uint32_t t = 0; t < m->program.n_tiles; t++) {
        pthread_cond_destroy(&m->cores[t].wake);
        mem_free(m->cores[t].memory.block);
    }
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->mutex);
    mem_free(m->results);
    mem_free(laid);
    mem_free(m);
    return code;
}
