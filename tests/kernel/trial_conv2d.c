/* The inner loops of convolution, on integers small enough that floats sum them exactly in any order, and the
   conversion of sums to bytes. */
#include "base/size.h"
#include "trial.h"

#include <math.h>

/* Integers in -8 .. 8. */
static float *small_integers(trial *t, size_t n)
{
    float *x = trial_in(t, n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((int)trial_pick(t, 0, 16) - 8);
    return x;
}

/* Offsets of k rows of n floats in an image of *all floats; none extends past its end. */
static int32_t *offsets(trial *t, size_t k, size_t n, size_t *all)
{
    int32_t *at = trial_in(t, k, sizeof *at);
    *all = n + 100;
    for (size_t p = 0; p < k; p++)
        at[p] = (int32_t)(p == 0 ? 100 : trial_pick(t, 0, 100)); /* one ends at the end of the image */
    return at;
}

static void panel(trial *t)
{
    size_t m = t->bench ? t->k->conv2d.mr : trial_pick(t, 1, t->k->conv2d.mr),
           n = t->bench ? 512 : 1 + trial_length(t) % 300;
    size_t k = t->bench ? 64 : trial_pick(t, 1, 60), ldy = n + trial_pick(t, 0, 5), all;
    bool more = trial_pick(t, 0, 1);
    const int32_t *offset = offsets(t, k, n, &all);
    const float *a = small_integers(t, k * m + 16), *x = small_integers(t, all);
    const float *bias = !more && trial_pick(t, 0, 1) ? small_integers(t, m) : NULL;
    float *y = trial_out(t, sizeof *y, m, n, ldy, TRIAL_ALONE);
    for (size_t i = 0; i < m * n; i++)
        y[i / n * ldy + i % n] = (float)trial_pick(t, 0, 9);
    CALL(t, m * n * k, conv2d.panel(m, n, k, a, x, offset, bias, more, y, ldy));
    const float *before = trial_before(t, y);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double want = more ? (double)before[i * ldy + j] : bias ? (double)bias[i] : 0;
            for (size_t p = 0; p < k; p++)
                want += (double)a[p * m + i] * (double)x[(size_t)offset[p] + j];
            trial_expect(t, i * n + j, y[i * ldy + j], want, 0);
        }
}

static void spot(trial *t)
{
    const conv2d_kernels *c = &t->k->conv2d;
    size_t n = t->bench ? c->spots : trial_pick(t, 1, c->spots),
           nv = t->bench ? c->spot_vectors : trial_pick(t, 1, c->spot_vectors);
    conv2d_terms terms = {.runs = t->bench ? 8 : trial_pick(t, 1, 4), .run = t->bench ? 8 : t->round};
    terms.apart = terms.run + (t->bench ? 1 : trial_pick(t, 0, 3));
    size_t k = terms.runs * terms.apart, wide = nv * c->lanes, all;
    bool more = trial_pick(t, 0, 1);
    const int32_t *offset = terms.offset = offsets(t, k, 1, &all);
    const float *w = terms.w = small_integers(t, k * wide), *image = small_integers(t, all + 20);
    const float *x[16];
    assert_true(n <= COUNT(x));
    for (size_t i = 0; i < n; i++)
        x[i] = image + trial_pick(t, 0, 20);
    float *sums = trial_out(t, sizeof *sums, 1, n * wide, n * wide, TRIAL_ALONE);
    for (size_t i = 0; i < n * wide; i++)
        sums[i] = (float)trial_pick(t, 0, 9);
    CALL(t, n * wide * terms.runs * terms.run, conv2d.spot(n, nv, &terms, x, more, sums));
    const float *before = trial_before(t, sums);
    for (size_t i = 0; i < n * wide; i++) {
        double want = more ? (double)before[i] : 0;
        for (size_t p = 0; p < k; p++)
            if (p % terms.apart < terms.run)
                want += (double)x[i / wide][offset[p]] * (double)w[p * wide + i % wide];
        trial_expect(t, i, sums[i], want, 0);
    }
}

