/* Copies constants that a subgraph captures into the subgraph, so that other passes see them there. */
#include "run/passes/passes.h"
#include "tensor/tensor.h"

sib_code pass_captured(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < g->n_captures && code == SIB_OK; i++) {
        value_id inner = g->captures[i].inner, made;
        const sib_tensor *t = graph_find_constant(g, inner);
        if (!t || g->values[inner].constant)
            continue;
        value_type type = type_of_dims(g->dims, t->dtype, t->rank, t->dims);
        if (!type_agrees(g->dims, &g->values[inner].type, &type) || !pass_admit(r))
            continue;
        code = patch_constant(p, (sib_str){"", 0}, t, &made, err);
        if (code == SIB_OK)
            code = patch_rewire(p, inner, made, err);
    }
    return code;
}
