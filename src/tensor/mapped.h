/* Tensors whose elements stand in a mapped file, which they keep. So a model opens without reading its weights, wherever
   they stand. */
#ifndef TENSOR_MAPPED_H
#define TENSOR_MAPPED_H

#include "base/mapping.h"

#include <sibyl/tensor.h>

/* Over `bytes` of file, which are dense elements as they are in memory, aligned to their numbers.
   Errors: as sib_tensor_wrap. */
sib_code tensor_wrap_mapped(sib_dtype dtype, size_t rank, const int64_t *dims, mapping *file, byte_span bytes,
                            sib_tensor **out, sib_error *err);
/* The same at any address, and at least one byte: memory is set aside for the elements, and they are copied there when
   somebody first wants them. Errors: SIB_ERR_MEMORY also where none can be set aside. */
sib_code tensor_wrap_shifted(sib_dtype dtype, size_t rank, const int64_t *dims, mapping *file,
                             byte_span bytes, sib_tensor **out, sib_error *err);

#endif
