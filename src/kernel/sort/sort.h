/* Lines sorted: all elements, or the first few. */
#ifndef KERNEL_SORT_H
#define KERNEL_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sibyl/tensor.h>

typedef struct sort_lines {
    sib_dtype dtype; /* one of sort_takes */
    bool
        descending; /* largest first; NaN is larger than all numbers, -0 is 0, equal elements stay in their order */
    size_t n;       /* elements of a line, below 2^31 */
    size_t k;       /* <= n: how many are wanted */
    size_t step; /* elements from one of a line to the next, in x and in what is written */
} sort_lines;

/* Floats of 16, 32 and 64 bits, integers from 8 bits on, bool. */
bool sort_takes(sib_dtype dtype);

/* Bytes of scratch for one line. */
size_t sort_scratch(const sort_lines *s);

/* The first k of the line at x in order: their values, of x's dtype, and their places. values and indices
   may be NULL. scratch: aligned to 16. */
void sort_line(const sort_lines *s, const void *x, void *values, int64_t *indices, void *scratch);

#endif
