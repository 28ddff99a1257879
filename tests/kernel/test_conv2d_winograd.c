/* Winograd convolutions against their definition in double, at every CPU level that runs here and for both
   tile sizes: each element within the bound of conv2d_winograd_plan.h; the rounding error on data like that
   of networks; numbers of very different sizes, infinities and NaN. */
#include "base/alloc.h"
#include "conv_problem.h"
#include "kernel/conv/conv2d_winograd_plan.h"
#include "tables.h"
#include "winograd_matrices.h"

#include <float.h>

#define UNIT 0x1p-24 /* relative error of rounding to float */

static conv2d_shape shape_of(size_t batch, size_t c, size_t m, const size_t in[2], const size_t before[2],
                             const size_t after[2])
{
    conv2d_shape s = {0, SIB_F32, SIB_F32, batch, 1, c, m, {CONV_NO_AXIS}, 0, 0};
    for (int k = 0; k < 2; k++)
        s.axis[1 + k] = (conv2d_axis){in[k], 3, 1, 1, before[k], in[k] + before[k] + after[k] - 2, 0};
    return s;
}

static void make(conv_problem *p, check_random *r, size_t batch, size_t c, size_t m, const size_t in[2],
                 const size_t pads[2])
{
    const conv2d_shape s = shape_of(batch, c, m, in, pads, pads);
    conv_make(p, &s, r, false);
}

/* Computes y by tiles of m x m at a level. */
static void run(conv_problem *p, const named_table *t, sib_pool *pool, size_t m)
{
    sib_error err = SIB_ERROR_INIT;
    conv2d_plan plan;
    conv2d_winograd w;
    unsigned threads = pool ? sib_pool_threads(pool) : 1;
    CHECK_OK(conv2d_plan_make(&t->table, &p->s, threads, &plan, &err), err);
    conv2d_winograd_make(&plan, threads, m, &w);
    assert_non_null(w.form);
    size_t n_scratch = w.scratch_floats * threads;
    float *packed = conv_room(w.packed_floats, sizeof *packed),
          *scratch = conv_room(n_scratch, sizeof *scratch);
    conv2d_winograd_pack(&w, &plan, p->w, packed);
    conv2d_call call = conv_call_of(p, &plan, packed, scratch, n_scratch);
    conv2d_winograd_run(&w, &call, pool);
    conv_check_finished(&p->s, t->name, p->finished, p->ny);
    mem_free(packed);
    mem_free(scratch);
    conv2d_plan_free(&plan);
}

/* Calls `check` for both tile sizes at every level. */
static void at_levels(conv_problem *p, sib_pool *pool,
                      void (*check)(conv_problem *p, const char *level, size_t m))
{
    for (size_t level = 0; level < n_levels; level++) {
        const conv2d_winograd_kernels *k = &tables[level].table.conv2d_winograd;
        for (size_t i = 0; i < k->n_forms; i++) {
            run(p, &tables[level], pool, k->forms[i].m);
            check(p, tables[level].name, k->forms[i].m);
        }
    }
}

/* ---- The bound ----------------------------------------------------------------------------------------- */

/* x at a row and column of the padded image. */
CHECK_UNWATCHED static double image_at(const conv_problem *p, size_t batch, size_t c, size_t row,
                                       size_t column)
{
    const conv2d_axis *a = p->s.axis;
    size_t h = row - a[1].before, w = column - a[2].before;
    return h < a[1].in && w < a[2].in ? (double)p->x[(batch * p->s.c + c) * p->in + h * a[2].in + w] : 0;
}

/* |G w G^T| of one kernel. Not |G| |w| |G^T|: the size of the rounded result is what counts. */
CHECK_UNWATCHED static void weight_magnitudes(const conv_problem *p, const winograd_matrices *a, size_t n,
                                              size_t kernel, double to[36])
{
    const float *w = p->w + kernel * 9;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < 9; k++)
                sum += a->weights[i][k / 3] * (double)w[k] * a->weights[j][k % 3];
            to[i * n + j] = fabs(sum);
        }
}

/* Magnitudes of one channel of a tile, |B^T| |x| |B|. row, column: its first pixel in the padded image. */
CHECK_UNWATCHED static void image_magnitudes(const conv_problem *p, const winograd_matrices *a, size_t n,
                                             size_t batch, size_t c, size_t row, size_t column, double to[36])
{
    double half[6][6] = {{0}};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < n; k++)
                half[i][j] += fabs(a->in[i][k]) * fabs(image_at(p, batch, c, row + k, column + j));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            to[i * n + j] = 0;
            for (size_t k = 0; k < n; k++)
                to[i * n + j] += half[i][k] * fabs(a->in[j][k]);
        }
}

