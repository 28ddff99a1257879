/* Calls of several runs made as one: the same values as one by one, from fewer calls. */
#include "check_memory.h"
#include "job/jobs.h"

#include <sibyl/watch.h>

#define MOST 12

/* hidden [B, N, 2]: rows of a table, those of mask 0 as zeros, plus their sum; total [B, 1, 2]: that sum. */
static void save_encoder(void)
{
    static const double table[] = {9, 9, 1, -2, 30, 4, 5, 600, -7, 8};
    tiny t = tiny_begin();
    value_id rows = tiny_constant(&t, "table", SIB_I64, DIMS(5, 2), table),
             last = tiny_constant(&t, "last", SIB_I64, DIMS(1), OF(2)),
             tokens = tiny_constant(&t, "tokens", SIB_I64, DIMS(1), OF(1)),
             ids = tiny_input(&t, "ids", SIB_I64, "B N"), mask = tiny_input(&t, "mask", SIB_I64, "B N");
    value_id masked = tiny_op(&t, "Mul", tiny_op(&t, "Gather", rows, ids, "rows"),
                              tiny_op(&t, "Unsqueeze", mask, last, "wide"), "masked");
    value_id sum = tiny_op(&t, "ReduceSum", masked, tokens, "total");
    tiny_output(&t, tiny_op(&t, "Add", masked, sum, "hidden"));
    tiny_output(&t, sum);
    save_model(&t, "encoder.onnx");
}

static int make_encoder_folder(void)
{
    if (make_folder())
        return -1;
    save_encoder();
    return 0;
}

#define DOCUMENT(call)                                                                                       \
    "{\"sibyl_job\": 1, \"kind\": \"test\", \"models\": {\"m\": \"encoder.onnx\"}, \"calls\": "              \
    "{\"encoder\": "                                                                                         \
    "{\"model\": \"m\", \"inputs\": {\"ids\": \"ids\", \"mask\": \"mask\"}, "                                \
    "\"outputs\": {\"hidden\": \"hidden\", \"total\": \"total\"}" call "}}, "                                \
    "\"inputs\": {\"ids\": \"tokens\", \"mask\": {\"type\": \"tokens\", \"default\": null}}, \"nodes\": ["   \
    "{\"name\": \"ones\", \"op\": \"fill\", \"inputs\": {\"like\": \"$ids\"}}, "                             \
    "{\"name\": \"encode\", \"op\": \"call\", \"calls\": {\"model\": \"encoder\"}, "                         \
    "\"inputs\": {\"ids\": \"$ids\", \"mask\": \"$ones\"}}], "                                               \
    "\"outputs\": {\"hidden\": \"$encode.hidden\", \"total\": \"$encode.total\", \"ids\": \"$ids\"}}"
#define PADDED ", \"batch\": {\"pad\": 0, \"cut\": [\"hidden\"]}"

/* Ids of n runs of these lengths, the last id of each its length's remainder. */
static void make_runs(size_t n, const size_t *lengths, int32_t (*ids)[600], sib_job_value *in)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < lengths[i]; k++)
            ids[i][k] = (int32_t)(1 + (i + k * k) % 4);
        in[i] = tokens("ids", lengths[i], ids[i]);
    }
}

/* Calls of the model that a profile has seen. */
static size_t count_calls(const sib_profile *p)
{
    sib_time_span span;
    size_t n = 0;
    for (size_t i = 0; sib_profile_span(p, i, &span); i++)
        n += span.kind == SIB_SPAN_CALL && !strncmp(span.name, "encoder", 7);
    return n;
}

static void expect_same(const sib_port_value *a, const sib_port_value *b)
{
    assert_int_equal(a->type, b->type);
    if (a->type == SIB_PORT_TOKENS) {
        expect_tokens(a, b->tokens.n, b->tokens.ids);
        return;
    }
    const size_t rank = sib_tensor_rank(b->tensor);
    assert_int_equal(sib_tensor_rank(a->tensor), rank);
    assert_true(sib_tensor_is_dense(a->tensor));
    for (size_t i = 0; i < rank; i++)
        assert_int_equal(sib_tensor_dims(a->tensor)[i], sib_tensor_dims(b->tensor)[i]);
    assert_int_equal(sib_tensor_dtype(a->tensor), SIB_I64);
    assert_memory_equal(sib_tensor_data(a->tensor), sib_tensor_data(b->tensor),
                        sib_tensor_count(b->tensor) * sizeof(int64_t));
}

