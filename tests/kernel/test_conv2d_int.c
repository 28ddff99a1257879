/* Convolutions of bytes against their definition in integers, at every CPU level that runs here and with
   every kind of instruction: random shapes, zero points, dtypes, bands and threads. */
#include "base/alloc.h"
#include "base/cpu.h"
#include "check.h"
#include "kernel/conv/bytes_fill.h"
#include "kernel/conv/conv2d_int.h"

#include <math.h>

static size_t pick(check_random *r, size_t least, size_t most)
{
    return least + check_u64(r) % (most - least + 1);
}

/* ---- Tables -------------------------------------------------------------------------------------------- */

typedef struct kinds {
    size_t n;
    kernel_table tables[CPU_LEVELS + 4];
    const char *names[CPU_LEVELS + 4];
} kinds;

static void add(kinds *k, cpu_level level, const char *name, void (*fill)(bytes_kernels *k))
{
    kernel_table_init(&k->tables[k->n], level);
    if (fill)
        fill(&k->tables[k->n].bytes);
    k->names[k->n++] = name;
}

/* The levels of this machine, and what they may choose on other machines. */
static kinds all_kinds(void)
{
    kinds k = {0};
    for (int level = 0; level < CPU_LEVELS; level++)
        if (cpu_level_runs((cpu_level)level))
            add(&k, (cpu_level)level, cpu_level_name((cpu_level)level), NULL);
#ifdef SIBYL_X86
    if (cpu_level_runs(CPU_AVX2))
        add(&k, CPU_AVX2, "avx2 without byte products", bytes_fill_avx2);
    if (cpu_level_runs(CPU_AVX512))
        add(&k, CPU_AVX512, "avx512 without byte products", bytes_fill_avx512);
#endif
    return k;
}

/* ---- Problems ------------------------------------------------------------------------------------------ */

typedef struct problem {
    conv2d_shape s;
    sib_dtype w_dtype;
    size_t nx, nw, ny, in, out, features;
    uint8_t *x, *w, *y; /* of exact sizes, so that sanitizers see reads and writes past the end */
    int32_t x_zero, y_zero, *w_zeros, *bias;
    double *scales;
    int32_t *expected;
    unsigned char *finished;
} problem;

static size_t volume(const conv2d_shape *s, size_t offset)
{
    size_t n = 1;
    for (int i = 0; i < CONV2D_AXES; i++)
        n *= *(const size_t *)(const void *)((const char *)&s->axis[i] + offset);
    return n;
}

static void *room(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    assert_non_null(p);
    return p;
}

static int32_t value_of(sib_dtype dtype, uint8_t byte)
{
    return dtype == SIB_U8 ? byte : (int8_t)byte;
}

static int32_t random_zero(check_random *r, sib_dtype dtype)
{
    static const uint8_t often[] = {0, 128, 255, 127};
    uint8_t byte = check_u64(r) % 2 ? often[check_u64(r) % 4] : (uint8_t)check_u64(r);
    return value_of(dtype, byte);
}

static int32_t sum_at(const problem *p, size_t n, size_t m, const size_t out[CONV2D_AXES])
{
    const conv2d_axis *a = p->s.axis;
    size_t g = m / p->s.m, taps = volume(&p->s, offsetof(conv2d_axis, kernel));
    const uint8_t *w = p->w + m * p->s.c * taps;
    uint32_t sum = p->bias ? (uint32_t)p->bias[m] : 0;
    for (size_t c = 0; c < p->s.c; c++)
        for (size_t i = 0; i < a[0].kernel; i++)
            for (size_t j = 0; j < a[1].kernel; j++)
                for (size_t l = 0; l < a[2].kernel; l++, w++) {
                    size_t z = out[0] * a[0].stride + i * a[0].dilation - a[0].before;
                    size_t y = out[1] * a[1].stride + j * a[1].dilation - a[1].before;
                    size_t x = out[2] * a[2].stride + l * a[2].dilation - a[2].before;
                    if (z >= a[0].in || y >= a[1].in || x >= a[2].in)
                        continue;
                    size_t at =
                        ((n * p->s.groups + g) * p->s.c + c) * p->in + (z * a[1].in + y) * a[2].in + x;
                    sum += (uint32_t)((value_of(p->s.x, p->x[at]) - p->x_zero) *
                                      (value_of(p->w_dtype, *w) - p->w_zeros[m]));
                }
    return (int32_t)sum;
}

