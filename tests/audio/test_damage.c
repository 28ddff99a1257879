/* Files that cannot be decoded are rejected with one sentence that names the file; for intact files see
   test_decode.c, where every kind passes. */
#include "audio/containers.h"
#include "check_memory.h"
#include "media.h"

#define TEST_CUT_VIDEO "-f lavfi -i testsrc=duration=1:size=64x48:rate=10 "

static sib_code load(const char *path, bool allow_truncated, size_t *n, sib_error *err)
{
    float *samples;
    sib_audio_options options = {.allow_truncated = allow_truncated};
    memset(err, 0, sizeof *err);
    sib_code code = sib_audio_load(path, &options, &samples, n, NULL, err);
    if (code)
        assert_true(samples == NULL && *n == 0);
    sib_free(samples);
    return code;
}

static void expect(const char *path, sib_code code, const char *words)
{
    size_t n;
    sib_error err;
    sib_code got = load(path, false, &n, &err);
    if (got != code || !strstr(err.message, words) || strncmp(err.message, path, strlen(path)) != 0 ||
        strchr(err.message, '\n'))
        fail_msg("%s: code %s, message '%s'; expected %s and '%s'", path, sib_code_name(got), err.message,
                 sib_code_name(code), words);
}

/* Copies the first `percent` of a file (at 100, all but its last byte) to cut.EXTENSION. */
static const char *cut(const char *name, double percent)
{
    size_t bytes, kept;
    uint8_t *data = media_read(media_path(name), &bytes);
    kept = percent >= 100 ? bytes - 1 : (size_t)((double)bytes * percent / 100);
    char copy[64];
    snprintf(copy, sizeof copy, "cut%s", strrchr(name, '.'));
    media_write(media_path(copy), data, kept);
    free(data);
    return media_path(copy);
}

