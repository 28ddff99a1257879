/* The operators of ai.sibyl against the library's functions for the same: features from raw samples, and
   their smoothing, on ref and on cpu. */
#include "passes/check_passes.h"

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

static attribute text(const char *name, const char *s)
{
    return (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = str_of(s)};
}

static attribute integer(const char *name, int64_t i)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INT, .i = i};
}

static attribute number(const char *name, double f)
{
    return (attribute){.name = str_of(name), .kind = ATTR_FLOAT, .f = (float)f};
}

/* A front end as attributes and as a description. */
typedef struct front_end {
    size_t n;
    attribute attributes[8];
    sib_mel_spec spec;
} front_end;

static const char *const modes[] = {"none", "same", "valid"};

/* The model: samples [S] or [B, S] to features, smoothed by a node of their own. */
static tiny model_of(const front_end *f, const char *dims, sib_smooth smooth)
{
    tiny t = tiny_begin();
    attribute mode = text("mode", modes[smooth]);
    value_id y = own_op(&t, "LogMelSpectrogram", tiny_input(&t, "x", SIB_F32, dims), "mel", f->n,
                        (attribute *)f->attributes);
    if (smooth != SIB_SMOOTH_NONE)
        y = own_op(&t, "AveragePool3x3", y, "smooth", 1, &mode);
    tiny_output(&t, y);
    return t;
}

static void run(sib_session *s, size_t rank, const int64_t *dims, const float *samples, sib_value **out,
                const char *refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *wrapped = NULL;
    sib_value *x = NULL;
    *out = NULL;
    CHECK_OK(sib_tensor_wrap(SIB_F32, rank, dims, NULL, (void *)samples, NULL, NULL, &wrapped, &err), err);
    CHECK_OK(sib_value_from_tensor(wrapped, &x, &err), err);
    sib_named_value in = {"x", x};
    sib_code code = sib_session_run(s, 1, &in, 0, NULL, out, NULL, &err);
    if (refused)
        CHECK_FAILS(code, code, err, refused);
    else
        CHECK_OK(code, err);
    assert_int_equal(code == SIB_OK, !refused);
    sib_value_free(&x);
    sib_tensor_free(&wrapped);
}

/* The features of the features room. *frames: per row. */
static float *own_features(sib_mel_spec spec, sib_smooth smooth, bool precise, const float *x, size_t n,
                           size_t *rows, size_t *frames)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel *mel = NULL;
    uint64_t bands, columns;
    spec.smooth = smooth;
    CHECK_OK(sib_mel_create(&spec, &(sib_mel_options){.precise = precise}, &mel, &err), err);
    CHECK_OK(sib_mel_shape(mel, n, &bands, &columns, &err), err);
    float *y = malloc(bands * columns * sizeof *y);
    CHECK_OK(sib_mel_compute(mel, NULL, x, n, 0, y, columns, &err), err);
    sib_mel_free(&mel);
    *rows = bands;
    *frames = columns;
    return y;
}

static void expect_shape(const sib_value *v, size_t rows, size_t frames)
{
    const sib_tensor *t = sib_value_tensor(v);
    assert_int_equal(sib_tensor_rank(t), 2);
    assert_int_equal(sib_tensor_dims(t)[0], rows);
    assert_int_equal(sib_tensor_dims(t)[1], frames);
}

/* ref gives the features of the double kernel within `atol`; cpu those of the float kernel, bit for bit. */
static void expect_features(const front_end *f, sib_smooth smooth, double atol)
{
    static float samples[N_SAMPLES];
    const int64_t count = N_SAMPLES;
    size_t rows, frames;
    make_samples(samples);
    float *expected = own_features(f->spec, smooth, true, samples, N_SAMPLES, &rows, &frames);
    tiny t = model_of(f, "S", smooth);
    sib_session *s = tiny_session(&t, &(sib_session_options){.backends = "ref"});
    sib_value *out;
    run(s, 1, &count, samples, &out, NULL);
    expect_shape(out, rows, frames);
    const float *values = sib_tensor_data(sib_value_tensor(out)); /* (rows, frames) */
    for (size_t i = 0; i < rows * frames; i++)
        if (!(fabs((double)values[i] - (double)expected[i]) <= atol))
            fail_msg("value %zu is %.9g, the features room has %.9g", i, (double)values[i],
                     (double)expected[i]);
    sib_value_free(&out);
    sib_session_free(&s);
    free(expected);
    t = model_of(f, "S", smooth);
    s = tiny_session(&t, NULL);
    char nodes[100];
    assert_string_equal(passes_nodes(s->optimised->graph, nodes, sizeof nodes), "LogMelSpectrogram");
    expected = own_features(f->spec, smooth, false, samples, N_SAMPLES, &rows, &frames);
    run(s, 1, &count, samples, &out, NULL);
    expect_shape(out, rows, frames);
    assert_memory_equal(sib_tensor_data(sib_value_tensor(out)), expected, rows * frames * sizeof *expected);
    sib_value_free(&out);
    sib_session_free(&s);
    free(expected);
}

