/* Takes every entry of the kernel table at every CPU level that runs here and holds it against the portable
   one; the portable one against its definition in double. The first input that differs is named.
   With --time it prints what each entry takes at each level instead. */
#include "base/cpu.h"
#include "check.h"
#include "kernel/kernel.h"

#include <math.h>
#include <sibyl/timing.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- Elementwise entries as rows ------------------------------------------------------------------ */

static void call_widen_f16(const kernel_table *t, const void *in, void *out, size_t n)
{
    t->widen_f16(in, out, n);
}

static void call_widen_bf16(const kernel_table *t, const void *in, void *out, size_t n)
{
    t->widen_bf16(in, out, n);
}

static void call_narrow_f16(const kernel_table *t, const void *in, void *out, size_t n)
{
    t->narrow_f16(in, out, n);
}

static void call_narrow_bf16(const kernel_table *t, const void *in, void *out, size_t n)
{
    t->narrow_bf16(in, out, n);
}

static void call_erf(const kernel_table *t, const void *in, void *out, size_t n)
{
    t->chain.op[CHAIN_erf][CHAIN_F32](in, NULL, NULL, out, n);
}

static void call_gelu(const kernel_table *t, const void *in, void *out, size_t n)
{
    t->chain.op[CHAIN_gelu][CHAIN_F32](in, NULL, NULL, out, n);
}

typedef struct {
    const char *name;
    void (*call)(const kernel_table *t, const void *in, void *out, size_t n);
    size_t in, out;     /* bytes of an element */
    double of_y, of_v2; /* y may differ by (of_y + of_v2 x^2) |y|; both 0: equal bits */
} row;

static const row rows[] = {
    {"widen_f16", call_widen_f16, 2, 4, 0, 0},   {"widen_bf16", call_widen_bf16, 2, 4, 0, 0},
    {"narrow_f16", call_narrow_f16, 4, 2, 0, 0}, {"narrow_bf16", call_narrow_bf16, 4, 2, 0, 0},
    {"erf", call_erf, 4, 4, 2.5e-7, 0},          {"gelu", call_gelu, 4, 4, 1.2e-6, 2e-7},
};

/* ---- Inputs ----------------------------------------------------------------------------------------- */

static const uint32_t edges[] = {
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x807FFFFF, 0x7F7FFFFF,
    0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFBFFFFF, 0x7FFFFFFF,
    0xFFFFFFFF, 0x7F802000, 0x7F801FFF, 0x3F800000, 0xBF800000, 0x3F7FFFFF, 0x3F800001, 0x407AE148,
    0x407AE147, 0x407AE149, 0xC07AE148, 0x33000000, 0x33000001, 0x32FFFFFF, 0x33800000, 0x33C00000,
    0x387FC000, 0x387FE000, 0x38800000, 0x477FE000, 0x477FEFFF, 0x477FF000, 0x477FF001, 0xC77FF000,
    0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x00008000, 0x00018000,
};

/* Inputs of a row: all 65,536 patterns of 16 bits; for floats the edges, every value and midpoint of the
   16-bit types with its neighbours, and random bits and numbers. *n: how many. Owned by the caller (free). */
static void *make_inputs(size_t bytes, size_t *n)
{
    check_random r = {77};
    if (bytes == 2) {
        uint16_t *h = malloc(65536 * sizeof *h);
        assert_non_null(h);
        for (size_t i = 0; i < 65536; i++)
            h[i] = (uint16_t)(i * 40503); /* odd: every pattern once, mixed */
        *n = 65536;
        return h;
    }
    size_t count = COUNT(edges) + 65536 * 6 + 300000, at = 0;
    float *x = malloc(count * sizeof *x);
    kernel_table c;
    assert_non_null(x);
    kernel_table_init(&c, CPU_C);
    for (size_t i = 0; i < COUNT(edges); i++)
        x[at++] = from_bits(edges[i]);
    for (uint32_t i = 0; i < 65536; i++) {
        float f16;
        c.widen_f16(&(uint16_t){(uint16_t)i}, &f16, 1);
        x[at++] = f16;
        for (int near = -1; near <= 1; near++) /* around the midpoint to the next larger half */
            x[at++] = from_bits((bits_of(f16) | 0x1000) + (uint32_t)near);
        x[at++] = from_bits(i << 16 | 0x8000);
        x[at++] = from_bits((i << 16 | 0x8000) + (i % 2 ? 1 : UINT32_MAX));
    }
    while (at < count - 150000)
        x[at++] = from_bits((uint32_t)check_u64(&r));
    while (at < count)
        x[at++] = (float)(check_uniform(&r) * 6.0);
    *n = count;
    return x;
}

