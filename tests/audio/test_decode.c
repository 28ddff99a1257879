/* Decoded samples equal those that the ffmpeg command writes for the same file. */
#include "media.h"

#include "base/alloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* Compares one file with the samples in `reference`; a failure names it and the first sample that differs. */
static void compare_with(const char *reference, const char *path, int rate, bool keep_float)
{
    size_t bytes, n;
    uint8_t *raw = media_read(media_path(reference), &bytes);
    float *samples;
    sib_error err = SIB_ERROR_INIT;
    sib_audio_options options = {.sample_rate = rate, .keep_float = keep_float};
    CHECK_OK(sib_audio_load(path, &options, &samples, &n, NULL, &err), err);
    if (n != bytes / (keep_float ? 4 : 2))
        fail_msg("%s at %d Hz: %zu samples, ffmpeg gives %zu", path, rate, n, bytes / (keep_float ? 4 : 2));
    for (size_t i = 0; i < n; i++) {
        float expected;
        if (keep_float)
            memcpy(&expected, raw + 4 * i, 4);
        else
            expected = (int16_t)(uint16_t)(raw[2 * i] | raw[2 * i + 1] << 8) / 32768.0f;
        if (memcmp(&samples[i], &expected, sizeof expected) != 0)
            fail_msg("%s at %d Hz: sample %zu of %zu is %.9g, ffmpeg gives %.9g", path, rate, i, n,
                     (double)samples[i], (double)expected);
    }
    sib_free(samples);
    free(raw);
}

static void compare(const char *path, int rate, bool keep_float)
{
    assert_true(media_run(MEDIA_FFMPEG "-i '%s' -f %s -ac 1 -ar %d reference.raw", path,
                          keep_float ? "f32le" : "s16le", rate));
    compare_with("reference.raw", path, rate, keep_float);
}

#define TOGETHER 16

/* Compares files of one audio stream each at 16 kHz. One ffmpeg command decodes up to TOGETHER of them: it takes
   longer to start than to decode. */
static void compare_all(const char *const *names, size_t count)
{
    char in[1200] = "", out[2400] = "", reference[64];
    size_t n = count < TOGETHER ? count : TOGETHER, in_used = 0, out_used = 0;
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        in_used += (size_t)snprintf(in + in_used, sizeof in - in_used, "-i %s ", names[i]);
        out_used += (size_t)snprintf(out + out_used, sizeof out - out_used,
                                     "-map %zu:a -f s16le -ac 1 -ar 16000 %s.raw ", i, names[i]);
        assert_true(in_used < sizeof in && out_used < sizeof out);
    }
    assert_true(media_run(MEDIA_FFMPEG "%s%s", in, out));
    for (size_t i = 0; i < n; i++) {
        snprintf(reference, sizeof reference, "%s.raw", names[i]);
        compare_with(reference, media_path(names[i]), 16000, false);
    }
    compare_all(names + n, count - n);
}

typedef struct {
    const char *name, *options; /* options of the ffmpeg command that makes the file */
} row;

/* Makes a file if it does not exist yet; returns false if this ffmpeg cannot make it. */
static bool make(const row *r)
{
    return media_size(media_path(r->name)) > 0 || media_run(MEDIA_FFMPEG "%s %s", r->options, r->name);
}

#define SOURCE "-i src.wav"

/* Makes the files that need only src.wav by one command, which is faster; all or none of them. */
static void make_together(const row *rows, size_t count)
{
    static char command[3800];
    size_t used = 0, prefix = strlen(SOURCE);
    command[0] = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(rows[i].options, SOURCE, prefix) == 0 && !strstr(rows[i].options + prefix, "-i "))
            used += (size_t)snprintf(command + used, sizeof command - used, "%s %s ",
                                     rows[i].options + prefix, rows[i].name);
    assert_true(used < sizeof command);
    if (!media_run(MEDIA_FFMPEG SOURCE " %s", command))
        for (size_t i = 0; i < count; i++)
            unlink(media_path(rows[i].name));
}

