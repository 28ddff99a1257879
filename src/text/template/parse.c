#include "text/template/parser.h"

/* ---- Statements ----------------------------------------------------------------------------------------- */

static node *body(parser *p, const char *const *ends);

/* Statements up to one of `ends`, whose name is then the next token. */
static void read_body(parser *p, node *n, node **to, const char *const *ends)
{
    node *all = body(p, ends);
    if (!all)
        return;
    *to = all;
    parse_below(p, n, all);
}

static bool tag_end(parser *p)
{
    return parse_expect(p, TOKEN_BLOCK_END, NULL);
}

static node *read_if(parser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif", NULL};
    node *n = parse_node(p, NODE_IF, NULL, NULL);
    if (!n || !(n->b = parse_tuple(p)) || !tag_end(p))
        return NULL;
    parse_below(p, n, n->b);
    read_body(p, n, &n->items, ends);
    if (p->code != SIB_OK)
        return NULL;
    if (parse_take(p, TOKEN_NAME, "elif")) {
        if (++p->depth > MAX_TREE_DEPTH)
            return parse_fail(p, SIB_ERR_SIZE, "it is nested more than %d deep", MAX_TREE_DEPTH);
        n->other = read_if(p);
        p->depth--;
        if (n->other)
            parse_below(p, n, n->other);
        return n;
    }
    if (parse_take(p, TOKEN_NAME, "else")) {
        if (!tag_end(p))
            return NULL;
        read_body(p, n, &n->other, last);
    }
    return parse_expect(p, TOKEN_NAME, "endif") && tag_end(p) ? n : NULL;
}

/* Names that are given values: one, or several apart by commas. */
static node *target(parser *p)
{
    node *n = NULL, *list = NULL, **end = NULL;
    bool brackets = parse_take(p, TOKEN_SIGN, "(");
    do {
        if (list && !parse_is(p, TOKEN_NAME, NULL))
            break;
        n = parse_node(p, NODE_NAME, NULL, NULL);
        if (!n)
            return NULL;
        n->text = parse_name(p);
        if (list)
            *end = n;
        else if (parse_is(p, TOKEN_SIGN, ",")) {
            if (!(list = parse_node(p, NODE_LIST, NULL, NULL)))
                return NULL;
            list->items = n;
        }
        end = &n->next;
    } while (p->code == SIB_OK && parse_take(p, TOKEN_SIGN, ","));
    if (brackets && !parse_expect(p, TOKEN_SIGN, ")"))
        return NULL;
    return list ? list : n;
}

static node *read_for(parser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL}, *const last[] = {"endfor", NULL};
    node *n = parse_node(p, NODE_FOR, NULL, NULL);
    if (!n || !(n->a = target(p)) || !parse_expect(p, TOKEN_NAME, "in"))
        return NULL;
    n->b = parse_or(p); /* no "a if b": that `if` is the loop's */
    if (p->code == SIB_OK && parse_take(p, TOKEN_NAME, "if"))
        n->c = parse_expression(p);
    if (parse_is(p, TOKEN_NAME, "recursive"))
        return parse_fail(p, SIB_ERR_UNSUPPORTED, "recursive loops are not built");
    parse_below(p, n, n->b);
    parse_below(p, n, n->c);
    if (p->code != SIB_OK || !tag_end(p))
        return NULL;
    p->loops++;
    read_body(p, n, &n->items, ends);
    p->loops--;
    if (p->code == SIB_OK && parse_take(p, TOKEN_NAME, "else") && tag_end(p))
        read_body(p, n, &n->other, last);
    return parse_expect(p, TOKEN_NAME, "endfor") && tag_end(p) ? n : NULL;
}

static node *read_set(parser *p)
{
    static const char *const ends[] = {"endset", NULL};
    node *n = parse_node(p, NODE_SET, NULL, NULL);
    if (!n || !(n->a = target(p)))
        return NULL;
    if (n->a->kind == NODE_NAME && parse_take(p, TOKEN_SIGN, ".")) {
        node *name = n->a;
        n->a = parse_node(p, NODE_ATTRIBUTE, name, NULL);
        if (!n->a)
            return NULL;
        n->a->text = parse_name(p);
    }
    if (parse_take(p, TOKEN_SIGN, "=")) {
        n->b = parse_tuple(p);
        parse_below(p, n, n->b);
        return p->code == SIB_OK && tag_end(p) ? n : NULL;
    }
    n->block = true;
    /* the text between the tags stands for the literal below the filters */
    n->c = parse_node(p, NODE_LITERAL, NULL, NULL);
    n->b = parse_filters(p, n->c);
    if (p->code != SIB_OK || !tag_end(p))
        return NULL;
    parse_below(p, n, n->b);
    read_body(p, n, &n->items, ends);
    return parse_expect(p, TOKEN_NAME, "endset") && tag_end(p) ? n : NULL;
}

