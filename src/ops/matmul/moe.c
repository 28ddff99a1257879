/* Mixtures of experts: Shazeer et al. 2017, Fedus, Zoph & Shazeer 2021. */
#include "ops/nn/nn.h"

#include <math.h>

/* The weight of each expert for each token, [T, E] in float64, 0 for those not among the k with the largest
   router_probs; chosen [T, E]: which are. Weights are the softmax of router_probs over all experts, or the
   entries of router_weights, divided by their sum if asked for. */
static mval routing(lowering *l, const moe_spec *spec, mval probs, mval weights, mval *chosen)
{
    mval wide = elem_wide(l, probs), order = MVAL_NONE;
    if (l_ok(l) && m_rank(l, probs) != 2)
        return l_fail(l, SIB_ERR_ARGUMENT, "router_probs has rank %d, expected 2", m_rank(l, probs));
    dim experts = m_dim(l, probs, 1);
    int64_t count;
    if (l_ok(l) && dim_is_const(l->graph->dims, experts, &count) && spec->k > count)
        return l_fail(l, SIB_ERR_ARGUMENT, "k is %lld, but there are %lld experts", (long long)spec->k,
                      (long long)count);
    m_sort(l, wide, 1, true, &order);
    mval top = m_slice(l, order, 1, d_const(l, 0), d_const(l, spec->k), 1);        /* [T, k] */
    mval is_top = m_equal(l, m_unsqueeze(l, top, 2), m_iota(l, SIB_I64, experts)); /* [T, k, E] */
    *chosen = m_reduce_axis(l, MILLI_reduce_max, is_top, 1, DROP_DIMS);
    mval each = weights.id == NO_VALUE ? m_softmax(l, wide, 1) : elem_wide(l, weights);
    each = m_where(l, *chosen, each, elem_number(l, 0));
    if (spec->normalize_routing_weights)
        each = m_div(l, each, m_reduce_axis(l, MILLI_reduce_sum, each, 1, KEEP_DIMS));
    return each;
}

/* min(g, limit) * sigmoid(alpha * min(g, limit)) * (clamp(linear) + beta). */
static mval swiglu(lowering *l, const moe_spec *spec, mval g, mval linear)
{
    if (!isinf(spec->swiglu_limit)) {
        mval limit = m_scalar_like(l, g, spec->swiglu_limit);
        g = m_min(l, g, limit);
        linear = m_clamp(l, linear, m_neg(l, limit), limit);
    }
    mval gate = m_mul(l, g, m_sigmoid(l, m_mul_number(l, g, spec->activation_alpha)));
    return m_mul(l, gate, m_add_number(l, linear, spec->activation_beta));
}

/* h [E, T, I], or for a fused SwiGLU [E, T, 2 I] with both parts by turns or one behind the other; other: the
   product of fc3, or MVAL_NONE. */
static mval activated(lowering *l, const moe_spec *spec, mval h, mval other)
{
    dim half = d_floor_div(l, m_dim(l, h, 2), d_const(l, 2)), zero = d_const(l, 0);
    bool apart = spec->swiglu_fusion == 1;
    switch (spec->activation_type) {
    case EXPERT_SWIGLU:
        if (!spec->swiglu_fusion)
            return other.id == NO_VALUE ? l_fail(l, SIB_ERR_ARGUMENT, "swiglu without fusion needs fc3")
                                        : swiglu(l, spec, h, other);
        return swiglu(l, spec, m_slice(l, h, 2, zero, half, apart ? 2 : 1),
                      m_slice(l, h, 2, apart ? d_const(l, 1) : half, half, apart ? 2 : 1));
    case EXPERT_RELU:
        h = m_relu(l, h);
        break;
    case EXPERT_GELU:
        h = elem_gelu(l, h, true);
        break;
    case EXPERT_SILU:
        h = m_mul(l, h, m_sigmoid(l, h));
        break;
    default:
        break;
    }
    return other.id == NO_VALUE ? h : m_mul(l, h, other);
}

