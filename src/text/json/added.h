/* Added tokens of a tokenizer.json: strings that are tokens wherever they occur, found before a text is
   split. */
#ifndef TEXT_JSON_ADDED_H
#define TEXT_JSON_ADDED_H

#include "text/vocab/trie.h"

#include "base/buffer.h"

typedef struct added_token {
    int32_t id;
    bool special, single_word, left, right; /* left, right: includes the spaces on that side */
    bool normalized;                        /* searched in the normalized text, else in the original */
    sib_str content;                        /* the text to search for; in the buffer of the list */
} added_token;

typedef struct added_list {
    added_token *tokens; /* (n) by id */
    size_t n;
    byte_buffer contents;
    trie raw, normalized; /* ids are indices into tokens */
} added_list;

/* Sorts the tokens and builds the tries. Errors: SIB_ERR_FORMAT (two with the same content),
   SIB_ERR_MEMORY. */
sib_code added_index(added_list *l, sib_error *err);
/* Returns the token with an id, or NULL. */
const added_token *added_of_id(const added_list *l, int32_t id);
void added_free(added_list *l);

/* Finds the next token that starts at or after `at`; *begin and *end include the spaces that it takes,
   from `at` on. Returns NULL where there is none. specials: false to treat special tokens as text. */
const added_token *added_next(const added_list *l, bool normalized, bool specials, sib_str text, size_t at,
                              size_t *begin, size_t *end);

#endif
