/* Operators that normalize along axes, as launches of the kernel `rows`. */
#include "backend/gpu/gpu.h"

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
    args->lines = (uint32_t)(x.count / args->n);
    while (args->lanes < ROWS_THREADS && args->lanes * 4 * unit <= args->n &&
           (args->inner == 1 || args->lines * args->lanes < THREADS_ENOUGH))
        args->lanes *= 2;
    if ((size_t)args->n * (ROWS_THREADS / args->lanes) <= ROWS_CACHE)
        args->flags |= ROWS_CACHED;
    return unit == 1 || (args->inner == 1 && args->n % unit == 0);
}

static sib_code add_rows(gpu_step *s, const gpu_rows_args *args, sib_error *err)
{
    const gpu_operand x = {GPU_IN, 0, 0}, y = {GPU_OUT, 0, 0};
    const bool mean = args->flags & ROWS_MEAN, inverse = args->flags & ROWS_INVERSE;
    const gpu_operand operands[] = {x,
                                    args->flags & ROWS_SCALE ? (gpu_operand){GPU_IN, 1, 0} : x,
                                    args->flags & ROWS_BIAS ? (gpu_operand){GPU_IN, 2, 0} : x,
                                    y,
                                    mean ? (gpu_operand){GPU_OUT, 1, 0} : y,
                                    inverse ? (gpu_operand){GPU_OUT, args->op == ROWS_RMS ? 1 : 2, 0} : y};
    return gpu_add_line(s, GPU_rows, 6, operands, args,
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
    return add_rows(s, &args, err);
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
    return add_rows(s, &args, err);
}

const gpu_op gpu_norm = {.claims = norm_claims, .plan = norm_plan};
