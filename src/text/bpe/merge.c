#include "text/bpe/merge.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"

#define FIRST_SLOTS 1024u
#define FREE_PAIR   UINT64_MAX
#define NO_RANK     UINT64_MAX
#define NONE        UINT32_MAX

/* Up to this many symbols a linear search for the lowest pair is faster than a heap. */
#define FEW 32

/* In a long text, how many of the last tokens are joined again with how many new symbols. */
#define KEPT 3
#define NEW  20

/* ---- The table of pairs -------------------------------------------------------------------------------- */

static inline uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static inline uint32_t slot_of(uint64_t pair, uint32_t mask)
{
    return (uint32_t)((pair ^ pair >> 29) * UINT64_C(0x9E3779B97F4A7C15) >> 32) & mask;
}

static sib_code grow(merges *m, sib_error *err)
{
    uint32_t n = m->slots ? (m->mask + 1) * 2 : FIRST_SLOTS;
    merge_slot *slots = n ? mem_alloc(n, sizeof *slots) : NULL;
    if (!slots)
        return err_memory(err, (size_t)n * sizeof *slots, "merges");
    for (uint32_t i = 0; i < n; i++)
        slots[i].pair = FREE_PAIR;
    for (uint32_t i = 0; m->slots && i <= m->mask; i++) {
        if (m->slots[i].pair == FREE_PAIR)
            continue;
        uint32_t k = slot_of(m->slots[i].pair, n - 1);
        while (slots[k].pair != FREE_PAIR)
            k = (k + 1) & (n - 1);
        slots[k] = m->slots[i];
    }
    mem_free(m->slots);
    m->slots = slots;
    m->mask = n - 1;
    return SIB_OK;
}

sib_code merges_add(merges *m, int32_t left, int32_t right, uint32_t rank, int32_t id, bool *again,
                    sib_error *err)
{
    if (!m->slots || m->n >= m->mask / 2) {
        sib_code code = grow(m, err);
        if (code != SIB_OK)
            return code;
    }
    uint64_t pair = pair_of(left, right);
    uint32_t i = slot_of(pair, m->mask);
    while (m->slots[i].pair != FREE_PAIR && m->slots[i].pair != pair)
        i = (i + 1) & m->mask;
    bool there = m->slots[i].pair == pair;
    if (again)
        *again = there;
    if (there && m->slots[i].rank <= rank)
        return SIB_OK;
    m->slots[i] = (merge_slot){pair, rank, id};
    m->n += !there;
    return SIB_OK;
}

const merge_slot *merges_find(const merges *m, int32_t left, int32_t right)
{
    if (!m->slots)
        return NULL;
    uint64_t pair = pair_of(left, right);
    for (uint32_t i = slot_of(pair, m->mask);; i = (i + 1) & m->mask) {
        if (m->slots[i].pair == pair)
            return &m->slots[i];
        if (m->slots[i].pair == FREE_PAIR)
            return NULL;
    }
}

sib_code merges_of_vocab(merges *m, const vocab *v, uint32_t (*rank_of)(const void *context, int32_t id),
                         const void *context, sib_error *err)
{
    for (size_t id = 0; id < v->n; id++) {
        const token *t = vocab_token(v, (int32_t)id);
        uint32_t rank = t ? rank_of(context, (int32_t)id) : UINT32_MAX;
        if (rank == UINT32_MAX)
            continue;
        sib_str bytes = vocab_bytes(v, t);
        for (size_t cut = 1; cut < bytes.length; cut++) {
            int32_t left = vocab_find(v, bytes.data, cut), right;
            if (left < 0 || (right = vocab_find(v, bytes.data + cut, bytes.length - cut)) < 0)
                continue;
            sib_code code = merges_add(m, left, right, rank, (int32_t)id, NULL, err);
            if (code != SIB_OK)
                return code;
        }
    }
    return SIB_OK;
}

void merges_free(merges *m)
{
    mem_free(m->slots);
    *m = (merges){0};
}

/* Returns rank << 32 | id of a pair; NO_RANK for none. */
static inline uint64_t rank_of_pair(const merges *m, int32_t left, int32_t right)
{
    const merge_slot *s = merges_find(m, left, right);
    return s ? (uint64_t)s->rank << 32 | (uint32_t)s->id : NO_RANK;
}

