/* Sums over windows of an image: the inner loops of convolution.

   A convolution is the product of its weights (M, K) with columns of the image (K, pixels). The columns are
   not materialized: row p of them is the image itself from offset[p] on, where the image is padded and, for a
   stride, split into phases, so that neighbouring pixels of the output read neighbouring floats. */
#ifndef KERNEL_CONV2D_ENTRIES_H
#define KERNEL_CONV2D_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A plane and the windows over it, on both axes. */
typedef struct conv2d_plane {
    size_t in[2], out[2], before[2];
} conv2d_plane;

/* Rows row0 .. row0 + rows - 1 of y: sums of x times w beginning with `first`, x being 0 out of range, divided
   by by_row[row] * by_column[column] where these are given, or the max of x, NaN where any is; then min(high,
   max(low, y)), NaN staying NaN. */
typedef struct conv2d_planes {
    const conv2d_plane *g;
    size_t n;
    const float *x;                  /* (n, in) */
    const float *w;                  /* (n, size, size); NULL for ones; ignored for the max */
    const float *first;              /* (n); NULL for zeros */
    const float *by_row, *by_column; /* (out) or both NULL; ignored for the max */
    float by;                        /* divides too */
    float *y;                        /* (n, out) */
    size_t row0, rows;
    float low, high;
} conv2d_planes;
typedef void (*conv2d_plane_run)(const conv2d_planes *p);

typedef struct conv2d_plane_row {
    size_t size, stride; /* of windows, on both axes; no dilation */
    bool largest;
    conv2d_plane_run run;
} conv2d_plane_row;

/* Windows over `lanes` planes at once, with the planes in the lanes: y[r][j] = min(high, max(low, s)), NaN
   staying NaN, where s is first + the sum of x[r * x_row + j * step * lanes + offset[p]] * w[p], p < k, upward,
   divided by by_row[r] * by_column[j] where these are given; or the max of those x, NaN where any is. */
typedef struct conv2d_lanes {
    size_t rows, columns, k, step; /* step: 1 or 2 */
    size_t run; /* of terms for adjacent pixels of x, all of which k consists of: 1, 3, 5, 7; 1 for the max */
    const float *x;
    size_t x_row;
    const int32_t *offset;           /* (k) in floats; the first of each run is read */
    const float *w, *first;          /* (k, lanes), (lanes); ignored for the max */
    const float *by_row, *by_column; /* (rows), (columns) or both NULL; ignored for the max */
    float by;                        /* divides too */
    float low, high;
    float *y; /* (rows, columns, lanes) */
} conv2d_lanes;

/* Terms of sums: `runs` times `run` of them, the first of each run `apart` from that of the last. */
typedef struct conv2d_terms {
    size_t runs, run, apart;
    const float *w;        /* of all terms, those between the runs too */
    const int32_t *offset; /* likewise */
} conv2d_terms;

/* y[f * ldy + i] = min(high, max(low, sums[i * width + f] + bias[f])) for f < m, i < n, NaN staying NaN;
   reads full vectors of sums, of pixels and of features. */
typedef struct conv2d_feature_sums {
    const float *sums; /* (n, width) */
    size_t width;
    const float *bias; /* (m); NULL for zeros */
    float low, high;
    float *y;
    size_t ldy;
} conv2d_feature_sums;

/* A plane of `all` floats, zeros but for rows of n elements of an image: the first begins at `first`, the others
   `pitch` >= n apart. */
typedef struct conv2d_border {
    size_t all, first, pitch, rows, n;
    size_t x_row; /* distance of rows in the image */
} conv2d_border;

typedef struct conv2d_kernels {
    size_t mr;             /* max rows of a panel of weights */
    size_t nr;             /* pixels that a panel of mr rows is multiplied with at once */
    size_t lanes;          /* floats of a vector */
    const size_t *vectors; /* (mr): vectors of pixels for 1, 2, ... rows at once */

    /* y[i * ldy + j] = bias[i] + sum over p of a[p * m + i] * x[offset[p] + j] for i < m <= mr, j < n; the
       sum in one float per element, p upward from bias[i] (0 where bias is NULL); where `more` the sum begins
       with 0 and is added to what y holds. a: (k, m) and 16 floats more that can be read; reads no more of x
       than is used. */
    void (*panel)(size_t m, size_t n, size_t k, const float *a, const float *x, const int32_t *offset,
                  const float *bias, bool more, float *y, size_t ldy);

    /* The other way round: features in the lanes, and a few pixels at arbitrary addresses. */
    size_t spots, spot_vectors; /* max pixels and vectors of features at once */
    /* sums[i * nv * lanes + f] = (more ? sums[...] : 0) + sum over the terms p of x[i][offset[p]] * w[p * nv *
       lanes + f] for i < n <= spots, f < nv * lanes, nv <= spot_vectors; in one float, p upward */
    void (*spot)(size_t n, size_t nv, const conv2d_terms *t, const float *const *x, bool more, float *sums);
    void (*store_features)(const conv2d_feature_sums *t, size_t n, size_t m);

    void (*lanes_sum)(const conv2d_lanes *t);
    void (*lanes_largest)(const conv2d_lanes *t);

    /* Over windows of one channel: y[j] = the max of x[offset[p] + j], p < k, NaN where any is, or their
       sum. */
    void (*largest)(size_t n, size_t k, const float *x, const int32_t *offset, float *y);
    void (*total)(size_t n, size_t k, const float *x, const int32_t *offset, float *y);
    /* y[j] += by for j < n */
    void (*shift)(float by, size_t n, float *y);
    /* y[j] = min(high, max(low, y[j])) for j < n; NaN stays NaN */
    void (*clamp)(float low, float high, size_t n, float *y);
    /* y[j] /= by[j] * factor for j < n */
    void (*divide)(const float *by, float factor, size_t n, float *y);

    /* Conversions of byte convolutions: dst[i] = src[i] - zero; */
    void (*from_u8)(const uint8_t *src, int32_t zero, size_t n, float *dst);
    void (*from_s8)(const int8_t *src, int32_t zero, size_t n, float *dst);
    /* y[i] = (add ? y[i] : 0) + sums[i], integers; */
    void (*add_integers)(const float *sums, size_t n, int32_t *y, bool add);
    /* y[i] = (sums[i] + bias) * scale in double, rounded to nearest, ties to even, + zero, saturated to the
       dtype. */
    void (*to_u8)(const int32_t *sums, int32_t bias, double scale, int32_t zero, size_t n, uint8_t *y);
    void (*to_s8)(const int32_t *sums, int32_t bias, double scale, int32_t zero, size_t n, int8_t *y);
    /* The same of sums[i] - less[i], and y[i] = sums[i] - less[i] + bias, all mod 2^32. */
    void (*less_to_u8)(const int32_t *sums, const uint32_t *less, int32_t bias, double scale, int32_t zero,
                       size_t n, uint8_t *y);
    void (*less_to_s8)(const int32_t *sums, const uint32_t *less, int32_t bias, double scale, int32_t zero,
                       size_t n, int8_t *y);
    void (*less_to_s32)(const int32_t *sums, const uint32_t *less, int32_t bias, size_t n, int32_t *y);

    const conv2d_plane_row *planes; /* (n_planes) */
    size_t n_planes;

    /* dst[i] = src[i * step] for i < n; step >= 1. Reads nothing of src after the last of these. */
    void (*every)(const float *src, size_t step, size_t n, float *dst);
    /* Writes the plane; may write zeros to `lanes` - 1 floats after it. */
    void (*surround)(const conv2d_border *t, const float *src, float *dst);
} conv2d_kernels;

#endif
