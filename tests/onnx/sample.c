#include "sample.h"

static bytes tensor_of(int dtype, unsigned field, const char *name)
{
    bytes b = {0}, packed = {0};
    b_int(&b, TENSOR_DIMS, 2);
    b_int(&b, TENSOR_DIMS, 2);
    b_int(&b, TENSOR_DATA_TYPE, dtype);
    b_str(&b, TENSOR_NAME, name);
    for (int i = 0; i < 4; i++)
        b_varint(&packed, (uint64_t)(i - 1));
    b_message(&b, field, packed);
    return b;
}

/* A branch of If: both use `x` of the outer graph, the second one two levels deep. */
static bytes branch(const char *name, bool deep)
{
    bytes g = {0};
    b_str(&g, GRAPH_NAME, name);
    if (deep) {
        bytes n = b_node("If", "inner", "c", "e");
        b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("then_branch", branch("deep_then", false)));
        b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("else_branch", branch("deep_else", false)));
        b_message(&g, GRAPH_NODE, n);
        b_message(&g, GRAPH_OUTPUT, b_info("e", b_type(1, "N 4")));
    } else {
        b_message(&g, GRAPH_NODE, b_node("Neg", "", "x", "t"));
        b_message(&g, GRAPH_OUTPUT, b_info("t", b_type(1, "N 4")));
    }
    return g;
}

static bytes attributed(void)
{
    bytes n = b_node("Odd", "odd", "x _ w", "o _ o2"), a, sparse = {0};
    b_str(&n, NODE_DOMAIN, "test.domain");
    b_str(&n, NODE_DOC, "all kinds of attributes");
    b_message(&n, NODE_METADATA, b_pair("who", "odd"));
    a = b_attribute("f", 1);
    b_float(&a, ATTRIBUTE_F, 0.5f);
    b_message(&n, NODE_ATTRIBUTE, a);
    b_message(&n, NODE_ATTRIBUTE, b_int_attribute("i", -7));
    a = b_attribute("s", 3);
    b_str(&a, ATTRIBUTE_S, "word");
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("t", 4);
    b_message(&a, ATTRIBUTE_T, tensor_of(7, TENSOR_INT64_DATA, ""));
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("fs", 6);
    b_float(&a, ATTRIBUTE_FLOATS, 1);
    b_raw(&a, ATTRIBUTE_FLOATS, (float[]){2, 3}, 8); /* packed is accepted too */
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("is", 7);
    b_int(&a, ATTRIBUTE_INTS, -1);
    b_raw(&a, ATTRIBUTE_INTS, "\x05\x80\x01", 3);
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("ss", 8);
    b_str(&a, ATTRIBUTE_STRINGS, "one");
    b_str(&a, ATTRIBUTE_STRINGS, "");
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("ts", 9);
    b_message(&a, ATTRIBUTE_TENSORS, tensor_of(6, TENSOR_INT32_DATA, "p"));
    b_message(&a, ATTRIBUTE_TENSORS, tensor_of(3, TENSOR_INT32_DATA, "q"));
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("gs", 10);
    b_message(&a, ATTRIBUTE_GRAPHS, branch("first", false));
    b_message(&a, ATTRIBUTE_GRAPHS, branch("second", true));
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("tp", 13);
    b_message(&a, ATTRIBUTE_TP, b_type(10, "2 N"));
    b_message(&n, NODE_ATTRIBUTE, a);
    a = b_attribute("sp", 11);
    b_message(&sparse, SPARSE_VALUES, b_floats("", 2, (float[]){1, 2}));
    bytes at = {0};
    b_int(&at, TENSOR_DIMS, 2);
    b_int(&at, TENSOR_DATA_TYPE, 7);
    b_raw(&at, TENSOR_RAW_DATA, (int64_t[]){1, 3}, 16);
    b_message(&sparse, SPARSE_INDICES, at);
    b_int(&sparse, SPARSE_DIMS, 5);
    b_message(&a, ATTRIBUTE_SPARSE, sparse);
    b_message(&n, NODE_ATTRIBUTE, a);
    return n;
}

static bytes sparse_initializer(void)
{
    bytes b = {0}, at = {0};
    b_message(&b, SPARSE_VALUES, b_floats("sparse", 2, (float[]){1.5f, -2}));
    b_int(&at, TENSOR_DIMS, 2);
    b_int(&at, TENSOR_DIMS, 2);
    b_int(&at, TENSOR_DATA_TYPE, 7);
    b_raw(&at, TENSOR_RAW_DATA, (int64_t[]){0, 1, 2, 0}, 32);
    b_message(&b, SPARSE_INDICES, at);
    b_int(&b, SPARSE_DIMS, 3);
    b_int(&b, SPARSE_DIMS, 2);
    return b;
}

