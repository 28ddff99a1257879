/* Elementwise functions of every number type against their definitions in double and in 128 bits. Float
   functions without a correctly rounded result are judged in units of the last place, over a stride through
   all bit patterns. */
#include "tensor/convert.h"
#include "trial.h"

#include <float.h>
#include <math.h>

static const char *const op_names[CHAIN_OP_COUNT] = {
#define CHAIN_OP(name, inputs) #name,
#include "kernel/chain/chain_ops.def"
#undef CHAIN_OP
};

static const unsigned char op_inputs[CHAIN_OP_COUNT] = {
#define CHAIN_OP(name, inputs) inputs,
#include "kernel/chain/chain_ops.def"
#undef CHAIN_OP
};

static const struct type_row {
    const char *name;
    sib_dtype dtype;
    size_t bytes;
} types[CHAIN_TYPE_COUNT] = {
    {"F32", SIB_F32, 4}, {"F64", SIB_F64, 8}, {"I8", SIB_I8, 1},     {"I16", SIB_I16, 2},
    {"I32", SIB_I32, 4}, {"I64", SIB_I64, 8}, {"U8", SIB_U8, 1},     {"U16", SIB_U16, 2},
    {"U32", SIB_U32, 4}, {"U64", SIB_U64, 8}, {"BOOL", SIB_BOOL, 1},
};

/* ---- Inputs -------------------------------------------------------------------------------------------- */

static const double edges[] = {0.0,      -0.0,      1.0,     -1.0,     0.5,         -0.5,    2.5,     -2.5,
                               INFINITY, -INFINITY, NAN,     1e-45,    1e-310,      FLT_MAX, DBL_MAX, 88.8,
                               -103.5,   0x1p31,    -0x1p31, 0x1p63,   -0x1p63,     1e20,    -1e20,   255.9,
                               -128.9,   65536.5,   3.92,    131073.0, 4294967296.5};

static bool is_real(chain_type type)
{
    return type == CHAIN_F32 || type == CHAIN_F64;
}

/* n elements of a type: edge cases, small and large numbers; no 0 if `divisor` and the type is an integer
   type. */
static void draw(trial *t, chain_type type, bool divisor, char *out, size_t n)
{
    size_t bytes = types[type].bytes;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = check_u64(&t->r), zero = 0;
        double x =
            bits % 3 ? check_uniform(&t->r) * (i % 3 ? 8.0 : 1e6) : edges[trial_pick(t, 0, COUNT(edges) - 1)];
        float narrow = (float)(i % 7 ? x : trunc(x));
        if (type == CHAIN_BOOL)
            bits &= 1;
        else if (i % 2)
            bits = (uint64_t)((int64_t)(bits % 19) - 9);
        else if (i % 5 == 0)
            bits = UINT64_C(1) << (bytes * 8 - 1);
        memcpy(out + i * bytes,
               type == CHAIN_F32   ? (void *)&narrow
               : type == CHAIN_F64 ? (void *)&x
                                   : (void *)&bits,
               bytes);
        if (divisor && !is_real(type) && memcmp(out + i * bytes, &zero, bytes) == 0)
            memset(out + i * bytes, type == CHAIN_BOOL ? 1 : 3, bytes);
    }
}

static char *elements(trial *t, chain_type type, bool divisor, size_t n)
{
    char *x = trial_in(t, n, types[type].bytes);
    draw(t, type, divisor, x, n);
    return x;
}

/* ---- Definitions --------------------------------------------------------------------------------------- */

static double floor_mod_of(double x, double y)
{
    double rest = fmod(x, y);
    return rest == 0 ? copysign(rest, y) : (rest < 0) != (y < 0) ? rest + y : rest;
}

static double neg(double x)
{
    return -x;
}

static double sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x;
}

static double is_nan(double x)
{
    return x != x;
}

static double is_inf(double x)
{
    return isinf(x) != 0;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static double hard_swish(double x)
{
    return x * fmin(1, fmax(0, x / 6 + 0.5));
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double gelu(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2.0));
}

