/* /v1/realtime?intent=transcription: speech to text while it is spoken, by OpenAI's events. */
#include "server/handlers.h"
#include "server/http/base64.h"
#include "server/openai/realtime_session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE        24000
#define MIN_SECONDS 0.1 /* of what a client commits */

/* A connection. Of the thread that follows its messages. */
typedef struct realtime {
    peer *peer; /* the mailbox holds it */
    speech_stream stream;
    realtime_form form;
    uint64_t number;            /* unique in the process; in the ids of items */
    uint64_t n_events, n_items; /* sent; committed */
    bool greeted, committed;    /* committed: the item of the present segment */
    size_t sent;                /* bytes of its text that were sent */
    char *text;                 /* these; NULL: none */
    const char *event_id;       /* of the message that is followed, or NULL */
} realtime;

/* ---- Events ---- */

/* Takes the event, and adds its id. */
static void tell(realtime *r, json_t *event)
{
    char id[64];
    snprintf(id, sizeof id, "event_%llu_%llu", (unsigned long long)r->number,
             (unsigned long long)++r->n_events);
    if (event)
        json_object_set_new(event, "event_id", json_string(id));
    char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;
    if (text)
        peer_send(r->peer, false, PEER_MUST, text, strlen(text));
    else
        peer_end(r->peer, 1011, "the server has too little memory");
    free(text);
    json_decref(event);
}

static json_t *error_json(const sib_error *err, const char *param)
{
    bool ours = err->code != SIB_ERR_ARGUMENT && err->code != SIB_ERR_UNSUPPORTED &&
                err->code != SIB_ERR_VALUE && err->code != SIB_ERR_FORMAT;
    return json_pack("{s:s, s:s, s:s, s:s?}", "type", ours ? "server_error" : "invalid_request_error", "code",
                     ours ? "server_error" : "invalid_value", "message", err->message, "param", param);
}

/* Tells that a message could not be followed. */
static void refuse(realtime *r, const sib_error *err, const char *param)
{
    json_t *error = error_json(err, param);
    if (error && r->event_id)
        json_object_set_new(error, "event_id", json_string(r->event_id));
    tell(r, json_pack("{s:s, s:o}", "type", "error", "error", error));
}

/* param and code may be NULL. */
static void refuse_because(realtime *r, const char *param, const char *code, const char *why)
{
    tell(r, json_pack("{s:s, s:{s:s, s:s, s:s, s:s?, s:s?}}", "type", "error", "error", "type",
                      "invalid_request_error", "code", code ? code : "invalid_value", "message", why, "param",
                      param, "event_id", r->event_id));
}

/* What went wrong while speech was transcribed; nothing where the client has gone. */
static void check(realtime *r, sib_code code, const sib_error *err)
{
    if (code != SIB_OK && code != SIB_ERR_CANCELLED)
        refuse(r, err, NULL);
}

/* ---- Items ---- */

typedef struct item_id {
    char text[64];
} item_id;

static item_id item(const realtime *r, uint64_t n)
{
    item_id id;
    snprintf(id.text, sizeof id.text, "item_%llu_%llu", (unsigned long long)r->number, (unsigned long long)n);
    return id;
}

static json_t *item_json(const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:n}]}", "id", id, "object", "realtime.item", "type",
                     "message", "status", "completed", "role", "user", "content", "type", "input_audio",
                     "transcript");
}

static void tell_item(realtime *r, const char *type, const char *previous, const char *id)
{
    tell(r, json_pack("{s:s, s:s?, s:o}", "type", type, "previous_item_id", previous, "item", item_json(id)));
}

/* The audio of the present segment becomes an item; once. */
static void commit_item(realtime *r)
{
    if (r->committed)
        return;
    item_id id = item(r, r->n_items), before = item(r, r->n_items - 1);
    const char *previous = r->n_items ? before.text : NULL;
    r->committed = true;
    tell(r, json_pack("{s:s, s:s?, s:s}", "type", "input_audio_buffer.committed", "previous_item_id",
                      previous, "item_id", id.text));
    if (r->form == REALTIME_SESSION) {
        tell_item(r, "conversation.item.added", previous, id.text);
        tell_item(r, "conversation.item.done", previous, id.text);
    } else
        tell_item(r, "conversation.item.created", previous, id.text);
}

/* The next segment is another item. */
static void next_item(realtime *r)
{
    r->n_items += r->committed;
    r->committed = false;
    r->sent = 0;
    free(r->text);
    r->text = NULL;
}

/* ---- Text ---- */

