/* Copies that several operators begin with. */
#ifndef GPU_LAYOUT_H
#define GPU_LAYOUT_H

#include "backend/gpu/gpu.h"

/* Adds a launch that copies input `in` to output 0, which has its dtype and dims. Errors: SIB_ERR_MEMORY. */
sib_code gpu_add_copy(const node_view *n, gpu_step *s, size_t in, sib_error *err);

/* Words of an element. Types narrower than a word have 1 << shift elements in one. */
typedef struct gpu_items {
    uint32_t shift, wide;
} gpu_items;
gpu_items gpu_items_of(const gpu_tensor *t);

#endif
