/* Functions in ONNX's textual syntax: read into models, and refused with line and column. */
#include "check.h"

#include "check_memory.h"

#include <sibyl/extend.h>

#define HEAD "<domain: \"my.dom\", opset_import: [\"\" : 20, \"other\" : 1]>\n"

static sib_registry *registered(const char *text)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    CHECK_OK(sib_registry_create(&r, &err), err);
    CHECK_OK(sib_function_register_text(r, text, strlen(text), "text", &err), err);
    return r;
}

/* ---- A model of one node of my.dom, as bytes --------------------------------------------------------------- */

typedef struct bytes {
    size_t n;
    uint8_t data[600];
} bytes;

static void add(bytes *b, uint8_t field, const void *data, size_t n)
{
    assert_true(n < 128 && b->n + n + 2 < sizeof b->data);
    b->data[b->n++] = (uint8_t)(field << 3 | 2);
    b->data[b->n++] = (uint8_t)n;
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void add_text(bytes *b, uint8_t field, const char *text)
{
    add(b, field, text, strlen(text));
}

static void add_int(bytes *b, uint8_t field, uint8_t number)
{
    b->data[b->n++] = (uint8_t)(field << 3);
    b->data[b->n++] = number;
}

static void add_value(bytes *graph, uint8_t field, const char *name)
{
    bytes value = {0}, type = {0}, tensor = {0};
    add_int(&tensor, 1, SIB_F32);
    add(&type, 1, tensor.data, tensor.n);
    add_text(&value, 1, name);
    add(&value, 2, type.data, type.n);
    add(graph, field, value.data, value.n);
}

/* x -> my.dom:type -> y; attribute: its float attribute "beta" of 2, or none. */
static bytes model_of(const char *type, bool attribute)
{
    bytes m = {0}, g = {0}, n = {0}, a = {0}, opset = {0};
    add_text(&n, 1, "x");
    add_text(&n, 2, "y");
    add_text(&n, 4, type);
    add_text(&n, 7, "my.dom");
    add_text(&n, 3, "it");
    add_text(&a, 1, "beta");
    a.data[a.n++] = 2 << 3 | 5;
    memcpy(a.data + a.n, (const float[]){2}, 4);
    a.n += 4;
    memcpy(a.data + a.n, (const uint8_t[]){0xA0, 1, 1}, 3); /* type: field 20, whose tag has two bytes */
    a.n += 3;
    if (attribute)
        add(&n, 5, a.data, a.n);
    add(&g, 1, n.data, n.n);
    add_text(&g, 2, "g");
    add_value(&g, 11, "x");
    add_value(&g, 12, "y");
    add_int(&m, 1, 10);
    add(&m, 7, g.data, g.n);
    add_int(&opset, 2, 20);
    add(&m, 8, opset.data, opset.n);
    opset.n = 0;
    add_text(&opset, 1, "my.dom");
    add_int(&opset, 2, 1);
    add(&m, 8, opset.data, opset.n);
    return m;
}

static void expect(const char *text, bool attribute, size_t n, const float *x, const float *y)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = registered(text);
    bytes m = model_of("F", attribute);
    sib_model *model = NULL;
    sib_session *s = NULL;
    sib_tensor *t = NULL;
    sib_value *in = NULL, *out = NULL;
    int64_t count = (int64_t)n;
    CHECK_OK(sib_model_open_bytes(m.data, m.n, &(sib_open_options){.registry = r}, &model, &err), err);
    CHECK_OK(sib_session_create(model, NULL, &s, &err), err);
    CHECK_OK(sib_tensor_wrap(SIB_F32, 1, &count, NULL, (void *)x, NULL, NULL, &t, &err), err);
    CHECK_OK(sib_value_from_tensor(t, &in, &err), err);
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", in}, 0, NULL, &out, NULL, &err), err);
    assert_int_equal(sib_tensor_count(sib_value_tensor(out)), n);
    for (size_t i = 0; i < n; i++)
        if (((const float *)sib_tensor_data(sib_value_tensor(out)))[i] != y[i])
            fail_msg("element %zu is %g, expected %g", i,
                     (double)((const float *)sib_tensor_data(sib_value_tensor(out)))[i], (double)y[i]);
    sib_value_free(&in);
    sib_value_free(&out);
    sib_tensor_free(&t);
    sib_session_free(&s);
    sib_model_free(&model);
    sib_registry_free(&r);
}

#define XS ((const float[]){1, -2, 3})

