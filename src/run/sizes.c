/* Dims of values and costs of nodes for given sizes of symbolic dims. */
#include "base/error.h"
#include "run/graphs.h"
#include "run/plan/cost.h"

sib_code sizes_bind(dim_table *t, size_t n, const sib_dim *dims, dim_binding *b, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        if (!dims[i].name || !*dims[i].name)
            return err_set(err, SIB_ERR_ARGUMENT, "dim %zu has no name", i);
        bool known;
        dim symbol = dim_symbol_known(t, str_of(dims[i].name), &known);
        if (!known)
            return err_set(err, SIB_ERR_ARGUMENT, "the model has no dim '%s'", dims[i].name);
        if (dim_same(symbol, DIM_NONE))
            return err_memory(err, 64, "the dims of a graph");
        code = dim_bind(t, b, symbol, dims[i].size, err);
    }
    return code;
}

/* -1 where d is unknown, needs a size that b lacks, or has no value for these sizes. */
static int64_t value_of(const dim_table *t, dim d, const dim_binding *b)
{
    int64_t out;
    sib_error none = SIB_ERROR_INIT;
    return !dim_same(d, DIM_NONE) && dim_eval(t, d, b, &out, &none) == SIB_OK ? out : -1;
}

sib_code sib_graph_dims(const sib_graph *g, size_t i, size_t n_dims, const sib_dim *dims,
                        int64_t out[SIB_MAX_RANK], sib_error *err)
{
    if (!g || !out || (n_dims && !dims) || i >= g->g->n_values)
        return err_set(err, SIB_ERR_ARGUMENT, "the graph, dims or out is NULL, or there is no value %zu", i);
    dim_binding sizes = {0};
    pthread_mutex_lock(g->shelf->lock);
    sib_code code = sizes_bind(g->g->dims, n_dims, dims, &sizes, err);
    const dim_shape *shape = &g->g->values[i].type.shape;
    for (size_t k = 0; k < shape->rank && code == SIB_OK; k++)
        out[k] = value_of(g->g->dims, shape->dims[k], &sizes);
    pthread_mutex_unlock(g->shelf->lock);
    dim_binding_clear(&sizes);
    return code;
}

sib_code sib_graph_cost(const sib_graph *g, size_t i, size_t n_dims, const sib_dim *dims, int64_t *flops,
                        int64_t *bytes, sib_error *err)
{
    if (!g || !flops || !bytes || (n_dims && !dims) || i >= g->g->n_nodes)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "the graph, dims, flops or bytes is NULL, or there is no node %zu", i);
    dim_binding sizes = {0};
    const node *n = &g->g->nodes[i];
    pthread_mutex_lock(g->shelf->lock);
    sib_code code = sizes_bind(g->g->dims, n_dims, dims, &sizes, err);
    if (code == SIB_OK) {
        *flops = value_of(g->g->dims, n->flops, &sizes);
        *bytes = value_of(g->g->dims, cost_bytes(g->g, n), &sizes);
    }
    pthread_mutex_unlock(g->shelf->lock);
    dim_binding_clear(&sizes);
    return code;
}
