/* Recordings, window by window: where the next one begins, and what is retried, skipped, conditioned on and
   reported. */
#include "check_memory.h"
#include "whisper_tiny.h"

#include "base/cancel.h"
#include "base/error.h"
#include "hashed_model.h"

#include <math.h>

typedef struct set {
    tiny_model tiny;
    sib_tokenizer *tokenizer;
    whisper_options o;
    job_watch watch;
    whisper_transcript out;
    sib_error err;
} set;

static void set_open(set *s, const tiny_line *lines, size_t n)
{
    *s = (set){.err = SIB_ERROR_INIT};
    whisper_model shape = tiny_shape();
    s->tokenizer = tiny_tokenizer();
    tiny_open(&s->tiny, &shape, lines, n);
    whisper_options_default(&s->o);
    s->o.language = "en";
    s->o.suppress_tokens = NULL;
}

static void set_close(set *s)
{
    whisper_transcript_free(&s->out);
    fed_close(&s->tiny.fed);
    sib_tokenizer_free(&s->tokenizer);
}

static sib_code transcribe(set *s, size_t content)
{
    size_t n_frames;
    float *mel = fed_features(&s->tiny.fed.model, content, &n_frames);
    whisper_transcript_free(&s->out);
    s->tiny.n_prompts = 0;
    sib_code code = whisper_transcribe_features(&s->tiny.fed.model, s->tokenizer, mel, n_frames, &s->o,
                                                &s->watch, &s->out, &s->err);
    free(mel);
    return code;
}

static void check_segment(const set *s, size_t i, double start, double end, const char *text)
{
    assert_true(i < s->out.n_segments);
    const sib_segment *g = &s->out.segments[i];
    assert_int_equal(g->id, i);
    assert_string_equal(g->text, text);
    if (fabs(g->start - start) > 1e-9 || fabs(g->end - end) > 1e-9)
        fail_msg("segment %zu from %g to %g, expected %g to %g", i, g->start, g->end, start, end);
}

/* ---- How windows end ----------------------------------------------------------------------------------- */

TEST(test_segments_between_pairs_and_the_rest_heard_again)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 100, TS + 100, B, TS + 500, TS + 500, C, 0}, 20, 0},
                                      {1000, 0, {TS + 10, C, TS + 200, 0}, 20, 0},
                                      {4000, 0, {TS, A, 0}, 20, 0}};
    set s;
    set_open(&s, lines, 3);
    CHECK_OK(transcribe(&s, 4100), s.err);
    assert_int_equal(s.out.n_segments, 4);
    check_segment(&s, 0, 0, 2, " a");
    check_segment(&s, 1, 2, 10, " b");
    check_segment(&s, 2, 10, 14,
                  " c"); /* a single timestamp ends it: nothing follows in the window, which is done */
    check_segment(&s, 3, 40, 41, " a"); /* without a timestamp, it ends with the window */
    assert_int_equal(s.out.segments[2].seek, 1000);
    assert_string_equal(s.out.text, " a b c a");
    assert_string_equal(s.out.language, "en");
    assert_true(isnan(s.out.language_probability));
    assert_int_equal(s.tiny.fed.size, 100);
    set_close(&s);
}

TEST(test_pairs_with_a_single_timestamp_at_the_end)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 100, TS + 110, B, TS + 500, 0}, 20, 0},
                                      {3000, 0, {TS + 3, C, 0}, 20, 0}};
    set s;
    set_open(&s, lines, 2);
    CHECK_OK(transcribe(&s, 3500), s.err);
    assert_int_equal(s.out.n_segments, 3);
    check_segment(&s, 0, 0, 2, " a");
    check_segment(&s, 1, 2.2, 10, " b");
    check_segment(&s, 2, 30, 30.06, " c"); /* the last timestamp is its end, although it is also the first */
    assert_int_equal(s.out.segments[1].n_tokens, 3);
    assert_int_equal(s.out.segments[1].tokens[0], TS + 110);
    set_close(&s);
}

