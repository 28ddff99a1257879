/* Equality, and what is found by it: keys of mappings, names in scopes. */
#include "text/template/run.h"

static bool same_lists(run *r, const value_list *a, const value_list *b)
{
    bool same = a->n == b->n && tpl_enter(r);
    bool entered = same;
    for (size_t i = 0; i < a->n && same; i++)
        same = tpl_equal(r, a->items[i], b->items[i]);
    if (entered)
        tpl_leave(r);
    return same;
}

static bool same_dicts(run *r, const value_dict *a, const value_dict *b)
{
    bool same = a->n == b->n && tpl_enter(r), entered = same;
    for (size_t i = 0; i < a->n && same; i++) {
        const value *other = dict_find(r, b, a->keys[i]);
        same = other && tpl_equal(r, a->values[i], *other);
    }
    if (entered)
        tpl_leave(r);
    return same;
}

bool tpl_equal(run *r, value a, value b)
{
    int64_t i, k;
    if (!tpl_charge(r, 1))
        return false;
    if (value_is_number(a) && value_is_number(b))
        return value_integer(a, &i) && value_integer(b, &k) ? i == k : value_number(a) == value_number(b);
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VALUE_TEXT:
        return tpl_charge(r, a.text.length / 64) && str_same(a.text, b.text);
    case VALUE_LIST:
        return same_lists(r, a.list, b.list);
    case VALUE_DICT:
        return same_dicts(r, a.dict, b.dict);
    case VALUE_NAMESPACE:
        return a.dict == b.dict;
    case VALUE_CALL:
        return a.call == b.call;
    default:
        return true;
    }
}

/* ---- Mappings and names ------------------------------------------------------------------------------- */

value *dict_named(const value_dict *d, sib_str name)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->keys[i].kind == VALUE_TEXT && str_same(d->keys[i].text, name))
            return &d->values[i];
    return NULL;
}

value *dict_find(run *r, const value_dict *d, value key)
{
    tpl_charge(r, d->n / 16);
    if (key.kind == VALUE_TEXT)
        return dict_named(d, key.text);
    for (size_t i = 0; i < d->n; i++)
        if (tpl_equal(r, d->keys[i], key))
            return &d->values[i];
    return NULL;
}

void dict_set(run *r, value_dict *d, value key, value v)
{
    value *found = dict_find(r, d, key);
    if (found) {
        *found = v;
        return;
    }
    if (!d->values || d->n == d->capacity) {
        size_t more = d->capacity ? 2 * d->capacity : 8;
        value *keys = tpl_take(r, more, sizeof *keys), *values = tpl_take(r, more, sizeof *values);
        if (!keys || !values)
            return;
        if (d->keys && d->values) {
            memcpy(keys, d->keys, d->n * sizeof *keys);
            memcpy(values, d->values, d->n * sizeof *values);
        }
        d->keys = keys;
        d->values = values;
        d->capacity = more;
    }
    d->keys[d->n] = key;
    d->values[d->n++] = v;
}

value tpl_name(const run *r, sib_str name)
{
    for (const scope *s = r->scope; s; s = s->above) {
        const value *v = dict_named(&s->names, name);
        if (v)
            return *v;
    }
    return value_undefined(name);
}
