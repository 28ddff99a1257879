#include "graph.h"

static const rg_want anything = {NULL, 0, 6}, with_axes = {NULL, 1, 6}, pictures = {rg_is_float, 4, 4};

static int64_t dim_of(const rg_maker *m, int x, int axis)
{
    return sib_tensor_dims(rg_of(m, x))[axis];
}

static int rank_of(const rg_maker *m, int x)
{
    return (int)sib_tensor_rank(rg_of(m, x));
}

/* An axis of x, sometimes negative. */
static int axis_of(const rg_maker *m, int x)
{
    int rank = rank_of(m, x), axis = rg_below(m->r, rank);
    return rg_chance(m->r, 30) ? axis - rank : axis;
}

static int positive(const rg_maker *m, int x, int axis)
{
    return axis < 0 ? axis + rank_of(m, x) : axis;
}

static bool make_transpose(const rg_maker *m)
{
    char list[100], text[128];
    int64_t order[SIB_MAX_RANK];
    int x = rg_pick(m, &with_axes), rank = x == RG_NONE ? 0 : rank_of(m, x);
    if (!rank)
        return false;
    for (int i = 0; i < rank; i++) {
        int k = rg_below(m->r, i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    snprintf(text, sizeof text, "perm=%s", rg_list(list, sizeof list, (size_t)rank, order));
    return rg_put(m, "Transpose", text, 1, &x, 1);
}

/* Dims of the same product: axes joined, or a divisor split off. */
static bool make_reshape(const rg_maker *m)
{
    int64_t dims[SIB_MAX_RANK + 2];
    int x = rg_pick(m, &anything), n = 0;
    if (x == RG_NONE)
        return false;
    int rank = rank_of(m, x), join = rank > 1 ? rg_below(m->r, rank) : -1;
    for (int i = 0; i < rank; i++) {
        int64_t d = dim_of(m, x, i);
        if (i == join && n)
            dims[n - 1] *= d;
        else if (d % 2 == 0 && d && n < 6 && rg_chance(m->r, 25)) {
            dims[n++] = d / 2;
            dims[n++] = 2;
        } else
            dims[n++] = d;
    }
    if (rg_chance(m->r, 15) && n < 6)
        dims[n++] = 1;
    if (rg_chance(m->r, 30) && n && sib_tensor_count(rg_of(m, x)))
        dims[rg_below(m->r, n)] = -1;
    int in[] = {x, rg_ints(m, (size_t)n, dims)};
    return in[1] != RG_NONE && rg_put(m, "Reshape", "", 2, in, 1);
}

static bool make_flatten(const rg_maker *m)
{
    char text[32];
    int x = rg_pick(m, &with_axes);
    if (x == RG_NONE)
        return false;
    snprintf(text, sizeof text, "axis=%d", axis_of(m, x));
    return rg_put(m, "Flatten", text, 1, &x, 1);
}

static bool make_squeeze(const rg_maker *m)
{
    int x = rg_pick(m, &anything);
    if (x == RG_NONE)
        return false;
    int64_t axis = rg_below(m->r, rank_of(m, x) + 1);
    for (int i = 0; i < rank_of(m, x); i++)
        if (dim_of(m, x, i) == 1) {
            axis = i;
            int in[] = {x, rg_ints(m, 1, &axis)};
            return rg_put(m, "Squeeze", "", 2, in, 1);
        }
    int in[] = {x, rg_ints(m, 1, &axis)};
    return in[1] != RG_NONE && rank_of(m, x) < 6 && rg_put(m, "Unsqueeze", "", 2, in, 1);
}

static bool make_concat(const rg_maker *m)
{
    char text[32];
    int64_t dims[SIB_MAX_RANK];
    int x = rg_pick(m, &with_axes), in[4], n = 2 + rg_below(m->r, 3);
    if (x == RG_NONE)
        return false;
    int axis = axis_of(m, x), at = rg_below(m->r, n), rank = rank_of(m, x);
    for (int i = 0; i < n; i++) {
        in[i] = x;
        if (i == at || rg_chance(m->r, 15))
            continue;
        memcpy(dims, sib_tensor_dims(rg_of(m, x)), (size_t)rank * sizeof *dims);
        dims[positive(m, x, axis)] = rg_size(m->r, 9);
        in[i] = rg_new(m, sib_tensor_dtype(rg_of(m, x)), (size_t)rank, dims, RG_ANY);
        if (in[i] == RG_NONE)
            return false;
    }
    snprintf(text, sizeof text, "axis=%d", axis);
    return rg_put(m, "Concat", text, n, in, 1);
}

static bool make_split(const rg_maker *m)
{
    char text[64];
    int x = rg_pick(m, &with_axes);
    if (x == RG_NONE)
        return false;
    int axis = axis_of(m, x);
    int64_t d = dim_of(m, x, positive(m, x, axis)),
            first = d ? rg_below(m->r, (int)(d < 1000 ? d : 1000) + 1) : 0;
    int64_t sizes[] = {first, d - first};
    if (rg_chance(m->r, 40)) {
        snprintf(text, sizeof text, "axis=%d num_outputs=%d", axis, 2 + (d > 5));
        return rg_put(m, "Split", text, 1, &x, 2 + (d > 5));
    }
    int in[] = {x, rg_ints(m, 2, sizes)};
    snprintf(text, sizeof text, "axis=%d", axis);
    return in[1] != RG_NONE && rg_put(m, "Split", text, 2, in, 2);
}

static bool make_slice(const rg_maker *m)
{
    int x = rg_pick(m, &with_axes);
    if (x == RG_NONE)
        return false;
    int rank = rank_of(m, x), n = 1 + rg_below(m->r, rank);
    int64_t starts[SIB_MAX_RANK], ends[SIB_MAX_RANK], axes[SIB_MAX_RANK], steps[SIB_MAX_RANK];
    for (int i = 0; i < n; i++) {
        int64_t d = dim_of(m, x, i);
        axes[i] = rg_chance(m->r, 30) ? i - rank : i;
        steps[i] = rg_chance(m->r, 60) ? 1 : rg_below(m->r, 7) - 3;
        steps[i] = steps[i] ? steps[i] : -1;
        starts[i] = rg_below(m->r, (int)(d < 1000 ? d : 1000) + 2) - (rg_chance(m->r, 20) ? d : 0);
        ends[i] = rg_chance(m->r, 40) ? INT64_MAX : rg_below(m->r, (int)(d < 1000 ? d : 1000) + 3);
        if (steps[i] < 0) {
            int64_t swap = starts[i];
            starts[i] = ends[i];
            ends[i] = rg_chance(m->r, 40) ? INT64_MIN : swap;
        }
    }
    int in[] = {x, rg_ints(m, (size_t)n, starts), rg_ints(m, (size_t)n, ends), rg_ints(m, (size_t)n, axes),
                rg_ints(m, (size_t)n, steps)};
    return in[4] != RG_NONE && rg_put(m, "Slice", "", 5, in, 1);
}

static bool make_pad(const rg_maker *m)
{
    static const char *const modes[] = {"", "", "mode=\"edge\"", "mode=\"reflect\"", "mode=\"wrap\""};
    int64_t pads[2 * SIB_MAX_RANK];
    int x = rg_pick(m, &with_axes);
    if (x == RG_NONE)
        return false;
    int rank = rank_of(m, x);
    for (int i = 0; i < 2 * rank; i++)
        pads[i] = rg_chance(m->r, 50) ? 0 : rg_below(m->r, 6) - 1;
    int in[] = {x, rg_ints(m, (size_t)(2 * rank), pads),
                rg_chance(m->r, 50) ? RG_NONE : rg_new(m, sib_tensor_dtype(rg_of(m, x)), 0, NULL, RG_GENTLE)};
    return in[1] != RG_NONE && rg_put(m, "Pad", modes[rg_below(m->r, 5)], 3, in, 1);
}

static bool make_tile(const rg_maker *m)
{
    int64_t repeats[SIB_MAX_RANK], dims[SIB_MAX_RANK];
    int x = rg_pick(m, &with_axes);
    if (x == RG_NONE)
        return false;
    int rank = rank_of(m, x);
    bool expand = rg_chance(m->r, 50);
    for (int i = 0; i < rank; i++) {
        repeats[i] = rg_chance(m->r, 60) ? 1 : rg_below(m->r, 4);
        dims[i] = dim_of(m, x, i) == 1 && rg_chance(m->r, 60) ? 1 + rg_below(m->r, 9) : dim_of(m, x, i);
    }
    int in[] = {x, rg_ints(m, (size_t)rank, expand ? dims : repeats)};
    return in[1] != RG_NONE && rg_put(m, expand ? "Expand" : "Tile", "", 2, in, 1);
}

/* Indices of any rank below the size of an axis. */
static int indices_of(const rg_maker *m, size_t rank, const int64_t *dims, int64_t below)
{
    int v = rg_new(m, rg_chance(m->r, 50) ? SIB_I64 : SIB_I32, rank, dims, RG_GENTLE);
    if (v == RG_NONE || below <= 0)
        return RG_NONE;
    sib_tensor *t = m->g->values[v].t;
    for (uint64_t i = 0; i < sib_tensor_count(t); i++) {
        int64_t index = rg_below(m->r, (int)below);
        index = rg_chance(m->r, 15) ? index - below : index;
        if (sib_tensor_dtype(t) == SIB_I64)
            ((int64_t *)sib_tensor_data(t))[i] = index;
        else
            ((int32_t *)sib_tensor_data(t))[i] = (int32_t)index;
    }
    return v;
}

static bool make_gather(const rg_maker *m)
{
    char text[32];
    int64_t dims[] = {rg_size(m->r, 20), rg_size(m->r, 6)};
    int x = rg_pick(m, &with_axes);
    if (x == RG_NONE)
        return false;
    int axis = axis_of(m, x);
    int in[] = {x, indices_of(m, (size_t)rg_below(m->r, 3), dims, dim_of(m, x, positive(m, x, axis)))};
    snprintf(text, sizeof text, "axis=%d", axis);
    return in[1] != RG_NONE && rg_put(m, "Gather", text, 2, in, 1);
}

static bool make_gather_elements(const rg_maker *m)
{
    char text[64];
    int64_t dims[SIB_MAX_RANK];
    int x = rg_pick(m, &with_axes);
    if (x == RG_NONE)
        return false;
    int axis = axis_of(m, x), rank = rank_of(m, x), p = positive(m, x, axis);
    for (int i = 0; i < rank; i++)
        dims[i] = i == p ? rg_size(m->r, 9) : dim_of(m, x, i) ? 1 + rg_below(m->r, (int)dim_of(m, x, i)) : 0;
    int indices = indices_of(m, (size_t)rank, dims, dim_of(m, x, p));
    int in[] = {x, indices, RG_NONE};
    if (indices == RG_NONE)
        return false;
    snprintf(text, sizeof text, "axis=%d", axis);
    if (rg_chance(m->r, 60))
        return rg_put(m, "GatherElements", text, 2, in, 1);
    in[2] = rg_new(m, sib_tensor_dtype(rg_of(m, x)), (size_t)rank, dims, RG_GENTLE);
    /* without a reduction, duplicate indices leave the result undefined */
    snprintf(text, sizeof text, "axis=%d reduction=\"%s\"", axis, rg_chance(m->r, 60) ? "add" : "max");
    return in[2] != RG_NONE && rg_is_tame(rg_of(m, x)) && rg_put(m, "ScatterElements", text, 3, in, 1);
}

static bool make_gather_nd(const rg_maker *m)
{
    int x = rg_pick(m, &with_axes);
    if (x == RG_NONE)
        return false;
    int64_t min = dim_of(m, x, 0), depth = 1 + rg_below(m->r, rank_of(m, x)),
            dims[] = {rg_size(m->r, 12), depth};
    for (int i = 0; i < depth; i++)
        min = dim_of(m, x, i) < min ? dim_of(m, x, i) : min;
    int in[] = {x, indices_of(m, 2, dims, min)};
    if (in[1] != RG_NONE && sib_tensor_dtype(rg_of(m, in[1])) == SIB_I64)
        return rg_put(m, "GatherND", "", 2, in, 1);
    return false;
}

static bool make_depth(const rg_maker *m)
{
    static const char *const words[] = {"blocksize=2", "blocksize=2 mode=\"CRD\"", "blocksize=3"};
    int x = rg_pick(m, &pictures);
    if (x == RG_NONE)
        return false;
    return dim_of(m, x, 1) % 4 == 0 || rg_chance(m->r, 30)
               ? rg_put(m, "DepthToSpace", words[rg_below(m->r, 3)], 1, &x, 1)
               : rg_put(m, "SpaceToDepth", words[2 * rg_below(m->r, 2)], 1, &x, 1);
}

static bool make_trilu(const rg_maker *m)
{
    static const rg_want planes = {NULL, 2, 5};
    int64_t k = rg_below(m->r, 9) - 4;
    int x = rg_pick(m, &planes);
    int in[] = {x, rg_chance(m->r, 30) ? RG_NONE : rg_new(m, SIB_I64, 0, NULL, RG_GENTLE)};
    if (in[1] != RG_NONE)
        *(int64_t *)sib_tensor_data(rg_of(m, in[1])) = k;
    return x != RG_NONE && rg_put(m, "Trilu", rg_chance(m->r, 50) ? "upper=0" : "", 2, in, 1);
}

static bool make_shape(const rg_maker *m)
{
    int x = rg_pick(m, &anything);
    return x != RG_NONE && rg_put(m, rg_chance(m->r, 70) ? "Shape" : "Size", "", 1, &x, 1);
}

/* Splits heads and moves them to the front, as in multi-head attention. */
static bool make_heads(const rg_maker *m)
{
    static const rg_want rows = {NULL, 3, 3};
    int x = rg_pick(m, &rows);
    if (x == RG_NONE || dim_of(m, x, 2) % 2 || !sib_tensor_count(rg_of(m, x)))
        return false;
    int64_t dims[] = {dim_of(m, x, 0), dim_of(m, x, 1), 2, dim_of(m, x, 2) / 2};
    int in[] = {x, rg_ints(m, 4, dims)};
    if (in[1] == RG_NONE || !rg_put(m, "Reshape", "", 2, in, 1))
        return false;
    int y = m->g->n_values - 1;
    return rg_put(m, "Transpose", "perm=[0,2,1,3]", 1, &y, 1);
}

static bool make_resize(const rg_maker *m)
{
    static const char *const words[] = {
        "mode=\"nearest\"",
        "mode=\"linear\"",
        "mode=\"linear\" coordinate_transformation_mode=\"align_corners\"",
        "mode=\"nearest\" coordinate_transformation_mode=\"asymmetric\" nearest_mode=\"floor\"",
        "mode=\"cubic\"",
        "mode=\"linear\" coordinate_transformation_mode=\"pytorch_half_pixel\""};
    int x = rg_pick(m, &pictures);
    if (x == RG_NONE || !rg_is_tame(rg_of(m, x)))
        return false;
    int64_t sizes[4];
    for (int i = 0; i < 4; i++)
        sizes[i] = i < 2 ? dim_of(m, x, i) : 1 + rg_below(m->r, 12);
    int in[] = {x, RG_NONE, RG_NONE, rg_ints(m, 4, sizes)};
    return in[3] != RG_NONE && rg_put(m, "Resize", words[rg_below(m->r, 6)], 4, in, 1);
}

const rg_row rg_layout[] = {
    {12, make_transpose},      {10, make_reshape},  {2, make_flatten}, {6, make_squeeze}, {8, make_concat},
    {6, make_split},           {9, make_slice},     {5, make_pad},     {5, make_tile},    {7, make_gather},
    {4, make_gather_elements}, {2, make_gather_nd}, {2, make_depth},   {2, make_trilu},   {2, make_shape},
    {5, make_heads},           {3, make_resize},    {0, NULL}};
