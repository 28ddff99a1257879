/* Conversions of dense arrays whose speed matters: plain loops that compilers turn into vector code, with
   results equal to those of the general way in convert.c. */
#ifndef TENSOR_CONVERT_FAST_H
#define TENSOR_CONVERT_FAST_H

#include <sibyl/tensor.h>

/* n elements; no alignment is asked for. */
typedef void (*convert_fast)(const void *src, void *dst, size_t n);

/* NULL where there is none for the pair. */
convert_fast convert_fast_of(sib_dtype from, sib_dtype to);

#endif
