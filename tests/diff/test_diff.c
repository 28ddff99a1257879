/* Nodes on the values of another run: a fault shows in its node alone, rounding in none. */
#include "../run/tiny.h"

#include "diff/judge.h"

#include <math.h>

#define COLUMNS 64
#define ROWS    4

typedef struct values {
    size_t n;
    sib_named_value items[16];
} values;

static sib_code keep_value(void *context, const sib_tap_event *e, sib_error *err)
{
    values *all = context;
    sib_value *copy = NULL;
    sib_code code = sib_value_clone(e->value, &copy, err);
    assert_true(all->n < 16);
    all->items[all->n++] = (sib_named_value){strdup(e->name), copy};
    return code;
}

static void free_values(values *all)
{
    for (size_t i = 0; i < all->n; i++) {
        sib_value_free((sib_value **)&all->items[i].value);
        free((char *)all->items[i].name);
    }
}

static sib_value *find(const values *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (!strcmp(all->items[i].name, name))
            return (sib_value *)all->items[i].value;
    fail_msg("there is no value %s", name);
    return NULL;
}

static float *floats(const values *all, const char *name)
{
    return sib_tensor_data(sib_value_tensor(find(all, name)));
}

/* h = x * w, b = h + bias, a = Tanh(b), z = ReduceSum(a), q = QuantizeLinear(a, 0.01). fault: added to one weight. */
static sib_model *network(double fault)
{
    tiny t = tiny_begin();
    double w[COLUMNS * COLUMNS], bias[COLUMNS], scale = 0.01, zero = 0;
    for (int i = 0; i < COLUMNS * COLUMNS; i++)
        w[i] = sin(i * 1.7) / 8;
    for (int i = 0; i < COLUMNS; i++)
        bias[i] = cos(i);
    bias[5] += fault;
    value_id x = tiny_input(&t, "x", SIB_F32, "N 64");
    value_id h =
        tiny_op(&t, "MatMul", x, tiny_constant(&t, "w", SIB_F32, 2, (int64_t[]){COLUMNS, COLUMNS}, w), "h");
    value_id b =
        tiny_op(&t, "Add", h, tiny_constant(&t, "bias", SIB_F32, 1, (int64_t[]){COLUMNS}, bias), "b");
    value_id a = tiny_op(&t, "Tanh", b, NO_VALUE, "a");
    tiny_output(&t, tiny_op(&t, "ReduceSum", a, NO_VALUE, "z"));
    value_id in[] = {a, tiny_constant(&t, "scale", SIB_F32, 0, NULL, &scale),
                     tiny_constant(&t, "zero", SIB_I8, 0, NULL, &zero)},
             q = tiny_made(&t, "q");
    tiny_node(&t, "QuantizeLinear", "n_q", 3, in, 1, &q, 0, NULL);
    tiny_output(&t, q);
    return tiny_model(&t);
}

static values run_of(sib_model *m)
{
    sib_error err = SIB_ERROR_INIT;
    values all = {0};
    sib_session *s = NULL;
    sib_value *out[2];
    double x[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++)
        x[i] = sin(i * 0.37);
    sib_value *in = tiny_given(SIB_F32, 2, (int64_t[]){ROWS, COLUMNS}, x);
    const sib_run_options o = {.tap = keep_value, .tap_context = &all};
    CHECK_OK(sib_session_create(m, &(sib_session_options){.backends = "ref"}, &s, &err), err);
    CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"x", in}, 0, NULL, out, &o, &err), err);
    sib_value_free(&out[0]);
    sib_value_free(&out[1]);
    sib_value_free(&in);
    sib_session_free(&s);
    return all;
}

/* The names of values that differ, each followed by a blank. */
static void expect(sib_model *m, const values *theirs, const char *names)
{
    static const char *const backends[] = {"ref", "cpu,ref"};
    sib_error err = SIB_ERROR_INIT;
    for (int k = 0; k < 2; k++) {
        sib_diff *d = NULL;
        sib_diff_row r;
        char found[200] = "";
        CHECK_OK(sib_diff_create(m, theirs->n, theirs->items, &(sib_diff_options){.backends = backends[k]},
                                 &d, &err),
                 err);
        for (size_t i = 0; sib_diff_get(d, i, &r); i++)
            if (r.differs)
                snprintf(found + strlen(found), sizeof found - strlen(found), "%s ", r.name);
        assert_string_equal(found, names);
        sib_diff_free(&d);
    }
}

