/* Sessions: input checks, plans by dims, dims that depend on data, taps, profiles, cancellation, memory,
   threads. */
#include "check_memory.h"
#include "tiny.h"

#include "run/session.h"

#include <pthread.h>
#include <unistd.h>

static const sib_session_options on_ref = {.backends = "ref", .threads = 1};

/* y = x * x + x for x [T, 2], z = -y */
static tiny squares(void)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "T 2");
    value_id y = tiny_op(&t, "Add", tiny_op(&t, "Mul", x, x, "xx"), x, "y");
    tiny_output(&t, y);
    tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "z"));
    return t;
}

TEST(runs_and_gives_outputs)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = squares();
    sib_session *s = tiny_session(&t, &on_ref);
    sib_value *x = tiny_given(SIB_F32, DIMS(3, 2), OF(1, 2, 3, 4, -5, 0.5)), *out[2];
    sib_named_value in = {"x", x};
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, NULL, &err), err);
    tiny_expect(out[0], SIB_F32, DIMS(3, 2), OF(2, 6, 12, 20, 20, 0.75));
    tiny_expect(out[1], SIB_F32, DIMS(3, 2), OF(-2, -6, -12, -20, -20, -0.75));
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    const char *wanted = "z";
    CHECK_OK(sib_session_run(s, 1, &in, 1, &wanted, out, NULL, &err), err);
    tiny_expect(out[0], SIB_F32, DIMS(3, 2), OF(-2, -6, -12, -20, -20, -0.75));
    sib_value_free(&out[0]);
    sib_value_free(&x);
    sib_session_free(&s);
}

TEST(sessions_may_share_threads)
{
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    sib_session *s[2];
    sib_value *x = tiny_given(SIB_F32, DIMS(1, 2), OF(2, 3)), *out[2];
    CHECK_OK(sib_pool_create(2, &pool, &err), err);
    sib_session_options o = {.pool = pool};
    for (int i = 0; i < 2; i++) {
        tiny t = squares();
        s[i] = tiny_session(&t, &o);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_OK(sib_session_run(s[i % 2], 1, &(sib_named_value){"x", x}, 0, NULL, out, NULL, &err), err);
        tiny_expect(out[0], SIB_F32, DIMS(1, 2), OF(6, 12));
        sib_value_free(&out[0]);
        sib_value_free(&out[1]);
        if (i == 2)
            sib_session_free(&s[0]); /* the pool remains */
    }
    sib_session_free(&s[1]);
    assert_int_equal(sib_pool_threads(pool), 2);
    sib_pool_free(&pool);
    sib_value_free(&x);
}

/* y = x * w for x [T, 2], which the file declares as [2, 3] always, and z = -y: with plans for other T. */
TEST(outputs_may_be_declared_wrong)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "T 2"),
             w = tiny_constant(&t, "w", SIB_F32, DIMS(2, 3), OF(1, 2, 3, 4, 5, 6));
    value_id y = tiny_op(&t, "MatMul", x, w, "y");
    t.g->values[y].declared =
        t.g->values[tiny_constant(&t, "like y", SIB_F32, DIMS(2, 3), OF(0, 0, 0, 0, 0, 0))].declared;
    tiny_output(&t, y);
    tiny_output(&t, tiny_op(&t, "Neg", y, NO_VALUE, "z"));
    sib_session *s = tiny_session(&t, NULL);
    for (int64_t rows = 1; rows < 9; rows++) {
        double given[16], product[24], negative[24];
        for (int64_t i = 0; i < rows; i++)
            for (int64_t c = 0; c < 3; c++) {
                given[2 * i] = (double)i;
                given[2 * i + 1] = 1;
                product[3 * i + c] = (double)(i * (c + 1) + c + 4);
                negative[3 * i + c] = -product[3 * i + c];
            }
        sib_value *in = tiny_given(SIB_F32, DIMS(rows, 2), given), *out[2];
        CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", in}, 0, NULL, out, NULL, &err), err);
        tiny_expect(out[0], SIB_F32, DIMS(rows, 3), product);
        tiny_expect(out[1], SIB_F32, DIMS(rows, 3), negative);
        sib_value_free(&out[0]);
        sib_value_free(&out[1]);
        sib_value_free(&in);
    }
    sib_session_free(&s);
}

