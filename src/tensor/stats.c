#include "base/error.h"
#include "tensor/convert.h"
#include "tensor/tensor.h"
#include "tensor/walk.h"

#include <math.h>

/* State shared by the passes over the elements. Sums are of x * scale, where scale is the power of two
   that brings the largest finite magnitude near 1, so that neither sums nor squares overflow or underflow. */
typedef struct stats_state {
    sib_stats *out;
    uint64_t n_finite;
    double finite_min, finite_max;
    double scale, mean;  /* mean of x * scale */
    double sum, lost;    /* a sum, and its rounding errors */
    double squares;      /* of deviations from the mean */
    uint64_t *histogram; /* (bins) */
    size_t bins;
    double lo, hi, width; /* of one bin */
} stats_state;

typedef void (*stats_pass)(stats_state *s, const double *x, size_t n);

static void run_pass(const sib_tensor *t, stats_pass pass, stats_state *s)
{
    char scratch[WALK_SCRATCH];
    double x[WALK_BLOCK];
    tensor_walk walk;
    size_t n;
    walk_begin(&walk, t);
    for (const void *next = walk_next(&walk, scratch, &n); n > 0; next = walk_next(&walk, scratch, &n)) {
        convert_to_doubles(t->dtype, next, 0, n, CONVERT_MODULUS, x);
        pass(s, x, n);
    }
}

static void count_pass(stats_state *s, const double *x, size_t n)
{
    sib_stats *out = s->out;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i])) {
            out->n_nan++;
            continue;
        }
        out->n_zero += x[i] == 0;
        out->min = !(x[i] >= out->min) ? x[i] : out->min; /* the first value replaces NaN */
        out->max = !(x[i] <= out->max) ? x[i] : out->max;
        if (isinf(x[i])) {
            out->n_inf++;
            continue;
        }
        s->n_finite++;
        s->finite_min = !(x[i] >= s->finite_min) ? x[i] : s->finite_min;
        s->finite_max = !(x[i] <= s->finite_max) ? x[i] : s->finite_max;
    }
}

/* Neumaier 1974, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen". */
static void add(stats_state *s, double x)
{
    double sum = s->sum + x;
    s->lost += fabs(s->sum) >= fabs(x) ? s->sum - sum + x : x - sum + s->sum;
    s->sum = sum;
}

static void mean_pass(stats_state *s, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]))
            add(s, x[i] * s->scale);
}

static void square_pass(stats_state *s, const double *x, size_t n)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        double deviation = isfinite(x[i]) ? x[i] * s->scale - s->mean : 0;
        squares += deviation * deviation;
    }
    s->squares += squares;
}

/* Returns the lower edge of a bin. */
static double edge(const stats_state *s, size_t bin)
{
    return bin == s->bins ? s->hi : s->lo + (double)bin * s->width;
}

static void histogram_pass(stats_state *s, const double *x, size_t n)
{
    bool wide = isinf(s->hi - s->lo);
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= s->lo && x[i] <= s->hi) || isinf(x[i]))
            continue;
        double place = wide ? x[i] / s->width - s->lo / s->width : (x[i] - s->lo) / s->width;
        /* NaN, which arises where all values are equal, goes to the last bin. */
        size_t bin = place < (double)s->bins ? (size_t)fmax(place, 0) : s->bins - 1;
        /* The quotient is rounded, so the edges decide. */
        while (bin > 0 && x[i] < edge(s, bin))
            bin--;
        while (bin + 1 < s->bins && x[i] >= edge(s, bin + 1))
            bin++;
        s->histogram[bin]++;
    }
}

static void make_moments(const sib_tensor *t, stats_state *s)
{
    int exponent;
    double n = (double)s->n_finite;
    frexp(fmax(fabs(s->finite_min), fabs(s->finite_max)), &exponent);
    exponent = exponent > 1000 ? 1000 : exponent < -1000 ? -1000 : exponent; /* 2^-exponent is normal */
    s->scale = ldexp(1, -exponent);
    run_pass(t, mean_pass, s);
    s->mean = (s->sum + s->lost) / n;
    run_pass(t, square_pass, s);
    s->out->mean = ldexp(s->mean, exponent);
    s->out->std = ldexp(sqrt(s->squares / n), exponent);
}

static sib_code check_stats(const sib_tensor *t, const sib_stats *out, const uint64_t *histogram, size_t bins,
                            double lo, double hi, sib_error *err)
{
    if (!t || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", t ? "out" : "the tensor");
    if (t->dtype == SIB_STRING)
        return err_set(err, SIB_ERR_ARGUMENT, "strings have no statistics");
    if (bins > SIB_HISTOGRAM_MAX)
        return err_set(err, SIB_ERR_ARGUMENT, "bins is %zu, expected at most %d", bins, SIB_HISTOGRAM_MAX);
    if (bins > 0 && !histogram)
        return err_set(err, SIB_ERR_ARGUMENT, "histogram is NULL, expected room for %zu bins", bins);
    if (bins > 0 && (!isfinite(lo) || !isfinite(hi)))
        return err_set(err, SIB_ERR_ARGUMENT, "the histogram's range is %g to %g, expected finite numbers",
                       lo, hi);
    return SIB_OK;
}

sib_code sib_tensor_stats(const sib_tensor *t, sib_stats *out, uint64_t *histogram, size_t bins, double lo,
                          double hi, sib_error *err)
{
    sib_code code = check_stats(t, out, histogram, bins, lo, hi, err);
    if (code != SIB_OK)
        return code;
    *out = (sib_stats){.count = t->count, .min = NAN, .max = NAN, .mean = NAN, .std = NAN};
    stats_state s = {.out = out, .finite_min = NAN, .finite_max = NAN, .histogram = histogram, .bins = bins};
    for (size_t i = 0; i < bins; i++)
        histogram[i] = 0;
    run_pass(t, count_pass, &s);
    if (s.n_finite == 0)
        return SIB_OK;
    make_moments(t, &s);
    s.lo = lo < hi ? lo : s.finite_min;
    s.hi = lo < hi ? hi : s.finite_max;
    if (bins == 0)
        return SIB_OK;
    double span = s.hi - s.lo, n = (double)bins;
    s.width = isinf(span) ? s.hi / n - s.lo / n : span / n;
    run_pass(t, histogram_pass, &s);
    return SIB_OK;
}
