/* Fourier transforms. */
#include "ops/nn/nn.h"

#include "tensor/tensor.h"

#include <math.h>

#define PI 3.14159265358979323846

/* ---- The transform ------------------------------------------------------------------------------------- */

/* A complex signal [..., n]; im is MVAL_NONE for a real one. */
typedef struct complex_mval {
    mval re, im;
} complex_mval;

/* cos and sign * sin of 2 pi (n * k mod N) / N for n < rows, k < columns: [rows, columns]. The product is
   taken modulo N as integers, so that angles stay small and exact; in double, rounded once to the dtype. */
static complex_mval twiddles(lowering *l, sib_dtype dtype, dim rows, dim columns, dim length, double sign)
{
    mval n = m_unsqueeze(l, m_iota(l, SIB_I64, rows), 1), k = m_iota(l, SIB_I64, columns);
    mval size = m_dim_scalar(l, length);
    mval wrapped = m_mod(l, m_mul(l, n, k), size);
    mval angle = m_div(l, m_mul_number(l, elem_wide(l, wrapped), 2 * PI), elem_wide(l, size));
    return (complex_mval){m_cast(l, m_cos(l, angle), dtype),
                          m_cast(l, m_mul_number(l, m_sin(l, angle), sign), dtype)};
}

/* a * w, element by element; a has both parts. */
static complex_mval multiplied_by(lowering *l, complex_mval a, complex_mval w)
{
    return (complex_mval){m_sub(l, m_mul(l, a.re, w.re), m_mul(l, a.im, w.im)),
                          m_add(l, m_mul(l, a.re, w.im), m_mul(l, a.im, w.re))};
}

/* The product of a [..., n] and the matrix w [n, k], each sum rounded once: [re im] [[re im], [-im re]]. */
static complex_mval multiplied(lowering *l, complex_mval a, complex_mval w)
{
    dim count = m_dim(l, w.re, -1), zero = d_const(l, 0);
    mval left = a.re, right = m_concat(l, 2, (mval[]){w.re, w.im}, 1);
    if (a.im.id != NO_VALUE) {
        mval lower = m_concat(l, 2, (mval[]){m_neg(l, w.im), w.re}, 1);
        left = m_concat(l, 2, (mval[]){a.re, a.im}, -1);
        right = m_concat(l, 2, (mval[]){right, lower}, 0);
    }
    mval both = m_matmul(l, left, right);
    return (complex_mval){m_slice(l, both, -1, zero, count, 1), m_slice(l, both, -1, count, count, 1)};
}

/* Both parts transposed by perm, then reshaped to dims (rank); perm and dims may be NULL. */
static complex_mval laid_out(lowering *l, complex_mval a, size_t rank, const dim *dims, const int64_t *perm)
{
    mval parts[2] = {a.re, a.im};
    for (int i = 0; i < 2; i++)
        if (parts[i].id != NO_VALUE) {
            parts[i] = perm ? m_transpose(l, parts[i], perm) : parts[i];
            parts[i] = dims ? m_reshape(l, parts[i], rank, dims) : parts[i];
        }
    return (complex_mval){parts[0], parts[1]};
}

/* The next factor that a transform of length n is split by: 4, 2, then odd primes. */
static int64_t next_factor(int64_t n)
{
    if (n % 4 == 0)
        return 4;
    if (n % 2 == 0)
        return 2;
    for (int64_t p = 3; p <= n / p; p += 2)
        if (n % p == 0)
            return p;
    return n;
}

/* One step of Cooley and Tukey: of R transforms of length p * M, x [B, R, p * M], to p * R of length M.
   With n = i + M q and k = k1 + p k2: X[k1 + p k2] = sum over i of w_M^(i k2) * (w_pM^(i k1) * sum over q of
   w_p^(q k1) x[i + M q]). The result k1 * R + r keeps k in order, so that nothing is reordered at the end. */
static complex_mval split(lowering *l, complex_mval x, int64_t p, int64_t m, double sign)
{
    static const int64_t q_last[] = {0, 1, 3, 2}, k_first[] = {0, 3, 1, 2};
    sib_dtype dtype = m_dtype(l, x.re);
    dim b = m_dim(l, x.re, 0), r = m_dim(l, x.re, 1), dp = d_const(l, p), dm = d_const(l, m);
    dim apart[4] = {b, r, dp, dm}, joined[3] = {b, d_mul(l, dp, r), dm};
    x = laid_out(l, laid_out(l, x, 4, apart, NULL), 0, NULL, q_last); /* [B, R, M, q] */
    x = multiplied(l, x, twiddles(l, dtype, dp, dp, dp, sign));       /* [B, R, M, k1] */
    if (m > 1)
        x = multiplied_by(l, x, twiddles(l, dtype, dm, dp, d_const(l, p * m), sign));
    return laid_out(l, x, 3, joined, k_first);
}

