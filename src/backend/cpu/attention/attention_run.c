/* The run of the attention operators: joins past and new rows, writes biases, and calls the kernels. */
#include "backend/cpu/attention/attention.h"
#include "backend/cpu/call/scratch.h"
#include "base/assert.h"

#include <math.h>
#include <string.h>

sib_code attention_measure(attention_state *a, sib_error *err)
{
    a->call.small = a->lengths == ATTENTION_NONE && attention_is_small(&a->call); /* else each run asks */
    a->each = a->call.small ? 0 : attention_scratch(&a->call);
    if (!a->each && !a->call.small)
        return err_set(err, SIB_ERR_SIZE, "attention over %zu keys of %zu numbers is too large", a->call.keys,
                       a->call.d);
    return SIB_OK;
}

sib_code attention_keep(const attention_state *a, void **state, sib_error *err)
{
    attention_state *kept = mem_alloc(1, sizeof *kept);
    if (!kept)
        return err_memory(err, sizeof *kept, "a step");
    *kept = *a;
    sib_code code = attention_measure(kept, err);
    if (code == SIB_OK)
        *state = kept;
    else
        mem_free(kept);
    return code;
}

/* ---- A run --------------------------------------------------------------------------------------------- */

/* State of one run: the blocks taken from its scratch. */
typedef struct going {
    const cpu_call *c;
    const attention_state *a;
    attention_call o;
    float *scratch, *made, *keys, *values, *bias;
    int64_t *places; /* (3, B): past rows, position of the first query, valid keys */
} going;

static const int32_t *numbers(const cpu_call *c, size_t input)
{
    return (const int32_t *)cpu_in(c, input)->data;
}

size_t attention_past_of(const cpu_call *c, const attention_state *a, size_t b)
{
    int64_t fresh = (int64_t)a->k.n, total = *numbers(c, a->total);
    int64_t past = total == fresh ? 0 : (int64_t)numbers(c, a->ends)[b] + 1 - fresh;
    int64_t have = a->past_k.input == ATTENTION_NONE ? 0 : (int64_t)a->past_k.n;
    int64_t max = have < (int64_t)a->room - fresh ? have : (int64_t)a->room - fresh;
    return past < 0 ? 0 : past > max ? (size_t)max : (size_t)past;
}

static attention_rows rows_of(const going *g, const attention_source *s)
{
    const float *data = s->input == ATTENTION_MADE ? g->made : (const float *)cpu_in(g->c, s->input)->data;
    return (attention_rows){.at = data + s->first, .batch = s->batch, .head = s->head, .row = s->row};
}

/* Leaves out keys beyond all lengths, so that the same kernel computes the same as without them. */
static void leave_out(attention_call *o, const int64_t *lengths)
{
    size_t longest = 1;
    for (size_t b = 0; b < o->batch; b++)
        longest = size_max(longest, (size_t)lengths[b]);
    o->keys = longest;
    o->small = attention_is_small(o);
}

/* Sets g->places. Errors: SIB_ERR_VALUE where a past exceeds its buffer. */
static sib_code set_places(going *g)
{
    const attention_state *a = g->a;
    attention_call *o = &g->o;
    int64_t *past = g->places, *first = past + o->batch, *lengths = first + o->batch;
    int64_t all = a->past_k.input == ATTENTION_NONE ? 0 : (int64_t)a->past_k.n;
    bool counted = a->lengths != ATTENTION_NONE, ended = a->ends != ATTENTION_NONE;
    if (a->used != ATTENTION_NONE) {
        all = *numbers(g->c, a->used);
        if (all < 0 || all + (int64_t)a->k.n > (int64_t)a->room)
            return cpu_fail(g->c, SIB_ERR_VALUE,
                            "a past of %lld rows and %zu new ones do not fit in a buffer of %zu",
                            (long long)all, a->k.n, a->room);
        o->keys = (size_t)all + a->k.n;
    }
    for (size_t b = 0; b < o->batch; b++) {
        past[b] = ended ? (int64_t)attention_past_of(g->c, a, b) : all;
        first[b] = past[b];
        lengths[b] = past[b] + (int64_t)a->k.n;
        if (ended && o->right == ATTENTION_FAR) /* not causal */
            lengths[b] = (int64_t)numbers(g->c, a->ends)[b] + 1;
        if (counted) {
            lengths[b] = ((const int64_t *)cpu_in(g->c, a->lengths)->data)[b];
            lengths[b] = lengths[b] < 0 ? 0 : lengths[b] > INT32_MAX ? INT32_MAX : lengths[b];
            first[b] = lengths[b] - (int64_t)o->queries;
        }
        int64_t keys = (int64_t)o->keys; /* lengths come from the caller and must not exceed the keys */
        lengths[b] = lengths[b] < 0 ? 0 : lengths[b] > keys ? keys : lengths[b];
    }
    o->offset = first;
    o->lengths = counted || ended ? lengths : NULL;
    if (counted)
        leave_out(o, lengths);
    return SIB_OK;
}

