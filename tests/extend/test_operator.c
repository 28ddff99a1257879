/* Operators registered as functions: inferred, planned, run, watched, refused. */
#include "own.h"

#include "check_memory.h"

#include <pthread.h>

/* ---- y = alpha * x + 1, of the dims of x ------------------------------------------------------------------ */

static sib_code like_input(void *context, sib_lowering *b, sib_error *err)
{
    (void)context;
    (void)err;
    sib_lowering_declare_like(b, 0, sib_lowering_input(b, 0));
    return SIB_OK;
}

static sib_code scale(void *context, sib_call *c, sib_error *err)
{
    atomic_int *calls = context;
    const sib_tensor *x = sib_call_tensor(c, 0);
    sib_tensor *y = NULL;
    float alpha = (float)sib_node_float(sib_call_node(c), "alpha", 1000);
    sib_code code = sib_call_output(c, 0, SIB_F32, sib_tensor_rank(x), sib_tensor_dims(x), &y, err);
    if (code != SIB_OK)
        return code;
    const float *from = sib_tensor_data(x);
    float *to = sib_tensor_data(y);
    for (uint64_t i = 0; i < sib_tensor_count(x); i++)
        to[i] = alpha * from[i] + 1;
    if (calls)
        atomic_fetch_add(calls, 1);
    return SIB_OK;
}

static const float two = 2;
static const sib_operator_attribute alpha = {
    {.name = "alpha", .kind = SIB_ATTRIBUTE_FLOAT, .n = 1, .floats = &two}, false};

static const char *const float32_only[] = {"float32"};

static sib_operator scaling(void)
{
    return (sib_operator){.domain = "my.dom",
                          .name = "Scale",
                          .min_inputs = 1,
                          .max_inputs = 1,
                          .types = float32_only,
                          .n_types = 1,
                          .attributes = &alpha,
                          .n_attributes = 1,
                          .shape = like_input,
                          .run = scale};
}

TEST(infers_and_runs)
{
    sib_operator op = scaling();
    atomic_int calls = 0;
    op.context = &calls;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N"), y = tiny_made(&t, "y");
    attribute three = {.name = str_of("alpha"), .kind = ATTR_FLOAT, .f = 3};
    value_id h = own_op(&t, "Scale", tiny_op(&t, "Neg", x, NO_VALUE, "n"), "h");
    own_node(&t, "Scale", 1, &h, 1, &y, 1, &three);
    tiny_output(&t, y);
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    sib_value_info v;
    assert_true(sib_model_output(sib_session_model(s), 0, &v));
    assert_string_equal(v.type, "float32 [N]");
    for (size_t n = 1; n < 4; n++) /* (-2 x + 1) * 3 + 1 */
        own_expect(s, n, OF(1, 2, 3), n, OF(-2, -8, -14));
    assert_int_equal(calls, 6);
    sib_session_free(&s);
}

/* In double around it, the function still gets and gives float32. */
TEST(runs_in_oracle_mode)
{
    sib_operator op = scaling();
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N");
    tiny_output(&t, tiny_op(&t, "Neg", own_op(&t, "Scale", tiny_op(&t, "Neg", x, NO_VALUE, "n"), "h"),
                            NO_VALUE, "y"));
    sib_session *s = own_session(&t, own_registry(&op), &(sib_session_options){.oracle = true});
    sib_error err = SIB_ERROR_INIT;
    sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *out = NULL;
    CHECK_OK(own_run(s, in, &out, NULL, &err), err);
    tiny_expect(out, SIB_F64, DIMS(2), OF(1, 3));
    sib_value_free(&in);
    sib_value_free(&out);
    sib_session_free(&s);
}

typedef struct seen {
    char names[400];
} seen;

static sib_code see(void *context, const sib_tap_event *e, sib_error *err)
{
    (void)err;
    seen *s = context;
    size_t used = strlen(s->names);
    snprintf(s->names + used, sizeof s->names - used, "%s ", e->name);
    return SIB_OK;
}

