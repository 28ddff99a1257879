/* Operators that work along axes, on cpu against ref: softmax, norms, reductions, sorting, quantization. */
#include "claim.h"

static check_random dice = {404};

static int64_t pick(int64_t least, int64_t max)
{
    return least + (int64_t)(check_u64(&dice) % (uint64_t)(max - least + 1));
}

/* Random dims without 0. */
static void draw_dims(claim_input *in, size_t rank, int64_t max)
{
    in->rank = rank;
    for (size_t i = 0; i < rank; i++)
        in->dims[i] = pick(0, 3) ? pick(1, max) : 1;
}

static claim_input list(sib_dtype dtype, int64_t n, bool constant)
{
    return (claim_input){.dtype = dtype, .rank = 1, .dims = {n}, .size = 1.5, .constant = constant};
}

static const char *text_of(const claim_case *w)
{
    static char text[300];
    snprintf(text, sizeof text, "version %d of [", (int)w->version);
    for (size_t i = 0; i < w->in[0].rank; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", (int)w->in[0].dims[i]);
    for (size_t i = 0; i < w->n_attributes; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s=%g ", w->attributes[i].name.data,
                 w->attributes[i].kind == ATTR_INT ? (double)w->attributes[i].i : (double)w->attributes[i].f);
    return text;
}

/* ---- Softmax ------------------------------------------------------------------------------------------- */

TEST(test_softmax)
{
    static const int64_t versions[] = {1, 11, 13};
    for (int round = 0; round < 60; round++) {
        claim_case w = {.domain = "",
                        .type = round % 2 ? "LogSoftmax" : "Softmax",
                        .version = versions[round % 3],
                        .n_in = 1,
                        .n_out = 1,
                        .abs = 2e-6,
                        .rel = 2e-6};
        w.in[0] = (claim_input){.dtype = SIB_F32, .size = 20};
        draw_dims(&w.in[0], (size_t)pick(1, 4), round % 5 ? 9 : 40);
        int64_t rank = (int64_t)w.in[0].rank;
        w.attributes[w.n_attributes++] = claim_int("axis", pick(-rank, rank - 1));
        if (w.attributes[0].i < 0 && w.version == 1)
            w.attributes[0].i += rank;
        claim_check(&w, text_of(&w));
    }
}

/* Rows of -inf, with +inf, with NaN, and masked ones; columns of them; and rows of one element. */
TEST(test_softmax_odd)
{
    static const double odd[] = {-INFINITY, -INFINITY, -INFINITY, 1,   INFINITY,  2,    NAN,
                                 1,         2,         -INFINITY, 3,   -INFINITY, 1e30, -1e30,
                                 0,         -1e-40,    -0.0,      0.0, 88.9,      0,    -103};
    for (int logarithm = 0; logarithm < 2; logarithm++)
        for (int64_t form = 0; form < 3; form++) {
            static const int64_t dims[][2] = {{3, 7}, {7, 3}, {21, 1}};
            claim_case w = {.domain = "",
                            .type = logarithm ? "LogSoftmax" : "Softmax",
                            .version = 13,
                            .n_in = 1,
                            .n_out = 1,
                            .n_attributes = 1,
                            .abs = 1e-5,
                            .rel = 2e-6};
            w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 2, .values = odd};
            memcpy(w.in[0].dims, dims[form], sizeof dims[form]);
            w.attributes[0] = claim_int("axis", form > 0);
            claim_check(&w, text_of(&w));
        }
}

/* ---- Norms --------------------------------------------------------------------------------------------- */

