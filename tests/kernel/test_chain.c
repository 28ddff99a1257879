/* Elementwise functions: those of every CPU level against the portable ones, and these against their definitions in double
   and in 64 bits; then chains of them: operands broadcast in every way, results, ranges, places, and what is joined. */
#include "base/alloc.h"
#include "base/cpu.h"
#include "check.h"
#include "kernel/chain/chain.h"
#include "kernel/kernel.h"
#include "tensor/convert.h"

#include <float.h>
#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MOST         1203

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

/* ---- Inputs --------------------------------------------------------------------------------------------- */

static const double edges[] = {0.0,      -0.0,      1.0,     -1.0,     0.5,         -0.5,    2.5,     -2.5,
                               INFINITY, -INFINITY, NAN,     1e-45,    1e-310,      FLT_MAX, DBL_MAX, 88.8,
                               -103.5,   0x1p31,    -0x1p31, 0x1p63,   -0x1p63,     1e20,    -1e20,   255.9,
                               -128.9,   65536.5,   3.92,    131073.0, 4294967296.5};

/* n elements of a type: edges, small and large numbers; no 0 where `divisor` and the type is whole. */
static void draw(chain_type type, check_random *r, bool divisor, void *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = check_u64(r);
        size_t bytes = types[type].bytes;
        double x = i < COUNT(edges) ? edges[i] : check_uniform(r) * (i % 3 ? 8.0 : 1e6);
        if (i >= COUNT(edges) && i % 7 == 0)
            x = trunc(x);
        if (type == CHAIN_F32) {
            ((float *)out)[i] = (float)x;
            continue;
        }
        if (type == CHAIN_F64) {
            ((double *)out)[i] = x;
            continue;
        }
        if (type == CHAIN_BOOL)
            bits &= 1;
        else if (i % 2)
            bits = (uint64_t)(int64_t)((int)(bits % 19) - 9);
        else if (i % 5 == 0)
            bits = UINT64_C(1) << (bytes * 8 - 1);
        memcpy((char *)out + i * bytes, &bits, bytes);
        if (divisor && type != CHAIN_BOOL) {
            uint64_t got = 0;
            memcpy(&got, (char *)out + i * bytes, bytes);
            if (!got)
                memset((char *)out + i * bytes, 3, bytes);
        }
    }
}

/* ---- Definitions ----------------------------------------------------------------------------------------- */

static double floor_mod_of(double x, double y)
{
    double rest = fmod(x, y);
    return rest == 0 ? copysign(rest, y) : (rest < 0) != (y < 0) ? rest + y : rest;
}

static double real_unary(chain_op op, double x)
{
    switch (op) {
    case CHAIN_neg:
        return -x;
    case CHAIN_abs:
        return fabs(x);
    case CHAIN_sign:
        return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x;
    case CHAIN_floor:
        return floor(x);
    case CHAIN_ceil:
        return ceil(x);
    case CHAIN_round:
        return nearbyint(x);
    case CHAIN_sqrt:
        return sqrt(x);
    case CHAIN_exp:
        return exp(x);
    case CHAIN_log:
        return log(x);
    case CHAIN_sin:
        return sin(x);
    case CHAIN_cos:
        return cos(x);
    case CHAIN_tan:
        return tan(x);
    case CHAIN_asin:
        return asin(x);
    case CHAIN_acos:
        return acos(x);
    case CHAIN_atan:
        return atan(x);
    case CHAIN_sinh:
        return sinh(x);
    case CHAIN_cosh:
        return cosh(x);
    case CHAIN_tanh:
        return tanh(x);
    case CHAIN_asinh:
        return asinh(x);
    case CHAIN_acosh:
        return acosh(x);
    case CHAIN_atanh:
        return atanh(x);
    case CHAIN_erf:
        return erf(x);
    case CHAIN_log1p:
        return log1p(x);
    case CHAIN_expm1:
        return expm1(x);
    case CHAIN_is_nan:
        return x != x;
    case CHAIN_is_inf:
        return isinf(x) != 0;
    case CHAIN_exp2:
        return exp2(x);
    case CHAIN_sigmoid:
        return 1 / (1 + exp(-x));
    case CHAIN_silu:
        return x / (1 + exp(-x));
    case CHAIN_softplus:
        return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case CHAIN_gelu:
        return 0.5 * x * erfc(-x / sqrt(2.0));
    case CHAIN_gelu_tanh:
        return x / (1 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
    default:
        fail_msg("%s has no definition here", op_names[op]);
        return 0;
    }
}

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
        return real_unary(op, x);
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

/* Of whole numbers, cut to the type by the caller. bits: of the type. */
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

static bool same_real(double got, double want, double tolerance)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (got == want)
        return true;
    return fabs(got - want) <= tolerance * fabs(want) + 1e-43;
}

