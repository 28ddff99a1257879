/* HTTP requests in the event loop: read, handed to a lane, answered. */
#include "server/http/listener_inner.h"
#include "server/http/metrics.h"
#include "server/http/multipart.h"
#include "server/http/route.h"
#include "server/http/state.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PIECE         (32 * 1024) /* bytes given to libwebsockets at once */
#define H2_WINDOW     (1 << 20)   /* bytes of a body that a client may send before they are read */
#define H2_FRAME      16384 /* bytes of a frame that every client of HTTP/2 takes; libwebsockets splits none */
#define WRITE_SECONDS 40    /* for a client that takes no bytes */
#define HEADER_ROOM   4096

/* ---- The request ---- */

static void attach(listener *l, connection *c, exchange *x, struct lws *wsi)
{
    c->x = x;
    x->out.wsi = wsi;
    x->next = l->exchanges;
    if (x->next)
        x->next->previous = x;
    l->exchanges = x;
}

static void detach(listener *l, connection *c)
{
    exchange *x = c->x;
    c->x = NULL;
    x->out.wsi = NULL;
    if (x->previous)
        x->previous->next = x->next;
    else
        l->exchanges = x->next;
    if (x->next)
        x->next->previous = x->previous;
    metrics_request(l->server, x);
    exchange_release(x);
}

void http_drop(listener *l, connection *c)
{
    if (!c->x)
        return;
    pthread_mutex_lock(&c->x->lock);
    c->x->gone = true;
    pthread_mutex_unlock(&c->x->lock);
    exchange_cancel_set(c->x);
    detach(l, c);
}

static const struct {
    header to;
    enum lws_token_indexes from;
} known_headers[] = {{HEADER_ACCEPT_ENCODING, WSI_TOKEN_HTTP_ACCEPT_ENCODING},
                     {HEADER_CONTENT_ENCODING, WSI_TOKEN_HTTP_CONTENT_ENCODING},
                     {HEADER_CONTENT_TYPE, WSI_TOKEN_HTTP_CONTENT_TYPE},
                     {HEADER_IF_NONE_MATCH, WSI_TOKEN_HTTP_IF_NONE_MATCH},
                     {HEADER_RANGE, WSI_TOKEN_HTTP_RANGE},
                     {HEADER_USER_AGENT, WSI_TOKEN_HTTP_USER_AGENT}};
/* Those that libwebsockets has no token for; their names end with a colon. */
static const struct {
    header to;
    const char *from;
} custom_headers[] = {{HEADER_TRACEPARENT, "traceparent:"},
                      {HEADER_INFERENCE_LENGTH, "inference-header-content-length:"}};

static void read_headers(exchange *x, struct lws *wsi)
{
    for (size_t i = 0; i < sizeof known_headers / sizeof *known_headers; i++)
        x->headers[known_headers[i].to] = header_copy(wsi, known_headers[i].from);
    for (size_t i = 0; i < sizeof custom_headers / sizeof *custom_headers; i++) {
        const char *name = custom_headers[i].from;
        int n = lws_hdr_custom_length(wsi, name, (int)strlen(name));
        char *text = n > 0 ? calloc(1, (size_t)n + 1) : NULL;
        if (text && lws_hdr_custom_copy(wsi, text, n + 1, name, (int)strlen(name)) >= 0)
            x->headers[custom_headers[i].to] = text;
        else
            free(text);
    }
}

static void read_queries(exchange *x, struct lws *wsi)
{
    char text[4096];
    for (int i = 0, n; x->n_queries < MAX_QUERIES; i++) {
        n = lws_hdr_copy_fragment(wsi, text, sizeof text, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n < 0)
            break;
        char *equals = memchr(text, '=', (size_t)n);
        size_t name = equals ? (size_t)(equals - text) : (size_t)n;
        field *q = &x->queries[x->n_queries++];
        q->name = strndup(text, name);
        q->value = strndup(equals ? equals + 1 : "", equals ? (size_t)n - name - 1 : 0);
        if (!q->name || !q->value) { /* as if it had not been sent */
            free(q->name);
            free(q->value);
            x->n_queries--;
        }
    }
}

