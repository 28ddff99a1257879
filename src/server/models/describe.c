#include "server/models/describe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARK_INPUT = 1, MARK_OUTPUT = 2 };

bool described_make(const sib_graph *g, described *d)
{
    *d = (described){.graph = g};
    sib_graph_get_info(g, &d->info);
    d->marks = calloc(d->info.n_values + 1, 1);
    for (size_t i = 0; d->marks && i < d->info.n_inputs; i++)
        d->marks[d->info.inputs[i]] |= MARK_INPUT;
    for (size_t i = 0; d->marks && i < d->info.n_outputs; i++)
        d->marks[d->info.outputs[i]] |= MARK_OUTPUT;
    return d->marks != NULL;
}

void described_clear(described *d)
{
    free(d->marks);
    d->marks = NULL;
}

/* Adds members that json_pack made to an object that it made. Takes `more`. */
static json_t *extended(json_t *object, json_t *more)
{
    if (!object || !more || json_object_update(object, more)) {
        json_decref(object);
        object = NULL;
    }
    json_decref(more);
    return object;
}

/* ---- Graphs ---- */

json_t *describe_graph(const described *d, bool with_ports)
{
    const sib_graph_info *g = &d->info;
    json_t *graph = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "number", number_json(g->number), "name",
        text_json(g->name, MAX_NAME), "outer", number_json(g->outer), "holder", number_json(g->holder),
        "attribute", text_json(g->attribute ? g->attribute : "", MAX_NAME), "n_inputs",
        (json_int_t)g->n_inputs, "n_outputs", (json_int_t)g->n_outputs, "n_nodes", (json_int_t)g->n_nodes,
        "n_values", (json_int_t)g->n_values, "parameters", (json_int_t)g->parameters);
    if (!with_ports)
        return graph;
    return extended(graph,
                    json_pack("{s:o, s:o, s:I}", "inputs", numbers_json(g->inputs, g->n_inputs), "outputs",
                              numbers_json(g->outputs, g->n_outputs), "captures", (json_int_t)g->n_captures));
}

/* ---- Values ---- */

static const char *role_of(const described *d, size_t i, const sib_value_info *v)
{
    unsigned marks = d->marks[i];
    return v->captured != SIB_NONE ? "capture"
           : marks & MARK_INPUT    ? "input"
           : v->initializer        ? "initializer"
           : v->constant           ? "constant"
           : marks & MARK_OUTPUT   ? "output"
                                   : "value";
}

