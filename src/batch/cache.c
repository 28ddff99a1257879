#include "batch/cache.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "kernel/attention/attention.h"

#include <math.h>
#include <string.h>

#define FIRST_ROOM   64    /* rows */
#define WORTH_GIVING 1.2e5 /* elements of keys and values below which one thread is faster than several */

sib_code cache_create(size_t n_layers, cache **out, sib_error *err)
{
    size_t bytes = sizeof(cache) + n_layers * sizeof(cache_layer);
    *out = mem_calloc(1, bytes);
    return *out ? SIB_OK : err_memory(err, bytes, "the cache of a sequence");
}

void cache_free(cache **c, size_t n_layers)
{
    for (size_t i = 0; *c && i < n_layers; i++) {
        mem_free((*c)->layers[i].k);
        mem_free((*c)->layers[i].v);
    }
    mem_free(*c);
    *c = NULL;
}

/* [heads, rows, d] with the `length` rows of each head of `from`, [heads, room, d]; NULL: no memory. */
static float *widened(const float *from, size_t heads, size_t d, size_t room, size_t length, size_t rows)
{
    size_t all;
    float *to = size_mul(heads * d, rows, &all) ? mem_alloc(all, sizeof *to) : NULL;
    for (size_t h = 0; to && length && h < heads; h++)
        memcpy(to + h * rows * d, from + h * room * d, length * d * sizeof *to);
    return to;
}

static bool widen(cache_layer *l, const rows_layer *by, size_t length, size_t rows)
{
    float *k = widened(l->k, by->kv_heads, by->d, l->room, length, rows),
          *v = widened(l->v, by->kv_heads, by->dv, l->room, length, rows);
    bool done = k && v;
    mem_free(done ? l->k : k);
    mem_free(done ? l->v : v);
    if (done)
        *l = (cache_layer){k, v, rows};
    return done;
}

sib_code cache_reserve(cache *c, const rows_layer *layers, size_t n_layers, size_t rows, sib_error *err)
{
    for (size_t i = 0; i < n_layers; i++) {
        cache_layer *l = &c->layers[i];
        size_t room = size_max(rows, size_max(l->room + l->room / 2, FIRST_ROOM));
        if (l->room < rows && !widen(l, &layers[i], c->length, room))
            return err_memory(err, room * layers[i].kv_heads * (layers[i].d + layers[i].dv) * sizeof(float),
                              "the cache of a sequence");
    }
    return SIB_OK;
}

/* Rows of each head. */
static void copy_heads(float *to, size_t to_room, const float *from, size_t room, size_t heads, size_t d,
                       size_t rows)
{
    for (size_t h = 0; h < heads; h++)
        memcpy(to + h * to_room * d, from + h * room * d, rows * d * sizeof *to);
}

bool cache_copy(cache *to, const cache *from, const rows_layer *layers, size_t n_layers, size_t rows)
{
    if (cache_reserve(to, layers, n_layers, rows, NULL) != SIB_OK)
        return false;
    for (size_t i = 0; i < n_layers; i++) {
        const cache_layer *a = &from->layers[i], *b = &to->layers[i];
        const rows_layer *l = &layers[i];
        copy_heads(b->k, b->room, a->k, a->room, l->kv_heads, l->d, rows);
        copy_heads(b->v, b->room, a->v, a->room, l->kv_heads, l->dv, rows);
    }
    to->length = rows;
    return true;
}

/* ---- Attention ----------------------------------------------------------------------------------------- */

/* x: n rows of `heads` heads, side by side, to the rows of `to` [heads, room, d] from `at` on. */
static void append(float *to, size_t heads, size_t d, size_t room, size_t at, const float *x, size_t n)
{
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < n; i++)
            memcpy(to + (h * room + at + i) * d, x + (i * heads + h) * d, d * sizeof *to);
}

typedef struct attending {
    const rows_layer *layer;
    size_t number; /* of the layer */
    const cache_part *parts;
    const float *q, *k, *v;
    float *y;
    sib_pool *pool; /* for one part; several have a thread each */
    float *scratch;
    size_t each; /* floats of a thread */
} attending;

static attention_call call_of(const attending *a, const cache_part *p, const int64_t *past)
{
    const rows_layer *l = a->layer;
    const cache_layer *at = &p->c->layers[a->number];
    size_t q_row = l->heads * l->d, y_row = l->heads * l->dv;
    return (attention_call){.batch = 1,
                            .heads = l->heads,
                            .kv_heads = l->kv_heads,
                            .queries = p->n,
                            .keys = p->c->length + p->n,
                            .d = l->d,
                            .dv = l->dv,
                            .q = {a->q + p->first * q_row, 0, l->d, q_row},
                            .k = {at->k, 0, at->room * l->d, l->d},
                            .v = {at->v, 0, at->room * l->dv, l->dv},
                            .y = a->y + p->first * y_row,
                            .y_head = l->dv,
                            .y_row = y_row,
                            .scale = l->scale,
                            .softcap = l->softcap,
                            .offset = past,
                            .left = l->window ? l->window - 1 : ATTENTION_FAR,
                            .hidden = -INFINITY,
                            .empty_is_zero = true};
}

static void attend(void *context, size_t begin, size_t count, unsigned worker)
{
    const attending *a = context;
    const rows_layer *l = a->layer;
    for (size_t i = begin; i < begin + count; i++) {
        const cache_part *p = &a->parts[i];
        const cache_layer *at = &p->c->layers[a->number];
        size_t past = p->c->length;
        int64_t offset = (int64_t)past;
        append(at->k, l->kv_heads, l->d, at->room, past, a->k + p->first * l->kv_heads * l->d, p->n);
        append(at->v, l->kv_heads, l->dv, at->room, past, a->v + p->first * l->kv_heads * l->dv, p->n);
        attention_call c = call_of(a, p, &offset);
        c.small = attention_is_small(&c);
        attention_run(&c, a->pool, a->scratch + worker * a->each, NULL);
    }
}

sib_code cache_attend(const rows_layer *layer, size_t number, size_t n_parts, const cache_part *parts,
                      const float *q, const float *k, const float *v, float *y, sib_pool *pool,
                      cache_scratch *scratch, sib_error *err)
{
    attending a = {.layer = layer,
                   .number = number,
                   .parts = parts,
                   .q = q,
                   .k = k,
                   .v = v,
                   .y = y,
                   .pool = n_parts == 1 ? pool : NULL};
    size_t threads = pool ? sib_pool_threads(pool) : 1, all;
    double reads = 0;
    for (size_t i = 0; i < n_parts; i++) {
        attention_call c = call_of(&a, &parts[i], NULL);
        size_t floats = attention_is_small(&c) ? 0 : attention_scratch(&c);
        a.each = size_max(a.each, (floats + 15) / 16 * 16);
        reads += (double)(c.kv_heads * (c.d + c.dv)) * (double)c.keys;
    }
    if (!size_mul(a.each, threads, &all))
        return err_set(err, SIB_ERR_SIZE, "attention needs too much memory");
    if (all > scratch->floats) {
        float *more = mem_realloc(scratch->data, all, sizeof *more);
        if (!more)
            return err_memory(err, all * sizeof *more, "attention");
        *scratch = (cache_scratch){more, all};
    }
    a.scratch = scratch->data;
    pool_run(n_parts == 1 || reads < WORTH_GIVING ? NULL : pool, n_parts, 1, attend, &a);
    return SIB_OK;
}
