/* The 3 x 3 average, in plain C that the compiler makes vectors of. */
#include "base/size.h"
#include "features/mel_internal.h"

#include <string.h>

#define WIDTH (MEL_AVERAGE_COLUMNS + 2) /* with a column at either side */

/* Row m, raised, between its neighbours on the left and right; zeros beyond the rows and columns. */
static void take_row(const mel_average *a, size_t m, float *to)
{
    const size_t n = a->columns;
    if (m >= a->rows) {
        memset(to, 0, (n + 2) * sizeof *to);
        return;
    }
    const float *from = mel_row(&a->in, a->rows, m), min = a->min;
    const float left = a->left ? a->left[m * a->left_stride] : 0,
                right = a->right ? a->right[m * a->right_stride] : 0;
    to[0] = a->left && left < min ? min : left;
    for (size_t t = 0; t < n; t++)
        to[t + 1] = from[t] < min ? min : from[t];
    to[n + 1] = a->right && right < min ? min : right;
}

/* Averages around the middle one of three rows (n + 2) to out (n). A sum begins with +0, so adding the zeros
   beyond the ends changes no bit. */
static void average_row(const mel_average *a, const float *above, const float *row, const float *below,
                        size_t n_rows, float *out)
{
    const size_t n = size_min(a->columns, MEL_AVERAGE_COLUMNS);
    float sums[WIDTH];
    for (size_t t = 0; t < n + 2; t++)
        sums[t] = 0.0f + above[t] + row[t] + below[t];
    const float first = sums[0] + sums[1] + sums[2], last = sums[n - 1] + sums[n] + sums[n + 1];
    const float count = (float)(3 * n_rows);
    for (size_t t = 0; t < n; t++)
        out[t] = (0.0f + sums[t] + sums[t + 1] + sums[t + 2]) / count;
    if (!a->left)
        out[0] = first / (float)(n_rows * (1 + (n > 1 || a->right)));
    if (!a->right)
        out[n - 1] = last / (float)(n_rows * (1 + (n > 1 || a->left)));
}

void SIMD_NAME(mel_average)(const mel_average *a)
{
    float ring[3][WIDTH];
    const size_t begin = a->valid, end = a->rows - a->valid;
    memset(ring[2], 0, sizeof ring[2]); /* the row before the first */
    take_row(a, 0, ring[0]);
    for (size_t m = 0; m < a->rows; m++) {
        take_row(a, m + 1, ring[(m + 1) % 3]);
        if (m >= begin && m < end)
            average_row(a, ring[(m + 2) % 3], ring[m % 3], ring[(m + 1) % 3], 1 + (m > 0) + (m + 1 < a->rows),
                        mel_row(&a->out, a->rows, m));
    }
}
