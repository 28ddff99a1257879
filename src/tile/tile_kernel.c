/* The fixed-point kernel; tile_kernel.h defines the steps and their formats.
 *
 * Why no sum overflows:
 *   y    |x w / 32| <= 2^15 2^16 / 2^5.
 *   z    the 16 window weights of a transform add up to 8 (up to their rounding), so |z| <= 8 2^26; s and d
 *        twice that.
 *   X    |s|, |d| <= 32767. A cosine or sine sum consists of three sums of four products, each at most
 *        4 32767 2^14 < 2^31, which are quartered before they are added. With the centre,
 *        sum |cos(2 pi k n / 25)| + sum |sin(2 pi k n / 25)| <= 16.4, so
 *        |re|, |im| <= 16.4 32767 2^14 / 2^13 <= X_LIMIT.
 *   E    2 X_LIMIT^2 times weights that add up to at most 3898: below 2^53. */
#include "tile/tile_kernel.h"

#include "tile/tile_math.h"
#include "tile/tile_tables.h"

#include <stdbool.h>

#define COLUMNS 25      /* transforms of 16 points; also the points of the second ones */
#define PAIRS   12      /* columns b and 25 - b */
#define HALVES  9       /* frequencies k1 = 0 .. 8 of a 16-point transform */
#define X_LIMIT 1074900 /* |re|, |im| of X */
#define ROWS    16      /* real numbers of a 16-point transform: re of 0 and 8, re and im of 1 .. 7 */

/* The numbers of one row after folding: column 0, sums and differences of columns b and 25 - b. */
typedef struct {
    int16_t centre, sums[PAIRS], differences[PAIRS];
} folded_row;

typedef union {
    int32_t z[COLUMNS][ROWS];
    uint64_t power[TILE_BINS];
} frame_work;

/* Row of re(k) and of -im(k). */
#define RE(k) (2 * (k) - ((k) > 0))
#define IM(k) (2 * (k))

/* Windowed sample n. */
static inline int32_t windowed(const int16_t *pcm, int n)
{
    return tile_shr(tile_mul(pcm[n], tile_window[n <= 200 ? n : TILE_FRAME_SAMPLES - n]), 5);
}

/* 16-point transform of the even part: u[a] = y[a] + y[a + 8], giving bins 0, 2, 4, 6 and 8. */
static inline void transform_even(const int32_t u[8], int32_t z[ROWS])
{
    const int32_t p1 = tile_add(u[1], u[7]), p2 = tile_add(u[2], u[6]), p3 = tile_add(u[3], u[5]);
    const int32_t q1 = tile_sub(u[1], u[7]), q2 = tile_sub(u[2], u[6]), q3 = tile_sub(u[3], u[5]);
    const int32_t both = tile_add(u[0], u[4]), across = tile_sub(u[0], u[4]);
    const int32_t odd = tile_add(p1, p3), even = tile_add(both, p2);
    const int32_t re = tile_mul_q31(tile_sub(p1, p3), tile_cos16[1]);
    const int32_t im = tile_mul_q31(tile_add(q1, q3), tile_cos16[1]);
    z[RE(0)] = tile_add(even, odd);
    z[RE(8)] = tile_sub(even, odd);
    z[RE(4)] = tile_sub(both, p2);
    z[IM(4)] = tile_sub(q1, q3);
    z[RE(2)] = tile_add(across, re);
    z[IM(2)] = tile_add(im, q2);
    z[RE(6)] = tile_sub(across, re);
    z[IM(6)] = tile_sub(im, q2);
}

