/* What two hypotheses about the same speech agree on. */
#ifndef LIVE_WORDS_H
#define LIVE_WORDS_H

#include <stddef.h>

/* Bytes of the words with which both texts begin. */
size_t words_shared(const char *a, const char *b);

#endif
