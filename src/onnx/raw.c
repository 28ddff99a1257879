#include "onnx/raw.h"

#include "onnx/reader.h"

#include "base/alloc.h"

#include <string.h>

/* Number of occurrences of each field in a message. */
typedef struct field_counts {
    uint32_t n[PROTO_MAX_FIELD + 1];
} field_counts;

static sib_code count_fields(reader *r, wire_span bytes, const proto_message *message, field_counts *out)
{
    wire_reader w;
    wire_field f;
    memset(out, 0, sizeof *out);
    wire_open(&w, bytes, message);
    while (wire_next(&w, &f))
        out->n[f.number]++;
    return reader_end(r, &w);
}

/* Allocates n items in the scratch arena; NULL where n is 0. Clears *ok where memory fails. */
static void *list_of(reader *r, size_t n, size_t size, bool *ok)
{
    if (n == 0)
        return NULL;
    void *items = arena_alloc(r->scratch, n, size);
    if (!items)
        *ok = false;
    return items;
}

static sib_code out_of_memory(reader *r)
{
    return reader_memory(r, 0, "the messages of a model");
}

static sib_str domain_of(sib_str domain)
{
    return str_is(domain, "ai.onnx") ? (sib_str){"", 0} : domain;
}

sib_code raw_read_pair(reader *r, wire_span bytes, string_pair *out)
{
    wire_reader w;
    wire_field f;
    *out = (string_pair){{"", 0}, {"", 0}};
    wire_open(&w, bytes, &proto_pair);
    while (wire_next(&w, &f))
        *(f.number == PAIR_KEY ? &out->key : &out->value) = wire_str(f.bytes);
    return reader_end(r, &w);
}

sib_code raw_read_opset(reader *r, wire_span bytes, opset_import *out)
{
    wire_reader w;
    wire_field f;
    *out = (opset_import){.domain = {"", 0}};
    wire_open(&w, bytes, &proto_opset);
    while (wire_next(&w, &f)) {
        if (f.number == OPSET_DOMAIN)
            out->domain = domain_of(wire_str(f.bytes));
        else
            out->version = (int64_t)f.bits;
    }
    return reader_end(r, &w);
}

sib_code raw_read_name(reader *r, wire_span bytes, const proto_message *message, uint32_t number,
                       sib_str *out)
{
    wire_reader w;
    wire_field f;
    *out = (sib_str){"", 0};
    wire_open(&w, bytes, message);
    while (wire_next(&w, &f))
        if (f.number == number)
            *out = wire_str(f.bytes);
    return reader_end(r, &w);
}

/* ---- Attributes ------------------------------------------------------------------------------------- */

/* Infers the kind from the field in use, for files without `type`. */
static uint32_t kind_of_field(uint32_t number)
{
    static const uint8_t kinds[PROTO_MAX_FIELD + 1] = {
        [ATTRIBUTE_F] = ATTR_FLOAT,         [ATTRIBUTE_I] = ATTR_INT,
        [ATTRIBUTE_S] = ATTR_STRING,        [ATTRIBUTE_T] = ATTR_TENSOR,
        [ATTRIBUTE_G] = ATTR_GRAPH,         [ATTRIBUTE_FLOATS] = ATTR_FLOATS,
        [ATTRIBUTE_INTS] = ATTR_INTS,       [ATTRIBUTE_STRINGS] = ATTR_STRINGS,
        [ATTRIBUTE_TENSORS] = ATTR_TENSORS, [ATTRIBUTE_GRAPHS] = ATTR_GRAPHS,
        [ATTRIBUTE_TP] = ATTR_TYPE,         [ATTRIBUTE_TYPE_PROTOS] = PROTO_TYPE_PROTOS,
        [ATTRIBUTE_SPARSE] = ATTR_SPARSE,   [ATTRIBUTE_SPARSES] = PROTO_SPARSE_TENSORS,
    };
    return kinds[number];
}

/* Reads the subgraphs of an attribute. */
static sib_code read_graphs(reader *r, raw_attribute *a, const field_counts *counts)
{
    uint32_t number = a->kind == ATTR_GRAPH ? ATTRIBUTE_G : ATTRIBUTE_GRAPHS;
    bool ok = true;
    a->graphs = list_of(r, counts->n[number], sizeof *a->graphs, &ok);
    if (!ok)
        return out_of_memory(r);
    wire_reader w;
    wire_field f;
    sib_code code = SIB_OK;
    wire_open(&w, a->bytes, &proto_attribute);
    while (code == SIB_OK && wire_next(&w, &f))
        if (f.number == number)
            code = raw_read_graph(r, f.bytes, &a->graphs[a->n_graphs++]);
    return code;
}