TEST(test_segments_of_no_length_or_text_are_emptied)
{
    static const tiny_line lines[] = {
        {0, 0, {TS, ' ', '\t', TS + 100, TS + 100, B, TS + 500, TS + 500, 0}, 20, 0},
        {1000, 0, {TS, C, TS + 100, 0}, 20, 0}};
    set s;
    set_open(&s, lines, 2);
    s.o.without_timestamps = false;
    CHECK_OK(transcribe(&s, 1500), s.err);
    assert_int_equal(s.out.n_segments, 3);
    check_segment(&s, 0, 0, 2, "");
    assert_int_equal(s.out.segments[0].n_tokens, 0);
    check_segment(&s, 1, 2, 10, " b");
    assert_string_equal(s.out.text, " b c");
    set_close(&s);
    /* a text of no duration, possible in models without the rules */
    static const tiny_line odd[] = {{0, 0, {TS + 5, C, TS + 5, TS + 5, B, TS + 100, TS + 100, 0}, 20, 0},
                                    {200, 0, {A, 0}, 20, 0}};
    set_open(&s, odd, 2);
    s.o.without_timestamps = true;
    CHECK_OK(transcribe(&s, 300), s.err);
    assert_int_equal(s.out.n_segments, 3);
    check_segment(&s, 0, 0.1, 0.1, "");
    check_segment(&s, 1, 0.1, 2, " b");
    check_segment(&s, 2, 2, 3, " a");
    set_close(&s);
}

TEST(test_a_recording_of_nothing)
{
    set s;
    set_open(&s, NULL, 0);
    s.o.language = NULL;
    CHECK_OK(transcribe(&s, 0), s.err);
    assert_int_equal(s.out.n_segments, 0);
    assert_string_equal(s.out.text, "");
    assert_string_equal(s.out.language, "de");
    set_close(&s);
}

TEST(test_windows_that_lead_nowhere_are_stepped_over)
{
    static const tiny_line lines[] = {{0, 0, {A, TS, TS, 0}, 20, 0}, {3000, 0, {B, 0}, 20, 0}};
    set s;
    set_open(&s, lines, 2);
    s.o.without_timestamps = true;
    CHECK_OK(transcribe(&s, 3500), s.err);
    assert_int_equal(s.tiny.fed.n_encodes, 2);
    assert_int_equal(s.tiny.fed.n_rewinds, 9);
    assert_int_equal(s.out.segments[s.out.n_segments - 1].seek, 3000);
    set_close(&s);
}

TEST(test_steps_are_taken_from_the_farthest)
{
    /* the second window does not advance */
    static const tiny_line lines[] = {
        {0, 0, {A, TS + 100, TS + 100, 0}, 20, 0}, {200, 0, {B, TS, TS, 0}, 20, 0}, {3200, 0, {C, 0}, 20, 0}};
    set s;
    set_open(&s, lines, 3);
    s.o.without_timestamps = true;
    CHECK_OK(transcribe(&s, 3500), s.err);
    assert_int_equal(s.tiny.fed.n_encodes, 3);
    assert_int_equal(s.tiny.fed.n_rewinds, 9);
    assert_int_equal(s.out.segments[s.out.n_segments - 1].seek, 3200);
    set_close(&s);
}

/* ---- Fallback and silence ------------------------------------------------------------------------------ */

/* Logits that make every token certain (40), or about as good as any other (0.5). */
#define SURE   40
#define UNSURE 0.5F

TEST(test_improbable_text_is_tried_again)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, B, TS + 100, 0}, UNSURE, 0},
                                      {0, 2, {TS, C, TS + 90, 0}, SURE, 0}};
    static const double temperatures[] = {0, 0.3, 0.9};
    set s;
    set_open(&s, lines, 2);
    s.o.temperature = temperatures;
    s.o.n_temperatures = 3;
    CHECK_OK(transcribe(&s, 500), s.err);
    assert_int_equal(s.out.n_segments, 1);
    check_segment(&s, 0, 0, 1.8, " c");
    assert_true(s.out.segments[0].temperature == 0.9);
    assert_true(s.out.segments[0].avg_logprob > -0.1);
    assert_int_equal(s.tiny.fed.n_encodes, 1);
    assert_int_equal(s.tiny.fed.n_rewinds, 2);
    s.o.logprob_threshold = NAN; /* any probability will do */
    s.tiny.fed.n_encodes = 0;
    CHECK_OK(transcribe(&s, 500), s.err);
    assert_true(s.out.segments[0].temperature == 0);
    set_close(&s);
}

