/* A run like the one before it: its cost, and what fusing changes (nothing visible). */
#include "tiny.h"

#define T 5

/* y = Tanh(x + b) * x - s with a scalar s, r = y in other dims; x: (T, 3). */
static sib_session *chain_session(const char *backends)
{
    static const double b[3] = {0.5, -1, 2}, s[1] = {0.25};
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "T 3");
    value_id bias = tiny_constant(&t, "b", SIB_F32, 1, (int64_t[]){3}, b);
    value_id less = tiny_constant(&t, "s", SIB_F32, 0, NULL, s);
    value_id shape = tiny_constant(&t, "shape", SIB_I64, 1, (int64_t[]){2}, (double[]){3, -1});
    value_id sum = tiny_op(&t, "Add", x, bias, "sum");
    value_id bent = tiny_op(&t, "Tanh", sum, NO_VALUE, "bent");
    value_id product = tiny_op(&t, "Mul", bent, x, "product");
    value_id y = tiny_op(&t, "Sub", product, less, "y");
    tiny_output(&t, y);
    tiny_output(&t, tiny_op(&t, "Reshape", y, shape, "r"));
    return tiny_session(&t, &(sib_session_options){.backends = backends, .threads = 1});
}

static sib_value *given(void)
{
    double x[T * 3];
    for (int i = 0; i < T * 3; i++)
        x[i] = 0.25 * i - 1.5;
    return tiny_given(SIB_F32, 2, (int64_t[]){T, 3}, x);
}

static void run(sib_session *s, const sib_value *x, sib_value *out[2], const sib_run_options *options)
{
    sib_error err = SIB_ERROR_INIT;
    sib_named_value in = {"x", x};
    CHECK_OK(sib_session_run(s, 1, &in, 0, NULL, out, options, &err), err);
}

static void free_two(sib_value *v[2])
{
    sib_value_free(&v[0]);
    sib_value_free(&v[1]);
}

TEST(a_steady_run_allocates_nothing)
{
    static const char *const backends[] = {"ref", "cpu,ref"};
    for (int b = 0; b < 2; b++) {
        sib_session *s = chain_session(backends[b]);
        sib_value *x = given(), *out[2];
        sib_alloc_counters before, after;
        for (int i = 0; i < 3; i++) {
            run(s, x, out, NULL);
            free_two(out);
        }
        sib_alloc_counters_get(&before);
        for (int i = 0; i < 10; i++) {
            run(s, x, out, NULL);
            free_two(out);
        }
        sib_alloc_counters_get(&after);
        assert_int_equal(after.allocations - before.allocations, 0);
        sib_value_free(&x);
        sib_session_free(&s);
    }
}

TEST(outputs_that_are_kept_stay_as_they_are)
{
    sib_session *s = chain_session(NULL);
    sib_value *x = given(), *first[2], *second[2];
    double zeros[T * 3] = {0};
    sib_value *other = tiny_given(SIB_F32, 2, (int64_t[]){T, 3}, zeros);
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *before = NULL;
    sib_comparison c;
    run(s, x, first, NULL);
    CHECK_OK(sib_tensor_copy(sib_value_tensor(first[1]), &before, &err), err);
    sib_value_free(&first[0]); /* r, which shares its memory, is still valid */
    run(s, other, second, NULL);
    CHECK_OK(sib_tensor_compare(sib_value_tensor(first[1]), before, &(sib_tolerance){0, 0, 0}, &c, &err),
             err);
    assert_true(c.equal);
    CHECK_OK(sib_tensor_compare(sib_value_tensor(second[1]), before, &(sib_tolerance){0, 0, 0}, &c, &err),
             err);
    assert_false(c.equal);
    sib_tensor_free(&before);
    free_two(first);
    free_two(second);
    sib_value_free(&x);
    sib_value_free(&other);
    sib_session_free(&s);
}

static sib_code count_tap(void *context, const sib_tap_event *event, sib_error *err)
{
    (void)err;
    (void)event;
    ++*(int *)context;
    return SIB_OK;
}

/* present = TensorScatter(past [1, 4, 2], rows, at), and y = Neg(present); seen: and z = Neg(past). */
static sib_session *cache_session(const char *backends, bool seen)
{
    tiny t = tiny_begin();
    value_id in[] = {tiny_input(&t, "past", SIB_F32, "B C 2"), tiny_input(&t, "rows", SIB_F32, "B N 2"),
                     tiny_input(&t, "at", SIB_I64, "B")},
             present = tiny_made(&t, "present");
    const node_id id = tiny_node(&t, "TensorScatter", "write", 3, in, 1, &present, 0, NULL);
    t.g->nodes[id].version = 24;
    tiny_output(&t, present);
    tiny_output(&t, tiny_op(&t, "Neg", present, NO_VALUE, "y"));
    if (seen)
        tiny_output(&t, tiny_op(&t, "Neg", in[0], NO_VALUE, "z"));
    return tiny_session(&t, &(sib_session_options){.backends = backends, .threads = 1});
}

