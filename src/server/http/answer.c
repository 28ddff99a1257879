/* Answers: complete ones, errors, ranges, compressed ones, and those in pieces. */
#include "server/http/exchange_inner.h"
#include "server/http/folders.h"
#include "server/http/state.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define MAX_PENDING    (1u << 20) /* bytes that a writer may be ahead of its client */
#define MIN_COMPRESSED 1024

void answer_header(exchange *x, const char *name, const char *value)
{
    if (!strpbrk(value, "\r\n"))
        buffer_format(&x->header_lines, "%s: %s\n", name, value);
}

bool answer_begun(const exchange *x)
{
    return x->begun;
}

static void mark(exchange *x)
{
    outlet_mark(&x->server->outlets, &x->out);
}

static void begin(exchange *x, unsigned status, const char *type)
{
    SERVER_CHECK(!x->begun);
    x->status = status;
    exchange_set(&x->type, type, strlen(type));
    x->begun = true;
}

/* Takes body (of malloc). */
static void send_all(exchange *x, unsigned status, const char *type, char *body, size_t size)
{
    pthread_mutex_lock(&x->lock);
    begin(x, status, type);
    x->pending = (buffer){.data = body, .size = size, .capacity = size};
    x->n_bytes = size + x->rest_size;
    x->ended = true;
    pthread_mutex_unlock(&x->lock);
    mark(x);
}

/* ---- Complete answers ---- */

static bool wants_gzip(const exchange *x)
{
    const char *accepts = x->headers[HEADER_ACCEPT_ENCODING];
    const char *at = accepts ? strstr(accepts, "gzip") : NULL;
    return at && strncmp(at, "gzip;q=0", 8) != 0;
}

/* Replaces *body by its gzip form where that works and is smaller. */
static bool compress_body(char **body, size_t *size)
{
    z_stream z = {0};
    if (*size > UINT32_MAX / 2 || deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t room = deflateBound(&z, *size);
    unsigned char *out = malloc(room);
    bool done = false;
    if (out) {
        z.next_in = (unsigned char *)*body;
        z.avail_in = (unsigned)*size;
        z.next_out = out;
        z.avail_out = (unsigned)room;
        done = deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < *size;
    }
    size_t made = z.total_out;
    deflateEnd(&z);
    if (!done) {
        free(out);
        return false;
    }
    free(*body);
    *body = (char *)out;
    *size = made;
    return true;
}

/* Whether compression is worth its time: text. */
static bool is_text(const char *type)
{
    return !strncmp(type, "text/", 5) || strstr(type, "json") || strstr(type, "javascript");
}

static void send_maybe_compressed(exchange *x, unsigned status, const char *type, char *body, size_t size)
{
    if (is_text(type)) {
        answer_header(x, "Vary", "Accept-Encoding");
        if (size >= MIN_COMPRESSED && wants_gzip(x) && compress_body(&body, &size))
            answer_header(x, "Content-Encoding", "gzip");
    }
    send_all(x, status, type, body, size);
}

void answer_json(exchange *x, unsigned status, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (text)
        send_maybe_compressed(x, status, "application/json", text, strlen(text));
    else
        answer_error(x, 503, NULL, "the server has too little memory for this answer");
}

/* "bytes=10-19", "bytes=10-" or "bytes=-5" of size bytes. Returns false where it is none of these, which is ignored;
   *first > *last where no byte is in the range. */
static bool parse_range(const char *text, size_t size, size_t *first, size_t *last)
{
    if (strncmp(text, "bytes=", 6) != 0 || strchr(text, ','))
        return false;
    const char *at = text + 6, *dash = strchr(at, '-');
    if (!dash || strspn(at, "0123456789") != (size_t)(dash - at) ||
        strspn(dash + 1, "0123456789") != strlen(dash + 1) || (dash == at && !dash[1]))
        return false;
    errno = 0;
    unsigned long long a = strtoull(at, NULL, 10), b = dash[1] ? strtoull(dash + 1, NULL, 10) : size - 1;
    if (errno)
        return false;
    if (dash == at) { /* the last b bytes */
        *first = b < size ? size - (size_t)b : 0;
        *last = b ? size - 1 : 0;
        if (!b || !size)
            *first = 1, *last = 0;
        return true;
    }
    *first = a < size ? (size_t)a : size;
    *last = b < size ? (size_t)b : size - 1;
    if (a >= size)
        *first = 1, *last = 0;
    return !dash[1] || b >= a;
}

/* The part of (total) bytes that the client asks for: *size of them from *first. Returns the answer's status, with its
   headers: 200, 206, or 416, which is answered. */
static unsigned choose_range(exchange *x, size_t total, size_t *first, size_t *size)
{
    const char *range = x->headers[HEADER_RANGE];
    size_t last;
    char text[96];
    *first = 0;
    *size = total;
    answer_header(x, "Accept-Ranges", "bytes");
    if (!range || !parse_range(range, total, first, &last)) {
        *first = 0;
        return 200;
    }
    if (*first > last) {
        snprintf(text, sizeof text, "bytes */%zu", total);
        answer_header(x, "Content-Range", text);
        answer_error(x, 416, "Range", "no byte of this answer is in the range '%.60s'", range);
        return 416;
    }
    snprintf(text, sizeof text, "bytes %zu-%zu/%zu", *first, last, total);
    answer_header(x, "Content-Range", text);
    *size = last - *first + 1;
    return 206;
}

void answer_bytes(exchange *x, unsigned status, const char *type, const void *data, size_t size)
{
    size_t first = 0;
    if (status == 200 && !is_text(type)) {
        status = choose_range(x, size, &first, &size);
        if (status == 416)
            return;
        data = (const char *)data + first;
    }
    char *copy = malloc(size + 1);
    if (!copy) {
        answer_error(x, 503, NULL, "the server has too little memory for this answer");
        return;
    }
    if (size)
        memcpy(copy, data, size);
    send_maybe_compressed(x, status, type, copy, size);
}

void answer_buffer(exchange *x, const char *type, buffer *b)
{
    atomic_ullong *total = &x->server->held_bytes;
    uint64_t size = b->size, held = atomic_fetch_add(total, size);
    if (b->failed || held + size > x->server->options.max_bodies) {
        atomic_fetch_sub(total, size);
        buffer_free(b);
        answer_error(x, 503, NULL, "the server has too little memory for this answer; try again soon");
        return;
    }
    x->held += size; /* freed with the exchange */
    char *body = b->data;
    *b = (buffer){0};
    send_maybe_compressed(x, 200, type, body, (size_t)size);
}

/* The `size` bytes that `packed` holds, of malloc; NULL where memory fails. */
static char *unpack(const void *packed, size_t packed_size, size_t size)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)packed, .avail_in = (unsigned)packed_size};
    char *out = malloc(size + 1);
    if (!out || inflateInit2(&z, 15 + 16) != Z_OK) {
        free(out);
        return NULL;
    }
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)size;
    bool done = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == size;
    inflateEnd(&z);
    if (!done) {
        free(out);
        return NULL;
    }
    return out;
}