/* The same for the odd part: v[a] = y[a] - y[a + 8], giving bins 1, 3, 5 and 7. */
static inline void transform_odd(const int32_t v[8], int32_t z[ROWS])
{
    const int32_t c1 = tile_cos16[0], c2 = tile_cos16[1], c3 = tile_cos16[2];
    const int32_t r1 = tile_sub(v[1], v[7]), r3 = tile_sub(v[3], v[5]);
    const int32_t t1 = tile_add(v[1], v[7]), t3 = tile_add(v[3], v[5]);
    const int32_t r2 = tile_mul_q31(tile_sub(v[2], v[6]), c2), t2 = tile_mul_q31(tile_add(v[2], v[6]), c2);
    const int32_t re_a = tile_dot_q31(r1, c1, r3, c3), re_b = tile_dot_q31(r1, c3, r3, -c1);
    const int32_t im_a = tile_dot_q31(t1, c3, t3, c1), im_b = tile_dot_q31(t1, c1, t3, -c3);
    const int32_t plus = tile_add(v[0], r2), minus = tile_sub(v[0], r2);
    const int32_t up = tile_add(v[4], t2), down = tile_sub(v[4], t2);
    z[RE(1)] = tile_add(plus, re_a);
    z[RE(7)] = tile_sub(plus, re_a);
    z[RE(3)] = tile_add(minus, re_b);
    z[RE(5)] = tile_sub(minus, re_b);
    z[IM(1)] = tile_add(im_a, up);
    z[IM(7)] = tile_sub(im_a, up);
    z[IM(3)] = tile_sub(im_b, down);
    z[IM(5)] = tile_add(im_b, down);
}

/* Column b: samples (25 a + 16 b) mod 400 for a = 0 .. 15, windowed and transformed. */
static void transform_column(const int16_t *pcm, int b, int32_t z[ROWS])
{
    int32_t u[8], v[8];
    int n = 16 * b;
    for (int a = 0; a < 8; a++) {
        const int32_t y0 = windowed(pcm, n), y1 = windowed(pcm, n < 200 ? n + 200 : n - 200);
        u[a] = tile_add(y0, y1);
        v[a] = tile_sub(y0, y1);
        n += n < 375 ? 25 : 25 - TILE_FRAME_SAMPLES;
    }
    transform_even(u, z);
    transform_odd(v, z);
}

/* The smallest r for which every number of at most this magnitude, divided by 2^r and rounded, is below 2^15.
 * (What would round up to 2^15 begins with 16 ones, so adding a 2^15th of it carries one bit farther.) */
static inline int exponent_for(uint32_t magnitude)
{
    const int bits = tile_bits32(magnitude + (magnitude >> 15));
    return bits > 15 ? bits - 15 : 0;
}

static inline uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Columns b and 25 - b of a row become their sum and difference. Returns the largest magnitude in the row. */
static uint32_t fold_row(int32_t z[COLUMNS][ROWS], int row)
{
    uint32_t max = tile_magnitude(z[0][row]);
    for (int b = 1; b <= PAIRS; b++) {
        const int32_t sum = tile_add(z[b][row], z[COLUMNS - b][row]);
        const int32_t difference = tile_sub(z[b][row], z[COLUMNS - b][row]);
        z[b][row] = sum;
        z[COLUMNS - b][row] = difference;
        max = larger(max, larger(tile_magnitude(sum), tile_magnitude(difference)));
    }
    return max;
}

static void round_row(int32_t z[COLUMNS][ROWS], int row, int exponent, folded_row *out)
{
    out->centre = tile_narrow(tile_round(z[0][row], exponent));
    for (int b = 1; b <= PAIRS; b++) {
        out->sums[b - 1] = tile_narrow(tile_round(z[b][row], exponent));
        out->differences[b - 1] = tile_narrow(tile_round(z[COLUMNS - b][row], exponent));
    }
}

/* Folds and rounds the rows of re and im of k1. Returns their exponent. */
static int fold_rows(int32_t z[COLUMNS][ROWS], int k1, folded_row rows[ROWS])
{
    const bool real = k1 == 0 || k1 == 8;
    const uint32_t max = fold_row(z, RE(k1));
    const int exponent = exponent_for(real ? max : larger(max, fold_row(z, IM(k1))));
    round_row(z, RE(k1), exponent, &rows[RE(k1)]);
    if (!real)
        round_row(z, IM(k1), exponent, &rows[IM(k1)]);
    return exponent;
}

/* centre + sum over n = 1 .. 12 of sums[n - 1] cos(2 pi k n / 25), and the sum of differences[n - 1] sin(2
 * pi k n / 25), for k > 0, times 2^14 / 2^(2 + bits). */
