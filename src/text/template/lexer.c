#include "text/template/lexer.h"

#include "base/array.h"
#include "base/error.h"
#include "base/size.h"
#include "text/chars/utf8.h"
#include "text/template/characters.h"

#include <stdlib.h>

typedef struct lexer {
    sib_str s; /* ends of lines are \n */
    size_t at;
    uint32_t line;
    size_t counted; /* byte up to which lines are counted */
    unsigned open;  /* brackets within a tag */
    arena *a;
    token_list *out;
    sib_code code;
    sib_error *err;
} lexer;

static void count_lines(lexer *l, size_t to)
{
    for (; l->counted < to; l->counted++)
        l->line += l->s.data[l->counted] == '\n';
}

static bool fail(lexer *l, const char *what)
{
    count_lines(l, size_min(l->at, l->s.length));
    if (l->code == SIB_OK)
        l->code = err_set(l->err, SIB_ERR_FORMAT, "the chat template, line %u: %s", (unsigned)l->line, what);
    return false;
}

static bool push(lexer *l, token_kind kind, sib_str text, size_t at)
{
    count_lines(l, at);
    l->code = ARRAY_PUSH(l->out->items, l->out->n, l->out->capacity, "a chat template", l->err,
                         (token){.kind = kind, .line = l->line, .text = text});
    return l->code == SIB_OK;
}

static bool stands(const lexer *l, size_t at, const char *what)
{
    size_t n = strlen(what);
    return l->s.length - at >= n && !memcmp(l->s.data + at, what, n);
}

static size_t skip_blanks(const lexer *l, size_t at)
{
    size_t n;
    while ((n = space_at(l->s, at)))
        at += n;
    return at;
}

/* ---- Text between tags ---------------------------------------------------------------------------------- */

/* The next tag's beginning, or the text's end. */
static size_t find_tag(const lexer *l)
{
    for (size_t at = l->at; at + 1 < l->s.length; at++)
        if (l->s.data[at] == '{' && strchr("{%#", l->s.data[at + 1]) && l->s.data[at + 1])
            return at;
    return l->s.length;
}

/* Where the text before a tag at `tag` ends: sign is what follows the tag's two characters. */
static size_t text_end(const lexer *l, size_t tag, char sign, bool print)
{
    size_t end = tag, n;
    if (sign == '-') {
        while (end > l->at && (n = space_before(l->s, end)) && n <= end - l->at)
            end -= n;
        return end;
    }
    if (sign == '+' || print)
        return tag;
    while (end > l->at && l->s.data[end - 1] != '\n' && (n = space_before(l->s, end)))
        end -= n;
    bool line_start = !end || l->s.data[end - 1] == '\n';
    return line_start ? end : tag;
}

/* Consumes "%}" and the like at `at` with what it trims. Returns false where none stands there. */
static bool tag_end(lexer *l, const char *end, bool trim)
{
    char sign = l->at < l->s.length ? l->s.data[l->at] : 0;
    bool strips = sign == '-' && stands(l, l->at + 1, end);
    bool keeps = sign == '+' && trim && stands(l, l->at + 1, end);
    if (!strips && !keeps && !stands(l, l->at, end))
        return false;
    l->at += strips || keeps ? 3 : 2;
    if (strips)
        l->at = skip_blanks(l, l->at);
    else if (trim && !keeps && stands(l, l->at, "\n"))
        l->at++;
    return true;
}

static bool comment(lexer *l)
{
    while (l->at < l->s.length) {
        if (tag_end(l, "#}", true))
            return true;
        l->at++;
    }
    return fail(l, "a comment {# does not end");
}

/* Whether "raw %}" stands behind the opening of a block; then l->at is behind it. */
static bool raw_begins(lexer *l)
{
    size_t at = skip_blanks(l, l->at);
    if (!stands(l, at, "raw"))
        return false;
    at = skip_blanks(l, at + 3);
    bool strips = stands(l, at, "-%}");
    if (!strips && !stands(l, at, "%}"))
        return false;
    l->at = strips ? skip_blanks(l, at + 3) : at + 2;
    return true;
}