void answer_packed(exchange *x, const char *type, const void *packed, size_t packed_size, size_t size)
{
    bool as_it_is = wants_gzip(x);
    char *body = as_it_is ? malloc(packed_size) : unpack(packed, packed_size, size);
    if (!body) {
        answer_error(x, 503, NULL, "the server has too little memory for this answer");
        return;
    }
    answer_header(x, "Vary", "Accept-Encoding");
    if (as_it_is) {
        answer_header(x, "Content-Encoding", "gzip");
        memcpy(body, packed, packed_size);
    }
    send_all(x, 200, type, body, as_it_is ? packed_size : size);
}

void answer_memory(exchange *x, const char *type, const void *head, size_t head_size, const void *data,
                   size_t size, sib_release release, void *context)
{
    size_t first, left;
    unsigned status = choose_range(x, head_size + size, &first, &left);
    size_t of_head = first < head_size ? head_size - first : 0;
    of_head = of_head < left ? of_head : left;
    char *copy = status == 416 ? NULL : malloc(of_head + 1);
    if (!copy) {
        if (release)
            release(context);
        if (status != 416)
            answer_error(x, 503, NULL, "the server has too little memory for this answer");
        return;
    }
    if (of_head)
        memcpy(copy, (const char *)head + first, of_head);
    pthread_mutex_lock(&x->lock);
    x->rest = first < head_size ? data : (const char *)data + (first - head_size);
    x->rest_size = left - of_head;
    x->release = release;
    x->release_context = context;
    pthread_mutex_unlock(&x->lock);
    send_all(x, status, type, copy, of_head);
}

bool answer_unchanged(exchange *x, const char *tag)
{
    char quoted[160];
    snprintf(quoted, sizeof quoted, "\"%.150s\"", tag);
    answer_header(x, "ETag", quoted);
    const char *has = x->headers[HEADER_IF_NONE_MATCH];
    if (!has || (strcmp(has, "*") != 0 && !strstr(has, quoted)))
        return false;
    send_all(x, 304, "", NULL, 0);
    return true;
}

/* ---- Errors ---- */

static const struct {
    unsigned status;
    const char *type;
} error_types[] = {{401, "authentication_error"}, {403, "permission_error"},   {404, "not_found_error"},
                   {429, "rate_limit_error"},     {500, "server_error"},       {503, "server_error"},
                   {504, "server_error"},         {0, "invalid_request_error"}};

