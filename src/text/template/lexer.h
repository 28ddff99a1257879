/* Cuts a template into tokens: text as it stands, and names, literals and operators inside {{ }} and {% %}. */
#ifndef TEXT_TEMPLATE_LEXER_H
#define TEXT_TEMPLATE_LEXER_H

#include "base/str.h"
#include "text/template/arena.h"

typedef enum token_kind {
    TOKEN_TEXT,      /* outside of tags, blanks trimmed as the tags want it */
    TOKEN_PRINT,     /* {{ */
    TOKEN_PRINT_END, /* }} */
    TOKEN_BLOCK,     /* {% */
    TOKEN_BLOCK_END, /* %} */
    TOKEN_NAME,
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_STRING, /* text: without quotes, escapes resolved */
    TOKEN_SIGN,   /* an operator or a bracket */
    TOKEN_END
} token_kind;

typedef struct token {
    token_kind kind;
    uint32_t line;
    sib_str text;
    int64_t integer;
    double number;
} token;

typedef struct token_list {
    token *items; /* (n), the last is TOKEN_END; mem_free */
    size_t n, capacity;
} token_list;

/* As Jinja does with trim_blocks and lstrip_blocks: a tag's own line leaves no blank line. a: keeps the texts.
   out: all zero before; its items are freed by the caller, also where this fails.
   Errors: SIB_ERR_FORMAT with the line, SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code template_lex(sib_str text, arena *a, token_list *out, sib_error *err);

#endif
