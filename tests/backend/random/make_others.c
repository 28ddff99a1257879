/* Attention, recurrent layers, and other operators that are large graphs by themselves. */
#include "graph.h"

static sib_dtype dtype_of(const rg_maker *m, int x)
{
    return sib_tensor_dtype(rg_of(m, x));
}

/* Queries may be an existing value; keys and values are new, sometimes with fewer heads. */
static bool make_attention(const rg_maker *m)
{
    static const rg_want heads = {rg_is_tame, 4, 4};
    char text[128];
    int x = rg_pick(m, &heads);
    if (x == RG_NONE)
        return false;
    const int64_t *q = sib_tensor_dims(rg_of(m, x));
    int64_t fewer = q[1] % 2 == 0 && q[1] && rg_chance(m->r, 30) ? q[1] / 2 : q[1];
    int64_t length = rg_chance(m->r, 50) ? q[2] : rg_size(m->r, 40);
    int64_t k[] = {q[0], fewer, length, q[3]},
            v[] = {q[0], fewer, length, rg_chance(m->r, 70) ? q[3] : rg_size(m->r, 20)};
    int64_t mask[] = {q[2], length};
    if ((double)sib_tensor_count(rg_of(m, x)) * (double)length > (double)m->max * 60)
        return false;
    bool causal = rg_chance(m->r, 25), masked = rg_chance(m->r, 30);
    int in[] = {x, rg_new(m, dtype_of(m, x), 4, k, RG_UNIT), rg_new(m, dtype_of(m, x), 4, v, RG_UNIT),
                masked ? rg_new(m, rg_chance(m->r, 50) ? SIB_BOOL : dtype_of(m, x), 2, mask, RG_UNIT)
                       : RG_NONE};
    snprintf(text, sizeof text, "is_causal=%d%s%s", causal, rg_chance(m->r, 25) ? " scale=0.3" : "",
             rg_chance(m->r, 10) ? " softcap=5.0" : "");
    return in[1] != RG_NONE && in[2] != RG_NONE && rg_put(m, "Attention", text, masked ? 4 : 3, in, 1);
}

static bool make_recurrent(const rg_maker *m)
{
    static const char *const names[] = {"LSTM", "GRU", "RNN"}, *const directions[] = {"forward", "reverse",
                                                                                      "bidirectional"};
    static const int gates[] = {4, 3, 1};
    static const rg_want sequences = {rg_is_tame, 3, 3};
    char text[128];
    int x = rg_pick(m, &sequences), kind = rg_below(m->r, 3), way = rg_below(m->r, 3);
    if (x == RG_NONE)
        return false;
    const int64_t *dims = sib_tensor_dims(rg_of(m, x));
    int64_t hidden = 1 + rg_below(m->r, 20), n = way == 2 ? 2 : 1, steps = dims[0], batch = dims[1];
    int64_t w[] = {n, gates[kind] * hidden, dims[2]}, r[] = {n, gates[kind] * hidden, hidden},
            b[] = {n, 2 * gates[kind] * hidden};
    int64_t state[] = {n, batch, hidden};
    if ((double)steps * (double)batch * (double)(hidden * (hidden + dims[2])) > (double)m->max * 60)
        return false;
    sib_dtype d = dtype_of(m, x);
    bool start = rg_chance(m->r, 40);
    int in[] = {x,
                rg_new(m, d, 3, w, RG_UNIT),
                rg_new(m, d, 3, r, RG_UNIT),
                rg_chance(m->r, 30) ? RG_NONE : rg_new(m, d, 2, b, RG_UNIT),
                RG_NONE,
                start ? rg_new(m, d, 3, state, RG_UNIT) : RG_NONE,
                start && kind == 0 ? rg_new(m, d, 3, state, RG_UNIT) : RG_NONE};
    if (in[1] == RG_NONE || in[2] == RG_NONE)
        return false;
    m->g->values[in[1]].constant = m->g->values[in[2]].constant = rg_chance(m->r, 85);
    snprintf(text, sizeof text, "hidden_size=%d direction=\"%s\"%s", (int)hidden, directions[way],
             kind == 1 && rg_chance(m->r, 50) ? " linear_before_reset=1" : "");
    return rg_put(m, names[kind], text, kind == 0 ? 7 : 6, in, kind == 0 ? 3 : 2);
}