TEST(test_tail_norms)
{
    static const struct {
        const char *domain, *type;
        int64_t version;
        size_t n_in, n_out;
    } rows[] = {{"", "LayerNormalization", 17, 3, 3},
                {"", "LayerNormalization", 17, 2, 1},
                {"", "RMSNormalization", 23, 2, 1},
                {"com.microsoft", "SimplifiedLayerNormalization", 1, 2, 2}};
    for (int round = 0; round < 60; round++) {
        size_t row = (size_t)round % COUNT(rows);
        claim_case w = {.domain = rows[row].domain,
                        .type = rows[row].type,
                        .version = rows[row].version,
                        .n_in = rows[row].n_in,
                        .n_out = rows[row].n_out,
                        .n_attributes = 2,
                        .abs = 1e-5,
                        .rel = 1e-5};
        w.in[0] = (claim_input){.dtype = SIB_F32, .size = 4};
        draw_dims(&w.in[0], (size_t)pick(1, 4), round % 4 ? 8 : 40);
        size_t axis = (size_t)pick(0, (int64_t)w.in[0].rank - 1);
        w.in[1] = (claim_input){.dtype = SIB_F32, .rank = w.in[0].rank - axis, .constant = round % 2};
        memcpy(w.in[1].dims, w.in[0].dims + axis, w.in[1].rank * sizeof *w.in[1].dims);
        w.in[2] = w.in[1];
        w.attributes[0] = claim_int("axis", (int64_t)axis - (round % 3 ? (int64_t)w.in[0].rank : 0));
        w.attributes[1] = claim_float("epsilon", 1e-3);
        if (w.n_out == 3)
            w.unwanted[1] = round % 3 == 1;
        claim_check(&w, text_of(&w));
    }
}

/* A scale over axes other than the last ones is left to the lowering. */
TEST(test_odd_scale)
{
    claim_case w = {.domain = "",
                    .type = "LayerNormalization",
                    .version = 17,
                    .n_in = 2,
                    .n_out = 1,
                    .abs = 1e-5,
                    .rel = 1e-5,
                    .left_to_lower = true};
    w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 3, .dims = {2, 3, 5}};
    w.in[1] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {3, 1}};
    claim_check(&w, "scale [3, 1]");
}

TEST(test_skip_norms)
{
    for (int round = 0; round < 48; round++) {
        bool centred = round % 2;
        claim_case w = {.domain = "com.microsoft",
                        .type = centred ? "SkipLayerNormalization" : "SkipSimplifiedLayerNormalization",
                        .version = 1,
                        .n_in = centred ? 5 : 4,
                        .n_out = 4,
                        .n_attributes = 1,
                        .abs = 1e-5,
                        .rel = 1e-5,
                        .threads = 2};
        int64_t size = pick(2, 50);
        w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 3, .dims = {pick(1, 3), pick(1, 4), size}};
        w.in[1] = w.in[0];
        if (round % 3 == 1)
            w.in[1].dims[0] = 1;
        if (round % 3 == 2)
            w.in[1] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {w.in[0].dims[1], size}};
        for (size_t i = 2; i < w.n_in; i++)
            w.in[i] = i > 2 && pick(0, 2) == 0 ? (claim_input){.dtype = SIB_DTYPE_UNKNOWN}
                                               : list(SIB_F32, size, i % 2);
        w.unwanted[1] = !centred || pick(0, 1);
        w.unwanted[2] = pick(0, 1);
        w.unwanted[3] = pick(0, 1);
        w.attributes[0] = claim_float("epsilon", 1e-5);
        claim_check(&w, text_of(&w));
    }
}

static claim_input ids_of(const double *values)
{
    return (claim_input){.dtype = SIB_I32, .rank = 2, .dims = {3, 4}, .values = values};
}

TEST(test_embeddings)
{
    for (int round = 0; round < 12; round++) {
        bool segments = round % 2, mask = round % 3;
        double ids[12], ones[12], places[12];
        claim_case w = {.domain = "com.microsoft",
                        .type = "EmbedLayerNormalization",
                        .version = 1,
                        .n_in = round % 4 ? 8 : 9,
                        .n_out = 3,
                        .n_attributes = 1,
                        .abs = 1e-5,
                        .rel = 1e-5};
        for (int i = 0; i < 12; i++) {
            ids[i] = (double)pick(-7, 6);
            ones[i] = (double)pick(0, 1);
            places[i] = (double)pick(0, 8);
        }
        const claim_input none = {.dtype = SIB_DTYPE_UNKNOWN}, index = ids_of(ids);
        w.in[0] = index;
        w.in[1] = segments ? ids_of(ones) : none;
        w.in[2] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {7, 20}};
        w.in[3] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {9, 20}};
        w.in[4] = segments ? (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {2, 20}} : none;
        w.in[5] = list(SIB_F32, 20, true);
        w.in[6] = list(SIB_F32, 20, false);
        w.in[7] = mask ? ids_of(ones) : none;
        w.in[8] = ids_of(places);
        w.attributes[0] = claim_float("epsilon", 1e-5);
        claim_check(&w, text_of(&w));
    }
}