static inline void transform_row(const folded_row *row, int k, int bits, int32_t *cosines, int32_t *sines)
{
    int32_t c = tile_mul(row->centre, TILE_COS25_ONE / 4), s = 0;
    int turn = 0;
    for (int n = 0; n < PAIRS;) {
        int32_t c4 = 0, s4 = 0;
        for (const int end = n + 4; n < end; n++) {
            turn += k;
            if (turn >= COLUMNS)
                turn -= COLUMNS;
            c4 = tile_mac(c4, row->sums[n], tile_cos25[turn]);
            s4 = tile_mac(s4, row->differences[n], tile_sin25[turn]);
        }
        c = tile_add(c, tile_shr(c4, 2));
        s = tile_add(s, tile_shr(s4, 2));
    }
    *cosines = tile_round(c, bits);
    *sines = tile_round(s, bits);
}

/* The same for k = 0: the plain sum. */
static inline int32_t sum_row(const folded_row *row, int bits)
{
    int32_t sum = row->centre;
    for (int n = 0; n < PAIRS; n++)
        sum = tile_add(sum, row->sums[n]);
    return tile_round(tile_mul(sum, TILE_COS25_ONE / 4), bits);
}

static inline uint64_t power_of(int32_t re, int32_t im)
{
    TILE_CHECK(re >= -X_LIMIT && re <= X_LIMIT && im >= -X_LIMIT && im <= X_LIMIT, "power");
    return (uint64_t)((int64_t)re * re) + (uint64_t)((int64_t)im * im);
}

/* Bin of a number below 800, a frequency modulo 400. */
static inline int bin_of(int k)
{
    if (k >= TILE_FRAME_SAMPLES)
        k -= TILE_FRAME_SAMPLES;
    return k < TILE_BINS ? k : TILE_FRAME_SAMPLES - k;
}

/* Power of the bins equal to k1 or -k1 modulo 16, whose numbers are rounded by 2^bits more. */
static void power_of_rows(const folded_row rows[ROWS], int k1, int bits, uint64_t power[TILE_BINS])
{
    const bool real = k1 == 0 || k1 == 8;
    const folded_row *re = &rows[RE(k1)], *im = real ? re : &rows[IM(k1)]; /* im holds -im */
    int plus = 225 * k1;                                                   /* bin (k1, k2) */
    while (plus >= TILE_FRAME_SAMPLES)
        plus -= TILE_FRAME_SAMPLES;
    int minus = plus; /* bin (k1, -k2) */
    power[bin_of(plus)] = power_of(sum_row(re, bits), real ? 0 : sum_row(im, bits));
    for (int k2 = 1; k2 <= PAIRS; k2++) {
        int32_t re_c, re_s, im_c = 0, im_s = 0;
        plus += plus < 224 ? 176 : 176 - TILE_FRAME_SAMPLES;
        minus += minus < 176 ? 224 : 224 - TILE_FRAME_SAMPLES;
        transform_row(re, k2, bits, &re_c, &re_s);
        if (!real)
            transform_row(im, k2, bits, &im_c, &im_s);
        power[bin_of(plus)] = power_of(tile_sub(re_c, im_s), tile_add(im_c, re_s));
        if (!real)
            power[bin_of(minus)] = power_of(tile_add(re_c, im_s), tile_sub(im_c, re_s));
    }
}

/* (log10(energy) + 4) / 4 in Q14 for E; `offset` in Q24 compensates for the scale of E. */
static int32_t feature_of(uint64_t energy, int32_t offset)
{
    if (energy == 0)
        return TILE_FLOOR;
    const uint32_t high = (uint32_t)(energy >> 32);
    const int octave = (high ? tile_bits32(high) + 32 : tile_bits32((uint32_t)energy)) - 1;
    const uint64_t mantissa = energy << (63 - octave); /* Q63, 1 to 2 */
    const tile_log_row *row = &tile_log_rows[mantissa >> 59 & 15];
    const int16_t t = (int16_t)(mantissa >> 44 & 0x7fff);
    const int16_t slope = tile_narrow(tile_add(row->slope, tile_shr(tile_mul(row->bend, t), 15)));
    int32_t x = tile_add(row->value, tile_shr(tile_mul(slope, t), 13));
    x = tile_add(tile_add(x, tile_mul(octave, TILE_LOG_OCTAVE)), offset);
    x = tile_round(x, 24 - TILE_Q_INT16);
    return x < TILE_FLOOR ? TILE_FLOOR : x;
}