TEST(a_fault_shows_in_its_node_alone)
{
    sib_model *m = network(0), *other = network(1e-4);
    values same = run_of(m), theirs = run_of(other);
    assert_true(floats(&same, "z")[0] != floats(&theirs, "z")[0]);
    expect(m, &same, "");
    expect(m, &theirs, "b ");
    free_values(&same);
    free_values(&theirs);
    sib_model_free(&m);
    sib_model_free(&other);
}

TEST(what_a_row_says)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = network(0);
    values theirs = run_of(m);
    sib_diff *d = NULL;
    sib_diff_row r;
    floats(&theirs, "b")[COLUMNS + 3] *= 1.5f;
    floats(&theirs, "b")[7] = NAN;
    CHECK_OK(sib_diff_create(m, theirs.n, theirs.items, NULL, &d, &err), err);
    assert_true(sib_diff_get(d, 0, &r));
    assert_string_equal(r.name, "h");
    assert_false(r.differs);
    assert_true(sib_diff_get(d, 1, &r));
    assert_string_equal(r.name, "b");
    assert_string_equal(r.node, "n_b");
    assert_string_equal(r.op_type, "Add");
    assert_true(r.differs);
    assert_null(r.problem);
    assert_int_equal(r.figures.n_different, 2);
    assert_int_equal(r.figures.n_nan_mismatch, 1);
    assert_int_equal(r.n_nan_ours, 0);
    assert_int_equal(r.n_nan_theirs, 1);
    assert_int_equal(r.figures.first, 7);
    assert_true(isnan(r.figures.first_b));
    assert_true(r.excess > 64 && r.cosine < 1 && r.cosine > 0.9);
    assert_true(r.error > 1e-3 && r.noise < 1e-6 && r.noise > 0);
    uint64_t n = 0;
    for (size_t i = 0; i < SIB_DIFF_DISTANCES; i++)
        n += r.distances[i];
    assert_int_equal(n, ROWS * COLUMNS);
    assert_int_equal(r.distances[SIB_DIFF_DISTANCES - 1], 2);
    assert_false(sib_diff_get(d, 5, &r));
    sib_diff_free(&d);
    free_values(&theirs);
    sib_model_free(&m);
}

TEST(the_last_bits_are_no_fault)
{
    sib_model *m = network(0);
    values theirs = run_of(m);
    for (int i = 0; i < ROWS * COLUMNS; i++) /* as another order of sums does */
        floats(&theirs, "h")[i] += (i % 3 - 1) * 4e-7f;
    expect(m, &theirs, "");
    for (int i = 0; i < ROWS * COLUMNS; i++)
        floats(&theirs, "h")[i] *= 1 + 1e-4f;
    expect(m, &theirs, "h ");
    free_values(&theirs);
    sib_model_free(&m);
}

TEST(a_tie_may_round_either_way)
{
    sib_model *m = network(0);
    values theirs = run_of(m);
    int8_t *q = sib_tensor_data(sib_value_tensor(find(&theirs, "q")));
    floats(&theirs, "a")[9] = 0.125f; /* 12.5 steps */
    q[9] = 13;
    floats(&theirs, "a")[10] = 0.123f;
    q[10] = 12;
    /* what Tanh makes of b is not that */
    sib_error err = SIB_ERROR_INIT;
    sib_diff *d = NULL;
    sib_diff_row r;
    for (int k = 0; k < 2; k++) {
        CHECK_OK(sib_diff_create(m, theirs.n, theirs.items, NULL, &d, &err), err);
        for (size_t i = 0; sib_diff_get(d, i, &r) && strcmp(r.name, "q");)
            i++;
        assert_string_equal(r.name, "q");
        assert_int_equal(r.differs, k); /* 12.3 steps are no tie */
        assert_int_equal(r.figures.n_different, k);
        sib_diff_free(&d);
        q[10] = 13;
    }
    free_values(&theirs);
    sib_model_free(&m);
}

TEST(large_terms_explain_a_small_sum)
{
    tiny t = tiny_begin();
    sib_error err = SIB_ERROR_INIT;
    tiny_output(&t, tiny_op(&t, "ReduceSum", tiny_input(&t, "x", SIB_F32, "N"), NO_VALUE, "z"));
    sib_model *m = tiny_model(&t);
    const double x[] = {1e6 + 0.0625, 0.25, -1e6 - 0.125}, near = 0.25, far = 40;
    sib_value *in = tiny_given(SIB_F32, 1, (int64_t[]){3}, x);
    for (int k = 0; k < 2; k++) {
        sib_value *z = tiny_given(SIB_F32, 1, (int64_t[]){1}, k ? &far : &near);
        sib_diff *d = NULL;
        sib_diff_row r;
        const sib_named_value theirs[] = {{"z", z}, {"x", in}};
        CHECK_OK(sib_diff_create(m, 2, theirs, NULL, &d, &err), err);
        assert_true(sib_diff_get(d, 0, &r));
        assert_int_equal(r.differs, k);
        sib_diff_free(&d);
        sib_value_free(&z);
    }
    sib_value_free(&in);
    sib_model_free(&m);
}

