/* Fourier transforms, and features of sound. */
#include "ops/nn.h"

#include "tensor/tensor.h"

#include <math.h>

#define PI 3.14159265358979323846

/* ---- The transform by its definition -------------------------------------------------------------------------- */

/* Angles 2 pi (n * k mod N) / N as float64 [rows, columns] for n < rows, k < columns: the product is taken modulo N as
   whole numbers, so that angles stay small and exact. */
static mval angles(lowering *l, dim rows, dim columns, dim length)
{
    mval n = m_unsqueeze(l, m_iota(l, SIB_I64, rows), 1), k = m_iota(l, SIB_I64, columns);
    mval size = m_dim_scalar(l, length);
    mval turns = m_mod(l, m_mul(l, n, k), size);
    return m_div(l, m_mul_number(l, elem_wide(l, turns), 2 * PI), elem_wide(l, size));
}

/* X[..., k] = sum over n of (re + i im)[..., n] * e^(-+ 2 pi i n k / N) for k < columns, as [..., columns, 2]; the
   exponent is positive, and the sum divided by N, for the inverse. re, im: float64 [..., rows]; im may be MVAL_NONE. */
static mval transform(lowering *l, mval re, mval im, dim length, dim columns, bool inverse)
{
    mval turn = angles(l, m_dim(l, re, -1), columns, length);
    mval c = m_cos(l, turn), s = m_sin(l, turn);
    int64_t shortest = 1;
    if (l_ok(l) && dim_is_const(l->graph->dims, length, &shortest) && shortest < 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "a transform of length %lld", (long long)shortest);
    bool line = m_rank(l, re) == 1;
    if (line) {
        re = m_unsqueeze(l, re, 0);
        im = im.id == NO_VALUE ? im : m_unsqueeze(l, im, 0);
    }
    if (!inverse)
        s = m_neg(l, s);
    mval out_re = m_matmul(l, re, c), out_im = m_matmul(l, re, s);
    if (im.id != NO_VALUE) {
        out_re = m_sub(l, out_re, m_matmul(l, im, s));
        out_im = m_add(l, out_im, m_matmul(l, im, c));
    }
    mval out = m_stack(l, 2, (mval[]){out_re, out_im}, -1);
    if (inverse)
        out = m_div(l, out, elem_wide(l, m_dim_scalar(l, length)));
    return line ? m_squeeze(l, out, 0) : out;
}

/* x[..., n] = 1 / N * sum over k of w[k] * (re[k] cos(2 pi n k / N) - im[k] sin(2 pi n k / N)), the inverse of a
   spectrum of which only k <= N / 2 are given: w is 2 for those whose mirror image is left out, else 1. [..., N, 1]. */
static mval transform_back_real(lowering *l, mval re, mval im, dim length)
{
    dim bins = m_dim(l, re, -1);
    mval k = m_iota(l, SIB_I64, bins), size = m_dim_scalar(l, length), one = elem_number(l, 1);
    mval zero = m_scalar_int(l, SIB_I64, 0);
    mval alone = m_or(l, m_equal(l, k, zero), m_equal(l, m_add(l, k, k), size));
    mval weight = m_div(l, m_where(l, alone, one, elem_number(l, 2)), elem_wide(l, size));
    mval turn = angles(l, bins, length, length);
    bool line = m_rank(l, re) == 1;
    mval y = m_matmul(l, m_mul(l, line ? m_unsqueeze(l, re, 0) : re, weight), m_cos(l, turn));
    if (im.id != NO_VALUE)
        y = m_sub(l, y, m_matmul(l, m_mul(l, line ? m_unsqueeze(l, im, 0) : im, weight), m_sin(l, turn)));
    return m_unsqueeze(l, line ? m_squeeze(l, y, 0) : y, -1);
}

/* Real and imaginary part of x [..., 1 or 2], float64 without the last axis; *im is MVAL_NONE where x is real. */
static void parts_of(lowering *l, mval x, mval *re, mval *im)
{
    int64_t parts = m_size(l, x, -1);
    mval wide = elem_wide(l, x);
    *re = *im = MVAL_NONE;
    if (l_ok(l) && parts != 1 && parts != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "the last axis has size %lld, expected 1 (real) or 2 (complex)",
               (long long)parts);
    if (!l_ok(l))
        return;
    *re = m_squeeze(l, m_slice_numbers(l, wide, -1, 0, 1), -1);
    if (parts == 2)
        *im = m_squeeze(l, m_slice_numbers(l, wide, -1, 1, 1), -1);
}

/* One whole number of an input as a dim, or DIM_NONE where the lowering stopped. */
static dim length_of(lowering *l, mval v)
{
    dim d = DIM_NONE;
    if (m_elements(l, v, &d, 1) != 1 && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "one length is wanted");
    return l_ok(l) ? d : DIM_NONE;
}

