#include "reference.h"

static sib_comparison compare(sib_dtype d, const void *a, const void *b, int64_t n, sib_tolerance tolerance)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *x, *y;
    sib_comparison c;
    CHECK_OK(sib_tensor_wrap(d, 1, &n, NULL, (void *)a, NULL, NULL, &x, &err), err);
    CHECK_OK(sib_tensor_wrap(d, 1, &n, NULL, (void *)b, NULL, NULL, &y, &err), err);
    CHECK_OK(sib_tensor_compare(x, y, &tolerance, &c, &err), err);
    sib_tensor_free(&x), sib_tensor_free(&y);
    assert_int_equal(c.count, n);
    assert_int_equal(c.equal, c.n_different == 0);
    assert_int_equal(c.first == UINT64_MAX, c.n_different == 0);
    return c;
}

static const sib_tolerance exact = {0, 0, 0};

TEST(identical_and_nearly)
{
    const float a[] = {1, -2, 0.0f, NAN, INFINITY, 3}, b[] = {1, -2, -0.0f, NAN, INFINITY, 3.5f};
    sib_comparison c = compare(SIB_F32, a, a, 6, exact);
    assert_true(c.equal && c.worst == UINT64_MAX && c.max_abs == 0 && c.max_rel == 0 && c.max_ulp == 0);
    c = compare(SIB_F32, a, b, 6, exact);
    assert_true(!c.equal && c.n_different == 1 && c.first == 5 && c.worst == 5 && c.n_nan_mismatch == 0);
    assert_true(c.max_abs == 0.5 && c.max_rel == 0.5 / 3.5 && c.max_ulp == 1 << 21 && c.worst_a == 3 &&
                c.worst_b == 3.5);
    assert_true(compare(SIB_F32, a, b, 6, (sib_tolerance){0.5, 0, 0}).equal);
    assert_false(compare(SIB_F32, a, b, 6, (sib_tolerance){0.49, 0, 0}).equal);
    assert_true(compare(SIB_F32, a, b, 6, (sib_tolerance){0, 0.5 / 3.5, 0}).equal);
    assert_false(compare(SIB_F32, b, a, 6, (sib_tolerance){0, 0.5 / 3.5, 0}).equal); /* b is the reference */
    assert_true(compare(SIB_F32, a, b, 6, (sib_tolerance){0, 0, 1 << 21}).equal);
    assert_false(compare(SIB_F32, a, b, 6, (sib_tolerance){0, 0, (1 << 21) - 1}).equal);
    c = compare(SIB_F32, a, b, 6, (sib_tolerance){1, 0, 0});
    assert_true(c.equal && c.worst == 5 && c.first == UINT64_MAX);
    assert_true(compare(SIB_F32, a, b, 0, exact).equal);
}

/* rtol to within 0.01% of its value, with atol and without; the second tensor is the reference. */
TEST(relative_tolerance_is_exact)
{
    for (int i = 0; i < 8; i++) {
        const double rtol = (double[]){1e-2, 1e-3, 1e-5, 0.5}[i / 2], atol = i % 2 ? 0.25 : 0,
                     reference = -300;
        const double limit = atol + rtol * 300, in = reference - limit * 0.9999,
                     out = reference - limit * 1.0001;
        assert_true(compare(SIB_F64, &in, &reference, 1, (sib_tolerance){atol, rtol, 0}).equal);
        assert_false(compare(SIB_F64, &out, &reference, 1, (sib_tolerance){atol, rtol, 0}).equal);
    }
}

TEST(nan_and_infinity_meet_only_themselves)
{
    const double special[] = {NAN, INFINITY, -INFINITY, 0, 1.7976931348623157e308};
    const sib_tolerance loose = {INFINITY, INFINITY, UINT64_MAX};
    static const sib_dtype floats[] = {SIB_F64, SIB_F32, SIB_F16, SIB_BF16, SIB_F8E5M2, SIB_C64, SIB_C128};
    for (size_t k = 0; k < 7; k++) {
        for (size_t i = 0; i < 5; i++) {
            for (size_t j = 0; j < 4; j++) {
                sib_error err = SIB_ERROR_INIT;
                char a[16], b[16];
                CHECK_OK(sib_convert(SIB_F64, &special[i], floats[k], a, 1, SIB_OVERFLOW_IEEE, &err), err);
                CHECK_OK(sib_convert(SIB_F64, &special[j], floats[k], b, 1, SIB_OVERFLOW_IEEE, &err), err);
                bool finite = (i == 3 && j == 3) || (i == 4 && j == 3 && floats[k] == SIB_F64) ||
                              (i == 4 && j == 3 && floats[k] == SIB_C128);
                size_t same = i == 4 && floats[k] != SIB_F64 && floats[k] != SIB_C128 ? 1 : i;
                sib_comparison c = compare(floats[k], a, b, 1, loose);
                if (c.equal != (finite || same == j))
                    fail_msg("%s: %g against %g", sib_dtype_name(floats[k]), special[i], special[j]);
                assert_int_equal(c.n_nan_mismatch, (i == 0) != (j == 0));
                if (!c.equal)
                    assert_true(c.worst == 0 && c.first == 0 && c.max_abs == 0 && c.max_ulp == 0);
            }
        }
    }
}