TEST(test_repetitive_text_is_tried_again)
{
    static const tiny_line lines[] = {
        {0,
         0,
         {TS, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A, TS + 100, 0},
         SURE,
         0},
        {0, 1, {TS, C, TS + 90, 0}, SURE, 0}};
    static const double temperatures[] = {0, 0.4};
    set s;
    set_open(&s, lines, 2);
    s.o.temperature = temperatures;
    s.o.n_temperatures = 2;
    CHECK_OK(transcribe(&s, 500), s.err);
    check_segment(&s, 0, 0, 1.8, " c");
    assert_true(s.out.segments[0].temperature == 0.4);
    s.o.compression_ratio_threshold = NAN;
    CHECK_OK(transcribe(&s, 500), s.err);
    assert_true(s.out.segments[0].temperature == 0 && s.out.segments[0].compression_ratio > 2.4);
    s.o.compression_ratio_threshold = 2.4;
    s.tiny.n_lines = 1; /* all temperatures fail: the result of the last one is used */
    CHECK_OK(transcribe(&s, 500), s.err);
    assert_true(s.out.segments[0].temperature == 0.4);
    set_close(&s);
}

TEST(test_silence_is_skipped_and_not_tried_again)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 100, TS + 100, 0}, UNSURE, SURE},
                                      {3000, 0, {TS, B, TS + 100, 0}, SURE, 0}};
    set s;
    set_open(&s, lines, 2);
    CHECK_OK(transcribe(&s, 3500), s.err);
    assert_int_equal(s.out.n_segments, 1);
    check_segment(&s, 0, 30, 32, " b");
    assert_int_equal(s.tiny.fed.n_rewinds, 0);
    /* a text of high probability is not silence, whatever the token of silence gives */
    static const tiny_line sure[] = {{0, 0, {TS, A, TS + 100, 0}, SURE, SURE}};
    s.tiny.lines = sure;
    s.tiny.n_lines = 1;
    CHECK_OK(transcribe(&s, 500), s.err);
    assert_int_equal(s.out.n_segments, 1);
    assert_true(s.out.segments[0].no_speech_prob > 0.99);
    s.o.logprob_threshold = NAN; /* without that threshold, it is silence */
    CHECK_OK(transcribe(&s, 500), s.err);
    assert_int_equal(s.out.n_segments, 0);
    s.o.no_speech_threshold = NAN;
    CHECK_OK(transcribe(&s, 500), s.err);
    assert_int_equal(s.out.n_segments, 1);
    set_close(&s);
}

/* ---- What a window is conditioned on ------------------------------------------------------------------- */

static void check_prompt(const set *s, size_t i, size_t n, const int32_t *expected)
{
    assert_true(i < s->tiny.n_prompts);
    assert_int_equal(s->tiny.prompt_lengths[i], n);
    assert_memory_equal(s->tiny.prompts[i], expected, n * sizeof *expected);
}

static const tiny_line three[] = {{0, 0, {TS, A, TS + 100, 0}, SURE, 0},
                                  {3000, 0, {TS, B, TS + 100, 0}, SURE, 0},
                                  {6000, 0, {TS, C, TS + 100, 0}, SURE, 0}};

