/* What the files that read a template share: tokens taken, nodes made, failures. */
#include "text/template/parser.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

node *parse_fail(parser *p, sib_code code, const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (p->code == SIB_OK)
        p->code = err_set(p->err, code, "the chat template, line %u: %s", (unsigned)p->at->line, text);
    return NULL;
}

void parse_below(parser *p, node *n, const node *below)
{
    if (below && below->depth >= n->depth)
        n->depth = below->depth + 1;
    if (n->depth > MAX_TREE_DEPTH)
        parse_fail(p, SIB_ERR_SIZE, "it is nested more than %d deep", MAX_TREE_DEPTH);
}

node *parse_node(parser *p, node_kind kind, node *a, node *b)
{
    if (p->code != SIB_OK)
        return NULL;
    node *n = tpl_arena_take(p->a, 1, sizeof *n, p->err);
    if (!n)
        return parse_fail(p, SIB_ERR_SIZE, "it needs too much memory");
    *n = (node){.kind = kind, .line = p->at->line, .a = a, .b = b};
    parse_below(p, n, a);
    parse_below(p, n, b);
    return n;
}

bool parse_is(const parser *p, token_kind kind, const char *text)
{
    return p->at->kind == kind && (!text || str_is(p->at->text, text));
}

bool parse_take(parser *p, token_kind kind, const char *text)
{
    bool taken = parse_is(p, kind, text);
    p->at += taken;
    return taken;
}

bool parse_expect(parser *p, token_kind kind, const char *text)
{
    if (p->code == SIB_OK && !parse_take(p, kind, text))
        parse_fail(p, SIB_ERR_FORMAT, "expected %s%s%s", text ? "'" : "", text ? text : "the end of the tag",
                   text ? "'" : "");
    return p->code == SIB_OK;
}

sib_str parse_name(parser *p)
{
    if (p->at->kind != TOKEN_NAME)
        parse_fail(p, SIB_ERR_FORMAT, "expected a name");
    return p->code == SIB_OK ? p->at++->text : (sib_str){"", 0};
}
