/* Merges consecutive transposes, folds them into products, and cancels them across elementwise nodes. */
#include "ops/ops.h"
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/tensor.h"

#include <string.h>

#define CHAIN_MAX 12

/* Axes of a Transpose: output axis i is input axis at[i]. */
typedef struct perm {
    size_t n;
    int64_t at[SIB_MAX_RANK];
} perm;

static bool read_perm(const matcher *m, const node *n, perm *p)
{
    if (!match_op(n, "Transpose"))
        return false;
    spec_ints given = spec_transpose(n).perm;
    int rank = match_rank(m, node_in(n, 0));
    uint32_t seen = 0;
    if (rank < 1 || (given.v && given.n != (size_t)rank))
        return false;
    p->n = (size_t)rank;
    for (size_t i = 0; i < p->n; i++) {
        p->at[i] = spec_item(given, i, rank - 1 - (int64_t)i);
        if (p->at[i] < 0 || p->at[i] >= rank)
            return false;
        seen |= UINT32_C(1) << p->at[i];
    }
    return seen == (UINT32_C(1) << rank) - 1;
}

/* The permutation that applies a, then b. */
static perm after(const perm *a, const perm *b)
{
    perm p = {.n = a->n};
    for (size_t i = 0; i < p.n; i++)
        p.at[i] = a->at[b->at[i]];
    return p;
}

static bool is_identity(const perm *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->at[i] != (int64_t)i)
            return false;
    return true;
}

/* ---- Consecutive transposes ---------------------------------------------------------------------------- */

static sib_code merge(matcher *m, const node *second)
{
    perm a, b;
    const node *first = match_made_by(m, node_in(second, 0), "Transpose");
    if (!first || !read_perm(m, first, &a) || !read_perm(m, second, &b) || a.n != b.n)
        return SIB_OK;
    perm both = after(&a, &b);
    value_id x = first->inputs.ids[0], y = node_out(second, 0);
    match_nodes old = {0};
    match_add(&old, m, second);
    if (match_only_reader(m, node_out(first, 0)))
        match_add(&old, m, first);
    if (!match_same_rank(m, x, y) || !pass_admit(m->run))
        return SIB_OK;
    attribute axes = match_ints_of("perm", both.n, both.at);
    bool nothing = is_identity(&both); /* becomes an Identity, removed later: new nodes may already read y */
    node made = match_node("", nothing ? "Identity" : "Transpose", 1, second);
    made.inputs = (id_list){1, &x};
    made.outputs = (id_list){1, &y};
    made.attributes = &axes;
    made.n_attributes = !nothing;
    m->taken[match_id(m, first)] = true;
    return match_replace(m, &old, &made);
}

/* ---- Before a product ---------------------------------------------------------------------------------- */

/* Whether v is a batch of transposed matrices that only this node reads; *x: the matrices before. */
static bool is_transposed(const matcher *m, value_id v, value_id *x, const node **by)
{
    perm p;
    const node *n = match_maker(m, v);
    if (!n || !match_only_reader(m, v) || !read_perm(m, n, &p) || p.n < 2)
        return false;
    for (size_t i = 0; i + 2 < p.n; i++)
        if (p.at[i] != (int64_t)i)
            return false;
    *x = n->inputs.ids[0];
    *by = n;
    return p.at[p.n - 1] == (int64_t)p.n - 2;
}

static void copy_attributes(const node *n, attribute *out, size_t *count)
{
    for (size_t i = 0; i < n->n_attributes; i++)
        if (!str_is(n->attributes[i].name, "transA") && !str_is(n->attributes[i].name, "transB"))
            out[(*count)++] = n->attributes[i];
}

