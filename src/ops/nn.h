/* What the layers of neural networks share: sliding windows over spatial axes, and values for each channel. */
#ifndef OPS_NN_H
#define OPS_NN_H

#include "ops/elem.h"

/* ---- Windows over the axes from 2 on ------------------------------------------------------------------ */

/* Windows of x [N, C, in...], whose n spatial axes follow the first two. Axis i is covered by out[i] windows of
   kernel[i] elements, dilation[i] apart, which begin stride[i] apart; before[i] and after[i] elements are put around
   it. extent = (kernel - 1) * dilation + 1 is how far a window reaches. */
typedef struct spatial {
    int n;
    int64_t kernel[SIB_MAX_RANK], stride[SIB_MAX_RANK], dilation[SIB_MAX_RANK]; /* (n) */
    int64_t pads[2 * SIB_MAX_RANK]; /* (2 n) befores, then afters */
    auto_pad padding;
    dim in[SIB_MAX_RANK], extent[SIB_MAX_RANK];                       /* (n) */
    dim before[SIB_MAX_RANK], after[SIB_MAX_RANK], out[SIB_MAX_RANK]; /* (n), by spatial_place */
} spatial;

/* The windows over the spatial axes of x. w: the weights [M, C, kernel...], from which the kernel is known where the
   attribute is missing, or MVAL_NONE. Fills all but before, after and out. False where the lowering stopped. */
bool spatial_read(lowering *l, const spatial_spec *spec, mval x, mval w, spatial *s);

/* Fills before, after and out as Conv and the pools have them: out = floor((in + pads - extent) / stride) + 1, or
   with ceil_mode and explicit pads the ceiling of that, but no window that begins behind the input; for SAME
   out = ceil(in / stride), the padding halved, the odd one after (UPPER) or before (LOWER). */
bool spatial_place(lowering *l, spatial *s, bool ceil_mode);

/* The windows of x [lead..., in...]: [lead..., kernel..., out...]; elements beyond x are `outside`, MVAL_NONE for 0. */
mval spatial_windows(lowering *l, mval x, const spatial *s, mval outside);

/* ---- Values ---------------------------------------------------------------------------------------------- */

/* float16 and bfloat16 as float32, others as they are: for formulas of few steps over large tensors. */
mval nn_single(lowering *l, mval v);

/* v [C] as [C, 1...], which broadcasts along axis 1 of a tensor of this rank. */
mval nn_channels(lowering *l, mval v, int rank);

/* The convolution of x [N, C, in...] with w [M, C / group, kernel...] over placed windows: [N, M, out...], in the
   dtype that both have. */
mval nn_conv(lowering *l, mval x, mval w, const spatial *s, int64_t group);

/* (x - mean) / sqrt(var + epsilon) over axes (n), in the dtype of x; mean and inverse deviation with size 1 at the
   axes in *mean and *inverse where these are not NULL. With centred false the mean is taken as 0. */
mval nn_standardize(lowering *l, mval x, size_t n, const int64_t *axes, double epsilon, bool centred,
                    mval *mean, mval *inverse);

/* What a fused operator applies to its result, with the parameters of that. */
mval nn_activation(lowering *l, fused_activation f, double alpha, double beta, mval x);

/* AveragePool of x, float64 [N, C, in...]: float64 [N, C, out...]. */
mval nn_average_pool(lowering *l, const pool_spec *spec, mval x);

#endif
