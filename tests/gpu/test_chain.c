/* The kernel `chain` against functions in double. */
#include "rig.h"

TEST_FIXTURE(rig_open, rig_close)

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