static int32_t ids[MOST][600];

/* Runs these lengths at once and one by one. Returns the calls at once. */
static size_t compare(const sib_job *j, size_t n, const size_t *lengths)
{
    sib_error err = SIB_ERROR_INIT;
    sib_profile *p = NULL;
    sib_job_value in[MOST], a, b;
    sib_job_result *many[MOST] = {0};
    make_runs(n, lengths, ids, in);
    CHECK_OK(sib_profile_create(&p, &err), err);
    const sib_job_run_options o = {.profile = p};
    CHECK_OK(sib_job_run_many(j, n, 1, in, 0, NULL, &o, many, &err), err);
    for (size_t i = 0; i < n; i++) {
        sib_job_result *one = run_with(j, 1, &in[i], NULL);
        for (size_t k = 0; k < 3; k++) {
            assert_true(sib_job_result_get(many[i], k, &a) && sib_job_result_get(one, k, &b));
            assert_string_equal(a.name, b.name);
            expect_same(&a.value, &b.value);
        }
        sib_job_result_free(&one);
        sib_job_result_free(&many[i]);
    }
    const size_t calls = count_calls(p);
    sib_profile_free(&p);
    return calls;
}

TEST(several_runs_in_fewer_calls)
{
    static const struct {
        size_t n, padded, equal; /* calls with padding, and of equal lengths alone */
        size_t lengths[MOST];
    } cases[] = {{1, 1, 1, {3}},
                 {3, 1, 1, {4, 4, 4}},
                 {4, 1, 4, {7, 4, 6, 5}},
                 {6, 2, 5, {5, 3, 40, 3, 41, 4}},  /* 36 tokens for each of four are too many */
                 {5, 3, 3, {300, 250, 2, 250, 2}}, /* 300 are not filled up to, 512 tokens at most */
                 {2, 2, 2, {600, 600}},
                 {4, 3, 3, {0, 2, 0, 2}}};
    sib_job *padded = job_of(DOCUMENT(PADDED)), *equal = job_of(DOCUMENT(", \"batch\": {}")),
            *none = job_of(DOCUMENT(""));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(compare(padded, cases[i].n, cases[i].lengths), cases[i].padded);
        assert_int_equal(compare(equal, cases[i].n, cases[i].lengths), cases[i].equal);
        assert_int_equal(compare(none, cases[i].n, cases[i].lengths), cases[i].n);
    }
    sib_job_free(&padded);
    sib_job_free(&equal);
    sib_job_free(&none);
}

/* Outputs that do not need the call make none. */
TEST(calls_that_nobody_needs)
{
    static const char *const outputs[] = {"ids"};
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = job_of(DOCUMENT(PADDED));
    sib_job_value in[2];
    sib_job_result *r[2];
    sib_profile *p = NULL;
    make_runs(2, (const size_t[]){2, 3}, ids, in);
    CHECK_OK(sib_profile_create(&p, &err), err);
    const sib_job_run_options o = {.profile = p};
    CHECK_OK(sib_job_run_many(j, 2, 1, in, 1, outputs, &o, r, &err), err);
    for (size_t i = 0; i < 2; i++) {
        expect_tokens(sib_job_result_find(r[i], "ids"), 2 + i, ids[i]);
        sib_job_result_free(&r[i]);
    }
    assert_int_equal(count_calls(p), 0);
    CHECK_OK(sib_job_run_many(j, 0, 1, NULL, 0, NULL, NULL, r, &err), err);
    sib_profile_free(&p);
    sib_job_free(&j);
}

static sib_code count_taps(void *context, const char *path, const sib_tensor *t, sib_error *err)
{
    (void)t;
    (void)err;
    assert_string_equal(path, "encode/total");
    ++*(size_t *)context;
    return SIB_OK;
}

TEST(values_that_are_watched)
{
    static const char *const taps[] = {"encode/total"};
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = job_of(DOCUMENT(PADDED));
    sib_job_value in[3];
    sib_job_result *r[3];
    size_t n = 0;
    make_runs(3, (const size_t[]){2, 2, 3}, ids, in);
    const sib_job_run_options o = {.context = &n, .on_tap = count_taps, .taps = taps, .n_taps = 1};
    CHECK_OK(sib_job_run_many(j, 3, 1, in, 0, NULL, &o, r, &err), err);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++)
        sib_job_result_free(&r[i]);
    sib_job_free(&j);
}

