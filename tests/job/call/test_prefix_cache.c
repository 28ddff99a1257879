/* Runs that go on with what earlier runs have read give what runs give that read everything. */
#include "check_memory.h"
#include "job/tiny_decoder.h"

#include <pthread.h>
#include <sibyl/prefix_cache.h>

TEST_FIXTURE(make_counting_folder, drop_folder)

enum { ANSWER = 12, MAX_IDS = 200 };

typedef struct text {
    int32_t ids[MAX_IDS];
    size_t n;
} text;

static text text_of(const char *words)
{
    text t = {.n = strlen(words)};
    for (size_t i = 0; i < t.n; i++)
        t.ids[i] = (unsigned char)words[i];
    return t;
}

/* The tokens behind a prompt. */
static sib_code answered(const sib_job *j, sib_prefix_cache *c, const text *prompt, double temperature,
                         text *answer, sib_error *err)
{
    static const char *const wanted[] = {"tokens"};
    const sib_job_value in[] = {tokens("tokens", prompt->n, prompt->ids), a_number("max_tokens", ANSWER),
                                a_number("temperature", temperature), a_number("seed", 3)};
    const sib_job_run_options o = {.prefix_cache = c};
    sib_job_result *r = NULL;
    sib_code code = sib_job_run(j, 4, in, 1, wanted, &o, &r, err);
    const sib_port_value *v = code == SIB_OK ? sib_job_result_find(r, "tokens") : NULL;
    answer->n = v ? v->tokens.n : 0;
    if (v)
        memcpy(answer->ids, v->tokens.ids, v->tokens.n * sizeof *answer->ids);
    sib_job_result_free(&r);
    return code;
}

static text expect_same(const sib_job *j, sib_prefix_cache *c, const text *prompt, double temperature)
{
    sib_error err = SIB_ERROR_INIT;
    text with, without;
    CHECK_OK(answered(j, c, prompt, temperature, &with, &err), err);
    CHECK_OK(answered(j, NULL, prompt, temperature, &without, &err), err);
    assert_int_equal(with.n, ANSWER);
    assert_int_equal(without.n, ANSWER);
    assert_memory_equal(with.ids, without.ids, ANSWER * sizeof *with.ids);
    return with;
}

static text joined(text t, const text *more)
{
    memcpy(t.ids + t.n, more->ids, more->n * sizeof *t.ids);
    t.n += more->n;
    return t;
}

static uint64_t reused(sib_prefix_cache *c)
{
    sib_prefix_cache_info info;
    sib_prefix_cache_get_info(c, &info);
    return info.reused;
}

/* A chat whose second answer is made again, from another message: only what is new in each prompt is read. */
static void check_chat(const char *model, double temperature)
{
    sib_error err = SIB_ERROR_INIT;
    sib_prefix_cache *c = NULL;
    sib_job *j = decoder_job(model, &(sib_job_options){.threads = 1});
    CHECK_OK(sib_prefix_cache_create(j, 0, &c, &err), err);
    const text prompt = text_of("Hello there. "), more = text_of(" And then?"), other = text_of(" But why?");
    const text first = expect_same(j, c, &prompt, temperature);
    assert_int_equal(reused(c), 0);
    const text heard = joined(prompt, &first), second = joined(heard, &more), again = joined(heard, &other);
    expect_same(j, c, &second, temperature);
    uint64_t sum = heard.n - 1; /* the last token of an answer was not read */
    assert_int_equal(reused(c), sum);
    expect_same(j, c, &again, temperature);
    sum += heard.n + 1; /* both messages begin with a blank */
    assert_int_equal(reused(c), sum);
    expect_same(j, c, &again, temperature); /* all but the last, whose logits are wanted */
    sum += again.n - 1;
    assert_int_equal(reused(c), sum);
    const text unlike = text_of("zzz");
    expect_same(j, c, &unlike, temperature);
    assert_int_equal(reused(c), sum);
    sib_prefix_cache_free(&c);
    sib_job_free(&j);
}

TEST(answers_are_those_without_a_cache)
{
    make_llama("llama", "llama", "", NULL);
    make_decoder("gpt2", decoder_weights_gpt2, GPT2_CONFIG, NULL);
    make_llama("grows", "llama", "", &(sib_import_options){.opset = 21});
    check_chat("llama", 0);
    check_chat("llama", 0.9);
    check_chat("gpt2", 0);
    check_chat("grows", 0);
}

/* A state of fixed dims, as recurrent models have, goes on from its end alone. y = x + s, where s counts the steps. */
static void expect_sum(const sib_job *j, sib_prefix_cache *c, size_t n, const int32_t *ids, size_t n_sums,
                       float first)
{
    sib_error err = SIB_ERROR_INIT;
    const sib_job_value in = tokens("ids", n, ids);
    const sib_job_run_options o = {.prefix_cache = c};
    sib_job_result *r = NULL;
    CHECK_OK(sib_job_run(j, 1, &in, 0, NULL, &o, &r, &err), err);
    const sib_tensor *t = sib_job_result_find(r, "sums")->tensor;
    assert_int_equal(sib_tensor_count(t), n_sums);
    assert_true(*(const float *)sib_tensor_data(t) == first);
    sib_job_result_free(&r);
}

