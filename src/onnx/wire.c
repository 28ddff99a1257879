#include "onnx/wire.h"

#include <stdio.h>
#include <string.h>

void wire_open(wire_reader *w, wire_span bytes, const proto_message *message)
{
    w->in = pb_istream_from_buffer(bytes.data, bytes.size);
    w->end = bytes.data + bytes.size;
    w->message = message;
    w->failure[0] = '\0';
    w->failed_at = NULL;
}

static const uint8_t *place(const wire_reader *w)
{
    return w->end - w->in.bytes_left;
}

static bool fail(wire_reader *w, const uint8_t *at, uint32_t number, const char *what)
{
    if (number)
        snprintf(w->failure, sizeof w->failure, "%s, field %u: %s", w->message->name, (unsigned)number, what);
    else
        snprintf(w->failure, sizeof w->failure, "%s: %s", w->message->name, what);
    w->failed_at = at;
    return false;
}

/* Payload of a field whose tag has been read. */
static bool read_payload(wire_reader *w, wire_field *f)
{
    pb_istream_t inside;
    uint32_t bits32;
    switch (f->wire) {
    case PROTO_VARINT:
        return pb_decode_varint(&w->in, &f->bits) ||
               fail(w, f->at, f->number, "a number is cut off or too long");
    case PROTO_FIXED64:
        return pb_decode_fixed64(&w->in, &f->bits) ||
               fail(w, f->at, f->number, "8 bytes expected, the end found");
    case PROTO_FIXED32:
        if (!pb_decode_fixed32(&w->in, &bits32))
            return fail(w, f->at, f->number, "4 bytes expected, the end found");
        f->bits = bits32;
        return true;
    default:
        if (!pb_make_string_substream(&w->in, &inside))
            return fail(w, f->at, f->number, "its length goes beyond the end of the message");
        f->bytes = (wire_span){place(w) - inside.bytes_left, inside.bytes_left};
        return pb_close_string_substream(&w->in, &inside) ||
               fail(w, f->at, f->number, "cannot be stepped over");
    }
}

bool wire_next(wire_reader *w, wire_field *f)
{
    while (!w->failed_at) {
        pb_wire_type_t type;
        bool eof;
        *f = (wire_field){.at = place(w)};
        if (!pb_decode_tag(&w->in, &type, &f->number, &eof))
            return eof ? false : fail(w, f->at, 0, "the tag of a field is cut off or too long");
        if (f->number == 0)
            return fail(w, f->at, 0, "a field has number 0");
        f->wire = (proto_wire)(1u << type);
        if (type != PB_WT_VARINT && type != PB_WT_64BIT && type != PB_WT_STRING && type != PB_WT_32BIT)
            return fail(w, f->at, f->number, "its wire type is not one that ONNX has");
        if (!read_payload(w, f))
            return false;
        unsigned expected = f->number <= PROTO_MAX_FIELD ? w->message->wires[f->number] : 0;
        if (expected == 0)
            continue;
        if (!(expected & f->wire))
            return fail(w, f->at, f->number, "its wire type is not the one that this field has");
        return true;
    }
    return false;
}

void wire_numbers_open(wire_numbers *n, const proto_message *m, const wire_field *f)
{
    n->item = (proto_wire)(m->wires[f->number] & ~(unsigned)PROTO_BYTES);
    n->single = f->wire != PROTO_BYTES;
    n->taken = false;
    n->bits = f->bits;
    n->in = pb_istream_from_buffer(f->bytes.data, f->bytes.size);
    n->end = n->single ? NULL : f->bytes.data + f->bytes.size;
}

size_t wire_numbers_count(const wire_numbers *n)
{
    if (n->single)
        return 1;
    size_t left = n->in.bytes_left, count = 0, run = 0;
    if (n->item != PROTO_VARINT) {
        size_t bytes = n->item == PROTO_FIXED32 ? 4 : 8;
        return left % bytes == 0 ? left / bytes : SIZE_MAX;
    }
    /* A varint ends with the first byte below 128, the tenth at the latest. */
    for (const uint8_t *p = n->end - left; p < n->end; p++) {
        if (++run > 10)
            return SIZE_MAX;
        if (*p < 0x80) {
            run = 0;
            count++;
        }
    }
    return run == 0 ? count : SIZE_MAX;
}

bool wire_numbers_next(wire_numbers *n, uint64_t *bits)
{
    uint32_t bits32 = 0;
    if (n->single) {
        if (n->taken)
            return false;
        n->taken = true;
        *bits = n->bits;
        return true;
    }
    if (n->in.bytes_left == 0)
        return false;
    switch (n->item) {
    case PROTO_VARINT:
        return pb_decode_varint(&n->in, bits);
    case PROTO_FIXED64:
        return pb_decode_fixed64(&n->in, bits);
    default:
        if (!pb_decode_fixed32(&n->in, &bits32))
            return false;
        *bits = bits32;
        return true;
    }
}
