#include "kernel/conv/conv2d_halves.h"

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/size.h"

/* Larger images with their results would not stay in the cache between uses (floats). */
#define FLOATS_MAX (1024 * 1024)

static size_t round_to_lines(size_t floats)
{
    return size_ceil_div(floats, 16) * 16;
}

sib_code conv2d_halves_make(const conv2d_plan *p, unsigned threads, conv2d_halves *out, sib_error *err)
{
    conv2d_halves *h = out;
    *h = (conv2d_halves){0};
    conv2d_shape shape = p->s;
    bool half = shape.x == SIB_F16 || shape.x == SIB_BF16;
    size_t channels = shape.groups * shape.c, features = shape.groups * shape.m;
    if (!half || shape.kind != CONV2D_PRODUCT || p->in_plane > FLOATS_MAX / channels ||
        p->out_plane > FLOATS_MAX / features)
        return SIB_OK;
    shape.x = shape.y = SIB_F32;
    shape.batch = 1;
    sib_code code = conv2d_plan_make(p->table, &shape, threads, &h->plan, err);
    if (code != SIB_OK)
        return code;
    conv2d_winograd_make(&h->plan, threads, 0, &h->transforms);
    h->used = h->transforms.form;
    h->x_floats = round_to_lines(channels * p->in_plane);
    h->y_floats = round_to_lines(features * p->out_plane);
    h->scratch_floats = h->x_floats + h->y_floats + h->transforms.workers * h->transforms.scratch_floats;
    if (!h->used)
        conv2d_plan_free(&h->plan);
    return SIB_OK;
}

void conv2d_halves_free(conv2d_halves *h)
{
    if (h->used)
        conv2d_plan_free(&h->plan);
    h->used = false;
}

sib_code conv2d_halves_pack(const conv2d_halves *h, const conv2d_weights *w, float *dst, sib_error *err)
{
    size_t n = h->plan.s.m * h->plan.k;
    float *wide = mem_alloc(n, sizeof *wide);
    if (!wide)
        return err_memory(err, n * sizeof *wide, "a convolution's weights");
    conv2d_widen(&h->plan, w->dtype, w->elements, 0, n, wide);
    conv2d_winograd_pack(&h->transforms, &h->plan, wide, dst);
    mem_free(wide);
    return SIB_OK;
}

/* State of the run of one image. */
typedef struct halves_run {
    const conv2d_call *call; /* call with 16-bit floats */
    const char *from;        /* the image */
    float *x, *y;            /* the image and its results as floats */
    size_t first;            /* index of its first result among all results */
} halves_run;

static void widen_channels(void *context, size_t begin, size_t count, unsigned worker)
{
    const halves_run *r = context;
    const conv2d_plan *p = r->call->plan;
    size_t at = begin * p->in_plane;
    (void)worker;
    conv2d_widen(p, p->s.x, r->from + at * conv2d_element(p->s.x), 0, count * p->in_plane, r->x + at);
}

static void narrow(const void *context, size_t begin, size_t count)
{
    const halves_run *r = context;
    const conv2d_call *c = r->call;
    size_t at = r->first + begin;
    conv2d_give(c, r->y + begin, NULL, 0, count, (char *)c->y + at * conv2d_element(c->plan->s.y));
    if (c->finish)
        c->finish(c->context, at, count);
}

void conv2d_halves_run(const conv2d_halves *h, const conv2d_call *call, sib_pool *pool)
{
    const conv2d_plan *p = call->plan;
    size_t channels = p->s.groups * p->s.c, image = channels * p->in_plane;
    halves_run r = {.call = call, .x = call->scratch, .y = call->scratch + h->x_floats};
    conv2d_call one = *call;
    one.plan = &h->plan;
    one.x = r.x;
    one.y = r.y;
    one.scratch = r.y + h->y_floats;
    one.finish = narrow;
    one.context = &r;
    for (size_t batch = 0; batch < p->s.batch && !cancel_is_set(call->cancel); batch++) {
        r.from = (const char *)call->x + batch * image * conv2d_element(p->s.x);
        r.first = batch * p->s.groups * p->s.m * p->out_plane;
        if (h->transforms.workers > 1)
            pool_run(pool, channels, size_ceil_div(channels, 2 * h->transforms.workers), widen_channels, &r);
        else
            widen_channels(&r, 0, channels, 0);
        conv2d_winograd_run(&h->transforms, &one, pool);
    }
}
