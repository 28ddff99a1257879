/* What is known of each element type: one row of SIB_DTYPES. */
#ifndef TENSOR_DTYPE_H
#define TENSOR_DTYPE_H

#include <sibyl/tensor.h>

typedef struct dtype_row {
    const char *name;
    unsigned bits; /* of one element; below 8: packed */
    sib_dtype_kind kind;
} dtype_row;

/* Row of a type; for an unknown one a row of 0 bits and SIB_KIND_NONE. */
const dtype_row *dtype_info(sib_dtype dtype);

/* True for the types below a byte. */
bool dtype_is_packed(sib_dtype dtype);

/* Bytes from one element to the next; 0 for packed types. */
size_t dtype_stride(sib_dtype dtype);

/* Bytes of the numbers that an element is made of, which is its alignment and what a change of byte order
   swaps: 4 for complex64, of two floats; 1 for packed types. */
size_t dtype_align(sib_dtype dtype);

/* Bytes of n dense elements. Returns false where they do not fit in memory. */
bool dtype_bytes(sib_dtype dtype, uint64_t n, size_t *out);

/* SIB_OK for a known type, else SIB_ERR_ARGUMENT with the number. */
sib_code dtype_check(sib_dtype dtype, sib_error *err);

#endif
