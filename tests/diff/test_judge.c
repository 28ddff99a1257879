/* What one judged value says, where all of it follows by hand from the elements. */
#include "base/alloc.h"
#include "check.h"
#include "diff/judge.h"

#include <math.h>

#define STEP 0x1p-23 /* of float32 */

static sib_value *value_of(sib_dtype dtype, size_t rank, const int64_t *dims, const double *x)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *wide = NULL, *t = NULL;
    sib_value *v = NULL;
    CHECK_OK(sib_tensor_create(SIB_F64, rank, dims, &wide, &err), err);
    memcpy(sib_tensor_data(wide), x, (size_t)sib_tensor_count(wide) * sizeof *x);
    CHECK_OK(sib_tensor_convert(wide, dtype, SIB_OVERFLOW_IEEE, &t, &err), err);
    CHECK_OK(sib_value_from_tensor(t, &v, &err), err);
    sib_tensor_free(&wide);
    sib_tensor_free(&t);
    return v;
}

typedef struct judged {
    sib_diff_row row;
    char problem[PROBLEM_SIZE];
} judged;

/* n elements of one axis; exact: NULL where they are theirs. sample: NULL where there is none. */
static judged judge_of(const char *op_type, sib_dtype dtype, size_t n, const double *ours,
                       const double *theirs, const double *exact, const double *sample, double factor)
{
    const int64_t dims[] = {(int64_t)n};
    sib_value *a = value_of(dtype, 1, dims, ours), *b = value_of(dtype, 1, dims, theirs),
              *x = value_of(SIB_F64, 1, dims, exact ? exact : theirs),
              *y = sample ? value_of(SIB_F64, 1, dims, sample) : NULL;
    judge j;
    judged out = {.problem = ""};
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(judge_begin(&j, op_type, a, b, &err), err);
    judge_exact(&j, x);
    if (y)
        judge_sample(&j, y);
    CHECK_OK(judge_end(&j, factor, &out.row, out.problem, &err), err);
    judge_free(&j);
    sib_value_free(&a);
    sib_value_free(&b);
    sib_value_free(&x);
    sib_value_free(&y);
    return out;
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-6 * fabs(want)))
        fail_msg("%.9g, expected %.9g", got, want);
}

TEST(test_one_element_is_far)
{
    const double theirs[] = {1, 2, -4, 8}, ours[] = {1, 2 + 100 * STEP, -4, 8};
    /* explained: half a step of each; its difference counts beside a quarter of a step of the largest, 2 steps */
    for (int k = 0; k < 2; k++) {
        judged j = judge_of("Relu", SIB_F32, 4, ours, theirs, NULL, NULL, k ? 49.9 : 50);
        assert_int_equal(j.row.differs, k);
        near(j.row.excess, 50);
        near(j.row.error, 100 * STEP / sqrt(85));
        near(j.row.noise, STEP / 2);
        near(j.row.cosine, 1);
        assert_true(j.row.figures.worst == 1 && j.row.figures.worst_a == ours[1] &&
                    j.row.figures.worst_b == 2);
        assert_int_equal(j.row.figures.n_different, k);
        assert_true(j.row.figures.first == (k ? 1 : UINT64_MAX) && j.row.figures.equal == !k &&
                    !j.problem[0]);
        assert_true(j.row.distances[0] == 3 && j.row.distances[4] == 1); /* 50 numbers of float32 away */
    }
    /* equal values need no judge */
    judged j = judge_of("Relu", SIB_F32, 4, theirs, theirs, NULL, NULL, 1);
    assert_true(!j.row.differs && j.row.excess == 0 && j.row.cosine == 1);
}

TEST(test_what_explains)
{
    const double theirs[] = {1, 2, -4, 8}, ours[] = {1, 2 + 100 * STEP, -4, 8}, exact[] = {1, 16, -4, 8},
                 sample[] = {1, 2 + 5 * STEP, -4, 8}, lost[] = {1, NAN, -4, 8};
    /* the range of an operator's results beside each of them: 2 steps of Sigmoid */
    static const struct {
        const char *op_type;
        double range;
    } ranges[] = {{"Sigmoid", 2}, {"Tanh", 1}, {"Erf", 1}, {"Softplus", 1}, {"Exp", 0}};
    near(judge_of("Sigmoid", SIB_F32, 4, ours, theirs, NULL, NULL, 64).row.excess, 50);
    for (size_t i = 0; i < COUNT(ranges); i++) {
        double squares = 0;
        for (int k = 0; k < 4; k++)
            squares += (fabs(theirs[k]) + ranges[i].range) * (fabs(theirs[k]) + ranges[i].range);
        near(judge_of(ranges[i].op_type, SIB_F32, 4, ours, theirs, NULL, NULL, 64).row.noise,
             STEP / 2 * sqrt(squares / 85));
    }
    near(judge_of("Relu", SIB_F32, 4, ours, theirs, exact, NULL, 64).row.excess,
         100 / 8.); /* the larger of theirs and the exact one */
    near(judge_of("Relu", SIB_F32, 4, ours, theirs, NULL, sample, 64).row.excess,
         100 / 6.); /* 5 steps of a sample and 1 of its own */
    near(judge_of("Relu", SIB_F32, 4, ours, theirs, NULL, lost, 64).row.excess,
         100 / sqrt(81) * 2); /* anything; of the others together */
}

