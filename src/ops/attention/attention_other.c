/* Other attention than softmax(Q K^T) V: linear attention with a recurrent state, and FlexAttention. */
#include "base/alloc.h"
#include "ops/attention/attention.h"
#include "ops/recurrent/recurrent_cell.h"

#include <math.h>

/* ---- LinearAttention ----------------------------------------------------------------------------------- */

/* All float32; R = Hq / Hkv query heads share a state. */
typedef struct linear_inputs {
    mval q;    /* [B, T, Hkv, R, Dk] */
    mval k;    /* [B, T, Hkv, 1, Dk] */
    mval v;    /* [B, T, Hkv, 1, Dv] */
    mval gate; /* [B, T, Hkv, Dk or 1, 1] e^decay, or MVAL_NONE */
    mval beta; /* [B, T, Hkv or 1, 1, 1], or MVAL_NONE */
    dim steps, query_width;
} linear_inputs;

/* x [B, T, N] as float32 [B, T, a, b, N / (a b)]; with `column` the last two axes are exchanged. */
static mval apart(lowering *l, mval x, dim a, dim b, bool column)
{
    dim dims[SIB_MAX_RANK];
    int rank = m_dims(l, x, dims);
    if (l_ok(l) && rank != 3)
        return l_fail(l, SIB_ERR_ARGUMENT, "an input has rank %d, expected 3: [batch, steps, heads * width]",
                      rank);
    if (!l_ok(l))
        return MVAL_NONE;
    dim width = d_floor_div(l, dims[2], d_mul(l, a, b));
    dim out[5] = {dims[0], dims[1], a, column ? width : b, column ? b : width};
    return m_reshape(l, m_cast(l, x, SIB_F32), 5, out);
}

static linear_inputs read_linear(lowering *l, const node *n)
{
    linear_attention_spec spec = spec_linear_attention(n);
    int64_t q_heads = spec.q_num_heads, kv_heads = spec.kv_num_heads;
    bool gated = spec.update_rule == UPDATE_GATED || spec.update_rule == UPDATE_GATED_DELTA;
    bool delta = spec.update_rule == UPDATE_DELTA || spec.update_rule == UPDATE_GATED_DELTA;
    linear_inputs in = {.gate = MVAL_NONE, .beta = MVAL_NONE};
    if (q_heads % kv_heads)
        l_fail(l, SIB_ERR_ARGUMENT, "q_num_heads %lld is not a multiple of kv_num_heads %lld",
               (long long)q_heads, (long long)kv_heads);
    else if (gated != l_has(l, 4) || delta != l_has(l, 5))
        l_fail(l, SIB_ERR_ARGUMENT,
               "update_rule gated and gated_delta need decay, delta and gated_delta need beta, others need "
               "neither");
    if (!l_ok(l))
        return in;
    dim h = d_const(l, kv_heads), one = d_const(l, 1);
    in.q = apart(l, l_in(l, 0), h, d_const(l, q_heads / kv_heads), false);
    in.k = apart(l, l_in(l, 1), h, one, false);
    in.v = apart(l, l_in(l, 2), h, one, false);
    in.gate = gated ? m_exp(l, apart(l, l_in(l, 4), h, one, true)) : MVAL_NONE;
    in.beta = delta ? apart(l, l_in(l, 5), m_dim(l, l_in(l, 5), 2), one, false) : MVAL_NONE;
    in.steps = m_dim(l, in.q, 1);
    in.query_width = m_dim(l, in.q, 4);
    return in;
}

/* Step t of [B, T, ...], without that axis. */
static mval at_step(lowering *l, mval x, int64_t t)
{
    return m_squeeze(l, m_slice_numbers(l, x, 1, t, 1), 1);
}

/* The state [B, Hkv, Dk, Dv] after step t. */
static mval next_state(lowering *l, const linear_inputs *in, int64_t t, mval state)
{
    mval k = at_step(l, in->k, t), v = at_step(l, in->v, t); /* [B, Hkv, 1, D] */
    if (in->gate.id != NO_VALUE)
        state = m_mul(l, state, at_step(l, in->gate, t));
    if (in->beta.id != NO_VALUE)
        v = m_mul(l, at_step(l, in->beta, t), m_sub(l, v, m_matmul(l, k, state)));
    return m_add(l, state, m_mul(l, m_swap(l, k, 2, 3), v));
}

/* For each step S = e^g S + k (x) v, with v replaced by beta (v - S^T k) in the delta rules; o = scale q^T S.
   In float32. ONNX LinearAttention-27. */