/* Taps, profiles, plans and milli-ops have it as they have Sibyl's own. */
TEST(is_watched)
{
    sib_operator op = scaling();
    sib_error err = SIB_ERROR_INIT;
    tiny t = own_single("Scale", "N");
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *out = NULL;
    seen what = {{0}};
    sib_profile *p = NULL;
    sib_profile_row row;
    CHECK_OK(sib_profile_create(&p, &err), err);
    CHECK_OK(own_run(s, in, &out,
                     &(sib_run_options){.tap = see, .tap_context = &what, .tap_inside = true, .profile = p},
                     &err),
             err);
    assert_string_equal(what.names, "x Scale/milli.0:call y ");
    assert_true(sib_profile_get(p, SIB_PROFILE_BY_NODE, 0, &row));
    assert_string_equal(row.node, "Scale");
    assert_string_equal(row.backend, "registered");
    const sib_graph *g = sib_model_graph(sib_session_model(s), 0);
    sib_graph *milli = NULL;
    sib_node_info about;
    CHECK_OK(sib_graph_milli(g, 0, 0, NULL, &milli, &err), err);
    assert_true(sib_graph_node(milli, 0, &about));
    assert_string_equal(about.type, "call");
    assert_true(sib_graph_node(g, 0, &about) && about.known);
    sib_graph_free(&milli);
    sib_profile_free(&p);
    sib_value_free(&in);
    sib_value_free(&out);
    sib_session_free(&s);
}

/* ---- Without a shape function: the dims are known once it has run ----------------------------------------- */

static sib_code positive(void *context, sib_call *c, sib_error *err)
{
    (void)context;
    const sib_tensor *x = sib_call_tensor(c, 0);
    const float *from = sib_tensor_data(x);
    int64_t n = 0;
    sib_tensor *y = NULL;
    for (uint64_t i = 0; i < sib_tensor_count(x); i++)
        n += from[i] > 0;
    sib_code code = sib_call_output(c, 0, SIB_F32, 1, &n, &y, err);
    if (code != SIB_OK)
        return code;
    float *to = sib_tensor_data(y);
    for (uint64_t i = 0; i < sib_tensor_count(x); i++)
        if (from[i] > 0)
            *to++ = from[i];
    return SIB_OK;
}

TEST(dims_that_depend_on_data)
{
    const sib_operator op = {
        .domain = "my.dom", .name = "Positive", .min_inputs = 1, .max_inputs = 1, .run = positive};
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N");
    tiny_output(&t, tiny_op(&t, "Neg", own_op(&t, "Positive", x, "p"), NO_VALUE, "y"));
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    own_expect(s, 4, OF(1, -2, 3, -4), 2, OF(-1, -3));
    own_expect(s, 4, OF(1, 2, 3, -4), 3, OF(-1, -2, -3));
    own_expect(s, 2, OF(-1, -2), 0, OF(0));
    sib_session_free(&s);
}

/* ---- A shape function that reads elements: x [..] repeated n times ------------------------------------------ */

static sib_code repeated_dims(void *context, sib_lowering *b, sib_error *err)
{
    (void)context;
    (void)err;
    sib_mval x = sib_lowering_input(b, 0);
    const sib_tensor *n = sib_mval_content(b, sib_lowering_input(b, 1));
    if (!n)
        return SIB_OK;
    sib_mdim d = sib_mdim_compute(b, SIB_MDIM_MUL, sib_mval_dim(b, x, 0),
                                  sib_mdim_of(b, *(const int64_t *)sib_tensor_data(n)));
    sib_lowering_declare(b, 0, sib_mval_dtype(b, x), 1, &d);
    return SIB_OK;
}

