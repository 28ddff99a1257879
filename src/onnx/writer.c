#include "onnx/writer.h"

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

sib_code(writer_fail)(writer *w, sib_code code, const char *format, ...)
{
    char text[256];
    va_list args;
    if (w->code != SIB_OK)
        return w->code;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    w->code = code;
    return err_set(w->err, code, "%s: %s", w->path, text);
}

/* Counts n bytes, and writes them unless w->counts. */
static void put_bytes(writer *w, const void *data, size_t n)
{
    if (w->code != SIB_OK)
        return;
    w->size += n;
    if (!w->counts && n && fwrite(data, 1, n, w->stream) != n)
        writer_fail(w, SIB_ERR_IO, "cannot be written: %s", strerror(errno));
}

static void put_varint(writer *w, uint64_t number)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; number > 0x7F; number >>= 7)
        bytes[n++] = (uint8_t)(number | 0x80);
    bytes[n++] = (uint8_t)number;
    put_bytes(w, bytes, n);
}

/* Writes a field's number and its wire type, the index of the bit set in `wire`. */
static void put_tag(writer *w, uint32_t field, proto_wire wire)
{
    put_varint(w, (uint64_t)field << 3 | (unsigned)__builtin_ctz(wire));
}

void put_int(writer *w, uint32_t field, int64_t number)
{
    put_tag(w, field, PROTO_VARINT);
    put_varint(w, (uint64_t)number);
}

void put_float(writer *w, uint32_t field, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    put_tag(w, field, PROTO_FIXED32);
    put_bytes(
        w, (uint8_t[]){(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)}, 4);
}

void put_string(writer *w, uint32_t field, sib_str s)
{
    put_tag(w, field, PROTO_BYTES);
    put_varint(w, s.length);
    put_bytes(w, s.data, s.length);
}

void put_text(writer *w, uint32_t field, sib_str s)
{
    if (s.length)
        put_string(w, field, s);
}

size_t writer_size(writer *w, writer_body body, const void *what)
{
    bool counts = w->counts;
    size_t before = w->size;
    w->counts = true;
    body(w, what);
    size_t size = w->size - before;
    w->counts = counts;
    w->size = before;
    return size;
}

void writer_emit(writer *w, writer_body body, const void *what)
{
    w->counts = false;
    body(w, what);
}

void put_message(writer *w, uint32_t field, writer_body body, const void *what)
{
    if (w->code != SIB_OK)
        return;
    size_t size = writer_size(w, body, what);
    put_tag(w, field, PROTO_BYTES);
    put_varint(w, size);
    if (w->counts)
        w->size += size;
    else
        body(w, what);
}

/* ---- Repeated numbers -------------------------------------------------------------------------------- */

void put_unpacked(writer *w, uint32_t field, size_t n, const int64_t *items)
{
    for (size_t i = 0; i < n; i++)
        put_int(w, field, items[i]);
}

void put_floats(writer *w, uint32_t field, size_t n, const float *items)
{
    for (size_t i = 0; i < n; i++)
        put_float(w, field, items[i]);
}

static void put_pair(writer *w, const void *what)
{
    const string_pair *pair = what;
    put_string(w, PAIR_KEY, pair->key);
    put_string(w, PAIR_VALUE, pair->value);
}

void put_pairs(writer *w, uint32_t field, size_t n, const string_pair *pairs)
{
    for (size_t i = 0; i < n; i++)
        put_message(w, field, put_pair, &pairs[i]);
}

/* ---- Metadata ----------------------------------------------------------------------------------------- */

static int compare_props(const onnx_props *a, const graph *g, onnx_props_of of, uint32_t id)
{
    if (a->graph != g)
        return (uintptr_t)a->graph < (uintptr_t)g ? -1 : 1;
    if (a->of != of)
        return a->of < of ? -1 : 1;
    return a->id == id ? 0 : a->id < id ? -1 : 1;
}

size_t writer_find_props(const writer *w, const graph *g, onnx_props_of of, uint32_t id)
{
    size_t n = w->m ? w->m->n_props : 0, low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_props(w->props[middle], g, of, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && compare_props(w->props[low], g, of, id) == 0 ? low : n;
}

void put_props(writer *w, uint32_t field, onnx_props_of of, const graph *g, uint32_t id)
{
    for (size_t i = writer_find_props(w, g, of, id); w->m && i < w->m->n_props; i++) {
        if (compare_props(w->props[i], g, of, id) != 0)
            break;
        put_pairs(w, field, w->props[i]->n, w->props[i]->pairs);
    }
}
