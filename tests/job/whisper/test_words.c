/* Characters, words, their times, and signs of hallucination. */
#include "whisper_tiny.h"

#include "job/whisper/align.h"
#include "job/whisper/hallucinate.h"
#include "job/whisper/letters.h"
#include "job/whisper/words.h"

#include <math.h>

static sib_str str(const char *s)
{
    return (sib_str){s, strlen(s)};
}

/* ---- Characters ---------------------------------------------------------------------------------------- */

static void check_trim(const char *text, const char *expected)
{
    sib_str s = whisper_trim(str(text));
    assert_int_equal(s.length, strlen(expected));
    assert_memory_equal(s.data, expected, s.length);
}

TEST(test_blanks_of_every_kind_are_trimmed)
{
    check_trim("", "");
    check_trim(" \t\r\n\v\f\x1c\x1f", "");
    check_trim("  a b ", "a b");
    check_trim("\xC2\xA0\xE3\x80\x80"
               "a\xE2\x80\x89",
               "a");
    check_trim("\xE2\x80\x8B"
               "a",
               "\xE2\x80\x8B"
               "a"); /* a zero-width space is no blank */
    check_trim(" \xE8\xAA\x9E ", "\xE8\xAA\x9E");
}

TEST(test_broken_characters_are_replaced_as_unicode_says)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {{"", ""},
                {"a\xFF"
                 "b",
                 "a?b"},
                {"\xE2\x82", "?"}, /* incomplete: one replacement */
                {"\xE2\x82\x28", "?("},
                {"\xE2\x28\xA1", "?(?"},
                {"\xF0\x9F\x8E", "?"},
                {"\xED\xA0\x80", "???"},      /* the bytes of a surrogate begin no character */
                {"\xC0\xAF", "??"},           /* overlong */
                {"\xF4\x90\x80\x80", "????"}, /* beyond the last character */
                {"\xF0\x9F\xF0\x9F\x8E\xB5", "?\xF0\x9F\x8E\xB5"},
                {"\xE8\xAA\x9E\xEF\xBF\xBD", "\xE8\xAA\x9E?"}};
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        byte_buffer out = {0}, expected = {0};
        for (const char *c = rows[i].text; *c; c++)
            buf_add(&expected, *c == '?' ? "\xEF\xBF\xBD" : c, *c == '?' ? 3 : 1, &err);
        CHECK_OK(whisper_repair(str(rows[i].bytes), true, &out, NULL, &err), err);
        assert_int_equal(out.n, expected.n);
        if (out.n > 0)
            assert_string_equal(out.data, expected.data);
        buf_free(&out);
        buf_free(&expected);
    }
}

TEST(test_characters_wait_for_their_last_byte)
{
    byte_buffer out = {0};
    size_t taken;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(whisper_repair(str("a\xE8\xAA"), false, &out, &taken, &err), err);
    assert_int_equal(taken, 1);
    assert_string_equal(out.data, "a");
    CHECK_OK(whisper_repair(str("\xE8\xAA\x9E\xFF"), false, &out, &taken, &err), err);
    assert_int_equal(taken, 4);
    assert_string_equal(out.data, "a\xE8\xAA\x9E\xEF\xBF\xBD");
    buf_free(&out);
}

TEST(test_letters_are_counted_and_found)
{
    sib_str s = str("a\xE8\xAA\x9E"
                    "b");
    assert_int_equal(whisper_letters(s), 3);
    assert_int_equal(whisper_letter(s, 1).length, 3);
    assert_int_equal(whisper_letter(s, 2).data[0], 'b');
    assert_int_equal(whisper_letter(s, 3).length, 0);
    assert_true(whisper_within(str(""), str("")));
    assert_true(whisper_within(str("!?"), str(".!?")) && !whisper_within(str("?!"), str(".!?")));
}

/* ---- Words --------------------------------------------------------------------------------------------- */

typedef struct words {
    sib_tokenizer *tokenizer;
    whisper_tokens tokens;
    whisper_timed_list list;
    sib_error err;
} words;

