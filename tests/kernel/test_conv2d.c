/* Convolutions of integers, which floats sum exactly, against their definition, at every CPU level that runs
   here: random shapes over one to three axes, with and without threads; then fractions, infinities and
   NaN. */
#include "base/alloc.h"
#include "conv_problem.h"
#include "tables.h"

#include <math.h>

static void make(conv_problem *p, const conv2d_shape *s, check_random *r, bool integers)
{
    conv_make(p, s, r, integers);
    p->clamped = s->kind == CONV2D_PRODUCT && check_u64(r) % 2;
    p->low = (float)(check_uniform(r) * 20);
    p->high = check_u64(r) % 2 ? INFINITY : p->low + 30.0f;
    conv_reference(p);
}

/* Runs p at a level and checks |y - expected| <= tolerance * size, and NaN where expected. */
static void check(conv_problem *p, const named_table *t, sib_pool *pool, double tolerance)
{
    sib_error err = SIB_ERROR_INIT;
    conv2d_plan plan;
    unsigned threads = pool ? sib_pool_threads(pool) : 1;
    CHECK_OK(conv2d_plan_make(&t->table, &p->s, threads, &plan, &err), err);
    size_t n_scratch = plan.scratch_floats * threads;
    float *packed = conv_room(conv2d_packed_floats(&plan), sizeof *packed),
          *scratch = conv_room(n_scratch, sizeof *scratch);
    conv2d_pack(&plan, &(conv2d_weights){SIB_F32, p->w, NULL, false}, packed);
    conv2d_call call = conv_call_of(p, &plan, packed, scratch, n_scratch);
    conv2d_run(&call, pool);
    for (size_t i = 0; i < p->ny; i++) {
        double expected = p->expected[i], diff = fabs((double)p->y[i] - expected);
        bool same = isnan(expected)   ? isnan(p->y[i])
                    : isinf(expected) ? (double)p->y[i] == expected
                                      : diff <= tolerance * p->size[i] + 1e-40;
        if (!same)
            fail_msg("%s, %s: element %zu is %g, expected %g", t->name, conv_text(&p->s), i, (double)p->y[i],
                     expected);
    }
    conv_check_finished(&p->s, t->name, p->finished, p->ny);
    mem_free(packed);
    mem_free(scratch);
    conv2d_plan_free(&plan);
}

/* At every level, with one thread and with those of a pool, if there is one. Of large problems quick runs leave
   out one thread, but at the last level. */
static void check_levels(conv_problem *p, sib_pool *pool, double tolerance)
{
    const bool quick = pool && getenv("SIBYL_QUICK");
    for (size_t i = 0; i < n_levels; i++) {
        if (!quick || i + 1 == n_levels)
            check(p, &tables[i], NULL, tolerance);
        if (pool)
            check(p, &tables[i], pool, tolerance);
    }
}

static conv2d_shape random_shape(check_random *r)
{
    conv2d_shape s = {.x = SIB_F32, .y = SIB_F32, .batch = conv_pick(r, 1, 2), .groups = 1};
    s.c = conv_pick(r, 1, 9);
    s.m = conv_pick(r, 1, 20);
    size_t axes = conv_pick(r, 1, 3);
    if (check_u64(r) % 3 == 0) {
        s.groups = conv_pick(r, 2, 40);
        s.c = s.m = 1;
        if (check_u64(r) % 2)
            s.c = conv_pick(r, 1, 3), s.m = conv_pick(r, 1, 9);
    }
    if (s.c * s.m == 1 && check_u64(r) % 3 == 0)
        s.kind = (conv2d_kind)conv_pick(r, CONV2D_LARGEST, CONV2D_AVERAGE_PADDED);
    for (size_t i = 0; i < CONV2D_AXES; i++) {
        bool used = i >= CONV2D_AXES - axes;
        size_t most = axes == 1 ? 300 : axes == 2 ? 40 : 9;
        size_t in = used ? conv_pick(r, 1, most) : 1, kernel = used ? conv_pick(r, 1, axes == 1 ? 30 : 5) : 1;
        s.axis[i] = (conv2d_axis){in, 1, 1, 1, 0, in, 0};
        if (used && check_u64(r) % 4)
            s.axis[i] = conv_axis(r, in, kernel, 5);
        s.axis[i].after = 1000000; /* an average that counts padding counts all of it */
    }
    if (axes == 2 && s.c * s.m == 1 && check_u64(r) % 4) { /* shapes that have plane kernels */
        size_t kernel = conv_pick(r, 2, 7), stride = conv_pick(r, 1, 2), before = conv_pick(r, 0, 2);
        for (int i = 1; i < CONV2D_AXES; i++) {
            size_t in = conv_pick(r, kernel, 45);
            s.axis[i] = conv_padded_axis(in, kernel, stride, before);
        }
    }
    return s;
}

