/* Numbers of one element type to another, in dense memory. Strings are in text.h. */
#ifndef TENSOR_CONVERT_H
#define TENSOR_CONVERT_H

#include <sibyl/tensor.h>

/* Maximum number of elements of one block call. */
#define CONVERT_BLOCK 512

/* n <= CONVERT_BLOCK elements of `from`, starting with element from_first of src, to elements to_first and on
   of dst. Neighbours in the same byte are left as they are. No alignment is asked for. */
void convert_block(sib_dtype from, const void *src, size_t from_first, sib_dtype to, void *dst,
                   size_t to_first, size_t n, sib_overflow overflow);

/* The same for any n from element 0 on; bits of dst's last byte beyond element n become 0. */
void convert_dense(sib_dtype from, const void *src, sib_dtype to, void *dst, size_t n, sib_overflow overflow);

typedef enum convert_part { CONVERT_REAL_PART, CONVERT_MODULUS } convert_part;

/* n <= CONVERT_BLOCK elements as doubles, to nearest; complex numbers as `part` says. */
void convert_to_doubles(sib_dtype from, const void *src, size_t first, size_t n, convert_part part,
                        double *out);

/* n <= CONVERT_BLOCK elements of at most 64 bits as they are, in the low bits of out. */
void convert_to_codes(sib_dtype from, const void *src, size_t first, size_t n, uint64_t *out);

#endif
