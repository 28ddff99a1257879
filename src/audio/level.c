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

/* Counts a sample at full scale: clipped ones stand in runs of two or more equal ones. */
static void count_clipped(sib_audio_meter *m, float x)
{
    m->run = m->run && x == m->last ? m->run + 1 : 1;
    m->last = x;
    if (m->run >= 2)
        m->report.n_clipped += m->run == 2 ? 2 : 1;
}

void sib_audio_meter_add(sib_audio_meter *meter, const float *samples, size_t n_samples)
{
    sib_audio_meter m = *meter; /* a copy, which the compiler can keep in registers */
    sib_audio_report *r = &m.report;
    if (r->n_samples == 0)
        *r = (sib_audio_report){.first_bad = UINT64_MAX, .silent = true};
    for (size_t i = 0; i < n_samples; i++) {
        double x = samples[i], size = fabs(x);
        m.silence = size <= LEVEL_SILENCE ? m.silence + 1 : 0;
        if (m.silence > r->longest_silence)
            r->longest_silence = m.silence;
        if (size > LEVEL_SILENCE)
            r->silent = false;
        if (size >= LEVEL_CLIP)
            count_clipped(&m, samples[i]);
        else
            m.run = 0;
        if (!isfinite(x)) {
            r->n_nan += isnan(x) ? 1 : 0;
            r->n_infinite += isinf(x) ? 1 : 0;
            if (r->first_bad == UINT64_MAX)
                r->first_bad = r->n_samples + i;
            continue;
        }
        m.sum += x;
        m.squares += x * x;
        r->peak = size > r->peak ? size : r->peak;
    }
    r->n_samples += n_samples;
    const uint64_t finite = r->n_samples - r->n_nan - r->n_infinite;
    r->rms = finite ? sqrt(m.squares / (double)finite) : 0;
    r->dc_offset = finite ? m.sum / (double)finite : 0;
    r->clipped = r->n_clipped > 0;
    r->dc = fabs(r->dc_offset) > LEVEL_DC;
    *meter = m;
}

void sib_audio_inspect(const float *samples, size_t n_samples, sib_audio_report *out)
{
    sib_audio_meter meter = {0};
    sib_audio_meter_add(&meter, samples, n_samples);
    *out = meter.report;
}

sib_code sib_audio_gain(const sib_audio_report *report, sib_level level, double target, double *factor,
                        sib_error *err)
{
    *factor = 1;
    if (!(target > 0) || !isfinite(target))
        return err_set(err, SIB_ERR_ARGUMENT, "target level is %g, expected a positive finite number",
                       target);
    if (level != SIB_LEVEL_PEAK && level != SIB_LEVEL_RMS)
        return err_set(err, SIB_ERR_ARGUMENT, "level is %d, expected SIB_LEVEL_PEAK or SIB_LEVEL_RMS",
                       (int)level);
    if (report->first_bad != UINT64_MAX)
        return err_set(err, SIB_ERR_VALUE, "sample %" PRIu64 " is NaN or infinite, expected finite samples",
                       report->first_bad);
    if (report->peak == 0)
        return SIB_OK;
    *factor = target / (level == SIB_LEVEL_PEAK ? report->peak : report->rms);
    if (!(report->peak * *factor <= FLT_MAX))
        return err_set(err, SIB_ERR_ARGUMENT, "target level is %g, which takes the peak beyond a float",
                       target);
    return SIB_OK;
}

sib_code sib_audio_normalize(float *samples, size_t n_samples, sib_level level, double target, sib_error *err)
{
    sib_audio_report report;
    double factor;
    sib_audio_inspect(samples, n_samples, &report);
    sib_code code = sib_audio_gain(&report, level, target, &factor, err);
    for (size_t i = 0; code == SIB_OK && factor != 1 && i < n_samples; i++)
        samples[i] = (float)(samples[i] * factor);
    return code;
}
