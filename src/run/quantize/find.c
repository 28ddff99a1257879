/* Finds layers whose weights can be quantized, and weights that nothing else reads. */
#include "run/quantize/quantize.h"

#include "base/alloc.h"
#include "base/error.h"
#include "ops/ops.h"
#include "run/passes/match.h"
#include "tensor/tensor.h"

#include <math.h>

/* State of the search. */
typedef struct search {
    matcher m;
    quant_plan *p;
    bool *fixed; /* (n_values) inputs of the graph that callers may set */
    uint32_t *weight_of, *input_of;
} search;

/* The index of the input that holds the node's weights; -1 where it has none to quantize. Sets *kind and
   *transposed. */
static int layer_of(const search *s, const node *n, quant_kind *kind, bool *transposed)
{
    const quant_plan *p = s->p;
    bool f16 = p->options.weights == SIB_WEIGHTS_F16, replaced = p->bits || p->options.dynamic;
    *transposed = false;
    if (match_op(n, "MatMul")) {
        *kind = QUANT_MATMUL;
        return match_rank(&s->m, node_in(n, 0)) == 1 ? -1 : 1;
    }
    if (match_op(n, "Gemm")) {
        *kind = QUANT_GEMM;
        gemm_spec spec = spec_gemm(n);
        *transposed = spec.transB;
        bool plain = spec.alpha == 1 && spec.beta == 1;
        return spec.transA || (replaced && !plain) ? -1 : 1;
    }
    *transposed = true;
    *kind = match_op(n, "Conv") ? QUANT_CONV : QUANT_GATHER;
    if (match_op(n, "Conv"))
        return f16 || (p->options.weights == SIB_WEIGHTS_INT8 && !p->options.dynamic) ? 1 : -1;
    return f16 && match_op(n, "Gather") ? 0 : -1;
}

/* Whether v is given by the file alone: an initializer or a Constant, possibly moved by layout nodes. */
static bool is_given(const search *s, value_id v)
{
    for (int steps = 0; steps < 4; steps++) {
        const node *n = match_maker(&s->m, v);
        if (!n)
            return match_constant(&s->m, v) && !s->fixed[v];
        if (match_op(n, "Constant"))
            return true;
        if (!match_op(n, "Identity") && !match_op(n, "Transpose"))
            return false;
        v = node_in(n, 0);
    }
    return false;
}

static bool is_usable(const search *s, value_id v, quant_kind kind)
{
    const sib_tensor *t = match_constant(&s->m, v);
    return t && t->dtype == SIB_F32 && t->dense && t->count >= s->p->options.min_weights && t->count &&
           !s->m.given[v] && !s->m.asked[v] && (kind == QUANT_CONV ? t->rank >= 3 : t->rank == 2) &&
           is_given(s, v);
}

static quant_weight *weight_of(search *s, value_id v, quant_kind kind, bool transposed, node_id first)
{
    quant_plan *p = s->p;
    if (s->weight_of[v] != UINT32_MAX)
        return &p->weights[s->weight_of[v]];
    const sib_tensor *t = match_constant(&s->m, v);
    quant_weight *w = &p->weights[p->n_weights];
    *w = (quant_weight){.value = v,
                        .was = t,
                        .transposed = transposed,
                        .usable = true,
                        .whole = true,
                        .first = first,
                        .n = transposed ? t->dims[0] : t->dims[1]};
    w->axis0 = kind == QUANT_CONV || kind == QUANT_GATHER;
    w->k = (int64_t)t->count / w->n;
    s->weight_of[v] = (uint32_t)p->n_weights++;
    return w;
}

/* The index of a product's input in the plan, UINT32_MAX where its width differs. */
static uint32_t input_of(search *s, value_id v, int64_t k)
{
    quant_plan *p = s->p;
    if (s->input_of[v] == UINT32_MAX) {
        p->inputs[p->n_inputs] = (quant_input){.value = v, .k = k};
        s->input_of[v] = (uint32_t)p->n_inputs++;
    }
    uint32_t found = s->input_of[v];
    return p->inputs[found].k == k ? found : UINT32_MAX;
}

static void add_layer(search *s, node_id i)
{
    quant_plan *p = s->p;
    const node *n = &s->m.g->nodes[i];
    quant_kind kind = QUANT_MATMUL;
    bool transposed;
    int at = layer_of(s, n, &kind, &transposed);
    value_id v = at < 0 ? NO_VALUE : node_in(n, (uint32_t)at);
    if (at < 0 || v == NO_VALUE || !is_usable(s, v, kind))
        return;
    quant_weight *w = weight_of(s, v, kind, transposed, i);
    bool product = kind == QUANT_MATMUL || kind == QUANT_GEMM;
    w->usable &= w->transposed == transposed || p->options.weights == SIB_WEIGHTS_F16;
    w->whole &= product;
    w->reads++;
    p->layers[p->n_layers++] = (quant_layer){.node = i,
                                             .kind = kind,
                                             .weight = (uint32_t)(w - p->weights),
                                             .input = UINT32_MAX,
                                             .output_error = (double)NAN};
}

