/* The fixed-point kernel for LANES frames at once, one frame per lane: the operations of tile_kernel.c in the
   same order on the same numbers, so each lane has the same bits. Uses the vector operations of simd/int_*.h:

       vi       LANES int32: vi_load, vi_store, vi_set1, vi_add, vi_sub, vi_max, vi_abs, vi_mul (low 32 bits),
                vi_shl, vi_shr (by a constant), vi_shlv, vi_shrv (each lane by its own count), vi_madd (per
                lane two products of int16, added), vi_pair (the low halves of two vectors, one pair per
                lane), vi_mul_q31 and vi_dot_q31 (as those of tile_math.h), vi_lookup (of 16 numbers),
                vi_store16, vi_transpose_rows (LANES numbers of LANES rows)
       vd       half as many doubles: vd_load, vd_store, vd_set1, vd_mul, vd_fma, vd_low, vd_high (halves of a
                vi as doubles), vi_tops (the upper 32 bits of each double of two vd)

   Powers and sums of bands are integers below 2^53, so doubles hold them exactly; the exponent and first bits
   of such a double are those that tile_kernel.c finds by shifting. */
#include "tile/tile_lanes.h"
#include "tile/tile_tables.h"

#include <stdbool.h>
#include <string.h>

#define LANES   VI_LANES
#define COLUMNS 25
#define ROWS    16
#define PAIRS   6 /* pairs of terms of a 25-point sum */
#define HALVES  9
#define RE(k)   (2 * (k) - ((k) > 0))
#define IM(k)   (2 * (k))

typedef struct {
    union {
        int32_t z[COLUMNS][ROWS][LANES];
        double power[TILE_BINS][LANES];
    } work;
    int32_t samples[TILE_FRAME_SAMPLES / 2][LANES]; /* samples 2 i and 2 i + 1 */
    int32_t sums[ROWS][PAIRS][LANES], differences[ROWS][PAIRS][LANES], centres[ROWS][LANES];
    double weights[2 * TILE_BINS];
    int32_t window[TILE_FRAME_SAMPLES];
    int32_t cosines[12][PAIRS], sines[12][PAIRS]; /* of k2 = 1 .. 12 */
    int32_t value[16], slope[16], bend[16];       /* of tile_log_rows */
    uint8_t bins[HALVES][COLUMNS];                /* bin (k1, k2) */
} lanes_scratch;

static void make_tables(lanes_scratch *s, const tile_bank *bank)
{
    size_t bins = 0;
    for (int i = 0; i <= bank->n_bands; i++)
        bins += bank->counts[i];
    for (size_t i = 0; i < 2 * bins; i++)
        s->weights[i] = bank->weights[i];
    for (int n = 0; n < TILE_FRAME_SAMPLES; n++)
        s->window[n] = tile_window[n <= 200 ? n : TILE_FRAME_SAMPLES - n];
    for (int k = 1; k <= 12; k++)
        for (int p = 0; p < PAIRS; p++) {
            const int a = (2 * p + 1) * k % COLUMNS, b = (2 * p + 2) * k % COLUMNS;
            s->cosines[k - 1][p] = (int32_t)((uint16_t)tile_cos25[a] | (uint32_t)tile_cos25[b] << 16);
            s->sines[k - 1][p] = (int32_t)((uint16_t)tile_sin25[a] | (uint32_t)tile_sin25[b] << 16);
        }
    for (int i = 0; i < 16; i++) {
        s->value[i] = tile_log_rows[i].value;
        s->slope[i] = tile_log_rows[i].slope;
        s->bend[i] = tile_log_rows[i].bend;
    }
    for (int k1 = 0; k1 < HALVES; k1++)
        for (int k2 = 0; k2 < COLUMNS; k2++) {
            const int k = (225 * k1 + 176 * k2) % TILE_FRAME_SAMPLES;
            s->bins[k1][k2] = (uint8_t)(k < TILE_BINS ? k : TILE_FRAME_SAMPLES - k);
        }
}

static inline vi windowed(const lanes_scratch *s, int n)
{
    const vi two = vi_load(s->samples[n >> 1]);
    const vi x = n & 1 ? vi_shr(two, 16) : vi_shr(vi_shl(two, 16), 16);
    return vi_shr(vi_mul(x, vi_set1(s->window[n])), 5);
}

