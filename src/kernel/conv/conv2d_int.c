/* The plan of a convolution of bytes, and its weights; see conv2d_int.h. */
#include "kernel/conv/conv2d_int.h"

#include "base/alloc.h"
#include "base/size.h"

#include <string.h>

#define BAND_BYTES  32768 /* of lines and sums, which then stay in the L1 cache */
#define MIN_COLUMNS 64    /* pixels of a band */
#define MIN_PIXELS  16    /* of a plane; with fewer, floats with features in the lanes are used */
#define JOIN_COST   8     /* of a vector of a line, in products of a vector */
#define LINE_BYTES  64    /* of the cache */
#define THREADS_MIN 4     /* times CONV2D_ALONE_WORK */

static size_t round_to_lines(size_t bytes)
{
    return size_ceil_div(bytes, LINE_BYTES) * LINE_BYTES;
}

/* Rounds up to an odd number of cache lines: rows at such a distance do not map to the same sets of the L1
   cache. */
static size_t odd_lines(size_t bytes)
{
    return (size_ceil_div(bytes, LINE_BYTES) | 1) * LINE_BYTES;
}

/* ---- Shapes -------------------------------------------------------------------------------------------- */

/* Rows, or columns, of a phase that `out` rows of windows read. */
static size_t reach(const conv2d_axis *a, size_t out)
{
    return out + (a->kernel - 1) * a->dilation / a->stride;
}

/* Whether windows read only the image, and neighbours are adjacent. */
static bool is_direct(const conv2d_shape *s)
{
    for (int i = 0; i < CONV2D_AXES; i++) {
        const conv2d_axis *a = &s->axis[i];
        if (a->before || (a->out - 1) * a->stride + (a->kernel - 1) * a->dilation >= a->in)
            return false;
    }
    return s->axis[2].stride == 1 || s->axis[2].out == 1;
}

static bool pays(const conv2d_plan *p)
{
    return p->s.kind == CONV2D_PRODUCT && (p->s.x == SIB_U8 || p->s.x == SIB_I8) &&
           p->out_plane >= MIN_PIXELS && p->k < INT32_MAX / 4096;
}

/* Finds the kernel of single planes for the shape, if any. */
static void choose_plane(conv2d_int *i, const conv2d_plan *p)
{
    const conv2d_axis *a = p->s.axis, *h = &a[1], *w = &a[2];
    const bytes_kernels *t = i->tiles;
    if (p->s.c != 1 || p->s.m != 1 || a[0].in != 1 || a[0].out != 1 || a[0].kernel != 1 || h->dilation != 1 ||
        w->dilation != 1 || h->kernel != w->kernel || h->stride != w->stride || w->out < t->lanes)
        return;
    for (size_t at = 0; at < t->n_planes; at++)
        if (t->planes[at].size == w->kernel && t->planes[at].stride == w->stride)
            i->plane = t->planes[at].run;
}

/* Chooses between lines by terms and by taps of a row of the kernel. */
static void choose_lines(conv2d_int *i, const conv2d_plan *p)
{
    const conv2d_axis *a = p->s.axis, *h = &a[1];
    size_t group = i->tiles->group, rows = p->k / a[2].kernel;
    size_t by_terms = size_ceil_div(p->k, group), taps = size_ceil_div(a[2].kernel, group);
    size_t lines = rows / h->kernel * i->phases[1] * taps, min = size_min(h->out, 8);
    double terms = (double)by_terms * (JOIN_COST + (double)p->s.m);
    double shared = (double)lines * JOIN_COST * (double)reach(h, min) / (double)min +
                    (double)rows * (double)taps * (double)p->s.m;
    bool by_rows = i->plane || (h->kernel > 1 && shared < terms);
    i->run = by_rows ? a[2].kernel : p->k;
    i->groups = by_rows ? rows * taps : by_terms;
    i->lines = by_rows ? lines : by_terms;
}

