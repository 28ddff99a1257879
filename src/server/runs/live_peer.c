/* /api/ws: what clients say, and what the server answers to that. */
#include "server/handlers.h"
#include "server/http/state.h"
#include "server/runs/live_inner.h"
#include "server/runs/runs.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TEXT ((size_t)64 << 10) /* bytes of a message */

/* What a connection has. */
typedef struct client {
    follower *follower;
    mailbox *listening; /* NULL: it has not listened yet */
} client;

static client *client_of(const peer *p)
{
    return peer_state(p);
}

/* ---- Subscriptions ---- */

static sib_code read_id(const json_t *message, uint64_t *id, sib_error *err)
{
    const json_t *value = json_object_get(message, "id");
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return server_fail(err, SIB_ERR_ARGUMENT, "'id' must be a number of the client's choice, 0 or more");
    *id = (uint64_t)json_integer_value(value);
    return SIB_OK;
}

static sib_code read_text(const json_t *message, const char *member, char **out, sib_error *err)
{
    const json_t *value = json_object_get(message, member);
    const char *text = json_string_value(value);
    if (!value || json_is_null(value))
        return SIB_OK;
    if (!text || strlen(text) > MAX_LIVE_NAME)
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be a string of at most %d bytes", member,
                           MAX_LIVE_NAME);
    *out = strdup(text);
    return *out ? SIB_OK : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
}

static sib_code read_flag(const json_t *message, const char *member, bool *out, sib_error *err)
{
    const json_t *value = json_object_get(message, member);
    if (value && !json_is_boolean(value))
        return server_fail(err, SIB_ERR_ARGUMENT, "'%s' must be true or false", member);
    *out = json_is_true(value);
    return SIB_OK;
}

static sib_code read_names(const json_t *message, subscription *s, sib_error *err)
{
    const json_t *list = json_object_get(message, "names");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > MAX_LIVE_NAMES)
        return server_fail(err, SIB_ERR_ARGUMENT, "'names' must be a list of at most %d names or globs",
                           MAX_LIVE_NAMES);
    s->names = calloc(n + 1, sizeof *s->names);
    for (size_t i = 0; s->names && i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name || strlen(name) > MAX_LIVE_NAME)
            return server_fail(
                err, SIB_ERR_ARGUMENT,
                "'names' must have names or globs of at most %d bytes, which number %zu is not",
                MAX_LIVE_NAME, i);
        s->names[i] = strdup(name);
        if (!s->names[i])
            break;
        s->n_names++;
    }
    return s->n_names == n ? SIB_OK : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory");
}

static sib_code read_what(const json_t *message, subscription *s, sib_error *err)
{
    const json_t *value = json_object_get(message, "what"), *share = json_object_get(message, "share"),
                 *interval = json_object_get(message, "interval");
    const char *what = value ? json_string_value(value) : "digest";
    if (!what || (strcmp(what, "digest") != 0 && strcmp(what, "value") != 0))
        return server_fail(err, SIB_ERR_ARGUMENT, "'what' must be 'digest' or 'value'");
    s->what = strcmp(what, "value") ? LIVE_DIGEST : LIVE_VALUE;
    if (s->slice && s->what != LIVE_VALUE)
        return server_fail(err, SIB_ERR_ARGUMENT, "a 'slice' needs 'what' to be 'value'");
    s->share = json_number_value(share);
    if (share && !(json_is_number(share) && s->share >= 0 && s->share <= 1))
        return server_fail(err, SIB_ERR_ARGUMENT, "'share' must be a number from 0 to 1");
    s->interval = json_number_value(interval);
    if (interval && !(json_is_number(interval) && s->interval >= 0 && s->interval <= 60))
        return server_fail(err, SIB_ERR_ARGUMENT, "'interval' must be a number of seconds from 0 to 60");
    return SIB_OK;
}

/* "r12"; "*" or nothing: any. */
static sib_code read_run(peer *p, const json_t *message, subscription *s, sib_error *err)
{
    const json_t *value = json_object_get(message, "run");
    const char *id = value ? json_string_value(value) : "*";
    if (id && !strcmp(id, "*"))
        return SIB_OK;
    run *r = id ? runs_hold(peer_server(p)->runs, id) : NULL;
    if (!r)
        return server_fail(err, SIB_ERR_ARGUMENT,
                           "there is no run '%.40s'; 'run' must be that of one in /api/runs, or '*'",
                           id ? id : "");
    s->run = r->number;
    run_release(r);
    return SIB_OK;
}

static sib_code check_members(const json_t *message, sib_error *err)
{
    static const char *const known[] = {"op",    "id",       "model",     "call",       "run",
                                        "names", "inside",   "optimised", "what",       "slice",
                                        "share", "interval", "events",    "values_only"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)message, key, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], key) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            return server_fail(err, SIB_ERR_ARGUMENT, "a subscription has no member '%.80s'", key);
    }
    return SIB_OK;
}

