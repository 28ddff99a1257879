/* Convolutions and pools over one to three axes, as launches of the kernels `conv` and `window`. */
#include "backend/gpu/gpu.h"
#include "base/assert.h"

#include <math.h>
#include <string.h>

#define AXES 3

/* Products of fewer elements a feature than this, or for fewer features, fill no tile of `conv`. */
#define DEEP_MIN     8
#define FEATURES_MIN 4

/* The arguments of `window`, of which those of `conv` are a part. */
typedef gpu_window_args window_args;

static bool has(const node_view *n, size_t k)
{
    return k < n->n_in && n->in[k];
}

static bool within(int64_t size)
{
    return size >= 1 && size <= INT32_MAX;
}

/* ---- Geometry ------------------------------------------------------------------------------------------ */

static int64_t common_factor(int64_t a, int64_t b)
{
    return b ? common_factor(b, a % b) : a;
}

/* Reads axis i of n: x has `in` elements, y `made`. Returns
   false where a number is too large. */
static bool read_axis(const conv_spec *spec, size_t i, size_t n, int64_t in, int64_t made, int64_t taps,
                      bool transposed, window_args *args)
{
    const spatial_spec *s = &spec->spatial;
    const size_t a = AXES - n + i;
    const int64_t stride = spec_item(s->strides, i, 1), dilation = spec_item(s->dilations, i, 1);
    int64_t before = spec_pads_given(s, i), after = spec_pads_given(s, n + i);
    if (!within(in) || !within(made) || !within(taps) || !within(stride) || !within(dilation) ||
        !within(taps * dilation) || !within(stride * (transposed ? in : made)))
        return false;
    const int64_t extent = (taps - 1) * dilation + 1;
    if (transposed && (spec->output_shape.n || spec_pads_same(s->auto_pad)))
        before = spec_pads_before(
            s->auto_pad, spec_pads_excess(in, stride, extent + spec_item(spec->output_padding, i, 0), made));
    else if (!transposed && spec_pads_same(s->auto_pad)) {
        const int64_t excess = spec_pads_excess(made, stride, extent, in);
        before = spec_pads_before(s->auto_pad, excess);
        after = excess - before;
    }
    if (before < 0 || after < 0 || !within(before + after + in + extent + stride * (transposed ? in : made)))
        return false;
    args->size[a] = (uint32_t)in;
    args->made[a] = (uint32_t)made;
    args->taps[a] = (uint32_t)taps;
    args->stride[a] = (uint32_t)stride;
    args->dilation[a] = (uint32_t)dilation;
    args->before[a] = (uint32_t)before;
    args->after[a] = (uint32_t)(transposed ? stride / common_factor(stride, dilation) : after);
    return true;
}

/* Reads the windows of x over y. taps: their sizes; NULL: kernel_shape. */
static bool read_windows(const node_view *n, const conv_spec *spec, const int64_t *taps, bool transposed,
                         window_args *args)
{
    gpu_tensor x, y;
    if (!has(n, 0) || !n->out[0] || !gpu_tensor_of(n->graph, n->in[0], &x) ||
        !gpu_tensor_of(n->graph, n->out[0], &y) || x.rank != y.rank || x.rank < 3 || x.rank > 2 + AXES ||
        x.wide || y.wide || x.dtype != y.dtype)
        return false;
    *args = (window_args){.type = x.dtype,
                          .count = (uint32_t)y.count,
                          .m = 1,
                          .c = 1,
                          .groups = (uint32_t)x.dims[1],
                          .slope = 1,
                          .low = -INFINITY,
                          .high = INFINITY};
    for (size_t i = 0; i < AXES; i++) {
        args->size[i] = args->taps[i] = args->stride[i] = args->dilation[i] = args->made[i] = 1;
        args->after[i] = transposed;
    }
    for (size_t i = 2; i < x.rank; i++)
        if (!read_axis(spec, i - 2, x.rank - 2, x.dims[i], y.dims[i],
                       taps ? taps[i - 2] : spec_item(spec->spatial.kernel_shape, i - 2, 0), transposed,
                       args))
            return false;
    return true;
}