/* How far a function of floats may be off. gelu and gelu_tanh lose what rounding their squares takes. */
static double tolerance_of(chain_op op, chain_type type, double x)
{
    if (type == CHAIN_F64)
        return 0;
    if (op == CHAIN_gelu || op == CHAIN_gelu_tanh)
        return fabs(x) < 14 ? 6e-7 + 1e-6 * x * x : INFINITY;
    return op >= CHAIN_exp ? 4e-7 : 1.2e-7;
}

static void check_element(const char *level, chain_op op, chain_type type, const void *a, const void *b,
                          const void *out, size_t i)
{
    bool real = type == CHAIN_F32 || type == CHAIN_F64;
    chain_type to = compares(op) ? CHAIN_BOOL : type;
    if (real) {
        double x = real_at(type, a, i), y = real_at(type, b, i), want = real_of(op, x, y);
        if (type == CHAIN_F32)
            want = (double)(float)want;
        double got = to == CHAIN_BOOL ? (double)((const uint8_t *)out)[i] : real_at(type, out, i);
        if (!same_real(got, want, to == CHAIN_BOOL ? 0 : tolerance_of(op, type, x)))
            fail_msg("%s: %s of %s: (%.9g, %.9g) gives %.9g, expected %.9g", level, op_names[op],
                     types[type].name, x, y, got, want);
        return;
    }
    wide x = whole_at(type, a, i), y = whole_at(type, b, i);
    uint64_t want = (uint64_t)whole_of(op, x, y, 8 * (unsigned)types[type].bytes, type == CHAIN_BOOL),
             got = 0;
    if (types[to].bytes < 8)
        want &= (UINT64_C(1) << 8 * types[to].bytes) - 1;
    memcpy(&got, (const char *)out + i * types[to].bytes, types[to].bytes);
    if (got != want)
        fail_msg("%s: %s of %s: (%lld, %lld) gives %llx, expected %llx", level, op_names[op],
                 types[type].name, (long long)x, (long long)y, (unsigned long long)got,
                 (unsigned long long)want);
}

static bool divides(chain_op op)
{
    return op == CHAIN_div || op == CHAIN_mod || op == CHAIN_fmod;
}

static void check_function(const kernel_table *t, chain_op op, chain_type type)
{
    static _Alignas(64) unsigned char a[MOST * 8], b[MOST * 8], out[MOST * 8 + 64], part[MOST * 8 + 64];
    check_random r = {(uint64_t)op * 31 + type + 1};
    chain_function f = t->chain.op[op][type];
    size_t bytes = types[compares(op) ? CHAIN_BOOL : type].bytes, in = types[type].bytes;
    draw(type, &r, false, a, MOST);
    draw(type, &r, divides(op), b, MOST);
    for (size_t turn = 0; turn < MOST; turn += 101) { /* every edge against others */
        memmove(b, b + in, (MOST - 1) * in);
        f(a, b, NULL, out, MOST);
        for (size_t i = 0; i + turn + 1 < MOST; i++)
            check_element(cpu_level_name(t->level), op, type, a, b, out, i);
    }
    draw(type, &r, divides(op), b, MOST);
    f(a, b, NULL, out, MOST);
    for (size_t n = 0; n < 70; n++) { /* any length, nothing beyond it */
        memset(part, 0x5A, sizeof part);
        f(a + (MOST - n) * in, b + (MOST - n) * in, NULL, part, n);
        if (memcmp(part, out + (MOST - n) * bytes, n * bytes) != 0)
            fail_msg("%s: %s of %s depends on the place, n %zu", cpu_level_name(t->level), op_names[op],
                     types[type].name, n);
        for (size_t i = n * bytes; i < n * bytes + 64; i++)
            assert_int_equal(part[i], 0x5A);
    }
    if (bytes == in) { /* in place */
        memcpy(part, a, MOST * in);
        f(part, b, NULL, part, MOST);
        assert_memory_equal(part, out, MOST * bytes);
        memcpy(part, b, MOST * in);
        f(a, op_inputs[op] > 1 ? part : NULL, NULL, part, MOST);
        assert_memory_equal(part, out, MOST * bytes);
    }
    for (int side = 0; side < 2 && type == CHAIN_F32; side++) { /* one element for all */
        if (!t->chain.scalar[side][op])
            continue;
        for (size_t k = 0; k < 20; k++) {
            float one = ((float *)(void *)a)[k], *many = (float *)(void *)part;
            for (size_t i = 0; i < MOST; i++)
                many[i] = one;
            f(side ? b : (void *)part, side ? part : b, NULL, out, MOST);
            t->chain.scalar[side][op](side ? b : (void *)&one, side ? (void *)&one : b, NULL, part, MOST - k);
            assert_memory_equal(part, out, (MOST - k) * sizeof(float));
        }
    }
}

