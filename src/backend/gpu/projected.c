/* Attention of com.microsoft, whose queries, keys and values are one product, as launches of the kernels `matmul`,
   `chain` for its mask, `cache` where it gives keys and values on, and `attention`. */
#include "backend/gpu/attention.h"
#include "backend/gpu/matvec.h"

#include <math.h>
#include <string.h>

enum { IN_X, IN_W, IN_BIAS, IN_MASK, IN_PAST, IN_SCORE_BIAS, IN_PAST_LENGTH };

/* A mask's value beyond this is no different from hiding. */
#define FILTER_MAX 6e4

/* What the node is, read once to claim and once to plan. */
typedef struct projected {
    size_t batches, heads, width; /* width: of a row of the product */
    bool caches;                  /* keys and values are in output 1: all keys, then all values */
    float filter;                 /* what a mask adds */
    size_t masks;                 /* its elements; 0: none */
    gpu_matmul_args product;
    gpu_cache_args rows; /* of keys, where `caches` */
    gpu_attention_args args;
} projected;

/* Reads X W + bias: [B, S, q + k + v]. */
static bool read_product(const node_view *n, const attention_ms_spec *spec, projected *p)
{
    gpu_tensor x, w;
    if (!gpu_tensor_of(n->graph, n->in[IN_X], &x) || !gpu_is_float(x.dtype) || x.wide || x.rank != 3 ||
        !gpu_tensor_of(n->graph, n->in[IN_W], &w) || w.dtype != x.dtype || w.wide || w.rank != 2 ||
        w.dims[0] != x.dims[2] || (spec->qkv_hidden_sizes.n && spec->qkv_hidden_sizes.n != 3))
        return false;
    const spec_ints sizes = spec->qkv_hidden_sizes;
    const int64_t q = spec_item(sizes, 0, w.dims[1] / 3), k = spec_item(sizes, 1, w.dims[1] / 3),
                  v = spec_item(sizes, 2, w.dims[1] / 3), heads = spec->num_heads;
    if (heads < 1 || q < heads || q % heads || v < heads || v % heads || k != q || q + k + v != w.dims[1])
        return false;
    p->batches = (size_t)x.dims[0];
    p->heads = (size_t)heads;
    p->width = (size_t)w.dims[1];
    p->product = (gpu_matmul_args){.type = x.dtype,
                                   .m = (uint32_t)(x.dims[0] * x.dims[1]),
                                   .n = (uint32_t)w.dims[1],
                                   .k = (uint32_t)x.dims[2],
                                   .inner = 1,
                                   .a_row = (uint32_t)x.dims[2],
                                   .a_column = 1,
                                   .b_row = (uint32_t)w.dims[1],
                                   .b_column = 1,
                                   .a_type = x.dtype,
                                   .b_type = x.dtype,
                                   .flags = gpu_has(n, IN_BIAS) ? MATMUL_BIAS : 0,
                                   .c_column = 1};
    p->args = (gpu_attention_args){.type = x.dtype,
                                   .heads = 1,
                                   .queries = (uint32_t)x.dims[1],
                                   .keys = (uint32_t)x.dims[1],
                                   .d = (uint32_t)(q / heads),
                                   .dv = (uint32_t)(v / heads),
                                   .kv_heads = (uint32_t)heads};
    return (!gpu_has(n, IN_BIAS) || gpu_is(n, n->in[IN_BIAS], x.dtype, 1, &p->width)) &&
           gpu_takes_attention(&p->args, p->batches) &&
           size_ceil_div(p->product.m, TILE_SIDE) <= GPU_MAX_GROUPS &&
           size_ceil_div(p->product.n, TILE_SIDE) <= GPU_MAX_GROUPS;
}

/* Reads past and present [2, B, N, rows, D]. */
static bool read_caches(const node_view *n, projected *p)
{
    gpu_attention_args *a = &p->args;
    gpu_tensor past;
    p->caches = (n->n_out > 1 && n->out[1]) || gpu_has(n, IN_PAST);
    if (!p->caches)
        return true;
    p->rows = (gpu_cache_args){.type = a->type,
                               .heads = (uint32_t)p->heads,
                               .steps = a->queries,
                               .d = a->d,
                               .batch = a->queries * (uint32_t)p->width,
                               .head = a->d,
                               .row = (uint32_t)p->width};
    if (gpu_has(n, IN_PAST)) {
        if (!gpu_tensor_of(n->graph, n->in[IN_PAST], &past) || past.rank != 5)
            return false;
        p->rows.past = (uint32_t)past.dims[3];
    }
    const size_t before[] = {2, p->batches, p->heads, p->rows.past, a->d},
                 after[] = {2, p->batches, p->heads, p->rows.past + a->queries, a->d};
    p->rows.room = a->keys = (uint32_t)after[3];
    p->rows.count = (uint32_t)(p->batches * p->heads * after[3] * a->d);
    return a->d == a->dv && n->n_out > 1 && gpu_is(n, n->out[1], (sib_dtype)a->type, 5, after) &&
           (!p->rows.past || gpu_is(n, n->in[IN_PAST], (sib_dtype)a->type, 5, before));
}

