/* A trie over byte strings, which finds those that a text begins with. */
#ifndef TEXT_TRIE_H
#define TEXT_TRIE_H

#include "base/str.h"

typedef struct trie_key {
    sib_str bytes; /* not empty */
    int32_t id;    /* >= 0 */
} trie_key;

/* Nodes are in breadth-first order, so the children of node i are those from nodes[i].first to before
   nodes[i + 1].first, sorted by byte. */
typedef struct trie_node {
    uint32_t first;
    int32_t id; /* of the key that ends here, or -1 */
    uint8_t byte;
} trie_node;

typedef struct trie {
    trie_node *nodes; /* (n + 1): the root first; the last one only bounds the children of its predecessor */
    size_t n;
    uint32_t roots[256]; /* the root's child for each byte, or 0 */
} trie;

/* Builds a trie. keys: (n), sorted in place. Errors: SIB_ERR_FORMAT (two equal keys), SIB_ERR_SIZE,
   SIB_ERR_MEMORY. */
sib_code trie_build(trie *t, trie_key *keys, size_t n, sib_error *err);
void trie_free(trie *t);

/* Returns the child of `node` for a byte, or 0. Node 0 is the root. */
static inline uint32_t trie_child(const trie *t, uint32_t node, uint8_t byte)
{
    if (node == 0)
        return t->roots[byte];
    uint32_t low = t->nodes[node].first, high = t->nodes[node + 1].first;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->nodes[middle].byte == byte)
            return middle;
        if (t->nodes[middle].byte < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Finds the longest key that the text begins with: returns its id and sets *length to its bytes; -1 where
   there is none. */
int32_t trie_longest(const trie *t, const char *text, size_t n, size_t *length);

#endif
