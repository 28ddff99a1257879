/* Rotary position embeddings: Su et al. 2021. */
#include "ops/attention/attention.h"

/* attention_rotate in the dtype of its operands. */
static mval rotate(lowering *l, mval x, mval cosine, mval sine, dim rotary, bool interleaved)
{
    dim dims[SIB_MAX_RANK], zero = d_const(l, 0), half = d_floor_div(l, rotary, d_const(l, 2));
    int rank = m_dims(l, x, dims), last = rank - 1;
    if (!l_ok(l) || !rank)
        return MVAL_NONE;
    mval x1 = m_slice(l, x, last, zero, half, interleaved ? 2 : 1);
    mval x2 = m_slice(l, x, last, interleaved ? d_const(l, 1) : half, half, interleaved ? 2 : 1);
    mval parts[2] = {m_sub(l, m_mul(l, cosine, x1), m_mul(l, sine, x2)),
                     m_add(l, m_mul(l, sine, x1), m_mul(l, cosine, x2))};
    /* interleaved: pairs [..., rotary / 2, 2] */
    mval rotated =
        interleaved ? m_flatten(l, m_stack(l, 2, parts, rank), last, rank + 1) : m_concat(l, 2, parts, last);
    if (dim_same(rotary, dims[last]))
        return rotated;
    mval rest = m_slice(l, x, last, rotary, d_sub(l, dims[last], rotary), 1);
    return m_concat(l, 2, (mval[]){rotated, rest}, last);
}

mval attention_rotate(lowering *l, mval x, mval cosine, mval sine, dim rotary, bool interleaved)
{
    sib_dtype wide = attention_wide(m_dtype(l, x));
    cosine = m_cast(l, cosine, wide);
    sine = m_cast(l, sine, wide);
    return m_cast_like(l, rotate(l, m_cast(l, x, wide), cosine, sine, rotary, interleaved), x);
}

/* cos or sin as [B, 1, S, R/2] or [B, S, 1, R/2]: the rows of cache [P, R/2] at position_ids [B, S], or
   without these a cache [B, S, R/2]. */
static mval cache_at(lowering *l, mval cache, mval positions, dim half, int head_axis)
{
    mval rows = positions.id == NO_VALUE ? cache : m_gather(l, cache, positions, 0);
    int64_t have, want;
    dim wide = m_dim(l, rows, -1);
    if (l_ok(l) && dim_is_const(l->graph->dims, wide, &have) && dim_is_const(l->graph->dims, half, &want) &&
        have != want)
        return l_fail(l, SIB_ERR_ARGUMENT, "the cos cache has %lld columns, but the rotation has %lld pairs",
                      (long long)have, (long long)want);
    return m_unsqueeze(l, rows, head_axis);
}

/* X [B, H, S, D] or [B, S, H*D], each pair rotated by its position: ONNX RotaryEmbedding-23. */
void lower_ONNX_RotaryEmbedding(lowering *l, const node *n)
{
    rotary_spec spec = spec_rotary(n);
    mval x = l_in(l, 0), positions = l_in_or_none(l, 3);
    int rank = m_rank(l, x), head_axis = rank == 3 ? 2 : 1;
    dim dims[SIB_MAX_RANK];
    m_dims(l, x, dims);
    l_declare(l, 0, m_dtype(l, x), rank, dims);
    if (l_ok(l) && rank != 3 && rank != 4) {
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected 3 or 4", rank);
        return;
    }
    if (rank == 3) {
        int64_t heads = spec.num_heads;
        if (heads < 1) {
            l_fail(l, SIB_ERR_ARGUMENT, "num_heads is %lld, expected at least 1 for X of rank 3",
                   (long long)heads);
            return;
        }
        dim h = d_const(l, heads), apart[4] = {dims[0], dims[1], h, d_floor_div(l, dims[2], h)};
        x = m_reshape(l, x, 4, apart);
    }
    int64_t rotary = spec.rotary_embedding_dim;
    dim rotated = rotary > 0 ? d_const(l, rotary) : m_dim(l, x, 3),
        half = d_floor_div(l, rotated, d_const(l, 2));
    mval cosine = cache_at(l, l_in(l, 1), positions, half, head_axis);
    mval sine = cache_at(l, l_in(l, 2), positions, half, head_axis);
    mval y = attention_rotate(l, x, cosine, sine, rotated, spec.interleaved);
    l_out(l, 0, rank == 3 ? m_reshape(l, y, 3, dims) : y);
}

