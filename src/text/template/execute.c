/* Statements. */
#include "base/size.h"
#include "text/template/run.h"

static void print_text(run *r, const char *data, size_t n)
{
    if (buf_add(r->out, data, n, r->err) != SIB_OK && r->code == SIB_OK)
        r->code = r->out->code;
}

static void do_text(run *r, const node *n)
{
    print_text(r, n->text.data, n->text.length);
}

static void do_print(run *r, const node *n)
{
    value v = tpl_evaluate(r, n->a);
    if (r->code != SIB_OK)
        return;
    if (v.kind == VALUE_TEXT)
        print_text(r, v.text.data, v.text.length);
    else
        print_value(r, r->out, v);
    tpl_charge(r, 1);
}

static void do_if(run *r, const node *n)
{
    if (value_true(tpl_evaluate(r, n->b)))
        tpl_block(r, n->items);
    else if (n->other && n->other->kind == NODE_IF)
        do_if(r, n->other);
    else if (n->other)
        tpl_block(r, n->other);
}

/* Sets one name, or several from the items of a list. */
static void assign(run *r, const node *target, value v)
{
    if (target->kind == NODE_NAME) {
        dict_set(r, &r->scope->names, value_text(target->text), v);
        return;
    }
    const value_list *l = tpl_items(r, v);
    size_t i = 0;
    for (const node *name = target->items; name && r->code == SIB_OK; name = name->next, i++)
        if (l && i < l->n)
            assign(r, name, l->items[i]);
        else
            tpl_fail(r, SIB_ERR_VALUE, "there are fewer items than names");
    if (l && r->code == SIB_OK && i < l->n)
        tpl_fail(r, SIB_ERR_VALUE, "there are more items than names");
}

/* What a block prints, as a text. */
static value captured(run *r, const node *block)
{
    byte_buffer made = {.max = MAX_OUTPUT}, *out = r->out;
    r->out = &made;
    tpl_block(r, block);
    r->out = out;
    return tpl_made(r, &made);
}

/* The filters of {% set x | trim %} stand over a literal, in whose place the block's text is. */
static value filtered(run *r, const node *filters, value v)
{
    if (filters->kind != NODE_FILTER)
        return v;
    node literal = {.kind = NODE_LITERAL, .line = filters->line, .value = filtered(r, filters->a, v)};
    node copy = *filters;
    copy.a = &literal;
    return tpl_evaluate(r, &copy);
}

static void do_set(run *r, const node *n)
{
    value v;
    if (n->block) {
        scope inner = {.above = r->scope};
        r->scope = &inner;
        v = captured(r, n->items);
        r->scope = inner.above;
        v = filtered(r, n->b, v);
    } else
        v = tpl_evaluate(r, n->b);
    r->line = n->line;
    if (r->code != SIB_OK)
        return;
    if (n->a->kind != NODE_ATTRIBUTE) {
        assign(r, n->a, v);
        return;
    }
    value of = tpl_name(r, n->a->a->text);
    if (of.kind != VALUE_NAMESPACE)
        tpl_fail(r, SIB_ERR_VALUE, "only attributes of a namespace can be set, and '%.*s' is %s",
                 (int)size_min(n->a->a->text.length, 60), n->a->a->text.data, tpl_kind_name(of));
    else
        dict_set(r, of.dict, value_text(n->a->text), v);
}

/* ---- Loops ---------------------------------------------------------------------------------------------- */

static void set_number(run *r, value_dict *d, const char *name, size_t i)
{
    dict_set(r, d, value_text(str_of(name)), value_int((int64_t)i));
}

static void set_flag(run *r, value_dict *d, const char *name, bool flag)
{
    dict_set(r, d, value_text(str_of(name)), value_bool(flag));
}

/* The names of `loop` in iteration i. */
static void set_loop(run *r, value_dict *d, const value_list *l, size_t i)
{
    static const struct {
        const char *name;
        int of_end, more; /* index + more, or what is left + more */
    } numbers[] = {{"index", 0, 1}, {"index0", 0, 0}, {"revindex", 1, 0}, {"revindex0", 1, -1}};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        set_number(r, d, numbers[k].name, (numbers[k].of_end ? l->n - i : i) + (size_t)numbers[k].more);
    set_number(r, d, "length", l->n);
    set_flag(r, d, "first", i == 0);
    set_flag(r, d, "last", i + 1 == l->n);
    dict_set(r, d, value_text(str_of("previtem")), i ? l->items[i - 1] : value_undefined(str_of("previtem")));
    dict_set(r, d, value_text(str_of("nextitem")),
             i + 1 < l->n ? l->items[i + 1] : value_undefined(str_of("nextitem")));
}

