/* One window to tokens: prompts, samples, beams, and how each ends. */
#include "whisper_tiny.h"

#include "base/alloc.h"
#include "base/cancel.h"
#include "job/whisper/search.h"

#include <math.h>

/* ---- A model with a tree of logits --------------------------------------------------------------------- */

/* Logits after the tokens sampled so far, for the tokens that matter; all others have -40. */
typedef struct branch {
    int32_t sampled[8]; /* ends with 0 */
    int32_t tokens[6];  /* ends with 0 */
    float logits[6];
} branch;

typedef struct tree {
    fed_model fed;
    const branch *branches;
    size_t n_branches, n_start; /* n_start: tokens of the prompt */
    size_t broken_at;           /* number of sampled tokens after which logits are NaN; 0: never */
    int32_t prompt[64];         /* (n_prompt) tokens fed first */
    size_t n_prompt;
} tree;

static void tree_fill(fed_model *m, const int32_t *tokens, size_t n, float *logits)
{
    tree *t = m->script;
    for (size_t i = 0; i < N_TINY; i++)
        logits[i] = -40;
    if (m->n_fed == 0) {
        t->n_prompt = n;
        memcpy(t->prompt, tokens, n * sizeof *tokens);
    }
    size_t start = 0;
    while (tokens[start] != SOT)
        start++;
    if (n == start + 1)
        logits[NO_SPEECH] = -38;
    if (n < start + t->n_start)
        return;
    const int32_t *sampled = tokens + start + t->n_start;
    const size_t n_sampled = n - start - t->n_start;
    if (t->broken_at > 0 && n_sampled == t->broken_at)
        logits[7] = NAN;
    logits[EOT] = 0; /* without a branch, the text ends */
    for (size_t b = 0; b < t->n_branches; b++) {
        size_t length = 0;
        while (t->branches[b].sampled[length])
            length++;
        if (length != n_sampled || memcmp(sampled, t->branches[b].sampled, length * sizeof *sampled))
            continue;
        logits[EOT] = -40;
        for (size_t i = 0; t->branches[b].tokens[i]; i++)
            logits[t->branches[b].tokens[i]] = t->branches[b].logits[i];
    }
}

typedef struct set {
    tree tree;
    sib_tokenizer *tokenizer;
    whisper_tokens tokens;
    whisper_decoder decoder;
    whisper_decoded result;
    sib_error err;
} set;

static whisper_options plain(void)
{
    whisper_options o;
    whisper_options_default(&o);
    o.without_timestamps = true;
    o.suppress_tokens = NULL;
    o.suppress_blank = false;
    return o;
}

static void set_open(set *s, const whisper_options *o, const branch *branches, size_t n)
{
    *s = (set){.err = SIB_ERROR_INIT};
    whisper_model shape = tiny_shape();
    s->tokenizer = tiny_tokenizer();
    s->tree.branches = branches;
    s->tree.n_branches = n;
    fed_open(&s->tree.fed, &shape);
    s->tree.fed.script = &s->tree;
    s->tree.fed.fill = tree_fill;
    CHECK_OK(whisper_tokens_find(&s->tokens, s->tokenizer, &s->tree.fed.model, &s->err), s->err);
    CHECK_OK(whisper_tokens_start(&s->tokens, "en", false, &s->err), s->err);
    s->tree.n_start = 3 + (o->without_timestamps ? 1 : 0);
    CHECK_OK(whisper_decoder_make(&s->decoder, &s->tree.fed.model, o, NULL, &s->tokens, &s->err), s->err);
    s->tree.n_start += s->decoder.prefix.n;
}

static void set_close(set *s)
{
    whisper_decoded_free(&s->result);
    whisper_decoder_free(&s->decoder);
    fed_close(&s->tree.fed);
    sib_tokenizer_free(&s->tokenizer);
}

static void decode(set *s, const int32_t *previous, size_t n, double temperature)
{
    whisper_decoded_free(&s->result);
    s->tree.fed.n_fed = 0;
    s->tree.fed.beams = 1;
    CHECK_OK(whisper_decode(&s->decoder, previous, n, temperature, &s->result, &s->err), s->err);
}

static void check_tokens(const set *s, size_t n, const int32_t *expected)
{
    assert_int_equal(s->result.tokens.n, n);
    assert_memory_equal(s->result.tokens.ids, expected, n * sizeof *expected);
}

static double log_sum(size_t n, const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i]);
    return log(sum + (double)(N_TINY - n) * exp(-40));
}