/* The first `length` elements of the last axis; zeros behind a shorter one add nothing and are left out. */
static mval first_of(lowering *l, mval v, dim length)
{
    if (v.id == NO_VALUE)
        return v;
    dim given = m_dim(l, v, -1);
    return m_slice(l, v, -1, d_const(l, 0), d_min(l, given, length), 1);
}

/* X[k] = sum over n < N of x[n] e^(-2 pi i n k / N) along an axis, or the inverse, divided by N. x is cut or filled
   with zeros to N = dft_length. onesided: only k <= N / 2 are given, or for the inverse read, which then gives real
   numbers. The axis is an attribute, 1 by default, and from 20 on an input, -2 by default. ONNX DFT-17, 20. */
void lower_ONNX_DFT(lowering *l, const node *n)
{
    mval x = l_in(l, 0), re, im;
    bool inverse = attr_int(n, "inverse", 0), onesided = attr_int(n, "onesided", 0);
    dim dims[SIB_MAX_RANK], two = d_const(l, 2), one = d_const(l, 1);
    elem_takes(l, x, "input", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && rank < 2)
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected at least 2", rank);
    int64_t asked = n->version < 20 ? attr_int(n, "axis", 1) : l_has(l, 2) ? m_int(l, l_in(l, 2)) : -2;
    int axis = m_axis(l, asked, rank, "axis");
    if (l_ok(l) && axis == rank - 1)
        l_fail(l, SIB_ERR_ARGUMENT, "axis %lld is that of real and imaginary parts", (long long)asked);
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
    parts_of(l, m_move(l, x, axis, rank - 2), &re, &im); /* [..., in] */
    dim read = onesided && inverse ? bins : length;
    re = first_of(l, re, read);
    im = first_of(l, im, read);
    mval y = onesided && inverse ? transform_back_real(l, re, im, length)
                                 : transform(l, re, im, length, onesided ? bins : length, inverse);
    elem_out(l, m_move(l, y, rank - 2, axis), x);
}

/* Frames of v [..., n]: [..., frames, length], which begin `step` apart and lie wholly inside. */
static mval frames_of(lowering *l, mval v, int64_t length, int64_t step)
{
    window_spec w = {.n = 1, .kernel = {length}, .stride = {step}, .dilation = {1}};
    w.before[0] = w.after[0] = d_const(l, 0);
    return v.id == NO_VALUE ? v : m_swap(l, m_windows(l, v, &w, MVAL_NONE), -2, -1);
}

/* The transform of each frame of signal [B, n, 1 or 2], times the window: [B, frames, bins, 2] with
   frames = floor((n - frame_length) / frame_step) + 1. A shorter window has zeros behind it. ONNX STFT-17. */
void lower_ONNX_STFT(lowering *l, const node *n)
{
    mval x = l_in(l, 0), re, im, window = l_in_or_none(l, 2);
    bool onesided = attr_int(n, "onesided", 1);
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
    parts_of(l, x, &re, &im);
    re = frames_of(l, re, length, step);
    im = frames_of(l, im, length, step);
    if (window.id != NO_VALUE) {
        dim covered = d_min(l, m_dim(l, window, 0), d_const(l, length));
        mval weights = elem_wide(l, first_of(l, window, covered));
        re = m_mul(l, first_of(l, re, covered), weights);
        if (im.id != NO_VALUE)
            im = m_mul(l, first_of(l, im, covered), weights);
    }
    dim whole = d_const(l, length);
    elem_out(l, transform(l, re, im, whole, onesided ? d_const(l, length / 2 + 1) : whole, false), x);
}

/* ---- Log-mel features -------------------------------------------------------------------------------------------- */

typedef struct mel_features {
    int64_t sample_rate, n_fft, hop_length, n_mels;
} mel_features;

/* Slaney's scale: f / (200 / 3) below 1 kHz, then 15 + 27 log(f / 1000) / log(6.4). */
static double mel_of(double hz)
{
    return hz < 1000 ? hz * 3 / 200 : 15 + 27 * log(hz / 1000) / log(6.4);
}

static double hz_of(double mel)
{
    return mel < 15 ? mel * 200 / 3 : 1000 * exp((mel - 15) * log(6.4) / 27);
}

/* Weights of the bands, float64 [n_mels, n_fft / 2 + 1]: triangles, straight in Hz, between n_mels + 2 points that are
   equal steps of the scale apart up to half the rate, each with the area of 1 Hz. */