TEST(test_windows_are_conditioned_on_what_was_said)
{
    set s;
    set_open(&s, three, 3);
    CHECK_OK(transcribe(&s, 7000), s.err);
    check_prompt(&s, 0, 1, (int32_t[]){SOT});
    check_prompt(&s, 1, 5, (int32_t[]){SOT_PREV, TS, A, TS + 100, SOT});
    check_prompt(&s, 2, 8, (int32_t[]){SOT_PREV, TS, A, TS + 100, TS, B, TS + 100, SOT});
    s.o.condition_on_previous_text = false;
    CHECK_OK(transcribe(&s, 7000), s.err);
    for (size_t i = 0; i < 3; i++)
        check_prompt(&s, i, 1, (int32_t[]){SOT});
    set_close(&s);
}

TEST(test_high_temperatures_end_the_condition)
{
    static const double hot[] = {0.51}, warm[] = {0.5};
    set s;
    set_open(&s, three, 3);
    s.o.n_temperatures = 1;
    s.o.temperature = warm;
    CHECK_OK(transcribe(&s, 7000), s.err);
    check_prompt(&s, 2, 8, (int32_t[]){SOT_PREV, TS, A, TS + 100, TS, B, TS + 100, SOT});
    s.o.temperature = hot;
    CHECK_OK(transcribe(&s, 7000), s.err);
    check_prompt(&s, 1, 1, (int32_t[]){SOT});
    check_prompt(&s, 2, 1, (int32_t[]){SOT});
    set_close(&s);
}

TEST(test_an_initial_prompt_is_given_once_or_carried)
{
    set s;
    set_open(&s, three, 3);
    s.o.initial_prompt = " xy  ";
    CHECK_OK(transcribe(&s, 7000), s.err);
    check_prompt(&s, 0, 5, (int32_t[]){SOT_PREV, ' ', 'x', 'y', SOT});
    check_prompt(&s, 1, 8, (int32_t[]){SOT_PREV, ' ', 'x', 'y', TS, A, TS + 100, SOT});
    assert_string_equal(s.out.text, " a b c");
    s.o.condition_on_previous_text = false; /* it is dropped after the first window */
    CHECK_OK(transcribe(&s, 7000), s.err);
    check_prompt(&s, 1, 1, (int32_t[]){SOT});
    s.o.carry_initial_prompt = true;
    CHECK_OK(transcribe(&s, 7000), s.err);
    check_prompt(&s, 2, 5, (int32_t[]){SOT_PREV, ' ', 'x', 'y', SOT});
    s.o.condition_on_previous_text = true;
    CHECK_OK(transcribe(&s, 7000), s.err);
    check_prompt(&s, 2, 11, (int32_t[]){SOT_PREV, ' ', 'x', 'y', TS, A, TS + 100, TS, B, TS + 100, SOT});
    s.o.initial_prompt = "0123456789012345678901234567"; /* 29 of 31 tokens: two of the previous text fit */
    CHECK_OK(transcribe(&s, 7000), s.err);
    assert_int_equal(s.tiny.prompt_lengths[2], 1 + 31 + 1);
    assert_int_equal(s.tiny.prompts[2][1], ' ');
    assert_int_equal(s.tiny.prompts[2][30], B);
    assert_int_equal(s.tiny.prompts[2][31], TS + 100);
    set_close(&s);
}

/* ---- Clips, languages, models -------------------------------------------------------------------------- */

TEST(test_clips_are_all_that_is_heard)
{
    static const tiny_line lines[] = {{500, 0, {TS, A, TS + 100, 0}, SURE, 0},
                                      {2000, 0, {TS, B, TS + 50, TS + 50, 0}, SURE, 0},
                                      {2100, 0, {TS, C, TS + 100, 0}, SURE, 0},
                                      {100, 0, {TS, B, TS + 10, 0}, SURE, 0}};
    static const double clips[] = {5, 8, 20, 26, 1, 2, 90, 95, 20};
    set s;
    set_open(&s, lines, 4);
    s.o.clip_timestamps = clips;
    s.o.n_clips = 8;
    CHECK_OK(transcribe(&s, 6000), s.err);
    assert_int_equal(s.out.n_segments, 4);
    check_segment(&s, 0, 5, 7, " a");
    check_segment(&s, 1, 20, 21, " b");
    check_segment(&s, 2, 21, 23, " c");
    check_segment(&s, 3, 1, 1.2, " b"); /* clips need not be in order, nor within the recording */
    assert_int_equal(s.tiny.fed.size, 100);
    s.o.clip_timestamps = clips + 8; /* until the end of the recording */
    s.o.n_clips = 1;
    CHECK_OK(transcribe(&s, 2150), s.err);
    assert_int_equal(s.out.n_segments, 2);
    assert_int_equal(s.tiny.fed.size, 50);
    s.o.clip_timestamps = (double[]){20, 4000}; /* past the end */
    s.o.n_clips = 2;
    CHECK_OK(transcribe(&s, 2150), s.err);
    assert_int_equal(s.out.n_segments, 2);
    set_close(&s);
}

