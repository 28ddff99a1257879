/* The kernels of the GPU against their definitions in double, on one driver. */
#include "base/alloc.h"
#include "rig.h"

TEST_FIXTURE(rig_open, rig_close)

/* ---- Chains -------------------------------------------------------------------------------------------- */

typedef struct program {
    uint32_t words[CHAIN_CODE + 16 * CHAIN_WORDS];
    gpu_chain_args args;
} program;

static void add(program *p, uint32_t op, uint32_t type, uint32_t to, uint32_t result, uint32_t a, uint32_t b,
                uint32_t c)
{
    const uint32_t words[] = {op, type, to, result, a, b, c, 0};
    memcpy(p->words + CHAIN_CODE + CHAIN_WORDS * p->args.instructions++, words, sizeof words);
}

/* Runs p with operands (n) in buffers 1 to n and the result in the next one. */
static void run(program *p, size_t n, const gpu_range *operands, gpu_range result)
{
    gpu_range all[8] = {rig_buffer(COUNT(p->words), p->words)};
    memcpy(all + 1, operands, n * sizeof *all);
    all[n + 1] = result;
    rig_launch(GPU_chain, n + 2, all, &p->args, (p->args.count + 255) / 256, 1, 1);
    rig_free(1, all);
}

static double tanh_1(double x)
{
    return 2 / (1 + exp(-2 * x));
}

static double erf_1(double x)
{
    return erfc(-x);
}

static const struct {
    uint32_t op;
    double (*of)(double);
    double low, high, ulps, absolute; /* max error: units in the last place, or absolute */
} functions[] = {
    {CHAIN_EXP, exp, -110, 95, 3, 0},         {CHAIN_LOG, log, 0, 1e30, 3, 0},
    {CHAIN_SIN, sin, -10000, 10000, 3, 3e-7}, {CHAIN_COS, cos, -10000, 10000, 3, 3e-7},
    {CHAIN_SIN, sin, -1e30, 1e30, 3, 3e-7},   {CHAIN_COS, cos, -3e38, 3e38, 3, 3e-7},
    {CHAIN_SIN, sin, -1e5, 1e5, 3, 3e-7},     {CHAIN_TAN, tan, -1.5, 1.5, 6, 3e-7},
    {CHAIN_ASIN, asin, -1, 1, 6, 0},          {CHAIN_ACOS, acos, -1, 1, 6, 3e-7},
    {CHAIN_ATAN, atan, -50, 50, 6, 0},        {CHAIN_SINH, sinh, -90, 90, 60, 0},
    {CHAIN_COSH, cosh, -90, 90, 60, 0},       {CHAIN_TANH, tanh, -12, 12, 6, 0},
    {CHAIN_ASINH, asinh, -1e3, 1e3, 8, 0},    {CHAIN_ACOSH, acosh, 1, 1e3, 8, 0},
    {CHAIN_ATANH, atanh, -1, 1, 8, 0},        {CHAIN_ERF, erf, -5, 5, 6, 0},
    {CHAIN_TANH_1, tanh_1, -40, 40, 8, 0},    {CHAIN_ERF_1, erf_1, -9, 9, 80, 0},
    {CHAIN_LOG1P, log1p, -1, 50, 6, 0},       {CHAIN_EXPM1, expm1, -50, 90, 6, 0},
    {CHAIN_SQRT, sqrt, 0, 1e30, 3, 0},        {CHAIN_FLOOR, floor, -1e3, 1e3, 0, 0},
    {CHAIN_CEIL, ceil, -1e3, 1e3, 0, 0},      {CHAIN_ROUND, nearbyint, -1e3, 1e3, 0, 0},
    {CHAIN_ABS, fabs, -1e3, 1e3, 0, 0},
};

static const float edges[] = {0.0f,      -0.0f, 1.0f, -1.0f, 0.5f,    -0.5f, 1.5f,       2.5f,     INFINITY,
                              -INFINITY, NAN,   3.0f, 89.5f, -104.5f, 1e-6f, 1.5707964f, 1.18e-38f};

static void expect_close(size_t f, float x, float made)
{
    const double expected = functions[f].of((double)x);
    const float rounded = (float)expected;
    const double unit = nextafterf(fabsf(rounded), INFINITY) - fabs((double)rounded);
    if (isnan(expected) ? isnan(made)
        : isinf(rounded) || isinf(made)
            ? made == rounded
            : fabs(made - expected) <= fmax(functions[f].ulps * unit, functions[f].absolute) + 1e-37)
        return;
    fail_msg("operation %u of %.9g gives %.9g, expected %.9g", functions[f].op, (double)x, (double)made,
             expected);
}

