/* The plan of a convolution; conv2d_plan.h defines what is computed. */
#include "base/alloc.h"
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

#include <math.h>
#include <string.h>

/* ---- Axes ------------------------------------------------------------------------------------------ */

static bool does_nothing(const conv2d_axis *a)
{
    return a->kernel == 1 && a->stride == 1 && a->before == 0 && a->after == 0 && a->out == a->in;
}

/* Joins the outer axis with the inner one where windows of the inner one are single elements: the inner
   elements are then pixels, at 1 / inner.in of the outer axis's distance. */
static bool join(conv2d_axis *outer, const conv2d_axis *inner)
{
    if (!does_nothing(inner) || (outer->stride != 1 && inner->in != 1))
        return false;
    outer->in *= inner->in;
    outer->out *= inner->in;
    outer->before *= inner->in;
    outer->after *= inner->in;
    outer->dilation *= inner->in;
    return true;
}

/* Trivial axes are joined with the one before them; the others move to the end. */
static void simplify(conv2d_shape *s)
{
    conv2d_axis *a = s->axis;
    const conv2d_axis nothing = {1, 1, 1, 1, 0, 1, 0};
    for (int pass = 1; pass < CONV2D_AXES; pass++)
        for (int i = CONV2D_AXES - 1; i > 0; i--) {
            bool drop = does_nothing(&a[i - 1]) && a[i - 1].in == 1;
            if (!drop && join(&a[i - 1], &a[i])) {
                a[i] = a[i - 1];
                drop = true;
            }
            if (!drop)
                continue;
            memmove(a + 1, a, (size_t)(i - 1) * sizeof *a);
            a[0] = nothing;
        }
    for (int i = 0; i < CONV2D_AXES; i++)
        if (a[i].kernel == 1)
            a[i].dilation = 1;
}

/* ---- Bands ------------------------------------------------------------------------------------------- */

/* Max floats of the image that an item reads, and of the output that it writes: both stay in the L2 cache. */
#define IMAGE_FLOATS  (96 * 1024)
#define OUTPUT_FLOATS (128 * 1024)
/* Max channels of the output of an item with pixels in the lanes, so that what it writes of each is long. */
#define OUTPUT_CHANNELS 256
/* Floats of the image that all panels process at once, from the L1 cache. */
#define CHUNK_FLOATS (6 * 1024)
/* Packed weights beyond this many floats are read once per band rather than once per chunk. */
#define WEIGHT_FLOATS (128 * 1024)
/* Min columns of a band of a long row. */
#define MIN_COLUMNS 240
/* Min columns of a row of a phase that is padded to entire cache lines. */
#define LONG_ROW 128
/* Channels whose pixels are copied rather than read in place: their min floats, and how many of them still matter. */
#define MIN_PLANE 256
#define MAX_PAGES 512
/* Min items per thread, so that threads end together. */
#define ITEMS_PER_THREAD 4

/* Rows of a phase (axis 1), or columns (axis 2), that a band of `out` of them reads. */
static size_t reach(const conv2d_plan *p, int axis, size_t out)
{
    const conv2d_axis *a = &p->s.axis[axis];
    return ((out - 1) * a->stride + (a->kernel - 1) * a->dilation) / p->step[axis] + 1;
}

static size_t phases_of(const conv2d_axis *a, size_t step)
{
    return a->dilation == 1 ? size_min(step, a->kernel) : step;
}

/* Distance between the rows of a phase of `columns` columns. Rows that are computed apart begin at cache lines: two
   in three loads of a kernel of 3 would cross them otherwise. */
static size_t pitch_of(const conv2d_plan *p, size_t columns)
{
    size_t n = reach(p, 2, columns);
    return p->flat || n < LONG_ROW ? n : size_ceil_div(n, 16) * 16;
}

/* Floats of a channel's phases for a band. */
static size_t channel_floats(const conv2d_plan *p, size_t rows, size_t columns)
{
    const conv2d_axis *a = p->s.axis;
    return a[0].kernel * p->phases[1] * p->phases[2] * reach(p, 1, rows) * pitch_of(p, columns);
}

