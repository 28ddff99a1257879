/* Passes that simplify a graph: constants, nodes without effect, duplicate nodes, weights that absorb the
   operators after them. */
#include "check_passes.h"

#include <string.h>

static value_id ints(tiny *t, const char *name, size_t n, const double *values)
{
    int64_t dims[] = {(int64_t)n};
    return tiny_constant(t, name, SIB_I64, 1, dims, values);
}

static attribute int_of(const char *name, int64_t x)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INT, .i = x};
}

static attribute ints_of(const char *name, size_t n, const int64_t *x)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = x};
}

/* ---- noop ---------------------------------------------------------------------------------------------- */

typedef struct noop_case {
    const char *type;
    size_t n_in;
    double in[3][6]; /* constant inputs after x [2, 3] */
    size_t counts[3];
    const char *name; /* an attribute, or NULL */
    int64_t attribute;
    bool goes;
} noop_case;

TEST(nodes_that_do_nothing_go)
{
    static const noop_case cases[] = {
        {"Cast", 0, {{0}}, {0}, "to", SIB_F32, true},
        {"Cast", 0, {{0}}, {0}, "to", SIB_F64, false},
        {"Reshape", 1, {{2, 3}}, {2}, NULL, 0, true},
        {"Reshape", 1, {{0, -1}}, {2}, NULL, 0, true},
        {"Reshape", 1, {{3, 2}}, {2}, NULL, 0, false},
        {"Flatten", 0, {{0}}, {0}, "axis", 1, true},
        {"Flatten", 0, {{0}}, {0}, "axis", 0, false},
        {"Slice", 4, {{0}, {1000}, {1}}, {1, 1, 1}, NULL, 0, true},
        {"Slice", 3, {{1}, {3}, {1}}, {1, 1, 1}, NULL, 0, false},
        {"Pad", 1, {{0, 0, 0, 0}}, {4}, NULL, 0, true},
        {"Pad", 1, {{0, 1, 0, -1}}, {4}, NULL, 0, false},
        {"Dropout", 0, {{0}}, {0}, NULL, 0, true},
        {"Expand", 1, {{1, 1}}, {2}, NULL, 0, true},
        {"Tile", 1, {{1, 1}}, {2}, NULL, 0, true},
        {"Tile", 1, {{1, 2}}, {2}, NULL, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const noop_case *c = &cases[i];
        tiny t = tiny_begin();
        value_id in[4] = {tiny_input(&t, "x", SIB_F32, "2 3")};
        static const char *const names[] = {"p", "q", "r"};
        for (size_t k = 0; k < 3 && k < c->n_in; k++)
            in[1 + k] = ints(&t, names[k], c->counts[k], c->in[k]);
        attribute a = int_of(c->name ? c->name : "", c->attribute);
        size_t n_in = 1 + (c->n_in > 3 ? 3 : c->n_in);
        value_id y = passes_node(&t, c->type, n_in, in, "y", c->name != NULL, &a);
        tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "z"));
        char left[60];
        snprintf(left, sizeof left, "%s%sNeg", c->goes ? "" : c->type, c->goes ? "" : " ");
        passes_case want = {"-all,noop", left, 0, 0};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2, 3), 1, i));
    }
}

TEST(steps_backwards_stay)
{
    tiny t = tiny_begin();
    value_id in[] = {tiny_input(&t, "x", SIB_F32, "2 3"), ints(&t, "b", 1, (double[]){-1}),
                     ints(&t, "e", 1, (double[]){-100}), ints(&t, "a", 1, (double[]){1}),
                     ints(&t, "s", 1, (double[]){-1})};
    tiny_output(&t, tiny_op(&t, "Neg", passes_node(&t, "Slice", 5, in, "y", 0, NULL), NO_VALUE, "z"));
    passes_case want = {"-all,noop", "Slice Neg", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2, 3), 1, 1));
}

TEST(numbers_that_change_nothing_go)
{
    static const struct {
        const char *type;
        double number;
        bool first, goes;
    } cases[] = {{"Add", 0, false, true}, {"Add", 0, true, true},  {"Add", 1, false, false},
                 {"Sub", 0, false, true}, {"Sub", 0, true, false}, {"Mul", 1, true, true},
                 {"Div", 1, false, true}, {"Div", 1, true, false}, {"Mul", 0, false, false},
                 {"Pow", 1, false, true}, {"Pow", 2, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "T 2");
        value_id c = tiny_constant(&t, "c", SIB_F32, 0, NULL, &cases[i].number);
        value_id y = tiny_op(&t, cases[i].type, cases[i].first ? c : x, cases[i].first ? x : c, "y");
        tiny_output(&t, tiny_op(&t, "Abs", y, NO_VALUE, "z"));
        char left[60];
        snprintf(left, sizeof left, "%s%sAbs", cases[i].goes ? "" : cases[i].type, cases[i].goes ? "" : " ");
        passes_case want = {"-all,noop", left, 0, 0};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(3, 2), 1, i));
    }
}

