/* The milli-ops of a node as a graph of its own. */
#include "run/graphs.h"

#include "base/alloc.h"
#include "base/error.h"
#include "ops/ops.h"
#include "run/model.h"
#include "run/plan/cost.h"
#include "run/plan/fold.h"

#include <string.h>

/* Max elements of constants that are computed, as during inference; and max milli-ops and work of one node.
   */
#define FOLD_LIMIT 4096
#define MILLI_OPS  (UINT64_C(1) << 20)
#define MILLI_WORK (UINT64_C(1) << 26)

/* A public graph with its memory. Its dims are a copy of the model's, since lowering adds to them. */
typedef struct milli_graph {
    sib_graph about;
    graph_shelf shelf;
    pthread_mutex_t lock;
    sib_model *model; /* a reference: constants and attributes are its own */
    graph_arena *arena;
    dim_table *dims;
    graph *g;
    const graph *source;
    dim_binding sizes;
    value_id *made; /* (source->n_values) the value here, or NO_VALUE; while it is made */
} milli_graph;

static void destroy(milli_graph *m)
{
    graph_free(&m->g);
    dim_binding_clear(&m->sizes);
    dim_table_free(&m->dims);
    shelf_clear(&m->shelf);
    arena_free(&m->arena);
    mem_free(m->made);
    mem_free(m->about.roles);
    mem_free(m->about.users_at);
    mem_free(m->about.users);
    if (m->model) {
        pthread_mutex_destroy(&m->lock);
        sib_model_free(&m->model);
    }
    mem_free(m);
}

void sib_graph_free(sib_graph **g)
{
    if (g && *g && (*g)->owner)
        destroy((*g)->owner);
    if (g)
        *g = NULL;
}

/* ---- Lowering -------------------------------------------------------------------------------------- */

static void give_sizes(milli_graph *m, value_type *t)
{
    for (int i = 0; i < t->shape.rank; i++)
        t->shape.dims[i] = dim_substitute(m->dims, t->shape.dims[i], &m->sizes);
}

/* Copies elements with sizes in place of symbols. Returns false where memory fails. */
static bool import_elements(milli_graph *m, const value *from, value *to)
{
    dim *elements = from->n_elements ? arena_alloc(m->arena, from->n_elements, sizeof *elements) : NULL;
    if (from->n_elements && !elements)
        return false;
    for (uint32_t i = 0; i < from->n_elements; i++)
        elements[i] = dim_substitute(m->dims, from->elements[i], &m->sizes);
    to->elements = elements;
    to->n_elements = from->n_elements;
    return true;
}

/* An input of the node becomes an input of the graph, a constant one a constant. */
static mval import(lowering *l, const graph *source, value_id id)
{
    milli_graph *m = l->driver;
    const value *v = &source->values[id];
    value_id *made = source == m->source ? &m->made[id] : &(value_id){NO_VALUE};
    if (*made != NO_VALUE)
        return (mval){*made};
    if (v->constant) {
        mval constant = m_constant_ref(l, v->constant);
        if (constant.id != NO_VALUE)
            l->graph->values[constant.id].name = v->name;
        *made = constant.id;
        return constant;
    }
    value_type type = v->type;
    give_sizes(m, &type);
    if (graph_add_value(l->graph, v->name, &type, made, &l->error) != SIB_OK ||
        graph_add_input(l->graph, *made, &l->error) != SIB_OK ||
        !import_elements(m, v, &l->graph->values[*made])) {
        l->status = LOWER_FAILED;
        err_memory(&l->error, v->n_elements * sizeof(dim), "the milli-ops of a node");
        return MVAL_NONE;
    }
    return (mval){*made};
}

/* Folding leaves nodes without outputs behind. */
static void drop_folded(graph *g)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        if (!g->nodes[i].outputs.n)
            continue;
        g->nodes[kept] = g->nodes[i];
        for (uint32_t k = 0; k < g->nodes[kept].outputs.n; k++)
            if (g->nodes[kept].outputs.ids[k] != NO_VALUE)
                g->values[g->nodes[kept].outputs.ids[k]].producer = kept;
        kept++;
    }
    g->n_nodes = kept;
}

static sib_code explain(const lowering *l, const node *n, sib_error *err)
{
    char name[160];
    node_text(l->source, n, name, sizeof name);
    if (l->status == LOWER_NEEDS_DIMS)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "node %s: its milli-ops depend on the size of a symbolic dim: give sizes for all of them", name);
    if (l->status == LOWER_NEEDS_CONTENT) {
        sib_str input = l->needs < l->graph->n_values ? l->graph->values[l->needs].name : (sib_str){"", 0};
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "node %s: its milli-ops depend on the elements of '%.*s', which only a run knows",
                       name, (int)input.length, input.data ? input.data : "");
    }
    return err_set(err, l->error.code, "%s", l->error.message);
}