/* Whether single pixels are copied although they could be read in place: many panels read each channel, and a
   channel's pixels are a page apart from the next one's. */
static bool copy_pays(const conv2d_plan *p)
{
    return p->s.kind == CONV2D_PRODUCT && p->taps == 1 && !p->features && p->in_plane >= MIN_PLANE &&
           (double)(p->panels * size_min(p->s.c, MAX_PAGES)) >= p->table->costs->pixels_pages;
}

/* Whether the image is read in place: no window leaves it, and neighbours are where the kernels expect
   them. */
static bool is_direct(const conv2d_plan *p)
{
    const conv2d_shape *s = &p->s;
    for (int i = 0; i < CONV2D_AXES; i++) {
        const conv2d_axis *a = &s->axis[i];
        if (a->before || (a->out - 1) * a->stride + (a->kernel - 1) * a->dilation >= a->in)
            return false;
    }
    return p->step[2] == 1 && s->x == SIB_F32 && !copy_pays(p);
}

/* Vectors that n pixels take. */
static size_t vectors(const conv2d_plan *p, size_t n)
{
    return size_ceil_div(n, p->kernels->lanes);
}

/* Modelled time of a band as one run, which computes the gaps too and is copied once more, beside that of separate
   rows, which waste lanes of their last vectors. Rows without gaps are not copied. */
static double joined_ratio(const conv2d_plan *p, size_t pitch)
{
    const kernel_costs *costs = p->table->costs;
    const conv2d_axis *a = p->s.axis;
    if (a[1].out == 1 || (p->direct && a[1].stride != 1))
        return INFINITY;
    double each = costs->joined_term * (double)p->k, copy = pitch == a[2].out ? 0 : costs->joined_copy;
    if (p->s.m == 1)
        each *= 2;
    double apart = each * (double)(a[1].out * vectors(p, a[2].out));
    double one = (each + copy) * (double)vectors(p, (a[1].out - 1) * pitch + a[2].out);
    return one / apart;
}

/* Whether neither x nor y goes through scratch for its dtype. */
static bool plain(const conv2d_plan *p)
{
    return p->s.x == SIB_F32 && p->s.y == SIB_F32 && !p->block;
}

/* Rows and columns of the output of an item. */
typedef struct band {
    size_t rows, columns;
} band;

/* The band of an item of that many channels of the output. */
static band band_of(const conv2d_plan *p, size_t channels)
{
    const conv2d_axis *a = p->s.axis;
    size_t rows = a[1].out, columns = a[2].out;
    rows = size_min(rows, size_max(1, OUTPUT_FLOATS / size_max(1, channels * columns)));
    /* features in the lanes copy the image block by block of channels */
    size_t image =
        p->plane_run ? SIZE_MAX : IMAGE_FLOATS * (p->features ? size_max(1, p->k / CONV2D_BLOCK_TERMS) : 1);
    while (rows > 1 && p->s.c * channel_floats(p, rows, columns) > image)
        rows = (rows + 1) / 2;
    if (a[1].out == 1) {
        while (columns > MIN_COLUMNS &&
               (p->s.c * channel_floats(p, 1, columns) > IMAGE_FLOATS || channels * columns > OUTPUT_FLOATS))
            columns = (columns + 1) / 2;
    }
    return (band){rows, columns};
}

