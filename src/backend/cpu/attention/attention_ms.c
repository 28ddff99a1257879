/* com.microsoft MultiHeadAttention, DecoderMaskedMultiHeadAttention and Attention. */
#include "backend/cpu/attention/attention.h"
#include "kernel/gemm/gemm.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Shared parts ---------------------------------------------------------------------------------- */

/* Reads the mask in `input`, int32, into a->filter. Returns false for forms that the lowering rejects. */
static bool read_filter(const node_view *n, size_t input, attention_state *a)
{
    const attention_call *c = &a->call;
    int64_t dims[SIB_MAX_RANK], b = (int64_t)c->batch, s = (int64_t)c->queries, t = (int64_t)c->keys;
    size_t rank;
    if (!attention_has(n, input))
        return true;
    if (cpu_dtype(n->in[input]) != SIB_I32 || !cpu_dims(n, n->in[input], &rank, dims) || rank < 1 || rank > 4)
        return false;
    a->filter.input = input;
    a->filter.rank = rank;
    a->filter.width = (size_t)dims[rank - 1];
    if (rank == 1) {
        a->filter.begins = dims[0] == 2 * b;
        return dims[0] == b || dims[0] == 2 * b || dims[0] == 3 * b + 2;
    }
    if (dims[0] != b)
        return false;
    if (rank == 4)
        return dims[1] == 1 && dims[2] == dims[3] && dims[3] >= t && t >= s;
    return dims[rank - 1] == t && (rank == 2 || dims[1] == s);
}

/* Reads scale and mask_filter_value, and the two masks. */
static bool read_scores(const node_view *n, size_t mask, size_t bias, attention_state *a)
{
    attention_ms_spec spec = spec_attention_ms(n->node);
    attention_call *c = &a->call;
    double scale = spec.scale;
    c->scale = (float)(scale != 0 ? scale : 1 / sqrt((double)c->d));
    c->left = ATTENTION_FAR;
    c->right = spec.unidirectional ? 0 : ATTENTION_FAR;
    c->hidden = -FLT_MAX;
    a->filter.filter = (float)spec.mask_filter_value;
    if (isnan(c->scale) || !read_filter(n, mask, a))
        return false;
    if (!attention_has(n, bias))
        return true;
    return cpu_dtype(n->in[bias]) == SIB_F32 && attention_bias_of(n, bias, false, a);
}

/* Treats the past as a buffer, of which `used`, one int32, is the number of valid rows. */
static bool read_used(const node_view *n, size_t used, attention_state *a)
{
    int64_t dims[SIB_MAX_RANK], count = 1;
    size_t rank;
    a->room = a->past_k.n;
    a->call.keys = a->room;
    a->used = used;
    if (cpu_dtype(n->in[used]) != SIB_I32 || !cpu_dims(n, n->in[used], &rank, dims))
        return false;
    for (size_t i = 0; i < rank; i++)
        count *= dims[i];
    return count == 1;
}

/* ---- MultiHeadAttention -------------------------------------------------------------------------------- */

/* Indices of the inputs, which the two operators number differently. */
typedef struct mha_inputs {
    size_t bias, mask, attention_bias, past_key, past_value, past_length, cache;
} mha_inputs;

static const mha_inputs plain_inputs = {3, 4, 5, 6, 7, 8, 9}, decoder_inputs = {10, 3, 4, 5, 6, 7, 9};

typedef struct mha_state {
    attention_state a;
    attention_source from[3]; /* Q, K, V before a bias is added */
    size_t bias;              /* input of the bias, or ATTENTION_NONE */
} mha_state;

/* Part i of an input that consists of `parts`: [B, S, N, parts, D]; if `entire`, [B, S, parts, N, D]. */
static attention_source part_of(size_t input, size_t i, size_t parts, bool entire, size_t rows, size_t heads,
                                size_t d)
{
    attention_source s = {
        .input = input, .n = rows, .row = parts * heads * d, .batch = rows * parts * heads * d};
    s.head = entire ? d : parts * d;
    s.first = i * (entire ? heads * d : d);
    return s;
}

