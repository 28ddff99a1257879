#include "check_memory.h"
#include "reference.h"

#include <math.h>

static const struct {
    sib_dtype dtype;
    double tolerance; /* relative to the row's norm */
} dtypes[] = {{SIB_F32, 1e-5}, {SIB_F16, 1e-3}, {SIB_BF16, 8e-3}};
#define N_DTYPES 3

static const sib_conv1d_spec one = {1, 1, 1, 1, 1, 1, 0, 1, 1, false};

TEST(named_shapes)
{
    static const int64_t shapes[][7] = {/* B, Ci, L, Co, k, s, p */
                                        {1, 8, 50, 16, 3, 1, 1},
                                        {2, 12, 64, 12, 3, 2, 1},
                                        {1, 4, 100, 8, 10, 5, 0},
                                        {1, 80, 3000, 384, 3, 1, 1},
                                        {1, 384, 3000, 384, 3, 2, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t d = 0; d < N_DTYPES; d++) {
            const int64_t *v = shapes[i];
            if (check_left_out(N_DTYPES * i + d))
                continue;
            bool extras = (i + d) % 2;
            conv_case c;
            case_make(&c, (sib_conv1d_spec){v[0], v[1], v[2], v[3], v[4], v[5], v[6], 1, 1, extras},
                      dtypes[d].dtype, i);
            /* only some channels of the long ones: the reference is slow under sanitizers */
            c.every = c.n_w > 20000 ? 7 : 1;
            case_run(&c, NULL, extras);
            case_check(&c, extras, dtypes[d].tolerance, CASE_ROW_NORM);
            case_free(&c);
        }
}

static int64_t pick(check_random *r, int64_t min, int64_t max)
{
    return min + (int64_t)(check_u64(r) % (uint64_t)(max - min + 1));
}

TEST(random_shapes)
{
    check_random r = {20};
    for (int round = 0; round < 300;) {
        int64_t groups = pick(&r, 1, 4);
        sib_conv1d_spec s = {.batch = pick(&r, 1, 3),
                             .in_channels = groups * pick(&r, 1, round % 9 ? 12 : 60),
                             .in_length = pick(&r, 1, 150),
                             .out_channels = groups * pick(&r, 1, 20),
                             .kernel = pick(&r, 1, round % 5 ? 6 : 40),
                             .stride = pick(&r, 1, 5),
                             .padding = pick(&r, 0, 8),
                             .dilation = pick(&r, 1, 4),
                             .groups = groups,
                             .gelu = round % 2};
        bool with_bias = round / 2 % 2;
        if (s.in_length + 2 * s.padding < s.dilation * (s.kernel - 1) + 1)
            continue;
        conv_case c;
        case_make(&c, s, dtypes[round % N_DTYPES].dtype, (uint64_t)round);
        case_run(&c, NULL, with_bias);
        case_check(&c, with_bias, dtypes[round % N_DTYPES].tolerance, CASE_TERM_NORM);
        case_free(&c);
        round++;
    }
}

/* Shapes at the edges of the splitting of the work. */
TEST(odd_shapes)
{
    static const sib_conv1d_spec shapes[] = {
        {1, 1, 1, 1, 1, 1, 0, 1, 1, false},
        {1, 1, 1, 1, 1, 1, 40, 1, 1, true},                /* almost all padding */
        {1, 1, 1, 2, 7, 9, 33, 11, 1, false},              /* one sample within a wide window */
        {1, 2, 90000, 3, 2, 44000, 0, 1, 1, false},        /* stride beyond a segment */
        {1, 2, 90000, 3, 3, 1, 5, 42000, 1, false},        /* dilation beyond a segment */
        {1, 1, 50, 1, 50, 1, 0, 1, 1, false},              /* the kernel is as long as the input */
        {1, 1, 3000, 1, 2500, 1, 7, 1, 1, false},          /* many taps */
        {3, 40, 400, 40, 3, 1, 1, 1, 40, true},            /* depthwise */
        {1, 24, 77, 48, 5, 2, 2, 1, 24, false},            /* depthwise with multiplier */
        {1, 700, 1, 1700, 1, 1, 0, 1, 1, false},           /* a matrix times a vector */
        {1, 3, 9000, 1, 1, 1, 0, 1, 1, false},             /* one row */
        {INT64_C(1) << 12, 1, 2, 1, 1, 1, 0, 1, 1, false}, /* many batches */
        {1, 1, 9, 1, 1, INT64_C(1) << 62, 0, 1, 1, false}, /* one output column, whatever the stride */
        {1, 1, 9, 1, 1, 1, 0, INT64_C(1) << 62, 1, false}, /* one tap, whatever the dilation */
        {1, 1, 9, 2, 1, INT64_C(1) << 60, INT64_C(1) << 61, 1, 1,
         false}, /* four output columns of padding, one of input */
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t d = 0; d < N_DTYPES; d++) {
            conv_case c;
            case_make(&c, shapes[i], dtypes[d].dtype, i);
            case_run(&c, NULL, true);
            case_check(&c, true, dtypes[d].tolerance, CASE_TERM_NORM);
            case_free(&c);
        }
}

/* Sums of many equal terms, which round the same way each time: a plain float sum gets them wrong. */
TEST(long_sums)
{
    for (int64_t channels = 20000; channels <= 320000; channels *= 4) {
        conv_case c;
        case_make(&c, (sib_conv1d_spec){1, channels, 4, 2, 3, 1, 0, 1, 1, false}, SIB_F32, 1);
        case_run(&c, NULL, false);
        case_check(&c, false, 1e-5, CASE_ROW_NORM);
        for (size_t i = 0; i < c.n_x; i++)
            case_set(&c, c.x, c.x_double, i, 0.1);
        for (size_t i = 0; i < c.n_w; i++)
            case_set(&c, c.w, c.w_double, i, 0.7);
        case_run(&c, NULL, false);
        case_check(&c, false, 1e-5, CASE_ROW_NORM);
        case_free(&c);
    }
}

static void same_class(const conv_case *c, const double *expected, bool *any_nan)
{
    float *got = case_result(c);
    for (size_t i = 0; i < c->n_y; i++) {
        *any_nan |= isnan(expected[i]);
        if (isnan(expected[i]) != isnan(got[i]) || (isinf(expected[i]) && (double)got[i] != expected[i]) ||
            isinf(expected[i]) != isinf(got[i]))
            fail_msg("element %zu: %g, expected %g", i, (double)got[i], expected[i]);
    }
    free(got);
}

/* NaN and infinity appear exactly where the definition puts them, zero weights and padding included. */
TEST(hostile_values)
{
    static const double values[] = {NAN, INFINITY, -INFINITY};
    for (size_t d = 0; d < N_DTYPES; d++)
        for (int round = 0; round < 36; round++) {
            conv_case c;
            bool any_nan = false, gelu = round % 2;
            case_make(&c, (sib_conv1d_spec){2, 6, 40, 10, 3, 1 + round % 3, 2, 1, 2, gelu}, dtypes[d].dtype,
                      7);
            check_random r = {(uint64_t)round * 3 + 5};
            double value = values[round / 2 % 3];
            if (round / 6 % 3 != 0)
                case_set(&c, c.x, c.x_double, check_u64(&r) % c.n_x, value);
            if (round / 6 % 3 != 1)
                case_set(&c, c.w, c.w_double, check_u64(&r) % (c.n_w / 3) * 3, value); /* a first tap */
            case_set(&c, c.w, c.w_double, 4, 0.0);
            case_run(&c, NULL, true);
            double *expected = case_reference(&c, true, NULL);
            same_class(&c, expected, &any_nan);
            if (round / 6 % 3 != 1) /* a weight that is not finite makes NaN of the padding */
                assert_true(any_nan);
            free(expected);
            case_free(&c);
        }
}

TEST(overflow_of_dtype)
{
    conv_case c;
    case_make(&c, (sib_conv1d_spec){1, 2, 3, 1, 1, 1, 0, 1, 1, false}, SIB_F16, 1);
    for (size_t i = 0; i < c.n_x; i++)
        case_set(&c, c.x, c.x_double, i, i % 3 == 0 ? 65504.0 : 1.0);
    case_set(&c, c.w, c.w_double, 0, 1.0);
    case_set(&c, c.w, c.w_double, 1, -0.5);
    case_run(&c, NULL, false);
    case_check(&c, false, 1e-3, CASE_ROW_NORM);
    case_set(&c, c.w, c.w_double, 1, 1.0);
    case_run(&c, NULL, false);
    float *y = case_result(&c);
    assert_true(isinf(y[0]) && y[0] > 0); /* 131008 is out of range of float16 */
    assert_true(y[1] == 2.0f);
    free(y);
    case_free(&c);
}

TEST(out_length)
{
    sib_error err = SIB_ERROR_INIT;
    check_random r = {3};
    for (int round = 0; round < 2000; round++) {
        sib_conv1d_spec s = one;
        s.in_length = pick(&r, 1, 30), s.kernel = pick(&r, 1, 8), s.stride = pick(&r, 1, 6);
        s.padding = pick(&r, 0, 5), s.dilation = pick(&r, 1, 5);
        int64_t counted = 0, out = -1;
        for (int64_t t = 0; t + s.dilation * (s.kernel - 1) < s.in_length + 2 * s.padding; t += s.stride)
            counted++;
        if (counted > 0) {
            CHECK_OK(sib_conv1d_out_length(&s, &out, &err), err);
            assert_int_equal(out, counted);
        } else {
            CHECK_FAILS(sib_conv1d_out_length(&s, &out, &err), SIB_ERR_ARGUMENT, err,
                        "length is not positive");
        }
    }
}

TEST(bad_fields)
{
    sib_error err = SIB_ERROR_INIT;
    static const char *const names[] = {"batch",  "in_channels", "in_length", "out_channels", "kernel",
                                        "stride", "padding",     "dilation",  "groups"};
    float x[16] = {0}, y[16] = {0};
    int64_t out;
    for (size_t i = 0; i < 9; i++)
        for (int64_t bad = -1; bad <= (i == 6 ? -1 : 0); bad++) {
            sib_conv1d_spec s = one;
            int64_t *fields[] = {&s.batch,  &s.in_channels, &s.in_length, &s.out_channels, &s.kernel,
                                 &s.stride, &s.padding,     &s.dilation,  &s.groups};
            *fields[i] = bad;
            char words[64];
            snprintf(words, sizeof words, "%s is %d", names[i], (int)bad);
            CHECK_FAILS(sib_conv1d_out_length(&s, &out, &err), SIB_ERR_ARGUMENT, err, words);
            CHECK_FAILS(sib_conv1d(&s, SIB_F32, NULL, x, x, NULL, y, &err), SIB_ERR_ARGUMENT, err, words);
        }
    sib_conv1d_spec s = one;
    s.in_channels = 3, s.out_channels = 4, s.groups = 2;
    CHECK_FAILS(sib_conv1d_out_length(&s, &out, &err), SIB_ERR_ARGUMENT, err, "in_channels is 3");
    s.in_channels = 4, s.out_channels = 3;
    CHECK_FAILS(sib_conv1d_out_length(&s, &out, &err), SIB_ERR_ARGUMENT, err, "out_channels is 3");
    s = one, s.kernel = 2;
    CHECK_FAILS(sib_conv1d(&s, SIB_F32, NULL, x, x, NULL, y, &err), SIB_ERR_ARGUMENT, err, "not positive");
}

TEST(bad_pointers_and_dtypes)
{
    sib_error err = SIB_ERROR_INIT;
    float x[4] = {0}, y[4] = {0};
    int64_t out;
    CHECK_FAILS(sib_conv1d_out_length(NULL, &out, &err), SIB_ERR_ARGUMENT, err, "spec is NULL");
    CHECK_FAILS(sib_conv1d_out_length(&one, NULL, &err), SIB_ERR_ARGUMENT, err, "out is NULL");
    CHECK_FAILS(sib_conv1d(NULL, SIB_F32, NULL, x, x, x, y, &err), SIB_ERR_ARGUMENT, err, "spec is NULL");
    CHECK_FAILS(sib_conv1d(&one, SIB_F32, NULL, NULL, x, x, y, &err), SIB_ERR_ARGUMENT, err, "x is NULL");
    CHECK_FAILS(sib_conv1d(&one, SIB_F32, NULL, x, NULL, x, y, &err), SIB_ERR_ARGUMENT, err, "w is NULL");
    CHECK_FAILS(sib_conv1d(&one, SIB_F32, NULL, x, x, x, NULL, &err), SIB_ERR_ARGUMENT, err, "y is NULL");
    CHECK_FAILS(sib_conv1d(&one, SIB_F32, NULL, x, x, (char *)x + 1, y, &err), SIB_ERR_ARGUMENT, err,
                "bias is not aligned");
    static const sib_dtype refused[] = {SIB_DTYPE_UNKNOWN, SIB_F64, SIB_I8, SIB_STRING, (sib_dtype)99};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        CHECK_FAILS(sib_conv1d(&one, refused[i], NULL, x, x, x, y, &err), SIB_ERR_ARGUMENT, err, "dtype");
    assert_int_equal(sib_conv1d(&one, SIB_F64, NULL, x, x, x, y, NULL), SIB_ERR_ARGUMENT);
}

TEST(sizes_that_overflow)
{
    sib_error err = SIB_ERROR_INIT;
    float x[4] = {0}, y[4] = {0};
    const int64_t huge = INT64_MAX / 2;
    const struct {
        sib_conv1d_spec spec;
        const char *words;
    } rows[] = {
        {{1, 1, 8, 1, 1, 1, INT64_MAX, 1, 1, false}, "padding"},
        {{1, 1, INT64_MAX, 1, 1, 1, 1, 1, 1, false}, "padding"},
        {{1, 1, 8, 1, huge, 1, 0, 3, 1, false}, "dilation"},
        {{1, 1, 8, 1, 2, 1, 0, INT64_MAX, 1, false}, "dilation"},
        {{huge, 4, 8, 1, 1, 1, 0, 1, 1, false}, "x ("},
        {{1, 1, huge, 1, 1, 1, 0, 1, 1, false}, "x ("},
        {{1, INT64_C(1) << 30, 1, INT64_C(1) << 32, 1, 1, 0, 1, 1, false}, "w ("},
        {{1, 1, 1, INT64_C(1) << 40, 1, 1, INT64_C(1) << 40, 1, 1, false}, "y ("},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_FAILS(sib_conv1d(&rows[i].spec, SIB_F32, NULL, x, x, NULL, y, &err), SIB_ERR_SIZE, err,
                    rows[i].words);
    int64_t out;
    CHECK_FAILS(sib_conv1d_out_length(&rows[0].spec, &out, &err), SIB_ERR_SIZE, err, "padding");
    CHECK_FAILS(sib_conv1d_out_length(&rows[2].spec, &out, &err), SIB_ERR_SIZE, err, "dilation");
}

TEST(failing_allocations)
{
    conv_case c;
    case_make(&c, (sib_conv1d_spec){2, 6, 40, 10, 3, 2, 2, 1, 2, true}, SIB_F16, 7);
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + 1, sib_conv1d(&c.spec, c.dtype, NULL, c.x, c.w, c.bias, c.y, &err),
                           assert_true(!err.code || strstr(err.message, "conv1d")));
    case_check(&c, true, 1e-3, CASE_ROW_NORM);
    case_free(&c);
}