TEST(test_lp_norms)
{
    for (int round = 0; round < 60; round++) {
        claim_case w = {.domain = "",
                        .type = "LpNormalization",
                        .version = round % 2 ? 22 : 1,
                        .n_in = 1,
                        .n_out = 1,
                        .n_attributes = 2,
                        .abs = 1e-6,
                        .rel = 1e-6};
        w.in[0] = (claim_input){.dtype = SIB_F32, .size = 4};
        draw_dims(&w.in[0], (size_t)pick(1, 4), round % 4 ? 8 : 40);
        int64_t rank = (int64_t)w.in[0].rank, axis = round % 5 ? rank - 1 : pick(0, rank - 1);
        w.left_to_lower = axis != rank - 1;
        w.attributes[0] = claim_int("axis", axis - (round % 3 ? rank : 0));
        w.attributes[1] = claim_int("p", pick(1, 2));
        claim_check(&w, text_of(&w));
    }
}

/* Rows of zeros of both signs, with a zero, whose squares overflow or vanish, with infinities and NaN. */
TEST(test_lp_norms_odd)
{
    static const double odd[] = {-0.0,  0,     0,    3,    -0.0,     4,    3e30,  -4e30,  0,
                                 3e-30, 4e-30, -0.0, 1e38, 2e38,     3e38, 1e-40, -3e-40, 0,
                                 1,     NAN,   2,    1,    INFINITY, 2,    1e-9,  -2e-9,  5e-16};
    for (int64_t p = 1; p <= 2; p++) {
        claim_case w = {.domain = "",
                        .type = "LpNormalization",
                        .version = 22,
                        .n_in = 1,
                        .n_out = 1,
                        .n_attributes = 1,
                        .abs = 0,
                        .rel = 1e-6};
        w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {9, 3}, .values = odd};
        w.attributes[0] = claim_int("p", p);
        claim_check(&w, text_of(&w));
    }
}

TEST(test_channel_norms)
{
    static const char *const types[] = {"BatchNormalization", "InstanceNormalization", "GroupNormalization"};
    for (int round = 0; round < 60; round++) {
        const char *type = types[round % 3];
        claim_case w = {.domain = "", .type = type, .version = 21, .n_out = 1, .abs = 2e-5, .rel = 1e-5};
        w.in[0] = (claim_input){.dtype = SIB_F32, .size = 3};
        draw_dims(&w.in[0], (size_t)pick(2, 5), 7);
        int64_t groups = pick(1, 3), channels = w.in[0].dims[1] *= round % 3 == 2 ? groups : 1;
        bool by_group = round % 3 == 2 && round % 2;
        w.n_in = round % 3 ? 3 : 5;
        w.attributes[w.n_attributes++] = claim_float("epsilon", 1e-2);
        for (size_t i = 1; i < w.n_in; i++)
            w.in[i] = list(SIB_F32, by_group ? groups : channels, round % 5 < 3);
        double var[21];
        for (int i = 0; i < 21; i++)
            var[i] = 0.1 + fabs(check_uniform(&dice));
        w.in[4].values = var;
        if (round % 3 == 2)
            w.attributes[w.n_attributes++] = claim_int("num_groups", groups);
        if (by_group)
            w.version = 18;
        claim_check(&w, text_of(&w));
    }
}

/* Squares that overflow a float. */
/* A result that is stored past the caches, by several threads. */
TEST(test_batch_norm_large)
{
    static const double var[] = {1, 2, 0.5};
    claim_case w = {.domain = "",
                    .type = "BatchNormalization",
                    .version = 15,
                    .n_in = 5,
                    .n_out = 1,
                    .abs = 2e-5,
                    .rel = 1e-5,
                    .threads = 2};
    w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 4, .dims = {1, 3, 821, 817}, .size = 3};
    for (size_t i = 1; i < w.n_in; i++)
        w.in[i] = list(SIB_F32, 3, true);
    w.in[4].values = var;
    claim_check(&w, text_of(&w));
}