static void choose_bands(conv2d_plan *p, unsigned threads)
{
    const conv2d_axis *a = p->s.axis;
    size_t blocks = p->features || !plain(p) ? 1 : size_ceil_div(p->s.m, OUTPUT_CHANNELS);
    band all = band_of(p, p->s.m), at = band_of(p, size_ceil_div(p->s.m, blocks));
    if (at.rows == all.rows && at.columns == all.columns)
        blocks = 1; /* each would copy the image anew, and write pieces that are no longer */
    size_t others = p->s.batch * p->s.groups * a[0].out;
    size_t wanted = threads > 1 && p->work > CONV2D_ALONE_WORK ? ITEMS_PER_THREAD * (size_t)threads : 1;
    p->row_bands = size_ceil_div(a[1].out, at.rows);
    p->column_bands = size_ceil_div(a[2].out, at.columns);
    if (others * p->row_bands * p->column_bands < wanted) {
        size_t bands = size_ceil_div(wanted, others);
        if (a[1].out > 1)
            p->row_bands = size_min(size_max(1, a[1].out / 4), size_max(bands, p->row_bands));
        else
            p->column_bands =
                size_min(size_max(1, a[2].out / p->kernels->nr), size_max(bands, p->column_bands));
    }
    if (p->plane_run && !plain(p))
        p->row_bands = 1;
    p->rows = size_ceil_div(a[1].out, p->row_bands);
    p->row_bands = size_ceil_div(a[1].out, p->rows);
    p->columns = size_ceil_div(a[2].out, p->column_bands);
    if (p->column_bands > 1)
        p->columns = size_ceil_div(p->columns, p->kernels->nr) * p->kernels->nr;
    p->column_bands = size_ceil_div(a[2].out, p->columns);
    size_t items = others * p->row_bands * p->column_bands;
    p->m_blocks = size_min(p->panels, size_max(blocks, items < wanted ? size_ceil_div(wanted, items) : 1));
    p->items = items * p->m_blocks;
    p->planes = 1;
    if (conv2d_planes_pay(p))
        conv2d_planes_make(p, wanted);
}

static void choose_chunk(conv2d_plan *p)
{
    size_t nr = p->kernels->nr;
    size_t distinct = p->s.c * p->s.axis[0].kernel * p->s.axis[1].kernel;
    p->chunk = size_max(1, CHUNK_FLOATS / size_max(1, distinct) / nr) * nr;
    if (p->panels == 1 || p->s.m * p->k > WEIGHT_FLOATS)
        p->chunk = SIZE_MAX;
}

/* ---- Layout ------------------------------------------------------------------------------------------ */

static sib_code too_large(sib_error *err)
{
    return err_set(err, SIB_ERR_SIZE, "the convolution's image is larger than offsets can reach");
}

/* Sets the offsets of the taps of channel 0, and the distance between channels. */
static sib_code place_taps(conv2d_plan *p, sib_error *err)
{
    const conv2d_axis *a = p->s.axis;
    size_t channel = p->direct ? p->in_plane : p->channel_floats, last;
    if (!size_mul(channel, p->s.c, &last) || last > INT32_MAX)
        return too_large(err);
    p->offset = mem_alloc(p->k, sizeof *p->offset);
    if (!p->offset)
        return err_memory(err, p->k * sizeof *p->offset, "a convolution's offsets");
    int32_t *to = p->offset;
    for (size_t c = 0; c < p->s.c; c++)
        for (size_t i = 0; i < a[0].kernel; i++)
            for (size_t j = 0; j < a[1].kernel; j++)
                for (size_t l = 0; l < a[2].kernel; l++) {
                    size_t row = j * a[1].dilation, column = l * a[2].dilation;
                    size_t at = ((i * a[0].dilation) * a[1].in + row) * a[2].in + column;
                    if (!p->direct) {
                        size_t phase =
                            (i * p->phases[1] + row % p->step[1]) * p->phases[2] + column % p->step[2];
                        at = phase * p->phase_floats + row / p->step[1] * p->pitch + column / p->step[2];
                    }
                    *to++ = (int32_t)(c * channel + at);
                }
    return SIB_OK;
}

/* Finds the kernel of single planes for the shape, if any. */
static void choose_plane(conv2d_plan *p)
{
    const conv2d_axis *a = p->s.axis, *h = &a[1], *w = &a[2];
    if (p->s.c != 1 || p->s.m != 1 || !does_nothing(&a[0]) || a[0].in != 1 || h->dilation != 1 ||
        w->dilation != 1 || h->kernel != w->kernel || h->stride != w->stride ||
        (!plain(p) && p->in_plane + p->out_plane > IMAGE_FLOATS))
        return;
    for (size_t i = 0; i < p->kernels->n_planes; i++) {
        const conv2d_plane_row *row = &p->kernels->planes[i];
        if (row->size == h->kernel && row->stride == h->stride &&
            row->largest == (p->s.kind == CONV2D_LARGEST))
            p->plane_run = row->run;
    }
    p->plane = (conv2d_plane){{h->in, w->in}, {h->out, w->out}, {h->before, w->before}};
}