/* Of "a" other dims: its row says so, the nodes that read it cannot run, and others are compared. */
TEST(a_node_that_cannot_run_is_a_row)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2 2"), a = tiny_op(&t, "Transpose", x, NO_VALUE, "a");
    tiny_output(&t, tiny_op(&t, "MatMul", a, x, "p"));
    tiny_output(&t, tiny_op(&t, "Neg", x, NO_VALUE, "n"));
    sib_model *m = tiny_model(&t);
    const double four[] = {1, 2, 3, 4}, negative[] = {-1, -2, -3, -4};
    const int64_t square[] = {2, 2}, row[] = {1, 3};
    sib_value *in = tiny_given(SIB_F32, 2, square, four), *wrong = tiny_given(SIB_F32, 2, row, four),
              *n = tiny_given(SIB_F32, 2, square, negative);
    const sib_named_value theirs[] = {{"x", in}, {"a", wrong}, {"p", in}, {"n", n}};
    sib_diff *d = NULL;
    sib_diff_row r;
    CHECK_OK(sib_diff_create(m, 4, theirs, NULL, &d, &err), err);
    assert_true(sib_diff_get(d, 0, &r) && r.differs && r.problem);
    assert_string_equal(r.name, "a");
    assert_non_null(strstr(r.problem, "(2, 2)"));
    assert_true(sib_diff_get(d, 1, &r) && r.differs && r.problem);
    assert_string_equal(r.name, "p");
    assert_true(sib_diff_get(d, 2, &r) && !r.differs && !r.problem);
    assert_false(sib_diff_get(d, 3, &r));
    sib_diff_free(&d);
    sib_value_free(&in);
    sib_value_free(&wrong);
    sib_value_free(&n);
    sib_model_free(&m);
}

TEST(nodes_between_given_values_run_on_ours)
{
    sib_model *m = network(0), *other = network(1e-4);
    values theirs = run_of(other), few = {.n = 2};
    few.items[0] = (sib_named_value){"x", find(&theirs, "x")};
    few.items[1] = (sib_named_value){"a", find(&theirs, "a")};
    expect(m, &few, "a ");
    expect(other, &few, "");
    free_values(&theirs);
    sib_model_free(&m);
    sib_model_free(&other);
}

TEST(random_operators_explain_anything)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, "x", SIB_F32, "2 3");
    tiny_output(&t, tiny_op(&t, "RandomNormalLike", x, NO_VALUE, "r"));
    sib_model *m = tiny_model(&t);
    const double some[] = {0.1, -0.2, 0.5, 1.1, -0.7, 0.3};
    values theirs = {.n = 2};
    for (int i = 0; i < 2; i++)
        theirs.items[i] =
            (sib_named_value){strdup(i ? "r" : "x"), tiny_given(SIB_F32, 2, (int64_t[]){2, 3}, some)};
    expect(m, &theirs, "");
    free_values(&theirs);
    sib_model_free(&m);
}

TEST(arguments)
{
    sib_error err = SIB_ERROR_INIT;
    sib_model *m = network(0);
    values theirs = run_of(m);
    sib_diff *d = NULL;
    const sib_named_value x = theirs.items[0], none = {"nobody", x.value}, twice[] = {x, x};
    assert_string_equal(x.name, "x");
    CHECK_FAILS(sib_diff_create(NULL, 1, &x, NULL, &d, &err), SIB_ERR_ARGUMENT, err, "NULL");
    CHECK_FAILS(sib_diff_create(m, 1, &x, NULL, &d, &err), SIB_ERR_ARGUMENT, err,
                "no node makes any of the 1 values");
    CHECK_FAILS(sib_diff_create(m, 1, &none, NULL, &d, &err), SIB_ERR_ARGUMENT, err, "no value 'nobody'");
    CHECK_FAILS(sib_diff_create(m, 2, twice, NULL, &d, &err), SIB_ERR_ARGUMENT, err, "'x' is given twice");
    CHECK_FAILS(sib_diff_create(m, 1, &(sib_named_value){"x", NULL}, NULL, &d, &err), SIB_ERR_ARGUMENT, err,
                "value 0 is NULL");
    CHECK_FAILS(
        sib_diff_create(m, theirs.n, theirs.items, &(sib_diff_options){.backends = "abacus"}, &d, &err),
        SIB_ERR_ARGUMENT, err, "'abacus'");
    assert_null(d);
    sib_cancel *c = NULL;
    CHECK_OK(sib_cancel_create(&c, &err), err);
    sib_cancel_set(c);
    CHECK_FAILS(sib_diff_create(m, theirs.n, theirs.items, &(sib_diff_options){.cancel = c}, &d, &err),
                SIB_ERR_CANCELLED, err, "cancelled");
    sib_cancel_free(&c);
    free_values(&theirs);
    sib_model_free(&m);
}

