/* Byte-pair encoding: neighbouring symbols are joined, always the pair of lowest rank first and of those the leftmost,
   until no pair has a rank (Sennrich, Haddow & Birch 2016). Ranks of tiktoken, merges of Hugging Face and scores of
   SentencePiece all come down to a table of pairs. */
#ifndef TEXT_BPE_MERGE_H
#define TEXT_BPE_MERGE_H

#include "text/vocab.h"

typedef struct merge_slot {
    uint64_t pair; /* left << 32 | right; UINT64_MAX: free */
    uint32_t rank; /* lower first */
    int32_t id;    /* what the pair becomes */
} merge_slot;

typedef struct merges {
    merge_slot *slots; /* (mask + 1) */
    size_t n;
    uint32_t mask;
} merges;

/* Adds a pair. Where it is there already, the lower rank stays; *again (may be NULL) tells. Error: SIB_ERR_MEMORY. */
sib_code merges_add(merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id, bool *again,
                    sib_error *err);

/* The pairs of a vocabulary in which any two neighbours whose joined bytes are a token may be joined: rank_of gives the rank of
   a token, UINT32_MAX where it is not a result of a join. Error: SIB_ERR_MEMORY. */
sib_code merges_of_vocab(merges *m, const vocab *v, uint32_t (*rank_of)(const void *context, int32_t id),
                         const void *context, sib_error *err);

void merges_free(merges *m);

/* The pair's slot, or NULL. */
const merge_slot *merges_find(const merges *m, int32_t left, int32_t right);

/* Joins what can be joined in ids: (n), in place; returns how many are left in *left. Time grows as n log n. Errors:
   SIB_ERR_SIZE (n above 2^31), SIB_ERR_MEMORY. */
sib_code merges_apply(const merges *m, int32_t *ids, size_t n, size_t *left, sib_error *err);

#endif
