/* Byte-pair encoding of pre-tokens: first the symbols, then the merges. */
#ifndef TEXT_BPE_BPE_H
#define TEXT_BPE_BPE_H

#include "text/bpe/merge.h"
#include "text/pretoken.h"

/* A pre-token begins as its bytes, or as its characters, each with what marks that it is not the first or that it is the last. */
typedef struct bpe {
    pretoken_model model; /* first, so that the model's functions find it */
    merges merges;
    bool bytes;            /* a symbol is a byte, not a character */
    bool byte_fallback;    /* a character that is not a token becomes the tokens of its bytes */
    bool cuts;             /* bpe_cut may cut a pre-token: the ids stay the same, the time is shorter */
    bool fuse_unknown;     /* unknown ones that follow one another become one */
    int32_t unknown;       /* for what has no token; -1: refused */
    int32_t byte_ids[256]; /* -1 for none: of the bytes, or with byte_fallback of "<0x00>" and so on */
    byte_buffer not_first, at_end; /* "##", "</w>"; mostly empty */
} bpe;

/* Sets what a tokenizer without anything special has: model, no tokens of bytes, nothing unknown. */
void bpe_init(bpe *b, const vocab *v);
void bpe_free(bpe *b);

/* Sets b->cuts where no token reaches across the start of a U+2581, which stands for a space, behind another character. Texts
   that come as one piece are cut there, so that words are found again. The vocabulary and all else are there before. */
void bpe_find_cuts(bpe *b);

/* The next such place behind `at`, or the end of the text. */
size_t bpe_cut(const bpe *b, sib_str text, size_t at);

/* "<0x00>" to "<0xFF>" as the tokens of bytes. */
void bpe_find_fallback(const vocab *v, int32_t byte_ids[256]);

#endif
