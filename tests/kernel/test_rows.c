/* The kernels of rows at every CPU level that runs here, held against their definitions in double: sums, extremes,
   softmax and normalization of rows and columns of many sizes, with infinities, NaN, denormals and numbers whose squares
   leave the range of a float. */
#include "base/cpu.h"
#include "check.h"
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MOST         40000

static const size_t sizes[] = {1,  2,  3,  7,  8,   9,   15,  16,   17,   31,
                               33, 63, 64, 65, 100, 127, 384, 1500, 8193, 20011};

static float input[MOST], output[MOST], wanted[MOST];

/* ---- Inputs ------------------------------------------------------------------------------------------ */

typedef enum fill {
    FILL_UNIFORM,
    FILL_SHIFTED, /* far from 0 */
    FILL_LARGE,   /* squares overflow */
    FILL_TINY,    /* squares underflow */
    FILL_DENORMAL,
    FILL_ZERO,
    FILL_NAN,
    FILL_INF,
    FILL_MINUS_INF,
    FILLS
} fill;

static void make(float *x, size_t n, fill how, check_random *r)
{
    static const float factors[FILLS] = {
        [FILL_UNIFORM] = 3.0f,    [FILL_SHIFTED] = 1.0f, [FILL_LARGE] = 1e25f, [FILL_TINY] = 1e-25f,
        [FILL_DENORMAL] = 1e-39f, [FILL_NAN] = 1.0f,     [FILL_INF] = 1.0f,    [FILL_MINUS_INF] = 1.0f};
    for (size_t i = 0; i < n; i++)
        x[i] = (float)check_uniform(r) * factors[how] + (how == FILL_SHIFTED ? 1000.0f : 0.0f);
    if (n && how >= FILL_NAN)
        x[check_u64(r) % n] = how == FILL_NAN ? NAN : how == FILL_INF ? INFINITY : -INFINITY;
}

static bool near_to(double got, double want, double tolerance)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= (isnan(tolerance) ? 0 : tolerance);
}

#define EXPECT(got, want, tolerance, ...)                                                                    \
    do {                                                                                                     \
        if (!near_to((double)(got), (double)(want), (double)(tolerance))) {                                  \
            char words[200];                                                                                 \
            snprintf(words, sizeof words, __VA_ARGS__);                                                      \
            fail_msg("%s at %s: %.9g, expected %.9g within %g", words, cpu_level_name(k->level),             \
                     (double)(got), (double)(want), (double)(tolerance));                                    \
        }                                                                                                    \
    } while (0)

typedef void (*check)(const kernel_table *k);

static void at_every_level(check run)
{
    for (int level = 0; level < CPU_LEVELS; level++) {
        kernel_table k;
        if (!cpu_level_runs((cpu_level)level))
            continue;
        kernel_table_init(&k, (cpu_level)level);
        run(&k);
    }
}

/* ---- Gathering ----------------------------------------------------------------------------------------- */

static double joined(rows_kind kind, double sum, double v)
{
    switch (kind) {
    case ROWS_PRODUCT:
        return sum * v;
    case ROWS_MIN:
        return isnan(sum) || v >= sum ? sum : v;
    case ROWS_MAX:
        return isnan(sum) || v <= sum ? sum : v;
    default:
        return sum + v;
    }
}

/* What is gathered of n floats that are `step` apart, and the sum of the sizes of what was added. */
static double gathered(rows_kind kind, const float *x, size_t n, size_t step, double *size)
{
    double v = kind == ROWS_PRODUCT ? 1 : kind == ROWS_MIN ? INFINITY : kind == ROWS_MAX ? -INFINITY : 0;
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        double a = (double)x[i * step], term = kind == ROWS_SQUARES ? a * a
                                               : kind == ROWS_SIZES ? fabs(a)
                                                                    : a;
        v = joined(kind, v, term);
        *size += fabs(term);
    }
    if (kind == ROWS_PRODUCT)
        *size = fabs(v) * sqrt((double)n) * 4;
    if (kind == ROWS_MIN || kind == ROWS_MAX)
        *size = 0;
    return v;
}

