/* The run of a convolution of bytes; see conv2d_int.h. */
#include "base/assert.h"
#include "base/cancel.h"
#include "base/size.h"
#include "kernel/conv/conv2d_int.h"

#include <string.h>

#define STEP  BYTES_SLACK
#define SHORT 256 /* max bytes of a row that are copied step by step */

/* Coordinates of an item. */
typedef struct int_item {
    size_t image, group, place; /* of batch and group; along the first axis */
    size_t row0, rows, column0, columns;
} int_item;

static int_item item_at(const conv2d_int *i, const conv2d_plan *p, size_t index)
{
    const conv2d_axis *a = p->s.axis;
    int_item at;
    at.column0 = index % i->column_bands * i->columns;
    at.columns = size_min(i->columns, a[2].out - at.column0);
    index /= i->column_bands;
    at.row0 = index % i->row_bands * i->rows;
    at.rows = size_min(i->rows, a[1].out - at.row0);
    index /= i->row_bands;
    at.place = index % a[0].out;
    at.image = index / a[0].out;
    at.group = at.image % p->s.groups;
    return at;
}

/* Bytes of all x. */
static size_t image_bytes(const conv2d_plan *p)
{
    return p->s.batch * p->s.groups * p->s.c * p->in_plane;
}

/* ---- The image ----------------------------------------------------------------------------------------- */

/* A row of one phase of columns: padding, every stride-th byte, padding. */
typedef struct phase_columns {
    size_t begin, end, n; /* those within the image are begin .. end - 1 of n */
    size_t first;         /* offset in a row of the image of the byte for `begin` */
    size_t stride;
} phase_columns;

static phase_columns columns_of(const conv2d_axis *a, size_t first, size_t n)
{
    phase_columns c = {.n = n, .stride = a->stride};
    if (first < a->before + a->in) {
        c.begin = first >= a->before ? 0 : size_min(n, size_ceil_div(a->before - first, a->stride));
        c.end = size_max(c.begin, size_min(n, size_ceil_div(a->before + a->in - first, a->stride)));
    }
    c.first = c.end > c.begin ? first + c.begin * a->stride - a->before : 0;
    return c;
}

/* Writes n bytes, and up to STEP after them that are overwritten later. */
static inline void pad(uint8_t *dst, size_t n, uint8_t zero)
{
    if (n > STEP)
        memset(dst, zero, n);
    else
        memset(dst, zero, STEP);
}

/* end: of readable memory. Writes up to STEP bytes after the row. */
static void copy_row(const phase_columns *c, const uint8_t *restrict row, const uint8_t *end, uint8_t zero,
                     uint8_t *restrict dst)
{
    size_t n = c->end - c->begin;
    uint8_t *restrict to = dst + c->begin;
    row += c->first;
    if (c->begin)
        pad(dst, c->begin, zero);
    if (c->stride == 1 && n <= SHORT && (size_t)(end - row) >= n + STEP)
        for (size_t j = 0; j < n; j += STEP)
            memcpy(to + j, row + j, STEP);
    else if (c->stride == 1)
        memcpy(to, row, n);
    else if (c->stride == 2) /* a constant stride */
        for (size_t j = 0; j < n; j++)
            to[j] = row[2 * j];
    else
        for (size_t j = 0; j < n; j++)
            to[j] = row[j * c->stride];
    if (c->n > c->end)
        pad(dst + c->end, c->n - c->end, zero);
}

/* One phase of a slice of a channel. */
static void fill_phase(const conv2d_int *i, const conv2d_call *c, const int_item *at, const uint8_t *slice,
                       size_t row_phase, const phase_columns *columns, uint8_t *dst)
{
    const conv2d_axis *a = &c->plan->s.axis[1];
    const uint8_t *end = (const uint8_t *)c->x + image_bytes(c->plan);
    uint8_t zero = (uint8_t)c->x_zero;
    size_t rows = at->rows + (i->phase_rows - i->rows);
    for (size_t r = 0; r < rows; r++, dst += i->pitch) {
        size_t padded = (at->row0 + r) * a->stride + row_phase, row = padded - a->before;
        if (slice && padded >= a->before && row < a->in && columns->end > columns->begin)
            copy_row(columns, slice + row * c->plan->s.axis[2].in, end, zero, dst);
        else
            pad(dst, i->pitch, zero);
    }
}

