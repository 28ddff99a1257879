#include "import/recipe/mel.h"
#include "import/recipe/ctc.h"

#include <jansson.h>
#include <math.h>

#define MAX_SIZE 2048 /* of a transform */

/* ---- Numbers ------------------------------------------------------------------------------------------- */

static int64_t number(const json_t *own, const char *key, int64_t otherwise)
{
    const json_t *n = json_object_get(own, key);
    return !n ? otherwise : json_is_integer(n) ? json_integer_value(n) : 0;
}

mel_bands mel_read(build *b)
{
    json_t *own = ctc_processor(b);
    const json_t *emphasis = json_object_get(own, "preemphasis");
    const mel_bands m = {.n = number(own, "feature_size", 80),
                         .rate = number(own, "sampling_rate", 16000),
                         .hop = number(own, "hop_length", 160),
                         .n_fft = number(own, "n_fft", 512),
                         .window = number(own, "win_length", 400),
                         .emphasis = !emphasis ? 0.97 : json_number_value(emphasis)};
    json_decref(own);
    if (m.n < 1 || m.n > 1024 || m.rate < 1000 || m.rate > 384000 || m.n_fft < 2 || m.n_fft > MAX_SIZE ||
        m.n_fft % 2 || m.window < 2 || m.window > m.n_fft || m.hop < 1 || 2 * m.hop > m.window ||
        !(fabs(m.emphasis) <= 1))
        build_fail(
            b, SIB_ERR_UNSUPPORTED,
            "%s: features of %lld bands, transforms of %lld samples, windows of %lld each %lld, at %lld "
            "Hz, as its processor has them, are not supported",
            checkpoint_file(b->c, 0), (long long)m.n, (long long)m.n_fft, (long long)m.window,
            (long long)m.hop, (long long)m.rate);
    return m;
}

/* A constant's elements, of rank dims, which live as long as the model. */
static float *elements(build *b, int64_t n)
{
    float *out = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)n, sizeof *out) : NULL;
    if (b->code == SIB_OK && !out)
        build_fail(b, SIB_ERR_MEMORY, "no memory for the weights of features");
    return out;
}

/* ---- Spectra ------------------------------------------------------------------------------------------- */

/* Cosines, then sines, of all frequencies times a Hann window: [n_fft + 2, 1, window]. */
static value_id waves(build *b, const mel_bands *m)
{
    const double pi = 3.14159265358979323846;
    const int64_t bins = m->n_fft / 2 + 1;
    float *w = elements(b, 2 * bins * m->window);
    for (int64_t i = 0; w && i < bins * m->window; i++) {
        const int64_t at = i % m->window, step = i / m->window * at % m->n_fft;
        const double angle = 2 * pi * (double)step / (double)m->n_fft,
                     hann = 0.5 - 0.5 * cos(2 * pi * (double)at / (double)(m->window - 1));
        w[i] = (float)(hann * cos(angle));
        w[bins * m->window + i] = (float)(hann * sin(angle));
    }
    value_id flat = w ? build_floats(b, (size_t)(2 * bins * m->window), w) : NO_VALUE;
    return build_reshape(b, flat, 3, (const int64_t[]){2 * bins, 1, m->window});
}

/* x [B, 1, T] -> the power of each frequency [B, n_fft / 2 + 1, T / hop]; windows are around every hop's first sample. */
static value_id powers(build *b, value_id x, const mel_bands *m)
{
    const int64_t before = m->n_fft / 2 - (m->n_fft - m->window) / 2;
    const build_conv at = {.from = 1,
                           .to = m->n_fft + 2,
                           .kernel = m->window,
                           .stride = m->hop,
                           .groups = 1,
                           .before = before,
                           .after = m->window - before - m->hop,
                           .weight = waves(b, m)};
    value_id parts[2];
    build_split(b, build_conv_1d(b, x, &at), 1, 2, parts);
    return build_add(b, build_mul(b, parts[0], parts[0]), build_mul(b, parts[1], parts[1]));
}

/* Each sample without a part of the one before it. x [B, 1, T] */
static value_id emphasized(build *b, value_id x, const mel_bands *m)
{
    const float taps[] = {(float)-m->emphasis, 1};
    const build_conv at = {.from = 1,
                           .to = 1,
                           .kernel = 2,
                           .stride = 1,
                           .groups = 1,
                           .before = 1,
                           .weight =
                               build_reshape(b, build_floats(b, 2, taps), 3, (const int64_t[]){1, 1, 2})};
    return m->emphasis == 0 ? x : build_conv_1d(b, x, &at);
}

/* ---- Bands --------------------------------------------------------------------------------------------- */

/* Slaney's scale: 3 mels for 200 Hz up to 1 kHz, then 27 mels for each factor of 6.4. */
static double mel_of(double hz)
{
    return hz < 1000 ? hz * 3 / 200 : 15 + log(hz / 1000) * 27 / log(6.4);
}

static double hz_of(double mel)
{
    return mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

/* Triangles of equal area [n, n_fft / 2 + 1]. */
static value_id triangles(build *b, const mel_bands *m)
{
    const int64_t bins = m->n_fft / 2 + 1;
    const double top = (double)m->rate / 2, step = mel_of(top) / (double)(m->n + 1);
    float *w = elements(b, m->n * bins);
    for (int64_t i = 0; w && i < m->n * bins; i++) {
        const int64_t band = i / bins;
        const double hz = top * (double)(i % bins) / (double)(bins - 1), low = hz_of(step * (double)band),
                     peak = hz_of(step * (double)(band + 1)), high = hz_of(step * (double)(band + 2));
        const double height = fmax(0, fmin((hz - low) / (peak - low), (high - hz) / (high - peak)));
        w[i] = (float)((double)(float)height * (2 / (high - low)));
    }
    value_id flat = w ? build_floats(b, (size_t)(m->n * bins), w) : NO_VALUE;
    return build_reshape(b, flat, 2, (const int64_t[]){m->n, bins});
}

/* x [B, n, N], each row with a mean of 0 and, by N - 1, a standard deviation of 1. */
static value_id normalized(build *b, value_id x)
{
    value_id axis = build_int(b, 2), centred = build_sub(b, x, build_2(b, "ReduceMean", x, axis)),
             sum = build_2(b, "ReduceSum", build_mul(b, centred, centred), axis),
             n = build_sub(b, build_cast(b, build_shape(b, x, 2, 1), SIB_F32), build_float(b, 1)),
             deviation = build_1(b, "Sqrt", build_2(b, "Div", sum, n));
    return build_2(b, "Div", centred, build_add(b, deviation, build_float(b, 1e-5)));
}

value_id mel_features(build *b, value_id samples, const mel_bands *m)
{
    value_id x = emphasized(b, build_2(b, "Unsqueeze", samples, build_int(b, 1)), m);
    x = build_2(b, "MatMul", triangles(b, m), powers(b, x, m));
    x = build_1(b, "Log", build_add(b, x, build_float(b, ldexp(1, -24))));
    return build_transpose(b, normalized(b, x), 3, (const int64_t[]){0, 2, 1});
}
