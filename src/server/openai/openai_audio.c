/* Speech to text by OpenAI's API: POST /v1/audio/transcriptions and /translations. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/models/exchange_model.h"
#include "server/speech/recording.h"
#include "server/speech/segments_json.h"
#include "server/speech/speech_form.h"
#include "server/values/json.h"

#include <math.h>
#include <string.h>

/* ---- What is answered ---- */

/* A transcription under way. */
typedef struct speech {
    exchange *x;
    const speech_form *form;
    const char *task;
    double seconds; /* of audio */
    bool spoke;     /* text was streamed */
    const sib_tokenizer *tokenizer;
    json_t *logprobs; /* of tokens whose text is not streamed yet; NULL: none is asked for */
} speech;

/* "english" for "en", as OpenAI has it. */
static const char *language_name(const char *language)
{
    const char *code, *name;
    for (size_t i = 0; sib_whisper_language(i, &code, &name); i++)
        if (!strcmp(language, code))
            return name;
    return language;
}

/* Adds the text tokens of a segment: {"token", "bytes", "logprob"}. */
static void add_logprobs(const speech *s, const sib_segment *segment, json_t *list)
{
    for (size_t i = 0; segment->logprobs && i < segment->n_tokens; i++) {
        const char *bytes;
        size_t size;
        bool special;
        if (!sib_tokenizer_token(s->tokenizer, segment->tokens[i], &bytes, &size, &special) || special)
            continue;
        json_t *numbers = json_array();
        for (size_t k = 0; k < size; k++)
            json_array_append_new(numbers, json_integer((unsigned char)bytes[k]));
        json_array_append_new(list, json_pack("{s:o, s:o, s:f}", "token", text_of_bytes(bytes, size), "bytes",
                                              numbers, "logprob", fmax(segment->logprobs[i], -9999)));
    }
}

/* Has a body or an event those of a transcript, where they are asked for. */
static void put_logprobs(const speech *s, const sib_transcript *t, json_t *body)
{
    json_t *list = s->form->logprobs ? json_array() : NULL;
    for (size_t i = 0; list && i < t->n_segments; i++)
        add_logprobs(s, &t->segments[i], list);
    if (list)
        json_object_set_new(body, "logprobs", list);
}

/* The words of all segments, which lose theirs: {"word", "start", "end"}, and "probability", which is not OpenAI's. */
static json_t *take_words(json_t *segments)
{
    json_t *all = json_array(), *segment, *word;
    size_t i, k;
    json_array_foreach(segments, i, segment)
    {
        json_array_foreach(json_object_get(segment, "words"), k, word)
        {
            const char *text = json_string_value(json_object_get(word, "word"));
            json_array_append_new(all, json_pack("{s:s, s:O, s:O, s:O}", "word", text + strspn(text, " "),
                                                 "start", json_object_get(word, "start"), "end",
                                                 json_object_get(word, "end"), "probability",
                                                 json_object_get(word, "probability")));
        }
        json_object_del(segment, "words");
    }
    return all;
}

/* What verbose_json has beside words and segments. */
static json_t *verbose_json(const speech *s, const sib_transcript *t)
{
    return json_pack("{s:s, s:s, s:f, s:s, s:{s:s, s:f}}", "task", s->task, "language",
                     language_name(t->language), "duration", s->seconds, "text", t->text, "usage", "type",
                     "duration", "seconds", s->seconds);
}

static void answer_verbose(const speech *s, const sib_transcript *t, const char *text)
{
    json_t *all = json_loads(text, 0, NULL), *segments = json_object_get(all, "segments");
    json_t *words = take_words(segments);
    json_t *body = verbose_json(s, t);
    if (s->form->words)
        json_object_set(body, "words", words);
    if (s->form->segments)
        json_object_set(body, "segments", segments);
    json_decref(words);
    json_decref(all);
    answer_json(s->x, 200, body);
}

static void answer_plain(const speech *s, const sib_transcript *t, const char *text)
{
    (void)t;
    answer_bytes(s->x, 200,
                 s->form->format == SPEECH_VTT ? "text/vtt; charset=utf-8" : "text/plain; charset=utf-8",
                 text, strlen(text));
}

static void answer_text(const speech *s, const sib_transcript *t, const char *text)
{
    (void)text;
    answer_plain(s, t, t->text);
}

static void answer_short(const speech *s, const sib_transcript *t, const char *text)
{
    (void)text;
    json_t *body = json_pack("{s:s}", "text", t->text);
    put_logprobs(s, t, body);
    answer_json(s->x, 200, body);
}

static const struct {
    sib_transcript_format text; /* what `answer` gets */
    void (*answer)(const speech *s, const sib_transcript *t, const char *text);
} formats[N_SPEECH_FORMATS] = {[SPEECH_JSON] = {SIB_TRANSCRIPT_TXT, answer_short},
                               [SPEECH_TEXT] = {SIB_TRANSCRIPT_TXT, answer_text},
                               [SPEECH_SRT] = {SIB_TRANSCRIPT_SRT, answer_plain},
                               [SPEECH_VTT] = {SIB_TRANSCRIPT_VTT, answer_plain},
                               [SPEECH_VERBOSE_JSON] = {SIB_TRANSCRIPT_JSON, answer_verbose}};

