/* Windows over single planes with their own kernels: several planes at a time where they are small. */
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

#include <math.h>

/* Max outputs of planes that are processed together, so that the next step finds them in the L1 cache. */
#define OUTPUT_MAX 4096

bool conv2d_planes_pay(const conv2d_plan *p)
{
    return p->plane_run && !p->integer;
}

void conv2d_planes_make(conv2d_plan *p, size_t wanted)
{
    size_t all = p->s.batch * p->s.groups;
    if (p->row_bands == 1)
        p->planes = size_max(1, size_min(OUTPUT_MAX / p->out_plane, all / wanted));
    p->items = size_ceil_div(all, p->planes) * p->row_bands;
}

conv2d_planes_item conv2d_planes_at(const conv2d_plan *p, size_t index)
{
    conv2d_planes_item at = {.first = index / p->row_bands * p->planes,
                             .row0 = index % p->row_bands * p->rows};
    at.n = size_min(p->planes, p->s.batch * p->s.groups - at.first);
    at.rows = size_min(p->rows, p->s.axis[1].out - at.row0);
    return at;
}

void conv2d_planes_run(const conv2d_call *call, const conv2d_planes_item *at, float *scratch)
{
    const conv2d_plan *p = call->plan;
    size_t element = conv2d_element(p->s.x), in = at->first * p->in_plane, out = at->first * p->out_plane;
    const float *x = (const float *)call->x + in;
    float *y = (float *)call->y + out, *sums = scratch + p->image_floats;
    if (p->s.x != SIB_F32) {
        conv2d_take(p, p->s.x, (const char *)call->x + in * element, 0, 1, at->n * p->in_plane, scratch);
        x = scratch;
        y = sums;
    }
    for (size_t done = 0, n; done < at->n; done += n) { /* each batch uses the same weights */
        size_t group = (at->first + done) % p->s.groups;
        n = size_min(at->n - done, p->s.groups - group);
        conv2d_planes some = {.g = &p->plane,
                              .n = n,
                              .x = x + done * p->in_plane,
                              .w = call->w ? call->w + group * p->k : NULL,
                              .first = call->bias ? call->bias + group : NULL,
                              .by_row = p->counts[1],
                              .by_column = p->counts[2],
                              .by = p->counts[0] ? p->counts[0][0] : 1.0f,
                              .y = y + done * p->out_plane,
                              .row0 = at->row0,
                              .rows = at->rows,
                              .low = call->clamped ? call->low : -INFINITY,
                              .high = call->clamped ? call->high : INFINITY};
        p->plane_run(&some);
    }
    if (p->s.x != SIB_F32)
        conv2d_give(call, sums, NULL, 0, at->n * p->out_plane, (char *)call->y + out * element);
}
