/* com.microsoft Attention, MultiHeadAttention and DecoderMaskedMultiHeadAttention, with the masks that
   onnxruntime's CPU kernels apply. */
#include "ops/attention/attention_ms.h"
#include "ops/quantize/quant.h"

#include <math.h>

/* Value that hides future keys: the lowest float, so that rows in which every key is hidden stay finite. */
#define LOWEST -3.4028234663852886e38

ms_scores ms_scores_of(const node *n)
{
    attention_ms_spec spec = spec_attention_ms(n);
    return (ms_scores){.scale = spec.scale,
                       .filter = spec.mask_filter_value,
                       .causal = spec.unidirectional,
                       .past = MVAL_NONE,
                       .mask = MVAL_NONE,
                       .bias = MVAL_NONE};
}

mval ms_bias_part(lowering *l, mval bias, dim start, dim count)
{
    return bias.id == NO_VALUE ? MVAL_NONE : m_slice(l, bias, -1, start, count, 1);
}

/* hidden [B, 1, 1, T] from lengths: the ends of B sequences, followed by their beginnings where there are 2 *
   B items. The third form, [3 * B + 2], also begins with the ends. */
static mval hidden_by_length(lowering *l, mval lengths, dim batch, dim n_keys)
{
    dim n = m_dim(l, lengths, 0), one = d_const(l, 1), column[4] = {batch, one, one, one};
    mval key = m_iota(l, SIB_I64, n_keys), ends = m_slice(l, lengths, 0, d_const(l, 0), batch, 1);
    mval hidden = m_less_equal(l, m_reshape(l, ends, 4, column), key);
    if (!dim_same(n, d_mul(l, batch, d_const(l, 2))))
        return hidden;
    mval begins = m_reshape(l, m_slice(l, lengths, 0, batch, batch, 1), 4, column);
    return m_or(l, hidden, m_less(l, key, begins));
}

/* The mask as a bias that broadcasts to [B, N, S, T]. */
static mval mask_bias(lowering *l, const ms_scores *s, dim batch, dim n_queries, dim n_keys, sib_dtype dtype)
{
    if (s->mask.id == NO_VALUE)
        return MVAL_NONE;
    mval mask = m_cast(l, s->mask, SIB_I64);
    int rank = m_rank(l, mask);
    if (rank == 1)
        return attention_hide(l, hidden_by_length(l, mask, batch, n_keys), dtype, s->filter);
    if (rank == 2)
        mask = m_unsqueeze(l, m_unsqueeze(l, mask, 1), 1);
    else if (rank == 3)
        mask = m_unsqueeze(l, mask, 1);
    else if (rank ==
             4) { /* of the longest sequence: take the rows of these queries and the columns of these keys */
        dim zero = d_const(l, 0), first = d_sub(l, n_keys, n_queries);
        mask = m_slice(l, m_slice(l, mask, 2, first, n_queries, 1), 3, zero, n_keys, 1);
    } else if (l_ok(l))
        return l_fail(l, SIB_ERR_ARGUMENT, "the mask has rank %d, expected 1 to 4", rank);
    mval hidden = m_less(l, mask, m_scalar_int(l, SIB_I64, 1));
    return attention_hide(l, hidden, dtype, s->filter);
}

mval ms_attend(lowering *l, mval q, mval k, mval v, const ms_scores *s, mval *qk)
{
    sib_dtype dtype = m_dtype(l, q), wide = attention_wide(dtype);
    dim n_queries = m_dim(l, q, 2), n_keys = m_dim(l, k, 2);
    mval scale = attention_scale(l, s->scale != 0 ? s->scale : NAN, wide, m_dim(l, q, 3), false);
    mval product = attention_matmul(l, m_cast(l, q, wide), m_swap(l, m_cast(l, k, wide), 2, 3));
    mval bias = mask_bias(l, s, m_dim(l, q, 0), n_queries, n_keys, wide);
    if (s->causal) { /* replaces the mask's value where both hide */
        mval past = s->past.id == NO_VALUE ? m_scalar_int(l, SIB_I64, 0) : s->past;
        mval ahead = m_less(l, attention_distance(l, n_queries, n_keys, past), m_scalar_int(l, SIB_I64, 0));
        mval rest = bias.id == NO_VALUE ? m_scalar(l, wide, 0) : bias;
        bias = m_where(l, ahead, m_scalar(l, wide, LOWEST), rest);
    }
    if (s->bias.id != NO_VALUE)
        bias = attention_add_bias(l, m_cast(l, s->bias, wide), bias);
    mval scores = attention_add_bias(l, m_mul(l, product, scale), bias); /* [B, N, S, T] */
    if (qk)
        *qk = m_cast(l, scores, dtype);
    return m_cast(l, attention_matmul(l, m_softmax(l, scores, -1), m_cast(l, v, wide)), dtype);
}

