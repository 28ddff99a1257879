/* Filters of single values: numbers, defaults, indents; and where filters are found. */
#include "base/size.h"
#include "text/template/characters.h"
#include "text/template/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static value filter_length(run *r, call *c)
{
    switch (c->self.kind) {
    case VALUE_TEXT:
        return value_int((int64_t)characters(c->self.text));
    case VALUE_LIST:
        return value_int((int64_t)c->self.list->n);
    case VALUE_DICT:
        return value_int((int64_t)c->self.dict->n);
    case VALUE_UNDEFINED:
        return value_int(0);
    default:
        return tpl_fail(r, SIB_ERR_VALUE, "%s has no length", tpl_kind_name(c->self));
    }
}

static value filter_default(run *r, call *c)
{
    (void)r;
    bool missing = c->self.kind == VALUE_UNDEFINED || (call_true(c, 1, false) && !value_true(c->self));
    return !missing ? c->self : c->has[0] ? c->args[0] : value_text(str_of(""));
}

/* A text as a number; false where it is none. */
static bool parse_number(sib_str s, double *out)
{
    char text[64], *end = text;
    while (s.length && space_at(s, 0))
        s = str_from(s, space_at(s, 0));
    size_t n = size_min(s.length, sizeof text - 1);
    if (n)
        memcpy(text, s.data, n);
    text[n] = 0;
    *out = strtod(text, &end);
    while (end < text + n && strchr(" \t\r\n", *end))
        end++;
    return end != text && end == text + n && n == s.length && !strpbrk(text, "xX()");
}

static value undefined_number(run *r, const call *c)
{
    return tpl_fail(r, SIB_ERR_VALUE, "'%.*s' is undefined", (int)size_min(c->self.text.length, 60),
                    c->self.text.data);
}

static value filter_int(run *r, call *c)
{
    double x = 0;
    int64_t i;
    value otherwise = c->has[0] ? c->args[0] : value_int(0);
    if (c->has[1])
        return tpl_fail(r, SIB_ERR_UNSUPPORTED, "'int' with a base is not built");
    if (value_integer(c->self, &i))
        return value_int(i);
    if (c->self.kind == VALUE_UNDEFINED)
        return undefined_number(r, c);
    bool number = c->self.kind == VALUE_FLOAT;
    if (number)
        x = c->self.number;
    else if (c->self.kind == VALUE_TEXT)
        number = parse_number(c->self.text, &x);
    return number && fabs(x) < 0x1p63 ? value_int((int64_t)x) : otherwise;
}

static value filter_float(run *r, call *c)
{
    if (c->self.kind == VALUE_UNDEFINED)
        return undefined_number(r, c);
    double x = value_is_number(c->self) ? value_number(c->self) : 0;
    if (value_is_number(c->self) || (c->self.kind == VALUE_TEXT && parse_number(c->self.text, &x)))
        return value_float(x);
    return c->has[0] ? c->args[0] : value_float(0);
}

static value filter_abs(run *r, call *c)
{
    int64_t i;
    if (value_integer(c->self, &i) && i != INT64_MIN)
        return value_int(i < 0 ? -i : i);
    if (c->self.kind != VALUE_FLOAT)
        return tpl_fail(r, SIB_ERR_VALUE, "%s has no absolute value", tpl_kind_name(c->self));
    return value_float(fabs(c->self.number));
}

/* Python rounds half to even, by the decimal digits of the number. */
static double round_common(double x, int64_t digits)
{
    char text[400];
    if (digits < 0)
        return nearbyint(x / pow(10, (double)-digits)) * pow(10, (double)-digits);
    snprintf(text, sizeof text, "%.*f", (int)digits, x);
    return strtod(text, NULL);
}