TEST(test_functions)
{
    enum { N = 1000 };
    for (size_t f = 0; f < COUNT(functions); f++) {
        float x[N], y[N];
        uint32_t seed = 7;
        program p = {.args = {.count = N - 1}};
        for (size_t i = 0; i < N; i++) {
            double half = (rig_float(&seed) + 1) / 2;
            x[i] = i < COUNT(edges)
                       ? edges[i]
                       : (float)(functions[f].low + half * (functions[f].high - functions[f].low));
        }
        gpu_range in = rig_buffer(N, x), out = rig_buffer(N, x);
        add(&p, CHAIN_LOAD, SIB_F32, SIB_F32, 0, 1, 0, 0);
        add(&p, functions[f].op, SIB_F32, SIB_F32, 1, 0, 0, 0);
        add(&p, CHAIN_STORE, SIB_F32, SIB_F32, 1, 2, 0, 0);
        run(&p, 1, &in, out);
        rig_read(out, y);
        for (size_t i = 0; i < N - 1; i++)
            expect_close(f, x[i], y[i]);
        assert_true(y[N - 1] == x[N - 1]); /* after the end nothing is written */
        rig_free(1, &in);
        rig_free(1, &out);
    }
}

/* Every 16-bit float, widened and rounded again. */
TEST(test_narrow_floats)
{
    static const uint32_t types[] = {SIB_F16, SIB_BF16};
    for (size_t t = 0; t < 2; t++) {
        static uint16_t halves[65536], back[65536];
        static float wide[65536], expected[65536];
        sib_error err = SIB_ERROR_INIT;
        program p = {.args = {.count = 65536}};
        for (size_t i = 0; i < 65536; i++)
            halves[i] = (uint16_t)i;
        gpu_range in = rig_buffer(32768, halves), out[2] = {rig_buffer(65536, NULL), rig_buffer(32768, NULL)};
        gpu_range all[] = {in, out[0]};
        add(&p, CHAIN_LOAD, types[t], types[t], 0, 1, 0, 0);
        add(&p, CHAIN_CAST, types[t], SIB_F32, 1, 0, 0, 0);
        add(&p, CHAIN_STORE, SIB_F32, SIB_F32, 1, 2, 0, 0);
        add(&p, CHAIN_CAST, SIB_F32, types[t], 2, 1, 0, 0);
        add(&p, CHAIN_STORE, types[t], types[t], 2, 3, 0, 0);
        run(&p, 2, all, out[1]);
        rig_read(out[0], wide);
        rig_read(out[1], back);
        CHECK_OK(sib_convert(types[t], halves, SIB_F32, expected, 65536, SIB_OVERFLOW_IEEE, &err), err);
        for (size_t i = 0; i < 65536; i++) {
            assert_true(isnan(expected[i]) ? isnan(wide[i]) : wide[i] == expected[i]);
            assert_true(isnan(expected[i]) || back[i] == halves[i]);
        }
        rig_free(1, &in);
        rig_free(2, out);
    }
}

/* Float32 of every exponent, rounded to 16 bits as the host rounds. */
TEST(test_narrowing)
{
    enum { N = 4096 };
    static const uint32_t types[] = {SIB_F16, SIB_BF16};
    for (size_t t = 0; t < 2; t++) {
        static uint32_t bits[N];
        static uint16_t made[N], expected[N];
        sib_error err = SIB_ERROR_INIT;
        program p = {.args = {.count = N}};
        for (uint32_t i = 0; i < N; i++)
            bits[i] = (i << 20) | (i * 2654435761u >> 12 & (i % 3 ? 0xfffff : 0x11000));
        gpu_range in = rig_buffer(N, bits), out = rig_buffer(N / 2, NULL);
        add(&p, CHAIN_LOAD, SIB_F32, SIB_F32, 0, 1, 0, 0);
        add(&p, CHAIN_CAST, SIB_F32, types[t], 1, 0, 0, 0);
        add(&p, CHAIN_STORE, types[t], types[t], 1, 2, 0, 0);
        run(&p, 1, &in, out);
        rig_read(out, made);
        CHECK_OK(sib_convert(SIB_F32, bits, types[t], expected, N, SIB_OVERFLOW_IEEE, &err), err);
        for (size_t i = 0; i < N; i++)
            if (made[i] != expected[i] && (bits[i] & 0x7fffffff) <= 0x7f800000)
                fail_msg("%08x gives %04x, expected %04x", bits[i], made[i], expected[i]);
        rig_free(1, &in);
        rig_free(1, &out);
    }
}

