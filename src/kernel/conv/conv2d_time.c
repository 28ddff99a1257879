#include "kernel/conv/conv2d_time.h"

#include "base/alloc.h"
#include "base/size.h"
#include "kernel/conv/conv2d_winograd_plan.h"
#include "kernel/ways.h"

#include <math.h>
#include <string.h>

#define MAX_FLOATS ((size_t)64 << 20)

static const char *const names[CONV2D_METHODS] = {
#define X(constant, name) [CONV2D_##constant] = name,
    CONV2D_METHOD_LIST(X)
#undef X
};

const char *conv2d_method_name(conv2d_method method)
{
    return names[method];
}

conv2d_method conv2d_method_named(const char *name)
{
    int i = CONV2D_METHODS - 1;
    while (i > CONV2D_BY_COSTS && strcmp(names[i], name) != 0)
        i--;
    return (conv2d_method)i;
}

void conv2d_times(const conv2d_plan *p, double times[CONV2D_METHODS])
{
    memcpy(times, p->times, sizeof p->times);
    double direct = times[p->method];
    times[CONV2D_WINOGRAD_2] = direct * conv2d_winograd_ratio(p, 2);
    times[CONV2D_WINOGRAD_4] = direct * conv2d_winograd_ratio(p, 4);
}

conv2d_method conv2d_by_costs(const conv2d_plan *p)
{
    double two = conv2d_winograd_ratio(p, 2), four = conv2d_winograd_ratio(p, 4);
    return fmin(two, four) >= 1 ? p->method : two < four ? CONV2D_WINOGRAD_2 : CONV2D_WINOGRAD_4;
}

/* A method under test. */
typedef struct trial {
    conv2d_plan plan;
    conv2d_winograd transforms; /* used if its form is set */
    size_t packed_floats, scratch_floats;
    float *packed, *scratch;
} trial;

static void trial_free(trial *t)
{
    conv2d_plan_free(&t->plan);
    mem_free(t->packed);
    mem_free(t->scratch);
}

static sib_code trial_make(trial *t, const kernel_table *kernels, const conv2d_shape *shape, unsigned threads,
                           conv2d_method method, sib_error *err)
{
    conv2d_shape own = *shape;
    own.method = method;
    *t = (trial){0};
    sib_code code = conv2d_plan_make(kernels, &own, threads, &t->plan, err);
    if (code != SIB_OK)
        return code;
    conv2d_winograd_make_method(&t->plan, threads, method, &t->transforms);
    bool by_form = t->transforms.form;
    t->packed_floats = by_form ? t->transforms.packed_floats : conv2d_packed_floats(&t->plan);
    t->scratch_floats = by_form ? t->transforms.scratch_floats * t->transforms.workers
                                : t->plan.scratch_floats * conv2d_workers(&t->plan, threads);
    return SIB_OK;
}

static sib_code trial_pack(trial *t, const float *w, sib_error *err)
{
    t->packed = mem_alloc(t->packed_floats + 16, sizeof *t->packed);
    t->scratch = mem_alloc(t->scratch_floats + 16, sizeof *t->scratch);
    if (!t->packed || !t->scratch)
        return err_memory(err, (t->packed_floats + t->scratch_floats) * sizeof *t->packed, "a measurement");
    conv2d_weights weights = {.dtype = SIB_F32, .elements = w};
    if (t->transforms.form)
        conv2d_winograd_pack(&t->transforms, &t->plan, w, t->packed);
    else
        conv2d_pack(&t->plan, &weights, t->packed);
    return SIB_OK;
}

/* Trials of the same image. */
typedef struct trials {
    trial items[CONV2D_METHODS];
    const float *x;
    float *y;
    sib_pool *pool;
} trials;

static void trial_run(void *context, size_t way)
{
    const trials *all = context;
    const trial *t = &all->items[way];
    conv2d_call call = {.plan = &t->plan, .x = all->x, .w = t->packed, .y = all->y, .scratch = t->scratch};
    if (t->transforms.form)
        conv2d_winograd_run(&t->transforms, &call, all->pool);
    else
        conv2d_run(&call, all->pool);
}

sib_code conv2d_time(const kernel_table *kernels, const conv2d_shape *shape, sib_pool *pool,
                     double times[CONV2D_METHODS], bool *measured, sib_error *err)
{
    trials all = {.pool = pool};
    double seconds[CONV2D_METHODS];
    conv2d_method methods[CONV2D_METHODS];
    unsigned threads = pool ? sib_pool_threads(pool) : 1;
    size_t n = 0, floats = 0;
    sib_code code = SIB_OK;
    float *x = NULL, *y = NULL, *w = NULL;
    *measured = false;
    for (int i = CONV2D_BY_COSTS + 1; i < CONV2D_METHODS && code == SIB_OK; i++)
        if (isfinite(times[i])) { /* a method that fits */
            methods[n] = (conv2d_method)i;
            code = trial_make(&all.items[n], kernels, shape, threads, methods[n], err);
            n += code == SIB_OK;
            if (code == SIB_OK)
                floats += all.items[n - 1].packed_floats + all.items[n - 1].scratch_floats;
        }
    const conv2d_plan *p = n ? &all.items[0].plan : NULL;
    size_t images = p ? p->s.batch * p->s.groups : 0, xs = 0, ys = 0, ws = 0;
    bool fits = p && size_mul(images * p->s.c, p->in_plane, &xs) && xs < MAX_FLOATS &&
                size_mul(images * p->s.m, p->out_plane, &ys) && ys < MAX_FLOATS &&
                size_mul(p->s.groups * p->s.m, p->k, &ws) && ws < MAX_FLOATS && floats < MAX_FLOATS &&
                floats + xs + ys + ws < MAX_FLOATS;
    if (code == SIB_OK && fits) {
        x = mem_alloc(xs, sizeof *x);
        y = mem_alloc(ys, sizeof *y);
        w = mem_alloc(ws, sizeof *w);
        if (!x || !y || !w)
            code = err_memory(err, (xs + ys + ws) * sizeof *x, "a measurement");
    }
    if (code == SIB_OK && fits) {
        ways_numbers(x, xs);
        ways_numbers(w, ws);
        for (size_t i = 0; i < n && code == SIB_OK; i++)
            code = trial_pack(&all.items[i], w, err);
    }
    if (code == SIB_OK && fits) {
        all.x = x;
        all.y = y;
        ways_time(n, trial_run, &all, seconds);
        for (size_t i = 0; i < n; i++)
            times[methods[i]] = seconds[i];
        *measured = true;
    }
    for (size_t i = 0; i < n; i++)
        trial_free(&all.items[i]);
    mem_free(x);
    mem_free(y);
    mem_free(w);
    return code;
}