static const char counts[] =
    "{\"sibyl_job\": 1, \"kind\": \"k\", \"models\": {\"m\": \"count.onnx\"}, \"calls\": {\"c\": {\"model\": "
    "\"m\", \"inputs\": {\"tokens\": \"x\"}, \"outputs\": {\"sum\": \"y\"}, \"state\": {\"s\": {\"name\": "
    "\"next.s\", \"dims\": [1], \"fill\": 0}}}}, \"inputs\": {\"ids\": \"tokens\"}, \"nodes\": [{\"name\": "
    "\"n\", \"op\": \"call\", \"calls\": {\"model\": \"c\"}, \"inputs\": {\"tokens\": \"$ids\"}}], "
    "\"outputs\": {\"sums\": \"$n.sum\"}}";

TEST(recurrent_states_go_on_from_their_end)
{
    static const int32_t ids[] = {5, 6, 7, 8}, unlike[] = {5, 6, 9, 9};
    sib_error err = SIB_ERROR_INIT;
    sib_prefix_cache *c = NULL;
    sib_job *j = job_of(counts);
    CHECK_OK(sib_prefix_cache_create(j, 1, &c, &err), err);
    expect_sum(j, c, 3, ids, 3, 5);
    expect_sum(j, c, 4, ids, 1, 8 + 1);
    expect_sum(j, c, 4, ids, 4, 5); /* all of them were read: none is left to ask for */
    expect_sum(j, c, 4, unlike, 4, 5);
    assert_int_equal(reused(c), 3);
    sib_prefix_cache_free(&c);
    sib_job_free(&j);
}

TEST(another_jobs_cache_is_refused)
{
    static const int32_t ids[] = {1};
    sib_error err = SIB_ERROR_INIT;
    sib_prefix_cache *c = NULL;
    sib_job *j = job_of(counts), *other = job_of(counts);
    const sib_job_value in = tokens("ids", 1, ids);
    sib_job_result *r = NULL;
    CHECK_FAILS(sib_prefix_cache_create(j, SIB_PREFIX_CACHE_MAX + 1, &c, &err), SIB_ERR_ARGUMENT, err,
                "at most 256");
    err = (sib_error)SIB_ERROR_INIT;
    CHECK_OK(sib_prefix_cache_create(other, 1, &c, &err), err);
    const sib_job_run_options o = {.prefix_cache = c};
    CHECK_FAILS(sib_job_run(j, 1, &in, 0, NULL, &o, &r, &err), SIB_ERR_ARGUMENT, err, "another job");
    sib_prefix_cache_free(&c);
    sib_job_free(&j);
    sib_job_free(&other);
}

/* ---- Several at once ----------------------------------------------------------------------------------- */

enum { RUNS = 4, ROUNDS = 3 };

typedef struct talk {
    const sib_job *j;
    sib_prefix_cache *c;
    char first;
    text said;
    bool failed;
} talk;

static void *talk_on(void *argument)
{
    talk *t = argument;
    sib_error err = SIB_ERROR_INIT;
    text answer;
    t->said = text_of("_ is the first letter of all that is said here. ");
    t->said.ids[0] = t->first;
    for (int i = 0; i < ROUNDS && !t->failed; i++) {
        t->failed = answered(t->j, t->c, &t->said, 0, &answer, &err) != SIB_OK;
        t->said = joined(t->said, &answer);
    }
    return NULL;
}

TEST(threads_share_a_cache)
{
    sib_error err = SIB_ERROR_INIT;
    pthread_t threads[RUNS];
    talk talks[RUNS];
    sib_prefix_cache *c = NULL;
    sib_prefix_cache_info info;
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1});
    CHECK_OK(sib_prefix_cache_create(j, RUNS, &c, &err), err);
    for (int i = 0; i < RUNS; i++) {
        talks[i] = (talk){.j = j, .c = c, .first = (char)('a' + i)};
        assert_int_equal(pthread_create(&threads[i], NULL, talk_on, &talks[i]), 0);
    }
    for (int i = 0; i < RUNS; i++)
        pthread_join(threads[i], NULL);
    sib_prefix_cache_get_info(c, &info);
    assert_int_equal(info.entries, RUNS);
    assert_true(info.reused > 0 && info.tokens > 0);
    for (int i = 0; i < RUNS; i++) {
        talk alone = {.j = j, .first = talks[i].first};
        assert_false(talks[i].failed);
        talk_on(&alone);
        assert_int_equal(alone.said.n, talks[i].said.n);
        assert_memory_equal(alone.said.ids, talks[i].said.ids, alone.said.n * sizeof *alone.said.ids);
    }
    sib_prefix_cache_free(&c);
    sib_job_free(&j);
}

TEST(memory_may_fail_anywhere)
{
    sib_error err = SIB_ERROR_INIT;
    text answer;
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1});
    sib_prefix_cache *c = NULL;
    CHECK_OK(sib_prefix_cache_create(j, 1, &c, &err), err);
    const text prompt = text_of("Hello"), more = text_of(" there");
    const text longer = joined(prompt, &more);
    sib_code code = SIB_ERR_MEMORY;
    for (uint64_t allowed = 0; code != SIB_OK; allowed += 1 + allowed / 8) {
        err = (sib_error)SIB_ERROR_INIT;
        mem_fail_after(allowed);
        code = answered(j, c, &prompt, 0, &answer, &err);
        if (code == SIB_OK)
            code = answered(j, c, &longer, 0, &answer, &err);
        mem_fail_never();
        assert_true(code == SIB_OK || code == SIB_ERR_MEMORY);
    }
    expect_same(j, c, &longer, 0);
    sib_prefix_cache_free(&c);
    sib_job_free(&j);
}