/* Copies the channels of the item's group to dst as phases. x: of the batch and group. */
static void fill(const conv2d_int *i, const conv2d_call *c, const int_item *at, const uint8_t *x,
                 uint8_t *dst)
{
    const conv2d_plan *p = c->plan;
    const conv2d_axis *a = p->s.axis;
    for (size_t channel = 0; channel < p->s.c; channel++, x += p->in_plane)
        for (size_t tap = 0; tap < a[0].kernel; tap++) {
            size_t padded = at->place * a[0].stride + tap * a[0].dilation, slice = padded - a[0].before;
            bool inside = padded >= a[0].before && slice < a[0].in;
            const uint8_t *from = inside ? x + slice * a[1].in * a[2].in : NULL;
            for (size_t f = 0; f < i->phases[1] * i->phases[2]; f++, dst += i->phase_bytes) {
                phase_columns columns =
                    columns_of(&a[2], at->column0 * a[2].stride + f % i->phases[2], i->pitch);
                fill_phase(i, c, at, from, f / i->phases[2], &columns, dst);
            }
        }
}

/* Makes the lines of the item. image: its first pixel. */
static void make_lines(const conv2d_int *i, const conv2d_call *c, const int_item *at, const uint8_t *image,
                       const uint8_t *end, uint8_t *lines)
{
    size_t group = i->tiles->group;
    bytes_join j = {.image = image,
                    .end = end,
                    .rows = at->rows + (i->line_rows - i->rows),
                    .columns = at->columns,
                    .pitch = i->pitch,
                    .apart = i->columns,
                    .flip = c->plan->s.x == SIB_I8 ? 0x80 : 0};
    for (size_t line = 0; line < i->lines; line++) {
        j.from = i->from + line * group;
        j.dst = lines + line * i->line_bytes;
        i->tiles->join(&j);
    }
}

/* ---- Products ------------------------------------------------------------------------------------------ */

/* Converts feature f's sums of n pixels, minus the zero points' part, to y, (n) of its dtype. */
static void give(const conv2d_call *c, const conv2d_int_weights *w, size_t f, const uint32_t *less, size_t n,
                 const int32_t *sums, void *y)
{
    const conv2d_kernels *k = c->plan->kernels;
    uint32_t x_zero = (uint32_t)c->x_zero + (c->plan->s.x == SIB_I8 ? 128 : 0);
    int32_t bias = (int32_t)((uint32_t)(c->int_bias ? c->int_bias[f] : 0) - x_zero * w->sums[f]);
    sib_dtype dtype = c->plan->s.y;
    if (dtype == SIB_I32) {
        k->less_to_s32(sums, less, bias, n, y);
        return;
    }
    double scale = c->scale[c->scale_each ? f : 0];
    if (dtype == SIB_U8 && w->zeros[f])
        k->less_to_u8(sums, less, bias, scale, c->y_zero, n, y);
    else if (dtype == SIB_U8)
        k->to_u8(sums, bias, scale, c->y_zero, n, y);
    else if (w->zeros[f])
        k->less_to_s8(sums, less, bias, scale, c->y_zero, n, y);
    else
        k->to_s8(sums, bias, scale, c->y_zero, n, y);
}

static void finish_rows(const conv2d_call *c, size_t begin, size_t rows, size_t n)
{
    size_t plane = c->plan->out_plane;
    if (c->finish && n == plane)
        c->finish(c->context, begin, rows * n);
    for (size_t r = 0; c->finish && n != plane && r < rows; r++)
        c->finish(c->context, begin + r * plane, n);
}

/* Sums over the windows of one plane. */
static void run_plane(const conv2d_int *i, const conv2d_call *c, const int_item *at, const void *a,
                      int32_t *sums)
{
    const conv2d_axis *h = &c->plan->s.axis[1], *w = &c->plan->s.axis[2];
    bytes_plane plane = {.in = {h->in, w->in},
                         .out = {h->out, w->out},
                         .before = {h->before, w->before},
                         .row0 = at->row0,
                         .rows = at->rows,
                         .zero = (uint8_t)c->x_zero,
                         .flip = c->plan->s.x == SIB_I8 ? 0x80 : 0,
                         .a = a,
                         .x = (const uint8_t *)c->x + at->image * c->plan->in_plane,
                         .sums = sums};
    i->plane(&plane);
}

/* The factors of the weights' zero points: sums of the pixels' bytes, computed at first use. */
typedef struct columns {
    int32_t *sums;  /* (sum_row) */
    uint32_t *less; /* (sum_row) zero * sums */
    uint32_t zero;
    bool made;
} columns;

