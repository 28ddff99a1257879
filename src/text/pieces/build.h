/* Builds tokenizers of kind "pieces" from lists. */
#ifndef TEXT_PIECES_BUILD_H
#define TEXT_PIECES_BUILD_H

#include "text/bpe/bpe.h"
#include "text/chars/scan.h"
#include "text/pieces/pieces.h"
#include "text/pieces/unigram.h"
#include "text/vocab/tokenizer.h"

/* The state of the kind (sib_tokenizer.state). */
typedef struct pieces {
    pretoken_model *model; /* points to one of these */
    bpe bpe;
    unigram unigram;
    scan_pretoken *scan; /* for "gpt2", else NULL */
    trie user;           /* user-defined pieces, which are tokens wherever they occur */
    uint8_t *types;      /* (n) */
    uint8_t *bytes;      /* (n) the byte of each PIECE_BYTE */
    size_t n;
    bool prefix, trim;
    int32_t unknown; /* or -1 */
} pieces;

/* Fill a tokenizer of kind "pieces" from lists, or from a document with lists (document.c). */
sib_code pieces_open(sib_tokenizer *t, const pieces_source *source, sib_error *err);
sib_code pieces_open_json(sib_tokenizer *t, const text_source *source, sib_error *err);

#endif
