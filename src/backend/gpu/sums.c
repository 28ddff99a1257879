/* Matrix products and reductions. */
#include "backend/gpu/gpu.h"

/* ---- Products ------------------------------------------------------------------------------------------ */

/* Steps of an operand between batches, along an axis of the batch. */
static size_t batch_step(const gpu_tensor *t, size_t rank, size_t axis)
{
    size_t apart = (size_t)t->dims[t->rank - 2] * (size_t)t->dims[t->rank - 1];
    if (axis + t->rank < rank || t->dims[axis + t->rank - rank] == 1)
        return 0;
    for (size_t i = axis + t->rank - rank + 1; i + 2 < t->rank; i++)
        apart *= (size_t)t->dims[i];
    return apart;
}

/* Merges the leading axes of the result into two, each with one step of either operand. Returns false where
   more are needed. */
static bool set_batches(gpu_matmul_args *args, const gpu_tensor *a, const gpu_tensor *b,
                        const gpu_tensor *out, size_t *batches)
{
    size_t sizes[2] = {1, 1}, steps[2][2] = {{0}}, n = 0; /* from the fastest axis on */
    for (size_t i = out->rank - 2; i-- > 0;) {
        const size_t size = (size_t)out->dims[i], x = batch_step(a, out->rank, i),
                     y = batch_step(b, out->rank, i);
        if (size == 1)
            continue;
        if (n && x == steps[n - 1][0] * sizes[n - 1] && y == steps[n - 1][1] * sizes[n - 1]) {
            sizes[n - 1] *= size;
            continue;
        }
        if (n == 2)
            return false;
        sizes[n] = size;
        steps[n][0] = x;
        steps[n++][1] = y;
    }
    args->inner = (uint32_t)sizes[0];
    args->a_inner = (uint32_t)steps[0][0];
    args->b_inner = (uint32_t)steps[0][1];
    args->a_outer = (uint32_t)steps[1][0];
    args->b_outer = (uint32_t)steps[1][1];
    *batches = sizes[0] * sizes[1];
    return *batches <= GPU_MAX_GROUPS;
}

static bool product(const node_view *n, gpu_matmul_args *args, size_t *batches)
{
    gpu_tensor a, b, out;
    if (!gpu_tensor_of(n->graph, n->in[0], &a) || !gpu_tensor_of(n->graph, n->in[1], &b) ||
        !gpu_tensor_of(n->graph, n->out[0], &out) || a.rank < 2 || b.rank < 2 || a.dtype != out.dtype ||
        b.dtype != out.dtype)
        return false;
    *args = (gpu_matmul_args){.type = out.dtype,
                              .m = (uint32_t)a.dims[a.rank - 2],
                              .n = (uint32_t)b.dims[b.rank - 1],
                              .k = (uint32_t)a.dims[a.rank - 1],
                              .a_row = (uint32_t)a.dims[a.rank - 1],
                              .a_column = 1,
                              .b_row = (uint32_t)b.dims[b.rank - 1],
                              .b_column = 1};
    const bool narrow = out.dtype == SIB_F16 || out.dtype == SIB_BF16;
    return (out.dtype == SIB_F32 || (narrow && args->n % 2 == 0)) &&
           set_batches(args, &a, &b, &out, batches) && size_ceil_div(args->m, TILE_SIDE) <= GPU_MAX_GROUPS &&
           size_ceil_div(args->n, TILE_SIDE) <= GPU_MAX_GROUPS;
}

static bool matmul_claims(const node_view *n)
{
    gpu_matmul_args args;
    size_t batches;
    return product(n, &args, &batches);
}

static sib_code matmul_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_matmul_args args = {0};
    size_t batches = 0;
    product(n, &args, &batches);
    const gpu_operand operands[] = {{GPU_IN, 0, 0}, {GPU_IN, 1, 0}, {GPU_OUT, 0, 0}};
    return gpu_add(s, GPU_matmul, 3, operands, &args, size_ceil_div(args.n, TILE_SIDE),
                   size_ceil_div(args.m, TILE_SIDE), batches, err);
}

const gpu_op gpu_matmul = {.claims = matmul_claims, .plan = matmul_plan};

/* ---- Reductions ---------------------------------------------------------------------------------------- */

/* The axes of the node as one, in the middle of three. Returns false where they are not neighbours. */
static bool reduction(const node_view *n, gpu_reduce_args *args)
{
    gpu_tensor from, to;
    const reduce_spec spec = spec_reduce(n->node);
    bool reduced[SIB_MAX_RANK] = {false};
    size_t first = 0, last;
    if (!gpu_tensor_of(n->graph, n->in[0], &from) || !gpu_tensor_of(n->graph, n->out[0], &to) ||
        from.dtype != SIB_F32 || !spec.axes.n)
        return false;
    for (size_t i = 0; i < spec.axes.n; i++)
        reduced[spec.axes.v[i]] = true;
    while (!reduced[first])
        first++;
    last = first;
    while (last < from.rank && reduced[last])
        last++;
    if (last - first != spec.axes.n)
        return false;
    *args = (gpu_reduce_args){.op = (uint32_t)(n->node->milli->kind - MILLI_reduce_sum),
                              .count = (uint32_t)to.count,
                              .n = (uint32_t)(from.count / to.count),
                              .inner = 1,
                              .lanes = 1};
    for (size_t i = last; i < from.rank; i++)
        args->inner *= (uint32_t)from.dims[i];
    while (args->lanes < REDUCE_THREADS && args->lanes * 4 <= args->n)
        args->lanes *= 2;
    return true;
}

static bool reduce_claims(const node_view *n)
{
    gpu_reduce_args args;
    return reduction(n, &args);
}

static sib_code reduce_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    gpu_reduce_args args = {.lanes = 1};
    reduction(n, &args);
    const gpu_operand operands[] = {{GPU_IN, 0, 0}, {GPU_OUT, 0, 0}};
    return gpu_add_line(s, GPU_reduce, 2, operands, &args,
                        size_ceil_div(args.count, REDUCE_THREADS / args.lanes), err);
}

const gpu_op gpu_reduce = {.claims = reduce_claims, .plan = reduce_plan};
