/* Registered operators: their description copied and checked, and their lowering. */
#include "extend/extend.h"

#include "base/error.h"
#include "graph/describe.h"
#include "ops/lower/lower.h"

#include <stdio.h>
#include <string.h>

/* ---- Attributes ------------------------------------------------------------------------------------------ */

static bool spec_kind_of(sib_attribute_kind kind, spec_kind *out)
{
    static const struct {
        sib_attribute_kind kind;
        spec_kind spec;
    } rows[] = {{SIB_ATTRIBUTE_INT, SPEC_INT},       {SIB_ATTRIBUTE_FLOAT, SPEC_FLOAT},
                {SIB_ATTRIBUTE_STRING, SPEC_TEXT},   {SIB_ATTRIBUTE_INTS, SPEC_INTS},
                {SIB_ATTRIBUTE_FLOATS, SPEC_FLOATS}, {SIB_ATTRIBUTE_STRINGS, SPEC_STRINGS},
                {SIB_ATTRIBUTE_TENSOR, SPEC_TENSOR}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == kind) {
            *out = rows[i].spec;
            return true;
        }
    return false;
}

static void *copy_items(graph_arena *arena, size_t n, const void *items, size_t size, bool *ok)
{
    void *copy = arena_alloc(arena, n ? n : 1, size);
    *ok = *ok && copy;
    if (copy && n)
        memcpy(copy, items, n * size);
    return copy;
}

/* Copies what the default's list points to. */
static sib_code copy_default(graph_arena *arena, sib_attribute *a, sib_error *err)
{
    bool ok = true;
    sib_code code = SIB_OK;
    if (a->floats)
        a->floats = copy_items(arena, a->n, a->floats, sizeof *a->floats, &ok);
    if (a->ints)
        a->ints = copy_items(arena, a->n, a->ints, sizeof *a->ints, &ok);
    if (a->strings) {
        sib_str *strings = copy_items(arena, a->n, a->strings, sizeof *strings, &ok);
        for (size_t i = 0; ok && i < a->n; i++)
            strings[i] = arena_string(arena, strings[i], &ok);
        a->strings = strings;
    }
    if (a->tensors) {
        const sib_tensor **tensors = copy_items(arena, a->n, a->tensors, sizeof *tensors, &ok);
        for (size_t i = 0; ok && i < a->n && code == SIB_OK; i++) {
            sib_tensor *copy = NULL;
            code = sib_tensor_copy(tensors[i], &copy, err);
            tensors[i] = copy;
            if (code == SIB_OK)
                code = arena_keep(arena, copy, err);
        }
        a->tensors = tensors;
    }
    return ok ? code : err_memory(err, a->n * sizeof *a->strings, "an operator");
}

/* Whether the default's list is that of its kind, and has one item where the kind is no list. */
static bool default_fits(const sib_attribute *a)
{
    const void *list = a->kind == SIB_ATTRIBUTE_INT || a->kind == SIB_ATTRIBUTE_INTS ? (const void *)a->ints
                       : a->kind == SIB_ATTRIBUTE_FLOAT || a->kind == SIB_ATTRIBUTE_FLOATS
                           ? (const void *)a->floats
                       : a->kind == SIB_ATTRIBUTE_TENSOR ? (const void *)a->tensors
                                                         : (const void *)a->strings;
    bool single = a->kind == SIB_ATTRIBUTE_INT || a->kind == SIB_ATTRIBUTE_FLOAT ||
                  a->kind == SIB_ATTRIBUTE_STRING || a->kind == SIB_ATTRIBUTE_TENSOR;
    return !a->n || (list && (!single || a->n == 1));
}

