/* Common part of all kinds of tokenizers. A kind is a row in kinds.c. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "text/vocab/token_ids.h"
#include "text/vocab/trie.h"
#include "text/vocab/vocab.h"

#include <sibyl/text.h>

#include <stdatomic.h>

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

/* What decoding a part of a text depends on besides the part's ids. All zero: nothing. */
typedef struct decode_look {
    bool all;         /* the entire text */
    size_t front;     /* the first bytes of text: until that many exist, further ids may change them */
    size_t lookahead; /* the following ids: 1 where it matters whether there is one, else 0 */
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
    /* Appends the bytes of ids, all of which are known and to be decoded. *place: their position; only
       `begun` may be changed. NULL: concatenates the bytes of the tokens. */
    sib_code (*decode)(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                       byte_buffer *out, sib_error *err);
    decode_look (*look)(const sib_tokenizer *t); /* NULL: depends on nothing else */
} tokenizer_kind;

struct sib_tokenizer {
    atomic_size_t references;
    const tokenizer_kind *kind;
    vocab vocab;
    trie specials;                     /* names of special tokens */
    void *state;                       /* of the kind */
    struct token_order *_Atomic order; /* of constrained generation, NULL until it is asked for */
};

extern const tokenizer_kind tokenizer_gpt2, tokenizer_whisper, tokenizer_json, tokenizer_pieces,
    tokenizer_sentencepiece, tokenizer_rwkv, tokenizer_bytes;

/* Returns kind i, in the order in which they are asked to recognise a file; NULL after the last. */
const tokenizer_kind *tokenizer_kind_at(size_t i);

/* Fills t->vocab and t->state from `source`, as tokenizer_kind.open does. */
typedef sib_code tokenizer_fill(sib_tokenizer *t, const void *source, sib_error *err);

/* Creates a tokenizer of a kind, filled from `source`. name: for messages; n_vocab: as in
   sib_tokenizer_options. The caller owns *out. Errors: those of fill, SIB_ERR_VALUE (more ids than
   n_vocab), SIB_ERR_MEMORY. */
sib_code tokenizer_create(const tokenizer_kind *kind, const char *name, size_t n_vocab, tokenizer_fill *fill,
                          const void *source, sib_tokenizer **out, sib_error *err);

/* Finds the first special token that begins at byte `at` or later: returns its id and its range *begin ..
   *end - 1; -1 for none. */
int32_t tokenizer_next_special(const sib_tokenizer *t, sib_str text, size_t at, size_t *begin, size_t *end);

/* Appends the ids to be decoded: all, or all but special tokens. at: index of the first among all ids, for
   messages. Errors: SIB_ERR_VALUE (an id that is not in the vocabulary), SIB_ERR_MEMORY. */
sib_code tokenizer_choose(const sib_tokenizer *t, const int32_t *ids, size_t n, size_t at, bool skip_special,
                          token_ids *out, sib_error *err);

/* Appends the bytes of ids (n) from tokenizer_choose, which are at *place; advances *place past them. */
sib_code tokenizer_decode_ids(const sib_tokenizer *t, const int32_t *ids, size_t n, decode_place *place,
                              byte_buffer *out, sib_error *err);
decode_look tokenizer_decode_look(const sib_tokenizer *t);

#endif