TEST(functions_run)
{
    expect(HEAD "F (x) => (y) { y = Mul(x, x) }", false, 3, XS, (const float[]){1, 4, 9});
    /* an attribute with a default, given and not; constants; comments; attributes after the inputs */
    const char *plain = "# doubles, by default\n" HEAD "F <beta: float = 10.0> (x) => (y)\n"
                        "{ [first] b = Constant <value_float: float = @beta> ()\n"
                        " c = Constant <value = float[1] {0.5}> ()\n t = Mul (x, b) # t\n y = Add (t, c) }\n";
    expect(plain, false, 3, XS, (const float[]){10.5F, -19.5F, 30.5F});
    expect(plain, true, 3, XS, (const float[]){2.5F, -3.5F, 6.5F});
    /* one function calls another; an omitted input; lists; several outputs */
    expect(HEAD
           "G (a) => (b, c) { s = Constant <value_ints = [1, 2]> () b, c = Split <axis = 0> (a, s) }\n" HEAD
           "F (x) => (y) { p, q = my.dom.G (x) lo = Constant <value = float {0.0}> () r = Clip (q, lo,)\n"
           " y = Concat (p, r) <axis = 0> }",
           false, 3, XS, (const float[]){1, 0, 3});
    /* graphs in attributes, which read what is around them */
    expect(HEAD
           "F (x) => (y) { zero = Constant <value = float[1] {0}> () sum = ReduceSum <keepdims = 0> (x)\n"
           " none = Constant <value = float {100}> () cond = Less (sum, none)\n"
           " y = If (cond) <then_branch = t () => (float[N] o) { o = Neg (x) },\n"
           "               else_branch = e () => (o) <float[1] w = {7}> { o = Mul (x, w) }> }",
           false, 3, XS, (const float[]){-1, 2, -3});
}

TEST(tensors_and_strings_of_any_dtype)
{
    sib_registry *r =
        registered(HEAD "F (x) => (a, b, c, d, e)\n{ a = Constant <value = int64[2, 2] {1, -2, 3, 4}> ()\n"
                        " b = Constant <value = string[2] {\"one\", \"t\\\"wo\"}> ()\n c = Constant <value = "
                        "bfloat16 {1.5}> ()\n"
                        " d = Constant <value_floats = [1, 2.5, inf, -inf, nan]> ()\n e = Constant <value = "
                        "double[0] {}> () }");
    assert_string_equal(sib_registry_operator(r, 0), "my.dom:F");
    assert_null(sib_registry_operator(r, 1));
    sib_registry_free(&r);
}

/* ---- Refused ------------------------------------------------------------------------------------------------- */

static void expect_fault(const char *text, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    CHECK_OK(sib_registry_create(&r, &err), err);
    sib_code code = sib_function_register_text(r, text, strlen(text), "f.txt", &err);
    if (code == SIB_OK || !strstr(err.message, words))
        fail_msg("'%s' for\n%s\nexpected '%s'", err.message, text, words);
    assert_null(sib_registry_operator(r, 0));
    sib_registry_free(&r);
}

