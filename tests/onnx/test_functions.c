/* Inlining of model-local functions: values, attributes, names, limits. */
#include "attr.h"
#include "bytes.h"
#include "onnx/onnx.h"
#include "reading.h"

#define DOMAIN "f"

/* A function with one input `a` and one output `b`. */
static bytes function(const char *name)
{
    bytes f = {0};
    b_str(&f, FUNCTION_NAME, name);
    b_str(&f, FUNCTION_DOMAIN, DOMAIN);
    b_str(&f, FUNCTION_INPUT, "a");
    b_str(&f, FUNCTION_OUTPUT, "b");
    b_message(&f, FUNCTION_OPSET, b_opset("", 17));
    b_message(&f, FUNCTION_OPSET, b_opset(DOMAIN, 1));
    return f;
}

static bytes call_of(const char *f, const char *name, const char *inputs, const char *outputs)
{
    bytes n = b_node(f, name, inputs, outputs);
    b_str(&n, NODE_DOMAIN, DOMAIN);
    return n;
}

static bytes around(bytes call)
{
    bytes g = {0};
    b_message(&g, GRAPH_INPUT, b_info("x", b_type(1, "N")));
    b_message(&g, GRAPH_NODE, call);
    b_message(&g, GRAPH_OUTPUT, b_info("y", b_type(1, "N")));
    bytes m = b_model(8, g);
    b_message(&m, MODEL_OPSET, b_opset(DOMAIN, 1));
    return m;
}

static const char *in_name(const graph *g, node_id n, uint32_t i)
{
    value_id v = g->nodes[n].inputs.ids[i];
    return v == NO_VALUE ? "" : g->values[v].name.data;
}

static const char *out_name(const graph *g, node_id n)
{
    return g->values[g->nodes[n].outputs.ids[0]].name.data;
}

TEST(test_names)
{
    bytes f = function("Twice"), m = around(call_of("Twice", "call", "x", "y"));
    b_message(&f, FUNCTION_NODE, b_node("Neg", "second", "t", "b")); /* out of order */
    b_message(&f, FUNCTION_NODE, b_node("Neg", "first", "a", "t"));
    b_message(&f, FUNCTION_VALUE_INFO, b_info("t", b_type(1, "N 3")));
    b_message(&m, MODEL_FUNCTION, f);
    onnx_model *model = read_model(m, NULL);
    const graph *g = model->graph;
    char text[100];
    assert_int_equal(g->n_nodes, 2);
    assert_string_equal(g->nodes[0].name.data, "call/first");
    assert_string_equal(in_name(g, 0, 0), "x");
    assert_string_equal(out_name(g, 0), "call/t");
    assert_string_equal(out_name(g, 1), "y");
    /* The symbol N of the function is not that of the model. */
    const value *t = &g->values[g->nodes[0].outputs.ids[0]];
    assert_string_equal(type_text(model->dims, &t->declared, text, sizeof text), "float32 [call/N, 3]");
    onnx_free(&model);
}

/* Two calls of one name, and a value in the file with a name like that of a call. */
TEST(test_names_stay_unique)
{
    bytes f = function("F"), g = {0};
    b_message(&f, FUNCTION_NODE, b_node("Neg", "", "a", "t"));
    b_message(&f, FUNCTION_NODE, b_node("Neg", "", "t", "b"));
    b_message(&g, GRAPH_INPUT, b_info("x", b_type(1, "N")));
    b_message(&g, GRAPH_NODE, call_of("F", "c", "x", "y"));
    b_message(&g, GRAPH_NODE, call_of("F", "c", "y", "z"));
    b_message(&g, GRAPH_NODE, b_node("Neg", "", "z", "c/t"));
    b_message(&g, GRAPH_NODE, call_of("F", "", "z", "u"));
    bytes m = b_model(8, g);
    b_message(&m, MODEL_FUNCTION, f);
    onnx_model *model = read_model(m, NULL);
    for (value_id a = 0; a < model->graph->n_values; a++)
        for (value_id b = 0; b < a; b++)
            assert_false(str_same(model->graph->values[a].name, model->graph->values[b].name));
    assert_string_equal(out_name(model->graph, 0), "c/t_1");
    assert_string_equal(out_name(model->graph, 2), "c/t_2");
    assert_string_equal(out_name(model->graph, 4), "c/t");
    assert_string_equal(out_name(model->graph, 5), "F_0/t");
    onnx_free(&model);
}

/* Outer passes its own `k` to Inner as `n`; an attribute that it does not pass has its default, or is
   absent. */
