#include "server/speech/wyoming.h"

#include "server/http/state.h"
#include "server/speech/speech_stream.h"
#include "server/speech/wyoming_wire.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_SECONDS 300

/* A connection. Of the thread that follows what it sends. */
typedef struct wyoming {
    peer *peer; /* the mailbox holds it */
    speech_stream stream;
    buffer incoming; /* what is no complete event yet */
    buffer text;     /* of the present audio */
    char language[16];
    bool started, broken; /* started: its transcript has begun; broken: nothing more is read */
} wyoming;

/* ---- Events of the server ---- */

/* Takes data. */
static void tell(wyoming *w, const char *type, json_t *data)
{
    char *line = wyoming_line(type, data);
    if (line)
        peer_send(w->peer, true, PEER_MUST, line, strlen(line));
    else
        peer_end(w->peer, 1011, "");
    free(line);
}

static void tell_error(wyoming *w, const char *why, const char *code)
{
    tell(w, "error", json_pack("{s:s, s:s}", "text", why, "code", code));
}

static void check(wyoming *w, sib_code code, const sib_error *err)
{
    if (code != SIB_OK && code != SIB_ERR_CANCELLED)
        tell_error(w, err->message, sib_code_name(code));
}

/* A text that is final, which goes on where there was one. */
static sib_code on_event(void *context, const sib_live_event *e, sib_error *err)
{
    wyoming *w = context;
    (void)err;
    if (e->kind != SIB_LIVE_FINAL)
        return SIB_OK;
    snprintf(w->language, sizeof w->language, "%s", e->language);
    if (!w->started)
        tell(w, "transcript-start", json_pack("{s:s}", "language", w->language));
    w->started = true;
    size_t before = w->text.size;
    bool added =
        (!before || !*e->text || buffer_add_text(&w->text, " ")) && buffer_add_text(&w->text, e->text);
    if (!added)
        return server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
    if (w->text.size > before)
        tell(w, "transcript-chunk", json_pack("{s:s}", "text", w->text.data + before));
    return SIB_OK;
}

/* ---- Information ---- */

/* Whether a job's document says that its model knows English alone. */
static bool english_only(const sib_job *job)
{
    json_t *document = json_loads(sib_job_document(job), 0, NULL), *node;
    bool found = false;
    size_t i;
    json_array_foreach(json_object_get(document, "nodes"), i, node)
    {
        found |= json_is_false(json_object_get(json_object_get(node, "inputs"), "multilingual"));
    }
    json_decref(document);
    return found;
}

static json_t *languages(const sib_job *job)
{
    json_t *list = json_array();
    const char *code, *name;
    bool english = english_only(job);
    for (size_t i = 0; sib_whisper_language(i, &code, &name); i++)
        if (!english || !strcmp(code, "en"))
            json_array_append_new(list, json_string(code));
    return list;
}

static json_t *attribution(void)
{
    return json_pack("{s:s, s:s}", "name", "Sibyl", "url", "");
}

static json_t *models(struct server *s)
{
    json_t *list = json_array();
    served *v;
    for (size_t i = 0; (v = catalog_hold_at(s->catalog, i)); i++) {
        if (!strcmp(v->kind, "speech-to-text"))
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:o, s:b, s:o}", "name", v->id, "description",
                                            v->id, "version", sib_version(), "attribution", attribution(),
                                            "installed", 1, "languages", languages(v->job)));
        catalog_release(v);
    }
    return list;
}

static void on_describe(wyoming *w, const wyoming_event *e)
{
    (void)e;
    static const char *const others[] = {"tts", "handle", "intent", "wake", "mic", "snd"};
    json_t *info =
        json_pack("{s:[{s:s, s:s, s:s, s:o, s:b, s:b, s:o}]}", "asr", "name", "sibyl", "description",
                  "Sibyl: speech to text", "version", sib_version(), "attribution", attribution(),
                  "installed", 1, "supports_transcript_streaming", 1, "models", models(w->stream.server));
    for (size_t i = 0; info && i < sizeof others / sizeof *others; i++)
        json_object_set_new(info, others[i], json_array());
    tell(w, "info", info);
}

