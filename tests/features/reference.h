/* The front end by its definition, in double, as plain sums: every kernel is compared with it. */
#ifndef TESTS_FEATURES_REFERENCE_H
#define TESTS_FEATURES_REFERENCE_H

#include "check.h"

#include <math.h>
#include <sibyl/features.h>

#define REF_PI 3.14159265358979323846

static inline double ref_window(const sib_mel_spec *s, int n)
{
    const double N = s->win_length, symmetric = N > 1 ? 0.5 - 0.5 * cos(2 * REF_PI * n / (N - 1)) : 1;
    switch (s->window) {
    case SIB_WINDOW_HANN:
        return pow(sin(REF_PI * n / N), 2);
    case SIB_WINDOW_HANN_SYMMETRIC:
        return symmetric;
    case SIB_WINDOW_HAMMING:
        return 0.08 + 0.92 * symmetric;
    case SIB_WINDOW_POVEY:
        return pow(symmetric, 0.85);
    default:
        return 1;
    }
}

static inline double ref_mel(const sib_mel_spec *s, double hz)
{
    if (s->scale == SIB_MEL_HTK)
        return 1127.01048033416 * log1p(hz / 700); /* 2595 / ln 10 */
    return hz < 1000 ? 3 * hz / 200 : 15 + 27 * log2(hz / 1000) / log2(6.4);
}

/* Weight of bin k in band m, whose triangle begins, peaks and ends at three of n_mels + 2 equidistant points
   of the scale. */
static inline double ref_weight(const sib_mel_spec *s, int m, int k)
{
    const double top = s->f_max > 0 ? s->f_max : s->sample_rate / 2.0;
    const double low = ref_mel(s, s->f_min), step = (ref_mel(s, top) - low) / (s->n_mels + 1);
    double at = (double)k * s->sample_rate / s->n_fft, edge[3];
    for (int i = 0; i < 3; i++) {
        double mel = low + step * (m + i);
        if (s->scale == SIB_MEL_HTK)
            edge[i] = 700 * expm1(mel / 1127.01048033416);
        else
            edge[i] = mel < 15 ? mel * 200 / 3 : 1000 * pow(6.4, (mel - 15) / 27);
    }
    const double area = s->norm == SIB_MEL_NORM_SLANEY ? 2 / (edge[2] - edge[0]) : 1;
    if (s->slope == SIB_MEL_SLOPE_MEL) {
        if (2 * k == s->n_fft)
            return 0;
        at = ref_mel(s, at);
        for (int i = 0; i < 3; i++)
            edge[i] = low + step * (m + i);
    }
    if (at <= edge[0] || at >= edge[2])
        return 0;
    return area *
           (at <= edge[1] ? (at - edge[0]) / (edge[1] - edge[0]) : (edge[2] - at) / (edge[2] - edge[1]));
}

/* Sample i of the recording, extended past its ends by the rule of the framing. */
CHECK_UNWATCHED static inline double ref_sample(const sib_mel_spec *s, const float *x, int64_t n,
                                                int64_t total, int64_t i)
{
    if (s->framing == SIB_FRAMING_CENTER_REFLECT) {
        if (i < 0)
            i = -i;
        if (i >= total)
            i = 2 * total - 2 - i;
    }
    return i >= 0 && i < n ? x[i] : 0;
}

static inline int64_t ref_frames(const sib_mel_spec *s, int64_t total)
{
    int64_t n = s->framing == SIB_FRAMING_WHOLE ? (total - s->win_length) / s->hop_length + 1
                                                : total / s->hop_length + 1;
    return s->drop_last_frame ? n - 1 : n;
}

/* Tables of a front end, and memory for a frame. */
typedef struct ref_front {
    const sib_mel_spec *s; /* borrowed */
    double *root;          /* (n_fft, 2) cos and sin of 2 pi i / n_fft */
    double *weights;       /* (n_mels, n_fft / 2 + 1) */
    double *window;        /* (win_length) */
    double *frame;         /* (win_length) */
} ref_front;

static inline ref_front ref_front_make(const sib_mel_spec *s)
{
    const int bins = s->n_fft / 2 + 1;
    ref_front f = {.s = s,
                   .root = malloc(2 * sizeof *f.root * (size_t)s->n_fft),
                   .weights = malloc(sizeof *f.weights * (size_t)(s->n_mels * bins)),
                   .window = malloc(sizeof *f.window * (size_t)s->win_length),
                   .frame = malloc(sizeof *f.frame * (size_t)s->win_length)};
    for (int i = 0; i < s->win_length; i++)
        f.window[i] = ref_window(s, i);
    for (int i = 0; i < s->n_fft; i++) {
        f.root[2 * i] = cos(2 * REF_PI * i / s->n_fft);
        f.root[2 * i + 1] = sin(2 * REF_PI * i / s->n_fft);
    }
    for (int m = 0; m < s->n_mels; m++)
        for (int k = 0; k < bins; k++)
            f.weights[m * bins + k] = ref_weight(s, m, k);
    return f;
}

