/* Upper and lower case by Unicode's default rules, independent of locale. */
#ifndef REF_TEXT_CASE_H
#define REF_TEXT_CASE_H

#include <sibyl/tensor.h>

/* Max bytes that one byte of text can become. */
#define TEXT_CASE_GROWTH 3

/* Converts s to the given case. out: (TEXT_CASE_GROWTH * s.length bytes). Invalid UTF-8 is copied. Returns
   the number of bytes written. */
size_t text_case(sib_str s, bool upper, char *out);

#endif
