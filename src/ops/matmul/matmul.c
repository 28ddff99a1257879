/* Products of matrices. */
#include "milli/build_values.h"
#include "ops/nn/nn.h"

#define MATMUL_DTYPES (ELEM_FLOATS | ELEM(SIB_U32) | ELEM(SIB_U64) | ELEM(SIB_I32) | ELEM(SIB_I64))

/* NumPy's matmul: rank 1 counts as a row on the left, a column on the right; that axis is then removed. */
static mval matmul_any_rank(lowering *l, mval a, mval b)
{
    int left = m_rank(l, a), right = m_rank(l, b);
    if (l_ok(l) && (left < 1 || right < 1))
        return l_fail(l, SIB_ERR_ARGUMENT, "A and B have ranks %d and %d, expected at least 1", left, right);
    if (left == 1)
        a = m_unsqueeze(l, a, 0);
    if (right == 1)
        b = m_unsqueeze(l, b, 1);
    mval y = m_matmul(l, a, b);
    if (right == 1)
        y = m_squeeze(l, y, -1);
    if (left == 1)
        y = m_squeeze(l, y, right == 1 ? -1 : -2);
    return y;
}

/* Y[..., i, j] = sum over k of A[..., i, k] * B[..., k, j]. ONNX MatMul-1, 9, 13. */
void lower_ONNX_MatMul(lowering *l, const node *n)
{
    (void)n;
    mval a = l_in(l, 0), b = l_in(l, 1);
    elem_takes(l, a, "A", MATMUL_DTYPES);
    elem_declare(l, m_dtype(l, a));
    l_out(l, 0, matmul_any_rank(l, a, b));
}

/* factor * x; integers by way of double, truncated. */
static mval scaled(lowering *l, mval x, double factor)
{
    if (factor == 1)
        return x;
    if (m_is(l, x, SIB_KIND_FLOAT))
        return m_mul_number(l, x, factor);
    return m_cast_like(l, m_mul_number(l, m_cast(l, x, SIB_F64), factor), x);
}

/* alpha * A' * B' + beta * C, in float32 where A is narrower. Integers are computed in double where a factor
   is not 1, so that only the sum is truncated. */
static mval gemm(lowering *l, const node *n)
{
    gemm_spec spec = spec_gemm(n);
    mval a = nn_single(l, l_in(l, 0)), b = nn_single(l, l_in(l, 1));
    mval c = nn_single(l, l_in_or_none(l, 2));
    int left = m_rank(l, a), right = m_rank(l, b);
    if (l_ok(l) && (left != 2 || right != 2))
        return l_fail(l, SIB_ERR_ARGUMENT, "A and B have ranks %d and %d, expected 2", left, right);
    if (spec.transA)
        a = m_swap(l, a, 0, 1);
    if (spec.transB)
        b = m_swap(l, b, 0, 1);
    double alpha = spec.alpha, beta = spec.beta;
    mval y = m_matmul(l, a, b);
    if (!m_is(l, y, SIB_KIND_FLOAT) && (alpha != 1 || beta != 1)) {
        y = m_cast(l, y, SIB_F64);
        c = c.id == NO_VALUE ? c : m_cast(l, c, SIB_F64);
    }
    y = scaled(l, y, alpha);
    if (c.id == NO_VALUE || !l_ok(l))
        return y;
    return m_add(l, y, m_broadcast_like(l, scaled(l, c, beta), y));
}

/* Y = alpha * A' * B' + beta * C; A' is A or its transpose, C broadcasts to Y. Attribute broadcast of opsets
   1 to 6 adds nothing to that. ONNX Gemm-1, 6, 7, 9, 11, 13. */
void lower_ONNX_Gemm(lowering *l, const node *n)
{
    mval a = l_in(l, 0);
    elem_takes(l, a, "A", MATMUL_DTYPES);
    elem_declare(l, m_dtype(l, a));
    elem_out(l, gemm(l, n), a);
}