static sib_code read_attribute(reader *r, wire_span bytes, raw_attribute *out)
{
    wire_reader w;
    wire_field f;
    field_counts counts = {0};
    uint32_t seen = 0;
    *out = (raw_attribute){.at = bytes.data, .bytes = bytes, .name = {"", 0}, .ref = {"", 0}};
    wire_open(&w, bytes, &proto_attribute);
    while (wire_next(&w, &f)) {
        counts.n[f.number]++;
        if (f.number == ATTRIBUTE_NAME)
            out->name = wire_str(f.bytes);
        else if (f.number == ATTRIBUTE_REF)
            out->ref = wire_str(f.bytes);
        else if (f.number == ATTRIBUTE_TYPE)
            out->kind = f.bits <= PROTO_TYPE_PROTOS ? (uint32_t)f.bits : UINT32_MAX;
        else if (kind_of_field(f.number))
            seen = kind_of_field(f.number);
    }
    sib_code code = reader_end(r, &w);
    if (code != SIB_OK)
        return code;
    if (out->name.length == 0)
        return reader_fail(r, SIB_ERR_FORMAT, bytes.data, "an attribute has no name");
    if (out->kind == 0)
        out->kind = seen;
    bool graphs = out->kind == ATTR_GRAPH || out->kind == ATTR_GRAPHS;
    return graphs && out->ref.length == 0 ? read_graphs(r, out, &counts) : SIB_OK;
}

/* ---- Nodes ------------------------------------------------------------------------------------------ */

/* The version noted by our writer, "1" to "999999999"; 0 for any other text. */
static int64_t noted_version(sib_str s)
{
    int64_t version = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (s.length > 9 || s.data[i] < '0' || s.data[i] > '9')
            return 0;
        version = version * 10 + (s.data[i] - '0');
    }
    return version;
}

static sib_code read_node_metadata(reader *r, wire_span bytes, raw_node *out)
{
    string_pair pair;
    sib_code code = raw_read_pair(r, bytes, &pair);
    if (code == SIB_OK && str_is(pair.key, READER_OPSET_KEY))
        out->version = noted_version(pair.value);
    else if (code == SIB_OK)
        out->metadata[out->n_metadata++] = pair;
    return code;
}

static sib_code read_node_field(reader *r, const wire_field *f, raw_node *out)
{
    switch (f->number) {
    case NODE_INPUT:
        out->inputs[out->n_inputs++] = wire_str(f->bytes);
        return SIB_OK;
    case NODE_OUTPUT:
        out->outputs[out->n_outputs++] = wire_str(f->bytes);
        return SIB_OK;
    case NODE_ATTRIBUTE:
        return read_attribute(r, f->bytes, &out->attributes[out->n_attributes++]);
    case NODE_METADATA:
        return read_node_metadata(r, f->bytes, out);
    case NODE_NAME:
        out->name = wire_str(f->bytes);
        return SIB_OK;
    case NODE_OP_TYPE:
        out->type = wire_str(f->bytes);
        return SIB_OK;
    case NODE_DOMAIN:
        out->domain = domain_of(wire_str(f->bytes));
        return SIB_OK;
    case NODE_OVERLOAD:
        out->overload = wire_str(f->bytes);
        return SIB_OK;
    case NODE_DOC:
        out->doc = wire_str(f->bytes);
        return SIB_OK;
    default:
        return SIB_OK;
    }
}

