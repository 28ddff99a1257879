/* Elementwise milli-ops against formulas written independently here, one element at a time, on every
   dtype. */
#include "milli.h"

static const sib_dtype floats[] = {SIB_F32,        SIB_F64,    SIB_F16,        SIB_BF16,   SIB_F8E4M3FN,
                                   SIB_F8E4M3FNUZ, SIB_F8E5M2, SIB_F8E5M2FNUZ, SIB_F4E2M1, SIB_F8E8M0};
static const sib_dtype integers[] = {SIB_I8,  SIB_I16, SIB_I32, SIB_I64, SIB_U8, SIB_U16,
                                     SIB_U32, SIB_U64, SIB_I4,  SIB_U4,  SIB_I2, SIB_U2};

typedef __int128 wide;

/* ---- Floats -------------------------------------------------------------------------------------------- */

static double one_neg(double x)
{
    return -x;
}
static double one_sign(double x)
{
    return isnan(x) ? x : (double)((x > 0) - (x < 0));
}
static double one_round(double x)
{
    double below = floor(x), rest = x - below;
    if (isinf(x) || isnan(x) || rest == 0)
        return x;
    double r = rest < 0.5 ? below : rest > 0.5 ? below + 1 : fmod(below, 2) == 0 ? below : below + 1;
    return copysign(r, x);
}

static const struct {
    milli_kind kind;
    double (*formula)(double);
} unary[] = {{MILLI_neg, one_neg}, {MILLI_abs, fabs},        {MILLI_sign, one_sign}, {MILLI_floor, floor},
             {MILLI_ceil, ceil},   {MILLI_round, one_round}, {MILLI_sqrt, sqrt},     {MILLI_exp, exp},
             {MILLI_log, log},     {MILLI_sin, sin},         {MILLI_cos, cos},       {MILLI_tan, tan},
             {MILLI_asin, asin},   {MILLI_acos, acos},       {MILLI_atan, atan},     {MILLI_sinh, sinh},
             {MILLI_cosh, cosh},   {MILLI_tanh, tanh},       {MILLI_asinh, asinh},   {MILLI_acosh, acosh},
             {MILLI_atanh, atanh}, {MILLI_erf, erf},         {MILLI_log1p, log1p},   {MILLI_expm1, expm1}};

static double two_add(double x, double y)
{
    return x + y;
}
static double two_sub(double x, double y)
{
    return x - y;
}
static double two_mul(double x, double y)
{
    return x * y;
}
static double two_div(double x, double y)
{
    return x / y;
}
static double two_mod(double x, double y)
{
    double r = fmod(x, y);
    if (r != 0 && signbit(r) != signbit(y))
        r += y;
    return r == 0 ? copysign(0, y) : r;
}
static double two_min(double x, double y)
{
    return isnan(x) || isnan(y) ? (double)NAN : x < y ? x : y;
}
static double two_max(double x, double y)
{
    return isnan(x) || isnan(y) ? (double)NAN : x > y ? x : y;
}
static double two_equal(double x, double y)
{
    return x == y;
}
static double two_less(double x, double y)
{
    return x < y;
}
static double two_less_equal(double x, double y)
{
    return x <= y;
}

static const struct {
    milli_kind kind;
    double (*formula)(double, double);
    bool compares;
} binary[] = {
    {MILLI_add, two_add, false},    {MILLI_sub, two_sub, false},  {MILLI_mul, two_mul, false},
    {MILLI_div, two_div, false},    {MILLI_mod, two_mod, false},  {MILLI_fmod, fmod, false},
    {MILLI_pow, pow, false},        {MILLI_min, two_min, false},  {MILLI_max, two_max, false},
    {MILLI_equal, two_equal, true}, {MILLI_less, two_less, true}, {MILLI_less_equal, two_less_equal, true}};

/* Numbers of every magnitude, with NaN, infinities, zeros and halves among them. */
static double hostile(check_random *r)
{
    static const double odd[] = {0,   -0.0, INFINITY, -INFINITY, NAN,  0.5,   -0.5,  1.5,
                                 2.5, 1,    -1,       1e-300,    3e38, 65504, 65519, 1e300};
    double x = check_uniform(r);
    uint64_t pick = check_u64(r) >> 7;
    if (pick % 3 == 0)
        return odd[pick / 3 % COUNT(odd)];
    return pick % 3 == 1 ? x * 4 : ldexp(x, (int)(pick / 3 % 60) - 30);
}

