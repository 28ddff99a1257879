#include "text/template/parser.h"

/* ---- Lists of things ------------------------------------------------------------------------------------ */

/* Appends to the items of n. */
static void append(parser *p, node *n, node ***end, node *item)
{
    if (!item)
        return;
    **end = item;
    *end = &item->next;
    parse_below(p, n, item);
}

/* Arguments behind "(": values, then names with values. */
static void arguments(parser *p, node *n)
{
    node **end = &n->items;
    bool named = false;
    while (p->code == SIB_OK && !parse_take(p, TOKEN_SIGN, ")")) {
        if (n->items && !parse_expect(p, TOKEN_SIGN, ","))
            return;
        if (n->items && parse_take(p, TOKEN_SIGN, ")"))
            return;
        if (parse_is(p, TOKEN_SIGN, "*") || parse_is(p, TOKEN_SIGN, "**")) {
            parse_fail(p, SIB_ERR_UNSUPPORTED, "arguments with * or ** are not built");
            return;
        }
        node *item = parse_node(p, NODE_PAIR, NULL, NULL);
        if (item && parse_is(p, TOKEN_NAME, NULL) && p->at[1].kind == TOKEN_SIGN &&
            str_is(p->at[1].text, "=")) {
            item->text = parse_name(p);
            p->at++;
            named = true;
        } else if (named)
            parse_fail(p, SIB_ERR_FORMAT, "an argument without a name follows one with a name");
        if (!item)
            return;
        item->a = parse_expression(p);
        parse_below(p, item, item->a);
        append(p, n, &end, item);
    }
}

/* Items up to a closing bracket. */
static node *list(parser *p, const char *close)
{
    node *n = parse_node(p, NODE_LIST, NULL, NULL);
    if (!n)
        return NULL;
    node **end = &n->items;
    while (p->code == SIB_OK && !parse_take(p, TOKEN_SIGN, close)) {
        if (n->items && !parse_expect(p, TOKEN_SIGN, ","))
            return NULL;
        if (n->items && parse_take(p, TOKEN_SIGN, close))
            break;
        append(p, n, &end, parse_expression(p));
    }
    return n;
}

static node *dict(parser *p)
{
    node *n = parse_node(p, NODE_DICT, NULL, NULL);
    if (!n)
        return NULL;
    node **end = &n->items;
    while (p->code == SIB_OK && !parse_take(p, TOKEN_SIGN, "}")) {
        if (n->items && !parse_expect(p, TOKEN_SIGN, ","))
            return NULL;
        if (n->items && parse_take(p, TOKEN_SIGN, "}"))
            break;
        node *key = parse_expression(p);
        if (!parse_expect(p, TOKEN_SIGN, ":"))
            return NULL;
        append(p, n, &end, parse_node(p, NODE_PAIR, key, parse_expression(p)));
    }
    return n;
}

/* "a, b" up to what cannot go on with it. */
node *parse_tuple(parser *p)
{
    node *first = parse_expression(p);
    if (!parse_is(p, TOKEN_SIGN, ","))
        return first;
    node *n = parse_node(p, NODE_LIST, NULL, NULL);
    node **end = n ? &n->items : NULL;
    if (!n)
        return NULL;
    n->block = true;
    append(p, n, &end, first);
    while (p->code == SIB_OK && parse_take(p, TOKEN_SIGN, ",")) {
        if (parse_is(p, TOKEN_SIGN, ")") || p->at->kind == TOKEN_BLOCK_END || p->at->kind == TOKEN_PRINT_END)
            break;
        append(p, n, &end, parse_expression(p));
    }
    return n;
}

/* ---- Primaries ------------------------------------------------------------------------------------------ */

static node *literal(parser *p, value v)
{
    node *n = parse_node(p, NODE_LITERAL, NULL, NULL);
    if (n)
        n->value = v;
    return n;
}

