/* The driver of the attention kernels: heads are packed, and panels of queries iterate over blocks of
   keys. */
#include "base/assert.h"
#include "base/cancel.h"
#include "base/pool.h"
#include "base/size.h"
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define KEYS ATTENTION_KEYS

/* Operations, or elements of keys and values, below which one thread is faster than waking others (some 100
   microseconds); and elements below which it is faster even where the others are awake. */
#define WORTH_THREADS 1e7
#define WORTH_READING 5e5
#define WORTH_GIVING  1.2e5

/* Max panels of a work item where that leaves work for all threads: each item packs its head anew. */
#define PANELS_A_PIECE 8

/* With at most this many queries, a key head's keys and values are read unpacked. */
#define FEW 12

/* Limits of small calls: floats on the stack, products per key head, and the queries that must share a key
   head so that lanes are not wasted: half as many where vectors along a head would be wasted too. */
#define SMALL_WORK     3072
#define SMALL_PRODUCTS 200000
#define SMALL_ROWS     8

typedef struct job {
    const attention_call *c;
    const attention_kernels *k;
    const struct sib_cancel *cancel;
    size_t group;  /* query heads of a key head */
    size_t rows;   /* group * S: queries of a key head, head after head */
    size_t pieces; /* work items per key head */
    size_t panels; /* per work item */
    float *scratch;
    size_t each; /* scratch per thread */
} job;

/* State of one key head in one thread. */
typedef struct head {
    const job *o;
    size_t b, h; /* batch and key head */
    size_t keys; /* valid ones */
    bool finite; /* keys and values are finite, so hidden ones may be skipped */
    float *k, *v;
    float *s, *q, *y; /* (KEYS, nr), (d, nr), (dv rounded up to strips, nr) */
} head;

/* A panel of n queries. */
typedef struct panel {
    size_t first, n, vectors;
    int64_t low[ATTENTION_MAX_NR], high[ATTENTION_MAX_NR]; /* first and last key within reach, by lane */
    float largest[ATTENTION_MAX_NR], before[ATTENTION_MAX_NR], sum[ATTENTION_MAX_NR],
        factor[ATTENTION_MAX_NR];
    attention_mask mask;
} panel;

static size_t up_to(size_t n, size_t unit)
{
    return size_ceil_div(n, unit) * unit;
}

/* ---- Offsets ------------------------------------------------------------------------------------------- */

static size_t head_of(const head *w, size_t row)
{
    return w->h * w->o->group + row / w->o->c->queries;
}

static const float *row_at(const attention_rows *r, size_t b, size_t h, size_t i)
{
    return r->at + b * r->batch + h * r->head + i * r->row;
}

static int64_t place_of(const head *w, size_t row)
{
    const attention_call *c = w->o->c;
    return (int64_t)(row % c->queries) + (c->offset ? c->offset[w->b] : 0);
}

static void pack_head(head *w)
{
    const attention_call *c = w->o->c;
    const attention_kernels *k = w->o->k;
    const float *keys = row_at(&c->k, w->b, w->h, 0), *values = row_at(&c->v, w->b, w->h, 0);
    bool limited = c->left != ATTENTION_FAR || c->right != ATTENTION_FAR;
    w->finite = true;
    for (size_t j = 0; j < w->keys; j += KEYS) {
        size_t n = size_min(KEYS, w->keys - j);
        const float *these = keys + j * c->k.row, *those = values + j * c->v.row;
        k->pack_keys(these, c->k.row, n, c->d, w->k + j * c->d);
        k->pack_values(those, c->v.row, n, c->dv, w->v + j * up_to(c->dv, k->mr));
        if (limited && w->finite)
            w->finite = k->finite(these, c->k.row, n, c->d) && k->finite(those, c->v.row, n, c->dv);
    }
}

/* ---- Panels -------------------------------------------------------------------------------------------- */

/* Prefetches n floats. */
static void fetch_row(const float *at, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        __builtin_prefetch(at + i);
}

/* While p iterates over its keys, prefetches the queries of the panel after p, and p's results. */
static void fetch_rows(const head *w, const panel *p)
{
    const attention_call *c = w->o->c;
    size_t end = size_min(w->o->rows, p->first + p->n + w->o->k->nr);
    for (size_t row = p->first; row < end; row++) {
        size_t h = head_of(w, row), at = row % c->queries;
        if (row < p->first + p->n)
            fetch_row(c->y + w->b * c->y_batch + h * c->y_head + at * c->y_row, c->dv);
        else
            fetch_row(row_at(&c->q, w->b, h, at), c->d);
    }
}

