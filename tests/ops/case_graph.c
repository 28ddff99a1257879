/* Subgraphs of cases: "(i i64, x f32) { y = Add(x, x) ; ... } (y)". */
#include "case_text.h"

#define NAMES_MAX   16
#define NESTING_MAX 4

/* The value named in g, or a capture of one of an outer graph; NO_VALUE if there is none. */
static value_id seek(graph *g, sib_str name, sib_error *err)
{
    value_id inner;
    for (uint32_t i = 0; i < g->n_values; i++)
        if (str_same(g->values[i].name, name))
            return i;
    value_id outer = g->outer ? seek(g->outer, name, err) : NO_VALUE;
    return outer != NO_VALUE && graph_capture(g, outer, &inner, err) == SIB_OK ? inner : NO_VALUE;
}

static bool read_inputs(cursor *c, graph *g)
{
    bool first = true;
    if (!cursor_expects(c, "("))
        return false;
    for (; !cursor_takes(c, ")"); first = false) {
        value_type type;
        value_id id;
        if (!first && !cursor_expects(c, ","))
            return false;
        cursor_blanks(c);
        sib_str name = cursor_word(c);
        cursor_blanks(c);
        if (!name.length)
            return cursor_fails(c, "the name of a graph's input expected");
        if (!cursor_type(c, &type) || graph_add_value(g, name, &type, &id, c->err) != SIB_OK ||
            graph_add_input(g, id, c->err) != SIB_OK)
            return false;
        g->values[id].declared = type;
    }
    return true;
}

/* Reads "(a, _, b)", names of existing values; ids: (NAMES_MAX). */
static bool read_uses(cursor *c, graph *g, id_list *out)
{
    if (!cursor_expects(c, "("))
        return false;
    for (out->n = 0; !cursor_takes(c, ")"); out->n++) {
        if (out->n == NAMES_MAX)
            return cursor_fails(c, "more than %d values", NAMES_MAX);
        if (out->n && !cursor_expects(c, ","))
            return false;
        cursor_blanks(c);
        sib_str name = cursor_word(c);
        bool omitted = str_is(name, "_");
        out->ids[out->n] = omitted ? NO_VALUE : seek(g, name, c->err);
        if (!omitted && out->ids[out->n] == NO_VALUE)
            return cursor_fails(c, "no value '%.*s' stands before", (int)name.length, name.data);
    }
    return true;
}

static bool read_made(cursor *c, graph *g, id_list *out)
{
    out->n = 0;
    do {
        if (out->n == NAMES_MAX)
            return cursor_fails(c, "more than %d values", NAMES_MAX);
        cursor_blanks(c);
        if (graph_add_value(g, cursor_word(c), NULL, &out->ids[out->n++], c->err) != SIB_OK)
            return false;
    } while (cursor_takes(c, ","));
    return cursor_expects(c, "=");
}

static bool read_node(cursor *c, graph *g, int64_t version)
{
    uint32_t in[NAMES_MAX], out[NAMES_MAX];
    attribute attributes[NAMES_MAX];
    node_id id;
    node n = {.domain = {"", 0},
              .version = version,
              .attributes = attributes,
              .inputs = {0, in},
              .outputs = {0, out},
              .origin = NO_NODE};
    if (!read_made(c, g, &n.outputs))
        return false;
    cursor_blanks(c);
    n.type = cursor_word(c);
    n.name = n.type;
    for (bool more = cursor_takes(c, "["); more && !cursor_takes(c, "]"); n.n_attributes++) {
        cursor_blanks(c);
        if (n.n_attributes == NAMES_MAX || !cursor_attribute(c, &attributes[n.n_attributes]))
            return cursor_fails(c, "at most %d attributes expected", NAMES_MAX);
    }
    return cursor_graphs(c, g, version, n.n_attributes, attributes) && read_uses(c, g, &n.inputs) &&
           graph_add_node(g, &n, &id, c->err) == SIB_OK;
}

static bool read_graph(cursor *c, graph *g, int64_t version)
{
    uint32_t ids[NAMES_MAX];
    id_list outputs = {0, ids};
    if (!read_inputs(c, g) || !cursor_expects(c, "{"))
        return false;
    for (bool first = true; !cursor_takes(c, "}"); first = false)
        if ((!first && !cursor_expects(c, ";")) || !read_node(c, g, version))
            return false;
    if (!read_uses(c, g, &outputs))
        return false;
    for (uint32_t i = 0; i < outputs.n; i++)
        if (graph_add_output(g, ids[i], c->err) != SIB_OK)
            return false;
    return true;
}

bool cursor_graphs(cursor *c, graph *outer, int64_t version, size_t n, attribute *attributes)
{
    unsigned depth = 0;
    for (const graph *g = outer; g; g = g->outer)
        depth++;
    for (size_t i = 0; i < n; i++) {
        cursor at = *c;
        graph *g = NULL;
        if (attributes[i].kind != ATTR_GRAPH)
            continue;
        at.at = attributes[i].s.data;
        at.end = at.at + attributes[i].s.length;
        if (depth > NESTING_MAX)
            return cursor_fails(&at, "graphs that nest too deep");
        if (graph_create(outer->arena, outer->dims, &g, c->err) != SIB_OK)
            return false;
        g->outer = outer;
        g->name = attributes[i].name;
        if (!read_graph(&at, g, version)) {
            graph_free(&g);
            return false;
        }
        attributes[i].graph = g;
    }
    return true;
}
