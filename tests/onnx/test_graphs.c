/* Graphs: names, types, captures, order, and what is rejected. */
#include "attr.h"
#include "onnx/onnx.h"
#include "reading.h"
#include "sample.h"

static const value *find(const graph *g, const char *name)
{
    for (value_id v = 0; v < g->n_values; v++)
        if (str_is(g->values[v].name, name))
            return &g->values[v];
    fail_msg("no value %s", name);
    return NULL;
}

static const node *find_node(const graph *g, const char *name)
{
    for (node_id n = 0; n < g->n_nodes; n++)
        if (str_is(g->nodes[n].name, name))
            return &g->nodes[n];
    fail_msg("no node %s", name);
    return NULL;
}

static void check_type(const onnx_model *m, const char *name, const char *expected)
{
    char text[200];
    assert_string_equal(type_text(m->dims, &find(m->graph, name)->declared, text, sizeof text), expected);
}

static bool noticed(const onnx_model *m, const char *words)
{
    for (size_t i = 0; i < m->n_diagnostics; i++)
        if (strstr(m->diagnostics[i].data, words))
            return true;
    return false;
}

TEST(test_all_that_it_says)
{
    onnx_model *m = read_model(sample_model(), NULL);
    const graph *g = m->graph;
    assert_string_equal(g->name.data, "sample");
    assert_string_equal(g->doc.data, "a bit of everything");
    assert_string_equal(m->producer_name.data, "tests");
    assert_int_equal(m->ir_version, 10);
    assert_int_equal(m->model_version, 3);
    assert_string_equal(m->metadata[0].value.data, "of the model");
    assert_string_equal(g->metadata[0].key.data, "graph");
    assert_string_equal(g->quant[0].parameters[0].key.data, "SCALE_TENSOR");
    assert_int_equal(m->n_opsets, 3); /* with that of the function */
    assert_int_equal(m->parameters, 4 + 4 + 6);
    check_type(m, "x", "float32 [N, 4]");
    check_type(m, "map", "map(string, float32 ?)");
    assert_int_equal(find(g, "seq")->type.depth, 2);
    assert_int_equal(find(g, "seq")->type.wrap[0], TYPE_OPTIONAL);
    assert_int_equal(find(g, "seq")->type.dtype, SIB_I64);
    assert_string_equal(find(g, "x")->doc.data, "what comes in");
    assert_true(find(g, "w")->constant && find(g, "w")->from_file);
    assert_int_equal(g->inputs.n, 5);
    /* Metadata of x and of the node. */
    assert_int_equal(m->n_props, 2);
    /* The order is reversed in the file. */
    assert_string_equal(g->nodes[0].name.data, "early");
    assert_string_equal(g->nodes[1].name.data, "late");
    assert_int_equal(g->nodes[0].version, 17);
    assert_int_equal(find_node(g, "odd")->version, 2);
    onnx_free(&m);
}

TEST(test_attributes)
{
    onnx_model *m = read_model(sample_model(), NULL);
    const node *n = find_node(m->graph, "odd");
    size_t count;
    assert_int_equal(n->inputs.n, 3);
    assert_true(n->inputs.ids[1] == NO_VALUE && n->outputs.ids[1] == NO_VALUE);
    assert_true(attr_float(n, "f", 0) == 0.5);
    assert_int_equal(attr_int(n, "i", 0), -7);
    assert_true(attr_is(n, "s", "word"));
    assert_int_equal(*(int64_t *)sib_tensor_data(attr_tensor(n, "t")), -1);
    const float *floats = attr_floats(n, "fs", &count);
    assert_true(count == 3 && floats[0] == 1 && floats[2] == 3);
    const int64_t *ints = attr_ints(n, "is", &count);
    assert_true(count == 3 && ints[0] == -1 && ints[1] == 5 && ints[2] == 128);
    const sib_str *strings = attr_strings(n, "ss", &count);
    assert_true(count == 2 && str_is(strings[0], "one") && strings[1].length == 0);
    assert_int_equal(node_attribute(n, "ts")->n, 2);
    assert_int_equal(node_attribute(n, "gs")->n, 2);
    assert_int_equal(node_attribute(n, "tp")->type->dtype, SIB_F16);
    assert_int_equal(node_attribute(n, "sp")->kind, ATTR_SPARSE);
    assert_int_equal(sib_tensor_count(node_attribute(n, "sp")->tensors[1]), 2);
    onnx_free(&m);
}

