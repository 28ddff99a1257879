/* Products whose weights are widened by a Cast, DequantizeLinear or DequantizeBlocks: large weights stay narrow, in the
   file and in memory, and are widened inside the product (ai.sibyl NarrowMatMul, MatMulBlocks). Small ones are left to
   constant folding. */
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/tensor.h"

/* Min elements of weights for which reading the wide ones takes longer than widening. */
#define NARROW_MIN 65536

typedef struct narrow {
    value_id weights, scale, zero; /* NO_VALUE: none */
    int64_t block;                 /* 0: none */
    sib_str format;                /* of ggml's blocks; empty: none */
    const node *widens;
} narrow;

static bool read_cast(const matcher *m, const node *n, narrow *out)
{
    sib_dtype dtype = match_dtype(m, node_in(n, 0));
    *out = (narrow){.weights = node_in(n, 0), .scale = NO_VALUE, .zero = NO_VALUE, .widens = n};
    return (dtype == SIB_F16 || dtype == SIB_BF16) && match_dtype(m, node_out(n, 0)) == SIB_F32;
}

static bool is_parameter(const matcher *m, value_id v, int rank)
{
    const sib_tensor *t = match_constant(m, v);
    return t && ((int)t->rank == rank || (rank == 1 && t->count == 1));
}

/* columns: the weights' axis of output columns. */
static bool read_dequantize(const matcher *m, const node *n, int columns, narrow *out)
{
    quantize_spec spec = spec_quantize(n);
    *out = (narrow){.weights = node_in(n, 0),
                    .scale = node_in(n, 1),
                    .zero = node_in(n, 2),
                    .block = spec.block_size,
                    .widens = n};
    sib_dtype dtype = match_dtype(m, out->weights);
    bool whole = dtype == SIB_I8 || dtype == SIB_U8 || dtype == SIB_I4 || dtype == SIB_U4;
    int64_t axis = spec.axis;
    const sib_tensor *scale = match_constant(m, out->scale);
    axis += axis < 0 ? 2 : 0;
    if (!whole || !scale || scale->dtype != SIB_F32 || match_dtype(m, node_out(n, 0)) != SIB_F32 ||
        (out->zero != NO_VALUE && !is_parameter(m, out->zero, out->block ? 2 : 1)))
        return false;
    if (out->block)
        return axis != columns && out->block > 0 && is_parameter(m, out->scale, 2);
    return is_parameter(m, out->scale, 1) && (scale->count == 1 || axis == columns);
}

/* Blocks along the terms of the product: those of its rows of output columns. */
static bool read_blocks(const node *n, bool transposed, narrow *out)
{
    blocks_spec spec = spec_blocks(n);
    *out = (narrow){
        .weights = node_in(n, 0), .scale = NO_VALUE, .zero = NO_VALUE, .format = spec.format, .widens = n};
    return spec.transposed != transposed;
}

/* Reads the weights of product n. transposed: B is. */
static bool read_weights(const matcher *m, const node *n, bool transposed, narrow *out)
{
    const node *widens = match_maker(m, node_in(n, 1));
    bool found = match_op(widens, "Cast") ? read_cast(m, widens, out)
                 : match_op(widens, "DequantizeLinear") || match_ms(widens, "DequantizeLinear")
                     ? read_dequantize(m, widens, transposed ? 0 : 1, out)
                 : match_sibyl(widens, "DequantizeBlocks") ? read_blocks(widens, transposed, out)
                                                           : false;
    const sib_tensor *w = found ? match_constant(m, out->weights) : NULL;
    /* blocks are slow to decode by themselves */
    return w && w->rank == 2 && (w->count >= NARROW_MIN || out->format.length) && w->dense;
}

/* Gemm with A not transposed, alpha and beta 1. */
static bool is_plain_gemm(const node *n)
{
    gemm_spec spec = spec_gemm(n);
    return match_op(n, "Gemm") && !spec.transA && spec.alpha == 1 && spec.beta == 1;
}

static sib_code replace(matcher *m, const node *n, const narrow *w, bool transposed)
{
    value_id in[4] = {node_in(n, 0), w->weights, w->scale, w->zero}, out = node_out(n, 0), sum[2],
             product = out;
    uint32_t n_in = w->zero != NO_VALUE ? 4 : w->scale != NO_VALUE ? 3 : 2;
    bool added = n->inputs.n > 2 && n->inputs.ids[2] != NO_VALUE;
    bool blocks = w->format.length > 0;
    attribute attributes[2] = {match_int("transB", transposed), match_int("block_size", w->block)},
              format = {.name = str_of("format"), .kind = ATTR_STRING, .s = w->format};
    node made[2] = {match_node("ai.sibyl", blocks ? "MatMulBlocks" : "NarrowMatMul", 1, n),
                    match_node("", "Add", n->version, n)};
    match_nodes old = {0};
    sib_code code = SIB_OK;
    match_add(&old, m, n);
    if (added)
        code = patch_value(m->patch, (sib_str){"", 0}, &m->g->values[out].type, &product, m->err);
    made[0].inputs = (id_list){n_in, in};
    made[0].outputs = (id_list){1, &product};
    made[0].attributes = blocks ? &format : attributes;
    made[0].n_attributes = blocks ? 1 : 2;
    sum[0] = product;
    sum[1] = added ? n->inputs.ids[2] : NO_VALUE;
    made[1].inputs = (id_list){2, sum};
    made[1].outputs = (id_list){1, &out};
    return code == SIB_OK ? match_replace_by(m, &old, added ? 2 : 1, made) : code;
}

sib_code pass_narrow(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    matcher m;
    sib_code code = match_begin(&m, g, r, p, err);
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        bool gemm = is_plain_gemm(n), transposed = gemm && spec_gemm(n).transB;
        narrow w;
        if ((gemm || match_op(n, "MatMul")) && match_dtype(&m, node_in(n, 0)) == SIB_F32 &&
            read_weights(&m, n, transposed, &w) && pass_admit(r))
            code = replace(&m, n, &w, transposed);
    }
    match_end(&m);
    return code;
}
