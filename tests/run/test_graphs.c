/* Graphs read through the public calls: subgraphs, captures, users of values, milli-ops. */
#include "check_memory.h"
#include "tiny.h"

#include <pthread.h>

/* y = If(c, then: x + w, else: x), where node 0 makes w. */
static sib_model *branches(void)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N"), c = tiny_input(&t, "c", SIB_BOOL, "");
    value_id w = tiny_op(&t, "Abs", x, NO_VALUE, "w"), y = tiny_made(&t, "y"), a, b;
    graph *then = tiny_enter(&t);
    CHECK_OK(graph_capture(then, x, &a, &err), err);
    CHECK_OK(graph_capture(then, w, &b, &err), err);
    tiny_output(&t, tiny_op(&t, "Add", a, b, "sum"));
    tiny_leave(&t);
    graph *other = tiny_enter(&t);
    CHECK_OK(graph_capture(other, x, &a, &err), err);
    tiny_output(&t, tiny_op(&t, "Identity", a, NO_VALUE, "same"));
    tiny_leave(&t);
    attribute sides[] = {{.name = str_of("then_branch"), .kind = ATTR_GRAPH, .graph = then},
                         {.name = str_of("else_branch"), .kind = ATTR_GRAPH, .graph = other}};
    tiny_node(&t, "If", "choose", 1, &c, 1, &y, 2, sides);
    tiny_output(&t, y);
    return tiny_model(&t);
}

static uint32_t number_of(const sib_graph *g, const char *name)
{
    sib_value_info v;
    for (uint32_t i = 0; sib_graph_value(g, i, &v); i++)
        if (!strcmp(v.name, name))
            return i;
    fail_msg("there is no value '%s'", name);
    return SIB_NONE;
}

TEST(subgraphs_know_their_place)
{
    sib_model *m = branches();
    sib_graph_info info;
    assert_int_equal(sib_model_graphs(m), 3);
    assert_null(sib_model_graph(m, 3));
    sib_graph_get_info(sib_model_graph(m, 0), &info);
    assert_true(info.outer == SIB_NONE && info.holder == SIB_NONE && !info.attribute);
    sib_graph_get_info(sib_model_graph(m, 2), &info);
    assert_int_equal(info.number, 2);
    assert_int_equal(info.outer, 0);
    assert_int_equal(info.holder, 1);
    assert_string_equal(info.attribute, "else_branch");
    assert_int_equal(info.n_captures, 1);
    assert_int_equal(sib_graph_inner(sib_model_graph(m, 0), 1, 0, 0), 1);
    assert_int_equal(sib_graph_inner(sib_model_graph(m, 0), 1, 1, 0), 2);
    assert_true(sib_graph_inner(sib_model_graph(m, 0), 1, 0, 1) == SIB_NONE);
    assert_true(sib_graph_inner(sib_model_graph(m, 0), 0, 0, 0) == SIB_NONE);
    sib_model_free(&m);
}

TEST(captures_and_users)
{
    sib_model *m = branches();
    const sib_graph *g = sib_model_graph(m, 0), *then = sib_model_graph(m, 1);
    uint32_t x = number_of(g, "x"), w = number_of(g, "w"), y = number_of(g, "y");
    const uint32_t *nodes;
    sib_value_info v;
    /* Abs reads x, If by both of its branches, once */
    assert_int_equal(sib_graph_users(g, x, &nodes), 2);
    assert_true(nodes[0] == 0 && nodes[1] == 1);
    assert_int_equal(sib_graph_users(g, w, &nodes), 1);
    assert_int_equal(nodes[0], 1);
    assert_int_equal(sib_graph_users(g, y, &nodes), 0);
    assert_int_equal(sib_graph_users(g, 1000, &nodes), 0);
    bool captured[2] = {false, false};
    for (size_t i = 0; sib_graph_value(then, i, &v); i++) {
        captured[0] |= v.captured == x;
        captured[1] |= v.captured == w;
        assert_true(v.captured == SIB_NONE || v.producer == SIB_NONE);
    }
    assert_true(captured[0] && captured[1]);
    assert_true(sib_graph_value(g, w, &v));
    assert_int_equal(v.producer, 0);
    sib_model_free(&m);
}