static void begin_panel(const head *w, panel *p)
{
    const attention_call *c = w->o->c;
    const float *rows[ATTENTION_MAX_NR];
    for (size_t i = 0; i < p->n; i++) {
        size_t row = p->first + i;
        int64_t place = place_of(w, row);
        rows[i] = row_at(&c->q, w->b, head_of(w, row), row % c->queries);
        p->low[i] = place - c->left;
        p->high[i] = place + c->right;
    }
    w->o->k->pack_queries(rows, p->n, c->d, c->scale, w->q);
}

/* The union of the keys that the panel's queries reach: [*begin, *end). */
static void reach(const head *w, const panel *p, size_t *begin, size_t *end)
{
    int64_t low = INT64_MAX, high = -1, last = (int64_t)w->keys - 1;
    for (size_t i = 0; i < p->n; i++) {
        low = p->low[i] < low ? p->low[i] : low;
        high = p->high[i] > high ? p->high[i] : high;
    }
    *begin = low < 0 ? 0 : low > last ? w->keys : (size_t)low;
    *end = high < 0 ? 0 : high > last ? w->keys : (size_t)high + 1;
}

/* As far as floats hold each integer, which is farther than a block or a small call has keys. */
#define FARTHEST ((int64_t)1 << 24)

static float near_zero(int64_t x)
{
    return (float)(x < -FARTHEST ? -FARTHEST : x > FARTHEST ? FARTHEST : x);
}

/* Bias and limits of the query `row`, which reaches keys low to high, for the block that begins at `key`. */
static void set_lane(const head *w, attention_mask *m, size_t lane, size_t row, int64_t low, int64_t high,
                     size_t key)
{
    const attention_call *c = w->o->c;
    m->first[lane] = near_zero(low - (int64_t)key);
    m->last[lane] = near_zero(high - (int64_t)key);
    m->bias[lane] = NULL;
    if (c->bias.at)
        m->bias[lane] = row_at(&c->bias, w->b, head_of(w, row), row % c->queries) + key * c->bias_step;
}

static void set_all(const head *w, attention_mask *m)
{
    const attention_call *c = w->o->c;
    m->hidden = c->hidden;
    m->replaced = c->replaced;
    m->softcap = c->softcap;
    m->bias_step = c->bias_step;
    m->bias_shared = !c->bias.head && !c->bias.row;
}

/* Sets the mask for the block of n keys from `key` on; returns false where it hides and adds nothing. */
static bool set_mask(const head *w, panel *p, size_t key, size_t n)
{
    const attention_call *c = w->o->c;
    attention_mask *m = &p->mask;
    int64_t begin = (int64_t)key, last = (int64_t)(key + n) - 1;
    m->limited = false;
    for (size_t i = 0; i < p->n; i++)
        m->limited |= p->low[i] > begin || p->high[i] < last;
    if (!m->limited && !c->bias.at && c->softcap == 0.0f)
        return false;
    set_all(w, m);
    for (size_t i = 0; i < p->vectors * w->o->k->lanes; i++) {
        size_t at = size_min(i, p->n - 1);
        set_lane(w, m, i, p->first + at, p->low[at], p->high[at], key);
    }
    return true;
}

static void walk(const head *w, panel *p, size_t begin, size_t end)
{
    const attention_call *c = w->o->c;
    const attention_kernels *k = w->o->k;
    size_t lanes = p->vectors * k->lanes, wide = up_to(c->dv, k->mr);
    bool first = true;
    for (size_t i = 0; i < lanes; i++) {
        p->largest[i] = -FLT_MAX;
        p->sum[i] = 0.0f;
    }
    for (size_t j = begin / KEYS * KEYS; j < end && !cancel_is_set(w->o->cancel); j += KEYS) {
        size_t n = size_min(KEYS, w->keys - j);
        bool masked = set_mask(w, p, j, n);
        float spare[ATTENTION_MAX_NR] = {0};
        for (size_t i = 0; i < lanes; i++)
            p->before[i] = p->largest[i];
        k->scores(w->k + j * c->d, w->q, c->d, n, p->vectors, w->s, masked ? spare : p->largest);
        if (masked)
            k->mask(w->s, n, p->vectors, &p->mask, p->largest);
        k->exponentials(w->s, n, p->vectors, p->before, p->largest, p->sum, p->factor);
        k->weigh(w->v + j * wide, w->s, n, c->dv, p->vectors, first ? NULL : p->factor, w->y);
        first = false;
    }
}

