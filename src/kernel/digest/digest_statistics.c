#include "kernel/digest/digest_statistics.h"

#include <math.h>

/* ---- Moments ----------------------------------------------------------------------------------------- */

/* Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances". */
void join_moments(moments *m, const moments *b)
{
    const double part = (double)b->n / ((double)m->n + (double)b->n), apart = b->mean - m->mean;
    m->n_nan += b->n_nan;
    m->n_plus += b->n_plus;
    m->n_minus += b->n_minus;
    m->n_zero += b->n_zero;
    if (!b->n)
        return;
    m->min = m->n ? fmin(m->min, b->min) : b->min;
    m->max = m->n ? fmax(m->max, b->max) : b->max;
    m->squares = m->n ? m->squares + b->squares + apart * apart * ((double)m->n * part) : b->squares;
    m->mean = m->n ? m->mean * (1 - part) + b->mean * part : b->mean;
    m->n += b->n;
}

void add_element(moments *m, double x)
{
    if (isnan(x))
        m->n_nan++;
    else if (isinf(x))
        *(x > 0 ? &m->n_plus : &m->n_minus) += 1;
    else {
        m->min = m->n && m->min < x ? m->min : x;
        m->max = m->n && m->max > x ? m->max : x;
        m->n++;
        m->n_zero += x == 0;
        /* halves: the difference of two finite numbers may overflow */
        const double apart = x / 2 - m->mean / 2;
        m->mean += 2 * (apart / (double)m->n);
        m->squares += 2 * apart * (x - m->mean);
    }
}

void finish_moments(const moments *m, sib_digest *out)
{
    out->n_nan = m->n_nan;
    out->n_plus_inf = m->n_plus;
    out->n_minus_inf = m->n_minus;
    out->n_zero = m->n_zero;
    out->min = m->n ? m->min : NAN;
    out->max = m->n ? m->max : NAN;
    out->mean = m->n ? fmin(fmax(m->mean, m->min), m->max) : NAN;
    out->std = m->n ? sqrt(m->squares / (double)m->n) : NAN;
}

/* ---- Samples ------------------------------------------------------------------------------------------- */

sample sample_of(uint64_t count)
{
    return (sample){count, ((count + GROUP - 1) / GROUP + GROUPS - 1) / GROUPS};
}

/* Weyl's sequence with the golden ratio distributes the places evenly. */
uint64_t pick_of(const sample *s, uint64_t k)
{
    return k * s->stretch + ((k * UINT64_C(0x9E3779B97F4A7C15)) >> 32) * s->stretch / (UINT64_C(1) << 32);
}

/* Elements of the sample. */
size_t sample_count(const sample *s)
{
    const uint64_t groups = (s->count + GROUP - 1) / GROUP, taken = (groups + s->stretch - 1) / s->stretch;
    const uint64_t last = pick_of(s, taken - 1);
    const size_t n = (size_t)(last < groups ? taken : taken - 1) * GROUP;
    return last == groups - 1 ? n - (size_t)(groups * GROUP - s->count) : n;
}

/* ---- Histograms ---------------------------------------------------------------------------------------- */

void count_doubles(sib_digest *out, const double *x, size_t n)
{
    const double width = (out->max / SIB_DIGEST_BINS) - (out->min / SIB_DIGEST_BINS);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            continue;
        const double place = x[i] / width - out->min / width; /* NaN and inf where width is 0 or nearly */
        out->histogram[place >= 0 && place < SIB_DIGEST_BINS ? (size_t)place : SIB_DIGEST_BINS - 1]++;
        out->n_histogram++;
    }
}

/* Finite floats. */
void count_floats(sib_digest *out, const digest_kernels *k, const float *x, size_t n)
{
    const float low = (float)out->min, scale = (float)(SIB_DIGEST_BINS / (out->max - out->min));
    if (isnormal(scale)) {
        uint32_t counts[SIB_DIGEST_BINS] = {0};
        k->bins(x, n, low, scale, counts);
        for (size_t i = 0; i < SIB_DIGEST_BINS; i++)
            out->histogram[i] += counts[i];
        out->n_histogram += n;
        return;
    }
    for (size_t i = 0; i < n; i++)
        count_doubles(out, &(double){(double)x[i]}, 1);
}

/* Floats of which some may not be finite. n: up to DIGEST_BLOCK */
void count_finite(sib_digest *out, const digest_kernels *k, const float *x, size_t n)
{
    float finite[DIGEST_BLOCK];
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        finite[kept] = x[i];
        kept += isfinite(x[i]) != 0;
    }
    count_floats(out, k, finite, kept);
}