static double clamped(double x, float low, float high)
{
    return isnan(x) ? x : fmin((double)high, fmax((double)low, x));
}

static void store_features(trial *t)
{
    size_t lanes = t->k->conv2d.lanes, n = 1 + trial_length(t) % 100,
           m = t->bench ? 64 : trial_pick(t, 1, 50);
    conv2d_feature_sums g = {.width = size_ceil_div(m, lanes) * lanes,
                             .low = -0.5f,
                             .high = trial_pick(t, 0, 1) ? INFINITY : 0.5f};
    g.sums = trial_floats(t, size_ceil_div(n, lanes) * lanes * g.width, trial_fill_of(t));
    g.bias = trial_pick(t, 0, 1) ? trial_floats(t, m, FILL_UNIFORM) : NULL;
    g.ldy = n + trial_pick(t, 0, 5);
    g.y = trial_out(t, sizeof *g.y, m, n, g.ldy, TRIAL_ALONE);
    CALL(t, n * m, conv2d.store_features(&g, n, m));
    for (size_t f = 0; f < m; f++)
        for (size_t i = 0; i < n; i++) {
            float sum = g.sums[i * g.width + f];
            trial_expect(t, f * n + i, g.y[f * g.ldy + i],
                         clamped(g.bias ? sum + g.bias[f] : sum, g.low, g.high), 0);
        }
}

/* ---- Windows of one channel ---------------------------------------------------------------------------- */

static double larger(double a, double b)
{
    return isnan(a) || b <= a ? a : b;
}

static void windows(trial *t, bool largest)
{
    size_t n = trial_length(t), k = t->bench ? 9 : trial_pick(t, 1, 30), all;
    const int32_t *offset = offsets(t, k, n, &all);
    const float *x = largest ? trial_floats(t, all, trial_fill_of(t)) : small_integers(t, all);
    float *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_ALONE);
    if (largest)
        CALL(t, n * k, conv2d.largest(n, k, x, offset, y));
    else
        CALL(t, n * k, conv2d.total(n, k, x, offset, y));
    for (size_t j = 0; j < n; j++) {
        double want = largest ? -INFINITY : 0;
        for (size_t p = 0; p < k; p++) {
            double v = (double)x[(size_t)offset[p] + j];
            want = largest ? larger(want, v) : want + v;
        }
        trial_expect(t, j, y[j], want, 0);
    }
}

static void largest(trial *t)
{
    windows(t, true);
}

static void total(trial *t)
{
    windows(t, false);
}

/* Counts of elements, 1 .. 9. */
static float *counts(trial *t, size_t n)
{
    float *x = trial_in(t, n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)trial_pick(t, 1, 9);
    return x;
}

/* Windows of `high` runs of adjacent or, with runs of 1, arbitrary pixels, with the planes in the lanes. */
static void lanes(trial *t, bool max)
{
    static const size_t runs[] = {1, 3, 5, 7};
    size_t n = t->k->conv2d.lanes, high = t->bench ? 7 : trial_pick(t, 1, 7), all;
    conv2d_lanes p = {
        .rows = t->bench ? 14 : trial_pick(t, 1, 3), .step = trial_pick(t, 1, 2), .by = 3, .low = -30};
    p.run = max ? 1 : t->bench ? 7 : runs[trial_pick(t, 0, COUNT(runs) - 1)];
    p.columns = t->bench ? 14 : trial_pick(t, 1, 40);
    p.k = high * p.run;
    size_t pixels = (p.columns - 1) * p.step + p.run;
    p.x_row = trial_pick(t, 0, 50);
    int32_t *offset = offsets(t, p.k, (p.rows - 1) * p.x_row + pixels * n, &all);
    p.offset = offset;
    p.x = max ? trial_floats(t, all, trial_fill_of(t)) : small_integers(t, all);
    p.w = small_integers(t, p.k * n);
    p.first = small_integers(t, n);
    p.high = trial_pick(t, 0, 1) ? INFINITY : 20;
    if (trial_pick(t, 0, 1)) {
        p.by_row = counts(t, p.rows);
        p.by_column = counts(t, p.columns);
    }
    p.y = trial_out(t, sizeof *p.y, 1, p.rows * p.columns * n, p.rows * p.columns * n, TRIAL_ALONE);
    if (max)
        CALL(t, p.rows * p.columns * n * p.k, conv2d.lanes_largest(&p));
    else
        CALL(t, p.rows * p.columns * n * p.k, conv2d.lanes_sum(&p));
    for (size_t i = 0; i < p.rows * p.columns * n; i++) {
        size_t row = i / n / p.columns, column = i / n % p.columns, lane = i % n;
        double want = max ? -INFINITY : (double)p.first[lane];
        for (size_t k = 0; k < p.k; k++) {
            size_t pixel = column * p.step + k % p.run;
            double v = (double)p.x[row * p.x_row + pixel * n + lane + (size_t)offset[k / p.run * p.run]];
            want = max ? larger(want, v) : want + v * (double)p.w[k * n + lane];
        }
        if (!max && p.by_row)
            want = (double)((float)want / (p.by_column[column] * (p.by * p.by_row[row])));
        trial_expect(t, i, p.y[i], clamped(want, p.low, p.high), 0);
    }
}

