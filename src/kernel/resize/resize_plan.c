#include "kernel/resize/resize_plan.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/cancel.h"
#include "base/size.h"
#include "kernel/kernel.h"

#include <string.h>

/* Below this many bytes of the result the calling thread works alone. */
#define THREADS_FROM ((size_t)128 << 10)
/* Bytes of the result between two looks at the cancel. */
#define PART_BYTES ((size_t)4 << 20)

/* ---- Tables ------------------------------------------------------------------------------------------ */

static int32_t clamp_low(int32_t x)
{
    return x < 0 ? 0 : x;
}

/* Finds the first lane of a vector that holds all that block b reads; returns false where there is none. */
static bool block_base(const resize_pass *p, size_t first, size_t count, size_t lanes, int32_t *base)
{
    int32_t low = INT32_MAX, high = 0;
    for (size_t i = first * p->taps; i < (first + count) * p->taps; i++) {
        low = p->index[i] < low ? p->index[i] : low;
        high = p->index[i] > high ? p->index[i] : high;
    }
    int32_t last = (int32_t)p->in - (int32_t)lanes; /* the last vector within the row */
    *base = clamp_low(low < last ? low : last);
    return (size_t)(high - *base) < lanes;
}

/* Makes the tables of a pass, in blocks of one vector. */
static bool make_line(resize_pass *p)
{
    size_t lanes = kernel_table_get()->resize.lanes, blocks = size_ceil_div(p->out, lanes);
    size_t entries = blocks * p->taps * lanes;
    int32_t *base = mem_calloc(blocks, sizeof *base), *index = mem_calloc(entries, sizeof *index);
    float *weight = mem_calloc(entries, sizeof *weight);
    p->line = (resize_line){p->in, p->out, p->taps, blocks, p->in >= lanes, base, index, weight};
    if (!base || !index || !weight)
        return false;
    for (size_t b = 0; b < blocks; b++)
        p->line.near &= block_base(p, b * lanes, size_min(lanes, p->out - b * lanes), lanes, &base[b]);
    for (size_t b = 0; b < blocks && !p->line.near; b++)
        base[b] = 0;
    for (size_t b = 0; b < blocks; b++)
        for (size_t t = 0; t < p->taps; t++)
            for (size_t i = 0; i < lanes; i++) {
                size_t o = size_min(b * lanes + i, p->out - 1), at = (b * p->taps + t) * lanes + i;
                index[at] = p->index[o * p->taps + t] - base[b];
                weight[at] = p->weight[o * p->taps + t];
            }
    return true;
}

static bool make_pass(resize_pass *p, const resize_rule *r, const resize_axis *x, size_t item)
{
    int64_t index[RESIZE_MAX_TAPS];
    double weight[RESIZE_MAX_TAPS];
    p->taps = (size_t)resize_taps(r, x);
    p->index = mem_alloc(p->out * p->taps, sizeof *p->index);
    p->weight = mem_alloc(p->out * p->taps, sizeof *p->weight);
    p->offset = mem_alloc(p->out, sizeof *p->offset);
    if (!p->index || !p->weight || !p->offset)
        return false;
    for (size_t o = 0; o < p->out; o++) {
        resize_weigh(r, x, (int64_t)o, (int64_t)p->taps, index, weight);
        for (size_t t = 0; t < p->taps; t++) {
            p->index[o * p->taps + t] = (int32_t)index[t];
            p->weight[o * p->taps + t] = (float)weight[t];
        }
        p->offset[o] = (size_t)p->index[o * p->taps] * p->inner * item;
    }
    p->times = p->taps == 1 && p->out % p->in == 0 ? p->out / p->in : 0;
    for (size_t o = 0; o < p->out && p->times; o++)
        if ((size_t)p->index[o] != o / p->times)
            p->times = 0;
    unsigned size = layout_size(p->inner * item);
    if (p->times && size < LAYOUT_REPEATS)
        p->repeat = kernel_table_get()->layout.repeat[size];
    return p->inner > 1 || item != sizeof(float) || make_line(p);
}