TEST(test_attributes)
{
    for (int given = 0; given < 2; given++) {
        bytes inner = function("Inner"), outer = function("Outer"), n, ref;
        b_str(&inner, FUNCTION_ATTRIBUTE, "n");
        b_message(&inner, FUNCTION_DEFAULT, b_int_attribute("d", 5));
        n = b_node("Odd", "odd", "a", "b");
        ref = b_attribute("from_n", 2);
        b_str(&ref, ATTRIBUTE_REF, "n");
        b_message(&n, NODE_ATTRIBUTE, ref);
        ref = b_attribute("from_d", 2);
        b_str(&ref, ATTRIBUTE_REF, "d");
        b_message(&n, NODE_ATTRIBUTE, ref);
        b_message(&n, NODE_ATTRIBUTE, b_int_attribute("own", 1));
        b_message(&inner, FUNCTION_NODE, n);
        b_str(&outer, FUNCTION_ATTRIBUTE, "k");
        n = call_of("Inner", "inner", "a", "b");
        ref = b_attribute("n", 2);
        b_str(&ref, ATTRIBUTE_REF, "k");
        b_message(&n, NODE_ATTRIBUTE, ref);
        b_message(&outer, FUNCTION_NODE, n);
        n = call_of("Outer", "outer", "x", "y");
        if (given)
            b_message(&n, NODE_ATTRIBUTE, b_int_attribute("k", 42));
        bytes m = around(n);
        b_message(&m, MODEL_FUNCTION, inner);
        b_message(&m, MODEL_FUNCTION, outer);
        onnx_model *model = read_model(m, NULL);
        const node *odd = &model->graph->nodes[0];
        assert_string_equal(odd->name.data, "outer/inner/odd");
        assert_int_equal(odd->n_attributes, given ? 3 : 2);
        assert_int_equal(attr_int(odd, "from_n", -1), given ? 42 : -1);
        assert_int_equal(attr_int(odd, "from_d", -1), 5);
        assert_int_equal(attr_int(odd, "own", -1), 1);
        onnx_free(&model);
    }
}

/* A graph passed as an attribute sees the names in the scope where it was written, wherever it is used. */
TEST(test_graph_attribute)
{
    bytes f = function("Choose"), n, ref = b_attribute("then_branch", 5), inside = {0}, body = {0};
    b_str(&f, FUNCTION_ATTRIBUTE, "then");
    n = b_node("If", "if", "a", "t");
    b_str(&ref, ATTRIBUTE_REF, "then");
    b_message(&n, NODE_ATTRIBUTE, ref);
    b_message(&inside, GRAPH_NODE, n); /* in a subgraph of the function itself */
    b_message(&inside, GRAPH_OUTPUT, b_info("t", (bytes){0}));
    n = b_node("If", "outer_if", "a", "b");
    b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("then_branch", inside));
    b_message(&f, FUNCTION_NODE, n);
    b_message(&body, GRAPH_NODE, b_node("Neg", "neg", "x", "s"));
    b_message(&body, GRAPH_OUTPUT, b_info("s", (bytes){0}));
    n = call_of("Choose", "call", "x", "y");
    b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("then", body));
    bytes m = around(n);
    b_message(&m, MODEL_FUNCTION, f);
    onnx_model *model = read_model(m, NULL);
    const graph *middle = attr_graph(&model->graph->nodes[0], "then_branch");
    const graph *deep = attr_graph(&middle->nodes[0], "then_branch");
    assert_string_equal(deep->nodes[0].type.data, "Neg");
    assert_string_equal(in_name(deep, 0, 0), "x");
    assert_int_equal(deep->n_captures, 1);
    onnx_free(&model);
}

/* Omitted inputs and outputs stay omitted in the body; an output that is an input is made by Identity. */
TEST(test_ends)
{
    bytes f = {0}, m = around(call_of("F", "call", "x", "y _ z"));
    b_str(&f, FUNCTION_NAME, "F");
    b_str(&f, FUNCTION_DOMAIN, DOMAIN);
    b_words(&f, FUNCTION_INPUT, "a b");
    b_words(&f, FUNCTION_OUTPUT, "c d a");
    b_message(&f, FUNCTION_OPSET, b_opset("", 12));
    b_message(&f, FUNCTION_NODE, b_node("Clip", "clip", "a b", "c"));
    b_message(&f, FUNCTION_NODE, b_node("Neg", "neg", "c", "d"));
    b_message(&m, MODEL_FUNCTION, f);
    onnx_model *model = read_model(m, NULL);
    const graph *g = model->graph;
    assert_int_equal(g->n_nodes, 3);
    assert_true(g->nodes[0].inputs.ids[1] == NO_VALUE);
    assert_int_equal(g->nodes[0].version, 12);
    assert_string_equal(out_name(g, 1), "call/d");
    assert_string_equal(g->nodes[2].type.data, "Identity");
    assert_string_equal(in_name(g, 2, 0), "x");
    assert_string_equal(out_name(g, 2), "z");
    onnx_free(&model);
}