/* What the file says of a value stays beside what is inferred. */
TEST(declared_types_are_told)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "B T"), y = tiny_op(&t, "Relu", x, NO_VALUE, "y");
    value_id other = tiny_input(&t, "other", SIB_F32, "rows columns");
    t.g->values[y].declared = t.g->values[other].declared;
    tiny_output(&t, tiny_op(&t, "Abs", y, NO_VALUE, "z"));
    sib_model *m = tiny_model(&t);
    const sib_graph *g = sib_model_graph(m, 0);
    sib_value_info v;
    assert_true(sib_graph_value(g, number_of(g, "y"), &v));
    assert_string_equal(v.type, "float32 [B, T]");
    assert_string_equal(v.declared, "float32 [rows, columns]");
    assert_true(sib_graph_value(g, number_of(g, "z"), &v));
    assert_null(v.declared);
    sib_model_free(&m);
}

/* A milli graph outlives its model's handle, and its dims follow the sizes given. */
TEST(milli_ops_stand_alone)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "B T");
    tiny_output(&t, tiny_op(&t, "Softmax", x, NO_VALUE, "y"));
    sib_model *m = tiny_model(&t);
    sib_graph *open = NULL, *sized = NULL;
    CHECK_OK(sib_graph_milli(sib_model_graph(m, 0), 0, 0, NULL, &open, &err), err);
    sib_dim sizes[] = {{"T", 5}};
    CHECK_OK(sib_graph_milli(sib_model_graph(m, 0), 0, 1, sizes, &sized, &err), err);
    sib_model_free(&m);
    sib_graph_info info;
    sib_value_info v;
    sib_node_info n;
    sib_graph_get_info(open, &info);
    assert_int_equal(info.n_inputs, 1);
    assert_true(sib_graph_value(open, info.inputs[0], &v));
    assert_string_equal(v.name, "x");
    assert_string_equal(v.type, "float32 [B, T]");
    assert_true(sib_graph_value(open, info.outputs[0], &v));
    assert_string_equal(v.name, "y");
    assert_true(info.n_nodes >= 5);
    sib_graph_get_info(sized, &info);
    assert_true(sib_graph_value(sized, info.outputs[0], &v));
    assert_string_equal(v.type, "float32 [B, 5]");
    for (size_t i = 0; sib_graph_node(sized, i, &n); i++) {
        assert_string_equal(n.domain, "milli");
        assert_true(n.known && n.n_outputs == 1);
        assert_true(sib_graph_value(sized, n.outputs[0], &v));
        assert_int_equal(v.producer, i);
    }
    sib_graph_free(&open);
    sib_graph_free(&sized);
    assert_null(sized);
    sib_graph_free(&sized);
}

/* Operations of a recurrent layer over x, which has symbolic or numeric dims; steps: of a symbolic T. */
static int64_t flops_of_recurrent(const char *type, int gates, const char *dims, int64_t steps)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    attribute attributes[] = {
        {.name = str_of("hidden_size"), .kind = ATTR_INT, .i = 3},
        {.name = str_of("direction"), .kind = ATTR_STRING, .s = str_of("bidirectional")}};
    value_id in[] = {tiny_input(&t, "x", SIB_F32, dims),
                     tiny_constant(&t, "w", SIB_F32, 3, (int64_t[]){2, gates * 3, 4}, NULL),
                     tiny_constant(&t, "r", SIB_F32, 3, (int64_t[]){2, gates * 3, 3}, NULL)},
             out = tiny_made(&t, "y");
    tiny_node(&t, type, "layer", 3, in, 1, &out, 2, attributes);
    tiny_output(&t, out);
    sib_model *m = tiny_model(&t);
    const sib_dim given = {"T", steps};
    int64_t flops, bytes;
    CHECK_OK(sib_graph_cost(sib_model_graph(m, 0), 0, steps ? 1 : 0, &given, &flops, &bytes, &err), err);
    sib_model_free(&m);
    return flops;
}

/* A recurrent layer of any length costs what its unrolled steps do. */
TEST(costs_of_recurrent_layers)
{
    static const struct {
        const char *type;
        int gates;
    } layers[] = {{"RNN", 1}, {"GRU", 3}, {"LSTM", 4}};
    for (size_t i = 0; i < 3; i++) {
        const char *type = layers[i].type;
        const int gates = layers[i].gates;
        const int64_t unrolled = flops_of_recurrent(type, gates, "10 2 4", 0);
        assert_true(unrolled >
                    2 * 10 * 2 * 2 * gates * 3 * (4 + 3)); /* the products alone, both directions */
        assert_int_equal(flops_of_recurrent(type, gates, "T 2 4", 10), unrolled);
        const int64_t step = unrolled - flops_of_recurrent(type, gates, "9 2 4", 0);
        assert_int_equal(flops_of_recurrent(type, gates, "1000 2 4", 0), unrolled + 990 * step);
    }
}

