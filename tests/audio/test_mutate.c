/* Small files of every container, with bytes changed, runs overwritten and ends truncated: reading each ends,
   with samples or an error, and frees all memory. */
#include "media.h"

#define ROUNDS 24
/* A changed rate can stretch a second to hours: a limit. */
#define MAX_SAMPLES 400000

static const struct {
    const char *name, *options;
} sources[] = {
    {"m.wav", ""},
    {"m.flac", ""},
    {"m.mp3", ""},
    {"m.ogg", "-c:a libvorbis"},
    {"m.opus", "-c:a libopus"},
    {"m.m4a", "-c:a aac -movflags faststart"},
    {"m.mp4", "-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 50000"},
    {"m.webm", "-c:a libopus"},
    {"m.mka", "-c:a pcm_s16le"},
    {"m.avi", ""},
    {"m.wma", ""},
    {"m.aiff", ""},
    {"m.au", ""},
    {"m.caf", ""},
    {"m.w64", ""},
    {"m.flv", ""},
    {"m.ts", ""},
    {"m.aac", ""},
    {"m.wv", ""},
    {"m.tta", ""},
};

/* Most changes are in the head, where the structure is. */
static size_t place(check_random *r, size_t bytes)
{
    size_t max = check_u64(r) % 3 ? (bytes < 600 ? bytes : 600) : bytes;
    return (size_t)(check_u64(r) % max);
}

static size_t mutate(check_random *r, uint8_t *data, size_t bytes)
{
    int changes = 1 + (int)(check_u64(r) % 8);
    for (int i = 0; i < changes; i++) {
        size_t at = place(r, bytes), run = 1 + (size_t)(check_u64(r) % 8);
        switch (check_u64(r) % 4) {
        case 0:
            data[at] ^= (uint8_t)(1u << check_u64(r) % 8);
            break;
        case 1:
            data[at] = (uint8_t)check_u64(r);
            break;
        case 2:
            for (size_t k = at; k < at + run && k < bytes; k++)
                data[k] = 0xFF;
            break;
        default:
            for (size_t k = at; k < at + run && k < bytes; k++)
                data[k] = 0;
        }
    }
    return check_u64(r) % 4 == 0 ? 1 + place(r, bytes) : bytes;
}

static void read_it(const char *path, const char *what, bool allow_truncated)
{
    static float block[5000];
    sib_audio_options options = {.allow_truncated = allow_truncated};
    sib_error err = SIB_ERROR_INIT;
    sib_audio_reader *reader;
    sib_code code = sib_audio_open(path, &options, &reader, &err);
    size_t got = 1, total = 0;
    while (!code && got > 0 && total < MAX_SAMPLES) {
        code = sib_audio_read(reader, block, COUNT(block), &got, &err);
        total += got;
    }
    sib_audio_close(&reader);
    bool expected =
        code == SIB_OK || code == SIB_ERR_FORMAT || code == SIB_ERR_UNSUPPORTED || code == SIB_ERR_MEMORY;
    if (!expected || err.code != code || (code && strncmp(err.message, path, strlen(path)) != 0))
        fail_msg("%s: %s, '%s'", what, sib_code_name(code), err.message);
}

TEST(mutated_files)
{
    MEDIA_NEEDS_FFMPEG();
    sib_alloc_counters before, after;
    sib_alloc_counters_get(&before);
    size_t read = 0;
    for (size_t i = 0; i < COUNT(sources); i++) {
        if (!media_run(MEDIA_FFMPEG "-i src.wav -t 0.2 %s %s", sources[i].options, sources[i].name)) {
            print_message("skipped for want of an encoder: %s\n", sources[i].name);
            continue;
        }
        size_t bytes;
        uint8_t *whole = media_read(media_path(sources[i].name), &bytes), *data = malloc(bytes);
        check_random r = {1000 + i};
        for (int round = 0; round < ROUNDS; round++, read++) {
            char what[64];
            snprintf(what, sizeof what, "%s, round %d", sources[i].name, round);
            memcpy(data, whole, bytes);
            size_t kept = mutate(&r, data, bytes);
            media_write(media_path(sources[i].name), data, kept);
            read_it(media_path(sources[i].name), what, round % 2);
        }
        free(whole);
        free(data);
    }
    assert_true(read >= 12 * ROUNDS);
    sib_alloc_counters_get(&after);
    assert_int_equal(after.bytes_current, before.bytes_current);
}

TEST_FIXTURE(media_begin, media_end)