static node *named(parser *p)
{
    static const struct {
        const char *name;
        value v;
    } constants[] = {{"true", {.kind = VALUE_BOOL, .flag = true}},
                     {"True", {.kind = VALUE_BOOL, .flag = true}},
                     {"false", {.kind = VALUE_BOOL}},
                     {"False", {.kind = VALUE_BOOL}},
                     {"none", {.kind = VALUE_NONE}},
                     {"None", {.kind = VALUE_NONE}}};
    sib_str name = parse_name(p);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (str_is(name, constants[i].name))
            return literal(p, constants[i].v);
    node *n = parse_node(p, NODE_NAME, NULL, NULL);
    if (n)
        n->text = name;
    return n;
}

/* Texts that stand side by side are one. */
static node *texts(parser *p)
{
    const token *first = p->at;
    size_t size = 0, used = 0;
    while (p->at->kind == TOKEN_STRING)
        size += p->at++->text.length;
    if (p->at == first + 1)
        return literal(p, value_text(first->text));
    char *all = tpl_arena_take(p->a, size, 1, p->err);
    if (!all)
        return parse_fail(p, SIB_ERR_MEMORY, "out of memory");
    for (const token *t = first; t < p->at; used += t++->text.length)
        memcpy(all + used, t->text.data, t->text.length);
    return literal(p, value_text((sib_str){all, size}));
}

static node *primary(parser *p)
{
    const token *t = p->at;
    if (t->kind == TOKEN_NAME)
        return named(p);
    if (t->kind == TOKEN_STRING)
        return texts(p);
    if (t->kind == TOKEN_INT || t->kind == TOKEN_FLOAT) {
        p->at++;
        return literal(p, t->kind == TOKEN_INT ? value_int(t->integer) : value_float(t->number));
    }
    if (parse_take(p, TOKEN_SIGN, "[")) {
        return list(p, "]");
    }
    if (parse_take(p, TOKEN_SIGN, "{"))
        return dict(p);
    if (!parse_take(p, TOKEN_SIGN, "("))
        return parse_fail(p, SIB_ERR_FORMAT, "expected a value");
    if (parse_take(p, TOKEN_SIGN, ")")) {
        node *empty = parse_node(p, NODE_LIST, NULL, NULL);
        if (empty)
            empty->block = true;
        return empty;
    }
    node *n = parse_tuple(p);
    return parse_expect(p, TOKEN_SIGN, ")") ? n : NULL;
}

/* ---- Behind a primary ----------------------------------------------------------------------------------- */

/* One part of a slice, NULL where it is left out. */
static node *slice_part(parser *p)
{
    return parse_is(p, TOKEN_SIGN, ":") || parse_is(p, TOKEN_SIGN, "]") ? NULL : parse_expression(p);
}

static node *item(parser *p, node *of)
{
    node *parts[3] = {slice_part(p)};
    bool slice = false;
    for (size_t i = 1; i < 3 && parse_take(p, TOKEN_SIGN, ":"); i++) {
        slice = true;
        parts[i] = slice_part(p);
    }
    if (!slice && !parts[0])
        return parse_fail(p, SIB_ERR_FORMAT, "expected an index");
    node *n = parse_node(p, slice ? NODE_SLICE : NODE_ITEM, of, parts[0]);
    if (n) {
        n->c = parts[1];
        n->d = parts[2];
        parse_below(p, n, n->c);
        parse_below(p, n, n->d);
    }
    return parse_expect(p, TOKEN_SIGN, "]") ? n : NULL;
}

static node *attribute(parser *p, node *of)
{
    if (p->at->kind == TOKEN_INT) { /* a.0 */
        node *index = literal(p, value_int(p->at->integer));
        p->at++;
        return parse_node(p, NODE_ITEM, of, index);
    }
    node *n = parse_node(p, NODE_ATTRIBUTE, of, NULL);
    if (n)
        n->text = parse_name(p);
    return n;
}