/* A token, and the number of symbols that it covers. */
typedef struct part {
    int32_t id;
    uint32_t n;
} part;

/* ---- Few symbols: linear search for the lowest pair ---------------------------------------------------- */

/* Joins parts[0 .. n), n <= FEW, in place; returns how many remain. */
static size_t join_few(const merges *m, part *parts, size_t n)
{
    uint64_t ranks[FEW]; /* of the pair parts[i], parts[i + 1] */
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = rank_of_pair(m, parts[i].id, parts[i + 1].id);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] >> 32 < ranks[best] >> 32)
                best = i;
        if (ranks[best] == NO_RANK)
            break;
        parts[best] = (part){(int32_t)(uint32_t)ranks[best], parts[best].n + parts[best + 1].n};
        n--;
        for (size_t i = best + 1; i < n; i++)
            parts[i] = parts[i + 1];
        for (size_t i = best; i + 1 < n; i++)
            ranks[i] = ranks[i + 1];
        if (best > 0)
            ranks[best - 1] = rank_of_pair(m, parts[best - 1].id, parts[best].id);
        if (best + 1 < n)
            ranks[best] = rank_of_pair(m, parts[best].id, parts[best + 1].id);
    }
    return n;
}

/* ---- Many symbols: a linked list, and a heap of pairs -------------------------------------------------- */

typedef struct symbol {
    uint64_t rank; /* of the pair with the next symbol; NO_RANK for none, or where this symbol is removed */
    int32_t id;
    uint32_t before, next; /* NONE at the ends */
} symbol;

/* Entries are rank << 32 | index. Stale entries, which differ from the symbol's present rank, are skipped. */
typedef struct heap {
    uint64_t *entries; /* (n) with capacity for one per symbol at the start and two per join */
    size_t n;
} heap;

static void heap_put(heap *h, uint64_t entry)
{
    size_t i = h->n++;
    for (; i > 0 && h->entries[(i - 1) / 2] > entry; i = (i - 1) / 2)
        h->entries[i] = h->entries[(i - 1) / 2];
    h->entries[i] = entry;
}

static void heap_sink(heap *h, size_t i, uint64_t entry)
{
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        child += child + 1 < h->n && h->entries[child + 1] < h->entries[child];
        if (h->entries[child] >= entry)
            break;
        h->entries[i] = h->entries[child];
    }
    h->entries[i] = entry;
}

static uint64_t heap_take(heap *h)
{
    uint64_t lowest = h->entries[0], last = h->entries[--h->n];
    if (h->n)
        heap_sink(h, 0, last);
    return lowest;
}

/* Updates the rank of symbol i and its next, and pushes it. */
static void rank_again(const merges *m, symbol *s, uint32_t i, heap *h)
{
    s[i].rank = s[i].next == NONE ? NO_RANK : rank_of_pair(m, s[i].id, s[s[i].next].id);
    if (s[i].rank != NO_RANK)
        heap_put(h, (s[i].rank & ~(uint64_t)UINT32_MAX) | i);
}

static void join_all(const merges *m, symbol *s, heap *h)
{
    while (h->n) {
        uint64_t entry = heap_take(h);
        uint32_t i = (uint32_t)entry;
        if (s[i].rank == NO_RANK || s[i].rank >> 32 != entry >> 32)
            continue;
        uint32_t gone = s[i].next;
        s[i].id = (int32_t)(uint32_t)s[i].rank;
        s[i].next = s[gone].next;
        s[gone].rank = NO_RANK;
        if (s[i].next != NONE)
            s[s[i].next].before = i;
        rank_again(m, s, i, h);
        if (s[i].before != NONE)
            rank_again(m, s, s[i].before, h);
    }
}