/* Sends what the first (n) bytes of text add to what was sent, where they begin with that. */
static void tell_delta(realtime *r, const char *text, size_t n)
{
    if (n <= r->sent || (r->sent && strncmp(r->text, text, r->sent) != 0))
        return;
    char *copy = strndup(text, n);
    if (!copy)
        return; /* the next one tells it */
    tell(r, json_pack("{s:s, s:s, s:i, s:s}", "type", "conversation.item.input_audio_transcription.delta",
                      "item_id", item(r, r->n_items).text, "content_index", 0, "delta", copy + r->sent));
    free(r->text);
    r->text = copy;
    r->sent = n;
}

static void tell_final(realtime *r, const sib_live_event *e)
{
    commit_item(r);
    tell_delta(r, e->text, strlen(e->text));
    tell(r, json_pack("{s:s, s:s, s:i, s:s, s:{s:s, s:f}}", "type",
                      "conversation.item.input_audio_transcription.completed", "item_id",
                      item(r, r->n_items).text, "content_index", 0, "transcript", e->text, "usage", "type",
                      "duration", "seconds", e->end - e->start));
    next_item(r);
}

static void tell_time(realtime *r, const char *type, const char *member, double seconds)
{
    tell(r, json_pack("{s:s, s:I, s:s}", "type", type, member, (json_int_t)llround(seconds * 1e3), "item_id",
                      item(r, r->n_items).text));
}

static sib_code on_event(void *context, const sib_live_event *e, sib_error *err)
{
    realtime *r = context;
    (void)err;
    switch (e->kind) {
    case SIB_LIVE_STARTED:
        tell_time(r, "input_audio_buffer.speech_started", "audio_start_ms", e->start);
        break;
    case SIB_LIVE_STOPPED:
        tell_time(r, "input_audio_buffer.speech_stopped", "audio_end_ms", e->end);
        commit_item(r);
        break;
    case SIB_LIVE_PARTIAL:
        tell_delta(r, e->text, e->n_stable);
        break;
    case SIB_LIVE_FINAL:
        tell_final(r, e);
        break;
    }
    return SIB_OK;
}

/* A segment that was committed and could not be transcribed. */
static void fail_item(realtime *r, sib_code code, const sib_error *err)
{
    if (code == SIB_OK || code == SIB_ERR_CANCELLED || !r->committed) {
        check(r, code, err);
        return;
    }
    tell(r,
         json_pack("{s:s, s:s, s:i, s:o}", "type", "conversation.item.input_audio_transcription.failed",
                   "item_id", item(r, r->n_items).text, "content_index", 0, "error", error_json(err, NULL)));
    next_item(r);
}

/* ---- What clients say ---- */

static void on_update(realtime *r, const json_t *message, realtime_form form)
{
    sib_error err = SIB_ERROR_INIT;
    const char *param = NULL;
    speech_settings changed;
    if (!speech_settings_copy(&changed, &r->stream.settings)) {
        refuse_because(r, NULL, "server_error", "the server has too little memory");
        return;
    }
    sib_code code = realtime_session_read(json_object_get(message, "session"), form, &changed, &param, &err);
    if (code != SIB_OK) {
        refuse(r, &err, param);
        speech_settings_clear(&changed);
        return;
    }
    code = speech_stream_set(&r->stream, &changed, &err);
    fail_item(r, code, &err);
    r->form = form;
    char id[64];
    snprintf(id, sizeof id, "sess_%llu", (unsigned long long)r->number);
    tell(r, json_pack("{s:s, s:o}", "type",
                      form == REALTIME_SESSION ? "session.updated" : "transcription_session.updated",
                      "session", realtime_session_json(&r->stream.settings, form, id)));
}

static void on_session(realtime *r, const json_t *message)
{
    on_update(r, message, REALTIME_SESSION);
}

static void on_transcription_session(realtime *r, const json_t *message)
{
    on_update(r, message, REALTIME_TRANSCRIPTION_SESSION);
}

static void on_append(realtime *r, const json_t *message)
{
    const json_t *audio = json_object_get(message, "audio");
    const char *text = json_string_value(audio);
    size_t n = json_string_length(audio), size;
    unsigned char *pcm = text ? malloc(n / 4 * 3 + 3) : NULL;
    sib_error err = SIB_ERROR_INIT;
    if (text && !pcm)
        refuse_because(r, "audio", "server_error", "the server has too little memory");
    else if (!text || !base64_decode(text, n, pcm, &size))
        refuse_because(r, "audio", "invalid_audio", "'audio' must be PCM of 16 bits in base64");
    else {
        sib_code code = speech_stream_push(&r->stream, pcm, size, &err);
        fail_item(r, code, &err);
    }
    free(pcm);
}

