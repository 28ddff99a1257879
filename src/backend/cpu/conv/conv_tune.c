/* Convolutions whose method is chosen by measuring. */
#include "backend/cpu/call/tuning.h"
#include "backend/cpu/conv/conv.h"

#include <math.h>
#include <stdio.h>

/* Methods whose modelled times are at most this many times the least are measured. */
#define NEAR 1.5
/* A way is taken instead of the one that costs choose where its time is below this share of that one's: less is noise. */
#define CLEARLY 0.95

/* "AuthenticAMD-25-17 avx512 t2 conv n1 g1 c64 m64 56:56k3s1d1p1 56:56k3s1d1p1". False where it does not fit. */
static bool write_key(const cpu_self *self, bool constant, const conv2d_shape *s, char key[CHOICES_KEY])
{
    int begun = (int)cpu_tuning_key(self, key);
    int n = begun + snprintf(key + begun, (size_t)(CHOICES_KEY - begun), "conv%s n%zu g%zu c%zu m%zu",
                             constant ? "" : "-variable", s->batch, s->groups, s->c, s->m);
    for (int i = 0; i < CONV2D_AXES && n > 0 && n < CHOICES_KEY; i++) {
        const conv2d_axis *a = &s->axis[i];
        if (a->in == 1 && a->out == 1 && a->kernel == 1)
            continue;
        n += snprintf(key + n, (size_t)(CHOICES_KEY - n), " %zu:%zuk%zus%zud%zup%zu", a->in, a->out,
                      a->kernel, a->stride, a->dilation, a->before);
    }
    return n > 0 && n < CHOICES_KEY;
}

/* Leaves the methods that are worth measuring; returns their number. */
static size_t keep_near(double times[CONV2D_METHODS])
{
    double least = INFINITY;
    size_t n = 0;
    for (int i = 0; i < CONV2D_METHODS; i++)
        least = fmin(least, times[i]);
    for (int i = 0; i < CONV2D_METHODS; i++) {
        times[i] = times[i] <= NEAR * least ? times[i] : INFINITY;
        n += isfinite(times[i]);
    }
    return n;
}

/* usual: the choice by costs, which stays where nothing is clearly faster. */
static sib_code measure(const cpu_self *self, conv2d_method usual, conv2d_shape *shape,
                        double times[CONV2D_METHODS], sib_error *err)
{
    bool measured;
    if (keep_near(times) < 2)
        return SIB_OK;
    sib_code code = conv2d_time(self->kernels, shape, self->pool, times, &measured, err);
    if (code != SIB_OK || !measured)
        return code;
    times[usual] *= CLEARLY;
    shape->method = usual;
    for (int i = CONV2D_BY_COSTS + 1; i < CONV2D_METHODS; i++)
        if (times[i] < times[shape->method])
            shape->method = (conv2d_method)i;
    return SIB_OK;
}

sib_code cpu_conv_tune(const cpu_self *self, bool constant, conv2d_shape *shape, sib_error *err)
{
    char key[CHOICES_KEY], name[CHOICES_NAME];
    double times[CONV2D_METHODS];
    conv2d_plan plan;
    if (!self->tuning || shape->x != SIB_F32 || shape->y != SIB_F32 || !write_key(self, constant, shape, key))
        return SIB_OK;
    unsigned threads = self->pool ? sib_pool_threads(self->pool) : 1;
    sib_code code = conv2d_plan_make(self->kernels, shape, threads, &plan, err);
    if (code != SIB_OK)
        return code;
    conv2d_times(&plan, times);
    conv2d_method usual = constant ? conv2d_by_costs(&plan) : plan.method;
    conv2d_plan_free(&plan);
    if (!constant)
        times[CONV2D_WINOGRAD_2] = times[CONV2D_WINOGRAD_4] = INFINITY;
    choices_begin();
    bool found = choices_find(self->tuning, key, name);
    conv2d_method known = found ? conv2d_method_named(name) : CONV2D_BY_COSTS;
    if (found && known == CONV2D_BY_COSTS)
        code = cpu_tuning_unknown(key, name, err);
    else if (known != CONV2D_BY_COSTS && isfinite(times[known]))
        shape->method = known;
    else /* nothing is known, or a way that does not fit the shape */
        code = measure(self, usual, shape, times, err);
    if (code == SIB_OK && shape->method != CONV2D_BY_COSTS)
        code = choices_add(self->tuning, key, conv2d_method_name(shape->method), err);
    choices_end();
    return code;
}
