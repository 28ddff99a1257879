/* A text cut into words, step by step: a list of stretches, in order, of one text that steps may rewrite. */
#ifndef TEXT_STEPS_WORDS_H
#define TEXT_STEPS_WORDS_H

#include "base/buffer.h"

typedef struct word {
    size_t at, size;
} word;

typedef struct word_list {
    sib_str text;    /* the words' */
    byte_buffer own; /* where a step has rewritten it */
    word *words;     /* (n) */
    size_t n, capacity;
    struct pattern_search *search; /* of the step that makes them */
    bool from_start;               /* the first word begins where the whole text does */
} word_list;

/* Adds a word that is not empty. */
sib_code words_add(word_list *l, size_t at, size_t size, sib_error *err);
void words_free(word_list *l);

#endif
