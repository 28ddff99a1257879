/* Scaled dot product attention: the parts that all attention operators share, and ONNX Attention. */
#include "ops/attention/attention.h"
#include "ops/lower/elem.h"

#include <math.h>

sib_dtype attention_wide(sib_dtype dtype)
{
    return dtype == SIB_F16 || dtype == SIB_BF16 ? SIB_F32 : dtype;
}

/* ---- Heads --------------------------------------------------------------------------------------------- */

mval attention_split_heads(lowering *l, mval x, int64_t heads)
{
    if (l_ok(l) && heads < 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "the number of heads is %lld, expected at least 1",
                      (long long)heads);
    dim h = d_const(l, heads);
    dim dims[4] = {m_dim(l, x, 0), m_dim(l, x, 1), h, d_floor_div(l, m_dim(l, x, 2), h)};
    return m_swap(l, m_reshape(l, x, 4, dims), 1, 2); /* [B, S, H, D] → [B, H, S, D] */
}

mval attention_merge_heads(lowering *l, mval x)
{
    return m_flatten(l, m_swap(l, x, 1, 2), 2, 4);
}

mval attention_matmul(lowering *l, mval a, mval b)
{
    dim x[SIB_MAX_RANK], y[SIB_MAX_RANK];
    int n = m_dims(l, a, x), k = m_dims(l, b, y);
    int64_t heads, shared;
    if (!l_ok(l))
        return MVAL_NONE;
    if (n != 4 || k != 4)
        return l_fail(l, SIB_ERR_ARGUMENT, "heads have rank %d and %d, expected 4", n, k);
    if (dim_same(x[1], y[1]))
        return m_matmul(l, a, b);
    if (dim_is_const(l->graph->dims, x[1], &heads) && dim_is_const(l->graph->dims, y[1], &shared) &&
        (shared < 1 || heads % shared))
        return l_fail(l, SIB_ERR_ARGUMENT, "%lld query heads cannot share %lld key and value heads",
                      (long long)heads, (long long)shared);
    /* the heads of a group are consecutive, so their rows form one matrix */
    dim rows = d_mul(l, d_floor_div(l, x[1], y[1]), x[2]);
    dim grouped[4] = {x[0], y[1], rows, x[3]}, apart[4] = {x[0], x[1], x[2], y[3]};
    return m_reshape(l, m_matmul(l, m_reshape(l, a, 4, grouped), b), 4, apart);
}

/* ---- Masks --------------------------------------------------------------------------------------------- */

mval attention_add_bias(lowering *l, mval a, mval b)
{
    return a.id == NO_VALUE ? b : b.id == NO_VALUE ? a : m_add(l, a, b);
}

mval attention_hide(lowering *l, mval hidden, sib_dtype dtype, double amount)
{
    return m_where(l, hidden, m_scalar(l, dtype, amount), m_scalar(l, dtype, 0));
}

mval attention_distance(lowering *l, dim n_queries, dim n_keys, mval offset)
{
    mval row = m_add(l, m_unsqueeze(l, m_iota(l, SIB_I64, n_queries), 1), offset); /* [..., S, 1] */
    return m_sub(l, row, m_iota(l, SIB_I64, n_keys));
}

/* ---- Scores -------------------------------------------------------------------------------------------- */

mval attention_scale(lowering *l, double scale, sib_dtype dtype, dim width, bool root)
{
    mval wide = m_scalar(l, SIB_F64, scale);
    if (isnan(scale))
        wide = m_reciprocal(l, m_sqrt(l, m_cast(l, m_dim_scalar(l, width), SIB_F64)));
    return m_cast(l, root ? m_sqrt(l, wide) : wide, dtype);
}

mval attention_softcap(lowering *l, mval x, double cap)
{
    if (cap == 0)
        return x;
    mval c = m_scalar_like(l, x, cap);
    return m_mul(l, m_tanh(l, m_div(l, x, c)), c);
}

