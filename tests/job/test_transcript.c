/* Transcripts as text: what each format writes, at the edges too. */
#include "check_memory.h"

#include <jansson.h>
#include <math.h>
#include <sibyl/transcript.h>

static const sib_word words[] = {{" one", 3601.25, 3601.5, 0.5}, {" two", 3601.75, 3602.001, NAN}};
static const int32_t tokens[] = {50364, 7};
static const sib_segment segments[] = {
    {.id = 0, .start = -0.5, .end = 61.0006, .text = " a --> b\t ", .n_tokens = 2, .tokens = tokens},
    {.id = 1,
     .seek = 3000,
     .start = 3600.9996,
     .end = 3603,
     .text = "one\ttwo",
     .n_words = 2,
     .words = words,
     .no_speech_prob = NAN},
    {.id = 2, .start = 3603, .end = 3603, .text = "", .words = words}};
static const sib_transcript three = {" a --> b one two", "en", segments, 3};
static const sib_transcript none = {"", "en", NULL, 0};

static void expect(const sib_transcript *t, sib_transcript_format format, const char *expected)
{
    sib_error err = SIB_ERROR_INIT;
    char *text;
    size_t size;
    CHECK_OK(sib_transcript_text(t, format, &text, &size, &err), err);
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
    sib_free(text);
}

TEST(plain_formats)
{
    expect(&three, SIB_TRANSCRIPT_TXT, "a --> b\none\ttwo\n\n");
    expect(&three, SIB_TRANSCRIPT_TSV,
           "start\tend\ttext\n-500\t61001\ta --> b\n3601000\t3603000\tone two\n3603000\t3603000\t\n");
    expect(&three, SIB_TRANSCRIPT_CSV,
           "start,end,text\n-500,61001,\"a --> b\"\n3601000,3603000,\"one\ttwo\"\n3603000,3603000,\"\"\n");
    expect(&(sib_transcript){"", "en",
                             &(sib_segment){.end = 0.0005, .text = "\xC2\xA0\x1F\"a\" \xE3\x80\x80"}, 1},
           SIB_TRANSCRIPT_CSV, "start,end,text\n0,0,\"\"\"a\"\"\"\n"); /* as Python strips and rounds */
    expect(&three, SIB_TRANSCRIPT_LINES,
           "[00:00.000 --> 01:01.001]  a --> b\t \n[01:00:01.000 --> 01:00:03.000] one\ttwo\n"
           "[01:00:03.000 --> 01:00:03.000] \n");
}

TEST(subtitles)
{
    expect(&three, SIB_TRANSCRIPT_SRT,
           "1\n00:00:00,000 --> 00:01:01,001\na -> b\n\n2\n01:00:01,000 --> 01:00:03,000\none\ttwo\n\n"
           "3\n01:00:03,000 --> 01:00:03,000\n\n\n");
    expect(&three, SIB_TRANSCRIPT_VTT,
           "WEBVTT\n\n00:00.000 --> 01:01.001\na -> b\n\n01:00:01.000 --> 01:00:03.000\none\ttwo\n\n"
           "01:00:03.000 --> 01:00:03.000\n\n\n");
}

static const sib_word first[] = {{" Say", 0, 0.5, 1}, {" it", 0.5, 1, 1}, {" twice,", 1.25, 2, 1}};
static const sib_word second[] = {{" \xC3\xA9t\xC3\xA9", 2, 2.5, 1}, {" no\nw", 6, 7, 1}};
static const sib_segment spoken[] = {
    {.end = 2, .text = " Say it twice,", .n_words = 3, .words = first},
    {.text = "", .words = words},
    {.start = 2, .end = 7, .text = " \xC3\xA9t\xC3\xA9 no\nw", .n_words = 2, .words = second}};
static const sib_transcript said = {"", "en", spoken, 3};

