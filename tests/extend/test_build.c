/* Functions in text in models that are made by calls. */
#include "own.h"

#include "check_memory.h"

#include <sibyl/build.h>

#include <unistd.h>

static const char functions[] = "<domain: \"my.dom\", opset_import: [\"\" : 20, \"my.dom\" : 1]>\n"
                                "Scaled <by: float = 2.0> (x) => (y)\n"
                                "{\n"
                                "    t = Constant <value_float: float = @by> ()\n"
                                "    y = Mul (x, t)\n"
                                "}\n"
                                "<domain: \"my.dom\", opset_import: [\"\" : 20, \"my.dom\" : 1]>\n"
                                "Both <by, shape> (x, z) => (y, same, t)\n"
                                "{\n"
                                "    s = my.dom.Scaled <by: float = @by> (x)\n"
                                "    t = Add (s, z)\n"
                                "    d = Constant <value_ints: ints = @shape> ()\n"
                                "    y = Reshape (t, d)\n"
                                "    same = Identity (x)\n"
                                "}\n"
                                "<domain: \"my.dom\", opset_import: [\"\" : 20]>\n"
                                "Through (x) => (x) { unused = Neg (x) }\n"
                                "<domain: \"my.dom\", opset_import: [\"\" : 20, \"my.dom\" : 1]>\n"
                                "Endless (x) => (y) { y = my.dom.Endless (x) }\n";

static sib_registry *with_functions(void)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = own_registry(NULL);
    CHECK_OK(sib_function_register_text(r, functions, sizeof functions - 1, "functions", &err), err);
    return r;
}

/* x float32 [N], opset 21 and my.dom. */
static sib_code begin(sib_registry *r, sib_build **b, sib_error *err)
{
    sib_code code = sib_build_create(21, b, err);
    if (code == SIB_OK)
        code = sib_build_opset(*b, "my.dom", 1, err);
    if (code == SIB_OK)
        code = sib_build_registry(*b, r, err);
    return code == SIB_OK
               ? sib_build_input(*b, "x", SIB_F32, 1, (const int64_t[]){-1}, (const char *[]){"N"}, err)
               : code;
}

#define NAMES(...)                                                                                           \
    (sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[])                               \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

static sib_code add(sib_build *b, const char *domain, const char *type, const char *name, size_t n_in,
                    const char *const *in, size_t n_out, const char *const *out, size_t n_attributes,
                    const sib_attribute *attributes, sib_error *err)
{
    const sib_build_node n = {domain, type, name, n_in, n_out, n_attributes, in, out, attributes};
    return sib_build_add(b, &n, err);
}

/* y = Relu(Both(x, x)) reshaped to [2, 2], same = x, of a call by name with attributes. */
static sib_code make(sib_registry *r, sib_model **out, sib_error *err)
{
    const float by = 3;
    const int64_t shape[2] = {2, -1};
    const sib_attribute attributes[2] = {
        {.name = "by", .kind = SIB_ATTRIBUTE_FLOAT, .n = 1, .floats = &by},
        {.name = "shape", .kind = SIB_ATTRIBUTE_INTS, .n = 2, .ints = shape}};
    sib_build *b = NULL;
    sib_code code = begin(r, &b, err);
    if (code == SIB_OK)
        code = add(b, "my.dom", "Both", "call", NAMES("x", "x"), NAMES("v", "same"), 2, attributes, err);
    if (code == SIB_OK)
        code = add(b, NULL, "Relu", "after", NAMES("v"), NAMES("call/t"), 0, NULL, err);
    if (code == SIB_OK)
        code = sib_build_output(b, "call/t", err);
    if (code == SIB_OK)
        code = sib_build_output(b, "same", err);
    if (code == SIB_OK)
        return sib_build_model(&b, out, err);
    sib_build_free(&b);
    return code;
}

static void expect_run(sib_model *m)
{
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = NULL;
    CHECK_OK(sib_session_create(m, NULL, &s, &err), err);
    sib_value *x = tiny_given(SIB_F32, DIMS(4), OF(1, -2, 3, 4)), *outs[2] = {NULL};
    CHECK_OK(own_run(s, x, outs, NULL, &err), err);
    tiny_expect(outs[0], SIB_F32, DIMS(2, 2), OF(4, 0, 12, 16));
    tiny_expect(outs[1], SIB_F32, DIMS(4), OF(1, -2, 3, 4));
    for (size_t i = 0; i < 2; i++)
        sib_value_free(&outs[i]);
    sib_value_free(&x);
    sib_session_free(&s);
}

