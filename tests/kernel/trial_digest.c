/* Statistics of floats for digests, against definitions in double. */
#include "base/size.h"
#include "trial.h"

#include <float.h>
#include <math.h>

static size_t block_length(trial *t)
{
    return size_max(1, size_min(trial_length(t), DIGEST_BLOCK));
}

/* Rows of any length, with the sums of their columns and without. */
static void scan(trial *t)
{
    size_t rows = 1 + (size_t)t->round % 4, n = size_max(1, block_length(t) / rows), all = rows * n,
           zeros = 0;
    const float *x = trial_floats(t, all, trial_fill_of(t));
    const bool adds = t->round % 3;
    digest_scan got;
    float *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_VALUES);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)i;
    CALL(t, all, digest.scan(x, rows, n, adds ? y : NULL, &got));
    double low = INFINITY, high = -INFINITY, sum = 0, size = 0, squares = 0;
    bool finite = true;
    for (size_t i = 0; i < all; i++) {
        finite &= isfinite(x[i]) != 0;
        low = fmin(low, (double)x[i]);
        high = fmax(high, (double)x[i]);
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
        size += fabs((double)x[i]);
        zeros += x[i] == 0;
    }
    if (!finite || size < (double)FLT_MAX) /* sums overflow in one order and not in another */
        trial_expect(t, 0, got.finite, finite, 0);
    if (finite && got.finite) {
        trial_expect(t, 0, (double)got.min, low, 0);
        trial_expect(t, 0, (double)got.max, high, 0);
        trial_expect(t, 0, (double)got.zeros, (double)zeros, 0);
        if (size < (double)FLT_MAX)
            trial_expect(t, 0, (double)got.sum, sum, 2e-5 * size + 1e-37);
        if (squares < 1e38)
            trial_expect(t, 0, (double)got.squares, squares, 2e-5 * squares + 1e-37);
    }
    for (size_t i = 0; i < n; i++) {
        float want = (float)i;
        for (size_t r = 0; r < rows && adds; r++)
            want += x[r * n + i];
        trial_expect(t, i, (double)y[i], (double)want, 0);
    }
}

/* Floats whose squares are normal. */
static const float *plain_floats(trial *t, size_t n)
{
    return trial_floats(t, n, t->round % 2 ? FILL_SHIFTED : FILL_UNIFORM);
}

static void squares(trial *t)
{
    size_t n = trial_length(t);
    const float *x = plain_floats(t, n);
    float mean = n ? x[n / 2] : 0, *y = trial_out(t, sizeof *y, 1, 1, 1, TRIAL_ALONE);
    CALL_TO(t, n, *y, digest.squares(x, n, mean));
    double want = 0;
    for (size_t i = 0; i < n; i++)
        want += ((double)x[i] - (double)mean) * ((double)x[i] - (double)mean);
    trial_expect(t, 0, (double)*y, want, 1e-4 * want + 1e-30);
}

static void sum(trial *t)
{
    size_t n = trial_length(t);
    const float *x = plain_floats(t, n);
    float *y = trial_out(t, sizeof *y, 1, 1, 1, TRIAL_ALONE);
    CALL_TO(t, n, *y, digest.sum(x, n));
    double want = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        want += (double)x[i];
        size += fabs((double)x[i]);
    }
    trial_expect(t, 0, (double)*y, want, 1e-4 * size);
}

static void add(trial *t)
{
    size_t n = trial_length(t), rows = 1 + (size_t)t->round % 4;
    const float *x = trial_floats(t, rows * n, trial_fill_of(t));
    float *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_VALUES);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)i;
    CALL(t, rows * n, digest.add(x, rows, n, y));
    for (size_t i = 0; i < n; i++) {
        float want = (float)i;
        for (size_t r = 0; r < rows; r++)
            want += x[r * n + i];
        trial_expect(t, i, (double)y[i], (double)want, 0);
    }
}

static void fold(trial *t)
{
    const size_t rows = 1 + (size_t)t->round % DIGEST_SIDE, n = size_max(1, size_min(trial_length(t), 512));
    const size_t n_cells = size_min(n, DIGEST_SIDE);
    const float *x = plain_floats(t, rows * n);
    double *sums = trial_out(t, sizeof *sums, 1, rows * DIGEST_SIDE, rows * DIGEST_SIDE, TRIAL_ALONE);
    size_t at[DIGEST_SIDE], first[DIGEST_SIDE + 1];
    for (size_t r = 0; r < rows; r++)
        at[r] = (rows - 1 - r) * n;
    for (size_t j = 0; j <= n_cells; j++)
        first[j] = size_ceil_div(j * n, n_cells);
    for (size_t i = 0; i < rows * DIGEST_SIDE; i++)
        sums[i] = (double)i;
    CALL(t, rows * n, digest.fold(x, at, rows, first, n_cells, (double(*)[DIGEST_SIDE])sums));
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < DIGEST_SIDE; j++) {
            double want = (double)(r * DIGEST_SIDE + j), size = want;
            for (size_t i = first[size_min(j, n_cells)]; j < n_cells && i < first[j + 1]; i++) {
                want += (double)x[at[r] + i];
                size += fabs((double)x[at[r] + i]);
            }
            trial_expect(t, r * DIGEST_SIDE + j, sums[r * DIGEST_SIDE + j], want, 1e-5 * size);
        }
}

static void bins(trial *t)
{
    size_t n = trial_length(t);
    const float *x = trial_floats(t, n, FILL_UNIFORM);
    uint32_t *y = trial_out(t, sizeof *y, 1, 64, 64, 0), want[64];
    /* some are out of range */
    const float low = t->round % 3 ? -1.0f : -0.5f, scale = t->round % 3 ? 32.0f : 50.0f;
    for (size_t i = 0; i < 64; i++)
        y[i] = want[i] = (uint32_t)i;
    CALL(t, n, digest.bins(x, n, low, scale, y));
    for (size_t i = 0; i < n; i++) {
        float place = truncf((x[i] - low) * scale);
        want[place > 63 ? 63 : place > 0 ? (size_t)place : 0]++;
    }
    trial_expect_bits(t, "counts", y, want, 64, sizeof *y);
}

static const trial_row rows[] = {
    ENTRY(digest.scan, scan), ENTRY(digest.squares, squares), ENTRY(digest.sum, sum),
    ENTRY(digest.add, add),   ENTRY(digest.fold, fold),       ENTRY(digest.bins, bins),
};
const trial_family family_digest = {"digest", rows, COUNT(rows)};
