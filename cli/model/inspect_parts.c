#include "inspect_parts.h"

#include <stdlib.h>
#include <string.h>

static int by_count(const void *a, const void *b)
{
    const op_count *x = a, *y = b;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    int order = strcmp(x->domain, y->domain);
    return order ? order : strcmp(x->type, y->type);
}

static int by_name(const void *a, const void *b)
{
    const op_count *x = a, *y = b;
    int order = strcmp(x->domain, y->domain);
    return order ? order : strcmp(x->type, y->type);
}

op_count *inspect_operators(const sib_model *m, size_t *n)
{
    size_t nodes = 0, kinds = 0;
    sib_graph_info info;
    sib_node_info node;
    for (size_t k = 0; k < sib_model_graphs(m); k++) {
        sib_graph_get_info(sib_model_graph(m, k), &info);
        nodes += info.n_nodes;
    }
    op_count *ops = cli_alloc(nodes + 1, sizeof *ops), *at = ops;
    for (size_t k = 0; k < sib_model_graphs(m); k++)
        for (size_t i = 0; sib_graph_node(sib_model_graph(m, k), i, &node); i++)
            *at++ = (op_count){node.domain, node.type, node.known, 1};
    qsort(ops, nodes, sizeof *ops, by_name);
    for (size_t i = 0; i < nodes; i++)
        if (kinds && by_name(&ops[kinds - 1], &ops[i]) == 0)
            ops[kinds - 1].n++;
        else
            ops[kinds++] = ops[i];
    qsort(ops, kinds, sizeof *ops, by_count);
    *n = kinds;
    return ops;
}

char *inspect_type(const char *domain, const char *type)
{
    return cli_format("%s%s%s", domain, *domain ? ":" : "", type);
}

char *inspect_value(const sib_graph *g, uint32_t id)
{
    sib_value_info v;
    if (id == SIB_NONE || !sib_graph_value(g, id, &v))
        return cli_format("_");
    return *v.name ? cli_format("%s", v.name) : cli_format("%%%u", id);
}
