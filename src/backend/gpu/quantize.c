/* QuantizeLinear and DynamicQuantizeLinear to bytes, as launches of the kernels `quantize` and `reduce`. */
#include "backend/gpu/gpu.h"

enum { IN_X, IN_SCALE, IN_ZERO };

static sib_code add(gpu_step *s, size_t n, const gpu_operand *operands, const gpu_quantize_args *args,
                    sib_error *err)
{
    return gpu_add_line(s, GPU_quantize, n, operands, args,
                        size_ceil_div(args->count, (size_t)QUANTIZE_THREADS * 4), err);
}

/* ---- With given scales --------------------------------------------------------------------------------- */

/* Reads a parameter: one number, one for each place of the axis, or one a block. *each: whether there are several. */
static bool read_parameter(const node_view *n, size_t k, const gpu_tensor *x, size_t axis,
                           const gpu_quantize_args *args, uint32_t *each)
{
    gpu_tensor t;
    if (!gpu_tensor_of(n->graph, n->in[k], &t) || t.wide)
        return false;
    *each = t.count > 1;
    if (args->flags & QUANTIZE_BLOCKS) {
        bool fits = t.rank == x->rank && *each;
        for (size_t i = 0; i < t.rank && fits; i++)
            fits = t.dims[i] == (i == axis ? (int64_t)args->blocks : x->dims[i]);
        return fits;
    }
    return t.rank <= 1 && (!*each || t.count == args->size);
}

static bool read_quantize(const node_view *n, gpu_quantize_args *args)
{
    gpu_tensor x, scale, y;
    const quantize_spec spec = spec_quantize(n->node);
    size_t axis = 0;
    if (!n->out[0] || !gpu_tensor_of(n->graph, n->in[IN_X], &x) || !gpu_is_float(x.dtype) || x.wide ||
        !gpu_tensor_of(n->graph, n->in[IN_SCALE], &scale) || !gpu_is_float(scale.dtype) || scale.wide ||
        !gpu_tensor_of(n->graph, n->out[0], &y) || (y.dtype != SIB_U8 && y.dtype != SIB_I8))
        return false;
    const bool has_axis = x.rank == 1 || spec_axis(spec.axis, x.rank, &axis);
    const sib_dtype precision = spec.precision ? (sib_dtype)spec.precision : scale.dtype;
    if ((!has_axis && (scale.count > 1 || spec.block_size)) || !gpu_is_float(precision))
        return false;
    *args = (gpu_quantize_args){.type = x.dtype,
                                .wide = precision,
                                .scale_type = scale.dtype,
                                .to = y.dtype,
                                .count = (uint32_t)x.count,
                                .flags = (spec.block_size ? QUANTIZE_BLOCKS : 0) |
                                         (gpu_has(n, IN_ZERO) ? QUANTIZE_ZERO : 0),
                                .size = has_axis && x.rank ? (uint32_t)x.dims[axis] : 1,
                                .inner = 1,
                                .block = spec.block_size ? (uint32_t)spec.block_size : 1};
    for (size_t i = axis + 1; i < x.rank && has_axis; i++)
        args->inner *= (uint32_t)x.dims[i];
    args->blocks = (uint32_t)size_ceil_div(args->size, args->block);
    return read_parameter(n, IN_SCALE, &x, axis, args, &args->scales) &&
           (!gpu_has(n, IN_ZERO) || (n->in[IN_ZERO]->type.dtype == y.dtype &&
                                     read_parameter(n, IN_ZERO, &x, axis, args, &args->zeros)));
}

static bool quantize_claims(const node_view *n)
{
    gpu_quantize_args args;
    return read_quantize(n, &args);
}

static sib_code quantize_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_quantize_args args = {0};
    read_quantize(n, &args);
    const gpu_operand operands[] = {{GPU_IN, IN_X, 0},
                                    {GPU_IN, IN_SCALE, 0},
                                    {GPU_IN, gpu_has(n, IN_ZERO) ? IN_ZERO : IN_SCALE, 0},
                                    {GPU_OUT, 0, 0}};
    return add(s, 4, operands, &args, err);
}

const gpu_op gpu_quantize = {.claims = quantize_claims, .plan = quantize_plan};

/* ---- With the scale of a range ------------------------------------------------------------------------- */

static bool range_claims(const node_view *n)
{
    gpu_tensor x;
    return n->n_out == 3 && n->out[0] && n->out[1] && n->out[2] && gpu_tensor_of(n->graph, n->in[IN_X], &x) &&
           x.dtype == SIB_F32 && !x.wide;
}

static sib_code range_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_tensor x;
    gpu_tensor_of(n->graph, n->in[IN_X], &x);
    const gpu_quantize_args args = {.type = SIB_F32,
                                    .wide = SIB_F32,
                                    .to = SIB_U8,
                                    .count = (uint32_t)x.count,
                                    .flags = QUANTIZE_RANGE,
                                    .size = 1,
                                    .inner = 1};
    const gpu_operand own = {GPU_IN, IN_X, 0}, low = gpu_scratch(s, 1), high = gpu_scratch(s, 1);
    gpu_reduce_args reduce = {
        .op = PAIR_MIN, .count = 1, .n = (uint32_t)x.count, .inner = 1, .lanes = REDUCE_THREADS};
    sib_code code = gpu_add_line(s, GPU_reduce, 2, (const gpu_operand[]){own, low}, &reduce, 1, err);
    reduce.op = PAIR_MAX;
    if (code == SIB_OK)
        code = gpu_add_line(s, GPU_reduce, 2, (const gpu_operand[]){own, high}, &reduce, 1, err);
    const gpu_operand operands[] = {own, low, high, {GPU_OUT, 0, 0}, {GPU_OUT, 1, 0}, {GPU_OUT, 2, 0}};
    return code == SIB_OK ? add(s, 6, operands, &args, err) : code;
}

const gpu_op gpu_quantize_range = {.claims = range_claims, .plan = range_plan};