static void words_open(words *w, const char *language, const int32_t *ids, size_t n)
{
    *w = (words){.tokenizer = tiny_tokenizer(), .err = SIB_ERROR_INIT};
    whisper_model shape = tiny_shape();
    CHECK_OK(whisper_tokens_find(&w->tokens, w->tokenizer, &shape, &w->err), w->err);
    w->tokens.language = language;
    CHECK_OK(whisper_split(&w->tokens, ids, n, &w->list, &w->err), w->err);
}

static void words_close(words *w)
{
    whisper_timed_free(&w->list);
    sib_tokenizer_free(&w->tokenizer);
}

static void check_word(const words *w, size_t i, const char *text, size_t n_tokens)
{
    assert_true(i < w->list.n);
    assert_string_equal(buf_str(&w->list.data[i].text).data, text);
    assert_int_equal(w->list.data[i].n_tokens, n_tokens);
}

TEST(test_words_begin_at_blanks_marks_and_special_tokens)
{
    words w;
    words_open(&w, "en", (int32_t[]){'x', 'y', A, 'b', '.', 'c', ' ', 'd', EOT}, 9);
    assert_int_equal(w.list.n, 5);
    check_word(&w, 0, "xy", 2);
    check_word(&w, 1, " ab", 2);
    check_word(&w, 2, ".c", 2);
    check_word(&w, 3, " d", 2);
    check_word(&w, 4, "<|endoftext|>", 1);
    words_close(&w);
}

TEST(test_some_languages_are_split_at_every_character)
{
    words w;
    words_open(&w, "zh", (int32_t[]){'x', 0xE8, 0xAA, 0x9E, 'y', EOT}, 6);
    assert_int_equal(w.list.n, 4);
    check_word(&w, 0, "x", 1);
    check_word(&w, 1, "\xE8\xAA\x9E", 3);
    check_word(&w, 2, "y", 1);
    words_close(&w);
    words_open(&w, NULL, (int32_t[]){'x', 0xE8, 0xAA, 0x9E, 'y', EOT}, 6);
    assert_int_equal(w.list.n, 2);
    check_word(&w, 0, "x\xE8\xAA\x9Ey", 5);
    words_close(&w);
}

TEST(test_bytes_that_stay_broken_are_characters_too)
{
    words w;
    words_open(&w, "zh", (int32_t[]){0xFF, 'a', EOT}, 3);
    assert_int_equal(w.list.n, 3);
    check_word(&w, 0, "\xEF\xBF\xBD", 1);
    words_close(&w);
    /* two bytes become one unknown character, so the second has no character: the tokens after it are left
       out */
    words_open(&w, "zh", (int32_t[]){'a', 0xF0, 0x9F, 'b', EOT}, 5);
    assert_int_equal(w.list.n, 2);
    check_word(&w, 1, "\xEF\xBF\xBD", 1);
    words_close(&w);
}

TEST(test_marks_join_their_words)
{
    words w;
    words_open(&w, "en", (int32_t[]){A, '!', '?', OPEN, B, ')', '(', C, EOT}, 9);
    assert_int_equal(w.list.n, 9);
    CHECK_OK(whisper_join_marks(&w.list, "\"(", "!?)", &w.err), w.err);
    static const struct {
        const char *text;
        size_t n;
    } expected[] = {{" a!?", 3}, {"", 0},      {"", 0},
                    {"", 0},     {" ( b)", 3}, {"", 0},
                    {"(", 1},    {" c", 1},    {"<|endoftext|>", 1}};
    for (size_t i = 0; i < 9; i++)
        check_word(&w, i, expected[i].text, expected[i].n);
    words_close(&w);
}

/* ---- Paths --------------------------------------------------------------------------------------------- */

/* Cost of the cheapest path, by trying all. */
static double cheapest(const double *cost, size_t rows, size_t columns, size_t i, size_t j)
{
    double here = cost[i * columns + j], best = INFINITY;
    if (i + 1 == rows && j + 1 == columns)
        return here;
    for (size_t step = 1; step < 4; step++) {
        size_t to_i = i + (step & 1), to_j = j + (step >> 1);
        if (to_i < rows && to_j < columns)
            best = fmin(best, cheapest(cost, rows, columns, to_i, to_j));
    }
    return here + best;
}

