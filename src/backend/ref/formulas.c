#include "backend/ref/formulas.h"

#include <math.h>

/* Defines a function that applies a formula to one block. path: member of the operands; result: member of
   the results; x and y: elements of the operands. */
#define FORMULA(name, path, result, formula)                                                                 \
    static void name(const ref_block *a, const ref_block *b, ref_block *restrict out, size_t n)              \
    {                                                                                                        \
        for (size_t k = 0; k < n; k++) {                                                                     \
            __typeof__(a->path[0]) x = a->path[k], y = b->path[k];                                           \
            (void)y;                                                                                         \
            out->result[k] = formula;                                                                        \
        }                                                                                                    \
    }

/* ---- Floats -------------------------------------------------------------------------------------------- */

/* a - floor(a / b) * b without rounding the quotient: fmod is exact. If b is infinite with the sign of a,
   the result is a. */
static double floor_mod(double x, double y)
{
    double rest = fmod(x, y);
    if (rest == 0)
        return copysign(rest, y);
    return (rest < 0) != (y < 0) ? rest + y : rest;
}

FORMULA(neg_f, f, f, -x)
FORMULA(abs_f, f, f, fabs(x))
FORMULA(sign_f, f, f, x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x)
FORMULA(floor_f, f, f, floor(x))
FORMULA(ceil_f, f, f, ceil(x))
FORMULA(round_f, f, f, nearbyint(x))
FORMULA(sqrt_f, f, f, sqrt(x))
FORMULA(exp_f, f, f, exp(x))
FORMULA(log_f, f, f, log(x))
FORMULA(sin_f, f, f, sin(x))
FORMULA(cos_f, f, f, cos(x))
FORMULA(tan_f, f, f, tan(x))
FORMULA(asin_f, f, f, asin(x))
FORMULA(acos_f, f, f, acos(x))
FORMULA(atan_f, f, f, atan(x))
FORMULA(sinh_f, f, f, sinh(x))
FORMULA(cosh_f, f, f, cosh(x))
FORMULA(tanh_f, f, f, tanh(x))
FORMULA(asinh_f, f, f, asinh(x))
FORMULA(acosh_f, f, f, acosh(x))
FORMULA(atanh_f, f, f, atanh(x))
FORMULA(erf_f, f, f, erf(x))
FORMULA(log1p_f, f, f, log1p(x))
FORMULA(expm1_f, f, f, expm1(x))
FORMULA(is_nan_f, f, u, x != x)
FORMULA(is_inf_f, f, u, isinf(x) != 0)
FORMULA(add_f, f, f, x + y)
FORMULA(sub_f, f, f, x - y)
FORMULA(mul_f, f, f, (x * y))
FORMULA(div_f, f, f, x / y)
FORMULA(mod_f, f, f, floor_mod(x, y))
FORMULA(fmod_f, f, f, fmod(x, y))
FORMULA(pow_f, f, f, pow(x, y))
FORMULA(min_f, f, f, x <= y || x != x ? x : y)
FORMULA(max_f, f, f, x >= y || x != x ? x : y)
FORMULA(equal_f, f, u, x == y)
FORMULA(less_f, f, u, x < y)
FORMULA(less_equal_f, f, u, x <= y)

/* ---- Integers: computed modulo 2^64 and truncated to the dtype when stored ----------------------------- */

static uint64_t power_u64(uint64_t x, uint64_t y)
{
    uint64_t product = 1;
    for (; y; y >>= 1, x *= x)
        if (y & 1)
            product *= x;
    return product;
}

/* For a negative exponent the truncated power: 1 or -1 for a base of 1 or -1, else 0. */
static uint64_t power_i64(int64_t x, int64_t y)
{
    if (y >= 0)
        return power_u64((uint64_t)x, (uint64_t)y);
    if (x == 1 || x == -1)
        return y & 1 ? (uint64_t)x : 1;
    return 0;
}

/* The lowest number divided by -1 wraps. Requires y != 0. */
static uint64_t divide_i64(int64_t x, int64_t y)
{
    return y == -1 ? 0 - (uint64_t)x : (uint64_t)(x / y);
}

static int64_t rest_i64(int64_t x, int64_t y)
{
    return y == -1 ? 0 : x % y;
}

