/* The fixed-point features of `sibyl features --fixed`. */
#ifndef CLI_FEATURES_FIXED_H
#define CLI_FEATURES_FIXED_H

#include "features_job.h"

/* What a recording becomes: (bands, frames) each, released with free. */
typedef struct feature_arrays {
    float *features; /* for the summary and the picture; what is written, unless `fixed` is there */
    void *fixed;     /* int16 or int8, or NULL */
} feature_arrays;

/* What 1.0 is in the elements of an array: 16384, 64, or 1 for floats. */
double features_scale(sib_dtype dtype);

/* Fixed-point features of samples x (n), 16-bit ones or rounded to that, into both arrays (bands, frames) from column
   `at`. Errors: those of sib_fixed_int16; SIB_ERR_MEMORY. */
sib_code features_fixed_piece(const feature_tools *tools, const float *x, size_t n, size_t bands,
                              size_t frames, size_t at, feature_arrays *arrays, sib_error *err);

#endif
