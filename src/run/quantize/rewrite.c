/* Rewrites the graph with quantized weights: one patch, then clean-up. */
#include "run/quantize/quantize.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/names.h"
#include "ops/ops.h"
#include "run/passes/match.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

typedef struct rewriting {
    quant_plan *p;
    graph *g;
    patch *patch;
    name_map names;   /* of all values, including subgraphs */
    value_id *bytes;  /* (n_values) outputs of DynamicQuantizeLinear for a value: bytes (NO_VALUE: none), */
    value_id *scale;  /* scale */
    value_id *zero;   /* and zero point */
    value_id *narrow; /* (weights) constants */
    value_id *scales;
    bool contrib; /* a node of com.microsoft was written */
    sib_error *err;
} rewriting;

/* ---- Names, constants, nodes -------------------------------------------------------------------------- */

static bool note_names(rewriting *r, const graph *g)
{
    bool ok = true;
    for (value_id v = 0; v < g->n_values && ok; v++)
        ok = !g->values[v].name.length || name_map_put(&r->names, g->values[v].name, v);
    for (node_id i = 0; i < g->n_nodes && ok; i++)
        for (size_t k = 0; k < g->nodes[i].n_attributes && ok; k++) {
            const attribute *a = &g->nodes[i].attributes[k];
            if (a->kind == ATTR_GRAPH)
                ok = note_names(r, a->graph);
            for (size_t j = 0; a->kind == ATTR_GRAPHS && j < a->n && ok; j++)
                ok = note_names(r, a->graphs[j]);
        }
    return ok;
}

/* Makes base + suffix, numbered where that is taken; in the graph's arena. */
static sib_code new_name(rewriting *r, sib_str base, const char *suffix, sib_str *out)
{
    uint32_t found;
    size_t size = base.length + strlen(suffix) + 16;
    char *text = mem_alloc(size, 1);
    bool ok = text != NULL;
    if (text) {
        snprintf(text, size, "%.*s%s", (int)base.length, base.data, suffix);
        for (unsigned i = 2; name_map_find(&r->names, str_of(text), &found); i++)
            snprintf(text, size, "%.*s%s_%u", (int)base.length, base.data, suffix, i);
        *out = arena_string(r->g->arena, str_of(text), &ok);
        ok = ok && name_map_put(&r->names, *out, 0);
    }
    mem_free(text);
    return ok ? SIB_OK : err_memory(r->err, size, "a name");
}

static sib_code constant(rewriting *r, sib_str base, const char *suffix, sib_tensor **t, value_id *out)
{
    sib_str name;
    const sib_tensor *kept = *t;
    sib_code code = new_name(r, base, suffix, &name);
    if (code == SIB_OK) {
        code = arena_keep(r->g->arena, *t, r->err);
        *t = NULL;
    }
    return code == SIB_OK ? patch_constant(r->patch, name, kept, out, r->err) : code;
}

/* Makes a value of dtype with the dims of `like`, unknown dims for NO_VALUE. */
static sib_code made(rewriting *r, sib_str base, const char *suffix, sib_dtype dtype, value_id like,
                     value_id *out)
{
    sib_str name;
    value_type type = type_tensor(dtype);
    if (like != NO_VALUE && !r->g->values[like].type.depth && r->g->values[like].type.leaf == TYPE_TENSOR)
        type.shape = r->g->values[like].type.shape;
    sib_code code = new_name(r, base, suffix, &name);
    return code == SIB_OK ? patch_value(r->patch, name, &type, out, r->err) : code;
}

typedef struct step {
    const char *domain, *type;
    uint32_t n_in, n_out;
    value_id in[4], out[3];
    size_t n_attributes;
    attribute attributes[4];
} step;