bool resize_plan_make(resize_plan *p, const resize_rule *r, size_t rank, const resize_axis *axes, size_t item)
{
    size_t outer = 1;
    *p = (resize_plan){.nearest = r->filter == RESIZE_NEAREST, .item = item};
    for (size_t i = 0; i < rank; outer *= (size_t)axes[i++].out) {
        resize_pass *at = &p->passes[p->n];
        if (resize_is_identity(r, &axes[i]))
            continue;
        *at = (resize_pass){.outer = outer, .in = (size_t)axes[i].in, .out = (size_t)axes[i].out, .inner = 1};
        for (size_t k = i + 1; k < rank; k++)
            at->inner *= (size_t)axes[k].in;
        p->n++;
        if (!make_pass(at, r, &axes[i], item))
            return false;
    }
    for (size_t i = 0; i + 2 < p->n; i++)
        p->between = size_max(p->between, p->passes[i].outer * p->passes[i].out * p->passes[i].inner);
    if (p->n > 1)
        p->row = p->passes[p->n - 2].inner;
    return true;
}

void resize_plan_free(resize_plan *p)
{
    for (size_t i = 0; i < LAYOUT_MAX_RANK; i++) {
        resize_pass *at = &p->passes[i];
        mem_free(at->index);
        mem_free(at->weight);
        mem_free(at->offset);
        mem_free((void *)at->line.base);
        mem_free((void *)at->line.index);
        mem_free((void *)at->line.weight);
    }
    *p = (resize_plan){0};
}

/* ---- Running ----------------------------------------------------------------------------------------- */

typedef struct resize_work {
    const kernel_table *kernels;
    const resize_pass *down, *across; /* either may be NULL */
    bool nearest;
    size_t item;
    char *dst, *rows; /* rows: (threads, down->inner) */
    const char *src;
    const struct sib_cancel *cancel; /* where it is set the result is left unfinished */
} resize_work;

/* Blends row o of the result: dst [inner] from rows of src [in, inner]. */
static void blend(const resize_work *w, const resize_pass *p, const float *src, size_t o, float *dst)
{
    const float *rows[RESIZE_MAX_TAPS], *weight = p->weight + o * p->taps;
    for (size_t t = 0; t < p->taps; t++)
        rows[t] = src + (size_t)p->index[o * p->taps + t] * p->inner;
    w->kernels->resize.blend(dst, rows, weight, p->taps, p->inner);
}

/* One row src [in], each element `times` times and the row `down` times, in parts where it is long. */
static void repeat_row(const resize_work *w, const resize_pass *p, char *dst, const char *src, size_t down)
{
    const size_t one = p->inner * w->item, part = size_max(1, PART_BYTES / (p->times * one)),
                 row = p->in * p->times * one;
    if (row <= PART_BYTES / down) {
        p->repeat(src, dst, 1, p->in, p->times, down);
        return;
    }
    for (size_t d = 0; d < down; d++, dst += row)
        for (size_t i = 0, n; i < p->in && !cancel_is_set(w->cancel); i += n) {
            n = size_min(part, p->in - i);
            p->repeat(src + i * one, dst + i * p->times * one, 1, n, p->times, 1);
        }
}

/* One line of the pass `across`: dst [out, inner] from src [in, inner]. */
static void run_line(const resize_work *w, char *dst, const char *src)
{
    const resize_pass *p = w->across;
    size_t run = p->inner * w->item;
    if (p->repeat)
        repeat_row(w, p, dst, src, 1);
    else if (w->nearest && p->line.blocks)
        w->kernels->resize.pick(&p->line, (const float *)src, (float *)dst);
    else if (w->nearest)
        gather_fetch(dst, src, p->offset, p->out, run);
    else if (p->inner == 1)
        w->kernels->resize.across(&p->line, (const float *)src, (float *)dst);
    else
        for (size_t o = 0; o < p->out; o++)
            blend(w, p, (const float *)src, o, (float *)dst + o * p->inner);
}

/* The pass `across` for this many lines. */
static void run_across(const resize_work *w, char *dst, const char *src, size_t lines)
{
    const resize_pass *a = w->across;
    for (size_t i = 0; i < lines && !cancel_is_set(w->cancel); i++)
        run_line(w, dst + i * a->out * a->inner * w->item, src + i * a->in * a->inner * w->item);
}

