/* Row functions in double, for every level. */
#include "kernel/kernel.h"

#include <math.h>

void rows_norm_wide(const rows_norm *p, const float *x, float *y, float *mean, float *inverse)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < p->n && p->centred; i++)
        sum += (double)x[i];
    double middle = sum / (double)p->n;
    for (size_t i = 0; i < p->n; i++)
        squares += ((double)x[i] - middle) * ((double)x[i] - middle);
    double factor = 1 / sqrt(squares / (double)p->n + p->epsilon);
    for (size_t i = 0; i < p->n; i++) {
        double v = ((double)x[i] - middle) * factor * (p->scale ? (double)p->scale[i] : 1);
        y[i] = (float)(v + (p->bias ? (double)p->bias[i] : 0));
    }
    if (mean)
        *mean = (float)middle;
    if (inverse)
        *inverse = (float)factor;
}