static void each_level(void (*check)(const kernel_table *t))
{
    for (int level = CPU_C; level < CPU_LEVELS; level++)
        if (cpu_level_runs((cpu_level)level)) {
            kernel_table t;
            kernel_table_init(&t, (cpu_level)level);
            check(&t);
        }
}

static void functions_level(const kernel_table *t)
{
    size_t n = 0;
    for (int op = 0; op < CHAIN_OP_COUNT; op++)
        for (int type = 0; type < CHAIN_TYPE_COUNT; type++)
            if (t->chain.op[op][type]) {
                check_function(t, (chain_op)op, (chain_type)type);
                n++;
            }
    assert_true(n > 250);
}

static void functions(void **state)
{
    (void)state;
    each_level(functions_level);
}

static void casts_level(const kernel_table *t)
{
    static unsigned char a[MOST * 8], want[MOST * 8], got[MOST * 8];
    for (int from = 0; from < CHAIN_TYPE_COUNT; from++)
        for (int to = 0; to < CHAIN_TYPE_COUNT; to++)
            for (size_t turn = 0; turn < 40; turn++) {
                check_random r = {(uint64_t)from * 97 + (uint64_t)to + 5 + turn * 1000};
                draw((chain_type)from, &r, false, a, MOST);
                if (turn % 2) /* without what leaves the range */
                    draw((chain_type)from, &r, false, a, 0),
                        memmove(a, a + COUNT(edges) * types[from].bytes,
                                (MOST - COUNT(edges)) * types[from].bytes);
                convert_dense(types[from].dtype, a, types[to].dtype, want, MOST, SIB_OVERFLOW_IEEE);
                t->chain.cast[from][to](a, NULL, NULL, got, MOST);
                for (size_t i = 0; i < MOST; i++) {
                    size_t b = types[to].bytes;
                    bool nan = to <= CHAIN_F64 && isnan(real_at((chain_type)to, want, i)) &&
                               isnan(real_at((chain_type)to, got, i));
                    if (!nan && memcmp(want + i * b, got + i * b, b) != 0)
                        fail_msg("%s: cast of %s to %s, element %zu", cpu_level_name(t->level),
                                 types[from].name, types[to].name, i);
                }
            }
}

static void casts(void **state)
{
    (void)state;
    each_level(casts_level);
}

/* ---- Chains ------------------------------------------------------------------------------------------------ */

typedef struct box {
    size_t rank;
    int64_t dims[6];
} box;

static size_t count_of(const box *b)
{
    size_t n = 1;
    for (size_t i = 0; i < b->rank; i++)
        n *= (size_t)b->dims[i];
    return n;
}

