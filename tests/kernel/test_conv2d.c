/* Convolutions of integers, which floats sum exactly, against their definition, at every CPU level that runs
   here: random shapes over one to three axes, with and without threads; then fractions, infinities and
   NaN. */
#include "base/alloc.h"
#include "base/cpu.h"
#include "check.h"
#include "kernel/conv/conv2d_plan.h"

#include <math.h>

typedef struct {
    conv2d_shape s;
    size_t in, out, taps; /* sizes of one channel */
    float *x, *w, *bias, *y, *packed, *scratch;
    double *expected, *size; /* expected y; sum of the magnitudes of its terms */
    unsigned char *finished;
    bool clamped;
    float low, high;
} problem;

static size_t volume(const conv2d_shape *s, size_t offset)
{
    size_t n = 1;
    for (int i = 0; i < CONV2D_AXES; i++)
        n *= *(const size_t *)(const void *)((const char *)&s->axis[i] + offset);
    return n;
}

#define VOLUME(s, field) volume(s, offsetof(conv2d_axis, field))

static size_t pick(check_random *r, size_t least, size_t most)
{
    return least + check_u64(r) % (most - least + 1);
}

/* An axis of `in` elements with a random window that fits. */
static conv2d_axis make_axis(check_random *r, size_t in, size_t kernel)
{
    conv2d_axis a = {in, kernel, 1, 1, 0, 1, 0};
    if (check_u64(r) % 3 == 0)
        a.stride = pick(r, 1, 5);
    if (check_u64(r) % 4 == 0)
        a.dilation = pick(r, 1, 4);
    a.before = check_u64(r) % 2 ? pick(r, 0, kernel) : 0;
    size_t after = check_u64(r) % 2 ? pick(r, 0, kernel) : 0, extent = (kernel - 1) * a.dilation + 1;
    if (a.before + in + after < extent)
        a.before = extent; /* windows over padding alone */
    a.out = (a.before + in + after - extent) / a.stride + 1;
    return a;
}

