/* Convolutions with the features in the lanes: neighbouring pixels need not be neighbours in memory, so
   strides and the ends of short rows cost nothing; sums are transposed to rows of pixels at the end. */
#include "base/assert.h"
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

#include <math.h>

/* Pixels whose sums are kept until all terms are added, and max floats of a panel's weights that they are
   multiplied with before the next: sums, these weights and the part of the image that is read share the L2
   cache. */
#define PIXELS       672
#define PANEL_FLOATS (56 * 1024)
/* Max floats of the sums of all panels, where all are kept, and of the image that a block of terms meets: with a block
   of weights they share the L2 cache. */
#define SUM_FLOATS   (64 * 1024)
#define IMAGE_FLOATS (96 * 1024)
/* Max sums of a tile at any level: pixels times floats of features. */
#define MAX_TILE_FLOATS 1024

/* With fewer pixels a panel has too few sums to keep the multipliers busy. */
#define MIN_PIXELS 4

/* Cost of copying the image with every step-th column together, in vectors of terms. */
static double copy_cost(const conv2d_plan *p, size_t step)
{
    const conv2d_axis *a = p->s.axis;
    bool inside = step == 1 && p->s.x == SIB_F32;
    for (int i = 0; i < CONV2D_AXES; i++)
        inside &= !a[i].before && (a[i].out - 1) * a[i].stride + (a[i].kernel - 1) * a[i].dilation < a[i].in;
    if (inside)
        return 0;
    size_t columns = size_min(a[2].in, a[2].out * a[2].kernel), phases = size_min(step, a[2].kernel);
    double rows =
        (double)(p->s.c * a[0].kernel * a[0].out) * (double)size_min(a[1].in, a[1].out * a[1].kernel);
    return rows * ((double)phases * p->table->costs->features_row + (double)(columns / p->kernels->lanes));
}

/* Cost of the pages that copying touches: each channel's part of a band lies in one, and a band holds all channels of a
   block of `terms` terms. */
static double page_cost(const conv2d_plan *p, size_t terms)
{
    const conv2d_axis *a = p->s.axis;
    double blocks = (double)size_max(1, p->k / size_max(1, terms)), rows = (double)(a[0].out * a[1].out);
    double bands = (double)p->s.c * (double)p->in_plane / (blocks * IMAGE_FLOATS);
    return copy_cost(p, 1) > 0 ? p->table->costs->copied_page * (double)p->s.c * fmin(bands, rows) : 0;
}

/* Rows j0 .. j1 - 1 of the kernel meet rows of the image for this row of the output; the others meet zeros alone. */
static void taps_inside(const conv2d_plan *p, size_t row, size_t *j0, size_t *j1)
{
    const conv2d_axis *a = &p->s.axis[1];
    size_t first = row * a->stride, end = a->before + a->in;
    *j0 = first < a->before ? size_ceil_div(a->before - first, a->dilation) : 0;
    *j1 = first < end ? size_min(a->kernel, size_ceil_div(end - first, a->dilation)) : 0;
    *j0 = size_min(*j0, *j1);
}

/* Part of the terms that are no zeros beyond the image's rows. */
static double part_inside(const conv2d_plan *p)
{
    const conv2d_axis *a = &p->s.axis[1];
    size_t all = 0, j0, j1;
    for (size_t row = 0; row < a->out; row++) {
        taps_inside(p, row, &j0, &j1);
        all += j1 - j0;
    }
    return (double)all / (double)(a->out * a->kernel);
}

double conv2d_features_ratio(const conv2d_plan *p)
{
    const kernel_costs *costs = p->table->costs;
    const conv2d_axis *a = p->s.axis;
    size_t lanes = p->kernels->lanes, gap = (a[2].kernel - 1) * a[2].dilation / a[2].stride;
    if (p->s.kind != CONV2D_PRODUCT || p->plane_run || p->integer || p->block || p->out_plane < MIN_PIXELS)
        return INFINITY;
    double k = (double)p->k;
    double features =
        (double)(conv2d_vectors(p) * p->out_plane) * (k * part_inside(p) + costs->features_transposed);
    if (conv2d_vectors(p) == 1)
        features *= costs->features_single;
    size_t rows = a[0].out * a[1].out, apart = rows * size_ceil_div(a[2].out, lanes);
    size_t joined = size_ceil_div(rows * (a[2].out + gap), lanes);
    double pixels = (double)(p->s.m * size_min(apart, joined)) * (k + costs->features_straight);
    if (rows > 1)
        pixels *= a[2].out > lanes ? costs->pixels_copied : costs->pixels_narrow;
    features += copy_cost(p, 1) + page_cost(p, CONV2D_BLOCK_TERMS);
    pixels += copy_cost(p, a[2].stride) + page_cost(p, p->k);
    return features / pixels;
}

