/* What editing strings by regular expressions shares: parts of strings. */
#ifndef REF_REGEX_EDIT_H
#define REF_REGEX_EDIT_H

#include "backend/ref/regex.h"
#include "base/array.h"
#include "base/buffer.h"
#include "base/str.h"

/* A part of a string. */
typedef struct span {
    sib_str text;
    size_t begin; /* of it in its string */
} span;

typedef struct spans {
    span *items; /* (n) */
    size_t n, capacity;
} spans;

/* Appends bytes [begin, end) of s. */
static inline sib_code spans_put(const ref_call *c, spans *to, sib_str s, size_t begin, size_t end)
{
    span part = {{s.data + begin, end - begin}, begin};
    return ARRAY_PUSH(to->items, to->n, to->capacity, "words", c->err, part);
}

/* By a pattern of ECMAScript's syntax (regex_make_ecma). Matches follow one another as std::regex_iterator finds them:
   behind an empty one the next is not empty, or begins a byte later. */

/* Sets *to, an empty string, to s with its first match, or all, rewritten. Errors: as regex_search, SIB_ERR_MEMORY. */
sib_code ecma_replace(const ref_call *c, regex *m, sib_str s, const regex_edit_spec *spec, sib_str *to);
/* Appends what lies between matches and is not empty, and the matches that `keep` matches; keep: may be NULL. */
sib_code ecma_split(const ref_call *c, regex *cut, regex *keep, sib_str s, spans *words);

#endif
