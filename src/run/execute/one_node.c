#include "run/execute/one_node.h"

#include "base/alloc.h"
#include "base/error.h"

static sib_code add_values(graph *g, size_t n, const bool *wanted, value_id *ids,
                           sib_code (*add)(graph *g, value_id v, sib_error *err), sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        ids[i] = NO_VALUE;
        if (!wanted[i])
            continue;
        code = graph_add_value(g, (sib_str){"", 0}, &(value_type){0}, &ids[i], err);
        if (code == SIB_OK)
            code = add(g, ids[i], err);
    }
    return code;
}

sib_code one_node_make(const node *n, size_t n_in, const bool *in, size_t n_out, const bool *out,
                       one_node **made, sib_error *err)
{
    node copy = *n;
    node_id id;
    one_node *o = mem_calloc(1, sizeof *o);
    value_id *ids = mem_alloc(n_in + n_out + 1, sizeof *ids);
    sib_code code =
        o && ids ? arena_create(&o->arena, err) : err_memory(err, sizeof *o, "a graph of one node");
    if (code == SIB_OK)
        code = dim_table_create(&o->dims, err);
    if (code == SIB_OK)
        code = graph_create(o->arena, o->dims, &o->g, err);
    if (code == SIB_OK)
        code = add_values(o->g, n_in, in, ids, graph_add_input, err);
    if (code == SIB_OK)
        code = add_values(o->g, n_out, out, ids + n_in, graph_add_output, err);
    copy.inputs = (id_list){(uint32_t)n_in, ids};
    copy.outputs = (id_list){(uint32_t)n_out, ids ? ids + n_in : NULL};
    if (code == SIB_OK)
        code = graph_add_node(o->g, &copy, &id, err);
    mem_free(ids);
    if (code != SIB_OK)
        one_node_free(&o);
    *made = o;
    return code;
}

void one_node_free(one_node **op)
{
    one_node *o = *op;
    if (!o)
        return;
    graph_free(&o->g);
    dim_table_free(&o->dims);
    arena_free(&o->arena);
    mem_free(o);
    *op = NULL;
}
