/* Every front end against its definition, at every CPU level, on recordings of every kind. */
#include "base/alloc.h"
#include "base/cpu.h"
#include "features/mel_internal.h"
#include "reference.h"

#include <float.h>

/* Runs `spec` over x at a level and compares each value with the definition: at most tolerance + relative *
   |reference| off. Returns the largest difference. */
static double compare_at(cpu_level level, const sib_mel_spec *spec, bool precise, const float *x, size_t n,
                         size_t padding, const double *expected, int64_t count, double tolerance,
                         double relative)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel *mel;
    const sib_mel_options options = {.precise = precise};
    setenv("SIBYL_CPU", cpu_level_name(level), 1);
    CHECK_OK(sib_mel_create(spec, &options, &mel, &err), err);
    unsetenv("SIBYL_CPU");
    uint64_t bands, frames;
    CHECK_OK(sib_mel_shape(mel, n + padding, &bands, &frames, &err), err);
    assert_int_equal(bands, spec->n_mels);
    assert_int_equal(frames, count);
    const size_t stride = frames + 3; /* wider than the rows: the gap must not change */
    float *y = malloc(bands * stride * sizeof *y);
    for (size_t i = 0; i < bands * stride; i++)
        y[i] = -777;
    CHECK_OK(sib_mel_compute(mel, NULL, x, n, padding, y, stride, &err), err);
    double worst = 0;
    for (size_t m = 0; m < bands; m++)
        for (size_t t = 0; t < stride; t++) {
            if (t >= frames) {
                assert_true(y[m * stride + t] == -777);
                continue;
            }
            const double e = expected[m * frames + t], diff = fabs(y[m * stride + t] - e);
            if (!(diff <= tolerance + relative * fabs(e)))
                fail_msg("%s: band %zu frame %zu: %.9g, expected %.9g", cpu_level_name(level), m, t,
                         y[m * stride + t], e);
            worst = diff > worst ? diff : worst;
        }
    free(y);
    sib_mel_free(&mel);
    return worst;
}

/* What one comparison with the definition allows. */
typedef struct limit {
    bool precise;
    double tolerance, relative;
} limit;

/* Compares at every level, in the ways of `limits` (n_limits), with the definition, which is computed once. */
static double compare(const sib_mel_spec *spec, const float *x, size_t n, size_t padding, size_t n_limits,
                      const limit *limits)
{
    int64_t count;
    double *expected = ref_features(spec, x, (int64_t)n, (int64_t)padding, &count), worst = 0;
    for (int level = CPU_C; level < CPU_LEVELS; level++)
        for (size_t i = 0; i < n_limits && cpu_level_runs((cpu_level)level); i++)
            worst = fmax(worst, compare_at((cpu_level)level, spec, limits[i].precise, x, n, padding, expected,
                                           count, limits[i].tolerance, limits[i].relative));
    free(expected);
    return worst;
}

TEST_ALONE(levels)
{
    for (int level = CPU_C; level < CPU_LEVELS; level++)
        if (!cpu_level_runs((cpu_level)level))
            print_message("level %s skipped for want of a processor that has it\n",
                          cpu_level_name((cpu_level)level));
}

static sib_mel_spec preset(const char *name, int32_t n_mels)
{
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_mel_spec_preset(name, n_mels, &spec, &err), err);
    return spec;
}

/* The accuracy of a float32 transform on speech; the distance from torch's results is measured where torch is
   available. */
#define SPEECH_TOLERANCE 4e-5

TEST_ALONE(whisper_is_exact)
{
    enum { N = 16000 * 2 };
    static float x[N];
    static const int32_t bands[] = {80, 128, 200}; /* of 200 some hold no bins */
    static const limit exact = {true, 1e-7, 0}, speech[] = {{false, SPEECH_TOLERANCE, 0}, {true, 1e-7, 0}},
                       noise[] = {{false, 3e-6, 0}, {true, 1e-7, 0}};
    const size_t n = getenv("SIBYL_QUICK") ? N / 4 : N; /* still twice the frames of a vector */
    for (size_t b = 0; b < 3; b++) {
        const sib_mel_spec spec = preset("whisper", bands[b]);
        ref_speechlike(x, N, 0.5, 1);
        compare(&spec, x, n, 0, 2, speech);
        compare(&spec, x, n, 1234, 1, &exact);
        check_random r = {99};
        for (size_t i = 0; i < N; i++)
            x[i] = (float)(0.3 * check_uniform(&r));
        compare(&spec, x, n, 0, 2, noise);
        for (size_t i = 0; i < N; i++)
            x[i] = (float)sin(2 * REF_PI * 1000 * (double)i / 16000);
        compare(&spec, x, n, 0, 2, speech);
    }
}

