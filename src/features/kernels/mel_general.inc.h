/* Any front end, LANES frames at a time in double: frame, remove_dc, preemphasis, window, mixed-radix
   transform, |X|^power, bands. One vector holds one number for each of LANES frames. */
#include "features/kernels/mel_bands.inc.h"

/* Complex values are (n, 2, LANES): real part, then imaginary part. */
#define CPX (2 * LANES)

typedef struct {
    vec re, im;
} cvec;

static inline cvec c_load(const REAL *p)
{
    return (cvec){v_load(p), v_load(p + LANES)};
}

static inline void c_store(REAL *p, cvec a)
{
    v_store(p, a.re);
    v_store(p + LANES, a.im);
}

static inline cvec c_add(cvec a, cvec b)
{
    return (cvec){v_add(a.re, b.re), v_add(a.im, b.im)};
}

static inline cvec c_sub(cvec a, cvec b)
{
    return (cvec){v_sub(a.re, b.re), v_sub(a.im, b.im)};
}

/* a w, w = (cos, -sin) of the plan's tables */
static inline cvec c_rotate(cvec a, const double *w)
{
    vec c = v_set1((REAL)w[0]), s = v_set1((REAL)w[1]);
    return (cvec){v_fnma(a.im, s, v_mul(a.re, c)), v_fma(a.re, s, v_mul(a.im, c))};
}

/* a + b w */
static inline cvec c_accumulate(cvec a, cvec b, const double *w)
{
    vec c = v_set1((REAL)w[0]), s = v_set1((REAL)w[1]);
    return (cvec){v_fnma(b.im, s, v_fma(b.re, c, a.re)), v_fma(b.re, s, v_fma(b.im, c, a.im))};
}

/* Addresses of pass elements: (i, q, k) of the input and (i, k, j) of the output. */
static inline const REAL *pass_in(const fft_pass *p, const REAL *in, int32_t i, int32_t q, int32_t k)
{
    return in + ((size_t)i + (size_t)p->ido * ((size_t)q + (size_t)p->radix * (size_t)k)) * CPX;
}

static inline void pass_out(const fft_pass *p, REAL *out, int32_t i, int32_t k, int32_t j, cvec x)
{
    if (j > 0 && i > 0)
        x = c_rotate(x, p->twiddles + 2 * ((size_t)(j - 1) * (size_t)p->ido + (size_t)i));
    c_store(out + ((size_t)i + (size_t)p->ido * ((size_t)k + (size_t)p->l1 * (size_t)j)) * CPX, x);
}

static void butterfly2(const fft_pass *p, const REAL *in, REAL *out, int32_t i, int32_t k)
{
    cvec a = c_load(pass_in(p, in, i, 0, k)), b = c_load(pass_in(p, in, i, 1, k));
    pass_out(p, out, i, k, 0, c_add(a, b));
    pass_out(p, out, i, k, 1, c_sub(a, b));
}

static void butterfly4(const fft_pass *p, const REAL *in, REAL *out, int32_t i, int32_t k)
{
    cvec a = c_load(pass_in(p, in, i, 0, k)), b = c_load(pass_in(p, in, i, 1, k));
    cvec c = c_load(pass_in(p, in, i, 2, k)), d = c_load(pass_in(p, in, i, 3, k));
    cvec s = c_add(a, c), t = c_sub(a, c), u = c_add(b, d), v = c_sub(b, d);
    pass_out(p, out, i, k, 0, c_add(s, u));
    pass_out(p, out, i, k, 1, (cvec){v_add(t.re, v.im), v_sub(t.im, v.re)});
    pass_out(p, out, i, k, 2, c_sub(s, u));
    pass_out(p, out, i, k, 3, (cvec){v_sub(t.re, v.im), v_add(t.im, v.re)});
}

/* Any radix by the definition; the factors of usual sizes are 2, 3, 4, 5. */
static void butterfly_any(const fft_pass *p, const REAL *in, REAL *out, int32_t i, int32_t k)
{
    for (int32_t j = 0; j < p->radix; j++) {
        cvec sum = c_load(pass_in(p, in, i, 0, k));
        int32_t angle = 0; /* q j mod radix */
        for (int32_t q = 1; q < p->radix; q++) {
            angle += j;
            if (angle >= p->radix)
                angle -= p->radix;
            sum = c_accumulate(sum, c_load(pass_in(p, in, i, q, k)), p->roots + 2 * (size_t)angle);
        }
        pass_out(p, out, i, k, j, sum);
    }
}

/* Transforms x (n_complex, 2, LANES), using y of the same size; returns which of the two holds the result. */
static REAL *transform(const fft_plan *plan, REAL *x, REAL *y)
{
    for (int32_t n = 0; n < plan->n_passes; n++) {
        const fft_pass *p = &plan->passes[n];
        void (*butterfly)(const fft_pass *, const REAL *, REAL *, int32_t, int32_t) =
            p->radix == 2   ? butterfly2
            : p->radix == 4 ? butterfly4
                            : butterfly_any;
        for (int32_t k = 0; k < p->l1; k++)
            for (int32_t i = 0; i < p->ido; i++)
                butterfly(p, x, y, i, k);
        REAL *swap = x;
        x = y;
        y = swap;
    }
    return x;
}