static sib_code copy_attributes(graph_arena *arena, user_op *op, sib_error *err)
{
    size_t n = op->desc.n_attributes;
    bool ok = true;
    sib_operator_attribute *copies = copy_items(arena, n, op->desc.attributes, sizeof *copies, &ok);
    spec_row *rows = arena_alloc(arena, n ? n : 1, sizeof *rows);
    if (!ok || !rows)
        return err_memory(err, n * sizeof *rows, "an operator");
    op->desc.attributes = copies;
    op->table = (spec_table){n, rows};
    for (size_t i = 0; i < n; i++) {
        sib_attribute *a = &copies[i].value;
        if (!a->name || !*a->name)
            return err_set(err, SIB_ERR_ARGUMENT, "operator %s: attribute %zu has no name", op->label, i);
        a->name = arena_string(arena, str_of(a->name), &ok).data;
        a->text = "";
        rows[i] = (spec_row){.name = a->name, .required = copies[i].required};
        if (!spec_kind_of(a->kind, &rows[i].kind))
            return err_set(
                err, SIB_ERR_ARGUMENT,
                "operator %s: attribute %s is of kind %d, expected an int, float, string or tensor, or a "
                "list of one of the first three",
                op->label, a->name, (int)a->kind);
        if (!default_fits(a))
            return err_set(err, SIB_ERR_ARGUMENT,
                           "operator %s: the default of attribute %s does not fit its kind", op->label,
                           a->name);
        sib_code code = ok ? copy_default(arena, a, err) : err_memory(err, 64, "an operator");
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

/* ---- Types of inputs -------------------------------------------------------------------------------------- */

/* "float32|int64" as bits; false at a word that is no dtype, which *bad receives. */
static bool parse_dtypes(const char *text, uint64_t *out, sib_str *bad)
{
    *out = 0;
    for (;;) {
        char name[32];
        *bad = (sib_str){text, strcspn(text, "|")};
        if (bad->length >= sizeof name)
            return false;
        snprintf(name, sizeof name, "%.*s", (int)bad->length, text);
        sib_dtype dtype = sib_dtype_from_name(name);
        if (dtype == SIB_DTYPE_UNKNOWN)
            return false;
        *out |= UINT64_C(1) << dtype;
        if (!text[bad->length])
            return true;
        text += bad->length + 1;
    }
}

/* The letter of a rule: what is before "=", or the entire text where that is no dtype. */
static sib_str rule_letter(const char *text)
{
    size_t n = strcspn(text, "=");
    uint64_t ignored;
    sib_str bad;
    return text[n] || (!strchr(text, '|') && !parse_dtypes(text, &ignored, &bad)) ? (sib_str){text, n}
                                                                                  : (sib_str){"", 0};
}

static sib_code parse_rules(graph_arena *arena, user_op *op, sib_error *err)
{
    size_t n = op->desc.n_types;
    op->rules = arena_alloc(arena, n ? n : 1, sizeof *op->rules);
    if (!op->rules)
        return err_memory(err, n * sizeof *op->rules, "an operator");
    for (size_t i = 0; i < n; i++) {
        const char *text = op->desc.types[i] ? op->desc.types[i] : "";
        sib_str letter = rule_letter(text), bad;
        const char *list = letter.length ? text + letter.length + (text[letter.length] == '=') : text;
        op->rules[i] = (input_rule){UINT64_MAX, letter.length ? i : SIZE_MAX};
        if (*list && !parse_dtypes(list, &op->rules[i].dtypes, &bad))
            return err_set(err, SIB_ERR_ARGUMENT, "operator %s: types[%zu]: '%.*s' is not a dtype", op->label,
                           i, (int)bad.length, bad.data);
        for (size_t k = 0; letter.length && k < i; k++)
            if (op->desc.types[k] && str_same(rule_letter(op->desc.types[k]), letter)) {
                op->rules[i].same_as = k;
                if (!*list)
                    op->rules[i].dtypes = op->rules[k].dtypes;
                break;
            }
    }
    return SIB_OK;
}

/* ---- Lowering --------------------------------------------------------------------------------------------- */

/* The input in the precision of the file: oracle mode has widened it. */
static mval narrowed(lowering *l, mval v, sib_dtype to)
{
    if (!l_ok(l) || v.id == NO_VALUE || !to || m_dtype(l, v) == to)
        return v;
    attribute attributes[] = {attribute_int("to", to), attribute_int("saturate", 0)};
    value_type type = *m_type(l, v);
    mval out;
    type.dtype = to;
    m_emit(l, MILLI_cast, 1, &v, 2, attributes, 1, &type, &out);
    return out;
}

static void import_inputs(sib_lowering *b)
{
    lowering *l = b->l;
    for (size_t i = 0; i < l->node->inputs.n; i++) {
        b->inputs[i] = l_in_or_none(l, i);
        if (l->oracle && b->op->desc.run && b->inputs[i].id != NO_VALUE &&
            m_dtype(l, b->inputs[i]) == SIB_F64)
            b->inputs[i] = narrowed(l, b->inputs[i], l->source->values[l->node->inputs.ids[i]].type.dtype);
    }
}

static void check_types(sib_lowering *b)
{
    lowering *l = b->l;
    const user_op *op = b->op;
    for (size_t i = 0; i < l->node->inputs.n && op->desc.n_types && l_ok(l); i++) {
        const input_rule *rule = &op->rules[i < op->desc.n_types ? i : op->desc.n_types - 1];
        bool alone = rule->same_as == SIZE_MAX;
        sib_dtype dtype = m_dtype(l, b->inputs[i]),
                  other = alone ? dtype : m_dtype(l, b->inputs[rule->same_as]);
        bool widened = l->oracle && dtype == SIB_F64 && !op->desc.run;
        if (!dtype)
            continue;
        if (!(rule->dtypes >> dtype & 1) && !widened)
            l_fail(l, SIB_ERR_ARGUMENT, "input %zu is %s, expected %s", i, sib_dtype_name(dtype),
                   op->desc.types[rule - op->rules]);
        else if (other && other != dtype)
            l_fail(l, SIB_ERR_ARGUMENT, "input %zu is %s, expected %s as input %zu", i, sib_dtype_name(dtype),
                   sib_dtype_name(other), rule->same_as);
    }
}

static void run_callback(sib_lowering *b,
                         sib_code (*callback)(void *context, sib_lowering *b, sib_error *err))
{
    b->why = (sib_error)SIB_ERROR_INIT;
    sib_code code = callback(b->op->desc.context, b, &b->why);
    if (l_ok(b->l) && code != SIB_OK)
        l_fail(b->l, code, "%s", b->why.message[0] ? b->why.message : sib_code_text(code));
}

/* One milli-op that calls the function. */
static void lower_call(sib_lowering *b)
{
    lowering *l = b->l;
    const node *n = l->node;
    mval outs[SIB_OPERATOR_ENDS];
    b->declares = true;
    if (b->op->desc.shape)
        run_callback(b, b->op->desc.shape);
    if (!l_ok(l))
        return;
    m_emit(l, MILLI_call, n->inputs.n, b->inputs, n->n_attributes, n->attributes, n->outputs.n, b->declared,
           outs);
    if (!l_ok(l))
        return;
    node *made = &l->graph->nodes[l->graph->n_nodes - 1];
    made->called = n->op;
    made->name = n->name;
    made->version = n->version;
    for (size_t i = 0; i < n->outputs.n; i++) {
        bool wide = l->oracle && sib_dtype_get_kind(m_dtype(l, outs[i])) == SIB_KIND_FLOAT;
        l_out(l, i, wide ? m_cast(l, outs[i], m_dtype(l, outs[i])) : outs[i]);
    }
}

static void lower_registered(lowering *l, const node *n)
{
    sib_lowering b = {.l = l, .node = {l->source, n}, .op = user_op_of(n)};
    if (n->inputs.n > SIB_OPERATOR_ENDS || n->outputs.n > SIB_OPERATOR_ENDS) {
        l_fail(l, SIB_ERR_SIZE, "has %u inputs and %u outputs, expected at most %d of a registered operator",
               n->inputs.n, n->outputs.n, SIB_OPERATOR_ENDS);
        return;
    }
    for (size_t i = 0; i < SIB_OPERATOR_ENDS; i++)
        b.inputs[i] = MVAL_NONE;
    import_inputs(&b);
    check_types(&b);
    if (!l_ok(l))
        return;
    if (b.op->desc.run)
        lower_call(&b);
    else
        run_callback(&b, b.op->desc.lower);
}

/* ---- Making ----------------------------------------------------------------------------------------------- */

static sib_code check(const sib_operator *desc, sib_error *err)
{
    const char *name = desc->name && *desc->name ? desc->name : NULL;
    if (!name || !desc->domain)
        return err_set(err, SIB_ERR_ARGUMENT, "an operator has no %s", name ? "domain" : "name");
    if (!desc->run == !desc->lower)
        return err_set(err, SIB_ERR_ARGUMENT, "operator %s:%s has %s run and lower, expected one of them",
                       desc->domain, name, desc->run ? "both" : "neither");
    if (desc->shape && !desc->run)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "operator %s:%s has a shape function beside lower, which gives types", desc->domain,
                       name);
    if (desc->min_inputs < 0 || desc->min_inputs > SIB_OPERATOR_ENDS ||
        desc->max_inputs > SIB_OPERATOR_ENDS || desc->max_outputs > SIB_OPERATOR_ENDS ||
        (desc->max_inputs >= 0 && desc->max_inputs < desc->min_inputs))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "operator %s:%s takes %d to %d inputs and gives up to %d outputs, expected at most %d",
                       desc->domain, name, desc->min_inputs, desc->max_inputs, desc->max_outputs,
                       SIB_OPERATOR_ENDS);
    if (desc->since < 0 || desc->until < 0 || (desc->until && desc->until < desc->since))
        return err_set(err, SIB_ERR_ARGUMENT, "operator %s:%s is of versions %lld to %lld", desc->domain,
                       name, (long long)desc->since, (long long)desc->until);
    if ((desc->n_types && !desc->types) || (desc->n_attributes && !desc->attributes))
        return err_set(err, SIB_ERR_ARGUMENT, "operator %s:%s has types or attributes that are NULL",
                       desc->domain, name);
    return SIB_OK;
}