static sib_code repeat(void *context, sib_call *c, sib_error *err)
{
    (void)context;
    const sib_tensor *x = sib_call_tensor(c, 0);
    int64_t times = *(const int64_t *)sib_tensor_data(sib_call_tensor(c, 1)),
            n = (int64_t)sib_tensor_count(x) * times;
    sib_tensor *y = NULL;
    sib_code code = sib_call_output(c, 0, SIB_F32, 1, &n, &y, err);
    for (int64_t i = 0; i < n && code == SIB_OK; i++)
        ((float *)sib_tensor_data(y))[i] =
            ((const float *)sib_tensor_data(x))[i % (int64_t)sib_tensor_count(x)];
    return code;
}

TEST(shape_functions_may_read_elements)
{
    const sib_operator op = {.domain = "my.dom",
                             .name = "Repeat",
                             .min_inputs = 2,
                             .max_inputs = 2,
                             .types = (const char *const[]){"float32", "int64"},
                             .n_types = 2,
                             .shape = repeated_dims,
                             .run = repeat};
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id in[] = {tiny_input(&t, "x", SIB_F32, "N"), tiny_input(&t, "n", SIB_I64, "")},
             y = tiny_made(&t, "y");
    in[1] = tiny_op(&t, "Neg", in[1], NO_VALUE, "m");
    own_node(&t, "Repeat", 2, in, 1, &y, 0, NULL);
    tiny_output(&t, y);
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    for (int n = 0; n < 4; n++) {
        sib_value *x = tiny_given(SIB_F32, DIMS(2), OF(5, 6)), *times = tiny_given(SIB_I64, 0, NULL, OF(-n)),
                  *out = NULL;
        sib_named_value given[] = {{"x", x}, {"n", times}};
        CHECK_OK(sib_session_run(s, 2, given, 0, NULL, &out, NULL, &err), err);
        tiny_expect(out, SIB_F32, DIMS(2 * n), OF(5, 6, 5, 6, 5, 6));
        sib_value_free(&x);
        sib_value_free(&times);
        sib_value_free(&out);
    }
    sib_session_free(&s);
}

/* ---- Faults of functions ------------------------------------------------------------------------------------ */

typedef enum fault { WRONG_DTYPE, WRONG_DIMS, NOT_SET, OUT_OF_RANGE, NEGATIVE, FAILS, FAILS_SILENTLY } fault;

static sib_code faulty(void *context, sib_call *c, sib_error *err)
{
    sib_tensor *y = NULL;
    switch (*(const fault *)context) {
    case WRONG_DTYPE:
        return sib_call_output(c, 0, SIB_F64, 1, (const int64_t[]){2}, &y, err);
    case WRONG_DIMS:
        return sib_call_output(c, 0, SIB_F32, 1, (const int64_t[]){3}, &y, err);
    case NOT_SET:
        return SIB_OK;
    case OUT_OF_RANGE:
        return sib_call_output(c, 1, SIB_F32, 0, NULL, &y, err);
    case NEGATIVE:
        return sib_call_output(c, 0, SIB_F32, 1, (const int64_t[]){-1}, &y, err);
    case FAILS:
        snprintf(err->message, sizeof err->message, "the moon is full");
        return err->code = SIB_ERR_VALUE;
    default:
        return SIB_ERR_IO;
    }
}