/* ---- Prompts ------------------------------------------------------------------------------------------- */

static void check_prompt(const set *s, size_t n, const int32_t *expected)
{
    assert_int_equal(s->tree.n_prompt, n);
    assert_memory_equal(s->tree.prompt, expected, n * sizeof *expected);
}

TEST(test_prompts_are_cut_to_half_the_context)
{
    set s;
    whisper_options o = plain();
    int32_t previous[40];
    for (int32_t i = 0; i < 40; i++)
        previous[i] = 'A' + i;
    set_open(&s, &o, NULL, 0);
    decode(&s, NULL, 0, 0);
    check_prompt(&s, 4, (int32_t[]){SOT, EN, TRANSCRIBE, NO_TIMESTAMPS});
    decode(&s, previous, 2, 0);
    check_prompt(&s, 7, (int32_t[]){SOT_PREV, 'A', 'B', SOT, EN, TRANSCRIBE, NO_TIMESTAMPS});
    decode(&s, previous, 40, 0);
    assert_int_equal(s.tree.n_prompt, 1 + 31 + 4);
    assert_int_equal(s.tree.prompt[0], SOT_PREV);
    assert_memory_equal(s.tree.prompt + 1, previous + 9, 31 * sizeof *previous);
    set_close(&s);
}

TEST(test_hotwords_stand_in_front_and_the_past_gives_way)
{
    set s;
    whisper_options o = plain();
    o.hotwords = "  xy ";
    int32_t previous[40];
    for (int32_t i = 0; i < 40; i++)
        previous[i] = 'A' + i;
    set_open(&s, &o, NULL, 0);
    decode(&s, NULL, 0, 0);
    check_prompt(&s, 8, (int32_t[]){SOT_PREV, ' ', 'x', 'y', SOT, EN, TRANSCRIBE, NO_TIMESTAMPS});
    decode(&s, previous, 40, 0);
    assert_int_equal(s.tree.n_prompt, 1 + 31 + 4);
    assert_int_equal(s.tree.prompt[3], 'y');
    assert_memory_equal(s.tree.prompt + 4, previous + 12, 28 * sizeof *previous);
    set_close(&s);
    o.hotwords = "0123456789012345678901234567890123456789"; /* more than fits: the first part of them */
    set_open(&s, &o, NULL, 0);
    decode(&s, previous, 40, 0);
    assert_int_equal(s.tree.n_prompt, 1 + 31 + 4);
    assert_int_equal(s.tree.prompt[1], ' ');
    assert_int_equal(s.tree.prompt[31], '9');
    set_close(&s);
}

