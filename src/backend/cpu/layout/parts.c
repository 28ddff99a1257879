/* Operators whose lowerings are longer than their kernels: Tile, Trilu, ReverseSequence, OneHot. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/layout/layout.h"

#include <inttypes.h>
#include <string.h>

static sib_code keep(const void *made, size_t bytes, void **state, sib_error *err)
{
    *state = mem_alloc(1, bytes);
    if (!*state)
        return err_memory(err, bytes, "a step");
    memcpy(*state, made, bytes);
    return SIB_OK;
}

/* ---- Tile: each axis as [repeats, dim], with stride 0 for the repeats ------------------------------ */

static bool tile_plan(const node_view *n, layout_box *box)
{
    cpu_box a, out;
    int64_t own[SIB_MAX_RANK], dense[SIB_MAX_RANK], dims[SIB_MAX_RANK], to[SIB_MAX_RANK], from[SIB_MAX_RANK];
    size_t axes = 0;
    if (n->node->version < 6 || !cpu_box_of(n, n->in[0], &a) || !cpu_box_of(n, n->out[0], &out) ||
        a.rank != out.rank || a.item != out.item || a.count == 0)
        return false;
    layout_strides(a.rank, a.dims, a.item, own);
    layout_strides(out.rank, out.dims, out.item, dense);
    for (size_t i = 0; i < a.rank; i++) {
        int64_t times = out.dims[i] / a.dims[i];
        if (times * a.dims[i] != out.dims[i] || axes + 2 > SIB_MAX_RANK)
            return false;
        if (times != 1) {
            dims[axes] = times;
            to[axes] = a.dims[i] * dense[i];
            from[axes++] = 0;
        }
        dims[axes] = a.dims[i];
        to[axes] = dense[i];
        from[axes++] = own[i];
    }
    layout_box_plan(box, axes, dims, to, from, a.item);
    return true;
}

static bool tile_claims(const cpu_self *self, const node_view *n)
{
    layout_box box;
    (void)self;
    return tile_plan(n, &box);
}

static sib_code tile_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    layout_box box;
    (void)self;
    tile_plan(n, &box);
    return keep(&box, sizeof box, state, err);
}

static sib_code run_tile(const cpu_call *c)
{
    sib_tensor *out = cpu_out(c, 0);
    if (out)
        layout_box_copy(c->state, out->data, cpu_in(c, 0)->data, c->self->pool, c->cancel);
    return cpu_cancelled(c);
}

const cpu_kernel cpu_tile = {.claims = tile_claims, .prepare = tile_prepare, .run = run_tile};

/* ---- Trilu --------------------------------------------------------------------------------------------- */

typedef struct trilu_state {
    bool upper, given; /* given: the diagonal is input 1 */
    size_t matrices, item;
    int64_t rows, columns;
} trilu_state;

static bool trilu_plan(const node_view *n, trilu_state *s)
{
    cpu_box a, k;
    s->upper = spec_trilu(n->node).upper;
    s->given = n->n_in > 1 && n->in[1];
    if (!cpu_box_of(n, n->in[0], &a) || a.rank < 2 ||
        (s->given && (cpu_dtype(n->in[1]) != SIB_I64 || !cpu_box_of(n, n->in[1], &k) || k.count != 1)))
        return false;
    s->item = a.item;
    s->rows = a.dims[a.rank - 2];
    s->columns = a.dims[a.rank - 1];
    s->matrices = a.count ? a.count / ((size_t)s->rows * (size_t)s->columns) : 0;
    return true;
}

static bool trilu_claims(const cpu_self *self, const node_view *n)
{
    trilu_state s;
    (void)self;
    return trilu_plan(n, &s);
}

static sib_code trilu_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    trilu_state s;
    (void)self;
    trilu_plan(n, &s);
    return keep(&s, sizeof s, state, err);
}

static int64_t clamped(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static sib_code run_trilu(const cpu_call *c)
{
    const trilu_state *s = c->state;
    sib_tensor *out = cpu_out(c, 0);
    int64_t k = s->given ? *(const int64_t *)cpu_in(c, 1)->data : 0;
    size_t line = (size_t)s->columns * s->item;
    if (!out)
        return SIB_OK;
    const char *from = cpu_in(c, 0)->data;
    char *to = out->data;
    k = clamped(k, -s->rows - 1, s->columns + 1);
    for (size_t m = 0; m < s->matrices; m++)
        for (int64_t row = 0; row < s->rows && !cancel_is_set(c->cancel); row++, from += line, to += line) {
            /* column - row >= k above, <= k below */
            size_t cut = (size_t)clamped(row + k + !s->upper, 0, s->columns) * s->item;
            if (s->upper) {
                memset(to, 0, cut);
                memcpy(to + cut, from + cut, line - cut);
            } else {
                memcpy(to, from, cut);
                memset(to + cut, 0, line - cut);
            }
        }
    return cpu_cancelled(c);
}

const cpu_kernel cpu_trilu = {.claims = trilu_claims, .prepare = trilu_prepare, .run = run_trilu};

/* ---- ReverseSequence ----------------------------------------------------------------------------------- */

typedef struct reverse_state {
    int64_t batches, steps;
    size_t batch_apart, step_apart, run; /* in bytes */
} reverse_state;

static bool reverse_plan(const node_view *n, reverse_state *s)
{
    cpu_box a, length;
    reverse_sequence_spec spec = spec_reverse_sequence(n->node);
    int64_t strides[SIB_MAX_RANK], batch = spec.batch_axis, time = spec.time_axis;
    if (!cpu_box_of(n, n->in[0], &a) || !cpu_box_of(n, n->in[1], &length) || cpu_dtype(n->in[1]) != SIB_I64 ||
        a.rank < 2 || batch + time != 1 || batch * time != 0)
        return false;
    layout_strides(a.rank, a.dims, a.item, strides);
    s->batches = a.dims[batch];
    s->steps = a.dims[time];
    s->batch_apart = (size_t)strides[batch];
    s->step_apart = (size_t)strides[time];
    s->run = (size_t)strides[1];
    return length.rank == 1 && length.dims[0] == s->batches && a.count > 0;
}

static bool reverse_claims(const cpu_self *self, const node_view *n)
{
    reverse_state s;
    (void)self;
    return reverse_plan(n, &s);
}

static sib_code reverse_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    reverse_state s;
    (void)self;
    reverse_plan(n, &s);
    return keep(&s, sizeof s, state, err);
}

