/* The definition of Resize along one axis, in double. */
#include "spec/resize_axis.h"

#include "base/error.h" /* refuses -ffast-math */

#include <math.h>

/* The length of the result is not rounded here, which the official test cases require. */
double resize_source(const resize_rule *r, const resize_axis *x, int64_t i)
{
    double p = (double)i, length = x->up * (double)x->in / x->down, last = (double)x->in - 1;
    switch (r->mapping) {
    case RESIZE_HALF_PIXEL_SYMMETRIC: /* the centres of both axes coincide */
        return (double)x->in / 2 + (p + 0.5 - (double)x->out / 2) * x->down / x->up - 0.5;
    case RESIZE_PYTORCH_HALF_PIXEL:
        return length > 1 ? (p + 0.5) * x->down / x->up - 0.5 : 0;
    case RESIZE_ALIGN_CORNERS:
        return length == 1 ? 0 : p * last / (length - 1);
    case RESIZE_ASYMMETRIC:
        return p * x->down / x->up;
    case RESIZE_TF_HALF_PIXEL_FOR_NN:
        return (p + 0.5) * x->down / x->up;
    case RESIZE_TF_CROP_AND_RESIZE:
        if (length > 1)
            return x->start * last + p * (x->end - x->start) * last / (length - 1);
        return 0.5 * (x->start + x->end) * last;
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
static double kernel_at(const resize_rule *r, double d)
{
    double a = r->a;
    d = fabs(d);
    if (r->filter == RESIZE_LINEAR)
        return d < 1 ? 1 - d : 0;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/* Where an antialiased axis shrinks, the kernel is stretched by this factor. */
static double stretch_of(const resize_rule *r, const resize_axis *x)
{
    return r->antialias && x->down > x->up ? x->down / x->up : 1;
}

int64_t resize_taps(const resize_rule *r, const resize_axis *x)
{
    if (r->filter == RESIZE_NEAREST)
        return 1;
    double taps = ceil(2 * (r->filter == RESIZE_LINEAR ? 1 : 2) * stretch_of(r, x));
    return taps < 1e15 ? (int64_t)taps : (int64_t)1e15;
}

bool resize_is_identity(const resize_rule *r, const resize_axis *x)
{
    bool whole = r->mapping != RESIZE_TF_CROP_AND_RESIZE || (x->start == 0 && x->end == 1);
    return x->in == x->out && x->up == x->down && whole && r->mapping != RESIZE_TF_HALF_PIXEL_FOR_NN;
}

void resize_weigh(const resize_rule *r, const resize_axis *x, int64_t i, int64_t taps, int64_t *index,
                  double *weight)
{
    double p = resize_source(r, x, i), stretch = stretch_of(r, x), sum = 0;
    double first = floor(p - (r->filter == RESIZE_LINEAR ? 1 : 2) * stretch) + 1;
    int64_t some = -1, idle = 0;
    if (r->filter == RESIZE_NEAREST) {
        *index = clamped(nearest(r->rounding, x, p), x->in);
        *weight = 1;
        return;
    }
    for (int64_t k = 0; k < taps; k++) {
        double at = first + (double)k;
        bool is_out = at < 0 || at >= (double)x->in;
        index[k] = clamped(at, x->in);
        weight[k] = r->exclude_outside && is_out ? 0 : kernel_at(r, (at - p) / stretch);
        sum += weight[k];
        idle += weight[k] == 0;
        if (weight[k] != 0 && some < 0)
            some = k;
    }
    double shared = some < 0 ? 0 : weight[some] / (double)(idle + 1);
    for (int64_t k = 0; k < taps; k++) {
        if (some >= 0 && (k == some || weight[k] == 0)) {
            index[k] = index[some];
            weight[k] = shared;
        }
        if ((r->antialias || r->exclude_outside) && sum != 0)
            weight[k] /= sum;
    }
}
