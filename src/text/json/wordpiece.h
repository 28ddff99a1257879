/* WordPiece: a word as the longest tokens, from its start (Schuster & Nakajima 2012); WordLevel: words that are tokens. */
#ifndef TEXT_JSON_WORDPIECE_H
#define TEXT_JSON_WORDPIECE_H

#include "text/pretoken.h"

typedef struct wordpiece {
    pretoken_model model;  /* first, so that the model's functions find it */
    int32_t unknown;       /* for a word that is not made of tokens; -1: refused */
    size_t max_characters; /* characters of a word; longer ones are unknown */
    byte_buffer not_first; /* "##" */
} wordpiece;

void wordpiece_init(wordpiece *w, const vocab *v);
/* Words that are no tokens are unknown. */
void wordlevel_init(wordpiece *w, const vocab *v);

#endif
