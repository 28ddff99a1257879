/* Matrix products, and the nodes around them. */
#include "graph.h"

static const rg_want tame_rows = {rg_is_tame, 1, 5}, tame_matrix = {rg_is_tame, 2, 2},
                     batches = {rg_is_tame, 3, 4};

static sib_dtype dtype_of(const rg_maker *m, int x)
{
    return sib_tensor_dtype(rg_of(m, x));
}

static int64_t last_of(const rg_maker *m, int x, int from_end)
{
    const sib_tensor *t = rg_of(m, x);
    return sib_tensor_dims(t)[sib_tensor_rank(t) - 1 - (size_t)from_end];
}

/* Products of more than this many multiplications are skipped: ref is slow. */
static bool affordable(const rg_maker *m, int x, int64_t by)
{
    return (double)sib_tensor_count(rg_of(m, x)) * (double)by <= (double)m->max * 60;
}

static bool make_weight(const rg_maker *m)
{
    int x = rg_pick(m, &tame_rows);
    if (x == RG_NONE)
        return false;
    int64_t dims[] = {last_of(m, x, 0), rg_size(m->r, 80)};
    int in[] = {x, affordable(m, x, dims[1])
                       ? rg_new(m, dtype_of(m, x), rg_chance(m->r, 5) ? 1 : 2, dims, RG_UNIT)
                       : RG_NONE};
    if (in[1] == RG_NONE)
        return false;
    m->g->values[in[1]].constant = rg_chance(m->r, 80);
    if (!rg_put(m, "MatMul", "", 2, in, 1))
        return false;
    if (rg_chance(m->r, 50)) /* bias, as in linear layers */
        return true;
    int add[] = {m->g->n_values - 1, rg_new(m, dtype_of(m, x), 1, dims + 1, RG_UNIT)};
    if (rg_chance(m->r, 50)) {
        int other = add[0];
        add[0] = add[1];
        add[1] = other;
    }
    return add[0] != RG_NONE && add[1] != RG_NONE && rg_put(m, "Add", "", 2, add, 1);
}

/* Two batches of matrices, with dims that broadcast. */
static bool make_batched(const rg_maker *m)
{
    int64_t dims[SIB_MAX_RANK];
    int x = rg_pick(m, &batches);
    if (x == RG_NONE)
        return false;
    const sib_tensor *t = rg_of(m, x);
    size_t rank = sib_tensor_rank(t);
    for (size_t i = 0; i + 2 < rank; i++)
        dims[i] = rg_chance(m->r, 20) ? 1 : sib_tensor_dims(t)[i];
    dims[rank - 2] = last_of(m, x, 0);
    dims[rank - 1] = rg_size(m->r, 40);
    size_t cut = rg_chance(m->r, 20) ? rank - 2 : 0;
    int in[] = {x, affordable(m, x, dims[rank - 1])
                       ? rg_new(m, dtype_of(m, x), rank - cut, dims + cut, RG_UNIT)
                       : RG_NONE};
    return in[1] != RG_NONE && rg_put(m, "MatMul", "", 2, in, 1);
}

/* x times its transpose, like the scores of attention. */
static bool make_scores(const rg_maker *m)
{
    int x = rg_pick(m, &batches);
    if (x == RG_NONE || !affordable(m, x, last_of(m, x, 1)))
        return false;
    bool three = sib_tensor_rank(rg_of(m, x)) == 3;
    if (!rg_put(m, "Transpose", three ? "perm=[0,2,1]" : "perm=[0,1,3,2]", 1, &x, 1))
        return false;
    int in[] = {x, m->g->n_values - 1};
    if (!rg_put(m, "MatMul", "", 2, in, 1))
        return false;
    if (rg_chance(m->r, 50))
        return true;
    int scale[] = {m->g->n_values - 1, rg_new(m, dtype_of(m, x), 0, NULL, RG_UNIT)};
    if (scale[1] == RG_NONE || !rg_put(m, "Mul", "", 2, scale, 1))
        return false;
    int scores = m->g->n_values - 1;
    return rg_put(m, "Softmax", "axis=-1", 1, &scores, 1);
}

