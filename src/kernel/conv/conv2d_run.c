/* The run of a convolution; conv2d_plan.h defines what is computed. */
#include "base/assert.h"
#include "base/cancel.h"
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

#include <math.h>
#include <string.h>

/* ---- Products ------------------------------------------------------------------------------------------ */

/* State shared by the loops of an item. */
typedef struct product {
    const conv2d_call *call;
    const conv2d_plan *p;
    const conv2d_item *at;
    const float *image;    /* the first pixel of the item */
    const float *w;        /* packed, of the group */
    const float *bias;     /* of the group, or NULL */
    float *y;              /* where sums are written: the first pixel of the item */
    size_t y_plane, y_row; /* distances between channels and between rows there */
    float *tile;
    const char *x; /* of the batch and group */
    float *scratch;
    size_t k0, k; /* the terms of this sum */
} product;

static void panel_of(const product *o, size_t panel, size_t n, const float *x, float *y, size_t ldy)
{
    const conv2d_plan *p = o->p;
    size_t m0 = conv2d_panel_row(p, panel), m = conv2d_panel_row(p, panel + 1) - m0;
    size_t parts = p->s.kind == CONV2D_PRODUCT ? conv2d_parts(p, o->k) : 0;
    for (size_t part = 0; part < parts; part++) {
        size_t k0 = conv2d_cut(o->k, parts, part), k = conv2d_cut(o->k, parts, part + 1) - k0;
        k0 += o->k0;
        p->kernels->panel(m, n, k, o->w + m0 * p->k + k0 * m, x, p->offset + k0,
                          o->bias ? o->bias + m0 : NULL, part > 0, y, ldy);
    }
    if (p->s.kind == CONV2D_PRODUCT)
        return;
    if (p->s.kind == CONV2D_LARGEST)
        p->kernels->largest(n, p->k, x, p->offset, y);
    else
        p->kernels->total(n, p->k, x, p->offset, y);
}

/* n pixels of each of `rows` rows, for all panels, stored without change of layout. A panel's rows follow one
   another, since some processors write long pieces of a channel twice as fast as short ones. */
static void rows_straight(const product *o, const float *x, size_t n, size_t rows, float *y)
{
    const conv2d_plan *p = o->p;
    for (size_t panel = o->at->panel0; panel < o->at->panel1; panel++)
        for (size_t row = 0; row < rows; row++)
            panel_of(o, panel, n, x + row * p->row_step,
                     y + conv2d_panel_row(p, panel) * o->y_plane + row * o->y_row, o->y_plane);
}

/* Copies the pixels of a run that belong to the output: columns below `columns` of rows `pitch` apart. */
static void drop_gaps(const product *o, const float *run, size_t begin, size_t n, float *y)
{
    size_t pitch = o->p->row_step, columns = o->at->columns;
    for (size_t i = begin; i < begin + n;) {
        size_t row = i / pitch, column = i % pitch, stop = size_min(begin + n, (row + 1) * pitch);
        if (column < columns) {
            size_t count = size_min(stop - i, columns - column);
            memcpy(y + row * o->y_row + column, run + (i - begin), count * sizeof *y);
        }
        i = stop;
    }
}

static void chunk_flat(const product *o, size_t begin, size_t n)
{
    const conv2d_plan *p = o->p;
    for (size_t panel = o->at->panel0; panel < o->at->panel1; panel++) {
        size_t m0 = conv2d_panel_row(p, panel), m = conv2d_panel_row(p, panel + 1) - m0;
        panel_of(o, panel, n, o->image + begin, o->tile, n);
        for (size_t i = 0; i < m; i++)
            drop_gaps(o, o->tile + i * n, begin, n, o->y + (m0 + i) * o->y_plane);
    }
}

/* Rows of a single plane. */
static void run_plane(const product *o)
{
    conv2d_planes one = {.g = &o->p->plane,
                         .n = 1,
                         .x = o->p->s.x == SIB_F32 ? (const float *)(const void *)o->x : o->scratch,
                         .w = o->w,
                         .first = o->bias,
                         .by_row = o->p->counts[1],
                         .by_column = o->p->counts[2],
                         .by = o->p->counts[0] ? o->p->counts[0][0] : 1.0f,
                         .y = o->y - o->at->row0 * o->y_row,
                         .row0 = o->at->row0,
                         .rows = o->at->rows,
                         .low = -INFINITY,
                         .high = INFINITY};
    o->p->plane_run(&one);
}