/* Y = activation(alpha * A' * B' + beta * C). com.microsoft FusedGemm-1. */
void lower_MS_FusedGemm(lowering *l, const node *n)
{
    gemm_spec spec = spec_gemm(n);
    mval a = l_in(l, 0);
    elem_takes(l, a, "A", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, a));
    double alpha = spec.activation_alpha, beta = spec.activation_beta;
    elem_out(l, nn_activation(l, spec.activation, alpha, beta, gemm(l, n)), a);
}

/* An operand of FusedMatMul: `batch` moves its first axis before the last, [M, b..., K] → [b..., M, K];
   `trans` exchanges its last two axes. Rank 1 stays unchanged. */
static mval fused_operand(lowering *l, mval v, bool batch, bool trans)
{
    int rank = m_rank(l, v);
    if (rank >= 2 && batch)
        v = m_move(l, v, 0, -2);
    return rank >= 2 && trans ? m_swap(l, v, -2, -1) : v;
}

/* activation(alpha * A' * B'). */
static void fused_matmul(lowering *l, const node *n)
{
    gemm_spec spec = spec_gemm(n);
    mval a = l_in(l, 0), b = l_in(l, 1);
    elem_takes(l, a, "A", MATMUL_DTYPES);
    elem_declare(l, m_dtype(l, a));
    mval left = fused_operand(l, nn_single(l, a), spec.transBatchA, spec.transA);
    mval right = fused_operand(l, nn_single(l, b), spec.transBatchB, spec.transB);
    mval y = scaled(l, matmul_any_rank(l, left, right), spec.alpha);
    elem_out(l, nn_activation(l, spec.activation, spec.activation_alpha, spec.activation_beta, y), a);
}

/* Y = alpha * A' * B'. com.microsoft FusedMatMul-1. */
void lower_MS_FusedMatMul(lowering *l, const node *n)
{
    fused_matmul(l, n);
}

/* FusedMatMul by its former name. com.microsoft TransposeMatMul-1. */
void lower_MS_TransposeMatMul(lowering *l, const node *n)
{
    fused_matmul(l, n);
}

/* Y = activation(alpha * A' * B'). com.microsoft FusedMatMulActivation-1. */
void lower_MS_FusedMatMulActivation(lowering *l, const node *n)
{
    fused_matmul(l, n);
}

/* FusedMatMul by a sparse A, which files give dense. com.microsoft SparseToDenseMatMul-1. */
void lower_MS_SparseToDenseMatMul(lowering *l, const node *n)
{
    fused_matmul(l, n);
}

/* Y = Gelu by tanh of X W + bias. com.microsoft GemmFastGelu-1. */
void lower_MS_GemmFastGelu(lowering *l, const node *n)
{
    (void)n;
    mval x = l_in(l, 0);
    if (!elem_takes(l, x, "X", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, x));
    mval y = elem_wide(l, matmul_any_rank(l, nn_single(l, x), nn_single(l, l_in(l, 1))));
    if (l_has(l, 2))
        y = m_add(l, y, elem_wide(l, l_in(l, 2)));
    elem_out(l, elem_gelu(l, y, true), x);
}

/* ---- Weights of few bits ------------------------------------------------------------------------------- */

/* Unpacks values of `bits` bits from bytes [n, m], the lowest bits first: uint8 [n, m * 8 / bits]. */
static mval unpack(lowering *l, mval bytes, int64_t bits)
{
    dim dims[SIB_MAX_RANK];
    m_dims(l, bytes, dims);
    int64_t each = 8 / bits;
    if (each == 1)
        return bytes;
    mval shifts = m_mul_number(l, m_iota(l, SIB_U8, d_const(l, each)), (double)bits);
    mval apart = m_binary(l, MILLI_shift_right, m_unsqueeze(l, bytes, -1), shifts); /* [n, m, each] */
    mval numbers = m_and(l, apart, m_scalar_int(l, SIB_U8, (1 << bits) - 1));
    dims[1] = d_mul(l, dims[1], d_const(l, each));
    return m_reshape(l, numbers, 2, dims);
}

