/* Byte-pair encoding of pre-tokens: splits them into symbols, then applies the merges. */
#ifndef TEXT_BPE_BPE_H
#define TEXT_BPE_BPE_H

#include "text/bpe/merge.h"
#include "text/vocab/pretoken.h"

/* A pre-token starts as its bytes, or as its characters with marks for not being the first or for being
   the last. */
typedef struct bpe {
    pretoken_model model; /* first, so that a pointer to it is a pointer to the struct */
    merges merges;
    bool bytes;            /* symbols are bytes, not characters */
    bool byte_fallback;    /* a character that is not a token becomes the tokens of its bytes */
    bool cuts;             /* bpe_cut may split pre-tokens, which saves time without changing the ids */
    bool fuse_unknown;     /* consecutive unknown symbols become one */
    int32_t unknown;       /* for symbols without a token; -1: an error */
    int32_t byte_ids[256]; /* of the bytes, or with byte_fallback of "<0x00>" and so on; -1 for none */
    byte_buffer not_first, at_end; /* "##", "</w>"; usually empty */
} bpe;

/* Sets the model and the defaults: no byte tokens, no unknown token. */
void bpe_init(bpe *b, const vocab *v);
void bpe_free(bpe *b);

/* Sets b->cuts where no token contains a U+2581, which represents a space, after another character. Long
   texts are then split before it, so that words repeat and the cache finds them. Everything else must be
   set. */
void bpe_find_cuts(bpe *b);

/* Returns the next such position after `at`, or the end of the text. */
size_t bpe_cut(const bpe *b, sib_str text, size_t at);

/* Finds the tokens "<0x00>" to "<0xFF>" of the bytes. */
void bpe_find_fallback(const vocab *v, int32_t byte_ids[256]);

#endif
