/* Sliding windows over spatial axes: the geometry of Conv and the pools. */
#include "ops/lower/lists.h"
#include "ops/nn/nn.h"

#include <string.h>

/* Reads the kernel sizes from the attribute, else from the weights [M, C, kernel...]. */
static void read_kernel(lowering *l, spec_ints given, mval w, spatial *s)
{
    list_numbers(l, given, "kernel_shape", (size_t)s->n, 0, s->kernel);
    if (w.id == NO_VALUE) {
        if (!given.n && s->n)
            l_fail(l, SIB_ERR_ARGUMENT, "attribute kernel_shape is missing");
        return;
    }
    int rank = m_rank(l, w);
    if (l_ok(l) && rank != s->n + 2)
        l_fail(l, SIB_ERR_ARGUMENT, "W has rank %d, expected %d as X", rank, s->n + 2);
    for (int i = 0; i < s->n && l_ok(l); i++) {
        int64_t size;
        dim d = m_dim(l, w, i + 2);
        if (!given.n)
            s->kernel[i] = m_number(l, d);
        else if (dim_is_const(l->graph->dims, d, &size) && size != s->kernel[i])
            l_fail(l, SIB_ERR_ARGUMENT, "kernel_shape holds %lld at %d, where W has %lld",
                   (long long)s->kernel[i], i, (long long)size);
    }
}

bool spatial_read(lowering *l, const spatial_spec *spec, mval x, mval w, spatial *s)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    memset(s, 0, sizeof *s);
    s->n = rank - 2;
    if (l_ok(l) && (rank < 2 || rank + s->n > SIB_MAX_RANK))
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected 2 to %d", rank, SIB_MAX_RANK / 2 + 1);
    if (!l_ok(l))
        return false;
    size_t count = (size_t)s->n;
    s->padding = spec->auto_pad;
    read_kernel(l, spec->kernel_shape, w, s);
    list_numbers(l, spec->strides, "strides", count, 1, s->stride);
    list_numbers(l, spec->dilations, "dilations", count, 1, s->dilation);
    list_numbers(l, spec->pads, "pads", 2 * count, 0, s->pads);
    for (size_t i = 0; i < 2 * count; i++)
        s->pads[i] = spec_pads_given(spec, i);
    for (int i = 0; i < s->n && l_ok(l); i++) {
        s->in[i] = dims[i + 2];
        s->extent[i] =
            d_add(l, d_mul(l, d_const(l, s->kernel[i] - 1), d_const(l, s->dilation[i])), d_const(l, 1));
    }
    return l_ok(l);
}

static void place_same(lowering *l, spatial *s, int i, dim stride)
{
    dim none = d_const(l, 0);
    s->out[i] = d_ceil_div(l, s->in[i], stride);
    dim covered = d_add(l, d_mul(l, d_sub(l, s->out[i], d_const(l, 1)), stride), s->extent[i]);
    dim excess = d_max(l, d_sub(l, covered, s->in[i]), none);
    int64_t number;
    /* while sizes are symbols nothing is computed, and dims depend on the sum of both sides only */
    bool known = l_ok(l) && dim_is_const(l->graph->dims, excess, &number);
    s->before[i] = known ? d_const(l, spec_pads_before(s->padding, number)) : none;
    s->after[i] = d_sub(l, excess, s->before[i]);
}

static void place_explicit(lowering *l, spatial *s, int i, dim stride, bool ceil_mode)
{
    dim one = d_const(l, 1);
    s->before[i] = d_const(l, s->pads[i]);
    s->after[i] = d_const(l, s->pads[s->n + i]);
    dim begun = d_add(l, s->before[i], s->in[i]); /* windows start before this position */
    dim room = d_sub(l, d_add(l, begun, s->after[i]), s->extent[i]);
    if (!ceil_mode || s->padding != PAD_EXPLICIT) {
        s->out[i] = d_add(l, d_floor_div(l, room, stride), one);
        return;
    }
    s->out[i] = d_min(l, d_add(l, d_ceil_div(l, room, stride), one), d_ceil_div(l, begun, stride));
    dim covered = d_add(l, d_mul(l, d_sub(l, s->out[i], one), stride), s->extent[i]);
    s->after[i] = d_max(l, d_sub(l, covered, begun), d_const(l, 0));
}

bool spatial_place(lowering *l, spatial *s, bool ceil_mode)
{
    for (int i = 0; i < s->n && l_ok(l); i++) {
        int64_t out, in = 1;
        dim stride = d_const(l, s->stride[i]);
        if (spec_pads_same(s->padding))
            place_same(l, s, i, stride);
        else
            place_explicit(l, s, i, stride, ceil_mode);
        if (!l_ok(l) || !dim_is_const(l->graph->dims, s->out[i], &out) || out > 0)
            continue;
        dim_is_const(l->graph->dims, s->in[i], &in);
        if (in)
            l_fail(l, SIB_ERR_ARGUMENT,
                   "a window of %lld with dilation %lld is larger than axis %d of size %lld",
                   (long long)s->kernel[i], (long long)s->dilation[i], i + 2, (long long)in);
        s->out[i] = d_const(l, 0);
    }
    return l_ok(l);
}

mval spatial_windows(lowering *l, mval x, const spatial *s, mval fill)
{
    window_spec w = {.n = s->n};
    memcpy(w.kernel, s->kernel, sizeof w.kernel);
    memcpy(w.stride, s->stride, sizeof w.stride);
    memcpy(w.dilation, s->dilation, sizeof w.dilation);
    memcpy(w.before, s->before, sizeof w.before);
    memcpy(w.after, s->after, sizeof w.after);
    return m_windows(l, x, &w, fill);
}
