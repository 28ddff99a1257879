/* The features of a recording of any length, as a .npy file. */
#include "features/recording/file.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "features/image.h"
#include "features/recording/job.h"
#include "features/recording/picture.h"
#include "features/recording/sample_store.h"

#include <math.h>
#include <sibyl/npy_file.h>
#include <sibyl/timing.h>

/* Samples in memory: ten minutes at 16 kHz take less. */
#define HELD_SAMPLES ((size_t)10000000)
#define MAX_READ     ((size_t)1000000)
/* An array up to this size is computed at once where its samples are in memory. Otherwise a window takes
   less, since the samples of a window count too. */
#define ARRAY_BYTES    ((size_t)32 << 20)
#define WINDOW_BYTES   ((size_t)8 << 20)
#define WINDOW_SAMPLES ((size_t)1 << 22)

struct sib_recording_file {
    recording_job job; /* the first field, for file_of */
    sib_recording_options options;
    const char *path;
    bool image, written;
    sample_store samples;
    size_t columns; /* max width of a window; 0: by the sizes above */
    sib_audio_meter meter;
    sib_npy_file *npy;
    image_cells cells;
    waveform wave;
    sib_recording_summary *out;
};

sib_code sib_recording_file_create(const sib_mel *mel, sib_pool *pool, const sib_recording_options *options,
                                   const char *path, bool image, sib_recording_file **out, sib_error *err)
{
    sib_recording_file *f = *out = mem_calloc(1, sizeof *f);
    if (!f)
        return err_memory(err, sizeof *f, "a recording");
    if (options)
        f->options = *options;
    f->job = (recording_job){.mel = mel, .pool = pool, .options = &f->options};
    f->path = path;
    f->image = image;
    store_begin(&f->samples, path, HELD_SAMPLES);
    return SIB_OK;
}

void sib_recording_file_free(sib_recording_file **file)
{
    if (!file || !*file)
        return;
    store_free(&(*file)->samples);
    image_cells_free(&(*file)->cells);
    waveform_free(&(*file)->wave);
    mem_free(*file);
    *file = NULL;
}

void recording_file_limit(sib_recording_file *f, size_t samples, size_t columns)
{
    f->samples.limit = samples;
    f->columns = columns;
}

sib_code sib_recording_file_read(sib_recording_file *f, sib_audio_reader *reader, size_t max_samples,
                                 size_t *got, sib_error *err)
{
    float *room;
    *got = 0;
    if (max_samples > MAX_READ || f->written)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%s: %zu samples are to be read, expected at most %zu, before the "
                       "array is written",
                       f->path, max_samples, MAX_READ);
    sib_code code = store_room(&f->samples, max_samples, &room, err);
    if (code == SIB_OK)
        code = sib_audio_read(reader, room, max_samples, got, err);
    if (code != SIB_OK)
        return code;
    sib_audio_meter_add(&f->meter, room, *got);
    store_add(&f->samples, *got);
    return SIB_OK;
}

/* ---- Windows ------------------------------------------------------------------------------------------- */

static sib_recording_file *file_of(recording_job *job)
{
    return (sib_recording_file *)job;
}

/* Adds the values of the columns held to the summary, whose mean is the sum until the end. */
static void summarize(const recording_job *job, sib_recording_summary *out)
{
    const float *features = sib_tensor_data(job->window.features);
    double sum = out->mean, low = out->min, high = out->max;
    for (size_t b = 0; b < job->bands; b++)
        for (size_t t = b * job->width; t < b * job->width + job->held; t++) {
            sum += features[t];
            low = features[t] < low ? features[t] : low;
            high = features[t] > high ? features[t] : high;
        }
    out->mean = sum;
    out->min = low;
    out->max = high;
}

static sib_code take(recording_job *job, sib_error *err)
{
    sib_recording_file *f = file_of(job);
    const sib_tensor *array = job->window.fixed ? job->window.fixed : job->window.features;
    const int64_t starts[2] = {0, (int64_t)job->first};
    sib_tensor *held;
    summarize(job, f->out);
    if (f->image)
        image_cells_add(&f->cells, sib_tensor_data(job->window.features), job->width, job->first, job->held);
    const sib_timer timer = sib_timer_start();
    sib_code code = sib_tensor_slice(array, 1, 0, (int64_t)job->held, 1, &held, err);
    if (code == SIB_OK)
        code = sib_npy_put(f->npy, held, starts, err);
    sib_tensor_free(&held);
    f->out->write_seconds += sib_timer_seconds(&timer);
    return code;
}