/* Which element of an operand stands at a place of the result, by the definition of broadcasting. */
static size_t place_of(const box *in, const box *out, size_t place)
{
    size_t at = 0, stride = 1;
    for (size_t i = 0; i < out->rank; i++) {
        size_t axis = out->rank - 1 - i, index = place % (size_t)out->dims[axis];
        place /= (size_t)out->dims[axis];
        if (i >= in->rank)
            continue;
        size_t size = (size_t)in->dims[in->rank - 1 - i];
        at += size == 1 ? 0 : index * stride;
        stride *= size;
    }
    return at;
}

static const box results[] = {
    {0, {0}},
    {1, {1}},
    {1, {7}},
    {2, {3, 5}},
    {2, {40, 600}},
    {2, {3, 5000}},
    {3, {4, 3, 700}},
    {3, {30, 7, 11}},
    {4, {2, 3, 4, 5}},
    {4, {2, 5, 3, 1030}},
    {1, {9001}},
    {2, {600, 40}},
    {5, {2, 1, 3, 1, 600}},
    {2, {1, 3000}},
    {2, {3000, 1}},
    {3, {2, 1536, 3}},
    {2, {0, 4}},
};

/* Dims that broadcast to out, by the bits of `form`: axes that become 1, and leading ones left out. */
static box operand_of(const box *out, unsigned form)
{
    box in = {0, {0}};
    size_t skipped = out->rank ? form / 64 % (out->rank + 1) : 0;
    for (size_t i = skipped; i < out->rank; i++)
        in.dims[in.rank++] = form >> i & 1 ? 1 : out->dims[i];
    return in;
}

typedef struct trial {
    box out, in[3];
    sib_dtype dtype;
    bool constant[3];
    double *values[3]; /* as doubles */
    void *memory[3];
} trial;

static void fill_trial(trial *w, check_random *r)
{
    for (int k = 0; k < 3; k++) {
        size_t n = count_of(&w->in[k]);
        w->values[k] = malloc((n + 1) * sizeof(double));
        w->memory[k] = malloc((n + 1) * 8);
        assert_non_null(w->values[k]);
        assert_non_null(w->memory[k]);
        for (size_t i = 0; i < n; i++)
            w->values[k][i] = trunc(check_uniform(r) * 40);
        convert_dense(SIB_F64, w->values[k], w->dtype, w->memory[k], n, SIB_OVERFLOW_IEEE);
    }
}

static void clear_trial(trial *w)
{
    for (int k = 0; k < 3; k++) {
        free(w->values[k]);
        free(w->memory[k]);
    }
}

/* results: (a + b) - c, and a < c ? b : a; whole numbers, exact in every dtype. In ranges of an odd length. */
static void check_trial(trial *w, size_t step)
{
    size_t n = count_of(&w->out), bytes = sib_dtype_bits(w->dtype) / 8, v[3];
    chain *c = chain_create(w->out.rank, w->out.dims);
    assert_non_null(c);
    for (int k = 0; k < 3; k++)
        v[k] = chain_operand(c, w->dtype, w->in[k].rank, w->in[k].dims, w->constant[k] ? w->memory[k] : NULL);
    size_t sum = chain_apply(c, CHAIN_sub, chain_apply(c, CHAIN_add, v[0], v[1]), v[2]);
    size_t chosen = chain_where(c, chain_apply(c, CHAIN_less, v[0], v[2]), v[1], v[0]);
    assert_true(chain_result(c, sum) && chain_result(c, chosen) && chain_finish(c));
    unsigned char *out[2] = {malloc(n * bytes + 8), malloc(n * bytes + 8)};
    double *got = malloc((n + 1) * sizeof *got);
    for (size_t at = 0; at < n; at += step) {
        size_t count = n - at < step ? n - at : step;
        void *scratch = mem_alloc(chain_scratch(c, count) + 1, 1);
        assert_true(chain_run(c, (const void *const *)w->memory, (void *const *)out, at, count, scratch) ==
                    CHAIN_NONE);
        mem_free(scratch);
    }
    for (int k = 0; k < 2; k++) {
        convert_dense(w->dtype, out[k], SIB_F64, got, n, SIB_OVERFLOW_IEEE);
        for (size_t i = 0; i < n; i++) {
            double x[3];
            for (int j = 0; j < 3; j++)
                x[j] = w->values[j][place_of(&w->in[j], &w->out, i)];
            double want = k ? x[0] < x[2] ? x[1] : x[0] : x[0] + x[1] - x[2];
            if (!(got[i] == want))
                fail_msg("%s, result %d, element %zu of %zu: %g, expected %g; step %zu",
                         sib_dtype_name(w->dtype), k, i, n, got[i], want, step);
        }
    }
    free(out[0]), free(out[1]), free(got);
    chain_free(c);
}