TEST(dims_and_costs_of_given_sizes)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "B T");
    tiny_output(&t, tiny_op(&t, "Softmax", x, NO_VALUE, "y"));
    sib_model *m = tiny_model(&t);
    const sib_graph *g = sib_model_graph(m, 0);
    const sib_dim one[] = {{"B", 1}, {"T", 5}}, two[] = {{"B", 2}, {"T", 5}}, other = {"U", 1};
    int64_t dims[SIB_MAX_RANK], flops, bytes, twice, both;
    uint32_t y = number_of(g, "y");
    CHECK_OK(sib_graph_dims(g, y, 2, two, dims, &err), err);
    assert_true(dims[0] == 2 && dims[1] == 5);
    CHECK_OK(sib_graph_dims(g, y, 1, one, dims, &err), err);
    assert_true(dims[0] == 1 && dims[1] == -1);
    CHECK_OK(sib_graph_cost(g, 0, 2, one, &flops, &bytes, &err), err);
    CHECK_OK(sib_graph_cost(g, 0, 2, two, &twice, &both, &err), err);
    assert_int_equal(bytes, 2 * 5 * sizeof(float));
    assert_int_equal(both, 2 * bytes);
    assert_true(flops > 0 && twice == 2 * flops);
    CHECK_OK(sib_graph_cost(g, 0, 1, one, &flops, &bytes, &err), err);
    assert_true(flops == -1 && bytes == -1);
    for (int again = 0; again < 2; again++) /* asking adds nothing to the model's dims */
        CHECK_FAILS(sib_graph_dims(g, y, 1, &other, dims, &err), SIB_ERR_ARGUMENT, err, "no dim 'U'");
    CHECK_FAILS(sib_graph_cost(g, 1, 0, NULL, &flops, &bytes, &err), SIB_ERR_ARGUMENT, err, "no node 1");
    sib_model_free(&m);
}

TEST(milli_ops_refused)
{
    sib_model *m = branches();
    const sib_graph *g = sib_model_graph(m, 0);
    sib_graph *out = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_dim other = {"M", 3}, negative = {"N", -1}, none = {NULL, 1};
    CHECK_FAILS(sib_graph_milli(g, 1, 0, NULL, &out, &err), SIB_ERR_UNSUPPORTED, err, "runs graphs");
    CHECK_FAILS(sib_graph_milli(g, 2, 0, NULL, &out, &err), SIB_ERR_ARGUMENT, err, "node 2 of 2");
    CHECK_FAILS(sib_graph_milli(g, 0, 1, &other, &out, &err), SIB_ERR_ARGUMENT, err, "'M'");
    CHECK_FAILS(sib_graph_milli(g, 0, 1, &negative, &out, &err), SIB_ERR_ARGUMENT, err, "-1");
    CHECK_FAILS(sib_graph_milli(g, 0, 1, &none, &out, &err), SIB_ERR_ARGUMENT, err, "no name");
    assert_null(out);
    sib_model_free(&m);
}

TEST(milli_ops_without_memory)
{
    sib_model *m = branches();
    sib_graph *out = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(sib_graph_milli(sib_model_graph(m, 1), 0, 0, NULL, &out, &err),
                           sib_graph_free(&out));
    sib_model_free(&m);
}

/* Texts, users and costs are made on request: by several threads at once. */
static void *walk(void *context)
{
    const sib_model *m = context;
    sib_value_info v;
    sib_node_info n;
    const uint32_t *users;
    size_t seen = 0;
    for (size_t k = 0; k < sib_model_graphs(m); k++) {
        const sib_graph *g = sib_model_graph(m, k);
        for (size_t i = 0; sib_graph_value(g, i, &v); i++)
            seen += strlen(v.type) + sib_graph_users(g, i, &users);
        for (size_t i = 0; sib_graph_node(g, i, &n); i++)
            seen += n.bytes ? strlen(n.bytes) : 0;
    }
    return (void *)(uintptr_t)seen;
}

TEST(several_threads_read)
{
    sib_model *m = branches();
    pthread_t threads[4];
    void *seen[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, walk, m), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], &seen[i]);
    for (int i = 1; i < 4; i++)
        assert_ptr_equal(seen[i], seen[0]);
    assert_non_null(seen[0]);
    sib_model_free(&m);
}