static void copy_rows(const attention_rows *from, size_t b, size_t h, size_t begin, size_t n, size_t d,
                      float *to)
{
    SIB_ASSERT(from->at);
    const float *at = from->at + b * from->batch + h * from->head + begin * from->row;
    if (from->row == d)
        memcpy(to, at, n * d * sizeof *to);
    else
        for (size_t i = 0; i < n; i++)
            memcpy(to + i * d, at + i * from->row, d * sizeof *to);
}

/* to: [B, Hkv, room, d]: the valid rows of the past, the new rows, then the rest of the buffer, or 0. */
static attention_rows join(const going *g, const attention_source *past, const attention_source *fresh,
                           size_t d, float *to)
{
    const attention_call *o = &g->o;
    size_t room = g->a->room;
    attention_rows old = {0}, new = rows_of(g, fresh);
    if (past->input != ATTENTION_NONE)
        old = rows_of(g, past);
    for (size_t b = 0; b < o->batch; b++)
        for (size_t h = 0; h < o->kv_heads; h++) {
            float *at = to + (b * o->kv_heads + h) * room * d;
            size_t n = (size_t)g->places[b], end = n + fresh->n;
            if (n)
                copy_rows(&old, b, h, 0, n, d, at);
            copy_rows(&new, b, h, 0, fresh->n, d, at + n * d);
            if (end < room && g->a->used != ATTENTION_NONE)
                copy_rows(&old, b, h, end, room - end, d, at + end * d);
            else if (end < room)
                memset(at + end * d, 0, (room - end) * d * sizeof *at);
        }
    return (attention_rows){.at = to, .batch = o->kv_heads * room * d, .head = room * d, .row = d};
}

/* ---- Biases -------------------------------------------------------------------------------------------- */

/* True where the kernels cannot use the input as the bias directly. */
static bool writes_bias(const attention_state *a)
{
    const attention_bias *b = &a->bias;
    if (a->filter.input != ATTENTION_NONE)
        return true;
    return b->input != ATTENTION_NONE && (!b->floats || (b->padded && !b->loose && b->width != a->call.keys));
}

/* Dims of the bias to be written: those along which any part of it varies; T follows. */
static void bias_dims(const attention_state *a, size_t dims[3])
{
    bool bias = a->bias.input != ATTENTION_NONE, filter = a->filter.input != ATTENTION_NONE;
    dims[0] = filter || (bias && a->bias.batch) ? a->call.batch : 1;
    dims[1] = bias && a->bias.head ? a->call.heads : 1;
    dims[2] = (filter && a->filter.rank > 2) || (bias && a->bias.row) ? a->call.queries : 1;
}

/* Writes one row of the bias to `to` (keys). */
static void bias_row(const going *g, size_t b, size_t h, size_t i, float *to)
{
    const attention_bias *from = &g->a->bias;
    size_t keys = g->o.keys, at = b * from->batch + h * from->head + i * from->row;
    if (from->input == ATTENTION_NONE) {
        memset(to, 0, keys * sizeof *to);
        return;
    }
    const void *data = cpu_in(g->c, from->input)->data;
    const float *floats = (const float *)data + at * from->width;
    const uint8_t *seen = (const uint8_t *)data + at * from->width;
    bool one = from->width == 1 && !from->padded;
    size_t n = one ? keys : size_min(keys, from->width);
    for (size_t j = 0; j < n; j++)
        to[j] = from->floats ? floats[one ? 0 : j] : seen[one ? 0 : j] ? 0.0f : -INFINITY;
    for (size_t j = n; j < keys; j++)
        to[j] = -INFINITY;
}

/* Adds the filter where the com.microsoft mask hides. */
static void filter_row(const going *g, size_t b, size_t i, float *to)
{
    const attention_filter *f = &g->a->filter;
    const int32_t *mask = numbers(g->c, f->input);
    size_t keys = g->o.keys;
    if (f->rank == 1) {
        int64_t end = mask[b], begin = f->begins ? mask[g->o.batch + b] : 0;
        for (size_t j = 0; j < keys; j++)
            to[j] += (int64_t)j >= end || (int64_t)j < begin ? f->filter : 0.0f;
        return;
    }
    size_t row = f->rank == 2   ? b
                 : f->rank == 3 ? b * g->o.queries + i
                                : b * f->width + keys - g->o.queries + i;
    mask += row * f->width;
    for (size_t j = 0; j < keys; j++)
        to[j] += mask[j] < 1 ? f->filter : 0.0f;
}