static void compare_rows(const row *rows, size_t count, size_t at_least)
{
    const char *alike[64];
    size_t compared = 0, n = 0;
    assert_true(count <= COUNT(alike));
    make_together(rows, count);
    for (size_t i = 0; i < count; i++) {
        bool several = strstr(rows[i].options, "-i src.wav -i six.wav") != NULL; /* ffmpeg chooses a stream */
        if (!make(&rows[i])) {
            print_message("skipped for want of an encoder: %s\n", rows[i].name);
            continue;
        }
        compared++;
        if (several)
            compare(media_path(rows[i].name), 16000, false);
        else
            alike[n++] = rows[i].name;
    }
    compare_all(alike, n);
    if (compared < at_least)
        fail_msg("only %zu of %zu files could be made", compared, count);
}

/* Every PCM format twice, every rate, mono and stereo; made by one command, since there are many. */
TEST_ALONE(wav_of_every_kind)
{
    MEDIA_NEEDS_FFMPEG();
    static const char *const codecs[] = {"u8", "s16le", "s24le", "s32le", "f32le", "f64le", "alaw", "mulaw"};
    static const int rates[] = {8000, 11025, 16000, 22050, 44100, 48000, 96000};
    char command[4000] = "", names[2 * COUNT(codecs)][32];
    const char *all[2 * COUNT(codecs)];
    for (size_t i = 0, used = 0; i < 2 * COUNT(codecs); i++)
        used += (size_t)snprintf(command + used, sizeof command - used, " -c:a pcm_%s -ar %d -ac %d %zu.wav",
                                 codecs[i % COUNT(codecs)], rates[i % COUNT(rates)], i % 3 ? 2 : 1, i);
    assert_true(media_run(MEDIA_FFMPEG "-i src.wav %s", command));
    for (size_t i = 0; i < 2 * COUNT(codecs); i++) {
        snprintf(names[i], sizeof names[i], "%zu.wav", i);
        all[i] = names[i];
    }
    compare_all(all, COUNT(all));
}

TEST_ALONE(channels_and_containers)
{
    MEDIA_NEEDS_FFMPEG();
    static const row rows[] = {
        {"mono16.wav", "-i src.wav -ac 1 -ar 16000 -c:a pcm_s16le"},
        {"stereo16.wav", "-i src.wav -ar 16000 -c:a pcm_s16le"},
        {"three.wav", "-i src.wav -ac 3"},
        {"eight.wav", "-i src.wav -ac 8"},
        {"quad.flac", "-i src.wav -ac 4"},
        {"six16.wav", "-i six.wav"},
        {"six.flac", "-i six.wav"},
        {"six.m4a", "-i six.wav"},
        {"six.ac3", "-i six.wav"},
        {"six.opus", "-i six.wav -c:a libopus"},
        {"six.ogg", "-i six.wav -c:a libvorbis"},
        {"a.w64", "-i src.wav"},
        {"rf64.wav", "-i src.wav -rf64 always"},
        {"a.aiff", "-i src.wav"},
        {"float.aiff", "-i src.wav -c:a pcm_f32be"},
        {"a.au", "-i src.wav"},
        {"a.caf", "-i src.wav"},
        {"alac.caf", "-i src.wav -c:a alac"},
        {"flac.caf", "-i src.wav -c:a flac"},
        {"a.voc", "-i src.wav"},
        {"adpcm.wav", "-i src.wav -c:a adpcm_ms"},
        {"ima.wav", "-i src.wav -c:a adpcm_ima_wav"},
        {"mp3.wav", "-i src.wav -c:a libmp3lame"},
        {"a.flac", "-i src.wav"},
        {"24.flac", "-i src.wav -sample_fmt s32"},
        {"mono16.flac", "-i src.wav -ar 16000 -ac 1 -frame_size 16384"},
        {"a.wv", "-i src.wav"},
        {"a.tta", "-i src.wav"},
        {"a.mka", "-i src.wav"},
        {"flac.mkv", "-i src.wav -c:a flac"},
        {"pcm.mov", "-i src.wav -c:a pcm_s16le"},
        {"alac.m4a", "-i src.wav -c:a alac"},
        {"a.avi", "-i src.wav"},
        {"a.flv", "-i src.wav"},
        {"a.ts", "-i src.wav"},
        {"a.nut", "-i src.wav"},
        {"a.amr", "-i six.wav -ar 8000 -ac 1 -c:a libopencore_amrnb"},
        {"gsm.gsm", "-i src.wav -ar 8000 -ac 1 -c:a libgsm"},
        {"speex.spx", "-i src.wav -ar 16000 -ac 1 -c:a libspeex"},
    };
    compare_rows(rows, COUNT(rows), 30);
}