/* Prepends the past to keys or values [B, N, L, D]. With `used` (int64 scalar) past is a buffer of M rows,
   `used` of them valid, and *present is that buffer with the new rows after the valid ones; otherwise
   *present is past and new rows. Returns the valid rows: [B, N, T, D]. past: MVAL_NONE for none; used:
   MVAL_NONE for all. */
static mval ms_append_past(lowering *l, mval past, mval used, mval fresh, mval *present)
{
    if (past.id == NO_VALUE) {
        *present = fresh;
        return fresh;
    }
    if (used.id == NO_VALUE) {
        *present = m_concat(l, 2, (mval[]){past, fresh}, 2);
        return *present;
    }
    dim zero = d_const(l, 0), count = zero, room = m_dim(l, past, 2);
    m_elements(l, used, &count, 1);
    dim end = d_add(l, count, m_dim(l, fresh, 2));
    mval parts[3] = {m_slice(l, past, 2, zero, count, 1), fresh,
                     m_slice(l, past, 2, end, d_sub(l, room, end), 1)};
    *present = m_concat(l, 3, parts, 2);
    return m_slice(l, *present, 2, zero, end, 1);
}

/* Keys or values [B * W, N, T, D] of W beams for each of B texts, with row t of a beam that of the beam that
   indirection [B, W, M] names for it; the last n_new rows are the beam's own. */
static mval ms_follow_beams(lowering *l, mval cache, mval indirection, dim n_new)
{
    static const int64_t rows_first[4] = {0, 2, 1, 3};
    mval from = m_cast(l, indirection, SIB_I64);
    if (l_ok(l) && m_rank(l, from) != 3)
        l_fail(l, SIB_ERR_ARGUMENT, "cache_indirection has rank %d, expected 3", m_rank(l, from));
    dim texts = m_dim(l, from, 0), beams = m_dim(l, from, 1), all = m_dim(l, cache, 0),
        t = m_dim(l, cache, 2);
    dim past = d_sub(l, t, n_new), one = d_const(l, 1);
    mval first =
        m_mul(l, m_iota(l, SIB_I64, texts), m_dim_scalar(l, beams)); /* the first beam of each text */
    from = m_add(l, m_slice(l, from, 2, d_const(l, 0), past, 1),
                 m_reshape(l, first, 3, (dim[]){texts, one, one}));
    mval own =
        m_expand(l, m_reshape(l, m_iota(l, SIB_I64, all), 2, (dim[]){all, one}), 2, (dim[]){all, n_new});
    mval rows = m_concat(l, 2, (mval[]){m_reshape(l, from, 2, (dim[]){all, past}), own}, 1);
    mval index = m_add(l, m_mul(l, rows, m_dim_scalar(l, t)), m_iota(l, SIB_I64, t)); /* [B * W, T] */
    mval flat = m_flatten(l, m_transpose(l, cache, rows_first), 0, 2);                /* [B * W * T, N, D] */
    return m_transpose(l, m_gather(l, flat, index, 0), rows_first);
}

/* Input i, of one element, as an int64 scalar; MVAL_NONE if omitted. */
static mval number_input(lowering *l, size_t i)
{
    return l_has(l, i) ? m_reshape(l, m_cast(l, l_in(l, i), SIB_I64), 0, NULL) : MVAL_NONE;
}

/* Position of the first query: the number of valid past rows. */
static mval past_length(lowering *l, mval past, mval used, int axis)
{
    if (used.id != NO_VALUE || past.id == NO_VALUE)
        return used;
    return m_dim_scalar(l, m_dim(l, past, axis));
}

