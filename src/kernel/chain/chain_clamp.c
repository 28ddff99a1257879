/* Chains that only clamp their operand between two numbers, which kernels do before they store. */
#include "kernel/chain/chain_internal.h"

#include <math.h>
#include <string.h>

/* Stores the number that a value of 16 or 32 bits is everywhere; returns false where it is not constant, or
   NaN. */
static bool bound(const chain *c, size_t value, float *out)
{
    const chain_value *v = &c->values[value];
    if (v->kind != CHAIN_IS_OPERAND)
        return false;
    const chain_memory *m = &c->operands[v->operand];
    if (!m->elements || m->layout.place != CHAIN_SCALAR)
        return false;
    if (m->dtype == SIB_F32)
        memcpy(out, m->elements, sizeof *out);
    else if (m->dtype == SIB_F16)
        c->kernels->widen_f16(m->elements, out, 1);
    else if (m->dtype == SIB_BF16)
        c->kernels->widen_bf16(m->elements, out, 1);
    else
        return false;
    return !isnan(*out);
}

#define STEPS_MAX 8

bool chain_clamp(const chain *c, float *low, float *high)
{
    chain_op ops[STEPS_MAX] = {0};
    float bounds[STEPS_MAX];
    size_t n = 0, value = c->n_outputs == 1 ? c->outputs[0].value : CHAIN_NONE;
    while (value != CHAIN_NONE && value != c->in_place) {
        const chain_value *v = &c->values[value];
        if (v->kind != CHAIN_IS_OP || (v->op != CHAIN_min && v->op != CHAIN_max) || n == STEPS_MAX)
            return false;
        bool left = bound(c, v->in[0], &bounds[n]);
        if (!left && !bound(c, v->in[1], &bounds[n]))
            return false;
        ops[n++] = v->op;
        value = v->in[left];
    }
    *low = -INFINITY;
    *high = INFINITY;
    for (size_t i = n; i-- > 0;) {
        float (*with)(float, float) = ops[i] == CHAIN_min ? fminf : fmaxf;
        *low = with(*low, bounds[i]);
        *high = with(*high, bounds[i]);
    }
    return n > 0 && value != CHAIN_NONE;
}
