/* /api/ws: speech that a client streams, as binary messages, and its text. */
#include "server/http/state.h"
#include "server/runs/live_inner.h"
#include "server/speech/speech_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROMPT 4096 /* bytes */

/* A connection's stream. Of the thread that follows its messages. */
typedef struct listening {
    peer *peer; /* the mailbox holds it */
    speech_stream stream;
    json_int_t id; /* the client's, of the present stream */
    bool open;
} listening;

/* ---- What the server says ---- */

static json_t *segments_json(const sib_live_event *e)
{
    json_t *list = json_array();
    for (size_t i = 0; i < e->n_segments; i++) {
        const sib_segment *s = &e->segments[i];
        json_t *one = json_pack("{s:f, s:f, s:s, s:f, s:o}", "start", s->start, "end", s->end, "text",
                                s->text, "avg_logprob", s->avg_logprob, "no_speech_prob",
                                isfinite(s->no_speech_prob) ? json_real(s->no_speech_prob) : json_null());
        json_t *words = s->words ? json_array() : NULL;
        for (size_t k = 0; words && k < s->n_words; k++)
            json_array_append_new(words, json_pack("{s:s, s:f, s:f, s:f}", "word", s->words[k].text, "start",
                                                   s->words[k].start, "end", s->words[k].end, "probability",
                                                   s->words[k].probability));
        if (one && words)
            json_object_set_new(one, "words", words);
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *event_json(const listening *l, const sib_live_event *e)
{
    static const char *const ops[] = {[SIB_LIVE_STARTED] = "speech_started",
                                      [SIB_LIVE_STOPPED] = "speech_stopped",
                                      [SIB_LIVE_PARTIAL] = "partial",
                                      [SIB_LIVE_FINAL] = "final"};
    json_t *message = json_pack("{s:s, s:I, s:I, s:f, s:f}", "op", ops[e->kind], "id", l->id, "segment",
                                (json_int_t)e->segment, "start", e->start, "end", e->end);
    if (message && (e->kind == SIB_LIVE_PARTIAL || e->kind == SIB_LIVE_FINAL))
        json_object_set_new(message, "text", json_string(e->text));
    if (message && e->kind == SIB_LIVE_PARTIAL)
        json_object_set_new(message, "stable", json_stringn(e->text, e->n_stable));
    if (message && e->kind == SIB_LIVE_FINAL) {
        json_object_set_new(message, "language", json_string(e->language));
        json_object_set_new(message, "segments", segments_json(e));
    }
    return message;
}

static sib_code on_event(void *context, const sib_live_event *e, sib_error *err)
{
    listening *l = context;
    json_t *message = event_json(l, e);
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    json_decref(message);
    if (!text)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    peer_send(l->peer, false, e->kind == SIB_LIVE_PARTIAL ? PEER_DROPPABLE : PEER_MUST, text, strlen(text));
    free(text);
    return SIB_OK;
}

static void check(listening *l, sib_code code, const sib_error *err)
{
    if (code == SIB_OK || code == SIB_ERR_CANCELLED)
        return;
    json_t *id = json_integer(l->id);
    live_refuse(l->peer, id, err->message);
    json_decref(id);
}

/* ---- What clients may say ---- */

typedef struct member {
    const char *name;
    sib_code (*read)(const struct member *m, const json_t *value, speech_settings *s, sib_error *err);
    size_t at;       /* of what it changes in speech_settings */
    double min, max; /* of numbers; of strings, bytes */
} member;

static void *place(const member *m, speech_settings *s)
{
    return (char *)s + m->at;
}

static sib_code read_text(const member *m, const json_t *value, speech_settings *s, sib_error *err)
{
    const char *text = json_string_value(value);
    if (!text || (double)strlen(text) > m->max)
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be a string of at most %g bytes", m->name,
                           m->max);
    return speech_settings_text(place(m, s), text)
               ? SIB_OK
               : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
}

static bool in_range(const member *m, const json_t *value)
{
    return json_is_number(value) && json_number_value(value) >= m->min && json_number_value(value) <= m->max;
}

static sib_code read_number(const member *m, const json_t *value, speech_settings *s, sib_error *err)
{
    if (!in_range(m, value))
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be a number from %g to %g", m->name, m->min,
                           m->max);
    *(double *)place(m, s) = json_number_value(value);
    return SIB_OK;
}

static sib_code read_rate(const member *m, const json_t *value, speech_settings *s, sib_error *err)
{
    if (!json_is_integer(value) || !in_range(m, value))
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be a number from %g to %g", m->name, m->min,
                           m->max);
    *(int32_t *)place(m, s) = (int32_t)json_integer_value(value);
    return SIB_OK;
}

static sib_code read_flag(const member *m, const json_t *value, speech_settings *s, sib_error *err)
{
    if (!json_is_boolean(value))
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be true or false", m->name);
    *(bool *)place(m, s) = json_is_true(value);
    return SIB_OK;
}

static sib_code read_format(const member *m, const json_t *value, speech_settings *s, sib_error *err)
{
    const char *name = json_string_value(value);
    if (!name || (strcmp(name, "s16le") != 0 && strcmp(name, "f32le") != 0))
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be 's16le' or 'f32le'", m->name);
    *(sib_pcm *)place(m, s) = strcmp(name, "f32le") ? SIB_PCM_S16LE : SIB_PCM_F32LE;
    return SIB_OK;
}

