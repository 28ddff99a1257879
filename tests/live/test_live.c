/* Streams of speech on the model that ships: texts are those of the job, whatever the pieces. */
#include "check_memory.h"
#include "folder.h"

#include <math.h>
#include <sibyl/audio.h>
#include <sibyl/import.h>
#include <sibyl/live.h>

#define RATE      16000
#define MAX_HEARD 64

static sib_job *job;
static float *recording; /* (n_recording) sample.flac at 16 kHz */
static size_t n_recording;

static const char *asset(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/assets/digits/%s", getenv("SIBYL_SOURCE"), name);
    return path;
}

static int set_up(void)
{
    sib_error err = SIB_ERROR_INIT;
    if (make_folder())
        return -1;
    char checkpoint[4096];
    snprintf(checkpoint, sizeof checkpoint, "%s", asset("digits.pt"));
    const char *paths[1] = {checkpoint};
    const sib_import_options windows = {.audio_context = 500}; /* of 10 s, which take a third of 30's time */
    sib_code code = sib_import(paths, 1, in_folder("digits.onnx"), &windows, NULL, &err);
    char tokenizer[4096];
    snprintf(tokenizer, sizeof tokenizer, "%s", asset("digits.tiktoken"));
    sib_job_options o = {.tokenizer = tokenizer, .threads = 1};
    if (code == SIB_OK)
        code = sib_job_open(in_folder("digits.onnx"), &o, &job, &err);
    if (code == SIB_OK)
        code = sib_audio_load(asset("sample.flac"), NULL, &recording, &n_recording, NULL, &err);
    if (code != SIB_OK)
        print_error("%s\n", err.message);
    return code == SIB_OK ? 0 : -1;
}

static int tear_down(void)
{
    sib_job_free(&job);
    sib_free(recording);
    return drop_folder();
}

TEST_FIXTURE(set_up, tear_down)

/* ---- What a stream tells ---- */

typedef struct heard {
    sib_live_event events[MAX_HEARD]; /* (n) without segments */
    char texts[MAX_HEARD][200];
    size_t n, n_segments;
    bool open;
    sib_code fails; /* what on_event returns for a final text */
} heard;

static sib_code on_event(void *context, const sib_live_event *e, sib_error *err)
{
    heard *h = context;
    (void)err;
    assert_true(h->n < MAX_HEARD);
    assert_true(e->end >= e->start && e->n_stable <= strlen(e->text));
    assert_true(e->text[0] != ' ');
    for (size_t i = 0; i < e->n_segments; i++) {
        assert_true(e->segments[i].start >= e->start - 1e-9);
        for (size_t k = 0; k < e->segments[i].n_words; k++)
            assert_true(e->segments[i].words[k].start >= e->start - 1e-9);
    }
    h->n_segments += e->n_segments;
    h->events[h->n] = *e;
    snprintf(h->texts[h->n], sizeof h->texts[0], "%s", e->text);
    h->events[h->n].text = h->texts[h->n];
    h->n++;
    return e->kind == SIB_LIVE_FINAL ? h->fails : SIB_OK;
}

/* Event i of a kind, or NULL. */
static const sib_live_event *event_of(const heard *h, sib_live_kind kind, size_t i)
{
    for (size_t k = 0; k < h->n; k++)
        if (h->events[k].kind == kind && i-- == 0)
            return &h->events[k];
    return NULL;
}

static const char *final_text(const heard *h, size_t i)
{
    const sib_live_event *e = event_of(h, SIB_LIVE_FINAL, i);
    return e ? e->text : "(none)";
}

static sib_live *stream(heard *h, sib_live_options o)
{
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = NULL;
    *h = (heard){.fails = SIB_OK};
    o.on_event = on_event;
    o.context = h;
    CHECK_OK(sib_live_create(job, &o, &l, &err), err);
    return l;
}

/* Pushes samples in pieces, with a chance of partial text after each. */
static void push(sib_live *l, const float *x, size_t n, size_t piece)
{
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < n; i += piece) {
        CHECK_OK(sib_live_push(l, x + i, n - i < piece ? n - i : piece, &err), err);
        CHECK_OK(sib_live_refresh(l, &err), err);
    }
}

