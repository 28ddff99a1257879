/* Computes a recording in chunks, and long chunks in windows, each into its columns of one array. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "features/recording/job.h"
#include "features/windows.h"

#include <math.h>
#include <string.h>

#define FIXED_RATE 16000
#define FIXED_HOP  160

/* ---- Fixed point --------------------------------------------------------------------------------------- */

static bool is_whisper(const sib_mel_spec *a)
{
    sib_mel_spec w;
    return sib_mel_spec_preset("whisper", a->n_mels, &w, NULL) == SIB_OK && a->sample_rate == w.sample_rate &&
           a->n_fft == w.n_fft && a->win_length == w.win_length && a->hop_length == w.hop_length &&
           a->window == w.window && a->framing == w.framing && a->drop_last_frame == w.drop_last_frame &&
           a->remove_dc == w.remove_dc && a->preemphasis == w.preemphasis && a->power == w.power &&
           a->f_min == w.f_min && a->f_max == w.f_max && a->scale == w.scale && a->norm == w.norm &&
           a->slope == w.slope && a->log == w.log && a->log_floor == w.log_floor &&
           a->dynamic_range == w.dynamic_range && a->offset == w.offset && a->gain == w.gain;
}

static sib_code check_fixed(const sib_mel *mel, sib_dtype dtype, double *one, sib_error *err)
{
    uint64_t frames;
    const sib_mel_spec *spec = sib_mel_get_spec(mel);
    *one = dtype == SIB_I16 ? SIB_FIXED_ONE_INT16 : dtype == SIB_I8 ? SIB_FIXED_ONE_INT8 : 1;
    if (dtype == SIB_DTYPE_UNKNOWN)
        return SIB_OK;
    if (dtype != SIB_I16 && dtype != SIB_I8)
        return err_set(err, SIB_ERR_ARGUMENT, "features in fixed point must be int16 or int8, not %s",
                       sib_dtype_name(dtype));
    if (!is_whisper(spec))
        return err_set(err, SIB_ERR_ARGUMENT, "features in fixed point need the preset 'whisper'");
    return sib_fixed_shape(spec->n_mels, FIXED_RATE, &frames, err); /* the bands */
}

/* Bands before the average. */
static size_t mels(const recording_job *r)
{
    return (size_t)sib_mel_get_spec(r->mel)->n_mels;
}

/* Bands and frames that the average takes away, half of them at either end. */
static size_t lost(const recording_job *r)
{
    return sib_mel_get_spec(r->mel)->smooth == SIB_SMOOTH_VALID ? 2 : 0;
}

static void to_pcm(const float *x, int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float scaled = x[i] * 32768;
        pcm[i] = (int16_t)lrintf(scaled < -32768 ? -32768 : scaled > 32767 ? 32767 : scaled);
    }
}

/* Computes fixed-point features of n samples and the zeros after them to `to`. */
static sib_code fixed_compute(const recording_job *r, sib_fixed_clamp clamp, sib_dtype dtype, const float *x,
                              size_t n, size_t padding, void *to, size_t stride, sib_error *err)
{
    const int32_t bands = (int32_t)mels(r);
    to_pcm(x, r->pcm, n);
    return dtype == SIB_I16 ? sib_fixed_int16(bands, clamp, r->pool, r->pcm, n, padding, to, stride, err)
                            : sib_fixed_int8(bands, clamp, r->pool, r->pcm, n, padding, to, stride, err);
}

/* Averages columns (n_mels, count) where the description says so; the result begins where they do. */
static sib_code fixed_smooth(const recording_job *r, void *columns, size_t count, size_t stride,
                             sib_error *err)
{
    const sib_smooth mode = sib_mel_get_spec(r->mel)->smooth;
    return r->options->fixed == SIB_I16 ? sib_fixed_smooth_int16(mode, columns, mels(r), count, stride, err)
                                        : sib_fixed_smooth_int8(mode, columns, mels(r), count, stride, err);
}

/* Makes the features of `count` columns of the window from those in fixed point. */
static void fixed_to_floats(const recording_job *r, size_t at, size_t count)
{
    const float unit = (float)(1 / r->window.one);
    const int16_t *wide = sib_tensor_data(r->window.fixed);
    const int8_t *narrow = sib_tensor_data(r->window.fixed);
    float *features = sib_tensor_data(r->window.features);
    for (size_t b = 0; b < r->bands; b++)
        for (size_t t = b * r->width + at; t < b * r->width + at + count; t++)
            features[t] = unit * (float)(r->options->fixed == SIB_I16 ? wide[t] : narrow[t]);
}

