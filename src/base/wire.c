#include "base/wire.h"

#include <stdio.h>
#include <string.h>

/* Max bytes of a varint: 64 bits in groups of 7. */
#define VARINT_MAX 10

/* ---- Numbers ---------------------------------------------------------------------------------------- */

/* All pointer arithmetic on payloads is here: the data of an empty message may be NULL, to which nothing
   may be added. */
static void skip(wire_span *s, size_t n)
{
    if (n)
        s->data += n;
    s->size -= n;
}

/* Returns false where the bytes end, or where 10 bytes do not end the varint. Bits beyond the 64th are
   dropped, as in protobuf. */
static bool take_varint(wire_span *s, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s->size && i < VARINT_MAX; i++) {
        *out |= (uint64_t)(s->data[i] & 0x7F) << 7 * i;
        if (s->data[i] < 0x80) {
            skip(s, i + 1);
            return true;
        }
    }
    return false;
}

/* Reads a little-endian number of n bytes. */
static bool take_fixed(wire_span *s, size_t n, uint64_t *out)
{
    *out = 0;
    if (s->size < n)
        return false;
    for (size_t i = 0; i < n; i++)
        *out |= (uint64_t)s->data[i] << 8 * i;
    skip(s, n);
    return true;
}

/* ---- Fields ----------------------------------------------------------------------------------------- */

void wire_open(wire_reader *w, wire_span bytes, const proto_message *message)
{
    *w = (wire_reader){.rest = bytes, .message = message};
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

/* Reads the payload of a field after its tag. */
static bool read_payload(wire_reader *w, wire_field *f)
{
    uint64_t length;
    switch (f->wire) {
    case PROTO_VARINT:
        return take_varint(&w->rest, &f->bits) ||
               fail(w, f->at, f->number, "a number is cut off or too long");
    case PROTO_FIXED64:
        return take_fixed(&w->rest, 8, &f->bits) ||
               fail(w, f->at, f->number, "expected 8 bytes, found the end");
    case PROTO_FIXED32:
        return take_fixed(&w->rest, 4, &f->bits) ||
               fail(w, f->at, f->number, "expected 4 bytes, found the end");
    default:
        if (!take_varint(&w->rest, &length) || length > w->rest.size)
            return fail(w, f->at, f->number,
                        "its length goes beyond the end of the message: the file is cut short or damaged");
        f->bytes = (wire_span){w->rest.data, (size_t)length};
        skip(&w->rest, f->bytes.size);
        return true;
    }
}

static bool fail_kind(wire_reader *w, const wire_field *f)
{
    char what[96];
    snprintf(what, sizeof what, "its wire type is unknown: the file is no %s, or is damaged",
             w->message->file);
    return fail(w, f->at, f->number, what);
}

/* Reads the tag of a field, its number and wire type: a 32-bit varint. */
static bool read_tag(wire_reader *w, wire_field *f)
{
    uint64_t tag;
    if (!take_varint(&w->rest, &tag) || tag > UINT32_MAX)
        return fail(w, f->at, 0, "the tag of a field is cut off or too long");
    f->number = (uint32_t)tag >> 3;
    f->wire = (proto_wire)(1u << (tag & 7));
    if (f->number == 0)
        return fail(w, f->at, 0, "a field has number 0");
    if (!(f->wire & (PROTO_VARINT | PROTO_FIXED64 | PROTO_BYTES | PROTO_FIXED32)))
        return fail_kind(w, f);
    return true;
}

bool wire_next(wire_reader *w, wire_field *f)
{
    while (!w->failed_at) {
        *f = (wire_field){.at = w->rest.data};
        if (w->rest.size == 0 || !read_tag(w, f) || !read_payload(w, f))
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

/* ---- Repeated numbers ------------------------------------------------------------------------------- */

void wire_numbers_open(wire_numbers *n, const proto_message *m, const wire_field *f)
{
    *n = (wire_numbers){.rest = f->bytes,
                        .item = (proto_wire)(m->wires[f->number] & ~(unsigned)PROTO_BYTES),
                        .bits = f->bits,
                        .single = f->wire != PROTO_BYTES};
}

size_t wire_numbers_count(const wire_numbers *n)
{
    if (n->single)
        return 1;
    size_t count = 0, run = 0;
    if (n->item != PROTO_VARINT) {
        size_t bytes = n->item == PROTO_FIXED32 ? 4 : 8;
        return n->rest.size % bytes == 0 ? n->rest.size / bytes : SIZE_MAX;
    }
    /* the last byte of a varint is below 128 */
    for (size_t i = 0; i < n->rest.size; i++) {
        if (++run > VARINT_MAX)
            return SIZE_MAX;
        if (n->rest.data[i] < 0x80) {
            run = 0;
            count++;
        }
    }
    return run == 0 ? count : SIZE_MAX;
}

bool wire_numbers_next(wire_numbers *n, uint64_t *bits)
{
    if (n->single) {
        *bits = n->bits;
        return !n->taken && (n->taken = true);
    }
    switch (n->item) {
    case PROTO_VARINT:
        return take_varint(&n->rest, bits);
    case PROTO_FIXED64:
        return take_fixed(&n->rest, 8, bits);
    default:
        return take_fixed(&n->rest, 4, bits);
    }
}
