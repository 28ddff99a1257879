/* Features of an entire recording: frames in blocks over threads, then the clamp to the maximum and the
   smoothing. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "features/mel_internal.h"
#include "features/rescue.h"
#include "features/signal.h"
#include "features/smooth.h"

#include <float.h>

typedef struct {
    const sib_mel *mel;
    mel_signal signal;
    float *z; /* (n_mels, frames), row stride z_stride */
    size_t z_stride, frames, block;
    char *workspace; /* (threads, workspace_bytes) */
    size_t workspace_bytes, scratch_bytes;
    mel_tally *tallies; /* (threads) */
    float *limits;      /* (frames), or NULL where no values are recomputed */
    float min;          /* maximum - dynamic_range, once the maximum is known */
    float *features;
    size_t row_stride;
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

static size_t round64(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Position of the first sample of frame t. */
static int64_t frame_start(const sib_mel *mel, size_t t)
{
    return (int64_t)t * mel->spec.hop_length - (int64_t)mel->lead;
}

/* Computes frames begin .. end - 1 of z, through the worker's buffer where they extend beyond the samples. */
static void compute_frames(const compute_job *j, size_t begin, size_t end, unsigned worker)
{
    if (begin >= end)
        return;
    const sib_mel *mel = j->mel;
    char *scratch = j->workspace + worker * j->workspace_bytes;
    const size_t length = (end - begin - 1) * (size_t)mel->spec.hop_length + (size_t)mel->spec.win_length;
    const float *x =
        signal_view(&j->signal, frame_start(mel, begin), length, (float *)(scratch + j->scratch_bytes));
    mel->kernel.block(&mel->tables, x, end - begin, j->z + begin, j->z_stride,
                      j->limits ? j->limits + begin : NULL, &j->tallies[worker], scratch);
}

/* Computes frames begin .. begin + count - 1 of z: those within the samples are read in place. */
static void compute_block(void *context, size_t begin, size_t count, unsigned worker)
{
    const compute_job *j = context;
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

/* For frames begin .. begin + count - 1 of z, once the maximum is known: recomputes doubtful values, and
   clamps where no smoothing follows. */
static void finish_block(void *context, size_t begin, size_t count, unsigned worker)
{
    const compute_job *j = context;
    const sib_mel *mel = j->mel;
    if (j->limits)
        rescue_frames(mel, &j->signal, frame_start(mel, begin), count, j->z + begin, j->z_stride,
                      j->limits + begin, j->min, j->workspace + worker * j->workspace_bytes);
    if (mel->spec.smooth == SIB_SMOOTH_NONE)
        raise_to(j->min, j->z + begin, (size_t)mel->spec.n_mels, count, j->z_stride);
}

/* Rows begin .. begin + count - 1 of the smoothed result. */
static void smooth_rows(void *context, size_t begin, size_t count, unsigned worker)
{
    (void)worker;
    const compute_job *j = context;
    for (size_t r = begin; r < begin + count; r++)
        smooth_row(j->mel->spec.smooth, j->z, (size_t)j->mel->spec.n_mels, j->frames, j->z_stride, j->min, r,
                   j->features + r * j->row_stride);
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

/* Allocates memory for every worker, and for z where smoothing needs it apart from the result. */
static sib_code job_make(compute_job *j, unsigned threads, sib_error *err)
{
    const sib_mel *mel = j->mel;
    const size_t piece = size_ceil_div(j->frames, 16 * (size_t)threads), lanes = mel->kernel.lanes;
    j->block = size_min(mel_block_frames(mel), size_ceil_div(piece, lanes) * lanes);
    j->scratch_bytes = round64(size_max(mel->kernel.scratch_bytes(&mel->tables), rescue_scratch_bytes(mel)));
    j->workspace_bytes =
        j->scratch_bytes +
        round64(((j->block - 1) * (size_t)mel->spec.hop_length + (size_t)mel->spec.win_length) *
                sizeof(float));
    j->workspace = mem_alloc(threads, j->workspace_bytes);
    j->tallies = mem_alloc(threads, sizeof *j->tallies);
    if (rescue_wanted(mel))
        j->limits = mem_alloc(j->frames, sizeof *j->limits);
    if (mel->spec.smooth != SIB_SMOOTH_NONE) {
        j->z_stride = j->frames;
        j->z = mem_alloc((size_t)mel->spec.n_mels * j->frames, sizeof *j->z);
    }
    if (!j->workspace || !j->tallies || !j->z || (rescue_wanted(mel) && !j->limits))
        return err_set(err, SIB_ERR_MEMORY, "out of memory: features of %zu frames", j->frames);
    for (unsigned i = 0; i < threads; i++)
        j->tallies[i] = (mel_tally){-FLT_MAX, false};
    return SIB_OK;
}

/* The lowest value after the clamp to `maximum`; -FLT_MAX where the description has no clamp. */
static float mel_least(const sib_mel *mel, float maximum)
{
    if (mel->spec.dynamic_range == 0)
        return -FLT_MAX;
    return (float)(maximum - mel->spec.dynamic_range * mel->spec.gain);
}

static sib_code job_run(compute_job *j, sib_pool *pool, uint64_t bands, sib_error *err)
{
    const unsigned threads = sib_pool_threads(pool);
    sib_code code = job_make(j, threads, err);
    if (code != SIB_OK)
        return code;
    const bool smooth = j->mel->spec.smooth != SIB_SMOOTH_NONE;
    const bool finish = j->limits || j->mel->spec.dynamic_range > 0;
    (finish || smooth ? pool_run_awake : pool_run)(pool, j->frames, j->block, compute_block, j);
    mel_tally all = {-FLT_MAX, false};
    for (unsigned i = 0; i < threads; i++) {
        all.maximum = j->tallies[i].maximum > all.maximum ? j->tallies[i].maximum : all.maximum;
        all.overflow |= j->tallies[i].overflow;
    }
    code = check_samples(j, all.overflow, err);
    if (code != SIB_OK)
        return code;
    j->min = mel_least(j->mel, all.maximum);
    if (finish)
        (smooth ? pool_run_awake : pool_run)(pool, j->frames, j->block, finish_block, j);
    if (smooth)
        pool_run(pool, bands, 1, smooth_rows, j);
    return SIB_OK;
}

sib_code sib_mel_compute(const sib_mel *mel, sib_pool *pool, const float *samples, size_t n_samples,
                         size_t padding, float *features, size_t row_stride, sib_error *err)
{
    size_t total;
    if (!size_add(n_samples, padding, &total))
        return err_set(err, SIB_ERR_SIZE, "%zu samples and %zu of padding are more than can be counted",
                       n_samples, padding);
    uint64_t bands, frames;
    sib_code code = sib_mel_shape(mel, total, &bands, &frames, err);
    if (code != SIB_OK)
        return code;
    if (row_stride < frames)
        return err_set(err, SIB_ERR_SIZE, "row_stride is %zu, expected at least %llu", row_stride,
                       (unsigned long long)frames);
    compute_job j = {
        .mel = mel,
        .signal = {samples, n_samples, total, mel->spec.framing},
        .z = features,
        .z_stride = row_stride,
        .frames = (size_t)mel_frame_count(mel, total),
        .features = features,
        .row_stride = row_stride,
    };
    code = job_run(&j, pool, bands, err);
    mem_free(j.workspace);
    mem_free(j.tallies);
    mem_free(j.limits);
    if (j.z != features)
        mem_free(j.z);
    return code;
}

void sib_mel_finish(const sib_mel *mel, float maximum, float *frames, size_t n_frames, size_t row_stride)
{
    raise_to(mel_least(mel, maximum), frames, (size_t)mel->spec.n_mels, n_frames, row_stride);
}
