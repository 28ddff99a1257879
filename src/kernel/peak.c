/* Peak throughput of the machine, with which kernels are compared. */
#include <sibyl/timing.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "kernel/kernel.h"

/* A burst is long compared with waking a thread and short compared with disturbances on a shared machine. */
#define BURST_SECONDS      0.001
#define BURST_SECONDS_POOL 0.004
/* Far larger than the part of the last-level cache that one core fills. */
#define READ_BYTES ((size_t)128 << 20)
/* The first pass may be disturbed for longer than all of them should take. */
#define MIN_PASSES 5
#define READ_PIECE ((size_t)128 << 10) /* floats per read_f32 call of a thread */

typedef struct {
    const kernel_table *kernels;
    size_t rounds;
    const float *buffer; /* (floats) */
    size_t floats;
    float *kept; /* (workers, 16): the kernels' results, so that none of their work is dead code */
} peak;

static void fma_piece(void *context, size_t begin, size_t count, unsigned worker)
{
    peak *p = context;
    (void)begin;
    for (size_t i = 0; i < count; i++)
        p->kept[16 * worker] += p->kernels->fma_rounds(p->rounds, 0.999f, 0.001f);
}

static void read_piece(void *context, size_t begin, size_t count, unsigned worker)
{
    peak *p = context;
    p->kept[16 * worker] += p->kernels->read_f32(p->buffer + begin, count);
}

static double fma_burst(peak *p, sib_pool *pool, unsigned threads)
{
    sib_timer timer = sib_timer_start();
    pool_run(pool, threads, 1, fma_piece, p);
    return sib_timer_seconds(&timer);
}

static double best_flops(peak *p, sib_pool *pool, unsigned threads, double seconds)
{
    double burst = threads > 1 ? BURST_SECONDS_POOL : BURST_SECONDS, best = 0.0;
    sib_timer timer = sib_timer_start();
    for (p->rounds = 1000; fma_burst(p, pool, threads) < burst / 2;)
        p->rounds *= 2;
    do {
        const double took = fma_burst(p, pool, threads);
        double flops = (double)p->rounds * (double)p->kernels->fma_flops * threads / took;
        best = flops > best ? flops : best;
    } while (sib_timer_seconds(&timer) < seconds);
    return best;
}

static double best_read(peak *p, sib_pool *pool, double seconds)
{
    double best = 0.0;
    unsigned passes = 0;
    sib_timer timer = sib_timer_start();
    do {
        sib_timer pass = sib_timer_start();
        pool_run(pool, p->floats, READ_PIECE, read_piece, p);
        double bytes = (double)p->floats * sizeof(float) / sib_timer_seconds(&pass);
        best = bytes > best ? bytes : best;
    } while (++passes < MIN_PASSES || sib_timer_seconds(&timer) < seconds);
    return best;
}

sib_code sib_measure_peak(sib_pool *pool, double seconds, sib_peak *out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "peak: out is NULL");
    if (!(seconds >= 0.01 && seconds <= 60.0))
        return err_set(err, SIB_ERR_ARGUMENT, "peak: seconds is %g, expected 0.01 to 60", seconds);
    unsigned threads = sib_pool_threads(pool);
    peak p = {.kernels = kernel_table_get(), .floats = READ_BYTES / sizeof(float)};
    float *buffer = mem_alloc(p.floats, sizeof *buffer);
    p.kept = mem_calloc(threads, 16 * sizeof *p.kept);
    sib_code code = SIB_OK;
    if (!buffer || !p.kept) {
        code = err_memory(err, p.floats * sizeof *buffer, "the buffer that is read");
    } else {
        for (size_t i = 0; i < p.floats; i++) /* written, so that every page is mapped */
            buffer[i] = 1.0f;
        p.buffer = buffer;
        out->flops = best_flops(&p, pool, threads, seconds / 2);
        out->read_bytes = best_read(&p, pool, seconds / 2);
        out->threads = threads;
    }
    mem_free(buffer);
    mem_free(p.kept);
    return code;
}