static void broadcasting(void **state)
{
    (void)state;
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_F64, SIB_I32, SIB_BF16, SIB_I64, SIB_I16};
    check_random r = {11};
    for (size_t i = 0; i < COUNT(results); i++)
        for (unsigned form = 0; form < 60; form++) {
            trial w = {.out = results[i], .dtype = dtypes[form % COUNT(dtypes)]};
            for (int k = 0; k < 3; k++) {
                w.in[k] = operand_of(&w.out, form < 3 && (int)form != k ? 0 : (unsigned)check_u64(&r) % 4096);
                w.constant[k] = check_u64(&r) % 3 == 0;
            }
            fill_trial(&w, &r);
            check_trial(&w, form % 3 ? 997 : SIZE_MAX);
            clear_trial(&w);
        }
}

/* A chain whose result stands where its operand does, which is read again after the result is made. */
static void in_place(void **state)
{
    (void)state;
    int64_t dims[] = {5000};
    float *x = mem_alloc(5000, sizeof *x), *other = mem_alloc(5000, sizeof *other);
    chain *c = chain_create(1, dims);
    size_t a = chain_operand(c, SIB_F32, 1, dims, NULL);
    size_t doubled = chain_apply(c, CHAIN_add, a, a), square = chain_apply(c, CHAIN_mul, a, doubled);
    chain_in_place(c, a);
    assert_true(chain_result(c, doubled) && chain_result(c, square) && chain_finish(c));
    for (int i = 0; i < 5000; i++)
        x[i] = (float)i;
    void *scratch = mem_alloc(chain_scratch(c, 5000) + 1, 1);
    chain_run(c, (const void *const[]){x}, (void *const[]){x, other}, 0, 5000, scratch);
    for (int i = 0; i < 5000; i++)
        assert_true(x[i] == 2.0f * (float)i && other[i] == (float)i * (2.0f * (float)i));
    mem_free(scratch), mem_free(x), mem_free(other);
    chain_free(c);
}

/* Which chains are told to be bounds, and what the bounds are. */
static void clamps(void **state)
{
    (void)state;
    static const struct {
        chain_op op[3];
        float number[3]; /* on the right, but in step 1 */
        size_t n;
        bool is;
        float low, high;
    } cases[] = {
        {{CHAIN_max}, {0}, 1, true, 0, INFINITY},
        {{CHAIN_min}, {6}, 1, true, -INFINITY, 6},
        {{CHAIN_max, CHAIN_min}, {0, 6}, 2, true, 0, 6},
        {{CHAIN_max, CHAIN_min}, {3, 2}, 2, true, 2, 2},
        {{CHAIN_min, CHAIN_max}, {2, 3}, 2, true, 3, 3},
        {{CHAIN_max, CHAIN_max, CHAIN_min}, {-1, 1, 4}, 3, true, 1, 4},
        {{CHAIN_max, CHAIN_add}, {0, 1}, 2, false, 0, 0},
        {{CHAIN_max}, {NAN}, 1, false, 0, 0},
        {{CHAIN_max}, {0}, 0, false, 0, 0},
    };
    static const sib_dtype dtypes[] = {SIB_F32, SIB_F16, SIB_BF16};
    const int64_t dims[] = {10};
    for (size_t i = 0; i < COUNT(cases) * COUNT(dtypes); i++) {
        sib_dtype dtype = dtypes[i % COUNT(dtypes)];
        size_t at = i / COUNT(dtypes);
        chain *c = chain_create(1, dims);
        size_t head = chain_operand(c, dtype, 1, dims, NULL), v = head;
        uint32_t given[3]; /* elements */
        for (size_t k = 0; k < cases[at].n; k++) {
            convert_dense(SIB_F32, &cases[at].number[k], dtype, &given[k], 1, SIB_OVERFLOW_SATURATE);
            size_t number = chain_operand(c, dtype, 0, NULL, &given[k]);
            v = chain_apply(c, cases[at].op[k], k == 1 ? number : v, k == 1 ? v : number);
        }
        chain_in_place(c, head);
        assert_true(chain_result(c, v));
        float low, high;
        assert_int_equal(chain_clamp(c, &low, &high), cases[at].is);
        if (cases[at].is)
            assert_true(low == cases[at].low && high == cases[at].high);
        assert_true(chain_finish(c));
        chain_free(c);
    }
    /* a list of bounds is none; nor is a number that comes with runs, nor two results */
    float many[10] = {0};
    for (int i = 0; i < 3; i++) {
        float low, high;
        chain *c = chain_create(1, dims);
        size_t head = chain_operand(c, SIB_F32, 1, dims, NULL);
        size_t number = chain_operand(c, SIB_F32, i == 0, dims, i == 1 ? NULL : many);
        size_t v = chain_apply(c, CHAIN_max, head, number);
        chain_in_place(c, head);
        assert_true(chain_result(c, v) && (i < 2 || chain_result(c, v)));
        assert_false(chain_clamp(c, &low, &high));
        assert_true(chain_finish(c));
        chain_free(c);
    }
}