TEST(test_prefixes_are_cut_as_openai_whisper_cuts_them)
{
    static const struct {
        size_t sample_len, first,
            n; /* characters of "0123456789" that remain; the blank before them is number 0 */
    } rows[] = {{0, 0, 11}, {32, 0, 11}, {30, 9, 2}, {10, 0, 11}, {34, 2, 9}, {60, 11, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set s;
        whisper_options o = plain();
        o.prefix = " 0123456789 ";
        o.sample_len = rows[i].sample_len;
        set_open(&s, &o, NULL, 0);
        decode(&s, NULL, 0, 0);
        assert_int_equal(s.tree.n_prompt, 4 + rows[i].n);
        for (size_t k = 0; k < rows[i].n; k++)
            assert_int_equal(s.tree.prompt[4 + k], " 0123456789"[rows[i].first + k]);
        set_close(&s);
    }
}

TEST(test_prefixes_that_leave_no_room_are_refused)
{
    set s;
    whisper_options o = plain();
    o.prefix = "0123456789012345678901234567890123456789012345678901234567890123456789";
    set_open(&s, &o, NULL, 0);
    CHECK_FAILS(whisper_decode(&s.decoder, NULL, 0, 0, &s.result, &s.err), SIB_ERR_ARGUMENT, s.err, "prefix");
    set_close(&s);
}

/* ---- Greedy -------------------------------------------------------------------------------------------- */

static const branch chain[] = {{{0}, {A, B, 0}, {2, 1}},
                               {{A, 0}, {C, EOT, 0}, {3, 1}},
                               {{A, C, 0}, {EOT, B, 0}, {4, 3}},
                               {{B, 0}, {EOT, 0}, {9}}};

TEST(test_greedy_takes_the_most_probable)
{
    set s;
    whisper_options o = plain();
    set_open(&s, &o, chain, 4);
    decode(&s, NULL, 0, 0);
    check_tokens(&s, 2, (int32_t[]){A, C});
    double sum = 2 - log_sum(2, (double[]){2, 1}) + 3 - log_sum(2, (double[]){3, 1}) + 4 -
                 log_sum(2, (double[]){4, 3});
    assert_true(fabs(s.result.avg_logprob - sum / 3) < 1e-9);
    assert_true(s.result.temperature == 0);
    assert_true(fabs(s.result.logprobs[0] - (2 - log_sum(2, (double[]){2, 1}))) < 1e-9);
    assert_true(fabs(s.result.logprobs[1] - (3 - log_sum(2, (double[]){3, 1}))) < 1e-9);
    assert_true(fabs(s.result.no_speech_prob - exp(2) / (exp(2) + N_TINY - 1)) < 1e-9);
    assert_int_equal(s.tree.fed.n_steps, 3);
    assert_int_equal(s.tree.fed.n_reorders, 0);
    set_close(&s);
}

TEST(test_of_equal_tokens_the_first_is_taken)
{
    set s;
    whisper_options o = plain();
    static const branch equal[] = {{{0}, {C, A, B, 0}, {1, 1, 1}}};
    set_open(&s, &o, equal, 1);
    decode(&s, NULL, 0, 0);
    check_tokens(&s, 1, (int32_t[]){A});
    set_close(&s);
}

/* Repeats A forever. */
static void endless_fill(fed_model *m, const int32_t *tokens, size_t n, float *logits)
{
    (void)m;
    (void)tokens;
    (void)n;
    memset(logits, 0, N_TINY * sizeof *logits);
    logits[A] = 10;
}

TEST(test_sample_len_ends_a_window)
{
    set s;
    whisper_options o = plain();
    o.sample_len = 5;
    set_open(&s, &o, NULL, 0);
    s.tree.fed.fill = endless_fill;
    decode(&s, NULL, 0, 0);
    check_tokens(&s, 5, (int32_t[]){A, A, A, A, A});
    assert_int_equal(s.tree.fed.n_steps, 5);
    set_close(&s);
}

TEST(test_the_context_ends_a_window)
{
    set s;
    whisper_options o = plain();
    o.sample_len = 1000;
    set_open(&s, &o, NULL, 0);
    s.tree.fed.fill = endless_fill;
    decode(&s, NULL, 0, 0);
    assert_int_equal(s.result.tokens.n, 64 - 4 + 1); /* the last one is not fed */
    set_close(&s);
}

TEST(test_repetition_compresses)
{
    set s;
    whisper_options o = plain();
    o.sample_len = 40;
    set_open(&s, &o, NULL, 0);
    s.tree.fed.fill = endless_fill;
    decode(&s, NULL, 0, 0);
    assert_true(s.result.compression_ratio > 4); /* 79 bytes of "a a a" */
    set_close(&s);
    set_open(&s, &o, NULL, 0);
    decode(&s, NULL, 0, 0); /* an empty text */
    assert_int_equal(s.result.tokens.n, 0);
    assert_true(s.result.compression_ratio == 0);
    set_close(&s);
}

TEST(test_broken_logits_are_refused)
{
    for (size_t beams = 0; beams < 3; beams += 2) {
        set s;
        whisper_options o = plain();
        o.beam_size = beams;
        set_open(&s, &o, chain, 4);
        s.tree.broken_at = 1;
        CHECK_FAILS(whisper_decode(&s.decoder, NULL, 0, 0, &s.result, &s.err), SIB_ERR_VALUE, s.err,
                    "after 1 tokens hold NaN");
        assert_null(s.result.tokens.ids);
        set_close(&s);
    }
}

/* ---- Samples ------------------------------------------------------------------------------------------- */

TEST(test_samples_follow_the_probabilities)
{
    set s;
    whisper_options o = plain();
    static const branch die[] = {{{0}, {A, B, C, 0}, {1, 2, 3}}};
    enum { N = 20000 };
    size_t seen[3] = {0};
    o.sample_len = 1;
    set_open(&s, &o, die, 1);
    for (size_t i = 0; i < N; i++) {
        decode(&s, NULL, 0, 2);
        assert_int_equal(s.result.tokens.n, 1);
        seen[s.result.tokens.ids[0] - A]++;
    }
    double total = exp(0.5) + exp(1) + exp(1.5);
    for (size_t k = 0; k < 3; k++) {
        double p = exp(0.5 * (double)(k + 1)) / total;
        assert_true(fabs((double)seen[k] / N - p) < 5 * sqrt(p * (1 - p) / N));
    }
    set_close(&s);
}

TEST(test_draws_are_even_and_unlike)
{
    double sum = 0, products = 0, last = 0.5;
    enum { N = 100000 };
    for (uint64_t i = 0; i < N; i++) {
        double x = whisper_draw(i % 7, i / 7, i % 3);
        assert_true(x >= 0 && x < 1);
        sum += x;
        products += (x - 0.5) * (last - 0.5);
        last = x;
    }
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(products / N) < 5 * (1.0 / 12) / sqrt(N));
    assert_true(whisper_draw(1, 2, 3) == whisper_draw(1, 2, 3));
    assert_true(whisper_draw(1, 2, 3) != whisper_draw(1, 3, 2));
}