static void finish(sib_live **l)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_live_finish(*l, &err), err);
    assert_true(sib_live_pending(*l) == 0);
    sib_live_free(l);
    assert_null(*l);
}

/* What the job gives for samples (n): *text without blanks in front. */
static void transcribe(const float *x, size_t n, size_t n_more, const sib_job_value *more, char text[200])
{
    static const char *const wanted[] = {"text"};
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *audio = NULL;
    sib_job_result *r = NULL;
    int64_t dims[1] = {(int64_t)n};
    sib_job_value in[4];
    CHECK_OK(sib_tensor_wrap(SIB_F32, 1, dims, NULL, (float *)(uintptr_t)x, NULL, NULL, &audio, &err), err);
    in[0] = (sib_job_value){"audio", {.type = SIB_PORT_AUDIO, .tensor = audio}};
    for (size_t i = 0; i < n_more; i++)
        in[i + 1] = more[i];
    CHECK_OK(sib_job_run(job, n_more + 1, in, 1, wanted, NULL, &r, &err), err);
    const char *got = sib_job_result_find(r, "text")->text.data;
    snprintf(text, 200, "%s", got + strspn(got, " "));
    sib_job_result_free(&r);
    sib_tensor_free(&audio);
}

/* ---- Segments ---- */

TEST(a_clip_says_what_the_job_says)
{
    const sib_job_value inputs[] = {{"beam_size", {.type = SIB_PORT_NUMBER, .number = 5}},
                                    {"word_timestamps", {.type = SIB_PORT_FLAG, .flag = true}}};
    static const size_t pieces[] = {160, 4801, 1 << 20};
    char expected[200];
    transcribe(recording, n_recording, 2, inputs, expected);
    assert_string_equal(expected, "four one five two seven one eight two eight");
    for (size_t i = 0; i < (check_quick() ? 2 : 3); i++) {
        heard h;
        sib_live *l = stream(
            &h, (sib_live_options){.manual = true, .inputs = inputs, .n_inputs = 2, .partial_seconds = -1});
        push(l, recording, n_recording, pieces[i]);
        assert_true(fabs(sib_live_pending(l) - (double)n_recording / RATE) < 1e-9);
        finish(&l);
        assert_int_equal(h.n, 1); /* the final text alone */
        assert_string_equal(final_text(&h, 0), expected);
        assert_true(h.events[0].start == 0 && h.n_segments > 0);
        assert_true(fabs(h.events[0].end - (double)n_recording / RATE) < 1e-9);
    }
}

TEST(silence_ends_segments)
{
    heard first = {.n = 0};
    static const size_t pieces[] = {333, 3200, 1 << 20};
    for (size_t i = 0; i < (check_quick() ? 2 : 3); i++) {
        heard h;
        sib_live *l = stream(&h, (sib_live_options){.partial_seconds = -1, .begin = 100});
        push(l, recording, n_recording, pieces[i]);
        finish(&l);
        assert_string_equal(final_text(&h, 0), "four one five");
        assert_string_equal(final_text(&h, 1), "two seven one eight two eight");
        assert_null(event_of(&h, SIB_LIVE_FINAL, 2));
        assert_int_equal(h.n, 6);
        for (size_t k = 0; k < 6; k++) { /* started, stopped, final; twice */
            assert_int_equal(h.events[k].kind, k % 3 == 2 ? SIB_LIVE_FINAL : (sib_live_kind)(k % 3));
            assert_int_equal(h.events[k].segment, k / 3);
            if (i) { /* the pieces change nothing */
                assert_true(h.events[k].start == first.events[k].start);
                assert_true(h.events[k].end == first.events[k].end);
            }
        }
        assert_true(h.events[0].start >= 100 && h.events[2].end <= h.events[3].start);
        first = h;
        first.n = h.n;
    }
}