/* Address of column `at` of the window. */
static void *fixed_column(const recording_job *r, size_t at)
{
    return (char *)sib_tensor_data(r->window.fixed) + at * sib_dtype_bits(r->options->fixed) / 8;
}

static float *float_column(const recording_job *r, size_t at)
{
    return (float *)sib_tensor_data(r->window.features) + at;
}

/* ---- Chunks -------------------------------------------------------------------------------------------- */

/* A chunk: the samples that there are, and its length with the zeros after them. */
typedef struct chunk {
    const float *x;
    size_t n, length;
} chunk;

/* Whether a chunk exceeds the window. */
static bool in_windows(const recording_job *r)
{
    return r->window.frames_per_chunk > r->width;
}

/* Whether the maximum has to be found before the features are computed. */
static bool has_clamp(const recording_job *r)
{
    return r->window.fixed || sib_mel_get_spec(r->mel)->dynamic_range > 0;
}

/* The parts of which on_chunk counts those done. */
static size_t parts(const recording_job *r)
{
    const size_t windows = in_windows(r) ? size_ceil_div(r->window.frames_per_chunk, r->width) : 1;
    return r->window.chunks * windows * (in_windows(r) && has_clamp(r) ? 2 : 1);
}

static sib_code report(recording_job *r, sib_error *err)
{
    const sib_recording_options *o = r->options;
    return o->on_chunk ? o->on_chunk(o->context, r->done++, parts(r), err) : SIB_OK;
}

/* Makes room for `count` columns in the window, which gives those that it holds away if need be. */
static sib_code room(recording_job *r, size_t count, sib_error *err)
{
    if (r->held + count <= r->width)
        return SIB_OK;
    const sib_code code = r->take(r, err);
    r->first += r->held;
    r->held = 0;
    return code;
}

/* Copies `count` finished columns (bands, stride) to the window. */
static void fixed_take(recording_job *r, const void *from, size_t count, size_t stride)
{
    const size_t item = sib_dtype_bits(r->options->fixed) / 8;
    for (size_t b = 0; b < r->bands; b++)
        memcpy(fixed_column(r, b * r->width + r->held), (const char *)from + b * stride * item, count * item);
}

static sib_code short_chunk_fixed(recording_job *r, const chunk *c, size_t count, sib_error *err)
{
    void *to = lost(r) ? r->aside : fixed_column(r, r->held);
    const size_t frames = count + lost(r), stride = lost(r) ? frames : r->width;
    sib_code code = fixed_compute(r, SIB_FIXED_CLAMP_WHOLE, r->options->fixed, c->x, c->n, c->length - c->n,
                                  to, stride, err);
    if (code == SIB_OK)
        code = fixed_smooth(r, to, frames, stride, err);
    if (code == SIB_OK && lost(r))
        fixed_take(r, to, count, stride);
    if (code == SIB_OK)
        fixed_to_floats(r, r->held, count);
    return code;
}

static sib_code short_chunk(recording_job *r, const chunk *c, sib_error *err)
{
    const size_t count = r->window.frames_per_chunk;
    sib_code code = room(r, count, err);
    if (code == SIB_OK && r->window.fixed)
        code = short_chunk_fixed(r, c, count, err);
    else if (code == SIB_OK)
        code = sib_mel_compute(r->mel, r->pool, c->x, c->n, c->length - c->n, float_column(r, r->held),
                               r->width, err);
    r->held += count;
    return code;
}

/* ---- Chunks in windows --------------------------------------------------------------------------------- */

/* Computes columns first .. first + count - 1 of a chunk: in the first pass anywhere, in the second one to
   the window from column `held` on. */
typedef sib_code (*window_fn)(recording_job *r, const chunk *c, void *state, size_t first, size_t count,
                              sib_error *err);

static sib_code each_window(recording_job *r, const chunk *c, window_fn run, void *state, bool keep,
                            sib_error *err)
{
    const int32_t hop = sib_mel_get_spec(r->mel)->hop_length;
    sib_code code = SIB_OK;
    for (size_t first = 0, n; first < r->window.frames_per_chunk && code == SIB_OK; first += n) {
        n = size_min(r->width, r->window.frames_per_chunk - first);
        code = report(r, err);
        if (code == SIB_OK)
            code = room(r, n, err);
        if (code == SIB_OK)
            code = run(r, c, state, first, n, err);
        if (keep)
            r->held += n;
        if (r->passed)
            r->passed(r, (size_t)(c->x - r->samples) + (first + n) * (size_t)hop);
    }
    return code;
}

