#include "features_job.h"

#include "features_fixed.h"
#include "files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Samples asked for at once: a second. */
#define BLOCK 16000

/* Shares of the bar. */
#define DECODE_PART  0.7
#define COMPUTE_PART 0.95

/* Puts the recording's name before what the library says of its samples. */
static void fail_named(feature_job *job, sib_code code, const sib_error *why)
{
    job->err.code = code;
    snprintf(job->err.message, sizeof job->err.message, "%.100s: %.200s", job->title, why->message);
}

static bool fail_memory(feature_job *job)
{
    sib_error why = {.message = "memory for the recording could not be had"};
    fail_named(job, SIB_ERR_MEMORY, &why);
    return false;
}

/* ---- Decode ---- */

typedef struct {
    float *data; /* (n) of room for capacity */
    size_t n, capacity;
} samples;

static bool make_room(samples *s, size_t more)
{
    if (s->capacity - s->n >= more)
        return true;
    size_t capacity = s->capacity + s->capacity / 2 + more;
    float *grown = capacity < SIZE_MAX / sizeof(float) ? realloc(s->data, capacity * sizeof(float)) : NULL;
    if (!grown)
        return false;
    s->data = grown;
    s->capacity = capacity;
    return true;
}

static bool read_all(feature_job *job, const feature_tools *tools, sib_audio_reader *reader, samples *s)
{
    double expected = job->info.duration * sib_mel_get_spec(tools->mel)->sample_rate;
    for (size_t got = 1; got > 0; s->n += got) {
        if (!make_room(s, BLOCK))
            return fail_memory(job);
        if (sib_audio_read(reader, s->data + s->n, BLOCK, &got, &job->err) != SIB_OK)
            return false;
        cli_progress_show(tools->progress, expected > 0 ? DECODE_PART * fmin(1, (double)s->n / expected) : 0,
                          "decoding", job->title);
    }
    if (s->n > 0)
        return true;
    sib_error why = {.message = "holds no sample"};
    fail_named(job, SIB_ERR_FORMAT, &why);
    return false;
}

static bool decode(feature_job *job, const feature_tools *tools, samples *s)
{
    sib_audio_reader *reader;
    sib_timer timer = sib_timer_start();
    cli_progress_show(tools->progress, 0, "decoding", job->title);
    if (sib_audio_open(job->in, &tools->audio, &reader, &job->err) != SIB_OK)
        return false;
    job->info = *sib_audio_get_info(reader);
    bool done = read_all(job, tools, reader, s);
    sib_audio_close(&reader);
    job->decode_seconds = sib_timer_seconds(&timer);
    job->n_samples = s->n;
    return done;
}

/* ---- Compute ---- */

/* How the recording is cut: one piece, or chunks of which the last is filled up with zeros. */
static sib_code cut(feature_job *job, const feature_tools *tools, samples *s, sib_chunks *chunks,
                    sib_error *err)
{
    *chunks = (sib_chunks){.count = 1, .length = s->n, .n_samples = s->n};
    if (tools->chunk == 0)
        return SIB_OK;
    sib_code code =
        sib_chunks_make(s->n, sib_mel_get_spec(tools->mel)->sample_rate, tools->chunk, 0, chunks, err);
    if (code != SIB_OK)
        return code;
    size_t padded = chunks->count * chunks->length;
    if (!make_room(s, padded - s->n)) {
        fail_memory(job);
        return SIB_ERR_MEMORY;
    }
    sib_audio_pad_or_trim(s->data, s->n, s->data, padded);
    return SIB_OK;
}

static void summarize(feature_job *job, const float *features)
{
    double sum = 0, low = INFINITY, high = -INFINITY;
    size_t n = (size_t)(job->bands * job->frames);
    for (size_t i = 0; i < n; i++) {
        sum += features[i];
        low = features[i] < low ? features[i] : low;
        high = features[i] > high ? features[i] : high;
    }
    job->minimum = low;
    job->maximum = high;
    job->mean = sum / (double)n;
}

/* One piece of a recording, in float or in fixed point. */
static sib_code compute_piece(const feature_job *job, const feature_tools *tools, const float *x, size_t n,
                              size_t at, feature_arrays *arrays, sib_error *err)
{
    if (tools->fixed != SIB_DTYPE_UNKNOWN)
        return features_fixed_piece(tools, x, n, (size_t)job->bands, (size_t)job->frames, at, arrays, err);
    return sib_mel_compute(tools->mel, tools->pool, x, n, 0, arrays->features + at, (size_t)job->frames, err);
}