/* a [2, 3, 5] * b [3, 1] < c [], as bool; the last word is not full. */
TEST(test_broadcast)
{
    float a[30], b[3] = {1, -2, 3}, c = 0.25f;
    uint8_t made[32];
    program p = {.args = {.count = 30, .rank = 3, .broadcasts = 1 << 2 | 1 << 3}};
    for (size_t i = 0; i < 30; i++)
        a[i] = (float)i - 14;
    memcpy(p.words, (const uint32_t[]){2, 3, 5}, 12);
    p.words[CHAIN_STRIDES + 2 * CHAIN_RANK + 1] = 1;
    gpu_range in[] = {rig_buffer(30, a), rig_buffer(3, b), rig_buffer(1, &c)}, out = rig_buffer(8, NULL);
    for (uint32_t i = 0; i < 3; i++)
        add(&p, CHAIN_LOAD, SIB_F32, SIB_F32, i, i + 1, 0, 0);
    add(&p, CHAIN_MUL, SIB_F32, SIB_F32, 0, 0, 1, 0);
    add(&p, CHAIN_LESS, SIB_F32, SIB_BOOL, 0, 0, 2, 0);
    add(&p, CHAIN_STORE, SIB_BOOL, SIB_BOOL, 0, 4, 0, 0);
    run(&p, 3, in, out);
    rig_read(out, made);
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(made[i], a[i] * b[i / 5 % 3] < c);
    rig_free(3, in);
    rig_free(1, &out);
}

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

TEST(test_layout)
{
    check_layout(0, 1);
    check_layout(0, 2);
    check_layout(1, 1);
    check_layout(2, 1);
}

/* ---- Sums ---------------------------------------------------------------------------------------------- */

TEST(test_matmul)
{
    static const uint32_t sizes[][3] = {{1, 1, 1},    {5, 7, 3},    {32, 32, 16},
                                        {33, 65, 40}, {4, 100, 17}, {70, 2, 129}};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        const uint32_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        static float a[2 * 70 * 129], b[129 * 100], c[2 * 70 * 100];
        uint32_t seed = 3;
        /* two batches of a, one b, which is transposed in memory */
        gpu_matmul_args args = {.type = SIB_F32,
                                .m = m,
                                .n = n,
                                .k = k,
                                .inner = 2,
                                .a_inner = m * k,
                                .a_row = k,
                                .a_column = 1,
                                .b_row = 1,
                                .b_column = k,
                                .a_type = SIB_F32,
                                .b_type = SIB_F32};
        for (size_t i = 0; i < 2 * m * k; i++)
            a[i] = rig_float(&seed);
        for (size_t i = 0; i < n * k; i++)
            b[i] = rig_float(&seed);
        gpu_range all[] = {rig_buffer(2 * m * k, a), rig_buffer(n * k, b), rig_buffer(2 * m * n, NULL)};
        rig_launch(GPU_matmul, 3, all, &args, (n + TILE_SIDE - 1) / TILE_SIDE,
                   (m + TILE_SIDE - 1) / TILE_SIDE, 2);
        rig_read(all[2], c);
        for (size_t i = 0; i < 2 * m; i++)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t q = 0; q < k; q++)
                    sum += (double)a[i * k + q] * b[j * k + q];
                assert_true(fabs(c[i * n + j] - sum) <= 1e-5 * (1 + fabs(sum)));
            }
        rig_free(3, all);
    }
}

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

/* ---- Windows ------------------------------------------------------------------------------------------- */

