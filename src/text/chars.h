/* What steps of a tokenizer.json ask of a character. c may be UTF8_BROKEN, which is none of these. */
#ifndef TEXT_CHARS_H
#define TEXT_CHARS_H

#include "text/classes.h"

bool char_is_space(uint32_t c);       /* White_Space */
bool char_is_number(uint32_t c);      /* N* */
bool char_is_punctuation(uint32_t c); /* P*, and ASCII's */
bool char_is_word(uint32_t c);        /* \w: letters, marks, digits, connectors, joiners (UTS 18, annex C) */
bool char_is_accent(uint32_t c);      /* Mn */
bool char_is_mark(uint32_t c);        /* M* */
bool char_is_control(uint32_t c);     /* Cc, Cf, Co, Cs but tab and line ends */
bool char_is_chinese(uint32_t c);     /* the ideographs that BERT sets apart */

/* Lower case in full: (n) characters in out. */
size_t char_lower(uint32_t c, uint32_t out[3]);

#endif