static inline void transform_even(const vi u[8], int32_t z[ROWS][LANES])
{
    const vi c = vi_set1(tile_cos16[1]);
    const vi p1 = vi_add(u[1], u[7]), p2 = vi_add(u[2], u[6]), p3 = vi_add(u[3], u[5]);
    const vi q1 = vi_sub(u[1], u[7]), q2 = vi_sub(u[2], u[6]), q3 = vi_sub(u[3], u[5]);
    const vi both = vi_add(u[0], u[4]), across = vi_sub(u[0], u[4]);
    const vi odd = vi_add(p1, p3), even = vi_add(both, p2);
    const vi re = vi_mul_q31(vi_sub(p1, p3), c), im = vi_mul_q31(vi_add(q1, q3), c);
    vi_store(z[RE(0)], vi_add(even, odd));
    vi_store(z[RE(8)], vi_sub(even, odd));
    vi_store(z[RE(4)], vi_sub(both, p2));
    vi_store(z[IM(4)], vi_sub(q1, q3));
    vi_store(z[RE(2)], vi_add(across, re));
    vi_store(z[IM(2)], vi_add(im, q2));
    vi_store(z[RE(6)], vi_sub(across, re));
    vi_store(z[IM(6)], vi_sub(im, q2));
}

static inline void transform_odd(const vi v[8], int32_t z[ROWS][LANES])
{
    const vi c1 = vi_set1(tile_cos16[0]), c2 = vi_set1(tile_cos16[1]), c3 = vi_set1(tile_cos16[2]);
    const vi r1 = vi_sub(v[1], v[7]), r3 = vi_sub(v[3], v[5]), t1 = vi_add(v[1], v[7]),
             t3 = vi_add(v[3], v[5]);
    const vi r2 = vi_mul_q31(vi_sub(v[2], v[6]), c2), t2 = vi_mul_q31(vi_add(v[2], v[6]), c2);
    const vi re_a = vi_dot_q31(r1, c1, r3, c3), re_b = vi_dot_q31(r1, c3, r3, vi_set1(-tile_cos16[0]));
    const vi im_a = vi_dot_q31(t1, c3, t3, c1), im_b = vi_dot_q31(t1, c1, t3, vi_set1(-tile_cos16[2]));
    const vi plus = vi_add(v[0], r2), minus = vi_sub(v[0], r2), up = vi_add(v[4], t2),
             down = vi_sub(v[4], t2);
    vi_store(z[RE(1)], vi_add(plus, re_a));
    vi_store(z[RE(7)], vi_sub(plus, re_a));
    vi_store(z[RE(3)], vi_add(minus, re_b));
    vi_store(z[RE(5)], vi_sub(minus, re_b));
    vi_store(z[IM(1)], vi_add(im_a, up));
    vi_store(z[IM(7)], vi_sub(im_a, up));
    vi_store(z[IM(3)], vi_sub(im_b, down));
    vi_store(z[IM(5)], vi_add(im_b, down));
}

static void transform_columns(lanes_scratch *s)
{
    for (int b = 0; b < COLUMNS; b++) {
        vi u[8], v[8];
        int n = 16 * b;
        for (int a = 0; a < 8; a++) {
            const vi y0 = windowed(s, n), y1 = windowed(s, n < 200 ? n + 200 : n - 200);
            u[a] = vi_add(y0, y1);
            v[a] = vi_sub(y0, y1);
            n += n < 375 ? 25 : 25 - TILE_FRAME_SAMPLES;
        }
        transform_even(u, s->work.z[b]);
        transform_odd(v, s->work.z[b]);
    }
}

/* The larger of |left + right| and |left - right| is |left| + |right|. */
static inline vi max_of_row(const lanes_scratch *s, int row, vi max)
{
    max = vi_max(max, vi_abs(vi_load(s->work.z[0][row])));
    for (int b = 1; b <= 12; b++)
        max = vi_max(
            max, vi_add(vi_abs(vi_load(s->work.z[b][row])), vi_abs(vi_load(s->work.z[COLUMNS - b][row]))));
    return max;
}

/* exponent_for of tile_kernel.c */
static inline vi exponents_for(vi max)
{
    max = vi_add(max, vi_shr(max, 15));
    const vi bits = vi_sub(vi_shr(vi_tops(vd_low(max), vd_high(max)), 20), vi_set1(1022));
    return vi_max(vi_sub(bits, vi_set1(15)), vi_set1(0));
}

/* Half of 2^exponent is added before the shift, for rounding. */
static inline void round_row(lanes_scratch *s, int row, vi exponents)
{
    const vi half = vi_shr(vi_shlv(vi_set1(1), exponents), 1);
    vi_store(s->centres[row], vi_shrv(vi_add(vi_load(s->work.z[0][row]), half), exponents));
    for (int p = 0; p < PAIRS; p++) {
        vi sums[2], differences[2];
        for (int i = 0; i < 2; i++) {
            const int b = 2 * p + 1 + i;
            const vi left = vi_add(vi_load(s->work.z[b][row]), half),
                     right = vi_load(s->work.z[COLUMNS - b][row]);
            sums[i] = vi_shrv(vi_add(left, right), exponents);
            differences[i] = vi_shrv(vi_sub(left, right), exponents);
        }
        vi_store(s->sums[row][p], vi_pair(sums[0], sums[1]));
        vi_store(s->differences[row][p], vi_pair(differences[0], differences[1]));
    }
}

