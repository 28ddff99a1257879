/* Buffers as parts of blocks of a device's memory: drivers limit how many allocations there are, and are slow
   at them. */
#ifndef GPU_BLOCKS_H
#define GPU_BLOCKS_H

#include "gpu/device.h"

typedef struct gpu_blocks gpu_blocks;

/* Errors: SIB_ERR_MEMORY. */
sib_code gpu_blocks_create(gpu_device *d, gpu_blocks **out, sib_error *err);
/* All buffers must be freed. *b may be NULL. */
void gpu_blocks_free(gpu_blocks **b);
/* Thread-safe. Errors: SIB_ERR_MEMORY, those of the device. */
sib_code gpu_blocks_get(gpu_blocks *b, size_t bytes, gpu_buffer **out, sib_error *err);
void gpu_blocks_put(gpu_blocks *b, gpu_buffer **buffer);
/* Where a range lies. */
gpu_place gpu_place_of(gpu_range r);

#endif
