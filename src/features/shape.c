/* Frames: how many a recording has, and the shape of the features. */
#include "base/error.h"
#include "base/size.h"
#include "features/mel_internal.h"

#include <math.h>
#include <string.h>

/* Samples of one work item: they and their features fit an L2 cache of 512 KB. */
#define BLOCK_SAMPLES 40960
#define BLOCK_FRAMES  256

size_t mel_block_frames(const sib_mel *mel)
{
    size_t frames = size_min(BLOCK_SAMPLES / (size_t)mel->spec.hop_length, BLOCK_FRAMES);
    return size_max(frames - frames % mel->kernel.lanes, mel->kernel.lanes);
}

uint64_t mel_frame_count(const sib_mel *mel, uint64_t n)
{
    const sib_mel_spec *s = &mel->spec;
    const uint64_t hop = (uint64_t)s->hop_length, win = (uint64_t)s->win_length;
    if (n == 0 || (s->framing == SIB_FRAMING_WHOLE && n < win))
        return 0;
    uint64_t frames = (s->framing == SIB_FRAMING_WHOLE ? n - win : n) / hop + 1;
    return frames - s->drop_last_frame;
}

sib_code mel_length_check(const sib_mel *mel, uint64_t n, sib_error *err)
{
    const sib_mel_spec *s = &mel->spec;
    if (n == 0)
        return err_set(err, SIB_ERR_VALUE, "the recording has no samples");
    if (s->framing == SIB_FRAMING_CENTER_REFLECT && n <= (uint64_t)s->n_fft / 2)
        return err_set(err, SIB_ERR_VALUE,
                       "the recording has %llu samples, reflection at its ends needs at least %d; pad it",
                       (unsigned long long)n, (int)(s->n_fft / 2 + 1));
    if (mel_frame_count(mel, n) == 0)
        return err_set(err, SIB_ERR_VALUE, "the recording has %llu samples, too few for one frame",
                       (unsigned long long)n);
    return SIB_OK;
}

sib_code sib_mel_shape(const sib_mel *mel, uint64_t n_samples, uint64_t *bands, uint64_t *frames,
                       sib_error *err)
{
    *bands = *frames = 0;
    if (n_samples > (uint64_t)INT64_MAX / 2)
        return err_set(err, SIB_ERR_SIZE, "%llu samples are too many", (unsigned long long)n_samples);
    sib_code code = mel_length_check(mel, n_samples, err);
    if (code != SIB_OK)
        return code;
    uint64_t rows = (uint64_t)mel->spec.n_mels, columns = mel_frame_count(mel, n_samples), bytes;
    if (__builtin_mul_overflow(rows * sizeof(float), columns, &bytes) || bytes > SIZE_MAX / 2)
        return err_set(err, SIB_ERR_SIZE, "features of %llu samples do not fit in memory",
                       (unsigned long long)n_samples);
    if (mel->spec.smooth == SIB_SMOOTH_VALID) {
        if (rows < 3 || columns < 3)
            return err_set(err, SIB_ERR_VALUE,
                           "a valid 3 x 3 average needs 3 bands and 3 frames, there are %llu and %llu",
                           (unsigned long long)rows, (unsigned long long)columns);
        rows -= 2;
        columns -= 2;
    }
    *bands = rows;
    *frames = columns;
    return SIB_OK;
}

static bool all_finite(const float *x, size_t n)
{
    uint32_t carries = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        carries |=
            (bits & 0x7FFFFFFF) + 0x00800000; /* into the sign where all bits of the exponent are set */
    }
    return !(carries >> 31);
}

size_t mel_first_bad(const float *samples, size_t n)
{
    enum { STRETCH = 4096 }; /* that vectorises; only one with a bad sample is searched */
    size_t at = 0;
    while (at < n && all_finite(samples + at, size_min(STRETCH, n - at)))
        at += size_min(STRETCH, n - at);
    while (at < n && isfinite(samples[at]))
        at++;
    return at;
}