static float *floats(size_t n)
{
    float *p = mem_alloc(n + 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static void reference(problem *p)
{
    const conv2d_axis *a = p->s.axis;
    size_t at = 0;
    for (size_t n = 0; n < p->s.batch; n++)
        for (size_t m = 0; m < p->s.groups * p->s.m; m++)
            for (size_t d = 0; d < a[0].out; d++)
                for (size_t h = 0; h < a[1].out; h++)
                    for (size_t v = 0; v < a[2].out; v++, at++) {
                        bool largest = p->s.kind == CONV2D_LARGEST;
                        double sum = largest   ? -INFINITY
                                     : p->bias ? (double)p->bias[m]
                                               : 0,
                               size = largest ? 0 : fabs(sum);
                        double counted = 0;
                        size_t g = m / p->s.m;
                        const float *w = p->w + m * p->s.c * p->taps;
                        for (size_t c = 0; c < p->s.c; c++)
                            for (size_t i = 0; i < a[0].kernel; i++)
                                for (size_t j = 0; j < a[1].kernel; j++)
                                    for (size_t l = 0; l < a[2].kernel; l++, w++) {
                                        size_t z = d * a[0].stride + i * a[0].dilation - a[0].before;
                                        size_t y = h * a[1].stride + j * a[1].dilation - a[1].before;
                                        size_t x = v * a[2].stride + l * a[2].dilation - a[2].before;
                                        bool in = z < a[0].in && y < a[1].in && x < a[2].in;
                                        size_t from = ((n * p->s.groups + g) * p->s.c + c) * p->in +
                                                      (z * a[1].in + y) * a[2].in + x;
                                        double term = in ? (double)p->x[from] : largest ? -INFINITY : 0;
                                        counted += in;
                                        if (p->s.kind == CONV2D_PRODUCT)
                                            term *= (double)*w;
                                        if (!largest)
                                            sum += term;
                                        else if (!isnan(sum) && !(term <= sum))
                                            sum = term;
                                        size += isinf(term) ? 0 : fabs(term);
                                    }
                        bool padded = p->s.kind == CONV2D_AVERAGE_PADDED; /* averages count all taps */
                        if (p->s.kind == CONV2D_AVERAGE || padded)
                            sum /= padded ? (double)p->taps : counted;
                        p->expected[at] = sum;
                        p->size[at] = size;
                    }
}

static void make(problem *p, const conv2d_shape *s, check_random *r, bool whole)
{
    *p = (problem){.s = *s, .in = VOLUME(s, in), .out = VOLUME(s, out), .taps = VOLUME(s, kernel)};
    size_t nx = s->batch * s->groups * s->c * p->in, ny = s->batch * s->groups * s->m * p->out;
    size_t nw = s->groups * s->m * s->c * p->taps;
    p->x = floats(nx);
    p->w = floats(nw);
    p->bias = s->kind == CONV2D_PRODUCT && check_u64(r) % 2 ? floats(s->groups * s->m) : NULL;
    p->y = floats(ny);
    p->expected = mem_alloc(ny + 1, sizeof(double));
    p->size = mem_alloc(ny + 1, sizeof(double));
    p->finished = mem_alloc(ny + 1, 1);
    assert_true(p->expected && p->size && p->finished);
    for (size_t i = 0; i < nx; i++)
        p->x[i] = whole ? (float)((int)(check_u64(r) % 17) - 8) : (float)check_uniform(r);
    for (size_t i = 0; i < nw; i++)
        p->w[i] = whole ? (float)((int)(check_u64(r) % 17) - 8) : (float)check_uniform(r);
    for (size_t i = 0; p->bias && i < s->groups * s->m; i++)
        p->bias[i] = whole ? (float)((int)(check_u64(r) % 17) - 8) : (float)check_uniform(r);
    p->clamped = s->kind == CONV2D_PRODUCT && check_u64(r) % 2;
    p->low = (float)(check_uniform(r) * 20);
    p->high = check_u64(r) % 2 ? INFINITY : p->low + 30.0f;
    reference(p);
}

static double clamped(const problem *p, double x)
{
    if (!p->clamped || isnan(x))
        return x;
    return fmin((double)p->high, fmax((double)p->low, x));
}

static void drop(problem *p)
{
    void *all[] = {p->x, p->w, p->bias, p->y, p->expected, p->size, p->finished};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mem_free(all[i]);
}

static void describe(const problem *p, char *text, size_t size)
{
    int n = snprintf(text, size, "batch %zu groups %zu c %zu m %zu", p->s.batch, p->s.groups, p->s.c, p->s.m);
    for (int i = 0; i < CONV2D_AXES; i++) {
        const conv2d_axis *a = &p->s.axis[i];
        n += snprintf(text + n, size - (size_t)n, " [%zu k%zu s%zu d%zu b%zu -> %zu]", a->in, a->kernel,
                      a->stride, a->dilation, a->before, a->out);
    }
}

static void note_finished(const void *context, size_t begin, size_t count)
{
    const problem *p = context;
    for (size_t i = begin; i < begin + count; i++)
        p->finished[i]++;
}

/* Runs p at a level and checks |y - expected| <= tolerance * size, and NaN where expected. */
static void check(problem *p, const kernel_table *t, sib_pool *pool, double tolerance)
{
    sib_error err = SIB_ERROR_INIT;
    conv2d_plan plan;
    char text[400];
    size_t ny = p->s.batch * p->s.groups * p->s.m * p->out;
    unsigned threads = pool ? sib_pool_threads(pool) : 1;
    describe(p, text, sizeof text);
    CHECK_OK(conv2d_plan_make(t, &p->s, threads, &plan, &err), err);
    p->packed = floats(conv2d_packed_floats(&plan));
    p->scratch = floats(plan.scratch_floats * threads);
    conv2d_pack(&plan, &(conv2d_weights){SIB_F32, p->w, NULL, false}, p->packed);
    memset(p->finished, 0, ny);
    for (size_t i = 0; i < ny; i++)
        p->y[i] = 12345.0f;
    for (size_t i = 0; i < plan.scratch_floats * threads; i++)
        p->scratch[i] = NAN;
    conv2d_call call = {.plan = &plan,
                        .x = p->x,
                        .w = p->packed,
                        .bias = p->bias,
                        .y = p->y,
                        .scratch = p->scratch,
                        .clamped = p->clamped,
                        .low = p->low,
                        .high = p->high,
                        .finish = note_finished,
                        .context = p};
    conv2d_run(&call, pool);
    for (size_t i = 0; i < ny; i++) {
        double expected = clamped(p, p->expected[i]), diff = fabs((double)p->y[i] - expected);
        bool same = isnan(expected)   ? isnan(p->y[i])
                    : isinf(expected) ? (double)p->y[i] == expected
                                      : diff <= tolerance * p->size[i] + 1e-40;
        if (!same)
            fail_msg("%s, %s: element %zu is %g, expected %g", cpu_level_name(t->level), text, i,
                     (double)p->y[i], expected);
        if (p->finished[i] != 1)
            fail_msg("%s, %s: element %zu was finished %d times", cpu_level_name(t->level), text, i,
                     p->finished[i]);
    }
    mem_free(p->packed);
    mem_free(p->scratch);
    conv2d_plan_free(&plan);
}

static void check_levels(problem *p, sib_pool *pool, double tolerance)
{
    for (int level = 0; level < CPU_LEVELS; level++) {
        kernel_table t;
        if (!cpu_level_runs((cpu_level)level))
            continue;
        kernel_table_init(&t, (cpu_level)level);
        check(p, &t, NULL, tolerance);
        if (pool)
            check(p, &t, pool, tolerance);
    }
}

static conv2d_shape random_shape(check_random *r)
{
    conv2d_shape s = {.x = SIB_F32, .y = SIB_F32, .batch = pick(r, 1, 2), .groups = 1};
    s.c = pick(r, 1, 9);
    s.m = pick(r, 1, 20);
    size_t axes = pick(r, 1, 3);
    if (check_u64(r) % 3 == 0) {
        s.groups = pick(r, 2, 12);
        s.c = s.m = 1;
        if (check_u64(r) % 2)
            s.c = pick(r, 1, 3), s.m = pick(r, 1, 9);
    }
    if (s.c * s.m == 1 && check_u64(r) % 3 == 0)
        s.kind = (conv2d_kind)pick(r, CONV2D_LARGEST, CONV2D_AVERAGE_PADDED);
    for (size_t i = 0; i < CONV2D_AXES; i++) {
        bool used = i >= CONV2D_AXES - axes;
        size_t most = axes == 1 ? 300 : axes == 2 ? 40 : 9;
        size_t in = used ? pick(r, 1, most) : 1, kernel = used ? pick(r, 1, axes == 1 ? 30 : 5) : 1;
        s.axis[i] = (conv2d_axis){in, 1, 1, 1, 0, in, 0};
        if (used && check_u64(r) % 4)
            s.axis[i] = make_axis(r, in, kernel);
        s.axis[i].after = 1000000; /* an average that counts padding counts all of it */
    }
    if (axes == 2 && s.c * s.m == 1 && check_u64(r) % 4) { /* shapes that have plane kernels */
        size_t kernel = pick(r, 2, 5), stride = pick(r, 1, 2), before = pick(r, 0, 2);
        for (int i = 1; i < CONV2D_AXES; i++) {
            size_t in = pick(r, kernel, 45);
            s.axis[i] =
                (conv2d_axis){in, kernel, stride, 1, before, (in + 2 * before - kernel) / stride + 1, before};
        }
    }
    return s;
}

TEST(test_random)
{
    check_random r = {20};
    for (int i = 0; i < 2000; i++) {
        conv2d_shape s = random_shape(&r);
        problem p;
        make(&p, &s, &r, true);
        check_levels(&p, NULL, s.kind == CONV2D_PRODUCT || s.kind == CONV2D_LARGEST ? 0 : 1e-6);
        drop(&p);
    }
}

/* Large enough for several bands and threads. */
#define NOTHING                                                                                              \
    {                                                                                                        \
        1, 1, 1, 1, 0, 1, 0                                                                                  \
    }
static const conv2d_shape large[] = {
    {0, SIB_F32, SIB_F32, 2, 1, 3, 16, {NOTHING, {120, 3, 2, 1, 1, 60, 0}, {160, 3, 2, 1, 1, 80, 0}}},
    {0, SIB_F32, SIB_F32, 1, 1, 40, 33, {NOTHING, {61, 3, 1, 1, 1, 61, 0}, {47, 3, 1, 1, 1, 47, 0}}},
    {0, SIB_F32, SIB_F32, 1, 1, 64, 40, {NOTHING, {70, 1, 1, 1, 0, 70, 0}, {70, 1, 1, 1, 0, 70, 0}}},
    {0, SIB_F32, SIB_F32, 1, 1, 300, 600, {NOTHING, {13, 1, 1, 1, 0, 13, 0}, {13, 1, 1, 1, 0, 13, 0}}},
    {0, SIB_F32, SIB_F32, 1, 1, 70, 250, {NOTHING, {7, 3, 1, 1, 1, 7, 0}, {7, 3, 1, 1, 1, 7, 0}}},
    {0, SIB_F32, SIB_F32, 1, 2, 300, 101, {NOTHING, {14, 1, 2, 1, 0, 7, 0}, {14, 1, 2, 1, 0, 7, 0}}},
    {0, SIB_F32, SIB_F32, 1, 1, 300, 90, {NOTHING, {31, 3, 2, 1, 1, 16, 0}, {33, 3, 2, 1, 1, 17, 0}}},
    {0, SIB_F32, SIB_F32, 1, 2, 90, 60, {NOTHING, {29, 5, 1, 1, 2, 29, 0}, {27, 5, 1, 1, 2, 27, 0}}},
    {0, SIB_F32, SIB_F32, 1, 1, 200, 70, {NOTHING, NOTHING, {1700, 3, 2, 1, 1, 850, 0}}},
    {0, SIB_F32, SIB_F32, 3, 1, 40, 130, {NOTHING, {5, 3, 1, 1, 1, 5, 0}, {7, 3, 2, 1, 1, 4, 0}}},
    {0, SIB_F32, SIB_F32, 1, 96, 1, 1, {NOTHING, {44, 5, 1, 1, 2, 44, 0}, {44, 5, 1, 1, 2, 44, 0}}},
    {0, SIB_F32, SIB_F32, 1, 1, 1, 64, {NOTHING, NOTHING, {9000, 256, 64, 1, 128, 140, 0}}},
    {0, SIB_F32, SIB_F32, 1, 1, 24, 24, {NOTHING, NOTHING, {20000, 3, 1, 2, 2, 20000, 0}}},
    {0,
     SIB_F32,
     SIB_F32,
     1,
     1,
     8,
     12,
     {{9, 3, 1, 1, 1, 9, 0}, {30, 3, 1, 1, 1, 30, 0}, {33, 3, 2, 1, 1, 17, 0}}},
};

TEST(test_large)
{
    check_random r = {21};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        problem p;
        make(&p, &large[i], &r, true);
        check_levels(&p, pool, 0);
        drop(&p);
    }
    sib_pool_free(&pool);
}

/* Many channels and features over short rows: features are in the lanes, in panels that are not multiples of
   them. */
static conv2d_shape deep_shape(check_random *r)
{
    conv2d_shape s = {.x = SIB_F32, .y = SIB_F32, .batch = pick(r, 1, 2), .groups = pick(r, 1, 2)};
    s.c = pick(r, 8, 90);
    s.m = pick(r, 10, 120);
    for (size_t i = 0; i < CONV2D_AXES; i++) {
        size_t in = i ? pick(r, 1, 18) : pick(r, 1, 2), kernel = i ? pick(r, 1, 5) : pick(r, 1, 2);
        s.axis[i] = make_axis(r, in, kernel);
    }
    return s;
}

TEST(test_deep)
{
    check_random r = {24};
    size_t turned = 0, count = 60;
    for (size_t i = 0; i < count; i++) {
        conv2d_shape s = deep_shape(&r);
        conv2d_plan plan;
        sib_error err = SIB_ERROR_INIT;
        CHECK_OK(conv2d_plan_make(kernel_table_get(), &s, 1, &plan, &err), err);
        turned += plan.features;
        conv2d_plan_free(&plan);
        problem p;
        make(&p, &s, &r, true);
        check_levels(&p, NULL, 0);
        drop(&p);
    }
    if (kernel_table_get()->conv2d.lanes > 1)
        assert_in_range(turned, count / 3, count);
}

TEST(test_fractions)
{
    check_random r = {22};
    for (int i = 0; i < 60; i++) {
        conv2d_shape s = random_shape(&r);
        problem p;
        make(&p, &s, &r, false);
        check_levels(&p, NULL, 4e-6);
        drop(&p);
    }
}

TEST(test_hostile)
{
    static const float values[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 1e-42f};
    check_random r = {23};
    for (int i = 0; i < 200; i++) {
        conv2d_shape s = random_shape(&r);
        problem p;
        make(&p, &s, &r, true);
        for (int j = 0; j < 3; j++) {
            p.x[check_u64(&r) % (s.batch * s.groups * s.c * p.in)] = values[check_u64(&r) % 6];
            p.w[check_u64(&r) % (s.groups * s.m * s.c * p.taps)] = values[check_u64(&r) % 6];
        }
        reference(&p);
        check_levels(&p, NULL, 1e-6);
        drop(&p);
    }
}
