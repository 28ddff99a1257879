/* Operators that move and resample elements: cpu, which takes the operator entirely, against its lowering on
   ref. */
#include "backend/claim.h"

static const sib_dtype dtypes[] = {SIB_F32, SIB_F64, SIB_F16,  SIB_I8,  SIB_U8,
                                   SIB_I32, SIB_I64, SIB_BOOL, SIB_C128};

static claim_input tensor(sib_dtype dtype, size_t rank, const int64_t *dims)
{
    claim_input in = {.dtype = dtype, .rank = rank, .size = 100};
    memcpy(in.dims, dims, rank * sizeof *dims);
    return in;
}

/* A tensor of rank 1; values must outlive the case. */
static claim_input list(sib_dtype dtype, size_t n, const double *values, bool constant)
{
    return (claim_input){
        .dtype = dtype, .rank = 1, .dims = {(int64_t)n}, .values = values, .constant = constant};
}

static claim_input scalar(sib_dtype dtype, const double *number, bool constant)
{
    return (claim_input){.dtype = dtype, .values = number, .constant = constant};
}

static attribute ints(const char *name, size_t n, const int64_t *values)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = (int64_t *)values};
}

/* ---- Resize -------------------------------------------------------------------------------------------- */

typedef struct resize_row {
    size_t rank;
    int64_t dims[5];
    double scales[5]; /* or sizes */
} resize_row;

static const resize_row resizes[] = {
    {4, {1, 3, 20, 17}, {1, 1, 2, 2}},
    {4, {2, 2, 9, 40}, {1, 1, 1.5, 3}},
    {4, {1, 2, 33, 31}, {1, 1, 0.5, 0.4}},
    {4, {1, 5, 7, 3}, {1, 1, 2, 1}},
    {4, {1, 6, 8, 3}, {1, 2.5, 1.7, 1}},
    {5, {1, 2, 4, 5, 6}, {1, 1, 2, 1.3, 3}},
    {3, {4, 1, 90}, {1, 1, 2.3}},
    {2, {3, 70}, {1, 0.3}},
    {1, {130}, {2}},
    {5, {2, 3, 4, 2, 6}, {2, 1, 0.5, 1, 1.7}},
    {4, {1, 1, 1, 1}, {1, 1, 5, 7}},
    {4, {1, 64, 40, 41}, {1, 1, 2, 2}},
    {3, {2, 33, 3}, {1, 2, 1}},
    {2, {5, 16}, {3, 4}},
};

static void check_resize(const resize_row *row, sib_dtype dtype, const char *mode, const char *mapping,
                         const char *rounding, bool antialias, bool outside, unsigned threads)
{
    claim_case w = {.domain = "",
                    .type = "Resize",
                    .version = 19,
                    .n_in = 3,
                    .n_out = 1,
                    .abs = 4e-4, /* for values up to 100, with negative weights */
                    .rel = 1e-6,
                    .threads = threads,
                    .n_attributes = 5};
    char what[200];
    static size_t n;
    if (check_left_out(n++))
        return;
    w.in[0] = tensor(dtype, row->rank, row->dims);
    w.in[2] = list(SIB_F32, row->rank, row->scales, true);
    w.attributes[0] = claim_text("mode", mode);
    w.attributes[1] = claim_text("coordinate_transformation_mode", mapping);
    w.attributes[2] = claim_text("nearest_mode", rounding);
    w.attributes[3] = claim_int("antialias", antialias);
    w.attributes[4] = claim_int("exclude_outside", outside);
    snprintf(what, sizeof what, "%s %s %s of rank %zu, %lld ...", mode, mapping, rounding, row->rank,
             (long long)row->dims[1]);
    if (!strcmp(mode, "nearest"))
        w.abs = w.rel = 0;
    claim_check(&w, what);
}

