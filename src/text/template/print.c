/* Values as Python's str and repr write them. */
#include "base/size.h"
#include "text/chars/chars.h"
#include "text/chars/utf8.h"
#include "text/template/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void float_text(double x, char out[40])
{
    char digits[32];
    int exponent = 0, n = 1;
    if (!isfinite(x)) {
        snprintf(out, 40, "%s", isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
        return;
    }
    do
        snprintf(digits, sizeof digits, "%.*e", n - 1, x);
    while (strtod(digits, NULL) != x && n++ < 17);
    char *e = strchr(digits, 'e');
    exponent = atoi(e + 1);
    *e = 0;
    if (exponent < -4 || exponent >= 16)
        snprintf(out, 40, "%.25se%+03d", digits, exponent);
    else
        snprintf(out, 40, "%.*f", n - 1 > exponent ? n - 1 - exponent : 1, x);
}

/* As repr writes a text: in single quotes unless these are the only ones in it. */
static void print_quoted(run *r, byte_buffer *b, sib_str s)
{
    static const char from[] = "\n\r\t\\", *const to[] = {"\\n", "\\r", "\\t", "\\\\"};
    bool single = memchr(s.data, 0x27, s.length), both = memchr(s.data, 0x22, s.length);
    char quote = single && !both ? '"' : '\'';
    buf_add(b, &quote, 1, r->err);
    for (size_t i = 0, n; i < s.length && b->code == SIB_OK; i += n) {
        uint32_t c = utf8_next(s.data + i, s.length - i, &n);
        const char *known = c && c < 128 ? strchr(from, (int)c) : NULL;
        if (known)
            buf_add_text(b, to[known - from], r->err);
        else if (c == (uint32_t)quote)
            buf_printf(b, r->err, "\\%c", quote);
        else if (c < 32 || (c >= 127 && c < 0xa1) || c == 0xad)
            buf_printf(b, r->err, "\\x%02x", (unsigned)c);
        else
            buf_add(b, s.data + i, n, r->err);
    }
    buf_add(b, &quote, 1, r->err);
}

static void print_list(run *r, byte_buffer *b, value v)
{
    buf_add_text(b, v.tuple ? "(" : "[", r->err);
    for (size_t i = 0; i < v.list->n && r->code == SIB_OK; i++) {
        buf_add_text(b, i ? ", " : "", r->err);
        print_repr(r, b, v.list->items[i]);
    }
    buf_add_text(b, v.tuple ? v.list->n == 1 ? ",)" : ")" : "]", r->err);
}

static void print_dict(run *r, byte_buffer *b, const value_dict *d)
{
    buf_add_text(b, "{", r->err);
    for (size_t i = 0; i < d->n && r->code == SIB_OK; i++) {
        buf_add_text(b, i ? ", " : "", r->err);
        print_repr(r, b, d->keys[i]);
        buf_add_text(b, ": ", r->err);
        print_repr(r, b, d->values[i]);
    }
    buf_add_text(b, "}", r->err);
}

void print_repr(run *r, byte_buffer *b, value v)
{
    char number[40];
    if (!tpl_charge(r, 1) || !tpl_enter(r))
        return;
    switch (v.kind) {
    case VALUE_UNDEFINED:
        buf_add_text(b, "Undefined", r->err);
        break;
    case VALUE_NONE:
        buf_add_text(b, "None", r->err);
        break;
    case VALUE_BOOL:
        buf_add_text(b, v.flag ? "True" : "False", r->err);
        break;
    case VALUE_INT:
        buf_printf(b, r->err, "%lld", (long long)v.integer);
        break;
    case VALUE_FLOAT:
        float_text(v.number, number);
        buf_add_text(b, number, r->err);
        break;
    case VALUE_TEXT:
        print_quoted(r, b, v.text);
        break;
    case VALUE_LIST:
        print_list(r, b, v);
        break;
    case VALUE_DICT:
        print_dict(r, b, v.dict);
        break;
    default:
        tpl_fail(r, SIB_ERR_UNSUPPORTED, "%s cannot be printed", tpl_kind_name(v));
    }
    tpl_leave(r);
    if (b->code != SIB_OK && r->code == SIB_OK)
        r->code = b->code;
}

void print_value(run *r, byte_buffer *b, value v)
{
    if (v.kind == VALUE_TEXT)
        buf_add_str(b, v.text, r->err);
    else if (v.kind != VALUE_UNDEFINED)
        print_repr(r, b, v);
}

sib_str tpl_str(run *r, value v)
{
    if (v.kind == VALUE_TEXT)
        return v.text;
    byte_buffer b = {.max = MAX_OUTPUT};
    print_value(r, &b, v);
    v = tpl_made(r, &b);
    return v.kind == VALUE_TEXT ? v.text : (sib_str){"", 0};
}