/* ---- Every level against the portable one --------------------------------------------------------- */

static double value_at(const void *array, size_t bytes, size_t i)
{
    return bytes == 4 ? (double)((const float *)array)[i] : (double)((const uint16_t *)array)[i];
}

static bool close_enough(const row *w, const void *in, const void *got, const void *expected, size_t i)
{
    if (w->of_y == 0 && w->of_v2 == 0 && w->out == 2)
        return ((const uint16_t *)got)[i] == ((const uint16_t *)expected)[i];
    float g = ((const float *)got)[i], e = ((const float *)expected)[i];
    if (w->of_y == 0 && w->of_v2 == 0 && w->in == 2)
        return bits_of(g) == bits_of(e);
    if (isnan(e) || isnan(g) || isinf(e) || isinf(g))
        return (isnan(e) && isnan(g)) || bits_of(g) == bits_of(e);
    if (e == 0.0f || (w->of_y == 0 && w->of_v2 == 0))
        return bits_of(g) == bits_of(e);
    double v = w->of_v2 > 0 ? value_at(in, w->in, i) : 0.0;
    return fabs((double)g - (double)e) <= (w->of_y + w->of_v2 * v * v) * fabs((double)e) + 1e-37;
}

static void compare(const row *w, const kernel_table *t, const void *in, const void *got,
                    const void *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!close_enough(w, in, got, expected, i)) {
            uint32_t x = 0, g = 0, e = 0;
            memcpy(&x, (const char *)in + i * w->in, w->in);
            memcpy(&g, (const char *)got + i * w->out, w->out);
            memcpy(&e, (const char *)expected + i * w->out, w->out);
            fail_msg(
                "%s at level %s: input %zu of %zu, bits 0x%08x (%g) gives 0x%08x (%g), portable 0x%08x (%g)",
                w->name, cpu_level_name(t->level), i, n, x, value_at(in, w->in, i), g,
                value_at(got, w->out, i), e, value_at(expected, w->out, i));
        }
}

/* Every length around the vectors, every misalignment of both arrays, guards on both sides, in place. */
static void odd_lengths(const row *w, const kernel_table *t, const char *in, const char *expected)
{
    enum { ROOM = 128, GUARD = 64 };
    for (size_t n = 0; n <= 70; n++)
        for (size_t shift = 0; shift < 5; shift++) {
            char source[ROOM * 4 + 64], out[ROOM * 4 + 2 * GUARD + 64];
            char *x = source + shift * w->in, *y = out + GUARD + (shift * 3 % 7) * w->out;
            const char *from = in + n * shift * w->in;
            memcpy(x, from, n * w->in);
            memset(out, 0x5A, sizeof out);
            w->call(t, x, y, n);
            compare(w, t, from, y, expected + n * shift * w->out, n);
            for (char *p = out; p < out + sizeof out; p++)
                if ((p < y || p >= y + n * w->out) && *p != 0x5A)
                    fail_msg("%s at level %s wrote outside, %d bytes from the end, n %zu", w->name,
                             cpu_level_name(t->level), (int)(p - (y + n * w->out)), n);
            if (w->in == w->out) {
                w->call(t, x, x, n);
                assert_memory_equal(x, y, n * w->out);
            }
        }
}

static void each_level(void (*check)(const kernel_table *t))
{
    for (int level = CPU_C; level < CPU_LEVELS; level++)
        if (cpu_level_runs((cpu_level)level)) {
            kernel_table t;
            kernel_table_init(&t, (cpu_level)level);
            assert_int_equal(t.level, level);
            check(&t);
        }
}

static void elementwise_level(const kernel_table *t)
{
    kernel_table c;
    kernel_table_init(&c, CPU_C);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const row *w = &rows[i];
        size_t n;
        char *in = make_inputs(w->in, &n);
        char *expected = malloc(n * w->out), *got = malloc(n * w->out);
        assert_non_null(expected);
        assert_non_null(got);
        w->call(&c, in, expected, n);
        w->call(t, in, got, n);
        compare(w, t, in, got, expected, n);
        odd_lengths(w, t, in, got); /* the same bits wherever the element stands */
        free(in), free(expected), free(got);
    }
}

