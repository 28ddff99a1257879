/* Functions that templates may call, those of `loop`, and tests ("is defined"). */
#include "base/size.h"
#include "text/template/characters.h"
#include "text/template/run.h"

#include <time.h>

/* ---- Functions ------------------------------------------------------------------------------------------ */

static value make_range(run *r, call *c)
{
    int64_t first = call_int(r, c, 0, 0), end = call_int(r, c, 1, 0), step = call_int(r, c, 2, 1);
    if (!c->has[1]) {
        end = first;
        first = 0;
    }
    if (!step || step < -MAX_RANGE || step > MAX_RANGE || first < -(INT64_MAX / 4) || first > INT64_MAX / 4 ||
        end < -(INT64_MAX / 4) || end > INT64_MAX / 4)
        return tpl_fail(r, SIB_ERR_VALUE, "'range' takes smaller numbers, and a step other than 0");
    int64_t n = step > 0 ? (end - first + step - 1) / step : (first - end - step - 1) / -step;
    if (n > MAX_RANGE)
        return tpl_fail(r, SIB_ERR_SIZE, "a range has at most %d items", MAX_RANGE);
    value_list *l = tpl_list(r, n < 0 ? 0 : (size_t)n);
    for (size_t i = 0; l && i < l->n; i++)
        l->items[i] = value_int(first + (int64_t)i * step);
    return value_of_list(l);
}

/* A mapping of the named arguments, after that of the first one. */
static value make_dict(run *r, call *c)
{
    value d = tpl_dict(r);
    if (c->n > 1 || (c->n && c->given[0].kind != VALUE_DICT))
        return tpl_fail(r, SIB_ERR_UNSUPPORTED, "'%s' takes a mapping, or arguments with names", c->name);
    for (size_t i = 0; c->n && r->code == SIB_OK && i < c->given[0].dict->n; i++)
        dict_set(r, d.dict, c->given[0].dict->keys[i], c->given[0].dict->values[i]);
    for (size_t i = 0; i < c->n_named && r->code == SIB_OK; i++)
        dict_set(r, d.dict, value_text(c->names[i]), c->given[c->n + i]);
    return d;
}

static value make_namespace(run *r, call *c)
{
    value d = make_dict(r, c);
    if (r->code == SIB_OK)
        d.kind = VALUE_NAMESPACE;
    return d;
}

static value raise(run *r, call *c)
{
    sib_str message = tpl_str(r, c->args[0]);
    return tpl_fail(r, SIB_ERR_VALUE, "%.*s", (int)size_min(message.length, 200), message.data);
}

static value now(run *r, call *c)
{
    sib_str format = call_text(r, c, 0, "");
    char given[128], made[256];
    struct tm at;
    time_t t = time(NULL);
    if (format.length >= sizeof given || !localtime_r(&t, &at))
        return tpl_fail(r, SIB_ERR_SIZE, "'strftime_now' takes a format of less than 128 bytes");
    if (format.length)
        memcpy(given, format.data, format.length);
    given[format.length] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(made, sizeof made, given, &at);
#pragma GCC diagnostic pop
    return tpl_text(r, made, n);
}

const routine template_functions[] = {{"range", "start | stop step", make_range},
                                      {"dict", NULL, make_dict},
                                      {"namespace", NULL, make_namespace},
                                      {"raise_exception", "message", raise},
                                      {"strftime_now", "format", now},
                                      {0}};

/* ---- loop ----------------------------------------------------------------------------------------------- */

static value loop_cycle(run *r, call *c)
{
    const value *index = dict_named(c->self.dict, str_of("index0"));
    if (!c->n || !index)
        return tpl_fail(r, SIB_ERR_VALUE, "'cycle' takes values");
    return c->given[(size_t)index->integer % c->n];
}

static value loop_changed(run *r, call *c)
{
    static const char name[] = " changed"; /* a name that no template can read */
    value_list *l = tpl_list(r, c->n);
    value v = value_of_list(l), *before = dict_named(c->self.dict, str_of(name));
    if (l && c->n)
        memcpy(l->items, c->given, c->n * sizeof *l->items);
    bool changed = !before || !tpl_equal(r, *before, v);
    if (r->code == SIB_OK)
        dict_set(r, c->self.dict, value_text(str_of(name)), v);
    return value_bool(changed);
}

const routine loop_methods[] = {{"cycle", NULL, loop_cycle}, {"changed", NULL, loop_changed}, {0}};

/* ---- Tests ---------------------------------------------------------------------------------------------- */

static value is_defined(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind != VALUE_UNDEFINED);
}

static value is_undefined(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_UNDEFINED);
}

static value is_none(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_NONE);
}

static value is_true(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_BOOL && c->self.flag);
}

