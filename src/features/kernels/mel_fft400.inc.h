/* Whisper's front end, LANES frames at a time: one vector holds one number for each of LANES frames.

   The 400-point transform of real samples is split by the prime-factor algorithm (Good 1958), since
   400 = 16 * 25 with no common factor: with n = 25 a + 16 b (mod 400), k mod 16 = p and k mod 25 = q,

       X[k] = sum over b of W25^(b q)  sum over a of W16^(a p) x[n],        W_N = exp(-2 pi i / N)

   so there are no twiddles between 25 real transforms of 16 points (p = 0 .. 8 suffice, the rest are
   conjugates) and 25-point transforms: two of real values (p = 0, 8), seven of complex ones. 25 = 5 * 5 with
   twiddles.

   docs/performance.md has the count of operations and measurements.

   Samples are in polyphase order: row r holds samples r, r + 160, r + 320, ... so that the LANES frames of a
   group, 160 samples apart, are neighbours, and sample n of all of them is one load at row n % 160,
   column n / 160. */
#include "features/kernels/mel_bands.inc.h"

#define ROW (2 * LANES) /* columns of this group and of the next */

#define K_SQRT_HALF ((REAL)0.70710678118654752440)
#define K_COS_PI8   ((REAL)0.92387953251128675613)
#define K_SIN_PI8   ((REAL)0.38268343236508977173)
#define K_SQRT5_4   ((REAL)0.55901699437494742410)
#define K_SIN_72    ((REAL)0.95105651629515357212)
#define K_SIN_144   ((REAL)0.58778525229247312917)

/* cos and sin of 2 pi n / 25 */
static const REAL w25[17][2] = {
    {(REAL)1.0, (REAL)0.0},
    {(REAL)0.96858316112863111949, (REAL)0.24868988716485478824},
    {(REAL)0.87630668004386358731, (REAL)0.48175367410171527499},
    {(REAL)0.72896862742141152315, (REAL)0.68454710592868867373},
    {(REAL)0.53582679497899661827, (REAL)0.84432792550201507855},
    {(REAL)0.3090169943749474241, (REAL)0.95105651629515357212},
    {(REAL)0.062790519529313376076, (REAL)0.99802672842827156195},
    {(REAL)-0.18738131458572463054, (REAL)0.98228725072868868109},
    {(REAL)-0.42577929156507264886, (REAL)0.90482705246601952771},
    {(REAL)-0.63742398974868971018, (REAL)0.7705132427757892308},
    {(REAL)-0.8090169943749474241, (REAL)0.58778525229247312917},
    {(REAL)-0.92977648588825140366, (REAL)0.36812455268467795916},
    {(REAL)-0.99211470131447783105, (REAL)0.12533323356430424537},
    {(REAL)-0.99211470131447783105, (REAL)-0.12533323356430424537},
    {(REAL)-0.92977648588825140366, (REAL)-0.36812455268467795916},
    {(REAL)-0.8090169943749474241, (REAL)-0.58778525229247312917},
    {(REAL)-0.63742398974868971018, (REAL)-0.7705132427757892308},
};

typedef struct {
    vec re, im;
} cvec;

/* Offset of sample n = 25 a + 16 b of the group's frames: in polyphase rows, and in gathered ones (400,
   LANES), of frames at any addresses. [b][a] */
#define N_OF(a, b)        ((25 * (a) + 16 * (b)) % FFT400_SIZE)
#define IN_ROWS(a, b)     (N_OF(a, b) % FFT400_HOP * ROW + N_OF(a, b) / FFT400_HOP)
#define IN_GATHERED(a, b) (N_OF(a, b) * LANES)
#define COLUMN4(P, a, b)  P(a, b), P((a) + 1, b), P((a) + 2, b), P((a) + 3, b)
#define COLUMN(P, b)                                                                                         \
    {                                                                                                        \
        COLUMN4(P, 0, b), COLUMN4(P, 4, b), COLUMN4(P, 8, b), COLUMN4(P, 12, b)                              \
    }
