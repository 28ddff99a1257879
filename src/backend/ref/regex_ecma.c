/* Patterns of ECMAScript's syntax as PCRE2's: what std::regex of libstdc++ makes of them. It reads bytes; ^ and $ are the ends of
   the string; . is no line end; a backslash before what is no escape of its own, and \c, mean the character itself. */
#include "backend/ref/regex.h"

#include <stdio.h>
#include <string.h>

typedef struct ecma {
    sib_str in;
    size_t at, n;
    char *out;
    const char *why;
    bool repeatable; /* what was read last may be repeated */
} ecma;

static int peek(const ecma *t, size_t ahead)
{
    return t->at + ahead < t->in.length ? (unsigned char)t->in.data[t->at + ahead] : -1;
}

static void emit(ecma *t, const char *text)
{
    size_t n = strlen(text);
    memcpy(t->out + t->n, text, n);
    t->n += n;
}

static void keep(ecma *t, size_t n)
{
    memcpy(t->out + t->n, t->in.data + t->at, n);
    t->n += n;
    t->at += n;
}

static void byte(ecma *t, unsigned code)
{
    char text[8];
    snprintf(text, sizeof text, "\\x%02x", code);
    emit(t, text);
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_of(int c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \xHH and \uHHHH. */
static void hexadecimal(ecma *t, size_t digits)
{
    unsigned code = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_of(peek(t, 2 + i));
        if (digit < 0) {
            t->why = "too few hexadecimal digits";
            return;
        }
        code = code * 16 + (unsigned)digit;
    }
    if (code > 255) {
        t->why = "a character beyond a byte is not supported";
        return;
    }
    byte(t, code);
    t->at += 2 + digits;
}

/* \1 and on: the number as PCRE2 writes it. */
static void reference(ecma *t)
{
    size_t n = 1;
    while (is_digit(peek(t, n)))
        n++;
    if (n > 5) {
        t->why = "a group's number is too large";
        return;
    }
    emit(t, "\\g{");
    t->at++;
    keep(t, n - 1);
    emit(t, "}");
}

static void escape(ecma *t, bool in_class)
{
    int c = peek(t, 1);
    if (c < 0)
        t->why = "a backslash is at its end";
    else if (c == 'x' || c == 'u')
        hexadecimal(t, c == 'x' ? 2 : 4);
    else if (c >= '1' && c <= '9' && !in_class)
        reference(t);
    else if (c && (strchr("dDsSwWtnfr", c) || (c == 'B' && !in_class) || (c == 'b' && !in_class)))
        keep(t, 2);
    else if (c == 'v' || c == 'b' || c == '0') {
        byte(t, c == 'v' ? 0x0b : c == 'b' ? 0x08 : 0);
        t->at += 2;
    } else if (c == 'c' && peek(t, 2) >= 0) {
        byte(t, (unsigned)peek(t, 2));
        t->at += 3;
    } else {
        byte(t, (unsigned)c);
        t->at += 2;
    }
}

/* Length of [:name:] at the current position, or 0. */
static size_t named_class(const ecma *t)
{
    size_t n = 2;
    if (peek(t, 1) != ':')
        return 0;
    while (peek(t, n) >= 'a' && peek(t, n) <= 'z')
        n++;
    return peek(t, n) == ':' && peek(t, n + 1) == ']' ? n + 2 : 0;
}

static void character_class(ecma *t)
{
    keep(t, peek(t, 1) == '^' ? 2 : 1);
    while (!t->why && peek(t, 0) != ']') {
        size_t named = peek(t, 0) == '[' ? named_class(t) : 0;
        if (peek(t, 0) < 0)
            t->why = "a class has no ]";
        else if (peek(t, 0) == '\\')
            escape(t, true);
        else if (named)
            keep(t, named);
        else if (peek(t, 0) == '[' && (peek(t, 1) == '.' || peek(t, 1) == '='))
            t->why = "collating elements are not supported";
        else {
            if (peek(t, 0) == '[')
                emit(t, "\\");
            keep(t, 1);
        }
    }
    if (!t->why)
        keep(t, 1);
}

static void group(ecma *t)
{
    if (peek(t, 1) == '*' || peek(t, 1) == '+')
        t->why = "a repeat has nothing to repeat";
    else if (peek(t, 1) == '?' && !(peek(t, 2) > 0 && strchr(":=!", peek(t, 2))))
        t->why = "a group of a kind that is not in ECMAScript's syntax";
    else
        keep(t, peek(t, 1) == '?' ? 3 : 1);
}

/* Length of a repeat at the current position, or 0; a brace that is none is an error. */
static size_t repeat_length(ecma *t)
{
    int c = peek(t, 0);
    size_t n = 1;
    if (c == '*' || c == '+' || c == '?')
        return 1;
    if (c != '{')
        return 0;
    while (is_digit(peek(t, n)))
        n++;
    bool counted = n > 1;
    if (peek(t, n) == ',')
        n++;
    while (is_digit(peek(t, n)))
        n++;
    if (!counted || peek(t, n) != '}')
        t->why = "a brace is no repeat";
    return n + 1;
}

static void repeat(ecma *t, size_t n)
{
    if (!t->repeatable) {
        t->why = "a repeat has nothing to repeat";
        return;
    }
    keep(t, n);
    if (peek(t, 0) == '?')
        keep(t, 1);
    t->repeatable = false;
    if (!t->why && repeat_length(t))
        t->why = "repeats of repeats are not supported";
}

const char *regex_from_ecma(sib_str in, char *out, size_t *n, size_t *at)
{
    ecma t = {.in = in, .out = out};
    while (t.at < in.length && !t.why) {
        int c = peek(&t, 0);
        size_t repeated = repeat_length(&t);
        if (t.why)
            break;
        if (repeated) {
            repeat(&t, repeated);
            continue;
        }
        t.repeatable = c != '(' && c != '|' && c != '^' && c != '$';
        if (c == '\\')
            escape(&t, false);
        else if (c == '[')
            character_class(&t);
        else if (c == '(')
            group(&t);
        else if (c == '.' || c == '^' || c == '$') {
            emit(&t, c == '.' ? "[^\\n\\r]" : c == '^' ? "\\A" : "\\z");
            t.at++;
        } else
            keep(&t, 1);
    }
    *n = t.n;
    *at = t.at;
    return t.why;
}
