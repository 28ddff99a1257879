/* Measures the ways to compute a convolution. */
#ifndef KERNEL_CONV2D_TIME_H
#define KERNEL_CONV2D_TIME_H

#include "kernel/conv/conv2d_plan.h"

/* "winograd-4"; NULL for CONV2D_BY_COSTS. */
const char *conv2d_method_name(conv2d_method method);
/* CONV2D_BY_COSTS where no method has this name. */
conv2d_method conv2d_method_named(const char *name);

/* Modelled times beside one another, with those of the transforms; infinite where a method does not fit. */
void conv2d_times(const conv2d_plan *p, double times[CONV2D_METHODS]);

/* What costs choose of all of them for a plan that was made by costs. */
conv2d_method conv2d_by_costs(const conv2d_plan *p);

/* Times a convolution of float products and constant weights by each method for which times[method] is finite, on
   numbers of its own, with the threads of the pool: seconds, the least of a few runs, replace the value there. Takes a
   few milliseconds for each method, and never less than three runs. Leaves everything as it is, with *measured false, where
   it would take more than 256 MiB of memory. Errors: SIB_ERR_MEMORY. */
sib_code conv2d_time(const kernel_table *kernels, const conv2d_shape *shape, sib_pool *pool,
                     double times[CONV2D_METHODS], bool *measured, sib_error *err);

#endif
