/* Features of an entire recording, at once or in windows: frames in blocks over threads, then the clamp to
   the maximum and the smoothing. */
#include "features/compute.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "features/mel_internal.h"
#include "features/rescue.h"
#include "features/signal.h"
#include "features/windows.h"

#include <float.h>

/* A job works on a window: columns `column` .. column + columns - 1 of the result. Column c comes of frame
   c, or c + 1 for a valid average, and z of that frame is computed to the column's own place in the result,
   where it is clamped or averaged once the maximum is known. What an average needs beside has no place there:
   the frame at either end of the window, and for a valid average the first and last band. */
typedef struct {
    const sib_mel *mel;
    sib_pool *pool;
    mel_signal signal;
    size_t frames; /* of the recording */
    size_t column, columns;
    mel_rows z; /* (n_mels, columns); column 0 is frame `first` */
    size_t first;
    bool before, after; /* whether the average needs the frame before the window, and the one after it */
    float *ends;        /* (2, n_mels) z of these */
    float *bands;       /* (2, columns) first and last band, for a valid average */
    float *edges;       /* (blocks, 2, n_mels) first and last column of each block, before the average */
    size_t block;       /* columns of a work item */
    char *memory;       /* of all that follows, where it is the job's own */
    char *workspace;    /* (threads, workspace_bytes) */
    size_t workspace_bytes, scratch_bytes;
    mel_tally *tallies; /* (threads) */
    float *limits;      /* (1 + columns + 1), from the frame before on; NULL where no values are recomputed */
    float min;          /* maximum - dynamic_range, once the maximum is known */
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

/* z of frame t of the window, of the frame before it (t = -1) or after it (t = columns). */
static mel_rows z_at(const compute_job *j, ptrdiff_t t)
{
    const size_t n_mels = (size_t)j->mel->spec.n_mels;
    if (t < 0 || (size_t)t == j->columns)
        return mel_rows_of(j->ends + (t < 0 ? 0 : n_mels), n_mels, 1);
    return mel_rows_from(&j->z, (size_t)t);
}

/* Position of the first sample of frame t of the window. */
static int64_t sample_of(const compute_job *j, ptrdiff_t t)
{
    return frame_start(j->mel, j->first) + t * j->mel->spec.hop_length;
}

/* Computes frames begin .. end - 1 of the window to z, through the worker's buffer where they extend beyond
   the samples. */
static void compute_frames(const compute_job *j, ptrdiff_t begin, ptrdiff_t end, unsigned worker)
{
    if (begin >= end)
        return;
    const sib_mel *mel = j->mel;
    char *scratch = j->workspace + worker * j->workspace_bytes;
    const size_t count = (size_t)(end - begin),
                 length = (count - 1) * (size_t)mel->spec.hop_length + (size_t)mel->spec.win_length;
    const float *x =
        signal_view(&j->signal, sample_of(j, begin), length, (float *)(scratch + j->scratch_bytes));
    const mel_rows z = z_at(j, begin);
    mel->kernel.block(&mel->tables, x, count, &z, j->limits ? j->limits + 1 + begin : NULL,
                      &j->tallies[worker], scratch);
}

/* Recomputes doubtful values of frames begin .. end - 1 of the window, once the maximum is known. */
static void rescue_again(const compute_job *j, ptrdiff_t begin, ptrdiff_t end, unsigned worker)
{
    if (begin >= end)
        return;
    const mel_rows z = z_at(j, begin);
    rescue_frames(j->mel, &j->signal, sample_of(j, begin), (size_t)(end - begin), &z, j->limits + 1 + begin,
                  j->min, j->workspace + worker * j->workspace_bytes);
}

/* Columns of work item `item`: *begin .. *end - 1, without the frames beside the window. */
static void item_columns(const compute_job *j, size_t item, ptrdiff_t *begin, ptrdiff_t *end)
{
    *begin = (ptrdiff_t)(item * j->block);
    *end = (ptrdiff_t)size_min((item + 1) * j->block, j->columns);
}

/* Runs `run` on the frames of a work item, apart those beside the window: they lie elsewhere. */
static void each_frame(const compute_job *j, size_t item, unsigned worker,
                       void (*run)(const compute_job *j, ptrdiff_t begin, ptrdiff_t end, unsigned worker))
{
    const ptrdiff_t columns = (ptrdiff_t)j->columns;
    ptrdiff_t begin, end;
    item_columns(j, item, &begin, &end);
    if (begin == 0 && j->before)
        run(j, -1, 0, worker);
    run(j, begin, end, worker);
    if (end == columns && j->after)
        run(j, columns, columns + 1, worker);
}

/* compute_frames, frames within the samples apart: they are read in place. */
static void compute_parts(const compute_job *j, ptrdiff_t begin, ptrdiff_t end, unsigned worker)
{
    const size_t hop = (size_t)j->mel->spec.hop_length, win = (size_t)j->mel->spec.win_length,
                 lead = j->mel->lead, n = j->signal.n;
    const size_t whole = n + lead >= win ? (n + lead - win) / hop + 1 : 0; /* frames that end in range */
    const ptrdiff_t first = (ptrdiff_t)size_ceil_div(lead, hop) - (ptrdiff_t)j->first,
                    last = (ptrdiff_t)whole - (ptrdiff_t)j->first;
    const ptrdiff_t inside = first < begin ? begin
                             : first < end ? first
                                           : end,
                    beyond = last < inside ? inside
                             : last < end  ? last
                                           : end;
    compute_frames(j, begin, inside, worker);
    compute_frames(j, inside, beyond, worker);
    compute_frames(j, beyond, end, worker);
}

static void compute_items(void *context, size_t begin, size_t count, unsigned worker)
{
    for (size_t item = begin; item < begin + count; item++)
        each_frame(context, item, worker, compute_parts);
}

/* The columns of an item that its neighbours need before it is averaged. */
static void keep_edges(const compute_job *j, size_t item)
{
    const size_t n_mels = (size_t)j->mel->spec.n_mels;
    float *edges = j->edges + item * 2 * n_mels;
    ptrdiff_t begin, end;
    item_columns(j, item, &begin, &end);
    for (size_t m = 0; m < n_mels; m++) {
        const float *row = mel_row(&j->z, n_mels, m);
        edges[m] = row[begin];
        edges[n_mels + m] = row[end - 1];
    }
}

/* Once the maximum is known: recomputes doubtful values, and clamps where no smoothing follows. */
static void finish_items(void *context, size_t begin, size_t count, unsigned worker)
{
    const compute_job *j = context;
    for (size_t item = begin; item < begin + count; item++) {
        ptrdiff_t from, to;
        item_columns(j, item, &from, &to);
        if (j->limits)
            each_frame(j, item, worker, rescue_again);
        if (smooths(j->mel))
            keep_edges(j, item);
        else
            raise_to(j->min, j->z.first + from, (size_t)j->mel->spec.n_mels, (size_t)(to - from),
                     j->z.stride);
    }
}

/* Clamps and averages the columns of items in place. */
static void average_items(void *context, size_t begin, size_t count, unsigned worker)
{
    (void)worker;
    const compute_job *j = context;
    const size_t n_mels = (size_t)j->mel->spec.n_mels;
    for (size_t item = begin; item < begin + count; item++) {
        ptrdiff_t from, to;
        item_columns(j, item, &from, &to);
        mel_average a = {.in = mel_rows_from(&j->z, (size_t)from),
                         .rows = n_mels,
                         .columns = (size_t)(to - from),
                         .left = from        ? j->edges + (2 * item - 1) * n_mels
                                 : j->before ? j->ends
                                             : NULL,
                         .right = (size_t)to < j->columns ? j->edges + (2 * item + 2) * n_mels
                                  : j->after              ? j->ends + n_mels
                                                          : NULL,
                         .left_stride = 1,
                         .right_stride = 1,
                         .min = j->min,
                         .valid = j->mel->spec.smooth == SIB_SMOOTH_VALID};
        a.out = a.in;
        j->mel->average(&a);
    }
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

/* Divides `memory`, aligned to 64, among every worker and windows of at most `columns` columns. Returns its
   bytes; with NULL only these and the sizes of pieces are set. */
static size_t job_place(compute_job *j, size_t columns, char *memory)
{
    const sib_mel *mel = j->mel;
    const unsigned threads = sib_pool_threads(j->pool);
    const size_t piece = size_ceil_div(columns, 16 * (size_t)threads), lanes = mel->kernel.lanes,
                 n_mels = (size_t)mel->spec.n_mels;
    j->block = size_min(mel_block_frames(mel), size_ceil_div(piece, lanes) * lanes);
    j->scratch_bytes = round64(size_max(mel->kernel.scratch_bytes(&mel->tables), rescue_scratch_bytes(mel)));
    j->workspace_bytes =
        j->scratch_bytes +
        round64(((j->block - 1) * (size_t)mel->spec.hop_length + (size_t)mel->spec.win_length) *
                sizeof(float));
    const size_t blocks = size_ceil_div(columns, j->block), tallies = threads * j->workspace_bytes,
                 limits = tallies + round64(threads * sizeof *j->tallies),
                 edges = limits + (rescue_wanted(mel) ? round64((columns + 2) * sizeof(float)) : 0),
                 end = edges + (smooths(mel) ? ((blocks + 1) * 2 * n_mels + 2 * columns) * sizeof(float) : 0);
    if (!memory)
        return end;
    j->workspace = memory;
    j->tallies = (mel_tally *)(void *)(memory + tallies);
    j->limits = rescue_wanted(mel) ? (float *)(void *)(memory + limits) : NULL;
    j->edges = (float *)(void *)(memory + edges);
    j->ends = j->edges + blocks * 2 * n_mels;
    j->bands = j->ends + 2 * n_mels;
    for (unsigned i = 0; i < threads; i++)
        j->tallies[i] = (mel_tally){-FLT_MAX, false};
    return end;
}

/* Places the job in memory of its own. */
static sib_code job_make(compute_job *j, size_t columns, sib_error *err)
{
    j->memory = mem_alloc(job_place(j, columns, NULL), 1);
    if (!j->memory)
        return err_set(err, SIB_ERR_MEMORY, "out of memory: features of %zu frames", j->frames);
    job_place(j, columns, j->memory);
    return SIB_OK;
}

static void job_free(compute_job *j)
{
    mem_free(j->memory);
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
    return j->limits || smooths(j->mel) || j->mel->spec.dynamic_range > 0;
}

/* Selects columns first .. first + count - 1 of the result, to be computed to out, and computes their frames
   before the clamp. */
static void window_begin(compute_job *j, size_t first, size_t count, float *out, size_t stride)
{
    const bool valid = j->mel->spec.smooth == SIB_SMOOTH_VALID;
    j->column = first;
    j->columns = count;
    j->first = first + valid;
    j->before = smooths(j->mel) && j->first > 0;
    j->after = smooths(j->mel) && j->first + count < j->frames;
    j->z = valid ? (mel_rows){j->bands, out, j->bands + count, stride}
                 : mel_rows_of(out, (size_t)j->mel->spec.n_mels, stride);
    (finishes(j) ? pool_run_awake : pool_run)(j->pool, size_ceil_div(count, j->block), 1, compute_items, j);
}

/* Recomputes, clamps and smooths the selected columns. */
static void window_finish(compute_job *j)
{
    const size_t items = size_ceil_div(j->columns, j->block);
    if (finishes(j))
        (smooths(j->mel) ? pool_run_awake : pool_run)(j->pool, items, 1, finish_items, j);
    if (smooths(j->mel))
        pool_run(j->pool, items, 1, average_items, j);
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

size_t mel_compute_bytes(const sib_mel *mel, sib_pool *pool, size_t n_samples)
{
    compute_job j;
    size_t columns;
    const sib_code code = job_of(mel, pool, NULL, n_samples, 0, &j, &columns, NULL);
    return code == SIB_OK ? job_place(&j, columns, NULL) : 0;
}

sib_code mel_compute_in(void *memory, const sib_mel *mel, sib_pool *pool, const float *samples,
                        size_t n_samples, size_t padding, float *features, size_t row_stride, sib_error *err)
{
    compute_job j;
    size_t columns;
    sib_code code = job_of(mel, pool, samples, n_samples, padding, &j, &columns, err);
    if (code != SIB_OK)
        return code;
    if (row_stride < columns)
        return err_set(err, SIB_ERR_SIZE, "row_stride is %zu, expected at least %zu", row_stride, columns);
    if (memory)
        job_place(&j, columns, memory);
    else
        code = job_make(&j, columns, err);
    if (code == SIB_OK) {
        window_begin(&j, 0, columns, features, row_stride);
        code = take_maximum(&j, err);
    }
    if (code == SIB_OK)
        window_finish(&j);
    job_free(&j);
    return code;
}

sib_code sib_mel_compute(const sib_mel *mel, sib_pool *pool, const float *samples, size_t n_samples,
                         size_t padding, float *features, size_t row_stride, sib_error *err)
{
    return mel_compute_in(NULL, mel, pool, samples, n_samples, padding, features, row_stride, err);
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
        code = job_make(&w->job, size_min(width, columns), err);
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
