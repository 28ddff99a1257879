/* Sorting of lines: all elements, or the first few. */
#ifndef KERNEL_SORT_H
#define KERNEL_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sibyl/tensor.h>

typedef struct sort_lines {
    sib_dtype dtype; /* one for which sort_takes is true */
    bool descending; /* largest first; NaN is largest, -0 equals 0, equal elements keep their order */
    size_t n;        /* elements of a line, below 2^31 */
    size_t k;        /* <= n: how many are returned */
    size_t step;     /* elements from one of a line to the next, in x and in the results */
    const struct sib_cancel *cancel; /* may be NULL; where it is set the results are left unfinished */
} sort_lines;

/* True for floats of 16, 32 and 64 bits, integers of 8 bits or more, and bool. */
bool sort_takes(sib_dtype dtype);

/* Bytes of scratch for one line. */
size_t sort_scratch(const sort_lines *s);

/* The first k elements of the line at x in order: values, of x's dtype, and indices. Either may be NULL.
   scratch: aligned to 16. */
void sort_line(const sort_lines *s, const void *x, void *values, int64_t *indices, void *scratch);

#endif
