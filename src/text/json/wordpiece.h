/* WordPiece: splits a word greedily into the longest tokens, from its start (Schuster & Nakajima 2012).
   WordLevel: each word must be a token. */
#ifndef TEXT_JSON_WORDPIECE_H
#define TEXT_JSON_WORDPIECE_H

#include "text/vocab/pretoken.h"

typedef struct wordpiece {
    pretoken_model model;  /* first, so that a pointer to it is a pointer to the struct */
    int32_t unknown;       /* for a word that tokens cannot form; -1: an error */
    size_t max_characters; /* max characters of a word; longer ones are unknown */
    byte_buffer not_first; /* "##" */
} wordpiece;

void wordpiece_init(wordpiece *w, const vocab *v);
/* Words that are not tokens are unknown. */
void wordlevel_init(wordpiece *w, const vocab *v);

#endif
