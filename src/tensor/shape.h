/* Dims and strides, with checked arithmetic. Strides count elements. */
#ifndef TENSOR_SHAPE_H
#define TENSOR_SHAPE_H

#include <sibyl/tensor.h>

/* Max bytes of shape text: 16 dims of up to 20 characters. */
#define SHAPE_TEXT 400

/* Checks rank and dims (rank), and counts the elements. Even where the count is 0, the product of the
   other dims must fit in int64_t, so that strides do. Errors: SIB_ERR_ARGUMENT (rank, NULL, negative dim),
   SIB_ERR_SIZE. */
sib_code shape_count(size_t rank, const int64_t *dims, uint64_t *count, sib_error *err);

/* Computes row-major strides of checked dims. dims, strides: (rank). */
void shape_dense_strides(size_t rank, const int64_t *dims, int64_t *strides);

/* True where strides are row-major without gaps. Dims of size 1 may have any stride, and in an empty box
   all dims may. */
bool shape_is_dense(size_t rank, const int64_t *dims, const int64_t *strides);

/* Checks that the offsets of all elements of a strided box, of `bytes` each, from element (0, ..., 0) fit
   a pointer difference. Errors: SIB_ERR_SIZE. */
sib_code shape_check_reach(size_t rank, const int64_t *dims, const int64_t *strides, size_t bytes,
                           sib_error *err);

/* Formats dims as "(2, 3)" in text (SHAPE_TEXT). Returns text. */
const char *shape_text(size_t rank, const int64_t *dims, char *text);

#endif