void lower_ONNX_LinearAttention(lowering *l, const node *n)
{
    sib_dtype dtype = m_dtype(l, l_in(l, 0));
    mval past = l_in_or_none(l, 3);
    sib_dtype kept = past.id == NO_VALUE ? dtype : m_dtype(l, past);
    l_declare(l, 0, dtype, 0, NULL);
    l_declare(l, 1, kept, 0, NULL);
    linear_inputs in = read_linear(l, n);
    dim q[SIB_MAX_RANK], dv = m_dim(l, in.v, 4);
    m_dims(l, in.q, q); /* [B, T, Hkv, R, Dk] */
    if (!l_ok(l))
        return;
    dim y_dims[3] = {q[0], q[1], d_mul(l, d_mul(l, q[2], q[3]), dv)}, state_dims[4] = {q[0], q[2], q[4], dv};
    l_declare(l, 0, dtype, 3, y_dims);
    l_declare(l, 1, kept, 4, state_dims);
    double scale = spec_linear_attention(n).scale;
    mval state =
        past.id == NO_VALUE ? m_filled(l, m_scalar(l, SIB_F32, 0), 4, state_dims) : m_cast(l, past, SIB_F32);
    int64_t steps = recurrent_steps(l, in.steps, q[0]);
    mval *ys = mem_alloc((size_t)(steps > 0 ? steps : 1), sizeof *ys);
    if (!ys)
        l_fail(l, SIB_ERR_MEMORY, "no memory for %lld steps", (long long)steps);
    for (int64_t t = 0; t < steps && l_ok(l); t++) {
        state = next_state(l, &in, t, state);
        ys[t] = m_matmul(l, at_step(l, in.q, t), state); /* [B, Hkv, R, Dv] */
    }
    mval y = steps > 0 && l_ok(l) ? m_stack(l, (size_t)steps, ys, 1) : m_scalar(l, SIB_F32, 0);
    mem_free(ys);
    y = steps > 0 ? m_reshape(l, y, 3, y_dims) : m_filled(l, y, 3, y_dims);
    l_out(l, 0,
          m_cast(l, m_mul(l, y, attention_scale(l, scale != 0 ? scale : NAN, SIB_F32, in.query_width, false)),
                 dtype));
    l_out(l, 1, m_cast(l, state, kept));
}

/* ---- FlexAttention ------------------------------------------------------------------------------------- */

/* Applies subgraph g, attribute `name`, to x; x where g is NULL. Fails where g changes the dtype or dims. */
static mval through_graph(lowering *l, graph *g, const char *name, mval x)
{
    mval y = x;
    if (!g)
        return x;
    l_inline(l, g, 1, &x, 1, &y);
    if (l_ok(l) && m_dtype(l, y) != m_dtype(l, x))
        return l_fail(l, SIB_ERR_ARGUMENT, "%s gives %s, expected %s", name, sib_dtype_name(m_dtype(l, y)),
                      sib_dtype_name(m_dtype(l, x)));
    return y;
}

/* Y = prob_mod(softmax(score_mod(Q sqrt(scale) (K sqrt(scale))^T))) V, in softmax_precision from the scores
   on. ai.onnx.preview FlexAttention-1. */
void lower_PREVIEW_FlexAttention(lowering *l, const node *n)
{
    attention_spec spec = spec_attention(n);
    mval q = l_in(l, 0), k = l_in(l, 1), v = l_in(l, 2); /* [B, Hq, S, D], [B, Hkv, T, D], [B, Hkv, T, Dv] */
    sib_dtype dtype = m_dtype(l, q);
    l_declare(l, 0, dtype, 0, NULL);
    int q_rank = m_rank(l, q), k_rank = m_rank(l, k), v_rank = m_rank(l, v);
    if (l_ok(l) && (q_rank != 4 || k_rank != 4 || v_rank != 4)) {
        l_fail(l, SIB_ERR_ARGUMENT, "query, key and value have ranks %d, %d and %d, expected 4", q_rank,
               k_rank, v_rank);
        return;
    }
    sib_dtype precision = spec.softmax_precision;
    if (!precision)
        precision = dtype == SIB_F64 ? SIB_F64 : SIB_F32;
    sib_dtype wide = attention_wide(dtype);
    mval root = attention_scale(l, spec.scale, wide, m_dim(l, q, 3), true);
    mval scores = attention_matmul(l, m_mul(l, m_cast(l, q, wide), root),
                                   m_swap(l, m_mul(l, m_cast(l, k, wide), root), 2, 3));
    scores = through_graph(l, spec.score_mod, "score_mod", m_cast(l, scores, precision));
    mval p = through_graph(l, spec.prob_mod, "prob_mod", m_softmax(l, scores, -1));
    l_out(l, 0, m_cast(l, attention_matmul(l, p, m_cast_like(l, v, p)), dtype));
}