static bool make_rotary(const rg_maker *m)
{
    static const rg_want heads = {rg_is_tame, 4, 4};
    int x = rg_pick(m, &heads);
    if (x == RG_NONE)
        return false;
    const int64_t *dims = sib_tensor_dims(rg_of(m, x));
    int64_t cache[] = {dims[0], dims[2], dims[3] / 2};
    int in[] = {x, rg_new(m, dtype_of(m, x), 3, cache, RG_UNIT),
                rg_new(m, dtype_of(m, x), 3, cache, RG_UNIT)};
    return dims[3] % 2 == 0 && in[1] != RG_NONE && in[2] != RG_NONE &&
           rg_put(m, "RotaryEmbedding", rg_chance(m->r, 50) ? "interleaved=1" : "", 3, in, 1);
}

/* com.microsoft operators that passes make. */
static bool make_fused(const rg_maker *m)
{
    static const rg_want rows = {rg_is_tame, 2, 3};
    int x = rg_pick(m, &rows);
    if (x == RG_NONE)
        return false;
    size_t rank = sib_tensor_rank(rg_of(m, x));
    const int64_t *dims = sib_tensor_dims(rg_of(m, x));
    int64_t n = dims[rank - 1];
    int bias = rg_new(m, dtype_of(m, x), 1, &n, RG_UNIT);
    int in[] = {x, bias};
    if (bias == RG_NONE)
        return false;
    switch (rg_below(m->r, 4)) {
    case 0:
        return rg_put(m, "com.microsoft:BiasGelu", "", 2, in, 1);
    case 1:
        return rg_put(m, "com.microsoft:FastGelu", "", 2, in, 1);
    case 2:
        return rg_put(m, "com.microsoft:QuickGelu", "", 1, &x, 1);
    default: {
        int skip[] = {x, rg_new(m, dtype_of(m, x), rank, dims, RG_UNIT), bias,
                      rg_new(m, dtype_of(m, x), 1, &n, RG_UNIT)};
        return skip[1] != RG_NONE && skip[3] != RG_NONE &&
               rg_put(m, "com.microsoft:SkipLayerNormalization", "", 4, skip, 1);
    }
    }
}

static bool make_one_hot(const rg_maker *m)
{
    int64_t dims[] = {rg_size(m->r, 20)}, depth = 1 + rg_below(m->r, 9), two = 2;
    int in[] = {rg_new(m, SIB_I64, (size_t)rg_below(m->r, 2), dims, RG_GENTLE), rg_ints(m, 1, &depth),
                rg_new(m, m->dtype, 1, &two, RG_UNIT)};
    return in[0] != RG_NONE && in[2] != RG_NONE && rg_put(m, "OneHot", "", 3, in, 1);
}

static bool make_range(const rg_maker *m)
{
    int64_t n = rg_size(m->r, 40);
    int start = rg_new(m, SIB_I64, 0, NULL, RG_INTEGER), limit = rg_new(m, SIB_I64, 0, NULL, RG_INTEGER),
        step = rg_new(m, SIB_I64, 0, NULL, RG_POSITIVE);
    if (start == RG_NONE || limit == RG_NONE || step == RG_NONE)
        return false;
    *(int64_t *)sib_tensor_data(rg_of(m, limit)) = n;
    int in[] = {start, limit, step};
    if (!rg_put(m, "Range", "", 3, in, 1))
        return false;
    int y = m->g->n_values - 1;
    return rg_put(m, "Cast", "to=dtype:f32", 1, &y, 1);
}

const rg_row rg_others[] = {{30, make_attention}, {24, make_recurrent}, {8, make_rotary}, {12, make_fused},
                            {4, make_one_hot},    {4, make_range},      {0, NULL}};