/* Adds a node before `at`, named after its output. */
static sib_code add(rewriting *r, node_id at, const step *s, sib_str base)
{
    value_id in[4], out[3];
    attribute attributes[4];
    sib_str name;
    sib_code code = new_name(r, base, s->type, &name);
    memcpy(in, s->in, sizeof in);
    memcpy(out, s->out, sizeof out);
    memcpy(attributes, s->attributes, sizeof attributes);
    node n = {.domain = str_of(s->domain),
              .type = str_of(s->type),
              .name = name,
              .version = *s->domain ? 1 : r->p->opset,
              .inputs = {s->n_in, in},
              .outputs = {s->n_out, out},
              .n_attributes = s->n_attributes,
              .attributes = attributes,
              .origin = NO_NODE};
    n.op = ops_find(n.domain, n.type);
    r->contrib |= *s->domain != 0;
    return code == SIB_OK ? patch_node(r->patch, at, &n, r->err) : code;
}

/* ---- Layers that still read floats --------------------------------------------------------------------- */

/* All readers of the weights read the output of a DequantizeLinear or Cast of the narrow weights. */
static sib_code widen(rewriting *r, size_t i)
{
    const quant_weight *w = &r->p->weights[i];
    bool half = r->p->options.weights == SIB_WEIGHTS_F16, blocks = w->block < w->k;
    sib_str base = r->g->values[w->value].name;
    int64_t axis = w->axis0 || w->transposed ? 0 : 1;
    value_id wide;
    sib_code code = made(r, base, "_wide", SIB_F32, w->value, &wide);
    step s = {.domain = r->p->opset < 13 && !half ? "com.microsoft" : "",
              .type = half ? "Cast" : "DequantizeLinear",
              .n_in = half ? 1 : 2,
              .n_out = 1,
              .in = {r->narrow[i], r->scales[i]},
              .out = {wide},
              .n_attributes = half || !blocks ? 1 : 2};
    s.attributes[0] = half ? match_int("to", SIB_F32) : match_int("axis", blocks ? 1 - axis : axis);
    s.attributes[1] = match_int("block_size", w->block);
    if (code == SIB_OK)
        code = add(r, w->first, &s, base);
    return code == SIB_OK ? patch_rewire(r->patch, w->value, wide, r->err) : code;
}

/* ---- Layers that are replaced -------------------------------------------------------------------------- */

static sib_str layer_base(const rewriting *r, const node *n)
{
    return n->name.length ? n->name : r->g->values[node_out(n, 0)].name;
}

/* Gathers rows of the float16 table and widens those. */
static sib_code replace_gather(rewriting *r, const quant_layer *l)
{
    const node *n = &r->g->nodes[l->node];
    sib_str base = layer_base(r, n);
    value_id rows;
    sib_code code = made(r, base, "_half", SIB_F16, node_out(n, 0), &rows);
    step gather = {.domain = "",
                   .type = "Gather",
                   .n_in = 2,
                   .n_out = 1,
                   .in = {r->narrow[l->weight], node_in(n, 1)},
                   .out = {rows},
                   .n_attributes = 1,
                   .attributes = {match_int("axis", spec_gather(n).axis)}};
    step cast = {.domain = "",
                 .type = "Cast",
                 .n_in = 1,
                 .n_out = 1,
                 .in = {rows},
                 .out = {node_out(n, 0)},
                 .n_attributes = 1,
                 .attributes = {match_int("to", SIB_F32)}};
    if (code == SIB_OK)
        code = patch_drop(r->patch, l->node, r->err);
    if (code == SIB_OK)
        code = add(r, l->node, &gather, base);
    return code == SIB_OK ? add(r, l->node, &cast, base) : code;
}

/* The output of the product: the node's output, or with a Gemm's bias a value to which that is added. */
static sib_code product_value(rewriting *r, const node *n, value_id *out)
{
    *out = node_out(n, 0);
    return node_in(n, 2) == NO_VALUE ? SIB_OK
                                     : made(r, layer_base(r, n), "_product", SIB_F32, node_out(n, 0), out);
}

