/* Window, bands and logarithm as numbers, all computed in double. */
#include "features/mel_internal.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

void mel_window(const sib_mel_spec *spec, double *w)
{
    const int32_t n = spec->win_length;
    for (int32_t i = 0; i < n; i++) {
        double periodic = cos(2 * pi * i / n);
        double symmetric = n > 1 ? cos(2 * pi * i / (n - 1)) : -1;
        switch (spec->window) {
        case SIB_WINDOW_HANN:
            w[i] = 0.5 - 0.5 * periodic;
            break;
        case SIB_WINDOW_HANN_SYMMETRIC:
            w[i] = 0.5 - 0.5 * symmetric;
            break;
        case SIB_WINDOW_HAMMING:
            w[i] = 0.54 - 0.46 * symmetric;
            break;
        case SIB_WINDOW_POVEY:
            w[i] = pow(0.5 - 0.5 * symmetric, 0.85);
            break;
        case SIB_WINDOW_RECTANGULAR:
            w[i] = 1;
            break;
        }
    }
}

void mel_window_fft400(double *w)
{
    for (int b = 0; b < 25; b++)
        for (int a = 0; a < 8; a++)
            w[8 * b + a] = 0.5 - 0.5 * cos(2 * pi * ((25 * a + 16 * b) % FFT400_SIZE) / FFT400_SIZE);
}

/* Slaney's scale: 3 mels for 200 Hz up to 1 kHz, then 27 mels for each factor of 6.4. */
#define SLANEY_HZ_PER_MEL (200.0 / 3)
#define SLANEY_KNEE_HZ    1000.0
#define SLANEY_KNEE_MEL   15.0

static double mel_from_hz(sib_mel_scale scale, double hz)
{
    if (scale == SIB_MEL_HTK)
        return 2595 * log10(1 + hz / 700);
    if (hz < SLANEY_KNEE_HZ)
        return hz / SLANEY_HZ_PER_MEL;
    return SLANEY_KNEE_MEL + 27 * log(hz / SLANEY_KNEE_HZ) / log(6.4);
}

static double hz_from_mel(sib_mel_scale scale, double mel)
{
    if (scale == SIB_MEL_HTK)
        return 700 * (pow(10, mel / 2595) - 1);
    if (mel < SLANEY_KNEE_MEL)
        return mel * SLANEY_HZ_PER_MEL;
    return SLANEY_KNEE_HZ * exp((mel - SLANEY_KNEE_MEL) * log(6.4) / 27);
}

/* Band m rises from *low + m step mels, peaks one step later and ends two steps later. */
static double band_step(const sib_mel_spec *spec, double *low)
{
    const double top = spec->f_max != 0 ? spec->f_max : spec->sample_rate / 2.0;
    *low = mel_from_hz(spec->scale, spec->f_min);
    return (mel_from_hz(spec->scale, top) - *low) / (spec->n_mels + 1);
}

double mel_band_hz(const sib_mel_spec *spec, double band)
{
    double low;
    const double step = band_step(spec, &low);
    return hz_from_mel(spec->scale, low + step * (band + 1));
}

double mel_hz_band(const sib_mel_spec *spec, double hz)
{
    double low;
    const double step = band_step(spec, &low);
    return (mel_from_hz(spec->scale, hz) - low) / step - 1;
}

/* The edges of the bands: n_mels + 2 equal steps on the scale. */
typedef struct {
    const sib_mel_spec *spec;
    double low, step; /* mel */
    int32_t used;     /* bins that may have nonzero weights */
} band_edges;

static band_edges edges_of(const sib_mel_spec *spec)
{
    const double top = spec->f_max != 0 ? spec->f_max : spec->sample_rate / 2.0;
    const double low = mel_from_hz(spec->scale, spec->f_min), high = mel_from_hz(spec->scale, top);
    const int32_t n_bins = spec->n_fft / 2 + 1;
    /* Kaldi's banks end before the Nyquist bin. */
    const bool whole = spec->slope == SIB_MEL_SLOPE_HZ || spec->n_fft % 2;
    return (band_edges){spec, low, (high - low) / (spec->n_mels + 1), whole ? n_bins : n_bins - 1};
}

static double edge_hz(const band_edges *e, int32_t i)
{
    return hz_from_mel(e->spec->scale, e->low + e->step * i);
}

/* Edge i and bin k on the axis on which triangles are linear. */
static double edge_at(const band_edges *e, int32_t i)
{
    return e->spec->slope == SIB_MEL_SLOPE_MEL ? e->low + e->step * i : edge_hz(e, i);
}

static double bin_at(const band_edges *e, int32_t k)
{
    const double hz = (double)k * e->spec->sample_rate / e->spec->n_fft;
    return e->spec->slope == SIB_MEL_SLOPE_MEL ? mel_from_hz(e->spec->scale, hz) : hz;
}