/* Computes rows of the result; they have the length of the second to last pass's rows, or of the last's. */
static void run_rows(void *context, size_t begin, size_t count, unsigned worker)
{
    const resize_work *w = context;
    const resize_pass *p = w->down, *a = w->across;
    size_t line = p->inner * w->item, lines = a ? p->inner / (a->in * a->inner) : 0;
    size_t made = a ? lines * a->out * a->inner * w->item : line;
    size_t o = begin % p->out;
    const char *from = w->src + begin / p->out * p->in * line;
    char *to = w->dst + begin * made;
    for (size_t i = 0; i < count && !cancel_is_set(w->cancel); i++, o++, to += made) {
        char *row = a ? w->rows + worker * line : to;
        if (o == p->out) {
            from += p->in * line;
            o = 0;
        }
        if (w->nearest) {
            if (a && o > 0 && i > 0 && p->offset[o] == p->offset[o - 1])
                layout_copy(to, to - made, made, w->cancel);
            else if (a)
                run_across(w, to, from + p->offset[o], lines);
            else
                layout_copy(to, from + p->offset[o], line, w->cancel);
            continue;
        }
        blend(w, p, (const float *)from, o, (float *)row);
        if (a)
            run_across(w, to, row, lines);
    }
}

/* Whole rows of the source, each element and then each row repeated. */
static void run_repeated(void *context, size_t begin, size_t count, unsigned worker)
{
    const resize_work *w = context;
    const resize_pass *p = w->down, *a = w->across;
    size_t line = p->inner * w->item;
    (void)worker;
    const size_t made = line * a->times * p->times, rows = size_max(1, PART_BYTES / made);
    for (size_t n; count > 0 && !cancel_is_set(w->cancel); begin += n, count -= n) {
        n = size_min(rows, count);
        const char *src = w->src + begin * line;
        char *dst = w->dst + begin * made;
        if (made > PART_BYTES)
            repeat_row(w, a, dst, src, p->times);
        else
            a->repeat(src, dst, n, a->in, a->times, p->times);
    }
}

static void run_lines(void *context, size_t begin, size_t count, unsigned worker)
{
    const resize_work *w = context;
    const resize_pass *a = w->across;
    (void)worker;
    run_across(w, w->dst + begin * a->out * a->inner * w->item, w->src + begin * a->in * a->inner * w->item,
               count);
}

static void run_passes(resize_work *w, sib_pool *pool)
{
    const resize_pass *last = w->across ? w->across : w->down;
    size_t units = w->down ? w->down->outer * w->down->out : last->outer;
    size_t bytes = last->outer * last->out * last->inner * w->item;
    pool_task task = w->down ? run_rows : run_lines;
    if (w->nearest && w->down && w->across && w->down->times && w->across->repeat &&
        w->down->inner == w->across->in * w->across->inner) {
        units = w->down->outer * w->down->in;
        task = run_repeated;
    }
    if (!pool || bytes < THREADS_FROM)
        task(w, 0, units, 0);
    else
        pool_run(pool, units, size_max(1, units / (4 * (size_t)sib_pool_threads(pool))), task, w);
}

size_t resize_scratch(const resize_plan *p, size_t threads)
{
    return 2 * p->between + threads * p->row;
}

void resize_run(const resize_plan *p, char *dst, const char *src, char *scratch, sib_pool *pool,
                const struct sib_cancel *cancel)
{
    resize_work w = {.kernels = kernel_table_get(), .nearest = p->nearest, .item = p->item, .cancel = cancel};
    SIB_ASSERT(p->n >= 1 && p->item > 0);
    SIB_ASSERT(scratch || !resize_scratch(p, sib_pool_threads(pool)));
    char none; /* avoids arithmetic on NULL where no scratch is needed */
    if (!scratch)
        scratch = &none;
    char *halves[2] = {scratch, scratch + p->between * p->item};
    w.src = src;
    for (size_t i = 0; i + 2 < p->n; i++) {
        w.down = &p->passes[i];
        w.dst = halves[i % 2];
        run_passes(&w, pool);
        w.src = w.dst;
    }
    const resize_pass *last = &p->passes[p->n - 1];
    bool rows = p->n == 1 && last->inner > 1; /* a single, not innermost axis: rows are only blended */
    w.rows = scratch + 2 * p->between * p->item;
    w.down = p->n > 1 ? last - 1 : rows ? last : NULL;
    w.across = rows ? NULL : last;
    w.dst = dst;
    run_passes(&w, pool);
}