mval attention_softmax(lowering *l, mval x, mval sink)
{
    if (sink.id == NO_VALUE)
        return m_softmax(l, x, -1);
    mval largest = m_max(l, m_reduce_axis(l, MILLI_reduce_max, x, -1, KEEP_DIMS), sink);
    mval e = m_exp(l, m_sub(l, x, largest));
    mval sum = m_reduce_axis(l, MILLI_reduce_sum, e, -1, KEEP_DIMS);
    return m_div(l, e, m_add(l, sum, m_exp(l, m_sub(l, sink, largest))));
}

/* ---- ONNX Attention ------------------------------------------------------------------------------------ */

/* Inputs of ONNX Attention. */
enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_KEY, IN_PAST_VALUE, IN_NONPAD };

/* Input i as [B, H, S, D]. */
static mval head_input(lowering *l, size_t i, int64_t heads)
{
    mval x = l_in(l, i);
    int rank = m_rank(l, x);
    if (!l_ok(l) || rank == 4)
        return x;
    if (rank != 3)
        return l_fail(l, SIB_ERR_ARGUMENT, "input %zu has rank %d, expected 3 or 4", i, rank);
    return attention_split_heads(l, x, heads);
}

static mval with_past(lowering *l, size_t past, mval x)
{
    return l_has(l, past) ? m_concat(l, 2, (mval[]){l_in(l, past), x}, 2) : x;
}

/* attn_mask as a bias of `dtype`; from opset 24 on a shorter one is padded with -inf. */
static mval mask_bias(lowering *l, const node *n, sib_dtype dtype, dim n_keys)
{
    mval mask = l_in_or_none(l, IN_MASK);
    if (mask.id == NO_VALUE)
        return MVAL_NONE;
    mval bias = m_dtype(l, mask) == SIB_BOOL ? attention_hide(l, m_not(l, mask), dtype, -INFINITY)
                                             : m_cast(l, mask, dtype);
    dim have = m_dim(l, bias, -1);
    if (n->version < 24 || dim_same(have, n_keys))
        return bias;
    return m_pad_axis(l, bias, -1, d_const(l, 0), d_sub(l, n_keys, have), m_scalar(l, dtype, -INFINITY));
}

/* Position of the first query: after the past keys, or such that the last query is at the last valid key. */
static mval query_offset(lowering *l, dim n_queries)
{
    if (l_has(l, IN_PAST_KEY))
        return m_dim_scalar(l, m_dim(l, l_in(l, IN_PAST_KEY), 2));
    if (!l_has(l, IN_NONPAD))
        return m_scalar_int(l, SIB_I64, 0);
    mval valid = m_cast(l, l_in(l, IN_NONPAD), SIB_I64); /* [B] */
    dim apart[4] = {m_dim(l, valid, 0), d_const(l, 1), d_const(l, 1), d_const(l, 1)};
    return m_reshape(l, m_sub(l, valid, m_dim_scalar(l, n_queries)), 4, apart);
}

/* Sum of all that is added to the scores: attn_mask, is_causal, the windows, and -inf for keys beyond
   nonpad_kv_seqlen. MVAL_NONE if none applies. */
static mval full_bias(lowering *l, const node *n, const attention_spec *spec, dim n_queries, dim n_keys,
                      sib_dtype dtype)
{
    bool causal = spec->is_causal;
    int64_t left = spec->left_window_size, right = spec->right_window_size;
    mval bias = mask_bias(l, n, dtype, n_keys);
    if (causal || left >= 0 || right >= 0) {
        mval distance = attention_distance(l, n_queries, n_keys, query_offset(l, n_queries)),
             hidden = MVAL_NONE;
        if (causal || right >= 0)
            hidden = m_less(l, distance, m_scalar_int(l, SIB_I64, causal ? 0 : -right));
        if (left >= 0) {
            mval out_of_window = m_less(l, m_scalar_int(l, SIB_I64, left), distance);
            hidden = hidden.id == NO_VALUE ? out_of_window : m_or(l, hidden, out_of_window);
        }
        bias = attention_add_bias(l, bias, attention_hide(l, hidden, dtype, -INFINITY));
    }
    if (l_has(l, IN_NONPAD)) {
        mval valid = m_cast(l, l_in(l, IN_NONPAD), SIB_I64); /* [B] */
        dim apart[4] = {m_dim(l, valid, 0), d_const(l, 1), d_const(l, 1), d_const(l, 1)};
        mval beyond = m_less_equal(l, m_reshape(l, valid, 4, apart), m_iota(l, SIB_I64, n_keys));
        bias = attention_add_bias(l, bias, attention_hide(l, beyond, dtype, -INFINITY));
    }
    return bias;
}

