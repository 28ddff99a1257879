/* Attention, and MultiHeadAttention of com.microsoft, as launches of the kernel `attention`, and of `layout` for the
   caches that they give. */
#include "backend/gpu/attention.h"

#include <math.h>
#include <string.h>

enum { IN_Q, IN_K, IN_V };

/* Numbers of the other inputs; SIZE_MAX: the operator has none. */
typedef struct attention_inputs {
    size_t mask, past_key, past_value, lengths;
} attention_inputs;
static const attention_inputs own_inputs = {3, 4, 5, 6}, microsoft_inputs = {5, 6, 7, SIZE_MAX};
/* Of MultiHeadAttention: what is added to the projections, hides keys, or makes the past a buffer. */
enum { MHA_BIAS = 3, MHA_HIDDEN = 4, MHA_LENGTH = 8, MHA_CACHE = 9 };

/* Heads in an input: element (b, h, i, p) is at b * batch + h * head + i * row + p. */
typedef struct heads {
    int64_t b, h, n, d;
    uint32_t batch, head, row;
} heads;

/* Reads input k, [B, H, S, D] or [B, S, H * D]. */
static bool read_heads(const node_view *n, size_t k, int64_t count, heads *out)
{
    gpu_tensor t;
    if (!gpu_has(n, k) || !gpu_tensor_of(n->graph, n->in[k], &t) || t.wide || !gpu_is_float(t.dtype) ||
        t.dtype != n->in[IN_Q]->type.dtype ||
        (t.rank != 4 && (t.rank != 3 || count < 1 || t.dims[2] % count)))
        return false;
    const bool packed = t.rank == 3;
    *out = (heads){t.dims[0], packed ? count : t.dims[1], t.dims[packed ? 1 : 2],
                   packed ? t.dims[2] / count : t.dims[3], .batch = (uint32_t)(t.count / (size_t)t.dims[0])};
    out->row = (uint32_t)t.dims[t.rank - 1];
    out->head = (uint32_t)(packed ? out->d : out->n * out->d);
    return true;
}

/* What the node is, read once to claim and once to plan. */
typedef struct attending {
    attention_inputs in;
    heads q, k, v, past_k, past_v;
    gpu_attention_args args;
} attending;

/* Reads attn_mask, whose dims broadcast to [B, Hq, S, keys]; where it is padded it may have fewer keys. */
static bool read_mask(const node_view *n, attending *a)
{
    gpu_tensor t;
    int64_t dims[4] = {1, 1, 1, 1};
    const int64_t want[3] = {a->q.b, a->q.h, a->q.n}, keys = (int64_t)a->args.past + a->k.n;
    uint32_t *const steps[3] = {&a->args.bias_batch, &a->args.bias_head, &a->args.bias_row}, rows = 1;
    const bool padded = n->node->version >= 24;
    if (!gpu_tensor_of(n->graph, n->in[a->in.mask], &t) || t.wide || t.rank < 1 || t.rank > 4 ||
        (t.dtype != SIB_BOOL && t.dtype != (sib_dtype)a->args.type))
        return false;
    memcpy(dims + 4 - t.rank, t.dims, t.rank * sizeof *dims);
    for (size_t i = 3; i-- > 0; rows *= (uint32_t)dims[i]) {
        if (dims[i] != 1 && dims[i] != want[i])
            return false;
        *steps[i] = dims[i] == 1 ? 0 : rows;
    }
    a->args.width = (uint32_t)dims[3];
    a->args.flags |=
        ATTENTION_BIAS | (t.dtype == SIB_BOOL ? ATTENTION_BOOL : 0) | (padded ? ATTENTION_PADDED : 0);
    return dims[3] == keys || (padded ? dims[3] < keys : dims[3] == 1);
}

/* Reads everything that hides keys from queries. */
static bool read_hidden(const node_view *n, const attention_spec *spec, attending *a)
{
    gpu_tensor t;
    const int64_t left = spec->left_window_size, right = spec->is_causal ? 0 : spec->right_window_size;
    if (left > INT32_MAX / 2 || right > INT32_MAX / 2)
        return false;
    a->args.left = (int32_t)left;
    a->args.right = (int32_t)right;
    a->args.flags |= (left >= 0 ? ATTENTION_LEFT : 0) | (right >= 0 ? ATTENTION_RIGHT : 0) |
                     (gpu_has(n, a->in.lengths) ? ATTENTION_LENGTHS : 0) |
                     (a->in.lengths == SIZE_MAX ? 0 : ATTENTION_EMPTY); /* Attention alone says so */
    if (gpu_has(n, a->in.lengths) && (!gpu_tensor_of(n->graph, n->in[a->in.lengths], &t) ||
                                      t.dtype != SIB_I64 || t.rank != 1 || t.dims[0] != a->q.b))
        return false;
    return !gpu_has(n, a->in.mask) || read_mask(n, a);
}

