/* Decodes protobuf messages in place: tags, lengths and numbers are decoded, payloads stay pointers. */
#ifndef ONNX_WIRE_H
#define ONNX_WIRE_H

#include "base/mapping.h"
#include "onnx/proto.h"

#include <sibyl/tensor.h>

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
