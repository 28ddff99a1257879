/* Indices of extremes, running sums and products, and sorting along an axis. */
#include "backend/gpu/gpu.h"

/* Elements of a line that are compared with one another, and comparisons of a launch, at most. */
#define SORT_LINE_MAX 4096
#define SORT_WORK_MAX (INT64_C(1) << 30)

/* A tensor as [outer, n, inner] around an axis. */
typedef struct lines {
    gpu_tensor x;
    uint32_t count, n, inner; /* count: of lines */
} lines;

static bool read_lines(const node_view *n, int64_t axis, lines *l)
{
    size_t at;
    if (!gpu_tensor_of(n->graph, n->in[0], &l->x) || !spec_axis(axis, l->x.rank, &at))
        return false;
    l->n = (uint32_t)l->x.dims[at];
    l->count = (uint32_t)l->x.count / l->n;
    l->inner = 1;
    for (size_t i = at + 1; i < l->x.rank; i++)
        l->inner *= (uint32_t)l->x.dims[i];
    return true;
}

/* Threads that share a line, of at most `most`: those of lines that lie between one another read neighbours. */
static uint32_t lanes_of(const lines *l, uint32_t most)
{
    uint32_t lanes = 1;
    while (lanes < most && lanes * 4 <= l->n)
        lanes *= 2;
    return lanes;
}

/* ---- Extremes ------------------------------------------------------------------------------------------ */

static bool arg_claims(const node_view *n)
{
    lines l;
    return n->out[0] && read_lines(n, spec_arg(n->node).axis, &l) &&
           (gpu_is_float(l.x.dtype) || l.x.dtype == SIB_I32 || l.x.dtype == SIB_I8 || l.x.dtype == SIB_U8 ||
            l.x.dtype == SIB_BOOL);
}

static sib_code arg_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    lines l = {.n = 1};
    const arg_spec spec = spec_arg(n->node);
    read_lines(n, spec.axis, &l);
    const gpu_arg_args args = {.type = l.x.dtype,
                               .count = l.count,
                               .n = l.n,
                               .inner = l.inner,
                               .lanes = lanes_of(&l, ARG_THREADS),
                               .largest = n->node->milli->kind == MILLI_arg_max,
                               .last = spec.select_last_index};
    const gpu_operand operands[] = {{GPU_IN, 0, 0}, {GPU_OUT, 0, 0}};
    return gpu_add_line(s, GPU_arg, 2, operands, &args, size_ceil_div(l.count, ARG_THREADS / args.lanes),
                        err);
}

const gpu_op gpu_arg = {.claims = arg_claims, .plan = arg_plan};

/* ---- Running sums and products ------------------------------------------------------------------------- */

static bool running_claims(const node_view *n)
{
    lines l;
    return n->out[0] && read_lines(n, spec_arg(n->node).axis, &l) &&
           (l.x.dtype == SIB_F32 || l.x.dtype == SIB_I32);
}

static sib_code running_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    lines l = {.n = 1};
    read_lines(n, spec_arg(n->node).axis, &l);
    const gpu_running_args args = {.op = n->node->milli->kind == MILLI_cumulative_prod ? PAIR_PROD : PAIR_SUM,
                                   .type = l.x.dtype,
                                   .lines = l.count,
                                   .n = l.n,
                                   .inner = l.inner,
                                   .lanes = lanes_of(&l, RUNNING_THREADS)};
    const gpu_operand operands[] = {{GPU_IN, 0, 0}, {GPU_OUT, 0, 0}};
    return gpu_add_line(s, GPU_running, 2, operands, &args,
                        size_ceil_div(l.count, RUNNING_THREADS / args.lanes), err);
}

const gpu_op gpu_running = {.claims = running_claims, .plan = running_plan};

/* ---- Sorting ------------------------------------------------------------------------------------------- */

static bool sort_claims(const node_view *n)
{
    lines l;
    return read_lines(n, spec_top_k(n->node).axis, &l) && !l.x.wide &&
           (l.x.dtype == SIB_F32 || l.x.dtype == SIB_I32) && l.n <= SORT_LINE_MAX &&
           (int64_t)l.x.count * l.n <= SORT_WORK_MAX;
}

static sib_code sort_plan(const node_view *n, gpu_step *s, sib_error *err)
{
    lines l = {.n = 1};
    const top_k_spec spec = spec_top_k(n->node);
    const bool values = n->out[0], indices = n->n_out > 1 && n->out[1];
    read_lines(n, spec.axis, &l);
    const gpu_sort_args args = {.type = l.x.dtype,
                                .count = (uint32_t)l.x.count,
                                .n = l.n,
                                .inner = l.inner,
                                .descending = spec.largest,
                                .wanted = (values ? SORT_VALUES : 0) | (indices ? SORT_INDICES : 0)};
    const gpu_operand operands[] = {{GPU_IN, 0, 0}, {GPU_OUT, !values, 0}, {GPU_OUT, indices, 0}};
    return gpu_add_line(s, GPU_sort, 3, operands, &args, size_ceil_div(l.x.count, SORT_THREADS), err);
}

const gpu_op gpu_sort = {.claims = sort_claims, .plan = sort_plan};
