/* Properties of characters for the steps of a tokenizer.json. All are false for UTF8_BROKEN. */
#ifndef TEXT_CHARS_H
#define TEXT_CHARS_H

#include "text/chars/classes.h"

bool char_is_space(uint32_t c);       /* White_Space */
bool char_is_number(uint32_t c);      /* N* */
bool char_is_punctuation(uint32_t c); /* P*, and ASCII punctuation */
bool char_is_word(uint32_t c);        /* \w: letters, marks, digits, connectors, joiners (UTS 18, annex C) */
bool char_is_accent(uint32_t c);      /* Mn */
bool char_is_mark(uint32_t c);        /* M* */
bool char_is_control(uint32_t c);     /* Cc, Cf, Co, Cs except tab and line ends */
bool char_is_chinese(uint32_t c);     /* the ideographs around which BERT puts spaces */

/* Full canonical decomposition: writes at most 4 characters to out and returns their number. */
size_t char_decompose(uint32_t c, uint32_t out[4]);

/* Full lowercase mapping: writes the characters to out and returns their number. */
size_t char_lower(uint32_t c, uint32_t out[3]);

#endif
