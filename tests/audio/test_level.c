#include "check.h"

#include <math.h>
#include <sibyl/audio.h>

#define N 1000

TEST(counts_and_sums)
{
    float x[N];
    check_random r = {7};
    double sum = 0, squares = 0, peak = 0;
    for (int i = 0; i < N; i++) {
        x[i] = (float)(0.5 * check_uniform(&r)) + 0.1f;
        sum += x[i];
        squares += (double)x[i] * x[i];
        peak = fmax(peak, fabs((double)x[i]));
    }
    sib_audio_report report;
    sib_audio_inspect(x, N, &report);
    assert_int_equal(report.n_samples, N);
    if (!(fabs(report.rms - sqrt(squares / N)) <= 1e-12) || !(fabs(report.dc_offset - sum / N) <= 1e-12) ||
        !(report.peak == peak))
        fail_msg("rms %g, mean %g, peak %g", report.rms, report.dc_offset, report.peak);
    assert_true(report.dc && !report.silent && !report.clipped);
    assert_true(report.first_bad == UINT64_MAX && report.n_nan == 0 && report.n_infinite == 0);
}

TEST(bad_samples_are_left_out_of_the_sums)
{
    float x[] = {0.5f, NAN, -0.5f, INFINITY, -INFINITY, NAN, 0.5f, -0.5f};
    sib_audio_report report;
    sib_audio_inspect(x, 8, &report);
    assert_int_equal(report.n_nan, 2);
    assert_int_equal(report.n_infinite, 2);
    assert_int_equal(report.first_bad, 1);
    assert_true(report.peak == 0.5 && report.rms == 0.5 && report.dc_offset == 0 && !report.dc);
    sib_audio_inspect(x + 1, 1, &report);
    assert_true(report.rms == 0 && report.peak == 0 && report.first_bad == 0);
}

TEST(clipping_is_runs_at_full_scale)
{
    const float top = 32767.0f / 32768;
    struct {
        float x[6];
        uint64_t clipped;
    } cases[] = {
        {{0, top, 0, top, 0, 0}, 0},       {{top, top, 0, -1, -1, -1}, 5},
        {{top, -top, top, 1, top, -1}, 0}, {{0.99f, 0.99f, 0.99f, 0, 0, 0}, 0},
        {{0, 0, 0, 0, 2, 2}, 2},           {{NAN, NAN, 1, 1, NAN, 0}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_audio_report report;
        sib_audio_inspect(cases[i].x, 6, &report);
        if (report.n_clipped != cases[i].clipped || report.clipped != (cases[i].clipped > 0))
            fail_msg("case %zu: %llu clipped", i, (unsigned long long)report.n_clipped);
    }
}

/* Parts that cut runs of silence and of clipped samples give the report of all samples. */
TEST(parts_add_up)
{
    const float values[] = {0, 1, 1, 1, 0, 0, -1, -1, 0.25f, NAN, 1, INFINITY, INFINITY};
    check_random r = {3};
    float x[200];
    for (size_t i = 0; i < 200; i++)
        x[i] = values[check_u64(&r) % 13];
    sib_audio_report want;
    sib_audio_inspect(x, 200, &want);
    for (size_t part = 1; part < 40; part++) {
        sib_audio_meter meter = {0};
        for (size_t at = 0; at < 200; at += part)
            sib_audio_meter_add(&meter, x + at, 200 - at < part ? 200 - at : part);
        const sib_audio_report *got = &meter.report;
        assert_true(got->n_samples == 200 && got->peak == want.peak && got->rms == want.rms &&
                    got->dc_offset == want.dc_offset && got->n_nan == want.n_nan &&
                    got->n_infinite == want.n_infinite && got->first_bad == want.first_bad &&
                    got->n_clipped == want.n_clipped && got->longest_silence == want.longest_silence &&
                    got->silent == want.silent && got->clipped == want.clipped && got->dc == want.dc);
    }
}

TEST(silence_is_counted_in_runs)
{
    const float step = 1.0f / 32768;
    float x[] = {0, step, -step, 0.5f, 0, 0, 2 * step, 0};
    sib_audio_report report;
    sib_audio_inspect(x, 8, &report);
    assert_int_equal(report.longest_silence, 3);
    assert_false(report.silent);
    sib_audio_inspect(x, 3, &report);
    assert_true(report.silent && report.longest_silence == 3);
    sib_audio_inspect(NULL, 0, &report);
    assert_true(report.silent && report.n_samples == 0 && report.rms == 0 && !report.dc && !report.clipped);
    assert_true(report.first_bad == UINT64_MAX);
}

TEST(normalize_reaches_the_target)
{
    float x[N];
    sib_error err = SIB_ERROR_INIT;
    for (int level = SIB_LEVEL_PEAK; level <= SIB_LEVEL_RMS; level++)
        for (double target = 1e-6; target < 1e4; target *= 10) {
            check_random r = {11};
            for (int i = 0; i < N; i++)
                x[i] = (float)(0.01 * check_uniform(&r));
            CHECK_OK(sib_audio_normalize(x, N, (sib_level)level, target, &err), err);
            sib_audio_report report;
            sib_audio_inspect(x, N, &report);
            double is = level == SIB_LEVEL_PEAK ? report.peak : report.rms;
            if (!(fabs(is - target) <= 1e-6 * target))
                fail_msg("level %d, target %g: got %g", level, target, is);
        }
    float tiny[] = {1e-45f, -1e-45f};
    CHECK_OK(sib_audio_normalize(tiny, 2, SIB_LEVEL_RMS, 0.5, &err), err);
    assert_true(tiny[0] == 0.5f && tiny[1] == -0.5f);
}

TEST(normalize_refuses_and_changes_nothing)
{
    sib_error err = SIB_ERROR_INIT;
    float silent[3] = {0, -0.0f, 0}, bad[4] = {1, 2, NAN, INFINITY}, loud[2] = {1e-30f, 2};
    CHECK_OK(sib_audio_normalize(silent, 3, SIB_LEVEL_RMS, 1, &err), err);
    CHECK_OK(sib_audio_normalize(NULL, 0, SIB_LEVEL_PEAK, 1, &err), err);
    assert_true(silent[0] == 0 && silent[2] == 0);
    CHECK_FAILS(sib_audio_normalize(bad, 4, SIB_LEVEL_PEAK, 1, &err), SIB_ERR_VALUE, err, "sample 2");
    CHECK_FAILS(sib_audio_normalize(bad, 4, SIB_LEVEL_PEAK, 0, &err), SIB_ERR_ARGUMENT, err, "0");
    CHECK_FAILS(sib_audio_normalize(bad, 4, SIB_LEVEL_PEAK, -1, &err), SIB_ERR_ARGUMENT, err, "-1");
    CHECK_FAILS(sib_audio_normalize(bad, 4, SIB_LEVEL_PEAK, NAN, &err), SIB_ERR_ARGUMENT, err, "nan");
    CHECK_FAILS(sib_audio_normalize(bad, 4, SIB_LEVEL_PEAK, INFINITY, &err), SIB_ERR_ARGUMENT, err, "inf");
    CHECK_FAILS(sib_audio_normalize(bad, 4, (sib_level)9, 1, &err), SIB_ERR_ARGUMENT, err, "9");
    CHECK_FAILS(sib_audio_normalize(loud, 2, SIB_LEVEL_RMS, 3e38, &err), SIB_ERR_ARGUMENT, err, "3e+38");
    assert_true(bad[0] == 1 && bad[1] == 2 && loud[1] == 2);
}