TEST(test_halves_and_integers)
{
    const double theirs[] = {1, 2, -4, 8}, ours[] = {1, 2 + 0x1p-7, -4, 8}, sample[] = {1, 2.5, -4, 8};
    /* float16: a step is 2^-10, of a sixteenth of the factor */
    near(judge_of("Relu", SIB_F16, 4, ours, theirs, NULL, NULL, 64).row.excess, 4);
    assert_false(judge_of("Relu", SIB_F16, 4, ours, theirs, NULL, NULL, 64).row.differs);
    assert_true(judge_of("Relu", SIB_F16, 4, ours, theirs, NULL, NULL, 63).row.differs);
    near(judge_of("Relu", SIB_F16, 4, ours, theirs, NULL, sample, 64).row.excess,
         0x1p-7 / (0.5 / 8 + 0x1p-10)); /* an eighth of a sample */
    const double more[] = {1, 3, -4, 8}, steps[] = {1, 3, -4, 8};
    assert_true(isinf(judge_of("Relu", SIB_I32, 4, more, theirs, NULL, NULL, 64).row.excess));
    assert_true(
        isinf(judge_of("Relu", SIB_I32, 4, more, theirs, NULL, sample, 64).row.excess)); /* half a step */
    judged j = judge_of("Relu", SIB_I32, 4, more, theirs, NULL, steps, 64);
    assert_true(j.row.excess == 1 && !j.row.differs && j.row.figures.n_different == 0);
}

/* Of many elements: what most are off by, and axes of what is interpolated. */
TEST(test_many_elements)
{
    enum { N = 4001 };
    static double theirs[N], ours[N];
    for (int i = 0; i < N; i++) {
        theirs[i] = 1;
        ours[i] = 1 + 2 * STEP;
    }
    ours[N - 1] = 1 + 200 * STEP;
    near(judge_of("Relu", SIB_F32, N, ours, theirs, NULL, NULL, 64).row.excess, 100);
    for (int i = 0; i < N - 1; i++)
        ours[i] = 1 + 16 * STEP;
    near(judge_of("Relu", SIB_F32, N, ours, theirs, NULL, NULL, 64).row.excess,
         50); /* 8 times the noise and no more */
    for (int i = 0; i < N - 1; i++)
        ours[i] = 1;
    near(judge_of("Relu", SIB_F32, N, ours, theirs, NULL, NULL, 64).row.excess, 400); /* half a step */
    const double together = 200 / (0.5 * sqrt(1000));
    near(judge_of("Resize", SIB_F32, 1000, ours + N - 1000, theirs, NULL, NULL, 64).row.excess, together);
    static const char *const interpolated[] = {"Resize", "Upsample", "GridSample", "RoiAlign"};
    for (size_t i = 0; i < COUNT(interpolated); i++) /* of 100 positions */
        near(judge_of(interpolated[i], SIB_F32, 100, ours + N - 100, theirs, NULL, NULL, 64).row.excess,
             200 / (100 / 32.));
}

TEST(test_few_elements)
{
    /* the middle one of the differences of three; which elements count depends on it: 200 of it, 100 of noise */
    const double theirs[] = {1, 1, 1}, ours[] = {1 + STEP, 1 + 2 * STEP, 1 + 400 * STEP};
    assert_int_equal(judge_of("Relu", SIB_F32, 3, ours, theirs, NULL, NULL, 150).row.figures.n_different, 1);
    assert_int_equal(judge_of("Relu", SIB_F32, 3, ours, theirs, NULL, NULL, 201).row.figures.n_different, 0);
    /* without an exact result theirs alone says what rounding explains: an eighth of a step of 1 */
    const double quarters[] = {0.25, 0.25}, off[] = {0.25 + STEP, 0.25};
    const int64_t two[] = {2};
    sib_value *a = value_of(SIB_F32, 1, two, off), *b = value_of(SIB_F32, 1, two, quarters);
    judge j;
    judged out = {.problem = ""};
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(judge_begin(&j, "Relu", a, b, &err), err);
    CHECK_OK(judge_end(&j, 64, &out.row, out.problem, &err), err);
    near(out.row.excess, sqrt(32)); /* of both together */
    judge_free(&j);
    sib_value_free(&a);
    sib_value_free(&b);
}

