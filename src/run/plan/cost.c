#include "run/plan/cost.h"

#include "milli/milli.h"

/* How a milli-op's operations are counted. */
typedef enum cost_rule {
    COST_NONE,   /* elements are moved */
    COST_OUTPUT, /* one per element of the output */
    COST_INPUT,  /* one per element of the first input */
    COST_MATMUL  /* two per multiply-add */
} cost_rule;

static cost_rule rule_of(milli_kind kind)
{
    if (kind <= MILLI_less_equal)
        return COST_OUTPUT;
    switch (kind) {
    case MILLI_where:
    case MILLI_cast:
        return COST_OUTPUT;
    case MILLI_reduce_sum:
    case MILLI_reduce_prod:
    case MILLI_reduce_min:
    case MILLI_reduce_max:
    case MILLI_arg_min:
    case MILLI_arg_max:
    case MILLI_cumulative_sum:
    case MILLI_cumulative_prod:
        return COST_INPUT;
    case MILLI_matmul:
        return COST_MATMUL;
    default:
        return COST_NONE;
    }
}

dim cost_milli(const graph *g, const node *n)
{
    dim_table *t = g->dims;
    cost_rule rule = n->milli && n->outputs.n ? rule_of(n->milli->kind) : COST_NONE;
    if (rule == COST_NONE)
        return dim_const(t, 0);
    const dim_shape *in = &g->values[n->inputs.ids[0]].type.shape; /* what is counted has inputs */
    const dim_shape *counted = rule == COST_INPUT ? in : &g->values[n->outputs.ids[0]].type.shape;
    dim d = counted->ranked ? dim_shape_count(t, counted) : DIM_NONE;
    if (rule == COST_MATMUL)
        d = dim_mul(t, d, dim_mul(t, dim_const(t, 2), in->dims[in->rank - 1]));
    dim_table_failed(t);
    return d;
}

double cost_number(const graph *g, const node *n)
{
    int64_t dims[SIB_MAX_RANK];
    const cost_rule rule =
        n->milli && n->outputs.n && n->outputs.ids[0] != NO_VALUE ? rule_of(n->milli->kind) : COST_NONE;
    if (rule == COST_NONE)
        return 0;
    const dim_shape *in =
        n->inputs.n && n->inputs.ids[0] != NO_VALUE ? &g->values[n->inputs.ids[0]].type.shape : NULL;
    const dim_shape *counted = rule == COST_INPUT ? in : &g->values[n->outputs.ids[0]].type.shape;
    if (!counted || !counted->ranked || !dim_shape_const(g->dims, counted, dims))
        return 0;
    double count = 1;
    for (int i = 0; i < counted->rank; i++)
        count *= (double)dims[i];
    if (rule != COST_MATMUL)
        return count;
    if (!in || !in->ranked || !in->rank || !dim_shape_const(g->dims, in, dims))
        return 0;
    return 2 * count * (double)dims[in->rank - 1];
}

dim cost_flops(const lowering *l)
{
    const graph *g = l->graph;
    dim_table *t = g->dims;
    dim sum = dim_const(t, 0);
    for (node_id i = 0; i < g->n_nodes; i++) {
        dim d = cost_milli(g, &g->nodes[i]);
        for (unsigned k = 0; k < l->n_steps; k++)
            if (i >= l->steps[k].begin && i < l->steps[k].end)
                d = dim_mul(t, d, l->steps[k].times);
        sum = dim_add(t, sum, d);
    }
    dim_table_failed(t);
    return sum;
}

dim cost_bytes(const graph *g, const node *n)
{
    dim_table *t = g->dims;
    dim bits = dim_const(t, 0);
    for (int side = 0; side < 2; side++) {
        const id_list *list = side ? &n->outputs : &n->inputs;
        for (uint32_t i = 0; i < list->n; i++) {
            if (list->ids[i] == NO_VALUE)
                continue;
            const value_type *type = &g->values[list->ids[i]].type;
            dim count = !type->depth && type->dtype && type->shape.ranked ? dim_shape_count(t, &type->shape)
                                                                          : DIM_NONE;
            bits = dim_add(t, bits, dim_mul(t, count, dim_const(t, sib_dtype_bits(type->dtype))));
        }
    }
    dim bytes = dim_ceil_div(t, bits, dim_const(t, 8));
    dim_table_failed(t);
    return bytes;
}