static sib_tensor *hostile_tensor(sib_dtype dtype, size_t rank, const int64_t *dims, check_random *r)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    double *v = calloc(n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = hostile(r);
    sib_tensor *t = numbers(dtype, rank, dims, v);
    free(v);
    return t;
}

/* Checks that element i of out is x rounded once to its dtype; min and max may give either zero. */
static void expect_rounded(const sib_tensor *out, uint64_t i, double x, milli_kind kind)
{
    sib_error err = SIB_ERROR_INIT;
    sib_dtype dtype = sib_tensor_dtype(out);
    uint64_t code = 0;
    double rounded, got = number(out, i);
    CHECK_OK(sib_convert(SIB_F64, &x, dtype, &code, 1, SIB_OVERFLOW_IEEE, &err), err);
    CHECK_OK(sib_convert(dtype, &code, SIB_F64, &rounded, 1, SIB_OVERFLOW_IEEE, &err), err);
    bool same =
        isnan(rounded) ? isnan(got) : got == rounded && (got != 0 || signbit(got) == signbit(rounded));
    bool zeros = got == 0 && rounded == 0;
    if (!same && !(zeros && (kind == MILLI_min || kind == MILLI_max)))
        fail_msg("%s on %s: element %d is %.17g, expected %.17g", milli_row(kind)->name,
                 sib_dtype_name(dtype), (int)i, got, rounded);
}

TEST(test_unary_floats)
{
    check_random r = {1};
    for (size_t k = 0; k < COUNT(unary); k++)
        for (size_t d = 0; d < COUNT(floats); d++) {
            sib_tensor *a = hostile_tensor(floats[d], 2, DIMS(3, 431), &r);
            sib_tensor *out = RUN(unary[k].kind, SPEC(floats[d], 2, 3, 431), 1, a);
            for (uint64_t i = 0; i < sib_tensor_count(a); i++)
                expect_rounded(out, i, unary[k].formula(number(a, i)), unary[k].kind);
            free_all(2, (sib_tensor *[]){a, out});
        }
}

/* Element of an operand that broadcasts: its axes are the last of `index`, with 0 for those of size 1. */
static double broadcast_at(const sib_tensor *t, size_t rank, const int64_t *index)
{
    int64_t own[SIB_MAX_RANK];
    size_t missing = rank - sib_tensor_rank(t);
    for (size_t i = 0; i < sib_tensor_rank(t); i++)
        own[i] = sib_tensor_dims(t)[i] == 1 ? 0 : index[missing + i];
    return number_at(t, own);
}

typedef struct broadcast_case {
    size_t rank_a, rank_b, rank;
    int64_t a[4], b[4], out[4];
} broadcast_case;

static const broadcast_case broadcasts[] = {
    {2, 2, 2, {3, 5}, {3, 5}, {3, 5}},
    {2, 0, 2, {20, 37}, {0}, {20, 37}},
    {0, 1, 1, {0}, {700}, {700}},
    {0, 0, 0, {0}, {0}, {0}},
    {3, 1, 3, {2, 3, 5}, {5}, {2, 3, 5}},
    {3, 3, 3, {2, 1, 5}, {1, 3, 1}, {2, 3, 5}},
    {4, 3, 4, {2, 3, 4, 5}, {3, 1, 1}, {2, 3, 4, 5}},
    {2, 4, 4, {4, 1}, {2, 1, 4, 3}, {2, 1, 4, 3}},
    {2, 2, 2, {1, 600}, {3, 1}, {3, 600}},
    {2, 2, 2, {0, 5}, {1, 5}, {0, 5}},
    {2, 1, 2, {3, 0}, {1}, {3, 0}},
    {4, 4, 4, {2, 1, 3, 1}, {1, 2, 1, 3}, {2, 2, 3, 3}},
};

TEST(test_binary_floats)
{
    check_random r = {2};
    for (size_t k = 0; k < COUNT(binary); k++)
        for (size_t d = 0; d < COUNT(floats); d++)
            for (size_t s = 0; s < COUNT(broadcasts); s++) {
                const broadcast_case *c = &broadcasts[s];
                sib_tensor *a = hostile_tensor(floats[d], c->rank_a, c->a, &r);
                sib_tensor *b = hostile_tensor(floats[d], c->rank_b, c->b, &r);
                sib_dtype dtype = binary[k].compares ? SIB_BOOL : floats[d];
                sib_tensor *out = RUN(binary[k].kind, spec_of(dtype, c->rank, c->out), 2, a, b);
                for (uint64_t i = 0; i < sib_tensor_count(out); i++) {
                    int64_t index[SIB_MAX_RANK] = {0};
                    unravel(out, i, index);
                    double x = broadcast_at(a, c->rank, index), y = broadcast_at(b, c->rank, index);
                    expect_rounded(out, i, binary[k].formula(x, y), binary[k].kind);
                }
                free_all(3, (sib_tensor *[]){a, b, out});
            }
}