static bool refuse(lowering *l, bool wanted, const char *what)
{
    if (wanted && l_ok(l))
        l_fail(l, SIB_ERR_UNSUPPORTED, "%s is not supported", what);
    return wanted;
}

/* ---- Attention ----------------------------------------------------------------------------------------- */

/* The widths of Q, K and V in the projected input [B, S, width]: qkv_hidden_sizes, or a third each. */
static void projected_widths(lowering *l, const node *n, dim width, dim out[3])
{
    spec_ints sizes = spec_attention_ms(n).qkv_hidden_sizes;
    if (sizes.n && sizes.n != 3)
        l_fail(l, SIB_ERR_ARGUMENT, "qkv_hidden_sizes has %zu numbers, expected 3", sizes.n);
    for (size_t i = 0; i < 3; i++)
        out[i] = sizes.n == 3 ? d_const(l, sizes.v[i]) : d_floor_div(l, width, d_const(l, 3));
}

/* Splits [B, S, q + k + v] into heads. */
static void cut_projected(lowering *l, mval x, const dim widths[3], int64_t heads, mval out[3])
{
    dim start = d_const(l, 0);
    for (int i = 0; i < 3; i++) {
        out[i] = attention_split_heads(l, m_slice(l, x, 2, start, widths[i], 1), heads);
        start = d_add(l, start, widths[i]);
    }
}

/* Row i of past [2, B, N, P, D] as [B, N, P, D]. */
static mval half_of(lowering *l, mval past, int64_t i)
{
    return past.id == NO_VALUE ? MVAL_NONE : m_squeeze(l, m_slice_numbers(l, past, 0, i, 1), 0);
}

/* Indices of the inputs of Attention and QAttention. */
typedef struct projected_inputs {
    size_t mask, past, attention_bias, past_length, cache;
    bool grouped; /* a shared buffer has its keys as grouped_keys says */
} projected_inputs;

/* Keys [B, N, M, D] from or to the order that DecoderMaskedSelfAttention has in a shared buffer: [B, N, D / x, M, x], x
   elements of the file's dtype being 16 bytes. */
static mval grouped_keys(lowering *l, mval keys, size_t past, bool to)
{
    static const int64_t exchanged[5] = {0, 1, 3, 2, 4};
    size_t bits = sib_dtype_bits(l->source->values[l->node->inputs.ids[past]].type.dtype);
    dim dims[SIB_MAX_RANK];
    int64_t width = m_dims(l, keys, dims) == 4 ? m_number(l, dims[3]) : 0, x = bits ? 128 / (int64_t)bits : 1;
    if (l_ok(l) && (width < 1 || width % x))
        return l_fail(l, SIB_ERR_ARGUMENT, "heads of %lld elements are no groups of %lld", (long long)width,
                      (long long)x);
    if (!l_ok(l))
        return MVAL_NONE;
    dim groups = d_const(l, width / x), each = d_const(l, x);
    dim rows[5] = {dims[0], dims[1], dims[2], groups, each},
        stored[5] = {dims[0], dims[1], groups, dims[2], each};
    mval apart = m_transpose(l, m_reshape(l, keys, 5, to ? rows : stored), exchanged);
    return m_reshape(l, apart, 4, dims);
}