#define COLUMNS5(P, b)                                                                                       \
    COLUMN(P, b), COLUMN(P, (b) + 1), COLUMN(P, (b) + 2), COLUMN(P, (b) + 3), COLUMN(P, (b) + 4)
#define COLUMNS(P)                                                                                           \
    {                                                                                                        \
        COLUMNS5(P, 0), COLUMNS5(P, 5), COLUMNS5(P, 10), COLUMNS5(P, 15), COLUMNS5(P, 20)                    \
    }
static const uint16_t in_rows[25][16] = COLUMNS(IN_ROWS), in_gathered[25][16] = COLUMNS(IN_GATHERED);

/* Window and 16-point real transform of the samples n = 25 a + 16 b, a = 0 .. 15, at rows + at[a]. Samples a
   and a + 8 are 200 apart, where the Hann window is w and 1 - w, so with x and y the two:
       x w + y (1 - w) = y + w (x - y),   x w - y (1 - w) = w (x + y) - y
   w: (8) for a = 0 .. 7. Slots of y (16, 25, LANES): X[0], X[8], then real part and negated imaginary part of
   X[1] .. X[7]; the negation changes q to -q in the next stage (see BIN). */
INLINE void column16(const REAL *rows, const uint16_t at[16], const REAL *w, REAL *y)
{
    vec s[8], d[8];
    UNROLL(8)
    for (int a = 0; a < 8; a++) {
        const vec x0 = v_load(rows + at[a]), x1 = v_load(rows + at[a + 8]), weight = v_set1(w[a]);
        s[a] = v_fma(weight, v_sub(x0, x1), x1);
        d[a] = v_fms(weight, v_add(x0, x1), x1);
    }
    const vec h = v_set1(K_SQRT_HALF), c = v_set1(K_COS_PI8), sn = v_set1(K_SIN_PI8);
#define PUT(slot, value) v_store(y + (slot)*25 * LANES, value)
    vec e0 = v_add(s[0], s[4]), e1 = v_add(s[1], s[5]), e2 = v_add(s[2], s[6]), e3 = v_add(s[3], s[7]);
    vec f0 = v_sub(s[0], s[4]), f1 = v_sub(s[1], s[5]), f2 = v_sub(s[2], s[6]), f3 = v_sub(s[3], s[7]);
    vec even = v_add(e0, e2), odd = v_add(e1, e3);
    PUT(0, v_add(even, odd));
    PUT(1, v_sub(even, odd));
    PUT(8, v_sub(e0, e2));
    PUT(9, v_sub(e1, e3));
    vec g = v_sub(f1, f3), k = v_add(f1, f3);
    PUT(4, v_fma(h, g, f0));
    PUT(5, v_fma(h, k, f2));
    PUT(12, v_fnma(h, g, f0));
    PUT(13, v_fms(h, k, f2));
    vec u1 = v_sub(d[1], d[7]), u2 = v_sub(d[2], d[6]), u3 = v_sub(d[3], d[5]);
    vec v1 = v_add(d[1], d[7]), v2 = v_add(d[2], d[6]), v3 = v_add(d[3], d[5]);
    vec p = v_fma(h, u2, d[0]), q = v_fnma(h, u2, d[0]);
    vec r = v_fma(sn, u3, v_mul(c, u1)), t = v_fnma(c, u3, v_mul(sn, u1));
    PUT(2, v_add(p, r));
    PUT(14, v_sub(p, r));
    PUT(6, v_add(q, t));
    PUT(10, v_sub(q, t));
    vec pi = v_fma(h, v2, d[4]), qi = v_fms(h, v2, d[4]);
    vec ri = v_fma(c, v3, v_mul(sn, v1)), ti = v_fnma(sn, v3, v_mul(c, v1));
    PUT(3, v_add(ri, pi));
    PUT(15, v_sub(ri, pi));
    PUT(7, v_add(ti, qi));
    PUT(11, v_sub(ti, qi));
#undef PUT
}