/* The terms of a frequency k1: rows of its real and, where there are two, its imaginary part. */
typedef int32_t row_terms[PAIRS][LANES];

/* Products of the terms with the factors of two frequencies k2: three sums of four, each divided by four and
   added to sums[row][k2]. Two at a time, so that each loaded number is used twice. */
static inline void add_products(row_terms *const terms[2], int rows, int32_t factors[2][PAIRS], vi sums[2][2])
{
    for (int p = 0; p < PAIRS; p += 2) {
        vi fours[2][2];
        for (int i = 0; i < 2; i++) {
            const vi f[2] = {vi_set1(factors[0][p + i]), vi_set1(factors[1][p + i])};
            for (int r = 0; r < rows; r++) {
                const vi t = vi_load((*terms[r])[p + i]);
                for (int k = 0; k < 2; k++)
                    fours[r][k] = i ? vi_add(fours[r][k], vi_madd(t, f[k])) : vi_madd(t, f[k]);
            }
        }
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < 2; k++)
                sums[r][k] = vi_add(sums[r][k], vi_shr(fours[r][k], 2));
    }
}

static inline void store_power(lanes_scratch *s, int bin, vi re, vi im)
{
    const vd re_l = vd_low(re), re_h = vd_high(re), im_l = vd_low(im), im_h = vd_high(im);
    vd_store(s->work.power[bin], vd_fma(re_l, re_l, vd_mul(im_l, im_l)));
    vd_store(s->work.power[bin] + LANES / 2, vd_fma(re_h, re_h, vd_mul(im_h, im_h)));
}

static inline vi sum_of_row(const lanes_scratch *s, int row)
{
    vi sum = vi_load(s->centres[row]);
    for (int p = 0; p < PAIRS; p++)
        sum = vi_add(sum, vi_madd(vi_load(s->sums[row][p]), vi_set1(0x10001)));
    return vi_shl(sum, 12);
}

/* `bits`: the shift of this k1's numbers; sums begin with half of 2^bits, for rounding. */
static inline void power_of_rows(lanes_scratch *s, int k1, bool real, vi bits)
{
    const vi half = vi_shlv(vi_set1(1), vi_sub(bits, vi_set1(1))), none = vi_set1(0);
    const vi re_0 = vi_add(half, vi_shl(vi_load(s->centres[RE(k1)]), 12));
    const vi im_0 = real ? none : vi_add(half, vi_shl(vi_load(s->centres[IM(k1)]), 12));
    store_power(s, s->bins[k1][0], vi_shrv(vi_add(half, sum_of_row(s, RE(k1))), bits),
                real ? none : vi_shrv(vi_add(half, sum_of_row(s, IM(k1))), bits));
    row_terms *const sums[2] = {&s->sums[RE(k1)], &s->sums[IM(k1)]};
    row_terms *const differences[2] = {&s->differences[RE(k1)], &s->differences[IM(k1)]};
    for (int k2 = 1; k2 <= 12; k2 += 2) {
        vi c[2][2] = {{re_0, re_0}, {im_0, im_0}}, w[2][2] = {{half, half}, {half, half}};
        add_products(sums, real ? 1 : 2, &s->cosines[k2 - 1], c);
        add_products(differences, real ? 1 : 2, &s->sines[k2 - 1], w);
        for (int i = 0; i < 2; i++) {
            const vi x = vi_shrv(c[0][i], bits), y = vi_shrv(w[0][i], bits);
            if (real) {
                store_power(s, s->bins[k1][k2 + i], x, y);
                continue;
            }
            const vi u = vi_shrv(w[1][i], bits), v = vi_shrv(c[1][i], bits);
            store_power(s, s->bins[k1][k2 + i], vi_sub(x, u), vi_add(v, y));
            store_power(s, s->bins[k1][COLUMNS - k2 - i], vi_add(x, u), vi_sub(v, y));
        }
    }
}

/* From z to the power of each bin; returns the frames' exponents. */
static vi transform_rows(lanes_scratch *s)
{
    vi exponents[HALVES], exponent = vi_set1(0);
    for (int k1 = 0; k1 < HALVES; k1++) {
        const bool real = k1 == 0 || k1 == 8;
        vi max = max_of_row(s, RE(k1), vi_set1(0));
        if (!real)
            max = max_of_row(s, IM(k1), max);
        exponents[k1] = exponents_for(max);
        exponent = vi_max(exponent, exponents[k1]);
        round_row(s, RE(k1), exponents[k1]);
        if (!real)
            round_row(s, IM(k1), exponents[k1]);
    }
    const vi base = vi_add(exponent, vi_set1(11));
    power_of_rows(s, 0, true, vi_sub(base, exponents[0]));
    for (int k1 = 1; k1 < 8; k1++)
        power_of_rows(s, k1, false, vi_sub(base, exponents[k1]));
    power_of_rows(s, 8, true, vi_sub(base, exponents[8]));
    return exponent;
}

