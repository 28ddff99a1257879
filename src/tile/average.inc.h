/* The 3 x 3 average of fixed-point features, in plain C that the compiler makes vectors of. */
#include "base/size.h"
#include "tile/tile_lanes.h"

#include <string.h>

#define COLUMNS FIXED_AVERAGE_COLUMNS
#define WIDTH   (COLUMNS + 2) /* with a column at either side */

/* Sums of three rows (n + 2). Columns beyond are added too, whatever they hold: the length is constant. */
static void sum_rows(const int32_t *above, const int32_t *row, const int32_t *below, int32_t *restrict sums)
{
    for (size_t t = 0; t < WIDTH; t++)
        sums[t] = above[t] + row[t] + below[t];
}

/* Of a number of values: what is added to their sum, and the factor that divides it. */
typedef struct divisor {
    float half, part;
} divisor;

static divisor divisor_of(int32_t count)
{
    return (divisor){count % 2 ? 0.0f : 0.5f, 1.0f / (float)count};
}

/* floor(sum / count + 1 / 2) modulo 2^16 for count <= 9: in a float of 2^23 + 2^22 and more the last bits count ones. With
   the half of even counts, which changes no result, sum / count is at least 1 / 18 away from where rounding changes; the
   product errs by less than 0.004. */
static inline uint32_t mean(int32_t sum, divisor by)
{
    const float shifted = ((float)sum + by.half) * by.part + 12582912.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits;
}

/* average_row makes the averages of n columns from the sums of n_rows rows.
   left and right columns, the next block and `valid` as tile_lanes.h says. */
#define AVERAGE(type)                                                                                        \
    static void average_row_##type(const int32_t *restrict sums, int32_t n_rows, size_t n, bool left,        \
                                   bool right, type##_t *restrict out)                                       \
    {                                                                                                        \
        const divisor all = divisor_of(3 * n_rows), first = divisor_of(n_rows * (1 + (n > 1 || right))),     \
                      last = divisor_of(n_rows * (1 + (n > 1 || left)));                                     \
        for (size_t t = 0; t < n; t++)                                                                       \
            out[t] = (type##_t)mean(sums[t] + sums[t + 1] + sums[t + 2], all);                               \
        if (!left)                                                                                           \
            out[0] = (type##_t)mean(sums[1] + sums[2], first);                                               \
        if (!right)                                                                                          \
            out[n - 1] = (type##_t)mean(sums[n - 1] + sums[n], last);                                        \
    }                                                                                                        \
    static void widen_##type(const type##_t *restrict x, size_t n, int32_t *restrict y)                      \
    {                                                                                                        \
        for (size_t t = 0; t < n; t++)                                                                       \
            y[t] = (int32_t)x[t];                                                                            \
    }                                                                                                        \
    void SIMD_NAME(fixed_average_##type)(type##_t * x, size_t rows, size_t count, size_t stride,             \
                                         const int16_t *left, bool right, int16_t *next, bool valid,         \
                                         type##_t *out)                                                      \
    {                                                                                                        \
        const size_t n = size_min(count, COLUMNS);                                                           \
        int32_t ring[3][WIDTH], sums[WIDTH];                                                                 \
        memset(ring, 0, sizeof ring);                                                                        \
        for (size_t m = 0; m <= rows; m++) {                                                                 \
            int32_t *row = ring[m % 3];                                                                      \
            if (m < rows) {                                                                                  \
                widen_##type(x + m * stride, n, row + 1);                                                    \
                row[0] = left ? left[m] : 0;                                                                 \
                row[n + 1] = right ? x[m * stride + n] : 0;                                                  \
                next[m] = (int16_t)row[n];                                                                   \
            } else {                                                                                         \
                memset(row, 0, sizeof ring[0]);                                                              \
            }                                                                                                \
            if (m == 0 || (valid && (m == 1 || m == rows)))                                                  \
                continue;                                                                                    \
            sum_rows(ring[(m + 1) % 3], ring[(m + 2) % 3], row, sums);                                       \
            average_row_##type(sums, 1 + (m > 1) + (m < rows), n, left, right, out + (m - 1) * stride);      \
        }                                                                                                    \
    }
AVERAGE(int16)
AVERAGE(int8)