static bool by_rows(const conv2d_int *i, const conv2d_plan *p)
{
    return i->run != p->k;
}

static void choose_bands(conv2d_int *i, const conv2d_plan *p, bool shared, unsigned threads)
{
    const conv2d_axis *a = p->s.axis;
    const bytes_kernels *t = i->tiles;
    size_t images = p->s.batch * p->s.groups * a[0].out, plane = a[1].out * a[2].out;
    size_t pixel = (i->plane ? 1 : i->lines * t->group) + size_min(p->s.m, t->mr) * sizeof(int32_t);
    size_t max = size_max(MIN_COLUMNS, BAND_BYTES / pixel);
    if (shared)
        max = size_max(t->lanes, size_min(max, plane * images / (2 * (size_t)threads)));
    i->rows = size_min(a[1].out, size_max(1, max / a[2].out));
    i->row_bands = size_ceil_div(a[1].out, i->rows);
    i->rows = size_ceil_div(a[1].out, i->row_bands);
    i->columns = a[2].out;
    if (a[2].out > max && !i->plane) {
        size_t bands = size_ceil_div(a[2].out, max), step = 2 * t->lanes;
        i->columns = size_min(a[2].out, size_ceil_div(size_ceil_div(a[2].out, bands), step) * step);
    }
    i->column_bands = size_ceil_div(a[2].out, i->columns);
    i->items = images * i->row_bands * i->column_bands;
}

/* Returns false where the image is too large for 32-bit offsets. */
static bool choose_layout(conv2d_int *i, const conv2d_plan *p)
{
    const conv2d_axis *a = p->s.axis;
    size_t features = p->s.groups * p->s.m, group = i->tiles->group, image, lines, sums;
    i->pitch = i->direct ? a[1].stride * a[2].in : reach(&a[2], i->columns);
    i->phase_rows = reach(&a[1], i->rows);
    i->phase_bytes = i->phase_rows * i->pitch;
    i->channel_bytes = i->direct ? p->in_plane : i->phases[0] * i->phases[1] * i->phases[2] * i->phase_bytes;
    i->line_rows = by_rows(i, p) ? i->phase_rows : i->rows;
    i->line_bytes = odd_lines(i->line_rows * i->columns * group);
    i->sum_row = odd_lines((i->rows * i->columns + BYTES_SLACK) * sizeof(int32_t)) / sizeof(int32_t);
    if (!size_mul(i->channel_bytes, p->s.c, &image) || image > INT32_MAX / 2 ||
        !size_mul(i->line_bytes, i->lines, &lines) || lines > INT32_MAX / 2 ||
        !size_mul(i->sum_row, (i->tiles->mr + 2) * sizeof(int32_t), &sums) || sums > INT32_MAX / 2)
        return false;
    i->image_room = i->direct || i->plane ? 0 : round_to_lines(image + CONV2D_INT_SLACK);
    i->lines_room = i->plane ? 0 : round_to_lines(lines + BYTES_SLACK * group);
    i->scratch_floats = (i->image_room + i->lines_room + round_to_lines(sums)) / sizeof(float);
    i->packed_floats = (round_to_lines((features + 1) * i->groups * group * i->tiles->element) +
                        round_to_lines(8 * features)) /
                       sizeof(float);
    return true;
}

/* ---- Offsets ------------------------------------------------------------------------------------------- */

/* The offset in a channel at which the first pixel of an item meets a tap, whose slice, row and column of the
   image are given. */
static size_t place(const conv2d_int *i, const conv2d_plan *p, size_t slice, size_t row, size_t column)
{
    const conv2d_axis *a = p->s.axis;
    if (i->direct)
        return (slice * a[0].dilation * a[1].in + row) * a[2].in + column;
    size_t phase = (slice * i->phases[1] + row % a[1].stride) * i->phases[2] + column % a[2].stride;
    return phase * i->phase_bytes + row / a[1].stride * i->pitch + column / a[2].stride;
}