/* Reads Q, K and V in any of their forms. */
static bool read_parts(const node_view *n, int64_t heads, attention_state *a)
{
    attention_call *c = &a->call;
    attention_source *const parts[3] = {&a->q, &a->k, &a->v};
    int64_t q[SIB_MAX_RANK], k[SIB_MAX_RANK];
    size_t rank, k_rank, batch, count, d, h = (size_t)heads;
    if (heads < 1 || !attention_floats(n, 0, &rank, q))
        return false;
    c->batch = (size_t)q[0];
    c->queries = (size_t)q[1];
    c->heads = c->kv_heads = h;
    if (rank == 5 || (rank == 3 && !attention_has(n, 1))) { /* Q, K and V in one input */
        if (attention_has(n, 1) || (rank == 5 ? q[2] != heads || q[3] != 3 : q[2] % (3 * heads) != 0))
            return false;
        c->d = c->dv = rank == 5 ? (size_t)q[4] : (size_t)q[2] / 3 / h;
        for (size_t i = 0; i < 3; i++)
            *parts[i] = part_of(0, i, 3, rank == 3, c->queries, h, c->d);
        return true;
    }
    if (rank != 3 || !attention_source_of(n, 0, heads, &batch, &count, &c->d, &a->q) ||
        !attention_floats(n, 1, &k_rank, k) || k[0] != q[0])
        return false;
    if (k_rank == 5) { /* keys and values in one input */
        c->dv = c->d;
        a->k = part_of(1, 0, 2, false, (size_t)k[1], h, c->d);
        a->v = part_of(1, 1, 2, false, (size_t)k[1], h, c->d);
        return !attention_has(n, 2) && k[2] == heads && k[3] == 2 && (size_t)k[4] == c->d;
    }
    if (!attention_source_of(n, 1, heads, &batch, &count, &d, &a->k) || count != h || d != c->d ||
        !attention_has(n, 2) || !attention_source_of(n, 2, heads, &batch, &count, &c->dv, &a->v))
        return false;
    return batch == c->batch && count == h && a->v.n == a->k.n;
}

/* Reads the bias [H D + H D + H Dv] of the operands of rank 3; make copies these with the bias added. */
static bool read_bias(const node_view *n, size_t input, mha_state *s)
{
    attention_call *c = &s->a.call;
    attention_source *const parts[3] = {&s->a.q, &s->a.k, &s->a.v};
    size_t rank, widths[3] = {c->heads * c->d, c->heads * c->d, c->heads * c->dv};
    int64_t dims[SIB_MAX_RANK];
    s->bias = ATTENTION_NONE;
    if (!attention_has(n, input))
        return true;
    if (!attention_floats(n, input, &rank, dims) || rank != 1 ||
        (size_t)dims[0] != widths[0] + widths[1] + widths[2])
        return false;
    s->bias = input;
    for (size_t i = 0; i < 3; i++) {
        attention_source *p = parts[i];
        s->from[i] = *p;
        if (n->in[p->input]->type.shape.rank == 4)
            continue;
        p->first = s->a.made;
        p->input = ATTENTION_MADE;
        p->head = i < 2 ? c->d : c->dv;
        p->row = widths[i];
        p->batch = p->n * widths[i];
        s->a.made += c->batch * p->batch;
    }
    return true;
}

/* Copies rows of all heads, adding their slice of the bias. */
static sib_code add_bias(const cpu_call *c, const attention_state *a, float *made, float *scratch)
{
    const mha_state *s = (const mha_state *)a;
    const attention_call *o = &a->call;
    const attention_source *const to[3] = {&a->q, &a->k, &a->v};
    const float *bias = (const float *)cpu_in(c, s->bias)->data;
    (void)scratch;
    for (size_t i = 0; i < 3; i++) {
        const attention_source *from = &s->from[i];
        size_t d = i < 2 ? o->d : o->dv;
        const float *data = (const float *)cpu_in(c, from->input)->data + from->first;
        if (to[i]->input == ATTENTION_MADE)
            for (size_t row = 0; row < o->batch * from->n; row++)
                for (size_t h = 0; h < o->heads; h++) {
                    const float *x =
                        data + row / from->n * from->batch + row % from->n * from->row + h * from->head;
                    float *y = made + to[i]->first + (row * o->heads + h) * d;
                    for (size_t p = 0; p < d; p++)
                        y[p] = x[p] + bias[h * d + p];
                }
        bias += o->heads * d;
    }
    return SIB_OK;
}

/* Reads past keys and values [B, N, P, D]: both or neither. */
static bool read_past(const node_view *n, size_t key_at, size_t value_at, attention_state *a)
{
    attention_call *c = &a->call;
    size_t batch[2], heads[2], d[2];
    if (attention_has(n, key_at) != attention_has(n, value_at))
        return false;
    if (!attention_has(n, key_at))
        return true;
    return n->in[key_at]->type.shape.rank == 4 && n->in[value_at]->type.shape.rank == 4 &&
           attention_source_of(n, key_at, 0, &batch[0], &heads[0], &d[0], &a->past_k) &&
           attention_source_of(n, value_at, 0, &batch[1], &heads[1], &d[1], &a->past_v) &&
           batch[0] == c->batch && batch[1] == c->batch && heads[0] == c->heads && heads[1] == c->heads &&
           d[0] == c->d && d[1] == c->dv && a->past_k.n == a->past_v.n;
}