static sib_code run_reverse(const cpu_call *c)
{
    const reverse_state *s = c->state;
    const int64_t *length = (const int64_t *)cpu_in(c, 1)->data;
    sib_tensor *out = cpu_out(c, 0);
    if (!out)
        return SIB_OK;
    for (int64_t b = 0; b < s->batches; b++)
        if (length[b] > s->steps)
            return cpu_fail(c, SIB_ERR_VALUE, "index %" PRId64 " is out of range on axis 1 of size %" PRId64,
                            length[b] - 1, s->steps);
    const char *from = cpu_in(c, 0)->data;
    for (int64_t t = 0; t < s->steps; t++)
        for (int64_t b = 0; b < s->batches && !cancel_is_set(c->cancel); b++) {
            int64_t at = t < length[b] ? length[b] - 1 - t : t;
            size_t row = (size_t)b * s->batch_apart;
            memcpy(out->data + row + (size_t)t * s->step_apart, from + row + (size_t)at * s->step_apart,
                   s->run);
        }
    return cpu_cancelled(c);
}

const cpu_kernel cpu_reverse_sequence = {
    .claims = reverse_claims, .prepare = reverse_prepare, .run = run_reverse};

/* ---- OneHot -------------------------------------------------------------------------------------------- */

typedef struct one_hot_state {
    bool wide, wraps;
    unsigned size; /* items of 2^size bytes */
    size_t outer, inner, count;
    int64_t depth;
} one_hot_state;

static bool one_hot_plan(const node_view *n, one_hot_state *s)
{
    cpu_box indices, values, out;
    sib_dtype dtype = cpu_dtype(n->in[0]);
    if ((dtype != SIB_I64 && dtype != SIB_I32) || !cpu_box_of(n, n->in[0], &indices) ||
        !cpu_box_of(n, n->in[2], &values) || !cpu_box_of(n, n->out[0], &out) || values.rank != 1 ||
        values.dims[0] != 2 || out.rank != indices.rank + 1)
        return false;
    size_t axis;
    if (!spec_axis(spec_one_hot(n->node).axis, out.rank, &axis))
        return false;
    *s = (one_hot_state){.wide = dtype == SIB_I64,
                         .wraps = n->node->version >= 11,
                         .size = layout_size(out.item),
                         .outer = 1,
                         .inner = 1,
                         .count = out.count,
                         .depth = out.dims[axis]};
    for (size_t i = 0; i < out.rank; i++)
        if (i != axis)
            *(i < axis ? &s->outer : &s->inner) *= (size_t)out.dims[i];
    return values.item == out.item;
}

static bool one_hot_claims(const cpu_self *self, const node_view *n)
{
    one_hot_state s;
    (void)self;
    return n->n_in == 3 && one_hot_plan(n, &s);
}

static sib_code one_hot_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    one_hot_state s;
    (void)self;
    one_hot_plan(n, &s);
    return keep(&s, sizeof s, state, err);
}

static sib_code run_one_hot(const cpu_call *c)
{
    const one_hot_state *s = c->state;
    const char *values = cpu_in(c, 2)->data;
    const void *indices = cpu_in(c, 0)->data;
    sib_tensor *out = cpu_out(c, 0);
    size_t item = (size_t)1 << s->size, n = s->outer * s->inner;
    if (!out || s->count == 0)
        return SIB_OK;
    layout_fill(out->data, values, s->size, s->count, c->cancel);
    for (size_t i = 0; i < n && !cancel_is_set(c->cancel); i++) {
        int64_t at = s->wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
        at += s->wraps && at < 0 ? s->depth : 0;
        if (at < 0 || at >= s->depth)
            continue;
        size_t place = (i / s->inner * (size_t)s->depth + (size_t)at) * s->inner + i % s->inner;
        memcpy(out->data + place * item, values + item, item);
    }
    return cpu_cancelled(c);
}

const cpu_kernel cpu_one_hot = {.claims = one_hot_claims, .prepare = one_hot_prepare, .run = run_one_hot};
