/* What all kinds of tokenizers have in common. A kind is a row in kinds.c. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "text/token_ids.h"
#include "text/trie.h"
#include "text/vocab.h"

#include <sibyl/text.h>

/* A file on its way in. */
typedef struct text_source {
    const char *name; /* for messages */
    sib_str bytes;
    const sib_tokenizer_options *options; /* never NULL */
} text_source;

/* Where ids stand in a text that is decoded in parts. All zero: the whole text. */
typedef struct decode_place {
    size_t before; /* ids decoded already */
    bool begun;    /* those have given text (pieces) */
    bool more;     /* ids come behind */
} decode_place;

/* What a decoder looks at besides the ids that it is given. All zero: at nothing, any part of a text may be decoded alone. */
typedef struct decode_look {
    bool whole;    /* at the whole text */
    size_t front;  /* at the first bytes: as long as fewer are there, more ids may change them */
    size_t behind; /* ids: 1 where it matters whether one comes behind, else 0 */
} decode_look;

typedef struct tokenizer_kind {
    const char *name;
    /* Do these bytes look like such a file? NULL: only where it is named. */
    bool (*recognises)(const text_source *source);
    /* Fills t->vocab and t->state. What it has made when it fails, close gets. */
    sib_code (*open)(sib_tokenizer *t, const text_source *source, sib_error *err);
    void (*close)(sib_tokenizer *t);
    /* Adds the ids of a text. */
    sib_code (*encode)(const sib_tokenizer *t, sib_str text, sib_special specials, token_ids *out,
                       sib_error *err);
    /* Adds the bytes of ids, which stand for something each and are not to be left out; *place: where they stand, of which it
       may change `begun`. NULL: their tokens' one after the other. */
    sib_code (*decode)(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                       byte_buffer *out, sib_error *err);
    decode_look (*look)(const sib_tokenizer *t); /* NULL: at nothing */
} tokenizer_kind;

struct sib_tokenizer {
    const tokenizer_kind *kind;
    vocab vocab;
    trie specials; /* names of special tokens */
    void *state;   /* the kind's */
};

extern const tokenizer_kind tokenizer_gpt2, tokenizer_whisper, tokenizer_json, tokenizer_pieces,
    tokenizer_rwkv, tokenizer_bytes;

/* Kind i, in the order in which they are asked whether a file is theirs; NULL behind the last. */
const tokenizer_kind *tokenizer_kind_at(size_t i);

/* Fills t->vocab and t->state from `source`, as tokenizer_kind.open. */
typedef sib_code tokenizer_fill(sib_tokenizer *t, const void *source, sib_error *err);

/* Makes a tokenizer of a kind, filled from `source`. name: for messages; n_vocab: as in sib_tokenizer_options. out: owned by
   the caller. Errors: those of fill, SIB_ERR_VALUE (more ids than n_vocab), SIB_ERR_MEMORY. */
sib_code tokenizer_create(const tokenizer_kind *kind, const char *name, size_t n_vocab, tokenizer_fill *fill,
                          const void *source, sib_tokenizer **out, sib_error *err);

/* Fills t->specials with the special tokens of the vocabulary. Errors: SIB_ERR_FORMAT (two of one name), SIB_ERR_MEMORY. */
sib_code tokenizer_index_specials(sib_tokenizer *t, sib_error *err);

/* The first special token at or behind `at`: its id, *begin and *end where it stands; -1 for none. */
int32_t tokenizer_next_special(const sib_tokenizer *t, sib_str text, size_t at, size_t *begin, size_t *end);

/* Adds the ids that are to be told, all or those that are no special tokens. at: place of the first among all, for messages.
   Errors: SIB_ERR_VALUE (an id that stands for nothing), SIB_ERR_MEMORY. */
sib_code tokenizer_choose(const sib_tokenizer *t, const int32_t *ids, size_t n, size_t at, bool skip_special,
                          token_ids *out, sib_error *err);

/* Adds the bytes of ids that were chosen: (n) at *place, which is moved behind them. */
sib_code tokenizer_decode_ids(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                              byte_buffer *out, sib_error *err);
decode_look tokenizer_decode_look(const sib_tokenizer *t);

#endif