/* ---- Convolutions -------------------------------------------------------------------------------------- */

/* Sets the activation of FusedConv. Returns false for those that the kernels have not. */
static bool set_activation(const conv_spec *spec, window_args *args)
{
    const spec_floats given = spec->activation_params;
    switch (spec->activation) {
    case FUSED_NONE:
        return true;
    case FUSED_RELU:
        args->low = 0;
        return true;
    case FUSED_LEAKY_RELU:
        args->slope = given.n ? given.v[0] : 0;
        return true;
    case FUSED_CLIP:
        args->low = given.n > 0 ? given.v[0] : 0;
        args->high = given.n > 1 ? given.v[1] : 0;
        return true;
    default:
        return false;
    }
}

static bool is_same(const gpu_tensor *a, const gpu_tensor *b)
{
    return a->dtype == b->dtype && !b->wide && a->rank == b->rank &&
           !memcmp(a->dims, b->dims, a->rank * sizeof *a->dims);
}

/* The inputs behind x: weights, bias, and what FusedConv adds. */
static bool read_conv(const node_view *n, window_args *args)
{
    const conv_spec spec = spec_conv(n->node);
    const bool transposed = str_is(n->node->type, "ConvTranspose");
    gpu_tensor x, y, w, t;
    if (n->n_out != 1 || !has(n, 1) || !gpu_tensor_of(n->graph, n->in[1], &w) || w.rank < 3 ||
        spec.channels_last || !read_windows(n, &spec, w.dims + 2, transposed, args) ||
        !gpu_tensor_of(n->graph, n->in[0], &x) || !gpu_tensor_of(n->graph, n->out[0], &y) ||
        w.rank != x.rank || w.wide || w.dtype != x.dtype || !gpu_is_float(x.dtype) ||
        !set_activation(&spec, args))
        return false;
    const int64_t c = x.dims[1] / spec.group, m = y.dims[1] / spec.group;
    if (c * spec.group != x.dims[1] || m * spec.group != y.dims[1] || y.dims[0] != x.dims[0] ||
        w.dims[0] != (transposed ? x.dims[1] : y.dims[1]) || w.dims[1] != (transposed ? m : c))
        return false;
    args->op = transposed ? WINDOW_TRANSPOSED : WINDOW_PRODUCT;
    args->c = (uint32_t)c;
    args->m = (uint32_t)m;
    args->groups = (uint32_t)spec.group;
    if (has(n, 2) && (!gpu_tensor_of(n->graph, n->in[2], &t) || t.rank != 1 || t.dims[0] != y.dims[1] ||
                      t.dtype != x.dtype || t.wide))
        return false;
    if (has(n, 3) && (!gpu_tensor_of(n->graph, n->in[3], &t) || !is_same(&y, &t)))
        return false;
    args->flags = (has(n, 2) ? CONV_BIAS : 0) | (has(n, 3) ? CONV_SUM : 0);
    return true;
}

static bool conv_claims(const node_view *n)
{
    window_args args;
    return read_conv(n, &args);
}

static size_t pixels_of(const window_args *args)
{
    return (size_t)args->made[0] * args->made[1] * args->made[2];
}

/* Whether the convolution is made by tiles. */
static bool is_tiled(const window_args *args)
{
    const size_t pixels = pixels_of(args), per_word = args->type == SIB_F32 ? 1 : 2;
    const size_t deep = (size_t)args->c * args->taps[0] * args->taps[1] * args->taps[2];
    SIB_ASSERT(pixels && args->m); /* what is claimed has elements */
    return args->op == WINDOW_PRODUCT && pixels % per_word == 0 && deep >= DEEP_MIN &&
           args->m >= FEATURES_MIN && size_ceil_div(pixels, TILE_SIDE) <= GPU_MAX_GROUPS &&
           size_ceil_div(args->m, TILE_SIDE) <= GPU_MAX_GROUPS &&
           args->count / (pixels * args->m) <= GPU_MAX_GROUPS;
}