TEST(test_float_tests)
{
    sib_tensor *a = VECTOR(SIB_F32, 0, NAN, INFINITY, -INFINITY, 3e38, -0.0);
    sib_tensor *nan = RUN(MILLI_is_nan, SPEC(SIB_BOOL, 1, 6), 1, a),
               *inf = RUN(MILLI_is_inf, SPEC(SIB_BOOL, 1, 6), 1, a);
    EXPECT_VECTOR(nan, SIB_BOOL, 0, 1, 0, 0, 0, 0);
    EXPECT_VECTOR(inf, SIB_BOOL, 0, 0, 1, 1, 0, 0);
    free_all(3, (sib_tensor *[]){a, nan, inf});
}

/* Overflow follows IEEE 754: to infinity if the dtype has one, to NaN in float8e4m3fn. */
TEST(test_narrow_overflow)
{
    sib_tensor *a = VECTOR(SIB_F8E4M3FN, 448, -448, 300, 1), *b = VECTOR(SIB_F8E5M2, 57344, -57344, 1, 2);
    sib_tensor *x = RUN(MILLI_add, SPEC(SIB_F8E4M3FN, 1, 4), 2, a, a),
               *y = RUN(MILLI_add, SPEC(SIB_F8E5M2, 1, 4), 2, b, b);
    EXPECT_VECTOR(x, SIB_F8E4M3FN, NAN, NAN, NAN, 2);
    EXPECT_VECTOR(y, SIB_F8E5M2, INFINITY, -INFINITY, 2, 4);
    free_all(4, (sib_tensor *[]){a, b, x, y});
}

/* ---- Integers ------------------------------------------------------------------------------------------ */

static bool has_sign(sib_dtype d)
{
    return sib_dtype_get_kind(d) == SIB_KIND_INT;
}

/* Element i as an integer. */
static wide integer_at(const sib_tensor *t, uint64_t i)
{
    sib_dtype d = sib_tensor_dtype(t);
    unsigned bits = sib_dtype_bits(d);
    wide x = (wide)get_code(d, sib_tensor_data(t), (size_t)i);
    return has_sign(d) && x >> (bits - 1) ? x - ((wide)1 << bits) : x;
}

static wide floor_div(wide x, wide y)
{
    wide q = x / y;
    return x % y != 0 && (x < 0) != (y < 0) ? q - 1 : q;
}

/* y is at most 127. A negative power of 0 is infinite, which is not an integer and gives 0. */
static wide power(wide x, wide y)
{
    wide p = 1;
    if (y < 0)
        return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
    for (; y > 0; y--)
        p = (wide)((uint64_t)p * (uint64_t)x);
    return p;
}

static wide int_result(milli_kind kind, wide x, wide y, unsigned bits)
{
    switch (kind) {
    case MILLI_neg:
        return -x;
    case MILLI_abs:
        return x < 0 ? -x : x;
    case MILLI_sign:
        return (x > 0) - (x < 0);
    case MILLI_floor:
    case MILLI_ceil:
    case MILLI_round:
        return x;
    case MILLI_not:
        return ~x;
    case MILLI_add:
        return x + y;
    case MILLI_sub:
        return x - y;
    case MILLI_mul:
        return (wide)((uint64_t)x * (uint64_t)y);
    case MILLI_div:
        return x / y;
    case MILLI_mod:
        return x - floor_div(x, y) * y;
    case MILLI_fmod:
        return x % y;
    case MILLI_pow:
        return power(x, y);
    case MILLI_min:
        return x < y ? x : y;
    case MILLI_max:
        return x > y ? x : y;
    case MILLI_and:
        return x & y;
    case MILLI_or:
        return x | y;
    case MILLI_xor:
        return x ^ y;
    case MILLI_shift_left:
        return y >= (wide)bits ? 0 : (wide)((uint64_t)x << (unsigned)y);
    case MILLI_shift_right:
        return y >= (wide)bits ? 0 : x >> (unsigned)y;
    case MILLI_equal:
        return x == y;
    case MILLI_less:
        return x < y;
    case MILLI_less_equal:
        return x <= y;
    default:
        fail_msg("no formula");
        return 0;
    }
}

