/* Reductions, argmin and argmax, cumulative operations, matrix products and determinants against plain
   sums. */
#include "milli.h"

static const sib_dtype kinds[] = {SIB_F32, SIB_F64, SIB_F16, SIB_BF16,    SIB_I8,  SIB_I16,
                                  SIB_I32, SIB_I64, SIB_U8,  SIB_U16,     SIB_U32, SIB_U64,
                                  SIB_I4,  SIB_U4,  SIB_I2,  SIB_F8E4M3FN};
#define N_KINDS (sizeof kinds / sizeof *kinds)

/* Small integers: their sums and products are exact in double. */
static sib_tensor *small(sib_dtype d, size_t rank, const int64_t *dims, check_random *r)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    double *v = calloc(n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (double)(check_u64(r) >> 20 & 7) - (sib_dtype_get_kind(d) == SIB_KIND_UINT ? 0 : 3);
    sib_tensor *t = numbers(d, rank, dims, v);
    free(v);
    return t;
}

/* Checks that element i of out is x converted to its dtype. */
static void expect_rounded(const sib_tensor *out, uint64_t i, double x, const char *what)
{
    sib_error err = SIB_ERROR_INIT;
    uint64_t code = 0;
    sib_dtype d = sib_tensor_dtype(out);
    CHECK_OK(sib_convert(SIB_F64, &x, d, &code, 1, SIB_OVERFLOW_IEEE, &err), err);
    if (get_code(d, sib_tensor_data(out), (size_t)i) != code && !(isnan(x) && isnan(number(out, i))))
        fail_msg("%s of %s: element %d is %.17g, expected %.17g rounded", what, sib_dtype_name(d), (int)i,
                 number(out, i), x);
}

/* ---- Reductions ---------------------------------------------------------------------------------------- */

static double combine(milli_kind kind, double sum, double x)
{
    switch (kind) {
    case MILLI_reduce_sum:
    case MILLI_cumulative_sum:
        return sum + x;
    case MILLI_reduce_prod:
    case MILLI_cumulative_prod:
        return sum * x;
    case MILLI_reduce_min:
        return isnan(sum) || isnan(x) ? (double)NAN : sum < x ? sum : x;
    default:
        return isnan(sum) || isnan(x) ? (double)NAN : sum > x ? sum : x;
    }
}

static double start_of(milli_kind kind)
{
    return kind == MILLI_reduce_prod || kind == MILLI_cumulative_prod ? 1
           : kind == MILLI_reduce_min                                 ? (double)INFINITY
           : kind == MILLI_reduce_max                                 ? -(double)INFINITY
                                                                      : 0;
}

/* Adds each element, in row-major order, to the result whose index it shares; the index is 0 on reduced
   axes. */
static void check_reduce(milli_kind kind, const sib_tensor *a, unsigned axes)
{
    int64_t dims[SIB_MAX_RANK], list[SIB_MAX_RANK];
    size_t rank = sib_tensor_rank(a), n = 0;
    double *want;
    for (size_t i = 0; i < rank; i++) {
        dims[i] = axes >> i & 1 ? 1 : sib_tensor_dims(a)[i];
        if (axes >> i & 1)
            list[n++] = (int64_t)i;
    }
    sib_tensor *out = run_milli(kind, 1, IN(a), 1, ATTRIBUTES(attribute_ints("axes", n, list)),
                                spec_of(sib_tensor_dtype(a), rank, dims));
    want = calloc((size_t)sib_tensor_count(out) + 1, sizeof *want);
    for (uint64_t i = 0; i < sib_tensor_count(out); i++)
        want[i] = start_of(kind);
    for (uint64_t i = 0; i < sib_tensor_count(a); i++) {
        int64_t index[SIB_MAX_RANK] = {0};
        unravel(a, i, index);
        for (size_t k = 0; k < n; k++)
            index[list[k]] = 0;
        uint64_t to = ravel(out, index);
        want[to] = combine(kind, want[to], number(a, i));
    }
    for (uint64_t i = 0; i < sib_tensor_count(out); i++)
        expect_rounded(out, i, want[i], milli_row(kind)->name);
    free(want);
    sib_tensor_free(&out);
}