/* ---- Method ------------------------------------------------------------------------------------------ */

static void choose_steps(conv2d_plan *p)
{
    p->phases[0] = p->step[0] = 1;
    for (int i = 1; i < CONV2D_AXES; i++) {
        p->step[i] = p->features ? 1 : p->s.axis[i].stride;
        p->phases[i] = phases_of(&p->s.axis[i], p->step[i]);
    }
    p->direct = is_direct(p);
}

static void model_times(conv2d_plan *p)
{
    double *times = p->times;
    for (int i = 0; i < CONV2D_METHODS; i++)
        times[i] = INFINITY;
    choose_steps(p);
    double joined = joined_ratio(p, p->direct ? p->s.axis[2].in : reach(p, 2, p->s.axis[2].out));
    if (p->plane_run)
        times[CONV2D_PLANES] = 1;
    else { /* the faster one is the unit */
        times[CONV2D_PIXELS] = joined < 1 ? 1 / joined : 1;
        times[CONV2D_JOINED] = joined < 1 ? 1 : joined;
    }
    times[CONV2D_LANES] = conv2d_lanes_ratio(p);
    times[CONV2D_FEATURES] = conv2d_features_ratio(p);
    times[CONV2D_FEW] = conv2d_few_ratio(p);
}

static void choose_method(conv2d_plan *p)
{
    const double *times = p->times;
    model_times(p);
    p->method = p->s.method;
    if (p->method == CONV2D_BY_COSTS || !isfinite(times[p->method])) {
        p->method = times[CONV2D_LANES] < 1                       ? CONV2D_LANES
                    : times[CONV2D_FEATURES] < 1                  ? CONV2D_FEATURES
                    : times[CONV2D_FEW] < 1                       ? CONV2D_FEW
                    : p->plane_run                                ? CONV2D_PLANES
                    : times[CONV2D_JOINED] < times[CONV2D_PIXELS] ? CONV2D_JOINED
                                                                  : CONV2D_PIXELS;
    }
    p->features = p->method == CONV2D_FEATURES;
    p->flat = p->method == CONV2D_JOINED;
}

static void choose_layout(conv2d_plan *p)
{
    const conv2d_axis *a = p->s.axis;
    p->flat = p->flat && p->rows > 1;
    if (p->plane_run) {
        p->image_floats = p->s.x == SIB_F32 ? 0 : p->planes * p->in_plane;
    } else if (p->direct) {
        p->pitch = a[2].in;
        p->row_step = a[1].stride * a[2].in;
    } else {
        p->pitch = pitch_of(p, p->columns);
        p->row_step = a[1].stride / p->step[1] * p->pitch;
        p->phase_rows = reach(p, 1, p->rows);
        p->phase_floats = p->phase_rows * p->pitch;
        p->channel_floats = channel_floats(p, p->rows, p->columns);
        p->image_floats = (p->features ? conv2d_features_channels(p) : p->s.c) * p->channel_floats + 64;
        bool phases = p->s.x != SIB_F32 && p->phases[2] > 1;
        p->line_floats = phases ? (p->pitch * p->step[2] + 15) / 16 * 16 : 0;
        p->image_floats += p->line_floats;
    }
    size_t run = p->rows * p->row_step;
    p->tile_floats = p->flat ? size_ceil_div(p->s.m, p->panels) * size_min(p->chunk, run) : 0;
    if (p->features) {
        p->no_border = conv2d_features_no_border(p);
        p->tile_floats = conv2d_features_floats(p);
    }
    p->image_floats = (p->image_floats + 15) / 16 * 16;
    p->tile_floats = (p->tile_floats + 15) / 16 * 16;
    size_t pixels = p->plane_run ? p->planes * p->out_plane : p->rows * p->columns;
    p->sum_floats = p->s.y == SIB_F32 && !p->block ? 0 : (p->s.m * pixels + 15) / 16 * 16;
    size_t sums = p->integer ? 2 : p->block ? 3 : 1; /* totals of blocks are int32 or double */
    p->scratch_floats = p->image_floats + p->tile_floats + sums * p->sum_floats;
}

