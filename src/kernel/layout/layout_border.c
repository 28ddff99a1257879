#include "kernel/layout/layout_border.h"

#include "base/alloc.h"
#include "base/size.h"

#include <string.h>

/* Below this many bytes the calling thread works alone. */
#define THREADS_FROM ((size_t)256 << 10)
/* Items of a long row between two looks at the cancel. */
#define PART ((size_t)1 << 18)

/* The index in 0 .. n - 1 for position i, which may be negative or beyond the end. */
static int64_t beyond_at(layout_beyond beyond, int64_t i, int64_t n)
{
    int64_t period = beyond == LAYOUT_WRAP ? n : n > 1 ? 2 * n - 2 : 1;
    if (beyond == LAYOUT_EDGE)
        return i < 0 ? 0 : i < n ? i : n - 1;
    i %= period;
    i += i < 0 ? period : 0;
    return beyond == LAYOUT_REFLECT && period - i < i ? period - i : i;
}

static bool make_map(layout_border *b, layout_beyond beyond, size_t axis)
{
    size_t before = b->before[axis], after = b->after[axis], n = b->dims[axis];
    size_t *map = b->map[axis] = mem_alloc(before + after, sizeof *map);
    for (size_t i = 0; map && i < before + after; i++) {
        int64_t at = i < before ? (int64_t)i - (int64_t)before : (int64_t)(n + i - before);
        map[i] = (size_t)beyond_at(beyond, at, (int64_t)n) * b->source[axis];
    }
    return map != NULL;
}

bool layout_border_plan(layout_border *b, layout_beyond beyond, size_t rank, const int64_t *dims,
                        const int64_t *before, const int64_t *after, size_t item)
{
    *b = (layout_border){.item = item, .bytes = item};
    for (size_t i = 0; i < rank; i++) {
        bool still = !before[i] && !after[i];
        size_t last = b->n - 1;
        b->bytes *= (size_t)(before[i] + dims[i] + after[i]);
        if (still && b->n > 0 && !b->before[last] && !b->after[last]) {
            b->dims[last] *= (size_t)dims[i];
            continue;
        }
        b->dims[b->n] = (size_t)dims[i];
        b->before[b->n] = (size_t)before[i];
        b->after[b->n++] = (size_t)after[i];
    }
    if (b->n == 0)
        b->dims[b->n++] = 1;
    for (size_t i = b->n, to = item, from = item; i-- > 0;) {
        b->inner[i] = to;
        b->source[i] = from;
        to *= b->before[i] + b->dims[i] + b->after[i];
        from *= b->dims[i];
        if (!make_map(b, beyond, i))
            return false;
    }
    return true;
}

void layout_border_free(layout_border *b)
{
    for (size_t i = 0; i < b->n; i++)
        mem_free(b->map[i]);
    *b = (layout_border){0};
}

typedef struct border_work {
    const layout_border *border;
    char *dst;
    const char *src;
    const struct sib_cancel *cancel;
} border_work;

/* Inlined with a constant item where there is one. */
static inline __attribute__((always_inline)) void put_items(char *dst, const char *src, const size_t *map,
                                                            size_t n, size_t item)
{
    for (size_t i = 0; i < n; i++)
        memcpy(dst + i * item, src + map[i], item);
}

static void put_few(const border_work *w, char *dst, const char *src, const size_t *map, size_t n)
{
    const size_t item = w->border->item;
    for (size_t i = 0, part; i < n && !cancel_is_set(w->cancel); i += part) {
        part = size_min(n - i, PART);
        if (item == 4)
            put_items(dst + 4 * i, src, map + i, part, 4);
        else
            put_items(dst + item * i, src, map + i, part, item);
    }
}

/* The axes from `axis` on, at most LAYOUT_MAX_RANK: positions [begin, end) of the result. */
static void put_axis(const border_work *w, size_t axis, char *dst, const char *src, size_t begin, size_t end)
{
    const layout_border *b = w->border;
    size_t before = b->before[axis], dims = b->dims[axis], next = axis + 1;
    const size_t *map = b->map[axis];
    if (next == b->n) {
        put_few(w, dst, src, map, before);
        layout_copy(dst + before * b->item, src, dims * b->item, w->cancel);
        put_few(w, dst + (before + dims) * b->item, src, map + before, b->after[axis]);
        return;
    }
    size_t all = b->before[next] + b->dims[next] + b->after[next];
    for (size_t i = begin; i < end && !cancel_is_set(w->cancel); i++) {
        size_t from = i < before          ? map[i]
                      : i < before + dims ? (i - before) * b->source[axis]
                                          : map[i - dims];
        put_axis(w, next, dst + i * b->inner[axis], src + from, 0, all);
    }
}

static void put_steps(void *context, size_t begin, size_t count, unsigned worker)
{
    const border_work *w = context;
    (void)worker;
    put_axis(w, 0, w->dst, w->src, begin, begin + count);
}

void layout_border_copy(const layout_border *b, char *dst, const char *src, sib_pool *pool,
                        const struct sib_cancel *cancel)
{
    border_work w = {b, dst, src, cancel};
    size_t steps = b->before[0] + b->dims[0] + b->after[0];
    if (b->n == 1 || !pool || b->bytes < THREADS_FROM)
        put_steps(&w, 0, steps, 0);
    else
        pool_run(pool, steps, size_max(1, steps / (4 * (size_t)sib_pool_threads(pool))), put_steps, &w);
}
