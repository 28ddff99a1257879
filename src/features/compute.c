/* Features of an entire recording, at once or in windows: frames in blocks over threads, then the clamp to
   the maximum and the smoothing. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "features/mel_internal.h"
#include "features/rescue.h"
#include "features/signal.h"
#include "features/smooth.h"
#include "features/windows.h"

#include <float.h>

typedef struct {
    const sib_mel *mel;
    sib_pool *pool;
    mel_signal signal;
    size_t frames; /* of the recording */
    float *z;      /* (n_mels, frames of the window), row stride z_stride; column 0 is frame `first` */
    size_t z_stride, z_columns, first, block;
    char *workspace; /* (threads, workspace_bytes) */
    size_t workspace_bytes, scratch_bytes;
    mel_tally *tallies; /* (threads) */
    float *limits;      /* (frames of the window), or NULL where no values are recomputed */
    float min;          /* maximum - dynamic_range, once the maximum is known */
    float *features; /* the smoothed columns, row stride row_stride, from column `column` of the result on */
    size_t row_stride, column, columns;
} compute_job;

/* Raises every value of x (rows, columns), row stride `stride`, to at least `min`. Rows that need no change
   are only read: writing them back takes memory bandwidth, which threads share. */
static void raise_to(float min, float *x, size_t rows, size_t columns, size_t stride)
{
    for (size_t r = 0; min > -FLT_MAX && r < rows; r++) {
        float *row = x + r * stride;
        int32_t below = 0;
        for (size_t t = 0; t < columns; t++)
            below |= row[t] < min;
        for (size_t t = 0; below && t < columns; t++)
            row[t] = row[t] < min ? min : row[t];
    }
}

static bool smooths(const sib_mel *mel)
{
    return mel->spec.smooth != SIB_SMOOTH_NONE;
}