const char *value_kind_name(sib_value_kind kind)
{
    static const char *const names[] = {[SIB_VALUE_TENSOR] = "tensor",
                                        [SIB_VALUE_SEQUENCE] = "sequence",
                                        [SIB_VALUE_OPTIONAL] = "optional",
                                        [SIB_VALUE_MAP] = "map"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : NULL;
}

static void write_dims(buffer *b, const sib_value_info *v)
{
    buffer_add_text(b, "[");
    for (size_t i = 0; v->ranked && i < v->rank; i++) {
        if (i)
            buffer_add_text(b, ",");
        if (v->dims[i] >= 0)
            integer_write(b, v->dims[i]);
        else
            text_or_null_write(b, v->dim_names[i], MAX_NAME);
    }
    buffer_add_text(b, "]");
}

/* Bytes of a tensor of known dims; null for anything else. */
static void write_bytes(buffer *b, const sib_value_info *v)
{
    uint64_t count = 1, bits = sib_dtype_bits(v->dtype);
    if (v->constant)
        count = sib_tensor_count(v->constant);
    else if (v->kind != SIB_VALUE_TENSOR || !v->ranked)
        bits = 0;
    for (size_t i = 0; bits && !v->constant && i < v->rank; i++)
        if (v->dims[i] < 0 || __builtin_mul_overflow(count, (uint64_t)v->dims[i], &count))
            bits = 0;
    if (!bits || count > INT64_MAX / bits - 7)
        buffer_add_text(b, "null");
    else
        integer_write(b, (int64_t)((count * bits + 7) / 8));
}

static const char *flag_text(bool flag)
{
    return flag ? "true" : "false";
}

/* The object without its end. */
static void begin_value(buffer *b, const described *d, size_t i, const sib_value_info *v)
{
    buffer_add_text(b, "{\"i\":");
    integer_write(b, (int64_t)i);
    buffer_add_text(b, ",\"name\":");
    text_write(b, v->name, MAX_NAME);
    buffer_add_text(b, ",\"type\":");
    text_write(b, v->type, MAX_NAME);
    buffer_add_text(b, ",\"dtype\":");
    text_write(b, sib_dtype_name(v->dtype), MAX_NAME);
    buffer_add_text(b, ",\"dims\":");
    write_dims(b, v);
    buffer_add_text(b, ",\"ranked\":");
    buffer_add_text(b, flag_text(v->ranked));
    buffer_add_text(b, ",\"kind\":");
    text_or_null_write(b, value_kind_name(v->kind), MAX_NAME);
    buffer_add_text(b, ",\"role\":");
    text_write(b, role_of(d, i, v), MAX_NAME);
    buffer_add_text(b, ",\"producer\":");
    number_write(b, v->producer);
    buffer_add_text(b, ",\"captured\":");
    number_write(b, v->captured);
    buffer_add_text(b, ",\"bytes\":");
    write_bytes(b, v);
}

void write_value(buffer *b, const described *d, size_t i, const sib_value_info *v)
{
    begin_value(b, d, i, v);
    buffer_add_text(b, "}");
}

void write_value_detail(buffer *b, const described *d, size_t i)
{
    sib_value_info v;
    const uint32_t *users;
    if (!sib_graph_value(d->graph, i, &v)) {
        b->failed = true;
        return;
    }
    size_t n = sib_graph_users(d->graph, i, &users);
    begin_value(b, d, i, &v);
    buffer_add_text(b, ",\"users\":");
    numbers_write(b, users, n);
    buffer_add_text(b, ",\"doc\":");
    text_write(b, v.doc, MAX_DOC);
    buffer_add_text(b, "}");
}

/* A list of values, null for one that is not there. */
static void write_values(buffer *b, const described *d, const uint32_t *values, size_t n)
{
    sib_value_info v;
    buffer_add_text(b, "[");
    for (size_t k = 0; k < n; k++) {
        if (k)
            buffer_add_text(b, ",");
        if (sib_graph_value(d->graph, values[k], &v))
            write_value(b, d, values[k], &v);
        else
            buffer_add_text(b, "null");
    }
    buffer_add_text(b, "]");
}

json_t *describe_values(const described *d, const uint32_t *numbers, size_t n)
{
    buffer b = {0};
    write_values(&b, d, numbers, n);
    json_t *list = b.failed ? NULL : json_loadb(b.data, b.size, 0, NULL);
    buffer_free(&b);
    return list;
}

/* ---- Ports of jobs ---- */

json_t *describe_port(const sib_job_port *p)
{
    return json_pack("{s:s, s:s?, s:s, s:b}", "name", p->name, "doc", p->doc, "type",
                     sib_port_type_name(p->type), "optional", p->optional);
}

json_t *describe_ports(const sib_job *j, bool (*get)(const sib_job *j, size_t i, sib_job_port *out))
{
    json_t *list = json_array();
    sib_job_port p;
    for (size_t i = 0; j && get(j, i, &p); i++)
        json_array_append_new(list, describe_port(&p));
    return list;
}

/* ---- Nodes ---- */

/* Numbers of the graphs that node i holds. */
static void write_inner(buffer *b, const described *d, size_t i, size_t n_attributes)
{
    uint32_t inner;
    const char *between = "[";
    for (size_t k = 0; k < n_attributes; k++)
        for (size_t item = 0; (inner = sib_graph_inner(d->graph, i, k, item)) != SIB_NONE; item++) {
            buffer_add_text(b, between);
            number_write(b, inner);
            between = ",";
        }
    buffer_add_text(b, *between == ',' ? "]" : "[]");
}

/* The object without its end. */
static void begin_node(buffer *b, const described *d, size_t i, const sib_node_info *n)
{
    buffer_add_text(b, "{\"i\":");
    integer_write(b, (int64_t)i);
    buffer_add_text(b, ",\"name\":");
    text_write(b, n->name, MAX_NAME);
    buffer_add_text(b, ",\"type\":");
    text_write(b, n->type, MAX_NAME);
    buffer_add_text(b, ",\"domain\":");
    text_write(b, n->domain, MAX_NAME);
    buffer_add_text(b, ",\"function\":");
    text_or_null_write(b, n->function, MAX_NAME);
    buffer_add_text(b, ",\"in\":");
    numbers_write(b, n->inputs, n->n_inputs);
    buffer_add_text(b, ",\"out\":");
    numbers_write(b, n->outputs, n->n_outputs);
    buffer_add_text(b, ",\"graphs\":");
    write_inner(b, d, i, n->n_attributes);
    buffer_add_text(b, ",\"known\":");
    buffer_add_text(b, flag_text(n->known));
}

void write_node(buffer *b, const described *d, size_t i, const sib_node_info *n, bool attributes)
{
    begin_node(b, d, i, n);
    if (attributes) {
        buffer_add_text(b, ",\"attributes\":");
        json_write(b, describe_attributes(d, i));
    }
    buffer_add_text(b, "}");
}

static const char *attribute_kind(sib_attribute_kind kind)
{
    static const char *const names[] = {
        [SIB_ATTRIBUTE_FLOAT] = "float",     [SIB_ATTRIBUTE_INT] = "int",
        [SIB_ATTRIBUTE_STRING] = "string",   [SIB_ATTRIBUTE_TENSOR] = "tensor",
        [SIB_ATTRIBUTE_GRAPH] = "graph",     [SIB_ATTRIBUTE_FLOATS] = "floats",
        [SIB_ATTRIBUTE_INTS] = "ints",       [SIB_ATTRIBUTE_STRINGS] = "strings",
        [SIB_ATTRIBUTE_TENSORS] = "tensors", [SIB_ATTRIBUTE_GRAPHS] = "graphs",
        [SIB_ATTRIBUTE_SPARSE] = "sparse",   [SIB_ATTRIBUTE_TYPE] = "type"};
    const char *name = (size_t)kind < sizeof names / sizeof *names ? names[kind] : NULL;
    return name ? name : "unknown";
}

static json_t *string_json(const sib_str *s)
{
    char *text = strndup(s->data ? s->data : "", s->length);
    json_t *value = text ? text_json(text, MAX_DOC) : NULL;
    free(text);
    return value;
}

static json_t *item_json(const sib_attribute *a, size_t k)
{
    return a->floats ? float_json(a->floats[k])
           : a->ints ? json_integer((json_int_t)a->ints[k])
                     : string_json(&a->strings[k]);
}

/* Numbers and strings; NULL for other kinds and long lists. */
static json_t *attribute_value(const sib_attribute *a)
{
    bool single =
        a->kind == SIB_ATTRIBUTE_FLOAT || a->kind == SIB_ATTRIBUTE_INT || a->kind == SIB_ATTRIBUTE_STRING;
    if (a->n > MAX_ITEMS || !(a->floats || a->ints || a->strings))
        return NULL;
    if (single)
        return a->n ? item_json(a, 0) : NULL;
    json_t *list = json_array();
    for (size_t k = 0; k < a->n; k++)
        json_array_append_new(list, item_json(a, k));
    return list;
}

json_t *describe_attributes(const described *d, size_t i)
{
    json_t *list = json_array();
    sib_attribute a;
    for (size_t k = 0; sib_graph_attribute(d->graph, i, k, &a); k++) {
        uint32_t inner = sib_graph_inner(d->graph, i, k, 0);
        json_array_append_new(
            list, json_pack("{s:o, s:s, s:o, s:o*, s:o*}", "name", text_json(a.name, MAX_NAME), "kind",
                            attribute_kind(a.kind), "text", text_json(a.text, MAX_NAME), "value",
                            attribute_value(&a), "graph", inner == SIB_NONE ? NULL : number_json(inner)));
    }
    return list;
}

static json_t *count_json(int64_t count)
{
    return count < 0 ? json_null() : json_integer((json_int_t)count);
}

sib_code write_node_detail(buffer *b, const described *d, size_t i, size_t n_dims, const sib_dim *dims,
                           sib_error *err)
{
    sib_node_info n;
    int64_t flops = -1, bytes = -1;
    sib_code code = sib_graph_cost(d->graph, i, n_dims, dims, &flops, &bytes, err);
    if (code != SIB_OK)
        return code;
    b->failed = b->failed || !sib_graph_node(d->graph, i, &n);
    if (b->failed)
        return SIB_OK;
    begin_node(b, d, i, &n);
    buffer_add_text(b, ",\"version\":");
    integer_write(b, n.version);
    buffer_add_text(b, ",\"doc\":");
    text_write(b, n.doc, MAX_DOC);
    buffer_add_text(b, ",\"attributes\":");
    json_write(b, describe_attributes(d, i));
    buffer_add_text(b, ",\"flops\":");
    text_or_null_write(b, n.flops, MAX_DOC);
    buffer_add_text(b, ",\"bytes\":");
    text_or_null_write(b, n.bytes, MAX_DOC);
    buffer_add_text(b, ",\"cost\":");
    json_write(b, flops < 0 && bytes < 0
                      ? json_null()
                      : json_pack("{s:o, s:o}", "flops", count_json(flops), "bytes", count_json(bytes)));
    buffer_add_text(b, ",\"inputs\":");
    write_values(b, d, n.inputs, n.n_inputs);
    buffer_add_text(b, ",\"outputs\":");
    write_values(b, d, n.outputs, n.n_outputs);
    buffer_add_text(b, "}");
    return SIB_OK;
}

const char *tensor_type_text(const sib_tensor *t, char text[TYPE_TEXT])
{
    size_t at = (size_t)snprintf(text, TYPE_TEXT, "%s [", sib_dtype_name(sib_tensor_dtype(t)));
    for (size_t k = 0; k < sib_tensor_rank(t); k++)
        at += (size_t)snprintf(text + at, TYPE_TEXT - at, "%s%lld", k ? ", " : "",
                               (long long)sib_tensor_dims(t)[k]);
    snprintf(text + at, TYPE_TEXT - at, "]");
    return text;
}