/* The zero point of each block, float32 [N, blocks]; given packed like the weights, or as floats. */
static mval zero_points(lowering *l, mval given, int64_t rows, int64_t blocks, int64_t bits)
{
    if (given.id == NO_VALUE)
        return m_scalar(l, SIB_F32, (double)(1 << (bits - 1)));
    if (m_dtype(l, given) != SIB_U8)
        return m_cast(l, m_reshape_numbers(l, given, 2, (int64_t[]){rows, blocks}), SIB_F32);
    int64_t packed = (blocks * bits + 7) / 8;
    mval numbers = unpack(l, m_reshape_numbers(l, given, 2, (int64_t[]){rows, packed}), bits);
    return m_cast(l, m_slice_numbers(l, numbers, 1, 0, blocks), SIB_F32);
}

/* Y = A * W^T + bias with W[n, k] = (q[n, k] - zero_point[n, g]) * scale[n, g], where g = floor(k /
   block_size) or g_idx[k]; q has 2, 4 or 8 bits, its default zero point is half its range. com.microsoft
   MatMulNBits-1. */
void lower_MS_MatMulNBits(lowering *l, const node *n)
{
    matmul_bits_spec spec = spec_matmul_bits(n);
    mval a = l_in(l, 0);
    int64_t k = spec.K, rows = spec.N, bits = spec.bits, block = spec.block_size;
    elem_takes(l, a, "A", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, a));
    if ((bits != 2 && bits != 4 && bits != 8) || block % 8 || spec.weight_prepacked) {
        l_fail(l, SIB_ERR_UNSUPPORTED,
               "weights of %lld bits in blocks of %lld, or in another packing, are not supported",
               (long long)bits, (long long)block);
        return;
    }
    int64_t blocks = (k + block - 1) / block, bytes = blocks * (block / 8 * bits);
    mval q = unpack(l, m_reshape_numbers(l, l_in(l, 1), 2, (int64_t[]){rows, bytes}), bits);
    mval scales = m_cast(l, m_reshape_numbers(l, l_in(l, 2), 2, (int64_t[]){rows, blocks}), SIB_F32);
    mval zeros = zero_points(l, l_in_or_none(l, 3), rows, blocks, bits);
    bool each_zero = l_has(l, 3);
    mval floats = m_cast(l, q, SIB_F32), weights; /* [N, blocks * block] */
    if (l_has(l, 4)) {                            /* g_idx: the block of each k */
        mval g = m_slice_numbers(l, l_in(l, 4), 0, 0, k);
        mval zero = each_zero ? m_gather(l, zeros, g, 1) : zeros;
        weights = m_mul(l, m_sub(l, m_slice_numbers(l, floats, 1, 0, k), zero), m_gather(l, scales, g, 1));
    } else {
        mval apart = m_reshape_numbers(l, floats, 3, (int64_t[]){rows, blocks, block});
        mval zero = each_zero ? m_unsqueeze(l, zeros, -1) : zeros;
        mval scaled3 = m_mul(l, m_sub(l, apart, zero), m_unsqueeze(l, scales, -1));
        weights =
            m_slice_numbers(l, m_reshape_numbers(l, scaled3, 2, (int64_t[]){rows, blocks * block}), 1, 0, k);
    }
    mval x = nn_single(l, a);
    mval y = matmul_any_rank(l, x, m_swap(l, m_cast_like(l, weights, x), 0, 1));
    if (l_has(l, 5))
        y = m_add(l, y, m_cast_like(l, l_in(l, 5), y));
    elem_out(l, y, a);
}

/* Broadcasts a parameter to the weights w: one element, one per column of the product, or one per `block`
   weights of a column. */