static node *read_macro(parser *p)
{
    static const char *const ends[] = {"endmacro", NULL};
    node *n = parse_node(p, NODE_MACRO, NULL, NULL);
    if (!n)
        return NULL;
    n->text = parse_name(p);
    node **end = &n->other;
    if (!parse_expect(p, TOKEN_SIGN, "("))
        return NULL;
    while (p->code == SIB_OK && !parse_take(p, TOKEN_SIGN, ")")) {
        if (n->other && !parse_expect(p, TOKEN_SIGN, ","))
            return NULL;
        node *parameter = parse_node(p, NODE_PAIR, NULL, NULL);
        if (!parameter)
            return NULL;
        parameter->text = parse_name(p);
        if (parse_take(p, TOKEN_SIGN, "="))
            parameter->a = parse_expression(p);
        parse_below(p, n, parameter->a);
        *end = parameter;
        end = &parameter->next;
    }
    if (p->code != SIB_OK || !tag_end(p))
        return NULL;
    unsigned loops = p->loops;
    p->loops = 0;
    read_body(p, n, &n->items, ends);
    p->loops = loops;
    return parse_expect(p, TOKEN_NAME, "endmacro") && tag_end(p) ? n : NULL;
}

/* What tells trainers which tokens the assistant made: shown as it stands. */
static node *read_generation(parser *p)
{
    static const char *const ends[] = {"endgeneration", NULL};
    node *n = parse_node(p, NODE_SCOPE, NULL, NULL);
    if (!n || !tag_end(p))
        return NULL;
    read_body(p, n, &n->items, ends);
    return parse_expect(p, TOKEN_NAME, "endgeneration") && tag_end(p) ? n : NULL;
}

static node *leave(parser *p, node_kind kind)
{
    if (!p->loops)
        return parse_fail(p, SIB_ERR_FORMAT, "break or continue outside of a loop");
    node *n = parse_node(p, kind, NULL, NULL);
    return n && tag_end(p) ? n : NULL;
}

static node *read_break(parser *p)
{
    return leave(p, NODE_BREAK);
}

static node *read_continue(parser *p)
{
    return leave(p, NODE_CONTINUE);
}

static node *statement(parser *p)
{
    static const struct {
        const char *name;
        node *(*read)(parser *p);
    } rows[] = {{"if", read_if},
                {"for", read_for},
                {"set", read_set},
                {"macro", read_macro},
                {"break", read_break},
                {"continue", read_continue},
                {"generation", read_generation}};
    if (p->at->kind != TOKEN_NAME)
        return parse_fail(p, SIB_ERR_FORMAT, "expected a statement");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (parse_take(p, TOKEN_NAME, rows[i].name))
            return rows[i].read(p);
    return parse_fail(p, SIB_ERR_UNSUPPORTED,
                      "the statement '%.*s' is not built or stands in no block of its own",
                      (int)(p->at->text.length < 40 ? p->at->text.length : 40), p->at->text.data);
}

static node *print(parser *p)
{
    node *n = parse_node(p, NODE_PRINT, parse_tuple(p), NULL);
    return n && parse_expect(p, TOKEN_PRINT_END, NULL) ? n : NULL;
}

static node *text(parser *p)
{
    node *n = parse_node(p, NODE_TEXT, NULL, NULL);
    if (n)
        n->text = p->at++->text;
    return n;
}

static bool ends_here(const parser *p, const char *const *ends)
{
    for (size_t i = 0; ends[i]; i++)
        if (parse_is(p, TOKEN_NAME, ends[i]))
            return true;
    return false;
}

static node *body(parser *p, const char *const *ends)
{
    node *n = parse_node(p, NODE_BLOCK, NULL, NULL);
    if (!n)
        return NULL;
    node **end = &n->items;
    if (++p->depth > MAX_TREE_DEPTH)
        return parse_fail(p, SIB_ERR_SIZE, "it is nested more than %d deep", MAX_TREE_DEPTH);
    while (p->code == SIB_OK && p->at->kind != TOKEN_END) {
        if (parse_take(p, TOKEN_BLOCK, NULL) && ends_here(p, ends))
            break;
        node *item = p->at->kind == TOKEN_TEXT          ? text(p)
                     : parse_take(p, TOKEN_PRINT, NULL) ? print(p)
                                                        : statement(p);
        if (!item)
            return NULL;
        parse_below(p, n, item);
        *end = item;
        end = &item->next;
    }
    p->depth--;
    if (p->code == SIB_OK && ends[0] && p->at->kind == TOKEN_END)
        return parse_fail(p, SIB_ERR_FORMAT, "the template ends where '%s' is missing", ends[0]);
    return n;
}

sib_code template_parse(const token *tokens, arena *a, const node **out, sib_error *err)
{
    static const char *const none[] = {NULL};
    parser p = {.at = tokens, .a = a, .err = err};
    *out = body(&p, none);
    return p.code;
}
