/* Encodes a graph: types, attributes, nodes. */
#include "onnx/writer.h"

#include "onnx/reader.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

/* ---- Types ------------------------------------------------------------------------------------------ */

/* A constant or a name; expressions, and dims that had no name in the file, are left unspecified. */
static void put_dimension(writer *w, const void *what)
{
    dim d = *(const dim *)what;
    int64_t number;
    sib_str name;
    if (dim_is_const(w->m->dims, d, &number))
        put_int(w, DIMENSION_VALUE, number);
    else if (dim_is_symbol(w->m->dims, d, &name) && name.length && name.data[0] != '?')
        put_string(w, DIMENSION_PARAM, name);
}

static void put_shape(writer *w, const void *what)
{
    const dim_shape *s = what;
    for (unsigned i = 0; i < s->rank; i++)
        put_message(w, SHAPE_DIM, put_dimension, &s->dims[i]);
}

static void put_tensor_type(writer *w, const void *what)
{
    const value_type *t = what;
    put_int(w, TENSOR_TYPE_ELEM, t->dtype);
    if (t->shape.ranked)
        put_message(w, TENSOR_TYPE_SHAPE, put_shape, &t->shape);
}

static void put_wrap(writer *w, const void *what)
{
    value_type inner = type_inner(what);
    put_message(w, WRAP_TYPE_ELEM, put_type, &inner);
}

static void put_map_type(writer *w, const void *what)
{
    const value_type *t = what;
    value_type inner = type_inner(t);
    put_int(w, MAP_TYPE_KEY, t->key);
    put_message(w, MAP_TYPE_VALUE, put_type, &inner);
}

void put_type(writer *w, const void *what)
{
    const value_type *t = what;
    switch (type_outer(t)) {
    case TYPE_TENSOR:
        put_message(w, TYPE_PROTO_TENSOR, put_tensor_type, t);
        break;
    case TYPE_SPARSE:
        put_message(w, TYPE_PROTO_SPARSE, put_tensor_type, t);
        break;
    case TYPE_SEQUENCE:
        put_message(w, TYPE_PROTO_SEQUENCE, put_wrap, t);
        break;
    case TYPE_OPTIONAL:
        put_message(w, TYPE_PROTO_OPTIONAL, put_wrap, t);
        break;
    case TYPE_MAP:
        put_message(w, TYPE_PROTO_MAP, put_map_type, t);
        break;
    default:
        break;
    }
}

/* ---- Attributes ------------------------------------------------------------------------------------- */

static void put_attribute_list(writer *w, const attribute *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->kind == ATTR_STRINGS)
            put_string(w, ATTRIBUTE_STRINGS, a->strings[i]);
        else if (a->kind == ATTR_TENSORS)
            put_message(w, ATTRIBUTE_TENSORS, put_tensor, &(tensor_out){.tensor = a->tensors[i]});
        else
            put_message(w, ATTRIBUTE_GRAPHS, put_graph, a->graphs[i]);
    }
}

void put_attribute(writer *w, const void *what)
{
    const attribute *a = what;
    put_string(w, ATTRIBUTE_NAME, a->name);
    put_int(w, ATTRIBUTE_TYPE, a->kind);
    switch (a->kind) {
    case ATTR_FLOAT:
        put_float(w, ATTRIBUTE_F, a->f);
        break;
    case ATTR_INT:
        put_int(w, ATTRIBUTE_I, a->i);
        break;
    case ATTR_STRING:
        put_string(w, ATTRIBUTE_S, a->s);
        break;
    case ATTR_TENSOR:
        put_message(w, ATTRIBUTE_T, put_tensor, &(tensor_out){.tensor = a->tensor});
        break;
    case ATTR_GRAPH:
        put_message(w, ATTRIBUTE_G, put_graph, a->graph);
        break;
    case ATTR_FLOATS:
        put_floats(w, ATTRIBUTE_FLOATS, a->n, a->floats);
        break;
    case ATTR_INTS:
        put_unpacked(w, ATTRIBUTE_INTS, a->n, a->ints);
        break;
    case ATTR_STRINGS:
    case ATTR_TENSORS:
    case ATTR_GRAPHS:
        put_attribute_list(w, a);
        break;
    case ATTR_SPARSE:
        put_message(w, ATTRIBUTE_SPARSE, put_sparse, a->tensors);
        break;
    case ATTR_TYPE:
        put_message(w, ATTRIBUTE_TP, put_type, a->type);
        break;
    }
}

/* ---- Nodes ------------------------------------------------------------------------------------------ */

typedef struct node_out {
    const graph *g;
    node_id id;
} node_out;

static sib_str name_of(const graph *g, value_id v)
{
    return v == NO_VALUE ? (sib_str){"", 0} : g->values[v].name;
}

