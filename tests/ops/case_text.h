/* Tokens and values in a line of cases. */
#ifndef TESTS_OPS_CASE_TEXT_H
#define TESTS_OPS_CASE_TEXT_H

#include "case.h"

typedef struct cursor {
    const char *at, *end;
    graph_arena *arena; /* memory of strings and lists */
    size_t n_variables;
    case_variable variables[CASE_MAX_VARIABLES]; /* the T of `for T` */
    sib_error *err;
} cursor;

/* Sets the error to the formatted text and the position in the line. Returns false. */
bool cursor_fails(cursor *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cursor_blanks(cursor *c);
/* Skips blanks, and text if it comes next; returns whether it did. */
bool cursor_takes(cursor *c, const char *text);
bool cursor_expects(cursor *c, const char *text);
/* Letters, digits and underscores; may be empty. */
sib_str cursor_word(cursor *c);
/* Up to the next blank or one of the characters of `ends`. */
sib_str cursor_token(cursor *c, const char *ends);
/* A quoted string with the escapes \" \\ \n \t \xHH. */
bool cursor_string(cursor *c, sib_str *out);
bool cursor_dtype(cursor *c, sib_dtype *out);
bool cursor_int(cursor *c, int64_t *out);

/* `dtype[dims]`, then `= elements` or `={elements}` (braced). *any is set if the elements are `?`; NULL: not
   allowed. The caller owns *out. */
bool cursor_tensor(cursor *c, bool braced, sib_tensor **out, bool *any);
/* dtype, seq: of a type, opt: of a type. */
bool cursor_type(cursor *c, value_type *out);
/* A complete value. */
bool cursor_value(cursor *c, case_value *out);
/* A graph attribute has its text in s until cursor_graphs. */
bool cursor_attribute(cursor *c, attribute *out);
/* Builds the graphs of the attributes (n) of a node in `outer`, whose values they may read, with the
   variables of c. version: opset of their nodes. */
bool cursor_graphs(cursor *c, graph *outer, int64_t version, size_t n, attribute *attributes);

#endif