static void write_bias(going *g)
{
    size_t dims[3], keys = g->o.keys;
    float *to = g->bias;
    bias_dims(g->a, dims);
    for (size_t b = 0; b < dims[0]; b++)
        for (size_t h = 0; h < dims[1]; h++)
            for (size_t i = 0; i < dims[2]; i++, to += keys) {
                bias_row(g, b, h, i, to);
                if (g->a->filter.input != ATTENTION_NONE)
                    filter_row(g, b, i, to);
            }
    g->o.bias = (attention_rows){.at = g->bias,
                                 .batch = dims[0] > 1 ? dims[1] * dims[2] * keys : 0,
                                 .head = dims[1] > 1 ? dims[2] * keys : 0,
                                 .row = dims[2] > 1 ? keys : 0};
    g->o.bias_step = 1;
}

static void set_bias(going *g)
{
    const attention_bias *b = &g->a->bias;
    if (writes_bias(g->a)) {
        write_bias(g);
        return;
    }
    if (b->input == ATTENTION_NONE)
        return;
    g->o.bias = (attention_rows){.at = (const float *)cpu_in(g->c, b->input)->data,
                                 .batch = b->batch * b->width,
                                 .head = b->head * b->width,
                                 .row = b->row * b->width};
    g->o.bias_step = b->width == 1 ? 0 : 1;
}

/* ---- Entry ----------------------------------------------------------------------------------------- */

/* Where the joined rows go: to the output; to scratch if only the past requires joining; or nowhere. */
static bool joins(const going *g, const attention_target *t, float **to, size_t *scratch, size_t d)
{
    bool out = t->output != ATTENTION_NONE && cpu_wants(g->c, t->output);
    *to = out ? (float *)cpu_out(g->c, t->output)->data + t->first : NULL;
    *scratch = 0;
    if (!out && (g->a->past_k.input != ATTENTION_NONE || g->a->ends != ATTENTION_NONE))
        *scratch = g->o.batch * g->o.kv_heads * g->a->room * d;
    return out || *scratch;
}

/* Takes the scratch and divides it. */
static sib_code take_scratch(going *g)
{
    const attention_state *a = g->a;
    size_t dims[3], sizes[6], all = 0, threads = sib_pool_threads(g->c->self->pool), bytes;
    float **parts[6] = {&g->scratch, &g->made, &g->keys, &g->values, &g->bias, (float **)&g->places},
          *joined[2];
    bool ok = size_mul(a->each, threads, &sizes[0]);
    sizes[0] = size_max(sizes[0], a->make_scratch);
    sizes[1] = a->made;
    joins(g, &a->present_k, &joined[0], &sizes[2], g->o.d);
    joins(g, &a->present_v, &joined[1], &sizes[3], g->o.dv);
    bias_dims(a, dims);
    sizes[4] = writes_bias(a) ? dims[0] * dims[1] * dims[2] * g->o.keys : 0;
    sizes[5] = 6 * g->o.batch;
    for (size_t i = 0; i < 6; i++) {
        ok &= size_add(sizes[i], 15, &sizes[i]);
        sizes[i] = sizes[i] / 16 * 16;
        ok &= size_add(all, sizes[i], &all);
    }
    if (!ok || !size_mul(all, sizeof(float), &bytes))
        return cpu_fail(g->c, SIB_ERR_SIZE, "its working memory is too large");
    float *at = cpu_scratch_take(g->c, bytes);
    if (!at)
        return cpu_no_memory(g->c, bytes);
    for (size_t i = 0; i < 6; at += sizes[i], i++)
        *parts[i] = at;
    g->keys = joined[0] ? joined[0] : g->keys;
    g->values = joined[1] ? joined[1] : g->values;
    return SIB_OK;
}

sib_code attention_go(const cpu_call *c, const attention_state *a)
{
    going g = {.c = c, .a = a, .o = a->call};
    float *unused;
    size_t some;
    sib_code code = take_scratch(&g);
    if (code != SIB_OK)
        return code;
    code = set_places(&g);
    if (code == SIB_OK && a->make)
        code = a->make(c, a, g.made, g.scratch);
    if (code == SIB_OK) {
        g.o.q = rows_of(&g, &a->q);
        bool keys = joins(&g, &a->present_k, &unused, &some, g.o.d),
             values = joins(&g, &a->present_v, &unused, &some, g.o.dv);
        g.o.k = keys ? join(&g, &a->past_k, &a->k, g.o.d, g.keys) : rows_of(&g, &a->k);
        g.o.v = values ? join(&g, &a->past_v, &a->v, g.o.dv, g.values) : rows_of(&g, &a->v);
        set_bias(&g);
        g.o.y = (float *)cpu_out(c, 0)->data;
        attention_run(&g.o, c->self->pool, g.scratch, c->cancel);
    }
    cpu_scratch_give(c, g.scratch);
    return code;
}
