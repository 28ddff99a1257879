#include "text/template/run.h"

#include "base/cancel.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- Failing, limits, memory ---------------------------------------------------------------------------- */

value tpl_fail(run *r, sib_code code, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (r->code == SIB_OK)
        r->code = err_set(r->err, code, "the chat template, line %u: %s", (unsigned)r->line, text);
    return value_undefined((sib_str){"", 0});
}

bool tpl_charge(run *r, uint64_t steps)
{
    r->steps += steps;
    if (r->steps > MAX_STEPS)
        tpl_fail(r, SIB_ERR_SIZE, "rendering takes too many steps");
    else if (cancel_is_set(r->cancel))
        tpl_fail(r, SIB_ERR_CANCELLED, "cancelled");
    return r->code == SIB_OK;
}

bool tpl_enter(run *r)
{
    if (r->depth >= MAX_DEPTH)
        tpl_fail(r, SIB_ERR_SIZE, "calls or values are nested too deep");
    r->depth += r->code == SIB_OK;
    return r->code == SIB_OK;
}

void tpl_leave(run *r)
{
    r->depth--;
}

void *tpl_take(run *r, size_t n, size_t size)
{
    void *taken = r->code == SIB_OK ? tpl_arena_take(r->a, n, size, r->err) : NULL;
    if (!taken && r->code == SIB_OK)
        r->code = r->err->code;
    return taken;
}

value tpl_text(run *r, const char *data, size_t n)
{
    char *copy = tpl_take(r, n + 1, 1);
    if (!copy)
        return value_none();
    tpl_charge(r, n / 64);
    if (n)
        memcpy(copy, data, n);
    return value_text((sib_str){copy, n});
}

value tpl_made(run *r, byte_buffer *b)
{
    if (b->code != SIB_OK && r->code == SIB_OK)
        r->code = b->code;
    value v = r->code == SIB_OK ? tpl_text(r, b->data, b->n) : value_none();
    buf_free(b);
    return v;
}

value tpl_undefined(run *r, value v)
{
    return tpl_fail(r, SIB_ERR_VALUE, "'%.*s' is undefined", (int)size_min(v.text.length, 60), v.text.data);
}

/* ---- Values --------------------------------------------------------------------------------------------- */

bool value_true(value v)
{
    switch (v.kind) {
    case VALUE_BOOL:
        return v.flag;
    case VALUE_INT:
        return v.integer != 0;
    case VALUE_FLOAT:
        return v.number != 0;
    case VALUE_TEXT:
        return v.text.length != 0;
    case VALUE_LIST:
        return v.list->n != 0;
    case VALUE_DICT:
        return v.dict->n != 0;
    case VALUE_NAMESPACE:
    case VALUE_CALL:
        return true;
    default:
        return false;
    }
}

const char *tpl_kind_name(value v)
{
    static const char *const names[] = {
        "an undefined value", "none",        "a bool",    "an integer", "a float", "a text", "a list",
        "a mapping",          "a namespace", "a function"};
    return names[v.kind];
}

value_list *tpl_list(run *r, size_t n)
{
    value_list *l = tpl_take(r, 1, sizeof *l);
    value *items = l && tpl_charge(r, n / 16) ? tpl_take(r, n, sizeof *items) : NULL;
    if (items)
        *l = (value_list){n, items};
    return items ? l : NULL;
}

value value_of_list(const value_list *l)
{
    return l ? (value){.kind = VALUE_LIST, .list = l} : value_none();
}

value tpl_dict(run *r)
{
    value_dict *d = tpl_take(r, 1, sizeof *d);
    return d ? (value){.kind = VALUE_DICT, .dict = d} : value_none();
}

value tpl_pair(run *r, value a, value b)
{
    value_list *l = tpl_list(r, 2);
    if (l) {
        l->items[0] = a;
        l->items[1] = b;
    }
    value v = value_of_list(l);
    v.tuple = true;
    return v;
}
