/* The functions of vf_math.h at every CPU level against libm in double, over the bit patterns of floats: a stride through
   all of them, or another with --stride N. */
#include "base/cpu.h"
#include "check.h"
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BLOCK        1000 /* no multiple of a vector */

static uint32_t stride = 2503;

static double sigmoid_of(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double silu_of(double x)
{
    return x * sigmoid_of(x);
}

static double softplus_of(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double gelu_of(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2.0));
}

static double gelu_tanh_of(double x)
{
    return x * sigmoid_of(2.0 * sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x));
}

/* ulp: how many may be lost, + of_square x^2 of them where rounding x^2 alone loses that, + absolute below. */
static const struct row {
    chain_op op;
    const char *name;
    double (*exact)(double x);
    double ulp, of_square, absolute;
} rows[] = {
    {CHAIN_exp, "exp", exp, 2, 0, 0},           {CHAIN_exp2, "exp2", exp2, 2, 0, 0},
    {CHAIN_expm1, "expm1", expm1, 2, 0, 0},     {CHAIN_log, "log", log, 2, 0, 0},
    {CHAIN_log1p, "log1p", log1p, 2, 0, 0},     {CHAIN_tanh, "tanh", tanh, 2.5, 0, 0},
    {CHAIN_erf, "erf", erf, 2, 0, 0},           {CHAIN_sin, "sin", sin, 2, 0, 0},
    {CHAIN_cos, "cos", cos, 2, 0, 0},           {CHAIN_sigmoid, "sigmoid", sigmoid_of, 3, 0, 0},
    {CHAIN_silu, "silu", silu_of, 4, 0, 1e-43}, {CHAIN_softplus, "softplus", softplus_of, 3, 0, 0},
    {CHAIN_gelu, "gelu", gelu_of, 8, 2, 1e-37}, {CHAIN_gelu_tanh, "gelu_tanh", gelu_tanh_of, 5, 4, 1e-43},
};

/* The distance of got from the exact value in units of its last place as a float. */
static double ulps(float got, double exact)
{
    if (isnan(exact) || isnan(got))
        return isnan(exact) && isnan(got) ? 0 : INFINITY;
    float nearest = (float)exact;
    if (got == nearest)
        return 0;
    if (isinf(got)) /* as if one more binade */
        return isinf(nearest) || fabs(exact) > 3.4028234e38 ? 0 : INFINITY;
    int exponent;
    frexp(exact, &exponent);
    exponent = exponent - 24 < -149 ? -149 : exponent - 24;
    return isinf(exact) ? INFINITY : fabs((double)got - exact) / ldexp(1.0, exponent);
}

static void check_block(const kernel_table *t, size_t f, const float *x, size_t n, double *worst, float *at)
{
    const struct row *w = &rows[f];
    float y[BLOCK];
    t->chain.op[rows[f].op][CHAIN_F32](x, NULL, NULL, y, n);
    for (size_t i = 0; i < n; i++) {
        double exact = w->exact((double)x[i]), off = ulps(y[i], exact);
        double bound = w->ulp + fmin(w->of_square * (double)x[i] * (double)x[i], 1e4);
        if (!(off <= bound) && !(fabs((double)y[i] - exact) <= w->absolute))
            fail_msg("%s of %.9g at level %s is %.9g, expected %.9g: %g ULP", w->name, (double)x[i],
                     cpu_level_name(t->level), (double)y[i], exact, off);
        if (exact == 0 && x[i] == 0 && !signbit(y[i]) != !signbit(exact))
            fail_msg("%s of %g at level %s has the wrong sign", w->name, (double)x[i],
                     cpu_level_name(t->level));
        if (off > *worst && !(fabs((double)y[i] - exact) <= w->absolute)) {
            *worst = off;
            *at = x[i];
        }
    }
}

static void check_level(const kernel_table *t)
{
    static const float edges[] = {0.0f,     -0.0f,     INFINITY, -INFINITY, NAN,       1e-45f,
                                  -1e-45f,  FLT_MAX,   -FLT_MAX, FLT_MIN,   1.0f,      -1.0f,
                                  88.7228f, 88.73f,    -103.97f, -104.0f,   131071.9f, 131072.1f,
                                  3.92f,    -0.99999f, 128.0f,   -149.0f,   -150.0f,   1e10f};
    for (size_t f = 0; f < COUNT(rows); f++) {
        double worst = 0;
        float x[BLOCK], at = 0;
        check_block(t, f, edges, COUNT(edges), &worst, &at);
        for (uint64_t bits = 0, n; bits <= UINT32_MAX; bits += stride * BLOCK) {
            for (n = 0; n < BLOCK && bits + n * stride <= UINT32_MAX; n++) {
                uint32_t pattern = (uint32_t)(bits + n * stride);
                memcpy(&x[n], &pattern, sizeof pattern);
            }
            check_block(t, f, x, n, &worst, &at);
        }
        print_message("%-7s %-10s %.2f ULP at %.9g\n", cpu_level_name(t->level), rows[f].name, worst,
                      (double)at);
    }
}

static void functions(void **state)
{
    (void)state;
    for (int level = CPU_C; level < CPU_LEVELS; level++)
        if (cpu_level_runs((cpu_level)level)) {
            kernel_table t;
            kernel_table_init(&t, (cpu_level)level);
            check_level(&t);
        }
}

/* The value does not depend on where the element stands, and nothing is written beyond. */
static void lengths(void **state)
{
    (void)state;
    for (int level = CPU_C; level < CPU_LEVELS; level++) {
        kernel_table t;
        float x[70], whole[70], y[72];
        if (!cpu_level_runs((cpu_level)level))
            continue;
        kernel_table_init(&t, (cpu_level)level);
        for (size_t i = 0; i < COUNT(x); i++)
            x[i] = (float)i * 0.37f - 9.0f;
        for (size_t f = 0; f < COUNT(rows); f++) {
            t.chain.op[rows[f].op][CHAIN_F32](x, NULL, NULL, whole, COUNT(x));
            for (size_t n = 0; n < COUNT(x); n++) {
                for (size_t i = 0; i < COUNT(y); i++)
                    y[i] = 42.0f;
                t.chain.op[rows[f].op][CHAIN_F32](x + (COUNT(x) - n), NULL, NULL, y + 1, n);
                assert_memory_equal(y + 1, whole + (COUNT(x) - n), n * sizeof *y);
                assert_true(y[0] == 42.0f && y[n + 1] == 42.0f);
                memcpy(y, x, n * sizeof *x);
                t.chain.op[rows[f].op][CHAIN_F32](y, NULL, NULL, y, n);
                assert_memory_equal(y, whole, n * sizeof *y);
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--stride") == 0)
        stride = (uint32_t)strtoul(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
