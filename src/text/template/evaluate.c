/* Expressions. */
#include "base/size.h"
#include "text/template/run.h"

/* ---- Arguments ------------------------------------------------------------------------------------------ */

/* Evaluates arguments; items: NODE_PAIR, those without a name first. */
static bool arguments(run *r, const node *items, call *c)
{
    size_t n = 0;
    for (const node *i = items; i; i = i->next)
        n++;
    value *given = tpl_take(r, n, sizeof *given);
    sib_str *names = tpl_take(r, n, sizeof *names);
    if (!given || !names)
        return false;
    *c = (call){.given = given, .names = names};
    for (const node *i = items; i && r->code == SIB_OK; i = i->next) {
        given[c->n + c->n_named] = tpl_evaluate(r, i->a);
        if (i->text.length)
            names[c->n_named++] = i->text;
        else
            c->n++;
    }
    return r->code == SIB_OK;
}

/* A filter or test of a table on a value. */
static value apply(run *r, const routine *of, const node *n, value self, const char *kind)
{
    call c;
    if (!of)
        return tpl_fail(r, SIB_ERR_UNSUPPORTED, "the %s '%.*s' is not built", kind,
                        (int)size_min(n->text.length, 60), n->text.data);
    if (!arguments(r, n->items, &c))
        return value_none();
    c.self = self;
    return tpl_routine(r, of, &c);
}

/* ---- One function per kind ------------------------------------------------------------------------------ */

static value eval_literal(run *r, const node *n)
{
    (void)r;
    return n->value;
}

static value eval_name(run *r, const node *n)
{
    value v = tpl_name(r, n->text);
    const routine *built = v.kind == VALUE_UNDEFINED ? routine_find(template_functions, n->text) : NULL;
    return built ? tpl_method(r, built, value_none()) : v;
}

static value eval_list(run *r, const node *n)
{
    size_t count = 0, i = 0;
    for (const node *item = n->items; item; item = item->next)
        count++;
    value_list *l = tpl_list(r, count);
    for (const node *item = n->items; item && l; item = item->next)
        l->items[i++] = tpl_evaluate(r, item);
    value v = value_of_list(l);
    v.tuple = n->block;
    return v;
}

static value eval_dict(run *r, const node *n)
{
    value d = tpl_dict(r);
    for (const node *item = n->items; item && r->code == SIB_OK; item = item->next) {
        value key = tpl_evaluate(r, item->a);
        dict_set(r, d.dict, key, tpl_evaluate(r, item->b));
    }
    return d;
}

static value eval_attribute(run *r, const node *n)
{
    return tpl_attribute(r, tpl_evaluate(r, n->a), n->text);
}

static value eval_item(run *r, const node *n)
{
    value of = tpl_evaluate(r, n->a);
    return tpl_item(r, of, tpl_evaluate(r, n->b));
}

static value eval_slice(run *r, const node *n)
{
    value of = tpl_evaluate(r, n->a);
    const value parts[3] = {n->b ? tpl_evaluate(r, n->b) : value_none(),
                            n->c ? tpl_evaluate(r, n->c) : value_none(),
                            n->d ? tpl_evaluate(r, n->d) : value_none()};
    return tpl_slice(r, of, parts);
}

static value called(run *r, value of, call *c)
{
    if (of.kind == VALUE_UNDEFINED)
        return tpl_fail(r, SIB_ERR_UNSUPPORTED, "there is no function or method '%.*s'",
                        (int)size_min(of.text.length, 60), of.text.data);
    if (of.kind != VALUE_CALL)
        return tpl_fail(r, SIB_ERR_VALUE, "%s cannot be called", tpl_kind_name(of));
    if (!of.call->routine)
        return tpl_macro(r, of.call, c);
    c->self = of.call->self;
    return tpl_routine(r, of.call->routine, c);
}

static value eval_call(run *r, const node *n)
{
    call c;
    value of = tpl_evaluate(r, n->a);
    if (r->code != SIB_OK || !arguments(r, n->items, &c))
        return value_none();
    r->line = n->line;
    return called(r, of, &c);
}

static value eval_filter(run *r, const node *n)
{
    value of = tpl_evaluate(r, n->a);
    r->line = n->line;
    return apply(r, filter_find(n->text), n, of, "filter");
}

static value eval_test(run *r, const node *n)
{
    value of = tpl_evaluate(r, n->a);
    r->line = n->line;
    return apply(r, routine_find(template_tests, n->text), n, of, "test");
}

static value eval_not(run *r, const node *n)
{
    return value_bool(!value_true(tpl_evaluate(r, n->a)));
}

static value eval_negate(run *r, const node *n)
{
    value v = tpl_evaluate(r, n->a);
    if (v.kind == VALUE_FLOAT && n->op == OP_SUBTRACT)
        return value_float(-v.number);
    return tpl_operate(r, n->op, value_int(0), v);
}

static value eval_and(run *r, const node *n)
{
    value a = tpl_evaluate(r, n->a);
    return value_true(a) ? tpl_evaluate(r, n->b) : a;
}

static value eval_or(run *r, const node *n)
{
    value a = tpl_evaluate(r, n->a);
    return value_true(a) ? a : tpl_evaluate(r, n->b);
}

static value eval_if(run *r, const node *n)
{
    if (value_true(tpl_evaluate(r, n->b)))
        return tpl_evaluate(r, n->a);
    return n->c ? tpl_evaluate(r, n->c) : value_undefined((sib_str){"", 0});
}

static value eval_operate(run *r, const node *n)
{
    value a = tpl_evaluate(r, n->a), b = tpl_evaluate(r, n->b);
    return tpl_operate(r, n->op, a, b);
}

static value eval_compare(run *r, const node *n)
{
    value a = tpl_evaluate(r, n->a), b = tpl_evaluate(r, n->b);
    bool holds = tpl_compare(r, n->op, a, b);
    for (const node *more = n->items; more && holds && r->code == SIB_OK; more = more->next) {
        a = b;
        b = tpl_evaluate(r, more->b);
        holds = tpl_compare(r, more->op, a, b);
    }
    return value_bool(holds);
}

value tpl_evaluate(run *r, const node *n)
{
    static value (*const kinds[N_NODE_KINDS])(run *, const node *) = {[NODE_LITERAL] = eval_literal,
                                                                      [NODE_NAME] = eval_name,
                                                                      [NODE_LIST] = eval_list,
                                                                      [NODE_DICT] = eval_dict,
                                                                      [NODE_ATTRIBUTE] = eval_attribute,
                                                                      [NODE_ITEM] = eval_item,
                                                                      [NODE_SLICE] = eval_slice,
                                                                      [NODE_CALL] = eval_call,
                                                                      [NODE_FILTER] = eval_filter,
                                                                      [NODE_TEST] = eval_test,
                                                                      [NODE_NOT] = eval_not,
                                                                      [NODE_NEGATE] = eval_negate,
                                                                      [NODE_AND] = eval_and,
                                                                      [NODE_OR] = eval_or,
                                                                      [NODE_IF] = eval_if,
                                                                      [NODE_OPERATE] = eval_operate,
                                                                      [NODE_COMPARE] = eval_compare};
    if (!tpl_charge(r, 1) || !tpl_enter(r))
        return value_none();
    r->line = n->line;
    value v = kinds[n->kind](r, n);
    tpl_leave(r);
    return r->code == SIB_OK ? v : value_none();
}