/* Two images of planes [7, 5] or [1, 35] in two groups of `c` channels, `m` features; taps [3, 2] or [1, 3]. */
static gpu_window_args window_args(uint32_t op, uint32_t m, uint32_t c, bool flat)
{
    gpu_window_args a = {.op = op,
                         .type = SIB_F32,
                         .m = m,
                         .c = c,
                         .groups = 2,
                         .slope = 0.5f,
                         .low = -1,
                         .high = 2,
                         .size = {1, flat ? 1 : 7, flat ? 35 : 5},
                         .taps = {1, flat ? 1 : 3, flat ? 3 : 2},
                         .stride = {1, flat ? 1 : 2, 1},
                         .dilation = {1, flat ? 1 : 2, 1},
                         .before = {0, flat ? 0 : 1, 1},
                         .after = {0, flat ? 0 : 1, 0}};
    a.count = 2 * 2 * m;
    for (size_t d = 0; d < 3; d++) {
        const uint32_t extent = (a.taps[d] - 1) * a.dilation[d] + 1;
        a.made[d] = op == WINDOW_TRANSPOSED
                        ? (a.size[d] - 1) * a.stride[d] + extent - a.before[d]
                        : (a.size[d] + a.before[d] + a.after[d] - extent) / a.stride[d] + 1;
        a.count *= a.made[d];
    }
    if (op == WINDOW_TRANSPOSED) /* between taps that meet, of stride 2: each one at dilation 2 */
        memcpy(a.after, (uint32_t[]){1, 1, 1}, sizeof a.after);
    if (op <= WINDOW_TRANSPOSED)
        a.flags = WINDOW_BIAS | WINDOW_SUM;
    return a;
}

/* Where tap t of output element o of axis d is in the image; -1 where it is not. */
static int64_t window_at(const gpu_window_args *a, size_t d, uint32_t o, uint32_t t)
{
    int64_t at = (int64_t)o * a->stride[d] + t * a->dilation[d] - a->before[d];
    if (a->op == WINDOW_TRANSPOSED) {
        at = (int64_t)o + a->before[d] - t * a->dilation[d];
        at = at % a->stride[d] ? -1 : at / a->stride[d];
    }
    return at < a->size[d] ? at : -1;
}

/* The definition of element e. */
static double windowed(const gpu_window_args *a, size_t e, const float *x, const float *w, const float *bias,
                       const float *z)
{
    const uint32_t wide = a->made[2], high = a->made[1], taps = a->taps[1] * a->taps[2];
    const size_t plane = (size_t)a->size[1] * a->size[2], f = e / wide / high;
    const uint32_t feature = f % a->m, group = f / a->m % 2, image = f / a->m / 2;
    double sum = a->op == WINDOW_LARGEST ? -INFINITY : 0;
    size_t inside = 0, padded = 0;
    for (uint32_t k = 0; k < a->c * taps; k++) {
        const uint32_t c = k / taps, y = k % taps / a->taps[2], t = k % a->taps[2];
        const int64_t row = window_at(a, 1, e / wide % high, y), column = window_at(a, 2, e % wide, t);
        padded++; /* the border is as wide as the windows need */
        if (row < 0 || column < 0)
            continue;
        const double v =
            (double)x[((image * 2 + group) * a->c + c) * plane + (size_t)row * a->size[2] + (size_t)column];
        const size_t outer = a->op == WINDOW_TRANSPOSED ? (group * a->c + c) * a->m + feature
                                                        : (group * a->m + feature) * a->c + c;
        inside++;
        sum = a->op == WINDOW_LARGEST
                  ? fmax(sum, v)
                  : sum + (a->op >= WINDOW_MEAN ? v : v * (double)w[outer * taps + k % taps]);
    }
    if (a->op == WINDOW_LARGEST)
        return sum;
    if (a->op >= WINDOW_MEAN)
        return sum / (double)(a->op == WINDOW_MEAN ? inside : padded);
    sum += (double)bias[group * a->m + feature] + (double)z[e];
    return fmax(-1, fmin(2, sum < 0 ? sum / 2 : sum));
}