static front_end whisper(int n_mels)
{
    front_end f = {.n = 1, .attributes = {integer("n_mels", n_mels)}};
    assert_int_equal(sib_mel_spec_preset("whisper", n_mels, &f.spec, NULL), SIB_OK);
    return f;
}

TEST(features_are_whispers)
{
    const front_end large = whisper(128), usual = whisper(80);
    expect_features(&large, SIB_SMOOTH_NONE, 1e-6);
    expect_features(&usual, SIB_SMOOTH_NONE, 1e-6);
}

TEST(smoothing_is_the_same)
{
    const front_end usual = whisper(80);
    expect_features(&usual, SIB_SMOOTH_SAME, 1e-6);
    expect_features(&usual, SIB_SMOOTH_VALID, 1e-6);
}

TEST(every_attribute)
{
    front_end kaldi = {.n = 2, .attributes = {text("preset", "kaldi"), integer("n_mels", 23)}};
    assert_int_equal(sib_mel_spec_preset("kaldi", 23, &kaldi.spec, NULL), SIB_OK);
    expect_features(&kaldi, SIB_SMOOTH_NONE, 1e-5);
    front_end librosa = {.n = 7,
                         .attributes = {text("preset", "librosa"), integer("n_fft", 512), number("power", 1),
                                        text("window", "hamming"), integer("win_length", 300),
                                        integer("sample_rate", 8000), number("dynamic_range", 40)}};
    assert_int_equal(sib_mel_spec_preset("librosa", 0, &librosa.spec, NULL), SIB_OK);
    librosa.spec.n_fft = 512;
    librosa.spec.power = 1;
    librosa.spec.window = SIB_WINDOW_HAMMING;
    librosa.spec.win_length = 300;
    librosa.spec.sample_rate = 8000;
    librosa.spec.dynamic_range = 40;
    expect_features(&librosa, SIB_SMOOTH_VALID, 1e-4);
    front_end other = {.n = 8,
                       .attributes = {text("scale", "htk"), text("norm", "none"), text("slope", "mel"),
                                      text("log", "none"), integer("drop_last_frame", 0),
                                      integer("hop_length", 100), number("offset", 0.5),
                                      number("gain", 0.125)}};
    assert_int_equal(sib_mel_spec_preset("whisper", 0, &other.spec, NULL), SIB_OK);
    other.spec.scale = SIB_MEL_HTK;
    other.spec.norm = SIB_MEL_NORM_NONE;
    other.spec.slope = SIB_MEL_SLOPE_MEL;
    other.spec.log = SIB_LOG_NONE;
    other.spec.drop_last_frame = false;
    other.spec.hop_length = 100;
    other.spec.offset = 0.5;
    other.spec.gain = 0.125;
    expect_features(&other, SIB_SMOOTH_NONE, 1e-4);
    front_end windows = {.n = 5,
                         .attributes = {text("window", "hann_symmetric"), text("framing", "whole"),
                                        number("f_min", 100), number("f_max", 7000),
                                        number("log_floor", 1e-5)}};
    assert_int_equal(sib_mel_spec_preset("whisper", 0, &windows.spec, NULL), SIB_OK);
    windows.spec.window = SIB_WINDOW_HANN_SYMMETRIC;
    windows.spec.framing = SIB_FRAMING_WHOLE;
    windows.spec.f_min = 100;
    windows.spec.f_max = 7000;
    windows.spec.log_floor = (float)1e-5;
    expect_features(&windows, SIB_SMOOTH_SAME, 1e-6);
}

