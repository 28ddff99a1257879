#include "same.h"

#include "tensor/dtype.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct both {
    const onnx_model *a, *b;
    char *why;
    size_t size;
} both;

static bool differ(both *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->why, s->size, format, args);
    va_end(args);
    return false;
}

static bool same_str(both *s, const char *what, sib_str a, sib_str b)
{
    return str_same(a, b) ||
           differ(s, "%s: '%.*s' and '%.*s'", what, (int)a.length, a.data, (int)b.length, b.data);
}

static bool same_pairs(both *s, const char *what, size_t na, const string_pair *a, size_t nb,
                       const string_pair *b)
{
    if (na != nb)
        return differ(s, "%s: %zu and %zu pairs", what, na, nb);
    for (size_t i = 0; i < na; i++)
        if (!same_str(s, what, a[i].key, b[i].key) || !same_str(s, what, a[i].value, b[i].value))
            return false;
    return true;
}

static bool same_tensor(both *s, const char *what, const sib_tensor *a, const sib_tensor *b)
{
    size_t n = 0;
    if (!a || !b)
        return a == b || differ(s, "%s: a tensor on one side", what);
    size_t rank = sib_tensor_rank(a);
    if (sib_tensor_dtype(a) != sib_tensor_dtype(b) || rank != sib_tensor_rank(b) ||
        (rank && memcmp(sib_tensor_dims(a), sib_tensor_dims(b), rank * sizeof(int64_t)) != 0))
        return differ(s, "%s: other types", what);
    const sib_str *x = sib_tensor_data(a), *y = sib_tensor_data(b);
    if (sib_tensor_dtype(a) == SIB_STRING) {
        for (uint64_t i = 0; i < sib_tensor_count(a); i++)
            if (!same_str(s, what, x[i], y[i]))
                return false;
        return true;
    }
    dtype_bytes(sib_tensor_dtype(a), sib_tensor_count(a), &n);
    return n == 0 || memcmp(x, y, n) == 0 || differ(s, "%s: other elements", what);
}

/* Types are compared as text; unique symbols differ in their numbers. */
static bool same_type(both *s, const char *what, const value_type *a, const value_type *b)
{
    bool same = a->depth == b->depth && memcmp(a->wrap, b->wrap, a->depth) == 0 && a->leaf == b->leaf &&
                a->dtype == b->dtype && a->key == b->key && a->shape.ranked == b->shape.ranked &&
                a->shape.rank == b->shape.rank;
    if (!same)
        return differ(s, "%s: other types", what);
    for (unsigned i = 0; i < a->shape.rank; i++) {
        char x[200], y[200];
        dim_text(s->a->dims, a->shape.dims[i], x, sizeof x);
        dim_text(s->b->dims, b->shape.dims[i], y, sizeof y);
        if (strcmp(x, y) != 0 && !(x[0] == '?' && y[0] == '?'))
            return differ(s, "%s: dim %u is %s and %s", what, i, x, y);
    }
    return true;
}

static bool same_graph(both *s, const graph *a, const graph *b);

static bool same_items(both *s, const char *what, const attribute *a, const attribute *b)
{
    for (size_t i = 0; i < a->n; i++) {
        bool same = true;
        if (a->kind == ATTR_STRINGS)
            same = same_str(s, what, a->strings[i], b->strings[i]);
        else if (a->kind == ATTR_TENSORS || a->kind == ATTR_SPARSE)
            same = same_tensor(s, what, a->tensors[i], b->tensors[i]);
        else if (a->kind == ATTR_GRAPHS)
            same = same_graph(s, a->graphs[i], b->graphs[i]);
        else if (a->kind == ATTR_INTS)
            same = a->ints[i] == b->ints[i] || differ(s, "%s: other ints", what);
        else if (a->kind == ATTR_FLOATS)
            same = memcmp(&a->floats[i], &b->floats[i], 4) == 0 || differ(s, "%s: other floats", what);
        if (!same)
            return false;
    }
    return true;
}

static bool same_attribute(both *s, const attribute *a, const attribute *b)
{
    char what[100];
    snprintf(what, sizeof what, "attribute %.*s", (int)a->name.length, a->name.data);
    if (a->kind != b->kind || a->n != b->n || !str_same(a->name, b->name))
        return differ(s, "%s: %d and %d, %zu and %zu items", what, a->kind, b->kind, a->n, b->n);
    switch (a->kind) {
    case ATTR_FLOAT:
        return memcmp(&a->f, &b->f, 4) == 0 || differ(s, "%s: other", what);
    case ATTR_INT:
        return a->i == b->i || differ(s, "%s: other", what);
    case ATTR_STRING:
        return same_str(s, what, a->s, b->s);
    case ATTR_TENSOR:
        return same_tensor(s, what, a->tensor, b->tensor);
    case ATTR_GRAPH:
        return same_graph(s, a->graph, b->graph);
    case ATTR_TYPE:
        return same_type(s, what, a->type, b->type);
    default:
        return same_items(s, what, a, b);
    }
}

static sib_str name_of(const graph *g, value_id v)
{
    return v == NO_VALUE ? (sib_str){"", 0} : g->values[v].name;
}

static bool same_list(both *s, const char *what, const graph *ga, const id_list *a, const graph *gb,
                      const id_list *b)
{
    if (a->n != b->n)
        return differ(s, "%s: %u and %u values", what, a->n, b->n);
    for (uint32_t i = 0; i < a->n; i++)
        if (!same_str(s, what, name_of(ga, a->ids[i]), name_of(gb, b->ids[i])))
            return false;
    return true;
}