/* A layer of the experts: weights [E, N, K], MVAL_NONE where there is none, and bias [E, N]. */
typedef struct expert_layer {
    mval weights, bias;
} expert_layer;

/* x [1 or E, T, K] → [E, T, N] */
static mval layer(lowering *l, const expert_layer *f, mval x)
{
    if (l_ok(l) && m_rank(l, f->weights) != 3)
        return l_fail(l, SIB_ERR_ARGUMENT, "experts have weights of rank %d, expected 3",
                      m_rank(l, f->weights));
    mval y = m_matmul(l, x, m_swap(l, m_cast_like(l, f->weights, x), 1, 2));
    return f->bias.id == NO_VALUE ? y : m_add(l, y, m_unsqueeze(l, m_cast_like(l, f->bias, x), 1));
}

/* The sum over the chosen experts of weight * fc2(activation(fc1(x))), for each row x of the input. */
static void mixture(lowering *l, const moe_spec *spec, const expert_layer fc[3], mval weights)
{
    dim dims[SIB_MAX_RANK];
    mval input = l_in(l, 0), chosen = MVAL_NONE;
    if (!elem_takes(l, input, "input", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, input));
    int rank = m_dims(l, input, dims);
    l_declare(l, 0, m_dtype(l, input), rank, dims);
    if (l_ok(l) && rank != 2 && rank != 3)
        l_fail(l, SIB_ERR_ARGUMENT, "input has rank %d, expected 2 or 3", rank);
    if (spec->use_sparse_mixer)
        l_fail(l, SIB_ERR_UNSUPPORTED, "use_sparse_mixer is not supported");
    if (!l_ok(l))
        return;
    mval x = nn_single(l, rank == 3 ? m_flatten(l, input, 0, 2) : input);
    mval each = routing(l, spec, l_in(l, 1), weights, &chosen);
    mval row = m_unsqueeze(l, x, 0); /* [1, T, H] */
    mval h = layer(l, &fc[0], row);
    mval other = fc[2].weights.id == NO_VALUE ? MVAL_NONE : layer(l, &fc[2], row);
    mval y = elem_wide(l, layer(l, &fc[1], activated(l, spec, h, other))); /* [E, T, H] */
    mval factor = m_unsqueeze(l, m_swap(l, each, 0, 1), 2), used = m_unsqueeze(l, m_swap(l, chosen, 0, 1), 2);
    y = m_where(l, used, m_mul(l, y, factor), elem_number(l, 0));
    y = m_reduce_axis(l, MILLI_reduce_sum, y, 0, DROP_DIMS);
    elem_out(l, l_ok(l) ? m_reshape(l, y, (size_t)rank, dims) : y, input);
}

/* com.microsoft MoE-1. */
void lower_MS_MoE(lowering *l, const node *n)
{
    moe_spec spec = spec_moe(n);
    expert_layer fc[3];
    for (size_t i = 0; i < 3; i++)
        fc[i] = (expert_layer){l_in_or_none(l, 2 + 2 * i), l_in_or_none(l, 3 + 2 * i)};
    mixture(l, &spec, fc, MVAL_NONE);
}

/* ---- Quantized weights --------------------------------------------------------------------------------- */

/* Bytes [E, N, M] as [E, N, M * 8 / bits], the lowest bits of a byte first. */
static mval unpacked(lowering *l, mval bytes, int64_t bits)
{
    int rank = m_rank(l, bytes);
    if (bits == 8 || !l_ok(l))
        return bytes;
    mval shifts = m_mul(l, m_iota(l, SIB_U8, d_const(l, 8 / bits)), m_scalar_int(l, SIB_U8, bits));
    mval apart = m_binary(l, MILLI_shift_right, m_unsqueeze(l, bytes, -1), shifts);
    return m_flatten(l, m_and(l, apart, m_scalar_int(l, SIB_U8, (1 << bits) - 1)), rank - 1, rank + 1);
}

