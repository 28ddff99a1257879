/* Fixed-point features against Whisper's in double, from the same 16-bit samples: speech, noise, tones at
   every level, and samples that no microphone gives. Limits: correlation 0.9995, mean absolute error 0.004
   for int16 and 0.008 for int8.

   In 8 bits, steady noise has so little variance that rounding alone costs more correlation than that:
   rounding the exact features themselves gives 0.9988. There the limit is the result of that rounding, less
   1e-4. */
#include "check.h"
#include "features/reference.h"

#include <dirent.h>
#include <sibyl/audio.h>
#include <sibyl/fixed.h>

#define CORRELATION 0.9995
#define MEAN_INT16  0.004
#define MEAN_INT8   0.008

/* Errors of n values. */
typedef struct {
    double correlation, mean, largest;
} accuracy;

static accuracy compare(const double *got, const double *want, size_t n)
{
    double g = 0, w = 0, gg = 0, ww = 0, gw = 0;
    accuracy a = {1, 0, 0};
    for (size_t i = 0; i < n; i++)
        g += got[i] / (double)n, w += want[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double x = got[i] - g, y = want[i] - w, error = fabs(got[i] - want[i]);
        gg += x * x, ww += y * y, gw += x * y;
        a.mean += error / (double)n;
        a.largest = fmax(a.largest, error);
    }
    if (ww > 1e-12 * (double)n) /* constant features have no correlation */
        a.correlation = gw / sqrt(gg * ww);
    return a;
}

/* The worst results of all recordings so far. */
static struct {
    accuracy wide, narrow;
} worst = {{1, 0, 0}, {1, 0, 0}};

static void keep_worst(accuracy *w, accuracy a)
{
    w->correlation = fmin(w->correlation, a.correlation);
    w->mean = fmax(w->mean, a.mean);
    w->largest = fmax(w->largest, a.largest);
}

static double *reference(const int16_t *x, size_t n, int32_t bands, int64_t *frames)
{
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_mel_spec_preset("whisper", bands, &spec, &err), err);
    float *y = malloc(n * sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)x[i] / 32768;
    double *want = ref_features(&spec, y, (int64_t)n, 0, frames);
    free(y);
    return want;
}

static void check_kind(const char *name, const int16_t *x, size_t n, int32_t bands, bool sound)
{
    int64_t frames;
    double *want = reference(x, n, bands, &frames);
    const size_t values = (size_t)(bands * frames);
    double *got = calloc(values, sizeof *got), *rounded = malloc(values * sizeof *rounded);
    int16_t *wide = malloc(values * sizeof *wide);
    int8_t *narrow = malloc(values);
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_fixed_int16(bands, 0, NULL, x, n, 0, wide, (size_t)frames, &err), err);
    CHECK_OK(sib_fixed_int8(bands, 0, NULL, x, n, 0, narrow, (size_t)frames, &err), err);
    for (size_t i = 0; i < values; i++)
        got[i] = (double)wide[i] / SIB_FIXED_ONE_INT16;
    const accuracy w = compare(got, want, values);
    for (size_t i = 0; i < values; i++) {
        got[i] = (double)narrow[i] / SIB_FIXED_ONE_INT8;
        rounded[i] = floor(want[i] * SIB_FIXED_ONE_INT8 + 0.5) / SIB_FIXED_ONE_INT8;
    }
    const accuracy b = compare(got, want, values), ideal = compare(rounded, want, values);
    if (getenv("SIBYL_VERBOSE"))
        print_message("%-18s %3d bands: int16 correlation %.7f mean %.6f largest %.4f; int8 %.5f %.4f %.4f\n",
                      name, (int)bands, w.correlation, w.mean, w.largest, b.correlation, b.mean, b.largest);
    if (!(w.correlation >= CORRELATION && w.mean <= MEAN_INT16))
        fail_msg("%s, int16: correlation %.6f, mean error %.5f", name, w.correlation, w.mean);
    const bool alike = !sound || b.correlation >= fmin(CORRELATION, ideal.correlation - 1e-4);
    if (!(alike && b.mean <= MEAN_INT8))
        fail_msg("%s, int8: correlation %.6f (rounding alone %.6f), mean error %.5f", name, b.correlation,
                 ideal.correlation, b.mean);
    if (sound) {
        keep_worst(&worst.wide, w);
        keep_worst(&worst.narrow, b);
    }
    free(want), free(got), free(rounded), free(wide), free(narrow);
}

static void check_samples(const char *name, const int16_t *x, size_t n, int32_t bands)
{
    check_kind(name, x, n, bands, true);
}

#define SECOND 16000

static int16_t to_pcm(double x)
{
    return (int16_t)fmax(-32768, fmin(32767, nearbyint(x)));
}

TEST(test_tones)
{
    static const double hz[] = {50,   60,   100,  205,  440,  1000, 1234.5, 2000,
                                3000, 4321, 5000, 6000, 7000, 7500, 7777,   7900};
    static int16_t x[SECOND];
    char name[64];
    for (size_t f = 0; f < sizeof hz / sizeof *hz; f++)
        for (int db = 0; db >= -60; db -= getenv("SIBYL_QUICK") ? 30 : 6) {
            for (int i = 0; i < SECOND; i++)
                x[i] = to_pcm(32767 * pow(10, db / 20.0) * sin(2 * REF_PI * hz[f] * i / SECOND));
            snprintf(name, sizeof name, "tone %g Hz %d dB", hz[f], db);
            check_samples(name, x, SECOND, 80);
            if (db == -30)
                check_samples(name, x, SECOND, 128);
        }
}