static bool divides(milli_kind k)
{
    return k == MILLI_div || k == MILLI_mod || k == MILLI_fmod;
}

/* Random bits, small numbers and limits; no zeros in divisors. */
static sib_tensor *integer_tensor(sib_dtype d, int64_t n, milli_kind kind, bool divisor, check_random *r)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    unsigned bits = sib_dtype_bits(d);
    uint64_t mask = UINT64_MAX >> (64 - bits), low = UINT64_C(1) << (bits - 1);
    CHECK_OK(sib_tensor_create(d, 1, &n, &t, &err), err);
    for (int64_t i = 0; i < n; i++) {
        uint64_t code = check_u64(r), limits[] = {0, mask, low, low - 1, 1, 2, mask - 1};
        if (code % 3 == 0)
            code = limits[code / 3 % COUNT(limits)];
        else if (code % 3 == 1)
            code = code >> 40 & 15;
        if (kind == MILLI_pow && divisor && i % 2) /* exponents: some small ones */
            code &= 7;
        if (kind == MILLI_pow && divisor) /* power() of this file takes up to 127 */
            code = (code & mask) >= 128 && !(has_sign(d) && code & low) ? code & 127 : code;
        if (divisor && divides(kind) && (code & mask) == 0)
            code = 1;
        put_code(d, sib_tensor_data(t), (size_t)i, code);
    }
    return t;
}

static void check_integers(milli_kind kind, sib_dtype d, size_t n_in, check_random *r)
{
    const int64_t n = 1100;
    bool compares = kind == MILLI_equal || kind == MILLI_less || kind == MILLI_less_equal;
    unsigned bits = sib_dtype_bits(d);
    uint64_t mask = compares ? 1 : UINT64_MAX >> (64 - bits);
    sib_tensor *a = integer_tensor(d, n, kind, false, r), *b = integer_tensor(d, n, kind, true, r);
    sib_dtype to = compares ? SIB_BOOL : d;
    sib_tensor *out = run_milli(kind, n_in, (const sib_tensor *const[]){a, b}, 0, NULL, SPEC(to, 1, n));
    for (uint64_t i = 0; i < (uint64_t)n; i++) {
        uint64_t want = (uint64_t)int_result(kind, integer_at(a, i), integer_at(b, i), bits) & mask;
        uint64_t got = get_code(to, sib_tensor_data(out), (size_t)i);
        if (got != want)
            fail_msg("%s on %s: %lld and %lld give code %llx, expected %llx", milli_row(kind)->name,
                     sib_dtype_name(d), (long long)integer_at(a, i), (long long)integer_at(b, i),
                     (unsigned long long)got, (unsigned long long)want);
    }
    free_all(3, (sib_tensor *[]){a, b, out});
}

TEST(test_integers)
{
    static const milli_kind ones[] = {MILLI_neg,  MILLI_abs,   MILLI_sign, MILLI_floor,
                                      MILLI_ceil, MILLI_round, MILLI_not};
    static const milli_kind twos[] = {
        MILLI_add,        MILLI_sub,         MILLI_mul,   MILLI_div,  MILLI_mod,       MILLI_fmod,
        MILLI_pow,        MILLI_min,         MILLI_max,   MILLI_and,  MILLI_or,        MILLI_xor,
        MILLI_shift_left, MILLI_shift_right, MILLI_equal, MILLI_less, MILLI_less_equal};
    check_random r = {3};
    for (size_t d = 0; d < COUNT(integers); d++) {
        for (size_t k = 0; k < COUNT(ones); k++)
            check_integers(ones[k], integers[d], 1, &r);
        for (size_t k = 0; k < COUNT(twos); k++)
            if (!has_sign(integers[d]) || (twos[k] != MILLI_shift_left && twos[k] != MILLI_shift_right))
                check_integers(twos[k], integers[d], 2, &r);
    }
}

