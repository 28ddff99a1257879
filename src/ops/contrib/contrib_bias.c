/* com.microsoft: relative position biases, and attention on packed tokens (batches without padding). */
#include "ops/attention/attention_ms.h"

#include <math.h>

/* ---- Relative positions -------------------------------------------------------------------------------- */

/* The bucket of a distance n >= 0: n below `exact`, logarithmic from there to max_distance. */
static mval bucket_of(lowering *l, mval n, int64_t buckets, int64_t max_distance)
{
    int64_t exact = buckets / 2;
    mval limit = m_scalar_int(l, SIB_I64, exact), last = m_scalar_int(l, SIB_I64, buckets - 1);
    /* in float32, as in the original model, since that decides where the bucket boundaries fall */
    mval ratio = m_div(l, m_cast(l, m_max(l, n, limit), SIB_F32), m_scalar(l, SIB_F32, (double)exact));
    mval step = m_div(l, m_log(l, ratio), m_scalar(l, SIB_F32, log((double)max_distance / (double)exact)));
    mval far = m_cast(l, m_mul_number(l, step, (double)(buckets - exact)), SIB_I64);
    return m_where(l, m_less(l, n, limit), n, m_min(l, m_add(l, limit, far), last));
}

/* out[0, h, i, j] = table[bucket(j - i), h]; the table is stored head by head. T5's relative positions:
   Raffel et al. 2020. com.microsoft RelativePositionBias-1. */
void lower_MS_RelativePositionBias(lowering *l, const node *n)
{
    position_bias_spec spec = spec_position_bias(n);
    mval table = l_in(l, 0);
    bool both = spec.is_bidirectional;
    dim rows = DIM_NONE, columns = DIM_NONE, heads = m_dim(l, table, 1), known[4] = {d_const(l, 1), heads};
    l_declare(l, 0, m_dtype(l, table), 4, known);
    m_elements(l, l_in(l, 1), &rows, 1);
    m_elements(l, l_in(l, 2), &columns, 1);
    known[2] = rows;
    known[3] = columns;
    l_declare(l, 0, m_dtype(l, table), 4, known);
    int64_t buckets = m_size(l, table, 0), distance = spec.max_distance;
    int64_t half = both ? buckets / 2 : buckets;
    if (l_ok(l) && (half < 2 || distance <= half / 2)) {
        l_fail(l, SIB_ERR_ARGUMENT, "%lld buckets for distances up to %lld", (long long)buckets,
               (long long)distance);
        return;
    }
    mval zero = m_scalar_int(l, SIB_I64, 0);
    mval back = attention_distance(l, rows, columns, zero); /* i - j */
    mval bucket = bucket_of(l, both ? m_abs(l, back) : m_max(l, back, zero), half, distance);
    if (both) { /* keys ahead use the second half of the buckets */
        mval ahead = m_cast(l, m_less(l, back, zero), SIB_I64);
        bucket = m_add(l, bucket, m_mul(l, ahead, m_scalar_int(l, SIB_I64, half)));
    }
    dim by_head[2] = {heads, d_const(l, buckets)};
    mval out = m_gather(l, m_reshape(l, table, 2, by_head), bucket, 1); /* [N, S, T] */
    l_out(l, 0, m_unsqueeze(l, out, 0));
}

/* (gate_u (gate_r eco_a - 1) + 2) * rel_pos; the gates are sigmoids of sums over halves of (query + bias) W +
   b. com.microsoft GatedRelativePositionBias-1. */