static mval weight_parameter(lowering *l, mval given, mval w, bool transposed, int64_t block)
{
    dim dims[SIB_MAX_RANK], of[SIB_MAX_RANK];
    int axis = transposed ? 1 : 0, rank = m_dims(l, given, of);
    mval p = m_cast_like(l, given, w);
    m_dims(l, w, dims);
    if (!l_ok(l) || (rank < 2 && !block))
        return rank == 1 && transposed ? m_unsqueeze(l, p, -1) : p;
    if (rank != 2 || block < 1)
        return l_fail(l, SIB_ERR_ARGUMENT, "a parameter of rank %d with block_size %lld", rank,
                      (long long)block);
    int64_t k = m_number(l, dims[axis]);
    dim apart[3] = {of[0], transposed ? of[1] : d_const(l, block), transposed ? d_const(l, block) : of[1]};
    dim joined[2] = {transposed ? of[0] : d_mul(l, of[0], d_const(l, block)),
                     transposed ? d_mul(l, of[1], d_const(l, block)) : of[1]};
    p = m_expand(l, m_unsqueeze(l, p, transposed ? 2 : 1), 3, apart);
    return m_slice_numbers(l, m_reshape(l, p, 2, joined), axis, 0, k);
}

/* Y = A W with W (K, N) = (float(B) - zero) * scale; B is (N, K) with transB, and narrower than A. scale and
   zero: omitted, one element, one per column, or with block_size one per block_size weights of a column,
   their axes ordered like B's. Passes make it of a MatMul by weights that a Cast or DequantizeLinear widens.
   ai.sibyl NarrowMatMul-1. */
void lower_SIBYL_NarrowMatMul(lowering *l, const node *n)
{
    narrow_spec spec = spec_narrow(n);
    mval a = l_in(l, 0), b = l_in(l, 1);
    bool transposed = spec.transB;
    int64_t block = spec.block_size;
    elem_takes(l, a, "A", ELEM_FLOATS);
    elem_declare(l, m_dtype(l, a));
    if (l_ok(l) && m_rank(l, b) != 2) {
        l_fail(l, SIB_ERR_ARGUMENT, "B has rank %d, expected 2", m_rank(l, b));
        return;
    }
    mval x = nn_single(l, a), w = m_cast_like(l, b, x);
    if (l_has(l, 3))
        w = m_sub(l, w, weight_parameter(l, l_in(l, 3), w, transposed, block));
    if (l_has(l, 2))
        w = m_mul(l, w, weight_parameter(l, l_in(l, 2), w, transposed, block));
    elem_out(l, matmul_any_rank(l, x, transposed ? m_swap(l, w, 0, 1) : w), a);
}

/* Y [..., K] = the elements of the blocks in B [..., bytes of a row]; with transposed, the last two axes of Y are
   exchanged. A block holds 32 or 256 consecutive elements; format is q4_0, q4_1, q5_0, q5_1, q8_0, iq4_nl, mxfp4 or
   q2_k to q6_k, as ggml defines them. ai.sibyl DequantizeBlocks-1. */
void lower_SIBYL_DequantizeBlocks(lowering *l, const node *n)
{
    blocks_spec spec = spec_blocks(n);
    mval b = l_in(l, 0);
    elem_takes(l, b, "B", ELEM(SIB_U8));
    elem_declare(l, SIB_F32);
    mval y = m_decode_blocks(l, b, spec.format);
    if (l_ok(l) && spec.transposed && m_rank(l, y) < 2) {
        l_fail(l, SIB_ERR_ARGUMENT, "B has rank %d, expected 2 or more with transposed", m_rank(l, y));
        return;
    }
    l_out(l, 0, spec.transposed ? m_swap(l, y, -2, -1) : y);
}

/* Y = A W^T with W (N, K) = DequantizeBlocks(B). Passes make it of a product by such weights. ai.sibyl
   MatMulBlocks-1. */
void lower_SIBYL_MatMulBlocks(lowering *l, const node *n)
{
    mval a = l_in(l, 0), b = l_in(l, 1);
    elem_takes(l, a, "A", ELEM_FLOATS);
    elem_takes(l, b, "B", ELEM(SIB_U8));
    elem_declare(l, m_dtype(l, a));
    if (l_ok(l) && m_rank(l, b) != 2) {
        l_fail(l, SIB_ERR_ARGUMENT, "B has rank %d, expected 2", m_rank(l, b));
        return;
    }
    mval x = nn_single(l, a), w = m_decode_blocks(l, b, spec_blocks(n).format);
    elem_out(l, matmul_any_rank(l, x, m_swap(l, m_cast_like(l, w, x), 0, 1)), a);
}

