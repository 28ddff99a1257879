/* Samples at another rate, piece by piece. */
#include "check_memory.h"

#include <math.h>
#include <sibyl/audio.h>

#define N 24000

/* A second of tones and noise. */
static void fill(float *x)
{
    check_random r = {7};
    for (size_t i = 0; i < N; i++)
        x[i] = (float)(0.5 * sin(0.05 * (double)i) + 0.2 * check_uniform(&r));
}

/* Passes samples in pieces of `piece`, and their end; returns how many came out. */
static size_t run(sib_resampler *r, const float *x, size_t n, size_t piece, float *out, size_t max,
                  size_t block)
{
    sib_error err = SIB_ERROR_INIT;
    size_t used, got, total = 0;
    for (size_t i = 0; i < n; i += piece) {
        size_t m = n - i < piece ? n - i : piece, done = 0;
        do {
            CHECK_OK(sib_resampler_run(r, x + i + done, m - done, &used, out + total,
                                       max - total < block ? max - total : block, &got, &err),
                     err);
            done += used;
            total += got;
        } while (done < m || got);
    }
    do {
        CHECK_OK(sib_resampler_run(r, NULL, 0, &used, out + total, max - total < block ? max - total : block,
                                   &got, &err),
                 err);
        assert_int_equal(used, 0);
        total += got;
    } while (got);
    return total;
}

TEST(pieces_do_not_change_the_result)
{
    static const struct {
        int32_t from, to;
    } rates[] = {{24000, 16000}, {16000, 16000}, {8000, 16000}, {44100, 16000}, {48000, 8000}};
    float *x = malloc(N * sizeof *x), *whole = malloc(4 * N * sizeof *x), *other = malloc(4 * N * sizeof *x);
    fill(x);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        for (int keep = 0; keep < 2; keep++) {
            sib_error err = SIB_ERROR_INIT;
            sib_resampler *r = NULL;
            CHECK_OK(sib_resampler_create(rates[i].from, rates[i].to, keep, &r, &err), err);
            size_t n = run(r, x, N, N, whole, 4 * N, 4 * N);
            double expected = (double)N * rates[i].to / rates[i].from;
            assert_true(fabs((double)n - expected) <= 40);
            static const size_t pieces[] = {1, 7, 480, 5000};
            for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) /* the same object begins anew */
            {
                assert_int_equal(run(r, x, N, pieces[k], other, 4 * N, 1 + 100 * k), n);
                assert_memory_equal(other, whole, n * sizeof *whole);
            }
            sib_resampler_free(&r);
            assert_null(r);
        }
    free(x);
    free(whole);
    free(other);
}

TEST(the_same_rate_keeps_sixteen_bits)
{
    static float x[65536], y[65536];
    for (int i = 0; i < 65536; i++)
        x[i] = (float)(i - 32768) / 32768.0f;
    sib_error err = SIB_ERROR_INIT;
    sib_resampler *r = NULL;
    CHECK_OK(sib_resampler_create(16000, 16000, false, &r, &err), err);
    assert_int_equal(run(r, x, 65536, 1000, y, 65536, 65536), 65536);
    assert_memory_equal(x, y, sizeof x);
    sib_resampler_free(&r);
}

TEST(nothing_gives_nothing)
{
    sib_error err = SIB_ERROR_INIT;
    sib_resampler *r = NULL;
    size_t used = 9, got = 9;
    float out[4], in[1] = {0};
    CHECK_OK(sib_resampler_create(24000, 16000, false, &r, &err), err);
    CHECK_OK(sib_resampler_run(r, in, 0, &used, out, 4, &got, &err), err);
    assert_true(used == 0 && got == 0);
    CHECK_OK(sib_resampler_run(r, NULL, 0, &used, out, 4, &got, &err), err);
    assert_true(used == 0 && got == 0);
    sib_resampler_free(&r);
    sib_resampler_free(&r);
    sib_resampler_free(NULL);
}

TEST(refuses_rates_and_samples)
{
    sib_error err = SIB_ERROR_INIT;
    sib_resampler *r = NULL;
    CHECK_FAILS(sib_resampler_create(3999, 16000, false, &r, &err), SIB_ERR_ARGUMENT, err, "3999");
    CHECK_FAILS(sib_resampler_create(-1, 16000, false, &r, &err), SIB_ERR_ARGUMENT, err, "-1");
    CHECK_FAILS(sib_resampler_create(16000, 768001, false, &r, &err), SIB_ERR_ARGUMENT, err, "wanted");
    assert_null(r);
    CHECK_OK(sib_resampler_create(24000, 16000, false, &r, &err), err);
    float in[3] = {0, NAN, INFINITY}, out[8];
    size_t used, got;
    CHECK_FAILS(sib_resampler_run(r, in, 3, &used, out, 8, &got, &err), SIB_ERR_VALUE, err,
                "sample 1 is NaN");
    CHECK_FAILS(sib_resampler_run(r, in + 2, 1, &used, out, 8, &got, &err), SIB_ERR_VALUE, err, "infinite");
    assert_true(used == 0 && got == 0);
    sib_resampler_free(&r);
}

static sib_code make(sib_error *err)
{
    sib_resampler *r = NULL;
    sib_code code = sib_resampler_create(24000, 16000, false, &r, err);
    sib_resampler_free(&r);
    return code;
}

TEST(allocations_may_fail)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(make(&err), (void)0);
}