/* Blocks of terms of a sum, so that the weights of a panel's block and the image that it meets stay in the L2 cache.
   Where a sum has parts, their ends depend on the weights alone. */
static size_t blocks_of(const conv2d_plan *p)
{
    size_t width = p->kernels->spot_vectors * p->kernels->lanes;
    size_t image = p->s.part_terms ? 1 : size_ceil_div(p->s.c * p->channel_floats, IMAGE_FLOATS);
    return size_max(size_max(size_ceil_div(p->k * width, PANEL_FLOATS), size_min(image, p->s.c)),
                    conv2d_parts(p, p->k));
}

bool conv2d_features_no_border(const conv2d_plan *p)
{
    return p->s.axis[2].out >= MIN_PIXELS && !p->s.part_terms && blocks_of(p) <= p->s.c && part_inside(p) < 1;
}

/* Panels whose sums are kept at once: with several blocks all of them, so that each block of the image is read from
   memory once. */
static size_t kept_panels(const conv2d_plan *p)
{
    return blocks_of(p) > 1 ? p->panels : 1;
}

/* Pixels of which sums are kept: with several blocks as many as have room. */
static size_t max_pixels(const conv2d_plan *p)
{
    size_t lanes = p->kernels->lanes, panels = kept_panels(p);
    size_t room = SUM_FLOATS / (panels * p->kernels->spot_vectors * lanes) / lanes * lanes;
    return size_min(blocks_of(p) > 1 ? size_max(room, lanes) : PIXELS, p->rows * p->columns);
}

size_t conv2d_features_channels(const conv2d_plan *p)
{
    size_t terms = size_ceil_div(p->k, blocks_of(p));
    return size_min(p->s.c, (terms - 1) / p->taps + 2); /* a block begins and ends within a channel */
}

/* Floats of the sums of a panel. */
static size_t panel_floats(const conv2d_plan *p)
{
    size_t lanes = p->kernels->lanes;
    return size_ceil_div(max_pixels(p), lanes) * lanes * p->kernels->spot_vectors * lanes;
}

size_t conv2d_features_floats(const conv2d_plan *p)
{
    return panel_floats(p) * kept_panels(p);
}

/* Adds a partial sum, n floats of a tile. */
static void add_part(const float *part, size_t n, float *sums)
{
    for (size_t i = 0; i < n; i++)
        sums[i] += part[i];
}

/* A block of terms, k0 .. k0 + k - 1, of the item. */
typedef struct term_block {
    size_t k0, k;
    const float *image;    /* the first pixel of the item in the first channel of the block */
    const int32_t *offset; /* (k) from there */
    bool last;
    bool no_border; /* the block is of entire channels; their taps beyond the image's rows are left out */
} term_block;

/* The block's terms of the features of a panel for n pixels in rows that reach the taps j0 .. j1 - 1 of the kernel's
   rows. x: (n) pointers to the first elements of their windows; w: (all terms, width); sums: (n, width). */
static void sum_rows(const conv2d_plan *p, const term_block *b, size_t j0, size_t j1, size_t n,
                     const float *const *x, const float *w, size_t width, float *sums)
{
    const conv2d_kernels *t = p->kernels;
    size_t tiles = size_ceil_div(n, t->spots), row = p->s.axis[2].kernel, taps = p->s.axis[1].kernel * row;
    conv2d_terms terms = {1, b->k, 0, w + b->k0 * width, b->offset};
    float part[MAX_TILE_FLOATS];
    bool apart = p->s.part_terms && b->k0;
    SIB_ASSERT(t->spots * width <= MAX_TILE_FLOATS);
    if ((j1 - j0) * row < taps)
        terms = (conv2d_terms){b->k / taps, (j1 - j0) * row, taps, terms.w + j0 * row * width,
                               b->offset + j0 * row};
    for (size_t tile = 0; tile < tiles; tile++) {
        size_t i0 = conv2d_cut(n, tiles, tile), i1 = conv2d_cut(n, tiles, tile + 1);
        float *at = sums + i0 * width;
        t->spot(i1 - i0, width / t->lanes, &terms, x + i0, b->k0 && !apart, apart ? part : at);
        if (apart)
            add_part(part, (i1 - i0) * width, at);
    }
}