static void answer_result(const speech *s, const sib_job_result *r)
{
    const sib_port_value *segments = sib_job_result_find(r, "segments");
    const char *text = sib_job_result_find(r, "text")->text.data;
    sib_transcript t = {text + strspn(text, " "), sib_job_result_find(r, "language")->text.data,
                        segments->segments.data, segments->segments.n};
    sib_error err = SIB_ERROR_INIT;
    char *written = NULL;
    sib_code code;
    if (s->form->stream) {
        json_t *done =
            s->form->format == SPEECH_VERBOSE_JSON ? verbose_json(s, &t) : json_pack("{s:s}", "text", t.text);
        json_object_set_new(done, "type", json_string("transcript.text.done"));
        put_logprobs(s, &t, done);
        code = answer_event(s->x, done, &err);
        if (code == SIB_OK)
            answer_end(s->x);
    } else {
        code = sib_transcript_text(&t, formats[s->form->format].text, &written, NULL, &err);
        if (code == SIB_OK)
            formats[s->form->format].answer(s, &t, written);
    }
    if (code != SIB_OK)
        answer_failure(s->x, &err);
    sib_free(written);
}

/* ---- While it runs ---- */

/* Text that is final, window by window. */
static sib_code on_text(void *context, const char *text, size_t size, sib_error *err)
{
    speech *s = context;
    while (!s->spoke && size && *text == ' ') { /* what the result begins with */
        text++;
        size--;
    }
    if (!size)
        return SIB_OK;
    s->spoke = true;
    json_t *event = json_pack("{s:s, s:s%}", "type", "transcript.text.delta", "delta", text, size);
    if (s->logprobs) {
        json_object_set_new(event, "logprobs", s->logprobs);
        s->logprobs = json_array();
    }
    return answer_event(s->x, event, err);
}

/* The tokens of a segment, whose text follows. */
static sib_code on_tokens(void *context, const sib_segment *segment, sib_error *err)
{
    speech *s = context;
    (void)err;
    add_logprobs(s, segment, s->logprobs);
    return SIB_OK;
}

/* A segment with its words, where they are asked for; not OpenAI's. */
static sib_code on_segment(void *context, const sib_segment *segment, sib_error *err)
{
    speech *s = context;
    json_t *all = segments_json(segment, 1), *event = json_incref(json_array_get(all, 0));
    json_object_set_new(event, "type", json_string("transcript.text.segment"));
    json_decref(all);
    return answer_event(s->x, event, err);
}

/* The answer begins with the first window: until then an error has a status of its own. */
static sib_code on_progress(void *context, double done, double total, sib_error *err)
{
    speech *s = context;
    (void)done;
    (void)total;
    (void)err;
    answer_events(s->x);
    return SIB_OK;
}

/* ---- Transcription ---- */

static sib_code run(speech *s, const served *v, const sib_tensor *audio, sib_job_result **out, sib_error *err)
{
    static const char *const wanted[] = {"text", "segments", "language"};
    const speech_form *f = s->form;
    sib_job_value in[MAX_SPEECH_INPUTS + 1];
    in[0] = (sib_job_value){"audio", {.type = SIB_PORT_AUDIO, .tensor = audio}};
    size_t n = 1;
    for (size_t i = 0; i < f->n_inputs; i++)
        if (i < f->n_given || sib_job_has_input(v->job, f->inputs[i].name))
            in[n++] = f->inputs[i];
    sib_job_run_options o = {.context = s,
                             .on_text = f->stream && f->format != SPEECH_VERBOSE_JSON ? on_text : NULL,
                             .on_segment = s->logprobs                                     ? on_tokens
                                           : f->stream && f->format == SPEECH_VERBOSE_JSON ? on_segment
                                                                                           : NULL,
                             .on_progress = f->stream ? on_progress : NULL,
                             .cancel = exchange_cancel(s->x)};
    return sib_job_run(v->job, n, in, 3, wanted, &o, out, err);
}

static void transcribe_with(served *v, exchange *x, const speech_form *form, const char *task)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_info info;
    sib_job_get_info(v->job, &info);
    sib_tensor *audio = NULL;
    sib_job_result *r = NULL;
    sib_timer timer = sib_timer_start();
    sib_code code = recording_read(x, form->file, info.sample_rate, &audio, &err);
    speech s = {.x = x, .form = form, .task = task, .tokenizer = sib_job_tokenizer(v->job, 0)};
    s.logprobs = form->stream && form->logprobs ? json_array() : NULL;
    if (code == SIB_OK && form->logprobs && !s.tokenizer)
        code = server_fail(&err, SIB_ERR_UNSUPPORTED,
                           "include[]=logprobs needs a tokenizer, and this model has none");
    if (code == SIB_OK) {
        s.seconds = (double)sib_tensor_count(audio) / info.sample_rate;
        code = run(&s, v, audio, &r, &err);
    }
    if (code == SIB_OK) {
        metrics_audio(exchange_server(x), s.seconds, sib_timer_seconds(&timer));
        answer_result(&s, r);
    } else
        answer_failure(x, &err);
    json_decref(s.logprobs);
    sib_job_result_free(&r);
    sib_tensor_free(&audio);
}

static void transcribe(exchange *x, const char *task)
{
    speech_form form;
    served *v = speech_form_read(x, task, &form)
                    ? exchange_model_of(x, form.model, "speech-to-text", "transcribes", "whisper-1")
                    : NULL;
    if (v)
        transcribe_with(v, x, &form, task);
    catalog_release(v);
    speech_form_clear(&form);
}

void handle_transcription(exchange *x)
{
    transcribe(x, "transcribe");
}

void handle_translation(exchange *x)
{
    transcribe(x, "translate");
}
