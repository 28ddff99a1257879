/* Memory that is freed all at once: names, lists and attributes of graphs. Blocks never move. */
#ifndef GRAPH_ARENA_H
#define GRAPH_ARENA_H

#include <sibyl/tensor.h>

typedef struct graph_arena graph_arena;

/* What several arenas may take together, on one thread. It outlives them. */
typedef struct arena_budget {
    uint64_t limit, used; /* bytes */
    bool spent;           /* something was refused */
} arena_budget;

sib_code arena_create(graph_arena **out, sib_error *err);
/* Charges all that the arena will take to a budget; arena_free gives it back. */
void arena_set_budget(graph_arena *a, arena_budget *budget);
/* NULL where nothing is charged. */
arena_budget *arena_get_budget(const graph_arena *a);
void arena_free(graph_arena **a);

/* n * size bytes aligned to 16, cleared. NULL where memory cannot be had, the budget is spent or the product overflows. */
void *arena_alloc(graph_arena *a, size_t n, size_t size);
/* A copy; {NULL, 0} and *ok = false where memory fails. NUL-terminated behind its length. */
sib_str arena_string(graph_arena *a, sib_str s, bool *ok);

/* Counts bytes that stand elsewhere and live as long as the arena. False where the budget is spent. */
bool arena_charge(graph_arena *a, uint64_t bytes);

/* Keeps a tensor alive until the arena goes; takes it over also where it fails (then it is freed). */
sib_code arena_keep(graph_arena *a, sib_tensor *t, sib_error *err);

#endif
