/* Reading the words of a line of cases. */
#ifndef TESTS_OPS_CASE_TEXT_H
#define TESTS_OPS_CASE_TEXT_H

#include "case.h"

typedef struct cursor {
    const char *at, *end;
    graph_arena *arena; /* where strings and lists go */
    size_t n_variables;
    case_variable variables[CASE_MAX_VARIABLES]; /* the T of `for T` */
    sib_error *err;
} cursor;

/* False with the words as the error, and where in the line. */
bool cursor_fails(cursor *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cursor_blanks(cursor *c);
/* Takes a word of text if it stands here, blanks before it skipped. */
bool cursor_takes(cursor *c, const char *text);
bool cursor_expects(cursor *c, const char *text);
/* Letters, digits and underscores, perhaps none. */
sib_str cursor_word(cursor *c);
/* Up to the next blank or one of the characters of `ends`. */
sib_str cursor_token(cursor *c, const char *ends);
/* A string in quotes; \" \\ \n \t \xHH. */
bool cursor_string(cursor *c, sib_str *out);
bool cursor_dtype(cursor *c, sib_dtype *out);
bool cursor_int(cursor *c, int64_t *out);

/* `dtype[dims]`, then `= elements` or `={elements}` (braced). *any is set where the elements are `?`; NULL: not allowed.
   *out is the caller's. */
bool cursor_tensor(cursor *c, bool braced, sib_tensor **out, bool *any);
/* dtype, seq: of a type, opt: of a type. */
bool cursor_type(cursor *c, value_type *out);
/* A whole value. */
bool cursor_value(cursor *c, case_value *out);
/* One of kind graph has its text in s until cursor_graphs. */
bool cursor_attribute(cursor *c, attribute *out);
/* Makes the graphs of attributes (n) of a node in `outer`, whose values they may read, with the variables of c.
   version: opset of their nodes. */
bool cursor_graphs(cursor *c, graph *outer, int64_t version, size_t n, attribute *attributes);

#endif
