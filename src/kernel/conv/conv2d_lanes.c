/* Windows over single planes with the planes in the lanes: small planes, whose rows fill no vector, and large
   windows, of which each vector of weights then serves many pixels. Some planes at once are transposed to
   pixels of adjacent planes, padded, and their results are transposed back. */
#include "base/alloc.h"
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

#include <math.h>
#include <string.h>

/* Max floats of an item's image and results, which stay in the L2 cache. */
#define ITEM_FLOATS (96 * 1024)
#define MAX_TERMS   256

/* Elements of an axis of the padded image that `out` results read. */
static size_t reach(const conv2d_axis *a, size_t out)
{
    return (out - 1) * a->stride + (a->kernel - 1) * a->dilation + 1;
}

/* The max over windows is that over their rows of the max along these: the same element, with NaN and the signs
   of zeros too, since both are taken in the same order. */
static bool is_separable(const conv2d_plan *p)
{
    return p->s.kind == CONV2D_LARGEST && p->s.axis[1].kernel > 1 && p->s.axis[2].kernel > 1;
}

/* Planes any of which may be together: those of a batch have the same weights as those of the next. */
static size_t adjacent(const conv2d_plan *p)
{
    return p->s.kind == CONV2D_PRODUCT ? p->s.groups : p->s.batch * p->s.groups;
}

double conv2d_lanes_ratio(const conv2d_plan *p)
{
    const kernel_costs *costs = p->table->costs;
    const conv2d_axis *a = p->s.axis;
    size_t lanes = p->kernels->lanes;
    if (lanes == 1 || p->s.c != 1 || p->s.m != 1 || p->s.x != SIB_F32 || p->s.y != SIB_F32 || p->block ||
        a[0].in != 1 || a[0].out != 1 || a[0].kernel != 1 || a[0].before || a[2].stride > 2 ||
        p->k > MAX_TERMS || p->k == 1 || conv2d_parts(p, p->k) > 1)
        return INFINITY;
    double high =
        (double)(a[1].kernel - 1) * (double)a[1].dilation + 2; /* that a row of results reads, and it */
    double wide =
        (double)(a[2].out - 1) * (double)a[2].stride + (double)(a[2].kernel - 1) * (double)a[2].dilation;
    if (high * (wide + 1) * (double)lanes > ITEM_FLOATS)
        return INFINITY;
    double results = (double)p->out_plane, k = (double)p->k, all = results + (double)p->in_plane;
    double terms = is_separable(p) ? (double)(a[1].kernel + a[2].kernel) : k;
    double move = costs->lanes_vector + costs->lanes_lane * (double)lanes +
                  (a[1].before || a[2].before ? costs->lanes_padded : 0);
    double vectors = (double)(lanes * a[1].out * size_ceil_div(a[2].out, lanes));
    double others = vectors * k *
                    (a[2].stride == 2 ? costs->planes_term_apart
                     : k == 9         ? costs->planes_term_3
                                      : costs->planes_term);
    if (a[2].out <= lanes)
        others *= costs->planes_narrow;
    if (!p->plane_run)
        others += (double)lanes * (costs->planes_plane + costs->planes_row * (double)(a[1].out + a[1].in));
    double used = (double)size_min(adjacent(p), lanes) / (double)lanes;
    return (results * terms * costs->lanes_term + all * move) / (others * used);
}

/* Floats of the image, of the max along its rows, and of the results of a band of rows. */
static size_t image_floats(const conv2d_plan *p, size_t rows)
{
    return p->kernels->lanes * reach(&p->s.axis[1], rows) * p->pitch;
}
static size_t row_floats(const conv2d_plan *p, size_t rows)
{
    return is_separable(p) ? p->kernels->lanes * reach(&p->s.axis[1], rows) * p->s.axis[2].out : 0;
}
static size_t band_floats(const conv2d_plan *p, size_t rows)
{
    return image_floats(p, rows) + row_floats(p, rows) + p->kernels->lanes * rows * p->s.axis[2].out;
}