TEST_ALONE(lossy_codecs_and_their_delays)
{
    MEDIA_NEEDS_FFMPEG();
    static const row rows[] = {
        {"a.mp3", "-i src.wav -c:a libmp3lame -b:a 128k"},
        {"vbr.mp3", "-i src.wav -c:a libmp3lame -q:a 4"},
        {"vbr22.mp3", "-i src.wav -c:a libmp3lame -q:a 4 -ar 22050"},
        {"no-xing.mp3", "-i src.wav -c:a libmp3lame -b:a 64k -write_xing 0"},
        {"vbr-no-xing.mp3", "-i src.wav -c:a libmp3lame -q:a 2 -write_xing 0"},
        {"tags.mp3", "-i src.wav -c:a libmp3lame -id3v2_version 3 -write_id3v1 1 -metadata title=x"},
        {"a.mp2", "-i src.wav -c:a mp2"},
        {"a.ogg", "-i src.wav -c:a libvorbis"},
        {"a.opus", "-i src.wav -c:a libopus"},
        {"mono.opus", "-i src.wav -c:a libopus -ac 1"},
        {"a.aac", "-i src.wav -c:a aac"},
        {"a.m4a", "-i src.wav -c:a aac"},
        {"fast.m4a", "-i src.wav -c:a aac -movflags faststart"},
        {"fragments.mp4", "-i src.wav -c:a aac -movflags frag_keyframe+empty_moov -frag_duration 300000"},
        {"trimmed.m4a", "-ss 0.4 -i a.m4a -c copy"},
        {"opus.mp4", "-i src.wav -c:a libopus"},
        {"mp3.mkv", "-i src.wav -c:a libmp3lame"},
        {"a.webm", "-i src.wav -c:a libopus"},
        {"a.wma", "-i src.wav -c:a wmav2"},
        {"v1.wma", "-i src.wav -c:a wmav1"},
        {"a.ac3", "-i src.wav -c:a ac3"},
        {"short.mp3", "-i src.wav -t 0.1 -c:a libmp3lame"},
        {"short.m4a", "-i src.wav -t 0.1 -c:a aac"},
        {"short.opus", "-i src.wav -t 0.1 -c:a libopus"},
        {"short.ogg", "-i src.wav -t 0.1 -c:a libvorbis"},
    };
    compare_rows(rows, COUNT(rows), 18);
}

#define TEST_VIDEO "-f lavfi -i testsrc=duration=2:size=64x48:rate=10 "

