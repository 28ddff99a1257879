/* Text to speech by OpenAI's API: POST /v1/audio/speech. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/models/exchange_model.h"
#include "server/openai/body_fields.h"
#include "server/values/json.h"

#include <stdlib.h>
#include <string.h>

#define MAX_INPUT  (64 << 10) /* bytes of a text */
#define WAV_HEADER 44

/* The body. Strings are those of the JSON. */
typedef struct speech {
    exchange *x;
    served *model;
    const char *input, *model_id; /* model_id: NULL: not given */
    size_t size;                  /* bytes of input */
    double speaker, speed, seed;  /* -1: not given */
    bool raw;                     /* samples without a header */
    bool phonemes;
} speech;

/* ---- The body ------------------------------------------------------------------------------------------- */

static bool read_input(void *self, const json_t *value)
{
    speech *s = self;
    s->input = json_string_value(value);
    s->size = json_string_length(value);
    return s->input && s->size <= MAX_INPUT;
}

static bool read_model(void *self, const json_t *value)
{
    speech *s = self;
    s->model_id = json_string_value(value);
    return s->model_id;
}

/* OpenAI's names are the speaker that the model has first. */
static bool read_voice(void *self, const json_t *value)
{
    speech *s = self;
    static const char *const names[] = {"alloy", "ash",  "ballad", "cedar", "coral",   "echo", "fable",
                                        "marin", "nova", "onyx",   "sage",  "shimmer", "verse"};
    const char *text = json_string_value(value);
    for (size_t i = 0; text && i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], text))
            return true;
    if (!text || !*text || strlen(text) > 6 || strspn(text, "0123456789") != strlen(text))
        return false;
    s->speaker = (double)strtol(text, NULL, 10);
    return true;
}

static bool read_format(void *self, const json_t *value)
{
    speech *s = self;
    const char *name = json_string_value(value);
    s->raw = name && !strcmp(name, "pcm");
    return name && (s->raw || !strcmp(name, "wav"));
}

static bool read_speed(void *self, const json_t *value)
{
    speech *s = self;
    s->speed = json_number_value(value);
    return json_is_number(value) && s->speed >= 0.25 && s->speed <= 4;
}

static bool read_seed(void *self, const json_t *value)
{
    speech *s = self;
    s->seed = (double)json_integer_value(value);
    return json_is_integer(value) && s->seed >= 0 && s->seed <= 0x1p53;
}

static bool read_phonemes(void *self, const json_t *value)
{
    speech *s = self;
    s->phonemes = json_is_true(value);
    return json_is_boolean(value);
}

static bool read_stream(void *self, const json_t *value)
{
    (void)self;
    return json_is_string(value) && !strcmp(json_string_value(value), "audio");
}

static const body_field fields[] = {
    {"input", read_input, "a text of at most 65536 bytes"},
    {"model", read_model, "a string"},
    {"voice", read_voice, "the number of a speaker, as a string, or a name of OpenAI's (alloy), the first"},
    {"response_format", read_format, "'wav' or 'pcm'"},
    {"speed", read_speed, "a number from 0.25 to 4"},
    {"stream_format", read_stream, "'audio'"},
    {"seed", read_seed, "an integer from 0 on"},
    {"phonemes", read_phonemes, "true or false"}};

/* Answers 400 and returns false where the body is wrong. */
static bool read_body(speech *s, const json_t *body)
{
    if (!body_fields_read(s->x, body, sizeof fields / sizeof *fields, fields, s))
        return false;
    if (!s->input)
        answer_error(s->x, 400, "input", "there is no input");
    return s->input;
}

/* ---- The answer ----------------------------------------------------------------------------------------- */

/* Fills in (room for 5); the number of inputs. */
static size_t fill_inputs(const speech *s, sib_job_value *in)
{
    const struct {
        const char *name;
        double number;
    } numbers[] = {{"speaker", s->speaker}, {"speed", s->speed}, {"seed", s->seed}};
    size_t n = 0;
    in[n++] = (sib_job_value){"text", {.type = SIB_PORT_TEXT, .text = {s->input, s->size}}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].number >= 0)
            in[n++] =
                (sib_job_value){numbers[i].name, {.type = SIB_PORT_NUMBER, .number = numbers[i].number}};
    if (s->phonemes)
        in[n++] = (sib_job_value){"phonemes", {.type = SIB_PORT_FLAG, .flag = true}};
    return n;
}

static void answer_samples(const speech *s, const sib_job_result *r)
{
    const sib_port_value *samples = sib_job_result_find(r, "samples"),
                         *rate = sib_job_result_find(r, "sample_rate");
    const sib_tensor *t = samples && samples->type == SIB_PORT_AUDIO ? samples->tensor : NULL;
    sib_error err = SIB_ERROR_INIT;
    uint8_t *bytes = NULL;
    size_t size = 0;
    char type[40] = "audio/wav";
    if (!t || !rate || rate->type != SIB_PORT_NUMBER || !(rate->number >= 1 && rate->number <= 1e6) ||
        sib_tensor_dtype(t) != SIB_F32 || !sib_tensor_is_dense(t)) {
        answer_error(s->x, 400, "model",
                     "the job of the model '%.80s' gives no 'samples' of audio and 'sample_rate'",
                     s->model->id);
        return;
    }
    if (sib_audio_wav(sib_tensor_data(t), (size_t)sib_tensor_count(t), (int32_t)rate->number, SIB_PCM_S16LE,
                      &bytes, &size, &err) != SIB_OK) {
        answer_failure(s->x, &err);
        return;
    }
    const size_t head = s->raw ? WAV_HEADER : 0;
    if (s->raw)
        snprintf(type, sizeof type, "audio/pcm;rate=%d", (int)rate->number);
    answer_bytes(s->x, 200, type, bytes + head, size - head);
    sib_free(bytes);
}

static void say(const speech *s)
{
    static const char *const wanted[] = {"samples", "sample_rate"};
    const sib_job_run_options o = {.cancel = exchange_cancel(s->x)};
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    sib_job_value in[5];
    const size_t n = fill_inputs(s, in);
    for (size_t i = 0; i < n; i++)
        if (!sib_job_has_input(s->model->job, in[i].name)) {
            answer_error(s->x, 400, in[i].name, "the model '%.80s' takes no %s", s->model->id, in[i].name);
            return;
        }
    if (sib_job_run(s->model->job, n, in, 2, wanted, &o, &r, &err) != SIB_OK)
        answer_failure(s->x, &err);
    else
        answer_samples(s, r);
    sib_job_result_free(&r);
}

void handle_speech(exchange *x)
{
    speech s = {.x = x, .speaker = -1, .speed = -1, .seed = -1};
    json_t *body = exchange_json(x);
    if (body && read_body(&s, body))
        s.model = exchange_model_of(x, s.model_id, "text-to-speech", "speaks", NULL);
    if (s.model)
        say(&s);
    catalog_release(s.model);
    json_decref(body);
}