TEST(faults_are_named)
{
    static const struct {
        fault fault;
        sib_code code;
        const char *words;
    } cases[] = {
        {WRONG_DTYPE, SIB_ERR_VALUE,
         "node 'Faulty' (Faulty): output 0 is float64 (2,), expected float32 [2]"},
        {WRONG_DIMS, SIB_ERR_VALUE, "output 0 is float32 (3,), expected float32 [2]"},
        {NOT_SET, SIB_ERR_VALUE, "did not set output 0"},
        {OUT_OF_RANGE, SIB_ERR_ARGUMENT, "output 1 of 1 is set"},
        {NEGATIVE, SIB_ERR_ARGUMENT, "output 0 has dims (-1,)"},
        {FAILS, SIB_ERR_VALUE, "node 'Faulty' (Faulty): the moon is full"},
        {FAILS_SILENTLY, SIB_ERR_IO, "node 'Faulty' (Faulty): a file could not be opened"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_error err = SIB_ERROR_INIT;
        fault which = cases[i].fault;
        const sib_operator op = {.domain = "my.dom",
                                 .name = "Faulty",
                                 .max_inputs = 1,
                                 .context = &which,
                                 .shape = like_input,
                                 .run = faulty};
        tiny t = own_single("Faulty", "N");
        sib_session *s = own_session(&t, own_registry(&op), NULL);
        sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *out = NULL;
        CHECK_FAILS(own_run(s, in, &out, NULL, &err), cases[i].code, err, cases[i].words);
        sib_value_free(&in);
        sib_session_free(&s);
    }
}

/* ---- Nodes that do not fit ------------------------------------------------------------------------------------ */

static void expect_refused(tiny *t, const sib_operator *op, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = own_registry(op);
    sib_model *m = own_model(t, r);
    sib_session *s = NULL;
    sib_value *in = tiny_given(SIB_F32, DIMS(1), OF(1)), *out = NULL;
    sib_code code = sib_session_create(m, NULL, &s, &err);
    if (code == SIB_OK)
        code = own_run(s, in, &out, NULL, &err);
    CHECK_FAILS(code, SIB_ERR_ARGUMENT, err, words);
    sib_value_free(&in);
    sib_session_free(&s);
    sib_model_free(&m);
    sib_registry_free(&r);
}

TEST(nodes_are_checked_as_those_of_sibyl_are)
{
    sib_operator op = scaling();
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N"), in[] = {x, x}, y = tiny_made(&t, "y");
    own_node(&t, "Scale", 2, in, 1, &y, 0, NULL);
    tiny_output(&t, y);
    expect_refused(&t, &op, "node 'Scale' (Scale): has 2 inputs, expected 1");

    t = tiny_begin();
    x = tiny_input(&t, "x", SIB_F32, "N");
    y = tiny_made(&t, "y");
    attribute text = {.name = str_of("alpha"), .kind = ATTR_STRING, .s = str_of("big")};
    own_node(&t, "Scale", 1, &x, 1, &y, 1, &text);
    tiny_output(&t, y);
    expect_refused(&t, &op, "attribute alpha is a string, expected a float");

    op.attributes = &(sib_operator_attribute){{.name = "axis", .kind = SIB_ATTRIBUTE_INT}, true};
    t = own_single("Scale", "N");
    expect_refused(&t, &op, "attribute axis is missing");

    op = scaling();
    op.types = (const char *const[]){"float64|int64"};
    t = own_single("Scale", "N");
    expect_refused(&t, &op, "input 0 is float32, expected float64|int64");

    op = scaling();
    op.max_inputs = 2;
    op.types = (const char *const[]){"T=float32|float64", "T"};
    op.n_types = 2;
    t = tiny_begin();
    in[0] = tiny_input(&t, "x", SIB_F32, "N");
    in[1] = tiny_constant(&t, "c", SIB_F64, 0, NULL, OF(1));
    y = tiny_made(&t, "y");
    own_node(&t, "Scale", 2, in, 1, &y, 0, NULL);
    tiny_output(&t, y);
    expect_refused(&t, &op, "input 1 is float64, expected float32 as input 0");
}

TEST(unknown_without_the_registry)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = own_single("Scale", "N");
    sib_model *m = own_model(&t, NULL);
    sib_session *s = NULL;
    CHECK_FAILS(sib_session_create(m, NULL, &s, &err), SIB_ERR_UNSUPPORTED, err,
                "operator my.dom:Scale is not known");
    sib_model_free(&m);
}

/* ---- Registering ------------------------------------------------------------------------------------------------ */

static void count_release(void *context)
{
    ++*(int *)context;
}