/* The place of the integer 0 that divides. */
static void divisors(void **state)
{
    (void)state;
    static const chain_op ops[] = {CHAIN_div, CHAIN_mod, CHAIN_fmod};
    int64_t dims[] = {3000};
    int32_t a[3000], b[3000], out[3000];
    for (size_t k = 0; k < COUNT(ops); k++) {
        chain *c = chain_create(1, dims);
        size_t x = chain_operand(c, SIB_I32, 1, dims, NULL), y = chain_operand(c, SIB_I32, 1, dims, NULL);
        assert_true(chain_result(c, chain_apply(c, ops[k], x, y)) && chain_finish(c));
        for (int i = 0; i < 3000; i++) {
            a[i] = i;
            b[i] = i == 2345 ? 0 : 7;
        }
        void *scratch = mem_alloc(chain_scratch(c, 3000) + 1, 1);
        assert_int_equal(chain_run(c, (const void *const[]){a, b}, (void *const[]){out}, 0, 3000, scratch),
                         2345);
        assert_true(chain_run(c, (const void *const[]){a, b}, (void *const[]){out}, 0, 2345, scratch) ==
                    CHAIN_NONE);
        mem_free(scratch);
        chain_free(c);
    }
}

/* ---- What is joined ---------------------------------------------------------------------------------------- */

static size_t number(chain *c, float x)
{
    return chain_converted(c, SIB_F32, 0, NULL, &x, SIB_F32);
}

static size_t unary(chain *c, chain_op op, size_t a)
{
    return chain_apply(c, op, a, CHAIN_NONE);
}

static size_t sigmoid_form(chain *c, size_t x)
{
    size_t power = unary(c, CHAIN_exp, unary(c, CHAIN_neg, x));
    return chain_apply(c, CHAIN_div, number(c, 1), chain_apply(c, CHAIN_add, number(c, 1), power));
}

static size_t silu_form(chain *c, size_t x)
{
    return chain_apply(c, CHAIN_mul, x, sigmoid_form(c, x));
}

static size_t softplus_form(chain *c, size_t x)
{
    size_t tail = unary(c, CHAIN_log1p, unary(c, CHAIN_exp, unary(c, CHAIN_neg, unary(c, CHAIN_abs, x))));
    return chain_apply(c, CHAIN_add, chain_apply(c, CHAIN_max, x, number(c, 0)), tail);
}

/* (x / 2) (1 + erf(x / 1.41421)) */
static size_t gelu_form(chain *c, size_t x)
{
    size_t bend = unary(c, CHAIN_erf, chain_apply(c, CHAIN_div, x, number(c, 1.41421356f)));
    return chain_apply(c, CHAIN_mul, chain_apply(c, CHAIN_mul, x, number(c, 0.5f)),
                       chain_apply(c, CHAIN_add, bend, number(c, 1)));
}