static const char *const methods[] = {
    [LWSHUMETH_GET] = "GET",         [LWSHUMETH_POST] = "POST",   [LWSHUMETH_OPTIONS] = "OPTIONS",
    [LWSHUMETH_PUT] = "PUT",         [LWSHUMETH_PATCH] = "PATCH", [LWSHUMETH_DELETE] = "DELETE",
    [LWSHUMETH_CONNECT] = "CONNECT", [LWSHUMETH_HEAD] = "HEAD"};

/* Reads the request line and headers. Returns false where memory fails. */
static bool read_request(exchange *x, struct lws *wsi)
{
    char *uri = NULL, *method = NULL;
    int size = 0, number = lws_http_get_uri_and_method(wsi, &uri, &size);
    if (number == LWSHUMETH_COLON_PATH)
        method = header_copy(wsi, WSI_TOKEN_HTTP_COLON_METHOD);
    else if (number >= 0 && number < (int)(sizeof methods / sizeof *methods) && methods[number])
        method = strdup(methods[number]);
    x->head = method && !strcmp(method, "HEAD");
    x->http2 = lws_get_network_wsi(wsi) != wsi;
    if (x->head) {
        free(method);
        method = strdup("GET");
    }
    x->method = method;
    if (!method)
        x->method = strdup("?");
    read_headers(x, wsi);
    read_queries(x, wsi);
    return x->method && uri && exchange_set(&x->path, uri, (size_t)size);
}

/* Bytes of body that the client announces, 0 where none comes, UINT64_MAX where it does not say. Returns a status with
   *why, or 0. */
static unsigned announced_body(exchange *x, struct lws *wsi, uint64_t *size, const char **why)
{
    char *length = header_copy(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH),
         *encoding = header_copy(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING);
    bool has_body = !strcmp(x->method, "POST") || !strcmp(x->method, "PUT") || !strcmp(x->method, "PATCH");
    bool is_number =
        length && *length && strspn(length, "0123456789") == strlen(length) && strlen(length) < 19;
    unsigned status = 0;
    *size = is_number ? strtoull(length, NULL, 10) : length || encoding || has_body ? UINT64_MAX : 0;
    if (encoding && (length || x->http2 || !has_body)) { /* where others would look for the next request */
        status = 400;
        *why = "a body in chunks comes by POST over HTTP/1.1, without the header Content-Length";
    } else if (encoding && strcasecmp(encoding, "chunked") != 0) {
        status = 501;
        *why = "of the values of the header Transfer-Encoding, 'chunked' alone is known";
    } else if (*size == UINT64_MAX && !encoding) { /* over HTTP/2 libwebsockets 4.1 never tells of its end */
        status = 411;
        *why = "the header Content-Length is missing or is no number, and the body is not in chunks";
    }
    x->in_chunks = encoding && !status;
    free(length);
    free(encoding);
    return status;
}

static void run_handler(void *item)
{
    exchange *x = item;
    x->route->handle(x);
    SERVER_CHECK(x->begun && x->ended);
    exchange_release(x);
}

static void dispatch(listener *l, exchange *x)
{
    struct server *s = l->server;
    const char *why = NULL;
    x->dispatched = true;
    if (!multipart_parse(x, &why))
        answer_error(x, 400, NULL, "%s", why);
    else if (x->route->lane == LANE_LOOP)
        run_handler(exchange_hold(x));
    else if (x->route->lane >= LANE_WRITE && atomic_load(&s->stopping)) {
        answer_header(x, "Retry-After", "5");
        answer_error(x, 503, NULL, "the server is stopping");
    } else if (!work_add(s->work, x->route->lane, run_handler, exchange_hold(x))) {
        exchange_release(x);
        answer_header(x, "Retry-After", "1");
        answer_error(x, 429, NULL, "the server has as many requests as it takes; try again soon");
    }
}

static bool is_encoded(const exchange *x)
{
    const char *encoding = x->headers[HEADER_CONTENT_ENCODING];
    return encoding && strcasecmp(encoding, "identity") != 0;
}