/* One row of ones at place `at`; *past becomes present. */
static void write_row(sib_session *s, sib_value **past, const sib_value *rows, const sib_value *at,
                      bool given)
{
    const bool overwrite[] = {false, given, false};
    sib_error err = SIB_ERROR_INIT;
    sib_value *out[3] = {NULL};
    sib_named_value in[] = {{"at", at}, {"past", *past}, {"rows", rows}};
    CHECK_OK(sib_session_run(s, 3, in, 0, NULL, out, &(sib_run_options){.overwrite = overwrite}, &err), err);
    sib_value_free(past);
    *past = out[0];
    sib_value_free(&out[1]);
    sib_value_free(&out[2]);
}

TEST(a_cache_is_written_where_it_is)
{
    static const double ones[] = {1, 1};
    const char *const backends[] = {"cpu,ref", "ref"};
    sib_value *rows = tiny_given(SIB_F32, 3, (int64_t[]){1, 1, 2}, ones);
    for (int k = 0; k < 4; k++) { /* given or not, seen by others or not */
        sib_session *s = cache_session(backends[k == 3], k == 2);
        sib_value *past = tiny_given(SIB_F32, 3, (int64_t[]){1, 4, 2}, (double[8]){0});
        const void *was = sib_tensor_data(sib_value_tensor(past));
        sib_alloc_counters before, after;
        sib_error err = SIB_ERROR_INIT;
        for (int i = 0; i < 4; i++) {
            sib_value *at = tiny_given(SIB_I64, 1, (int64_t[]){1}, (double[]){i}), *kept = NULL;
            sib_alloc_counters_get(&before);
            if (!k && !i)
                CHECK_OK(sib_value_copy(past, &kept, &err), err);
            write_row(s, &past, rows, at, k > 0);
            sib_alloc_counters_get(&after);
            if (k == 1) {
                assert_ptr_equal(sib_tensor_data(sib_value_tensor(past)), was);
                assert_int_equal(i > 1 ? after.allocations - before.allocations : 0, 0);
            } else if (!i)
                assert_ptr_not_equal(sib_tensor_data(sib_value_tensor(past)), was);
            if (kept)
                tiny_expect(kept, SIB_F32, 3, (int64_t[]){1, 4, 2}, (double[8]){0});
            sib_value_free(&kept);
            sib_value_free(&at);
        }
        tiny_expect(past, SIB_F32, 3, (int64_t[]){1, 4, 2}, (double[]){1, 1, 1, 1, 1, 1, 1, 1});
        sib_value_free(&past);
        sib_session_free(&s);
    }
    sib_value_free(&rows);
}

/* Nodes that are one step without a tap show every value with one, and give the same results. */
TEST(fused_steps_are_open_to_taps)
{
    sib_session *fast = chain_session("cpu,ref"), *ref = chain_session("ref");
    sib_value *x = given(), *plain[2], *watched[2], *expected[2];
    sib_error err = SIB_ERROR_INIT;
    sib_comparison c;
    int seen = 0;
    sib_run_options tapped = {.tap = count_tap, .tap_context = &seen};
    run(fast, x, plain, NULL);
    run(fast, x, watched, &tapped);
    run(ref, x, expected, NULL);
    assert_int_equal(seen, 6); /* the input and five nodes */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(sib_value_compare(plain[i], expected[i], &(sib_tolerance){1e-6, 1e-6, 0}, &c, &err), err);
        assert_true(c.equal);
        CHECK_OK(sib_value_compare(watched[i], expected[i], &(sib_tolerance){1e-6, 1e-6, 0}, &c, &err), err);
        assert_true(c.equal);
    }
    free_two(plain);
    free_two(watched);
    free_two(expected);
    sib_value_free(&x);
    sib_session_free(&fast);
    sib_session_free(&ref);
}

