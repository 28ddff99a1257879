/* Filters of lists and mappings. */
#include "base/size.h"
#include "text/template/characters.h"
#include "text/template/run.h"

static const value_list *self_items(run *r, call *c)
{
    return tpl_items(r, c->self);
}

/* A list with room for n items, and how many it has. */
typedef struct kept {
    value_list *list;
    size_t n;
} kept;

static kept keep_of(run *r, size_t n)
{
    return (kept){tpl_list(r, n), 0};
}

static void keep(kept *k, value v)
{
    if (k->list)
        k->list->items[k->n++] = v;
}

static value kept_list(kept *k)
{
    if (k->list)
        k->list->n = k->n;
    return value_of_list(k->list);
}

static value filter_list(run *r, call *c)
{
    return value_of_list(self_items(r, c));
}

static value filter_first(run *r, call *c)
{
    const value_list *l = self_items(r, c);
    return l && l->n ? l->items[0] : value_undefined(str_of("first"));
}

static value filter_last(run *r, call *c)
{
    const value_list *l = self_items(r, c);
    return l && l->n ? l->items[l->n - 1] : value_undefined(str_of("last"));
}

static value filter_reverse(run *r, call *c)
{
    const value_list *l = self_items(r, c);
    kept out = keep_of(r, l ? l->n : 0);
    for (size_t i = l ? l->n : 0; i-- > 0;)
        keep(&out, l->items[i]);
    value v = kept_list(&out);
    if (c->self.kind != VALUE_TEXT || r->code != SIB_OK)
        return v;
    byte_buffer made = {.max = MAX_OUTPUT};
    for (size_t i = 0; i < out.n; i++)
        buf_add_str(&made, out.list->items[i].text, r->err);
    return tpl_made(r, &made);
}

/* The attribute of an item that argument i names, or the item. */
static value attribute_of(run *r, const call *c, size_t i, value item)
{
    return c->has[i] && c->args[i].kind != VALUE_NONE ? tpl_path(r, item, c->args[i], NULL) : item;
}

static value filter_join(run *r, call *c)
{
    const value_list *l = self_items(r, c);
    sib_str between = c->has[0] ? tpl_str(r, c->args[0]) : (sib_str){"", 0};
    byte_buffer made = {.max = MAX_OUTPUT};
    for (size_t i = 0; l && i < l->n && r->code == SIB_OK; i++) {
        if (i)
            buf_add_str(&made, between, r->err);
        print_value(r, &made, attribute_of(r, c, 1, l->items[i]));
    }
    return tpl_made(r, &made);
}

/* Sorting and comparing without regard to case, where it is not asked for. */
static value folded(run *r, value v, bool as_it_is)
{
    call lower = {.self = v};
    const routine *of = routine_find(text_filters, str_of("lower"));
    return v.kind == VALUE_TEXT && !as_it_is && of ? tpl_routine(r, of, &lower) : v;
}

static value copy_items(run *r, const value_list *l)
{
    value_list *copy = l ? tpl_list(r, l->n) : NULL;
    if (copy && l->n)
        memcpy(copy->items, l->items, l->n * sizeof *l->items);
    return value_of_list(copy);
}

enum { SORT_REVERSE, SORT_CASE, SORT_ATTRIBUTE };

static value filter_sort(run *r, call *c)
{
    const value_list *l = self_items(r, c);
    value out = copy_items(r, l);
    value *keys = l ? tpl_take(r, l->n, sizeof *keys) : NULL;
    for (size_t i = 0; keys && i < l->n && r->code == SIB_OK; i++) {
        keys[i] = folded(r, attribute_of(r, c, SORT_ATTRIBUTE, l->items[i]), call_true(c, SORT_CASE, false));
        if (c->has[SORT_ATTRIBUTE]) /* so that two that lack it are equal */
            keys[i] = tpl_pair(r, keys[i], value_none());
    }
    if (r->code == SIB_OK && keys)
        tpl_sort(r, keys, out.list->items, l->n, call_true(c, SORT_REVERSE, false));
    return out;
}

static value filter_unique(run *r, call *c)
{
    const value_list *l = self_items(r, c);
    size_t n = l ? l->n : 0;
    kept out = keep_of(r, n), seen = keep_of(r, n);
    for (size_t i = 0; i < n && r->code == SIB_OK; i++) {
        value key = folded(r, attribute_of(r, c, 1, l->items[i]), call_true(c, 0, false));
        bool known = false;
        for (size_t k = 0; k < seen.n && !known && r->code == SIB_OK; k++)
            known = tpl_equal(r, seen.list->items[k], key);
        if (known)
            continue;
        keep(&seen, key);
        keep(&out, l->items[i]);
    }
    return kept_list(&out);
}

enum { DICTSORT_CASE, DICTSORT_BY, DICTSORT_REVERSE };

static value filter_dictsort(run *r, call *c)
{
    value items = dict_items(r, c);
    sib_str by = call_text(r, c, DICTSORT_BY, "key");
    if (r->code != SIB_OK)
        return value_none();
    size_t n = items.list->n;
    value *keys = tpl_take(r, n, sizeof *keys);
    for (size_t i = 0; keys && i < n; i++)
        keys[i] = folded(r, items.list->items[i].list->items[str_is(by, "value")],
                         call_true(c, DICTSORT_CASE, false));
    value out = copy_items(r, items.list);
    if (r->code == SIB_OK)
        tpl_sort(r, keys, out.list->items, n, call_true(c, DICTSORT_REVERSE, false));
    return out;
}

