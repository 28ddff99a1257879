/* Memory that is freed all at once: names, lists and attributes of graphs. Blocks never move. */
#ifndef GRAPH_ARENA_H
#define GRAPH_ARENA_H

#include <sibyl/tensor.h>

typedef struct graph_arena graph_arena;

/* Limits what several arenas on one thread may allocate together. Outlives them. */
typedef struct arena_budget {
    uint64_t limit, used; /* bytes */
    bool spent;           /* a request was refused */
} arena_budget;

sib_code arena_create(graph_arena **out, sib_error *err);
/* Charges everything that the arena allocates to a budget; arena_free returns it. */
void arena_set_budget(graph_arena *a, arena_budget *budget);
/* Returns NULL where nothing is charged. */
arena_budget *arena_get_budget(const graph_arena *a);
void arena_free(graph_arena **a);

/* Returns n * size zeroed bytes aligned to 16; NULL where memory fails, the budget is spent or the product
   overflows. */
void *arena_alloc(graph_arena *a, size_t n, size_t size);
/* Returns a copy, NUL-terminated past its length; {NULL, 0} and *ok = false where memory fails. */
sib_str arena_string(graph_arena *a, sib_str s, bool *ok);

/* Counts bytes that are allocated elsewhere and live as long as the arena. Returns false where the budget
   is spent. */
bool arena_charge(graph_arena *a, uint64_t bytes);

/* Keeps a tensor alive until the arena is freed. Takes ownership also on failure, and frees it then. */
sib_code arena_keep(graph_arena *a, sib_tensor *t, sib_error *err);

#endif