/* A scale or zero point [E, N], or [E, N, blocks] with block > 0, for each of the K weights: [E, N, K]. */
static mval for_each_weight(lowering *l, mval v, int64_t block, dim k)
{
    dim dims[SIB_MAX_RANK];
    if (!block)
        return m_unsqueeze(l, v, 2);
    if (l_ok(l) && m_rank(l, v) != 3)
        return l_fail(l, SIB_ERR_ARGUMENT, "scales of blocks have rank %d, expected 3", m_rank(l, v));
    mval apart = m_unsqueeze(l, v, 3);
    if (m_dims(l, apart, dims) != 4)
        return MVAL_NONE;
    dims[3] = d_const(l, block);
    return m_slice(l, m_flatten(l, m_expand(l, apart, 4, dims), 2, 4), 2, d_const(l, 0), k, 1);
}

/* The layer whose weights are input `at`, scales at + 1, bias at + 2; its zero points are input `zeros`. */
static expert_layer quantized_layer(lowering *l, const moe_spec *spec, size_t at, size_t zeros, int64_t bits)
{
    expert_layer f = {.weights = MVAL_NONE, .bias = l_in_or_none(l, at + 2)};
    if (bits == SPEC_ABSENT)
        bits = spec->expert_weight_bits;
    if (bits != 2 && bits != 4 && bits != 8)
        l_fail(l, SIB_ERR_ARGUMENT, "%lld bits in weights, expected 2, 4 or 8", (long long)bits);
    if (!l_has(l, at) || !l_ok(l))
        return f;
    mval bytes = l_in(l, at), scale = l_in(l, at + 1);
    if (!elem_takes(l, bytes, "experts_weights", ELEM(SIB_U8)) ||
        !elem_takes(l, scale, "scales", ELEM_FLOATS))
        return f;
    if (m_rank(l, bytes) != 3 || m_rank(l, scale) != (spec->block_size ? 3 : 2))
        l_fail(l, SIB_ERR_ARGUMENT, "weights and scales have ranks %d and %d, expected 3 and %d",
               m_rank(l, bytes), m_rank(l, scale), spec->block_size ? 3 : 2);
    mval q = m_cast(l, unpacked(l, bytes, bits), SIB_F32), zero;
    dim k = m_dim(l, q, 2);
    if (l_has(l, zeros)) {
        zero = m_cast(l, unpacked(l, l_in(l, zeros), bits), SIB_F32);
        zero = m_slice(l, zero, -1, d_const(l, 0), m_dim(l, scale, -1), 1);
        q = m_sub(l, q, for_each_weight(l, zero, spec->block_size, k));
    } else
        q = m_add_number(l, q, -(double)(1 << (bits - 1)));
    f.weights = m_mul(l, q, for_each_weight(l, m_cast(l, scale, SIB_F32), spec->block_size, k));
    return f;
}

/* MoE with weights (q - zero) * scale of 2, 4 or 8 bits, packed along the last axis; a scale for each output
   or for each block_size weights of it. Without router_weights the softmax is over the chosen experts alone.
   com.microsoft QMoE-1. */
void lower_MS_QMoE(lowering *l, const node *n)
{
    moe_spec spec = spec_moe(n);
    elem_declare(l, m_dtype(l, l_in(l, 0)));
    if (!str_is(spec.quant_type, "int") || spec.weights_prepacked == 1) {
        l_fail(l, SIB_ERR_UNSUPPORTED, "quant_type %.*s and prepacked weights are not supported",
               (int)spec.quant_type.length, spec.quant_type.data);
        return;
    }
    spec.normalize_routing_weights |= !l_has(l, 14);
    expert_layer fc[3] = {quantized_layer(l, &spec, 2, 11, spec.fc1_expert_weight_bits),
                          quantized_layer(l, &spec, 5, 12, spec.fc2_expert_weight_bits),
                          quantized_layer(l, &spec, 8, 13, spec.fc3_expert_weight_bits)};
    mixture(l, &spec, fc, l_in_or_none(l, 14));
}
