/* Arguments that a front end rejects, and the messages. */
#include "check_memory.h"
#include "reference.h"

#include <float.h>

static sib_mel_spec whisper(void)
{
    sib_mel_spec spec;
    assert_int_equal(sib_mel_spec_preset("whisper", 0, &spec, NULL), SIB_OK);
    return spec;
}

TEST(presets)
{
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(sib_mel_spec_preset("wisper", 0, &spec, &err), SIB_ERR_ARGUMENT, err, "wisper");
    CHECK_FAILS(sib_mel_spec_preset("whisper", -1, &spec, &err), SIB_ERR_ARGUMENT, err, "n_mels is -1");
    CHECK_FAILS(sib_mel_spec_preset("whisper", 5000, &spec, &err), SIB_ERR_ARGUMENT, err, "5000");
    CHECK_OK(sib_mel_spec_preset("librosa", 0, &spec, &err), err);
    assert_int_equal(spec.n_mels, 128);
}

typedef struct {
    const char *words;
    void (*spoil)(sib_mel_spec *);
} spoiler;

#define SPOIL(name, statement)                                                                               \
    static void spoil_##name(sib_mel_spec *s)                                                                \
    {                                                                                                        \
        statement;                                                                                           \
    }
SPOIL(bands, s->n_mels = 0)
SPOIL(hop, s->hop_length = 0)
SPOIL(negative_hop, s->hop_length = -160)
SPOIL(fft, s->n_fft = 0)
SPOIL(huge_fft, s->n_fft = INT32_MAX)
SPOIL(window, s->win_length = 401)
SPOIL(rate, s->sample_rate = 0)
SPOIL(power, s->power = 1.5)
SPOIL(nan, s->gain = NAN)
SPOIL(floor, s->log_floor = 0)
SPOIL(top, s->f_max = 9000)
SPOIL(order, (s->f_min = 5000, s->f_max = 4000))
SPOIL(lowest, s->f_min = 8000)
SPOIL(enumeration, s->scale = (sib_mel_scale)7)
SPOIL(range, s->dynamic_range = -1)

TEST(every_field)
{
    const spoiler spoilers[] = {
        {"n_mels is 0", spoil_bands},
        {"hop_length is 0", spoil_hop},
        {"hop_length is -160", spoil_negative_hop},
        {"n_fft is 0", spoil_fft},
        {"n_fft is 2147", spoil_huge_fft},
        {"win_length is 401", spoil_window},
        {"sample_rate is 0", spoil_rate},
        {"power is 1.5", spoil_power},
        {"gain is nan", spoil_nan},
        {"log_floor is 0", spoil_floor},
        {"f_max is 9000", spoil_top},
        {"f_max is 4000", spoil_order},
        {"f_min is 8000", spoil_lowest},
        {"scale is 7", spoil_enumeration},
        {"dynamic_range is -1", spoil_range},
    };
    for (size_t i = 0; i < sizeof spoilers / sizeof *spoilers; i++) {
        sib_mel_spec spec = whisper();
        sib_error err = SIB_ERROR_INIT;
        sib_mel *mel;
        spoilers[i].spoil(&spec);
        CHECK_FAILS(sib_mel_create(&spec, NULL, &mel, &err), SIB_ERR_ARGUMENT, err, spoilers[i].words);
        assert_null(mel);
    }
}

TEST(short_recordings)
{
    const sib_mel_spec spec = whisper();
    sib_mel *mel;
    sib_error err = SIB_ERROR_INIT;
    static float x[1000], y[80 * 10];
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    uint64_t bands, frames;
    CHECK_FAILS(sib_mel_compute(mel, NULL, x, 0, 0, y, 10, &err), SIB_ERR_VALUE, err, "no samples");
    CHECK_FAILS(sib_mel_compute(mel, NULL, x, 1, 0, y, 10, &err), SIB_ERR_VALUE, err, "1 samples");
    CHECK_FAILS(sib_mel_compute(mel, NULL, x, 200, 0, y, 10, &err), SIB_ERR_VALUE, err, "at least 201");
    CHECK_OK(sib_mel_compute(mel, NULL, x, 200, 1, y, 10, &err), err);
    CHECK_FAILS(sib_mel_compute(mel, NULL, x, 1000, 0, y, 5, &err), SIB_ERR_SIZE, err, "row_stride is 5");
    CHECK_FAILS(sib_mel_compute(mel, NULL, x, 1000, SIZE_MAX, y, 10, &err), SIB_ERR_SIZE, err, "padding");
    CHECK_FAILS(sib_mel_shape(mel, UINT64_MAX, &bands, &frames, &err), SIB_ERR_SIZE, err, "samples");
    sib_mel_free(&mel);
    sib_mel_spec dense = spec;
    dense.hop_length = 1;
    CHECK_OK(sib_mel_create(&dense, NULL, &mel, &err), err);
    CHECK_FAILS(sib_mel_shape(mel, (uint64_t)1 << 60, &bands, &frames, &err), SIB_ERR_SIZE, err,
                "do not fit");
    sib_mel_free(&mel);
    sib_mel_spec kaldi;
    CHECK_OK(sib_mel_spec_preset("kaldi", 0, &kaldi, &err), err);
    CHECK_OK(sib_mel_create(&kaldi, NULL, &mel, &err), err);
    CHECK_FAILS(sib_mel_compute(mel, NULL, x, 399, 0, y, 10, &err), SIB_ERR_VALUE, err, "too few");
    sib_mel_free(&mel);
}

