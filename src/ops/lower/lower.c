/* Lowering of one node: access to its inputs and outputs, and subgraphs lowered in place. */
#include "ops/lower/lower.h"

#include "base/assert.h"
#include "base/error.h"

#include <string.h>

/* Max nesting of subgraphs that are lowered in place. */
#define INLINE_DEPTH 16

/* ---- The node being lowered ------------------------------------------------------------------------ */

bool l_has(const lowering *l, size_t i)
{
    return i < l->node->inputs.n && l->node->inputs.ids[i] != NO_VALUE;
}

mval l_in_or_none(lowering *l, size_t i)
{
    return l_ok(l) && l_has(l, i) ? l->import(l, l->source, l->node->inputs.ids[i]) : MVAL_NONE;
}

mval l_in(lowering *l, size_t i)
{
    if (l_ok(l) && !l_has(l, i))
        return l_fail(l, SIB_ERR_ARGUMENT, "input %zu is missing", i);
    return l_in_or_none(l, i);
}

bool l_wants(const lowering *l, size_t i)
{
    return i < l->node->outputs.n && l->node->outputs.ids[i] != NO_VALUE;
}

void l_out(lowering *l, size_t i, mval v)
{
    if (l_ok(l) && l_wants(l, i))
        l->outs[i] = v;
}

void l_declare_type(lowering *l, size_t i, value_type type)
{
    if (l_ok(l) && l_wants(l, i))
        l->declared[i] = type;
}

void l_declare(lowering *l, size_t i, sib_dtype dtype, int rank, const dim *dims)
{
    if (!l_ok(l) || !l_wants(l, i))
        return;
    l->declared[i] = dims ? m_tensor_type(l, dtype, (size_t)rank, dims) : type_tensor(dtype);
}

static void run_lowering(lowering *l, const node *n)
{
    if (!n->op)
        l_fail(l, SIB_ERR_UNSUPPORTED, "operator %.*s%s%.*s is not known", (int)n->domain.length,
               n->domain.data, n->domain.length ? ":" : "", (int)n->type.length, n->type.data);
    else if (n->fault)
        l_fail(l, SIB_ERR_ARGUMENT, "%s", n->fault);
    else
        n->op->lower(l, n);
}

void lower_node(lowering *l, const graph *source, node_id index, mval *outs, value_type *declared)
{
    const node *n = &source->nodes[index];
    l->source = source;
    l->node = n;
    l->node_index = index;
    l->outs = outs;
    l->declared = declared;
    l->status = LOWER_OK;
    memset(&l->error, 0, sizeof l->error);
    for (uint32_t i = 0; i < n->outputs.n; i++) {
        outs[i] = MVAL_NONE;
        declared[i] = (value_type){0};
    }
    run_lowering(l, n);
    for (uint32_t i = 0; i < n->outputs.n && l_ok(l); i++)
        if (l_wants(l, i) && outs[i].id == NO_VALUE && n->op->control == CONTROL_NONE)
            l_fail(l, SIB_ERR_UNSUPPORTED, "output %u is not computed", i);
}

/* ---- Subgraphs in place ---------------------------------------------------------------------------- */

/* Values of a subgraph whose nodes are being lowered in place. */
typedef struct inlined {
    const graph *subgraph;
    mval *values; /* (subgraph->n_values) */
    mval (*import)(lowering *l, const graph *source, value_id v);
    void *driver;
    const graph *source; /* the graph around it */
} inlined;

static mval import_inlined(lowering *l, const graph *source, value_id v)
{
    inlined *in = l->driver;
    while (in->subgraph != source && in->import == import_inlined)
        in = in->driver;
    if (in->subgraph != source) { /* of the graph around all of them */
        void *driver = l->driver;
        l->driver = in->driver;
        mval out = in->import(l, source, v);
        l->driver = driver;
        return out;
    }
    if (in->values[v].id == NO_VALUE && source->values[v].constant)
        in->values[v] = m_constant_ref(l, source->values[v].constant);
    if (in->values[v].id == NO_VALUE)
        for (uint32_t i = 0; i < source->n_captures; i++)
            if (source->captures[i].inner == v)
                in->values[v] = import_inlined(l, in->source, source->captures[i].outer);
    if (in->values[v].id == NO_VALUE && l_ok(l))
        l_fail(l, SIB_ERR_FORMAT, "a value of its subgraph is used before it is computed");
    return in->values[v];
}

/* Lowers the nodes of in->subgraph. */
static void lower_inside(lowering *l, inlined *in)
{
    const graph *g = in->subgraph;
    for (uint32_t i = 0; i < g->n_nodes && l_ok(l); i++) {
        const node *n = &g->nodes[i];
        mval outs[16];
        value_type declared[16];
        if (n->outputs.n > 16) {
            l_fail(l, SIB_ERR_UNSUPPORTED, "a node of its subgraph has %u outputs, at most 16 are built",
                   n->outputs.n);
            return;
        }
        for (uint32_t k = 0; k < n->outputs.n; k++) {
            outs[k] = MVAL_NONE;
            declared[k] = (value_type){0};
        }
        l->source = g;
        l->node = n;
        l->outs = outs;
        l->declared = declared;
        if (n->op && n->op->control != CONTROL_NONE)
            l_fail(l, SIB_ERR_UNSUPPORTED, "control flow in its subgraph is not supported");
        run_lowering(l, n);
        for (uint32_t k = 0; k < n->outputs.n; k++)
            if (n->outputs.ids[k] != NO_VALUE)
                in->values[n->outputs.ids[k]] = outs[k];
    }
}

void l_inline(lowering *l, graph *subgraph, size_t n_in, const mval *in, size_t n_out, mval *out)
{
    for (size_t i = 0; i < n_out; i++)
        out[i] = MVAL_NONE;
    if (!l_ok(l))
        return;
    if (n_in != subgraph->inputs.n || n_out != subgraph->outputs.n || l->depth >= INLINE_DEPTH) {
        l_fail(l, SIB_ERR_ARGUMENT, "its subgraph has %u inputs and %u outputs, expected %zu and %zu",
               subgraph->inputs.n, subgraph->outputs.n, n_in, n_out);
        return;
    }
    mval *values = arena_alloc(l->graph->arena, subgraph->n_values ? subgraph->n_values : 1, sizeof *values);
    if (!values) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for the values of a subgraph");
        return;
    }
    for (uint32_t i = 0; i < subgraph->n_values; i++)
        values[i] = MVAL_NONE;
    for (size_t i = 0; i < n_in; i++)
        values[subgraph->inputs.ids[i]] = in[i];
    lowering saved = *l;
    inlined inner = {.subgraph = subgraph,
                     .values = values,
                     .import = l->import,
                     .driver = l->driver,
                     .source = l->source};
    l->driver = &inner;
    l->import = import_inlined;
    l->depth++;
    lower_inside(l, &inner);
    SIB_ASSERT(l->driver == &inner);
    for (size_t i = 0; i < n_out && l_ok(l); i++)
        out[i] = import_inlined(l, subgraph, subgraph->outputs.ids[i]);
    l->import = saved.import;
    l->driver = saved.driver;
    l->depth = saved.depth;
    l->source = saved.source;
    l->node = saved.node;
    l->outs = saved.outs;
    l->declared = saved.declared;
}