/* Bands and logarithms; exponent: that of the frame. Returns the largest feature. */
static int32_t features_of(const tile_bank *bank, const uint64_t *power, int exponent, int16_t *out)
{
    const int32_t scale = tile_mul(2 * exponent, TILE_LOG_OCTAVE);
    const uint16_t *weights = bank->weights;
    const uint64_t *p = power + bank->first_bin;
    int32_t maximum = TILE_FLOOR;
    uint64_t rising = 0;
    for (int i = 0; i < bank->counts[0]; i++, p++, weights += 2)
        rising = tile_weigh(rising, *p, weights[1]);
    for (int m = 0; m < bank->n_bands; m++) {
        uint64_t energy = rising;
        rising = 0;
        for (int i = 0; i < bank->counts[m + 1]; i++, p++, weights += 2) {
            energy = tile_weigh(energy, *p, weights[0]);
            rising = tile_weigh(rising, *p, weights[1]);
        }
        const int32_t value = feature_of(energy, tile_add(bank->offsets[m], scale));
        out[m] = tile_narrow(value);
        maximum = value > maximum ? value : maximum;
    }
    return maximum;
}

int32_t tile_frame(const tile_bank *bank, const int16_t *pcm, int16_t *out)
{
    frame_work work;
    folded_row rows[ROWS];
    int exponents[HALVES], exponent = 0;
    for (int b = 0; b < COLUMNS; b++)
        transform_column(pcm, b, work.z[b]);
    for (int k1 = 0; k1 < HALVES; k1++) {
        exponents[k1] = fold_rows(work.z, k1, rows);
        exponent = exponents[k1] > exponent ? exponents[k1] : exponent;
    }
    for (int k1 = 0; k1 < HALVES; k1++) /* from here on the powers replace z */
        power_of_rows(rows, k1, 11 + exponent - exponents[k1], work.power);
    return features_of(bank, work.power, exponent, out);
}

void tile_reset(tile_state *state)
{
    state->maximum = TILE_FLOOR;
}

static inline void raise_maximum(tile_state *state, int32_t value)
{
    state->maximum = value > state->maximum ? value : state->maximum;
}

void tile_frames_int16(tile_state *state, const tile_bank *bank, const int16_t *pcm, size_t step,
                       size_t n_frames, int16_t *out)
{
    for (size_t i = 0; i < n_frames; i++, pcm += step, out += bank->n_bands)
        raise_maximum(state, tile_frame(bank, pcm, out));
}

/* 8-bit value of a 16-bit one. */
static inline int32_t to_int8(int32_t value)
{
    return tile_round(value, TILE_Q_INT16 - TILE_Q_INT8);
}

void tile_frames_int8(tile_state *state, const tile_bank *bank, const int16_t *pcm, size_t step,
                      size_t n_frames, int8_t *out)
{
    int16_t wide[TILE_MAX_BANDS];
    for (size_t i = 0; i < n_frames; i++, pcm += step) {
        raise_maximum(state, tile_frame(bank, pcm, wide));
        for (int m = 0; m < bank->n_bands; m++)
            *out++ = (int8_t)to_int8(wide[m]);
    }
}

void tile_clamp_int16(const tile_state *state, int16_t *values, size_t n)
{
    const int32_t min = state->maximum - TILE_RANGE;
    for (size_t i = 0; i < n; i++)
        if (values[i] < min)
            values[i] = tile_narrow(min);
}

void tile_clamp_int8(const tile_state *state, int8_t *values, size_t n)
{
    const int32_t min = to_int8(state->maximum) - (TILE_RANGE >> (TILE_Q_INT16 - TILE_Q_INT8));
    for (size_t i = 0; i < n; i++)
        if (values[i] < min)
            values[i] = (int8_t)min;
}
