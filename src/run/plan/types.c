/* Types of a node's outputs as inferred, with the input dims of this plan filled in: a node that a backend
   claimed in an earlier plan is offered by these types, without being lowered again. */
#include "run/plan/planner.h"

#include "tensor/tensor.h"

/* Binds the symbols in the dims of the graph's inputs, once per plan. Returns false where that fails or a
   symbol has several sizes; a symbol of a missing input stays unbound. */
static bool bind_inputs(planner *p)
{
    const graph *g = p->g;
    sib_str symbol;
    int64_t number;
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value_type *t = &g->values[g->inputs.ids[i]].type;
        const sib_value *v = p->live[g->inputs.ids[i]];
        const sib_tensor *given = v ? sib_value_tensor(v) : NULL;
        if (!given || t->depth || !t->shape.ranked || t->shape.rank != given->rank)
            continue;
        for (size_t k = 0; k < given->rank; k++)
            if (dim_is_symbol(g->dims, t->shape.dims[k], &symbol) &&
                ((dim_bound(&p->bound, t->shape.dims[k], &number) && number != given->dims[k]) ||
                 dim_bind(g->dims, &p->bound, t->shape.dims[k], given->dims[k], NULL) != SIB_OK))
                return false;
    }
    return true;
}

bool planner_inferred(planner *p, const node *n, value_type *types)
{
    const graph *g = p->g;
    if (p->options->oracle)
        return false;
    if (p->binding == BINDING_OPEN)
        p->binding = bind_inputs(p) ? BINDING_DONE : BINDING_FAILED;
    for (uint32_t i = 0; i < n->outputs.n && p->binding == BINDING_DONE; i++) {
        int64_t dims[SIB_MAX_RANK];
        if (n->outputs.ids[i] == NO_VALUE)
            continue;
        const value_type *t = &g->values[n->outputs.ids[i]].type;
        if (!g->values[n->outputs.ids[i]].assured || t->depth || t->leaf != TYPE_TENSOR || !t->dtype ||
            !t->shape.ranked)
            return false;
        for (int k = 0; k < t->shape.rank; k++)
            if (dim_eval(g->dims, t->shape.dims[k], &p->bound, &dims[k], NULL) != SIB_OK)
                return false;
        types[i] = type_of_dims(p->s->dims, t->dtype, (size_t)t->shape.rank, dims);
    }
    return p->binding == BINDING_DONE;
}