TEST(test_paths_are_the_cheapest)
{
    check_random r = {77};
    sib_error err = SIB_ERROR_INIT;
    for (size_t round = 0; round < 300; round++) {
        size_t rows = 1 + check_u64(&r) % 5, columns = 1 + check_u64(&r) % 6;
        double cost[30], sum = 0;
        int64_t first[5];
        for (size_t i = 0; i < rows * columns; i++)
            cost[i] =
                /* of one sign: a path is then nearly determined by where it enters rows */
                check_uniform(&r) + 1;
        CHECK_OK(whisper_warp(cost, rows, columns, first, &err), err);
        assert_int_equal(first[0], 0);
        double best = INFINITY;
        for (size_t exits = 0; exits < (1u << (rows - 1)); exits++, best = fmin(best, sum)) {
            sum = 0; /* rows are left vertically or diagonally */
            for (size_t i = 0; i < rows; i++) {
                int64_t last = (int64_t)columns - 1;
                if (i + 1 < rows)
                    last = first[i + 1] - (exits >> i & 1);
                if (last < first[i])
                    sum = INFINITY;
                for (int64_t j = first[i]; j <= last; j++)
                    sum += cost[i * columns + (size_t)j];
            }
        }
        assert_true(fabs(best - cheapest(cost, rows, columns, 0, 0)) < 1e-12);
    }
    int64_t first[3];
    CHECK_OK(whisper_warp((const double[]){0, 0, 1, 0}, 2, 2, first, &err), err);
    /* vertical and diagonal steps cost the same: neither is taken, but a horizontal one */
    assert_int_equal(first[1], 0);
    CHECK_OK(whisper_warp(NULL, 3, 0, first, &err), err); /* no audio */
    assert_true(first[0] == -1 && first[2] == -1);
}

TEST(test_medians_are_mirrored_at_the_ends)
{
    double x[9] = {5, 1, 4, 9, 2, 8, 3, 7, 6}, out[9];
    whisper_medians(x, 9, out);
    assert_true(out[0] == 4); /* median of 9 4 1 5 1 4 9 */
    assert_true(out[1] == 4); /* median of 4 1 5 1 4 9 2 */
    assert_true(out[4] == 4); /* median of 1 4 9 2 8 3 7 */
    assert_true(out[8] == 7); /* median of 8 3 7 6 7 3 8 */
    whisper_medians(x, 3, out);
    assert_memory_equal(x, out, 3 * sizeof *x);
    whisper_medians(x, 4, out);
    assert_true(out[0] == 4); /* median of 9 4 1 5 1 4 9 */
    double broken[7] = {NAN, 1, NAN, 2, NAN, 3, NAN};
    whisper_medians(broken, 7, out);
    assert_true(isnan(out[3])); /* four of seven are NaN, which sorts after all numbers */
    broken[0] = 4;
    whisper_medians(broken, 7, out);
    assert_true(out[3] == 4);
}

/* ---- Times --------------------------------------------------------------------------------------------- */

/* Words of a window in sequence: word i from bounds[i] to bounds[i + 1]; the end token after the last. */
typedef struct hearing {
    tiny_model tiny;
    double bounds[8]; /* seconds; the first is 0, and 30 comes after the last one */
    double offset;    /* seconds at which the window begins */
} hearing;

static float hear_at(fed_model *m, const int32_t head[2], size_t i, size_t position)
{
    const hearing *h = (const hearing *)m->script;
    assert_int_equal(head[0], 1); /* the upper half of two layers */
    if (i < 3 || i > 9) /* start, language and task; a word is aligned by the row of the token before it */
        return 0;
    const double second = (double)position * 0.02 + 0.01;
    return second > h->bounds[i - 3] && (h->bounds[i - 2] == 0 || second < h->bounds[i - 2]) ? 8 : 0;
}

