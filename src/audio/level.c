/* Level: properties of a recording, and scaling to a level. */
#include "base/error.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <sibyl/audio.h>
#include <string.h>

/* One step of 16 bits: samples up to it are silent. */
#define LEVEL_SILENCE (1.0 / 32768)
/* The largest 16-bit value: samples from it on are clipped. */
#define LEVEL_CLIP (32767.0 / 32768)
/* A larger mean is a DC offset. */
#define LEVEL_DC 0.01

/* Counts samples that appear clipped: runs of two or more equal ones at full scale. */
static uint64_t count_clipped(const float *samples, size_t n_samples)
{
    uint64_t clipped = 0;
    for (size_t i = 0; i < n_samples;) {
        size_t run = 1;
        if (fabs((double)samples[i]) >= LEVEL_CLIP) {
            while (i + run < n_samples && samples[i + run] == samples[i])
                run++;
            clipped += run >= 2 ? run : 0;
        }
        i += run;
    }
    return clipped;
}

void sib_audio_inspect(const float *samples, size_t n_samples, sib_audio_report *out)
{
    memset(out, 0, sizeof *out);
    out->n_samples = n_samples;
    out->first_bad = UINT64_MAX;
    out->silent = true;
    double sum = 0, squares = 0;
    uint64_t silence = 0, finite = 0;
    for (size_t i = 0; i < n_samples; i++) {
        double x = samples[i], size = fabs(x);
        silence = size <= LEVEL_SILENCE ? silence + 1 : 0;
        if (silence > out->longest_silence)
            out->longest_silence = silence;
        if (size > LEVEL_SILENCE)
            out->silent = false;
        if (!isfinite(x)) {
            out->n_nan += isnan(x) ? 1 : 0;
            out->n_infinite += isinf(x) ? 1 : 0;
            if (out->first_bad == UINT64_MAX)
                out->first_bad = i;
            continue;
        }
        finite++;
        sum += x;
        squares += x * x;
        out->peak = size > out->peak ? size : out->peak;
    }
    if (finite > 0) {
        out->rms = sqrt(squares / (double)finite);
        out->dc_offset = sum / (double)finite;
    }
    out->n_clipped = count_clipped(samples, n_samples);
    out->clipped = out->n_clipped > 0;
    out->dc = fabs(out->dc_offset) > LEVEL_DC;
}

sib_code sib_audio_normalize(float *samples, size_t n_samples, sib_level level, double target, sib_error *err)
{
    if (!(target > 0) || !isfinite(target))
        return err_set(err, SIB_ERR_ARGUMENT, "target level is %g, expected a positive finite number",
                       target);
    if (level != SIB_LEVEL_PEAK && level != SIB_LEVEL_RMS)
        return err_set(err, SIB_ERR_ARGUMENT, "level is %d, expected SIB_LEVEL_PEAK or SIB_LEVEL_RMS",
                       (int)level);
    sib_audio_report report;
    sib_audio_inspect(samples, n_samples, &report);
    if (report.first_bad != UINT64_MAX)
        return err_set(err, SIB_ERR_VALUE, "sample %" PRIu64 " is %g, expected finite samples",
                       report.first_bad, (double)samples[report.first_bad]);
    if (report.peak == 0)
        return SIB_OK;
    double factor = target / (level == SIB_LEVEL_PEAK ? report.peak : report.rms);
    if (!(report.peak * factor <= FLT_MAX))
        return err_set(err, SIB_ERR_ARGUMENT, "target level is %g, which takes the peak beyond a float",
                       target);
    for (size_t i = 0; i < n_samples; i++)
        samples[i] = (float)(samples[i] * factor);
    return SIB_OK;
}
