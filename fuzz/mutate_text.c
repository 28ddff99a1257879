/* Texts: JSON, templates, grammars, regular expressions, designs. */
#include "mutate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct text {
    uint8_t *data; /* (n) with room for `room` */
    size_t n, room;
    uint64_t random;
} text;

typedef struct range {
    size_t begin, end;
} range;

static size_t below(text *t, size_t n)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return n ? (size_t)((t->random >> 11) % n) : 0;
}

static bool replace(text *t, range at, const uint8_t *with, size_t n)
{
    if (t->n - (at.end - at.begin) + n > t->room)
        return false;
    memmove(t->data + at.begin + n, t->data + at.end, t->n - at.end);
    if (n)
        memcpy(t->data + at.begin, with, n);
    t->n += n - (at.end - at.begin);
    return true;
}

/* ---- Tokens ---------------------------------------------------------------------------------------------- */

typedef enum token_kind { TOKEN_MARK, TOKEN_WORD, TOKEN_NUMBER, TOKEN_STRING } token_kind;

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_number(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == '.';
}

static token_kind kind_at(const uint8_t *data, size_t at)
{
    uint8_t c = data[at];
    return c == '"' || c == '\'' ? TOKEN_STRING
           : is_word(c)          ? TOKEN_WORD
           : is_number(c)        ? TOKEN_NUMBER
                                 : TOKEN_MARK;
}

/* The end of the token that begins at `at`. */
static size_t token_end(const uint8_t *data, size_t n, size_t at)
{
    uint8_t first = data[at];
    token_kind kind = kind_at(data, at);
    size_t end = at + 1;
    if (kind == TOKEN_STRING) {
        while (end < n && data[end] != first && data[end] != '\n')
            end += data[end] == '\\' && end + 1 < n ? 2 : 1;
        return end < n ? end + 1 : n;
    }
    while (kind != TOKEN_MARK && end < n &&
           (is_number(data[end]) || (kind == TOKEN_WORD && is_word(data[end]))))
        end++;
    return end;
}

/* A random token of a kind (-1: any). False where there is none. */
static bool find_token(text *t, const uint8_t *data, size_t n, int kind, range *out)
{
    size_t seen = 0;
    for (size_t at = 0, end; at < n; at = end) {
        end = token_end(data, n, at);
        if (data[at] > ' ' && (kind < 0 || (int)kind_at(data, at) == kind) && below(t, ++seen) == 0)
            *out = (range){at, end};
    }
    return seen > 0;
}

/* What stands in a random pair of brackets, with them. */
static bool find_brackets(text *t, const uint8_t *data, size_t n, range *out)
{
    size_t seen = 0;
    bool found = false;
    for (size_t at = 0; at < n; at++)
        if (strchr("{[(", data[at]) && data[at] && below(t, ++seen) == 0)
            out->begin = at, found = true;
    if (!found)
        return false;
    size_t depth = 0;
    for (out->end = out->begin; out->end < n; out->end = token_end(data, n, out->end)) {
        uint8_t c = data[out->end];
        depth += c == '{' || c == '[' || c == '(';
        if ((c == '}' || c == ']' || c == ')') && --depth == 0) {
            out->end++;
            return true;
        }
    }
    return false;
}

/* ---- Changes --------------------------------------------------------------------------------------------- */

static bool put(text *t, range at, const char *word)
{
    return replace(t, at, (const uint8_t *)word, strlen(word));
}

static void extreme_number(text *t)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "2",
                                          "3",
                                          "255",
                                          "65536",
                                          "2147483647",
                                          "2147483648",
                                          "4294967296",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "18446744073709551616",
                                          "1e308",
                                          "1e999",
                                          "-0.0",
                                          "0.5",
                                          "1e-320",
                                          "1000000007",
                                          "007",
                                          "64",
                                          "128"};
    range at;
    if (find_token(t, t->data, t->n, TOKEN_NUMBER, &at))
        put(t, at, numbers[below(t, sizeof numbers / sizeof *numbers)]);
}

