/* Decoders of a tokenizer.json: turn the strings of tokens into a text. */
#ifndef TEXT_STEPS_DECODE_H
#define TEXT_STEPS_DECODE_H

#include "text/steps/pattern.h"
#include "text/vocab/tokenizer.h"

typedef struct decoder decoder;

/* Concatenated strings. */
typedef struct string_list {
    byte_buffer bytes;
    size_t *ends; /* (n) end of each string in bytes */
    size_t n, capacity;
} string_list;

/* Ends a string with the bytes appended so far. */
sib_code strings_end(string_list *l, sib_error *err);
void strings_free(string_list *l);

/* Builds the steps of a part; none for a NULL value. Errors: SIB_ERR_FORMAT, SIB_ERR_UNSUPPORTED (an
   unknown step, by name), SIB_ERR_MEMORY. */
sib_code decoder_open(const json_part *p, decoder **out, sib_error *err);
void decoder_free(decoder **d);

/* True where one of the steps is ByteLevel. */
bool decoder_byte_level(const decoder *d);

/* Turns the strings of tokens into those whose concatenation is the text. bytes: the strings are bytes
   already. d may be NULL: joins them by spaces. at: position of the first string; a part that is not the
   start of a text begins after the bytes that decoder_look gives. Errors: SIB_ERR_UNSUPPORTED (as
   pattern_next), SIB_ERR_MEMORY. */
sib_code decoder_run(const decoder *d, bool bytes, const decode_place *at, string_list *l, sib_error *err);

/* Returns what the steps depend on. Before Fuse, a step sees one string at a time. After it, Fuse, one
   Strip of the front, and ByteLevel on bytes still work on parts; all other steps need the entire text. */
decode_look decoder_look(const decoder *d, bool bytes);

#endif
