/* The filter tojson: as Python's json.dumps, whose options it has. */
#include "text/chars/utf8.h"
#include "text/template/run.h"

#include <math.h>
#include <stdio.h>

typedef struct writer {
    run *r;
    byte_buffer *out;
    sib_str item, key, indent; /* what stands between items, behind keys, in front of lines */
    bool lines, ascii, sort;
    unsigned depth;
} writer;

static void put(writer *w, const char *text)
{
    buf_add_text(w->out, text, w->r->err);
}

static void put_escaped(writer *w, uint32_t c)
{
    if (c >= 0x10000) {
        put_escaped(w, 0xd800 + ((c - 0x10000) >> 10));
        c = 0xdc00 + ((c - 0x10000) & 0x3ff);
    }
    buf_printf(w->out, w->r->err, "\\u%04x", (unsigned)c);
}

static void put_text(writer *w, sib_str s)
{
    static const char from[] = "\"\\\n\r\t\f\b", *const to[] = {"\\\"", "\\\\", "\\n", "\\r",
                                                                "\\t",  "\\f",  "\\b"};
    put(w, "\"");
    for (size_t i = 0, n; i < s.length && w->out->code == SIB_OK; i += n) {
        uint32_t c = utf8_next(s.data + i, s.length - i, &n);
        const char *known = c && c < 128 ? strchr(from, (int)c) : NULL;
        if (known)
            put(w, to[known - from]);
        else if (c < 32 || (c > 126 && w->ascii))
            put_escaped(w, c);
        else
            buf_add(w->out, s.data + i, n, w->r->err);
    }
    put(w, "\"");
}

static void put_value(writer *w, value v);

static void put_line(writer *w)
{
    if (!w->lines)
        return;
    put(w, "\n");
    for (unsigned i = 0; i < w->depth && w->out->code == SIB_OK; i++)
        buf_add_str(w->out, w->indent, w->r->err);
}

static void put_key(writer *w, value key)
{
    char number[40] = "null";
    if (key.kind == VALUE_TEXT) {
        put_text(w, key.text);
        return;
    }
    if (key.kind == VALUE_FLOAT)
        float_text(key.number, number);
    else if (key.kind == VALUE_INT)
        snprintf(number, sizeof number, "%lld", (long long)key.integer);
    else if (key.kind == VALUE_BOOL)
        snprintf(number, sizeof number, "%s", key.flag ? "true" : "false");
    else if (key.kind != VALUE_NONE)
        tpl_fail(w->r, SIB_ERR_VALUE, "%s is no key of JSON", tpl_kind_name(key));
    buf_printf(w->out, w->r->err, "\"%s\"", number);
}

/* n items of a list (keys NULL) or a mapping. */
static void put_items(writer *w, const value *keys, const value *values, size_t n)
{
    put(w, keys ? "{" : "[");
    w->depth++;
    for (size_t i = 0; i < n && w->r->code == SIB_OK; i++) {
        if (i)
            buf_add_str(w->out, w->item, w->r->err);
        put_line(w);
        if (keys) {
            put_key(w, keys[i]);
            buf_add_str(w->out, w->key, w->r->err);
        }
        put_value(w, values[i]);
    }
    w->depth--;
    if (n)
        put_line(w);
    put(w, keys ? "}" : "]");
}

static void put_dict(writer *w, const value_dict *d)
{
    static const value none;
    value *keys = w->sort ? tpl_take(w->r, d->n, sizeof *keys) : NULL,
          *values = tpl_take(w->r, d->n, sizeof *values);
    if (w->sort && keys && values && d->n) {
        memcpy(keys, d->keys, d->n * sizeof *keys);
        memcpy(values, d->values, d->n * sizeof *values);
        tpl_sort(w->r, keys, values, d->n, false);
    }
    if (w->r->code == SIB_OK)
        put_items(w, w->sort ? keys : d->n ? d->keys : &none, w->sort ? values : d->values, d->n);
}

static void put_number(writer *w, double x)
{
    char number[40];
    float_text(x, number);
    put(w, isnan(x) ? "NaN" : isinf(x) ? x > 0 ? "Infinity" : "-Infinity" : number);
}

static void put_value(writer *w, value v)
{
    if (!tpl_charge(w->r, 1) || !tpl_enter(w->r))
        return;
    switch (v.kind) {
    case VALUE_NONE:
        put(w, "null");
        break;
    case VALUE_BOOL:
        put(w, v.flag ? "true" : "false");
        break;
    case VALUE_INT:
        buf_printf(w->out, w->r->err, "%lld", (long long)v.integer);
        break;
    case VALUE_FLOAT:
        put_number(w, v.number);
        break;
    case VALUE_TEXT:
        put_text(w, v.text);
        break;
    case VALUE_LIST:
        put_items(w, NULL, v.list->items, v.list->n);
        break;
    case VALUE_DICT:
        put_dict(w, v.dict);
        break;
    default:
        tpl_fail(w->r, SIB_ERR_VALUE, "%s cannot be written as JSON", tpl_kind_name(v));
    }
    tpl_leave(w->r);
    if (w->out->code != SIB_OK && w->r->code == SIB_OK)
        w->r->code = w->out->code;
}

enum { JSON_ASCII, JSON_INDENT, JSON_SEPARATORS, JSON_SORT };

static void set_indent(writer *w, call *c)
{
    static const char blanks[] = "                                ";
    value v = c->args[JSON_INDENT];
    if (!c->has[JSON_INDENT] || v.kind == VALUE_NONE)
        return;
    w->lines = true;
    w->item = str_of(",");
    int64_t n = v.kind == VALUE_TEXT ? 0 : call_int(w->r, c, JSON_INDENT, 0);
    if (n > (int64_t)sizeof blanks - 1)
        tpl_fail(w->r, SIB_ERR_SIZE, "an indent is at most %zu", sizeof blanks - 1);
    else
        w->indent = v.kind == VALUE_TEXT ? v.text : (sib_str){blanks, n < 0 ? 0 : (size_t)n};
}

static value filter_tojson(run *r, call *c)
{
    byte_buffer out = {.max = MAX_OUTPUT};
    writer w = {.r = r,
                .out = &out,
                .item = str_of(", "),
                .key = str_of(": "),
                .ascii = call_true(c, JSON_ASCII, false),
                .sort = call_true(c, JSON_SORT, false)};
    set_indent(&w, c);
    value parts = c->args[JSON_SEPARATORS];
    if (c->has[JSON_SEPARATORS] && parts.kind != VALUE_NONE) {
        if (parts.kind != VALUE_LIST || parts.list->n != 2 || parts.list->items[0].kind != VALUE_TEXT ||
            parts.list->items[1].kind != VALUE_TEXT)
            return tpl_fail(r, SIB_ERR_VALUE, "separators of tojson must be two texts");
        w.item = parts.list->items[0].text;
        w.key = parts.list->items[1].text;
    }
    put_value(&w, c->self);
    return tpl_made(r, &out);
}

const routine json_filters[] = {{"tojson", "| ensure_ascii indent separators sort_keys", filter_tojson}, {0}};
