/* What follows from several attributes, or from one and the rank of a tensor. */
#include "spec/spec.h"

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
