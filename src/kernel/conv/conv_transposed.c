#include "kernel/conv/conv_transposed.h"

#include "base/assert.h"
#include "base/cancel.h"
#include "base/size.h"
#include "kernel/gemm/gemm.h"

#include <math.h>
#include <string.h>

/* Max floats of the products of a block of channels with a slab, which stay in the L2 cache. */
#define PRODUCT_FLOATS ((size_t)96 * 1024)
/* Min rows of the product of a block, so that tiles are full. */
#define PRODUCT_ROWS 48
/* A band is at least this many times as large as its overlap with neighbours, which is read twice. */
#define BAND_OVERLAPS 8

/* Rows of the image that have fewer elements are transposed together. */
#define SHORT_ROW 64

/* ---- Planning ------------------------------------------------------------------------------------------ */

/* Where a tap of the last axis adds to a row of the output: elements skip .. skip + n - 1 of a row of the
   image, to the phases from sums on. */
typedef struct tap_run {
    size_t skip, n, sums;
} tap_run;

static size_t rounded(size_t n, size_t by)
{
    return (n + by - 1) / by * by;
}

/* Places of the image along the band axis that outputs from .. until - 1 read: p * stride + reach - before,
   reach in 0 .. (kernel - 1) dilation. */
static size_t taken_by(const conv2d_axis *a, size_t from, size_t until, size_t *first)
{
    size_t reach = (a->kernel - 1) * a->dilation, low = from + a->before;
    size_t end = size_min(a->in, (until - 1 + a->before) / a->stride + 1);
    *first = size_min(end, low > reach ? size_ceil_div(low - reach, a->stride) : 0);
    return end - *first;
}

static size_t inner(const conv_transposed *t, size_t axis, bool of_output)
{
    size_t n = 1;
    for (size_t i = axis + 1; i < CONV2D_AXES; i++)
        n *= of_output ? t->axis[i].out : t->axis[i].in;
    return n;
}

/* Outputs of a band along the band axis: few enough to keep the products of few channels in the cache. */
static size_t choose_band(const conv_transposed *t)
{
    const conv2d_axis *a = &t->axis[t->band_axis];
    size_t around = (a->kernel - 1) * a->dilation / a->stride; /* read by two bands */
    size_t rows = PRODUCT_FLOATS / (size_min(t->m * t->taps, PRODUCT_ROWS) * t->inner_in);
    if (rows < BAND_OVERLAPS * around)
        rows = BAND_OVERLAPS * around;
    rows = rows > around ? rows - around : 1;
    return t->band_axis == CONV2D_AXES - 1 ? a->out : size_min(a->out, rows * a->stride);
}

/* The product of a block's taps, `rows` rows, with n elements of the image; the caller sets its pointers. */
static gemm product_of(const conv_transposed *t, size_t rows, size_t n)
{
    return (gemm){.m = rows,
                  .n = n,
                  .k = t->c,
                  .a_row = t->c,
                  .a_column = 1,
                  .b_row = t->in_plane,
                  .b_column = 1,
                  .c_row = n,
                  .alpha = 1};
}

/* Max elements of the image that a band reads. */
static size_t largest_slab(const conv_transposed *t)
{
    const conv2d_axis *a = &t->axis[t->band_axis];
    size_t max = 1, first;
    for (size_t from = 0; from < a->out; from += t->band)
        max = size_max(max, taken_by(a, from, size_min(a->out, from + t->band), &first));
    return max * t->inner_in;
}

/* Floats of scratch for any product of a run: a smaller one may need more. */
static size_t product_scratch(const conv_transposed *t)
{
    const conv2d_axis *a = &t->axis[t->band_axis];
    size_t max = 0, first, last = t->m - (t->blocks - 1) * t->features;
    for (size_t from = 0; from < a->out; from += t->band) {
        size_t n = taken_by(a, from, size_min(a->out, from + t->band), &first) * t->inner_in;
        gemm full = product_of(t, t->features * t->taps, n), rest = product_of(t, last * t->taps, n);
        max = size_max(max, size_max(gemm_scratch(&full), gemm_scratch(&rest)));
    }
    return rounded(max, 16);
}