/* A constant that broadcasts x to more dims stays, and so does a node whose output is an output of the
   graph. */
TEST(what_widens_or_is_an_output_stays)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2");
    value_id zeros = tiny_constant(&t, "c", SIB_F32, DIMS(3, 2), NULL);
    tiny_output(&t, tiny_op(&t, "Add", x, zeros, "y"));
    tiny_output(&t, tiny_op(&t, "Identity", x, NO_VALUE, "z"));
    passes_case want = {"all", "Add Identity", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2), 1, 1));
}

/* ---- constants ----------------------------------------------------------------------------------------- */

TEST(what_does_not_depend_on_inputs_is_computed)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "100 60"), w = passes_weight(&t, "w", DIMS(60, 60), 1, 0);
    int64_t perm[] = {1, 0};
    attribute a = ints_of("perm", 2, perm);
    value_id turned = passes_node(&t, "Transpose", 1, &w, "turned", 1, &a);
    value_id grown = tiny_op(&t, "Add", turned, w, "grown");
    value_id shape = tiny_op(&t, "Shape", x, NO_VALUE, "shape");
    value_id y = tiny_op(&t, "MatMul", x, grown, "y");
    tiny_output(&t, tiny_op(&t, "Reshape", y, shape, "z"));
    passes_case want = {"-all,constants,dead", "MatMul Reshape", 0, 0};
    double values[6000];
    for (int i = 0; i < 6000; i++)
        values[i] = (i % 17 - 8) / 8.0;
    int64_t dims[] = {100, 60};
    passes_check_one(&t, &want, "x", tiny_given(SIB_F32, 2, dims, values));
}

/* Random numbers, values much larger than their inputs, and outputs of the graph stay nodes. */
TEST(some_constants_stay)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2");
    int64_t two[] = {2};
    attribute shape = ints_of("shape", 1, two);
    attribute seed = {.name = str_of("seed"), .kind = ATTR_FLOAT, .f = 3};
    value_id r = passes_node(&t, "RandomNormal", 0, NULL, "r", 2, (attribute[]){shape, seed});
    value_id many = ints(&t, "many", 2, (double[]){1000, 2000});
    value_id w = passes_weight(&t, "w", DIMS(2), 1, 0), one = passes_weight(&t, "one", DIMS(1), 1, 0);
    value_id large = passes_node(&t, "Expand", 2, (value_id[]){one, many}, "large", 0, NULL);
    value_id sum = passes_node(&t, "ReduceSum", 1, &large, "sum", 0, NULL);
    tiny_output(&t, tiny_op(&t, "Neg", w, NO_VALUE, "out"));
    tiny_output(&t, tiny_op(&t, "Add", tiny_op(&t, "Add", x, r, "xr"), sum, "y"));
    passes_case want = {"-all,constants,dead", "RandomNormal Expand ReduceSum Neg Add Add", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2), 1, 1));
}

/* Weights that a ConstantOfShape makes are computed once, unless they exceed a gigabyte. */
TEST(filled_weights)
{
    for (int huge = 0; huge < 2; huge++) {
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "2");
        value_id many = ints(&t, "many", 2, (double[]){huge ? 200000 : 1000, 2000}), w,
                 zeros = ints(&t, "at", 1, (double[]){0});
        w = passes_node(&t, "ConstantOfShape", 1, &many, "w", 0, NULL);
        value_id row = passes_node(&t, "Gather", 2, (value_id[]){w, zeros}, "row", 0, NULL);
        tiny_output(&t,
                    passes_node(&t, "Mul", 2, (value_id[]){row, tiny_op(&t, "ReduceSum", x, NO_VALUE, "s")},
                                "y", 0, NULL));
        passes_case want = {"-all,constants,dead",
                            huge ? "ConstantOfShape Gather ReduceSum Mul" : "ReduceSum Mul", 0, 0};
        if (!huge)
            passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2), 1, 1));
        else {
            sib_error err = SIB_ERROR_INIT;
            sib_model *m = tiny_model(&t);
            const optimised *o;
            char text[200];
            CHECK_OK(model_optimise(m, &(pass_options){.passes = want.passes}, &o, &err), err);
            assert_string_equal(passes_nodes(o->graph, text, sizeof text), want.nodes);
            sib_model_free(&m);
        }
    }
}

