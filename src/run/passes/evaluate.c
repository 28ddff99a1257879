#include "run/passes/evaluate.h"

#include "base/alloc.h"
#include "base/error.h"
#include "run/execute/execute.h"
#include "run/execute/plans.h"
#include "tensor/tensor.h"

/* A graph that holds only the node. */
typedef struct alone {
    graph_arena *arena;
    dim_table *dims;
    graph *g;
    uint32_t *ids; /* (inputs and outputs) of the node */
} alone;

static sib_code add_values(alone *a, const node *n, const sib_tensor *const *in, sib_error *err)
{
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n->inputs.n + n->outputs.n && code == SIB_OK; i++) {
        bool comes = i < n->inputs.n;
        const sib_tensor *t = comes ? in[i] : NULL;
        a->ids[i] = NO_VALUE;
        if (comes ? !t : n->outputs.ids[i - n->inputs.n] == NO_VALUE)
            continue;
        value_type type = t ? type_of_dims(a->dims, t->dtype, t->rank, t->dims) : (value_type){0};
        code = graph_add_value(a->g, (sib_str){"", 0}, &type, &a->ids[i], err);
        if (code == SIB_OK && comes)
            a->g->values[a->ids[i]].constant = t;
        else if (code == SIB_OK)
            code = graph_add_output(a->g, a->ids[i], err);
    }
    return code;
}

static sib_code alone_make(alone *a, const node *n, const sib_tensor *const *in, sib_error *err)
{
    node copy = *n;
    node_id id;
    a->ids = mem_alloc((size_t)n->inputs.n + n->outputs.n + 1, sizeof *a->ids);
    sib_code code = a->ids ? arena_create(&a->arena, err) : err_memory(err, sizeof *a->ids, "a constant");
    if (code == SIB_OK)
        code = dim_table_create(&a->dims, err);
    if (code == SIB_OK)
        code = graph_create(a->arena, a->dims, &a->g, err);
    if (code == SIB_OK)
        code = add_values(a, n, in, err);
    if (code != SIB_OK)
        return code;
    copy.inputs.ids = a->ids;
    copy.outputs.ids = a->ids + n->inputs.n;
    return graph_add_node(a->g, &copy, &id, err);
}

static void alone_free(alone *a)
{
    graph_free(&a->g);
    dim_table_free(&a->dims);
    arena_free(&a->arena);
    mem_free(a->ids);
}

/* Runs the graph on the reference backend alone. */
static sib_code run_alone(const graph *g, sib_value **out, sib_error *err)
{
    const opened_backend ref = {.backend = backend_named("ref")};
    executor_shared shared = {.plan = {.n_backends = 1, .backends = &ref}};
    executor ex = {.shared = &shared, .set = &(executor_set){0}, .g = g};
    run_state run = {.observer = observer_none, .text_limit = RUN_MAX_TEXT};
    sib_code code = graph_uses_make(g, &ex.uses, err);
    shared.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    if (code == SIB_OK)
        code = execute_graph(&ex, &run, NULL, NULL, NULL, out, err);
    executor_clear(&ex);
    pthread_mutex_destroy(&shared.lock);
    return code;
}

sib_code evaluate_node(const node *n, const sib_tensor *const *in, sib_tensor **out, sib_error *err)
{
    alone a = {0};
    sib_value **values = mem_calloc((size_t)n->outputs.n + 1, sizeof *values);
    sib_code code = values ? alone_make(&a, n, in, err) : err_memory(err, sizeof *values, "a constant");
    if (code == SIB_OK)
        code = run_alone(a.g, values, err);
    for (uint32_t i = 0, k = 0; i < n->outputs.n; i++) {
        out[i] = NULL;
        if (code != SIB_OK || n->outputs.ids[i] == NO_VALUE)
            continue;
        const sib_tensor *t = sib_value_tensor(values[k++]);
        if (!t)
            code = err_set(err, SIB_ERR_UNSUPPORTED, "an operator without a tensor output cannot be folded");
        else /* outputs own their memory, or are a constant that outlives the graph */
            code = sib_tensor_is_dense(t) ? tensor_view(t, t->rank, &out[i], err)
                                          : sib_tensor_copy(t, &out[i], err);
    }
    for (uint32_t i = 0; i < n->outputs.n && code != SIB_OK; i++)
        sib_tensor_free(&out[i]);
    for (uint32_t i = 0; values && i < n->outputs.n; i++)
        sib_value_free(&values[i]);
    mem_free(values);
    alone_free(&a);
    return code;
}