TEST(partial_texts_come_while_somebody_speaks)
{
    const size_t n = check_quick() ? 3 * RATE : n_recording; /* the first sentence, or both */
    heard h;
    sib_live *l = stream(&h, (sib_live_options){0});
    push(l, recording, n, 1600);
    finish(&l);
    const sib_live_event *started = event_of(&h, SIB_LIVE_STARTED, 0),
                         *partial = event_of(&h, SIB_LIVE_PARTIAL, 0);
    assert_non_null(partial);
    assert_true(partial > started && partial->segment == 0);
    assert_true(partial->end - started->end < 1.5); /* in the time of the stream */
    size_t stable = 0;
    for (size_t i = 0; event_of(&h, SIB_LIVE_PARTIAL, i); i++)
        stable += event_of(&h, SIB_LIVE_PARTIAL, i)->n_stable;
    assert_true(stable > 0);
    assert_string_equal(final_text(&h, 0), "four one five");
    assert_string_equal(final_text(&h, 1), check_quick() ? "(none)" : "two seven one eight two eight");
}

TEST(one_that_lags_behind_leaves_partial_texts_out)
{
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = stream(&h, (sib_live_options){0});
    push(l, recording, n_recording, n_recording);
    CHECK_OK(sib_live_refresh(l, &err), err);
    CHECK_OK(sib_live_refresh(l, &err), err); /* nothing is new */
    finish(&l);
    assert_null(event_of(&h, SIB_LIVE_PARTIAL, 1));
    assert_string_equal(final_text(&h, 0), "four one five");
}

TEST(long_speech_is_cut_and_memory_stays)
{
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = stream(&h, (sib_live_options){.manual = true, .max_seconds = 6, .partial_seconds = -1});
    CHECK_OK(sib_live_push(l, recording, n_recording, &err), err);
    uint64_t held = 0;
    const size_t more = check_quick() ? 3 : 8; /* a minute */
    for (size_t i = 0; i < more; i++) {
        CHECK_OK(sib_live_push(l, recording, n_recording, &err), err);
        if (i == 1)
            held = check_held();
        assert_true(i < 2 || check_held() <= held + 4096);
    }
    finish(&l);
    const sib_live_event *e, *before = NULL;
    for (size_t i = 0; (e = event_of(&h, SIB_LIVE_FINAL, i)); i++) { /* without gaps */
        assert_true(e->end - e->start <= 6 + 1e-9 && e->segment == i);
        assert_true(!before || before->end == e->start);
        before = e;
    }
    const double seconds = (double)(more + 1) * (double)n_recording / RATE;
    assert_true((double)before->segment >= floor(seconds / 6) - 1);
    assert_true(fabs(before->end - seconds) < 1e-6);
}

TEST(speech_without_silence_is_cut)
{
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l =
        stream(&h, (sib_live_options){.max_seconds = 2, .silence_seconds = 5, .partial_seconds = -1});
    CHECK_OK(sib_live_push(l, recording, n_recording, &err), err);
    finish(&l);
    const sib_live_event *started, *stopped, *final;
    size_t i = 0;
    for (; (final = event_of(&h, SIB_LIVE_FINAL, i)); i++) {
        started = event_of(&h, SIB_LIVE_STARTED, i);
        stopped = event_of(&h, SIB_LIVE_STOPPED, i);
        assert_true(started && stopped && started < stopped && stopped < final);
        assert_true(started->start == final->start && stopped->end == final->end);
        assert_true(final->segment == i && started->segment == i && stopped->segment == i);
    }
    assert_true(i >= 3 && !event_of(&h, SIB_LIVE_STARTED, i));
}

/* In the last third, where it is quietest. */
TEST(long_speech_is_cut_where_it_is_quiet)
{
    static float x[RATE * 22 / 10];
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = stream(&h, (sib_live_options){.max_seconds = 2, .manual = true, .partial_seconds = -1});
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        const double at = (double)i / RATE;
        x[i] =
            (float)((at > 0.4 && at < 0.5) || (at > 1.6 && at < 1.7) ? 0.001 : 0.3) * sinf(0.11f * (float)i);
    }
    CHECK_OK(sib_live_push(l, x, sizeof x / sizeof *x, &err), err);
    finish(&l);
    assert_true(h.events[0].end > 1.59 && h.events[0].end < 1.7);
    assert_true(h.events[1].start == h.events[0].end);
}