static bool conv_room(const node_view *n, gpu_finish_room *out)
{
    window_args args = {0};
    if (!read_conv(n, &args) || !is_tiled(&args))
        return false;
    const size_t pixels = pixels_of(&args);
    *out = (gpu_finish_room){.out = 4, .buffers = 1 << 5 | 1 << 6};
    out->buffers |= args.flags & CONV_BIAS ? 0 : 1 << 2;
    out->buffers |= args.flags & CONV_SUM ? 0 : 1 << 3;
    out->per_word = pixels % 4 == 0 ? 4 : pixels % 2 == 0 ? 2 : 1;
    return true;
}

static sib_code add_windows(const node_view *n, gpu_step *s, const window_args *args, sib_error *err)
{
    const gpu_operand x = {GPU_IN, 0, 0};
    gpu_operand operands[] = {x, x, x, x, {GPU_OUT, 0, 0}};
    for (size_t k = 1; k < 4; k++)
        if (has(n, k))
            operands[k].at = k;
    const size_t per_word = args->type == SIB_F32 ? 1 : gpu_is_float(args->type) ? 2 : 4;
    const size_t pixels = pixels_of(args);
    if (!is_tiled(args))
        return gpu_add_line(s, GPU_window, 5, operands, args,
                            size_ceil_div(args->count, WINDOW_THREADS * per_word), err);
    gpu_conv_args tiled = {args->type,  args->m,     args->c,   args->groups, (uint32_t)pixels,
                           args->flags, args->slope, args->low, args->high,   .size = {0}};
    memcpy(tiled.size, args->size, sizeof tiled.size);
    memcpy(tiled.taps, args->taps, sizeof tiled.taps);
    memcpy(tiled.stride, args->stride, sizeof tiled.stride);
    memcpy(tiled.dilation, args->dilation, sizeof tiled.dilation);
    memcpy(tiled.before, args->before, sizeof tiled.before);
    memcpy(tiled.made, args->made, sizeof tiled.made);
    return gpu_add(s, GPU_conv, 5, operands, &tiled, size_ceil_div(pixels, TILE_SIDE),
                   size_ceil_div(args->m, TILE_SIDE), args->count / (pixels * args->m), err);
}

static sib_code conv_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    window_args args = {0};
    read_conv(n, &args);
    return add_windows(n, s, &args, err);
}

const gpu_op gpu_conv = {.claims = conv_claims, .plan = conv_plan, .room = conv_room};

/* ---- Pools --------------------------------------------------------------------------------------------- */

static bool read_pool(const node_view *n, window_args *args)
{
    const pool_spec spec = spec_pool(n->node);
    const conv_spec windows = {.spatial = spec.spatial, .group = 1};
    const bool largest = str_is(n->node->type, "MaxPool"), norm = str_is(n->node->type, "LpPool");
    if (n->n_in != 1 || (n->n_out > 1 && n->out[1]) || spec.channels_last ||
        !read_windows(n, &windows, NULL, false, args))
        return false;
    args->slope = norm ? (float)spec.p : 1;
    args->op = largest                  ? WINDOW_LARGEST
               : norm                   ? WINDOW_NORM
               : spec.count_include_pad ? WINDOW_MEAN_PADDED
                                        : WINDOW_MEAN;
    return gpu_is_float(args->type) || (largest && (args->type == SIB_I8 || args->type == SIB_U8));
}

static bool pool_claims(const node_view *n)
{
    window_args args;
    return read_pool(n, &args);
}

static sib_code pool_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    window_args args = {0};
    read_pool(n, &args);
    return add_windows(n, s, &args, err);
}

const gpu_op gpu_pool = {.claims = pool_claims, .plan = pool_plan};