static sib_code add_bias(rewriting *r, const quant_layer *l, value_id product)
{
    const node *n = &r->g->nodes[l->node];
    step s = {.domain = "",
              .type = "Add",
              .n_in = 2,
              .n_out = 1,
              .in = {product, node_in(n, 2)},
              .out = {node_out(n, 0)}};
    return node_in(n, 2) == NO_VALUE ? SIB_OK : add(r, l->node, &s, layer_base(r, n));
}

static sib_code replace_bits(rewriting *r, const quant_layer *l)
{
    const node *n = &r->g->nodes[l->node];
    const quant_weight *w = &r->p->weights[l->weight];
    value_id product;
    sib_code code = product_value(r, n, &product);
    step s = {.domain = "com.microsoft",
              .type = "MatMulNBits",
              .n_in = 3,
              .n_out = 1,
              .in = {node_in(n, 0), r->narrow[l->weight], r->scales[l->weight]},
              .out = {product},
              .n_attributes = 4,
              .attributes = {match_int("K", w->k), match_int("N", w->n),
                             match_int("bits", r->p->options.weights == SIB_WEIGHTS_INT4 ? 4 : 8),
                             match_int("block_size", w->block)}};
    if (code == SIB_OK)
        code = patch_drop(r->patch, l->node, r->err);
    if (code == SIB_OK)
        code = add(r, l->node, &s, layer_base(r, n));
    return code == SIB_OK ? add_bias(r, l, product) : code;
}

/* Quantizes the input dynamically, once for all layers that read it. */
static sib_code bytes_of(rewriting *r, node_id at, value_id x)
{
    sib_str base = r->g->values[x].name;
    sib_code code = SIB_OK;
    if (r->bytes[x] != NO_VALUE)
        return SIB_OK;
    code = made(r, base, "_bytes", SIB_U8, x, &r->bytes[x]);
    if (code == SIB_OK)
        code = made(r, base, "_bytes_scale", SIB_F32, NO_VALUE, &r->scale[x]);
    if (code == SIB_OK)
        code = made(r, base, "_bytes_zero", SIB_U8, NO_VALUE, &r->zero[x]);
    step s = {.domain = "",
              .type = "DynamicQuantizeLinear",
              .n_in = 1,
              .n_out = 3,
              .in = {x},
              .out = {r->bytes[x], r->scale[x], r->zero[x]}};
    return code == SIB_OK ? add(r, at, &s, base) : code;
}

static sib_code replace_dynamic(rewriting *r, const quant_layer *l)
{
    const node *n = &r->g->nodes[l->node];
    sib_str base = layer_base(r, n);
    value_id x = node_in(n, 0), whole, number, scale, product;
    sib_code code = bytes_of(r, l->node, x);
    if (code == SIB_OK)
        code = made(r, base, "_whole", SIB_I32, node_out(n, 0), &whole);
    if (code == SIB_OK)
        code = made(r, base, "_number", SIB_F32, node_out(n, 0), &number);
    if (code == SIB_OK)
        code = made(r, base, "_scale", SIB_F32, NO_VALUE, &scale);
    if (code == SIB_OK)
        code = product_value(r, n, &product);
    if (code == SIB_OK)
        code = patch_drop(r->patch, l->node, r->err);
    if (code != SIB_OK)
        return code;
    step steps[] = {{.type = "MatMulInteger",
                     .n_in = 3,
                     .in = {r->bytes[x], r->narrow[l->weight], r->zero[x]},
                     .out = {whole}},
                    {.type = "Cast",
                     .n_in = 1,
                     .in = {whole},
                     .out = {number},
                     .n_attributes = 1,
                     .attributes = {match_int("to", SIB_F32)}},
                    {.type = "Mul", .n_in = 2, .in = {r->scale[x], r->scales[l->weight]}, .out = {scale}},
                    {.type = "Mul", .n_in = 2, .in = {number, scale}, .out = {product}}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && code == SIB_OK; i++) {
        steps[i].domain = "";
        steps[i].n_out = 1;
        code = add(r, l->node, &steps[i], base);
    }
    return code == SIB_OK ? add_bias(r, l, product) : code;
}

