/* Fits the costs by which ways to compute convolutions are chosen to what is measured on this machine: the numbers are
   changed one at a time, as long as the ways that they choose get faster. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/size.h"
#include "kernel/conv/conv2d_time.h"

#include <math.h>
#include <sibyl/timing.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORK 3e8 /* multiply-adds of a shape */
/* A change must make the shapes faster by this factor together: the fit keeps what noise alone would change. */
#define MIN_GAIN   2e-4
#define MAX_SWEEPS 6

/* A shape and the seconds that each way took. */
typedef struct sample {
    conv2d_shape shape;
    double seconds[CONV2D_METHODS], least;
} sample;

typedef struct fit {
    kernel_table table; /* with the costs under test */
    kernel_costs costs;
    sib_pool *pool;
    unsigned threads;
    sample *samples; /* (n) */
    size_t n, capacity;
} fit;

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static size_t draw(uint64_t *state, size_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(*state >> 33) % n;
}

#define DRAW(state, list) (list)[draw(state, sizeof(list) / sizeof *(list))]

static conv2d_axis axis_of(size_t in, size_t kernel, size_t stride)
{
    size_t before = kernel / 2;
    return (conv2d_axis){in, kernel, stride, 1, before, (in + 2 * before - kernel) / stride + 1, before};
}

/* Layers as networks have them: dense and depthwise, planes and rows. */
static conv2d_shape draw_shape(uint64_t *state)
{
    static const size_t channels[] = {3, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512};
    static const size_t sides[] = {1, 2, 4, 7, 8, 10, 14, 20, 28, 40, 56, 80, 112, 208};
    static const size_t kernels[] = {1, 1, 3, 3, 3, 5, 7}, lengths[] = {16, 50, 100, 300, 1000, 3000};
    conv2d_shape s = {.x = SIB_F32, .y = SIB_F32, .batch = 1, .groups = 1};
    size_t side = DRAW(state, sides), kernel = DRAW(state, kernels), stride = draw(state, 4) ? 1 : 2;
    s.c = DRAW(state, channels);
    s.m = DRAW(state, channels);
    size_t kind = draw(state, 5);
    if (kind == 0) {
        s.groups = s.c;
        s.c = s.m = 1;
        kernel = kernel == 1 ? 3 : kernel;
    }
    s.axis[0] = s.axis[1] = axis_of(1, 1, 1);
    if (kind != 1)
        s.axis[1] = axis_of(side, kernel, stride);
    s.axis[2] = axis_of(kind == 1 ? DRAW(state, lengths) : side, kernel, stride);
    return s;
}

/* Measures a shape, and keeps it where there is a choice. */
static sib_code add_sample(fit *f, const conv2d_shape *shape, sib_error *err)
{
    sample s = {.shape = *shape, .least = INFINITY};
    conv2d_plan plan;
    bool measured;
    size_t ways = 0;
    sib_code code = conv2d_plan_make(&f->table, shape, f->threads, &plan, err);
    if (code != SIB_OK)
        return code;
    double work = plan.work;
    conv2d_times(&plan, s.seconds);
    conv2d_plan_free(&plan);
    for (int i = 0; i < CONV2D_METHODS; i++)
        ways += isfinite(s.seconds[i]);
    if (ways < 2 || work > MAX_WORK)
        return SIB_OK;
    code = conv2d_time(&f->table, shape, f->pool, s.seconds, &measured, err);
    if (code != SIB_OK || !measured)
        return code;
    for (int i = 0; i < CONV2D_METHODS; i++)
        s.least = fmin(s.least, s.seconds[i]);
    return ARRAY_PUSH(f->samples, f->n, f->capacity, "measured shapes", err, s);
}

/* ---- The fit ------------------------------------------------------------------------------------------ */

