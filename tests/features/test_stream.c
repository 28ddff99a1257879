/* Streaming gives the same bits as the entire recording, whatever the pieces. */
#include "reference.h"

#include <float.h>
#include <sibyl/timing.h>

/* Pushes x and pulls into y (n_mels, frames), both in random pieces. Returns the number of frames pulled. */
static size_t run_stream(const sib_mel *mel, const float *x, size_t n, float *y, size_t frames,
                         check_random *r, float *maximum)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_stream *stream;
    CHECK_OK(sib_mel_stream_create(mel, &stream, &err), err);
    assert_true(sib_mel_stream_maximum(stream) == -INFINITY);
    size_t at = 0, done = 0, got;
    bool ended = false;
    while (true) {
        if (at < n) {
            size_t want = check_u64(r) % 5000, taken;
            want = want < n - at ? want : n - at;
            CHECK_OK(sib_mel_stream_push(stream, x + at, want, &taken, &err), err);
            assert_int_equal(taken, want);
            at += taken;
        } else if (!ended) {
            CHECK_OK(sib_mel_stream_end(stream, &err), err);
            CHECK_OK(sib_mel_stream_end(stream, &err), err);
            ended = true;
        }
        size_t max = check_u64(r) % 40;
        max = max < frames - done ? max : frames - done;
        CHECK_OK(sib_mel_stream_pull(stream, y + done, max, frames, &got, &err), err);
        done += got;
        if (ended && (done == frames || (got == 0 && max > 0)))
            break;
    }
    CHECK_OK(sib_mel_stream_pull(stream, y, frames ? 1 : 0, frames, &got, &err), err);
    assert_int_equal(got, 0);
    *maximum = sib_mel_stream_maximum(stream);
    sib_mel_stream_free(&stream);
    assert_null(stream);
    return done;
}

TEST(equal_bits)
{
    enum { N = 50000 };
    static float x[N];
    ref_speechlike(x, N, 0.7, 11);
    check_random r = {5};
    const char *names[] = {"whisper", "librosa", "kaldi", "whisper"};
    for (size_t p = 0; p < 4; p++) {
        sib_mel_spec spec;
        sib_error err = SIB_ERROR_INIT;
        sib_mel *mel;
        CHECK_OK(sib_mel_spec_preset(names[p], 0, &spec, &err), err);
        if (p == 3) { /* hops longer than the window: samples between frames are dropped */
            spec.hop_length = 1777;
            spec.framing = SIB_FRAMING_CENTER_ZERO;
        }
        CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
        const size_t lengths[] = {2049, 3000, 3001, 16000, 31999, N};
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            uint64_t bands, frames;
            CHECK_OK(sib_mel_shape(mel, lengths[i], &bands, &frames, &err), err);
            float *whole = malloc(bands * frames * sizeof *whole), *y = malloc(bands * frames * sizeof *y),
                  maximum;
            CHECK_OK(sib_mel_compute(mel, NULL, x, lengths[i], 0, whole, frames, &err), err);
            assert_int_equal(run_stream(mel, x, lengths[i], y, frames, &r, &maximum), frames);
            sib_mel_finish(mel, maximum, y, frames, frames);
            assert_memory_equal(whole, y, bands * frames * sizeof *y);
            free(whole), free(y);
        }
        sib_mel_free(&mel);
    }
}

/* Pulls finished frames, in random pieces. Returns their number. */
static size_t run_finished(const sib_mel *mel, float maximum, const float *x, size_t n, float *y,
                           size_t frames, check_random *r)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_stream *stream;
    CHECK_OK(sib_mel_stream_create(mel, &stream, &err), err);
    size_t done = 0;
    for (size_t at = 0, taken, got = 1, max = 1; at < n || got || !max; at += taken) {
        const size_t want = check_u64(r) % 90000;
        taken = 0;
        if (at < n)
            CHECK_OK(sib_mel_stream_push(stream, x + at, want < n - at ? want : n - at, &taken, &err), err);
        if (at + taken == n)
            CHECK_OK(sib_mel_stream_end(stream, &err), err);
        max = check_u64(r) % 700;
        max = max < frames - done ? max : frames - done + 1;
        CHECK_OK(sib_mel_stream_pull_finished(stream, maximum, y + done, max, frames + 1, &got, &err), err);
        assert_true(got <= max);
        done += got;
    }
    sib_mel_stream_free(&stream);
    return done;
}

