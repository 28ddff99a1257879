/* Added tokens of a tokenizer.json: strings that are tokens wherever they stand, found before a text is cut. */
#ifndef TEXT_JSON_ADDED_H
#define TEXT_JSON_ADDED_H

#include "text/trie.h"

#include "base/buffer.h"

typedef struct added_token {
    int32_t id;
    bool special, single_word, left, right; /* left, right: takes the spaces beside it */
    bool normalized;                        /* found in the normalized text, else in the text as it comes */
    sib_str content;                        /* as it is found; in the buffer of the list */
} added_token;

typedef struct added_list {
    added_token *tokens; /* (n) by id */
    size_t n;
    byte_buffer contents;
    trie raw, normalized; /* ids are places in tokens */
} added_list;

/* Puts them in order and builds the tries. Errors: SIB_ERR_FORMAT (two of the same content), SIB_ERR_MEMORY. */
sib_code added_index(added_list *l, sib_error *err);
/* The one with an id, NULL for none. */
const added_token *added_of_id(const added_list *l, int32_t id);
void added_free(added_list *l);

/* The next one at or behind `at`, *begin and *end with the spaces that it takes, not before `at`; NULL for none. specials: false
   where special ones are text. */
const added_token *added_next(const added_list *l, bool normalized, bool specials, sib_str text, size_t at,
                              size_t *begin, size_t *end);

#endif