/* The same payloads without `type`, as in the oldest files. */
TEST(test_attributes_without_type)
{
    bytes g = {0}, n = b_node("Odd", "odd", "", "o"), a = b_attribute("f", 0);
    b_float(&a, ATTRIBUTE_F, 2);
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("is", 0);
    b_int(&a, ATTRIBUTE_INTS, 4);
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("s", 0);
    b_str(&a, ATTRIBUTE_S, "x");
    b_message(&n, NODE_ATTRIBUTE, a);
    b_message(&n, NODE_ATTRIBUTE, b_attribute("nothing", 0));
    b_message(&n, NODE_ATTRIBUTE, b_attribute("odd kind", 12));
    b_message(&n, NODE_ATTRIBUTE, b_attribute("zero", 2)); /* a missing number is 0 */
    b_message(&g, GRAPH_NODE, n);
    onnx_model *m = read_model(b_model(1, g), NULL);
    const node *odd = find_node(m->graph, "odd");
    size_t count;
    assert_true(attr_float(odd, "f", 0) == 2);
    assert_true(attr_ints(odd, "is", &count)[0] == 4 && count == 1);
    assert_true(attr_is(odd, "s", "x"));
    assert_null(node_attribute(odd, "nothing"));
    assert_null(node_attribute(odd, "odd kind"));
    assert_int_equal(attr_int(odd, "zero", 9), 0);
    assert_true(noticed(m, "'odd kind'"));
    assert_true(noticed(m, "older than 3"));
    onnx_free(&m);
}

TEST(test_captures)
{
    onnx_model *m = read_model(sample_model(), NULL);
    const graph *outer = m->graph, *g = attr_graph(find_node(outer, "choose"), "else_branch");
    const graph *inner = attr_graph(find_node(g, "inner"), "then_branch");
    assert_int_equal(inner->n_captures, 1);
    assert_string_equal(inner->values[inner->captures[0].inner].name.data, "x");
    assert_string_equal(g->values[inner->captures[0].outer].name.data, "x");
    /* The graph in between passes on x, and c, which it also uses itself. */
    assert_int_equal(g->n_captures, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_true(str_same(outer->values[g->captures[i].outer].name, g->values[g->captures[i].inner].name));
    onnx_free(&m);
}

/* y3 = f(y2), y2 = f(y1), y1 = f(x) and similar chains in every order. */
TEST(test_order)
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const char *const ins[] = {"x", "y1", "y2"}, *const outs[] = {"y1", "y2", "y3"};
    for (size_t k = 0; k < 6; k++) {
        bytes g = {0};
        b_message(&g, GRAPH_INPUT, b_info("x", b_type(1, "2")));
        for (int i = 0; i < 3; i++)
            b_message(&g, GRAPH_NODE,
                      b_node("Neg", outs[orders[k][i]], ins[orders[k][i]], outs[orders[k][i]]));
        onnx_model *m = read_model(b_model(8, g), NULL);
        for (uint32_t i = 0; i < 3; i++)
            assert_string_equal(m->graph->nodes[i].name.data, outs[i]);
        onnx_free(&m);
    }
    /* A subgraph uses a value of a later node. */
    bytes g = {0}, inside = {0}, n = b_node("If", "if", "c", "o");
    b_message(&inside, GRAPH_NODE, b_node("Neg", "", "late", "t"));
    b_message(&inside, GRAPH_OUTPUT, b_info("t", (bytes){0}));
    b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("then_branch", inside));
    b_message(&g, GRAPH_INPUT, b_info("c", b_type(9, "")));
    b_message(&g, GRAPH_NODE, n);
    b_message(&g, GRAPH_NODE, b_node("Not", "not", "c", "late"));
    onnx_model *m = read_model(b_model(8, g), NULL);
    assert_string_equal(m->graph->nodes[0].name.data, "not");
    onnx_free(&m);
}

