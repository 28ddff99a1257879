/* Characters of UTF-8 as Python's str has them. */
#ifndef TEXT_TEMPLATE_CHARACTERS_H
#define TEXT_TEMPLATE_CHARACTERS_H

#include "base/str.h"

/* Bytes of the blank (str.isspace) that begins at byte `at`, or that ends there; 0 where there is none. */
size_t space_at(sib_str s, size_t at);
size_t space_before(sib_str s, size_t at);
/* Number of characters. */
size_t characters(sib_str s);
/* The byte at which character i begins; s.length past the last. */
size_t character_at(sib_str s, size_t i);
/* The first byte at or after `from` at which `part` stands, SIZE_MAX where it does not. */
size_t text_find(sib_str s, sib_str part, size_t from);

#endif
