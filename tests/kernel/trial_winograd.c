/* The transforms of 3 x 3 convolution against the Toom-Cook matrices of their points, and pixels to lanes and
   back. */
#include "trial.h"
#include "winograd_matrices.h"

/* The product (rows, n) X (n, n) (n, rows) for one lane. size: the same of magnitudes. */
static double both_ways(const double *left, const double *right, const float *x, size_t n, size_t row,
                        size_t step, double *size)
{
    double sum = 0;
    *size = 0;
    for (size_t k = 0; k < n; k++)
        for (size_t l = 0; l < n; l++) {
            double term = left[k] * (double)x[k * row + l * step] * right[l];
            sum += term;
            *size += fabs(term);
        }
    return sum;
}

#define UNITS (64 * 0x1p-24)

static void forms(trial *t)
{
    const conv2d_winograd_kernels *k = &t->k->conv2d_winograd;
    const conv2d_winograd_form *form = &k->forms[t->round / 2 % k->n_forms];
    size_t m = form->m, n = m + 2, lanes = k->lanes, apart = lanes * trial_pick(t, 1, 3);
    winograd_matrices a = winograd_matrices_of(m);
    for (size_t i = 0; i < n && m == 2; i++)
        a.in[0][i] = -a.in[0][i]; /* the sign that the weights use */
    if (t->round % 2) {
        size_t row = n * lanes + trial_pick(t, 0, 5);
        const float *x = trial_floats(t, (n - 1) * row + n * lanes, FILL_UNIFORM);
        float *to = trial_out(t, sizeof *to, n * n, lanes, apart, TRIAL_ALONE);
        TIMED(t, n * n * lanes, form->in(x, row, to, apart));
        for (size_t i = 0; i < n * n * lanes; i++) {
            size_t place = i / lanes, lane = i % lanes;
            double size, want = both_ways(a.in[place / n], a.in[place % n], x + lane, n, row, lanes, &size);
            trial_expect(t, i, to[place * apart + lane], want, UNITS * size);
        }
        return;
    }
    size_t row = m * lanes + trial_pick(t, 0, 5);
    const float *x = trial_floats(t, (n * n - 1) * apart + lanes, FILL_UNIFORM),
                *bias = trial_floats(t, lanes, FILL_UNIFORM);
    float *to = trial_out(t, sizeof *to, m, m * lanes, row, TRIAL_ALONE);
    TIMED(t, m * m * lanes, form->out(x, apart, bias, to, row));
    for (size_t i = 0; i < m * m * lanes; i++) {
        size_t pixel = i / lanes, lane = i % lanes;
        double size,
            want = both_ways(a.out[pixel / m], a.out[pixel % m], x + lane, n, n * apart, apart, &size);
        trial_expect(t, i, to[pixel / m * row + pixel % m * lanes + lane], want + (double)bias[lane],
                     UNITS * (size + 1));
    }
}

static void to_channels_last(trial *t)
{
    size_t lanes = t->k->conv2d_winograd.lanes, channels = t->bench ? lanes : trial_pick(t, 1, lanes);
    size_t n = 1 + trial_length(t) % 200, plane = n + trial_pick(t, 0, 5);
    const float *x = trial_floats(t, (channels - 1) * plane + n, FILL_UNIFORM);
    float *to = trial_out(t, sizeof *to, 1, n * lanes, n * lanes, TRIAL_ALONE);
    float *sizes = trial_out(t, sizeof *sizes, 1, n, n, TRIAL_ALONE);
    trial_fill_floats(t, sizes, n, FILL_UNIFORM);
    CALL(t, n * lanes, conv2d_winograd.to_channels_last(x, plane, channels, n, to, sizes));
    const float *before = trial_before(t, sizes);
    for (size_t j = 0; j < n; j++) {
        double size = (double)before[j];
        for (size_t c = 0; c < lanes; c++) {
            float want = c < channels ? x[c * plane + j] : 0;
            size += fabs((double)want);
            trial_expect(t, j * lanes + c, to[j * lanes + c], want, 0);
        }
        trial_expect(t, j, sizes[j], size, 2e-6 * (size + 1));
    }
}

static void gather(trial *t)
{
    size_t lanes = t->k->conv2d_winograd.lanes, features = t->bench ? lanes : trial_pick(t, 1, lanes);
    size_t n = 1 + trial_length(t) % 200, plane = n + trial_pick(t, 0, 5);
    const float *from = trial_floats(t, n * lanes, FILL_HOSTILE);
    float *y = trial_out(t, sizeof *y, features, n, plane, TRIAL_ALONE);
    CALL(t, n * features, conv2d_winograd.gather(from, n, features, y, plane));
    for (size_t f = 0; f < features; f++)
        for (size_t j = 0; j < n; j++)
            trial_expect_bits(t, "pixel", y + f * plane + j, from + j * lanes + f, 1, sizeof *y);
}

static const trial_row rows[] = {
    DATA(conv2d_winograd.lanes),           ENTRY(conv2d_winograd.forms, forms),
    DATA(conv2d_winograd.n_forms),         ENTRY(conv2d_winograd.to_channels_last, to_channels_last),
    ENTRY(conv2d_winograd.gather, gather),
};
const trial_family family_conv2d_winograd = {"conv2d_winograd", rows, COUNT(rows)};
