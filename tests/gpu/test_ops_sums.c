/* Products, convolutions, norms and rotations on a GPU's backend against ref. */
#include "ops.h"

TEST_FIXTURE(begin, end)

/* ---- Products ------------------------------------------------------------------------------------------ */

TEST(test_matmul_integer)
{
    static const sib_dtype bytes[] = {SIB_U8, SIB_I8};
    for (size_t t = 0; t < 16; t++) {
        const sib_dtype a = bytes[t % 2], b = bytes[t / 2 % 2];
        const bool rows = t & 8;
        claim_case w = made(
            "MatMulInteger", 10, t & 4 ? 4 : 2,
            (const tensor[]){
                {a, 3, {2, 33, 70}}, {b, 2, {70, 37}}, {a, rows ? 1 : 0, {33}}, {b, rows ? 1 : 0, {37}}});
        w.in[0].size = w.in[1].size = 127;
        check(&w);
    }
}

/* Of few rows and of tiles, each operand transposed, with every form of C. */
TEST(test_gemm)
{
    enum { K = 34, N = 44 };
    static const int64_t rows[] = {1, 5, 40};
    static const sib_dtype types[] = {SIB_F32, SIB_F16, SIB_BF16};
    for (size_t t = 0; t < 3 * 3 * 4 * 7; t++) {
        const int64_t m = rows[t % 3], a = t / 9 % 2, b = t / 18 % 2;
        const sib_dtype type = types[t / 3 % 3];
        const tensor c[] = {{SIB_DTYPE_UNKNOWN, 0, {0}}, {type, 0, {0}},    {type, 1, {1}},   {type, 1, {N}},
                            {type, 2, {1, N}},           {type, 2, {m, 1}}, {type, 2, {m, N}}};
        const size_t form = t / 36;
        claim_case w = made(
            "Gemm", 13, 3,
            (const tensor[]){{type, 2, {a ? K : m, a ? m : K}}, {type, 2, {b ? N : K, b ? K : N}}, c[form]});
        w.in[0].size = w.in[1].size = 1;
        w.n_attributes = 4;
        w.attributes[0] = claim_int("transA", a);
        w.attributes[1] = claim_int("transB", b);
        w.attributes[2] = claim_float("alpha", form % 2 ? 0.5 : 1);
        w.attributes[3] = claim_float("beta", form % 3 ? -1.5 : 1);
        w.abs = type == SIB_F32 ? 2e-5 : type == SIB_F16 ? 1e-2 : 1e-1;
        w.rel = type == SIB_F32 ? 1e-6 : type == SIB_F16 ? 1e-3 : 1e-2;
        check(&w);
    }
}

/* Transposed operands of batches, which one of them may lack. */
TEST(test_fused_matmul)
{
    for (size_t t = 0; t < 24; t++) {
        const int64_t m = t / 8 == 2 ? 40 : 2, k = 20, n = t / 8 ? 24 : 23, a = t % 2, b = t / 2 % 2;
        claim_case w = made("FusedMatMul", 1, 2,
                            (const tensor[]){{SIB_F32, 3, {3, a ? k : m, a ? m : k}},
                                             {SIB_F32, 3, {3, b ? n : k, b ? k : n}}});
        w.domain = "com.microsoft";
        if (t & 4) {
            w.in[1].rank = 2;
            memmove(w.in[1].dims, w.in[1].dims + 1, 16);
        }
        w.in[0].size = w.in[1].size = 1;
        w.n_attributes = 3;
        w.attributes[0] = claim_int("transA", a);
        w.attributes[1] = claim_int("transB", b);
        w.attributes[2] = claim_float("alpha", 0.125);
        w.abs = 1e-5;
        w.rel = 1e-6;
        check(&w);
    }
}

/* K weights of N columns in blocks, with each kind of zero point, times `rows` rows. */
static void check_bits(int64_t rows, int64_t k, int64_t n, int64_t block, int64_t bits, size_t zeros,
                       sib_dtype type)
{
    const int64_t blocks = (k + block - 1) / block;
    claim_case w = made("MatMulNBits", 1, 6,
                        (const tensor[]){{type, 3, {1, rows, k}},
                                         {SIB_U8, 3, {n, blocks, block * bits / 8}},
                                         {type, 1, {n * blocks}},
                                         {SIB_U8, 1, {n * ((blocks * bits + 7) / 8)}},
                                         {SIB_DTYPE_UNKNOWN, 0, {0}},
                                         {type, 1, {n}}});
    w.domain = "com.microsoft";
    w.in[0].size = w.in[2].size = w.in[5].size = 1;
    w.in[1].size = w.in[3].size = 127;
    if (zeros == 0)
        w.in[3].dtype = SIB_DTYPE_UNKNOWN;
    if (zeros == 1) {
        w.in[3] = w.in[2];
        w.in[5].dtype = SIB_DTYPE_UNKNOWN;
    }
    w.n_attributes = 4;
    w.attributes[0] = claim_int("K", k);
    w.attributes[1] = claim_int("N", n);
    w.attributes[2] = claim_int("bits", bits);
    w.attributes[3] = claim_int("block_size", block);
    w.abs = type == SIB_F32 ? 1e-3 : 1; /* sums of products of up to 200 */
    w.rel = type == SIB_F32 ? 1e-5 : 2e-3;
    check(&w);
}

