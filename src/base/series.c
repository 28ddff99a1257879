/* Statistics of a measured series. Sums and differences are long double, so that no series of finite
   doubles overflows. */
#include <sibyl/timing.h>

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Hyndman & Fan 1996, type 7: linear between the order statistics on either side of q (n - 1). */
static double quantile(const double *sorted, size_t n, double q)
{
    long double position = (long double)q * (long double)(n - 1);
    size_t below = (size_t)position;
    if (below >= n - 1)
        return sorted[n - 1];
    long double low = sorted[below], high = sorted[below + 1];
    return (double)(low + (high - low) * (position - (long double)below));
}

static long double mean_of(const double *values, size_t n)
{
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (long double)n;
}

static double deviation(const double *values, size_t n, long double mean)
{
    long double sum = 0;
    if (n < 2)
        return 0;
    for (size_t i = 0; i < n; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return (double)sqrtl(sum / (long double)(n - 1));
}

/* Tukey 1977: more than 1.5 interquartile ranges from the quartiles. */
static size_t mark_outliers(const double *values, const double *sorted, size_t n, bool *outliers)
{
    long double q1 = quantile(sorted, n, 0.25), q3 = quantile(sorted, n, 0.75), reach = 1.5L * (q3 - q1);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool outlier = values[i] < q1 - reach || values[i] > q3 + reach;
        count += outlier;
        if (outliers)
            outliers[i] = outlier;
    }
    return count;
}

sib_code sib_series_stats(const double *values, size_t n, sib_series *out, bool *outliers, sib_error *err)
{
    memset(out, 0, sizeof *out);
    if (n == 0)
        return err_set(err, SIB_ERR_ARGUMENT, "a series of 0 values has no statistics, at least 1 is needed");
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return err_set(err, SIB_ERR_VALUE, "value %zu of the series is %g, expected a finite number", i,
                           values[i]);
    double *sorted = mem_alloc(n, sizeof *sorted);
    if (!sorted)
        return err_memory(err, n * sizeof *sorted, "a sorted series");
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    long double mean = mean_of(values, n);
    *out = (sib_series){.n = n,
                        .min = sorted[0],
                        .median = quantile(sorted, n, 0.5),
                        .mean = (double)mean,
                        .p95 = quantile(sorted, n, 0.95),
                        .p99 = quantile(sorted, n, 0.99),
                        .max = sorted[n - 1],
                        .std = deviation(values, n, mean),
                        .n_outliers = mark_outliers(values, sorted, n, outliers)};
    mem_free(sorted);
    return SIB_OK;
}
