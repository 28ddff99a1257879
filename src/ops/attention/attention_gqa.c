/* com.microsoft GroupQueryAttention and SparseAttention: batches of sequences whose pasts have different lengths. */
#include "ops/attention/attention_ms.h"
#include "ops/lower/elem.h"

#include <float.h>
#include <math.h>

enum {
    GQA_QUERY,
    GQA_KEY,
    GQA_VALUE,
    GQA_PAST_KEY,
    GQA_PAST_VALUE,
    GQA_LENGTHS, /* [B] total length of each sequence, less 1 */
    GQA_TOTAL,
    GQA_COS,
    GQA_SIN,
    GQA_POSITIONS,
    GQA_BIAS,
    GQA_SINK,
    GQA_K_SCALE,
    GQA_V_SCALE,
    GQA_Q_NORM,
    GQA_K_NORM
};

/* What SparseAttention has after GQA_PAST_VALUE. */
enum { SPARSE_ROWS = 5, SPARSE_COLUMNS, SPARSE_TOTAL, SPARSE_LENGTHS, SPARSE_COS, SPARSE_SIN };

typedef struct gqa {
    mval q, k, v;            /* [B, N, S, D], [B, Nkv, S, D] */
    mval length;             /* [B] int64: total length of each sequence */
    mval past;               /* [B] int64: valid rows of the past */
    dim batch, fresh, total; /* B, S, and the max total length */
    dim room;                /* rows of present_key and present_value */
    mval positions;          /* [B, S] or [B, 1]; MVAL_NONE: those behind the past */
} gqa;

static mval each_batch(lowering *l, mval v)
{
    dim one = d_const(l, 1), dims[4] = {m_dim(l, v, 0), one, one, one};
    return m_reshape(l, v, 4, dims);
}

/* Sets q, k and v as heads; where key is omitted, the first input holds all three. */
static void read_heads(lowering *l, const node *n, gqa *o)
{
    gqa_spec spec = spec_gqa(n);
    int64_t heads = spec.num_heads, shared = spec.kv_num_heads;
    mval q = l_in(l, GQA_QUERY);
    if (l_has(l, GQA_KEY)) {
        o->q = attention_split_heads(l, q, heads);
        o->k = attention_split_heads(l, l_in(l, GQA_KEY), shared);
        o->v = attention_split_heads(l, l_in(l, GQA_VALUE), shared);
        return;
    }
    mval all = attention_split_heads(l, q, heads + 2 * shared); /* [B, N + 2 * Nkv, S, D] */
    o->q = m_slice_numbers(l, all, 1, 0, heads);
    o->k = m_slice_numbers(l, all, 1, heads, shared);
    o->v = m_slice_numbers(l, all, 1, heads + shared, shared);
}

/* x / sqrt(mean(x^2) + epsilon) * weight over the last axis; x where input `weight` is omitted. */
static mval normed(lowering *l, const node *n, mval x, size_t weight)
{
    static const int64_t last = -1;
    if (!l_has(l, weight))
        return x;
    sib_dtype wide = attention_wide(m_dtype(l, x));
    mval y = m_cast(l, x, wide), mean = m_reduce_mean(l, m_square(l, y), 1, &last, KEEP_DIMS);
    y = m_div(l, y, m_sqrt(l, m_add_number(l, mean, spec_gqa(n).qk_norm_epsilon)));
    return m_cast_like(l, m_mul(l, y, m_cast(l, l_in(l, weight), wide)), x);
}

/* Positions of the queries: [B, S] int64. A position_ids of one column gives the first query's position. */
static mval query_positions(lowering *l, const gqa *o)
{
    if (o->positions.id != NO_VALUE) {
        dim both[2] = {o->batch, o->fresh};
        mval given = o->positions;
        if (dim_same(m_dim(l, given, -1), o->fresh))
            return m_expand(l, given, 2, both);
        return m_add(l, m_expand(l, given, 2, both), m_iota(l, SIB_I64, o->fresh));
    }
    return m_add(l, m_unsqueeze(l, o->past, 1), m_iota(l, SIB_I64, o->fresh));
}

