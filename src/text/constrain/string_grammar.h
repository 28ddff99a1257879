/* Strings of JSON that patterns allow, as a grammar. */
#ifndef TEXT_CONSTRAIN_STRING_GRAMMAR_H
#define TEXT_CONSTRAIN_STRING_GRAMMAR_H

#include "text/constrain/automaton.h"
#include "text/constrain/json_grammar.h"

/* Max patterns of one string. */
#define STRING_MAX_PATTERNS 4

/* A string of min to max characters (JSON_NO_MAX) that all patterns (n) allow. Characters are written as
   themselves where they can be, else by their short escape or \u00 and two digits. */
uint32_t json_string_like(json_grammar *j, const automaton *patterns, size_t n, uint32_t min, uint32_t max);

#endif
