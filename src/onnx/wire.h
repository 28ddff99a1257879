/* Protobuf messages where they stand in memory: tags, lengths and numbers are decoded, payloads stay pointers. */
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

/* One field as it stands. */
typedef struct wire_field {
    uint32_t number;
    proto_wire wire;
    const uint8_t *at; /* its tag */
    uint64_t bits;     /* payload of a varint or fixed number */
    wire_span bytes;   /* payload of PROTO_BYTES */
} wire_field;

/* Walks the fields of one message. */
typedef struct wire_reader {
    wire_span rest; /* bytes that are not read yet */
    const proto_message *message;
    char failure[96]; /* "" where nothing went wrong */
    const uint8_t *failed_at;
} wire_reader;

void wire_open(wire_reader *w, wire_span bytes, const proto_message *message);

/* The next field that the message has; others are stepped over. False at the end, and where the bytes are malformed or a
   field's wire type is not the message's: then failure and failed_at are set. */
bool wire_next(wire_reader *w, wire_field *f);

/* A repeated number, packed or not, read item by item. */
typedef struct wire_numbers {
    wire_span rest;
    proto_wire item; /* PROTO_VARINT, PROTO_FIXED32 or PROTO_FIXED64 */
    uint64_t bits;   /* one number that is not packed */
    bool single, taken;
} wire_numbers;

/* The numbers of field f of message m, a field of kind VARINTS, FLOATS or DOUBLES. */
void wire_numbers_open(wire_numbers *n, const proto_message *m, const wire_field *f);
/* How many there are; SIZE_MAX where the bytes do not divide into items. */
size_t wire_numbers_count(const wire_numbers *n);
/* False at the end, and for bytes that are no varint (which wire_numbers_count has refused before). */
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