static void elementwise(void **state)
{
    (void)state;
    each_level(elementwise_level);
}

/* ---- The portable ones against their definition --------------------------------------------------- */

/* Value of a 16-bit float with so many exponent and mantissa bits; NaN and infinity as they are. */
static double half_value(unsigned h, int exponent_bits, int mantissa_bits)
{
    int exponent = (int)(h >> mantissa_bits) & ((1 << exponent_bits) - 1);
    int mantissa = (int)h & ((1 << mantissa_bits) - 1), bias = (1 << (exponent_bits - 1)) - 1;
    double sign = h & 0x8000 ? -1.0 : 1.0;
    if (exponent == (1 << exponent_bits) - 1)
        return mantissa ? NAN : sign * INFINITY;
    return exponent ? sign * ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits)
                    : sign * ldexp(mantissa, 1 - bias - mantissa_bits);
}

typedef struct {
    kernel_widen widen;
    kernel_narrow narrow;
    int exponent_bits, mantissa_bits;
} half_kind;

static void check_half_narrow(const half_kind *k, float x)
{
    uint16_t h;
    k->narrow(&x, &h, 1);
    if (isnan(x)) {
        assert_true(isnan(half_value(h, k->exponent_bits, k->mantissa_bits)));
        assert_int_equal(h >> 15, bits_of(x) >> 31);
        return;
    }
    /* One above the largest finite value stands where the next would, so that infinity has its midpoint. */
    unsigned size = h & 0x7FFF, infinity = ((1u << k->exponent_bits) - 1) << k->mantissa_bits;
    double largest = half_value(infinity - 1, k->exponent_bits, k->mantissa_bits);
    double beyond = largest * 2 - half_value(infinity - 2, k->exponent_bits, k->mantissa_bits);
    double value = size == infinity ? beyond : half_value(size, k->exponent_bits, k->mantissa_bits);
    double above = size >= infinity       ? INFINITY
                   : size + 1 == infinity ? beyond
                                          : half_value(size + 1, k->exponent_bits, k->mantissa_bits);
    double below = size ? half_value(size - 1, k->exponent_bits, k->mantissa_bits) : -INFINITY;
    double target = fabs((double)x), off = fabs(target - value);
    bool fits = size <= infinity && (h >> 15) == (bits_of(x) >> 31);
    fits &= size == infinity && target >= value ? true : off <= fabs(above - target);
    fits &= off <= fabs(target - below);
    if (size < infinity && (off == fabs(above - target) || off == fabs(target - below)))
        fits &= size % 2 == 0;
    if (!fits)
        fail_msg("%d mantissa bits: 0x%08x (%g) becomes 0x%04x", k->mantissa_bits, bits_of(x), (double)x, h);
}

static void halves_are_exact(void **state)
{
    (void)state;
    kernel_table c;
    kernel_table_init(&c, CPU_C);
    const half_kind kinds[] = {{c.widen_f16, c.narrow_f16, 5, 10}, {c.widen_bf16, c.narrow_bf16, 8, 7}};
    size_t n;
    float *x = make_inputs(4, &n);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (uint32_t i = 0; i < 65536; i++) {
            uint16_t h = (uint16_t)i, back;
            float f;
            kinds[k].widen(&h, &f, 1);
            double expected = half_value(i, kinds[k].exponent_bits, kinds[k].mantissa_bits);
            assert_true(isnan(expected) ? isnan(f) : (double)f == expected);
            assert_int_equal(bits_of(f) >> 31, h >> 15);
            if (isnan(f))
                assert_true(bits_of(f) & 0x400000);
            kinds[k].narrow(&f, &back, 1);
            assert_int_equal(back, isnan(f) ? h | 1u << (kinds[k].mantissa_bits - 1) : h);
        }
        for (size_t i = 0; i < n; i++)
            check_half_narrow(&kinds[k], x[i]);
    }
    free(x);
}

