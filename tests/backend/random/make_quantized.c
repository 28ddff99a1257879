/* Weights of few bits, and products and convolutions of quantized numbers. */
#include "graph.h"

static const rg_want tame_rows = {rg_is_tame, 2, 4};

static int64_t last_of(const rg_maker *m, int x)
{
    const sib_tensor *t = rg_of(m, x);
    return sib_tensor_dims(t)[sib_tensor_rank(t) - 1];
}

static bool affordable(const rg_maker *m, int x, int64_t by)
{
    return (double)sib_tensor_count(rg_of(m, x)) * (double)by <= (double)m->max * 60;
}

static int constant_of(const rg_maker *m, sib_dtype dtype, size_t rank, const int64_t *dims,
                       rg_profile profile)
{
    int v = rg_new(m, dtype, rank, dims, profile);
    if (v != RG_NONE)
        m->g->values[v].constant = true;
    return v;
}

/* A small scale, so that sums stay in the range of the nodes that follow. */
static int scale_of(const rg_maker *m, sib_dtype dtype, size_t rank, const int64_t *dims, double size)
{
    sib_error err = SIB_ERROR_INIT;
    int v = constant_of(m, dtype, rank, dims, RG_POSITIVE);
    for (uint64_t i = 0; v != RG_NONE && i < sib_tensor_count(rg_of(m, v)); i++) {
        int64_t index[] = {(int64_t)i, 0};
        if (rank > 1) {
            index[0] = (int64_t)i / dims[1];
            index[1] = (int64_t)i % dims[1];
        }
        sib_tensor_set(m->g->values[v].t, index, size * (0.5 + (double)rg_below(m->r, 16) / 16), &err);
    }
    return v;
}

/* MatMul with weights that are widened just before it: from float16, or from 8 or 4 bits with scales per
   column or block. */
static bool make_narrow(const rg_maker *m)
{
    char text[96];
    int x = rg_pick(m, &tame_rows), kind = rg_below(m->r, 4);
    if (x == RG_NONE || sib_tensor_dtype(rg_of(m, x)) != SIB_F32)
        return false;
    int64_t k = last_of(m, x), n = rg_size(m->r, 80), dims[] = {k, n}, block = k % 16 == 0 && k ? 16 : k;
    int64_t blocks[] = {block ? k / block : 0, n};
    if (!affordable(m, x, n))
        return false;
    if (kind == 0) {
        int w = constant_of(m, rg_chance(m->r, 50) ? SIB_F16 : SIB_BF16, 2, dims, RG_UNIT);
        if (w == RG_NONE || !rg_put(m, "Cast", "to=dtype:f32", 1, &w, 1))
            return false;
    } else {
        static const sib_dtype stored[] = {SIB_I8, SIB_U8, SIB_I4, SIB_U4};
        sib_dtype q = stored[rg_below(m->r, 4)];
        bool blocked = kind == 3 && block > 0, zeros = rg_chance(m->r, 50);
        const int64_t *of = blocked ? blocks : dims + 1;
        size_t rank = blocked ? 2 : kind == 1 ? 0 : 1;
        int in[] = {constant_of(m, q, 2, dims, RG_WIDE), scale_of(m, SIB_F32, rank, of, 0.02),
                    zeros ? constant_of(m, q, rank, of, RG_GENTLE) : RG_NONE};
        snprintf(text, sizeof text, blocked ? "axis=0 block_size=%d" : "axis=1", (int)block);
        if (in[0] == RG_NONE || in[1] == RG_NONE ||
            !rg_put(m, "DequantizeLinear", text, zeros ? 3 : 2, in, 1))
            return false;
    }
    int product[] = {x, m->g->n_values - 1};
    return rg_put(m, "MatMul", "", 2, product, 1);
}

static bool make_qlinear_matmul(const rg_maker *m)
{
    sib_dtype a = rg_chance(m->r, 50) ? SIB_U8 : SIB_I8, b = rg_chance(m->r, 50) ? SIB_U8 : SIB_I8;
    int64_t k = rg_size(m->r, 70), n = rg_size(m->r, 40), x[] = {rg_size(m->r, 20), k}, w[] = {k, n};
    bool columns = rg_chance(m->r, 50);
    int in[] = {rg_new(m, a, 2, x, RG_WIDE),
                scale_of(m, SIB_F32, 0, NULL, 0.02),
                rg_new(m, a, 0, NULL, RG_GENTLE),
                constant_of(m, b, 2, w, RG_WIDE),
                scale_of(m, SIB_F32, columns, &n, 0.02),
                constant_of(m, b, columns, &n, RG_GENTLE),
                scale_of(m, SIB_F32, 0, NULL, 0.5),
                rg_new(m, a, 0, NULL, RG_GENTLE)};
    for (int i = 0; i < 8; i++)
        if (in[i] == RG_NONE)
            return false;
    return rg_put(m, "QLinearMatMul", "", 8, in, 1);
}