static int on_request(listener *l, struct lws *wsi, connection *c)
{
    http_drop(l, c); /* none is left over, unless libwebsockets has reused the connection without a word */
    exchange *x = exchange_create(l->server);
    if (!x)
        return -1;
    attach(l, c, x, wsi);
    if (!read_request(x, wsi))
        return -1;
    char allow[64];
    const char *why = NULL;
    uint64_t size;
    const char *bodiless = NULL;
    unsigned no_body = announced_body(x, wsi, &size, &bodiless);
    unsigned status = route_find(l->calls->routes, x, allow, sizeof allow);
    bool open = x->route && x->route->open, writes = strcmp(x->method, "GET") != 0;
    unsigned refused = request_refused(l, wsi, open, writes, &why);
    uint64_t held = atomic_load(&l->server->held_bytes), most = l->server->options.max_upload;
    x->close_after = size != 0 || refused == 400;
    if (refused == 401)
        answer_header(x, "WWW-Authenticate", "Bearer");
    if (status == 405)
        answer_header(x, "Allow", allow);
    if (refused)
        answer_error(x, refused, NULL, "%s", why);
    else if (status)
        answer_error(x, status, NULL,
                     status == 405 ? "%s is answered for the methods %s alone" : "there is no '%s' here%.0s",
                     x->path, allow);
    else if (size && is_encoded(x))
        answer_error(x, 415, "Content-Encoding", "bodies are read as they are: '%.40s' is not undone",
                     x->headers[HEADER_CONTENT_ENCODING]);
    else if (no_body)
        answer_error(x, no_body, no_body == 411 ? "Content-Length" : "Transfer-Encoding", "%s", bodiless);
    else if (size != UINT64_MAX && size > most)
        answer_error(x, 413, NULL, "the body may have %llu bytes at most", (unsigned long long)most);
    else if (size != UINT64_MAX && held + size > l->server->options.max_bodies)
        answer_error(x, 503, NULL, "the server holds as many uploads as it takes; try again soon");
    else {
        x->body_size = size;
        x->granted = x->http2 ? (uint64_t)lws_h2_get_peer_txcredit_estimate(wsi) : 0;
        x->close_after = x->in_chunks; /* libwebsockets does not see where the body ends */
        if (!size) {
            lws_set_timeout(wsi, NO_PENDING_TIMEOUT,
                            0); /* it would close a connection whose answer takes long */
            dispatch(l, x);
        }
    }
    return 0;
}

/* Adds bytes of the body; answers where they are too many. */
static void take_body(listener *l, exchange *x, const void *data, size_t size)
{
    uint64_t held = atomic_fetch_add(&l->server->held_bytes, size);
    x->held += size;
    if (x->held > l->server->options.max_upload) {
        x->close_after = true;
        answer_error(x, 413, NULL, "the body may have %llu bytes at most",
                     (unsigned long long)l->server->options.max_upload);
    } else if (held + size > l->server->options.max_bodies || !buffer_add(&x->body, data, size)) {
        x->close_after = true;
        answer_error(x, 503, NULL, "the server holds as many uploads as it takes; try again soon");
    }
}

/* What follows the last chunk is thrown away: the connection is closed after the answer. */
static void take_chunks(listener *l, exchange *x, const char *data, size_t size)
{
    const char *piece;
    size_t n, used;
    while (!x->begun && (used = chunked_read(&x->reader, data, size, &piece, &n))) {
        data += used;
        size -= used;
        if (n)
            take_body(l, x, piece, n);
    }
    if (x->begun)
        return;
    if (x->reader.place == CHUNK_ENDED)
        dispatch(l, x);
    else if (x->reader.place == CHUNK_WRONG)
        answer_error(x, 400, "Transfer-Encoding", "the body is not in chunks as HTTP has them");
}

static int on_body(listener *l, connection *c, const void *data, size_t size)
{
    exchange *x = c->x;
    if (!x)
        return 0;
    if (x->http2)
        window_open(x, size);
    if (!x->dispatched && !x->begun && x->in_chunks)
        take_chunks(l, x, data, size);
    else if (!x->dispatched && !x->begun) /* else refused already: what still comes is thrown away */
        take_body(l, x, data, size);
    if (x->dispatched && x->in_chunks)
        lws_callback_on_writable(x->out.wsi); /* which ends libwebsockets' wait for more of the body */
    return 0;
}

