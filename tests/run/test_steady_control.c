/* Repeated runs of operators with subgraphs: what they allocate, return and hold. */
#include "ops/case.h"
#include "tiny.h"

#include "tensor/tensor.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

static const char *const backends[] = {"ref", "cpu,ref"};

static uint64_t allocations(void)
{
    sib_alloc_counters now;
    sib_alloc_counters_get(&now);
    return now.allocations;
}

/* ---- Cases --------------------------------------------------------------------------------------------- */

#define ENDS_MAX 8
static const char *const names_of_inputs[ENDS_MAX] = {"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"};

static bool gives(const op_case *c, sib_value *const *out)
{
    sib_error err = SIB_ERROR_INIT;
    sib_comparison found = {0};
    bool same = true;
    for (size_t i = 0; i < c->n_out && same; i++)
        same =
            sib_value_compare(out[i], c->out[i].value, &(sib_tolerance){0, 0, 0}, &found, &err) == SIB_OK &&
            found.equal;
    return same;
}

/* A session of a case's model, and its inputs; *n: their number. */
static sib_session *session_of(const op_case *c, const char *names, sib_named_value in[ENDS_MAX], size_t *n)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *onnx = NULL;
    sib_model *m = NULL;
    sib_session *s = NULL;
    assert_true(c->n_in <= ENDS_MAX && c->n_out <= ENDS_MAX);
    CHECK_OK(case_model(c, CASE_CONCRETE, &onnx, &err), err);
    CHECK_OK(model_from_onnx(onnx, &m, &err), err);
    CHECK_OK(sib_session_create(m, &(sib_session_options){.backends = names, .threads = 1}, &s, &err), err);
    sib_model_free(&m);
    *n = 0;
    for (size_t i = 0; i < c->n_in; i++)
        if (c->in[i].value)
            in[(*n)++] = (sib_named_value){names_of_inputs[i], c->in[i].value};
    return s;
}

static void free_outputs(const op_case *c, sib_value **out)
{
    for (size_t i = 0; i < c->n_out; i++)
        sib_value_free(&out[i]);
}

/* Runs a case several times. Returns false, and prints why, if the results of a run differ or a late run
   allocates. */
static bool is_steady(const op_case *c, const char *names)
{
    sib_error err = SIB_ERROR_INIT;
    sib_named_value in[ENDS_MAX];
    sib_value *out[ENDS_MAX];
    size_t n;
    bool right = true;
    uint64_t made = 0;
    sib_session *s = session_of(c, names, in, &n);
    for (int turn = 0; turn < 10; turn++) {
        uint64_t before = allocations();
        CHECK_OK(sib_session_run(s, n, in, 0, NULL, out, NULL, &err), err);
        made += turn < 4 ? 0 : allocations() - before;
        right &= gives(c, out);
        free_outputs(c, out);
    }
    sib_session_free(&s);
    if (!right || made)
        fprintf(stderr, "%s:%u: %s on %s: %s, %" PRIu64 " allocations in 6 runs\n", c->file, c->line,
                c->label, names, right ? "right" : "wrong", made);
    return right && !made;
}

/* Outputs that the caller keeps do not change in later runs, and memory in use after many runs is that after
   few. */
static bool keeps_outputs(const op_case *c, const char *names)
{
    sib_error err = SIB_ERROR_INIT;
    sib_named_value in[ENDS_MAX];
    sib_value *out[12][ENDS_MAX];
    size_t n;
    bool right = true;
    sib_alloc_counters few, many;
    sib_session *s = session_of(c, names, in, &n);
    for (int times = 2; times <= 12; times += 10) {
        for (int turn = 0; turn < times; turn++)
            CHECK_OK(sib_session_run(s, n, in, 0, NULL, out[turn], NULL, &err), err);
        for (int turn = 0; turn < times; turn++) {
            right &= gives(c, out[turn]);
            free_outputs(c, out[turn]);
        }
        sib_alloc_counters_get(times == 2 ? &few : &many);
    }
    right &= many.bytes_current <= few.bytes_current + 512; /* a value of a few bytes may take that much */
    sib_session_free(&s);
    if (!right)
        fprintf(stderr,
                "%s:%u: %s on %s: outputs that are kept change, or %" PRIu64 " bytes stay of 12, %" PRIu64
                " of 2\n",
                c->file, c->line, c->label, names, many.bytes_current, few.bytes_current);
    return right;
}

