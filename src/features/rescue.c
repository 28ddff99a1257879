#include "features/rescue.h"

#include <float.h>
#include <math.h>

/* Thresholds for a doubtful band: its mean energy per bin, times the number of bins that the errors average
   over, relative to the mean bin of its frame, and to the geometric mean over the bands. The first bounds the
   error where a spectrum falls steeply, as in speech; the second finds single gaps in flat ones. Chosen so
   that the largest error falls well below that of a float transform while few frames of speech are
   recomputed; docs/performance.md has the figures. */
#define BELOW_TOTAL 6e-5
#define BELOW_MEAN  3e-4

/* More than the error of any value that the clamp keeps, in octaves of energy. */
#define RESCUE_MARGIN 0.02

static double per_octave(const sib_mel *mel)
{
    const double *coefs = mel->doubles.log_coefs; /* (LOG_COEFS_MAX) */
    return coefs[LOG_SCALE_HIGH] + coefs[LOG_SCALE_LOW];
}

void rescue_limits(sib_mel *mel)
{
    mel_tables *t = &mel->tables;
    const double *levels = mel->doubles.band_levels, *coefs = mel->doubles.log_coefs;
    const double empty_level = per_octave(mel) * MEL_EMPTY_LEVEL;
    t->n_filled = 0;
    for (int32_t m = 0; m < t->n_mels; m++)
        t->n_filled += levels[m] > empty_level;
    t->n_filled = t->n_filled ? t->n_filled : 1;
    t->below_total = (float)(per_octave(mel) * log2(BELOW_TOTAL / t->n_bins));
    /* kernels sum over all bands: what the empty ones add is taken off again */
    const double of_empty = coefs[LOG_Z_FLOOR] - empty_level;
    t->below_mean =
        (float)(per_octave(mel) * log2(BELOW_MEAN) - of_empty * (t->n_mels - t->n_filled) / t->n_filled);
}

bool rescue_wanted(const sib_mel *mel)
{
    return mel->kernel.single && mel->tables.logarithm;
}

/* scratch: the double kernel's; samples of a block; pointers to its doubtful frames; their values (n_mels,
   RESCUE_BATCH); and a flag for each frame of the block. */
#define RESCUE_BATCH 16

typedef struct {
    void *kernel;
    float *samples;               /* (RESCUE_BATCH, 400) for frames that reach beyond the ends */
    float *again;                 /* (n_mels, RESCUE_BATCH) */
    const float *x[RESCUE_BATCH]; /* doubtful frames waiting to be recomputed */
    size_t frame[RESCUE_BATCH];   /* their indices */
    size_t waiting;
} batch;

static size_t kernel_bytes(const sib_mel *mel)
{
    return (mel->precise.scratch_bytes(&mel->precise_tables) + 63) / 64 * 64;
}

size_t rescue_scratch_bytes(const sib_mel *mel)
{
    if (!rescue_wanted(mel))
        return 0;
    const size_t floats = RESCUE_BATCH * (FFT400_SIZE + (size_t)mel->spec.n_mels);
    return kernel_bytes(mel) + floats * sizeof(float) + mel_block_frames(mel) * sizeof(int32_t);
}

/* Whether the limit of a frame makes value z of a band doubtful, and the clamp keeps it. */
static inline int32_t doubtful(float z, float level, float limit, float min)
{
    return (z - level < limit) & (z > min);
}

/* Recomputes the waiting frames and replaces their doubtful values. */
static void run_batch(const sib_mel *mel, batch *b, const mel_rows *z, const float *limits, float min)
{
    const float *levels = mel->singles.band_levels; /* (n_mels) */
    mel->precise.gather(&mel->precise_tables, b->x, b->waiting, b->again, RESCUE_BATCH, b->kernel);
    const size_t n_mels = (size_t)mel->spec.n_mels;
    for (size_t m = 0; m < n_mels; m++)
        for (size_t i = 0; i < b->waiting; i++) {
            float *value = mel_row(z, n_mels, m) + b->frame[i];
            if (doubtful(*value, levels[m], limits[b->frame[i]], min))
                *value = b->again[m * RESCUE_BATCH + i];
        }
    b->waiting = 0;
}

/* Sets hits[t] = 1 where frame t has a doubtful value; returns false if none has. A block with many limits is
   searched row by row, which vectorises; otherwise its frames are searched one by one. */
static bool find_doubt(const sib_mel *mel, const mel_rows *z, size_t n_frames, const float *limits, float min,
                       int32_t *hits)
{
    const float *levels = mel->singles.band_levels; /* (n_mels) */
    const size_t n_mels = (size_t)mel->spec.n_mels;
    size_t limited = 0;
    for (size_t t = 0; t < n_frames; t++) {
        limited += limits[t] != -FLT_MAX;
        hits[t] = 0;
    }
    if (limited > n_frames / 16) {
        for (size_t m = 0; m < n_mels; m++) {
            const float *row = mel_row(z, n_mels, m);
            for (size_t t = 0; t < n_frames; t++)
                hits[t] |= doubtful(row[t], levels[m], limits[t], min);
        }
        return true;
    }
    for (size_t t = 0; limited && t < n_frames; t++)
        for (size_t m = 0; limits[t] != -FLT_MAX && !hits[t] && m < n_mels; m++)
            hits[t] = doubtful(mel_row(z, n_mels, m)[t], levels[m], limits[t], min);
    return limited > 0;
}

void rescue_frames(const sib_mel *mel, const mel_signal *signal, int64_t start, size_t n_frames,
                   const mel_rows *z, const float *limits, float min, void *scratch)
{
    batch b = {.kernel = scratch};
    b.samples = (float *)((char *)scratch + kernel_bytes(mel));
    b.again = b.samples + RESCUE_BATCH * FFT400_SIZE;
    int32_t *hits = (int32_t *)(b.again + (size_t)mel->spec.n_mels * RESCUE_BATCH);
    min -= (float)(RESCUE_MARGIN * per_octave(mel));
    if (!find_doubt(mel, z, n_frames, limits, min, hits))
        return;
    for (size_t t = 0; t < n_frames; t++) {
        if (!hits[t])
            continue;
        b.x[b.waiting] = signal_view(signal, start + (int64_t)t * FFT400_HOP, FFT400_SIZE,
                                     b.samples + b.waiting * FFT400_SIZE);
        b.frame[b.waiting++] = t;
        if (b.waiting == RESCUE_BATCH)
            run_batch(mel, &b, z, limits, min);
    }
    if (b.waiting)
        run_batch(mel, &b, z, limits, min);
}
