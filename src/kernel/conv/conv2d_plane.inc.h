/* Windows of a fixed size over single planes, for conv2d.inc.h: each column of vectors proceeds down the
   rows, a few of the output at once, so that a row of the image is loaded once for all output rows that read
   it. Nothing out of range is read: lanes beyond the borders are filled. */

#include "kernel/conv/conv2d_plane_3.inc.h"

#define PLANE_ROWS 4 /* rows of the output at once */

typedef struct plane_args {
    const conv2d_plane *g;
    const float *x;    /* (in[0], in[1]) */
    float w[5 * 5];    /* (size, size) */
    vf first, outside; /* initial value of sums; value out of range */
    vf low, high;      /* bounds of y */
    const float *by_row, *by_column;
    float by;
    float *y; /* (out[0], out[1]) */
} plane_args;

/* How a window is reduced. Constants where blocks are inlined. */
typedef struct plane_form {
    int size, stride; /* of windows, on both axes */
    bool largest;     /* max, else sum of products with w */
} plane_form;

/* Position of a column of vectors. */
typedef struct plane_place {
    size_t ox;           /* first column of the output */
    ptrdiff_t ix;        /* first column of the image; may be out of range */
    bool cut;            /* some lanes may be out of range */
    size_t n;            /* lanes that are stored */
    vf_mask lanes[5][2]; /* (size, stride): those in range where `cut` */
} plane_place;

/* Lanes at p, p + stride, ... for tap j of a row. */
static inline __attribute__((always_inline)) vf plane_load(const float *p, int stride, const plane_place *at,
                                                           bool cut, int j, vf outside)
{
    if (stride == 1)
        return cut ? vf_load_lanes(p, at->lanes[j][0], outside) : vf_load(p);
    if (!cut)
        return vf_load_even(p);
    return vf_even(vf_load_lanes(p, at->lanes[j][0], outside),
                   vf_load_lanes(p + VF_LANES, at->lanes[j][1], outside));
}

/* One vector of columns of `rows` rows from oy on. */
static inline __attribute__((always_inline)) void
plane_block(const plane_args *t, plane_form f, const plane_place *at, bool cut, size_t oy, int rows)
{
    ptrdiff_t height = (ptrdiff_t)t->g->in[0], width = (ptrdiff_t)t->g->in[1];
    ptrdiff_t iy = (ptrdiff_t)(oy * (size_t)f.stride) - (ptrdiff_t)t->g->before[0];
    size_t columns = t->g->out[1];
    vf sum[PLANE_ROWS];
    UNROLL for (int r = 0; r < rows; r++) sum[r] = t->first;
    UNROLL for (int i = 0; i < (rows - 1) * f.stride + f.size; i++)
    {
        vf v[5];
        UNROLL for (int j = 0; j < f.size; j++) v[j] = t->outside;
        if (iy + i >= 0 && iy + i < height) {
            const float *row = t->x + (iy + i) * width + at->ix;
            UNROLL for (int j = 0; j < f.size; j++) v[j] =
                plane_load(row + j, f.stride, at, cut, j, t->outside);
        }
        UNROLL for (int r = 0; r < rows; r++)
        {
            int tap = i - r * f.stride;
            if (tap < 0 || tap >= f.size)
                continue;
            UNROLL for (int j = 0; j < f.size; j++) sum[r] =
                f.largest ? larger(sum[r], v[j]) : vf_fma(v[j], vf_set1(t->w[tap * f.size + j]), sum[r]);
        }
    }
    float *y = t->y + oy * columns + at->ox;
    UNROLL for (int r = 0; r < rows; r++, y += columns)
    {
        if (!f.largest && t->by_row) {
            const float *by = t->by_column + at->ox;
            sum[r] = vf_div(sum[r], vf_mul(cut ? vf_load_n(by, at->n) : vf_load(by),
                                           vf_set1(t->by * t->by_row[oy + (size_t)r])));
        }
        vf result = vf_min(t->high, vf_max(t->low, sum[r]));
        if (cut)
            vf_store_n(y, result, at->n);
        else
            vf_store(y, result);
    }
}

/* All rows of one vector of columns. The remaining rows are computed together with some before them. */
static inline __attribute__((always_inline)) void
plane_column(const plane_args *t, plane_form f, const plane_place *at, bool cut, size_t row0, size_t rows)
{
    size_t end = row0 + rows;
    if (rows < PLANE_ROWS)
        for (size_t oy = row0; oy < end; oy++)
            plane_block(t, f, at, cut, oy, 1);
    else
        for (size_t oy = row0; oy < end; oy += PLANE_ROWS)
            plane_block(t, f, at, cut, size_min(oy, end - PLANE_ROWS), PLANE_ROWS);
}