static mval mel_bank(lowering *l, const mel_features *m)
{
    int64_t dims[2] = {m->n_mels, m->n_fft / 2 + 1};
    sib_tensor *bank = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!l_ok(l))
        return MVAL_NONE;
    if (sib_tensor_create(SIB_F64, 2, dims, &bank, &err) != SIB_OK)
        return l_fail(l, err.code, "%s", err.message);
    double *weights = sib_tensor_data(bank),
           step = mel_of((double)m->sample_rate / 2) / (double)(m->n_mels + 1);
    for (int64_t i = 0; i < dims[0]; i++) {
        double left = hz_of(step * (double)i), peak = hz_of(step * (double)(i + 1)),
               right = hz_of(step * (double)(i + 2));
        for (int64_t k = 0; k < dims[1]; k++) {
            double at = (double)k * (double)m->sample_rate / (double)m->n_fft;
            double height = fmin((at - left) / (peak - left), (right - at) / (right - peak));
            weights[i * dims[1] + k] = height > 0 ? 2 / (right - left) * height : 0;
        }
    }
    return m_constant(l, bank);
}

/* x [..., n] with `margin` samples before and after it, mirrored at its ends without repeating them. */
static mval mirrored(lowering *l, mval x, int64_t margin)
{
    int64_t size;
    dim n = m_dim(l, x, -1), m = d_const(l, margin), one = d_const(l, 1);
    if (l_ok(l) && dim_is_const(l->graph->dims, n, &size) && size <= margin)
        return l_fail(l, SIB_ERR_ARGUMENT, "%lld samples cannot be mirrored by %lld, more are needed",
                      (long long)size, (long long)margin);
    mval front = m_reverse(l, m_slice(l, x, -1, one, m, 1), -1);
    mval back = m_reverse(l, m_slice(l, x, -1, d_sub(l, d_sub(l, n, m), one), m, 1), -1);
    return margin ? m_concat(l, 3, (mval[]){front, x, back}, -1) : x;
}

static bool read_mel(lowering *l, const node *n, mel_features *m)
{
    *m = (mel_features){attr_int(n, "sample_rate", 16000), attr_int(n, "n_fft", 400),
                        attr_int(n, "hop_length", 160), attr_int(n, "n_mels", 80)};
    if (m->sample_rate < 1 || m->sample_rate > 768000 || m->n_fft < 2 || m->n_fft > 65536 ||
        m->hop_length < 1 || m->hop_length > 1048576 || m->n_mels < 1 || m->n_mels > 4096)
        l_fail(l, SIB_ERR_ARGUMENT,
               "sample_rate %lld, n_fft %lld, hop_length %lld or n_mels %lld is out of range",
               (long long)m->sample_rate, (long long)m->n_fft, (long long)m->hop_length,
               (long long)m->n_mels);
    return l_ok(l);
}

/* Whisper's log-mel spectrogram of samples x [..., n]: [..., n_mels, floor(n / hop_length)].
   Frame t is centred on sample t * hop_length, the ends mirrored; window 0.5 - 0.5 cos(2 pi i / n_fft);
   e = bank * |DFT|^2; y = log10(max(e, 1e-10)); y = (max(y, max over y - 8) + 4) / 4. All in double, rounded once.
   ai.sibyl LogMelSpectrogram-1; Radford et al. 2022. */
void lower_SIBYL_LogMelSpectrogram(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    mel_features m;
    const int64_t last = -1, both[] = {-2, -1};
    elem_takes(l, x, "samples", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    if (!read_mel(l, n, &m))
        return;
    dim n_fft = d_const(l, m.n_fft);
    mval turn = m_mul_number(l, m_iota(l, SIB_F64, n_fft), 2 * PI / (double)m.n_fft);
    mval window = m_sub(l, elem_number(l, 0.5), m_mul_number(l, m_cos(l, turn), 0.5));
    mval frames = frames_of(l, mirrored(l, elem_wide(l, x), m.n_fft / 2), m.n_fft, m.hop_length);
    dim count = d_floor_div(l, m_dim(l, x, -1), d_const(l, m.hop_length)); /* the last frame is left out */
    frames = m_mul(l, m_slice(l, frames, -2, d_const(l, 0), count, 1), window);
    mval spectrum = transform(l, frames, MVAL_NONE, n_fft, d_const(l, m.n_fft / 2 + 1), false);
    mval power =
        m_reduce(l, MILLI_reduce_sum, m_square(l, spectrum), 1, &last, DROP_DIMS); /* [..., T, bins] */
    mval energy = m_matmul(l, mel_bank(l, &m), m_swap(l, power, -2, -1));          /* [..., n_mels, T] */
    mval y = m_mul_number(l, m_log(l, m_max(l, energy, elem_number(l, 1e-10))), 1 / log(10));
    mval least = m_add_number(l, m_reduce(l, MILLI_reduce_max, y, 2, both, KEEP_DIMS), -8);
    y = m_mul_number(l, m_add_number(l, m_max(l, y, least), 4), 0.25);
    elem_out(l, y, x);
}