/* ---- The patch ---------------------------------------------------------------------------------------- */

static sib_code write_weight(rewriting *r, size_t i)
{
    quant_weight *w = &r->p->weights[i];
    static const char *const words[] = {"_int8", "_int4", "_f16"};
    sib_str base = r->g->values[w->value].name;
    bool replaced = r->p->options.dynamic || (r->p->bits && w->whole), floats = false;
    sib_code code = constant(r, base, words[r->p->options.weights], &w->narrow, &r->narrow[i]);
    if (code == SIB_OK && w->scale)
        code = constant(r, base, "_scales", &w->scale, &r->scales[i]);
    for (size_t k = 0; k < r->p->n_layers; k++)
        floats |= r->p->layers[k].weight == i && r->p->layers[k].kind != QUANT_GATHER;
    return code == SIB_OK && !replaced && floats ? widen(r, i) : code;
}

static sib_code write_layer(rewriting *r, const quant_layer *l)
{
    if (l->kind == QUANT_GATHER)
        return replace_gather(r, l);
    if (r->p->options.dynamic)
        return replace_dynamic(r, l);
    return r->p->bits && r->p->weights[l->weight].whole ? replace_bits(r, l) : SIB_OK;
}

static sib_code write_all(rewriting *r)
{
    quant_plan *p = r->p;
    sib_code code = patch_create(r->g, &r->patch, r->err);
    for (value_id v = 0; v < r->g->n_values; v++)
        r->bytes[v] = NO_VALUE;
    for (size_t i = 0; i < p->n_weights && code == SIB_OK; i++)
        if (p->weights[i].usable)
            code = write_weight(r, i);
    for (size_t i = 0; i < p->n_layers && code == SIB_OK; i++)
        code = write_layer(r, &p->layers[i]);
    return code;
}

/* ---- Clean-up ----------------------------------------------------------------------------------------- */

/* Moves the file's notes on nodes along with the nodes. */
static void move_props(quant_plan *p, const patch *done)
{
    onnx_model *m = p->model;
    size_t kept = 0;
    for (size_t i = 0; i < m->n_props; i++) {
        onnx_props props = m->props[i];
        if (props.of == ONNX_PROPS_NODE && props.graph == m->graph)
            props.id = patch_moved(done, props.id);
        if (props.id != UINT32_MAX)
            m->props[kept++] = props;
    }
    m->n_props = kept;
}

/* Drops layout nodes of weights that nobody reads now. */
static sib_code drop_idle(quant_plan *p, sib_error *err)
{
    graph *g = p->model->graph;
    pass_run run = {.limit = UINT64_MAX};
    matcher m;
    patch *idle = NULL;
    sib_code code = patch_create(g, &idle, err);
    if (code == SIB_OK) {
        code = match_begin(&m, g, &run, idle, err);
        for (node_id i = g->n_nodes; i-- > 0 && code == SIB_OK;) {
            const node *n = &g->nodes[i];
            value_id out = node_out(n, 0), in = node_in(n, 0);
            bool moves = match_op(n, "Identity") || match_op(n, "Transpose");
            if ((!moves && !match_op(n, "Constant")) || out == NO_VALUE || m.reads[out] || m.asked[out])
                continue;
            m.reads[in != NO_VALUE ? in : out] -= in != NO_VALUE;
            code = patch_drop(idle, i, err);
        }
        match_end(&m);
    }
    if (code == SIB_OK && !patch_is_empty(idle))
        code = patch_apply(g, idle, err);
    if (code == SIB_OK && !patch_is_empty(idle))
        move_props(p, idle);
    patch_free(&idle);
    return code;
}

/* Drops weights that nobody reads any more, which the file would otherwise still hold, and marks the
   constants that belong to the file. */