/* Counts the elements that the windows of an average cover, by axis. */
static sib_code count_elements(conv2d_plan *p, sib_error *err)
{
    bool padded = p->s.kind == CONV2D_AVERAGE_PADDED;
    for (int i = 0; i < CONV2D_AXES; i++) {
        const conv2d_axis *a = &p->s.axis[i];
        size_t begin = padded ? 0 : a->before, end = a->before + a->in + (padded ? a->after : 0);
        p->counts[i] = mem_calloc(a->out, sizeof(float));
        if (!p->counts[i])
            return err_memory(err, a->out * sizeof(float), "a pool's counts");
        for (size_t at = 0; at < a->out; at++)
            for (size_t j = 0; j < a->kernel; j++) {
                size_t place = at * a->stride + j * a->dilation;
                p->counts[i][at] += place >= begin && place < end ? 1.0f : 0.0f;
            }
    }
    return SIB_OK;
}

sib_code conv2d_plan_make(const kernel_table *kernels, const conv2d_shape *shape, unsigned threads,
                          conv2d_plan *out, sib_error *err)
{
    return conv2d_plan_make_blocks(kernels, shape, 0, threads, out, err);
}

sib_code conv2d_plan_make_blocks(const kernel_table *kernels, const conv2d_shape *shape, size_t block,
                                 unsigned threads, conv2d_plan *out, sib_error *err)
{
    conv2d_plan *p = out;
    size_t image, weights;
    *p = (conv2d_plan){.table = kernels, .kernels = &kernels->conv2d, .s = *shape};
    p->integer = p->s.x == SIB_U8 || p->s.x == SIB_I8;
    simplify(&p->s);
    const conv2d_axis *a = p->s.axis;
    p->taps = a[0].kernel * a[1].kernel * a[2].kernel;
    p->in_plane = a[0].in * a[1].in * a[2].in;
    p->out_plane = a[0].out * a[1].out * a[2].out;
    if (!size_mul(p->taps, p->s.c, &p->k) || p->k > INT32_MAX || !size_mul(p->k, p->s.m, &weights) ||
        !size_mul(weights, p->s.groups * sizeof(float), &weights))
        return too_large(err);
    if (p->integer && p->s.kind == CONV2D_PRODUCT)
        block = CONV2D_EXACT;
    p->block = block < p->k ? block : 0;
    p->panels = size_ceil_div(p->s.m, p->kernels->mr);
    p->work = (double)p->s.batch * (double)p->s.groups * (double)p->s.m * (double)p->k * (double)p->out_plane;
    choose_plane(p);
    bool averages = p->s.kind == CONV2D_AVERAGE || p->s.kind == CONV2D_AVERAGE_PADDED;
    sib_code code = averages ? count_elements(p, err) : SIB_OK;
    choose_method(p);
    if (p->method == CONV2D_LANES || p->method == CONV2D_FEW) {
        if (code == SIB_OK)
            code = p->method == CONV2D_LANES ? conv2d_lanes_make(p, threads, err)
                                             : conv2d_few_make(p, threads, err);
        if (code != SIB_OK)
            conv2d_plan_free(p);
        return code;
    }
    if (p->features)
        p->panels = size_ceil_div(conv2d_vectors(p), p->kernels->spot_vectors);
    choose_steps(p);
    choose_bands(p, threads);
    choose_chunk(p);
    choose_layout(p);
    if (!p->direct && !p->plane_run && (!size_mul(p->s.c, p->channel_floats, &image) || image > INT32_MAX))
        code = code == SIB_OK ? too_large(err) : code;
    if (code == SIB_OK && !p->plane_run)
        code = place_taps(p, err);
    if (code != SIB_OK)
        conv2d_plan_free(p);
    return code;
}