static int64_t floor_mod_i64(int64_t x, int64_t y)
{
    int64_t rest = rest_i64(x, y);
    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

FORMULA(same_u, u, u, x)
FORMULA(neg_u, u, u, 0 - x)
FORMULA(abs_i, i, u, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)
FORMULA(sign_i, i, i, (x > 0) - (x < 0))
FORMULA(sign_u, u, u, x != 0)
FORMULA(not_u, u, u, ~x)
FORMULA(add_u, u, u, x + y)
FORMULA(sub_u, u, u, x - y)
FORMULA(mul_u, u, u, (x * y))
FORMULA(div_i, i, u, divide_i64(x, y))
FORMULA(div_u, u, u, x / y)
FORMULA(mod_i, i, i, floor_mod_i64(x, y))
FORMULA(fmod_i, i, i, rest_i64(x, y))
FORMULA(mod_u, u, u, x % y)
FORMULA(pow_i, i, u, power_i64(x, y))
FORMULA(pow_u, u, u, power_u64(x, y))
FORMULA(min_i, i, i, x < y ? x : y)
FORMULA(min_u, u, u, x < y ? x : y)
FORMULA(max_i, i, i, x > y ? x : y)
FORMULA(max_u, u, u, x > y ? x : y)
FORMULA(and_u, u, u, (x & y))
FORMULA(or_u, u, u, x | y)
FORMULA(xor_u, u, u, x ^ y)
FORMULA(shift_left_u, u, u, y < 64 ? x << y : 0)
FORMULA(shift_right_u, u, u, y < 64 ? x >> y : 0)
FORMULA(equal_u, u, u, x == y)
FORMULA(less_i, i, u, x < y)
FORMULA(less_u, u, u, x < y)
FORMULA(less_equal_i, i, u, x <= y)
FORMULA(less_equal_u, u, u, x <= y)

/* ---- Bool ---------------------------------------------------------------------------------------------- */

FORMULA(not_b, u, u, !x)

/* ---- Complex numbers: [0] is the real part, [1] the imaginary part ------------------------------------- */

typedef struct complex_pair {
    double re, im;
} complex_pair;

static complex_pair negate(const double x[2], const double y[2])
{
    (void)y;
    return (complex_pair){-x[0], -x[1]};
}

static complex_pair sum(const double x[2], const double y[2])
{
    return (complex_pair){x[0] + y[0], x[1] + y[1]};
}

static complex_pair difference(const double x[2], const double y[2])
{
    return (complex_pair){x[0] - y[0], x[1] - y[1]};
}

static complex_pair product(const double x[2], const double y[2])
{
    return (complex_pair){x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]};
}

/* Scales by the larger part of y to avoid overflow (Smith 1962, "Algorithm 116"). */
static complex_pair quotient(const double x[2], const double y[2])
{
    if (fabs(y[0]) >= fabs(y[1])) {
        if (y[0] == 0)
            return (complex_pair){x[0] / fabs(y[0]), x[1] / fabs(y[0])};
        double ratio = y[1] / y[0], scale = y[0] + y[1] * ratio;
        return (complex_pair){(x[0] + x[1] * ratio) / scale, (x[1] - x[0] * ratio) / scale};
    }
    double ratio = y[0] / y[1], scale = y[1] + y[0] * ratio;
    return (complex_pair){(x[0] * ratio + x[1]) / scale, (x[1] * ratio - x[0]) / scale};
}

static complex_pair modulus(const double x[2], const double y[2])
{
    (void)y;
    return (complex_pair){hypot(x[0], x[1]), 0};
}

static complex_pair exponential(const double x[2], const double y[2])
{
    (void)y;
    double size = exp(x[0]);
    return (complex_pair){size * cos(x[1]), x[1] == 0 ? x[1] : size * sin(x[1])};
}

#define FORMULA_COMPLEX(name, function)                                                                      \
    static void name(const ref_block *a, const ref_block *b, ref_block *restrict out, size_t n)              \
    {                                                                                                        \
        for (size_t k = 0; k < n; k++) {                                                                     \
            complex_pair z = function(a->c[k], b->c[k]);                                                     \
            out->c[k][0] = z.re;                                                                             \
            out->c[k][1] = z.im;                                                                             \
        }                                                                                                    \
    }

