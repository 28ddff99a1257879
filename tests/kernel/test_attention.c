/* The attention kernels of every CPU level that runs here against their definition in double. */
#include "base/cpu.h"
#include "check.h"
#include "kernel/kernel.h"

#include <math.h>

static const cpu_level levels[] = {CPU_C, CPU_AVX2, CPU_AVX512, CPU_NEON};

/* Calls check for the kernels of each level. */
static void at_levels(void (*check)(const attention_kernels *k, const char *level))
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (cpu_level_runs(levels[i])) {
            kernel_table t;
            kernel_table_init(&t, levels[i]);
            check(&t.attention, cpu_level_name(levels[i]));
        }
}

static void draw(check_random *r, float *x, size_t n, double size)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(check_uniform(r) * size);
}

static void expect(const char *level, const char *what, size_t at, double got, double want, double size)
{
    bool same = got == want || (isnan(got) && isnan(want));
    if (!same && !(fabs(got - want) <= 2e-6 * size))
        fail_msg("%s: %s: element %zu is %.9g, expected %.9g", level, what, at, got, want);
}

#define MAX_N  ATTENTION_KEYS
#define MAX_D  70
#define STRIDE 73

static float x[MAX_N * STRIDE], packed[MAX_N * (MAX_D + 16)], queries[MAX_D * ATTENTION_MAX_NR],
    s[MAX_N * ATTENTION_MAX_NR], y[(MAX_D + 16) * ATTENTION_MAX_NR];

static void check_packs(const attention_kernels *k, const char *level)
{
    check_random r = {3};
    const size_t counts[] = {1, 5, 16, 33, MAX_N}, widths[] = {1, 7, 16, 64, MAX_D};
    draw(&r, x, MAX_N * STRIDE, 1);
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++) {
            size_t n = counts[a], d = widths[b], up = (n + k->mr - 1) / k->mr * k->mr;
            k->pack_keys(x, STRIDE, n, d, packed);
            for (size_t j = 0; j < up; j++)
                for (size_t p = 0; p < d; p++)
                    expect(level, "pack_keys", j, packed[(j / k->mr * d + p) * k->mr + j % k->mr],
                           j < n ? x[j * STRIDE + p] : 0, 0);
            k->pack_values(x, STRIDE, n, d, packed);
            for (size_t c = 0; c < (d + k->mr - 1) / k->mr * k->mr; c++)
                for (size_t j = 0; j < n; j++)
                    expect(level, "pack_values", c, packed[(c / k->mr * n + j) * k->mr + c % k->mr],
                           c < d ? x[j * STRIDE + c] : 0, 0);
        }
    x[3 * STRIDE + 5] = INFINITY;
    x[9 * STRIDE + 40] = NAN;
    assert_false(k->finite(x, STRIDE, 5, 7));
    assert_true(k->finite(x, STRIDE, 5, 5));
    assert_true(k->finite(x, STRIDE, 3, MAX_D));
    assert_false(k->finite(x + 4 * STRIDE, STRIDE, 6, 41));
    assert_true(k->finite(x + 4 * STRIDE, STRIDE, 6, 40));
}

