#include "text/vocab/trie.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <stdlib.h>

static int compare(sib_str a, sib_str b)
{
    int order = memcmp(a.data, b.data, size_min(a.length, b.length));
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static int by_bytes(const void *a, const void *b)
{
    return compare(((const trie_key *)a)->bytes, ((const trie_key *)b)->bytes);
}

/* Keys first .. last share their first `depth` bytes and belong to one node. */
typedef struct range {
    uint32_t first, last, depth;
} range;

/* Counts the nodes of the trie of sorted keys, the root included. Returns false on overflow. */
static bool count_nodes(const trie_key *keys, size_t n, size_t *out)
{
    *out = 1;
    for (size_t i = 0; i < n; i++) {
        size_t shared = 0;
        if (i > 0)
            while (shared < keys[i - 1].bytes.length && shared < keys[i].bytes.length &&
                   keys[i - 1].bytes.data[shared] == keys[i].bytes.data[shared])
                shared++;
        if (!size_add(*out, keys[i].bytes.length - shared, out))
            return false;
    }
    return *out < UINT32_MAX - 1;
}

/* Fills the nodes in breadth-first order; ranges is a queue with one entry per node. */
static void fill(trie *t, const trie_key *keys, size_t n, range *ranges)
{
    size_t made = 1;
    t->nodes[0] = (trie_node){.id = -1};
    ranges[0] = (range){0, (uint32_t)n, 0};
    for (size_t i = 0; i < made; i++) {
        range r = ranges[i];
        t->nodes[i].first = (uint32_t)made;
        if (r.first < r.last && keys[r.first].bytes.length == r.depth) /* the shortest key comes first */
            t->nodes[i].id = keys[r.first++].id;
        while (r.first < r.last) {
            char byte = keys[r.first].bytes.data[r.depth];
            uint32_t end = r.first + 1;
            while (end < r.last && keys[end].bytes.data[r.depth] == byte)
                end++;
            t->nodes[made] = (trie_node){.id = -1, .byte = (uint8_t)byte};
            ranges[made++] = (range){r.first, end, r.depth + 1};
            r.first = end;
        }
    }
    t->nodes[made].first = (uint32_t)made;
    t->n = made;
    for (uint32_t i = t->nodes[0].first; i < t->nodes[1].first; i++)
        t->roots[t->nodes[i].byte] = i;
}

sib_code trie_build(trie *t, trie_key *keys, size_t n, sib_error *err)
{
    size_t nodes;
    memset(t, 0, sizeof *t);
    if (n)
        qsort(keys, n, sizeof *keys, by_bytes);
    for (size_t i = 1; i < n; i++)
        if (compare(keys[i - 1].bytes, keys[i].bytes) == 0)
            return err_set(err, SIB_ERR_FORMAT, "ids %d and %d have the same bytes '%.*s'",
                           (int)keys[i - 1].id, (int)keys[i].id, (int)size_min(keys[i].bytes.length, 64),
                           keys[i].bytes.data);
    if (n >= UINT32_MAX || !count_nodes(keys, n, &nodes))
        return err_set(err, SIB_ERR_SIZE, "the tokens have too many bytes");
    t->nodes = mem_alloc(nodes + 1, sizeof *t->nodes);
    range *ranges = mem_alloc(nodes, sizeof *ranges);
    if (!t->nodes || !ranges) {
        mem_free(ranges);
        trie_free(t);
        return err_memory(err, nodes * (sizeof *t->nodes + sizeof *ranges), "a trie");
    }
    fill(t, keys, n, ranges);
    mem_free(ranges);
    return SIB_OK;
}

void trie_free(trie *t)
{
    mem_free(t->nodes);
    memset(t, 0, sizeof *t);
}

int32_t trie_longest(const trie *t, const char *text, size_t n, size_t *length)
{
    int32_t id = -1;
    uint32_t node = 0;
    *length = 0;
    if (!t->nodes)
        return -1;
    for (size_t i = 0; i < n && (node = trie_child(t, node, (uint8_t)text[i])) != 0; i++)
        if (t->nodes[node].id >= 0) {
            id = t->nodes[node].id;
            *length = i + 1;
        }
    return id;
}