TEST_ALONE(test_random)
{
    check_random r = {20};
    for (int i = 0; i < check_draws(2000); i++) {
        conv2d_shape s = random_shape(&r);
        s.method = (conv2d_method)conv_pick(&r, CONV2D_BY_COSTS, CONV2D_LANES); /* used where it fits */
        conv_problem p;
        make(&p, &s, &r, true);
        check_levels(&p, NULL, s.kind == CONV2D_PRODUCT || s.kind == CONV2D_LARGEST ? 0 : 1e-6);
        conv_drop(&p);
    }
}

#define FLOATS(batch_, groups_, c_, m_, ...)                                                                 \
    {                                                                                                        \
        .x = SIB_F32, .y = SIB_F32, .batch = (batch_), .groups = (groups_), .c = (c_), .m = (m_), .axis = {  \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }

/* Large enough for several bands and threads. */
static const conv2d_shape large[] = {
    FLOATS(2, 1, 3, 16, CONV_NO_AXIS, {120, 3, 2, 1, 1, 60, 0}, {160, 3, 2, 1, 1, 80, 0}),
    FLOATS(1, 1, 40, 33, CONV_NO_AXIS, {61, 3, 1, 1, 1, 61, 0}, {47, 3, 1, 1, 1, 47, 0}),
    FLOATS(1, 1, 64, 40, CONV_NO_AXIS, {70, 1, 1, 1, 0, 70, 0}, {70, 1, 1, 1, 0, 70, 0}),
    FLOATS(1, 1, 300, 600, CONV_NO_AXIS, {20, 1, 1, 1, 0, 20, 0}, {13, 1, 1, 1, 0, 13, 0}),
    FLOATS(1, 1, 8, 600, CONV_NO_AXIS, {26, 1, 2, 1, 0, 13, 0}, {26, 1, 2, 1, 0, 13, 0}),
    FLOATS(1, 1, 3, 300, CONV_NO_AXIS, {56, 3, 1, 1, 1, 56, 0}, {44, 3, 1, 1, 1, 44, 0}),
    FLOATS(1, 1, 70, 250, CONV_NO_AXIS, {7, 3, 1, 1, 1, 7, 0}, {7, 3, 1, 1, 1, 7, 0}),
    FLOATS(1, 2, 300, 101, CONV_NO_AXIS, {14, 1, 2, 1, 0, 7, 0}, {14, 1, 2, 1, 0, 7, 0}),
    FLOATS(1, 1, 300, 90, CONV_NO_AXIS, {31, 3, 2, 1, 1, 16, 0}, {33, 3, 2, 1, 1, 17, 0}),
    FLOATS(1, 2, 90, 60, CONV_NO_AXIS, {29, 5, 1, 1, 2, 29, 0}, {27, 5, 1, 1, 2, 27, 0}),
    FLOATS(1, 1, 200, 70, CONV_NO_AXIS, CONV_NO_AXIS, {1700, 3, 2, 1, 1, 850, 0}),
    FLOATS(3, 1, 40, 130, CONV_NO_AXIS, {5, 3, 1, 1, 1, 5, 0}, {7, 3, 2, 1, 1, 4, 0}),
    FLOATS(2, 40, 1, 1, CONV_NO_AXIS, {150, 7, 2, 1, 3, 75, 0}, {90, 7, 1, 1, 3, 90, 0}),
    FLOATS(1, 96, 1, 1, CONV_NO_AXIS, {44, 5, 1, 1, 2, 44, 0}, {44, 5, 1, 1, 2, 44, 0}),
    FLOATS(1, 1, 1, 64, CONV_NO_AXIS, CONV_NO_AXIS, {9000, 256, 64, 1, 128, 140, 0}),
    FLOATS(1, 1, 24, 24, CONV_NO_AXIS, CONV_NO_AXIS, {20000, 3, 1, 2, 2, 20000, 0}),
    FLOATS(1, 1, 8, 12, {9, 3, 1, 1, 1, 9, 0}, {30, 3, 1, 1, 1, 30, 0}, {33, 3, 2, 1, 1, 17, 0}),
    /* sums in blocks of terms, and made of parts */
    FLOATS(1, 1, 301, 203, CONV_NO_AXIS, {11, 3, 2, 1, 1, 6, 0}, {13, 3, 2, 1, 1, 7, 0}),
    {0,
     SIB_F32,
     SIB_F32,
     2,
     1,
     301,
     203,
     {CONV_NO_AXIS, {11, 3, 2, 1, 1, 6, 0}, {13, 3, 2, 1, 1, 7, 0}},
     320,
     0},
};

TEST(test_large)
{
    check_random r = {21};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        if (check_left_out(i))
            continue;
        conv_problem p;
        make(&p, &large[i], &r, true);
        check_levels(&p, pool, 0);
        conv_drop(&p);
    }
    sib_pool_free(&pool);
}