TEST_ALONE(video_and_several_streams)
{
    MEDIA_NEEDS_FFMPEG();
    static const row rows[] = {
        {"v.mp4", TEST_VIDEO "-i src.wav -c:v mpeg4 -c:a aac"},
        {"v.mov", TEST_VIDEO "-i src.wav -c:v mpeg4 -c:a aac"},
        {"v8.webm", TEST_VIDEO "-i src.wav -c:v libvpx -c:a libopus"},
        {"v9.webm", TEST_VIDEO "-i src.wav -c:v libvpx-vp9 -c:a libopus"},
        {"v.mkv", TEST_VIDEO "-i src.wav -c:v mpeg4 -c:a libvorbis"},
        {"v.avi", TEST_VIDEO "-i src.wav -c:v mpeg4 -c:a libmp3lame"},
        {"v.wmv", TEST_VIDEO "-i src.wav"},
        {"v.flv", TEST_VIDEO "-i src.wav"},
        {"v.ts", TEST_VIDEO "-i src.wav"},
        {"v.ogv", TEST_VIDEO "-i src.wav"},
        {"cover.mp3",
         "-i src.wav " TEST_VIDEO "-frames:v 1 -c:v png -disposition:v attached_pic -map 0 -map 1"},
        {"cover.m4a",
         "-i src.wav " TEST_VIDEO "-frames:v 1 -c:v png -disposition:v attached_pic -map 0 -map 1"},
        {"late.mp4", "-itsoffset 0.7 -i src.wav " TEST_VIDEO "-c:v mpeg4 -c:a aac -map 1 -map 0"},
        /* More channels win; the default disposition takes precedence over channels. */
        {"two.mkv", "-i src.wav -i six.wav -map 0 -map 1 -disposition 0"},
        {"default.mkv", "-i src.wav -i six.wav -map 0 -map 1 -disposition:a:0 default -disposition:a:1 0"},
        {"two.mp4", "-i src.wav -i six.wav -map 0 -map 1 -c:a aac"},
    };
    compare_rows(rows, COUNT(rows), 12);
}

/* Concatenated files: tags between frames, and rate and channels that change midway. */
TEST_ALONE(parameters_that_change)
{
    MEDIA_NEEDS_FFMPEG();
    static const char *const kinds[] = {"mp3", "aac", "ogg"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const char *k = kinds[i];
        char name[32];
        snprintf(name, sizeof name, "joined.%s", k);
        if (media_run(MEDIA_FFMPEG "-i src.wav one.%s && " MEDIA_FFMPEG
                                   "-i src.wav -ar 22050 -ac 1 two.%s && "
                                   "cat one.%s two.%s one.%s > joined.%s",
                      k, k, k, k, k, k))
            compare(media_path(name), 16000, false);
    }
}

/* Files with lengths that could not be filled in afterwards. */
TEST_ALONE(streamed_files)
{
    MEDIA_NEEDS_FFMPEG();
    static const char *const kinds[] = {"wav", "matroska", "webm", "au",  "flac",
                                        "mp3", "ogg",      "avi",  "asf", "caf"};
    char names[COUNT(kinds)][32];
    const char *made[COUNT(kinds)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        snprintf(names[n], sizeof names[n], "streamed.%s", kinds[i]);
        made[n] = names[n];
        if (media_run(MEDIA_FFMPEG "-i src.wav -f %s - | cat > %s", kinds[i], made[n]) &&
            media_run(MEDIA_FFMPEG "-i %s -f null -", made[n]))
            n++;
    }
    compare_all(made, n);
    assert_true(n >= 7);
}

TEST_ALONE(other_rates_and_float)
{
    MEDIA_NEEDS_FFMPEG();
    static const char *const files[] = {"src.wav", "s24.wav", "f64.wav", "m16.wav", "six.wav", "a.mp3"};
    static const int rates[] = {8000, 22050, 44100, 48000};
    assert_true(media_run(MEDIA_FFMPEG "-i src.wav -c:a pcm_s24le s24.wav -c:a pcm_f64le f64.wav "
                                       "-ar 16000 -ac 1 m16.wav a.mp3"));
    for (size_t i = 0; i < COUNT(files); i++)
        compare(media_path(files[i]), 16000, true);
    for (size_t i = 0; i < COUNT(rates); i++) {
        compare(media_path("six.wav"), rates[i], false);
        compare(media_path("a.mp3"), rates[i], true);
    }
}

