/* Reductions, norms, softmax and other operators on rows. */
#include "graph.h"

static const rg_want tame = {rg_is_tame, 0, 6}, rows = {rg_is_tame, 1, 5}, any_rows = {rg_is_float, 1, 5},
                     integer_rows = {rg_is_integer, 1, 5}, planes = {rg_is_tame, 2, 5},
                     images = {rg_is_tame, 3, 5};

static int rank_of(const rg_maker *m, int x)
{
    return (int)sib_tensor_rank(rg_of(m, x));
}

static int64_t dim_of(const rg_maker *m, int x, int axis)
{
    return sib_tensor_dims(rg_of(m, x))[axis];
}

static sib_dtype dtype_of(const rg_maker *m, int x)
{
    return sib_tensor_dtype(rg_of(m, x));
}

static bool make_reduce(const rg_maker *m)
{
    static const char *const names[] = {"ReduceSum",       "ReduceMean", "ReduceMax",  "ReduceMin",
                                        "ReduceSumSquare", "ReduceL1",   "ReduceL2",   "ReduceLogSum",
                                        "ReduceLogSumExp", "ReduceProd", "ReduceMean", "ReduceSum"};
    char text[64];
    int64_t axes[SIB_MAX_RANK];
    int x = rg_pick(m, &tame), n = 0;
    if (x == RG_NONE)
        return false;
    int rank = rank_of(m, x), kind = rg_below(m->r, 4);
    for (int i = 0; i < rank; i++)
        if (kind == 0 ? i == rank - 1 : kind == 1 ? i > 1 : rg_chance(m->r, 50))
            axes[n++] = rg_chance(m->r, 30) ? i - rank : i;
    snprintf(text, sizeof text, "keepdims=%d%s", rg_below(m->r, 2),
             rg_chance(m->r, 10) ? " noop_with_empty_axes=1" : "");
    int in[] = {x, n ? rg_ints(m, (size_t)n, axes) : RG_NONE};
    const char *name = names[rg_below(m->r, sizeof names / sizeof *names)];
    if (!strcmp(name, "ReduceProd") && sib_tensor_count(rg_of(m, x)) > 60)
        name = "ReduceSum"; /* long products pass through numbers out of range of float32 */
    return rg_put(m, name, text, n ? 2 : 1, in, 1);
}

static bool make_reduce_integer(const rg_maker *m)
{
    static const char *const names[] = {"ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"};
    int x = rg_pick(m, &integer_rows);
    if (x == RG_NONE)
        return false;
    int64_t axis = rg_below(m->r, rank_of(m, x));
    int in[] = {x, rg_ints(m, 1, &axis)};
    return in[1] != RG_NONE && rg_put(m, names[rg_below(m->r, 4)], "", 2, in, 1);
}

static bool make_arg(const rg_maker *m)
{
    char text[96];
    int x = rg_pick(m, rg_chance(m->r, 85) ? &any_rows : &integer_rows);
    if (x == RG_NONE)
        return false;
    snprintf(text, sizeof text, "axis=%d keepdims=%d select_last_index=%d", rg_below(m->r, rank_of(m, x)),
             rg_below(m->r, 2), rg_chance(m->r, 25));
    return rg_put(m, rg_chance(m->r, 50) ? "ArgMax" : "ArgMin", text, 1, &x, 1);
}

static bool make_softmax(const rg_maker *m)
{
    static const char *const names[] = {"Softmax", "Softmax", "Softmax", "LogSoftmax", "Hardmax"};
    char text[32];
    int x = rg_pick(m, &any_rows);
    if (x == RG_NONE)
        return false;
    snprintf(text, sizeof text, "axis=%d", rg_chance(m->r, 60) ? -1 : rg_below(m->r, rank_of(m, x)));
    return rg_put(m, names[rg_below(m->r, 5)], text, 1, &x, 1);
}

static bool make_layer_norm(const rg_maker *m)
{
    char text[96];
    int x = rg_pick(m, &rows);
    if (x == RG_NONE)
        return false;
    int rank = rank_of(m, x), axis = rg_chance(m->r, 70) ? rank - 1 : rg_below(m->r, rank);
    const int64_t *dims = sib_tensor_dims(rg_of(m, x)) + axis;
    size_t n = (size_t)(rank - axis);
    bool rms = rg_chance(m->r, 40);
    int in[] = {x, rg_new(m, dtype_of(m, x), n, dims, RG_GENTLE),
                rms || rg_chance(m->r, 30) ? RG_NONE : rg_new(m, dtype_of(m, x), n, dims, RG_GENTLE)};
    snprintf(text, sizeof text, "axis=%d epsilon=%s", rg_chance(m->r, 50) ? axis - rank : axis,
             rg_chance(m->r, 50) ? "1e-5" : "0.01");
    return in[1] != RG_NONE &&
           rg_put(m, rms ? "RMSNormalization" : "LayerNormalization", text, rms ? 2 : 3, in, 1);
}