static void rotate_heads(lowering *l, const node *n, gqa *o, size_t cos, size_t sin)
{
    gqa_spec spec = spec_gqa(n);
    if (!spec.do_rotary)
        return;
    bool interleaved = spec.rotary_interleaved;
    mval positions = query_positions(l, o), cosine = l_in(l, cos), sine = l_in(l, sin);
    dim rotated = d_mul(l, m_dim(l, cosine, 1), d_const(l, 2));
    cosine = m_unsqueeze(l, m_gather(l, cosine, positions, 0), 1); /* [B, 1, S, R / 2] */
    sine = m_unsqueeze(l, m_gather(l, sine, positions, 0), 1);
    o->q = attention_rotate(l, o->q, cosine, sine, rotated, interleaved);
    o->k = attention_rotate(l, o->k, cosine, sine, rotated, interleaved);
}

/* present [B, Nkv, room, D]: for each sequence its valid past rows, then the new ones, then zeros. */
static mval presented(lowering *l, const gqa *o, size_t past, mval fresh)
{
    mval rows = m_swap(l, fresh, 1, 2); /* [B, S, Nkv, D] */
    dim old = d_const(l, 0), one = d_const(l, 1);
    if (l_has(l, past)) {
        mval before = m_swap(l, l_in(l, past), 1, 2);
        old = m_dim(l, before, 1);
        rows = m_concat(l, 2, (mval[]){before, rows}, 1);
    }
    mval at = m_iota(l, SIB_I64, o->room), used = m_unsqueeze(l, o->past, 1); /* [room], [B, 1] */
    mval is_old = m_less(l, at, used);
    mval is_new = m_less(l, at, m_add(l, used, m_dim_scalar(l, o->fresh)));
    mval from_new = m_add(l, m_sub(l, at, used), m_dim_scalar(l, old));
    mval zero = m_scalar_int(l, SIB_I64, 0);
    mval index = m_where(l, is_old, at, m_where(l, is_new, from_new, zero)); /* [B, room] */
    dim column[3] = {o->batch, o->room, one}, mask[4] = {o->batch, one, o->room, one};
    mval picked = m_swap(l, m_gather_nd(l, rows, m_reshape(l, index, 3, column), 1), 1, 2);
    return m_where(l, m_reshape(l, is_new, 4, mask), picked, m_scalar_like(l, picked, 0));
}

/* bool [B, 1, S, room]: true for the keys that a query must not see. */
static mval hidden_keys(lowering *l, const node *n, const gqa *o)
{
    gqa_spec spec = spec_gqa(n);
    int64_t window = spec.local_window_size;
    mval zero = m_scalar_int(l, SIB_I64, 0);
    if (!spec.causal)
        return m_less_equal(l, each_batch(l, o->length), m_iota(l, SIB_I64, o->room));
    mval distance = attention_distance(l, o->fresh, o->room, each_batch(l, o->past));
    mval hidden = m_less(l, distance, zero);
    return window < 0 ? hidden : m_or(l, hidden, m_less(l, m_scalar_int(l, SIB_I64, window - 1), distance));
}

/* attention_bias [.., S, total] as [.., S, room]; the added columns are hidden anyway. */
static mval bias_in_room(lowering *l, const gqa *o, sib_dtype dtype)
{
    mval bias = m_cast(l, l_in(l, GQA_BIAS), dtype);
    return m_pad_axis(l, bias, -1, d_const(l, 0), d_sub(l, o->room, m_dim(l, bias, -1)), MVAL_NONE);
}

/* The sink of attention_softmax: head_sink [N] as [1, N, 1, 1]; 0 with smooth_softmax; else MVAL_NONE. */
static mval sink_of(lowering *l, const node *n, sib_dtype dtype)
{
    if (l_has(l, GQA_SINK)) {
        mval sink = m_cast(l, l_in(l, GQA_SINK), dtype);
        return m_unsqueeze(l, m_unsqueeze(l, m_unsqueeze(l, sink, 0), 2), 3);
    }
    return spec_gqa(n).smooth_softmax > 0 ? m_scalar(l, dtype, 0) : MVAL_NONE;
}