TEST(registering)
{
    sib_error err = SIB_ERROR_INIT;
    int released = 0;
    sib_operator op = scaling();
    op.context = &released;
    op.release = count_release;
    sib_registry *r = own_registry(&op);
    CHECK_FAILS(sib_operator_register(r, &op, &err), SIB_ERR_ARGUMENT, err,
                "my.dom:Scale is registered already");
    CHECK_FAILS(sib_operator_register(NULL, &op, &err), SIB_ERR_ARGUMENT, err, "NULL");
    sib_operator bad = scaling();
    bad.domain = "";
    bad.name = "Relu";
    CHECK_FAILS(sib_operator_register(r, &bad, &err), SIB_ERR_ARGUMENT, err, "Relu is one of Sibyl's own");
    bad.domain = "ai.onnx";
    CHECK_FAILS(sib_operator_register(r, &bad, &err), SIB_ERR_ARGUMENT, err, "Relu is one of Sibyl's own");
    bad = scaling();
    bad.name = "";
    CHECK_FAILS(sib_operator_register(r, &bad, &err), SIB_ERR_ARGUMENT, err, "has no name");
    bad = scaling();
    bad.run = NULL;
    CHECK_FAILS(sib_operator_register(r, &bad, &err), SIB_ERR_ARGUMENT, err, "has neither run and lower");
    bad = scaling();
    bad.name = "Other";
    bad.max_inputs = 65;
    CHECK_FAILS(sib_operator_register(r, &bad, &err), SIB_ERR_ARGUMENT, err, "at most 64");
    bad.max_inputs = 1;
    bad.types = (const char *const[]){"float32|flaot64"};
    CHECK_FAILS(sib_operator_register(r, &bad, &err), SIB_ERR_ARGUMENT, err,
                "types[0]: 'flaot64' is not a dtype");
    bad = scaling();
    bad.name = "Other";
    bad.attributes = &(sib_operator_attribute){{.name = "g", .kind = SIB_ATTRIBUTE_GRAPH}, false};
    CHECK_FAILS(sib_operator_register(r, &bad, &err), SIB_ERR_ARGUMENT, err, "attribute g is of kind 5");
    bad.attributes =
        &(sib_operator_attribute){{.name = "g", .kind = SIB_ATTRIBUTE_INT, .n = 1, .floats = &two}, false};
    CHECK_FAILS(sib_operator_register(r, &bad, &err), SIB_ERR_ARGUMENT, err, "the default of attribute g");
    assert_string_equal(sib_registry_operator(r, 0), "my.dom:Scale");
    assert_null(sib_registry_operator(r, 1));
    tiny t = own_single("Scale", "N");
    sib_session *s = own_session(&t, r, NULL);
    assert_int_equal(released, 0); /* the session keeps the registry */
    sib_session_free(&s);
    assert_int_equal(released, 1);
}

static sib_code constant_one(void *context, sib_call *c, sib_error *err)
{
    const sib_tensor *x = sib_call_tensor(c, 0);
    sib_tensor *y = NULL;
    sib_code code = sib_call_output(c, 0, SIB_F32, 1, sib_tensor_dims(x), &y, err);
    for (uint64_t i = 0; code == SIB_OK && i < sib_tensor_count(y); i++)
        ((float *)sib_tensor_data(y))[i] = *(const float *)context;
    return code;
}

/* Each version of the domain has its own definition; one of Sibyl's own is replaced where that is asked for, and
   no kernel and no pass takes it for the standard one. */
