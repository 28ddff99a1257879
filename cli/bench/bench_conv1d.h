/* The convolutions of sibyl bench conv1d, and how far their results are from exact ones. */
#ifndef CLI_BENCH_CONV1D_H
#define CLI_BENCH_CONV1D_H

#include "bench/bench_error.h"

/* A convolution and its arrays of dtype, as sib_conv1d takes them. */
typedef struct conv_arrays {
    sib_conv1d_spec spec;
    sib_dtype dtype;
    void *x, *w, *bias, *y;
} conv_arrays;

/* The result by the definition in double, as float64; released with sib_tensor_free. Returns NULL, with the
   reason in why, on failure. spec: without groups, dilation and gelu. */
sib_tensor *conv1d_exact(const conv_arrays *c, char *why, size_t bytes);

/* Adds c->y against an exact result. */
bool conv1d_error(const conv_arrays *c, const sib_tensor *exact, result_error *e, char *why, size_t bytes);

#endif
