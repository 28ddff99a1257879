/* Runs whose tokens are guessed give what runs give that guess nothing. */
#include "check_memory.h"
#include "job/call/speculation.h"
#include "job/tiny_decoder.h"

#include <math.h>

TEST_FIXTURE(make_counting_folder, drop_folder)

enum { ANSWER = 60, MAX_IDS = 600 };

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

typedef struct asked {
    double temperature, penalty, max_tokens, raised;
    const sib_job_run_options *o;
} asked;

/* The tokens behind a prompt, and their log probabilities. */
static sib_code answered(const sib_job *j, const text *prompt, const asked *a, text *answer, double *logprobs,
                         sib_error *err)
{
    static const char *const wanted[] = {"tokens", "logprobs"};
    static const int32_t few[] = {'a', 'b', 'c', 'd'}; /* of which the text is, so that it repeats */
    const double raised[] = {a->raised, a->raised, a->raised, a->raised};
    const sib_job_value in[] = {tokens("tokens", prompt->n, prompt->ids),
                                a_number("max_tokens", a->max_tokens),
                                a_number("temperature", a->temperature),
                                a_number("repetition_penalty", a->penalty),
                                tokens("bias_tokens", 4, few),
                                numbers("biases", 4, raised),
                                a_number("seed", 3)};
    sib_job_result *r = NULL;
    sib_code code = sib_job_run(j, sizeof in / sizeof *in, in, 2, wanted, a->o, &r, err);
    answer->n = 0;
    if (code == SIB_OK) {
        const sib_port_value *v = sib_job_result_find(r, "tokens"), *p = sib_job_result_find(r, "logprobs");
        answer->n = v->tokens.n;
        memcpy(answer->ids, v->tokens.ids, v->tokens.n * sizeof *answer->ids);
        memcpy(logprobs, p->numbers.data, v->tokens.n * sizeof *logprobs);
    }
    sib_job_result_free(&r);
    return code;
}

static sib_speculation_info info_of(sib_speculation *s)
{
    sib_speculation_info info;
    sib_speculation_get_info(s, &info);
    return info;
}

static void expect_same(const sib_job *j, sib_speculation *s, sib_prefix_cache *c, const text *prompt,
                        const asked *as)
{
    sib_error err = SIB_ERROR_INIT;
    const sib_speculation_info before = info_of(s);
    const sib_job_run_options o = {.speculation = s, .prefix_cache = c};
    asked a = *as;
    text with, without;
    double p[MAX_IDS], q[MAX_IDS];
    CHECK_OK(answered(j, prompt, &a, &without, q, &err), err);
    a.o = &o;
    CHECK_OK(answered(j, prompt, &a, &with, p, &err), err);
    assert_int_equal(without.n, (size_t)a.max_tokens);
    assert_int_equal(with.n, without.n);
    assert_memory_equal(with.ids, without.ids, with.n * sizeof *with.ids);
    for (size_t i = 0; i < with.n; i++)
        assert_true(fabs(p[i] - q[i]) < 1e-4);
    const sib_speculation_info now = info_of(s);
    assert_true(now.steps - before.steps + now.accepted - before.accepted <= with.n);
}

static sib_speculation *speculation_of(const sib_job *j, const sib_job *draft, unsigned max)
{
    sib_error err = SIB_ERROR_INIT;
    sib_speculation *s = NULL;
    const sib_speculation_options options = {.max_guesses = max, .draft = draft};
    CHECK_OK(sib_speculation_create(j, &options, &s, &err), err);
    return s;
}