FORMULA_COMPLEX(neg_c, negate)
FORMULA_COMPLEX(abs_c, modulus)
FORMULA_COMPLEX(exp_c, exponential)
FORMULA_COMPLEX(add_c, sum)
FORMULA_COMPLEX(sub_c, difference)
FORMULA_COMPLEX(mul_c, product)
FORMULA_COMPLEX(div_c, quotient)

static void equal_c(const ref_block *a, const ref_block *b, ref_block *restrict out, size_t n)
{
    for (size_t k = 0; k < n; k++)
        out->u[k] = a->c[k][0] == b->c[k][0] && a->c[k][1] == b->c[k][1];
}

/* ---- The table ----------------------------------------------------------------------------------------- */

const ref_formula_row ref_formulas[MILLI_COUNT] = {
    /* double, int, uint, bool, complex */
    [MILLI_neg] = {{neg_f, neg_u, neg_u, NULL, neg_c}},
    [MILLI_abs] = {{abs_f, abs_i, same_u, same_u, abs_c}},
    [MILLI_sign] = {{sign_f, sign_i, sign_u, NULL, NULL}},
    [MILLI_floor] = {{floor_f, same_u, same_u, NULL, NULL}},
    [MILLI_ceil] = {{ceil_f, same_u, same_u, NULL, NULL}},
    [MILLI_round] = {{round_f, same_u, same_u, NULL, NULL}},
    [MILLI_sqrt] = {{sqrt_f}},
    [MILLI_exp] = {{[REF_PATH_DOUBLE] = exp_f, [REF_PATH_COMPLEX] = exp_c}},
    [MILLI_log] = {{log_f}},
    [MILLI_sin] = {{sin_f}},
    [MILLI_cos] = {{cos_f}},
    [MILLI_tan] = {{tan_f}},
    [MILLI_asin] = {{asin_f}},
    [MILLI_acos] = {{acos_f}},
    [MILLI_atan] = {{atan_f}},
    [MILLI_sinh] = {{sinh_f}},
    [MILLI_cosh] = {{cosh_f}},
    [MILLI_tanh] = {{tanh_f}},
    [MILLI_asinh] = {{asinh_f}},
    [MILLI_acosh] = {{acosh_f}},
    [MILLI_atanh] = {{atanh_f}},
    [MILLI_erf] = {{erf_f}},
    [MILLI_log1p] = {{log1p_f}},
    [MILLI_expm1] = {{expm1_f}},
    [MILLI_not] = {{NULL, not_u, not_u, not_b, NULL}},
    [MILLI_is_nan] = {{is_nan_f}, .compares = true},
    [MILLI_is_inf] = {{is_inf_f}, .compares = true},
    [MILLI_add] = {{add_f, add_u, add_u, or_u, add_c}},
    [MILLI_sub] = {{sub_f, sub_u, sub_u, NULL, sub_c}},
    [MILLI_mul] = {{mul_f, mul_u, mul_u, and_u, mul_c}},
    [MILLI_div] = {{div_f, div_i, div_u, NULL, div_c}, .divides = true},
    [MILLI_mod] = {{mod_f, mod_i, mod_u, NULL, NULL}, .divides = true},
    [MILLI_fmod] = {{fmod_f, fmod_i, mod_u, NULL, NULL}, .divides = true},
    [MILLI_pow] = {{pow_f, pow_i, pow_u, NULL, NULL}},
    [MILLI_min] = {{min_f, min_i, min_u, and_u, NULL}},
    [MILLI_max] = {{max_f, max_i, max_u, or_u, NULL}},
    [MILLI_and] = {{NULL, and_u, and_u, and_u, NULL}},
    [MILLI_or] = {{NULL, or_u, or_u, or_u, NULL}},
    [MILLI_xor] = {{NULL, xor_u, xor_u, xor_u, NULL}},
    [MILLI_shift_left] = {{[REF_PATH_UINT] = shift_left_u}},
    [MILLI_shift_right] = {{[REF_PATH_UINT] = shift_right_u}},
    [MILLI_equal] = {{equal_f, equal_u, equal_u, equal_u, equal_c}, .compares = true},
    [MILLI_less] = {{less_f, less_i, less_u, less_u, NULL}, .compares = true},
    [MILLI_less_equal] = {{less_equal_f, less_equal_i, less_equal_u, less_equal_u, NULL}, .compares = true},
};