/* The cosine half of a 5-point transform, from the sums t1 = x[1] + x[4] and t2 = x[2] + x[3]: X[0], and
       x[0] + cos 72 t1 + cos 144 t2 = x[0] - (t1 + t2) / 4 + sqrt 5 / 4 (t1 - t2),
   the other with - sqrt 5 / 4. So equal values cancel exactly: a strong component leaks into other bins by
   its own rounding only, not by that of constants. */
INLINE void cosines5(vec x0, vec t1, vec t2, vec *zero, vec *one, vec *two)
{
    const vec quarter = v_set1((REAL)0.25), h = v_set1(K_SQRT5_4);
    const vec sum = v_add(t1, t2), difference = v_sub(t1, t2), middle = v_fnma(quarter, sum, x0);
    *zero = v_add(x0, sum);
    *one = v_fma(h, difference, middle);
    *two = v_fnma(h, difference, middle);
}

/* 5-point transform: X[c] = sum over a of x[a] W5^(a c). */
INLINE void dft5(const cvec x[5], cvec out[5])
{
    const vec s1 = v_set1(K_SIN_72), s2 = v_set1(K_SIN_144);
    cvec t1 = {v_add(x[1].re, x[4].re), v_add(x[1].im, x[4].im)};
    cvec t2 = {v_add(x[2].re, x[3].re), v_add(x[2].im, x[3].im)};
    cvec t3 = {v_sub(x[1].re, x[4].re), v_sub(x[1].im, x[4].im)};
    cvec t4 = {v_sub(x[2].re, x[3].re), v_sub(x[2].im, x[3].im)};
    cvec a1, a2;
    cosines5(x[0].re, t1.re, t2.re, &out[0].re, &a1.re, &a2.re);
    cosines5(x[0].im, t1.im, t2.im, &out[0].im, &a1.im, &a2.im);
    cvec b1 = {v_fma(s1, t3.re, v_mul(s2, t4.re)), v_fma(s1, t3.im, v_mul(s2, t4.im))};
    cvec b2 = {v_fnma(s1, t4.re, v_mul(s2, t3.re)), v_fnma(s1, t4.im, v_mul(s2, t3.im))};
    out[1] = (cvec){v_add(a1.re, b1.im), v_sub(a1.im, b1.re)};
    out[4] = (cvec){v_sub(a1.re, b1.im), v_add(a1.im, b1.re)};
    out[2] = (cvec){v_add(a2.re, b2.im), v_sub(a2.im, b2.re)};
    out[3] = (cvec){v_sub(a2.re, b2.im), v_add(a2.im, b2.re)};
}

/* The same for real values; X[3] and X[4] are the conjugates of X[2] and X[1]. X[0] is real. */
INLINE void dft5_real(const vec x[5], cvec out[3])
{
    const vec s1 = v_set1(K_SIN_72), s2 = v_set1(K_SIN_144);
    vec t3 = v_sub(x[4], x[1]), t4 = v_sub(x[3], x[2]);
    cosines5(x[0], v_add(x[1], x[4]), v_add(x[2], x[3]), &out[0].re, &out[1].re, &out[2].re);
    out[0].im = v_set1(0);
    out[1].im = v_fma(s1, t3, v_mul(s2, t4));
    out[2].im = v_fnma(s1, t4, v_mul(s2, t3));
}

/* x W25^n */
INLINE cvec twiddle25(cvec x, int n)
{
    const vec c = v_set1(w25[n][0]), s = v_set1(w25[n][1]);
    return (cvec){v_fma(x.re, c, v_mul(x.im, s)), v_fms(x.im, c, v_mul(x.re, s))};
}

INLINE vec power(cvec x)
{
    return v_fma(x.re, x.re, v_mul(x.im, x.im));
}

/* Bin of (p, -q): k = 225 p - 176 q (mod 400) by the Chinese remainder theorem, or its mirror image 400 -
   k. */
