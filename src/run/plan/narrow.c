/* Lowerings compute in float64 between casts from and to narrower floats, so that the definition rounds once.
   Finds the operators in which float32 differs by rounding alone. An operator that takes or gives a float64 of the
   model computes in it. */
#include "run/plan/planner.h"

/* Milli-ops between a product and its root, at most: of windows and sums. */
#define ROOT_DEPTH 8

static bool is_wide(const graph *g, value_id v)
{
    return v != NO_VALUE && !g->values[v].type.depth && g->values[v].type.dtype == SIB_F64;
}

/* Products whose size a root brings back: they may leave float32's range where the result does not. */
static bool is_power(const graph *g, const node *n)
{
    const uint32_t *in = n->inputs.ids;
    return n->milli->kind == MILLI_pow ||
           (n->milli->kind == MILLI_mul && !g->values[in[0]].constant && !g->values[in[1]].constant);
}

/* Whether a milli-op takes a root of such products, or of their sums: of |x| below 1e-19 the square is denormal in
   float32. One that adds a constant first keeps away from 0. Looks through `depth` milli-ops at most. */
static bool takes_root(const graph *g, const node *n, unsigned depth)
{
    const value *v = &g->values[n->inputs.ids[0]];
    const node *made = v->producer == NO_NODE ? NULL : &g->nodes[v->producer];
    if (!made || !made->milli || !made->inputs.n || !is_wide(g, n->inputs.ids[0]) || !depth)
        return false;
    const milli_kind kind = made->milli->kind;
    if (is_power(g, made))
        return true;
    if (kind == MILLI_add || kind == MILLI_sub)
        for (uint32_t k = 0; k < 2; k++)
            if (g->values[made->inputs.ids[k]].constant)
                return false;
    return takes_root(g, made, depth - 1);
}

/* Whether a milli-op rounds with float32 in the place of float64, and does no more: no step functions or
   periods, no integers from floats or beyond float32's. */
static bool only_rounds(const graph *g, const node *n)
{
    const bool wide = is_wide(g, n->outputs.ids[0]);
    const milli_kind kind = n->milli->kind;
    const sib_dtype from = n->inputs.n ? g->values[n->inputs.ids[0]].type.dtype : SIB_DTYPE_UNKNOWN,
                    to = g->values[n->outputs.ids[0]].type.dtype;
    switch (kind) {
    case MILLI_cast:
        return wide ? sib_dtype_get_kind(from) == SIB_KIND_FLOAT || from == SIB_BOOL ||
                          sib_dtype_bits(from) <= 16
                    : sib_dtype_get_kind(to) == SIB_KIND_FLOAT || to == SIB_BOOL;
    case MILLI_floor:
    case MILLI_ceil:
    case MILLI_round:
    case MILLI_mod:
    case MILLI_fmod:
    case MILLI_sin:
    case MILLI_cos:
    case MILLI_tan:
    case MILLI_bitcast:
    case MILLI_iota:
        return false;
    case MILLI_sqrt:
    case MILLI_pow:
        return !takes_root(g, n, ROOT_DEPTH);
    default:
        return kind <= MILLI_reduce_max || (kind >= MILLI_cumulative_sum && kind <= MILLI_windows) ||
               kind == MILLI_matmul || kind == MILLI_constant;
    }
}

/* Whether value v is a float64 of the model, which the operator whose nodes begin at `first` takes. */
static bool is_given(const graph *g, value_id v, node_id first)
{
    const value *x = v == NO_VALUE ? NULL : &g->values[v];
    return is_wide(g, v) && !x->constant && (x->producer == NO_NODE || x->producer < first);
}

void planner_mark_narrow(planner *p, node_id first, const mval *outs, size_t n_outs)
{
    graph *g = p->s->graph;
    bool rounds = !p->options->oracle;
    for (size_t i = 0; i < n_outs; i++)
        rounds &=
            outs[i].id == NO_VALUE || !is_wide(g, outs[i].id); /* a model's own float64 stays what it is */
    for (node_id i = first; i < g->n_nodes && rounds; i++) {
        const node *n = &g->nodes[i];
        bool wide = false;
        for (uint32_t k = 0; k < n->inputs.n && rounds; k++)
            rounds = !is_given(g, n->inputs.ids[k], first);
        for (uint32_t k = 0; k < n->inputs.n + n->outputs.n && rounds; k++)
            wide |= is_wide(g, k < n->inputs.n ? n->inputs.ids[k] : n->outputs.ids[k - n->inputs.n]);
        rounds = rounds && (!wide || (n->milli && n->outputs.n == 1 && only_rounds(g, n)));
    }
    for (node_id i = first; i < g->n_nodes && rounds; i++)
        for (uint32_t k = 0; k < g->nodes[i].outputs.n; k++)
            if (is_wide(g, g->nodes[i].outputs.ids[k]))
                g->values[g->nodes[i].outputs.ids[k]].narrow = true;
}