/* Words of the segments of a window with tokens (n). */
static void time_words(hearing *h, const int32_t *tokens, size_t n, whisper_options *o,
                       whisper_segments *segments)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer *t = tiny_tokenizer();
    whisper_tokens w;
    whisper_decoder d;
    static const tiny_line nothing = {0, 0, {A, B, C, 0}, 10, 0};
    whisper_model shape = tiny_shape();
    tiny_open(&h->tiny, &shape, &nothing, 1);
    h->tiny.fed.script = h;
    h->tiny.fed.attend = hear_at;
    CHECK_OK(whisper_tokens_find(&w, t, &shape, &err), err);
    CHECK_OK(whisper_tokens_start(&w, "en", false, &err), err);
    CHECK_OK(whisper_decoder_make(&d, &h->tiny.fed.model, o, NULL, &w, &err), err);
    h->tiny.fed.n_encodes = 1;
    whisper_decoded r = {.temperature = 0};
    whisper_window at = {.seek = 0, .size = 3000, .offset = h->offset, .duration = 30, .end = 30};
    size_t advance;
    bool complete;
    CHECK_OK(ids_append(&r.tokens, tokens, n, &err), err);
    CHECK_OK(whisper_slice(&w, &r, &at, segments, &advance, &complete, &err), err);
    CHECK_OK(whisper_add_words(&d, &at, 0, segments, &err), err);
    whisper_decoded_free(&r);
    whisper_decoder_free(&d);
    fed_close(&h->tiny.fed);
    sib_tokenizer_free(&t);
}

static void check_times(const sib_segment *s, size_t i, const char *text, double start, double end)
{
    assert_true(i < s->n_words);
    assert_string_equal(s->words[i].text, text);
    if (fabs(s->words[i].start - start) > 0.1 || fabs(s->words[i].end - end) > 0.1)
        fail_msg("word %zu '%s' from %g to %g, expected %g to %g", i, text, s->words[i].start,
                 s->words[i].end, start, end);
}

TEST(test_words_lie_where_they_are_attended_to)
{
    hearing h = {.bounds = {0, 1.24, 1.74, 2.24}};
    whisper_options o;
    whisper_options_default(&o);
    whisper_segments s = {0};
    time_words(&h, (int32_t[]){TS + 40, A, B, TS + 100, TS + 100, C, TS + 130}, 7, &o, &s);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.data[0].n_words, 2);
    assert_int_equal(s.data[1].n_words, 1);
    check_times(&s.data[0], 1, " b", 1.24, 1.74);
    check_times(&s.data[1], 0, " c", 1.74, 2.24);
    assert_true(s.data[1].start == s.data[1].words[0].start && s.data[1].end == s.data[1].words[0].end);
    assert_true(s.data[0].words[0].end == s.data[0].words[1].start);
    for (size_t i = 0; i < 2; i++)
        assert_true(s.data[0].words[i].probability > 0.98 && s.data[0].words[i].probability < 1);
    whisper_segments_cut(&s, 0);
}

static void place(const double bounds[8], const int32_t *tokens, size_t n, whisper_segments *segments)
{
    hearing h;
    whisper_options o;
    whisper_options_default(&o);
    memset(&h, 0, sizeof h);
    memcpy(h.bounds, bounds, sizeof h.bounds);
    time_words(&h, tokens, n, &o, segments);
}

TEST(test_words_behind_a_pause_are_cut)
{
    whisper_segments s = {0};
    place((double[8]){0, 10, 10.5, 11}, (int32_t[]){TS + 450, A, B, C, TS + 560}, 5, &s);
    check_times(&s.data[0], 0, " a", 9, 10); /* twice the median of 0.5 s */
    check_times(&s.data[0], 1, " b", 10, 10.5);
    assert_true(s.data[0].start == s.data[0].words[0].start && s.data[0].end == s.data[0].words[2].end);
    whisper_segments_cut(&s, 0);
    /* the second word is long too; no median is above 0.7 s */
    place((double[8]){0, 10, 12, 14}, (int32_t[]){TS + 450, A, B, C, TS + 560}, 5, &s);
    check_times(&s.data[0], 0, " a", 9.2, 10.6);
    check_times(&s.data[0], 1, " b", 10.6, 12);
    whisper_segments_cut(&s, 0);
}

TEST(test_segments_cut_words_that_are_too_long)
{
    whisper_segments s = {0};
    place((double[8]){0, 0.5, 1, 10}, (int32_t[]){TS, A, B, C, TS + 100}, 5, &s);
    check_times(&s.data[0], 2, " c", 1, 2);
    assert_true(s.data[0].end == 2);
    whisper_segments_cut(&s, 0);
    place((double[8]){0, 1.6, 2.1, 2.6}, (int32_t[]){TS + 60, A, B, C, TS + 130, TS + 130}, 6, &s);
    check_times(&s.data[0], 0, " a", 1.1, 1.6); /* otherwise it would begin 1.2 s before its segment */
    assert_true(s.data[0].start == 1.2);
    whisper_segments_cut(&s, 0);
}