static bool raw_text(lexer *l)
{
    size_t begin = l->at;
    for (size_t at = begin; at + 1 < l->s.length; at++) {
        if (!stands(l, at, "{%"))
            continue;
        char sign = at + 2 < l->s.length ? l->s.data[at + 2] : 0;
        bool has_sign = sign == '-' || sign == '+';
        size_t name = skip_blanks(l, at + 2 + has_sign), end = text_end(l, at, sign, false);
        if (!stands(l, name, "endraw"))
            continue;
        size_t back = l->at;
        l->at = skip_blanks(l, name + 6);
        if (tag_end(l, "%}", true))
            return push(l, TOKEN_TEXT, (sib_str){l->s.data + begin, end - begin}, begin);
        l->at = back;
    }
    return fail(l, "{% raw %} without {% endraw %}");
}

/* ---- Within tags ---------------------------------------------------------------------------------------- */

/* Digits in a base, as Python's literals have them. Returns the value, -1 where there is none. */
static int64_t digits(sib_str s, size_t *at, unsigned base)
{
    int64_t sum = -1;
    for (; *at < s.length; ++*at) {
        char c = s.data[*at];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 99;
        if (d >= base)
            return sum;
        if (sum > 0x10ffffff)
            return -1;
        sum = (sum < 0 ? 0 : sum) * base + d;
    }
    return sum;
}

/* The character of an escape of `n` digits at *at, or -1. */
static int64_t coded(sib_str s, size_t *at, size_t n, unsigned base)
{
    size_t end = size_min(s.length, *at + n), used = *at;
    int64_t c = digits((sib_str){s.data, end}, &used, base);
    bool complete = base == 8 ? used > *at : used == *at + n;
    *at = used;
    return complete && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? c : -1;
}

/* Resolves one escape at *at, behind the backslash. Returns the bytes written, 0 with *wrong where it is none. */
static size_t escape(sib_str s, size_t *at, char out[4], bool *wrong)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = s.data[*at];
    const char *known = c ? strchr(from, c) : NULL;
    int64_t code;
    if (known) {
        ++*at;
        out[0] = to[known - from];
        return 1;
    }
    if (c == '\n') {
        ++*at;
        return 0;
    }
    if (c == 'x' || c == 'u' || c == 'U') {
        ++*at;
        code = coded(s, at, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
    } else if (c >= '0' && c <= '7')
        code = coded(s, at, 3, 8);
    else {
        out[0] = '\\'; /* Python keeps what it does not know */
        return 1;
    }
    *wrong = code < 0;
    return code < 0 ? 0 : utf8_put((uint32_t)code, out);
}

