/* Pieces of a text to ids: a piece that is a token as a whole is taken at once, one that the same text had before is copied
   from there, and the others go to the model. */
#ifndef TEXT_PRETOKEN_H
#define TEXT_PRETOKEN_H

#include "text/vocab.h"

struct piece_model;

/* Adds the ids of a piece to `out`. Errors: as of encoding. */
typedef sib_code piece_encode(const struct piece_model *m, text_span piece, id_list *out, sib_error *err);

/* What turns pieces into ids. Tokens with TOKEN_WHOLE are taken as they are, without asking it. */
typedef struct piece_model {
    const vocab *vocab;
    piece_encode *encode;
} piece_model;

typedef struct piece_slot {
    size_t at, ids_at;      /* in the text, and in the ids that it became */
    uint32_t hash, size, n; /* of the piece; n: ids, 0 for a free slot */
    uint32_t round;         /* of the text */
} piece_slot;

/* A text on its way to ids. */
typedef struct piece_run {
    const piece_model *model;
    text_span text;
    id_list *out;
    piece_slot *slots; /* may be NULL: nothing is remembered */
    uint32_t round;
} piece_run;

/* size: bytes that are to come; short texts remember nothing. Without memory for remembering it goes on without. */
void piece_begin(piece_run *run, const piece_model *m, size_t size, id_list *out);
/* Another text, whose pieces come next; it must stay where it is until the next such call or the end. */
void piece_text(piece_run *run, text_span text);
/* Text [at, end) becomes ids. */
sib_code piece_add(piece_run *run, size_t at, size_t end, sib_error *err);
void piece_end(piece_run *run);

/* Marks the tokens that their own bytes become. Errors: SIB_ERR_MEMORY. */
sib_code piece_mark_whole(const piece_model *m, vocab *v, sib_error *err);

#endif