TEST_ALONE(silence_is_exactly_the_floor)
{
    static float x[16000];
    const sib_mel_spec spec = preset("whisper", 0);
    assert_true(spec.log_floor == 1e-10); /* the reference takes its floor from the spec */
    x[8000] = 0;
    static const limit same[] = {{false, 0, 0}, {true, 0, 0}}, close = {false, 3e-6, 0};
    assert_true(compare(&spec, x, 16000, 0, 2, same) == 0); /* exactly -1.5 */
    x[8000] = 1;
    compare(&spec, x, 16000, 0, 1, &close);
}

TEST_ALONE(any_length)
{
    static float x[6000];
    ref_speechlike(x, 6000, 0.8, 2);
    const sib_mel_spec spec = preset("whisper", 0);
    /* lengths around the reflection, the hop, and each number of frames in a vector */
    const size_t lengths[] = {201, 202, 319,  320,  321,  399,  400,  401,  480,
                              639, 640, 1279, 1280, 1281, 1439, 2559, 2561, 5999};
    static const limit limits[] = {{false, 1e-4, 0}, {true, 1e-7, 0}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        compare(&spec, x, lengths[i], 0, 2, limits);
    compare(&spec, x, 1, 480, 1, &limits[1]); /* padding makes it long enough */
    compare(&spec, x, 300, 10000, 1, &limits[1]);
}

TEST_ALONE(librosa_and_kaldi_by_definition)
{
    enum { N = 9000 };
    static float x[N];
    ref_speechlike(x, N, 0.5, 3);
    static const limit close = {false, 1e-6, 1e-6};
    sib_mel_spec spec = preset("librosa", 0);
    compare(&spec, x, N, 0, 1, &close);
    compare(&spec, x, 5, 0, 1, &close);
    spec = preset("kaldi", 0);
    compare(&spec, x, N, 0, 1, &close);
    compare(&spec, x, 400, 0, 1, &close);
}

TEST_ALONE(any_description_by_definition)
{
    static float x[4000];
    ref_speechlike(x, 4000, 0.5, 4);
    const int32_t sizes[] = {2,   3,   4,   5,   7,   8,   9,   16,  30,  31,  49,  60,   97,
                             121, 127, 128, 210, 251, 256, 399, 400, 401, 480, 512, 1000, 1009};
    static const limit limits[] = {{false, 3e-7, 3e-7}}, varied[] = {{true, 3e-7, 3e-7}, {false, 1e-4, 2e-5}};
    check_random r = {17};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sib_mel_spec spec = preset("whisper", 1 + (int32_t)(check_u64(&r) % 40));
        spec.n_fft = sizes[i];
        spec.win_length = 1 + (int32_t)(check_u64(&r) % (uint64_t)sizes[i]);
        spec.hop_length = 1 + (int32_t)(check_u64(&r) % 300);
        spec.window = (sib_window)(check_u64(&r) % 5);
        spec.framing = (sib_framing)(check_u64(&r) % 3);
        spec.drop_last_frame = check_u64(&r) % 2;
        spec.remove_dc = check_u64(&r) % 2;
        spec.preemphasis = check_u64(&r) % 2 ? 0.9 : 0;
        spec.power = check_u64(&r) % 2 ? 1 : 2;
        spec.scale = (sib_mel_scale)(check_u64(&r) % 2);
        spec.norm = (sib_mel_norm)(check_u64(&r) % 2);
        spec.slope = (sib_mel_slope)(check_u64(&r) % 2);
        spec.log = (sib_log)(check_u64(&r) % 4);
        spec.log_reference = 0.5;
        spec.f_min = check_u64(&r) % 2 ? 100 : 0;
        spec.f_max = check_u64(&r) % 2 ? 7000 : 0;
        spec.dynamic_range = check_u64(&r) % 2 ? 3 : 0;
        const size_t n = 1500 + check_u64(&r) % 2000, padding = check_u64(&r) % 100;
        compare(&spec, x, n, padding, 1, limits);
    }
    /* the specialized kernel with every step after the transform varied */
    for (int i = 0; i < 16; i++) {
        sib_mel_spec spec = preset("whisper", 1 + (int32_t)(check_u64(&r) % 200));
        spec.log = (sib_log)(i % 4);
        spec.scale = (sib_mel_scale)(i / 4 % 2);
        spec.framing = (sib_framing)(i % 3);
        spec.f_min = 10 * i;
        spec.dynamic_range = i % 2 ? 2 : 0;
        compare(&spec, x, 3000, 0, 2, varied);
    }
}