bool conv_transposed_make(conv_transposed *t, unsigned threads)
{
    size_t bytes = sizeof(float);
    t->taps = t->in_plane = t->out_plane = 1;
    t->apart = true;
    t->band_axis = CONV2D_AXES - 1;
    for (size_t i = CONV2D_AXES; i-- > 0;) {
        const conv2d_axis *a = &t->axis[i];
        if (!size_mul(t->taps, a->kernel, &t->taps) || !size_mul(t->in_plane, a->in, &t->in_plane) ||
            !size_mul(t->out_plane, a->out, &t->out_plane))
            return false;
        if (a->in > 1 || a->out > 1 || a->kernel > 1)
            t->band_axis = i;
        t->apart &= a->kernel == a->stride && (a->dilation == 1 || a->kernel == 1) && !a->before &&
                    a->out == a->in * a->stride;
    }
    if (!size_mul(bytes, t->taps, &bytes) || !size_mul(bytes, t->groups, &bytes) ||
        !size_mul(bytes, t->c, &bytes) || !size_mul(bytes, t->m, &bytes))
        return false;
    t->inner_in = inner(t, t->band_axis, false);
    t->inner_out = inner(t, t->band_axis, true);
    t->band = choose_band(t);
    t->bands = size_ceil_div(t->axis[t->band_axis].out, t->band);
    t->slab = largest_slab(t);
    SIB_ASSERT(t->taps * t->slab > 0); /* no size of an axis is 0 */
    /* enough channels for full tiles, at most what the cache holds and what leaves work for every thread */
    size_t max = PRODUCT_FLOATS / (t->taps * t->slab), few = size_ceil_div(PRODUCT_ROWS, t->taps);
    double work = (double)t->batch * (double)t->groups * (double)t->c * (double)t->m * (double)t->taps *
                  (double)t->in_plane;
    t->workers = work > CONV2D_ALONE_WORK && threads > 1 ? threads : 1;
    const size_t items = t->batch * t->groups * t->bands;
    SIB_ASSERT(items > 0);
    const size_t share = t->workers > items ? t->workers / items : 1;
    t->features = size_max(max, few);
    t->features = size_min(t->features, size_ceil_div(t->m, share));
    t->blocks = size_ceil_div(t->m, t->features);
    const conv2d_axis *row = &t->axis[CONV2D_AXES - 1];
    t->short_rows = t->apart && row->in < SHORT_ROW && row->in < t->slab && row->stride > 1;
    t->phase_floats = rounded(t->short_rows ? t->slab : row->out / row->stride + 1, 16);
    size_t products;
    return size_mul(t->features * t->taps, t->slab, &products) &&
           size_add(rounded(products, 16), row->stride * t->phase_floats, &t->work_floats) &&
           size_add(t->work_floats, rounded(row->kernel * sizeof(tap_run) / sizeof(float), 16),
                    &t->work_floats) &&
           size_add(t->work_floats, product_scratch(t), &t->work_floats) &&
           size_mul(t->work_floats, t->workers * sizeof(float), &bytes);
}

/* ---- Weights ------------------------------------------------------------------------------------------- */

size_t conv_transposed_packed_floats(const conv_transposed *t)
{
    return t->groups * t->c * t->m * t->taps;
}

void conv_transposed_pack(const conv_transposed *t, const float *w, float *packed, bool *odd)
{
    size_t rows = t->m * t->taps;
    *odd = false;
    for (size_t i = 0; i < t->groups * t->c * rows; i++)
        *odd |= !isfinite(w[i]);
    for (size_t g = 0; g < t->groups; g++)
        kernel_table_get()->layout.transpose[2](
            (const char *)(w + g * t->c * rows), (ptrdiff_t)(rows * sizeof(float)),
            (char *)(packed + g * t->c * rows), (ptrdiff_t)(t->c * sizeof(float)), t->c, rows);
}

