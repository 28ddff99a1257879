/* Inference: each node is lowered with symbolic dims; the types of its milli-ops give its own. */
#include "run/infer.h"

#include "base/alloc.h"
#include "base/error.h"
#include "ops/ops.h"
#include "run/plan/cost.h"
#include "run/plan/fold.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

/* Max elements of constants that are computed during inference. */
#define FOLD_LIMIT 4096

/* Max milli-ops of a model, and max work of folding; each node of the main graph adds eight milli-ops. */
#define INFER_OPS  (UINT64_C(1) << 19)
#define INFER_WORK (UINT64_C(1) << 26)

/* Max nesting of subgraphs. */
#define DEPTH_LIMIT 64

typedef struct inference {
    graph *g;
    diagnostics *notes;
    unsigned depth;
    lower_budget *budget; /* of the entire model */
} inference;

static sib_code infer_at(graph *g, diagnostics *notes, unsigned depth, lower_budget *budget, sib_error *err);

/* ---- Callbacks of a lowering -------------------------------------------------------------------------- */

static mval import_symbolic(lowering *l, const graph *source, value_id id)
{
    const value *v = &source->values[id];
    value_id made;
    if (v->constant)
        return m_constant_ref(l, v->constant);
    if (graph_add_value(l->graph, (sib_str){"", 0}, &v->type, &made, &l->error) != SIB_OK) {
        l->status = LOWER_FAILED;
        return MVAL_NONE;
    }
    l->graph->values[made].elements = v->elements;
    l->graph->values[made].n_elements = v->n_elements;
    return (mval){made};
}

static sib_code infer_inside(lowering *l, graph *subgraph, sib_error *err)
{
    const inference *in = l->owner;
    return infer_at(subgraph, in->notes, in->depth + 1, in->budget, err);
}

/* ---- Joining inferred and declared types -------------------------------------------------------------- */

static bool is_fresh(const dim_table *t, dim d)
{
    sib_str name;
    return dim_is_symbol(t, d, &name) && name.length && name.data[0] == '?';
}

/* Joins two dims of one value: numbers win over expressions, expressions over fresh symbols, those over
   unknown dims. */
static dim join_dim(const dim_table *t, dim inferred, dim declared, bool *differ)
{
    int64_t a, b;
    bool number = dim_is_const(t, inferred, &a), is_declared = dim_is_const(t, declared, &b);
    *differ |= number && is_declared && a != b;
    return !number && (is_declared || (is_fresh(t, inferred) && !is_fresh(t, declared))) ? declared
                                                                                         : inferred;
}

/* Adds to the inferred type *t what the file declares beyond it. Returns false where they differ; *t is
   then unchanged. */
static bool join_types(const dim_table *dims, value_type *t, const value_type *declared)
{
    value_type joined = *t;
    bool differ = false;
    if (!t->depth && t->leaf == TYPE_UNKNOWN) {
        *t = *declared;
        return true;
    }
    if (!declared->depth && declared->leaf == TYPE_UNKNOWN)
        return true;
    if (t->depth != declared->depth || memcmp(t->wrap, declared->wrap, t->depth))
        return false;
    if (!t->dtype)
        joined.dtype = declared->dtype;
    else
        differ = declared->dtype && declared->dtype != t->dtype;
    if (!t->shape.ranked)
        joined.shape = declared->shape;
    else if (declared->shape.ranked) {
        if (t->shape.rank != declared->shape.rank)
            return false;
        for (int i = 0; i < t->shape.rank; i++)
            joined.shape.dims[i] = join_dim(dims, t->shape.dims[i], declared->shape.dims[i], &differ);
    }
    if (!differ)
        *t = joined;
    return !differ;
}

/* ---- Nodes ------------------------------------------------------------------------------------------- */

/* Whether every input of n is an input of the graph, constant, or assured. */
static bool follows_from_inputs(const graph *g, const node *n)
{
    bool follows = !g->outer && n->op && n->op->control == CONTROL_NONE;
    for (uint32_t i = 0; i < n->inputs.n && follows; i++) {
        const value *x = n->inputs.ids[i] == NO_VALUE ? NULL : &g->values[n->inputs.ids[i]];
        follows = !x || x->producer == NO_NODE || x->assured;
    }
    return follows;
}

/* Whether joining b to a changed nothing. */
static bool same_dims(const value_type *a, const value_type *b)
{
    return a->dtype == b->dtype && a->depth == b->depth && a->leaf == b->leaf &&
           a->shape.ranked == b->shape.ranked && a->shape.rank == b->shape.rank &&
           !memcmp(a->shape.dims, b->shape.dims, sizeof *a->shape.dims * (size_t)a->shape.rank);
}

