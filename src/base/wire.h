/* Decodes protobuf messages in place: tags, lengths and numbers are decoded, payloads stay pointers. A message is a table
   of its fields (onnx/proto.h, text/pieces/sentencepiece.c). */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "base/mapping.h"
#include "base/str.h"

/* How a field's payload may be encoded. Repeated numbers may be packed into bytes or be separate fields. */
typedef enum proto_wire {
    PROTO_VARINT = 1 << 0,
    PROTO_FIXED64 = 1 << 1,
    PROTO_BYTES = 1 << 2,
    PROTO_FIXED32 = 1 << 5,
    PROTO_VARINTS = PROTO_VARINT | PROTO_BYTES,
    PROTO_FLOATS = PROTO_FIXED32 | PROTO_BYTES,
    /* each value is 1 << the number of the wire type */
    PROTO_DOUBLES = PROTO_FIXED64 | PROTO_BYTES
} proto_wire;

/* The largest field number that a table has. */
#define PROTO_MAX_FIELD 44

typedef struct proto_message {
    const char *file; /* what a file of such messages is, for errors */
    const char *name;
    uint8_t wires[PROTO_MAX_FIELD + 1]; /* proto_wire by field number; 0: no such field */
} proto_message;

typedef byte_span wire_span;

static inline sib_str wire_str(wire_span s)
{
    return (sib_str){(const char *)s.data, s.size};
}

/* One field. */
typedef struct wire_field {
    uint32_t number;
    proto_wire wire;
    const uint8_t *at; /* position of its tag */
    uint64_t bits;     /* payload of a varint or fixed number */
    wire_span bytes;   /* payload of PROTO_BYTES */
} wire_field;

/* Iterates over the fields of one message. */
typedef struct wire_reader {
    wire_span rest; /* unread bytes */
    const proto_message *message;
    char failure[160]; /* "" without a failure */
    const uint8_t *failed_at;
} wire_reader;

void wire_open(wire_reader *w, wire_span bytes, const proto_message *message);

/* Gets the next field that the message defines, skipping others. Returns false at the end, and where the
   bytes are malformed or a field has the wrong wire type; failure and failed_at are then set. */
bool wire_next(wire_reader *w, wire_field *f);

/* Iterates over a repeated number, packed or not. */
typedef struct wire_numbers {
    wire_span rest;
    proto_wire item; /* PROTO_VARINT, PROTO_FIXED32 or PROTO_FIXED64 */
    uint64_t bits;   /* the number, where not packed */
    bool single, taken;
} wire_numbers;

/* Opens the numbers of field f of message m, which has wire type VARINTS, FLOATS or DOUBLES. */
void wire_numbers_open(wire_numbers *n, const proto_message *m, const wire_field *f);
/* Number of items; SIZE_MAX where the bytes do not divide into items. */
size_t wire_numbers_count(const wire_numbers *n);
/* Returns false at the end, and at a malformed varint, which wire_numbers_count has already rejected. */
bool wire_numbers_next(wire_numbers *n, uint64_t *bits);

static inline float wire_float(uint64_t bits)
{
    union {
        uint32_t u;
        float f;
    } both = {.u = (uint32_t)bits};
    return both.f;
}

#endif