/* Position of the column of vectors that begins at column ox; the last one ends with the row. */
static inline __attribute__((always_inline)) void plane_find(const conv2d_plane *g, size_t ox, plane_form f,
                                                             plane_place *at)
{
    ptrdiff_t reach = (VF_LANES - 1) * f.stride + f.size - 1, width = (ptrdiff_t)g->in[1];
    at->n = size_min(g->out[1], VF_LANES);
    at->ox = size_min(ox, g->out[1] - at->n);
    at->ix = (ptrdiff_t)(at->ox * (size_t)f.stride) - (ptrdiff_t)g->before[1];
    at->cut = at->n < VF_LANES || at->ix < 0 || at->ix + reach >= width;
    if (at->cut)
        UNROLL for (int j = 0; j < f.size; j++) UNROLL for (int s = 0; s < f.stride; s++)
        {
            ptrdiff_t first_lane = at->ix + j + s * VF_LANES;
            at->lanes[j][s] = vf_lanes(-first_lane, width - first_lane);
        }
}

/* A few columns of vectors, for all planes. */
static inline __attribute__((always_inline)) void
plane_columns(const conv2d_planes *p, plane_args t, plane_form f, const plane_place *places, size_t n)
{
    const conv2d_plane *g = p->g;
    const int taps = f.size * f.size;
    for (int i = 0; i < taps; i++)
        t.w[i] = 1.0f;
    for (size_t plane = 0; plane < p->n; plane++) {
        if (!f.largest)
            t.first = p->first ? vf_set1(p->first[plane]) : vf_zero();
        for (int i = 0; i < taps && p->w && !f.largest; i++)
            t.w[i] = p->w[plane * (size_t)taps + (size_t)i];
        for (size_t i = 0; i < n; i++) {
            if (places[i].cut)
                plane_column(&t, f, &places[i], true, p->row0, p->rows);
            else
                plane_column(&t, f, &places[i], false, p->row0, p->rows);
        }
        t.x += g->in[0] * g->in[1];
        t.y += g->out[0] * g->out[1];
    }
}

#define PLACES 8 /* max columns of vectors per pass over the planes */

static inline __attribute__((always_inline)) void plane_run(const conv2d_planes *p, plane_form f)
{
    plane_args t = {.g = p->g, .x = p->x, .y = p->y, .low = vf_set1(p->low), .high = vf_set1(p->high)};
    t.by_row = p->by_row;
    t.by_column = p->by_column;
    t.by = p->by;
    t.first = t.outside = f.largest ? vf_set1(-__builtin_inff()) : vf_zero();
    plane_place places[PLACES];
    for (size_t ox = 0, n = 0; ox < p->g->out[1]; ox += VF_LANES) {
        plane_find(p->g, ox, f, &places[n++]);
        if (n < PLACES && ox + VF_LANES < p->g->out[1])
            continue;
        plane_columns(p, t, f, places, n);
        n = 0;
    }
}

#define PLANE(name, size, stride, largest)                                                                   \
    static void name(const conv2d_planes *p)                                                                 \
    {                                                                                                        \
        plane_run(p, (plane_form){size, stride, largest});                                                   \
    }
PLANE(plane_sum_3_2, 3, 2, false)
PLANE(plane_sum_5_1, 5, 1, false)
PLANE(plane_sum_5_2, 5, 2, false)
PLANE(plane_sum_2_1, 2, 1, false)
PLANE(plane_sum_2_2, 2, 2, false)
PLANE(plane_largest_3_1, 3, 1, true)
PLANE(plane_largest_3_2, 3, 2, true)
PLANE(plane_largest_2_2, 2, 2, true)
#undef PLANE

static const conv2d_plane_row plane_rows[] = {
    {3, 1, false, plane_sum_3_1},    {3, 2, false, plane_sum_3_2},    {5, 1, false, plane_sum_5_1},
    {5, 2, false, plane_sum_5_2},    {2, 1, false, plane_sum_2_1},    {2, 2, false, plane_sum_2_2},
    {3, 1, true, plane_largest_3_1}, {3, 2, true, plane_largest_3_2}, {2, 2, true, plane_largest_2_2},
};
