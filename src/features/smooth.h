/* 3 x 3 average over (row, column), fused with the clamp to the maximum. */
#ifndef FEATURES_SMOOTH_H
#define FEATURES_SMOOTH_H

#include <sibyl/features.h>

/* Columns first .. first + count - 1 of row r of the result: out (count) from in (rows, columns) with row
   stride in_stride, each value first raised to at least `min`. The result of VALID has two rows and columns
   fewer; r and first count those of the result. */
void smooth_row(sib_smooth mode, const float *in, size_t rows, size_t columns, size_t in_stride, float min,
                size_t r, size_t first, size_t count, float *out);

#endif