/* Groups of terms, each with its own line. */
static void place_terms(conv2d_int *i, const conv2d_plan *p)
{
    const conv2d_axis *a = p->s.axis;
    size_t group = i->tiles->group;
    for (size_t g = 0; g < i->groups; g++) {
        i->at[g] = (int32_t)(g * i->line_bytes);
        for (size_t q = 0; q < group; q++) {
            size_t term = size_min(g * group + q, p->k - 1), tap = term % p->taps;
            size_t row = tap / a[2].kernel % a[1].kernel, slice = tap / (a[1].kernel * a[2].kernel);
            i->from[g * group + q] =
                (int32_t)(term / p->taps * i->channel_bytes +
                          place(i, p, slice, row * a[1].dilation, tap % a[2].kernel * a[2].dilation));
        }
    }
}

/* Groups of a row's taps, and the lines that they share. */
static void place_rows(conv2d_int *i, const conv2d_plan *p)
{
    const conv2d_axis *a = p->s.axis, *h = &a[1];
    size_t group = i->tiles->group, taps = size_ceil_div(a[2].kernel, group), phases = i->phases[1];
    for (size_t line = 0; line < i->lines; line++)
        for (size_t q = 0; q < group; q++) {
            size_t tap = line % taps * group + q, slice = line / taps / phases;
            if (a[2].stride > 1 || a[2].dilation > 1) /* else any neighbours */
                tap = size_min(tap, a[2].kernel - 1);
            i->from[line * group + q] =
                (int32_t)(slice / a[0].kernel * i->channel_bytes +
                          place(i, p, slice % a[0].kernel, line / taps % phases, tap * a[2].dilation));
        }
    for (size_t g = 0; g < i->groups; g++) {
        size_t row = g / taps % h->kernel * h->dilation, slice = g / taps / h->kernel;
        size_t line = (slice * phases + row % h->stride) * taps + g % taps;
        i->at[g] = (int32_t)(line * i->line_bytes + row / h->stride * i->columns * group);
    }
}

sib_code conv2d_int_make(const conv2d_plan *p, unsigned threads, conv2d_int *out, sib_error *err)
{
    const conv2d_axis *a = p->s.axis;
    conv2d_int i = {.tiles = &p->table->bytes, .workers = 1};
    *out = (conv2d_int){0};
    if (!pays(p))
        return SIB_OK;
    bool shared = threads > 1 && p->work > THREADS_MIN * CONV2D_ALONE_WORK;
    i.panels = size_ceil_div(p->s.m, i.tiles->mr);
    i.direct = is_direct(&p->s);
    i.phases[0] = a[0].kernel;
    for (int axis = 1; axis < CONV2D_AXES; axis++)
        i.phases[axis] = a[axis].dilation == 1 ? size_min(a[axis].stride, a[axis].kernel) : a[axis].stride;
    choose_plane(&i, p);
    choose_lines(&i, p);
    choose_bands(&i, p, shared, threads);
    if (!choose_layout(&i, p))
        return SIB_OK;
    if (shared && i.items > 1)
        i.workers = threads;
    size_t count = i.lines * i.tiles->group + i.groups;
    i.from = mem_alloc(count, sizeof *i.from);
    if (!i.from)
        return err_memory(err, count * sizeof *i.from, "a convolution's offsets");
    i.at = i.from + i.lines * i.tiles->group;
    if (by_rows(&i, p))
        place_rows(&i, p);
    else
        place_terms(&i, p);
    *out = i;
    return SIB_OK;
}

void conv2d_int_free(conv2d_int *i)
{
    mem_free(i->from);
    i->from = NULL;
}

/* ---- Weights ------------------------------------------------------------------------------------------- */