TEST(checks_inputs_before_it_runs)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id a = tiny_input(&t, "a", SIB_F32, "T 2"), b = tiny_input(&t, "b", SIB_F32, "T 2");
    tiny_output(&t, tiny_op(&t, "Add", a, b, "y"));
    sib_session *s = tiny_session(&t, &on_ref);
    sib_value *good = tiny_given(SIB_F32, DIMS(1, 2), OF(1, 2)), *out = NULL;
    sib_value *ints = tiny_given(SIB_I32, DIMS(1, 2), OF(1, 2)),
              *flat = tiny_given(SIB_F32, DIMS(2), OF(1, 2));
    sib_value *wide = tiny_given(SIB_F32, DIMS(1, 3), OF(1, 2, 3)),
              *longer = tiny_given(SIB_F32, DIMS(2, 2), NULL);
    const struct {
        const char *name;
        const sib_value *value;
        const char *words;
    } cases[] = {{"b", ints, "input 'b' is int32, the model expects float32"},
                 {"b", flat, "input 'b' has dims (2,), the model expects [T, 2]"},
                 {"b", wide, "axis 1 must be 2"},
                 {"c", good, "no input 'c'"},
                 {"a", good, "'a' is given twice"},
                 {"b", NULL, "input 'b' has no value"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_named_value in[] = {{"a", good}, {cases[i].name, cases[i].value}};
        CHECK_FAILS(sib_session_run(s, 2, in, 0, NULL, &out, NULL, &err), SIB_ERR_ARGUMENT, err,
                    cases[i].words);
        assert_null(out);
    }
    /* one symbol, two sizes: a warning, and the run works if they broadcast */
    sib_named_value differ[] = {{"a", good}, {"b", longer}};
    assert_null(sib_session_diagnostic(s, 0));
    CHECK_OK(sib_session_run(s, 2, differ, 0, NULL, &out, NULL, &err), err);
    assert_int_equal(sib_tensor_count(sib_value_tensor(out)), 4);
    sib_value_free(&out);
    assert_non_null(strstr(sib_session_diagnostic(s, 0), "input 'b': its dim 'T' has another size"));
    sib_named_value alone = {"a", good};
    CHECK_FAILS(sib_session_run(s, 1, &alone, 0, NULL, &out, NULL, &err), SIB_ERR_ARGUMENT, err,
                "'b' is missing");
    const char *unknown = "w";
    sib_named_value both[] = {{"a", good}, {"b", good}};
    CHECK_FAILS(sib_session_run(s, 2, both, 1, &unknown, &out, NULL, &err), SIB_ERR_ARGUMENT, err,
                "no output 'w'");
    sib_value *all[] = {good, ints, flat, wide, longer};
    for (size_t i = 0; i < 5; i++)
        sib_value_free(&all[i]);
    sib_session_free(&s);
}

TEST(refuses_by_name)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    tiny_output(&t, tiny_op(&t, "Frobnicate", tiny_input(&t, "x", SIB_F32, "2"), NO_VALUE, "y"));
    sib_model *m = tiny_model(&t);
    sib_session *s = NULL;
    CHECK_FAILS(sib_session_create(m, &on_ref, &s, &err), SIB_ERR_UNSUPPORTED, err, "Frobnicate");
    assert_null(s);
    sib_session_options odd = {.backends = "ref,abacus"};
    CHECK_FAILS(sib_session_create(m, &odd, &s, &err), SIB_ERR_UNSUPPORTED, err, "Frobnicate");
    sib_model_free(&m);
    t = squares();
    m = tiny_model(&t);
    CHECK_FAILS(sib_session_create(m, &odd, &s, &err), SIB_ERR_ARGUMENT, err, "no backend 'abacus'");
    sib_model_free(&m);
}

