/* Patterns in texts: a string, or a regular expression. Expressions are written for Oniguruma and run by PCRE2; what the two
   read differently (\h, && in a class) is refused. */
#ifndef TEXT_STEPS_PATTERN_H
#define TEXT_STEPS_PATTERN_H

#include "text/json_part.h"

typedef struct text_pattern {
    byte_buffer literal; /* where there is no regex */
    void *regex;         /* pcre2_code */
} text_pattern;

/* {"String": "..."} or {"Regex": "..."}; `p` names the part. Errors: SIB_ERR_FORMAT, SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY. */
sib_code pattern_open(text_pattern *t, const json_part *p, sib_error *err);
void pattern_free(text_pattern *t);

/* Looks through texts, one after the other. */
typedef struct pattern_search {
    const text_pattern *pattern;
    sib_str text;
    size_t at, last_end; /* of the last match, SIZE_MAX before the first */
    byte_buffer clean;   /* the text with broken bytes replaced, where it has any */
    uint64_t steps;      /* that the text may still take beyond a few at each place */
    bool use_clean;
    void *match, *context, *stack;
} pattern_search;

/* Errors: SIB_ERR_MEMORY. End it with pattern_end even where it fails. */
sib_code pattern_begin(pattern_search *s, const text_pattern *t, sib_error *err);
/* The text that is looked through from now on; it stays the caller's. Errors: SIB_ERR_MEMORY. */
sib_code pattern_text(pattern_search *s, sib_str text, sib_error *err);
/* The next match, which may be empty, but not right behind the last one: true, *begin and *end. Errors: SIB_ERR_UNSUPPORTED
   (the expression takes more steps than the text may), SIB_ERR_MEMORY; in *code. */
bool pattern_next(pattern_search *s, size_t *begin, size_t *end, sib_code *code, sib_error *err);
void pattern_end(pattern_search *s);

#endif
