/* Constant folding: computes once what does not depend on the inputs. */
#include "base/alloc.h"
#include "base/error.h"
#include "ops/ops.h"
#include "run/passes/evaluate.h"
#include "run/passes/match.h"
#include "run/passes/passes.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

/* Max bytes of the outputs: GROWTH times those of the inputs, plus GROWTH_BYTES. */
#define GROWTH       16
#define GROWTH_BYTES (1u << 20)
/* Max bytes, in all, of weights that ConstantOfShape makes and that are folded: every run would make them
   again. */
#define FILLED_BYTES (UINT64_C(1) << 30)
/* Max operations of a folded node: the reference backend is slow. */
#define FLOPS_LIMIT (INT64_C(1) << 28)
/* Weights stored in fewer bits are not folded to floats where they have more elements. */
#define DEQUANTIZED_LIMIT (INT64_C(1) << 24)

typedef struct folding {
    matcher m;
    const sib_tensor **known; /* (n_values) constants, and values that this pass computed */
    uint64_t filled;          /* bytes of constants that ConstantOfShape made */
    bool dequantizes;         /* fold only dequantization of weights, else only all other nodes */
} folding;

static bool is_dequantization(const node *n)
{
    return match_op(n, "DequantizeLinear") || match_ms(n, "DequantizeLinear");
}

/* Computes the bytes of a value whose dims are numbers. */
static bool bytes_of(const graph *g, value_id v, uint64_t *bytes)
{
    int64_t dims[SIB_MAX_RANK];
    const value_type *t = &g->values[v].type;
    uint64_t count = 1;
    size_t size;
    if (t->depth || t->leaf != TYPE_TENSOR || !t->dtype || t->dtype == SIB_STRING ||
        !dim_shape_const(g->dims, &t->shape, dims))
        return false;
    for (int i = 0; i < t->shape.rank; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(count, (uint64_t)dims[i], &count))
            return false;
    bool ok = dtype_bytes(t->dtype, count, &size);
    *bytes = ok ? size : 0;
    return ok;
}

/* Whether any output is read. Passes that let products read stored weights leave a Cast behind that is
   unread: folding it would take memory for all of them. */
static bool is_read(const folding *f, const node *n)
{
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        value_id v = n->outputs.ids[i];
        if (v != NO_VALUE && (f->m.reads[v] || f->m.asked[v]))
            return true;
    }
    return false;
}

/* Whether the node's results are the same in every run and not too large. */
static bool may_fold(folding *f, const node *n)
{
    const graph *g = f->m.g;
    uint64_t in = 0, out = 0, bytes = 0;
    int64_t flops;
    if (!n->op || n->milli || !op_repeats(n->op) || is_dequantization(n) != f->dequantizes)
        return false;
    for (uint32_t i = 0; i < n->inputs.n; i++) {
        const sib_tensor *t = n->inputs.ids[i] == NO_VALUE ? NULL : f->known[n->inputs.ids[i]];
        size_t size = 0;
        if (n->inputs.ids[i] != NO_VALUE && !t)
            return false;
        if (t && (t->dtype == SIB_STRING || !dtype_bytes(t->dtype, t->count, &size)))
            return false;
        in += size;
    }
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        if (n->outputs.ids[i] == NO_VALUE)
            continue;
        if (f->m.given[n->outputs.ids[i]] || !bytes_of(g, n->outputs.ids[i], &bytes))
            return false;
        out += bytes;
    }
    if (f->dequantizes && out / 4 > DEQUANTIZED_LIMIT)
        return false;
    if (n->flops.id && (!dim_is_const(g->dims, n->flops, &flops) || flops > FLOPS_LIMIT))
        return false;
    /* a Constant has no inputs, so its output may be of any size */
    if (match_op(n, "Constant") || out <= GROWTH * in + GROWTH_BYTES)
        return true;
    if (!match_op(n, "ConstantOfShape") || out > FILLED_BYTES - f->filled)
        return false;
    f->filled += out;
    return true;
}