void lower_MS_GatedRelativePositionBias(lowering *l, const node *n)
{
    if (l_has(l, 6)) {
        l_fail(l, SIB_ERR_UNSUPPORTED, "token_offset (packed tokens) is not supported");
        return;
    }
    mval q = attention_split_heads(l, m_add(l, l_in(l, 0), l_in(l, 1)), spec_position_bias(n).num_heads);
    dim flat[2], dims[5];
    for (int i = 0; i < 3; i++)
        dims[i] = m_dim(l, q, i);
    flat[0] = d_product(l, 3, dims);
    flat[1] = m_dim(l, q, 3);
    mval gates = m_add(l, m_matmul(l, m_reshape(l, q, 2, flat), l_in(l, 3)), l_in(l, 4)); /* [B N S, D] */
    dims[3] = d_const(l, 2);
    dims[4] = d_floor_div(l, m_dim(l, gates, 1), dims[3]);
    gates = m_sigmoid(l, m_reduce_axis(l, MILLI_reduce_sum, m_reshape(l, gates, 5, dims), 4, DROP_DIMS));
    mval u = m_slice_numbers(l, gates, 3, 0, 1), r = m_slice_numbers(l, gates, 3, 1, 1); /* [B, N, S, 1] */
    mval gate = m_add_number(l, m_mul(l, u, m_add_number(l, m_mul(l, r, l_in(l, 5)), -1)), 2);
    l_out(l, 0, m_mul(l, gate, l_in(l, 2)));
}

/* ---- Packed tokens ------------------------------------------------------------------------------------- */

/* Positions of packed tokens: B sequences of at most S tokens, one after the other. */
typedef struct packing {
    mval offset; /* [B, S] int64: indices of the tokens in the padded batch, then those of the padding */
    mval begin;  /* [B + 1] int64: index of the first token of each sequence */
    dim batch, steps, tokens;
} packing;

static packing packing_of(lowering *l, size_t offsets, size_t begins, mval tokens)
{
    packing p = {.offset = m_cast(l, l_in(l, offsets), SIB_I64),
                 .begin = m_cast(l, l_in(l, begins), SIB_I64)};
    p.batch = m_dim(l, p.offset, 0);
    p.steps = m_dim(l, p.offset, 1);
    p.tokens = m_dim(l, tokens, 0);
    return p;
}

static mval packed_lengths(lowering *l, const packing *p)
{
    mval end = m_slice(l, p->begin, 0, d_const(l, 1), p->batch, 1);
    return m_sub(l, end, m_slice(l, p->begin, 0, d_const(l, 0), p->batch, 1));
}

/* Packed x [tokens, width] as [B, S, width]; padding holds arbitrary tokens. */
static mval unpacked(lowering *l, const packing *p, mval x)
{
    mval first = m_slice(l, p->begin, 0, d_const(l, 0), p->batch, 1);
    mval at = m_add(l, m_unsqueeze(l, first, 1), m_iota(l, SIB_I64, p->steps)); /* [B, S] */
    mval last = m_dim_scalar(l, d_sub(l, p->tokens, d_const(l, 1)));
    return m_gather(l, x, m_min(l, at, last), 0);
}

/* Padded y [B, S, width] as packed tokens [tokens, width]. */
static mval packed(lowering *l, const packing *p, mval y)
{
    mval at = m_slice(l, m_flatten(l, p->offset, 0, 2), 0, d_const(l, 0), p->tokens, 1);
    return m_gather(l, m_flatten(l, y, 0, 2), at, 0);
}

static void attend_packed(lowering *l, const node *n, const packing *p, const mval part[3], size_t bias)
{
    mval heads[3];
    for (int i = 0; i < 3; i++)
        heads[i] = attention_split_heads(l, unpacked(l, p, part[i]), spec_attention_ms(n).num_heads);
    ms_scores s = ms_scores_of(n);
    s.mask = packed_lengths(l, p);
    s.bias = l_in_or_none(l, bias);
    l_out(l, 0, packed(l, p, attention_merge_heads(l, ms_attend(l, heads[0], heads[1], heads[2], &s, NULL))));
}

/* com.microsoft Attention on packed tokens. com.microsoft PackedAttention-1. */
void lower_MS_PackedAttention(lowering *l, const node *n)
{
    spec_ints sizes = spec_attention_ms(n).qkv_hidden_sizes;
    mval all = m_add(l, m_matmul(l, l_in(l, 0), l_in(l, 1)), l_in(l, 2)), part[3]; /* [tokens, q + k + v] */
    packing p = packing_of(l, 3, 4, all);
    dim start = d_const(l, 0);
    for (size_t i = 0; i < 3; i++) {
        dim width = sizes.n == 3 ? d_const(l, sizes.v[i]) : d_floor_div(l, m_dim(l, all, 1), d_const(l, 3));
        part[i] = m_slice(l, all, 1, start, width, 1);
        start = d_add(l, start, width);
    }
    attend_packed(l, n, &p, part, 5);
}