static void attend(lowering *l, const node *n, const gqa *o, mval keys, mval values)
{
    gqa_spec spec = spec_gqa(n);
    sib_dtype dtype = m_dtype(l, o->q), wide = attention_wide(dtype);
    double given = spec.scale;
    mval scale = attention_scale(l, given != 0 ? given : NAN, wide, m_dim(l, o->q, 3), false);
    mval scores = attention_matmul(l, m_cast(l, o->q, wide), m_swap(l, m_cast(l, keys, wide), 2, 3));
    scores = attention_softcap(l, m_mul(l, scores, scale), spec.softcap);
    if (l_has(l, GQA_BIAS))
        scores = m_add(l, scores, bias_in_room(l, o, wide));
    mval hidden = hidden_keys(l, n, o), open = m_where(l, hidden, m_scalar(l, wide, -INFINITY), scores);
    mval p = attention_softmax(l, open, sink_of(l, n, wide));
    int64_t shown = spec.qk_output;
    mval seen = shown == 2 ? p : m_where(l, hidden, m_scalar(l, wide, 0), scores);
    l_out(l, 0, m_cast(l, attention_merge_heads(l, attention_matmul(l, p, m_cast(l, values, wide))), dtype));
    if (l_wants(l, 3))
        l_out(l, 3, m_cast(l, m_slice(l, seen, 3, d_const(l, 0), o->total, 1), dtype));
}

static bool refused(lowering *l, const node *n)
{
    gqa_spec spec = spec_gqa(n);
    bool packed = !str_is(spec.k_quant_type, "NONE") || !str_is(spec.v_quant_type, "NONE") ||
                  l_has(l, GQA_K_SCALE) || l_has(l, GQA_V_SCALE);
    bool window = spec.sliding_window_cache;
    if (packed || window)
        l_fail(l, SIB_ERR_UNSUPPORTED, "%s is not supported",
               packed ? "a quantized cache" : "sliding_window_cache");
    return packed || window;
}

/* Q and K rotated by their positions; softmax(softcap(scale Q K^T) + bias) V over the keys up to each query's
   own, within local_window_size. Each sequence's past is prepended to its K and V. com.microsoft
   GroupQueryAttention-1. */
void lower_MS_GroupQueryAttention(lowering *l, const node *n)
{
    sib_dtype dtype = m_dtype(l, l_in(l, GQA_QUERY));
    for (size_t i = 0; i < 4; i++)
        l_declare(l, i, dtype, 0, NULL);
    if (refused(l, n))
        return;
    gqa o = {.total = DIM_NONE, .positions = l_in_or_none(l, GQA_POSITIONS)};
    read_heads(l, n, &o);
    o.batch = m_dim(l, o.q, 0);
    o.fresh = m_dim(l, o.q, 2);
    dim y[3] = {o.batch, o.fresh, d_mul(l, m_dim(l, o.q, 1), m_dim(l, o.v, 3))};
    dim present[4] = {o.batch, m_dim(l, o.k, 1), DIM_NONE, m_dim(l, o.k, 3)};
    l_declare(l, 0, dtype, 3, y);
    l_declare(l, 1, dtype, 4, present);
    l_declare(l, 2, dtype, 4, present);
    mval total = m_reshape(l, m_cast(l, l_in(l, GQA_TOTAL), SIB_I64), 0, NULL);
    m_elements(l, total, &o.total, 1);
    o.room = l_has(l, GQA_PAST_KEY) ? d_max(l, m_dim(l, l_in(l, GQA_PAST_KEY), 2), o.total) : o.total;
    dim list[1] = {o.batch};
    o.length = m_reshape(l, m_add_number(l, m_cast(l, l_in(l, GQA_LENGTHS), SIB_I64), 1), 1, list);
    mval excess = m_sub(l, o.length, m_dim_scalar(l, o.fresh));
    /* without past rows, shorter sequences of the batch are padded at their end */
    mval first = m_equal(l, m_dim_scalar(l, o.fresh), total), zero = m_scalar_int(l, SIB_I64, 0);
    /* lengths that the caches do not have are cut to theirs */
    mval spare = m_sub(l, m_dim_scalar(l, o.room), m_dim_scalar(l, o.fresh));
    dim cached = l_has(l, GQA_PAST_KEY) ? m_dim(l, l_in(l, GQA_PAST_KEY), 2) : d_const(l, 0);
    mval held = m_min(l, m_dim_scalar(l, cached), spare);
    o.past = m_where(l, first, zero, m_max(l, zero, m_min(l, excess, held)));
    o.q = normed(l, n, o.q, GQA_Q_NORM);
    o.k = normed(l, n, o.k, GQA_K_NORM);
    rotate_heads(l, n, &o, GQA_COS, GQA_SIN);
    mval keys = presented(l, &o, GQA_PAST_KEY, o.k), values = presented(l, &o, GQA_PAST_VALUE, o.v);
    l_out(l, 1, keys);
    l_out(l, 2, values);
    attend(l, n, &o, keys, values);
}

