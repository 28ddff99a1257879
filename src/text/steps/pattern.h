/* Patterns in texts: a string, or a regular expression. Expressions are written for Oniguruma and run by
   PCRE2; syntax that differs between the two (\h, && in a class) is rejected. */
#ifndef TEXT_STEPS_PATTERN_H
#define TEXT_STEPS_PATTERN_H

#include "text/steps/json_part.h"

typedef struct text_pattern {
    byte_buffer literal; /* where regex is NULL */
    void *regex;         /* pcre2_code */
} text_pattern;

/* Opens {"String": "..."} or {"Regex": "..."}; `p` names the part. Errors: SIB_ERR_FORMAT,
   SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY. */
sib_code pattern_open(text_pattern *t, const json_part *p, sib_error *err);
void pattern_free(text_pattern *t);

/* State of searching texts one after the other. */
typedef struct pattern_search {
    const text_pattern *pattern;
    sib_str text;
    size_t at, last_end; /* of the last match, SIZE_MAX before the first */
    byte_buffer clean;   /* the text with invalid bytes replaced, where it has any */
    uint64_t steps;      /* remaining steps for the text, beyond a few at each position */
    bool use_clean;
    void *match, *context, *stack;
} pattern_search;

/* Errors: SIB_ERR_MEMORY. Call pattern_end even after a failure. */
sib_code pattern_begin(pattern_search *s, const text_pattern *t, sib_error *err);
/* Sets the text to search, which the caller keeps. Errors: SIB_ERR_MEMORY. */
sib_code pattern_text(pattern_search *s, sib_str text, sib_error *err);
/* Finds the next match; returns false where there is none or after a failure, which *code has. A match may
   be empty, except directly after the last one. Errors: SIB_ERR_UNSUPPORTED (the expression takes more
   steps than the text may), SIB_ERR_MEMORY. */
bool pattern_next(pattern_search *s, size_t *begin, size_t *end, sib_code *code, sib_error *err);
void pattern_end(pattern_search *s);

#endif
