/* Fixed-point features of an entire recording: frames with reflected ends, in blocks over threads, then the
   clamp. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "tile/tile_lanes.h"

#include <sibyl/fixed.h>
#include <string.h>

#define LEAD         (TILE_FRAME_SAMPLES / 2) /* samples of frame 0 before the first one */
#define BLOCK_FRAMES 256                      /* a work item; its samples and features stay in the L2 cache */

typedef struct {
    const tile_bank *bank;
    const tile_lanes *lanes;
    sib_fixed_clamp clamp;
    const int16_t *samples; /* (n), zero-padded to total */
    size_t n, total, frames;
    int16_t *wide;  /* (n_bands, frames) features, or NULL */
    int8_t *narrow; /* the same, where wide is NULL */
    size_t stride;
    int16_t *maxima; /* (frames) max of each frame, then running max over the frames */
    int maximum;     /* of the recording */
    char *workspace; /* (threads, workspace_bytes): scratch, samples, features of a block */
    size_t workspace_bytes, samples_at, features_at;
} fixed_job;

static const tile_bank *bank_of(int32_t n_mels, sib_error *err)
{
    const tile_bank *bank = n_mels == 80 ? &tile_bank_80 : n_mels == 128 ? &tile_bank_128 : NULL;
    if (!bank)
        err_set(err, SIB_ERR_ARGUMENT, "n_mels is %d, expected 80 or 128 in fixed point", (int)n_mels);
    return bank;
}

sib_code sib_fixed_shape(int32_t n_mels, uint64_t n_samples, uint64_t *frames, sib_error *err)
{
    *frames = 0;
    if (!bank_of(n_mels, err))
        return SIB_ERR_ARGUMENT;
    if (n_samples <= LEAD)
        return err_set(err, SIB_ERR_VALUE, "the recording has %llu samples, reflection needs more than %d",
                       (unsigned long long)n_samples, LEAD);
    *frames = n_samples / TILE_HOP_SAMPLES;
    if (n_samples > INT64_MAX / 2)
        return err_set(err, SIB_ERR_SIZE, "features of %llu samples are too many",
                       (unsigned long long)n_samples);
    return SIB_OK;
}

/* Sample i of the recording, whose ends are mirrored without repeating the end sample. */
static int16_t sample_at(const fixed_job *j, int64_t i)
{
    if (i < 0)
        i = -i;
    if (i >= (int64_t)j->total)
        i = 2 * (int64_t)j->total - 2 - i;
    return i < (int64_t)j->n ? j->samples[i] : 0;
}

/* Computes frames begin .. end - 1 to out (n_bands, end - begin); `inside`: all their samples exist. */
static void compute_frames(const fixed_job *j, size_t begin, size_t end, bool inside, char *workspace,
                           int16_t *out, size_t stride)
{
    if (begin >= end)
        return;
    const int64_t start = (int64_t)begin * TILE_HOP_SAMPLES - LEAD;
    const int16_t *x = inside ? j->samples + start : NULL;
    if (!inside) {
        const size_t length = (end - begin - 1) * TILE_HOP_SAMPLES + TILE_FRAME_SAMPLES;
        int16_t *copy = (int16_t *)(workspace + j->samples_at);
        for (size_t i = 0; i < length; i++)
            copy[i] = sample_at(j, start + (int64_t)i);
        x = copy;
    }
    j->lanes->block(j->bank, x, end - begin, out, stride, j->maxima + begin, workspace);
}

/* Raises a row to at least `min`. Rows that need no change are only read. */
static void raise_int16(int16_t *row, int16_t min, size_t n)
{
    int below = 0;
    for (size_t t = 0; t < n; t++)
        below |= row[t] < min;
    for (size_t t = 0; below && t < n; t++)
        row[t] = row[t] < min ? min : row[t];
}

static void raise_int8(int8_t *row, int8_t min, size_t n)
{
    int8_t below = 0;
    for (size_t t = 0; t < n; t++)
        below |= row[t] < min;
    for (size_t t = 0; below && t < n; t++)
        row[t] = row[t] < min ? min : row[t];
}

/* Converts 16-bit features to 8-bit ones. */
static void narrow_row(const int16_t *from, int8_t *to, size_t n)
{
    for (size_t t = 0; t < n; t++)
        to[t] = (int8_t)((from[t] + 128) >> (TILE_Q_INT16 - TILE_Q_INT8));
}

static void compute_block(void *context, size_t begin, size_t count, unsigned worker)
{
    const fixed_job *j = context;
    char *workspace = j->workspace + worker * j->workspace_bytes;
    int16_t *out = j->wide ? j->wide + begin : (int16_t *)(workspace + j->features_at);
    const size_t stride = j->wide ? j->stride : BLOCK_FRAMES, end = begin + count;
    /* frame t is within the samples from LEAD <= 160 t to 160 t + LEAD <= n */
    const size_t first = size_ceil_div(LEAD, TILE_HOP_SAMPLES);
    const size_t whole = j->n >= LEAD ? (j->n - LEAD) / TILE_HOP_SAMPLES + 1 : 0;
    const size_t inside = size_min(size_max(begin, first), end),
                 beyond = size_min(size_max(inside, whole), end);
    compute_frames(j, begin, inside, false, workspace, out, stride);
    compute_frames(j, inside, beyond, true, workspace, out + (inside - begin), stride);
    compute_frames(j, beyond, end, false, workspace, out + (beyond - begin), stride);
    for (size_t m = 0; j->narrow && m < j->bank->n_bands; m++)
        narrow_row(out + m * stride, j->narrow + m * j->stride + begin, count);
}