TEST_ALONE(test_reduce)
{
    static const milli_kind ops[] = {MILLI_reduce_sum, MILLI_reduce_prod, MILLI_reduce_min, MILLI_reduce_max};
    check_random r = {1};
    for (size_t d = 0; d < N_KINDS; d++)
        for (unsigned axes = 0; axes < 16; axes++)
            for (size_t k = 0; k < 4; k++) {
                sib_tensor *a = small(kinds[d], 4, DIMS(2, 3, 1, 3), &r);
                check_reduce(ops[k], a, axes);
                sib_tensor_free(&a);
            }
    for (unsigned axes = 0; axes < 4; axes++)
        for (size_t k = 0; k < 4; k++) {
            sib_tensor *a = numbers(SIB_F64, 2, DIMS(2, 3), (double[]){1, NAN, 3, -INFINITY, 2, INFINITY});
            check_reduce(ops[k], a, axes);
            sib_tensor_free(&a);
        }
    sib_tensor *scalar = numbers(SIB_F32, 0, DIMS(0), (double[]){5}),
               *out = run_milli(MILLI_reduce_sum, 1, IN(scalar), 1,
                                ATTRIBUTES(attribute_ints("axes", 0, NULL)), SPEC(SIB_F32, 0, 0));
    assert_true(number(out, 0) == 5);
    free_all(2, (sib_tensor *[]){scalar, out});
    /* lines longer than a block, as a reduced and as a kept axis */
    sib_tensor *long_lines = small(SIB_F32, 2, DIMS(3, 1500), &r);
    for (unsigned axes = 0; axes < 4; axes++)
        check_reduce(MILLI_reduce_sum, long_lines, axes);
    sib_tensor_free(&long_lines);
}

TEST_ALONE(test_reduce_nothing)
{
    static const struct {
        milli_kind kind;
        sib_dtype dtype;
        double want;
    } rows[] = {{MILLI_reduce_sum, SIB_F32, 0},
                {MILLI_reduce_prod, SIB_F32, 1},
                {MILLI_reduce_min, SIB_F32, INFINITY},
                {MILLI_reduce_max, SIB_F16, -INFINITY},
                {MILLI_reduce_sum, SIB_I8, 0},
                {MILLI_reduce_prod, SIB_U64, 1},
                {MILLI_reduce_min, SIB_I8, 127},
                {MILLI_reduce_max, SIB_I8, -128},
                {MILLI_reduce_min, SIB_U8, 255},
                {MILLI_reduce_max, SIB_U8, 0},
                {MILLI_reduce_min, SIB_BOOL, 1},
                {MILLI_reduce_max, SIB_BOOL, 0},
                {MILLI_reduce_max, SIB_I64, -0x1p63},
                {MILLI_reduce_min, SIB_I4, 7},
                {MILLI_reduce_min, SIB_U32, 4294967295.0},
                {MILLI_reduce_max, SIB_I32, -0x1p31}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        sib_tensor *a = numbers(rows[k].dtype, 3, DIMS(2, 0, 3), NULL);
        sib_tensor *out = run_milli(rows[k].kind, 1, IN(a), 1, ATTRIBUTES(attribute_ints("axes", 1, DIMS(1))),
                                    SPEC(rows[k].dtype, 3, 2, 1, 3));
        for (uint64_t i = 0; i < 6; i++)
            assert_true(number(out, i) == rows[k].want);
        sib_tensor *none =
            run_milli(rows[k].kind, 1, IN(a), 1, ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))),
                      SPEC(rows[k].dtype, 3, 1, 0, 3));
        free_all(3, (sib_tensor *[]){a, out, none});
    }
}