static bool read_mha(const node_view *n, const mha_inputs *in, mha_state *s)
{
    attention_state *a = &s->a;
    *s = (mha_state){.a = attention_nothing()};
    if (!attention_gives(n, 0) || attention_has(n, in->cache) || attention_gives(n, 3) ||
        !read_parts(n, spec_attention_ms(n->node).num_heads, a) ||
        !read_past(n, in->past_key, in->past_value, a))
        return false;
    bool past = a->past_k.input != ATTENTION_NONE;
    a->call.keys = a->room = a->k.n + (past ? a->past_k.n : 0);
    if (!a->call.keys || (past && attention_has(n, in->past_length) && !read_used(n, in->past_length, a)))
        return false;
    a->present_k.output = 1;
    a->present_v.output = 2;
    attention_set_output(&a->call, true);
    if (a->used != ATTENTION_NONE && (attention_has(n, in->mask) || attention_has(n, in->attention_bias)))
        return false; /* their widths are known only at run time */
    if (!read_bias(n, in->bias, s) || !read_scores(n, in->mask, in->attention_bias, a))
        return false;
    a->make = s->bias == ATTENTION_NONE ? NULL : add_bias;
    return true;
}

static sib_code prepare_mha(const node_view *n, const mha_inputs *in, void **state, sib_error *err)
{
    mha_state *s = mem_alloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    read_mha(n, in, s);
    sib_code code = attention_measure(&s->a, err);
    if (code == SIB_OK)
        *state = s;
    else
        mem_free(s);
    return code;
}

static bool claims_plain(const cpu_self *self, const node_view *n)
{
    mha_state s;
    (void)self;
    return read_mha(n, &plain_inputs, &s);
}

static bool claims_decoder(const cpu_self *self, const node_view *n)
{
    mha_state s;
    (void)self;
    return read_mha(n, &decoder_inputs, &s);
}

static sib_code prepare_plain(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    return prepare_mha(n, &plain_inputs, state, err);
}

static sib_code prepare_decoder(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    return prepare_mha(n, &decoder_inputs, state, err);
}

static sib_code run(const cpu_call *c)
{
    return attention_go(c, c->state);
}

/* ---- Attention ----------------------------------------------------------------------------------------- */

enum { IN_X, IN_W, IN_BIAS, IN_MASK, IN_PAST, IN_SCORE_BIAS, IN_PAST_LENGTH };

/* X W + bias for Q, K and V at once. */
typedef struct projected_state {
    attention_state a;
    gemm g;      /* run sets the addresses of the inputs */
    void *owned; /* packed W, unless the model owns it */
} projected_state;

/* Q, K and V as parts of the product: [B, S, q + k + v]. */
static bool read_projected(const node_view *n, projected_state *s)
{
    attention_call *c = &s->a.call;
    attention_ms_spec spec = spec_attention_ms(n->node);
    int64_t x[SIB_MAX_RANK], w[SIB_MAX_RANK], b[SIB_MAX_RANK], widths[3], heads = spec.num_heads;
    size_t x_rank, w_rank, b_rank, first = 0;
    spec_ints sizes = spec.qkv_hidden_sizes;
    if (heads < 1 || !attention_floats(n, IN_X, &x_rank, x) || !attention_floats(n, IN_W, &w_rank, w) ||
        x_rank != 3 || w_rank != 2 || w[0] != x[2] || (sizes.n && sizes.n != 3))
        return false;
    if (attention_has(n, IN_BIAS) &&
        (!attention_floats(n, IN_BIAS, &b_rank, b) || b_rank != 1 || b[0] != w[1]))
        return false;
    for (size_t i = 0; i < 3; i++) {
        widths[i] = spec_item(sizes, i, w[1] / 3);
        if (widths[i] < heads || widths[i] % heads)
            return false;
    }
    if (widths[0] != widths[1] || widths[0] + widths[1] + widths[2] != w[1])
        return false;
    *c = (attention_call){.batch = (size_t)x[0], .queries = (size_t)x[1], .heads = (size_t)heads};
    c->kv_heads = c->heads;
    c->d = (size_t)(widths[0] / heads);
    c->dv = (size_t)(widths[2] / heads);
    attention_source *const parts[3] = {&s->a.q, &s->a.k, &s->a.v};
    for (size_t i = 0; i < 3; first += (size_t)widths[i++])
        *parts[i] = (attention_source){.input = ATTENTION_MADE,
                                       .first = first,
                                       .batch = c->queries * (size_t)w[1],
                                       .head = (size_t)(widths[i] / heads),
                                       .row = (size_t)w[1],
                                       .n = c->queries};
    s->g = (gemm){.m = (size_t)(x[0] * x[1]), .n = (size_t)w[1], .k = (size_t)x[2], .alpha = 1.0f};
    s->g.a_row = s->g.k;
    s->g.a_column = s->g.b_column = 1;
    s->g.b_row = s->g.c_row = s->g.n;
    s->a.made = s->g.m * s->g.n;
    return true;
}

