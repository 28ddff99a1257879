/* Batches: what several runs give together is what each gives alone. */
#include "check_memory.h"
#include "job/tiny_decoder.h"

#include <sibyl/batch.h>

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

enum { RUNS = 8 };

/* ---- Runs ---------------------------------------------------------------------------------------------- */

typedef struct generation {
    const sib_job *job;
    sib_batch *batch;
    const char *prompt;
    int32_t *ids; /* (n_ids) in place of a prompt, where it is not NULL */
    size_t n_ids;
    double temperature, seed, max_tokens;
    const char *schema; /* of JSON, or NULL */
    const sib_cancel *cancel;
    void (*at_token)(struct generation *g); /* after each token; may be NULL */
    atomic_size_t n_seen;                   /* tokens so far */
    /* what it gave */
    sib_code code;
    sib_error err;
    sib_job_result *result;
} generation;

static sib_code on_token(void *context, const char *path, const sib_tensor *t, sib_error *err)
{
    generation *g = context;
    (void)path;
    (void)t;
    (void)err;
    atomic_fetch_add(&g->n_seen, 1);
    if (g->at_token)
        g->at_token(g);
    return SIB_OK;
}

static void *generate(void *argument)
{
    static const char *const taps[] = {"generate/step[*]/choose/token"}, *const wanted[] = {
                                                                             "tokens", "logprobs", "text"};
    generation *g = argument;
    sib_job_value in[] = {g->ids ? tokens("tokens", g->n_ids, g->ids) : a_text("text", g->prompt),
                          a_number("max_tokens", g->max_tokens), a_number("temperature", g->temperature),
                          a_number("seed", g->seed), a_text("json_schema", g->schema ? g->schema : "")};
    sib_job_run_options o = {
        .context = g, .on_tap = on_token, .taps = taps, .n_taps = 1, .cancel = g->cancel, .batch = g->batch};
    g->err = (sib_error)SIB_ERROR_INIT;
    g->code = sib_job_run(g->job, g->schema ? 5 : 4, in, 3, wanted, &o, &g->result, &g->err);
    return NULL;
}

static void generate_all(generation *g, size_t n)
{
    pthread_t threads[RUNS];
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, generate, &g[i]), 0);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

static void forget(generation *g, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sib_job_result_free(&g[i].result);
}

static const char *const prompts[RUNS] = {
    "a",
    "Once upon a time",
    "x y",
    "The quick brown fox jumps over the lazy dog, and then it jumps back.",
    "12345",
    "\xc3\xa9t\xc3\xa9",
    "to be, or not to be",
    "zzzzzzzzzzzzzzzz"};

static generation one(const sib_job *j, sib_batch *b, size_t i)
{
    return (generation){.job = j,
                        .batch = b,
                        .prompt = prompts[i],
                        .temperature = i % 2 ? 0 : 0.9,
                        .seed = (double)i,
                        .max_tokens = 12 + 5 * (double)i};
}

/* The same tokens, and log probabilities up to the rounding of products of other heights. */
static void expect_same(const generation *a, const generation *b)
{
    CHECK_OK(a->code, a->err);
    CHECK_OK(b->code, b->err);
    const sib_port_value *ids = sib_job_result_find(a->result, "tokens"),
                         *p = sib_job_result_find(a->result, "logprobs"),
                         *q = sib_job_result_find(b->result, "logprobs");
    expect_tokens(sib_job_result_find(b->result, "tokens"), ids->tokens.n, ids->tokens.ids);
    assert_int_equal(p->numbers.n, q->numbers.n);
    for (size_t i = 0; i < p->numbers.n; i++)
        assert_true(fabs(p->numbers.data[i] - q->numbers.data[i]) < 1e-4);
}

static sib_batch *batch_of(const sib_job *j, const sib_batch_options *o)
{
    sib_error err = SIB_ERROR_INIT;
    sib_batch *b = NULL;
    CHECK_OK(sib_batch_create(j, o, &b, &err), err);
    return b;
}