/* A block from packing to result, with and without a block before it, against softmax in double. */
static void check_block(const attention_kernels *k, const char *level, size_t lanes, size_t n, size_t d,
                        bool masked)
{
    check_random r = {lanes * 1000 + n};
    static float v[MAX_N * STRIDE], bias[ATTENTION_MAX_NR][MAX_N], out[ATTENTION_MAX_NR][MAX_D],
        q[ATTENTION_MAX_NR][MAX_D];
    const float *rows[ATTENTION_MAX_NR];
    float *outs[ATTENTION_MAX_NR], largest[ATTENTION_MAX_NR], before[ATTENTION_MAX_NR],
        sum[ATTENTION_MAX_NR] = {0}, factor[ATTENTION_MAX_NR], spare[ATTENTION_MAX_NR] = {0};
    size_t vectors = (lanes + k->lanes - 1) / k->lanes;
    attention_mask m = {.bias_step = 1, .limited = true, .hidden = -INFINITY, .softcap = 2};
    draw(&r, x, MAX_N * STRIDE, 1.5);
    draw(&r, v, MAX_N * STRIDE, 1);
    for (size_t i = 0; i < ATTENTION_MAX_NR; i++) {
        draw(&r, q[i], MAX_D, 1.5);
        draw(&r, bias[i], MAX_N, 1);
        rows[i] = q[i];
        outs[i] = out[i];
        m.bias[i] = bias[i];
        m.first[i] = (float)(i % 3);
        m.last[i] = (float)(n - 1 - i % 2 * (n > 3));
        largest[i] = before[i] = -3.4028234663852886e38f;
    }
    k->pack_queries(rows, lanes, d, 0.25f, queries);
    for (int block = 0; block < 2; block++) { /* the same keys twice: the same result */
        memcpy(before, largest, sizeof before);
        k->pack_keys(x, STRIDE, n, d, packed);
        k->scores(packed, queries, d, n, vectors, s, masked ? spare : largest);
        if (masked)
            k->mask(s, n, vectors, &m, largest);
        k->exponentials(s, n, vectors, before, largest, sum, factor);
        k->pack_values(v, STRIDE, n, d, packed);
        k->weigh(packed, s, n, d, vectors, block ? factor : NULL, y);
    }
    k->give(y, sum, lanes, d, outs);
    for (size_t i = 0; i < lanes; i++) {
        double most = -INFINITY, total = 0, want[MAX_D] = {0}, e[MAX_N];
        for (size_t j = 0; j < n; j++) {
            e[j] = 0;
            for (size_t p = 0; p < d; p++)
                e[j] += 0.25 * (double)q[i][p] * (double)x[j * STRIDE + p];
            if (masked) {
                e[j] = 2 * tanh(e[j] / 2) + (double)bias[i][j];
                if ((double)j < (double)m.first[i] || (double)j > (double)m.last[i])
                    e[j] = -INFINITY;
            }
            most = e[j] > most ? e[j] : most;
        }
        for (size_t j = 0; j < n; j++) {
            e[j] = most > -INFINITY ? exp(e[j] - most) : NAN;
            total += e[j];
            for (size_t p = 0; p < d; p++)
                want[p] += e[j] * (double)v[j * STRIDE + p];
        }
        float few_largest = -3.4028234663852886e38f, few_sum = 0, few_y[MAX_D] = {0}, scaled[MAX_D];
        attention_mask own = m;
        own.bias[0] = bias[i];
        own.first[0] = m.first[i];
        own.last[0] = m.last[i];
        for (size_t p = 0; p < d; p++)
            scaled[p] = q[i][p] * 0.25f;
        attention_row row = {scaled,       x,        v,    STRIDE, STRIDE, n, d, d, masked ? &own : NULL,
                             &few_largest, &few_sum, few_y};
        k->row(&row);
        k->row(&row);
        for (size_t p = 0; p < d; p++) {
            expect(level, "block", i * d + p, out[i][p], want[p] / total, 1);
            expect(level, "row", i * d + p, few_y[p] / few_sum, want[p] / total, 1);
        }
    }
}

static void check_blocks(const attention_kernels *k, const char *level)
{
    const size_t counts[] = {1, 3, 8, 17, 100, MAX_N}, widths[] = {1, 7, 16, 64, MAX_D};
    for (size_t a = 0; a < 6; a++)
        for (size_t b = 0; b < 5; b++)
            for (int masked = 0; masked < 2; masked++) {
                check_block(k, level, 1, counts[a], widths[b], masked);
                check_block(k, level, k->nr, counts[a], widths[b], masked);
                check_block(k, level, k->lanes + 1 < k->nr ? k->lanes + 1 : 2, counts[a], widths[b], masked);
            }
}

/* ---- Small calls -------------------------------------------------------------------------------------------- */

typedef struct small_row {
    size_t n, keys, d, dv; /* n: 0 for all lanes */
    bool bias, shared, limited;
    float softcap;
} small_row;

static const small_row small_rows[] = {
    {1, 1, 1, 1, false, false, false, 0},   {9, 9, 8, 8, true, true, false, 0},
    {0, 17, 16, 16, false, false, true, 0}, {0, 33, 33, 35, true, false, true, 2},
    {3, 12, 7, 20, true, false, false, 0},  {7, 5, 70, 3, false, false, false, 1.5f},
};

/* NaN and infinities among keys, values and biases come out as the arithmetic has them. */
static double small_score(const attention_small *a, const attention_mask *m, size_t i, size_t j)
{
    double e = 0;
    for (size_t p = 0; p < a->d; p++)
        e += (double)a->scale * (double)a->q[i][p] * (double)a->k[j * a->k_row + p];
    if (m->softcap != 0)
        e = (double)m->softcap * tanh(e / (double)m->softcap);
    if (m->bias[0])
        e += (double)m->bias[m->bias_shared ? 0 : i][j];
    if (m->limited && ((double)j < (double)m->first[i] || (double)j > (double)m->last[i]))
        e += -INFINITY;
    return e;
}

