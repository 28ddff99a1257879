/* Resize along one axis: positions by hand, weights by the kernel at every element. */
#include "check.h"
#include "spec/resize_axis.h"

#include <math.h>

/* By hand: the source position of element 2 of 6 from 4, and where lengths are 1. */
TEST(test_resize_positions)
{
    static const struct {
        resize_mapping mapping;
        resize_axis x;
        int64_t i;
        double at;
    } cases[] = {
        {RESIZE_HALF_PIXEL, {4, 6, 6, 4, 0, 1}, 2, 2.5 * 4 / 6 - 0.5},
        {RESIZE_HALF_PIXEL, {4, 1, 1, 4, 0, 1}, 0, 1.5},
        {RESIZE_HALF_PIXEL_SYMMETRIC, {4, 6, 6, 4, 0, 1}, 2, 2 + (2.5 - 3) * 4 / 6 - 0.5},
        {RESIZE_HALF_PIXEL_SYMMETRIC, {5, 7, 3, 2, 0, 1}, 0, 2.5 + (0.5 - 3.5) * 2 / 3 - 0.5},
        {RESIZE_PYTORCH_HALF_PIXEL, {4, 6, 6, 4, 0, 1}, 2, 2.5 * 4 / 6 - 0.5},
        {RESIZE_PYTORCH_HALF_PIXEL, {4, 1, 1, 4, 0, 1}, 0, 0},
        {RESIZE_PYTORCH_HALF_PIXEL, {4, 2, 2, 4, 0, 1}, 0, 0.5},
        {RESIZE_ALIGN_CORNERS, {4, 6, 6, 4, 0, 1}, 2, 2 * 3. / 5},
        {RESIZE_ALIGN_CORNERS, {4, 1, 1, 4, 0, 1}, 0, 0},
        {RESIZE_ALIGN_CORNERS, {4, 2, 2, 4, 0, 1}, 1, 3},
        {RESIZE_ASYMMETRIC, {4, 6, 6, 4, 0, 1}, 2, 2 * 4. / 6},
        {RESIZE_TF_HALF_PIXEL_FOR_NN, {4, 6, 6, 4, 0, 1}, 2, 2.5 * 4 / 6},
        {RESIZE_TF_CROP_AND_RESIZE, {4, 6, 6, 4, 0.25, 0.75}, 2, 0.25 * 3 + 2 * 0.5 * 3 / 5},
        {RESIZE_TF_CROP_AND_RESIZE, {4, 2, 2, 4, 0.25, 0.75}, 1, 0.75 * 3},
        {RESIZE_TF_CROP_AND_RESIZE, {5, 1, 1, 5, 0.25, 0.5}, 0, 0.375 * 4},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const resize_rule r = {.mapping = cases[i].mapping};
        const double at = resize_source(&r, &cases[i].x, cases[i].i);
        if (!(fabs(at - cases[i].at) <= 1e-12))
            fail_msg("case %zu: %.17g, expected %.17g", i, at, cases[i].at);
    }
}

TEST(test_resize_nearest)
{
    static const struct {
        resize_rounding rounding;
        double up, down;
        int64_t index[4]; /* of the positions -0.25, 0.5, 1.25 and 1.75 */
    } cases[] = {{RESIZE_PREFER_FLOOR, 2, 1, {0, 0, 1, 2}}, {RESIZE_PREFER_CEIL, 2, 1, {0, 1, 1, 2}},
                 {RESIZE_FLOOR, 2, 1, {0, 0, 1, 1}},        {RESIZE_CEIL, 2, 1, {0, 1, 2, 2}},
                 {RESIZE_EARLY, 2, 1, {0, 0, 1, 1}},        {RESIZE_EARLY, 1, 2, {0, 1, 2, 2}},
                 {RESIZE_EARLY, 1, 1, {0, 0, 1, 1}}};
    static const double positions[] = {-0.25, 0.5, 1.25, 1.75};
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < 4; k++) {
            /* element 0 of a region lies at its beginning and, where the length is 1, in its middle: they are the same */
            const double start = positions[k] / 2;
            const resize_rule r = {.filter = RESIZE_NEAREST,
                                   .mapping = RESIZE_TF_CROP_AND_RESIZE,
                                   .rounding = cases[i].rounding};
            const resize_axis one = {3, 1, cases[i].up, cases[i].down, start, start};
            int64_t index = -1;
            double weight = 0;
            resize_weigh(&r, &one, 0, 1, &index, &weight);
            assert_int_equal(index, cases[i].index[k]);
            assert_true(weight == 1);
        }
    /* positions beyond either end are the last elements */
    const resize_rule r = {.filter = RESIZE_NEAREST, .mapping = RESIZE_ASYMMETRIC, .rounding = RESIZE_CEIL};
    const resize_axis x = {3, 9, 1, 1, 0, 1};
    int64_t index;
    double weight;
    for (int64_t i = 0; i < 9; i++) {
        resize_weigh(&r, &x, i, 1, &index, &weight);
        assert_int_equal(index, i < 3 ? i : 2);
    }
}

