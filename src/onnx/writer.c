#include "onnx/writer.h"

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

sib_code writer_fail(writer *w, sib_code code, const char *format, ...)
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

/* The outcome of a call of nanopb: only writing to the file can fail. */
static void check(writer *w, bool ok)
{
    if (!ok)
        writer_fail(w, SIB_ERR_IO, "cannot be written: %s", strerror(errno));
}

static bool write_stream(pb_ostream_t *out, const pb_byte_t *data, size_t n)
{
    return fwrite(data, 1, n, out->state) == n;
}

void put_int(writer *w, uint32_t field, int64_t number)
{
    if (w->code == SIB_OK)
        check(w, pb_encode_tag(&w->out, PB_WT_VARINT, field) && pb_encode_varint(&w->out, (uint64_t)number));
}

void put_float(writer *w, uint32_t field, float number)
{
    if (w->code == SIB_OK)
        check(w, pb_encode_tag(&w->out, PB_WT_32BIT, field) && pb_encode_fixed32(&w->out, &number));
}

void put_string(writer *w, uint32_t field, sib_str s)
{
    if (w->code == SIB_OK)
        check(w, pb_encode_tag(&w->out, PB_WT_STRING, field) &&
                     pb_encode_string(&w->out, (const pb_byte_t *)s.data, s.length));
}

void put_text(writer *w, uint32_t field, sib_str s)
{
    if (s.length)
        put_string(w, field, s);
}

size_t writer_size(writer *w, writer_body body, const void *what)
{
    pb_ostream_t before = w->out;
    w->out = (pb_ostream_t)PB_OSTREAM_SIZING;
    body(w, what);
    size_t size = w->out.bytes_written;
    w->out = before;
    return size;
}

void writer_emit(writer *w, writer_body body, const void *what)
{
    w->out = (pb_ostream_t){.callback = write_stream, .state = w->stream, .max_size = SIZE_MAX};
    body(w, what);
}

void put_message(writer *w, uint32_t field, writer_body body, const void *what)
{
    if (w->code != SIB_OK)
        return;
    size_t size = writer_size(w, body, what);
    check(w, pb_encode_tag(&w->out, PB_WT_STRING, field) && pb_encode_varint(&w->out, size));
    if (w->code != SIB_OK)
        return;
    if (w->out.callback)
        body(w, what);
    else
        check(w, pb_write(&w->out, NULL, size));
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