TEST(test_noise)
{
    static int16_t x[SECOND];
    char name[64];
    for (int db = 0; db >= -60; db -= 10) {
        check_random r = {11};
        for (int i = 0; i < SECOND; i++)
            x[i] = to_pcm(32767 * pow(10, db / 20.0) * check_uniform(&r));
        snprintf(name, sizeof name, "noise %d dB", db);
        check_samples(name, x, SECOND, 80);
        check_samples(name, x, SECOND, 128);
    }
}

TEST(test_no_sound)
{
    static int16_t x[SECOND];
    check_kind("silence", x, SECOND, 80, false);
    for (int i = 0; i < SECOND; i++)
        x[i] = INT16_MIN;
    check_kind("least", x, SECOND, 80, false);
    for (int i = 0; i < SECOND; i++)
        x[i] = 1000;
    check_kind("constant", x, SECOND, 80, false);
    for (int i = 0; i < SECOND; i++)
        x[i] = i % 2 ? INT16_MAX : INT16_MIN;
    check_kind("alternating", x, SECOND, 80, false);
    for (int half = 2; half < 1000; half = half * 3 / 2 + 1) {
        for (int i = 0; i < SECOND; i++)
            x[i] = i / half % 2 ? INT16_MAX : INT16_MIN;
        check_kind("square wave", x, SECOND, 80, false);
    }
    memset(x, 0, sizeof x);
    for (int level = 1; level <= 32767; level = 2 * level + 1) {
        x[SECOND / 2] = (int16_t)level;
        check_kind("impulse", x, SECOND, 80, false);
    }
}

static int16_t *load(const char *path, size_t *n)
{
    float *samples;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_audio_load(path, NULL, &samples, n, NULL, &err), err);
    int16_t *x = malloc(*n * sizeof *x);
    for (size_t i = 0; i < *n; i++)
        x[i] = (int16_t)lrintf(samples[i] * 32768);
    sib_free(samples);
    return x;
}

/* Speech at levels down to -60 dB. */
TEST(test_speech)
{
    const char *data = check_data_folder(), *files[] = {"whisper/jfk.flac", "vad/test.wav"};
    if (!data)
        CHECK_SKIP("the shared data");
    char path[4400], name[64];
    for (size_t f = 0; f < 2; f++) {
        size_t n;
        snprintf(path, sizeof path, "%s/%s", data, files[f]);
        int16_t *x = load(path, &n), *y = malloc(n * sizeof *y);
        check_samples(files[f], x, n, 80);
        check_samples(files[f], x, n, 128);
        for (int db = -20; f == 0 && db >= -60; db -= 20) {
            for (size_t i = 0; i < n; i++)
                y[i] = to_pcm(x[i] * pow(10, db / 20.0));
            snprintf(name, sizeof name, "jfk %d dB", db);
            check_samples(name, y, n, 80);
        }
        free(x), free(y);
    }
}

/* Of the spoken digits, the held-out takes 45 to 49. */
TEST(test_digits)
{
    const char *data = check_data_folder();
    char path[4400], file[4800];
    snprintf(path, sizeof path, "%s/fsdd", data ? data : "");
    DIR *folder = data ? opendir(path) : NULL;
    if (!folder)
        CHECK_SKIP("the shared data");
    int found = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *take = strrchr(entry->d_name, '_');
        if (!take || atoi(take + 1) < (getenv("SIBYL_QUICK") ? 49 : 45))
            continue;
        size_t n;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        int16_t *x = load(file, &n);
        check_samples(entry->d_name, x, n, 80);
        free(x);
        found++;
    }
    closedir(folder);
    assert_true(found >= 50);
}

/* At half the level, every value above the clamp is less by log10(4) / 4. */
TEST(test_level_shifts)
{
    enum { FRAMES = SECOND / 160 };
    static int16_t x[SECOND], y[SECOND], a[80 * FRAMES], b[80 * FRAMES];
    sib_error err = SIB_ERROR_INIT;
    check_random r = {5};
    for (int i = 0; i < SECOND; i++)
        x[i] = (int16_t)(2 * (int)(8000 * check_uniform(&r) * (0.1 + fabs(sin(i / 3000.0)))));
    for (int halvings = 0; halvings < 8; halvings++) {
        for (int i = 0; i < SECOND; i++) {
            x[i] = (int16_t)(x[i] / 4 * 4);
            y[i] = x[i] / 2;
        }
        CHECK_OK(sib_fixed_int16(80, 0, NULL, x, SECOND, 0, a, FRAMES, &err), err);
        CHECK_OK(sib_fixed_int16(80, 0, NULL, y, SECOND, 0, b, FRAMES, &err), err);
        for (size_t i = 0; i < 80 * FRAMES; i++) {
            const double shift = (double)(a[i] - b[i]) / SIB_FIXED_ONE_INT16;
            if (b[i] > -1.5 * SIB_FIXED_ONE_INT16 && !(fabs(shift - log10(4) / 4) < 0.002))
                fail_msg("value %zu moved by %.5f at level 2^-%d", i, shift, halvings);
        }
        memcpy(x, y, sizeof x);
    }
}

static int tell(void)
{
    print_message("worst: int16 correlation %.6f, mean error %.5f, largest %.4f; int8 %.6f, %.5f, %.4f\n",
                  worst.wide.correlation, worst.wide.mean, worst.wide.largest, worst.narrow.correlation,
                  worst.narrow.mean, worst.narrow.largest);
    return 0;
}

TEST_FIXTURE(NULL, tell)
