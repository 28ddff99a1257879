/* Digests against their definitions, for every type and for shapes at the edges of cells and parts. */
#include "base/pool.h"
#include "check_memory.h"

#include <sibyl/digest.h>

#include <math.h>

static sib_tensor *tensor_of(sib_dtype dtype, size_t rank, const int64_t *dims)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    CHECK_OK(sib_tensor_create(dtype, rank, dims, &t, &err), err);
    return t;
}

static sib_digest digest_of(const sib_tensor *t, const sib_digest_options *o)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = NULL;
    sib_digest d;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    CHECK_OK(sib_digest_of(v, o, &d, &err), err);
    sib_value_free(&v);
    return d;
}

static void expect_near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance) && !(isnan(got) && isnan(want)))
        fail_msg("%s is %.9g, expected %.9g within %g", what, got, want, tolerance);
}

/* Compares the digest of t, of rank 2 or more, with its definition. x: (count) its elements. */
static void check_digest(const sib_digest *d, const double *x, size_t count, size_t height, size_t width)
{
    double sum = 0, squares = 0, low = INFINITY, high = -INFINITY;
    uint64_t finite = 0, zeros = 0, nans = 0, counted = 0;
    for (size_t i = 0; i < count; i++) {
        nans += isnan(x[i]) != 0;
        zeros += x[i] == 0;
        if (!isfinite(x[i]))
            continue;
        finite++;
        sum += x[i];
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    for (size_t i = 0; i < count; i++)
        squares += isfinite(x[i]) ? pow(x[i] - sum / (double)finite, 2) : 0;
    const double std = sqrt(squares / (double)finite);
    assert_int_equal(d->count, count);
    assert_int_equal(d->n_nan, nans);
    assert_int_equal(d->n_nan + d->n_plus_inf + d->n_minus_inf, count - finite);
    assert_int_equal(d->n_zero, zeros);
    expect_near("min", d->min, finite ? low : NAN, 0);
    expect_near("max", d->max, finite ? high : NAN, 0);
    expect_near("mean", d->mean, sum / (double)finite, 1e-6 * std + 1e-6 * fabs(high) + 1e-300);
    expect_near("std", d->std, std, 1e-5 * std);
    for (size_t i = 0; i < SIB_DIGEST_BINS; i++)
        counted += d->histogram[i];
    assert_int_equal(counted, d->n_histogram);
    assert_true(finite <= SIB_DIGEST_SAMPLE ? d->n_histogram == finite
                                            : d->n_histogram >= SIB_DIGEST_SAMPLE / 4);
    const size_t rows = height < 32 ? height : 32, columns = width < 32 ? width : 32;
    assert_int_equal(d->rows, rows);
    assert_int_equal(d->columns, columns);
    static double cells[32][32];
    static uint64_t counts[32][32];
    uint32_t odd[32] = {0};
    memset(cells, 0, sizeof cells);
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i < count; i++) {
        size_t r = i / width % height * rows / height, c = i % width * columns / width;
        if (isfinite(x[i])) {
            cells[r][c] += x[i];
            counts[r][c]++;
        } else
            odd[r] |= UINT32_C(1) << c;
    }
    for (size_t r = 0; r < rows; r++) {
        assert_int_equal(d->not_finite[r], odd[r]);
        for (size_t c = 0; c < columns; c++)
            expect_near("a cell", (double)d->cells[r][c], cells[r][c] / (double)counts[r][c],
                        1e-5 * fmax(fabs(low), fabs(high)));
    }
}

/* Planes on top of each other, bands of rows, long rows, one column, many parts. */
static const int64_t shapes[][3] = {{1, 1, 1},      {1, 1, 7},     {3, 1, 33},    {64, 7, 7},
                                    {5, 31, 33},    {2, 64, 64},   {1, 65, 64},   {3, 200, 100},
                                    {1, 40, 513},   {2, 3, 70000}, {1, 90000, 1}, {1, 5000, 3},
                                    {64, 112, 112}, {300, 28, 28}, {1, 1, 200001}};

static double drawn(check_random *r, sib_dtype dtype)
{
    double u = check_uniform(r);
    switch (sib_dtype_get_kind(dtype)) {
    case SIB_KIND_BOOL:
        return u > 0.3;
    case SIB_KIND_UINT:
        return floor(fabs(u) * (sib_dtype_bits(dtype) < 8 ? 4 : 200));
    case SIB_KIND_INT:
        return floor(u * (sib_dtype_bits(dtype) < 8 ? 2 : 100));
    default:
        return u > 0.9 ? 0 : u;
    }
}

