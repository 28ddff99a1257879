/* One HTTP request and its answer. The event loop fills the request, then a handler, in the thread of its route's lane,
   reads it and answers; what it answers is sent by the loop. Both hold the exchange, so either may end first. */
#ifndef SIB_SERVER_EXCHANGE_H
#define SIB_SERVER_EXCHANGE_H

#include "server/http/buffer.h"
#include "server/http/work.h"

#include <jansson.h>
#include <sibyl/sibyl.h>

struct lws;
struct server;

typedef struct exchange exchange;

/* ---- Routes ---- */

typedef struct route {
    const char *method, *path; /* "/api/models/{id}": a name in braces stands for one part of the path */
    void (*handle)(exchange *x);
    work_lane lane;
    bool open; /* no token is needed */
} route;

/* ---- The request ---- */

/* Part of a multipart body. Strings end with NUL; data is followed by one. */
typedef struct part {
    char *name, *file; /* file: the name that the client gave, or NULL for a field */
    buffer data;
} part;

/* Headers that handlers see: name in lower case. */
typedef enum header {
    HEADER_ACCEPT_ENCODING,
    HEADER_CONTENT_ENCODING,
    HEADER_CONTENT_TYPE,
    HEADER_IF_NONE_MATCH,
    HEADER_RANGE,
    HEADER_USER_AGENT,
    HEADER_TRACEPARENT,
    HEADER_INFERENCE_LENGTH, /* Inference-Header-Content-Length */
    N_HEADERS
} header;

struct server *exchange_server(const exchange *x);
const char *exchange_method(const exchange *x);
const char *exchange_path(const exchange *x);
/* What stands in the path for {name} of the route; never NULL for a name that the route has. */
const char *exchange_param(const exchange *x, const char *name);
/* The decoded value of ?name=, or NULL. */
const char *exchange_query(const exchange *x, const char *name);
/* The same as a number between min and max; `otherwise` where it is missing. Answers 400 and returns false where it is
   anything else. */
bool exchange_query_number(exchange *x, const char *name, uint64_t otherwise, uint64_t max, uint64_t *out);
/* NULL where the client did not send it. */
const char *exchange_header(const exchange *x, header h);
const buffer *exchange_body(const exchange *x);
/* Part or field `name` of a multipart or form body, or NULL. */
const part *exchange_part(const exchange *x, const char *name);
/* Part i, NULL past the last. */
const part *exchange_part_at(const exchange *x, size_t i);
/* Takes what part or field `name` has, which is empty afterwards; all zero where there is none. The caller owns it. */
part exchange_take_part(exchange *x, const char *name);
/* The body as a JSON object, owned by the caller. Answers 400 and returns NULL where it is none. */
json_t *exchange_json(exchange *x);
/* The same from the first (size) bytes of the body, which has as many. */
json_t *exchange_json_head(exchange *x, size_t size);
/* The same from the field `name` where the body is a form, otherwise from the body. */
json_t *exchange_json_field(exchange *x, const char *name);
/* Set when the client has gone, or time or the server ended. */
const sib_cancel *exchange_cancel(const exchange *x);
bool exchange_cancelled(const exchange *x);
/* Unique in the process; in logs and in the header X-Request-Id. */
uint64_t exchange_id(const exchange *x);

/* ---- The answer: exactly one per exchange, complete or in pieces ---- */

/* Adds a header of the answer, before it begins. */
void answer_header(exchange *x, const char *name, const char *value);
/* body is owned by the answer; NULL: memory ran out, which is answered. */
void answer_json(exchange *x, unsigned status, json_t *body);
/* Copies. Ranges of status 200 are answered where the client asks for one and `type` is no JSON. */
void answer_bytes(exchange *x, unsigned status, const char *type, const void *data, size_t size);
/* Status 200 from gzip of `size` unpacked bytes, which is unpacked where the client does not take it. */
void answer_packed(exchange *x, const char *type, const void *packed, size_t packed_size, size_t size);
/* Takes the bytes of b, which is empty afterwards. They count among the bodies that the server may hold (503). */
void answer_buffer(exchange *x, const char *type, buffer *b);
/* `head`, which is copied, and then (size) bytes of data, which stay where they are and must not change until release is
   called with context, when the answer was sent or the client has gone; also where this fails. Status 200, with ranges as
   above; for what is large. release may be NULL. */
void answer_memory(exchange *x, const char *type, const void *head, size_t head_size, const void *data,
                   size_t size, sib_release release, void *context);
/* {"error": {"message", "type", "param", "code"}}; type by status. param may be NULL. Below /v2 {"error": "message"}, as
   the Open Inference Protocol has it. Where an answer of events has begun, the error is its last event. */
__attribute__((format(printf, 4, 5))) void answer_error(exchange *x, unsigned status, const char *param,
                                                        const char *format, ...);
/* The same from the library's error: the client's mistakes 400, others 500, cancelled 503. Paths of files are cut to
   their last part. */
void answer_failure(exchange *x, const sib_error *err);
/* Answers 304 and returns true where the client has this version already; else sets the ETag. tag: without quotes. */
bool answer_unchanged(exchange *x, const char *tag);

/* An answer in pieces. answer_write waits while the client lags behind, and fails (SIB_ERR_CANCELLED) once it has gone or
   the time is over. */
void answer_begin(exchange *x, unsigned status, const char *type);
sib_code answer_write(exchange *x, const void *data, size_t size, sib_error *err);
void answer_end(exchange *x);
/* Server-sent events: begins the answer unless it has begun; one event ("data: JSON"), which takes `data`, NULL where
   memory failed. answer_end or an error ends them. */
void answer_events(exchange *x);
sib_code answer_event(exchange *x, json_t *data, sib_error *err);
/* Whether an answer was begun. */
bool answer_begun(const exchange *x);

#endif