static void on_commit(realtime *r, const json_t *message)
{
    (void)message;
    if (speech_stream_pending(&r->stream) < MIN_SECONDS) {
        refuse_because(r, NULL, "input_audio_buffer_commit_empty",
                       "there are less than 100 ms of audio that could be committed");
        return;
    }
    sib_error err = SIB_ERROR_INIT;
    if (r->stream.settings.manual)
        commit_item(r);
    sib_code code = speech_stream_commit(&r->stream, &err);
    fail_item(r, code, &err);
}

static void on_clear(realtime *r, const json_t *message)
{
    (void)message;
    speech_stream_clear(&r->stream);
    next_item(r);
    tell(r, json_pack("{s:s}", "type", "input_audio_buffer.cleared"));
}

static const struct {
    const char *type;
    void (*follow)(realtime *r, const json_t *message);
} types[] = {{"input_audio_buffer.append", on_append},
             {"input_audio_buffer.commit", on_commit},
             {"input_audio_buffer.clear", on_clear},
             {"session.update", on_session},
             {"transcription_session.update", on_transcription_session}};

static void greet(realtime *r)
{
    char id[64];
    snprintf(id, sizeof id, "sess_%llu", (unsigned long long)r->number);
    r->greeted = true;
    tell(r, json_pack("{s:s, s:o}", "type", "session.created", "session",
                      realtime_session_json(&r->stream.settings, r->form, id)));
}

static void follow(void *owner, bool binary, const char *data, size_t size)
{
    realtime *r = owner;
    if (!r->greeted) { /* the first message is that of on_open */
        greet(r);
        return;
    }
    json_error_t where;
    json_t *message = binary ? NULL : json_loadb(data, size, JSON_REJECT_DUPLICATES, &where);
    const char *type = json_string_value(json_object_get(message, "type"));
    const char *event_id = json_string_value(json_object_get(message, "event_id"));
    size_t i = 0, n = sizeof types / sizeof *types;
    while (type && i < n && strcmp(types[i].type, type) != 0)
        i++;
    r->event_id = event_id && strlen(event_id) <= 512 ? event_id : NULL;
    if (!json_is_object(message))
        refuse_because(r, NULL, "invalid_json", "an event must be a JSON object");
    else if (!type || i == n) {
        char why[200];
        snprintf(why, sizeof why, "there is no event of type '%.100s' here", type ? type : "");
        refuse_because(r, "type", "invalid_type", why);
    } else
        types[i].follow(r, message);
    r->event_id = NULL;
    json_decref(message);
}

static void idle(void *owner)
{
    realtime *r = owner;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = speech_stream_refresh(&r->stream, &err);
    check(r, code, &err);
}

static void destroy(void *owner)
{
    realtime *r = owner;
    speech_stream_close(&r->stream);
    free(r->text);
    free(r);
}

static void finish(void *owner)
{
    realtime *r = owner;
    sib_error err = SIB_ERROR_INIT;
    if (speech_stream_pending(&r->stream) < MIN_SECONDS)
        return;
    if (r->stream.settings.manual)
        commit_item(r);
    sib_code code = speech_stream_finish(&r->stream, &err);
    fail_item(r, code, &err);
}

static const mailbox_kind kind = {follow, idle, finish, destroy};

/* ---- Connections ---- */

static bool on_open(peer *p, const char *(*query)(const void *context, const char *name), const void *context)
{
    const char *intent = query(context, "intent");
    if (!intent || strcmp(intent, "transcription") != 0) {
        peer_end(p, 1008, "sessions are of ?intent=transcription here");
        return false;
    }
    struct server *s = peer_server(p);
    realtime *r = calloc(1, sizeof *r);
    if (!r)
        return false;
    r->peer = p;
    r->number = atomic_fetch_add(&s->next_exchange, 1) + 1;
    r->stream = (speech_stream){.server = s, .on_event = on_event, .context = r, .settings = {.rate = RATE}};
    if (!speech_settings_text(&r->stream.settings.model, query(context, "model"))) {
        destroy(r);
        return false;
    }
    mailbox *m = mailbox_create(p, &kind, r);
    peer_set_state(p, m);
    if (!m)
        return false;
    r->stream.cancel = mailbox_cancel(m);
    mailbox_put(m, false, "", 0);
    return true;
}

static void on_message(peer *p, bool binary, const char *data, size_t size)
{
    if (peer_state(p))
        mailbox_put(peer_state(p), binary, data, size);
}

static void on_close(peer *p)
{
    mailbox *m = peer_state(p);
    peer_set_state(p, NULL);
    mailbox_end(&m);
}

const peer_kind realtime_peers = {"/v1/realtime", on_open, on_message, on_close, 0};
