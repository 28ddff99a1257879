/* Messages to a graph: inputs, initializers, nodes in order, outputs, their types and metadata. */
#include "onnx/reader.h"

#include "base/alloc.h"

#include <string.h>

/* ---- Types, doc strings and metadata of values ------------------------------------------------------ */

static sib_code info_read(reader *r, scope *s, const raw_named *info, value_id v)
{
    wire_reader w;
    wire_field f;
    value_type type;
    string_pair pair;
    sib_code code = SIB_OK;
    wire_open(&w, info->bytes, &proto_value_info);
    while (code == SIB_OK && wire_next(&w, &f)) {
        value *at = &s->g->values[v];
        if (f.number == INFO_TYPE) {
            code = type_read(r, f.bytes, &type);
            if (code == SIB_OK && type_outer(&at->declared) == TYPE_UNKNOWN)
                at->declared = type;
            if (code == SIB_OK && type_outer(&at->type) == TYPE_UNKNOWN)
                at->type = type;
        } else if (f.number == INFO_DOC && !at->doc.length) {
            code = reader_string(r, wire_str(f.bytes), &at->doc);
        } else if (f.number == INFO_METADATA) {
            code = raw_read_pair(r, f.bytes, &pair);
            if (code == SIB_OK)
                code = props_add(r, ONNX_PROPS_VALUE, s->g, v, 1, &pair);
        }
    }
    return code == SIB_OK ? reader_end(r, &w) : code;
}

sib_code infos_read(reader *r, scope *s, size_t n, const raw_named *infos)
{
    sib_code code = SIB_OK;
    value_id v;
    for (size_t i = 0; code == SIB_OK && i < n; i++)
        if (name_map_find(&s->names, infos[i].name, &v) && v != NO_VALUE)
            code = info_read(r, s, &infos[i], v);
    return code;
}

static sib_code inputs_read(reader *r, scope *s, const raw_graph *raw)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; code == SIB_OK && i < raw->n_inputs; i++) {
        value_id v = NO_VALUE;
        code = scope_define(r, s, raw->inputs[i].name, raw->inputs[i].bytes.data, true, &v);
        if (code == SIB_OK)
            code = graph_add_input(s->g, v, r->err);
    }
    return code == SIB_OK ? infos_read(r, s, raw->n_inputs, raw->inputs) : code;
}

/* ---- Initializers ----------------------------------------------------------------------------------- */

/* Gets the value that an initializer defines or gives a default. */
static sib_code initializer_value(reader *r, scope *s, const raw_named *raw, value_id *v)
{
    if (name_map_find(&s->names, raw->name, v)) {
        /* Only inputs have names so far. */
        if (s->g->values[*v].constant)
            return reader_fail(r, SIB_ERR_FORMAT, raw->bytes.data, "two initializers are named '%.*s'",
                               STR_ARGS(raw->name));
        return SIB_OK;
    }
    if (r->model->ir_version < 4 && !s->outer)
        reader_notice(r, "initializer '%.*s' is not an input, which IR %lld requires", STR_ARGS(raw->name),
                      (long long)r->model->ir_version);
    return scope_define(r, s, raw->name, raw->bytes.data, false, v);
}

static sib_code initializer_metadata(reader *r, const graph *g, value_id v, wire_span bytes)
{
    wire_reader w;
    wire_field f;
    string_pair pair;
    sib_code code = SIB_OK;
    wire_open(&w, bytes, &proto_tensor);
    while (code == SIB_OK && wire_next(&w, &f)) {
        if (f.number != TENSOR_METADATA)
            continue;
        code = raw_read_pair(r, f.bytes, &pair);
        if (code == SIB_OK)
            code = props_add(r, ONNX_PROPS_TENSOR, g, v, 1, &pair);
    }
    return code;
}

static sib_code initializer_read(reader *r, scope *s, const raw_named *raw, bool sparse)
{
    value_id v = NO_VALUE;
    sib_tensor *t = NULL;
    tensor_proto head = {.doc = {"", 0}};
    sib_code code = initializer_value(r, s, raw, &v);
    if (code == SIB_OK)
        code = sparse ? sparse_read(r, raw->bytes, &t) : tensor_read(r, raw->bytes, &head, &t);
    if (code == SIB_OK)
        code = arena_keep(r->arena, t, r->err);
    if (code != SIB_OK)
        return code;
    value *at = &s->g->values[v];
    at->constant = t;
    at->from_file = true;
    r->model->parameters += sib_tensor_count(t);
    if (type_outer(&at->type) == TYPE_UNKNOWN)
        at->type = type_of_dims(r->dims, sib_tensor_dtype(t), sib_tensor_rank(t), sib_tensor_dims(t));
    if (head.doc.length && !at->doc.length)
        code = reader_string(r, head.doc, &at->doc);
    return code == SIB_OK && !sparse ? initializer_metadata(r, s->g, v, raw->bytes) : code;
}