TEST(test_languages_are_detected_or_given)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 100, 0}, SURE, 0}};
    set s;
    set_open(&s, lines, 1);
    s.o.language = NULL;
    CHECK_OK(transcribe(&s, 3000), s.err);
    assert_string_equal(s.out.language, "de");
    assert_true(fabs(s.out.language_probability - exp(5) / (exp(5) + 2)) < 1e-9);
    assert_int_equal(s.tiny.fed.n_encodes, 1); /* the detected window is also the first one */
    s.tiny.fed.n_encodes = 0;
    CHECK_OK(transcribe(&s, 2000), s.err);
    assert_int_equal(s.tiny.fed.n_encodes,
                     2); /* past the end, a window has zeros, and language detection has silence */
    s.o.language = "Chinese";
    CHECK_OK(transcribe(&s, 100), s.err);
    assert_string_equal(s.out.language, "zh");
    s.o.language = "french";
    CHECK_FAILS(transcribe(&s, 100), SIB_ERR_VALUE, s.err, "<|fr|>");
    s.o.language = "klingon";
    CHECK_FAILS(transcribe(&s, 100), SIB_ERR_ARGUMENT, s.err, "'klingon'");
    assert_null(s.out.text);
    set_close(&s);
}

TEST(test_english_models_have_no_language)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 100, 0}, SURE, 0}};
    set s;
    set_open(&s, lines, 1);
    s.tiny.fed.model.multilingual = false;
    s.o.language = NULL;
    CHECK_OK(transcribe(&s, 100), s.err);
    assert_string_equal(s.out.language, "en");
    assert_string_equal(s.out.text, " a");
    set_close(&s);
}

TEST(test_smaller_windows_work_alike)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 20, TS + 20, 0}, SURE, 0},
                                      {40, 0, {TS, B, TS + 40, 0}, SURE, 0},
                                      {140, 0, {TS, C, 0}, SURE, 0}};
    set s;
    set_open(&s, lines, 3);
    s.tiny.fed.model.n_audio_ctx = 50;
    s.o.word_timestamps = false;
    CHECK_OK(transcribe(&s, 170), s.err);
    assert_int_equal(s.out.n_segments, 3);
    check_segment(&s, 1, 0.4, 1.2, " b");
    check_segment(&s, 2, 1.4, 1.7, " c");
    set_close(&s);
}

TEST(test_samples_become_windows)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 20, 0}, SURE, 0}};
    set s;
    set_open(&s, lines, 1);
    s.tiny.fed.model.n_mels = 80;
    s.tiny.fed.model.n_audio_ctx = 50;
    float samples[16000] = {0};
    CHECK_OK(
        whisper_transcribe(&s.tiny.fed.model, s.tokenizer, NULL, samples, 16000, &s.o, NULL, &s.out, &s.err),
        s.err);
    assert_string_equal(s.out.text, " a");
    whisper_transcript_free(&s.out);
    CHECK_OK(whisper_transcribe(&s.tiny.fed.model, s.tokenizer, NULL, NULL, 0, &s.o, NULL, &s.out, &s.err),
             s.err);
    assert_int_equal(s.out.n_segments, 0);
    whisper_transcript_free(&s.out);
    samples[77] = NAN;
    CHECK_FAILS(
        whisper_transcribe(&s.tiny.fed.model, s.tokenizer, NULL, samples, 16000, &s.o, NULL, &s.out, &s.err),
        SIB_ERR_VALUE, s.err, "77");
    set_close(&s);
}

