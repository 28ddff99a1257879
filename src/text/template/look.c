/* What a name, key or path leads to in a value. */
#include "base/size.h"
#include "text/template/characters.h"
#include "text/template/run.h"

/* A built-in method, undefined where there is none. */
static value method(run *r, value of, sib_str name)
{
    const routine *table = of.kind == VALUE_TEXT   ? text_methods
                           : of.kind == VALUE_DICT ? dict_methods
                           : of.kind == VALUE_LIST ? list_methods
                                                   : NULL;
    const routine *found = table ? routine_find(table, name) : NULL;
    return found ? tpl_method(r, found, of) : value_undefined(name);
}

value tpl_attribute(run *r, value of, sib_str name)
{
    if (r->code != SIB_OK)
        return value_none();
    if (of.kind == VALUE_UNDEFINED)
        return tpl_undefined(r, of);
    value found = method(r, of, name);
    if (found.kind != VALUE_UNDEFINED || (of.kind != VALUE_DICT && of.kind != VALUE_NAMESPACE))
        return found;
    const value *v = dict_named(of.dict, name);
    return v ? *v : found;
}

/* The place of index i among n, SIZE_MAX out of range. */
static size_t place(int64_t i, size_t n)
{
    i += i < 0 ? (int64_t)n : 0;
    return i >= 0 && (size_t)i < n ? (size_t)i : SIZE_MAX;
}

static value one_character(run *r, sib_str s, int64_t i)
{
    size_t n = characters(s), at = tpl_charge(r, s.length / 64) ? place(i, n) : SIZE_MAX;
    if (at == SIZE_MAX)
        return value_undefined(str_of("item"));
    size_t begin = character_at(s, at), end = character_at(s, at + 1);
    return value_text((sib_str){s.data + begin, end - begin});
}

value tpl_item(run *r, value of, value key)
{
    int64_t i;
    if (r->code != SIB_OK)
        return value_none();
    if (of.kind == VALUE_UNDEFINED)
        return tpl_undefined(r, of);
    if (of.kind == VALUE_DICT || of.kind == VALUE_NAMESPACE) {
        const value *v = dict_find(r, of.dict, key);
        if (v)
            return *v;
    } else if (of.kind == VALUE_LIST && value_integer(key, &i)) {
        size_t at = place(i, of.list->n);
        return at == SIZE_MAX ? value_undefined(str_of("item")) : of.list->items[at];
    } else if (of.kind == VALUE_TEXT && value_integer(key, &i))
        return one_character(r, of.text, i);
    return key.kind == VALUE_TEXT ? method(r, of, key.text) : value_undefined(str_of("item"));
}

value tpl_path(run *r, value of, value path, const value *otherwise)
{
    if (path.kind != VALUE_TEXT) {
        of = tpl_item(r, of, path);
        return of.kind == VALUE_UNDEFINED && otherwise ? *otherwise : of;
    }
    for (size_t at = 0; at <= path.text.length && r->code == SIB_OK;) {
        size_t dot = text_find(path.text, str_of("."), at), end = dot == SIZE_MAX ? path.text.length : dot;
        sib_str part = {path.text.data + at, end - at};
        int64_t index = 0;
        bool digits = part.length && part.length < 10;
        for (size_t i = 0; digits && i < part.length; i++) {
            digits = part.data[i] >= '0' && part.data[i] <= '9';
            index = 10 * index + (part.data[i] - '0');
        }
        of = tpl_item(r, of, digits ? value_int(index) : value_text(part));
        of = of.kind == VALUE_UNDEFINED && otherwise ? *otherwise : of;
        at = end + 1;
    }
    return of;
}