/* The clamp's lower bound for the maximum `maximum`, in the result's format. */
static int min_of(const fixed_job *j, int maximum)
{
    const int shift = j->narrow ? TILE_Q_INT16 - TILE_Q_INT8 : 0, half = (1 << shift) >> 1;
    const int min = ((maximum + half) >> shift) - (TILE_RANGE >> shift),
              bottom = j->narrow ? INT8_MIN : INT16_MIN;
    return min > bottom ? min : bottom;
}

/* Clamps frames begin .. begin + count - 1 by the recording's maximum, or by each frame's own. */
static void clamp_block(void *context, size_t begin, size_t count, unsigned worker)
{
    (void)worker;
    const fixed_job *j = context;
    const size_t step = j->clamp == SIB_FIXED_CLAMP_RUNNING ? 1 : count;
    for (size_t t = begin; t < begin + count; t += step) {
        const int min = min_of(j, j->clamp == SIB_FIXED_CLAMP_RUNNING ? j->maxima[t] : j->maximum);
        for (size_t m = 0; m < j->bank->n_bands; m++)
            if (j->wide)
                raise_int16(j->wide + m * j->stride + t, (int16_t)min, step);
            else
                raise_int8(j->narrow + m * j->stride + t, (int8_t)min, step);
    }
}

/* Replaces each frame's maximum by the running maximum. Returns whether the clamp can change a value: none is
   below the floor. */
static bool find_maximum(fixed_job *j)
{
    j->maximum = TILE_FLOOR;
    for (size_t t = 0; t < j->frames; t++) {
        j->maximum = j->maxima[t] > j->maximum ? j->maxima[t] : j->maximum;
        j->maxima[t] = (int16_t)j->maximum;
    }
    return j->clamp != SIB_FIXED_CLAMP_NONE && j->maximum - TILE_RANGE > TILE_FLOOR;
}

static size_t round64(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static sib_code job_run(fixed_job *j, sib_pool *pool, sib_error *err)
{
    const unsigned threads = sib_pool_threads(pool);
    j->samples_at = round64(j->lanes->scratch_bytes);
    j->features_at =
        j->samples_at + round64((BLOCK_FRAMES * TILE_HOP_SAMPLES + TILE_FRAME_SAMPLES) * sizeof(int16_t));
    j->workspace_bytes = j->features_at + BLOCK_FRAMES * (size_t)j->bank->n_bands * sizeof(int16_t);
    j->workspace = mem_alloc(threads, j->workspace_bytes);
    j->maxima = mem_alloc(j->frames, sizeof *j->maxima);
    if (!j->workspace || !j->maxima)
        return err_set(err, SIB_ERR_MEMORY, "out of memory: fixed-point features of %zu frames", j->frames);
    const size_t piece = size_ceil_div(j->frames, 16 * (size_t)threads), lanes = j->lanes->lanes;
    const size_t block = size_min(BLOCK_FRAMES, size_ceil_div(piece, lanes) * lanes);
    pool_run_awake(pool, j->frames, block, compute_block, j);
    if (find_maximum(j))
        pool_run(pool, j->frames, block, clamp_block, j);
    return SIB_OK;
}

static sib_code compute(fixed_job *j, int32_t n_mels, sib_pool *pool, size_t padding, sib_error *err)
{
    if (!size_add(j->n, padding, &j->total))
        return err_set(err, SIB_ERR_SIZE, "%zu samples and %zu of padding are too many", j->n, padding);
    uint64_t frames;
    sib_code code = sib_fixed_shape(n_mels, j->total, &frames, err);
    if (code != SIB_OK)
        return code;
    if (j->clamp > SIB_FIXED_CLAMP_NONE)
        return err_set(err, SIB_ERR_ARGUMENT, "clamp is %d, expected 0 to 2", (int)j->clamp);
    if (j->stride < frames)
        return err_set(err, SIB_ERR_SIZE, "row_stride is %zu, expected at least %llu", j->stride,
                       (unsigned long long)frames);
    j->bank = bank_of(n_mels, err);
    j->lanes = tile_lanes_for(cpu_level_chosen());
    j->frames = (size_t)frames;
    code = job_run(j, pool, err);
    mem_free(j->workspace);
    mem_free(j->maxima);
    return code;
}

sib_code sib_fixed_int16(int32_t n_mels, sib_fixed_clamp clamp, sib_pool *pool, const int16_t *samples,
                         size_t n_samples, size_t padding, int16_t *features, size_t row_stride,
                         sib_error *err)
{
    fixed_job j = {
        .clamp = clamp, .samples = samples, .n = n_samples, .wide = features, .stride = row_stride};
    return compute(&j, n_mels, pool, padding, err);
}

sib_code sib_fixed_int8(int32_t n_mels, sib_fixed_clamp clamp, sib_pool *pool, const int16_t *samples,
                        size_t n_samples, size_t padding, int8_t *features, size_t row_stride, sib_error *err)
{
    fixed_job j = {
        .clamp = clamp, .samples = samples, .n = n_samples, .narrow = features, .stride = row_stride};
    return compute(&j, n_mels, pool, padding, err);
}

void sib_fixed_finish_int16(int32_t n_mels, int16_t maximum, int16_t *features, size_t n_frames,
                            size_t row_stride)
{
    fixed_job j = {.bank = bank_of(n_mels, NULL), .maximum = maximum, .wide = features, .stride = row_stride};
    if (j.bank)
        clamp_block(&j, 0, n_frames, 0);
}

void sib_fixed_finish_int8(int32_t n_mels, int16_t maximum, int8_t *features, size_t n_frames,
                           size_t row_stride)
{
    fixed_job j = {
        .bank = bank_of(n_mels, NULL), .maximum = maximum, .narrow = features, .stride = row_stride};
    if (j.bank)
        clamp_block(&j, 0, n_frames, 0);
}
