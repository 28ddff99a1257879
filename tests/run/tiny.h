/* Small models built in memory for tests of sessions. A test fails at once if one cannot be built. */
#ifndef TESTS_RUN_TINY_H
#define TESTS_RUN_TINY_H

#include "base/alloc.h"
#include "check.h"
#include "run/model.h"

#include <sibyl/session.h>

/* Rank and dims, and elements, as arguments. */
#define DIMS(...)                                                                                            \
    (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])                                  \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define OF(...) ((const double[]){__VA_ARGS__})

typedef struct tiny {
    onnx_model *m;
    graph *g; /* where values and nodes are added: the main graph, or the current subgraph */
} tiny;

static inline tiny tiny_begin(void)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = {.m = mem_calloc(1, sizeof *t.m)};
    assert_non_null(t.m);
    CHECK_OK(arena_create(&t.m->arena, &err), err);
    CHECK_OK(dim_table_create(&t.m->dims, &err), err);
    CHECK_OK(graph_create(t.m->arena, t.m->dims, &t.m->graph, &err), err);
    t.m->ir_version = 10;
    t.g = t.m->graph;
    return t;
}

/* dims: "2 T 3", NULL for a value of unknown rank. */
static inline value_id tiny_value(tiny *t, const char *name, sib_dtype dtype, const char *dims)
{
    sib_error err = SIB_ERROR_INIT;
    value_type type = type_tensor(dtype);
    value_id v;
    if (dims) {
        char copy[200], *state = NULL;
        snprintf(copy, sizeof copy, "%s", dims);
        type.shape.ranked = true;
        for (char *w = strtok_r(copy, " ", &state); w; w = strtok_r(NULL, " ", &state))
            type.shape.dims[type.shape.rank++] = w[0] >= '0' && w[0] <= '9'
                                                     ? dim_const(t->m->dims, atoi(w))
                                                     : dim_symbol(t->m->dims, str_of(w));
    }
    CHECK_OK(graph_add_value(t->g, str_of(name), &type, &v, &err), err);
    t->g->values[v].declared = type;
    return v;
}

static inline value_id tiny_input(tiny *t, const char *name, sib_dtype dtype, const char *dims)
{
    sib_error err = SIB_ERROR_INIT;
    value_id v = tiny_value(t, name, dtype, dims);
    CHECK_OK(graph_add_input(t->g, v, &err), err);
    return v;
}

/* A value that a node will produce. */
static inline value_id tiny_made(tiny *t, const char *name)
{
    sib_error err = SIB_ERROR_INIT;
    value_id v;
    CHECK_OK(graph_add_value(t->g, str_of(name), NULL, &v, &err), err);
    return v;
}

static inline void tiny_output(tiny *t, value_id v)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(graph_add_output(t->g, v, &err), err);
}

static inline sib_tensor *tiny_tensor(sib_dtype dtype, size_t rank, const int64_t *dims, const double *values)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *wide = NULL, *out = NULL;
    CHECK_OK(sib_tensor_create(SIB_F64, rank, dims, &wide, &err), err);
    if (values && sib_tensor_count(wide))
        memcpy(sib_tensor_data(wide), values, sib_tensor_count(wide) * sizeof *values);
    CHECK_OK(sib_tensor_convert(wide, dtype, SIB_OVERFLOW_IEEE, &out, &err), err);
    sib_tensor_free(&wide);
    return out;
}

static inline value_id tiny_constant(tiny *t, const char *name, sib_dtype dtype, size_t rank,
                                     const int64_t *dims, const double *values)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *c = tiny_tensor(dtype, rank, dims, values);
    value_id v = tiny_made(t, name);
    t->g->values[v].type = t->g->values[v].declared = type_of_dims(t->m->dims, dtype, rank, dims);
    t->g->values[v].constant = c;
    t->g->values[v].from_file = true;
    CHECK_OK(arena_keep(t->m->arena, c, &err), err);
    return v;
}