static void lanes_sum(trial *t)
{
    lanes(t, false);
}

static void lanes_largest(trial *t)
{
    lanes(t, true);
}

static void shift(trial *t)
{
    size_t n = trial_length(t);
    float *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_VALUES), by = -0.3f;
    trial_fill_floats(t, y, n, trial_fill_of(t));
    CALL(t, n, conv2d.shift(by, n, y));
    const float *before = trial_before(t, y);
    for (size_t i = 0; i < n; i++)
        trial_expect(t, i, y[i], before[i] + by, 0);
}

static void clamp(trial *t)
{
    size_t n = trial_length(t);
    float *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_VALUES), low = -0.5f,
          high = trial_pick(t, 0, 1) ? INFINITY : 0.25f;
    trial_fill_floats(t, y, n, trial_fill_of(t));
    CALL(t, n, conv2d.clamp(low, high, n, y));
    const float *before = trial_before(t, y);
    for (size_t i = 0; i < n; i++)
        trial_expect(t, i, y[i], clamped((double)before[i], low, high), 0);
}

static void divide(trial *t)
{
    size_t n = trial_length(t);
    float *by = small_integers(t, n), *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_VALUES);
    for (size_t i = 0; i < n; i++)
        by[i] += 20;
    trial_fill_floats(t, y, n, trial_fill_of(t));
    CALL(t, n, conv2d.divide(by, 3, n, y));
    const float *before = trial_before(t, y);
    for (size_t i = 0; i < n; i++)
        trial_expect(t, i, y[i], before[i] / (by[i] * 3), 0);
}

static void every(trial *t)
{
    size_t n = trial_length(t), step = trial_pick(t, 1, 6);
    const float *x = trial_floats(t, n ? (n - 1) * step + 1 : 0, trial_fill_of(t));
    float *y = trial_out(t, sizeof *y, 1, n, n, 0);
    CALL(t, n, conv2d.every(x, step, n, y));
    for (size_t i = 0; i < n; i++)
        trial_expect_bits(t, "element", y + i, x + i * step, 1, sizeof *y);
}

