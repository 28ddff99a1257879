#include "text/chars/scan.h"

/* Returns the end of the run of characters of class c from `at`. */
static inline size_t run_of(const uint8_t *table, const char *text, size_t n, size_t at, text_class c)
{
    size_t length;
    while (at < n && class_at(table, text + at, n - at, &length) == c)
        at += length;
    return at;
}

/* \s+(?!\S)|\s+ at a white space: the entire run at the end of the text, else all but its last character,
   but at least one. */
static size_t spaces(const uint8_t *table, const char *text, size_t n, size_t at)
{
    size_t end = run_of(table, text, n, at, CLASS_SPACE);
    if (end == n)
        return end;
    size_t last = utf8_before(text, end);
    return last > at ? last : end;
}

/* Matches 's 't 'm 'd 're 've 'll at the apostrophe at `at`. Returns its bytes, 0 for none. any_case: as
   under (?i), where U+017F is an s too. */
static size_t contraction(const char *text, size_t n, size_t at, bool any_case)
{
    if (text[at] != '\'' || n - at < 2)
        return 0;
    unsigned char a = (unsigned char)text[at + 1], b = n - at > 2 ? (unsigned char)text[at + 2] : 0;
    if (any_case) {
        if (a == 0xC5 && b == 0xBF)
            return 3;
        a |= a >= 'A' && a <= 'Z' ? 0x20 : 0;
        b |= b >= 'A' && b <= 'Z' ? 0x20 : 0;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

size_t scan_gpt2(const uint8_t *table, const char *text, size_t n, size_t at)
{
    size_t length, short_form = contraction(text, n, at, false);
    if (short_form)
        return at + short_form;
    text_class c = class_at(table, text + at, n - at, &length);
    size_t next = at + length;
    if (text[at] == ' ' && next < n) {
        c = class_at(table, text + next, n - next, &length);
        next += length;
    }
    return c == CLASS_SPACE ? spaces(table, text, n, at) : run_of(table, text, n, next, c);
}

static inline bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

static size_t line_ends(const char *text, size_t n, size_t at)
{
    while (at < n && is_line_end(text[at]))
        at++;
    return at;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ at a white space. */
static size_t spaces_and_lines(const uint8_t *table, const char *text, size_t n, size_t at)
{
    size_t end = run_of(table, text, n, at, CLASS_SPACE), line = end;
    while (line > at && !is_line_end(text[line - 1]))
        line--;
    return line > at ? line : spaces(table, text, n, at);
}

static inline size_t scan_modern(const uint8_t *table, const char *text, size_t n, size_t at, int digits)
{
    size_t length, next_length = 0, short_form = contraction(text, n, at, true);
    if (short_form)
        return at + short_form;
    text_class c = class_at(table, text + at, n - at, &length), next = CLASS_SPACE;
    size_t end = at + length;
    if (c == CLASS_LETTER)
        return run_of(table, text, n, end, CLASS_LETTER);
    if (c == CLASS_NUMBER) {
        for (int i = 1; i < digits && end < n; i++, end += length)
            if (class_at(table, text + end, n - end, &length) != CLASS_NUMBER)
                break;
        return end;
    }
    if (end < n)
        next = class_at(table, text + end, n - end, &next_length);
    if (next == CLASS_LETTER && end < n && !is_line_end(text[at]))
        return run_of(table, text, n, end + next_length, CLASS_LETTER);
    if (c == CLASS_OTHER || (text[at] == ' ' && next == CLASS_OTHER && end < n))
        return line_ends(text, n, run_of(table, text, n, end, CLASS_OTHER));
    return spaces_and_lines(table, text, n, at);
}

size_t scan_cl100k(const uint8_t *table, const char *text, size_t n, size_t at)
{
    return scan_modern(table, text, n, at, 3);
}

size_t scan_qwen2(const uint8_t *table, const char *text, size_t n, size_t at)
{
    return scan_modern(table, text, n, at, 1);
}
