/* Tree ensembles prepared from the lists of the milli-op trees or the attributes of ai.onnx.ml operators. */
#ifndef CPU_TREES_H
#define CPU_TREES_H

#include "backend/cpu/cpu.h"
#include "kernel/trees/trees.h"

/* The lists of the milli-op (milli.def), or the same made from an operator's attributes. */
typedef struct trees_lists {
    size_t n_nodes, n_leaves, n_roots, n_weights, n_targets;
    const int64_t *roots, *features, *modes, *missing, *yes, *no, *leaf_starts, *targets;
    const double *splits, *weights;
    int64_t aggregate;
} trees_lists;

/* A forest in one block of memory (mem_free). The lists must be in range. Errors: SIB_ERR_MEMORY. */
typedef struct trees_made {
    trees_forest forest;
} trees_made;

sib_code trees_make(const trees_lists *l, trees_made **out, sib_error *err);

#endif