static void multiply(const product *o)
{
    const conv2d_plan *p = o->p;
    const conv2d_item *at = o->at;
    if (p->plane_run) {
        run_plane(o);
        return;
    }
    if (p->features) {
        const conv2d_call *c = o->call;
        conv2d_features features = {.p = p,
                                    .no_border = p->no_border && conv2d_packed_finite(p, o->call->w),
                                    .at = at,
                                    .call = c,
                                    .x = o->x,
                                    .scratch = o->scratch,
                                    .image = o->image,
                                    .w = o->w,
                                    .bias = o->bias,
                                    .low = c->clamped ? c->low : -INFINITY,
                                    .high = c->clamped ? c->high : INFINITY,
                                    .y = o->y,
                                    .y_plane = o->y_plane,
                                    .sums = o->tile};
        conv2d_features_run(&features);
        return;
    }
    if (p->flat) {
        size_t all = (at->rows - 1) * p->row_step + at->columns;
        bool gaps = p->row_step != at->columns || o->y_row != at->columns;
        for (size_t begin = 0, n; begin < all; begin += n) {
            n = size_min(p->chunk, all - begin);
            if (gaps)
                chunk_flat(o, begin, n);
            else
                rows_straight(o, o->image + begin, n, 1, o->y + begin);
        }
        return;
    }
    size_t together = size_min(at->rows, size_max(1, p->chunk / at->columns));
    for (size_t row = 0; row < at->rows; row += together)
        for (size_t begin = 0, n; begin < at->columns; begin += n) {
            n = size_min(p->chunk, at->columns - begin);
            rows_straight(o, o->image + row * p->row_step + begin, n, size_min(together, at->rows - row),
                          o->y + row * o->y_row + begin);
        }
}

/* Divides sums of windows to get averages. */
static void divide(const product *o)
{
    const conv2d_plan *p = o->p;
    const conv2d_item *at = o->at;
    for (size_t row = 0; row < at->rows; row++)
        p->kernels->divide(p->counts[2] + at->column0, p->counts[0][at->place] * p->counts[1][at->row0 + row],
                           at->columns, o->y + row * o->y_row);
}

/* ---- Items --------------------------------------------------------------------------------------------- */

static conv2d_item item_at(const conv2d_plan *p, size_t index)
{
    const conv2d_axis *a = p->s.axis;
    conv2d_item at;
    size_t block = index % p->m_blocks, rest = index / p->m_blocks;
    at.panel0 = p->panels * block / p->m_blocks;
    at.panel1 = p->panels * (block + 1) / p->m_blocks;
    at.column0 = rest % p->column_bands * p->columns;
    at.columns = size_min(p->columns, a[2].out - at.column0);
    rest /= p->column_bands;
    at.row0 = rest % p->row_bands * p->rows;
    at.rows = size_min(p->rows, a[1].out - at.row0);
    rest /= p->row_bands;
    at.place = rest % a[0].out;
    rest /= a[0].out;
    at.group = rest % p->s.groups;
    at.batch = rest / p->s.groups;
    return at;
}

/* Ranges of y to be finished, merged while they are adjacent. */
typedef struct finished {
    const conv2d_call *call;
    size_t begin, end;
} finished;

#define FINISH_MAX 4096

static void finish_now(finished *f)
{
    if (f->end > f->begin)
        f->call->finish(f->call->context, f->begin, f->end - f->begin);
    f->begin = f->end;
}

static void finish_range(finished *f, size_t begin, size_t count)
{
    if (f->end != begin || f->end - f->begin + count > FINISH_MAX) {
        finish_now(f);
        f->begin = begin;
    }
    f->end = begin + count;
}

static void add_up(const float *sums, size_t n, double *totals, bool more)
{
    for (size_t i = 0; i < n; i++)
        totals[i] = (more ? totals[i] : 0.0) + (double)sums[i];
}

/* Converts sums to y where their types differ: rounds them, or takes totals of blocks, which are exact for
   integers. y: the first pixel of the item. */