/* Also called for an empty body, after its request. */
static int on_body_end(listener *l, connection *c)
{
    exchange *x = c->x;
    if (!x || x->dispatched || x->begun)
        return 0;
    if (x->in_chunks) /* libwebsockets takes as many bytes of a body without a length as 100 MiB */
        answer_error(x, 413, NULL, "a body in chunks may have 100 MiB at most: send its Content-Length");
    else
        dispatch(l, x);
    return 0;
}

/* ---- The answer ---- */

static bool add_header(struct lws *wsi, const char *name, const char *value, unsigned char **p,
                       unsigned char *end)
{
    char with_colon[80];
    snprintf(with_colon, sizeof with_colon, "%s:", name);
    for (char *at = with_colon; *at; at++) /* HTTP/2 has lower case alone */
        if (*at >= 'A' && *at <= 'Z')
            *at += 'a' - 'A';
    return !lws_add_http_header_by_name(wsi, (const unsigned char *)with_colon, (const unsigned char *)value,
                                        (int)strlen(value), p, end);
}

/* Sent with every answer. The page's own files need no more than their own origin. */
static const char *const standing_headers[][2] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
     "media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
     "frame-ancestors 'none'"},
};

static bool add_standing_headers(exchange *x, struct lws *wsi, unsigned char **p, unsigned char *end)
{
    bool done = true;
    for (size_t i = 0; done && i < sizeof standing_headers / sizeof *standing_headers; i++)
        done = add_header(wsi, standing_headers[i][0], standing_headers[i][1], p, end);
    char id[32];
    snprintf(id, sizeof id, "%llu", (unsigned long long)x->id);
    done = done && add_header(wsi, "X-Request-Id", id, p, end);
    if (x->headers[HEADER_TRACEPARENT])
        done = done && add_header(wsi, "traceparent", x->headers[HEADER_TRACEPARENT], p, end);
    char *lines = x->header_lines.size ? x->header_lines.data : NULL, *rest = NULL;
    for (char *line = lines ? strtok_r(lines, "\n", &rest) : NULL; line && done;
         line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strchr(line, ':');
        *colon = 0;
        done = add_header(wsi, line, colon + 2, p, end);
    }
    return done;
}

/* Bytes of a complete answer. */
static size_t answer_size(const exchange *x)
{
    return x->pending.size + x->rest_size;
}

/* Whether the connection ends with the answer: over HTTP/1.1 always. Where a further request has come with this one and
   has a body, libwebsockets 4.1 hands on bytes that it has freed and tells of the body's end for ever, and nothing says
   which connection has a further request. */
static bool closes(const exchange *x)
{
    return x->close_after || !x->http2;
}

static bool send_headers(exchange *x, struct lws *wsi)
{
    unsigned char room[LWS_PRE + HEADER_ROOM], *begin = room + LWS_PRE, *p = begin,
                                               *end = room + sizeof room - 1;
    char length[32];
    snprintf(length, sizeof length, "%zu", x->streaming ? 0 : answer_size(x)); /* a stream grows meanwhile */
    bool done = !lws_add_http_header_status(wsi, x->status, &p, end);
    if (x->type && x->type[0])
        done = done && add_header(wsi, "Content-Type", x->type, &p, end);
    if (!x->streaming && x->status != 304 && x->status != 204)
        done = done && add_header(wsi, "Content-Length", length, &p, end);
    if (x->streaming && !x->http2)
        done = done && add_header(wsi, "Transfer-Encoding", "chunked", &p, end);
    if (!x->http2)
        done = done && add_header(wsi, "Connection", closes(x) ? "close" : "keep-alive", &p, end);
    done = done && add_standing_headers(x, wsi, &p, end) && !lws_finalize_http_header(wsi, &p, end);
    bool bodiless = x->head || (!x->streaming && !answer_size(x));
    enum lws_write_protocol how =
        LWS_WRITE_HTTP_HEADERS | (bodiless && x->http2 ? LWS_WRITE_H2_STREAM_END : 0);
    x->headers_sent = true;
    return done && lws_write(wsi, begin, (size_t)(p - begin), how) >= 0;
}

/* Ends the exchange on its connection. Returns what the callback must. */
static int finish(listener *l, struct lws *wsi, connection *c)
{
    bool close_after = closes(c->x);
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    detach(l, c);
    return lws_http_transaction_completed(wsi) || close_after ? -1 : 0;
}

