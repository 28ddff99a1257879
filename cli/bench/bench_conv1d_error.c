/* Errors of sibyl bench conv1d: its result against the definition, summed in double. */
#include "bench/bench_conv1d.h"

#include <stdlib.h>

/* The elements (n) of a dense array as double; released with sib_tensor_free. Returns NULL, with the reason
   in why, on failure. */
static sib_tensor *widened(sib_dtype dtype, int64_t n, void *data, char *why, size_t bytes)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *narrow = NULL, *wide = NULL;
    if (sib_tensor_wrap(dtype, 1, &n, NULL, data, NULL, NULL, &narrow, &err) != SIB_OK ||
        sib_tensor_convert(narrow, SIB_F64, SIB_OVERFLOW_IEEE, &wide, &err) != SIB_OK)
        snprintf(why, bytes, "%s", err.message);
    sib_tensor_free(&narrow);
    return wide;
}

/* y (Co, length) of one recording: bias + sum over ci, j of w[co, ci, j] * x[ci, t * stride + j -
   padding]. */
static void convolve(const sib_conv1d_spec *s, const double *x, const double *w, const double *bias,
                     int64_t length, double *y)
{
    for (int64_t co = 0; co < s->out_channels; co++, y += length) {
        for (int64_t t = 0; t < length; t++)
            y[t] = bias[co];
        for (int64_t ci = 0; ci < s->in_channels; ci++)
            for (int64_t j = 0; j < s->kernel; j++) {
                const double weight = *w++;
                for (int64_t t = 0; t < length; t++) {
                    const int64_t at = t * s->stride + j - s->padding;
                    if (at >= 0 && at < s->in_length)
                        y[t] += weight * x[ci * s->in_length + at];
                }
            }
    }
}

sib_tensor *conv1d_exact(const conv_arrays *c, char *why, size_t bytes)
{
    const sib_conv1d_spec *s = &c->spec;
    const int64_t in = s->in_channels * s->in_length;
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *x = widened(c->dtype, s->batch * in, c->x, why, bytes),
               *w = widened(c->dtype, s->out_channels * s->in_channels * s->kernel, c->w, why, bytes),
               *bias = widened(c->dtype, s->out_channels, c->bias, why, bytes), *y = NULL;
    int64_t dims[3] = {s->batch, s->out_channels, 0};
    if (x && w && bias &&
        (sib_conv1d_out_length(s, &dims[2], &err) != SIB_OK ||
         sib_tensor_create(SIB_F64, 3, dims, &y, &err) != SIB_OK))
        snprintf(why, bytes, "%s", err.message);
    for (int64_t b = 0; y && b < s->batch; b++)
        convolve(s, (const double *)sib_tensor_data(x) + b * in, sib_tensor_data(w), sib_tensor_data(bias),
                 dims[2], (double *)sib_tensor_data(y) + b * dims[1] * dims[2]);
    sib_tensor_free(&x);
    sib_tensor_free(&w);
    sib_tensor_free(&bias);
    return y;
}

bool conv1d_error(const conv_arrays *c, const sib_tensor *exact, result_error *e, char *why, size_t bytes)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *got = NULL;
    bool ok = sib_tensor_wrap(c->dtype, sib_tensor_rank(exact), sib_tensor_dims(exact), NULL, c->y, NULL,
                              NULL, &got, &err) == SIB_OK;
    if (ok)
        ok = error_add(e, got, exact, why, bytes);
    else
        snprintf(why, bytes, "%s", err.message);
    sib_tensor_free(&got);
    return ok;
}
