/* Builds tokenizers of kind "pieces" from lists. */
#ifndef TEXT_PIECES_BUILD_H
#define TEXT_PIECES_BUILD_H

#include "text/bpe/bpe.h"
#include "text/chars/scan.h"
#include "text/pieces/pieces.h"
#include "text/pieces/unigram.h"
#include "text/steps/charsmap.h"
#include "text/vocab/tokenizer.h"

#define PIECES_SPACE      "\xE2\x96\x81"
#define PIECES_SPACE_SIZE 3

/* The state of the kinds "pieces" and "sentencepiece" (sib_tokenizer.state). */
typedef struct pieces {
    const vocab *vocab;
    pretoken_model *model; /* points to one of these */
    bpe bpe;
    unigram unigram;
    scan_pretoken *scan; /* for "gpt2", else NULL */
    trie user;           /* user-defined pieces, which are tokens wherever they occur, as they stand there */
    charsmap map;        /* no units: none */
    byte_buffer unknown_surface;
    uint8_t *types; /* (n) */
    uint8_t *bytes; /* (n) the byte of each PIECE_BYTE */
    size_t n;
    bool prefix, trim, keep_spaces;
    int32_t unknown; /* or -1 */
} pieces;

/* Fills *p, which must be zero, and *v, which p then refers to. pieces_free also after a failure. */
sib_code pieces_build(pieces *p, vocab *v, const pieces_source *source, sib_error *err);
/* The same from a file of SentencePiece (sentencepiece.c). name: for messages. Errors: SIB_ERR_FORMAT (with the offset, or
   naming the piece), SIB_ERR_UNSUPPORTED (by name), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code pieces_build_file(pieces *p, vocab *v, const char *name, sib_str file, sib_error *err);
void pieces_free(pieces *p);

/* Appends the normalized text: characters replaced by the map, spaces marked, one prepended where the model wants it and
   `first` is set, and extra ones removed. */
sib_code pieces_normalize(const pieces *p, sib_str text, bool first, byte_buffer *out, sib_error *err);
/* Appends the pieces of a text to run->out. first: as above. */
sib_code pieces_encode(const pieces *p, pretoken_run *run, sib_str text, bool first, sib_error *err);
/* Appends the text of a piece of a type, the byte of PIECE_BYTE. *at_start: nothing has come before, as pieces_start says
   at first; the space that encoding prepended is removed there, and where extra spaces are removed, all leading ones. */
bool pieces_start(const pieces *p, const decode_place *place);
void pieces_decode(const pieces *p, sib_str s, int type, uint8_t byte, bool *at_start, byte_buffer *out,
                   sib_error *err);

/* Makes a tokenizer's state, all zero. Error: SIB_ERR_MEMORY. */
sib_code pieces_state(sib_tokenizer *t, pieces **out, sib_error *err);
/* Whether bytes look like a file of SentencePiece. */
bool pieces_is_file(sib_str bytes);
/* Fill a tokenizer from lists, from a document with lists (document.c), or from a file of SentencePiece. */
sib_code pieces_open(sib_tokenizer *t, const pieces_source *source, sib_error *err);
sib_code pieces_open_file(sib_tokenizer *t, const text_source *source, sib_error *err);
sib_code pieces_open_json(sib_tokenizer *t, const text_source *source, sib_error *err);

#endif