static void convert(product *o, char *y)
{
    const conv2d_plan *p = o->p;
    const conv2d_call *c = o->call;
    size_t pixels = o->at->rows * o->at->columns, element = conv2d_element(p->s.y);
    size_t m0 = conv2d_panel_row(p, o->at->panel0), m1 = conv2d_panel_row(p, o->at->panel1);
    size_t begin = m0 * pixels, count = (m1 - m0) * pixels;
    bool clamp = c->clamped && !p->features;
    float *sums = o->y + begin;
    int32_t *whole = (int32_t *)(void *)(o->y + p->sum_floats);
    double *totals = (double *)(void *)whole + begin;
    for (o->k0 = 0; o->k0 < p->k; o->k0 += o->k, o->bias = NULL) {
        o->k = p->block ? size_min(p->k - o->k0, p->block) : p->k;
        multiply(o);
        if (p->counts[0] && !p->plane_run)
            divide(o);
        if (clamp && !p->block)
            p->kernels->clamp(c->low, c->high, count, sums);
        if (p->integer)
            p->kernels->add_integers(sums, count, whole + begin, o->k0 > 0);
        else if (p->block)
            add_up(sums, count, totals, o->k0 > 0);
    }
    if (p->block && !p->integer) {
        for (size_t i = 0; i < count; i++)
            sums[i] = (float)totals[i];
        if (clamp)
            p->kernels->clamp(c->low, c->high, count, sums);
    }
    /* entire rows are adjacent in y as well */
    bool joined = o->at->columns == p->s.axis[2].out;
    size_t rows = joined ? 1 : o->at->rows, n = joined ? pixels : o->at->columns;
    for (size_t m = m0; m < m1; m++)
        for (size_t row = 0; row < rows; row++) {
            size_t at = m * pixels + row * n;
            char *to = y + (m * p->out_plane + row * p->s.axis[2].out) * element;
            if (p->s.y == SIB_I32)
                memcpy(to, whole + at, n * element);
            else
                conv2d_give(c, o->y + at, whole + at, o->at->group * p->s.m + m, n, to);
        }
}

/* Prepares the image; with features in the lanes it is copied later, block by block. */
static void place_image(product *o)
{
    const conv2d_plan *p = o->p;
    const conv2d_item *at = o->at;
    const conv2d_axis *a = p->s.axis;
    o->image = o->scratch;
    if (p->plane_run && p->s.x != SIB_F32)
        conv2d_take(p, p->s.x, o->x, o->call->x_zero, 1, p->in_plane, o->scratch);
    else if (p->direct && !p->plane_run)
        o->image = (const float *)(const void *)o->x +
                   (at->place * a[0].stride * a[1].in + at->row0 * a[1].stride) * a[2].in +
                   at->column0 * a[2].stride;
    else if (!p->plane_run && !p->features)
        conv2d_fill(o->call, at, o->x, 0, p->s.c, o->scratch);
}

static void run_item(const conv2d_call *c, const conv2d_item *at, float *scratch, finished *f)
{
    const conv2d_plan *p = c->plan;
    const conv2d_axis *a = p->s.axis;
    size_t group = at->batch * p->s.groups + at->group, channel = group * p->s.m;
    size_t first = (at->place * a[1].out + at->row0) * a[2].out + at->column0; /* pixel of a channel of y */
    char *y = (char *)c->y + (channel * p->out_plane + first) * conv2d_element(p->s.y);
    product o = {
        .call = c, .p = p, .at = at, .scratch = scratch, .tile = scratch + p->image_floats, .k = p->k};
    o.x = (const char *)c->x + group * p->s.c * p->in_plane * conv2d_element(p->s.x);
    if (c->w)
        o.w = c->w + at->group * (p->features ? conv2d_features_width(p) : p->s.m) * p->k;
    if (c->bias)
        o.bias = c->bias + at->group * p->s.m;
    place_image(&o);
    if (!p->sum_floats) {
        o.y = (float *)(void *)y;
        o.y_plane = p->out_plane;
        o.y_row = a[2].out;
        multiply(&o);
        if (p->counts[0] && !p->plane_run)
            divide(&o);
    } else {
        o.y = o.tile + p->tile_floats;
        o.y_plane = at->rows * at->columns;
        o.y_row = at->columns;
        convert(&o, y);
    }
    bool clamp = c->clamped && p->s.y == SIB_F32 && !p->features;
    if (!c->finish && !clamp)
        return;
    size_t m0 = conv2d_panel_row(p, at->panel0), m1 = conv2d_panel_row(p, at->panel1);
    for (size_t m = m0; m < m1; m++) {
        size_t begin = (channel + m) * p->out_plane + first, n = (at->rows - 1) * a[2].out + at->columns;
        if (clamp)
            p->kernels->clamp(c->low, c->high, n, (float *)c->y + begin);
        if (c->finish)
            finish_range(f, begin, n);
    }
}