static bool make_gemm(const rg_maker *m)
{
    char text[96];
    int x = rg_pick(m, &tame_matrix);
    if (x == RG_NONE)
        return false;
    bool ta = rg_chance(m->r, 25), tb = rg_chance(m->r, 50);
    int64_t k = last_of(m, x, ta ? 1 : 0), rows = last_of(m, x, ta ? 0 : 1), n = rg_size(m->r, 80);
    int64_t b[] = {tb ? n : k, tb ? k : n}, full[] = {rows, n}, column[] = {rows, 1};
    int in[] = {x, affordable(m, x, n) ? rg_new(m, dtype_of(m, x), 2, b, RG_UNIT) : RG_NONE, RG_NONE};
    int kind = rg_below(m->r, 6);
    if (in[1] == RG_NONE)
        return false;
    m->g->values[in[1]].constant = rg_chance(m->r, 75);
    if (kind < 5)
        in[2] = kind < 3    ? rg_new(m, dtype_of(m, x), 1, &n, RG_UNIT)
                : kind == 3 ? rg_new(m, dtype_of(m, x), 2, full, RG_UNIT)
                            : rg_new(m, dtype_of(m, x), 2, column, RG_UNIT);
    snprintf(text, sizeof text, "transA=%d transB=%d%s%s", ta, tb, rg_chance(m->r, 25) ? " alpha=0.5" : "",
             rg_chance(m->r, 25) ? " beta=2.0" : "");
    return rg_put(m, "Gemm", text, in[2] == RG_NONE ? 2 : 3, in, 1);
}

static bool make_einsum(const rg_maker *m)
{
    static const char *const words[] = {"equation=\"bij,bjk->bik\"", "equation=\"bij,bkj->bik\"",
                                        "equation=\"bij,bij->bi\"", "equation=\"bij,bjk\"",
                                        "equation=\"bij,bkj->kib\""};
    static const rg_want three = {rg_is_tame, 3, 3};
    int x = rg_pick(m, &three), which = rg_below(m->r, 5);
    if (x == RG_NONE)
        return false;
    int64_t b = last_of(m, x, 2), i = last_of(m, x, 1), j = last_of(m, x, 0), k = rg_size(m->r, 20);
    int64_t dims[5][3] = {{b, j, k}, {b, k, j}, {b, i, j}, {b, j, k}, {b, k, j}};
    int in[] = {x, affordable(m, x, k) ? rg_new(m, dtype_of(m, x), 3, dims[which], RG_UNIT) : RG_NONE};
    return in[1] != RG_NONE && rg_put(m, "Einsum", words[which], 2, in, 1);
}

static bool make_whole(const rg_maker *m)
{
    sib_dtype a = rg_chance(m->r, 50) ? SIB_U8 : SIB_I8, b = rg_chance(m->r, 50) ? SIB_U8 : SIB_I8;
    int64_t rows = rg_size(m->r, 20), k = rg_size(m->r, 70), n = rg_size(m->r, 40);
    int64_t x[] = {rows, k}, w[] = {k, n};
    bool zeros = rg_chance(m->r, 60);
    int in[] = {rg_new(m, a, 2, x, RG_WIDE), rg_new(m, b, 2, w, RG_WIDE),
                zeros ? rg_new(m, a, 0, NULL, RG_GENTLE) : RG_NONE,
                zeros ? rg_new(m, b, rg_below(m->r, 2) && n ? 1 : 0, &n, RG_GENTLE) : RG_NONE};
    if (in[0] == RG_NONE || in[1] == RG_NONE || !rg_put(m, "MatMulInteger", "", 4, in, 1))
        return false;
    int y = m->g->n_values - 1;
    return rg_put(m, "Cast", "to=dtype:f32", 1, &y, 1);
}

static bool make_quantize(const rg_maker *m)
{
    static const rg_want any = {rg_is_tame, 1, 4};
    int x = rg_pick(m, &any);
    if (x == RG_NONE)
        return false;
    if (rg_chance(m->r, 30) && dtype_of(m, x) == SIB_F32)
        return rg_put(m, "DynamicQuantizeLinear", "", 1, &x, 3);
    sib_dtype q = rg_chance(m->r, 50) ? SIB_U8 : SIB_I8;
    int scale = rg_new(m, dtype_of(m, x), 0, NULL, RG_POSITIVE), zero = rg_new(m, q, 0, NULL, RG_GENTLE);
    int in[] = {x, scale, zero};
    if (scale == RG_NONE || zero == RG_NONE || !rg_put(m, "QuantizeLinear", "", 3, in, 1))
        return false;
    int back[] = {m->g->n_values - 1, scale, zero};
    return rg_put(m, "DequantizeLinear", "", 3, back, 1);
}

const rg_row rg_matrix[] = {{30, make_weight}, {14, make_batched}, {10, make_scores},   {20, make_gemm},
                            {5, make_einsum},  {8, make_whole},    {10, make_quantize}, {0, NULL}};
