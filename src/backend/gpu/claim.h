/* What the device runs: looks nodes up in gpu.def. */
#ifndef GPU_CLAIM_H
#define GPU_CLAIM_H

#include "backend/gpu/gpu.h"

/* What runs a node as one step; NULL: nothing. Of a group it asks for its nodes, which are no groups. */
const gpu_op *gpu_op_for(const node_view *n);
/* Whether v is a tensor without elements. */
bool gpu_is_empty(const graph *g, const value *v);

#endif
