/* Unicode normalization forms (UAX 15). utf8proc decomposes and composes characters; marks are sorted here
   in n log n, so that a long run of marks does not take long. */
#include "text/chars/utf8.h"
#include "text/steps/normalize.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"

#include <stdlib.h>
#include <utf8proc.h>

typedef struct characters {
    utf8proc_int32_t *items; /* (n) */
    size_t n, capacity;
} characters;

typedef struct mark {
    utf8proc_int32_t character;
    int class; /* canonical combining class */
    size_t place;
} mark;

static sib_code add_character(characters *c, uint32_t character, int options, sib_error *err)
{
    utf8proc_int32_t parts[32];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)character, parts, 32,
                                                 (utf8proc_option_t)options, &boundary);
    if (n < 0 || n > 32) {
        n = 1;
        parts[0] = (utf8proc_int32_t)character;
    }
    sib_code code = ARRAY_RESERVE(c->items, c->capacity, c->n + (size_t)n, "the characters of a text", err);
    if (code != SIB_OK)
        return code;
    for (utf8proc_ssize_t i = 0; i < n; i++)
        c->items[c->n++] = parts[i];
    return SIB_OK;
}

static int class_of(utf8proc_int32_t character)
{
    return utf8proc_get_property(character)->combining_class;
}

static int by_class(const void *a, const void *b)
{
    const mark *x = a, *y = b;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Sorts the marks items (n) by class, stably. */
static sib_code order_marks(utf8proc_int32_t *items, size_t n, sib_error *err)
{
    bool ordered = true;
    for (size_t i = 1; i < n && ordered; i++)
        ordered = class_of(items[i - 1]) <= class_of(items[i]);
    if (ordered)
        return SIB_OK;
    mark few[32], *marks = n <= 32 ? few : mem_alloc(n, sizeof *marks);
    if (!marks)
        return err_memory(err, n * sizeof *marks, "the marks of a text");
    for (size_t i = 0; i < n; i++)
        marks[i] = (mark){items[i], class_of(items[i]), i};
    qsort(marks, n, sizeof *marks, by_class);
    for (size_t i = 0; i < n; i++)
        items[i] = marks[i].character;
    if (marks != few)
        mem_free(marks);
    return SIB_OK;
}

static sib_code order(characters *c, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t at = 0; at < c->n && code == SIB_OK;) {
        size_t end = at;
        while (end < c->n && class_of(c->items[end]))
            end++;
        if (end - at > 1)
            code = order_marks(c->items + at, end - at, err);
        at = end + (end == at || end < c->n);
    }
    return code;
}

/* Appends the form of characters that do not interact with others. */
static sib_code flush(characters *c, int options, byte_buffer *out, sib_error *err)
{
    sib_code code = order(c, err);
    if (code != SIB_OK)
        return code;
    if (options & UTF8PROC_COMPOSE) {
        utf8proc_ssize_t n =
            utf8proc_normalize_utf32(c->items, (utf8proc_ssize_t)c->n, (utf8proc_option_t)options);
        c->n = n < 0 ? c->n : (size_t)n;
    }
    for (size_t i = 0; i < c->n; i++) {
        char bytes[4];
        buf_add(out, bytes, utf8_put((uint32_t)c->items[i], bytes), err);
    }
    c->n = 0;
    return out->code;
}

/* Returns the end of the ASCII text from `at`, excluding its last character where others follow: a mark
   may change that one. */
static size_t plain_until(sib_str text, size_t at)
{
    size_t end = at;
    while (end < text.length && (unsigned char)text.data[end] < 0x80)
        end++;
    return end < text.length && end > at ? end - 1 : end;
}

sib_code unicode_form(sib_str text, bool compose, bool compatible, byte_buffer *out, sib_error *err)
{
    int options = UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                  (compatible ? UTF8PROC_COMPAT : 0);
    characters c = {0};
    sib_code code = SIB_OK;
    for (size_t at = 0, length; at < text.length && code == SIB_OK; at += length) {
        length = c.n ? 0 : plain_until(text, at) - at;
        if (length) {
            buf_add(out, text.data + at, length, err);
            code = out->code;
            continue;
        }
        uint32_t character = utf8_next(text.data + at, text.length - at, &length);
        if (character == UTF8_BROKEN) {
            code = flush(&c, options, out, err);
            if (code == SIB_OK)
                buf_add(out, text.data + at, length, err);
            continue;
        }
        code = add_character(&c, character, options, err);
        bool ascii_follows = at + length + 1 < text.length && (unsigned char)text.data[at + length] < 0x80 &&
                             (unsigned char)text.data[at + length + 1] < 0x80;
        if (code == SIB_OK && ascii_follows)
            code = flush(&c, options, out, err);
    }
    if (code == SIB_OK)
        code = flush(&c, options, out, err);
    mem_free(c.items);
    return code != SIB_OK ? code : out->code;
}
