/* A model as JSON. */
#include "inspect_parts.h"

#include <stdlib.h>

static json_t *value_json(const sib_value_info *v)
{
    json_t *j = json_pack("{s:o, s:o, s:s}", "name", cli_json_text(v->name), "type", cli_json_text(v->type),
                          "dtype", sib_dtype_name(v->dtype));
    json_t *dims = v->ranked ? json_array() : json_null();
    for (size_t i = 0; v->ranked && i < v->rank; i++)
        json_array_append_new(dims,
                              v->dims[i] >= 0 ? json_integer(v->dims[i]) : cli_json_text(v->dim_names[i]));
    json_object_set_new(j, "dims", dims);
    if (v->optional_input)
        json_object_set_new(j, "has_default", json_true());
    return j;
}

static json_t *values_json(const sib_model *m, bool (*get)(const sib_model *, size_t, sib_value_info *))
{
    json_t *list = json_array();
    sib_value_info v;
    for (size_t i = 0; get(m, i, &v); i++)
        json_array_append_new(list, value_json(&v));
    return list;
}

/* The names of values, or their types; null for an omitted one. */
static json_t *values_of(const sib_graph *g, size_t n, const uint32_t *ids, bool types)
{
    json_t *list = json_array();
    sib_value_info v;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, ids[i] != SIB_NONE && sib_graph_value(g, ids[i], &v)
                                        ? cli_json_text(types ? v.type : v.name)
                                        : json_null());
    return list;
}

static json_t *node_json(const sib_graph *g, size_t i, const sib_node_info *n)
{
    sib_attribute a;
    json_t *attributes = json_object(), *graphs = json_object();
    for (size_t k = 0; sib_graph_attribute(g, i, k, &a); k++) {
        json_t *numbers = json_array();
        for (uint32_t inner, item = 0; (inner = sib_graph_inner(g, i, k, item)) != SIB_NONE; item++)
            json_array_append_new(numbers, json_integer(inner));
        if (json_array_size(numbers))
            json_object_set(graphs, a.name, numbers);
        json_decref(numbers);
        json_object_set_new(attributes, a.name, cli_json_text(a.text));
    }
    json_t *node = json_pack("{s:o, s:o, s:o, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                             cli_json_text(n->name), "domain", cli_json_text(n->domain), "type",
                             cli_json_text(n->type), "version", (json_int_t)n->version, "known", n->known,
                             "inputs", values_of(g, n->n_inputs, n->inputs, false), "outputs",
                             values_of(g, n->n_outputs, n->outputs, false), "input_types",
                             values_of(g, n->n_inputs, n->inputs, true), "output_types",
                             values_of(g, n->n_outputs, n->outputs, true), "attributes", attributes, "flops",
                             n->flops ? cli_json_text(n->flops) : json_null(), "bytes",
                             n->bytes ? cli_json_text(n->bytes) : json_null());
    if (n->function)
        json_object_set_new(node, "function", cli_json_text(n->function));
    if (json_object_size(graphs))
        json_object_set(node, "graphs", graphs);
    json_decref(graphs);
    return node;
}

static json_t *nodes_json(const sib_graph *g)
{
    json_t *list = json_array();
    sib_node_info n;
    for (size_t i = 0; sib_graph_node(g, i, &n); i++)
        json_array_append_new(list, node_json(g, i, &n));
    return list;
}

static json_t *ends_json(const sib_graph *g, size_t n, const uint32_t *ids)
{
    json_t *list = json_array();
    sib_value_info v;
    for (size_t i = 0; i < n; i++)
        if (sib_graph_value(g, ids[i], &v))
            json_array_append_new(list, value_json(&v));
    return list;
}

static json_t *graph_json(const sib_graph *g)
{
    sib_graph_info info;
    sib_graph_get_info(g, &info);
    return json_pack("{s:o, s:o, s:o, s:o}", "name", cli_json_text(info.name), "inputs",
                     ends_json(g, info.n_inputs, info.inputs), "outputs",
                     ends_json(g, info.n_outputs, info.outputs), "nodes", nodes_json(g));
}

static json_t *subgraphs_json(const sib_model *m)
{
    json_t *list = json_array();
    for (size_t i = 1; i < sib_model_graphs(m); i++) {
        sib_graph_info info;
        json_t *j = graph_json(sib_model_graph(m, i));
        sib_graph_get_info(sib_model_graph(m, i), &info);
        json_object_set_new(j, "number", json_integer((json_int_t)i));
        json_object_set_new(j, "outer", json_integer(info.outer));
        json_object_set_new(j, "holder", json_integer(info.holder));
        json_object_set_new(j, "attribute", cli_json_text(info.attribute));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *document(const sib_model *m, const char *path)
{
    sib_model_info info;
    const char *key, *text;
    int64_t version;
    sib_model_get_info(m, &info);
    json_t *opsets = json_object(), *metadata = json_object(), *operators = json_object(),
           *unknown = json_array(), *notes = json_array();
    for (size_t i = 0; sib_model_opset(m, i, &key, &version); i++)
        json_object_set_new(opsets, *key ? key : "ai.onnx", json_integer(version));
    for (size_t i = 0; sib_model_metadata(m, i, &key, &text); i++)
        json_object_set_new(metadata, key, cli_json_text(text));
    size_t n;
    op_count *ops = inspect_operators(m, &n);
    for (size_t i = 0; i < n; i++) {
        char *name = inspect_type(ops[i].domain, ops[i].type);
        json_object_set_new(operators, name, json_integer((json_int_t)ops[i].n));
        if (!ops[i].known)
            json_array_append_new(unknown, cli_json_text(name));
        free(name);
    }
    free(ops);
    for (size_t i = 0; sib_model_diagnostic(m, i); i++)
        json_array_append_new(notes, cli_json_text(sib_model_diagnostic(m, i)));
    json_t *j = json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "path", cli_json_text(path), "graph",
                          cli_json_text(info.graph_name), "producer", cli_json_text(info.producer_name),
                          "producer_version", cli_json_text(info.producer_version), "ir_version",
                          (json_int_t)info.ir_version, "model_version", (json_int_t)info.model_version);
    json_object_set_new(j, "opsets", opsets);
    json_object_set_new(j, "metadata", metadata);
    json_object_set_new(j, "parameters", json_integer((json_int_t)info.parameters));
    json_object_set_new(j, "parameter_bytes", json_integer((json_int_t)info.parameter_bytes));
    json_object_set_new(j, "inputs", values_json(m, sib_model_input));
    json_object_set_new(j, "outputs", values_json(m, sib_model_output));
    json_object_set_new(j, "operators", operators);
    json_object_set_new(j, "unknown_operators", unknown);
    json_object_set_new(j, "nodes", nodes_json(sib_model_graph(m, 0)));
    json_object_set_new(j, "subgraphs", subgraphs_json(m));
    json_object_set_new(j, "noticed", notes);
    return j;
}

json_t *inspect_json(const inspected *s)
{
    return s->milli ? graph_json(s->milli) : document(s->m, s->path);
}