/* ---- Callbacks ----------------------------------------------------------------------------------------- */

typedef struct told {
    size_t segments, texts, progresses;
    size_t fails_at; /* number of the failing call, over all kinds; 0: none */
    char text[64];
    double done, total;
} told;

static sib_code told_one(told *t)
{
    return t->segments + t->texts + t->progresses == t->fails_at ? SIB_ERR_IO : SIB_OK;
}

static sib_code on_segment(void *context, const sib_segment *segment, sib_error *err)
{
    (void)err;
    told *t = context;
    assert_true(segment->text[0] != 0);
    t->segments++;
    return told_one(t);
}

static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    (void)err;
    told *t = context;
    t->texts++;
    strncat(t->text, text, size);
    return told_one(t);
}

static sib_code on_progress(void *context, double done, double total, sib_error *err)
{
    (void)err;
    told *t = context;
    t->progresses++;
    assert_true(done >= t->done && done <= total);
    t->done = done;
    t->total = total;
    return told_one(t);
}

/* A character's bytes on both sides of the end of a window, one that is never completed, and a segment
   without text. */
static const tiny_line broken[] = {{0, 0, {TS, 'x', 0xE8, 0xAA, TS + 100, 0}, SURE, 0},
                                   {3000, 0, {TS, 0x9E, 'y', TS + 100, 0}, SURE, 0},
                                   {6000, 0, {TS, '\t', TS + 50, TS + 50, 0xE8, TS + 60, 0}, SURE, 0}};

TEST(test_text_is_told_in_whole_characters)
{
    told t = {0};
    set s;
    set_open(&s, broken, 3);
    s.watch = (job_watch){.context = &t, .segment = on_segment, .text = on_text, .progress = on_progress};
    CHECK_OK(transcribe(&s, 7000), s.err);
    assert_int_equal(s.out.n_segments, 4);
    assert_int_equal(t.segments, 3);
    assert_string_equal(s.out.text, "x\xE8\xAA\x9Ey\xEF\xBF\xBD");
    assert_string_equal(t.text, s.out.text);
    assert_int_equal(t.texts,
                     3); /* "x", the character that the second window completes, the incomplete one */
    assert_string_equal(s.out.segments[0].text, "x\xEF\xBF\xBD");
    assert_int_equal(t.progresses, 3);
    assert_true(t.done == 70 && t.total == 70);
    set_close(&s);
}

TEST(test_callbacks_and_models_may_end_it)
{
    for (size_t call = 1; call <= 9; call++) {
        told t = {.fails_at = call};
        set s;
        set_open(&s, broken, 3);
        s.watch = (job_watch){.context = &t, .segment = on_segment, .text = on_text, .progress = on_progress};
        CHECK_FAILS(transcribe(&s, 7000), SIB_ERR_IO, s.err, "ended the transcription");
        assert_null(s.out.text);
        assert_int_equal(s.out.n_segments, 0);
        set_close(&s);
    }
    size_t call = 1;
    for (bool failed = true; failed; call++) {
        set s;
        set_open(&s, broken, 3);
        s.o.language = NULL;
        s.o.word_timestamps = true;
        s.tiny.fed.fails_at = call;
        sib_code code = transcribe(&s, 7000);
        failed = code != SIB_OK;
        if (failed)
            assert_int_equal(code, SIB_ERR_IO);
        set_close(&s);
    }
    assert_true(call > 15);
}

static sib_code cancel_then(void *context, const sib_segment *segment, sib_error *err)
{
    (void)segment;
    (void)err;
    atomic_store(&((struct sib_cancel *)context)->set, true);
    return SIB_OK;
}

