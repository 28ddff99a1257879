/* What several operators end with. */
#ifndef GPU_ATTENTION_H
#define GPU_ATTENTION_H

#include "backend/gpu/gpu.h"

/* Whether the kernels take it: words are written whole, and the groups of a launch are limited. */
bool gpu_takes_attention(const gpu_attention_args *args, size_t batches);
/* Adds attention with these args and operands (8), in groups by rows, or for few rows by keys too. Errors:
   SIB_ERR_MEMORY. */
sib_code gpu_add_attention(gpu_step *s, gpu_attention_args args, const gpu_operand *operands, size_t batches,
                           sib_error *err);

#endif
