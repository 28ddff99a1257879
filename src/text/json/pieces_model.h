/* A file of SentencePiece as the model of a tokenizer.json:

       "model": {"type": "SentencePiece", "file": base64, "prefix": "always",
                 "unk_token": "<unk>", "vocab": {"<s>": 0, "<pad>": 1, ...}}

   The ids are those of "vocab"; pieces that it does not have become unk_token. Without a "vocab" they are the file's own.
   "prefix": "first" where a space is prepended to the start of a text alone, and not to what follows added tokens;
   "never" where it is to neither. The file says what else happens to a text. */
#ifndef TEXT_JSON_PIECES_MODEL_H
#define TEXT_JSON_PIECES_MODEL_H

#include "text/pieces/build.h"
#include "text/steps/json_part.h"

typedef struct pieces_model {
    vocab vocab; /* of the file */
    pieces pieces;
    int32_t *ids; /* (vocab.n) the id of each piece */
    int32_t *of;  /* (n_ids) the piece of each id, or -1 */
    size_t n_ids;
    bool first,
        later; /* whether a space is prepended, as the file says, at the start of a text and behind added tokens */
} pieces_model;

/* Reads the model; v: its "vocab", or without one empty, then filled. *out is freed after a failure too. Errors: SIB_ERR_FORMAT,
   SIB_ERR_UNSUPPORTED, SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code pieces_model_open(pieces_model **out, vocab *v, const json_part *p, sib_error *err);
void pieces_model_free(pieces_model *m);

/* Appends the ids of a text between added tokens. start: nothing stands before it. */
sib_code pieces_model_encode(const pieces_model *m, sib_str text, bool start, token_ids *out, sib_error *err);
/* As tokenizer_kind.decode; v: with the added tokens. */
sib_code pieces_model_decode(const pieces_model *m, const vocab *v, const int32_t *ids, size_t n,
                             decode_place *place, byte_buffer *out, sib_error *err);

#endif
