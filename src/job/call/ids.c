#include "job/call/ids.h"

const int32_t *call_ids(const call_plan *p, size_t port, job_value *const *in, size_t *n)
{
    const sib_port_value *v = in[port] ? &in[port]->v : NULL;
    for (size_t i = 0; i < p->inputs.n; i++)
        if (i != port && in[i])
            return NULL;
    if (v && v->type == SIB_PORT_TOKENS) {
        *n = v->tokens.n;
        return v->tokens.ids;
    }
    const sib_tensor *t = v && v->type == SIB_PORT_TENSOR ? v->tensor : NULL;
    const size_t rank = t ? sib_tensor_rank(t) : 0;
    if (!rank || sib_tensor_dtype(t) != SIB_I32 || !sib_tensor_is_dense(t) ||
        p->inputs.items[port].pair->n_transpose)
        return NULL;
    *n = (size_t)sib_tensor_count(t);
    return *n && sib_tensor_dims(t)[rank - 1] == (int64_t)*n ? sib_tensor_data(t) : NULL;
}
