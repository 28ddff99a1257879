#include "backend/cpu/conv/conv.h"

static bool within(int64_t size)
{
    return size >= 1 && size <= INT32_MAX;
}

bool cpu_windows_read(const node_view *n, const spatial_spec *spec, const value *x, const value *y,
                      const int64_t *kernel, cpu_windows *out)
{
    int64_t in[SIB_MAX_RANK], made[SIB_MAX_RANK];
    size_t rank, rank_y;
    if (!cpu_dims(n, x, &rank, in) || !cpu_dims(n, y, &rank_y, made) || rank != rank_y || rank < 3 ||
        rank > 2 + CONV2D_AXES || !within(in[0]) || !within(in[1]))
        return false;
    *out = (cpu_windows){.batch = (size_t)in[0], .channels = (size_t)in[1], .n = rank - 2};
    for (size_t i = 0; i < CONV2D_AXES - out->n; i++)
        out->axis[i] = (conv2d_axis){1, 1, 1, 1, 0, 1, 0};
    for (size_t i = 0; i < out->n; i++) {
        int64_t size = kernel ? kernel[i] : spec_item(spec->kernel_shape, i, 0);
        int64_t stride = spec_item(spec->strides, i, 1), dilation = spec_item(spec->dilations, i, 1);
        if (!within(size) || !within(stride) || !within(dilation) || !within(in[2 + i]) ||
            !within(made[2 + i]) || !within(size * dilation) || !within(made[2 + i] * stride))
            return false;
        conv2d_axis *a = &out->axis[CONV2D_AXES - out->n + i];
        *a = (conv2d_axis){.in = (size_t)in[2 + i],
                           .kernel = (size_t)size,
                           .stride = (size_t)stride,
                           .dilation = (size_t)dilation,
                           .out = (size_t)made[2 + i]};
        int64_t before = spec_pads_given(spec, i), after = spec_pads_given(spec, out->n + i);
        if (spec_pads_same(spec->auto_pad)) { /* y has the size that the operator's definition gives */
            int64_t extent = (size - 1) * dilation + 1;
            int64_t excess = spec_pads_excess(made[2 + i], stride, extent, in[2 + i]);
            before = spec_pads_before(spec->auto_pad, excess);
            after = excess - before;
        }
        if ((before && !within(before)) || (after && !within(after)))
            return false;
        a->before = (size_t)before;
        a->after = (size_t)after;
    }
    return true;
}
