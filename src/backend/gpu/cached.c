/* Attentions of com.microsoft whose keys and values are written into a cache first, as launches of the kernels `cache`
   and `attention`: GroupQueryAttention. */
#include "backend/gpu/attention.h"
#include "backend/gpu/step.h"

#include <math.h>

enum {
    GQA_Q,
    GQA_K,
    GQA_V,
    GQA_PAST_KEY,
    GQA_PAST_VALUE,
    GQA_ENDS,
    GQA_LONGEST,
    GQA_COS,
    GQA_SIN,
    GQA_POSITIONS,
    GQA_BIAS,
    GQA_SINK,
    GQA_END = 16
};

/* What the node is, read once to claim and once to plan. */
typedef struct cached {
    size_t batches, heads, kv_heads;
    size_t in[3], first[3]; /* the inputs that hold queries, keys and values, and where in a row they begin */
    size_t width[3];        /* of a row of each */
    gpu_attention_args args;
    gpu_cache_args rows; /* of keys; those of queries and values are made from it */
    gpu_indices ends;
} cached;

/* Reads Q, K and V [B, S, heads D], or all three in Q. */
static bool read_parts(const node_view *n, const gqa_spec *spec, cached *c)
{
    gpu_tensor q;
    c->heads = (size_t)spec->num_heads;
    c->kv_heads = (size_t)spec->kv_num_heads;
    if (!gpu_tensor_of(n->graph, n->in[GQA_Q], &q) || !gpu_is_float(q.dtype) || q.wide || q.rank != 3 ||
        c->heads % c->kv_heads || gpu_has(n, GQA_K) != gpu_has(n, GQA_V))
        return false;
    const bool apart = gpu_has(n, GQA_K);
    const size_t parts = c->heads + (apart ? 0 : 2 * c->kv_heads), d = (size_t)q.dims[2] / parts;
    const size_t dims[] = {(size_t)q.dims[0], (size_t)q.dims[1], c->kv_heads * d};
    if ((size_t)q.dims[2] != parts * d || d < 1)
        return false;
    for (size_t i = 0; i < 3; i++) {
        c->in[i] = apart ? i : GQA_Q;
        c->first[i] = apart || !i ? 0 : (c->heads + (i - 1) * c->kv_heads) * d;
        c->width[i] = apart && i ? dims[2] : (size_t)q.dims[2];
        if (apart && i && !gpu_is(n, n->in[i], q.dtype, 3, dims))
            return false;
    }
    c->batches = dims[0];
    c->rows = (gpu_cache_args){.type = q.dtype,
                               .heads = (uint32_t)c->kv_heads,
                               .steps = (uint32_t)dims[1],
                               .d = (uint32_t)d,
                               .head = (uint32_t)d,
                               .flags = CACHE_ENDS};
    return true;
}

/* Reads the caches before and after. */
static bool read_caches(const node_view *n, cached *c)
{
    gpu_tensor present, past;
    if (n->n_out < 3 || !n->out[1] || !n->out[2] || (n->n_out > 3 && n->out[3]) ||
        !gpu_tensor_of(n->graph, n->out[1], &present) || present.rank != 4 ||
        gpu_has(n, GQA_PAST_KEY) != gpu_has(n, GQA_PAST_VALUE))
        return false;
    const size_t room = (size_t)present.dims[2], d = c->rows.d;
    c->rows.room = (uint32_t)room;
    if (gpu_has(n, GQA_PAST_KEY)) {
        if (!gpu_tensor_of(n->graph, n->in[GQA_PAST_KEY], &past) || past.rank != 4)
            return false;
        c->rows.past = (uint32_t)past.dims[2];
    }
    for (size_t i = 0; i < 2; i++) {
        const size_t after[] = {c->batches, c->kv_heads, room, d},
                     before[] = {c->batches, c->kv_heads, c->rows.past, d};
        if (!gpu_is(n, n->out[1 + i], (sib_dtype)c->rows.type, 4, after) ||
            (c->rows.past && !gpu_is(n, n->in[GQA_PAST_KEY + i], (sib_dtype)c->rows.type, 4, before)))
            return false;
    }
    c->rows.count = (uint32_t)present.count;
    return room >= c->rows.steps && c->rows.past <= room;
}