static void surround(trial *t)
{
    conv2d_border b = {.rows = t->bench ? 14 : trial_pick(t, 0, 9), .n = t->bench ? 14 : trial_length(t)};
    size_t before = t->bench ? 1 : trial_pick(t, 0, 20), lanes = t->k->conv2d.lanes;
    b.pitch = b.n + before + (t->bench ? 1 : trial_pick(t, 0, 20));
    b.first = trial_pick(t, 0, 2) * b.pitch + before;
    b.x_row = b.n + trial_pick(t, 0, 3);
    b.all = b.first + b.rows * b.pitch + trial_pick(t, 0, 40);
    const float *x = trial_floats(t, b.rows ? (b.rows - 1) * b.x_row + b.n : 0, trial_fill_of(t));
    float *y = trial_out(t, sizeof *y, 1, b.all + lanes - 1, b.all + lanes - 1, TRIAL_ALONE);
    CALL(t, b.rows * b.n, conv2d.surround(&b, x, y));
    size_t from = 0;
    for (size_t r = 0; r < b.rows; r++, from = b.first + (r - 1) * b.pitch + b.n) {
        for (size_t i = from; i < b.first + r * b.pitch; i++)
            trial_expect(t, i, y[i], 0, 0);
        trial_expect_bits(t, "row", y + b.first + r * b.pitch, x + r * b.x_row, b.n, sizeof *y);
    }
    for (size_t i = from; i < b.all; i++)
        trial_expect(t, i, y[i], 0, 0);
}

/* Some rows of some planes, for every window that has its own kernel. */
static void planes(trial *t)
{
    const conv2d_plane_row *row = &t->k->conv2d.planes[t->round % t->k->conv2d.n_planes];
    size_t size = row->size, stride = row->stride, n = t->bench ? 8 : trial_pick(t, 1, 3);
    conv2d_plane g;
    for (int i = 0; i < 2; i++) {
        g.in[i] = t->bench ? 44 : trial_pick(t, size, 45);
        g.before[i] = t->bench ? size / 2 : trial_pick(t, 0, 2);
        g.out[i] = (g.in[i] + 2 * g.before[i] - size) / stride + 1;
    }
    size_t in = g.in[0] * g.in[1], out = g.out[0] * g.out[1];
    conv2d_planes p = {.g = &g, .n = n, .low = -30, .high = trial_pick(t, 0, 1) ? INFINITY : 20};
    p.row0 = trial_pick(t, 0, g.out[0] - 1);
    p.rows = t->bench ? g.out[0] : trial_pick(t, 1, g.out[0] - p.row0);
    p.row0 = t->bench ? 0 : p.row0;
    p.x = row->largest ? trial_floats(t, n * in, trial_fill_of(t)) : small_integers(t, n * in);
    p.w = trial_pick(t, 0, 2) ? small_integers(t, n * size * size) : NULL;
    p.first = trial_pick(t, 0, 1) ? small_integers(t, n) : NULL;
    if (trial_pick(t, 0, 2) == 0) {
        p.by_row = counts(t, g.out[0]);
        p.by_column = counts(t, g.out[1]);
        p.by = 3;
    }
    float *y = trial_out(t, sizeof *y, n, p.rows * g.out[1], out, TRIAL_ALONE);
    p.y = y - p.row0 * g.out[1];
    TIMED(t, n * p.rows * g.out[1], row->run(&p));
    for (size_t i = 0; i < n * p.rows * g.out[1]; i++) {
        size_t plane = i / (p.rows * g.out[1]), oy = p.row0 + i / g.out[1] % p.rows, ox = i % g.out[1];
        double want = row->largest ? -INFINITY : p.first ? (double)p.first[plane] : 0;
        for (size_t a = 0; a < size; a++)
            for (size_t b = 0; b < size; b++) {
                size_t iy = oy * stride + a - g.before[0], ix = ox * stride + b - g.before[1];
                if (iy >= g.in[0] || ix >= g.in[1])
                    continue;
                double v = (double)p.x[plane * in + iy * g.in[1] + ix];
                want = row->largest ? larger(want, v)
                                    : want + v * (p.w ? (double)p.w[(plane * size + a) * size + b] : 1);
            }
        if (!row->largest && p.by_row)
            want = (double)((float)want / (p.by_column[ox] * (p.by * p.by_row[oy])));
        trial_expect(t, i, p.y[plane * out + oy * g.out[1] + ox], clamped(want, p.low, p.high), 0);
    }
}

/* ---- Bytes --------------------------------------------------------------------------------------------- */