/* ConvInteger, or QLinearConv. */
static bool make_integer_conv(const rg_maker *m)
{
    static const char *const words[] = {"", "pads=[1,1,1,1]", "strides=[2,2] pads=[1,0,1,0]",
                                        "dilations=[2,2]"};
    sib_dtype a = rg_chance(m->r, 50) ? SIB_U8 : SIB_I8;
    int64_t c = 1 + rg_below(m->r, 9), out = 1 + rg_below(m->r, 20), side = 1 + 2 * rg_below(m->r, 2);
    int64_t x[] = {1 + rg_below(m->r, 2), c, 3 + rg_below(m->r, 9), 3 + rg_below(m->r, 9)},
            w[] = {out, c, side, side};
    const char *text = words[rg_below(m->r, 4)];
    if (rg_chance(m->r, 40)) {
        int in[] = {rg_new(m, a, 4, x, RG_WIDE),
                    constant_of(m, rg_chance(m->r, 50) ? SIB_U8 : SIB_I8, 4, w, RG_WIDE),
                    rg_new(m, a, 0, NULL, RG_GENTLE)};
        if (in[0] == RG_NONE || in[1] == RG_NONE || !rg_put(m, "ConvInteger", text, 3, in, 1))
            return false;
        int y = m->g->n_values - 1;
        return rg_put(m, "Cast", "to=dtype:f32", 1, &y, 1);
    }
    bool channels = rg_chance(m->r, 50);
    sib_dtype b = rg_chance(m->r, 50) ? SIB_U8 : SIB_I8;
    int zero = constant_of(m, b, channels, &out, RG_GENTLE);
    int in[] = {rg_new(m, a, 4, x, RG_WIDE),
                scale_of(m, SIB_F32, 0, NULL, 0.02),
                rg_new(m, a, 0, NULL, RG_GENTLE),
                constant_of(m, b, 4, w, RG_WIDE),
                scale_of(m, SIB_F32, channels, &out, 0.02),
                zero,
                scale_of(m, SIB_F32, 0, NULL, 0.5),
                rg_new(m, a, 0, NULL, RG_GENTLE),
                rg_chance(m->r, 50) ? RG_NONE : constant_of(m, SIB_I32, 1, &out, RG_GENTLE)};
    for (int i = 0; i < 8; i++)
        if (in[i] == RG_NONE)
            return false;
    return rg_put(m, "QLinearConv", text, in[8] == RG_NONE ? 8 : 9, in, 1);
}

/* An activation's input, quantized and dequantized, as quantizers leave it. */
static bool make_there_and_back(const rg_maker *m)
{
    int x = rg_pick(m, &tame_rows);
    if (x == RG_NONE || sib_tensor_dtype(rg_of(m, x)) != SIB_F32)
        return false;
    sib_dtype q = rg_chance(m->r, 50) ? SIB_U8 : SIB_I8;
    int scale = scale_of(m, SIB_F32, 0, NULL, 0.05), zero = constant_of(m, q, 0, NULL, RG_GENTLE),
        in[] = {x, scale, zero};
    if (scale == RG_NONE || zero == RG_NONE || !rg_put(m, "QuantizeLinear", "", 3, in, 1))
        return false;
    int back[] = {m->g->n_values - 1, scale, zero};
    if (!rg_put(m, "DequantizeLinear", "", 3, back, 1))
        return false;
    int64_t k = last_of(m, x), n = rg_size(m->r, 40), dims[] = {k, n};
    int product[] = {m->g->n_values - 1, RG_NONE};
    int weight[] = {affordable(m, x, n) ? constant_of(m, SIB_I8, 2, dims, RG_WIDE) : RG_NONE,
                    scale_of(m, SIB_F32, 0, NULL, 0.02)};
    if (weight[0] == RG_NONE || weight[1] == RG_NONE || !rg_put(m, "DequantizeLinear", "", 2, weight, 1))
        return false;
    product[1] = m->g->n_values - 1;
    return rg_put(m, "MatMul", "", 2, product, 1);
}

const rg_row rg_quantized[] = {
    {10, make_narrow}, {6, make_qlinear_matmul}, {6, make_integer_conv}, {5, make_there_and_back}, {0, NULL}};