/* Sets the bounds of the pixels of a tile. sums: (n, n), over channels. */
CHECK_UNWATCHED static void bound_tile(const conv_problem *p, const winograd_matrices *a, size_t m,
                                       size_t image, size_t h, size_t v, const double *sums, double *bounds)
{
    size_t n = m + 2;
    for (size_t i = 0; i < m && h + i < p->s.axis[1].out; i++)
        for (size_t j = 0; j < m && v + j < p->s.axis[2].out; j++) {
            double bound = 0;
            for (size_t k = 0; k < n * n; k++)
                bound += fabs(a->out[i][k / n]) * sums[k] * fabs(a->out[j][k % n]);
            size_t at = (image * p->s.axis[1].out + h + i) * p->s.axis[2].out + v + j;
            bounds[at] = ((double)p->s.c + 30) * UNIT * (bound + p->size[at]);
        }
}

/* The bounds of all elements (ny) for tiles of m x m; mem_free. */
CHECK_UNWATCHED static double *make_bounds(const conv_problem *p, size_t m)
{
    const winograd_matrices a = winograd_matrices_of(m);
    size_t places = (m + 2) * (m + 2);
    double(*w)[36] = conv_room(p->s.m * p->s.c, sizeof *w), (*x)[36] = conv_room(p->s.c, sizeof *x);
    double *bounds = conv_room(p->ny, sizeof *bounds);
    for (size_t i = 0; i < p->s.m * p->s.c; i++)
        weight_magnitudes(p, &a, m + 2, i, w[i]);
    for (size_t batch = 0; batch < p->s.batch; batch++)
        for (size_t h = 0; h < p->s.axis[1].out; h += m)
            for (size_t v = 0; v < p->s.axis[2].out; v += m) {
                for (size_t c = 0; c < p->s.c; c++)
                    image_magnitudes(p, &a, m + 2, batch, c, h, v, x[c]);
                for (size_t feature = 0; feature < p->s.m; feature++) {
                    double sums[36] = {0};
                    for (size_t c = 0; c < p->s.c; c++)
                        for (size_t k = 0; k < places; k++)
                            sums[k] += w[feature * p->s.c + c][k] * x[c][k];
                    bound_tile(p, &a, m, batch * p->s.m + feature, h, v, sums, bounds);
                }
            }
    mem_free(w);
    mem_free(x);
    return bounds;
}

#define MAX_TILE 4

static double *bounds[MAX_TILE + 1]; /* of the current problem, by m: the same at every level */

static void drop(conv_problem *p)
{
    for (size_t m = 0; m <= MAX_TILE; m++) {
        mem_free(bounds[m]);
        bounds[m] = NULL;
    }
    conv_drop(p);
}

/* Checks that |y - expected| is within the bound for every element. */
static void check_bound(conv_problem *p, const char *level, size_t m)
{
    assert_true(m <= MAX_TILE);
    if (!bounds[m])
        bounds[m] = make_bounds(p, m);
    for (size_t i = 0; i < p->ny; i++) {
        double diff = fabs((double)p->y[i] - p->expected[i]);
        if (!(diff <= bounds[m][i]))
            fail_msg("%s, m %zu, %s: element %zu is %g, expected %g, bound %g", level, m, conv_text(&p->s), i,
                     (double)p->y[i], p->expected[i], bounds[m][i]);
    }
}

TEST_ALONE(test_random)
{
    check_random r = {51};
    for (int i = 0; i < check_draws(150); i++) {
        conv_problem p;
        size_t in[2], before[2], after[2];
        for (int k = 0; k < 2; k++) {
            in[k] = conv_pick(&r, 3, 23);
            before[k] = conv_pick(&r, 0, 4);
            after[k] = conv_pick(&r, 0, 4);
        }
        const conv2d_shape s =
            shape_of(conv_pick(&r, 1, 2), conv_pick(&r, 1, 40), conv_pick(&r, 1, 40), in, before, after);
        conv_make(&p, &s, &r, false);
        p.clamped = i % 2;
        p.low = i % 3 ? 0 : -INFINITY;
        p.high = i % 5 ? 3 : INFINITY;
        conv_reference(&p);
        at_levels(&p, NULL, check_bound);
        drop(&p);
    }
}

