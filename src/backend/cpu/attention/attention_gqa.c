/* com.microsoft GroupQueryAttention. */
#include "backend/cpu/attention/attention.h"
#include "backend/cpu/attention/rotary.h"

#include <math.h>

enum {
    IN_Q,
    IN_K,
    IN_V,
    IN_PAST_KEY,
    IN_PAST_VALUE,
    IN_LENGTHS,
    IN_TOTAL,
    IN_COS,
    IN_SIN,
    IN_POSITIONS,
    IN_BIAS,
    IN_SINK,
    IN_END = 16
};

typedef struct gqa_state {
    attention_state a;
    attention_source from[2]; /* queries and keys before rotation */
    size_t half, rows;        /* of the caches; half 0: no rotation */
    bool interleaved;
} gqa_state;

/* True for an int32 input of `count` elements. */
static bool read_numbers(const node_view *n, size_t input, size_t count)
{
    int64_t dims[SIB_MAX_RANK], product = 1;
    size_t rank;
    if (!attention_has(n, input) || cpu_dtype(n->in[input]) != SIB_I32 ||
        !cpu_dims(n, n->in[input], &rank, dims))
        return false;
    for (size_t i = 0; i < rank; i++)
        product *= dims[i];
    return (size_t)product == count;
}

/* Reads Q, K and V [B, S, heads D], or all three in Q. */
static bool read_parts(const node_view *n, attention_state *a)
{
    gqa_spec spec = spec_gqa(n->node);
    attention_call *c = &a->call;
    int64_t heads = spec.num_heads, shared = spec.kv_num_heads;
    int64_t dims[SIB_MAX_RANK];
    size_t rank, batch[3], count[3], d[3];
    if (heads < 1 || shared < 1 || heads % shared || heads > INT32_MAX ||
        !attention_floats(n, IN_Q, &rank, dims) || rank != 3)
        return false;
    c->heads = (size_t)heads;
    c->kv_heads = (size_t)shared;
    if (attention_has(n, IN_K)) {
        attention_source *const parts[3] = {&a->q, &a->k, &a->v};
        for (size_t i = 0; i < 3; i++)
            if (!attention_has(n, i) || n->in[i]->type.shape.rank != 3 ||
                !attention_source_of(n, i, i ? shared : heads, &batch[i], &count[i], &d[i], parts[i]) ||
                batch[i] != batch[0] || d[i] != d[0] || parts[i]->n != a->q.n)
                return false;
        c->d = d[0];
    } else {
        if (attention_has(n, IN_V) || dims[2] % (heads + 2 * shared))
            return false;
        c->d = (size_t)(dims[2] / (heads + 2 * shared));
        a->q = (attention_source){.input = IN_Q, .row = (size_t)dims[2], .head = c->d, .n = (size_t)dims[1]};
        a->q.batch = a->q.n * a->q.row;
        a->k = a->v = a->q;
        a->k.first = (size_t)heads * c->d;
        a->v.first = (size_t)(heads + shared) * c->d;
    }
    c->batch = (size_t)dims[0];
    c->queries = a->q.n;
    c->dv = c->d;
    return true;
}

/* Reads the past buffers, and the number of rows of the presents. */
static bool read_room(const node_view *n, attention_state *a)
{
    attention_call *c = &a->call;
    attention_source *const pasts[2] = {&a->past_k, &a->past_v};
    for (size_t i = 0; i < 2; i++) {
        int64_t dims[SIB_MAX_RANK];
        size_t rank, batch, heads, d, past = IN_PAST_KEY + i;
        if (!attention_gives(n, 1 + i) || !cpu_dims(n, n->out[1 + i], &rank, dims) || rank != 4 ||
            dims[2] < 1 || (size_t)dims[0] != c->batch || (size_t)dims[1] != c->kv_heads ||
            (size_t)dims[3] != c->d || (i && a->room != (size_t)dims[2]) ||
            attention_has(n, past) != attention_has(n, IN_PAST_KEY))
            return false;
        a->room = (size_t)dims[2];
        if (attention_has(n, past) &&
            (n->in[past]->type.shape.rank != 4 ||
             !attention_source_of(n, past, 0, &batch, &heads, &d, pasts[i]) || batch != c->batch ||
             heads != c->kv_heads || d != c->d || pasts[i]->n > a->room))
            return false;
    }
    a->present_k.output = 1;
    a->present_v.output = 2;
    c->keys = a->room;
    return a->room >= c->queries;
}