/* Eight runs of other lengths and samplers alone, then together until some shared a step. */
static void check_together(const char *name, const sib_batch_options *options)
{
    sib_job_options o = {.threads = 2};
    sib_job *j = decoder_job(name, &o);
    sib_batch *b = batch_of(j, options);
    generation alone[RUNS], together[RUNS];
    sib_batch_info info;
    for (size_t i = 0; i < RUNS; i++) {
        alone[i] = one(j, NULL, i);
        generate(&alone[i]);
    }
    do {
        for (size_t i = 0; i < RUNS; i++)
            together[i] = one(j, b, i);
        generate_all(together, RUNS);
        for (size_t i = 0; i < RUNS; i++)
            expect_same(&alone[i], &together[i]);
        forget(together, RUNS);
        sib_batch_get_info(b, &info);
    } while (info.largest < 2);
    assert_string_equal(info.call, "decoder");
    assert_true(info.steps > 0 && info.tokens > info.steps);
    assert_true(info.largest <= info.max_sequences);
    forget(alone, RUNS);
    sib_batch_free(&b);
    sib_job_free(&j);
}

TEST(llama_gives_together_what_it_gives_alone)
{
    make_llama("llama", "llama", "", NULL);
    check_together("llama", NULL);
}

TEST(gpt2_gives_together_what_it_gives_alone)
{
    make_decoder("gpt2", decoder_weights_gpt2, GPT2_CONFIG, NULL);
    check_together("gpt2", NULL);
}

TEST(windows_of_keys_stay)
{
    make_llama("mistral", "mistral", ", \"sliding_window\": 7", NULL);
    check_together("mistral", NULL);
}

TEST(prompts_in_pieces_and_sequences_in_turns)
{
    make_llama("llama", "llama", "", NULL);
    check_together("llama", &(sib_batch_options){.max_sequences = 3, .max_tokens = 4});
}

/* Each sequence has a schema of its own, or none, and comes to its end. */
TEST(sequences_are_constrained_each_by_its_own)
{
    static const char *const schemas[RUNS] = {
        "{\"enum\": [\"red\", \"green\", 12, [1]]}",
        NULL,
        "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"boolean\"}}, \"required\": [\"a\"], "
        "\"additionalProperties\": false}",
        "{\"type\": \"string\", \"minLength\": 3, \"maxLength\": 6}",
        NULL,
        "{\"type\": \"array\", \"items\": {\"type\": \"null\"}, \"minItems\": 2, \"maxItems\": 2}",
        "{\"const\": {\"x\": \"y\"}}",
        "{\"type\": \"string\", \"maxLength\": 0}"};
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 2});
    sib_batch *b = batch_of(j, NULL);
    generation alone[RUNS], together[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        alone[i] = one(j, NULL, i);
        alone[i].schema = schemas[i];
        alone[i].max_tokens = 400;
        together[i] = alone[i];
        together[i].batch = b;
        generate(&alone[i]);
    }
    generate_all(together, RUNS);
    for (size_t i = 0; i < RUNS; i++) {
        expect_same(&alone[i], &together[i]);
        const sib_port_value *text = sib_job_result_find(together[i].result, "text");
        json_t *json = json_loadb(text->text.data, text->text.size, JSON_DECODE_ANY, NULL);
        if (schemas[i] && !json)
            fail_msg("%s gave '%s'", schemas[i], text->text.data);
        json_decref(json);
    }
    forget(alone, RUNS);
    forget(together, RUNS);
    sib_batch_free(&b);
    sib_job_free(&j);
}

/* ---- One and the others -------------------------------------------------------------------------------- */

static sib_cancel *cancelled;

static void cancel_at_five(generation *g)
{
    if (atomic_load(&g->n_seen) == 5)
        sib_cancel_set(cancelled);
}