/* Sets the type of output i of a node, and its elements where they are known. */
static sib_code settle(inference *in, const lowering *l, const node *n, uint32_t i, mval got,
                       const value_type *declared, sib_error *err)
{
    graph *g = in->g;
    value *v = &g->values[n->outputs.ids[i]];
    const value *made = got.id != NO_VALUE ? &l->graph->values[got.id] : NULL;
    v->type = made ? made->type : *declared;
    const value_type found = v->type;
    if (!join_types(g->dims, &v->type, &v->declared)) {
        char inferred[160], is_declared[160], name[120];
        diagnostics_add(in->notes, "node %s: output '%.*s' is declared as %s, inferred as %s",
                        node_text(g, n, name, sizeof name), (int)v->name.length, v->name.data,
                        type_text(g->dims, &v->declared, is_declared, sizeof is_declared),
                        type_text(g->dims, &v->type, inferred, sizeof inferred));
    }
    v->assured = made && follows_from_inputs(g, n) && same_dims(&found, &v->type);
    if (!made)
        return SIB_OK;
    if (made->elements && made->n_elements) {
        dim *kept = arena_alloc(g->arena, made->n_elements, sizeof *kept);
        if (!kept)
            return err_memory(err, made->n_elements * sizeof *kept, "the elements of a shape");
        memcpy(kept, made->elements, made->n_elements * sizeof *kept);
        v->elements = kept;
        v->n_elements = made->n_elements;
    }
    if (made->constant && sib_tensor_count(made->constant) <= FOLD_LIMIT) {
        sib_tensor *kept = NULL;
        if (!arena_charge(g->arena, sib_tensor_count(made->constant) * dtype_stride(made->constant->dtype)))
            return err_memory(err, sib_tensor_count(made->constant), "a constant");
        sib_code code = tensor_view(made->constant, made->constant->rank, &kept, err);
        if (code == SIB_OK)
            code = arena_keep(g->arena, kept, err);
        if (code != SIB_OK)
            return code;
        v->constant = kept;
    }
    return SIB_OK;
}

static sib_code infer_node(inference *in, node_id id, sib_error *err)
{
    graph *g = in->g, *scratch = NULL;
    const node *n = &g->nodes[id];
    graph_arena *arena = NULL;
    sib_code code = arena_create(&arena, err);
    if (code == SIB_OK)
        arena_set_budget(arena, arena_get_budget(g->arena));
    mval *outs = mem_calloc(n->outputs.n + 1, sizeof *outs);
    value_type *declared = mem_calloc(n->outputs.n + 1, sizeof *declared);
    if (code == SIB_OK && (!outs || !declared))
        code = err_memory(err, n->outputs.n * sizeof *declared, "inference");
    if (code == SIB_OK)
        code = graph_create(arena, g->dims, &scratch, err);
    if (code == SIB_OK) {
        lowering l = {.graph = scratch,
                      .symbolic = true,
                      .fold_limit = FOLD_LIMIT,
                      .budget = in->budget,
                      .driver = in,
                      .owner = in,
                      .import = import_symbolic,
                      .fold = fold_milli,
                      .infer_subgraph = infer_inside};
        if (in->budget->ops) {
            in->budget->ops--;
            lower_node(&l, g, id, outs, declared);
        } else {
            l.status = LOWER_NEEDS_DIMS;
            for (uint32_t i = 0; i < n->outputs.n; i++)
                outs[i] = MVAL_NONE;
        }
        if (l.status == LOWER_FAILED && l.error.code == SIB_ERR_MEMORY)
            code = err_set(err, SIB_ERR_MEMORY, "%s", l.error.message);
        else if (l.status == LOWER_FAILED && n->op)
            diagnostics_add(in->notes, "%s", l.error.message);
        g->nodes[id].flops =
            n->op && (l_ok(&l) || l.n_steps) && n->op->control == CONTROL_NONE ? cost_flops(&l) : DIM_NONE;
        for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
            if (n->outputs.ids[i] != NO_VALUE)
                code = settle(in, &l, n, i, outs[i], &declared[i], err);
    }
    graph_free(&scratch);
    arena_free(&arena);
    mem_free(outs);
    mem_free(declared);
    return code;
}

static sib_code infer_at(graph *g, diagnostics *notes, unsigned depth, lower_budget *budget, sib_error *err)
{
    if (depth > DEPTH_LIMIT)
        return err_set(err, SIB_ERR_SIZE, "subgraphs are nested more than %d deep", DEPTH_LIMIT);
    inference in = {g, notes, depth, budget};
    for (uint32_t i = 0; i < g->n_captures; i++) {
        const value *outer = &g->outer->values[g->captures[i].outer];
        value *inner = &g->values[g->captures[i].inner];
        inner->type = outer->type;
        inner->constant = outer->constant;
        inner->elements = outer->elements;
        inner->n_elements = outer->n_elements;
    }
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        sib_code code = infer_node(&in, i, err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

sib_code infer_graph(graph *g, diagnostics *notes, sib_error *err)
{
    /* Bodies of nested loops are lowered repeatedly: the work doubles with each level. */
    lower_budget budget = {INFER_OPS + 8 * (uint64_t)g->n_nodes, INFER_WORK};
    sib_code code = infer_at(g, notes, 0, &budget, err);
    if (!budget.ops)
        diagnostics_add(notes, "inference stopped early: the model exceeds the limit of milli-ops");
    return code;
}
