/* Memory that is freed all at once: names, lists and attributes of graphs. Blocks never move. */
#ifndef GRAPH_ARENA_H
#define GRAPH_ARENA_H

#include <sibyl/tensor.h>

typedef struct graph_arena graph_arena;

sib_code arena_create(graph_arena **out, sib_error *err);
void arena_free(graph_arena **a);

/* n * size bytes aligned to 16, cleared. NULL where memory cannot be had or the product overflows. */
void *arena_alloc(graph_arena *a, size_t n, size_t size);
/* A copy; {NULL, 0} and *ok = false where memory fails. NUL-terminated behind its length. */
sib_str arena_string(graph_arena *a, sib_str s, bool *ok);

/* Keeps a tensor alive until the arena goes; takes it over also where it fails (then it is freed). */
sib_code arena_keep(graph_arena *a, sib_tensor *t, sib_error *err);

#endif
