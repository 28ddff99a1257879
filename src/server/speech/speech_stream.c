#include "server/speech/speech_stream.h"

#include <stdlib.h>
#include <string.h>

/* ---- Settings ---- */

bool speech_settings_text(char **to, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return false;
    free(*to);
    *to = copy;
    return true;
}

void speech_settings_clear(speech_settings *s)
{
    free(s->model);
    free(s->language);
    free(s->prompt);
    free(s->voice);
    *s = (speech_settings){0};
}

bool speech_settings_copy(speech_settings *to, const speech_settings *from)
{
    *to = *from;
    to->model = to->language = to->prompt = to->voice = NULL;
    if (speech_settings_text(&to->model, from->model) &&
        speech_settings_text(&to->language, from->language) &&
        speech_settings_text(&to->voice, from->voice) && speech_settings_text(&to->prompt, from->prompt))
        return true;
    speech_settings_clear(to);
    return false;
}

/* ---- The stream ---- */

static sib_code on_event(void *context, const sib_live_event *e, sib_error *err)
{
    speech_stream *s = context;
    if (e->kind == SIB_LIVE_FINAL)
        metrics_audio(s->server, e->end - e->start, sib_timer_seconds(&s->timer));
    sib_code code = s->on_event(s->context, e, err);
    if (e->kind != SIB_LIVE_PARTIAL)
        s->timer = sib_timer_start();
    return code;
}

static void add_text(speech_stream *s, const char *name, const char *text)
{
    if (text)
        s->inputs[s->n_inputs++] =
            (sib_job_value){name, {.type = SIB_PORT_TEXT, .text = {text, strlen(text)}}};
}

/* For jobs that have such an input. */
static void add_number(speech_stream *s, const char *name, double number)
{
    if (!sib_job_has_input(s->model->job, name))
        return;
    s->inputs[s->n_inputs++] = (sib_job_value){name, {.type = SIB_PORT_NUMBER, .number = number}};
}

/* What `sibyl transcribe` has, so that both give the same. */
static void fill_inputs(speech_stream *s)
{
    s->n_inputs = 0;
    add_text(s, "language", s->settings.language);
    add_text(s, "initial_prompt", s->settings.prompt);
    add_number(s, "beam_size", 5);
    add_number(s, "best_of", 5);
    if (s->settings.words)
        s->inputs[s->n_inputs++] = (sib_job_value){"word_timestamps", {.type = SIB_PORT_FLAG, .flag = true}};
}

/* Ends what runs, which the model and inputs belong to. */
static void stop(speech_stream *s)
{
    if (s->live)
        atomic_fetch_sub(&s->server->n_speech_streams, 1);
    sib_live_free(&s->live);
    catalog_release(s->model);
    catalog_release(s->voice);
    s->model = s->voice = NULL;
}

/* Names of OpenAI's models, which clients have built in, stand for the first that there is. */
static const char *own_name(const char *model)
{
    return model && strncmp(model, "gpt-", 4) != 0 ? model : NULL;
}

static sib_code start(speech_stream *s, sib_error *err)
{
    s->model = catalog_find(s->server->catalog, own_name(s->settings.model), "speech-to-text", "transcribes",
                            "whisper-1", err);
    if (s->model && s->settings.voice)
        s->voice =
            catalog_find(s->server->catalog, s->settings.voice, "voice-activity", "finds speech", NULL, err);
    if (!s->model || (s->settings.voice && !s->voice))
        return err->code;
    fill_inputs(s);
    sib_live_options o = {.on_event = on_event,
                          .context = s,
                          .inputs = s->inputs,
                          .n_inputs = s->n_inputs,
                          .sample_rate = s->settings.rate,
                          .manual = s->settings.manual,
                          .voice = s->voice ? s->voice->job : NULL,
                          .threshold = s->settings.threshold,
                          .silence_seconds = s->settings.silence,
                          .padding_seconds = s->settings.padding,
                          .partial_seconds = s->settings.final ? -1 : 0,
                          .begin = s->seconds,
                          .cancel = s->cancel};
    return sib_live_create(s->model->job, &o, &s->live, err);
}

sib_code speech_stream_open(speech_stream *s, sib_error *err)
{
    if (s->live)
        return SIB_OK;
    sib_code code = SIB_OK;
    if (atomic_fetch_add(&s->server->n_speech_streams, 1) >= MAX_SPEECH_STREAMS)
        code = server_fail(err, SIB_ERR_SIZE, "the server listens to %d streams already", MAX_SPEECH_STREAMS);
    if (code == SIB_OK)
        code = start(s, err);
    if (!s->live) {
        atomic_fetch_sub(&s->server->n_speech_streams, 1);
        stop(s);
    }
    return code;
}

size_t speech_stream_sample_bytes(const speech_stream *s)
{
    return s->settings.pcm == SIB_PCM_F32LE ? 4 : 2;
}

/* Of m samples at b. */
static void read_s16(const unsigned char *b, int16_t *out, size_t m)
{
    for (size_t i = 0; i < m; i++)
        out[i] = (int16_t)(uint16_t)(b[2 * i] | b[2 * i + 1] << 8);
}

static void read_f32(const unsigned char *b, float *out, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        const unsigned char *at = b + 4 * i;
        uint32_t bits = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        memcpy(&out[i], &bits, sizeof bits);
    }
}

sib_code speech_stream_push(speech_stream *s, const void *pcm, size_t size, sib_error *err)
{
    enum { PIECE = 2048 };
    const unsigned char *bytes = pcm;
    size_t width = speech_stream_sample_bytes(s), n = size / width, rest = size % width;
    sib_code code = rest ? server_fail(err, SIB_ERR_ARGUMENT,
                                       "the audio has %zu bytes, which is no multiple of %zu", size, width)
                         : speech_stream_open(s, err);
    s->timer = sib_timer_start();
    for (size_t i = 0, m; i < n && code == SIB_OK; i += m) {
        union {
            int16_t s16[PIECE];
            float f32[PIECE];
        } piece;
        m = n - i < PIECE ? n - i : PIECE;
        if (width == 2) {
            read_s16(bytes + i * width, piece.s16, m);
            code = sib_live_push_s16(s->live, piece.s16, m, err);
        } else {
            read_f32(bytes + i * width, piece.f32, m);
            code = sib_live_push(s->live, piece.f32, m, err);
        }
        s->seconds += (double)m / (s->settings.rate ? s->settings.rate : 16000);
    }
    return code;
}

sib_code speech_stream_refresh(speech_stream *s, sib_error *err)
{
    return s->live ? sib_live_refresh(s->live, err) : SIB_OK;
}

sib_code speech_stream_commit(speech_stream *s, sib_error *err)
{
    s->timer = sib_timer_start();
    return s->live ? sib_live_commit(s->live, err) : SIB_OK;
}

sib_code speech_stream_finish(speech_stream *s, sib_error *err)
{
    s->timer = sib_timer_start();
    return s->live ? sib_live_finish(s->live, err) : SIB_OK;
}

void speech_stream_clear(speech_stream *s)
{
    if (s->live)
        sib_live_clear(s->live);
}

double speech_stream_pending(const speech_stream *s)
{
    return s->live ? sib_live_pending(s->live) : 0;
}

sib_code speech_stream_set(speech_stream *s, speech_settings *settings, sib_error *err)
{
    sib_code code = speech_stream_finish(s, err);
    stop(s);
    speech_settings_clear(&s->settings);
    s->settings = *settings;
    *settings = (speech_settings){0};
    return code;
}

void speech_stream_close(speech_stream *s)
{
    stop(s);
    speech_settings_clear(&s->settings);
    s->seconds = 0;
}
