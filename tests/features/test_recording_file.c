/* A recording written as a file against the same recording in memory, with limits that make it cross every
   border: samples in a file, windows in the middle of chunks, chunks in the middle of windows. */
#include "base/alloc.h"
#include "base/error.h"
#include "check.h"
#include "features/recording/file.h"
#include "folder.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define N       40803 /* 2.55 s */
#define N_QUICK 22403 /* 1.4 s: still several chunks, reads and windows */
#define READ    3001

typedef struct front_end {
    const char *preset;
    int32_t bands;
    sib_smooth smooth;
    bool precise;
    double dynamic_range; /* negative: the preset's */
} front_end;

static sib_mel *make_mel(const front_end *f)
{
    sib_mel_spec spec;
    sib_mel *mel = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_mel_spec_preset(f->preset, f->bands, &spec, &err), err);
    spec.smooth = f->smooth;
    if (f->dynamic_range >= 0)
        spec.dynamic_range = f->dynamic_range;
    const sib_mel_options options = {.precise = f->precise};
    CHECK_OK(sib_mel_create(&spec, &options, &mel, &err), err);
    return mel;
}

/* A loud tone that fades into noise of a few steps of 16 bits, so that the clamp and the recomputed values
   matter; the maximum stands in the last third. */
CHECK_UNWATCHED static void write_wav(size_t n)
{
    const char *path = in_folder("a.wav");
    check_random r = {7};
    const uint32_t bytes = (uint32_t)(2 * n);
    const uint32_t head[11] = {0x46464952, 36 + bytes, 0x45564157, 0x20746d66, 16,   0x00010001,
                               16000,      32000,      0x00100002, 0x61746164, bytes};
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(head, 4, 11, f), 11);
    for (size_t i = 0; i < n; i++) {
        const double loud = i / 9000 % 2 ? 0.9 * (double)i / (double)n : 0;
        const int16_t x = (int16_t)(32767 * loud * sin(0.31 * (double)i) + 3 * (check_uniform(&r) - 0.5));
        assert_int_equal(fwrite(&x, 2, 1, f), 1);
    }
    fclose(f);
}

