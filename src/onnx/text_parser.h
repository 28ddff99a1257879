/* Shared by the files that read functions in text: names, protobuf under construction, tensors, types. */
#ifndef ONNX_TEXT_PARSER_H
#define ONNX_TEXT_PARSER_H

#include "base/names.h"
#include "onnx/text_function.h"
#include "onnx/text_lex.h"

typedef struct text_parser {
    text_lexer l;
    /* names that a body may read: of the function, and of each graph that is being read inside it */
    name_map names[TEXT_FUNCTION_DEPTH + 1];
    unsigned depth;      /* of the innermost graph; 0: the function */
    name_map domains;    /* imported */
    name_map attributes; /* of the function */
    sib_str domain;
} text_parser;

/* Numbers or strings between brackets: (n) in the arena, doubled as they come. */
typedef struct word_list {
    text_word *words;
    size_t n, capacity;
} word_list;

/* Arguments for "%.*s". */
#define WORD(word) (int)(word).text.length, (word).text.data

/* Fields of protobuf. Failures are kept by the buffer until its message is put into another. */
void text_put_varint(text_parser *p, byte_buffer *b, uint64_t n);
void text_put_number(text_parser *p, byte_buffer *b, uint32_t field, int64_t n);
void text_put_bytes(text_parser *p, byte_buffer *b, uint32_t field, sib_str s);
/* Adds a message and frees it; memory that failed becomes the failure of the text. */
void text_put_message(text_parser *p, byte_buffer *b, uint32_t field, byte_buffer *message);
/* Frees a message that is put nowhere; what failed in it counts all the same. */
void text_end_message(text_parser *p, byte_buffer *message);
/* Consumes a name, quoted or not. what: is wanted, for the message where another word is there. */
text_word text_take_name(text_parser *p, const char *what);
/* Whether a body may read a value of this name here; makes one of this name, once. */
bool text_is_known(const text_parser *p, sib_str name);
void text_define(text_parser *p, text_word word);
/* Whether a word is a number or a string; appends one; consumes those up to `end`, and that. */
bool text_is_item(const text_word *w);
void text_add_word(text_parser *p, word_list *list, text_word word);
void text_take_items(text_parser *p, char end, word_list *list);
/* The value of an integer; fails for another word. */
int64_t text_integer(text_parser *p, text_word word);
/* Converts words to a tensor [n], owned by the caller; NULL after a failure. at: place of the list. */
sib_tensor *text_tensor(text_parser *p, const word_list *list, sib_dtype dtype, size_t at);
bool text_is_dtype(const text_parser *p);
/* The rest of "float[2] {1, 2}" after its dtype, as a TensorProto. */
void text_take_tensor(text_parser *p, text_word type, byte_buffer *out);
/* "float[N] x" or "x" as a ValueInfoProto. initial: receives the TensorProto of "float[2] x = {1, 2}", which is
   taken where it is not NULL. Returns the name. */
text_word text_take_value(text_parser *p, byte_buffer *out, byte_buffer *initial);

#endif
