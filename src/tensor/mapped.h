/* Tensors whose elements are in a mapped file, which they keep alive. So a model opens without its weights
   being read, at any alignment. */
#ifndef TENSOR_MAPPED_H
#define TENSOR_MAPPED_H

#include "base/mapping.h"

#include <sibyl/tensor.h>

/* Wraps `bytes` of file: dense elements with the layout and alignment of memory. Errors: as
   sib_tensor_wrap. */
sib_code tensor_wrap_mapped(sib_dtype dtype, size_t rank, const int64_t *dims, mapping *file, byte_span bytes,
                            sib_tensor **out, sib_error *err);
/* The same at any alignment, for at least one byte: reserves memory into which the elements are copied on
   first use. Errors: SIB_ERR_MEMORY also where none can be reserved. */
sib_code tensor_wrap_shifted(sib_dtype dtype, size_t rank, const int64_t *dims, mapping *file,
                             byte_span bytes, sib_tensor **out, sib_error *err);

#endif