/* The same for all n pixels from `pixel` of the item on, in any rows. Those that need all weights come first: these are
   read from memory in order. */
static void sum_block(const conv2d_plan *p, const term_block *b, const conv2d_item *item, size_t pixel,
                      size_t n, const float *const *x, const float *w, size_t width, float *sums)
{
    size_t kernel = p->s.axis[1].kernel, j0, j1, next0, next1, count;
    if (!b->no_border)
        sum_rows(p, b, 0, kernel, n, x, w, width, sums);
    for (int border = 0; border < 2 && b->no_border; border++)
        for (size_t i = 0; i < n; i += count) {
            size_t row = (pixel + i) / item->columns, end = row;
            taps_inside(p, item->row0 + row, &j0, &j1);
            do
                taps_inside(p, item->row0 + ++end, &next0, &next1);
            while (end < item->rows && next0 == j0 && next1 == j1);
            count = size_min(n - i, end * item->columns - pixel - i);
            if ((j1 - j0 < kernel) == border)
                sum_rows(p, b, j0, j1, count, x + i, w, width, sums + i * width);
        }
}

/* One block of terms for n <= PIXELS pixels from `pixel` on, those from number `kept` on of which sums are kept, and all
   panels of the item; the last block stores them. */
static void run_block(const conv2d_features *o, const term_block *b, size_t pixel, size_t n, size_t kept)
{
    const conv2d_plan *p = o->p;
    const float *x[PIXELS];
    size_t lanes = p->kernels->lanes, apart = kept_panels(p) > 1 ? panel_floats(p) : 0;
    size_t columns = o->at->columns, column_step = p->s.axis[2].stride / p->step[2];
    for (size_t i = 0; i < n; i++)
        x[i] = b->image + (pixel + i) / columns * p->row_step + (pixel + i) % columns * column_step;
    for (size_t panel = o->at->panel0; panel < o->at->panel1; panel++) {
        size_t m0 = conv2d_panel_row(p, panel), m = conv2d_panel_row(p, panel + 1) - m0;
        size_t width = size_ceil_div(m, lanes) * lanes;
        float *sums = o->sums + (panel - o->at->panel0) * apart + kept * width;
        sum_block(p, b, o->at, pixel, n, x, o->w + m0 * p->k, width, sums);
        conv2d_feature_sums sums_of_features = {.sums = sums,
                                                .width = width,
                                                .bias = o->bias ? o->bias + m0 : NULL,
                                                .low = o->low,
                                                .high = o->high,
                                                .y = o->y + m0 * o->y_plane + pixel,
                                                .ldy = o->y_plane};
        if (b->last)
            p->kernels->store_features(&sums_of_features, n, m);
    }
}

void conv2d_features_run(const conv2d_features *o)
{
    const conv2d_plan *p = o->p;
    size_t all = o->at->rows * o->at->columns, max = max_pixels(p), blocks = blocks_of(p);
    for (size_t begin = 0; begin < all; begin += max)
        for (size_t block = 0; block < blocks; block++) {
            size_t unit = p->no_border ? p->taps : 1, n = size_min(max, all - begin);
            size_t k0 = conv2d_cut(p->k / unit, blocks, block) * unit;
            size_t end = conv2d_cut(p->k / unit, blocks, block + 1) * unit, c0 = k0 / p->taps;
            term_block b = {k0,          end - k0, o->image, p->offset + k0 % p->taps, block + 1 == blocks,
                            o->no_border};
            if (p->direct)
                b.image += c0 * p->in_plane;
            else if (blocks > 1 || !begin)
                conv2d_fill(o->call, o->at, o->x, c0, size_ceil_div(end, p->taps), o->scratch);
            for (size_t i = 0; i < n; i += PIXELS)
                run_block(o, &b, begin + i, size_min(PIXELS, n - i), i);
        }
}