/* 0.5 (x (1 + erf(0.70710 x))) */
static size_t gelu_other(chain *c, size_t x)
{
    size_t bend = unary(c, CHAIN_erf, chain_apply(c, CHAIN_mul, number(c, 0.70710678f), x));
    return chain_apply(c, CHAIN_mul, number(c, 0.5f),
                       chain_apply(c, CHAIN_mul, x, chain_apply(c, CHAIN_add, number(c, 1), bend)));
}

static size_t gelu_tanh_form(chain *c, size_t x)
{
    size_t cube = chain_apply(c, CHAIN_mul, chain_apply(c, CHAIN_pow, x, number(c, 3)), number(c, 0.044715f));
    size_t inner = chain_apply(c, CHAIN_mul, number(c, 0.79788456f), chain_apply(c, CHAIN_add, x, cube));
    size_t bend = chain_apply(c, CHAIN_add, unary(c, CHAIN_tanh, inner), number(c, 1));
    return chain_apply(c, CHAIN_mul, chain_apply(c, CHAIN_mul, x, bend), number(c, 0.5f));
}

static const struct form_row {
    const char *name;
    size_t (*make)(chain *c, size_t x);
    chain_op op;
} forms[] = {
    {"sigmoid", sigmoid_form, CHAIN_sigmoid},    {"silu", silu_form, CHAIN_silu},
    {"softplus", softplus_form, CHAIN_softplus}, {"gelu", gelu_form, CHAIN_gelu},
    {"gelu, other", gelu_other, CHAIN_gelu},     {"gelu_tanh", gelu_tanh_form, CHAIN_gelu_tanh},
};

/* What a form gives has the bits of the one function, so it was joined; of an operand, and of the product of three. */
static void joined(void **state)
{
    (void)state;
    int64_t dims[] = {MOST};
    static float x[MOST], cube[MOST], y[MOST], want[MOST];
    check_random r = {3};
    draw(CHAIN_F32, &r, false, x, MOST);
    for (size_t i = 0; i < MOST; i++)
        cube[i] = x[i] * x[i] * x[i];
    for (size_t k = 0; k < 2 * COUNT(forms); k++) {
        const struct form_row *form = &forms[k / 2];
        chain *c = chain_create(1, dims);
        size_t a = chain_operand(c, SIB_F32, 1, dims, NULL);
        if (k % 2)
            a = chain_apply(c, CHAIN_mul, chain_apply(c, CHAIN_mul, a, a), a);
        assert_true(chain_result(c, form->make(c, a)) && chain_finish(c));
        void *scratch = mem_alloc(chain_scratch(c, MOST) + 1, 1);
        chain_run(c, (const void *const[]){x}, (void *const[]){y}, 0, MOST, scratch);
        kernel_table_get()->chain.op[form->op][CHAIN_F32](k % 2 ? cube : x, NULL, NULL, want, MOST);
        if (memcmp(y, want, sizeof y) != 0)
            fail_msg("%s of %s is not joined", form->name, k % 2 ? "a product" : "an operand");
        mem_free(scratch);
        chain_free(c);
    }
}

/* Every allocation fails once; nothing is lost or left. */
static void without_memory(void **state)
{
    (void)state;
    int64_t dims[] = {4, 300};
    float x[300] = {0};
    for (uint64_t after = 0; after < 60; after++) {
        mem_fail_after(after);
        chain *c = chain_create(2, dims);
        if (c) {
            size_t a = chain_operand(c, SIB_F32, 2, dims, NULL),
                   b = chain_operand(c, SIB_F32, 1, dims + 1, x);
            size_t sum = chain_apply(c, CHAIN_add, a, b), byte = chain_cast(c, sum, SIB_U8, true);
            bool made = chain_result(c, gelu_form(c, sum)) && chain_result(c, byte) && chain_finish(c);
            mem_fail_never();
            assert_true(made || after < 59);
        }
        mem_fail_never();
        chain_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions), cmocka_unit_test(casts),          cmocka_unit_test(broadcasting),
        cmocka_unit_test(in_place),  cmocka_unit_test(divisors),       cmocka_unit_test(joined),
        cmocka_unit_test(clamps),    cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