static node *call(parser *p, node *of)
{
    node *n = parse_node(p, NODE_CALL, of, NULL);
    if (n)
        arguments(p, n);
    return n;
}

static node *postfix(parser *p, node *n)
{
    while (n && p->code == SIB_OK)
        if (parse_take(p, TOKEN_SIGN, "."))
            n = attribute(p, n);
        else if (parse_take(p, TOKEN_SIGN, "["))
            n = item(p, n);
        else if (parse_take(p, TOKEN_SIGN, "("))
            n = call(p, n);
        else
            break;
    return n;
}

static node *filter(parser *p, node *of)
{
    node *n = parse_node(p, NODE_FILTER, of, NULL);
    if (!n)
        return NULL;
    n->text = parse_name(p);
    if (parse_take(p, TOKEN_SIGN, "("))
        arguments(p, n);
    return n;
}

node *parse_filters(parser *p, node *n)
{
    while (n && p->code == SIB_OK && parse_take(p, TOKEN_SIGN, "|"))
        n = filter(p, n);
    return n;
}

/* The argument of a test without brackets: "is divisibleby 3". */
static bool test_argument_follows(const parser *p)
{
    static const char *const others[] = {"else", "or", "and", "if", "is", "in", "not"};
    const token *t = p->at;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (parse_is(p, TOKEN_NAME, others[i]))
            return false;
    return t->kind == TOKEN_NAME || t->kind == TOKEN_STRING || t->kind == TOKEN_INT ||
           t->kind == TOKEN_FLOAT || parse_is(p, TOKEN_SIGN, "[") || parse_is(p, TOKEN_SIGN, "{");
}

static node *test(parser *p, node *of)
{
    bool negated = parse_take(p, TOKEN_NAME, "not");
    node *n = parse_node(p, NODE_TEST, of, NULL);
    if (!n)
        return NULL;
    n->text = parse_name(p);
    if (parse_take(p, TOKEN_SIGN, "("))
        arguments(p, n);
    else if (test_argument_follows(p)) {
        n->items = parse_node(p, NODE_PAIR, NULL, NULL);
        if (!n->items)
            return NULL;
        n->items->a = postfix(p, primary(p));
        parse_below(p, n, n->items->a);
    }
    return negated ? parse_node(p, NODE_NOT, n, NULL) : n;
}

/* Filters, tests and calls in any order. */
static node *with_filters(parser *p, node *n)
{
    while (n && p->code == SIB_OK)
        if (parse_is(p, TOKEN_SIGN, "|"))
            n = parse_filters(p, n);
        else if (parse_take(p, TOKEN_NAME, "is"))
            n = test(p, n);
        else if (parse_take(p, TOKEN_SIGN, "("))
            n = call(p, n);
        else
            break;
    return n;
}

/* ---- Operators ------------------------------------------------------------------------------------------ */

static node *unary(parser *p, bool filters)
{
    node *n;
    if (++p->depth > MAX_TREE_DEPTH)
        return parse_fail(p, SIB_ERR_SIZE, "it is nested more than %d deep", MAX_TREE_DEPTH);
    bool minus = parse_take(p, TOKEN_SIGN, "-");
    if (minus || parse_take(p, TOKEN_SIGN, "+")) {
        n = parse_node(p, NODE_NEGATE, unary(p, false), NULL);
        if (n)
            n->op = minus ? OP_SUBTRACT : OP_ADD;
    } else
        n = primary(p);
    n = postfix(p, n);
    p->depth--;
    return filters ? with_filters(p, n) : n;
}

typedef struct operator_row {
    const char *text;
    node_op op;
} operator_row;

/* Operators by how tightly they bind, the tightest last; each row ends with an empty one. */
static const operator_row levels[][5] = {
    {{"+", OP_ADD}, {"-", OP_SUBTRACT}},
    {{"~", OP_JOIN}},
    {{"*", OP_MULTIPLY}, {"/", OP_DIVIDE}, {"//", OP_FLOOR}, {"%", OP_MODULO}},
    {{"**", OP_POWER}}};