TEST(test_a_transcription_can_be_cancelled)
{
    struct sib_cancel cancel = {false};
    set s;
    set_open(&s, three, 3);
    s.watch = (job_watch){.cancel = &cancel, .context = &cancel, .segment = cancel_then};
    CHECK_FAILS(transcribe(&s, 7000), SIB_ERR_CANCELLED, s.err, "cancelled");
    assert_int_equal(s.tiny.fed.n_encodes, 1);
    assert_null(s.out.text);
    set_close(&s);
}

/* ---- Words --------------------------------------------------------------------------------------------- */

/* Token i of those fed is attended to at position 5 i. */
static float hear_in_turn(fed_model *m, const int32_t head[2], size_t i, size_t position)
{
    (void)m;
    (void)head;
    double off = (double)position - 5 * (double)i;
    return (float)(-off * off / 8);
}

TEST(test_words_say_where_to_go_on)
{
    /* the row after <|notimestamps|>, the fourth, is that of " a", which lasts until the fifth: about
       position 17.5 */
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 50, TS + 50, 0}, SURE, 0},
                                      {36, 0, {TS, B, TS + 20, 0}, SURE, 0}};
    set s;
    set_open(&s, lines, 2);
    s.tiny.fed.attend = hear_in_turn;
    s.o.word_timestamps = true;
    CHECK_OK(transcribe(&s, 90), s.err);
    assert_int_equal(s.tiny.fed.n_aligns, 2);
    assert_int_equal(s.out.n_segments, 2);
    assert_int_equal(s.out.segments[0].n_words, 1);
    assert_string_equal(s.out.segments[0].words[0].text, " a");
    assert_true(s.out.segments[0].words[0].end == 0.36 && s.out.segments[0].end == 0.36);
    assert_int_equal(s.out.segments[1].seek, 36);
    assert_true(s.out.segments[1].words[0].start >=
                0.36); /* a single timestamp ended it: the window is done */
    set_close(&s);
}

TEST(test_words_need_a_model_and_room_for_them)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, TS + 20, 0}, SURE, 0}};
    set s;
    set_open(&s, lines, 1);
    s.o.word_timestamps = true;
    s.tiny.fed.model.align = NULL;
    CHECK_FAILS(transcribe(&s, 90), SIB_ERR_ARGUMENT, s.err, "no attention outputs");
    set_close(&s);
    static const int32_t heads[][2] = {{1, 0}, {2, 0}};
    set_open(&s, lines, 1);
    s.o.word_timestamps = true;
    s.tiny.fed.model.alignment_heads = heads;
    s.tiny.fed.model.n_alignment_heads = 2;
    CHECK_FAILS(transcribe(&s, 90), SIB_ERR_ARGUMENT, s.err, "head 0 of layer 2");
    s.tiny.fed.model.n_alignment_heads = 1;
    s.tiny.fed.attend = hear_in_turn;
    CHECK_OK(transcribe(&s, 90), s.err);
    set_close(&s);
    static const tiny_line much[] = {{0,
                                      0,
                                      {A, B, A, B, A, B, A, B, A, B, A, B, A, B, A, B, A, B, A, B,
                                       A, B, A, B, A, B, A, B, A, B, A, B, A, B, A, B, A, B, A, 0},
                                      SURE,
                                      0}};
    set_open(&s, much, 1);
    s.o.word_timestamps = true;
    s.o.without_timestamps = true;
    s.o.sample_len = 60;
    s.tiny.fed.model.n_text_ctx = 43;
    CHECK_FAILS(transcribe(&s, 90), SIB_ERR_ARGUMENT, s.err, "sample_len: a window has 39 tokens");
    set_close(&s);
}

/* ---- Options ------------------------------------------------------------------------------------------- */

