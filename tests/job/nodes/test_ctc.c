/* Words and segments from the likeliest outputs of frames. */
#include "check.h"
#include "check_memory.h"
#include "job/nodes/ctc_text.h"
#include "job/whisper/letters.h"

#include <math.h>
#include <string.h>

static const char *const texts[] = {"-", "|", "A", "B", "\xC4\xB0", "_C", "'", "A", "_"};
static const ctc_rules plain = {texts, 9, "-", "|", " ", "", false, false, true, 0.5, 2.25, 100};

/* Takes a frame for each digit of ids, with the probability 0.5, then 0.75, ... */
static sib_code take(ctc_text *t, const char *ids, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; ids[i] && code == SIB_OK; i++)
        code = ctc_text_frame(t, i, (size_t)(ids[i] - '0'), i % 2 ? 0.75 : 0.5, err);
    return code == SIB_OK ? ctc_text_end(t, err) : code;
}

static void text_is(const ctc_rules *rules, const char *ids, const char *text, size_t n_segments)
{
    sib_error err = SIB_ERROR_INIT;
    ctc_text t = {.rules = rules};
    CHECK_OK(take(&t, ids, &err), err);
    const sib_str all = buf_str(&t.text);
    assert_int_equal(all.length, strlen(text));
    assert_memory_equal(all.data, text, all.length);
    assert_int_equal(t.segments.n, n_segments);
    for (size_t i = 0; i < n_segments; i++)
        assert_int_equal(t.segments.data[i].id, i);
    ctc_text_free(&t);
}

TEST(repetitions_are_one_and_blanks_none)
{
    text_is(&plain, "", "", 0);
    text_is(&plain, "000", "", 0);
    text_is(&plain, "2200233", "AAB", 1);
    text_is(&plain, "2727", "A", 1); /* two outputs of one text */
    text_is(&plain, "1211013", " A  B", 1);
    text_is(&plain, "21", "A ", 1);
}

TEST(texts_are_written_by_the_rules)
{
    ctc_rules r = plain;
    r.separator = "_";
    text_is(&r, "213", "A_B", 1);
    r.separator = " ";
    r.prefix = "_";
    text_is(&r, "525", " CA C", 1);
    r = plain;
    r.lower_case = true;
    text_is(&r, "243",
            "ai\xCC\x87"
            "b",
            1);
    r.clean_up = true;
    text_is(&r, "21613", "a'b", 1);
}

TEST(words_have_times_and_probabilities)
{
    sib_error err = SIB_ERROR_INIT;
    ctc_text t = {.rules = &plain, .offset = 10};
    CHECK_OK(take(&t, "0220311223", &err), err);
    assert_int_equal(t.segments.n, 1);
    const sib_segment *s = t.segments.data;
    assert_int_equal(s->n_words, 2);
    assert_string_equal(s->words[0].text, " AB");
    assert_string_equal(s->words[1].text, " AB");
    assert_true(s->words[0].start == 10.5 && s->words[0].end == 12.5);
    assert_true(s->words[1].start == 13.5 && s->words[1].end == 15);
    assert_true(s->start == 10.5 && s->end == 15);
    assert_float_equal(s->words[0].probability, (0.625 + 0.5) / 2, 1e-12); /* A: 0.75, 0.5; B: 0.5 */
    assert_int_equal(s->n_tokens, 4);
    assert_float_equal(s->logprobs[0], log(0.625), 1e-12);
    assert_float_equal(s->avg_logprob, (log(0.625) + log(0.5) + log(0.625) + log(0.75)) / 4, 1e-12);
    ctc_text_free(&t);
}

TEST(pieces_without_text_are_no_words)
{
    sib_error err = SIB_ERROR_INIT;
    ctc_rules r = plain;
    ctc_text t = {.rules = &r};
    r.prefix = "_";
    CHECK_OK(take(&t, "5858802", &err), err);
    assert_int_equal(t.text.n, 7);
    assert_memory_equal(t.text.data, " C  C A", 7);
    assert_int_equal(t.segments.n, 1);
    assert_int_equal(t.segments.data->n_words, 3);
    assert_int_equal(t.segments.data->n_tokens, 3);
    assert_string_equal(t.segments.data->words[2].text, " A");
    assert_true(t.segments.data->words[2].start == 3);
    ctc_text_free(&t);
}

/* Tokens of transducers: equal ones in a row are two, and one that takes no frame ends where it begins. */
TEST(tokens_come_with_their_frames)
{
    sib_error err = SIB_ERROR_INIT;
    ctc_rules r = plain;
    ctc_text t = {.rules = &r};
    r.prefix = "_";
    static const struct {
        uint64_t from, to;
        size_t id;
    } tokens[] = {{1, 3, 5}, {3, 4, 2}, {4, 4, 2}, {6, 6, 5}};
    for (int clip = 0; clip < 3; clip++) { /* the last begins inside a word */
        CHECK_OK(ctc_text_clip(&t, &err), err);
        for (size_t i = clip / 2; i < 4; i++)
            CHECK_OK(ctc_text_token(&t, tokens[i].from, tokens[i].to, tokens[i].id, 0.5, &err), err);
        CHECK_OK(ctc_text_end(&t, &err), err);
    }
    const sib_str all = buf_str(&t.text);
    static const char expected[] = " CAA C CAA C AA C";
    assert_int_equal(all.length, sizeof expected - 1);
    assert_memory_equal(all.data, expected, all.length);
    assert_int_equal(t.segments.n, 3);
    const sib_segment *s = t.segments.data;
    assert_int_equal(s->n_words, 2);
    assert_string_equal(s->words[0].text, " CAA");
    assert_true(s->words[0].start == 0.5 && s->words[0].end == 2);
    assert_true(s->words[1].start == 3 && s->words[1].end == 3);
    assert_float_equal(s->words[1].probability, 0.5, 1e-12);
    assert_int_equal(s->n_tokens, 4);
    ctc_text_free(&t);
}

TEST(pauses_and_lengths_end_segments)
{
    ctc_rules r = plain;
    text_is(&r, "21000213", "A A B", 1); /* 2 s from the end of one to the beginning of the next */
    text_is(&r, "210000213", "A A B", 2);
    r.max_seconds = 1;
    text_is(&r, "2131213", "A B A B", 2);
    text_is(&r, "232323", "ABABAB", 2); /* a word that does not end */
}

static sib_code take_all(const ctc_rules *rules, sib_error *err)
{
    ctc_text t = {.rules = rules};
    sib_code code = take(&t, "12103122000002313", err);
    ctc_text_free(&t);
    return code;
}

TEST(memory_may_fail_at_any_place)
{
    sib_error err = SIB_ERROR_INIT;
    ctc_rules r = plain;
    r.clean_up = r.lower_case = true;
    CHECK_EVERY_ALLOCATION(take_all(&r, &err), (void)0);
}