/* One is cancelled, one has a token that the model lacks: the others do not notice. */
TEST(one_that_fails_harms_no_other)
{
    make_llama("llama", "llama", "", NULL);
    sib_job_options o = {.threads = 2};
    sib_job *j = decoder_job("llama", &o);
    sib_batch *b = batch_of(j, NULL);
    sib_error err = SIB_ERROR_INIT;
    int32_t wrong[] = {65, 9999};
    generation alone[RUNS], together[RUNS];
    CHECK_OK(sib_cancel_create(&cancelled, &err), err);
    for (size_t i = 0; i < RUNS; i++) {
        alone[i] = one(j, NULL, i);
        together[i] = one(j, b, i);
        generate(&alone[i]);
    }
    together[3].cancel = cancelled;
    together[3].at_token = cancel_at_five;
    together[5].ids = wrong;
    together[5].n_ids = 2;
    generate_all(together, RUNS);
    for (size_t i = 0; i < RUNS; i++)
        if (i != 3 && i != 5)
            expect_same(&alone[i], &together[i]);
    CHECK_FAILS(together[3].code, SIB_ERR_CANCELLED, together[3].err, "cancelled");
    CHECK_FAILS(together[5].code, SIB_ERR_VALUE, together[5].err, "9999");
    forget(alone, RUNS);
    forget(together, RUNS);
    sib_cancel_free(&cancelled);
    sib_batch_free(&b);
    sib_job_free(&j);
}

/* Taps of values inside the model are of a run alone, and give them. */
static sib_code count_inside(void *context, const char *path, const sib_tensor *t, sib_error *err)
{
    (void)path;
    (void)t;
    (void)err;
    ++*(size_t *)context;
    return SIB_OK;
}

TEST(values_inside_the_model_are_tapped)
{
    static const char *const taps[] = {"decoder/step[*]/model/*"};
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", NULL);
    sib_batch *b = batch_of(j, NULL);
    size_t seen = 0;
    sib_job_value in[] = {a_text("text", "ab"), a_number("max_tokens", 2), a_number("temperature", 0)};
    sib_job_run_options o = {.context = &seen, .on_tap = count_inside, .taps = taps, .n_taps = 1, .batch = b};
    const char *const wanted[] = {"tokens"};
    sib_job_result *r = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_job_run(j, 3, in, 1, wanted, &o, &r, &err), err);
    assert_true(seen > 20);
    sib_job_result_free(&r);
    sib_batch_free(&b);
    sib_job_free(&j);
}

/* How likely a text is: rows behind every token, in pieces. */
TEST(scores_in_a_batch)
{
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", NULL);
    sib_batch *b = batch_of(j, NULL);
    const char *const wanted[] = {"perplexity"};
    double got[2];
    char text[1500];
    memset(text, 'a', sizeof text);
    text[400] = 0; /* in pieces of 256 */
    sib_job_value in[] = {a_text("text", text)};
    for (int i = 0; i < 2; i++) {
        sib_job_run_options o = {.batch = i ? b : NULL};
        sib_job_result *r = NULL;
        sib_error err = SIB_ERROR_INIT;
        CHECK_OK(sib_job_run(j, 1, in, 1, wanted, &o, &r, &err), err);
        got[i] = sib_job_result_find(r, "perplexity")->number;
        sib_job_result_free(&r);
    }
    assert_true(fabs(got[0] - got[1]) < 1e-4 * got[0]);
    sib_batch_free(&b);
    sib_job_free(&j);
}

/* ---- Refusals ------------------------------------------------------------------------------------------ */

TEST(says_why_a_decoder_is_not_batched)
{
    sib_error err = SIB_ERROR_INIT;
    sib_batch *b = NULL;
    make_llama("old", "llama", "", &(sib_import_options){.opset = 20});
    sib_job *j = decoder_job("old", NULL);
    CHECK_FAILS(sib_batch_create(j, NULL, &b, &err), SIB_ERR_UNSUPPORTED, err, "Attention");
    assert_null(b);
    sib_job_free(&j);
    make_llama("llama", "llama", "", NULL);
    j = decoder_job("llama", NULL);
    err = (sib_error)SIB_ERROR_INIT;
    CHECK_FAILS(sib_batch_create(j, &(sib_batch_options){.max_sequences = 65}, &b, &err), SIB_ERR_ARGUMENT,
                err, "at most 64");
    err = (sib_error)SIB_ERROR_INIT;
    CHECK_FAILS(sib_batch_create(NULL, NULL, &b, &err), SIB_ERR_ARGUMENT, err, "NULL");
    sib_job_free(&j);
}