/* Makes the node's outputs those of the graph, under their names. */
static sib_code add_outputs(milli_graph *m, const node *n, const mval *outs, sib_error *err)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        if (n->outputs.ids[i] == NO_VALUE || outs[i].id == NO_VALUE)
            continue;
        value *v = &m->g->values[outs[i].id];
        if (!v->name.length)
            v->name = m->source->values[n->outputs.ids[i]].name;
        code = graph_add_output(m->g, outs[i].id, err);
    }
    return code;
}

static sib_code lower(milli_graph *m, node_id id, sib_error *err)
{
    const node *n = &m->source->nodes[id];
    lower_budget budget = {MILLI_OPS, MILLI_WORK};
    mval *outs = mem_calloc((size_t)n->outputs.n + 1, sizeof *outs);
    value_type *declared = mem_calloc((size_t)n->outputs.n + 1, sizeof *declared);
    m->made = mem_alloc((size_t)m->source->n_values + 1, sizeof *m->made);
    sib_code code = SIB_OK;
    if (!outs || !declared || !m->made) {
        code = err_memory(err, n->outputs.n * sizeof *declared, "the milli-ops of a node");
    } else {
        for (uint32_t i = 0; i < m->source->n_values; i++)
            m->made[i] = NO_VALUE;
        lowering l = {.graph = m->g,
                      .symbolic = true,
                      .fold_limit = FOLD_LIMIT,
                      .budget = &budget,
                      .driver = m,
                      .owner = m,
                      .import = import,
                      .fold = fold_milli};
        lower_node(&l, m->source, id, outs, declared);
        code = l_ok(&l) ? add_outputs(m, n, outs, err) : explain(&l, n, err);
    }
    mem_free(outs);
    mem_free(declared);
    if (code != SIB_OK)
        return code;
    drop_folded(m->g);
    for (uint32_t i = 0; i < m->g->n_nodes; i++)
        m->g->nodes[i].flops = cost_milli(m->g, &m->g->nodes[i]);
    return SIB_OK;
}

/* ---- The public call ------------------------------------------------------------------------------- */

static sib_code make(milli_graph *m, node_id id, size_t n_dims, const sib_dim *dims, sib_error *err)
{
    sib_code code = arena_create(&m->arena, err);
    if (code != SIB_OK)
        return code;
    m->shelf = (graph_shelf){.lock = &m->lock, .arena = m->arena};
    pthread_mutex_lock(&m->model->lock);
    code = dim_table_copy(m->source->dims, &m->dims, err);
    pthread_mutex_unlock(&m->model->lock);
    if (code == SIB_OK)
        code = sizes_bind(m->dims, n_dims, dims, &m->sizes, err);
    if (code == SIB_OK)
        code = graph_create(m->arena, m->dims, &m->g, err);
    if (code == SIB_OK)
        code = lower(m, id, err);
    if (code == SIB_OK)
        code = graph_verify(m->g, err);
    m->about.g = m->g;
    return code;
}

sib_code sib_graph_milli(const sib_graph *g, size_t i, size_t n_dims, const sib_dim *dims, sib_graph **out,
                         sib_error *err)
{
    if (!g || !out || (n_dims && !dims))
        return err_set(err, SIB_ERR_ARGUMENT, "the graph, dims or out is NULL");
    *out = NULL;
    if (i >= g->g->n_nodes)
        return err_set(err, SIB_ERR_ARGUMENT, "node %zu of %u", i, g->g->n_nodes);
    char name[160];
    const node *n = &g->g->nodes[i];
    if (n->milli)
        return err_set(err, SIB_ERR_ARGUMENT, "node %zu is a milli-op", i);
    if (n->op && n->op->control != CONTROL_NONE)
        return err_set(err, SIB_ERR_UNSUPPORTED, "node %s runs graphs: they are read by sib_graph_inner",
                       node_text(g->g, n, name, sizeof name));
    milli_graph *m = mem_calloc(1, sizeof *m);
    if (!m)
        return err_memory(err, sizeof *m, "the milli-ops of a node");
    if (pthread_mutex_init(&m->lock, NULL)) {
        mem_free(m);
        return err_set(err, SIB_ERR_MEMORY, "the milli-ops of a node: a lock could not be made");
    }
    m->model = sib_model_keep((sib_model *)g->shelf->model);
    m->source = g->g;
    m->about = (sib_graph){
        .shelf = &m->shelf, .number = SIB_NONE, .outer = g->number, .holder = (uint32_t)i, .owner = m};
    sib_code code = make(m, (node_id)i, n_dims, dims, err);
    if (code == SIB_OK)
        *out = &m->about;
    else
        destroy(m);
    return code;
}