/* X[..., k] = sum over n of x[..., n] e^(sign 2 pi i n k / N) for k < N, in the dtype of x. N is the last dim
   of x: factor by factor, or by the definition where N is prime or a symbol. */
static complex_mval complex_transform(lowering *l, complex_mval x, double sign)
{
    dim dims[SIB_MAX_RANK], length = m_dim(l, x.re, -1);
    int64_t n = 1;
    int rank = m_dims(l, x.re, dims);
    bool known = l_ok(l) && dim_is_const(l->graph->dims, length, &n);
    if (known && n < 1)
        l_fail(l, SIB_ERR_ARGUMENT, "a transform of length %lld", (long long)n);
    if (!l_ok(l))
        return (complex_mval){MVAL_NONE, MVAL_NONE};
    dim batch = d_product(l, (size_t)rank - 1, dims), rows[3] = {batch, d_const(l, 1), length};
    x = laid_out(l, x, 3, rows, NULL);
    if (!known)
        x = multiplied(l, x, twiddles(l, m_dtype(l, x.re), length, length, length, sign));
    else if (n == 1 && x.im.id == NO_VALUE)
        x.im = m_mul_number(l, x.re, 0);
    while (known && n > 1 && l_ok(l)) {
        int64_t p = next_factor(n);
        n /= p;
        x = split(l, x, p, n, sign);
    }
    return laid_out(l, x, (size_t)rank, dims, NULL);
}

/* The full spectrum [..., N] of a real signal of which the first floor(N / 2) + 1 bins are given. The
   remaining bins are their mirrored conjugates; the imaginary parts of bin 0, and for even N of bin N / 2,
   are not read. */
static complex_mval mirrored_spectrum(lowering *l, complex_mval half, dim length)
{
    dim bins = m_dim(l, half.re, -1), one = d_const(l, 1), missing = d_sub(l, length, bins);
    mval tail = m_reverse(l, m_slice(l, half.re, -1, one, missing, 1), -1);
    complex_mval full = {m_concat(l, 2, (mval[]){half.re, tail}, -1), MVAL_NONE};
    if (half.im.id == NO_VALUE)
        return full;
    mval im_tail = m_slice(l, half.im, -1, one, missing, 1); /* for odd N all but the first */
    mval zero = m_mul_number(l, m_slice(l, half.re, -1, d_const(l, 0), one, 1), 0);
    mval middle = m_slice(l, half.im, -1, d_const(l, 0), d_sub(l, d_sub(l, bins, missing), one), 1);
    mval parts[] = {zero, im_tail, m_mul_number(l, middle, 0), m_neg(l, m_reverse(l, im_tail, -1))};
    full.im = m_concat(l, 4, parts, -1);
    return full;
}

/* The same, using that the spectrum of a real signal is conjugate-symmetric: its second half is taken from
   the first, and bins that are their own mirror image are real. */
static complex_mval transform(lowering *l, complex_mval x, double sign)
{
    dim length = m_dim(l, x.re, -1), zero = d_const(l, 0);
    complex_mval y = complex_transform(l, x, sign);
    if (x.im.id != NO_VALUE || !l_ok(l))
        return y;
    dim bins = d_add(l, d_floor_div(l, length, d_const(l, 2)), d_const(l, 1));
    y.re = m_slice(l, y.re, -1, zero, bins, 1);
    y.im = m_slice(l, y.im, -1, zero, bins, 1);
    return mirrored_spectrum(l, y, length);
}

/* x / N, N its last dim: the scaling of the inverse. */
static complex_mval divided(lowering *l, complex_mval x, dim length)
{
    mval n = m_cast_like(l, m_dim_scalar(l, length), x.re);
    return (complex_mval){m_div(l, x.re, n), m_div(l, x.im, n)};
}

/* The first `length` elements of the last axis, padded with zeros. */
static mval fitted(lowering *l, mval v, dim length)
{
    if (v.id == NO_VALUE || !l_ok(l))
        return v;
    dim zero = d_const(l, 0), kept = d_min(l, m_dim(l, v, -1), length);
    return m_pad_axis(l, m_slice(l, v, -1, zero, kept, 1), -1, zero, d_sub(l, length, kept), MVAL_NONE);
}