/* Number of steps of the milli-op `name` in a run. */
static uint64_t steps_of(sib_session *s, const sib_value *x, const char *name)
{
    sib_error err = SIB_ERROR_INIT;
    sib_profile *p = NULL;
    sib_profile_row row;
    sib_value *out[2];
    uint64_t calls = 0;
    CHECK_OK(sib_profile_create(&p, &err), err);
    run(s, x, out, &(sib_run_options){.profile = p});
    for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_MILLI, i, &row); i++)
        calls += strcmp(row.op_type, name) == 0 ? row.calls : 0;
    free_two(out);
    sib_profile_free(&p);
    return calls;
}

TEST(a_chain_is_one_step)
{
    sib_session *fast = chain_session("cpu,ref"), *ref = chain_session("ref");
    sib_value *x = given();
    assert_int_equal(steps_of(fast, x, "fused"), 1);
    assert_int_equal(steps_of(fast, x, "add"), 0);
    assert_int_equal(steps_of(ref, x, "fused"), 0);
    assert_int_equal(steps_of(ref, x, "add"), 1);
    sib_value_free(&x);
    sib_session_free(&fast);
    sib_session_free(&ref);
}

/* y = -|x|, and z = Tanh(MatMul(x, w)) + 1: two groups. */
static sib_session *groups_session(sib_session_options *o)
{
    static const double w[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, one[1] = {1};
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "T 3");
    value_id weight = tiny_constant(&t, "w", SIB_F32, 2, (int64_t[]){3, 3}, w);
    value_id number = tiny_constant(&t, "one", SIB_F32, 0, NULL, one);
    tiny_output(&t, tiny_op(&t, "Neg", tiny_op(&t, "Abs", x, NO_VALUE, "a"), NO_VALUE, "y"));
    value_id product = tiny_op(&t, "MatMul", x, weight, "p");
    tiny_output(&t, tiny_op(&t, "Add", tiny_op(&t, "Tanh", product, NO_VALUE, "b"), number, "z"));
    o->backends = "cpu,ref";
    o->threads = 1;
    return tiny_session(&t, o);
}

TEST(fusing_is_a_pass_with_a_name_and_a_limit)
{
    static const struct {
        sib_session_options options;
        uint64_t groups;
    } cases[] = {{{.passes = "-elementwise"}, 0},
                 {{.passes = "-all"}, 0},
                 {{.passes = "-all,elementwise"}, 2},
                 {{.limit_passes = true, .pass_limit = 0}, 0},
                 {{.limit_passes = true, .pass_limit = 1}, 1},
                 {{.limit_passes = true, .pass_limit = 2}, 2},
                 {{.limit_passes = true, .pass_limit = 9}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_session_options o = cases[i].options;
        sib_session *s = groups_session(&o);
        sib_value *x = given();
        assert_int_equal(sib_session_edits(s), 0);
        assert_int_equal(steps_of(s, x, "fused"), cases[i].groups);
        sib_value_free(&x);
        sib_session_free(&s);
    }
}

/* A chain is one step even if an unneeded node (its dims are known) reads a value made within the chain. */
TEST(a_chain_outlasts_nodes_without_use)
{
    static const double b[3] = {0.5, -1, 2};
    static const char *const passes[] = {NULL, "-all,elementwise"};
    for (int i = 0; i < 2; i++) {
        tiny t = tiny_begin();
        value_id x = tiny_input(&t, "x", SIB_F32, "5 3");
        value_id bias = tiny_constant(&t, "b", SIB_F32, 1, (int64_t[]){3}, b);
        value_id sum = tiny_op(&t, "Add", x, bias, "sum");
        value_id shares = tiny_op(&t, "Softmax", sum, NO_VALUE, "shares");
        value_id y = tiny_op(&t, "Mul", tiny_op(&t, "Tanh", sum, NO_VALUE, "bent"), x, "y");
        tiny_output(&t, tiny_op(&t, "Reshape", y, tiny_op(&t, "Shape", shares, NO_VALUE, "dims"), "r"));
        tiny_output(&t, sum);
        sib_session *s = tiny_session(
            &t, &(sib_session_options){.backends = "cpu,ref", .threads = 1, .passes = passes[i]});
        sib_value *in = given(), *out[2];
        assert_int_equal(steps_of(s, in, "fused"), 1);
        assert_int_equal(steps_of(s, in, "add"), 0);
        run(s, in, out, NULL);
        for (int k = 0; k < T * 3; k++) {
            float made = ((const float *)sib_tensor_data(sib_value_tensor(out[1])))[k];
            float from = ((const float *)sib_tensor_data(sib_value_tensor(in)))[k];
            assert_true(made == from + (float)b[k % 3]);
        }
        free_two(out);
        sib_value_free(&in);
        sib_session_free(&s);
    }
}
