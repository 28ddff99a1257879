/* Byte-pair encoding of pieces: first the symbols, then the merges. */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include "text/merge.h"
#include "text/piece.h"

/* A piece begins as its bytes, or as its characters, each with what marks that it is not the first or that it is the last. */
typedef struct bpe {
    piece_model model; /* first, so that the model's functions find it */
    merges merges;
    bool bytes;            /* a symbol is a byte, not a character */
    bool byte_fallback;    /* a character that is no token becomes the tokens of its bytes */
    bool fuse_unknown;     /* unknown ones that follow one another become one */
    int32_t unknown;       /* for what has no token; -1: refused */
    int32_t byte_ids[256]; /* -1 for none: of the bytes, or with byte_fallback of "<0x00>" and so on */
    text_buffer not_first, at_end; /* "##", "</w>"; mostly empty */
} bpe;

/* Sets what a tokenizer without anything special has: model, no tokens of bytes, nothing unknown. */
void bpe_init(bpe *b, const vocab *v);
void bpe_free(bpe *b);

/* "<0x00>" to "<0xFF>" as the tokens of bytes. */
void bpe_find_fallback(const vocab *v, int32_t byte_ids[256]);

#endif