static const char *const mappings[] = {"half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                       "align_corners", "asymmetric",           "tf_half_pixel_for_nn"};

TEST(test_resize_nearest)
{
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    for (size_t i = 0; i < COUNT(resizes); i++)
        for (size_t m = 0; m < COUNT(mappings); m++)
            for (size_t r = 0; r < COUNT(roundings); r++)
                check_resize(&resizes[i], dtypes[(i + m + r) % COUNT(dtypes)], "nearest", mappings[m],
                             roundings[r], false, false, 1 + (unsigned)(r % 2));
    for (size_t d = 0; d < COUNT(dtypes); d++) /* integer factors, for items of every size */
        for (size_t i = 0; i < COUNT(resizes); i++)
            check_resize(&resizes[i], dtypes[d], "nearest", "asymmetric", "floor", false, false, 1);
}

TEST(test_resize_averages)
{
    for (size_t i = 0; i < COUNT(resizes); i++)
        for (size_t m = 0; m < COUNT(mappings); m++)
            for (int k = 0; k < 4; k++) {
                check_resize(&resizes[i], SIB_F32, "linear", mappings[m], "floor", k & 1, k & 2, 1);
                check_resize(&resizes[i], SIB_F32, "cubic", mappings[m], "floor", k & 1, k & 2, 2);
            }
}

TEST(test_resize_to_sizes)
{
    static const double sizes[] = {2, 50, 9}, uneven[] = {50, 9};
    static const int64_t axes[] = {-2, 2};
    for (int constant = 0; constant < 2; constant++) {
        claim_case w = {
            .domain = "", .type = "Resize", .version = 18, .n_in = 4, .n_out = 1, .abs = 1e-4, .rel = 1e-6};
        w.in[0] = tensor(SIB_F32, 3, (int64_t[]){2, 33, 18});
        w.in[3] = list(SIB_I64, 3, sizes, true);
        w.attributes[w.n_attributes++] = claim_text("mode", constant ? "linear" : "cubic");
        claim_check(&w, "to sizes");
        w.in[3] = list(SIB_I64, 2, uneven, true);
        w.attributes[w.n_attributes++] = ints("axes", 2, axes);
        claim_check(&w, "some axes to sizes");
    }
}

TEST(test_resize_early)
{
    static const double scales[] = {1, 1, 2, 1.6};
    static const struct {
        const char *type;
        int64_t version;
    } ops[] = {{"Upsample", 9}, {"Resize", 10}};
    for (int i = 0; i < 4; i++) {
        claim_case w = {.domain = "",
                        .type = ops[i / 2].type,
                        .version = ops[i / 2].version,
                        .n_in = 2,
                        .n_out = 1,
                        .abs = 1e-4};
        w.in[0] = tensor(SIB_F32, 4, (int64_t[]){1, 2, 10, 21});
        w.in[1] = list(SIB_F32, 4, scales, true);
        w.attributes[w.n_attributes++] = claim_text("mode", i % 2 ? "linear" : "nearest");
        claim_check(&w, "before opset 11");
    }
}

TEST(test_resize_left)
{
    static const double scales[] = {2, 3};
    claim_case w = {
        .domain = "", .type = "Resize", .version = 19, .n_in = 3, .n_out = 1, .left_to_lower = true};
    w.in[0] = tensor(SIB_U8, 2, (int64_t[]){4, 5});
    w.in[2] = list(SIB_F32, 2, scales, true);
    w.attributes[w.n_attributes++] = claim_text("mode", "linear");
    claim_check(&w, "averages of bytes");
}

/* ---- Pad, Tile ----------------------------------------------------------------------------------------- */

TEST(test_pad)
{
    static const char *const modes[] = {"edge", "reflect", "wrap"};
    static const struct {
        size_t rank;
        int64_t dims[4];
        double pads[8];
    } rows[] = {{1, {5}, {3, 9}},
                {2, {4, 7}, {0, 2, 3, 0}},
                {2, {4, 7}, {9, 0, 1, 0}},
                {3, {2, 3, 5}, {0, 7, 0, 0, 1, 0}},
                {3, {2, 3, 1}, {1, 1, 1, 2, 2, 2}},
                {4, {2, 3, 40, 50}, {0, 0, 1, 1, 0, 0, 1, 1}},
                {4, {9, 30, 60, 8}, {2, 1, 0, 0, 1, 0, 0, 0}}};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (size_t i = 0; i < COUNT(rows); i++)
            for (size_t m = 0; m < COUNT(modes); m++) {
                claim_case w = {.domain = "",
                                .type = "Pad",
                                .version = 21,
                                .n_in = 2,
                                .n_out = 1,
                                .threads = 1 + (unsigned)(m & 1)};
                w.in[0] = tensor(dtypes[d], rows[i].rank, rows[i].dims);
                w.in[1] = list(SIB_I64, 2 * rows[i].rank, rows[i].pads, true);
                w.attributes[w.n_attributes++] = claim_text("mode", modes[m]);
                claim_check(&w, modes[m]);
            }
    static const double pads[] = {2, 3}, axes[] = {-1};
    claim_case w = {.domain = "", .type = "Pad", .version = 18, .n_in = 4, .n_out = 1, .n_attributes = 1};
    w.in[0] = tensor(SIB_F32, 2, (int64_t[]){3, 4});
    w.in[1] = list(SIB_I64, 2, pads, true);
    w.in[3] = list(SIB_I64, 1, axes, true);
    w.attributes[0] = claim_text("mode", "reflect");
    claim_check(&w, "one axis");
    static const double less[] = {-1, 3};
    w.in[1] = list(SIB_I64, 2, less, true);
    w.left_to_lower = true;
    claim_check(&w, "negative pads");
}

TEST(test_tile)
{
    static const double times[][4] = {{1, 1, 1, 1}, {2, 3, 1, 2}, {1, 1, 5, 1}, {0, 1, 1, 1}, {1, 2, 2, 3}};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (size_t i = 0; i < COUNT(times); i++) {
            claim_case w = {.domain = "", .type = "Tile", .version = 13, .n_in = 2, .n_out = 1};
            w.in[0] = tensor(dtypes[d], 4, (int64_t[]){2, 3, 1, 7});
            w.in[1] = list(SIB_I64, 4, times[i], true);
            claim_check(&w, "Tile");
        }
}

/* ---- Trilu, ReverseSequence, OneHot -------------------------------------------------------------------- */

TEST(test_trilu)
{
    static const double diagonals[] = {0, 1, -1, 3, -4, 100, -100, 9e18, -9e18};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (size_t i = 0; i < COUNT(diagonals); i++)
            for (int upper = 0; upper < 2; upper++) {
                claim_case w = {
                    .domain = "", .type = "Trilu", .version = 14, .n_in = 2, .n_out = 1, .n_attributes = 1};
                w.in[0] = tensor(dtypes[d], 3, (int64_t[]){2, 5, upper ? 7 : 3});
                w.in[1] = scalar(SIB_I64, &diagonals[i], i % 2);
                w.attributes[0] = claim_int("upper", upper);
                claim_check(&w, "Trilu");
            }
}

TEST(test_reverse_sequence)
{
    static const double lengths[] = {3, 0, 5, 1};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (int batch = 0; batch < 2; batch++) {
            claim_case w = {.domain = "",
                            .type = "ReverseSequence",
                            .version = 10,
                            .n_in = 2,
                            .n_out = 1,
                            .n_attributes = 2};
            w.in[0] = tensor(dtypes[d], 3, batch ? (int64_t[]){5, 4, 3} : (int64_t[]){4, 5, 3});
            w.in[1] = list(SIB_I64, 4, lengths, false);
            w.attributes[0] = claim_int("batch_axis", batch);
            w.attributes[1] = claim_int("time_axis", 1 - batch);
            claim_check(&w, "ReverseSequence");
        }
}

TEST(test_one_hot)
{
    static const double indices[] = {0, 4, -1, 5, -6, 2}, depth = 5, values[] = {3, 7};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (int axis = -1; axis < 3; axis++) {
            claim_case w = {
                .domain = "", .type = "OneHot", .version = 11, .n_in = 3, .n_out = 1, .n_attributes = 1};
            w.in[0] = (claim_input){
                .dtype = axis ? SIB_I64 : SIB_I32, .rank = 2, .dims = {2, 3}, .values = indices};
            w.in[1] = scalar(SIB_I64, &depth, true);
            w.in[2] = list(dtypes[d], 2, values, axis & 1);
            w.attributes[0] = claim_int("axis", axis);
            claim_check(&w, "OneHot");
        }
}

/* ---- Gathers and scatters ------------------------------------------------------------------------------ */

/* n indices in [-size, size), or in [0, size) unless negative. */
static double *draw_indices(size_t n, int64_t size, bool negative, check_random *r)
{
    double *v = calloc(n + 1, sizeof *v);
    assert_non_null(v);
    for (size_t i = 0; i < n; i++)
        v[i] = (double)((int64_t)(check_u64(r) >> 16) % size - (negative && check_u64(r) >> 63 ? size : 0));
    return v;
}

TEST(test_gather)
{
    check_random r = {11};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (int64_t axis = -3; axis < 3; axis++)
            for (int k = 0; k < 4; k++) {
                int64_t dims[] = {7, 5, k == 3 ? 300 : 6}, size = dims[axis < 0 ? axis + 3 : axis];
                double *v = draw_indices(400, size, true, &r);
                claim_case w = {
                    .domain = "", .type = "Gather", .version = 13, .n_in = 2, .n_out = 1, .n_attributes = 1};
                w.in[0] = tensor(dtypes[d], 3, dims);
                w.in[1] = (claim_input){.dtype = k & 1 ? SIB_I32 : SIB_I64,
                                        .rank = (size_t)k,
                                        .dims = {4, 100, 1},
                                        .values = v,
                                        .constant = k == 1};
                w.attributes[0] = claim_int("axis", axis);
                w.threads = k == 3 ? 2 : 1;
                claim_check(&w, "Gather");
                free(v);
            }
}

/* New rows of a cache, from places that sequences do not share, around its end too. */
TEST(test_tensor_scatter)
{
    static const double places[] = {3, 0}, around[] = {5, -2};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (int64_t axis = 1; axis < 3; axis++)
            for (int k = 0; k < 6; k++) {
                claim_case w = {.domain = "",
                                .type = "TensorScatter",
                                .version = 24,
                                .n_in = k > 3 ? 2 : 3,
                                .n_out = 1,
                                .n_attributes = 2};
                int64_t dims[] = {2, 6, 6, 3};
                w.in[0] = tensor(dtypes[d], 4, dims);
                dims[axis] = 3;
                w.in[1] = tensor(dtypes[d], 4, dims);
                w.in[2] = (claim_input){.dtype = k & 1 ? SIB_I32 : SIB_I64,
                                        .rank = 1,
                                        .dims = {2},
                                        .values = k & 2 ? around : places};
                w.attributes[0] = claim_int("axis", axis == 2 && k == 0 ? -2 : axis);
                w.attributes[1] = claim_text("mode", k & 2 ? "circular" : "linear");
                claim_check(&w, "TensorScatter");
            }
}

TEST(test_elements)
{
    static const char *const types[] = {"GatherElements", "ScatterElements"};
    check_random r = {12};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (int64_t axis = 0; axis < 3; axis++)
            for (int k = 0; k < 4; k++) {
                static const int64_t dims[] = {6, 5, 9};
                int64_t few[] = {5, 4, 7};
                few[axis] = 8;
                double *v = draw_indices(1000, dims[axis], true, &r);
                claim_case w = {
                    .domain = "", .type = types[k / 2], .version = 18, .n_in = 2 + (size_t)k / 2, .n_out = 1};
                w.in[0] = tensor(dtypes[d], 3, dims);
                w.in[1] = tensor(k & 1 ? SIB_I32 : SIB_I64, 3, few);
                w.in[1].values = v;
                w.in[1].constant = k & 1;
                w.in[2] = tensor(dtypes[d], 3, few);
                w.attributes[w.n_attributes++] = claim_int("axis", axis);
                claim_check(&w, types[k / 2]);
                free(v);
            }
}

TEST(test_nd)
{
    check_random r = {13};
    for (size_t d = 0; d < COUNT(dtypes); d++)
        for (int64_t depth = 1; depth <= 3; depth++)
            for (int k = 0; k < 4; k++) {
                static const int64_t dims[] = {5, 5, 5, 3};
                int64_t places[] = {6, 2, depth}, updates[5] = {6, 2};
                size_t rank = 2;
                for (int64_t i = depth; i < 4; i++)
                    updates[rank++] = dims[i];
                double *v = draw_indices(100, 5, true, &r);
                claim_case w = {.domain = "",
                                .type = k / 2 ? "ScatterND" : "GatherND",
                                .version = 18,
                                .n_in = 2 + (size_t)k / 2,
                                .n_out = 1};
                w.in[0] = tensor(dtypes[d], 4, dims);
                w.in[1] = tensor(SIB_I64, 3, places);
                w.in[1].values = v;
                w.in[1].constant = k & 1;
                w.in[2] = tensor(dtypes[d], rank, updates);
                claim_check(&w, w.type);
                free(v);
            }
}

/* Consecutive indices, as exporters write copies. */
TEST(test_moves)
{
    double v[60 * 2];
    for (int i = 0; i < 60; i++) {
        v[2 * i] = i / 10;
        v[2 * i + 1] = i % 10;
    }
    for (int k = 0; k < 2; k++) {
        claim_case w = {.domain = "",
                        .type = k ? "ScatterND" : "GatherND",
                        .version = 16,
                        .n_in = 2 + (size_t)k,
                        .n_out = 1};
        w.in[0] = tensor(SIB_F32, 2, (int64_t[]){8, 11});
        w.in[1] = (claim_input){.dtype = SIB_I64, .rank = 2, .dims = {60, 2}, .values = v, .constant = true};
        w.in[2] = tensor(SIB_F32, 1, (int64_t[]){60});
        claim_check(&w, "indices that count up");
    }
}

TEST(test_reductions)
{
    static const char *const words[] = {"add", "mul", "min", "max"};
    static const sib_dtype types[] = {SIB_F32, SIB_F64, SIB_I32, SIB_I64};
    static const double places[] = {3, 1, 3, 3, -1, 0, 2, 2},
                        updates[] = {NAN, 1, -0.0, 0.0, INFINITY, -INFINITY, 3, 2};
    for (size_t d = 0; d < COUNT(types); d++)
        for (size_t i = 0; i < COUNT(words); i++)
            for (int k = 0; k < 2; k++) {
                claim_case w = {.domain = "",
                                .type = k ? "ScatterND" : "ScatterElements",
                                .version = 18,
                                .n_in = 3,
                                .n_out = 1,
                                .n_attributes = 1};
                w.in[0] = tensor(types[d], 1, (int64_t[]){5});
                w.in[1] =
                    (claim_input){.dtype = SIB_I64, .rank = k ? 2 : 1, .dims = {8, 1}, .values = places};
                w.in[2] = list(types[d], 8, updates, false);
                w.attributes[0] = claim_text("reduction", words[i]);
                claim_check(&w, words[i]);
            }
    claim_case w = {.domain = "",
                    .type = "ScatterND",
                    .version = 18,
                    .n_in = 3,
                    .n_out = 1,
                    .n_attributes = 1,
                    .left_to_lower = true};
    w.in[0] = tensor(SIB_F16, 1, (int64_t[]){5});
    w.in[1] = (claim_input){.dtype = SIB_I64, .rank = 2, .dims = {8, 1}, .values = places};
    w.in[2] = tensor(SIB_F16, 1, (int64_t[]){8});
    w.attributes[0] = claim_text("reduction", "add");
    claim_check(&w, "half floats");
}

/* ---- GridSample, RoiAlign ------------------------------------------------------------------------------ */

/* A grid that reaches past the borders of the image: exact pixels, the borders, and positions far away. */
TEST(test_grid_sample)
{
    static const char *const modes[] = {"bilinear", "nearest", "bicubic"};
    static const char *const borders[] = {"zeros", "border", "reflection"};
    enum { POINTS = 20 * 30 };
    double *at = calloc(2 * 2 * POINTS, sizeof *at);
    check_random r = {14};
    assert_non_null(at);
    for (size_t i = 0; i < (size_t)2 * 2 * POINTS; i++)
        at[i] = i % 50 == 0   ? 1
                : i % 50 == 1 ? -1
                : i % 50 == 2 ? 1e6
                : i % 50 == 3 ? 0
                              : 1.7 * check_uniform(&r);
    for (int i = 0; i < 36; i++) {
        claim_case w = {.domain = i % 2 ? "com.microsoft" : "",
                        .type = "GridSample",
                        .version = i % 2 ? 1 : 16,
                        .n_in = 2,
                        .n_out = 1,
                        .abs = 1e-4,
                        .rel = 1e-5,
                        .threads = 1 + (unsigned)(i & 1),
                        .n_attributes = 3};
        w.in[0] = tensor(SIB_F32, 4, i < 18 ? (int64_t[]){2, 3, 9, 14} : (int64_t[]){2, 1, 1, 5});
        w.in[1] = (claim_input){.dtype = SIB_F32, .rank = 4, .dims = {2, 20, 30, 2}, .values = at};
        w.attributes[0] = claim_text("mode", modes[i % 3]);
        w.attributes[1] = claim_text("padding_mode", borders[i / 3 % 3]);
        w.attributes[2] = claim_int("align_corners", i / 9 % 2);
        claim_check(&w, modes[i % 3]);
    }
    free(at);
}

/* An infinite pixel affects exactly the results in which its weight is not 0. */
TEST(test_infinite_pixels)
{
    static const double x[] = {1, INFINITY, 3, 4, 5, -INFINITY, 7, 8, 9},
                        at[] = {-1, -1, 0.5, 0.4, 3, 3, -1.4, -1.3}, scales[] = {1, 1, 2, 2};
    claim_case w = {.domain = "", .type = "GridSample", .version = 16, .n_in = 2, .n_out = 1, .abs = 1e-5};
    w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 4, .dims = {1, 1, 3, 3}, .values = x};
    w.in[1] = (claim_input){.dtype = SIB_F32, .rank = 4, .dims = {1, 1, 4, 2}, .values = at};
    claim_check(&w, "an infinite pixel");
    w = (claim_case){
        .domain = "", .type = "Resize", .version = 19, .n_in = 3, .n_out = 1, .abs = 1e-5, .n_attributes = 2};
    w.in[0] = (claim_input){.dtype = SIB_F32, .rank = 4, .dims = {1, 1, 3, 3}, .values = x};
    w.in[2] = list(SIB_F32, 4, scales, true);
    w.attributes[0] = claim_text("mode", "linear");
    for (size_t i = 0; i < COUNT(mappings); i++) {
        w.attributes[1] = claim_text("coordinate_transformation_mode", mappings[i]);
        claim_check(&w, "an infinite element");
    }
}

