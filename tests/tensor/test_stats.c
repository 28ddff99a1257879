#include "support.h"

static sib_stats stats_of(sib_dtype d, const void *data, int64_t n, uint64_t *histogram, size_t bins,
                          double lo, double hi)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    sib_stats s;
    CHECK_OK(sib_tensor_wrap(d, 1, &n, NULL, (void *)data, NULL, NULL, &t, &err), err);
    CHECK_OK(sib_tensor_stats(t, &s, histogram, bins, lo, hi, &err), err);
    sib_tensor_free(&t);
    assert_int_equal(s.count, n);
    return s;
}

#define CHECK_NEAR(got, want, relative)                                                                      \
    do {                                                                                                     \
        double check_got = (got), check_want = (want);                                                       \
        if (!(fabs(check_got - check_want) <= (relative)*fabs(check_want)))                                  \
            fail_msg("%s is %.17g, expected %.17g", #got, check_got, check_want);                            \
    } while (0)

TEST(counts_and_moments)
{
    const float x[] = {1, 2, 3, 4, NAN, INFINITY, -INFINITY, 0, -0.0f, NAN};
    sib_stats s = stats_of(SIB_F32, x, 10, NULL, 0, 0, 0);
    assert_true(s.n_nan == 2 && s.n_inf == 2 && s.n_zero == 2 && isinf(s.min) && s.min < 0 && isinf(s.max) &&
                s.max > 0);
    CHECK_NEAR(s.mean, 10.0 / 6, 1e-15);
    CHECK_NEAR(s.std, sqrt(30.0 / 6 - 100.0 / 36), 1e-15);
    s = stats_of(SIB_F32, x, 4, NULL, 0, 0, 0);
    assert_true(s.min == 1 && s.max == 4 && s.mean == 2.5);
    CHECK_NEAR(s.std, sqrt(1.25), 1e-15);
    s = stats_of(SIB_F32, x, 0, NULL, 0, 0, 0);
    assert_true(isnan(s.min) && isnan(s.max) && isnan(s.mean) && isnan(s.std));
    s = stats_of(SIB_F32, x + 4, 1, NULL, 0, 0, 0);
    assert_true(isnan(s.min) && isnan(s.max) && isnan(s.mean) && isnan(s.std) && s.n_nan == 1);
    s = stats_of(SIB_F32, x + 4, 3, NULL, 0, 0, 0);
    assert_true(isinf(s.min) && isinf(s.max) && isnan(s.mean) && isnan(s.std) && s.n_inf == 2);
    s = stats_of(SIB_F32, x, 1, NULL, 0, 0, 0);
    assert_true(s.mean == 1 && s.std == 0 && s.min == 1 && s.max == 1);
}

TEST(extremes_do_not_overflow_or_vanish)
{
    const double huge[] = {1.7e308, 1.7e308, -1.7e308, 1.7e308}, tiny[] = {1e-310, 3e-310},
                 far[] = {1e16, 1e16 + 2};
    sib_stats s = stats_of(SIB_F64, huge, 4, NULL, 0, 0, 0);
    CHECK_NEAR(s.mean, 0.85e308, 1e-15);
    CHECK_NEAR(s.std, 1.7e308 * sqrt(0.75), 1e-15);
    s = stats_of(SIB_F64, tiny, 2, NULL, 0, 0, 0);
    CHECK_NEAR(s.mean, 2e-310, 1e-13); /* subnormal: fewer bits */
    CHECK_NEAR(s.std, 1e-310, 1e-13);
    s = stats_of(SIB_F64, far, 2, NULL, 0, 0, 0);
    assert_true(s.mean == 1e16 + 1 || s.mean == 1e16); /* the mean is not representable */
    enum { N = 100003 };
    float *many = malloc(N * sizeof *many);
    check_random random = {1};
    long double sum = 0, squares = 0;
    for (size_t i = 0; i < N; i++)
        sum += many[i] = (float)(1000 + check_uniform(&random));
    for (size_t i = 0; i < N; i++)
        squares += ((long double)many[i] - sum / N) * ((long double)many[i] - sum / N);
    s = stats_of(SIB_F32, many, N, NULL, 0, 0, 0);
    CHECK_NEAR(s.mean, (double)(sum / N), 1e-15);
    CHECK_NEAR(s.std, (double)sqrtl(squares / N), 1e-12);
    for (size_t i = 0; i < N; i++)
        many[i] = 0.1f;
    s = stats_of(SIB_F32, many, N, NULL, 0, 0, 0);
    assert_true(s.mean == (double)0.1f && s.std == 0);
    free(many);
}

TEST(other_types)
{
    const uint8_t bits[] = {0x1B}; /* 3, 2, 1, 0 */
    sib_stats s = stats_of(SIB_U2, bits, 4, NULL, 0, 0, 0);
    assert_true(s.min == 0 && s.max == 3 && s.mean == 1.5 && s.n_zero == 1);
    const bool truth[] = {true, false, true};
    s = stats_of(SIB_BOOL, truth, 3, NULL, 0, 0, 0);
    CHECK_NEAR(s.mean, 2.0 / 3, 1e-15);
    const float complex[] = {3, 4, 0, 0, NAN, 1, INFINITY, 0};
    s = stats_of(SIB_C64, complex, 4, NULL, 0, 0, 0);
    assert_true(s.n_zero == 1 && s.n_nan == 1 && s.n_inf == 1 && s.min == 0 && isinf(s.max) && s.mean == 2.5);
    const int64_t longs[] = {INT64_MIN, INT64_MAX};
    s = stats_of(SIB_I64, longs, 2, NULL, 0, 0, 0);
    assert_true(s.min == -0x1p63 && s.max == 0x1p63 && s.mean == 0 && s.std == 0x1p63);
}

static void check_bins(const uint64_t *got, const uint64_t *want, size_t bins)
{
    for (size_t i = 0; i < bins; i++)
        if (got[i] != want[i])
            fail_msg("bin %zu holds %d, expected %d", i, (int)got[i], (int)want[i]);
}

TEST(histograms)
{
    const double x[] = {0, 0.25, 0.5, 0.75, 1, 1.0000001, -0.0000001, NAN, INFINITY, -INFINITY, 0.2499999};
    uint64_t h[8];
    stats_of(SIB_F64, x, 11, h, 4, 0, 1);
    check_bins(h, (uint64_t[]){2, 1, 1, 2}, 4);
    stats_of(SIB_F64, x, 11, h, 1, 0, 1);
    check_bins(h, (uint64_t[]){6}, 1);
    stats_of(SIB_F64, x, 5, h, 4, 0, 0); /* the range is that of the values */
    check_bins(h, (uint64_t[]){1, 1, 1, 2}, 4);
    stats_of(SIB_F64, x, 5, h, 4, 3, -3);
    check_bins(h, (uint64_t[]){1, 1, 1, 2}, 4);
    stats_of(SIB_F64, x, 5, h, 2, -8, -4);
    check_bins(h, (uint64_t[]){0, 0}, 2);
    stats_of(SIB_F64, x + 7, 2, h, 2, 0, 0);
    check_bins(h, (uint64_t[]){0, 0}, 2);
    const double same[] = {2, 2, 2, INFINITY};
    stats_of(SIB_F64, same, 4, h, 3, 0, 0);
    check_bins(h, (uint64_t[]){0, 0, 3}, 3);
    const double wide[] = {-1.7e308, -1, 1, 1.7e308};
    stats_of(SIB_F64, wide, 4, h, 2, 0, 0);
    check_bins(h, (uint64_t[]){2, 2}, 2);
    const double tenths[] = {0.1, 0.3, 0.6, 0.7, 0.9, 1};
    uint64_t ten[10];
    stats_of(SIB_F64, tenths, 6, ten, 10, 0,
             1); /* 0.3, 0.6 and 0.7 are less than the decimals they are written as */
    check_bins(ten, (uint64_t[]){0, 1, 1, 0, 0, 1, 1, 0, 0, 2}, 10);
}

/* Each bin counts the values between its edges. */
TEST(random_histograms)
{
    check_random random = {4};
    static double x[2000];
    static uint64_t h[SIB_HISTOGRAM_MAX];
    static const size_t sizes[] = {1, 2, 3, 7, 100, SIB_HISTOGRAM_MAX};
    for (int round = 0; round < 30; round++) {
        double lo = 10 * check_uniform(&random), hi = lo + ldexp(1 + check_uniform(&random), round - 20);
        size_t bins = sizes[round % 6];
        for (size_t i = 0; i < 2000; i++)
            x[i] = i % 4 ? lo + (hi - lo) * check_uniform(&random) * 1.1
                         : lo + (double)(check_u64(&random) % (bins + 1)) * ((hi - lo) / (double)bins);
        stats_of(SIB_F64, x, 2000, h, bins, lo, hi);
        for (size_t b = 0; b < bins; b++) {
            double left = lo + (double)b * ((hi - lo) / (double)bins),
                   right = lo + (double)(b + 1) * ((hi - lo) / (double)bins);
            uint64_t n = 0;
            for (size_t i = 0; i < 2000; i++)
                n += x[i] >= left && (b + 1 < bins ? x[i] < right : x[i] <= hi);
            if (h[b] != n)
                fail_msg("round %d, bin %zu of %zu: %d, expected %d", round, b, bins, (int)h[b], (int)n);
        }
    }
}

TEST(strided_and_refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t, *view, *strings;
    sib_stats s;
    uint64_t h[2];
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){40, 30}, &t, &err), err);
    for (int64_t i = 0; i < 1200; i++)
        CHECK_OK(sib_tensor_set(t, (int64_t[]){i / 30, i % 30}, (double)(i % 30), &err), err);
    CHECK_OK(sib_tensor_slice(t, 1, 29, 1, 1, &view, &err), err);
    CHECK_OK(sib_tensor_stats(view, &s, NULL, 0, 0, 0, &err), err);
    assert_true(s.count == 40 && s.min == 29 && s.max == 29 && s.std == 0);
    CHECK_FAILS(sib_tensor_stats(t, &s, h, SIB_HISTOGRAM_MAX + 1, 0, 1, &err), SIB_ERR_ARGUMENT, err, "4097");
    CHECK_FAILS(sib_tensor_stats(t, &s, NULL, 2, 0, 1, &err), SIB_ERR_ARGUMENT, err, "histogram");
    CHECK_FAILS(sib_tensor_stats(t, &s, h, 2, NAN, 1, &err), SIB_ERR_ARGUMENT, err, "nan");
    CHECK_FAILS(sib_tensor_stats(t, &s, h, 2, 0, INFINITY, &err), SIB_ERR_ARGUMENT, err, "inf");
    CHECK_FAILS(sib_tensor_stats(NULL, &s, NULL, 0, 0, 0, &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_OK(sib_tensor_create(SIB_STRING, 0, NULL, &strings, &err), err);
    CHECK_FAILS(sib_tensor_stats(strings, &s, NULL, 0, 0, 0, &err), SIB_ERR_ARGUMENT, err, "strings");
    sib_tensor_free(&t), sib_tensor_free(&view), sib_tensor_free(&strings);
}