static void erf_and_gelu_level(const kernel_table *t)
{
    size_t n;
    float *x = make_inputs(4, &n), *y = malloc(n * sizeof *y), *g = malloc(n * sizeof *g);
    assert_non_null(y);
    assert_non_null(g);
    t->chain.op[CHAIN_erf][CHAIN_F32](x, NULL, NULL, y, n);
    t->chain.op[CHAIN_gelu][CHAIN_F32](x, NULL, NULL, g, n);
    double worst = 0.0;
    for (size_t i = 0; i < n; i++) {
        double e = erf((double)x[i]), v = x[i], gelu = v * 0.5 * erfc(-v / sqrt(2.0));
        if (isnan(x[i])) {
            assert_true(isnan(y[i]) && isnan(g[i]));
            continue;
        }
        double off = fabs((double)y[i] - e);
        /* below the normal numbers one unit of rounding is more than any relative bound */
        if (!(off <= 1.3e-7 * fabs(e) + 3e-45) || signbit(y[i]) != signbit(x[i]))
            fail_msg("erf at level %s: %.9g gives %.9g, expected %.9g", cpu_level_name(t->level), v,
                     (double)y[i], e);
        if (fabs(e) > 1e-30)
            worst = fmax(worst, off / fabs(e));
        double bound = (6e-7 + 1e-7 * v * v) * fabs(gelu) + (v < -12.9 ? 1e-36 : 3e-45);
        if (isinf(x[i]) ? !(x[i] > 0 ? g[i] == x[i] : isnan(g[i])) : !(fabs((double)g[i] - gelu) <= bound))
            fail_msg("gelu at level %s: %.9g gives %.9g, expected %.9g", cpu_level_name(t->level), v,
                     (double)g[i], gelu);
    }
    print_message("erf at level %s: largest relative error %.3g\n", cpu_level_name(t->level), worst);
    free(x), free(y), free(g);
}

static void erf_and_gelu(void **state)
{
    (void)state;
    each_level(erf_and_gelu_level);
}

/* ---- Measures --------------------------------------------------------------------------------------- */

static void measures_level(const kernel_table *t)
{
    float x[400];
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = (float)(i * i % 97);
    for (size_t shift = 0; shift < 4; shift++)
        for (size_t n = 0; n + shift <= COUNT(x); n++) {
            float expected = 0.0f; /* whole numbers: exact in any order */
            for (size_t i = 0; i < n; i++)
                expected += x[shift + i];
            assert_true(t->read_f32(x + shift, n) == expected);
        }
    /* factor 1, term 1: each chain grows by the rounds it takes, so no step can be missing */
    float none = t->fma_rounds(0, 1.0f, 1.0f), some = t->fma_rounds(100, 1.0f, 1.0f);
    assert_true((double)(some - none) * 2.0 == 100.0 * (double)t->fma_flops);
}

static void measures(void **state)
{
    (void)state;
    each_level(measures_level);
}

static void table_of_this_machine(void **state)
{
    (void)state;
    const kernel_table *t = kernel_table_get();
    assert_ptr_equal(t, kernel_table_get());
    assert_int_equal(t->level, cpu_level_chosen());
}

/* ---- Times ------------------------------------------------------------------------------------------ */

#define TIME_N       1536
#define TIME_REPEATS 300

/* Best of many: nanoseconds for one element. */
static double time_row(const row *w, const kernel_table *t, const void *in, void *out)
{
    double best = INFINITY;
    for (int i = 0; i < TIME_REPEATS; i++) {
        sib_timer timer = sib_timer_start();
        w->call(t, in, out, TIME_N);
        best = fmin(best, sib_timer_seconds(&timer));
    }
    return best * 1e9 / TIME_N;
}

static int time_all(void)
{
    static float in[TIME_N * 2], out[TIME_N * 2];
    check_random r = {5};
    for (size_t i = 0; i < COUNT(in); i++)
        in[i] = (float)check_uniform(&r);
    for (int level = CPU_C; level < CPU_LEVELS; level++) {
        kernel_table t;
        if (!cpu_level_runs((cpu_level)level))
            continue;
        kernel_table_init(&t, (cpu_level)level);
        printf("%s\n", cpu_level_name(t.level));
        for (size_t i = 0; i < COUNT(rows); i++)
            printf("  %-16s  %7.3f ns/element\n", rows[i].name, time_row(&rows[i], &t, in, out));
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--time") == 0)
        return time_all();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise),           cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(erf_and_gelu),          cmocka_unit_test(measures),
        cmocka_unit_test(table_of_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
