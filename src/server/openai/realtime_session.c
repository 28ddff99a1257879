#include "server/openai/realtime_session.h"

#include <string.h>

#define MAX_TEXT 4096 /* bytes of a prompt */

/* What a session has where the client says nothing. */
#define THRESHOLD  0.5
#define PADDING_MS 300
#define SILENCE_MS 500

/* ---- Members ---- */

typedef sib_code (*reader)(const json_t *value, speech_settings *s, sib_error *err);

static sib_code no_memory(sib_error *err)
{
    return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
}

static sib_code read_text(const json_t *value, char **to, sib_error *err)
{
    const char *text = json_string_value(value);
    if (!text && !json_is_null(value))
        return server_fail(err, SIB_ERR_ARGUMENT, "it must be a string");
    if (text && strlen(text) > MAX_TEXT)
        return server_fail(err, SIB_ERR_ARGUMENT, "it may have %d bytes at most", MAX_TEXT);
    return speech_settings_text(to, text && *text ? text : NULL) ? SIB_OK : no_memory(err);
}

static sib_code read_model(const json_t *value, speech_settings *s, sib_error *err)
{
    return read_text(value, &s->model, err);
}

static sib_code read_language(const json_t *value, speech_settings *s, sib_error *err)
{
    sib_code code = read_text(value, &s->language, err);
    const char *known, *name;
    size_t i = 0;
    while (code == SIB_OK && s->language && sib_whisper_language(i, &known, &name) &&
           strcmp(known, s->language) != 0)
        i++;
    if (code == SIB_OK && s->language && !sib_whisper_language(i, &known, &name))
        return server_fail(err, SIB_ERR_ARGUMENT, "'%.40s' is no language's code, such as 'en'", s->language);
    return code;
}

static sib_code read_prompt(const json_t *value, speech_settings *s, sib_error *err)
{
    return read_text(value, &s->prompt, err);
}

static sib_code read_kind(const json_t *value, speech_settings *s, sib_error *err)
{
    (void)s;
    const char *kind = json_string_value(value);
    return kind && !strcmp(kind, "transcription")
               ? SIB_OK
               : server_fail(err, SIB_ERR_UNSUPPORTED, "sessions are of type 'transcription' here");
}

static sib_code read_pcm_name(const json_t *value, speech_settings *s, sib_error *err)
{
    (void)s;
    const char *name = json_string_value(value);
    return name && (!strcmp(name, "pcm16") || !strcmp(name, "audio/pcm"))
               ? SIB_OK
               : server_fail(err, SIB_ERR_UNSUPPORTED,
                             "audio is PCM of 16 bits here: 'audio/pcm' or 'pcm16'");
}

static sib_code read_rate(const json_t *value, speech_settings *s, sib_error *err)
{
    json_int_t rate = json_integer_value(value);
    if (rate < 8000 || rate > 192000)
        return server_fail(err, SIB_ERR_ARGUMENT, "it must be a number from 8000 to 192000");
    s->rate = (int32_t)rate;
    return SIB_OK;
}

/* Bounds are those of sib_live_options. */
static sib_code read_between(const json_t *value, double min, double max, double scale, double *to,
                             sib_error *err)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= min && number <= max))
        return server_fail(err, SIB_ERR_ARGUMENT, "it must be a number from %g to %g", min, max);
    *to = number * scale;
    return SIB_OK;
}

static sib_code read_turn_kind(const json_t *value, speech_settings *s, sib_error *err)
{
    (void)s;
    const char *kind = json_string_value(value);
    return kind && !strcmp(kind, "server_vad")
               ? SIB_OK
               : server_fail(err, SIB_ERR_UNSUPPORTED,
                             "turns are found by 'server_vad' here, or by the client (null)");
}

static sib_code read_voice(const json_t *value, speech_settings *s, sib_error *err)
{
    return read_text(value, &s->voice, err);
}

static sib_code read_threshold(const json_t *value, speech_settings *s, sib_error *err)
{
    return read_between(value, 0.01, 1, 1, &s->threshold, err);
}

static sib_code read_padding(const json_t *value, speech_settings *s, sib_error *err)
{
    sib_code code = read_between(value, 0, 2000, 1e-3, &s->padding, err);
    if (code == SIB_OK && s->padding == 0)
        s->padding = -1; /* none, where 0 is the default */
    return code;
}

static sib_code read_silence(const json_t *value, speech_settings *s, sib_error *err)
{
    return read_between(value, 100, 10000, 1e-3, &s->silence, err);
}