TEST(test_division_by_zero)
{
    static const milli_kind kinds[] = {MILLI_div, MILLI_mod, MILLI_fmod};
    for (size_t d = 0; d < COUNT(integers); d++)
        for (size_t k = 0; k < COUNT(kinds); k++) {
            double v[700];
            for (size_t i = 0; i < COUNT(v); i++)
                v[i] = i == 600 ? 0 : 1;
            sib_tensor *a = numbers(integers[d], 1, DIMS(700), v);
            fail_milli(kinds[k], 2, (const sib_tensor *const[]){a, a}, 0, NULL, SPEC(integers[d], 1, 700),
                       SIB_ERR_VALUE, "element 600 is divided by the integer 0");
            sib_tensor_free(&a);
        }
}

/* ---- Bool, strings, complex numbers -------------------------------------------------------------------- */

TEST(test_bools)
{
    static const struct {
        milli_kind kind;
        double results[4]; /* for the operands 00 01 10 11 */
    } rows[] = {{MILLI_add, {0, 1, 1, 1}},  {MILLI_mul, {0, 0, 0, 1}},        {MILLI_and, {0, 0, 0, 1}},
                {MILLI_or, {0, 1, 1, 1}},   {MILLI_xor, {0, 1, 1, 0}},        {MILLI_equal, {1, 0, 0, 1}},
                {MILLI_less, {0, 1, 0, 0}}, {MILLI_less_equal, {1, 1, 0, 1}}, {MILLI_min, {0, 0, 0, 1}},
                {MILLI_max, {0, 1, 1, 1}}};
    sib_tensor *a = VECTOR(SIB_BOOL, 0, 0, 1, 1), *b = VECTOR(SIB_BOOL, 0, 1, 0, 1);
    for (size_t k = 0; k < COUNT(rows); k++) {
        sib_tensor *out = RUN(rows[k].kind, SPEC(SIB_BOOL, 1, 4), 2, a, b);
        expect_numbers(out, SIB_BOOL, 1, DIMS(4), rows[k].results);
        sib_tensor_free(&out);
    }
    sib_tensor *not = RUN(MILLI_not, SPEC(SIB_BOOL, 1, 4), 1, b);
    EXPECT_VECTOR(not, SIB_BOOL, 1, 0, 1, 0);
    free_all(3, (sib_tensor *[]){a, b, not });
}

TEST(test_strings)
{
    static const char *const left[] = {"a", "", "gr\xC3\xBC\xC3\x9F", "x"}, *const right[] = {"a", "b"};
    static const char *const joined[] = {"aa",
                                         "ab",
                                         "a",
                                         "b",
                                         "gr\xC3\xBC\xC3\x9F"
                                         "a",
                                         "gr\xC3\xBC\xC3\x9F"
                                         "b",
                                         "xa",
                                         "xb"};
    sib_tensor *a = strings(2, DIMS(4, 1), left), *b = strings(1, DIMS(2), right),
               *want = strings(2, DIMS(4, 2), joined);
    sib_tensor *sum = RUN(MILLI_add, SPEC(SIB_STRING, 2, 4, 2), 2, a, b);
    sib_tensor *equal = RUN(MILLI_equal, SPEC(SIB_BOOL, 2, 4, 2), 2, a, b);
    assert_true(same_bits(sum, want));
    expect_numbers(equal, SIB_BOOL, 2, DIMS(4, 2), (double[]){1, 0, 0, 0, 0, 0, 0, 0});
    fail_milli(MILLI_mul, 2, (const sib_tensor *const[]){a, b}, 0, NULL, SPEC(SIB_STRING, 2, 4, 2),
               SIB_ERR_UNSUPPORTED, "mul: it is not defined for string");
    fail_milli(MILLI_neg, 1, (const sib_tensor *const[]){a}, 0, NULL, SPEC(SIB_STRING, 2, 4, 1),
               SIB_ERR_UNSUPPORTED, "string");
    free_all(5, (sib_tensor *[]){a, b, want, sum, equal});
}

static sib_tensor *pairs(sib_dtype d, int64_t n, const double *v)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t;
    CHECK_OK(sib_tensor_create(d, 1, &n, &t, &err), err);
    if (d == SIB_C128)
        memcpy(sib_tensor_data(t), v, (size_t)n * 16);
    for (int64_t i = 0; d == SIB_C64 && i < 2 * n; i++)
        ((float *)sib_tensor_data(t))[i] = (float)v[i];
    return t;
}

static void expect_pairs(const sib_tensor *t, const double *v)
{
    for (uint64_t i = 0; i < 2 * sib_tensor_count(t); i++) {
        bool narrow = sib_tensor_dtype(t) == SIB_C64;
        double x =
            narrow ? (double)((const float *)sib_tensor_data(t))[i] : ((const double *)sib_tensor_data(t))[i];
        if (!(fabs(x - v[i]) <= (narrow ? 1e-6 : 1e-14) * (1 + fabs(v[i]))))
            fail_msg("part %d is %.17g, expected %.17g", (int)i, x, v[i]);
    }
}