static void check_window(gpu_window_args a, bool tiled)
{
    static float x[2 * 2 * 40 * 35], w[2 * 40 * 40 * 6], bias[80], z[2 * 2 * 40 * 16 * 8],
        y[2 * 2 * 40 * 16 * 8];
    const size_t n_x = 4 * a.c * 35, n_w = 2 * a.m * a.c * a.taps[1] * a.taps[2];
    const uint32_t pixels = a.made[1] * a.made[2];
    uint32_t seed = a.op + a.m;
    for (size_t i = 0; i < n_x; i++)
        x[i] = rig_float(&seed);
    for (size_t i = 0; i < n_w; i++)
        w[i] = rig_float(&seed) / 4;
    for (size_t i = 0; i < 2 * a.m; i++)
        bias[i] = rig_float(&seed);
    for (size_t i = 0; i < a.count; i++)
        z[i] = rig_float(&seed);
    gpu_range all[] = {rig_buffer(n_x, x), rig_buffer(n_w, w), rig_buffer(2 * a.m, bias),
                       rig_buffer(a.count, z), rig_buffer(a.count, NULL)};
    gpu_conv_args c = {.type = a.type,
                       .m = a.m,
                       .c = a.c,
                       .groups = 2,
                       .pixels = pixels,
                       .flags = a.flags,
                       .slope = a.slope,
                       .low = a.low,
                       .high = a.high};
    for (size_t d = 0; d < 3; d++) {
        c.size[d] = a.size[d];
        c.taps[d] = a.taps[d];
        c.stride[d] = a.stride[d];
        c.dilation[d] = a.dilation[d];
        c.before[d] = a.before[d];
        c.made[d] = a.made[d];
    }
    if (tiled)
        rig_launch(GPU_conv, 5, all, &c, (pixels + TILE_SIDE - 1) / TILE_SIDE,
                   (a.m + TILE_SIDE - 1) / TILE_SIDE, 4);
    else
        rig_launch(GPU_window, 5, all, &a, (a.count + WINDOW_THREADS - 1) / WINDOW_THREADS, 1, 1);
    rig_read(all[4], y);
    for (size_t e = 0; e < a.count; e++) {
        const double expected = windowed(&a, e, x, w, bias, z);
        if (!(fabs((double)y[e] - expected) <= 1e-5 * (1 + fabs(expected))))
            fail_msg("op %u, tiled %d, element %zu is %g, expected %g", a.op, tiled, e, (double)y[e],
                     expected);
    }
    rig_free(5, all);
}

/* Strides and dilations with and without a common factor, before taps that reach beyond either end. */
TEST(test_transposed)
{
    for (uint32_t k = 0; k < 6 * 6 * 3; k++) {
        const uint32_t stride = k % 6 + 1, dilation = k / 6 % 6 + 1;
        gpu_window_args a = window_args(WINDOW_TRANSPOSED, 2, 1, true);
        uint32_t apart = 1;
        while (apart * dilation % stride)
            apart++;
        a.size[2] = 5;
        a.taps[2] = k / 36 * 3 + 1;
        a.stride[2] = stride;
        a.dilation[2] = dilation;
        a.after[2] = apart;
        a.before[2] = k % 2;
        a.made[2] = 4 * stride + (a.taps[2] - 1) * dilation + 1 - a.before[2];
        a.count = 2 * 2 * a.m * a.made[2];
        check_window(a, false);
    }
}

TEST(test_windows)
{
    for (int flat = 0; flat < 2; flat++) {
        check_window(window_args(WINDOW_PRODUCT, 40, 9, flat), true);
        check_window(window_args(WINDOW_PRODUCT, 3, 1, flat), true);
        check_window(window_args(WINDOW_PRODUCT, 3, 2, flat), false);
        check_window(window_args(WINDOW_TRANSPOSED, 3, 2, flat), false);
        for (uint32_t op = WINDOW_LARGEST; op <= WINDOW_MEAN_PADDED; op++)
            check_window(window_args(op, 1, 1, flat), false);
    }
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

/* Buffers of many sizes that come and go: none lies in another, and each keeps what was copied into it. */
TEST(test_buffers)
{
    enum { N = 64, STEPS = 1500 };
    static const size_t largest = (size_t)3 << 18;
    static gpu_range held[N];
    uint32_t seed = 7, *words = mem_alloc(largest, sizeof *words);
    for (size_t step = 0; step < STEPS; step++) {
        const size_t i = (seed = seed * 1664525u + 1013904223u) >> 8 & (N - 1);
        gpu_range *r = &held[i];
        if (r->buffer) {
            rig_read(*r, words);
            for (size_t w = 0; w < r->bytes / 4; w++)
                assert_true(words[w] == i * 1000003 + w);
            rig_free(1, r);
            continue;
        }
        const size_t n = step % 40 ? seed % 5000 + 1 : largest - seed % 1000;
        for (size_t w = 0; w < n; w++)
            words[w] = (uint32_t)(i * 1000003 + w);
        *r = rig_buffer(n, words);
    }
    for (size_t i = 0; i < N; i++)
        rig_free(1, &held[i]);
    mem_free(words);
}

/* A process has a device once; its clock counts what it did. */
TEST(test_shared)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *again;
    uint64_t ns = 0;
    CHECK_OK(gpu_open(rig->driver->name, &again, &err), err);
    assert_ptr_equal(again, rig);
    gpu_close(&again);
    gpu_range all[] = {rig_buffer(1 << 16, NULL), rig_buffer(1, NULL)};
    CHECK_OK(gpu_finish(rig, &ns, &err), err);
    rig_launch(GPU_reduce, 2, all, &(gpu_reduce_args){PAIR_SUM, 1, 1 << 16, 1, 1}, 1, 1, 1);
    CHECK_OK(gpu_finish(rig, &ns, &err), err);
    assert_true(ns > 0 && ns < 60000000000u);
    rig_free(2, all);
}