static sib_code transpose_product(matcher *m, const node *n)
{
    bool gemm = match_op(n, "Gemm"), fused = match_ms(n, "FusedMatMul");
    attribute attributes[16];
    match_nodes old = {0};
    value_id in[3] = {node_in(n, 0), node_in(n, 1), node_in(n, 2)}, y = node_out(n, 0);
    gemm_spec spec = spec_gemm(n);
    int64_t trans[2] = {(gemm || fused) && spec.transA, (gemm || fused) && spec.transB};
    bool found = false;
    sib_dtype_kind kind = sib_dtype_get_kind(match_dtype(m, in[0]));
    if ((!match_op(n, "MatMul") && !gemm && !fused) || kind != SIB_KIND_FLOAT || n->n_attributes > 12 ||
        match_rank(m, in[0]) < 2 || match_rank(m, in[1]) < 2 ||
        (fused && (spec.transBatchA || spec.transBatchB)))
        return SIB_OK;
    match_add(&old, m, n);
    for (int i = 0; i < 2; i++) {
        const node *by;
        value_id x;
        if (!is_transposed(m, in[i], &x, &by))
            continue;
        match_add(&old, m, by);
        in[i] = x;
        trans[i] = !trans[i];
        found = true;
    }
    if (!found || !match_closed(m, &old, y) || !pass_admit(m->run))
        return SIB_OK;
    node made = gemm ? *n : match_node("com.microsoft", "FusedMatMul", 1, n);
    made.inputs = (id_list){n->inputs.n, in};
    made.outputs = (id_list){1, &y};
    made.attributes = attributes;
    made.n_attributes = 0;
    if (gemm || fused)
        copy_attributes(n, attributes, &made.n_attributes);
    attributes[made.n_attributes++] = match_int("transA", trans[0]);
    attributes[made.n_attributes++] = match_int("transB", trans[1]);
    return match_replace(m, &old, &made);
}

/* ---- Across elementwise nodes -------------------------------------------------------------------------- */

/* A Transpose, elementwise nodes, and the inverse Transpose. */
typedef struct chain {
    matcher *m;
    match_nodes nodes;
    perm forward, back;
    value_id x, y; /* input of the first, output of the last */
    size_t n;
    struct {
        const node *n;
        uint32_t operand;     /* which input comes from the chain */
        value_id other;       /* the other input after rewriting, NO_VALUE: none */
        bool transpose_other; /* it is a constant, to be transposed */
    } links[CHAIN_MAX];
} chain;

static bool is_one_of(const node *n, size_t count, const char *const *types)
{
    for (size_t i = 0; i < count; i++)
        if (match_op(n, types[i]))
            return true;
    return false;
}

static bool is_unary(const node *n)
{
    static const char *const types[] = {
        "Relu",     "Sigmoid",  "Tanh", "Clip",  "LeakyRelu",  "Elu",   "Selu",        "Erf",
        "Exp",      "Log",      "Sqrt", "Abs",   "Neg",        "Cast",  "HardSigmoid", "HardSwish",
        "Softplus", "Softsign", "Gelu", "Mish",  "Reciprocal", "Floor", "Ceil",        "Round",
        "Sign",     "Not",      "Celu", "Swish", "Sin",        "Cos"};
    return is_one_of(n, sizeof types / sizeof *types, types);
}

static bool is_binary(const node *n)
{
    static const char *const types[] = {"Add", "Sub", "Mul", "Div", "Pow", "PRelu", "Min", "Max"};
    return n && n->inputs.n == 2 && (n->version >= 7 || match_op(n, "Min") || match_op(n, "Max")) &&
           is_one_of(n, sizeof types / sizeof *types, types);
}

/* Reads the other operand of a binary node: a constant, or a value transposed the same way. */
static bool read_other(chain *c, const node *n, size_t link)
{
    matcher *m = c->m;
    value_id other = n->inputs.ids[1 - c->links[link].operand];
    const sib_tensor *t = match_constant(m, other);
    const node *transposed = match_maker(m, other);
    perm p;
    c->links[link].other = other;
    if (t && t->rank <= c->forward.n && t->dense && t->dtype != SIB_STRING && sib_dtype_bits(t->dtype) >= 8) {
        c->links[link].transpose_other = t->count != 1 || t->rank > 0;
        return true;
    }
    if (!transposed || !match_only_reader(m, other) || !read_perm(m, transposed, &p) || p.n != c->forward.n ||
        memcmp(p.at, c->forward.at, p.n * sizeof *p.at))
        return false;
    c->links[link].other = transposed->inputs.ids[0];
    match_add(&c->nodes, m, transposed);
    return true;
}