TEST(an_output_that_is_an_input_is_a_copy)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    tiny_output(&t, tiny_op(&t, "Identity", tiny_input(&t, "x", SIB_F32, "2"), NO_VALUE, "y"));
    sib_session *s = tiny_session(&t, &on_ref);
    float memory[2] = {1, 2};
    sib_tensor *wrapped = NULL;
    sib_value *x = NULL, *out = NULL;
    CHECK_OK(sib_tensor_wrap(SIB_F32, DIMS(2), NULL, memory, NULL, NULL, &wrapped, &err), err);
    CHECK_OK(sib_value_from_tensor(wrapped, &x, &err), err);
    sib_tensor_free(&wrapped);
    sib_named_value in = {"x", x};
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), err);
    sib_value_free(&x);
    memory[0] = 7;
    tiny_expect(out, SIB_F32, DIMS(2), OF(1, 2));
    sib_value_free(&out);
    sib_session_free(&s);
}

TEST(strided_inputs_are_read_as_they_stand)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = squares();
    sib_session *s = tiny_session(&t, &on_ref);
    float memory[] = {1, 3, -5, 2, 4, 0.5f};
    sib_tensor *wrapped = NULL;
    sib_value *x = NULL, *out[2];
    CHECK_OK(
        sib_tensor_wrap(SIB_F32, DIMS(3, 2), (const int64_t[]){1, 3}, memory, NULL, NULL, &wrapped, &err),
        err);
    CHECK_OK(sib_value_from_tensor(wrapped, &x, &err), err);
    sib_named_value in = {"x", x};
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, NULL, &err), err);
    tiny_expect(out[0], SIB_F32, DIMS(3, 2), OF(2, 6, 12, 20, 20, 0.75));
    sib_tensor_free(&wrapped);
    sib_value_free(&x);
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    sib_session_free(&s);
}

/* ---- Plans ------------------------------------------------------------------------------------------- */

static void run_squares(sib_session *s, int64_t rows)
{
    sib_error err = SIB_ERROR_INIT;
    double values[256], expected[256];
    for (int64_t i = 0; i < 2 * rows; i++) {
        values[i] = (double)(i % 7) - 3;
        expected[i] = values[i] * values[i] + values[i];
    }
    sib_value *x = tiny_given(SIB_F32, DIMS(rows, 2), values), *out[2];
    sib_named_value in = {"x", x};
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, NULL, &err), err);
    tiny_expect(out[0], SIB_F32, DIMS(rows, 2), expected);
    sib_value_free(&x);
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
}

TEST(plans_are_kept_by_dims)
{
    tiny t = squares();
    sib_session *s = tiny_session(&t, &on_ref);
    for (int i = 0; i < 5; i++)
        run_squares(s, 3);
    assert_int_equal(s->running.items[0].n_segments, 1);
    run_squares(s, 0);
    run_squares(s, 4);
    assert_int_equal(s->running.items[0].n_segments, 3);
    for (int64_t rows = 5; rows < 105; rows++)
        run_squares(s, rows);
    assert_true(s->running.items[0].n_segments <= 64);
    run_squares(s, 3);
    sib_session_free(&s);
}

/* y = x reshaped to the shape given as data; w = the indices where y is not 0. */
static tiny depends_on_data(void)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N"), shape = tiny_input(&t, "shape", SIB_I64, "R");
    value_id y = tiny_op(&t, "Reshape", x, shape, "y");
    value_id w = tiny_op(&t, "NonZero", y, NO_VALUE, "w");
    tiny_output(&t, y);
    tiny_output(&t, tiny_op(&t, "Add", w, w, "ww"));
    return t;
}

TEST(dims_that_depend_on_data)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = depends_on_data();
    sib_session *s = tiny_session(&t, &on_ref);
    for (int turn = 0; turn < 3; turn++) {
        bool flat = turn == 1;
        sib_value *x = tiny_given(SIB_F32, DIMS(6), OF(0, 1, 0, 0, 5, 0)), *out[2];
        sib_value *shape =
            flat ? tiny_given(SIB_I64, DIMS(1), OF(6)) : tiny_given(SIB_I64, DIMS(2), OF(-1, 3));
        sib_named_value in[] = {{"x", x}, {"shape", shape}};
        CHECK_OK(sib_session_run(s, 2, in, 0, NULL, out, NULL, &err), err);
        if (flat) {
            tiny_expect(out[0], SIB_F32, DIMS(6), OF(0, 1, 0, 0, 5, 0));
            tiny_expect(out[1], SIB_I64, DIMS(1, 2), OF(2, 8));
        } else {
            tiny_expect(out[0], SIB_F32, DIMS(2, 3), OF(0, 1, 0, 0, 5, 0));
            tiny_expect(out[1], SIB_I64, DIMS(2, 2), OF(0, 2, 2, 2));
        }
        sib_value_free(&x);
        sib_value_free(&shape);
        sib_value_free(&out[0]);
        sib_value_free(&out[1]);
    }
    sib_session_free(&s);
}