/* positions: [B, S], or the position of the first, or MVAL_NONE where cosine and sine are [B, S, R/2]. */
static void rotate_input(lowering *l, const rotary_spec *spec, mval positions, mval cosine, mval sine)
{
    mval x = l_in(l, 0);
    int rank = m_rank(l, x), head_axis = rank == 4 ? 1 : 2;
    dim dims[SIB_MAX_RANK] = {DIM_NONE};
    m_dims(l, x, dims);
    l_declare(l, 0, m_dtype(l, x), rank, dims);
    if (l_ok(l) && rank != 3 && rank != 4) {
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected 3 or 4", rank);
        return;
    }
    if (spec->scale != 1) {
        l_fail(l, SIB_ERR_UNSUPPORTED, "a scale other than 1 is not supported");
        return;
    }
    int64_t rotary = spec->rotary_embedding_dim, heads = spec->num_heads;
    dim rotated = rotary > 0 ? d_const(l, rotary) : d_mul(l, m_dim(l, cosine, -1), d_const(l, 2));
    if (rank == 3) { /* without num_heads the head size is that of the rotation */
        dim h = heads > 0 ? d_const(l, heads) : d_floor_div(l, dims[2], rotated);
        dim apart[4] = {dims[0], dims[1], h, d_floor_div(l, dims[2], h)};
        x = m_reshape(l, x, 4, apart); /* [B, S, H, D] */
    }
    dim steps = m_dim(l, x, rank == 3 ? 1 : 2), half = d_floor_div(l, rotated, d_const(l, 2));
    if (positions.id != NO_VALUE && m_rank(l, positions) == 1) {
        dim both[2] = {dims[0], steps};
        positions = m_expand(l, m_add(l, m_iota(l, SIB_I64, steps), positions), 2, both);
    }
    cosine = cache_at(l, cosine, positions, half, head_axis);
    sine = cache_at(l, sine, positions, half, head_axis);
    mval y = attention_rotate(l, x, cosine, sine, rotated, spec->interleaved);
    l_out(l, 0, rank == 3 ? m_reshape(l, y, 3, dims) : y);
}

/* The same with positions [B, S], or the position of the first. com.microsoft RotaryEmbedding-1. */
void lower_MS_RotaryEmbedding(lowering *l, const node *n)
{
    rotary_spec spec = spec_rotary(n);
    rotate_input(l, &spec, l_in(l, 1), l_in(l, 2), l_in(l, 3));
}

/* Rows [B, S, R/2] of cache [P, R/2], each column at the positions of time, height or width of [3, B, S]. */
static mval mixed_rows(lowering *l, mval cache, mval positions, mval is_height, mval is_width)
{
    mval rows = m_gather(l, cache, positions, 0), part[3]; /* [3, B, S, R/2] */
    for (int i = 0; i < 3; i++)
        part[i] = m_squeeze(l, m_slice_numbers(l, rows, 0, i, 1), 0);
    return m_where(l, is_height, part[1], m_where(l, is_width, part[2], part[0]));
}

/* RotaryEmbedding-1 with three positions for each token, of time, height and width, each for its section of the pairs: one
   behind the other, or (mrope_layout 1) height in every third pair from the second on, and width from the third on.
   com.microsoft MRotaryEmbedding-1. */
void lower_MS_MRotaryEmbedding(lowering *l, const node *n)
{
    const mrotary_spec spec = spec_mrotary(n);
    mval positions = l_in(l, 1), cosine = l_in(l, 2), sine = l_in(l, 3);
    if (l_ok(l) && (spec.mrope_section.n != 3 || m_rank(l, positions) != 3))
        l_fail(l, SIB_ERR_ARGUMENT,
               "mrope_section has %zu items and position_ids rank %d, expected 3 of both",
               spec.mrope_section.n, m_rank(l, positions));
    if (!l_ok(l))
        return;
    const int64_t *size = spec.mrope_section.v, all = size[0] + size[1] + size[2];
    int64_t half;
    if (dim_is_const(l->graph->dims, m_dim(l, cosine, -1), &half) && half != all) {
        l_fail(l, SIB_ERR_ARGUMENT, "mrope_section sums up to %lld, but the cos cache has %lld columns",
               (long long)all, (long long)half);
        return;
    }
    mval column = m_iota(l, SIB_I64, d_const(l, all)), section[3];
    for (int64_t i = 1; i < 3; i++) {
        const int64_t begin = i == 1 ? size[0] : size[0] + size[1];
        mval from = m_scalar_int(l, SIB_I64, spec.mrope_layout ? i : begin);
        mval to = m_scalar_int(l, SIB_I64, spec.mrope_layout ? 3 * size[i] : begin + size[i]);
        section[i] = m_and(l, m_less_equal(l, from, column), m_less(l, column, to));
        if (spec.mrope_layout) {
            mval third = m_binary(l, MILLI_mod, column, m_scalar_int(l, SIB_I64, 3));
            section[i] = m_and(l, section[i], m_equal(l, third, from));
        }
    }
    cosine = mixed_rows(l, cosine, positions, section[1], section[2]);
    sine = mixed_rows(l, sine, positions, section[1], section[2]);
    rotate_input(l, &spec.rotary, MVAL_NONE, cosine, sine);
}

/* q cos(emb) + q_rot sin(emb), and the same of k; emb [B, S, D] for every head of q and k [B, H, S, D].
   com.microsoft GemmaRotaryEmbedding-1. */
void lower_MS_GemmaRotaryEmbedding(lowering *l, const node *n)
{
    (void)n;
    mval emb = l_in(l, 0), q = l_in(l, 1);
    if (l_ok(l) && (m_rank(l, emb) != 3 || m_rank(l, q) != 4))
        l_fail(l, SIB_ERR_ARGUMENT, "emb and q have ranks %d and %d, expected 3 and 4", m_rank(l, emb),
               m_rank(l, q));
    mval angle = m_unsqueeze(l, m_cast(l, emb, SIB_F64), 1);
    mval cosine = m_cast_like(l, m_cos(l, angle), q), sine = m_cast_like(l, m_sin(l, angle), q);
    for (size_t i = 0; i < 2 && l_ok(l); i++)
        l_out(l, i, m_add(l, m_mul(l, l_in(l, 1 + 2 * i), cosine), m_mul(l, l_in(l, 2 + 2 * i), sine)));
}