static value loop_value(run *r)
{
    value loop = tpl_dict(r);
    loop.kind = r->code == SIB_OK ? VALUE_NAMESPACE : loop.kind;
    for (const routine *m = loop_methods; m->name && r->code == SIB_OK; m++)
        dict_set(r, loop.dict, value_text(str_of(m->name)), tpl_method(r, m, loop));
    if (r->code == SIB_OK) {
        set_number(r, loop.dict, "depth", 1);
        set_number(r, loop.dict, "depth0", 0);
    }
    return loop;
}

/* The items for which the loop's condition holds. */
static const value_list *chosen(run *r, const node *n, const value_list *all)
{
    value_list *kept = tpl_list(r, all->n);
    size_t count = 0;
    for (size_t i = 0; i < all->n && tpl_charge(r, 1); i++) {
        r->scope->names.n = 0;
        assign(r, n->a, all->items[i]);
        if (kept && value_true(tpl_evaluate(r, n->c)))
            kept->items[count++] = all->items[i];
    }
    if (kept)
        kept->n = count;
    return kept;
}

static void do_for(run *r, const node *n)
{
    const value_list *l = tpl_items(r, tpl_evaluate(r, n->b));
    scope *inner = tpl_take(r, 1, sizeof *inner);
    if (!inner || !l)
        return;
    inner->above = r->scope;
    r->scope = inner;
    if (n->c)
        l = chosen(r, n, l);
    value loop = loop_value(r);
    for (size_t i = 0; l && i < l->n && r->flow != FLOW_BREAK && tpl_charge(r, 16); i++) {
        inner->names.n = 0;
        r->flow = FLOW_ON;
        set_loop(r, loop.dict, l, i);
        dict_set(r, &inner->names, value_text(str_of("loop")), loop);
        assign(r, n->a, l->items[i]);
        tpl_block(r, n->items);
    }
    r->flow = FLOW_ON;
    r->scope = inner->above;
    if (r->code == SIB_OK && l && !l->n && n->other)
        tpl_block(r, n->other);
}

static void do_break(run *r, const node *n)
{
    (void)n;
    r->flow = FLOW_BREAK;
}

static void do_continue(run *r, const node *n)
{
    (void)n;
    r->flow = FLOW_CONTINUE;
}

/* ---- Macros --------------------------------------------------------------------------------------------- */

static void do_macro(run *r, const node *n)
{
    callable *made = tpl_take(r, 1, sizeof *made);
    if (!made)
        return;
    *made = (callable){.macro = n, .scope = r->scope};
    dict_set(r, &r->scope->names, value_text(n->text), (value){.kind = VALUE_CALL, .call = made});
}

/* The value of a parameter: by place, by name, or its default. */
static value argument(run *r, const call *c, const node *parameter, size_t i, size_t *used)
{
    if (i < c->n)
        return c->given[i];
    for (size_t k = 0; k < c->n_named; k++)
        if (str_same(c->names[k], parameter->text)) {
            ++*used;
            return c->given[c->n + k];
        }
    return parameter->a ? tpl_evaluate(r, parameter->a) : value_undefined(parameter->text);
}

value tpl_macro(run *r, const callable *of, call *c)
{
    scope *inner = tpl_take(r, 1, sizeof *inner), *before = r->scope;
    size_t n = 0, named = 0;
    if (!inner)
        return value_none();
    inner->above = of->scope;
    r->scope = inner;
    for (const node *p = of->macro->other; p && r->code == SIB_OK; p = p->next, n++)
        dict_set(r, &inner->names, value_text(p->text), argument(r, c, p, n, &named));
    if (r->code == SIB_OK && (c->n > n || named < c->n_named))
        tpl_fail(r, SIB_ERR_VALUE, "the macro '%.*s' does not take these arguments",
                 (int)size_min(of->macro->text.length, 60), of->macro->text.data);
    value v = r->code == SIB_OK ? captured(r, of->macro->items) : value_none();
    r->scope = before;
    return v;
}

/* ---- Blocks --------------------------------------------------------------------------------------------- */

static void do_scope(run *r, const node *n)
{
    tpl_block(r, n->items);
}

void tpl_block(run *r, const node *block)
{
    static void (*const kinds[N_NODE_KINDS])(run *, const node *) = {
        [NODE_TEXT] = do_text,   [NODE_PRINT] = do_print,       [NODE_IF] = do_if,
        [NODE_FOR] = do_for,     [NODE_SET] = do_set,           [NODE_MACRO] = do_macro,
        [NODE_BREAK] = do_break, [NODE_CONTINUE] = do_continue, [NODE_SCOPE] = do_scope};
    if (!tpl_enter(r))
        return;
    for (const node *n = block ? block->items : NULL; n && r->code == SIB_OK && r->flow == FLOW_ON;
         n = n->next) {
        if (!tpl_charge(r, 1))
            break;
        r->line = n->line;
        kinds[n->kind](r, n);
    }
    tpl_leave(r);
}