/* A chain with a side branch that is used at its end: values die at different times. */
TEST(values_share_memory_only_when_dead)
{
    sib_error err = SIB_ERROR_INIT;
    check_random r = {7};
    tiny t = tiny_begin();
    value_id made[40];
    double expected[40][4];
    made[0] = tiny_input(&t, "x", SIB_F64, "4");
    for (int k = 0; k < 4; k++)
        expected[0][k] = k + 1;
    for (int i = 1; i < 40; i++) {
        int a = (int)(check_u64(&r) % (uint64_t)i), b = (int)(check_u64(&r) % (uint64_t)i);
        char name[16];
        snprintf(name, sizeof name, "v%d", i);
        bool minus = check_u64(&r) % 2;
        made[i] = tiny_op(&t, minus ? "Sub" : "Add", made[a], made[b], name);
        for (int k = 0; k < 4; k++)
            expected[i][k] = minus ? expected[a][k] - expected[b][k] : expected[a][k] + expected[b][k];
    }
    tiny_output(&t, made[39]);
    tiny_output(&t, made[20]);
    sib_session *s = tiny_session(&t, &on_ref);
    sib_value *x = tiny_given(SIB_F64, DIMS(4), expected[0]), *out[2];
    sib_named_value in = {"x", x};
    for (int turn = 0; turn < 2; turn++) {
        CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, NULL, &err), err);
        tiny_expect(out[0], SIB_F64, DIMS(4), expected[39]);
        tiny_expect(out[1], SIB_F64, DIMS(4), expected[20]);
        sib_value_free(&out[0]);
        sib_value_free(&out[1]);
    }
    assert_true(s->running.items[0].segments[0]->arena_bytes < 39 * MEM_ALIGN);
    sib_value_free(&x);
    sib_session_free(&s);
}

/* ---- Taps, profiles, cancellation ---------------------------------------------------------------------- */

typedef struct seen {
    char names[400];
    int n, stop_after;
} seen;

static sib_code note(void *context, const sib_tap_event *event, sib_error *err)
{
    seen *s = context;
    size_t used = strlen(s->names);
    snprintf(s->names + used, sizeof s->names - used, "%s ", event->name);
    assert_non_null(event->value);
    if (++s->n == s->stop_after) {
        snprintf(err->message, sizeof err->message, "enough");
        return err->code = SIB_ERR_VALUE;
    }
    return SIB_OK;
}

static sib_code count_taps(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)event;
    (void)err;
    ++*(size_t *)context;
    return SIB_OK;
}

TEST(taps_see_values_in_order)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = squares();
    sib_session *s = tiny_session(&t, &on_ref);
    sib_value *x = tiny_given(SIB_F32, DIMS(1, 2), OF(1, 2)), *out[2];
    sib_named_value in = {"x", x};
    seen got = {.n = 0};
    sib_run_options o = {.tap = note, .tap_context = &got};
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, &o, &err), err);
    assert_string_equal(got.names, "x xx y z ");
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    got = (seen){.n = 0};
    const char *names[] = {"?", "nothing"};
    o.tap_names = names;
    o.n_taps = 2;
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, &o, &err), err);
    assert_string_equal(got.names, "x y z ");
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    got = (seen){.n = 0};
    names[0] = "n_y/*";
    o.tap_inside = true;
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, &o, &err), err);
    assert_string_equal(got.names, "n_y/milli.0:add ");
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    got = (seen){.stop_after = 1};
    names[0] = "xx";
    CHECK_FAILS(sib_session_run(s, 1, &in, 0, NULL, out, &o, &err), SIB_ERR_VALUE, err, "enough");
    assert_null(out[0]);
    sib_value_free(&x);
    sib_session_free(&s);
}