#define K_OF(p, q)   ((225 * (p) + 176 * (25 - (q))) % FFT400_SIZE)
#define BIN(p, q)    (K_OF(p, q) <= 200 ? K_OF(p, q) : FFT400_SIZE - K_OF(p, q))
#define BIN_AT(p, q) (LANES * BIN(p, q))
#define BINS5(p, q)                                                                                          \
    BIN_AT(p, q), BIN_AT(p, (q) + 1), BIN_AT(p, (q) + 2), BIN_AT(p, (q) + 3), BIN_AT(p, (q) + 4)
#define BINS25(p)                                                                                            \
    {                                                                                                        \
        BINS5(p, 0), BINS5(p, 5), BINS5(p, 10), BINS5(p, 15), BINS5(p, 20)                                   \
    }

/* Destination in bins (201, LANES) of each result of a 25-point transform. */
static const uint16_t bins_of[9][25] = {BINS25(0), BINS25(1), BINS25(2), BINS25(3), BINS25(4),
                                        BINS25(5), BINS25(6), BINS25(7), BINS25(8)};

/* 25-point transform of re, im (25, LANES) and the power of each result, into bins (201, LANES). */
static void dft25(const REAL *re, const REAL *im, const uint16_t bin[25], REAL *bins)
{
    cvec z[5][5];
    UNROLL(5)
    for (int b = 0; b < 5; b++) {
        cvec x[5];
        UNROLL(5)
        for (int a = 0; a < 5; a++)
            x[a] = (cvec){v_load(re + (5 * a + b) * LANES), v_load(im + (5 * a + b) * LANES)};
        dft5(x, z[b]);
        UNROLL(5)
        for (int c = 1; c < 5 && b > 0; c++)
            z[b][c] = twiddle25(z[b][c], b * c);
    }
    UNROLL(5)
    for (int c = 0; c < 5; c++) {
        const cvec x[5] = {z[0][c], z[1][c], z[2][c], z[3][c], z[4][c]};
        cvec out[5];
        dft5(x, out);
        UNROLL(5)
        for (int d = 0; d < 5; d++)
            v_store(bins + bin[c + 5 * d], power(out[d]));
    }
}

/* The same for real values x (25, LANES): 13 of the 25 results, the others being their conjugates. */
static void dft25_real(const REAL *x, const uint16_t bin[25], REAL *bins)
{
    cvec z[5][3];
    UNROLL(5)
    for (int b = 0; b < 5; b++) {
        vec column[5];
        UNROLL(5)
        for (int a = 0; a < 5; a++)
            column[a] = v_load(x + (5 * a + b) * LANES);
        dft5_real(column, z[b]);
        UNROLL(2)
        for (int c = 1; c < 3 && b > 0; c++)
            z[b][c] = twiddle25(z[b][c], b * c);
    }
    const vec first[5] = {z[0][0].re, z[1][0].re, z[2][0].re, z[3][0].re, z[4][0].re};
    cvec low[3];
    dft5_real(first, low);
    v_store(bins + bin[0], v_mul(low[0].re, low[0].re));
    v_store(bins + bin[5], power(low[1]));
    v_store(bins + bin[10], power(low[2]));
    UNROLL(2)
    for (int c = 1; c < 3; c++) {
        const cvec row[5] = {z[0][c], z[1][c], z[2][c], z[3][c], z[4][c]};
        cvec out[5];
        dft5(row, out);
        UNROLL(5)
        for (int d = 0; d < 5; d++)
            v_store(bins + bin[c + 5 * d], power(out[d]));
    }
}

/* Moves the right half of the polyphase rows (160, ROW) to the left, then puts columns `first` .. first +
   LANES - 1 into the right half; samples from `have` on are taken as zero. pad: (LANES, 160). */
static void advance_rows(REAL *rows, const float *x, size_t have, size_t first, float *pad)
{
    const float *source[LANES];
    size_t begin = first * FFT400_HOP;
    if (begin + LANES * FFT400_HOP > have) {
        size_t left = begin < have ? have - begin : 0;
        memcpy(pad, x + (left ? begin : 0), left * sizeof *pad);
        memset(pad + left, 0, (LANES * FFT400_HOP - left) * sizeof *pad);
        x = pad;
        begin = 0;
    }
    for (size_t i = 0; i < LANES; i++)
        source[i] = x + begin + i * FFT400_HOP;
    for (size_t r = 0; r < FFT400_HOP; r += LANES) {
        REAL *row = rows + r * ROW;
        for (size_t i = 0; i < LANES; i++)
            v_store(row + i * ROW, v_load(row + i * ROW + LANES));
        v_transpose_rows(source, r, row + LANES, ROW);
    }
}

