/* Quantization on a GPU's backend against ref. */
#include "ops.h"

TEST_FIXTURE(begin, end)

/* Ties, ends, numbers beside both, and those that are none: the bytes of the definition, for one scale, one a place and
   one a block. */
TEST(test_quantize)
{
    enum { N = 6 * 700 };
    static const sib_dtype floats[] = {SIB_F32, SIB_F16, SIB_BF16}, bytes[] = {SIB_U8, SIB_I8};
    static const double odd[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1e-40, 3e38, -3e38};
    static double x[N], scales[6 * 24], zeros[6 * 24];
    check_random r = {17};
    for (size_t i = 0; i < COUNT(scales); i++) {
        scales[i] = i % 5 == 4 ? 0 : (double)(float)(0.003 * (double)(1 + check_u64(&r) % 1000));
        zeros[i] = (double)(check_u64(&r) % 100);
    }
    for (size_t k = 0; k < 72; k++) {
        const sib_dtype type = floats[k % 3], scale = floats[k / 3 % 3], to = bytes[k / 9 % 2];
        const size_t grain = k / 18 % 4; /* one, one a place, one a block, one without a zero point */
        const tensor parameter = grain == 2   ? (tensor){scale, 2, {6, 24}}
                                 : grain == 1 ? (tensor){scale, 1, {6}}
                                              : (tensor){scale, 0, {0}};
        claim_case w = made("QuantizeLinear", 23, grain == 3 ? 2 : 3,
                            (const tensor[]){{type, 2, {6, 700}}, parameter, parameter});
        for (size_t i = 0; i < N; i++) { /* halves of the scale, and what is beside them */
            const double s = scales[grain == 2 ? i / 700 * 24 + i % 700 / 30 : grain == 1 ? i / 700 : 0];
            const double half = ((double)(check_u64(&r) % 600) - 300) / 2;
            x[i] = (double)nextafterf((float)(half * s), (float)(check_u64(&r) % 3) * 1e30f - 1e30f);
            x[i] = i % 50 == 7 ? odd[i / 50 % COUNT(odd)] : i % 3 ? x[i] : half * s;
        }
        w.in[0].values = x;
        w.in[1].values = scales;
        w.in[2].dtype = to;
        w.in[2].values = zeros;
        w.n_attributes = 3;
        w.attributes[0] = claim_int("axis", grain == 2);
        w.attributes[1] = claim_int("block_size", grain == 2 ? 30 : 0);
        w.attributes[2] = claim_int("output_dtype", to);
        if (grain == 1)
            w.attributes[0] = claim_int("axis", -2);
        check(&w);
    }
}

TEST(test_quantize_range)
{
    static const double odd[] = {0, NAN, INFINITY, -INFINITY, 3e38, 1e-42};
    double x[5 * 67];
    for (size_t k = 0; k < 40; k++) {
        check_random r = {k};
        if (k == 5 && !keeps_denormals())
            continue; /* 1e-42 */
        claim_case w = made("DynamicQuantizeLinear", 11, 1, (const tensor[]){{SIB_F32, 2, {5, 67}}});
        for (size_t i = 0; i < COUNT(x); i++)
            x[i] =
                (double)(float)(k < 6 ? odd[k] * (k > 2 && i % 2 ? -1 : 1)
                                      : (check_uniform(&r) + (double)(k % 3) - 1) * pow(10, (double)k - 20));
        w.in[0].values = x;
        w.n_out = 3;
        check(&w);
    }
}

/* Sums with scales whose products are ties, near these, and of any bits, one a matrix or one a column: the bytes that
   float64 gives. */
TEST(test_requantize)
{
    enum { M = 40, K = 30, N = 24 };
    static double scales[3][N], zeros[N];
    static const tensor inputs[] = {{SIB_U8, 2, {M, K}}, {SIB_F32, 0, {0}}, {SIB_U8, 0, {0}},
                                    {SIB_I8, 2, {K, N}}, {SIB_F32, 1, {N}}, {SIB_I8, 1, {N}},
                                    {SIB_F32, 0, {0}},   {SIB_U8, 0, {0}}};
    for (size_t k = 0; k < 48; k++) {
        const bool bytes = k & 1, each = k & 2, few = k & 4, conv = k & 8;
        check_random r = {k};
        claim_case w = made(conv ? "QLinearConv" : "QLinearMatMul", conv ? 10 : 21, 8, inputs);
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < 3; j++)
                scales[j][i] = few ? ldexp((double)(1 + check_u64(&r) % 3), (int)j - 4)
                                   : (double)(float)((0.1 + fabs(check_uniform(&r))) * (j == 2 ? 50 : 0.1));
            zeros[i] = (double)(check_u64(&r) % 20);
        }
        if (conv) {
            w.in[0] = (claim_input){.dtype = SIB_U8, .rank = 4, .dims = {2, K, 5, 4}};
            w.in[3] = (claim_input){.dtype = SIB_I8, .rank = 4, .dims = {N, K, 1, 1}};
        }
        w.in[0].size = 250;
        w.in[3].size = 100;
        w.in[4].rank = w.in[5].rank = each;
        w.in[2].dtype = SIB_U8;
        w.in[7].dtype = bytes ? SIB_I8 : SIB_U8;
        for (size_t i = 1; i < 8; i++)
            w.in[i].constant = true;
        w.in[1].values = scales[0];
        w.in[4].values = scales[1];
        w.in[6].values = scales[2];
        w.in[2].values = w.in[7].values = zeros;
        w.in[5].values = zeros + 1;
        if (conv)
            w.in[5].rank = 0;
        check(&w);
    }
}