static bool string(lexer *l)
{
    size_t begin = l->at++, n = 0;
    char quote = l->s.data[begin];
    while (l->at < l->s.length && l->s.data[l->at] != quote)
        l->at += l->s.data[l->at] == '\\' ? 2 : 1;
    if (l->at >= l->s.length) {
        l->at = begin;
        return fail(l, "a text in quotes does not end");
    }
    sib_str inside = {l->s.data + begin + 1, l->at - begin - 1};
    char *made = tpl_arena_take(l->a, 4 * inside.length + 4, 1, l->err);
    if (!made) {
        l->code = SIB_ERR_MEMORY;
        return false;
    }
    bool wrong = false;
    for (size_t at = 0; at < inside.length;)
        if (inside.data[at] != '\\')
            made[n++] = inside.data[at++];
        else {
            at++;
            n += escape(inside, &at, made + n, &wrong);
        }
    l->at++;
    return wrong ? fail(l, "an escape of a text names no character")
                 : push(l, TOKEN_STRING, (sib_str){made, n}, begin);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool number(lexer *l)
{
    char text[64];
    size_t n = 0, at = l->at, begin = at;
    bool real = false;
    for (; at < l->s.length && n < sizeof text - 1; at++) {
        char c = l->s.data[at];
        bool dot = c == '.' && !real && at + 1 < l->s.length && is_digit(l->s.data[at + 1]);
        bool exponent =
            (c == 'e' || c == 'E') && at + 1 < l->s.length &&
            (is_digit(l->s.data[at + 1]) ||
             (strchr("+-", l->s.data[at + 1]) && at + 2 < l->s.length && is_digit(l->s.data[at + 2])));
        if (!is_digit(c) && !dot && !exponent && c != '_')
            break;
        real = real || dot || exponent;
        if (c != '_')
            text[n++] = c;
        if (exponent)
            text[n++] = l->s.data[++at];
    }
    text[n] = 0;
    if (n >= sizeof text - 2 || !push(l, real ? TOKEN_FLOAT : TOKEN_INT, (sib_str){0}, begin))
        return fail(l, "a number has too many digits");
    token *t = &l->out->items[l->out->n - 1];
    l->at = at;
    if (real)
        t->number = strtod(text, NULL);
    else if (n > 18)
        return fail(l, "an integer is too large");
    else
        t->integer = strtoll(text, NULL, 10);
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name(lexer *l)
{
    size_t begin = l->at;
    while (l->at < l->s.length && (is_letter(l->s.data[l->at]) || is_digit(l->s.data[l->at])))
        l->at++;
    return push(l, TOKEN_NAME, (sib_str){l->s.data + begin, l->at - begin}, begin);
}

static bool sign(lexer *l)
{
    static const char *const signs[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "(",
                                        ")",  "[",  "]",  "{",  "}",  ">",  "<", "=", ".", ",", ":", "|"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!stands(l, l->at, signs[i]))
            continue;
        size_t begin = l->at;
        l->at += strlen(signs[i]);
        if (strchr("([{", *signs[i]))
            l->open++;
        else if (strchr(")]}", *signs[i]) && !l->open--)
            return fail(l, "a bracket closes that none opened");
        return push(l, TOKEN_SIGN, str_of(signs[i]), begin);
    }
    return fail(l, "a character that has no meaning in a tag");
}

/* From behind "{{" or "{%" to behind its end. */
static bool inside(lexer *l, bool print)
{
    l->open = 0;
    while (l->code == SIB_OK) {
        l->at = skip_blanks(l, l->at);
        size_t begin = l->at;
        if (l->at >= l->s.length)
            return fail(l, print ? "{{ without }}" : "{% without %}");
        char c = l->s.data[l->at];
        if (!l->open && tag_end(l, print ? "}}" : "%}", !print))
            return push(l, print ? TOKEN_PRINT_END : TOKEN_BLOCK_END, (sib_str){0}, begin);
        bool done = c == '\'' || c == '"' ? string(l)
                    : is_digit(c)         ? number(l)
                    : is_letter(c)        ? name(l)
                                          : sign(l);
        if (!done)
            return false;
    }
    return false;
}

static bool tag(lexer *l, size_t at)
{
    char kind = l->s.data[at + 1], sign = at + 2 < l->s.length ? l->s.data[at + 2] : 0;
    bool print = kind == '{', has_sign = sign == '-' || sign == '+';
    size_t end = text_end(l, at, sign, print);
    if (end > l->at && !push(l, TOKEN_TEXT, (sib_str){l->s.data + l->at, end - l->at}, l->at))
        return false;
    l->at = at + 2 + has_sign;
    if (kind == '#')
        return comment(l);
    if (!print && raw_begins(l))
        return raw_text(l);
    return push(l, print ? TOKEN_PRINT : TOKEN_BLOCK, (sib_str){0}, at) && inside(l, print);
}

/* The text with \n at the ends of lines, without that of its last line. */
static bool normalize(lexer *l, sib_str text)
{
    char *made = tpl_arena_take(l->a, text.length + 1, 1, l->err);
    size_t n = 0;
    for (size_t i = 0; made && i < text.length; i++)
        if (text.data[i] != '\r')
            made[n++] = text.data[i];
        else if (i + 1 == text.length || text.data[i + 1] != '\n')
            made[n++] = '\n';
    if (n && made[n - 1] == '\n')
        n--;
    l->s = (sib_str){made, n};
    if (!made)
        l->code = SIB_ERR_MEMORY;
    return made;
}

sib_code template_lex(sib_str text, arena *a, token_list *out, sib_error *err)
{
    lexer l = {.line = 1, .a = a, .out = out, .err = err};
    bool going = normalize(&l, text);
    for (size_t i = 0, n; going && i < l.s.length; i += n)
        if (utf8_next(l.s.data + i, l.s.length - i, &n) == UTF8_BROKEN)
            going = fail(&l, "bytes that are no UTF-8");
    while (going && l.at < l.s.length) {
        size_t at = find_tag(&l);
        if (at < l.s.length)
            going = tag(&l, at);
        else {
            going = push(&l, TOKEN_TEXT, str_from(l.s, l.at), l.at);
            l.at = at;
        }
    }
    if (going)
        push(&l, TOKEN_END, (sib_str){0}, l.s.length);
    return l.code;
}