/* ---- Sums ---------------------------------------------------------------------------------------------- */

/* One item of the work. */
typedef struct part {
    const conv_transposed *t;
    const conv_transposed_call *call;
    const kernel_table *kernels;
    size_t n, g, first, count; /* channels of the group */
    size_t from, until;        /* outputs along the band axis */
    size_t slab_from, slab_n;  /* elements of a channel of the image, relative to the channel */
    const float *products;     /* (count, taps, slab_n) */
    float *phases;             /* (stride, phase_floats) */
    tap_run *runs;             /* (kernel of the last axis) */
} part;

/* The element that tap k of an axis reads for output q; returns false where there is none. */
static bool taken_from(const conv2d_axis *a, size_t k, size_t q, size_t *p)
{
    size_t at = q + a->before, reach = k * a->dilation;
    if (at < reach || (at - reach) % a->stride)
        return false;
    *p = (at - reach) / a->stride;
    return *p < a->in;
}

/* The first tap of an axis that may read an element for output q, and the distance of those that follow. */
static size_t first_tap(const conv2d_axis *a, size_t q, size_t *step)
{
    *step = a->dilation == 1 ? a->stride : 1;
    return a->dilation == 1 ? (q + a->before) % a->stride : 0;
}

static void make_runs(const conv_transposed *t, tap_run *runs)
{
    const conv2d_axis *a = &t->axis[CONV2D_AXES - 1];
    for (size_t k = 0; k < a->kernel; k++) {
        /* element p goes to output p * stride + at - before, so to position p + shift of phase */
        size_t at = k * a->dilation, back = a->before > at ? a->before - at : 0;
        size_t skip = (back + a->stride - 1) / a->stride; /* elements that map before the first output */
        size_t first = skip * a->stride + at - a->before; /* output of the first element after those */
        runs[k] = (tap_run){.skip = skip};
        if (first < a->out && skip < a->in)
            runs[k] = (tap_run){skip, size_min(a->in - skip, (a->out - first - 1) / a->stride + 1),
                                first % a->stride * t->phase_floats + first / a->stride};
    }
}

/* Adds the contributions of a row of the image through the taps of the last axis. products: (kernel, slab_n),
   from that row on. */
static void add_row(const part *w, const float *products)
{
    chain_function add = w->kernels->chain.op[CHAIN_add][CHAIN_F32];
    size_t kernel = w->t->axis[CONV2D_AXES - 1].kernel;
    for (size_t k = 0; k < kernel; k++) {
        const tap_run *r = &w->runs[k];
        float *sums = w->phases + r->sums;
        if (r->n)
            add(sums, products + k * w->slab_n + r->skip, NULL, sums, r->n);
    }
}

/* Computes one row of the output. y: (out of the last axis); at: position along the axes before. */
static void make_row(const part *w, size_t channel, const size_t *at, float *y)
{
    const conv_transposed *t = w->t;
    const conv2d_axis *a = t->axis, *row = &t->axis[CONV2D_AXES - 1];
    const float *bias = w->call->bias;
    float start = bias ? bias[w->g * t->m + channel] : 0;
    for (size_t i = 0; i < row->stride * t->phase_floats; i++)
        w->phases[i] = start;
    size_t step0, step1, first0 = first_tap(&a[0], at[0], &step0), first1 = first_tap(&a[1], at[1], &step1);
    for (size_t k0 = first0; k0 < a[0].kernel; k0 += step0)
        for (size_t k1 = first1; k1 < a[1].kernel; k1 += step1) {
            size_t p0, p1;
            if (!taken_from(&a[0], k0, at[0], &p0) || !taken_from(&a[1], k1, at[1], &p1))
                continue;
            size_t element = (p0 * a[1].in + p1) * row->in - w->slab_from;
            size_t tap = (k0 * a[1].kernel + k1) * row->kernel;
            add_row(w, w->products + ((channel - w->first) * t->taps + tap) * w->slab_n + element);
        }
    if (row->stride == 1) {
        memcpy(y, w->phases, row->out * sizeof *y);
        return;
    }
    size_t whole = row->out / row->stride;
    w->kernels->layout.transpose[2]((const char *)w->phases, (ptrdiff_t)(t->phase_floats * sizeof *y),
                                    (char *)y, (ptrdiff_t)(row->stride * sizeof *y), row->stride, whole);
    for (size_t f = 0; f < row->out % row->stride; f++)
        y[whole * row->stride + f] = w->phases[f * t->phase_floats + whole];
}

