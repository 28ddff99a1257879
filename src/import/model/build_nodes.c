/* Nodes of the graph that is built. */
#include "import/model/build_values.h"

#include <string.h>

build_attributes build_no_attributes(void)
{
    return (build_attributes){0};
}

static void set(build_attributes *a, attribute one)
{
    if (a->n < sizeof a->items / sizeof *a->items)
        a->items[a->n++] = one;
}

void build_set_int(build_attributes *a, const char *name, int64_t i)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_INT, .i = i});
}

void build_set_float(build_attributes *a, const char *name, double f)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_FLOAT, .f = (float)f});
}

void build_set_text(build_attributes *a, const char *name, const char *text)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = str_of(text)});
}

void build_set_ints(build_attributes *a, const char *name, size_t n, const int64_t *ints)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = ints});
}

void build_set_graph(build_attributes *a, const char *name, graph *g)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_GRAPH, .graph = g});
}

/* Adds a node of a domain in this version. */
static void add_node(build *b, opset_import of, const char *type, const build_attributes *a, size_t n_in,
                     const value_id *in, size_t n_out, value_id *out)
{
    node_id id;
    for (size_t i = 0; i < n_out; i++)
        out[i] = build_new_value(b, build_fresh_name(b, type), NULL);
    node n = {.domain = of.domain,
              .type = str_of(type),
              .version = of.version,
              .inputs = {(uint32_t)n_in, (uint32_t *)in},
              .outputs = {(uint32_t)n_out, out},
              .n_attributes = a ? a->n : 0,
              .attributes = a ? (attribute *)a->items : NULL,
              .doc = {"", 0},
              .origin = NO_NODE};
    if (n_out && b->code == SIB_OK)
        n.name = b->g->values[out[0]].name;
    if (b->code == SIB_OK)
        b->code = graph_add_node(b->g, &n, &id, b->err);
    for (size_t i = 0; a && b->code != SIB_OK && i < a->n; i++)
        if (a->items[i].kind == ATTR_GRAPH) { /* owned by nobody else */
            graph *inside = a->items[i].graph;
            graph_free(&inside);
        }
}

void build_node(build *b, const char *type, const build_attributes *a, size_t n_in, const value_id *in,
                size_t n_out, value_id *out)
{
    add_node(b, b->m->opsets[0], type, a, n_in, in, n_out, out);
}

value_id build_blocks(build *b, value_id x, const char *format, bool transposed)
{
    value_id out;
    build_attributes a = build_no_attributes();
    opset_import own = {str_of("ai.sibyl"), 1};
    build_set_text(&a, "format", format);
    build_set_int(&a, "transposed", transposed);
    b->m->opsets[1] = own;
    b->m->n_opsets = 2;
    add_node(b, own, "DequantizeBlocks", &a, 1, &x, 1, &out);
    return out;
}

graph *build_enter(build *b)
{
    graph *g = NULL;
    if (b->code == SIB_OK)
        b->code = graph_create(b->m->arena, b->m->dims, &g, b->err);
    if (b->code != SIB_OK)
        return NULL;
    g->name = str_of(build_text(b, "%s.body", b->scope));
    g->outer = b->g;
    return b->g = g;
}

void build_leave(build *b, graph *inside)
{
    if (inside)
        b->g = inside->outer;
}

value_id build_captured(build *b, value_id outer)
{
    value_id inner = NO_VALUE;
    if (b->code == SIB_OK)
        b->code = graph_capture(b->g, outer, &inner, b->err);
    return b->code == SIB_OK ? inner : NO_VALUE;
}

value_id build_1(build *b, const char *type, value_id x)
{
    value_id out;
    build_node(b, type, NULL, 1, &x, 1, &out);
    return out;
}

value_id build_2(build *b, const char *type, value_id x, value_id y)
{
    value_id out;
    build_node(b, type, NULL, 2, (value_id[]){x, y}, 1, &out);
    return out;
}

value_id build_3(build *b, const char *type, value_id x, value_id y, value_id z)
{
    value_id out;
    build_node(b, type, NULL, 3, (value_id[]){x, y, z}, 1, &out);
    return out;
}

/* A node of one output. */
static value_id with(build *b, const char *type, const build_attributes *a, size_t n_in, const value_id *in)
{
    value_id out;
    build_node(b, type, a, n_in, in, 1, &out);
    return out;
}

value_id build_add(build *b, value_id x, value_id y)
{
    return build_2(b, "Add", x, y);
}

value_id build_mul(build *b, value_id x, value_id y)
{
    return build_2(b, "Mul", x, y);
}

value_id build_sub(build *b, value_id x, value_id y)
{
    return build_2(b, "Sub", x, y);
}

value_id build_cast(build *b, value_id x, sib_dtype to)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "to", to);
    return with(b, "Cast", &a, 1, &x);
}

value_id build_reshape(build *b, value_id x, size_t rank, const int64_t *dims)
{
    return build_2(b, "Reshape", x, build_ints(b, rank, dims));
}

value_id build_transpose(build *b, value_id x, size_t rank, const int64_t *permutation)
{
    build_attributes a = build_no_attributes();
    build_set_ints(&a, "perm", rank, permutation);
    return with(b, "Transpose", &a, 1, &x);
}

value_id build_concat(build *b, int64_t axis, size_t n, const value_id *parts)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", axis);
    return with(b, "Concat", &a, n, parts);
}

void build_split(build *b, value_id x, int64_t axis, size_t n, value_id *parts)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", axis);
    build_set_int(&a, "num_outputs", (int64_t)n);
    build_node(b, "Split", &a, 1, &x, n, parts);
}

void build_split_as(build *b, value_id x, int64_t axis, size_t n, const int64_t *sizes, value_id *parts)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", axis);
    build_node(b, "Split", &a, 2, (value_id[]){x, build_ints(b, n, sizes)}, n, parts);
}

value_id build_gather(build *b, value_id x, value_id at, int64_t axis)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", axis);
    return with(b, "Gather", &a, 2, (value_id[]){x, at});
}

value_id build_slice(build *b, value_id x, value_id begin, value_id end, int64_t axis)
{
    return with(b, "Slice", NULL, 4, (value_id[]){x, begin, end, build_int(b, axis)});
}

value_id build_shape(build *b, value_id x, int64_t first, size_t n)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "start", first);
    build_set_int(&a, "end", first + (int64_t)n);
    return with(b, "Shape", &a, 1, &x);
}