TEST(test_roi_align)
{
    static const double boxes[] = {2,  3,  30, 41, -9, -9, 12, 20, 5, 5, 5.2, 5.1,
                                   60, 50, 90, 99, 0,  0,  47, 55, 9, 9, 3,   4};
    static const double images[] = {0, 1, 1, 0, 0, 1};
    for (int i = 0; i < 12; i++) {
        claim_case w = {.domain = "",
                        .type = "RoiAlign",
                        .version = i % 2 ? 16 : 10,
                        .n_in = 3,
                        .n_out = 1,
                        .abs = 1e-4,
                        .rel = 1e-5,
                        .threads = 1 + (unsigned)(i & 1),
                        .n_attributes = 4};
        w.in[0] = tensor(SIB_F32, 4, (int64_t[]){2, 5, 28, 24});
        w.in[1] = (claim_input){.dtype = SIB_F32, .rank = 2, .dims = {6, 4}, .values = boxes};
        w.in[2] = list(SIB_I64, 6, images, false);
        w.attributes[0] = claim_int("output_height", 1 + i % 7);
        w.attributes[1] = claim_int("output_width", 7 - i % 5);
        w.attributes[2] = claim_int("sampling_ratio", i / 4);
        w.attributes[3] = claim_float("spatial_scale", 0.5);
        if (i % 4 == 3) {
            w.n_attributes = 5;
            w.attributes[4] = claim_text("coordinate_transformation_mode", "output_half_pixel");
        }
        claim_check(&w, "RoiAlign");
    }
}