/* Several blocks of tiles over rows and columns, deep sums, several groups of features, threads. */
TEST(test_large)
{
    static const struct {
        size_t batch, c, m, in[2], pad;
    } cases[] = {
        {1, 16, 16, {9, 260}, 1},   {2, 20, 33, {61, 60}, 1},  {1, 64, 70, {28, 28}, 1},
        {1, 700, 150, {7, 9}, 1},   {1, 24, 300, {14, 14}, 0}, {3, 30, 24, {30, 31}, 2},
        {1, 900, 200, {10, 10}, 1},
    };
    check_random r = {52};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    size_t n =
        /* under an emulator the long sums take minutes */
        getenv("SIBYL_QUICK") ? 3 : sizeof cases / sizeof *cases;
    for (size_t i = 0; i < n; i++) {
        conv_problem p;
        const size_t pads[2] = {cases[i].pad, cases[i].pad};
        make(&p, &r, cases[i].batch, cases[i].c, cases[i].m, cases[i].in, pads);
        conv_reference(&p);
        if (i % 2)
            at_levels(&p, NULL, check_bound);
        at_levels(&p, pool, check_bound);
        drop(&p);
    }
    sib_pool_free(&pool);
}

/* ---- Rounding error ------------------------------------------------------------------------------------ */

/* Error relative to the sums of |x| |w|, in rounding units: its root mean square and its maximum. */
static void check_rounding(conv_problem *p, const char *level, size_t m)
{
    double squares = 0, largest = 0;
    for (size_t i = 0; i < p->ny; i++) {
        double off = ((double)p->y[i] - p->expected[i]) / p->size[i] / UNIT;
        squares += off * off;
        if (!(fabs(off) <= largest))
            largest = fabs(off);
    }
    double mean = sqrt(squares / (double)p->ny);
    if (!(mean <= (m == 2 ? 0.6 : 1.6)) || !(largest <= (m == 2 ? 5 : 14)))
        fail_msg("%s, m %zu, %zu channels: off by %g units, at most %g", level, m, p->s.c, mean, largest);
}

/* Inputs as after a ReLU, half of them 0, and others; in quick runs one of them for each number of channels. */
TEST_ALONE(test_rounding)
{
    static const size_t channels[] = {16, 64, 256, 512}, in[2] = {16, 16}, pads[2] = {1, 1};
    check_random r = {53};
    for (size_t i = 0; i < 2 * sizeof channels / sizeof *channels; i++) {
        conv_problem p;
        if (getenv("SIBYL_QUICK") && (i + i / 2) % 2)
            continue;
        make(&p, &r, 1, channels[i / 2], 32, in, pads);
        for (size_t k = 0; k < p.nx && i % 2; k++)
            p.x[k] = p.x[k] < 0 ? 0 : p.x[k];
        conv_reference(&p);
        at_levels(&p, NULL, check_rounding);
        drop(&p);
    }
}

/* ---- Numbers of different sizes ------------------------------------------------------------------------ */

static double largest_weight; /* largest finite weight of the current problem */

/* Rounding units by which a single nonzero pixel of a tile changes its neighbours; about 30 were seen. */
#define ALONE_UNITS 64

/* NaN and infinities are where they belong. All else is as exact as the values in its window allow, if the
   |x| of a tile are at most CONV2D_WINOGRAD_RATIO times those. Sums that may overflow on the way are
   skipped. */
static void check_hostile(conv_problem *p, const char *level, size_t m)
{
    for (size_t i = 0; i < p->ny; i++) {
        double want = p->expected[i], got = (double)p->y[i];
        if (isfinite(want) && p->size[i] > (double)FLT_MAX / 4)
            continue;
        double tile = (double)CONV2D_WINOGRAD_RATIO * p->seen[i] * largest_weight;
        double allowed = ALONE_UNITS * UNIT * (tile + p->size[i]) + 1e-37;
        bool same = isnan(want) ? isnan(got) : isinf(want) ? got == want : fabs(got - want) <= allowed;
        if (!same)
            fail_msg("%s, m %zu: element %zu is %g, expected %g of a sum %g", level, m, i, got, want,
                     p->size[i]);
    }
}

