/* The recurrent kernels of every CPU level that runs here against their definition in double. */
#include "base/cpu.h"
#include "check.h"
#include "kernel/kernel.h"

#include <math.h>

#define MAX_H    40
#define MAX_ROWS 14
#define MAX_WIDE 64

static float w[4 * MAX_H * MAX_H], packed[4 * MAX_WIDE * MAX_H], hidden_packed[MAX_WIDE * MAX_H],
    bias[4 * MAX_WIDE], x[MAX_ROWS * MAX_H], projected[MAX_ROWS * 4 * MAX_WIDE], h[MAX_ROWS * MAX_WIDE],
    c[MAX_ROWS * MAX_WIDE], new_h[MAX_ROWS * MAX_WIDE], new_c[MAX_ROWS * MAX_WIDE],
    spare[2 * MAX_ROWS * MAX_WIDE], peep[3 * MAX_WIDE], b_hidden[MAX_WIDE];

static void draw(check_random *r, float *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (float)check_uniform(r);
}

static void expect(const char *level, const char *what, size_t at, double got, double want)
{
    if (!(fabs(got - want) <= 2e-6 * (1 + fabs(want))))
        fail_msg("%s: %s: element %zu is %.9g, expected %.9g", level, what, at, got, want);
}

/* recurrent_pack for any level. */
static void pack(size_t lanes, size_t hidden, size_t k, size_t first, size_t nv, float *dst)
{
    for (size_t neuron = 0; neuron < hidden; neuron += lanes)
        for (size_t p = 0; p < k; p++)
            for (size_t g = 0; g < nv; g++)
                for (size_t i = 0; i < lanes; i++)
                    *dst++ = neuron + i < hidden ? w[((first + g) * hidden + neuron + i) * k + p] : 0.0f;
}

/* sum over p of w[gate][neuron][p] a[p] */
static double dot(size_t gate, size_t neuron, size_t hidden, const double *a)
{
    double sum = 0;
    for (size_t p = 0; p < hidden; p++)
        sum += (double)w[(gate * hidden + neuron) * hidden + p] * a[p];
    return sum;
}

static double sigmoid(double v)
{
    return 1 / (1 + exp(-v));
}

static double clipped(const recurrent_cell *cell, double v)
{
    return v > (double)cell->clip ? (double)cell->clip : v < -(double)cell->clip ? -(double)cell->clip : v;
}

/* Gate g of neuron i as the projection has it. */
static double from_x(const recurrent_kernels *k, const recurrent_rows *o, size_t row, size_t nv, size_t g,
                     size_t i)
{
    return o->x[row * o->ldx + i / k->lanes * nv * k->lanes + g * k->lanes + i % k->lanes];
}

static void check_lstm(const recurrent_kernels *k, const char *level, const recurrent_cell *cell,
                       const recurrent_rows *o)
{
    size_t n = cell->hidden, wide = cell->panels * k->lanes;
    k->lstm(cell, o);
    for (size_t row = 0; row < o->rows; row++) {
        double old[MAX_H];
        for (size_t p = 0; p < n; p++)
            old[p] = h[row * wide + p];
        for (size_t i = 0; i < n; i++) {
            double g[4], was = c[row * wide + i];
            for (size_t q = 0; q < 4; q++)
                g[q] = from_x(k, o, row, 4, q, i) + dot(q, i, n, old);
            double in = sigmoid(clipped(cell, g[0] + (cell->peep[0] ? (double)cell->peep[0][i] * was : 0)));
            double f = sigmoid(clipped(cell, g[2] + (cell->peep[2] ? (double)cell->peep[2][i] * was : 0)));
            double now = (cell->coupled ? 1 - in : f) * was + in * tanh(clipped(cell, g[3]));
            double out = sigmoid(clipped(cell, g[1] + (cell->peep[1] ? (double)cell->peep[1][i] * now : 0)));
            expect(level, "lstm c", row * n + i, new_c[row * wide + i], now);
            expect(level, "lstm h", row * n + i, new_h[row * wide + i], out * tanh(now));
        }
    }
}

static void check_gru(const recurrent_kernels *k, const char *level, const recurrent_cell *cell,
                      const recurrent_rows *o)
{
    size_t n = cell->hidden, wide = cell->panels * k->lanes;
    k->gru(cell, o);
    for (size_t row = 0; row < o->rows; row++) {
        double old[MAX_H], reset[MAX_H], kept[MAX_H];
        for (size_t p = 0; p < n; p++)
            old[p] = h[row * wide + p];
        for (size_t i = 0; i < n; i++) {
            reset[i] = sigmoid(clipped(cell, from_x(k, o, row, 3, 1, i) + dot(1, i, n, old)));
            kept[i] = reset[i] * old[i];
        }
        for (size_t i = 0; i < n; i++) {
            double z = sigmoid(clipped(cell, from_x(k, o, row, 3, 0, i) + dot(0, i, n, old)));
            double rest =
                cell->r_hidden
                    ? dot(2, i, n, kept)
                    : reset[i] * (dot(2, i, n, old) + (cell->b_hidden ? (double)cell->b_hidden[i] : 0));
            double fresh = tanh(clipped(cell, from_x(k, o, row, 3, 2, i) + rest));
            expect(level, "gru", row * n + i, new_h[row * wide + i], (1 - z) * fresh + z * old[i]);
        }
    }
}

