/* What the attention operators share. */
#include "backend/cpu/attention.h"
#include "backend/cpu/scratch.h"

#include <math.h>
#include <string.h>

/* ---- Reading nodes --------------------------------------------------------------------------------------- */

bool attention_source_of(const node_view *n, size_t input, int64_t heads, size_t *batch, size_t *head_count,
                         size_t *d, attention_source *out)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank, product;
    if (cpu_dtype(n->in[input]) != SIB_F32 || !cpu_dims(n, n->in[input], &rank, dims) ||
        (rank != 3 && rank != 4))
        return false;
    if (rank == 3 && (heads < 1 || dims[2] % heads))
        return false;
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 1 && !(rank == 4 && i == 2))
            return false;
    *out = (attention_source){.input = input};
    *batch = (size_t)dims[0];
    *head_count = rank == 4 ? (size_t)dims[1] : (size_t)heads;
    out->n = rank == 4 ? (size_t)dims[2] : (size_t)dims[1];
    *d = rank == 4 ? (size_t)dims[3] : (size_t)(dims[2] / heads);
    out->row = rank == 4 ? *d : (size_t)dims[2];
    out->head = rank == 4 ? out->n * *d : *d;
    out->batch = *head_count * out->n * *d;
    return size_mul(*batch, out->batch, &product);
}

bool attention_bias_of(const node_view *n, size_t input, bool padded, attention_state *a)
{
    const attention_call *c = &a->call;
    const value *v = n->in[input];
    int64_t given[SIB_MAX_RANK], dims[4] = {1, 1, 1, 1};
    size_t rank, want[3] = {c->batch, c->heads, c->queries}, rows = 1;
    size_t *steps[3] = {&a->bias.batch, &a->bias.head, &a->bias.row};
    sib_dtype dtype = cpu_dtype(v);
    if ((dtype != SIB_F32 && dtype != SIB_BOOL) || !cpu_dims(n, v, &rank, given) || rank < 1 || rank > 4)
        return false;
    memcpy(dims + 4 - rank, given, rank * sizeof *dims);
    a->bias.input = input;
    a->bias.padded = padded;
    a->bias.kind = dtype == SIB_F32 ? ATTENTION_FLOATS : ATTENTION_SEEN;
    a->bias.width = (size_t)dims[3];
    for (size_t i = 3; i-- > 0; rows *= (size_t)dims[i]) {
        if (dims[i] != 1 && dims[i] != (int64_t)want[i])
            return false;
        *steps[i] = dims[i] == 1 ? 0 : rows;
    }
    a->bias.rows = rows;
    return dims[3] == (int64_t)c->keys || (padded ? dims[3] < (int64_t)c->keys : dims[3] == 1);
}

sib_code attention_keep(const attention_state *a, void **state, sib_error *err)
{
    attention_state *kept = mem_alloc(1, sizeof *kept);
    if (!kept)
        return err_memory(err, sizeof *kept, "a step");
    *kept = *a;
    kept->each = attention_scratch(&a->call);
    *state = kept;
    if (!kept->each) {
        mem_free(kept);
        *state = NULL;
        return err_set(err, SIB_ERR_SIZE, "attention over %zu keys of %zu numbers is too large", a->call.keys,
                       a->call.d);
    }
    return SIB_OK;
}

/* ---- Running ----------------------------------------------------------------------------------------------- */

static attention_rows rows_of(const cpu_call *c, const attention_source *s)
{
    const float *data = (const float *)cpu_in(c, s->input)->data;
    return (attention_rows){.at = data + s->first, .batch = s->batch, .head = s->head, .row = s->row};
}

static void copy_rows(const attention_rows *from, size_t b, size_t h, size_t n, size_t d, float *to)
{
    const float *at = from->at + b * from->batch + h * from->head;
    if (from->row == d)
        memcpy(to, at, n * d * sizeof *to);
    else
        for (size_t i = 0; i < n; i++)
            memcpy(to + i * d, at + i * from->row, d * sizeof *to);
}

/* to: [B, Hkv, P + L, d], the past before what is new. */
static attention_rows join(const cpu_call *c, const attention_call *o, const attention_source *past,
                           const attention_source *fresh, size_t d, float *to)
{
    attention_rows old = {0}, new = rows_of(c, fresh);
    size_t n = past->input == ATTENTION_NONE ? 0 : past->n;
    if (n)
        old = rows_of(c, past);
    for (size_t b = 0; b < o->batch; b++)
        for (size_t h = 0; h < o->kv_heads; h++) {
            float *at = to + (b * o->kv_heads + h) * o->keys * d;
            if (n)
                copy_rows(&old, b, h, n, d, at);
            copy_rows(&new, b, h, fresh->n, d, at + n * d);
        }
    return (attention_rows){.at = to, .batch = o->kv_heads * o->keys * d, .head = o->keys * d, .row = d};
}