static sib_code initializers_read(reader *r, scope *s, const raw_graph *raw)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; code == SIB_OK && i < raw->n_initializers; i++)
        code = initializer_read(r, s, &raw->initializers[i], false);
    for (size_t i = 0; code == SIB_OK && i < raw->n_sparse; i++)
        code = initializer_read(r, s, &raw->sparse[i], true);
    return code;
}

/* ---- Nodes ------------------------------------------------------------------------------------------ */

/* Reads name, type and doc of a node; in a function, names are prefixed by the call's. */
static sib_code node_texts(reader *r, const scope *s, const raw_node *raw, node *out)
{
    sib_str name = raw->name;
    if (s->prefix.length) {
        sib_str own = raw->name.length ? raw->name : raw->type;
        char *text = arena_alloc(r->scratch, s->prefix.length + own.length, 1);
        if (!text)
            return reader_memory(r, own.length, "a name");
        memcpy(text, s->prefix.data, s->prefix.length);
        memcpy(text + s->prefix.length, own.data, own.length);
        name = (sib_str){text, s->prefix.length + own.length};
    }
    sib_code code = reader_string(r, name, &out->name);
    if (code == SIB_OK)
        code = reader_string(r, raw->type, &out->type);
    if (code == SIB_OK)
        code = reader_string(r, raw->domain, &out->domain);
    return code == SIB_OK ? reader_string(r, raw->doc, &out->doc) : code;
}

static sib_code node_inputs(reader *r, scope *s, const raw_node *raw, node *out)
{
    for (uint32_t i = 0; i < raw->n_inputs; i++) {
        bool found;
        sib_code code = scope_find(r, s, raw->inputs[i], &found, &out->inputs.ids[i]);
        if (code != SIB_OK)
            return code;
        if (!found)
            return reader_fail(r, SIB_ERR_FORMAT, raw->at,
                               "node '%.*s' (%.*s): its input '%.*s' does not exist", STR_ARGS(raw->name),
                               STR_ARGS(raw->type), STR_ARGS(raw->inputs[i]));
    }
    out->inputs.n = raw->n_inputs;
    return SIB_OK;
}

static sib_code node_outputs(reader *r, scope *s, const raw_node *raw, node *out)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; code == SIB_OK && i < raw->n_outputs; i++) {
        out->outputs.ids[i] = NO_VALUE;
        if (raw->outputs[i].length)
            code = scope_define(r, s, raw->outputs[i], raw->at, false, &out->outputs.ids[i]);
    }
    out->outputs.n = raw->n_outputs;
    return code;
}

static sib_code node_attributes(reader *r, scope *s, const raw_node *raw, node *out)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; code == SIB_OK && i < raw->n_attributes; i++) {
        bool kept = false;
        for (size_t k = 0; k < out->n_attributes; k++)
            if (str_same(out->attributes[k].name, raw->attributes[i].name))
                return reader_fail(r, SIB_ERR_FORMAT, raw->at,
                                   "node '%.*s' (%.*s) has attribute '%.*s' twice", STR_ARGS(raw->name),
                                   STR_ARGS(raw->type), STR_ARGS(raw->attributes[i].name));
        code = attribute_read(r, s, &raw->attributes[i], &out->attributes[out->n_attributes], &kept);
        out->n_attributes += kept;
    }
    return code;
}

static sib_code node_fill(reader *r, scope *s, const raw_node *raw, node *n)
{
    node_id id = NO_NODE;
    sib_code code = node_texts(r, s, raw, n);
    if (code == SIB_OK)
        code = node_inputs(r, s, raw, n);
    if (code == SIB_OK)
        code = node_attributes(r, s, raw, n);
    if (code == SIB_OK)
        code = node_outputs(r, s, raw, n);
    if (code == SIB_OK)
        code = graph_add_node(s->g, n, &id, r->err);
    if (code != SIB_OK) {
        attributes_drop(n->attributes, n->n_attributes);
        return code;
    }
    return props_add(r, ONNX_PROPS_NODE, s->g, id, raw->n_metadata, raw->metadata);
}

static sib_code node_read(reader *r, scope *s, const raw_node *raw)
{
    uint64_t limit = r->max_nodes ? r->max_nodes : READER_NODES + READER_NODES_PER_NODE * r->n_raw;
    if (r->n_nodes++ >= limit)
        return reader_fail(
            r, SIB_ERR_SIZE, raw->at,
            "more nodes, functions inlined, than the limit of %llu (raised by max_nodes, or --open-memory)",
            (unsigned long long)limit);
    const raw_function *f = function_find(r, raw);
    if (f)
        return function_inline(r, s, raw, f);
    node n = {.origin = NO_NODE, .version = raw->version ? raw->version : scope_version(r, s, raw->domain)};
    if (s->call)
        n.function = s->call->function->label;
    value_id *ids = mem_alloc((size_t)raw->n_inputs + raw->n_outputs, sizeof *ids);
    n.attributes = mem_alloc(raw->n_attributes, sizeof *n.attributes);
    sib_code code;
    if (!ids || !n.attributes) {
        code = reader_memory(r, raw->n_attributes * sizeof *n.attributes, "a node");
    } else {
        n.inputs.ids = ids;
        n.outputs.ids = ids + raw->n_inputs;
        code = node_fill(r, s, raw, &n);
    }
    mem_free(ids);
    mem_free(n.attributes);
    return code;
}