/* The same without a bias where windows do not overlap: a row of the output is one row of the image through
   the taps of the last axis, side by side. */
static void copy_row_apart(const part *w, size_t channel, const size_t *at, float *y)
{
    const conv_transposed *t = w->t;
    const conv2d_axis *a = t->axis, *row = &t->axis[CONV2D_AXES - 1];
    size_t element = (at[0] / a[0].stride * a[1].in + at[1] / a[1].stride) * row->in - w->slab_from;
    size_t tap = (at[0] % a[0].stride * a[1].kernel + at[1] % a[1].stride) * row->kernel;
    SIB_ASSERT(w->products);
    const float *from = w->products + ((channel - w->first) * t->taps + tap) * w->slab_n + element;
    if (row->stride == 1)
        memcpy(y, from, row->out * sizeof *y);
    else
        w->kernels->layout.transpose[2]((const char *)from, (ptrdiff_t)(w->slab_n * sizeof *y), (char *)y,
                                        (ptrdiff_t)(row->stride * sizeof *y), row->stride, row->in);
}

/* The same for all rows of a channel's band, where they are short: those of a tap row are transposed at once. plane:
   of that channel. */
static void copy_rows_apart(const part *w, size_t channel, float *plane)
{
    const conv_transposed *t = w->t;
    const conv2d_axis *a = t->axis, *row = &t->axis[CONV2D_AXES - 1];
    size_t first = w->slab_from / row->in, rows = w->slab_n / row->in;
    for (size_t tap = 0; tap < a[0].kernel * a[1].kernel; tap++) {
        const float *from = w->products + ((channel - w->first) * t->taps + tap * row->kernel) * w->slab_n;
        w->kernels->layout.transpose[2]((const char *)from, (ptrdiff_t)(w->slab_n * sizeof *from),
                                        (char *)w->phases, (ptrdiff_t)(row->stride * sizeof *from),
                                        row->stride, w->slab_n);
        for (size_t r = first; r < first + rows; r++) {
            size_t p0 = r / a[1].in * a[0].stride + tap / a[1].kernel;
            size_t p1 = r % a[1].in * a[1].stride + tap % a[1].kernel;
            memcpy(plane + (p0 * a[1].out + p1) * row->out, w->phases + (r - first) * row->out,
                   row->out * sizeof *plane);
        }
    }
}

/* Odd weights give NaN where they meet a zero between or around the elements. y: rows from..until of one
   channel. packed: (taps, c) of that channel. */
static void meet_zeros(const part *w, const size_t *at, const float *packed, float *y)
{
    const conv_transposed *t = w->t;
    const conv2d_axis *a = t->axis;
    for (size_t tap = 0; tap < t->taps; tap++) {
        bool odd = false;
        for (size_t c = 0; c < t->c; c++)
            odd |= !isfinite(packed[tap * t->c + c]);
        size_t p, k2 = tap % a[2].kernel, k1 = tap / a[2].kernel % a[1].kernel,
                  k0 = tap / a[2].kernel / a[1].kernel;
        bool outer = taken_from(&a[0], k0, at[0], &p) && taken_from(&a[1], k1, at[1], &p);
        for (size_t q = 0; q < a[2].out && odd; q++)
            if (!outer || !taken_from(&a[2], k2, q, &p))
                y[q] = NAN;
    }
}