/* Follows the chain that starts at a Transpose. */
static bool read_chain(chain *c, const node *first)
{
    matcher *m = c->m;
    value_id v = node_out(first, 0);
    if (!read_perm(m, first, &c->forward))
        return false;
    c->x = first->inputs.ids[0];
    match_add(&c->nodes, m, first);
    for (const node *n = match_only_reader(m, v); n; n = match_only_reader(m, v)) {
        match_add(&c->nodes, m, n);
        if (match_op(n, "Transpose")) {
            c->y = node_out(n, 0);
            if (!read_perm(m, n, &c->back) || c->back.n != c->forward.n)
                return false;
            perm both = after(&c->forward, &c->back);
            return c->n && is_identity(&both);
        }
        if (c->n == CHAIN_MAX || (!is_unary(n) && !is_binary(n)) || !match_one_output(m, n) ||
            match_rank(m, node_out(n, 0)) != (int)c->forward.n)
            return false;
        size_t link = c->n++;
        c->links[link].n = n;
        c->links[link].operand = n->inputs.ids[0] == v ? 0 : 1;
        c->links[link].other = NO_VALUE;
        c->links[link].transpose_other = false;
        if ((is_unary(n) && n->inputs.ids[0] != v) || (is_binary(n) && !read_other(c, n, link)))
            return false;
        v = node_out(n, 0);
    }
    return false;
}

/* Applies the inverse permutation to a constant. */
static sib_code transpose_constant(chain *c, value_id v, value_id *out)
{
    const sib_tensor *t = match_constant(c->m, v);
    sib_tensor *wide = NULL, *transposed = NULL, *dense = NULL;
    int64_t dims[SIB_MAX_RANK];
    for (size_t i = 0; i < c->forward.n; i++)
        dims[i] = i < c->forward.n - t->rank ? 1 : t->dims[i - (c->forward.n - t->rank)];
    sib_code code = sib_tensor_reshape(t, c->forward.n, dims, &wide, c->m->err);
    if (code == SIB_OK)
        code = sib_tensor_transpose(wide, c->back.at, &transposed, c->m->err);
    if (code == SIB_OK)
        code = sib_tensor_copy(transposed, &dense, c->m->err);
    sib_tensor_free(&wide);
    sib_tensor_free(&transposed);
    return code == SIB_OK ? match_keep(c->m, dense, out) : code;
}

static sib_code rebuild(chain *c)
{
    node made[CHAIN_MAX];
    value_id in[CHAIN_MAX][8], out[CHAIN_MAX], v = c->x;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < c->n && code == SIB_OK; i++) {
        const node *n = c->links[i].n;
        value_type was = c->m->g->values[n->outputs.ids[0]].type, type = was;
        for (size_t k = 0; k < c->back.n; k++)
            type.shape.dims[k] = was.shape.dims[c->back.at[k]];
        made[i] = *n;
        memcpy(in[i], n->inputs.ids, n->inputs.n * sizeof **in);
        in[i][c->links[i].operand] = v;
        if (c->links[i].other != NO_VALUE) {
            value_id *other = &in[i][1 - c->links[i].operand];
            *other = c->links[i].other;
            if (c->links[i].transpose_other)
                code = transpose_constant(c, c->links[i].other, other);
        }
        out[i] = c->y;
        if (code == SIB_OK && i + 1 < c->n)
            code = patch_value(c->m->patch, (sib_str){"", 0}, &type, &out[i], c->m->err);
        made[i].inputs = (id_list){n->inputs.n, in[i]};
        made[i].outputs = (id_list){1, &out[i]};
        v = out[i];
    }
    return code == SIB_OK ? match_replace_by(c->m, &c->nodes, c->n, made) : code;
}

static sib_code cancel(matcher *m, const node *first)
{
    chain c = {.m = m};
    if (!match_op(first, "Transpose") || !read_chain(&c, first) || !match_closed(m, &c.nodes, c.y))
        return SIB_OK;
    for (size_t i = 0; i < c.n; i++)
        if (c.links[i].n->inputs.n > 8)
            return SIB_OK;
    return pass_admit(m->run) ? rebuild(&c) : SIB_OK;
}

sib_code pass_transposes(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    matcher m;
    sib_code code = match_begin(&m, g, r, p, err);
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        if (!m.taken[i] && match_op(n, "Transpose"))
            code = merge(&m, n);
        if (code == SIB_OK && !m.taken[i])
            code = match_op(n, "Transpose") ? cancel(&m, n) : transpose_product(&m, n);
    }
    match_end(&m);
    return code;
}