/* Attention on the projected input all = X W + b: [B, S, q + k + v] in the dtype of the outputs. */
static void attend_projected(lowering *l, const node *n, mval all, const projected_inputs *in)
{
    attention_ms_spec spec = spec_attention_ms(n);
    mval past = l_in_or_none(l, in->past), part[3], y[2], present[2];
    dim widths[3];
    projected_widths(l, n, m_dim(l, all, 2), widths);
    dim out[3] = {m_dim(l, all, 0), m_dim(l, all, 1), widths[2]};
    l_declare(l, 0, m_dtype(l, all), 3, out);
    cut_projected(l, all, widths, spec.num_heads, part);
    bool shared = spec.past_present_share_buffer;
    mval used = shared ? number_input(l, in->past_length) : MVAL_NONE;
    for (int i = 0; i < 2; i++) {
        bool grouped = !i && shared && in->grouped;
        mval before = half_of(l, past, i);
        before = grouped ? grouped_keys(l, before, in->past, false) : before;
        y[i] = ms_append_past(l, before, used, part[1 + i], &present[i]);
        present[i] = grouped ? grouped_keys(l, present[i], in->past, true) : present[i];
    }
    for (int i = 0; i < 2 && in->cache != SIZE_MAX && l_has(l, in->cache); i++)
        y[i] = ms_follow_beams(l, y[i], l_in(l, in->cache), out[1]);
    ms_scores s = ms_scores_of(n);
    s.past = past_length(l, past, used, 3);
    s.mask = l_in_or_none(l, in->mask);
    s.bias = l_in_or_none(l, in->attention_bias);
    l_out(l, 0, attention_merge_heads(l, ms_attend(l, part[0], y[0], y[1], &s, NULL)));
    if (l_wants(l, 1))
        l_out(l, 1, m_stack(l, 2, present, 0));
}

/* Attention on X W + b. */
static void attend_input(lowering *l, const node *n, const projected_inputs *in)
{
    mval x = l_in(l, 0), w = l_in(l, 1);
    sib_dtype dtype = m_dtype(l, x), wide = attention_wide(dtype);
    l_declare(l, 0, dtype, 0, NULL);
    l_declare(l, 1, dtype, 0, NULL);
    if (refuse(l, spec_attention_ms(n).do_rotary, "do_rotary"))
        return;
    mval all = m_matmul(l, m_cast(l, x, wide), m_cast(l, w, wide));
    if (l_has(l, 2))
        all = m_add(l, all, m_cast(l, l_in(l, 2), wide));
    attend_projected(l, n, m_cast(l, all, dtype), in);
}

/* X W + b split into heads of Q, K and V; softmax(scale Q K^T + masks) V. com.microsoft Attention-1. */
void lower_MS_Attention(lowering *l, const node *n)
{
    static const projected_inputs in = {3, 4, 5, 6, SIZE_MAX, false};
    attend_input(l, n, &in);
}

/* Attention-1 for one token of each sequence, or of each beam of a search. A shared buffer has its keys in groups of 16
   bytes. com.microsoft DecoderMaskedSelfAttention-1. */
void lower_MS_DecoderMaskedSelfAttention(lowering *l, const node *n)
{
    static const projected_inputs in = {3, 4, 5, 6, 8, true};
    attend_input(l, n, &in);
}

/* Attention-1 with quantized X and W, both dequantized before the product. com.microsoft QAttention-1. */
void lower_MS_QAttention(lowering *l, const node *n)
{
    attention_ms_spec spec = spec_attention_ms(n);
    static const projected_inputs in = {5, 8, SIZE_MAX, SIZE_MAX, SIZE_MAX, false};
    mval bias = l_in(l, 2);
    sib_dtype dtype = m_dtype(l, bias);
    l_declare(l, 0, dtype, 0, NULL);
    l_declare(l, 1, dtype, 0, NULL);
    bool rotary = spec.do_rotary, shared = spec.past_present_share_buffer;
    if (refuse(l, rotary || shared, rotary ? "do_rotary" : "past_present_share_buffer"))
        return;
    mval x = quant_from(l, l_in(l, 0), l_in(l, 3), l_in_or_none(l, 6));
    mval w = quant_from(l, l_in(l, 1), l_in(l, 4), l_in_or_none(l, 7));
    mval all = m_add(l, m_matmul(l, x, w), m_cast(l, bias, SIB_F64));
    attend_projected(l, n, m_cast(l, all, dtype), &in);
}

/* ---- MultiHeadAttention -------------------------------------------------------------------------------- */

/* Indices of the inputs, which the two operators number differently. */
typedef struct mha_inputs {
    size_t bias, mask, attention_bias, past_key, past_value, past_length, cache;
} mha_inputs;

/* x [B, S, width] plus its slice of the bias from `start` on, as heads; an x of rank 4 is heads already. */
static mval biased_heads(lowering *l, mval x, mval bias, dim start, int64_t heads)
{
    if (m_rank(l, x) == 4)
        return x;
    mval part = ms_bias_part(l, bias, start, m_dim(l, x, 2));
    return attention_split_heads(l, attention_add_bias(l, x, part), heads);
}