/* Drops weights that other nodes read too, with their layers; then collects the inputs of the rest. */
static void keep_usable(search *s)
{
    quant_plan *p = s->p;
    size_t kept = 0;
    for (size_t i = 0; i < p->n_weights; i++) {
        quant_weight *w = &p->weights[i];
        w->usable &= w->reads == s->m.reads[w->value];
        bool blocks = p->options.block && w->whole;
        w->block = blocks && p->options.block < w->k ? p->options.block : w->k;
        if (p->bits && w->whole)
            w->block = p->options.block;
    }
    for (size_t i = 0; i < p->n_layers; i++) {
        quant_layer l = p->layers[i];
        const quant_weight *w = &p->weights[l.weight];
        if (!w->usable)
            continue;
        const node *n = &s->m.g->nodes[l.node];
        bool transposed = l.kind == QUANT_GEMM && spec_gemm(n).transB;
        if ((l.kind == QUANT_MATMUL || l.kind == QUANT_GEMM) && transposed == w->transposed &&
            p->options.n_sets)
            l.input = input_of(s, node_in(n, 0), w->k);
        p->layers[kept++] = l;
    }
    p->n_layers = kept;
}

static int64_t opset_of(const onnx_model *m)
{
    for (size_t i = 0; i < m->n_opsets; i++)
        if (!m->opsets[i].domain.length)
            return m->opsets[i].version;
    return m->graph->n_nodes ? m->graph->nodes[0].version : 1;
}

/* Whether initializers are inputs by convention, as IR < 4 requires and some later files do: callers are
   not meant to set them. */
static bool by_habit(const onnx_model *m)
{
    const graph *g = m->graph;
    uint32_t given = 0, all = 0;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        given += g->values[g->inputs.ids[i]].constant != NULL;
    for (value_id v = 0; v < g->n_values; v++)
        all += g->values[v].constant && g->values[v].from_file;
    return m->ir_version < 4 || given == all;
}

static sib_code look(search *s, sib_error *err)
{
    const graph *g = s->m.g;
    quant_plan *p = s->p;
    for (value_id v = 0; v < g->n_values; v++)
        s->weight_of[v] = s->input_of[v] = UINT32_MAX;
    bool habit = by_habit(p->model);
    for (uint32_t i = 0; i < g->inputs.n; i++)
        s->fixed[g->inputs.ids[i]] = !habit;
    p->opset = opset_of(p->model);
    p->bits = p->options.weights == SIB_WEIGHTS_INT4 ||
              (p->options.weights == SIB_WEIGHTS_INT8 && p->options.block && p->opset < 21);
    if (p->options.dynamic && p->opset < 11)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "the model is of opset %lld, DynamicQuantizeLinear needs opset 11",
                       (long long)p->opset);
    for (node_id i = 0; i < g->n_nodes; i++)
        add_layer(s, i);
    keep_usable(s);
    return SIB_OK;
}

sib_code quant_find(quant_plan *p, sib_error *err)
{
    const graph *g = p->model->graph;
    pass_run run = {.limit = UINT64_MAX};
    search s = {.p = p};
    size_t n = (size_t)g->n_nodes + 1, values = (size_t)g->n_values + 1;
    sib_code code = match_begin(&s.m, g, &run, NULL, err);
    s.fixed = mem_calloc(values, sizeof *s.fixed);
    s.weight_of = mem_alloc(values, sizeof *s.weight_of);
    s.input_of = mem_alloc(values, sizeof *s.input_of);
    p->layers = mem_calloc(n, sizeof *p->layers);
    p->weights = mem_calloc(n, sizeof *p->weights);
    p->inputs = mem_calloc(n, sizeof *p->inputs);
    if (code == SIB_OK && !(s.fixed && s.weight_of && s.input_of && p->layers && p->weights && p->inputs))
        code = err_memory(err, n * sizeof *p->weights, "the layers of a model");
    if (code == SIB_OK)
        code = look(&s, err);
    mem_free(s.fixed);
    mem_free(s.weight_of);
    mem_free(s.input_of);
    match_end(&s.m);
    return code;
}

void quant_end(quant_plan *p)
{
    for (size_t i = 0; p->weights && i < p->n_weights; i++) {
        sib_tensor_free(&p->weights[i].narrow);
        sib_tensor_free(&p->weights[i].scale);
    }
    for (size_t i = 0; p->inputs && i < p->n_inputs; i++) {
        mem_free(p->inputs[i].square);
        mem_free(p->inputs[i].rows);
    }
    mem_free(p->layers);
    mem_free(p->weights);
    mem_free(p->inputs);
}