/* The nodes of what is called stand in the graph, under the call's name; the caller's own names stay. */
TEST(calls_are_inlined)
{
    static const char *const names[] = {
        "call/Scaled_0/Constant", "call/Scaled_0/Mul", "call/Add", "call/Constant",
        "call/Reshape",           "call/Identity",     "after"};
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = with_functions();
    sib_model *m = NULL;
    CHECK_OK(make(r, &m, &err), err);
    sib_registry_free(&r);
    const sib_graph *g = sib_model_graph(m, 0);
    sib_graph_info info;
    sib_graph_get_info(g, &info);
    assert_int_equal(info.n_nodes, sizeof names / sizeof *names);
    for (size_t i = 0; i < info.n_nodes; i++) {
        sib_node_info n;
        assert_true(sib_graph_node(g, i, &n));
        assert_string_equal(n.name, names[i]);
        assert_string_equal(n.function, i < 2 ? "my.dom:Scaled" : i < 6 ? "my.dom:Both" : "");
    }
    sib_value_info v;
    assert_true(sib_model_output(m, 0, &v));
    assert_string_equal(v.name, "call/t");
    expect_run(m);
    sib_model_free(&m);
}

TEST(what_is_saved_needs_no_registry)
{
    sib_error err = SIB_ERROR_INIT;
    char path[] = "/tmp/sibyl-build-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    sib_registry *r = with_functions();
    sib_model *m = NULL;
    CHECK_OK(make(r, &m, &err), err);
    sib_registry_free(&r);
    CHECK_OK(sib_model_save(m, path, NULL, &err), err);
    sib_model_free(&m);
    CHECK_OK(sib_model_open(path, NULL, &m, &err), err);
    remove(path);
    expect_run(m);
    sib_model_free(&m);
}

/* Defaults of attributes, an input that is an output, an output that is left out, a call without a name. */
TEST(calls_may_leave_out)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = with_functions();
    sib_build *b = NULL;
    sib_model *m = NULL;
    sib_session *s = NULL;
    CHECK_OK(begin(r, &b, &err), err);
    sib_registry_free(&r);
    CHECK_OK(add(b, "my.dom", "Scaled", NULL, NAMES("x"), NAMES("a"), 0, NULL, &err), err);
    CHECK_OK(add(b, "my.dom", "Through", NULL, NAMES("a"), NAMES("c"), 0, NULL, &err), err);
    CHECK_OK(add(b, "my.dom", "Both", NULL, NAMES("c", "x"), NAMES(NULL, NULL, "y"), 1,
                 &(sib_attribute){
                     .name = "shape", .kind = SIB_ATTRIBUTE_INTS, .n = 1, .ints = (const int64_t[]){-1}},
                 &err),
             err);
    CHECK_OK(sib_build_output(b, "y", &err), err);
    CHECK_OK(sib_build_model(&b, &m, &err), err);
    CHECK_OK(sib_session_create(m, NULL, &s, &err), err);
    own_expect(s, 2, OF(1, -2), 2, OF(5, -10)); /* twice 2 x, and x */
    sib_session_free(&s);
    sib_model_free(&m);
}

static void expect_fault(const char *type, size_t n_in, const char *const *in, sib_code wanted,
                         const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = with_functions();
    sib_build *b = NULL;
    sib_model *m = NULL;
    CHECK_OK(begin(r, &b, &err), err);
    sib_registry_free(&r);
    CHECK_OK(add(b, "my.dom", type, "call", n_in, in, NAMES("y"), 0, NULL, &err), err);
    CHECK_OK(sib_build_output(b, "y", &err), err);
    CHECK_FAILS(sib_build_model(&b, &m, &err), wanted, err, words);
    assert_null(m);
    assert_null(b);
}

TEST(faults_of_calls)
{
    expect_fault("Endless", NAMES("x"), SIB_ERR_FORMAT, "function 'Endless' calls itself");
    expect_fault("Through", NAMES("x", "x"), SIB_ERR_FORMAT,
                 "node 'call' has 2 inputs and 1 outputs, function 'Through' has 1 and 1");
}

TEST(every_allocation)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = with_functions();
    sib_model *m = NULL;
    CHECK_EVERY_ALLOCATION(make(r, &m, &err), sib_model_free(&m));
    sib_registry_free(&r);
}
