/* The kernels `window` and `conv` against their definitions in double. */
#include "rig.h"

TEST_FIXTURE(rig_open, rig_close)

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