static sib_code read_turns(const json_t *value, speech_settings *s, sib_error *err)
{
    if (!json_is_null(value) && !json_is_object(value))
        return server_fail(err, SIB_ERR_ARGUMENT, "it must be an object or null");
    s->manual = json_is_null(value);
    return SIB_OK;
}

static sib_code read_include(const json_t *value, speech_settings *s, sib_error *err)
{
    (void)s;
    return json_is_null(value) || (json_is_array(value) && !json_array_size(value))
               ? SIB_OK
               : server_fail(err, SIB_ERR_UNSUPPORTED, "log probabilities of tokens are not built here");
}

/* Where a member stands in either form, and what reads it, in order. Members that are not here are ignored. */
static const struct member {
    const char *at[2];
    reader read;
} members[] = {
    {{"type", NULL}, read_kind},
    {{"audio.input.format.type", "input_audio_format"}, read_pcm_name},
    {{"audio.input.format.rate", NULL}, read_rate},
    {{"audio.input.transcription.model", "input_audio_transcription.model"}, read_model},
    {{"audio.input.transcription.language", "input_audio_transcription.language"}, read_language},
    {{"audio.input.transcription.prompt", "input_audio_transcription.prompt"}, read_prompt},
    {{"audio.input.turn_detection", "turn_detection"}, read_turns},
    {{"audio.input.turn_detection.type", "turn_detection.type"}, read_turn_kind},
    {{"audio.input.turn_detection.voice", "turn_detection.voice"}, read_voice}, /* not OpenAI's */
    {{"audio.input.turn_detection.threshold", "turn_detection.threshold"}, read_threshold},
    {{"audio.input.turn_detection.prefix_padding_ms", "turn_detection.prefix_padding_ms"}, read_padding},
    {{"audio.input.turn_detection.silence_duration_ms", "turn_detection.silence_duration_ms"}, read_silence},
    {{"include", "include"}, read_include}};

/* The value at "a.b.c", or NULL. */
static const json_t *value_at(const json_t *root, const char *path)
{
    char name[64];
    for (size_t n; root && *path; path += n + (path[n] == '.')) {
        n = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        root = json_object_get(root, name);
    }
    return root;
}

sib_code realtime_session_read(const json_t *session, realtime_form form, speech_settings *settings,
                               const char **param, sib_error *err)
{
    *param = "session";
    if (!json_is_object(session))
        return server_fail(err, SIB_ERR_ARGUMENT, "'session' must be an object");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *at = members[i].at[form];
        const json_t *value = at ? value_at(session, at) : NULL;
        sib_error why = SIB_ERROR_INIT;
        if (!value || members[i].read(value, settings, &why) == SIB_OK)
            continue;
        *param = at;
        return server_fail(err, why.code, "session.%s: %s", at, why.message);
    }
    return SIB_OK;
}

/* ---- As JSON ---- */

static json_t *turns_json(const speech_settings *s)
{
    if (s->manual)
        return json_null();
    int padding = s->padding == 0 ? PADDING_MS : s->padding < 0 ? 0 : (int)(s->padding * 1e3 + 0.5);
    int silence = s->silence == 0 ? SILENCE_MS : (int)(s->silence * 1e3 + 0.5);
    return json_pack("{s:s, s:f, s:i, s:i, s:s*}", "type", "server_vad", "threshold",
                     s->threshold == 0 ? THRESHOLD : s->threshold, "prefix_padding_ms", padding,
                     "silence_duration_ms", silence, "voice", s->voice);
}

static json_t *transcription_json(const speech_settings *s)
{
    return json_pack("{s:s, s:s?, s:s}", "model", s->model ? s->model : "whisper-1", "language", s->language,
                     "prompt", s->prompt ? s->prompt : "");
}

json_t *realtime_session_json(const speech_settings *s, realtime_form form, const char *id)
{
    if (form == REALTIME_TRANSCRIPTION_SESSION)
        return json_pack("{s:s, s:s, s:s, s:o, s:o, s:n}", "id", id, "object",
                         "realtime.transcription_session", "input_audio_format", "pcm16",
                         "input_audio_transcription", transcription_json(s), "turn_detection", turns_json(s),
                         "input_audio_noise_reduction");
    return json_pack("{s:s, s:s, s:s, s:{s:{s:{s:s, s:i}, s:o, s:o, s:n}}, s:n}", "id", id, "object",
                     "realtime.transcription_session", "type", "transcription", "audio", "input", "format",
                     "type", "audio/pcm", "rate", (int)s->rate, "transcription", transcription_json(s),
                     "turn_detection", turns_json(s), "noise_reduction", "include");
}