/* In blocks that K fills and does not, of rows of whole fours of words and of others, by every kernel. */
TEST(test_matmul_bits)
{
    static const int64_t sizes[][3] = {
        {70, 38, 16}, {136, 38, 16}, {64, 6, 32}, {264, 300, 32}, {1024, 20, 128}};
    static const int64_t rows[] = {1, 3, 6, 10};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int64_t bits = 2; bits <= 8; bits *= 2)
            for (size_t zeros = 0; zeros < 3; zeros++)
                for (size_t t = 0; t < 8; t++)
                    check_bits(rows[t / 2], sizes[s][0], sizes[s][1], sizes[s][2], bits, zeros,
                               t % 2 ? SIB_F16 : SIB_F32);
}

/* Weights of 16 bits that a pass leaves narrow, as MatMul and as Gemm have them; rows of every batch together. */
TEST(test_matmul_narrow)
{
    static const sib_dtype types[] = {SIB_F16, SIB_BF16};
    enum { K = 70, N = 37 };
    for (size_t t = 0; t < 4; t++) {
        const sib_dtype type = types[t % 2];
        const bool transposed = t & 2;
        claim_case w = made(
            "NarrowMatMul", 1, 2,
            (const tensor[]){{SIB_F32, 3, {2, 3, K}}, {type, 2, {transposed ? N : K, transposed ? K : N}}});
        w.domain = "ai.sibyl";
        w.in[0].size = w.in[1].size = 1;
        w.n_attributes = 1;
        w.attributes[0] = claim_int("transB", transposed);
        w.abs = 1e-5;
        w.rel = 1e-5;
        check(&w);
    }
}

/* Of few rows: in words and fours of words, of one thread's columns and many groups', with and without batches. */
TEST(test_matvec)
{
    static const int64_t rows[] = {1, 2, 3, 4, 5, 7, 8};
    static const int64_t sizes[][2] = {{1, 1},   {3, 1},    {1, 6},     {70, 38},
                                       {64, 64}, {301, 20}, {96, 2200}, {2056, 8}};
    static const sib_dtype types[] = {SIB_F32, SIB_F16, SIB_BF16};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (size_t i = 0; i < COUNT(rows); i++)
            for (size_t t = 0; t < 12; t++) {
                const int64_t k = sizes[s][0], n = sizes[s][1], m = rows[i];
                const sib_dtype type = types[t % 3];
                const bool transposed = t >= 6 && type != SIB_F32, batches = t >= 3 && t < 6;
                claim_case w = made(transposed ? "NarrowMatMul" : "MatMul", transposed ? 1 : 13, 2,
                                    (const tensor[]){{transposed ? SIB_F32 : type, batches ? 3 : 2, {m, k}},
                                                     {type, batches ? 3 : 2, {k, n}}});
                if (t >= 6 && (!transposed || k * m * n > 100000))
                    continue;
                if (type != SIB_F32 && !transposed && n % 2)
                    continue;
                if (batches) {
                    memcpy(w.in[0].dims, (const int64_t[]){3, m, k}, 24);
                    memcpy(w.in[1].dims, (const int64_t[]){3, k, n}, 24);
                }
                if (transposed) {
                    w.domain = "ai.sibyl";
                    w.n_attributes = 1;
                    w.attributes[0] = claim_int("transB", t >= 9);
                    if (t >= 9)
                        memcpy(w.in[1].dims, (const int64_t[]){n, k}, 16);
                }
                w.in[0].size = w.in[1].size = 1;
                w.abs = type == SIB_F32 || transposed ? 2e-5 : type == SIB_F16 ? 1e-2 : 1e-1;
                w.rel = type == SIB_F32 || transposed ? 1e-5 : type == SIB_F16 ? 1e-3 : 1e-2;
                check(&w);
            }
}

/* ---- Transposed convolutions --------------------------------------------------------------------------- */

