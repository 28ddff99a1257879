/* What follows from several attributes, or from one and the rank of a tensor. */
#include "spec/spec.h"

#include <math.h>

bool spec_axis(int64_t axis, size_t rank, size_t *out)
{
    if (axis < 0)
        axis += (int64_t)rank;
    *out = (size_t)axis;
    return axis >= 0 && axis < (int64_t)rank;
}

int64_t spec_pads_excess(int64_t windows, int64_t stride, int64_t extent, int64_t size)
{
    int64_t covered = (windows - 1) * stride + extent;
    return covered > size ? covered - size : 0;
}

int64_t spec_pads_before(auto_pad padding, int64_t excess)
{
    return (excess + (padding != PAD_SAME_UPPER)) / 2;
}

int64_t spec_pads_given(const spatial_spec *s, size_t i)
{
    return s->auto_pad == PAD_EXPLICIT ? spec_item(s->pads, i, 0) : 0;
}

bool spec_softmax_axes(const softmax_spec *s, size_t rank, size_t *begin, size_t *end)
{
    bool is_empty = s->to_end && s->axis == (int64_t)rank; /* empty: a softmax per element */
    if (is_empty)
        *begin = rank;
    else if (!spec_axis(s->axis, rank, begin))
        return false;
    *end = s->to_end ? rank : *begin + 1;
    return true;
}

resize_rule spec_resize_rule(const resize_spec *s)
{
    return (resize_rule){.filter = s->mode,
                         .mapping = s->coordinate_transformation_mode,
                         .rounding = s->nearest_mode,
                         .a = s->cubic_coeff_a,
                         .antialias = s->antialias && s->mode != RESIZE_NEAREST,
                         .exclude_outside = s->exclude_outside};
}

sib_mel_spec spec_front_end(const mel_spec *s)
{
    static const char *const presets[] = {"whisper", "librosa", "kaldi"};
    sib_mel_spec out = {0};
    sib_mel_spec_preset(presets[s->preset], 0, &out, NULL);
    const struct {
        int32_t *field;
        int64_t given;
    } integers[] = {{&out.sample_rate, s->sample_rate}, {&out.n_fft, s->n_fft},
                    {&out.win_length, s->n_fft},        {&out.win_length, s->win_length},
                    {&out.n_mels, s->n_mels},           {&out.hop_length, s->hop_length}};
    const struct {
        double *field, given;
    } numbers[] = {{&out.preemphasis, s->preemphasis},
                   {&out.power, s->power},
                   {&out.f_min, s->f_min},
                   {&out.f_max, s->f_max},
                   {&out.log_floor, s->log_floor},
                   {&out.log_reference, s->log_reference},
                   {&out.dynamic_range, s->dynamic_range},
                   {&out.offset, s->offset},
                   {&out.gain, s->gain}};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        if (integers[i].given != SPEC_ABSENT)
            *integers[i].field = (int32_t)integers[i].given;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!isnan(numbers[i].given))
            *numbers[i].field = numbers[i].given;
    out.drop_last_frame = s->drop_last_frame == SPEC_ABSENT ? out.drop_last_frame : s->drop_last_frame != 0;
    out.remove_dc = s->remove_dc == SPEC_ABSENT ? out.remove_dc : s->remove_dc != 0;
    out.window = s->window < 0 ? out.window : (sib_window)s->window;
    out.framing = s->framing < 0 ? out.framing : (sib_framing)s->framing;
    out.scale = s->scale < 0 ? out.scale : (sib_mel_scale)s->scale;
    out.norm = s->norm < 0 ? out.norm : (sib_mel_norm)s->norm;
    out.slope = s->slope < 0 ? out.slope : (sib_mel_slope)s->slope;
    out.log = s->log < 0 ? out.log : (sib_log)s->log;
    out.smooth = s->smooth;
    return out;
}