sib_code user_op_make(graph_arena *arena, const sib_operator *desc, user_op **out, sib_error *err)
{
    sib_code code = check(desc, err);
    if (code != SIB_OK)
        return code;
    bool ok = true;
    user_op *op = *out = arena_alloc(arena, 1, sizeof *op);
    size_t room = strlen(desc->domain) + strlen(desc->name) + 2;
    char *label = arena_alloc(arena, room, 1);
    if (!op || !label)
        return err_memory(err, sizeof *op, "an operator");
    snprintf(label, room, "%s%s%s", desc->domain, *desc->domain ? ":" : "", desc->name);
    op->desc = *desc;
    op->label = label;
    op->domain = arena_string(arena, str_of(desc->domain), &ok);
    op->name = arena_string(arena, str_of(desc->name), &ok);
    const char **types = copy_items(arena, desc->n_types, desc->types, sizeof *types, &ok);
    for (size_t i = 0; ok && i < desc->n_types; i++)
        if (types[i])
            types[i] = arena_string(arena, str_of(types[i]), &ok).data;
    if (!ok)
        return err_memory(err, room, "an operator");
    op->desc.domain = op->domain.data;
    op->desc.name = op->name.data;
    op->desc.types = types;
    op->def = (op_def){.domain = "registered", /* so that passes never take it for Sibyl's own */
                       .name = op->name.data,
                       .family = "registered",
                       .since = (int)(desc->since < INT32_MAX ? desc->since : INT32_MAX),
                       .min_in = desc->min_inputs,
                       .max_in = desc->max_inputs,
                       .max_out = desc->max_outputs ? desc->max_outputs : 1,
                       .attributes = &op->table,
                       .lower = lower_registered,
                       .origin = desc->run ? OP_CALLED : OP_LOWERED};
    code = copy_attributes(arena, op, err);
    return code == SIB_OK ? parse_rules(arena, op, err) : code;
}
