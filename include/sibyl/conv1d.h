/* One-dimensional convolution, as in the first layers of speech models. */
#ifndef SIBYL_CONV1D_H
#define SIBYL_CONV1D_H

#include <sibyl/base.h>
#include <sibyl/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_conv1d_spec {
    int64_t batch;        /* B >= 1 */
    int64_t in_channels;  /* Ci >= 1, a multiple of groups */
    int64_t in_length;    /* L >= 1 */
    int64_t out_channels; /* Co >= 1, a multiple of groups */
    int64_t kernel;       /* k >= 1 */
    int64_t stride;       /* >= 1 */
    int64_t padding;      /* zeros at both ends, >= 0 */
    int64_t dilation;     /* >= 1 */
    int64_t groups;       /* >= 1 */
    bool gelu;            /* apply x * (1 + erf(x / sqrt 2)) / 2 to the result (Hendrycks & Gimpel 2016) */
} sib_conv1d_spec;

/* *out = floor((L + 2 padding - dilation (k - 1) - 1) / stride) + 1.
   Errors: SIB_ERR_ARGUMENT names the field out of range, or says that the length is not positive;
   SIB_ERR_SIZE where a size overflows. Thread-safe. */
SIB_API sib_code sib_conv1d_out_length(const sib_conv1d_spec *spec, int64_t *out, sib_error *err);

/* y[b,co,t] = bias[co] + sum over ci, j of w[co,ci,j] * x[b, ci + group(co) Ci/groups, t stride + j dilation
   - padding], with zeros where that is out of x's range; cross-correlation, as torch.nn.Conv1d and ONNX Conv.
   Those zeros take part like any other number: an infinite or NaN weight that meets one gives NaN. Sums are
   float, rounded once to dtype. dtype: SIB_F32, SIB_F16 or SIB_BF16, that of x, w, bias and y. x (B, Ci, L),
   w (Co, Ci / groups, k), bias (Co) or NULL, y (B, Co, out_length): dense, row-major, aligned to their
   element; y overlaps no input. pool: threads to use, NULL for the calling thread alone; the result's bits do
   not depend on it.
   Errors: those of sib_conv1d_out_length; SIB_ERR_ARGUMENT (dtype; x, w or y NULL; an array that is not
   aligned); SIB_ERR_SIZE (an array larger than memory can be); SIB_ERR_MEMORY. A failure does not change
   y. */
SIB_API sib_code sib_conv1d(const sib_conv1d_spec *spec, sib_dtype dtype, sib_pool *pool, const void *x,
                            const void *w, const void *bias, void *y, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
