/* One window by itself: its language, its prompt, its text, and what fails. */
#include "check_memory.h"
#include "whisper_tiny.h"

#include "job/whisper/window.h"

#include <math.h>

static const tiny_line said[] = {{0, 0, {TS, A, TS + 100, TS + 100, B, 0}, 20, 0}};

typedef struct set {
    tiny_model tiny;
    sib_tokenizer *tokenizer;
    whisper_options o;
    whisper_heard heard;
    sib_error err;
} set;

static void set_open(set *s)
{
    static const double greedy = 0;
    *s = (set){.err = SIB_ERROR_INIT};
    whisper_model shape = tiny_shape();
    s->tokenizer = tiny_tokenizer();
    tiny_open(&s->tiny, &shape, said, 1);
    whisper_options_default(&s->o);
    s->o.suppress_tokens = NULL;
    s->o.temperature = &greedy;
    s->o.n_temperatures = 1;
}

static void set_close(set *s)
{
    whisper_heard_free(&s->heard);
    fed_close(&s->tiny.fed);
    sib_tokenizer_free(&s->tokenizer);
}

static sib_code hear(set *s, const int32_t *previous, size_t n)
{
    size_t n_frames;
    float *mel = fed_features(&s->tiny.fed.model, 0, &n_frames);
    whisper_heard_free(&s->heard);
    sib_code code = whisper_hear_window(&s->tiny.fed.model, s->tokenizer, mel, previous, n, &s->o, NULL,
                                        &s->heard, &s->err);
    free(mel);
    return code;
}

TEST(test_the_language_is_detected_and_the_window_decoded)
{
    static const int32_t tokens[] = {TS, A, TS + 100, TS + 100, B};
    set s;
    double sum = 0;
    set_open(&s);
    CHECK_OK(hear(&s, NULL, 0), s.err);
    assert_int_equal(s.heard.decoded.tokens.n, 5);
    assert_memory_equal(s.heard.decoded.tokens.ids, tokens, sizeof tokens);
    assert_int_equal(s.heard.text.n, 3);
    assert_memory_equal(s.heard.text.data, "a b", 3);
    assert_true(s.heard.language.detected);
    assert_string_equal(s.heard.language.code, "de");
    for (size_t i = 0; i < WHISPER_LANGUAGES; i++)
        sum += s.heard.language.probabilities[i];
    assert_true(fabs(sum - 1) < 1e-12);
    assert_true(fabs(s.heard.language.probability - exp(5) / (exp(5) + 2)) < 1e-6);
    assert_int_equal(s.tiny.fed.n_encodes, 1);
    assert_int_equal(s.tiny.fed.n_rewinds, 1);
    set_close(&s);
}

TEST(test_a_given_language_and_previous_tokens)
{
    static const int32_t previous[] = {B, C};
    set s;
    set_open(&s);
    s.o.language = "Chinese";
    CHECK_OK(hear(&s, previous, 2), s.err);
    assert_false(s.heard.language.detected);
    assert_true(isnan(s.heard.language.probability));
    assert_string_equal(s.heard.language.code, "zh");
    assert_int_equal(s.tiny.fed.n_rewinds, 0);
    assert_int_equal(s.tiny.n_prompts, 1);
    assert_int_equal(s.tiny.prompts[0][0], SOT_PREV);
    assert_int_equal(s.tiny.prompts[0][1], B);
    assert_int_equal(s.tiny.prompts[0][3], SOT);
    set_close(&s);
}

TEST(test_what_is_refused)
{
    set s;
    set_open(&s);
    CHECK_FAILS(hear(&s, &(int32_t){N_TINY}, 1), SIB_ERR_ARGUMENT, s.err, "previous");
    CHECK_FAILS(hear(&s, &(int32_t){-1}, 1), SIB_ERR_ARGUMENT, s.err, "previous");
    s.o.language = "elvish";
    CHECK_FAILS(hear(&s, NULL, 0), SIB_ERR_ARGUMENT, s.err, "elvish");
    s.o.language = NULL;
    s.o.patience = 2;
    CHECK_FAILS(hear(&s, NULL, 0), SIB_ERR_ARGUMENT, s.err, "beam_size");
    set_close(&s);
}

TEST(test_failures_of_the_model_leave_nothing)
{
    for (size_t at = 1; at < 6; at++) {
        set s;
        set_open(&s);
        s.tiny.fed.fails_at = at;
        assert_int_not_equal(hear(&s, NULL, 0), SIB_OK);
        assert_null(s.heard.decoded.tokens.ids);
        assert_null(s.heard.text.data);
        set_close(&s);
    }
}