/* round(sum * scale) + zero, clamped to low .. high */
static int32_t byte_of(int32_t sum, double scale, int32_t zero, int32_t low, int32_t high)
{
    double v = rint((double)sum * scale) + zero;
    return v < low ? low : v > high ? high : (int32_t)v;
}

static void reference(problem *p)
{
    const conv2d_axis *a = p->s.axis;
    bool is_signed = p->s.y == SIB_I8;
    size_t at = 0, o[CONV2D_AXES];
    for (size_t n = 0; n < p->s.batch; n++)
        for (size_t m = 0; m < p->features; m++)
            for (o[0] = 0; o[0] < a[0].out; o[0]++)
                for (o[1] = 0; o[1] < a[1].out; o[1]++)
                    for (o[2] = 0; o[2] < a[2].out; o[2]++, at++) {
                        int32_t sum = sum_at(p, n, m, o);
                        p->expected[at] = p->s.y == SIB_I32
                                              ? sum
                                              : byte_of(sum, p->scales[m], p->y_zero, is_signed ? -128 : 0,
                                                        is_signed ? 127 : 255);
                    }
}

static problem make(const conv2d_shape *s, check_random *r)
{
    problem p = {.s = *s};
    size_t taps = volume(s, offsetof(conv2d_axis, kernel));
    p.in = volume(s, offsetof(conv2d_axis, in));
    p.out = volume(s, offsetof(conv2d_axis, out));
    p.features = s->groups * s->m;
    p.nx = s->batch * s->groups * s->c * p.in;
    p.nw = p.features * s->c * taps;
    p.ny = s->batch * p.features * p.out;
    p.s.x = check_u64(r) % 2 ? SIB_U8 : SIB_I8;
    p.w_dtype = check_u64(r) % 2 ? SIB_U8 : SIB_I8;
    p.s.y = check_u64(r) % 3 == 0 ? SIB_I32 : check_u64(r) % 2 ? SIB_U8 : SIB_I8;
    p.x = room(p.nx);
    p.w = room(p.nw);
    p.y = room(p.ny * 4);
    p.expected = room(p.ny * sizeof *p.expected);
    p.finished = room(p.ny);
    p.w_zeros = room(p.features * sizeof *p.w_zeros);
    p.scales = room(p.features * sizeof *p.scales);
    p.bias = p.s.y != SIB_I32 && check_u64(r) % 2 ? room(p.features * sizeof *p.bias) : NULL;
    for (size_t i = 0; i < p.nx; i++)
        p.x[i] = (uint8_t)check_u64(r);
    bool narrow = check_u64(r) % 2;
    for (size_t i = 0; i < p.nw; i++)
        p.w[i] =
            narrow ? (uint8_t)(check_u64(r) % 100 + (p.w_dtype == SIB_U8 ? 80 : 206)) : (uint8_t)check_u64(r);
    p.x_zero = random_zero(r, p.s.x);
    p.y_zero = random_zero(r, p.s.y == SIB_I32 ? SIB_U8 : p.s.y);
    int32_t zero = check_u64(r) % 3 ? random_zero(r, p.w_dtype) : 0;
    bool each = check_u64(r) % 4 == 0;
    for (size_t m = 0; m < p.features; m++) {
        p.w_zeros[m] = each ? random_zero(r, p.w_dtype) : zero;
        p.scales[m] = check_u64(r) % 4 ? check_uniform(r) * 0.01 : ldexp(1.0, -(int)pick(r, 0, 12));
        if (p.bias)
            p.bias[m] = check_u64(r) % 8 ? (int32_t)(check_uniform(r) * 3e4) : (int32_t)check_u64(r);
    }
    reference(&p);
    return p;
}

