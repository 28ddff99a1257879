/* Numerics of quantization: scales, rounding, errors. Columns are contiguous throughout. */
#include "run/quantize/quantize.h"

#include <float.h>
#include <math.h>

/* Ratios of clipping to try: 1, 0.98, ... 0.6. */
#define TRIES 21
#define STEP  0.02f

/* Adding 1.5 * 2^23 rounds a float to the nearest integer, ties to even. For |x| < 2^22. */
#define ROUNDER 12582912.f

#define LANES 8

static inline float rounded(float x, float min, float max)
{
    x = x < -min ? -min : x > max ? max : x;
    return (x + ROUNDER) - ROUNDER;
}

static float largest(const float *w, int64_t n)
{
    float max = 0;
    for (int64_t i = 0; i < n; i++)
        max = fabsf(w[i]) > max ? fabsf(w[i]) : max;
    return max;
}

/* Sum of h (w - q * scale)^2; separate sums per lane let the compiler vectorise the loop. */
static double loss(const float *w, const float *h, int64_t n, float scale, float min, float max)
{
    float inverse = 1 / scale, lanes[LANES] = {0};
    double sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            float d = w[i + j] - rounded(w[i + j] * inverse, min, max) * scale;
            lanes[j] += h ? h[i + j] * d * d : d * d;
        }
    }
    for (; i < n; i++) {
        float d = w[i] - rounded(w[i] * inverse, min, max) * scale;
        sum += (double)(h ? h[i] * d * d : d * d);
    }
    for (int j = 0; j < LANES; j++)
        sum += (double)lanes[j];
    return sum;
}

/* The best scale of n weights; 1 where all are 0 or too small for a scale. */
static float best_scale(const float *w, const float *h, int64_t n, float min, float max)
{
    float full = largest(w, n) / max, best = full;
    double min_loss = INFINITY;
    if (full < FLT_MIN / 0.5f)
        return 1;
    for (int t = 0; t < TRIES; t++) {
        float scale = full * (1 - STEP * (float)t);
        double l = loss(w, h, n, scale, min, max);
        if (l < min_loss) {
            min_loss = l;
            best = scale;
        }
    }
    return best;
}

void quant_columns(const float *w, int64_t n, int64_t k, int64_t block, const float *h, float min, float max,
                   int8_t *q, float *scales)
{
    for (int64_t j = 0; j < n; j++)
        for (int64_t b = 0; b < k; b += block) {
            int64_t count = k - b < block ? k - b : block;
            const float *from = w + j * k + b;
            float scale = best_scale(from, h ? h + b : NULL, count, min, max);
            *scales++ = scale;
            for (int64_t i = 0; i < count; i++)
                q[j * k + b + i] = (int8_t)rounded(from[i] * (1 / scale), min, max);
        }
}

double quant_ratio(double difference, double whole)
{
    return difference == 0 ? 0 : sqrt(difference / whole);
}

double quant_error(const float *a, const float *b, uint64_t n)
{
    double difference = 0, whole = 0;
    for (uint64_t i = 0; i < n; i++) {
        double d = (double)b[i] - (double)a[i];
        difference += d * d;
        whole += (double)a[i] * (double)a[i];
    }
    return quant_ratio(difference, whole);
}

double quant_output_error(const float *x, size_t m, const float *a, const float *b, int64_t n, int64_t k)
{
    double difference = 0, whole = 0;
    for (int64_t j = 0; j < n; j++)
        for (size_t r = 0; r < m; r++) {
            const float *row = x + (int64_t)r * k, *p = a + j * k, *q = b + j * k;
            float was[LANES] = {0}, off[LANES] = {0};
            double y = 0, d = 0;
            int64_t i = 0;
            for (; i + LANES <= k; i += LANES)
                for (int l = 0; l < LANES; l++) {
                    was[l] += row[i + l] * p[i + l];
                    off[l] += row[i + l] * (q[i + l] - p[i + l]);
                }
            for (; i < k; i++) {
                y += (double)(row[i] * p[i]);
                d += (double)(row[i] * (q[i] - p[i]));
            }
            for (int l = 0; l < LANES; l++) {
                y += (double)was[l];
                d += (double)off[l];
            }
            whole += y * y;
            difference += d * d;
        }
    return quant_ratio(difference, whole);
}
