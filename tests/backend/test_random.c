/* Random numbers against those of NumPy 2.4.6, printed as
   python3 -c 'import numpy as np; print([x.hex() for x in np.random.RandomState(SEED).random_sample(N)])'
   and the same with standard_normal. */
#include "milli.h"

static sib_tensor *draw(milli_kind kind, int64_t seed, sib_dtype d, int64_t n)
{
    attribute a = attribute_int("seed", seed);
    return run_milli(kind, 0, NULL, 1, &a, SPEC(d, 1, n));
}

static void expect_drawn(milli_kind kind, int64_t seed, const double *first, size_t n, int64_t far_at,
                         double far)
{
    sib_tensor *t = draw(kind, seed, SIB_F64, far_at + 1);
    for (size_t i = 0; i < n; i++)
        assert_true(number(t, i) == first[i]);
    assert_true(number(t, (uint64_t)far_at) == far);
    sib_tensor_free(&t);
}

TEST(test_uniform)
{
    /* RandomState(0), (42), (4294967295), element 999 last */
    expect_drawn(
        MILLI_random_uniform, 0,
        (double[]){0x1.18fe1565f12a8p-1, 0x1.6e2d4cf608733p-1, 0x1.349d66b6e894bp-1, 0x1.16faedb6395f5p-1}, 4,
        999, 0x1.5ab23e79781c2p-1);
    expect_drawn(
        MILLI_random_uniform, 42,
        (double[]){0x1.7f8771e5f51ecp-2, 0x1.e6c4068bbd654p-1, 0x1.76c7e8f1e6751p-1, 0x1.32835d6632cb0p-1}, 4,
        999, 0x1.c8b5bcc2b9faep-2);
    expect_drawn(
        MILLI_random_uniform, 4294967295,
        (double[]){0x1.8fe69a3924820p-4, 0x1.d323d824032b1p-1, 0x1.93fc6f61af3f9p-1, 0x1.8f5ca1b151c07p-1}, 4,
        999, 0x1.1cfe321a42891p-1);
    /* RandomState([7, 3]) and ([0xffffffff, 0xffffffff]) */
    expect_drawn(MILLI_random_uniform, INT64_C(3) << 32 | 7,
                 (double[]){0x1.f442bc142ba23p-1, 0x1.0ab1abf34a596p-2}, 2, 2, 0x1.835412566eaddp-1);
    expect_drawn(MILLI_random_uniform, -1, (double[]){0x1.659799fd7f980p-6, 0x1.5a35a94f333d8p-2}, 2, 2,
                 0x1.b21c0274c09a4p-3);
}

TEST(test_normal)
{
    /* element 1000 last: an odd count, so that one number of a pair is left over */
    expect_drawn(MILLI_random_normal, 0,
                 (double[]){0x1.c398ef3e5cfa5p+0, 0x1.99c2cfacc8953p-2, 0x1.f51d25222c9abp-1}, 3, 1000,
                 0x1.1ca723ee4cda9p-1);
    expect_drawn(MILLI_random_normal, 42,
                 (double[]){0x1.fca2a28a9307cp-2, -0x1.1b2a505de052ap-3, 0x1.4b9dd50245e68p-1}, 3, 1000,
                 0x1.663c286b9ddedp+0);
    expect_drawn(MILLI_random_normal, 4294967295,
                 (double[]){0x1.4bfc38c486d8ap-1, 0x1.56b192e507eeep-1, -0x1.149e836f192fdp+0}, 3, 1000,
                 -0x1.6aad57c204043p-1);
}

/* Rounded once to the dtype: r.random_sample(3).astype(np.float32), and float16. */
TEST(test_rounding)
{
    sib_tensor *single = draw(MILLI_random_uniform, 42, SIB_F32, 3),
               *half = draw(MILLI_random_uniform, 42, SIB_F16, 3);
    assert_true(number(single, 0) == (double)0.37454012f && number(single, 1) == (double)0.9507143f &&
                number(single, 2) == (double)0.7319939f);
    assert_true(number(half, 0) == 0x1.7f8p-2 && number(half, 1) == 0x1.e6cp-1 &&
                number(half, 2) == 0x1.76cp-1);
    free_all(2, (sib_tensor *[]){single, half});
    attribute a = attribute_int("seed", 1);
    sib_tensor *none = draw(MILLI_random_normal, 1, SIB_F32, 0);
    fail_milli(MILLI_random_normal, 0, NULL, 1, &a, SPEC(SIB_I32, 1, 2), SIB_ERR_UNSUPPORTED,
               "random_normal: it is not defined for int32");
    sib_tensor_free(&none);
}
