/* A vocabulary: maps ids to bytes, and bytes to ids. */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "base/buffer.h"

/* Max ids, and max bytes of all tokens: models have some hundred thousand ids. */
#define VOCAB_MAX_IDS   (1u << 21)
#define VOCAB_MAX_BYTES (1u << 30)
/* Max bytes of a token, since time may grow with its square. */
#define VOCAB_MAX_TOKEN 2048u

enum {
    TOKEN_KNOWN = 1,   /* the id has bytes */
    TOKEN_SPECIAL = 2, /* not text: "<|endoftext|>" */
    TOKEN_HIDDEN = 4,  /* vocab_find skips it: no text is encoded as this id */
    TOKEN_ADDED = 16,  /* listed under added_tokens */
    TOKEN_DIRECT = 8   /* a pre-token of these bytes becomes this id without merging */
};

typedef struct token {
    uint32_t at, size; /* in vocab.bytes */
    uint8_t flags;
} token;

typedef struct vocab_slot {
    uint32_t hash;
    int32_t id; /* -1: free */
} vocab_slot;

typedef struct vocab {
    token *tokens; /* (n) */
    size_t n, capacity;
    byte_buffer bytes;
    vocab_slot *slots; /* (mask + 1) */
    uint32_t mask;
    size_t n_found; /* used slots */
    size_t longest; /* bytes of the longest token */
} vocab;

/* Sets the bytes of `id`. Ids may come in any order; an omitted id has no bytes. Errors: SIB_ERR_FORMAT
   (an id twice, or, unless flags have TOKEN_HIDDEN, the bytes of another id), SIB_ERR_SIZE,
   SIB_ERR_MEMORY. */
sib_code vocab_add(vocab *v, int32_t id, sib_str bytes, uint8_t flags, sib_error *err);

/* Makes room for ids below n. Errors: SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code vocab_widen(vocab *v, size_t n, sib_error *err);

void vocab_free(vocab *v);

/* Hashes bytes, with the same result on every machine. */
uint32_t text_hash(const char *data, size_t size);

/* Return the id of these bytes, or -1. hash: their text_hash. */
int32_t vocab_find_hashed(const vocab *v, const char *data, size_t size, uint32_t hash);
int32_t vocab_find(const vocab *v, const char *data, size_t size);

static inline const token *vocab_token(const vocab *v, int32_t id)
{
    return id >= 0 && (size_t)id < v->n && (v->tokens[id].flags & TOKEN_KNOWN) ? &v->tokens[id] : NULL;
}

static inline sib_str vocab_bytes(const vocab *v, const token *t)
{
    return (sib_str){t->size ? v->bytes.data + t->at : "", t->size};
}

#endif