/* ---- Blocks of keys -------------------------------------------------------------------------------------- */

/* bool [L, R, R]: which of R blocks of keys each block of queries sees, from block_row_indices [L, R + 1] and
   block_col_indices [L, n]. Columns out of range, and those behind the last row, count for nothing. */
static mval block_mask(lowering *l, mval rows, mval columns)
{
    dim layouts = m_dim(l, rows, 0), n = m_dim(l, columns, 1), one = d_const(l, 1), ends = m_dim(l, rows, 1);
    dim room[2] = {layouts, d_add(l, n, one)}, each[3] = {layouts, ends, one}, all[3] = {layouts, n, one};
    mval zero = m_scalar_int(l, SIB_I64, 0), last = m_dim_scalar(l, d_sub(l, ends, one));
    mval layout = m_reshape(l, m_iota(l, SIB_I64, layouts), 3, (dim[]){layouts, one, one});
    mval begin = m_clamp(l, m_unsqueeze(l, m_cast(l, rows, SIB_I64), 2), zero, m_dim_scalar(l, n));
    mval place = m_concat(l, 2, (mval[]){m_expand(l, layout, 3, each), begin}, 2);
    mval ones = m_filled(l, m_scalar_int(l, SIB_I64, 1), 2, each);
    mval begun = m_scatter_nd(l, m_filled(l, zero, 2, room), place, ones, "add");
    mval passed = m_cumulative(l, MILLI_cumulative_sum, m_slice(l, begun, 1, d_const(l, 0), n, 1), 1);
    mval row = m_add_number(l, passed, -1), column = m_cast(l, columns, SIB_I64);
    row = m_where(l, m_less(l, row, zero), last, row);
    mval fits = m_and(l, m_less_equal(l, zero, column), m_less(l, column, last));
    column = m_where(l, fits, column, last);
    mval at[3] = {m_expand(l, layout, 3, all), m_unsqueeze(l, row, 2), m_unsqueeze(l, column, 2)};
    mval none = m_filled(l, m_scalar_int(l, SIB_BOOL, 0), 3, (dim[]){layouts, ends, ends});
    mval seen = m_filled(l, m_scalar_int(l, SIB_BOOL, 1), 2, all);
    mval mask = m_scatter_nd(l, none, m_concat(l, 3, at, 2), seen, "none");
    dim blocks = d_sub(l, ends, one);
    return m_slice(l, m_slice(l, mask, 1, d_const(l, 0), blocks, 1), 2, d_const(l, 0), blocks, 1);
}

/* bool [B, N, S, room]: which keys a query's blocks show it. Heads have the L layouts in alternation. */
static mval seen_keys(lowering *l, const node *n, const gqa *o)
{
    gqa_spec spec = spec_gqa(n);
    mval rows = l_in(l, SPARSE_ROWS), size = m_scalar_int(l, SIB_I64, spec.sparse_block_size);
    mval mask = block_mask(l, rows, l_in(l, SPARSE_COLUMNS));
    int64_t layouts = m_size(l, rows, 0);
    if (l_ok(l) && (layouts < 1 || spec.num_heads % layouts))
        return l_fail(l, SIB_ERR_ARGUMENT, "%lld layouts do not divide %lld heads", (long long)layouts,
                      (long long)spec.num_heads);
    if (!l_ok(l))
        return MVAL_NONE;
    mval last = m_add_number(l, m_dim_scalar(l, m_dim(l, mask, 1)), -1);
    mval query = m_min(l, m_div(l, query_positions(l, o), size), last);
    mval key = m_min(l, m_div(l, m_iota(l, SIB_I64, o->room), size), last);
    mval seen = m_gather(l, m_gather(l, mask, query, 1), key, 3); /* [L, B, S, room] */
    dim apart[5] = {o->batch, d_const(l, spec.num_heads / layouts), d_const(l, layouts), o->fresh, o->room};
    dim joined[4] = {o->batch, d_const(l, spec.num_heads), o->fresh, o->room};
    mval wide = m_expand(l, m_unsqueeze(l, m_swap(l, seen, 0, 1), 1), 5, apart);
    return m_reshape(l, wide, 4, joined);
}