static double gelu_tanh(double x)
{
    return x / (1 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
}

/* ulp: allowed error in units of the last place, plus of_square * x^2 where rounding x^2 alone loses that,
   plus `absolute`; 0: the tolerance of the definition. */
static const struct unary_row {
    double (*exact)(double x);
    double ulp, of_square, absolute;
} unaries[CHAIN_OP_COUNT] = {
    [CHAIN_neg] = {neg},
    [CHAIN_abs] = {fabs},
    [CHAIN_sign] = {sign},
    [CHAIN_floor] = {floor},
    [CHAIN_ceil] = {ceil},
    [CHAIN_round] = {nearbyint},
    [CHAIN_sqrt] = {sqrt},
    [CHAIN_exp] = {exp, 2, 0, 0},
    [CHAIN_log] = {log, 2, 0, 0},
    [CHAIN_sin] = {sin, 2, 0, 0},
    [CHAIN_cos] = {cos, 2, 0, 0},
    [CHAIN_tan] = {tan},
    [CHAIN_asin] = {asin},
    [CHAIN_acos] = {acos},
    [CHAIN_atan] = {atan},
    [CHAIN_sinh] = {sinh},
    [CHAIN_cosh] = {cosh},
    [CHAIN_tanh] = {tanh, 2.5, 0, 0},
    [CHAIN_asinh] = {asinh},
    [CHAIN_acosh] = {acosh},
    [CHAIN_atanh] = {atanh},
    [CHAIN_erf] = {erf, 2, 0, 0},
    [CHAIN_log1p] = {log1p, 2, 0, 0},
    [CHAIN_expm1] = {expm1, 2, 0, 0},
    [CHAIN_is_nan] = {is_nan},
    [CHAIN_is_inf] = {is_inf},
    [CHAIN_exp2] = {exp2, 2, 0, 0},
    [CHAIN_sigmoid] = {sigmoid, 3, 0, 0},
    [CHAIN_silu] = {silu, 4, 0, 1e-43},
    [CHAIN_hard_swish] = {hard_swish, 2, 0, 4e-7},
    [CHAIN_softplus] = {softplus, 3, 0, 0},
    [CHAIN_gelu] = {gelu, 8, 2, 1e-37},
    [CHAIN_gelu_tanh] = {gelu_tanh, 5, 4, 1e-43},
};

static double real_of(chain_op op, double x, double y)
{
    switch (op) {
    case CHAIN_add:
        return x + y;
    case CHAIN_sub:
        return x - y;
    case CHAIN_mul:
        return x * y;
    case CHAIN_div:
        return x / y;
    case CHAIN_mod:
        return floor_mod_of(x, y);
    case CHAIN_fmod:
        return fmod(x, y);
    case CHAIN_pow:
        return pow(x, y);
    case CHAIN_min:
        return x != x || y != y ? NAN : x < y ? x : y;
    case CHAIN_max:
        return x != x || y != y ? NAN : x > y ? x : y;
    case CHAIN_equal:
        return x == y;
    case CHAIN_less:
        return x < y;
    case CHAIN_less_equal:
        return x <= y;
    default:
        return unaries[op].exact(x);
    }
}

typedef __int128 wide;

static uint64_t power_of(uint64_t x, uint64_t n)
{
    uint64_t product = 1;
    for (uint64_t i = 0; i < 64; i++, x *= x)
        if (n >> i & 1)
            product *= x;
    return product;
}

/* Integer functions, to be truncated to the type by the caller. bits: of the type. */
static wide whole_of(chain_op op, wide x, wide y, unsigned bits, bool boolean)
{
    switch (op) {
    case CHAIN_neg:
        return -x;
    case CHAIN_abs:
        return x < 0 ? -x : x;
    case CHAIN_sign:
        return (x > 0) - (x < 0);
    case CHAIN_floor:
    case CHAIN_ceil:
    case CHAIN_round:
        return x;
    case CHAIN_not:
        return boolean ? !x : ~x;
    case CHAIN_add:
        return boolean ? x | y : x + y;
    case CHAIN_sub:
        return x - y;
    case CHAIN_mul:
        return (wide)((uint64_t)x * (uint64_t)y);
    case CHAIN_div:
        return x / y;
    case CHAIN_mod:
        return (x % y + y) % y;
    case CHAIN_fmod:
        return x % y;
    case CHAIN_pow:
        return y >= 0    ? (wide)power_of((uint64_t)x, (uint64_t)y)
               : x == 1  ? 1
               : x == -1 ? (y & 1 ? -1 : 1)
                         : 0;
    case CHAIN_min:
        return x < y ? x : y;
    case CHAIN_max:
        return x > y ? x : y;
    case CHAIN_and:
        return x & y;
    case CHAIN_or:
        return x | y;
    case CHAIN_xor:
        return x ^ y;
    case CHAIN_shift_left:
        return y < bits ? x << y : 0;
    case CHAIN_shift_right:
        return y < bits ? x >> y : 0;
    case CHAIN_equal:
        return x == y;
    case CHAIN_less:
        return x < y;
    case CHAIN_less_equal:
        return x <= y;
    default:
        fail_msg("%s has no definition here", op_names[op]);
        return 0;
    }
}

static wide whole_at(chain_type type, const void *array, size_t i)
{
    uint64_t bits = 0;
    size_t bytes = types[type].bytes;
    memcpy(&bits, (const char *)array + i * bytes, bytes);
    unsigned unused = 64 - 8 * (unsigned)bytes;
    if (type >= CHAIN_I8 && type <= CHAIN_I64)
        return (int64_t)(bits << unused) >> unused;
    return bits;
}

static double real_at(chain_type type, const void *array, size_t i)
{
    return type == CHAIN_F32 ? (double)((const float *)array)[i] : ((const double *)array)[i];
}

static bool compares(chain_op op)
{
    return op == CHAIN_is_nan || op == CHAIN_is_inf || op == CHAIN_equal || op == CHAIN_less ||
           op == CHAIN_less_equal;
}

static bool divides(chain_op op)
{
    return op == CHAIN_div || op == CHAIN_mod || op == CHAIN_fmod;
}

/* The unit in the last place of the float nearest to `exact`. */
static double unit_of(double exact)
{
    int exponent;
    frexp(exact, &exponent);
    return ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
}

static double tolerance_of(chain_op op, chain_type type, double x, double want)
{
    const struct unary_row *u = &unaries[op];
    if (type == CHAIN_F64 || compares(op) || !isfinite(want))
        return 0;
    if (u->ulp > 0)
        return fmax((u->ulp + fmin(u->of_square * x * x, 1e4)) * unit_of(want), u->absolute);
    return (op >= CHAIN_exp ? 4e-7 : 1.2e-7) * fabs(want) + 1e-43;
}

static void expect_real(const trial *t, chain_op op, chain_type type, double x, double y, double got,
                        size_t i)
{
    double want = real_of(op, x, y), tolerance = tolerance_of(op, type, x, want);
    bool overflows = type == CHAIN_F32 && !compares(op) && fabs(want) > 3.4028234e38;
    if (overflows && (double)(float)want == got) /* it is infinite as a float */
        return;
    if (overflows && isinf(got) && unaries[op].ulp > 0 && (got > 0) == (want > 0))
        return;
    trial_expect(t, i, got, want, tolerance);
    if (want == 0 && x == 0 && unaries[op].ulp > 0)
        trial_expect(t, i, signbit(got) != 0, signbit(want) != 0, 0);
}

static void expect_element(const trial *t, chain_op op, chain_type type, const void *a, const void *b,
                           const void *out, size_t i)
{
    chain_type to = compares(op) ? CHAIN_BOOL : type;
    size_t bytes = types[to].bytes;
    if (is_real(type)) {
        double got = to == CHAIN_BOOL ? (double)((const uint8_t *)out)[i] : real_at(type, out, i);
        expect_real(t, op, type, real_at(type, a, i), b ? real_at(type, b, i) : 0, got, i);
        return;
    }
    wide x = whole_at(type, a, i), y = b ? whole_at(type, b, i) : 0;
    uint64_t want = (uint64_t)whole_of(op, x, y, 8 * (unsigned)types[type].bytes, type == CHAIN_BOOL);
    trial_expect_bits(t, "result", (const char *)out + i * bytes, &want, 1, bytes);
}

/* ---- Entries ------------------------------------------------------------------------------------------- */

/* The long rounds step through all bit patterns of a float. */
#define SWEEP        34000 /* floats in one of them */
#define STRIDE       2503  /* step between the bit patterns */
#define STRIDE_QUICK 10007 /* of a quick run, with a quarter of the floats */

static size_t sweep_count(void)
{
    return (size_t)check_draws(SWEEP);
}

static chain_op op_of(const trial *t)
{
    return (chain_op)(t->slot / CHAIN_TYPE_COUNT);
}

static char *operand(trial *t, chain_type type, size_t n)
{
    bool swept = type == CHAIN_F32 && unaries[op_of(t)].ulp > 0 && t->round >= TRIAL_SHORT && !t->bench;
    if (!swept)
        return elements(t, type, false, n);
    const size_t first = (t->round - TRIAL_SHORT) * sweep_count();
    const uint32_t stride = sweep_count() == SWEEP ? STRIDE : STRIDE_QUICK;
    uint32_t *bits = trial_in(t, n, sizeof *bits);
    for (size_t i = 0; i < n; i++)
        bits[i] = (uint32_t)(first + i) * stride;
    return (char *)bits;
}

/* A function of elements, with its result in place of either operand in some rounds. The value at i depends
   on neither i nor n. */
static void function(trial *t)
{
    chain_op op = op_of(t);
    chain_type type = (chain_type)(t->slot % CHAIN_TYPE_COUNT), to = compares(op) ? CHAIN_BOOL : type;
    bool sweeps = type == CHAIN_F32 && unaries[op].ulp > 0 && t->round >= TRIAL_SHORT && !t->bench;
    size_t n = sweeps ? sweep_count() : trial_length(t), from = n ? trial_pick(t, 0, n - 1) : 0;
    size_t in = types[type].bytes, bytes = types[to].bytes;
    const char *a = operand(t, type, n), *b = op_inputs[op] > 1 ? elements(t, type, divides(op), n) : NULL;
    char *part = trial_out(t, bytes, 1, n - from, n - from, TRIAL_ALONE),
         *y = trial_out(t, bytes, 1, n, n, TRIAL_ALONE);
    const char *x[2] = {a, b};
    size_t side = t->round % 3;
    if (bytes == in && !t->bench && side < op_inputs[op] && n) {
        memcpy(y, x[side], n * in);
        x[side] = y;
    }
    CALL(t, n, chain.op[op][type](x[0], x[1], NULL, y, n));
    t->k->chain.op[op][type](a + from * in, b ? b + from * in : NULL, NULL, part, n - from);
    trial_expect_bits(t, "from another place", part, y + from * bytes, n - from, bytes);
    for (size_t i = 0; i < n; i++)
        expect_element(t, op, type, a, b, y, i);
}

/* One scalar operand for all elements: the same bits as the function with that operand repeated. */
static void scalar(trial *t)
{
    size_t side = t->slot / CHAIN_OP_COUNT, n = trial_length(t);
    chain_op op = (chain_op)(t->slot % CHAIN_OP_COUNT);
    const float *one = (const float *)(void *)elements(t, CHAIN_F32, false, 1),
                *other = (const float *)(void *)elements(t, CHAIN_F32, false, n);
    float *many = trial_in(t, n, sizeof *many), *want = trial_in(t, n, sizeof *want);
    float *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_ALONE);
    for (size_t i = 0; i < n; i++)
        many[i] = *one;
    t->k->chain.op[op][CHAIN_F32](side ? other : many, side ? many : other, NULL, want, n);
    CALL(t, n, chain.scalar[side][op](side ? other : one, side ? one : other, NULL, y, n));
    trial_expect_bits(t, "one for all", y, want, n, sizeof *y);
}