/* Over one to three axes, strided and dilated with and without a common factor, in groups. */
TEST(test_transposed)
{
    static const int64_t strides[][3] = {{1, 1, 1}, {2, 3, 2}, {4, 2, 1}}, dilations[] = {2, 2, 3};
    for (size_t k = 0; k < 18; k++) {
        const size_t axes = k % 3 + 1;
        const sib_dtype type = k < 9 ? SIB_F32 : SIB_F16;
        claim_case w =
            made("ConvTranspose", 11, 3,
                 (const tensor[]){{type, axes + 2, {1, 4}}, {type, axes + 2, {4, 3}}, {type, 1, {6}}});
        for (size_t i = 0; i < axes; i++) {
            w.in[0].dims[2 + i] = 5 - (int64_t)i;
            w.in[1].dims[2 + i] = 3;
        }
        w.in[0].size = w.in[1].size = 1;
        w.n_attributes = 3;
        w.attributes[0] = claim_ints("strides", axes, strides[k / 3 % 3]);
        w.attributes[1] = claim_ints("dilations", axes, dilations);
        w.attributes[2] = claim_int("group", 2);
        w.abs = 1e-5;
        w.rel = type == SIB_F32 ? 1e-6 : 1e-3;
        check(&w);
    }
}

/* ---- Norms --------------------------------------------------------------------------------------------- */

/* Of numbers whose squares leave float32's range: the kernel of windows scales them, other norms are not the device's. */
TEST(test_norms_range)
{
    static const double x[] = {-2.4821279e-21, 8e-21, 0,    0,        3e30, -4e30, 1,  2,
                               INFINITY,       1,     -NAN, INFINITY, 0,    0,     -3, 4};
    static const double powers[] = {1, 2, 2.5, 3};
    for (size_t k = 0; k < 3 * COUNT(powers); k++) {
        const int64_t taps[] = {(int64_t)k % 3 + 1};
        claim_case w = made("LpPool", k % 4 == 2 ? 1 : 18, 1, (const tensor[]){{SIB_F32, 3, {1, 2, 8}}});
        w.in[0].values = x;
        w.n_attributes = 2;
        w.attributes[0] = claim_ints("kernel_shape", 1, taps);
        w.attributes[1] =
            k % 4 == 2 ? claim_float("p", powers[k % 4]) : claim_int("p", (int64_t)powers[k % 4]);
        w.rel = 1e-6;
        check(&w);
    }
    claim_case w = made("ReduceL2", 13, 1, (const tensor[]){{SIB_F32, 2, {8, 2}}});
    w.in[0].values = x;
    w.n_attributes = 1;
    w.attributes[0] = claim_ints("axes", 1, (const int64_t[]){1});
    w.left_to_lower = true;
    w.rel = 1e-6;
    check(&w);
}

/* ---- Rotations ----------------------------------------------------------------------------------------- */

/* Heads of 8 of which 4 or all are rotated, apart and packed, at positions and by step, in both domains. */
TEST(test_rotary)
{
    static const sib_dtype types[] = {SIB_F32, SIB_F16};
    static const double positions[] = {3, 0, 1, 6, 6, 2};
    for (size_t k = 0; k < 64; k++) {
        const bool packed = k & 1, placed = k & 2, part = k & 4, microsoft = k & 8;
        const sib_dtype type = types[k / 16 % 2];
        const int64_t half = part ? 2 : 4;
        const tensor x = packed ? (tensor){type, 3, {2, 3, 40}} : (tensor){type, 4, {2, 5, 3, 8}};
        const tensor cache = placed ? (tensor){type, 2, {7, half}} : (tensor){type, 3, {2, 3, half}};
        const tensor at = {placed ? SIB_I64 : SIB_DTYPE_UNKNOWN, 2, {2, 3}};
        if (microsoft && !placed)
            continue;
        claim_case w = microsoft ? made("RotaryEmbedding", 1, 4, (const tensor[]){x, at, cache, cache})
                                 : made("RotaryEmbedding", 23, 4, (const tensor[]){x, cache, cache, at});
        w.domain = microsoft ? "com.microsoft" : "";
        w.in[microsoft ? 1 : 3].values = positions;
        w.in[2].size = w.in[microsoft ? 3 : 1].size = 1;
        w.n_attributes = 3;
        w.attributes[0] = claim_int("num_heads", packed ? 5 : 0);
        w.attributes[1] = claim_int("rotary_embedding_dim", part ? 4 : 0);
        w.attributes[2] = claim_int("interleaved", k / 32);
        w.abs = type == SIB_F32 ? 2e-5 : 0.1;
        check(&w);
    }
}