/* ---- Values of several tensors, and complex ones ---- */

/* (n) float32 or complex64 of the numbers, which begin at `at`. */
static sib_value *numbers(sib_dtype dtype, int64_t n, const float *at)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    sib_value *v;
    CHECK_OK(sib_tensor_create(dtype, 1, &n, &t, &err), err);
    memcpy(sib_tensor_data(t), at, (size_t)n * (dtype == SIB_C64 ? 8 : 4));
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&t);
    return v;
}

/* A sequence of six numbers in two tensors, or three complex ones. */
static sib_value *several(bool sequence, const float *at)
{
    sib_error err = SIB_ERROR_INIT;
    if (!sequence)
        return numbers(SIB_C64, 3, at);
    sib_value *items[] = {numbers(SIB_F32, 4, at), numbers(SIB_F32, 2, at + 4)}, *v;
    CHECK_OK(sib_value_sequence(2, (const sib_value *const *)items, &v, &err), err);
    sib_value_free(&items[0]);
    sib_value_free(&items[1]);
    return v;
}

/* Judged with a sample that is one step away in each number, but for the last, which no sample moves. */
static sib_diff_row judged(bool sequence, const float ours[6], const float theirs[6], const float sample[6])
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *a = several(sequence, ours), *b = several(sequence, theirs), *s = several(sequence, sample);
    sib_diff_row r = {.name = NULL};
    char problem[PROBLEM_SIZE] = "";
    judge j;
    CHECK_OK(judge_begin(&j, "Loop", a, b, &err), err);
    assert_int_equal(j.n, 6);
    judge_exact(&j, a);
    judge_sample(&j, s);
    CHECK_OK(judge_end(&j, 64, &r, problem, &err), err);
    assert_string_equal(problem, "");
    judge_free(&j);
    sib_value_free(&a);
    sib_value_free(&b);
    sib_value_free(&s);
    return r;
}

TEST(sequences_and_complex_numbers_within_rounding)
{
    const float ours[6] = {1, -2, 3, -4, 5, 6};
    float sample[6], theirs[6];
    for (int i = 0; i < 6; i++)
        theirs[i] = sample[i] = nextafterf(ours[i], 99);
    for (int sequence = 0; sequence < 2; sequence++) {
        sib_diff_row r = judged(sequence, ours, theirs, sample);
        assert_false(r.differs);
        assert_int_equal(r.distances[1], 6);
        theirs[4] = 5.01f;
        r = judged(sequence, ours, theirs, sample);
        assert_true(r.differs && r.excess > 64);
        assert_int_equal(r.figures.first, sequence ? 4 : 2);
        assert_int_equal(r.figures.n_different, 1);
        theirs[5] = -6;
        r = judged(sequence, ours, theirs, sample);
        assert_int_equal(r.figures.n_different, sequence ? 2 : 1);
        theirs[4] = sample[4];
        theirs[5] = sample[5];
    }
}

TEST(sequences_and_complex_numbers_move)
{
    const float ours[6] = {0.1f, -0.2f, 0.3f, -0.4f, 0.5f, 1};
    sib_error err = SIB_ERROR_INIT;
    for (int sequence = 0; sequence < 2; sequence++) {
        sib_value *v = several(sequence, ours), *moved;
        CHECK_OK(move_value(v, MOVE_AWAY, 1, &moved, &err), err);
        for (size_t k = 0, i = 0; k < 2; k++) {
            const sib_value *one = sequence ? sib_value_item(moved, k) : moved;
            const sib_tensor *t = sib_value_tensor(one);
            const size_t n = sequence ? (size_t)sib_tensor_count(t) : k ? 0 : 6;
            for (size_t e = 0; e < n; e++, i++) /* the integer stays */
                assert_true(((const float *)sib_tensor_data(t))[e] ==
                            (i == 5 ? 1 : nextafterf(ours[i], ours[i] > 0 ? 99 : -99)));
        }
        sib_value_free(&moved);
        sib_value_free(&v);
    }
}