/* What is added to the scores as floats of `width` keys a row, into scratch where the input is not that. */
static const float *widen_bias(const cpu_call *c, const attention_state *a, size_t width, float *to)
{
    const sib_tensor *t = cpu_in(c, a->bias.input);
    size_t have = a->bias.width;
    if (a->bias.kind == ATTENTION_FLOATS && have == width)
        return (const float *)t->data;
    for (size_t r = 0; r < a->bias.rows; r++, to += width) {
        const uint8_t *seen = (const uint8_t *)t->data + r * have;
        if (a->bias.kind == ATTENTION_FLOATS)
            memcpy(to, (const float *)t->data + r * have, have * sizeof *to);
        else
            for (size_t j = 0; j < have; j++)
                to[j] = seen[j] ? 0.0f : -INFINITY;
        for (size_t j = have; j < width; j++)
            to[j] = -INFINITY;
    }
    return to - a->bias.rows * width;
}

/* Where a query that stands first stands among the keys: [B] into offsets. */
static void set_offsets(const cpu_call *c, const attention_state *a, attention_call *o, int64_t *offsets)
{
    o->lengths = a->lengths == ATTENTION_NONE ? NULL : (const int64_t *)cpu_in(c, a->lengths)->data;
    for (size_t b = 0; b < o->batch; b++)
        offsets[b] = o->lengths                          ? o->lengths[b] - (int64_t)o->queries
                     : a->past_k.input != ATTENTION_NONE ? (int64_t)a->past_k.n
                                                         : 0;
    o->offset = offsets;
}

/* What a run needs beside the scratch of its threads, in floats. */
typedef struct extra {
    size_t k, v, bias, offsets;
} extra;

static bool add_up(const cpu_call *c, const attention_state *a, size_t width, extra *x, size_t *bytes)
{
    const attention_call *o = &a->call;
    size_t rows = o->batch * o->kv_heads * o->keys, all, threads = sib_pool_threads(c->self->pool);
    bool past = a->past_k.input != ATTENTION_NONE;
    bool made =
        a->bias.input != ATTENTION_NONE && (a->bias.kind != ATTENTION_FLOATS || a->bias.width != width);
    x->k = past && !cpu_wants(c, 1) ? rows * o->d : 0;
    x->v = past && !cpu_wants(c, 2) ? rows * o->dv : 0;
    x->bias = made ? a->bias.rows * width : 0;
    x->offsets = 2 * o->batch;
    return size_mul(a->each, threads, &all) && size_add(all, x->k, &all) && size_add(all, x->v, &all) &&
           size_add(all, x->bias, &all) && size_add(all, x->offsets, &all) &&
           size_mul(all, sizeof(float), bytes);
}

sib_code attention_go(const cpu_call *c, const attention_state *a)
{
    attention_call o = a->call;
    bool past = a->past_k.input != ATTENTION_NONE;
    size_t bytes, width = a->bias.width == 1 && o.keys != 1 && !a->bias.padded ? 1 : o.keys;
    extra x;
    if (!add_up(c, a, width, &x, &bytes))
        return cpu_fail(c, SIB_ERR_SIZE, "its working memory is too large");
    float *scratch = cpu_scratch_take(c, bytes), *at = scratch + a->each * sib_pool_threads(c->self->pool);
    if (!scratch)
        return cpu_no_memory(c, bytes);
    set_offsets(c, a, &o, (int64_t *)at);
    at += x.offsets;
    o.q = rows_of(c, &a->q);
    float *keys = cpu_wants(c, 1) ? (float *)cpu_out(c, 1)->data : past ? at : NULL;
    float *values = cpu_wants(c, 2) ? (float *)cpu_out(c, 2)->data : past ? at + x.k : NULL;
    o.k = keys ? join(c, &o, &a->past_k, &a->k, o.d, keys) : rows_of(c, &a->k);
    o.v = values ? join(c, &o, &a->past_v, &a->v, o.dv, values) : rows_of(c, &a->v);
    if (a->bias.input != ATTENTION_NONE) {
        o.bias = (attention_rows){.at = widen_bias(c, a, width, at + x.k + x.v),
                                  .batch = a->bias.batch * width,
                                  .head = a->bias.head * width,
                                  .row = a->bias.row * width};
        o.bias_step = width == 1 ? 0 : 1;
    }
    o.y = (float *)cpu_out(c, 0)->data;
    attention_run(&o, c->self->pool, scratch, c->cancel);
    cpu_scratch_give(c, scratch);
    return SIB_OK;
}