static sib_code fill(peer *p, const json_t *message, subscription *s, sib_error *err)
{
    sib_code code = check_members(message, err);
    if (code == SIB_OK)
        code = read_id(message, &s->id, err);
    if (code == SIB_OK)
        code = read_text(message, "model", &s->model, err);
    if (code == SIB_OK)
        code = read_text(message, "call", &s->call, err);
    if (code == SIB_OK)
        code = read_text(message, "slice", &s->slice, err);
    if (code == SIB_OK)
        code = read_flag(message, "inside", &s->inside, err);
    if (code == SIB_OK)
        code = read_flag(message, "optimised", &s->optimised, err);
    if (code == SIB_OK)
        code = read_flag(message, "events", &s->events, err);
    if (code == SIB_OK)
        code = read_flag(message, "values_only", &s->values_only, err);
    if (code == SIB_OK)
        code = read_names(message, s, err);
    if (code == SIB_OK)
        code = read_what(message, s, err);
    return code == SIB_OK ? read_run(p, message, s, err) : code;
}

/* ---- Messages ---- */

static void on_subscribe(peer *p, const json_t *message)
{
    sib_error err = SIB_ERROR_INIT;
    const json_t *id = json_object_get(message, "id");
    subscription *s = calloc(1, sizeof *s);
    if (!s) {
        live_refuse(p, id, "the server has too little memory");
        return;
    }
    atomic_init(&s->refs, 1);
    s->peer = peer_hold(p);
    sib_code code = fill(p, message, s, &err);
    if (code == SIB_OK)
        code = live_subscribe(peer_server(p)->live, client_of(p)->follower, s, &err);
    else
        subscription_release(s);
    if (code != SIB_OK)
        live_refuse(p, id, err.message);
}

static void on_unsubscribe(peer *p, const json_t *message)
{
    sib_error err = SIB_ERROR_INIT;
    uint64_t id = 0;
    sib_code code = read_id(message, &id, &err);
    if (code == SIB_OK && !live_unsubscribe(peer_server(p)->live, client_of(p)->follower, id))
        server_fail(&err, SIB_ERR_ARGUMENT, "this connection has no subscription %llu",
                    (unsigned long long)id);
    if (err.code != SIB_OK)
        live_refuse(p, json_object_get(message, "id"), err.message);
    else
        live_answer(p, json_pack("{s:s, s:I}", "op", "unsubscribed", "id", (json_int_t)id));
}

static void on_runs(peer *p, const json_t *message)
{
    if (!live_follow_runs(peer_server(p)->live, client_of(p)->follower))
        live_refuse(p, json_object_get(message, "id"), "this connection follows the runs already");
}

static void on_models(peer *p, const json_t *message)
{
    if (!live_follow_models(peer_server(p)->live, client_of(p)->follower))
        live_refuse(p, json_object_get(message, "id"), "this connection follows the models already");
}

static void on_ping(peer *p, const json_t *message)
{
    const json_t *t = json_object_get(message, "t");
    live_answer(p, json_pack("{s:s, s:f}", "op", "pong", "t", json_number_value(t)));
}

/* Speech is followed where it takes its time; the message as it came. */
static void on_speech(peer *p, const json_t *message)
{
    client *c = client_of(p);
    if (!c->listening)
        c->listening = live_listen_create(p);
    char *text = c->listening ? json_dumps(message, JSON_COMPACT) : NULL;
    if (text)
        mailbox_put(c->listening, false, text, strlen(text));
    else
        live_refuse(p, json_object_get(message, "id"), "the server has too little memory");
    free(text);
}

static const struct {
    const char *op;
    void (*take)(peer *p, const json_t *message);
} operations[] = {{"subscribe", on_subscribe}, {"unsubscribe", on_unsubscribe},
                  {"runs", on_runs},           {"models", on_models},
                  {"ping", on_ping},           {"listen", on_speech},
                  {"commit", on_speech},       {"stop", on_speech}};

static void on_message(peer *p, bool binary, const char *data, size_t size)
{
    if (binary && client_of(p)->listening) {
        mailbox_put(client_of(p)->listening, true, data, size);
        return;
    }
    if (binary || size > MAX_TEXT) {
        live_refuse(p, NULL,
                    binary ? "bytes are audio: send 'listen' before" : "a message may have 64 KiB at most");
        return;
    }
    json_error_t where;
    json_t *message = json_loadb(data, size, JSON_REJECT_DUPLICATES, &where);
    const char *op = json_string_value(json_object_get(message, "op"));
    size_t i = 0, n = sizeof operations / sizeof *operations;
    while (op && i < n && strcmp(operations[i].op, op) != 0)
        i++;
    if (!json_is_object(message))
        live_refuse(p, NULL, "a message must be a JSON object");
    else if (!op || i == n)
        live_refuse(p, json_object_get(message, "id"),
                    "'op' must be subscribe, unsubscribe, runs, models, ping, listen, commit or stop");
    else
        operations[i].take(p, message);
    json_decref(message);
}

/* ---- Connections ---- */

static bool on_open(peer *p, const char *(*query)(const void *context, const char *name), const void *context)
{
    (void)query;
    (void)context;
    client *c = calloc(1, sizeof *c);
    peer_set_state(p, c);
    if (c)
        c->follower = live_follow(peer_server(p)->live, p);
    if (!c || !c->follower)
        return false;
    live_answer(p, json_pack("{s:s, s:s}", "op", "hello", "version", sib_version()));
    return true;
}

static void on_close(peer *p)
{
    client *c = client_of(p);
    peer_set_state(p, NULL);
    if (!c)
        return;
    live_unfollow(peer_server(p)->live, &c->follower);
    mailbox_end(&c->listening);
    free(c);
}

const peer_kind live_peers = {"/api/ws", on_open, on_message, on_close, 0};