static inline void ref_front_free(ref_front *f)
{
    free(f->root), free(f->weights), free(f->window), free(f->frame);
}

/* Energies (n_mels) of the frame that begins at sample `start` of x (n), which is extended to `total`. */
CHECK_UNWATCHED static inline void ref_energies(const ref_front *f, const float *x, int64_t n, int64_t total,
                                                int64_t start, double *energy)
{
    const sib_mel_spec *s = f->s;
    const int bins = s->n_fft / 2 + 1;
    double *frame = f->frame, mean = 0;
    for (int i = 0; i < s->win_length; i++) {
        frame[i] = ref_sample(s, x, n, total, start + i);
        mean += frame[i] / s->win_length;
    }
    for (int i = 0; s->remove_dc && i < s->win_length; i++)
        frame[i] -= mean;
    for (int i = s->win_length - 1; i >= 0; i--)
        frame[i] = (frame[i] - s->preemphasis * frame[i > 0 ? i - 1 : 0]) * f->window[i];
    for (int m = 0; m < s->n_mels; m++)
        energy[m] = 0;
    for (int k = 0; k < bins; k++) {
        double re = 0, im = 0;
        for (int i = 0, at = 0; i < s->win_length; i++, at += k, at -= at >= s->n_fft ? s->n_fft : 0) {
            re += frame[i] * f->root[2 * at];
            im += frame[i] * f->root[2 * at + 1];
        }
        const double power = s->power == 2 ? re * re + im * im : sqrt(re * re + im * im);
        for (int m = 0; m < s->n_mels; m++)
            energy[m] += f->weights[(size_t)m * (size_t)bins + (size_t)k] * power;
    }
}

/* Features (n_mels, frames) in double, before smoothing; the caller frees them. *frames is set to their
   number. */
CHECK_UNWATCHED static inline double *ref_features(const sib_mel_spec *s, const float *x, int64_t n,
                                                   int64_t padding, int64_t *frames)
{
    const int64_t total = n + padding, count = *frames = ref_frames(s, total);
    ref_front front = ref_front_make(s);
    double *y = malloc(sizeof *y * (size_t)(s->n_mels * count)),
           *energy = malloc(sizeof *energy * (size_t)s->n_mels);
    double highest = -INFINITY;
    for (int64_t t = 0; t < count; t++) {
        int64_t start = t * s->hop_length;
        if (s->framing != SIB_FRAMING_WHOLE)
            start -= s->n_fft / 2 - (s->n_fft - s->win_length) / 2;
        ref_energies(&front, x, n, total, start, energy);
        for (int m = 0; m < s->n_mels; m++) {
            double e = s->log == SIB_LOG_NONE ? energy[m] : fmax(energy[m], s->log_floor);
            const double db = s->power == 2 ? 10 : 20;
            e = s->log == SIB_LOG_LN      ? log(e)
                : s->log == SIB_LOG_LOG10 ? log10(e)
                : s->log == SIB_LOG_DB    ? db * log10(e) - db * log10(s->log_reference)
                                          : e;
            y[m * count + t] = e;
            highest = fmax(highest, e);
        }
    }
    for (int64_t i = 0; i < s->n_mels * count; i++) {
        if (s->dynamic_range > 0)
            y[i] = fmax(y[i], highest - s->dynamic_range);
        y[i] = (y[i] + s->offset) * s->gain;
    }
    ref_front_free(&front);
    free(energy);
    return y;
}

/* Samples like speech: harmonics that glide and pulse over a little noise, rounded to 16 bits; full scale is
   1. */
CHECK_UNWATCHED static inline void ref_speechlike(float *x, size_t n, double level, uint64_t seed)
{
    check_random r = {seed * 2 + 1};
    double phase = 0;
    for (size_t i = 0; i < n; i++) {
        const double t = (double)i / 16000, pitch = 120 + 40 * sin(2 * REF_PI * 0.7 * t);
        phase += 2 * REF_PI * pitch / 16000;
        double v = 0;
        for (int h = 1; h <= 20; h++)
            v += sin(h * phase) / (h * h);
        v = v * (0.5 + 0.5 * sin(2 * REF_PI * 3 * t)) * 0.5 + 0.002 * check_uniform(&r);
        x[i] = (float)(nearbyint(v * level * 32767) / 32768);
    }
}

#endif