static sib_code measure_floats(recording_job *r, const chunk *c, void *windows, size_t first, size_t count,
                               sib_error *err)
{
    (void)c, (void)err;
    mel_windows_measure(windows, first, count, float_column(r, r->held), r->width);
    return SIB_OK;
}

static sib_code compute_floats(recording_job *r, const chunk *c, void *windows, size_t first, size_t count,
                               sib_error *err)
{
    (void)c, (void)err;
    mel_windows_compute(windows, first, count, float_column(r, r->held), r->width);
    return SIB_OK;
}

static sib_code long_chunk_of_floats(recording_job *r, const chunk *c, sib_error *err)
{
    mel_windows *windows;
    sib_code code = mel_windows_open(r->mel, r->pool, c->x, c->n, c->length - c->n, r->width, &windows, err);
    if (code == SIB_OK && has_clamp(r))
        code = each_window(r, c, measure_floats, windows, false, err);
    if (code == SIB_OK)
        code = mel_windows_check(windows, err);
    if (code == SIB_OK)
        code = each_window(r, c, compute_floats, windows, true, err);
    if (code == SIB_OK)
        code = mel_windows_check(windows, err);
    mel_windows_close(&windows);
    return code;
}

/* Frames beside a window whose samples are needed, so that no frame of the window, nor the next one to it, which
   an average needs, sees the window's ends. */
#define HALO 3

/* Computes columns first .. first + count - 1, before the clamp, and up to HALO on either side, to aside
   (n_mels, *stride). *at: the column of `first` there. */
static sib_code fixed_window(recording_job *r, const chunk *c, sib_dtype dtype, size_t first, size_t count,
                             size_t *at, size_t *stride, sib_error *err)
{
    *at = size_min(first, HALO);
    const size_t begin = (first - *at) * FIXED_HOP,
                 end = size_min((first + count + HALO) * FIXED_HOP, c->length);
    const size_t from = size_min(c->n, begin), n = size_min(c->n, end) - from;
    *stride = (end - begin) / FIXED_HOP;
    return fixed_compute(r, SIB_FIXED_CLAMP_NONE, dtype, c->x + from, n, end - begin - n, r->aside, *stride,
                         err);
}

static sib_code measure_fixed(recording_job *r, const chunk *c, void *maximum, size_t first, size_t count,
                              sib_error *err)
{
    size_t at, stride;
    int16_t *max = maximum;
    count += lost(r);
    sib_code code = fixed_window(r, c, SIB_I16, first, count, &at, &stride, err);
    for (size_t b = 0; code == SIB_OK && b < mels(r); b++)
        for (size_t t = b * stride + at; t < b * stride + at + count; t++)
            *max = r->aside[t] > *max ? r->aside[t] : *max;
    return code;
}

static sib_code compute_fixed(recording_job *r, const chunk *c, void *maximum, size_t first, size_t count,
                              sib_error *err)
{
    size_t at, stride;
    const sib_dtype dtype = r->options->fixed;
    const size_t item = sib_dtype_bits(dtype) / 8;
    sib_code code = fixed_window(r, c, dtype, first + lost(r) / 2, count, &at, &stride, err);
    if (code != SIB_OK)
        return code;
    /* from the frame before the window to the one after it, where there are any */
    const size_t begin = at - size_min(at, 1), end = size_min(at + count + 1, stride);
    char *around = (char *)r->aside + begin * item;
    if (dtype == SIB_I16)
        sib_fixed_finish_int16((int32_t)mels(r), *(int16_t *)maximum, (void *)around, end - begin, stride);
    else
        sib_fixed_finish_int8((int32_t)mels(r), *(int16_t *)maximum, (void *)around, end - begin, stride);
    code = fixed_smooth(r, around, end - begin, stride, err);
    if (code != SIB_OK)
        return code;
    fixed_take(r, lost(r) ? around : (char *)r->aside + at * item, count, stride);
    fixed_to_floats(r, r->held, count);
    return SIB_OK;
}

static sib_code long_chunk(recording_job *r, const chunk *c, sib_error *err)
{
    if (!r->window.fixed)
        return long_chunk_of_floats(r, c, err);
    int16_t maximum = INT16_MIN;
    const sib_code code = each_window(r, c, measure_fixed, &maximum, false, err);
    return code ? code : each_window(r, c, compute_fixed, &maximum, true, err);
}

/* ---- Recordings ---------------------------------------------------------------------------------------- */