static sib_code read_node(reader *r, wire_span bytes, raw_node *out)
{
    field_counts counts;
    bool ok = true;
    const sib_str none = {"", 0};
    *out = (raw_node){
        .at = bytes.data, .name = none, .type = none, .domain = none, .overload = none, .doc = none};
    if (r->n_raw++ >= r->max_nodes && r->max_nodes)
        return reader_fail(r, SIB_ERR_SIZE, bytes.data,
                           "more nodes than the limit of %llu (raised by max_nodes, or --open-memory)",
                           (unsigned long long)r->max_nodes);
    sib_code code = count_fields(r, bytes, &proto_node, &counts);
    if (code != SIB_OK)
        return code;
    if (counts.n[NODE_ATTRIBUTE] > READER_MAX_ATTRIBUTES)
        return reader_fail(r, SIB_ERR_SIZE, bytes.data, "a node has %u attributes, expected at most %d",
                           counts.n[NODE_ATTRIBUTE], READER_MAX_ATTRIBUTES);
    out->inputs = list_of(r, counts.n[NODE_INPUT], sizeof *out->inputs, &ok);
    out->outputs = list_of(r, counts.n[NODE_OUTPUT], sizeof *out->outputs, &ok);
    out->attributes = list_of(r, counts.n[NODE_ATTRIBUTE], sizeof *out->attributes, &ok);
    out->metadata = list_of(r, counts.n[NODE_METADATA], sizeof *out->metadata, &ok);
    if (!ok)
        return out_of_memory(r);
    if (counts.n[NODE_DEVICES])
        reader_notice(r, "the placement of nodes on devices is ignored");
    wire_reader w;
    wire_field f;
    wire_open(&w, bytes, &proto_node);
    while (code == SIB_OK && wire_next(&w, &f))
        code = read_node_field(r, &f, out);
    if (code == SIB_OK && out->type.length == 0)
        code = reader_fail(r, SIB_ERR_FORMAT, bytes.data, "node '%.*s' has no operator type",
                           STR_ARGS(out->name));
    return code;
}

/* ---- Graphs ----------------------------------------------------------------------------------------- */

static sib_code read_named(reader *r, const wire_field *f, const proto_message *message, uint32_t number,
                           raw_named *out)
{
    out->bytes = f->bytes;
    return raw_read_name(r, f->bytes, message, number, &out->name);
}

/* A sparse tensor has the name of its values. */
static sib_code read_sparse_named(reader *r, const wire_field *f, raw_named *out)
{
    sib_str values;
    out->bytes = f->bytes;
    sib_code code = raw_read_name(r, f->bytes, &proto_sparse, SPARSE_VALUES, &values);
    if (code != SIB_OK)
        return code;
    return raw_read_name(r, (wire_span){(const uint8_t *)values.data, values.length}, &proto_tensor,
                         TENSOR_NAME, &out->name);
}

static sib_code read_graph_field(reader *r, const wire_field *f, raw_graph *out)
{
    switch (f->number) {
    case GRAPH_NODE:
        return read_node(r, f->bytes, &out->body.nodes[out->body.n++]);
    case GRAPH_NAME:
        out->name = wire_str(f->bytes);
        return SIB_OK;
    case GRAPH_DOC:
        out->doc = wire_str(f->bytes);
        return SIB_OK;
    case GRAPH_INITIALIZER:
        return read_named(r, f, &proto_tensor, TENSOR_NAME, &out->initializers[out->n_initializers++]);
    case GRAPH_SPARSE:
        return read_sparse_named(r, f, &out->sparse[out->n_sparse++]);
    case GRAPH_INPUT:
        return read_named(r, f, &proto_value_info, INFO_NAME, &out->inputs[out->n_inputs++]);
    case GRAPH_OUTPUT:
        return read_named(r, f, &proto_value_info, INFO_NAME, &out->outputs[out->n_outputs++]);
    case GRAPH_VALUE_INFO:
        return read_named(r, f, &proto_value_info, INFO_NAME, &out->infos[out->n_infos++]);
    case GRAPH_QUANT:
        out->quant[out->n_quant++] = f->bytes;
        return SIB_OK;
    case GRAPH_METADATA:
        return raw_read_pair(r, f->bytes, &out->metadata[out->n_metadata++]);
    default:
        return SIB_OK;
    }
}