/* feature_of of tile_kernel.c; an energy of 0 has so low an exponent that it, too, is clamped to the
   floor. */
static inline vi features_of(const lanes_scratch *s, vd low, vd high, vi offset)
{
    const vi top = vi_tops(low, high);
    const vi octave = vi_sub(vi_shr(top, 20), vi_set1(1023));
    const vi row = vi_and(vi_shr(top, 16), vi_set1(15)), t = vi_and(vi_shr(top, 1), vi_set1(0x7fff));
    /* products of numbers below 2^15 in magnitude: the upper halves are t's zeros */
    const vi slope = vi_add(vi_lookup(s->slope, row), vi_shr(vi_madd(vi_lookup(s->bend, row), t), 15));
    vi x = vi_add(vi_lookup(s->value, row), vi_shr(vi_madd(slope, t), 13));
    x = vi_add(vi_add(x, vi_mul(octave, vi_set1(TILE_LOG_OCTAVE))), offset);
    x = vi_shr(vi_add(x, vi_set1(1 << (23 - TILE_Q_INT16))), 24 - TILE_Q_INT16);
    return vi_max(x, vi_set1(TILE_FLOOR));
}

/* Bands and logarithms of `count` <= LANES frames. */
static void bands_of_group(const lanes_scratch *s, const tile_bank *bank, vi exponent, size_t count,
                           int16_t *out, size_t stride, int16_t *maxima)
{
    const vi scale = vi_mul(vi_add(exponent, exponent), vi_set1(TILE_LOG_OCTAVE));
    const double(*p)[LANES] = s->work.power + bank->first_bin, *w = s->weights;
    vd rising_l = vd_set1(0), rising_h = vd_set1(0);
    vi maximum = vi_set1(TILE_FLOOR);
    int16_t tail[LANES];
    for (int i = 0; i < bank->counts[0]; i++, p++, w += 2) {
        rising_l = vd_fma(vd_load(*p), vd_set1(w[1]), rising_l);
        rising_h = vd_fma(vd_load(*p + LANES / 2), vd_set1(w[1]), rising_h);
    }
    for (int m = 0; m < bank->n_bands; m++) {
        vd low = rising_l, high = rising_h;
        rising_l = rising_h = vd_set1(0);
        for (int i = 0; i < bank->counts[m + 1]; i++, p++, w += 2) {
            const vd power_l = vd_load(*p), power_h = vd_load(*p + LANES / 2), fall = vd_set1(w[0]),
                     rise = vd_set1(w[1]);
            low = vd_fma(power_l, fall, low);
            high = vd_fma(power_h, fall, high);
            rising_l = vd_fma(power_l, rise, rising_l);
            rising_h = vd_fma(power_h, rise, rising_h);
        }
        const vi x = features_of(s, low, high, vi_add(vi_set1(bank->offsets[m]), scale));
        maximum = vi_max(maximum, x);
        vi_store16(count == LANES ? out + (size_t)m * stride : tail, x);
        if (count < LANES)
            memcpy(out + (size_t)m * stride, tail, count * sizeof *tail);
    }
    vi_store16(tail, maximum);
    memcpy(maxima, tail, count * sizeof *tail);
}

static void load_group(lanes_scratch *s, const int16_t *x, size_t count)
{
    const int16_t *rows[LANES];
    for (size_t l = 0; l < LANES; l++)
        rows[l] = x + (l < count ? l : count - 1) * TILE_HOP_SAMPLES;
    const int pairs = TILE_FRAME_SAMPLES / 2;
    for (int at = 0; at < pairs; at += LANES) {
        const int from = at + LANES <= pairs ? at : pairs - LANES;
        vi_transpose_rows(rows, 2 * (size_t)from, s->samples[from]);
    }
}

static void block(const tile_bank *bank, const int16_t *x, size_t n_frames, int16_t *out, size_t stride,
                  int16_t *maxima, void *scratch)
{
    lanes_scratch *s = scratch;
    make_tables(s, bank);
    for (size_t t = 0; t < n_frames; t += LANES) {
        const size_t count = n_frames - t < LANES ? n_frames - t : LANES;
        load_group(s, x + t * TILE_HOP_SAMPLES, count);
        transform_columns(s);
        const vi exponent = transform_rows(s);
        bands_of_group(s, bank, exponent, count, out + t, stride, maxima + t);
    }
}

const tile_lanes SIMD_NAME(tile_lanes) = {block, sizeof(lanes_scratch), LANES};