static void set_strides(projected *p)
{
    gpu_attention_args *a = &p->args;
    const uint32_t width = (uint32_t)p->width, heads = (uint32_t)p->heads, own = a->queries * width,
                   all = a->keys * a->d;
    a->q_batch = own;
    a->q_head = a->d;
    a->q_row = width;
    a->k_first = p->caches ? 0 : heads * a->d;
    a->k_batch = p->caches ? heads * all : own;
    a->k_head = p->caches ? all : a->d;
    a->k_row = p->caches ? a->d : width;
    a->v_first = p->caches ? p->rows.count : 2 * heads * a->d;
    a->v_batch = a->k_batch;
    a->v_head = p->caches ? all : a->dv;
    a->v_row = a->k_row;
    a->y_batch = a->queries * heads * a->dv;
    a->y_head = a->dv;
    a->y_row = heads * a->dv;
}

/* Reads mask_index [B, T] or [B, S, T], which becomes a bias, or attention_bias [1 or B, 1 or N, S, T]. */
static bool read_hidden(const node_view *n, const attention_ms_spec *spec, projected *p)
{
    gpu_tensor t;
    gpu_attention_args *a = &p->args;
    const bool masked = gpu_has(n, IN_MASK);
    a->flags = ATTENTION_LAST | (spec->unidirectional ? ATTENTION_RIGHT : 0);
    p->filter = (float)spec->mask_filter_value;
    if (!masked && !gpu_has(n, IN_SCORE_BIAS))
        return true;
    if ((masked && gpu_has(n, IN_SCORE_BIAS)) || !(fabs(spec->mask_filter_value) < FILTER_MAX) ||
        !gpu_tensor_of(n->graph, n->in[masked ? IN_MASK : IN_SCORE_BIAS], &t) ||
        t.dims[t.rank - 1] != a->keys)
        return false;
    a->flags |= ATTENTION_BIAS;
    a->width = a->keys;
    if (masked) {
        p->masks = t.count;
        a->bias_row = t.rank == 3;
        a->bias_batch = t.rank == 3 ? a->queries : 1;
        return t.dtype == SIB_I32 && (t.rank == 2 || (t.rank == 3 && t.dims[1] == a->queries)) &&
               (size_t)t.dims[0] == p->batches;
    }
    a->bias_row = 1;
    a->bias_head = t.dims[1] == 1 ? 0 : a->queries;
    a->bias_batch = t.dims[0] == 1 ? 0 : (uint32_t)(t.dims[1] * t.dims[2]);
    return t.dtype == (sib_dtype)a->type && !t.wide && t.rank == 4 && t.dims[2] == a->queries &&
           (t.dims[0] == 1 || (size_t)t.dims[0] == p->batches) &&
           (t.dims[1] == 1 || (size_t)t.dims[1] == p->heads);
}

static bool read_projected(const node_view *n, projected *p)
{
    const attention_ms_spec spec = spec_attention_ms(n->node);
    *p = (projected){0};
    if (!n->out[0] || spec.do_rotary || spec.past_present_share_buffer || gpu_has(n, IN_PAST_LENGTH) ||
        !read_product(n, &spec, p) || !read_caches(n, p))
        return false;
    set_strides(p);
    p->args.scale = (float)(spec.scale != 0 ? spec.scale : 1 / sqrt((double)p->args.d));
    return p->args.scale == p->args.scale && read_hidden(n, &spec, p);
}

static bool claims(const node_view *n)
{
    projected p;
    return read_projected(n, &p);
}

