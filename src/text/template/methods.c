/* Methods of mappings and lists. */
#include "text/template/run.h"

static value copy_values(run *r, const value *from, size_t n)
{
    value_list *l = tpl_list(r, n);
    if (l && n)
        memcpy(l->items, from, n * sizeof *from);
    return value_of_list(l);
}

value dict_items(run *r, call *c)
{
    if (c->self.kind == VALUE_UNDEFINED)
        return value_of_list(tpl_list(r, 0));
    if (c->self.kind != VALUE_DICT)
        return tpl_fail(r, SIB_ERR_VALUE, "'items' takes a mapping, and this is %s", tpl_kind_name(c->self));
    const value_dict *d = c->self.dict;
    value_list *l = tpl_list(r, d->n);
    for (size_t i = 0; l && i < d->n && r->code == SIB_OK; i++)
        l->items[i] = tpl_pair(r, d->keys[i], d->values[i]);
    return value_of_list(l);
}

static value dict_keys(run *r, call *c)
{
    return copy_values(r, c->self.dict->keys, c->self.dict->n);
}

static value dict_values(run *r, call *c)
{
    return copy_values(r, c->self.dict->values, c->self.dict->n);
}

static value dict_get(run *r, call *c)
{
    const value *found = dict_find(r, c->self.dict, c->args[0]);
    return found ? *found : c->has[1] ? c->args[1] : value_none();
}

const routine dict_methods[] = {{"items", "", dict_items},
                                {"keys", "", dict_keys},
                                {"values", "", dict_values},
                                {"get", "key | default", dict_get},
                                {0}};

static value list_index(run *r, call *c)
{
    for (size_t i = 0; i < c->self.list->n && r->code == SIB_OK; i++)
        if (tpl_equal(r, c->self.list->items[i], c->args[0]))
            return value_int((int64_t)i);
    return tpl_fail(r, SIB_ERR_VALUE, "'index' finds no such item");
}

static value list_count(run *r, call *c)
{
    int64_t n = 0;
    for (size_t i = 0; i < c->self.list->n && r->code == SIB_OK; i++)
        n += tpl_equal(r, c->self.list->items[i], c->args[0]);
    return value_int(n);
}

const routine list_methods[] = {{"index", "value", list_index}, {"count", "value", list_count}, {0}};