static bool make_batch_norm(const rg_maker *m)
{
    int x = rg_pick(m, &planes);
    if (x == RG_NONE)
        return false;
    int64_t c = dim_of(m, x, 1);
    sib_dtype d = dtype_of(m, x);
    int in[] = {x, rg_new(m, d, 1, &c, RG_GENTLE), rg_new(m, d, 1, &c, RG_GENTLE),
                rg_new(m, d, 1, &c, RG_UNIT), rg_new(m, d, 1, &c, RG_POSITIVE)};
    for (int i = 1; i < 5; i++) {
        if (in[i] == RG_NONE)
            return false;
        m->g->values[in[i]].constant = rg_chance(m->r, 80);
    }
    return rg_put(m, "BatchNormalization", "", 5, in, 1);
}

static bool make_instance_norm(const rg_maker *m)
{
    char text[64];
    int x = rg_pick(m, &images);
    if (x == RG_NONE)
        return false;
    int64_t c = dim_of(m, x, 1), groups = c % 2 == 0 && c ? 2 : 1;
    int in[] = {x, rg_new(m, dtype_of(m, x), 1, &c, RG_GENTLE), rg_new(m, dtype_of(m, x), 1, &c, RG_GENTLE)};
    if (in[1] == RG_NONE || in[2] == RG_NONE)
        return false;
    if (rg_chance(m->r, 50))
        return rg_put(m, "InstanceNormalization", "", 3, in, 1);
    snprintf(text, sizeof text, "num_groups=%d", (int)groups);
    return rg_put(m, "GroupNormalization", text, 3, in, 1);
}

static bool make_other_norm(const rg_maker *m)
{
    int x = rg_pick(m, &images);
    if (x == RG_NONE)
        return false;
    switch (rg_below(m->r, 3)) {
    case 0:
        return rg_put(m, "LpNormalization", rg_chance(m->r, 50) ? "axis=-1 p=1" : "axis=1", 1, &x, 1);
    case 1:
        return rg_put(m, "MeanVarianceNormalization", rg_chance(m->r, 50) ? "axes=[1,2]" : "axes=[0,2]", 1,
                      &x, 1);
    default:
        return rg_put(m, "LRN", rg_chance(m->r, 50) ? "size=3" : "size=5 alpha=0.01 beta=0.5 bias=2.0", 1, &x,
                      1);
    }
}

static bool make_cumsum(const rg_maker *m)
{
    char text[64];
    int x = rg_pick(m, rg_chance(m->r, 70) ? &rows : &integer_rows);
    if (x == RG_NONE)
        return false;
    int axis = rg_new(m, SIB_I64, 0, NULL, RG_INTEGER);
    if (axis == RG_NONE)
        return false;
    *(int64_t *)sib_tensor_data(rg_of(m, axis)) = rg_below(m->r, rank_of(m, x));
    int in[] = {x, axis};
    snprintf(text, sizeof text, "exclusive=%d reverse=%d", rg_chance(m->r, 30), rg_chance(m->r, 30));
    return rg_put(m, "CumSum", text, 2, in, 1);
}

static bool make_topk(const rg_maker *m)
{
    char text[64];
    int x = rg_pick(m, &any_rows);
    if (x == RG_NONE)
        return false;
    int axis = rg_below(m->r, rank_of(m, x));
    int64_t d = dim_of(m, x, axis), k = d ? 1 + rg_below(m->r, (int)(d < 8 ? d : 8)) : 0;
    int in[] = {x, rg_ints(m, 1, &k)};
    snprintf(text, sizeof text, "axis=%d largest=%d", axis, rg_below(m->r, 2));
    return in[1] != RG_NONE && rg_put(m, "TopK", text, 2, in, 2);
}

/* x + y, then LayerNormalization, which passes join. */
static bool make_skip_norm(const rg_maker *m)
{
    int x = rg_pick(m, &rows);
    if (x == RG_NONE)
        return false;
    size_t rank = sib_tensor_rank(rg_of(m, x));
    int in[] = {x, rg_new(m, dtype_of(m, x), rank, sib_tensor_dims(rg_of(m, x)), RG_GENTLE)};
    if (in[1] == RG_NONE || !rg_put(m, "Add", "", 2, in, 1))
        return false;
    int64_t n = dim_of(m, x, (int)rank - 1);
    int norm[] = {m->g->n_values - 1, rg_new(m, dtype_of(m, x), 1, &n, RG_GENTLE),
                  rg_new(m, dtype_of(m, x), 1, &n, RG_GENTLE)};
    return norm[1] != RG_NONE && norm[2] != RG_NONE && rg_put(m, "LayerNormalization", "", 3, norm, 1);
}

const rg_row rg_rows[] = {{24, make_reduce},       {4, make_reduce_integer}, {7, make_arg},
                          {16, make_softmax},      {14, make_layer_norm},    {10, make_batch_norm},
                          {7, make_instance_norm}, {5, make_other_norm},     {5, make_cumsum},
                          {5, make_topk},          {4, make_skip_norm},      {0, NULL}};
