/* The words of a text: ranges of bytes in order. Steps split them further and may rewrite the text. */
#ifndef TEXT_STEPS_WORDS_H
#define TEXT_STEPS_WORDS_H

#include "base/buffer.h"

typedef struct word {
    size_t at, size;
} word;

typedef struct word_list {
    sib_str text;    /* that the words are ranges of */
    byte_buffer own; /* owns the text once a step has rewritten it */
    word *words;     /* (n) */
    size_t n, capacity;
    struct pattern_search *search; /* of the step that is running */
    bool from_start;               /* the first word begins at the start of the entire text */
} word_list;

/* Appends a word, unless it is empty. Error: SIB_ERR_MEMORY. */
sib_code words_add(word_list *l, size_t at, size_t size, sib_error *err);
void words_free(word_list *l);

#endif