/* What float arithmetic may make of it: partial results leave the range where it does. */
static double tolerance_of(double want, double size)
{
    return fabs(want) > FLT_MAX ? INFINITY : 2e-6 * size + 1e-37;
}

static void check_gather(const kernel_table *k)
{
    check_random r = {5};
    for (int kind = 0; kind < ROWS_KINDS; kind++)
        for (int how = 0; how < FILLS; how++)
            for (size_t s = 0; s < COUNT(sizes); s++) {
                size_t n = sizes[s], many = n < 400 ? 5 : 1;
                double size, want;
                if ((how == FILL_LARGE && kind == ROWS_SQUARES) || (kind == ROWS_PRODUCT && n > 33))
                    continue;
                make(input, n * many, (fill)how, &r);
                if (kind == ROWS_PRODUCT && how == FILL_LARGE)
                    for (size_t i = 0; i < n * many; i++)
                        input[i] /= 1e25f;
                for (int more = 0; more < 2; more++) {
                    for (size_t i = 0; i < many; i++)
                        output[i] = wanted[i] = 0.75f;
                    k->rows.across[kind](input, many, n, output, more);
                    for (size_t i = 0; i < many; i++) {
                        want = gathered((rows_kind)kind, input + i * n, n, 1, &size);
                        if (more)
                            want = joined((rows_kind)kind, 0.75, want);
                        EXPECT(output[i], (float)want, tolerance_of(want, size + more),
                               "row kind %d fill %d n %zu", kind, how, n);
                    }
                }
            }
}

static void check_columns(const kernel_table *k)
{
    static const size_t columns[] = {1, 2, 3, 8, 15, 16, 17, 64, 65, 100};
    check_random r = {6};
    for (int kind = 0; kind < ROWS_KINDS; kind++)
        for (int how = 0; how < FILLS; how++)
            for (size_t s = 0; s < COUNT(columns); s++)
                for (size_t n = 1; n < 300; n = n * 3 + 1) {
                    size_t m = columns[s], stride = m + n % 3;
                    double size;
                    if (how == FILL_LARGE && (kind == ROWS_SQUARES || kind == ROWS_PRODUCT))
                        continue;
                    make(input, n * stride, (fill)how, &r);
                    output[m] = -7;
                    k->rows.down[kind](input, n, stride, m, output, false);
                    for (size_t j = 0; j < m; j++) {
                        double want = gathered((rows_kind)kind, input + j, n, stride, &size);
                        EXPECT(output[j], (float)want, tolerance_of(want, size),
                               "column kind %d fill %d n %zu of %zu", kind, how, n, m);
                    }
                    assert_true(output[m] == -7);
                    /* in two parts */
                    k->rows.down[kind](input, n / 2, stride, m, output, false);
                    k->rows.down[kind](input + n / 2 * stride, n - n / 2, stride, m, output, true);
                    for (size_t j = 0; j < m; j++) {
                        double want = gathered((rows_kind)kind, input + j, n, stride, &size);
                        EXPECT(output[j], (float)want, tolerance_of(want, size),
                               "column halves kind %d fill %d n %zu", kind, how, n);
                    }
                }
}

static void test_gather(void **state)
{
    (void)state;
    at_every_level(check_gather);
}

static void test_columns(void **state)
{
    (void)state;
    at_every_level(check_columns);
}

/* ---- Softmax ------------------------------------------------------------------------------------------- */

static void define_softmax(const float *x, size_t n, size_t step, double *y, bool logarithm)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        top = isnan(top) || (double)x[i * step] <= top ? top : (double)x[i * step];
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i * step] - top);
    for (size_t i = 0; i < n; i++)
        y[i] = logarithm ? (double)x[i * step] - top - log(sum) : exp((double)x[i * step] - top) / sum;
}