/* x [..., 1 or 2] as a complex signal without the last axis, in float32 where the dtype of x is narrower. */
static complex_mval parts_of(lowering *l, mval x)
{
    int64_t parts = m_size(l, x, -1);
    mval wide = nn_single(l, x);
    complex_mval out = {MVAL_NONE, MVAL_NONE};
    if (l_ok(l) && parts != 1 && parts != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "the last axis has size %lld, expected 1 (real) or 2 (complex)",
               (long long)parts);
    if (!l_ok(l))
        return out;
    out.re = m_squeeze(l, m_slice_numbers(l, wide, -1, 0, 1), -1);
    if (parts == 2)
        out.im = m_squeeze(l, m_slice_numbers(l, wide, -1, 1, 1), -1);
    return out;
}

/* [..., n, 2]. */
static mval joined_parts(lowering *l, complex_mval x)
{
    return m_stack(l, 2, (mval[]){x.re, x.im}, -1);
}

/* An integer input of one element as a dim, or DIM_NONE where the lowering stopped. */
static dim length_of(lowering *l, mval v)
{
    dim d = DIM_NONE;
    if (m_elements(l, v, &d, 1) != 1 && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "expected one length");
    return l_ok(l) ? d : DIM_NONE;
}

/* X[k] = sum over n < N of x[n] e^(-2 pi i n k / N) along an axis, or the inverse, divided by N. x is cropped
   or zero-padded to N = dft_length. onesided: only the bins k <= N / 2 are computed; the inverse reads only
   these and gives real numbers. The axis is an attribute, default 1, and from opset 20 on an input, default
   -2. ONNX DFT-17, 20. */
void lower_ONNX_DFT(lowering *l, const node *n)
{
    dft_spec spec = spec_dft(n);
    mval x = l_in(l, 0);
    bool inverse = spec.inverse, onesided = spec.onesided;
    dim dims[SIB_MAX_RANK], two = d_const(l, 2), one = d_const(l, 1);
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && rank < 2)
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected at least 2", rank);
    int64_t asked = n->version < 20 ? spec.axis : l_has(l, 2) ? m_int(l, l_in(l, 2)) : -2;
    int axis = m_axis(l, asked, rank, "axis");
    if (l_ok(l) && axis == rank - 1)
        l_fail(l, SIB_ERR_ARGUMENT, "axis %lld is the axis of real and imaginary parts", (long long)asked);
    if (!l_ok(l))
        return;
    dim length = onesided && inverse ? d_mul(l, two, d_sub(l, dims[axis], one)) : dims[axis];
    if (l_has(l, 1)) {
        dim unknown[SIB_MAX_RANK];
        for (int i = 0; i < rank; i++)
            unknown[i] = i == axis ? DIM_NONE : dims[i];
        unknown[rank - 1] = onesided && inverse ? one : two;
        l_declare(l, 0, m_dtype(l, x), rank, unknown);
        length = length_of(l, l_in(l, 1));
    }
    dim bins = d_add(l, d_floor_div(l, length, two), one);
    complex_mval signal = parts_of(l, m_move(l, x, axis, rank - 2)); /* [..., in] */
    bool back = onesided && inverse;
    signal.re = fitted(l, signal.re, back ? bins : length);
    signal.im = fitted(l, signal.im, back ? bins : length);
    signal = transform(l, back ? mirrored_spectrum(l, signal, length) : signal, inverse ? 1 : -1);
    if (inverse)
        signal = divided(l, signal, length);
    mval y = back ? m_unsqueeze(l, signal.re, -1) : joined_parts(l, signal);
    if (onesided && !inverse)
        y = m_slice(l, y, -2, d_const(l, 0), bins, 1);
    elem_out(l, m_move(l, y, rank - 2, axis), x);
}

mval nn_power_spectrum(lowering *l, mval frames)
{
    const complex_mval bins = transform(l, (complex_mval){frames, MVAL_NONE}, -1);
    mval power = m_add(l, m_square(l, bins.re), m_square(l, bins.im));
    dim half = d_add(l, d_floor_div(l, m_dim(l, frames, -1), d_const(l, 2)), d_const(l, 1));
    return m_slice(l, power, -1, d_const(l, 0), half, 1);
}