TEST(the_worst_is_one_that_differs)
{
    const float b[] = {1000, 1, 2, 3}, a[] = {1000.5f, 1, 2.25f, 3.125f};
    const sib_tolerance t = {.rtol = 1e-3};
    sib_comparison c = compare(SIB_F32, a, b, 4, t);
    /* the max of the first element, which is within tolerance */
    assert_true(c.n_different == 2 && c.max_abs == 0.5);
    assert_true(c.first == 2 && c.first_a == 2.25 && c.first_b == 2);
    assert_true(c.worst == 2 && c.worst_a == 2.25 && c.worst_b == 2);
    c = compare(SIB_F32, a, b, 2, t);
    assert_true(c.equal && c.worst == 0 && c.worst_a == 1000.5 && c.first == UINT64_MAX && c.first_a == 0);
}

TEST(mismatches_are_worst)
{
    const double a[] = {0, 1e308, 5, INFINITY, NAN}, b[] = {1, -1e308, 5, 1, 2};
    sib_comparison c = compare(SIB_F64, a, b, 5, exact);
    assert_true(c.n_different == 4 && c.first == 0 && c.worst == 3 && c.n_nan_mismatch == 1);
    assert_true(isinf(c.worst_a) && c.worst_b == 1 && isinf(c.max_abs));
    c = compare(SIB_F64, a, b, 3, exact);
    assert_true(c.worst == 1 && c.worst_a == 1e308);
    const double zero[] = {0, 0}, more[] = {2, 4};
    c = compare(SIB_F64, more, zero, 2, exact);
    assert_true(c.max_rel == 0 && c.max_abs == 4 && c.worst == 1);
}

/* Distances between codes of every float of at most 16 bits, counted along the sorted values. */
TEST(distances_in_representable_values)
{
    check_random random = {17};
    for (size_t k = 0; k < N_SMALL_FLOATS; k++) {
        sib_dtype d = small_floats[k];
        for (int trial = 0; trial < 3000; trial++) {
            unsigned x = (unsigned)(check_u64(&random) % ref_codes(d)),
                     y = (unsigned)(check_u64(&random) % ref_codes(d));
            double vx = ref_value(d, x), vy = ref_value(d, y);
            unsigned sign = d == SIB_F8E8M0 ? 0 : 1u << (sib_dtype_bits(d) - 1);
            if (!isfinite(vx) || !isfinite(vy))
                continue;
            long order_x = x & sign ? -(long)(x - sign) : (long)x,
                 order_y = y & sign ? -(long)(y - sign) : (long)y;
            uint64_t want = (uint64_t)labs(order_x - order_y);
            unsigned char a[2], b[2];
            put_code(d, a, 0, x), put_code(d, b, 0, y);
            sib_comparison c = compare(d, a, b, 1, (sib_tolerance){0, 0, want});
            if (c.max_ulp != want || !c.equal)
                fail_msg("%s %g and %g: %" PRIu64 " apart, expected %" PRIu64, sib_dtype_name(d), vx, vy,
                         c.max_ulp, want);
            if (want > 1)
                assert_false(compare(d, a, b, 1, (sib_tolerance){0, 0, want - 1}).equal);
        }
    }
    const float tiny[] = {-1e-45f, 1e-45f, -0.0f}, other[] = {1e-45f, 1e-45f, 1e-45f};
    sib_comparison c = compare(SIB_F32, tiny, other, 3, exact);
    assert_true(c.max_ulp == 2 && c.n_different == 2);
    const double low[] = {-1.7976931348623157e308}, high[] = {1.7976931348623157e308};
    assert_true(compare(SIB_F64, low, high, 1, exact).max_ulp == 2 * UINT64_C(0x7FEFFFFFFFFFFFFF));
}