static double line[MOST];

static void expect_softmax(const kernel_table *k, size_t n, size_t columns, size_t stride, bool logarithm,
                           int how)
{
    for (size_t j = 0; j < columns; j++) {
        define_softmax(input + j, n, stride, line, logarithm);
        for (size_t i = 0; i < n; i++)
            EXPECT(output[j + i * stride], line[i],
                   /* what the subtraction rounds away becomes relative */
                   logarithm ? 4e-7 * (1 + fabs(line[i]))
                             : (1e-6 + 1e-7 * fabs(log(line[i]))) * line[i] + 1e-37,
                   "softmax fill %d n %zu columns %zu", how, n, columns);
    }
}

static void check_softmax(const kernel_table *k)
{
    check_random r = {7};
    for (int how = 0; how < FILLS; how++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            for (int logarithm = 0; logarithm < 2; logarithm++) {
                size_t n = sizes[s];
                make(input, n, (fill)how, &r);
                for (size_t i = 0; i < n && how == FILL_UNIFORM; i += 3)
                    input[i] *= 50; /* far below the largest */
                (logarithm ? k->rows.log_softmax : k->rows.softmax)(input, 1, n, output);
                expect_softmax(k, n, 1, 1, logarithm, how);
                memcpy(output, input, n * sizeof *input);
                (logarithm ? k->rows.log_softmax : k->rows.softmax)(output, 1, n, output);
                expect_softmax(k, n, 1, 1, logarithm, how);
            }
    for (size_t i = 0; i < 50; i++)
        input[i] = -INFINITY;
    k->rows.softmax(input, 1, 50, output);
    for (size_t i = 0; i < 50; i++)
        assert_true(isnan(output[i]));
}

static void check_softmax_columns(const kernel_table *k)
{
    static const size_t columns[] = {1, 3, 16, 17, 40};
    check_random r = {8};
    for (int how = 0; how < FILLS; how++)
        for (size_t s = 0; s < COUNT(columns); s++)
            for (size_t n = 1; n < 300; n = n * 3 + 1)
                for (int logarithm = 0; logarithm < 2; logarithm++) {
                    size_t m = columns[s], stride = m + 2;
                    make(input, n * stride, (fill)how, &r);
                    memset(output, 0, sizeof output);
                    (logarithm ? k->rows.log_softmax_down : k->rows.softmax_down)(input, n, stride, m,
                                                                                  output);
                    expect_softmax(k, n, m, stride, logarithm, how);
                    assert_true(output[m] == 0 && output[m + 1] == 0);
                }
}

static void test_softmax(void **state)
{
    (void)state;
    at_every_level(check_softmax);
    at_every_level(check_softmax_columns);
}

/* ---- Normalization ---------------------------------------------------------------------------------------- */

static float scale[MOST], bias[MOST];

static void expect_norm(const kernel_table *k, const rows_norm *p, const float *x, const float *y, float mean,
                        float inverse, int how)
{
    double sum = 0, squares = 0, most = 0;
    for (size_t i = 0; i < p->n; i++)
        sum += (double)x[i];
    double middle = p->centred ? sum / (double)p->n : 0;
    for (size_t i = 0; i < p->n; i++) {
        squares += ((double)x[i] - middle) * ((double)x[i] - middle);
        most = fmax(most, fabs((double)x[i]));
    }
    double factor = 1 / sqrt(squares / (double)p->n + p->epsilon);
    /* half a unit of the mean's two parts */
    EXPECT(inverse, factor, 2e-6 * factor, "inverse fill %d n %zu", how, p->n);
    if (p->centred)
        EXPECT(mean, middle, 4e-7 * most + 2e-45, "mean fill %d n %zu", how, p->n);
    for (size_t i = 0; i < p->n; i++) {
        double v = ((double)x[i] - middle) * factor * (p->scale ? (double)p->scale[i] : 1);
        double want = v + (p->bias ? (double)p->bias[i] : 0);
        EXPECT(y[i], want,
               2e-6 * (fabs(v) + fabs(want)) +
                   1e-7 * factor * most * (p->scale ? fabs((double)p->scale[i]) : 1),
               "norm fill %d n %zu element %zu", how, p->n, i);
    }
}

static void check_norm(const kernel_table *k)
{
    check_random r = {9};
    for (int how = 0; how < FILLS; how++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            for (int form = 0; form < 12; form++) {
                size_t n = sizes[s], rows = n < 400 ? 3 : 1;
                float mean[3], inverse[3];
                rows_norm p = {n, form % 3 ? scale : NULL, form % 3 == 2 ? bias : NULL, 1e-5, form & 4};
                make(input, n * rows, (fill)how, &r);
                make(scale, n, FILL_UNIFORM, &r);
                make(bias, n, FILL_UNIFORM, &r);
                if (how == FILL_TINY || how == FILL_DENORMAL)
                    p.epsilon = 1e-60;
                bool in_place = form & 8;
                if (in_place)
                    memcpy(output, input, n * rows * sizeof *input);
                k->rows.norm(&p, in_place ? output : input, rows, output, mean, inverse);
                for (size_t i = 0; i < rows; i++)
                    expect_norm(k, &p, input + i * n, output + i * n, mean[i], inverse[i], how);
            }
}

static void check_moments(const kernel_table *k)
{
    check_random r = {10};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        float mean[2];
        double sum = 0, squares = 0, n = (double)sizes[s];
        make(input, sizes[s], FILL_SHIFTED, &r);
        for (size_t i = 0; i < sizes[s]; i++)
            sum += (double)input[i];
        for (size_t i = 0; i < sizes[s]; i++)
            squares += ((double)input[i] - sum / n) * ((double)input[i] - sum / n);
        float var = k->rows.moments(input, sizes[s], mean);
        EXPECT((double)mean[0] + (double)mean[1], sum / n, 1e-6, "mean of %zu", sizes[s]);
        EXPECT(var, squares / n, 1e-6 * squares / n + 1e-12, "moment of %zu", sizes[s]);
        k->rows.shift_scale(input, sizes[s], mean, 1.5f, 0.25f, output);
        for (size_t i = 0; i < sizes[s]; i++)
            EXPECT(output[i], ((double)input[i] - sum / n) * 1.5 + 0.25, 1e-6, "shift and scale of %zu",
                   sizes[s]);
    }
}

static void check_each(const kernel_table *k)
{
    check_random r = {11};
    static float centre[100];
    for (size_t n = 1; n < 100; n++) {
        make(input, 2 * n, FILL_UNIFORM, &r);
        make(scale, 2 * n, FILL_UNIFORM, &r);
        make(bias, 2 * n, FILL_UNIFORM, &r);
        make(centre, n, FILL_UNIFORM, &r);
        output[2 * n] = -7;
        k->rows.shift_scale_each(input, 2, n, centre, scale, bias, output);
        for (size_t i = 0; i < 2 * n; i++)
            EXPECT(output[i],
                   ((double)input[i] - (double)centre[i % n]) * (double)scale[i % n] + (double)bias[i % n],
                   4e-6, "element %zu of %zu", i, n);
        assert_true(output[2 * n] == -7);
        for (int three = 0; three < 2; three++) {
            k->rows.add(input, scale, three ? bias : NULL, 2 * n, output);
            for (size_t i = 0; i < 2 * n; i++)
                assert_true(output[i] == (three ? input[i] + scale[i] + bias[i] : input[i] + scale[i]));
            assert_true(output[2 * n] == -7);
        }
    }
}

static void test_norm(void **state)
{
    (void)state;
    at_every_level(check_norm);
    at_every_level(check_moments);
    at_every_level(check_each);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