void conv2d_plan_free(conv2d_plan *p)
{
    mem_free(p->offset);
    mem_free(p->source);
    p->offset = p->source = NULL;
    for (int i = 0; i < CONV2D_AXES; i++) {
        mem_free(p->counts[i]);
        p->counts[i] = NULL;
    }
}

/* ---- Weights ------------------------------------------------------------------------------------------- */

/* Packed weights end in 16 floats that are read as if they were some more; the first says that all are finite. */
#define PACKED_TAIL 16

size_t conv2d_packed_floats(const conv2d_plan *p)
{
    size_t width = p->features ? conv2d_features_width(p) : p->s.m;
    return p->s.groups * (p->few_width ? conv2d_few_floats(p) : width * p->k) + PACKED_TAIL;
}

static bool all_finite(const float *x, size_t n)
{
    uint32_t bits, wrong = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, x + i, sizeof bits);
        wrong |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !wrong;
}

bool conv2d_packed_finite(const conv2d_plan *p, const float *packed)
{
    return packed[conv2d_packed_floats(p) - PACKED_TAIL] == 1;
}

/* Rows of weights transposed at once, so that the panel is written in full cache lines. */
#define PACK_ROWS  16
#define PACK_TERMS 64

/* Rows row .. row + m - 1 of the weights as float, transposed: dst[k * apart + i] for i < m. */
static void pack_rows(const conv2d_plan *p, const conv2d_weights *w, size_t row, size_t m, size_t apart,
                      float *dst)
{
    float piece[PACK_ROWS][PACK_TERMS];
    size_t element = conv2d_element(w->dtype);
    for (; m; row += size_min(m, PACK_ROWS), dst += size_min(m, PACK_ROWS), m -= size_min(m, PACK_ROWS))
        for (size_t k = 0; k < p->k; k += PACK_TERMS) {
            size_t n = size_min(PACK_TERMS, p->k - k), rows = size_min(m, PACK_ROWS);
            for (size_t i = 0; i < rows; i++) {
                int32_t zero = w->zero ? w->zero[w->zero_each ? row + i : 0] : 0;
                const char *from = (const char *)w->elements + ((row + i) * p->k + k) * element;
                conv2d_widen(p, w->dtype, from, zero, n, piece[i]);
            }
            p->table->layout.transpose[2]((const char *)piece, sizeof *piece, (char *)(dst + k * apart),
                                          (ptrdiff_t)(apart * sizeof *dst), rows, n);
        }
}

void conv2d_pack(const conv2d_plan *p, const conv2d_weights *w, float *dst)
{
    size_t width = p->few_width;
    memset(dst, 0, (width || p->features ? conv2d_packed_floats(p) : 0) * sizeof *dst);
    for (size_t g = 0; g < p->s.groups && width; g++, dst += conv2d_few_floats(p))
        for (size_t m = 0; m < p->s.m; m += width)
            pack_rows(p, w, g * p->s.m + m, size_min(width, p->s.m - m), width, dst + m * p->k);
    for (size_t g = 0; g < p->s.groups && !width; g++)
        for (size_t panel = 0; panel < p->panels; panel++) {
            size_t m0 = conv2d_panel_row(p, panel), m = conv2d_panel_row(p, panel + 1) - m0;
            size_t apart = p->features ? size_ceil_div(m, p->kernels->lanes) * p->kernels->lanes : m;
            float *to = dst + (g * (p->features ? conv2d_features_width(p) : p->s.m) + m0) * p->k;
            pack_rows(p, w, g * p->s.m + m0, m, apart, to);
        }
    if (!width && !p->features)
        memset(dst + p->s.groups * p->s.m * p->k, 0, PACKED_TAIL * sizeof *dst);
    if (p->no_border)
        dst[conv2d_packed_floats(p) - PACKED_TAIL] = all_finite(dst, conv2d_packed_floats(p) - PACKED_TAIL);
}
