/* The other kernels of the GPU against their definitions in double, on one driver. */
#include "rig.h"

TEST_FIXTURE(rig_open, rig_close)

/* ---- Layout -------------------------------------------------------------------------------------------- */

/* A [3, 4] of items transposed, shifted by one place along the last axis, with a border of the fill. */
static void check_layout(uint32_t shift, uint32_t wide)
{
    uint32_t words[LAYOUT_WORDS] = {5, 1, 1, 4, 1, 0}, *source = words + LAYOUT_SOURCE;
    uint8_t from[12 * 8], to[20 * 8], fill[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    size_t item = 4 * wide >> shift;
    gpu_layout_args args = {
        .count = 20, .shift = shift, .wide = wide, .rank = 2, .source_rank = 2, .row = 20, .pitch = 20};
    memcpy(source, (const uint32_t[]){3, 4, 0, 4, 1, UINT32_MAX},
           24); /* places of the source's last axis start at -1 */
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(100 + i);
    gpu_range all[] = {rig_buffer(LAYOUT_WORDS, words), rig_buffer(24, from), rig_buffer(40, NULL),
                       rig_buffer(2, fill)};
    rig_launch(GPU_layout, 4, all, &args, 1, 1, 1);
    all[2].bytes = 20 * item;
    rig_read(all[2], to);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 4; j++) /* at place i - 1 of the last axis and j of the first */
            for (size_t k = 0; k < item; k++) {
                bool inside = j < 3 && i >= 1 && i - 1 < 4;
                assert_int_equal(to[(size_t)(i * 4 + j) * item + k],
                                 inside ? from[(size_t)(j * 4 + i - 1) * item + k] : 9);
            }
    rig_free(4, all);
}

/* Three rows of 8 words, in fours, to the ends of rows of 16. */
static void check_fours(void)
{
    uint32_t words[LAYOUT_WORDS] = {24, 1, 0}, from[24], to[48] = {0};
    const gpu_layout_args args = {
        .count = 6, .wide = 1, .rank = 1, .source_rank = 1, .base = 2, .row = 2, .pitch = 4, .fours = 1};
    for (uint32_t i = 0; i < 24; i++)
        from[i] = 100 + i;
    gpu_range all[] = {rig_buffer(LAYOUT_WORDS, words), rig_buffer(24, from), rig_buffer(48, to),
                       rig_buffer(1, words)};
    rig_launch(GPU_layout, 4, all, &args, 1, 1, 1);
    rig_read(all[2], to);
    for (uint32_t i = 0; i < 48; i++)
        assert_int_equal(to[i], i % 16 < 8 ? 0 : from[i / 16 * 8 + i % 8]);
    rig_free(4, all);
}

TEST(test_layout)
{
    check_fours();
    check_layout(0, 1);
    check_layout(0, 2);
    check_layout(1, 1);
    check_layout(2, 1);
}

/* ---- Sums ---------------------------------------------------------------------------------------------- */

TEST(test_reduce)
{
    enum { OUTER = 3, INNER = 5 };
    static const uint32_t sizes[][2] = {{1, 1}, {7, 4}, {64, 64}, {300, 64}, {300, 8}};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (uint32_t op = PAIR_SUM; op <= PAIR_MAX; op++) {
            const uint32_t n = sizes[s][0], lanes = sizes[s][1], results = REDUCE_THREADS / lanes;
            static float x[OUTER * 300 * INNER];
            float y[OUTER * INNER];
            uint32_t seed = 5;
            gpu_reduce_args args = {op, OUTER * INNER, n, INNER, lanes};
            for (size_t i = 0; i < OUTER * n * INNER; i++)
                x[i] = op == PAIR_PROD ? 1 + rig_float(&seed) / 100 : rig_float(&seed);
            gpu_range all[] = {rig_buffer(OUTER * n * INNER, x), rig_buffer(OUTER * INNER, NULL)};
            rig_launch(GPU_reduce, 2, all, &args, (OUTER * INNER + results - 1) / results, 1, 1);
            rig_read(all[1], y);
            for (size_t i = 0; i < OUTER * INNER; i++) {
                double expected = op == PAIR_PROD  ? 1
                                  : op == PAIR_SUM ? 0
                                  : op == PAIR_MIN ? INFINITY
                                                   : -INFINITY;
                for (size_t q = 0; q < n; q++) {
                    double v = x[(i / INNER * n + q) * INNER + i % INNER];
                    expected = op == PAIR_SUM    ? expected + v
                               : op == PAIR_PROD ? expected * v
                               : op == PAIR_MIN  ? fmin(expected, v)
                                                 : fmax(expected, v);
                }
                assert_true(fabs(y[i] - expected) <= 2e-5 * (1 + fabs(expected)));
            }
            rig_free(2, all);
        }
}