static void take_zero(const conv2d_int *i, const conv2d_call *call, const int_item *at,
                      const bytes_tile *tile, const conv2d_int_weights *w, uint32_t zero, size_t n,
                      columns *c)
{
    if (zero == c->zero)
        return;
    if (!c->made) {
        bytes_tile ones = *tile;
        ones.a = w->ones;
        ones.sums = c->sums;
        if (i->plane)
            run_plane(i, call, at, ones.a, ones.sums);
        else
            i->tiles->tile[1](&ones, n);
        c->made = true;
    }
    for (size_t j = 0; j < n; j++)
        c->less[j] = zero * (uint32_t)c->sums[j];
    c->zero = zero;
}

/* Multiplies all features with the item's lines. sums: (mr + 2, sum_row) */
static void multiply(const conv2d_int *i, const conv2d_call *c, const int_item *at, const uint8_t *lines,
                     int32_t *sums)
{
    const conv2d_plan *p = c->plan;
    const bytes_kernels *t = i->tiles;
    const conv2d_axis *a = p->s.axis;
    size_t n = at->rows * at->columns, pixel = (at->place * a[1].out + at->row0) * a[2].out + at->column0;
    conv2d_int_weights w = conv2d_int_packed(i, p, c->w);
    bytes_tile tile = {.groups = i->groups, .b = lines, .at = i->at, .sums = sums, .ld = i->sum_row};
    columns by_zero = {.sums = sums + t->mr * i->sum_row};
    by_zero.less = (uint32_t *)(void *)(by_zero.sums + i->sum_row);
    if (p->s.y == SIB_I32)
        memset(by_zero.less, 0, n * sizeof *by_zero.less);
    for (size_t panel = 0; panel < i->panels; panel++) {
        size_t m0 = conv2d_int_panel(i, p, panel), rows = conv2d_int_panel(i, p, panel + 1) - m0;
        size_t f = at->group * p->s.m + m0, to = (at->image * p->s.m + m0) * p->out_plane + pixel;
        tile.a = w.a + f * i->groups * t->group * t->element;
        if (i->plane)
            run_plane(i, c, at, tile.a, sums);
        else
            t->tile[rows](&tile, n);
        for (size_t r = 0; r < rows; r++) {
            take_zero(i, c, at, &tile, &w, w.zeros[f + r], n, &by_zero);
            give(c, &w, f + r, by_zero.less, n, sums + r * i->sum_row,
                 (char *)c->y + (to + r * p->out_plane) * conv2d_element(p->s.y));
        }
        finish_rows(c, to, rows, n);
    }
}

static void run_item(const void *plan, const conv2d_call *c, size_t index, float *scratch)
{
    const conv2d_int *i = plan;
    const conv2d_plan *p = c->plan;
    const conv2d_axis *a = p->s.axis;
    int_item at = item_at(i, p, index);
    const uint8_t *x = (const uint8_t *)c->x + at.image * p->s.c * p->in_plane, *image = x, *end;
    uint8_t *room = (uint8_t *)scratch, *lines = room;
    if (i->plane) {
        multiply(i, c, &at, NULL, (int32_t *)(void *)room);
        return;
    }
    if (i->direct) {
        image += (at.place * a[0].stride * a[1].in + at.row0 * a[1].stride) * a[2].in + at.column0;
        end = (const uint8_t *)c->x + image_bytes(p);
    } else {
        fill(i, c, &at, x, room);
        image = room;
        end = lines = room + i->image_room;
    }
    make_lines(i, c, &at, image, end, lines);
    multiply(i, c, &at, lines, (int32_t *)(void *)(lines + i->lines_room));
}

/* ---- The run ------------------------------------------------------------------------------------------- */

void conv2d_int_run(const conv2d_int *i, const conv2d_call *c, sib_pool *pool)
{
    const conv2d_items items = {c, i, run_item, i->items, i->scratch_floats, i->workers};
    SIB_ASSERT(i->tiles && i->workers >= 1);
    SIB_ASSERT(i->workers == 1 || i->workers <= sib_pool_threads(pool));
    SIB_ASSERT(c->w && mem_is_aligned(c->w, sizeof(float)));
    SIB_ASSERT(!i->scratch_floats || c->scratch);
    conv2d_run_items(&items, size_max(1, i->items / (4 * i->workers)), pool);
}
