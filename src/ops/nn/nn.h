/* What the layers of neural networks share: sliding windows over spatial axes, and per-channel values. */
#ifndef OPS_NN_H
#define OPS_NN_H

#include "ops/lower/elem.h"

/* ---- Windows over the axes from 2 on ------------------------------------------------------------------ */

/* Windows over x [N, C, in...], whose n spatial axes start at axis 2. Spatial axis i has out[i] windows of
   kernel[i] elements; the elements of one are dilation[i] apart, the windows stride[i] apart, and before[i]
   and after[i] elements of padding surround the axis. extent = (kernel - 1) * dilation + 1 is the length of a
   window. */
typedef struct spatial {
    int n;
    int64_t kernel[SIB_MAX_RANK], stride[SIB_MAX_RANK], dilation[SIB_MAX_RANK]; /* (n) */
    int64_t pads[2 * SIB_MAX_RANK]; /* (2 n) all befores, then all afters; 0 with auto_pad */
    auto_pad padding;
    dim in[SIB_MAX_RANK], extent[SIB_MAX_RANK];                       /* (n) */
    dim before[SIB_MAX_RANK], after[SIB_MAX_RANK], out[SIB_MAX_RANK]; /* (n) set by spatial_place */
} spatial;

/* Reads the windows over the spatial axes of x into *s, except before, after and out. w: the weights [M, C,
   kernel...], which give the kernel where the attribute is missing, or MVAL_NONE. Returns false where the
   lowering stopped. */
bool spatial_read(lowering *l, const spatial_spec *spec, mval x, mval w, spatial *s);

/* Sets before, after and out as Conv and the pools define them. Explicit pads: out = floor((in + pads -
   extent) / stride) + 1, or the ceiling with ceil_mode, without windows that begin after the input ends.
   SAME: out = ceil(in / stride), padding by spec_pads_before. */
bool spatial_place(lowering *l, spatial *s, bool ceil_mode);

/* The windows of x [lead..., in...] as [lead..., kernel..., out...]. Padding has the value `fill`; MVAL_NONE
   is 0. */
mval spatial_windows(lowering *l, mval x, const spatial *s, mval fill);

/* ---- Values -------------------------------------------------------------------------------------------- */

/* float16 and bfloat16 as float32, other dtypes unchanged: for formulas of few steps over large tensors. */
mval nn_single(lowering *l, mval v);

/* v [C] as [C, 1...], which broadcasts along axis 1 of a tensor of this rank. */
mval nn_channels(lowering *l, mval v, int rank);

/* The convolution of x [N, C, in...] with w [M, C / group, kernel...]: [N, M, out...] in the dtype of both.
   s: after spatial_place. */
mval nn_conv(lowering *l, mval x, mval w, const spatial *s, int64_t group);

/* (x - mean) / sqrt(var + epsilon) over axes (n), in the dtype of x. mean, inverse: where not NULL, receive
   the mean and 1 / deviation, with size 1 at the axes. With centred false the mean is taken as 0. */
mval nn_standardize(lowering *l, mval x, size_t n, const int64_t *axes, double epsilon, bool centred,
                    mval *mean, mval *inverse);

/* x [..., C, H]; with branches C > 0 from [..., C * H]. Fails where the rank or the last dim does not fit. */
mval nn_branches(lowering *l, mval x, int64_t branches);

/* Applies the activation of a fused operator. alpha, beta: its parameters. */
mval nn_activation(lowering *l, fused_activation f, double alpha, double beta, mval x);

/* The mean over the 3 x 3 neighbourhoods in the last two axes of x, float64; x itself for "none". */
mval nn_smooth(lowering *l, mval x, sib_smooth mode);

/* Frames of v [..., n]: [..., frames, length], `step` apart and entirely within v. */
mval nn_frames(lowering *l, mval v, int64_t length, int64_t step);

/* |DFT|^2 of real frames [..., n] in their dtype: [..., floor(n / 2) + 1]. */
mval nn_power_spectrum(lowering *l, mval frames);

/* AveragePool of x, float64 [N, C, in...]: float64 [N, C, out...]. */
mval nn_average_pool(lowering *l, const pool_spec *spec, mval x);

#endif