/* A name longer than any buffer, of a value in a subgraph whose path is long too. */
TEST(taps_match_long_names)
{
    sib_error err = SIB_ERROR_INIT;
    char name[1500];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    name[sizeof name - 2] = '!';
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "1"), y = tiny_made(&t, name),
             c = tiny_input(&t, "c", SIB_BOOL, "");
    graph *inside = tiny_enter(&t);
    value_id in;
    CHECK_OK(graph_capture(inside, x, &in, &err), err);
    tiny_output(&t, tiny_op(&t, "Neg", in, NO_VALUE, "inner"));
    tiny_leave(&t);
    attribute a[] = {{.name = str_of("then_branch"), .kind = ATTR_GRAPH, .graph = inside},
                     {.name = str_of("else_branch"), .kind = ATTR_GRAPH, .graph = inside}};
    tiny_node(&t, "If", name, 1, &c, 1, &y, 2, a);
    tiny_output(&t, y);
    sib_session *s = tiny_session(&t, &on_ref);
    sib_value *one = tiny_given(SIB_F32, DIMS(1), OF(1)), *yes = tiny_given(SIB_BOOL, 0, NULL, OF(1)), *out;
    sib_named_value given[] = {{"x", one}, {"c", yes}};
    const char *names[] = {name, "*!/inner", "nothing", "n*"};
    bool matched[4] = {false};
    size_t n = 0;
    sib_run_options o = {
        .tap = count_taps, .tap_context = &n, .tap_names = names, .n_taps = 4, .tap_matched = matched};
    CHECK_OK(sib_session_run(s, 2, given, 0, NULL, &out, &o, &err), err);
    assert_int_equal(n, 2);
    assert_true(matched[0] && matched[1] && !matched[2] && matched[3]);
    sib_value_free(&out);
    sib_value_free(&one);
    sib_value_free(&yes);
    sib_session_free(&s);
}

/* A milli-op of one node that is fused into a step of the next node, which has other steps after it: each
   node counts once. */
TEST(profiles_count_fused_nodes)
{
    static const char *const types[] = {"ReduceL2", "ReduceLogSumExp", "LogSoftmax", "LpNormalization",
                                        "MeanVarianceNormalization"};
    const sib_session_options on_cpu = {.backends = "cpu,ref", .threads = 1};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        sib_error err = SIB_ERROR_INIT;
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F64, "1 2 3 4");
        x = tiny_op(&t, "Abs", tiny_op(&t, "Neg", x, NO_VALUE, "negated"), NO_VALUE, "size");
        tiny_output(&t, tiny_op(&t, types[i], x, NO_VALUE, "y"));
        sib_session *s = tiny_session(&t, &on_cpu);
        sib_profile *p = NULL;
        CHECK_OK(sib_profile_create(&p, &err), err);
        sib_value *given = tiny_given(SIB_F64, DIMS(1, 2, 3, 4), NULL), *out;
        sib_named_value in = {"x", given};
        sib_run_options o = {.profile = p};
        sib_profile_row row;
        CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, &o, &err), err);
        for (size_t k = 0; sib_profile_get(p, SIB_PROFILE_BY_OPERATOR, k, &row); k++)
            if (row.calls != 1)
                fail_msg("%s: %s is called %llu times", types[i], row.op_type, (unsigned long long)row.calls);
        sib_value_free(&out);
        sib_value_free(&given);
        sib_profile_free(&p);
        sib_session_free(&s);
    }
}

TEST(profiles_count_calls)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = squares();
    sib_session *s = tiny_session(&t, &on_ref);
    sib_profile *p = NULL;
    CHECK_OK(sib_profile_create(&p, &err), err);
    sib_value *x = tiny_given(SIB_F32, DIMS(1, 2), OF(1, 2)), *out[2];
    sib_named_value in = {"x", x};
    sib_run_options o = {.profile = p};
    for (int i = 0; i < 3; i++) {
        CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, &o, &err), err);
        sib_value_free(&out[0]);
        sib_value_free(&out[1]);
    }
    uint64_t calls[3] = {0};
    size_t rows[3] = {0};
    for (int by = SIB_PROFILE_BY_NODE; by <= SIB_PROFILE_BY_MILLI; by++) {
        sib_profile_row row;
        double before = 1e9;
        for (size_t i = 0; sib_profile_get(p, (sib_profile_by)by, i, &row); i++) {
            calls[by] += row.calls;
            rows[by]++;
            assert_string_equal(row.backend, "ref");
            assert_true(row.seconds >= 0 && row.seconds <= before);
            before = row.seconds;
        }
    }
    for (int by = 0; by < 3; by++) {
        assert_int_equal(calls[by], 9);
        assert_int_equal(rows[by], 3);
    }
    sib_profile_free(&p);
    sib_value_free(&x);
    sib_session_free(&s);
}