static sib_code make_and_run(const sib_job *j, sib_error *err)
{
    sib_batch *b = NULL;
    sib_job_result *r = NULL;
    sib_job_value in[] = {a_text("text", "ab"), a_number("max_tokens", 2)};
    sib_code code = sib_batch_create(j, NULL, &b, err);
    sib_job_run_options o = {.batch = b};
    const char *const wanted[] = {"tokens"};
    if (code == SIB_OK)
        code = sib_job_run(j, 2, in, 1, wanted, &o, &r, err);
    sib_job_result_free(&r);
    sib_batch_free(&b);
    return code;
}

/* What its threads share is seen by the thread sanitizer where nothing fails. */
TEST(allocations_fail)
{
    if (CHECK_RACES_ALONE)
        skip();
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1});
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(make_and_run(j, &err), err);
    CHECK_EVERY_ALLOCATION(make_and_run(j, &err), );
    sib_job_free(&j);
}

TEST_FIXTURE(make_folder, drop_folder)

/* ---- Prefixes ------------------------------------------------------------------------------------------ */

enum { SHARED = 40, MORE = 9 };

/* Runs whose tokens begin as those of one that has ended give what they give alone, and read the rest only. */
TEST(caches_of_runs_that_have_ended_are_gone_on_with)
{
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1});
    sib_batch *b = batch_of(j, &(sib_batch_options){.prefix_bytes = 1 << 20});
    int32_t ids[3][SHARED + MORE];
    sib_batch_info info;
    uint64_t expected[] = {0, SHARED, 2 * SHARED, 3 * SHARED + MORE - 1, 4 * SHARED + 2 * (MORE - 1)};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < SHARED + MORE; k++)
            ids[i][k] = 'a' + (k < SHARED ? k % 7 : (k * k + 5 * i) % 23);
    for (int i = 0; i < 5; i++) { /* the first two prompts again in the end */
        generation alone = {.job = j, .ids = ids[i % 3], .n_ids = SHARED + MORE, .max_tokens = 6},
                   again = alone;
        again.batch = b;
        generate(&alone);
        generate(&again);
        expect_same(&alone, &again);
        forget(&alone, 1);
        forget(&again, 1);
        sib_batch_get_info(b, &info);
        assert_int_equal(info.reused, expected[i]);
        assert_true(info.kept > 0 && info.kept_bytes > 0 && info.kept_bytes <= 1 << 20);
    }
    sib_batch_free(&b);
    sib_job_free(&j);
}

/* Eight threads share a prompt, and the caches more than the limit has room for. */
TEST(kept_caches_stay_below_their_limit)
{
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1});
    const size_t limit = 60000;
    sib_batch *b = batch_of(j, &(sib_batch_options){.prefix_bytes = limit});
    generation alone[RUNS], together[RUNS];
    sib_batch_info info;
    for (size_t i = 0; i < RUNS; i++) {
        alone[i] = one(j, NULL, i);
        generate(&alone[i]);
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < RUNS; i++)
            together[i] = one(j, b, i);
        generate_all(together, RUNS);
        for (size_t i = 0; i < RUNS; i++)
            expect_same(&alone[i], &together[i]);
        forget(together, RUNS);
        sib_batch_get_info(b, &info);
        assert_true(info.kept > 0 && info.kept < RUNS && info.kept_bytes <= limit);
    }
    forget(alone, RUNS);
    sib_batch_free(&b);
    sib_job_free(&j);
}

TEST(a_batch_without_memory_for_them_keeps_none)
{
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1});
    sib_batch *b = batch_of(j, NULL);
    sib_batch_info info;
    for (int i = 0; i < 2; i++) {
        generation g = one(j, b, 3);
        generate(&g);
        CHECK_OK(g.code, g.err);
        forget(&g, 1);
    }
    sib_batch_get_info(b, &info);
    assert_true(info.kept == 0 && info.kept_bytes == 0 && info.reused == 0);
    sib_batch_free(&b);
    sib_job_free(&j);
}