/* Sums are in double, and integers wrap, at the limits of 64 bits as well. */
TEST_ALONE(test_reduce_exact)
{
    sib_tensor *a = VECTOR(SIB_F32, 16777216, 1, 1, -16777216), *b = VECTOR(SIB_I8, 100, 100, 100);
    sib_tensor *sum = run_milli(MILLI_reduce_sum, 1, IN(a), 1, ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))),
                                SPEC(SIB_F32, 1, 1));
    sib_tensor *wrapped = run_milli(MILLI_reduce_sum, 1, IN(b), 1,
                                    ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))), SPEC(SIB_I8, 1, 1));
    assert_true(number(sum, 0) == 2);
    assert_true(number(wrapped, 0) == 300 - 256);
    sib_tensor *c = VECTOR(SIB_I64, 0, 0);
    int64_t *v = sib_tensor_data(c);
    v[0] = INT64_MAX;
    v[1] = 3;
    sib_tensor *wide = run_milli(MILLI_reduce_sum, 1, IN(c), 1,
                                 ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))), SPEC(SIB_I64, 1, 1));
    assert_true(*(int64_t *)sib_tensor_data(wide) == INT64_MIN + 2);
    sib_tensor *bits = VECTOR(SIB_BOOL, 0, 1, 1);
    sib_tensor *all = run_milli(MILLI_reduce_min, 1, IN(bits), 1,
                                ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))), SPEC(SIB_BOOL, 1, 1));
    sib_tensor *any = run_milli(MILLI_reduce_max, 1, IN(bits), 1,
                                ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))), SPEC(SIB_BOOL, 1, 1));
    assert_true(number(all, 0) == 0 && number(any, 0) == 1);
    free_all(9, (sib_tensor *[]){a, b, sum, wrapped, c, wide, bits, all, any});
    static const char *const words[] = {"a"};
    sib_tensor *s = strings(1, DIMS(1), words);
    fail_milli(MILLI_reduce_max, 1, IN(s), 1, ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))),
               SPEC(SIB_STRING, 1, 1), SIB_ERR_UNSUPPORTED, "reduce_max: it is not defined for string");
    sib_tensor_free(&s);
}

TEST_ALONE(test_reduce_complex)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *a;
    CHECK_OK(sib_tensor_create(SIB_C64, 1, DIMS(3), &a, &err), err);
    memcpy(sib_tensor_data(a), (float[]){1, 2, 3, -1, 0, 2}, 24);
    sib_tensor *sum = run_milli(MILLI_reduce_sum, 1, IN(a), 1, ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))),
                                SPEC(SIB_C64, 1, 1));
    sib_tensor *prod = run_milli(MILLI_reduce_prod, 1, IN(a), 1,
                                 ATTRIBUTES(attribute_ints("axes", 1, DIMS(0))), SPEC(SIB_C64, 1, 1));
    const float *s = sib_tensor_data(sum), *p = sib_tensor_data(prod);
    assert_true(s[0] == 4 && s[1] == 3);
    assert_true(p[0] == -10 && p[1] == 10); /* (1 + 2j) (3 - j) = 5 + 5j; times 2j */
    free_all(3, (sib_tensor *[]){a, sum, prod});
}

/* ---- Extremes ------------------------------------------------------------------------------------------ */

static void check_arg(const sib_tensor *a, int64_t axis, bool highest, bool last)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank = sib_tensor_rank(a);
    memcpy(dims, sib_tensor_dims(a), rank * sizeof *dims);
    int64_t size = dims[axis];
    dims[axis] = 1;
    sib_tensor *out = run_milli(highest ? MILLI_arg_max : MILLI_arg_min, 1, IN(a), 2,
                                ATTRIBUTES(attribute_int("axis", axis), attribute_int("last", last)),
                                spec_of(SIB_I64, rank, dims));
    for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
        int64_t index[SIB_MAX_RANK], best = -1;
        double extreme = 0;
        unravel(out, i, index);
        for (int64_t k = 0; k < size; k++) {
            index[axis] = last ? size - 1 - k : k;
            double x = number_at(a, index);
            bool beats = best < 0 || (!isnan(extreme) && (isnan(x) || (highest ? x > extreme : x < extreme)));
            if (beats) {
                best = index[axis];
                extreme = x;
            }
        }
        assert_int_equal(((const int64_t *)sib_tensor_data(out))[i], best);
    }
    sib_tensor_free(&out);
}

