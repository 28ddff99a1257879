/* The kernel `matmul` against its definition in double, on one driver. */
#include "rig.h"

TEST_FIXTURE(rig_open, rig_close)

#define SIDE_MAX 130
#define DEEP_MAX 16384
#define AREA_MAX (2 * SIDE_MAX * SIDE_MAX)

/* Two batches of a, and one b, which may be transposed in memory; bfloat16 is the high half of a float32. */
typedef struct product {
    uint32_t m, n, k;
    bool transposed, narrow_a, narrow_b;
    float a[2 * DEEP_MAX * 4 + AREA_MAX], b[DEEP_MAX * 4 + AREA_MAX], c[AREA_MAX];
} product;

static product p;

static void draw(float *x, size_t n, float low, bool narrow, uint32_t *seed)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        x[i] = low + (1 - low) * (0.5f + rig_float(seed) / 2);
        memcpy(&bits, &x[i], 4);
        bits &= narrow ? 0xffff0000u : 0xffffffffu;
        memcpy(&x[i], &bits, 4);
    }
}

/* Elements drawn from [low, 1). */
static void set(uint32_t m, uint32_t n, uint32_t k, float low)
{
    uint32_t seed = m + n + k;
    p.m = m;
    p.n = n;
    p.k = k;
    draw(p.a, 2 * (size_t)m * k, low, p.narrow_a, &seed);
    draw(p.b, (size_t)n * k, low, p.narrow_b, &seed);
}

/* Elements as the device has them: of a narrow operand two in a word. */
static gpu_range operand(const float *x, size_t n, bool narrow)
{
    static uint16_t halves[sizeof p.a / sizeof *p.a];
    for (size_t i = 0; i < n && narrow; i++)
        memcpy(&halves[i], (const char *)&x[i] + 2, 2);
    return rig_buffer(narrow ? (n + 1) / 2 : n, narrow ? (const void *)halves : x);
}

static void run(void)
{
    const uint32_t m = p.m, n = p.n, k = p.k;
    const gpu_matmul_args args = {.type = SIB_F32,
                                  .m = m,
                                  .n = n,
                                  .k = k,
                                  .inner = 2,
                                  .a_inner = m * k,
                                  .a_row = k,
                                  .a_column = 1,
                                  .b_row = p.transposed ? 1 : n,
                                  .b_column = p.transposed ? k : 1,
                                  .a_type = p.narrow_a ? SIB_BF16 : SIB_F32,
                                  .b_type = p.narrow_b ? SIB_BF16 : SIB_F32};
    gpu_range all[] = {operand(p.a, 2 * (size_t)m * k, p.narrow_a), operand(p.b, (size_t)n * k, p.narrow_b),
                       rig_buffer(2 * m * n, NULL)};
    rig_launch(GPU_matmul, 3, all, &args, (n + TILE_SIDE - 1) / TILE_SIDE, (m + TILE_SIDE - 1) / TILE_SIDE,
               2);
    rig_read(all[2], p.c);
    rig_free(3, all);
}

/* Element e of the result in double, and the sum of its products' sizes. */
static double defined(size_t e, double *size)
{
    double sum = 0;
    *size = 0;
    for (size_t q = 0, i = e / p.n, j = e % p.n; q < p.k; q++) {
        const double v = (double)p.a[i * p.k + q] * (double)p.b[p.transposed ? j * p.k + q : q * p.n + j];
        sum += v;
        *size += fabs(v);
    }
    return sum;
}

static void compare(double tolerance)
{
    for (size_t e = 0; e < 2 * (size_t)p.m * p.n; e++) {
        double size, expected = defined(e, &size), got = (double)p.c[e];
        if (isfinite(expected) ? !(fabs(got - expected) <= tolerance * size)
            : isnan(expected)  ? !isnan(got)
                               : got != expected)
            fail_msg("%u x %u x %u, transposed %d, narrow %d %d: element %zu is %.9g, expected %.9g", p.m,
                     p.n, p.k, p.transposed, p.narrow_a, p.narrow_b, e, got, expected);
    }
}

/* Sides that fill tiles, runs of words and neither, in float32 and with 16-bit operands. */
TEST(test_sizes)
{
    static const uint32_t sizes[][3] = {{1, 1, 1},   {5, 7, 3},    {64, 64, 16},  {63, 65, 17}, {65, 63, 63},
                                        {17, 1, 65}, {4, 100, 33}, {128, 64, 32}, {70, 130, 40}};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (uint32_t how = 0; how < 8; how++) {
            p.transposed = how & 1;
            p.narrow_a = how & 2;
            p.narrow_b = how & 4;
            set(sizes[s][0], sizes[s][1], sizes[s][2], -1);
            run();
            compare(1e-6);
        }
    p.transposed = p.narrow_a = p.narrow_b = false;
}

/* Where a sum is infinite or NaN the others of its tile are what they are; numbers whose low bits are lost in
   a product's parts, and those next to infinity. */
TEST(test_not_finite)
{
    set(70, 66, 50, -1);
    p.a[3 * 50 + 7] = INFINITY;
    p.a[9 * 50 + 20] = NAN;
    p.a[12 * 50] = 3.4e38f;
    p.b[0] = 1e-30f; /* times which the last is finite */
    p.b[1] = 1e5f;   /* and here is not */
    p.b[7 * 66 + 5] = 0;
    p.b[30 * 66 + 65] = -INFINITY;
    p.a[69 * 50 + 30] = 0;
    run();
    for (size_t j = 0; j < 66; j++) { /* sums in double are finite where those in float32 are not */
        const float overflow = p.c[12 * 66 + j];
        double size, expected = defined(12 * 66 + j, &size);
        if (fabs(expected) > 3.5e38)
            assert_true(!isfinite(overflow));
    }
    memset(p.a + 12 * 50, 0, 200);
    run();
    compare(1e-6);
}

/* A float32 sum of so many, one after the other, is off by more. */
TEST(test_long_sums)
{
    set(3, 4, DEEP_MAX, 0);
    run();
    compare(1e-6);
    double worst = 0;
    for (size_t e = 0; e < 6 * 4; e++) {
        double size, expected = defined(e, &size);
        float sum = 0;
        for (size_t q = 0; q < DEEP_MAX; q++)
            sum += p.a[e / 4 * DEEP_MAX + q] * p.b[q * 4 + e % 4];
        worst = fmax(worst, fabs((double)sum - expected) / size);
    }
    assert_true(worst > 1e-6);
}
