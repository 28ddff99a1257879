/* Reads tokens as a tree. */
#ifndef TEXT_TEMPLATE_PARSER_H
#define TEXT_TEMPLATE_PARSER_H

#include "text/template/lexer.h"
#include "text/template/tree.h"

/* Max depth of a tree, so that neither reading nor rendering exhausts the stack. */
#define MAX_TREE_DEPTH 200

/* State of reading. After a failure, which `code` keeps, functions return NULL. */
typedef struct parser {
    const token *at; /* the next token; the list ends with TOKEN_END */
    arena *a;
    unsigned depth, loops;
    sib_code code;
    sib_error *err;
} parser;

/* Reads a template. a: keeps the tree; *out: a NODE_BLOCK.
   Errors: SIB_ERR_FORMAT and SIB_ERR_UNSUPPORTED (a statement by name), with the line; SIB_ERR_SIZE (nesting,
   memory), SIB_ERR_MEMORY. */
sib_code template_parse(const token *tokens, arena *a, const node **out, sib_error *err);

/* ---- For the files that read parts ---------------------------------------------------------------------- */

/* A failure at the next token. Returns NULL. */
node *parse_fail(parser *p, sib_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A node over a and b, which may be NULL. */
node *parse_node(parser *p, node_kind kind, node *a, node *b);
/* Makes `below` count as a part of n for the depth of the tree. */
void parse_below(parser *p, node *n, const node *below);
bool parse_is(const parser *p, token_kind kind, const char *text);
/* The same, and goes on behind it. */
bool parse_take(parser *p, token_kind kind, const char *text);
/* Takes it or fails. */
bool parse_expect(parser *p, token_kind kind, const char *text);
/* A name, taken; fails where there is none. */
sib_str parse_name(parser *p);
/* parse_expression.c: with and without "a if b else c"; a tuple without brackets ("a, b"). */
node *parse_expression(parser *p);
node *parse_or(parser *p);
node *parse_tuple(parser *p);
/* Filters behind n: "| trim". */
node *parse_filters(parser *p, node *n);

#endif