/* Lines and pauses are those of openai-whisper's SubtitlesWriter, which python/tests/test_openai_whisper.py runs. */
TEST(subtitles_by_words)
{
    static const struct {
        sib_subtitle_layout layout;
        const char *expected; /* cues of VTT */
    } rows[] = {
        {{0},
         "00:00.000 --> 00:02.000\nSay it twice,\n\n"
         "00:02.000 --> 00:07.000\n\xC3\xA9t\xC3\xA9 no\nw\n\n"},
        {{.max_line_width = 6},
         "00:00.000 --> 00:02.000\nSay it\ntwice,\n\n"
         "00:02.000 --> 00:07.000\n\xC3\xA9t\xC3\xA9\nno\nw\n\n"},
        {{.max_line_width = 10, .max_line_count = 2},
         "00:00.000 --> 00:02.500\nSay it\ntwice, \xC3\xA9t\xC3\xA9\n\n00:06.000 --> 00:07.000\nno\nw\n\n"},
        {{.max_words_per_line = 2},
         "00:00.000 --> 00:01.000\nSay it\n\n00:01.250 --> 00:02.000\ntwice,\n\n"
         "00:02.000 --> 00:07.000\n\xC3\xA9t\xC3\xA9 no\nw\n\n"},
        {{.max_words_per_line = 2, .highlight_words = true},
         "00:00.000 --> 00:00.500\n<u>Say</u> it\n\n00:00.500 --> 00:01.000\nSay <u>it</u>\n\n"
         "00:01.250 --> 00:02.000\n<u>twice,</u>\n\n"
         "00:02.000 --> 00:02.500\n<u>\xC3\xA9t\xC3\xA9</u> no\nw\n\n"
         "00:02.500 --> 00:06.000\n\xC3\xA9t\xC3\xA9 no\nw\n\n00:06.000 --> 00:07.000\n\xC3\xA9t\xC3\xA9 "
         "no\nw\n\n"}};
    sib_error err = SIB_ERROR_INIT;
    char *text;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_OK(sib_transcript_text_as(&said, SIB_TRANSCRIPT_VTT, &rows[i].layout, &text, NULL, &err), err);
        assert_memory_equal(text, "WEBVTT\n\n", 8);
        assert_string_equal(text + 8, rows[i].expected);
        sib_free(text);
    }
    CHECK_OK(sib_transcript_text_as(&said, SIB_TRANSCRIPT_SRT, &(sib_subtitle_layout){.offset_n = 7}, &text,
                                    NULL, &err),
             err);
    assert_memory_equal(text, "8\n00:00:00,000 --> 00:00:02,000\nSay", 35);
    assert_non_null(strstr(text, "\n\n9\n00:00:02,000"));
    sib_free(text);
    CHECK_EVERY_ALLOCATION(
        sib_transcript_text_as(&said, SIB_TRANSCRIPT_SRT, &rows[4].layout, &text, NULL, &err),
        sib_free(text));
}

TEST(divided_segments)
{
    static const struct {
        size_t max;
        const char *texts; /* one per piece, with | behind it */
    } rows[] = {{100, " Say it twice,|| \xC3\xA9t\xC3\xA9 no\nw|"},
                {8, " Say it| twice,|| \xC3\xA9t\xC3\xA9| no\nw|"},
                {1, " Say| it| twice,|| \xC3\xA9t\xC3\xA9| no\nw|"}};
    sib_error err = SIB_ERROR_INIT;
    sib_segment *pieces;
    size_t n;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char texts[100] = "";
        CHECK_OK(sib_transcript_split(spoken, 3, rows[i].max, &pieces, &n, &err), err);
        for (size_t k = 0; k < n; k++) {
            strcat(strcat(texts, pieces[k].text), "|");
            assert_int_equal(pieces[k].id, k);
            assert_true(!pieces[k].n_words || pieces[k].start == pieces[k].words[0].start);
        }
        assert_string_equal(texts, rows[i].texts);
        assert_true(pieces[0].end == (i == 0 ? 2 : i == 1 ? 1 : 0.5));
        sib_free(pieces);
    }
    CHECK_OK(sib_transcript_split(segments, 1, 2, &pieces, &n, &err), err); /* no words */
    assert_string_equal(pieces[0].text, segments[0].text);
    assert_int_equal(pieces[0].n_tokens, 2);
    sib_free(pieces);
    CHECK_OK(sib_transcript_split(NULL, 0, 2, &pieces, &n, &err), err);
    assert_int_equal(n, 0);
    sib_free(pieces);
    CHECK_EVERY_ALLOCATION(sib_transcript_split(spoken, 3, 1, &pieces, &n, &err), sib_free(pieces));
}