/* past [2, B, N, P, D]. */
static bool read_both_pasts(const node_view *n, attention_state *a)
{
    attention_call *c = &a->call;
    int64_t p[SIB_MAX_RANK];
    size_t rank;
    if (!attention_has(n, IN_PAST))
        return true;
    if (cpu_dtype(n->in[IN_PAST]) != SIB_F32 || !cpu_dims(n, n->in[IN_PAST], &rank, p) || rank != 5 ||
        p[0] != 2 || (size_t)p[1] != c->batch || (size_t)p[2] != c->heads || (size_t)p[4] != c->d ||
        c->d != c->dv)
        return false;
    size_t rows = (size_t)p[3], head = rows * c->d, half = c->batch * c->heads * head;
    a->past_k =
        (attention_source){.input = IN_PAST, .batch = c->heads * head, .head = head, .row = c->d, .n = rows};
    a->past_v = a->past_k;
    a->past_v.first = half;
    return true;
}

static bool read_attention(const node_view *n, projected_state *s)
{
    attention_ms_spec spec = spec_attention_ms(n->node);
    attention_state *a = &s->a;
    *s = (projected_state){.a = attention_nothing()};
    if (!attention_gives(n, 0) || spec.do_rotary || !read_projected(n, s) || !read_both_pasts(n, a))
        return false;
    bool past = a->past_k.input != ATTENTION_NONE, shared = spec.past_present_share_buffer;
    a->call.keys = a->room = a->k.n + (past ? a->past_k.n : 0);
    if (shared && attention_has(n, IN_PAST_LENGTH)) {
        if (!past || attention_has(n, IN_MASK) || attention_has(n, IN_SCORE_BIAS) ||
            !read_used(n, IN_PAST_LENGTH, a))
            return false;
    }
    if (attention_gives(n, 1)) {
        if (a->call.d != a->call.dv)
            return false;
        a->present_k.output = a->present_v.output = 1;
        a->present_v.first = a->call.batch * a->call.heads * a->room * a->call.d;
    }
    attention_set_output(&a->call, true);
    return read_scores(n, IN_MASK, IN_SCORE_BIAS, a);
}

static sib_code project(const cpu_call *c, const attention_state *a, float *made, float *scratch)
{
    const projected_state *s = (const projected_state *)a;
    gemm g = s->g;
    g.a = (const float *)cpu_in(c, IN_X)->data;
    if (!g.packed)
        g.b = (const float *)cpu_in(c, IN_W)->data;
    if (cpu_in(c, IN_BIAS))
        g.from = (const float *)cpu_in(c, IN_BIAS)->data;
    g.c = made;
    g.cancel = c->cancel;
    gemm_run_all(&g, 1, NULL, c->self->pool, scratch);
    return SIB_OK;
}

static bool claims_attention(const cpu_self *self, const node_view *n)
{
    projected_state s;
    (void)self;
    return read_attention(n, &s);
}

static sib_code fill_pack(void *context, const void *elements, void *out, sib_error *err)
{
    const gemm *g = context;
    (void)err;
    gemm_pack(elements, g->b_row, g->b_column, g->k, g->n, 1, 0, out);
    return SIB_OK;
}

static void release_attention(void *state)
{
    projected_state *s = state;
    mem_free(s->owned);
    mem_free(s);
}

static sib_code prepare_attention(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    projected_state *s = mem_alloc(1, sizeof *s);
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    read_attention(n, s);
    sib_code code = attention_measure(&s->a, err);
    size_t bytes;
    if (code == SIB_OK && n->in[IN_W]->constant && gemm_packed_bytes(s->g.k, s->g.n, 1, &bytes)) {
        char how[64];
        const void *packed;
        snprintf(how, sizeof how, "gemm %zu %zu %zu", s->g.k, s->g.n, s->g.b_row);
        code = cpu_pack(self, n->in[IN_W], how, bytes, fill_pack, &s->g, &packed, &s->owned, err);
        s->g.packed = code == SIB_OK ? packed : NULL;
    }
    if (code != SIB_OK) {
        release_attention(s);
        return code;
    }
    s->a.make = project;
    s->a.make_scratch = gemm_scratch_all(&s->g, 1, self->pool);
    *state = s;
    return SIB_OK;
}

static bool reads_attention(const void *state, size_t i)
{
    const projected_state *s = state;
    return i != IN_W || !s->g.packed;
}

const cpu_kernel cpu_mha = {.claims = claims_plain, .prepare = prepare_plain, .run = run};
const cpu_kernel cpu_decoder_mha = {.claims = claims_decoder, .prepare = prepare_decoder, .run = run};
const cpu_kernel cpu_ms_attention = {.claims = claims_attention,
                                     .prepare = prepare_attention,
                                     .release = release_attention,
                                     .run = run,
                                     .reads = reads_attention};