#define N_LEVELS (sizeof levels / sizeof *levels)

static node_op take_operator(parser *p, const operator_row *rows)
{
    for (size_t i = 0; rows[i].text; i++)
        if (parse_take(p, TOKEN_SIGN, rows[i].text))
            return rows[i].op;
    return OP_NONE;
}

static node *level(parser *p, size_t k)
{
    if (k == N_LEVELS)
        return unary(p, true);
    node *n = level(p, k + 1);
    for (node_op op; p->code == SIB_OK && (op = take_operator(p, levels[k]));) {
        n = parse_node(p, NODE_OPERATE, n, level(p, k + 1));
        if (n)
            n->op = op;
    }
    return n;
}

static node_op take_comparison(parser *p)
{
    static const operator_row rows[] = {{"==", OP_EQUAL},         {"!=", OP_UNEQUAL}, {"<=", OP_LESS_EQUAL},
                                        {">=", OP_GREATER_EQUAL}, {"<", OP_LESS},     {">", OP_GREATER},
                                        {NULL, OP_NONE}};
    if (parse_take(p, TOKEN_NAME, "in"))
        return OP_IN;
    if (parse_is(p, TOKEN_NAME, "not") && p->at[1].kind == TOKEN_NAME && str_is(p->at[1].text, "in")) {
        p->at += 2;
        return OP_NOT_IN;
    }
    return take_operator(p, rows);
}

static node *comparison(parser *p)
{
    node *n = level(p, 0);
    node **end = NULL;
    for (node_op op; p->code == SIB_OK && (op = take_comparison(p));) {
        node *right = level(p, 0);
        if (!end) {
            n = parse_node(p, NODE_COMPARE, n, right);
            if (!n)
                return NULL;
            n->op = op;
            end = &n->items;
            continue;
        }
        node *more = parse_node(p, NODE_PAIR, NULL, right);
        if (more)
            more->op = op;
        append(p, n, &end, more);
    }
    return n;
}

static node *negation(parser *p)
{
    if (!parse_take(p, TOKEN_NAME, "not"))
        return comparison(p);
    if (++p->depth > MAX_TREE_DEPTH)
        return parse_fail(p, SIB_ERR_SIZE, "it is nested more than %d deep", MAX_TREE_DEPTH);
    node *n = parse_node(p, NODE_NOT, negation(p), NULL);
    p->depth--;
    return n;
}

static node * and (parser * p)
{
    node *n = negation(p);
    while (p->code == SIB_OK && parse_take(p, TOKEN_NAME, "and"))
        n = parse_node(p, NODE_AND, n, negation(p));
    return n;
}

node *parse_or(parser *p)
{
    if (++p->depth > MAX_TREE_DEPTH)
        return parse_fail(p, SIB_ERR_SIZE, "it is nested more than %d deep", MAX_TREE_DEPTH);
    node *n = and(p);
    while (p->code == SIB_OK && parse_take(p, TOKEN_NAME, "or"))
        n = parse_node(p, NODE_OR, n, and(p));
    p->depth--;
    return n;
}

node *parse_expression(parser *p)
{
    node *n = parse_or(p);
    while (p->code == SIB_OK && parse_take(p, TOKEN_NAME, "if")) {
        node *condition = parse_or(p), *otherwise = NULL;
        if (parse_take(p, TOKEN_NAME, "else")) {
            if (++p->depth > MAX_TREE_DEPTH)
                return parse_fail(p, SIB_ERR_SIZE, "it is nested more than %d deep", MAX_TREE_DEPTH);
            otherwise = parse_expression(p);
            p->depth--;
        }
        n = parse_node(p, NODE_IF, n, condition);
        if (n) {
            n->c = otherwise;
            parse_below(p, n, otherwise);
        }
    }
    return p->code == SIB_OK ? n : NULL;
}
