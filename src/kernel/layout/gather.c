#include "kernel/layout/gather.h"

#include "base/alloc.h"
#include "base/size.h"

#include <stdatomic.h>
#include <string.h>

/* Below this many bytes the calling thread works alone. */
#define THREADS_FROM ((size_t)256 << 10)
#define PART_BYTES   ((size_t)1 << 20)

/* ---- Offsets ----------------------------------------------------------------------------------------- */

static inline int64_t index_at(const void *indices, bool wide, size_t i)
{
    return wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

/* Negative indices count from the end, without a branch; an index out of range stays out of range, as an
   unsigned number. */
static inline uint64_t wrapped(int64_t index, int64_t size, bool wraps)
{
    uint64_t back = wraps ? (uint64_t)size : 0;
    return (uint64_t)index + (back & (0 - (uint64_t)(index < 0)));
}

/* Offsets of indices i .. i + n - 1: base + index * stride + k * step. wide: a constant where this is
   inlined. */
static inline __attribute__((always_inline)) size_t line_offsets(const gather_plan *p, const void *indices,
                                                                 size_t i, size_t n, size_t base, size_t step,
                                                                 size_t *offsets, bool wide)
{
    uint64_t size = (uint64_t)p->size[0], apart = (uint64_t)p->stride[0];
    for (size_t k = 0; k < n; k++) {
        uint64_t at = wrapped(index_at(indices, wide, i + k), p->size[0], p->wraps);
        if (at >= size)
            return k;
        offsets[k] = base + at * apart + k * step;
    }
    return n;
}

static size_t axis_offsets(const gather_plan *p, const void *indices, size_t begin, size_t n, size_t *offsets)
{
    size_t done = 0;
    while (done < n) {
        size_t i = (begin + done) % p->each, base = (begin + done) / p->each * p->apart;
        size_t count = size_min(n - done, p->each - i);
        size_t good = p->wide ? line_offsets(p, indices, i, count, base, 0, offsets + done, true)
                              : line_offsets(p, indices, i, count, base, 0, offsets + done, false);
        done += good;
        if (good < count)
            return done;
    }
    return n;
}

/* wide, depth: constants where this is inlined. */
static inline __attribute__((always_inline)) size_t place_offsets(const gather_plan *p, const void *indices,
                                                                  size_t begin, size_t n, size_t *offsets,
                                                                  bool wide, size_t depth)
{
    size_t base = begin / p->each * p->apart, next = (begin / p->each + 1) * p->each;
    for (size_t k = 0; k < n; k++) {
        if (begin + k == next) {
            base += p->apart;
            next += p->each;
        }
        size_t first = (begin + k) * depth, offset = base;
        for (size_t i = 0; i < depth; i++) {
            uint64_t at = wrapped(index_at(indices, wide, first + i), p->size[i], p->wraps);
            if (at >= (uint64_t)p->size[i])
                return k;
            offset += at * (uint64_t)p->stride[i];
        }
        offsets[k] = offset;
    }
    return n;
}

static size_t coordinate_offsets(const gather_plan *p, const void *indices, size_t begin, size_t n,
                                 size_t *offsets)
{
    if (!p->wide)
        return place_offsets(p, indices, begin, n, offsets, false, p->depth);
    switch (p->depth) {
    case 1:
        return place_offsets(p, indices, begin, n, offsets, true, 1);
    case 2:
        return place_offsets(p, indices, begin, n, offsets, true, 2);
    case 3:
        return place_offsets(p, indices, begin, n, offsets, true, 3);
    case 4:
        return place_offsets(p, indices, begin, n, offsets, true, 4);
    default:
        return place_offsets(p, indices, begin, n, offsets, true, p->depth);
    }
}

/* Offsets line by line of the last axis. */
static size_t element_offsets(const gather_plan *p, const void *indices, size_t begin, size_t n,
                              size_t *offsets)
{
    size_t last = p->rank - 1, length = (size_t)p->dims[last], step = (size_t)p->own[last];
    for (size_t done = 0; done < n;) {
        size_t line = (begin + done) / length, column = (begin + done) % length, base = column * step;
        size_t count = size_min(n - done, length - column);
        for (size_t i = last; i-- > 0; line /= (size_t)p->dims[i])
            base += line % (size_t)p->dims[i] * (size_t)p->own[i];
        size_t good = p->wide
                          ? line_offsets(p, indices, begin + done, count, base, step, offsets + done, true)
                          : line_offsets(p, indices, begin + done, count, base, step, offsets + done, false);
        done += good;
        if (good < count)
            return done;
    }
    return n;
}

size_t gather_offsets(const gather_plan *p, const void *indices, size_t begin, size_t n, size_t *offsets)
{
    if (p->kind == GATHER_AXIS)
        return axis_offsets(p, indices, begin, n, offsets);
    if (p->kind == GATHER_COORDINATES)
        return coordinate_offsets(p, indices, begin, n, offsets);
    return element_offsets(p, indices, begin, n, offsets);
}

void gather_fault(const gather_plan *p, const void *indices, size_t place, int64_t *index, size_t *which)
{
    size_t first = p->kind == GATHER_AXIS          ? place % p->each
                   : p->kind == GATHER_COORDINATES ? place * p->depth
                                                   : place;
    for (*which = 0; *which < p->depth; ++*which) {
        uint64_t at = wrapped(index_at(indices, p->wide, first + *which), p->size[*which], p->wraps);
        *index = (int64_t)at;
        if (at >= (uint64_t)p->size[*which])
            return;
    }
    *which = 0;
}

/* ---- Runs -------------------------------------------------------------------------------------------- */

/* Inlined with a constant run where there is one. */
static inline __attribute__((always_inline)) void fetch(char *dst, const char *src, const size_t *offsets,
                                                        size_t n, size_t run)
{
    for (size_t k = 0; k < n; k++)
        memcpy(dst + k * run, src + offsets[k], run);
}

void gather_fetch(char *dst, const char *src, const size_t *offsets, size_t n, size_t run)
{
    switch (run) {
    case 0:
        break;
    case 1:
        fetch(dst, src, offsets, n, 1);
        break;
    case 2:
        fetch(dst, src, offsets, n, 2);
        break;
    case 4:
        fetch(dst, src, offsets, n, 4);
        break;
    case 8:
        fetch(dst, src, offsets, n, 8);
        break;
    case 16:
        fetch(dst, src, offsets, n, 16);
        break;
    default:
        fetch(dst, src, offsets, n, run);
    }
}

/* Max places whose offsets are computed beforehand, and how many of them one move must replace. */
#define MOVES_MAX  ((size_t)1 << 18)
#define MOVES_GAIN 2

gather_moves *gather_moves_make(const gather_plan *p, const void *indices)
{
    size_t offsets[GATHER_BLOCK], n = 0;
    if (p->places > MOVES_MAX || !p->run)
        return NULL;
    gather_moves *m = mem_alloc(1, sizeof *m + p->places * sizeof *m->moves);
    for (size_t begin = 0; m && begin < p->places; begin += GATHER_BLOCK) {
        size_t count = size_min(p->places - begin, GATHER_BLOCK);
        if (gather_offsets(p, indices, begin, count, offsets) < count) {
            mem_free(m);
            return NULL;
        }
        for (size_t k = 0; k < count; k++) {
            gather_move *last = n ? &m->moves[n - 1] : NULL;
            if (last && last->data + last->bytes == offsets[k])
                last->bytes += p->run;
            else
                m->moves[n++] = (gather_move){offsets[k], (begin + k) * p->run, p->run};
        }
    }
    if (!m || n * MOVES_GAIN > p->places) {
        mem_free(m);
        return NULL;
    }
    m->n = n;
    gather_moves *fit = mem_realloc(m, 1, sizeof *m + n * sizeof *m->moves);
    return fit ? fit : m;
}

typedef struct gather_work {
    const gather_plan *plan;
    char *dst;
    const char *src;
    const void *indices;
    const struct sib_cancel *cancel;
    atomic_size_t bad; /* a place whose index is out of range, or the number of places */
} gather_work;

/* Copies the items of indices i .. i + n directly from base + index * apart + k * step. Constants where this
   is inlined: wide, item. Returns false where an index is out of range. */
static inline __attribute__((always_inline)) bool fetch_line(const gather_plan *p, char *dst,
                                                             const char *base, const void *indices, size_t i,
                                                             size_t n, size_t step, bool wide, size_t item)
{
    uint64_t size = (uint64_t)p->size[0], apart = (uint64_t)p->stride[0];
    bool wraps = p->wraps;
    for (size_t k = 0; k < n; k++) {
        uint64_t at = wrapped(index_at(indices, wide, i + k), (int64_t)size, wraps);
        if (at >= size)
            return false;
        memcpy(dst + k * item, base + at * apart + k * step, item);
    }
    return true;
}

static bool fetch_items(const gather_plan *p, char *dst, const char *base, const void *indices, size_t i,
                        size_t n, size_t step)
{
    if (p->run == 4)
        return p->wide ? fetch_line(p, dst, base, indices, i, n, step, true, 4)
                       : fetch_line(p, dst, base, indices, i, n, step, false, 4);
    return p->wide ? fetch_line(p, dst, base, indices, i, n, step, true, 8)
                   : fetch_line(p, dst, base, indices, i, n, step, false, 8);
}

/* Lines of single items of the most frequent sizes. Returns false where an index is out of range; the slow
   path finds which. */
static bool gather_lines(gather_work *w, size_t begin, size_t count)
{
    const gather_plan *p = w->plan;
    size_t line = begin / p->each, column = begin % p->each;
    const char *base = w->src + line * p->apart;
    for (size_t end = begin + count; begin < end; column = 0, base += p->apart) {
        size_t n = size_min(end - begin, p->each - column);
        if (!fetch_items(p, w->dst + begin * p->run, base, w->indices, column, n, 0))
            return false;
        begin += n;
    }
    return true;
}

static bool gather_element_lines(gather_work *w, size_t begin, size_t count)
{
    const gather_plan *p = w->plan;
    size_t last = p->rank - 1, length = (size_t)p->dims[last], step = (size_t)p->own[last];
    for (size_t end = begin + count; begin < end;) {
        size_t line = begin / length, column = begin % length, n = size_min(end - begin, length - column);
        size_t base = column * step;
        for (size_t i = last; i-- > 0; line /= (size_t)p->dims[i])
            base += line % (size_t)p->dims[i] * (size_t)p->own[i];
        if (!fetch_items(p, w->dst + begin * p->run, w->src + base, w->indices, begin, n, step))
            return false;
        begin += n;
    }
    return true;
}

/* Inlined with a constant run where there is one: n runs, `apart` bytes from each other. */
static inline __attribute__((always_inline)) void fetch_apart(char *dst, const char *src, size_t apart,
                                                              size_t n, size_t run)
{
    for (size_t k = 0; k < n; k++)
        memcpy(dst + k * run, src + k * apart, run);
}

/* Copies for a single index per step before the axis. Returns false where it is out of range. */
static bool gather_one(const gather_work *w, size_t begin, size_t count)
{
    const gather_plan *p = w->plan;
    uint64_t at = wrapped(index_at(w->indices, p->wide, 0), p->size[0], p->wraps);
    if (at >= (uint64_t)p->size[0])
        return false;
    const char *src = w->src + at * (uint64_t)p->stride[0] + begin * p->apart;
    char *dst = w->dst + begin * p->run;
    if (p->run == 4)
        fetch_apart(dst, src, p->apart, count, 4);
    else if (p->run == 8)
        fetch_apart(dst, src, p->apart, count, 8);
    else if (p->run > PART_BYTES)
        for (size_t k = 0; k < count; k++)
            layout_copy(dst + k * p->run, src + k * p->apart, p->run, w->cancel);
    else if (p->run > 0)
        fetch_apart(dst, src, p->apart, count, p->run);
    return true;
}

static bool gather_fast(gather_work *w, size_t begin, size_t count)
{
    const gather_plan *p = w->plan;
    if (p->kind == GATHER_AXIS && p->each == 1)
        return gather_one(w, begin, count);
    if (p->kind == GATHER_COORDINATES || (p->run != 4 && p->run != 8))
        return false;
    return p->kind == GATHER_AXIS ? gather_lines(w, begin, count) : gather_element_lines(w, begin, count);
}

static void gather_places(void *context, size_t begin, size_t count, unsigned worker)
{
    gather_work *w = context;
    const gather_plan *p = w->plan;
    size_t offsets[GATHER_BLOCK];
    (void)worker;
    if (count == 0 || gather_fast(w, begin, count))
        return;
    for (size_t end = begin + count; begin < end;) {
        size_t n = size_min(end - begin, GATHER_BLOCK);
        size_t good = gather_offsets(p, w->indices, begin, n, offsets);
        if (good < n) {
            atomic_store(&w->bad, begin + good);
            return;
        }
        for (size_t i = 0; i < n && p->run > PART_BYTES; i++)
            layout_copy(w->dst + (begin + i) * p->run, w->src + offsets[i], p->run, w->cancel);
        if (p->run <= PART_BYTES)
            gather_fetch(w->dst + begin * p->run, w->src, offsets, n, p->run);
        begin += n;
    }
}

/* The same in parts, between which a cancel is heeded. */
static void gather_parts(void *context, size_t begin, size_t count, unsigned worker)
{
    const gather_work *w = context;
    const size_t part = size_max(1, PART_BYTES / size_max(w->plan->run, 1));
    for (size_t n; count > 0 && !cancel_is_set(w->cancel); begin += n, count -= n) {
        n = size_min(count, part);
        gather_places(context, begin, n, worker);
    }
}

size_t gather_copy(const gather_plan *p, char *dst, const char *src, const void *indices, sib_pool *pool,
                   const struct sib_cancel *cancel)
{
    gather_work w = {.plan = p, .dst = dst, .src = src, .indices = indices, .cancel = cancel};
    atomic_init(&w.bad, p->places);
    if (!pool || p->places * p->run < THREADS_FROM)
        gather_parts(&w, 0, p->places, 0);
    else
        pool_run(pool, p->places, size_max(1, p->places / (4 * (size_t)sib_pool_threads(pool))), gather_parts,
                 &w);
    return atomic_load(&w.bad);
}