static size_t round64(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Position of the first sample of frame t. */
static int64_t frame_start(const sib_mel *mel, size_t t)
{
    return (int64_t)t * mel->spec.hop_length - (int64_t)mel->lead;
}

/* Computes frames begin .. end - 1 to z, through the worker's buffer where they extend beyond the samples. */
static void compute_frames(const compute_job *j, size_t begin, size_t end, unsigned worker)
{
    if (begin >= end)
        return;
    const sib_mel *mel = j->mel;
    char *scratch = j->workspace + worker * j->workspace_bytes;
    const size_t length = (end - begin - 1) * (size_t)mel->spec.hop_length + (size_t)mel->spec.win_length;
    const float *x =
        signal_view(&j->signal, frame_start(mel, begin), length, (float *)(scratch + j->scratch_bytes));
    const size_t column = begin - j->first;
    mel->kernel.block(&mel->tables, x, end - begin, j->z + column, j->z_stride,
                      j->limits ? j->limits + column : NULL, &j->tallies[worker], scratch);
}

/* Computes columns begin .. begin + count - 1 of z: frames within the samples are read in place. */
static void compute_block(void *context, size_t begin, size_t count, unsigned worker)
{
    const compute_job *j = context;
    begin += j->first;
    const size_t hop = (size_t)j->mel->spec.hop_length, win = (size_t)j->mel->spec.win_length,
                 lead = j->mel->lead;
    const size_t end = begin + count, n = j->signal.n;
    const size_t whole = n + lead >= win ? (n + lead - win) / hop + 1 : 0; /* frames that end in range */
    const size_t inside = size_min(size_max(begin, size_ceil_div(lead, hop)), end);
    const size_t beyond = size_min(size_max(inside, whole), end);
    compute_frames(j, begin, inside, worker);
    compute_frames(j, inside, beyond, worker);
    compute_frames(j, beyond, end, worker);
}

/* For columns begin .. begin + count - 1 of z, once the maximum is known: recomputes doubtful values, and
   clamps where no smoothing follows. */
static void finish_block(void *context, size_t begin, size_t count, unsigned worker)
{
    const compute_job *j = context;
    const sib_mel *mel = j->mel;
    if (j->limits)
        rescue_frames(mel, &j->signal, frame_start(mel, j->first + begin), count, j->z + begin, j->z_stride,
                      j->limits + begin, j->min, j->workspace + worker * j->workspace_bytes);
    if (!smooths(mel))
        raise_to(j->min, j->z + begin, (size_t)mel->spec.n_mels, count, j->z_stride);
}

/* Rows begin .. begin + count - 1 of the smoothed columns. */
static void smooth_rows(void *context, size_t begin, size_t count, unsigned worker)
{
    (void)worker;
    const compute_job *j = context;
    for (size_t r = begin; r < begin + count; r++)
        smooth_row(j->mel->spec.smooth, j->z, (size_t)j->mel->spec.n_mels, j->z_columns, j->z_stride, j->min,
                   r, j->column - j->first, j->columns, j->features + r * j->row_stride);
}

/* NaN and infinite samples are detected by the energies of the frames that contain them; samples in no frame
   are checked here. */
static sib_code check_samples(const compute_job *j, bool overflow, sib_error *err)
{
    const sib_mel_spec *spec = &j->mel->spec;
    const mel_signal *s = &j->signal;
    size_t seen = 0;
    if (!overflow && spec->hop_length <= spec->win_length)
        seen = size_min((j->frames - 1) * (size_t)spec->hop_length + (size_t)spec->win_length - j->mel->lead,
                        s->n);
    size_t bad = seen + mel_first_bad(s->samples + seen, s->n - seen);
    if (bad < s->n)
        return err_set(err, SIB_ERR_VALUE, "sample %zu is %s, expected finite samples", bad,
                       s->samples[bad] != s->samples[bad] ? "NaN" : "infinite");
    if (overflow)
        return err_set(err, SIB_ERR_VALUE,
                       "samples are so large that energies overflow, expected about -1 to 1");
    return SIB_OK;
}

/* Allocates memory for every worker and for windows of at most `frames` frames; for z where smoothing needs
   it apart from the result. */
static sib_code job_make(compute_job *j, size_t frames, sib_error *err)
{
    const sib_mel *mel = j->mel;
    const unsigned threads = sib_pool_threads(j->pool);
    const size_t piece = size_ceil_div(frames, 16 * (size_t)threads), lanes = mel->kernel.lanes;
    j->block = size_min(mel_block_frames(mel), size_ceil_div(piece, lanes) * lanes);
    j->scratch_bytes = round64(size_max(mel->kernel.scratch_bytes(&mel->tables), rescue_scratch_bytes(mel)));
    j->workspace_bytes =
        j->scratch_bytes +
        round64(((j->block - 1) * (size_t)mel->spec.hop_length + (size_t)mel->spec.win_length) *
                sizeof(float));
    j->workspace = mem_alloc(threads, j->workspace_bytes);
    j->tallies = mem_alloc(threads, sizeof *j->tallies);
    if (rescue_wanted(mel))
        j->limits = mem_alloc(frames, sizeof *j->limits);
    if (smooths(mel)) {
        j->z_stride = frames;
        j->z = mem_alloc((size_t)mel->spec.n_mels * frames, sizeof *j->z);
    }
    if (!j->workspace || !j->tallies || (smooths(mel) && !j->z) || (rescue_wanted(mel) && !j->limits))
        return err_set(err, SIB_ERR_MEMORY, "out of memory: features of %zu frames", j->frames);
    for (unsigned i = 0; i < threads; i++)
        j->tallies[i] = (mel_tally){-FLT_MAX, false};
    return SIB_OK;
}

static void job_free(compute_job *j)
{
    mem_free(j->workspace);
    mem_free(j->tallies);
    mem_free(j->limits);
    if (smooths(j->mel))
        mem_free(j->z);
}

/* The lowest value after the clamp to `maximum`; -FLT_MAX where the description has no clamp. */
static float mel_floor(const sib_mel *mel, float maximum)
{
    if (mel->spec.dynamic_range == 0)
        return -FLT_MAX;
    return (float)(maximum - mel->spec.dynamic_range * mel->spec.gain);
}

/* Whether finish_block has anything to do. */
static bool finishes(const compute_job *j)
{
    return j->limits || j->mel->spec.dynamic_range > 0;
}

/* Selects columns first .. first + count - 1 of the result, to be computed to out, and computes their frames
   before the clamp. */
static void window_begin(compute_job *j, size_t first, size_t count, float *out, size_t stride)
{
    const size_t around =
                     j->mel->spec.smooth == SIB_SMOOTH_SAME, /* frames that smoothing adds at either end */
        beyond = j->mel->spec.smooth == SIB_SMOOTH_VALID ? 2 : around;
    j->column = first;
    j->columns = count;
    j->first = first - size_min(first, around);
    j->z_columns = size_min(first + count + beyond, j->frames) - j->first;
    j->features = out;
    j->row_stride = stride;
    if (!smooths(j->mel)) {
        j->z = out;
        j->z_stride = stride;
    }
    (finishes(j) || smooths(j->mel) ? pool_run_awake : pool_run)(j->pool, j->z_columns, j->block,
                                                                 compute_block, j);
}

/* Recomputes, clamps and smooths the selected columns. */
static void window_finish(compute_job *j)
{
    if (finishes(j))
        (smooths(j->mel) ? pool_run_awake : pool_run)(j->pool, j->z_columns, j->block, finish_block, j);
    if (smooths(j->mel)) {
        const size_t lost = j->mel->spec.smooth == SIB_SMOOTH_VALID ? 2 : 0;
        pool_run(j->pool, (size_t)j->mel->spec.n_mels - lost, 1, smooth_rows, j);
    }
}

/* Once all frames are computed: checks the samples and sets the lower bound of the clamp. */
static sib_code take_maximum(compute_job *j, sib_error *err)
{
    mel_tally all = {-FLT_MAX, false};
    for (unsigned i = 0; i < sib_pool_threads(j->pool); i++) {
        all.maximum = j->tallies[i].maximum > all.maximum ? j->tallies[i].maximum : all.maximum;
        all.overflow |= j->tallies[i].overflow;
    }
    j->min = mel_floor(j->mel, all.maximum);
    return check_samples(j, all.overflow, err);
}

/* Fills a job, whose result has *columns columns. */
static sib_code job_of(const sib_mel *mel, sib_pool *pool, const float *samples, size_t n_samples,
                       size_t padding, compute_job *j, size_t *columns, sib_error *err)
{
    size_t total;
    *columns = 0;
    if (!size_add(n_samples, padding, &total))
        return err_set(err, SIB_ERR_SIZE, "%zu samples and %zu of padding are too many", n_samples, padding);
    uint64_t bands, frames;
    sib_code code = sib_mel_shape(mel, total, &bands, &frames, err);
    *columns = (size_t)frames;
    *j = (compute_job){.mel = mel,
                       .pool = pool,
                       .signal = {samples, n_samples, total, mel->spec.framing},
                       .frames = (size_t)mel_frame_count(mel, total)};
    return code;
}

sib_code sib_mel_compute(const sib_mel *mel, sib_pool *pool, const float *samples, size_t n_samples,
                         size_t padding, float *features, size_t row_stride, sib_error *err)
{
    compute_job j;
    size_t columns;
    sib_code code = job_of(mel, pool, samples, n_samples, padding, &j, &columns, err);
    if (code != SIB_OK)
        return code;
    if (row_stride < columns)
        return err_set(err, SIB_ERR_SIZE, "row_stride is %zu, expected at least %zu", row_stride, columns);
    code = job_make(&j, j.frames, err);
    if (code == SIB_OK) {
        window_begin(&j, 0, columns, features, row_stride);
        code = take_maximum(&j, err);
    }
    if (code == SIB_OK)
        window_finish(&j);
    job_free(&j);
    return code;
}

/* ---- Windows ------------------------------------------------------------------------------------------- */

struct mel_windows {
    compute_job job;
};

sib_code mel_windows_open(const sib_mel *mel, sib_pool *pool, const float *samples, size_t n_samples,
                          size_t padding, size_t width, mel_windows **out, sib_error *err)
{
    size_t columns;
    mel_windows *w = *out = mem_calloc(1, sizeof *w);
    if (!w)
        return err_memory(err, sizeof *w, "features in windows");
    sib_code code = job_of(mel, pool, samples, n_samples, padding, &w->job, &columns, err);
    if (code == SIB_OK)
        code = job_make(&w->job, size_min(width, columns) + 2, err);
    if (code == SIB_OK)
        w->job.min = -FLT_MAX;
    else
        mel_windows_close(out);
    return code;
}

void mel_windows_close(mel_windows **windows)
{
    if (!*windows)
        return;
    job_free(&(*windows)->job);
    mem_free(*windows);
    *windows = NULL;
}

void mel_windows_measure(mel_windows *w, size_t first, size_t count, float *scratch, size_t stride)
{
    window_begin(&w->job, first, count, scratch, stride);
}

sib_code mel_windows_check(mel_windows *w, sib_error *err)
{
    return take_maximum(&w->job, err);
}

void mel_windows_compute(mel_windows *w, size_t first, size_t count, float *out, size_t stride)
{
    window_begin(&w->job, first, count, out, stride);
    window_finish(&w->job);
}

void sib_mel_finish(const sib_mel *mel, float maximum, float *frames, size_t n_frames, size_t row_stride)
{
    raise_to(mel_floor(mel, maximum), frames, (size_t)mel->spec.n_mels, n_frames, row_stride);
}