TEST(nothing_said)
{
    expect(&none, SIB_TRANSCRIPT_TXT, "");
    expect(&none, SIB_TRANSCRIPT_SRT, "");
    expect(&none, SIB_TRANSCRIPT_VTT, "WEBVTT\n\n");
    expect(&none, SIB_TRANSCRIPT_TSV, "start\tend\ttext\n");
    expect(&none, SIB_TRANSCRIPT_JSON,
           "{\n  \"text\": \"\",\n  \"segments\": [],\n  \"language\": \"en\"\n}\n");
}

TEST(json)
{
    sib_error err = SIB_ERROR_INIT;
    char *text;
    CHECK_OK(sib_transcript_text(&three, SIB_TRANSCRIPT_JSON, &text, NULL, &err), err);
    json_t *all = json_loads(text, 0, NULL), *list = json_object_get(all, "segments"), *s;
    assert_int_equal(json_array_size(list), 3);
    assert_int_equal(
        json_integer_value(json_array_get(json_object_get(json_array_get(list, 0), "tokens"), 1)), 7);
    assert_null(json_object_get(json_array_get(list, 0), "words"));
    s = json_array_get(list, 1);
    assert_int_equal(json_integer_value(json_object_get(s, "seek")), 3000);
    assert_true(json_is_null(json_object_get(s, "no_speech_prob")));
    s = json_array_get(json_object_get(s, "words"), 1);
    assert_string_equal(json_string_value(json_object_get(s, "word")), " two");
    assert_true(json_real_value(json_object_get(s, "end")) == 3602.001);
    assert_true(json_is_null(json_object_get(s, "probability")));
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 2), "words")), 0);
    json_decref(all);
    sib_free(text);
}

TEST(no_utf8)
{
    sib_error err = SIB_ERROR_INIT;
    char *text;
    CHECK_OK(sib_transcript_text(&(sib_transcript){"a\xFF", "\xC3", NULL, 0}, SIB_TRANSCRIPT_JSON, &text,
                                 NULL, &err),
             err);
    assert_string_equal(text, "{\n  \"text\": \"a?\",\n  \"segments\": [],\n  \"language\": \"?\"\n}\n");
    sib_free(text);
}

TEST(formats_have_names)
{
    sib_error err = SIB_ERROR_INIT;
    char *text;
    assert_string_equal(sib_transcript_format_name(SIB_TRANSCRIPT_VTT), "vtt");
    assert_string_equal(sib_transcript_format_name(SIB_TRANSCRIPT_LINES), "lines");
    assert_null(sib_transcript_format_name(SIB_TRANSCRIPT_FORMAT_COUNT));
    assert_null(sib_transcript_format_name((sib_transcript_format)-1));
    assert_int_equal(sib_transcript_text(&none, SIB_TRANSCRIPT_FORMAT_COUNT, &text, NULL, &err),
                     SIB_ERR_ARGUMENT);
    assert_null(text);
    assert_non_null(strstr(err.message, "format"));
}

TEST(every_allocation)
{
    sib_error err = SIB_ERROR_INIT;
    char *text;
    for (int f = 0; f < SIB_TRANSCRIPT_FORMAT_COUNT; f++)
        CHECK_EVERY_ALLOCATION(sib_transcript_text(&three, (sib_transcript_format)f, &text, NULL, &err),
                               sib_free(text));
}