/* Reads the rotation, and holds the ends of sequences against the caches. */
static bool read_positions(const node_view *n, const gqa_spec *spec, cached *c)
{
    gpu_tensor cosine, ends, longest;
    if (!gpu_has(n, GQA_ENDS) || !gpu_tensor_of(n->graph, n->in[GQA_ENDS], &ends) || ends.dtype != SIB_I32 ||
        ends.count != c->batches || !gpu_has(n, GQA_LONGEST) ||
        !gpu_tensor_of(n->graph, n->in[GQA_LONGEST], &longest) || longest.dtype != SIB_I32 ||
        longest.count != 1)
        return false;
    c->ends = (gpu_indices){
        .input = GQA_ENDS, .count = ends.count, .depth = 1, .dtype = SIB_I32, .sizes = {c->rows.room}};
    if (spec->do_rotary) {
        if (gpu_has(n, GQA_POSITIONS) || !gpu_has(n, GQA_COS) || !gpu_has(n, GQA_SIN) ||
            !gpu_tensor_of(n->graph, n->in[GQA_COS], &cosine) || cosine.rank != 2 ||
            cosine.dtype != (sib_dtype)c->rows.type || 2 * cosine.dims[1] > c->rows.d ||
            cosine.dims[0] < c->rows.steps ||
            !gpu_is(n, n->in[GQA_SIN], cosine.dtype, 2,
                    (const size_t[]){(size_t)cosine.dims[0], (size_t)cosine.dims[1]}))
            return false;
        c->rows.half_d = (uint32_t)cosine.dims[1];
        c->rows.positions = (uint32_t)cosine.dims[0];
        c->rows.flags |= spec->rotary_interleaved ? CACHE_INTERLEAVED : 0;
        if (cosine.dims[0] < c->ends.sizes[0])
            c->ends.sizes[0] = cosine.dims[0];
    }
    return gpu_indices_hold(&c->ends, n);
}

/* Sets what attention is computed with: queries as they are, or rotated, and the caches. */
static void set_attention(const gqa_spec *spec, cached *c)
{
    const uint32_t steps = c->rows.steps, room = c->rows.room, d = c->rows.d, kv = (uint32_t)c->kv_heads,
                   heads = (uint32_t)c->heads, q_row = (uint32_t)c->width[0];
    const bool rotated = c->rows.half_d;
    c->args = (gpu_attention_args){
        .type = c->rows.type,
        .heads = heads / kv,
        .queries = steps,
        .keys = room,
        .d = d,
        .dv = d,
        .flags = ATTENTION_ENDS | (spec->causal ? ATTENTION_RIGHT : 0) |
                 (spec->causal && spec->local_window_size >= 0 ? ATTENTION_LEFT : 0),
        .q_batch = rotated ? heads * steps * d : steps * q_row,
        .q_head = rotated ? steps * d : d,
        .q_row = rotated ? d : q_row,
        .k_batch = kv * room * d,
        .k_head = room * d,
        .k_row = d,
        .v_batch = kv * room * d,
        .v_head = room * d,
        .v_row = d,
        .y_batch = steps * heads * d,
        .y_head = d,
        .y_row = heads * d,
        .left = (int32_t)spec->local_window_size - 1,
        .kv_heads = kv,
        .scale = (float)(spec->scale != 0 ? spec->scale : 1 / sqrt((double)d)),
        .softcap = (float)spec->softcap,
    };
}

/* Reads attention_bias [1 or B, 1 or N, S, total], beyond whose columns keys are hidden, and the sink. */
static bool read_scores(const node_view *n, const gqa_spec *spec, cached *c)
{
    gpu_tensor t;
    gpu_attention_args *a = &c->args;
    if (gpu_has(n, GQA_SINK) || spec->smooth_softmax > 0)
        a->flags |= ATTENTION_SINK | (gpu_has(n, GQA_SINK) ? ATTENTION_SINKS : 0);
    if (gpu_has(n, GQA_SINK) && !gpu_is(n, n->in[GQA_SINK], (sib_dtype)a->type, 1, &c->heads))
        return false;
    if (!gpu_has(n, GQA_BIAS))
        return true;
    if (!gpu_tensor_of(n->graph, n->in[GQA_BIAS], &t) || t.wide || t.dtype != (sib_dtype)a->type ||
        t.rank != 4 || t.dims[2] != a->queries || t.dims[3] > a->keys ||
        (t.dims[0] != 1 && (size_t)t.dims[0] != c->batches) ||
        (t.dims[1] != 1 && (size_t)t.dims[1] != c->heads))
        return false;
    a->flags |= ATTENTION_BIAS | ATTENTION_PADDED;
    a->width = (uint32_t)t.dims[3];
    a->bias_row = 1;
    a->bias_head = t.dims[1] == 1 ? 0 : a->queries;
    a->bias_batch = t.dims[0] == 1 ? 0 : (uint32_t)(t.dims[1] * t.dims[2]);
    return true;
}