TEST(test_words_behind_a_sentence_are_cut)
{
    whisper_segments s = {0};
    place((double[8]){0, 0.5, 1, 8, 8.5}, (int32_t[]){TS, A, '.', B, C, TS + 430}, 6, &s);
    assert_int_equal(s.data[0].n_words, 3);
    check_times(&s.data[0], 0, " a.", 0, 0.5);
    check_times(&s.data[0], 1, " b", 7, 8);
    whisper_segments_cut(&s, 0);
}

TEST(test_times_are_hundredths)
{
    hearing h = {.bounds = {0, 0.2, 0.4, 0.6}, .offset = 0.1};
    whisper_options o;
    whisper_options_default(&o);
    whisper_segments s = {0};
    time_words(&h, (int32_t[]){TS, A, B, C, TS + 40}, 5, &o, &s);
    size_t rounded = 0;
    for (size_t i = 1; i < 3; i++) { /* 0.1 + 0.2 is not 0.3 in binary */
        const sib_word *w = &s.data[0].words[i];
        assert_true(w->start == rint(w->start * 100) / 100 && w->end == rint(w->end * 100) / 100);
        rounded +=
            0.1 + (w->start - 0.1) != w->start || 0.1 + 0.02 * rint((w->start - 0.1) / 0.02) != w->start;
    }
    assert_true(rounded > 0);
    whisper_segments_cut(&s, 0);
}

TEST(test_a_text_without_words_keeps_its_times)
{
    hearing h;
    memset(&h, 0, sizeof h);
    whisper_options o;
    whisper_options_default(&o);
    whisper_segments s = {0};
    time_words(&h, (int32_t[]){TS + 40, TS + 80}, 2, &o, &s);
    double end;
    assert_true(whisper_last_end(&s, &end));
    assert_true(s.n >= 1 && s.data[0].n_words == 0);
    whisper_segments_cut(&s, 0);
    assert_false(whisper_last_end(&s, &end));
}

/* ---- Hallucinations ------------------------------------------------------------------------------------ */

typedef struct scene {
    sib_word words[3][4];
    sib_segment segments[3];
    whisper_window at;
    whisper_hearing h;
} scene;

/* Segments of two words each that begin at `starts`; those marked `odd` are short and improbable. The window
   starts at 30 s. */
static whisper_segments make_scene(scene *s, size_t n, const double *starts, const bool *odd)
{
    *s = (scene){.at = {.seek = 3000, .size = 3000, .offset = 30, .duration = 30, .end = 60}};
    s->h = (whisper_hearing){&s->at, 100000, 1, 29, true};
    for (size_t i = 0; i < n; i++) {
        double length = odd[i] ? 0.02 : 0.5;
        for (size_t k = 0; k < 2; k++)
            s->words[i][k] = (sib_word){" a", starts[i] + length * (double)k,
                                        starts[i] + length * (double)(k + 1), odd[i] ? 0.01 : 0.9};
        s->segments[i] = (sib_segment){
            .start = starts[i], .end = starts[i] + 2 * length, .words = s->words[i], .n_words = 2};
    }
    return (whisper_segments){s->segments, n, n}; /* not on the heap, so nothing may be cut: see own() */
}

TEST(test_anomalies_are_short_long_or_improbable)
{
    sib_word w[3] = {{" a", 0, 0.5, 0.9}, {" b", 0.5, 1, 0.9}, {".", 1, 1.01, 0.01}};
    sib_segment s = {.words = w, .n_words = 3};
    assert_false(whisper_is_anomaly(&s)); /* punctuation does not count */
    w[0].probability = w[1].probability = 0.1;
    assert_true(whisper_is_anomaly(&s));
    w[0].probability = w[1].probability = 0.9;
    w[0].end = 5.1; /* 3.1 s too long */
    assert_true(whisper_is_anomaly(&s));
    w[0].end = 0.05; /* a score of 1.245 for one word */
    assert_false(whisper_is_anomaly(&s));
    w[1].end = 0.55;
    assert_true(whisper_is_anomaly(&s));
    s.n_words = 0;
    assert_false(whisper_is_anomaly(&s));
    sib_word only[1] = {{"?!", 0, 1, 1}};
    s = (sib_segment){.words = only, .n_words = 1};
    assert_false(whisper_is_anomaly(&s)); /* "?!" is not a substring of the list of punctuation */
    only[0].text = "!";
    assert_true(whisper_is_anomaly(&s)); /* no words are left, which counts as an anomaly */
}