TEST(other_rates_and_sixteen_bits)
{
    size_t n = n_recording / 2;
    int16_t *half = malloc(n * sizeof *half);
    for (size_t i = 0; i < n; i++) /* 8 kHz */
        half[i] = (int16_t)lrint(16384.0 * ((double)recording[2 * i] + (double)recording[2 * i + 1]));
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = stream(&h, (sib_live_options){.sample_rate = 8000, .manual = true, .partial_seconds = -1});
    for (size_t i = 0; i < n; i += 777)
        CHECK_OK(sib_live_push_s16(l, half + i, n - i < 777 ? n - i : 777, &err), err);
    finish(&l);
    assert_true(fabs(h.events[0].end - (double)n_recording / RATE) < 0.01);
    assert_int_equal(strncmp(final_text(&h, 0), "four one five", 13), 0);
    free(half);
    /* 16 bits at the job's own rate are the same samples */
    int16_t *same = malloc(n_recording * sizeof *same);
    for (size_t i = 0; i < n_recording; i++)
        same[i] = (int16_t)lrintf(recording[i] * 32768);
    l = stream(&h, (sib_live_options){.manual = true, .partial_seconds = -1});
    CHECK_OK(sib_live_push_s16(l, same, n_recording, &err), err);
    finish(&l);
    char expected[200];
    transcribe(recording, n_recording, 0, NULL, expected);
    assert_string_equal(final_text(&h, 0), expected);
    assert_true(fabs(h.events[0].end - (double)n_recording / RATE) < 1e-9);
    free(same);
}

TEST(silence_and_nothing_say_nothing)
{
    static const float zeros[RATE];
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = stream(&h, (sib_live_options){0});
    finish(&l);
    assert_int_equal(h.n, 0);
    l = stream(&h, (sib_live_options){0});
    CHECK_OK(sib_live_push(l, NULL, 0, &err), err);
    for (size_t i = 0; i < 40; i++)
        push(l, zeros, RATE, 1000);
    CHECK_OK(sib_live_commit(l, &err), err);
    finish(&l);
    assert_int_equal(h.n, 0);
    l = stream(&h, (sib_live_options){.manual = true});
    push(l, zeros, RATE, RATE);
    finish(&l);
    assert_int_equal(h.n, 1);
    assert_string_equal(final_text(&h, 0), "");
}

TEST(commit_clear_and_go_on)
{
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = stream(&h, (sib_live_options){.manual = true, .partial_seconds = -1});
    push(l, recording, n_recording, 5000);
    sib_live_clear(l);
    assert_true(sib_live_pending(l) == 0);
    CHECK_OK(sib_live_commit(l, &err), err);
    assert_int_equal(h.n, 0);
    push(l, recording, n_recording / 2, 5000);
    CHECK_OK(sib_live_commit(l, &err), err);
    assert_int_equal(h.n, 1);
    assert_true(fabs(h.events[0].start - (double)n_recording / RATE) < 1e-9);
    push(l, recording + n_recording / 2, n_recording - n_recording / 2, 5000);
    finish(&l);
    assert_int_equal(h.n, 2);
    assert_true(h.events[0].end == h.events[1].start && h.events[1].segment == h.events[0].segment + 1);
}

/* ---- What goes wrong ---- */