/* A text that repeats, and the model's own repetitions: some guesses are right and some are not. */
static void check_model(const char *model, unsigned max)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = decoder_job(model, &(sib_job_options){.threads = 1}),
            *draft = decoder_job(model, &(sib_job_options){.threads = 1});
    const text prompt = text_of("one two three, one two three, one two");
    const asked few[] = {{0, 1, ANSWER, 20, NULL}, {0.4, 1, ANSWER, 20, NULL}, {0.9, 1.3, ANSWER, 20, NULL}},
                all[] = {{0, 1, ANSWER, 0, NULL}, {0.4, 1, ANSWER, 0, NULL}, {0.9, 1.3, ANSWER, 0, NULL}};
    sib_speculation *looks = speculation_of(j, NULL, max), *drafts = speculation_of(j, draft, max);
    sib_prefix_cache *c = NULL;
    CHECK_OK(sib_prefix_cache_create(j, 2, &c, &err), err);
    for (size_t i = 0; i < 3; i++) {
        expect_same(j, looks, NULL, &prompt, &few[i]);
        expect_same(j, looks, c, &prompt, &few[i]);
        expect_same(j, drafts, NULL, &prompt, &all[i]);
        expect_same(j, drafts, c, &prompt, &all[i]);
    }
    const sib_speculation_info looked = info_of(looks), drafted = info_of(drafts);
    assert_true(looked.accepted > 0 && looked.accepted < looked.guessed);
    assert_true(drafted.accepted > 0 && drafted.accepted < drafted.guessed);
    sib_prefix_cache_free(&c);
    sib_speculation_free(&looks);
    sib_speculation_free(&drafts);
    sib_job_free(&draft);
    sib_job_free(&j);
}

TEST(tokens_are_those_without_guesses)
{
    make_llama("llama", "llama", "", NULL);
    make_decoder("gpt2", decoder_weights_gpt2, GPT2_CONFIG, NULL);
    check_model("llama", 5);
    check_model("gpt2", 16);
}

/* The draft guesses what the model takes: each step but the last answers max + 1. */
TEST(a_draft_that_agrees_saves_steps)
{
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1}),
            *draft = decoder_job("llama", &(sib_job_options){.threads = 1});
    sib_speculation *s = speculation_of(j, draft, 5);
    const text prompt = text_of("abc");
    expect_same(j, s, NULL, &prompt, &(asked){0, 1, ANSWER, 0, NULL});
    const sib_speculation_info info = info_of(s);
    assert_int_equal(info.steps, ANSWER / 6);
    assert_int_equal(info.accepted, ANSWER / 6 * 5);
    sib_speculation_free(&s);
    sib_job_free(&draft);
    sib_job_free(&j);
}

/* Near the end of the context, guesses no longer fit: the model goes on without. */
TEST(texts_reach_the_end_of_the_context)
{
    make_decoder("gpt2", decoder_weights_gpt2, GPT2_CONFIG, NULL);
    sib_job *j = decoder_job("gpt2", &(sib_job_options){.threads = 1}),
            *draft = decoder_job("gpt2", &(sib_job_options){.threads = 1});
    sib_speculation *looks = speculation_of(j, NULL, 7), *drafts = speculation_of(j, draft, 7);
    text prompt = {.n = DECODER_CONTEXT - 19};
    for (size_t i = 0; i < prompt.n; i++)
        prompt.ids[i] = (int32_t)(i % 7) + 40;
    expect_same(j, looks, NULL, &prompt, &(asked){0, 1, 20, 0, NULL});
    expect_same(j, drafts, NULL, &prompt, &(asked){0, 1, 20, 0, NULL});
    assert_true(info_of(looks).guessed > 0 && info_of(drafts).guessed > 0);
    sib_speculation_free(&looks);
    sib_speculation_free(&drafts);
    sib_job_free(&draft);
    sib_job_free(&j);
}

/* ---- Lookup -------------------------------------------------------------------------------------------- */

static void expect_guess(size_t n, const int32_t *ids, size_t max, size_t n_guesses, const int32_t *guesses)
{
    int32_t out[SIB_SPECULATION_MAX];
    assert_int_equal(lookup_guess(ids, n, max, out), n_guesses);
    assert_memory_equal(out, guesses, n_guesses * sizeof *out);
}

TEST(lookup_guesses_what_followed_the_longest_end)
{
    static const int32_t ids[] = {1, 2, 3, 4, 9, 2, 3, 5, 1, 2, 3}, longest[] = {4, 9, 2},
                         pair[] = {7, 8, 5, 7, 8, 6, 7, 8}, last[] = {6, 7, 8, 6, 7}, loop[] = {1, 1, 1},
                         again[] = {1, 1, 1, 1};
    expect_guess(11, ids, 3, 3, longest); /* 1 2 3, not the 2 3 that came later */
    expect_guess(8, pair, 5, 5, last);    /* of two as long the later one, round and round */
    expect_guess(3, loop, 4, 4, again);
    expect_guess(4, ids, 3, 0, NULL);
    expect_guess(0, ids, 3, 0, NULL);
    expect_guess(1, ids, 3, 0, NULL);
}