static sib_code cut(const recording_job *r, sib_chunks *chunks, sib_error *err)
{
    *chunks = (sib_chunks){.count = 1, .length = r->n_samples, .n_samples = r->n_samples};
    if (r->options->chunk_seconds == 0)
        return SIB_OK;
    return sib_chunks_make(r->n_samples, sib_mel_get_spec(r->mel)->sample_rate, r->options->chunk_seconds, 0,
                           chunks, err);
}

sib_code recording_shape(recording_job *r, sib_error *err)
{
    sib_chunks chunks;
    uint64_t rows = 0, per_chunk = 0;
    sib_code code = check_fixed(r->mel, r->options->fixed, &r->window.one, err);
    if (code == SIB_OK)
        code = cut(r, &chunks, err);
    if (code == SIB_OK)
        code = sib_mel_shape(r->mel, chunks.length, &rows, &per_chunk, err);
    if (code != SIB_OK)
        return code;
    r->bands = (size_t)rows;
    r->chunk_samples = chunks.length;
    r->window.chunks = chunks.count;
    r->window.frames_per_chunk = (size_t)per_chunk;
    if (per_chunk > SIZE_MAX || !size_mul((size_t)per_chunk, chunks.count, &r->frames) ||
        r->frames > INT64_MAX)
        return err_set(err, SIB_ERR_SIZE, "%zu chunks have more frames than can be counted", chunks.count);
    r->width = r->frames;
    return SIB_OK;
}

/* Allocates the window and buffers. */
static sib_code make_window(recording_job *r, sib_error *err)
{
    const int64_t dims[2] = {(int64_t)r->bands, (int64_t)r->width};
    const size_t around = 2 * HALO + 1 + lost(r);
    const size_t columns = in_windows(r) ? r->width + around : r->window.frames_per_chunk + lost(r);
    const size_t n = in_windows(r) ? (r->width + around) * FIXED_HOP : r->chunk_samples;
    sib_code code = sib_tensor_create(SIB_F32, 2, dims, &r->window.features, err);
    if (code == SIB_OK && r->options->fixed)
        code = sib_tensor_create(r->options->fixed, 2, dims, &r->window.fixed, err);
    if (code == SIB_OK && r->options->fixed && !(r->pcm = mem_alloc(n, sizeof(int16_t))))
        code = err_memory(err, n * sizeof(int16_t), "samples of 16 bits");
    if (code == SIB_OK && r->options->fixed && (in_windows(r) || lost(r)) &&
        !(r->aside = mem_alloc(mels(r) * columns, sizeof(int16_t))))
        code = err_memory(err, mels(r) * columns * sizeof(int16_t), "features of 16 bits");
    return code;
}

static sib_code run_chunks(recording_job *r, sib_error *err)
{
    sib_chunks chunks;
    sib_code code = cut(r, &chunks, err);
    for (size_t i = 0; i < chunks.count && code == SIB_OK; i++) {
        size_t start, n;
        sib_chunks_at(&chunks, i, &start, &n);
        const chunk c = {r->samples + start, n, chunks.length};
        if (in_windows(r)) {
            code = long_chunk(r, &c, err);
            continue;
        }
        code = report(r, err);
        if (code == SIB_OK)
            code = short_chunk(r, &c, err);
        if (r->passed)
            r->passed(r, start + n);
    }
    return code == SIB_OK && r->take ? r->take(r, err) : code;
}

sib_code recording_run(recording_job *r, sib_error *err)
{
    sib_code code = make_window(r, err);
    if (code == SIB_OK)
        code = run_chunks(r, err);
    mem_free(r->pcm);
    mem_free(r->aside);
    r->pcm = r->aside = NULL;
    return code;
}

sib_code sib_recording_compute(const sib_mel *mel, sib_pool *pool, float *samples, size_t n_samples,
                               const sib_recording_options *options, sib_recording *out, sib_error *err)
{
    static const sib_recording_options defaults = {0};
    recording_job r = {.mel = mel,
                       .pool = pool,
                       .options = options ? options : &defaults,
                       .samples = samples,
                       .n_samples = n_samples};
    sib_code code = recording_shape(&r, err);
    if (code == SIB_OK && r.options->normalize)
        code = sib_audio_normalize(samples, n_samples, r.options->level, r.options->target, err);
    if (code == SIB_OK)
        code = recording_run(&r, err);
    if (code != SIB_OK)
        sib_recording_free(&r.window);
    *out = r.window;
    return code;
}

void sib_recording_free(sib_recording *r)
{
    sib_tensor_free(&r->features);
    sib_tensor_free(&r->fixed);
    *r = (sib_recording){0};
}