/* Many channels and features over short rows: features are in the lanes, in panels that are not multiples of
   them. */
static conv2d_shape deep_shape(check_random *r)
{
    conv2d_shape s = {.x = SIB_F32, .y = SIB_F32, .batch = conv_pick(r, 1, 2), .groups = conv_pick(r, 1, 2)};
    s.c = conv_pick(r, 8, 90);
    s.m = conv_pick(r, 10, 120);
    for (size_t i = 0; i < CONV2D_AXES; i++) {
        size_t in = i ? conv_pick(r, 1, 18) : conv_pick(r, 1, 2),
               kernel = i ? conv_pick(r, 1, 5) : conv_pick(r, 1, 2);
        s.axis[i] = conv_axis(r, in, kernel, 5);
    }
    return s;
}

TEST_ALONE(test_deep)
{
    check_random r = {24};
    size_t by_features = 0, count = (size_t)check_draws(60);
    for (size_t i = 0; i < count; i++) {
        conv2d_shape s = deep_shape(&r);
        conv2d_plan plan;
        sib_error err = SIB_ERROR_INIT;
        CHECK_OK(conv2d_plan_make(kernel_table_get(), &s, 1, &plan, &err), err);
        by_features += plan.features;
        conv2d_plan_free(&plan);
        conv_problem p;
        make(&p, &s, &r, true);
        check_levels(&p, NULL, 0);
        conv_drop(&p);
    }
    if (kernel_table_get()->conv2d.lanes > 1)
        assert_in_range(by_features, count / 3, count);
}

TEST_ALONE(test_fractions)
{
    check_random r = {22};
    for (int i = 0; i < 60; i++) {
        conv2d_shape s = random_shape(&r);
        conv_problem p;
        make(&p, &s, &r, false);
        check_levels(&p, NULL, 4e-6);
        conv_drop(&p);
    }
}

/* With features in the lanes a wide image is copied a block of channels at a time, for all rows; one of few channels a
   band of rows at a time. */
TEST_ALONE(test_blocks_of_channels)
{
    conv2d_shape few = FLOATS(1, 1, 32, 32, CONV_NO_AXIS, {112, 3, 2, 1, 1, 56, 0}, {112, 3, 2, 1, 1, 56, 0});
    few.method = CONV2D_FEATURES;
    conv2d_shape s = FLOATS(1, 1, 768, 32, CONV_NO_AXIS, {56, 3, 2, 1, 1, 28, 0}, {56, 3, 2, 1, 1, 28, 0});
    s.method = CONV2D_FEATURES;
    for (size_t i = 0; i < n_levels; i++) {
        sib_error err = SIB_ERROR_INIT;
        conv2d_plan plan;
        CHECK_OK(conv2d_plan_make(&tables[i].table, &s, 1, &plan, &err), err);
        assert_int_equal(plan.method, CONV2D_FEATURES);
        assert_int_equal(plan.rows, 28);
        assert_true(plan.scratch_floats < 256 * 1024);
        conv2d_plan_free(&plan);
        CHECK_OK(conv2d_plan_make(&tables[i].table, &few, 1, &plan, &err), err);
        assert_true(plan.rows < 16);
        conv2d_plan_free(&plan);
    }
}

/* Weights that are not finite meet the zeros of the border too, whatever is left out of it with others. */
TEST_ALONE(test_hostile)
{
    static const float values[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 1e-42f};
    check_random r = {23};
    for (int i = 0; i < check_draws(200); i++) {
        conv2d_shape s = random_shape(&r);
        s.method = i % 2 ? CONV2D_FEATURES : CONV2D_BY_COSTS;
        conv_problem p;
        make(&p, &s, &r, true);
        for (int j = 0; j < 3; j++) {
            p.x[check_u64(&r) % p.nx] = values[check_u64(&r) % 6];
            p.w[check_u64(&r) % p.nw] = values[i % 3 ? check_u64(&r) % 6 : 3];
        }
        conv_reference(&p);
        check_levels(&p, NULL, 1e-6);
        conv_drop(&p);
    }
}

TEST_FIXTURE(make_tables, NULL)