sib_code body_read(reader *r, scope *s, const raw_body *body)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; code == SIB_OK && i < body->n; i++) {
        const raw_node *n = &body->nodes[body->order ? body->order[i] : i];
        if (!n->replaced)
            code = node_read(r, s, n);
    }
    return code;
}

/* ---- Outputs and the graph itself ------------------------------------------------------------------- */

static sib_code outputs_read(reader *r, scope *s, const raw_graph *raw)
{
    for (size_t i = 0; i < raw->n_outputs; i++) {
        bool found;
        value_id v;
        sib_code code = scope_find(r, s, raw->outputs[i].name, &found, &v);
        if (code == SIB_OK && (!found || v == NO_VALUE))
            code = reader_fail(r, SIB_ERR_FORMAT, raw->outputs[i].bytes.data, "output '%.*s' does not exist",
                               STR_ARGS(raw->outputs[i].name));
        if (code == SIB_OK)
            code = graph_add_output(s->g, v, r->err);
        if (code != SIB_OK)
            return code;
    }
    return infos_read(r, s, raw->n_outputs, raw->outputs);
}

static sib_code annotation_read(reader *r, wire_span bytes, quant_annotation *out)
{
    wire_reader w;
    wire_field f;
    size_t n = 0;
    sib_str tensor = {"", 0};
    wire_open(&w, bytes, &proto_annotation);
    while (wire_next(&w, &f)) {
        n += f.number == ANNOTATION_PARAMETER;
        if (f.number == ANNOTATION_TENSOR)
            tensor = wire_str(f.bytes);
    }
    sib_code code = reader_end(r, &w);
    if (code == SIB_OK)
        code = reader_string(r, tensor, &out->tensor);
    if (code != SIB_OK || n == 0)
        return code;
    string_pair *pairs = arena_alloc(r->scratch, n, sizeof *pairs);
    if (!pairs)
        return reader_memory(r, n * sizeof *pairs, "a quantization annotation");
    wire_open(&w, bytes, &proto_annotation);
    while (code == SIB_OK && wire_next(&w, &f))
        if (f.number == ANNOTATION_PARAMETER)
            code = raw_read_pair(r, f.bytes, &pairs[out->n++]);
    return code == SIB_OK ? reader_pairs(r, n, pairs, &out->parameters) : code;
}

static sib_code annotations_read(reader *r, graph *g, const raw_graph *raw)
{
    if (raw->n_quant == 0)
        return SIB_OK;
    g->quant = arena_alloc(r->arena, raw->n_quant, sizeof *g->quant);
    if (!g->quant)
        return reader_memory(r, raw->n_quant * sizeof *g->quant, "quantization annotations");
    g->n_quant = raw->n_quant;
    sib_code code = SIB_OK;
    for (size_t i = 0; code == SIB_OK && i < raw->n_quant; i++)
        code = annotation_read(r, raw->quant[i], &g->quant[i]);
    return code;
}

/* Reserves the names of the file for its own values. */
static sib_code reserve_names(reader *r, const scope *s, const raw_graph *raw)
{
    bool ok = true;
    if (r->n_functions == 0 || s->prefix.length)
        return SIB_OK;
    for (size_t i = 0; ok && i < raw->n_inputs; i++)
        ok = name_map_put(&r->taken, raw->inputs[i].name, 1);
    for (size_t i = 0; ok && i < raw->n_initializers; i++)
        ok = name_map_put(&r->taken, raw->initializers[i].name, 1);
    for (size_t i = 0; ok && i < raw->n_sparse; i++)
        ok = name_map_put(&r->taken, raw->sparse[i].name, 1);
    for (size_t i = 0; ok && i < raw->body.n; i++)
        for (uint32_t k = 0; ok && k < raw->body.nodes[i].n_outputs; k++)
            ok = name_map_put(&r->taken, raw->body.nodes[i].outputs[k], 1);
    return ok ? SIB_OK : reader_memory(r, 0, "the names of a graph");
}

sib_code graph_read(reader *r, scope *s, const raw_graph *raw)
{
    sib_code code = reader_string(r, raw->name, &s->g->name);
    if (code == SIB_OK)
        code = reader_string(r, raw->doc, &s->g->doc);
    if (code == SIB_OK)
        code = reader_pairs(r, raw->n_metadata, raw->metadata, &s->g->metadata);
    s->g->n_metadata = code == SIB_OK ? raw->n_metadata : 0;
    if (code == SIB_OK)
        code = reserve_names(r, s, raw);
    if (code == SIB_OK)
        code = inputs_read(r, s, raw);
    if (code == SIB_OK)
        code = initializers_read(r, s, raw);
    if (code == SIB_OK)
        code = body_read(r, s, &raw->body);
    if (code == SIB_OK)
        code = outputs_read(r, s, raw);
    if (code == SIB_OK)
        code = infos_read(r, s, raw->n_infos, raw->infos);
    return code == SIB_OK ? annotations_read(r, s->g, raw) : code;
}