static value is_false(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_BOOL && !c->self.flag);
}

static value is_boolean(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_BOOL);
}

static value is_string(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_TEXT);
}

static value is_number(run *r, call *c)
{
    (void)r;
    return value_bool(value_is_number(c->self));
}

static value is_integer(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_INT);
}

static value is_float(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_FLOAT);
}

static value is_mapping(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_DICT);
}

/* Sequences have a length and items: Jinja counts mappings and texts, and what is undefined. */
static value is_sequence(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_TEXT || c->self.kind == VALUE_LIST ||
                      c->self.kind == VALUE_DICT || c->self.kind == VALUE_UNDEFINED);
}

static value is_callable(run *r, call *c)
{
    (void)r;
    return value_bool(c->self.kind == VALUE_CALL || c->self.kind == VALUE_UNDEFINED);
}

static value parity(run *r, call *c, int64_t by, int64_t rest)
{
    value left = tpl_operate(r, OP_MODULO, c->self, value_int(by));
    return value_bool(tpl_equal(r, left, value_int(rest)));
}

static value is_odd(run *r, call *c)
{
    return parity(r, c, 2, 1);
}

static value is_even(run *r, call *c)
{
    return parity(r, c, 2, 0);
}

static value is_divisible(run *r, call *c)
{
    return parity(r, c, call_int(r, c, 0, 1), 0);
}

static value is_upper(run *r, call *c)
{
    call inner = {.self = c->self};
    value text = value_text(tpl_str(r, c->self)),
          upper = tpl_routine(r, routine_find(text_methods, str_of("upper")), &inner);
    call again = {.self = c->self};
    value lower = tpl_routine(r, routine_find(text_methods, str_of("lower")), &again);
    return value_bool(tpl_equal(r, text, upper) && !tpl_equal(r, text, lower));
}

static value is_lower(run *r, call *c)
{
    call inner = {.self = c->self};
    value text = value_text(tpl_str(r, c->self)),
          upper = tpl_routine(r, routine_find(text_methods, str_of("upper")), &inner);
    call again = {.self = c->self};
    value lower = tpl_routine(r, routine_find(text_methods, str_of("lower")), &again);
    return value_bool(tpl_equal(r, text, lower) && !tpl_equal(r, text, upper));
}

static value is_eq(run *r, call *c)
{
    return value_bool(tpl_compare(r, OP_EQUAL, c->self, c->args[0]));
}

static value is_ne(run *r, call *c)
{
    return value_bool(tpl_compare(r, OP_UNEQUAL, c->self, c->args[0]));
}

static value is_lt(run *r, call *c)
{
    return value_bool(tpl_compare(r, OP_LESS, c->self, c->args[0]));
}

static value is_le(run *r, call *c)
{
    return value_bool(tpl_compare(r, OP_LESS_EQUAL, c->self, c->args[0]));
}

static value is_gt(run *r, call *c)
{
    return value_bool(tpl_compare(r, OP_GREATER, c->self, c->args[0]));
}

static value is_ge(run *r, call *c)
{
    return value_bool(tpl_compare(r, OP_GREATER_EQUAL, c->self, c->args[0]));
}

static value is_in(run *r, call *c)
{
    return value_bool(tpl_compare(r, OP_IN, c->self, c->args[0]));
}

const routine template_tests[] = {{"defined", "", is_defined},
                                  {"undefined", "", is_undefined},
                                  {"none", "", is_none},
                                  {"true", "", is_true},
                                  {"false", "", is_false},
                                  {"boolean", "", is_boolean},
                                  {"string", "", is_string},
                                  {"number", "", is_number},
                                  {"integer", "", is_integer},
                                  {"float", "", is_float},
                                  {"mapping", "", is_mapping},
                                  {"sequence", "", is_sequence},
                                  {"iterable", "", is_sequence},
                                  {"callable", "", is_callable},
                                  {"odd", "", is_odd},
                                  {"even", "", is_even},
                                  {"upper", "", is_upper},
                                  {"lower", "", is_lower},
                                  {"divisibleby", "num", is_divisible},
                                  {"eq", "other", is_eq},
                                  {"equalto", "other", is_eq},
                                  {"==", "other", is_eq},
                                  {"ne", "other", is_ne},
                                  {"!=", "other", is_ne},
                                  {"lt", "other", is_lt},
                                  {"lessthan", "other", is_lt},
                                  {"<", "other", is_lt},
                                  {"le", "other", is_le},
                                  {"<=", "other", is_le},
                                  {"gt", "other", is_gt},
                                  {"greaterthan", "other", is_gt},
                                  {">", "other", is_gt},
                                  {"ge", "other", is_ge},
                                  {">=", "other", is_ge},
                                  {"in", "seq", is_in},
                                  {0}};