static void check_rnn(const recurrent_kernels *k, const char *level, recurrent_cell *cell,
                      const recurrent_rows *o)
{
    size_t n = cell->hidden, wide = cell->panels * k->lanes;
    cell->f[0] = (recurrent_gate){.function = RECURRENT_HARD_SIGMOID, .alpha = 0.3f, .beta = 0.4f};
    k->rnn(cell, o);
    for (size_t row = 0; row < o->rows; row++) {
        double old[MAX_H];
        for (size_t p = 0; p < n; p++)
            old[p] = h[row * wide + p];
        for (size_t i = 0; i < n; i++) {
            double v = clipped(cell, from_x(k, o, row, 1, 0, i) + dot(0, i, n, old)) * 0.3 + 0.4;
            expect(level, "rnn", row * n + i, new_h[row * wide + i], v < 0 ? 0 : v > 1 ? 1 : v);
        }
    }
}

/* Projections of `rows` rows, then a step of each cell from them. */
static void check_size(const recurrent_kernels *k, const char *level, size_t n, size_t rows, int variant)
{
    check_random r = {n * 100 + rows};
    size_t panels = (n + k->lanes - 1) / k->lanes, wide = panels * k->lanes;
    draw(&r, x, MAX_ROWS * MAX_H);
    draw(&r, h, MAX_ROWS * MAX_WIDE);
    draw(&r, c, MAX_ROWS * MAX_WIDE);
    draw(&r, peep, 3 * MAX_WIDE);
    draw(&r, b_hidden, MAX_WIDE);
    recurrent_cell cell = {.hidden = n,
                           .panels = panels,
                           .r = packed,
                           .clip = variant ? 0.5f : INFINITY,
                           .coupled = variant == 2};
    cell.f[1] = cell.f[2] = (recurrent_gate){.function = RECURRENT_TANH};
    for (size_t i = 0; variant && i < 3; i++)
        cell.peep[i] = peep + i * MAX_WIDE;
    for (size_t gates = 1; gates <= 4; gates++) {
        draw(&r, w, gates * n * n);
        draw(&r, bias, gates * wide);
        pack(k->lanes, n, n, 0, gates, packed);
        k->project(x, MAX_H, rows, n, packed, panels, gates, bias, projected);
        recurrent_rows o = {.rows = rows,
                            .x = projected,
                            .ldx = gates * wide,
                            .h = h,
                            .c = c,
                            .new_h = new_h,
                            .new_c = new_c,
                            .spare = spare};
        for (size_t row = 0; row < rows; row++)
            for (size_t g = 0; g < gates; g++)
                for (size_t i = 0; i < n; i++) {
                    double in[MAX_H];
                    for (size_t p = 0; p < n; p++)
                        in[p] = x[row * MAX_H + p];
                    double b = bias[i / k->lanes * gates * k->lanes + g * k->lanes + i % k->lanes];
                    expect(level, "project", i, from_x(k, &o, row, gates, g, i), b + dot(g, i, n, in));
                }
        if (gates == 4)
            check_lstm(k, level, &cell, &o);
        if (gates == 3) {
            cell.b_hidden = variant ? b_hidden : NULL;
            check_gru(k, level, &cell, &o);
            pack(k->lanes, n, n, 0, 2, packed);
            pack(k->lanes, n, n, 2, 1, hidden_packed);
            cell.r_hidden = hidden_packed;
            check_gru(k, level, &cell, &o);
        }
        if (gates == 1) {
            check_rnn(k, level, &cell, &o);
            cell.f[0] = (recurrent_gate){.function = RECURRENT_SIGMOID};
        }
    }
}

static void test_cells(void **state)
{
    (void)state;
    static const cpu_level levels[] = {CPU_C, CPU_AVX2, CPU_AVX512, CPU_NEON};
    static const size_t sizes[] = {1, 7, 16, 33, MAX_H}, rows[] = {1, 2, 3, 6, 7, MAX_ROWS};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        for (size_t a = 0; cpu_level_runs(levels[i]) && a < 5; a++)
            for (size_t b = 0; b < 6; b++)
                for (int variant = 0; variant < 3; variant++) {
                    kernel_table t;
                    kernel_table_init(&t, levels[i]);
                    check_size(&t.recurrent, cpu_level_name(levels[i]), sizes[a], rows[b], variant);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
