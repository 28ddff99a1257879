/* Computes a recording in chunks, each into its columns of one array. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <sibyl/recording.h>
#include <string.h>

#define FIXED_RATE 16000

/* State of one call of sib_recording_compute. */
typedef struct recording {
    const sib_mel *mel;
    sib_pool *pool;
    const sib_recording_options *options;
    sib_recording *out;
    size_t bands, frames; /* of the array */
    float *padded;        /* (chunk length) the last chunk, zero-padded */
    int16_t *pcm;         /* (chunk length) in fixed point, else NULL */
} recording;

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
           a->dynamic_range == w.dynamic_range && a->offset == w.offset && a->gain == w.gain &&
           a->smooth == w.smooth;
}

static sib_code check_fixed(const sib_mel *mel, sib_dtype dtype, double *one, sib_error *err)
{
    uint64_t frames;
    const sib_mel_spec *spec = sib_mel_get_spec(mel);
    *one = dtype == SIB_I16 ? SIB_FIXED_ONE_INT16 : dtype == SIB_I8 ? SIB_FIXED_ONE_INT8 : 1;
    if (dtype == SIB_DTYPE_UNKNOWN)
        return SIB_OK;
    if (dtype != SIB_I16 && dtype != SIB_I8)
        return err_set(err, SIB_ERR_ARGUMENT, "features in fixed point are int16 or int8, not %s",
                       sib_dtype_name(dtype));
    if (!is_whisper(spec))
        return err_set(err, SIB_ERR_ARGUMENT, "features in fixed point are those of the preset 'whisper'");
    return sib_fixed_shape(spec->n_mels, FIXED_RATE, &frames, err); /* the bands */
}

static void to_pcm(const float *x, int16_t *pcm, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float scaled = x[i] * 32768;
        pcm[i] = (int16_t)lrintf(scaled < -32768 ? -32768 : scaled > 32767 ? 32767 : scaled);
    }
}

/* Computes fixed-point features of x (n), from column `at` of both arrays. */
static sib_code fixed_chunk(recording *r, const float *x, size_t n, size_t at, sib_error *err)
{
    float *features = sib_tensor_data(r->out->features);
    int16_t *wide = r->options->fixed == SIB_I16 ? sib_tensor_data(r->out->fixed) : NULL;
    int8_t *narrow = wide ? NULL : sib_tensor_data(r->out->fixed);
    const float unit = (float)(1 / r->out->one);
    to_pcm(x, r->pcm, n);
    const sib_code code = wide ? sib_fixed_int16((int32_t)r->bands, SIB_FIXED_CLAMP_WHOLE, r->pool, r->pcm, n,
                                                 0, wide + at, r->frames, err)
                               : sib_fixed_int8((int32_t)r->bands, SIB_FIXED_CLAMP_WHOLE, r->pool, r->pcm, n,
                                                0, narrow + at, r->frames, err);
    for (size_t b = 0; code == SIB_OK && b < r->bands; b++)
        for (size_t t = b * r->frames + at; t < b * r->frames + at + r->out->frames_per_chunk; t++)
            features[t] = unit * (float)(wide ? wide[t] : narrow[t]);
    return code;
}

/* ---- Chunks -------------------------------------------------------------------------------------------- */

static sib_code one_chunk(recording *r, const float *samples, const sib_chunks *chunks, size_t i,
                          sib_error *err)
{
    size_t start, n;
    sib_chunks_at(chunks, i, &start, &n);
    const float *x = samples + start;
    if (n < chunks->length) {
        sib_audio_pad_or_trim(x, n, r->padded, chunks->length);
        x = r->padded;
    }
    const size_t at = i * r->out->frames_per_chunk;
    if (r->out->fixed)
        return fixed_chunk(r, x, chunks->length, at, err);
    return sib_mel_compute(r->mel, r->pool, x, chunks->length, 0,
                           (float *)sib_tensor_data(r->out->features) + at, r->frames, err);
}

/* Allocates arrays and buffers for these chunks. */
static sib_code make_arrays(recording *r, const sib_chunks *chunks, sib_error *err)
{
    uint64_t bands, per_chunk;
    sib_code code = sib_mel_shape(r->mel, chunks->length, &bands, &per_chunk, err);
    if (code)
        return code;
    r->bands = (size_t)bands;
    r->out->chunks = chunks->count;
    r->out->frames_per_chunk = (size_t)per_chunk;
    if (per_chunk > SIZE_MAX || !size_mul(r->out->frames_per_chunk, chunks->count, &r->frames) ||
        r->frames > INT64_MAX)
        return err_set(err, SIB_ERR_SIZE, "%zu chunks have more frames than can be counted", chunks->count);
    const int64_t dims[2] = {(int64_t)r->bands, (int64_t)r->frames};
    if ((code = sib_tensor_create(SIB_F32, 2, dims, &r->out->features, err)))
        return code;
    if (r->options->fixed && (code = sib_tensor_create(r->options->fixed, 2, dims, &r->out->fixed, err)))
        return code;
    if (chunks->count * chunks->length > chunks->n_samples &&
        !(r->padded = mem_alloc(chunks->length, sizeof(float))))
        return err_memory(err, chunks->length * sizeof(float), "the last chunk");
    if (r->options->fixed && !(r->pcm = mem_alloc(chunks->length, sizeof(int16_t))))
        return err_memory(err, chunks->length * sizeof(int16_t), "samples of 16 bits");
    return SIB_OK;
}

static sib_code compute(recording *r, float *samples, size_t n, sib_error *err)
{
    const sib_recording_options *o = r->options;
    sib_chunks chunks = {.count = 1, .length = n, .n_samples = n};
    sib_code code = check_fixed(r->mel, o->fixed, &r->out->one, err);
    if (code == SIB_OK && o->normalize)
        code = sib_audio_normalize(samples, n, o->level, o->target, err);
    if (code == SIB_OK && o->chunk_seconds != 0)
        code = sib_chunks_make(n, sib_mel_get_spec(r->mel)->sample_rate, o->chunk_seconds, 0, &chunks, err);
    if (code == SIB_OK)
        code = make_arrays(r, &chunks, err);
    for (size_t i = 0; i < chunks.count && code == SIB_OK; i++) {
        if (o->on_chunk)
            code = o->on_chunk(o->context, i, chunks.count, err);
        if (code == SIB_OK)
            code = one_chunk(r, samples, &chunks, i, err);
    }
    return code;
}

sib_code sib_recording_compute(const sib_mel *mel, sib_pool *pool, float *samples, size_t n_samples,
                               const sib_recording_options *options, sib_recording *out, sib_error *err)
{
    static const sib_recording_options defaults = {0};
    recording r = {.mel = mel, .pool = pool, .options = options ? options : &defaults, .out = out};
    *out = (sib_recording){0};
    const sib_code code = compute(&r, samples, n_samples, err);
    mem_free(r.padded);
    mem_free(r.pcm);
    if (code)
        sib_recording_free(out);
    return code;
}

void sib_recording_free(sib_recording *r)
{
    sib_tensor_free(&r->features);
    sib_tensor_free(&r->fixed);
    *r = (sib_recording){0};
}
