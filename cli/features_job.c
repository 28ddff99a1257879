#include "features_job.h"

#include "files.h"
#include "interrupt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Samples read at once: a second. */
#define BLOCK 16000

/* Share of the bar. */
#define DECODE_PART 0.7

typedef struct watcher {
    const feature_job *job;
    const feature_tools *tools;
} watcher;

/* Prepends the recording's name to the library's message about its samples. */
static void fail_named(feature_job *job, sib_code code, const sib_error *why)
{
    job->err.code = code;
    snprintf(job->err.message, sizeof job->err.message, "%.100s: %.200s", job->title, why->message);
}

static const sib_error cancelled = {.code = SIB_ERR_CANCELLED, .message = "cancelled"};

/* ---- Decode ---- */

static bool read_all(feature_job *job, const feature_tools *tools, sib_audio_reader *reader,
                     sib_recording_file *file)
{
    double expected = job->info.duration * sib_mel_get_spec(tools->mel)->sample_rate;
    for (size_t got = 1; got > 0; job->n_samples += got) {
        if (sib_recording_file_read(file, reader, BLOCK, &got, &job->err) != SIB_OK)
            return false;
        cli_progress_show(tools->progress,
                          expected > 0 ? DECODE_PART * fmin(1, (double)job->n_samples / expected) : 0,
                          "decoding", job->title);
    }
    if (job->n_samples > 0)
        return true;
    sib_error why = {.message = "holds no samples"};
    fail_named(job, SIB_ERR_FORMAT, &why);
    return false;
}

static bool decode(feature_job *job, const feature_tools *tools, sib_recording_file *file)
{
    sib_audio_reader *reader;
    sib_timer timer = sib_timer_start();
    cli_progress_show(tools->progress, 0, "decoding", job->title);
    if (sib_audio_open(job->in, &tools->audio, &reader, &job->err) != SIB_OK)
        return false;
    job->info = *sib_audio_get_info(reader);
    bool done = read_all(job, tools, reader, file);
    sib_audio_close(&reader);
    job->decode_seconds = sib_timer_seconds(&timer);
    return done;
}

/* ---- Compute and write ---- */

static sib_code watch(void *context, size_t done, size_t parts, sib_error *err)
{
    const watcher *w = context;
    cli_progress_show(w->tools->progress, DECODE_PART + (1 - DECODE_PART) * (double)done / (double)parts,
                      "features of", w->job->title);
    if (!interrupt_came())
        return SIB_OK;
    *err = cancelled;
    return cancelled.code;
}

static bool write_array(feature_job *job, sib_recording_file *file)
{
    sib_error why = SIB_ERROR_INIT;
    sib_code code = sib_recording_file_write(file, &job->summary, &why);
    if (code == SIB_ERR_IO)
        job->err = why;
    else if (code != SIB_OK)
        fail_named(job, code, &why);
    return code == SIB_OK;
}

static bool write_image(feature_job *job, const feature_tools *tools, sib_recording_file *file)
{
    if (!job->png)
        return true;
    sib_timer timer = sib_timer_start();
    const char *slash = strrchr(job->title, '/');
    char *title = cli_format("%s, %s, %llu bands", slash ? slash + 1 : job->title, tools->preset,
                             (unsigned long long)job->summary.bands);
    cli_progress_show(tools->progress, 1, "writing", job->png);
    sib_code code = sib_recording_file_write_picture(file, title, job->png, &job->err);
    free(title);
    job->summary.write_seconds += sib_timer_seconds(&timer);
    return code == SIB_OK;
}

/* Interrupts are handled while there is something to remove: what decoding keeps has no name. */
static bool write_outputs(feature_job *job, const feature_tools *tools, sib_recording_file *file)
{
    interrupt_watch();
    bool done = write_array(job, file) && write_image(job, tools, file);
    interrupt_end();
    return done;
}

void feature_job_run(feature_job *job, const feature_tools *tools)
{
    watcher w = {job, tools};
    sib_recording_options o = tools->recording;
    sib_recording_file *file;
    o.on_chunk = watch;
    o.context = &w;
    job->err = (sib_error)SIB_ERROR_INIT;
    if (interrupt_came()) { /* too late for the recording before */
        fail_named(job, cancelled.code, &cancelled);
        return;
    }
    if (sib_recording_file_create(tools->mel, tools->pool, &o, job->npy, job->png != NULL, &file,
                                  &job->err) != SIB_OK)
        return;
    job->done = decode(job, tools, file) && write_outputs(job, tools, file);
    sib_recording_file_free(&file);
}

void feature_job_warnings(const feature_job *job, void (*warn)(void *context, const char *sentence),
                          void *context)
{
    const sib_audio_report *r = &job->summary.audio;
    char sentence[160];
    if (r->silent)
        warn(context, "silent: no sample is above 1/32768 of full scale");
    if (r->clipped) {
        snprintf(sentence, sizeof sentence, "clipped: %llu samples are at full scale in runs",
                 (unsigned long long)r->n_clipped);
        warn(context, sentence);
    }
    if (r->dc) {
        snprintf(sentence, sizeof sentence, "DC offset: the samples' mean is %.4f", r->dc_offset);
        warn(context, sentence);
    }
}
