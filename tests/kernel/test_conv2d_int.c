/* Convolutions of bytes against their definition in integers, at every CPU level that runs here and with
   every kind of instruction: random shapes, zero points, dtypes, bands and threads. */
#include "base/alloc.h"
#include "conv_problem.h"
#include "kernel/conv/conv2d_int.h"
#include "tables.h"

#include <math.h>

/* ---- Problems ------------------------------------------------------------------------------------------ */

typedef struct problem {
    conv2d_shape s;
    sib_dtype w_dtype;
    size_t nx, nw, ny, in, out, taps, features;
    uint8_t *x, *w, *y; /* of exact sizes, so that sanitizers see reads and writes past the end */
    int32_t x_zero, y_zero, *w_zeros, *bias;
    double *scales;
    int32_t *expected;
    unsigned char *finished;
} problem;

static void *room(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    assert_non_null(p);
    return p;
}

CHECK_UNWATCHED static int32_t value_of(sib_dtype dtype, uint8_t byte)
{
    return dtype == SIB_U8 ? byte : (int8_t)byte;
}

static int32_t random_zero(check_random *r, sib_dtype dtype)
{
    static const uint8_t often[] = {0, 128, 255, 127};
    uint8_t byte = check_u64(r) % 2 ? often[check_u64(r) % 4] : (uint8_t)check_u64(r);
    return value_of(dtype, byte);
}

/* sources: of the place in y (conv_sources). */
CHECK_UNWATCHED static int32_t sum_at(const problem *p, size_t at, const size_t *sources)
{
    size_t m = at / p->out % p->features, image = at / p->out / p->features;
    const uint8_t *x = p->x + (image * p->s.groups + m / p->s.m) * p->s.c * p->in;
    const uint8_t *w = p->w + m * p->s.c * p->taps;
    uint32_t sum = p->bias ? (uint32_t)p->bias[m] : 0;
    for (size_t c = 0; c < p->s.c; c++, x += p->in)
        for (size_t k = 0; k < p->taps; k++, w++)
            if (sources[k] != SIZE_MAX)
                sum += (uint32_t)((value_of(p->s.x, x[sources[k]]) - p->x_zero) *
                                  (value_of(p->w_dtype, *w) - p->w_zeros[m]));
    return (int32_t)sum;
}

/* round(sum * scale) + zero, clamped to low .. high */
static int32_t byte_of(int32_t sum, double scale, int32_t zero, int32_t low, int32_t high)
{
    double v = rint((double)sum * scale) + zero;
    return v < low ? low : v > high ? high : (int32_t)v;
}

CHECK_UNWATCHED static void reference(problem *p)
{
    bool is_signed = p->s.y == SIB_I8;
    size_t *sources = room(p->taps * sizeof *sources);
    for (size_t place = 0; place < p->out; place++) {
        conv_sources(&p->s, place, sources);
        for (size_t at = place; at < p->ny; at += p->out) {
            int32_t sum = sum_at(p, at, sources);
            if (p->s.y != SIB_I32)
                sum = byte_of(sum, p->scales[at / p->out % p->features], p->y_zero, is_signed ? -128 : 0,
                              is_signed ? 127 : 255);
            p->expected[at] = sum;
        }
    }
    free(sources);
}

CHECK_UNWATCHED static problem make(const conv2d_shape *s, check_random *r)
{
    problem p = {.s = *s};
    p.taps = CONV_VOLUME(s, kernel);
    p.in = CONV_VOLUME(s, in);
    p.out = CONV_VOLUME(s, out);
    p.features = s->groups * s->m;
    p.nx = s->batch * s->groups * s->c * p.in;
    p.nw = p.features * s->c * p.taps;
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
        p.scales[m] = check_u64(r) % 4 ? check_uniform(r) * 0.01 : ldexp(1.0, -(int)conv_pick(r, 0, 12));
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

static void compare(const problem *p, const char *name)
{
    for (size_t i = 0; i < p->ny; i++) {
        int32_t got =
            p->s.y == SIB_I32 ? ((const int32_t *)(const void *)p->y)[i] : value_of(p->s.y, p->y[i]);
        if (got != p->expected[i])
            fail_msg("%s, %s: element %zu is %d, expected %d", name, conv_text(&p->s), i, got,
                     p->expected[i]);
    }
    conv_check_finished(&p->s, name, p->finished, p->ny);
}

/* Runs p; returns false if the kernels leave the shape to floats. */
static bool check(problem *p, const named_table *t, sib_pool *pool)
{
    sib_error err = SIB_ERROR_INIT;
    conv2d_plan plan;
    conv2d_int bytes;
    unsigned threads = pool ? sib_pool_threads(pool) : 1;
    CHECK_OK(conv2d_plan_make(&t->table, &p->s, threads, &plan, &err), err);
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
                            .finish = conv_mark_finished,
                            .context = p->finished};
        conv2d_int_run(&bytes, &call, pool);
        compare(p, t->name);
        mem_free(packed);
        mem_free(scratch);
    }
    conv2d_int_free(&bytes);
    conv2d_plan_free(&plan);
    return taken;
}

