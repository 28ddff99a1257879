/* Moments, samples and histograms of digests. */
#ifndef KERNEL_DIGEST_STATISTICS_H
#define KERNEL_DIGEST_STATISTICS_H

#include "kernel/digest/digest.h"

#include <sibyl/digest.h>

typedef struct moments {
    uint64_t n, n_nan, n_plus, n_minus, n_zero; /* n: finite elements */
    double min, max, mean, squares;             /* squares: sum of squared deviations from the mean */
} moments;

/* Adds what b has. */
void join_moments(moments *m, const moments *b);
void add_element(moments *m, double x);
void finish_moments(const moments *m, sib_digest *out);

#define GROUP  16 /* consecutive elements of a sample */
#define GROUPS (SIB_DIGEST_SAMPLE / GROUP)

/* Groups of GROUP elements: group `pick_of(k)` of each stretch of `stretch` groups. */
typedef struct sample {
    uint64_t count;   /* elements of the value */
    uint64_t stretch; /* 1: all groups */
} sample;

sample sample_of(uint64_t count);
/* The group that is taken of stretch k. */
uint64_t pick_of(const sample *s, uint64_t k);
/* Elements of the sample. */
size_t sample_count(const sample *s);

/* Count elements in out->histogram, from out->min to out->max; those that are not finite are left out. */
void count_doubles(sib_digest *out, const double *x, size_t n);
/* The same of finite floats. */
void count_floats(sib_digest *out, const digest_kernels *k, const float *x, size_t n);
/* The same of floats of which some may not be finite. n: up to DIGEST_BLOCK */
void count_finite(sib_digest *out, const digest_kernels *k, const float *x, size_t n);

#endif
