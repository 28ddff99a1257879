/* Properties of element types: one row per entry of SIB_DTYPES. */
#ifndef TENSOR_DTYPE_H
#define TENSOR_DTYPE_H

#include <sibyl/tensor.h>

typedef struct dtype_row {
    const char *name;
    unsigned bits; /* per element; below 8: packed */
    sib_dtype_kind kind;
} dtype_row;

/* Returns the row of a type; for an unknown one, a row of 0 bits and SIB_KIND_NONE. */
const dtype_row *dtype_info(sib_dtype dtype);

/* True for types smaller than a byte. */
bool dtype_is_packed(sib_dtype dtype);

/* Bytes per element; 0 for packed types. */
size_t dtype_stride(sib_dtype dtype);

/* Bytes of the numbers that make up an element, which is its alignment and the unit of a byte swap: 4 for
   complex64, which is two floats; 1 for packed types. */
size_t dtype_align(sib_dtype dtype);

/* Gets the bytes of n dense elements. Returns false on overflow. */
bool dtype_bytes(sib_dtype dtype, uint64_t n, size_t *out);

/* Returns SIB_OK for a known type, else SIB_ERR_ARGUMENT with its number. */
sib_code dtype_check(sib_dtype dtype, sib_error *err);

#endif