TEST_ALONE(test_hostile)
{
    static const float values[] = {INFINITY, -INFINITY, NAN,   FLT_MAX, -FLT_MAX, 3e37f, 1e30f,
                                   -1e20f,   1e6f,      300.f, 1e-42f,  -0.0f,    1e12f};
    check_random r = {54};
    for (int i = 0; i < check_draws(200); i++) {
        conv_problem p;
        const size_t in[2] = {conv_pick(&r, 5, 20), conv_pick(&r, 5, 20)}, pads[2] = {conv_pick(&r, 0, 2), 1};
        make(&p, &r, conv_pick(&r, 1, 2), conv_pick(&r, 1, 24), conv_pick(&r, 1, 24), in, pads);
        float scale = i % 5 == 0 ? 1e-36f : i % 5 == 1 ? 1e34f : 1;
        for (size_t k = 0; k < p.nx; k++)
            p.x[k] *= i % 7 == 0 ? 0 : scale;
        for (int k = 0; k < 4; k++)
            p.x[check_u64(&r) % p.nx] = values[check_u64(&r) % (sizeof values / sizeof *values)];
        if (i % 6 == 0)
            p.w[check_u64(&r) % p.nw] = values[check_u64(&r) % 3];
        for (size_t k = 0; k < p.nw && i % 11 == 0; k++)
            p.w[k] *= 1e-38f;
        largest_weight = 0;
        for (size_t k = 0; k < p.nw; k++)
            largest_weight = isfinite(p.w[k]) ? fmax(largest_weight, fabs((double)p.w[k])) : largest_weight;
        conv_reference(&p);
        at_levels(&p, NULL, check_hostile);
        drop(&p);
    }
}

/* Where the window is all 0, the result is exactly the bias. */
static void check_zeros(conv_problem *p, const char *level, size_t m)
{
    for (size_t i = 0; i < p->ny; i++) {
        float bias = p->bias ? p->bias[i / p->out % p->s.m] : 0;
        if (p->seen[i] == 0 && p->y[i] != bias)
            fail_msg("%s, m %zu: element %zu is %g, expected %g", level, m, i, (double)p->y[i], (double)bias);
    }
}

TEST_ALONE(test_zeros)
{
    static const size_t in[2] = {22, 25}, pads[2] = {1, 1};
    check_random r = {55};
    for (size_t edge = 0; edge < 12; edge += getenv("SIBYL_QUICK") ? 3 : 1) { /* at each place of a tile */
        conv_problem p;
        make(&p, &r, 1, 20, 20, in, pads);
        for (size_t k = 0; k < p.nx; k++)
            p.x[k] = k / in[1] % in[0] < 5 + edge || k % in[1] > edge + 9 ? 0 : p.x[k];
        conv_reference(&p);
        at_levels(&p, NULL, check_zeros);
        at_levels(&p, NULL, check_bound);
        drop(&p);
    }
}

/* Which shapes Winograd is chosen for. */
TEST_ALONE(test_chosen)
{
    const conv2d_axis plain = {56, 3, 1, 1, 1, 56, 0};
    const conv2d_shape good = {0, SIB_F32, SIB_F32, 1, 1, 64, 64, {CONV_NO_AXIS, plain, plain}, 0, 0};
    sib_error err = SIB_ERROR_INIT;
    for (int i = 0; i < 8; i++) {
        conv2d_shape s = good;
        conv2d_plan plan;
        conv2d_winograd w;
        if (i == 1)
            s.axis[1] = (conv2d_axis){56, 3, 2, 1, 1, 28, 0};
        if (i == 2)
            s.axis[2] = (conv2d_axis){56, 3, 1, 2, 2, 56, 0};
        if (i == 3)
            s.axis[1] = (conv2d_axis){56, 5, 1, 1, 2, 56, 0};
        if (i == 4)
            s.groups = 2;
        if (i == 5)
            s.c = 3;
        if (i == 6)
            s.x = s.y = SIB_F16;
        if (i == 7)
            s.axis[0] = (conv2d_axis){5, 3, 1, 1, 1, 5, 0};
        CHECK_OK(conv2d_plan_make(kernel_table_get(), &s, 1, &plan, &err), err);
        conv2d_winograd_make(&plan, 1, 0, &w);
        assert_int_equal(w.form != NULL, i == 0);
        conv2d_plan_free(&plan);
    }
}

TEST_FIXTURE(make_tables, NULL)