static inline vec bin_value(const mel_tables *t, cvec x)
{
    vec power = v_fma(x.re, x.re, v_mul(x.im, x.im));
    return t->magnitude ? v_sqrt(power) : power;
}

/* |X|^power of the real transform into bins (n_bins, LANES), from the transform z of the complex values.
   With z[m] = x[2m] + i x[2m+1] and M = n / 2:
       X[k] = (Z[k] + conj Z[M-k]) / 2 - i W_n^k (Z[k] - conj Z[M-k]) / 2 */
static void store_bins(const mel_tables *t, const REAL *z, REAL *bins)
{
    const fft_plan *plan = t->fft;
    const int32_t m = plan->n_complex;
    const vec half = v_set1((REAL)0.5);
    for (int32_t k = 0; k < t->n_bins; k++) {
        cvec a = c_load(z + (size_t)(k % m) * CPX), x = a;
        if (plan->n % 2 == 0) {
            cvec b = c_load(z + (size_t)((m - k) % m) * CPX);
            cvec even = {v_add(a.re, b.re), v_sub(a.im, b.im)};
            cvec odd = {v_add(a.im, b.im), v_sub(b.re, a.re)}; /* -i (Z[k] - conj Z[M-k]) */
            x = c_accumulate(even, odd, plan->split + 2 * (size_t)k);
            x = (cvec){v_mul(x.re, half), v_mul(x.im, half)};
        }
        v_store(bins + (size_t)k * LANES, bin_value(t, x));
    }
}

/* Frames into v (win_length, LANES): source[i] points at the first sample of lane i's frame. */
static void load_frames(const mel_tables *t, const float *const source[LANES], REAL *v)
{
    const size_t n = (size_t)t->win_length;
    size_t at = 0;
    for (; at + LANES <= n; at += LANES)
        v_transpose_rows(source, at, v + at * LANES, LANES);
    for (; at < n; at++)
        for (size_t i = 0; i < LANES; i++)
            v[at * LANES + i] = source[i][at];
}

/* remove_dc, preemphasis and window, in place. */
static void shape_frames(const mel_tables *t, REAL *v)
{
    const size_t n = (size_t)t->win_length;
    const REAL *window = t->window;
    vec mean = v_set1(0);
    if (t->remove_dc) {
        for (size_t i = 0; i < n; i++)
            mean = v_add(mean, v_load(v + i * LANES));
        mean = v_mul(mean, v_set1((REAL)1 / (REAL)n));
    }
    const vec pre = v_set1((REAL)t->preemphasis);
    vec before = v_sub(v_load(v), mean);
    for (size_t i = 0; i < n; i++) {
        vec x = v_sub(v_load(v + i * LANES), mean);
        v_store(v + i * LANES, v_mul(v_fnma(pre, before, x), v_set1(window[i])));
        before = x;
    }
}

/* scratch: v (max(n_fft, 2 n_complex), LANES), the same again, bins (n_bins, LANES), energies (n_mels,
 * LANES). */
static size_t general_scratch_reals(const mel_tables *t)
{
    return (4 * (size_t)t->fft->n_complex + (size_t)t->n_bins + (size_t)t->n_mels) * LANES;
}

static size_t general_scratch_bytes(const mel_tables *t)
{
    return general_scratch_reals(t) * sizeof(REAL);
}

/* An odd size is transformed as complex values with imaginary part 0: expands v (n, LANES) to (n, 2,
   LANES). */
static void make_complex(REAL *v, size_t n)
{
    for (size_t i = n; i-- > 0;)
        c_store(v + i * CPX, (cvec){v_load(v + i * LANES), v_set1(0)});
}

static void general_block(const mel_tables *t, const float *x, size_t n_frames, const mel_rows *out,
                          float *limits, mel_tally *tally, void *scratch)
{
    const fft_plan *plan = t->fft;
    const size_t n = (size_t)t->n_fft, used = (size_t)t->win_length,
                 half = 2 * (size_t)plan->n_complex * LANES;
    REAL *v = scratch, *other = v + half, *bins = other + half;
    for (size_t first = 0; first < n_frames; first += LANES) {
        const size_t left = n_frames - first, count = left < LANES ? left : LANES;
        const float *source[LANES];
        for (size_t i = 0; i < LANES; i++) /* lanes beyond the end repeat the last frame */
            source[i] = x + (first + (i < count ? i : count - 1)) * (size_t)t->hop_length;
        load_frames(t, source, v);
        shape_frames(t, v);
        memset(v + used * LANES, 0, (n - used) * LANES * sizeof *v);
        if (plan->n % 2)
            make_complex(v, n);
        store_bins(t, transform(plan, v, other), bins);
        bands_of_group(t, bins, bins + (size_t)t->n_bins * LANES, count, out, first,
                       limits ? limits + first : NULL, tally);
    }
}

const mel_kernel SIMD_NAME(MEL_NAME(mel_general)) = {general_block, NULL, general_scratch_bytes, LANES,
                                                     REAL_IS_FLOAT};