static double by_definition(const resize_rule *r, double d)
{
    const double x = fabs(d), a = r->a;
    if (r->filter == RESIZE_LINEAR)
        return fmax(0, 1 - x);
    return x <= 1  ? (a + 2) * x * x * x - (a + 3) * x * x + 1
           : x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a
                   : 0;
}

/* The weight of each element of the source, by the kernel at every integer position. */
static void check_weights(const resize_rule *r, const resize_axis *x, int64_t i)
{
    enum { FAR = 40, MAX = 12 };
    double want[MAX] = {0}, got[MAX] = {0}, sum = 0, weight[64];
    int64_t index[64];
    const double stretch = r->antialias && x->down > x->up ? x->down / x->up : 1, p = resize_source(r, x, i);
    const int64_t taps = resize_taps(r, x);
    for (int64_t j = -FAR; j < x->in + FAR; j++) {
        const bool is_out = j < 0 || j >= x->in;
        const double w = is_out && r->exclude_outside ? 0 : by_definition(r, ((double)j - p) / stretch);
        want[j < 0 ? 0 : j >= x->in ? x->in - 1 : j] += w;
        sum += w;
    }
    assert_true(taps <= 64);
    resize_weigh(r, x, i, taps, index, weight);
    for (int64_t k = 0; k < taps; k++) {
        assert_true(index[k] >= 0 && index[k] < x->in && weight[k] != 0);
        got[index[k]] += weight[k];
    }
    for (int64_t j = 0; j < x->in; j++) {
        const double w = (r->antialias || r->exclude_outside) ? want[j] / sum : want[j];
        if (!(fabs(got[j] - w) <= 1e-12))
            fail_msg("filter %d, element %lld from %lld: weight %.17g, expected %.17g", (int)r->filter,
                     (long long)i, (long long)j, got[j], w);
    }
}

TEST(test_resize_weights)
{
    static const resize_axis axes[] = {{4, 6, 6, 4, 0, 1},   {7, 3, 3, 7, 0, 1}, {5, 5, 1, 1, 0, 1},
                                       {12, 5, 5, 12, 0, 1}, {1, 4, 4, 1, 0, 1}, {2, 7, 3.5, 1, 0, 1},
                                       {9, 2, 2, 9, 0, 1}};
    for (int k = 0; k < 16; k++)
        for (size_t i = 0; i < COUNT(axes); i++) {
            const resize_rule r = {.filter = k & 1 ? RESIZE_CUBIC : RESIZE_LINEAR,
                                   .mapping = k & 2 ? RESIZE_ASYMMETRIC : RESIZE_HALF_PIXEL,
                                   .a = k & 4 ? -0.5 : -0.75,
                                   .antialias = k & 4,
                                   .exclude_outside = k & 8};
            for (int64_t at = 0; at < axes[i].out; at++)
                check_weights(&r, &axes[i], at);
        }
}

TEST(test_resize_taps_and_identity)
{
    static const struct {
        resize_filter filter;
        double up, down;
        bool antialias;
        int64_t taps;
    } cases[] = {{RESIZE_NEAREST, 1, 4, true, 1},
                 {RESIZE_LINEAR, 2, 1, true, 2},
                 {RESIZE_CUBIC, 2, 1, true, 4},
                 {RESIZE_LINEAR, 1, 3, false, 2},
                 {RESIZE_LINEAR, 1, 3, true, 6},
                 {RESIZE_CUBIC, 1, 3, true, 12},
                 {RESIZE_LINEAR, 2, 3, true, 3},
                 {RESIZE_LINEAR, 1, 1, true, 2},
                 {RESIZE_LINEAR, 1, 1e17, true, 1000000000000000}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const resize_rule r = {.filter = cases[i].filter, .antialias = cases[i].antialias};
        assert_int_equal(
            resize_taps(&r, &(resize_axis){.in = 4, .out = 4, .up = cases[i].up, .down = cases[i].down}),
            cases[i].taps);
    }
    static const struct {
        resize_mapping mapping;
        resize_axis x;
        bool same;
    } axes[] = {{RESIZE_HALF_PIXEL, {4, 4, 1, 1, 0, 0}, true},
                {RESIZE_HALF_PIXEL, {4, 5, 1, 1, 0, 1}, false},
                {RESIZE_HALF_PIXEL, {4, 4, 1.1, 1, 0, 1}, false},
                {RESIZE_TF_HALF_PIXEL_FOR_NN, {4, 4, 1, 1, 0, 1}, false},
                {RESIZE_TF_CROP_AND_RESIZE, {4, 4, 1, 1, 0, 1}, true},
                {RESIZE_TF_CROP_AND_RESIZE, {4, 4, 1, 1, 0.1, 1}, false},
                {RESIZE_TF_CROP_AND_RESIZE, {4, 4, 1, 1, 0, 0.9}, false}};
    for (size_t i = 0; i < COUNT(axes); i++)
        assert_int_equal(resize_is_identity(&(resize_rule){.mapping = axes[i].mapping}, &axes[i].x),
                         axes[i].same);
}
