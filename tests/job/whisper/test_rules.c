/* Which tokens may come next. */
#include "whisper_tiny.h"

#include "job/whisper/rules.h"

#include <math.h>

typedef struct set {
    sib_tokenizer *tokenizer;
    whisper_model shape;
    whisper_tokens tokens;
    whisper_rules rules;
    float logits[N_TINY];
} set;

static void set_open(set *s, const whisper_options *o)
{
    sib_error err = SIB_ERROR_INIT;
    s->tokenizer = tiny_tokenizer();
    s->shape = tiny_shape();
    CHECK_OK(whisper_tokens_find(&s->tokens, s->tokenizer, &s->shape, &err), err);
    CHECK_OK(whisper_rules_make(&s->rules, &s->tokens, o, &err), err);
}

static void set_close(set *s)
{
    whisper_rules_free(&s->rules);
    sib_tokenizer_free(&s->tokenizer);
}

/* No rule except that of timestamps. */
static whisper_options timestamps_only(void)
{
    whisper_options o;
    whisper_options_default(&o);
    o.suppress_tokens = NULL;
    o.suppress_blank = false;
    o.max_initial_timestamp = NAN;
    return o;
}

/* Applies the rules to logits of 0, and of 20 for token `high`, so that no sum over timestamps exceeds
   that. */
static void apply(set *s, const int32_t *sampled, size_t n, int32_t high)
{
    memset(s->logits, 0, sizeof s->logits);
    if (high >= 0)
        s->logits[high] = 20;
    whisper_rules_apply(&s->rules, sampled, n, s->logits);
}

static bool may(const set *s, int32_t token)
{
    return s->logits[token] > -INFINITY;
}

TEST(test_text_may_follow_a_pair_and_no_timestamp)
{
    set s;
    whisper_options o = timestamps_only();
    set_open(&s, &o);
    apply(&s, (int32_t[]){TS}, 1, A); /* the first one counts as a pair */
    assert_true(may(&s, A) && may(&s, EOT) && !may(&s, TS) && !may(&s, TS + 1500) && !may(&s, NO_TIMESTAMPS));
    apply(&s, (int32_t[]){TS, A, TS + 5, TS + 5}, 4, A);
    assert_true(may(&s, A) && may(&s, EOT) && !may(&s, TS + 6));
    set_close(&s);
}

TEST(test_a_timestamp_behind_text_is_followed_by_another_or_the_end)
{
    set s;
    whisper_options o = timestamps_only();
    set_open(&s, &o);
    apply(&s, (int32_t[]){TS, A, TS + 5}, 3, EOT);
    assert_true(!may(&s, A) && !may(&s, 0) && may(&s, EOT) && may(&s, TS + 5) && !may(&s, TS + 4));
    set_close(&s);
}

TEST(test_timestamps_never_go_back_and_segments_last)
{
    set s;
    whisper_options o = timestamps_only();
    set_open(&s, &o);
    apply(&s, (int32_t[]){TS + 7, A}, 2, A);
    assert_true(may(&s, A) && !may(&s, TS + 6) && !may(&s, TS + 7) && may(&s, TS + 8) && may(&s, TS + 1500));
    apply(&s, (int32_t[]){TS + 1500, A}, 2, A); /* no timestamp is left */
    assert_true(may(&s, A) && !may(&s, TS + 1500));
    set_close(&s);
}

TEST(test_the_first_token_is_an_early_timestamp)
{
    set s;
    whisper_options o = timestamps_only();
    o.max_initial_timestamp = 1;
    set_open(&s, &o);
    apply(&s, NULL, 0, A);
    assert_true(!may(&s, A) && !may(&s, EOT) && may(&s, TS) && may(&s, TS + 50) && !may(&s, TS + 51));
    set_close(&s);
    o.max_initial_timestamp = 0; /* no limit */
    set_open(&s, &o);
    apply(&s, NULL, 0, A);
    assert_true(!may(&s, A) && may(&s, TS) && may(&s, TS + 1500));
    set_close(&s);
    o.max_initial_timestamp = 0.03; /* 1.5 positions round to the even number */
    set_open(&s, &o);
    apply(&s, NULL, 0, A);
    assert_true(may(&s, TS + 2) && !may(&s, TS + 3));
    set_close(&s);
    o.max_initial_timestamp = 1e300;
    set_open(&s, &o);
    apply(&s, NULL, 0, A);
    assert_true(may(&s, TS + 1500));
    set_close(&s);
}