conv2d_int_weights conv2d_int_packed(const conv2d_int *i, const conv2d_plan *p, const void *packed)
{
    size_t features = p->s.groups * p->s.m, row = i->groups * i->tiles->group * i->tiles->element;
    const char *a = packed;
    const uint32_t *zeros = (const uint32_t *)(const void *)(a + round_to_lines((features + 1) * row));
    return (conv2d_int_weights){a, a + features * row, zeros, zeros + features};
}

/* Returns what is subtracted from every weight byte of a feature: its zero point, where the results fit the
   packed type, else the middle of the dtype. *zero becomes the rest of the zero point. from: (k). */
static int32_t taken_off(const conv2d_int *i, const conv2d_plan *p, sib_dtype dtype, const uint8_t *from,
                         int32_t *zero)
{
    int32_t middle = dtype == SIB_U8 ? 128 : 0, low = INT32_MAX, high = INT32_MIN;
    for (size_t t = 0; t < p->k; t++) {
        int32_t w = dtype == SIB_U8 ? from[t] : (int8_t)from[t];
        low = w < low ? w : low;
        high = w > high ? w : high;
    }
    int32_t off = i->tiles->element > 1 || (low - *zero >= -128 && high - *zero <= 127) ? *zero : middle;
    *zero -= off;
    return off;
}

/* One weight of a tile. */
static void put(const conv2d_int *i, char *dst, size_t at, int32_t value)
{
    if (i->tiles->element == 1)
        dst[at] = (char)value;
    else
        ((int16_t *)(void *)dst)[at] = (int16_t)value;
}

/* Packs feature `row` of the `rows` of a panel. less: subtracted from every weight; from: (k), or NULL for
   ones. Returns the sum of the packed weights. */
static int32_t pack_feature(const conv2d_int *i, const conv2d_plan *p, const uint8_t *from, bool is_signed,
                            int32_t less, size_t row, size_t rows, char *dst)
{
    size_t group = i->tiles->group, of_run = size_ceil_div(i->run, group);
    uint32_t sum = 0;
    for (size_t g = 0; g < i->groups; g++)
        for (size_t q = 0; q < group; q++) {
            size_t tap = g % of_run * group + q, term = g / of_run * i->run + tap;
            int32_t value = 0;
            if (tap < i->run && term < p->k)
                value = !from ? 1 : (is_signed ? (int8_t)from[term] : from[term]) - less;
            sum += (uint32_t)value;
            put(i, dst, (g * rows + row) * group + q, value);
        }
    return (int32_t)sum;
}

void conv2d_int_pack(const conv2d_int *i, const conv2d_plan *p, const conv2d_weights *w, void *dst)
{
    conv2d_int_weights to = conv2d_int_packed(i, p, dst);
    uint32_t *zeros = (uint32_t *)(void *)((char *)dst + ((const char *)to.zeros - (char *)dst));
    uint32_t *sums = zeros + p->s.groups * p->s.m;
    size_t element = i->tiles->element, row_bytes = i->groups * i->tiles->group * element;
    const uint8_t *from = w->elements;
    char *a = dst;
    memset(dst, 0, i->packed_floats * sizeof(float));
    for (size_t g = 0, f = 0; g < p->s.groups; g++)
        for (size_t panel = 0; panel < i->panels; panel++) {
            size_t rows = conv2d_int_panel(i, p, panel + 1) - conv2d_int_panel(i, p, panel);
            for (size_t row = 0; row < rows; row++, f++, from += p->k) {
                int32_t zero = w->zero ? w->zero[w->zero_each ? f : 0] : 0;
                int32_t less = taken_off(i, p, w->dtype, from, &zero);
                int32_t sum = pack_feature(i, p, from, w->dtype == SIB_I8, less, row, rows, a);
                zeros[f] = (uint32_t)zero;
                sums[f] = (uint32_t)sum - (uint32_t)p->k * (uint32_t)zero;
            }
            a += rows * row_bytes;
        }
    pack_feature(i, p, NULL, false, 0, 0, 1, a);
}
