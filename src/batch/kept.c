#include "batch/kept.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

#define MAX_KEPT 256

typedef struct kept_cache {
    cache *c;
    int64_t *ids; /* (c->length) */
    size_t bytes;
    uint64_t used; /* when it was given, or rows of it were taken */
} kept_cache;

struct kept_caches {
    const rows_layer *layers;
    size_t n_layers, limit, bytes, n;
    uint64_t clock, reused;
    kept_cache items[MAX_KEPT]; /* (n) */
};

sib_code kept_create(size_t limit, const rows_layer *layers, size_t n_layers, kept_caches **out,
                     sib_error *err)
{
    kept_caches *k = *out = mem_calloc(1, sizeof *k);
    if (!k)
        return err_memory(err, sizeof *k, "the caches of a batch");
    k->limit = limit;
    k->layers = layers;
    k->n_layers = n_layers;
    return SIB_OK;
}

static void drop(kept_caches *k, size_t i)
{
    k->bytes -= k->items[i].bytes;
    cache_free(&k->items[i].c, k->n_layers);
    mem_free(k->items[i].ids);
    k->items[i] = k->items[--k->n];
}

void kept_free(kept_caches **k)
{
    while (*k && (*k)->n)
        drop(*k, 0);
    mem_free(*k);
    *k = NULL;
}

static size_t bytes_of(const kept_caches *k, const cache *c)
{
    size_t sum = c->length * sizeof(int64_t);
    for (size_t i = 0; i < k->n_layers; i++)
        sum += c->layers[i].room * k->layers[i].kv_heads * (k->layers[i].d + k->layers[i].dv) * sizeof(float);
    return sum;
}

static void drop_oldest(kept_caches *k)
{
    size_t oldest = 0;
    for (size_t i = 1; i < k->n; i++)
        oldest = k->items[i].used < k->items[oldest].used ? i : oldest;
    drop(k, oldest);
}

void kept_give(kept_caches *k, cache **c, int64_t **ids)
{
    const size_t bytes = bytes_of(k, *c);
    while (k->n && bytes <= k->limit && (k->n == MAX_KEPT || bytes > k->limit - k->bytes))
        drop_oldest(k);
    if (bytes <= k->limit && (*c)->length) {
        k->items[k->n++] = (kept_cache){*c, *ids, bytes, ++k->clock};
        k->bytes += bytes;
    } else {
        cache_free(c, k->n_layers);
        mem_free(*ids);
    }
    *c = NULL;
    *ids = NULL;
}

static size_t common(const kept_cache *e, const int64_t *ids, size_t n)
{
    size_t i = 0;
    while (i < n && i < e->c->length && ids[i] == e->ids[i])
        i++;
    return i;
}

size_t kept_take(kept_caches *k, const int64_t *ids, size_t n, cache **c)
{
    size_t best = 0, rows = 0;
    for (size_t i = 0; i < k->n; i++) {
        const size_t same = common(&k->items[i], ids, n);
        best = same > rows ? i : best;
        rows = same > rows ? same : rows;
    }
    if (!rows)
        return 0;
    kept_cache *e = &k->items[best];
    if (rows == e->c->length) {
        cache *empty = *c;
        *c = e->c;
        e->c = empty;
        drop(k, best);
    } else if (cache_copy(*c, e->c, k->layers, k->n_layers, rows))
        e->used = ++k->clock;
    else
        return 0;
    k->reused += rows;
    return rows;
}

void kept_count(const kept_caches *k, size_t *entries, size_t *bytes, uint64_t *reused)
{
    *entries = k->n;
    *bytes = k->bytes;
    *reused = k->reused;
}