TEST(bad_samples)
{
    enum { N = 16000 };
    static float x[N], y[128 * 200];
    const char *names[] = {"whisper", "librosa", "kaldi"};
    for (size_t p = 0; p < 3; p++)
        for (int precise = 0; precise < 2; precise++) {
            sib_mel_spec spec;
            sib_mel *mel;
            sib_error err = SIB_ERROR_INIT;
            const sib_mel_options options = {.precise = precise};
            CHECK_OK(sib_mel_spec_preset(names[p], 0, &spec, &err), err);
            CHECK_OK(sib_mel_create(&spec, &options, &mel, &err), err);
            const size_t places[] = {0, 1, 200, 7777, 8000, N - 100, N - 1};
            const float bad[] = {NAN, INFINITY, -INFINITY};
            for (size_t i = 0; i < sizeof places / sizeof *places; i++)
                for (size_t b = 0; b < 3; b++) {
                    char words[64];
                    ref_speechlike(x, N, 0.5, 6);
                    x[places[i]] = bad[b];
                    snprintf(words, sizeof words, "sample %zu is %s", places[i], b ? "infinite" : "NaN");
                    CHECK_FAILS(sib_mel_compute(mel, NULL, x, N, 0, y, 200, &err), SIB_ERR_VALUE, err, words);
                }
            ref_speechlike(x, N, 0.5, 6);
            if (p == 0 && !precise) { /* energies out of range of float */
                x[7777] = 1e30F;
                CHECK_FAILS(sib_mel_compute(mel, NULL, x, N, 0, y, 200, &err), SIB_ERR_VALUE, err,
                            "so large");
            }
            sib_mel_free(&mel);
        }
}

TEST(frames_apart_hide_nothing)
{
    enum { N = 4000 };
    static float x[N], y[80 * 10];
    sib_mel_spec spec = whisper();
    sib_mel *mel;
    sib_error err = SIB_ERROR_INIT;
    spec.hop_length = 1500; /* samples 200 .. 1299 are in no frame */
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    ref_speechlike(x, N, 0.5, 7);
    x[700] = NAN;
    CHECK_FAILS(sib_mel_compute(mel, NULL, x, N, 0, y, 10, &err), SIB_ERR_VALUE, err, "sample 700 is NaN");
    sib_mel_free(&mel);
}

/* n samples to 30 frames; creates a stream. */
static sib_code compute_and_stream(const sib_mel_spec *spec, const float *x, size_t n, float *y,
                                   sib_error *err)
{
    sib_mel *mel = NULL;
    sib_mel_stream *stream = NULL;
    sib_code code = sib_mel_create(spec, NULL, &mel, err);
    if (code == SIB_OK)
        code = sib_mel_compute(mel, NULL, x, n, 0, y, 30, err);
    if (code == SIB_OK)
        code = sib_mel_stream_create(mel, &stream, err);
    sib_mel_stream_free(&stream);
    sib_mel_free(&mel);
    return code;
}

TEST(allocation_failures)
{
    enum { N = 4000 };
    static float x[N], y[80 * 30];
    sib_error err = SIB_ERROR_INIT;
    ref_speechlike(x, N, 0.5, 8);
    for (int smooth = SIB_SMOOTH_NONE; smooth <= SIB_SMOOTH_VALID; smooth++)
        for (int general = 0; general < 2; general++) {
            sib_mel_spec spec = whisper();
            spec.smooth = (sib_smooth)smooth;
            spec.n_fft = general ? 402 : 400;
            CHECK_EVERY_ALLOCATION(compute_and_stream(&spec, x, N, y, &err), assert_true(check_k < 100));
        }
}
