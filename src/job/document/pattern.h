/* Names with one "*", which stands for the same text in both names of a pair. */
#ifndef JOB_DOCUMENT_PATTERN_H
#define JOB_DOCUMENT_PATTERN_H

#include "base/str.h"

/* Whether `name` fits `pattern`; *star: the part for which * stands, "" without one. */
bool pattern_fits(const char *pattern, const char *name, sib_str *star);
/* The pattern with * replaced; release with mem_free. NULL where memory cannot be allocated. */
char *pattern_fill(const char *pattern, sib_str star);

#endif