/* The version that readers will assume for a domain. */
static int64_t written_version(const onnx_model *m, sib_str domain)
{
    for (size_t i = 0; i < m->n_opsets; i++)
        if (str_same(m->opsets[i].domain, domain))
            return m->opsets[i].version;
    return 1;
}

static void put_node(writer *w, const void *what)
{
    const node_out *o = what;
    const node *n = &o->g->nodes[o->id];
    for (uint32_t i = 0; i < n->inputs.n; i++)
        put_string(w, NODE_INPUT, name_of(o->g, n->inputs.ids[i]));
    for (uint32_t i = 0; i < n->outputs.n; i++)
        put_string(w, NODE_OUTPUT, name_of(o->g, n->outputs.ids[i]));
    put_text(w, NODE_NAME, n->name);
    put_string(w, NODE_OP_TYPE, n->type);
    for (size_t i = 0; i < n->n_attributes; i++)
        put_message(w, NODE_ATTRIBUTE, put_attribute, &n->attributes[i]);
    put_text(w, NODE_DOC, n->doc);
    put_text(w, NODE_DOMAIN, n->domain);
    put_props(w, NODE_METADATA, ONNX_PROPS_NODE, o->g, o->id);
    if (n->version != written_version(w->m, n->domain)) {
        char text[24];
        snprintf(text, sizeof text, "%" PRId64, n->version);
        put_pairs(w, NODE_METADATA, 1, &(string_pair){str_of(READER_OPSET_KEY), str_of(text)});
    }
}

/* ---- Graphs ----------------------------------------------------------------------------------------- */

typedef struct info_out {
    const graph *g;
    value_id v;
    bool end; /* an input or output: its inferred type is used where the file declares none */
} info_out;

static void put_info(writer *w, const void *what)
{
    const info_out *o = what;
    const value *v = &o->g->values[o->v];
    const value_type *type = type_outer(&v->declared) != TYPE_UNKNOWN || !o->end ? &v->declared : &v->type;
    put_string(w, INFO_NAME, v->name);
    if (type_outer(type) != TYPE_UNKNOWN)
        put_message(w, INFO_TYPE, put_type, type);
    if (!v->constant || !v->from_file)
        put_text(w, INFO_DOC, v->doc);
    put_props(w, INFO_METADATA, ONNX_PROPS_VALUE, o->g, o->v);
}

static void put_annotation(writer *w, const void *what)
{
    const quant_annotation *a = what;
    put_string(w, ANNOTATION_TENSOR, a->tensor);
    put_pairs(w, ANNOTATION_PARAMETER, a->n, a->parameters);
}

/* True for values that have a type, doc or metadata. */
static bool has_info(const writer *w, const graph *g, value_id v)
{
    const value *at = &g->values[v];
    return type_outer(&at->declared) != TYPE_UNKNOWN || (at->doc.length && !at->from_file) ||
           writer_find_props(w, g, ONNX_PROPS_VALUE, v) < w->m->n_props;
}

/* Writes value infos of values that are neither inputs nor outputs. */
static void put_infos(writer *w, const graph *g)
{
    bool *ends = mem_calloc(g->n_values, sizeof *ends);
    if (!ends) {
        writer_fail(w, SIB_ERR_MEMORY, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < g->inputs.n; i++)
        ends[g->inputs.ids[i]] = true;
    for (uint32_t i = 0; i < g->outputs.n; i++)
        ends[g->outputs.ids[i]] = true;
    for (value_id v = 0; v < g->n_values; v++)
        if (!ends[v] && has_info(w, g, v))
            put_message(w, GRAPH_VALUE_INFO, put_info, &(info_out){g, v, false});
    mem_free(ends);
}

static void put_ends(writer *w, uint32_t field, const graph *g, const id_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        put_message(w, field, put_info, &(info_out){g, list->ids[i], true});
}

void put_graph(writer *w, const void *what)
{
    const graph *g = what;
    for (node_id i = 0; i < g->n_nodes; i++)
        put_message(w, GRAPH_NODE, put_node, &(node_out){g, i});
    put_text(w, GRAPH_NAME, g->name);
    for (value_id v = 0; v < g->n_values; v++)
        if (g->values[v].from_file && g->values[v].constant)
            put_message(w, GRAPH_INITIALIZER, put_tensor,
                        &(tensor_out){g->values[v].constant, g->values[v].name, g->values[v].doc, g, v});
    put_text(w, GRAPH_DOC, g->doc);
    put_ends(w, GRAPH_INPUT, g, &g->inputs);
    put_ends(w, GRAPH_OUTPUT, g, &g->outputs);
    put_infos(w, g);
    for (size_t i = 0; i < g->n_quant; i++)
        put_message(w, GRAPH_QUANT, put_annotation, &g->quant[i]);
    put_pairs(w, GRAPH_METADATA, g->n_metadata, g->metadata);
}