static void set_numbers(const node_view *n, const attention_spec *spec, attending *a)
{
    const bool packed = n->in[IN_Q]->type.shape.rank == 3;
    const heads *q = &a->q, *k = &a->k, *v = &a->v;
    a->args = (gpu_attention_args){
        .type = n->in[IN_Q]->type.dtype,
        .heads = (uint32_t)(q->h / k->h),
        .queries = (uint32_t)q->n,
        .keys = (uint32_t)k->n,
        .past = gpu_has(n, a->in.past_key) ? (uint32_t)a->past_k.n : 0,
        .d = (uint32_t)q->d,
        .dv = (uint32_t)v->d,
        .q_batch = q->batch,
        .q_head = q->head,
        .q_row = q->row,
        .k_batch = k->batch,
        .k_head = k->head,
        .k_row = k->row,
        .v_batch = v->batch,
        .v_head = v->head,
        .v_row = v->row,
        .y_batch = (uint32_t)(q->h * q->n * v->d),
        .y_head = (uint32_t)(packed ? v->d : q->n * v->d),
        .y_row = (uint32_t)(packed ? q->h * v->d : v->d),
        .kv_heads = (uint32_t)k->h,
        .scale = (float)(isnan(spec->scale) ? 1 / sqrt((double)q->d) : spec->scale),
        .softcap = (float)spec->softcap,
    };
}

/* The description of the node as that of Attention. Returns false where it is not. */
static bool read_spec(const node_view *n, attending *a, attention_spec *spec)
{
    const bool own = !n->node->domain.length;
    a->in = own ? own_inputs : microsoft_inputs;
    if (own) {
        *spec = spec_attention(n->node);
        return !spec->score_mod && !spec->prob_mod &&
               (!spec->softmax_precision || spec->softmax_precision == SIB_F32);
    }
    const attention_ms_spec given = spec_attention_ms(n->node);
    *spec = (attention_spec){.q_num_heads = given.num_heads,
                             .kv_num_heads = given.num_heads,
                             .is_causal = given.unidirectional,
                             .left_window_size = -1,
                             .right_window_size = -1,
                             .scale = given.scale != 0 ? given.scale : NAN};
    return n->in[IN_Q]->type.shape.rank == 3 && !gpu_has(n, MHA_BIAS) && !gpu_has(n, MHA_HIDDEN) &&
           !gpu_has(n, MHA_LENGTH) && !gpu_has(n, MHA_CACHE);
}

static bool read_attention(const node_view *n, attending *a)
{
    attention_spec spec;
    if (!read_spec(n, a, &spec))
        return false;
    const bool past = gpu_has(n, a->in.past_key);
    const heads *q = &a->q, *k = &a->k, *v = &a->v;
    if (!n->out[0] || (n->n_out > 3 && n->out[3]) || past != gpu_has(n, a->in.past_value) ||
        (past && gpu_has(n, a->in.lengths)) || !read_heads(n, IN_Q, spec.q_num_heads, &a->q) ||
        !read_heads(n, IN_K, spec.kv_num_heads, &a->k) || !read_heads(n, IN_V, spec.kv_num_heads, &a->v))
        return false;
    if (q->b != k->b || q->b != v->b || k->h != v->h || q->h % k->h || k->n != v->n || q->d != k->d)
        return false;
    if (past &&
        (!read_heads(n, a->in.past_key, 0, &a->past_k) || !read_heads(n, a->in.past_value, 0, &a->past_v) ||
         a->past_k.b != q->b || a->past_v.b != q->b || a->past_k.h != k->h || a->past_v.h != k->h ||
         a->past_k.d != k->d || a->past_v.d != v->d || a->past_k.n != a->past_v.n))
        return false;
    set_numbers(n, &spec, a);
    return a->args.scale == a->args.scale && gpu_takes_attention(&a->args, (size_t)q->b) &&
           read_hidden(n, &spec, a);
}

static bool claims(const node_view *n)
{
    attending a;
    return read_attention(n, &a);
}