/* Takes up to `room` bytes of the answer into `to`. *last: no more will come. */
static size_t take_bytes(exchange *x, unsigned char *to, size_t room, bool *last)
{
    pthread_mutex_lock(&x->lock);
    size_t n = 0, first = x->pending.size, all = answer_size(x);
    while (n < room && x->written < all) {
        bool rest = x->written >= first;
        const char *from = rest ? x->rest + (x->written - first) : x->pending.data + x->written;
        size_t left = (rest ? all : first) - x->written, piece = left < room - n ? left : room - n;
        memcpy(to + n, from, piece);
        x->written += piece;
        n += piece;
    }
    *last = x->ended && x->written == all;
    pthread_cond_broadcast(&x->sent);
    pthread_mutex_unlock(&x->lock);
    return n;
}

/* Bytes that may be written at once: over HTTP/2 no more than the client's window has. */
static size_t write_room(const exchange *x, struct lws *wsi)
{
    if (!x->http2)
        return PIECE;
    lws_fileofs_t window = lws_get_peer_write_allowance(wsi);
    return window < 0 || window > H2_FRAME ? H2_FRAME : (size_t)window;
}

/* Writes one piece, on HTTP/1.1 as a chunk where the answer is in pieces. *sent: bytes of the answer were written;
   *last: no more will come. Returns false where the connection fails. */
static bool send_piece(exchange *x, struct lws *wsi, bool *sent, bool *last)
{
    unsigned char room[LWS_PRE + 16 + PIECE + 8], *data = room + LWS_PRE + 16;
    size_t space = write_room(x, wsi), n = take_bytes(x, data, space, last);
    bool in_chunks = x->streaming && !x->http2;
    *sent = n > 0;
    if (!n && !(*last && (in_chunks || x->http2))) {
        if (space)
            lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0); /* the client has taken all that there is */
        return true;
    }
    unsigned char *begin = data, *end = data + n;
    if (in_chunks) {
        char size[16];
        int digits = n ? snprintf(size, sizeof size, "%zx\r\n", n) : 0;
        begin -= digits;
        memcpy(begin, size, (size_t)digits);
        const char *tail = n && *last ? "\r\n0\r\n\r\n" : n ? "\r\n" : "0\r\n\r\n";
        memcpy(end, tail, strlen(tail));
        end += strlen(tail);
    }
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, WRITE_SECONDS);
    return lws_write(wsi, begin, (size_t)(end - begin), *last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) >= 0;
}

static int on_writable(listener *l, struct lws *wsi, connection *c)
{
    exchange *x = c->x;
    if (!x)
        return 0;
    pthread_mutex_lock(&x->lock);
    bool begun = x->begun;
    pthread_mutex_unlock(&x->lock);
    if (!begun) {
        if (x->dispatched &&
            x->in_chunks) /* libwebsockets would close a connection whose body does not go on */
            lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
        return 0;
    }
    if (!x->headers_sent) {
        if (!send_headers(x, wsi))
            return -1;
        if (x->head || (!x->streaming && !answer_size(x)))
            return x->ended ? finish(l, wsi, c) : 0;
        lws_callback_on_writable(wsi);
        return 0;
    }
    bool sent = false, last = false;
    if (!send_piece(x, wsi, &sent, &last))
        return -1;
    if (last)
        return finish(l, wsi, c);
    pthread_mutex_lock(&x->lock);
    bool more = sent || x->written < answer_size(x) || x->ended; /* sent: called again once it has left */
    pthread_mutex_unlock(&x->lock);
    if (more)
        lws_callback_on_writable(wsi);
    return 0;
}

int http_callback(listener *l, struct lws *wsi, enum lws_callback_reasons reason, connection *c, void *in,
                  size_t size)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return on_request(l, wsi, c);
    case LWS_CALLBACK_HTTP_BODY:
        return on_body(l, c, in, size);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return on_body_end(l, c);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_writable(l, wsi, c);
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    case LWS_CALLBACK_CLOSED_HTTP:
        if (c)
            http_drop(l, c);
        return 0;
    default:
        return 0;
    }
}
