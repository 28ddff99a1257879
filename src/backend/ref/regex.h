/* Regular expressions in RE2's syntax, or in ECMAScript's. */
#ifndef REF_REGEX_H
#define REF_REGEX_H

#include "backend/ref/kernel.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* The match and its first 99 groups. */
#define REGEX_GROUPS 100

typedef enum regex_use {
    REGEX_ENTIRE,
    REGEX_SEARCH, /* the first alternative, with groups */
    REGEX_LONGEST /* the longest match, without groups */
} regex_use;

typedef struct regex {
    regex_use use;
    bool ecma;
    pcre2_code *code;
    pcre2_compile_context *compile;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    int *work; /* (n_work) */
    size_t n_work;
} regex;

/* Compiles a pattern for regex_matches (REGEX_ENTIRE) or regex_search (the others). regex_free(m), also where it fails.
   Errors: SIB_ERR_VALUE (no pattern of RE2's, or not supported), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code regex_make(const ref_call *c, regex *m, sib_str pattern, regex_use use);
/* The same of a pattern of ECMAScript's syntax as std::regex of C++ reads it, which matches bytes. ignore_case: of the letters
   of ASCII. Not supported: characters beyond a byte, collating elements, repeats of repeats. */
sib_code regex_make_ecma(const ref_call *c, regex *m, sib_str pattern, regex_use use, bool ignore_case);
void regex_free(regex *m);

/* Whether all of s matches; text that is not UTF-8 does not. Errors: SIB_ERR_VALUE (a limit of the matcher),
   SIB_ERR_MEMORY. */
sib_code regex_matches(const ref_call *c, regex *m, sib_str s, bool *matches);

/* Finds the first match from byte `from` on; its place is that of regex_span. known_utf8: an earlier search in s has found it to be UTF-8. Errors: SIB_ERR_VALUE (a limit
   of the matcher). */
sib_code regex_search(const ref_call *c, regex *m, sib_str s, size_t from, bool known_utf8, bool *matches);

/* Finds a match that begins at byte `from`, and is not empty. */
sib_code regex_search_here(const ref_call *c, regex *m, sib_str s, size_t from, bool *matches);

/* Translates a pattern of ECMAScript's to PCRE2's: writes *n <= REGEX_GROWTH * in.length bytes to out. Returns why it cannot be,
   or NULL; *at: the byte of the pattern where. */
const char *regex_from_ecma(sib_str in, char *out, size_t *n, size_t *at);
#define REGEX_GROWTH 12

/* Groups of the pattern that capture. */
size_t regex_groups(const regex *m);
/* Bytes [begin, end) of group 0, the match, to REGEX_GROUPS - 1. False where there is no such group, or it took
   no part in the match. */
bool regex_span(const regex *m, size_t group, size_t *begin, size_t *end);

#endif