/* Copies heads into rows [first, first + h->n) of each head of an output [B, H, rows, D]. */
static sib_code add_rows(gpu_step *s, const heads *h, uint32_t type, size_t input, size_t output,
                         size_t first, size_t rows, sib_error *err)
{
    const uint32_t count = (uint32_t)(h->b * h->h * h->n * h->d);
    const uint32_t axes[] = {(uint32_t)h->b, h->batch, (uint32_t)h->h, h->head,
                             (uint32_t)h->n, h->row,   (uint32_t)h->d, 1};
    uint32_t words[LAYOUT_WORDS] = {0};
    for (size_t i = 0; i < 4; i++)
        memcpy(words + 3 * i, axes + 2 * i, 2 * sizeof *axes);
    words[LAYOUT_SOURCE] = count; /* the source as one axis: its strides are steps */
    words[LAYOUT_SOURCE + 1] = 1;
    const gpu_layout_args args = {.count = count,
                                  .shift = type == SIB_F32 ? 0 : 1,
                                  .wide = 1,
                                  .rank = 4,
                                  .source_rank = 1,
                                  .base = (uint32_t)(first * (size_t)h->d),
                                  .row = (uint32_t)(h->n * h->d),
                                  .pitch = (uint32_t)(rows * (size_t)h->d)};
    gpu_operand operands[] = {{0}, {GPU_IN, input, 0}, {GPU_OUT, output, 0}, {GPU_IN, input, 0}};
    sib_code code = gpu_words(s, words, LAYOUT_WORDS, &operands[0], err);
    return code == SIB_OK ? gpu_add_line(s, GPU_layout, 4, operands, &args,
                                         size_ceil_div(count, LAYOUT_THREADS * LAYOUT_ELEMENTS), err)
                          : code;
}

/* Fills output 1 or 2 where it is wanted: past and new keys or values. */
static sib_code add_present(const node_view *n, gpu_step *s, const attending *a, size_t output,
                            sib_error *err)
{
    const heads *own = output == 1 ? &a->k : &a->v, *past = output == 1 ? &a->past_k : &a->past_v;
    const size_t rows = a->args.past + a->args.keys;
    sib_code code = SIB_OK;
    if (output >= n->n_out || !n->out[output])
        return SIB_OK;
    if (a->args.past)
        code = add_rows(s, past, a->args.type, output == 1 ? a->in.past_key : a->in.past_value, output, 0,
                        rows, err);
    return code == SIB_OK ? add_rows(s, own, a->args.type, output, output, a->args.past, rows, err) : code;
}

/* ---- Launches ------------------------------------------------------------------------------------------ */

/* Groups of `attention` that a large device runs at once, four for each of its 132 multiprocessors. */
#define TILE_GROUPS 528

_Static_assert(sizeof(gpu_attention_row_args) == sizeof(gpu_attention_args), "one list of arguments");

static size_t keys_of(const gpu_attention_args *a)
{
    return (size_t)a->past + a->keys;
}

/* Groups of `attention` for a key head. */
static size_t tiles_of(const gpu_attention_args *a)
{
    return size_ceil_div((size_t)a->heads * a->queries, ATTENTION_ROWS) *
           size_ceil_div(a->dv, ATTENTION_COLUMNS);
}

bool gpu_takes_attention(const gpu_attention_args *a, size_t batches)
{
    return (a->type == SIB_F32 || (a->d % 2 == 0 && a->dv % 2 == 0)) && batches <= GPU_MAX_GROUPS &&
           a->kv_heads <= GPU_MAX_GROUPS && tiles_of(a) <= GPU_MAX_GROUPS;
}

/* Keys or values of so many columns that a group of attention_row can have. */
static size_t keys_at_once(const gpu_attention_args *a, size_t columns)
{
    const size_t shift = a->type == SIB_F32 ? 0 : 1;
    const size_t pieces = size_min(size_ceil_div(columns, 16) * 4, ATTENTION_ROW_PIECES);
    return ATTENTION_ROW_THREADS / (pieces >> shift) * (ATTENTION_ROW_LOADS >> shift);
}

/* Keys of a group of attention_row: all where it can have them, so that nothing is to be merged; else as
   many where that leaves two groups for each multiprocessor, or half, since parts cost their writing and reading. */
static size_t row_chunk(const gpu_attention_args *a, size_t groups)
{
    const size_t keys = keys_of(a);
    const size_t most = size_min(size_min(keys_at_once(a, a->d), keys_at_once(a, a->dv)), ATTENTION_ROW_KEYS);
    return keys <= most || groups * size_ceil_div(keys, most) >= TILE_GROUPS / 2 ? most : (most + 1) / 2;
}

