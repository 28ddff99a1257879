/* One element of a float product, in double. */
#ifndef TESTS_KERNEL_PRODUCT_H
#define TESTS_KERNEL_PRODUCT_H

#include "check.h"

#include <math.h>
#include <stddef.h>

/* alpha * sum of a[p] b[p] + from. bound: max rounding error of float sums in any order. */
CHECK_UNWATCHED static inline double product_of(const float *a, size_t a_step, const float *b, size_t b_step,
                                                size_t k, double alpha, double from, double *bound)
{
    double sum = 0.0, size = fabs(from);
    for (size_t p = 0; p < k; p++) {
        double product = (double)a[p * a_step] * (double)b[p * b_step];
        sum += product;
        size += fabs(alpha * product);
    }
    *bound = (double)(k + 4) * 0x1p-24 * size + 1e-44 * (double)(k + 1) * (1 + fabs(alpha));
    return alpha * sum + from;
}

#endif
