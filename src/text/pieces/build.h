/* A tokenizer of kind "pieces", filled from lists. */
#ifndef TEXT_PIECES_BUILD_H
#define TEXT_PIECES_BUILD_H

#include "text/bpe/bpe.h"
#include "text/pieces/pieces.h"
#include "text/pieces/unigram.h"
#include "text/scan.h"
#include "text/tokenizer.h"

/* As it stands behind sib_tokenizer.state. */
typedef struct pieces {
    pretoken_model *model; /* one of these */
    bpe bpe;
    unigram unigram;
    scan_pretoken *scan; /* of "gpt2", else NULL */
    trie user;           /* user-defined pieces are tokens wherever they stand */
    uint8_t *types;      /* (n) */
    uint8_t *bytes;      /* (n) what PIECE_BYTE stands for */
    size_t n;
    bool prefix, trim;
    int32_t unknown; /* -1 for none */
} pieces;

/* Fills a tokenizer of kind "pieces" from lists, and from a document with lists (document.c). */
sib_code pieces_open(sib_tokenizer *t, const pieces_source *source, sib_error *err);
sib_code pieces_open_json(sib_tokenizer *t, const text_source *source, sib_error *err);

#endif
