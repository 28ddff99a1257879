/* Tokenizers given as lists, as GGUF has them: pieces with scores (SentencePiece), or byte-level tokens
   with merges. */
#ifndef TEXT_PIECES_PIECES_H
#define TEXT_PIECES_PIECES_H

#include "base/str.h"

#include <sibyl/text.h>

/* Types of pieces, numbered as in SentencePiece. */
enum { PIECE_NORMAL = 1, PIECE_UNKNOWN, PIECE_CONTROL, PIECE_USER, PIECE_UNUSED, PIECE_BYTE };

typedef struct pieces_source {
    const char *name;      /* for messages */
    const char *model;     /* "bpe" (GGUF's "llama"), "unigram" ("t5"), "gpt2" (byte-level, with merges) */
    size_t n;              /* pieces; a piece's index is its id */
    const sib_str *pieces; /* (n) */
    const double *scores;  /* (n), for "bpe" and "unigram" */
    const int32_t *types;  /* (n), or NULL: all normal */
    size_t n_merges;
    const sib_str *merges; /* (n_merges) "left right", for "gpt2" */
    const char *pre; /* pre-tokenizer of "gpt2" by GGUF's name: "gpt-2", "llama-bpe", "qwen2"; NULL: gpt-2 */
    bool add_space_prefix; /* prepend a space to each text */
    bool remove_extra_whitespaces;
    bool keep_spaces;        /* spaces stay what they are in pieces, else they are U+2581 there */
    sib_str charsmap;        /* SentencePiece's map of characters (steps/charsmap.h); no bytes: none */
    sib_str unknown_surface; /* the text of the unknown piece; NULL: SentencePiece's */
} pieces_source;

/* Creates a tokenizer of kind "pieces"; the lists need not outlive the call. n_vocab: as in
   sib_tokenizer_options. The caller owns *out. Errors: SIB_ERR_FORMAT (naming the piece),
   SIB_ERR_UNSUPPORTED (an unknown model or pre-tokenizer, by name), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code tokenizer_of_pieces(const pieces_source *source, size_t n_vocab, sib_tokenizer **out,
                             sib_error *err);

#endif