/* A first run and a later one, with each allocation failing once; then one whose results must be right. */
static bool fails_well(const op_case *c, const char *names)
{
    sib_error err = SIB_ERROR_INIT;
    sib_named_value in[ENDS_MAX];
    sib_value *out[ENDS_MAX];
    size_t n;
    bool right = true;
    for (uint64_t successes = 0, done = 0; done < 2; successes++) {
        sib_session *s = session_of(c, names, in, &n);
        mem_fail_after(successes);
        done = 0;
        for (int turn = 0; turn < 2; turn++)
            if (sib_session_run(s, n, in, 0, NULL, out, NULL, &err) == SIB_OK) {
                free_outputs(c, out);
                done++;
            }
        mem_fail_never();
        err = (sib_error)SIB_ERROR_INIT;
        CHECK_OK(sib_session_run(s, n, in, 0, NULL, out, NULL, &err), err);
        right &= gives(c, out);
        free_outputs(c, out);
        sib_session_free(&s);
    }
    if (!right)
        fprintf(stderr, "%s:%u: %s on %s is wrong after a run without memory\n", c->file, c->line, c->label,
                names);
    return right;
}

typedef struct tally {
    bool (*check)(const op_case *c, const char *names);
    unsigned cases, failed;
} tally;

static bool visit(void *context, const op_case *c)
{
    tally *t = context;
    t->cases++;
    for (int b = 0; b < 2; b++)
        t->failed += !t->check(c, backends[b]);
    return true;
}

static bool malformed(void *context, const char *file, unsigned line, const char *words)
{
    fprintf(stderr, "%s:%u: %s\n", file, line, words);
    ((tally *)context)->failed++;
    return true;
}

static void check_all(bool (*check)(const op_case *c, const char *names))
{
    sib_error err = SIB_ERROR_INIT;
    char path[600];
    tally t = {.check = check};
    const char *source = getenv("SIBYL_SOURCE");
    snprintf(path, sizeof path, "%s/tests/run/steady.cases", source ? source : ".");
    CHECK_OK(case_each(path, &(case_visitor){visit, malformed, &t}, &err), err);
    assert_true(t.cases > 30);
    assert_int_equal(t.failed, 0);
}

TEST(steady_runs_allocate_nothing)
{
    check_all(is_steady);
}

TEST(outputs_that_are_kept_stay)
{
    check_all(keeps_outputs);
}

TEST_ALONE(runs_without_memory_fail_well)
{
    check_all(fails_well);
}

/* ---- A model whose inputs change ----------------------------------------------------------------------- */

#define WIDTH 4

static attribute of_graph(const char *name, graph *g)
{
    return (attribute){.name = str_of(name), .kind = ATTR_GRAPH, .graph = g};
}

/* z = up ? |x| : x, as a column; then a Loop of n iterations: y' = y + x from y = 0, collecting x as a
   column, and y'. */
static sib_session *turning_session(const char *names)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    static const double zeros[WIDTH];
    value_id n = tiny_input(&t, "n", SIB_I64, ""), up = tiny_input(&t, "up", SIB_BOOL, ""),
             x = tiny_input(&t, "x", SIB_F32, "4");
    value_id start = tiny_constant(&t, "start", SIB_F32, 1, (int64_t[]){WIDTH}, zeros);
    value_id column = tiny_constant(&t, "column", SIB_I64, 1, (int64_t[]){2}, (double[]){WIDTH, 1});
    value_id z = tiny_made(&t, "z"),
             outs[] = {tiny_made(&t, "last"), tiny_made(&t, "columns"), tiny_made(&t, "sums")};
    graph *branches[2];
    for (int k = 0; k < 2; k++) {
        value_id inner, shape;
        branches[k] = tiny_enter(&t);
        CHECK_OK(graph_capture(t.g, x, &inner, &err), err);
        CHECK_OK(graph_capture(t.g, column, &shape, &err), err);
        value_id made = k ? tiny_op(&t, "Abs", inner, NO_VALUE, "size") : inner;
        tiny_output(&t, tiny_op(&t, "Reshape", made, shape, "branch_z"));
        tiny_leave(&t);
    }
    tiny_node(&t, "If", "choose", 1, &up, 1, &z, 2,
              (attribute[]){of_graph("then_branch", branches[1]), of_graph("else_branch", branches[0])});
    graph *body = tiny_enter(&t);
    tiny_input(&t, "i", SIB_I64, "");
    value_id go = tiny_input(&t, "go", SIB_BOOL, ""), y = tiny_input(&t, "y", SIB_F32, "4"), given, shape;
    CHECK_OK(graph_capture(body, x, &given, &err), err);
    CHECK_OK(graph_capture(body, column, &shape, &err), err);
    value_id next = tiny_op(&t, "Add", y, given, "next");
    tiny_output(&t, go);
    tiny_output(&t, next);
    tiny_output(&t, tiny_op(&t, "Reshape", given, shape, "as_column"));
    tiny_output(&t, next);
    tiny_leave(&t);
    attribute a = of_graph("body", body);
    tiny_node(&t, "Loop", "turn", 3, (value_id[]){n, NO_VALUE, start}, 3, outs, 1, &a);
    tiny_output(&t, z);
    for (int i = 0; i < 3; i++)
        tiny_output(&t, outs[i]);
    return tiny_session(&t, &(sib_session_options){.backends = names, .threads = 1});
}