/* The last bytes of an answer in pieces, which are sent even where time or the server has ended. */
static void end_pieces(exchange *x, const char *data, size_t size)
{
    pthread_mutex_lock(&x->lock);
    if (buffer_add(&x->pending, data, size))
        x->n_bytes += size;
    x->ended = true;
    pthread_mutex_unlock(&x->lock);
    mark(x);
}

json_t *error_json(unsigned status, const char *param, json_t *message)
{
    size_t i = 0;
    while (error_types[i].status && error_types[i].status != status)
        i++;
    return json_pack("{s:{s:o, s:s, s:s?, s:n}}", "error", "message", message, "type", error_types[i].type,
                     "param", param, "code");
}

static void send_error(exchange *x, unsigned status, const char *param, const char *message)
{
    json_t *text = json_stringn(message, strlen(message)); /* NULL where it is no UTF-8 */
    bool inference = x->path && (!strcmp(x->path, "/v2") || !strncmp(x->path, "/v2/", 4));
    text = text ? text : json_string("the request failed");
    json_t *body = inference ? json_pack("{s:o}", "error", text) : error_json(status, param, text);
    char *dumped = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!dumped)
        dumped = strdup("{\"error\": {\"message\": \"the server has too little memory\"}}");
    if (!x->begun) {
        send_all(x, status, "application/json", dumped, dumped ? strlen(dumped) : 0);
        return;
    }
    buffer event = {0};
    buffer_format(&event, "event: error\ndata: %s\n\n", dumped ? dumped : "{}");
    end_pieces(x, event.data, event.size);
    buffer_free(&event);
    free(dumped);
}

void answer_error(exchange *x, unsigned status, const char *param, const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    send_error(x, status, param, message);
}

void answer_failure(exchange *x, const sib_error *err)
{
    static const struct {
        sib_code code;
        unsigned status;
    } statuses[] = {{SIB_ERR_MEMORY, 503}, {SIB_ERR_IO, 500}, {SIB_ERR_CANCELLED, 503}};
    unsigned status = 400;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].code == err->code)
            status = statuses[i].status;
    sib_error shown = *err;
    folders_cut(x->server->folders, shown.message);
    if (err->code == SIB_ERR_CANCELLED && atomic_load(&x->timed_out))
        answer_error(x, 504, NULL, "the request took longer than %g s", x->server->options.time_limit);
    else
        send_error(x, status, NULL, shown.message);
}

/* ---- Answers in pieces ---- */

void answer_begin(exchange *x, unsigned status, const char *type)
{
    pthread_mutex_lock(&x->lock);
    begin(x, status, type);
    x->streaming = true;
    pthread_mutex_unlock(&x->lock);
    mark(x);
}

static sib_code cancelled(sib_error *err)
{
    if (err && err->code == SIB_OK) {
        err->code = SIB_ERR_CANCELLED;
        snprintf(err->message, sizeof err->message, "the client has gone");
    }
    return SIB_ERR_CANCELLED;
}

sib_code answer_write(exchange *x, const void *data, size_t size, sib_error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    double seconds = floor(x->server->options.send_timeout);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)((x->server->options.send_timeout - seconds) * 1e9);
    if (until.tv_nsec >= 1000000000)
        until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&x->lock);
    bool waits = true;
    while (waits && x->pending.size - x->written > MAX_PENDING && !x->gone && !atomic_load(&x->cancelled))
        waits = pthread_cond_timedwait(&x->sent, &x->lock, &until) != ETIMEDOUT;
    bool done = waits && !x->gone && !atomic_load(&x->cancelled);
    if (done && x->written == x->pending.size)
        x->written = x->pending.size = 0;
    done = done && buffer_add(&x->pending, data, size);
    if (done)
        x->n_bytes += size;
    pthread_mutex_unlock(&x->lock);
    if (!done)
        return cancelled(err);
    mark(x);
    return SIB_OK;
}

void answer_end(exchange *x)
{
    end_pieces(x, "", 0);
}

/* ---- Events ---- */

void answer_events(exchange *x)
{
    if (x->begun)
        return;
    answer_header(x, "Cache-Control", "no-store");
    answer_header(x, "X-Accel-Buffering", "no"); /* nginx passes each event on at once */
    answer_begin(x, 200, "text/event-stream");
}

sib_code answer_event(exchange *x, json_t *data, sib_error *err)
{
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
    buffer event = {0};
    json_decref(data);
    bool made = text && buffer_format(&event, "data: %s\n\n", text);
    free(text);
    answer_events(x);
    sib_code code = made ? answer_write(x, event.data, event.size, err)
                         : server_fail(err, SIB_ERR_MEMORY, "the server has too little memory for an event");
    buffer_free(&event);
    return code;
}
