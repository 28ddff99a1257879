/* Converts numbers between element types in dense memory. Strings are in text.h. */
#ifndef TENSOR_CONVERT_H
#define TENSOR_CONVERT_H

#include <sibyl/tensor.h>

/* Maximum number of elements of one block call. */
#define CONVERT_BLOCK 512

/* Converts n <= CONVERT_BLOCK elements from element from_first of src to element to_first of dst.
   Neighbours in the same byte are preserved. Pointers may be unaligned. */
void convert_block(sib_dtype from, const void *src, size_t from_first, sib_dtype to, void *dst,
                   size_t to_first, size_t n, sib_overflow overflow);

/* The same for any n, from element 0; unused bits of dst's last byte become 0. */
void convert_dense(sib_dtype from, const void *src, sib_dtype to, void *dst, size_t n, sib_overflow overflow);

typedef enum convert_part { CONVERT_REAL_PART, CONVERT_MODULUS } convert_part;

/* Converts n <= CONVERT_BLOCK elements to the nearest doubles, complex numbers according to `part`. */
void convert_to_doubles(sib_dtype from, const void *src, size_t first, size_t n, convert_part part,
                        double *out);

/* Copies n <= CONVERT_BLOCK elements of at most 64 bits, unconverted, into the low bits of out. */
void convert_to_codes(sib_dtype from, const void *src, size_t first, size_t n, uint64_t *out);

#endif
