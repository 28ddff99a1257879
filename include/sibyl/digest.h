/* Digests: what a person wants to see of a value at a glance, small enough to send for every value of a run. */
#ifndef SIBYL_DIGEST_H
#define SIBYL_DIGEST_H

#include <sibyl/value.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIB_DIGEST_BINS 64
#define SIB_DIGEST_SIDE 32
/* Max elements that a histogram counts unless it is exact. */
#define SIB_DIGEST_SAMPLE 1024

/* Statistics of all elements of a value. Complex numbers count by their modulus, strings by their length in
   bytes, false and true as 0 and 1. Elements that are not finite are counted and change nothing else. */
typedef struct sib_digest {
    uint64_t count, n_nan, n_plus_inf, n_minus_inf, n_zero;
    double min, max, mean, std; /* of finite elements (population); NaN where there are none */
    /* Finite elements in equal bins from min to max, both included; where these are equal all are in the last
       bin. An element within rounding (float32) of an edge may be in the bin beside it. A value of more than
       SIB_DIGEST_SAMPLE elements has the histogram of a sample, unless the digest is exact: groups of 16
       consecutive elements, one out of each stretch of equal length, at fixed places. */
    uint64_t histogram[SIB_DIGEST_BINS];
    uint64_t n_histogram; /* elements counted in it */
    /* The last two axes in rows x columns cells, at most 32 each; a cell is the mean in float32 of its finite
       elements over all other axes, NaN where it has none. Row r of R is in the cells floor(r * rows / R).
       A tensor of rank 1 has one row, a value that is no tensor has none. */
    uint32_t rows, columns;
    float cells[SIB_DIGEST_SIDE][SIB_DIGEST_SIDE];
    uint32_t not_finite[SIB_DIGEST_SIDE]; /* bit c of [r]: cell (r, c) has elements that are not finite */
} sib_digest;

typedef struct sib_digest_options {
    sib_pool *pool; /* threads for large tensors; the result is the same for any number. NULL: the caller's */
    bool exact;     /* the histogram counts every element */
} sib_digest_options;

/* Digests a value; of a sequence, optional or map, all elements inside it (of a map: its values). options: may
   be NULL. Allocates nothing for dense tensors of fewer than 65,536 elements.
   Thread-safe. Errors: SIB_ERR_ARGUMENT (NULL), SIB_ERR_MEMORY. */
SIB_API sib_code sib_digest_of(const sib_value *v, const sib_digest_options *options, sib_digest *out,
                               sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