static void on_ping(wyoming *w, const wyoming_event *e)
{
    const json_t *text = json_object_get(e->data, "text");
    tell(w, "pong", json_is_string(text) ? json_pack("{s:O}", "text", text) : json_object());
}

/* ---- Speech ---- */

/* Forgets the present audio. */
static void restart(wyoming *w)
{
    w->text.size = 0;
    w->started = false;
    w->language[0] = 0;
}

static void on_transcribe(wyoming *w, const wyoming_event *e)
{
    speech_settings *s = &w->stream.settings;
    speech_stream_clear(&w->stream);
    speech_settings changed = {.rate = s->rate, .manual = true, .final = true};
    sib_error err = SIB_ERROR_INIT;
    sib_code code = speech_stream_set(&w->stream, &changed, &err);
    check(w, code, &err);
    restart(w);
    if (!speech_settings_text(&s->model, json_string_value(json_object_get(e->data, "name"))) ||
        !speech_settings_text(&s->language, json_string_value(json_object_get(e->data, "language"))))
        tell_error(w, "the server has too little memory", "memory");
}

/* The format of audio, where it can be heard. */
static bool read_format(wyoming *w, const wyoming_event *e, int32_t *rate)
{
    json_int_t given = json_integer_value(json_object_get(e->data, "rate"));
    json_int_t width = json_integer_value(json_object_get(e->data, "width"));
    json_int_t channels = json_integer_value(json_object_get(e->data, "channels"));
    *rate = (int32_t)given;
    if (given >= 8000 && given <= 192000 && width == 2 && channels == 1)
        return true;
    tell_error(w, "audio must have a rate from 8000 to 192000, a width of 2 and 1 channel", "argument");
    return false;
}

/* Audio at a rate that may not be that of before. */
static void use_rate(wyoming *w, int32_t rate)
{
    speech_settings changed;
    sib_error err = SIB_ERROR_INIT;
    if (w->stream.settings.rate == rate)
        return;
    if (!speech_settings_copy(&changed, &w->stream.settings)) {
        tell_error(w, "the server has too little memory", "memory");
        return;
    }
    changed.rate = rate;
    sib_code code = speech_stream_set(&w->stream, &changed, &err);
    check(w, code, &err);
}

static void on_start(wyoming *w, const wyoming_event *e)
{
    int32_t rate;
    speech_stream_clear(&w->stream);
    restart(w);
    if (read_format(w, e, &rate))
        use_rate(w, rate);
}

static void on_chunk(wyoming *w, const wyoming_event *e)
{
    int32_t rate;
    sib_error err = SIB_ERROR_INIT;
    if (!read_format(w, e, &rate))
        return;
    use_rate(w, rate);
    sib_code code = speech_stream_push(&w->stream, e->payload, e->size, &err);
    check(w, code, &err);
}

static void on_stop(wyoming *w, const wyoming_event *e)
{
    (void)e;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = speech_stream_finish(&w->stream, &err);
    check(w, code, &err);
    if (code == SIB_OK && !w->started)
        tell(w, "transcript-start", json_object());
    if (code == SIB_OK) {
        json_t *data = json_pack("{s:s}", "text", w->text.size ? w->text.data : "");
        if (data && w->language[0])
            json_object_set_new(data, "language", json_string(w->language));
        tell(w, "transcript", data);
        tell(w, "transcript-stop", json_object());
    }
    restart(w);
}

/* Others are ignored, as the protocol has it. */
static const struct {
    const char *type;
    void (*follow)(wyoming *w, const wyoming_event *e);
} types[] = {{"describe", on_describe}, {"transcribe", on_transcribe}, {"audio-start", on_start},
             {"audio-chunk", on_chunk}, {"audio-stop", on_stop},       {"ping", on_ping}};

