/* Encodes pre-tokens, the stretches (mostly words) into which a text is split before a model sees it. One
   that is itself a token becomes that token; one that occurred before in the same text is copied from
   there; the model encodes the others. */
#ifndef TEXT_PRETOKEN_H
#define TEXT_PRETOKEN_H

#include "text/vocab/token_ids.h"
#include "text/vocab/vocab.h"

struct pretoken_model;

/* Appends the ids of a pre-token to `out`. Errors: those of encoding. */
typedef sib_code pretoken_encode(const struct pretoken_model *m, sib_str word, token_ids *out,
                                 sib_error *err);

/* A model that encodes pre-tokens. It is not called for tokens with TOKEN_DIRECT. */
typedef struct pretoken_model {
    const vocab *vocab;
    pretoken_encode *encode;
} pretoken_model;

typedef struct pretoken_slot {
    size_t at, ids_at;      /* offsets in the text, and in its ids */
    uint32_t hash, size, n; /* of the pre-token; n: number of ids, 0 for a free slot */
    uint32_t round;         /* identifies the text */
} pretoken_slot;

/* State of encoding one text. */
typedef struct pretoken_run {
    const pretoken_model *model;
    sib_str text;
    token_ids *out;
    pretoken_slot *slots; /* (SLOTS) a cache, or NULL */
    uint32_t round;
} pretoken_run;

/* size: bytes of text to come; short texts get no cache. If its allocation fails, encoding works without
   it. */
void pretoken_begin(pretoken_run *run, const pretoken_model *m, size_t size, token_ids *out);
/* Sets the text of the next pre-tokens, which must stay valid until the next such call or pretoken_end. */
void pretoken_text(pretoken_run *run, sib_str text);
/* Encodes the bytes from `at` up to `end` of the text. */
sib_code pretoken_add(pretoken_run *run, size_t at, size_t end, sib_error *err);
void pretoken_end(pretoken_run *run);

/* Sets TOKEN_DIRECT on every token to which the model encodes that token's bytes. Errors: SIB_ERR_MEMORY. */
sib_code pretoken_mark_direct(const pretoken_model *m, vocab *v, sib_error *err);

#endif