TEST(bits_do_not_depend_on_threads)
{
    enum { N = 16000 * 5 };
    static float x[N];
    ref_speechlike(x, N, 0.9, 5);
    sib_error err = SIB_ERROR_INIT;
    for (int smooth = SIB_SMOOTH_NONE; smooth <= SIB_SMOOTH_VALID; smooth++) {
        sib_mel_spec spec = preset("whisper", 0);
        spec.smooth = (sib_smooth)smooth;
        sib_mel *mel;
        CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
        uint64_t bands, frames;
        CHECK_OK(sib_mel_shape(mel, N, &bands, &frames, &err), err);
        assert_int_equal(bands, smooth == SIB_SMOOTH_VALID ? 78 : 80);
        assert_int_equal(frames, smooth == SIB_SMOOTH_VALID ? 498 : 500);
        float *one = malloc(bands * frames * sizeof *one), *many = malloc(bands * frames * sizeof *many);
        CHECK_OK(sib_mel_compute(mel, NULL, x, N, 0, one, frames, &err), err);
        for (unsigned threads = 2; threads <= 5; threads++) {
            sib_pool *pool;
            CHECK_OK(sib_pool_create(threads, &pool, &err), err);
            CHECK_OK(sib_mel_compute(mel, pool, x, N, 0, many, frames, &err), err);
            assert_memory_equal(one, many, bands * frames * sizeof *one);
            sib_pool_free(&pool);
        }
        free(one), free(many);
        sib_mel_free(&mel);
    }
}

/* Bands without bins, which hold the floor, make no value doubtful: in noise few frames have one that is. */
TEST_ALONE(empty_bands_are_not_computed_again)
{
    enum { FRAMES = 64 };
    float x[160 * FRAMES + 400], limits[FRAMES];
    check_random r = {7};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)check_uniform(&r);
    for (int32_t n_mels = 80; n_mels <= 320; n_mels += 120) {
        const sib_mel_spec spec = preset("whisper", n_mels);
        sib_error err = SIB_ERROR_INIT;
        sib_mel *mel;
        CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
        assert_true(mel->kernel.single);
        assert_int_equal(mel->tables.n_filled<n_mels, n_mels> 80);
        mel_tally tally = {0};
        float *z = mem_alloc((size_t)n_mels, FRAMES * sizeof *z);
        void *scratch = mem_alloc(mel->kernel.scratch_bytes(&mel->tables), 1);
        const mel_rows rows = mel_rows_of(z, (size_t)n_mels, FRAMES);
        mel->kernel.block(&mel->tables, x, FRAMES, &rows, limits, &tally, scratch);
        int doubtful = 0;
        for (size_t t = 0; t < FRAMES; t++)
            doubtful += limits[t] != -FLT_MAX;
        if (doubtful > FRAMES / 4)
            fail_msg("%d bands: %d of %d frames have doubtful values", (int)n_mels, doubtful, FRAMES);
        mem_free(z), mem_free(scratch);
        sib_mel_free(&mel);
    }
}

TEST_ALONE(weights_are_the_definition)
{
    const char *names[] = {"whisper", "librosa", "kaldi"};
    for (size_t i = 0; i < 3; i++) {
        const sib_mel_spec spec = preset(names[i], i == 0 ? 128 : 0);
        sib_error err = SIB_ERROR_INIT;
        sib_mel *mel;
        CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
        const int bins = spec.n_fft / 2 + 1;
        double *w = malloc(sizeof *w * (size_t)(spec.n_mels * bins));
        sib_mel_weights(mel, w);
        for (int m = 0; m < spec.n_mels; m++)
            for (int k = 0; k < bins; k++) {
                double diff = fabs(w[m * bins + k] - ref_weight(&spec, m, k));
                if (!(diff <= 1e-12))
                    fail_msg("%s: weight of band %d, bin %d is %.17g", names[i], m, k, w[m * bins + k]);
            }
        assert_int_equal(sib_mel_get_spec(mel)->n_mels, spec.n_mels);
        free(w);
        sib_mel_free(&mel);
    }
}