TEST(the_fault_of_one_run)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = job_of(DOCUMENT(PADDED));
    sib_job_value in[3];
    sib_job_result *r[3];
    make_runs(3, (const size_t[]){2, 2, 3}, ids, in);
    ids[1][1] = 99;
    CHECK_FAILS(sib_job_run_many(j, 3, 1, in, 0, NULL, NULL, r, &err), SIB_ERR_VALUE, err, "index 99");
    for (size_t i = 0; i < 3; i++)
        assert_null(r[i]);
    in[2].name = "none";
    CHECK_FAILS(sib_job_run_many(j, 3, 1, in, 0, NULL, NULL, r, &err), SIB_ERR_ARGUMENT, err,
                "no input 'none'");
    CHECK_FAILS(sib_job_run_many(j, SIB_JOB_MAX_RUNS + 1, 1, in, 0, NULL, NULL, r, &err), SIB_ERR_ARGUMENT,
                err, "more than 65536");
    sib_job_free(&j);
}

/* `cut` says that axis 1 of total has N rows, which it has for one token alone: then each run makes its own
   call. */
TEST(models_that_take_one_at_a_time)
{
    sib_job *j = job_of(DOCUMENT(", \"batch\": {\"pad\": 0, \"cut\": [\"total\"]}"));
    assert_int_equal(compare(j, 3, (const size_t[]){4, 4, 5}), 4);
    sib_job_free(&j);
}

static sib_code run_three(const sib_job *j, const sib_job_value *in, sib_job_result **r, sib_error *err)
{
    return sib_job_run_many(j, 3, 1, in, 0, NULL, NULL, r, err);
}

static void free_three(sib_job_result **r)
{
    for (size_t i = 0; i < 3; i++)
        sib_job_result_free(&r[i]);
}

TEST_ALONE(memory_that_fails)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = job_of(DOCUMENT(PADDED));
    sib_job_value in[3];
    sib_job_result *r[3] = {0};
    make_runs(3, (const size_t[]){2, 3, 60}, ids, in);
    CHECK_OK(run_three(j, in, r, &err), err); /* whose plans the session keeps */
    free_three(r);
    CHECK_EVERY_ALLOCATION(run_three(j, in, r, &err), free_three(r));
    sib_job_free(&j);
}

TEST(documents_with_faults)
{
    static const struct {
        const char *document, *words;
    } cases[] = {
        {DOCUMENT(", \"batch\": 1"), "expected an object"},
        {DOCUMENT(", \"batch\": {\"pad\": 0.5}"), "'pad' is not a token"},
        {DOCUMENT(", \"batch\": {\"pad\": 3000000000}"), "'pad' is not a token"},
        {DOCUMENT(", \"batch\": {\"pads\": 0}"), "pads"},
        {DOCUMENT(", \"batch\": {\"pad\": 0, \"cut\": \"hidden\"}"), "'cut' is not a list"},
        {DOCUMENT(", \"batch\": {\"cut\": [\"hidden\"]}"), "without 'pad'"},
        {DOCUMENT(", \"batch\": {\"pad\": 0, \"cut\": [\"more\"]}"), "'cut' has 'more'"},
        {DOCUMENT(", \"batch\": {\"pad\": 0, \"cut\": [1]}"), "'cut' has ''"},
        {DOCUMENT(", \"state\": {\"mask\": \"total\"}, \"batch\": {}"), "state, context or no inputs"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        job_fails(cases[i].document, SIB_ERR_FORMAT, cases[i].words);
    tiny t = counting(); /* float [N] */
    save_model(&t, "count.onnx");
    job_fails(
        "{\"sibyl_job\": 1, \"kind\": \"test\", \"models\": {\"m\": \"count.onnx\"}, \"calls\": {\"c\": "
        "{\"model\": \"m\", \"inputs\": {\"x\": \"x\", \"s\": \"s\"}, \"outputs\": {\"y\": \"y\"}, "
        "\"batch\": {}}}, "
        "\"inputs\": {\"x\": \"tensor\"}, \"nodes\": [{\"name\": \"n\", \"op\": \"call\", \"calls\": "
        "{\"model\": \"c\"}, "
        "\"inputs\": {\"x\": \"$x\", \"s\": \"$x\"}}], \"outputs\": {\"y\": \"$n.y\"}}",
        SIB_ERR_FORMAT, "its input 'x' takes no integers [B, N]");
}

TEST_FIXTURE(make_encoder_folder, drop_folder)