TEST(test_complex)
{
    static const double x[] = {3, 4, -1, 0.5, 0, -2}, y[] = {1, 2, 0, -2, 0, -2};
    static const struct {
        milli_kind kind;
        double results[6];
    } rows[] = {{MILLI_add, {4, 6, -1, -1.5, 0, -4}},
                {MILLI_sub, {2, 2, -1, 2.5, 0, 0}},
                {MILLI_mul, {-5, 10, 1, 2, -4, 0}},
                {MILLI_div, {2.2, -0.4, -0.25, -0.5, 1, 0}}};
    static const sib_dtype types[] = {SIB_C64, SIB_C128};
    for (size_t d = 0; d < 2; d++) {
        sib_tensor *a = pairs(types[d], 3, x), *b = pairs(types[d], 3, y);
        for (size_t k = 0; k < COUNT(rows); k++) {
            sib_tensor *out = RUN(rows[k].kind, SPEC(types[d], 1, 3), 2, a, b);
            expect_pairs(out, rows[k].results);
            sib_tensor_free(&out);
        }
        sib_tensor *neg = RUN(MILLI_neg, SPEC(types[d], 1, 3), 1, a);
        sib_tensor *size = RUN(MILLI_abs, SPEC(types[d], 1, 3), 1, a);
        sib_tensor *real = RUN(MILLI_abs, SPEC(SIB_F64, 1, 3), 1, a);
        sib_tensor *equal = RUN(MILLI_equal, SPEC(SIB_BOOL, 1, 3), 2, a, b);
        sib_tensor *power = RUN(MILLI_exp, SPEC(types[d], 1, 3), 1, a);
        expect_pairs(neg, (double[]){-3, -4, 1, -0.5, 0, 2});
        expect_pairs(size, (double[]){5, 0, sqrt(1.25), 0, 2, 0});
        assert_true(number(real, 0) == 5 && number(real, 2) == 2);
        EXPECT_VECTOR(equal, SIB_BOOL, 0, 0, 1);
        expect_pairs(power, (double[]){exp(3) * cos(4), exp(3) * sin(4), exp(-1) * cos(0.5),
                                       exp(-1) * sin(0.5), cos(2), -sin(2)});
        free_all(7, (sib_tensor *[]){a, b, neg, size, real, equal, power});
    }
}

/* ---- where --------------------------------------------------------------------------------------------- */

TEST(test_where)
{
    check_random r = {5};
    sib_tensor *choice = numbers(SIB_BOOL, 2, DIMS(3, 1), (double[]){1, 0, 1});
    for (size_t d = 0; d < N_DTYPES; d++) {
        sib_tensor *a = random_tensor(all_dtypes[d], 2, DIMS(3, 301), &r),
                   *b = random_tensor(all_dtypes[d], 1, DIMS(301), &r);
        sib_tensor *out = RUN(MILLI_where, SPEC(all_dtypes[d], 2, 3, 301), 3, choice, a, b);
        for (uint64_t i = 0; i < 903; i++)
            assert_true(i / 301 == 1 ? same_element(out, i, b, i % 301) : same_element(out, i, a, i));
        free_all(3, (sib_tensor *[]){a, b, out});
    }
    sib_tensor_free(&choice);
}

TEST(test_refusals)
{
    sib_tensor *a = VECTOR(SIB_I32, 1), *b = VECTOR(SIB_F32, 1);
    fail_milli(MILLI_sqrt, 1, (const sib_tensor *const[]){a}, 0, NULL, SPEC(SIB_I32, 1, 1),
               SIB_ERR_UNSUPPORTED, "sqrt: it is not defined for int32");
    fail_milli(MILLI_and, 2, (const sib_tensor *const[]){b, b}, 0, NULL, SPEC(SIB_F32, 1, 1),
               SIB_ERR_UNSUPPORTED, "and: it is not defined for float32");
    fail_milli(MILLI_add, 2, (const sib_tensor *const[]){a, b}, 0, NULL, SPEC(SIB_I32, 1, 1),
               SIB_ERR_ARGUMENT, "operands are of int32 and float32");
    free_all(2, (sib_tensor *[]){a, b});
}