static void run_items(void *context, size_t begin, size_t count, unsigned worker)
{
    const conv2d_call *c = context;
    float none = 0; /* avoids arithmetic on NULL where no scratch is needed */
    float *scratch = c->scratch ? c->scratch + worker * c->plan->scratch_floats : &none;
    finished f = {c, 0, 0};
    for (size_t i = begin; i < begin + count && !cancel_is_set(c->cancel); i++) {
        if (c->plan->few_width) {
            const conv2d_plan *p = c->plan;
            size_t item = i / p->m_blocks, block = i % p->m_blocks;
            size_t m0 = conv2d_few_feature(p, block), m1 = conv2d_few_feature(p, block + 1);
            conv2d_few_run(c, i, scratch);
            if (c->clamped)
                p->kernels->clamp(c->low, c->high, (m1 - m0) * p->out_plane,
                                  (float *)c->y + (item * p->s.m + m0) * p->out_plane);
            if (c->finish)
                finish_range(&f, (item * p->s.m + m0) * p->out_plane, (m1 - m0) * p->out_plane);
            continue;
        }
        if (c->plan->in_lanes || conv2d_planes_pay(c->plan)) {
            bool in_lanes = c->plan->in_lanes;
            conv2d_planes_item at = in_lanes ? conv2d_lanes_at(c->plan, i) : conv2d_planes_at(c->plan, i);
            (in_lanes ? conv2d_lanes_run : conv2d_planes_run)(c, &at, scratch);
            size_t columns = c->plan->s.axis[2].out;
            for (size_t j = at.first; c->finish && j < at.first + at.n; j++)
                finish_range(&f, j * c->plan->out_plane + at.row0 * columns, at.rows * columns);
            continue;
        }
        conv2d_item at = item_at(c->plan, i);
        run_item(c, &at, scratch, &f);
    }
    finish_now(&f);
}

unsigned conv2d_workers(const conv2d_plan *p, unsigned threads)
{
    return p->items > 1 && p->work > CONV2D_ALONE_WORK ? threads : 1;
}

void conv2d_run(const conv2d_call *c, sib_pool *pool)
{
    const conv2d_plan *p = c->plan;
    SIB_ASSERT(mem_is_aligned(c->x, conv2d_element(p->s.x)) && mem_is_aligned(c->y, conv2d_element(p->s.y)));
    SIB_ASSERT(!p->scratch_floats || (c->scratch && mem_is_aligned(c->scratch, sizeof(float))));
    SIB_ASSERT(p->s.kind != CONV2D_PRODUCT || c->w);
    SIB_ASSERT(!c->clamped || c->low <= c->high);
    unsigned threads = conv2d_workers(p, pool ? sib_pool_threads(pool) : 1);
    if (threads == 1) {
        run_items((void *)c, 0, p->items, 0);
        return;
    }
    pool_run(pool, p->items, size_max(1, p->items / (4 * (size_t)threads)), run_items, (void *)c);
}

/* ---- Other methods ------------------------------------------------------------------------------------- */

static void run_some(void *context, size_t begin, size_t count, unsigned worker)
{
    const conv2d_items *items = context;
    float *scratch = items->call->scratch + worker * items->scratch_floats;
    for (size_t i = begin; i < begin + count && !cancel_is_set(items->call->cancel); i++)
        items->run(items->plan, items->call, i, scratch);
}

void conv2d_run_items(const conv2d_items *items, size_t grain, sib_pool *pool)
{
    if (items->workers == 1)
        run_some((void *)items, 0, items->n, 0);
    else
        pool_run(pool, items->n, grain, run_some, (void *)items);
}
