/* UTF-8 as tokenizers read it: an invalid byte counts as one character. */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returned for an invalid byte; not a character. */
#define UTF8_BROKEN 0x110000u

static inline bool utf8_follows(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Decodes the first character of s (n bytes, n > 0), its bytes in *length; UTF8_BROKEN with length 1 where
   it is invalid. No overlong forms, no surrogates, nothing above U+10FFFF (Unicode 15, table 3-7). */
static inline uint32_t utf8_next(const char *text, size_t n, size_t *length)
{
    const uint8_t *s = (const uint8_t *)text;
    uint8_t first = s[0];
    *length = 1;
    if (first < 0x80)
        return first;
    if (first < 0xC2)
        return UTF8_BROKEN;
    if (first < 0xE0) {
        if (n < 2 || !utf8_follows(s[1]))
            return UTF8_BROKEN;
        *length = 2;
        return (first & 0x1Fu) << 6 | (s[1] & 0x3Fu);
    }
    if (first < 0xF0) {
        if (n < 3 || !utf8_follows(s[1]) || !utf8_follows(s[2]))
            return UTF8_BROKEN;
        uint32_t c = (first & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
        if (c < 0x800 || (c >= 0xD800 && c < 0xE000))
            return UTF8_BROKEN;
        *length = 3;
        return c;
    }
    if (first > 0xF4 || n < 4 || !utf8_follows(s[1]) || !utf8_follows(s[2]) || !utf8_follows(s[3]))
        return UTF8_BROKEN;
    uint32_t c = (first & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
    if (c < 0x10000 || c > 0x10FFFF)
        return UTF8_BROKEN;
    *length = 4;
    return c;
}

/* Returns the start of the character before `at` > 0. */
static inline size_t utf8_before(const char *text, size_t at)
{
    for (size_t back = 1; back <= 4 && back <= at; back++) {
        size_t length;
        if (utf8_next(text + at - back, back, &length) != UTF8_BROKEN && length == back)
            return at - back;
    }
    return at - 1;
}

/* Encodes a character up to U+10FFFF. Returns its bytes. */
static inline size_t utf8_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c);
    return n;
}

#endif
