/* Iterates over the elements of a strided box in row-major order, in blocks. */
#ifndef TENSOR_WALK_H
#define TENSOR_WALK_H

#include "tensor/tensor.h"

/* Max number of elements that walk_next returns, and the bytes of its scratch, for elements of up to 16
   bytes. A multiple of 8, so that packed blocks begin at a byte. */
#define WALK_BLOCK   512
#define WALK_SCRATCH (WALK_BLOCK * 16)

/* Axes of size 1 are removed and contiguous ones merged; the last axis is the run that is copied at once. */
typedef struct tensor_walk {
    uint64_t left; /* elements not returned yet */
    size_t rank, item_bits;
    int64_t dims[SIB_MAX_RANK], strides[SIB_MAX_RANK], index[SIB_MAX_RANK]; /* (rank); strides in bytes */
    const char *at; /* element at index; where dense, the next element */
    bool dense;
} tensor_walk;

/* t must outlive the walk. */
void walk_begin(tensor_walk *w, const sib_tensor *t);
/* The same for walk_copy alone, which reads elements at any alignment: weights are not loaded for it. */
void walk_begin_bytes(tensor_walk *w, const sib_tensor *t);

/* Copies the next n elements densely to dst; at least n must be left. For packed types n is a multiple of
   8, or all that is left. */
void walk_copy(tensor_walk *w, void *dst, size_t n);

/* Returns the next *n elements, at most WALK_BLOCK and 0 at the end: in the tensor's memory where that is
   dense, else in scratch (WALK_SCRATCH bytes). Two walks over equal counts return equal *n. */
const void *walk_next(tensor_walk *w, void *scratch, size_t *n);

#endif