/* ---- Rows ---------------------------------------------------------------------------------------------- */

/* The definition of element i of a line of n elements, `step` apart. */
static double normalized(uint32_t op, const float *line, size_t n, size_t step, size_t i, double epsilon)
{
    double largest = -INFINITY, sum = 0, squares = 0, powers = 0;
    for (size_t k = 0; k < n; k++) {
        sum += (double)line[k * step];
        largest = fmax(largest, (double)line[k * step]);
    }
    const double x = (double)line[i * step], mean = op == ROWS_RMS ? 0 : sum / (double)n;
    for (size_t k = 0; k < n; k++) {
        squares += pow((double)line[k * step] - mean, 2);
        powers += exp((double)line[k * step] - largest);
    }
    if (op <= ROWS_LOG_SOFTMAX)
        return op == ROWS_SOFTMAX ? exp(x - largest) / powers : x - largest - log(powers);
    return (x - mean) / sqrt(squares / (double)n + epsilon);
}

/* Lines [3 * inner] of n elements; norms have two groups with a scale and a bias for each element. */
static void check_rows(uint32_t op, uint32_t n, uint32_t inner, uint32_t lanes, bool cached)
{
    const bool norm = op >= ROWS_NORM;
    const uint32_t lines = 3 * inner, at_once = ROWS_THREADS / lanes;
    const gpu_rows_args args = {.op = op,
                                .type = SIB_F32,
                                .lines = lines,
                                .n = n,
                                .inner = inner,
                                .lanes = lanes,
                                .flags = (norm ? ROWS_SCALE | ROWS_BIAS | ROWS_MEAN | ROWS_INVERSE : 0u) |
                                         (cached ? ROWS_CACHED : 0u),
                                .groups = 2,
                                .group_step = n,
                                .each = 1,
                                .epsilon = 1e-3f};
    static float x[3 * 5 * 3000], y[3 * 5 * 3000], scale[2 * 3000], bias[2 * 3000];
    float inverse[15];
    uint32_t seed = n;
    for (size_t i = 0; i < lines * n; i++)
        x[i] = 3 * rig_float(&seed);
    for (size_t i = 0; i < 2 * n; i++) {
        scale[i] = rig_float(&seed);
        bias[i] = rig_float(&seed);
    }
    gpu_range all[] = {rig_buffer(lines * n, x),    rig_buffer(2 * n, scale), rig_buffer(2 * n, bias),
                       rig_buffer(lines * n, NULL), rig_buffer(lines, NULL),  rig_buffer(lines, NULL)};
    rig_launch(GPU_rows, 6, all, &args, (lines + at_once - 1) / at_once, 1, 1);
    rig_read(all[3], y);
    if (norm)
        rig_read(all[5], inverse);
    for (size_t line = 0; line < lines; line++)
        for (size_t i = 0; i < n; i++) {
            const size_t begin = line / inner * n * inner + line % inner, own = line % 2 * n + i;
            double expected = normalized(op, x + begin, n, inner, i, 1e-3);
            if (norm)
                expected = expected * (double)scale[own] + (double)bias[own];
            if (!(fabs((double)y[begin + i * inner] - expected) <= 1e-5 * (1 + fabs(expected))))
                fail_msg("op %u, line %zu, element %zu is %g, expected %g", op, line, i,
                         (double)y[begin + i * inner], expected);
        }
    for (size_t line = 0; line < lines && op == ROWS_RMS; line++)
        assert_true(inverse[line] > 0.3f && inverse[line] < 3);
    rig_free(6, all);
}

TEST(test_rows)
{
    for (uint32_t op = ROWS_SOFTMAX; op <= ROWS_RMS; op++) {
        check_rows(op, 7, 1, 1, true);
        check_rows(op, 300, 1, 64, true);
        check_rows(op, 130, 1, 16, true);
        check_rows(op, 257, 1, 32, false);
        check_rows(op, 2999, 1, 128, false);
        check_rows(op, 37, 5, 2, false);
        check_rows(op, 37, 5, 8, true);
    }
}