TEST(test_the_best_of_samples_wins)
{
    set s;
    whisper_options o = plain();
    static const branch two[] = {
        {{0}, {A, B, 0}, {1, 1}},
        {{A, 0}, {C, 'x', 'y', 'z', 0}, {0, 0, 0, 0}}, /* improbable whatever follows */
        {{B, 0}, {C, 0}, {5}}};
    o.best_of = 16;
    set_open(&s, &o, two, 3);
    size_t b_won = 0;
    for (size_t i = 0; i < 10; i++) {
        decode(&s, NULL, 0, 1);
        b_won += s.result.tokens.ids[0] == B;
        assert_true(s.result.temperature == 1);
    }
    assert_int_equal(b_won, 10); /* fails once in 65,536: one of 16 samples begins with B */
    assert_true(s.tree.fed.n_reorders >= 10);
    set_close(&s);
}

TEST(test_a_seed_gives_the_same_again)
{
    static const branch wide[] = {{{0}, {A, B, C, 'x', 'y', 0}, {1, 1, 1, 1, 1}}};
    int32_t first[3];
    size_t unlike = 0;
    for (uint64_t round = 0; round < 12; round++) {
        set s;
        whisper_options o = plain();
        o.seed = round / 2;
        set_open(&s, &o, wide, 1);
        for (size_t i = 0; i < 3; i++) {
            decode(&s, NULL, 0, 1);
            if (round % 2 == 1)
                assert_int_equal(s.result.tokens.ids[0], first[i]);
            else
                unlike += round > 0 && s.result.tokens.ids[0] != first[i];
            first[i] = s.result.tokens.ids[0];
        }
        set_close(&s);
    }
    assert_true(unlike > 3);
}

/* ---- Beams --------------------------------------------------------------------------------------------- */

/* Greedy search takes A, whose continuations are all improbable; through B the total is better. */
static const branch garden[] = {{{0}, {A, B, 0}, {2, 1.5F}},
                                {{A, 0}, {'p', 'q', 'r', 's', 0}, {0, 0, 0, 0}},
                                {{B, 0}, {C, 0}, {6}},
                                {{B, C, 0}, {EOT, 0}, {6}}};

TEST(test_beams_find_what_greed_misses)
{
    set s;
    whisper_options o = plain();
    set_open(&s, &o, garden, 4);
    decode(&s, NULL, 0, 0);
    assert_int_equal(s.result.tokens.ids[0], A);
    set_close(&s);
    o.beam_size = 2;
    set_open(&s, &o, garden, 4);
    decode(&s, NULL, 0, 0);
    check_tokens(&s, 2, (int32_t[]){B, C});
    double sum =
        1.5 - log_sum(2, (double[]){2, 1.5}) + 6 - log_sum(1, (double[]){6}) + 6 - log_sum(1, (double[]){6});
    assert_true(fabs(s.result.avg_logprob - sum / 3) < 1e-9);
    assert_true(s.tree.fed.n_reorders > 0);
    assert_true(fabs(s.result.logprobs[0] - (1.5 - log_sum(2, (double[]){2, 1.5}))) < 1e-9);
    assert_true(fabs(s.result.logprobs[1] - (6 - log_sum(1, (double[]){6}))) < 1e-9);
    set_close(&s);
}

/* "a" ends soon; "b" "c" ends later, with a better score per token. */
static const branch late[] = {{{0}, {A, B, 0}, {1, 0.9F}},  {{A, 0}, {EOT, 'x', 0}, {2, 1}},
                              {{A, 'x', 0}, {EOT, 0}, {0}}, {{B, 0}, {C, 0}, {6}},
                              {{B, C, 0}, {'d', 0}, {6}},   {{B, C, 'd', 0}, {EOT, 0}, {6}}};

