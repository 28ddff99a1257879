#include "kernel/resize/sample.h"

#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

/* Below this many weighted elements the calling thread works alone. */
#define THREADS_FROM ((size_t)64 << 10)

/* ---- Tables ------------------------------------------------------------------------------------------ */

/* Points whose taps are computed at a time. */
#define POINTS 256

/* Points of one image as a line of the resampling kernels, followed by data per point. */
typedef struct taps {
    resize_line line;
    size_t lanes;
    int32_t *base, *index;
    float *weight;
    size_t n_fixed;  /* points whose value does not depend on the image */
    uint32_t *fixed; /* (n_fixed) their indices */
    float *fixed_value;
} taps;

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* Bytes of a table, or 0 where they exceed memory. */
static size_t taps_bytes(size_t points, size_t n)
{
    size_t entries, lanes = kernel_table_get()->resize.lanes, all = round_up(points, lanes);
    if (!size_mul(all, n, &entries) || entries > SIZE_MAX / 64)
        return 0;
    return round_up(entries * (sizeof(int32_t) + sizeof(float)) + all * 3 * sizeof(int32_t), 64);
}

/* Begins a table of n taps per point in `memory`. */
static taps taps_begin(void *memory, size_t points, size_t n)
{
    size_t lanes = kernel_table_get()->resize.lanes, all = round_up(points, lanes);
    taps t = {.lanes = lanes, .index = memory};
    t.weight = (float *)(t.index + all * n);
    t.base = (int32_t *)(t.weight + all * n);
    t.fixed = (uint32_t *)(t.base + all);
    t.fixed_value = (float *)(t.fixed + all);
    t.line = (resize_line){.out = points, .taps = n, .blocks = all / lanes};
    t.line.base = t.base;
    t.line.index = t.index;
    t.line.weight = t.weight;
    memset(t.base, 0, t.line.blocks * sizeof *t.base);
    if (points < all) { /* lanes after the last point */
        memset(t.index + (t.line.blocks - 1) * n * lanes, 0, n * lanes * sizeof *t.index);
        memset(t.weight + (t.line.blocks - 1) * n * lanes, 0, n * lanes * sizeof *t.weight);
    }
    return t;
}

/* Point i is the sum of `used` weighted pixels. The remaining taps share the first one and its weight, so
   that no unused pixel gives NaN. */
static void taps_put(taps *t, size_t i, size_t used, const int32_t *index, const double *weight)
{
    size_t lanes = t->lanes, n = t->line.taps;
    size_t at = i / lanes * n * lanes + i % lanes;
    if (used == 0) {
        t->fixed[t->n_fixed] = (uint32_t)i;
        t->fixed_value[t->n_fixed++] = 0;
    }
    double shared = used ? weight[0] / (double)(n - used + 1) : 0;
    for (size_t k = 0; k < n; k++, at += lanes) {
        bool own = k > 0 && k < used;
        t->index[at] = own ? index[k] : used ? index[0] : 0;
        t->weight[at] = (float)(own ? weight[k] : shared);
    }
}

static void taps_apply(const taps *t, const float *x, float *y, bool nearest)
{
    const resize_kernels *k = &kernel_table_get()->resize;
    (nearest ? k->pick : k->across)(&t->line, x, y);
    for (size_t i = 0; i < t->n_fixed; i++)
        y[t->fixed[i]] = t->fixed_value[i];
}

/* ---- Positions --------------------------------------------------------------------------------------- */

/* The pixels along one axis around a position. */
typedef struct near_pixels {
    size_t n;
    int32_t pixel[4];
    double weight[4];
} near_pixels;

static double clamped(double p, double low, double high)
{
    return p < low ? low : p > high ? high : p;
}

/* Reflects p at low and high until it lies between them. */
static double reflected(double p, double low, double high)
{
    double span = high - low;
    if (span <= 0)
        return p * 0;
    double way = p - low;
    way -= floor(way / (2 * span)) * (2 * span);
    return fmin(way, 2 * span - way) + low;
}