static sib_code compute_pieces(feature_job *job, const feature_tools *tools, samples *s,
                               feature_arrays *arrays, sib_error *err)
{
    sib_chunks chunks;
    uint64_t per_chunk;
    sib_code code = SIB_OK;
    if (tools->normalize)
        code = sib_audio_normalize(s->data, s->n, tools->level, tools->level_target, err);
    if (code == SIB_OK)
        code = cut(job, tools, s, &chunks, err);
    if (code == SIB_OK)
        code = sib_mel_shape(tools->mel, chunks.length, &job->bands, &per_chunk, err);
    if (code != SIB_OK)
        return code;
    job->chunks = chunks.count;
    job->frames_per_chunk = (size_t)per_chunk;
    job->frames = per_chunk * chunks.count;
    const size_t row = (size_t)job->bands * sizeof(float);
    arrays->features = job->bands && job->frames ? calloc((size_t)job->frames, row) : NULL;
    if (tools->fixed != SIB_DTYPE_UNKNOWN && arrays->features)
        arrays->fixed = calloc((size_t)job->frames, (size_t)job->bands * sib_dtype_bits(tools->fixed) / 8);
    if (!arrays->features || (tools->fixed != SIB_DTYPE_UNKNOWN && !arrays->fixed)) {
        fail_memory(job);
        return SIB_ERR_MEMORY;
    }
    for (size_t i = 0; i < chunks.count && code == SIB_OK; i++) {
        code = compute_piece(job, tools, s->data + i * chunks.length, chunks.length,
                             i * job->frames_per_chunk, arrays, err);
        cli_progress_show(tools->progress,
                          DECODE_PART + (COMPUTE_PART - DECODE_PART) * (double)i / (double)chunks.count,
                          "features of", job->title);
    }
    return code;
}

static bool compute(feature_job *job, const feature_tools *tools, samples *s, feature_arrays *arrays)
{
    sib_error why = SIB_ERROR_INIT;
    sib_timer timer = sib_timer_start();
    cli_progress_show(tools->progress, DECODE_PART, "features of", job->title);
    sib_audio_inspect(s->data, s->n, &job->report);
    sib_code code = compute_pieces(job, tools, s, arrays, &why);
    if (code != SIB_OK && job->err.code == SIB_OK)
        fail_named(job, code, &why);
    job->compute_seconds = sib_timer_seconds(&timer);
    if (code == SIB_OK)
        summarize(job, arrays->features);
    return code == SIB_OK;
}

/* ---- Write ---- */

static bool write_outputs(feature_job *job, const feature_tools *tools, const feature_arrays *arrays)
{
    const bool fixed = tools->fixed != SIB_DTYPE_UNKNOWN;
    sib_timer timer = sib_timer_start();
    sib_tensor *array;
    const int64_t dims[2] = {(int64_t)job->bands, (int64_t)job->frames};
    cli_progress_show(tools->progress, COMPUTE_PART, "writing", job->npy);
    sib_code code = sib_tensor_wrap(fixed ? tools->fixed : SIB_F32, 2, dims, NULL,
                                    fixed ? arrays->fixed : arrays->features, NULL, NULL, &array, &job->err);
    if (code == SIB_OK) {
        code = sib_npy_save(job->npy, array, &job->err);
        sib_tensor_free(&array);
    }
    if (code == SIB_OK && job->png) {
        const char *slash = strrchr(job->title, '/');
        char *title = cli_format("%s, %s, %llu bands", slash ? slash + 1 : job->title, tools->preset,
                                 (unsigned long long)job->bands);
        code = sib_mel_write_png(tools->mel, arrays->features, (size_t)job->bands, (size_t)job->frames,
                                 (size_t)job->frames, title, job->png, &job->err);
        free(title);
    }
    job->write_seconds = sib_timer_seconds(&timer);
    return code == SIB_OK;
}

void feature_job_run(feature_job *job, const feature_tools *tools)
{
    samples s = {0};
    feature_arrays arrays = {0};
    job->err = (sib_error)SIB_ERROR_INIT;
    job->done = decode(job, tools, &s) && compute(job, tools, &s, &arrays);
    free(s.data);
    job->done = job->done && write_outputs(job, tools, &arrays);
    free(arrays.features);
    free(arrays.fixed);
}

void feature_job_warnings(const feature_job *job, void (*say)(void *context, const char *sentence),
                          void *context)
{
    const sib_audio_report *r = &job->report;
    char sentence[160];
    if (r->silent)
        say(context, "silent: no sample is above 1/32768 of full scale");
    if (r->clipped) {
        snprintf(sentence, sizeof sentence, "clipped: %llu samples stand at full scale in runs",
                 (unsigned long long)r->n_clipped);
        say(context, sentence);
    }
    if (r->dc) {
        snprintf(sentence, sizeof sentence, "DC offset: the samples' mean is %.4f", r->dc_offset);
        say(context, sentence);
    }
}