TEST(test_patience_waits_for_more)
{
    static const struct {
        double patience;
        size_t steps, n;
        int32_t tokens[3];
    } rows[] = {{0.5, 2, 2, {B, C}},       /* one end is enough; the better remaining beam is the second */
                {NAN, 3, 1, {A}},          /* two ends: "a", "ax" */
                {1.5, 4, 3, {B, C, 'd'}}}; /* and a third */
    for (size_t i = 0; i < 3; i++) {
        set s;
        whisper_options o = plain();
        o.beam_size = 2;
        o.patience = rows[i].patience;
        set_open(&s, &o, late, 6);
        decode(&s, NULL, 0, 0);
        assert_int_equal(s.tree.fed.n_steps, rows[i].steps);
        check_tokens(&s, rows[i].n, rows[i].tokens);
        set_close(&s);
    }
}

TEST(test_length_penalty_ranks)
{
    /* two ends: one token of -1, or three with a sum of -1.3 */
    static const branch ends[] = {
        {{0}, {A, B, 0}, {0, 0}},         {{A, 0}, {EOT, 0}, {9}},
        {{B, 0}, {C, 'x', 0}, {1.2F, 0}}, {{B, C, 0}, {'d', 0}, {9}},
        {{B, C, 'd', 0}, {EOT, 0}, {9}},  {{B, 'x', 0}, {'p', 'q', 'r', 's', 0}, {0, 0, 0, 0}}};
    static const double penalties[] = {NAN, 0, 1};
    static const size_t lengths[] = {3, 1, 1};
    for (size_t i = 0; i < 3; i++) {
        set s;
        whisper_options o = plain();
        o.beam_size = 2;
        o.patience = 2;
        o.length_penalty = penalties[i];
        set_open(&s, &o, ends, 6);
        decode(&s, NULL, 0, 0);
        assert_int_equal(s.result.tokens.n, lengths[i]);
        set_close(&s);
    }
}

TEST(test_beams_that_never_end_are_ended)
{
    set s;
    whisper_options o = plain();
    o.beam_size = 3;
    o.sample_len = 4;
    set_open(&s, &o, NULL, 0);
    s.tree.fed.fill = endless_fill;
    decode(&s, NULL, 0, 0);
    check_tokens(&s, 4, (int32_t[]){A, A, A, A});
    set_close(&s);
}

/* ---- Errors -------------------------------------------------------------------------------------------- */

TEST(test_a_model_that_fails_is_heard)
{
    for (size_t call = 1; call <= 6; call++) {
        set s;
        whisper_options o = plain();
        o.beam_size = 2;
        set_open(&s, &o, garden, 4);
        s.tree.fed.fails_at = call;
        sib_code code = whisper_decode(&s.decoder, NULL, 0, 0, &s.result, &s.err);
        if (code != SIB_OK) {
            assert_int_equal(code, SIB_ERR_IO);
            assert_non_null(strstr(s.err.message, "told to fail"));
        } else {
            assert_true(call > 4);
        }
        set_close(&s);
    }
}

TEST(test_a_search_can_be_cancelled)
{
    struct sib_cancel cancel = {true};
    job_watch watch = {.cancel = &cancel};
    set s;
    whisper_options o = plain();
    set_open(&s, &o, chain, 4);
    s.decoder.watch = &watch;
    CHECK_FAILS(whisper_decode(&s.decoder, NULL, 0, 0, &s.result, &s.err), SIB_ERR_CANCELLED, s.err,
                "cancelled");
    set_close(&s);
}

TEST(test_every_allocation_may_fail)
{
    for (size_t beams = 0; beams < 4; beams += 3) {
        uint64_t allowed = 0;
        for (bool failed = true; failed; allowed++) {
            set s;
            whisper_options o = plain();
            o.beam_size = beams;
            o.best_of = 2;
            set_open(&s, &o, garden, 4);
            mem_fail_after(allowed);
            sib_code code =
                whisper_decode(&s.decoder, (int32_t[]){A}, 1, beams > 0 ? 0 : 1, &s.result, &s.err);
            mem_fail_never();
            failed = code != SIB_OK;
            if (failed)
                assert_int_equal(code, SIB_ERR_MEMORY);
            set_close(&s);
        }
        assert_true(allowed > 8);
    }
}
