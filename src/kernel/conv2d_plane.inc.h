/* Windows of a fixed size over single planes, for conv2d.inc.h: each column of vectors goes down the rows, a few of the
   output at once, so that a row of the image is loaded once for all rows that it is part of. What lies outside is never
   read: lanes beyond the borders are filled in. */

#define PLANE_ROWS 4 /* of the output at once */

typedef struct plane_args {
    const conv2d_plane *g;
    const float *x;    /* (in[0], in[1]) */
    float w[5 * 5];    /* (size, size) */
    vf first, outside; /* what sums begin with; the image outside itself */
    float *y;          /* (out[0], out[1]) */
} plane_args;

/* How a window is gathered. Constants where blocks are inlined. */
typedef struct plane_form {
    int size, stride; /* of windows, both ways */
    bool largest;     /* else a sum of products with w */
} plane_form;

/* Where a column of vectors stands. Constants but for `at` and the lanes where blocks are inlined. */
typedef struct plane_place {
    size_t ox;           /* of the output */
    ptrdiff_t ix;        /* of the image; may be outside */
    bool cut;            /* some lanes may lie outside */
    size_t n;            /* lanes that are stored */
    vf_mask lanes[5][2]; /* (size, stride): those inside where it is cut */
} plane_place;

/* Lanes at p, p + stride, ... for tap j of a row. */
static inline __attribute__((always_inline)) vf plane_load(const float *p, int stride, const plane_place *at,
                                                           int j, vf outside)
{
    if (stride == 1)
        return at->cut ? vf_load_lanes(p, at->lanes[j][0], outside) : vf_load(p);
    if (!at->cut)
        return vf_load_even(p);
    return vf_even(vf_load_lanes(p, at->lanes[j][0], outside),
                   vf_load_lanes(p + VF_LANES, at->lanes[j][1], outside));
}

/* One vector of columns of `rows` rows from oy on. */
static inline __attribute__((always_inline)) void plane_block(const plane_args *t, plane_form f,
                                                              const plane_place *at, size_t oy, int rows)
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
            UNROLL for (int j = 0; j < f.size; j++) v[j] = plane_load(row + j, f.stride, at, j, t->outside);
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
        if (at->cut)
            vf_store_n(y, sum[r], at->n);
        else
            vf_store(y, sum[r]);
    }
}

/* All rows of one vector of columns. What is left over of the rows is done again with those before it. */
static inline __attribute__((always_inline)) void
plane_column(const plane_args *t, plane_form f, const plane_place *at, size_t row0, size_t rows)
{
    size_t end = row0 + rows;
    if (rows < PLANE_ROWS) {
        for (size_t oy = row0; oy < end; oy++)
            plane_block(t, f, at, oy, 1);
        return;
    }
    for (size_t oy = row0; oy < end; oy += PLANE_ROWS)
        plane_block(t, f, at, size_min(oy, end - PLANE_ROWS), PLANE_ROWS);
}

static inline __attribute__((always_inline)) void plane_run(const conv2d_plane *g, const float *x,
                                                            const float *w, float first, float *y,
                                                            size_t row0, size_t rows, plane_form f)
{
    plane_args t = {.g = g, .x = x, .y = y};
    t.first = vf_set1(f.largest ? -__builtin_inff() : first);
    t.outside = f.largest ? t.first : vf_zero();
    for (int i = 0; i < f.size * f.size && !f.largest; i++)
        t.w[i] = w[i];
    size_t columns = g->out[1];
    ptrdiff_t reach = (VF_LANES - 1) * f.stride + f.size - 1, width = (ptrdiff_t)g->in[1];
    for (size_t ox = 0; ox < columns; ox += VF_LANES) {
        plane_place at = {.n = columns < VF_LANES ? columns : VF_LANES};
        at.ox = size_min(ox, columns - at.n);
        at.ix = (ptrdiff_t)(at.ox * (size_t)f.stride) - (ptrdiff_t)g->before[1];
        if (at.n == VF_LANES && at.ix >= 0 && at.ix + reach < width) {
            at.cut = false;
            plane_column(&t, f, &at, row0, rows);
            continue;
        }
        at.cut = true;
        UNROLL for (int j = 0; j < f.size; j++) UNROLL for (int s = 0; s < f.stride; s++)
        {
            ptrdiff_t first_lane = at.ix + j + s * VF_LANES;
            at.lanes[j][s] = vf_lanes(-first_lane, width - first_lane);
        }
        plane_column(&t, f, &at, row0, rows);
    }
}

#define PLANE(name, size, stride, largest)                                                                   \
    static void name(const conv2d_plane *g, const float *x, const float *w, float first, float *y,           \
                     size_t row0, size_t rows)                                                               \
    {                                                                                                        \
        plane_run(g, x, w, first, y, row0, rows, (plane_form){size, stride, largest});                       \
    }
PLANE(plane_sum_3_1, 3, 1, false)
PLANE(plane_sum_3_2, 3, 2, false)
PLANE(plane_sum_5_1, 5, 1, false)
PLANE(plane_sum_5_2, 5, 2, false)
PLANE(plane_sum_2_2, 2, 2, false)
PLANE(plane_largest_3_1, 3, 1, true)
PLANE(plane_largest_3_2, 3, 2, true)
PLANE(plane_largest_2_2, 2, 2, true)
#undef PLANE

static const conv2d_plane_row plane_rows[] = {
    {3, 1, false, plane_sum_3_1},    {3, 2, false, plane_sum_3_2},    {5, 1, false, plane_sum_5_1},
    {5, 2, false, plane_sum_5_2},    {2, 2, false, plane_sum_2_2},    {3, 1, true, plane_largest_3_1},
    {3, 2, true, plane_largest_3_2}, {2, 2, true, plane_largest_2_2},
};
