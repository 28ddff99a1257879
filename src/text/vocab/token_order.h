/* The tokens of a vocabulary in the order of their bytes, in which those that begin alike stand together. */
#ifndef TEXT_TOKEN_ORDER_H
#define TEXT_TOKEN_ORDER_H

#include "text/vocab/tokenizer.h"

typedef struct ordered_token {
    uint32_t at;           /* in bytes */
    uint16_t size, shared; /* bytes, and how many of the first are those of the token before */
    int32_t id;
} ordered_token;

/* One block of memory, which mem_free frees. */
typedef struct token_order {
    const uint8_t *bytes;
    ordered_token
        *tokens;      /* (n) first the simple ones: complete characters that a JSON string has as they are */
    uint64_t *simple; /* (token_words(n_vocab)) a bit per id */
    size_t n, n_simple, n_vocab;
} token_order;

static inline size_t token_words(size_t n_vocab)
{
    return (n_vocab + 63) / 64;
}

/* The order of a tokenizer's tokens, made with the first call and freed with the tokenizer. Special tokens
   and those without bytes are not in it. Thread-safe. Errors: SIB_ERR_UNSUPPORTED (a decoder that makes of
   a token what depends on others), SIB_ERR_MEMORY. */
sib_code token_order_of(const sib_tokenizer *t, const token_order **out, sib_error *err);

#endif
