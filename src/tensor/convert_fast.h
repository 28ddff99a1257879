/* Fast conversions of dense arrays for the common pairs: plain loops that compilers vectorize, with the
   same results as the general conversion in convert.c. */
#ifndef TENSOR_CONVERT_FAST_H
#define TENSOR_CONVERT_FAST_H

#include <sibyl/tensor.h>

/* Converts n elements; pointers may be unaligned. */
typedef void (*convert_fast)(const void *src, void *dst, size_t n);

/* Returns NULL where the pair has none. */
convert_fast convert_fast_of(sib_dtype from, sib_dtype to);

#endif