static void passed(recording_job *job, size_t end)
{
    store_release(&file_of(job)->samples, 0, end);
}

/* Chooses the width of the window. */
static void set_width(sib_recording_file *f)
{
    recording_job *job = &f->job;
    const size_t column_bytes = job->bands * sizeof(float),
                 hop = (size_t)sib_mel_get_spec(job->mel)->hop_length;
    size_t width = size_min(WINDOW_BYTES / column_bytes, WINDOW_SAMPLES / hop);
    if (!f->samples.mapped && job->frames <= ARRAY_BYTES / column_bytes)
        width = job->frames;
    if (f->columns)
        width = f->columns;
    job->width = size_min(job->frames, size_max(width, 1));
}

/* ---- The file ------------------------------------------------------------------------------------------ */

static sib_code begin(sib_recording_file *f, sib_error *err)
{
    recording_job *job = &f->job;
    double factor = 1;
    f->out->audio = f->meter.report;
    sib_code code = SIB_OK;
    if (f->options.normalize)
        code = sib_audio_gain(&f->meter.report, f->options.level, f->options.target, &factor, err);
    if (code == SIB_OK)
        code = store_finish(&f->samples, factor, &job->samples, &job->n_samples, err);
    if (code == SIB_OK)
        code = recording_shape(job, err);
    if (code == SIB_OK && f->image)
        code = image_cells_make(&f->cells, job->bands, job->frames, err);
    if (code == SIB_OK && f->image)
        code = waveform_make(&f->wave, job->mel, &f->cells, job->samples, job->n_samples, err);
    if (code != SIB_OK)
        return code;
    set_width(f);
    f->job.take = take;
    f->job.passed = passed;
    f->out->bands = job->bands;
    f->out->frames = job->frames;
    f->out->chunks = job->window.chunks;
    f->out->frames_per_chunk = job->window.frames_per_chunk;
    f->out->dtype = f->options.fixed ? f->options.fixed : SIB_F32;
    f->out->one = job->window.one;
    return SIB_OK;
}

static sib_code compute_and_write(sib_recording_file *f, sib_error *err)
{
    const int64_t dims[2] = {(int64_t)f->job.bands, (int64_t)f->job.frames};
    sib_code code = sib_npy_create(f->path, f->out->dtype, 2, dims, &f->npy, err);
    if (code == SIB_OK)
        code = recording_run(&f->job, err);
    sib_recording_free(&f->job.window);
    if (code != SIB_OK) {
        sib_npy_discard(&f->npy);
        return code;
    }
    const sib_timer timer = sib_timer_start();
    code = sib_npy_finish(&f->npy, err);
    f->out->write_seconds += sib_timer_seconds(&timer);
    return code;
}

sib_code sib_recording_file_write(sib_recording_file *f, sib_recording_summary *out, sib_error *err)
{
    const sib_timer timer = sib_timer_start();
    *out = (sib_recording_summary){.min = INFINITY, .max = -INFINITY};
    if (f->written)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: the array was written already", f->path);
    f->written = true;
    f->out = out;
    sib_code code = begin(f, err);
    if (code == SIB_OK)
        code = compute_and_write(f, err);
    out->mean /= (double)out->bands * (double)out->frames;
    store_free(&f->samples);
    f->out = NULL;
    if (code != SIB_OK)
        image_cells_free(&f->cells);
    out->compute_seconds = sib_timer_seconds(&timer) - out->write_seconds;
    return code;
}

static sib_code has_image(const sib_recording_file *f, const char *path, sib_error *err)
{
    if (!f->cells.max)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%s: there is no image before the array is written, nor unless announced", path);
    return SIB_OK;
}

sib_code sib_recording_file_write_png(sib_recording_file *f, const char *title, const char *path,
                                      sib_error *err)
{
    sib_code code = has_image(f, path, err);
    return code == SIB_OK ? image_write(f->job.mel, &f->cells, title, path, err) : code;
}

sib_code sib_recording_file_write_picture(sib_recording_file *f, const char *title, const char *path,
                                          sib_error *err)
{
    sib_code code = has_image(f, path, err);
    return code == SIB_OK ? recording_picture_write(f->job.mel, &f->cells, &f->wave, NULL, title, path, err)
                          : code;
}