/* Draws a tensor; x: its elements as it holds them. */
static sib_tensor *draw(sib_dtype dtype, const int64_t *dims, unsigned seed, bool odd, double **x)
{
    sib_error err = SIB_ERROR_INIT;
    check_random r = {seed + 77};
    sib_tensor *t = tensor_of(dtype, 3, dims);
    const size_t n = (size_t)sib_tensor_count(t);
    *x = malloc(n * sizeof **x);
    assert_non_null(*x);
    for (size_t i = 0; i < n; i++)
        (*x)[i] = drawn(&r, dtype);
    for (size_t i = 0; odd && i < n; i += 1 + check_u64(&r) % (n / 3 + 1))
        (*x)[i] = i % 3 ? (i % 2 ? NAN : INFINITY) : -INFINITY;
    CHECK_OK(sib_convert(SIB_F64, *x, dtype, sib_tensor_data(t), n, SIB_OVERFLOW_IEEE, &err), err);
    CHECK_OK(sib_convert(dtype, sib_tensor_data(t), SIB_F64, *x, n, SIB_OVERFLOW_IEEE, &err), err);
    return t;
}

static void check_shapes(sib_dtype dtype, bool odd)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double *x;
        sib_tensor *t = draw(dtype, shapes[i], (unsigned)i, odd, &x);
        sib_digest d = digest_of(t, NULL), all = digest_of(t, &(sib_digest_options){.exact = true});
        check_digest(&d, x, (size_t)sib_tensor_count(t), (size_t)shapes[i][1], (size_t)shapes[i][2]);
        assert_int_equal(all.n_histogram, d.count - d.n_nan - d.n_plus_inf - d.n_minus_inf);
        free(x);
        sib_tensor_free(&t);
    }
}

TEST_ALONE(floats_of_every_shape)
{
    check_shapes(SIB_F32, false);
}

TEST_ALONE(what_is_not_finite_changes_nothing_else)
{
    check_shapes(SIB_F32, true);
    check_shapes(SIB_F16, true);
    check_shapes(SIB_F64, true);
}

TEST_ALONE(every_type_of_number)
{
    static const sib_dtype types[] = {SIB_U8,       SIB_I8,  SIB_U16, SIB_I16,   SIB_I32, SIB_I64,
                                      SIB_BOOL,     SIB_F16, SIB_F64, SIB_U32,   SIB_U64, SIB_BF16,
                                      SIB_F8E4M3FN, SIB_U4,  SIB_I4,  SIB_F4E2M1};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        double *x;
        const int64_t dims[3] = {3, 50, 41};
        sib_tensor *t = draw(types[i], dims, 5, false, &x);
        sib_digest d = digest_of(t, NULL);
        check_digest(&d, x, 3 * 50 * 41, 50, 41);
        free(x);
        sib_tensor_free(&t);
    }
}

/* Sums and squares of these overflow or vanish in float32. */
/* Integers are read as floats where these hold them, block by block. */
TEST_ALONE(integers_that_floats_do_not_hold)
{
    static const int64_t edges[] = {(1 << 24) - 1,  1 << 24,   (1 << 24) + 1, -(1 << 24),
                                    -(1 << 24) - 1, INT32_MAX, INT32_MIN},
                         dims[] = {3, 50, 60};
    static const sib_dtype types[] = {SIB_I32, SIB_I64};
    for (size_t k = 0; k < 2 * sizeof edges / sizeof *edges; k++) {
        double *x;
        sib_tensor *t = draw(types[k % 2], dims, (unsigned)k, false, &x);
        x[5000] = (double)edges[k / 2]; /* the blocks before have none */
        if (k % 2)
            ((int64_t *)sib_tensor_data(t))[5000] = edges[k / 2];
        else
            ((int32_t *)sib_tensor_data(t))[5000] = (int32_t)edges[k / 2];
        sib_digest d = digest_of(t, NULL);
        check_digest(&d, x, 9000, 50, 60);
        free(x);
        sib_tensor_free(&t);
    }
}

TEST_ALONE(extreme_sizes)
{
    static const double scales[] = {3e38, 1e25, 1e-25, 1e-40};
    for (size_t k = 0; k < 4; k++) {
        double x[600];
        sib_tensor *t = tensor_of(SIB_F32, 2, (int64_t[]){20, 30});
        for (size_t i = 0; i < 600; i++) {
            ((float *)sib_tensor_data(t))[i] =
                (float)((i % 2 ? -1.0 : 1.0) * scales[k] * (double)(i % 7) / 7);
            x[i] = (double)((float *)sib_tensor_data(t))[i];
        }
        sib_digest d = digest_of(t, NULL);
        assert_true(isfinite(d.mean) && d.std > 0);
        double squares = 0;
        for (size_t i = 0; i < 600; i++)
            squares += pow(x[i] / scales[k], 2);
        expect_near("std", d.std / scales[k], sqrt(squares / 600 - pow(d.mean / scales[k], 2)), 1e-4);
        assert_int_equal(d.n_histogram, 600);
        assert_true(d.histogram[0] > 0 && d.histogram[63] > 0);
        sib_tensor_free(&t);
    }
}

TEST_ALONE(equal_elements_and_none)
{
    sib_tensor *t = tensor_of(SIB_F32, 1, (int64_t[]){100}), *none = tensor_of(SIB_F32, 2, (int64_t[]){0, 4});
    sib_digest d = digest_of(t, NULL);
    assert_true(d.min == 0 && d.max == 0 && d.std == 0 && d.n_zero == 100 && d.histogram[63] == 100);
    d = digest_of(none, NULL);
    assert_true(d.count == 0 && isnan(d.min) && isnan(d.mean) && d.n_histogram == 0 && d.rows == 0);
    sib_tensor_free(&t);
    sib_tensor_free(&none);
}