/* Of what on_listen reads itself. */
static sib_code pass(const member *m, const json_t *value, speech_settings *s, sib_error *err)
{
    (void)m, (void)value, (void)s, (void)err;
    return SIB_OK;
}

#define AT(field) offsetof(speech_settings, field)
static const member members[] = {{"op", pass, 0, 0, 0},
                                 {"id", pass, 0, 0, 0},
                                 {"model", read_text, AT(model), 0, MAX_LIVE_NAME},
                                 {"language", read_text, AT(language), 0, 64},
                                 {"prompt", read_text, AT(prompt), 0, MAX_PROMPT},
                                 {"voice", read_text, AT(voice), 0, MAX_LIVE_NAME},
                                 {"rate", read_rate, AT(rate), 8000, 192000},
                                 {"format", read_format, AT(pcm), 0, 0},
                                 {"manual", read_flag, AT(manual), 0, 0},
                                 {"words", read_flag, AT(words), 0, 0},
                                 {"threshold", read_number, AT(threshold), 0.01, 1},
                                 {"silence", read_number, AT(silence), 0.1, 10}};

static sib_code read_settings(const json_t *message, speech_settings *s, sib_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)message, key, value)
    {
        size_t i = 0, n = sizeof members / sizeof *members;
        while (i < n && strcmp(members[i].name, key) != 0)
            i++;
        sib_code code = i < n ? members[i].read(&members[i], value, s, err)
                              : server_fail(err, SIB_ERR_ARGUMENT, "'listen' has no member '%.80s'", key);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

static sib_code on_listen(listening *l, const json_t *message, sib_error *err)
{
    speech_settings settings = {.rate = 16000};
    if (l->open)
        return server_fail(err, SIB_ERR_ARGUMENT, "this connection listens already: send 'stop' before");
    sib_code code = read_settings(message, &settings, err);
    if (code == SIB_OK) {
        speech_stream_close(&l->stream);
        code = speech_stream_set(&l->stream, &settings, err);
    }
    speech_settings_clear(&settings);
    if (code == SIB_OK)
        code = speech_stream_open(&l->stream, err);
    if (code != SIB_OK)
        return code;
    l->id = json_integer_value(json_object_get(message, "id"));
    l->open = true;
    live_answer(l->peer,
                json_pack("{s:s, s:I, s:s}", "op", "listening", "id", l->id, "model", l->stream.model->id));
    return SIB_OK;
}

static sib_code on_commit(listening *l, const json_t *message, sib_error *err)
{
    (void)message;
    return l->open ? speech_stream_commit(&l->stream, err)
                   : server_fail(err, SIB_ERR_ARGUMENT, "this connection does not listen");
}

static sib_code on_stop(listening *l, const json_t *message, sib_error *err)
{
    (void)message;
    if (!l->open)
        return server_fail(err, SIB_ERR_ARGUMENT, "this connection does not listen");
    sib_error why = SIB_ERROR_INIT;
    sib_code code = speech_stream_finish(&l->stream, &why);
    check(l, code, &why);
    live_answer(l->peer,
                json_pack("{s:s, s:I, s:f}", "op", "stopped", "id", l->id, "seconds", l->stream.seconds));
    speech_stream_close(&l->stream);
    l->open = false;
    return SIB_OK;
}

static const struct {
    const char *op;
    sib_code (*follow)(listening *l, const json_t *message, sib_error *err);
} operations[] = {{"listen", on_listen}, {"commit", on_commit}, {"stop", on_stop}};

/* ---- Threads ---- */

static void follow(void *owner, bool binary, const char *data, size_t size)
{
    listening *l = owner;
    sib_error err = SIB_ERROR_INIT;
    if (binary) {
        sib_code code = l->open
                            ? speech_stream_push(&l->stream, data, size, &err)
                            : server_fail(&err, SIB_ERR_ARGUMENT, "bytes are audio: send 'listen' before");
        check(l, code, &err);
        return;
    }
    json_t *message = json_loadb(data, size, 0, NULL); /* which the event loop has checked */
    const char *op = json_string_value(json_object_get(message, "op"));
    for (size_t i = 0; op && i < sizeof operations / sizeof *operations; i++)
        if (!strcmp(operations[i].op, op) && operations[i].follow(l, message, &err) != SIB_OK)
            live_refuse(l->peer, json_object_get(message, "id"), err.message);
    json_decref(message);
}

static void idle(void *owner)
{
    listening *l = owner;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = speech_stream_refresh(&l->stream, &err);
    check(l, code, &err);
}

static void destroy(void *owner)
{
    listening *l = owner;
    speech_stream_close(&l->stream);
    free(l);
}

static void finish(void *owner)
{
    listening *l = owner;
    if (l->open)
        on_stop(l, NULL, NULL);
}

static const mailbox_kind kind = {follow, idle, finish, destroy};

mailbox *live_listen_create(peer *p)
{
    listening *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->peer = p;
    l->stream = (speech_stream){.server = peer_server(p), .on_event = on_event, .context = l};
    mailbox *m = mailbox_create(p, &kind, l);
    if (m)
        l->stream.cancel = mailbox_cancel(m);
    return m;
}
