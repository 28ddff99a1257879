/* Windows with the planes in the lanes, for conv2d.inc.h: a few pixels of a row at once, so that each vector of
   weights and of the image is loaded once for all products of a row of the windows. CONV2D_VECTORS of
   kernel/levels: vector registers. */

/* Max pixels of a row at once: their sums stay in registers beside the weights of a row of windows and an
   element of the image. With stride 2 there are fewer, since hardly any element serves several of them. */
#define MOST_PIXELS              14
#define LANES_PIXELS(step, free) ((step) == 2 && (free) > 8 ? 8 : (free) > MOST_PIXELS ? MOST_PIXELS : (free))

/* Constants where tiles are inlined. */
typedef struct lanes_form {
    int step, run; /* run: adjacent terms */
    bool largest;
} lanes_form;

/* n pixels of row r from column j on. n is a constant. */
static inline __attribute__((always_inline)) void lanes_tile(const conv2d_lanes *t, size_t r, size_t j, int n,
                                                             lanes_form f)
{
    const float *x = t->x + r * t->x_row + j * (size_t)f.step * VF_LANES, *w = t->w;
    float *y = t->y + (r * t->columns + j) * VF_LANES;
    vf sum[MOST_PIXELS], by[7], low = vf_set1(t->low), high = vf_set1(t->high);
    UNROLL for (int i = 0; i < n; i++) sum[i] = f.largest ? vf_set1(-__builtin_inff()) : vf_load(t->first);
    for (size_t p = 0; p < t->k; p += (size_t)f.run, w += f.run * VF_LANES) {
        const float *at = x + t->offset[p];
        UNROLL for (int q = 0; q < f.run; q++) by[q] = f.largest ? vf_zero() : vf_load(w + q * VF_LANES);
        UNROLL for (int c = 0; c < (n - 1) * f.step + f.run; c++)
        {
            if (c % f.step >= f.run)
                continue;
            vf v = vf_load(at + c * VF_LANES);
            UNROLL for (int q = c % f.step; q < f.run; q += f.step)
            {
                int i = (c - q) / f.step;
                if (q <= c && i < n)
                    sum[i] = f.largest ? larger(sum[i], v) : vf_fma(v, by[q], sum[i]);
            }
        }
    }
    if (!f.largest && t->by_row)
        UNROLL for (int i = 0; i < n; i++) sum[i] =
            vf_div(sum[i], vf_set1(t->by_column[j + (size_t)i] * (t->by * t->by_row[r])));
    UNROLL for (int i = 0; i < n; i++) vf_store(y + i * VF_LANES, vf_min(high, vf_max(low, sum[i])));
}

/* Rows are cut into equal pieces. */
static inline __attribute__((always_inline)) void lanes_rows(const conv2d_lanes *t, lanes_form f)
{
    const int most = LANES_PIXELS(f.step, CONV2D_VECTORS - 1 - f.run);
    size_t pieces = size_ceil_div(t->columns, (size_t)most);
    for (size_t r = 0; r < t->rows; r++)
        for (size_t piece = 0; piece < pieces; piece++) {
            size_t j = t->columns * piece / pieces, n = t->columns * (piece + 1) / pieces - j;
            UNROLL for (int i = 1; i <= most; i++) if (i == (int)n) lanes_tile(t, r, j, i, f);
        }
}

#define LANES(run)                                                                                           \
    static void lanes_sum_##run(const conv2d_lanes *t)                                                       \
    {                                                                                                        \
        if (t->step == 1)                                                                                    \
            lanes_rows(t, (lanes_form){1, run, false});                                                      \
        else                                                                                                 \
            lanes_rows(t, (lanes_form){2, run, false});                                                      \
    }
LANES(1)
LANES(3)
LANES(5)
LANES(7)
#undef LANES

static void conv2d_lanes_sum(const conv2d_lanes *t)
{
    (t->run == 7 ? lanes_sum_7 : t->run == 5 ? lanes_sum_5 : t->run == 3 ? lanes_sum_3 : lanes_sum_1)(t);
}

static void conv2d_lanes_largest(const conv2d_lanes *t)
{
    if (t->step == 1)
        lanes_rows(t, (lanes_form){1, 1, true});
    else
        lanes_rows(t, (lanes_form){2, 1, true});
}