/* Whether any key of this query is open, whatever its score. */
static bool any_open(const head *w, size_t row)
{
    const attention_call *c = w->o->c;
    int64_t place = place_of(w, row);
    const float *bias = c->bias.at ? row_at(&c->bias, w->b, head_of(w, row), row % c->queries) : NULL;
    for (size_t j = 0; j < w->keys; j++) {
        bool within = (int64_t)j >= place - c->left && (int64_t)j <= place + c->right;
        if (within && !(bias && bias[j * c->bias_step] == -INFINITY))
            return true;
    }
    return false;
}

/* A row without any open key has weights of 0; NaN and infinite values still give NaN. */
static void empty_row(const head *w, size_t row, float *y)
{
    const attention_call *c = w->o->c;
    const float *v = row_at(&c->v, w->b, w->h, 0);
    if (any_open(w, row))
        return;
    memset(y, 0, c->dv * sizeof *y);
    for (size_t j = 0; j < w->keys; j++)
        for (size_t at = 0; at < c->dv; at++)
            y[at] += 0.0f * v[j * c->v.row + at];
}

static void finish_panel(const head *w, panel *p)
{
    const attention_call *c = w->o->c;
    float *rows[ATTENTION_MAX_NR];
    for (size_t i = 0; i < p->n; i++) {
        size_t row = p->first + i;
        rows[i] = c->y + w->b * c->y_batch + head_of(w, row) * c->y_head + row % c->queries * c->y_row;
    }
    w->o->k->give(w->y, p->sum, p->n, c->dv, rows);
    for (size_t i = 0; c->empty_is_zero && i < p->n; i++)
        if (!(p->sum[i] > 0.0f))
            empty_row(w, p->first + i, rows[i]);
}

/* ---- Few queries --------------------------------------------------------------------------------------- */

typedef struct few {
    float largest[FEW], sum[FEW];
    attention_mask mask;
} few;

/* Processes all rows of a key head block by block, so that keys and values are read from memory once. */
static void walk_few(const head *w, few *f)
{
    const attention_call *c = w->o->c;
    size_t rows = w->o->rows;
    attention_row r = {.k_row = c->k.row, .v_row = c->v.row, .d = c->d, .dv = c->dv};
    set_all(w, &f->mask);
    for (size_t j = 0; j < w->keys && !cancel_is_set(w->o->cancel); j += KEYS) {
        int64_t last;
        r.n = size_min(KEYS, w->keys - j);
        r.k = row_at(&c->k, w->b, w->h, j);
        r.v = row_at(&c->v, w->b, w->h, j);
        last = (int64_t)(j + r.n) - 1;
        for (size_t i = 0; i < rows; i++) {
            int64_t place = place_of(w, i), low = place - c->left, high = place + c->right;
            f->mask.limited = low > (int64_t)j || high < last;
            r.mask = f->mask.limited || c->bias.at || c->softcap != 0.0f ? &f->mask : NULL;
            if (r.mask)
                set_lane(w, &f->mask, 0, i, low, high, j);
            r.q = w->q + i * c->d;
            r.y = w->y + i * c->dv;
            r.largest = &f->largest[i];
            r.sum = &f->sum[i];
            w->o->k->row(&r);
        }
    }
}

static void run_few(const head *w)
{
    const attention_call *c = w->o->c;
    few f;
    for (size_t i = 0; i < w->o->rows; i++) {
        const float *q = row_at(&c->q, w->b, head_of(w, i), i % c->queries);
        for (size_t p = 0; p < c->d; p++)
            w->q[i * c->d + p] = q[p] * c->scale;
        memset(w->y + i * c->dv, 0, c->dv * sizeof(float));
        f.largest[i] = -FLT_MAX;
        f.sum[i] = 0.0f;
    }
    walk_few(w, &f);
    for (size_t i = 0; i < w->o->rows; i++) {
        float *y = c->y + w->b * c->y_batch + head_of(w, i) * c->y_head + i % c->queries * c->y_row;
        float by = 1.0f / f.sum[i];
        for (size_t p = 0; p < c->dv; p++)
            y[p] = w->y[i * c->dv + p] * by;
        if (c->empty_is_zero && !(f.sum[i] > 0.0f))
            empty_row(w, i, y);
    }
}

