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

static float bias_used = -0.0f;

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
    t->erf_f32(in, out, n);
}

static void call_bias(const kernel_table *t, const void *in, void *out, size_t n)
{
    t->bias_f32(in, bias_used, out, n);
}

static void call_bias_gelu(const kernel_table *t, const void *in, void *out, size_t n)
{
    t->bias_gelu_f32(in, bias_used, out, n);
}

typedef struct {
    const char *name;
    void (*call)(const kernel_table *t, const void *in, void *out, size_t n);
    size_t in, out;     /* bytes of an element */
    double of_y, of_v2; /* with v = x + bias, y may differ by (of_y + of_v2 v^2) |y|; both 0: equal bits */
} row;

static const row rows[] = {
    {"widen_f16", call_widen_f16, 2, 4, 0, 0},
    {"widen_bf16", call_widen_bf16, 2, 4, 0, 0},
    {"narrow_f16", call_narrow_f16, 4, 2, 0, 0},
    {"narrow_bf16", call_narrow_bf16, 4, 2, 0, 0},
    {"erf_f32", call_erf, 4, 4, 2.5e-7, 0},
    {"bias_f32", call_bias, 4, 4, 0, 0},
    {"bias_gelu_f32", call_bias_gelu, 4, 4, 1.2e-6, 2e-7},
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
    kernel_init_c(&c);
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
    double v = w->of_v2 > 0 ? value_at(in, w->in, i) + (double)bias_used : 0.0;
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
    kernel_init_c(&c);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const row *w = &rows[i];
        size_t n;
        char *in = make_inputs(w->in, &n);
        char *expected = malloc(n * w->out), *got = malloc(n * w->out);
        assert_non_null(expected);
        assert_non_null(got);
        static const float biases[] = {-0.0f, 0.0f, 0.75f, -3.0f};
        for (size_t b = 0; b < (i >= COUNT(rows) - 2 ? COUNT(biases) : 1); b++) {
            bias_used = biases[b];
            w->call(&c, in, expected, n);
            w->call(t, in, got, n);
            compare(w, t, in, got, expected, n);
            odd_lengths(w, t, in, got); /* the same bits wherever the element stands */
        }
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
    kernel_init_c(&c);
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
    t->erf_f32(x, y, n);
    t->bias_gelu_f32(x, -0.0f, g, n);
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

/* ---- Matrix product --------------------------------------------------------------------------------- */

static void packing_level(const kernel_table *t)
{
    enum { K = 37, LDA = 41, N = 150 };
    float a[KERNEL_MAX_MR * LDA], dst[K * KERNEL_MAX_MR + 1], row_in[N * 5];
    for (size_t i = 0; i < COUNT(a); i++)
        a[i] = (float)(i + 1);
    for (size_t i = 0; i < COUNT(row_in); i++)
        row_in[i] = (float)(i + 1);
    for (size_t m = 1; m <= t->mr; m++)
        for (size_t k = 0; k <= K; k++) {
            dst[k * t->mr] = -7.0f;
            t->gemm_pack_a(a, LDA, m, k, dst);
            for (size_t p = 0; p < k; p++)
                for (size_t i = 0; i < t->mr; i++)
                    assert_true(dst[p * t->mr + i] == (i < m ? a[i * LDA + p] : 0.0f));
            assert_true(dst[k * t->mr] == -7.0f);
        }
    size_t panel = t->nr + 3;
    for (size_t step = 1; step <= 5; step++)
        for (size_t n = 1; n <= N; n++) {
            float out[(N + KERNEL_MAX_NR) * 2];
            size_t panels = (n + t->nr - 1) / t->nr, needed = (n - 1) * step + 1;
            float *exact = malloc(needed * sizeof *exact); /* so that the sanitizer sees a read beyond it */
            assert_non_null(exact);
            memcpy(exact, row_in, needed * sizeof *exact);
            for (size_t i = 0; i < panels * panel; i++)
                out[i] = -7.0f;
            t->gemm_pack_b_row(exact, step, n, out, panel);
            for (size_t i = 0; i < panels * panel; i++) {
                size_t j = i / panel * t->nr + i % panel;
                float expected = i % panel >= t->nr ? -7.0f : j < n ? row_in[j * step] : 0.0f;
                if (out[i] != expected)
                    fail_msg("pack_b_row at level %s, step %zu, n %zu: column %zu is %g, expected %g",
                             cpu_level_name(t->level), step, n, j, (double)out[i], (double)expected);
            }
            free(exact);
        }
}

static void packing(void **state)
{
    (void)state;
    each_level(packing_level);
}

/* c = (add ? c : 0) + a b by the entry's definition, in double; `size` receives the sum of |products|. */
static double product_at(const kernel_table *t, const float *a, const float *b, size_t k, size_t i, size_t j,
                         double *size)
{
    double sum = 0.0;
    *size = 0.0;
    for (size_t p = 0; p < k; p++) {
        double product = (double)a[p * t->mr + i] * (double)b[p * t->nr + j];
        sum += product;
        *size += fabs(product);
    }
    return sum;
}

static void check_tile(const kernel_table *t, const float *a, const float *b, size_t k, bool add)
{
    enum { LDC = KERNEL_MAX_NR + 5 };
    float c[KERNEL_MAX_MR * LDC + 8], before[KERNEL_MAX_MR * LDC + 8];
    for (size_t i = 0; i < COUNT(c); i++)
        before[i] = c[i] = (float)i - 300.0f;
    float *at = c + 1; /* misaligned for every vector */
    t->gemm_tile(k, a, b, at, LDC, add);
    for (size_t i = 0; i < COUNT(c); i++) {
        size_t r = i ? (i - 1) / LDC : 0, j = i ? (i - 1) % LDC : 0;
        if (i == 0 || r >= t->mr || j >= t->nr) {
            assert_true(c[i] == before[i]);
            continue;
        }
        double size, e = product_at(t, a, b, k, r, j, &size) + (add ? (double)before[i] : 0.0);
        size += add ? fabs((double)before[i]) : 0.0;
        double off = fabs((double)c[i] - e),
               bound = (double)(k + 2) * 0x1p-24 * size + 1e-44 * (double)(k + 1);
        bool fits = isnan(e) ? isnan(c[i]) : isinf(e) ? (double)c[i] == e : off <= bound;
        if (!fits)
            fail_msg("gemm_tile at level %s, k %zu, add %d: (%zu, %zu) is %.9g, expected %.9g within %g",
                     cpu_level_name(t->level), k, add, r, j, (double)c[i], e, bound);
    }
}

static void tile_level(const kernel_table *t)
{
    static const size_t depths[] = {0, 1, 2, 3, 4, 5, 7, 8, 17, 320, 1001};
    static const float hostile[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e-42f, -1e-42f, 1e-30f, 1e15f, 0.0f};
    check_random r = {9};
    size_t most = 1001;
    float *a = malloc(most * t->mr * sizeof *a), *b = malloc(most * t->nr * sizeof *b);
    assert_non_null(a);
    assert_non_null(b);
    for (int round = 0; round < 6; round++)
        for (size_t d = 0; d < COUNT(depths); d++) {
            size_t k = depths[d];
            for (size_t i = 0; i < k * t->mr; i++)
                a[i] = (float)check_uniform(&r);
            for (size_t i = 0; i < k * t->nr; i++)
                b[i] = (float)check_uniform(&r);
            for (int h = 0; k && h < round; h++) {
                a[check_u64(&r) % (k * t->mr)] = hostile[check_u64(&r) % COUNT(hostile)];
                b[check_u64(&r) % (k * t->nr)] = hostile[check_u64(&r) % COUNT(hostile)];
            }
            check_tile(t, a, b, k, round % 2);
        }
    /* Equal rows and columns give equal bits, wherever in the tile. */
    for (size_t p = 0; p < most; p++) {
        float x = (float)check_uniform(&r), y = (float)check_uniform(&r);
        for (size_t i = 0; i < t->mr; i++)
            a[p * t->mr + i] = x;
        for (size_t j = 0; j < t->nr; j++)
            b[p * t->nr + j] = y;
    }
    float c[KERNEL_MAX_MR * KERNEL_MAX_NR];
    t->gemm_tile(most, a, b, c, t->nr, false);
    for (size_t i = 1; i < t->mr * t->nr; i++)
        assert_int_equal(bits_of(c[i]), bits_of(c[0]));
    free(a), free(b);
}

static void tiles(void **state)
{
    (void)state;
    each_level(tile_level);
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
    assert_true(t->mr <= KERNEL_MAX_MR && t->nr <= KERNEL_MAX_NR && t->mr <= t->nr && t->kc > 0);
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

static void time_gemm(const kernel_table *t, float *a, float *b, float *c)
{
    double tile = INFINITY, pack_a = INFINITY, step1 = INFINITY, step2 = INFINITY, peak = INFINITY;
    for (int i = 0; i < TIME_REPEATS; i++) {
        sib_timer timer = sib_timer_start();
        t->gemm_tile(256, a, b, c, t->nr, true);
        tile = fmin(tile, sib_timer_seconds(&timer));
        timer = sib_timer_start();
        t->gemm_pack_a(b, 256, t->mr, 256, a);
        pack_a = fmin(pack_a, sib_timer_seconds(&timer));
        timer = sib_timer_start();
        t->gemm_pack_b_row(c, 1, 20 * t->nr, b, t->nr);
        step1 = fmin(step1, sib_timer_seconds(&timer));
        timer = sib_timer_start();
        t->gemm_pack_b_row(c, 2, 20 * t->nr, b, t->nr);
        step2 = fmin(step2, sib_timer_seconds(&timer));
        timer = sib_timer_start();
        volatile float kept = t->fma_rounds(100, 0.999f, 0.001f);
        peak = fmin(peak, sib_timer_seconds(&timer));
        (void)kept;
    }
    printf("  gemm_tile %zux%zu   %7.2f GFLOP/s, FMA peak %.2f\n", t->mr, t->nr,
           2.0 * 256 * (double)(t->mr * t->nr) / tile * 1e-9, 100.0 * (double)t->fma_flops / peak * 1e-9);
    printf("  gemm_pack_a       %7.3f ns/float\n", pack_a * 1e9 / (256 * (double)t->mr));
    printf("  gemm_pack_b_row   %7.3f ns/float, step 2 %.3f\n", step1 * 1e9 / (20 * (double)t->nr),
           step2 * 1e9 / (20 * (double)t->nr));
}

static int time_all(void)
{
    static float in[256 * KERNEL_MAX_NR], out[256 * KERNEL_MAX_NR], third[256 * KERNEL_MAX_NR];
    check_random r = {5};
    for (size_t i = 0; i < COUNT(in); i++)
        in[i] = third[i] = (float)check_uniform(&r);
    for (int level = CPU_C; level < CPU_LEVELS; level++) {
        kernel_table t;
        if (!cpu_level_runs((cpu_level)level))
            continue;
        kernel_table_init(&t, (cpu_level)level);
        printf("%s\n", cpu_level_name(t.level));
        for (size_t i = 0; i < COUNT(rows); i++)
            printf("  %-16s  %7.3f ns/element\n", rows[i].name, time_row(&rows[i], &t, in, out));
        time_gemm(&t, out, in, third);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--time") == 0)
        return time_all();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise),
        cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(erf_and_gelu),
        cmocka_unit_test(packing),
        cmocka_unit_test(tiles),
        cmocka_unit_test(measures),
        cmocka_unit_test(table_of_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
