/* Rotary position embeddings of both domains, as launches of the kernel `rotary`. */
#include "backend/gpu/step.h"

typedef struct rotation {
    gpu_rotary_args args;
    size_t cosine, sine, positions; /* numbers of inputs */
    gpu_indices indices;            /* count 0: none */
} rotation;

/* Reads the caches [P, half] at positions [batch, steps], or without these [batch, steps, half]. */
static bool read_rows(const node_view *n, rotation *r, int64_t batch, int64_t half)
{
    gpu_tensor cosine, sine, at;
    const int64_t steps = r->args.steps;
    if (!gpu_tensor_of(n->graph, n->in[r->cosine], &cosine) ||
        !gpu_tensor_of(n->graph, n->in[r->sine], &sine) || cosine.dtype != (sib_dtype)r->args.type ||
        sine.dtype != cosine.dtype || cosine.rank != sine.rank || cosine.count != sine.count || cosine.wide ||
        sine.wide || cosine.dims[cosine.rank - 1] != half || sine.dims[sine.rank - 1] != half)
        return false;
    if (r->positions >= n->n_in || !n->in[r->positions])
        return cosine.rank == 3 && cosine.dims[0] == batch && cosine.dims[1] == steps;
    if (!gpu_tensor_of(n->graph, n->in[r->positions], &at) || at.dtype != SIB_I64 || at.rank != 2 ||
        at.dims[0] != batch || at.dims[1] != steps || cosine.rank != 2)
        return false;
    r->args.positions = 1;
    r->indices = (gpu_indices){
        .input = r->positions, .count = at.count, .depth = 1, .dtype = SIB_I64, .sizes = {cosine.dims[0]}};
    return gpu_indices_hold(&r->indices, n);
}

static bool read_rotary(const node_view *n, rotation *r)
{
    gpu_tensor x, cosine;
    const rotary_spec spec = spec_rotary(n->node);
    const bool own = !n->node->domain.length; /* ONNX's: x, cos, sin, positions */
    *r = own ? (rotation){.cosine = 1, .sine = 2, .positions = 3}
             : (rotation){.cosine = 2, .sine = 3, .positions = 1};
    if (!gpu_tensor_of(n->graph, n->in[0], &x) || !gpu_is_float(x.dtype) || x.wide ||
        (x.rank != 3 && x.rank != 4) || spec.scale != 1 ||
        !gpu_tensor_of(n->graph, n->in[r->cosine], &cosine) || !cosine.rank)
        return false;
    const int64_t width = 2 * cosine.dims[cosine.rank - 1];
    const int64_t heads = x.rank == 4          ? x.dims[1]
                          : spec.num_heads > 0 ? spec.num_heads
                          : own                ? 0
                                               : x.dims[2] / width;
    const int64_t d = x.rank == 4 ? x.dims[3] : heads ? x.dims[2] / heads : 0;
    if (heads < 1 || (x.rank == 3 && x.dims[2] % heads) || width > d ||
        width != (spec.rotary_embedding_dim > 0 ? spec.rotary_embedding_dim
                  : own                         ? d
                                                : width))
        return false;
    r->args = (gpu_rotary_args){.type = x.dtype,
                                .count = (uint32_t)x.count,
                                .d = (uint32_t)d,
                                .half_d = (uint32_t)width / 2,
                                .heads = (uint32_t)heads,
                                .steps = (uint32_t)x.dims[x.rank == 4 ? 2 : 1],
                                .packed_heads = x.rank == 3,
                                .interleaved = spec.interleaved};
    return (x.dtype == SIB_F32 || x.count % 2 == 0) && read_rows(n, r, x.dims[0], width / 2);
}

static bool claims(const node_view *n)
{
    rotation r;
    return read_rotary(n, &r);
}

static sib_code plan(const node_view *n, gpu_step *s, sib_error *err)
{
    rotation r;
    read_rotary(n, &r);
    s->indices = r.indices;
    const gpu_operand operands[] = {{GPU_IN, 0, 0},
                                    {GPU_IN, r.cosine, 0},
                                    {GPU_IN, r.sine, 0},
                                    {GPU_OUT, 0, 0},
                                    {GPU_IN, r.args.positions ? r.positions : 0, 0}};
    return gpu_add_line(s, GPU_rotary, 5, operands, &r.args,
                        size_ceil_div(r.args.count, ROTARY_THREADS * ROTARY_ELEMENTS), err);
}

const gpu_op gpu_rotary = {.claims = claims, .plan = plan};