TEST(test_timestamps_together_outweigh_the_most_probable_text)
{
    set s;
    whisper_options o = timestamps_only();
    set_open(&s, &o);
    const double all = log(1501 - 8); /* timestamps after <|0.14|> that are allowed, with logits of 0 */
    for (int above = 0; above < 2; above++) {
        memset(s.logits, 0, sizeof s.logits);
        s.logits[B] = (float)(all + (above ? 0.001 : -0.001));
        whisper_rules_apply(&s.rules, (int32_t[]){TS + 7, A}, 2, s.logits);
        assert_int_equal(may(&s, B), above);
        assert_int_equal(may(&s, EOT), above);
        assert_true(may(&s, TS + 8));
    }
    set_close(&s);
}

TEST(test_without_timestamps_none_of_it_holds)
{
    set s;
    whisper_options o = timestamps_only();
    o.without_timestamps = true;
    set_open(&s, &o);
    apply(&s, (int32_t[]){TS}, 1, -1);
    for (int32_t i = 0; i < N_TINY; i++)
        assert_true(may(&s, i));
    set_close(&s);
}

TEST(test_a_text_begins_with_no_blank_and_no_end)
{
    set s;
    whisper_options o = timestamps_only();
    o.without_timestamps = true;
    o.suppress_blank = true;
    set_open(&s, &o);
    apply(&s, NULL, 0, -1);
    assert_true(!may(&s, ' ') && !may(&s, EOT) && may(&s, A));
    apply(&s, (int32_t[]){A}, 1, -1);
    assert_true(may(&s, ' ') && may(&s, EOT));
    set_close(&s);
}

TEST(test_suppressed_tokens_by_name_and_by_kind)
{
    set s;
    whisper_options o = timestamps_only();
    o.without_timestamps = true;
    o.suppress_tokens = "-1, 257";
    set_open(&s, &o);
    apply(&s, NULL, 0, -1);
    for (const char *c = "\"#()*+/:;<=>@[\\]^_`{|}~"; *c; c++)
        assert_false(may(&s, *c));
    for (const char *c = "-'.,!?aZ0 "; *c;
         c++) /* " -" and " '" are two tokens here: their first is a blank */
        assert_int_equal(may(&s, *c), *c != ' ');
    assert_false(may(&s, NOTE)); /* the first bytes of musical notes */
    assert_false(may(&s, OPEN));
    assert_true(may(&s, 0xE2) && may(&s, A) && may(&s, EN) && may(&s, EOT) && may(&s, NO_TIMESTAMPS));
    assert_false(may(&s, B));
    static const int32_t framing[] = {SOT, TRANSLATE, TRANSCRIBE, SOT_LM, SOT_PREV, NO_SPEECH};
    for (size_t i = 0; i < 6; i++)
        assert_false(may(&s, framing[i]));
    set_close(&s);

    o.suppress_tokens = "65";
    set_open(&s, &o);
    apply(&s, NULL, 0, -1);
    assert_true(!may(&s, 65) && !may(&s, SOT) && may(&s, '(') && may(&s, B));
    set_close(&s);
    o.suppress_tokens = "";
    set_open(&s, &o);
    apply(&s, NULL, 0, -1);
    assert_true(may(&s, SOT) && may(&s, NO_SPEECH));
    set_close(&s);
}

