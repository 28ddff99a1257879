/* Upper and lower case by Unicode's default rules, no locale's. */
#ifndef REF_TEXT_CASE_H
#define REF_TEXT_CASE_H

#include <sibyl/tensor.h>

/* Most bytes that one byte of text can become. */
#define TEXT_CASE_GROWTH 3

/* Writes s in the other case to out: (TEXT_CASE_GROWTH * s.length bytes). Bytes that are no UTF-8 stay. Returns the
   bytes written. */
size_t text_case(sib_str s, bool upper, char *out);

#endif