/* *loss: the mean logarithm of the time of what these costs choose over the least one. */
static sib_code loss_of(fit *f, double *loss, sib_error *err)
{
    double sum = 0;
    for (size_t i = 0; i < f->n; i++) {
        const sample *s = &f->samples[i];
        conv2d_plan plan;
        sib_code code = conv2d_plan_make(&f->table, &s->shape, f->threads, &plan, err);
        if (code != SIB_OK)
            return code;
        conv2d_method chosen = conv2d_by_costs(&plan);
        conv2d_plan_free(&plan);
        sum += log(s->seconds[chosen] / s->least);
    }
    *loss = f->n ? sum / (double)f->n : 0;
    return SIB_OK;
}

/* Tries to change one number; keeps the best change. */
static sib_code try_number(fit *f, double *number, double *loss, sib_error *err)
{
    static const double factors[] = {0.5, 0.7, 0.85, 0.93, 1.07, 1.18, 1.4, 2};
    const double was = *number;
    double best = was;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < sizeof factors / sizeof *factors && code == SIB_OK; i++) {
        double now;
        *number = was * factors[i];
        code = loss_of(f, &now, err);
        if (code == SIB_OK && now < *loss - MIN_GAIN) {
            *loss = now;
            best = *number;
        }
    }
    *number = best;
    return code;
}

static sib_code fit_numbers(fit *f, double *loss, sib_error *err)
{
    double *const numbers[] = {
#define C(name) &f->costs.name,
        KERNEL_COSTS(C)
#undef C
    };
    sib_code code = SIB_OK;
    double before = INFINITY;
    for (int sweep = 0; sweep < MAX_SWEEPS && *loss < before && code == SIB_OK; sweep++) {
        before = *loss;
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers && code == SIB_OK; i++)
            code = try_number(f, numbers[i], loss, err);
    }
    return code;
}

static sib_code write_row(const fit *f, sib_costs *out, sib_error *err)
{
    static const char *const levels[CPU_LEVELS] = {"CPU_C", "CPU_AVX2", "CPU_AVX512", "CPU_NEON"};
    cpu_identity own = cpu_identify();
    byte_buffer b = {.max = sizeof out->row - 1};
    buf_printf(&b, err, "COST_CLASS(\"%s %u %s\", %s, ", *own.vendor ? own.vendor : "any", own.family,
               cpu_level_name(f->table.level), levels[f->table.level]);
    buf_printf(&b, err, *own.vendor ? "\"%s\", %u" : "NULL%.0s, %u", own.vendor, own.family);
#define C(name) buf_printf(&b, err, ",\n           ." #name " = %.3g", f->costs.name);
    KERNEL_COSTS(C)
#undef C
    buf_add_text(&b, ")\n", err);
    sib_code code = b.code;
    if (code == SIB_OK)
        memcpy(out->row, b.data, b.n + 1);
    buf_free(&b);
    return code;
}

sib_code sib_measure_costs(sib_pool *pool, double seconds, sib_costs *out, sib_error *err)
{
    if (!out)
        return err_set(err, SIB_ERR_ARGUMENT, "costs: out is NULL");
    if (!(seconds >= 0.01 && seconds <= 3600.0))
        return err_set(err, SIB_ERR_ARGUMENT, "costs: seconds is %g, expected 0.01 to 3600", seconds);
    const kernel_table *own = kernel_table_get();
    fit f = {.table = *own, .costs = *own->costs, .pool = pool, .threads = sib_pool_threads(pool)};
    f.table.costs = &f.costs;
    *out = (sib_costs){0};
    uint64_t state = 1;
    sib_code code = SIB_OK;
    sib_timer timer = sib_timer_start();
    while (code == SIB_OK && sib_timer_seconds(&timer) < seconds) {
        conv2d_shape shape = draw_shape(&state);
        code = add_sample(&f, &shape, err);
    }
    double loss = 0;
    if (code == SIB_OK)
        code = loss_of(&f, &loss, err);
    out->before = exp(loss);
    if (code == SIB_OK)
        code = fit_numbers(&f, &loss, err);
    out->after = exp(loss);
    out->shapes = f.n;
    if (code == SIB_OK)
        code = write_row(&f, out, err);
    mem_free(f.samples);
    return code;
}