TEST(test_not_numbers)
{
    const double theirs[] = {1, NAN, INFINITY, 4}, ours[] = {1, 2, INFINITY, 4},
                 other[] = {1, NAN, INFINITY, NAN};
    judged j = judge_of("Relu", SIB_F32, 4, ours, theirs, NULL, NULL, 64);
    assert_true(j.row.differs && isinf(j.row.excess) && j.row.n_nan_ours == 0 && j.row.n_nan_theirs == 1);
    assert_true(j.row.figures.n_different == 1 && j.row.figures.n_nan_mismatch == 1 &&
                j.row.figures.first == 1 && j.row.figures.first_a == 2);
    j = judge_of("Relu", SIB_F32, 4, other, theirs, NULL, NULL, 64);
    assert_true(j.row.differs && j.row.n_nan_ours == 2 && j.row.figures.n_different == 1 &&
                j.row.figures.first == 3);
    const double two[] = {1, 2}, lost[] = {1, NAN}; /* a sample that was lost too explains it */
    j = judge_of("Relu", SIB_F32, 2, lost, two, NULL, lost, 64);
    assert_true(j.row.excess == 1 && !j.row.differs);
    const double zeros[] = {0, 0}, some[] = {1, 0};
    j = judge_of("Relu", SIB_F32, 2, some, zeros, NULL, NULL, 64);
    assert_true(isinf(j.row.error) && j.row.noise == 0 && j.row.differs);
}

/* How many numbers of the type lie between: 0, 1, up to 4, 16, 64, 256, 4096, more. */
TEST(test_distances)
{
    static const int away[] = {0, 1, 2, 4, 5, 16, 17, 64, 65, 256, 257, 4096, 4097, 100000};
    static const uint64_t expected[SIB_DIFF_DISTANCES] = {1, 1, 2, 2, 2, 2, 2, 2};
    double theirs[COUNT(away)], ours[COUNT(away)];
    for (size_t i = 0; i < COUNT(away); i++) {
        theirs[i] = 1;
        ours[i] = 1 + away[i] * STEP;
    }
    judged j = judge_of("Relu", SIB_F32, COUNT(away), ours, theirs, NULL, NULL, 64);
    for (size_t i = 0; i < SIB_DIFF_DISTANCES; i++)
        assert_int_equal(j.row.distances[i], expected[i]);
    const double above[] = {0x1p-149, 1},
                 below[] = {-0x1p-149, 1 - STEP / 2}; /* across 0 and a power of two */
    j = judge_of("Relu", SIB_F32, 2, above, below, NULL, NULL, 64);
    assert_true(j.row.distances[2] + j.row.distances[1] == 2 && j.row.distances[1] >= 1);
}

TEST(test_what_cannot_be_compared)
{
    const double x[] = {1, 2, 3, 4, 5, 6};
    const int64_t two[] = {2, 3}, three[] = {3, 2}, six[] = {6};
    sib_value *values[] = {value_of(SIB_F32, 2, two, x), value_of(SIB_F32, 2, three, x),
                           value_of(SIB_F32, 1, six, x), value_of(SIB_F16, 2, two, x)};
    for (size_t i = 1; i < COUNT(values); i++) {
        judge j;
        judged out = {.problem = ""};
        sib_error err = SIB_ERROR_INIT;
        CHECK_OK(judge_begin(&j, "Relu", values[0], values[i], &err), err);
        assert_int_equal(j.n, 0);
        CHECK_OK(judge_end(&j, 64, &out.row, out.problem, &err), err);
        assert_true(out.row.differs && isinf(out.row.excess) && out.problem[0]);
        judge_free(&j);
    }
    /* samples of other dims are left out */
    judge j;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(judge_begin(&j, "Relu", values[0], values[0], &err), err);
    judge_exact(&j, values[1]);
    assert_null(j.exact);
    judge_exact(&j, values[0]);
    assert_true(j.exact && j.exact[5] == 6 && j.n == 6 && j.parts == 1 && j.step == STEP && !j.half &&
                !j.integers);
    judge_sample(&j, values[2]);
    for (int i = 0; i < 6; i++)
        assert_true(j.around[i] == 0);
    judge_free(&j);
    mem_fail_after(0);
    sib_code code = judge_begin(&j, "Relu", values[0], values[0], &err);
    mem_fail_never();
    CHECK_FAILS(code, SIB_ERR_MEMORY, err, "48 bytes for what rounding explains");
    for (size_t i = 0; i < COUNT(values); i++)
        sib_value_free(&values[i]);
}