TEST(test_range)
{
    static const double sizes[] = {1e25, 1e-25};
    static const char *const types[] = {"LayerNormalization", "InstanceNormalization", "ReduceL2",
                                        "ReduceMean"};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (size_t k = 0; k < COUNT(types); k++) {
            claim_case w = {.domain = "",
                            .type = types[k],
                            .version = 17,
                            .n_in = k < 2 ? 3 : 1,
                            .n_out = 1,
                            .n_attributes = k < 2,
                            .abs = 1e-5,
                            .rel = 1e-5};
            w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 3, .dims = {2, 3, 40}, .size = sizes[s]};
            w.in[1] = w.in[2] = list(SIB_F32, k ? 3 : 40, true);
            w.attributes[0] = claim_float("epsilon", 0);
            claim_check(&w, types[k]);
        }
}

/* ---- Reductions ---------------------------------------------------------------------------------------- */

static const char *const reductions[] = {"ReduceSum", "ReduceMean",   "ReduceMax",
                                         "ReduceMin", "ReduceProd",   "ReduceL1",
                                         "ReduceL2",  "ReduceLogSum", "ReduceSumSquare"};

static void reduce_once(const char *type, sib_dtype dtype, bool as_input)
{
    bool half = dtype == SIB_F16 || dtype == SIB_BF16,
         integers = dtype != SIB_F32 && dtype != SIB_F64 && !half;
    claim_case w = {
        .domain = "", .type = type, .version = as_input ? 20 : 11, .n_out = 1, .n_in = as_input ? 2 : 1};
    int64_t axes[SIB_MAX_RANK];
    double numbers[SIB_MAX_RANK];
    size_t n = 0;
    w.rel = dtype == SIB_BF16 ? 1e-2 : half ? 2e-3 : dtype == SIB_F32 ? 2e-6 : dtype == SIB_F64 ? 1e-12 : 0;
    w.abs = integers ? 0 : w.rel * 20;
    w.in[0] = (claim_input){.dtype = dtype, .size = integers ? 5 : 2};
    draw_dims(&w.in[0], (size_t)pick(1, 5), pick(0, 3) ? 6 : 20);
    if (!strcmp(type, "ReduceProd")) /* few factors, so that products stay finite */
        for (size_t i = 0; i < w.in[0].rank; i++)
            w.in[0].dims[i] = pick(1, 2);
    for (size_t i = 0; i < w.in[0].rank; i++)
        if (pick(0, 1))
            numbers[n] = (double)(axes[n] = pick(0, 1) ? (int64_t)i : (int64_t)i - (int64_t)w.in[0].rank),
            n++;
    w.attributes[w.n_attributes++] = claim_int("keepdims", pick(0, 1));
    if (as_input)
        w.in[1] = (claim_input){
            .dtype = SIB_I64, .rank = 1, .dims = {(int64_t)n}, .values = numbers, .constant = true};
    else if (n)
        w.attributes[w.n_attributes++] =
            (attribute){.name = str_of("axes"), .kind = ATTR_INTS, .n = n, .ints = axes};
    if (!strcmp(type, "ReduceLogSum")) { /* positive numbers only */
        size_t count = 1;
        for (size_t i = 0; i < w.in[0].rank; i++)
            count *= (size_t)w.in[0].dims[i];
        double *values = malloc(count * sizeof *values);
        assert_non_null(values);
        for (size_t i = 0; i < count; i++)
            values[i] = 1.5 + check_uniform(&dice);
        w.in[0].values = values;
    }
    claim_check(&w, text_of(&w));
    free((double *)(uintptr_t)(w.in[0].values));
}

TEST(test_reduce)
{
    static const sib_dtype floats[] = {SIB_F32, SIB_F64, SIB_F16, SIB_BF16};
    for (size_t k = 0; k < COUNT(reductions); k++)
        for (int round = 0; round < 24; round++)
            if (strcmp(reductions[k], "ReduceLogSum") || round < 4)
                reduce_once(reductions[k], floats[round % 4], round % 2);
}

