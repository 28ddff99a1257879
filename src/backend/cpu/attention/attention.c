/* ONNX Attention. */
#include "backend/cpu/attention/attention.h"

#include <math.h>

enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_KEY, IN_PAST_VALUE, IN_NONPAD };

/* Reads Q, K, V, the pasts and all dims. */
static bool read_heads(const node_view *n, attention_state *a)
{
    attention_spec spec = spec_attention(n->node);
    attention_call *c = &a->call;
    size_t batch[5], heads[5], d[5];
    int64_t q_heads = spec.q_num_heads, kv_heads = spec.kv_num_heads;
    attention_source *const parts[5] = {&a->q, &a->k, &a->v, &a->past_k, &a->past_v};
    static const size_t inputs[5] = {IN_Q, IN_K, IN_V, IN_PAST_KEY, IN_PAST_VALUE};
    size_t count = attention_has(n, IN_PAST_KEY) ? 5 : 3;
    if (attention_has(n, IN_PAST_KEY) != attention_has(n, IN_PAST_VALUE) ||
        (attention_has(n, IN_PAST_KEY) && attention_has(n, IN_NONPAD)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!attention_source_of(n, inputs[i],
                                 i == 0  ? q_heads
                                 : i < 3 ? kv_heads
                                         : 0,
                                 &batch[i], &heads[i], &d[i], parts[i]) ||
            batch[i] != batch[0])
            return false;
    *c = (attention_call){.batch = batch[0], .heads = heads[0], .kv_heads = heads[1], .d = d[0], .dv = d[2]};
    c->queries = a->q.n;
    c->keys = a->k.n + (count == 5 ? a->past_k.n : 0);
    if (!c->queries || !c->keys || heads[2] != heads[1] || heads[0] % heads[1] || d[1] != d[0] ||
        a->v.n != a->k.n)
        return false;
    return count == 3 || (heads[3] == heads[1] && heads[4] == heads[1] && d[3] == d[0] && d[4] == d[2] &&
                          a->past_v.n == a->past_k.n);
}

/* Reads everything that hides keys from queries. */
static bool read_masks(const node_view *n, attention_state *a)
{
    attention_spec spec = spec_attention(n->node);
    attention_call *c = &a->call;
    bool causal = spec.is_causal;
    int64_t left = spec.left_window_size, right = spec.right_window_size;
    if (left < -1 || right < -1 || left > INT32_MAX || right > INT32_MAX)
        return false;
    c->left = left < 0 ? ATTENTION_FAR : left;
    c->right = causal ? 0 : right < 0 ? ATTENTION_FAR : right;
    c->hidden = -INFINITY;
    c->empty_is_zero =
        attention_has(n, IN_MASK) || attention_has(n, IN_NONPAD) || causal || left >= 0 || right >= 0;
    if (attention_has(n, IN_NONPAD)) {
        a->lengths = IN_NONPAD;
        int64_t dims[SIB_MAX_RANK];
        size_t rank;
        if (cpu_dtype(n->in[IN_NONPAD]) != SIB_I64 || !cpu_dims(n, n->in[IN_NONPAD], &rank, dims) ||
            rank != 1 || dims[0] != (int64_t)c->batch)
            return false;
    }
    return !attention_has(n, IN_MASK) || attention_bias_of(n, IN_MASK, n->node->version >= 24, a);
}

static bool read_attention(const node_view *n, attention_state *a)
{
    attention_spec spec = spec_attention(n->node);
    *a = attention_nothing();
    sib_dtype precision = spec.softmax_precision ? spec.softmax_precision : SIB_F32;
    if (n->n_in < 3 || !attention_gives(n, 0) || (n->n_out > 3 && n->out[3]) || precision != SIB_F32 ||
        !read_heads(n, a) || !read_masks(n, a))
        return false;
    attention_call *c = &a->call;
    c->scale = (float)(isnan(spec.scale) ? 1 / sqrt((double)c->d) : spec.scale);
    c->softcap = (float)spec.softcap;
    attention_set_output(c, n->in[IN_Q]->type.shape.rank == 3);
    a->room = c->keys;
    a->present_k.output = 1;
    a->present_v.output = 2;
    return !isnan(c->scale);
}

static bool claims(const cpu_self *self, const node_view *n)
{
    attention_state a;
    (void)self;
    return read_attention(n, &a);
}

static sib_code prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    attention_state a;
    (void)self;
    read_attention(n, &a);
    return attention_keep(&a, state, err);
}

static sib_code run(const cpu_call *c)
{
    return attention_go(c, c->state);
}

const cpu_kernel cpu_attention = {.claims = claims, .prepare = prepare, .run = run};