/* A cache [B, Nkv, room, D] with the new rows behind the past of each sequence. */
static mval cached(lowering *l, const gqa *o, mval cache, mval fresh)
{
    dim one = d_const(l, 1), column[3] = {o->batch, o->room, one}, mask[4] = {o->batch, one, o->room, one};
    mval zero = m_scalar_int(l, SIB_I64, 0), last = m_dim_scalar(l, d_sub(l, o->fresh, one));
    mval at = m_sub(l, m_iota(l, SIB_I64, o->room), m_unsqueeze(l, o->past, 1)); /* [B, room] */
    mval is_new = m_and(l, m_less_equal(l, zero, at), m_less_equal(l, at, last));
    mval index = m_reshape(l, m_clamp(l, at, zero, last), 3, column);
    mval rows = m_swap(l, m_gather_nd(l, m_swap(l, fresh, 1, 2), index, 1), 1, 2);
    return m_where(l, m_reshape(l, is_new, 4, mask), rows, cache);
}

/* GroupQueryAttention over the keys in the blocks that the layout of a head gives the block of a query, in caches that
   stay as long as they are. Without such a key all are seen alike. com.microsoft SparseAttention-1. */
void lower_MS_SparseAttention(lowering *l, const node *n)
{
    gqa_spec spec = spec_gqa(n);
    mval past_key = l_in(l, GQA_PAST_KEY), zero = m_scalar_int(l, SIB_I64, 0);
    sib_dtype dtype = m_dtype(l, l_in(l, GQA_QUERY)), wide = attention_wide(dtype);
    dim dims[SIB_MAX_RANK];
    for (size_t i = 0; i < 3; i++)
        l_declare(l, i, dtype, 0, NULL);
    if (m_dims(l, past_key, dims) != 4 || m_rank(l, l_in(l, SPARSE_ROWS)) != 2 ||
        m_rank(l, l_in(l, SPARSE_COLUMNS)) != 2)
        l_fail(l, SIB_ERR_ARGUMENT, "past_key has rank %d, expected 4, or block indices are no matrices",
               m_rank(l, past_key));
    if (!l_ok(l))
        return;
    gqa o = {.room = dims[2], .positions = MVAL_NONE};
    read_heads(l, n, &o);
    o.batch = m_dim(l, o.q, 0);
    o.fresh = m_dim(l, o.q, 2);
    l_declare(l, 0, dtype, 3, (dim[]){o.batch, o.fresh, d_mul(l, m_dim(l, o.q, 1), m_dim(l, o.v, 3))});
    l_declare(l, 1, dtype, 4, dims);
    l_declare(l, 2, dtype, 4, dims);
    mval total = elem_to_scalar(l, m_cast(l, l_in(l, SPARSE_TOTAL), SIB_I64)), new = m_dim_scalar(l, o.fresh);
    o.length = m_reshape(l, m_cast(l, l_in(l, SPARSE_LENGTHS), SIB_I64), 1, &o.batch);
    mval held =
        m_clamp(l, m_sub(l, o.length, new), zero, m_max(l, zero, m_sub(l, m_dim_scalar(l, o.room), new)));
    o.past = m_where(l, m_equal(l, new, total), zero, held);
    rotate_heads(l, n, &o, SPARSE_COS, SPARSE_SIN);
    mval keys = cached(l, &o, past_key, o.k), values = cached(l, &o, l_in(l, GQA_PAST_VALUE), o.v);
    l_out(l, 1, keys);
    l_out(l, 2, values);
    mval scale = attention_scale(l, spec.scale != 0 ? spec.scale : NAN, wide, m_dim(l, o.q, 3), false);
    mval scores = attention_matmul(l, m_cast(l, o.q, wide), m_swap(l, m_cast(l, keys, wide), 2, 3));
    scores = m_where(l, seen_keys(l, n, &o), m_mul(l, scores, scale), m_scalar(l, wide, -(double)FLT_MAX));
    mval later = m_less(l, attention_distance(l, o.fresh, o.room, each_batch(l, o.past)), zero);
    mval p = m_softmax(l, m_where(l, later, m_scalar(l, wide, -INFINITY), scores), 3);
    l_out(l, 0, m_cast(l, attention_merge_heads(l, attention_matmul(l, p, m_cast(l, values, wide))), dtype));
}