static void expect_small(const char *level, const attention_small *a, const attention_mask *m,
                         const float *sums)
{
    for (size_t i = 0; i < a->n; i++) {
        double e[MAX_N], most = -3.4028234663852886e38, sum = 0;
        for (size_t j = 0; j < a->keys; j++) {
            e[j] = small_score(a, m, i, j);
            most = e[j] > most ? e[j] : most;
        }
        for (size_t j = 0; j < a->keys; j++)
            sum += e[j] = exp(e[j] - most);
        expect(level, "small sums", i, sums[i], sum, 10 * sum);
        for (size_t c = 0; c < a->dv; c++) {
            double want = 0;
            for (size_t j = 0; j < a->keys; j++)
                want += e[j] * (double)a->v[j * a->v_row + c];
            expect(level, "small", i * a->dv + c, a->y[i][c], want / sum, 1);
            a->y[i][c] = 77;
        }
        assert_true(a->y[i][a->dv] == 77); /* not written */
    }
}

static void check_small_row(const attention_kernels *k, const char *level, const small_row *r)
{
    check_random random = {r->keys + r->d};
    static float v[MAX_N * STRIDE], q[ATTENTION_MAX_NR][STRIDE], out[ATTENTION_MAX_NR][STRIDE],
        bias[ATTENTION_MAX_NR][MAX_N], work[ATTENTION_MAX_NR * 3 * MAX_N];
    float *outs[ATTENTION_MAX_NR], sums[ATTENTION_MAX_NR];
    const float *rows[ATTENTION_MAX_NR];
    attention_mask m = {.bias_step = 1,
                        .bias_shared = r->shared,
                        .limited = r->limited,
                        .hidden = -INFINITY,
                        .softcap = r->softcap};
    attention_small a = {.q = rows,
                         .y = outs,
                         .n = !r->n || r->n > k->lanes ? k->lanes : r->n,
                         .k = x,
                         .v = v,
                         .k_row = STRIDE,
                         .v_row = STRIDE,
                         .keys = r->keys,
                         .d = r->d,
                         .dv = r->dv,
                         .scale = 0.3f,
                         .work = work};
    draw(&random, x, MAX_N * STRIDE, 1.5);
    draw(&random, v, MAX_N * STRIDE, 1);
    for (size_t i = 0; i < k->lanes; i++) {
        draw(&random, q[i], STRIDE, 1.5);
        draw(&random, bias[i], MAX_N, 1);
        rows[i] = q[i];
        outs[i] = out[i];
        out[i][r->dv] = 77;
        m.bias[i] = r->bias ? bias[i] : NULL;
        m.first[i] = (float)(i % 2);
        m.last[i] = (float)(r->keys - 1 - i % 3);
    }
    bool masked = r->bias || r->limited || r->softcap != 0;
    a.mask = masked ? &m : NULL;
    k->small(&a, sums);
    expect_small(level, &a, &m, sums);
    bias[0][0] = -INFINITY;
    v[0] = NAN; /* 0 times it is NaN too */
    x[(r->keys - 1) * STRIDE] = INFINITY;
    if (!r->softcap) {
        k->small(&a, sums);
        expect_small(level, &a, &m, sums);
    }
}

static void check_small(const attention_kernels *k, const char *level)
{
    for (size_t i = 0; i < sizeof small_rows / sizeof *small_rows; i++)
        check_small_row(k, level, &small_rows[i]);
}

static void test_small(void **state)
{
    (void)state;
    at_levels(check_small);
}

/* e^(score - largest) over the whole range, and what is no number. */
static void check_exponentials(const attention_kernels *k, const char *level)
{
    static const float special[] = {0,  -0.0f, -1e-40f, -87, -88.5f, -200, -INFINITY, -3.4028234663852886e38f,
                                    NAN};
    float largest[ATTENTION_MAX_NR], sum[ATTENTION_MAX_NR] = {0}, factor[ATTENTION_MAX_NR];
    check_random r = {8};
    for (size_t i = 0; i < ATTENTION_MAX_NR; i++)
        largest[i] = i % 2 ? 3.0f : 0.0f;
    for (size_t j = 0; j < MAX_N; j++)
        for (size_t i = 0; i < k->nr; i++)
            s[j * k->nr + i] = largest[i] + (j < 9 ? special[j] : (float)(check_uniform(&r) * 50 - 50));
    memcpy(x, s, sizeof s);
    k->exponentials(s, MAX_N, k->nr / k->lanes, largest, largest, sum, factor);
    for (size_t j = 0; j < MAX_N * k->nr; j++) {
        double below = (double)x[j] - (double)largest[j % k->nr], want = exp(below);
        expect(level, "exponentials", j, s[j], want, (want > 0 ? want * (0.1 - 0.05 * below) : 0) + 1e-32);
    }
}

static void test_packs(void **state)
{
    (void)state;
    at_levels(check_packs);
}

static void test_blocks(void **state)
{
    (void)state;
    at_levels(check_blocks);
}

static void test_exponentials(void **state)
{
    (void)state;
    at_levels(check_exponentials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_packs), cmocka_unit_test(test_blocks),
                                       cmocka_unit_test(test_small), cmocka_unit_test(test_exponentials)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
