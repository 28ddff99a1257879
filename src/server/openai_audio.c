/* Speech to text by OpenAI's API: POST /v1/audio/transcriptions and /translations. */
#include "server_inner.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SECONDS 14400 /* of a recording: 4 hours */

/* ---- Models ---- */

static json_t *describe(const served *v)
{
    return json_pack("{s:s, s:s, s:I, s:s}", "id", v->id, "object", "model", "created", (json_int_t)v->opened,
                     "owned_by", "sibyl");
}

void handle_openai_models(exchange *x)
{
    json_t *list = json_array();
    served *v;
    for (size_t i = 0; (v = catalog_hold_at(exchange_server(x)->catalog, i)); i++) {
        if (v->job)
            json_array_append_new(list, describe(v));
        catalog_release(v);
    }
    answer_json(x, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

void handle_openai_model(exchange *x)
{
    served *v = exchange_model(x);
    if (v)
        answer_json(x, 200, describe(v));
    catalog_release(v);
}

/* ---- Transcription ---- */

static const char *field_text(exchange *x, const char *name)
{
    const part *p = exchange_part(x, name);
    return p && p->data.size ? p->data.data : NULL;
}

/* The model of the field, held. "whisper-1", which clients have built in, is the first that transcribes. */
static served *model_of(exchange *x)
{
    static const char kind[] = "speech-to-text";
    catalog *all = exchange_server(x)->catalog;
    const char *id = field_text(x, "model");
    served *v = id ? catalog_hold(all, id) : NULL;
    if (!v && (!id || !strcmp(id, "whisper-1")))
        v = catalog_hold_kind(all, kind);
    if (!v)
        answer_error(x, 404, "model",
                     "there is no model '%.80s' that transcribes; /v1/models lists those that are open",
                     id ? id : "");
    else if (strcmp(v->kind, kind) != 0) {
        answer_error(x, 400, "model", "the model '%s' does not transcribe: its kind is '%s'", v->id, v->kind);
        catalog_release(v);
        v = NULL;
    }
    return v;
}

/* Formats of the answer: its words for response_format. */
static const char *const formats[] = {"json", "text", "verbose_json", NULL};

static int format_of(exchange *x)
{
    const char *text = field_text(x, "response_format");
    for (int i = 0; formats[i]; i++)
        if (!strcmp(text ? text : "json", formats[i]))
            return i;
    answer_error(x, 400, "response_format",
                 "the response_format must be json, text or verbose_json, not '%.40s'", text);
    return -1;
}

static json_t *segment_json(const sib_segment *s)
{
    json_t *tokens = json_array();
    for (size_t i = 0; i < s->n_tokens; i++)
        json_array_append_new(tokens, json_integer(s->tokens[i]));
    return json_pack("{s:I, s:I, s:f, s:f, s:s, s:o, s:f, s:f, s:f, s:f}", "id", (json_int_t)s->id, "seek",
                     (json_int_t)s->seek, "start", s->start, "end", s->end, "text", s->text, "tokens", tokens,
                     "temperature", s->temperature, "avg_logprob", s->avg_logprob, "compression_ratio",
                     s->compression_ratio, "no_speech_prob", s->no_speech_prob);
}

static void answer_result(exchange *x, int format, const sib_job_result *r, const char *task, double seconds)
{
    const sib_port_value *text = sib_job_result_find(r, "text"),
                         *segments = sib_job_result_find(r, "segments");
    const char *begin = text->text.data + strspn(text->text.data, " ");
    if (!strcmp(formats[format], "text")) {
        answer_bytes(x, 200, "text/plain; charset=utf-8", begin, strlen(begin));
        return;
    }
    json_t *body = json_pack("{s:s}", "text", begin);
    if (body && !strcmp(formats[format], "verbose_json")) {
        json_t *list = json_array();
        for (size_t i = 0; i < segments->segments.n; i++)
            json_array_append_new(list, segment_json(&segments->segments.data[i]));
        json_object_set_new(body, "task", json_string(task));
        json_object_set_new(body, "language", json_string(sib_job_result_find(r, "language")->text.data));
        json_object_set_new(body, "duration", json_real(seconds));
        json_object_set_new(body, "segments", list);
    }
    answer_json(x, 200, body);
}

/* Inputs of the job from the form's fields. Returns their number. */
static size_t inputs_of(exchange *x, const sib_tensor *audio, const char *task, sib_job_value in[5])
{
    size_t n = 0;
    const char *language = field_text(x, "language"), *prompt = field_text(x, "prompt");
    in[n++] = (sib_job_value){"audio", {.type = SIB_PORT_AUDIO, .tensor = audio}};
    const struct {
        const char *name, *value;
    } texts[] = {{"language", language}, {"initial_prompt", prompt}, {"task", task}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value)
            in[n++] = (sib_job_value){
                texts[i].name, {.type = SIB_PORT_TEXT, .text = {texts[i].value, strlen(texts[i].value)}}};
    return n;
}

static void transcribe(exchange *x, const char *task)
{
    const part *file = exchange_part(x, "file");
    int format = file ? format_of(x) : -1;
    if (!file)
        answer_error(x, 400, "file", "the form has no part 'file' with a recording");
    served *v = format >= 0 ? model_of(x) : NULL;
    if (!v)
        return;
    sib_error err = SIB_ERROR_INIT;
    sib_job_info info;
    sib_job_get_info(v->job, &info);
    float *samples = NULL;
    size_t n_samples = 0;
    sib_tensor *audio = NULL;
    sib_job_result *r = NULL;
    sib_timer timer = sib_timer_start();
    sib_audio_options o = {.sample_rate = (int32_t)info.sample_rate, .max_seconds = MAX_SECONDS};
    sib_code code = sib_audio_load_bytes(file->file ? file->file : "recording", file->data.data,
                                         file->data.size, &o, &samples, &n_samples, NULL, &err);
    int64_t dims[1] = {(int64_t)n_samples};
    if (code == SIB_OK)
        code = sib_tensor_wrap(SIB_F32, 1, dims, NULL, samples, NULL, NULL, &audio, &err);
    if (code == SIB_OK) {
        static const char *const wanted[] = {"text", "segments", "language"};
        sib_job_value in[5];
        size_t n = inputs_of(x, audio, task, in);
        sib_job_run_options run = {.cancel = exchange_cancel(x)};
        code = sib_job_run(v->job, n, in, 3, wanted, &run, &r, &err);
    }
    double seconds = info.sample_rate > 0 ? (double)n_samples / info.sample_rate : 0;
    if (code == SIB_OK) {
        metrics_audio(exchange_server(x), seconds, sib_timer_seconds(&timer));
        answer_result(x, format, r, task, seconds);
    } else
        answer_failure(x, &err);
    sib_job_result_free(&r);
    sib_tensor_free(&audio);
    sib_free(samples);
    catalog_release(v);
}

void handle_transcription(exchange *x)
{
    transcribe(x, "transcribe");
}

void handle_translation(exchange *x)
{
    transcribe(x, "translate");
}