TEST(integers_are_exact)
{
    const int64_t a[] = {INT64_MAX, INT64_MIN, 9007199254740993, 0},
                  b[] = {INT64_MIN, INT64_MAX, 9007199254740992, 0};
    sib_comparison c = compare(SIB_I64, a, b, 4, exact);
    assert_true(c.n_different == 3 && c.worst == 0 && c.max_abs == 0x1p64 && c.max_ulp == 0);
    assert_false(compare(SIB_I64, a + 2, b + 2, 1, (sib_tolerance){0.99, 0, 0}).equal);
    assert_true(compare(SIB_I64, a + 2, b + 2, 1, (sib_tolerance){1, 0, 0}).equal);
    assert_true(compare(SIB_I64, a, b, 4, (sib_tolerance){0, 2.1, 0}).equal);
    assert_true(compare(SIB_I64, a, b, 4, (sib_tolerance){INFINITY, 0, 0}).equal);
    const uint64_t x[] = {UINT64_MAX, UINT64_MAX, 5}, y[] = {0, 1, UINT64_MAX};
    c = compare(SIB_U64, x, y, 3, exact);
    assert_true(c.worst == 0 && c.n_different == 3 && c.worst_a == 0x1p64 && c.worst_b == 0);
    const uint64_t near_a[] = {UINT64_MAX - 1, UINT64_MAX}, near_b[] = {0, 0};
    assert_true(compare(SIB_U64, near_a, near_b, 2, exact).worst == 1); /* equal as doubles */
    const uint8_t packed_a[] = {0x87}, packed_b[] = {0x77};
    c = compare(SIB_I4, packed_a, packed_b, 2, exact);
    assert_true(c.n_different == 1 && c.worst == 1 && c.max_abs == 15 && c.worst_a == -8 && c.worst_b == 7);
    const uint8_t truth[] = {1, 2}, other[] = {1, 1};
    assert_true(compare(SIB_BOOL, truth, other, 2, exact).equal);
}

TEST(complex_and_strings)
{
    const float a[] = {3, 4, 1, 1}, b[] = {0, 0, 1, 1};
    sib_comparison c = compare(SIB_C64, a, b, 2, (sib_tolerance){5, 0, 0});
    assert_true(c.equal && c.max_abs == 5 && c.worst == 0 && c.worst_a == 5 && c.max_ulp == 0);
    assert_false(compare(SIB_C64, a, b, 2, (sib_tolerance){4.999, 0, 100}).equal);
    const double nan_a[] = {NAN, 1}, nan_b[] = {2, NAN};
    assert_true(compare(SIB_C128, nan_a, nan_b, 1, exact).equal);
    const sib_str x[] = {{"one", 3}, {"", 0}, {"a\0b", 3}, {"z", 1}};
    const sib_str y[] = {{"one", 3}, {NULL, 0}, {"a\0c", 3}, {"zz", 2}};
    c = compare(SIB_STRING, x, y, 4, (sib_tolerance){100, 100, 100});
    assert_true(c.n_different == 2 && c.first == 2 && c.worst == 2 && c.n_nan_mismatch == 0 &&
                c.max_abs == 0);
}

TEST(strided_and_long)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {9};
    sib_tensor *t = random_tensor(SIB_F16, 2, (int64_t[]){70, 90}, &random), *turned, *copy;
    CHECK_OK(sib_tensor_transpose(t, (int64_t[]){1, 0}, &turned, &err), err);
    CHECK_OK(sib_tensor_copy(turned, &copy, &err), err);
    sib_comparison c;
    CHECK_OK(sib_tensor_compare(turned, copy, &exact, &c, &err), err);
    assert_true(c.equal && c.count == 6300);
    CHECK_OK(sib_tensor_set(copy, (int64_t[]){80, 33}, 1, &err), err);
    CHECK_OK(sib_tensor_set(turned, (int64_t[]){80, 33}, 2, &err), err);
    CHECK_OK(sib_tensor_compare(turned, copy, &exact, &c, &err), err);
    assert_true(c.n_different == 1 && c.worst == 80 * 70 + 33 && c.worst_a == 2 && c.worst_b == 1 &&
                c.max_ulp == 1024);
    sib_tensor_free(&t), sib_tensor_free(&turned), sib_tensor_free(&copy);
}

TEST(refusals)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *a, *b, *c;
    sib_comparison out;
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){2, 3}, &a, &err), err);
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){3, 2}, &b, &err), err);
    CHECK_OK(sib_tensor_create(SIB_F64, 2, (int64_t[]){2, 3}, &c, &err), err);
    CHECK_FAILS(sib_tensor_compare(a, b, &exact, &out, &err), SIB_ERR_ARGUMENT, err, "(3, 2)");
    CHECK_FAILS(sib_tensor_compare(a, b, &exact, &out, &err), SIB_ERR_ARGUMENT, err, "(2, 3)");
    CHECK_FAILS(sib_tensor_compare(a, c, &exact, &out, &err), SIB_ERR_ARGUMENT, err, "float64");
    CHECK_FAILS(sib_tensor_compare(a, a, &(sib_tolerance){-1, 0, 0}, &out, &err), SIB_ERR_ARGUMENT, err,
                "-1");
    CHECK_FAILS(sib_tensor_compare(a, a, &(sib_tolerance){0, NAN, 0}, &out, &err), SIB_ERR_ARGUMENT, err,
                "nan");
    CHECK_FAILS(sib_tensor_compare(a, NULL, &exact, &out, &err), SIB_ERR_ARGUMENT, err, "NULL");
    sib_tensor_free(&a), sib_tensor_free(&b), sib_tensor_free(&c);
}
