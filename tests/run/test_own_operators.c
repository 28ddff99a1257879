/* The operators of ai.sibyl against the library's functions for the same: features from raw samples, and
   their smoothing. */
#include "tiny.h"

#include <math.h>
#include <sibyl/features.h>

#define N_SAMPLES 24000
#define N_FRAMES  (N_SAMPLES / 160)

/* Samples like speech: tones under an envelope, noise, and a silence in the middle. */
static void make_samples(float *x)
{
    check_random r = {11};
    for (int i = 0; i < N_SAMPLES; i++) {
        double t = i / 16000.0;
        bool silent = i > 9000 && i < 11000;
        x[i] = silent ? 0
                      : (float)(0.3 * sin(6.2831853 * 220 * t) * (1 + sin(40 * t)) +
                                0.1 * sin(6.2831853 * 3100 * t) + 0.01 * check_uniform(&r));
    }
}

/* Adds a node of ai.sibyl with one input and output. */
static value_id own_op(tiny *t, const char *type, value_id in, const char *out, size_t n,
                       attribute *attributes)
{
    value_id made = tiny_made(t, out);
    node_id id = tiny_node(t, type, type, 1, &in, 1, &made, n, attributes);
    t->g->nodes[id].domain = str_of("ai.sibyl");
    t->g->nodes[id].version = 1;
    return made;
}

static void expect_features(int n_mels, sib_smooth smooth, const char *mode)
{
    static float samples[N_SAMPLES], expected[128 * N_FRAMES];
    sib_error err = SIB_ERROR_INIT;
    make_samples(samples);
    /* with the functions of src/features */
    sib_mel_spec spec;
    sib_mel_options precise = {.precise = true};
    sib_mel *mel = NULL;
    CHECK_OK(sib_mel_spec_preset("whisper", n_mels, &spec, &err), err);
    spec.smooth = smooth;
    CHECK_OK(sib_mel_create(&spec, &precise, &mel, &err), err);
    bool valid = smooth == SIB_SMOOTH_VALID;
    size_t rows = (size_t)n_mels - (valid ? 2 : 0), frames = N_FRAMES - (valid ? 2 : 0);
    CHECK_OK(sib_mel_compute(mel, NULL, samples, N_SAMPLES, 0, expected, frames, &err), err);
    /* with the operators */
    tiny t = tiny_begin();
    attribute bands = {.name = str_of("n_mels"), .kind = ATTR_INT, .i = n_mels};
    attribute how = {.name = str_of("mode"), .kind = ATTR_STRING, .s = str_of(mode)};
    value_id y = own_op(&t, "LogMelSpectrogram", tiny_input(&t, "x", SIB_F32, "S"), "mel", 1, &bands);
    if (smooth != SIB_SMOOTH_NONE)
        y = own_op(&t, "AveragePool3x3", y, "smooth", 1, &how);
    tiny_output(&t, y);
    sib_session *s = tiny_session(&t, NULL);
    sib_tensor *wrapped = NULL;
    sib_value *x = NULL, *out = NULL;
    int64_t count = N_SAMPLES;
    CHECK_OK(sib_tensor_wrap(SIB_F32, 1, &count, NULL, samples, NULL, NULL, &wrapped, &err), err);
    CHECK_OK(sib_value_from_tensor(wrapped, &x, &err), err);
    sib_named_value in = {"x", x};
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), err);
    const sib_tensor *got = sib_value_tensor(out);
    assert_int_equal(sib_tensor_rank(got), 2);
    assert_int_equal(sib_tensor_dims(got)[0], rows);
    assert_int_equal(sib_tensor_dims(got)[1], frames);
    const float *values = sib_tensor_data(got); /* (rows, frames) */
    double worst = 0;
    for (size_t i = 0; i < rows * frames; i++) {
        double difference = fabs((double)values[i] - (double)expected[i]);
        if (!(difference <= 1e-6))
            fail_msg("value %zu is %.9g, the features room has %.9g", i, (double)values[i],
                     (double)expected[i]);
        worst = difference > worst ? difference : worst;
    }
    print_message("%d bands, smoothing %s: largest difference %.2g\n", n_mels, mode, worst);
    sib_value_free(&x);
    sib_value_free(&out);
    sib_tensor_free(&wrapped);
    sib_session_free(&s);
    sib_mel_free(&mel);
}

TEST(features_are_whispers)
{
    expect_features(80, SIB_SMOOTH_NONE, "none");
    expect_features(128, SIB_SMOOTH_NONE, "none");
}

TEST(smoothing_is_the_same)
{
    expect_features(80, SIB_SMOOTH_SAME, "same");
    expect_features(80, SIB_SMOOTH_VALID, "valid");
}
