/* Convolutions with a few pixels and many features: vectors run along the features, and the weights are read
   once, in order. The kernels take pixels as rows of weights, and weights as the image. */
#include "base/alloc.h"
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

#include <math.h>
#include <string.h>

/* Terms of a block of features that all panels process before the next: its weights stay in the L1 cache. */
#define TERMS 128
/* Max panels; a panel has at most mr pixels. */
#define MAX_PANELS 8

double conv2d_few_ratio(const conv2d_plan *p)
{
    size_t lanes = p->kernels->lanes, n = p->out_plane;
    if (p->s.kind != CONV2D_PRODUCT || p->s.x != SIB_F32 || p->s.y != SIB_F32 || p->plane_run || p->block ||
        n > MAX_PANELS * p->kernels->mr)
        return INFINITY;
    /* in half cycles per term: products either way, weights from the L2 cache, elements gathered one by
       one */
    const kernel_costs *costs = p->table->costs;
    double few = (double)size_ceil_div(p->s.m, lanes) * fmax((double)n, costs->few_least) +
                 costs->few_gathered * (double)n;
    return few / (double)(p->s.m * size_ceil_div(n, lanes));
}

/* Offset of element `tap` of the window of pixel `pixel` in a channel of x, or -1. */
static int32_t source_of(const conv2d_plan *p, size_t tap, size_t pixel)
{
    size_t at = 0, scale = 1;
    for (int i = CONV2D_AXES - 1; i >= 0; i--) {
        const conv2d_axis *a = &p->s.axis[i];
        size_t place = pixel % a->out * a->stride + tap % a->kernel * a->dilation;
        if (place < a->before || place - a->before >= a->in)
            return -1;
        at += (place - a->before) * scale;
        scale *= a->in;
        pixel /= a->out;
        tap /= a->kernel;
    }
    return (int32_t)at;
}

sib_code conv2d_few_make(conv2d_plan *p, unsigned threads, sib_error *err)
{
    size_t n = p->out_plane, panels = size_ceil_div(n, p->kernels->mr), count, reach;
    p->pixels = size_ceil_div(n, panels);
    p->few_width = p->kernels->vectors[p->pixels - 1] * p->kernels->lanes;
    if (!size_mul(n, p->taps, &count) || p->in_plane > INT32_MAX || !size_mul(p->k, p->few_width, &reach) ||
        reach > INT32_MAX)
        return err_set(err, SIB_ERR_SIZE, "a convolution's image is larger than offsets can reach");
    /* each block of features gathers the pixels again */
    size_t items = p->s.batch * p->s.groups, widths = size_ceil_div(p->s.m, p->few_width);
    size_t wanted = p->work > CONV2D_ALONE_WORK ? threads : 1;
    p->m_blocks = items < wanted ? size_min(widths, size_ceil_div(wanted, items)) : 1;
    p->items = items * p->m_blocks;
    p->source = mem_alloc(count, sizeof *p->source);
    p->offset = mem_alloc(p->k, sizeof *p->offset);
    if (!p->source || !p->offset)
        return err_memory(err, (count + p->k) * sizeof *p->offset, "a convolution's offsets");
    for (size_t tap = 0; tap < p->taps; tap++)
        for (size_t j = 0; j < n; j++)
            p->source[tap * n + j] = source_of(p, tap, j);
    for (size_t k = 0; k < p->k; k++)
        p->offset[k] = (int32_t)(k * p->few_width);
    size_t image = (p->k * n + 31) / 16 * 16, sums = n * p->few_width;
    p->image_floats = image;
    p->scratch_floats = image + sums;
    return SIB_OK;
}

/* Columns of x for pixels j0 .. j0 + n - 1: (k, n). */
static void gather(const conv2d_plan *p, const float *x, size_t j0, size_t n, float *dst)
{
    for (size_t c = 0; c < p->s.c; c++, x += p->in_plane) {
        const int32_t *source = p->source + j0;
        for (size_t tap = 0; tap < p->taps; tap++, source += p->out_plane)
            for (size_t j = 0; j < n; j++)
                *dst++ = source[j] >= 0 ? x[source[j]] : 0.0f;
    }
}

void conv2d_few_run(const conv2d_call *call, size_t index, float *scratch)
{
    const conv2d_plan *p = call->plan;
    size_t item = index / p->m_blocks, block = index % p->m_blocks, end = conv2d_few_feature(p, block + 1);
    size_t group = item % p->s.groups, m = p->s.m, all = p->out_plane;
    const float *x = (const float *)call->x + item * p->s.c * p->in_plane;
    const float *bias = call->bias ? call->bias + group * m : NULL;
    const float *w = call->w + group * conv2d_few_floats(p);
    float *y = (float *)call->y + item * m * all, *sums = scratch + p->image_floats;
    for (size_t j0 = 0; j0 < all; j0 += p->pixels)
        gather(p, x, j0, size_min(p->pixels, all - j0), scratch + j0 * p->k);
    for (size_t m0 = conv2d_few_feature(p, block); m0 < end; m0 += p->few_width) {
        size_t width = size_min(p->few_width, m - m0);
        for (size_t k0 = 0; k0 < p->k; k0 += size_min(TERMS, p->k - k0))
            for (size_t j0 = 0; j0 < all; j0 += p->pixels) {
                size_t n = size_min(p->pixels, all - j0);
                p->kernels->panel(n, width, size_min(TERMS, p->k - k0), scratch + j0 * p->k + k0 * n,
                                  w + m0 * p->k, p->offset + k0, NULL, k0 > 0, sums + j0 * p->few_width,
                                  p->few_width);
            }
        for (size_t i = 0; i < width; i++)
            for (size_t j = 0; j < all; j++)
                y[(m0 + i) * all + j] =
                    bias ? sums[j * p->few_width + i] + bias[m0 + i] : sums[j * p->few_width + i];
    }
}