static void drop(problem *p)
{
    void *all[] = {p->x, p->w, p->y, p->expected, p->finished, p->w_zeros, p->scales, p->bias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void note_finished(const void *context, size_t begin, size_t count)
{
    const problem *p = context;
    for (size_t i = begin; i < begin + count; i++)
        p->finished[i]++;
}

static void compare(const problem *p, const char *name)
{
    char text[400];
    int n = snprintf(text, sizeof text, "batch %zu groups %zu c %zu m %zu", p->s.batch, p->s.groups, p->s.c,
                     p->s.m);
    for (int i = 0; i < CONV2D_AXES; i++) {
        const conv2d_axis *a = &p->s.axis[i];
        n += snprintf(text + n, sizeof text - (size_t)n, " [%zu k%zu s%zu d%zu b%zu -> %zu]", a->in,
                      a->kernel, a->stride, a->dilation, a->before, a->out);
    }
    for (size_t i = 0; i < p->ny; i++) {
        int32_t got =
            p->s.y == SIB_I32 ? ((const int32_t *)(const void *)p->y)[i] : value_of(p->s.y, p->y[i]);
        if (got != p->expected[i] || p->finished[i] != 1)
            fail_msg("%s, %s: element %zu is %d, expected %d, finished %d times", name, text, i, got,
                     p->expected[i], p->finished[i]);
    }
}

/* Runs p; returns false if the kernels leave the shape to floats. */
static bool check(problem *p, const kernel_table *t, const char *name, sib_pool *pool)
{
    sib_error err = SIB_ERROR_INIT;
    conv2d_plan plan;
    conv2d_int bytes;
    unsigned threads = pool ? sib_pool_threads(pool) : 1;
    CHECK_OK(conv2d_plan_make(t, &p->s, threads, &plan, &err), err);
    CHECK_OK(conv2d_int_make(&plan, threads, &bytes, &err), err);
    bool taken = bytes.tiles != NULL;
    if (taken) {
        size_t scratch_bytes = bytes.scratch_floats * bytes.workers * sizeof(float);
        float *packed = mem_alloc(bytes.packed_floats, sizeof *packed),
              *scratch = mem_alloc(scratch_bytes, 1);
        assert_true(packed && scratch);
        conv2d_int_pack(&bytes, &plan, &(conv2d_weights){p->w_dtype, p->w, p->w_zeros, true}, packed);
        memset(scratch, 0xA5, scratch_bytes);
        memset(p->y, 0x5A, p->ny * 4);
        memset(p->finished, 0, p->ny);
        conv2d_call call = {.plan = &plan,
                            .x = p->x,
                            .w = packed,
                            .y = p->y,
                            .x_zero = p->x_zero,
                            .y_zero = p->y_zero,
                            .int_bias = p->bias,
                            .scale = p->scales,
                            .scale_each = true,
                            .scratch = scratch,
                            .finish = note_finished,
                            .context = p};
        conv2d_int_run(&bytes, &call, pool);
        compare(p, name);
        mem_free(packed);
        mem_free(scratch);
    }
    conv2d_int_free(&bytes);
    conv2d_plan_free(&plan);
    return taken;
}

/* ---- Shapes -------------------------------------------------------------------------------------------- */

static conv2d_axis make_axis(check_random *r, size_t in, size_t kernel)
{
    conv2d_axis a = {in, kernel, 1, 1, 0, 1, 0};
    if (check_u64(r) % 3 == 0)
        a.stride = pick(r, 1, 4);
    if (check_u64(r) % 4 == 0)
        a.dilation = pick(r, 1, 4);
    a.before = check_u64(r) % 2 ? pick(r, 0, kernel) : 0;
    size_t after = check_u64(r) % 2 ? pick(r, 0, kernel) : 0, extent = (kernel - 1) * a.dilation + 1;
    if (a.before + in + after < extent)
        a.before = extent;
    a.out = (a.before + in + after - extent) / a.stride + 1;
    return a;
}

static conv2d_shape random_shape(check_random *r)
{
    conv2d_shape s = {.x = SIB_U8, .y = SIB_U8, .batch = pick(r, 1, 2), .groups = 1};
    size_t axes = pick(r, 1, 3);
    s.c = pick(r, 1, 9);
    s.m = pick(r, 1, 30);
    if (check_u64(r) % 3 == 0) {
        s.groups = pick(r, 2, 6);
        s.c = pick(r, 1, 3);
        s.m = pick(r, 1, 5);
    }
    for (size_t i = 0; i < CONV2D_AXES; i++) {
        bool used = i >= CONV2D_AXES - axes;
        size_t in = used ? pick(r, 1, axes == 1 ? 300 : axes == 2 ? 40 : 9) : 1;
        s.axis[i] = (conv2d_axis){in, 1, 1, 1, 0, in, 0};
        if (used && check_u64(r) % 4)
            s.axis[i] = make_axis(r, in, pick(r, 1, axes == 1 ? 20 : 6));
    }
    if (axes == 2 && check_u64(r) % 3 == 0) { /* shapes for plane kernels */
        size_t kernel = check_u64(r) % 2 ? 3 : 5, stride = pick(r, 1, 2), before = pick(r, 0, 4);
        s.c = s.m = 1;
        for (int i = 1; i < CONV2D_AXES; i++) {
            size_t in = pick(r, kernel, 75);
            s.axis[i] =
                (conv2d_axis){in, kernel, stride, 1, before, (in + 2 * before - kernel) / stride + 1, 0};
        }
    }
    return s;
}

TEST(test_random)
{
    kinds k = all_kinds();
    check_random r = {51};
    size_t taken = 0;
    for (int i = 0; i < 700; i++) {
        conv2d_shape s = random_shape(&r);
        problem p = make(&s, &r);
        for (size_t kind = 0; kind < k.n; kind++)
            taken += check(&p, &k.tables[kind], k.names[kind], NULL);
        drop(&p);
    }
    assert_true(taken > 400 * k.n);
}

#define NOTHING                                                                                              \
    {                                                                                                        \
        1, 1, 1, 1, 0, 1, 0                                                                                  \
    }
/* Large enough for bands of rows and of columns, and for threads. */
static const conv2d_shape large[] = {
    {0, 0, 0, 1, 1, 70, 33, {NOTHING, {21, 3, 1, 1, 1, 21, 0}, {200, 3, 1, 1, 1, 200, 0}}},
    {0, 0, 0, 2, 1, 3, 16, {NOTHING, {120, 3, 2, 1, 1, 60, 0}, {160, 3, 2, 1, 1, 80, 0}}},
    {0, 0, 0, 1, 1, 112, 112, {NOTHING, {16, 1, 1, 1, 0, 16, 0}, {47, 1, 1, 1, 0, 47, 0}}},
    {0, 0, 0, 1, 1, 1, 64, {NOTHING, NOTHING, {9000, 256, 64, 1, 128, 140, 0}}},
    {0, 0, 0, 1, 1, 24, 24, {NOTHING, NOTHING, {9000, 3, 1, 2, 2, 9000, 0}}},
    {0, 0, 0, 1, 40, 1, 1, {NOTHING, {150, 5, 1, 1, 2, 150, 0}, {150, 5, 1, 1, 2, 150, 0}}},
    {0, 0, 0, 1, 1, 8, 12, {{9, 3, 1, 1, 1, 9, 0}, {30, 3, 1, 1, 1, 30, 0}, {33, 3, 2, 1, 1, 17, 0}}},
};

TEST(test_large)
{
    kinds k = all_kinds();
    check_random r = {52};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        problem p = make(&large[i], &r);
        for (size_t kind = 0; kind < k.n; kind++) {
            assert_true(check(&p, &k.tables[kind], k.names[kind], NULL));
            check(&p, &k.tables[kind], k.names[kind], pool);
        }
        drop(&p);
    }
    sib_pool_free(&pool);
}
