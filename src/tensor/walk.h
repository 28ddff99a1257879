/* The elements of a strided box in row-major order, some at a time. */
#ifndef TENSOR_WALK_H
#define TENSOR_WALK_H

#include "tensor/tensor.h"

/* Maximum number of elements that walk_next returns, and the bytes that its scratch needs: for elements of up to 16 bytes.
   A multiple of 8, so that packed elements begin a byte. */
#define WALK_BLOCK   512
#define WALK_SCRATCH (WALK_BLOCK * 16)

/* Axes of size 1 are left out and those that continue one another are merged; the last one is the run that is
   copied at once. */
typedef struct tensor_walk {
    uint64_t left; /* elements not given yet */
    size_t rank, item_bits;
    int64_t dims[SIB_MAX_RANK], strides[SIB_MAX_RANK], index[SIB_MAX_RANK]; /* (rank); strides in bytes */
    const char *at; /* element at index; the next one where dense */
    bool dense;
} tensor_walk;

/* t must outlive the walk. */
void walk_begin(tensor_walk *w, const sib_tensor *t);

/* Copies the next n elements, of which at least so many are left, densely to dst. For packed types n is a
   multiple of 8 or all that is left. */
void walk_copy(tensor_walk *w, void *dst, size_t n);

/* The next elements: *n of them, at most WALK_BLOCK and 0 at the end, in the tensor's own memory where that
   is dense, else in scratch: (WALK_SCRATCH bytes). Two walks over equal counts keep step. */
const void *walk_next(tensor_walk *w, void *scratch, size_t *n);

#endif
