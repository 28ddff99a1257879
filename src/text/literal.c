#include "text/literal.h"

#include "text/chars/utf8.h"

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Reads n hexadecimal digits at `at`. Returns false where there are fewer. */
static bool read_hex(sib_str text, size_t at, size_t n, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        int digit = at + i < text.length ? hex_digit(text.data[at + i]) : -1;
        if (digit < 0)
            return false;
        *value = *value << 4 | (uint32_t)digit;
    }
    return true;
}

/* Decodes the escape whose backslash precedes `at`. Returns its length, 0 where it is invalid. */
static size_t read_escape(sib_str text, size_t at, bool bytes, uint32_t *value)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    if (at >= text.length)
        return 0;
    char c = text.data[at];
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        *value = (uint8_t)to[simple - from];
        return 1;
    }
    if (c == 'x')
        return read_hex(text, at + 1, 2, value) ? 3 : 0;
    if (!bytes && (c == 'u' || c == 'U')) {
        size_t digits = c == 'u' ? 4 : 8;
        return read_hex(text, at + 1, digits, value) ? 1 + digits : 0;
    }
    size_t n = 0;
    for (*value = 0; n < 3 && at + n < text.length && text.data[at + n] >= '0' && text.data[at + n] <= '7';
         n++)
        *value = *value * 8 + (uint32_t)(text.data[at + n] - '0');
    return n;
}

size_t literal_read(sib_str text, byte_buffer *out, sib_error *err)
{
    size_t at = text.length > 1 && text.data[0] == 'b';
    bool bytes = at > 0;
    if (at >= text.length || (text.data[at] != '\'' && text.data[at] != '"'))
        return 0;
    char quote = text.data[at++];
    while (at < text.length && text.data[at] != quote) {
        if (text.data[at] != '\\') {
            buf_add(out, text.data + at++, 1, err);
            continue;
        }
        uint32_t value;
        size_t length = read_escape(text, at + 1, bytes, &value);
        if (!length || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000) || (bytes && value > 0xFF))
            return 0;
        char encoded[4] = {(char)value};
        buf_add(out, encoded, bytes ? 1 : utf8_put(value, encoded), err);
        at += 1 + length;
    }
    return at < text.length ? at + 1 : 0;
}