/* bias = mask < 1 ? filter : 0 */
static sib_code add_mask(gpu_step *s, const projected *p, gpu_operand bias, sib_error *err)
{
    enum { MASK, ONE, HIDDEN, FILTER, NOTHING, BIAS };
    uint32_t filter, words[CHAIN_CODE + 7 * CHAIN_WORDS] = {0};
    memcpy(&filter, &p->filter, sizeof filter);
    const uint32_t type = p->args.type, code[][7] = {
                                            {CHAIN_LOAD, SIB_I32, SIB_I32, MASK, 1, 0, 0},
                                            {CHAIN_VALUE, SIB_I32, SIB_I32, ONE, 1, 0, 0},
                                            {CHAIN_LESS, SIB_I32, SIB_BOOL, HIDDEN, MASK, ONE, 0},
                                            {CHAIN_VALUE, SIB_F32, SIB_F32, FILTER, filter, 0, 0},
                                            {CHAIN_VALUE, SIB_F32, SIB_F32, NOTHING, 0, 0, 0},
                                            {CHAIN_WHERE, SIB_BOOL, type, BIAS, HIDDEN, FILTER, NOTHING},
                                            {CHAIN_STORE, type, type, BIAS, 2, 0, 0},
                                        };
    for (size_t i = 0; i < sizeof code / sizeof *code; i++)
        memcpy(words + CHAIN_CODE + i * CHAIN_WORDS, code[i], sizeof code[i]);
    const gpu_chain_args args = {.count = (uint32_t)p->masks, .instructions = sizeof code / sizeof *code};
    gpu_operand operands[] = {{0}, {GPU_IN, IN_MASK, 0}, bias};
    sib_code made = gpu_words(s, words, sizeof words / sizeof *words, &operands[0], err);
    return made == SIB_OK ? gpu_add_line(s, GPU_chain, 3, operands, &args,
                                         size_ceil_div(p->masks, CHAIN_THREADS * CHAIN_ELEMENTS), err)
                          : made;
}

/* Writes the keys or values, half i of output 1. */
static sib_code add_half(gpu_step *s, const projected *p, uint32_t i, gpu_operand all, sib_error *err)
{
    gpu_cache_args rows = p->rows;
    const gpu_operand past = rows.past ? (gpu_operand){GPU_IN, IN_PAST, 0} : all;
    const gpu_operand operands[] = {all, past, {GPU_OUT, 1, 0}, all, all, all, all};
    rows.first = (1 + i) * (uint32_t)p->heads * rows.d;
    rows.past_first = i * (uint32_t)(p->batches * p->heads) * rows.past * rows.d;
    rows.y_first = i * rows.count;
    return gpu_add_line(s, GPU_cache, 7, operands, &rows,
                        size_ceil_div(rows.count, CACHE_THREADS * CACHE_ELEMENTS), err);
}

static sib_code plan(const node_view *n, gpu_step *s, sib_error *err)
{
    projected p;
    read_projected(n, &p);
    const size_t per_word = p.args.type == SIB_F32 ? 1 : 2;
    const gpu_operand x = {GPU_IN, IN_X, 0};
    const gpu_operand all = gpu_scratch(s, size_ceil_div((size_t)p.product.m * p.product.n, per_word));
    gpu_operand bias = {GPU_IN, gpu_has(n, IN_SCORE_BIAS) ? IN_SCORE_BIAS : IN_X, 0};
    const gpu_operand product[] = {
        x, {GPU_IN, IN_W, 0}, all, x, x, {GPU_IN, gpu_has(n, IN_BIAS) ? IN_BIAS : IN_X, 0}};
    sib_code code = gpu_is_matvec(&p.product, 1) ? gpu_add_matvec(s, &p.product, product, 1, err)
                                                 : gpu_add(s, GPU_matmul, 6, product, &p.product,
                                                           size_ceil_div(p.product.n, TILE_SIDE),
                                                           size_ceil_div(p.product.m, TILE_SIDE), 1, err);
    for (uint32_t i = 0; i < 2 && p.caches && code == SIB_OK; i++)
        code = add_half(s, &p, i, all, err);
    if (p.masks && code == SIB_OK) {
        bias = gpu_scratch(s, size_ceil_div(p.masks, per_word));
        code = add_mask(s, &p, bias, err);
    }
    const gpu_operand kv = p.caches ? (gpu_operand){GPU_OUT, 1, 0} : all;
    const gpu_operand operands[] = {all, kv, kv, x, x, bias, {GPU_OUT, 0, 0}, x};
    return code == SIB_OK ? gpu_add_attention(s, p.args, operands, p.batches, err) : code;
}

const gpu_op gpu_projected_attention = {.claims = claims, .plan = plan, .takes_empty = true};