/* ---- Four bits of bitsandbytes ------------------------------------------------------------------------- */

/* The values of a code: Dettmers et al. 2023 (QLoRA), and bitsandbytes' FP4, whose bit 3 is the sign. */
static const float bnb4_values[2][16] = {
    {0, 0.00520833333F, 0.66666667F, 1, 0.33333333F, 0.5F, 0.16666667F, 0.25F, -0.0F, -0.00520833333F,
     -0.66666667F, -1, -0.33333333F, -0.5F, -0.16666667F, -0.25F},
    {-1, -0.6961928009986877F, -0.5250730514526367F, -0.39491748809814453F, -0.28444138169288635F,
     -0.18477343022823334F, -0.09105003625154495F, 0, 0.07958029955625534F, 0.16093020141124725F,
     0.24611230194568634F, 0.33791524171829224F, 0.44070982933044434F, 0.5626170039176941F,
     0.7229568362236023F, 1}};

/* Y = A W with the transpose [N, K] of W given as codes, two in a byte, the first in the high bits: the code's
   value times the absmax of its block of block_size codes. With transB 0, Y = A W' of [N, K]. com.microsoft
   MatMulBnb4-1. */
void lower_MS_MatMulBnb4(lowering *l, const node *n)
{
    matmul_bnb4_spec spec = spec_matmul_bnb4(n);
    mval a = l_in(l, 0), bytes = l_in(l, 1), scale = l_in(l, 2);
    int64_t count, given;
    if (!elem_takes(l, a, "A", ELEM_FLOATS) || !elem_takes(l, bytes, "B", ELEM(SIB_U8)) ||
        !elem_takes(l, scale, "absmax", ELEM_FLOATS))
        return;
    elem_declare(l, m_dtype(l, a));
    if (m_rank(l, bytes) != 1 || m_rank(l, scale) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "B and absmax have ranks %d and %d, expected 1", m_rank(l, bytes),
               m_rank(l, scale));
    if (!l_ok(l) || __builtin_mul_overflow(spec.N, spec.K, &count))
        return;
    int64_t blocks = (count - 1) / spec.block_size + 1, halves = (count - 1) / 2 + 1;
    if ((dim_is_const(l->graph->dims, m_dim(l, bytes, 0), &given) && given != halves) ||
        (dim_is_const(l->graph->dims, m_dim(l, scale, 0), &given) && given != blocks)) {
        l_fail(l, SIB_ERR_ARGUMENT, "K %lld and N %lld need %lld bytes of B and %lld of absmax",
               (long long)spec.K, (long long)spec.N, (long long)halves, (long long)blocks);
        return;
    }
    mval codes[2] = {m_binary(l, MILLI_shift_right, bytes, m_scalar_int(l, SIB_U8, 4)),
                     m_and(l, bytes, m_scalar_int(l, SIB_U8, 15))};
    mval flat = m_slice_numbers(l, m_flatten(l, m_stack(l, 2, codes, 1), 0, 2), 0, 0, count);
    mval values = m_gather(l, m_floats(l, 16, bnb4_values[spec.quant_type]), flat, 0);
    mval block = m_div(l, m_iota(l, SIB_I64, d_const(l, count)), m_scalar_int(l, SIB_I64, spec.block_size));
    values = m_mul(l, values, m_gather(l, m_cast(l, scale, SIB_F32), block, 0));
    mval x = nn_single(l, a);
    mval w = m_cast_like(l, m_reshape_numbers(l, values, 2, (int64_t[]){spec.N, spec.K}), x);
    elem_out(l, matmul_any_rank(l, x, spec.transB ? m_swap(l, w, 0, 1) : w), a);
}

/* ---- Blocks of onnxruntime ------------------------------------------------------------------------------- */