TEST(test_reduce_whole)
{
    static const sib_dtype dtypes[] = {SIB_I32, SIB_I64, SIB_U32, SIB_U64};
    static const char *const types[] = {"ReduceSum",  "ReduceMax", "ReduceMin",
                                        "ReduceProd", "ReduceL1",  "ReduceSumSquare"};
    for (size_t k = 0; k < COUNT(types); k++)
        for (size_t d = 0; d < COUNT(dtypes); d++)
            reduce_once(types[k], dtypes[d], d % 2);
    static const sib_dtype small[] = {SIB_I8, SIB_U8, SIB_I16, SIB_BOOL};
    for (size_t d = 0; d < 3; d++)
        for (int k = 2; k < 4; k++)
            reduce_once(reductions[k], small[d], true);
}

/* A large tensor reduced to one element over threads, and NaN among the elements. */
TEST(test_reduce_large)
{
    for (size_t k = 0; k < 4; k++)
        for (int64_t axis = 0; axis < 3; axis++) {
            claim_case w = {.domain = "",
                            .type = reductions[k],
                            .version = 11,
                            .n_in = 1,
                            .n_out = 1,
                            .n_attributes = 1,
                            .abs = 1e-3,
                            .rel = 1e-5,
                            .threads = 2};
            w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 3, .dims = {60, 110, 130}, .size = 3};
            w.attributes[0] = (attribute){.name = str_of("axes"), .kind = ATTR_INTS, .n = 1, .ints = &axis};
            claim_check(&w, reductions[k]);
        }
    double odd[64] = {1, NAN, 3, -INFINITY, INFINITY, -0.0, 0.0};
    for (size_t k = 0; k < COUNT(reductions); k++)
        for (int64_t axis = 0; axis < 2; axis++) {
            claim_case w = {.domain = "", .type = reductions[k], .version = 11, .n_in = 1, .n_out = 1};
            w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {4, 16}, .values = odd};
            w.n_attributes = 1;
            w.attributes[0] = (attribute){.name = str_of("axes"), .kind = ATTR_INTS, .n = 1, .ints = &axis};
            claim_check(&w, reductions[k]);
        }
}

/* ---- Order --------------------------------------------------------------------------------------------- */

static const sib_dtype ordered[] = {SIB_F32, SIB_F64, SIB_F16, SIB_BF16, SIB_I8,  SIB_U8,
                                    SIB_I16, SIB_U16, SIB_I32, SIB_U32,  SIB_I64, SIB_U64};

/* Values with many duplicates, and for floats NaN, infinities and zeros of both signs. */
static double *order_values(sib_dtype dtype, size_t n)
{
    bool is_float = sib_dtype_get_kind(dtype) == SIB_KIND_FLOAT;
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0};
    double *v = malloc((n + 1) * sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < n; i++) {
        v[i] = (double)pick(sib_dtype_get_kind(dtype) == SIB_KIND_UINT ? 0 : -20, 20);
        if (is_float)
            v[i] = pick(0, 6) ? v[i] * 0.25 : odd[pick(0, 4)];
    }
    return v;
}

static void order_once(const char *type, int64_t version, sib_dtype dtype, const char *flag, bool claimed)
{
    claim_case w = {
        .domain = "", .type = type, .version = version, .n_in = 1, .n_out = 1, .left_to_lower = !claimed};
    double number;
    w.in[0] = (claim_input){.dtype = dtype};
    draw_dims(&w.in[0], (size_t)pick(1, 3), pick(0, 3) ? 9 : 60);
    size_t axis = (size_t)pick(0, (int64_t)w.in[0].rank - 1), n = 1;
    if (pick(0, 5) == 0)
        w.in[0].dims[axis] = 1500;
    for (size_t i = 0; i < w.in[0].rank; i++)
        n *= (size_t)w.in[0].dims[i];
    double *values = order_values(dtype, n);
    w.in[0].values = values;
    w.attributes[w.n_attributes++] = claim_int(flag, pick(0, 1));
    if (!strcmp(type, "CumSum")) {
        w.n_in = 2;
        number = (double)axis;
        w.in[1] = (claim_input){.dtype = SIB_I64, .values = &number, .constant = true};
    } else {
        w.attributes[w.n_attributes++] = claim_int("axis", (int64_t)axis - (int64_t)w.in[0].rank);
    }
    if (claimed) {
        w.n_in = w.n_out = 2;
        number = (double)pick(pick(0, 1), w.in[0].dims[axis]);
        w.in[1] =
            (claim_input){.dtype = SIB_I64, .rank = 1, .dims = {1}, .values = &number, .constant = true};
        w.unwanted[0] = pick(0, 4) == 0;
    }
    claim_check(&w, text_of(&w));
    free(values);
}