/* Part i of [B, S, N, parts, D] as [B, S, N * D]. */
static mval unpack_five(lowering *l, mval x, int64_t i)
{
    return m_flatten(l, m_squeeze(l, m_slice_numbers(l, x, 3, i, 1), 3), 2, 4);
}

/* Query, key and value as [B, S, width] from any of the input forms; keys and values may be [B, N, L, D]. */
static void unpack_qkv(lowering *l, mval part[3])
{
    for (int i = 0; i < 3; i++)
        part[i] = l_in_or_none(l, (size_t)i);
    if (m_rank(l, part[0]) == 5) {
        mval all = part[0];
        for (int i = 0; i < 3; i++)
            part[i] = unpack_five(l, all, i);
    } else if (part[1].id == NO_VALUE) { /* [B, S, 3 * width] */
        mval all = part[0];
        dim width = d_floor_div(l, m_dim(l, all, 2), d_const(l, 3)), start = d_const(l, 0);
        for (int i = 0; i < 3; i++, start = d_add(l, start, width))
            part[i] = m_slice(l, all, 2, start, width, 1);
    } else if (m_rank(l, part[1]) == 5) {
        mval both = part[1];
        part[1] = unpack_five(l, both, 0);
        part[2] = unpack_five(l, both, 1);
    }
}

static void lower_heads(lowering *l, const node *n, const mha_inputs *in)
{
    sib_dtype dtype = m_dtype(l, l_in(l, 0));
    int64_t heads = spec_attention_ms(n).num_heads;
    for (size_t i = 0; i < 4; i++)
        l_declare(l, i, dtype, 0, NULL);
    mval part[3], present[2], qk = MVAL_NONE;
    unpack_qkv(l, part);
    mval bias = l_in_or_none(l, in->bias);
    dim width = m_dim(l, part[0], 2);
    mval q = biased_heads(l, part[0], bias, d_const(l, 0), heads);
    mval k = biased_heads(l, part[1], bias, width, heads);
    mval v = biased_heads(l, part[2], bias, d_mul(l, width, d_const(l, 2)), heads);
    dim out[3] = {m_dim(l, q, 0), m_dim(l, q, 2), d_mul(l, d_const(l, heads), m_dim(l, v, 3))};
    l_declare(l, 0, dtype, 3, out);
    mval past_key = l_in_or_none(l, in->past_key), past_value = l_in_or_none(l, in->past_value);
    mval used = past_key.id == NO_VALUE ? MVAL_NONE : number_input(l, in->past_length);
    k = ms_append_past(l, past_key, used, k, &present[0]);
    v = ms_append_past(l, past_value, used, v, &present[1]);
    if (l_has(l, in->cache) && past_key.id != NO_VALUE) {
        k = ms_follow_beams(l, k, l_in(l, in->cache), m_dim(l, q, 2));
        v = ms_follow_beams(l, v, l_in(l, in->cache), m_dim(l, q, 2));
    }
    ms_scores s = ms_scores_of(n);
    s.past = past_length(l, past_key, used, 2);
    s.mask = l_in_or_none(l, in->mask);
    s.bias = l_in_or_none(l, in->attention_bias);
    l_out(l, 0, attention_merge_heads(l, ms_attend(l, q, k, v, &s, &qk)));
    l_out(l, 1, present[0]);
    l_out(l, 2, present[1]);
    l_out(l, 3, qk);
}

/* softmax(scale (Q + bq) (K + bk)^T + masks) (V + bv), with the past prepended to keys and values.
   com.microsoft MultiHeadAttention-1. */
void lower_MS_MultiHeadAttention(lowering *l, const node *n)
{
    static const mha_inputs in = {3, 4, 5, 6, 7, 8, 9};
    lower_heads(l, n, &in);
}

/* MultiHeadAttention-1 for one query per sequence. The past is in its plain layout. com.microsoft
   DecoderMaskedMultiHeadAttention-1. */
void lower_MS_DecoderMaskedMultiHeadAttention(lowering *l, const node *n)
{
    static const mha_inputs in = {10, 3, 4, 5, 6, 7, 9};
    lower_heads(l, n, &in);
}