/* A token in place of another one of its kind, or of any. */
static void exchange_token(text *t, const uint8_t *other, size_t n_other)
{
    range at, from;
    uint8_t copy[512];
    if (!find_token(t, t->data, t->n, -1, &at))
        return;
    int kind = below(t, 5) ? (int)kind_at(t->data, at.begin) : -1;
    if (!find_token(t, other, n_other, kind, &from) || from.end - from.begin > sizeof copy)
        return;
    memcpy(copy, other + from.begin, from.end - from.begin);
    if (below(t, 4) == 0)
        at.end = at.begin; /* before it */
    replace(t, at, copy, from.end - from.begin);
}

static void change_brackets(text *t, const uint8_t *other, size_t n_other)
{
    range at, from;
    if (!find_brackets(t, t->data, t->n, &at))
        return;
    size_t kind = below(t, 4);
    if (kind == 0) { /* without what is in them, or without them */
        bool all = below(t, 2);
        replace(t, all ? at : (range){at.begin + 1, at.end - 1}, NULL, 0);
        return;
    }
    if (kind == 1) { /* inside themselves */
        from = at;
        at.end = ++at.begin;
        other = t->data;
    } else if (!find_brackets(t, other, n_other, &from))
        return;
    size_t n = from.end - from.begin;
    uint8_t *copy = malloc(n);
    if (!copy)
        return;
    memcpy(copy, other + from.begin, n);
    if (kind == 3)
        at.end = at.begin;
    replace(t, at, copy, n);
    free(copy);
}

/* A line, or a part between two commas, removed or repeated. */
static void change_part(text *t)
{
    uint8_t border = below(t, 2) ? ',' : '\n';
    size_t begin = below(t, t->n), end;
    while (begin > 0 && t->data[begin - 1] != border)
        begin--;
    for (end = begin; end < t->n && t->data[end] != border; end++) {
    }
    end += end < t->n;
    uint8_t copy[1024];
    if (end - begin > sizeof copy)
        return;
    memcpy(copy, t->data + begin, end - begin);
    if (below(t, 2))
        replace(t, (range){begin, end}, NULL, 0);
    else
        replace(t, (range){end, end}, copy, end - begin);
}

static void change_byte(text *t)
{
    static const char marks[] = "{}[]()<>\"'\\|*+?.,:;=-/$#@%&!^~ \n\t\0\x7F\x80\xFF";
    size_t at = below(t, t->n + 1);
    uint8_t with = (uint8_t)marks[below(t, sizeof marks - 1)];
    replace(t, (range){at, at + (at < t->n && below(t, 2))}, &with, 1);
}

size_t mutate_text(uint8_t *data, size_t n, size_t room, const uint8_t *other, size_t n_other, unsigned seed)
{
    text t = {data, n, room, ((uint64_t)seed << 16) + UINT64_C(0x9E3779B97F4A7C15)};
    for (size_t times = 1 + below(&t, 4); times > 0 && t.n > 0; times--) {
        /* the text itself where there is no other one */
        const uint8_t *from = other ? other : t.data;
        size_t n_from = other ? n_other : t.n;
        switch (below(&t, 8)) {
        case 0:
            extreme_number(&t);
            break;
        case 1:
        case 2:
        case 3:
            exchange_token(&t, from, n_from);
            break;
        case 4:
        case 5:
            change_brackets(&t, from, n_from);
            break;
        case 6:
            change_part(&t);
            break;
        default:
            change_byte(&t);
        }
    }
    return t.n;
}

size_t mutate_safetensors(uint8_t *data, size_t n, size_t room, const uint8_t *other, size_t n_other,
                          unsigned seed)
{
    uint64_t length = 0;
    if (n > 8)
        memcpy(&length, data, 8);
    if (length == 0 || length > n - 8)
        return mutate_text(data, n, room, other, n_other, seed);
    size_t rest = n - 8 - (size_t)length;
    uint8_t *elements = malloc(rest + 1);
    if (!elements || room < rest + 9) {
        free(elements);
        return n;
    }
    memcpy(elements, data + 8 + length, rest);
    length = mutate_text(data + 8, (size_t)length, room - 8 - rest, n_other > 8 ? other + 8 : NULL,
                         n_other > 8 ? n_other - 8 : 0, seed);
    memcpy(data, &length, 8);
    memcpy(data + 8 + length, elements, rest);
    free(elements);
    return 8 + (size_t)length + rest;
}