static char *read_bytes(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    char *bytes = malloc(*n);
    rewind(f);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

/* Reads a WAV to the end and writes its features. */
static sib_code write_file(const sib_mel *mel, sib_pool *pool, const sib_recording_options *o,
                           const char *wav, const char *npy, const char *png, size_t samples, size_t columns,
                           sib_recording_summary *summary, sib_error *err)
{
    sib_recording_file *file = NULL;
    sib_audio_reader *reader = NULL;
    sib_code code = sib_audio_open(wav, NULL, &reader, err);
    if (code == SIB_OK)
        code = sib_recording_file_create(mel, pool, o, npy, png != NULL, &file, err);
    if (code == SIB_OK && samples)
        recording_file_limit(file, samples, columns);
    for (size_t got = 1; code == SIB_OK && got > 0;)
        code = sib_recording_file_read(file, reader, READ, &got, err);
    if (code == SIB_OK)
        code = sib_recording_file_write(file, summary, err);
    if (code == SIB_OK && png)
        code = sib_recording_file_write_png(file, "title", png, err);
    sib_recording_file_free(&file);
    sib_audio_close(&reader);
    return code;
}

static void same_file(const char *a, const char *b)
{
    size_t n, m;
    char *x = read_bytes(a, &n), *y = read_bytes(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static const front_end front_ends[] = {
    {"whisper", 80, SIB_SMOOTH_NONE, false, -1},  {"whisper", 128, SIB_SMOOTH_NONE, true, -1},
    {"whisper", 80, SIB_SMOOTH_SAME, false, -1},  {"whisper", 80, SIB_SMOOTH_VALID, true, -1},
    {"kaldi", 80, SIB_SMOOTH_NONE, false, -1},    {"kaldi", 23, SIB_SMOOTH_VALID, false, 9},
    {"librosa", 128, SIB_SMOOTH_NONE, false, -1}, {"librosa", 40, SIB_SMOOTH_SAME, false, 80},
};

/* Where a file is cut: samples that it holds in memory, and columns of a window. */
typedef struct cut {
    size_t samples, columns;
    bool image;
} cut;

/* What the recording in memory gives. */
typedef struct wanted {
    sib_audio_report report;
    sib_recording recording;
    sib_stats stats;
    size_t n_samples, bands, frames;
    const sib_tensor *array;
} wanted;

/* Writes want.npy, and want.png if there is to be an image. */
static wanted compute_wanted(const sib_mel *mel, sib_pool *pool, const sib_recording_options *o, bool image)
{
    wanted w = {.bands = 0};
    sib_error err = SIB_ERROR_INIT;
    float *x;
    CHECK_OK(sib_audio_load(in_folder("a.wav"), NULL, &x, &w.n_samples, NULL, &err), err);
    sib_audio_inspect(x, w.n_samples, &w.report);
    CHECK_OK(sib_recording_compute(mel, pool, x, w.n_samples, o, &w.recording, &err), err);
    sib_free(x);
    const sib_tensor *features = w.recording.features;
    w.array = w.recording.fixed ? w.recording.fixed : features;
    w.bands = (size_t)sib_tensor_dims(w.array)[0];
    w.frames = (size_t)sib_tensor_dims(w.array)[1];
    CHECK_OK(sib_npy_save(in_folder("want.npy"), w.array, &err), err);
    if (image)
        CHECK_OK(sib_mel_write_png(mel, sib_tensor_data(features), w.bands, w.frames, w.frames, "title",
                                   in_folder("want.png"), &err),
                 err);
    CHECK_OK(sib_tensor_stats(features, &w.stats, NULL, 0, 0, 0, &err), err);
    return w;
}

static void compare_cut(const sib_mel *mel, sib_pool *pool, const sib_recording_options *o, const wanted *w,
                        const cut *c)
{
    sib_recording_summary s;
    sib_error err = SIB_ERROR_INIT;
    const sib_audio_report *report = &w->report;
    const char *npy = in_folder("got.npy"), *png = c->image ? in_folder("got.png") : NULL;
    CHECK_OK(write_file(mel, pool, o, in_folder("a.wav"), npy, png, c->samples, c->columns, &s, &err), err);
    same_file(in_folder("want.npy"), npy);
    if (png)
        same_file(in_folder("want.png"), png);
    assert_true(s.min == w->stats.min && s.max == w->stats.max &&
                fabs(s.mean - w->stats.mean) <= 1e-10 * fmax(fabs(w->stats.min), fabs(w->stats.max)));
    assert_true(s.audio.n_samples == w->n_samples && s.audio.peak == report->peak &&
                s.audio.rms == report->rms && s.audio.dc_offset == report->dc_offset &&
                s.audio.n_clipped == report->n_clipped &&
                s.audio.longest_silence == report->longest_silence && s.audio.silent == report->silent);
    assert_int_equal(s.bands, w->bands);
    assert_int_equal(s.frames, w->frames);
    assert_int_equal(s.chunks, w->recording.chunks);
    assert_int_equal(s.frames_per_chunk, w->recording.frames_per_chunk);
    assert_int_equal(s.dtype, sib_tensor_dtype(w->array));
    assert_true(s.one == w->recording.one);
}

/* Compares the file, in each of the cuts (n > 0), with the same recording in memory. */
static void compare(const front_end *f, const sib_recording_options *o, size_t n, const cut *cuts)
{
    sib_mel *mel = make_mel(f);
    sib_pool *pool;
    sib_error err = SIB_ERROR_INIT;
    bool image = false;
    for (size_t i = 0; i < n; i++)
        image |= cuts[i].image;
    CHECK_OK(sib_pool_create(2, &pool, &err), err);
    wanted w = compute_wanted(mel, pool, o, image);
    for (size_t i = 0; i < n; i++)
        compare_cut(mel, pool, o, &w, &cuts[i]);
    sib_recording_free(&w.recording);
    sib_pool_free(&pool);
    sib_mel_free(&mel);
}

/* Quick runs take every pair of a front end, a chunk length and a cut, but not all three with each other: one
   cut of a chunk length, another for each front end. */
static bool is_left_out(size_t front, size_t chunk, size_t k)
{
    return getenv("SIBYL_QUICK") && k != (chunk + 3 * front + 1) % 4;
}

TEST(equal_bits)
{
    const double chunks[] = {0, 0.45, 1.1, 3};
    const size_t samples[] = {READ, 7000, 100000}, columns[] = {1, 37, 90, 1000};
    write_wav(getenv("SIBYL_QUICK") ? N_QUICK : N);
    for (size_t i = 0; i < 8; i++)
        for (size_t c = 0; c < 4; c++)
            for (size_t level = 0; level < 2; level++) {
                const sib_recording_options o = {.chunk_seconds = chunks[c],
                                                 .normalize = (i + c) % 2,
                                                 .level = level ? SIB_LEVEL_RMS : SIB_LEVEL_PEAK,
                                                 .target = 0.3};
                cut cuts[2];
                size_t n = 0;
                for (size_t k = level; k < 4; k += 2)
                    if (!is_left_out(i, c, k))
                        cuts[n++] = (cut){samples[(i + k) % 3], columns[k], k == 1 && c == i % 4};
                if (n > 0)
                    compare(&front_ends[i], &o, n, cuts);
            }
}

TEST(equal_bits_in_fixed_point)
{
    const double chunks[] = {0, 0.45, 1.1, 3};
    const size_t columns[] = {1, 2, 37, 1000};
    write_wav(getenv("SIBYL_QUICK") ? N_QUICK : N);
    for (size_t i = 0; i < 2; i++)
        for (size_t c = 0; c < 4; c++)
            for (size_t wide = 0; wide < 2; wide++) {
                const sib_recording_options o = {.chunk_seconds = chunks[c],
                                                 .fixed = (i + wide) % 2 ? SIB_I16 : SIB_I8};
                front_end f = front_ends[i ? 1 : 0];
                for (int smooth = SIB_SMOOTH_NONE; smooth <= SIB_SMOOTH_VALID; smooth++) {
                    cut cuts[2];
                    size_t n = 0;
                    f.smooth = (sib_smooth)smooth;
                    for (size_t k = wide; k < 4; k += 2) {
                        const bool image = k == 2 && c == 1;
                        if (image || !is_left_out(i + (size_t)smooth, c, k))
                            cuts[n++] = (cut){k % 2 ? READ : 100000, columns[k], image};
                    }
                    if (n > 0)
                        compare(&f, &o, n, cuts);
                }
            }
}

/* ---- Failures ---- */

static const sib_recording_options none = {0};

/* Writes a.wav to out.npy with small limits. */
static sib_code attempt(const front_end *f, const sib_recording_options *o, sib_error *err)
{
    sib_mel *mel = make_mel(f);
    sib_recording_summary s;
    const sib_code code = write_file(mel, NULL, o, in_folder("a.wav"), in_folder("out.npy"),
                                     in_folder("out.png"), READ, 37, &s, err);
    sib_mel_free(&mel);
    return code;
}

/* Disk full at any point: the limit on the size of a file stands for it. */
TEST_ALONE(full_disk)
{
    write_wav(N);
    const rlim_t limits[] = {1000, 30000, N * sizeof(float) - 1, 80 * (N / 160) * sizeof(float)};
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const size_t before = files_in_folder();
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        sib_error err = SIB_ERROR_INIT;
        small = (struct rlimit){limits[i], old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        const sib_code code = attempt(&front_ends[0], &none, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(code, SIB_ERR_IO);
        assert_non_null(strstr(err.message, "out.npy: cannot be written: File too large"));
        assert_int_equal(files_in_folder(), before);
    }
    signal(SIGXFSZ, handler);
}

/* Stops at the part whose number is *context. */
static sib_code stop(void *context, size_t done, size_t parts, sib_error *err)
{
    assert_true(done < parts);
    size_t *left = context;
    return (*left)-- == 0 ? err_set(err, SIB_ERR_CANCELLED, "stopped") : SIB_OK;
}

TEST_ALONE(cancelled)
{
    write_wav(N);
    const size_t before = files_in_folder();
    const front_end *clamped = &front_ends[2], *unclamped = &front_ends[4];
    /* 254 columns in windows of 37, twice; 252 of another front end, once */
    for (size_t i = 0; i < 2; i++)
        for (size_t at = 0; at < (i ? 7 : 14); at++) {
            sib_error err = SIB_ERROR_INIT;
            size_t left = at;
            const sib_recording_options o = {.on_chunk = stop, .context = &left};
            CHECK_FAILS(attempt(i ? unclamped : clamped, &o, &err), SIB_ERR_CANCELLED, err, "stopped");
            assert_int_equal(files_in_folder(), before);
        }
    size_t left = 14;
    sib_error err = SIB_ERROR_INIT;
    const sib_recording_options o = {.on_chunk = stop, .context = &left};
    CHECK_OK(attempt(clamped, &o, &err), err);
    assert_int_equal(left, 0);
    remove(in_folder("out.npy"));
    remove(in_folder("out.png"));
}

TEST_ALONE(bad_recordings)
{
    sib_error err = SIB_ERROR_INIT;
    write_wav(N);
    const size_t before = files_in_folder();
    FILE *f = fopen(in_folder("a.wav"), "r+b");
    assert_int_equal(ftruncate(fileno(f), N), 0);
    fclose(f);
    CHECK_FAILS(attempt(&front_ends[0], &none, &err), SIB_ERR_FORMAT, err, "a.wav");
    write_wav(100);
    CHECK_FAILS(attempt(&front_ends[0], &none, &err), SIB_ERR_VALUE, err, "100 samples");
    write_wav(N);
    const sib_recording_options loud = {.normalize = true, .level = SIB_LEVEL_PEAK, .target = 1e37};
    CHECK_FAILS(attempt(&front_ends[0], &loud, &err), SIB_ERR_VALUE, err, "energies overflow");
    const sib_recording_options fixed = {.fixed = SIB_I8};
    CHECK_FAILS(attempt(&front_ends[4], &fixed, &err), SIB_ERR_ARGUMENT, err, "preset 'whisper'");
    assert_int_equal(files_in_folder(), before);
}

/* What comes in the wrong order. */
TEST_ALONE(misuse)
{
    write_wav(N);
    sib_mel *mel = make_mel(&front_ends[0]);
    sib_error err = SIB_ERROR_INIT;
    sib_recording_file *file;
    sib_audio_reader *reader;
    sib_recording_summary s;
    size_t got;
    const char *out = in_folder("out.npy");
    CHECK_OK(sib_audio_open(in_folder("a.wav"), NULL, &reader, &err), err);
    CHECK_OK(sib_recording_file_create(mel, NULL, NULL, out, false, &file, &err), err);
    CHECK_FAILS(sib_recording_file_read(file, reader, 1000001, &got, &err), SIB_ERR_ARGUMENT, err,
                "at most 1000000");
    CHECK_OK(sib_recording_file_read(file, reader, N, &got, &err), err);
    assert_int_equal(got, N);
    CHECK_OK(sib_recording_file_write(file, &s, &err), err);
    CHECK_FAILS(sib_recording_file_write(file, &s, &err), SIB_ERR_ARGUMENT, err, "written already");
    CHECK_FAILS(sib_recording_file_read(file, reader, 1, &got, &err), SIB_ERR_ARGUMENT, err,
                "before the array");
    CHECK_FAILS(sib_recording_file_write_png(file, NULL, "x.png", &err), SIB_ERR_ARGUMENT, err, "no image");
    sib_recording_file_free(&file);
    assert_null(file);
    sib_recording_file_free(&file);
    sib_audio_close(&reader);
    sib_mel_free(&mel);
    remove(out);
}

TEST_ALONE(every_allocation_fails)
{
    write_wav(N);
    const size_t before = files_in_folder();
    for (size_t i = 0; i < 2; i++) {
        sib_mel *mel = make_mel(&front_ends[i ? 0 : 2]);
        const sib_recording_options o = {.fixed = i ? SIB_I8 : SIB_DTYPE_UNKNOWN};
        const uint64_t held = check_held();
        sib_code code = SIB_ERR_MEMORY;
        for (uint64_t allowed = 0; code != SIB_OK; allowed++) {
            sib_error err = SIB_ERROR_INIT;
            sib_recording_summary s;
            assert_true(allowed < 2000);
            mem_fail_after(allowed);
            code =
                write_file(mel, NULL, &o, in_folder("a.wav"), in_folder("out.npy"), NULL, READ, 37, &s, &err);
            mem_fail_never();
            assert_true(code == SIB_OK || (code == SIB_ERR_MEMORY && err.message[0]));
            assert_int_equal(files_in_folder(), before + (code == SIB_OK));
            assert_int_equal(check_held(), held);
        }
        remove(in_folder("out.npy"));
        sib_mel_free(&mel);
    }
}

TEST_FIXTURE(make_folder, drop_folder)