/* Keys' cubic kernel with a = -3/4, or the linear one. */
static double weight_at(sample_filter filter, double d)
{
    const double a = -0.75;
    d = fabs(d);
    if (filter != SAMPLE_CUBIC)
        return 1 - d;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

/* Returns false where the position is NaN or infinite. */
static bool find_pixels(const sample_grid *g, int axis, double p, near_pixels *out)
{
    double low = g->align_corners ? 0 : -0.5, last = (double)g->size[axis] - 1, high = last - low;
    bool nearest = g->filter == SAMPLE_NEAREST;
    if (g->filter == SAMPLE_LINEAR && p >= 0 && p < last) { /* the common case without calls */
        int32_t first = (int32_t)p;
        double d = p - first;
        *out = (near_pixels){.n = 2, .pixel = {first, first + 1}, .weight = {1 - d, d}};
        return true;
    }
    if (nearest)
        p = nearbyint(p);
    if (g->border == SAMPLE_REFLECT)
        p = reflected(p, low, high);
    else if (g->border == SAMPLE_EDGE && !(low <= p && p <= high))
        p = clamped(p, 0, last);
    out->n = 0;
    if (!(fabs(p) < INFINITY))
        return false;
    double first = nearest ? p : floor(p) - (g->filter == SAMPLE_CUBIC);
    int count = nearest ? 1 : g->filter == SAMPLE_CUBIC ? 4 : 2;
    for (int i = 0; i < count; i++) {
        double at = first + i, w = nearest ? 1 : weight_at(g->filter, at - p);
        if (g->border == SAMPLE_ZEROS && !(0 <= at && at <= last))
            continue;
        if (g->border == SAMPLE_REFLECT)
            at = reflected(at, low, high);
        out->pixel[out->n] = (int32_t)clamped(at, 0, last);
        out->weight[out->n++] = w;
    }
    return true;
}

/* ---- GridSample ---------------------------------------------------------------------------------------- */

static size_t taps_of(const sample_grid *g)
{
    return g->filter == SAMPLE_NEAREST ? 1 : g->filter == SAMPLE_LINEAR ? 4 : 16;
}

size_t sample_grid_scratch(const sample_grid *g, size_t threads)
{
    return threads * taps_bytes(POINTS, taps_of(g));
}

typedef struct grid_work {
    const sample_grid *grid;
    const float *x, *at;
    float *y;
    char *scratch;
} grid_work;

static double pixel_position(const sample_grid *g, int axis, float at)
{
    double size = (double)g->size[axis], p = ((double)at + 1) * ((g->align_corners ? size - 1 : size) / 2);
    return g->align_corners ? p : p - 0.5;
}

/* at: (2) column and row. */
static void put_position(const sample_grid *g, taps *t, size_t i, const float *at)
{
    near_pixels rows, columns;
    int32_t index[16];
    double weight[16];
    size_t n = 0;
    bool number = find_pixels(g, 0, pixel_position(g, 0, at[1]), &rows);
    number &= find_pixels(g, 1, pixel_position(g, 1, at[0]), &columns);
    for (size_t r = 0; r < rows.n; r++)
        for (size_t c = 0; c < columns.n; c++) {
            index[n] = rows.pixel[r] * (int32_t)g->size[1] + columns.pixel[c];
            weight[n++] = rows.weight[r] * columns.weight[c];
        }
    taps_put(t, i, n, index, weight);
    if (!number && g->filter != SAMPLE_NEAREST)
        t->fixed_value[t->n_fixed - 1] = NAN;
}

/* Processes blocks of points, image by image. */
static void run_grid(void *context, size_t begin, size_t count, unsigned worker)
{
    const grid_work *w = context;
    const sample_grid *g = w->grid;
    size_t blocks = size_ceil_div(g->points, POINTS), n = taps_of(g), plane = g->size[0] * g->size[1];
    char *memory = w->scratch + worker * taps_bytes(POINTS, n);
    for (size_t i = begin; i < begin + count && !cancel_is_set(g->cancel); i++) {
        size_t image = i / blocks, first = i % blocks * POINTS, points = size_min(POINTS, g->points - first);
        const float *at = w->at + 2 * (image * g->points + first);
        taps t = taps_begin(memory, points, n);
        for (size_t k = 0; k < points; k++)
            put_position(g, &t, k, at + 2 * k);
        for (size_t c = 0; c < g->channels && !cancel_is_set(g->cancel); c++) {
            size_t which = image * g->channels + c;
            taps_apply(&t, w->x + which * plane, w->y + which * g->points + first,
                       g->filter == SAMPLE_NEAREST);
        }
    }
}

void sample_grid_run(const sample_grid *g, const float *x, const float *grid, float *y, void *scratch,
                     sib_pool *pool)
{
    grid_work w = {g, x, grid, y, scratch};
    size_t units = g->images * size_ceil_div(g->points, POINTS);
    size_t work = g->images * g->points * (8 + g->channels * taps_of(g));
    if (!pool || work < THREADS_FROM)
        run_grid(&w, 0, units, 0);
    else
        pool_run(pool, units, 1, run_grid, &w);
}

/* ---- RoiAlign ------------------------------------------------------------------------------------------ */

/* A region along one axis: `count` samples per bin. */
typedef struct span {
    double start, size, count;
} span;

/* Scaled in float, since the adaptive count jumps where a size is an integer. */
static span span_of(const sample_regions *s, float start, float end, size_t out)
{
    start *= s->scale;
    end *= s->scale;
    if (s->half_pixel) {
        start += -0.5f;
        end += -0.5f;
    }
    float size = end - start;
    if (!s->half_pixel)
        size = size >= 1.0f || size != size ? size : 1.0f; /* inverted boxes become one pixel */
    double count = s->ratio > 0 ? (double)s->ratio : (double)ceilf(size / (float)out);
    return (span){(double)start, (double)size, count > 0 ? count : 0};
}

static span span_at(const sample_regions *s, const float *box, int axis)
{
    return span_of(s, box[1 - axis], box[3 - axis], s->out[axis]);
}

/* Taps of a bin of a region, 4 per sample; 0 where they are too many. */
static size_t region_taps(const sample_regions *s, const float *box)
{
    double all = 4 * span_at(s, box, 0).count * span_at(s, box, 1).count;
    return all < 0x1p24 ? size_max(1, (size_t)all) : 0;
}

size_t sample_regions_scratch(const sample_regions *s, const float *boxes, size_t threads)
{
    size_t max = 1, bytes;
    for (size_t r = 0; r < s->regions; r++) {
        size_t n = region_taps(s, boxes + 4 * r);
        if (n == 0)
            return 0;
        max = size_max(max, n);
    }
    /* the table, then indices and weights of a bin */
    bytes = taps_bytes(s->out[0] * s->out[1], max);
    if (bytes == 0 || !size_add(bytes, round_up(max * 12, 64), &bytes) || !size_mul(bytes, threads, &bytes))
        return 0;
    return bytes;
}

/* The two pixels of an axis around a sample at most one pixel out of the image; returns false further out. */
static bool sample_pixels(size_t size, double p, int32_t pixel[2], double weight[2])
{
    double last = (double)size - 1;
    if (!(-1 <= p && p <= (double)size))
        return false;
    p = clamped(p, 0, last);
    double low = floor(p);
    pixel[0] = (int32_t)low;
    pixel[1] = (int32_t)clamped(low + 1, 0, last);
    weight[1] = p - low;
    weight[0] = 1 - weight[1];
    return true;
}

static size_t put_sample(const sample_regions *s, double y, double x, double share, int32_t *index,
                         double *weight)
{
    int32_t rows[2], columns[2];
    double down[2], along[2];
    if (!sample_pixels(s->size[0], y, rows, down) || !sample_pixels(s->size[1], x, columns, along))
        return 0;
    for (int i = 0; i < 4; i++) {
        index[i] = rows[i / 2] * (int32_t)s->size[1] + columns[i % 2];
        weight[i] = down[i / 2] * along[i % 2] * share;
    }
    return 4;
}

/* memory: of this thread; taps: of the region. */
static taps region_table(const sample_regions *s, const float *box, size_t n, char *memory)
{
    size_t bins = s->out[0] * s->out[1];
    taps t = taps_begin(memory, bins, n);
    double *weight = (double *)(memory + taps_bytes(bins, n));
    int32_t *index = (int32_t *)(weight + n);
    span rows = span_at(s, box, 0), columns = span_at(s, box, 1);
    double high = rows.size / (double)s->out[0], wide = columns.size / (double)s->out[1];
    double share = 1 / fmax(rows.count * columns.count, 1);
    for (size_t b = 0; b < bins; b++) {
        double row = (double)(b / s->out[1]), column = (double)(b % s->out[1]);
        size_t used = 0;
        for (size_t i = 0; i < (size_t)rows.count; i++)
            for (size_t k = 0; k < (size_t)columns.count; k++)
                used += put_sample(s, rows.start + (row + ((double)i + 0.5) / rows.count) * high,
                                   columns.start + (column + ((double)k + 0.5) / columns.count) * wide, share,
                                   index + used, weight + used);
        taps_put(&t, b, used, index, weight);
    }
    return t;
}

typedef struct region_work {
    const sample_regions *s;
    const float *x, *boxes;
    const int64_t *images;
    float *y;
    char *scratch;
    size_t each; /* bytes per thread */
} region_work;

static void run_regions(void *context, size_t begin, size_t count, unsigned worker)
{
    const region_work *w = context;
    const sample_regions *s = w->s;
    size_t plane = s->size[0] * s->size[1], bins = s->out[0] * s->out[1];
    for (size_t r = begin; r < begin + count && !cancel_is_set(s->cancel); r++) {
        const float *box = w->boxes + 4 * r;
        taps t = region_table(s, box, region_taps(s, box), w->scratch + worker * w->each);
        for (size_t c = 0; c < s->channels && !cancel_is_set(s->cancel); c++)
            taps_apply(&t, w->x + ((size_t)w->images[r] * s->channels + c) * plane,
                       w->y + (r * s->channels + c) * bins, false);
    }
}

void sample_regions_run(const sample_regions *s, const float *x, const float *boxes, const int64_t *images,
                        float *y, void *scratch, size_t bytes, sib_pool *pool)
{
    size_t threads = pool ? sib_pool_threads(pool) : 1;
    region_work w = {s, x, boxes, images, y, scratch, bytes / threads};
    if (!pool || s->regions * s->channels * s->out[0] * s->out[1] * 4 < THREADS_FROM)
        run_regions(&w, 0, s->regions, 0);
    else
        pool_run(pool, s->regions, 1, run_regions, &w);
}