/* ---- Many queries -------------------------------------------------------------------------------------- */

/* Skips keys out of reach where their weight would be 0: they and their values are finite, and each query has
   a score above the hidden score. */
static void run_panel(const head *w, panel *p)
{
    size_t begin, end;
    begin_panel(w, p);
    reach(w, p, &begin, &end);
    if (!w->finite || begin >= end) {
        begin = 0;
        end = w->keys;
    }
    fetch_rows(w, p);
    walk(w, p, begin, end);
    for (size_t i = 0; i < p->n; i++)
        if ((begin > 0 || end < w->keys) && !(p->largest[i] > -1e30f)) {
            walk(w, p, begin = 0, end = w->keys);
            break;
        }
    finish_panel(w, p);
}

/* ---- Small calls --------------------------------------------------------------------------------------- */

/* Bias and limits of the n queries from row `first` on; returns false where there are none. */
static bool set_small_mask(const head *w, attention_mask *m, size_t first, size_t n)
{
    const attention_call *c = w->o->c;
    bool reaches = c->left == ATTENTION_FAR && c->right == ATTENTION_FAR;
    m->limited = false;
    m->bias[0] = NULL;
    if (reaches && !c->bias.at && c->softcap == 0.0f)
        return false;
    set_all(w, m);
    for (size_t i = 0; i < w->o->k->lanes && (!reaches || c->bias.at); i++) {
        size_t row = first + size_min(i, n - 1);
        int64_t place = place_of(w, row), low = place - c->left, high = place + c->right;
        m->limited |= low > 0 || high < (int64_t)w->keys - 1;
        set_lane(w, m, i, row, low, high, 0);
    }
    return true;
}

static void run_small(const head *w)
{
    const attention_call *c = w->o->c;
    const attention_kernels *k = w->o->k;
    _Alignas(64) float work[SMALL_WORK], sums[ATTENTION_MAX_NR];
    const float *q[ATTENTION_MAX_NR];
    float *y[ATTENTION_MAX_NR];
    attention_mask mask;
    attention_small a = {
        .q = q, .y = y, .keys = w->keys, .d = c->d, .dv = c->dv, .scale = c->scale, .work = work};
    a.k = row_at(&c->k, w->b, w->h, 0);
    a.v = row_at(&c->v, w->b, w->h, 0);
    a.k_row = c->k.row;
    a.v_row = c->v.row;
    for (size_t first = 0; first < w->o->rows; first += a.n) {
        a.n = size_min(k->lanes, w->o->rows - first);
        a.mask = set_small_mask(w, &mask, first, a.n) ? &mask : NULL;
        for (size_t i = 0, h = head_of(w, first), at = first % c->queries; i < a.n; i++) {
            q[i] = row_at(&c->q, w->b, h, at);
            y[i] = c->y + w->b * c->y_batch + h * c->y_head + at * c->y_row;
            h += ++at == c->queries;
            at = at == c->queries ? 0 : at;
        }
        k->small(&a, sums);
        for (size_t i = 0; c->empty_is_zero && i < a.n; i++)
            if (!(sums[i] > 0.0f))
                empty_row(w, first + i, y[i]);
    }
}

/* ---- The call ------------------------------------------------------------------------------------------ */

static size_t take(float **at, size_t n)
{
    float *p = *at;
    *at = p ? p + up_to(n, 16) : NULL;
    return up_to(n, 16);
}

/* Assigns a head's buffers from `at` on, unless that is NULL; returns their size in floats. */
static size_t lay_out(const attention_call *c, const attention_kernels *k, head *w, float *at)
{
    size_t rows = up_to(c->keys, KEYS), wide = up_to(c->dv, k->mr), lanes = size_max(k->nr, FEW), all = 0;
    float **parts[] = {&w->k, &w->v, &w->s, &w->q, &w->y};
    size_t sizes[] = {rows * c->d, rows * wide, KEYS * k->nr, c->d * lanes, wide * lanes};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = at;
        all += take(&at, sizes[i]);
    }
    return all;
}

