/* A graph in the DOT language: a box per node, an edge per value that a node makes and another reads. */
#include "inspect_parts.h"

#include <stdlib.h>

/* Text within quotes: escaped, control characters as spaces. */
static void quoted(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar((unsigned char)*text < 32 ? ' ' : *text);
    }
    putchar('"');
}

static void node_box(const sib_graph *g, size_t i, const sib_node_info *n)
{
    char *type = inspect_type(n->domain, n->type);
    char *label = *n->name ? cli_format("%s | %s", type, n->name) : cli_format("%s", type);
    (void)g;
    printf("  n%zu [label=", i);
    quoted(label);
    puts("];");
    free(label);
    free(type);
}

/* The edge into node i of a value: from its node, or from an input of the graph; constants have none. */
static void edge(const sib_graph *g, size_t i, uint32_t id)
{
    sib_value_info v;
    if (id == SIB_NONE || !sib_graph_value(g, id, &v) || (v.producer == SIB_NONE && v.constant))
        return;
    if (v.producer != SIB_NONE)
        printf("  n%u -> n%zu [label=", v.producer, i);
    else
        printf("  v%u -> n%zu [label=", id, i);
    quoted(v.type);
    puts("];");
}

static void value_box(const sib_graph *g, uint32_t id)
{
    char *name = inspect_value(g, id);
    printf("  v%u [shape=ellipse label=", id);
    quoted(name);
    puts("];");
    free(name);
}

void inspect_dot(const sib_graph *g)
{
    sib_graph_info info;
    sib_node_info n;
    sib_value_info v;
    sib_graph_get_info(g, &info);
    puts("digraph model {\n  node [shape=box fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\" "
         "fontsize=10];");
    for (uint32_t i = 0; sib_graph_value(g, i, &v); i++) {
        const uint32_t *users;
        if (v.producer == SIB_NONE && !v.constant && sib_graph_users(g, i, &users))
            value_box(g, i);
    }
    for (size_t i = 0; sib_graph_node(g, i, &n); i++) {
        node_box(g, i, &n);
        for (size_t k = 0; k < n.n_inputs; k++)
            edge(g, i, n.inputs[k]);
    }
    for (size_t i = 0; i < info.n_outputs; i++)
        if (sib_graph_value(g, info.outputs[i], &v) && v.producer != SIB_NONE) {
            printf("  out%zu [shape=ellipse label=", i);
            quoted(v.name);
            printf("];\n  n%u -> out%zu [label=", v.producer, i);
            quoted(v.type);
            puts("];");
        }
    puts("}");
}
