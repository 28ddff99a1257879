/* Sums over windows of 3 x 3 at stride 1 over single planes, for conv2d.inc.h: a few adjacent vectors proceed
   down the rows. Every element of a row of the image is loaded once; taps on the left and right are made of
   neighbouring vectors, since unaligned loads would cross cache lines and compete with the sums. */

#define SPAN_ROWS    4 /* rows of the output at once */
#define SPAN_VECTORS 3 /* max adjacent vectors */

/* Neighbouring vectors of columns. */
typedef struct span {
    size_t ox, n;                /* first column of the output; lanes stored of the last vector */
    ptrdiff_t ix;                /* of the image, for the middle tap; may be out of range */
    bool cut;                    /* some lanes are out of range, or not stored */
    bool left, right;            /* the image continues on that side of the span */
    vf_mask lanes[SPAN_VECTORS]; /* those in range, where `cut` */
} span;

typedef struct span_args {
    const conv2d_plane *g;
    const float *x; /* (in[0], in[1]) */
    float w[9];     /* (3, 3) */
    vf first, low, high;
    const float *by_row, *by_column;
    float by;
    float *y; /* (out[0], out[1]) */
} span_args;

static const float span_padding;

/* Loads row `row` of the image as taps[j][i]: the operand of vector i of columns at column j of the
   window. */
static inline __attribute__((always_inline)) void span_load(const float *row, const span *at, int nv,
                                                            bool cut, vf taps[3][SPAN_VECTORS])
{
    const float *x = row + at->ix;
    UNROLL for (int i = 0; i < nv; i++) taps[1][i] =
        cut ? vf_load_lanes(x + i * VF_LANES, at->lanes[i], vf_zero()) : vf_load(x + i * VF_LANES);
    vf left = vf_set1(*(at->left ? x - 1 : &span_padding));
    vf right = vf_set1(*(at->right ? x + nv * VF_LANES : &span_padding));
    UNROLL for (int i = 0; i < nv; i++)
    {
        taps[0][i] = vf_after(i ? taps[1][i - 1] : left, taps[1][i]);
        taps[2][i] = vf_before(taps[1][i], i + 1 < nv ? taps[1][i + 1] : right);
    }
}

/* `rows` rows from oy on. */
static inline __attribute__((always_inline)) void span_block(const span_args *t, const span *at, size_t oy,
                                                             int rows, int nv, bool cut)
{
    ptrdiff_t height = (ptrdiff_t)t->g->in[0], width = (ptrdiff_t)t->g->in[1];
    ptrdiff_t iy = (ptrdiff_t)oy - (ptrdiff_t)t->g->before[0];
    size_t columns = t->g->out[1];
    vf sum[SPAN_ROWS][SPAN_VECTORS];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int i = 0; i < nv; i++) sum[r][i] = t->first;
    UNROLL for (int y = 0; y < rows + 2; y++)
    {
        vf taps[3][SPAN_VECTORS];
        UNROLL for (int j = 0; j < 3; j++) UNROLL for (int i = 0; i < nv; i++) taps[j][i] = vf_zero();
        if (iy + y >= 0 && iy + y < height)
            span_load(t->x + (iy + y) * width, at, nv, cut, taps);
        UNROLL for (int j = 0; j < 3; j++) UNROLL for (int r = 0; r < rows; r++)
        {
            if (y - r < 0 || y - r >= 3)
                continue;
            vf w = vf_set1(t->w[(y - r) * 3 + j]);
            UNROLL for (int i = 0; i < nv; i++) sum[r][i] = vf_fma(taps[j][i], w, sum[r][i]);
        }
    }
    float *to = t->y + oy * columns + at->ox;
    UNROLL for (int r = 0; r < rows; r++, to += columns) UNROLL for (int i = 0; i < nv; i++)
    {
        bool tail = cut && i + 1 == nv && at->n < VF_LANES;
        if (t->by_row) {
            const float *by = t->by_column + at->ox + i * VF_LANES;
            sum[r][i] = vf_div(sum[r][i], vf_mul(tail ? vf_load_n(by, at->n) : vf_load(by),
                                                 vf_set1(t->by * t->by_row[oy + (size_t)r])));
        }
        vf result = vf_min(t->high, vf_max(t->low, sum[r][i]));
        if (tail)
            vf_store_n(to + i * VF_LANES, result, at->n);
        else
            vf_store(to + i * VF_LANES, result);
    }
}

/* All rows of a span. The remaining rows are computed together with some before them. */
static inline __attribute__((always_inline)) void span_run(const span_args *t, const span *at, size_t row0,
                                                           size_t rows, int nv, bool cut)
{
    size_t end = row0 + rows;
    if (rows < SPAN_ROWS)
        for (size_t oy = row0; oy < end; oy++)
            span_block(t, at, oy, 1, nv, cut);
    else
        for (size_t oy = row0; oy < end; oy += SPAN_ROWS)
            span_block(t, at, size_min(oy, end - SPAN_ROWS), SPAN_ROWS, nv, cut);
}

/* One span of all planes. */
static inline __attribute__((always_inline)) void span_planes(const conv2d_planes *p, const span *at, int nv,
                                                              bool cut)
{
    const conv2d_plane *g = p->g;
    span_args t = {.g = g, .x = p->x, .y = p->y, .low = vf_set1(p->low), .high = vf_set1(p->high)};
    t.by_row = p->by_row;
    t.by_column = p->by_column;
    t.by = p->by;
    for (int i = 0; i < 9; i++)
        t.w[i] = 1.0f;
    for (size_t plane = 0; plane < p->n; plane++) {
        t.first = p->first ? vf_set1(p->first[plane]) : vf_zero();
        if (p->w)
            memcpy(t.w, p->w + plane * 9, sizeof t.w);
        span_run(&t, at, p->row0, p->rows, nv, cut);
        t.x += g->in[0] * g->in[1];
        t.y += g->out[0] * g->out[1];
    }
}

/* nv vectors of columns from ox on. */
static span span_at(const conv2d_plane *g, size_t ox, size_t nv)
{
    ptrdiff_t width = (ptrdiff_t)g->in[1], reach = (ptrdiff_t)(nv * VF_LANES);
    span at = {.ox = ox};
    at.n = size_min(g->out[1] - ox - (nv - 1) * VF_LANES, VF_LANES);
    at.ix = (ptrdiff_t)ox + 1 - (ptrdiff_t)g->before[1];
    at.left = at.ix > 0 && at.ix <= width;
    at.right = at.ix + reach >= 0 && at.ix + reach < width;
    at.cut = at.n < VF_LANES || at.ix < 0 || at.ix + reach > width;
    for (size_t i = 0; i < nv; i++) {
        ptrdiff_t first = at.ix + (ptrdiff_t)(i * VF_LANES);
        at.lanes[i] = vf_lanes(-first, width - first);
    }
    return at;
}

static void plane_sum_3_1(const conv2d_planes *p)
{
    size_t vectors = size_ceil_div(p->g->out[1], VF_LANES), spans = size_ceil_div(vectors, SPAN_VECTORS);
    for (size_t i = 0; i < spans; i++) {
        size_t begin = vectors * i / spans, nv = vectors * (i + 1) / spans - begin;
        span at = span_at(p->g, begin * VF_LANES, nv);
        UNROLL for (int v = 1; v <= SPAN_VECTORS; v++) if (v == (int)nv)
        {
            if (at.cut)
                span_planes(p, &at, v, true);
            else
                span_planes(p, &at, v, false);
        }
    }
}