TEST(versions_and_replacing)
{
    float one = 1, ten = 10;
    sib_error err = SIB_ERROR_INIT;
    sib_operator op = {.domain = "my.dom",
                       .name = "Const",
                       .until = 1,
                       .max_inputs = 1,
                       .context = &one,
                       .shape = like_input,
                       .run = constant_one};
    sib_registry *r = own_registry(&op);
    op.since = 2;
    op.until = 0;
    op.context = &ten;
    CHECK_OK(sib_operator_register(r, &op, &err), err);
    op.domain = "";
    op.name = "Relu";
    op.since = 0;
    op.replaces_standard = true;
    CHECK_OK(sib_operator_register(r, &op, &err), err);
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N"), a = own_op(&t, "Const", x, "a"), b = tiny_made(&t, "b");
    t.g->nodes[own_node(&t, "Const", 1, &x, 1, &b, 0, NULL)].version = 2;
    value_id sum = tiny_op(&t, "Add", a, b, "sum");
    tiny_output(&t, tiny_op(&t, "Add", sum, tiny_op(&t, "Relu", x, NO_VALUE, "z"), "y"));
    sib_session *s = own_session(&t, r, NULL);
    own_expect(s, 2, OF(-1, 3), 2, OF(21, 21));
    sib_session_free(&s);
}

/* ---- Inside graphs, several outputs, sequences -------------------------------------------------------------------- */

TEST(runs_in_branches)
{
    sib_operator op = scaling();
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id c = tiny_input(&t, "c", SIB_BOOL, ""), x = tiny_input(&t, "x", SIB_F32, "N"),
             y = tiny_made(&t, "y");
    graph *branches[2];
    for (int which = 0; which < 2; which++) {
        value_id inner;
        branches[which] = tiny_enter(&t);
        CHECK_OK(graph_capture(branches[which], x, &inner, &err), err);
        tiny_output(&t, which ? tiny_op(&t, "Neg", inner, NO_VALUE, "n") : own_op(&t, "Scale", inner, "s"));
        tiny_leave(&t);
    }
    attribute graphs[] = {{.name = str_of("then_branch"), .kind = ATTR_GRAPH, .graph = branches[0]},
                          {.name = str_of("else_branch"), .kind = ATTR_GRAPH, .graph = branches[1]}};
    tiny_node(&t, "If", "if", 1, &c, 1, &y, 2, graphs);
    tiny_output(&t, y);
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    for (int yes = 0; yes < 2; yes++) {
        sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)),
                  *cond = tiny_given(SIB_BOOL, 0, NULL, OF(yes)), *out = NULL;
        sib_named_value given[] = {{"x", in}, {"c", cond}};
        CHECK_OK(sib_session_run(s, 2, given, 0, NULL, &out, NULL, &err), err);
        tiny_expect(out, SIB_F32, DIMS(2), yes ? OF(3, 5) : OF(-1, -2));
        sib_value_free(&in);
        sib_value_free(&cond);
        sib_value_free(&out);
    }
    sib_session_free(&s);
}

TEST(runs_in_loops)
{
    sib_operator op = scaling();
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id n = tiny_input(&t, "n", SIB_I64, ""), x = tiny_input(&t, "x", SIB_F32, "N"),
             y = tiny_made(&t, "y");
    graph *body = tiny_enter(&t);
    tiny_input(&t, "i", SIB_I64, "");
    value_id go = tiny_input(&t, "go", SIB_BOOL, ""), v = tiny_input(&t, "v", SIB_F32, "N");
    tiny_output(&t, tiny_op(&t, "Identity", go, NO_VALUE, "go_on"));
    tiny_output(&t, own_op(&t, "Scale", v, "scaled"));
    tiny_leave(&t);
    attribute a = {.name = str_of("body"), .kind = ATTR_GRAPH, .graph = body};
    value_id in[] = {n, NO_VALUE, x};
    tiny_node(&t, "Loop", "loop", 3, in, 1, &y, 1, &a);
    tiny_output(&t, y);
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    sib_value *times = tiny_given(SIB_I64, 0, NULL, OF(3)), *given = tiny_given(SIB_F32, DIMS(2), OF(1, -1)),
              *out = NULL;
    sib_named_value all[] = {{"n", times}, {"x", given}};
    CHECK_OK(sib_session_run(s, 2, all, 0, NULL, &out, NULL, &err), err);
    tiny_expect(out, SIB_F32, DIMS(2), OF(15, -1));
    sib_value_free(&times);
    sib_value_free(&given);
    sib_value_free(&out);
    sib_session_free(&s);
}