/* Runs with x, (WIDTH), and returns whether all results are right. */
static bool turns_right(sib_session *s, int turns, bool up, const sib_value *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *n = tiny_given(SIB_I64, 0, NULL, (double[]){turns}), *out[4];
    sib_value *condition = tiny_given(SIB_BOOL, 0, NULL, (double[]){up});
    sib_named_value in[] = {{"n", n}, {"up", condition}, {"x", x}};
    const float *row = sib_tensor_data(sib_value_tensor(x));
    bool right = sib_session_run(s, 3, in, 0, NULL, out, NULL, &err) == SIB_OK;
    for (int i = 0; right && i < WIDTH; i++) {
        const float *z = sib_tensor_data(sib_value_tensor(out[0])),
                    *last = sib_tensor_data(sib_value_tensor(out[1]));
        right = z[i] == (up && row[i] < 0 ? -row[i] : row[i]) && last[i] == (float)turns * row[i];
        for (int k = 0; right && k < turns; k++) {
            const float *columns = sib_tensor_data(sib_value_tensor(out[2])),
                        *sums = sib_tensor_data(sib_value_tensor(out[3]));
            right = columns[k * WIDTH + i] == row[i] && sums[k * WIDTH + i] == (float)(k + 1) * row[i];
        }
    }
    right = right && sib_tensor_dims(sib_value_tensor(out[2]))[0] == turns &&
            sib_tensor_dims(sib_value_tensor(out[3]))[0] == turns;
    for (int i = 0; i < 4 && !err.code; i++)
        sib_value_free(&out[i]);
    sib_value_free(&n);
    sib_value_free(&condition);
    return right;
}

static const double some_x[WIDTH] = {1, -2, 3, -4};

/* Conditions and numbers of iterations that recur cost no more than their values, whatever ran between. */
TEST(turns_and_conditions_change)
{
    for (int b = 0; b < 2; b++) {
        sib_session *s = turning_session(backends[b]);
        sib_value *x = tiny_given(SIB_F32, 1, (int64_t[]){WIDTH}, some_x);
        for (int k = 0; k < 60; k++)
            assert_true(turns_right(s, k * 7 % 20, k % 3 == 0, x));
        uint64_t first = 0;
        for (int k = 0; k < 12; k++) { /* making the inputs allocates the same each time */
            uint64_t before = allocations();
            assert_true(turns_right(s, 15, k % 2, x));
            first = k == 5 ? allocations() - before : first;
            assert_true(k <= 5 || allocations() - before == first);
        }
        uint64_t before = allocations();
        sib_value *n = tiny_given(SIB_I64, 0, NULL, (double[]){15}),
                  *condition = tiny_given(SIB_BOOL, 0, NULL, (double[]){1});
        assert_int_equal(allocations() - before, first);
        sib_value_free(&n);
        sib_value_free(&condition);
        sib_value_free(&x);
        sib_session_free(&s);
    }
}

static void count_release(void *context)
{
    ++*(int *)context;
}

/* Views of the caller's memory inside subgraphs end with the run. */
TEST(memory_of_inputs_is_let_go)
{
    for (int up = 0; up < 2; up++) {
        sib_error err = SIB_ERROR_INIT;
        sib_session *s = turning_session("cpu,ref");
        for (int k = 0; k < 3; k++) {
            float memory[WIDTH] = {1, -2, 3, -4};
            int released = 0;
            sib_tensor *t = NULL;
            sib_value *x = NULL;
            CHECK_OK(sib_tensor_wrap(SIB_F32, 1, (int64_t[]){WIDTH}, NULL, memory, count_release, &released,
                                     &t, &err),
                     err);
            CHECK_OK(sib_value_from_tensor(t, &x, &err), err);
            sib_tensor_free(&t);
            assert_true(turns_right(s, 3, up, x));
            assert_int_equal(released, 0);
            sib_value_free(&x);
            assert_int_equal(released, 1);
        }
        sib_session_free(&s);
    }
}