static size_t props_of(const onnx_model *m, const graph *g, onnx_props_of of, uint32_t id, string_pair *out,
                       size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_props; i++)
        for (size_t k = 0;
             m->props[i].graph == g && m->props[i].of == of && m->props[i].id == id && k < m->props[i].n; k++)
            if (n < room)
                out[n++] = m->props[i].pairs[k];
    return n;
}

static bool same_props(both *s, const graph *ga, uint32_t a, const graph *gb, uint32_t b, onnx_props_of of)
{
    string_pair x[8], y[8];
    if (s->a->n_props != s->b->n_props)
        return differ(s, "%zu and %zu entries of metadata", s->a->n_props, s->b->n_props);
    size_t nx = props_of(s->a, ga, of, a, x, 8), ny = props_of(s->b, gb, of, b, y, 8);
    return same_pairs(s, "metadata of a node or value", nx, x, ny, y);
}

static bool same_node(both *s, const graph *ga, node_id i, const graph *gb)
{
    const node *a = &ga->nodes[i], *b = &gb->nodes[i];
    if (!same_str(s, "node", a->name, b->name) || !same_str(s, "operator", a->type, b->type) ||
        !same_str(s, "domain", a->domain, b->domain) || !same_str(s, "doc of a node", a->doc, b->doc) ||
        !same_list(s, "inputs of a node", ga, &a->inputs, gb, &b->inputs) ||
        !same_list(s, "outputs of a node", ga, &a->outputs, gb, &b->outputs))
        return false;
    if (a->version != b->version || a->n_attributes != b->n_attributes)
        return differ(s, "node %u: versions %lld and %lld, %zu and %zu attributes", i, (long long)a->version,
                      (long long)b->version, a->n_attributes, b->n_attributes);
    for (size_t k = 0; k < a->n_attributes; k++)
        if (!same_attribute(s, &a->attributes[k], &b->attributes[k]))
            return false;
    return same_props(s, ga, i, gb, i, ONNX_PROPS_NODE);
}

static bool same_value(both *s, const graph *ga, value_id va, const graph *gb, value_id vb)
{
    const value *a = &ga->values[va], *b = &gb->values[vb];
    return same_str(s, "value", a->name, b->name) && same_str(s, "doc of a value", a->doc, b->doc) &&
           same_type(s, "type of a value", &a->type, &b->type) &&
           same_type(s, "declared type of a value", &a->declared, &b->declared) &&
           same_tensor(s, "constant", a->constant, b->constant) &&
           (a->from_file == b->from_file || differ(s, "a constant of the file on one side")) &&
           same_props(s, ga, va, gb, vb, ONNX_PROPS_VALUE) &&
           same_props(s, ga, va, gb, vb, ONNX_PROPS_TENSOR);
}

static bool same_quant(both *s, const graph *a, const graph *b)
{
    if (a->n_quant != b->n_quant)
        return differ(s, "%zu and %zu annotations", a->n_quant, b->n_quant);
    for (size_t i = 0; i < a->n_quant; i++)
        if (!same_str(s, "annotation", a->quant[i].tensor, b->quant[i].tensor) ||
            !same_pairs(s, "annotation", a->quant[i].n, a->quant[i].parameters, b->quant[i].n,
                        b->quant[i].parameters))
            return false;
    return true;
}

static bool same_graph(both *s, const graph *a, const graph *b)
{
    if (!same_str(s, "graph", a->name, b->name) || !same_str(s, "doc of a graph", a->doc, b->doc) ||
        !same_list(s, "inputs", a, &a->inputs, b, &b->inputs) ||
        !same_list(s, "outputs", a, &a->outputs, b, &b->outputs) ||
        !same_pairs(s, "metadata of a graph", a->n_metadata, a->metadata, b->n_metadata, b->metadata) ||
        !same_quant(s, a, b))
        return false;
    if (a->n_nodes != b->n_nodes || a->n_values != b->n_values || a->n_captures != b->n_captures)
        return differ(s, "%u and %u nodes, %u and %u values, %u and %u captures", a->n_nodes, b->n_nodes,
                      a->n_values, b->n_values, a->n_captures, b->n_captures);
    for (node_id i = 0; i < a->n_nodes; i++)
        if (!same_node(s, a, i, b))
            return false;
    for (value_id v = 0, u; v < a->n_values; v++) {
        /* Mostly at the same index: values of functions are made earlier than in a flat graph. */
        for (u = v; u < b->n_values && !str_same(a->values[v].name, b->values[u].name); u++)
            ;
        for (u = u < b->n_values ? u : 0; u < b->n_values && !str_same(a->values[v].name, b->values[u].name);
             u++)
            ;
        if (u == b->n_values)
            return differ(s, "value '%.*s' on one side", (int)a->values[v].name.length,
                          a->values[v].name.data);
        if (!same_value(s, a, v, b, u))
            return false;
    }
    return true;
}

bool same_model(const onnx_model *a, const onnx_model *b, char *why, size_t size)
{
    both s = {a, b, why, size};
    return (a->ir_version == b->ir_version || differ(&s, "IR versions")) &&
           (a->model_version == b->model_version || differ(&s, "model versions")) &&
           (a->parameters == b->parameters || differ(&s, "parameters")) &&
           same_str(&s, "producer", a->producer_name, b->producer_name) &&
           same_str(&s, "producer version", a->producer_version, b->producer_version) &&
           same_str(&s, "domain", a->domain, b->domain) && same_str(&s, "doc", a->doc, b->doc) &&
           same_pairs(&s, "metadata", a->n_metadata, a->metadata, b->n_metadata, b->metadata) &&
           same_graph(&s, a->graph, b->graph);
}
