/* Convolution of windows of 3 x 3 by transforms: the entries of each CPU level; the formulas are in
   conv2d_winograd_plan.h.

   Pixels are vectors of `lanes` channels or features. Strides are in floats: `row` from row to row of pixels,
   `apart` from position to position of a transformed tile, which has (n, n) positions. */
#ifndef KERNEL_CONV2D_WINOGRAD_ENTRIES_H
#define KERNEL_CONV2D_WINOGRAD_ENTRIES_H

#include <stddef.h>

/* Max n of any form. */
#define CONV2D_WINOGRAD_N 6

/* Tiles of m x m pixels of the output, made of n x n of the image, n = m + 2. */
typedef struct conv2d_winograd_form {
    size_t m;
    /* to = B^T from B. from: (n, n, lanes) pixels; to: (n * n positions, lanes) */
    void (*in)(const float *from, size_t row, float *to, size_t apart);
    /* to = A^T from A + bias. from: (n * n positions, lanes); bias: (lanes); to: (m, m, lanes) pixels */
    void (*out)(const float *from, size_t apart, const float *bias, float *to, size_t row);
} conv2d_winograd_form;

typedef struct conv2d_winograd_kernels {
    size_t lanes; /* of a vector */
    const conv2d_winograd_form *forms;
    size_t n_forms;

    /* to[j * lanes + c] = x[c * plane + j] for j < n, c < channels, 0 for channels <= c < lanes; and
       sizes[j] += sum over c of |x[c * plane + j]|. channels <= lanes. */
    void (*to_channels_last)(const float *x, size_t plane, size_t channels, size_t n, float *to,
                             float *sizes);
    /* y[f * plane + j] = from[j * lanes + f] for j < n, f < features <= lanes. */
    void (*gather)(const float *from, size_t n, size_t features, float *y, size_t plane);
} conv2d_winograd_kernels;

#endif