/* With the maximum of the recording, finished frames are those of the entire recording, smoothed ones too. */
TEST(finished_frames)
{
    enum { N = 300000 };
    static float x[N];
    ref_speechlike(x, N, 0.7, 12);
    check_random r = {6};
    const char *names[] = {"whisper", "kaldi"};
    const size_t lengths[] = {1000, 1300, 16000, 41600, N};
    for (size_t i = 0; i < 2 * 3 * 5; i++) {
        const size_t n = lengths[i / 6];
        sib_mel_spec spec;
        sib_error err = SIB_ERROR_INIT;
        sib_mel *mel, *plain;
        uint64_t bands, frames, all_bands, all_frames;
        CHECK_OK(sib_mel_spec_preset(names[i % 2], 0, &spec, &err), err);
        CHECK_OK(sib_mel_create(&spec, NULL, &plain, &err), err);
        spec.smooth = (sib_smooth)(i / 2 % 3);
        CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
        CHECK_OK(sib_mel_shape(mel, n, &bands, &frames, &err), err);
        CHECK_OK(sib_mel_shape(plain, n, &all_bands, &all_frames, &err), err);
        float *whole = malloc(bands * frames * sizeof *whole), *y = malloc(bands * (frames + 1) * sizeof *y),
              *all = malloc(all_bands * all_frames * sizeof *all), maximum = -INFINITY;
        CHECK_OK(sib_mel_compute(mel, NULL, x, n, 0, whole, frames, &err), err);
        CHECK_OK(sib_mel_compute(plain, NULL, x, n, 0, all, all_frames, &err), err);
        for (size_t k = 0; k < all_bands * all_frames; k++)
            maximum = all[k] > maximum ? all[k] : maximum;
        assert_int_equal(run_finished(mel, maximum, x, n, y, frames, &r), frames);
        for (size_t b = 0; b < bands; b++)
            assert_memory_equal(whole + b * frames, y + b * (frames + 1), frames * sizeof *y);
        free(whole), free(y), free(all);
        sib_mel_free(&mel), sib_mel_free(&plain);
    }
}

/* Without the maximum, each frame is clamped by those up to it, whatever the pieces. */
TEST(running_maximum)
{
    enum { N = 40000, FRAMES = N / 160 };
    static float x[N], raw[80 * FRAMES], want[80 * FRAMES], got[80 * (FRAMES + 1)];
    ref_speechlike(x, N, 0.7, 13);
    check_random r = {7};
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    sib_mel *mel;
    float maximum, running = -INFINITY;
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    spec.smooth = SIB_SMOOTH_SAME;
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    assert_int_equal(run_stream(mel, x, N, raw, FRAMES, &r, &maximum), FRAMES);
    for (size_t t = 0; t < FRAMES; t++) {
        for (size_t m = 0; m < 80; m++)
            running = fmaxf(running, raw[m * FRAMES + t]);
        sib_mel_finish(mel, running, raw + t, 1, FRAMES);
    }
    CHECK_OK(sib_smooth3x3(SIB_SMOOTH_SAME, raw, 80, FRAMES, FRAMES, want, FRAMES, &err), err);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(run_finished(mel, NAN, x, N, got, FRAMES, &r), FRAMES);
        for (size_t m = 0; m < 80; m++)
            assert_memory_equal(want + m * FRAMES, got + m * (FRAMES + 1), FRAMES * sizeof *got);
    }
    sib_mel_free(&mel);
}

TEST(finished_refusals)
{
    static float x[2000], y[80 * 20];
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    sib_mel *mel;
    sib_mel_stream *stream;
    size_t taken, got;
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    spec.smooth = SIB_SMOOTH_VALID;
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_OK(sib_mel_stream_create(mel, &stream, &err), err);
    CHECK_OK(sib_mel_stream_push(stream, x, 400, &taken, &err), err);
    CHECK_FAILS(sib_mel_stream_pull_finished(stream, 0, y, 20, 19, &got, &err), SIB_ERR_SIZE, err,
                "row_stride");
    CHECK_OK(sib_mel_stream_end(stream, &err), err);
    CHECK_FAILS(sib_mel_stream_pull_finished(stream, 0, y, 20, 20, &got, &err), SIB_ERR_VALUE, err,
                "3 frames");
    sib_mel_stream_free(&stream);
    CHECK_OK(sib_mel_stream_create(mel, &stream, &err), err);
    CHECK_OK(sib_mel_stream_push(stream, x, 2000, &taken, &err), err);
    CHECK_OK(sib_mel_stream_pull(stream, y, 3, 20, &got, &err), err);
    CHECK_FAILS(sib_mel_stream_pull_finished(stream, 0, y, 20, 20, &got, &err), SIB_ERR_ARGUMENT, err,
                "finished");
    sib_mel_stream_free(&stream);
    sib_mel_free(&mel);
}

