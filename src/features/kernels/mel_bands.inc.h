/* The last steps of every front end, LANES frames at a time: bands, logarithm, tally, store. Included after
   real_f32.h or real_f64.h, which define vec, REAL, LANES and the v_ primitives. */
#ifndef FEATURES_MEL_BANDS_INC
#define FEATURES_MEL_BANDS_INC

#include "features/mel_internal.h"

#include <float.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
/* With instrumentation, unrolled transforms would take a compiler minutes. */
#define INLINE static
#define UNROLL(n)
#else
#define INLINE             static inline __attribute__((always_inline))
#define UNROLL(n)          UNROLL_TEXT(GCC unroll n)
#define UNROLL_TEXT(words) _Pragma(#words)
#endif

#define LOG_TERMS (REAL_IS_FLOAT ? LOG_TERMS_F32 : LOG_TERMS_F64)

/* Coefficients of the logarithm, each broadcast to all lanes. */
typedef struct {
    vec scale_high, scale_low, shift, z_floor, poly[LOG_TERMS_F64];
} log_vectors;

static inline log_vectors load_log(const REAL *coefs)
{
    log_vectors c = {v_set1(coefs[LOG_SCALE_HIGH]),
                     v_set1(coefs[LOG_SCALE_LOW]),
                     v_set1(coefs[LOG_SHIFT]),
                     v_set1(coefs[LOG_Z_FLOOR]),
                     {v_set1(coefs[LOG_POLY])}};
    for (int i = 1; i < LOG_TERMS; i++)
        c.poly[i] = v_set1(coefs[LOG_POLY + i]);
    return c;
}

/* z of energies x: see LOG_* in mel_internal.h. Zeros and denormals give a result below z_floor, so
   z_floor. */
static inline vec log_affine(vec x, const log_vectors *c)
{
    vec m, e = v_exponent(x, &m);
    vec f = v_sub(m, v_set1(1));
    vec q = c->poly[LOG_TERMS - 1];
    UNROLL(16)
    for (int i = LOG_TERMS - 2; i >= 0; i--)
        q = v_fma(q, f, c->poly[i]);
    vec whole = v_fma(e, c->scale_high, c->shift);
    vec part = v_fma(q, f, v_mul(e, c->scale_low));
    return v_max(v_add(whole, part), c->z_floor);
}

/* Adds the bins of a segment to the band that falls over it and to the one that rises. */
static inline void segment_sums(const mel_tables *t, int32_t s, const REAL *bins, vec *falling, vec *rising)
{
    const mel_segment *segment = &t->segments[s];
    const REAL *w = (const REAL *)t->weights + segment->weights, *p = bins + (size_t)segment->first * LANES;
    vec down = v_set1(0), up = down;
    for (int32_t k = 0; k < segment->count; k++, p += LANES, w += 2) {
        const vec x = v_load(p);
        down = v_fma(x, v_set1(w[0]), down);
        up = v_fma(x, v_set1(w[1]), up);
    }
    *falling = down;
    *rising = up;
}

/* Sums over the bands of a group, for the tally. */
typedef struct {
    vec highest; /* z */
    vec lowest;  /* z - level */
    vec levels;  /* sum of z - level */
    vec total;   /* energy */
} group_sums;

/* limits (count) of a group: see mel_block_fn. */
static inline void store_limits(const mel_tables *t, const log_vectors *c, const group_sums *g, size_t count,
                                float *limits)
{
    float low[LANES], limit[LANES];
    vec mean = v_fma(g->levels, v_set1((REAL)1 / (REAL)t->n_filled), v_set1((REAL)t->below_mean));
    v_store_f32(limit, v_max(v_add(log_affine(g->total, c), v_set1((REAL)t->below_total)), mean));
    v_store_f32(low, g->lowest);
    for (size_t i = 0; i < count; i++)
        limits[i] = low[i] < limit[i] ? limit[i] : -FLT_MAX;
}

static inline void add_to_tally(const group_sums *g, size_t count, mel_tally *tally)
{
    float high[LANES], energy[LANES];
    v_store_f32(high, g->highest);
    v_store_f32(energy, g->total);
    for (size_t i = 0; i < count; i++) {
        tally->maximum = high[i] > tally->maximum ? high[i] : tally->maximum;
        tally->overflow |= !(energy[i] <= FLT_MAX);
    }
}

/* Energies of the bands (n_mels, LANES), separate from the logarithms, so that these run without branches. */
static inline void sum_bands(const mel_tables *t, const REAL *bins, REAL *energies)
{
    vec falling, rising, next;
    segment_sums(t, 0, bins, &falling, &rising);
    for (int32_t m = 0; m < t->n_mels; m++, rising = next) {
        segment_sums(t, m + 1, bins, &falling, &next);
        v_store(energies + (size_t)m * LANES, v_add(rising, falling));
    }
}

/* bins: (n_bins, LANES) |X|^power; energies: (n_mels, LANES) to work in; out: (n_mels, count) from column `first`
   on; limits: (count) or NULL; count <= LANES frames. */
static inline void bands_of_group(const mel_tables *t, const REAL *bins, REAL *energies, size_t count,
                                  const mel_rows *out, size_t first, float *limits, mel_tally *tally)
{
    const REAL *energy_weights = t->energy_weights, *levels = t->band_levels; /* (n_mels) each */
    const log_vectors c = load_log(t->log_coefs);
    const size_t n_mels = (size_t)t->n_mels, ends[] = {1, n_mels > 2 ? n_mels - 1 : 1, n_mels};
    float *const rows[] = {out->first + first, out->inner + first, out->last + first};
    const vec offset = v_set1((REAL)t->offset), gain = v_set1((REAL)t->gain);
    const bool logarithm = t->logarithm;
    group_sums g = {v_set1(-FLT_MAX), v_set1(FLT_MAX), v_set1(0), v_load(bins)};
    sum_bands(t, bins, energies);
    for (size_t part = 0, m = 0; part < 3; part++)
        for (float *row = rows[part]; m < ends[part]; m++, row += out->stride) {
            const vec x = v_load(energies + m * LANES);
            const vec z = logarithm ? log_affine(x, &c) : v_mul(v_add(x, offset), gain);
            const vec relative = v_sub(z, v_set1(levels[m]));
            g.total = v_fma(x, v_set1(energy_weights[m]), g.total);
            g.highest = v_max(z, g.highest);
            g.lowest = v_min(relative, g.lowest);
            g.levels = v_add(relative, g.levels);
            if (count == LANES) {
                v_store_f32(row, z);
            } else {
                float tail[LANES];
                v_store_f32(tail, z);
                memcpy(row, tail, count * sizeof *tail);
            }
        }
    if (limits)
        store_limits(t, &c, &g, count, limits);
    add_to_tally(&g, count, tally);
}

#endif