/* To tens, hundreds, ..., halves to even. */
static value round_whole(run *r, int64_t whole, int64_t digits)
{
    int64_t ten = 1;
    if (digits < -18)
        return tpl_fail(r, SIB_ERR_UNSUPPORTED, "'round' of an integer to more than 18 zeros is not built");
    for (; digits < 0; digits++)
        ten *= 10;
    int64_t rest = whole % ten, down = whole - rest, sign = whole < 0 ? -1 : 1, twice = 2 * rest * sign;
    bool up = twice > ten || (twice == ten && down / ten % 2);
    if (up && !i64_add(down, sign * ten, &down))
        return tpl_fail(r, SIB_ERR_SIZE, "an integer grows beyond 64 bits");
    return value_int(down);
}

static value filter_round(run *r, call *c)
{
    int64_t digits = call_int(r, c, 0, 0);
    sib_str method = call_text(r, c, 1, "common");
    if (!value_is_number(c->self))
        return tpl_fail(r, SIB_ERR_VALUE, "%s cannot be rounded", tpl_kind_name(c->self));
    double x = value_number(c->self), scale = pow(10, (double)digits);
    if (digits < -30 || digits > 30 || !isfinite(x))
        return tpl_fail(r, SIB_ERR_VALUE, "'round' takes -30 to 30 digits of a finite number");
    if (str_is(method, "common")) {
        int64_t whole; /* Python's round leaves it an int */
        if (!value_integer(c->self, &whole))
            return value_float(round_common(x, digits));
        return digits >= 0 ? value_int(whole) : round_whole(r, whole, digits);
    }
    if (!str_is(method, "ceil") && !str_is(method, "floor"))
        return tpl_fail(r, SIB_ERR_VALUE, "'round' knows common, ceil and floor");
    return value_float((str_is(method, "ceil") ? ceil(x * scale) : floor(x * scale)) / scale);
}

static value filter_string(run *r, call *c)
{
    return value_text(tpl_str(r, c->self));
}

enum { INDENT_WIDTH, INDENT_FIRST, INDENT_BLANK };

static value filter_indent(run *r, call *c)
{
    static const char blanks[] = "                                                                ";
    sib_str s = c->self.kind == VALUE_TEXT ? c->self.text : (sib_str){"", 0}, by = {blanks, 4};
    byte_buffer made = {.max = MAX_OUTPUT};
    if (c->self.kind != VALUE_TEXT)
        return tpl_fail(r, SIB_ERR_VALUE, "'indent' takes a text, and this is %s", tpl_kind_name(c->self));
    if (c->has[INDENT_WIDTH] && c->args[INDENT_WIDTH].kind == VALUE_TEXT)
        by = c->args[INDENT_WIDTH].text;
    else {
        int64_t n = call_int(r, c, INDENT_WIDTH, 4);
        if (n > (int64_t)sizeof blanks - 1)
            return tpl_fail(r, SIB_ERR_SIZE, "'indent' takes at most %zu", sizeof blanks - 1);
        by.length = n < 0 ? 0 : (size_t)n;
    }
    for (size_t at = 0, line = 0; at <= s.length && made.code == SIB_OK && tpl_charge(r, 1); line++) {
        size_t end = text_find(s, str_of("\n"), at);
        end = end == SIZE_MAX ? s.length : end;
        bool shown = line ? end > at || call_true(c, INDENT_BLANK, false) : call_true(c, INDENT_FIRST, false);
        if (shown)
            buf_add_str(&made, by, r->err);
        buf_add(&made, s.data + at, end - at + (end < s.length), r->err);
        at = end + 1;
    }
    return tpl_made(r, &made);
}

static const routine value_filters[] = {{"length", "", filter_length},
                                        {"count", "", filter_length},
                                        {"default", "| default_value boolean", filter_default},
                                        {"d", "| default_value boolean", filter_default},
                                        {"int", "| default base", filter_int},
                                        {"float", "| default", filter_float},
                                        {"abs", "", filter_abs},
                                        {"round", "| precision method", filter_round},
                                        {"string", "", filter_string},
                                        {"safe", "", filter_string},
                                        {"indent", "| width first blank", filter_indent},
                                        {0}};

const routine *filter_find(sib_str name)
{
    static const routine *const tables[] = {value_filters, text_filters, list_filters, json_filters};
    const routine *found = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !found; i++)
        found = routine_find(tables[i], name);
    return found;
}