/* ---- Shapes -------------------------------------------------------------------------------------------- */

static conv2d_shape random_shape(check_random *r)
{
    conv2d_shape s = {.x = SIB_U8, .y = SIB_U8, .batch = conv_pick(r, 1, 2), .groups = 1};
    size_t axes = conv_pick(r, 1, 3);
    s.c = conv_pick(r, 1, 9);
    s.m = conv_pick(r, 1, 30);
    if (check_u64(r) % 3 == 0) {
        s.groups = conv_pick(r, 2, 6);
        s.c = conv_pick(r, 1, 3);
        s.m = conv_pick(r, 1, 5);
    }
    for (size_t i = 0; i < CONV2D_AXES; i++) {
        bool used = i >= CONV2D_AXES - axes;
        size_t in = used ? conv_pick(r, 1, axes == 1 ? 300 : axes == 2 ? 40 : 9) : 1;
        s.axis[i] = (conv2d_axis){in, 1, 1, 1, 0, in, 0};
        if (used && check_u64(r) % 4)
            s.axis[i] = conv_axis(r, in, conv_pick(r, 1, axes == 1 ? 20 : 6), 4);
    }
    if (axes == 2 && check_u64(r) % 3 == 0) { /* shapes for plane kernels */
        size_t kernel = check_u64(r) % 2 ? 3 : 5, stride = conv_pick(r, 1, 2), before = conv_pick(r, 0, 4);
        s.c = s.m = 1;
        for (int i = 1; i < CONV2D_AXES; i++) {
            size_t in = conv_pick(r, kernel, 75);
            s.axis[i] = conv_padded_axis(in, kernel, stride, before);
        }
    }
    return s;
}

TEST_ALONE(test_random)
{
    check_random r = {51};
    size_t taken = 0;
    const int draws = check_draws(700);
    for (int i = 0; i < draws; i++) {
        conv2d_shape s = random_shape(&r);
        problem p = make(&s, &r);
        for (size_t kind = 0; kind < n_tables; kind++)
            taken += check(&p, &tables[kind], NULL);
        drop(&p);
    }
    assert_true(taken > (size_t)draws * 4 / 7 * n_tables);
}

/* Large enough for bands of rows and of columns, and for threads. Quick runs leave out one thread, but with the
   last kernels. */
static const conv2d_shape large[] = {
    {0, 0, 0, 1, 1, 70, 33, {CONV_NO_AXIS, {21, 3, 1, 1, 1, 21, 0}, {200, 3, 1, 1, 1, 200, 0}}, 0, 0},
    {0, 0, 0, 2, 1, 3, 16, {CONV_NO_AXIS, {120, 3, 2, 1, 1, 60, 0}, {160, 3, 2, 1, 1, 80, 0}}, 0, 0},
    {0, 0, 0, 1, 1, 112, 112, {CONV_NO_AXIS, {16, 1, 1, 1, 0, 16, 0}, {47, 1, 1, 1, 0, 47, 0}}, 0, 0},
    {0, 0, 0, 1, 1, 1, 64, {CONV_NO_AXIS, CONV_NO_AXIS, {9000, 256, 64, 1, 128, 140, 0}}, 0, 0},
    {0, 0, 0, 1, 1, 24, 24, {CONV_NO_AXIS, CONV_NO_AXIS, {9000, 3, 1, 2, 2, 9000, 0}}, 0, 0},
    {0, 0, 0, 1, 40, 1, 1, {CONV_NO_AXIS, {150, 5, 1, 1, 2, 150, 0}, {150, 5, 1, 1, 2, 150, 0}}, 0, 0},
    {0, 0, 0, 1, 1, 8, 12, {{9, 3, 1, 1, 1, 9, 0}, {30, 3, 1, 1, 1, 30, 0}, {33, 3, 2, 1, 1, 17, 0}}, 0, 0},
};

TEST(test_large)
{
    check_random r = {52};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        if (check_left_out(i))
            continue;
        problem p = make(&large[i], &r);
        for (size_t kind = 0; kind < n_tables; kind++) {
            if (!getenv("SIBYL_QUICK") || kind + 1 == n_tables)
                assert_true(check(&p, &tables[kind], NULL));
            assert_true(check(&p, &tables[kind], pool));
        }
        drop(&p);
    }
    sib_pool_free(&pool);
}

TEST_FIXTURE(make_tables, NULL)