TEST_ALONE(test_arg)
{
    check_random r = {2};
    for (size_t d = 0; d <= N_KINDS; d++)
        for (int64_t axis = 0; axis < 3; axis++)
            for (int k = 0; k < 4; k++) {
                sib_tensor *a = small(d < N_KINDS ? kinds[d] : SIB_BOOL, 3, DIMS(3, 5, 4), &r);
                check_arg(a, axis, k & 1, k >> 1);
                sib_tensor_free(&a);
            }
    sib_tensor *nans =
        numbers(SIB_F32, 2, DIMS(3, 4), (double[]){1, NAN, 3, 0, NAN, 2, NAN, -0.0, 1, 5, NAN, 0});
    for (int k = 0; k < 8; k++)
        check_arg(nans, k >> 2, k & 1, k >> 1 & 1);
    sib_tensor *none = numbers(SIB_F32, 2, DIMS(0, 2), NULL);
    fail_milli(MILLI_arg_max, 1, IN(none), 1, ATTRIBUTES(attribute_int("axis", 0)), SPEC(SIB_I64, 2, 1, 2),
               SIB_ERR_VALUE, "arg_max: an empty axis has no smallest or largest element");
    free_all(2, (sib_tensor *[]){nans, none});
}

/* ---- Running values ------------------------------------------------------------------------------------ */

TEST_ALONE(test_cumulative)
{
    check_random r = {3};
    for (size_t d = 0; d < N_KINDS; d++)
        for (int64_t axis = 0; axis < 3; axis++)
            for (int k = 0; k < 2; k++) {
                milli_kind kind = k ? MILLI_cumulative_prod : MILLI_cumulative_sum;
                int64_t dims[] = {2, 5, 3};
                sib_tensor *a = small(kinds[d], 3, dims, &r);
                sib_tensor *out = run_milli(kind, 1, IN(a), 1, ATTRIBUTES(attribute_int("axis", axis)),
                                            spec_of(kinds[d], 3, dims));
                for (uint64_t i = 0; i < 30; i++) {
                    int64_t index[SIB_MAX_RANK] = {0};
                    unravel(a, i, index);
                    double running = start_of(kind);
                    for (int64_t last = index[axis], x = 0; x <= last; x++) {
                        index[axis] = x;
                        running = combine(kind, running, number_at(a, index));
                    }
                    expect_rounded(out, i, running, milli_row(kind)->name);
                }
                free_all(2, (sib_tensor *[]){a, out});
            }
}

/* ---- Products ------------------------------------------------------------------------------------------ */

typedef struct matmul_case {
    size_t rank_a, rank_b, rank;
    int64_t a[4], b[4], out[4];
} matmul_case;

static const matmul_case products[] = {
    {2, 2, 2, {3, 4}, {4, 5}, {3, 5}},
    {2, 2, 2, {1, 7}, {7, 1}, {1, 1}},
    {3, 2, 3, {2, 3, 4}, {4, 5}, {2, 3, 5}},
    {4, 3, 4, {2, 1, 3, 4}, {5, 4, 2}, {2, 5, 3, 2}},
    {2, 4, 4, {3, 4}, {2, 3, 4, 2}, {2, 3, 3, 2}},
    {2, 2, 2, {3, 0}, {0, 5}, {3, 5}},
    {2, 2, 2, {0, 4}, {4, 5}, {0, 5}},
    {3, 3, 3, {0, 2, 4}, {0, 4, 5}, {0, 2, 5}},
    {2, 2, 2, {70, 133}, {133, 300}, {70, 300}}, /* more than one block along both axes */
};