static sib_code read_graph_inside(reader *r, wire_span bytes, raw_graph *out)
{
    field_counts counts;
    bool ok = true;
    *out = (raw_graph){.at = bytes.data, .name = {"", 0}, .doc = {"", 0}};
    sib_code code = count_fields(r, bytes, &proto_graph, &counts);
    if (code != SIB_OK)
        return code;
    out->body.nodes = list_of(r, counts.n[GRAPH_NODE], sizeof *out->body.nodes, &ok);
    out->initializers = list_of(r, counts.n[GRAPH_INITIALIZER], sizeof *out->initializers, &ok);
    out->sparse = list_of(r, counts.n[GRAPH_SPARSE], sizeof *out->sparse, &ok);
    out->inputs = list_of(r, counts.n[GRAPH_INPUT], sizeof *out->inputs, &ok);
    out->outputs = list_of(r, counts.n[GRAPH_OUTPUT], sizeof *out->outputs, &ok);
    out->infos = list_of(r, counts.n[GRAPH_VALUE_INFO], sizeof *out->infos, &ok);
    out->quant = list_of(r, counts.n[GRAPH_QUANT], sizeof *out->quant, &ok);
    out->metadata = list_of(r, counts.n[GRAPH_METADATA], sizeof *out->metadata, &ok);
    if (!ok)
        return out_of_memory(r);
    wire_reader w;
    wire_field f;
    wire_open(&w, bytes, &proto_graph);
    while (code == SIB_OK && wire_next(&w, &f))
        code = read_graph_field(r, &f, out);
    if (code == SIB_OK)
        code = raw_find_free(r, out);
    return code == SIB_OK ? raw_order(r, &out->body) : code;
}

sib_code raw_read_graph(reader *r, wire_span bytes, raw_graph *out)
{
    if (r->depth >= r->max_depth)
        return reader_fail(r, SIB_ERR_SIZE, bytes.data, "graphs are nested deeper than the limit of %u",
                           r->max_depth);
    r->depth++;
    sib_code code = read_graph_inside(r, bytes, out);
    r->depth--;
    return code;
}

/* ---- Functions -------------------------------------------------------------------------------------- */

static sib_code read_function_field(reader *r, const wire_field *f, raw_function *out)
{
    switch (f->number) {
    case FUNCTION_NAME:
        out->name = wire_str(f->bytes);
        return SIB_OK;
    case FUNCTION_DOMAIN:
        out->domain = domain_of(wire_str(f->bytes));
        return SIB_OK;
    case FUNCTION_OVERLOAD:
        out->overload = wire_str(f->bytes);
        return SIB_OK;
    case FUNCTION_INPUT:
        out->inputs[out->n_inputs++] = wire_str(f->bytes);
        return SIB_OK;
    case FUNCTION_OUTPUT:
        out->outputs[out->n_outputs++] = wire_str(f->bytes);
        return SIB_OK;
    case FUNCTION_ATTRIBUTE:
        out->names[out->n_names++] = wire_str(f->bytes);
        return SIB_OK;
    case FUNCTION_DEFAULT:
        return read_attribute(r, f->bytes, &out->defaults[out->n_defaults++]);
    case FUNCTION_NODE:
        return read_node(r, f->bytes, &out->body.nodes[out->body.n++]);
    case FUNCTION_OPSET:
        return raw_read_opset(r, f->bytes, &out->opsets[out->n_opsets++]);
    case FUNCTION_VALUE_INFO:
        return read_named(r, f, &proto_value_info, INFO_NAME, &out->infos[out->n_infos++]);
    default:
        return SIB_OK;
    }
}

sib_code raw_read_function(reader *r, wire_span bytes, raw_function *out)
{
    field_counts counts;
    bool ok = true;
    const sib_str none = {"", 0};
    *out = (raw_function){.at = bytes.data, .name = none, .domain = none, .overload = none};
    sib_code code = count_fields(r, bytes, &proto_function, &counts);
    if (code != SIB_OK)
        return code;
    out->inputs = list_of(r, counts.n[FUNCTION_INPUT], sizeof *out->inputs, &ok);
    out->outputs = list_of(r, counts.n[FUNCTION_OUTPUT], sizeof *out->outputs, &ok);
    out->names = list_of(r, counts.n[FUNCTION_ATTRIBUTE], sizeof *out->names, &ok);
    out->defaults = list_of(r, counts.n[FUNCTION_DEFAULT], sizeof *out->defaults, &ok);
    out->body.nodes = list_of(r, counts.n[FUNCTION_NODE], sizeof *out->body.nodes, &ok);
    out->opsets = list_of(r, counts.n[FUNCTION_OPSET], sizeof *out->opsets, &ok);
    out->infos = list_of(r, counts.n[FUNCTION_VALUE_INFO], sizeof *out->infos, &ok);
    if (!ok)
        return out_of_memory(r);
    wire_reader w;
    wire_field f;
    wire_open(&w, bytes, &proto_function);
    while (code == SIB_OK && wire_next(&w, &f))
        code = read_function_field(r, &f, out);
    return code == SIB_OK ? raw_order(r, &out->body) : code;
}
