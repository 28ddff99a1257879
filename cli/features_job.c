#include "features_job.h"

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
    sib_error why = {.message = "out of memory for the recording"};
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

typedef struct watcher {
    const feature_job *job;
    const feature_tools *tools;
} watcher;

static sib_code watch(void *context, size_t done, size_t chunks, sib_error *err)
{
    const watcher *w = context;
    (void)err;
    cli_progress_show(w->tools->progress,
                      DECODE_PART + (COMPUTE_PART - DECODE_PART) * (double)done / (double)chunks,
                      "features of", w->job->title);
    return SIB_OK;
}

static void describe(feature_job *job, const sib_recording *r)
{
    sib_stats stats;
    const sib_tensor *array = r->fixed ? r->fixed : r->features;
    job->bands = (uint64_t)sib_tensor_dims(array)[0];
    job->frames = (uint64_t)sib_tensor_dims(array)[1];
    job->chunks = r->chunks;
    job->frames_per_chunk = r->frames_per_chunk;
    job->dtype = sib_tensor_dtype(array);
    job->one = r->one;
    if (sib_tensor_stats(r->features, &stats, NULL, 0, 0, 0, NULL) == SIB_OK) {
        job->minimum = stats.min;
        job->maximum = stats.max;
        job->mean = stats.mean;
    }
}

static bool compute(feature_job *job, const feature_tools *tools, samples *s, sib_recording *out)
{
    sib_error why = SIB_ERROR_INIT;
    sib_timer timer = sib_timer_start();
    watcher w = {job, tools};
    sib_recording_options o = tools->recording;
    o.on_chunk = watch;
    o.context = &w;
    sib_audio_inspect(s->data, s->n, &job->report);
    sib_code code = sib_recording_compute(tools->mel, tools->pool, s->data, s->n, &o, out, &why);
    if (code != SIB_OK)
        fail_named(job, code, &why);
    job->compute_seconds = sib_timer_seconds(&timer);
    if (code == SIB_OK)
        describe(job, out);
    return code == SIB_OK;
}

/* ---- Write ---- */

static bool write_outputs(feature_job *job, const feature_tools *tools, const sib_recording *r)
{
    sib_timer timer = sib_timer_start();
    cli_progress_show(tools->progress, COMPUTE_PART, "writing", job->npy);
    sib_code code = sib_npy_save(job->npy, r->fixed ? r->fixed : r->features, &job->err);
    if (code == SIB_OK && job->png) {
        const char *slash = strrchr(job->title, '/');
        char *title = cli_format("%s, %s, %llu bands", slash ? slash + 1 : job->title, tools->preset,
                                 (unsigned long long)job->bands);
        code = sib_mel_write_png(tools->mel, sib_tensor_data(r->features), (size_t)job->bands,
                                 (size_t)job->frames, (size_t)job->frames, title, job->png, &job->err);
        free(title);
    }
    job->write_seconds = sib_timer_seconds(&timer);
    return code == SIB_OK;
}

void feature_job_run(feature_job *job, const feature_tools *tools)
{
    samples s = {0};
    sib_recording r = {0};
    job->err = (sib_error)SIB_ERROR_INIT;
    job->done = decode(job, tools, &s) && compute(job, tools, &s, &r);
    free(s.data);
    job->done = job->done && write_outputs(job, tools, &r);
    sib_recording_free(&r);
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