/* ---- In worker threads ---- */

static void follow_event(wyoming *w, const wyoming_event *e)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].type, e->type))
            types[i].follow(w, e);
}

static void follow(void *owner, bool binary, const char *data, size_t size)
{
    wyoming *w = owner;
    size_t at = 0;
    bool complete = !w->broken;
    sib_error err = SIB_ERROR_INIT;
    (void)binary;
    if (w->broken)
        return;
    sib_code code = buffer_add(&w->incoming, data, size)
                        ? SIB_OK
                        : server_fail(&err, SIB_ERR_MEMORY, "the server has too little memory");
    while (complete && code == SIB_OK) {
        wyoming_event e = {0};
        code = wyoming_read(&w->incoming, &at, &e, &complete, &err);
        if (complete)
            follow_event(w, &e);
        json_decref(e.data);
    }
    if (code != SIB_OK) { /* what comes next is not known */
        w->broken = true;
        check(w, code, &err);
        peer_end(w->peer, 1007, "");
        return;
    }
    memmove(w->incoming.data, w->incoming.data + at, w->incoming.size - at);
    w->incoming.size -= at;
}

static void idle(void *owner)
{
    (void)owner;
}

static void destroy(void *owner)
{
    wyoming *w = owner;
    speech_stream_close(&w->stream);
    buffer_free(&w->incoming);
    buffer_free(&w->text);
    free(w);
}

static void finish(void *owner)
{
    wyoming *w = owner;
    if (w->stream.live)
        on_stop(w, NULL);
}

static const mailbox_kind kind = {follow, idle, finish, destroy};

/* ---- In the event loop ---- */

static void on_close(peer *p)
{
    mailbox *m = peer_state(p);
    peer_set_state(p, NULL);
    mailbox_end(&m);
}

static const peer_kind wyoming_peers = {.close = on_close, .idle_seconds = IDLE_SECONDS};

static int on_adopt(listener *l, struct lws *wsi, connection *c)
{
    peer *p = peer_create(l->server, &wyoming_peers);
    wyoming *w = p ? calloc(1, sizeof *w) : NULL;
    c->x = NULL;
    c->p = p;
    if (p)
        p->out.wsi = wsi;
    if (!w)
        return -1;
    w->peer = p;
    w->stream = (speech_stream){.server = l->server,
                                .on_event = on_event,
                                .context = w,
                                .settings = {.rate = 16000, .manual = true, .final = true}};
    mailbox *m = mailbox_create(p, &kind, w);
    peer_set_state(p, m);
    if (!m)
        return -1;
    w->stream.cancel = mailbox_cancel(m);
    peer_active(p);
    return 0;
}

static int on_writable(struct lws *wsi, peer *p)
{
    bool more;
    if (atomic_exchange(&p->resumes, false))
        lws_rx_flow_control(wsi, 1);
    message *m = peer_take(p, &more);
    if (!m)
        return more ? -1 : 0;
    int written = lws_write(wsi, m->data + LWS_PRE, m->size, LWS_WRITE_RAW);
    free(m);
    if (more)
        lws_callback_on_writable(wsi);
    peer_active(p);
    return written < 0 ? -1 : 0;
}

int wyoming_callback(listener *l, struct lws *wsi, enum lws_callback_reasons reason, connection *c, void *in,
                     size_t size)
{
    switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT:
        return on_adopt(l, wsi, c);
    case LWS_CALLBACK_RAW_RX:
        if (!c->p || !peer_state(c->p))
            return -1;
        peer_active(c->p);
        mailbox_put(peer_state(c->p), true, in, size);
        return 0;
    case LWS_CALLBACK_RAW_WRITEABLE:
        return c->p ? on_writable(wsi, c->p) : -1;
    default:
        peer_drop(c);
        return 0;
    }
}
