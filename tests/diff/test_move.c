/* Inputs moved by their last bit. */
#include "../run/tiny.h"
#include "diff/judge.h"

#include <math.h>

static const sib_dtype types[] = {SIB_F64, SIB_F32, SIB_F16, SIB_BF16};

static double moved(sib_dtype dtype, double x, movement m)
{
    sib_error err = SIB_ERROR_INIT;
    sib_value *v = tiny_given(dtype, 0, NULL, &x), *out = NULL;
    double result;
    CHECK_OK(move_value(v, m, 3, &out, &err), err);
    CHECK_OK(sib_tensor_get(sib_value_tensor(out), NULL, &result, &err), err);
    sib_value_free(&v);
    sib_value_free(&out);
    return result;
}

TEST(fractions_move_by_one_number)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            const double x = sign * 1.5, step = ldexp(1, -(int)moved_format(types[i])->mantissa_bits);
            assert_true(moved(types[i], x, MOVE_AWAY) == x + sign * step);
            assert_true(moved(types[i], x, MOVE_TOWARDS) == x - sign * step);
            for (movement m = MOVE_RANDOM_1; m <= MOVE_RANDOM_2; m += 2)
                assert_true(moved(types[i], x, m) - x == x - moved(types[i], x, m + 1));
        }
}

TEST(exact_numbers_stay)
{
    static const double exact[] = {0, -0.0, 1, -1, 2, 3, 100, -128, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (size_t k = 0; k < sizeof exact / sizeof *exact; k++)
            for (movement m = 0; m < MOVEMENTS; m++)
                assert_true(moved(types[i], exact[k], m) == exact[k]);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_true(isnan(moved(types[i], NAN, MOVE_AWAY)));
        assert_true(moved(types[i], 0.5, MOVE_AWAY) > 0.5);
        assert_true(moved(types[i], 2.5, MOVE_AWAY) > 2.5);
    }
    assert_true(moved(SIB_F32, 8388609, MOVE_AWAY) == 8388609);
    assert_true(moved(SIB_F32, 4194304.5, MOVE_AWAY) == 4194305);
}

TEST(other_types_stay)
{
    assert_true(moved(SIB_I32, 7, MOVE_AWAY) == 7);
    assert_true(moved(SIB_F8E4M3FN, 0.5, MOVE_AWAY) == 0.5);
}