/* A node that cannot run stays for the run, which may never reach it. */
TEST(what_cannot_run_is_left)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2");
    value_id a = passes_weight(&t, "a", DIMS(2), 1, 0), b = passes_weight(&t, "b", DIMS(3), 1, 0);
    tiny_output(&t, tiny_op(&t, "Add", x, tiny_op(&t, "Mul", a, b, "ab"), "y"));
    sib_session_options o = {.backends = "ref", .passes = "all"};
    sib_session *s = tiny_session(&t, &o);
    sib_value *v = passes_random(SIB_F32, DIMS(2), 1, 1), *out = NULL;
    sib_named_value in = {"x", v};
    assert_int_equal(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), SIB_ERR_ARGUMENT);
    sib_value_free(&v);
    sib_session_free(&s);
}

/* An input with a default is a constant for passes; a run that sets it uses the file's graph. */
TEST(defaults_may_be_replaced)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2"), w = passes_weight(&t, "w", DIMS(2), 1, 0);
    CHECK_OK(graph_add_input(t.g, w, &err), err);
    tiny_output(&t, tiny_op(&t, "Add", x, tiny_op(&t, "Neg", w, NO_VALUE, "minus"), "y"));
    sib_session_options o = {.backends = "ref", .passes = "all"};
    sib_session *s = tiny_session(&t, &o);
    char text[60];
    assert_string_equal(passes_nodes(s->optimised->graph, text, sizeof text), "Add");
    sib_value *v = tiny_given(SIB_F32, DIMS(2), (double[]){1, 2}),
              *g = tiny_given(SIB_F32, DIMS(2), (double[]){5, 7});
    sib_value *out = NULL;
    sib_named_value in[] = {{"x", v}, {"w", g}};
    CHECK_OK(sib_session_run(s, 2, in, 0, NULL, &out, NULL, &err), err);
    tiny_expect(out, SIB_F32, DIMS(2), (double[]){-4, -5});
    sib_value_free(&out);
    sib_value_free(&v);
    sib_value_free(&g);
    sib_session_free(&s);
}

/* The declared type of a node's output may be wrong: passes do not rely on it. */
TEST(declared_dims_are_not_believed)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "T 2");
    value_id y = tiny_op(&t, "Neg", x, NO_VALUE, "y");
    value_type lie = type_of_dims(t.m->dims, SIB_F32, DIMS(7, 2));
    t.g->values[y].declared = t.g->values[y].type = lie;
    tiny_output(&t, tiny_op(&t, "Neg", tiny_op(&t, "Shape", y, NO_VALUE, "s"), NO_VALUE, "z"));
    passes_case want = {"all", "Neg Shape Neg", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(3, 2), 1, 1));
}

/* ---- same ---------------------------------------------------------------------------------------------- */

TEST(equal_nodes_are_one)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2 3");
    value_id a = passes_weight(&t, "a", DIMS(3), 1, 0);
    double same[] = {2}, other[] = {3};
    value_id c = tiny_constant(&t, "c", SIB_F32, 0, NULL, same),
             d = tiny_constant(&t, "d", SIB_F32, 0, NULL, same);
    value_id e = tiny_constant(&t, "e", SIB_F32, 0, NULL, other);
    value_id p = tiny_op(&t, "Mul", tiny_op(&t, "Add", x, a, "xa"), c, "p");
    value_id q = tiny_op(&t, "Mul", tiny_op(&t, "Add", x, a, "xa2"), d, "q");
    value_id r = tiny_op(&t, "Mul", tiny_op(&t, "Add", x, a, "xa3"), e, "r");
    value_id s = tiny_op(&t, "Sub", p, q, "s");
    attribute axis[] = {int_of("axis", 0)}, last[] = {int_of("axis", 1)};
    value_id u = passes_node(&t, "Softmax", 1, &s, "u", 1, axis),
             v = passes_node(&t, "Softmax", 1, &s, "v", 1, last);
    value_id w = passes_node(&t, "Softmax", 1, &s, "w", 1, last);
    tiny_output(&t, tiny_op(&t, "Add", u, r, "y"));
    tiny_output(&t, tiny_op(&t, "Add", v, w, "z"));
    passes_case want = {"-all,same", "Add Mul Mul Sub Softmax Softmax Add Add", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2, 3), 1, 1));
}