static void add_up(const part *w, const float *packed)
{
    const conv_transposed *t = w->t;
    const conv2d_axis *a = t->axis;
    size_t row = a[CONV2D_AXES - 1].out, rows_of_place = t->inner_out / row;
    for (size_t channel = w->first; channel < w->first + w->count; channel++) {
        size_t plane = ((w->n * t->groups + w->g) * t->m + channel) * t->out_plane;
        size_t begin = plane + w->from * t->inner_out, rows = (w->until - w->from) * rows_of_place;
        if (t->band_axis == CONV2D_AXES - 1) {
            begin = plane;
            rows = 1;
        }
        if (t->short_rows)
            copy_rows_apart(w, channel, w->call->y + plane);
        for (size_t r = 0; r < rows; r++) {
            size_t from_top = (begin - plane) / row + r, at[2] = {from_top / a[1].out, from_top % a[1].out};
            float *y = w->call->y + begin + r * row;
            if (!t->apart)
                make_row(w, channel, at, y);
            else if (!t->short_rows)
                copy_row_apart(w, channel, at, y);
            if (t->odd_weights)
                meet_zeros(w, at, packed + channel * t->taps * t->c, y);
        }
        static const float centre[2] = {0, 0};
        if (t->apart && w->call->bias)
            w->kernels->rows.shift_scale(w->call->y + begin, rows * row, centre, 1,
                                         w->call->bias[w->g * t->m + channel], w->call->y + begin);
        if (w->call->finish)
            w->call->finish(w->call->context, begin, rows * row);
    }
}

/* ---- Running ------------------------------------------------------------------------------------------- */

static void run_item(const conv_transposed_call *call, size_t item, float *scratch)
{
    const conv_transposed *t = call->t;
    const conv2d_axis *a = &t->axis[t->band_axis];
    part w = {.t = t, .call = call, .kernels = kernel_table_get()};
    size_t block = item % t->blocks, band = item / t->blocks % t->bands, image = item / t->blocks / t->bands;
    w.g = image % t->groups;
    w.n = image / t->groups;
    w.first = block * t->features;
    w.count = size_min(t->features, t->m - w.first);
    w.from = band * t->band;
    w.until = size_min(a->out, w.from + t->band);
    size_t first;
    w.slab_n = taken_by(a, w.from, w.until, &first) * t->inner_in;
    w.slab_from = first * t->inner_in;
    w.products = scratch;
    w.phases = scratch + rounded(t->features * t->taps * t->slab, 16);
    const conv2d_axis *row = &t->axis[CONV2D_AXES - 1];
    w.runs = (tap_run *)(void *)(w.phases + row->stride * t->phase_floats);
    make_runs(t, w.runs);
    const float *packed = call->w + w.g * t->m * t->taps * t->c;
    gemm product = product_of(t, w.count * t->taps, w.slab_n);
    product.a = packed + w.first * t->taps * t->c;
    product.b = call->x + (w.n * t->groups + w.g) * t->c * t->in_plane + w.slab_from;
    product.c = scratch;
    product.cancel = call->cancel;
    if (w.slab_n)
        gemm_run(&product,
                 (float *)(void *)w.runs + rounded(row->kernel * sizeof(tap_run) / sizeof(float), 16));
    add_up(&w, packed);
}

static void run_items(void *context, size_t begin, size_t count, unsigned worker)
{
    const conv_transposed_call *call = context;
    for (size_t i = begin; i < begin + count && !cancel_is_set(call->cancel); i++)
        run_item(call, i, call->scratch + worker * call->t->work_floats);
}

void conv_transposed_run(const conv_transposed_call *call, sib_pool *pool)
{
    const conv_transposed *t = call->t;
    size_t items = t->batch * t->groups * t->bands * t->blocks;
    if (t->workers == 1) {
        run_items((void *)call, 0, items, 0);
        return;
    }
    pool_run(pool, items, size_max(1, items / (4 * t->workers)), run_items, (void *)call);
}