/* Headers of MPEG audio, layer III: rates and bitrates that the standard reserves are none. */
TEST(frames_are_known_by_their_headers)
{
    static const struct {
        uint8_t head[7];
        bool is;
    } cases[] = {{{0xFF, 0xFB, 0x90}, true},
                 {{0xFF, 0xFB, 0x94}, true},
                 {{0xFF, 0xFB, 0x98}, true},
                 {{0xFF, 0xFB, 0x9C}, false},
                 {{0xFF, 0xFB, 0xF0}, false},
                 {{0xFF, 0xFB, 0x00}, false},
                 {{0xFF, 0xEB, 0x90}, false},
                 {{0xFF, 0xF3, 0x90}, true},
                 {{0xFF, 0xE3, 0x90}, true},
                 {{0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC}, true},
                 {{0xFF, 0xF1, 0x74, 0x80, 0x02, 0x1F, 0xFC}, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[CONTAINER_BYTES] = {0};
        memcpy(bytes, cases[i].head, sizeof cases[i].head);
        if (container_may_be_frames(bytes, sizeof bytes) != cases[i].is)
            fail_msg("header %zu", i);
    }
}

TEST(not_there_or_not_readable)
{
    expect("/nonexistent/a.wav", SIB_ERR_IO, "No such file");
    expect(media_folder, SIB_ERR_IO, "folder");
    media_write(media_path("empty.wav"), "", 0);
    expect(media_path("empty.wav"), SIB_ERR_FORMAT, "empty");
    media_write(media_path("closed.wav"), "RIFF", 4);
    chmod(media_path("closed.wav"), 0);
    if (geteuid() != 0)
        expect(media_path("closed.wav"), SIB_ERR_IO, "Permission denied");
}

TEST(not_audio)
{
    static const char text[] =
        "This is a text of some length, and no sound can be made of it, however one tries.\n";
    static const char *const names[] = {"a.txt", "a.wav", "a.mp3",  "a.flac",
                                        "a",     "a.m4a", "http:x", "pipe:0"};
    for (size_t i = 0; i < COUNT(names); i++) {
        media_write(media_path(names[i]), text, sizeof text);
        expect(media_path(names[i]), SIB_ERR_FORMAT, "");
    }
    uint8_t noise[20000];
    check_random r = {3};
    check_fill(&r, noise, sizeof noise);
    for (size_t i = 0; i < COUNT(names); i++) {
        media_write(media_path(names[i]), noise, sizeof noise);
        expect(media_path(names[i]), SIB_ERR_FORMAT, "");
    }
    if (!media_has_ffmpeg)
        return;
    assert_true(media_run(MEDIA_FFMPEG "-f lavfi -i testsrc=d=1:s=64x48 -frames:v 1 a.png"));
    expect(media_path("a.png"), SIB_ERR_FORMAT, "'png_pipe' is not supported for recordings");
    assert_true(media_run(MEDIA_FFMPEG "-f lavfi -i testsrc=d=1:s=64x48 -c:v mpeg4 video.mp4"));
    expect(media_path("video.mp4"), SIB_ERR_FORMAT, "no audio stream");
}

/* Neither a path nor the content of a file makes the decoder open anything else. */
TEST(nothing_else_is_opened)
{
    expect("http://127.0.0.1:9/a.wav", SIB_ERR_IO, "No such file");
    expect("concat:a.wav|b.wav", SIB_ERR_IO, "No such file");
    expect("file:///etc/passwd", SIB_ERR_IO, "No such file");
    expect("data:audio/wav;base64,UklGRg==", SIB_ERR_IO, "No such file");
    MEDIA_NEEDS_FFMPEG();
    assert_true(media_run(MEDIA_FFMPEG "-i src.wav -c:a aac other.aac && cp src.wav concat:a.wav"));
    char list[1024];
    snprintf(list, sizeof list, "ffconcat version 1.0\nfile %s/src.wav\n", media_folder);
    media_write(media_path("list.ffconcat"), list, strlen(list));
    expect(media_path("list.ffconcat"), SIB_ERR_FORMAT, "other files");
    snprintf(list, sizeof list,
             "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n%s/other.aac\n#EXT-X-ENDLIST\n", media_folder);
    static const char *const names[] = {"list.m3u8", "list.mp3", "list"};
    for (size_t i = 0; i < COUNT(names); i++) {
        media_write(media_path(names[i]), list, strlen(list));
        expect(media_path(names[i]), SIB_ERR_FORMAT, "");
    }
    size_t n;
    sib_error err;
    assert_int_equal(chdir(media_folder), 0);
    CHECK_OK(load("concat:a.wav", false, &n, &err), err);
    assert_int_equal(chdir("/"), 0);
}

TEST(no_decoder)
{
    MEDIA_NEEDS_FFMPEG();
    size_t bytes;
    uint8_t *data = media_read(media_path("src.wav"), &bytes);
    data[20] = data[21] = 0x99;
    media_write(media_path("odd.wav"), data, bytes);
    free(data);
    expect(media_path("odd.wav"), SIB_ERR_UNSUPPORTED, "no decoder");
}

TEST(no_samples)
{
    MEDIA_NEEDS_FFMPEG();
    assert_true(
        media_run(MEDIA_FFMPEG "-i src.wav -t 0 none.flac && " MEDIA_FFMPEG "-i src.wav -t 0 none.wav"));
    expect(media_path("none.flac"), SIB_ERR_FORMAT, "no samples");
    expect(media_path("none.wav"), SIB_ERR_FORMAT, "no samples");
}

typedef struct {
    const char *name, *options;
    bool tells_declared; /* the message has the declared and the found seconds */
    double last;         /* largest percentage at which it can be detected; 100 is all but a byte */
} cut_row;

/* Every format that declares its duration, truncated in several places. */
TEST(truncated)
{
    MEDIA_NEEDS_FFMPEG();
    static const cut_row rows[] = {
        {"t.wav", "-i src.wav", true, 100},
        {"f32.wav", "-i src.wav -c:a pcm_f32le", true, 100},
        {"t.w64", "-i src.wav", false, 100},
        {"rf64.wav", "-i src.wav -rf64 always", true, 100},
        {"t.flac", "-i src.wav", true, 100},
        {"t.mp3", "-i src.wav -c:a libmp3lame", true, 90},
        {"vbr.mp3", "-i src.wav -c:a libmp3lame -q:a 5", true, 90},
        {"t.aiff", "-i src.wav", true, 100},
        {"t.au", "-i src.wav", true, 100},
        {"t.caf", "-i src.wav", false, 100},
        {"t.wv", "-i src.wav", true, 90},
        {"t.tta", "-i src.wav", true, 90},
        {"t.ogg", "-i src.wav -c:a libvorbis", false, 100},
        {"t.opus", "-i src.wav -c:a libopus", false, 100},
        {"t.webm", "-i src.wav -c:a libopus", true, 100},
        {"t.mka", "-i src.wav -c:a libvorbis", true, 100},
        {"fast.m4a", "-i src.wav -c:a aac -movflags faststart", true, 100},
        {"fast.mp4", TEST_CUT_VIDEO "-i src.wav -c:v mpeg4 -c:a aac -movflags faststart", true, 90},
        {"t.m4a", "-i src.wav -c:a aac", false, 90}, /* its index is at the end */
        {"fragments.mp4", "-i src.wav -c:a aac -movflags frag_keyframe+empty_moov -frag_duration 300000",
         false, 90},
        {"t.avi", "-i src.wav -c:a libmp3lame", false, 100},
        {"t.wma", "-i src.wav", false, 100},
        {"t.flv", "-i src.wav -c:a libmp3lame", true, 90},
    };
    static const double percents[] = {15, 50, 90, 100};
    for (size_t i = 0; i < COUNT(rows) * COUNT(percents); i++) {
        const cut_row *r = &rows[i / COUNT(percents)];
        double percent = percents[i % COUNT(percents)];
        size_t n;
        sib_error err;
        if (i % COUNT(percents) == 0) {
            assert_true(media_run(MEDIA_FFMPEG "%s %s", r->options, r->name));
            CHECK_OK(load(media_path(r->name), false, &n, &err), err);
        }
        if (percent > r->last)
            continue;
        const char *path = cut(r->name, percent);
        sib_code code = load(path, false, &n, &err);
        if (code != SIB_ERR_FORMAT || !strstr(err.message, "truncated") || !strstr(err.message, path) ||
            (r->tells_declared && percent > 20 && !strstr(err.message, "declares 1.3")))
            fail_msg("%s cut to %g%%: %s, '%s'", r->name, percent, sib_code_name(code), err.message);
        code = load(path, true, &n, &err);
        if (strcmp(r->name, "t.m4a") != 0 && percent > 60 && (code || n == 0 || n > 22000))
            fail_msg("%s cut to %g%%, allowed: %s, %zu samples, '%s'", r->name, percent, sib_code_name(code),
                     n, err.message);
    }
}

/* Samples before the cut are returned; then the read fails, and so does the next one. */
TEST(a_reader_tells_at_the_end)
{
    MEDIA_NEEDS_FFMPEG();
    sib_error err = SIB_ERROR_INIT;
    sib_audio_reader *r;
    CHECK_OK(sib_audio_open(cut("src.wav", 50), NULL, &r, &err), err);
    float block[1000];
    size_t total = 0, got;
    sib_code code;
    while ((code = sib_audio_read(r, block, COUNT(block), &got, &err)) == SIB_OK && got > 0)
        total += got;
    assert_int_equal(code, SIB_ERR_FORMAT);
    assert_true(total > 10000 && total < 11000);
    memset(&err, 0, sizeof err);
    CHECK_FAILS(sib_audio_read(r, block, COUNT(block), &got, &err), SIB_ERR_FORMAT, err, "truncated");
    assert_int_equal(got, 0);
    assert_int_equal(sib_audio_read(r, block, COUNT(block), &got, NULL), SIB_ERR_FORMAT);
    sib_audio_close(&r);
}

TEST(damaged)
{
    MEDIA_NEEDS_FFMPEG();
    static const cut_row rows[] = {
        {"d.flac", "-i src.wav", 0, 0}, {"d.aac", "-i src.wav", 0, 0}, {"d.mp3", "-i src.wav", 0, 0}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(media_run(MEDIA_FFMPEG "%s %s", rows[i].options, rows[i].name));
        size_t bytes, n;
        sib_error err;
        uint8_t *data = media_read(media_path(rows[i].name), &bytes);
        memset(data + bytes / 2, 0x55, bytes / 8);
        media_write(media_path(rows[i].name), data, bytes);
        free(data);
        sib_code code = load(media_path(rows[i].name), false, &n, &err);
        if (code != SIB_ERR_FORMAT || !strstr(err.message, " s"))
            fail_msg("%s: %s, '%s'", rows[i].name, sib_code_name(code), err.message);
        CHECK_OK(load(media_path(rows[i].name), true, &n, &err), err);
        assert_true(n > 10000);
    }
}

/* Long names keep their end in the message, and so does the reason after it. */
TEST(long_names)
{
    char path[3000] = "/nonexistent";
    for (size_t i = strlen(path); i + 12 < sizeof path; i += 10)
        memcpy(path + i,
               "/\xE2\x82\xAC"
               "folder",
               11);
    strcat(path, "/end");
    size_t n;
    sib_error err;
    assert_int_equal(load(path, false, &n, &err), SIB_ERR_IO);
    assert_non_null(strstr(err.message, "/end: cannot be opened"));
}

TEST(every_allocation_may_fail)
{
    MEDIA_NEEDS_FFMPEG();
    sib_error err = SIB_ERROR_INIT;
    size_t n;
    CHECK_SOME_ALLOCATIONS(check_k + 1, load(media_path("six.wav"), false, &n, &err),
                           assert_true(check_k < 20 && (!err.code || strstr(err.message, "memory"))));
}

TEST_FIXTURE(media_begin, media_end)