/* Stored past the caches, at aligned and other places: the same bits. */
static void streamed(trial *t)
{
    size_t form = t->slot / CHAIN_OP_COUNT, n = trial_length(t);
    chain_op op = (chain_op)(t->slot % CHAIN_OP_COUNT);
    const float *a = (const float *)(void *)elements(t, CHAIN_F32, false, form == 1 ? 1 : n);
    const float *b = (const float *)(void *)elements(t, CHAIN_F32, false, form == 2 ? 1 : n);
    float *want = trial_in(t, n, sizeof *want), *y = trial_out(t, sizeof *y, 1, n, n, TRIAL_ALONE);
    chain_function plain = form ? t->k->chain.scalar[form - 1][op] : t->k->chain.op[op][CHAIN_F32];
    size_t from = t->round % 3 ? (size_t)(-(uintptr_t)y % 64) / sizeof *y : 0;
    from = from < n ? from : n;
    size_t count = (n - from) / (1 + t->round % 2), rest = n - from - count;
    plain(a, b, NULL, want, n);
    plain(a, b, NULL, y, from);
    plain(a + (form == 1 ? 0 : n - rest), b + (form == 2 ? 0 : n - rest), NULL, y + n - rest, rest);
    CALL(t, count,
         chain.streamed[form][op](a + (form == 1 ? 0 : from), b + (form == 2 ? 0 : from), NULL, y + from,
                                  count));
    t->k->layout.stream_end();
    trial_expect_bits(t, "streamed", y, want, n, sizeof *y);
}

