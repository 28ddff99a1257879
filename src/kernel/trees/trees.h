/* Decision trees in one flat list. A row descends from each root to a leaf, which adds its weights to the
   targets. */
#ifndef KERNEL_TREES_H
#define KERNEL_TREES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREES_MISSING UINT32_C(0x80000000)

/* The walk continues at next[0] where x[feature] <= split, or where x[feature] is NaN and the feature has the
   bit TREES_MISSING; else at next[1]. Leaves follow all inner nodes; a leaf is a node whose split is NaN and
   whose next is itself. */
typedef struct trees_node {
    double split;
    uint32_t feature;
    uint32_t next[2];
} trees_node;

typedef enum trees_aggregate { TREES_AVERAGE, TREES_SUM, TREES_MIN, TREES_MAX } trees_aggregate;

typedef struct trees_forest {
    size_t n_nodes, n_leaves, n_roots, n_targets;
    const trees_node *nodes;     /* (n_nodes + n_leaves) */
    const uint32_t *roots;       /* (n_roots) indices into nodes */
    const uint32_t *leaf_starts; /* (n_leaves + 1): where a leaf's targets and weights begin */
    const uint32_t *targets;     /* (leaf_starts[n_leaves]) */
    const double *weights;       /* (leaf_starts[n_leaves]) */
    trees_aggregate aggregate;
} trees_forest;

/* Returns the split for which x <= split equals x < below. */
double trees_split_below(double below);

/* Evaluates one row x, which the nodes' features index. sums (n_targets): in the order of the trees; reached
   (n_targets): whether a target received any weight. */
void trees_walk(const trees_forest *f, const double *x, double *sums, bool *reached);

#endif
