/* Recordings for tests: made by the ffmpeg command in a temporary folder, the same in every run. */
#ifndef TESTS_AUDIO_MEDIA_H
#define TESTS_AUDIO_MEDIA_H

#include "check.h"

#include <sibyl/audio.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static char media_folder[] = "/tmp/sibyl-audio-XXXXXX";
static bool media_has_ffmpeg;

/* Runs a shell command in the folder, without output; returns true if it succeeds. */
__attribute__((format(printf, 1, 2))) static inline bool media_run(const char *format, ...)
{
    char command[4096], line[4400];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(line, sizeof line, "cd %s && { %s ; } </dev/null >/dev/null 2>&1", media_folder, command);
    return system(line) == 0;
}

#define MEDIA_FFMPEG "ffmpeg -nostdin -y -v error "

static inline const char *media_path(const char *name)
{
    static _Thread_local char path[8][512];
    static _Thread_local int next;
    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/%s", media_folder, name);
    return path[next];
}

/* Makes src.wav (stereo, 44.1 kHz, 1.3 s: a tone in the left channel, pink noise in the right) and six.wav
   (5.1). */
static inline int media_begin(void)
{
    if (!mkdtemp(media_folder))
        return -1;
    media_has_ffmpeg =
        media_run(MEDIA_FFMPEG
                  "-f lavfi -i sine=frequency=440:duration=1.3:sample_rate=44100 -f lavfi -i "
                  "anoisesrc=d=1.3:c=pink:r=44100:a=0.5:seed=5 -filter_complex '[0][1]amerge=inputs=2' -ac 2 "
                  "src.wav && " MEDIA_FFMPEG "-i src.wav -af "
                  "'pan=5.1|FL=c0|FR=c1|FC=0.5*c0|LFE=c1|BL=c0|BR=0.3*c1' six.wav");
    if (!media_has_ffmpeg)
        print_message("skipped for want of the ffmpeg command: every case that needs made recordings\n");
    return 0;
}

static inline int media_end(void)
{
    media_run("cd / && rm -r %s", media_folder);
    return 0;
}

/* The content of an entire file; free() it. */
static inline uint8_t *media_read(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*bytes + 1);
    assert_int_equal(fread(data, 1, *bytes, f), *bytes);
    fclose(f);
    return data;
}

static inline void media_write(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static inline size_t media_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

#define MEDIA_NEEDS_FFMPEG()                                                                                 \
    do {                                                                                                     \
        if (!media_has_ffmpeg)                                                                               \
            CHECK_SKIP("the ffmpeg command");                                                                \
    } while (0)

#endif
