#include "onnx/text_lex.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- Failure ---------------------------------------------------------------------------------------------- */

sib_code text_fail(text_lexer *l, size_t at, const char *format, ...)
{
    char words[240];
    size_t line = 1, column = 1;
    va_list args;
    if (l->code != SIB_OK)
        return l->code;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    for (size_t i = 0; i < at && i < l->text.length; i++) {
        column = l->text.data[i] == '\n' ? 1 : column + 1;
        line += l->text.data[i] == '\n';
    }
    l->word.kind = TEXT_END;
    l->at = l->text.length;
    return l->code = err_set(l->err, SIB_ERR_FORMAT, "%.80s:%zu:%zu: %s", l->label, line, column, words);
}

sib_code text_no_memory(text_lexer *l)
{
    if (l->code == SIB_OK)
        l->code = err_memory(l->err, 0, "a function in text");
    l->word.kind = TEXT_END;
    l->at = l->text.length;
    return l->code;
}

/* ---- Words ------------------------------------------------------------------------------------------------ */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const text_lexer *l, size_t ahead)
{
    return l->text.length - l->at > ahead ? l->text.data[l->at + ahead] : '\0';
}

static void skip_blanks(text_lexer *l)
{
    while (l->at < l->text.length) {
        char c = l->text.data[l->at];
        if (c == '#')
            while (l->at < l->text.length && l->text.data[l->at] != '\n')
                l->at++;
        else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            l->at++;
        else
            break;
    }
}

static void read_name(text_lexer *l)
{
    l->word.kind = TEXT_NAME;
    while (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
        l->at++;
}

/* A sign, digits with a point and an exponent; inf and nan, signed or not, are floats too where a sign stands. */
static void read_number(text_lexer *l)
{
    l->word.kind = TEXT_INT;
    bool sign = peek(l, 0) == '-' || peek(l, 0) == '+';
    l->at += sign;
    if (sign && is_letter(peek(l, 0))) {
        read_name(l);
        l->word.kind = TEXT_FLOAT;
        return;
    }
    while (is_digit(peek(l, 0)))
        l->at++;
    if (peek(l, 0) == '.') {
        l->word.kind = TEXT_FLOAT;
        l->at++;
        while (is_digit(peek(l, 0)))
            l->at++;
    }
    if (peek(l, 0) == 'e' || peek(l, 0) == 'E') {
        l->word.kind = TEXT_FLOAT;
        l->at += peek(l, 1) == '-' || peek(l, 1) == '+' ? 2 : 1;
        while (is_digit(peek(l, 0)))
            l->at++;
    }
}

static void read_string(text_lexer *l)
{
    size_t begin = ++l->at, escapes = 0;
    while (l->at < l->text.length && l->text.data[l->at] != '"') {
        bool escape = l->text.data[l->at] == '\\';
        escapes += escape;
        l->at += escape ? 2 : 1;
    }
    if (l->at >= l->text.length) {
        text_fail(l, begin - 1, "a string has no end");
        return;
    }
    l->word.kind = TEXT_STRING;
    l->word.text = (sib_str){l->text.data + begin, l->at++ - begin};
    if (!escapes)
        return;
    char *plain = arena_alloc(l->arena, l->word.text.length, 1);
    size_t n = 0;
    if (!plain) {
        text_no_memory(l);
        return;
    }
    for (size_t i = 0; i < l->word.text.length; i++) {
        i += l->word.text.data[i] == '\\';
        plain[n++] = l->word.text.data[i];
    }
    l->word.text = (sib_str){plain, n};
}

static void read_word(text_lexer *l)
{
    skip_blanks(l);
    char c = peek(l, 0);
    l->word = (text_word){TEXT_END, {"", 0}, l->at};
    if (l->at >= l->text.length)
        return;
    if (c == '"') {
        read_string(l);
        return;
    }
    if (is_letter(c))
        read_name(l);
    else if (is_digit(c) ||
             ((c == '-' || c == '+') &&
              (is_digit(peek(l, 1)) || is_letter(peek(l, 1)) || peek(l, 1) == '.')) ||
             (c == '.' && is_digit(peek(l, 1))))
        read_number(l);
    else if (c == '=' && peek(l, 1) == '>') {
        l->word.kind = TEXT_ARROW;
        l->at += 2;
    } else {
        l->word.kind = TEXT_MARK;
        l->at++;
    }
    l->word.text = (sib_str){l->text.data + l->word.at, l->at - l->word.at};
}

void text_open(text_lexer *l, const char *label, sib_str text, graph_arena *arena, sib_error *err)
{
    *l = (text_lexer){.label = label, .text = text, .arena = arena, .err = err};
    read_word(l);
}

text_word text_next(text_lexer *l)
{
    text_word word = l->word;
    if (l->code == SIB_OK)
        read_word(l);
    return word;
}

bool text_is(const text_lexer *l, char mark)
{
    return l->word.kind == TEXT_MARK && *l->word.text.data == mark;
}

bool text_is_name(const text_lexer *l, const char *name)
{
    return l->word.kind == TEXT_NAME && str_is(l->word.text, name);
}

bool text_take(text_lexer *l, char mark)
{
    bool is = text_is(l, mark);
    if (is)
        text_next(l);
    return is;
}

void text_expect(text_lexer *l, char mark)
{
    if (!text_take(l, mark))
        text_fail(l, l->word.at, "expected '%c', not %s%.*s%s", mark,
                  l->word.kind == TEXT_END ? "the end" : "'",
                  (int)(l->word.text.length < 60 ? l->word.text.length : 60), l->word.text.data,
                  l->word.kind == TEXT_END ? "" : "'");
}
