/* A small file has a small cost: formats, codecs, rates and durations that no recording has are rejected. */
#include "media.h"

#include <math.h>

static sib_code load(const char *path, double max_seconds, size_t *n, sib_error *err)
{
    float *samples;
    sib_audio_options options = {.max_seconds = max_seconds};
    sib_code code = sib_audio_load(path, &options, &samples, n, NULL, err);
    sib_free(samples);
    return code;
}

/* A WAV of n bytes of silence, 8 bits, with this rate in its header. */
static const char *wav(uint32_t rate, uint32_t n)
{
    const char *path = media_path("rate.wav");
    uint32_t head[11] = {0x46464952, 36 + n, 0x45564157, 0x20746D66, 16, 0x00010001,
                         rate,       rate,   0x00080001, 0x61746164, n};
    uint8_t *file = malloc(sizeof head + n);
    assert_non_null(file);
    memcpy(file, head, sizeof head);
    memset(file + sizeof head, 128, n);
    media_write(path, file, sizeof head + n);
    free(file);
    return path;
}

TEST(rates)
{
    static const uint32_t bad[] = {1, 100, 3999, 768001, 3000000}, good[] = {4000, 8000, 192000, 768000};
    sib_error err = SIB_ERROR_INIT;
    size_t n;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(load(wav(bad[i], 100000), 0, &n, &err), SIB_ERR_FORMAT, err,
                    "expected 4000 to 768000 Hz");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK_OK(load(wav(good[i], 100000), 0, &n, &err), err);
}

TEST(formats)
{
    sib_error err = SIB_ERROR_INIT;
    size_t n;
    static const char day[] = "#! sbagen\nall: 300+10/90 200/20\noff: -\n00:00 all\n23:59:00 off\n";
    media_write(media_path("day.sbg"), day, sizeof day - 1);
    CHECK_FAILS(load(media_path("day.sbg"), 0, &n, &err), SIB_ERR_FORMAT, err,
                "'sbg' is not supported for recordings");
    MEDIA_NEEDS_FFMPEG();
    assert_true(media_run(MEDIA_FFMPEG "-i src.wav -c:a sonic -strict -2 sonic.nut"));
    CHECK_FAILS(load(media_path("sonic.nut"), 0, &n, &err), SIB_ERR_UNSUPPORTED, err,
                "'sonic' is not supported for recordings");
}

TEST(durations)
{
    sib_error err = SIB_ERROR_INIT;
    size_t n;
    CHECK_OK(load(wav(8000, 16000), 2, &n, &err), err);
    CHECK_FAILS(load(wav(8000, 16000), 1.5, &n, &err), SIB_ERR_SIZE, err, "longer than 1.5 s");
    CHECK_OK(load(wav(8000, 16000), (double)INFINITY, &n, &err), err);
    CHECK_FAILS(load(wav(8000, 16000), -1, &n, &err), SIB_ERR_ARGUMENT, err, "max_seconds is -1");
    CHECK_FAILS(load(wav(8000, 16000), (double)NAN, &n, &err), SIB_ERR_ARGUMENT, err, "max_seconds is");
}

/* Digital silence: FLAC blocks of 4,608 and of 65,535 samples in about 14 bytes. */
TEST(seconds_by_bytes)
{
    MEDIA_NEEDS_FFMPEG();
    sib_error err = SIB_ERROR_INIT;
    size_t n;
    assert_true(media_run(
        MEDIA_FFMPEG
        "-f lavfi -i anullsrc=r=8000 -t 900 -ac 1 silence.flac -t 3000 -ac 1 -frame_size 65535 dense.flac"));
    CHECK_OK(load(media_path("silence.flac"), 0, &n, &err), err);
    assert_int_equal(n, 900 * 16000);
    CHECK_FAILS(load(media_path("dense.flac"), 0, &n, &err), SIB_ERR_SIZE, err,
                "which no real recording does");
}

TEST(shared_files)
{
    const char *data = check_data_folder();
    char path[4200];
    sib_error err = SIB_ERROR_INIT;
    size_t n;
    snprintf(path, sizeof path, "%s/hostile/rate1.wav", data ? data : "");
    if (!data || !media_size(path))
        CHECK_SKIP("the shared data (hostile)");
    CHECK_FAILS(load(path, 0, &n, &err), SIB_ERR_FORMAT, err, "has 1 Hz");
    snprintf(path, sizeof path, "%s/hostile/sbg.sbg", data);
    CHECK_FAILS(load(path, 0, &n, &err), SIB_ERR_FORMAT, err, "'sbg'");
}

TEST_FIXTURE(media_begin, media_end)