TEST(refusals)
{
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    sib_mel *mel;
    sib_mel_stream *stream;
    static float x[1000], y[80 * 8];
    size_t taken, got;
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_OK(sib_mel_stream_create(mel, &stream, &err), err);
    CHECK_FAILS(sib_mel_stream_end(stream, &err), SIB_ERR_VALUE, err, "no samples");
    CHECK_OK(sib_mel_stream_push(stream, x, 200, &taken, &err), err);
    CHECK_OK(sib_mel_stream_pull(stream, y, 8, 8, &got, &err), err);
    assert_int_equal(got, 0);
    CHECK_FAILS(sib_mel_stream_end(stream, &err), SIB_ERR_VALUE, err, "201");
    x[7] = NAN;
    CHECK_FAILS(sib_mel_stream_push(stream, x, 100, &taken, &err), SIB_ERR_VALUE, err, "sample 207 is NaN");
    CHECK_FAILS(sib_mel_stream_pull(stream, y, 8, 7, &got, &err), SIB_ERR_SIZE, err, "row_stride is 7");
    x[7] = 0;
    CHECK_OK(sib_mel_stream_push(stream, x, 100, &taken, &err), err);
    CHECK_OK(sib_mel_stream_end(stream, &err), err);
    CHECK_FAILS(sib_mel_stream_push(stream, x, 1, &taken, &err), SIB_ERR_ARGUMENT, err, "after the end");
    sib_mel_stream_free(&stream);
    sib_mel_free(&mel);
}

/* Ten hours, with at most 64 MiB held, and at most 64 MiB more resident than before. */
TEST(ten_hours)
{
    enum { PIECE = 160000 };
    static float x[PIECE], y[80 * 2000];
    const size_t seconds = getenv("SIBYL_QUICK") ? 600 : 36000;
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    sib_mel *mel;
    sib_mel_stream *stream;
    ref_speechlike(x, PIECE, 0.5, 12);
    sib_memory before, after;
    sib_memory_usage(&before);
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_OK(sib_mel_stream_create(mel, &stream, &err), err);
    uint64_t frames = 0;
    for (size_t s = 0; s < seconds; s += 10) {
        size_t taken, got;
        CHECK_OK(sib_mel_stream_push(stream, x, PIECE, &taken, &err), err);
        assert_int_equal(taken, PIECE);
        do {
            CHECK_OK(sib_mel_stream_pull(stream, y, 2000, 2000, &got, &err), err);
            frames += got;
        } while (got);
    }
    size_t got;
    CHECK_OK(sib_mel_stream_end(stream, &err), err);
    CHECK_OK(sib_mel_stream_pull(stream, y, 2000, 2000, &got, &err), err);
    assert_int_equal(frames + got, seconds * 100);
    sib_alloc_counters counters;
    sib_alloc_counters_get(&counters);
    sib_memory_usage(&after);
    assert_true(counters.bytes_peak < 64 << 20);
    assert_true(after.resident_peak < before.resident_peak + (64 << 20));
    sib_mel_stream_free(&stream);
    sib_mel_free(&mel);
}

TEST(a_full_buffer_takes_no_more)
{
    enum { N = 3 << 20 };
    float *x = calloc(N, sizeof *x), *y = malloc(80 * 30000 * sizeof *y);
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    sib_mel *mel;
    sib_mel_stream *stream;
    size_t taken, got, at = 0, frames = 0;
    ref_speechlike(x, N, 0.5, 13);
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_OK(sib_mel_stream_create(mel, &stream, &err), err);
    CHECK_OK(sib_mel_stream_push(stream, x, N, &taken, &err), err);
    assert_true(taken > 500000 && taken < N);
    for (at = taken; at < N; at += taken) {
        CHECK_OK(sib_mel_stream_pull(stream, y, 30000, 30000, &got, &err), err);
        assert_true(got > 0);
        frames += got;
        CHECK_OK(sib_mel_stream_push(stream, x + at, N - at, &taken, &err), err);
        assert_true(taken > 0);
    }
    CHECK_OK(sib_mel_stream_end(stream, &err), err);
    CHECK_OK(sib_mel_stream_pull(stream, y, 30000, 30000, &got, &err), err);
    assert_int_equal(frames + got, N / 160);
    sib_mel_stream_free(&stream);
    sib_mel_free(&mel);
    free(x), free(y);
}
