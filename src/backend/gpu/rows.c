/* Operators that normalize along axes, as launches of the kernel `rows`. */
#include "backend/gpu/gpu.h"
#include "base/assert.h"

/* Lines that lie between one another get a thread each where that makes so many. */
#define THREADS_ENOUGH 16384

/* Fills the rest of args from op, n and inner. Returns false where x and y are not floats of one type, or their
   words would hold elements of two lines. */
static bool set_lines(const node_view *n, gpu_rows_args *args)
{
    gpu_tensor x, y;
    if (!gpu_tensor_of(n->graph, n->in[0], &x) || !gpu_tensor_of(n->graph, n->out[0], &y) ||
        !gpu_is_float(x.dtype) || x.wide || y.wide || y.dtype != x.dtype)
        return false;
    const uint32_t unit = x.dtype == SIB_F32 ? 1 : 2;
    args->type = x.dtype;
    args->lanes = args->groups = args->each = 1;
    args->lines = (uint32_t)(y.count / args->n);
    while (args->lanes < ROWS_THREADS && args->lanes * 4 * unit <= args->n &&
           (args->inner == 1 || args->lines * args->lanes < THREADS_ENOUGH))
        args->lanes *= 2;
    if ((size_t)args->n * (ROWS_THREADS / args->lanes) <= ROWS_CACHE)
        args->flags |= ROWS_CACHED;
    return unit == 1 || (args->inner == 1 && args->n % unit == 0);
}

/* Numbers of the inputs that x is scaled by and shifted by, and of those that are added to it first. */
typedef struct parameters {
    size_t scale, bias, skip, shift;
} parameters;

static gpu_operand input_if(bool used, size_t k)
{
    return (gpu_operand){GPU_IN, used ? k : 0, 0};
}

static sib_code add_rows(gpu_step *s, const gpu_rows_args *args, parameters p, sib_error *err)
{
    const uint32_t flags = args->flags;
    const bool skips = flags & ROWS_SKIP;
    const size_t inverse = args->op == ROWS_RMS && !skips ? 1 : 2;
    SIB_ASSERT(args->lanes >= 1); /* what is not claimed is not added */
    const gpu_operand operands[] = {input_if(true, 0),
                                    input_if(flags & ROWS_SCALE, p.scale),
                                    input_if(flags & ROWS_BIAS, p.bias),
                                    {GPU_OUT, 0, 0},
                                    {GPU_OUT,
                                     flags & ROWS_SUM    ? 3
                                     : flags & ROWS_MEAN ? 1
                                                         : 0,
                                     0},
                                    {GPU_OUT, flags & ROWS_INVERSE ? inverse : 0, 0},
                                    input_if(skips, p.skip),
                                    input_if(flags & ROWS_SHIFT, p.shift)};
    return gpu_add_line(s, GPU_rows, 8, operands, args,
                        size_ceil_div(args->lines, ROWS_THREADS / args->lanes), err);
}

/* The product of dims [begin, end) of a tensor. */
static uint32_t product(const gpu_tensor *t, size_t begin, size_t end)
{
    uint32_t all = 1;
    for (size_t i = begin; i < end; i++)
        all *= (uint32_t)t->dims[i];
    return all;
}

/* ---- Softmax ------------------------------------------------------------------------------------------- */

static bool read_softmax(const node_view *n, gpu_rows_args *args)
{
    const softmax_spec spec = spec_softmax(n->node);
    gpu_tensor x;
    size_t begin, end;
    if (!gpu_tensor_of(n->graph, n->in[0], &x) || !spec_softmax_axes(&spec, x.rank, &begin, &end))
        return false;
    *args = (gpu_rows_args){.op = str_is(n->node->type, "LogSoftmax") ? ROWS_LOG_SOFTMAX : ROWS_SOFTMAX,
                            .n = product(&x, begin, end),
                            .inner = product(&x, end, x.rank)};
    return set_lines(n, args);
}

static bool softmax_claims(const node_view *n)
{
    gpu_rows_args args;
    return read_softmax(n, &args);
}

static sib_code softmax_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_rows_args args = {.lanes = 1};
    read_softmax(n, &args);
    return add_rows(s, &args, (parameters){0}, err);
}

const gpu_op gpu_softmax = {.claims = softmax_claims, .plan = softmax_plan};

/* ---- Norms --------------------------------------------------------------------------------------------- */

/* Whether input k holds a scale or bias for elements `axes` on: its dims are those of x from there on, those
   before are 1 or missing. */
