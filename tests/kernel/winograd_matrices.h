/* The Toom-Cook matrices of tiles of m x m pixels, n = m + 2, for the points of conv2d_winograd_plan.h. */
#ifndef TESTS_KERNEL_WINOGRAD_MATRICES_H
#define TESTS_KERNEL_WINOGRAD_MATRICES_H

#include <math.h>
#include <stddef.h>

typedef struct winograd_matrices {
    double in[6][6], weights[6][3], out[4][6]; /* B^T (n, n), G (n, 3), A^T (m, n) */
} winograd_matrices;

static inline winograd_matrices winograd_matrices_of(size_t m)
{
    static const double of_2[] = {0, 1, -1}, of_4[] = {0, 0.75, -0.75, 1.5, -1.5};
    const double *points = m == 2 ? of_2 : of_4;
    size_t n = m + 2;
    winograd_matrices a = {0};
    for (size_t i = 0; i < n; i++) {
        double poly[7] = {1},
               divisor = 1; /* products of (x - point) and (own point - point) over the others */
        size_t degree = 0;
        for (size_t j = 0; j + 1 < n; j++) {
            if (j == i)
                continue;
            for (size_t k = ++degree; k > 0; k--)
                poly[k] = poly[k - 1] - points[j] * poly[k];
            poly[0] *= -points[j];
            divisor *= i + 1 < n ? points[i] - points[j] : 1;
        }
        for (size_t k = 0; k < n; k++)
            a.in[i][k] = poly[k];
        for (size_t k = 0; k < 3; k++)
            a.weights[i][k] = i + 1 < n ? pow(points[i], (double)k) / divisor : k == 2;
        for (size_t k = 0; k < m; k++)
            a.out[k][i] = i + 1 < n ? pow(points[i], (double)k) : k == m - 1;
    }
    return a;
}

#endif