void mel_dense_weights(const sib_mel_spec *spec, double *weights, double *energy_weights)
{
    const band_edges edges = edges_of(spec);
    const size_t n_bins = (size_t)spec->n_fft / 2 + 1;
    memset(weights, 0, (size_t)spec->n_mels * n_bins * sizeof *weights);
    for (int32_t m = 0; m < spec->n_mels; m++) {
        const double left = edge_at(&edges, m), centre = edge_at(&edges, m + 1),
                     right = edge_at(&edges, m + 2);
        const double area =
            spec->norm == SIB_MEL_NORM_SLANEY ? 2 / (edge_hz(&edges, m + 2) - edge_hz(&edges, m)) : 1;
        energy_weights[m] = 1 / area; /* triangles of height 1 add up to 1 in every bin */
        for (int32_t k = 0; k < edges.used; k++) {
            const double x = bin_at(&edges, k), up = (x - left) / (centre - left),
                         down = (right - x) / (right - centre);
            const double height = up < down ? up : down;
            weights[(size_t)m * n_bins + (size_t)k] = height > 0 ? area * height : 0;
        }
    }
}

size_t mel_pack_segments(const sib_mel_spec *spec, const double *dense_weights, mel_segment *segments,
                         double *weights)
{
    const band_edges edges = edges_of(spec);
    const size_t n_bins = (size_t)spec->n_fft / 2 + 1;
    int32_t k = 0;
    size_t n = 0;
    while (k < edges.used && bin_at(&edges, k) < edge_at(&edges, 0))
        k++;
    for (int32_t s = 0; s <= spec->n_mels; s++) {
        segments[s] = (mel_segment){.first = k, .weights = (int32_t)(2 * n)};
        for (; k < edges.used && bin_at(&edges, k) < edge_at(&edges, s + 1); k++, n++) {
            if (!weights)
                continue;
            weights[2 * n] = s > 0 ? dense_weights[(size_t)(s - 1) * n_bins + (size_t)k] : 0;
            weights[2 * n + 1] = s < spec->n_mels ? dense_weights[(size_t)s * n_bins + (size_t)k] : 0;
        }
        segments[s].count = k - segments[s].first;
    }
    return n;
}

/* log2(1 + f) = f q(f) for sqrt(1/2) <= 1 + f < sqrt(2): minimax error, found by iteratively reweighted least
   squares in double. Error 4.9e-8 with 8 terms, 7.0e-13 with 14. */
static const double log2_terms8[LOG_TERMS_F32] = {
    1.4426947724294659,  -0.7213571489451946, 0.48093944457026133, -0.3600872147599001,
    0.28670746177429884, -0.250069060470234,  0.2368903362562179,  -0.14574436407375954,
};
static const double log2_terms14[LOG_TERMS_F64] = {
    1.4426950408759052,  -0.7213475201109388,  0.48089835148469734, -0.3606738242049343,
    0.28853863242173877, -0.24044491747513075, 0.20611065082647137, -0.18047023193631154,
    0.16019538534728373, -0.14215340813573607, 0.13012239069238826, -0.13599421876198692,
    0.13406971944981383, -0.06956432852140321,
};

/* x rounded to 12 significant bits: times an exponent of up to 11 bits it stays exact in float. */
static double round12(double x)
{
    int exponent;
    double mantissa = frexp(x, &exponent);
    return ldexp(nearbyint(ldexp(mantissa, 12)), exponent - 12);
}

void mel_log_coefs(const sib_mel_spec *spec, size_t terms, double coefs[LOG_COEFS_MAX])
{
    /* log(x) = per_octave * log2(x) */
    double per_octave = spec->log == SIB_LOG_LN      ? log(2)
                        : spec->log == SIB_LOG_LOG10 ? log10(2)
                        : spec->power == 2           ? 10 * log10(2)
                                                     : 20 * log10(2);
    double reference = spec->log == SIB_LOG_DB ? per_octave * log2(spec->log_reference) : 0;
    double floor = spec->log == SIB_LOG_LN      ? log(spec->log_floor)
                   : spec->log == SIB_LOG_LOG10 ? log10(spec->log_floor)
                                                : per_octave / log10(2) * log10(spec->log_floor);
    double scale = per_octave * spec->gain;
    const double *poly = terms == LOG_TERMS_F32 ? log2_terms8 : log2_terms14;
    memset(coefs, 0, LOG_COEFS_MAX * sizeof *coefs);
    coefs[LOG_SCALE_HIGH] = round12(scale);
    coefs[LOG_SCALE_LOW] = scale - coefs[LOG_SCALE_HIGH];
    coefs[LOG_SHIFT] = (spec->offset - reference) * spec->gain;
    coefs[LOG_Z_FLOOR] = (floor - reference + spec->offset) * spec->gain;
    for (size_t i = 0; i < terms; i++)
        coefs[LOG_POLY + i] = scale * poly[i];
}

void mel_band_levels(const sib_mel_spec *spec, const double *dense_weights, const double coefs[LOG_COEFS_MAX],
                     double *levels)
{
    const size_t n_bins = (size_t)spec->n_fft / 2 + 1;
    for (size_t m = 0; m < (size_t)spec->n_mels; m++) {
        double sum = 0, squares = 0;
        for (size_t k = 0; k < n_bins; k++) {
            sum += dense_weights[m * n_bins + k];
            squares += dense_weights[m * n_bins + k] * dense_weights[m * n_bins + k];
        }
        levels[m] = (coefs[LOG_SCALE_HIGH] + coefs[LOG_SCALE_LOW]) *
                    (sum > 0 ? log2(squares / sum) : MEL_EMPTY_LEVEL);
    }
}
