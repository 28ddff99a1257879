/* Reference of conv1d in double, as its header defines it, and the cases that the tests run. */
#ifndef TESTS_KERNEL_REFERENCE_H
#define TESTS_KERNEL_REFERENCE_H

#include "check.h"
#include "kernel/kernel.h"

#include <sibyl/conv1d.h>

/* One convolution: its arrays in dtype, and their values as double. */
typedef struct conv_case {
    sib_conv1d_spec spec;
    sib_dtype dtype;
    size_t element, n_x, n_w, n_bias, n_y;
    int64_t out_length;
    int64_t every; /* step between the output channels that are checked (the last always is); 1 by default */
    kernel_table portable;
    void *x, *w, *bias, *y; /* y is followed by CASE_GUARD bytes of 0xA5 */
    double *x_double, *w_double, *bias_double;
} conv_case;

#define CASE_GUARD 128

/* Allocates, and fills x, w and bias with uniform numbers in [-1, 1) rounded to dtype. */
void case_make(conv_case *c, sib_conv1d_spec spec, sib_dtype dtype, uint64_t seed);
void case_free(conv_case *c);

/* Sets one value of an array of the case, both as double and in dtype. */
void case_set(const conv_case *c, void *array, double *as_double, size_t index, double value);

/* y (n_y) as float. */
float *case_result(const conv_case *c);

/* Runs sib_conv1d into y; checks that it succeeds and leaves the guard bytes unchanged. */
void case_run(conv_case *c, sib_pool *pool, bool with_bias);

/* y in double: (n_y), owned by the caller (free). terms: (rows of y) or NULL: the sum of the squares of all
   products and biases of a row. */
double *case_reference(const conv_case *c, bool with_bias, double *terms);

typedef enum case_norm {
    CASE_ROW_NORM,  /* the norm of the row */
    CASE_TERM_NORM, /* that of its terms: close to the row's unless they cancel, as in rows of few numbers */
} case_norm;

/* Fails where an element of a row of y is further from the reference than tolerance * the norm. */
void case_check(const conv_case *c, bool with_bias, double tolerance, case_norm norm);

#endif