/* An infinite loop: x doubles in each iteration. */
static tiny endless(void)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2"), out = tiny_made(&t, "y");
    graph *body = tiny_enter(&t);
    tiny_input(&t, "i", SIB_I64, "");
    value_id go = tiny_input(&t, "go", SIB_BOOL, ""), v = tiny_input(&t, "v", SIB_F32, "2");
    tiny_output(&t, tiny_op(&t, "Identity", go, NO_VALUE, "go_on"));
    tiny_output(&t, tiny_op(&t, "Mul", v, v, "vv"));
    tiny_leave(&t);
    attribute a = {.name = str_of("body"), .kind = ATTR_GRAPH, .graph = body};
    value_id in[] = {NO_VALUE, NO_VALUE, x};
    tiny_node(&t, "Loop", "forever", 3, in, 1, &out, 1, &a);
    tiny_output(&t, out);
    return t;
}

static void *cancel_soon(void *c)
{
    usleep(50000);
    sib_cancel_set(c);
    return NULL;
}

TEST(runs_are_cancelled)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = endless();
    sib_session *s = tiny_session(&t, &on_ref);
    sib_cancel *c = NULL;
    CHECK_OK(sib_cancel_create(&c, &err), err);
    sib_value *x = tiny_given(SIB_F32, DIMS(2), OF(1, 1)), *out = NULL;
    sib_named_value in = {"x", x};
    sib_run_options o = {.cancel = c};
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, cancel_soon, c), 0);
    CHECK_FAILS(sib_session_run(s, 1, &in, 0, NULL, &out, &o, &err), SIB_ERR_CANCELLED, err, "cancelled");
    pthread_join(other, NULL);
    assert_null(out);
    sib_cancel_free(&c);
    sib_value_free(&x);
    sib_session_free(&s);
}

TEST(memory_has_a_limit)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = squares();
    sib_session_options o = on_ref;
    o.memory_limit = 100000;
    sib_session *s = tiny_session(&t, &o);
    run_squares(s, 100);
    sib_value *x = tiny_given(SIB_F32, DIMS(20000, 2), NULL), *out[2];
    sib_named_value in = {"x", x};
    CHECK_FAILS(sib_session_run(s, 1, &in, 0, NULL, out, NULL, &err), SIB_ERR_MEMORY, err, "limit of 100000");
    run_squares(s, 100);
    sib_value_free(&x);
    sib_session_free(&s);
}

TEST(memory_is_not_taken_beyond_the_limit)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id dims = tiny_constant(&t, "dims", SIB_I64, DIMS(2), OF(1e6, 1e6));
    tiny_output(&t, tiny_op(&t, "ConstantOfShape", dims, NO_VALUE, "y"));
    sib_session_options o = on_ref;
    o.memory_limit = 100000;
    sib_session *s = tiny_session(&t, &o);
    sib_value *out;
    CHECK_FAILS(sib_session_run(s, 0, NULL, 0, NULL, &out, NULL, &err), SIB_ERR_MEMORY, err, "n_y");
    sib_session_free(&s);
}