/* An operand whose leading dims broadcast. */
typedef struct operand {
    size_t rank;
    const int64_t *dims;
    double *values; /* all of it: reading one from the tensor is slow */
} operand;

static operand operand_of(const sib_tensor *t)
{
    uint64_t n = sib_tensor_count(t);
    operand o = {sib_tensor_rank(t), sib_tensor_dims(t), calloc((size_t)n + 1, sizeof(double))};
    assert_non_null(o.values);
    for (uint64_t i = 0; i < n; i++)
        o.values[i] = number(t, i);
    return o;
}

CHECK_UNWATCHED static double matrix_at(const operand *o, size_t rank, const int64_t *index, int64_t row,
                                        int64_t column)
{
    int64_t at = 0;
    for (size_t i = 0; i + 2 < o->rank; i++)
        at = at * o->dims[i] + (o->dims[i] == 1 ? 0 : index[rank - o->rank + i]);
    at = at * o->dims[o->rank - 2] + row;
    return o->values[at * o->dims[o->rank - 1] + column];
}

static void check_matmul(const matmul_case *m, sib_dtype d, check_random *r)
{
    sib_tensor *a = small(d, m->rank_a, m->a, r), *b = small(d, m->rank_b, m->b, r);
    sib_tensor *out = RUN(MILLI_matmul, spec_of(d, m->rank, m->out), 2, a, b);
    operand x = operand_of(a), y = operand_of(b);
    for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
        int64_t index[SIB_MAX_RANK] = {0};
        double sum = 0;
        unravel(out, i, index);
        for (int64_t k = 0; k < m->a[m->rank_a - 1]; k++)
            sum += matrix_at(&x, m->rank, index, index[m->rank - 2], k) *
                   matrix_at(&y, m->rank, index, k, index[m->rank - 1]);
        expect_rounded(out, i, sum, "matmul");
    }
    free(x.values), free(y.values);
    free_all(3, (sib_tensor *[]){a, b, out});
}

TEST_ALONE(test_matmul)
{
    check_random r = {4};
    for (size_t d = 0; d < N_KINDS; d++)
        for (size_t k = 0; k < sizeof products / sizeof *products; k++)
            if (k + 1 < sizeof products / sizeof *products || d < 5)
                check_matmul(&products[k], kinds[d], &r);
}

/* The sum is in double, in ascending order, and rounded once; 64-bit integers wrap; infinities and NaN follow
   IEEE 754. */
TEST_ALONE(test_matmul_exact)
{
    check_random r = {5};
    double x[600], y[600], sum = 0;
    for (int i = 0; i < 600; i++) {
        x[i] = (double)(float)check_uniform(&r);
        y[i] = (double)(float)check_uniform(&r);
        sum += x[i] * y[i];
    }
    sib_tensor *a = numbers(SIB_F32, 2, DIMS(1, 600), x), *b = numbers(SIB_F32, 2, DIMS(600, 1), y);
    sib_tensor *dot = RUN(MILLI_matmul, SPEC(SIB_F32, 2, 1, 1), 2, a, b);
    assert_true(number(dot, 0) == (double)(float)sum);
    sib_tensor *big = numbers(SIB_I64, 2, DIMS(1, 2), (double[]){0x1p62, 3}),
               *four = numbers(SIB_I64, 2, DIMS(2, 1), (double[]){4, -1});
    sib_tensor *wrapped = RUN(MILLI_matmul, SPEC(SIB_I64, 2, 1, 1), 2, big, four);
    assert_true(*(int64_t *)sib_tensor_data(wrapped) == -3);
    sib_tensor *odd = numbers(SIB_F32, 2, DIMS(1, 2), (double[]){INFINITY, 1}),
               *zero = numbers(SIB_F32, 2, DIMS(2, 2), (double[]){0, 1, 1, 1});
    sib_tensor *ieee = RUN(MILLI_matmul, SPEC(SIB_F32, 2, 1, 2), 2, odd, zero);
    assert_true(isnan(number(ieee, 0)) && isinf(number(ieee, 1)));
    free_all(9, (sib_tensor *[]){a, b, dot, big, four, wrapped, odd, zero, ieee});
}