/* One session for every length and number of recordings, each clamped to its own maximum. */
TEST(lengths_and_batches)
{
    static float samples[N_SAMPLES];
    const front_end f = whisper(80);
    make_samples(samples);
    tiny t = model_of(&f, "B S", SIB_SMOOTH_SAME);
    sib_session *s = tiny_session(&t, NULL);
    sib_value *out;
    static const int64_t shapes[][2] = {{1, 24000}, {3, 8000}, {24, 1000}, {5, 201}, {2, 480}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        run(s, 2, shapes[i], samples, &out, NULL);
        const float *got = sib_tensor_data(sib_value_tensor(out));
        for (int64_t b = 0; b < shapes[i][0]; b++) {
            size_t rows, frames, n = (size_t)shapes[i][1];
            float *expected =
                own_features(f.spec, SIB_SMOOTH_SAME, false, samples + (size_t)b * n, n, &rows, &frames);
            assert_memory_equal(got + (size_t)b * rows * frames, expected, rows * frames * sizeof *got);
            free(expected);
        }
        sib_value_free(&out);
    }
    run(s, 2, (int64_t[]){0, 16000}, samples, &out, NULL); /* no recording */
    assert_int_equal(sib_tensor_count(sib_value_tensor(out)), 0);
    sib_value_free(&out);
    run(s, 2, (int64_t[]){1, 200}, samples, &out, "reflected");
    run(s, 2, (int64_t[]){1, 0}, samples, &out, "reflected");
    samples[7] = NAN;
    run(s, 2, (int64_t[]){1, 16000}, samples, &out, "sample 7 is NaN");
    sib_session_free(&s);
}

/* Once warm, a run of the two operators as one step allocates only what it hands out. */
TEST(steady)
{
    static float samples[N_SAMPLES];
    const front_end f = whisper(80);
    const int64_t count = N_SAMPLES;
    make_samples(samples);
    tiny t = model_of(&f, "S", SIB_SMOOTH_SAME);
    sib_session *s = tiny_session(&t, &(sib_session_options){.threads = 2});
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *wrapped = NULL;
    sib_value *x = NULL, *out = NULL;
    CHECK_OK(sib_tensor_wrap(SIB_F32, 1, &count, NULL, samples, NULL, NULL, &wrapped, &err), err);
    CHECK_OK(sib_value_from_tensor(wrapped, &x, &err), err);
    sib_named_value in = {"x", x};
    for (int i = 0; i < 6; i++) {
        sib_alloc_counters before, after;
        sib_alloc_counters_get(&before);
        CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), err);
        sib_alloc_counters_get(&after);
        if (i > 3)
            assert_int_equal(after.allocations, before.allocations);
        sib_value_free(&out);
    }
    sib_value_free(&x);
    sib_tensor_free(&wrapped);
    sib_session_free(&s);
}

TEST(bad_descriptions)
{
    static const struct {
        attribute a;
        const char *expected;
    } cases[] = {{{.name = {"win_length", 10}, .kind = ATTR_INT, .i = 401}, "win_length"},
                 {{.name = {"power", 5}, .kind = ATTR_FLOAT, .f = 1.5F}, "power"},
                 {{.name = {"preset", 6}, .kind = ATTR_STRING, .s = {"mfcc", 4}}, "preset"},
                 {{.name = {"f_max", 5}, .kind = ATTR_FLOAT, .f = 9000}, "f_max"}};
    static float samples[1000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const front_end f = {.n = 1, .attributes = {cases[i].a}};
        tiny t = model_of(&f, "S", SIB_SMOOTH_NONE);
        sib_session *s = NULL;
        sib_value *out = NULL;
        sib_error err = SIB_ERROR_INIT;
        sib_model *m = tiny_model(&t);
        if (sib_session_create(m, NULL, &s, &err) == SIB_OK)
            run(s, 1, (int64_t[]){1000}, samples, &out, cases[i].expected);
        else
            assert_non_null(strstr(err.message, cases[i].expected));
        sib_session_free(&s);
        sib_model_free(&m);
    }
}