mval nn_frames(lowering *l, mval v, int64_t length, int64_t step)
{
    window_spec w = {.n = 1, .kernel = {length}, .stride = {step}, .dilation = {1}};
    w.before[0] = w.after[0] = d_const(l, 0);
    return v.id == NO_VALUE ? v : m_swap(l, m_windows(l, v, &w, MVAL_NONE), -2, -1);
}

/* The transform of each frame of signal [B, n, 1 or 2], multiplied by the window: [B, frames, bins, 2] with
   frames = floor((n - frame_length) / frame_step) + 1. A shorter window is zero-padded. ONNX STFT-17. */
void lower_ONNX_STFT(lowering *l, const node *n)
{
    mval x = l_in(l, 0), window = l_in_or_none(l, 2);
    bool onesided = spec_dft(n).onesided;
    dim unknown[4] = {DIM_NONE, DIM_NONE, DIM_NONE, d_const(l, 2)};
    elem_takes(l, x, "signal", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    int rank = m_rank(l, x);
    if (rank == 2) /* without the axis of parts: real */
        x = m_unsqueeze(l, x, 2);
    else if (l_ok(l) && rank != 3)
        l_fail(l, SIB_ERR_ARGUMENT, "signal has rank %d, expected 3", rank);
    unknown[0] = m_dim(l, x, 0);
    l_declare(l, 0, m_dtype(l, x), 4, unknown);
    int64_t step = m_int(l, l_in(l, 1)), length;
    if (l_has(l, 3))
        length = m_int(l, l_in(l, 3));
    else
        length = window.id != NO_VALUE ? m_size(l, window, 0) : m_size(l, x, 1);
    if (l_ok(l) && (step < 1 || length < 1))
        l_fail(l, SIB_ERR_ARGUMENT, "frame_step is %lld and frame_length %lld, expected at least 1",
               (long long)step, (long long)length);
    complex_mval frames = parts_of(l, x);
    frames.re = nn_frames(l, frames.re, length, step);
    frames.im = nn_frames(l, frames.im, length, step);
    if (window.id != NO_VALUE) {
        mval weights = fitted(l, m_cast_like(l, window, frames.re), d_const(l, length));
        frames.re = m_mul(l, frames.re, weights);
        if (frames.im.id != NO_VALUE)
            frames.im = m_mul(l, frames.im, weights);
    }
    mval y = joined_parts(l, transform(l, frames, -1)); /* [B, frames, frame_length, 2] */
    elem_out(l, onesided ? m_slice_numbers(l, y, -2, 0, length / 2 + 1) : y, x);
}

/* True for what Rfft and Irfft support: one axis, one side, not scaled. x: whose dtype output 0 has. */
static bool rfft_fits(lowering *l, const node *n, mval x)
{
    rfft_spec spec = spec_rfft(n);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return false;
    elem_declare(l, m_dtype(l, x));
    if (spec.signal_ndim != 1 || !spec.onesided || spec.normalized)
        l_fail(l, SIB_ERR_UNSUPPORTED,
               "signal_ndim other than 1, onesided 0 and normalized are not supported");
    if (l_ok(l) && m_rank(l, x) < 1)
        l_fail(l, SIB_ERR_ARGUMENT, "X is a scalar, expected a signal");
    return l_ok(l);
}

/* X[..., k] = sum over n < N of x[..., n] e^(-2 pi i n k / N) for k <= N / 2. com.microsoft Rfft-1. */
void lower_MS_Rfft(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    if (!rfft_fits(l, n, x))
        return;
    dim bins = d_add(l, d_floor_div(l, m_dim(l, x, -1), d_const(l, 2)), d_const(l, 1));
    complex_mval y = transform(l, (complex_mval){nn_single(l, x), MVAL_NONE}, -1);
    elem_out(l, m_slice(l, joined_parts(l, y), -2, d_const(l, 0), bins, 1), x);
}

/* The inverse, divided by N = 2 (K - 1) for spectra [..., K, 2]. com.microsoft Irfft-1. */
void lower_MS_Irfft(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    if (!rfft_fits(l, n, x))
        return;
    if (m_rank(l, x) < 2 || m_size(l, x, -1) != 2) {
        if (l_ok(l))
            l_fail(l, SIB_ERR_ARGUMENT, "X must be [..., bins, 2]");
        return;
    }
    dim length = d_mul(l, d_const(l, 2), d_sub(l, m_dim(l, x, -2), d_const(l, 1)));
    complex_mval y = transform(l, mirrored_spectrum(l, parts_of(l, x), length), 1);
    elem_out(l, divided(l, y, length).re, x);
}
