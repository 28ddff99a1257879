/* Products of few rows, as launches of the kernels `matvec*`, which take the place of `matmul`. */
#ifndef GPU_MATVEC_H
#define GPU_MATVEC_H

#include "backend/gpu/gpu.h"

/* Whether they compute this product of floats. */
bool gpu_is_matvec(const gpu_matmul_args *args, size_t batches);
/* Adds it. operands (6): as the kernel matmul has them. Errors: SIB_ERR_MEMORY. */
sib_code gpu_add_matvec(gpu_step *s, const gpu_matmul_args *args, const gpu_operand *operands, size_t batches,
                        sib_error *err);

#endif