/* One thread and four give the same bits. */
TEST(test_matmul_threads)
{
    sib_error err = SIB_ERROR_INIT;
    check_random r = {6};
    milli_case c;
    double *v = calloc(300 * 300, sizeof *v);
    for (int i = 0; i < 300 * 300; i++)
        v[i] = check_uniform(&r);
    sib_tensor *a = numbers(SIB_F32, 2, DIMS(300, 300), v),
               *alone = RUN(MILLI_matmul, SPEC(SIB_F32, 2, 300, 300), 2, a, a);
    out_spec spec = SPEC(SIB_F32, 2, 300, 300);
    sib_pool *pool;
    CHECK_OK(sib_pool_create(4, &pool, &err), err);
    case_make(&c, MILLI_matmul, 2, IN(a, a), 0, NULL, 1, &spec);
    CHECK_OK(c.step.backend->open(&(sib_backend_options){.pool = pool}, &c.step.self, &err), err);
    CHECK_OK(case_run(&c, &err), err);
    assert_true(same_bits(alone, case_out(&c, 0)));
    c.step.backend->close(&c.step.self);
    case_free(&c);
    sib_pool_free(&pool);
    free_all(2, (sib_tensor *[]){a, alone});
    free(v);
}

TEST_ALONE(test_matmul_complex)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *a, *b;
    CHECK_OK(sib_tensor_create(SIB_C64, 3, DIMS(2, 1, 2), &a, &err), err);
    CHECK_OK(sib_tensor_create(SIB_C64, 2, DIMS(2, 1), &b, &err), err);
    memcpy(sib_tensor_data(a), (float[]){1, 2, 0, 1, 3, 0, 0, -1}, 32);
    memcpy(sib_tensor_data(b), (float[]){2, 1, 1, 1}, 16);
    sib_tensor *out = RUN(MILLI_matmul, SPEC(SIB_C64, 3, 2, 1, 1), 2, a, b);
    const float *z = sib_tensor_data(out);
    /* (1+2j)(2+j) + j(1+j) = 5j + j - 1; 3(2+j) - j(1+j) = 6 + 3j - j + 1 */
    assert_true(z[0] == -1 && z[1] == 6 && z[2] == 7 && z[3] == 2);
    free_all(3, (sib_tensor *[]){a, b, out});
}

/* ---- Determinants -------------------------------------------------------------------------------------- */

static double expansion(const double *m, size_t n)
{
    double sum = 0, rest[16];
    if (n == 0)
        return 1;
    for (size_t k = 0; k < n; k++) { /* expand along the first row */
        size_t at = 0;
        for (size_t i = 1; i < n; i++)
            for (size_t j = 0; j < n; j++)
                if (j != k)
                    rest[at++] = m[i * n + j];
        sum += (k % 2 ? -1 : 1) * m[k] * expansion(rest, n - 1);
    }
    return sum;
}

TEST_ALONE(test_determinant)
{
    check_random r = {7};
    for (int64_t n = 0; n <= 4; n++) {
        sib_tensor *a = small(SIB_F64, 3, DIMS(20, n, n), &r),
                   *out = RUN(MILLI_determinant, SPEC(SIB_F64, 1, 20), 1, a);
        for (uint64_t i = 0; i < 20; i++) {
            double want = expansion((const double *)sib_tensor_data(a) + i * (uint64_t)(n * n), (size_t)n);
            assert_true(fabs(number(out, i) - want) <= 1e-12 * (1 + fabs(want)));
        }
        free_all(2, (sib_tensor *[]){a, out});
    }
}
