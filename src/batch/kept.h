/* Caches of sequences that have left, for those whose tokens begin alike. */
#ifndef BATCH_KEPT_H
#define BATCH_KEPT_H

#include "batch/cache.h"

/* Its owner calls one function at a time. */
typedef struct kept_caches kept_caches;

/* limit: of the memory of all caches, bytes. layers: (n_layers) borrowed. */
sib_code kept_create(size_t limit, const rows_layer *layers, size_t n_layers, kept_caches **out,
                     sib_error *err);
void kept_free(kept_caches **k);
/* Takes over *c, the cache of ids, and ids, of which it has as many as rows; those used longest ago give way. */
void kept_give(kept_caches *k, cache **c, int64_t **ids);
/* Fills *c, which is empty, with the rows of tokens that ids (n) begin with, as many as a kept cache has: *c takes the place of one that goes on
   in ids, and has a copy of rows of one that others may go on with too. Returns how many, 0 also where there is no memory for them. */
size_t kept_take(kept_caches *k, const int64_t *ids, size_t n, cache **c);
void kept_count(const kept_caches *k, size_t *entries, size_t *bytes, uint64_t *reused);

#endif
