/* WebSocket connections in the event loop. */
#include "server/http/listener_inner.h"
#include "server/http/metrics.h"
#include "server/http/state.h"

#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE (4u << 20)
#define MAX_AT_ONCE (64u << 10) /* bytes sent to a connection before others are served */

static const peer_kind *kind_of(const listener *l, struct lws *wsi)
{
    char *path = header_copy(wsi, WSI_TOKEN_GET_URI);
    if (!path)
        path = header_copy(wsi, WSI_TOKEN_HTTP_COLON_PATH);
    const peer_kind *const *found = l->calls->peers;
    while (path && *found && strcmp((*found)->path, path))
        found++;
    const peer_kind *kind = path ? *found : NULL;
    free(path);
    return kind;
}

/* A value of the address, kept until the next call. */
typedef struct query_context {
    struct lws *wsi;
    char *value;
} query_context;

static const char *query(const void *context, const char *name)
{
    query_context *q = (query_context *)(uintptr_t)context;
    free(q->value);
    return q->value = query_copy(q->wsi, name);
}

/* Answers a handshake with an error as JSON; over HTTP/2 with libwebsockets' own page. Returns what the callback must. */
static int refuse(struct lws *wsi, unsigned status, const char *why)
{
    unsigned char room[LWS_PRE + 2048], *begin = room + LWS_PRE, *p = begin, *end = room + sizeof room - 1;
    json_t *body = error_json(status, NULL, json_string(why));
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    static const char json[] = "application/json", closed[] = "close";
    bool made = text && lws_get_network_wsi(wsi) == wsi &&
                !lws_add_http_header_status(wsi, status, &p, end) &&
                !lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, (const unsigned char *)json,
                                              sizeof json - 1, &p, end) &&
                !lws_add_http_header_by_token(wsi, WSI_TOKEN_CONNECTION, (const unsigned char *)closed,
                                              sizeof closed - 1, &p, end) &&
                !lws_add_http_header_content_length(wsi, strlen(text), &p, end) &&
                !lws_finalize_http_header(wsi, &p, end) && strlen(text) < (size_t)(end - p);
    if (made) {
        memcpy(p, text, strlen(text));
        lws_write(wsi, begin, (size_t)(p - begin) + strlen(text), LWS_WRITE_HTTP_HEADERS);
    } else
        lws_return_http_status(wsi, status, NULL);
    free(text);
    json_decref(body);
    return -1;
}

static int on_handshake(listener *l, struct lws *wsi)
{
    const char *why = NULL;
    unsigned status = request_refused(l, wsi, false, true, &why);
    if (!kind_of(l, wsi))
        return refuse(wsi, 404, "there is no WebSocket here; docs/serve.md lists those that there are");
    return status ? refuse(wsi, status, why) : 0;
}

static int on_open(listener *l, struct lws *wsi, connection *c)
{
    const peer_kind *kind = kind_of(l, wsi);
    query_context q = {.wsi = wsi};
    peer *p = kind ? peer_create(l->server, kind) : NULL;
    c->x = NULL;
    c->p = p;
    if (!p)
        return -1;
    p->out.wsi = wsi;
    bool opened = kind->open(p, query, &q);
    free(q.value);
    if (!opened)
        peer_end(p, 1008, "refused");
    return 0;
}

static int on_receive(struct lws *wsi, peer *p, const void *data, size_t size)
{
    peer_active(p); /* who sends is there, even where it does not read pings yet */
    if (p->incoming.size + size > MAX_MESSAGE) {
        peer_end(p, 1009, "a message may have 4 MiB at most");
        return 0;
    }
    if (!buffer_add(&p->incoming, data, size))
        return -1;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi))
        return 0;
    p->kind->message(p, lws_frame_is_binary(wsi) != 0, p->incoming.data, p->incoming.size);
    if (p->incoming.capacity > 65536)
        buffer_free(&p->incoming);
    p->incoming.size = 0;
    return 0;
}

/* What peer_end asked for, all that was queued being sent. Returns what the callback must. */
static int close_as_asked(struct lws *wsi, peer *p)
{
    lws_close_reason(wsi, (enum lws_close_status)p->close_code, (unsigned char *)p->close_reason,
                     strlen(p->close_reason));
    return -1;
}

/* Sends what the socket takes, and no more than MAX_AT_ONCE where others wait: each round of the loop costs a
   look at all connections. */
static int on_writable(struct lws *wsi, peer *p)
{
    bool more = true;
    if (atomic_exchange(&p->resumes, false))
        lws_rx_flow_control(wsi, 1);
    for (size_t sent = 0; more && sent < MAX_AT_ONCE && !(sent && lws_send_pipe_choked(wsi));) {
        message *m = peer_take(p, &more);
        if (!m)
            return more ? close_as_asked(wsi, p) : 0;
        sent += m->size + 1;
        int written =
            lws_write(wsi, m->data + LWS_PRE, m->size, m->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        free(m);
        if (written < 0)
            return -1;
    }
    if (more)
        lws_callback_on_writable(wsi);
    return 0;
}

void peer_drop(connection *c)
{
    peer *p = c->p;
    if (!p)
        return;
    c->p = NULL;
    p->out.wsi = NULL;
    atomic_store(&p->gone, true);
    p->kind->close(p);
    peer_release(p);
}

int websocket_callback(listener *l, struct lws *wsi, enum lws_callback_reasons reason, connection *c,
                       void *in, size_t size)
{
    switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return on_handshake(l, wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return on_open(l, wsi, c);
    case LWS_CALLBACK_RECEIVE:
        return c->p ? on_receive(wsi, c->p, in, size) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return c->p ? on_writable(wsi, c->p) : -1;
    default:
        peer_drop(c);
        return 0;
    }
}