/* The 4-bit numbers of rows of blocks, uint8 [R, block / 2], as uint8 [R, block]: of 32 numbers the first 16 are in
   the low bits of 16 bytes. */
static mval q4_numbers(lowering *l, mval bytes, int64_t block)
{
    dim rows = m_dim(l, bytes, 0), parts[3] = {rows, d_const(l, block / 32), d_const(l, 16)};
    mval apart = m_reshape(l, bytes, 3, parts), halves[2];
    halves[0] = m_and(l, apart, m_scalar_int(l, SIB_U8, 15));
    halves[1] = m_binary(l, MILLI_shift_right, apart, m_scalar_int(l, SIB_U8, 4));
    return m_reshape(l, m_concat(l, 2, halves, 2), 2, (dim[]){rows, d_const(l, block)});
}

/* Y = A W with columns of W (K, N) in blocks of 32 numbers, or with blk_quant_type 2 of 64: a float32 scale, with
   blk_quant_type 1 a zero point in a byte, which is 8 otherwise, and the numbers. B holds the blocks of each column one
   behind the other. com.microsoft MatMulFpQ4-1. */
void lower_MS_MatMulFpQ4(lowering *l, const node *n)
{
    int64_t type = spec_matmul_q4(n).blk_quant_type, block = type == 2 ? 64 : 32, zeros = type == 1 ? 1 : 0;
    mval a = l_in(l, 0), blob = l_in(l, 1);
    int64_t shape[2] = {1, 1}, rows, size, given, bytes = 4 + zeros + block / 2;
    if (!elem_takes(l, a, "A", ELEM_FLOATS) || !elem_takes(l, blob, "B", ELEM(SIB_U8)))
        return;
    elem_declare(l, m_dtype(l, a));
    size_t count = m_ints(l, l_in(l, 2), shape, 2);
    if (l_ok(l) &&
        (count != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > INT32_MAX || shape[1] > INT32_MAX))
        l_fail(l, SIB_ERR_ARGUMENT, "B_shape is no pair of numbers above 0");
    int64_t blocks = (shape[0] + block - 1) / block;
    if (!l_ok(l) || __builtin_mul_overflow(shape[1], blocks, &rows) ||
        __builtin_mul_overflow(rows, bytes, &size))
        return;
    if (m_rank(l, blob) != 1 || (dim_is_const(l->graph->dims, m_dim(l, blob, 0), &given) && given != size)) {
        l_fail(l, SIB_ERR_ARGUMENT, "B is no list of %lld bytes, which K %lld and N %lld need",
               (long long)size, (long long)shape[0], (long long)shape[1]);
        return;
    }
    mval all = m_reshape_numbers(l, blob, 2, (int64_t[]){rows, bytes});
    mval head = m_cast(l, m_slice_numbers(l, all, 1, 0, 4), SIB_U32);
    mval shifts = m_mul(l, m_iota(l, SIB_U32, d_const(l, 4)), m_scalar_int(l, SIB_U32, 8));
    head = m_reduce_axis(l, MILLI_reduce_sum, m_binary(l, MILLI_shift_left, head, shifts), 1, KEEP_DIMS);
    mval numbers = m_cast(l, q4_numbers(l, m_slice_numbers(l, all, 1, 4 + zeros, block / 2), block), SIB_F32);
    mval zero = zeros ? m_cast(l, m_slice_numbers(l, all, 1, 4, 1), SIB_F32) : m_scalar(l, SIB_F32, 8);
    mval scale = m_cast(l, m_bitcast(l, head, SIB_F32), SIB_F32), x = nn_single(l, a);
    mval w = m_mul(l, m_sub(l, numbers, zero), scale);
    w = m_reshape_numbers(l, w, 2, (int64_t[]){shape[1], blocks * block});
    w = m_swap(l, m_slice_numbers(l, w, 1, 0, shape[0]), 0, 1);
    elem_out(l, matmul_any_rank(l, x, m_cast_like(l, w, x)), a);
}