/* ---- What cannot --------------------------------------------------------------------------------------- */

static const char counts[] =
    "{\"sibyl_job\": 1, \"kind\": \"k\", \"models\": {\"m\": \"count.onnx\"}, \"calls\": {\"c\": {\"model\": "
    "\"m\", \"inputs\": {\"tokens\": \"x\"}, \"outputs\": {\"sum\": \"y\"}, \"state\": {\"s\": {\"name\": "
    "\"next.s\", \"dims\": [1], \"fill\": 0}}}}, \"inputs\": {\"ids\": \"tokens\"}, \"nodes\": [{\"name\": "
    "\"n\", \"op\": \"call\", \"calls\": {\"model\": \"c\"}, \"inputs\": {\"tokens\": \"$ids\"}}], "
    "\"outputs\": {\"sums\": \"$n.sum\"}}";

static void expect_refused(const sib_job *j, const sib_speculation_options *options, sib_code code,
                           const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    sib_speculation *s = NULL;
    CHECK_FAILS(sib_speculation_create(j, options, &s, &err), code, err, words);
    assert_null(s);
}

TEST(what_cannot_be_cut_back_is_refused_by_name)
{
    make_llama("llama", "llama", "", NULL);
    make_llama("grows", "llama", "", &(sib_import_options){.opset = 21});
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1}), *recurrent = job_of(counts),
            *grows = decoder_job("grows", &(sib_job_options){.threads = 1});
    expect_refused(recurrent, NULL, SIB_ERR_UNSUPPORTED, "its state 's' is no cache");
    expect_refused(grows, NULL, SIB_ERR_UNSUPPORTED, "operator Attention");
    expect_refused(j, &(sib_speculation_options){.draft = recurrent}, SIB_ERR_UNSUPPORTED, "the draft");
    expect_refused(j, &(sib_speculation_options){.max_guesses = SIB_SPECULATION_MAX + 1}, SIB_ERR_ARGUMENT,
                   "at most 64");
    sib_job_free(&grows);
    sib_job_free(&recurrent);
    sib_job_free(&j);
}

TEST(another_jobs_speculation_is_refused)
{
    make_llama("llama", "llama", "", NULL);
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1}),
            *other = decoder_job("llama", &(sib_job_options){.threads = 1});
    sib_speculation *s = speculation_of(other, NULL, 3);
    const sib_job_run_options o = {.speculation = s};
    const text prompt = text_of("a");
    text answer;
    double p[MAX_IDS];
    CHECK_FAILS(answered(j, &prompt, &(asked){0, 1, 4, 0, &o}, &answer, p, &err), SIB_ERR_ARGUMENT, err,
                "another job");
    sib_speculation_free(&s);
    sib_job_free(&other);
    sib_job_free(&j);
}

TEST(memory_may_fail_anywhere)
{
    sib_error err = SIB_ERROR_INIT;
    make_llama("llama", "llama", "", NULL);
    sib_job *j = decoder_job("llama", &(sib_job_options){.threads = 1}),
            *draft = decoder_job("llama", &(sib_job_options){.threads = 1});
    const text prompt = text_of("ababab");
    text answer;
    double p[MAX_IDS];
    for (int i = 0; i < 2; i++) {
        sib_speculation *s = speculation_of(j, i ? draft : NULL, 3);
        const sib_job_run_options o = {.speculation = s};
        const asked a = {0, 1, 4, 0, &o};
        sib_code code = SIB_ERR_MEMORY;
        for (uint64_t allowed = 0; code != SIB_OK; allowed += 1 + allowed / 8) {
            err = (sib_error)SIB_ERROR_INIT;
            mem_fail_after(allowed);
            code = answered(j, &prompt, &a, &answer, p, &err);
            mem_fail_never();
            assert_true(code == SIB_OK || code == SIB_ERR_MEMORY);
        }
        sib_speculation_free(&s);
    }
    sib_job_free(&draft);
    sib_job_free(&j);
}
