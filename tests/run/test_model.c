/* Descriptions of models: types inferred with symbolic dims, conflicts reported, costs as expressions. */
#include "../comma_locale.h"
#include "tiny.h"

static sib_value_info value_named(const sib_model *m, const char *name)
{
    sib_value_info v;
    for (size_t i = 0; sib_graph_value(sib_model_graph(m, 0), i, &v); i++)
        if (!strcmp(v.name, name))
            return v;
    fail_msg("there is no value '%s'", name);
    return v;
}

/* Shape → Gather → Mul → Concat → Reshape: what exporters write for x.reshape(b, t // 2 * ...). */
TEST(shapes_follow_arithmetic)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "B T 64");
    value_id shape = tiny_op(&t, "Shape", x, NO_VALUE, "shape");
    value_id b = tiny_op(&t, "Gather", shape, tiny_constant(&t, "zero", SIB_I64, DIMS(1), OF(0)), "b");
    value_id n = tiny_op(&t, "Gather", shape, tiny_constant(&t, "one", SIB_I64, DIMS(1), OF(1)), "n");
    value_id twice = tiny_op(&t, "Mul", n, tiny_constant(&t, "two", SIB_I64, DIMS(1), OF(2)), "twice");
    value_id rest = tiny_constant(&t, "rest", SIB_I64, DIMS(2), OF(8, -1)), target = tiny_made(&t, "target");
    attribute axis = {.name = str_of("axis"), .kind = ATTR_INT, .i = 0};
    value_id parts[] = {b, rest, twice};
    tiny_node(&t, "Concat", "join", 3, parts, 1, &target, 1, &axis);
    value_id y = tiny_op(&t, "Reshape", x, target, "y");
    tiny_output(&t, tiny_op(&t, "Relu", y, NO_VALUE, "z"));
    sib_model *m = tiny_model(&t);
    assert_string_equal(value_named(m, "y").type, "float32 [B, 8, 4, 2*T]");
    sib_value_info z;
    assert_true(sib_model_output(m, 0, &z));
    assert_string_equal(z.type, "float32 [B, 8, 4, 2*T]");
    assert_int_equal(z.dims[0], -1);
    assert_string_equal(z.dim_names[3], "2*T");
    assert_int_equal(z.dims[1], 8);
    assert_null(z.dim_names[1]);
    assert_null(sib_model_diagnostic(m, 0));
    sib_model_free(&m);
}

TEST(conflicts_are_told_with_both)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N 3"), y = tiny_value(&t, "y", SIB_F32, "N 4");
    value_id in[] = {x, x};
    tiny_node(&t, "Add", "sum", 2, in, 1, &y, 0, NULL);
    tiny_output(&t, y);
    sib_model *m = tiny_model(&t);
    const char *note = sib_model_diagnostic(m, 0);
    assert_non_null(note);
    assert_non_null(strstr(note, "'sum' (Add)"));
    assert_non_null(strstr(note, "float32 [N, 4]"));
    assert_non_null(strstr(note, "float32 [N, 3]"));
    assert_null(sib_model_diagnostic(m, 1));
    /* it runs nevertheless, with the types that the operators give */
    sib_session *s = NULL;
    sib_value *given = tiny_given(SIB_F32, DIMS(1, 3), OF(1, 2, 3)), *out = NULL;
    sib_named_value named = {"x", given};
    CHECK_OK(sib_session_create(m, NULL, &s, &err), err);
    CHECK_OK(sib_session_run(s, 1, &named, 0, NULL, &out, NULL, &err), err);
    tiny_expect(out, SIB_F32, DIMS(1, 3), OF(2, 4, 6));
    sib_value_free(&given);
    sib_value_free(&out);
    sib_session_free(&s);
    sib_model_free(&m);
}

TEST(what_a_node_refuses_is_a_note)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2 3"), w = tiny_input(&t, "w", SIB_F32, "4 5");
    tiny_output(&t, tiny_op(&t, "MatMul", x, w, "y"));
    sib_model *m = tiny_model(&t);
    assert_non_null(sib_model_diagnostic(m, 0));
    assert_non_null(strstr(sib_model_diagnostic(m, 0), "MatMul"));
    sib_model_free(&m);
}

TEST(costs_are_expressions)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "T 64");
    double zeros[64 * 32] = {0};
    value_id w = tiny_constant(&t, "w", SIB_F32, DIMS(64, 32), zeros);
    tiny_output(&t, tiny_op(&t, "MatMul", x, w, "y"));
    sib_model *m = tiny_model(&t);
    sib_node_info n;
    assert_true(sib_graph_node(sib_model_graph(m, 0), 0, &n));
    assert_string_equal(n.flops, "4096*T");     /* 2 * T * 64 * 32 */
    assert_string_equal(n.bytes, "384*T+8192"); /* 4 * (64 T + 2048 + 32 T) */
    assert_true(n.known);
    assert_int_equal(n.n_inputs, 2);
    assert_false(sib_graph_node(sib_model_graph(m, 0), 1, &n));
    sib_model_info info;
    sib_model_get_info(m, &info);
    assert_int_equal(info.parameters, 2048);
    assert_int_equal(info.parameter_bytes, 8192);
    assert_int_equal(info.n_initializers, 1);
    sib_model_free(&m);
}

TEST(attributes_are_text)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2 3"), y = tiny_made(&t, "y");
    int64_t perm[] = {1, 0};
    attribute a[] = {{.name = str_of("perm"), .kind = ATTR_INTS, .n = 2, .ints = perm},
                     {.name = str_of("alpha"), .kind = ATTR_FLOAT, .f = 0.5f},
                     {.name = str_of("mode"), .kind = ATTR_STRING, .s = str_of("same")}};
    tiny_node(&t, "Transpose", "turn", 1, &x, 1, &y, 3, a);
    tiny_output(&t, y);
    sib_model *m = tiny_model(&t);
    const sib_graph *g = sib_model_graph(m, 0);
    sib_attribute got[3], other;
    for (size_t k = 0; k < 3; k++)
        assert_true(sib_graph_attribute(g, 0, k, &got[k]));
    assert_false(sib_graph_attribute(g, 0, 3, &other));
    assert_false(sib_graph_attribute(g, 1, 0, &other));
    assert_string_equal(got[0].name, "perm");
    assert_string_equal(got[0].text, "[1, 0]");
    assert_int_equal(got[0].n, 2);
    assert_int_equal(got[0].ints[0], 1);
    assert_string_equal(got[1].text, "0.5");
    assert_true(got[1].floats[0] == 0.5f);
    assert_string_equal(got[2].text, "same");
    assert_int_equal(got[2].kind, SIB_ATTRIBUTE_STRING);
    assert_string_equal(value_named(m, "y").type, "float32 [3, 2]");
    comma_locale_enter(); /* numbers have a decimal point in every locale */
    assert_true(sib_graph_attribute(g, 0, 1, &other));
    setlocale(LC_ALL, "C");
    assert_string_equal(other.text, "0.5");
    sib_model_free(&m);
}

TEST(unknown_operators_are_kept)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2");
    tiny_output(&t, tiny_op(&t, "Frobnicate", x, NO_VALUE, "y"));
    sib_model *m = tiny_model(&t);
    sib_node_info n;
    assert_true(sib_graph_node(sib_model_graph(m, 0), 0, &n));
    assert_false(n.known);
    assert_string_equal(n.type, "Frobnicate");
    assert_null(sib_model_diagnostic(m, 0));
    sib_model_free(&m);
}
