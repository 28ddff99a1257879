/* Keys and values of one sequence, and attention over those of several. */
#ifndef BATCH_CACHE_H
#define BATCH_CACHE_H

#include "batch/rows.h"

/* Of one layer: keys [kv_heads, room, d] and values [kv_heads, room, dv]. */
typedef struct cache_layer {
    float *k, *v;
    size_t room; /* rows that there is memory for */
} cache_layer;

typedef struct cache {
    size_t length; /* rows that count, in all layers */
    cache_layer layers[];
} cache;

sib_code cache_create(size_t n_layers, cache **out, sib_error *err);
void cache_free(cache **c, size_t n_layers);
/* Makes room for `rows`. After a failure its rows are as before. Errors: SIB_ERR_MEMORY. */
sib_code cache_reserve(cache *c, const rows_layer *layers, size_t n_layers, size_t rows, sib_error *err);

/* The first `rows` rows of `from` become those of `to`, which has none. Returns false where there is no memory for them. */
bool cache_copy(cache *to, const cache *from, const rows_layer *layers, size_t n_layers, size_t rows);

/* The rows of one sequence in a step: n from row `first` on. Its cache has room for them. */
typedef struct cache_part {
    cache *c;
    size_t first, n;
} cache_part;

/* Memory that attention works in, grown as it needs. */
typedef struct cache_scratch {
    float *data;
    size_t floats;
} cache_scratch;

/* One layer for all parts of a step: appends the rows of k [R, kv_heads * d] and v [R, kv_heads * dv] behind the `length`
   rows of each cache, whose length stays, and gives each row of q [R, heads * d] its sum of values in y [R, heads * dv].
   pool: may be NULL. Errors: SIB_ERR_MEMORY. */
sib_code cache_attend(const rows_layer *layer, size_t number, size_t n_parts, const cache_part *parts,
                      const float *q, const float *k, const float *v, float *y, sib_pool *pool,
                      cache_scratch *scratch, sib_error *err);

#endif