/* Replaces v by a constant. */
static sib_code placeholder(folding *f, value_id v, const sib_tensor *t)
{
    value_id made;
    value_type type = type_of_dims(f->m.g->dims, t->dtype, t->rank, t->dims);
    if (!type_agrees(f->m.g->dims, &f->m.g->values[v].type, &type))
        return SIB_OK;
    f->known[v] = t;
    sib_code code = patch_constant(f->m.patch, (sib_str){"", 0}, t, &made, f->m.err);
    return code == SIB_OK ? patch_rewire(f->m.patch, v, made, f->m.err) : code;
}

static sib_code fold_node(folding *f, const node *n)
{
    const sib_tensor **in = mem_calloc((size_t)n->inputs.n + 1, sizeof *in);
    sib_tensor **out = mem_calloc((size_t)n->outputs.n + 1, sizeof *out);
    sib_error why = SIB_ERROR_INIT;
    sib_code code = in && out ? SIB_OK : err_memory(f->m.err, n->inputs.n * sizeof *in, "a constant");
    for (uint32_t i = 0; i < n->inputs.n && code == SIB_OK; i++)
        in[i] = n->inputs.ids[i] == NO_VALUE ? NULL : f->known[n->inputs.ids[i]];
    if (code == SIB_OK) {
        code = evaluate_node(n, in, out, &why);
        if (code == SIB_ERR_MEMORY)
            err_set(f->m.err, code, "%s", why.message);
        else if (code != SIB_OK) /* the run reports it, if it reaches the node */
            code = SIB_OK;
    }
    for (uint32_t i = 0; out && i < n->outputs.n; i++) {
        if (!out[i])
            continue;
        const sib_tensor *t = out[i];
        if (code == SIB_OK)
            code = arena_keep(f->m.g->arena, out[i], f->m.err);
        else
            sib_tensor_free(&out[i]);
        if (code == SIB_OK)
            code = placeholder(f, n->outputs.ids[i], t);
    }
    mem_free(in);
    mem_free(out);
    return code;
}

/* Replaces outputs of the node whose elements inference found. The node may be of any kind. */
static sib_code use_inferred(folding *f, const node *n)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        value_id v = n->outputs.ids[i];
        if (v != NO_VALUE && f->m.reads[v] && !f->m.given[v] && f->m.g->values[v].constant &&
            pass_admit(f->m.run))
            code = placeholder(f, v, f->m.g->values[v].constant);
    }
    return code;
}

static sib_code fold(const graph *g, pass_run *r, patch *p, bool dequantizes, sib_error *err)
{
    folding f = {.dequantizes = dequantizes};
    sib_code code = match_begin(&f.m, g, r, p, err);
    f.known = mem_calloc((size_t)g->n_values + 1, sizeof *f.known);
    if (code == SIB_OK && !f.known)
        code = err_memory(err, g->n_values * sizeof *f.known, "a pass");
    for (value_id v = 0; v < g->n_values && code == SIB_OK; v++)
        f.known[v] = g->values[v].producer == NO_NODE ? g->values[v].constant : NULL;
    for (node_id i = 0; i < g->n_nodes && code == SIB_OK; i++) {
        const node *n = &g->nodes[i];
        bool inferred = false;
        for (uint32_t k = 0; k < n->outputs.n; k++)
            inferred |= n->outputs.ids[k] != NO_VALUE && g->values[n->outputs.ids[k]].constant;
        if (inferred && is_dequantization(n) == dequantizes)
            code = use_inferred(&f, n);
        else if (is_read(&f, n) && may_fold(&f, n) && pass_admit(r))
            code = fold_node(&f, n);
    }
    mem_free(f.known);
    match_end(&f.m);
    return code;
}

sib_code pass_constants(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    return fold(g, r, p, false, err);
}

sib_code pass_dequantized(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    return fold(g, r, p, true, err);
}