#define LONG 1000

/* A Loop that collects x + i, (LONG), in a sequence, which is concatenated after it. */
static sib_session *collecting_session(void)
{
    sib_error err = SIB_ERROR_INIT;
    tiny t = tiny_begin();
    value_id n = tiny_input(&t, "n", SIB_I64, ""), x = tiny_input(&t, "x", SIB_F32, "1000");
    value_id empty = tiny_made(&t, "empty"), all = tiny_made(&t, "all"), y = tiny_made(&t, "y");
    tiny_node(&t, "SequenceEmpty", "none", 0, NULL, 1, &empty, 0, NULL);
    graph *body = tiny_enter(&t);
    value_id turn = tiny_input(&t, "i", SIB_I64, ""), go = tiny_input(&t, "go", SIB_BOOL, ""), given;
    value_id list = tiny_value(&t, "list", SIB_F32, NULL), number = tiny_made(&t, "number");
    t.g->values[list].type.depth = 1;
    t.g->values[list].type.wrap[0] = TYPE_SEQUENCE;
    CHECK_OK(graph_add_input(t.g, list, &err), err);
    CHECK_OK(graph_capture(body, x, &given, &err), err);
    attribute to = {.name = str_of("to"), .kind = ATTR_INT, .i = SIB_F32}, a;
    tiny_node(&t, "Cast", "n_number", 1, &turn, 1, &number, 1, &to);
    value_id item = tiny_op(&t, "Add", given, number, "item");
    tiny_output(&t, go);
    tiny_output(&t, tiny_op(&t, "SequenceInsert", list, item, "longer"));
    tiny_leave(&t);
    a = of_graph("body", body);
    tiny_node(&t, "Loop", "collect", 3, (value_id[]){n, NO_VALUE, empty}, 1, &all, 1, &a);
    a = (attribute){.name = str_of("axis"), .kind = ATTR_INT, .i = 0};
    tiny_node(&t, "ConcatFromSequence", "join", 1, &all, 1, &y, 1, &a);
    tiny_output(&t, y);
    return tiny_session(&t, &(sib_session_options){.backends = "cpu,ref", .threads = 1});
}

/* The values that a loop collects are freed after it. */
TEST(what_is_collected_goes)
{
    static double zeros[LONG];
    sib_error err = SIB_ERROR_INIT;
    sib_session *s = collecting_session();
    uint64_t after[2];
    for (int many = 0; many < 2; many++) {
        sib_value *n = tiny_given(SIB_I64, 0, NULL, (double[]){many ? 40 : 2}), *y;
        sib_value *x = tiny_given(SIB_F32, 1, (int64_t[]){LONG}, zeros);
        sib_named_value in[] = {{"n", n}, {"x", x}};
        for (int turn = 0; turn < 2; turn++) {
            CHECK_OK(sib_session_run(s, 2, in, 0, NULL, &y, NULL, &err), err);
            assert_int_equal(sib_tensor_count(sib_value_tensor(y)), (many ? 40 : 2) * LONG);
            assert_true(((const float *)sib_tensor_data(sib_value_tensor(y)))[LONG + 3] == 1);
            sib_value_free(&y);
        }
        sib_value_free(&n);
        sib_value_free(&x);
        sib_alloc_counters now;
        sib_alloc_counters_get(&now);
        after[many] = now.bytes_current;
    }
    assert_true(after[1] < after[0] + LONG * sizeof(float));
    sib_session_free(&s);
}

typedef struct runner {
    sib_session *session;
    int seed;
    bool right;
} runner;

static void *run_often(void *context)
{
    runner *r = context;
    double numbers[WIDTH];
    for (int i = 0; i < WIDTH; i++)
        numbers[i] = some_x[i] * (r->seed + 1);
    sib_value *x = tiny_given(SIB_F32, 1, (int64_t[]){WIDTH}, numbers);
    r->right = true;
    for (int k = 0; k < 200 && r->right; k++)
        r->right = turns_right(r->session, (k + r->seed) % 5 + 1, k % 2, x);
    sib_value_free(&x);
    return NULL;
}

TEST(threads_share_a_session)
{
    runner runners[4];
    pthread_t threads[4];
    sib_session *s = turning_session("cpu,ref");
    for (int i = 0; i < 4; i++) {
        runners[i] = (runner){s, i, false};
        assert_int_equal(pthread_create(&threads[i], NULL, run_often, &runners[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        assert_true(runners[i].right);
    sib_session_free(&s);
}
