/* 3 x 3 average over (row, column), fused with the clamp to the maximum. */
#ifndef FEATURES_SMOOTH_H
#define FEATURES_SMOOTH_H

#include <sibyl/features.h>

/* Row r of the result: out (columns, or columns - 2 for VALID) from in (rows, columns) with row stride
   in_stride, each value first raised to at least `min`. For VALID, r counts the rows of the result. */
void smooth_row(sib_smooth mode, const float *in, size_t rows, size_t columns, size_t in_stride, float min,
                size_t r, float *out);

#endif