TEST(test_overloads)
{
    bytes g = {0};
    b_message(&g, GRAPH_INPUT, b_info("x", b_type(1, "N")));
    for (int i = 0; i < 2; i++) {
        bytes n = call_of("F", "", i ? "y0" : "x", i ? "y1" : "y0");
        b_str(&n, NODE_OVERLOAD, i ? "second" : "first");
        b_message(&g, GRAPH_NODE, n);
    }
    b_message(&g, GRAPH_NODE, call_of("F", "", "y1", "y2"));
    bytes m = b_model(10, g);
    for (int i = 0; i < 2; i++) {
        bytes f = function("F");
        b_str(&f, FUNCTION_OVERLOAD, i ? "second" : "first");
        b_message(&f, FUNCTION_NODE, b_node(i ? "Abs" : "Neg", "", "a", "b"));
        b_message(&m, MODEL_FUNCTION, f);
    }
    onnx_model *model = read_model(m, NULL);
    assert_string_equal(model->graph->nodes[0].type.data, "Neg");
    assert_string_equal(model->graph->nodes[1].type.data, "Abs");
    /* no function has this overload: the node stays */
    assert_string_equal(model->graph->nodes[2].type.data, "F");
    onnx_free(&model);
}

/* F0 calls F1 twice, F1 calls F2 twice, ... */
static bytes doubling(int depth)
{
    bytes m = around(call_of("F0", "call", "x", "y"));
    for (int i = 0; i < depth; i++) {
        char name[16], next[16];
        snprintf(name, sizeof name, "F%d", i);
        snprintf(next, sizeof next, "F%d", i + 1);
        bytes f = function(name);
        b_message(&f, FUNCTION_NODE,
                  i + 1 < depth ? call_of(next, "", "a", "t") : b_node("Neg", "", "a", "t"));
        b_message(&f, FUNCTION_NODE,
                  i + 1 < depth ? call_of(next, "", "t", "b") : b_node("Neg", "", "t", "b"));
        b_message(&m, MODEL_FUNCTION, f);
    }
    return m;
}

TEST(test_refusals)
{
    bytes f = function("F"), m = around(call_of("F", "call", "x", "y"));
    b_message(&f, FUNCTION_NODE, call_of("F", "again", "a", "b"));
    b_message(&m, MODEL_FUNCTION, f);
    check_refused(m, NULL, SIB_ERR_FORMAT, "'F' calls itself");
    m = around(call_of("F", "call", "x", "y"));
    for (int i = 0; i < 2; i++)
        b_message(&m, MODEL_FUNCTION, function("F"));
    check_refused(m, NULL, SIB_ERR_FORMAT, "two functions are named 'F'");
    m = around(call_of("F", "call", "x x", "y"));
    b_message(&m, MODEL_FUNCTION, function("F"));
    check_refused(m, NULL, SIB_ERR_FORMAT, "function 'F' has 1");
    m = around(call_of("F", "call", "x", "y"));
    b_message(&m, MODEL_FUNCTION, function("F"));
    check_refused(m, NULL, SIB_ERR_FORMAT, "does not compute its output 'b'");
    f = function("F");
    m = around(call_of("F", "call", "x", "y"));
    b_message(&f, FUNCTION_NODE, b_node("Add", "add", "a x", "b")); /* x is not a value of the function */
    b_message(&m, MODEL_FUNCTION, f);
    check_refused(m, NULL, SIB_ERR_FORMAT, "its input 'x' does not exist");
    bytes n = b_node("Odd", "odd", "x", "y"), ref = b_attribute("k", 2);
    b_str(&ref, ATTRIBUTE_REF, "k");
    b_message(&n, NODE_ATTRIBUTE, ref);
    check_refused(around(n), NULL, SIB_ERR_FORMAT, "of a function");
    check_refused(doubling(31), &(sib_open_options){.max_nodes = 100000, .max_graph_bytes = UINT64_MAX},
                  SIB_ERR_SIZE, "limit of 100000");
    check_refused(doubling(40), NULL, SIB_ERR_SIZE, "limit of 32");
    onnx_model *model = read_model(doubling(5), NULL);
    assert_int_equal(model->graph->n_nodes, 32);
    onnx_free(&model);
}