/* com.microsoft MultiHeadAttention on packed tokens. com.microsoft PackedMultiHeadAttention-1. */
void lower_MS_PackedMultiHeadAttention(lowering *l, const node *n)
{
    mval part[3], bias = l_in_or_none(l, 3);
    for (size_t i = 0; i < 3; i++)
        part[i] = l_in_or_none(l, i);
    if (m_rank(l, part[0]) == 4) { /* [tokens, N, 3, D] */
        mval all = part[0];
        for (int i = 0; i < 3; i++)
            part[i] = m_flatten(l, m_squeeze(l, m_slice_numbers(l, all, 2, i, 1), 2), 1, 3);
    }
    dim start = d_const(l, 0);
    for (int i = 0; i < 3; i++) {
        dim width = m_dim(l, part[i], 1);
        part[i] = attention_add_bias(l, part[i], ms_bias_part(l, bias, start, width));
        start = d_add(l, start, width);
    }
    packing p = packing_of(l, 4, 5, part[0]);
    attend_packed(l, n, &p, part, 6);
}

/* Packs X [B, S, width]. Outputs: the tokens; the index of each in X followed by the indices of the
   padding, [B, S]; the index of each sequence's first token, [B + 1]; the max length. com.microsoft
   RemovePadding-1. */
void lower_MS_RemovePadding(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0), count = m_cast(l, l_in(l, 1), SIB_I64); /* [B] */
    dim batch = m_dim(l, x, 0), steps = m_dim(l, x, 1), total = DIM_NONE;
    dim tokens[2] = {DIM_NONE, m_dim(l, x, 2)}, places[2] = {batch, steps}, begins[1] = {DIM_NONE};
    begins[0] = d_add(l, batch, d_const(l, 1));
    l_declare(l, 0, m_dtype(l, x), 2, tokens);
    l_declare(l, 1, SIB_I32, 2, places);
    l_declare(l, 2, SIB_I32, 1, begins);
    l_declare(l, 3, SIB_I32, 1, (dim[]){d_const(l, 1)});
    mval padding = m_less_equal(l, m_unsqueeze(l, count, 1), m_iota(l, SIB_I64, steps)); /* [B, S] */
    mval order = MVAL_NONE;
    m_sort(l, m_cast(l, m_flatten(l, padding, 0, 2), SIB_I64), 0, false, &order); /* stable: tokens first */
    m_elements(l, m_reduce(l, MILLI_reduce_sum, count, 0, NULL, DROP_DIMS), &total, 1);
    mval zero = m_int64s(l, 1, (int64_t[]){0});
    mval ends = m_concat(l, 2, (mval[]){zero, m_cumulative(l, MILLI_cumulative_sum, count, 0)}, 0);
    mval longest = m_unsqueeze(l, m_reduce(l, MILLI_reduce_max, count, 0, NULL, DROP_DIMS), 0);
    l_out(l, 0, m_gather(l, m_flatten(l, x, 0, 2), m_slice(l, order, 0, d_const(l, 0), total, 1), 0));
    l_out(l, 1, m_cast(l, m_reshape(l, order, 2, places), SIB_I32));
    l_out(l, 2, m_cast(l, ends, SIB_I32));
    l_out(l, 3, m_cast(l, longest, SIB_I32));
}

/* Unpacks tokens [tokens, width] to [B, S, width], padded with zeros. com.microsoft RestorePadding-1. */
void lower_MS_RestorePadding(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0), offset = m_cast(l, l_in(l, 1), SIB_I64);
    dim tokens = m_dim(l, x, 0), width = m_dim(l, x, 1);
    dim flat[2] = {d_mul(l, m_dim(l, offset, 0), m_dim(l, offset, 1)), width};
    dim out[3] = {m_dim(l, offset, 0), m_dim(l, offset, 1), width};
    mval at = m_slice(l, m_flatten(l, offset, 0, 2), 0, d_const(l, 0), tokens, 1);
    mval y = m_scatter_nd(l, m_filled(l, m_scalar_like(l, x, 0), 2, flat), m_unsqueeze(l, at, 1), x, "none");
    l_out(l, 0, m_reshape(l, y, 3, out));
}