/* A node of two inputs (NO_VALUE for none) and one output, of the latest opset that Sibyl supports. */
static inline node_id tiny_node(tiny *t, const char *type, const char *name, size_t n_in, const value_id *in,
                                size_t n_out, const value_id *out, size_t n_attributes, attribute *attributes)
{
    sib_error err = SIB_ERROR_INIT;
    bool ok = true;
    node n = {.domain = {"", 0},
              .version = 21,
              .inputs = {(uint32_t)n_in, (uint32_t *)in},
              .outputs = {(uint32_t)n_out, (uint32_t *)out},
              .n_attributes = n_attributes,
              .attributes = attributes,
              .origin = NO_NODE};
    n.type = arena_string(t->m->arena, str_of(type), &ok);
    n.name = arena_string(t->m->arena, str_of(name), &ok);
    assert_true(ok);
    node_id id;
    CHECK_OK(graph_add_node(t->g, &n, &id, &err), err);
    return id;
}

static inline value_id tiny_op(tiny *t, const char *type, value_id a, value_id b, const char *out)
{
    value_id made = tiny_made(t, out), in[] = {a, b};
    char name[100];
    snprintf(name, sizeof name, "n_%s", out);
    tiny_node(t, type, name, b == NO_VALUE ? 1 : 2, in, 1, &made, 0, NULL);
    return made;
}

/* Starts a subgraph of the current graph; t->g is it until tiny_leave. */
static inline graph *tiny_enter(tiny *t)
{
    sib_error err = SIB_ERROR_INIT;
    graph *g;
    CHECK_OK(graph_create(t->m->arena, t->m->dims, &g, &err), err);
    g->outer = t->g;
    t->g = g;
    return g;
}

static inline graph *tiny_leave(tiny *t)
{
    graph *g = t->g;
    t->g = g->outer;
    return g;
}

static inline sib_model *tiny_model(tiny *t)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = NULL;
    CHECK_OK(graph_verify(t->m->graph, &err), err);
    CHECK_OK(model_from_onnx(t->m, &m, &err), err);
    t->m = NULL;
    return m;
}

static inline sib_session *tiny_session(tiny *t, const sib_session_options *options)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = tiny_model(t);
    sib_session *s = NULL;
    CHECK_OK(sib_session_create(m, options, &s, &err), err);
    sib_model_free(&m);
    return s;
}

static inline sib_value *tiny_given(sib_dtype dtype, size_t rank, const int64_t *dims, const double *values)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = tiny_tensor(dtype, rank, dims, values);
    sib_value *v = NULL;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return v;
}

/* Fails if v has another dtype, other dims or other elements. */
static inline void tiny_expect(const sib_value *v, sib_dtype dtype, size_t rank, const int64_t *dims,
                               const double *values)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    sib_tolerance exact = {0, 0, 0};
    sib_tensor *expected = tiny_tensor(dtype, rank, dims, values);
    assert_non_null(sib_value_tensor(v));
    CHECK_OK(sib_tensor_compare(sib_value_tensor(v), expected, &exact, &c, &err), err);
    if (!c.equal)
        fail_msg("element %llu is %g, expected %g", (unsigned long long)c.worst, c.worst_a, c.worst_b);
    sib_tensor_free(&expected);
}

/* A session of y = Relu(x * w + b), s = Softmax(y): a product with its bias and Relu, and an operator. */
static inline sib_session *tiny_layer(const char *backends)
{
    tiny t = tiny_begin();
    double ones[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    value_id x = tiny_input(&t, "x", SIB_F32, "N 3");
    value_id w = tiny_constant(&t, "w", SIB_F32, 2, (int64_t[]){3, 4}, ones);
    value_id b = tiny_constant(&t, "b", SIB_F32, 1, (int64_t[]){4}, ones);
    value_id p = tiny_op(&t, "MatMul", x, w, "p"), a = tiny_op(&t, "Add", p, b, "a");
    value_id y = tiny_op(&t, "Relu", a, NO_VALUE, "y");
    tiny_output(&t, tiny_op(&t, "Softmax", y, NO_VALUE, "s"));
    return tiny_session(&t, &(sib_session_options){.backends = backends, .threads = 1});
}

#endif