/* ---- map, select, reject -------------------------------------------------------------------------------- */

/* The arguments behind the first (skip) of c, for a filter or test by name. */
static call behind(const call *c, size_t skip, value self)
{
    return (call){
        .self = self, .given = c->given + skip, .names = c->names, .n = c->n - skip, .n_named = c->n_named};
}

static value *named_argument(const call *c, const char *name)
{
    for (size_t i = 0; i < c->n_named; i++)
        if (str_is(c->names[i], name))
            return (value *)&c->given[c->n + i];
    return NULL;
}

/* What is false has no items here, whatever it is. */
static const value_list *chosen_items(run *r, call *c)
{
    return value_true(c->self) ? self_items(r, c) : tpl_list(r, 0);
}

static value filter_map(run *r, call *c)
{
    const value_list *l = chosen_items(r, c);
    const value *attribute = named_argument(c, "attribute"), *otherwise = named_argument(c, "default");
    const routine *of = NULL;
    if (!attribute && c->n && c->given[0].kind == VALUE_TEXT && !(of = filter_find(c->given[0].text)))
        return tpl_fail(r, SIB_ERR_UNSUPPORTED, "the filter '%.*s' is not built",
                        (int)size_min(c->given[0].text.length, 60), c->given[0].text.data);
    if (!attribute && !of)
        return tpl_fail(r, SIB_ERR_VALUE, "'map' takes an attribute or the name of a filter");
    kept out = keep_of(r, l ? l->n : 0);
    for (size_t i = 0; l && i < l->n && tpl_charge(r, 1); i++) {
        if (of) {
            call inner = behind(c, 1, l->items[i]);
            keep(&out, tpl_routine(r, of, &inner));
            continue;
        }
        keep(&out, tpl_path(r, l->items[i], *attribute, otherwise));
    }
    return kept_list(&out);
}

/* Items for which a test holds; attribute: the test is of the attribute that the first argument names. */
static value selected(run *r, call *c, bool attribute, bool wanted)
{
    const value_list *l = chosen_items(r, c);
    const routine *of = NULL;
    if (c->n < attribute)
        return tpl_fail(r, SIB_ERR_VALUE, "'%s' takes an attribute", c->name);
    if (c->n > attribute) {
        value name = c->given[attribute];
        of = name.kind == VALUE_TEXT ? routine_find(template_tests, name.text) : NULL;
        if (!of)
            return tpl_fail(r, SIB_ERR_UNSUPPORTED, "'%s' takes the name of a test that is built", c->name);
    }
    kept out = keep_of(r, l ? l->n : 0);
    for (size_t i = 0; l && i < l->n && tpl_charge(r, 1); i++) {
        value v = attribute ? tpl_path(r, l->items[i], c->given[0], NULL) : l->items[i];
        call inner = of ? behind(c, 1 + (size_t)attribute, v) : (call){0};
        if (value_true(of ? tpl_routine(r, of, &inner) : v) == wanted)
            keep(&out, l->items[i]);
    }
    return kept_list(&out);
}

static value filter_select(run *r, call *c)
{
    return selected(r, c, false, true);
}

static value filter_reject(run *r, call *c)
{
    return selected(r, c, false, false);
}

static value filter_selectattr(run *r, call *c)
{
    return selected(r, c, true, true);
}

static value filter_rejectattr(run *r, call *c)
{
    return selected(r, c, true, false);
}

static value extreme(run *r, call *c, int sign)
{
    const value_list *l = self_items(r, c);
    size_t best = 0;
    for (size_t i = 1; l && i < l->n && r->code == SIB_OK; i++)
        if (sign * tpl_order(r, folded(r, l->items[i], false), folded(r, l->items[best], false)) > 0)
            best = i;
    return l && l->n ? l->items[best] : value_undefined(str_of("item"));
}

static value filter_max(run *r, call *c)
{
    return extreme(r, c, 1);
}

static value filter_min(run *r, call *c)
{
    return extreme(r, c, -1);
}

static value filter_sum(run *r, call *c)
{
    const value_list *l = self_items(r, c);
    value sum = c->has[1] ? c->args[1] : value_int(0);
    for (size_t i = 0; l && i < l->n && r->code == SIB_OK; i++)
        sum = tpl_operate(r, OP_ADD, sum, attribute_of(r, c, 0, l->items[i]));
    return sum;
}

const routine list_filters[] = {{"list", "", filter_list},
                                {"first", "", filter_first},
                                {"last", "", filter_last},
                                {"reverse", "", filter_reverse},
                                {"join", "| d attribute", filter_join},
                                {"sort", "| reverse case_sensitive attribute", filter_sort},
                                {"unique", "| case_sensitive attribute", filter_unique},
                                {"items", "", dict_items},
                                {"dictsort", "| case_sensitive by reverse", filter_dictsort},
                                {"map", NULL, filter_map},
                                {"select", NULL, filter_select},
                                {"reject", NULL, filter_reject},
                                {"selectattr", NULL, filter_selectattr},
                                {"rejectattr", NULL, filter_rejectattr},
                                {"max", "", filter_max},
                                {"min", "", filter_min},
                                {"sum", "| attribute start", filter_sum},
                                {0}};
