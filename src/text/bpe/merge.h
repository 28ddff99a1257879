/* Byte-pair encoding: joins adjacent symbols, always the leftmost pair of the lowest rank, until no pair
   has a rank (Sennrich, Haddow & Birch 2016). Ranks of tiktoken, merges of Hugging Face and scores of
   SentencePiece all become a table of pairs. */
#ifndef TEXT_BPE_MERGE_H
#define TEXT_BPE_MERGE_H

#include "text/vocab/vocab.h"

typedef struct merge_slot {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: free */
    uint32_t rank; /* the lowest is joined first */
    int32_t id;    /* the id that replaces the pair */
} merge_slot;

typedef struct merges {
    merge_slot *slots; /* (mask + 1) */
    size_t n;
    uint32_t mask;
} merges;

/* Adds a pair. Where it exists, the lower rank is kept, and *again (may be NULL) is set. Error:
   SIB_ERR_MEMORY. */
sib_code merges_add(merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id, bool *again,
                    sib_error *err);

/* Adds the pairs of a vocabulary in which any two symbols may be joined whose concatenated bytes are a
   token: rank_of returns the rank of a token, UINT32_MAX where joins must not produce it. Error:
   SIB_ERR_MEMORY. */
sib_code merges_of_vocab(merges *m, const vocab *v, uint32_t (*rank_of)(const void *context, int32_t id),
                         const void *context, sib_error *err);

void merges_free(merges *m);

/* Returns the slot of a pair, or NULL. */
const merge_slot *merges_find(const merges *m, int32_t left, int32_t right);

/* Joins the symbols ids (n) in place, and sets *left to the number that remains. Time grows as n log n.
   Errors: SIB_ERR_SIZE (n above 2^31 - 1), SIB_ERR_MEMORY. */
sib_code merges_apply(const merges *m, int32_t *ids, size_t n, size_t *left, sib_error *err);

#endif