/* Transform and power of a group, from its rows into bins (201, LANES), using y (16, 25, LANES). */
static void group_power(const REAL *rows, const uint16_t at[25][16], const REAL *window, REAL *y, REAL *bins)
{
    for (int b = 0; b < 25; b++)
        column16(rows, at[b], window + 8 * b, y + b * LANES);
    dft25_real(y, bins_of[0], bins);
    dft25_real(y + 25 * LANES, bins_of[8], bins);
    for (int p = 1; p < 8; p++)
        dft25(y + 2 * p * 25 * LANES, y + (2 * p + 1) * 25 * LANES, bins_of[p], bins);
}

/* scratch: rows (160, ROW) or (400, LANES), y (16, 25, LANES), bins (201, LANES), energies (n_mels, LANES),
   then floats pad (LANES, 160). */
#define SCRATCH_ROWS  (FFT400_SIZE * LANES)
#define SCRATCH_REALS (SCRATCH_ROWS + (FFT400_SIZE + FFT400_BINS) * LANES)

static size_t fft400_scratch_bytes(const mel_tables *t)
{
    const size_t reals = SCRATCH_REALS + (size_t)t->n_mels * LANES;
    return reals * sizeof(REAL) + LANES * FFT400_HOP * sizeof(float);
}

static void fft400_block(const mel_tables *t, const float *x, size_t n_frames, const mel_rows *out,
                         float *limits, mel_tally *tally, void *scratch)
{
    REAL *rows = scratch, *y = rows + SCRATCH_ROWS, *bins = y + FFT400_SIZE * LANES;
    REAL *energies = bins + FFT400_BINS * LANES;
    float *pad = (float *)(energies + (size_t)t->n_mels * LANES);
    const size_t have = (n_frames - 1) * FFT400_HOP + FFT400_SIZE;
    advance_rows(rows, x, have, 0, pad);
    for (size_t first = 0; first < n_frames; first += LANES) {
        advance_rows(rows, x, have, first + LANES, pad);
        group_power(rows, in_rows, t->window, y, bins);
        const size_t left = n_frames - first;
        bands_of_group(t, bins, energies, left < LANES ? left : LANES, out, first,
                       limits ? limits + first : NULL, tally);
    }
}

static void fft400_gather(const mel_tables *t, const float *const *frames, size_t n_frames, float *out,
                          size_t stride, void *scratch)
{
    REAL *rows = scratch, *y = rows + SCRATCH_ROWS, *bins = y + FFT400_SIZE * LANES;
    REAL *energies = bins + FFT400_BINS * LANES;
    const mel_rows rows_out = mel_rows_of(out, (size_t)t->n_mels, stride);
    mel_tally tally = {-FLT_MAX, false};
    for (size_t first = 0; first < n_frames; first += LANES) {
        const size_t left = n_frames - first, count = left < LANES ? left : LANES;
        const float *source[LANES];
        for (size_t i = 0; i < LANES; i++) /* lanes beyond the end repeat the last frame */
            source[i] = frames[first + (i < count ? i : count - 1)];
        for (size_t n = 0; n < FFT400_SIZE; n += LANES)
            v_transpose_rows(source, n, rows + n * LANES, LANES);
        group_power(rows, in_gathered, t->window, y, bins);
        bands_of_group(t, bins, energies, count, &rows_out, first, NULL, &tally);
    }
}

const mel_kernel SIMD_NAME(MEL_NAME(mel_fft400)) = {fft400_block, fft400_gather, fft400_scratch_bytes, LANES,
                                                    REAL_IS_FLOAT};