bool attention_is_small(const attention_call *c)
{
    size_t max = SMALL_WORK / kernel_table_get()->attention.lanes, rows, products;
    if (c->keys > max || c->d > max || c->dv > max || c->keys + up_to(c->d, 16) + c->dv > max)
        return false;
    if (!size_mul(c->heads / c->kv_heads, c->queries, &rows) ||
        !size_mul(rows, c->keys * (c->d + c->dv), &products) || products > SMALL_PRODUCTS)
        return false;
    return rows >= SMALL_ROWS || (rows >= SMALL_ROWS / 2 && c->d + c->dv <= 32);
}

size_t attention_scratch(const attention_call *c)
{
    head w;
    size_t rows, max;
    if (!size_add(c->keys, KEYS, &rows) || !size_add(c->d, c->dv, &max) || !size_add(max, 64, &max) ||
        !size_mul(rows, max, &rows) || !size_mul(rows, 64, &rows))
        return 0;
    return lay_out(c, &kernel_table_get()->attention, &w, NULL);
}

static void run_piece(const job *o, size_t index, unsigned worker)
{
    const attention_call *c = o->c;
    size_t which = index / o->pieces, first = index % o->pieces * o->panels * o->k->nr;
    size_t end = size_min(o->rows, first + o->panels * o->k->nr);
    head w = {.o = o, .b = which / c->kv_heads, .h = which % c->kv_heads, .keys = c->keys};
    panel p;
    if (c->lengths)
        w.keys = c->lengths[w.b] < 0 ? 0 : size_min(c->keys, (size_t)c->lengths[w.b]);
    if (c->small) {
        run_small(&w);
        return;
    }
    lay_out(c, o->k, &w, o->scratch + worker * o->each);
    if (o->rows <= FEW) {
        run_few(&w);
        return;
    }
    pack_head(&w);
    for (; first < end && !cancel_is_set(o->cancel); first += o->k->nr) {
        p.first = first;
        p.n = size_min(o->k->nr, end - first);
        p.vectors = size_ceil_div(p.n, o->k->lanes);
        run_panel(&w, &p);
    }
}

static void run_pieces(void *context, size_t begin, size_t count, unsigned worker)
{
    const job *o = context;
    for (size_t i = begin; i < begin + count && !cancel_is_set(o->cancel); i++)
        run_piece(o, i, worker);
}

void attention_run(const attention_call *c, sib_pool *pool, float *scratch, const struct sib_cancel *cancel)
{
    SIB_ASSERT(c->heads > 0 && c->kv_heads > 0 && c->heads % c->kv_heads == 0);
    SIB_ASSERT(c->queries > 0 && c->keys > 0 && c->d > 0 && c->dv > 0);
    SIB_ASSERT(c->bias_step <= 1);
    SIB_ASSERT(mem_is_aligned(c->y, sizeof *c->y) && mem_is_aligned(c->q.at, sizeof(float)));
    SIB_ASSERT(c->small || (scratch && mem_is_aligned(scratch, sizeof *scratch)));
    job o = {.c = c, .k = &kernel_table_get()->attention, .cancel = cancel, .scratch = scratch};
    size_t heads = c->batch * c->kv_heads, threads = sib_pool_threads(pool);
    o.group = c->heads / c->kv_heads;
    o.rows = o.group * c->queries;
    o.each = c->small ? 0 : attention_scratch(c);
    size_t panels = size_ceil_div(o.rows, o.k->nr), wanted = size_ceil_div(4 * threads, heads);
    double read = (double)heads * (double)c->keys * (double)(c->d + c->dv),
           work = 4.0 * (double)o.rows * read;
    if (work < WORTH_THREADS && read < (pool_is_awake(pool) ? WORTH_GIVING : WORTH_READING))
        pool = NULL;
    o.panels = pool && !c->small ? size_max(size_ceil_div(panels, wanted), size_min(panels, PANELS_A_PIECE))
                                 : panels;
    o.pieces = size_ceil_div(panels, o.panels);
    pool_run(pool, heads * o.pieces, pool ? 1 : heads * o.pieces, run_pieces, &o);
}
