/* Padding, trimming, and cutting into chunks. */
#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <sibyl/audio.h>
#include <string.h>

void sib_audio_pad_or_trim(const float *samples, size_t n_samples, float *out, size_t length)
{
    size_t kept = size_min(n_samples, length);
    if (kept > 0 && out != samples)
        memmove(out, samples, kept * sizeof *out);
    if (length > kept)
        memset(out + kept, 0, (length - kept) * sizeof *out);
}

/* seconds at sample_rate, rounded to the nearest number of samples; returns false where that does not fit. */
static bool to_samples(double seconds, int32_t sample_rate, size_t *out)
{
    double samples = round(seconds * sample_rate);
    if (!(samples < 0x1p53) || samples > (double)(SIZE_MAX / 2))
        return false;
    *out = (size_t)samples;
    return true;
}

sib_code sib_chunks_make(size_t n_samples, int32_t sample_rate, double seconds, double overlap_seconds,
                         sib_chunks *out, sib_error *err)
{
    memset(out, 0, sizeof *out);
    if (sample_rate <= 0)
        return err_set(err, SIB_ERR_ARGUMENT, "sample rate is %d Hz, expected a positive number",
                       (int)sample_rate);
    if (!(seconds > 0))
        return err_set(err, SIB_ERR_ARGUMENT, "chunk length is %g s, expected a positive number", seconds);
    if (!(overlap_seconds >= 0) || !(overlap_seconds < seconds))
        return err_set(err, SIB_ERR_ARGUMENT, "chunk overlap is %g s, expected 0 or more and less than %g s",
                       overlap_seconds, seconds);
    size_t length, overlap;
    if (!to_samples(seconds, sample_rate, &length) || !to_samples(overlap_seconds, sample_rate, &overlap))
        return err_set(err, SIB_ERR_SIZE, "chunk length is %g s, which is too many samples", seconds);
    if (length < 1)
        return err_set(err, SIB_ERR_ARGUMENT, "chunk length is %g s, less than a sample at %d Hz", seconds,
                       (int)sample_rate);
    if (length <= overlap)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "chunk length %g s and overlap %g s differ by less than a sample at %d Hz", seconds,
                       overlap_seconds, (int)sample_rate);
    size_t more = n_samples > length ? size_ceil_div(n_samples - length, length - overlap) : 0;
    out->count = n_samples > 0 ? more + 1 : 0;
    out->length = length;
    out->overlap = overlap;
    out->n_samples = n_samples;
    return SIB_OK;
}

void sib_chunks_at(const sib_chunks *chunks, size_t i, size_t *start, size_t *length)
{
    *start = i * (chunks->length - chunks->overlap);
    *length = size_min(chunks->length, chunks->n_samples - *start);
}