static int32_t zero_point(trial *t, bool is_signed)
{
    static const uint8_t often[] = {0, 128, 255, 127};
    uint8_t byte = trial_pick(t, 0, 1) ? often[trial_pick(t, 0, 3)] : (uint8_t)trial_pick(t, 0, 255);
    return is_signed ? (int8_t)byte : byte;
}

static void from_u8(trial *t)
{
    size_t n = trial_length(t);
    const uint8_t *x = trial_bytes(t, n, 1);
    int32_t zero = zero_point(t, false);
    float *y = trial_out(t, sizeof *y, 1, n, n, 0);
    CALL(t, n, conv2d.from_u8(x, zero, n, y));
    for (size_t i = 0; i < n; i++)
        trial_expect(t, i, y[i], x[i] - zero, 0);
}

static void from_s8(trial *t)
{
    size_t n = trial_length(t);
    const int8_t *x = trial_bytes(t, n, 1);
    int32_t zero = zero_point(t, true);
    float *y = trial_out(t, sizeof *y, 1, n, n, 0);
    CALL(t, n, conv2d.from_s8(x, zero, n, y));
    for (size_t i = 0; i < n; i++)
        trial_expect(t, i, y[i], x[i] - zero, 0);
}

static void add_integers(trial *t)
{
    size_t n = trial_length(t);
    bool add = trial_pick(t, 0, 1);
    const float *x = small_integers(t, n);
    int32_t *y = trial_out(t, sizeof *y, 1, n, n, 0);
    for (size_t i = 0; i < n; i++)
        y[i] = (int32_t)trial_pick(t, 0, 1000);
    CALL(t, n, conv2d.add_integers(x, n, y, add));
    const int32_t *before = trial_before(t, y);
    for (size_t i = 0; i < n; i++)
        trial_expect(t, i, y[i], (add ? before[i] : 0) + (double)x[i], 0);
}

/* A sum whose product with the scale is near a half, or a random one. */
static int32_t hostile_sum(trial *t, double scale)
{
    double near = ((double)trial_pick(t, 0, 600) - 300.5) / scale;
    if (trial_pick(t, 0, 3) == 0 || !(fabs(near) < 2e9))
        return (int32_t)check_u64(&t->r);
    return (int32_t)near + (int32_t)trial_pick(t, 0, 2) - 1;
}

typedef struct to_bytes {
    size_t n;
    int32_t *sums, bias, zero;
    uint32_t *less;
    double scale;
} to_bytes;

static to_bytes sums_of(trial *t, bool is_signed)
{
    static const double scales[] = {1.0,      0.5, 0.99, -0.25, 0x1p-15, 0x1p-16, 0x1p-20, 0.75,
                                    0x1.8p-9, 3.0, 1e-9, 1e-40, -0.013,  0.1,     700.0,   0x1.000002p-7};
    to_bytes b = {.n = trial_length(t), .zero = zero_point(t, is_signed)};
    b.scale = trial_pick(t, 0, 1) ? scales[trial_pick(t, 0, COUNT(scales) - 1)]
                                  : check_uniform(&t->r) * pow(10.0, -(double)trial_pick(t, 0, 6));
    b.scale = t->bench ? 0.0137 : b.scale;
    b.bias = trial_pick(t, 0, 1) ? (int32_t)trial_pick(t, 0, 2000) - 1000 : 0;
    b.sums = trial_in(t, b.n, sizeof *b.sums);
    b.less = trial_bytes(t, b.n, sizeof *b.less);
    for (size_t i = 0; i < b.n; i++)
        b.sums[i] = (int32_t)((uint32_t)hostile_sum(t, b.scale) - (uint32_t)b.bias);
    return b;
}

/* Checks the bytes of the sums; `less` is subtracted first if `off`. */
static void expect_bytes(const trial *t, const to_bytes *b, bool off, const void *y, bool is_signed)
{
    for (size_t i = 0; i < b->n; i++) {
        int32_t sum = (int32_t)((uint32_t)b->sums[i] - (off ? b->less[i] : 0) + (uint32_t)b->bias);
        double want = rint((double)sum * b->scale) + b->zero;
        double got = is_signed ? ((const int8_t *)y)[i] : ((const uint8_t *)y)[i];
        trial_expect(t, i, got, is_signed ? fmin(127, fmax(-128, want)) : fmin(255, fmax(0, want)), 0);
    }
}