static bool read_group_query(const node_view *n, cached *c)
{
    const gqa_spec spec = spec_gqa(n->node);
    *c = (cached){0};
    for (size_t i = GQA_SINK + 1; i < GQA_END;
         i++) /* scales of quantized caches, norms of queries and keys */
        if (gpu_has(n, i))
            return false;
    if (!n->out[0] || spec.sliding_window_cache || !str_is(spec.k_quant_type, "NONE") ||
        !str_is(spec.v_quant_type, "NONE") || spec.local_window_size == 0 ||
        spec.local_window_size > INT32_MAX / 2 || !read_parts(n, &spec, c) || !read_caches(n, c) ||
        !read_positions(n, &spec, c))
        return false;
    set_attention(&spec, c);
    return c->args.scale == c->args.scale && gpu_takes_attention(&c->args, c->batches) &&
           read_scores(n, &spec, c);
}

static bool claims(const node_view *n)
{
    cached c;
    return read_group_query(n, &c);
}

/* Writes part i of the projections, with `rows` as those of keys, to `to`. */
static sib_code add_rows(gpu_step *s, const cached *c, size_t i, gpu_cache_args rows, gpu_operand to,
                         sib_error *err)
{
    const gpu_operand x = {GPU_IN, c->in[i], 0}, ends = {GPU_IN, GQA_ENDS, 0},
                      longest = {GPU_IN, GQA_LONGEST, 0};
    gpu_operand operands[] = {x, x, to, ends, longest, x, x};
    rows.first = (uint32_t)c->first[i];
    rows.row = (uint32_t)c->width[i];
    rows.batch = rows.steps * rows.row;
    if (rows.past)
        operands[1].at = GQA_PAST_KEY + i - 1;
    if (rows.half_d) {
        operands[5].at = GQA_COS;
        operands[6].at = GQA_SIN;
    }
    return gpu_add_line(s, GPU_cache, 7, operands, &rows,
                        size_ceil_div(rows.count, CACHE_THREADS * CACHE_ELEMENTS), err);
}

static sib_code plan(const node_view *n, gpu_step *s, sib_error *err)
{
    cached c;
    read_group_query(n, &c);
    s->indices = c.ends;
    const gpu_operand out[] = {{GPU_OUT, 0, 0}, {GPU_OUT, 1, 0}, {GPU_OUT, 2, 0}}, x = {GPU_IN, c.in[0], 0};
    gpu_operand q = x;
    gpu_cache_args values = c.rows, queries = c.rows;
    sib_code code = add_rows(s, &c, 1, c.rows, out[1], err);
    values.half_d = 0;
    if (code == SIB_OK)
        code = add_rows(s, &c, 2, values, out[2], err);
    if (code == SIB_OK && c.rows.half_d) {
        queries.heads = (uint32_t)c.heads;
        queries.room = queries.steps;
        queries.past = 0;
        queries.flags |= CACHE_FRESH;
        queries.count = (uint32_t)c.batches * queries.heads * queries.steps * queries.d;
        q = gpu_scratch(s, size_ceil_div(queries.count, queries.type == SIB_F32 ? 1 : 2));
        code = add_rows(s, &c, 0, queries, q, err);
    }
    gpu_operand operands[] = {q, out[1], out[2], {GPU_IN, GQA_LONGEST, 0},
                              x, x,      out[0], {GPU_IN, GQA_ENDS, 0}};
    if (gpu_has(n, GQA_SINK))
        operands[4].at = GQA_SINK;
    if (gpu_has(n, GQA_BIAS))
        operands[5].at = GQA_BIAS;
    return code == SIB_OK ? gpu_add_attention(s, c.args, operands, c.batches, err) : code;
}

const gpu_op gpu_group_query = {.claims = claims, .plan = plan, .takes_empty = true};
