/* AttributeProto to attribute, by kind. */
#include "onnx/reader.h"

#include <string.h>

typedef struct attribute_reader {
    reader *r;
    scope *s;           /* of the node */
    const scope *names; /* of the text that has the attribute */
    const raw_attribute *raw;
    attribute *out;
} attribute_reader;

/* Field with the payload of each kind, by AttributeProto.AttributeType. */
static const uint8_t payload_fields[] = {
    [ATTR_FLOAT] = ATTRIBUTE_F,       [ATTR_INT] = ATTRIBUTE_I,           [ATTR_STRING] = ATTRIBUTE_S,
    [ATTR_TENSOR] = ATTRIBUTE_T,      [ATTR_GRAPH] = ATTRIBUTE_G,         [ATTR_FLOATS] = ATTRIBUTE_FLOATS,
    [ATTR_INTS] = ATTRIBUTE_INTS,     [ATTR_STRINGS] = ATTRIBUTE_STRINGS, [ATTR_TENSORS] = ATTRIBUTE_TENSORS,
    [ATTR_GRAPHS] = ATTRIBUTE_GRAPHS, [ATTR_SPARSE] = ATTRIBUTE_SPARSE,   [ATTR_TYPE] = ATTRIBUTE_TP,
};

static sib_code fail(attribute_reader *a, const char *what)
{
    return reader_fail(a->r, SIB_ERR_FORMAT, a->raw->at, "attribute '%.*s': %s", STR_ARGS(a->raw->name),
                       what);
}

static sib_code keep_tensor(attribute_reader *a, sib_tensor *t, const sib_tensor **slot)
{
    sib_code code = arena_keep(a->r->arena, t, a->r->err);
    if (code == SIB_OK)
        *slot = t;
    return code;
}

/* Counts the items of a list kind: fields, or numbers packed in them. */
static sib_code count_items(attribute_reader *a, uint32_t number, bool numbers, size_t *count)
{
    wire_reader w;
    wire_field f;
    wire_numbers n;
    *count = 0;
    wire_open(&w, a->raw->bytes, &proto_attribute);
    while (wire_next(&w, &f)) {
        if (f.number != number)
            continue;
        size_t items = 1;
        if (numbers) {
            wire_numbers_open(&n, &proto_attribute, &f);
            items = wire_numbers_count(&n);
        }
        if (items == SIZE_MAX)
            return fail(a, "its last number is cut off");
        *count += items;
    }
    return reader_end(a->r, &w);
}

static sib_code read_numbers(attribute_reader *a, uint32_t number)
{
    wire_reader w;
    wire_field f;
    wire_numbers n;
    uint64_t bits;
    size_t i = 0;
    bool floats = number == ATTRIBUTE_FLOATS;
    sib_code code = count_items(a, number, true, &a->out->n);
    if (code != SIB_OK || a->out->n == 0)
        return code;
    void *items = arena_alloc(a->r->arena, a->out->n, floats ? sizeof(float) : sizeof(int64_t));
    if (!items)
        return reader_memory(a->r, a->out->n * 8, "an attribute");
    wire_open(&w, a->raw->bytes, &proto_attribute);
    while (wire_next(&w, &f)) {
        if (f.number != number)
            continue;
        wire_numbers_open(&n, &proto_attribute, &f);
        for (; wire_numbers_next(&n, &bits); i++) {
            if (floats)
                ((float *)items)[i] = wire_float(bits);
            else
                ((int64_t *)items)[i] = (int64_t)bits;
        }
    }
    if (floats)
        a->out->floats = items;
    else
        a->out->ints = items;
    return SIB_OK;
}

/* Reads one string or tensor of a list. */
static sib_code read_item(attribute_reader *a, wire_span bytes, void *items, size_t i)
{
    if (a->out->kind == ATTR_STRINGS)
        return reader_string(a->r, wire_str(bytes), (sib_str *)items + i);
    sib_tensor *t = NULL;
    sib_code code = tensor_read(a->r, bytes, NULL, &t);
    return code == SIB_OK ? keep_tensor(a, t, (const sib_tensor **)items + i) : code;
}

static sib_code read_list(attribute_reader *a, uint32_t number)
{
    wire_reader w;
    wire_field f;
    size_t i = 0;
    bool strings = a->out->kind == ATTR_STRINGS;
    sib_code code = count_items(a, number, false, &a->out->n);
    if (code != SIB_OK || a->out->n == 0)
        return code;
    void *items = arena_alloc(a->r->arena, a->out->n, strings ? sizeof(sib_str) : sizeof(sib_tensor *));
    if (!items)
        return reader_memory(a->r, a->out->n * sizeof(sib_str), "an attribute");
    if (strings)
        a->out->strings = items;
    else
        a->out->tensors = items;
    wire_open(&w, a->raw->bytes, &proto_attribute);
    while (code == SIB_OK && wire_next(&w, &f))
        if (f.number == number)
            code = read_item(a, f.bytes, items, i++);
    return code;
}

static sib_code read_graph(attribute_reader *a, const raw_graph *raw, graph **out)
{
    reader *r = a->r;
    if (r->depth >= r->max_depth)
        return reader_fail(r, SIB_ERR_SIZE, raw->at,
                           "graphs and functions are nested deeper than the limit of %u", r->max_depth);
    sib_code code = graph_create(r->arena, r->dims, out, r->err);
    if (code != SIB_OK)
        return code;
    (*out)->outer = a->s->g;
    scope inside = {.g = *out, .outer = a->names, .call = a->names->call, .prefix = a->s->prefix};
    r->depth++;
    code = graph_read(r, &inside, raw);
    r->depth--;
    name_map_clear(&inside.names);
    if (code != SIB_OK)
        graph_free(out);
    return code;
}