static bytes of_nodes(const char *first, const char *second)
{
    bytes g = {0};
    char words[4][32];
    b_message(&g, GRAPH_INPUT, b_info("x", b_type(1, "2")));
    assert_int_equal(sscanf(first, "%31[^>]>%31s", words[0], words[1]), 2);
    assert_int_equal(sscanf(second, "%31[^>]>%31s", words[2], words[3]), 2);
    b_message(&g, GRAPH_NODE, b_node("Add", "first", words[0], words[1]));
    b_message(&g, GRAPH_NODE, b_node("Add", "second", words[2], words[3]));
    return b_model(8, g);
}

TEST(test_refusals)
{
    check_refused(of_nodes("x b>a", "x a>b"), NULL, SIB_ERR_FORMAT, "depends on its own output");
    check_refused(of_nodes("x a>a", "x x>b"), NULL, SIB_ERR_FORMAT, "'first' (Add)");
    check_refused(of_nodes("x x>a", "x x>a"), NULL, SIB_ERR_FORMAT, "two values are named 'a'");
    check_refused(of_nodes("x x>x", "x x>b"), NULL, SIB_ERR_FORMAT, "'first' (Add)");
    check_refused(of_nodes("x x>a", "x y>b"), NULL, SIB_ERR_FORMAT, "its input 'y' does not exist");
    bytes g = {0};
    b_message(&g, GRAPH_OUTPUT, b_info("y", (bytes){0}));
    check_refused(b_model(8, g), NULL, SIB_ERR_FORMAT, "output 'y' does not exist");
    g = (bytes){0};
    b_message(&g, GRAPH_INPUT, b_info("x", (bytes){0}));
    b_message(&g, GRAPH_INPUT, b_info("x", (bytes){0}));
    check_refused(b_model(8, g), NULL, SIB_ERR_FORMAT, "two values are named 'x'");
    g = (bytes){0};
    b_message(&g, GRAPH_INITIALIZER, b_floats("w", 1, (float[]){1}));
    b_message(&g, GRAPH_INITIALIZER, b_floats("w", 1, (float[]){1}));
    check_refused(b_model(8, g), NULL, SIB_ERR_FORMAT, "two initializers are named 'w'");
    check_refused((bytes){0}, NULL, SIB_ERR_FORMAT, "not an ONNX model");
    bytes no_graph = {0};
    b_int(&no_graph, MODEL_IR_VERSION, 8);
    check_refused(no_graph, NULL, SIB_ERR_FORMAT, "0 graphs");
}

/* A name of the outer graph may be hidden by an input of the subgraph, and by nothing else. */
TEST(test_hidden_names)
{
    for (int kind = 0; kind < 3; kind++) {
        bytes g = {0}, inside = {0}, n = b_node("If", "if", "x", "o");
        b_message(&inside, GRAPH_NODE, b_node("Neg", "", "x", kind == 0 ? "x" : "t"));
        if (kind == 1)
            b_message(&inside, GRAPH_INITIALIZER, b_floats("x", 1, (float[]){1}));
        if (kind == 2)
            b_message(&inside, GRAPH_INPUT, b_info("x", (bytes){0}));
        b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("body", inside));
        b_message(&g, GRAPH_INPUT, b_info("x", b_type(1, "")));
        b_message(&g, GRAPH_NODE, n);
        bytes file = b_model(8, g);
        if (kind < 2) {
            check_refused(file, NULL, SIB_ERR_FORMAT, kind ? "in the outer graph" : "");
            continue;
        }
        onnx_model *m = read_model(file, NULL);
        assert_int_equal(attr_graph(&m->graph->nodes[0], "body")->n_captures, 0);
        assert_true(noticed(m, "hides"));
        onnx_free(&m);
    }
}

