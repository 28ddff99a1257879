/* Texts and numbers of models as JSON. */

#include "server/values/json.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the character at (size), 0 where it is no UTF-8 (RFC 3629). */
static size_t character(const unsigned char *at, size_t size)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t min;
    } kinds[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 1; n <= 4 && n <= size; n++) {
        if ((at[0] & kinds[n - 1].mask) != kinds[n - 1].lead)
            continue;
        uint32_t code = at[0] & (unsigned char)~kinds[n - 1].mask;
        for (size_t k = 1; k < n; k++) {
            if ((at[k] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (at[k] & 0x3f);
        }
        return code >= kinds[n - 1].min && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? n : 0;
    }
    return 0;
}

static const char replacement[] = "\xef\xbf\xbd";
#define ELLIPSIS "\xe2\x80\xa6"

/* The text with what is no UTF-8 replaced, followed by tail. */
static json_t *repaired(const char *bytes, size_t size, const char *tail)
{
    size_t used = 0;
    char *made = malloc(3 * size + strlen(tail) + 1);
    if (!made)
        return NULL;
    for (size_t i = 0; i < size;) {
        size_t n = character((const unsigned char *)bytes + i, size - i);
        const char *from = n ? bytes + i : replacement;
        size_t m = n ? n : sizeof replacement - 1;
        memcpy(made + used, from, m);
        used += m;
        i += n ? n : 1;
    }
    memcpy(made + used, tail, strlen(tail));
    json_t *value = json_stringn_nocheck(made, used + strlen(tail));
    free(made);
    return value;
}

json_t *text_of_bytes(const char *bytes, size_t size)
{
    json_t *valid = json_stringn(bytes, size);
    return valid ? valid : repaired(bytes, size, "");
}

/* Bytes of the text that are shown, and whether it goes on behind them. */
static bool is_cut(const char *text, size_t max, size_t *size)
{
    *size = strnlen(text, max);
    if (!text[*size])
        return false;
    for (int back = 0; back < 3 && *size && ((unsigned char)text[*size] & 0xc0) == 0x80; back++)
        --*size; /* not within a character */
    return true;
}

json_t *text_json(const char *text, size_t max)
{
    size_t size;
    return is_cut(text, max, &size) ? repaired(text, size, ELLIPSIS) : text_of_bytes(text, size);
}

json_t *text_or_null(const char *text, size_t max)
{
    return text ? text_json(text, max) : json_null();
}

json_t *number_json(uint32_t number)
{
    return json_integer(number == SIB_NONE ? -1 : (json_int_t)number);
}

json_t *numbers_json(const uint32_t *numbers, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, number_json(numbers[i]));
    return list;
}

/* ---- Written ---- */

/* Writes the character at (size >= 1) escaped as JSON has it, a byte that is no UTF-8 replaced. Returns its
   bytes. */
static size_t write_character(buffer *b, const char *at, size_t size)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const size_t n = character((const unsigned char *)at, size);
    const char *found = memchr(special, *at, sizeof special - 1);
    if (!n)
        buffer_add(b, replacement, sizeof replacement - 1);
    else if (found)
        buffer_add(b, (const char[]){'\\', letters[found - special]}, 2);
    else if ((unsigned char)*at < 0x20)
        buffer_format(b, "\\u%04X", (unsigned)(unsigned char)*at);
    else
        buffer_add(b, at, n);
    return n ? n : 1;
}

void text_write(buffer *b, const char *text, size_t max)
{
    size_t size;
    const bool cut = is_cut(text, max, &size);
    buffer_add(b, "\"", 1);
    for (size_t i = 0; i < size;) {
        size_t plain = i;
        while (plain < size && text[plain] >= 0x20 && text[plain] < 0x7f && text[plain] != '"' &&
               text[plain] != '\\')
            plain++;
        buffer_add(b, text + i, plain - i);
        i = plain < size ? plain + write_character(b, text + plain, size - plain) : size;
    }
    buffer_add_text(b, cut ? ELLIPSIS "\"" : "\"");
}

void text_or_null_write(buffer *b, const char *text, size_t max)
{
    if (text)
        text_write(b, text, max);
    else
        buffer_add_text(b, "null");
}

void integer_write(buffer *b, int64_t number)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        *--at = '-';
    buffer_add(b, at, (size_t)(digits + sizeof digits - at));
}

void number_write(buffer *b, uint32_t number)
{
    integer_write(b, number == SIB_NONE ? -1 : (int64_t)number);
}

void numbers_write(buffer *b, const uint32_t *numbers, size_t n)
{
    buffer_add(b, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buffer_add(b, ",", 1);
        number_write(b, numbers[i]);
    }
    buffer_add(b, "]", 1);
}

void json_write(buffer *b, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (!text)
        b->failed = true;
    else
        buffer_add_text(b, text);
    free(text);
    json_decref(value);
}
