/* GridSample and RoiAlign for float32 images. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "backend/cpu/layout/layout.h"
#include "kernel/resize/resize.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Dims of a float32 tensor of rank 4 whose planes are not empty and small enough for their indices. */
static bool image_of(const node_view *n, const value *v, cpu_box *x)
{
    return cpu_dtype(v) == SIB_F32 && cpu_box_of(n, v, x) && x->rank == 4 && x->dims[2] > 0 &&
           x->dims[3] > 0 && x->dims[2] <= INT32_MAX / x->dims[3];
}

static size_t threads_of(const cpu_call *c)
{
    return c->self->pool ? sib_pool_threads(c->self->pool) : 1;
}

/* ---- GridSample ---------------------------------------------------------------------------------------- */

static bool grid_plan(const node_view *n, sample_grid *g)
{
    grid_spec spec = spec_grid(n->node);
    cpu_box x, grid;
    if (!image_of(n, n->in[0], &x) || cpu_dtype(n->in[1]) != SIB_F32 || !cpu_box_of(n, n->in[1], &grid) ||
        grid.rank != 4 || grid.dims[0] != x.dims[0] || grid.dims[3] != 2)
        return false;
    *g = (sample_grid){.filter = spec.mode,
                       .border = spec.padding_mode,
                       .align_corners = spec.align_corners,
                       .images = (size_t)x.dims[0],
                       .channels = (size_t)x.dims[1],
                       .points = (size_t)grid.dims[1] * (size_t)grid.dims[2],
                       .size = {(size_t)x.dims[2], (size_t)x.dims[3]}};
    return true;
}

static bool grid_claims(const cpu_self *self, const node_view *n)
{
    sample_grid g;
    (void)self;
    return grid_plan(n, &g);
}

static sib_code grid_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    sample_grid *g = mem_alloc(1, sizeof *g);
    (void)self;
    if (!g)
        return err_memory(err, sizeof *g, "a step");
    grid_plan(n, g);
    *state = g;
    return SIB_OK;
}

static sib_code run_grid(const cpu_call *c)
{
    sample_grid g = *(const sample_grid *)c->state;
    sib_tensor *out = cpu_out(c, 0);
    if (!out || out->count == 0)
        return SIB_OK;
    size_t bytes = sample_grid_scratch(&g, threads_of(c));
    void *scratch = cpu_scratch_take(c, bytes);
    if (!scratch)
        return cpu_no_memory(c, bytes);
    g.cancel = c->cancel;
    sample_grid_run(&g, (const float *)cpu_in(c, 0)->data, (const float *)cpu_in(c, 1)->data,
                    (float *)out->data, scratch, c->self->pool);
    cpu_scratch_give(c, scratch);
    return cpu_cancelled(c);
}

const cpu_kernel cpu_grid_sample = {.claims = grid_claims, .prepare = grid_prepare, .run = run_grid};

/* ---- RoiAlign ------------------------------------------------------------------------------------------ */

typedef struct roi_state {
    sample_regions regions;
    int64_t images;
} roi_state;

static bool roi_plan(const node_view *n, roi_state *s)
{
    cpu_box x, boxes, images;
    roi_spec spec = spec_roi(n->node);
    int64_t high = spec.output_height, wide = spec.output_width;
    if (!image_of(n, n->in[0], &x) || cpu_dtype(n->in[1]) != SIB_F32 || cpu_dtype(n->in[2]) != SIB_I64 ||
        !cpu_box_of(n, n->in[1], &boxes) || !cpu_box_of(n, n->in[2], &images) || boxes.rank != 2 ||
        boxes.dims[1] != 4 || images.rank != 1 || images.dims[0] != boxes.dims[0] || high < 1 || wide < 1 ||
        high > 4096 || wide > 4096 || spec.mode != ROI_AVERAGE)
        return false;
    s->images = x.dims[0];
    s->regions = (sample_regions){.half_pixel = spec.coordinate_transformation_mode == ROI_HALF_PIXEL,
                                  .scale = (float)spec.spatial_scale,
                                  .ratio = spec.sampling_ratio,
                                  .regions = (size_t)boxes.dims[0],
                                  .channels = (size_t)x.dims[1],
                                  .size = {(size_t)x.dims[2], (size_t)x.dims[3]},
                                  .out = {(size_t)high, (size_t)wide}};
    return s->regions.ratio < 4096;
}

static bool roi_claims(const cpu_self *self, const node_view *n)
{
    roi_state s;
    (void)self;
    return n->n_in == 3 && roi_plan(n, &s);
}

static sib_code roi_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    roi_state *s = mem_alloc(1, sizeof *s);
    (void)self;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    roi_plan(n, s);
    *state = s;
    return SIB_OK;
}

static sib_code run_roi(const cpu_call *c)
{
    const roi_state *s = c->state;
    sample_regions r = s->regions;
    sib_tensor *out = cpu_out(c, 0);
    if (!out || out->count == 0)
        return SIB_OK;
    const float *boxes = (const float *)cpu_in(c, 1)->data;
    const int64_t *images = (const int64_t *)cpu_in(c, 2)->data;
    for (size_t i = 0; i < r.regions; i++)
        if (images[i] < 0 || images[i] >= s->images)
            return cpu_fail(c, SIB_ERR_VALUE, "index %" PRId64 " is out of range on axis 0 of size %" PRId64,
                            images[i], s->images);
    size_t bytes = sample_regions_scratch(&r, boxes, threads_of(c));
    if (bytes == 0)
        return cpu_fail(c, SIB_ERR_SIZE, "a region has too many samples");
    void *scratch = cpu_scratch_take(c, bytes);
    if (!scratch)
        return cpu_no_memory(c, bytes);
    r.cancel = c->cancel;
    sample_regions_run(&r, (const float *)cpu_in(c, 0)->data, boxes, images, (float *)out->data, scratch,
                       bytes, c->self->pool);
    cpu_scratch_give(c, scratch);
    return cpu_cancelled(c);
}

const cpu_kernel cpu_roi_align = {.claims = roi_claims, .prepare = roi_prepare, .run = run_roi};
