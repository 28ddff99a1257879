#include "graph/arena.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"

#include <string.h>

#define ARENA_ALIGN 16
#define ARENA_FIRST ((size_t)4096)
#define ARENA_MAX   ((size_t)1 << 20)

typedef struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(ARENA_ALIGN) char bytes[];
} arena_block;

struct graph_arena {
    arena_block *blocks; /* newest first */
    sib_tensor **kept;   /* (n_kept) */
    size_t n_kept, capacity;
    arena_budget *budget;
    uint64_t charged; /* bytes of the budget */
};

sib_code arena_create(graph_arena **out, sib_error *err)
{
    *out = mem_calloc(1, sizeof **out);
    return *out ? SIB_OK : err_memory(err, sizeof **out, "a graph");
}

void arena_set_budget(graph_arena *a, arena_budget *budget)
{
    a->budget = budget;
}

arena_budget *arena_get_budget(const graph_arena *a)
{
    return a->budget;
}

bool arena_charge(graph_arena *a, uint64_t bytes)
{
    arena_budget *b = a->budget;
    if (!b)
        return true;
    if (bytes > b->limit || b->used > b->limit - bytes) {
        b->spent = true;
        return false;
    }
    b->used += bytes;
    a->charged += bytes;
    return true;
}

void arena_free(graph_arena **a)
{
    if (!*a)
        return;
    for (arena_block *b = (*a)->blocks, *next; b; b = next) {
        next = b->next;
        mem_free(b);
    }
    for (size_t i = 0; i < (*a)->n_kept; i++)
        sib_tensor_free(&(*a)->kept[i]);
    mem_free((*a)->kept);
    if ((*a)->budget)
        (*a)->budget->used -= (*a)->charged;
    mem_free(*a);
    *a = NULL;
}

void *arena_alloc(graph_arena *a, size_t n, size_t size)
{
    size_t bytes, total;
    if (!size_mul(n, size, &bytes) || !size_add(bytes, ARENA_ALIGN - 1, &bytes))
        return NULL;
    bytes -= bytes % ARENA_ALIGN;
    arena_block *b = a->blocks;
    if (!b || b->size - b->used < bytes) {
        /* Blocks double in size, so that small requests need few of them; a large request gets its own
           block. */
        size_t grown = b ? size_min(2 * b->size, ARENA_MAX) : ARENA_FIRST;
        grown = size_max(grown, bytes);
        if (!size_add(grown, sizeof *b, &total) || !arena_charge(a, total) || !(b = mem_alloc(total, 1)))
            return NULL;
        *b = (arena_block){.next = a->blocks, .size = grown};
        a->blocks = b;
    }
    void *at = b->bytes + b->used;
    b->used += bytes;
    SIB_ASSERT(b->used <= b->size);
    SIB_ASSERT((uintptr_t)at % ARENA_ALIGN == 0);
    memset(at, 0, bytes);
    return at;
}

sib_str arena_string(graph_arena *a, sib_str s, bool *ok)
{
    size_t bytes;
    char *copy = size_add(s.length, 1, &bytes) ? arena_alloc(a, bytes, 1) : NULL;
    if (!copy) {
        *ok = false;
        return (sib_str){NULL, 0};
    }
    SIB_ASSERT(!s.length || s.data);
    if (s.length)
        memcpy(copy, s.data, s.length);
    return (sib_str){copy, s.length};
}

sib_code arena_keep(graph_arena *a, sib_tensor *t, sib_error *err)
{
    sib_code code = ARRAY_RESERVE(a->kept, a->capacity, a->n_kept + 1, "tensors of a graph", err);
    if (code != SIB_OK) {
        sib_tensor_free(&t);
        return code;
    }
    SIB_ASSERT(t);
    SIB_ASSERT(a->n_kept < a->capacity);
    a->kept[a->n_kept++] = t;
    return SIB_OK;
}