sib_code conv2d_lanes_make(conv2d_plan *p, unsigned threads, sib_error *err)
{
    const conv2d_axis *h = &p->s.axis[1], *w = &p->s.axis[2];
    size_t lanes = p->kernels->lanes;
    p->in_lanes = true;
    p->plane_run = NULL;
    size_t near = adjacent(p), blocks = p->s.batch * p->s.groups / near * size_ceil_div(near, lanes);
    size_t wanted = p->work > CONV2D_ALONE_WORK ? threads : 1;
    p->pitch = w->before || reach(w, w->out) > w->in ? reach(w, w->out) : w->in;
    p->row_bands = size_min(h->out, size_max(1, wanted / blocks));
    for (p->rows = size_ceil_div(h->out, p->row_bands); p->rows > 1 && band_floats(p, p->rows) > ITEM_FLOATS;)
        p->rows = (p->rows + 1) / 2;
    p->row_bands = size_ceil_div(h->out, p->rows);
    p->items = blocks * p->row_bands;
    p->image_floats = image_floats(p, p->rows);
    p->scratch_floats = band_floats(p, p->rows) + (p->k + 2) * lanes;
    size_t terms = p->k + h->kernel; /* of windows, and of columns of the max along rows */
    p->offset = mem_alloc(terms, sizeof *p->offset);
    if (!p->offset)
        return err_memory(err, terms * sizeof *p->offset, "a convolution's offsets");
    for (size_t i = 0; i < p->k; i++)
        p->offset[i] =
            (int32_t)((i / w->kernel * h->dilation * p->pitch + i % w->kernel * w->dilation) * lanes);
    for (size_t i = 0; i < h->kernel; i++)
        p->offset[p->k + i] = (int32_t)(i * h->dilation * w->out * lanes);
    return SIB_OK;
}

/* dst[j][i] = src[i][j] for i < rows, j < columns. */
static void transpose(const conv2d_plan *p, const float *src, size_t src_row, float *dst, size_t dst_row,
                      size_t rows, size_t columns)
{
    p->table->layout.transpose[2]((const char *)src, (ptrdiff_t)(src_row * sizeof *src), (char *)dst,
                                  (ptrdiff_t)(dst_row * sizeof *dst), rows, columns);
}

/* The padded rows from `row` on that `rows` rows of the result read, of n planes. */
static void place_rows(const conv2d_plan *p, const float *x, size_t n, size_t row, size_t rows, float *dst)
{
    const conv2d_axis *h = &p->s.axis[1], *w = &p->s.axis[2];
    size_t lanes = p->kernels->lanes, all = reach(h, rows), line = p->pitch * lanes;
    size_t begin = size_min(all, row < h->before ? h->before - row : 0);
    size_t end = size_max(begin, size_min(all, row < h->before + h->in ? h->before + h->in - row : 0));
    size_t columns = size_min(w->in, p->pitch - size_min(p->pitch, w->before));
    conv2d_pad(p, dst, begin * line);
    conv2d_pad(p, dst + end * line, (all - end) * line);
    x += (row + begin - h->before) * w->in;
    dst += begin * line;
    if (p->pitch == w->in && !w->before && end > begin) {
        transpose(p, x, p->in_plane, dst, lanes, n, (end - begin) * w->in);
        return;
    }
    for (size_t i = begin; i < end; i++, x += w->in, dst += line) {
        size_t before = size_min(p->pitch, w->before), after = p->pitch - before - columns;
        conv2d_pad(p, dst, before * lanes);
        if (columns)
            transpose(p, x, p->in_plane, dst + before * lanes, lanes, n, columns);
        conv2d_pad(p, dst + (before + columns) * lanes, after * lanes);
    }
}