static bool is_tail(const node_view *n, size_t k, const gpu_tensor *x, size_t first)
{
    gpu_tensor t;
    if (!gpu_tensor_of(n->graph, n->in[k], &t) || t.dtype != x->dtype || t.wide || t.rank > x->rank)
        return false;
    for (size_t i = 0; i < x->rank; i++)
        if ((i + t.rank < x->rank ? 1 : t.dims[i + t.rank - x->rank]) != (i < first ? 1 : x->dims[i]))
            return false;
    return true;
}

static bool has(const node_view *n, size_t k)
{
    return k < n->n_in && n->in[k];
}

/* LayerNormalization, RMSNormalization and SimplifiedLayerNormalization: over the last axes. */
static bool read_tail(const node_view *n, gpu_rows_args *args)
{
    const norm_spec spec = spec_norm(n->node);
    const bool centred = str_is(n->node->type, "LayerNormalization");
    gpu_tensor x, t;
    size_t first;
    if (n->n_in < 2 || !n->out[0] || !gpu_tensor_of(n->graph, n->in[0], &x) ||
        !spec_axis(spec.axis, x.rank, &first) || !is_tail(n, 1, &x, first) ||
        (has(n, 2) && !is_tail(n, 2, &x, first)))
        return false;
    *args = (gpu_rows_args){.op = centred ? ROWS_NORM : ROWS_RMS,
                            .n = product(&x, first, x.rank),
                            .inner = 1,
                            .flags = ROWS_SCALE,
                            .epsilon = (float)spec.epsilon};
    for (size_t i = 1; i < n->n_out; i++) {
        if (!n->out[i])
            continue;
        if (i > (centred ? 2 : 1) || !gpu_tensor_of(n->graph, n->out[i], &t) || t.dtype != SIB_F32 || t.wide)
            return false;
        args->flags |= centred && i == 1 ? ROWS_MEAN : ROWS_INVERSE;
    }
    if (has(n, 2))
        args->flags |= ROWS_BIAS;
    return set_lines(n, args);
}

/* InstanceNormalization and GroupNormalization: a line is the channels of a group of an image. */
static bool read_groups(const node_view *n, gpu_rows_args *args)
{
    const norm_spec spec = spec_norm(n->node);
    const bool instances = str_is(n->node->type, "InstanceNormalization");
    const bool each = instances || n->node->version >= 21; /* scale and bias are per channel, not per group */
    gpu_tensor x, t;
    if (n->n_in != 3 || !gpu_tensor_of(n->graph, n->in[0], &x) || x.rank < 2)
        return false;
    const int64_t groups = instances ? x.dims[1] : spec.num_groups;
    if (groups < 1 || x.dims[1] % groups)
        return false;
    for (size_t k = 1; k < 3; k++)
        if (!gpu_tensor_of(n->graph, n->in[k], &t) || t.dtype != x.dtype || t.wide ||
            (int64_t)t.count != (each ? x.dims[1] : groups))
            return false;
    const uint32_t plane = product(&x, 2, x.rank), channels = (uint32_t)(x.dims[1] / groups);
    *args = (gpu_rows_args){.op = ROWS_NORM,
                            .n = channels * plane,
                            .inner = 1,
                            .flags = ROWS_SCALE | ROWS_BIAS,
                            .epsilon = (float)spec.epsilon};
    const bool holds = set_lines(n, args);
    args->groups = (uint32_t)groups;
    args->group_step = each ? channels : 1;
    args->each = each ? plane : args->n;
    return holds;
}

static bool read_norm(const node_view *n, gpu_rows_args *args)
{
    const bool groups =
        str_is(n->node->type, "InstanceNormalization") || str_is(n->node->type, "GroupNormalization");
    return groups ? read_groups(n, args) : read_tail(n, args);
}

static bool norm_claims(const node_view *n)
{
    gpu_rows_args args;
    return read_norm(n, &args);
}

static sib_code norm_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_rows_args args = {.lanes = 1};
    read_norm(n, &args);
    return add_rows(s, &args, (parameters){.scale = 1, .bias = 2}, err);
}

const gpu_op gpu_norm = {.claims = norm_claims, .plan = norm_plan};

/* ---- Norms of sums ------------------------------------------------------------------------------------- */

static bool is_centred(const node_view *n)
{
    return str_is(n->node->type, "SkipLayerNormalization");
}