TEST_ALONE(shared_recordings)
{
    MEDIA_NEEDS_FFMPEG();
    if (!check_data_folder())
        CHECK_SKIP("the shared data (SIBYL_DATA)");
    static const char *const files[] = {
        "whisper/jfk.flac",     "vad/test.wav",         "vad/test.mp3",          "vad/test.opus",
        "fsdd/0_george_10.wav", "fsdd/3_jackson_5.wav", "fsdd/7_nicolas_20.wav", "fsdd/9_theo_49.wav"};
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[4400];
        snprintf(path, sizeof path, "%s/%s", check_data_folder(), files[i]);
        compare(path, 16000, false);
        compare(path, 16000, true);
    }
}

/* The recording shipped with the project is complete, 16 kHz and mono. */
TEST_ALONE(shipped_recording)
{
    char path[4400];
    const char *source = getenv("SIBYL_SOURCE");
    snprintf(path, sizeof path, "%s/assets/hello.flac", source ? source : ".");
    float *samples;
    size_t n;
    sib_audio_info info;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_audio_load(path, NULL, &samples, &n, &info, &err), err);
    sib_free(samples);
    assert_true(info.source_rate == 16000 && info.channels == 1 && n > 4 * 16000 && n < 5 * 16000);
    if (media_has_ffmpeg)
        compare(path, 16000, false);
}

static void *load_often(void *failures)
{
    for (int i = 0; i < 5; i++) {
        float *samples;
        size_t n;
        if (sib_audio_load(media_path("six.wav"), NULL, &samples, &n, NULL, NULL) || n != 20800)
            atomic_fetch_add((atomic_int *)failures, 1);
        else
            sib_free(samples);
    }
    return NULL;
}

TEST_ALONE(cancelled)
{
    sib_error err = SIB_ERROR_INIT;
    sib_cancel *cancel;
    sib_audio_reader *r;
    float some[100], *samples;
    size_t got, n;
    char path[4400];
    const char *source = getenv("SIBYL_SOURCE");
    snprintf(path, sizeof path, "%s/assets/hello.flac", source ? source : ".");
    CHECK_OK(sib_cancel_create(&cancel, &err), err);
    sib_audio_options options = {.cancel = cancel};
    CHECK_OK(sib_audio_open(path, &options, &r, &err), err);
    CHECK_OK(sib_audio_read(r, some, 100, &got, &err), err);
    assert_int_equal(got, 100);
    sib_cancel_set(cancel);
    for (int k = 0; k < 2; k++) {
        CHECK_FAILS(sib_audio_read(r, some, 100, &got, &err), SIB_ERR_CANCELLED, err,
                    "reading was cancelled");
        assert_int_equal(got, 0);
    }
    sib_audio_close(&r);
    CHECK_FAILS(sib_audio_load(path, &options, &samples, &n, NULL, &err), SIB_ERR_CANCELLED, err,
                "hello.flac");
    assert_null(samples);
    sib_cancel_free(&cancel);
}

TEST(several_threads)
{
    MEDIA_NEEDS_FFMPEG();
    pthread_t threads[4];
    static atomic_int failures;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_often, &failures), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
}

TEST_ALONE(says_what_it_is)
{
    MEDIA_NEEDS_FFMPEG();
    sib_error err = SIB_ERROR_INIT;
    sib_audio_reader *r;
    assert_true(media_run(MEDIA_FFMPEG "-i six.wav info.flac && " MEDIA_FFMPEG
                                       "-i src.wav -write_xing 0 estimated.mp3"));
    CHECK_OK(sib_audio_open(media_path("info.flac"), NULL, &r, &err), err);
    const sib_audio_info *info = sib_audio_get_info(r);
    assert_string_equal(info->container, "flac");
    assert_string_equal(info->codec, "flac");
    assert_int_equal(info->source_rate, 44100);
    assert_int_equal(info->channels, 6);
    assert_true(info->duration > 1.2999 && info->duration < 1.3001);
    sib_audio_close(&r);
    assert_null(r);
    sib_audio_close(&r);
    CHECK_OK(sib_audio_open(media_path("estimated.mp3"), NULL, &r, &err), err);
    assert_true(sib_audio_get_info(r)->duration < 0);
    sib_audio_close(&r);
}