static void where(trial *t)
{
    size_t bytes = (size_t)1 << t->slot, n = trial_length(t);
    const char *a = elements(t, CHAIN_BOOL, false, n), *b = trial_bytes(t, n, bytes),
               *c = trial_bytes(t, n, bytes);
    char *y = trial_out(t, bytes, 1, n, n, 0);
    CALL(t, n, chain.where[t->slot](a, b, c, y, n));
    for (size_t i = 0; i < n; i++)
        trial_expect_bits(t, "chosen", y + i * bytes, (a[i] ? b : c) + i * bytes, 1, bytes);
}

static void cast(trial *t)
{
    chain_type from = (chain_type)(t->slot / CHAIN_TYPE_COUNT), to = (chain_type)(t->slot % CHAIN_TYPE_COUNT);
    size_t n = trial_length(t), bytes = types[to].bytes;
    char *x = elements(t, from, false, n);
    for (size_t i = 0; i < n && is_real(from) && t->round % 2; i++) { /* numbers that every type holds */
        double number = (double)trial_pick(t, 0, 100) + (i % 2 ? 0.5 : 0);
        float narrow = (float)number;
        memcpy(x + i * types[from].bytes, from == CHAIN_F32 ? (void *)&narrow : (void *)&number,
               types[from].bytes);
    }
    char *want = trial_in(t, n, bytes), *y = trial_out(t, bytes, 1, n, n, TRIAL_ALONE);
    convert_dense(types[from].dtype, x, types[to].dtype, want, n, SIB_OVERFLOW_IEEE);
    CALL(t, n, chain.cast[from][to](x, NULL, NULL, y, n));
    for (size_t i = 0; i < n; i++)
        if (!is_real(to) || !isnan(real_at(to, want, i)) || !isnan(real_at(to, y, i)))
            trial_expect_bits(t, "cast", y + i * bytes, want + i * bytes, 1, bytes);
}

static void name_op(size_t slot, char *text, size_t size)
{
    snprintf(text, size, "[%s][%s]", op_names[slot / CHAIN_TYPE_COUNT], types[slot % CHAIN_TYPE_COUNT].name);
}

static void name_scalar(size_t slot, char *text, size_t size)
{
    snprintf(text, size, "[%zu][%s]", slot / CHAIN_OP_COUNT, op_names[slot % CHAIN_OP_COUNT]);
}

static void name_cast(size_t slot, char *text, size_t size)
{
    snprintf(text, size, "[%s][%s]", types[slot / CHAIN_TYPE_COUNT].name,
             types[slot % CHAIN_TYPE_COUNT].name);
}

static const trial_row rows[] = {
    ENTRIES(chain.op, function, name_op),           ENTRIES(chain.scalar, scalar, name_scalar),
    ENTRIES(chain.streamed, streamed, name_scalar), ENTRY(chain.where, where),
    ENTRIES(chain.cast, cast, name_cast),
};
const trial_family family_chain = {"chain", rows, COUNT(rows)};