TEST(test_bad_lists_of_tokens_are_refused)
{
    set s;
    whisper_options o = timestamps_only();
    set_open(&s, &o);
    whisper_rules rules;
    sib_error err = SIB_ERROR_INIT;
    static const char *const lists[] = {
        "a", "1,,2", "1;2", "1,", ",1", "-2", "99999", "1 2", "99999999999999999999"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        o.suppress_tokens = lists[i];
        CHECK_FAILS(whisper_rules_make(&rules, &s.tokens, &o, &err), SIB_ERR_ARGUMENT, err,
                    "suppress_tokens");
    }
    set_close(&s);
}

TEST(test_tokens_that_are_not_there_are_named)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer *bytes = NULL, *tiny = tiny_tokenizer();
    sib_tokenizer_options options = {"bytes", 0};
    CHECK_OK(sib_tokenizer_open(NULL, &options, &bytes, &err), err);
    whisper_model shape = tiny_shape();
    whisper_tokens tokens;
    CHECK_FAILS(whisper_tokens_find(&tokens, bytes, &shape, &err), SIB_ERR_VALUE, err, "<|endoftext|>");
    shape.n_vocab = TS; /* the model has no logits of timestamps */
    CHECK_FAILS(whisper_tokens_find(&tokens, tiny, &shape, &err), SIB_ERR_VALUE, err, "<|0.00|>");
    shape.n_vocab = N_TINY;
    CHECK_OK(whisper_tokens_find(&tokens, tiny, &shape, &err), err);
    CHECK_FAILS(whisper_tokens_start(&tokens, "fr", false, &err), SIB_ERR_VALUE, err, "<|fr|>");
    CHECK_OK(whisper_tokens_start(&tokens, "zh", true, &err), err);
    assert_int_equal(tokens.start[1], ZH);
    assert_int_equal(tokens.start[2], TRANSLATE);
    sib_tokenizer_free(&bytes);
    sib_tokenizer_free(&tiny);
}

TEST(test_languages_by_any_name)
{
    assert_string_equal(whisper_language_code("en"), "en");
    assert_string_equal(whisper_language_code("German"), "de");
    assert_string_equal(whisper_language_code("HAITIAN CREOLE"), "ht");
    assert_string_equal(whisper_language_code("Mandarin"), "zh");
    assert_string_equal(whisper_language_code("valencian"), "ca");
    assert_null(whisper_language_code("klingon"));
    assert_null(whisper_language_code(""));
    assert_true(whisper_language_unspaced("yue") && !whisper_language_unspaced("ko"));
}

TEST(test_sums_of_logarithms)
{
    const float x[] = {1, -INFINITY, 3, 3}, none[] = {-INFINITY, -INFINITY}, broken[] = {0, NAN};
    assert_true(fabs(whisper_log_sum(x, 4) - log(exp(1) + 2 * exp(3))) < 1e-14);
    assert_true(whisper_log_sum(none, 2) == -INFINITY);
    assert_true(whisper_log_sum(x, 0) == -INFINITY);
    assert_true(isnan(whisper_log_sum(broken, 2)));
    assert_int_equal(whisper_argmax(x, 4), 2); /* the first of two equal ones */
}

TEST(test_the_first_of_the_greatest)
{
    float x[70];
    for (size_t n = 1; n <= 70; n++)
        for (size_t k = 0; k < 4 * n; k++) {
            size_t best = 0;
            for (size_t i = 0; i < n; i++)
                x[i] = k % 5 == 4 && i % 7 == 3 ? NAN
                       : k % 5 == 3             ? -INFINITY
                                                : (float)(i * (k + 7) % 13) - 6;
            if (k % 2)
                x[k % n] = k % 11 ? 7 : INFINITY;
            for (size_t i = 1; i < n; i++)
                if (x[i] > x[best])
                    best = i;
            assert_int_equal(whisper_argmax(x, n), best);
        }
    x[0] = NAN;
    assert_int_equal(whisper_argmax(x, 70), 0);
}