/* Whether the rows of a key head are attention_row's: few, of keys and values in pieces of 4 words. */
static bool has_few_rows(const gpu_attention_args *a, size_t batches)
{
    const uint32_t all = a->k_first | a->k_batch | a->k_head | a->k_row | a->d | a->v_first | a->v_batch |
                         a->v_head | a->v_row | a->dv;
    return all % (a->type == SIB_F32 ? 4 : 8) == 0 && (size_t)a->heads * a->queries <= ATTENTION_ROW_ROWS &&
           size_ceil_div(keys_of(a), row_chunk(a, batches * a->kv_heads)) <= GPU_MAX_GROUPS;
}

/* Keys of a group of `attention`: all, or fewer where units would be idle; 64 at least, and whole tiles. */
static size_t tile_chunk(size_t keys, size_t groups, size_t tiles)
{
    const size_t parts = size_min(size_min(TILE_GROUPS / groups, keys / 64), GPU_MAX_GROUPS / tiles);
    return parts < 2 ? 0 : size_ceil_div(size_ceil_div(keys, parts), 32) * 32;
}

static sib_code add_merge(gpu_step *s, const gpu_attention_args *a, gpu_operand parts, size_t n,
                          gpu_operand y, size_t rows, sib_error *err)
{
    const gpu_attention_merge_args args = {.type = a->type,
                                           .rows = (uint32_t)rows,
                                           .heads = a->heads,
                                           .queries = a->queries,
                                           .kv_heads = a->kv_heads,
                                           .dv = a->dv,
                                           .parts = (uint32_t)n,
                                           .empty = a->flags & ATTENTION_EMPTY ? 1 : 0,
                                           .slices =
                                               n < 2 * ATTENTION_MERGE_SLICES ? 1 : ATTENTION_MERGE_SLICES,
                                           .y_batch = a->y_batch,
                                           .y_head = a->y_head,
                                           .y_row = a->y_row};
    const size_t words = a->type == SIB_F32 ? a->dv : a->dv / 2;
    const size_t groups = size_ceil_div(rows, ATTENTION_MERGE_SLICES / args.slices);
    return gpu_add_line(s, GPU_attention_merge, 2, (const gpu_operand[]){parts, y}, &args,
                        groups * size_ceil_div(words, ATTENTION_MERGE_WORDS), err);
}

sib_code gpu_add_attention(gpu_step *s, gpu_attention_args args, const gpu_operand *operands, size_t batches,
                           sib_error *err)
{
    const bool few = has_few_rows(&args, batches);
    const size_t kv = args.kv_heads, rows = batches * kv * args.heads * args.queries, keys = keys_of(&args);
    const size_t tiles = few ? 1 : tiles_of(&args), groups = tiles * kv * batches;
    const size_t chunk = few ? row_chunk(&args, groups) : tile_chunk(keys, groups, tiles);
    const size_t parts = chunk ? size_ceil_div(keys, chunk) : 1;
    gpu_operand made[8];
    memcpy(made, operands, sizeof made);
    if (parts > 1)
        made[6] = gpu_scratch(s, rows * parts * (ATTENTION_PART_V + args.dv));
    args.chunk = (uint32_t)chunk;
    sib_code code =
        gpu_add(s, few ? GPU_attention_row : GPU_attention, 8, made, &args, parts * tiles, kv, batches, err);
    return code == SIB_OK && parts > 1 ? add_merge(s, &args, made[6], parts, operands[6], rows, err) : code;
}

static sib_code plan(const node_view *n, gpu_step *s, sib_error *err)
{
    attending a = {.args = {0}};
    gpu_operand operands[8];
    read_attention(n, &a);
    const size_t inputs[] = {IN_Q, IN_K, IN_V, a.in.past_key, a.in.past_value, a.in.mask, IN_Q, a.in.lengths};
    for (size_t i = 0; i < 8; i++)
        operands[i] = (gpu_operand){GPU_IN, gpu_has(n, inputs[i]) ? inputs[i] : IN_Q, 0};
    operands[6] = (gpu_operand){GPU_OUT, 0, 0};
    sib_code code = add_present(n, s, &a, 1, err);
    if (code == SIB_OK)
        code = add_present(n, s, &a, 2, err);
    return code == SIB_OK ? gpu_add_attention(s, a.args, operands, (size_t)a.q.b, err) : code;
}

const gpu_op gpu_attention = {.claims = claims, .plan = plan, .takes_empty = true};