static void to_u8(trial *t)
{
    to_bytes b = sums_of(t, false);
    uint8_t *y = trial_out(t, 1, 1, b.n, b.n, 0);
    CALL(t, b.n, conv2d.to_u8(b.sums, b.bias, b.scale, b.zero, b.n, y));
    expect_bytes(t, &b, false, y, false);
}

static void to_s8(trial *t)
{
    to_bytes b = sums_of(t, true);
    int8_t *y = trial_out(t, 1, 1, b.n, b.n, 0);
    CALL(t, b.n, conv2d.to_s8(b.sums, b.bias, b.scale, b.zero, b.n, y));
    expect_bytes(t, &b, false, y, true);
}

static void less_to_u8(trial *t)
{
    to_bytes b = sums_of(t, false);
    uint8_t *y = trial_out(t, 1, 1, b.n, b.n, 0);
    for (size_t i = 0; i < b.n; i++)
        b.sums[i] = (int32_t)((uint32_t)b.sums[i] + b.less[i]);
    CALL(t, b.n, conv2d.less_to_u8(b.sums, b.less, b.bias, b.scale, b.zero, b.n, y));
    expect_bytes(t, &b, true, y, false);
}

static void less_to_s8(trial *t)
{
    to_bytes b = sums_of(t, true);
    int8_t *y = trial_out(t, 1, 1, b.n, b.n, 0);
    for (size_t i = 0; i < b.n; i++)
        b.sums[i] = (int32_t)((uint32_t)b.sums[i] + b.less[i]);
    CALL(t, b.n, conv2d.less_to_s8(b.sums, b.less, b.bias, b.scale, b.zero, b.n, y));
    expect_bytes(t, &b, true, y, true);
}

static void less_to_s32(trial *t)
{
    to_bytes b = sums_of(t, false);
    int32_t *y = trial_out(t, sizeof *y, 1, b.n, b.n, 0);
    CALL(t, b.n, conv2d.less_to_s32(b.sums, b.less, b.bias, b.n, y));
    for (size_t i = 0; i < b.n; i++)
        trial_expect(t, i, y[i], (int32_t)((uint32_t)b.sums[i] - b.less[i] + (uint32_t)b.bias), 0);
}

static const trial_row rows[] = {
    DATA(conv2d.mr),
    DATA(conv2d.nr),
    DATA(conv2d.lanes),
    DATA(conv2d.vectors),
    ENTRY(conv2d.panel, panel),
    DATA(conv2d.spots),
    DATA(conv2d.spot_vectors),
    ENTRY(conv2d.spot, spot),
    ENTRY(conv2d.store_features, store_features),
    OFTEN(800, conv2d.lanes_sum, lanes_sum, NULL),
    OFTEN(400, conv2d.lanes_largest, lanes_largest, NULL),
    ENTRY(conv2d.largest, largest),
    ENTRY(conv2d.total, total),
    ENTRY(conv2d.clamp, clamp),
    ENTRY(conv2d.shift, shift),
    ENTRY(conv2d.divide, divide),
    ENTRY(conv2d.from_u8, from_u8),
    ENTRY(conv2d.from_s8, from_s8),
    ENTRY(conv2d.add_integers, add_integers),
    ENTRY(conv2d.to_u8, to_u8),
    ENTRY(conv2d.to_s8, to_s8),
    ENTRY(conv2d.less_to_u8, less_to_u8),
    ENTRY(conv2d.less_to_s8, less_to_s8),
    ENTRY(conv2d.less_to_s32, less_to_s32),
    OFTEN(800, conv2d.planes, planes, NULL),
    DATA(conv2d.n_planes),
    ENTRY(conv2d.every, every),
    ENTRY(conv2d.surround, surround),
};
const trial_family family_conv2d = {"conv2d", rows, COUNT(rows)};