/* Softmax of scores + bias in softmax_precision; rows in which every key is hidden give 0. */
static mval probabilities(lowering *l, const attention_spec *spec, mval scores, mval bias)
{
    sib_dtype dtype = m_dtype(l, scores); /* wide */
    sib_dtype given = spec->softmax_precision, precision = given ? given : dtype;
    if (l_ok(l) && !elem_in(ELEM_FLOATS, precision))
        return l_fail(l, SIB_ERR_ARGUMENT, "softmax_precision is %s, expected a float",
                      sib_dtype_name(precision));
    mval p = m_cast(l, m_softmax(l, m_cast(l, scores, precision), -1), dtype);
    if (bias.id == NO_VALUE)
        return p;
    mval max = m_reduce_axis(l, MILLI_reduce_max, bias, -1, KEEP_DIMS);
    return m_where(l, m_equal(l, max, m_scalar_like(l, max, -INFINITY)), m_scalar_like(l, p, 0), p);
}

static void declare_dtypes(lowering *l)
{
    sib_dtype key = m_dtype(l, l_in(l, IN_Q)), v = m_dtype(l, l_in(l, IN_V));
    l_declare(l, 0, key, 0, NULL);
    l_declare(l, 1, key, 0, NULL);
    l_declare(l, 2, v, 0, NULL);
    l_declare(l, 3, key, 0, NULL);
}

/* Y = softmax(softcap(Q sqrt(scale) (K sqrt(scale))^T) + bias) V, with the past prepended to K and V. ONNX
   Attention-23, 24, 25; Vaswani et al. 2017. */
void lower_ONNX_Attention(lowering *l, const node *n)
{
    attention_spec spec = spec_attention(n);
    declare_dtypes(l);
    if (l_has(l, IN_PAST_KEY) != l_has(l, IN_PAST_VALUE) || (l_has(l, IN_NONPAD) && l_has(l, IN_PAST_KEY))) {
        l_fail(l, SIB_ERR_ARGUMENT,
               "past_key and past_value must be given together, and without nonpad_kv_seqlen");
        return;
    }
    bool packed = m_rank(l, l_in(l, IN_Q)) == 3;
    mval q = head_input(l, IN_Q, spec.q_num_heads);
    mval k = with_past(l, IN_PAST_KEY, head_input(l, IN_K, spec.kv_num_heads));
    mval v = with_past(l, IN_PAST_VALUE, head_input(l, IN_V, spec.kv_num_heads));
    dim n_queries = m_dim(l, q, 2), n_keys = m_dim(l, k, 2);
    sib_dtype dtype = m_dtype(l, q), wide = attention_wide(dtype);
    mval root = attention_scale(l, spec.scale, wide, m_dim(l, q, 3), true);
    mval left = m_mul(l, m_cast(l, q, wide), root), right = m_mul(l, m_cast(l, k, wide), root);
    mval raw = attention_matmul(l, left, m_swap(l, right, 2, 3)); /* [B, Hq, S, T] */
    mval capped = attention_softcap(l, raw, spec.softcap);
    mval bias = full_bias(l, n, &spec, n_queries, n_keys, wide);
    mval biased = attention_add_bias(l, capped, bias);
    mval p = probabilities(l, &spec, biased, bias);
    mval y = m_cast(l, attention_matmul(l, p, m_cast(l, v, wide)), dtype);
    mval shown[4] = {raw, capped, biased, p};
    l_out(l, 0, packed ? attention_merge_heads(l, y) : y);
    l_out(l, 1, k);
    l_out(l, 2, v);
    l_out(l, 3, l_ok(l) ? m_cast(l, shown[spec.qk_matmul_output_mode], dtype) : MVAL_NONE);
}
