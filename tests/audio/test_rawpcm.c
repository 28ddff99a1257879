/* Raw PCM from standard input, which each case replaces by a file or a pipe. */
#include "media.h"

#include <fcntl.h>
#include <math.h>

/* Loads "-" with `bytes` of `data` on standard input; through a pipe (at most 64 KiB) if `piped`. */
static sib_code load(const void *data, size_t bytes, bool piped, const sib_audio_options *options,
                     float **samples, size_t *n, sib_audio_info *info, sib_error *err)
{
    int in[2], kept = dup(STDIN_FILENO);
    if (piped) {
        assert_int_equal(pipe(in), 0);
        assert_int_equal(write(in[1], data, bytes), bytes);
        close(in[1]);
    } else {
        media_write(media_path("stdin"), data, bytes);
        in[0] = open(media_path("stdin"), O_RDONLY);
    }
    dup2(in[0], STDIN_FILENO);
    close(in[0]);
    sib_code code = sib_audio_load("-", options, samples, n, info, err);
    dup2(kept, STDIN_FILENO);
    close(kept);
    return code;
}

TEST(sixteen_bit)
{
    static uint8_t data[2 * 65536];
    for (size_t i = 0; i < 65536; i++) {
        data[2 * i] = (uint8_t)i;
        data[2 * i + 1] = (uint8_t)(i >> 8);
    }
    for (int piped = 0; piped < 2; piped++) {
        size_t bytes = piped ? 60002 : sizeof data, n;
        float *samples;
        sib_audio_info info;
        sib_audio_options options = {.sample_rate = 8000};
        sib_error err = SIB_ERROR_INIT;
        CHECK_OK(load(data, bytes, piped, &options, &samples, &n, &info, &err), err);
        assert_int_equal(n, bytes / 2);
        for (size_t i = 0; i < n; i++)
            if (samples[i] != (float)(int16_t)(uint16_t)i / 32768)
                fail_msg("sample %zu is %g", i, (double)samples[i]);
        assert_string_equal(info.container, "pcm");
        assert_string_equal(info.codec, "pcm_s16le");
        assert_true(info.source_rate == 8000 && info.channels == 1 && info.duration < 0);
        sib_free(samples);
    }
}

TEST(floats_as_they_are)
{
    float data[] = {0, -0.0f, 1.5f, -1e30f, NAN, INFINITY, 1e-45f}, *samples;
    size_t n;
    sib_audio_info info;
    sib_audio_options options = {.pcm = SIB_PCM_F32LE};
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(load(data, sizeof data, true, &options, &samples, &n, &info, &err), err);
    assert_int_equal(n, 7);
    assert_memory_equal(samples, data, sizeof data);
    assert_string_equal(info.codec, "pcm_f32le");
    assert_int_equal(info.source_rate, 16000);
    sib_free(samples);
}

TEST(incomplete_input)
{
    float *samples;
    size_t n;
    sib_error err = SIB_ERROR_INIT;
    sib_audio_options floats = {.pcm = SIB_PCM_F32LE}, lenient = {.allow_truncated = true};
    CHECK_FAILS(load("abc", 3, true, NULL, &samples, &n, NULL, &err), SIB_ERR_FORMAT, err, "3 bytes");
    assert_null(samples);
    CHECK_FAILS(load("a", 1, false, NULL, &samples, &n, NULL, &err), SIB_ERR_FORMAT, err, "1 bytes");
    CHECK_FAILS(load("abcdef", 6, true, &floats, &samples, &n, NULL, &err), SIB_ERR_FORMAT, err, "4");
    CHECK_FAILS(load("", 0, true, NULL, &samples, &n, NULL, &err), SIB_ERR_FORMAT, err, "no samples");
    CHECK_OK(load("abc", 3, true, &lenient, &samples, &n, NULL, &err), err);
    assert_int_equal(n, 1);
    sib_free(samples);
}

TEST(closed_input)
{
    int kept = dup(STDIN_FILENO);
    close(STDIN_FILENO);
    float *samples;
    size_t n;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = sib_audio_load("-", NULL, &samples, &n, NULL, &err);
    dup2(kept, STDIN_FILENO);
    close(kept);
    assert_int_equal(code, SIB_ERR_IO);
    assert_non_null(strstr(err.message, "standard input"));
}

TEST(bad_options)
{
    sib_audio_reader *r;
    sib_error err = SIB_ERROR_INIT;
    sib_audio_options negative = {.sample_rate = -5}, huge = {.sample_rate = 2000000000},
                      odd = {.pcm = (sib_pcm)7};
    CHECK_FAILS(sib_audio_open("-", &negative, &r, &err), SIB_ERR_ARGUMENT, err, "-5");
    CHECK_FAILS(sib_audio_open("-", &huge, &r, &err), SIB_ERR_ARGUMENT, err, "2000000000");
    CHECK_FAILS(sib_audio_open("-", &odd, &r, &err), SIB_ERR_ARGUMENT, err, "7");
    assert_null(r);
}

TEST_FIXTURE(media_begin, media_end)