static sib_code read_graphs(attribute_reader *a)
{
    const raw_attribute *raw = a->raw;
    if (a->out->kind == ATTR_GRAPH)
        return raw->n_graphs == 1 ? read_graph(a, &raw->graphs[0], &a->out->graph)
                                  : fail(a, "expected one graph in it");
    a->out->graphs = arena_alloc(a->r->arena, raw->n_graphs ? raw->n_graphs : 1, sizeof *a->out->graphs);
    if (!a->out->graphs)
        return reader_memory(a->r, raw->n_graphs * sizeof *a->out->graphs, "an attribute");
    sib_code code = SIB_OK;
    for (uint32_t i = 0; code == SIB_OK && i < raw->n_graphs; i++) {
        code = read_graph(a, &raw->graphs[i], &a->out->graphs[i]);
        if (code == SIB_OK)
            a->out->n++;
    }
    return code;
}

static sib_code read_sparse(attribute_reader *a, wire_span bytes)
{
    sib_tensor *parts[3];
    const sib_tensor **kept = arena_alloc(a->r->arena, 3, sizeof *kept);
    if (!kept)
        return reader_memory(a->r, 3 * sizeof *kept, "an attribute");
    sib_code code = sparse_read_parts(a->r, bytes, parts);
    for (int i = 0; i < 3; i++) {
        if (code == SIB_OK)
            code = keep_tensor(a, parts[i], &kept[i]);
        else
            sib_tensor_free(&parts[i]);
    }
    a->out->n = 3;
    a->out->tensors = kept;
    return code;
}

static sib_code read_type(attribute_reader *a, wire_span bytes)
{
    value_type *type = arena_alloc(a->r->arena, 1, sizeof *type);
    if (!type)
        return reader_memory(a->r, sizeof *type, "an attribute");
    a->out->type = type;
    return type_read(a->r, bytes, type);
}

/* Reads a payload of which the last one in the file counts. */
static sib_code read_single(attribute_reader *a, uint32_t number)
{
    wire_reader w;
    wire_field f, last = {0};
    sib_tensor *t = NULL;
    wire_open(&w, a->raw->bytes, &proto_attribute);
    while (wire_next(&w, &f))
        if (f.number == number)
            last = f;
    sib_code code = reader_end(a->r, &w);
    if (code != SIB_OK)
        return code;
    bool message = number == ATTRIBUTE_T || number == ATTRIBUTE_SPARSE || number == ATTRIBUTE_TP;
    if (message && !last.number)
        return fail(a, "it has a type but no value");
    switch (a->out->kind) {
    case ATTR_FLOAT:
        a->out->f = wire_float(last.bits);
        return SIB_OK;
    case ATTR_INT:
        a->out->i = (int64_t)last.bits;
        return SIB_OK;
    case ATTR_STRING:
        return reader_string(a->r, wire_str(last.bytes), &a->out->s);
    case ATTR_TENSOR:
        code = tensor_read(a->r, last.bytes, NULL, &t);
        return code == SIB_OK ? keep_tensor(a, t, &a->out->tensor) : code;
    case ATTR_SPARSE:
        return read_sparse(a, last.bytes);
    default:
        return read_type(a, last.bytes);
    }
}

static sib_code read_kind(attribute_reader *a)
{
    uint32_t number = payload_fields[a->out->kind];
    switch (a->out->kind) {
    case ATTR_FLOATS:
    case ATTR_INTS:
        return read_numbers(a, number);
    case ATTR_STRINGS:
    case ATTR_TENSORS:
        return read_list(a, number);
    case ATTR_GRAPH:
    case ATTR_GRAPHS:
        return read_graphs(a);
    default:
        return read_single(a, number);
    }
}

sib_code attribute_read(reader *r, scope *s, const raw_attribute *raw, attribute *out, bool *kept)
{
    attribute_reader a = {.r = r, .s = s, .names = s, .raw = raw, .out = out};
    *kept = false;
    *out = (attribute){0};
    if (raw->ref.length) {
        if (!s->call)
            return reader_fail(r, SIB_ERR_FORMAT, raw->at,
                               "attribute '%.*s' refers to attribute '%.*s' of a function, but is not in one",
                               STR_ARGS(raw->name), STR_ARGS(raw->ref));
        const binding *b = call_binding(s->call, raw->ref);
        if (!b)
            return SIB_OK;
        a.raw = b->attribute;
        a.names = b->scope;
    }
    if (a.raw->kind >= sizeof payload_fields || !payload_fields[a.raw->kind]) {
        reader_notice(r, "attribute '%.*s' is of unknown kind %u and ignored", STR_ARGS(raw->name),
                      (unsigned)a.raw->kind);
        return SIB_OK;
    }
    if (a.raw->made)
        *out = *a.raw->made;
    out->kind = (attribute_kind)a.raw->kind;
    sib_code code = reader_string(r, raw->name, &out->name);
    if (code == SIB_OK && !a.raw->made)
        code = read_kind(&a);
    *kept = code == SIB_OK;
    if (code != SIB_OK)
        attributes_drop(out, 1);
    return code;
}

void attributes_drop(attribute *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].kind == ATTR_GRAPH)
            graph_free(&list[i].graph);
        else if (list[i].kind == ATTR_GRAPHS)
            for (size_t k = 0; k < list[i].n; k++)
                graph_free(&list[i].graphs[k]);
    }
}