TEST(faults_have_line_and_column)
{
    static const char *const cases[][2] = {
        {"", "f.txt:1:1: there is no function"},
        {"F (x) => (y) { y = Neg(x) }", "f.txt:1:1: expected '<', not 'F'"},
        {"<opset_import: [\"\" : 20]> F (x) => (x) {}", "f.txt:1:1: the function has no domain"},
        {"<domain: \"my.dom\"> F (x) => (x) {}", "f.txt:1:1: the function has no opset_import"},
        {"<domain: \"my.dom\", version: 3> F", "f.txt:1:20: functions have no 'version' here"},
        {"<domain: \"my.dom\", opset_import: [\"\" : 0]> F", "f.txt:1:40: version 0 of a domain"},
        {HEAD "F (x) => (y)\n{ y = Neg(z) }", "f.txt:3:11: 'z' is not defined before this node"},
        {HEAD "F (x) => (y) { t = Neg(x) }", "f.txt:2:11: output 'y' is not computed"},
        {HEAD "F (x) => (y) { y = Neg(x) y = Neg(x) }", "f.txt:2:27: 'y' is defined twice"},
        {HEAD "F (x, x) => (y) { y = Neg(x) }", "f.txt:2:7: 'x' is defined twice"},
        {HEAD "F (x) => (y) { y = some.where.Neg(x) }",
         "f.txt:2:20: domain 'some.where' is not in opset_import"},
        {HEAD "F (x) => (y) { y = Elu <alpha: float = @beta> (x) }",
         "f.txt:2:41: the function has no attribute 'beta'"},
        {HEAD "F <a> (x) => (y) { y = Elu <alpha = @a> (x) }",
         "f.txt:2:37: a reference needs the attribute's type"},
        {HEAD "F <a, a> (x) => (y) { y = Neg (x) }", "f.txt:2:7: attribute 'a' is declared twice"},
        {HEAD "F (x) => (y) { y = Elu <alpha: number = 1> (x) }", "there is no type 'number' of attributes"},
        {HEAD "F (x) => (y) { y = Elu <alpha: float = \"a\"> (x) }",
         "attribute 'alpha' is not of the type that it declares"},
        {HEAD "F (x) => (y) { y = Elu <alpha> (x) }", "f.txt:2:25: attribute 'alpha' has no value"},
        {HEAD "F (x) => (y) { y = Foo <a = []> (x) }", "f.txt:2:29: an empty list needs a type"},
        {HEAD "F (x) => (y) { y = Foo <a = [1, \"b\"]> (x) }", "expected an integer of 64 bits"},
        {HEAD "F (x) => (y) { y = Foo <a = 99999999999999999999> (x) }",
         "f.txt:2:29: expected an integer of 64 bits"},
        {HEAD "F (x) => (y) { y = Foo <a = float[2] {1}> (x) }", "1 elements, expected 2"},
        {HEAD "F (x) => (y) { y = Foo <a = int64 {\"b\"}> (x) }", "expected an element of int64"},
        {HEAD "F (x) => (y) { y = Foo <a = float[N] {1}> (x) }", "the dims of a tensor are numbers"},
        {HEAD "F (x) => (y) { y = Foo <a = \"b> (x) }", "f.txt:2:29: a string has no end"},
        {HEAD "F (x) => (y) { y = Foo <a = ?> (x) }", "expected a number, a string, a list"},
        {HEAD "F (float x) => (y) { y = Neg (x) }", "f.txt:2:10: expected ')', not 'x'"},
        {HEAD "F (x) => (y) { y = Neg (x)", "an output of a node, or '}'"},
        {HEAD "F (x) -> (y) { y = Neg (x) }", "expected '=>'"},
        {HEAD "Relu (x) => (y) { y = Neg (x) }\n" HEAD "Relu (x) => (y) { y = Neg (x) }",
         "function my.dom:Relu: an operator of that name is registered already"},
        {"<domain: \"\", opset_import: [\"\" : 20]> Relu (x) => (y) { y = Neg (x) }",
         "function Relu: it is one of Sibyl's own operators"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_fault(cases[i][0], cases[i][1]);
}

TEST(limits)
{
    static char deep[4000], name[600];
    size_t n = (size_t)snprintf(deep, sizeof deep, HEAD "F (x) => (y) { ");
    for (int i = 0; i < 20; i++)
        n += (size_t)snprintf(deep + n, sizeof deep - n, "y = If (x) <then_branch = g () => (y) { ");
    expect_fault(deep, "graphs are nested more than 16 deep");
    memset(name, 'a', sizeof name - 1);
    snprintf(deep, sizeof deep, HEAD "%s (x) => (y) { y = Neg (x) }", name);
    expect_fault(deep, "a name has 599 bytes, expected at most 256");
    snprintf(deep, sizeof deep,
             HEAD "F (x) => (y) { y = Foo <a = float[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] {1}> (x) }");
    expect_fault(deep, "more than 16 dims");
}

/* Any prefix and any changed byte gives an error or a function, nothing worse. */
TEST(damaged_texts)
{
    static const char text[] =
        HEAD "F <beta: float = 10.0> (x) => (y)\n{ b = Constant <value = float[2, 1] {1, -2e3}> ()\n"
             " c = If (x) <then_branch = t (float[N, ?] a) => (o) <int64[1] w = {7}> { o = Neg (x) }>\n"
             " y = other.Foo <l: ints = [], s = \"a\\\"b\"> (b, c) }";
    char copy[sizeof text];
    for (size_t i = 0; i < 40 * sizeof text; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_registry *r = NULL;
        size_t size = i < sizeof text ? i : sizeof text - 1;
        memcpy(copy, text, sizeof text);
        if (i >= sizeof text)
            copy[i % (sizeof text - 1)] = "<>(){}[],:=@#\"\\ .-+e0x"[i % 22];
        CHECK_OK(sib_registry_create(&r, &err), err);
        sib_code code = sib_function_register_text(r, copy, size, NULL, &err);
        assert_true(code == SIB_OK || err.message[0]);
        sib_registry_free(&r);
    }
}

static sib_code register_one(sib_registry **r, sib_error *err)
{
    static const char text[] =
        HEAD "F <beta: float = 10.0> (x) => (y) { b = Constant <value = float[1] {1}> ()\n"
             " c = If (x) <then_branch = t () => (o) <int64[1] w = {7}> { o = Neg (x) }>\n"
             " y = other.Foo <l = [1, 2], s = \"a\\\"b\"> (b, c) }";
    sib_code code = sib_registry_create(r, err);
    if (code == SIB_OK)
        code = sib_function_register_text(*r, text, sizeof text - 1, NULL, err);
    if (code != SIB_OK)
        sib_registry_free(r);
    return code;
}

TEST(every_allocation)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    CHECK_EVERY_ALLOCATION(register_one(&r, &err), sib_registry_free(&r));
}
