/* The definition of Resize along one axis, in double. Its formulas are those of the operator's lowering. */
#include "kernel/resize/resize_table.h"

#include "base/error.h" /* refuses -ffast-math */

#include <math.h>

/* Where position i lies in the source. The resized length is not rounded here. */
static double source_of(const resize_spec *s, const resize_axis *x, int64_t i)
{
    double p = (double)i, length = x->up * (double)x->in / x->down, last = (double)x->in - 1;
    switch (s->mapping) {
    case RESIZE_HALF_PIXEL_SYMMETRIC: /* the middles of both fall together */
        return (double)x->in / 2 + (p + 0.5 - (double)x->out / 2) * x->down / x->up - 0.5;
    case RESIZE_PYTORCH_HALF_PIXEL:
        return length > 1 ? (p + 0.5) * x->down / x->up - 0.5 : 0;
    case RESIZE_ALIGN_CORNERS:
        return length == 1 ? 0 : p * last / (length - 1);
    case RESIZE_ASYMMETRIC:
        return p * x->down / x->up;
    case RESIZE_TF_HALF_PIXEL_FOR_NN:
        return (p + 0.5) * x->down / x->up;
    default:
        return (p + 0.5) * x->down / x->up - 0.5;
    }
}

static int64_t clamped(double p, int64_t n)
{
    return p >= 0 ? p < (double)n ? (int64_t)p : n - 1 : 0;
}

static double nearest(resize_rounding r, const resize_axis *x, double p)
{
    if (r == RESIZE_EARLY)
        r = x->up < x->down ? RESIZE_CEIL : RESIZE_FLOOR;
    switch (r) {
    case RESIZE_PREFER_CEIL:
        return floor(p + 0.5);
    case RESIZE_FLOOR:
        return floor(p);
    case RESIZE_CEIL:
        return ceil(p);
    default:
        return ceil(p - 0.5);
    }
}

/* The linear kernel, or Keys' cubic one (IEEE 1163711, equation 4). */
static double kernel_at(const resize_spec *s, double d)
{
    double a = s->a;
    d = fabs(d);
    if (s->filter == RESIZE_LINEAR)
        return d < 1 ? 1 - d : 0;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* The kernel is stretched where an antialiased axis shrinks. */
static double stretch_of(const resize_spec *s, const resize_axis *x)
{
    return s->antialias && x->down > x->up ? x->down / x->up : 1;
}

int64_t resize_taps(const resize_spec *s, const resize_axis *x)
{
    if (s->filter == RESIZE_NEAREST)
        return 1;
    double taps = ceil(2 * (s->filter == RESIZE_LINEAR ? 1 : 2) * stretch_of(s, x));
    return taps < 1e15 ? (int64_t)taps : (int64_t)1e15;
}

bool resize_is_identity(const resize_spec *s, const resize_axis *x)
{
    return x->in == x->out && x->up == x->down && s->mapping != RESIZE_TF_HALF_PIXEL_FOR_NN;
}

/* Tap k of those around p: the weight in the sum, 0 for none. */
static double tap_of(const resize_spec *s, const resize_axis *x, double p, double stretch, double at)
{
    if (s->exclude_outside && (at < 0 || at >= (double)x->in))
        return 0;
    return kernel_at(s, (at - p) / stretch);
}

void resize_weigh(const resize_spec *s, const resize_axis *x, int64_t i, int64_t taps, int32_t *index,
                  float *weight)
{
    double p = source_of(s, x, i), stretch = stretch_of(s, x), sum = 0;
    double first = floor(p - (s->filter == RESIZE_LINEAR ? 1 : 2) * stretch) + 1;
    int64_t some = -1, idle = 0;
    if (s->filter == RESIZE_NEAREST) {
        *index = (int32_t)clamped(nearest(s->rounding, x, p), x->in);
        *weight = 1;
        return;
    }
    for (int64_t k = 0; k < taps; k++) {
        double w = tap_of(s, x, p, stretch, first + (double)k);
        sum += w;
        idle += w == 0;
        if (w != 0 && some < 0)
            some = k;
    }
    /* A tap without weight shares that of another one and its index, so that an infinity that does not count leaves no
       NaN. */
    double shared = some < 0 ? 0 : tap_of(s, x, p, stretch, first + (double)some) / (double)(idle + 1);
    for (int64_t k = 0; k < taps; k++) {
        double w = tap_of(s, x, p, stretch, first + (double)k);
        bool shares = some >= 0 && (k == some || w == 0);
        index[k] = (int32_t)clamped(first + (double)(shares ? some : k), x->in);
        if (shares)
            w = shared;
        if ((s->antialias || s->exclude_outside) && sum != 0)
            w /= sum;
        weight[k] = (float)w;
    }
}
