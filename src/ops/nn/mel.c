/* Log-mel features by the description of sibyl/features.h. */
#include "ops/nn/nn.h"

#include "tensor/tensor.h"

#include <math.h>

#define PI 3.14159265358979323846

/* The window, float64 [win_length]. */
static mval window_of(lowering *l, const sib_mel_spec *s)
{
    const int64_t n = s->win_length;
    const bool periodic = s->window == SIB_WINDOW_HANN;
    dim count = d_const(l, n);
    if (s->window == SIB_WINDOW_RECTANGULAR)
        return m_filled(l, elem_number(l, 1), 1, &count);
    mval theta = m_mul_number(l, m_iota(l, SIB_F64, count), 2 * PI / (double)(n > 1 ? n - !periodic : 1));
    mval cosine = n > 1 || periodic ? m_cos(l, theta) : elem_number(l, -1);
    const double a = s->window == SIB_WINDOW_HAMMING ? 0.54 : 0.5;
    mval w = m_sub(l, elem_number(l, a), m_mul_number(l, cosine, 1 - a));
    return s->window == SIB_WINDOW_POVEY ? m_pow(l, w, elem_number(l, 0.85)) : w;
}

/* Weights of the bands, float64 [n_mels, n_fft / 2 + 1], as sib_mel_weights gives them. */
static mval bands_of(lowering *l, const sib_mel_spec *s)
{
    const int64_t dims[2] = {s->n_mels, s->n_fft / 2 + 1};
    sib_tensor *bands = NULL;
    sib_mel *mel = NULL;
    sib_error err = SIB_ERROR_INIT;
    if (!l_ok(l))
        return MVAL_NONE;
    sib_code code = sib_mel_create(s, NULL, &mel, &err);
    if (code == SIB_OK)
        code = sib_tensor_create(SIB_F64, 2, dims, &bands, &err);
    if (code == SIB_OK)
        sib_mel_weights(mel, sib_tensor_data(bands));
    sib_mel_free(&mel);
    return code == SIB_OK ? m_constant(l, bands) : l_fail(l, code, "%s", err.message);
}

/* x [..., n] with samples added at both ends, reflected without repeating the ends. */
static mval mirrored(lowering *l, mval x, int64_t before, int64_t after)
{
    int64_t size;
    dim n = m_dim(l, x, -1), one = d_const(l, 1), head = d_const(l, before), tail = d_const(l, after);
    const int64_t margin = before > after ? before : after;
    if (l_ok(l) && dim_is_const(l->graph->dims, n, &size) && size <= margin)
        return l_fail(l, SIB_ERR_ARGUMENT, "%lld samples are too few to be reflected by %lld",
                      (long long)size, (long long)margin);
    mval front = m_reverse(l, m_slice(l, x, -1, one, head, 1), -1);
    mval back = m_reverse(l, m_slice(l, x, -1, d_sub(l, d_sub(l, n, tail), one), tail, 1), -1);
    mval parts[3] = {x, x, x};
    size_t count = 0;
    if (before)
        parts[count++] = front;
    parts[count++] = x;
    if (after)
        parts[count++] = back;
    return m_concat(l, count, parts, -1);
}

/* The frames of x [..., n] that count: [..., frames, win_length]. */
static mval frames_of(lowering *l, mval x, const sib_mel_spec *s)
{
    const int64_t win = s->win_length, hop = s->hop_length;
    const int64_t before = s->n_fft / 2 - (s->n_fft - win) / 2, after = win - before;
    dim n = m_dim(l, x, -1), size = d_const(l, win);
    int64_t samples;
    if (s->framing == SIB_FRAMING_CENTER_REFLECT)
        x = mirrored(l, x, before, after);
    else if (s->framing == SIB_FRAMING_CENTER_ZERO)
        x = m_pad_axis(l, x, -1, d_const(l, before), d_const(l, after), MVAL_NONE);
    else if (l_ok(l) && dim_is_const(l->graph->dims, n, &samples) && samples < win)
        return l_fail(l, SIB_ERR_ARGUMENT, "%lld samples are too few for a frame of %lld", (long long)samples,
                      (long long)win);
    dim steps = d_floor_div(l, s->framing == SIB_FRAMING_WHOLE ? d_sub(l, n, size) : n, d_const(l, hop));
    dim count = s->drop_last_frame ? steps : d_add(l, steps, d_const(l, 1));
    return m_slice(l, nn_frames(l, x, win, hop), -2, d_const(l, 0), count, 1);
}

/* Each frame as it is transformed: its mean and the pre-emphasis, times the window, zeros up to n_fft. */
static mval shaped(lowering *l, mval frames, const sib_mel_spec *s)
{
    const int64_t last = -1;
    if (s->remove_dc)
        frames = m_sub(l, frames, m_reduce_mean(l, frames, 1, &last, KEEP_DIMS));
    if (s->preemphasis != 0) {
        mval first = m_slice_numbers(l, frames, -1, 0, 1);
        mval before =
            s->win_length > 1
                ? m_concat(l, 2, (mval[]){first, m_slice_numbers(l, frames, -1, 0, s->win_length - 1)}, -1)
                : first;
        frames = m_sub(l, frames, m_mul_number(l, before, s->preemphasis));
    }
    frames = m_mul(l, frames, window_of(l, s));
    return s->win_length < s->n_fft
               ? m_pad_axis(l, frames, -1, d_const(l, 0), d_const(l, s->n_fft - s->win_length), MVAL_NONE)
               : frames;
}

static mval log_of(lowering *l, mval energy, const sib_mel_spec *s)
{
    const double db = s->power == 2 ? 10 : 20;
    if (s->log == SIB_LOG_NONE)
        return energy;
    mval y = m_log(l, m_max(l, energy, elem_number(l, s->log_floor)));
    if (s->log == SIB_LOG_LN)
        return y;
    y = m_mul_number(l, y, (s->log == SIB_LOG_DB ? db : 1) / log(10));
    return s->log == SIB_LOG_DB ? m_add_number(l, y, -db * log10(s->log_reference)) : y;
}

/* The features of samples x [..., n]: [..., bands, frames], each recording apart, in double and rounded once,
   then averaged where the attribute smooth asks for it. sib_mel_spec says what each attribute means and in
   which order the steps are; the attribute preset names the description that the others change. The front
   end by default is Whisper's (Radford et al. 2022). ai.sibyl LogMelSpectrogram-1. */
void lower_SIBYL_LogMelSpectrogram(lowering *l, const node *n)
{
    mval x = l_in(l, 0);
    const mel_spec given = spec_mel(n);
    const sib_mel_spec s = spec_front_end(&given);
    const int64_t both[] = {-2, -1};
    elem_takes(l, x, "samples", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, x));
    mval bands = bands_of(l, &s); /* refuses a description that does not hold */
    if (!l_ok(l))
        return;
    mval power = nn_power_spectrum(l, shaped(l, frames_of(l, elem_wide(l, x), &s), &s)); /* [..., T, bins] */
    if (s.power == 1)
        power = m_unary(l, MILLI_sqrt, power);
    mval y = log_of(l, m_matmul(l, bands, m_swap(l, power, -2, -1)), &s); /* [..., n_mels, T] */
    if (s.dynamic_range > 0) {
        mval floor = m_add_number(l, m_reduce(l, MILLI_reduce_max, y, 2, both, KEEP_DIMS), -s.dynamic_range);
        y = m_max(l, y, floor);
    }
    y = m_mul_number(l, m_add_number(l, y, s.offset), s.gain);
    elem_out(l, s.smooth ? nn_smooth(l, m_cast_like(l, y, x), s.smooth) : y, x);
}