conv2d_planes_item conv2d_lanes_at(const conv2d_plan *p, size_t index)
{
    size_t lanes = p->kernels->lanes, near = adjacent(p), blocks = size_ceil_div(near, lanes);
    size_t band = index % p->row_bands, block = index / p->row_bands, begin = block % blocks * lanes;
    return (conv2d_planes_item){.first = block / blocks * near + begin,
                                .n = size_min(lanes, near - begin),
                                .row0 = band * p->rows,
                                .rows = size_min(p->rows, p->s.axis[1].out - band * p->rows)};
}

/* Terms for adjacent pixels that the kernels process together. */
static size_t run_of(const conv2d_plan *p)
{
    const conv2d_axis *w = &p->s.axis[2];
    bool has = w->kernel == 3 || w->kernel == 5 || w->kernel == 7;
    return has && w->dilation == 1 && p->s.kind != CONV2D_LARGEST ? w->kernel : 1;
}

/* Weights of n planes from `group` on as (k, lanes), ones where there are none, and where sums begin. */
static void place_weights(const conv2d_call *call, size_t group, size_t n, float *w, float *first)
{
    const conv2d_plan *p = call->plan;
    size_t lanes = p->kernels->lanes;
    bool product = p->s.kind == CONV2D_PRODUCT;
    for (size_t i = 0; i < p->k * lanes && !product; i++)
        w[i] = 1.0f;
    if (product)
        transpose(p, call->w + group * p->k, p->k, w, lanes, n, p->k);
    memset(first, 0, lanes * sizeof *first);
    if (product && call->bias)
        memcpy(first, call->bias + group, n * sizeof *first);
}

void conv2d_lanes_run(const conv2d_call *call, const conv2d_planes_item *at, float *scratch)
{
    const conv2d_plan *p = call->plan;
    const conv2d_axis *h = &p->s.axis[1], *a = &p->s.axis[2];
    size_t lanes = p->kernels->lanes;
    float *image =
        scratch + (-((uintptr_t)scratch / sizeof *scratch) & (lanes - 1)); /* loads cross no lines */
    float *w = image + p->image_floats, *first = w + p->k * lanes, *between = first + lanes;
    float *y = between + row_floats(p, p->rows);
    if (at->n < lanes)
        memset(image, 0, (size_t)(between - image) * sizeof *image);
    place_rows(p, (const float *)call->x + at->first * p->in_plane, at->n, at->row0 * h->stride, at->rows,
               image);
    conv2d_lanes t = {.rows = at->rows,
                      .columns = a->out,
                      .k = p->k,
                      .step = a->stride,
                      .run = run_of(p),
                      .x = image,
                      .x_row = h->stride * p->pitch * lanes,
                      .offset = p->offset,
                      .w = w,
                      .first = first,
                      .by_row = p->counts[1] ? p->counts[1] + at->row0 : NULL,
                      .by_column = p->counts[2],
                      .by = p->counts[0] ? p->counts[0][0] : 1.0f,
                      .low = call->clamped ? call->low : -INFINITY,
                      .high = call->clamped ? call->high : INFINITY,
                      .y = y};
    if (p->s.kind != CONV2D_LARGEST)
        place_weights(call, at->first % p->s.groups, at->n, w, first);
    if (is_separable(p)) {
        conv2d_lanes along = t;
        along.rows = reach(h, at->rows);
        along.k = a->kernel;
        along.x_row = p->pitch * lanes;
        along.y = between;
        p->kernels->lanes_largest(&along);
        t.k = h->kernel;
        t.step = 1;
        t.x = between;
        t.x_row = h->stride * a->out * lanes;
        t.offset += p->k;
    }
    (p->s.kind == CONV2D_LARGEST ? p->kernels->lanes_largest : p->kernels->lanes_sum)(&t);
    transpose(p, y, lanes, (float *)call->y + at->first * p->out_plane + at->row0 * a->out, p->out_plane,
              at->rows * a->out, at->n);
}
