#include "backend/gpu/claim.h"

#include "tensor/tensor.h"

/* Max inputs and outputs, each, of a node: bits of step.arrive. */
#define OPERANDS_MAX 64

static const gpu_op *const milli_ops[MILLI_COUNT] = {
#define GPU_OP(domain, name, op)
#define GPU_MILLI(name, op) [MILLI_##name] = &op,
#include "backend/gpu/gpu.def"
#undef GPU_OP
#undef GPU_MILLI
};

#define DOMAIN_ONNX  ""
#define DOMAIN_MS    "com.microsoft"
#define DOMAIN_SIBYL "ai.sibyl"

static const struct {
    const char *domain, *name;
    const gpu_op *op;
} op_rows[] = {
#define GPU_OP(domain, name, op) {DOMAIN_##domain, #name, &op},
#define GPU_MILLI(name, op)
#include "backend/gpu/gpu.def"
#undef GPU_OP
#undef GPU_MILLI
};

bool gpu_is_empty(const graph *g, const value *v)
{
    int64_t dims[SIB_MAX_RANK];
    bool empty = false;
    if (v->type.depth || v->type.leaf != TYPE_TENSOR || !dim_shape_const(g->dims, &v->type.shape, dims))
        return false;
    for (int i = 0; i < v->type.shape.rank; i++)
        empty |= dims[i] == 0;
    return empty;
}

const gpu_op *gpu_op_for(const node_view *n)
{
    gpu_tensor t;
    const gpu_op *op = n->node->milli ? milli_ops[n->node->milli->kind] : NULL;
    for (size_t i = 0; !n->node->milli && !op && i < sizeof op_rows / sizeof *op_rows; i++)
        if (str_is(n->node->type, op_rows[i].name) && str_is(n->node->domain, op_rows[i].domain))
            op = op_rows[i].op;
    bool holds = op && n->n_in <= OPERANDS_MAX && n->n_out <= OPERANDS_MAX;
    for (size_t i = 0; i < n->n_in && holds; i++)
        holds = !n->in[i] || (op->takes_empty && gpu_is_empty(n->graph, n->in[i])) ||
                (gpu_tensor_of(n->graph, n->in[i], &t) && (!n->in[i]->constant || n->in[i]->constant->dense));
    for (size_t i = 0; i < n->n_out && holds; i++)
        holds = !n->out[i] || gpu_tensor_of(n->graph, n->out[i], &t);
    return holds && op->claims(n) ? op : NULL;
}