static bytes wrapped_type(unsigned kind, bytes inner)
{
    bytes b = {0}, wrap = {0};
    b_message(&wrap, WRAP_TYPE_ELEM, inner);
    b_message(&b, kind, wrap);
    return b;
}

static bytes function(void)
{
    bytes f = {0}, n, a = b_attribute("to", 0);
    b_str(&f, FUNCTION_NAME, "Scale");
    b_str(&f, FUNCTION_DOMAIN, "test.functions");
    b_str(&f, FUNCTION_INPUT, "v");
    b_str(&f, FUNCTION_INPUT, "bias");
    b_str(&f, FUNCTION_OUTPUT, "r");
    b_str(&f, FUNCTION_ATTRIBUTE, "to");
    b_message(&f, FUNCTION_DEFAULT, b_int_attribute("axis", 3));
    b_message(&f, FUNCTION_OPSET, b_opset("", 13));
    n = b_node("Cast", "cast", "v", "m");
    b_str(&a, ATTRIBUTE_REF, "to");
    b_message(&n, NODE_ATTRIBUTE, a);
    b_message(&f, FUNCTION_NODE, n);
    b_message(&f, FUNCTION_NODE, b_node("Add", "", "m bias", "r"));
    b_message(&f, FUNCTION_VALUE_INFO, b_info("m", b_type(1, "K")));
    return f;
}

bytes sample_model(void)
{
    bytes g = {0}, n, quant = {0}, info, map = {0}, map_type = {0};
    b_str(&g, GRAPH_NAME, "sample");
    b_str(&g, GRAPH_DOC, "a bit of everything");
    info = b_info("x", b_type(1, "N 4"));
    b_str(&info, INFO_DOC, "what comes in");
    b_message(&info, INFO_METADATA, b_pair("unit", "volt"));
    b_message(&g, GRAPH_INPUT, info);
    b_message(&g, GRAPH_INPUT, b_info("c", b_type(9, "")));
    b_message(&g, GRAPH_INPUT,
              b_info("seq",
                     wrapped_type(TYPE_PROTO_OPTIONAL, wrapped_type(TYPE_PROTO_SEQUENCE, b_type(7, "? 2")))));
    b_int(&map, MAP_TYPE_KEY, 8);
    b_message(&map, MAP_TYPE_VALUE, b_type(1, NULL));
    b_message(&map_type, TYPE_PROTO_MAP, map);
    b_message(&g, GRAPH_INPUT, b_info("map", map_type));
    b_message(&g, GRAPH_INPUT, b_info("w", b_type(1, "4")));
    b_message(&g, GRAPH_INITIALIZER, b_floats("w", 4, (float[]){1, 2, 3, 4}));
    b_message(&g, GRAPH_INITIALIZER, tensor_of(6, TENSOR_INT32_DATA, "k"));
    b_message(&g, GRAPH_SPARSE, sparse_initializer());
    b_message(&g, GRAPH_NODE, b_node("Add", "late", "sum w", "y")); /* before the node that makes sum */
    b_message(&g, GRAPH_NODE, b_node("Add", "early", "x w", "sum"));
    n = b_node("If", "choose", "c", "chosen");
    b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("then_branch", branch("then", false)));
    b_message(&n, NODE_ATTRIBUTE, b_graph_attribute("else_branch", branch("else", true)));
    b_message(&g, GRAPH_NODE, n);
    b_message(&g, GRAPH_NODE, attributed());
    n = b_node("Scale", "call", "chosen w", "scaled");
    b_str(&n, NODE_DOMAIN, "test.functions");
    b_message(&n, NODE_ATTRIBUTE, b_int_attribute("to", 1));
    b_message(&g, GRAPH_NODE, n);
    b_message(&g, GRAPH_OUTPUT, b_info("y", b_type(1, "N 4")));
    b_message(&g, GRAPH_OUTPUT, b_info("scaled", (bytes){0}));
    b_message(&g, GRAPH_VALUE_INFO, b_info("sum", b_type(1, "N ?")));
    b_str(&quant, ANNOTATION_TENSOR, "sum");
    b_message(&quant, ANNOTATION_PARAMETER, b_pair("SCALE_TENSOR", "w"));
    b_message(&g, GRAPH_QUANT, quant);
    b_message(&g, GRAPH_METADATA, b_pair("graph", "yes"));
    bytes m = b_model(10, g);
    b_str(&m, MODEL_PRODUCER_NAME, "tests");
    b_str(&m, MODEL_PRODUCER_VERSION, "1");
    b_int(&m, MODEL_MODEL_VERSION, 3);
    b_str(&m, MODEL_DOC, "a model");
    b_message(&m, MODEL_METADATA, b_pair("key", "of the model"));
    b_message(&m, MODEL_FUNCTION, function());
    b_message(&m, MODEL_OPSET, b_opset("test.domain", 2));
    return m;
}
