/* Decoders of a tokenizer.json: how the strings of tokens become a text. */
#ifndef TEXT_STEPS_DECODE_H
#define TEXT_STEPS_DECODE_H

#include "text/steps/pattern.h"
#include "text/tokenizer.h"

typedef struct decoder decoder;

/* Strings one after the other. */
typedef struct string_list {
    byte_buffer bytes;
    size_t *ends; /* (n) where each ends in bytes */
    size_t n, capacity;
} string_list;

/* Ends a string with the bytes that have come. */
sib_code strings_end(string_list *l, sib_error *err);
void strings_free(string_list *l);

/* Builds the steps of a part; NULL value: none. Errors: SIB_ERR_FORMAT, SIB_ERR_UNSUPPORTED (a step that is not known, by
   name), SIB_ERR_MEMORY. */
sib_code decoder_open(const json_part *p, decoder **out, sib_error *err);
void decoder_free(decoder **d);

/* True where one of the steps is ByteLevel. */
bool decoder_byte_level(const decoder *d);

/* Turns the strings of tokens into those whose bytes are the text. bytes: tokens stand there as bytes already. d may be NULL: a
   space between all. at: where the first string stands; a part of a text that is not its front begins behind the bytes that
   decoder_look tells. Errors: SIB_ERR_UNSUPPORTED (as pattern_next), SIB_ERR_MEMORY. */
sib_code decoder_run(const decoder *d, bool bytes, const decode_place *at, string_list *l, sib_error *err);

/* What the steps look at. Before strings are fused a step sees one of them at a time; behind that Fuse, Strip of the front
   (once), and ByteLevel where tokens are bytes already, still do with parts, and all others see the whole text. */
decode_look decoder_look(const decoder *d, bool bytes);

#endif
