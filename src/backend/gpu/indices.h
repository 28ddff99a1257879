/* Indices that a kernel reads without a check: they are held against their axes before it runs, on the host. */
#ifndef GPU_INDICES_H
#define GPU_INDICES_H

#include "backend/gpu/gpu.h"

/* Input `input` of a node: `count` places of `depth` coordinates each, coordinate k on axis first + k of size
   sizes[k]. */
typedef struct gpu_indices {
    size_t input, count, depth, first;
    sib_dtype dtype; /* SIB_I32 or SIB_I64 */
    bool wraps;      /* negative ones count from the end */
    int64_t sizes[SIB_MAX_RANK];
} gpu_indices;

/* elements: the input's. Errors: SIB_ERR_VALUE, the first that is out of range. */
sib_code gpu_indices_check(const gpu_indices *x, const node *n, const void *elements, sib_error *err);
/* Whether the input is no constant, or one whose elements are in range. */
bool gpu_indices_hold(const gpu_indices *x, const node_view *n);
/* Reads input `input`, integers on axes [first, first + depth) of data, the input 0. Milli-ops take no negative ones.
   Returns false where it is no such tensor. */
bool gpu_indices_of(const node_view *n, size_t input, size_t first, size_t depth, const gpu_tensor *data,
                    gpu_indices *out);

#endif