TEST(test_options_out_of_range_are_named)
{
    static const tiny_line lines[] = {{0, 0, {TS, A, 0}, SURE, 0}};
    static const double bad[] = {0, -1}, infinite[] = {INFINITY}, broken_time[] = {0, NAN}, before[] = {-0.5};
    set s;
    set_open(&s, lines, 1);
#define CHECK_OPTION(field, value, words)                                                                    \
    do {                                                                                                     \
        whisper_options kept = s.o;                                                                          \
        s.o.field = (value);                                                                                 \
        CHECK_FAILS(transcribe(&s, 90), SIB_ERR_ARGUMENT, s.err, words);                                     \
        s.o = kept;                                                                                          \
    } while (0)
    CHECK_OPTION(n_temperatures, 0, "temperature");
    CHECK_OPTION(patience, 1, "patience");
    CHECK_OPTION(best_of, 5000, "best_of");
    CHECK_OPTION(beam_size, 5000, "beam_size");
    CHECK_OPTION(length_penalty, 1.5, "length_penalty");
    CHECK_OPTION(length_penalty, -0.1, "length_penalty");
    CHECK_OPTION(max_initial_timestamp, -1, "max_initial_timestamp");
    CHECK_OPTION(max_initial_timestamp, INFINITY, "max_initial_timestamp");
    CHECK_OPTION(suppress_tokens, "x", "suppress_tokens");
    s.o.n_clips = 1;
    CHECK_OPTION(clip_timestamps, before, "clip_timestamps");
    s.o.n_clips = 2;
    CHECK_OPTION(clip_timestamps, broken_time, "clip_timestamps");
    s.o.n_clips = 0;
    s.o.n_temperatures = 2;
    CHECK_OPTION(temperature, bad, "temperature is -1");
    s.o.n_temperatures = 1;
    CHECK_OPTION(temperature, infinite, "temperature is inf");
    s.o.beam_size = 2;
    CHECK_OPTION(patience, 0.1, "patience");
    CHECK_OPTION(patience, -1, "patience");
    CHECK_OPTION(patience, 1e300, "patience");
    s.o.word_timestamps = true;
    CHECK_OPTION(prepend_punctuations, NULL, "prepend_punctuations");
    CHECK_OPTION(append_punctuations, NULL, "append_punctuations");
#undef CHECK_OPTION
    set_close(&s);
    float mel[2 * 2999] = {0};
    set_open(&s, lines, 1);
    CHECK_FAILS(
        whisper_transcribe_features(&s.tiny.fed.model, s.tokenizer, mel, 2999, &s.o, NULL, &s.out, &s.err),
        SIB_ERR_ARGUMENT, s.err, "2999 frames");
    set_close(&s);
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

TEST(test_every_allocation_may_fail)
{
    set s;
    set_open(&s, NULL, 0);
    hashed_model h;
    whisper_model shape = tiny_shape();
    shape.n_audio_ctx = 100;
    hashed_open(&h, &shape, s.tokenizer);
    h.script = (hashed_script){.seed = 3,
                               .palette = {A, B, C, '.', 0xE8},
                               .n_palette = 5,
                               .low = 8192,
                               .sharp = 6144,
                               .end = 1024,
                               .stamp = 6144,
                               .silence = 1024,
                               .spread = 12,
                               .slope = 2};
    size_t n_frames;
    float *mel = fed_features(&shape, 500, &n_frames);
    s.o.language = NULL;
    s.o.initial_prompt = "a b";
    s.o.prefix = "c";
    s.o.hotwords = "d";
    s.o.suppress_tokens = "-1";
    s.o.beam_size = 2;
    s.o.n_temperatures = 2;
    s.o.best_of = 2;
    s.o.word_timestamps = true;
    s.o.hallucination_silence_threshold = 0.1;
    s.o.sample_len = 12;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILED_ALLOCATIONS(
        check_k + 1 + check_k / 64, /* each at first, then fewer and fewer */
        whisper_transcribe_features(&h.fed.model, s.tokenizer, mel, n_frames, &s.o, NULL, &s.out, &err), {
            assert_true(err.code == SIB_OK ? check_k >= 300 && s.out.n_segments > 0
                                           : !s.out.text && !s.out.segments && !s.out.language);
            whisper_transcript_free(&s.out);
        });
    free(mel);
    hashed_close(&h);
    set_close(&s);
}