TEST(test_eight_words_tell_and_three_odd_ones_are_enough)
{
    sib_word w[12];
    sib_segment s = {.words = w, .n_words = 12};
    for (size_t i = 0; i < 12; i++)
        w[i] = (sib_word){" a", 0.5 * (double)i, 0.5 * (double)i + 0.5, i < 2 || i > 7 ? 0.1 : 0.9};
    assert_false(whisper_is_anomaly(&s)); /* two of the first eight, whatever follows */
    w[5].probability = 0.1;
    assert_true(whisper_is_anomaly(&s));
}

TEST(test_silence_in_front_of_an_anomaly_is_skipped)
{
    scene s;
    size_t seek = 6000;
    whisper_segments list = make_scene(&s, 1, (double[]){34.5}, (bool[]){true});
    assert_false(whisper_skip_silence(&s.h, &list, &seek));
    assert_int_equal(seek, 3450);
    list = make_scene(&s, 1, (double[]){34.5}, (bool[]){false});
    seek = 6000;
    assert_true(whisper_skip_silence(&s.h, &list, &seek));
    assert_int_equal(seek, 6000);
    assert_int_equal(list.n, 1);
}

TEST(test_unfinished_windows_go_on_by_what_is_left)
{
    scene s;
    size_t seek = 0;
    whisper_segments list = make_scene(&s, 1, (double[]){30.2}, (bool[]){false});
    s.h.complete = false;
    assert_true(whisper_skip_silence(&s.h, &list, &seek));
    assert_int_equal(seek, 3120); /* a long silence follows the last word */
    list = make_scene(&s, 1, (double[]){58.5}, (bool[]){false});
    s.h.complete = false;
    assert_true(whisper_skip_silence(&s.h, &list, &seek));
    assert_int_equal(seek, 6000);
}

/* Moves a segment to the heap, as lists hold them. */
static void own(whisper_segments *list)
{
    whisper_segments copy = {0};
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < list->n; i++) {
        sib_word *items = mem_alloc(list->data[i].n_words, sizeof *items);
        assert_non_null(items);
        memcpy(items, list->data[i].words, list->data[i].n_words * sizeof *items);
        CHECK_OK(ARRAY_PUSH(copy.data, copy.n, copy.capacity, "segments", &err, list->data[i]), err);
        for (size_t k = 0; k < list->data[i].n_words; k++) {
            byte_buffer text = {0};
            CHECK_OK(buf_add(&text, " a", 2, &err), err);
            items[k].text = text.data;
        }
        copy.data[copy.n - 1].words = items;
    }
    *list = copy;
}

TEST(test_anomalies_between_silences_are_cut)
{
    static const struct {
        double starts[3];
        bool odd[3];
        size_t content, n, seek;
    } rows[] = {{{30.5, 40, 50}, {false, true, false}, 100000, 1, 4000},
                {{30.5, 40, 50}, {false, true, false}, 4050, 1, 4050},       /* the recording ends */
                {{30.5, 31.8, 31.9}, {false, true, false}, 100000, 3, 6000}, /* speech follows at once */
                {{30.5, 40, 40.1}, {false, true, true}, 100000, 1, 4000},    /* another one follows */
                {{30.5, 59, 59.1}, {false, true, false}, 100000, 1, 5900},   /* the window ends soon */
                {{36, 37, 45}, {false, true, false}, 100000, 3, 6000},       /* speech just before it */
                {{36, 37, 37.1}, {false, true, false}, 100000, 3, 6000}};    /* speech on both sides */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scene s;
        size_t seek = 6000;
        whisper_segments list = make_scene(&s, 3, rows[i].starts, rows[i].odd);
        own(&list);
        s.h.content = rows[i].content;
        assert_true(whisper_skip_silence(&s.h, &list, &seek));
        assert_int_equal(list.n, rows[i].n);
        assert_int_equal(seek, rows[i].seek);
        whisper_segments_cut(&list, 0);
    }
}