/* A run whose dims have been seen allocates what the caller is given and nothing else, as without the operator. */
TEST(steady_runs_allocate_nothing)
{
    uint64_t took[2];
    for (int own = 0; own < 2; own++) {
        sib_operator op = scaling();
        sib_error err = SIB_ERROR_INIT;
        sib_alloc_counters before, after;
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "N");
        value_id h = own ? own_op(&t, "Scale", x, "h") : tiny_op(&t, "Floor", x, NO_VALUE, "h");
        tiny_output(&t, tiny_op(&t, "Neg", h, NO_VALUE, "y"));
        sib_session *s = own_session(&t, own_registry(&op), &(sib_session_options){.threads = 1});
        sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *out = NULL;
        for (int i = 0; i < 4; i++) {
            sib_alloc_counters_get(&before);
            CHECK_OK(own_run(s, in, &out, NULL, &err), err);
            sib_alloc_counters_get(&after);
            sib_value_free(&out);
        }
        took[own] = after.allocations - before.allocations;
        sib_value_free(&in);
        sib_session_free(&s);
    }
    assert_int_equal(took[1], took[0]);
}

static sib_code careless(void *context, sib_call *c, sib_error *err)
{
    (void)context;
    sib_tensor *y = NULL;
    sib_error none = SIB_ERROR_INIT;
    CHECK_FAILS(sib_call_output(c, 0, SIB_F32, 1, NULL, &y, &none), SIB_ERR_ARGUMENT, none,
                "output 0 has dtype 1 and rank 1");
    CHECK_FAILS(sib_call_output(c, 0, SIB_F32, 0, NULL, NULL, &none), SIB_ERR_ARGUMENT, none, "NULL");
    CHECK_FAILS(sib_call_output(c, 0, (sib_dtype)99, 0, NULL, &y, &none), SIB_ERR_ARGUMENT, none, "dtype 99");
    CHECK_FAILS(sib_call_give(c, 0, NULL, &none), SIB_ERR_ARGUMENT, none, "NULL");
    CHECK_FAILS(sib_call_give(c, 7, sib_call_input(c, 0), &none), SIB_ERR_ARGUMENT, none,
                "output 7 of 1 is set");
    assert_null(sib_call_input(c, 9));
    assert_null(sib_call_tensor(c, 9));
    assert_int_equal(sib_node_int(sib_call_node(c), "alpha", 7), 7); /* a float */
    assert_true(sib_node_float(sib_call_node(c), "nothing", 0.5) == 0.5);
    assert_false(sib_call_cancelled(c));
    return sib_call_give(c, 0, sib_call_input(c, 0), err);
}

TEST(careless_functions)
{
    sib_operator op = scaling();
    op.run = careless;
    tiny t = own_single("Scale", "N");
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    own_expect(s, 2, OF(1, 2), 2, OF(1, 2));
    sib_session_free(&s);
}