/* Nodes of one operator that read different values all stay, whatever their hashes. */
TEST(chains_stay)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2 3");
    char left[600] = "";
    for (int i = 0; i < 60; i++) {
        char name[20];
        snprintf(name, sizeof name, "v%d", i);
        x = tiny_op(&t, "Sin", x, NO_VALUE, name);
        strcat(left, i ? " Sin" : "Sin");
    }
    tiny_output(&t, x);
    passes_case want = {"-all,same", left, 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2, 3), 1, 1));
}

/* Two random draws stay two; an output of the graph keeps its node. */
TEST(some_equal_nodes_stay)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2 3");
    value_id a = tiny_op(&t, "RandomNormalLike", x, NO_VALUE, "a");
    value_id b = tiny_op(&t, "RandomNormalLike", x, NO_VALUE, "b");
    tiny_output(&t, tiny_op(&t, "Shape", tiny_op(&t, "Sub", a, b, "d"), NO_VALUE, "s"));
    tiny_output(&t, tiny_op(&t, "Neg", x, NO_VALUE, "y"));
    tiny_output(&t, tiny_op(&t, "Neg", x, NO_VALUE, "z"));
    passes_case want = {"-all,same", "RandomNormalLike RandomNormalLike Sub Shape Neg Neg", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2, 3), 1, 1));
}

/* ---- affine -------------------------------------------------------------------------------------------- */

static value_id normalized(tiny *t, value_id x, int64_t c, const char *out)
{
    int64_t dims[] = {c};
    value_id in[] = {x, passes_weight(t, "scale", 1, dims, 1, 1.5), passes_weight(t, "beta", 1, dims, 1, 0),
                     passes_weight(t, "mean", 1, dims, 1, 0), passes_weight(t, "var", 1, dims, 0.4, 0.5)};
    return passes_node(t, "BatchNormalization", 5, in, out, 0, NULL);
}

TEST(convolutions_take_in_what_follows)
{
    for (int kind = 0; kind < 4; kind++) { /* Conv, with groups, ConvTranspose, without a bias */
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "1 4 6 6");
        int64_t dims[] = {6, kind == 1 ? 2 : 4, 3, 3}, back[] = {4, 6, 3, 3}, channels[] = {6};
        value_id in[] = {x, passes_weight(&t, "w", 4, kind == 2 ? back : dims, 1, 0),
                         kind == 3 ? NO_VALUE : passes_weight(&t, "b", 1, channels, 1, 0)};
        attribute group = int_of("group", kind == 1 ? 2 : 1);
        value_id y =
            passes_node(&t, kind == 2 ? "ConvTranspose" : "Conv", kind == 3 ? 2 : 3, in, "conv", 1, &group);
        y = normalized(&t, y, 6, "normal");
        y = tiny_op(&t, "Mul", passes_weight(&t, "m", DIMS(6, 1, 1), 1, 0), y, "times");
        y = tiny_op(&t, "Add", y, passes_weight(&t, "o", DIMS(1, 6, 1, 1), 1, 0), "plus");
        double half = 0.5;
        y = tiny_op(&t, "Div", y, tiny_constant(&t, "h", SIB_F32, 0, NULL, &half), "half");
        tiny_output(&t, tiny_op(&t, "Relu", y, NO_VALUE, "y"));
        passes_case want = {"-all,affine", kind == 2 ? "ConvTranspose Relu" : "Conv Relu", 1e-4, 1e-4};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(1, 4, 6, 6), 1, 1));
    }
}

TEST(products_take_in_what_follows)
{
    for (int64_t trans = 0; trans < 2; trans++) {
        tiny t = tiny_begin();
        int64_t dims[] = {trans ? 6 : 4, trans ? 4 : 6};
        value_id in[] = {tiny_input(&t, "x", SIB_F32, "T 4"), passes_weight(&t, "w", 2, dims, 1, 0),
                         passes_weight(&t, "b", DIMS(6), 1, 0)};
        attribute a = int_of("transB", trans);
        value_id y = normalized(&t, passes_node(&t, "Gemm", 3, in, "g", 1, &a), 6, "normal");
        y = tiny_op(&t, "Mul", y, passes_weight(&t, "m", DIMS(6), 1, 0), "times");
        tiny_output(&t, tiny_op(&t, "Relu", y, NO_VALUE, "y"));
        passes_case want = {"-all,affine", "Gemm Relu", 1e-5, 1e-4};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(3, 4), 1, 1));
    }
}

