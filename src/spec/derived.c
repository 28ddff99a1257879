/* What follows from several attributes, or from one and the rank of a tensor. */
#include "spec/spec.h"

bool spec_axis(int64_t axis, size_t rank, size_t *out)
{
    if (axis < 0)
        axis += (int64_t)rank;
    *out = (size_t)axis;
    return axis >= 0 && axis < (int64_t)rank;
}

bool spec_softmax_axes(const softmax_spec *s, size_t rank, size_t *begin, size_t *end)
{
    bool behind = s->to_end && s->axis == (int64_t)rank; /* empty: a softmax per element */
    if (behind)
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