static sib_code join_many(const merges *m, part *parts, size_t *n, sib_error *err)
{
    symbol *s = mem_alloc(*n, sizeof *s);
    heap h = {mem_alloc(*n, 3 * sizeof *h.entries), 0};
    if (!s || !h.entries) {
        mem_free(s);
        mem_free(h.entries);
        return err_memory(err, *n * (sizeof *s + 3 * sizeof *h.entries), "the symbols of a text");
    }
    for (size_t i = 0; i < *n; i++)
        s[i] =
            (symbol){NO_RANK, parts[i].id, i ? (uint32_t)i - 1 : NONE, i + 1 < *n ? (uint32_t)i + 1 : NONE};
    for (size_t i = 0; i + 1 < *n; i++) {
        s[i].rank = rank_of_pair(m, s[i].id, s[i + 1].id);
        if (s[i].rank != NO_RANK)
            h.entries[h.n++] = (s[i].rank & ~(uint64_t)UINT32_MAX) | i;
    }
    for (size_t i = h.n / 2; i-- > 0;)
        heap_sink(&h, i, h.entries[i]);
    join_all(m, s, &h);
    size_t left = 0;
    for (uint32_t i = 0, next; i != NONE; i = next) {
        next = s[i].next;
        parts[left++] = (part){s[i].id, (next == NONE ? (uint32_t)*n : next) - i};
    }
    *n = left;
    mem_free(s);
    mem_free(h.entries);
    return SIB_OK;
}

/* ---- Long texts: from the start, a few symbols at a time
   ------------------------------------------------ */

/* Tokens are the encoding of a text if and only if each token and each two adjacent tokens are the
   encoding of their own symbols: inside them, joins come in the same order whatever surrounds them, and
   the first join across a border would be one of two adjacent tokens alone. So the last few finished
   tokens are joined again with some of the following symbols. Where the first of them comes out unchanged,
   it still fits the tokens before, and all are tokens of the longer text. Otherwise more of both are
   taken, so that time grows as n log n at worst. */

/* Joins a stretch of single symbols; parts has room for n. */
static sib_code join_stretch(const merges *m, const int32_t *ids, size_t n, part *parts, size_t *left,
                             sib_error *err)
{
    for (size_t i = 0; i < n; i++)
        parts[i] = (part){ids[i], 1};
    *left = n;
    if (n > FEW)
        return join_many(m, parts, left, err);
    *left = join_few(m, parts, n);
    return SIB_OK;
}

/* Joins ids (n) into parts out (n); *left receives their number. */
static sib_code join_along(const merges *m, const int32_t *ids, size_t n, part *out, size_t *left,
                           sib_error *err)
{
    size_t done = 0, tokens = 0, kept = KEPT, more = NEW, capacity = 0;
    part few[FEW], *many = NULL;
    sib_code code = SIB_OK;
    while (done < n && code == SIB_OK) {
        size_t back = 0, first = tokens, joined;
        while (first > 0 && tokens - first < kept)
            back += out[--first].n;
        size_t size = back + size_min(more, n - done);
        if (size > FEW &&
            (code = ARRAY_RESERVE(many, capacity, size, "the symbols of a text", err)) != SIB_OK)
            break;
        part *parts = size > FEW ? many : few; // cppcheck-suppress legacyUninitvar ; join_stretch writes them
        code = join_stretch(m, ids + done - back, size, parts, &joined, err);
        bool stays = first == 0 || (parts[0].id == out[first].id && parts[0].n == out[first].n);
        if (code == SIB_OK && stays) {
            memcpy(out + first, parts, joined * sizeof *parts);
            tokens = first + joined;
            done += size - back;
        }
        kept = stays ? KEPT : 2 * kept;
        more = stays ? NEW : 2 * more;
    }
    mem_free(many);
    *left = tokens;
    return code;
}

sib_code merges_apply(const merges *m, int32_t *ids, size_t n, size_t *left, sib_error *err)
{
    part few[FEW], *parts = few;
    if (n > (size_t)INT32_MAX)
        return err_set(err, SIB_ERR_SIZE, "a piece of text has %zu symbols, expected at most %d", n,
                       INT32_MAX);
    if (n > FEW && !(parts = mem_alloc(n, sizeof *parts)))
        return err_memory(err, n * sizeof *parts, "the symbols of a text");
    sib_code code =
        n > FEW ? join_along(m, ids, n, parts, left, err) : join_stretch(m, ids, n, parts, left, err);
    for (size_t i = 0; i < *left && code == SIB_OK; i++)
        ids[i] = parts[i].id;
    if (parts != few)
        mem_free(parts);
    return code;
}