/* Each allocation fails once: an error, or the same graph. A failing pass is not one without a match. */
TEST(affine_without_memory_is_an_error)
{
    uint64_t allocations = 1;
    for (uint64_t k = 0; k <= allocations; k++) { /* the first round counts, with none failing */
        tiny t = tiny_begin();
        value_id in[] = {tiny_input(&t, "x", SIB_F32, "1 4 6 6"),
                         passes_weight(&t, "w", DIMS(6, 4, 1, 1), 1, 0),
                         passes_weight(&t, "b", DIMS(6), 1, 0)};
        value_id y = normalized(&t, passes_node(&t, "Conv", 3, in, "conv", 0, NULL), 6, "normal");
        tiny_output(&t, tiny_op(&t, "Mul", y, passes_weight(&t, "m", DIMS(6, 1, 1), 1, 0), "y"));
        sib_model *m = tiny_model(&t);
        sib_session_options o = {.backends = "ref", .threads = 1, .passes = "-all,affine"};
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = NULL;
        sib_alloc_counters before, after;
        char text[200];
        sib_alloc_counters_get(&before);
        mem_fail_once(k ? k - 1 : UINT64_MAX);
        sib_code code = sib_session_create(m, &o, &s, &err);
        mem_fail_never();
        sib_alloc_counters_get(&after);
        allocations = k ? allocations : after.allocations - before.allocations;
        if (code == SIB_OK)
            assert_string_equal(passes_nodes(s->optimised->graph, text, sizeof text), "Conv");
        else
            assert_int_equal(code, SIB_ERR_MEMORY);
        sib_session_free(&s);
        sib_model_free(&m);
    }
    assert_true(allocations > 50);
}

/* Not absorbed: a convolution with another reader, factors along another axis or per row, more dims, the
   layer as the subtrahend, a grouped transposed convolution, whose channels are no axis of the weights. */
TEST(other_factors_stay)
{
    static const char *const left[] = {"Conv Mul Add", "Conv Mul Relu", "Conv Mul Relu", "Conv Sub Relu",
                                       "ConvTranspose Mul Relu"};
    for (int kind = 0; kind < 5; kind++) {
        tiny t = tiny_begin();
        value_id in[] = {tiny_input(&t, "x", SIB_F32, "1 4 6 6"),
                         passes_weight(&t, "w", DIMS(6, 4, 1, 1), 1, 0)};
        attribute groups = int_of("group", 2);
        const double half = 0.5;
        if (kind == 4)
            in[1] = passes_weight(&t, "back", DIMS(4, 3, 1, 1), 1, 0);
        value_id y = passes_node(&t, kind == 4 ? "ConvTranspose" : "Conv", 2, in, "conv", kind == 4, &groups);
        value_id along = passes_weight(&t, "m", DIMS(6, 1, 1), 1, 0),
                 rows = passes_weight(&t, "r", DIMS(6), 1, 0);
        value_id wide = passes_weight(&t, "v", DIMS(1, 1, 6, 1, 1), 1, 0);
        if (kind == 0) {
            value_id m = tiny_op(&t, "Mul", y, along, "times");
            tiny_output(&t, tiny_op(&t, "Add", m, y, "y"));
        } else {
            value_id m = kind == 1   ? tiny_op(&t, "Mul", y, rows, "times")
                         : kind == 2 ? tiny_op(&t, "Mul", y, wide, "times")
                         : kind == 4
                             ? tiny_op(&t, "Mul", y, tiny_constant(&t, "h", SIB_F32, 0, NULL, &half), "times")
                             : tiny_op(&t, "Sub", along, y, "times");
            tiny_output(&t, tiny_op(&t, "Relu", m, NO_VALUE, "y"));
        }
        passes_case want = {"-all,affine", left[kind], 0, 0};
        passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(1, 4, 6, 6), 1, 1));
    }
}

/* ---- dequantized --------------------------------------------------------------------------------------- */

TEST(weights_of_few_bits_become_floats)
{
    tiny t = tiny_begin();
    double values[12], scale = 0.25, zero = 3;
    for (int i = 0; i < 12; i++)
        values[i] = i - 6;
    value_id in[] = {tiny_constant(&t, "w", SIB_I8, DIMS(4, 3), values),
                     tiny_constant(&t, "s", SIB_F32, 0, NULL, &scale),
                     tiny_constant(&t, "z", SIB_I8, 0, NULL, &zero)};
    value_id w = passes_node(&t, "DequantizeLinear", 3, in, "wide", 0, NULL);
    tiny_output(&t, tiny_op(&t, "MatMul", tiny_input(&t, "x", SIB_F32, "2 4"), w, "y"));
    passes_case want = {"-all,dequantized,dead", "MatMul", 0, 0};
    passes_check_one(&t, &want, "x", passes_random(SIB_F32, DIMS(2, 4), 1, 1));
}