TEST(bad_samples_and_options)
{
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = stream(&h, (sib_live_options){.manual = true});
    float bad[3] = {0, 1, INFINITY};
    CHECK_FAILS(sib_live_push(l, bad, 3, &err), SIB_ERR_VALUE, err, "sample 2 is infinite");
    assert_true(sib_live_pending(l) == 0);
    finish(&l);
    const sib_job_value wrong = {"loudness", {.type = SIB_PORT_FLAG, .flag = true}};
    const struct {
        sib_live_options o;
        const char *words;
    } cases[] = {{{.sample_rate = 16000}, "on_event"},
                 {{.on_event = on_event, .sample_rate = 100}, "100"},
                 {{.on_event = on_event, .max_seconds = 31}, "max_seconds must be from 2 to 30, not 31"},
                 {{.on_event = on_event, .max_seconds = NAN}, "max_seconds"},
                 {{.on_event = on_event, .silence_seconds = 0.01}, "silence_seconds must be from 0.1 to 10"},
                 {{.on_event = on_event, .silence_seconds = 10.5}, "silence_seconds"},
                 {{.on_event = on_event, .padding_seconds = 2.5}, "padding_seconds must be from -inf to 2"},
                 {{.on_event = on_event, .threshold = -1}, "threshold must be from 0 to 1"},
                 {{.on_event = on_event, .threshold = 1.5}, "threshold"},
                 {{.on_event = on_event, .begin = -2e9}, "begin must be from -1e+09 to 1e+09"},
                 {{.on_event = on_event, .inputs = &wrong, .n_inputs = 1}, "loudness"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_FAILS(sib_live_create(job, &cases[i].o, &l, &err), SIB_ERR_ARGUMENT, err, cases[i].words);
        assert_null(l);
    }
    CHECK_FAILS(sib_live_create(job, NULL, &l, &err), SIB_ERR_ARGUMENT, err, "on_event");
}

TEST(only_jobs_of_speech)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *other = NULL;
    sib_live *l = NULL;
    char *text = NULL;
    CHECK_OK(sib_job_describe(NULL, NULL, &text, &err), err); /* of features */
    CHECK_OK(sib_job_open_text(text, strlen(text), NULL, NULL, &other, &err), err);
    sib_free(text);
    const sib_live_options o = {.on_event = on_event};
    CHECK_FAILS(sib_live_create(other, &o, &l, &err), SIB_ERR_ARGUMENT, err, "expected speech-to-text");
    sib_job_free(&other);
}

TEST(a_failed_segment_is_left_out)
{
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_live *l = stream(&h, (sib_live_options){.manual = true, .partial_seconds = -1});
    h.fails = SIB_ERR_IO;
    push(l, recording, n_recording, 5000);
    assert_int_equal(sib_live_commit(l, &err), SIB_ERR_IO);
    h.fails = SIB_OK;
    CHECK_OK(sib_live_commit(l, &err), err);
    assert_int_equal(h.n, 1);
    push(l, recording, n_recording, 5000);
    finish(&l);
    assert_int_equal(h.n, 2);
    assert_string_equal(h.events[1].text, h.events[0].text);
}

TEST(cancelled)
{
    heard h;
    sib_error err = SIB_ERROR_INIT;
    sib_cancel *cancel = NULL;
    CHECK_OK(sib_cancel_create(&cancel, &err), err);
    sib_live *l = stream(&h, (sib_live_options){.cancel = cancel, .partial_seconds = -1});
    CHECK_OK(sib_live_push(l, recording, n_recording / 4, &err), err);
    assert_true(sib_live_pending(l) > 0);
    sib_cancel_set(cancel);
    CHECK_FAILS(sib_live_push(l, recording, n_recording, &err), SIB_ERR_CANCELLED, err, "cancelled");
    CHECK_FAILS(sib_live_commit(l, &err), SIB_ERR_CANCELLED, err, "cancelled");
    assert_int_equal(sib_live_finish(l, &err), SIB_ERR_CANCELLED);
    assert_null(event_of(&h, SIB_LIVE_FINAL, 0));
    sib_live_free(&l);
    sib_cancel_free(&cancel);
}

static sib_code make(sib_error *err)
{
    heard h = {.n = 0};
    sib_live *l = NULL;
    const sib_live_options o = {.on_event = on_event, .context = &h};
    sib_code code = sib_live_create(job, &o, &l, err);
    sib_live_free(&l);
    return code;
}

/* A stream of a second; every part of it that allocates may fail. */
static sib_code use(heard *h, sib_live *l, sib_error *err)
{
    h->n = 0;
    sib_code code = sib_live_push(l, recording, RATE, err);
    if (code == SIB_OK)
        code = sib_live_refresh(l, err);
    if (code == SIB_OK)
        code = sib_live_commit(l, err);
    sib_live_clear(l);
    return code;
}

TEST(allocations_may_fail)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(make(&err), (void)0);
    heard h;
    sib_live *l = stream(&h, (sib_live_options){.manual = true});
    CHECK_OK(use(&h, l, &err), err); /* plans are made */
    CHECK_FAILED_ALLOCATIONS(check_k < 40 ? check_k + 1 : check_k * (check_quick() ? 4 : 2), use(&h, l, &err),
                             (void)0);
    sib_live_free(&l);
}