TEST_ALONE(the_histogram_is_in_order)
{
    sib_tensor *t = tensor_of(SIB_F32, 1, (int64_t[]){64});
    for (size_t i = 0; i < 64; i++)
        ((float *)sib_tensor_data(t))[i] = (float)i * (63.9999f / 63.0f) + 0.0001f;
    sib_digest d = digest_of(t, NULL);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(d.histogram[i], 1);
    sib_tensor_free(&t);
}

/* Shares of bins of a sample are near those of all elements. */
TEST_ALONE(samples_have_the_shape_of_all)
{
    static const sib_dtype types[] = {SIB_F32, SIB_F16, SIB_I32, SIB_F64};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        double *x;
        sib_tensor *t = draw(types[k], (const int64_t[]){1, 100, 150}, 11 + (unsigned)k, k % 2, &x);
        sib_digest some = digest_of(t, NULL), all = digest_of(t, &(sib_digest_options){.exact = true});
        assert_true(some.n_histogram >= SIB_DIGEST_SAMPLE / 4 && some.n_histogram <= SIB_DIGEST_SAMPLE);
        for (size_t i = 0; i < SIB_DIGEST_BINS; i++)
            expect_near("the share of a bin", (double)some.histogram[i] / (double)some.n_histogram,
                        (double)all.histogram[i] / (double)all.n_histogram, 0.04);
        free(x);
        sib_tensor_free(&t);
    }
}

TEST(threads_change_nothing)
{
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    double *x;
    const int64_t dims[3] = {40, 100, 150};
    sib_tensor *t = draw(SIB_F32, dims, 3, true, &x);
    CHECK_OK(sib_pool_create(4, &pool, &err), err);
    sib_digest one = digest_of(t, NULL), four = digest_of(t, &(sib_digest_options){.pool = pool});
    assert_memory_equal(&one, &four, sizeof one);
    sib_pool_free(&pool);
    sib_tensor_free(&t);
    free(x);
}

TEST_ALONE(views_are_read_in_their_own_order)
{
    sib_error err = SIB_ERROR_INIT;
    double *x, y[41 * 50];
    const int64_t dims[3] = {1, 50, 41};
    const int64_t axes[3] = {0, 2, 1};
    sib_tensor *t = draw(SIB_F32, dims, 9, false, &x), *view = NULL;
    CHECK_OK(sib_tensor_transpose(t, axes, &view, &err), err);
    for (size_t i = 0; i < 41; i++)
        for (size_t j = 0; j < 50; j++)
            y[i * 50 + j] = x[j * 41 + i];
    sib_digest d = digest_of(view, NULL);
    check_digest(&d, y, 41 * 50, 41, 50);
    sib_tensor_free(&view);
    sib_tensor_free(&t);
    free(x);
}

TEST_ALONE(complex_numbers_strings_and_sequences)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *c = tensor_of(SIB_C64, 1, (int64_t[]){2}), *s = tensor_of(SIB_STRING, 1, (int64_t[]){3});
    const float parts[4] = {3, 4, 0, 0};
    memcpy(sib_tensor_data(c), parts, sizeof parts);
    sib_digest d = digest_of(c, NULL);
    assert_true(d.max == 5 && d.min == 0 && d.n_zero == 1);
    CHECK_OK(sib_tensor_set_string(s, (int64_t[]){1}, (sib_str){"abcd", 4}, &err), err);
    d = digest_of(s, NULL);
    assert_true(d.count == 3 && d.max == 4 && d.n_zero == 2);
    sib_value *items[2], *sequence = NULL;
    CHECK_OK(sib_value_from_tensor(c, &items[0], &err), err);
    CHECK_OK(sib_value_from_tensor(s, &items[1], &err), err);
    CHECK_OK(sib_value_sequence(2, (const sib_value *const *)items, &sequence, &err), err);
    CHECK_OK(sib_digest_of(sequence, NULL, &d, &err), err);
    assert_true(d.count == 5 && d.max == 5 && d.n_zero == 3 && d.n_histogram == 5 && d.rows == 0);
    sib_value_free(&items[0]);
    sib_value_free(&items[1]);
    sib_value_free(&sequence);
    sib_tensor_free(&c);
    sib_tensor_free(&s);
}

TEST_ALONE(refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_digest d;
    CHECK_FAILS(sib_digest_of(NULL, NULL, &d, &err), SIB_ERR_ARGUMENT, err, "the value is NULL");
}

TEST_ALONE(out_of_memory)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = tensor_of(SIB_F32, 2, (int64_t[]){600, 600});
    sib_value *v = NULL;
    sib_digest d;
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    CHECK_EVERY_ALLOCATION(sib_digest_of(v, NULL, &d, &err), (void)0);
    sib_value_free(&v);
    sib_tensor_free(&t);
}
