/* Front end descriptions: presets and checks. */
#include "base/error.h"
#include "features/mel_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_RATE  768000
#define MAX_FFT   65536
#define MAX_HOP   1048576
#define MAX_BANDS 4096

typedef struct {
    const char *name;
    sib_mel_spec spec;
} preset;

static const preset presets[] = {
    {"whisper",
     {.sample_rate = 16000,
      .n_fft = 400,
      .win_length = 400,
      .hop_length = 160,
      .window = SIB_WINDOW_HANN,
      .framing = SIB_FRAMING_CENTER_REFLECT,
      .drop_last_frame = true,
      .power = 2,
      .n_mels = 80,
      .scale = SIB_MEL_SLANEY,
      .norm = SIB_MEL_NORM_SLANEY,
      .slope = SIB_MEL_SLOPE_HZ,
      .log = SIB_LOG_LOG10,
      .log_floor = 1e-10,
      .log_reference = 1,
      .dynamic_range = 8,
      .offset = 4,
      .gain = 0.25}},
    {"librosa",
     {.sample_rate = 16000,
      .n_fft = 2048,
      .win_length = 2048,
      .hop_length = 512,
      .window = SIB_WINDOW_HANN,
      .framing = SIB_FRAMING_CENTER_ZERO,
      .power = 2,
      .n_mels = 128,
      .scale = SIB_MEL_SLANEY,
      .norm = SIB_MEL_NORM_SLANEY,
      .slope = SIB_MEL_SLOPE_HZ,
      .log = SIB_LOG_DB,
      .log_floor = 1e-10,
      .log_reference = 1,
      .dynamic_range = 80,
      .gain = 1}},
    {"kaldi",
     {.sample_rate = 16000,
      .n_fft = 512,
      .win_length = 400,
      .hop_length = 160,
      .window = SIB_WINDOW_POVEY,
      .framing = SIB_FRAMING_WHOLE,
      .remove_dc = true,
      .preemphasis = 0.97,
      .power = 2,
      .n_mels = 80,
      .f_min = 20,
      .scale = SIB_MEL_HTK,
      .norm = SIB_MEL_NORM_NONE,
      .slope = SIB_MEL_SLOPE_MEL,
      .log = SIB_LOG_LN,
      .log_floor = FLT_EPSILON,
      .log_reference = 1,
      .gain = 1}},
};

sib_code sib_mel_spec_preset(const char *name, int32_t n_mels, sib_mel_spec *out, sib_error *err)
{
    if (n_mels < 0 || n_mels > MAX_BANDS)
        return err_set(err, SIB_ERR_ARGUMENT, "n_mels is %d, expected 1 to %d, or 0 for the preset's own",
                       (int)n_mels, MAX_BANDS);
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(name, presets[i].name) != 0)
            continue;
        *out = presets[i].spec;
        if (n_mels)
            out->n_mels = n_mels;
        return SIB_OK;
    }
    return err_set(err, SIB_ERR_ARGUMENT, "preset '%.60s' is unknown, expected whisper, librosa or kaldi",
                   name);
}

/* A field and its valid range. */
typedef struct {
    const char *name;
    double value, low, high;
} field_range;

static sib_code check_ranges(const field_range *fields, size_t n, sib_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const field_range *f = &fields[i];
        if (f->value >= f->low && f->value <= f->high)
            continue;
        return err_set(err, SIB_ERR_ARGUMENT, "%s is %.15g, expected %.15g to %.15g", f->name, f->value,
                       f->low, f->high);
    }
    return SIB_OK;
}

sib_code mel_spec_check(const sib_mel_spec *s, sib_error *err)
{
    const double big = 1e30;
    const field_range fields[] = {
        {"sample_rate", s->sample_rate, 1, MAX_RATE},
        {"n_fft", s->n_fft, 2, MAX_FFT},
        {"win_length", s->win_length, 1, s->n_fft},
        {"hop_length", s->hop_length, 1, MAX_HOP},
        {"n_mels", s->n_mels, 1, MAX_BANDS},
        {"window", s->window, SIB_WINDOW_HANN, SIB_WINDOW_RECTANGULAR},
        {"framing", s->framing, SIB_FRAMING_CENTER_REFLECT, SIB_FRAMING_WHOLE},
        {"scale", s->scale, SIB_MEL_SLANEY, SIB_MEL_HTK},
        {"norm", s->norm, SIB_MEL_NORM_NONE, SIB_MEL_NORM_SLANEY},
        {"slope", s->slope, SIB_MEL_SLOPE_HZ, SIB_MEL_SLOPE_MEL},
        {"log", s->log, SIB_LOG_NONE, SIB_LOG_DB},
        {"smooth", s->smooth, SIB_SMOOTH_NONE, SIB_SMOOTH_VALID},
        {"preemphasis", s->preemphasis, -big, big},
        {"power", s->power, 1, 2},
        {"f_min", s->f_min, 0, s->sample_rate / 2.0},
        {"f_max", s->f_max, 0, s->sample_rate / 2.0},
        {"log_floor", s->log == SIB_LOG_NONE ? 1 : s->log_floor, FLT_MIN, FLT_MAX},
        {"log_reference", s->log == SIB_LOG_DB ? s->log_reference : 1, FLT_MIN, FLT_MAX},
        {"dynamic_range", s->dynamic_range, 0, big},
        {"offset", s->offset, -big, big},
        {"gain", s->gain, FLT_MIN, big},
    };
    sib_code code = check_ranges(fields, sizeof fields / sizeof *fields, err);
    if (code != SIB_OK)
        return code;
    if (s->power != 1 && s->power != 2)
        return err_set(err, SIB_ERR_ARGUMENT, "power is %.15g, expected 1 or 2", s->power);
    if (s->f_max != 0 && s->f_max <= s->f_min)
        return err_set(err, SIB_ERR_ARGUMENT, "f_max is %.15g, expected more than f_min, which is %.15g",
                       s->f_max, s->f_min);
    if (s->f_max == 0 && s->f_min >= s->sample_rate / 2.0)
        return err_set(err, SIB_ERR_ARGUMENT, "f_min is %.15g, expected less than half the rate", s->f_min);
    return SIB_OK;
}

bool mel_is_fft400(const sib_mel_spec *s)
{
    return s->n_fft == FFT400_SIZE && s->win_length == FFT400_SIZE && s->hop_length == FFT400_HOP &&
           s->window == SIB_WINDOW_HANN && s->power == 2 && !s->remove_dc && s->preemphasis == 0;
}