/* ---- What goes wrong ----------------------------------------------------------------------------------- */

TEST(test_refused)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *none;
    CHECK_FAILS(gpu_open("abacus", &none, &err), SIB_ERR_UNSUPPORTED, err, "no driver 'abacus'");
    assert_null(none);
    gpu_reduce_args args = {PAIR_SUM, 1, 1, 1, 1};
    CHECK_FAILS(gpu_launch(rig, GPU_reduce, 0, NULL, &args, (const uint32_t[]){70000, 1, 1}, &err),
                SIB_ERR_SIZE, err, "70000 groups");
}

/* No device of Vulkan, or no driver in this build. */
TEST(test_no_vulkan)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *none;
    setenv("VK_ICD_FILENAMES", "/nonexistent", 1);
    setenv("VK_DRIVER_FILES", "/nonexistent", 1);
    /* not the first, which may be open */
    assert_int_equal(gpu_open("vulkan:200", &none, &err), SIB_ERR_UNSUPPORTED);
    assert_true(strstr(err.message, "Vulkan") || strstr(err.message, "driver 'vulkan'"));
    assert_null(none);
    unsetenv("VK_ICD_FILENAMES");
    unsetenv("VK_DRIVER_FILES");
}

/* A device that works for too long is lost, and closing it does not pull away what it works on. Checks within kernels
   wait for each submission themselves. */
TEST(test_slow)
{
    enum { N = 1 << 22 };
    sib_error err = SIB_ERROR_INIT;
    const char *checks = getenv("VK_LAYER_ENABLES");
    float sum;
    if (strcmp(rig->driver->name, "vulkan") || (checks && strstr(checks, "GPU_ASSISTED")))
        skip();
    gpu_range all[] = {rig_buffer(N, NULL), rig_buffer(1, NULL)};
    for (int i = 0; i < 20; i++)
        rig_launch(GPU_reduce, 2, all, &(gpu_reduce_args){PAIR_SUM, 1, N, 1, 1}, 1, 1, 1);
    gpu_wait_ns = 1;
    CHECK_FAILS(gpu_download(rig, all[1], &sum, &err), SIB_ERR_UNSUPPORTED, err, "does not answer");
    gpu_wait_ns = UINT64_C(60000000000);
    rig_free(2, all);
    rig_close();
    rig_open();
    all[0] = rig_buffer(4, (const float[]){1, 2, 3, 4});
    all[1] = rig_buffer(1, NULL);
    rig_launch(GPU_reduce, 2, all, &(gpu_reduce_args){PAIR_SUM, 1, 4, 1, 1}, 1, 1, 1);
    rig_read(all[1], &sum);
    assert_true(sum == 10);
    rig_free(2, all);
}

/* The host stops a kernel that leaves its buffers. */
TEST(test_bounds)
{
    sib_error err = SIB_ERROR_INIT;
    if (strcmp(rig->driver->name, "host"))
        skip();
    float x[4] = {1, 2, 3, 4};
    gpu_range all[] = {rig_buffer(4, x), rig_buffer(1, NULL)};
    gpu_reduce_args args = {PAIR_SUM, 1, 5, 1, 1};
    const uint32_t one[3] = {1, 1, 1};
    CHECK_FAILS(gpu_launch(rig, GPU_reduce, 2, all, &args, one, &err), SIB_ERR_SIZE, err,
                "kernel reduce reads after the end of a buffer: at 4");
    args = (gpu_reduce_args){PAIR_SUM, 2, 2, 1, 1};
    CHECK_FAILS(gpu_launch(rig, GPU_reduce, 2, all, &args, one, &err), SIB_ERR_SIZE, err,
                "kernel reduce writes after the end of a buffer: at 1");
    rig_free(2, all);
}