/* What is normalized is x + skip + shift, of which x has one line and skip two, for four lines; the sum is given too. */
TEST(test_rows_of_sums)
{
    enum { N = 150, LINES = 4 };
    float x[N], skip[2 * N], shift[N], sums[LINES * N], y[LINES * N], made[LINES * N];
    uint32_t seed = 9;
    gpu_rows_args args = {.op = ROWS_NORM,
                          .type = SIB_F32,
                          .lines = LINES,
                          .n = N,
                          .inner = 1,
                          .lanes = 8,
                          .flags = ROWS_SKIP | ROWS_SHIFT | ROWS_SUM,
                          .groups = 1,
                          .each = 1,
                          .x_count = N,
                          .skip_count = 2 * N,
                          .epsilon = 1e-5f};
    for (size_t i = 0; i < 2 * N; i++) {
        x[i % N] = 1000 + rig_float(&seed);
        skip[i] = rig_float(&seed);
        shift[i % N] = rig_float(&seed);
    }
    for (size_t i = 0; i < LINES * N; i++)
        sums[i] = x[i % N] + skip[i % (2 * N)] + shift[i % N];
    gpu_range own = rig_buffer(N, x), bytes = rig_buffer(LINES * N, NULL);
    gpu_range all[] = {own,
                       own,
                       own,
                       rig_buffer(LINES * N, NULL),
                       bytes,
                       own,
                       rig_buffer(2 * N, skip),
                       rig_buffer(N, shift)};
    rig_launch(GPU_rows, 8, all, &args, 1, 1, 1);
    rig_read(all[3], y);
    rig_read(bytes, made);
    assert_memory_equal(made, sums, sizeof sums);
    for (size_t i = 0; i < LINES * N; i++) {
        const double expected = normalized(ROWS_NORM, sums + i / N * N, N, 1, i % N, 1e-5);
        assert_true(fabs((double)y[i] - expected) <= 1e-5 * (1 + fabs(expected)));
    }
    rig_free(1, &own);
    rig_free(1, &bytes);
    rig_free(1, all + 3);
    rig_free(2, all + 6);
}

/* ---- Whole sums as bytes ------------------------------------------------------------------------------- */

/* Sums and factors of any size, and some whose result is near a tie, beside float64. */
TEST(test_requantize)
{
    enum { N = 1 << 14 };
    static int32_t x[N], words[7 * N], y[N / 4];
    static double numbers[3][N];
    check_random r = {3};
    for (uint32_t round = 0; round < 12; round++) {
        const bool divides = round & 1, second = round & 2;
        for (size_t i = 0; i < N; i++) {
            const double step = (double)(check_u64(&r) % 600) / 2,
                         exact = ldexp(1, (int)(check_u64(&r) % 80) - 40);
            x[i] = (int32_t)(check_u64(&r) >> (32 + check_u64(&r) % 32));
            numbers[0][i] = i % 2 ? (0.1 + fabs(check_uniform(&r))) * exact : (double)(float)exact;
            numbers[1][i] = second ? 0.5 + fabs(check_uniform(&r)) : 1;
            numbers[2][i] = divides ? (double)(float)(0.5 + fabs(check_uniform(&r))) : 1;
            if (x[i] && i % 4) /* about a whole number and a half */
                numbers[0][i] = (step + 1) * numbers[2][i] / numbers[1][i] / fabs((double)x[i]);
            for (size_t p = 0; p < 3; p++)
                memcpy(words + p * 2 * N + 2 * i, &numbers[p][i], sizeof numbers[p][i]);
            words[6 * N + i] = (int32_t)(check_u64(&r) % 256) - 128;
        }
        const gpu_requantize_args args = {.count = N,
                                          .to = SIB_I8,
                                          .at = {0, 2 * N, 4 * N, 6 * N},
                                          .size = {N, second ? N : 0, divides ? N : 0, N},
                                          .inner = {1, 1, 1, 1}};
        gpu_range all[] = {rig_buffer(N, x), rig_buffer(COUNT(words), words), rig_buffer(N / 4, NULL)};
        rig_launch(GPU_requantize, 3, all, &args, N / 4 / REQUANTIZE_THREADS, 1, 1);
        rig_read(all[2], y);
        for (size_t i = 0; i < N; i++) {
            const double value = (double)x[i] * numbers[0][i] * numbers[1][i] / numbers[2][i];
            const double want = fmax(-128, fmin(127, nearbyint(value) + (double)words[6 * N + i]));
            if ((double)((const int8_t *)y)[i] != want)
                fail_msg("%d times %a, %a over %a is %d, expected %g", (int)x[i], numbers[0][i],
                         numbers[1][i], numbers[2][i], (int)((const int8_t *)y)[i], want);
        }
        rig_free(3, all);
    }
}