/* Blocks of any size give the same samples as the entire file. */
TEST_ALONE(blocks_join_to_the_whole)
{
    MEDIA_NEEDS_FFMPEG();
    float *whole, block[9000];
    size_t n, got, at;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_audio_load(media_path("src.wav"), NULL, &whole, &n, NULL, &err), err);
    for (size_t size = 1; size < COUNT(block); size = size * 3 + 1) {
        sib_audio_reader *r;
        CHECK_OK(sib_audio_open(media_path("src.wav"), NULL, &r, &err), err);
        CHECK_OK(sib_audio_read(r, block, 0, &got, &err), err);
        assert_int_equal(got, 0);
        for (at = 0;; at += got) {
            CHECK_OK(sib_audio_read(r, block, size, &got, &err), err);
            if (got == 0)
                break;
            assert_true(at + got <= n);
            assert_memory_equal(block, whole + at, got * sizeof *block);
        }
        assert_int_equal(at, n);
        sib_audio_close(&r);
    }
    sib_free(whole);
}

static void put_le(uint8_t *p, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* A WAV of `bytes` of zeros, sparse on disk. */
static void make_long_wav(const char *path, uint32_t rate, uint32_t bytes)
{
    uint8_t head[44] = "RIFF....WAVEfmt ....";
    put_le(head + 4, bytes + 36, 4);
    put_le(head + 16, 16, 4);
    put_le(head + 20, 1, 2);
    put_le(head + 22, 1, 2);
    put_le(head + 24, rate, 4);
    put_le(head + 28, rate * 2, 4);
    put_le(head + 32, 2, 2);
    put_le(head + 34, 16, 2);
    memcpy(head + 36, "data", 4);
    put_le(head + 40, bytes, 4);
    media_write(path, head, sizeof head);
    assert_int_equal(truncate(path, (off_t)sizeof head + bytes), 0);
}

static long peak_kilobytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static size_t read_through(const char *path)
{
    static float block[16384];
    size_t total = 0, got;
    sib_audio_reader *r;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_audio_open(path, NULL, &r, &err), err);
    do {
        CHECK_OK(sib_audio_read(r, block, COUNT(block), &got, &err), err);
        total += got;
    } while (got > 0);
    sib_audio_close(&r);
    return total;
}

/* Two hours, in quick runs twelve minutes, take no more memory than two seconds. (Not checked with sanitizers, which keep freed memory.) */
TEST_ALONE(memory_does_not_grow)
{
    const uint32_t seconds = getenv("SIBYL_QUICK") ? 720 : 7200;
    make_long_wav(media_path("short.wav"), 16000, 64000);
    make_long_wav(media_path("long.wav"), 16000, seconds * 32000);
    assert_int_equal(read_through(media_path("short.wav")), 32000);
    sib_alloc_counters before, after;
    sib_alloc_counters_get(&before);
    long kilobytes = peak_kilobytes();
    assert_int_equal(read_through(media_path("long.wav")), seconds * 16000);
    kilobytes = peak_kilobytes() - kilobytes;
    sib_alloc_counters_get(&after);
    assert_int_equal(after.bytes_peak, before.bytes_peak);
    assert_int_equal(after.bytes_current, before.bytes_current);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (kilobytes > 4096)
        fail_msg("%u seconds took %ld KB more than two", seconds, kilobytes);
#endif
}

TEST_FIXTURE(media_begin, media_end)