static sib_code settle(quant_plan *p, value_id first_new, sib_error *err)
{
    graph *g = p->model->graph;
    pass_run run = {.limit = UINT64_MAX};
    matcher m;
    sib_code code = match_begin(&m, g, &run, NULL, err);
    for (value_id v = 0; v < g->n_values && code == SIB_OK; v++) {
        value *x = &g->values[v];
        if (v >= first_new)
            x->from_file = x->constant && x->producer == NO_NODE;
        else if (x->from_file && x->constant && !m.reads[v] && !m.asked[v]) {
            bool input = false;
            for (uint32_t i = 0; i < g->inputs.n; i++)
                input |= g->inputs.ids[i] == v;
            if (input)
                continue;
            x->constant = NULL;
            x->from_file = false;
            x->declared = (value_type){0};
            x->doc = (sib_str){"", 0};
        }
    }
    match_end(&m);
    return code;
}

/* Removes changed weights from the graph's inputs; from IR 4 on initializers need not be inputs. */
static sib_code leave_inputs(quant_plan *p, sib_error *err)
{
    onnx_model *m = p->model;
    graph *g = m->graph;
    uint32_t kept = 0;
    bool *gone = mem_calloc((size_t)g->n_values + 1, sizeof *gone);
    if (!gone)
        return err_memory(err, g->n_values, "inputs of a graph");
    for (size_t i = 0; i < p->n_weights; i++)
        gone[p->weights[i].value] = p->weights[i].usable;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (!gone[g->inputs.ids[i]])
            g->inputs.ids[kept++] = g->inputs.ids[i];
    g->inputs.n = kept;
    m->ir_version = m->ir_version < 4 ? 4 : m->ir_version;
    mem_free(gone);
    return SIB_OK;
}

static sib_code import_contrib(onnx_model *m, sib_error *err)
{
    for (size_t i = 0; i < m->n_opsets; i++)
        if (str_is(m->opsets[i].domain, "com.microsoft"))
            return SIB_OK;
    opset_import *more = arena_alloc(m->arena, m->n_opsets + 1, sizeof *more);
    if (!more)
        return err_memory(err, m->n_opsets * sizeof *more, "opsets");
    if (m->n_opsets)
        memcpy(more, m->opsets, m->n_opsets * sizeof *more);
    more[m->n_opsets++] = (opset_import){str_of("com.microsoft"), 1};
    m->opsets = more;
    return SIB_OK;
}

sib_code quant_rewrite(quant_plan *p, sib_error *err)
{
    rewriting r = {.p = p, .g = p->model->graph, .err = err};
    size_t values = (size_t)r.g->n_values + 1, weights = p->n_weights + 1;
    value_id first_new = r.g->n_values;
    r.bytes = mem_alloc(values, sizeof *r.bytes);
    r.scale = mem_alloc(values, sizeof *r.scale);
    r.zero = mem_alloc(values, sizeof *r.zero);
    r.narrow = mem_alloc(weights, sizeof *r.narrow);
    r.scales = mem_alloc(weights, sizeof *r.scales);
    bool ok = r.bytes && r.scale && r.zero && r.narrow && r.scales && note_names(&r, r.g);
    sib_code code = ok ? write_all(&r) : err_memory(err, values * sizeof *r.bytes, "a graph");
    if (code == SIB_OK && r.contrib)
        code = import_contrib(p->model, err);
    if (code == SIB_OK)
        code = patch_apply(r.g, r.patch, err);
    if (code == SIB_OK) {
        move_props(p, r.patch);
        code = leave_inputs(p, err);
    }
    if (code == SIB_OK)
        code = drop_idle(p, err);
    if (code == SIB_OK)
        code = settle(p, first_new, err);
    patch_free(&r.patch);
    name_map_clear(&r.names);
    mem_free(r.bytes);
    mem_free(r.scale);
    mem_free(r.zero);
    mem_free(r.narrow);
    mem_free(r.scales);
    return code;
}