/* Without a limit of the caller's a run has one that grows with its weights and inputs. */
TEST(memory_has_a_default_limit)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id dims = tiny_constant(&t, "dims", SIB_I64, DIMS(2), OF(1 << 20, 1 << 20));
    tiny_output(&t, tiny_op(&t, "Neg", tiny_input(&t, "x", SIB_F32, "N"), NO_VALUE, "z"));
    tiny_output(&t, tiny_op(&t, "ConstantOfShape", dims, NO_VALUE, "y"));
    sib_session *s = tiny_session(&t, &on_ref);
    const struct {
        int64_t n;
        const char *words;
    } cases[] = {{1, "limit of 4294967296 (raised by memory_limit)"},
                 {2 << 20, "limit of 8589950976 (raised by memory_limit)"}}; /* 1,024 x (8 MiB + 2 dims) */
    for (size_t i = 0; i < 2; i++) {
        sib_value *x = tiny_given(SIB_F32, DIMS(cases[i].n), NULL), *out[2];
        sib_named_value in = {"x", x};
        CHECK_FAILS(sib_session_run(s, 1, &in, 0, NULL, out, NULL, &err), SIB_ERR_MEMORY, err,
                    cases[i].words);
        sib_value_free(&x);
    }
    sib_session_free(&s);
}

/* One milli-op that takes seconds stops midway. */
TEST(kernels_can_be_cancelled)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "N N");
    tiny_output(&t, tiny_op(&t, "MatMul", x, x, "y"));
    sib_session *s = tiny_session(&t, &on_ref);
    sib_cancel *c = NULL;
    CHECK_OK(sib_cancel_create(&c, &err), err);
    sib_value *given = tiny_given(SIB_F32, DIMS(3000, 3000), NULL), *out = NULL;
    sib_named_value in = {"x", given};
    sib_run_options o = {.cancel = c};
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, cancel_soon, c), 0);
    CHECK_FAILS(sib_session_run(s, 1, &in, 0, NULL, &out, &o, &err), SIB_ERR_CANCELLED, err, "cancelled");
    pthread_join(other, NULL);
    sib_cancel_free(&c);
    sib_value_free(&given);
    sib_session_free(&s);
}

/* ---- Oracle, threads, memory failures ------------------------------------------------------------------ */

TEST(oracle_mode_is_double)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "1");
    value_id c = tiny_constant(&t, "c", SIB_F32, DIMS(1), OF(3));
    tiny_output(&t, tiny_op(&t, "Div", x, c, "y"));
    sib_session_options o = on_ref;
    o.oracle = true;
    sib_session *s = tiny_session(&t, &o);
    sib_value *one = tiny_given(SIB_F32, DIMS(1), OF(1)), *out = NULL;
    sib_named_value in = {"x", one};
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, &out, NULL, &err), err);
    tiny_expect(out, SIB_F64, DIMS(1), OF(1.0 / 3.0));
    sib_value_free(&out);
    sib_value_free(&one);
    sib_session_free(&s);
}

static void *many_runs(void *session)
{
    for (int i = 0; i < 60; i++)
        run_squares(session, i % 9);
    return NULL;
}

TEST(several_threads_run_one_session)
{
    tiny t = squares();
    sib_session *s = tiny_session(&t, &on_ref);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_runs, s), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(s->running.items[0].n_segments, 9);
    sib_session_free(&s);
}

/* Every allocation fails once, in making the session and in running it: each time an error, and nothing
   leaks. */
static sib_code create_and_run(sib_model *m, const sib_named_value in[2], sib_value *out[2], sib_error *err)
{
    sib_session *s = NULL;
    sib_code code = sib_session_create(m, &on_ref, &s, err);
    if (code == SIB_OK)
        code = sib_session_run(s, 2, in, 0, NULL, out, NULL, err);
    sib_session_free(&s);
    return code;
}

TEST(memory_that_fails)
{
    tiny t = depends_on_data();
    sib_model *m = tiny_model(&t);
    sib_value *x = tiny_given(SIB_F32, DIMS(6), OF(0, 1, 0, 0, 5, 0)),
              *shape = tiny_given(SIB_I64, DIMS(2), OF(-1, 3));
    sib_named_value in[] = {{"x", x}, {"shape", shape}};
    sib_error err = SIB_ERROR_INIT;
    sib_value *out[2] = {NULL, NULL};
    CHECK_EVERY_ALLOCATION(create_and_run(m, in, out, &err), {
        tiny_expect(out[1], SIB_I64, DIMS(2, 2), OF(0, 2, 2, 2));
        sib_value_free(&out[0]);
        sib_value_free(&out[1]);
    });
    sib_value_free(&x);
    sib_value_free(&shape);
    sib_model_free(&m);
}
