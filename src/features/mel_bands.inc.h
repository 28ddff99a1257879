/* The end of every front end, LANES frames at a time: bands, logarithm, tally, store.
   Included after a vec_*.h, which defines vec, REAL, LANES and the v_ primitives. */
#ifndef FEATURES_MEL_BANDS_INC
#define FEATURES_MEL_BANDS_INC

#include "features/mel_internal.h"

#include <float.h>

#define LOG_TERMS (REAL_IS_FLOAT ? LOG_TERMS_F32 : LOG_TERMS_F64)

/* z of energies x: see LOG_* in mel_internal.h. Zeros and denormals come out below z_floor and so at it. */
static inline vec log_affine(vec x, const REAL *coefs)
{
    vec m, e = v_split(x, &m);
    vec f = v_sub(m, v_set1(1));
    vec q = v_set1(coefs[LOG_POLY + LOG_TERMS - 1]);
#pragma GCC unroll 16
    for (int i = LOG_TERMS - 2; i >= 0; i--)
        q = v_fma(q, f, v_set1(coefs[LOG_POLY + i]));
    vec whole = v_fma(e, v_set1(coefs[LOG_SCALE_HIGH]), v_set1(coefs[LOG_SHIFT]));
    vec part = v_fma(q, f, v_mul(e, v_set1(coefs[LOG_SCALE_LOW])));
    return v_max(v_add(whole, part), v_set1(coefs[LOG_Z_FLOOR]));
}

/* bins: (n_bins, LANES) |X|^power; out: (n_mels, count) with row stride `stride`, limits: (count) or NULL,
   count <= LANES frames. */
static inline void bands_of_group(const mel_tables *t, const REAL *bins, size_t count, float *out,
                                  size_t stride, float *limits, mel_tally *tally)
{
    const REAL *weights = t->weights, *coefs = t->log_coefs, *spread = t->spread, *levels = t->band_levels;
    const bool logarithm = t->logarithm;
    const vec offset = v_set1((REAL)t->offset), gain = v_set1((REAL)t->gain);
    float tail[LANES], high[LANES], energy[LANES];
    vec highest = v_set1(-FLT_MAX), lowest = v_set1(FLT_MAX), total = v_load(bins), sum = v_set1(0);
    for (int32_t m = 0; m < t->n_mels; m++) {
        const mel_band *band = &t->bands[m];
        const REAL *w = weights + band->weights, *p = bins + (size_t)band->first * LANES;
        vec x = v_set1(0);
        for (int32_t k = 0; k < band->count; k++, p += LANES)
            x = v_fma(v_load(p), v_set1(w[k]), x);
        total = v_fma(x, v_set1(spread[m]), total);
        vec z = logarithm ? log_affine(x, coefs) : v_mul(v_add(x, offset), gain);
        highest = v_max(z, highest);
        vec relative = v_sub(z, v_set1(levels[m]));
        lowest = v_min(relative, lowest);
        sum = v_add(relative, sum);
        if (count == LANES) {
            v_store_f32(out + (size_t)m * stride, z);
        } else {
            v_store_f32(tail, z);
            memcpy(out + (size_t)m * stride, tail, count * sizeof *tail);
        }
    }
    if (limits) {
        vec mean = v_fma(sum, v_set1((REAL)1 / (REAL)t->n_mels), v_set1((REAL)t->below_mean));
        vec limit = v_max(v_add(log_affine(total, coefs), v_set1((REAL)t->below_total)), mean);
        v_store_f32(tail, limit);
        v_store_f32(high, lowest);
        for (size_t i = 0; i < count; i++)
            limits[i] = high[i] < tail[i] ? tail[i] : -FLT_MAX;
    }
    v_store_f32(high, highest);
    v_store_f32(energy, total);
    for (size_t i = 0; i < count; i++) {
        if (high[i] > tally->maximum)
            tally->maximum = high[i];
        if (!(energy[i] <= FLT_MAX))
            tally->overflow = true;
    }
}

#endif