TEST(test_order)
{
    for (int round = 0; round < check_draws(12); round++)
        for (size_t d = 0; d < COUNT(ordered); d++) {
            order_once("TopK", 11, ordered[d], "largest", true);
            order_once("ArgMax", 13, ordered[d], "select_last_index", false);
            order_once("ArgMin", 13, ordered[d], "select_last_index", false);
            if (d < 2 || ordered[d] == SIB_I32 || ordered[d] == SIB_I64)
                order_once("CumSum", 14, ordered[d], "reverse", false);
        }
}

/* ---- Quantization -------------------------------------------------------------------------------------- */

TEST(test_quantize)
{
    static const sib_dtype dtypes[] = {SIB_U8, SIB_I8, SIB_U16, SIB_I16};
    for (int round = 0; round < 120; round++) {
        sib_dtype dtype = dtypes[round % 4];
        bool back = round % 3 == 0, single = pick(0, 1), signs = dtype == SIB_I8 || dtype == SIB_I16;
        claim_case w = {.domain = round % 5 ? "" : "com.microsoft",
                        .type = back ? "DequantizeLinear" : "QuantizeLinear",
                        .version = round % 5 ? 21 : 1,
                        .n_in = 3,
                        .n_out = 1,
                        .n_attributes = 1};
        double scales[60], zeros[60], *values;
        w.in[0] = (claim_input){.dtype = back ? dtype : SIB_F32};
        draw_dims(&w.in[0], (size_t)pick(1, 4), round % 7 ? 9 : 50);
        size_t axis = (size_t)pick(0, (int64_t)w.in[0].rank - 1), n = 1;
        for (size_t i = 0; i < w.in[0].rank; i++)
            n *= (size_t)w.in[0].dims[i];
        for (int i = 0; i < 60; i++) {
            scales[i] = (double)(float)ldexp(1.1 + check_uniform(&dice), (int)pick(-3, 0));
            zeros[i] = (double)pick(signs ? -100 : 0, 100);
        }
        values = malloc((n + 1) * sizeof *values);
        assert_non_null(values);
        for (size_t i = 0; i < n; i++)
            values[i] = back         ? (double)pick(signs ? -128 : 0, signs ? 127 : 255)
                        : pick(0, 9) ? (double)(float)(check_uniform(&dice) * 200)
                        : pick(0, 2) ? (double)pick(-9, 9) * scales[0] * 0.5 /* halfway between two results */
                                     : (pick(0, 1) ? NAN : -INFINITY);
        w.in[0].values = values;
        w.in[1] = list(SIB_F32, w.in[0].dims[axis], pick(0, 1));
        w.in[2] = list(dtype, w.in[0].dims[axis], pick(0, 1));
        w.in[1].rank = w.in[2].rank = !single;
        w.in[1].values = scales;
        w.in[2].values = zeros;
        w.attributes[0] = claim_int("axis", (int64_t)axis);
        claim_check(&w, text_of(&w));
        free(values);
    }
}

TEST(test_quantize_dynamic)
{
    static const double zeros[40] = {0}, odd[40] = {1, NAN, 3}, far[40] = {1, INFINITY, -3};
    const double *values[] = {NULL, NULL, NULL, zeros, odd, far};
    for (size_t k = 0; k < COUNT(values); k++)
        for (int64_t n = 1; n < 40; n += 13) {
            claim_case w = {
                .domain = "", .type = "DynamicQuantizeLinear", .version = 11, .n_in = 1, .n_out = 3};
            w.in[0] = (claim_input){
                .dtype = SIB_F32, .rank = 2, .dims = {n, 1}, .values = values[k], .size = k == 1 ? 1e30 : 3};
            claim_check(&w, "dynamic");
        }
}
