/* What all kinds of tokenizers have in common. A kind is a row in kinds.c. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "text/token_ids.h"
#include "text/trie.h"
#include "text/vocab.h"

#include <sibyl/text.h>

/* A file that is being opened. */
typedef struct text_source {
    const char *name; /* for messages */
    sib_str bytes;
    const sib_tokenizer_options *options; /* never NULL */
} text_source;

/* The position of ids in a text that is decoded in parts. All zero: the ids are the entire text. */
typedef struct decode_place {
    size_t before; /* ids decoded already */
    bool begun;    /* those have produced text (used by pieces) */
    bool more;     /* more ids follow */
} decode_place;

/* What a decoder must see besides the ids that it is given. All zero: nothing, any part of a text can be decoded alone. */
typedef struct decode_look {
    bool all;      /* the entire text */
    size_t front;  /* the first bytes of text: until there are so many, more ids may change them */
    size_t behind; /* the ids that follow: 1 where it matters whether there is one, else 0 */
} decode_look;

typedef struct tokenizer_kind {
    const char *name;
    /* True where the bytes look like a file of this kind. NULL: the kind must be named. */
    bool (*recognises)(const text_source *source);
    /* Fills t->vocab and t->state. close is called after a failure too, and frees what was made. */
    sib_code (*open)(sib_tokenizer *t, const text_source *source, sib_error *err);
    void (*close)(sib_tokenizer *t);
    /* Appends the ids of a text. */
    sib_code (*encode)(const sib_tokenizer *t, sib_str text, sib_special specials, token_ids *out,
                       sib_error *err);
    /* Adds the bytes of ids, which stand for something each and are not to be left out; *place: where they stand, of which it
       may change `begun`. NULL: their tokens' one after the other. */
    sib_code (*decode)(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                       byte_buffer *out, sib_error *err);
    decode_look (*look)(const sib_tokenizer *t); /* NULL: nothing */
} tokenizer_kind;

struct sib_tokenizer {
    const tokenizer_kind *kind;
    vocab vocab;
    trie specials; /* names of special tokens */
    void *state;   /* the kind's */
};

extern const tokenizer_kind tokenizer_gpt2, tokenizer_whisper, tokenizer_json, tokenizer_pieces,
    tokenizer_rwkv, tokenizer_bytes;

/* Kind i, in the order in which they are asked whether a file is theirs; NULL after the last. */
const tokenizer_kind *tokenizer_kind_at(size_t i);

/* Fills t->vocab and t->state from `source`, as tokenizer_kind.open. */
typedef sib_code tokenizer_fill(sib_tokenizer *t, const void *source, sib_error *err);

/* Makes a tokenizer of a kind, filled from `source`. name: for messages; n_vocab: as in sib_tokenizer_options. out: owned by
   the caller. Errors: those of fill, SIB_ERR_VALUE (more ids than n_vocab), SIB_ERR_MEMORY. */
sib_code tokenizer_create(const tokenizer_kind *kind, const char *name, size_t n_vocab, tokenizer_fill *fill,
                          const void *source, sib_tokenizer **out, sib_error *err);

/* The first special token that begins at byte `at` or later: its id and its bytes *begin .. *end - 1; -1 for none. */
int32_t tokenizer_next_special(const sib_tokenizer *t, sib_str text, size_t at, size_t *begin, size_t *end);

/* Appends the ids that are to be decoded: all, or those that are not special tokens. at: index of the first among all ids, for
   messages. Errors: SIB_ERR_VALUE (an id that is not in the vocabulary), SIB_ERR_MEMORY. */
sib_code tokenizer_choose(const sib_tokenizer *t, const int32_t *ids, size_t n, size_t at, bool skip_special,
                          token_ids *out, sib_error *err);

/* Appends the bytes of chosen ids (n), which stand at *place; *place then is the position after them. */
sib_code tokenizer_decode_ids(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                              byte_buffer *out, sib_error *err);
decode_look tokenizer_decode_look(const sib_tokenizer *t);

#endif
