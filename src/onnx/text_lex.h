/* Words of ONNX's textual syntax, with the place of each for messages. */
#ifndef ONNX_TEXT_LEX_H
#define ONNX_TEXT_LEX_H

#include "base/buffer.h"
#include "graph/arena.h"

#include "base/str.h"

typedef enum text_kind {
    TEXT_END,
    TEXT_NAME,   /* letters, digits and _, or a quoted one where names are wanted */
    TEXT_STRING, /* "...", without quotes and escapes */
    TEXT_INT,
    TEXT_FLOAT,
    TEXT_ARROW, /* => */
    TEXT_MARK   /* one character */
} text_kind;

typedef struct text_word {
    text_kind kind;
    sib_str text;
    size_t at; /* byte */
} text_word;

/* Reads words one after the other. Failures are sticky: after the first, the word is TEXT_END. */
typedef struct text_lexer {
    const char *label; /* of the text, for messages */
    sib_str text;
    size_t at;          /* of the next byte */
    text_word word;     /* not consumed yet */
    graph_arena *arena; /* of strings with escapes */
    sib_code code;
    sib_error *err;
} text_lexer;

void text_open(text_lexer *l, const char *label, sib_str text, graph_arena *arena, sib_error *err);
/* Consumes the word. */
text_word text_next(text_lexer *l);
/* Whether the word is this mark ('<', '(', ...). */
bool text_is(const text_lexer *l, char mark);
/* Whether the word is this name. */
bool text_is_name(const text_lexer *l, const char *name);
/* Consumes the mark if it is next. */
bool text_take(text_lexer *l, char mark);
/* Consumes the mark, fails where another word is next. */
void text_expect(text_lexer *l, char mark);
/* Fails with "LABEL:LINE:COLUMN: ..." of byte `at`. Returns SIB_ERR_FORMAT, or the code of an earlier failure. */
sib_code text_fail(text_lexer *l, size_t at, const char *format, ...) ERR_PRINTF(3, 4);
sib_code text_no_memory(text_lexer *l);

#endif