/* Lets rotated operands come from `made`. */
static bool read_rotation(const node_view *n, gqa_state *s)
{
    gqa_spec spec = spec_gqa(n->node);
    attention_call *c = &s->a.call;
    attention_source *const parts[2] = {&s->a.q, &s->a.k};
    int64_t cosine[SIB_MAX_RANK], sine[SIB_MAX_RANK];
    size_t ranks[2];
    if (!spec.do_rotary)
        return true;
    if (attention_has(n, IN_POSITIONS) || !attention_floats(n, IN_COS, &ranks[0], cosine) ||
        !attention_floats(n, IN_SIN, &ranks[1], sine) || ranks[0] != 2 || ranks[1] != 2 ||
        cosine[0] != sine[0] || cosine[1] != sine[1] || 2 * cosine[1] > (int64_t)c->d)
        return false;
    s->rows = (size_t)cosine[0];
    s->half = (size_t)cosine[1];
    s->interleaved = spec.rotary_interleaved;
    for (size_t i = 0; i < 2; i++) {
        size_t heads = i ? c->kv_heads : c->heads;
        s->from[i] = *parts[i];
        *parts[i] = (attention_source){.input = ATTENTION_MADE,
                                       .first = s->a.made,
                                       .batch = c->queries * heads * c->d,
                                       .head = c->d,
                                       .row = heads * c->d,
                                       .n = c->queries};
        s->a.made += c->batch * parts[i]->batch;
    }
    return true;
}

static bool read_scores(const node_view *n, attention_state *a)
{
    gqa_spec spec = spec_gqa(n->node);
    attention_call *c = &a->call;
    int64_t window = spec.local_window_size;
    double scale = spec.scale;
    bool causal = spec.causal;
    c->scale = (float)(scale != 0 ? scale : 1 / sqrt((double)c->d));
    c->softcap = (float)spec.softcap;
    c->hidden = -INFINITY;
    c->replaced = true;
    c->right = causal ? 0 : ATTENTION_FAR;
    c->left = causal && window >= 0 ? window - 1 : ATTENTION_FAR;
    if (isnan(c->scale) || window > INT32_MAX || window == 0)
        return false;
    if (!attention_has(n, IN_BIAS))
        return true;
    int64_t dims[SIB_MAX_RANK];
    size_t rank, room = c->keys;
    if (!attention_floats(n, IN_BIAS, &rank, dims) || rank != 4 || dims[3] > (int64_t)room)
        return false;
    c->keys = (size_t)dims[3]; /* of the longest sequence; keys beyond it are out of reach */
    bool fine = attention_bias_of(n, IN_BIAS, false, a) && dims[3] > 1;
    a->bias.loose = true;
    c->keys = room;
    return fine;
}

static bool read_gqa(const node_view *n, gqa_state *s)
{
    gqa_spec spec = spec_gqa(n->node);
    attention_state *a = &s->a;
    *s = (gqa_state){.a = attention_nothing()};
    for (size_t i = IN_SINK; i < IN_END; i++)
        if (attention_has(n, i))
            return false;
    if (!attention_gives(n, 0) || attention_gives(n, 3) || spec.smooth_softmax > 0 ||
        spec.sliding_window_cache || !str_is(spec.k_quant_type, "NONE") || !str_is(spec.v_quant_type, "NONE"))
        return false;
    if (!read_parts(n, a) || !read_room(n, a) || !read_numbers(n, IN_LENGTHS, a->call.batch) ||
        !read_numbers(n, IN_TOTAL, 1) || !read_rotation(n, s) || !read_scores(n, a))
        return false;
    a->ends = IN_LENGTHS;
    a->total = IN_TOTAL;
    attention_set_output(&a->call, true);
    return true;
}

/* Rotates queries and keys by their positions. */
static sib_code rotate(const cpu_call *c, const attention_state *a, float *made, float *scratch)
{
    const gqa_state *s = (const gqa_state *)a;
    const float *cosine = (const float *)cpu_in(c, IN_COS)->data,
                *sine = (const float *)cpu_in(c, IN_SIN)->data;
    const attention_source *const to[2] = {&a->q, &a->k};
    (void)scratch;
    for (size_t b = 0; b < a->call.batch; b++)
        for (size_t row = 0; row < a->call.queries; row++) {
            size_t place = attention_past_of(c, a, b) + row, at = place * s->half;
            if (place >= s->rows)
                return cpu_fail(c, SIB_ERR_VALUE, "position %zu is out of range for the cache of %zu rows",
                                place, s->rows);
            for (size_t i = 0; i < 2; i++) {
                const attention_source *from = &s->from[i];
                const float *x = (const float *)cpu_in(c, from->input)->data + from->first + b * from->batch +
                                 row * from->row;
                float *y = made + to[i]->first + b * to[i]->batch + row * to[i]->row;
                for (size_t h = 0; h < (i ? a->call.kv_heads : a->call.heads); h++)
                    rotary_rotate(x + h * from->head, y + h * a->call.d, a->call.d, s->half, s->interleaved,
                                  cosine + at, sine + at);
            }
        }
    return SIB_OK;
}

static bool claims(const cpu_self *self, const node_view *n)
{
    gqa_state s;
    (void)self;
    return read_gqa(n, &s);
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    gqa_state *s = mem_alloc(1, sizeof *s);
    (void)self;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    read_gqa(n, s);
    s->a.make = s->half ? rotate : NULL;
    sib_code code = attention_measure(&s->a, err);
    if (code == SIB_OK)
        *state = s;
    else
        mem_free(s);
    return code;
}

static sib_code run(const cpu_call *c)
{
    return attention_go(c, c->state);
}

const cpu_kernel cpu_gqa = {.claims = claims, .prepare = prepare, .run = run};