/* Gives a sequence of its inputs, and the first of them as a strided view. */
static sib_code collect(void *context, sib_call *c, sib_error *err)
{
    (void)context;
    const sib_value *items[2] = {sib_call_input(c, 0), sib_call_input(c, 1)};
    sib_value *all = NULL, *back = NULL;
    sib_tensor *view = NULL;
    const sib_tensor *x = sib_call_tensor(c, 0);
    int64_t n = (int64_t)sib_tensor_count(x);
    sib_code code = sib_value_sequence(2, items, &all, err);
    if (code == SIB_OK)
        code = sib_call_give(c, 0, all, err);
    if (code == SIB_OK)
        code = sib_tensor_slice(x, 0, n - 1, n, -1, &view, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(view, &back, err);
    if (code == SIB_OK)
        code = sib_call_give(c, 1, back, err);
    sib_value_free(&all);
    sib_value_free(&back);
    sib_tensor_free(&view);
    return code;
}

TEST(gives_values_of_any_kind)
{
    const sib_operator op = {.domain = "my.dom",
                             .name = "Collect",
                             .min_inputs = 2,
                             .max_inputs = -1,
                             .max_outputs = 2,
                             .run = collect};
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N"), in[] = {x, tiny_op(&t, "Neg", x, NO_VALUE, "n")},
             out[] = {tiny_made(&t, "all"), tiny_made(&t, "back")};
    own_node(&t, "Collect", 2, in, 2, out, 0, NULL);
    tiny_output(&t, out[1]);
    tiny_output(&t, tiny_op(&t, "SequenceLength", out[0], NO_VALUE, "count"));
    sib_session *s = own_session(&t, own_registry(&op), NULL);
    sib_value *given = tiny_given(SIB_F32, DIMS(3), OF(1, 2, 3)), *got[2] = {NULL, NULL};
    CHECK_OK(own_run(s, given, got, NULL, &err), err);
    tiny_expect(got[0], SIB_F32, DIMS(3), OF(3, 2, 1));
    tiny_expect(got[1], SIB_I64, 0, NULL, OF(2));
    sib_value_free(&given);
    sib_value_free(&got[0]);
    sib_value_free(&got[1]);
    sib_session_free(&s);
}

/* ---- Threads and memory ---------------------------------------------------------------------------------------------- */

static void *run_often(void *context)
{
    for (int i = 0; i < 50; i++)
        own_expect(context, (size_t)(1 + i % 4), OF(1, 2, 3, 4), (size_t)(1 + i % 4), OF(3, 5, 7, 9));
    return NULL;
}

TEST(several_threads_run_one_session)
{
    sib_operator op = scaling();
    atomic_int calls = 0;
    op.context = &calls;
    tiny t = own_single("Scale", "N");
    sib_session *s = own_session(&t, own_registry(&op), &(sib_session_options){.threads = 1});
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, s), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(calls, 200);
    sib_session_free(&s);
}

static sib_code register_all(sib_registry **r, sib_error *err)
{
    sib_operator op = scaling();
    sib_code code = sib_registry_create(r, err);
    if (code == SIB_OK)
        code = sib_operator_register(*r, &op, err);
    if (code != SIB_OK)
        sib_registry_free(r);
    return code;
}

TEST(every_allocation_of_registering)
{
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = NULL;
    CHECK_EVERY_ALLOCATION(register_all(&r, &err), sib_registry_free(&r));
}

static sib_code create_and_run(sib_model *m, sib_value *in, sib_value **out, sib_error *err)
{
    sib_session *s = NULL;
    sib_code code = sib_session_create(m, &(sib_session_options){.threads = 1}, &s, err);
    if (code == SIB_OK)
        code = own_run(s, in, out, NULL, err);
    sib_session_free(&s);
    return code;
}

TEST(every_allocation_of_a_run)
{
    for (int known = 0; known < 2; known++) {
        sib_operator op = scaling();
        op.shape = known ? like_input : NULL;
        sib_error err = SIB_ERROR_INIT;
        tiny t = own_single("Scale", "N");
        sib_registry *r = own_registry(&op);
        sib_model *m = own_model(&t, r);
        sib_value *in = tiny_given(SIB_F32, DIMS(2), OF(1, 2)), *out = NULL;
        CHECK_OK(create_and_run(m, in, &out, &err), err); /* what the model keeps is there */
        sib_value_free(&out);
        CHECK_EVERY_ALLOCATION(create_and_run(m, in, &out, &err), sib_value_free(&out));
        sib_value_free(&in);
        sib_model_free(&m);
        sib_registry_free(&r);
    }
}