/* Whether input k is float32 that makes y by being repeated: its dims are the last of y, with ones before. */
static bool repeats(const node_view *n, size_t k, const gpu_tensor *y, uint32_t *count)
{
    gpu_tensor t;
    bool behind = false;
    if (!has(n, k) || !gpu_tensor_of(n->graph, n->in[k], &t) || t.dtype != SIB_F32 || t.wide ||
        t.rank > y->rank)
        return false;
    for (size_t i = 0; i < t.rank; i++) {
        const int64_t size = y->dims[y->rank - t.rank + i];
        if (t.dims[i] != size && (behind || t.dims[i] != 1))
            return false;
        behind |= t.dims[i] != 1;
    }
    *count = (uint32_t)t.count;
    return true;
}

/* com.microsoft SkipLayerNormalization and SkipSimplifiedLayerNormalization: of input + skip + bias. */
static bool read_skip(const node_view *n, gpu_rows_args *args)
{
    const bool centred = is_centred(n);
    const size_t shift = centred ? 4 : 3;
    gpu_tensor y;
    uint32_t x_count, skip_count, list;
    if (!n->out[0] || !gpu_tensor_of(n->graph, n->out[0], &y) || !y.rank || y.dtype != SIB_F32 || y.wide ||
        !repeats(n, 0, &y, &x_count) || !repeats(n, 1, &y, &skip_count))
        return false;
    *args = (gpu_rows_args){.op = centred ? ROWS_NORM : ROWS_RMS,
                            .n = (uint32_t)y.dims[y.rank - 1],
                            .inner = 1,
                            .flags = ROWS_SKIP | ROWS_SCALE | (centred && has(n, 3) ? ROWS_BIAS : 0) |
                                     (has(n, shift) ? ROWS_SHIFT : 0),
                            .x_count = x_count,
                            .skip_count = skip_count,
                            .epsilon = (float)spec_norm(n->node).epsilon};
    for (size_t k = 2; k < n->n_in; k++)
        if (has(n, k) && (!repeats(n, k, &y, &list) || list != args->n))
            return false;
    for (size_t i = 1; i < n->n_out; i++)
        if (n->out[i] && i != 3)
            return false;
    if (n->n_out > 3 && n->out[3])
        args->flags |= ROWS_SUM;
    return has(n, 2) && set_lines(n, args);
}

static bool skip_claims(const node_view *n)
{
    gpu_rows_args args;
    return read_skip(n, &args);
}

static sib_code skip_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_rows_args args = {.lanes = 1};
    read_skip(n, &args);
    return add_rows(s, &args, (parameters){.scale = 2, .bias = 3, .skip = 1, .shift = is_centred(n) ? 4 : 3},
                    err);
}

const gpu_op gpu_skip_norm = {.claims = skip_claims, .plan = skip_plan};

/* ---- Mean and variance --------------------------------------------------------------------------------- */

/* MeanVarianceNormalization over axes that are neighbours, but for axes of size 1. What its definition adds to the
   deviation is added to the variance. */
static bool read_mean_variance(const node_view *n, gpu_rows_args *args)
{
    static const int64_t usual[] = {0, 2, 3};
    const spec_ints given = spec_mean_variance(n->node).axes;
    bool reduced[SIB_MAX_RANK] = {false};
    gpu_tensor x;
    size_t axis, first = SIB_MAX_RANK, last = 0;
    if (!gpu_tensor_of(n->graph, n->in[0], &x))
        return false;
    for (size_t i = 0; i < (given.n ? given.n : 3); i++) {
        if (!spec_axis(given.n ? given.v[i] : usual[i], x.rank, &axis))
            return false;
        reduced[axis] = true;
    }
    for (size_t i = 0; i < x.rank; i++)
        if (reduced[i] && x.dims[i] > 1) {
            first = size_min(first, i);
            last = i + 1;
        }
    for (size_t i = first; i < last; i++)
        if (!reduced[i] && x.dims[i] > 1)
            return false;
    if (first >= last)
        return false;
    *args = (gpu_rows_args){.op = ROWS_NORM,
                            .n = product(&x, first, last),
                            .inner = product(&x, last, x.rank),
                            .epsilon = 1e-18f};
    return set_lines(n, args);
}

static bool mean_variance_claims(const node_view *n)
{
    gpu_rows_args args;
    return read_mean_variance(n, &args);
}

static sib_code mean_variance_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_rows_args args = {.lanes = 1};
    read_mean_variance(n, &args);
    return add_rows(s, &args, (parameters){0}, err);
}

const gpu_op gpu_mean_variance = {.claims = mean_variance_claims, .plan = mean_variance_plan};