TEST(test_opsets)
{
    bytes g = {0}, n = b_node("Odd", "odd", "", "o");
    b_str(&n, NODE_DOMAIN, "nobody.imports");
    b_message(&g, GRAPH_NODE, n);
    n = b_node("Add", "add", "o o", "p");
    b_str(&n, NODE_DOMAIN, "ai.onnx");
    b_message(&g, GRAPH_NODE, n);
    onnx_model *m = read_model(b_model(8, g), NULL);
    assert_int_equal(m->graph->nodes[0].version, 1);
    assert_int_equal(m->graph->nodes[1].version, 17);
    assert_int_equal(m->graph->nodes[1].domain.length, 0);
    assert_true(noticed(m, "nobody.imports"));
    onnx_free(&m);
}

TEST(test_old_initializers)
{
    for (int ir = 3; ir <= 4; ir++) {
        bytes g = {0};
        b_message(&g, GRAPH_INITIALIZER, b_floats("w", 1, (float[]){1}));
        onnx_model *m = read_model(b_model(ir, g), NULL);
        assert_int_equal(noticed(m, "is not an input"), ir == 3);
        onnx_free(&m);
    }
}

/* Tools that patch a constant add it again at the end. */
TEST(test_constants_of_one_name)
{
    bytes g = {0};
    for (int i = 1; i <= 2; i++) {
        bytes n = b_node("Constant", i == 1 ? "old" : "new", "", "c");
        b_message(&n, NODE_ATTRIBUTE, b_int_attribute("value_int", i));
        b_message(&g, GRAPH_NODE, n);
        if (i == 1)
            b_message(&g, GRAPH_NODE, b_node("Neg", "neg", "c", "y"));
    }
    onnx_model *m = read_model(b_model(8, g), NULL);
    assert_int_equal(m->graph->n_nodes, 2);
    assert_string_equal(m->graph->nodes[0].name.data, "new");
    assert_true(noticed(m, "the last one is used"));
    onnx_free(&m);
}

static bytes nested(int depth)
{
    bytes g = {0};
    if (depth > 1) {
        bytes n = b_node("If", "if", "", "o");
        b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("then_branch", nested(depth - 1)));
        b_message(&g, GRAPH_NODE, n);
    }
    return g;
}

TEST(test_limits)
{
    sib_open_options options = {.max_depth = 3};
    onnx_model *m = read_model(b_model(8, nested(3)), &options);
    onnx_free(&m);
    check_refused(b_model(8, nested(4)), &options, SIB_ERR_SIZE, "limit of 3");
    check_refused(b_model(8, nested(33)), NULL, SIB_ERR_SIZE, "limit of 32");
    options = (sib_open_options){.max_nodes = 1};
    check_refused(of_nodes("x x>a", "x x>b"), &options, SIB_ERR_SIZE, "limit of 1");
    options.max_nodes = 2;
    m = read_model(of_nodes("x x>a", "x x>b"), &options);
    onnx_free(&m);
    for (int place = 0; place < 2; place++) { /* elements of a typed field are copied */
        bytes g = {0}, t = {0};
        b_int(&t, TENSOR_DIMS, 8);
        b_int(&t, TENSOR_DATA_TYPE, 7);
        b_str(&t, TENSOR_NAME, "w");
        b_raw(&t, TENSOR_INT64_DATA, "\1\2\3\4\5\6\7\10", 8);
        b_message(&g, GRAPH_INITIALIZER, t);
        options = (sib_open_options){.max_bytes = place ? 64 : 63};
        bytes file = b_model(8, g);
        if (place == 0) {
            check_refused(file, &options, SIB_ERR_SIZE, "limit of 63 bytes");
            continue;
        }
        m = read_model(file, &options);
        onnx_free(&m);
    }
}

TEST(test_training_is_noticed)
{
    bytes file = b_model(8, (bytes){0});
    b_message(&file, MODEL_TRAINING, (bytes){0});
    onnx_model *m = read_model(file, NULL);
    assert_true(noticed(m, "training information (1)"));
    onnx_free(&m);
}
